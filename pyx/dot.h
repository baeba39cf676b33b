/* dot.h: weighted sums of 8-bit or 16-bit pixels, 4 bytes of each lane in one instruction.
 *
 * A lane of an operand is 4 bytes of pixels: TAPS taps of one sum. A weight w = w' * 2**unit, where all weights of an
 * axis are multiples of 2**unit, is taken apart into signed digits, w' = d0 + d1 * 2**DIGIT_BITS + ..., as short as the
 * processor multiplies them; a pixel of 16 bits is two digits as well. `sums` vectors add up the products that
 * belong to one power of two, exactly, and are put together at the end:
 *
 *      AVX-512 VNNI    4 products of a byte and a digit of 8 bits at a time; up to 3 digits
 *      SSE2, AVX2      2 products of a byte and a digit of 16 bits at a time, of the even bytes and of the odd ones
 *      others          1 product of 32 bits at a time; the weight is the only digit
 *
 * With bytes b0 ... b3 and 8-bit pixels, sum i of a lane is that of d_i of tap k times b_k. With 16-bit pixels b0 and
 * b2 are the low bytes of two taps, and meet their d_i; b1 and b3 meet d_(i - 1).
 */
#ifndef UPSAMPLING_DOT_H
#define UPSAMPLING_DOT_H

#include "fixed.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(PRECISION_U16)
#define PIXEL_BYTES 2
#else
#define PIXEL_BYTES 1
#endif
#define TAPS (4 / PIXEL_BYTES)    /* of a lane */
#define VECTORS (4 / PIXEL_BYTES) /* of sums that become a vector of pixels */
#define QUARTERS (LANES / 4)      /* of 16 bytes, in a vector */

#if defined(__AVX512VNNI__) && defined(__AVX512VBMI__)
#define WORDS 1 /* 32-bit numbers that the digits for one lane of one sum take */
#define DIGIT_BITS 8
#define DIGIT_TOP 127 /* the largest last digit */
#define MOST_DIGITS 3
#define PICKS_FAR 1 /* any bytes of 64 are picked by one instruction */
#elif defined(__SSE2__)
#define WORDS 2
#define DIGIT_BITS (PIXEL_BYTES == 1 ? 12 : 8)
#define DIGIT_TOP 32767
#define MOST_DIGITS 2
#define PICKS_FAR 0
#else
#define WORDS 4
#define DIGIT_BITS 8
#define DIGIT_TOP INT32_MAX
#define MOST_DIGITS 1
#define PICKS_FAR 0
#endif
#if defined(__AVX2__)
#define PICKS 1 /* bytes of 16 are picked by one instruction */
#else
#define PICKS 0
#endif
#define MOST_SUMS (MOST_DIGITS + PIXEL_BYTES - 1)
#define MORE_SUMS (MOST_DIGITS > 2 ? MOST_SUMS - 1 : MOST_SUMS)

/* Of 16-bit pixels the lower sums are shifted into the next but for what is carried, so often that the result fits. */
#define CARRIED(sums) (PIXEL_BYTES == 1 ? 0 : WORDS == 1 ? (sums)-2 : (sums)-1)
#define SHIFT(sums, unit) (22 - (unit)-8 * CARRIED(sums)) /* of what is put together, to whole pixels */

/* ------------------------------------------------------------------ weights */

/* Digit i of w, of `digits`: all but the last from -2**(DIGIT_BITS - 1) on. */
static inline __attribute__((always_inline)) int32_t digit_of(int32_t w, int i, int digits) {
    const int32_t half = 1 << (DIGIT_BITS - 1);
    if (i < 0 || i >= digits) return 0;
    if (digits > 1) w += half;
    if (digits > 2) w += half << DIGIT_BITS;
    w >>= DIGIT_BITS * i;
    return i == digits - 1 ? w : (w & (2 * half - 1)) - half;
}

/* How many digits numbers from low to high take, or 0 for too many. */
static inline int digits_for(int64_t low, int64_t high) {
    int64_t least = -(int64_t)DIGIT_TOP - 1, most = DIGIT_TOP, half = 0;
    for (int digits = 1; digits <= MOST_DIGITS; digits++) {
        if (low >= least && high <= most) return digits;
        half = (half << DIGIT_BITS) + (1 << (DIGIT_BITS - 1));
        least = -((int64_t)DIGIT_TOP + 1) * (1 << (DIGIT_BITS * digits)) + half;
        most = (int64_t)DIGIT_TOP * (1 << (DIGIT_BITS * digits));
    }
    return 0;
}

