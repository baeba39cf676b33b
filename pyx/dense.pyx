"""Sums of products over channels and taps: transposed convolution and its gradient with respect to the input.

x is (N, G * C, D, H, W), y (N, G * M, OD, OH, OW), both through their strides. On each axis the outputs of a phase are
start + out_step * t for t < count, and its taps read x at source + step * t. Phases that read the same inputs form a
part, in which output channels and phases together are the rows of a matrix product. See upsampling/_plan_conv.py,
which makes the tables.

A task is a tile: some images, and a box of t on each axis, for all phases and some output channels of a group. What
the taps of a tile read is copied into scratch, channel by channel, with zeros for what lies outside: for each axis
some segments, one for each source residue or one for each source. A tap is then an offset, and pixel (n, d, h, w) of
the tile the lane ((n * ld + d) * lh + h) * lw + w, where ld, lh, lw are the lengths of segments; lanes between the
tile's rows are computed and not stored.

Order of additions: blocks of BLOCK channels, each one chain from zero (channel, then tap), the blocks' sums added in
order to the bias. It is the same for any tile, so tiles may depend on the number of threads. Every output has one
writer. Where a weight is not finite, products with what lies outside are left out.
"""

from cython.parallel cimport parallel, prange
from libc.stdlib cimport free
from libc.string cimport memset

from products cimport LANES, ROWS, Sums, add_products, real
from runs cimport all_finite, copy_runs, fill, transpose

cdef extern from "transpose.h" nogil:
    void interleave(const real** rows, Py_ssize_t phases, Py_ssize_t count, real* to)
    void* scratch(size_t bytes)

cdef enum:
    BLOCK = 16
    MOST_PHASES = 1024  # of the inner axis

cdef struct Axis:
    Py_ssize_t size  # of x
    Py_ssize_t step
    Py_ssize_t out_step
    Py_ssize_t domain  # most outputs of a phase
    Py_ssize_t tile  # most of them in a tile
    Py_ssize_t reach  # a segment is longer than the tile by this
    Py_ssize_t segments
    Py_ssize_t phases
    Py_ssize_t tiles
    const Py_ssize_t* segment  # the first source of each
    const Py_ssize_t* phase  # start and count of each

# Phases that read the same inputs. Their rows are (output channel, phase), in blocks of ROWS; the weight of row r of
# block b, channel c and tap e lies at weight + b * block_step + c * channel_step + r * row_step + weight_at[e].
cdef struct Part:
    Py_ssize_t taps
    Py_ssize_t phases
    Py_ssize_t first_tap
    Py_ssize_t first_phase  # in the sums, after those of other parts
    Py_ssize_t weight
    Py_ssize_t block_step
    Py_ssize_t channel_step
    Py_ssize_t row_step

cdef struct Problem:
    Axis axis[3]
    Py_ssize_t batch
    Py_ssize_t images  # most in a tile
    Py_ssize_t channels  # of a group
    Py_ssize_t outputs  # of a group
    Py_ssize_t share  # most output channels of a task
    Py_ssize_t chunk  # channels in scratch at once: blocks, or a divisor of BLOCK, or all
    Py_ssize_t parts
    const Part* part
    Py_ssize_t taps  # of all parts, as are phases
    Py_ssize_t phases
    const Py_ssize_t* source  # of each tap on each axis: it reads x at source + step * t
    const Py_ssize_t* offset  # of each tap in scratch
    const Py_ssize_t* weight_at
    const Py_ssize_t* where  # for each phase of all axes its part and its number there
    Py_ssize_t segment_size
    Py_ssize_t pitch  # of a channel in scratch
    Py_ssize_t xs[5]
    Py_ssize_t ys[5]
    bint careful  # some weight is not finite

cdef struct Tile:
    Py_ssize_t images
    Py_ssize_t first[3]
    Py_ssize_t count[3]
    Py_ssize_t outputs
    Py_ssize_t first_output
    Py_ssize_t lanes
    Py_ssize_t width  # of a row of sums
    const char* x
    const real* w
    const real* bias
    char* y
    real* copied
    real* outside
    real* sums
    real* chains  # where chains go on in the next chunk
    Py_ssize_t* offset  # of the taps that reach into x from somewhere in the tile,
    Py_ssize_t* weight_at  # at the places of their parts' taps


