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
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from upsampling._kernels.calls cimport Call, call_scratch, keep, perform, stopped
from products cimport LANES, ROWS, Sums, add_products, real
from runs cimport all_finite, copy_runs, fill, transpose

cdef extern from "transpose.h" nogil:
    void interleave(const real** rows, Py_ssize_t phases, Py_ssize_t count, real* to)

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


cdef Py_ssize_t room_of(const Problem* of) noexcept nogil:
    """Bytes for a tile and its scratch, whatever the weights are."""
    return lay_out(of, True, NULL)


cdef Py_ssize_t lay_out(const Problem* of, bint careful, char* memory) noexcept nogil:
    """Put a tile and its scratch at `memory`, unless that is NULL; how many bytes they take."""
    cdef Py_ssize_t copied = (of.chunk * of.pitch + 2 * LANES) // LANES * LANES, lanes, sums
    cdef Py_ssize_t times = 1 if of.chunk % BLOCK == 0 or of.chunk == of.channels else 2
    cdef Py_ssize_t head = sizeof(Tile) // 64 * 64 + 64, copies = copied * (2 if careful else 1)
    cdef Tile* tile = <Tile*>memory
    lanes = width_of(of, of.images, of.axis[0].tile, of.axis[1].tile, of.axis[2].tile)
    sums = min(of.share, of.outputs) * of.phases * ((lanes + LANES - 1) // LANES * LANES)
    if memory != NULL:
        tile.copied = <real*>(memory + head)
        tile.outside = tile.copied + copied
        tile.sums = tile.copied + copies
        tile.chains = tile.sums + sums
        tile.offset = <Py_ssize_t*>(tile.sums + sums * times + LANES)  # whole vectors of sums are read
        tile.weight_at = tile.offset + of.taps
        memset(tile.copied, 0, copies * sizeof(real))
    return head + (copies + sums * times + LANES) * sizeof(real) + 2 * of.taps * sizeof(Py_ssize_t)


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


# The tables of some phases, which one run over the tasks writes, and how its weights lie.
cdef struct Pass:
    Problem of
    Py_ssize_t groups
    Py_ssize_t group_weights  # numbers from group to group
    Py_ssize_t ws[3]  # from group to group, channel to channel and output channel to output channel, unpacked
    const Py_ssize_t* tap  # for each part, phase and tap its number in the kernel, or -1
    bint direct  # weights are read where they lie
    bint merged  # some weights are zeros that are not there

# A call; its arrays are x, w, the bias or NULL, and y. x and y fill a piece of memory each, in whatever order.
cdef struct Job:
    Call call
    const Pass* passes
    Py_ssize_t count
    bint whole  # the passes write all of y
    bint again  # set where what was merged must be made apart
    const Pass* apart  # then, or NULL
    Py_ssize_t apart_count
    bint apart_whole
    Py_ssize_t x_size
    Py_ssize_t w_size
    Py_ssize_t y_shape[5]
    Py_ssize_t xs[5]
    Py_ssize_t ys[5]


cdef void contract(Job* job, const Pass* part, const real* w, const real* bias, bint careful) noexcept nogil:
    """Write the outputs of a pass; `careful` says that some weight is not finite."""
    cdef Problem of = part.of
    cdef Py_ssize_t task, tasks, shares, images, i
    cdef Call* call = &job.call
    cdef char* worker = NULL
    of.careful = careful
    for i in range(5):
        of.xs[i] = job.xs[i]
        of.ys[i] = job.ys[i]
    shares = (of.outputs + of.share - 1) // of.share
    images = (of.batch + of.images - 1) // of.images
    tasks = part.groups * shares * images * of.axis[0].tiles * of.axis[1].tiles * of.axis[2].tiles
    with parallel(num_threads=call.threads):
        worker = call_scratch(call)
        lay_out(&of, careful, worker)
        for task in prange(tasks, schedule="dynamic"):
            if not stopped(call):
                do_task(
                    &of, task, shares, images, <const char*>call.array[0], w, part.group_weights, bias,
                    <char*>call.array[3], <Tile*>worker,
                )


cdef void fill_with_bias(Job* job, const real* bias) noexcept nogil:
    """Write the outputs that no tap reaches, and all others with them."""
    cdef Py_ssize_t task, C = job.y_shape[1]
    for task in prange(job.y_shape[0] * C, num_threads=job.call.threads, schedule="static"):
        fill_plane(job, <char*>job.call.array[3] + task // C * job.ys[0] + task % C * job.ys[1], bias[task % C])


cdef void fill_plane(const Job* job, char* y, real value) noexcept nogil:
    cdef Py_ssize_t d, h, w
    for d in range(job.y_shape[2]):
        for h in range(job.y_shape[3]):
            for w in range(job.y_shape[4]):
                (<real*>(y + d * job.ys[2] + h * job.ys[3] + w * job.ys[4]))[0] = value


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


cdef bint pack(Call* call, const Pass* part, const real* w, real* packed) noexcept nogil:
    """Put the weights of a pass in the order in which `contract` reads them; whether all of them are finite."""
    cdef const Part* rows
    cdef Py_ssize_t task, i, group, block, blocks, first = 0
    cdef int bad = 0
    for i in range(part.of.parts):
        rows = &part.of.part[i]
        blocks = (part.of.outputs * rows.phases + ROWS - 1) // ROWS
        for task in prange(part.groups * blocks, num_threads=call.threads, schedule="static"):
            group = task // blocks
            block = task % blocks
            bad |= pack_block(
                w + group * part.ws[0], block * ROWS, part.of.outputs, part.of.channels, part.ws, rows,
                part.tap + first, packed + group * part.group_weights + rows.weight + block * rows.block_step,
            )
        first += rows.phases * rows.taps
    return not bad


cdef bint run_pass(Job* job, const Pass* part, const real* bias, real* packed) noexcept nogil:
    """Write the outputs of a pass; whether they are right: those of a merged one are not for infinities and NaN."""
    cdef const real* x = <const real*>job.call.array[0]
    cdef const real* w = <const real*>job.call.array[1]
    cdef const real* y = <const real*>job.call.array[3]
    cdef Py_ssize_t y_size = 1, i
    cdef bint finite = True, later
    for i in range(5):
        y_size *= job.y_shape[i]
    # The weight may be longer than the result, in which a number that is not finite shows as well.
    later = part.direct and job.w_size > y_size
    if part.direct:
        finite = later or all_finite(w, job.w_size)
    else:
        finite = pack(&job.call, part, w, packed)
        w = packed
    if part.merged and not finite:
        return False
    contract(job, part, w, bias, not finite)
    if part.merged:
        return all_finite(y, y_size) or all_finite(x, job.x_size)
    if later and not all_finite(y, y_size) and not all_finite(w, job.w_size):
        contract(job, part, w, bias, True)
    return True


cdef bint run_passes(Job* job, const Pass* passes, Py_ssize_t count, bint whole) noexcept nogil:
    cdef const real* bias = <const real*>job.call.array[2]
    cdef char* shared = job.call.scratch
    cdef Py_ssize_t i
    if bias == NULL:
        bias = <const real*>shared
        memset(shared, 0, job.y_shape[1] * sizeof(real))
        shared += rounded(job.y_shape[1] * sizeof(real))
    if not whole:
        fill_with_bias(job, bias)
    for i in range(count):
        if not run_pass(job, &passes[i], bias, <real*>shared):
            return False
        if job.call.stop:
            break
    return True


cdef void run(Call* call) noexcept nogil:
    """The whole call."""
    cdef Job* job = <Job*>call
    job.again = not run_passes(job, job.passes, job.count, job.whole)
    if job.again and job.apart != NULL:
        job.again = not run_passes(job, job.apart, job.apart_count, job.apart_whole)


cdef Py_ssize_t rounded(Py_ssize_t bytes) noexcept nogil:
    return (bytes + 63) // 64 * 64


cdef const Py_ssize_t* pointer(object table):
    """Where a table of sizes begins, which its owner keeps alive."""
    cdef const Py_ssize_t[::1] flat = table.reshape(-1)
    return &flat[0]


cdef class Passes:
    """The tables of a plan as `transposed` reads them; see upsampling/_plan_conv.py."""

    cdef Pass* passes
    cdef Py_ssize_t count
    cdef Py_ssize_t shared  # bytes of packed weights, and of a thread's scratch
    cdef Py_ssize_t each
    cdef bint whole
    cdef object tables

    def __cinit__(self, passes, bint whole, problem, steps):
        cdef Py_ssize_t i
        self.tables = passes
        self.whole = whole
        self.count = len(passes)
        self.passes = <Pass*>calloc(max(1, self.count), sizeof(Pass))
        if self.passes == NULL:
            raise MemoryError("no memory for the tables of a transposed convolution")
        for i in range(self.count):
            self.set_pass(&self.passes[i], passes[i], problem, steps)
            self.each = max(self.each, rounded(room_of(&self.passes[i].of)))
            if not self.passes[i].direct:
                self.shared = max(
                    self.shared, rounded(self.passes[i].groups * self.passes[i].group_weights * sizeof(real))
                )

    def __dealloc__(self):
        free(self.passes)

    cdef int set_pass(self, Pass* to, tables, problem, steps) except -1:
        cdef Problem* of = &to.of
        cdef Axis* axis
        cdef Py_ssize_t i
        of.images, of.share, of.chunk, of.segment_size, of.pitch = tables.tile.tolist()
        for i in range(3):
            axis = &of.axis[i]
            axis.size, axis.step, axis.out_step, axis.domain, axis.tile, axis.reach = tables.axes[i].tolist()
            axis.tiles = (axis.domain + axis.tile - 1) // axis.tile
            axis.segments = len(tables.segments[i])
            axis.segment = pointer(tables.segments[i])
            axis.phases = len(tables.phases[i])
            axis.phase = pointer(tables.phases[i])
        of.batch, to.groups, of.channels, of.outputs = problem.batch, problem.groups, problem.channels, problem.outputs
        of.parts = len(tables.parts)
        of.part = <const Part*>pointer(tables.parts)
        of.taps = len(tables.offset)
        of.phases = len(tables.where)
        of.source = pointer(tables.source)
        of.offset = pointer(tables.offset)
        of.weight_at = pointer(tables.weight_at)
        of.where = pointer(tables.where)
        to.tap = pointer(tables.tap)
        to.ws = steps
        to.group_weights, to.direct, to.merged = tables.group_weights, tables.direct, tables.merged
        return 0


def transposed(
    Passes passes, Passes apart, const real[:, :, :, :, :] x, const real[::1] w, const real[::1] bias,
    real[:, :, :, :, :] y, int num_threads,
):
    """Write y; True where that must be done again with `apart`, passes of a plan in which nothing is merged, or None.

    x and y each fill a piece of memory, in C order or channels-last; the bias may be None. MemoryError where scratch
    cannot be had.
    """
    cdef Job job
    cdef int i
    job.call.array[0] = <void*>&x[0, 0, 0, 0, 0]
    job.call.array[1] = <void*>&w[0]
    job.call.array[2] = <void*>&bias[0] if bias is not None else NULL
    job.call.array[3] = <void*>&y[0, 0, 0, 0, 0]
    job.call.read = 3
    job.call.written = 1
    job.call.threads = num_threads
    job.call.shared = passes.shared
    job.call.each = passes.each
    job.passes, job.count, job.whole = passes.passes, passes.count, passes.whole
    job.apart = NULL
    if apart is not None:
        job.call.shared = max(passes.shared, apart.shared)
        job.call.each = max(passes.each, apart.each)
        job.apart, job.apart_count, job.apart_whole = apart.passes, apart.count, apart.whole
    if bias is None:
        job.call.shared += rounded(y.shape[1] * sizeof(real))
    job.x_size = x.shape[0] * x.shape[1] * x.shape[2] * x.shape[3] * x.shape[4]
    job.w_size = w.shape[0]
    for i in range(5):
        job.y_shape[i] = y.shape[i]
        job.xs[i] = x.strides[i]
        job.ys[i] = y.strides[i]
    if perform(&job.call, sizeof(job), run):
        keep((passes, apart))
        return False
    return job.again


def shape():
    """Lanes of a vector and rows of a block, which the plan must know."""
    return LANES, ROWS
