"""The gradient with respect to the weight with vectors along pixels.

Lanes are pixels of x, in tiles as in tiles.pxd: those of a tile are copied for each channel, with zeros between rows,
and what their taps meet in g is copied for each output channel in segments, so that a tap is an offset into it. A
weight is then a sum of products of two runs of lanes. Rows of a register block are channels, columns (output channel,
tap):

    x of 8 channels   [lane ...]  x  g of an output channel at 3 taps  [lane ...]  ->  24 sums, each in LANES chains

The pixels of a tile are cut into units: neighbouring rows, planes or images, in the order of g's copy, that begin at
whole vectors in x's copy. Order of additions: in a tile a lane is one chain, lanes are added by halves, tiles are added
in order, and ranges of tiles as in outer.pyx. What is not finite spreads, for x is zero where g has no place; then the
result is not finite, and all is computed in the other way.
"""

from libc.string cimport memcmp, memset

from upsampling._kernels.calls cimport Call, call_scratch, stopped
from products cimport LANES, ROWS, VECTORS_BESIDE, real, vec, vload, vset
from runs cimport copy_runs, count_of
from tiles cimport Problem, Tile, copy_tile

cdef extern from "transpose.h" nogil:
    """
    /* A vector that is read once, not by each multiply-add: these would wait for loads. */
    #if defined(__AVX512F__)
    #define READ_ONCE(v) __asm__("" : "+v"(v))
    #elif defined(__x86_64__)
    #define READ_ONCE(v) __asm__("" : "+x"(v))
    #else
    #define READ_ONCE(v) (void)0
    #endif
    /* Inlined, so that loops over rows and columns unroll and the sums stay in registers. */
    struct correlation;
    static inline __attribute__((always_inline)) void correlate_block(
        int, int, const struct correlation *, ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void correlate_rows(int, const struct correlation *, ptrdiff_t);
    """
    void READ_ONCE(vec v)
    void sum_lanes(const vec* v, int count, real* to)

cdef enum:
    MOST_UNITS = 64  # of a tile

# Rows of x against columns of g.
cdef struct Correlation "correlation":
    Py_ssize_t units
    Py_ssize_t vectors  # of a unit
    const Py_ssize_t* unit  # where each begins in g
    const real* x
    Py_ssize_t x_row
    const real* g
    const Py_ssize_t* g_at  # of each column
    real* y
    Py_ssize_t y_row
    const Py_ssize_t* y_at  # of each column

cdef struct Correlated:
    Problem g  # the tables of its copies
    Py_ssize_t joined  # how many inner axes a unit has
    Py_ssize_t vectors  # of a unit
    Py_ssize_t units  # most of a tile
    Py_ssize_t groups
    Py_ssize_t channels  # of a group
    Py_ssize_t channel_share  # most channels, and output channels, of a task
    Py_ssize_t output_share
    Py_ssize_t chunk  # output channels copied at once
    Py_ssize_t taps  # that some pixel meets: number in the kernel and offset of each
    const Py_ssize_t* tap
    Py_ssize_t all_taps
    Py_ssize_t tiles
    Py_ssize_t range  # tiles of a range
    Py_ssize_t ranges
    Py_ssize_t size  # of y
    Py_ssize_t xs[5]


cdef inline void block "correlate_block"(
    int rows, int columns, const Correlation* s, Py_ssize_t first, Py_ssize_t end
) noexcept nogil:
    """The sums for `rows` rows and columns `first` to `end`, `columns` at a time, added to y.

    Zeroing lies inside of the loop over columns: else GCC keeps a second copy of the sums in memory.
    """
    cdef vec total[8][6]
    cdef vec sums[48]
    cdef vec part[6]
    cdef real done[48]
    cdef const real* at[6]
    cdef const real* x
    cdef Py_ssize_t u, v, row = s.x_row
    cdef int m, j
    cdef vec a
    while first < end:
        x = s.x
        for m in range(rows):
            for j in range(columns):
                total[m][j] = vset(0)
        for u in range(s.units):
            for j in range(columns):
                at[j] = s.g + s.unit[u] + s.g_at[first + j]
            for v in range(s.vectors):
                for j in range(columns):
                    part[j] = vload(at[j] + v * LANES)
                for m in range(rows):
                    a = vload(x + m * row)
                    READ_ONCE(a)
                    for j in range(columns):
                        total[m][j] = total[m][j] + a * part[j]
                x += LANES
        for m in range(rows):
            for j in range(columns):
                sums[m * columns + j] = total[m][j]
        sum_lanes(sums, rows * columns, done)
        for m in range(rows):
            for j in range(columns):
                s.y[m * s.y_row + s.y_at[first + j]] += done[m * columns + j]
        first += columns


