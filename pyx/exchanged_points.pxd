"""Minimal filtering with vectors along the rows of the weights, and lanes of the tile in the place of rows.

Where planes are small, lanes fill vectors badly; output channels are many there. Transforms of x are those of
minimal.pxd. Rows are (output channel, phase of a part), in vectors and groups as exchanged.pxd has them, and pieces of
the output channels begin with a vector of these. For each point the product is that of exchanged.pxd, of one tap.
Weights lie as they are read, [part][piece][DEPTH channels][group][point][channel][row of the group]; or, where one tile
reads them, a task makes them, a piece of a part at a time, from taps that it takes of DEPTH channels. Products of a
group lie [point][lane][row], and sums, which stay for all pieces of the task until all channels are added,
[piece][part][group][output of a lane][lane][row].

Order of work: DEPTH channels, parts, pieces, groups, points, chains. Chains are the same as in minimal.pxd, and so are
the bits.
"""

from libc.string cimport memset

from exchanged cimport Sums, add_blocks, cut_pixels, groups_of, row_of, turn_rows, vectors_of
from expand cimport expand_piece, numbers_taken, take_taps
from minimal cimport DEPTH, channels_of_chain, gather, mark_images, outs_of, rows_of, spread_channels
from products cimport LANES, real
from tiles cimport PACKED, PIECEWISE, Part, Problem, Tile, begin_vectors, copy_tile, first_of, store


cdef inline Py_ssize_t vectors_of_piece(const Problem* of, Py_ssize_t outputs) noexcept nogil:
    """Vectors of rows of a piece of so many output channels, of all parts."""
    cdef Py_ssize_t i, vectors = 0
    for i in range(of.parts):
        vectors += vectors_of(outputs * rows_of(of, &of.part[i]))
    return vectors


cdef inline Py_ssize_t numbers_of_piece(const Problem* of, Py_ssize_t channels) noexcept nogil:
    """The transformed weights of a piece, of the part that has most, and so many channels."""
    cdef Py_ssize_t i, most = 0
    for i in range(of.parts):
        most = max(most, vectors_of(of.piece * rows_of(of, &of.part[i])) * LANES * of.part[i].taps * channels)
    return most


cdef inline void list_lanes(const Problem* of, Tile* tile) noexcept nogil:
    """List the blocks of lanes, and one list for all, of the channels of a chain: that has the place of the taps of
    one channel in exchanged.pxd."""
    cdef Py_ssize_t i
    cut_pixels(of, tile, 0)
    for i in range(tile.blocks):
        tile.reached[i] = 1
        tile.list[i] = 0
    for i in range(DEPTH):
        tile.offset[i] = i * tile.width
        tile.weight_at[i] = i


