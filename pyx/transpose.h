/* transpose.h: rows of numbers turned into columns and taken in turn, in registers.
 *
 * Each step interleaves the first half of the vectors with the second half; log2(LANES) steps transpose a square.
 */
#ifndef UPSAMPLING_TRANSPOSE_H
#define UPSAMPLING_TRANSPOSE_H

#include "simd.h"

#if LANES == 16
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif LANES == 4
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#else
#define LOW 0, 2
#define HIGH 1, 3
#endif

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#if REAL_BYTES == 8
typedef int64_t lane_numbers __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef int32_t lane_numbers __attribute__((vector_size(VECTOR_BYTES)));
#endif
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (lane_numbers){__VA_ARGS__})
#endif

static inline vec zip_low(vec a, vec b) { return SHUFFLE(a, b, LOW); }
static inline vec zip_high(vec a, vec b) { return SHUFFLE(a, b, HIGH); }

/* EACH(F, k) is F(0, k), F(1, k) ... for all lanes. */
#define EACH_2(F, k) F(0, k), F(1, k)
#define EACH_4(F, k) EACH_2(F, k), F(2, k), F(3, k)
#define EACH_8(F, k) EACH_4(F, k), F(4, k), F(5, k), F(6, k), F(7, k)
#define EACH_16(F, k) EACH_8(F, k), F(8, k), F(9, k), F(10, k), F(11, k), F(12, k), F(13, k), F(14, k), F(15, k)
#if LANES == 16
#define EACH EACH_16
#elif LANES == 8
#define EACH EACH_8
#elif LANES == 4
#define EACH EACH_4
#else
#define EACH EACH_2
#endif

/* Lane i of vector k of three that are taken in turn: number k * LANES + i, from the first two or from the third. */
#define TURN(i, k) ((k) * LANES + (i))
#define TURN_ONE(i, k) (TURN(i, k) % 3 == 2 ? 0 : TURN(i, k) % 3 * LANES + TURN(i, k) / 3)
#define TURN_TWO(i, k) (TURN(i, k) % 3 == 2 ? LANES + TURN(i, k) / 3 : (i))

/* The numbers of three vectors, taken in turn from each. */
static inline __attribute__((always_inline)) void interleave_three(vec a, vec b, vec c, vec *to) {
    to[0] = SHUFFLE(SHUFFLE(a, b, EACH(TURN_ONE, 0)), c, EACH(TURN_TWO, 0));
    to[1] = SHUFFLE(SHUFFLE(a, b, EACH(TURN_ONE, 1)), c, EACH(TURN_TWO, 1));
    to[2] = SHUFFLE(SHUFFLE(a, b, EACH(TURN_ONE, 2)), c, EACH(TURN_TWO, 2));
}

/* Every second, third, fourth, sixth or eighth number: lane i is number i * step. Nothing beyond the last is read. */
#define SECOND(i, k) ((i) * 2 < LANES ? (i) * 2 : (i) * 2 + 1)
#define THIRD_ONE(i, k) ((i) * 3 < 2 * LANES ? (i) * 3 : 0)
#define THIRD_TWO(i, k) ((i) * 3 < 2 * LANES ? (i) : (i) * 3 - LANES + 2)
static inline vec every_second(const real *p) { return SHUFFLE(vload(p), vload(p + LANES - 1), EACH(SECOND, 0)); }
static inline vec every_third(const real *p) {
    return SHUFFLE(SHUFFLE(vload(p), vload(p + LANES), EACH(THIRD_ONE, 0)), vload(p + 2 * LANES - 2), EACH(THIRD_TWO, 0));
}

static inline vec every_fourth(const real *p) {
    return SHUFFLE(every_second(p), every_second(p + 2 * LANES - 2), EACH(SECOND, 0));
}
static inline vec every_sixth(const real *p) {
    return SHUFFLE(every_third(p), every_third(p + 3 * LANES - 3), EACH(SECOND, 0));
}
static inline vec every_eighth(const real *p) {
    return SHUFFLE(every_fourth(p), every_fourth(p + 4 * LANES - 4), EACH(SECOND, 0));
}

#if LANES >= 8
/* The same by half a vector. */
#define HALF (LANES / 2)
#if LANES == 16
#define EACH_OF_HALF EACH_8
#else
#define EACH_OF_HALF EACH_4
#endif
typedef real half_vec __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef real unaligned_half_vec __attribute__((vector_size(VECTOR_BYTES / 2), aligned(1), may_alias));
#if defined(__clang__)
#define SHUFFLE_HALF SHUFFLE
#else
#if REAL_BYTES == 8
typedef int64_t half_lane_numbers __attribute__((vector_size(VECTOR_BYTES / 2)));
#else
typedef int32_t half_lane_numbers __attribute__((vector_size(VECTOR_BYTES / 2)));
#endif
#define SHUFFLE_HALF(a, b, ...) __builtin_shuffle(a, b, (half_lane_numbers){__VA_ARGS__})
#endif
#define SECOND_OF_HALF(i, k) ((i) * 2 < HALF ? (i) * 2 : (i) * 2 + 1)
static inline half_vec load_half(const real *p) { return *(const unaligned_half_vec *)p; }
static inline half_vec half_every_second(const real *p) {
    return SHUFFLE_HALF(load_half(p), load_half(p + HALF - 1), EACH_OF_HALF(SECOND_OF_HALF, 0));
}
static inline half_vec half_every_fourth(const real *p) {
    return SHUFFLE_HALF(half_every_second(p), half_every_second(p + 2 * HALF - 2), EACH_OF_HALF(SECOND_OF_HALF, 0));
}

