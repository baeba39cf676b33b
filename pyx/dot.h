/* dot.h: weighted sums of 8-bit or 16-bit pixels, 4 bytes of each lane in one instruction.
 *
 * A lane of an operand is 4 bytes of pixels: TAPS taps of one sum. A weight w = w' * 2**unit, where all weights of an
 * axis are multiples of 2**unit, is taken apart into signed digits, w' = d0 + d1 * 2**DIGIT_BITS + ..., as short as the
 * processor multiplies them. A vector of sums for each digit adds up its products, exactly; they are put together at
 * the end:
 *
 *                      8 bits, bytes b0 ... b3                       16 bits, two pixels
 *      AVX-512 VNNI    4 products of a byte and a digit of 8 bits    2 products of a pixel and a digit of up to 16
 *                      at a time; up to 3 digits                     bits at a time, added by the same instruction
 *      other x86       2 products with digits of up to 16 bits at    2 products of a pixel and a digit of up to 16
 *                      a time, of b0 and b2 and of b1 and b3         bits at a time
 *      others          1 product of 32 bits at a time                1 product of 32 bits at a time
 *
 * Pixels of 16 bits are taken less 32768, which makes them signed. As the weights of a filter add up to 1, the result
 * is less by as much; weights that do not are left to another way. The sums of products are those of 31 bits: the last
 * digit has so few that its sum fits, and the first sum is carried into it every CARRY_STEPS steps.
 */
#ifndef UPSAMPLING_DOT_H
#define UPSAMPLING_DOT_H

#include "fixed.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512VNNI__) && defined(__AVX512VBMI__)
#define PICKS_FAR 1 /* any bytes of 64 are picked by one instruction */
#else
#define PICKS_FAR 0
#endif

/* WORDS: 32-bit numbers that the digits for one lane of one sum take. DIGIT_TOP: the largest last digit. */
#if defined(PRECISION_U16)
#define PIXEL_BYTES 2
#if defined(__SSE2__)
#define WORDS 1
#else
#define WORDS 2
#endif
#define DIGIT_BITS 8
#define DIGIT_TOP 32767
#define MOST_SUMS 2
#else
#define PIXEL_BYTES 1
#if PICKS_FAR
#define WORDS 1
#define DIGIT_BITS 8
#define DIGIT_TOP 127
#define MOST_SUMS 3
#elif defined(__SSE2__)
#define WORDS 2
#define DIGIT_BITS 12
#define DIGIT_TOP 32767
#define MOST_SUMS 2
#else
#define WORDS 4
#define DIGIT_BITS 8
#define DIGIT_TOP INT32_MAX
#define MOST_SUMS 1
#endif
#endif
#define TAPS (4 / PIXEL_BYTES)    /* of a lane */
#define VECTORS (4 / PIXEL_BYTES) /* of sums that become a vector of pixels */
#define QUARTERS (LANES / 4)      /* of 16 bytes, in a vector */
#define MORE_SUMS (MOST_SUMS > 2 ? 2 : MOST_SUMS)
/* Whether up to two taps of 8 bits are one word, each in 16 bits with a digit of 16 bits: `pair`. */
#define PAIRS (PIXEL_BYTES == 1 && WORDS == 2)
#define WORDS_OF(pair) (PAIRS && (pair) ? 1 : WORDS)

/* Of 16 bits, 63 steps of two products of 2**15 and a first digit of up to 2**7, in four lanes of one sum, are less
 * than 2**31 with what is left of those before. */
#define CARRY_STEPS 63
#define CARRIED(sums) (PIXEL_BYTES == 2 ? (sums)-1 : 0)
#define SHIFT(sums, unit) (22 - (unit)-DIGIT_BITS * CARRIED(sums)) /* of what is put together, to whole pixels */

/* ------------------------------------------------------------------ weights */

/* Digit i of w, of `digits`: all but the last from -2**(DIGIT_BITS - 1) on. */
static inline __attribute__((always_inline)) int32_t digit_of(int32_t w, int i, int digits) {
    const int32_t half = 1 << (DIGIT_BITS - 1);
    if (digits > 1) w += half;
    if (digits > 2) w += half << DIGIT_BITS;
    w >>= DIGIT_BITS * i;
    return i == digits - 1 ? w : (w & (2 * half - 1)) - half;
}