cdef void copy_row(
    const Problem* of, const Tile* tile, const char* x, Py_ssize_t channels, bint inside, real outside, bint anew,
    real* to,
) noexcept nogil:
    """A row of one segment of the outer axes, for every segment of the inner axis."""
    cdef const Axis* w = &of.axis[2]
    cdef Py_ssize_t s, c, count = tile.count[2] + w.reach
    for s in range(w.segments):
        if inside:
            copy_runs(
                x, of.xs[1], of.xs[4], w.size, w.segment[s] + tile.first[2] * w.step, w.step, count, channels, outside,
                anew, to, of.pitch,
            )
        elif anew:
            for c in range(channels):
                fill(outside, count, to + c * of.pitch)
        to += of.segment_size


cdef void copy_tile(
    const Problem* of, const Tile* tile, const char* x, Py_ssize_t channels, real outside, bint anew, real* to
) noexcept nogil:
    """All segments of some channels, with `outside` where they reach beyond x."""
    cdef const Axis* d = &of.axis[0]
    cdef const Axis* h = &of.axis[1]
    cdef Py_ssize_t sd, sh, n, i, j, at_d, at_h, length = of.axis[2].tile + of.axis[2].reach
    cdef bint inside
    cdef real* row
    for sd in range(d.segments):
        for sh in range(h.segments):
            for n in range(tile.images):
                for i in range(tile.count[0] + d.reach):
                    at_d = d.segment[sd] + (tile.first[0] + i) * d.step
                    row = to + (n * (d.tile + d.reach) + i) * (h.tile + h.reach) * length
                    for j in range(tile.count[1] + h.reach):
                        at_h = h.segment[sh] + (tile.first[1] + j) * h.step
                        inside = 0 <= at_d < d.size and 0 <= at_h < h.size
                        copy_row(
                            of, tile, x + n * of.xs[0] + at_d * of.xs[2] + at_h * of.xs[3] if inside else x, channels,
                            inside, outside, anew, row + j * length,
                        )
            to += of.axis[2].segments * of.segment_size


cdef void add_without_outside(const Sums* s, Py_ssize_t rows, Py_ssize_t lanes, Py_ssize_t outside) noexcept nogil:
    """As add_products, but for products with what lies outside: there b differs by one from b[outside]."""
    cdef real chain[64]
    cdef real a
    cdef const real* b
    cdef Py_ssize_t m, i, e, v, v0, count, at
    for m in range(rows):
        v0 = 0
        while v0 < lanes:
            count = min(64, lanes - v0)
            at = m * s.y_row + v0
            for v in range(count):
                chain[v] = 0 if s.before == NULL else s.before[at + v]
            for i in range(s.outer):
                for e in range(s.inner):
                    a = s.a[i * s.a_step + s.a_at[e] + m * s.a_row]
                    b = s.b + i * s.b_step + s.b_at[e] + v0
                    for v in range(count):
                        chain[v] = chain[v] if b[outside + v] - b[v] == 1 else chain[v] + a * b[v]
            for v in range(count):
                if s.after == NULL:
                    s.y[at + v] += chain[v]
                else:
                    s.after[at + v] = chain[v]
            v0 += count


cdef Py_ssize_t find_taps(const Problem* of, const Tile* tile, const Part* part) noexcept nogil:
    """List the taps of a part that reach into x from somewhere in the tile; how many there are."""
    cdef Py_ssize_t e, i, source, to = part.first_tap
    cdef bint reached
    for e in range(part.first_tap, part.first_tap + part.taps):
        reached = True
        for i in range(3):
            source = of.source[3 * e + i] + of.axis[i].step * tile.first[i]
            if source >= of.axis[i].size or source + of.axis[i].step * (tile.count[i] - 1) < 0:
                reached = False
        if reached:
            tile.offset[to] = of.offset[e]
            tile.weight_at[to] = of.weight_at[e]
            to += 1
    return to - part.first_tap


