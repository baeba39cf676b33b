"""What a tile of transposed convolution is, and how its numbers come from x and go to y; dense.pyx says the rest."""

from runs cimport (
    LANES, Run, copy_channels, copy_rows, copy_run, count_of, fill, interleave, pointer, real, run_of, take, transpose,
)

cdef extern from "simd.h" nogil:
    void ask_to_write(const void* p, Py_ssize_t bytes)

cdef enum:
    MOST_PHASES = 1024  # of all axes in a pass: as in _plan_conv.py
    FAR = 1 << 21  # bytes of y, beyond which rows of the next channel are asked for while one is stored
    RUNS = 32  # of a row, which are found once for all rows of a tile
    JOINED = 1024  # numbers of short rows that are interleaved at once
    LISTED = 16384  # most places in a tile's lists of taps, where these are listed for several channels

cdef enum:  # where a task finds weights
    PACKED  # once for all tasks
    PIECEWISE  # packed by the task, for ROWS output channels and some channels after the other
    TURNED  # the same, all that they have, for all parts: [channel][number in the kernel][output channel]
    IN_PLACE  # as they are given

cdef struct Axis:
    Py_ssize_t size  # of x
    Py_ssize_t step
    Py_ssize_t out_step
    Py_ssize_t domain  # most outputs of a phase
    Py_ssize_t tile  # most of them in a tile
    Py_ssize_t reach  # a segment is longer than the tile by this
    Py_ssize_t gap  # and the lanes of a tile, or of its sums, by this: reach, or not at all
    Py_ssize_t segments
    Py_ssize_t phases
    Py_ssize_t tiles
    const Py_ssize_t* segment  # the first source of each; if folded, the first and the last source of all taps
    const Py_ssize_t* phase  # start and count of each

# Phases that read the same inputs. Their rows are (output channel, phase), in blocks of ROWS. Packed weights lie as
# they are read: [chunk of channels][block][channel][tap][row], or as in exchanged.pxd.
cdef struct Part "part":
    Py_ssize_t taps
    Py_ssize_t phases
    Py_ssize_t first_tap
    Py_ssize_t first_phase  # in the sums, after those of other parts
    Py_ssize_t weight  # where those of the part begin
    Py_ssize_t kind[3]  # by minimal filtering: the transforms,
    Py_ssize_t complete  # and whether no other part adds to the same products

cdef struct Problem:
    Axis axis[3]
    Py_ssize_t batch
    Py_ssize_t images  # most in a tile
    Py_ssize_t channels  # of a group
    Py_ssize_t outputs  # of a group
    Py_ssize_t share  # most output channels of a task, or pieces if exchanged,
    Py_ssize_t piece  # and output channels of the largest piece, of which sums are in scratch at once
    Py_ssize_t pieces
    Py_ssize_t unit  # output channels that are not cut
    Py_ssize_t block  # channels of a chain
    Py_ssize_t chunk  # channels in scratch at once: blocks, or a divisor of a block, or all
    Py_ssize_t parts
    const Part* part
    Py_ssize_t taps  # of all parts, as are phases
    Py_ssize_t phases
    const Py_ssize_t* source  # of each tap on each axis: it reads x at source + step * t
    const Py_ssize_t* offset  # of each tap in scratch
    const Py_ssize_t* weight_at
    const Py_ssize_t* where  # for each phase of all axes its part and its number there
    const Py_ssize_t* tap  # for each part, phase and tap its number in the kernel, or -1
    Py_ssize_t ws[3]  # of weights as they are given: from group to group, channel to channel, output to output channel
    Py_ssize_t weights  # how they are read: PACKED ...
    Py_ssize_t segment_size
    Py_ssize_t pitch  # of a channel in scratch
    Py_ssize_t xs[5]
    Py_ssize_t ys[5]
    bint careful  # some weight is not finite
    bint asks  # for rows of y before they are stored
    bint exchanged  # vectors along output channels; see exchanged.pxd
    bint row_vectors  # each vector of lanes is of one row of the tile, whose width is of whole vectors
    bint folded  # by sums for each tap; see folded.pxd
    bint minimal  # by minimal filtering; each axis has so many outputs in a lane:
    Py_ssize_t outs[3]

cdef inline int set_axis(Axis* axis, object numbers, object segments) except -1:
    """Take over an axis' tables, but for phases."""
    cdef Py_ssize_t n[6]
    take(numbers.tolist(), n, 6)
    axis.size, axis.step, axis.out_step, axis.domain, axis.tile, axis.reach = n[0], n[1], n[2], n[3], n[4], n[5]
    axis.gap = axis.reach
    axis.tiles = count_of(axis.domain, axis.tile)
    axis.segments = len(segments)
    axis.segment = pointer(segments)
    return 0