/* How many digits numbers from low to high take, or 0 for too many. */
static inline int digits_for(int64_t low, int64_t high) {
    int64_t least = -(int64_t)DIGIT_TOP - 1, most = DIGIT_TOP, half = 0;
    for (int digits = 1; digits <= MOST_SUMS; digits++) {
        if (low >= least && high <= most) return digits;
        half = (half << DIGIT_BITS) + (1 << (DIGIT_BITS - 1));
        least = -((int64_t)DIGIT_TOP + 1) * (1 << (DIGIT_BITS * digits)) + half;
        most = (int64_t)DIGIT_TOP * (1 << (DIGIT_BITS * digits));
    }
    return 0;
}

/* Whether the last of so many sums fits, of 16-bit pixels, where absolute weights add up to `size` at most. */
static inline int last_sum_fits(int64_t size, ptrdiff_t taps, int sums, int unit) {
    int64_t most = size >> (unit + DIGIT_BITS * (sums - 1));
    if (sums > 1) most += taps + 1; /* digits are rounded by half of one at most, and what is carried is no more */
    return (most << 15) + (1 << (SHIFT(sums, unit) - 1)) <= INT32_MAX;
}

/* The number of sums for an axis of n outputs with up to so many taps, and the unit of its weights; 0 where digits are
 * too few. Weights of taps that are not there are 0. */
static inline int sums_for(const int32_t *weights, ptrdiff_t n, ptrdiff_t taps, int *unit) {
    int32_t low = 0, high = 0, bits = 1 << 21;
    int64_t size = 0;
    for (ptrdiff_t o = 0; o < n; o++, weights += taps) {
        int64_t sum = 0, absolute = 0;
        for (ptrdiff_t k = 0; k < taps; k++) {
            low = weights[k] < low ? weights[k] : low;
            high = weights[k] > high ? weights[k] : high;
            bits |= weights[k];
            sum += weights[k];
            absolute += weights[k] < 0 ? -(int64_t)weights[k] : weights[k];
        }
        if (PIXEL_BYTES == 2 && sum != 1 << 22) return 0;
        size = absolute > size ? absolute : size;
    }
    int zeros = __builtin_ctz((unsigned)bits);
    for (int sums = 1; sums <= MOST_SUMS; sums++)
        for (int u = 0; u <= zeros; u++) {
            int needed = digits_for(low >> u, high >> u);
            if (!needed || needed > sums || SHIFT(sums, u) <= 0) continue;
            if (PIXEL_BYTES == 2 && !last_sum_fits(size, taps, sums, u)) continue;
            *unit = u;
            return sums;
        }
    return 0;
}

static inline int32_t pair_of(int32_t a, int32_t b) { return (int32_t)((uint32_t)(a & 65535) | (uint32_t)b << 16); }

/* The words of one lane: to[sum][word] at a distance of `pace` words, from n weights, of which TAPS count. */
static inline __attribute__((always_inline)) void words_by(int32_t *to, ptrdiff_t pace, const int32_t *weights,
                                                           ptrdiff_t n, int unit, int pair, const int sums) {
    int32_t w[TAPS];
    for (int k = 0; k < TAPS; k++) w[k] = k < n ? weights[k] >> unit : 0;
#pragma GCC unroll 4
    for (int i = 0; i < sums; i++) {
        int32_t d[TAPS];
#pragma GCC unroll 4
        for (int k = 0; k < TAPS; k++) d[k] = digit_of(w[k], i, sums);
#if WORDS == TAPS
        for (int k = 0; k < TAPS; k++) to[(TAPS * i + k) * pace] = d[k];
#elif PIXEL_BYTES == 2
        to[i * pace] = pair_of(d[0], d[1]);
#elif WORDS == 1
        to[i * pace] = (int32_t)((uint32_t)(d[0] & 255) | (uint32_t)(d[1] & 255) << 8 | (uint32_t)(d[2] & 255) << 16 |
                                 (uint32_t)(d[3] & 255) << 24);
#else
        if (pair) {
            to[i * pace] = pair_of(d[0], d[1]);
            continue;
        }
        to[2 * i * pace] = pair_of(d[0], d[2]);
        to[(2 * i + 1) * pace] = pair_of(d[1], d[3]);
#endif
    }
    (void)pair;
}

