/* permute.h: lanes picked out of a window of memory, and fused multiply-adds of vectors.
 *
 * A window is one or two vectors of neighbouring numbers, loaded once and kept in registers; `pick` takes from it the
 * numbers at the given places. Processors without such a permutation (SSE2) pick from memory, whose cache is as near.
 * Places of lanes that are left out may be anything: they count modulo the window's length.
 */
#ifndef UPSAMPLING_PERMUTE_H
#define UPSAMPLING_PERMUTE_H

#include "storage.h"

#if defined(__FMA__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if REAL_BYTES == 8
typedef int64_t lane;
#else
typedef int32_t lane;
#endif
typedef lane lanes __attribute__((vector_size(VECTOR_BYTES)));
typedef lane unaligned_lanes __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_BYTES), may_alias));

static inline lanes lanes_at(const lane *p) { return *(const unaligned_lanes *)p; }
static inline lanes lanes_of(lane x) { return (lanes){0} + x; }
/* v where count > t, else 0. */
static inline vec where_more(lanes count, lane t, vec v) { return (vec)((lanes)v & (count > lanes_of(t))); }

#if !defined(__clang__) && (defined(__AVX2__) || defined(__aarch64__))
typedef struct { vec a, b; } window;
static inline window window_at(const real *p, int vectors) {
    vec a = vload(p);
    return (window){a, vectors > 1 ? vload(p + LANES) : a};
}
static inline vec pick(window w, int vectors, lanes at) {
    return vectors > 1 ? __builtin_shuffle(w.a, w.b, at) : __builtin_shuffle(w.a, at);
}
#else
typedef const real *window;
static inline window window_at(const real *p, int vectors) { return (void)vectors, p; }
static inline vec pick(window w, int vectors, lanes at) {
    vec v;
    for (int i = 0; i < LANES; i++) v[i] = w[at[i] & (vectors * LANES - 1)];
    return v;
}
#endif

/* a * b + c, rounded as madd() rounds: written out, for a product that is added to a product could be fused either way. */
static inline vec vmadd(vec a, vec b, vec c) {
#if !FUSED
    return a * b + c;
#elif defined(__aarch64__) && REAL_BYTES == 8
    return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#elif defined(__aarch64__)
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif REAL_BYTES == 8 && VECTOR_BYTES == 64
    return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif VECTOR_BYTES == 64
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif REAL_BYTES == 8 && VECTOR_BYTES == 32
    return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif VECTOR_BYTES == 32
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    for (int i = 0; i < LANES; i++) c[i] = madd(a[i], b[i], c[i]);
    return c;
#endif
}

#endif
