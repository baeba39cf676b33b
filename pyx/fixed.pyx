"""Resampling of 8-bit or 16-bit pictures in integers: along the rows and across them, in either order.

src (P, H, W, C) and dst (P, H', W', C): planes of rows of W pixels of C interleaved channels. In each row the
W * C values lie one after another; rows and planes may lie anywhere. An axis' table has, for each output index, the
first source index, the number of taps, and the weights in units of 2**-22.

A task owns a band of output rows and a strip of their columns. Along first, it goes down its band and keeps the last
rows that it resampled, rounded to pixels, in a ring: within a task no row is resampled twice. Across first, it makes
a few rows and then resamples them along. There are two ways along, for groups of rows: by windows (windows.pxd), or
transposed, in groups of LANES, so that a vector holds one column of the group and every tap is one load, whatever the
scale and the number of channels. All sums are exact, so the order of additions, the ways and the tasks change no bit.
"""

from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from upsampling._kernels.calls cimport Call, call_scratch, call_shares, call_takes, keep, perform, stopped
from windows cimport (
    GROUP,
    TAPS,
    VECTOR_BYTES,
    WORDS,
    Axis,
    Windows,
    along_windows,
    list_windows,
    pixel,
    plan_windows,
    room,
    sums_for,
    words_of,
)

cdef extern from "picks.h" nogil:
    ctypedef struct total:
        pass
    const Py_ssize_t LANES
    const Py_ssize_t BLOCK
    const Py_ssize_t BUNDLE
    const Py_ssize_t PARTS
    total total_new()
    total total_add(total t, const int32_t* wide, int32_t weight)
    void total_store(int32_t* p, total t)
    void row_across(
        pixel* out, const pixel** rows, Py_ssize_t n, const int32_t* words, Py_ssize_t taps, int unit, int sums
    )
    pixel pixel_of(int64_t sum)
    void tile_read(
        int32_t* tile, const pixel** rows, Py_ssize_t first, Py_ssize_t end, Py_ssize_t n, Py_ssize_t ahead
    )
    void tile_write(pixel** rows, Py_ssize_t first, const int32_t* wide)

# What a task's tile and ring may take together: they stay in the second-level cache.
cdef Py_ssize_t ROOM = 192 * 1024
# Strips of rows that are resampled by windows begin where a block begins, for any number of channels.
cdef enum:
    STRIP_UNIT = VECTOR_BYTES

cdef enum Order:
    ALONG_FIRST
    ACROSS_FIRST
    ACROSS_ONLY

# One plane, or one task's part of it. Strides and samples (pixels times channels) count values, not bytes.
cdef struct Job:
    const pixel* src
    pixel* dst
    Py_ssize_t src_row, dst_row
    Py_ssize_t channels
    Axis x, y
    const Windows* windows  # or NULL, for the transposed way
    int y_sums, y_unit  # as dot.h has them; 0 where it cannot
    Order order
    Py_ssize_t x0, x1, y0, y1
    Call* call  # asked for each group of rows whether to stop: a task may be all of a picture


cdef struct Scratch:
    const pixel** rows
    int32_t* words  # the digits of a row's weights across
    pixel* ring
    int32_t* tile
    char* tails
    pixel* across
    Py_ssize_t pitch, slots, across_pitch
    Py_ssize_t group  # rows that are resampled along at a time
    bint tiled