static inline void words_of(int32_t *to, ptrdiff_t pace, const int32_t *weights, ptrdiff_t n, int unit, int sums,
                            int pair) {
    if (sums == 1) {
        words_by(to, pace, weights, n, unit, pair, 1);
    } else if (sums < MOST_SUMS) {
        words_by(to, pace, weights, n, unit, pair, MORE_SUMS);
    } else {
        words_by(to, pace, weights, n, unit, pair, MOST_SUMS);
    }
}

/* ------------------------------------------------------------------ products */

typedef uint32_t uvec __attribute__((vector_size(VECTOR_BYTES)));
typedef uint16_t pairs_of __attribute__((vector_size(VECTOR_BYTES)));
typedef struct { ivec word[WORDS]; } operand;

#if PIXEL_BYTES == 2
#define MIDDLE (-0x7fff8000) /* 0x8000, twice: by exclusive or, to pixels less 32768 and back */
#endif

static inline __attribute__((always_inline)) operand operand_of(ivec bytes, const int pair) {
    if (PAIRS && pair) return (operand){{bytes}};
#if PIXEL_BYTES == 2 && WORDS == 1
    return (operand){{bytes ^ MIDDLE}};
#elif PIXEL_BYTES == 2
    bytes ^= MIDDLE;
    return (operand){{(ivec)((uvec)bytes << 16) >> 16, bytes >> 16}};
#elif WORDS == 1
    return (operand){{bytes}};
#elif WORDS == 2
    return (operand){{bytes & 0x00ff00ff, (ivec)((pairs_of)bytes >> 8)}};
#else
    return (operand){{ivec_byte(bytes, 0), ivec_byte(bytes, 1), ivec_byte(bytes, 2), ivec_byte(bytes, 3)}};
#endif
}

/* Sums of 8-bit pixels wrap. */
#define WRAPPED(a, b) ((ivec)((uvec)(a) + (uvec)(b)))

/* sum + the products of a word's pixels and digits. */
#if PICKS_FAR && PIXEL_BYTES == 2
#define ADDED(sum, a, b) ((ivec)_mm512_dpwssd_epi32((__m512i)(sum), (__m512i)(a), (__m512i)(b)))
#elif PICKS_FAR
#define ADDED(sum, a, b) ((ivec)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(a), (__m512i)(b)))
#elif VECTOR_BYTES == 64
#define ADDED(sum, a, b) WRAPPED(sum, _mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#elif VECTOR_BYTES == 32
#define ADDED(sum, a, b) WRAPPED(sum, _mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#elif defined(__SSE2__)
#define ADDED(sum, a, b) WRAPPED(sum, _mm_madd_epi16((__m128i)(a), (__m128i)(b)))
#else
#define ADDED(sum, a, b) WRAPPED(sum, (uvec)(a) * (uvec)(b))
#endif

/* sum + the products of an operand's pixels and the digits in `words`. */
static inline __attribute__((always_inline)) ivec dot(ivec sum, operand o, const ivec *words, const int pair) {
#pragma GCC unroll 4
    for (int k = 0; k < WORDS; k++)
        if (k < WORDS_OF(pair)) sum = ADDED(sum, o.word[k], words[k]);
    return sum;
}

/* Steps from `step` on, of all, until the first sum is to be carried. */
static inline ptrdiff_t steps_until(ptrdiff_t step, ptrdiff_t steps) {
    return PIXEL_BYTES == 2 && steps - step > CARRY_STEPS ? step + CARRY_STEPS : steps;
}

/* The first of two sums into the second, but for its last digit's bits. */
static inline __attribute__((always_inline)) void carry(ivec *sum, const int sums) {
    if (sums < 2) return;
    sum[1] += sum[0] >> DIGIT_BITS;
    sum[0] &= (1 << DIGIT_BITS) - 1;
}

/* The sum of 2**(DIGIT_BITS * i) * sum[i], for 8-bit pixels modulo 2**32, rounded to pixels: to nearest, halves up, and
 * not yet limited; of 16 bits less 32768. */
static inline __attribute__((always_inline)) ivec rounded_sum(const ivec *sum, int sums, int unit) {
    int shift = SHIFT(sums, unit);
#if PIXEL_BYTES == 2
    ivec t = sums > 1 ? (sum[0] >> DIGIT_BITS) + sum[1] : sum[0];
    return (t + (1 << (shift - 1))) >> shift;
#else
    uvec t = (uvec)sum[sums - 1];
#pragma GCC unroll 4
    for (int i = sums - 2; i >= 0; i--) t = (t << DIGIT_BITS) + (uvec)sum[i];
    return (ivec)(t + (1u << (shift - 1))) >> shift;
#endif
}

