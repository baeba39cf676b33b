"""Minimal filtering (Winograd; Lavin and Gray): a tile's sums of products from transforms of x and of the weights.

On an axis `outs` neighbouring outputs of a phase with two or three taps are computed from as many points as they read
numbers of x. With x at the points 0, 1, -1 and infinity, g the taps and p the products of the two transforms:

    F(3, 2)   x0 - x2, x1 + x2, x2 - x1, x3 - x1   g0, (g0 + g1) / 2, (g0 - g1) / 2, g1
              y = p0 + p1 + p2, p1 - p2, p1 + p2 + p3
    F(2, 3)   the same                             g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2
              y = p0 + p1 + p2, p1 - p2 + p3
    F(2, 2)   x0 - x1, x1, x2 - x1                 g0, g0 + g1, g1
              y = p0 + p1, p1 + p2

and one tap is a product for each output. A lane of the tile is such a group of outputs, and the numbers that it reads
have the place of taps: part.taps of them, one for each point of all axes. For each point the sum over channels is a
product of matrices, [rows] x [channels] x [lanes], in chains of some channels whose sums are added in order. After
every DEPTH channels they are turned into outputs and added to those of the channels before.

Where parts have the same outputs (the gradient with respect to the input, with strides) they add to the same products.
Those of a tap less (S22, S23, S32) are as if the last tap were zero: they have no last point and read one number less.
"""

from products cimport LANES, ROWS, Sums, add_products, real, vec, vload, vset, vstore
from runs cimport all_finite
from tiles cimport Part, Problem, Tile, begin_vectors, copy_tile

cdef extern from "simd.h" nogil:
    """
    /* Inlined, so that for given transforms the loops over points unroll and these stay in registers. */
    static inline __attribute__((always_inline)) void spread_as(int, int, int, int, int, int, const ptrdiff_t *,
        const real *, const ptrdiff_t *, ptrdiff_t, real *, ptrdiff_t);
    static inline __attribute__((always_inline)) void gather_as(int, int, int, int, int, int, const real *, ptrdiff_t,
        ptrdiff_t, int, real, real *);
    /* Integers are never filtered: none of it is in their builds. */
    #if defined(PRECISION_I64)
    #define FILTERS 0
    #else
    #define FILTERS 1
    #endif
    /* Whether with vectors along the rows of weights as well: lanes fill shorter vectors as well as these do. */
    #define ALONG_ROWS (FILTERS && VECTOR_BYTES == 64)
    #define CODE(kd, nd, kh, nh, kw, nw) (((((kd) * 4 + (nd)) * 32) + (kh) * 4 + (nh)) * 32 + (kw) * 4 + (nw))
    """
    int CODE(int kd, int nd, int kh, int nh, int kw, int nw)
    enum:
        ALONG_ROWS
        FILTERS

cdef enum:
    CHAIN = 32
    DEPTH = 64  # channels transformed at once: some chains
    POINTS = 64  # at most

cdef enum:  # the transform of an axis; WHOLE is none
    WHOLE
    F22
    F23
    F32
    S22  # the same without the last tap, and so without the last point
    S23
    S32


cdef inline void to_points(Py_ssize_t kind, vec* x, Py_ssize_t step) noexcept nogil:
    """Transform numbers of x that lie `step` apart."""
    cdef vec x1 = x[step], x2
    if kind == F22 or kind == S22:
        x[0] = x[0] - x1
        if kind == F22:
            x[2 * step] = x[2 * step] - x1
    else:
        x2 = x[2 * step]
        x[0] = x[0] - x2
        x[step] = x1 + x2
        x[2 * step] = x2 - x1
        if kind == F23 or kind == F32:
            x[3 * step] = x[3 * step] - x1