/* At least half a vector and less than one, by two halves that overlap (Zen 5, gradients of the input: 16 channels of
 * 12^3 k3 s2 1.18 ms, number by number 1.31; 64 of 10x10 k4 s4 0.185 and 0.206). */
#define COPY_HALVES(step, every)                                                                                       \
    *(unaligned_half_vec *)to = every(from);                                                                           \
    *(unaligned_half_vec *)(to + count - HALF) = every(from + step * (count - HALF));                                  \
    return
#endif

/* Vectors of every step-th number, at least one; the last overlaps the one before it. What follows in memory is asked
 * for, most of it is copied next: the gradient of 1x21x128x128 depthwise k4 s2 1.16 ms without it, 1.01 with it, 1.08
 * to 1.2 with a half, twice or four times as far. */
#define COPY_EVERY(step, every)                                                                                        \
    while (t < count) {                                                                                                \
        ask_for(from + step * t + 2048 / sizeof(real));                                                                \
        if (t > count - LANES) t = count - LANES;                                                                      \
        vstore(to + t, every(from + step * t));                                                                        \
        t += LANES;                                                                                                    \
    }                                                                                                                  \
    break

/* to[t] = from[t * step] for t < count. Out of line: inlined it takes a hundredth of a wheel. At the beginning of a cache
 * line: 16 bytes further on rows of 17 numbers took one and a half times as long (Zen 5). */
static __attribute__((noinline, aligned(64))) void copy_every(const real *from, ptrdiff_t step, ptrdiff_t count, real *to) {
    ptrdiff_t t = 0;
#if LANES >= 8
    if (HALF <= count && count < LANES) {
        ask_for(from + step * count);
        switch (step) {
        case 2: COPY_HALVES(2, half_every_second);
        case 4: COPY_HALVES(4, half_every_fourth);
        }
    }
#endif
    switch (count < LANES ? 0 : step) {
    case 2: COPY_EVERY(2, every_second);
    case 3: COPY_EVERY(3, every_third);
    case 4: COPY_EVERY(4, every_fourth);
    case 6: COPY_EVERY(6, every_sixth);
    case 8: COPY_EVERY(8, every_eighth);
    }
    for (; t < count; t++) to[t] = from[t * step];
}

/* A few numbers, in moves of a constant size that may overlap. Out of line, for GCC 12 misjudges its bounds inlined. */
static __attribute__((noinline, aligned(64))) void copy_few(const real *from, ptrdiff_t n, real *to) {
    if (n >= 16) {
        for (ptrdiff_t i = 0; i + 16 <= n; i += 16) memcpy(to + i, from + i, 16 * sizeof(real));
        memcpy(to + n - 16, from + n - 16, 16 * sizeof(real));
    } else if (n >= 8) {
        memcpy(to, from, 8 * sizeof(real));
        memcpy(to + n - 8, from + n - 8, 8 * sizeof(real));
    } else if (n >= 4) {
        memcpy(to, from, 4 * sizeof(real));
        memcpy(to + n - 4, from + n - 4, 4 * sizeof(real));
    } else {
        for (int i = 0; i < 3; i++)
            if (i < n) to[i] = from[i];
    }
}

/* The numbers of n vectors, n a power of two up to LANES, taken in turn from each. */
static inline __attribute__((always_inline)) void interleave_vectors(vec *v, int n) {
#pragma GCC unroll 4
    for (int step = 1; step < n; step *= 2) {
        vec next[LANES];
#pragma GCC unroll 8
        for (int i = 0; i < n / 2; i++) {
            next[2 * i] = zip_low(v[i], v[i + n / 2]);
            next[2 * i + 1] = zip_high(v[i], v[i + n / 2]);
        }
        memcpy(v, next, (size_t)n * sizeof(vec));
    }
}

/* to[i * n + r] = from[r][at + i] for i < count, at most LANES; n is a power of two up to LANES, or three times one up
 * to 4. Whole vectors are read. */
