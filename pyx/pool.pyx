"""Maxima of windows with their positions, and the sums that carry gradients back.

x is (N, C, D, H, W) and y (N, C, OD, OH, OW), both through their strides; spec holds kernel, stride, padding
and dilation, three numbers each. A task is some rows of windows, for channels-last arrays of several channels; every
output element has one writer.

Vectors are windows of a row where rows are contiguous, channels where those are (maxima.pxd). Small planes are taken
abreast: LANES of them are turned into pixels of so many channels.
"""

from cython.parallel cimport prange
from upsampling._kernels.calls cimport Call, call_scratch, perform, stopped
from maxima cimport (
    LANES, WINDOWS, Pooling, Row, any_row, dense_row, item, pixel_row, row_of, small_offsets,
)
from plane cimport (
    Group, Groups, Part, clear, group_of, groups_of, inside, part_of, position, tasks_of, within
)

cdef enum:
    # Vectors of windows, of which a row of a plane that is taken abreast has less (or less than one: windows of two
    # come in pairs), and most bytes of its task's scratch.
    SHORT_ROW = 2
    ABREAST = 1 << 18
    # Windows of a task, of all its channels together: some tens of microseconds of work.
    ROW_WINDOWS = 16384

# A call; its arrays are x, y and the positions, or NULL. Strides are in bytes.
cdef struct Job:
    Call call
    Py_ssize_t shape[5]  # of y
    Py_ssize_t size[5]  # of x
    Py_ssize_t xs[5]
    Py_ssize_t ys[5]
    Py_ssize_t ats[5]
    Py_ssize_t spec[12]
    bint dense
    bint pixels
    # Elements of a plane of x and of y, where planes are taken abreast, else 0.
    Py_ssize_t plane_in
    Py_ssize_t plane_out


cdef inline char* element_of(
    void* array, const Py_ssize_t* strides, Py_ssize_t n, Py_ssize_t c, Py_ssize_t d, Py_ssize_t h, Py_ssize_t w
) noexcept nogil:
    if array == NULL:
        return NULL
    return <char*>array + n * strides[0] + c * strides[1] + d * strides[2] + h * strides[3] + w * strides[4]