cdef inline Py_ssize_t rounded(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
    return (n + unit - 1) // unit * unit


cdef inline Py_ssize_t first_sample(const Job* job) noexcept nogil:
    return job.x.start[job.x0] * job.channels


cdef inline Py_ssize_t sample_count(const Job* job) noexcept nogil:
    """Values of a source row that the task's columns take part of."""
    return (job.x.start[job.x1 - 1] + job.x.count[job.x1 - 1]) * job.channels - first_sample(job)


cdef void read_windows(const Job* job, int32_t* tile, const pixel** rows) noexcept nogil:
    """Fill the tile, but for blocks that no window of the task's columns touches."""
    cdef Py_ssize_t channels = job.channels, first = first_sample(job), n = sample_count(job), x, begin, end, done = 0
    cdef Py_ssize_t ahead = 0
    if rows[LANES - 1] == rows[0] + (LANES - 1) * job.src_row:
        ahead = LANES * job.src_row
    for x in range(job.x0, job.x1):
        begin = max(done, (job.x.start[x] * channels - first) // BLOCK * BLOCK)
        end = (job.x.start[x] + job.x.count[x]) * channels - first
        if end > begin:
            # Some more than this window at a time, where windows are close.
            end = min(rounded(n, BLOCK), rounded(end, BLOCK))
            tile_read(tile, rows, begin, end, n, ahead)
            done = end


cdef inline void pixel_sums(
    const int32_t* p, Py_ssize_t step, Py_ssize_t pace, const int32_t* weights, Py_ssize_t taps, Py_ssize_t channels,
    int32_t* out,
) noexcept nogil:
    """Up to 4 neighbouring channels of a pixel, a constant number, of LANES rows: each weight is loaded once."""
    cdef Py_ssize_t k
    cdef total a = total_new(), b = total_new(), c = total_new(), d = total_new()
    for k in range(taps):
        a = total_add(a, p, weights[k])
        if channels > 1:
            b = total_add(b, p + pace, weights[k])
        if channels > 2:
            c = total_add(c, p + 2 * pace, weights[k])
        if channels > 3:
            d = total_add(d, p + 3 * pace, weights[k])
        p += step
    total_store(out, a)
    if channels > 1:
        total_store(out + LANES, b)
    if channels > 2:
        total_store(out + 2 * LANES, c)
    if channels > 3:
        total_store(out + 3 * LANES, d)


cdef void along_tiled(const Job* job, const Scratch* s, const pixel** rows, pixel** out) noexcept nogil:
    """LANES rows to LANES rows; tile and block are [sample][row]."""
    cdef Py_ssize_t channels = job.channels, pace = PARTS * LANES, step = channels * pace
    cdef Py_ssize_t first = first_sample(job), x, c, n, k, done = 0, filled = 0
    cdef int32_t block[(16 + 4) * 16]
    cdef int32_t* to
    cdef const int32_t* p
    cdef const int32_t* weights
    read_windows(job, s.tile, rows)
    for x in range(job.x0, job.x1):
        weights = job.x.weights + x * job.x.taps
        c = 0
        while c < channels:
            n = min(channels - c, 4)
            p = s.tile + (job.x.start[x] * channels - first + c) * pace
            to = block + filled * LANES
            if n == 1:
                pixel_sums(p, step, pace, weights, job.x.count[x], 1, to)
            elif n == 2:
                pixel_sums(p, step, pace, weights, job.x.count[x], 2, to)
            elif n == 3:
                pixel_sums(p, step, pace, weights, job.x.count[x], 3, to)
            else:
                pixel_sums(p, step, pace, weights, job.x.count[x], 4, to)
            c += n
            filled += n
            if filled >= BLOCK:
                tile_write(out, done, block)
                done += BLOCK
                filled -= BLOCK
                for k in range(filled * LANES):
                    block[k] = block[BLOCK * LANES + k]
    if filled:
        for k in range(filled * LANES, BLOCK * LANES):
            block[k] = 0
        tile_write(out, done, block)


cdef void along_row(const Job* job, const pixel* row, pixel* out) noexcept nogil:
    """One row to one row: where a tile of LANES rows would be too large or mostly empty."""
    cdef Py_ssize_t channels = job.channels, first = first_sample(job), x, c, k
    cdef const pixel* p
    cdef const int32_t* weights
    cdef int64_t t
    for x in range(job.x0, job.x1):
        weights = job.x.weights + x * job.x.taps
        for c in range(channels):
            p = row + job.x.start[x] * channels - first + c
            t = 0
            for k in range(job.x.count[x]):
                t += <int64_t>weights[k] * p[k * channels]
            out[(x - job.x0) * channels + c] = pixel_of(t)


cdef void along(const Job* job, const Scratch* s, const pixel** rows, pixel** out, Py_ssize_t n) noexcept nogil:
    """Resample n rows (at most s.group) along; rows[r] is at the first sample that the task's columns need.

    All s.group rows of `out` have room for whole blocks, and those after the first n may be overwritten.
    """
    cdef Py_ssize_t r, unit, size = sizeof(pixel)
    if job.windows != NULL:
        unit = job.channels * size
        along_windows(
            job.windows, <const char**>rows, <char**>out, n, job.x0 * unit // job.windows.bytes,
            (job.x1 * unit + job.windows.bytes - 1) // job.windows.bytes,
            first_sample(job) * size, job.x.size_in * unit, s.tails,
        )
    elif s.tiled and n > 2:
        for r in range(n, LANES):
            rows[r] = rows[n - 1]
        along_tiled(job, s, rows, out)
    else:
        for r in range(n):
            along_row(job, rows[r], out[r])


cdef void across(const Job* job, const Scratch* s, Py_ssize_t y, pixel* out, Py_ssize_t n) noexcept nogil:
    """out[i] = the weighted sum of s.rows[k][i] for output row y and i < n."""
    cdef Py_ssize_t i, k, taps = job.y.count[y], steps = (taps + TAPS - 1) // TAPS
    cdef const int32_t* weights = job.y.weights + y * job.y.taps
    cdef int64_t t
    if n < BUNDLE or job.y_sums == 0:
        for i in range(n):
            t = 0
            for k in range(taps):
                t += <int64_t>weights[k] * s.rows[k][i]
            out[i] = pixel_of(t)
        return
    for k in range(steps):
        words_of(
            s.words + k * job.y_sums * WORDS, 1, weights + k * TAPS, min(<Py_ssize_t>TAPS, taps - k * TAPS),
            job.y_unit, job.y_sums, taps <= 2,
        )
    for k in range(taps, steps * TAPS):
        s.rows[k] = s.rows[taps - 1]
    row_across(out, s.rows, n, s.words, taps, job.y_unit, job.y_sums)


cdef void along_first(const Job* job, const Scratch* s) noexcept nogil:
    """A task: down the band, each source row that is needed along, some of them at a time, each output row across.

    The rows that windows have are counted through, whether or not others lie between them: row number i of these is in
    the ring's place i % slots.
    """
    cdef Py_ssize_t y, k, r, n = 0, group, made = 0, base = 0, start = job.y.start[job.y0], before
    cdef Py_ssize_t offset = job.x0 * job.channels, samples = (job.x1 - job.x0) * job.channels
    cdef Py_ssize_t next_y = job.y0, next_row = start
    cdef const pixel* rows[16]
    cdef pixel* out[16]
    for y in range(job.y0, job.y1):
        if stopped(job.call):
            return
        before = start
        start = job.y.start[y]
        base += min(start - before, n)
        n = job.y.count[y]
        while made < base + n and next_y < job.y1:
            group = 0
            while group < s.group and next_y < job.y1:
                rows[group] = job.src + next_row * job.src_row + first_sample(job)
                group += 1
                next_row += 1
                while next_y < job.y1 and next_row >= job.y.start[next_y] + job.y.count[next_y]:
                    next_y += 1
                if next_y < job.y1:
                    next_row = max(next_row, job.y.start[next_y])
            for r in range(s.group):
                out[r] = s.ring + ((made + r) % s.slots) * s.pitch
            along(job, s, rows, out, group)
            made += group
        for k in range(n):
            s.rows[k] = s.ring + ((base + k) % s.slots) * s.pitch
        across(job, s, y, job.dst + y * job.dst_row + offset, samples)


cdef void across_first(const Job* job, const Scratch* s) noexcept nogil:
    """A task: down the band in groups of output rows, each across and then, if wanted, the group along."""
    cdef Py_ssize_t y, k, r, n, group, first = job.x0 * job.channels
    cdef Py_ssize_t offset = first, samples = (job.x1 - job.x0) * job.channels, needed = samples
    cdef const pixel* rows[16]
    cdef pixel* out[16]
    if job.order != ACROSS_ONLY:
        first = first_sample(job)
        needed = sample_count(job)
    y = job.y0 - s.group
    while y + s.group < job.y1 and not stopped(job.call):
        y += s.group
        group = min(s.group, job.y1 - y)
        for r in range(group):
            n = job.y.count[y + r]
            for k in range(n):
                s.rows[k] = job.src + (job.y.start[y + r] + k) * job.src_row + first
            out[r] = job.dst + (y + r) * job.dst_row + offset
            if job.order != ACROSS_ONLY:
                out[r] = s.across + r * s.across_pitch
            rows[r] = out[r]
            across(job, s, y + r, out[r], needed)
        if job.order == ACROSS_ONLY:
            continue
        for r in range(s.group):
            out[r] = s.ring + r * s.pitch
        along(job, s, rows, out, group)
        for r in range(group):
            memcpy(job.dst + (y + r) * job.dst_row + offset, out[r], samples * sizeof(pixel))


cdef inline char* taken(char** memory, Py_ssize_t bytes) noexcept nogil:
    """Take some bytes, aligned to a cache line; what `memory` is advanced by, if it is NULL, is the room needed."""
    cdef char* here = memory[0]
    memory[0] = <char*>(<size_t>here + <size_t>rounded(bytes, 64))
    return here


cdef Py_ssize_t scratch_of(const Job* job, char* memory, Scratch* s) noexcept nogil:
    """Lay out what a task keeps in `memory`; the bytes that it takes, which depend on its columns alone."""
    cdef Py_ssize_t steps = (job.y.taps + TAPS - 1) // TAPS, tile, over = 0
    cdef char* free = memory
    s.slots = s.pitch = s.across_pitch = 0
    s.group = GROUP if job.windows != NULL else LANES
    s.tiled = False
    s.tails = NULL
    s.rows = <const pixel**>taken(&free, steps * TAPS * sizeof(pixel*))
    s.words = <int32_t*>taken(&free, steps * job.y_sums * WORDS * sizeof(int32_t))
    if job.order != ACROSS_ONLY:
        s.slots = s.group + (job.y.taps if job.order == ALONG_FIRST else 0)
        s.pitch = rounded((job.x1 - job.x0) * job.channels, 64)
        if job.windows != NULL:
            # The last block is stored whole.
            s.pitch += VECTOR_BYTES
            over = job.windows.steps * job.windows.stride + VECTOR_BYTES
        s.ring = <pixel*>taken(&free, s.slots * s.pitch * sizeof(pixel))
        tile = 4 * rounded(sample_count(job), BLOCK) * LANES * sizeof(pixel)
        # A strip is cut so that its tile has room, unless a single pixel's reach is too long.
        s.tiled = job.windows == NULL and tile <= 2 * ROOM
        s.tile = <int32_t*>taken(&free, tile if s.tiled else 0)
        if job.order == ACROSS_FIRST:
            s.across_pitch = rounded(sample_count(job), 64) + over
            s.across = <pixel*>taken(&free, s.group * s.across_pitch * sizeof(pixel))
        elif job.windows != NULL:
            s.tails = taken(&free, GROUP * job.windows.tail_bytes)
    return <Py_ssize_t>(<size_t>free - <size_t>memory)


cdef Py_ssize_t most_scratch(const Job* job, Py_ssize_t strip, Py_ssize_t width) noexcept nogil:
    """Bytes that suffice for the task of any strip."""
    cdef Job part = job[0]
    cdef Scratch s
    cdef Py_ssize_t most = 0
    part.x0 = 0
    while part.x0 < width:
        part.x1 = min(width, part.x0 + strip)
        most = max(most, scratch_of(&part, NULL, &s))
        part.x0 = part.x1
    return most


cdef Py_ssize_t strip_width(const Job* job, Py_ssize_t width) noexcept nogil:
    """Output columns for a task: as many as leave its tile and its ring in the cache, and at least one."""
    cdef Py_ssize_t per_pixel, reach
    if job.order == ACROSS_ONLY:
        return width
    if job.windows != NULL:
        per_pixel = job.channels * sizeof(pixel) * (job.y.taps + GROUP)
        return min(width, max(1, 2 * ROOM // per_pixel // STRIP_UNIT) * STRIP_UNIT)
    reach = job.x.start[width - 1] + job.x.count[width - 1] - job.x.start[0]
    per_pixel = job.channels * sizeof(pixel) * (job.y.taps + LANES + 6 * LANES * (reach // width + 1))
    return min(width, max(1, ROOM // per_pixel))


cdef void run_part(
    const Job* job, char* memory, Py_ssize_t task, Py_ssize_t strips, Py_ssize_t strip, Py_ssize_t bands,
    Py_ssize_t band, Py_ssize_t width, Py_ssize_t height, Py_ssize_t plane_in, Py_ssize_t plane_out,
) noexcept nogil:
    """Cut the task's part out of the whole, and run it."""
    cdef Job part = job[0]
    cdef Scratch s
    cdef Py_ssize_t plane = task // (strips * bands)
    part.src += plane * plane_in
    part.dst += plane * plane_out
    part.x0 = task % strips * strip
    part.x1 = min(width, part.x0 + strip)
    part.y0 = task // strips % bands * band
    part.y1 = min(height, part.y0 + band)
    scratch_of(&part, memory, &s)
    if part.order == ALONG_FIRST:
        along_first(&part, &s)
    else:
        across_first(&part, &s)


# A call; its arrays are src and dst. Bands repeat the rows at their edges, so there are no more than the threads need.
cdef struct Whole:
    Call call
    Job job
    Windows windows
    Py_ssize_t planes
    Py_ssize_t width
    Py_ssize_t rows
    Py_ssize_t strip
    Py_ssize_t band
    Py_ssize_t plane_in
    Py_ssize_t plane_out


cdef void run(Call* call) noexcept nogil:
    cdef Whole* all_of = <Whole*>call
    cdef Job job = all_of.job
    cdef Py_ssize_t strips = (all_of.width + all_of.strip - 1) // all_of.strip
    cdef Py_ssize_t bands = (all_of.rows + all_of.band - 1) // all_of.band, i, task
    if job.windows != NULL:
        job.windows = &all_of.windows
        list_windows(&all_of.windows, &job.x, job.channels, call.scratch)
    job.src = <const pixel*>call.array[0]
    job.dst = <pixel*>call.array[1]
    job.call = call
    call_shares(call, all_of.planes * bands * strips)
    for i in prange(call.threads, num_threads=call.threads, schedule="static"):
        task = call_takes(call, i)
        while task >= 0:
            run_part(
                &job, call_scratch(call), task, strips, all_of.strip, bands, all_of.band, all_of.width, all_of.rows,
                all_of.plane_in, all_of.plane_out,
            )
            task = call_takes(call, i)


def resize(
    const pixel[:, :, :, :] src,
    pixel[:, :, :, :] dst,
    const int64_t[::1] x_start,
    const int64_t[::1] x_count,
    const int32_t[:, ::1] x_weights,
    const int64_t[::1] y_start,
    const int64_t[::1] y_count,
    const int32_t[:, ::1] y_weights,
    bint along_rows,
    bint columns_first,
    int num_threads,
):
    """Resample src into dst. Without `along_rows` rows keep their length, and the table x is not used."""
    cdef Whole call
    cdef Job* job = &call.job
    cdef Py_ssize_t strips, bands = 1
    call.call.array[0] = <void*>&src[0, 0, 0, 0]
    call.call.array[1] = <void*>&dst[0, 0, 0, 0]
    call.call.read = call.call.written = 1
    call.planes, call.rows, call.width = dst.shape[0], dst.shape[1], dst.shape[2]
    call.plane_in = src.strides[0] // <Py_ssize_t>sizeof(pixel)
    call.plane_out = dst.strides[0] // <Py_ssize_t>sizeof(pixel)
    job.src_row = src.strides[1] // <Py_ssize_t>sizeof(pixel)
    job.dst_row = dst.strides[1] // <Py_ssize_t>sizeof(pixel)
    job.channels = src.shape[3]
    job.x = Axis(&x_start[0], &x_count[0], &x_weights[0, 0], x_weights.shape[1], src.shape[2], dst.shape[2])
    job.y = Axis(&y_start[0], &y_count[0], &y_weights[0, 0], y_weights.shape[1], src.shape[1], dst.shape[1])
    job.order = ACROSS_ONLY if not along_rows else ACROSS_FIRST if columns_first else ALONG_FIRST
    job.y_sums = sums_for(job.y.weights, job.y.size_out, job.y.taps, &job.y_unit)
    job.windows = NULL
    if job.order != ACROSS_ONLY and plan_windows(&call.windows, &job.x, job.channels):
        job.windows = &call.windows
    call.strip = strip_width(job, call.width)
    strips = (call.width + call.strip - 1) // call.strip
    if num_threads > 1:
        # Bands repeat a window's rows: two for each thread where they are much longer than that, so that threads that
        # begin late do less.
        bands = num_threads * max(<Py_ssize_t>1, min(<Py_ssize_t>2, src.shape[1] // (8 * job.y.taps * num_threads)))
        bands = (bands + call.planes * strips - 1) // (call.planes * strips)
        bands = max(1, min(bands, call.rows // 16))
    call.band = (call.rows + bands - 1) // bands
    bands = (call.rows + call.band - 1) // call.band
    call.call.threads = <int>min(num_threads, call.planes * bands * strips)
    call.call.shared = rounded(room(&call.windows), 64) if job.windows != NULL else 0
    call.call.each = most_scratch(job, call.strip, call.width)
    if perform(&call.call, sizeof(call), run):
        keep((x_start, x_count, x_weights, y_start, y_count, y_weights))
