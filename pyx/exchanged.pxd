"""Transposed convolution of small planes: vectors along the rows of the weights, pixels in the place of rows.

The sums of a part lie as [lane of the tile][row], rows (output channel, phase) in groups of GROUP, and are turned when
they are complete. Packed weights lie as they are read: [chunk of channels][group][channel][tap][GROUP]. Chains are the
same as in dense.pyx, and so are the bits.
"""

from products cimport LANES, ROWS, VECTORS, Sums, add_products, real, vec, vload, vset, vstore
from runs cimport transpose
from tiles cimport Part, Problem, Tile

cdef extern from "simd.h" nogil:
    """
    #define GROUP (VECTORS * LANES)
    """
    enum:
        GROUP


cdef inline Py_ssize_t groups_of(Py_ssize_t outputs, const Part* part) noexcept nogil:
    return (outputs * part.phases + GROUP - 1) // GROUP


cdef inline real* sums_of(const Problem* of, const Tile* tile, Py_ssize_t number) noexcept nogil:
    """Where the sums of a part lie; of the part after the last: where they end."""
    cdef real* at = tile.turned
    cdef Py_ssize_t i
    for i in range(number):
        at += groups_of(tile.outputs, &of.part[i]) * GROUP * tile.width
    return at


cdef inline void add_exchanged(
    const Problem* of, const Tile* tile, Py_ssize_t number, Py_ssize_t taps, Py_ssize_t c0, Py_ssize_t channels
) noexcept nogil:
    """Add the products of some channels, whole blocks or the last, with `taps` taps that were found."""
    cdef const Part* part = &of.part[number]
    cdef Py_ssize_t groups = groups_of(tile.outputs, part), group, lane, c, end
    cdef Py_ssize_t step = channels * part.taps * GROUP
    cdef real* y = sums_of(of, tile, number)
    cdef const real* w = tile.w + part.weight + c0 * part.taps * groups_of(of.outputs, part) * GROUP
    cdef Sums sums
    w += tile.first_output * part.phases // GROUP * step
    sums.inner = taps
    sums.a_row = 1
    sums.a_step = of.pitch
    sums.a_at = tile.offset + part.first_tap
    sums.b_step = part.taps * GROUP
    sums.b_at = tile.weight_at + part.first_tap
    sums.y_row = groups * GROUP
    sums.before = sums.after = sums.last = NULL
    for group in range(groups):
        lane = 0
        while lane < tile.lanes:
            sums.y = y + lane * sums.y_row + group * GROUP
            c = 0
            while c < channels:
                sums.outer = min(of.block, channels - c)
                end = c0 + c + sums.outer
                sums.a = tile.copied + c * of.pitch + lane
                sums.b = w + group * step + c * sums.b_step
                sums.fresh = end <= of.block
                add_products(min(<Py_ssize_t>ROWS, tile.lanes - lane), &sums, GROUP)
                c += of.block
            lane += ROWS


cdef inline void turn(const Problem* of, const Tile* tile) noexcept nogil:
    """Put the sums where the other ways have them, [row][lane], and add the bias."""
    cdef const Part* part
    cdef Py_ssize_t i, row, rows, lane, across
    cdef const real* turned
    cdef real* to
    cdef vec bias
    for i in range(of.parts):
        part = &of.part[i]
        rows = tile.outputs * part.phases
        across = groups_of(tile.outputs, part) * GROUP
        turned = sums_of(of, tile, i)
        to = tile.sums + tile.outputs * part.first_phase * tile.width
        row = 0
        while row < rows:
            lane = 0
            while lane < tile.lanes:
                transpose(
                    turned + lane * across + row, across, min(<Py_ssize_t>LANES, tile.lanes - lane),
                    min(<Py_ssize_t>LANES, rows - row), to + row * tile.width + lane, tile.width,
                )
                lane += LANES
            row += LANES
        for row in range(rows):
            bias = vset(tile.bias[row // part.phases])
            lane = 0
            while lane < tile.width:
                vstore(to + row * tile.width + lane, vload(to + row * tile.width + lane) + bias)
                lane += LANES
