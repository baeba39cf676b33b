/* pick.h: bytes picked out of a window of memory, for items of any size.
 *
 * A step makes a vector of STEP(unit) bytes of a row, out of one or two vectors of the source: of 4-byte units by the
 * permutations of permute.h, of single bytes 16 at a time (one instruction since SSSE3).
 */
#ifndef UPSAMPLING_PICK_H
#define UPSAMPLING_PICK_H

#include "permute.h"

#if defined(__AVX2__)
#define PICKS_BYTES 1
#else
#define PICKS_BYTES 0
#endif

typedef uint8_t sixteen __attribute__((vector_size(16)));

/* The 16 bytes at `places`, also stored `twin` bytes further on unless that is 0: of two vectors, those below 16 out of the first. */
static inline __attribute__((always_inline)) void pick_bytes(const char *from, int vectors, const char *places,
                                                             char *to, ptrdiff_t twin) {
#if PICKS_BYTES
    __m128i at = _mm_loadu_si128((const __m128i *)places);
    __m128i a = _mm_loadu_si128((const __m128i *)from);
    if (vectors > 1) {
        /* A place with its highest bit set gives 0. */
        __m128i b = _mm_loadu_si128((const __m128i *)(from + 16));
        __m128i low = _mm_add_epi8(at, _mm_set1_epi8(0x70));
        a = _mm_or_si128(_mm_shuffle_epi8(a, low), _mm_shuffle_epi8(b, _mm_sub_epi8(at, _mm_set1_epi8(16))));
    } else {
        a = _mm_shuffle_epi8(a, at);
    }
    _mm_storeu_si128((__m128i *)to, a);
    if (twin) _mm_storeu_si128((__m128i *)(to + twin), a);
#else
    char made[16];
    for (int i = 0; i < 16; i++) made[i] = from[places[i] & (16 * vectors - 1)];
    memcpy(to, made, 16);
    if (twin) memcpy(to + twin, made, 16);
#endif
}

/* The vector of 4-byte units at `places`. */
static inline __attribute__((always_inline)) void pick_units(const char *from, int vectors, const char *places,
                                                             char *to, ptrdiff_t twin) {
    vec v = pick(window_at((const real *)from, vectors), vectors, lanes_at((const lane *)places));
    vstore_halves((real *)to, v);
    if (twin) vstore_halves((real *)(to + twin), v);
}

/* An item of any size, in moves of a constant size that may overlap. */
static inline void copy_item(char *to, const char *from, ptrdiff_t size) {
    if (size >= VECTOR_BYTES) {
        for (ptrdiff_t i = 0; i + VECTOR_BYTES < size; i += VECTOR_BYTES) memcpy(to + i, from + i, VECTOR_BYTES);
        memcpy(to + size - VECTOR_BYTES, from + size - VECTOR_BYTES, VECTOR_BYTES);
    } else {
        memcpy(to, from, (size_t)size);
    }
}

#endif
