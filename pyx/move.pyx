"""Items put at positions of a plane, and fetched from there: every dtype, moved by its size in bytes.

values are (N, C, L) and planes (N, C, P) items, both with a last axis that holds an item's bytes; positions are
(N, C, L) and checked. A task is one plane, so each element has one writer; where a position stands twice the last in
row-major order wins.
"""

from cython cimport view
from cython.parallel cimport prange
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

cdef extern from "simd.h" nogil:
    void* scratch(size_t bytes)

ctypedef long long position
ctypedef const unsigned char[:, :, :, ::view.contiguous] items
ctypedef unsigned char[:, :, :, ::view.contiguous] writable_items


cdef inline void put_items(
    const char* x, Py_ssize_t xs, const char* at, Py_ssize_t ats, Py_ssize_t count, char* y, Py_ssize_t ys, size_t size
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        memcpy(y + (<const position*>(at + i * ats))[0] * ys, x + i * xs, size)


cdef void put_plane(
    const char* x, Py_ssize_t xs, const char* at, Py_ssize_t ats, Py_ssize_t count,
    char* y, Py_ssize_t ys, Py_ssize_t plane, size_t size,
) noexcept nogil:
    cdef Py_ssize_t i
    if ys == <Py_ssize_t>size:
        memset(y, 0, plane * size)
    else:
        for i in range(plane):
            memset(y + i * ys, 0, size)
    # The sizes are constants in each branch, so that each copy is one move.
    if size == 1:
        put_items(x, xs, at, ats, count, y, ys, 1)
    elif size == 2:
        put_items(x, xs, at, ats, count, y, ys, 2)
    elif size == 4:
        put_items(x, xs, at, ats, count, y, ys, 4)
    elif size == 8:
        put_items(x, xs, at, ats, count, y, ys, 8)
    elif size == 16:
        put_items(x, xs, at, ats, count, y, ys, 16)
    else:
        put_items(x, xs, at, ats, count, y, ys, size)


def put(items x, const position[:, :, :] at, writable_items y, int num_threads):
    """Clear y, then write each item of x at its position."""
    cdef Py_ssize_t C = x.shape[1], task
    for task in prange(x.shape[0] * C, nogil=True, num_threads=num_threads, schedule="static"):
        put_plane(
            <const char*>&x[task // C, task % C, 0, 0], x.strides[2],
            <const char*>&at[task // C, task % C, 0], at.strides[2], x.shape[2],
            <char*>&y[task // C, task % C, 0, 0], y.strides[2], y.shape[2], x.shape[3],
        )


cdef int fetch_plane(
    const char* g, Py_ssize_t gs, Py_ssize_t plane, const char* at, Py_ssize_t ats, Py_ssize_t count,
    char* y, Py_ssize_t ys, size_t size,
) noexcept nogil:
    """y[i] = g[at[i]] for the last i of each position, zero for the others; 1 where there is no memory."""
    cdef char* taken = <char*>scratch(plane)
    cdef Py_ssize_t i
    cdef position where
    if taken == NULL:
        return 1
    memset(taken, 0, plane)
    for i in range(count - 1, -1, -1):
        where = (<const position*>(at + i * ats))[0]
        if taken[where]:
            memset(y + i * ys, 0, size)
        else:
            taken[where] = 1
            memcpy(y + i * ys, g + where * gs, size)
    free(taken)
    return 0


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
