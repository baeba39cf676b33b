# Separable resampling by tables.
#
# src, dst: bytes of (planes, D, H, W, inner) arrays in C order, of one stored type (a kind of storage.h).
# An axis has a table (start, count, weights) or keeps its size (taps = 0).
# A task owns a box of dst: one (plane, depth), a band of rows and a tile of columns.
#
# A row of dst is made of source rows in up to three steps, each computing in `real`:
#   depth   a weighted sum of the rows at the same height of several depths ("across");
#   height  a weighted sum of several heights' rows ("across");
#   width   each pixel a weighted sum of a window of its row's pixels ("along").
# Either width comes before height (rows done are kept in a ring, none is computed twice in a task),
# or after it; the caller chooses by sizes alone. Rows are resampled along in groups.
#
# Small planes are resampled LANES of them abreast: a task turns so many into pixels of LANES numbers, has these made
# into such pixels of dst, in scratch, and turns them back.
#
# Every weighted sum, in every loop, is the chain  w0*x0, then madd(w1, x1, .), madd(w2, x2, .) ...
# so the bits depend on neither layout, nor task, nor vector length.

from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from across cimport across
from along cimport CHUNK, LANES, LONGEST, PERMUTES, ROWS, Axis, ask_for, by_windows, lane, real
from columns cimport COLUMNS, along_columns, sum_by_pixels
from upsampling._kernels.calls cimport Call, call_scratch, keep, perform, stopped

cdef extern from "storage.h" nogil:
    const int STORED_REAL
    void row_load(real* to, const void* from_, Py_ssize_t n, int kind)
    void row_store(void* to, const real* from_, Py_ssize_t n, int kind)

cdef extern from "transpose.h" nogil:
    void transpose(
        const real* source, Py_ssize_t source_row, Py_ssize_t rows, Py_ssize_t columns, real* to, Py_ssize_t to_row)

cdef extern from "stream.h" nogil:
    void stream_row(char* to, const char* source, Py_ssize_t size)
    void stream_end()

cdef enum:
    MOST_TILES = 32
    PIECE = 512  # numbers that are converted while as many are asked for
    # Bytes of a source, which then comes from memory, from which on the rows of the next output are asked for.
    # 3x1080x1920 to half, area: 1.6 to 1.9 ms with it, 2.1 without; 4 channels of 512x512 to a quarter 0.066 and 0.052.
    FAR_SOURCE = 1 << 24

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
    bint height_first
    # Whether rows of dst are computed in scratch and stored past the caches.
    bint streamed
    # Whether source rows are computed with where they lie.
    bint in_place
    # Whether the source comes from memory.
    bint far
    # Whether rows are summed over the height in registers, as much of them at a time as is resampled along.
    bint together
    Py_ssize_t band
    Py_ssize_t bands
    Py_ssize_t tiles
    # The first pixel of each tile of a row of dst (and the end of the last), and the source's pixels that it reads.
    Py_ssize_t begin[MOST_TILES + 1]
    Py_ssize_t first[MOST_TILES]
    Py_ssize_t last[MOST_TILES]
    # Rows that are resampled along at a time.
    Py_ssize_t group
    # Elements of a whole row; of the longest part of a row in scratch.
    Py_ssize_t stride_in
    Py_ssize_t stride_out
    Py_ssize_t row_in
    Py_ssize_t row_out
    Py_ssize_t ring  # in rows
    # Numbers of a plane of src and of dst where planes are resampled abreast, else 0.
    Py_ssize_t plane_in
    Py_ssize_t plane_out
    # How far a window of the height begins before the one of an earlier output, at most: trimmed ones may step back.
    Py_ssize_t back

