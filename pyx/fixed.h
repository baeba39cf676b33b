/* fixed.h: weighted sums of 8-bit or 16-bit pixels in integers.
 *
 * A weight is an int32_t in units of 2**-22. Sums are exact: pixels are taken apart into bytes, and the positive
 * weights of a filter add up to less than 2, so that 255 * 2 * 2**22 < 2**31 bounds each sum of bytes. A 16-bit
 * pixel is 256 * high + low, with one sum for each. A finished sum is rounded to the nearest integer (halves up)
 * and saturated.
 *
 * Vectors of bytes are widened and narrowed by shifts and masks alone: byte b of each 32-bit lane of a load is one
 * vector.
 */
#ifndef UPSAMPLING_FIXED_H
#define UPSAMPLING_FIXED_H

#include "simd.h"

#if defined(PRECISION_U16)
typedef uint16_t pixel;
#define PIXEL_TOP 65535
#else
typedef uint8_t pixel;
#define PIXEL_TOP 255
#endif

typedef int32_t ivec __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t unaligned_ivec __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));

static inline ivec ivec_load(const void *p) { return *(const unaligned_ivec *)p; }
static inline void ivec_store(void *p, ivec v) { *(unaligned_ivec *)p = v; }
static inline ivec ivec_byte(ivec v, int b) { return (v >> (8 * b)) & 255; }
static inline ivec ivec_limited(ivec v) { return (v | ((PIXEL_TOP - v) >> 31)) & ~(v >> 31) & PIXEL_TOP; }

/* The sum of one pixel for each lane. */
#if defined(PRECISION_U16)
#define PARTS 2 /* vectors that a widened pixel takes: low and high bytes */
typedef struct { ivec low, high; } total;
static inline total total_new(void) { return (total){(ivec){0}, (ivec){0} + (1 << 13)}; }
static inline total total_add(total t, const int32_t *wide, int32_t weight) {
    return (total){t.low + ivec_load(wide) * weight, t.high + ivec_load(wide + LANES) * weight};
}
/* (256 * high + low + 2**21) >> 22, in which the lowest 8 bits of `low` decide nothing. */
static inline ivec total_pixel(total t) { return ivec_limited((t.high + (t.low >> 8)) >> 14); }
#else
#define PARTS 1
typedef struct { ivec sum; } total;
static inline total total_new(void) { return (total){(ivec){0} + (1 << 21)}; }
static inline total total_add(total t, const int32_t *wide, int32_t weight) {
    return (total){t.sum + ivec_load(wide) * weight};
}
static inline ivec total_pixel(total t) { return ivec_limited(t.sum >> 22); }
#endif
static inline void total_store(int32_t *p, total t) { ivec_store(p, total_pixel(t)); }

#define BUNDLE ((ptrdiff_t)(VECTOR_BYTES / sizeof(pixel))) /* pixels of a vector */
#define PIXELS_PER_LANE ((int)(4 / sizeof(pixel)))

/* PIXELS_PER_LANE vectors of limited pixels in one: pixel i of each lane is pixels[i]. */
static inline ivec packed(const ivec *pixels) {
    ivec v = pixels[0];
    for (int i = 1; i < PIXELS_PER_LANE; i++) v |= (ivec)((pixels[i]) << (int)(8 * sizeof(pixel) * i));
    return v;
}

/* The sum of one pixel, rounded. */
static inline pixel pixel_of(int64_t sum) {
    int64_t v = (sum + (1 << 21)) >> 22;
    return (pixel)(v < 0 ? 0 : v > PIXEL_TOP ? PIXEL_TOP : v);
}

/* Rows to columns and back: BLOCK pixels of LANES rows are LANES quads of four 32-bit lanes. */
#define BLOCK ((ptrdiff_t)(16 / sizeof(pixel)))
typedef int32_t quad __attribute__((vector_size(16)));
typedef int32_t unaligned_quad __attribute__((vector_size(16), aligned(1), may_alias));

/* Rows i, 4 + i, 8 + i ... (LANES / 4 of them) of quads in one vector: four such vectors hold LANES rows, and one
 * transposition of four by four lanes in each quarter turns rows into columns: vector i then has lane i of all rows.
 * By memcpy, which older compilers have to take, vectors of 64 bytes go through memory: 3.4 ms became 4.6. */
