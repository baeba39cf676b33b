/* picks.h: rows of 8-bit or 16-bit pixels resampled along, their taps picked out of windows (windows.pxd).
 *
 * Groups read ALONE, 16 bytes for one sum; LANE_EACH, 4 bytes for a sum, so that nothing is picked; QUARTER_EACH, from
 * a window of 16 bytes; HALF_EACH and WHOLE, 2 and 4 of them from a window of a vector.
 */
#ifndef UPSAMPLING_PICKS_H
#define UPSAMPLING_PICKS_H

#include "dot.h"

enum { ALONE, LANE_EACH, QUARTER_EACH, HALF_EACH, WHOLE };

#if defined(__AVX2__)
#define PICKS 1 /* bytes of 16 are picked by one instruction */
#else
#define PICKS 0
#endif
#define ROWS 4 /* that share loads of what is listed */

/* How rows are resampled along. A group is a quarter of a vector: 4 sums that lie one after another in the output,
 * those of one pixel of 3 channels, or 4 parts of one sum. VECTORS * QUARTERS groups are a block. */
typedef struct windows {
    ptrdiff_t blocks, bytes;    /* of a row, and bytes of the output that a block makes */
    ptrdiff_t steps, stride;    /* of TAPS taps of each lane, and bytes of the source from one to the next */
    ptrdiff_t reach;            /* taps that the first step has at most */
    ptrdiff_t direct;           /* blocks that read nothing behind the row's end; the others read from a copy of it */
    ptrdiff_t tail, tail_bytes; /* where that begins, and the room that it takes */
    int sums, unit;
    int way;                     /* how groups read */
    int pair;                    /* whether a lane has two taps at most, in 16 bits each: PAIRS */
    int three;                   /* whether a group is one pixel of 3 channels */
    int32_t *begin;              /* [block][vector][window]: where it begins, bytes from the row's beginning */
    char *places;                /* [block][vector][VECTOR_BYTES]: places in the window */
    int32_t *words;              /* [block][vector][step][sum][word][lane] */
    char arranged[VECTOR_BYTES]; /* places of the output's bytes in what `narrowed` gives */
} windows;

/* The number of windows that are listed for a vector: of those that groups share, the first group's counts. */
static inline int windows_of(int way) { return way == LANE_EACH ? (int)LANES : (int)QUARTERS; }

/* Values of the output that a group makes. */
static inline int values_of(const windows *t) { return t->way == ALONE ? 1 : t->three ? 3 : 4; }

/* The number of a group in its block. Windows of whole vectors have groups that lie one after another. */
static inline int group_of(int vector, int quarter) {
    return PICKS_FAR ? vector * QUARTERS + quarter : quarter * VECTORS + vector;
}

/* What a block's vector of pixels is arranged by: places of the output's bytes; without PICKS_FAR, of those that each
 * quarter has. */
static inline void arrange(windows *t) {
    int kept = values_of(t) * PIXEL_BYTES; /* bytes of a group, `unit` apart */
    int unit = t->way == ALONE ? PIXEL_BYTES : 4 * PIXEL_BYTES;
    memset(t->arranged, 0, VECTOR_BYTES);
    for (int v = 0; v < VECTORS; v++)
        for (int q = 0; q < QUARTERS; q++)
            for (int i = 0; i < kept; i++) {
                int at = group_of(v, q) * kept + i, in_quarter = v * unit + i;
#if PICKS_FAR
                t->arranged[at] = (char)(16 * q + in_quarter);
#else
                t->arranged[16 * q + at - group_of(0, q) * kept] = (char)in_quarter;
#endif
            }
}

#if PICKS
#if VECTOR_BYTES == 64
#define QUARTERS_SHUFFLED(v, at) ((ivec)_mm512_shuffle_epi8((__m512i)(v), (__m512i)(at)))
#else
#define QUARTERS_SHUFFLED(v, at) ((ivec)_mm256_shuffle_epi8((__m256i)(v), (__m256i)(at)))
#endif

static inline __attribute__((always_inline)) int32_t lane_at(const char *p) {
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return bytes;
}

/* Quarter q of what lanes read each by themselves. */
static inline __attribute__((always_inline)) quad lanes_read(const char *row, const int32_t *begin, int q) {
    begin += 4 * q;
    return (quad){lane_at(row + begin[0]), lane_at(row + begin[1]), lane_at(row + begin[2]), lane_at(row + begin[3])};
}

/* What the quarters of a vector read. */
static inline __attribute__((always_inline)) ivec quarters_read(const char *row, const int32_t *begin) {
#if VECTOR_BYTES == 64
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(row + begin[0])));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row + begin[1])), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row + begin[2])), 2);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row + begin[3])), 3);
#else
    __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(row + begin[0])));
    v = _mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *)(row + begin[1])), 1);
#endif
    return (ivec)v;
}

