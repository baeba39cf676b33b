"""Kernels for Cython code, called without the GIL: ``from upsampling.kernels cimport max_unpool``.

Plain C types only. Arrays are contiguous: `planes` planes one after the other. Every function returns a status, 0 for
success; see `status_message`. Names, signatures and meanings only ever grow.
"""

cdef enum:
    STATUS_OK = 0
    STATUS_BAD_INDEX = 1
    STATUS_NO_MEMORY = 2
    STATUS_BAD_ARGUMENT = 3

cdef const char* status_message(int status) noexcept nogil

cdef int max_unpool(
    const void* values, const long long* indices, void* out, Py_ssize_t planes, Py_ssize_t count, Py_ssize_t plane_size,
    Py_ssize_t item_size, int num_threads,
) noexcept nogil

cdef int max_unpool_backward(
    const void* grad_output, const long long* indices, void* grad_input, Py_ssize_t planes, Py_ssize_t count,
    Py_ssize_t plane_size, Py_ssize_t item_size, int num_threads,
) noexcept nogil
