"""Loops over the items of one plane, for every dtype by its size in bytes; see move.pyx."""

from libc.string cimport memcpy, memset

ctypedef long long position


cdef inline bint inside(position where, Py_ssize_t plane) noexcept nogil:
    """Whether a position lies in its plane. All were checked before, but another thread may write to their array."""
    return <unsigned long long>where < <unsigned long long>plane


cdef inline void put_items(
    const char* x, Py_ssize_t xs, const char* at, Py_ssize_t ats, Py_ssize_t count,
    char* y, Py_ssize_t ys, Py_ssize_t plane, size_t size,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef position where
    for i in range(count):
        where = (<const position*>(at + i * ats))[0]
        if inside(where, plane):
            memcpy(y + where * ys, x + i * xs, size)


cdef inline void put_plane(
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
        put_items(x, xs, at, ats, count, y, ys, plane, 1)
    elif size == 2:
        put_items(x, xs, at, ats, count, y, ys, plane, 2)
    elif size == 4:
        put_items(x, xs, at, ats, count, y, ys, plane, 4)
    elif size == 8:
        put_items(x, xs, at, ats, count, y, ys, plane, 8)
    elif size == 16:
        put_items(x, xs, at, ats, count, y, ys, plane, 16)
    else:
        put_items(x, xs, at, ats, count, y, ys, plane, size)


cdef inline void fetch_plane(
    const char* g, Py_ssize_t gs, Py_ssize_t plane, const char* at, Py_ssize_t ats, Py_ssize_t count,
    char* y, Py_ssize_t ys, size_t size, char* taken,
) noexcept nogil:
    """y[i] = g[at[i]] for the last i of each position, zero for the others; `taken` has room for `plane` marks."""
    cdef Py_ssize_t i
    cdef position where
    memset(taken, 0, plane)
    for i in range(count - 1, -1, -1):
        where = (<const position*>(at + i * ats))[0]
        if not inside(where, plane) or taken[where]:
            memset(y + i * ys, 0, size)
        else:
            taken[where] = 1
            memcpy(y + i * ys, g + where * gs, size)
