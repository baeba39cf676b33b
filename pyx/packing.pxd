"""Weights in the order in which dense.pyx and exchanged.pxd read them, a unit of output channels at a time.

A unit has `height` output channels (ROWS, or LANES where vectors run along rows), at the end of a piece fewer. Its
rows, (output channel, phase), are cut into columns of `height` rows, which come to lie together for each channel and
tap.
"""

from libc.string cimport memcpy, memset

from products cimport LANES, ROWS, ask_for, real
from runs cimport all_finite, count_of, interleave
from tiles cimport Part, Problem

cdef extern from "simd.h" nogil:
    """
    #define HIGHEST (LANES > ROWS ? LANES : ROWS)
    static const real zeros[128 + 16] = {0}; /* as many as are turned at once, and a vector */
    /* Inlined, so that the height is a constant. */
    struct weights;
    struct part;
    struct column;
    static inline __attribute__((always_inline)) void columns_of(
        int, const struct weights *, const struct part *, const ptrdiff_t *, const struct column *);
    static inline __attribute__((always_inline)) void turned_columns(
        int, const struct weights *, ptrdiff_t, const struct part *, const ptrdiff_t *, const struct column *);
    """
    const real zeros[144]
    enum:
        HIGHEST

cdef enum:
    LONGEST = 128  # numbers of a row of weights that are turned at once

# Weights of a unit as they lie.
cdef struct Weights "weights":
    const real* w
    const real* end  # of the whole array
    Py_ssize_t outputs
    Py_ssize_t channels
    Py_ssize_t output_step
    Py_ssize_t channel_step
    Py_ssize_t kernel  # numbers of an output channel and a channel, which lie together

# Where the rows of a column go.
cdef struct Column "column":
    real* to
    Py_ssize_t wide  # from tap to tap,
    Py_ssize_t deep  # and from channel to channel


cdef inline Py_ssize_t weights_of(
    const Part* part, Py_ssize_t outputs, Py_ssize_t channels, Py_ssize_t height
) noexcept nogil:
    """How many numbers the packed weights of a part are."""
    return count_of(outputs * part.phases, height) * height * channels * part.taps


cdef inline Py_ssize_t kernel_of(const Problem* of) noexcept nogil:
    """The numbers in the kernel: the steps of weights are this and its product with all channels, or outputs."""
    return min(of.ws[1], of.ws[2])


cdef inline Weights unit_of(
    const Problem* of, const real* w, const real* end, Py_ssize_t first, Py_ssize_t outputs, Py_ssize_t c,
    Py_ssize_t channels,
) noexcept nogil:
    """Some output channels and channels of a group whose weights begin at w."""
    cdef Weights unit
    unit.w = w + first * of.ws[2] + c * of.ws[1]
    unit.end = end
    unit.outputs = outputs
    unit.channels = channels
    unit.output_step = of.ws[2]
    unit.channel_step = of.ws[1]
    unit.kernel = kernel_of(of)
    return unit


cdef inline void pack_columns "columns_of"(
    int height, const Weights* s, const Part* part, const Py_ssize_t* tap, const Column* column
) noexcept nogil:
    """The columns of a part, number by number where the rows of a column are not neighbours."""
    cdef Py_ssize_t at[HIGHEST]
    cdef Py_ssize_t first[HIGHEST]
    cdef const Py_ssize_t* taps[HIGHEST]
    cdef Py_ssize_t j, e, _c, rows
    cdef int r
    cdef bint neighbours
    cdef const real* w
    cdef real* to
    for j in range(count_of(s.outputs * part.phases, height)):
        rows = min(<Py_ssize_t>height, s.outputs * part.phases - j * height)
        for r in range(rows):
            first[r] = (j * height + r) // part.phases * s.output_step
            taps[r] = tap + (j * height + r) % part.phases * part.taps
        for e in range(part.taps):
            neighbours = rows == height
            for r in range(height):
                at[r] = first[r] + taps[r][e] if r < rows and taps[r][e] >= 0 else -1
                neighbours = neighbours and at[0] >= 0 and at[r] == at[0] + r
            w = s.w
            to = column[j].to + e * column[j].wide
            for _c in range(s.channels):
                if neighbours:
                    memcpy(to, w + at[0], height * sizeof(real))
                else:
                    for r in range(height):
                        to[r] = w[at[r]] if at[r] >= 0 else <real>0
                w += s.channel_step
                to += column[j].deep


cdef inline void turn_outputs(
    Py_ssize_t height, const Weights* s, const real* w, Py_ssize_t count, real* apart, real* to
) noexcept nogil:
    """to[k * height + m] = w[m * output_step + k] for k < count, and zeros for output channels that are not there.

    Whole vectors are read: what lies at the end of all weights is put apart first. The next unit's is asked for.
    """
    cdef const real* rows[HIGHEST]
    cdef Py_ssize_t m, k
    for m in range(height):
        rows[m] = zeros
        if m < s.outputs:
            rows[m] = w + m * s.output_step
            for k in range(0, count, 16):  # the numbers of a line of a cache
                ask_for(rows[m] + height * s.output_step + k)
            if s.end - rows[m] < count + LANES:
                memset(apart + m * (LONGEST + LANES), 0, (LONGEST + LANES) * sizeof(real))
                memcpy(apart + m * (LONGEST + LANES), rows[m], count * sizeof(real))
                rows[m] = apart + m * (LONGEST + LANES)
    interleave(&rows[0], height, count, to)