cdef struct Part:
    # What a task owns, rows first .. end - 1 of a depth of dst and pixels begin .. stop - 1 of them, and the elements
    # of source rows that it reads.
    Py_ssize_t plane
    Py_ssize_t depth
    Py_ssize_t first
    Py_ssize_t end
    Py_ssize_t begin
    Py_ssize_t stop
    Py_ssize_t column
    Py_ssize_t length
    # Scratch: CHUNK rows of which one is summed over depth, CHUNK rows that were converted or summed so, the ring,
    # groups of rows before and after `along`, and what `along` needs itself.
    real* stored
    real* summed
    Py_ssize_t kept[CHUNK]  # the height of each of these
    real* ring
    real* middle
    real* result
    real* room


cdef inline const char* stored_row(const Job* job, const Part* part, Py_ssize_t d, Py_ssize_t h) noexcept nogil:
    cdef Py_ssize_t row = (part.plane * job.depth.size_in + d) * job.height.size_in + h
    return job.src + (row * job.stride_in + part.column) * job.item


cdef inline void load_row(const Job* job, const char* found, Py_ssize_t n, real* room) noexcept nogil:
    """Convert a row, and ask for the one after it meanwhile if the source is far."""
    cdef Py_ssize_t i = 0, k, line, next = job.stride_in * job.item
    while i < n:
        k = min(<Py_ssize_t>PIECE, n - i) if job.far else n
        if job.far:
            for line in range(0, k * job.item, 64):
                ask_for(found + i * job.item + next + line)
        row_load(room + i, found + i * job.item, k, job.kind)
        i += k


cdef const real* source_row(const Job* job, const Part* part, Py_ssize_t h, real* room) noexcept nogil:
    """Return the source's row at height h, summed over depth where depth changes; in place, or in `room`."""
    cdef const Axis* axis = &job.depth
    cdef const real* rows[CHUNK]
    cdef const char* found
    cdef Py_ssize_t t = 0, j, k, count
    if axis.taps == 0:
        found = stored_row(job, part, part.depth, h)
        if job.in_place:
            return <const real*>found
        load_row(job, found, part.length, room)
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


cdef inline const real* kept_row(const Job* job, Part* part, Py_ssize_t h) noexcept nogil:
    """As source_row, for up to CHUNK neighbours at a time: a row that is still in scratch is not made anew."""
    cdef Py_ssize_t slot = h % CHUNK
    cdef real* room = part.summed + slot * job.row_in
    cdef const real* found = room
    if part.kept[slot] != h:
        found = source_row(job, part, h, room)
        if found == room:
            part.kept[slot] = h
    return found


cdef inline Py_ssize_t last_window(const Job* job, const Part* part, bint in_place) noexcept nogil:
    """Where in a row a window may begin at most."""
    return job.stride_in - part.column - job.width.windows * LANES if in_place else job.stride_in


cdef void along(
    const Job* job, const Part* part, const real** x, real** y, int rows, bint in_place
) noexcept nogil:
    """Resample some rows along; those in place can be read up to their ends, those in scratch beyond."""
    cdef const Axis* axis = &job.width
    cdef Py_ssize_t inner = axis.inner
    cdef int r
    if axis.windows:
        by_windows(
            axis, x, NULL, 0, part.column, last_window(job, part, in_place), y, rows, part.begin * inner,
            part.stop * inner)
    elif inner >= LANES:
        for r in range(rows):
            sum_by_pixels(axis, x + r, NULL, 0, part.column, y[r], part.begin, part.stop)
    else:
        along_columns(axis, x, part.column, y, rows, part.begin, part.stop, part.room)


cdef inline char* row_of_dst(const Job* job, const Part* part, Py_ssize_t o) noexcept nogil:
    cdef Py_ssize_t row = (part.plane * job.depth.size_out + part.depth) * job.height.size_out + o
    return job.dst + (row * job.stride_out + part.begin * job.width.inner) * job.item


cdef inline real* target_row(const Job* job, const Part* part, Py_ssize_t o, Py_ssize_t r) noexcept nogil:
    """Where row o of dst is computed: in place, or as row r of the scratch for results."""
    if job.kind == STORED_REAL and not job.streamed:
        return <real*>row_of_dst(job, part, o)
    return part.result + r * job.row_out


