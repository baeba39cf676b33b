"""Transposed convolution with vectors along the rows of the weights, and pixels in the place of rows.

Rows are (output channel, phase). The vectors of a piece of the output channels, whose sums are in scratch at once, are
cut into groups of up to GROUP, about equal, and the rows of the tile into blocks of up to BLOCK_PIXELS. Weights lie
as they are read, [part][piece][group][channel][tap][row of the group], or, where an output has one tap and rows are
neighbours as they are given, in place. Sums lie [part][group][lane][row of the group], and are turned when complete.

Order of work: the groups of a part, blocks of channels, blocks of pixels, so that the weights of a block of channels
are read by all pixels of the tile while they are in the first cache. Taps that no pixel of a block reaches are left
out. Chains are the same as in dense.pyx, and so are the bits.
"""

from libc.string cimport memcmp, memset

from packing cimport Column, weights_of
from products cimport BLOCK_PIXELS, GROUP, LANES, ask_for, real, vec, vload, vset, vstore
from runs cimport count_of, transpose
from tiles cimport (
    IN_PLACE, Axis, Part, Problem, Tile, copy_tile, find_taps, first_of, listed_of, repeat_taps, store, width_of,
)

cdef extern from "simd.h" nogil:
    """
    /* Inlined, so that loops over pixels and vectors unroll and the sums stay in registers. */
    struct group_sums;
    static inline __attribute__((always_inline)) void group_products(int, int, const struct group_sums *);
    static inline __attribute__((always_inline)) void pixels_products(int, int, const struct group_sums *);
    """

# Some blocks of as many pixels each, and a block of channels.
cdef struct Sums "group_sums":
    Py_ssize_t blocks
    Py_ssize_t channels
    Py_ssize_t listed  # the channels of which taps are listed: all, or one
    const real* x
    Py_ssize_t x_step  # from channel to channel, as w_step
    const real* w
    Py_ssize_t w_step
    real* y
    Py_ssize_t y_row  # from pixel to pixel
    const Py_ssize_t* lane  # of each block the first lane,
    const Py_ssize_t* sum_at  # where that has its sums,
    const Py_ssize_t* taps  # the taps of a channel,
    const Py_ssize_t* list  # and where their list begins
    const Py_ssize_t* x_at  # here and
    const Py_ssize_t* w_at  # here
    bint fresh  # the chains are the first in y


cdef inline Py_ssize_t vectors_of(Py_ssize_t rows) noexcept nogil:
    """The vectors that rows fill, the last perhaps in part."""
    return (rows + LANES - 1) // LANES


cdef inline Py_ssize_t groups_of(Py_ssize_t vectors) noexcept nogil:
    return (vectors + GROUP - 1) // GROUP


cdef inline Py_ssize_t row_of(Py_ssize_t group, Py_ssize_t vectors) noexcept nogil:
    """The first row of a group of a piece of so many vectors."""
    return group * vectors // groups_of(vectors) * LANES


cdef inline void products "group_products"(int pixels, int vectors, const Sums* s) noexcept nogil:
    """One chain for each of some neighbouring pixels and the rows of a group, block by block.

    Weights come from far: those of the next chain are asked for, a vector of each by one of the first blocks, or all
    by every block where blocks are few.
    """
    cdef vec total[8][3]
    cdef vec part[3]
    cdef const real* x
    cdef const real* w
    cdef const real* xe
    cdef const real* we
    cdef const Py_ssize_t* x_at
    cdef const Py_ssize_t* w_at
    cdef real* y
    cdef Py_ssize_t block, _c, e, taps, ahead = s.channels * s.w_step, outer = s.channels if s.listed == 1 else 1
    cdef int m, v
    for block in range(s.blocks):
        x = s.x + s.lane[block]
        y = s.y + s.sum_at[block] * s.y_row
        w = s.w
        x_at = s.x_at + s.list[block]
        w_at = s.w_at + s.list[block]
        taps = s.taps[block] * (1 if s.listed == 1 else s.channels)
        for m in range(pixels):
            for v in range(vectors):
                total[m][v] = vset(0)
        for _c in range(outer):
            for e in range(taps):
                xe = x + x_at[e]
                we = w + w_at[e] * (vectors * LANES)
                if s.blocks < vectors:
                    for v in range(vectors):
                        ask_for(we + ahead + v * LANES)
                elif block < vectors:
                    ask_for(we + ahead + block * LANES)
                for v in range(vectors):
                    part[v] = vload(we + v * LANES)
                for m in range(pixels):
                    for v in range(vectors):
                        total[m][v] = total[m][v] + xe[m] * part[v]
            x += s.x_step
            w += s.w_step
        if not s.fresh:
            for m in range(pixels):
                for v in range(vectors):
                    total[m][v] = vload(y + m * s.y_row + v * LANES) + total[m][v]
        for m in range(pixels):
            for v in range(vectors):
                vstore(y + m * s.y_row + v * LANES, total[m][v])


