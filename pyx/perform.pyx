"""How a kernel is called: its threads, its scratch, a watch for signals, and the record of a call to be made later.

An entry point fills in a job, which begins with a Call, and hands it to `perform`. Python's call is then made at once.
While a `Program` records in this thread, the job is kept instead, with the tables that it points to; the program's
steps are run later, from C, without the GIL, on other arrays: see door.pyx.
"""

from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject

from upsampling._kernels.memory cimport lend, let_go, take_back

cdef extern from * nogil:
    """
    #include "simd.h"
    #if !defined(_WIN32)
    #include <pthread.h>
    #include <unistd.h>
    #endif
    #if defined(__linux__)
    #include <sys/syscall.h>
    #endif

    /* Threads that calls have beside those that called, in the whole process; and whether it was forked, for the
     * threads of OpenMP do not survive that. */
    static int others = 0, forked = 0;
    static void after_fork(void) { others = 0; forked += 1; }

    static int watch_forks(void) {
    #if defined(_WIN32)
        return 0;
    #else
        return pthread_atfork(NULL, NULL, after_fork);
    #endif
    }

    /* Threads for a call that wants so many: the others that it gets, with those of all calls that run now, are no more
     * than it would have alone. Inside of somebody's parallel region it gets none. */
    static int enter_call(int threads) {
        int now, more;
    #if defined(_OPENMP)
        if (threads < 2 || forked || omp_in_parallel()) return 1;
    #else
        if (threads < 2) return 1;
    #endif
        now = __atomic_load_n(&others, __ATOMIC_RELAXED);
        do {
            more = threads - 1 - now;
            if (more <= 0) return 1;
        } while (!__atomic_compare_exchange_n(&others, &now, now + more, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
        return 1 + more;
    }
    static void leave_call(int threads) {
        if (threads > 1) __atomic_fetch_sub(&others, threads - 1, __ATOMIC_RELAXED);
    }

    /* Signals are handled in the main thread alone, so that other threads need not ask. */
    static int in_main_thread(void) {
    #if defined(__linux__)
        static __thread int known = -1, generation; /* the thread that forks is the child's main thread */
        if (known < 0 || generation != forked) {
            known = syscall(SYS_gettid) == getpid();
            generation = forked;
        }
        return known;
    #elif defined(__APPLE__)
        return pthread_main_np();
    #else
        return 1;
    #endif
    }
    static int ask_python(void) {
        PyGILState_STATE state = PyGILState_Ensure();
        int stop = PyErr_CheckSignals() != 0;
        PyGILState_Release(state);
        return stop;
    }

    static __thread PyObject *recorder = NULL;
    """
    int enter_call(int threads)
    void leave_call(int threads)
    int watch_forks()
    int in_main_thread()
    int ask_python()
    void* scratch(size_t bytes)
    void free_scratch(void* start)
    PyObject* recorder
    int others

cdef enum:
    LENT = 1 << 25  # bytes of scratch which C's allocator would give back to the system after each call

if watch_forks():
    raise MemoryError("no memory to be told of forks")


cdef int enter(int threads) noexcept nogil:
    """How many threads a call that wants so many may have; given back by `leave`."""
    return enter_call(threads)


cdef void leave(int threads) noexcept nogil:
    leave_call(threads)


cdef char* scratch_of(size_t bytes, size_t* lent) noexcept nogil:
    """Scratch, and how much of it was lent by kept.pyx, else 0; NULL where there is none."""
    cdef char* found = NULL
    if bytes >= <size_t>LENT:
        lent[0] = bytes
        found = lend(lent)
    if found == NULL:
        found = <char*>scratch(bytes)
    if found == NULL:
        let_go()  # what is kept may be what is missing
        found = <char*>scratch(bytes)
    return found


cdef int perform(Call* job, Py_ssize_t size, Run run) except -1:
    """Run a job of `size` bytes, and return 0; or keep it for later and return 1: then its tables must be kept too.

    MemoryError where there is no scratch, before anything is written; what a signal's handler raised, in the middle.
    """
    cdef Py_ssize_t bytes
    cdef size_t lent = 0
    job.stop = job.again = 0
    job.cancel = NULL
    if recorder != NULL:
        (<object>recorder).add(<size_t>job, size, <size_t>run)
        return 1
    job.threads = enter(job.threads)
    job.ask = NULL
    if in_main_thread():
        job.ask = ask_python
    job.patience = job.pace = 1
    job.asked = 0
    job.scratch = NULL
    bytes = call_bytes(job)
    if bytes > 0:
        job.scratch = scratch_of(bytes, &lent)
        if job.scratch == NULL:
            leave(job.threads)
            raise MemoryError(f"no memory for {bytes} bytes of scratch")
    with nogil:
        run(job)
    if lent:
        take_back(job.scratch, lent)
    else:
        free_scratch(job.scratch)
    leave(job.threads)
    return -1 if job.stop else 0


cdef int keep(object tables) except -1:
    """Keep alive what a job that was kept points to."""
    (<object>recorder).keep(tables)
    return 0


def record(program):
    """From now on, give this thread's jobs to `program`, by add(address, size, run) and keep(tables); or to None."""
    global recorder
    Py_XDECREF(recorder)
    recorder = NULL
    if program is not None:
        Py_INCREF(program)
        recorder = <PyObject*>program


def recording():
    """The program that records this thread's jobs, or None."""
    return None if recorder == NULL else <object>recorder


def beside():
    """How many threads the calls that run now have beside those that called."""
    return others
