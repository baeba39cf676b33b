"""Transposed convolution with vectors along pixels: rows of weights, (output channel, phase), times a tile's lanes.

Order of work: chunks of channels, which are copied; ROWS output channels after the other, where the task packs their
weights, or else parts; blocks of rows; blocks of channels. See dense.pyx for what a task is and the order of additions.
"""

from packing cimport Column, Weights, kernel_of, pack_blocks, turn_unit, unit_of, weights_of
from products cimport (
    LANES, NEAR, ROWS, VECTORS_BESIDE, Sums, add_products, add_products_apart, add_without_outside, real,
)
from runs cimport count_of
from tiles cimport (
    IN_PLACE, MOST_PHASES, PIECEWISE, TURNED, Part, Problem, Tile, begin_vectors, copy_tile, find_taps, listed_of,
    repeat_taps,
)

cdef extern from "simd.h" nogil:
    """
    /* Not inlined, for beside the other loops it would make those of few rows slower; see dense.pyx. */
    static __attribute__((noinline)) void products_in_turn(const struct sums *, ptrdiff_t, ptrdiff_t);
    static __attribute__((noinline)) void products_of_row_vectors(const struct sums *, ptrdiff_t, ptrdiff_t);
    """
    void products_in_turn(const Sums* s, Py_ssize_t first, Py_ssize_t end)
    void products_of_row_vectors(const Sums* s, Py_ssize_t first, Py_ssize_t end)

# Where the weights of some rows of a part lie; of rows that are packed `row` is 1.
cdef struct Rows:
    const real* w
    Py_ssize_t row
    Py_ssize_t block


cdef inline Py_ssize_t from_channel(const Problem* of, const Part* part) noexcept nogil:
    """How far the weights of a part's rows are from channel to channel, where vectors run along pixels."""
    if of.weights == IN_PLACE:
        return of.ws[1]
    return (kernel_of(of) if of.weights == TURNED else part.taps) * ROWS


cdef inline void add_products_in_turn(int rows, bint in_turn, const Sums* s, Py_ssize_t lanes) noexcept nogil:
    """As add_products for all lanes; `in_turn`, a's numbers for a step follow those for the one before."""
    cdef Py_ssize_t first = 0, wide = VECTORS_BESIDE(ROWS) * LANES
    if NEAR and in_turn and rows == ROWS:
        first = (lanes + LANES - 1) // wide * wide
        products_in_turn(s, 0, first)
    add_products(rows, s, first, lanes)


cdef inline void add_lanes(
    const Problem* of, const Tile* tile, const Sums* s, Py_ssize_t rows, bint in_turn, Py_ssize_t lanes
) noexcept nogil:
    """The sum for 1 to ROWS rows and lanes that follow each other in b."""
    if of.careful:
        add_without_outside(s, rows, lanes, tile.outside - tile.copied)
    elif s.a_row == 1:
        add_products_in_turn(rows, in_turn, s, lanes)
    else:
        add_products_apart(rows, s, 0, lanes)


cdef inline void add_by_row_vectors(
    const Problem* of, const Tile* tile, const Sums* s, Py_ssize_t rows, bint in_turn
) noexcept nogil:
    """The same for all vectors, each of one row: some at once, and what they leave one by one.

    Where weights are not in turn, all go one by one, but for weights that are not finite, which take row by row.
    """
    cdef Py_ssize_t vectors = tile.width // LANES, v = 0, lane
    cdef Py_ssize_t together = of.axis[2].tile // LANES if of.careful else 1
    cdef Sums one = s[0]
    if NEAR and in_turn and rows == ROWS and not of.careful:
        v = vectors - vectors % VECTORS_BESIDE(ROWS)
        products_of_row_vectors(s, 0, v * LANES)
    while v < vectors:
        lane = v * LANES
        one.b = s.b + tile.vector_at[v]
        one.y = s.y + lane
        if s.before != NULL:
            one.before = s.before + lane
        if s.after != NULL:
            one.after = s.after + lane
        add_lanes(of, tile, &one, rows, False, min(together, vectors - v) * LANES)
        v += together


cdef inline void add_rows(
    const Problem* of, const Tile* tile, Py_ssize_t number, const Rows* weights, Py_ssize_t row, Py_ssize_t rows,
    Py_ssize_t c0, Py_ssize_t channels,
) noexcept nogil:
    """Add the products of some channels to some rows of a part, block by block."""
    cdef const Part* part = &of.part[number]
    cdef const real* w = weights.w
    cdef Sums sums
    cdef Py_ssize_t end = row + rows, at, count, c, chain, last, i, m = row // part.phases, phase = 0
    cdef Py_ssize_t listed = listed_of(of, of.taps)
    cdef bint in_turn = of.weights <= PIECEWISE and tile.reached[number] == part.taps
    cdef real bias[ROWS]
    sums.a_row = weights.row
    sums.a_step = from_channel(of, part)
    sums.a_at = tile.weight_at + part.first_tap * listed
    sums.b_step = of.pitch
    sums.b_at = tile.offset + part.first_tap * listed
    sums.vector_at = tile.vector_at
    sums.y_row = tile.width
    while row < end:
        count = min(ROWS, end - row)
        for i in range(count):
            bias[i] = tile.bias[m]
            phase += 1
            if phase == part.phases:
                phase = 0
                m += 1
        at = (tile.outputs * part.first_phase + row) * tile.width
        sums.y = tile.sums + at
        c = 0
        while c < channels:
            chain = min(of.block, channels - c)
            sums.outer = chain if listed == 1 else 1
            sums.inner = tile.reached[number] * (1 if listed == 1 else chain)
            last = c0 + c + chain
            sums.a = w + c * sums.a_step
            sums.b = tile.copied + c * of.pitch
            sums.before = NULL if c0 % of.block == 0 else tile.chains + at
            sums.after = NULL if last % of.block == 0 or last == of.channels else tile.chains + at
            sums.fresh = last <= of.block
            sums.last = &bias[0] if last == of.channels else NULL
            if of.row_vectors:
                add_by_row_vectors(of, tile, &sums, count, in_turn)
            else:
                add_lanes(of, tile, &sums, count, in_turn, tile.lanes)
            c += of.block
        w += weights.block
        row += ROWS