cdef void add_part(
    const Problem* of, const Tile* tile, const Part* part, Py_ssize_t c0, Py_ssize_t channels
) noexcept nogil:
    """Add the products of some channels to the sums of a part, block by block for some rows after the other."""
    cdef Sums sums
    cdef Py_ssize_t rows = tile.outputs * part.phases, row = 0, at, count, c
    cdef const real* w
    sums.inner = find_taps(of, tile, part)
    w = tile.w + part.weight + tile.first_output * part.phases // ROWS * part.block_step + c0 * part.channel_step
    sums.a_row = part.row_step
    sums.a_step = part.channel_step
    sums.a_at = tile.weight_at + part.first_tap
    sums.b_step = of.pitch
    sums.b_at = tile.offset + part.first_tap
    sums.y_row = tile.width
    while row < rows:
        count = min(ROWS, rows - row)
        at = (tile.outputs * part.first_phase + row) * tile.width
        sums.y = tile.sums + at
        c = 0
        while c < channels:
            sums.outer = min(BLOCK, channels - c)
            sums.a = w + c * part.channel_step
            sums.b = tile.copied + c * of.pitch
            sums.before = NULL if c0 % BLOCK == 0 else tile.chains + at
            sums.after = NULL
            if (c0 + c + sums.outer) % BLOCK and c0 + c + sums.outer < of.channels:
                sums.after = tile.chains + at
            if of.careful:
                add_without_outside(&sums, count, tile.lanes, tile.outside - tile.copied)
            else:
                add_products(count, &sums, tile.lanes)
            c += BLOCK
        w += part.block_step
        row += ROWS


cdef void add_channels(const Problem* of, const Tile* tile) noexcept nogil:
    """Add the products of all channels, chunk by chunk."""
    cdef Py_ssize_t c0 = 0, i, channels
    while c0 < of.channels:
        channels = min(of.chunk, of.channels - c0)
        copy_tile(of, tile, tile.x + c0 * of.xs[1], channels, 0, c0 == 0, tile.copied)
        if of.careful:
            copy_tile(of, tile, tile.x + c0 * of.xs[1], channels, 1, c0 == 0, tile.outside)
        for i in range(of.parts):
            add_part(of, tile, &of.part[i], c0, channels)
        c0 += channels


cdef void store_row(
    const Problem* of, const Tile* tile, const real** sums, Py_ssize_t lane, char* y
) noexcept nogil:
    """The phases of the inner axis for one row of the tile, which starts at a lane: whole runs of y where it can be."""
    cdef const Axis* w = &of.axis[2]
    cdef const real* rows[MOST_PHASES]
    cdef Py_ssize_t t0 = tile.first[2], count, done = 0, r, t
    cdef char* to
    for r in range(w.phases):
        rows[r] = sums[r] + lane
    if of.ys[4] == sizeof(real) and w.phases == w.out_step:
        done = min(tile.count[2], w.phase[2 * w.phases - 1] - t0)
        if done > 0:
            interleave(&rows[0], w.phases, done, <real*>(y + (w.phase[0] + w.out_step * t0) * sizeof(real)))
        done = max(done, 0)
    for r in range(w.phases):
        count = min(tile.count[2], w.phase[2 * r + 1] - t0)
        if done < count:
            to = y + (w.phase[2 * r] + w.out_step * (t0 + done)) * of.ys[4]
            for t in range(count - done):
                (<real*>(to + t * w.out_step * of.ys[4]))[0] = rows[r][done + t]


cdef void store_planes(
    const Problem* of, const Tile* tile, const real** sums, const Py_ssize_t* d, const Py_ssize_t* h, char* y
) noexcept nogil:
    """The outputs of a phase of the outer axes in one output channel; d and h are its start and count."""
    cdef Py_ssize_t length_d = of.axis[0].tile + of.axis[0].reach, length_h = of.axis[1].tile + of.axis[1].reach
    cdef Py_ssize_t length_w = of.axis[2].tile + of.axis[2].reach, t_d = tile.first[0], t_h = tile.first[1], n, i, j
    for n in range(tile.images):
        for i in range(min(tile.count[0], d[1] - t_d)):
            for j in range(min(tile.count[1], h[1] - t_h)):
                store_row(
                    of, tile, sums, ((n * length_d + i) * length_h + j) * length_w,
                    y + n * of.ys[0] + (d[0] + of.axis[0].out_step * (t_d + i)) * of.ys[2]
                    + (h[0] + of.axis[1].out_step * (t_h + j)) * of.ys[3],
                )


