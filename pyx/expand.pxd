"""Weights of minimal filtering: taken as the direct way takes them, then transformed, vectors along (channel, row)."""

from exchanged cimport row_of, vectors_of
from minimal cimport (
    ALONG_ROWS, CODE, DEPTH, F22, F23, F32, POINTS, S22, S23, S32, WHOLE, code_of, points_of, rows_of,
)
from packing cimport Column, Weights, are_finite, pack_blocks, pack_vectors, unit_of
from products cimport LANES, ROWS, real, vec, vload, vset, vstore
from runs cimport count_of
from tiles cimport Part, Problem, first_of

cdef extern from "simd.h" nogil:
    """
    /* Inlined, so that for given transforms the loops over points unroll and these stay in registers. */
    static inline __attribute__((always_inline)) void expand_as(int, int, int, int, int, int, const real *, ptrdiff_t,
        ptrdiff_t, real *, ptrdiff_t, ptrdiff_t);
    """
    void vstore_n(real* p, vec v, Py_ssize_t n)

cdef enum:
    SLICE = 16  # channels transformed at once, a part of DEPTH, or fewer:
    TAKEN = 4096  # most numbers of them
    RUN = 16  # blocks of output channels that a task takes one after the other, for they lie so in memory
    MOST_PARTS = 64  # and most rows of weights of an output channel: as in _plan_minimal.py


cdef inline void expand(Py_ssize_t kind, Py_ssize_t outs, vec* g, Py_ssize_t step) noexcept nogil:
    """Transform taps, of which there come to be as many as points."""
    cdef Py_ssize_t i
    cdef vec half = vset(<real>0.5), a = g[0], b
    if kind == WHOLE or kind == S22:
        for i in range(1, outs):
            g[i * step] = a
        return
    if kind == S32:
        g[step] = g[2 * step] = a * half
        return
    b = g[step]
    if kind == F22:
        g[step] = a + b
        g[2 * step] = b
        return
    if kind == F23:
        a = a + g[2 * step]
        g[3 * step] = g[2 * step]
    elif kind == F32:
        g[3 * step] = b
    a = a * half
    b = b * half
    g[step] = a + b
    g[2 * step] = a - b


cdef inline void expand_as "expand_as"(
    int kind_d, int kind_h, int kind_w, int outs_d, int outs_h, int outs_w, const real* taps, Py_ssize_t from_tap,
    Py_ssize_t count, real* to, Py_ssize_t step, Py_ssize_t apart,
) noexcept nogil:
    """Transform `count` numbers of each tap, `from_tap` to the next tap's; from vector to vector they come to be `step`
    apart, from point to point `apart`."""
    cdef vec g[POINTS]
    cdef Py_ssize_t v = 0
    cdef int d, h, t, p, depth, height, width
    cdef const real* tap
    depth = points_of(kind_d, outs_d)
    height = points_of(kind_h, outs_h)
    width = points_of(kind_w, outs_w)
    while v < count:
        tap = taps + v
        for d in range(depth - outs_d + 1):
            for h in range(height - outs_h + 1):
                for t in range(width - outs_w + 1):
                    g[(d * height + h) * width + t] = vload(tap)
                    tap += from_tap
                expand(kind_w, outs_w, g + (d * height + h) * width, 1)
            for t in range(width):
                expand(kind_h, outs_h, g + d * height * width + t, width)
        for t in range(height * width):
            expand(kind_d, outs_d, g + t, height * width)
        for p in range(depth * height * width):
            if count - v >= LANES:
                vstore(to + p * apart, g[p])
            else:
                vstore_n(to + p * apart, g[p], count - v)
        v += LANES
        to += step


cdef inline void expand_taps(
    const Py_ssize_t* kind, const Py_ssize_t* outs, const real* taps, Py_ssize_t from_tap, Py_ssize_t count, real* to,
    Py_ssize_t step, Py_ssize_t apart,
) noexcept nogil:
    """expand_as, compiled for the transforms that are met most often."""
    cdef int code = code_of(kind, outs)
    if code == CODE(0, 1, F23, 2, F23, 2):
        expand_as(WHOLE, F23, F23, 1, 2, 2, taps, from_tap, count, to, step, apart)
    elif code == CODE(0, 1, F32, 3, F32, 3):
        expand_as(WHOLE, F32, F32, 1, 3, 3, taps, from_tap, count, to, step, apart)
    elif code == CODE(0, 1, F22, 2, F22, 2):
        expand_as(WHOLE, F22, F22, 1, 2, 2, taps, from_tap, count, to, step, apart)
    else:
        expand_as(kind[0], kind[1], kind[2], outs[0], outs[1], outs[2], taps, from_tap, count, to, step, apart)


