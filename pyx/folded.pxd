"""Transposed convolution by sums for each tap: a product of matrices, whose rows are then folded into the outputs.

For each tap the sum over channels is taken at each pixel of x that the tile reads, and an output is a sum of such sums:

    columns[m, tap][pixel] = sum over c of w[c, m, tap] * x[c][pixel]     rows of weights times lanes of x
    sums[m, phase][t] = sum over the phase's taps of columns[m, tap][t + what the tap's source is from t]

So every vector that is read from x meets as many rows as there are taps, where the other ways load it anew for each;
and x is copied without anything around it: what lies outside meets no weight. For steps of 1.

Order of additions: channels in chains of `block`, the chains in order; then the phase's taps, then the bias.
"""

from libc.string cimport memcpy

from packing cimport kernel_of
from products cimport LANES, ROWS, Sums, add_products, real, vec, vload, vset, vstore
from runs cimport copy_channels, count_of
from tiles cimport Part, Problem, Tile

cdef extern from "simd.h" nogil:
    """
    /* Integers are never folded, for their products are slow whatever is read: none of it is in their builds. */
    #if defined(PRECISION_I64)
    #define FOLDS 0
    #else
    #define FOLDS 1
    #endif
    /* Inlined, so that loops over vectors unroll and sums stay in registers. */
    struct reached_taps;
    static inline __attribute__((always_inline)) void fold_vectors(int, const struct reached_taps *, const ptrdiff_t *,
        const real *, ptrdiff_t, ptrdiff_t, real, real *);
    """
    vec between(vec v, Py_ssize_t first, Py_ssize_t end)
    enum:
        FOLDS

cdef enum:
    MOST_TAPS = 256  # of a phase: as in _plan_folded.py
    MOST_CHAIN = 64  # channels: block_of in _plan_tables.py never gives more
    FOLDED = 4  # vectors folded at once

# The pixels of x that a tile reads, on each axis; in scratch they lie one after the other.
cdef struct Box:
    Py_ssize_t first[3]
    Py_ssize_t count[3]

# The taps of a part that reach into x from some pixel of a row of outputs.
cdef struct Reached "reached_taps":
    Py_ssize_t count
    Py_ssize_t tap[MOST_TAPS]
    Py_ssize_t at[MOST_TAPS]  # the lane of x for the row's first pixel; it is inside
    Py_ssize_t first[MOST_TAPS]  # from this pixel of the row
    Py_ssize_t end[MOST_TAPS]  # to this


cdef inline Py_ssize_t pitch_of(Py_ssize_t pixels) noexcept nogil:
    """Of rows of so many pixels, as _plan_folded.py has it for the most: whole vectors, and not such that the same
    pixels of all channels lie in a few sets of the first cache."""
    pixels = count_of(pixels, LANES) * LANES
    return pixels + LANES if pixels * sizeof(real) % 512 == 0 else pixels


cdef inline Py_ssize_t room_of_columns(const Problem* of) noexcept nogil:
    """Numbers of a tile's columns: vectors that are read may begin before the first and end after the last."""
    return min(of.share, of.outputs) * kernel_of(of) * of.pitch + 2 * LANES


cdef inline Box box_of(const Problem* of, const Tile* tile) noexcept nogil:
    cdef Box box
    cdef Py_ssize_t i, end
    for i in range(3):
        box.first[i] = max(0, tile.first[i] + of.axis[i].segment[0])
        end = min(of.axis[i].size, tile.first[i] + tile.count[i] + of.axis[i].segment[1])
        box.count[i] = max(0, end - box.first[i])
    return box


cdef inline void copy_box(
    const Problem* of, const Tile* tile, const Box* box, const char* x, Py_ssize_t channels, Py_ssize_t pitch, real* to
) noexcept nogil:
    """The pixels of a box, of all images, in some channels; rows that follow each other in x at once."""
    cdef Py_ssize_t n, d, h, run = box.count[2], rows = box.count[1]
    if box.count[2] == of.axis[2].size and of.xs[3] == of.axis[2].size * of.xs[4]:
        run = run * rows
        rows = 1
    x += box.first[0] * of.xs[2] + box.first[1] * of.xs[3] + box.first[2] * of.xs[4]
    for n in range(tile.images):
        for d in range(box.count[0]):
            for h in range(rows):
                copy_channels(
                    x + n * of.xs[0] + d * of.xs[2] + h * of.xs[3], of.xs[1], of.xs[4], run, channels, to, pitch
                )
                to += run


