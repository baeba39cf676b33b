/* storage.h: rows of the types that arrays are stored in, to `real` and back.
 *
 * A kind code names the stored type; the switch stands outside the loops. float16 and bfloat16 are converted by
 * integer arithmetic, rounded to nearest even, with subnormals, infinities and NaN right. Integers are rounded to
 * nearest, halves up, and limited to their range; a value less than a margin below a half counts as a half
 * (upsampling/_interpolate_args.py says why, and has the same margin).
 */
#ifndef UPSAMPLING_STORAGE_H
#define UPSAMPLING_STORAGE_H

#include "simd.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

/* Whether the instruction set multiplies and adds with one rounding. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FUSED 1
#else
#define FUSED 0
#endif

enum { STORED_REAL, STORED_F32, STORED_F16, STORED_BF16, STORED_U8, STORED_I8, STORED_U16, STORED_I16 };

/* a * b + c, fused wherever the instruction set has it: written out, so that no two loops differ in it. */
static inline real madd(real a, real b, real c) {
#if !FUSED
    return a * b + c;
#elif REAL_BYTES == 8
    return __builtin_fma(a, b, c);
#else
    return __builtin_fmaf(a, b, c);
#endif
}

static inline uint32_t bits_of(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
static inline float float_of(uint32_t u) { float x; memcpy(&x, &u, 4); return x; }

static inline float from_f16(uint16_t h) {
    /* The exponent is put right by a multiplication, which normalises subnormals too. */
    uint32_t u = bits_of(float_of((uint32_t)(h & 0x7fff) << 13) * 0x1p112f);
    u |= (h & 0x7c00) == 0x7c00 ? 0x7f800000u : 0u;
    return float_of(u | (uint32_t)(h & 0x8000) << 16);
}
static inline uint16_t to_f16(float x) {
    uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, size = u & 0x7fffffff;
    /* Below 2**-14 adding 1/2 leaves the rounded subnormal in the lowest bits. */
    uint32_t small = bits_of(float_of(size) + 0.5f) - 0x3f000000u;
    uint32_t normal = (size - 0x38000000u + 0xfff + (size >> 13 & 1)) >> 13;
    uint32_t result = size < 0x38800000u ? small : normal;
    result = size >= 0x47800000u ? 0x7c00u : result;
    result = size > 0x7f800000u ? 0x7e00u | (size >> 13 & 0x1ff) : result;
    return (uint16_t)(result | sign);
}
static inline float from_bf16(uint16_t h) { return float_of((uint32_t)h << 16); }
static inline uint16_t to_bf16(float x) {
    uint32_t u = bits_of(x);
    uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000u ? u >> 16 | 0x40 : rounded);
}

#define ROW_LOAD(NAME, TYPE, VALUE)                                                          \
    static inline void load_##NAME(real *restrict to, const TYPE *restrict from, ptrdiff_t n) { \
        for (ptrdiff_t i = 0; i < n; i++) to[i] = (real)VALUE(from[i]);                      \
    }
#define ROW_STORE(NAME, TYPE, VALUE)                                                          \
    static inline void store_##NAME(TYPE *restrict to, const real *restrict from, ptrdiff_t n) { \
        for (ptrdiff_t i = 0; i < n; i++) to[i] = VALUE((float)from[i]);                      \
    }
/* Above its lower limit a value minus that limit is positive, so truncation is the floor. */
#define ROW_STORE_INTEGER(NAME, TYPE, LOW, HIGH)                                              \
    static inline void store_##NAME(TYPE *restrict to, const real *restrict from, ptrdiff_t n) { \
        for (ptrdiff_t i = 0; i < n; i++) {                                                   \
            real v = from[i];                                                                 \
            v = v < (real)(LOW) ? (real)(LOW) : v;                                            \
            v = v > (real)(HIGH) ? (real)(HIGH) : v;                                          \
            to[i] = (TYPE)((int32_t)(v - (real)(LOW) + (real)(0.5 + 0x1p-26)) + (LOW));       \
        }                                                                                     \
    }

ROW_LOAD(f32, float, )
#if defined(__F16C__) && REAL_BYTES == 4
/* The processor's own conversions, 8 at a time: they round and keep what is not a number as those above do. */
static inline void load_f16(real *restrict to, const uint16_t *restrict from, ptrdiff_t n) {
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
    for (; i < n; i++) to[i] = from_f16(from[i]);
}
static inline void store_f16(uint16_t *restrict to, const real *restrict from, ptrdiff_t n) {
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++) to[i] = to_f16(from[i]);
}
#else
ROW_LOAD(f16, uint16_t, from_f16)
ROW_STORE(f16, uint16_t, to_f16)
#endif
ROW_LOAD(bf16, uint16_t, from_bf16)
ROW_LOAD(u8, uint8_t, )
ROW_LOAD(i8, int8_t, )
ROW_LOAD(u16, uint16_t, )
ROW_LOAD(i16, int16_t, )
ROW_STORE(f32, float, )
ROW_STORE(bf16, uint16_t, to_bf16)
ROW_STORE_INTEGER(u8, uint8_t, 0, 255)
ROW_STORE_INTEGER(i8, int8_t, -128, 127)
ROW_STORE_INTEGER(u16, uint16_t, 0, 65535)
ROW_STORE_INTEGER(i16, int16_t, -32768, 32767)

/* A row of any of them. Out of line, for these are long. */
static __attribute__((noinline, unused)) void row_load(real *to, const void *from, ptrdiff_t n, int kind) {
    switch (kind) {
    case STORED_F32: load_f32(to, from, n); break;
    case STORED_F16: load_f16(to, from, n); break;
    case STORED_BF16: load_bf16(to, from, n); break;
    case STORED_U8: load_u8(to, from, n); break;
    case STORED_I8: load_i8(to, from, n); break;
    case STORED_U16: load_u16(to, from, n); break;
    case STORED_I16: load_i16(to, from, n); break;
    default: memcpy(to, from, (size_t)n * sizeof(real));
    }
}
static __attribute__((noinline, unused)) void row_store(void *to, const real *from, ptrdiff_t n, int kind) {
    switch (kind) {
    case STORED_F32: store_f32(to, from, n); break;
    case STORED_F16: store_f16(to, from, n); break;
    case STORED_BF16: store_bf16(to, from, n); break;
    case STORED_U8: store_u8(to, from, n); break;
    case STORED_I8: store_i8(to, from, n); break;
    case STORED_U16: store_u16(to, from, n); break;
    case STORED_I16: store_i16(to, from, n); break;
    default: memcpy(to, from, (size_t)n * sizeof(real));
    }
}

#endif
