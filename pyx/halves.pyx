"""float16 and bfloat16 to float32 and back. Each thread owns pieces of the result."""

from cython.parallel cimport prange

from upsampling._kernels.calls cimport enter, leave

cdef extern from "storage.h" nogil:
    ctypedef float real
    enum:
        STORED_F16
        STORED_BF16
    void row_load(real* to, const void* source, Py_ssize_t count, int kind)
    void row_store(void* to, const real* source, Py_ssize_t count, int kind)

cdef enum:
    PIECE = 1 << 14  # numbers converted by a thread at once


def widen(const unsigned short[::1] halves, real[::1] wide, bint brain, int num_threads):
    """Convert float16, or bfloat16, to `wide`."""
    cdef Py_ssize_t i, count = halves.shape[0]
    cdef int kind = STORED_BF16 if brain else STORED_F16, threads = enter(num_threads)
    for i in prange((count + PIECE - 1) // PIECE, nogil=True, num_threads=threads, schedule="static"):
        row_load(&wide[i * PIECE], &halves[i * PIECE], min(<Py_ssize_t>PIECE, count - i * PIECE), kind)
    leave(threads)


def narrow(const real[::1] wide, unsigned short[::1] halves, bint brain, int num_threads):
    """Convert to float16, or bfloat16, rounded to the nearest, ties to even."""
    cdef Py_ssize_t i, count = halves.shape[0]
    cdef int kind = STORED_BF16 if brain else STORED_F16, threads = enter(num_threads)
    for i in prange((count + PIECE - 1) // PIECE, nogil=True, num_threads=threads, schedule="static"):
        row_store(&halves[i * PIECE], &wide[i * PIECE], min(<Py_ssize_t>PIECE, count - i * PIECE), kind)
    leave(threads)
