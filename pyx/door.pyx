# An included source's docstring is not the module's, so it is assigned.
__doc__ = """The door for compiled code: plans of every operator, executed without the GIL.

Cython code finds the functions by kernels.pxd, C and C++ by upsampling.h, Numba, ctypes and cffi by `addresses`; the
manual is docs/embedding.md. In Python, ``plan(operator, operation, **problem)`` makes a `Program`.

Arguments are checked here, positions included, before anything is written.
"""

from cpython.pycapsule cimport PyCapsule_New
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset
from upsampling._kernels.calls cimport CALL_ARRAYS, Call, Run, call_bytes, enter, leave
from plane cimport Group, Windows, fetch_group, mark_bytes, put_group, set_windows

cdef extern from "simd.h" nogil:
    const Py_ssize_t PTRDIFF_MAX
    void* scratch(size_t bytes)
    void free_scratch(void* start)

cdef extern from "assign.h" nogil:
    ctypedef struct assignment:
        Call head
        int how
        int axes
        Py_ssize_t item
        Py_ssize_t shape[6]
        Py_ssize_t source[6]
        Py_ssize_t target[6]
    void assign_run(Call* job)

cdef extern from "upsampling.h" nogil:
    """
    #define UPSAMPLING_PROVIDER
    #include <stdio.h>

    static __thread char error_text[512];

    /* Say what was wrong with a call, in words with up to two numbers; BAD_ARGUMENT. */
    static int refuse(const char *text, int first, int second) {
        snprintf(error_text, sizeof error_text, text, first, second);
        return 3;
    }
    """
    ctypedef struct upsampling_api:
        int abi
        size_t size
        const char* (*status_message)(int) noexcept nogil
        void* max_unpool
        void* max_unpool_backward
        const char* (*last_error)() noexcept nogil
        void* plan_conv_transpose
        void* plan_max_pool
        void* plan_max_unpool
        void* plan_interpolate
        void* plan_resize
        void* plan_pixel_shuffle
        void* free_plan
        void* plan_shape
        void* scratch_size
        void* execute
        void* execute_plain
    ctypedef struct upsampling_conv_transpose:
        pass
    ctypedef struct upsampling_max_pool:
        pass
    ctypedef struct upsampling_max_unpool:
        pass
    ctypedef struct upsampling_interpolate:
        pass
    ctypedef struct upsampling_resize:
        pass
    ctypedef struct upsampling_pixel_shuffle:
        pass
    const int UPSAMPLING_ABI
    char error_text[512]
    int refuse(const char* text, int first, int second)

include "program.pyx"
include "problems.pyx"


cdef const char* status_message(int status) noexcept nogil:
    """What a status says, in words."""
    if status == STATUS_OK:
        return b"success"
    if status == STATUS_BAD_INDEX:
        return b"an index is not from 0 to plane_size - 1; nothing was written"
    if status == STATUS_NO_MEMORY:
        return b"there is no memory for scratch; nothing was written"
    if status == STATUS_BAD_ARGUMENT:
        return b"a size, a pointer or a parameter is wrong, and last_error() says what; nothing was written"
    if status == STATUS_CANCELLED:
        return b"the caller's flag ended the execution; what was to be written is undefined"
    return b"unknown status"


cdef const char* last_error() noexcept nogil:
    """What was wrong with this thread's last call that returned STATUS_BAD_ARGUMENT."""
    return error_text


cdef int checked(
    const void* x, const long long* indices, void* y, Py_ssize_t planes, Py_ssize_t count, Py_ssize_t plane_size,
    Py_ssize_t item_size, int num_threads,
) noexcept nogil:
    """STATUS_OK where sizes, pointers and all positions are right."""
    cdef Py_ssize_t largest = (<Py_ssize_t>1) << (8 * sizeof(Py_ssize_t) - 2), i
    if planes < 0 or count < 0 or plane_size < 0 or item_size < 1 or num_threads < 1:
        return refuse(b"a size is negative, or item_size or num_threads is below 1", 0, 0)
    if planes == 0:
        return STATUS_OK
    if max(count, plane_size) > largest // item_size // planes:
        return refuse(b"a size is too large", 0, 0)
    if (x == NULL and count > 0) or (indices == NULL and count > 0) or (y == NULL and plane_size > 0):
        return refuse(b"a pointer is NULL", 0, 0)
    for i in range(planes * count):
        if indices[i] < 0 or indices[i] >= plane_size:
            return STATUS_BAD_INDEX
    return STATUS_OK


