"""Sums of ranges of pixels, which were summed apart so that threads share them, added in order."""

from cython.parallel cimport prange
from libc.string cimport memcpy

from upsampling._kernels.calls cimport Call, stopped
from runs cimport count_of, real

cdef enum:
    CHUNK = 1 << 12  # sums that a thread adds at a time


cdef inline void add_range(
    Py_ssize_t ranges, Py_ssize_t size, const real* sums, Py_ssize_t first, real* y
) noexcept nogil:
    """Add the sums of the ranges, in order, for CHUNK numbers of y from `first` on."""
    cdef Py_ssize_t r, i, last = min(first + CHUNK, size)
    memcpy(y + first, sums + first, (last - first) * sizeof(real))
    for r in range(1, ranges):
        for i in range(first, last):
            y[i] += sums[r * size + i]


cdef inline void add_ranges(Call* call, Py_ssize_t ranges, Py_ssize_t size) noexcept nogil:
    """Add the sums of the ranges, if there are several."""
    cdef Py_ssize_t i
    if ranges > 1:
        for i in prange(count_of(size, CHUNK), num_threads=call.threads, schedule="static"):
            if not stopped(call):
                add_range(ranges, size, <real*>call.scratch, i * CHUNK, <real*>call.array[2])