cdef inline void store_row(const Job* job, const Part* part, Py_ssize_t o, const real* row) noexcept nogil:
    """Convert, or only store, a row that was computed in scratch."""
    cdef Py_ssize_t n = (part.stop - part.begin) * job.width.inner
    if job.kind != STORED_REAL:
        row_store(row_of_dst(job, part, o), row, n, job.kind)
    elif job.streamed:
        stream_row(row_of_dst(job, part, o), <const char*>row, n * sizeof(real))


cdef void sum_heights(const Job* job, Part* part, Py_ssize_t o, real* room) noexcept nogil:
    """Sum the source's rows of row o of dst, a few at a time."""
    cdef const Axis* axis = &job.height
    cdef const real* rows[CHUNK]
    cdef Py_ssize_t t = 0, j, k, count = axis.count[o]
    if count == 0:
        memset(room, 0, part.length * sizeof(real))
    while t < count:
        k = min(<Py_ssize_t>CHUNK, count - t)
        for j in range(k):
            rows[j] = kept_row(job, part, axis.start[o] + t + j)
        across(rows, axis.weights + o * axis.taps + t, k, room, part.length, t > 0)
        t += k


cdef inline bint stopped_before(Job* job, const Part* part, Py_ssize_t o) noexcept nogil:
    """Whether to leave out row o and what follows: not asked for each, which a tiny picture would feel."""
    return (o - part.first) % 16 == 0 and o > part.first and stopped(&job.call)


cdef void sum_both(Job* job, Part* part) noexcept nogil:
    """Make rows of dst one by one: a few numbers of a row are summed over heights, and resampled along at once."""
    cdef const Axis* axis = &job.height
    cdef const Axis* width = &job.width
    cdef const real* rows[CHUNK]
    cdef real* target
    cdef Py_ssize_t o, j
    for o in range(part.first, part.end):
        if stopped_before(job, part, o):
            break
        target = target_row(job, part, o, 0)
        for j in range(axis.count[o]):
            rows[j] = kept_row(job, part, axis.start[o] + j)
        if axis.count[o] == 0:
            memset(target, 0, (part.stop - part.begin) * width.inner * sizeof(real))
        elif width.windows:
            by_windows(
                width, rows, axis.weights + o * axis.taps, axis.count[o], part.column,
                last_window(job, part, job.in_place), &target, 0, part.begin * width.inner, part.stop * width.inner)
        else:
            sum_by_pixels(
                width, rows, axis.weights + o * axis.taps, axis.count[o], part.column, target, part.begin, part.stop)
        store_row(job, part, o, target)


cdef void width_last(Job* job, Part* part) noexcept nogil:
    """Make rows of dst in groups: across heights where height changes, then along where width does."""
    cdef const real* x[LANES]
    cdef real* y[LANES]
    cdef Py_ssize_t o = part.first, rows, r
    while o < part.end and not stopped_before(job, part, o):
        rows = min(job.group, part.end - o)
        for r in range(rows):
            y[r] = target_row(job, part, o + r, r)
            if job.height.taps:
                x[r] = part.middle + r * job.row_in if job.width.taps else y[r]
                sum_heights(job, part, o + r, <real*>x[r])
            else:
                x[r] = source_row(job, part, o + r, part.middle + r * job.row_in if job.width.taps else y[r])
        if job.width.taps:
            along(job, part, x, y, <int>rows, job.in_place and not job.height.taps)
        for r in range(rows):
            if not job.width.taps and x[r] != y[r]:
                memcpy(y[r], x[r], part.length * sizeof(real))
            store_row(job, part, o + r, y[r])
        o += rows


cdef inline Py_ssize_t following(const Job* job, Py_ssize_t slot) noexcept nogil:
    """A slot of the ring, from one that is less than a round outside: a division would take as long as a row."""
    if slot < 0:
        return slot + job.ring
    return slot - job.ring if slot >= job.ring else slot


