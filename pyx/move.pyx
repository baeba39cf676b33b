"""Items put at positions of a plane, and fetched from there: every dtype, moved by its size in bytes.

values are (N, C, L) and planes (N, C, P) items, both with a last axis that holds an item's bytes; positions are
(N, C, L). They are checked before items are put, and while items are fetched. A task is one plane or, of channels-last
arrays, the interleaved planes of an image; where these are few, a band of their positions, for which all values are
looked at. So each element has one writer, and where a position stands twice the last in row-major order wins.
"""

from cython cimport view
from cython.parallel cimport prange
from upsampling._kernels.calls cimport Call, call_scratch, perform, stopped
from plane cimport (
    Group, Groups, Part, Windows, fetch_group, fetch_items, fetch_rows, group_of, groups_of, inside, mark_bytes,
    mark_items, part_of, position, put_group, set_windows, some_outside, tasks_of,
)

ctypedef const unsigned char[:, :, :, ::view.contiguous] items
ctypedef unsigned char[:, :, :, ::view.contiguous] writable_items


# A call; its arrays are values (or gradients), positions, and the result. Strides are those of images and channels, in
# bytes.
cdef struct Job:
    Call call
    Group group
    Groups groups
    Py_ssize_t sizes[6]  # of the planes of values that are fetched, and of those that they are fetched from
    Py_ssize_t size  # of an item
    Py_ssize_t ss[2]  # of the source
    Py_ssize_t ats[2]
    Py_ssize_t ts[2]  # of the target


cdef inline char* of_plane(void* array, const Py_ssize_t* strides, Py_ssize_t n, Py_ssize_t c) noexcept nogil:
    return <char*>array + n * strides[0] + c * strides[1]


cdef void put_part(Job* job, Py_ssize_t task) noexcept nogil:
    """One group, or a band of it."""
    cdef Part part = part_of(&job.groups, task)
    if not stopped(&job.call):
        put_group(
            &job.group, of_plane(job.call.array[0], job.ss, part.n, part.c),
            of_plane(job.call.array[1], job.ats, part.n, part.c), of_plane(job.call.array[2], job.ts, part.n, part.c),
            part.first, part.end, job.size,
        )