#if defined(__clang__) || __GNUC__ >= 12
#define LANES_OF(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define QUARTER(v, k) __builtin_shufflevector(v, v, 4 * (k), 4 * (k) + 1, 4 * (k) + 2, 4 * (k) + 3)
#else
#define LANES_OF(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#define QUARTER(v, k) ((quad){(v)[4 * (k)], (v)[4 * (k) + 1], (v)[4 * (k) + 2], (v)[4 * (k) + 3]})
#endif
#if LANES == 16
static inline ivec quads_joined(quad a, quad b, quad c, quad d) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(
        __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7), __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7),
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    return (ivec){a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], c[0], c[1], c[2], c[3], d[0], d[1], d[2], d[3]};
#endif
}
#define QUADS(q, i) quads_joined((q)[i], (q)[4 + (i)], (q)[8 + (i)], (q)[12 + (i)])
#define ZIP_LOW 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define ZIP_HIGH 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define PAIR_LOW 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define PAIR_HIGH 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#elif LANES == 8
static inline ivec quads_joined(quad a, quad b) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    return (ivec){a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]};
#endif
}
#define QUADS(q, i) quads_joined((q)[i], (q)[4 + (i)])
#define ZIP_LOW 0, 8, 1, 9, 4, 12, 5, 13
#define ZIP_HIGH 2, 10, 3, 11, 6, 14, 7, 15
#define PAIR_LOW 0, 1, 8, 9, 4, 5, 12, 13
#define PAIR_HIGH 2, 3, 10, 11, 6, 7, 14, 15
#else
#define QUADS(q, i) ((q)[i])
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#define PAIR_LOW 0, 1, 4, 5
#define PAIR_HIGH 2, 3, 6, 7
#endif

/* Lane j of vector i and lane i of vector j change places, in each quarter. */
static inline void quarters_transposed(ivec v[4]) {
    ivec a = LANES_OF(v[0], v[1], ZIP_LOW), b = LANES_OF(v[0], v[1], ZIP_HIGH);
    ivec c = LANES_OF(v[2], v[3], ZIP_LOW), d = LANES_OF(v[2], v[3], ZIP_HIGH);
    v[0] = LANES_OF(a, c, PAIR_LOW);
    v[1] = LANES_OF(a, c, PAIR_HIGH);
    v[2] = LANES_OF(b, d, PAIR_LOW);
    v[3] = LANES_OF(b, d, PAIR_HIGH);
}

/* tile[i][part][r] = the bytes of rows[r][i], widened, for first <= i < end and i < n; first is a multiple of BLOCK.
 * The tile has room for n rounded up to BLOCK. If `ahead` is not 0, what lies so many pixels after each row is read next: it is asked for now, as so many short pieces of rows
 * are too many for the processor to foresee. */
static inline void tile_read(int32_t *tile, const pixel *const *rows, ptrdiff_t first, ptrdiff_t end, ptrdiff_t n,
                             ptrdiff_t ahead) {
    for (ptrdiff_t i = first; i < end; i += BLOCK) {
        quad q[LANES];
        ivec v[4];
        if (ahead && i % (4 * BLOCK) == 0)
            for (int r = 0; r < LANES; r++)
                ask_for((const char *)((uintptr_t)(rows[r] + i) + (uintptr_t)ahead * sizeof(pixel)));
        if (n - i >= BLOCK) {
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++) q[r] = *(const unaligned_quad *)(rows[r] + i);
        } else {
            for (int r = 0; r < LANES; r++) {
                q[r] = (quad){0};
                memcpy(&q[r], rows[r] + i, (size_t)(n - i) * sizeof(pixel));
            }
        }
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) v[k] = QUADS(q, k);
        quarters_transposed(v);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            for (int b = 0; b < 4; b++) ivec_store(tile + (i * (ptrdiff_t)sizeof(pixel) + 4 * k + b) * LANES, ivec_byte(v[k], b));
    }
}

/* rows[r][first + i] = wide[i][r] for i < BLOCK. */
static inline void tile_write(pixel *const *rows, ptrdiff_t first, const int32_t *wide) {
    ivec v[4];
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        ivec pixels[4 / sizeof(pixel)];
        for (int i = 0; i < PIXELS_PER_LANE; i++) pixels[i] = ivec_load(wide + (g * PIXELS_PER_LANE + i) * LANES);
        v[g] = packed(pixels);
    }
    quarters_transposed(v);
#define STORE(k) \
    for (int i = 0; i < 4; i++) *(unaligned_quad *)(rows[4 * (k) + i] + first) = QUARTER(v[i], k)
    STORE(0);
#if LANES >= 8
    STORE(1);
#endif
#if LANES >= 16
    STORE(2);
    STORE(3);
#endif
#undef STORE
}

#endif