cdef void store_channels(
    const Problem* of, const Tile* tile, const real* sums, Py_ssize_t row, const Py_ssize_t* d, const Py_ssize_t* h,
    const Py_ssize_t* w, char* y,
) noexcept nogil:
    """The outputs of one phase where channels are neighbours in y; `row` is from channel to channel in the sums."""
    cdef Py_ssize_t length_d = of.axis[0].tile + of.axis[0].reach, length_h = of.axis[1].tile + of.axis[1].reach
    cdef Py_ssize_t length_w = of.axis[2].tile + of.axis[2].reach, n, i, j, m, t, count
    cdef Py_ssize_t step = of.axis[2].out_step * of.ys[4] if w[1] > 1 else 0
    cdef char* to
    count = min(tile.count[2], w[1] - tile.first[2])
    for n in range(tile.images):
        for i in range(min(tile.count[0], d[1] - tile.first[0])):
            for j in range(min(tile.count[1], h[1] - tile.first[1])):
                to = y + n * of.ys[0] + (d[0] + of.axis[0].out_step * (tile.first[0] + i)) * of.ys[2]
                to += (h[0] + of.axis[1].out_step * (tile.first[1] + j)) * of.ys[3] + w[0] * of.ys[4]
                to += tile.first[2] * step
                t = 0
                while t < count:
                    m = 0
                    while m < tile.outputs:
                        transpose(
                            sums + ((n * length_d + i) * length_h + j) * length_w + t + m * row, row,
                            min(LANES, tile.outputs - m), min(LANES, count - t),
                            <real*>(to + t * step) + m, step // <Py_ssize_t>sizeof(real),
                        )
                        m += LANES
                    t += LANES


cdef void store(const Problem* of, const Tile* tile) noexcept nogil:
    """Put the sums where they belong in y."""
    cdef const real* rows[MOST_PHASES]
    cdef Py_ssize_t m, d, h, w, apart
    cdef bint neighbours = of.ys[1] == sizeof(real) and of.ys[4] != sizeof(real)
    cdef const Py_ssize_t* where = of.where
    cdef const Py_ssize_t* phase_d
    cdef const Py_ssize_t* phase_h
    for d in range(of.axis[0].phases):
        for h in range(of.axis[1].phases):
            phase_d = of.axis[0].phase + 2 * d
            phase_h = of.axis[1].phase + 2 * h
            for m in range(1 if neighbours else tile.outputs):
                for w in range(of.axis[2].phases):
                    apart = of.part[where[2 * w]].phases * tile.width
                    rows[w] = tile.sums + tile.outputs * of.part[where[2 * w]].first_phase * tile.width
                    rows[w] += where[2 * w + 1] * tile.width + m * apart
                    if neighbours:
                        store_channels(of, tile, rows[w], apart, phase_d, phase_h, of.axis[2].phase + 2 * w, tile.y)
                if not neighbours:
                    store_planes(of, tile, rows, phase_d, phase_h, tile.y + m * of.ys[1])
            where += 2 * of.axis[2].phases


cdef void start(const Problem* of, const Tile* tile) noexcept nogil:
    """Every sum starts as the bias."""
    cdef Py_ssize_t i, m
    cdef real* to = tile.sums
    for i in range(of.parts):
        for m in range(tile.outputs):
            fill(tile.bias[m], of.part[i].phases * tile.width, to)
            to += of.part[i].phases * tile.width


cdef Py_ssize_t width_of(const Problem* of, Py_ssize_t images, Py_ssize_t d, Py_ssize_t h, Py_ssize_t w) noexcept nogil:
    """The lanes of a tile."""
    cdef Py_ssize_t lanes = (images - 1) * (of.axis[0].tile + of.axis[0].reach) + d - 1
    lanes = lanes * (of.axis[1].tile + of.axis[1].reach) + h - 1
    return lanes * (of.axis[2].tile + of.axis[2].reach) + w