cdef Pooling pooling_of(Job* job) noexcept nogil:
    cdef Pooling pool
    cdef int i
    for i in range(3):
        pool.size[i], pool.stride[i] = job.size[2 + i], job.xs[2 + i]
    pool.end = element_of(
        job.call.array[0], job.xs, job.size[0] - 1, job.size[1] - 1, pool.size[0] - 1, pool.size[1] - 1,
        pool.size[2] - 1,
    ) + sizeof(item)
    pool.kernel, pool.step, pool.pad, pool.dilation = job.spec, job.spec + 3, job.spec + 6, job.spec + 9
    pool.count = job.shape[4]
    pool.low = min(pool.pad[2] // pool.step[2] + (pool.pad[2] % pool.step[2] != 0), pool.count)
    pool.high = 0
    if pool.size[2] + pool.pad[2] >= pool.kernel[2]:
        pool.high = (pool.size[2] - pool.kernel[2] + pool.pad[2]) // pool.step[2] + 1
    return pool


cdef void pool_rows(
    Job* job, const Pooling* pool, Py_ssize_t n, Py_ssize_t c, Py_ssize_t count, Py_ssize_t d, Py_ssize_t first,
    Py_ssize_t end,
) noexcept nogil:
    """Rows first .. end - 1 of a depth of some channels."""
    cdef Py_ssize_t h
    cdef Row row
    cdef char* y
    cdef char* at
    for h in range(first, end):
        if stopped(&job.call):
            break
        row = row_of(pool, element_of(job.call.array[0], job.xs, n, c, 0, 0, 0), d, h)
        y = element_of(job.call.array[1], job.ys, n, c, d, h, 0)
        at = element_of(job.call.array[2], job.ats, n, c, d, h, 0)
        if job.dense:
            dense_row(pool, &row, <item*>y, <position*>at)
        elif job.pixels:
            pixel_row(pool, &row, count, y, job.ys[4], at, job.ats[4])
        else:
            any_row(pool, &row, y, job.ys[4], at, job.ats[4])


cdef Py_ssize_t room_abreast(const Job* job) noexcept nogil:
    """Bytes of a task's pixels: of x, the maxima and their positions."""
    return LANES * (job.plane_in * sizeof(item) + job.plane_out * (sizeof(item) + sizeof(position)))


cdef void do_abreast(Job* job, const Pooling* pool, Py_ssize_t first) noexcept nogil:
    """Up to LANES planes from `first` on; lanes without a plane are computed and not stored."""
    cdef Py_ssize_t planes = min(<Py_ssize_t>LANES, job.shape[0] * job.shape[1] - first), rows = 0, n, i, d, h
    cdef const item* x = <const item*>job.call.array[0] + first * job.plane_in
    cdef item* y = <item*>job.call.array[1] + first * job.plane_out
    cdef item* turned = <item*>call_scratch(&job.call)
    cdef item* made = turned + job.plane_in * LANES
    cdef position* at = NULL if job.call.array[2] == NULL else <position*>job.call.array[2] + first * job.plane_out
    cdef position* found = NULL if at == NULL else <position*>(made + job.plane_out * LANES)
    cdef Pooling pixels = pool[0]
    cdef Row row
    if stopped(&job.call):
        return
    for i in range(job.plane_in):
        for n in range(planes):
            turned[i * LANES + n] = x[n * job.plane_in + i]
    pixels.end = <const char*>made
    for i in range(3):
        pixels.stride[i] *= LANES
    for d in range(job.shape[2]):
        for h in range(job.shape[3]):
            row = row_of(&pixels, <const char*>turned, d, h)
            pixel_row(
                &pixels, &row, LANES, <char*>(made + rows), LANES * sizeof(item),
                NULL if at == NULL else <char*>(found + rows), LANES * sizeof(position),
            )
            rows += job.shape[4] * LANES
    for n in range(planes):
        for i in range(job.plane_out):
            y[n * job.plane_out + i] = made[i * LANES + n]
        for i in range(job.plane_out if at != NULL else 0):
            at[n * job.plane_out + i] = found[i * LANES + n]


cdef void run_abreast(Job* job, const Pooling* pool) noexcept nogil:
    cdef Py_ssize_t tasks = (job.shape[0] * job.shape[1] + LANES - 1) // LANES, task
    if job.call.threads == 1:
        for task in range(tasks):
            do_abreast(job, pool, task * LANES)
        return
    for task in prange(tasks, num_threads=job.call.threads, schedule="static"):
        do_abreast(job, pool, task * LANES)


cdef void run_pool(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Pooling pool = pooling_of(job)
    cdef Py_ssize_t C = job.shape[1], D = job.shape[2], H = job.shape[3], n, c, d, task
    cdef Py_ssize_t width = WINDOWS if job.pixels else 1
    cdef Py_ssize_t blocks = (C + width - 1) // width
    # Tasks are some rows, so that finding a row's beginning costs little beside it, and yet threads end together.
    cdef Py_ssize_t band = max(1, min(H, ROW_WINDOWS // max(1, job.shape[4] * min(C, width))))
    cdef Py_ssize_t bands = (H + band - 1) // band
    if job.plane_in:
        run_abreast(job, &pool)
        return
    if call.threads == 1:  # past OpenMP, which takes 0.25 us to run one thread: as long as a tiny call
        for n in range(job.shape[0]):
            for c in range(blocks):
                for d in range(D):
                    pool_rows(job, &pool, n, c * width, min(C - c * width, width), d, 0, H)
        return
    for task in prange(job.shape[0] * blocks * D * bands, num_threads=call.threads, schedule="static"):
        d = task // bands % D
        c = task // (bands * D) % blocks * width
        n = task // (bands * D * blocks)
        pool_rows(
            job, &pool, n, c, min(C - c, width), d, task % bands * band, min(H, (task % bands + 1) * band)
        )


cdef bint follow_each_other(const Py_ssize_t* shape, const Py_ssize_t* strides, Py_ssize_t size) noexcept nogil:
    """Whether elements lie in C order without gaps; axes of one element lie anywhere."""
    cdef int i
    for i in range(4, -1, -1):
        if shape[i] > 1 and strides[i] != size:
            return False
        size *= shape[i]
    return True


cdef void set_abreast(Job* job) noexcept nogil:
    """Take planes abreast where their rows have too few windows for vectors, and planes are enough to fill these."""
    cdef Py_ssize_t short = LANES if job.spec[2] <= 2 else SHORT_ROW * LANES
    cdef bint small = job.dense and job.shape[4] < short and job.shape[0] * job.shape[1] >= LANES
    job.plane_in = job.size[2] * job.size[3] * job.size[4]
    job.plane_out = job.shape[2] * job.shape[3] * job.shape[4]
    small = small and room_abreast(job) <= ABREAST and follow_each_other(job.size, job.xs, sizeof(item))
    small = small and follow_each_other(job.shape, job.ys, sizeof(item))
    if small and (job.call.array[2] == NULL or follow_each_other(job.shape, job.ats, sizeof(position))):
        job.call.each = (room_abreast(job) + 63) // 64 * 64
    else:
        job.plane_in = 0


def pool(
    const item[:, :, :, :, :] x, const Py_ssize_t[::1] spec, item[:, :, :, :, :] y, position[:, :, :, :, :] at,
    bint with_positions, int num_threads,
):
    """Write the maxima of x's windows to y and, if asked, their flat positions in x's plane to at."""
    cdef Job job
    cdef Pooling windows
    cdef int i
    job.call.array[0] = <void*>&x[0, 0, 0, 0, 0]
    job.call.array[1] = <void*>&y[0, 0, 0, 0, 0]
    job.call.array[2] = <void*>&at[0, 0, 0, 0, 0] if with_positions else NULL
    job.call.read = 1
    job.call.written = 2
    job.call.threads = num_threads
    job.call.shared = job.call.each = 0
    for i in range(12):
        job.spec[i] = spec[i]
    for i in range(5):
        job.shape[i], job.size[i] = y.shape[i], x.shape[i]
        job.xs[i], job.ys[i], job.ats[i] = x.strides[i], y.strides[i], at.strides[i]
    windows = pooling_of(&job)
    job.dense = small_offsets(&windows) and x.strides[4] == sizeof(item) and y.strides[4] == sizeof(item)
    job.dense = job.dense and (not with_positions or at.strides[4] == sizeof(position))
    job.pixels = small_offsets(&windows) and x.strides[1] == sizeof(item) and y.strides[1] == sizeof(item)
    job.pixels = job.pixels and not job.dense and (not with_positions or at.strides[1] == sizeof(position))
    set_abreast(&job)
    perform(&job.call, sizeof(job), run_pool)


cdef inline int add_items(
    const char* g, Py_ssize_t gs, Py_ssize_t gc, const char* at, Py_ssize_t ats, Py_ssize_t ac, Py_ssize_t count,
    Py_ssize_t channels, char* y, Py_ssize_t ys, Py_ssize_t yc, Py_ssize_t first, Py_ssize_t end, Py_ssize_t plane,
) noexcept nogil:
    """Add those that belong to the positions first .. end - 1; whether a position is outside of the plane."""
    cdef Py_ssize_t i, c
    cdef int outside = 0
    cdef position where
    cdef item* p
    for i in range(count):
        for c in range(channels):
            where = (<const position*>(at + i * ats + c * ac))[0]
            if within(where, first, end):
                p = <item*>(y + where * ys + c * yc)
                p[0] = p[0] + (<const item*>(g + i * gs + c * gc))[0]
            elif not inside(where, plane):
                outside = 1
    return outside


cdef int add_group(
    const Group* group, const char* g, const char* at, char* y, Py_ssize_t first, Py_ssize_t end
) noexcept nogil:
    """Clear the positions first .. end - 1 of y and add the items of g that belong there, in order.

    Whether a position is outside of the plane.
    """
    clear(group, y, first, end, sizeof(item))
    if group.channels == 1 and group.x == sizeof(item) and group.at == sizeof(position) and group.y == sizeof(item):
        return add_items(
            g, sizeof(item), 0, at, sizeof(position), 0, group.count, 1, y, sizeof(item), 0, first, end, group.plane
        )
    return add_items(
        g, group.x, group.x_channel, at, group.at, group.at_channel, group.count, group.channels, y, group.y,
        group.y_channel, first, end, group.plane,
    )


# A call; its arrays are g, positions and y. Strides are those of images, channels and elements, in bytes.
cdef struct AddJob:
    Call call
    Group group
    Groups groups
    Py_ssize_t gs[2]
    Py_ssize_t ats[2]
    Py_ssize_t ys[2]


cdef int add_part(AddJob* job, Py_ssize_t task) noexcept nogil:
    """One group, or a band of it; whether a position is outside."""
    cdef Part part = part_of(&job.groups, task)
    if stopped(&job.call):
        return 0
    return add_group(
        &job.group, <char*>job.call.array[0] + part.n * job.gs[0] + part.c * job.gs[1],
        <char*>job.call.array[1] + part.n * job.ats[0] + part.c * job.ats[1],
        <char*>job.call.array[2] + part.n * job.ys[0] + part.c * job.ys[1], part.first, part.end,
    )


cdef void run_add(Call* call) noexcept nogil:
    cdef AddJob* job = <AddJob*>call
    cdef Py_ssize_t task
    cdef int found = 0
    if call.threads == 1:  # past OpenMP, which takes 0.25 us to run one thread: as long as a tiny call
        for task in range(tasks_of(&job.groups)):
            found |= add_part(job, task)
    else:
        for task in prange(tasks_of(&job.groups), num_threads=call.threads, schedule="static"):
            found |= add_part(job, task)
    call.again = found


def add(const item[:, :, :] g, const position[:, :, :] at, item[:, :, :] y, int num_threads):
    """Write to y (N, C, P) the sums of g (N, C, L) at their positions, in row-major order; tasks as in move.pyx.

    Whether some position is none in its plane: then y is not to be used.
    """
    cdef AddJob job
    cdef int i
    job.call.array[0] = <void*>&g[0, 0, 0]
    job.call.array[1] = <void*>&at[0, 0, 0]
    job.call.array[2] = <void*>&y[0, 0, 0]
    job.call.read = 2
    job.call.written = 1
    job.call.threads = num_threads
    job.call.shared = job.call.each = 0
    job.groups = groups_of(at.shape[0], at.shape[1], y.shape[2], y.strides[1] < y.strides[2], num_threads)
    job.group = group_of(&job.groups, at.shape[2], y.shape[2], g.strides, at.strides, y.strides)
    for i in range(2):
        job.gs[i], job.ats[i], job.ys[i] = g.strides[i], at.strides[i], y.strides[i]
    perform(&job.call, sizeof(job), run_add)
    return bool(job.call.again)
