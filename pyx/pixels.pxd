"""Blocks of pixels of the weight's gradient: how they are cut into rows, and how x and g are copied; see outer.pyx."""

from libc.string cimport memcpy

from products cimport LANES, real, vec, vset, vstore
from runs cimport copy, copy_few, copy_runs, count_of, fill, transpose

cdef extern from "transpose.h" nogil:
    """
    #define PANEL (6 * LANES)
    """
    void interleave_vectors(vec* v, int n)
    enum:
        PANEL

cdef enum:
    PIXELS = 64  # most of a block

# How the numbers of g that the taps of a block's pixels meet are copied.
cdef enum Layout:
    WHOLE_RUNS  # of a row, each number once
    TAPS_OF_PIXEL  # the taps of a pixel, then those of the next
    PIXELS_OF_TAP  # all pixels' numbers for a tap, then those for the next

cdef struct Problem:
    Py_ssize_t channels  # of a group, as are outputs
    Py_ssize_t outputs
    Py_ssize_t pixels  # of an image
    Py_ssize_t all_pixels
    Py_ssize_t chain  # pixels of one
    Py_ssize_t block  # and of one of these, whole vectors
    Py_ssize_t size[3]
    Py_ssize_t out[3]
    Py_ssize_t kernel[3]
    Py_ssize_t taps  # of all axes
    Py_ssize_t stride[3]
    Py_ssize_t padding[3]
    Py_ssize_t dilation[3]
    Py_ssize_t xs[3]
    Py_ssize_t gs[5]
    bint last  # channels are contiguous in x

# What a task computes: taps `first_tap` and on of the inner axis, for some of the `lines` of the outer axes.
cdef struct Part:
    const char* x
    const char* g
    Py_ssize_t p0
    Py_ssize_t p1
    Py_ssize_t channels
    Py_ssize_t outputs
    Py_ssize_t rows  # output channels that are multiplied at once: 1 where rows are taps
    Py_ssize_t first_line
    Py_ssize_t lines
    Py_ssize_t first_tap
    Py_ssize_t taps
    real* y

# Pixels of a block that lie in one row.
cdef struct Piece:
    Py_ssize_t p
    Py_ssize_t count
    Py_ssize_t at
    Py_ssize_t index[3]

cdef struct Work:
    Piece piece[PIXELS]
    Py_ssize_t pieces
    Py_ssize_t pixels
    Py_ssize_t x_at[PIXELS]
    Py_ssize_t g_at[PIXELS]
    Layout layout
    Py_ssize_t tap_step  # from tap to tap in the copies of g
    Py_ssize_t pixel_step
    Py_ssize_t region  # numbers in the copies for one output channel
    Py_ssize_t width  # of a row of sums
    Py_ssize_t pitch  # of a pixel in a panel
    real* rows  # [channel][block], where pixels are not turned as they lie
    real* panels  # [panel][pixel][pitch]
    real* g  # [output channel][region], once with zeros and once with ones for what lies outside
    real* sums  # [output channel][line][tap][width]


