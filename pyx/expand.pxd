"""Weights of minimal filtering: taken as the direct way takes them, then transformed, vectors along (channel, row)."""

from minimal cimport CODE, DEPTH, F22, F23, F32, POINTS, S22, S23, S32, WHOLE, code_of, points_of
from packing cimport Column, Weights, are_finite, pack_unit, unit_of
from products cimport LANES, ROWS, real, vec, vload, vset, vstore
from runs cimport count_of
from tiles cimport Part, Problem

cdef extern from "simd.h" nogil:
    """
    /* Inlined, so that for given transforms the loops over points unroll and these stay in registers. */
    static inline __attribute__((always_inline)) void expand_as(int, int, int, int, int, int, const real *, ptrdiff_t,
        ptrdiff_t, real *, ptrdiff_t);
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
    Py_ssize_t count, real* to, Py_ssize_t apart,
) noexcept nogil:
    """Transform `count` numbers of each tap, `from_tap` to the next tap's; points come to be `apart`."""
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
                vstore(to + p * apart + v, g[p])
            else:
                vstore_n(to + p * apart + v, g[p], count - v)
        v += LANES


cdef inline void expand_taps(
    const Py_ssize_t* kind, const Py_ssize_t* outs, const real* taps, Py_ssize_t from_tap, Py_ssize_t count, real* to,
    Py_ssize_t apart,
) noexcept nogil:
    """expand_as, compiled for the transforms that are met most often."""
    cdef int code = code_of(kind, outs)
    if code == CODE(0, 1, F23, 2, F23, 2):
        expand_as(WHOLE, F23, F23, 1, 2, 2, taps, from_tap, count, to, apart)
    elif code == CODE(0, 1, F32, 3, F32, 3):
        expand_as(WHOLE, F32, F32, 1, 3, 3, taps, from_tap, count, to, apart)
    elif code == CODE(0, 1, F22, 2, F22, 2):
        expand_as(WHOLE, F22, F22, 1, 2, 2, taps, from_tap, count, to, apart)
    else:
        expand_as(kind[0], kind[1], kind[2], outs[0], outs[1], outs[2], taps, from_tap, count, to, apart)


cdef inline Py_ssize_t taps_of(const Problem* of, const Part* part) noexcept nogil:
    """The taps of each phase of a part."""
    cdef Py_ssize_t axis, count = 1
    for axis in range(3):
        count *= points_of(part.kind[axis], of.outs[axis]) - of.outs[axis] + 1
    return count


cdef inline Py_ssize_t slice_of(const Problem* of) noexcept nogil:
    """Channels transformed at once: as many as TAKEN holds, a power of two."""
    cdef Py_ssize_t i, count = SLICE, taps = 0, outs = of.outs[0] * of.outs[1] * of.outs[2]
    for i in range(of.parts):
        taps += taps_of(of, &of.part[i]) * of.part[i].phases // outs
    while count > 1 and count * taps * ROWS > TAKEN:
        count //= 2
    return count


cdef inline void place_taps(
    const Problem* of, Py_ssize_t outputs, Py_ssize_t from_tap, real* taken, Part* taps, Column* column
) noexcept nogil:
    """Where the taps of a unit's rows are taken to, for each part [tap][channel][ROWS]."""
    cdef Py_ssize_t i, _j, columns = 0, outs = of.outs[0] * of.outs[1] * of.outs[2]
    for i in range(of.parts):
        taps[i].phases = of.part[i].phases // outs
        taps[i].taps = taps_of(of, &of.part[i])
        for _j in range(count_of(outputs * taps[i].phases, ROWS)):
            column[columns].to = taken
            column[columns].wide = from_tap
            column[columns].deep = ROWS
            taken += taps[i].taps * from_tap
            columns += 1


cdef inline bint pack_points(
    const Problem* of, const real* w, const real* w_end, Py_ssize_t unit, Py_ssize_t c, Py_ssize_t channels,
    real* packed,
) noexcept nogil:
    """The weights of ROWS output channels, the unit's, and some channels from c on; whether all are finite.

    They are [part][DEPTH channels][point][block of rows][channel][ROWS]. Parts may have the weights of earlier ones.
    """
    cdef real taken[TAKEN + LANES]  # whole vectors are read
    cdef Column column[MOST_PARTS]
    cdef Part taps[MOST_PARTS]
    cdef const Column* to = column
    cdef const Part* part
    cdef Py_ssize_t outputs = min(<Py_ssize_t>ROWS, of.outputs - unit * ROWS), from_tap = channels * ROWS
    cdef Weights weights = unit_of(of, w, w_end, unit * ROWS, outputs, c, channels)
    cdef Py_ssize_t piece = c // DEPTH * DEPTH, depth = min(<Py_ssize_t>DEPTH, of.channels - piece)
    cdef Py_ssize_t i, j, blocks, at, later = 0
    place_taps(of, outputs, from_tap, taken, taps, column)
    pack_unit(ROWS, &weights, of.parts, taps, of.tap, column)
    for i in range(of.parts):
        part = &of.part[i]
        blocks = count_of(of.outputs * taps[i].phases, ROWS)
        for j in range(count_of(outputs * taps[i].phases, ROWS)):
            at = part.weight + (piece * part.taps * blocks + (unit * taps[i].phases + j) * depth + c - piece) * ROWS
            if part.weight >= later:
                expand_taps(part.kind, of.outs, to.to, from_tap, from_tap, packed + at, blocks * depth * ROWS)
            to += 1
        later = max(later, part.weight + 1)
    return are_finite(&weights)
