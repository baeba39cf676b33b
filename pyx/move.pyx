"""Items put at positions of a plane, and fetched from there: every dtype, moved by its size in bytes.

values are (N, C, L) and planes (N, C, P) items, both with a last axis that holds an item's bytes; positions are
(N, C, L) and checked. A task is one plane, so each element has one writer; where a position stands twice the last in
row-major order wins.
"""

from cython cimport view
from cython.parallel cimport prange
from upsampling._kernels.calls cimport Call, call_scratch, perform, stopped
from plane cimport fetch_plane, inside, position, put_plane

ctypedef const unsigned char[:, :, :, ::view.contiguous] items
ctypedef unsigned char[:, :, :, ::view.contiguous] writable_items


# A call; its arrays are values (or gradients), positions, and the result. Strides are those of images, channels and
# items, in bytes.
cdef struct Job:
    Call call
    Py_ssize_t images
    Py_ssize_t channels
    Py_ssize_t count  # positions of a plane
    Py_ssize_t plane
    Py_ssize_t size  # of an item
    Py_ssize_t xs[3]
    Py_ssize_t ats[3]
    Py_ssize_t ys[3]


cdef inline char* of_plane(void* array, const Py_ssize_t* strides, Py_ssize_t channels, Py_ssize_t task) noexcept nogil:
    return <char*>array + task // channels * strides[0] + task % channels * strides[1]


cdef void run_put(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Py_ssize_t C = job.channels, task
    for task in prange(job.images * C, num_threads=call.threads, schedule="static"):
        if not stopped(call):
            put_plane(
                of_plane(call.array[0], job.xs, C, task), job.xs[2],
                of_plane(call.array[1], job.ats, C, task), job.ats[2], job.count,
                of_plane(call.array[2], job.ys, C, task), job.ys[2], job.plane, job.size,
            )


cdef void run_fetch(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Py_ssize_t C = job.channels, task
    for task in prange(job.images * C, num_threads=call.threads, schedule="static"):
        if not stopped(call):
            fetch_plane(
                of_plane(call.array[0], job.xs, C, task), job.xs[2], job.plane,
                of_plane(call.array[1], job.ats, C, task), job.ats[2], job.count,
                of_plane(call.array[2], job.ys, C, task), job.ys[2], job.size, call_scratch(call),
            )


cdef void set_job(Job* job, items x, const position[:, :, :] at, items y, Py_ssize_t plane, int num_threads):
    cdef int i
    job.call.array[0] = <void*>&x[0, 0, 0, 0]
    job.call.array[1] = <void*>&at[0, 0, 0]
    job.call.array[2] = <void*>&y[0, 0, 0, 0]
    job.call.read = 2
    job.call.written = 1
    job.call.threads = num_threads
    job.call.shared = job.call.each = 0
    job.images, job.channels, job.count = at.shape[0], at.shape[1], at.shape[2]
    job.plane = plane
    job.size = x.shape[3]
    for i in range(3):
        job.xs[i], job.ats[i], job.ys[i] = x.strides[i], at.strides[i], y.strides[i]


# A call; its array is the positions.
cdef struct CheckJob:
    Call call
    Py_ssize_t images
    Py_ssize_t channels
    Py_ssize_t count
    Py_ssize_t ats[3]
    Py_ssize_t plane


cdef void run_check(Call* call) noexcept nogil:
    cdef CheckJob* job = <CheckJob*>call
    cdef Py_ssize_t C = job.channels, task
    cdef int found = 0
    for task in prange(job.images * C, num_threads=call.threads, schedule="static"):
        if not stopped(call):
            found |= some_outside(of_plane(call.array[0], job.ats, C, task), job.ats[2], job.count, job.plane)
    call.again = found


cdef int some_outside(const char* at, Py_ssize_t ats, Py_ssize_t count, Py_ssize_t plane) noexcept nogil:
    cdef Py_ssize_t i
    cdef int found = 0
    for i in range(count):
        found |= not inside((<const position*>(at + i * ats))[0], plane)
    return found


def outside(const position[:, :, :] at, Py_ssize_t plane, int num_threads):
    """Whether some position is none in a plane of so many items."""
    cdef CheckJob job
    cdef int i
    job.call.array[0] = <void*>&at[0, 0, 0]
    job.call.read = 1
    job.call.written = 0
    job.call.threads = num_threads
    job.call.shared = job.call.each = 0
    job.images, job.channels, job.count, job.plane = at.shape[0], at.shape[1], at.shape[2], plane
    for i in range(3):
        job.ats[i] = at.strides[i]
    perform(&job.call, sizeof(job), run_check)
    return bool(job.call.again)


def put(items x, const position[:, :, :] at, writable_items y, int num_threads):
    """Clear y, then write each item of x at its position."""
    cdef Job job
    set_job(&job, x, at, y, y.shape[2], num_threads)
    perform(&job.call, sizeof(job), run_put)


def fetch(items g, const position[:, :, :] at, writable_items y, int num_threads):
    """The adjoint of put: each item of y from its position in g, but zero where a later one has the same position."""
    cdef Job job
    set_job(&job, g, at, y, g.shape[2], num_threads)
    job.call.each = (g.shape[2] + 63) // 64 * 64
    perform(&job.call, sizeof(job), run_fetch)