cdef Tile* new_tile(const Problem* of) noexcept nogil:
    """A tile and its scratch in one piece, freed by free(); NULL where there is no memory."""
    cdef Py_ssize_t copied = (of.chunk * of.pitch + 2 * LANES) // LANES * LANES, lanes, sums
    cdef Py_ssize_t times = 1 if of.chunk % BLOCK == 0 or of.chunk == of.channels else 2
    cdef Py_ssize_t head = sizeof(Tile) // 64 * 64 + 64
    cdef Tile* tile
    lanes = width_of(of, of.images, of.axis[0].tile, of.axis[1].tile, of.axis[2].tile)
    sums = min(of.share, of.outputs) * of.phases * ((lanes + LANES - 1) // LANES * LANES)
    tile = <Tile*>scratch(  # LANES more: whole vectors of sums are read
        head + (copied * (2 if of.careful else 1) + sums * times + LANES) * sizeof(real)
        + 2 * of.taps * sizeof(Py_ssize_t)
    )
    if tile == NULL:
        return NULL
    tile.copied = <real*>(<char*>tile + head)
    tile.outside = tile.copied + copied
    tile.sums = tile.copied + copied * (2 if of.careful else 1)
    tile.chains = tile.sums + sums
    tile.offset = <Py_ssize_t*>(tile.sums + sums * times + LANES)
    tile.weight_at = tile.offset + of.taps
    memset(tile.copied, 0, copied * (2 if of.careful else 1) * sizeof(real))
    return tile


cdef void do_task(
    const Problem* of, Py_ssize_t task, Py_ssize_t shares, Py_ssize_t images, const char* x, const real* w,
    Py_ssize_t group_weights, const real* bias, char* y, Tile* tile,
) noexcept nogil:
    """Task number `task`: a tile, a share of the output channels, a group and some images."""
    cdef Py_ssize_t i, n, group
    cdef const Axis* axis
    for i in range(2, -1, -1):
        axis = &of.axis[i]
        tile.first[i] = task % axis.tiles * axis.tile
        tile.count[i] = min(axis.tile, axis.domain - tile.first[i])
        task = task // axis.tiles
    n = task % images * of.images
    task = task // images
    tile.images = min(of.images, of.batch - n)
    tile.first_output = task % shares * of.share
    tile.outputs = min(of.share, of.outputs - tile.first_output)
    group = task // shares
    tile.x = x + n * of.xs[0] + group * of.channels * of.xs[1]
    tile.w = w + group * group_weights
    tile.bias = bias + group * of.outputs + tile.first_output
    tile.y = y + n * of.ys[0] + (group * of.outputs + tile.first_output) * of.ys[1]
    tile.lanes = width_of(of, tile.images, tile.count[0], tile.count[1], tile.count[2])
    tile.width = (tile.lanes + LANES - 1) // LANES * LANES
    start(of, tile)
    add_channels(of, tile)
    store(of, tile)


cdef void set_axis(
    Axis* axis, const Py_ssize_t* sizes, const Py_ssize_t[::1] segment, const Py_ssize_t[:, ::1] phase
) noexcept nogil:
    axis.size = sizes[0]
    axis.step = sizes[1]
    axis.out_step = sizes[2]
    axis.domain = sizes[3]
    axis.tile = sizes[4]
    axis.reach = sizes[5]
    axis.tiles = (axis.domain + axis.tile - 1) // axis.tile
    axis.segments = segment.shape[0]
    axis.segment = &segment[0]
    axis.phases = phase.shape[0]
    axis.phase = &phase[0, 0]


def contract(
    const real[:, :, :, :, :] x, const real[::1] w, const real[::1] bias, real[:, :, :, :, :] y, Py_ssize_t groups,
    Py_ssize_t group_weights, bint careful, const Py_ssize_t[::1] tile, const Py_ssize_t[:, ::1] axes,
    const Py_ssize_t[::1] segment_d, const Py_ssize_t[::1] segment_h, const Py_ssize_t[::1] segment_w,
    const Py_ssize_t[:, ::1] phase_d, const Py_ssize_t[:, ::1] phase_h, const Py_ssize_t[:, ::1] phase_w,
    const Py_ssize_t[:, ::1] parts, const Py_ssize_t[:, ::1] source, const Py_ssize_t[::1] offset,
    const Py_ssize_t[::1] weight_at, const Py_ssize_t[:, ::1] where, int num_threads,
):
    """Write the outputs of all phases of the tables; `careful` says that some weight is not finite.

    `tile` is images, share, chunk, segment_size, pitch. MemoryError where scratch cannot be had.
    """
    cdef Problem of
    cdef int i, failed = 0
    cdef Py_ssize_t task, tasks, shares, images
    cdef Tile* worker = NULL
    cdef const char* px = <const char*>&x[0, 0, 0, 0, 0]
    cdef char* py = <char*>&y[0, 0, 0, 0, 0]
    set_axis(&of.axis[0], &axes[0, 0], segment_d, phase_d)
    set_axis(&of.axis[1], &axes[1, 0], segment_h, phase_h)
    set_axis(&of.axis[2], &axes[2, 0], segment_w, phase_w)
    of.batch = x.shape[0]
    of.channels = x.shape[1] // groups
    of.outputs = y.shape[1] // groups
    of.images = tile[0]
    of.share = tile[1]
    of.chunk = tile[2]
    of.segment_size = tile[3]
    of.pitch = tile[4]
    of.parts = parts.shape[0]
    of.part = <const Part*>&parts[0, 0]
    of.taps = offset.shape[0]
    of.phases = where.shape[0]
    of.source = &source[0, 0]
    of.offset = &offset[0]
    of.weight_at = &weight_at[0]
    of.where = &where[0, 0]
    of.careful = careful
    for i in range(5):
        of.xs[i] = x.strides[i]
        of.ys[i] = y.strides[i]
    shares = (of.outputs + of.share - 1) // of.share
    images = (of.batch + of.images - 1) // of.images
    tasks = groups * shares * images * of.axis[0].tiles * of.axis[1].tiles * of.axis[2].tiles
    with nogil, parallel(num_threads=num_threads):
        worker = new_tile(&of)
        for task in prange(tasks, schedule="dynamic"):
            if worker == NULL:
                failed |= 1
            else:
                do_task(&of, task, shares, images, px, &w[0], group_weights, &bias[0], py, worker)
        free(worker)
    if failed:
        raise MemoryError("no memory for the sums of a tile")


def fill_with_bias(real[:, :, :, :, :] y, const real[::1] bias, int num_threads):
    """Write the outputs that no tap reaches, and all others with them."""
    cdef Py_ssize_t task, n, c, d, h, w
    for task in prange(y.shape[0] * y.shape[1], nogil=True, num_threads=num_threads, schedule="static"):
        n = task // y.shape[1]
        c = task % y.shape[1]
        for d in range(y.shape[2]):
            for h in range(y.shape[3]):
                for w in range(y.shape[4]):
                    y[n, c, d, h, w] = bias[c]


cdef int pack_block(
    const real* w, Py_ssize_t row, Py_ssize_t outputs, Py_ssize_t channels, const Py_ssize_t* ws, const Part* part,
    const Py_ssize_t* tap, real* to,
) noexcept nogil:
    """[channel][tap][ROWS] from w, with zeros for what is not there; 1 if some weight is not finite."""
    cdef Py_ssize_t _c, e, k
    cdef Py_ssize_t at[ROWS]
    cdef const Py_ssize_t* taps[ROWS]
    cdef int r, rows = min(ROWS, outputs * part.phases - row)
    cdef real* start = to
    for r in range(rows):
        at[r] = (row + r) // part.phases * ws[2]
        taps[r] = tap + (row + r) % part.phases * part.taps
    for _c in range(channels):
        for e in range(part.taps):
            for r in range(rows):
                k = taps[r][e]
                to[r] = w[at[r] + k] if k >= 0 else <real>0
            for r in range(rows, ROWS):
                to[r] = 0
            to += ROWS
        w += ws[1]
    return not all_finite(start, to - start)


def pack(
    const real[::1] w, real[::1] packed, Py_ssize_t groups, Py_ssize_t channels, Py_ssize_t outputs,
    const Py_ssize_t[::1] ws, const Py_ssize_t[:, ::1] parts, const Py_ssize_t[::1] tap, int num_threads,
):
    """Put the weights in the order in which `contract` reads them; whether all of them are finite.

    Tap k of group g, channel c and output channel m lies at g * ws[0] + c * ws[1] + m * ws[2] + k; `tap` gives k for
    each part, phase and tap of the part, -1 for zero.
    """
    cdef const Part* part
    cdef Py_ssize_t task, i, group, block, blocks, first = 0
    cdef Py_ssize_t group_weights = packed.shape[0] // groups
    cdef int bad = 0
    for i in range(parts.shape[0]):
        part = <const Part*>&parts[i, 0]
        blocks = (outputs * part.phases + ROWS - 1) // ROWS
        for task in prange(groups * blocks, nogil=True, num_threads=num_threads, schedule="static"):
            group = task // blocks
            block = task % blocks
            bad |= pack_block(
                &w[0] + group * ws[0], block * ROWS, outputs, channels, &ws[0], part, &tap[first],
                &packed[0] + group * group_weights + part.weight + block * part.block_step,
            )
        first += part.phases * part.taps
    return not bad


def is_finite(const real[::1] w):
    """Whether no weight is infinite or NaN."""
    return all_finite(&w[0], w.shape[0])


def shape():
    """Lanes of a vector and rows of a block, which the plan must know."""
    return LANES, ROWS
