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
/* Of these a wheel has dozens of copies as it is. */
#define CALL_OUT_OF_LINE static __attribute__((noinline, unused))

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
    char *scratch;          /* those, the shared ones first; aligned to a cache line; and the runs of several threads */
    ptrdiff_t next, end;    /* the tasks that a single one has left */
} call;

/* Tasks that are left of those that a thread begins with; a cache line, for other threads write to theirs. */
typedef struct {
    ptrdiff_t next, end;
    char apart[64 - 2 * sizeof(ptrdiff_t)];
} call_run;

static inline ptrdiff_t call_scratch_end(const call *c) { return (c->shared + c->threads * c->each + 63) / 64 * 64; }

/* The bytes of all scratch. */
static inline ptrdiff_t call_bytes(const call *c) {
    return call_scratch_end(c) + (c->threads > 1 ? c->threads * (ptrdiff_t)sizeof(call_run) : 0);
}

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

/* So many tasks follow: how many of them to do until it asks again is found anew. Each thread begins with a run of
 * neighbours, the same in every call, for what it wrote then may still be in its own cache. */
CALL_OUT_OF_LINE void call_shares(call *c, ptrdiff_t tasks) {
    call_run *run = (call_run *)(c->scratch + call_scratch_end(c));
    c->patience = c->pace = 1;
    c->next = 0;
    c->end = tasks;
    for (int i = 0; c->threads > 1 && i < c->threads; i++) {
        run[i].next = i > 0 ? run[i - 1].end : 0;
        run[i].end = run[i].next + tasks / c->threads + (i < tasks % c->threads);
    }
}

/* The next task for whoever begins with run `own`, or -1: where that has none left, one of the others'. */
CALL_OUT_OF_LINE ptrdiff_t call_takes(call *c, ptrdiff_t own) {
    call_run *run = (call_run *)(c->scratch + call_scratch_end(c));
    ptrdiff_t task;
    if (c->threads < 2) return c->next < c->end ? c->next++ : -1;
    for (int i = 0; i < c->threads; i++) {
        call_run *from = &run[(own + i) % c->threads];
        if (__atomic_load_n(&from->next, __ATOMIC_RELAXED) >= from->end) continue;
        task = __atomic_fetch_add(&from->next, 1, __ATOMIC_RELAXED);
        if (task < from->end) return task;
    }
    return -1;
}

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
