# Nearest copies: each output pixel is one input pixel.
#
# src, dst: bytes of (planes, D, H, W) arrays in C order of items of `size` bytes (a channels-last pixel is one item).
# An axis has source indices, or keeps its size (None). A task owns one (plane, depth) and a band of rows of dst.
# A row whose source is that of the row before it in its band is copied from there.

from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from upsampling._kernels.calls cimport Call, keep, perform, stopped


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


# A call; its arrays are src and dst.
cdef struct Job:
    Call call
    Py_ssize_t planes
    Py_ssize_t size_in[3]
    Py_ssize_t size_out[3]
    const int64_t* index[3]
    Py_ssize_t size
    Py_ssize_t band


cdef void run(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Py_ssize_t height = job.size_out[1], bands = (height + job.band - 1) // job.band, task, plane, d, first
    for task in prange(job.planes * job.size_out[0] * bands, num_threads=call.threads, schedule="static"):
        plane = task // bands // job.size_out[0]
        d = at(job.index[0], task // bands % job.size_out[0])
        first = task % bands * job.band
        if not stopped(call):
            rows(
                <const char*>call.array[0]
                + (plane * job.size_in[0] + d) * job.size_in[1] * job.size_in[2] * job.size,
                <char*>call.array[1] + task // bands * height * job.size_out[2] * job.size,
                job.index[1], job.index[2], first, min(first + job.band, height), job.size_in[2], job.size_out[2],
                job.size,
            )


def gather(
    const unsigned char[::1] src, unsigned char[::1] dst, Py_ssize_t planes, tuple sizes, Py_ssize_t size,
    const int64_t[::1] depth, const int64_t[::1] height, const int64_t[::1] width, Py_ssize_t band, int num_threads
):
    """Copy items by index; `sizes` are three pairs (size in, size out), `band` the number of rows of a task."""
    cdef Job job
    cdef int i
    job.call.array[0] = <void*>&src[0]
    job.call.array[1] = <void*>&dst[0]
    job.call.read = job.call.written = 1
    job.call.threads = num_threads
    job.call.shared = job.call.each = 0
    job.planes = planes
    for i in range(3):
        job.size_in[i], job.size_out[i] = sizes[i]
    job.index[0] = &depth[0] if depth is not None else NULL
    job.index[1] = &height[0] if height is not None else NULL
    job.index[2] = &width[0] if width is not None else NULL
    job.size = size
    job.band = band
    if perform(&job.call, sizeof(job), run):
        keep((depth, height, width))
