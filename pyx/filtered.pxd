"""The gradient with respect to the weight by minimal filtering, with vectors along channels; see minimal.pxd.

On an axis, taps that meet neighbouring outputs of one phase form a run: two or three sums of products of `pixels`
numbers of x with taps + pixels - 1 numbers of g, so that x has the part of the filter and the weight that of the
outputs. Both are transformed, tile by tile of pixels, and the transformed weight is a sum over all tiles:

    x, pixels of a tile  --4 or 16 points-->  [point][tile][channel]             \\   for each point a product of
                                                                                  >  matrices, summed over tiles
    g that they meet     --the same points->  [point][tile][output, run]         /

    [point][output, run][channel]  --at the end of a task-->  the taps of all runs

Tiles are pieces of rows, over all images. A task is a range of tiles, a group, some of its channels and of its output
channels. Order of additions: `block` tiles are one chain, blocks are added in order, and ranges of tiles as in
outer.pyx. What is not finite spreads; then the result is not finite, and all is computed in another way.
"""

from libc.string cimport memset

from upsampling._kernels.calls cimport Call, call_scratch, stopped
from minimal cimport F23, F32, WHOLE, from_points, to_points
from products cimport LANES, ROWS, Sums, add_products, real, vec, vload, vset, vstore
from runs cimport copy_few, count_of, fill, transpose

cdef extern from "simd.h" nogil:
    """
    /* Inlined, so that for given transforms the loops over points unroll and these stay in registers. */
    static inline __attribute__((always_inline)) void x_points_as(int, int, const real *, ptrdiff_t, real *, ptrdiff_t);
    static inline __attribute__((always_inline)) void g_points_as(int, int, const real *, ptrdiff_t, ptrdiff_t,
        real *, ptrdiff_t);
    """

cdef enum:
    PIECE = 16  # most tiles of which pixels are copied at once
    MOST_BLOCK = 64

# An axis. A run's tap e is number first + e * step of the kernel, if there is such a tap.
cdef struct FilteredAxis:
    Py_ssize_t size  # of x
    Py_ssize_t out  # and of g
    Py_ssize_t kernel
    Py_ssize_t stride
    Py_ssize_t padding
    Py_ssize_t dilation
    int kind  # of minimal.pxd
    Py_ssize_t taps  # of a run
    Py_ssize_t pixels  # of a tile
    Py_ssize_t step
    Py_ssize_t tiles
    Py_ssize_t runs
    const Py_ssize_t* first

cdef struct Filtered:
    FilteredAxis axis[3]
    Py_ssize_t xs[5]
    Py_ssize_t gs[5]
    Py_ssize_t tiles  # of all images
    Py_ssize_t groups
    Py_ssize_t channels  # of a group
    Py_ssize_t outputs
    Py_ssize_t channel_share  # most of a task
    Py_ssize_t output_share
    Py_ssize_t block
    Py_ssize_t range  # tiles of a range
    Py_ssize_t ranges
    Py_ssize_t size  # of y

# What a task works with.
cdef struct Share:
    const char* x
    const char* g
    real* y
    Py_ssize_t channels
    Py_ssize_t outputs
    Py_ssize_t width  # from tile to tile in x's points, and from row to row of sums
    Py_ssize_t rows
    Py_ssize_t pitch  # from tile to tile in g's points
    real* x_points
    real* g_points
    real* sums
    real* copied

# Neighbouring tiles of a row of tiles.
cdef struct Piece:
    Py_ssize_t image
    Py_ssize_t first[3]  # pixel
    Py_ssize_t tiles


cdef inline Py_ssize_t points_of(int kind) noexcept nogil:
    return 1 if kind == WHOLE else 4


cdef inline Py_ssize_t all_points(const Filtered* of) noexcept nogil:
    return points_of(of.axis[1].kind) * points_of(of.axis[2].kind)


cdef inline Py_ssize_t all_runs(const Filtered* of) noexcept nogil:
    return of.axis[0].runs * of.axis[1].runs * of.axis[2].runs


