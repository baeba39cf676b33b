/* call.h: what every call of a kernel begins with, and what its threads ask while they work.
 *
 * A kernel's job is a structure with a `call` at its head. The entry point fills it in, and `perform` (perform.pyx) gives it
 * threads and scratch and runs it without the GIL; or a copy of it is kept, to be run later on other arrays.
 */
#ifndef UPSAMPLING_CALL_H
#define UPSAMPLING_CALL_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>
#if defined(_OPENMP)
#include <omp.h>
#endif

#define CALL_ARRAYS 6

typedef struct call {
    void *array[CALL_ARRAYS]; /* where the arrays begin: those that are read, then those that are written */
    int read, written;        /* how many of each */
    int threads;              /* that share the work */
    int stop;                 /* set where the call is to end before its work is done */
    int again;                /* set by the kernel where, for the values of an array, it has to be done in another way */
    const int *cancel;        /* the caller's flag that says so, or NULL */
    int (*ask)(void);         /* whether to stop, asked by the calling thread some times a second; or NULL */
    int patience, pace;       /* tasks until it asks again */
    int64_t asked;
    ptrdiff_t shared, each; /* bytes of scratch: for all threads, and for each */
    char *scratch;          /* those, the shared ones first; aligned to a cache line */
} call;

/* The number of a thread of a call: a single one may be any thread of somebody else's region. */
static inline int call_thread(const call *c) {
#if defined(_OPENMP)
    return c->threads > 1 ? omp_get_thread_num() : 0;
#else
    (void)c;
    return 0;
#endif
}

/* The calling thread's own part of the scratch. */
static inline char *call_scratch(const call *c) { return c->scratch + c->shared + call_thread(c) * c->each; }

/* Tasks of another kind follow: how many of them to do until it asks again is found anew. */
static inline void call_changes(call *c) { c->patience = c->pace = 1; }

static inline void call_asks(call *c) {
    struct timespec t;
    int64_t now, passed;
#if defined(_WIN32)
    timespec_get(&t, TIME_UTC);
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (c->asked == 0 || c->asked > now) c->asked = now; /* the clock of Windows may be set back */
    passed = now - c->asked;
    /* Some 20 times a second, however long tasks take; where nothing was asked yet the pace is found by doubling. */
    if (passed < 25000000) {
        c->pace = c->pace < 1 << 20 ? 2 * c->pace : c->pace;
    } else {
        c->asked = now;
        c->pace = passed > 50000000 && c->pace > 1 ? c->pace / 2 : c->pace;
        if (c->ask != NULL && c->ask()) __atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
    }
    c->patience = c->pace;
}

/* Whether to leave out what is left to do: asked before every task, by each thread. */
static inline int stopped(call *c) {
    if (c->cancel != NULL && __atomic_load_n(c->cancel, __ATOMIC_RELAXED)) __atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
    if (c->ask != NULL && call_thread(c) == 0 && --c->patience <= 0) call_asks(c);
    return __atomic_load_n(&c->stop, __ATOMIC_RELAXED);
}

#endif