cdef struct Tile:
    Py_ssize_t images
    Py_ssize_t first[3]
    Py_ssize_t count[3]
    Py_ssize_t outputs
    Py_ssize_t first_output
    Py_ssize_t first_piece  # if exchanged,
    Py_ssize_t end_piece
    Py_ssize_t lanes
    Py_ssize_t width  # of a row of sums
    const char* x
    const real* w
    const real* w_end  # where the weights end, if they are not packed
    const real* bias
    char* y
    real* copied
    real* outside
    real* sums
    real* chains  # where chains go on in the next chunk
    real* packed  # weights that the task packs
    real* turned  # sums, where vectors run along output channels
    real* spread  # x at the points of minimal filtering,
    real* products  # and the sums of products at each of them, or if folded for each tap
    Py_ssize_t* vector_at  # with row vectors, or by minimal filtering, where each vector begins in a segment
    Py_ssize_t* offset  # of the taps that reach into x from somewhere in the tile,
    Py_ssize_t* weight_at  # by part and channel, or for each block of pixels as exchanged.pxd cuts them:
    Py_ssize_t* reached  # how many taps each has, of all parts,
    Py_ssize_t* list  # where that list begins,
    Py_ssize_t* lane  # where the block does,
    Py_ssize_t* sum_at  # and where its sums do;
    Py_ssize_t blocks  # how many blocks there are,
    Py_ssize_t longer  # of which the first have one pixel more than
    Py_ssize_t pixels


cdef inline Py_ssize_t find_taps(
    const Problem* of, const Part* part, const Py_ssize_t* first, const Py_ssize_t* count, Py_ssize_t* offset,
    Py_ssize_t* weight_at,
) noexcept nogil:
    """List the taps of a part that reach into x from somewhere in a box of outputs; how many there are."""
    cdef Py_ssize_t e, i, source, found = 0
    cdef bint reached
    for e in range(part.first_tap, part.first_tap + part.taps):
        reached = True
        for i in range(3):
            source = of.source[3 * e + i] + of.axis[i].step * first[i]
            if source >= of.axis[i].size or source + of.axis[i].step * (count[i] - 1) < 0:
                reached = False
        if reached:
            offset[found] = of.offset[e]
            weight_at[found] = of.weight_at[e]
            found += 1
    return found