cdef inline void add_at_once(const Problem* of, const Tile* tile, Py_ssize_t c0, Py_ssize_t channels) noexcept nogil:
    """Add the products of some channels, part by part, with weights that are packed or read as they are given."""
    cdef Py_ssize_t i
    cdef const Part* part
    cdef Rows rows
    for i in range(of.parts):
        part = &of.part[i]
        if of.weights == IN_PLACE:
            rows.row = of.ws[2]
            rows.block = ROWS * of.ws[2]
            rows.w = tile.w + c0 * of.ws[1] + tile.first_output * rows.row
        else:
            rows.row = 1
            rows.block = channels * from_channel(of, part)
            rows.w = tile.w + part.weight + c0 * part.taps * count_of(of.outputs * part.phases, ROWS) * ROWS
            rows.w += tile.first_output * part.phases // ROWS * rows.block
        add_rows(of, tile, i, &rows, 0, tile.outputs * part.phases, c0, channels)


cdef inline void add_piecewise(const Problem* of, const Tile* tile, Py_ssize_t c0, Py_ssize_t channels) noexcept nogil:
    """Add the products of some channels, for ROWS output channels after the other, whose weights are packed for it."""
    cdef Column column[MOST_PHASES]
    cdef Weights unit
    cdef Py_ssize_t m = 0, count, i
    cdef const Part* part
    cdef Rows rows
    rows.row = 1
    while m < tile.outputs:
        count = min(ROWS, tile.outputs - m)
        unit = unit_of(of, tile.w, tile.w_end, tile.first_output + m, count, c0, channels)
        if of.weights == TURNED:
            turn_unit(ROWS, &unit, tile.packed)
        else:
            place_blocks(of, count, 0, channels, 0, channels, count, tile.packed, column)
            pack_blocks(&unit, of.parts, of.part, of.tap, column)
        rows.w = tile.packed
        for i in range(of.parts):
            part = &of.part[i]
            rows.block = channels * from_channel(of, part)
            add_rows(of, tile, i, &rows, m * part.phases, count * part.phases, c0, channels)
            if of.weights == PIECEWISE:
                rows.w += weights_of(part, count, channels, ROWS)
        m += ROWS


cdef inline void place_blocks(
    const Problem* of, Py_ssize_t outputs, Py_ssize_t unit, Py_ssize_t all_channels, Py_ssize_t c0,
    Py_ssize_t channels, Py_ssize_t count, real* to, Column* column,
) noexcept nogil:
    """Where the rows of a unit, of `count` of all output channels, and some channels lie in packed weights."""
    cdef Py_ssize_t i, j, blocks
    cdef const Part* part
    for i in range(of.parts):
        part = &of.part[i]
        blocks = count_of(outputs * part.phases, ROWS)
        for j in range(count_of(count * part.phases, ROWS)):
            column.to = to + (c0 * blocks + (unit * part.phases + j) * channels) * part.taps * ROWS
            column.wide = ROWS
            column.deep = part.taps * ROWS
            column += 1
        to += weights_of(part, outputs, all_channels, ROWS)


cdef inline void add_channels(const Problem* of, const Tile* tile) noexcept nogil:
    """Add the products of all channels, chunk by chunk."""
    cdef Py_ssize_t c0 = 0, channels, i, at, listed = listed_of(of, of.taps)
    for i in range(of.parts):
        at = of.part[i].first_tap * listed
        tile.reached[i] = find_taps(
            of, &of.part[i], &tile.first[0], &tile.count[0], tile.offset + at, tile.weight_at + at
        )
        repeat_taps(
            tile.reached[i], listed, of.pitch, from_channel(of, &of.part[i]), tile.offset + at, tile.weight_at + at
        )
    if of.row_vectors:
        begin_vectors(of, tile, tile.vector_at)
    while c0 < of.channels:
        channels = min(of.chunk, of.channels - c0)
        copy_tile(of, tile, tile.x + c0 * of.xs[1], channels, 0, c0 == 0, tile.copied)
        if of.careful:
            copy_tile(of, tile, tile.x + c0 * of.xs[1], channels, 1, c0 == 0, tile.outside)
        if of.weights == PIECEWISE or of.weights == TURNED:
            add_piecewise(of, tile, c0, channels)
        else:
            add_at_once(of, tile, c0, channels)
        c0 += channels
