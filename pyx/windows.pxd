"""Rows of 8-bit or 16-bit pixels resampled along, without transposing them: windows of 16 bytes, or of a vector.

A row has size_in pixels of `channels` values and becomes size_out pixels. The output's values, in their order, are the
lanes of vectors. The bytes of a lane's next TAPS taps lie in a window of the row, which is loaded; they are picked out
of it by one permutation for all lanes, or two (picks.h), and multiplied by the digits of the weights (dot.h). Four
rows share the loads of places and digits.

  3 channels of 8 bits       out      r0 g0 b0 r1 | g1 b1 r2 g2 | ...   the first two groups of a vector
                             taps     4 bytes for each, 3 apart in the row

Where pixels lie so far apart that 4 values need more than a window, a group is one pixel of 3 channels, and the missing
one is left out when the output is stored. Of one channel, each lane loads its few taps by itself; or a group is one
sum, whose four lanes have each a part of its many taps, and are added up at the end. The list of windows, places and
digits is made once for all rows.
"""

from libc.stdint cimport INT32_MAX, int32_t, int64_t
from libc.string cimport memcpy

cdef extern from "picks.h" nogil:
    ctypedef unsigned short pixel
    const Py_ssize_t LANES
    enum:
        ALONE
        LANE_EACH
        QUARTER_EACH
        HALF_EACH
        WHOLE
        PIXEL_BYTES
        TAPS
        VECTORS
        QUARTERS
        ROWS
        PAIRS
        WORDS
        PICKS
        PICKS_FAR
        VECTOR_BYTES
    ctypedef struct Windows "windows":
        Py_ssize_t blocks, bytes, steps, stride, reach, direct, tail, tail_bytes
        int sums, unit, way, pair, three
        int32_t* begin
        char* places
        int32_t* words
    int sums_for(const int32_t* weights, Py_ssize_t n, Py_ssize_t taps, int* unit)
    int WORDS_OF(bint pair)
    void words_of(
        int32_t* to, Py_ssize_t pace, const int32_t* weights, Py_ssize_t n, int unit, int sums, bint pair
    )
    int windows_of(int way)
    int values_of(const Windows* t)
    int group_of(int vector, int quarter)
    void arrange(Windows* t)
    void blocks_along(
        const char** rows, Py_ssize_t skip, char** out, Py_ssize_t base, Py_ssize_t first, Py_ssize_t end,
        const Windows* t
    )

cdef enum:
    GROUP = 8  # rows that are resampled for each reading of the list
    NEAR_BYTES = 1 << 14  # of the list, which stay in the first cache for all rows of a group
    # Bytes that a list may take: it is read once for four rows, from the second-level cache or from the third.
    MOST_BYTES = 1 << 22

cdef struct Axis:
    const int64_t* start
    const int64_t* count
    const int32_t* weights
    Py_ssize_t taps
    Py_ssize_t size_in, size_out

cdef inline Py_ssize_t lanes_of(const Windows* t) noexcept nogil:
    """Lanes among which the taps of one sum are shared out."""
    return 4 if t.way == ALONE else 1


cdef inline Py_ssize_t words_of_step(const Windows* t) noexcept nogil:
    return t.sums * WORDS_OF(t.pair)


cdef inline Py_ssize_t words_of_lane(const Windows* t) noexcept nogil:
    return t.steps * words_of_step(t)


cdef inline bint of_pixels(const Windows* t) noexcept nogil:
    """Whether a group makes one pixel."""
    return values_of(t) < 4


cdef inline Py_ssize_t shared_by(int way) noexcept nogil:
    """Groups that share a window."""
    return 4 if way == WHOLE else 2 if way == HALF_EACH else 1


cdef inline void span(
    const Windows* t, const Axis* x, unsigned int channels, Py_ssize_t group, Py_ssize_t groups, Py_ssize_t* begin,
    Py_ssize_t* end,
) noexcept nogil:
    """The bytes of the row that the first steps of groups that lie one after another are made of."""
    cdef Py_ssize_t o = group, c = 0, last, left = groups * channels
    if not of_pixels(t):
        o = <unsigned int>(4 * group) // channels
        c = 4 * group - o * channels
        left = 4 * groups
    while left > 0 and o < x.size_out:
        last = min(<Py_ssize_t>channels, c + left) - 1
        begin[0] = min(begin[0], (x.start[o] * channels + c) * PIXEL_BYTES)
        end[0] = max(end[0], (x.start[o] * channels + last) * PIXEL_BYTES)
        left -= last + 1 - c
        c = 0
        o += 1
    end[0] += ((t.reach - 1) * channels + 1) * PIXEL_BYTES