cdef void run_put(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Py_ssize_t task
    if call.threads == 1:  # past OpenMP, which takes 0.25 us to run one thread: as long as a tiny call
        for task in range(tasks_of(&job.groups)):
            put_part(job, task)
        return
    for task in prange(tasks_of(&job.groups), num_threads=call.threads, schedule="static"):
        put_part(job, task)


cdef inline Py_ssize_t room_of_windows() noexcept nogil:
    """What a call that fetches has of its scratch before all else."""
    return (sizeof(Windows) + 63) // 64 * 64


cdef void run_fetch(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Py_ssize_t group
    cdef int found = 0
    set_windows(<Windows*>call.scratch, job.sizes, job.sizes + 3, job.group.channels)
    if job.groups.bands > 1:
        for group in range(tasks_of(&job.groups) // job.groups.bands):
            found |= fetch_together(job, group)
    elif call.threads == 1:
        for group in range(tasks_of(&job.groups)):
            if not stopped(call):
                found |= fetch_alone(job, group, call_scratch(call))
    else:
        for group in prange(tasks_of(&job.groups), num_threads=call.threads, schedule="static"):
            if not stopped(call):
                found |= fetch_alone(job, group, call_scratch(call))
    call.again = found


cdef int fetch_alone(const Job* job, Py_ssize_t group, char* room) noexcept nogil:
    """One group, by one thread; whether a position is outside."""
    cdef Part part = part_of(&job.groups, group)
    return fetch_group(
        &job.group, <const Windows*>job.call.scratch, of_plane(job.call.array[0], job.ss, part.n, part.c),
        of_plane(job.call.array[1], job.ats, part.n, part.c), of_plane(job.call.array[2], job.ts, part.n, part.c),
        room, job.size,
    )


cdef bint fetch_windows_together(Job* job, const char* y, const char* at, char* x) noexcept nogil:
    """One group by all threads, each some rows of windows; whether that is right: all positions lie in their own."""
    cdef Call* call = &job.call
    cdef const Windows* windows = <const Windows*>call.scratch
    cdef Py_ssize_t bands = job.groups.bands, rows = windows.deep * windows.high, task
    cdef int missed = 0
    for task in prange(bands, num_threads=call.threads, schedule="static"):
        if not stopped(call):
            missed |= not fetch_rows(
                &job.group, windows, task * rows // bands, (task + 1) * rows // bands, y, at, x, job.size
            )
    return not missed


cdef int fetch_together(Job* job, Py_ssize_t group) noexcept nogil:
    """One group by all threads: marks by bands of positions; when all are made, items by their number."""
    cdef int found = 0
    cdef Call* call = &job.call
    cdef Py_ssize_t bands = job.groups.bands, count = job.group.count, items = (count + bands - 1) // bands, task
    cdef Part part = part_of(&job.groups, group * bands)
    cdef char* at = of_plane(call.array[1], job.ats, part.n, part.c)
    cdef char* y = of_plane(call.array[0], job.ss, part.n, part.c)
    cdef char* x = of_plane(call.array[2], job.ts, part.n, part.c)
    cdef char* marks = call.scratch + room_of_windows()
    if fetch_windows_together(job, y, at, x):
        return 0
    for task in prange(bands, num_threads=call.threads, schedule="static"):
        if not stopped(call):
            part = part_of(&job.groups, group * bands + task)
            mark_items(&job.group, y, at, marks, part.first, part.end)
    for task in prange(bands, num_threads=call.threads, schedule="static"):
        if not stopped(call):
            found |= fetch_items(
                &job.group, y, at, x, marks, min(task * items, count), min((task + 1) * items, count), job.size,
            )
    return found


cdef void set_job(Job* job, items source, const position[:, :, :] at, items target, Py_ssize_t plane, bint last,
                  int num_threads):
    cdef int i
    job.call.array[0] = <void*>&source[0, 0, 0, 0]
    job.call.array[1] = <void*>&at[0, 0, 0]
    job.call.array[2] = <void*>&target[0, 0, 0, 0]
    job.call.read = 2
    job.call.written = 1
    job.call.threads = num_threads
    job.call.shared = job.call.each = 0
    job.size = source.shape[3]
    job.groups = groups_of(at.shape[0], at.shape[1], plane, last, num_threads)
    for i in range(2):
        job.ss[i], job.ats[i], job.ts[i] = source.strides[i], at.strides[i], target.strides[i]


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
            found |= any_outside(
                of_plane(call.array[0], job.ats, task // C, task % C), job.ats[2], job.count, job.plane
            )
    call.again = found


cdef int any_outside(const char* at, Py_ssize_t ats, Py_ssize_t count, Py_ssize_t plane) noexcept nogil:
    cdef Py_ssize_t i
    if ats == sizeof(position):
        return some_outside(<const position*>at, count, plane)
    for i in range(count):
        if not inside((<const position*>(at + i * ats))[0], plane):
            return True
    return False


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
    set_job(&job, x, at, y, y.shape[2], y.strides[1] < y.strides[2], num_threads)
    job.group = group_of(&job.groups, at.shape[2], y.shape[2], x.strides, at.strides, y.strides)
    perform(&job.call, sizeof(job), run_put)


def fetch(
    items y, const position[:, :, :] at, writable_items x, const Py_ssize_t[::1] sizes, int num_threads,
):
    """The adjoint of put: each item of x from its position in y, but zero where a later one has the same position.

    sizes are those of x's planes on three axes, and of y's. Whether some position is none in its plane: then x is not
    to be used.
    """
    cdef Job job
    cdef Py_ssize_t room
    cdef int i
    set_job(&job, y, at, x, y.shape[2], y.strides[1] < y.strides[2], num_threads)
    job.group = group_of(&job.groups, at.shape[2], y.shape[2], x.strides, at.strides, y.strides)
    for i in range(6):
        job.sizes[i] = sizes[i]
    room = (mark_bytes(&job.group) + 63) // 64 * 64
    job.call.shared = room_of_windows() + (room if job.groups.bands > 1 else 0)
    job.call.each = 0 if job.groups.bands > 1 else room
    perform(&job.call, sizeof(job), run_fetch)
    return bool(job.call.again)