cdef void width_first(Job* job, const Part* part) noexcept nogil:
    """Make rows of dst: source rows along, in groups and in the order that they are needed in, then across."""
    cdef const Axis* axis = &job.height
    cdef const real* x[LANES]
    cdef real* y[LANES]
    cdef const real* rows[CHUNK]
    cdef real* target
    # The output whose rows are made, the next row, and the end of all windows so far; rows made; the first row of the
    # window, counted likewise; where in the ring the next row and the window begin.
    cdef Py_ssize_t ahead = part.first, next = max(axis.start[part.first] - job.back, 0), high = next
    cdef Py_ssize_t made = 0, window = 0, free = 0, slot = 0, last = next
    cdef Py_ssize_t o, t, j, k, n, begin, count
    for o in range(part.first, part.end):
        if stopped_before(job, part, o):
            break
        begin = axis.start[o]
        count = axis.count[o]
        j = begin - last if begin <= high else high - last + min(begin - high, job.back)
        window += j
        slot = following(job, slot + j)
        last = begin
        high = max(high, begin + count)
        while made < window + count:
            n = 0
            while n < job.group and ahead < part.end:
                if next < axis.start[ahead] + axis.count[ahead]:
                    x[n] = source_row(job, part, next, part.middle + n * job.row_in)
                    y[n] = part.ring + free * job.row_out
                    free = following(job, free + 1)
                    next += 1
                    n += 1
                else:
                    ahead += 1
                    if ahead < part.end:
                        next = max(next, axis.start[ahead] - job.back)
            along(job, part, x, y, <int>n, job.in_place)
            made += n
        target = target_row(job, part, o, 0)
        if count == 0:
            memset(target, 0, (part.stop - part.begin) * job.width.inner * sizeof(real))
        t = 0
        while t < count:
            k = min(<Py_ssize_t>CHUNK, count - t)
            for j in range(k):
                rows[j] = part.ring + following(job, slot + t + j) * job.row_out
            across(
                rows, axis.weights + o * axis.taps + t, k, target, (part.stop - part.begin) * job.width.inner, t > 0)
            t += k
        store_row(job, part, o, target)


cdef void lay_out_tile(Job* job, Py_ssize_t tile) noexcept nogil:
    """Cut a tile from a row of dst, after whole vectors, and find the pixels of source rows that it is made of."""
    cdef const Axis* width = &job.width
    cdef Py_ssize_t o, first = width.size_in, last = 0
    job.begin[tile] = tile * width.size_out // job.tiles // LANES * LANES
    job.begin[tile + 1] = width.size_out
    if tile + 1 < job.tiles:
        job.begin[tile + 1] = (tile + 1) * width.size_out // job.tiles // LANES * LANES
    if width.taps:
        for o in range(job.begin[tile], job.begin[tile + 1]):
            first = min(first, width.start[o])
            last = max(last, width.start[o] + width.count[o])
        # A window of no taps may stand at the end.
        job.first[tile] = first
        job.last[tile] = max(first, last)
    else:
        job.first[tile] = job.begin[tile]
        job.last[tile] = job.begin[tile + 1]


cdef void do_task(Job* job, real* memory, Py_ssize_t task) noexcept nogil:
    cdef Part part
    cdef Py_ssize_t tile = task % job.tiles, band = task // job.tiles % job.bands, slot
    part.plane = task // job.tiles // job.bands // job.depth.size_out
    part.depth = task // job.tiles // job.bands % job.depth.size_out
    part.first = band * job.band
    part.end = min(part.first + job.band, job.height.size_out)
    part.begin = job.begin[tile]
    part.stop = job.begin[tile + 1]
    part.column = job.first[tile] * job.width.inner
    part.length = (job.last[tile] - job.first[tile]) * job.width.inner
    part.stored = memory
    part.summed = part.stored + CHUNK * job.row_in
    for slot in range(CHUNK):
        part.kept[slot] = -1
    part.middle = part.summed + CHUNK * job.row_in
    part.result = part.middle + job.group * job.row_in
    part.ring = part.result + job.group * job.row_out
    part.room = part.ring + job.ring * job.row_out
    if job.height.taps and job.width.taps and not job.height_first:
        width_first(job, &part)
    elif job.together:
        sum_both(job, &part)
    else:
        width_last(job, &part)
    if job.streamed:
        stream_end()