cdef inline void add_points(
    const Problem* of, const Tile* tile, const Part* part, const real* w, Py_ssize_t channels, Py_ssize_t wide,
    bint fresh, bint last, real* to,
) noexcept nogil:
    """Add up to DEPTH channels to the sums of a group of `wide` rows; w is [point][channel][row]."""
    cdef Py_ssize_t point, c, chain = channels_of_chain(of, part), numbers = tile.lanes * wide
    cdef Sums sums
    sums.x_step = tile.width
    sums.w_step = sums.y_row = wide
    sums.x_at = tile.offset
    sums.w_at = tile.weight_at
    sums.y = tile.products
    sums.w = w
    for point in range(part.taps):
        sums.x = tile.spread + point * (channels * tile.width + LANES)
        c = 0
        while c < channels:
            sums.channels = sums.listed = min(chain, channels - c)
            sums.fresh = c == 0
            add_blocks(tile, 0, 0, tile.longer, tile.pixels + 1, wide // LANES, &sums)
            add_blocks(tile, 0, tile.longer, tile.blocks, tile.pixels, wide // LANES, &sums)
            sums.x += sums.channels * tile.width
            sums.w += sums.channels * wide
            c += chain
        sums.y += numbers
    # In minimal.pxd the bias is added with the last channels, and 0 with those before; here it comes later, and adding
    # -0 changes nothing. Lanes between rows are what memory held, and so are their sums, which are not stored.
    gather(part.kind, of.outs, tile.products, numbers, numbers, fresh, <real>-0.0 if last else <real>0, to)


cdef inline void add_piece(
    const Problem* of, const Tile* tile, const Part* part, Py_ssize_t piece, Py_ssize_t c0, Py_ssize_t channels,
    real* to,
) noexcept nogil:
    """Add up to DEPTH channels to the sums of a part and a piece."""
    cdef Py_ssize_t first = first_of(of, piece), rows = rows_of(of, part), group, row, wide
    cdef Py_ssize_t vectors = vectors_of((first_of(of, piece + 1) - first) * rows)
    cdef const real* w = tile.packed
    if of.weights == PACKED:
        w = tile.w + part.weight + (first * rows * of.channels + vectors * LANES * c0) * part.taps
    for group in range(groups_of(vectors)):
        row = row_of(group, vectors)
        wide = row_of(group + 1, vectors) - row
        add_points(
            of, tile, part, w + row * part.taps * channels, channels, wide, c0 == 0, c0 + DEPTH >= of.channels,
            to + row * outs_of(of) * tile.lanes,
        )


cdef inline void turn_piece(const Problem* of, const Tile* tile, const real* sums) noexcept nogil:
    """Put the sums of a piece where minimal.pxd has them, [row][output of a lane][lane], and add the bias."""
    cdef Py_ssize_t i, o, row, group, first, end, vectors, rows, outs = outs_of(of)
    cdef const Part* part
    cdef real* to
    for i in range(of.parts):
        part = &of.part[i]
        rows = rows_of(of, part)
        vectors = vectors_of(tile.outputs * rows)
        to = tile.sums + tile.outputs * part.first_phase * tile.width
        for group in range(groups_of(vectors)):
            first = row_of(group, vectors)
            end = row_of(group + 1, vectors)
            for o in range(outs):
                row = first
                while row < end:
                    turn_rows(
                        tile, rows, row, sums + (first * outs + o * (end - first)) * tile.lanes + row - first,
                        end - first, to + (row * outs + o) * tile.width, outs * tile.width,
                    )
                    row += LANES
        sums += vectors_of(of.piece * rows) * LANES * outs * tile.lanes


cdef inline void contract_by_points(const Problem* of, Tile* tile, unsigned char* marks) noexcept nogil:
    """Write a tile, and set the mark of each image in which some sum is not finite, or of all if a weight is not."""
    cdef Py_ssize_t i, piece, channels, c0 = 0, size = LANES * outs_of(of) * tile.lanes
    cdef Py_ssize_t slot = vectors_of_piece(of, of.piece) * size
    cdef Py_ssize_t first = tile.first_output, end = first_of(of, tile.end_piece)
    cdef real* taken = tile.packed + numbers_of_piece(of, min(<Py_ssize_t>DEPTH, of.channels))
    cdef real* to
    list_lanes(of, tile)
    begin_vectors(of, tile, tile.vector_at)
    while c0 < of.channels:
        channels = min(DEPTH, of.channels - c0)
        copy_tile(of, tile, tile.x + c0 * of.xs[1], channels, 0, c0 == 0, tile.copied)
        if of.weights == PIECEWISE and not take_taps(of, tile.w, tile.w_end, first, end, c0, channels, taken):
            memset(marks, 1, tile.images)
        to = tile.turned
        for i in range(of.parts):
            spread_channels(of, tile, &of.part[i], channels)
            for piece in range(tile.first_piece, tile.end_piece):
                if of.weights == PIECEWISE:
                    expand_piece(
                        of, i, taken + numbers_taken(of, first_of(of, piece) - first, channels),
                        first_of(of, piece + 1) - first_of(of, piece), channels, tile.packed,
                    )
                add_piece(of, tile, &of.part[i], piece, c0, channels, to + (piece - tile.first_piece) * slot)
            to += vectors_of(of.piece * rows_of(of, &of.part[i])) * size
        c0 += DEPTH
    for piece in range(tile.first_piece, tile.end_piece):
        tile.outputs = first_of(of, piece + 1) - tile.first_output
        turn_piece(of, tile, tile.turned + (piece - tile.first_piece) * slot)
        mark_images(of, tile, marks)
        store(of, tile)
        tile.first_output += tile.outputs
        tile.bias += tile.outputs
        tile.y += tile.outputs * of.ys[1]
