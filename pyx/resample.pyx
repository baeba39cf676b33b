# Separable resampling by tables.
#
# src, dst: bytes of (planes, D, H, W, inner) arrays in C order, of one stored type (a kind of storage.h).
# An axis has a table (start, count, weights) or keeps its size (taps = 0).
# A task owns dst rows: one (plane, depth) and a band of rows, or of rows' column blocks where W is kept.
#
# A row of dst is made of source rows in up to three steps, each computing in `real`:
#   depth   a weighted sum of the rows at the same height of several depths ("across");
#   height  a weighted sum of several heights' rows ("across");
#   width   each pixel a weighted sum of a window of its row's pixels ("along").
# Either width comes before height (rows done are kept in a ring, none is computed twice in a band),
# or after it; the caller chooses by sizes alone.
#
# Every weighted sum, in every loop below, is the chain  w0*x0, then madd(w1, x1, .), madd(w2, x2, .) ...
# so the bits depend on neither layout, nor task, nor vector length.

from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.string cimport memset

from upsampling._kernels.calls cimport Call, call_scratch, keep, perform, stopped

cdef extern from "storage.h" nogil:
    ctypedef float real
    const int STORED_REAL
    real madd(real a, real b, real c)
    void row_load(real* to, const void* from_, Py_ssize_t n, int kind)
    void row_store(void* to, const real* from_, Py_ssize_t n, int kind)

# Rows that one across step reads at a time: as many are converted, or summed over depth, beforehand.
cdef enum:
    CHUNK = 8

cdef struct Axis:
    const int64_t* start
    const int64_t* count
    const real* weights
    Py_ssize_t taps
    Py_ssize_t size_in
    Py_ssize_t size_out
    # Outputs low .. high - 1 have all taps.
    Py_ssize_t low
    Py_ssize_t high

cdef struct Job:
    Call call
    Axis depth
    Axis height
    Axis width
    const char* src
    char* dst
    Py_ssize_t planes
    int kind
    Py_ssize_t item
    Py_ssize_t inner
    bint height_first
    Py_ssize_t band
    Py_ssize_t bands
    Py_ssize_t block
    Py_ssize_t blocks
    # Elements of a whole row, and of the longest part of a row that a task works on.
    Py_ssize_t stride_in
    Py_ssize_t stride_out
    Py_ssize_t row_in
    Py_ssize_t row_out
    Py_ssize_t ring  # in elements, as rows are

cdef struct Part:
    # The part of a plane that a task reads: a depth of dst and columns [column, column + length) of the rows.
    Py_ssize_t plane
    Py_ssize_t depth
    Py_ssize_t column
    Py_ssize_t length
    # Scratch: CHUNK converted rows, CHUNK rows summed over depth, the ring, a row before `along`, a row of dst.
    real* stored
    real* summed
    real* ring
    real* middle
    real* result


