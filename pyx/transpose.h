/* transpose.h: a square of LANES by LANES numbers turned over its diagonal in registers.
 *
 * Each of log2(LANES) steps interleaves the first half of the vectors with the second half.
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

static inline void transpose_vectors(vec *v) {
    for (int step = 1; step < LANES; step *= 2) {
        vec next[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = zip_low(v[i], v[i + LANES / 2]);
            next[2 * i + 1] = zip_high(v[i], v[i + LANES / 2]);
        }
        memcpy(v, next, sizeof(next));
    }
}

/* to[j * to_row + i] = from[i * from_row + j] for i < rows and j < columns, at most LANES of each. */
static inline void transpose(const real *from, ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t columns, real *to,
                             ptrdiff_t to_row) {
    vec v[LANES];
    if (rows == LANES && columns == LANES) {
        for (int i = 0; i < LANES; i++) v[i] = vload(from + i * from_row);
        transpose_vectors(v);
        for (int i = 0; i < LANES; i++) vstore(to + i * to_row, v[i]);
    } else {
        for (ptrdiff_t j = 0; j < columns; j++)
            for (ptrdiff_t i = 0; i < rows; i++) to[j * to_row + i] = from[i * from_row + j];
    }
}

#endif