cdef inline void of_pixels "pixels_products"(int pixels, int vectors, const Sums* s) noexcept nogil:
    if vectors == 1:
        products(pixels, 1, s)
    elif GROUP > 2 and vectors == 2:
        products(pixels, 2, s)
    else:
        products(pixels, GROUP, s)


cdef inline void add_chains(int pixels, int vectors, const Sums* s) noexcept nogil:
    """The chains of 1 to BLOCK_PIXELS pixels and 1 to GROUP vectors."""
    if BLOCK_PIXELS >= 8 and pixels == 8:
        of_pixels(8, vectors, s)
    elif BLOCK_PIXELS >= 7 and pixels == 7:
        of_pixels(7, vectors, s)
    elif BLOCK_PIXELS >= 6 and pixels == 6:
        of_pixels(6, vectors, s)
    elif BLOCK_PIXELS >= 5 and pixels == 5:
        of_pixels(5, vectors, s)
    elif pixels == 4:
        of_pixels(4, vectors, s)
    elif pixels == 3:
        of_pixels(3, vectors, s)
    elif pixels == 2:
        of_pixels(2, vectors, s)
    else:
        of_pixels(1, vectors, s)


cdef inline Py_ssize_t most_blocks(const Problem* of) noexcept nogil:
    """The blocks of a tile, or more."""
    cdef Py_ssize_t rows = of.images * of.axis[0].tile * of.axis[1].tile
    cdef Py_ssize_t lanes = width_of(of, of.images, of.axis[0].tile, of.axis[1].tile, of.axis[2].tile)
    return max(rows * count_of(of.axis[2].tile, BLOCK_PIXELS), count_of(lanes, BLOCK_PIXELS))


cdef inline Py_ssize_t listed_in_blocks(const Problem* of) noexcept nogil:
    """The channels for which taps are listed: each block of pixels may have a list for each part."""
    return 1 if of.weights == IN_PLACE else listed_of(of, of.taps * most_blocks(of))


cdef inline bint cut_by_rows(const Problem* of) noexcept nogil:
    """Whether each block of pixels is of one row; else short rows are cut together."""
    return 2 * of.axis[2].tile >= BLOCK_PIXELS


cdef inline Py_ssize_t list_block(
    const Problem* of, const Part* part, const Py_ssize_t* first, const Py_ssize_t* count, Tile* tile,
    Py_ssize_t number, Py_ssize_t at, bint begins
) noexcept nogil:
    """List the taps of a block of pixels, which is `number` of all parts' blocks, for all channels of a chain.

    They go to `at`, unless they are those of the block before, and where the next list may begin is returned.
    """
    cdef Py_ssize_t taps, i
    cdef Py_ssize_t* offset = tile.offset + at
    cdef Py_ssize_t* weight_at = tile.weight_at + at
    taps = tile.reached[number] = find_taps(of, part, first, count, offset, weight_at)
    tile.list[number] = at
    if not begins and tile.reached[number - 1] == taps:
        i = tile.list[number - 1]
        if memcmp(weight_at, tile.weight_at + i, taps * sizeof(Py_ssize_t)) == 0:
            tile.list[number] = i
            return at
    repeat_taps(taps, listed_in_blocks(of), of.pitch, part.taps, offset, weight_at)
    return at + part.taps * listed_in_blocks(of)


cdef inline void cut_pixels(const Problem* of, Tile* tile, Py_ssize_t parts) noexcept nogil:
    """List the blocks of a tile, first those that are longer by one pixel, and for some parts what reaches into x.

    Rows are cut into about equal blocks, so that no lane between rows is computed; short rows are cut together.
    """
    cdef bint by_rows = cut_by_rows(of), longer
    cdef Py_ssize_t pixels = tile.count[2] if by_rows else tile.lanes, end = 0, most = most_blocks(of)
    cdef Py_ssize_t blocks = count_of(pixels, BLOCK_PIXELS)
    cdef Py_ssize_t rows = tile.images * tile.count[0] * tile.count[1] if by_rows else 1, row, block, at, i
    cdef Py_ssize_t first[3]
    cdef Py_ssize_t count[3]
    tile.blocks = tile.longer = 0
    tile.pixels = pixels // blocks
    for i in range(3):
        first[i] = tile.first[i]
        count[i] = 1 if by_rows else tile.count[i]
    for longer in (True, False):
        for row in range(rows):
            for block in range(blocks):
                if (block < pixels % blocks) != longer:
                    continue
                at = block * tile.pixels + min(block, pixels % blocks)
                tile.lane[tile.blocks] = tile.sum_at[tile.blocks] = at
                if by_rows:
                    first[0] = tile.first[0] + row // tile.count[1] % tile.count[0]
                    first[1] = tile.first[1] + row % tile.count[1]
                    first[2] = tile.first[2] + at
                    count[2] = tile.pixels + longer
                    tile.lane[tile.blocks] += lane_of(of, tile, row, False)
                    tile.sum_at[tile.blocks] += lane_of(of, tile, row, True)
                for i in range(parts):
                    end = list_block(
                        of, &of.part[i], first, count, tile, i * most + tile.blocks, end, tile.blocks == 0
                    )
                tile.blocks += 1
        if longer:
            tile.longer = tile.blocks


