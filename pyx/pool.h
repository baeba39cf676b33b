/* pool.h: the items that are compared and vectors of them, with vectors of the offsets at which they were found.
 *
 * `item` is what a build compares, `offset` an integer of its size. best_of keeps the first of equal maxima; a NaN
 * wins over all before it. Vectors are LANES windows, or LANES channels of one.
 */
#ifndef UPSAMPLING_POOL_H
#define UPSAMPLING_POOL_H

#include "simd.h"

#if defined(PRECISION_F64)
typedef double item;
typedef int64_t offset;
#define LOWEST (-__builtin_inf())
#define IS_NAN(x) ((x) != (x))
#elif defined(PRECISION_I64)
typedef int64_t item;
typedef int64_t offset;
#define LOWEST INT64_MIN
#define IS_NAN(x) 0
#else
typedef float item;
typedef int32_t offset;
#define LOWEST (-__builtin_inff())
#define IS_NAN(x) ((x) != (x))
#endif

typedef item items __attribute__((vector_size(VECTOR_BYTES)));
typedef item unaligned_items __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(item)), may_alias));
typedef offset offsets __attribute__((vector_size(VECTOR_BYTES)));
typedef offset unaligned_offsets __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(offset)), may_alias));

typedef int64_t positions __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t unaligned_positions __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
#if LANES * 8 != VECTOR_BYTES
typedef offset half_offsets __attribute__((vector_size(VECTOR_BYTES / 2)));
static inline void offsets_halves(offsets v, half_offsets *low, half_offsets *high) {
    memcpy(low, &v, sizeof *low);
    memcpy(high, (const char *)&v + sizeof *low, sizeof *high);
}
#endif

/* The best items so far are two vectors, the items and where they are; not a struct, which GCC would leave in memory. */
static inline items items_set(item x) { return (items){0} + x; }
static inline offsets offsets_set(offset x) { return (offsets){0} + x; }
static inline items items_load(const item *p) { return *(const unaligned_items *)p; }
static inline void items_store(item *p, items v) { *(unaligned_items *)p = v; }
static inline offsets offsets_load(const offset *p) { return *(const unaligned_offsets *)p; }
static inline void offsets_store(offset *p, offsets v) { *(unaligned_offsets *)p = v; }

static inline void best_of(items *most, offsets *at, items v, offset where) {
    offsets wins = v > *most;
#if !defined(PRECISION_I64)
    wins |= v != v;
#endif
    *most = (items)(((offsets)v & wins) | ((offsets)*most & ~wins));
    *at = (((offsets){0} + where) & wins) | (*at & ~wins);
}

/* Offsets from windows that begin `step` apart, the first at the position `origin`, as 64-bit positions. */
static inline void positions_store(long long *to, offsets at, long long origin, long long step) {
    positions lane;
    for (int i = 0; i < (int)(VECTOR_BYTES / 8); i++) lane[i] = origin + i * step;
#if LANES * 8 == VECTOR_BYTES
    *(unaligned_positions *)to = at + lane;
#else
    half_offsets low, high;
    offsets_halves(at, &low, &high);
    *(unaligned_positions *)to = __builtin_convertvector(low, positions) + lane;
    *(unaligned_positions *)(to + LANES / 2) = __builtin_convertvector(high, positions) + (lane + (int64_t)(LANES / 2 * step));
#endif
}
static inline void best_of_one(item *most, offset *at, item v, offset where) {
    if (v > *most || IS_NAN(v)) {
        *most = v;
        *at = where;
    }
}

static inline items items_every(const item *p, ptrdiff_t step) {
    items v;
    for (int i = 0; i < LANES; i++) v[i] = p[i * step];
    return v;
}

/* Of two vectors that lie one after another the items with even and with odd numbers. */
#if LANES == 16
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif LANES == 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#elif LANES == 4
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#else
#define EVEN 0, 2
#define ODD 1, 3
#endif
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (offsets){__VA_ARGS__})
#endif
static inline items items_even(const item *p) { return SHUFFLE(items_load(p), items_load(p + LANES), EVEN); }
static inline items items_odd(const item *p) { return SHUFFLE(items_load(p), items_load(p + LANES), ODD); }

#endif