cdef Axis axis_of(tuple table, tuple sizes, Py_ssize_t inner):
    """Point to a table's arrays, which the caller's tuple keeps alive."""
    cdef const int64_t[::1] start = table[0]
    cdef const int64_t[::1] count = table[1]
    cdef const real[:, ::1] weights = table[2]
    cdef Axis axis
    axis.start = NULL
    axis.count = NULL
    axis.weights = NULL
    axis.taps = 0
    axis.size_in = sizes[0]
    axis.size_out = sizes[1]
    axis.inner = inner
    axis.windows = axis.each = 0
    axis.ahead = 0
    if weights is not None:
        axis.start = &start[0]
        axis.count = &count[0]
        axis.weights = &weights[0, 0]
        axis.taps = weights.shape[1]
    return axis


cdef void add_windows(Axis* axis, tuple spread):
    """Point to the arrays of a table by elements."""
    cdef const lane[::1] first = spread[1]
    cdef const lane[::1] counts = spread[2]
    cdef const lane[::1] least = spread[3]
    cdef const real[:, ::1] weights = spread[4]
    axis.windows = spread[0]
    axis.first = &first[0]
    axis.counts = &counts[0]
    axis.least = &least[0]
    axis.spread = &weights[0, 0]
    axis.pitch = weights.shape[1]
    axis.low = spread[5]
    axis.high = spread[6]
    axis.each = spread[7]


def lanes():
    """How many numbers a vector has, and how many vectors a window may have."""
    return LANES, LONGEST if PERMUTES else 2


cdef inline Py_ssize_t pitch(Py_ssize_t n, int windows) noexcept nogil:
    """The distance of rows of n elements in scratch: with room for a window, and not a multiple of a page."""
    n = (n + (1 + max(windows, 2)) * LANES) // LANES * LANES
    return n + LANES if n * sizeof(real) % 1024 == 0 else n


cdef bint reads_less_together(const Job* job) noexcept nogil:
    """Whether summing over heights what is read along takes fewer loads and stores than whole rows of sums do.

    For a vector of dst, `reads` vectors are summed, and else as many of a row as it is made of, stored and read.
    """
    cdef const Axis* width = &job.width
    cdef Py_ssize_t taps = job.height.taps, reads = width.windows if width.windows else width.taps
    if width.each:  # a vector made of single pixels takes two loads
        reads = width.taps * min(width.each, 2)
    if not 0 < taps <= CHUNK or width.taps == 0 or (width.windows == 0 and width.inner < LANES):
        return False
    return reads * taps * width.size_out <= (taps + 1) * width.size_in + reads * width.size_out


cdef Py_ssize_t rows_apart(const Axis* height) noexcept nogil:
    """How far the rows of an output lie from those of the next one, on average."""
    return (height.start[height.size_out - 1] - height.start[0]) // max(height.size_out - 1, 1)