cdef inline void from_points(Py_ssize_t kind, vec* p, Py_ssize_t step) noexcept nogil:
    """Turn products into outputs, which come to lie at the first places."""
    cdef vec p1 = p[step], p2 = p[2 * step]
    if kind == F22:
        p[0] = p[0] + p1
        p[step] = p1 + p2
    else:
        p[0] = p[0] + (p1 + p2)
        p[step] = p1 - p2
        if kind == F23:
            p[step] = p[step] + p[3 * step]
        else:
            p[2 * step] = (p1 + p2) + p[3 * step]


cdef inline Py_ssize_t points_of(Py_ssize_t kind, Py_ssize_t outs) noexcept nogil:
    return outs if kind == WHOLE else 2 if kind == S22 else 4 if kind == F23 or kind == F32 else 3


cdef inline void spread_as "spread_as"(
    int kind_d, int kind_h, int kind_w, int outs_d, int outs_h, int outs_w, const Py_ssize_t* offset, const real* x,
    const Py_ssize_t* vector_at, Py_ssize_t lanes, real* to, Py_ssize_t apart,
) noexcept nogil:
    """Transform what the lanes of one channel read, a vector `at` its place; from point to point it is `apart`."""
    cdef vec d[POINTS]
    cdef Py_ssize_t v = 0, at
    cdef int i, j, k, depth, height, width
    depth = points_of(kind_d, outs_d)
    height = points_of(kind_h, outs_h)
    width = points_of(kind_w, outs_w)
    while v < lanes:
        at = vector_at[v // LANES]
        for i in range(depth):
            for j in range(height):
                for k in range(width):
                    d[(i * height + j) * width + k] = vload(x + offset[(i * height + j) * width + k] + at)
                if kind_w:
                    to_points(kind_w, d + (i * height + j) * width, 1)
            if kind_h:
                for k in range(width):
                    to_points(kind_h, d + i * height * width + k, width)
        if kind_d:
            for j in range(height):
                for k in range(width):
                    to_points(kind_d, d + j * width + k, height * width)
        for i in range(depth):
            for j in range(height):
                for k in range(width):
                    vstore(to + ((i * height + j) * width + k) * apart + v, d[(i * height + j) * width + k])
        v += LANES


cdef inline void gather_as "gather_as"(
    int kind_d, int kind_h, int kind_w, int outs_d, int outs_h, int outs_w, const real* products, Py_ssize_t apart,
    Py_ssize_t lanes, bint fresh, real bias, real* y,
) noexcept nogil:
    """Add the outputs of one row, and a bias, to its sums, of which each output has a row of `lanes`."""
    cdef vec d[POINTS]
    cdef Py_ssize_t v = 0
    cdef int i, j, k, depth, height, width
    cdef real* to
    depth = points_of(kind_d, outs_d)
    height = points_of(kind_h, outs_h)
    width = points_of(kind_w, outs_w)
    while v < lanes:
        for i in range(depth):
            for j in range(height):
                for k in range(width):
                    d[(i * height + j) * width + k] = vload(products + ((i * height + j) * width + k) * apart + v)
                if kind_w:
                    from_points(kind_w, d + (i * height + j) * width, 1)
            if kind_h:
                for k in range(outs_w):
                    from_points(kind_h, d + i * height * width + k, width)
        if kind_d:
            for j in range(outs_h):
                for k in range(outs_w):
                    from_points(kind_d, d + j * width + k, height * width)
        to = y + v
        for i in range(outs_d):
            for j in range(outs_h):
                for k in range(outs_w):
                    if fresh:
                        vstore(to, d[(i * height + j) * width + k] + vset(bias))
                    else:
                        vstore(to, (vload(to) + d[(i * height + j) * width + k]) + vset(bias))
                    to += lanes
        v += LANES


cdef inline int code_of(const Py_ssize_t* kind, const Py_ssize_t* outs) noexcept nogil:
    """A number for the transforms of three axes."""
    cdef int i, code = 0
    for i in range(3):
        code = code * 32 + kind[i] * 4 + outs[i]
    return code


cdef inline void spread(
    const Py_ssize_t* kind, const Py_ssize_t* outs, const Py_ssize_t* offset, const real* x,
    const Py_ssize_t* vector_at, Py_ssize_t lanes, real* to, Py_ssize_t apart,
) noexcept nogil:
    """spread_as, compiled for the transforms that are met most often."""
    cdef int code = code_of(kind, outs)
    if code == CODE(0, 1, F23, 2, F23, 2) or code == CODE(0, 1, F32, 3, F32, 3):  # the same for x
        spread_as(WHOLE, F23, F23, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, F22, 2, F22, 2):
        spread_as(WHOLE, F22, F22, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, F22, 2, S22, 2):
        spread_as(WHOLE, F22, S22, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, S22, 2, F22, 2):
        spread_as(WHOLE, S22, F22, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, S22, 2, S22, 2):
        spread_as(WHOLE, S22, S22, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, F23, 2, S23, 2) or code == CODE(0, 1, F32, 3, S32, 3):
        spread_as(WHOLE, F23, S23, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, S23, 2, F23, 2) or code == CODE(0, 1, S32, 3, F32, 3):
        spread_as(WHOLE, S23, F23, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, S23, 2, S23, 2) or code == CODE(0, 1, S32, 3, S32, 3):
        spread_as(WHOLE, S23, S23, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, F32, 3, 0, 3):
        spread_as(WHOLE, F32, WHOLE, 1, 3, 3, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, F22, 2, 0, 2):
        spread_as(WHOLE, F22, WHOLE, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, 0, 2, F22, 2):
        spread_as(WHOLE, WHOLE, F22, 1, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, 0, 1, F22, 2):
        spread_as(WHOLE, WHOLE, F22, 1, 1, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(F22, 2, F22, 2, F22, 2):
        spread_as(F22, F22, F22, 2, 2, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, 0, 3, F32, 3):
        spread_as(WHOLE, WHOLE, F32, 1, 3, 3, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(0, 1, 0, 1, F23, 2) or code == CODE(0, 1, 0, 1, F32, 3):
        spread_as(WHOLE, WHOLE, F23, 1, 1, 2, offset, x, vector_at, lanes, to, apart)
    elif code == CODE(F23, 2, F23, 2, F23, 2) or code == CODE(F32, 3, F32, 3, F32, 3):
        spread_as(F23, F23, F23, 2, 2, 2, offset, x, vector_at, lanes, to, apart)
    else:
        spread_as(kind[0], kind[1], kind[2], outs[0], outs[1], outs[2], offset, x, vector_at, lanes, to, apart)


cdef inline void gather(
    const Py_ssize_t* kind, const Py_ssize_t* outs, const real* products, Py_ssize_t apart, Py_ssize_t lanes,
    bint fresh, real bias, real* y,
) noexcept nogil:
    """gather_as, compiled for the transforms that are met most often."""
    cdef int code = code_of(kind, outs)
    if code == CODE(0, 1, F23, 2, F23, 2):
        gather_as(WHOLE, F23, F23, 1, 2, 2, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, F32, 3, F32, 3):
        gather_as(WHOLE, F32, F32, 1, 3, 3, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, F22, 2, F22, 2):
        gather_as(WHOLE, F22, F22, 1, 2, 2, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, 0, 1, F32, 3):
        gather_as(WHOLE, WHOLE, F32, 1, 1, 3, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, 0, 1, F23, 2):
        gather_as(WHOLE, WHOLE, F23, 1, 1, 2, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, F32, 3, 0, 3):
        gather_as(WHOLE, F32, WHOLE, 1, 3, 3, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, 0, 3, F32, 3):
        gather_as(WHOLE, WHOLE, F32, 1, 3, 3, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, 0, 3, 0, 3):
        gather_as(WHOLE, WHOLE, WHOLE, 1, 3, 3, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, F22, 2, 0, 2):
        gather_as(WHOLE, F22, WHOLE, 1, 2, 2, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, 0, 2, F22, 2):
        gather_as(WHOLE, WHOLE, F22, 1, 2, 2, products, apart, lanes, fresh, bias, y)
    elif code == CODE(0, 1, 0, 1, F22, 2):
        gather_as(WHOLE, WHOLE, F22, 1, 1, 2, products, apart, lanes, fresh, bias, y)
    elif code == CODE(F22, 2, F22, 2, F22, 2):
        gather_as(F22, F22, F22, 2, 2, 2, products, apart, lanes, fresh, bias, y)
    elif code == CODE(F23, 2, F23, 2, F23, 2):
        gather_as(F23, F23, F23, 2, 2, 2, products, apart, lanes, fresh, bias, y)
    else:
        gather_as(kind[0], kind[1], kind[2], outs[0], outs[1], outs[2], products, apart, lanes, fresh, bias, y)


cdef inline Py_ssize_t channels_of_chain(const Problem* of, const Part* part) noexcept nogil:
    """The channels of a chain: fewer where all three axes are filtered, which makes errors larger.

    With CHAIN errors over PyTorch's were 1.69 and 1.63 for k3 with 50 and 64 channels, are 1.42 and 1.38, and with as
    many channels for both would be 1.52 or 1.31; the latter takes 1.26 times as long as CHAIN, half of it 1.05. For
    k4 s2 with 32 to 128 channels they were 1.25 to 1.6, are 1.09 to 1.33, in 1.12 times the time.

    More where parts add to the same sums, of two axes and all with as many taps: the input's gradient of k4 s2 has 1.1
    of PyTorch's error, with CHAIN 0.9 and 1.05 times the time (of one group; of several see FEW_OF_A_GROUP in
    _plan_minimal.py). With parts of fewer taps (k3 s2) it were 1.4, not 1.1.
    """
    cdef const Part* last = &of.part[of.parts - 1]
    cdef int i, filtered = 0
    cdef bint alike = not of.part.complete
    for i in range(3):
        filtered += part.kind[i] != WHOLE
        alike = alike and of.part.kind[i] == last.kind[i]
    if filtered < 3:
        return DEPTH if filtered == 2 and alike else CHAIN
    if part.kind[0] == F23 or part.kind[1] == F23 or part.kind[2] == F23:
        return CHAIN // 2 if of.channels >= DEPTH else CHAIN // 4
    return CHAIN // 2


cdef inline Py_ssize_t place_of(
    const Problem* of, const Part* part, const Part* begun, Py_ssize_t point
) noexcept nogil:
    """The number that a point of a part has among those of the part which began the sums, of which it may lack some."""
    cdef Py_ssize_t height = points_of(part.kind[1], of.outs[1]), width = points_of(part.kind[2], of.outs[2])
    cdef Py_ssize_t i = point // (height * width), j = point // width % height, k = point % width
    i = i * points_of(begun.kind[1], of.outs[1]) + j
    return i * points_of(begun.kind[2], of.outs[2]) + k


cdef inline void add_chains(
    const Problem* of, const Tile* tile, const Part* part, const Part* begun, const real* w, Py_ssize_t rows,
    Py_ssize_t blocks, Py_ssize_t channels,
) noexcept nogil:
    """Add the products of up to DEPTH channels; w is [point][block of rows][channel][ROWS]."""
    cdef Sums sums
    cdef Py_ssize_t point, row, c, chain = channels_of_chain(of, part)
    cdef Py_ssize_t a_at[DEPTH]
    cdef Py_ssize_t b_at[DEPTH]
    for c in range(DEPTH):
        a_at[c] = c * ROWS
        b_at[c] = c * tile.width
    sums.outer = 1
    sums.a_step = sums.b_step = 0
    sums.a_at = a_at
    sums.b_at = b_at
    sums.y_row = tile.width
    sums.before = sums.last = NULL
    sums.fresh = False
    for point in range(part.taps):
        sums.y = tile.products + place_of(of, part, begun, point) * (rows * tile.width + LANES)
        row = 0
        while row < rows:
            sums.a = w + (point * blocks * ROWS + row) * channels
            sums.b = tile.spread + point * (channels * tile.width + LANES)
            c = 0
            while c < channels:
                sums.inner = min(chain, channels - c)
                sums.after = sums.y if part == begun and c == 0 else NULL
                add_products(min(ROWS, rows - row), &sums, 0, tile.lanes)
                sums.a += chain * ROWS
                sums.b += chain * tile.width
                c += chain
            sums.y += ROWS * tile.width
            row += ROWS


cdef inline Py_ssize_t outs_of(const Problem* of) noexcept nogil:
    """The outputs of a lane."""
    return of.outs[0] * of.outs[1] * of.outs[2]


cdef inline Py_ssize_t rows_of(const Problem* of, const Part* part) noexcept nogil:
    """The rows of products for an output channel: phases that share what they read."""
    return part.phases // outs_of(of)


cdef inline void spread_channels(
    const Problem* of, const Tile* tile, const Part* part, Py_ssize_t channels
) noexcept nogil:
    """Transform what the lanes read of some channels: [point][channel][lane], a vector between points."""
    cdef Py_ssize_t c
    for c in range(channels):
        spread(
            part.kind, of.outs, of.offset + part.first_tap, tile.copied + c * of.pitch, tile.vector_at, tile.width,
            tile.spread + c * tile.width, channels * tile.width + LANES,
        )


cdef inline void add_by_points(const Problem* of, const Tile* tile) noexcept nogil:
    """Add the products of all channels to the sums: of DEPTH channels, part by part, then of the next."""
    cdef Py_ssize_t i, c0 = 0, row, rows, blocks, count, outs = outs_of(of)
    cdef const Part* part
    cdef const Part* begun = of.part  # the first of those that add to the same products, which has all points
    cdef const real* w
    begin_vectors(of, tile, tile.vector_at)
    while c0 < of.channels:
        count = min(DEPTH, of.channels - c0)
        copy_tile(of, tile, tile.x + c0 * of.xs[1], count, 0, c0 == 0, tile.copied)
        for i in range(of.parts):
            part = &of.part[i]
            if i == 0 or of.part[i - 1].complete:
                begun = part
            rows = tile.outputs * rows_of(of, part)
            blocks = (of.outputs * rows_of(of, part) + ROWS - 1) // ROWS
            spread_channels(of, tile, part, count)
            w = tile.w + part.weight + c0 * part.taps * blocks * ROWS
            w += tile.first_output * rows_of(of, part) * count
            add_chains(of, tile, part, begun, w, rows, blocks, count)
            if not part.complete:
                continue
            for row in range(rows):
                gather(
                    begun.kind, of.outs, tile.products + row * tile.width, rows * tile.width + LANES, tile.width,
                    c0 == 0, tile.bias[row * outs // part.phases] if c0 + DEPTH >= of.channels else 0,
                    tile.sums + (tile.outputs * part.first_phase + row * outs) * tile.width,
                )
        c0 += DEPTH


cdef inline void mark_images(const Problem* of, const Tile* tile, unsigned char* marks) noexcept nogil:
    """Set the mark of each image in which some sum is not finite; what lies between a tile's rows does not count."""
    cdef Py_ssize_t rows = tile.outputs * of.phases, row, n, i, j, lane
    cdef Py_ssize_t length_d = of.axis[0].tile + of.axis[0].gap, length_h = of.axis[1].tile + of.axis[1].gap
    if all_finite(tile.sums, rows * tile.width):
        return
    for row in range(rows):
        for n in range(tile.images):
            for i in range(tile.count[0]):
                for j in range(tile.count[1]):
                    lane = ((n * length_d + i) * length_h + j) * (of.axis[2].tile + of.axis[2].gap)
                    if not all_finite(tile.sums + row * tile.width + lane, tile.count[2]):
                        marks[n] = 1