cdef inline Py_ssize_t taps_of(const Problem* of, const Part* part) noexcept nogil:
    """The taps of each phase of a part."""
    cdef Py_ssize_t axis, count = 1
    for axis in range(3):
        count *= points_of(part.kind[axis], of.outs[axis]) - of.outs[axis] + 1
    return count


cdef inline Py_ssize_t height_of(const Problem* of) noexcept nogil:
    """Output channels of a unit, and rows that come to lie together."""
    return LANES if ALONG_ROWS and of.exchanged else ROWS


cdef inline Py_ssize_t slice_of(const Problem* of) noexcept nogil:
    """Channels transformed at once: as many as TAKEN holds, a power of two."""
    cdef Py_ssize_t i, count = SLICE, taps = 0
    for i in range(of.parts):
        taps += taps_of(of, &of.part[i]) * rows_of(of, &of.part[i])
    while count > 1 and count * taps * height_of(of) > TAKEN:
        count //= 2
    return count


cdef inline void place_taps(
    const Problem* of, Py_ssize_t outputs, Py_ssize_t from_tap, real* taken, Part* taps, Column* column
) noexcept nogil:
    """Where the taps of a unit's rows are taken to, for each part [tap][channel][row]."""
    cdef Py_ssize_t i, _j, columns = 0
    for i in range(of.parts):
        taps[i].phases = rows_of(of, &of.part[i])
        taps[i].taps = taps_of(of, &of.part[i])
        for _j in range(count_of(outputs * taps[i].phases, height_of(of))):
            column[columns].to = taken
            column[columns].wide = from_tap
            column[columns].deep = height_of(of)
            taken += taps[i].taps * from_tap
            columns += 1


cdef inline void expand_rows(
    const Problem* of, const Part* part, const real* taps, Py_ssize_t from_tap, Py_ssize_t unit, Py_ssize_t number,
    Py_ssize_t first, Py_ssize_t channels, real* packed,
) noexcept nogil:
    """Transform ROWS rows, the unit's with this number, of some channels of DEPTH from the first on.

    Weights are [part][DEPTH channels][point][block of rows][channel][row].
    """
    cdef Py_ssize_t blocks = count_of(of.outputs * rows_of(of, part), ROWS), c = first // DEPTH * DEPTH
    cdef Py_ssize_t depth = min(<Py_ssize_t>DEPTH, of.channels - c)
    packed += (c * part.taps * blocks + (unit * rows_of(of, part) + number) * depth + first - c) * ROWS
    expand_taps(part.kind, of.outs, taps, from_tap, channels * ROWS, packed, LANES, blocks * depth * ROWS)


cdef inline void expand_vector(
    const Problem* of, const Part* part, const real* taps, Py_ssize_t from_tap, Py_ssize_t rows, Py_ssize_t number,
    Py_ssize_t depth, Py_ssize_t c, Py_ssize_t channels, real* packed,
) noexcept nogil:
    """Transform the vector of a piece's rows with this number, of some of `depth` channels from c on.

    Weights of a piece are [group][point][channel][row of the group], as exchanged_points.pxd has them.
    """
    cdef Py_ssize_t vectors = vectors_of(rows), group = 0, row, wide
    while row_of(group + 1, vectors) <= number * LANES:
        group += 1
    row = row_of(group, vectors)
    wide = row_of(group + 1, vectors) - row
    packed += row * depth * part.taps + c * wide + number * LANES - row
    expand_taps(part.kind, of.outs, taps, from_tap, channels * LANES, packed, wide, depth * wide)