/* The bytes at `places` of the windows; of a place of -128, 0. */
static inline __attribute__((always_inline)) ivec picked(const char *row, const int32_t *begin, ivec places,
                                                         const int way, const int pair) {
#if PICKS_FAR
    if (way > QUARTER_EACH) {
        __m512i first = _mm512_permutexvar_epi8((__m512i)places, (__m512i)ivec_load(row + begin[0]));
        if (way == WHOLE) return (ivec)first;
        return (ivec)_mm512_mask_permutexvar_epi8(first, 0xffffffff00000000, (__m512i)places,
                                                  (__m512i)ivec_load(row + begin[2]));
    }
#endif
    if (way == LANE_EACH) {
        quad q[QUARTERS];
#pragma GCC unroll 4
        for (int i = 0; i < QUARTERS; i++) q[i] = lanes_read(row, begin, i);
#if VECTOR_BYTES == 64
        ivec lanes = quads_joined(q[0], q[1], q[2], q[3]);
#else
        ivec lanes = quads_joined(q[0], q[1]);
#endif
        return PAIRS && pair ? QUARTERS_SHUFFLED(lanes, places) : lanes;
    }
    ivec v = quarters_read(row, begin);
    return way == ALONE ? v : QUARTERS_SHUFFLED(v, places);
}

/* Whether a lane's bytes are picked two and two, each into 16 bits, which saves taking them apart, for all steps but a
 * single one: 2000x3000x3 to 128x192, lanczos 7.3 ms and 6.9. Few processors permute two vectors of 64 bytes at once. */
#define TWO_AND_TWO(way, single) (PAIRS && VECTOR_BYTES == 32 && !(single) && (way) == QUARTER_EACH)

/* `places`, or those of a lane's first and third byte, and of the others; nothing where a byte of 16 bits is none. */
static inline __attribute__((always_inline)) operand places_of(ivec places, const int way, const int single) {
    operand o = {{places}};
    const ivec none = (ivec){0} + (-0x7fff8000);
    if (!TWO_AND_TWO(way, single)) return o;
    o.word[0] = (places & 0x00ff00ff) | none;
    o.word[WORDS - 1] = (ivec)((pairs_of)places >> 8) | none;
    return o;
}

static inline __attribute__((always_inline)) operand operand_picked(const char *row, const int32_t *begin,
                                                                    operand places, const int way, const int single,
                                                                    const int pair) {
    if (TWO_AND_TWO(way, single)) {
        ivec v = quarters_read(row, begin);
        operand o = {{QUARTERS_SHUFFLED(v, places.word[0])}};
        o.word[WORDS - 1] = QUARTERS_SHUFFLED(v, places.word[WORDS - 1]);
        return o;
    }
    return operand_of(picked(row, begin, places.word[0], way, pair), pair);
}

/* A block's pixels in the order of the output. */
static inline __attribute__((always_inline)) ivec in_order(ivec v, const windows *t, const int way) {
#if PICKS_FAR
    return (ivec)_mm512_permutexvar_epi8((__m512i)ivec_load(t->arranged), (__m512i)v);
#else
    if (way != ALONE && !t->three) return v;
    v = QUARTERS_SHUFFLED(v, ivec_load(t->arranged));
#if VECTOR_BYTES == 64
    const __m512i first_three = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
    const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15);
    return (ivec)_mm512_permutexvar_epi32(way == ALONE ? first : first_three, (__m512i)v);
#else
    const __m256i first_three = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
    const __m256i first = _mm256_setr_epi32(0, 4, 1, 2, 3, 5, 6, 7);
    return (ivec)_mm256_permutevar8x32_epi32((__m256i)v, way == ALONE ? first : first_three);
#endif
#endif
}

/* In each quarter: a's first two lanes and its last two, added, and b's, in turn. */
static inline __attribute__((always_inline)) ivec halves_added(ivec a, ivec b) {
    return WRAPPED(LANES_OF(a, b, ZIP_LOW), LANES_OF(a, b, ZIP_HIGH));
}

/* One vector of pixels, not yet limited, from VECTORS vectors whose four lanes of a quarter are parts of one sum: in
 * each quarter those of the vectors, in turn. */
static inline __attribute__((always_inline)) ivec parts_added(ivec (*sum)[MOST_SUMS], int sums, int unit) {
    ivec all[MOST_SUMS];
#pragma GCC unroll 4
    for (int i = 0; i < sums; i++) {
        ivec a = halves_added(sum[0][i], sum[1][i]), b = halves_added(sum[VECTORS - 2][i], sum[VECTORS - 1][i]);
        all[i] = WRAPPED(LANES_OF(a, b, PAIR_LOW), LANES_OF(a, b, PAIR_HIGH));
    }
    return rounded_sum(all, sums, unit);
}

/* Where single pixels have windows of so many steps, what follows so many bytes further is asked for: the processor
 * does not foresee what is read of several rows in turn. 4000x6000x3 to 256x384, bicubic 24.2 ms without that and 22.6
 * with it, bilinear 13.6 and 12.4; asked for at once for a block 23.2 and 12.9; with fewer steps it takes longer. */
#define LONG_STEPS 8
#define FOLLOWING 1024

