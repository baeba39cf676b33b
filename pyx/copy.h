/* copy.h: long runs copied and cleared by plain stores of half a cache line or less.
 *
 * C's memcpy and memset store whole lines, or have the processor do it (rep movsb), which then does not read the line
 * before: where the caches hold or are to hold the result, that takes longer. On Cascade Lake, 8x64x64x64 doubled:
 * rows copied by memcpy 1.12 times as long as here; planes of 64 KiB cleared by memset 1.35 times. Processors that have
 * "fast short rep mov" (Intel's from Ice Lake on) clear by memset in 0.85 of the time, and copy in the same.
 */
#ifndef UPSAMPLING_COPY_H
#define UPSAMPLING_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <cpuid.h>

#if defined(__AVX__)
#define PIECE 32
#else
#define PIECE 16
#endif

static int clears_fast; /* whether memset is to be taken; cpuid may take a while, and is asked once */

static __attribute__((constructor)) void ask_processor(void) {
    unsigned a, b, c, d;
    clears_fast = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 4 & 1); /* FSRM */
}

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

static inline void clear_run(char *to, ptrdiff_t bytes) {
    ptrdiff_t i = (ptrdiff_t)(-(uintptr_t)to % PIECE);
    if (bytes < 2 * PIECE || clears_fast) {
        memset(to, 0, (size_t)bytes);
        return;
    }
    *(unaligned_piece *)to = (unaligned_piece){0};
    for (; i + PIECE <= bytes; i += PIECE) {
        *(piece *)(to + i) = (piece){0};
        NOT_ONE_CALL;
    }
    *(unaligned_piece *)(to + bytes - PIECE) = (unaligned_piece){0};
}
#else
static inline void copy_run(char *to, const char *from, ptrdiff_t bytes) { memcpy(to, from, (size_t)bytes); }
static inline void clear_run(char *to, ptrdiff_t bytes) { memset(to, 0, (size_t)bytes); }
#endif

#endif