cdef Group contiguous(Py_ssize_t count, Py_ssize_t plane_size, Py_ssize_t item_size) noexcept nogil:
    """One plane."""
    cdef Group group
    group.channels, group.count, group.plane = 1, count, plane_size
    group.x, group.x_channel, group.at, group.at_channel = item_size, 0, sizeof(long long), 0
    group.y, group.y_channel = item_size, 0
    group.all = plane_size
    return group


cdef int max_unpool(
    const void* values, const long long* indices, void* out, Py_ssize_t planes, Py_ssize_t count, Py_ssize_t plane_size,
    Py_ssize_t item_size, int num_threads,
) noexcept nogil:
    """out (planes, plane_size) = 0, then out[indices[i]] = values[i]; values and indices are (planes, count)."""
    cdef int status = checked(values, indices, out, planes, count, plane_size, item_size, num_threads), threads
    cdef Group group = contiguous(count, plane_size, item_size)
    cdef Py_ssize_t p
    if status != STATUS_OK:
        return status
    group.all = planes * plane_size
    threads = enter(num_threads)
    for p in prange(planes, num_threads=threads, schedule="static"):
        put_group(
            &group, <const char*>values + p * count * item_size, <const char*>(indices + p * count),
            <char*>out + p * plane_size * item_size, 0, plane_size, item_size,
        )
    leave(threads)
    return STATUS_OK


cdef int max_unpool_backward(
    const void* grad_output, const long long* indices, void* grad_input, Py_ssize_t planes, Py_ssize_t count,
    Py_ssize_t plane_size, Py_ssize_t item_size, int num_threads,
) noexcept nogil:
    """grad_input[i] = grad_output[indices[i]] for the last i of each index, else 0; grad_input is (planes, count)."""
    cdef int status = checked(grad_output, indices, grad_input, planes, count, plane_size, item_size, num_threads)
    cdef Group group = contiguous(count, plane_size, item_size)
    cdef Windows windows
    cdef Py_ssize_t* counts = [1, 1, count]
    cdef char* marks
    cdef Py_ssize_t p, each
    cdef int threads
    if status != STATUS_OK or planes == 0 or count == 0:
        return status
    if plane_size > PTRDIFF_MAX // 16 // num_threads:
        return STATUS_NO_MEMORY
    group.all = planes * plane_size
    set_windows(&windows, counts, NULL, 1)
    each = (mark_bytes(&group) + 63) // 64 * 64
    threads = enter(num_threads)
    marks = <char*>scratch(each * threads)
    if marks != NULL:
        for p in prange(planes, num_threads=threads, schedule="static"):
            fetch_group(
                &group, &windows, <const char*>grad_output + p * plane_size * item_size,
                <const char*>(indices + p * count), <char*>grad_input + p * count * item_size,
                marks + threadid() * each, item_size,
            )
    leave(threads)
    if marks == NULL:
        return STATUS_NO_MEMORY
    free_scratch(marks)
    return STATUS_OK


cdef upsampling_api _table
_table.abi = UPSAMPLING_ABI
_table.size = sizeof(upsampling_api)
_table.status_message = status_message
_table.max_unpool = <void*>max_unpool
_table.max_unpool_backward = <void*>max_unpool_backward
_table.last_error = last_error
_table.plan_conv_transpose = <void*>plan_conv_transpose
_table.plan_max_pool = <void*>plan_max_pool
_table.plan_max_unpool = <void*>plan_max_unpool
_table.plan_interpolate = <void*>plan_interpolate
_table.plan_resize = <void*>plan_resize
_table.plan_pixel_shuffle = <void*>plan_pixel_shuffle
_table.free_plan = <void*>free_plan
_table.plan_shape = <void*>plan_shape
_table.scratch_size = <void*>scratch_size
_table.execute = <void*>execute
_table.execute_plain = <void*>execute_plain

_C_API = PyCapsule_New(&_table, "upsampling.kernels._C_API", NULL)

#: Where functions with plain signatures lie, for ctypes, cffi and Numba; int is C's int, size is size_t:
#: execute_plain(plan, first, second, third, fourth, scratch, size bytes) -> int, all others pointers;
#: execute(plan, arrays, int count, scratch, size bytes, cancel) -> int; status_message(int) -> char*.
addresses = {
    "status_message": <size_t>status_message,
    "last_error": <size_t>last_error,
    "execute": <size_t>execute,
    "execute_plain": <size_t>execute_plain,
    "max_unpool": <size_t>max_unpool,
    "max_unpool_backward": <size_t>max_unpool_backward,
}