/* The number of sums for an axis of n outputs with up to so many taps, and the unit of its weights; 0 where digits are
 * too few. Weights of taps that are not there are 0. */
static inline int sums_for(const int32_t *weights, ptrdiff_t n, ptrdiff_t taps, int *unit) {
    int32_t low = 0, high = 0, bits = 1 << 21;
    if (PIXEL_BYTES == 2 && taps > 1 << 14) return 0; /* the lower sums could overflow */
    for (ptrdiff_t i = 0; i < n * taps; i++) {
        low = weights[i] < low ? weights[i] : low;
        high = weights[i] > high ? weights[i] : high;
        bits |= weights[i];
    }
    int zeros = __builtin_ctz((unsigned)bits);
    for (int digits = 1; digits <= MOST_DIGITS; digits++)
        for (int u = 0; u <= zeros; u++) {
            int sums = digits + PIXEL_BYTES - 1, needed = digits_for(low >> u, high >> u);
            *unit = u;
            if (needed && needed <= digits && SHIFT(sums, u) > 0) return sums;
        }
    return 0;
}

/* The words of one lane: to[sum][word] at a distance of `pace` words, from n weights, of which TAPS count. */
static inline __attribute__((always_inline)) void words_by(int32_t *to, ptrdiff_t pace, const int32_t *weights,
                                                           ptrdiff_t n, int unit, const int sums) {
    const int digits = sums - (PIXEL_BYTES - 1);
    int32_t w[TAPS];
    for (int k = 0; k < TAPS; k++) w[k] = k < n ? weights[k] >> unit : 0;
#pragma GCC unroll 4
    for (int i = 0; i < sums; i++) {
        int32_t d[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) d[k] = digit_of(w[k / PIXEL_BYTES], i - k % PIXEL_BYTES, digits);
#if WORDS == 1
        to[i * pace] = (int32_t)((uint32_t)(d[0] & 255) | (uint32_t)(d[1] & 255) << 8 | (uint32_t)(d[2] & 255) << 16 |
                                 (uint32_t)(d[3] & 255) << 24);
#elif WORDS == 2
        to[2 * i * pace] = (int32_t)((uint32_t)(d[0] & 65535) | (uint32_t)(d[2] & 65535) << 16);
        to[(2 * i + 1) * pace] = (int32_t)((uint32_t)(d[1] & 65535) | (uint32_t)(d[3] & 65535) << 16);
#else
        for (int k = 0; k < 4; k++) to[(4 * i + k) * pace] = d[k];
#endif
    }
}

static inline void words_of(int32_t *to, ptrdiff_t pace, const int32_t *weights, ptrdiff_t n, int unit, int sums) {
    if (sums == PIXEL_BYTES) {
        words_by(to, pace, weights, n, unit, PIXEL_BYTES);
    } else if (sums < MOST_SUMS) {
        words_by(to, pace, weights, n, unit, MORE_SUMS);
    } else {
        words_by(to, pace, weights, n, unit, MOST_SUMS);
    }
}

/* ------------------------------------------------------------------ products */

typedef uint16_t pairs_of __attribute__((vector_size(VECTOR_BYTES)));
typedef struct { ivec word[WORDS]; } operand;

static inline __attribute__((always_inline)) operand operand_of(ivec bytes) {
#if WORDS == 1
    return (operand){{bytes}};
#elif WORDS == 2
    return (operand){{bytes & 0x00ff00ff, (ivec)((pairs_of)bytes >> 8)}};
#else
    return (operand){{ivec_byte(bytes, 0), ivec_byte(bytes, 1), ivec_byte(bytes, 2), ivec_byte(bytes, 3)}};
#endif
}

#if WORDS == 2 && VECTOR_BYTES == 64
#define MULTIPLIED(a, b) ((ivec)_mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#elif WORDS == 2 && VECTOR_BYTES == 32
#define MULTIPLIED(a, b) ((ivec)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#elif WORDS == 2
#define MULTIPLIED(a, b) ((ivec)_mm_madd_epi16((__m128i)(a), (__m128i)(b)))
#else
#define MULTIPLIED(a, b) ((a) * (b))
#endif

