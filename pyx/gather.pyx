# Nearest copies: each output pixel is one input pixel.
#
# src, dst: bytes of (planes, D, H, W) arrays in C order of items of `size` bytes (a channels-last pixel is one item).
# An axis has source indices, or keeps its size (None). A task owns one (plane, depth) and a band of rows of dst.
# A row whose source is that of the row before it in its band is copied from there.

from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.string cimport memcpy


cdef inline void items(char* to, const char* src, const int64_t* index, Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        memcpy(to + i * size, src + index[i] * size, size)


cdef void row(char* to, const char* src, const int64_t* index, Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    """Copy n items; the sizes of one pixel in common types have loops of their own."""
    if index == NULL:
        memcpy(to, src, n * size)
    elif size == 1:
        items(to, src, index, n, 1)
    elif size == 2:
        items(to, src, index, n, 2)
    elif size == 3:
        items(to, src, index, n, 3)
    elif size == 4:
        items(to, src, index, n, 4)
    elif size == 8:
        items(to, src, index, n, 8)
    elif size == 12:
        items(to, src, index, n, 12)
    elif size == 16:
        items(to, src, index, n, 16)
    else:
        items(to, src, index, n, size)


cdef inline Py_ssize_t at(const int64_t* index, Py_ssize_t o) noexcept nogil:
    return o if index == NULL else index[o]


cdef void rows(
    const char* src, char* dst, const int64_t* height, const int64_t* width, Py_ssize_t first, Py_ssize_t end,
    Py_ssize_t width_in, Py_ssize_t width_out, Py_ssize_t size
) noexcept nogil:
    """Copy rows first .. end - 1 of a plane."""
    cdef Py_ssize_t o
    cdef char* to
    for o in range(first, end):
        to = dst + o * width_out * size
        if o > first and at(height, o) == at(height, o - 1):
            memcpy(to, to - width_out * size, width_out * size)
        else:
            row(to, src + at(height, o) * width_in * size, width, width_out, size)


def gather(
    const unsigned char[::1] src, unsigned char[::1] dst, Py_ssize_t planes, tuple sizes, Py_ssize_t size,
    const int64_t[::1] depth, const int64_t[::1] height, const int64_t[::1] width, Py_ssize_t band, int num_threads
):
    """Copy items by index; `sizes` are three pairs (size in, size out), `band` the number of rows of a task."""
    cdef Py_ssize_t depth_in, depth_out, height_in, height_out, width_in, width_out
    cdef Py_ssize_t task, bands, plane, d, first
    cdef const int64_t* depths = NULL
    cdef const int64_t* heights = NULL
    cdef const int64_t* widths = NULL
    cdef const char* from_ = <const char*>&src[0]
    cdef char* to = <char*>&dst[0]
    (depth_in, depth_out), (height_in, height_out), (width_in, width_out) = sizes
    if depth is not None:
        depths = &depth[0]
    if height is not None:
        heights = &height[0]
    if width is not None:
        widths = &width[0]
    bands = (height_out + band - 1) // band
    for task in prange(planes * depth_out * bands, nogil=True, num_threads=num_threads, schedule="static"):
        plane = task // bands // depth_out
        d = at(depths, task // bands % depth_out)
        first = task % bands * band
        rows(
            from_ + (plane * depth_in + d) * height_in * width_in * size,
            to + task // bands * height_out * width_out * size,
            heights, widths, first, min(first + band, height_out), width_in, width_out, size,
        )
