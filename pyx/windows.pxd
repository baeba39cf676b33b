"""Rows of 8-bit or 16-bit pixels resampled along, without transposing them: windows of 16 bytes, or of a vector.

A row has size_in pixels of `channels` values and becomes size_out pixels. The output's values, in their order, are the
lanes of vectors. The bytes of a lane's next TAPS taps lie in a window of the row, which is loaded; they are picked
out of it by one permutation for all lanes, and multiplied by the digits of the weights (dot.h). Four rows share the
loads of places and digits.

  3 channels of 8 bits       out      r0 g0 b0 r1 | g1 b1 r2 g2 | ...   the first two groups of a vector
                             taps     4 bytes for each, 3 apart in the row

Where pixels lie so far apart that 4 values need more than a window, a group is one pixel, and its missing channels
are left out when the output is stored. The list of windows, places and digits is made once for all rows.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

cdef extern from "dot.h" nogil:
    ctypedef unsigned short pixel
    const Py_ssize_t LANES
    enum:
        PIXEL_BYTES
        TAPS
        VECTORS
        QUARTERS
        WORDS
        PICKS
        PICKS_FAR
        VECTOR_BYTES
    ctypedef struct Windows "windows":
        Py_ssize_t blocks, bytes, steps, stride, reach, direct, tail, tail_bytes
        int sums, unit, wide, few
        int32_t* begin
        char* places
        int32_t* words
    int sums_for(int32_t low, int32_t high, int zeros, Py_ssize_t taps, int* unit)
    int trailing_zeros "__builtin_ctz"(unsigned int x)
    void words_of(
        int32_t* to, Py_ssize_t pace, const int32_t* weights, Py_ssize_t n, int unit, int sums
    )
    int group_of(int vector, int quarter)
    void arrange(Windows* t)
    void blocks_along(
        const char** rows, Py_ssize_t skip, char** out, Py_ssize_t base, Py_ssize_t first, Py_ssize_t end,
        const Windows* t, int n
    )

cdef enum:
    ROWS = 4  # that share loads
    # Bytes that a list may take: it is read once for four rows, from the second-level cache or from the third.
    MOST_BYTES = 1 << 22

cdef struct Axis:
    const int64_t* start
    const int64_t* count
    const int32_t* weights
    Py_ssize_t taps
    Py_ssize_t size_in, size_out

# Where a lane's first tap begins in the row, in bytes, and which output pixel it is of; -1: of none.
cdef struct Place:
    Py_ssize_t first
    Py_ssize_t pixel


cdef inline int sums_of(const Axis* x, int* unit) noexcept nogil:
    """How many sums the weights of an axis take in dot.h, or 0."""
    cdef Py_ssize_t o, k
    cdef int32_t w, low = 0, high = 0, bits = 1 << 21
    for o in range(x.size_out):
        for k in range(x.count[o]):
            w = x.weights[o * x.taps + k]
            bits |= w
            low = min(low, w)
            high = max(high, w)
    return sums_for(low, high, trailing_zeros(<unsigned int>bits), x.taps, unit)


cdef inline Place place_of(
    const Windows* t, const Axis* x, Py_ssize_t channels, Py_ssize_t group, Py_ssize_t lane
) noexcept nogil:
    """What lane 0 ... 3 of a group is made of."""
    cdef Place p
    cdef Py_ssize_t c = lane
    p.pixel = group
    if not t.few:
        p.pixel = (4 * group + lane) // channels
        c = 4 * group + lane - p.pixel * channels
    p.first = 0
    if p.pixel >= x.size_out or c >= channels:
        p.pixel = -1
    else:
        p.first = (x.start[p.pixel] * channels + c) * PIXEL_BYTES
    return p


cdef inline void span(
    const Windows* t, const Axis* x, Py_ssize_t channels, Py_ssize_t block, Py_ssize_t vector, Py_ssize_t quarter,
    Py_ssize_t* begin, Py_ssize_t* end,
) noexcept nogil:
    """Widen begin ... end to the bytes of the row that a group's first step is made of."""
    cdef Py_ssize_t lane, group = block * VECTORS * QUARTERS + group_of(vector, quarter)
    cdef Py_ssize_t reach = (t.reach - 1) * channels * PIXEL_BYTES + PIXEL_BYTES
    cdef Place p
    for lane in range(4):
        p = place_of(t, x, channels, group, lane)
        if p.pixel >= 0:
            begin[0] = min(begin[0], p.first)
            end[0] = max(end[0], p.first + reach)