static inline __attribute__((always_inline)) void interleave_block(const real **from, ptrdiff_t at, int n,
                                                                   ptrdiff_t count, real *to) {
    vec v[LANES > 12 ? LANES : 12];
    if (n % 3) {
        for (int r = 0; r < n; r++) v[r] = vload(from[r] + at);
        interleave_vectors(v, n);
    } else {
        vec threes[3], next[4];
        int two = n / 3;
        for (int r = 0; r < two; r++) {
            interleave_three(vload(from[r] + at), vload(from[r + two] + at), vload(from[r + 2 * two] + at), threes);
            for (int i = 0; i < 3; i++) v[i * two + r] = threes[i];
        }
        for (int i = 0; i < 3; i++) {
            for (int r = 0; r < two; r++) next[r] = v[i * two + r];
            interleave_vectors(next, two);
            for (int r = 0; r < two; r++) v[i * two + r] = next[r];
        }
    }
    if (count >= LANES)
        for (int r = 0; r < n; r++) vstore_halves(to + r * LANES, v[r]);
    else
        copy_few((const real *)v, count * n, to);
}

/* to[i * n + r] = from[r][i] for i < count: rows of n numbers from n rows, of which whole vectors are read. Out of line,
 * for it is long. */
static __attribute__((noinline, unused)) void interleave(const real **from, ptrdiff_t n, ptrdiff_t count, real *to) {
    for (ptrdiff_t i = 0; i < count; i += LANES) {
        real *at = to + i * n;
        if (n == 1)
            interleave_block(from, i, 1, count - i, at);
        else if (n == 2)
            interleave_block(from, i, 2, count - i, at);
#if LANES >= 4
        else if (n == 4)
            interleave_block(from, i, 4, count - i, at);
#endif
#if LANES >= 8
        else if (n == 8)
            interleave_block(from, i, 8, count - i, at);
#endif
#if LANES >= 16
        else if (n == 16)
            interleave_block(from, i, 16, count - i, at);
#endif
        else if (n == 3)
            interleave_block(from, i, 3, count - i, at);
        else if (n == 6)
            interleave_block(from, i, 6, count - i, at);
#if LANES >= 4
        else if (n == 12)
            interleave_block(from, i, 12, count - i, at);
#endif
        else
            for (ptrdiff_t t = i; t < i + LANES && t < count; t++)
                for (ptrdiff_t r = 0; r < n; r++) to[t * n + r] = from[r][t];
    }
}

/* to[j * to_row + i] = from[i * from_row + j] for i < rows and j < columns, at most LANES of each. Out of line, for it is
 * long. */
static __attribute__((noinline, unused)) void transpose(const real *from, ptrdiff_t from_row, ptrdiff_t rows,
                                                        ptrdiff_t columns, real *to, ptrdiff_t to_row) {
    vec v[LANES];
    if (rows == LANES && columns == LANES) {
        for (int i = 0; i < LANES; i++) v[i] = vload(from + i * from_row);
        interleave_vectors(v, LANES);
        for (int i = 0; i < LANES; i++) vstore(to + i * to_row, v[i]);
    } else if (rows * columns > 2 * LANES) {
        for (int i = 0; i < LANES; i++) v[i] = vset(0);
        for (int i = 0; i < rows; i++) copy_few(from + i * from_row, columns, (real *)(v + i));
        interleave_vectors(v, LANES);
        for (int i = 0; i < columns; i++) copy_few((const real *)(v + i), rows, to + i * to_row);
    } else {
        for (ptrdiff_t j = 0; j < columns; j++)
            for (ptrdiff_t i = 0; i < rows; i++) to[j * to_row + i] = from[i * from_row + j];
    }
}

/* Lanes added in pairs: of two vectors half the lanes each are left, taken in turn. */
static inline vec fold(vec a, vec b) { return zip_low(a, b) + zip_high(a, b); }

/* to[i] = the sum of the lanes of from[i] for i < count, at most LANES. */
static inline __attribute__((always_inline)) void sum_few(const vec *from, int count, real *to) {
    vec v[16];
    real lanes[LANES];
    int n = count > 8 ? 16 : count > 4 ? 8 : count > 2 ? 4 : 2;
    for (int i = 0; i < 16; i++) v[i] = i < count ? from[i] : vset(0);
    if (n >= 16)
        for (int i = 0; i < 8; i++) v[i] = fold(v[i], v[i + 8]);
    if (n >= 8)
        for (int i = 0; i < 4; i++) v[i] = fold(v[i], v[i + 4]);
    if (n >= 4)
        for (int i = 0; i < 2; i++) v[i] = fold(v[i], v[i + 2]);
    vstore(lanes, fold(v[0], v[1])); /* of vector i in every n-th lane from i on */
    for (int half = LANES / 2; half >= n; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    for (int i = 0; i < count; i++) to[i] = lanes[i];
}

/* The same for any number of vectors. */
static inline __attribute__((always_inline)) void sum_lanes(const vec *from, int count, real *to) {
#pragma GCC unroll 24
    for (int i = 0; i < count; i += LANES) sum_few(from + i, count - i < LANES ? count - i : LANES, to + i);
}

#endif
