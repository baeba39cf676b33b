/* stream.h: rows stored past the caches, for results that these cannot hold.
 *
 * A plain store reads a line before it changes it, and in the end drives another one out. Lines that a row shares with
 * its neighbours are stored plainly.
 */
#ifndef UPSAMPLING_STREAM_H
#define UPSAMPLING_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define LINE 64

static inline void stream_line(char *to, const char *from) {
#if defined(__AVX512F__)
    _mm512_stream_si512((void *)to, _mm512_loadu_si512((const void *)from));
#elif defined(__AVX2__)
    for (int i = 0; i < LINE; i += 32)
        _mm256_stream_si256((__m256i *)(to + i), _mm256_loadu_si256((const __m256i *)(from + i)));
#elif defined(__SSE2__)
    for (int i = 0; i < LINE; i += 16)
        _mm_stream_si128((__m128i *)(to + i), _mm_loadu_si128((const __m128i *)(from + i)));
#else
    memcpy(to, from, LINE);
#endif
}

static inline void stream_row(char *to, const char *from, ptrdiff_t bytes) {
    ptrdiff_t i = (ptrdiff_t)(-(uintptr_t)to % LINE);
    if (i > bytes) i = bytes;
    memcpy(to, from, (size_t)i);
    for (; i + LINE <= bytes; i += LINE) stream_line(to + i, from + i);
    memcpy(to + i, from + i, (size_t)(bytes - i));
}

/* Such stores are not ordered with others: before another thread is told of them, they have to be over. */
static inline void stream_end(void) {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

#endif
