/* copy.h: long runs copied by plain stores of half a cache line or less.
 *
 * C's memcpy stores whole lines, or has the processor do it (rep movsb), which then does not read the line before: where
 * the caches hold or are to hold the result, that takes longer. On Cascade Lake, 8x64x64x64 doubled: rows copied by
 * memcpy 1.12 times as long as here; on Granite Rapids the same.
 */
#ifndef UPSAMPLING_COPY_H
#define UPSAMPLING_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#if defined(__AVX__)
#define PIECE 32
#else
#define PIECE 16
#endif

typedef char piece __attribute__((vector_size(PIECE), may_alias));
typedef char unaligned_piece __attribute__((vector_size(PIECE), aligned(1), may_alias));

/* Or the compiler would make memcpy of the loop. */
#define NOT_ONE_CALL __asm__ volatile("" ::: "memory")

static inline void copy_run(char *to, const char *from, ptrdiff_t bytes) {
    ptrdiff_t i = (ptrdiff_t)(-(uintptr_t)to % PIECE);
    if (bytes < 2 * PIECE) {
        memcpy(to, from, (size_t)bytes);
        return;
    }
    unaligned_piece first = *(const unaligned_piece *)from, last = *(const unaligned_piece *)(from + bytes - PIECE);
    for (; i + PIECE <= bytes; i += PIECE) {
        *(piece *)(to + i) = *(const unaligned_piece *)(from + i);
        NOT_ONE_CALL;
    }
    *(unaligned_piece *)to = first;
    *(unaligned_piece *)(to + bytes - PIECE) = last;
}
#else
static inline void copy_run(char *to, const char *from, ptrdiff_t bytes) { memcpy(to, from, (size_t)bytes); }
#endif

#endif
