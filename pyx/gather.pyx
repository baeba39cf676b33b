from cython.parallel cimport prange

cdef extern from "simd.h" nogil:
    ctypedef float real


def double_it(real[::1] x, int num_threads):
    cdef Py_ssize_t i
    for i in prange(x.shape[0], nogil=True, num_threads=num_threads):
        x[i] = x[i] + x[i]