cdef inline Py_ssize_t lane_of(const Problem* of, const Tile* tile, Py_ssize_t row, bint of_sums) noexcept nogil:
    """The first lane of a row of the tile, as x is copied, or of its sums."""
    cdef const Axis* axis = &of.axis[0]
    cdef Py_ssize_t h = row % tile.count[1], d = row // tile.count[1] % tile.count[0]
    cdef Py_ssize_t n = row // tile.count[1] // tile.count[0]
    n = n * (axis[0].tile + (axis[0].gap if of_sums else axis[0].reach)) + d
    n = n * (axis[1].tile + (axis[1].gap if of_sums else axis[1].reach)) + h
    return n * (axis[2].tile + (axis[2].gap if of_sums else axis[2].reach))


cdef inline real* sums_of(const Problem* of, const Tile* tile, Py_ssize_t number) noexcept nogil:
    """Where the sums of a part lie."""
    cdef real* at = tile.turned
    cdef Py_ssize_t i
    for i in range(number):
        at += vectors_of(tile.outputs * of.part[i].phases) * LANES * tile.width
    return at


cdef inline void add_groups(
    const Problem* of, Tile* tile, Py_ssize_t number, Py_ssize_t c0, Py_ssize_t channels
) noexcept nogil:
    """Add the products of some channels, whole blocks or the last, to the sums of a part."""
    cdef const Part* part = &of.part[number]
    cdef Py_ssize_t vectors = vectors_of(tile.outputs * part.phases), group, row, wide, c
    cdef const real* w = tile.w + part.weight + tile.first_output * part.phases * of.channels * part.taps
    cdef Sums sums
    cdef Py_ssize_t first = number * most_blocks(of)
    sums.listed = listed_in_blocks(of)
    sums.x_step = of.pitch
    sums.x_at = tile.offset
    sums.w_at = tile.weight_at
    for group in range(groups_of(vectors)):
        row = row_of(group, vectors)
        wide = row_of(group + 1, vectors) - row
        if of.weights == IN_PLACE:
            sums.w_step = of.ws[1]
            sums.w = tile.w + tile.first_output * part.phases + row + c0 * sums.w_step
        else:
            sums.w_step = part.taps * wide
            sums.w = w + row * of.channels * part.taps + c0 * sums.w_step
        sums.y = sums_of(of, tile, number) + row * tile.width
        sums.y_row = wide
        c = 0
        while c < channels:
            sums.channels = min(of.block, channels - c)
            sums.fresh = c0 + c == 0
            sums.x = tile.copied + c * of.pitch
            add_blocks(tile, first, 0, tile.longer, tile.pixels + 1, wide // LANES, &sums)
            add_blocks(tile, first, tile.longer, tile.blocks, tile.pixels, wide // LANES, &sums)
            sums.w += sums.channels * sums.w_step
            c += of.block


cdef inline void place_vectors(
    const Problem* of, Py_ssize_t first, Py_ssize_t end, Py_ssize_t unit, Py_ssize_t count, real* to, Column* column
) noexcept nogil:
    """Where the rows of a unit of `count` output channels lie in packed weights, of a piece from `first` to `end`."""
    cdef Py_ssize_t i, j, vectors, vector, group, row, wide
    cdef const Part* part
    for i in range(of.parts):
        part = &of.part[i]
        vectors = vectors_of((end - first) * part.phases)
        group = 0
        for j in range(vectors_of(count * part.phases)):
            vector = unit * part.phases + j
            while row_of(group + 1, vectors) <= vector * LANES:
                group += 1
            row = row_of(group, vectors)
            wide = row_of(group + 1, vectors) - row
            column.to = to + (first * part.phases + row) * of.channels * part.taps + vector * LANES - row
            column.wide = wide
            column.deep = part.taps * wide
            column += 1
        to += weights_of(part, of.outputs, of.channels, LANES)


cdef inline void add_blocks(
    const Tile* tile, Py_ssize_t lists, Py_ssize_t first, Py_ssize_t end, Py_ssize_t pixels, Py_ssize_t vectors,
    Sums* sums,
) noexcept nogil:
    """Add the chains of some blocks of as many pixels each; `lists` is the number of the part's first."""
    sums.blocks = end - first
    sums.lane = tile.lane + first
    sums.sum_at = tile.sum_at + first
    sums.taps = tile.reached + lists + first
    sums.list = tile.list + lists + first
    if first < end:
        add_chains(pixels, vectors, sums)


cdef inline void turn(const Problem* of, const Tile* tile) noexcept nogil:
    """Put the sums where the other ways have them, [row][lane], and add the bias."""
    cdef Py_ssize_t i, row, group, vectors, first
    cdef const Part* part
    cdef const real* sums
    cdef real* to
    for i in range(of.parts):
        part = &of.part[i]
        vectors = vectors_of(tile.outputs * part.phases)
        to = tile.sums + tile.outputs * part.first_phase * tile.width
        for group in range(groups_of(vectors)):
            first = row_of(group, vectors)
            sums = sums_of(of, tile, i) + first * tile.width
            row = first
            while row < row_of(group + 1, vectors):
                turn_rows(
                    tile, part.phases, row, sums + row - first, row_of(group + 1, vectors) - first,
                    to + row * tile.width, tile.width,
                )
                row += LANES


cdef inline void turn_rows(
    const Tile* tile, Py_ssize_t phases, Py_ssize_t row, const real* sums, Py_ssize_t wide, real* to, Py_ssize_t apart
) noexcept nogil:
    """A vector of rows from `row` on, of which an output channel has `phases`, of a group of `wide` rows.

    They come to be `apart`, and meet the bias.
    """
    cdef Py_ssize_t lane = 0, i, rows = min(<Py_ssize_t>LANES, tile.outputs * phases - row)
    cdef vec bias[LANES]
    for i in range(rows):
        bias[i] = vset(tile.bias[(row + i) // phases])
    while lane < tile.lanes:
        transpose(
            sums + lane * wide, wide, min(<Py_ssize_t>LANES, tile.lanes - lane), rows, to + lane, apart,
        )
        for i in range(rows):
            vstore(to + i * apart + lane, vload(to + i * apart + lane) + bias[i])
        lane += LANES


cdef inline bint in_order(const Problem* of) noexcept nogil:
    """Whether the rows of an image lie in y as they do in the sums: its output is one pixel of each phase."""
    cdef bint alone = of.axis[0].domain == 1 and of.axis[1].domain == 1 and of.axis[2].domain == 1
    return alone and of.parts == 1 and of.ys[1] == of.phases * <Py_ssize_t>sizeof(real)


cdef inline void store_in_order(const Problem* of, const Tile* tile) noexcept nogil:
    """Write y, run by run of rows that belong to an output channel and a group."""
    cdef Py_ssize_t vectors = vectors_of(tile.outputs * of.part[0].phases), group = 0, row = 0, end, first, n, i, m, run
    cdef const real* sums
    cdef real* y
    cdef real bias
    while row < tile.outputs * of.phases:
        while row >= row_of(group + 1, vectors):
            group += 1
        first = row_of(group, vectors)
        end = row_of(group + 1, vectors)
        m = row // of.phases
        run = min((m + 1) * of.phases, end) - row
        bias = tile.bias[m]
        for n in range(tile.images):
            sums = tile.turned + first * tile.width + n * (end - first) + row - first
            y = <real*>(tile.y + n * of.ys[0]) + row
            for i in range(run):
                y[i] = sums[i] + bias
        row += run


cdef inline void contract_exchanged(const Problem* of, Tile* tile) noexcept nogil:
    """Write a tile, piece by piece of its output channels; x is copied once where scratch has room for all of it."""
    cdef Py_ssize_t piece, c0, channels, i
    # All zeros at once: those of short rows one by one take four times as long.
    memset(tile.copied, 0, min(of.chunk, of.channels) * of.pitch * sizeof(real))
    if of.chunk >= of.channels:
        copy_tile(of, tile, tile.x, of.channels, 0, False, tile.copied)
    cut_pixels(of, tile, of.parts)
    for piece in range(tile.first_piece, tile.end_piece):
        tile.outputs = first_of(of, piece + 1) - tile.first_output
        c0 = 0
        while c0 < of.channels:
            channels = min(of.chunk, of.channels - c0)
            if of.chunk < of.channels:
                copy_tile(of, tile, tile.x + c0 * of.xs[1], channels, 0, False, tile.copied)
            for i in range(of.parts):
                add_groups(of, tile, i, c0, channels)
            c0 += channels
        if in_order(of):
            store_in_order(of, tile)
        else:
            turn(of, tile)
            store(of, tile)
        tile.first_output += tile.outputs
        tile.bias += tile.outputs
        tile.y += tile.outputs * of.ys[1]