cdef inline Py_ssize_t reach(const FilteredAxis* axis, Py_ssize_t tiles) noexcept nogil:
    """How many neighbouring numbers of g the pixels of some tiles meet."""
    cdef Py_ssize_t last = 0, i
    for i in range(axis.runs):
        last = max(last, axis.first[i])
    return (tiles * axis.pixels + axis.taps - 2) * axis.stride + last * axis.dilation + 1


cdef inline Py_ssize_t copied_numbers(const Filtered* of) noexcept nogil:
    """Of the copies of g, of x, and of the taps of a row of sums, which use the same memory."""
    cdef const FilteredAxis* axis = &of.axis[0]
    cdef Py_ssize_t g = reach(&axis[0], 1) * reach(&axis[1], 1) * reach(&axis[2], PIECE)
    cdef Py_ssize_t x = axis[1].pixels * axis[2].pixels * PIECE
    return max(max(g, x), axis[0].kernel * axis[1].kernel * axis[2].kernel + LANES) * LANES


cdef inline Py_ssize_t width_of(const Filtered* of) noexcept nogil:
    """Of a row of channels: not a power of two, or tiles would take each other's place in caches."""
    return (count_of(of.channel_share, LANES) + 1) * LANES


cdef inline Py_ssize_t filtered_room(const Filtered* of) noexcept nogil:
    """Bytes of a task's scratch."""
    cdef Py_ssize_t rows = of.output_share * all_runs(of), points = all_points(of), numbers
    numbers = points * (of.block * (width_of(of) + rows + LANES) + rows * width_of(of))
    return ((numbers + LANES + copied_numbers(of)) * sizeof(real) + 63) // 64 * 64


cdef inline Py_ssize_t filtered_tasks(const Filtered* of) noexcept nogil:
    """Of all ranges."""
    cdef Py_ssize_t shares = count_of(of.channels, of.channel_share) * count_of(of.outputs, of.output_share)
    return of.ranges * of.groups * shares


cdef inline void copy_row(
    const char* row, Py_ssize_t channel_step, Py_ssize_t step, Py_ssize_t size, Py_ssize_t first, Py_ssize_t count,
    Py_ssize_t channels, real* to,
) noexcept nogil:
    """Numbers first to first + count of a row of `size`, with LANES places for each; zeros outside."""
    cdef Py_ssize_t begin = min(count, max(0, -first)), end = max(begin, min(count, size - first)), t, c
    fill(0, begin * LANES, to)
    fill(0, (count - end) * LANES, to + end * LANES)
    row += (first + begin) * step
    to += begin * LANES
    t = 0
    while t < end - begin:
        if step == sizeof(real):
            transpose(
                <const real*>(row + t * step), channel_step // <Py_ssize_t>sizeof(real), channels,
                min(LANES, end - begin - t), to + t * LANES, LANES,
            )
            t += LANES
            continue
        if channel_step == sizeof(real):
            copy_few(<const real*>(row + t * step), channels, to + t * LANES)
        else:
            for c in range(channels):
                to[t * LANES + c] = (<const real*>(row + t * step + c * channel_step))[0]
        t += 1


cdef inline void copy_box(
    const char* from_, const Py_ssize_t* strides, const Py_ssize_t* size, const Py_ssize_t* first,
    const Py_ssize_t* count, Py_ssize_t channels, real* to,
) noexcept nogil:
    """A box of an image in up to LANES channels: [d][h][w][LANES], with zeros for what lies outside."""
    cdef Py_ssize_t d, h
    for d in range(first[0], first[0] + count[0]):
        for h in range(first[1], first[1] + count[1]):
            if d < 0 or h < 0 or d >= size[0] or h >= size[1]:
                fill(0, count[2] * LANES, to)
            else:
                copy_row(
                    from_ + d * strides[2] + h * strides[3], strides[1], strides[4], size[2], first[2], count[2],
                    channels, to,
                )
            to += count[2] * LANES