cdef inline void lay_out(const Problem* of, const Part* part, Work* work) noexcept nogil:
    """Choose how copies of g lie: no region is longer than twice as many pixels as a block has for each tap."""
    cdef Py_ssize_t most = 2 * part.taps * of.block, lines = count_of(part.taps * sizeof(real), 64) // 2 * 2 + 1
    if of.stride[2] <= 2 * part.taps and of.dilation[2] < of.block:
        work.layout = WHOLE_RUNS
        work.pixel_step = of.stride[2]
        work.tap_step = of.dilation[2]
        work.region = of.block * of.stride[2]
        work.region += (of.block // of.size[2] + 2) * ((part.taps - 1) * of.dilation[2] + 1)
        if of.stride[2] * sizeof(real) % 512 == 0:  # the pixels would lie in few sets of the first cache
            work.layout = TAPS_OF_PIXEL
            work.pixel_step = lines * 64 // <Py_ssize_t>sizeof(real)
            work.tap_step = 1
            work.region = of.block * work.pixel_step
        if work.region <= most:
            return
    work.layout = PIXELS_OF_TAP
    work.pixel_step = 1
    work.tap_step = of.block
    work.region = part.taps * of.block


cdef inline void turn_square(
    const real* from_, Py_ssize_t from_row, Py_ssize_t rows, Py_ssize_t columns, real* to, Py_ssize_t to_row
) noexcept nogil:
    """As transpose, of at most LANES rows and columns; whole vectors are written, zeros where there are fewer rows."""
    cdef vec v[LANES]
    cdef Py_ssize_t i
    if rows == LANES and columns == LANES:
        transpose(from_, from_row, LANES, LANES, to, to_row)
        return
    for i in range(LANES):
        v[i] = vset(0)
    for i in range(rows):
        copy_few(from_ + i * from_row, columns, <real*>&v[i])
    interleave_vectors(v, LANES)
    for i in range(columns):
        vstore(to + i * to_row, v[i])


cdef inline void turn_pixels(
    const real* from_, Py_ssize_t from_row, Py_ssize_t channels, Py_ssize_t count, Py_ssize_t block, Py_ssize_t pitch,
    real* panels,
) noexcept nogil:
    """Turn rows of pixels, one for each channel, into pixels of the panels, square by square."""
    cdef Py_ssize_t c = 0, t
    while c < channels:
        t = 0
        while t < count:
            turn_square(
                from_ + c * from_row + t, from_row, min(LANES, channels - c), min(LANES, count - t),
                panels + c // PANEL * PANEL * block + c % PANEL + t * pitch, pitch,
            )
            t += LANES
        c += LANES


cdef inline void copy_pixels(const Problem* of, const Part* part, Work* work) noexcept nogil:
    """Fill the panels with the channels of the pixels of a block, image by image."""
    cdef Py_ssize_t p = part.p0, at, c, t, count, channels = part.channels
    cdef bint in_place = of.xs[2] == sizeof(real) and of.pixels >= LANES
    cdef const char* q
    while p < part.p1:
        at = p - part.p0
        count = min(part.p1 - p, of.pixels - p % of.pixels)
        q = part.x + p // of.pixels * of.xs[0] + p % of.pixels * of.xs[2]
        if of.last:
            for t in range(count):
                c = 0
                while c < channels:
                    memcpy(
                        work.panels + (at + t) * work.pitch + c * of.block, q + t * of.xs[2] + c * sizeof(real),
                        min(channels - c, PANEL) * sizeof(real),
                    )
                    c += PANEL
        elif in_place:
            turn_pixels(
                <const real*>q, of.xs[1] // <Py_ssize_t>sizeof(real), channels, count, of.block, work.pitch,
                work.panels + at * work.pitch,
            )
        else:
            for c in range(channels):
                copy(q + c * of.xs[1], of.xs[2], count, work.rows + at + c * of.block)
        p += count
    if not of.last and not in_place:
        turn_pixels(work.rows, of.block, channels, of.block, of.block, work.pitch, work.panels)


cdef inline void find_pieces(
    const Problem* of, Py_ssize_t p0, Py_ssize_t p1, const Part* part, Work* work
) noexcept nogil:
    """Cut a block into pieces of rows, and say where its pixels' copies lie."""
    cdef Py_ssize_t p = p0, t, at = 0
    cdef Piece* piece = work.piece
    work.pixels = p1 - p0
    work.pieces = 0
    while p < p1:
        piece = &work.piece[work.pieces]
        piece.p = p
        piece.index[2] = p % of.size[2]
        piece.index[1] = p // of.size[2] % of.size[1]
        piece.index[0] = p // (of.size[2] * of.size[1]) % of.size[0]
        piece.count = min(p1 - p, of.size[2] - piece.index[2])
        piece.at = at
        for t in range(piece.count):
            work.g_at[p - p0 + t] = at + t * work.pixel_step
        if work.layout == PIXELS_OF_TAP:
            at += piece.count
        else:
            at += (piece.count - 1) * work.pixel_step + (part.taps - 1) * work.tap_step + 1
        p += piece.count
        work.pieces += 1


cdef inline Py_ssize_t row_of(const Problem* of, const Piece* piece, Py_ssize_t line) noexcept nogil:
    """Where the row of g lies that a line of taps meets from a piece of a row of pixels; -1: outside."""
    cdef Py_ssize_t d = piece.index[0] * of.stride[0] + line // of.kernel[1] * of.dilation[0] - of.padding[0]
    cdef Py_ssize_t h = piece.index[1] * of.stride[1] + line % of.kernel[1] * of.dilation[1] - of.padding[1]
    if d < 0 or h < 0 or d >= of.out[0] or h >= of.out[1]:
        return -1
    return piece.p // of.pixels * of.gs[0] + d * of.gs[2] + h * of.gs[3]


cdef inline void copy_region(
    const Problem* of, const Part* part, const Work* work, Py_ssize_t m0, Py_ssize_t rows, Py_ssize_t line,
    real outside, real* to,
) noexcept nogil:
    """Copy what a line of taps meets in some output channels, for all pixels of the block."""
    cdef Py_ssize_t i, k, m, first, at, step = 1, runs = 1, count, apart = 0, copied = 0
    cdef const Piece* piece
    cdef real* start
    for i in range(work.pieces):
        piece = &work.piece[i]
        at = row_of(of, piece, line)
        first = piece.index[2] * of.stride[2] + part.first_tap * of.dilation[2] - of.padding[2]
        count = (piece.count - 1) * work.pixel_step + (part.taps - 1) * work.tap_step + 1
        if work.layout == PIXELS_OF_TAP:
            step, count, runs = of.stride[2], piece.count, part.taps
            apart, copied = of.dilation[2], of.block
        elif work.layout == TAPS_OF_PIXEL:
            step, count, runs = of.dilation[2], part.taps, piece.count
            apart, copied = of.stride[2], work.pixel_step
        for k in range(runs):
            start = to + piece.at + k * copied
            if at >= 0:
                copy_runs(
                    part.g + at + m0 * of.gs[1], of.gs[1], of.gs[4], of.out[2], first + k * apart, step, count,
                    rows, outside, True, start, work.region,
                )
            else:
                for m in range(rows):
                    fill(outside, count, start + m * work.region)