cdef inline Py_ssize_t window_begin(
    const Windows* t, const Axis* x, Py_ssize_t channels, Py_ssize_t block, Py_ssize_t vector, Py_ssize_t quarter,
    Py_ssize_t* longest,
) noexcept nogil:
    """Where the window of a group begins, or its vector's; the row's end where they make nothing."""
    cdef Py_ssize_t begin = x.size_in * channels * PIXEL_BYTES, end = 0, q
    for q in range(QUARTERS):
        if t.wide or q == quarter:
            span(t, x, channels, block, vector, q, &begin, &end)
    longest[0] = max(longest[0], end - begin)
    return begin


cdef inline bint fits(Windows* t, const Axis* x, Py_ssize_t channels) noexcept nogil:
    """Whether windows hold what their lanes need, with `few` and `wide` as they are; if so, what follows from these."""
    cdef Py_ssize_t block, v, q, begin, longest = 0, row = x.size_in * channels * PIXEL_BYTES, least, most, last = 0
    cdef Py_ssize_t window = VECTOR_BYTES if t.wide else 16, groups = (x.size_out * channels + 3) // 4
    if t.few:
        groups = x.size_out
    t.blocks = (groups + VECTORS * QUARTERS - 1) // (VECTORS * QUARTERS)
    t.bytes = VECTORS * QUARTERS * PIXEL_BYTES * (t.few if t.few else 4)
    t.stride = TAPS * channels * PIXEL_BYTES
    t.direct = t.blocks
    t.tail = row
    for block in range(t.blocks):
        least = row
        most = 0
        for v in range(VECTORS):
            for q in range(1 if t.wide else QUARTERS):
                begin = window_begin(t, x, channels, block, v, q, &longest)
                least = min(least, begin)
                most = max(most, begin + (t.steps - 1) * t.stride + window)
        if longest > window:
            return False
        if most > row or t.direct < t.blocks:
            t.direct = min(t.direct, block)
            t.tail = min(t.tail, least)
            last = max(last, most)
    t.tail_bytes = (max(<Py_ssize_t>0, last - t.tail) + 63) // 64 * 64
    return True


cdef inline Py_ssize_t vectors(const Windows* t) noexcept nogil:
    return t.blocks * VECTORS


cdef inline Py_ssize_t room(const Windows* t) noexcept nogil:
    """Bytes that a list takes."""
    return vectors(t) * (
        (QUARTERS * <Py_ssize_t>sizeof(int32_t) + 63) // 64 * 64 + VECTOR_BYTES * (1 + t.steps * t.sums * WORDS)
    )


cdef inline bint plan_windows(Windows* t, const Axis* x, Py_ssize_t channels) noexcept nogil:
    """Choose what groups and windows are; False where they are not for this axis."""
    cdef Py_ssize_t taps = 1, o
    cdef int way
    t.sums = sums_of(x, &t.unit) if PICKS else 0
    if t.sums == 0 or channels * x.size_in > (1 << 30):
        return False
    for o in range(x.size_out):
        taps = max(taps, x.count[o])
    t.steps = (taps + TAPS - 1) // TAPS
    t.reach = min(taps, TAPS)
    # A wide window saves loads; groups of single pixels are not full.
    for way in range(4):
        t.wide = way < 2
        t.few = channels if way % 2 else 0
        if (t.wide and not PICKS_FAR) or (t.few and channels != 3):
            continue
        if fits(t, x, channels):
            return room(t) <= MOST_BYTES
    return False