cdef inline void expand(int kind, vec* x, Py_ssize_t step) noexcept nogil:
    """Transform a tile's numbers of x, the filter, that lie `step` apart."""
    cdef vec half = vset(0.5), even = x[0], odd = x[step] * half
    if kind == F23:
        even = even + x[2 * step]
        x[3 * step] = x[2 * step]
    else:
        x[3 * step] = x[step]
    even = even * half
    x[step] = even + odd
    x[2 * step] = even - odd


cdef inline void x_points "x_points_as"(
    int kind_h, int kind_w, const real* x, Py_ssize_t row, real* to, Py_ssize_t apart
) noexcept nogil:
    """The points of one tile; from row to row in x it is `row`, from point to point `apart`."""
    cdef vec d[16]
    cdef int h, w, height, width
    height = 1 if kind_h == WHOLE else 3 if kind_h == F23 else 2
    width = 1 if kind_w == WHOLE else 3 if kind_w == F23 else 2
    for h in range(height):
        for w in range(width):
            d[h * 4 + w] = vload(x + h * row + w * LANES)
        if kind_w != WHOLE:
            expand(kind_w, d + h * 4, 1)
    width = 1 if kind_w == WHOLE else 4
    height = 1 if kind_h == WHOLE else 4
    if kind_h != WHOLE:
        for w in range(width):
            expand(kind_h, d + w, 4)
    for h in range(height):
        for w in range(width):
            vstore(to + (h * width + w) * apart, d[h * 4 + w])


cdef inline void g_points "g_points_as"(
    int height, int width, const real* g, Py_ssize_t row, Py_ssize_t step, real* to, Py_ssize_t apart
) noexcept nogil:
    """The points of what one tile and one run meet; from number to number in a row of g it is `step`."""
    cdef vec d[16]
    cdef int h, w
    for h in range(height):
        for w in range(width):
            d[h * 4 + w] = vload(g + h * row + w * step)
        if width > 1:
            to_points(F23, d + h * 4, 1)
    if height > 1:
        for w in range(width):
            to_points(F23, d + w, 4)
    for h in range(height):
        for w in range(width):
            vstore(to + (h * width + w) * apart, d[h * 4 + w])


cdef inline void spread_x(
    const Filtered* of, const Share* share, const Piece* piece, real* to, Py_ssize_t apart
) noexcept nogil:
    """The points of x for the tiles of a piece."""
    cdef Py_ssize_t size[3]
    cdef Py_ssize_t count[3]
    cdef Py_ssize_t c = 0, i, row
    cdef int kind_h = of.axis[1].kind, kind_w = of.axis[2].kind
    cdef const real* at
    for i in range(3):
        size[i] = of.axis[i].size
        count[i] = of.axis[i].pixels * (piece.tiles if i == 2 else 1)
    row = count[2] * LANES
    while c < share.channels:
        copy_box(
            share.x + piece.image * of.xs[0] + c * of.xs[1], of.xs, size, piece.first, count,
            min(LANES, share.channels - c), share.copied,
        )
        for i in range(piece.tiles):
            at = share.copied + i * of.axis[2].pixels * LANES
            if kind_h == F23 and kind_w == F23:
                x_points(F23, F23, at, row, to + i * share.width + c, apart)
            elif kind_h == F32 and kind_w == F32:
                x_points(F32, F32, at, row, to + i * share.width + c, apart)
            else:
                x_points(kind_h, kind_w, at, row, to + i * share.width + c, apart)
        c += LANES