cdef Py_ssize_t lay_out(Job* job, Py_ssize_t tile) noexcept nogil:
    """Choose tiles and groups; return the numbers that a thread's scratch holds."""
    cdef Axis* width = &job.width
    cdef Py_ssize_t j, o, room, widest_in = 0, widest_out = 0, size = max(width.size_in, width.size_out)
    job.tiles = max(1, min(size * width.inner // tile, width.size_out // (2 * LANES)))
    job.tiles = min(job.tiles, <Py_ssize_t>MOST_TILES)
    for j in range(job.tiles):
        lay_out_tile(job, j)
        widest_in = max(widest_in, (job.last[j] - job.first[j]) * width.inner)
        widest_out = max(widest_out, (job.begin[j + 1] - job.begin[j]) * width.inner)
    job.row_in = pitch(widest_in, width.windows)
    job.row_out = pitch(widest_out, width.windows)
    job.group = 1
    if width.windows:
        job.group = min(<Py_ssize_t>ROWS, <Py_ssize_t>LANES)
    elif width.taps and width.inner < LANES:
        job.group = LANES
    job.ring = 0
    if not job.height_first and job.height.taps and width.taps:
        j = 0
        job.back = 0
        for o in range(job.height.size_out):
            j = max(j, job.height.start[o])
            job.back = max(job.back, j - job.height.start[o])
        job.ring = job.height.taps + job.back + job.group - 1
    room = (2 * COLUMNS + LANES) * LANES if width.taps and not width.windows and width.inner < LANES else 0
    return (2 * CHUNK + job.group) * job.row_in + (job.group + job.ring) * job.row_out + room


cdef void turn_in(const Job* job, Py_ssize_t first, Py_ssize_t planes, real* room, real* to) noexcept nogil:
    """Write some planes of src as pixels of LANES numbers; what is not stored as it is computed goes through `room`."""
    cdef const char* src = job.src + first * job.plane_in * job.item
    cdef const real* found = <const real*>src
    cdef Py_ssize_t n, t = 0
    if job.kind != STORED_REAL:
        found = room
        for n in range(planes):
            row_load(room + n * job.plane_in, src + n * job.plane_in * job.item, job.plane_in, job.kind)
    while t < job.plane_in:
        transpose(found + t, job.plane_in, planes, min(<Py_ssize_t>LANES, job.plane_in - t), to + t * LANES, LANES)
        t += LANES


cdef void turn_out(const Job* job, const real* made, Py_ssize_t first, Py_ssize_t planes, real* room) noexcept nogil:
    """Write pixels of LANES numbers to some planes of dst."""
    cdef char* dst = job.dst + first * job.plane_out * job.item
    cdef real* to = <real*>dst if job.kind == STORED_REAL else room
    cdef Py_ssize_t n, t = 0
    while t < job.plane_out:
        transpose(made + t * LANES, LANES, min(<Py_ssize_t>LANES, job.plane_out - t), planes, to + t, job.plane_out)
        t += LANES
    if job.kind != STORED_REAL:
        for n in range(planes):
            row_store(dst + n * job.plane_out * job.item, room + n * job.plane_out, job.plane_out, job.kind)


cdef Job of_pixels(const Job* job) noexcept nogil:
    """The job by which the planes of a task are resampled abreast. Nobody stops it: its tasks are small."""
    cdef Job one = job[0]
    one.call.cancel = NULL
    one.call.ask = NULL
    one.call.stop = 0
    one.kind = STORED_REAL
    one.item = sizeof(real)
    return one


cdef void do_abreast(const Job* job, const Job* pixels, real* memory, Py_ssize_t first) noexcept nogil:
    """Resample up to LANES planes from `first` on; lanes without a plane are computed and not stored."""
    cdef Job one = pixels[0]
    cdef Py_ssize_t planes = min(<Py_ssize_t>LANES, job.planes - first), task
    cdef real* made = memory + job.plane_in * LANES
    cdef real* room = made + job.plane_out * LANES
    turn_in(job, first, planes, room, memory)
    one.src = <const char*>memory
    one.dst = <char*>made
    for task in range(job.depth.size_out * job.bands * job.tiles):
        do_task(&one, room, task)
    turn_out(job, made, first, planes, room)


cdef void do_any(Job* job, const Job* pixels, real* memory, Py_ssize_t task) noexcept nogil:
    if stopped(&job.call):
        return
    if job.plane_in:
        do_abreast(job, pixels, memory, task * LANES)
    else:
        do_task(job, memory, task)


cdef Py_ssize_t tasks_of(const Job* job) noexcept nogil:
    if job.plane_in:
        return (job.planes + LANES - 1) // LANES
    return job.planes * job.depth.size_out * job.bands * job.tiles


cdef void run(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Py_ssize_t task, tasks = tasks_of(job)
    cdef Job pixels
    job.src = <const char*>call.array[0]
    job.dst = <char*>call.array[1]
    if job.plane_in:
        pixels = of_pixels(job)
    if call.threads == 1:  # past OpenMP, which takes 0.25 us to run one thread: as long as a tiny call
        for task in range(tasks):
            do_any(job, &pixels, <real*>call_scratch(call), task)
        return
    for task in prange(tasks, num_threads=call.threads, schedule="static"):
        do_any(job, &pixels, <real*>call_scratch(call), task)


def resample(
    const unsigned char[::1] src, unsigned char[::1] dst, int kind, int item, Py_ssize_t planes, tuple sizes,
    Py_ssize_t inner, tuple tables, tuple spread, bint height_first, Py_ssize_t band, Py_ssize_t tile,
    bint streamed, bint abreast, int num_threads
):
    """Resample (planes, D, H, W, inner) elements; see the head of this file.

    sizes: three pairs (size in, size out). tables: for each axis (start, count, weights), or three None. spread: the
    width's table by elements (see along.pxd), or None. `band` is the number of rows of a task, `tile` about its
    number of elements in a row. A result that is `streamed` is stored past the caches. Planes of single numbers may be
    resampled `abreast`; `inner` is then LANES. Raises MemoryError where there is no scratch.
    """
    cdef Job job
    job.call.array[0] = <void*>&src[0]
    job.call.array[1] = <void*>&dst[0]
    job.call.read = job.call.written = 1
    job.plane_in = job.plane_out = 0
    if abreast:
        if inner != LANES:
            raise ValueError(f"inner must be {LANES} where planes are abreast, got {inner}")
        job.plane_in = sizes[0][0] * sizes[1][0] * sizes[2][0]
        job.plane_out = sizes[0][1] * sizes[1][1] * sizes[2][1]
    if tables[2][0] is None:
        # Where the width is kept, its pixels need not be told apart.
        sizes = (sizes[0], sizes[1], (sizes[2][0] * inner, sizes[2][1] * inner))
        inner = 1
    job.planes = planes
    job.depth = axis_of(tables[0], sizes[0], inner)
    job.height = axis_of(tables[1], sizes[1], inner)
    job.width = axis_of(tables[2], sizes[2], inner)
    if spread is not None:
        add_windows(&job.width, spread)
    job.kind = kind
    job.item = item
    job.height_first = height_first
    job.band = band
    job.streamed = streamed
    job.bands = (job.height.size_out + band - 1) // band
    job.stride_in = job.width.size_in * inner
    job.stride_out = job.width.size_out * inner
    # Rows shorter than a window are copied to where more can be read.
    job.in_place = (kind == STORED_REAL or abreast) and job.stride_in >= job.width.windows * LANES
    job.together = job.height_first and reads_less_together(&job)
    job.far = src.shape[0] >= FAR_SOURCE
    if job.together and job.in_place and job.far:
        job.width.ahead = rows_apart(&job.height) * job.stride_in
    job.call.shared = 0
    job.call.each = lay_out(&job, tile)
    if abreast:
        job.call.each = max(job.call.each, max(job.plane_in, job.plane_out) * LANES if kind != STORED_REAL else 0)
        job.call.each += (job.plane_in + job.plane_out) * LANES
    job.call.each = (job.call.each * <Py_ssize_t>sizeof(real) + 63) // 64 * 64
    job.call.threads = <int>min(num_threads, tasks_of(&job))
    if perform(&job.call, sizeof(job), run):
        keep((tables, spread))