/* sum[row] = the sums of a vector, of rows that are at byte `skip`. */
static inline __attribute__((always_inline)) void vector_along(const char *const *from, ptrdiff_t skip,
                                                               const windows *t, ptrdiff_t vector,
                                                               ivec (*sum)[MOST_SUMS], const int single,
                                                               const int sums, const int way, const int pair) {
    const ptrdiff_t steps = single ? 1 : t->steps;
    const int32_t *begin = t->begin + vector * windows_of(way);
    const int32_t *words = t->words + vector * steps * sums * WORDS_OF(pair) * LANES;
    const operand places = places_of(ivec_load(t->places + vector * VECTOR_BYTES), way, single);
    ptrdiff_t at = -skip;
    if (steps >= LONG_STEPS && way == QUARTER_EACH && t->three)
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            ask_for(from[r] + begin[0] - skip + FOLLOWING);
            ask_for(from[r] + begin[0] - skip + FOLLOWING + 64);
        }
    for (ptrdiff_t s = 0, end; s < steps;) {
        for (end = steps_until(s, steps); s < end; s++, at += t->stride, words += sums * WORDS_OF(pair) * LANES) {
            ivec w[MOST_SUMS][WORDS];
#pragma GCC unroll 4
            for (int i = 0; i < sums; i++)
#pragma GCC unroll 4
                for (int k = 0; k < WORDS; k++)
                    if (k < WORDS_OF(pair)) w[i][k] = ivec_load(words + (i * WORDS_OF(pair) + k) * LANES);
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; r++) {
                operand o = operand_picked(from[r] + at, begin, places, way, single, pair);
#pragma GCC unroll 4
                for (int i = 0; i < sums; i++) sum[r][i] = dot(sum[r][i], o, w[i], pair);
            }
        }
        if (s < steps)
            for (int r = 0; r < ROWS; r++) carry(sum[r], sums);
    }
}

/* One block of ROWS rows; out[r] is at block `base` of the output. */
static inline __attribute__((always_inline)) void block_along(const char *const *from, ptrdiff_t skip, char *const *out,
                                                              ptrdiff_t base, ptrdiff_t block, const windows *t,
                                                              const int single, const int sums, const int way,
                                                              const int pair) {
    ivec sum[ROWS][VECTORS][MOST_SUMS], made[ROWS][VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
        ivec of_rows[ROWS][MOST_SUMS] = {{{0}}};
        vector_along(from, skip, t, block * VECTORS + v, of_rows, single, sums, way, pair);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            if (way == ALONE) {
                memcpy(sum[r][v], of_rows[r], sizeof of_rows[r]);
            } else {
                made[r][v] = rounded_sum(of_rows[r], sums, t->unit);
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++) {
        if (way == ALONE) {
            ivec all = parts_added(sum[r], sums, t->unit);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) made[r][v] = all;
        }
        ivec_store(out[r] + (block - base) * t->bytes, in_order(narrowed(made[r]), t, way));
    }
}

/* Blocks first ... end - 1 of ROWS rows; a single step, which is common, is compiled as such. */
static inline void blocks_along(const char *const *from, ptrdiff_t skip, char *const *out, ptrdiff_t base,
                                ptrdiff_t first, ptrdiff_t end, const windows *given) {
    const windows t = *given; /* which no store of a row changes */
    const char *const read[ROWS] = {from[0], from[1], from[2], from[3]};
    char *const written[ROWS] = {out[0], out[1], out[2], out[3]};
#define ALONG(S, WAY, SINGLE, PAIR)                                                                                  \
    if (t.sums == (S) && t.way == (WAY) && t.pair == (PAIR)) {                                                       \
        for (ptrdiff_t b = first; b < end; b++) block_along(read, skip, written, base, b, &t, SINGLE, S, WAY, PAIR); \
        return;                                                                                                      \
    }
#define ALONG_SUMS(WAY, SINGLE, PAIR)   \
    ALONG(1, WAY, SINGLE, PAIR)         \
    ALONG(MORE_SUMS, WAY, SINGLE, PAIR) \
    ALONG(MOST_SUMS, WAY, SINGLE, PAIR)
    if (t.steps == 1) {
#if PAIRS
        ALONG_SUMS(LANE_EACH, 1, 1)
        ALONG_SUMS(QUARTER_EACH, 1, 1)
#endif
        ALONG_SUMS(LANE_EACH, 1, 0)
        ALONG_SUMS(QUARTER_EACH, 1, 0)
#if PICKS_FAR
        ALONG_SUMS(HALF_EACH, 1, 0)
        ALONG_SUMS(WHOLE, 1, 0)
#endif
    }
    ALONG_SUMS(ALONE, 0, 0)
    ALONG_SUMS(QUARTER_EACH, 0, 0)
#if PICKS_FAR
    ALONG_SUMS(HALF_EACH, 0, 0)
    ALONG_SUMS(WHOLE, 0, 0)
#endif
#undef ALONG_SUMS
#undef ALONG
}
#else
static inline void blocks_along(const char *const *from, ptrdiff_t skip, char *const *out, ptrdiff_t base,
                                ptrdiff_t first, ptrdiff_t end, const windows *t) {
    (void)from, (void)skip, (void)out, (void)base, (void)first, (void)end, (void)t;
}
#endif

#endif