/* sum + the products of an operand's bytes and the digits in `words`. */
static inline __attribute__((always_inline)) ivec dot(ivec sum, operand o, const ivec *words) {
#if WORDS == 1
    return (ivec)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)o.word[0], (__m512i)words[0]);
#else
#pragma GCC unroll 4
    for (int k = 0; k < WORDS; k++) sum += MULTIPLIED(o.word[k], words[k]);
    return sum;
#endif
}

/* The sum of 2**(DIGIT_BITS * i) * sum[i], for 8-bit pixels modulo 2**32, rounded to pixels: to nearest, halves up, and
 * not yet limited. */
static inline __attribute__((always_inline)) ivec rounded_sum(const ivec *sum, int sums, int unit) {
    typedef uint32_t uvec __attribute__((vector_size(VECTOR_BYTES)));
    int shift = SHIFT(sums, unit);
    uvec t;
#if PIXEL_BYTES == 2
    ivec low = sum[0];
#pragma GCC unroll 4
    for (int i = 1; i <= CARRIED(sums); i++) low = (low >> 8) + sum[i];
    t = (uvec)low;
    if (CARRIED(sums) < sums - 1) t += (uvec)sum[sums - 1] << 8;
#else
    t = (uvec)sum[sums - 1];
#pragma GCC unroll 4
    for (int i = sums - 2; i >= 0; i--) t = (t << DIGIT_BITS) + (uvec)sum[i];
#endif
    return (ivec)(t + (1u << (shift - 1))) >> shift;
}

/* VECTORS vectors of numbers to a vector of pixels, limited: quarter by quarter, VECTORS quads one after another. */
static inline __attribute__((always_inline)) ivec narrowed(const ivec *v) {
#if VECTOR_BYTES == 64 && PIXEL_BYTES == 2
    return (ivec)_mm512_packus_epi32((__m512i)v[0], (__m512i)v[1]);
#elif VECTOR_BYTES == 64
    return (ivec)_mm512_packus_epi16(_mm512_packs_epi32((__m512i)v[0], (__m512i)v[1]),
                                     _mm512_packs_epi32((__m512i)v[2], (__m512i)v[3]));
#elif VECTOR_BYTES == 32 && PIXEL_BYTES == 2
    return (ivec)_mm256_packus_epi32((__m256i)v[0], (__m256i)v[1]);
#elif VECTOR_BYTES == 32
    return (ivec)_mm256_packus_epi16(_mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]),
                                     _mm256_packs_epi32((__m256i)v[2], (__m256i)v[3]));
#elif defined(__SSE2__) && PIXEL_BYTES == 1
    return (ivec)_mm_packus_epi16(_mm_packs_epi32((__m128i)v[0], (__m128i)v[1]),
                                  _mm_packs_epi32((__m128i)v[2], (__m128i)v[3]));
#else
    typedef pixel few __attribute__((vector_size(4 * sizeof(pixel))));
    ivec all;
    for (int i = 0; i < VECTORS; i++) {
        few some = __builtin_convertvector(ivec_limited(v[i]), few);
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

/* Vector i of lanes of TAPS rows; of 8-bit pixels also of a pair of rows, which stand in each lane twice. */
static inline __attribute__((always_inline)) void rows_zipped(const pixel *const *rows, ptrdiff_t at, ivec *to,
                                                              const int pair) {
#if PIXEL_BYTES == 2
    ivec a = ivec_load(rows[0] + at), b = ivec_load(rows[1] + at);
    to[0] = ZIPPED(epi16, lo, a, b);
    to[1] = ZIPPED(epi16, hi, a, b);
#else
    ivec a = ivec_load(rows[0] + at), b = ivec_load(rows[1] + at);
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
    for (ptrdiff_t s = 0; s < steps; s++, words += sums * WORDS) {
        ivec lanes[VECTORS];
        rows_zipped(rows + s * TAPS, at, lanes, pair);
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            operand o = operand_of(lanes[v]);
#pragma GCC unroll 4
            for (int i = 0; i < sums; i++) {
                ivec w[WORDS];
#pragma GCC unroll 4
                for (int k = 0; k < WORDS; k++) w[k] = (ivec){0} + words[i * WORDS + k];
                sum[v][i] = dot(sum[v][i], o, w);
            }
        }
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
    } else if (steps == 1) {                         \
        ACROSS_BY(S, 1, 0);                          \
    } else {                                         \
        ACROSS_BY(S, steps, 0);                      \
    }
    if (sums == PIXEL_BYTES) {
        ACROSS(PIXEL_BYTES)
    } else if (sums < MOST_SUMS) {
        ACROSS(MORE_SUMS)
    } else {
        ACROSS(MOST_SUMS)
    }
#undef ACROSS
#undef ACROSS_BY
}