cdef inline void along "correlate_rows"(int rows, const Correlation* s, Py_ssize_t columns) noexcept nogil:
    """The sums for `rows` rows and any number of columns."""
    cdef Py_ssize_t wide = columns - columns % VECTORS_BESIDE(rows), pairs = columns - (columns - wide) % 2
    block(rows, VECTORS_BESIDE(rows), s, 0, wide)
    block(rows, 2, s, wide, pairs)
    block(rows, 1, s, pairs, columns)


cdef inline void correlate(Py_ssize_t rows, const Correlation* s, Py_ssize_t columns) noexcept nogil:
    """The sums for 1 to ROWS rows and any number of columns."""
    if ROWS >= 8 and rows == 8:
        along(8, s, columns)
    elif ROWS >= 7 and rows == 7:
        along(7, s, columns)
    elif ROWS >= 6 and rows == 6:
        along(6, s, columns)
    elif ROWS >= 5 and rows == 5:
        along(5, s, columns)
    elif rows == 4:
        along(4, s, columns)
    elif rows == 3:
        along(3, s, columns)
    elif rows == 2:
        along(2, s, columns)
    else:
        along(1, s, columns)


cdef inline Py_ssize_t copy_pixels(
    const Correlated* of, const Tile* tile, const char* x, Py_ssize_t channels, Py_ssize_t pitch, real* to,
    Py_ssize_t* unit,
) noexcept nogil:
    """Copy the pixels of a tile, and say where units begin in g; how many there are."""
    cdef Py_ssize_t length_d = of.g.axis[0].tile + of.g.axis[0].reach, length_h = of.g.axis[1].tile + of.g.axis[1].reach
    cdef Py_ssize_t length_w = of.g.axis[2].tile + of.g.axis[2].reach, n, i, j, at, units = 0
    for n in range(tile.images):
        for i in range(tile.count[0]):
            for j in range(tile.count[1]):
                at = ((n * length_d + i) * length_h + j) * length_w
                if (j == 0 or of.joined < 2) and (i == 0 or of.joined < 3) and (n == 0 or of.joined < 4):
                    unit[units] = at
                    units += 1
                copy_runs(
                    x + n * of.xs[0] + (tile.first[0] + i) * of.xs[2] + (tile.first[1] + j) * of.xs[3], of.xs[1],
                    of.xs[4], of.g.axis[2].domain, tile.first[2], 1, tile.count[2], channels, 0, True,
                    to + (units - 1) * of.vectors * LANES + at - unit[units - 1], pitch,
                )
    return units


cdef inline Py_ssize_t copy_x(
    const Correlated* of, const Tile* tile, const char* x, Py_ssize_t channels, Py_ssize_t pitch, real* to,
    Py_ssize_t* unit,
) noexcept nogil:
    """Copy the pixels of a tile in the order of memory: channel by channel, or all together; how many units it has."""
    cdef Py_ssize_t together = channels if of.xs[1] == sizeof(real) else 1, c = 0, units = 0
    while c < channels:
        units = copy_pixels(of, tile, x + c * of.xs[1], together, pitch, to + c * pitch, unit)
        c += together
    return units


cdef inline void copy_g(
    const Correlated* of, const Tile* tile, const char* g, Py_ssize_t outputs, real* to
) noexcept nogil:
    cdef Py_ssize_t together = outputs if of.g.xs[1] == sizeof(real) else 1, m = 0
    while m < outputs:
        copy_tile(&of.g, tile, g + m * of.g.xs[1], together, 0, True, to + m * of.g.pitch)
        m += together


cdef inline Py_ssize_t x_pitch(const Correlated* of) noexcept nogil:
    """From channel to channel in x's copies: no power of two, or these would take each other's place in caches."""
    return of.units * of.vectors * LANES + LANES


cdef inline Py_ssize_t numbers_of(const Correlated* of) noexcept nogil:
    """Of the copies, in whole vectors, after which the places lie: vectors reach beyond those of g."""
    cdef Py_ssize_t reach = count_of(of.chunk * of.g.pitch, LANES) + of.vectors + 1
    return of.channel_share * x_pitch(of) + reach * LANES


cdef inline Py_ssize_t correlated_room(const Correlated* of) noexcept nogil:
    """Bytes of a task's scratch."""
    return (numbers_of(of) * sizeof(real) + 2 * of.chunk * of.taps * sizeof(Py_ssize_t) + 63) // 64 * 64


