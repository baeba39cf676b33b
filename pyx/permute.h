/* permute.h: lanes picked out of a window of memory, and fused multiply-adds of vectors.
 *
 * A window is one or two vectors of neighbouring numbers, loaded once and kept in registers; `pick` takes from it the
 * numbers at the given places. Processors without such a permutation (SSE2) pick from memory, whose cache is as near.
 * `pick_far` takes them from as many as LONGEST vectors, two at a time.
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

typedef lane unaligned_lanes __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_BYTES), may_alias));

static inline lanes lanes_at(const lane *p) { return *(const unaligned_lanes *)p; }
enum { LONGEST = 8, TAPS_APART = VECTOR_BYTES > 16 };
/* v where count > t, else 0. */
static inline vec where_more(lanes count, lane t, vec v) { return (vec)((lanes)v & (count > lanes_of(t))); }

#if !defined(__clang__) && (defined(__AVX2__) || defined(__aarch64__))
#define PERMUTES 1
typedef struct { vec a, b; } window;
static inline window window_at(const real *p, int vectors) {
    vec a = vload(p);
    return (window){a, vectors > 1 ? vload(p + LANES) : a};
}
static inline vec pick(window w, int vectors, lanes at) {
    return vectors > 1 ? __builtin_shuffle(w.a, w.b, at) : __builtin_shuffle(w.a, at);
}
/* `later` in the lanes whose place is `from` or beyond, else `found`. */
static inline vec beyond(lanes at, lane from, vec found, vec later) {
#if VECTOR_BYTES == 64 && REAL_BYTES == 4
    return (vec)_mm512_mask_blend_ps(_mm512_cmpge_epi32_mask((__m512i)at, (__m512i)lanes_of(from)), (__m512)found, (__m512)later);
#elif VECTOR_BYTES == 64
    return (vec)_mm512_mask_blend_pd(_mm512_cmpge_epi64_mask((__m512i)at, (__m512i)lanes_of(from)), (__m512d)found, (__m512d)later);
#else
    lanes far = at >= lanes_of(from);
    return (vec)(((lanes)later & far) | ((lanes)found & ~far));
#endif
}
static inline __attribute__((always_inline)) vec pick_far(const vec *v, int vectors, lanes at) {
    vec found = vectors > 1 ? __builtin_shuffle(v[0], v[1], at) : __builtin_shuffle(v[0], at);
    for (int k = 2; k < vectors; k += 2) found = beyond(at, k * LANES, found, __builtin_shuffle(v[k], v[k + 1], at));
    return found;
}
#else
#define PERMUTES 0
typedef const real *window;
static inline window window_at(const real *p, int vectors) { return (void)vectors, p; }
static inline vec pick(window w, int vectors, lanes at) {
    vec v;
    real x;
    for (int i = 0; i < LANES; i++) { /* bytewise: items of four bytes may lie anywhere */
        memcpy(&x, (const char *)w + (at[i] & (vectors * LANES - 1)) * (int)sizeof(real), sizeof(real));
        v[i] = x;
    }
    return v;
}
static inline vec pick_far(const vec *v, int vectors, lanes at) { return pick((const real *)v, vectors, at); }
#endif

/* A vector of pixels of 16 bytes, each from its own place: x[first[0]], x[first[1 * as many as a pixel has]], ... A pixel
 * whose count is not above t is 0 and not read; without counts all are read. */
enum { PIXEL = 16 / REAL_BYTES };
typedef real pixel __attribute__((vector_size(16)));
typedef real unaligned_pixel __attribute__((vector_size(16), aligned(REAL_BYTES), may_alias));
static inline __attribute__((always_inline)) pixel pixel_at(const real *x, const lane *first, const lane *counts, int k,
                                                            lane t) {
    if (counts && counts[k * PIXEL] <= t) return (pixel){0};
    return *(const unaligned_pixel *)(x + first[k * PIXEL]);
}
static inline __attribute__((always_inline)) vec pixels_at(const real *x, const lane *first, const lane *counts, lane t) {
#if VECTOR_BYTES == 16
    return pixel_at(x, first, counts, 0, t);
#else
    __m256 low = _mm256_castps128_ps256((__m128)pixel_at(x, first, counts, 0, t));
    low = _mm256_insertf128_ps(low, (__m128)pixel_at(x, first, counts, 1, t), 1);
#if VECTOR_BYTES == 32
    return (vec)low;
#else
    __m256 high = _mm256_castps128_ps256((__m128)pixel_at(x, first, counts, 2, t));
    high = _mm256_insertf128_ps(high, (__m128)pixel_at(x, first, counts, 3, t), 1);
    return (vec)_mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(low)), _mm256_castps_pd(high), 1);
#endif
#endif
}

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