/* VECTORS vectors of numbers to a vector of pixels, limited: quarter by quarter, VECTORS quads one after another. */
static inline __attribute__((always_inline)) ivec narrowed(const ivec *v) {
#if VECTOR_BYTES == 64 && PIXEL_BYTES == 2
    return (ivec)_mm512_packs_epi32((__m512i)v[0], (__m512i)v[1]) ^ MIDDLE;
#elif VECTOR_BYTES == 64
    return (ivec)_mm512_packus_epi16(_mm512_packs_epi32((__m512i)v[0], (__m512i)v[1]),
                                     _mm512_packs_epi32((__m512i)v[2], (__m512i)v[3]));
#elif VECTOR_BYTES == 32 && PIXEL_BYTES == 2
    return (ivec)_mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]) ^ MIDDLE;
#elif VECTOR_BYTES == 32
    return (ivec)_mm256_packus_epi16(_mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]),
                                     _mm256_packs_epi32((__m256i)v[2], (__m256i)v[3]));
#elif defined(__SSE2__) && PIXEL_BYTES == 2
    return (ivec)_mm_packs_epi32((__m128i)v[0], (__m128i)v[1]) ^ MIDDLE;
#elif defined(__SSE2__)
    return (ivec)_mm_packus_epi16(_mm_packs_epi32((__m128i)v[0], (__m128i)v[1]),
                                  _mm_packs_epi32((__m128i)v[2], (__m128i)v[3]));
#else
    typedef pixel few __attribute__((vector_size(4 * sizeof(pixel))));
    ivec all;
    for (int i = 0; i < VECTORS; i++) {
        few some = __builtin_convertvector(ivec_limited(v[i] + (PIXEL_BYTES == 2 ? 32768 : 0)), few);
        memcpy((char *)&all + i * (int)sizeof some, &some, sizeof some);
    }
    return all;
#endif
}

/* ------------------------------------------------------------------ across rows */

typedef uint8_t bytes_of __attribute__((vector_size(VECTOR_BYTES)));

/* The bytes, or pairs of bytes, of two vectors in turn: those of the first half of each quarter, or of the second. */
#if VECTOR_BYTES == 64
#define ZIPPED(kind, half, a, b) ((ivec)_mm512_unpack##half##_##kind((__m512i)(a), (__m512i)(b)))
#elif VECTOR_BYTES == 32
#define ZIPPED(kind, half, a, b) ((ivec)_mm256_unpack##half##_##kind((__m256i)(a), (__m256i)(b)))
#elif defined(__SSE2__)
#define ZIPPED(kind, half, a, b) ((ivec)_mm_unpack##half##_##kind((__m128i)(a), (__m128i)(b)))
#else
#define ZIPPED(kind, half, a, b) ZIPPED_##kind##_##half(a, b)
#define ZIPPED_epi8_lo(a, b) zipped_bytes(a, b, 0)
#define ZIPPED_epi8_hi(a, b) zipped_bytes(a, b, 8)
#define ZIPPED_epi16_lo(a, b) zipped_pairs(a, b, 0)
#define ZIPPED_epi16_hi(a, b) zipped_pairs(a, b, 4)
static inline ivec zipped_bytes(ivec a, ivec b, int from) {
    bytes_of v;
    for (int i = 0; i < 8; i++) v[2 * i] = ((bytes_of)a)[from + i], v[2 * i + 1] = ((bytes_of)b)[from + i];
    return (ivec)v;
}
static inline ivec zipped_pairs(ivec a, ivec b, int from) {
    pairs_of v;
    for (int i = 0; i < 4; i++) v[2 * i] = ((pairs_of)a)[from + i], v[2 * i + 1] = ((pairs_of)b)[from + i];
    return (ivec)v;
}
#endif