cdef inline void take_weights(
    const Problem* of, const Tile* tile, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t c, Py_ssize_t channels, real* to
) noexcept nogil:
    """The weights of some rows, (output channel, tap), and channels: [channel][ROWS]."""
    cdef Py_ssize_t taps = kernel_of(of), i, j
    cdef const real* w = tile.w + c * of.ws[1]
    cdef const real* from_
    if of.ws[2] == taps:  # all rows of a channel are neighbours
        w += tile.first_output * taps + row
        for i in range(channels):
            if rows == ROWS:
                memcpy(to + i * ROWS, w + i * of.ws[1], ROWS * sizeof(real))
            else:
                for j in range(rows):
                    to[i * ROWS + j] = w[i * of.ws[1] + j]
        return
    for j in range(rows):
        from_ = w + (tile.first_output + (row + j) // taps) * of.ws[2] + (row + j) % taps
        for i in range(channels):
            to[i * ROWS + j] = from_[i * of.ws[1]]


cdef inline void add_columns(
    const Problem* of, const Tile* tile, Py_ssize_t c0, Py_ssize_t channels, Py_ssize_t pixels, Py_ssize_t pitch,
    real* columns,
) noexcept nogil:
    """Add the products of some channels, blocks by number, to the columns, in blocks of about as many rows each."""
    cdef Sums sums
    cdef real taken[MOST_CHAIN * ROWS]
    cdef Py_ssize_t a_at[MOST_CHAIN]
    cdef Py_ssize_t b_at[MOST_CHAIN]
    cdef Py_ssize_t rows = tile.outputs * kernel_of(of), blocks = count_of(rows, ROWS), block, row, end, c
    for c in range(MOST_CHAIN):
        a_at[c] = c * ROWS
        b_at[c] = c * pitch
    sums.outer = 1
    sums.a_step = sums.b_step = 0
    sums.a = taken
    sums.a_at = a_at
    sums.b_at = b_at
    sums.y_row = pitch
    sums.before = sums.after = sums.last = NULL
    for block in range(blocks):
        row = block * rows // blocks
        end = (block + 1) * rows // blocks
        sums.y = columns + row * pitch
        c = 0
        while c < channels:
            sums.inner = min(of.block, channels - c)
            sums.fresh = c0 + c == 0
            sums.b = tile.copied + c * pitch
            take_weights(of, tile, row, end - row, c0 + c, sums.inner, taken)
            add_products(end - row, &sums, 0, pixels)
            c += of.block


cdef inline void find_reached(
    const Problem* of, const Tile* tile, const Box* box, const Part* part, Py_ssize_t n, Py_ssize_t d, Py_ssize_t h,
    Reached* reached,
) noexcept nogil:
    """The taps of a part that reach into x from row (n, d, h) of a tile's outputs."""
    cdef Py_ssize_t e, i, j, k, found = 0
    cdef const Py_ssize_t* source = of.source + 3 * part.first_tap
    for e in range(part.taps):
        i = source[3 * e] + tile.first[0] + d - box.first[0]
        j = source[3 * e + 1] + tile.first[1] + h - box.first[1]
        k = source[3 * e + 2] + tile.first[2] - box.first[2]
        if 0 <= i < box.count[0] and 0 <= j < box.count[1]:
            reached.tap[found] = e
            reached.at[found] = ((n * box.count[0] + i) * box.count[1] + j) * box.count[2] + k
            reached.first[found] = max(0, -k)
            reached.end[found] = min(tile.count[2], box.count[2] - k)
            found += 1
    reached.count = found


cdef inline void fold_vectors "fold_vectors"(
    int vectors, const Reached* reached, const Py_ssize_t* tap, const real* columns, Py_ssize_t pitch, Py_ssize_t t,
    real bias, real* y,
) noexcept nogil:
    """Some vectors of a row of outputs, from pixel t on."""
    cdef vec total[FOLDED]
    cdef Py_ssize_t e, first, end
    cdef const real* x
    cdef int v
    for v in range(vectors):
        total[v] = vset(0)
    for e in range(reached.count):
        x = columns + tap[reached.tap[e]] * pitch + reached.at[e] + t
        first = reached.first[e] - t
        end = reached.end[e] - t
        if first <= 0 and end >= vectors * LANES:
            for v in range(vectors):
                total[v] = total[v] + vload(x + v * LANES)
            continue
        for v in range(vectors):
            if first < (v + 1) * LANES and end > v * LANES:
                total[v] = total[v] + between(vload(x + v * LANES), first - v * LANES, end - v * LANES)
    for v in range(vectors):
        vstore(y + t + v * LANES, total[v] + vset(bias))


cdef inline void fold_row(
    const Reached* reached, const Py_ssize_t* tap, const real* columns, Py_ssize_t pitch, Py_ssize_t count, real bias,
    real* y,
) noexcept nogil:
    """A row of outputs of one phase, in whole vectors; tap[e] is the column of the part's tap e."""
    cdef Py_ssize_t t = 0
    while t < count:
        if t + (FOLDED - 1) * LANES < count:
            fold_vectors(FOLDED, reached, tap, columns, pitch, t, bias, y)
            t += FOLDED * LANES
        elif t + LANES < count:
            fold_vectors(2, reached, tap, columns, pitch, t, bias, y)
            t += 2 * LANES
        else:
            fold_vectors(1, reached, tap, columns, pitch, t, bias, y)
            t += LANES


cdef inline void fold(
    const Problem* of, const Tile* tile, const Box* box, const real* columns, Py_ssize_t pitch
) noexcept nogil:
    """Sum the columns to outputs. A row's last vector may reach into the next row, which is written later."""
    cdef Py_ssize_t i, row, m, p, d, h, n, lane, taps = kernel_of(of)
    cdef const Py_ssize_t* tap = of.tap
    cdef const Part* part
    cdef Reached reached
    cdef real* y
    for i in range(of.parts):
        part = &of.part[i]
        for row in range(tile.images * tile.count[0] * tile.count[1]):
            h = row % tile.count[1]
            d = row // tile.count[1] % tile.count[0]
            n = row // tile.count[1] // tile.count[0]
            lane = ((n * of.axis[0].tile + d) * of.axis[1].tile + h) * of.axis[2].tile
            find_reached(of, tile, box, part, n, d, h, &reached)
            y = tile.sums + tile.outputs * part.first_phase * tile.width + lane
            for m in range(tile.outputs):
                for p in range(part.phases):
                    fold_row(
                        &reached, tap + p * part.taps, columns + m * taps * pitch, pitch, tile.count[2], tile.bias[m], y
                    )
                    y += tile.width
        tap += part.phases * part.taps


cdef inline void add_folded(const Problem* of, const Tile* tile) noexcept nogil:
    """Write the sums of a tile, for one phase after the other."""
    cdef Box box = box_of(of, tile)
    cdef Py_ssize_t pixels = tile.images * box.count[0] * box.count[1] * box.count[2]
    cdef Py_ssize_t pitch = pitch_of(pixels), c0 = 0, channels, c
    cdef real* columns = tile.products + LANES
    while c0 < of.channels and pixels > 0:
        channels = min(of.chunk, of.channels - c0)
        for c in range(channels if c0 == 0 else 0):  # whole vectors are read: nothing slow may be in the last
            vstore(tile.copied + c * pitch + (pixels - 1) // LANES * LANES, vset(0))
        copy_box(of, tile, &box, tile.x + c0 * of.xs[1], channels, pitch, tile.copied)
        add_columns(of, tile, c0, channels, pixels, pitch, columns)
        c0 += channels
    fold(of, tile, &box, columns, pitch)