cdef inline Py_ssize_t first_of(const Problem* of, Py_ssize_t piece) noexcept nogil:
    """The first output channel of a piece."""
    return min(of.outputs, piece * count_of(of.outputs, of.unit) // of.pieces * of.unit)


cdef inline Py_ssize_t listed_of(const Problem* of, Py_ssize_t places) noexcept nogil:
    """The channels for which taps, of so many places, are listed: those of a chain, or one where lists were long."""
    cdef Py_ssize_t channels = min(of.block, of.channels)
    return channels if channels * places <= LISTED else 1


cdef inline void repeat_taps(
    Py_ssize_t taps, Py_ssize_t channels, Py_ssize_t x_step, Py_ssize_t w_step, Py_ssize_t* offset,
    Py_ssize_t* weight_at,
) noexcept nogil:
    """Repeat the places of some taps for the further channels of a chain: in one loop over places the product takes a
    tenth less time than in one over channels and one over few taps."""
    cdef Py_ssize_t i
    for i in range(taps, taps * channels):
        offset[i] = offset[i - taps] + x_step
        weight_at[i] = weight_at[i - taps] + w_step


cdef inline Run run_of_segment(const Problem* of, const Tile* tile, Py_ssize_t s) noexcept nogil:
    """What a segment of the inner axis has of a row."""
    cdef const Axis* w = &of.axis[2]
    return run_of(w.size, w.segment[s] + tile.first[2] * w.step, w.step, tile.count[2] + w.reach)


cdef inline void copy_row(
    const Problem* of, const Tile* tile, const Run* runs, const char* x, Py_ssize_t channels, bint inside, real outside,
    bint anew, real* to,
) noexcept nogil:
    """A row of one segment of the outer axes, for every segment of the inner axis; the runs of the first are known."""
    cdef const Axis* w = &of.axis[2]
    cdef Py_ssize_t s, c, count = tile.count[2] + w.reach
    cdef Run run
    for s in range(w.segments):
        if inside:
            run = runs[s] if s < RUNS else run_of_segment(of, tile, s)
            copy_run(x, of.xs[1], of.xs[4], &run, w.step, count, channels, outside, anew, to, of.pitch)
        elif anew:
            for c in range(channels):
                fill(outside, count, to + c * of.pitch)
        to += of.segment_size


cdef inline bint of_whole_rows(const Problem* of, const Tile* tile) noexcept nogil:
    """Whether rows of x are copied whole, so that those of a plane follow each other in x and in scratch."""
    cdef const Axis* w = &of.axis[2]
    cdef bint whole = w.segments == 1 and w.step == 1 and w.segment[0] + tile.first[2] == 0
    whole = whole and tile.count[2] + w.reach == w.size and w.tile + w.reach == w.size and of.axis[1].step == 1
    return whole and of.xs[4] == sizeof(real) and of.xs[3] == w.size * <Py_ssize_t>sizeof(real)


cdef inline void copy_plane(
    const Problem* of, const Tile* tile, const Run* runs, const char* x, Py_ssize_t channels, bint inside, real outside,
    bint anew, real* to,
) noexcept nogil:
    """Rows at one depth, for every segment of the height: in the order of memory where these take turns."""
    cdef const Axis* h = &of.axis[1]
    cdef Py_ssize_t length = of.axis[2].tile + of.axis[2].reach, segment = of.axis[2].segments * of.segment_size
    cdef Py_ssize_t s, j, at, j0, j1, rows = tile.count[1] + h.reach
    cdef bint whole = inside and of_whole_rows(of, tile), found
    for s in range(h.segments if whole else 0):
        at = h.segment[s] + tile.first[1]
        j0 = max(0, -at)
        j1 = min(rows, h.size - at)
        if j0 < j1:
            copy_channels(
                x + (at + j0) * of.xs[3], of.xs[1], sizeof(real), (j1 - j0) * length, channels,
                to + s * segment + j0 * length, of.pitch,
            )
    for j in range(rows):
        for s in range(h.segments):
            at = h.segment[s] + (tile.first[1] + j) * h.step
            found = inside and 0 <= at < h.size
            if not (found and whole):
                copy_row(
                    of, tile, runs, x + at * of.xs[3] if found else x, channels, found, outside, anew,
                    to + s * segment + j * length,
                )


cdef inline void copy_tile(
    const Problem* of, const Tile* tile, const char* x, Py_ssize_t channels, real outside, bint anew, real* to
) noexcept nogil:
    """All segments of some channels, with `outside` where they reach beyond x."""
    cdef const Axis* d = &of.axis[0]
    cdef Py_ssize_t plane = (of.axis[1].tile + of.axis[1].reach) * (of.axis[2].tile + of.axis[2].reach), s, n, i, at
    cdef Run runs[RUNS]
    cdef bint inside
    for s in range(min(of.axis[2].segments, RUNS)):
        runs[s] = run_of_segment(of, tile, s)
    for s in range(d.segments):
        for n in range(tile.images):
            for i in range(tile.count[0] + d.reach):
                at = d.segment[s] + (tile.first[0] + i) * d.step
                inside = 0 <= at < d.size
                copy_plane(
                    of, tile, runs, x + n * of.xs[0] + at * of.xs[2] if inside else x, channels, inside, outside, anew,
                    to + (n * (d.tile + d.reach) + i) * plane,
                )
        to += of.axis[1].segments * of.axis[2].segments * of.segment_size


cdef inline void store_row(
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
            to = y + (w.phase[0] + w.out_step * t0) * sizeof(real)
            ask_to_write(to + of.ys[1], done * w.phases * sizeof(real) if of.asks else 0)
            interleave(&rows[0], w.phases, done, <real*>to)
        done = max(done, 0)
    for r in range(w.phases):
        count = min(tile.count[2], w.phase[2 * r + 1] - t0)
        if done < count:
            to = y + (w.phase[2 * r] + w.out_step * (t0 + done)) * of.ys[4]
            for t in range(count - done):
                (<real*>(to + t * w.out_step * of.ys[4]))[0] = rows[r][done + t]


cdef inline bint of_joined_rows(const Problem* of, const Tile* tile) noexcept nogil:
    """Whether rows of the tile follow each other in the sums, are short, and whole runs of y."""
    cdef const Axis* w = &of.axis[2]
    cdef bint whole = of.ys[4] == sizeof(real) and w.phases == w.out_step and w.phases <= JOINED // LANES
    whole = whole and w.gap == 0 and tile.count[2] == w.tile and w.tile < LANES
    return whole and w.phase[2 * w.phases - 1] - tile.first[2] >= w.tile


cdef inline void store_joined_rows(
    const Problem* of, const Tile* tile, const real** sums, Py_ssize_t lane, char* y
) noexcept nogil:
    """store_rows for rows that are interleaved several at once."""
    cdef real joined[JOINED]
    cdef const real* rows[JOINED]
    cdef const Axis* h = &of.axis[1]
    cdef const Axis* w = &of.axis[2]
    cdef Py_ssize_t wide = w.tile * w.phases, step = h.out_step * of.ys[3], i, j, r, count, k
    cdef char* to
    for i in range(h.phases):
        j = 0
        while j < min(tile.count[1], h.phase[2 * i + 1] - tile.first[1]):
            count = min(JOINED // wide, min(tile.count[1], h.phase[2 * i + 1] - tile.first[1]) - j)
            to = y + h.phase[2 * i] * of.ys[3] + (w.phase[0] + w.out_step * tile.first[2]) * sizeof(real) + j * step
            for r in range(w.phases):
                rows[r] = sums[i * w.phases + r] + lane + j * w.tile
            for k in range(count if of.asks else 0):
                ask_to_write(to + of.ys[1] + k * step, wide * sizeof(real))
            interleave(&rows[0], w.phases, count * w.tile, joined)
            copy_rows(<const char*>joined, wide * sizeof(real), wide, count, to, step)
            j += count


cdef inline void store_rows(
    const Problem* of, const Tile* tile, const real** sums, Py_ssize_t lane, char* y
) noexcept nogil:
    """The outputs of one output channel at one depth, of which `lane` is the first, in the order of memory.

    sums are those of each phase of the inner axes.
    """
    cdef const Axis* h = &of.axis[1]
    cdef const Axis* w = &of.axis[2]
    cdef const Py_ssize_t* phase
    cdef Py_ssize_t length = w.tile + w.gap, i, j, count, rows
    cdef char* to
    y += tile.first[1] * h.out_step * of.ys[3]
    if of_joined_rows(of, tile):
        store_joined_rows(of, tile, sums, lane, y)
        return
    if w.phases == 1 and w.out_step == 1 and of.ys[4] == sizeof(real):  # a row of y is one of the tile
        for i in range(h.phases):
            phase = h.phase + 2 * i
            to = y + phase[0] * of.ys[3] + (w.phase[0] + tile.first[2]) * sizeof(real)
            count = min(tile.count[2], w.phase[1] - tile.first[2])
            rows = min(tile.count[1], phase[1] - tile.first[1])
            for j in range(rows):
                ask_to_write(to + of.ys[1] + j * h.out_step * of.ys[3], count * sizeof(real) if of.asks else 0)
            copy_rows(
                <const char*>(sums[i] + lane), length * sizeof(real), count, rows, to, h.out_step * of.ys[3]
            )
        return
    for j in range(tile.count[1]):
        for i in range(h.phases):
            phase = h.phase + 2 * i
            if tile.first[1] + j < phase[1]:
                store_row(of, tile, sums + i * w.phases, lane + j * length, y + phase[0] * of.ys[3])
        y += h.out_step * of.ys[3]


cdef inline void store_planes(const Problem* of, const Tile* tile, const real** sums, char* y) noexcept nogil:
    """The outputs of one output channel, in the order of memory; sums are those of each phase of all axes."""
    cdef Py_ssize_t length_d = of.axis[0].tile + of.axis[0].gap, length_h = of.axis[1].tile + of.axis[1].gap
    cdef Py_ssize_t length_w = of.axis[2].tile + of.axis[2].gap, n, i, d
    cdef const Py_ssize_t* at
    for n in range(tile.images):
        for i in range(tile.count[0]):
            for d in range(of.axis[0].phases):
                at = of.axis[0].phase + 2 * d
                if tile.first[0] + i < at[1]:
                    store_rows(
                        of, tile, sums + d * of.axis[1].phases * of.axis[2].phases,
                        (n * length_d + i) * length_h * length_w,
                        y + n * of.ys[0] + (at[0] + of.axis[0].out_step * (tile.first[0] + i)) * of.ys[2],
                    )


cdef inline void store_pixels(
    const Problem* of, const Tile* tile, const real** sums, const Py_ssize_t* row, Py_ssize_t lane, char* y
) noexcept nogil:
    """The phases of the inner axis for one row of the tile, which starts at a lane, where channels are neighbours in y.

    row[w] is from channel to channel in the sums of a phase. Some pixels of all phases, which lie together, at a time.
    """
    cdef const Axis* axis = &of.axis[2]
    cdef Py_ssize_t step = axis.out_step * of.ys[4], t = 0, count, m, w
    cdef const Py_ssize_t* phase
    while t < tile.count[2]:
        for w in range(axis.phases):
            phase = axis.phase + 2 * w
            count = min(min(tile.count[2], phase[1] - tile.first[2]) - t, <Py_ssize_t>LANES)
            m = 0
            while m < tile.outputs and count > 0:
                transpose(
                    sums[w] + lane + t + m * row[w], row[w], min(LANES, tile.outputs - m), count,
                    <real*>(y + phase[0] * of.ys[4] + (tile.first[2] + t) * step) + m,
                    step // <Py_ssize_t>sizeof(real),
                )
                m += LANES
        t += LANES


cdef inline void store_channels(const Problem* of, const Tile* tile) noexcept nogil:
    """The outputs where channels are neighbours in y, in the order of memory but for pixels of a few lanes."""
    cdef const Axis* axis = &of.axis[0]
    cdef Py_ssize_t length_w = of.axis[2].tile + of.axis[2].gap, length_h = of.axis[1].tile + of.axis[1].gap
    cdef Py_ssize_t phases = axis[2].phases, plane, i, d, h, j, n
    cdef const real* sums[MOST_PHASES]
    cdef Py_ssize_t row[MOST_PHASES]
    cdef const Py_ssize_t* where
    cdef char* y
    for i in range(of.phases):
        where = of.where + 2 * i
        sums[i] = phase_sums(of, tile, where)
        row[i] = of.part[where[0]].phases * tile.width
    for plane in range(tile.images * tile.count[0] * axis[0].phases):
        d = plane % axis[0].phases
        i = plane // axis[0].phases % tile.count[0]
        n = plane // axis[0].phases // tile.count[0]
        if tile.first[0] + i >= axis[0].phase[2 * d + 1]:
            continue
        y = tile.y + n * of.ys[0] + (axis[0].phase[2 * d] + axis[0].out_step * (tile.first[0] + i)) * of.ys[2]
        for j in range(tile.count[1]):
            for h in range(axis[1].phases):
                if tile.first[1] + j < axis[1].phase[2 * h + 1]:
                    store_pixels(
                        of, tile, sums + (d * axis[1].phases + h) * phases, row + (d * axis[1].phases + h) * phases,
                        ((n * (axis[0].tile + axis[0].gap) + i) * length_h + j) * length_w,
                        y + (axis[1].phase[2 * h] + axis[1].out_step * (tile.first[1] + j)) * of.ys[3],
                    )


cdef inline void store(const Problem* of, const Tile* tile) noexcept nogil:
    """Put the sums where they belong in y."""
    cdef const real* rows[MOST_PHASES]
    cdef Py_ssize_t m, i, apart
    if of.ys[1] == sizeof(real) and of.ys[4] != sizeof(real):  # channels are neighbours
        store_channels(of, tile)
        return
    for m in range(tile.outputs):
        for i in range(of.phases):
            apart = of.part[of.where[2 * i]].phases * tile.width
            rows[i] = phase_sums(of, tile, of.where + 2 * i) + m * apart
        store_planes(of, tile, rows, tile.y + m * of.ys[1])


cdef inline const real* phase_sums(const Problem* of, const Tile* tile, const Py_ssize_t* where) noexcept nogil:
    """Those of a phase in the first output channel."""
    return tile.sums + (tile.outputs * of.part[where[0]].first_phase + where[1]) * tile.width


cdef inline Py_ssize_t width_of(
    const Problem* of, Py_ssize_t images, Py_ssize_t d, Py_ssize_t h, Py_ssize_t w
) noexcept nogil:
    """The lanes of a tile."""
    cdef Py_ssize_t lanes = (images - 1) * (of.axis[0].tile + of.axis[0].gap) + d - 1
    lanes = lanes * (of.axis[1].tile + of.axis[1].gap) + h - 1
    return lanes * (of.axis[2].tile + of.axis[2].gap) + w


cdef inline void begin_vectors(const Problem* of, const Tile* tile, Py_ssize_t* at) noexcept nogil:
    """Where each vector of a tile's lanes begins in a segment."""
    cdef const Axis* axis = &of.axis[0]
    cdef Py_ssize_t wide = axis[2].tile // LANES, length_h = axis[1].tile + axis[1].reach, v, row, plane
    for v in range(tile.width // LANES):
        at[v] = v * LANES
    for v in range(tile.width // LANES if of.row_vectors else 0):
        row = v // wide
        plane = row // axis[1].tile
        row += plane * axis[1].reach + plane // axis[0].tile * axis[0].reach * length_h
        at[v] = row * (axis[2].tile + axis[2].reach) + v % wide * LANES