cdef inline void sum_1(const real** rows, const real* w, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef const real* a = rows[0]
    cdef real p = w[0]
    for i in range(n):
        out[i] = p * a[i]


cdef inline void sum_2(const real** rows, const real* w, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef const real* a = rows[0]
    cdef const real* b = rows[1]
    cdef real p = w[0]
    cdef real q = w[1]
    for i in range(n):
        out[i] = madd(q, b[i], p * a[i])


cdef inline void sum_4(const real** rows, const real* w, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef const real* a = rows[0]
    cdef const real* b = rows[1]
    cdef const real* c = rows[2]
    cdef const real* d = rows[3]
    cdef real p = w[0]
    cdef real q = w[1]
    cdef real r = w[2]
    cdef real s = w[3]
    for i in range(n):
        out[i] = madd(s, d[i], madd(r, c[i], madd(q, b[i], p * a[i])))


cdef inline void add_1(const real** rows, const real* w, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef const real* a = rows[0]
    cdef real p = w[0]
    for i in range(n):
        out[i] = madd(p, a[i], out[i])


cdef inline void add_4(const real** rows, const real* w, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef const real* a = rows[0]
    cdef const real* b = rows[1]
    cdef const real* c = rows[2]
    cdef const real* d = rows[3]
    cdef real p = w[0]
    cdef real q = w[1]
    cdef real r = w[2]
    cdef real s = w[3]
    for i in range(n):
        out[i] = madd(s, d[i], madd(r, c[i], madd(q, b[i], madd(p, a[i], out[i]))))


cdef void across(
    const real** rows, const real* w, Py_ssize_t count, real* out, Py_ssize_t n, bint adding
) noexcept nogil:
    """Compute out = sum of w[t] * rows[t], or out + that; count >= 1."""
    cdef Py_ssize_t t = 0
    if not adding:
        if count >= 4:
            sum_4(rows, w, out, n)
            t = 4
        elif count >= 2:
            sum_2(rows, w, out, n)
            t = 2
        else:
            sum_1(rows, w, out, n)
            t = 1
    while t + 4 <= count:
        add_4(rows + t, w + t, out, n)
        t += 4
    while t < count:
        add_1(rows + t, w + t, out, n)
        t += 1


cdef inline void along_some(
    const Axis* axis, const real* src, real* dst, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t end
) noexcept nogil:
    """Sum the windows of outputs first .. end - 1 whatever their counts are."""
    cdef Py_ssize_t o, c, t, count
    cdef const real* x
    cdef const real* w
    cdef real total
    for o in range(first, end):
        w = axis.weights + o * axis.taps
        count = axis.count[o]
        for c in range(inner):
            x = src + axis.start[o] * inner + c
            total = 0
            if count > 0:
                total = w[0] * x[0]
            for t in range(1, count):
                total = madd(w[t], x[t * inner], total)
            dst[o * inner + c] = total


cdef inline void along_2(const Axis* axis, const real* src, real* dst, Py_ssize_t inner) noexcept nogil:
    cdef Py_ssize_t o, c
    cdef const real* x
    cdef const real* w
    cdef real* y
    for o in range(axis.low, axis.high):
        w = axis.weights + o * 2
        x = src + axis.start[o] * inner
        y = dst + o * inner
        for c in range(inner):
            y[c] = madd(w[1], x[inner + c], w[0] * x[c])


cdef inline void along_4(const Axis* axis, const real* src, real* dst, Py_ssize_t inner) noexcept nogil:
    cdef Py_ssize_t o, c
    cdef const real* x
    cdef const real* w
    cdef real* y
    for o in range(axis.low, axis.high):
        w = axis.weights + o * 4
        x = src + axis.start[o] * inner
        y = dst + o * inner
        for c in range(inner):
            y[c] = madd(
                w[3], x[3 * inner + c], madd(w[2], x[2 * inner + c], madd(w[1], x[inner + c], w[0] * x[c]))
            )


cdef void along_pixels(const Axis* axis, const real* src, real* dst, Py_ssize_t inner) noexcept nogil:
    """Sum pixels of many channels, each a short row."""
    cdef Py_ssize_t o, t, j, k
    cdef const real* rows[CHUNK]
    for o in range(axis.size_out):
        if axis.count[o] == 0:
            memset(dst + o * inner, 0, inner * sizeof(real))
        t = 0
        while t < axis.count[o]:
            k = min(<Py_ssize_t>CHUNK, axis.count[o] - t)
            for j in range(k):
                rows[j] = src + (axis.start[o] + t + j) * inner
            across(rows, axis.weights + o * axis.taps + t, k, dst + o * inner, inner, t > 0)
            t += k


cdef void along(const Axis* axis, const real* src, real* dst, Py_ssize_t inner) noexcept nogil:
    """Resample a row of size_in pixels of `inner` channels to size_out pixels."""
    if inner >= 8:
        along_pixels(axis, src, dst, inner)
        return
    if axis.taps == 2 or axis.taps == 4:
        along_some(axis, src, dst, inner, 0, axis.low)
        along_some(axis, src, dst, inner, axis.high, axis.size_out)
    if axis.taps == 2:
        if inner == 1:
            along_2(axis, src, dst, 1)
        elif inner == 3:
            along_2(axis, src, dst, 3)
        else:
            along_2(axis, src, dst, inner)
    elif axis.taps == 4:
        if inner == 1:
            along_4(axis, src, dst, 1)
        elif inner == 3:
            along_4(axis, src, dst, 3)
        else:
            along_4(axis, src, dst, inner)
    elif inner == 1:
        along_some(axis, src, dst, 1, 0, axis.size_out)
    elif inner == 3:
        along_some(axis, src, dst, 3, 0, axis.size_out)
    else:
        along_some(axis, src, dst, inner, 0, axis.size_out)


cdef inline const char* stored_row(const Job* job, const Part* part, Py_ssize_t d, Py_ssize_t h) noexcept nogil:
    cdef Py_ssize_t row = (part.plane * job.depth.size_in + d) * job.height.size_in + h
    return job.src + (row * job.stride_in + part.column) * job.item


cdef const real* source_row(const Job* job, const Part* part, Py_ssize_t h, real* room) noexcept nogil:
    """Return the source's row at height h, summed over depth where depth changes; in place, or in `room`."""
    cdef const Axis* axis = &job.depth
    cdef const real* rows[CHUNK]
    cdef const char* found
    cdef Py_ssize_t t = 0, j, k, count
    if axis.taps == 0:
        found = stored_row(job, part, part.depth, h)
        if job.kind == STORED_REAL:
            return <const real*>found
        row_load(room, found, part.length, job.kind)
        return room
    count = axis.count[part.depth]
    if count == 0:
        memset(room, 0, part.length * sizeof(real))
    while t < count:
        k = min(<Py_ssize_t>CHUNK, count - t)
        for j in range(k):
            found = stored_row(job, part, axis.start[part.depth] + t + j, h)
            if job.kind == STORED_REAL:
                rows[j] = <const real*>found
            else:
                row_load(part.stored + j * job.row_in, found, part.length, job.kind)
                rows[j] = part.stored + j * job.row_in
        across(rows, axis.weights + part.depth * axis.taps + t, k, room, part.length, t > 0)
        t += k
    return room


cdef void height_then_width(const Job* job, const Part* part, Py_ssize_t o, real* target) noexcept nogil:
    """Make row o of dst: across heights, a few rows at a time, then along."""
    cdef const Axis* axis = &job.height
    cdef const real* rows[CHUNK]
    cdef Py_ssize_t t = 0, j, k, count = axis.count[o]
    cdef real* room = part.middle if job.width.taps else target
    if count == 0:
        memset(room, 0, part.length * sizeof(real))
    while t < count:
        k = min(<Py_ssize_t>CHUNK, count - t)
        for j in range(k):
            rows[j] = source_row(job, part, axis.start[o] + t + j, part.summed + j * job.row_in)
        across(rows, axis.weights + o * axis.taps + t, k, room, part.length, t > 0)
        t += k
    if job.width.taps:
        along(&job.width, room, target, job.inner)


cdef void width_then_height(
    const Job* job, const Part* part, Py_ssize_t o, Py_ssize_t* done, real* target
) noexcept nogil:
    """Make row o of dst: its rows along, those before *done being in the ring, then across."""
    cdef const Axis* axis = &job.height
    cdef const real* rows[CHUNK]
    cdef const real* row
    cdef Py_ssize_t t = 0, j, k, h, count = axis.count[o], begin = axis.start[o]
    for h in range(max(begin, done[0]), begin + count):
        row = source_row(job, part, h, part.middle)
        along(&job.width, row, part.ring + (h % job.ring) * job.row_out, job.inner)
    done[0] = max(done[0], begin + count)
    if count == 0:
        memset(target, 0, job.row_out * sizeof(real))
    while t < count:
        k = min(<Py_ssize_t>CHUNK, count - t)
        for j in range(k):
            rows[j] = part.ring + ((begin + t + j) % job.ring) * job.row_out
        across(rows, axis.weights + o * axis.taps + t, k, target, job.row_out, t > 0)
        t += k


cdef void width_alone(const Job* job, const Part* part, Py_ssize_t o, real* target) noexcept nogil:
    """Make row o of dst where height is kept."""
    cdef const real* row = source_row(job, part, o, part.middle if job.width.taps else target)
    if job.width.taps:
        along(&job.width, row, target, job.inner)
    elif row != target:
        row_load(target, row, part.length, STORED_REAL)


cdef void do_task(const Job* job, real* memory, Py_ssize_t task) noexcept nogil:
    """Do one task: a band of one (plane, depth), and of one block of columns."""
    cdef Part part
    cdef Py_ssize_t o, done = 0
    cdef Py_ssize_t band = (task // job.blocks) % job.bands
    cdef Py_ssize_t length = job.row_out
    cdef real* target
    cdef char* to
    part.plane = task // job.blocks // job.bands // job.depth.size_out
    part.depth = task // job.blocks // job.bands % job.depth.size_out
    part.column = task % job.blocks * job.block
    part.length = job.row_in
    if not job.width.taps:
        part.length = min(job.block, job.stride_in - part.column)
        length = part.length
    part.stored = memory
    part.summed = part.stored + CHUNK * job.row_in
    part.middle = part.summed + CHUNK * job.row_in
    part.result = part.middle + job.row_in
    part.ring = part.result + job.row_out
    for o in range(band * job.band, min((band + 1) * job.band, job.height.size_out)):
        to = job.dst + ((task // job.blocks // job.bands * job.height.size_out + o) * job.stride_out
                        + part.column) * job.item
        target = <real*>to if job.kind == STORED_REAL else part.result
        if not job.height.taps:
            width_alone(job, &part, o, target)
        elif job.height_first:
            height_then_width(job, &part, o, target)
        else:
            width_then_height(job, &part, o, &done, target)
        if job.kind != STORED_REAL:
            row_store(to, target, length, job.kind)


cdef Axis axis_of(tuple table, tuple sizes):
    """Point to a table's arrays, which the caller's tuple keeps alive."""
    cdef const int64_t[::1] start = table[0]
    cdef const int64_t[::1] count = table[1]
    cdef const real[:, ::1] weights = table[2]
    cdef Py_ssize_t size_out = sizes[1]
    cdef Axis axis
    axis.start = NULL
    axis.count = NULL
    axis.weights = NULL
    axis.taps = 0
    axis.size_in = sizes[0]
    axis.size_out = size_out
    axis.low = 0
    axis.high = 0
    if weights is not None:
        axis.start = &start[0]
        axis.count = &count[0]
        axis.weights = &weights[0, 0]
        axis.taps = weights.shape[1]
        while axis.low < size_out and count[axis.low] != axis.taps:
            axis.low += 1
        axis.high = axis.low
        while axis.high < size_out and count[axis.high] == axis.taps:
            axis.high += 1
    return axis


cdef void run(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Py_ssize_t task, tasks = job.planes * job.depth.size_out * job.bands * job.blocks
    job.src = <const char*>call.array[0]
    job.dst = <char*>call.array[1]
    for task in prange(tasks, num_threads=call.threads, schedule="static"):
        if not stopped(call):
            do_task(job, <real*>call_scratch(call), task)


def resample(
    const unsigned char[::1] src, unsigned char[::1] dst, int kind, int item, Py_ssize_t planes, tuple sizes,
    Py_ssize_t inner, tuple tables, bint height_first, Py_ssize_t band, Py_ssize_t block, int num_threads
):
    """Resample (planes, D, H, W, inner) elements; see the head of this file.

    sizes: three pairs (size in, size out). tables: for each axis (start, count, weights), or three None. `band` is the
    number of rows of a task, `block` of elements where W is kept. Raises MemoryError where there is no scratch.
    """
    cdef Job job
    job.call.array[0] = <void*>&src[0]
    job.call.array[1] = <void*>&dst[0]
    job.call.read = job.call.written = 1
    job.planes = planes
    job.depth = axis_of(tables[0], sizes[0])
    job.height = axis_of(tables[1], sizes[1])
    job.width = axis_of(tables[2], sizes[2])
    job.kind = kind
    job.item = item
    job.inner = inner
    job.height_first = height_first
    job.band = band
    job.bands = (job.height.size_out + band - 1) // band
    job.stride_in = job.width.size_in * inner
    job.stride_out = job.width.size_out * inner
    job.row_in = job.stride_in
    job.row_out = job.stride_out
    job.block = job.stride_in
    job.blocks = 1
    if job.width.taps == 0:
        job.block = min(block, job.stride_in)
        job.blocks = (job.stride_in + job.block - 1) // job.block
        job.row_in = job.block
        job.row_out = job.block
    job.ring = 0 if height_first else job.height.taps
    job.call.threads = <int>min(num_threads, planes * job.depth.size_out * job.bands * job.blocks)
    job.call.shared = 0
    job.call.each = ((2 * CHUNK + 1) * job.row_in + (1 + job.ring) * job.row_out) * sizeof(real)
    job.call.each = (job.call.each + 63) // 64 * 64
    if perform(&job.call, sizeof(job), run):
        keep(tables)
