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

/* A few numbers, in moves of a constant size that may overlap. Out of line, for GCC 12 misjudges its bounds inlined. */
static __attribute__((noinline)) void copy_few(const real *from, ptrdiff_t n, real *to) {
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
    for (int step = 1; step < n; step *= 2) {
        vec next[LANES];
        for (int i = 0; i < n / 2; i++) {
            next[2 * i] = zip_low(v[i], v[i + n / 2]);
            next[2 * i + 1] = zip_high(v[i], v[i + n / 2]);
        }
        memcpy(v, next, (size_t)n * sizeof(vec));
    }
}

/* to[i * n + r] = from[r][at + i] for i < count, at most LANES; n as above. Whole vectors are read. */
static inline __attribute__((always_inline)) void interleave_block(const real **from, ptrdiff_t at, int n,
                                                                   ptrdiff_t count, real *to) {
    vec v[LANES];
    for (int r = 0; r < n; r++) v[r] = vload(from[r] + at);
    interleave_vectors(v, n);
    if (count >= LANES)
        for (int r = 0; r < n; r++) vstore(to + r * LANES, v[r]);
    else
        copy_few((const real *)v, count * n, to);
}

/* to[i * n + r] = from[r][i] for i < count: rows of n numbers from n rows, of which whole vectors are read. */
static inline void interleave(const real **from, ptrdiff_t n, ptrdiff_t count, real *to) {
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
        else
            for (ptrdiff_t t = i; t < i + LANES && t < count; t++)
                for (ptrdiff_t r = 0; r < n; r++) to[t * n + r] = from[r][t];
    }
}

/* to[j * to_row + i] = from[i * from_row + j] for i < rows and j < columns, at most LANES of each. */
static inline void transpose(const real *from, ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t columns, real *to,
                             ptrdiff_t to_row) {
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

#endif