cdef inline void list_vector(
    Windows* t, const Axis* x, Py_ssize_t channels, Py_ssize_t block, Py_ssize_t v
) noexcept nogil:
    """List the windows, places and digits of a vector."""
    cdef Py_ssize_t number = block * VECTORS + v, q, lane, k, s, i, begin = 0, longest = 0
    cdef Py_ssize_t words = t.steps * t.sums * WORDS, left, before = -1
    cdef int32_t* to = t.words + number * words * LANES
    cdef char* places = t.places + number * VECTOR_BYTES
    cdef Place p
    for q in range(QUARTERS):
        if q == 0 or not t.wide:
            begin = window_begin(t, x, channels, block, v, q, &longest)
        t.begin[number * QUARTERS + q] = <int32_t>begin
        for lane in range(4):
            p = place_of(t, x, channels, block * VECTORS * QUARTERS + group_of(v, q), lane)
            for k in range(4):
                i = 0
                if p.pixel >= 0 and k // PIXEL_BYTES < t.reach:
                    i = p.first - begin + k // PIXEL_BYTES * channels * PIXEL_BYTES + k % PIXEL_BYTES
                places[16 * q + 4 * lane + k] = <char>i
            if p.pixel < 0:
                for i in range(words):
                    to[i * LANES + 4 * q + lane] = 0
            elif p.pixel == before:
                for i in range(words):
                    to[i * LANES + 4 * q + lane] = to[i * LANES + 4 * q + lane - 1]
            else:
                for s in range(t.steps):
                    left = max(<Py_ssize_t>0, x.count[p.pixel] - s * TAPS)
                    words_of(
                        to + s * t.sums * WORDS * LANES + 4 * q + lane, LANES, x.weights + p.pixel * x.taps + s * TAPS,
                        left, t.unit, t.sums,
                    )
            before = p.pixel


cdef inline void list_windows(Windows* t, const Axis* x, Py_ssize_t channels, char* memory) noexcept nogil:
    """Make the list in `memory`."""
    cdef Py_ssize_t n = vectors(t), block, v
    t.places = memory
    t.words = <int32_t*>(memory + n * VECTOR_BYTES)
    t.begin = t.words + n * t.steps * t.sums * WORDS * LANES
    arrange(t)
    for block in range(t.blocks):
        for v in range(VECTORS):
            list_vector(t, x, channels, block, v)


cdef inline void along_windows(
    const Windows* t, const char** rows, char** out, Py_ssize_t n, Py_ssize_t first, Py_ssize_t end, Py_ssize_t skip,
    Py_ssize_t row, char* tails,
) noexcept nogil:
    """Blocks first ... end - 1 of n rows, at most ROWS, of `row` bytes.

    rows[r] is at byte `skip` of the row, out[r] at the output of block `first`. With n = 3 the fourth of `out` is
    overwritten. With `tails`, which has room for ROWS, nothing behind a row's end is read.
    """
    cdef Py_ssize_t r, direct = end, part, parts = 1
    cdef const char* ends[ROWS]
    if tails != NULL:
        direct = min(max(first, t.direct), end)
    if n == 3:
        rows[3] = rows[2]
        n = ROWS
    if direct < end:
        for r in range(n):
            memcpy(tails + r * t.tail_bytes, rows[r] + t.tail - skip, row - t.tail)
            ends[r] = tails + r * t.tail_bytes
    if n < ROWS:
        parts = n
        n = 1
    for part in range(parts):
        if first < direct:
            blocks_along(rows + part, skip, out + part, first, first, direct, t, n)
        if direct < end:
            blocks_along(ends + part, t.tail, out + part, first, direct, end, t, n)
