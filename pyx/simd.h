/* simd.h: the precision and the vectors that a kernel source is compiled with, scratch, and how memory is asked for.
 *
 * setup.py defines one PRECISION_ macro for each build of a source; the compiler's own macros say
 * which instruction set it may use. A kernel sees `real` (the type it computes in), `vec` (LANES of
 * them), vload and vstore (any alignment), partial ones that touch n lanes only, and vset (one value
 * in every lane). + - * on vec are the language's own (GCC's and Clang's vector types).
 * Integers wrap (they are unsigned here), as PyTorch's do.
 */
#ifndef UPSAMPLING_SIMD_H
#define UPSAMPLING_SIMD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif
#if defined(_WIN32)
#include <malloc.h>
#define aligned_alloc(alignment, bytes) _aligned_malloc(bytes, alignment)
#define free_scratch _aligned_free
#else
#define free_scratch free
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

#if defined(PRECISION_F64)
typedef double real;
#define REAL_BYTES 8
#elif defined(PRECISION_I64)
typedef uint64_t real;
#define REAL_BYTES 8
#else
typedef float real;
#define REAL_BYTES 4
#endif

#define LANES (VECTOR_BYTES / REAL_BYTES)

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef real unaligned_vec __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));

/* An integer as wide in every lane: places, or what comparisons make. */
#if REAL_BYTES == 8
typedef int64_t lane;
#else
typedef int32_t lane;
#endif
typedef lane lanes __attribute__((vector_size(VECTOR_BYTES)));
static inline lanes lanes_of(lane x) { return (lanes){0} + x; }

static inline vec vload(const real *p) { return *(const unaligned_vec *)p; }
static inline void vstore(real *p, vec v) { *(unaligned_vec *)p = v; }
/* By stores of half a line at most, for results: copy.h says why. */
static inline void vstore_halves(real *p, vec v) {
#if VECTOR_BYTES == 64
    _mm256_storeu_pd((double *)p, _mm512_castpd512_pd256((__m512d)v));
#if defined(__clang__)
    __asm__ volatile("" ::: "memory"); /* or it makes one store of the two */
#endif
    _mm256_storeu_pd((double *)p + 4, _mm512_extractf64x4_pd((__m512d)v, 1));
#else
    vstore(p, v);
#endif
}
/* x - 0 is x, -0 included, so that no subtraction is left of it. */
static inline vec vset(real x) { return x - (vec){0}; }

static inline vec vload_n(const real *p, ptrdiff_t n) {
    vec v = {0};
    memcpy(&v, p, (size_t)n * sizeof(real));
    return v;
}
static inline void vstore_n(real *p, vec v, ptrdiff_t n) { memcpy(p, &v, (size_t)n * sizeof(real)); }

/* v in the lanes from `first` to before `end`, which may lie outside, and 0 in the others. */
static inline vec between(vec v, ptrdiff_t first, ptrdiff_t end) {
    lanes at = {0};
    for (int i = 0; i < LANES; i++) at[i] = i;
    lane from = first < 0 ? 0 : (lane)first, to = end > LANES ? LANES : (lane)end;
    return (vec)((lanes)v & (at >= lanes_of(from)) & (at < lanes_of(to)));
}

/* Have a line of memory fetched that is read, or written, soon. The address may be any: nothing is read. */
static inline void ask_for(const void *p) { __builtin_prefetch(p); }
/* In a loop over a few numbers, of which the compiler would make a call of memset or memcpy. */
static inline void not_one_call(void) { __asm__ volatile("" ::: "memory"); }
/* Inlined: GCC takes a function that does nothing else for one without effect, and leaves out its calls. */
static inline __attribute__((always_inline)) void ask_to_write(const void *p, ptrdiff_t bytes) {
    for (ptrdiff_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)p + i, 1);
}

/* Scratch memory, aligned to a cache line; NULL where there is none. Freed by free_scratch(). */
static inline void *scratch(size_t bytes) {
    return bytes > PTRDIFF_MAX - 64 ? NULL : aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
}

#endif
