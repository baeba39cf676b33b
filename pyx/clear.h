/* clear.h: long runs cleared, by plain stores as in copy.h or by memset.
 *
 * On Cascade Lake memset takes 1.35 times as long for planes of 64 KiB of a large result. On Intel's processors with
 * "fast short rep mov" (Ice Lake and later; measured on Granite Rapids) it takes 0.6 to 0.9 of the time.
 */
#ifndef UPSAMPLING_CLEAR_H
#define UPSAMPLING_CLEAR_H

#include "copy.h"

#if defined(__SSE2__)
#if defined(_MSC_VER)
#include <intrin.h> /* before the next, which makes a macro of a name that it declares */
#endif
#include <cpuid.h>

static int memset_is_fast; /* asked once, for the question may take a while */

static __attribute__((constructor)) void ask_processor(void) {
    unsigned a, b, c, d;
    if (__get_cpuid(0, &a, &b, &c, &d) && b == 0x756e6547) /* "Genu" of GenuineIntel */
        memset_is_fast = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 4 & 1);
}

static inline void clear_run(char *to, ptrdiff_t bytes) {
    ptrdiff_t i = (ptrdiff_t)(-(uintptr_t)to % PIECE);
    if (bytes < 2 * PIECE || memset_is_fast) {
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
static inline void clear_run(char *to, ptrdiff_t bytes) { memset(to, 0, (size_t)bytes); }
#endif

#endif
