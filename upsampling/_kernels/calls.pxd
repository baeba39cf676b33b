cdef extern from "call.h" nogil:
    enum:
        CALL_ARRAYS
    ctypedef struct Call "call":
        void* array[CALL_ARRAYS]
        int read
        int written
        int threads
        int stop
        int again
        const int* cancel
        int (*ask)() noexcept nogil
        int patience
        int pace
        long long asked
        Py_ssize_t shared
        Py_ssize_t each
        char* scratch
    char* call_scratch(const Call* c)
    int stopped(Call* c)
    Py_ssize_t call_bytes(const Call* c)
    void call_shares(Call* c, Py_ssize_t tasks)
    Py_ssize_t call_takes(Call* c, Py_ssize_t own)

ctypedef void (*Run)(Call* job) noexcept nogil

cdef int perform(Call* job, Py_ssize_t size, Run run) except -1
cdef int keep(object tables) except -1
cdef int enter(int threads) noexcept nogil
cdef void leave(int threads) noexcept nogil