cdef inline void expand_vectors(
    const Problem* of, const Part* part, const real* taps, Py_ssize_t from_tap, Py_ssize_t unit, Py_ssize_t number,
    Py_ssize_t first, Py_ssize_t channels, real* packed,
) noexcept nogil:
    """expand_rows for a vector of rows, of weights that are [part][piece][DEPTH channels] and so on."""
    cdef Py_ssize_t piece = 0, rows = rows_of(of, part), c = first // DEPTH * DEPTH, output, size
    cdef Py_ssize_t depth = min(<Py_ssize_t>DEPTH, of.channels - c)
    while first_of(of, piece + 1) <= unit * LANES:
        piece += 1
    output = first_of(of, piece)
    size = (first_of(of, piece + 1) - output) * rows
    packed += (output * rows * of.channels + vectors_of(size) * LANES * c) * part.taps
    number += (unit - output // LANES) * rows
    expand_vector(of, part, taps, from_tap, size, number, depth, first - c, channels, packed)


cdef inline Py_ssize_t numbers_taken(const Problem* of, Py_ssize_t outputs, Py_ssize_t channels) noexcept nogil:
    """The numbers of the taps of some output channels, which begin with a unit, and channels, in whole vectors."""
    cdef Py_ssize_t i, rows, vectors, numbers = 0
    for i in range(of.parts):
        rows = rows_of(of, &of.part[i])
        vectors = outputs // LANES * rows + vectors_of(outputs % LANES * rows)
        numbers += vectors * LANES * channels * taps_of(of, &of.part[i])
    return numbers


cdef inline bint take_taps(
    const Problem* of, const real* w, const real* w_end, Py_ssize_t first, Py_ssize_t end, Py_ssize_t c,
    Py_ssize_t channels, real* taken,
) noexcept nogil:
    """Take the taps of some output channels, which begin with a unit, and channels; whether all are finite.

    They come to lie [unit][part][tap][channel][row].
    """
    cdef Column column[MOST_PARTS]
    cdef Part taps[MOST_PARTS]
    cdef Weights weights
    cdef Py_ssize_t outputs
    cdef bint finite = True
    while first < end:
        outputs = min(<Py_ssize_t>LANES, end - first)
        weights = unit_of(of, w, w_end, first, outputs, c, channels)
        place_taps(of, outputs, channels * LANES, taken, taps, column)
        pack_vectors(&weights, of.parts, taps, of.tap, column)
        finite = finite and are_finite(&weights)
        taken += numbers_taken(of, outputs, channels)
        first += LANES
    return finite


cdef inline void expand_piece(
    const Problem* of, Py_ssize_t part, const real* taken, Py_ssize_t outputs, Py_ssize_t channels, real* packed
) noexcept nogil:
    """Transform the weights of a part and of a piece of so many output channels, of which the taps are taken."""
    cdef Py_ssize_t unit = 0, rows = rows_of(of, &of.part[part]), i, _j, here, number = 0
    cdef Py_ssize_t from_tap = channels * LANES
    cdef const real* taps
    while unit < outputs:
        here = min(<Py_ssize_t>LANES, outputs - unit)
        taps = taken
        for i in range(part):
            taps += vectors_of(here * rows_of(of, &of.part[i])) * from_tap * taps_of(of, &of.part[i])
        for _j in range(vectors_of(here * rows)):
            expand_vector(
                of, &of.part[part], taps, from_tap, outputs * rows, number, channels, 0, channels, packed
            )
            taps += from_tap * taps_of(of, &of.part[part])
            number += 1
        taken += numbers_taken(of, here, channels)
        unit += LANES


cdef inline bint pack_points(
    const Problem* of, const real* w, const real* w_end, Py_ssize_t unit, Py_ssize_t c, Py_ssize_t channels,
    real* packed,
) noexcept nogil:
    """The weights of a unit's output channels and some channels from c on; whether all are finite.

    Parts may have the weights of earlier ones.
    """
    cdef real taken[TAKEN + LANES]  # whole vectors are read
    cdef Column column[MOST_PARTS]
    cdef Part taps[MOST_PARTS]
    cdef const Column* to = column
    cdef const Part* part
    cdef Py_ssize_t height = height_of(of), outputs = min(height, of.outputs - unit * height)
    cdef Py_ssize_t from_tap = channels * height, i, j, later = 0
    cdef Weights weights = unit_of(of, w, w_end, unit * height, outputs, c, channels)
    place_taps(of, outputs, from_tap, taken, taps, column)
    if ALONG_ROWS and of.exchanged:
        pack_vectors(&weights, of.parts, taps, of.tap, column)
    else:
        pack_blocks(&weights, of.parts, taps, of.tap, column)
    for i in range(of.parts):
        part = &of.part[i]
        for j in range(count_of(outputs * taps[i].phases, height)):
            if part.weight < later:
                pass
            elif ALONG_ROWS and of.exchanged:
                expand_vectors(of, part, to.to, from_tap, unit, j, c, channels, packed + part.weight)
            else:
                expand_rows(of, part, to.to, from_tap, unit, j, c, channels, packed + part.weight)
            to += 1
        later = max(later, part.weight + 1)
    return are_finite(&weights)
