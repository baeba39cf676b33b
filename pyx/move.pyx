"""Items put at positions of a plane, and fetched from there: every dtype, moved by its size in bytes.

values are (N, C, L) and planes (N, C, P) items, both with a last axis that holds an item's bytes; positions are
(N, C, L) and checked. A task is one plane, so each element has one writer; where a position stands twice the last in
row-major order wins.
"""

from cython cimport view
from cython.parallel cimport prange
from plane cimport fetch_plane, position, put_plane

ctypedef const unsigned char[:, :, :, ::view.contiguous] items
ctypedef unsigned char[:, :, :, ::view.contiguous] writable_items


def put(items x, const position[:, :, :] at, writable_items y, int num_threads):
    """Clear y, then write each item of x at its position."""
    cdef Py_ssize_t C = x.shape[1], task
    for task in prange(x.shape[0] * C, nogil=True, num_threads=num_threads, schedule="static"):
        put_plane(
            <const char*>&x[task // C, task % C, 0, 0], x.strides[2],
            <const char*>&at[task // C, task % C, 0], at.strides[2], x.shape[2],
            <char*>&y[task // C, task % C, 0, 0], y.strides[2], y.shape[2], x.shape[3],
        )


def fetch(items g, const position[:, :, :] at, writable_items y, int num_threads):
    """The adjoint of put: each item of y from its position in g, but zero where a later one has the same position."""
    cdef Py_ssize_t C = y.shape[1], task
    cdef int failed = 0
    for task in prange(y.shape[0] * C, nogil=True, num_threads=num_threads, schedule="static"):
        failed |= fetch_plane(
            <const char*>&g[task // C, task % C, 0, 0], g.strides[2], g.shape[2],
            <const char*>&at[task // C, task % C, 0], at.strides[2], y.shape[2],
            <char*>&y[task // C, task % C, 0, 0], y.strides[2], y.shape[3],
        )
    if failed:
        raise MemoryError("no memory for a plane's marks")
