"""Weighted sums along one axis of an array: each pass of a separable resampling.

src is (outer, n, inner), dst (outer, m, inner), contiguous; output o is the sum over t < count[o] of weights[o, t] times
source row start[o] + t. A task is one output row of `inner` elements, so each has one writer; taps are added in order.
"""

from cython.parallel cimport prange

cdef extern from "simd.h" nogil:
    ctypedef float real


cdef inline void blend(
    const real* src, const real* weights, Py_ssize_t count, Py_ssize_t inner, real* dst
) noexcept nogil:
    cdef Py_ssize_t t, i
    for i in range(inner):
        dst[i] = weights[0] * src[i]
    for t in range(1, count):
        for i in range(inner):
            dst[i] = dst[i] + weights[t] * src[t * inner + i]


def resample(
    const real[:, :, ::1] src, real[:, :, ::1] dst, const Py_ssize_t[::1] start, const Py_ssize_t[::1] count,
    const real[:, ::1] weights, int num_threads,
):
    """Write dst, all of whose rows have at least one tap."""
    cdef Py_ssize_t m = dst.shape[1], task, k, o
    for task in prange(dst.shape[0] * m, nogil=True, num_threads=num_threads, schedule="static"):
        k = task // m
        o = task % m
        if count[o] > 0:
            blend(&src[k, start[o], 0], &weights[o, 0], count[o], dst.shape[2], &dst[k, o, 0])