cdef inline void turn_unit(Py_ssize_t height, const Weights* s, real* to) noexcept nogil:
    """The weights of a unit as [channel][number in the kernel][output channel]."""
    cdef real apart[(LONGEST + HIGHEST) * HIGHEST]
    cdef Py_ssize_t c, e, run, count = s.kernel, rows = s.channels
    if s.channel_step == s.kernel:  # an output channel has them side by side
        count *= rows
        rows = 1
    for c in range(rows):
        e = 0
        while e < count:
            run = min(<Py_ssize_t>LONGEST, count - e)
            turn_outputs(height, s, s.w + c * s.channel_step + e, run, apart, to)
            to += run * height
            e += run


cdef inline void pack_turned "turned_columns"(
    int height, const Weights* s, Py_ssize_t parts, const Part* part, const Py_ssize_t* tap, const Column* column
) noexcept nogil:
    """The columns of all parts, by transposing in registers; a row of weights has at most LONGEST numbers."""
    cdef real turned[(LONGEST + 2) * HIGHEST]
    cdef real joined[(LONGEST + 1) * HIGHEST]
    cdef real apart[(LONGEST + HIGHEST) * HIGHEST]
    cdef const real* source[LONGEST]
    cdef Py_ssize_t c = 0, d, e, i, j, p, count, all_taps = s.kernel, phases, together = 1
    cdef const Py_ssize_t* taps
    cdef const Column* to
    if s.channel_step == s.kernel:  # an output channel has them side by side
        together = LONGEST // s.kernel
    while c < s.channels:
        count = min(together, s.channels - c)
        turn_outputs(height, s, s.w + c * s.channel_step, count * all_taps, apart, turned)
        for d in range(count):
            taps = tap
            to = column
            for i in range(parts):
                phases = part[i].phases
                for e in range(part[i].taps):
                    for p in range(phases):
                        j = taps[p * part[i].taps + e]
                        source[p] = &zeros[0]
                        if j >= 0:
                            source[p] = &turned[(d * all_taps + j) * height]
                    if phases > 1:
                        interleave(source, phases, height, joined)
                        source[0] = joined
                    for j in range(count_of(s.outputs * phases, height)):
                        memcpy(
                            to[j].to + (c + d) * to[j].deep + e * to[j].wide, source[0] + j * height,
                            height * sizeof(real),
                        )
                taps += phases * part[i].taps
                to += count_of(s.outputs * phases, height)
        c += count


cdef inline bint as_they_lie(const Py_ssize_t* tap, Py_ssize_t count) noexcept nogil:
    """Whether taps are numbers of the kernel in their order."""
    cdef Py_ssize_t i
    for i in range(count):
        if tap[i] != i:
            return False
    return True


cdef inline bint in_order(const Weights* s, Py_ssize_t parts, const Part* part, const Py_ssize_t* tap) noexcept nogil:
    """Whether the rows of a unit are neighbours in the weights."""
    return parts == 1 and part.taps == 1 and part.phases == s.output_step and as_they_lie(tap, part.phases)


cdef inline bint of_one_phase(
    const Weights* s, Py_ssize_t parts, const Part* part, const Py_ssize_t* tap
) noexcept nogil:
    """Whether the numbers of the kernel are the taps of one phase, in their order."""
    return parts == 1 and part.phases == 1 and part.taps == s.kernel and as_they_lie(tap, part.taps)


cdef inline void pack_unit(
    int height, const Weights* s, Py_ssize_t parts, const Part* part, const Py_ssize_t* tap, const Column* column
) noexcept nogil:
    """Put the weights of a unit into the columns of its parts, one part's after the other's."""
    cdef Py_ssize_t i
    # Short kernels with channels apart are turned no faster so than by pack_turned.
    if (s.kernel > 8 or s.channel_step == s.kernel) and of_one_phase(s, parts, part, tap):
        if column.wide == height and column.deep == s.kernel * height:
            turn_unit(height, s, column.to)
            return
    if s.kernel <= LONGEST and not in_order(s, parts, part, tap):
        pack_turned(height, s, parts, part, tap, column)
        return
    for i in range(parts):
        pack_columns(height, s, &part[i], tap, column)
        column += count_of(s.outputs * part[i].phases, height)
        tap += part[i].phases * part[i].taps


cdef inline void pack_blocks(
    const Weights* s, Py_ssize_t parts, const Part* part, const Py_ssize_t* tap, const Column* column
) noexcept nogil:
    """pack_unit in blocks of ROWS: met in two places, so that the compiler leaves it out of line, for it is long."""
    pack_unit(ROWS, s, parts, part, tap, column)


cdef inline void pack_vectors(
    const Weights* s, Py_ssize_t parts, const Part* part, const Py_ssize_t* tap, const Column* column
) noexcept nogil:
    """The same in vectors."""
    pack_unit(LANES, s, parts, part, tap, column)


cdef inline bint are_finite(const Weights* s) noexcept nogil:
    """Whether all weights of a unit are finite."""
    cdef Py_ssize_t i
    if s.output_step == s.kernel:
        for i in range(s.channels):
            if not all_finite(s.w + i * s.channel_step, s.outputs * s.kernel):
                return False
        return True
    for i in range(s.outputs):
        if not all_finite(s.w + i * s.output_step, s.channels * s.kernel):
            return False
    return True