cdef inline void spread_runs(
    const Filtered* of, Py_ssize_t wide, const real* g, Py_ssize_t plane, Py_ssize_t row, Py_ssize_t channels, real* to,
    Py_ssize_t apart,
) noexcept nogil:
    """The points of g for all runs and one tile. A vector may reach into the place of the next run."""
    cdef const FilteredAxis* axis = &of.axis[0]
    cdef Py_ssize_t d, h, w, row_step = axis[1].stride * row, step = axis[2].stride * LANES
    cdef const real* at
    for d in range(axis[0].runs):
        for h in range(axis[1].runs):
            at = g + axis[0].first[d] * axis[0].dilation * plane + axis[1].first[h] * axis[1].dilation * row
            for w in range(axis[2].runs):
                if axis[1].kind == WHOLE:
                    g_points(1, 4, at + axis[2].first[w] * wide, row_step, step, to, apart)
                else:
                    g_points(4, 4, at + axis[2].first[w] * wide, row_step, step, to, apart)
                to += channels


cdef inline void spread_g(
    const Filtered* of, const Share* share, const Piece* piece, real* to, Py_ssize_t apart
) noexcept nogil:
    """The points of g for the tiles of a piece: rows are LANES output channels of each run, then the next LANES."""
    cdef Py_ssize_t size[3]
    cdef Py_ssize_t first[3]
    cdef Py_ssize_t count[3]
    cdef Py_ssize_t m = 0, i, row, channels
    for i in range(3):
        size[i] = of.axis[i].out
        first[i] = piece.first[i] * of.axis[i].stride - of.axis[i].padding
        count[i] = reach(&of.axis[i], piece.tiles if i == 2 else 1)
    row = count[2] * LANES
    while m < share.outputs:
        channels = min(LANES, share.outputs - m)
        copy_box(
            share.g + piece.image * of.gs[0] + m * of.gs[1], of.gs, size, first, count, channels, share.copied
        )
        for i in range(piece.tiles):
            spread_runs(
                of, of.axis[2].dilation * LANES, share.copied + i * of.axis[2].pixels * of.axis[2].stride * LANES,
                count[1] * row, row, channels, to + i * share.pitch + m * all_runs(of), apart,
            )
        m += LANES


cdef inline void add_block(const Filtered* of, const Share* share, Py_ssize_t tiles) noexcept nogil:
    """Add the products of a block of tiles to the sums of each point."""
    cdef Sums sums
    cdef Py_ssize_t a_at[MOST_BLOCK]
    cdef Py_ssize_t b_at[MOST_BLOCK]
    cdef Py_ssize_t point, row, t
    for t in range(tiles):
        a_at[t] = t * share.pitch
        b_at[t] = t * share.width
    sums.outer = 1
    sums.inner = tiles
    sums.a_step = sums.b_step = 0
    sums.a_at = a_at
    sums.b_at = b_at
    sums.y_row = share.width
    sums.before = sums.after = sums.last = NULL
    sums.fresh = False
    for point in range(all_points(of)):
        row = 0
        sums.b = share.x_points + point * of.block * share.width
        while row < share.rows:
            sums.a = share.g_points + point * of.block * share.pitch + row
            sums.y = share.sums + (point * share.rows + row) * share.width
            add_products(min(ROWS, share.rows - row), &sums, 0, share.channels)
            row += ROWS


cdef inline void find_piece(const Filtered* of, Py_ssize_t tile, Py_ssize_t most, Piece* piece) noexcept nogil:
    """The tiles from `tile` on that are copied together."""
    cdef Py_ssize_t left = of.axis[2].tiles - tile % of.axis[2].tiles
    cdef int i
    piece.tiles = min(min(most, PIECE), left)
    for i in range(2, -1, -1):
        piece.first[i] = tile % of.axis[i].tiles * of.axis[i].pixels
        tile = tile // of.axis[i].tiles
    piece.image = tile