/* ------------------------------------------------------------------ along rows */

/* How rows are resampled along. A group is a quarter of a vector: 4 sums that lie one after another in the output, or
 * those of one pixel of less than 4 channels. VECTORS * QUARTERS groups are a block. */
typedef struct windows {
    ptrdiff_t blocks, bytes;    /* of a row, and bytes of the output that a block makes */
    ptrdiff_t steps, stride;    /* of TAPS taps each, and bytes of the source from one to the next */
    ptrdiff_t reach;            /* taps that the first step has at most */
    ptrdiff_t direct;           /* blocks that read nothing behind the row's end; the others read from a copy of it */
    ptrdiff_t tail, tail_bytes; /* where that begins, and the room that it takes */
    int sums, unit;
    int shared;                  /* groups of a window: 4 or 2 where it has VECTOR_BYTES, 1 where it has 16 bytes */
    int few;                     /* channels of a group that is one pixel and has less than 4, else 0 */
    int32_t *begin;              /* [block][vector][group]: where its window begins, bytes from the row's beginning */
    char *places;                /* [block][vector][VECTOR_BYTES]: places in the window */
    int32_t *words;              /* [block][vector][step][sum][word][lane] */
    char arranged[VECTOR_BYTES]; /* places of the output's bytes in what `narrowed` gives */
} windows;

/* The number of a group in its block. Windows of whole vectors have groups that lie one after another. */
static inline int group_of(int vector, int quarter) {
    return PICKS_FAR ? vector * QUARTERS + quarter : quarter * VECTORS + vector;
}

/* What a block's vector of pixels is arranged by. */
static inline void arrange(windows *t) {
    int kept = t->few ? t->few * PIXEL_BYTES : 4 * PIXEL_BYTES, unit = 4 * PIXEL_BYTES;
    memset(t->arranged, 0, VECTOR_BYTES);
#if PICKS_FAR
    for (int i = 0; i < VECTOR_BYTES / unit * kept; i++) {
        int group = i / kept;
        t->arranged[i] = (char)(group % QUARTERS * 16 + group / QUARTERS * unit + i % kept);
    }
#else
    for (int i = 0; i < VECTOR_BYTES; i++)
        if (i % 16 < 16 / unit * kept) t->arranged[i] = (char)(i % 16 / kept * unit + i % 16 % kept);
#endif
}

#if PICKS
#if VECTOR_BYTES == 64
#define QUARTERS_SHUFFLED(v, at) ((ivec)_mm512_shuffle_epi8((__m512i)(v), (__m512i)(at)))
#else
#define QUARTERS_SHUFFLED(v, at) ((ivec)_mm256_shuffle_epi8((__m256i)(v), (__m256i)(at)))
#endif

/* The bytes at `places` of the windows. */
static inline __attribute__((always_inline)) ivec picked(const char *row, const int32_t *begin, ivec places,
                                                         const int shared) {
#if PICKS_FAR
    if (shared > 1) {
        __m512i first = _mm512_permutexvar_epi8((__m512i)places, (__m512i)ivec_load(row + begin[0]));
        if (shared == 4) return (ivec)first;
        return (ivec)_mm512_mask_permutexvar_epi8(first, 0xffffffff00000000, (__m512i)places,
                                                  (__m512i)ivec_load(row + begin[2]));
    }
#endif
    (void)shared;
#if VECTOR_BYTES == 64
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(row + begin[0])));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row + begin[1])), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row + begin[2])), 2);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row + begin[3])), 3);
#else
    __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(row + begin[0])));
    v = _mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *)(row + begin[1])), 1);
#endif
    return QUARTERS_SHUFFLED(v, places);
}