/* Vector i of lanes of TAPS rows; of 8-bit pixels also of a pair of rows, each in 16 bits or else twice. */
static inline __attribute__((always_inline)) void rows_zipped(const pixel *const *rows, ptrdiff_t at, ivec *to,
                                                              const int pair) {
#if PIXEL_BYTES == 2
    ivec a = ivec_load(rows[0] + at), b = ivec_load(rows[1] + at);
    to[0] = ZIPPED(epi16, lo, a, b);
    to[1] = ZIPPED(epi16, hi, a, b);
#else
    ivec a = ivec_load(rows[0] + at), b = ivec_load(rows[1] + at);
    if (PAIRS && pair) {
        ivec none = {0}, a_low = ZIPPED(epi8, lo, a, none), a_high = ZIPPED(epi8, hi, a, none);
        ivec b_low = ZIPPED(epi8, lo, b, none), b_high = ZIPPED(epi8, hi, b, none);
        to[0] = ZIPPED(epi16, lo, a_low, b_low);
        to[1] = ZIPPED(epi16, hi, a_low, b_low);
        to[2] = ZIPPED(epi16, lo, a_high, b_high);
        to[3] = ZIPPED(epi16, hi, a_high, b_high);
        return;
    }
    ivec low = ZIPPED(epi8, lo, a, b), high = ZIPPED(epi8, hi, a, b), low2 = low, high2 = high;
    if (!pair) {
        ivec c = ivec_load(rows[2] + at), d = ivec_load(rows[3] + at);
        low2 = ZIPPED(epi8, lo, c, d), high2 = ZIPPED(epi8, hi, c, d);
    }
    to[0] = ZIPPED(epi16, lo, low, low2);
    to[1] = ZIPPED(epi16, hi, low, low2);
    to[2] = ZIPPED(epi16, lo, high, high2);
    to[3] = ZIPPED(epi16, hi, high, high2);
#endif
}

static inline __attribute__((always_inline)) void bundle_across(pixel *out, const pixel *const *rows, ptrdiff_t at,
                                                                const int32_t *words, ptrdiff_t steps, int unit,
                                                                const int sums, const int pair) {
    ivec sum[VECTORS][MOST_SUMS] = {{{0}}}, made[VECTORS];
    for (ptrdiff_t s = 0, end; s < steps;) {
        for (end = steps_until(s, steps); s < end; s++, words += sums * WORDS_OF(pair)) {
            ivec lanes[VECTORS];
            rows_zipped(rows + s * TAPS, at, lanes, pair);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) {
                operand o = operand_of(lanes[v], pair);
#pragma GCC unroll 4
                for (int i = 0; i < sums; i++) {
                    ivec w[WORDS];
#pragma GCC unroll 4
                    for (int k = 0; k < WORDS; k++)
                        if (k < WORDS_OF(pair)) w[k] = (ivec){0} + words[i * WORDS_OF(pair) + k];
                    sum[v][i] = dot(sum[v][i], o, w, pair);
                }
            }
        }
        if (s < steps)
            for (int v = 0; v < VECTORS; v++) carry(sum[v], sums);
    }
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) made[v] = rounded_sum(sum[v], sums, unit);
    ivec_store(out + at, narrowed(made));
}

/* out[i] = the weighted sum of rows[k][i], for i < n, which is BUNDLE at least; `rows` has whole steps of TAPS rows.
 * The last vector ends where the row ends: some values are computed twice, to the same bits. */
static inline void row_across(pixel *out, const pixel *const *rows, ptrdiff_t n, const int32_t *words, ptrdiff_t taps,
                              int unit, int sums) {
    ptrdiff_t steps = (taps + TAPS - 1) / TAPS;
#define ACROSS_BY(S, STEPS, PAIR)             \
    for (ptrdiff_t i = 0; i < n; i += BUNDLE) \
    bundle_across(out, rows, i < n - BUNDLE ? i : n - BUNDLE, words, STEPS, unit, S, PAIR)
#define ACROSS(S)                                    \
    if (taps <= 2) {                                 \
        ACROSS_BY(S, 1, 1);                          \
    } else if (TAPS > 2 && steps == 1) {             \
        ACROSS_BY(S, 1, 0);                          \
    } else if (steps == 2) {                         \
        ACROSS_BY(S, 2, 0);                          \
    } else {                                         \
        ACROSS_BY(S, steps, 0);                      \
    }
    if (sums == 1) {
        ACROSS(1)
    } else if (sums < MOST_SUMS) {
        ACROSS(MORE_SUMS)
    } else {
        ACROSS(MOST_SUMS)
    }
#undef ACROSS
#undef ACROSS_BY
}

#endif