cdef inline void taps_of_run(
    const Filtered* of, const Share* share, const real* sums, Py_ssize_t d, Py_ssize_t h0, Py_ssize_t w0
) noexcept nogil:
    """Turn a run's points, LANES channels of each, into taps, in their places among all of the kernel."""
    cdef vec p[16]
    cdef Py_ssize_t h, w, height = points_of(of.axis[1].kind), width = points_of(of.axis[2].kind), kh, kw
    for h in range(16):
        p[h] = vset(0)  # else GCC for Arm64 warns of what no run reads
    for h in range(height):
        for w in range(width):
            p[h * 4 + w] = vload(sums + (h * width + w) * share.rows * share.width)
        from_points(of.axis[2].kind, p + h * 4, 1)
    if height > 1:
        for w in range(of.axis[2].taps):
            from_points(of.axis[1].kind, p + w, 4)
    for h in range(of.axis[1].taps):
        for w in range(of.axis[2].taps):
            kh = h0 + h * of.axis[1].step
            kw = w0 + w * of.axis[2].step
            if kh < of.axis[1].kernel and kw < of.axis[2].kernel:
                vstore(share.copied + ((d * of.axis[1].kernel + kh) * of.axis[2].kernel + kw) * LANES, p[h * 4 + w])


cdef inline void deliver_taps(const Filtered* of, const Share* share) noexcept nogil:
    """Write a task's sums to y."""
    cdef const FilteredAxis* axis = &of.axis[0]
    cdef Py_ssize_t taps = axis[0].kernel * axis[1].kernel * axis[2].kernel, m, c, d, h, w, t, among
    cdef const real* sums
    for m in range(share.outputs):
        among = min(LANES, share.outputs - m // LANES * LANES)
        c = 0
        while c < share.channels:
            sums = share.sums + (m // LANES * LANES * all_runs(of) + m % LANES) * share.width + c
            for d in range(axis[0].runs):
                for h in range(axis[1].runs):
                    for w in range(axis[2].runs):
                        taps_of_run(of, share, sums, axis[0].first[d], axis[1].first[h], axis[2].first[w])
                        sums += among * share.width
            t = 0
            while t < taps:
                transpose(
                    share.copied + t * LANES, LANES, min(LANES, taps - t), min(LANES, share.channels - c),
                    share.y + (c * of.outputs + m) * taps + t, of.outputs * taps,
                )
                t += LANES
            c += LANES


cdef inline void do_filtered(const Filtered* of, Py_ssize_t task, Call* call, real* y) noexcept nogil:
    """Write the sums of a task to y, or to its range's copy of it."""
    cdef char* memory = call_scratch(call)
    cdef Share share
    cdef Piece piece
    cdef Py_ssize_t pieces = count_of(of.outputs, of.output_share), m, c, group, tile, end, block, done
    cdef Py_ssize_t taps = of.axis[0].kernel * of.axis[1].kernel * of.axis[2].kernel, points = all_points(of)
    m = task % pieces * of.output_share
    task = task // pieces
    pieces = count_of(of.channels, of.channel_share)
    c = task % pieces * of.channel_share
    task = task // pieces
    group = task % of.groups
    task = task // of.groups
    share.channels = min(of.channel_share, of.channels - c)
    share.outputs = min(of.output_share, of.outputs - m)
    share.x = <const char*>call.array[0] + (group * of.channels + c) * of.xs[1]
    share.g = <const char*>call.array[1] + (group * of.outputs + m) * of.gs[1]
    share.y = y + task * of.size + ((group * of.channels + c) * of.outputs + m) * taps
    share.width = width_of(of)
    share.rows = share.outputs * all_runs(of)
    share.pitch = of.output_share * all_runs(of) + LANES
    share.x_points = <real*>memory
    share.sums = share.x_points + points * of.block * share.width
    share.copied = share.sums + points * of.output_share * all_runs(of) * share.width
    share.g_points = share.copied + copied_numbers(of)
    memset(memory, 0, filtered_room(of))
    tile = task * of.range
    end = min(of.tiles, tile + of.range)
    while tile < end and not stopped(call):
        block = min(of.block, end - tile)
        done = 0
        while done < block:
            find_piece(of, tile + done, block - done, &piece)
            spread_x(of, &share, &piece, share.x_points + done * share.width, of.block * share.width)
            spread_g(of, &share, &piece, share.g_points + done * share.pitch, of.block * share.pitch)
            done += piece.tiles
        add_block(of, &share, block)
        tile += block
    deliver_taps(of, &share)