/* A block's pixels in the order of the output. */
static inline __attribute__((always_inline)) ivec in_order(ivec v, const windows *t) {
#if PICKS_FAR
    return (ivec)_mm512_permutexvar_epi8((__m512i)ivec_load(t->arranged), (__m512i)v);
#else
    if (!t->few) return v;
    v = QUARTERS_SHUFFLED(v, ivec_load(t->arranged));
#if VECTOR_BYTES == 64
    const __m512i first_three = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
    return (ivec)_mm512_permutexvar_epi32(first_three, (__m512i)v);
#else
    return (ivec)_mm256_permutevar8x32_epi32((__m256i)v, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
#endif
#endif
}

/* Where single pixels have windows of so many steps, what follows so many bytes further is asked for: the processor does
 * not foresee what is read of several rows in turn. 4000x6000x3 to 256x384, bicubic 24.2 ms without that and 22.6 with
 * it, bilinear 13.6 and 12.4; asked for at once for a block 23.2 and 12.9; with fewer steps it takes longer. */
#define LONG_STEPS 8
#define FOLLOWING 1024

/* One block of `rows` rows; from[r] is at byte `skip` of the row, out[r] at block `base` of the output. */
static inline __attribute__((always_inline)) void block_along(const char *const *from, ptrdiff_t skip, char *const *out,
                                                              ptrdiff_t base, ptrdiff_t block, const windows *t,
                                                              const int rows, const int sums, const int shared,
                                                              const int far) {
    ivec made[4][VECTORS];
    const int32_t *words = t->words + block * VECTORS * t->steps * sums * WORDS * LANES;
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
        const int32_t *begin = t->begin + (block * VECTORS + v) * QUARTERS;
        ivec places = ivec_load(t->places + (block * VECTORS + v) * VECTOR_BYTES);
        ivec sum[4][MOST_SUMS] = {{{0}}};
        ptrdiff_t at = -skip;
        if (far)
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                ask_for(from[r] + begin[0] - skip + FOLLOWING);
                ask_for(from[r] + begin[0] - skip + FOLLOWING + 64);
            }
        for (ptrdiff_t s = 0; s < t->steps; s++, at += t->stride, words += sums * WORDS * LANES) {
            ivec w[MOST_SUMS][WORDS];
#pragma GCC unroll 4
            for (int i = 0; i < sums; i++)
#pragma GCC unroll 4
                for (int k = 0; k < WORDS; k++) w[i][k] = ivec_load(words + (i * WORDS + k) * LANES);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                operand o = operand_of(picked(from[r] + at, begin, places, shared));
#pragma GCC unroll 4
                for (int i = 0; i < sums; i++) sum[r][i] = dot(sum[r][i], o, w[i]);
            }
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) made[r][v] = rounded_sum(sum[r], sums, t->unit);
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) ivec_store(out[r] + (block - base) * t->bytes, in_order(narrowed(made[r]), t));
}

/* Blocks first ... end - 1 of 4 rows, or of one. */
static inline void blocks_along(const char *const *from, ptrdiff_t skip, char *const *out, ptrdiff_t base,
                                ptrdiff_t first, ptrdiff_t end, const windows *t, int rows) {
    const int far = rows == 4 && t->few && t->shared == 1 && t->steps >= LONG_STEPS;
#define ALONG(R, S, W, F)                                                                             \
    if (rows == (R) && t->sums == (S) && t->shared == (W) && far == (F)) {                            \
        for (ptrdiff_t b = first; b < end; b++) block_along(from, skip, out, base, b, t, R, S, W, F); \
        return;                                                                                       \
    }
#define ALONG_SUMS(R, W, F)     \
    ALONG(R, PIXEL_BYTES, W, F) \
    ALONG(R, MORE_SUMS, W, F)   \
    ALONG(R, MOST_SUMS, W, F)
    ALONG_SUMS(4, 1, 0)
    ALONG_SUMS(4, 1, 1)
    ALONG_SUMS(1, 1, 0)
#if PICKS_FAR
    ALONG_SUMS(4, 2, 0)
    ALONG_SUMS(1, 2, 0)
    ALONG_SUMS(4, 4, 0)
    ALONG_SUMS(1, 4, 0)
#endif
#undef ALONG_SUMS
#undef ALONG
}
#else
static inline void blocks_along(const char *const *from, ptrdiff_t skip, char *const *out, ptrdiff_t base,
                                ptrdiff_t first, ptrdiff_t end, const windows *t, int rows) {
    (void)from, (void)skip, (void)out, (void)base, (void)first, (void)end, (void)t, (void)rows;
}
#endif

#endif
