# An included source's docstring is not the module's, so it is assigned.
__doc__ = """The door for compiled code: kernels with plain C signatures.

Cython code finds them by kernels.pxd, C and C++ by upsampling.h.

Arguments are checked here, positions included, before anything is written.
"""

from cpython.pycapsule cimport PyCapsule_New
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free
from upsampling._kernels.calls cimport enter, leave
from plane cimport fetch_plane, put_plane

cdef extern from "simd.h" nogil:
    void* scratch(size_t bytes)

cdef extern from "upsampling.h" nogil:
    """
    #define UPSAMPLING_PROVIDER
    """
    ctypedef struct upsampling_api:
        int abi
        size_t size
        const char* (*status_message)(int) noexcept nogil
        int (*max_unpool)(
            const void*, const long long*, void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, int
        ) noexcept nogil
        int (*max_unpool_backward)(
            const void*, const long long*, void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, int
        ) noexcept nogil
    const int UPSAMPLING_ABI


cdef const char* status_message(int status) noexcept nogil:
    """What a status says, in words."""
    if status == STATUS_OK:
        return b"success"
    if status == STATUS_BAD_INDEX:
        return b"an index is not from 0 to plane_size - 1; nothing was written"
    if status == STATUS_NO_MEMORY:
        return b"there is no memory for scratch"
    if status == STATUS_BAD_ARGUMENT:
        return b"a size is negative or too large, a pointer is NULL, or num_threads is below 1; nothing was written"
    return b"unknown status"


cdef int checked(
    const void* x, const long long* indices, void* y, Py_ssize_t planes, Py_ssize_t count, Py_ssize_t plane_size,
    Py_ssize_t item_size, int num_threads,
) noexcept nogil:
    """STATUS_OK where sizes, pointers and all positions are right."""
    cdef Py_ssize_t largest = (<Py_ssize_t>1) << (8 * sizeof(Py_ssize_t) - 2), i
    if planes < 0 or count < 0 or plane_size < 0 or item_size < 1 or num_threads < 1:
        return STATUS_BAD_ARGUMENT
    if planes == 0:
        return STATUS_OK
    if max(count, plane_size) > largest // item_size // planes:
        return STATUS_BAD_ARGUMENT
    if (x == NULL and count > 0) or (indices == NULL and count > 0) or (y == NULL and plane_size > 0):
        return STATUS_BAD_ARGUMENT
    for i in range(planes * count):
        if indices[i] < 0 or indices[i] >= plane_size:
            return STATUS_BAD_INDEX
    return STATUS_OK


cdef int max_unpool(
    const void* values, const long long* indices, void* out, Py_ssize_t planes, Py_ssize_t count, Py_ssize_t plane_size,
    Py_ssize_t item_size, int num_threads,
) noexcept nogil:
    """out (planes, plane_size) = 0, then out[indices[i]] = values[i]; values and indices are (planes, count)."""
    cdef int status = checked(values, indices, out, planes, count, plane_size, item_size, num_threads)
    cdef Py_ssize_t p
    if status != STATUS_OK:
        return status
    num_threads = enter(num_threads)
    for p in prange(planes, num_threads=num_threads, schedule="static"):
        put_plane(
            <const char*>values + p * count * item_size, item_size,
            <const char*>(indices + p * count), sizeof(long long), count,
            <char*>out + p * plane_size * item_size, item_size, plane_size, item_size,
        )
    leave(num_threads)
    return STATUS_OK


cdef int max_unpool_backward(
    const void* grad_output, const long long* indices, void* grad_input, Py_ssize_t planes, Py_ssize_t count,
    Py_ssize_t plane_size, Py_ssize_t item_size, int num_threads,
) noexcept nogil:
    """grad_input[i] = grad_output[indices[i]] for the last i of each index, else 0; grad_input is (planes, count)."""
    cdef int status = checked(grad_output, indices, grad_input, planes, count, plane_size, item_size, num_threads)
    cdef char* taken
    cdef Py_ssize_t p, each = (plane_size + 63) // 64 * 64
    cdef int threads
    if status != STATUS_OK or planes == 0:
        return status
    threads = enter(num_threads)
    taken = <char*>scratch(each * threads)
    if taken != NULL:
        for p in prange(planes, num_threads=threads, schedule="static"):
            fetch_plane(
                <const char*>grad_output + p * plane_size * item_size, item_size, plane_size,
                <const char*>(indices + p * count), sizeof(long long), count,
                <char*>grad_input + p * count * item_size, item_size, item_size, taken + threadid() * each,
            )
    leave(threads)
    if taken == NULL:
        return STATUS_NO_MEMORY
    free(taken)
    return STATUS_OK


cdef upsampling_api _table
_table.abi = UPSAMPLING_ABI
_table.size = sizeof(upsampling_api)
_table.status_message = status_message
_table.max_unpool = max_unpool
_table.max_unpool_backward = max_unpool_backward

_C_API = PyCapsule_New(&_table, "upsampling.kernels._C_API", NULL)