cdef inline Py_ssize_t window_begin(
    const Windows* t, const Axis* x, Py_ssize_t channels, Py_ssize_t block, Py_ssize_t vector, Py_ssize_t window,
    Py_ssize_t* longest,
) noexcept nogil:
    """Where a window of a vector begins; what makes nothing reads what the last output reads."""
    cdef Py_ssize_t row = x.size_in * channels * PIXEL_BYTES, begin = row, end = 0, group, o
    if t.way == LANE_EACH:
        o = 4 * (block * VECTORS * QUARTERS + group_of(<int>vector, <int>(window // 4))) + window % 4
        return x.start[min(o, x.size_out - 1)] * PIXEL_BYTES
    group = block * VECTORS * QUARTERS + group_of(<int>vector, <int>window)
    span(t, x, <unsigned int>channels, group, shared_by(t.way), &begin, &end)
    longest[0] = max(longest[0], end - begin)
    return begin if begin < row else x.start[x.size_out - 1] * channels * PIXEL_BYTES


cdef inline bint fits(Windows* t, const Axis* x, Py_ssize_t channels) noexcept nogil:
    """Whether windows hold what lanes need, with `way` and `three` as they are; if so, what follows from these."""
    cdef Py_ssize_t block, v, i, begin, longest = 0, row = x.size_in * channels * PIXEL_BYTES, least, most, last = 0
    cdef Py_ssize_t window = VECTOR_BYTES if t.way > QUARTER_EACH else 4 if t.way == LANE_EACH else 16
    cdef Py_ssize_t groups = (x.size_out * channels + 3) // 4, shared = shared_by(t.way)
    if of_pixels(t):
        groups = x.size_out
    t.blocks = (groups + VECTORS * QUARTERS - 1) // (VECTORS * QUARTERS)
    t.bytes = VECTORS * QUARTERS * PIXEL_BYTES * values_of(t)
    t.stride = TAPS * lanes_of(t) * channels * PIXEL_BYTES
    t.direct = t.blocks
    t.tail = row
    for block in range(t.blocks):
        least = row
        most = 0
        for v in range(VECTORS):
            for i in range(windows_of(t.way) // shared):
                begin = window_begin(t, x, channels, block, v, i * shared, &longest)
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
        (windows_of(t.way) * <Py_ssize_t>sizeof(int32_t) + 63) // 64 * 64 + VECTOR_BYTES * (1 + words_of_lane(t))
    )


cdef inline bint suits(
    Windows* t, const Axis* x, Py_ssize_t channels, Py_ssize_t taps, int way, bint three
) noexcept nogil:
    """Whether an axis of so many taps can be resampled in a way; if so, the windows are planned."""
    t.way = way
    t.three = three
    t.pair = PAIRS and taps <= 2
    t.reach = min(taps, TAPS * lanes_of(t))
    t.steps = (taps + TAPS * lanes_of(t) - 1) // (TAPS * lanes_of(t))
    return fits(t, x, channels)


cdef inline bint plan_windows(Windows* t, const Axis* x, Py_ssize_t channels) noexcept nogil:
    """Choose what groups and windows are; False where they are not for this axis."""
    cdef Py_ssize_t taps = 1, o
    cdef int way = WHOLE if PICKS_FAR else QUARTER_EACH
    t.sums = sums_for(x.weights, x.size_out, x.taps, &t.unit) if PICKS else 0
    if t.sums == 0 or channels * x.size_in > INT32_MAX // PIXEL_BYTES:  # where windows begin has 32 bits
        return False
    for o in range(x.size_out):
        taps = max(taps, x.count[o])
    # Groups that share a window save loads; groups of single pixels are not full.
    while way >= QUARTER_EACH:
        if suits(t, x, channels, taps, way, False) or (channels == 3 and suits(t, x, channels, taps, way, True)):
            return room(t) <= MOST_BYTES
        way -= 1
    if channels > 1:
        return False
    if taps <= TAPS:
        return suits(t, x, 1, taps, LANE_EACH, False) and room(t) <= MOST_BYTES
    return suits(t, x, 1, taps, ALONE, False) and room(t) <= MOST_BYTES


cdef inline void list_lane(const Windows* t, const Axis* x, Py_ssize_t o, Py_ssize_t part, int32_t* to) noexcept nogil:
    """List the digits of output pixel o, or of a part of its taps."""
    cdef Py_ssize_t s, at, count = x.count[o]
    cdef const int32_t* weights = x.weights + o * x.taps
    for s in range(t.steps):
        at = (s * lanes_of(t) + part) * TAPS
        words_of(to, LANES, weights + at, count - at, t.unit, t.sums, t.pair)
        to += words_of_step(t) * LANES


cdef inline void list_places(const Windows* t, Py_ssize_t channels, Py_ssize_t at, char* places) noexcept nogil:
    """List the places of a lane's four bytes in its window, where its first tap is at `at`."""
    cdef Py_ssize_t k, tap, per = 2 if t.pair else PIXEL_BYTES
    for k in range(4):
        tap = k // per if k // per < t.reach else 0
        places[k] = -128 if t.pair and k % 2 else <char>(at + tap * channels * PIXEL_BYTES + k % per)


cdef inline void list_vector(
    const Windows* t, const Axis* x, Py_ssize_t channels, Py_ssize_t block, Py_ssize_t v
) noexcept nogil:
    """List the windows, places and digits of a vector."""
    cdef Py_ssize_t number = block * VECTORS + v, words = words_of_lane(t), group, q, lane, i, o, c
    cdef Py_ssize_t longest = 0, begin = 0, at
    cdef int32_t* to = t.words + number * words * LANES
    cdef char* places = t.places + number * VECTOR_BYTES
    for i in range(windows_of(t.way)):
        if i % shared_by(t.way) == 0:
            begin = window_begin(t, x, channels, block, v, i, &longest)
        t.begin[number * windows_of(t.way) + i] = <int32_t>begin
    for q in range(QUARTERS):
        begin = t.begin[number * windows_of(t.way) + q]
        group = block * VECTORS * QUARTERS + group_of(v, q)
        o = group if of_pixels(t) else <unsigned int>(4 * group) // <unsigned int>channels
        c = 0 if of_pixels(t) else 4 * group - o * channels
        for lane in range(4 * q, 4 * q + 4):
            at = 0
            if t.way == ALONE and o < x.size_out:
                list_lane(t, x, o, lane - 4 * q, to + lane)
            elif o >= x.size_out or c >= channels:  # what this lane makes is not kept
                for i in range(words):
                    to[i * LANES + lane] = 0
            else:
                at = 4 * (lane - 4 * q)
                if t.way >= QUARTER_EACH:
                    at = (x.start[o] * channels + c) * PIXEL_BYTES - begin
                if lane > 4 * q and c > 0:
                    for i in range(words):
                        to[i * LANES + lane] = to[i * LANES + lane - 1]
                else:
                    list_lane(t, x, o, 0, to + lane)
            list_places(t, channels, at, places + 4 * lane)
            c += 1
            if c == channels and not of_pixels(t):
                c = 0
                o += 1


cdef inline void list_windows(Windows* t, const Axis* x, Py_ssize_t channels, char* memory) noexcept nogil:
    """Make the list in `memory`."""
    cdef Py_ssize_t n = vectors(t), block, v
    t.places = memory
    t.words = <int32_t*>(memory + n * VECTOR_BYTES)
    t.begin = t.words + n * words_of_lane(t) * LANES
    arrange(t)
    for block in range(t.blocks):
        for v in range(VECTORS):
            list_vector(t, x, channels, block, v)


cdef inline void along_windows(
    const Windows* t, const char** rows, char** out, Py_ssize_t n, Py_ssize_t first, Py_ssize_t end, Py_ssize_t skip,
    Py_ssize_t row, char* tails,
) noexcept nogil:
    """Blocks first ... end - 1 of n rows, at most GROUP, of `row` bytes.

    rows[r] is at byte `skip` of the row, out[r] at the output of block `first`. Of `out` one more may be overwritten.
    With `tails`, which has room for GROUP rows, nothing behind a row's end is read.
    """
    cdef Py_ssize_t r, direct = end, block, after, part
    cdef Py_ssize_t near = max(<Py_ssize_t>1, NEAR_BYTES // (VECTORS * VECTOR_BYTES * (1 + words_of_lane(t))))
    cdef const char* ends[GROUP]
    if tails != NULL:
        direct = min(max(first, t.direct), end)
    while n % ROWS != 0:
        rows[n] = rows[n - 1]
        n += 1
    if direct < end:
        for r in range(n):
            ends[r] = tails + r * t.tail_bytes
            memcpy(tails + r * t.tail_bytes, rows[r] + t.tail - skip, row - t.tail)
    block = first
    while block < end:
        after = min(block + near, direct if block < direct else end)
        part = 0
        while part < n:
            if block < direct:
                blocks_along(rows + part, skip, out + part, first, block, after, t)
            else:
                blocks_along(ends + part, t.tail, out + part, first, block, after, t)
            part += ROWS
        block = after