cdef inline Py_ssize_t correlated_tasks(const Correlated* of) noexcept nogil:
    """Of all ranges."""
    cdef Py_ssize_t shares = count_of(of.channels, of.channel_share) * count_of(of.g.outputs, of.output_share)
    return of.ranges * of.groups * shares


cdef inline void lay_out_copies(const Correlated* of, char* memory, Py_ssize_t* unit, Correlation* s) noexcept nogil:
    """Put copies, all zeros, and the places of columns at `memory`."""
    cdef Py_ssize_t* places = <Py_ssize_t*>(memory + numbers_of(of) * sizeof(real))
    cdef Py_ssize_t i, columns = of.chunk * of.taps
    memset(memory, 0, numbers_of(of) * sizeof(real))
    for i in range(columns):
        places[i] = i // of.taps * of.g.pitch + of.tap[2 * (i % of.taps) + 1]
        places[columns + i] = i // of.taps * of.all_taps + of.tap[2 * (i % of.taps)]
    s.unit = unit
    s.vectors = of.vectors
    s.x = <real*>memory
    s.x_row = x_pitch(of)
    s.g = s.x + of.channel_share * s.x_row
    s.g_at = places
    s.y_at = places + columns
    s.y_row = of.g.outputs * of.all_taps


cdef inline void add_tile(
    const Correlated* of, const Tile* tile, const char* g, Correlation* s, Py_ssize_t channels, Py_ssize_t outputs,
    real* y,
) noexcept nogil:
    """Add the products of a tile, of which x is copied, for some channels and output channels."""
    cdef const real* x = s.x
    cdef Py_ssize_t m = 0, c, count, rows = count_of(channels, count_of(channels, ROWS))
    while m < outputs:
        count = min(of.chunk, outputs - m)
        copy_g(of, tile, g + m * of.g.xs[1], count, <real*>s.g)
        c = 0
        while c < channels:
            s.x = x + c * s.x_row
            s.y = y + c * s.y_row + m * of.all_taps
            correlate(min(rows, channels - c), s, count * of.taps)
            c += rows
        m += of.chunk
    s.x = x


cdef inline bint find_tile(const Correlated* of, Py_ssize_t number, Tile* tile, Py_ssize_t* image) noexcept nogil:
    """Tile `number`, and its first image; whether it is as large as the one before."""
    cdef Py_ssize_t before[4]
    cdef int i
    before[3] = tile.images
    for i in range(2, -1, -1):
        before[i] = tile.count[i]
        tile.first[i] = number % of.g.axis[i].tiles * of.g.axis[i].tile
        tile.count[i] = min(of.g.axis[i].tile, of.g.axis[i].domain - tile.first[i])
        number = number // of.g.axis[i].tiles
    image[0] = number * of.g.images
    tile.images = min(of.g.images, of.g.batch - image[0])
    return memcmp(before, tile.count, 3 * sizeof(Py_ssize_t)) == 0 and before[3] == tile.images


cdef inline void do_correlated(const Correlated* of, Py_ssize_t task, Call* call, real* y) noexcept nogil:
    """Write the sums of a task to y, or to its range's copy of it."""
    cdef const char* x = <const char*>call.array[0]
    cdef const char* g = <const char*>call.array[1]
    cdef char* memory = call_scratch(call)
    cdef Correlation s
    cdef Tile tile
    cdef Py_ssize_t unit[MOST_UNITS]
    cdef Py_ssize_t pieces = count_of(of.g.outputs, of.output_share), m, c, i, image = 0, outputs, channels
    m = task % pieces * of.output_share
    outputs = min(of.output_share, of.g.outputs - m)
    task = task // pieces
    pieces = count_of(of.channels, of.channel_share)
    c = task % pieces * of.channel_share
    channels = min(of.channel_share, of.channels - c)
    task = task // pieces
    c += task % of.groups * of.channels
    m += task % of.groups * of.g.outputs
    task = task // of.groups
    lay_out_copies(of, memory, unit, &s)
    y += task * of.size + c * s.y_row + (m % of.g.outputs) * of.all_taps
    for i in range(channels):
        memset(y + i * s.y_row, 0, outputs * of.all_taps * sizeof(real))
    memset(&tile, 0, sizeof(Tile))
    for i in range(task * of.range, min(of.tiles, (task + 1) * of.range)):
        if stopped(call):
            break
        if not find_tile(of, i, &tile, &image):
            memset(memory, 0, of.channel_share * s.x_row * sizeof(real))
        s.units = copy_x(of, &tile, x + image * of.xs[0] + c * of.xs[1], channels, s.x_row, <real*>memory, unit)
        add_tile(of, &tile, g + image * of.g.xs[0] + m * of.g.xs[1], &s, channels, outputs, y)
