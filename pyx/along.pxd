"""Rows resampled along their own axis, several at a time.

A row has size_in pixels of `inner` numbers and becomes size_out pixels: output o is the chain w[0] * x[start],
madd(w[1], x[start + 1], .), ... of count[o] terms. There are three ways to the same bits; this is the first:

  windows   a vector of outputs at a time: what it reads lies in 1, 2, 4 or 8 vectors of the row, loaded once, and each
            tap is a permutation of them. These vectors may be sums over several rows, formed in registers. Needs
            the table by elements of the row: `first`, `counts` and `least` (the least `first` from there on), and
            weights by taps. Taps that an output lacks have weight -0 and read 0, for adding -0 changes nothing. Where
            it is faster (`each`), every tap is picked out of a window of its own, or loaded, pixel by pixel.
  columns   a vector of rows at a time, and
  pixels    each pixel is a short row of many channels: see columns.pxd.
"""

from libc.stdint cimport int64_t

cdef extern from "permute.h" nogil:
    """
    /* Inlined, so that loops over rows unroll and the sums stay in registers. */
    struct axis;
    static inline __attribute__((always_inline)) void sum_vectors(
        int, const real **, ptrdiff_t, const real *, ptrdiff_t, vec *);
    static inline __attribute__((always_inline)) void window_vectors(
        int, int, int, int, const struct axis *, const real **, ptrdiff_t, ptrdiff_t, real **, ptrdiff_t, ptrdiff_t,
        ptrdiff_t);
    static inline __attribute__((always_inline)) void far_vectors(
        int, int, int, int, const struct axis *, const real **, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real *,
        ptrdiff_t, ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void tap_vectors(
        int, int, int, int, const struct axis *, const real **, const real *, ptrdiff_t, ptrdiff_t, real **, ptrdiff_t,
        ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void rows_by_taps(
        int, int, const struct axis *, const real **, const real *, ptrdiff_t, ptrdiff_t, real **, int, ptrdiff_t,
        ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void some_vectors(
        int, int, int, int, const struct axis *, const real **, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real **,
        ptrdiff_t, ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void windows_of(
        int, int, const struct axis *, const real **, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real **,
        ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void rows_by_windows(
        int, const struct axis *, const real **, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real **, int,
        ptrdiff_t, ptrdiff_t);
    """
    ctypedef float real
    ctypedef float vec
    ctypedef int lane
    ctypedef int lanes
    ctypedef int window
    real madd(real a, real b, real c)
    vec vload(const real* p)
    void vstore(real* p, vec v)
    vec vset(real x)
    vec vmadd(vec a, vec b, vec c)
    lanes lanes_at(const lane* p)
    lanes lanes_of(lane x)
    vec where_more(lanes count, lane t, vec v)
    window window_at(const real* p, int vectors)
    vec pick(window w, int vectors, lanes at)
    void ask_for(const void* p)
    vec pick_far(const vec* v, int vectors, lanes at)
    vec pixels_at(const real* x, const lane* first, const lane* counts, lane t)
    enum:
        LANES
        LONGEST  # vectors of a window
        TAPS_APART  # whether each tap may have a window of its own
        PERMUTES  # whether numbers are picked in registers

cdef extern from "transpose.h" nogil:
    void copy_few(const real* source, Py_ssize_t n, real* to)

cdef enum:
    # Rows that share the loads of weights and places; their sums and windows take half of 32 registers.
    ROWS = 4
    # In place of the vectors of a tap's window: its pixels have 16 bytes, and each is loaded by itself.
    BY_PIXELS = 16
    # Rows of which a row is the sum, at most: so many one across step reads.
    CHUNK = 8

cdef struct Axis "axis":
    const int64_t* start
    const int64_t* count
    const real* weights
    Py_ssize_t taps
    Py_ssize_t size_in
    Py_ssize_t size_out
    Py_ssize_t inner
    # The table by elements, where windows are used: how many vectors a window has (else 0); elements low .. high - 1
    # have all taps.
    int windows
    const lane* first
    const lane* counts
    const lane* least
    const real* spread
    Py_ssize_t pitch
    Py_ssize_t low
    Py_ssize_t high
    # How many vectors the window of each tap has (1, 2, or BY_PIXELS); 0: there is one window for all taps.
    int each
    # How far beyond the rows that are summed lie those that are asked for meanwhile; 0: none.
    Py_ssize_t ahead


cdef inline void sum_vectors "sum_vectors"(
    int vectors, const real** x, Py_ssize_t at, const real* w, Py_ssize_t count, vec* v
) noexcept nogil:
    """Some vectors, from element `at` on, of the sum of w[j] * x[j] for j < count."""
    cdef vec weight = vset(w[0])
    cdef Py_ssize_t j
    cdef int k
    for k in range(vectors):
        v[k] = weight * vload(x[0] + at + k * LANES)
    for j in range(1, count):
        weight = vset(w[j])
        for k in range(vectors):
            v[k] = vmadd(weight, vload(x[j] + at + k * LANES), v[k])


cdef inline void window_vectors "window_vectors"(
    int rows, int taps, int windows, bint some, const Axis* axis, const real** x, Py_ssize_t origin, Py_ssize_t limit,
    real** y, Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Sum elements begin .. end - 1 (whole vectors) of `rows` rows; `some` of them lack taps.

    x[r][0] is element `origin` of the source, y[r][0] element `target` of the result. No window begins beyond `limit`.
    """
    cdef const real* source[ROWS]
    cdef real* result[ROWS]
    cdef window w[ROWS]
    cdef vec total[ROWS]
    cdef vec weight, value
    cdef lanes at, counts = lanes_of(0)
    cdef Py_ssize_t e = begin, base, inner = axis.inner, pitch = axis.pitch
    cdef const real* weights
    cdef int r, t
    for r in range(rows):
        source[r] = x[r]
        result[r] = y[r] - target
    while e < end:
        base = min(axis.least[e] - origin, limit)
        at = lanes_at(axis.first + e) - lanes_of(<lane>(base + origin))
        weights = axis.spread + e
        weight = vload(weights)
        if some:
            counts = lanes_at(axis.counts + e)
        for r in range(rows):
            w[r] = window_at(source[r] + base, windows)
            value = pick(w[r], windows, at)
            total[r] = weight * (where_more(counts, 0, value) if some else value)
        for t in range(1, taps):
            at = at + lanes_of(<lane>inner)
            weights += pitch
            weight = vload(weights)
            for r in range(rows):
                value = pick(w[r], windows, at)
                total[r] = vmadd(weight, where_more(counts, t, value) if some else value, total[r])
        for r in range(rows):
            vstore(result[r] + e, total[r])
        e += LANES


cdef inline void far_vectors "far_vectors"(
    int taps, int windows, bint summed, bint some, const Axis* axis, const real** x, const real* w, Py_ssize_t count,
    Py_ssize_t origin, Py_ssize_t limit, real* y, Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """The same for one row by windows of any length; `summed`, the row is the sum of w[j] * x[j] for j < count."""
    cdef vec v[LONGEST]
    cdef vec value, total
    cdef lanes at, counts = lanes_of(0)
    cdef Py_ssize_t e = begin, base, j, inner = axis.inner, pitch = axis.pitch
    cdef const real* source[CHUNK]
    cdef const real* weights
    cdef real* result = y - target
    cdef int k, t
    for k in range(<int>count if summed else 1):
        source[k] = x[k]
    while e < end:
        base = min(axis.least[e] - origin, limit)
        at = lanes_at(axis.first + e) - lanes_of(<lane>(base + origin))
        if summed:
            sum_vectors(windows, source, base, w, count, v)
        else:
            for k in range(windows):
                v[k] = vload(source[0] + base + k * LANES)
        for j in range(count if summed and axis.ahead else 0):
            for k in range(windows):
                ask_for(x[j] + axis.ahead + base + k * LANES)
        weights = axis.spread + e
        if some:
            counts = lanes_at(axis.counts + e)
        value = pick_far(v, windows, at)
        total = vload(weights) * (where_more(counts, 0, value) if some else value)
        for t in range(1, taps):
            at = at + lanes_of(<lane>inner)
            weights += pitch
            value = pick_far(v, windows, at)
            total = vmadd(vload(weights), where_more(counts, t, value) if some else value, total)
        vstore(result + e, total)
        e += LANES


cdef inline void tap_vectors "tap_vectors"(
    int rows, int taps, int each, bint some, const Axis* axis, const real** x, const real* w, Py_ssize_t count,
    Py_ssize_t origin, real** y, Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """The same with a window, or loads of pixels, for each tap; of no rows, those of the sum of w[j] * x[j].

    Only pixels may lack taps, and reading windows must be safe for all taps.
    """
    cdef vec total[ROWS]
    cdef vec v[2]
    cdef vec weight, value
    cdef lanes at = lanes_of(0)
    cdef Py_ssize_t e = begin, base, j, inner = axis.inner, pitch = axis.pitch
    cdef const real* source[CHUNK]
    cdef real* result[ROWS]
    cdef const real* weights
    cdef const lane* first
    cdef const lane* counts = NULL
    cdef int r, t
    # Kept apart from what a store could change.
    for r in range(rows if rows else <int>count):
        source[r] = x[r]
    for r in range(max(rows, 1)):
        result[r] = y[r] - target
    while e < end:
        first = axis.first + e
        base = -origin
        if each != BY_PIXELS:
            base += axis.least[e]
            at = lanes_at(first) - lanes_of(axis.least[e])
        if some:
            counts = axis.counts + e
        if rows == 0 and axis.ahead:
            for j in range(count):
                ask_for(x[j] + axis.ahead + first[0] - origin)
        weights = axis.spread + e
        for r in range(max(rows, 1)):
            total[r] = vset(0)
        for t in range(taps):
            weight = vload(weights)
            for r in range(max(rows, 1)):
                if each == BY_PIXELS:
                    value = pixels_at(source[r] + base, first, counts, t)
                    if rows == 0:
                        value = vset(w[0]) * value
                        for j in range(1, count):
                            value = vmadd(vset(w[j]), pixels_at(source[j] + base, first, counts, t), value)
                        if some:  # a sum of zeros may be -0
                            value = where_more(lanes_at(counts), t, value)
                elif rows == 0:
                    sum_vectors(each, source, base, w, count, v)
                    value = pick_far(v, each, at)
                else:
                    value = pick(window_at(source[r] + base, each), each, at)
                total[r] = vmadd(weight, value, total[r]) if t else weight * value
            weights += pitch
            base += inner
        for r in range(max(rows, 1)):
            vstore(result[r] + e, total[r])
        e += LANES


cdef inline void rows_by_taps "rows_by_taps"(
    int each, bint some, const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin,
    real** y, int rows, Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """tap_vectors of any number of rows."""
    cdef int r = 0
    if rows == 0 and axis.taps == 2 and count == 2:
        tap_vectors(0, 2, each, some, axis, x, w, 2, origin, y, target, begin, end)
    elif rows == 0:
        tap_vectors(0, <int>axis.taps, each, some, axis, x, w, count, origin, y, target, begin, end)
    while r + ROWS <= rows and axis.taps == 2:
        tap_vectors(ROWS, 2, each, some, axis, x + r, w, count, origin, y + r, target, begin, end)
        r += ROWS
    while r + ROWS <= rows and axis.taps == 4:
        tap_vectors(ROWS, 4, each, some, axis, x + r, w, count, origin, y + r, target, begin, end)
        r += ROWS
    while r + ROWS <= rows:
        tap_vectors(ROWS, <int>axis.taps, each, some, axis, x + r, w, count, origin, y + r, target, begin, end)
        r += ROWS
    while r < rows:
        tap_vectors(1, <int>axis.taps, each, some, axis, x + r, w, count, origin, y + r, target, begin, end)
        r += 1


cdef inline void by_taps(
    bint some, const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin, real** y,
    int rows, Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Sum elements begin .. end - 1 (whole vectors) tap by tap."""
    if axis.each == 1:
        rows_by_taps(1, False, axis, x, w, count, origin, y, rows, target, begin, end)
    elif axis.each == 2:
        rows_by_taps(2, False, axis, x, w, count, origin, y, rows, target, begin, end)
    elif some:
        rows_by_taps(BY_PIXELS, True, axis, x, w, count, origin, y, rows, target, begin, end)
    else:
        rows_by_taps(BY_PIXELS, False, axis, x, w, count, origin, y, rows, target, begin, end)


cdef inline void some_vectors "some_vectors"(
    int rows, int taps, int windows, bint some, const Axis* axis, const real** x, const real* w, Py_ssize_t count,
    Py_ssize_t origin, Py_ssize_t limit, real** y, Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Sum elements begin .. end - 1 (whole vectors) of `rows` rows; of no rows, those of the sum of w[j] * x[j]."""
    if rows == 0:
        far_vectors(taps, windows, True, some, axis, x, w, count, origin, limit, y[0], target, begin, end)
    elif windows > 2:
        far_vectors(taps, windows, False, some, axis, x, w, count, origin, limit, y[0], target, begin, end)
    else:
        window_vectors(rows, taps, windows, some, axis, x, origin, limit, y, target, begin, end)


cdef inline void find_whole(
    const Axis* axis, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t* low, Py_ssize_t* high
) noexcept nogil:
    """Of the whole vectors of elements begin .. end - 1, those that have all taps: low .. high - 1."""
    cdef Py_ssize_t stop = begin + (end - begin) // LANES * LANES
    low[0] = min(begin + (max(axis.low - begin, 0) + LANES - 1) // LANES * LANES, stop)
    high[0] = max(low[0], min(begin + max(axis.high - begin, 0) // LANES * LANES, stop))


cdef inline void windows_of "windows_of"(
    int rows, int windows, const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin,
    Py_ssize_t limit, real** y, Py_ssize_t target, Py_ssize_t end
) noexcept nogil:
    """Sum elements target .. end - 1, at least a vector; the last may overlap the one before it."""
    cdef Py_ssize_t last = end - LANES, stop = target + (end - target) // LANES * LANES, low, high
    cdef Py_ssize_t edge[6]
    cdef int taps = <int>axis.taps, k
    find_whole(axis, target, end, &low, &high)
    if PERMUTES and rows == 0 and taps == 2 and count == 2:
        some_vectors(rows, 2, windows, False, axis, x, w, 2, origin, limit, y, target, low, high)
    elif PERMUTES and rows == ROWS and taps == 2:
        some_vectors(rows, 2, windows, False, axis, x, w, count, origin, limit, y, target, low, high)
    elif PERMUTES and rows == ROWS and taps == 4:
        some_vectors(rows, 4, windows, False, axis, x, w, count, origin, limit, y, target, low, high)
    else:
        some_vectors(rows, taps, windows, False, axis, x, w, count, origin, limit, y, target, low, high)
    edge[0], edge[1], edge[2], edge[3] = target, low, high, stop
    edge[4], edge[5] = last, end if stop < end else last
    for k in range(0, 6, 2):  # one copy of the loops, which are long
        if edge[k] < edge[k + 1]:
            some_vectors(rows, taps, windows, True, axis, x, w, count, origin, limit, y, target, edge[k], edge[k + 1])


cdef inline void rows_by_windows "rows_by_windows"(
    int windows, const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin,
    Py_ssize_t limit, real** y, int rows, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """The same of any number of rows; of near windows ROWS rows at a time."""
    cdef int r = 0
    if rows == 0:
        windows_of(0, windows, axis, x, w, count, origin, limit, y, begin, end)
    while r + ROWS <= rows and windows <= 2:
        windows_of(ROWS, windows, axis, x + r, NULL, 0, origin, limit, y + r, begin, end)
        r += ROWS
    while r < rows:
        windows_of(1, windows, axis, x + r, NULL, 0, origin, limit, y + r, begin, end)
        r += 1


cdef inline void whole_windows(
    const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin, Py_ssize_t limit, real** y,
    int rows, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Sum elements begin .. end - 1, at least a vector, with a window for all taps."""
    if axis.windows == 1:
        rows_by_windows(1, axis, x, w, count, origin, limit, y, rows, begin, end)
    elif axis.windows == 2:
        rows_by_windows(2, axis, x, w, count, origin, limit, y, rows, begin, end)
    elif axis.windows == 4:
        rows_by_windows(4, axis, x, w, count, origin, limit, y, rows, begin, end)
    else:
        rows_by_windows(8, axis, x, w, count, origin, limit, y, rows, begin, end)


cdef inline void edge_windows(
    const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin, Py_ssize_t limit, real** y,
    int rows, Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """The same where y begins at `target`, and some elements may lack taps; the last vector may overlap others."""
    cdef real* to[LANES]
    cdef Py_ssize_t stop = begin + (end - begin) // LANES * LANES
    cdef int r
    if axis.each == BY_PIXELS:
        by_taps(True, axis, x, w, count, origin, y, rows, target, begin, stop)
        if stop < end:
            by_taps(True, axis, x, w, count, origin, y, rows, target, end - LANES, end)
    elif begin < end:
        begin = max(target, min(begin, end - LANES))
        for r in range(max(rows, 1)):
            to[r] = y[r] + begin - target
        whole_windows(axis, x, w, count, origin, limit, to, rows, begin, end)


cdef inline void by_windows(
    const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin, Py_ssize_t limit, real** y,
    int rows, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Sum elements begin .. end - 1 of some rows, or of one row that is the sum of w[j] * x[j] for j < count."""
    cdef real room[LANES]
    cdef real* to = room
    cdef Py_ssize_t low, high, taps = axis.taps
    cdef int r
    if end - begin < LANES:
        # Fewer elements than a vector has, in rows that are no longer.
        for r in range(max(rows, 1)):
            by_windows(axis, x + r, w, count, origin, limit, &to, min(rows, 1), begin, begin + LANES)
            copy_few(room, end - begin, y[r])
    elif TAPS_APART and axis.each:
        find_whole(axis, begin, end, &low, &high)
        if axis.each != BY_PIXELS:
            limit += (axis.windows - axis.each) * LANES
            while high > low and axis.least[high - LANES] - origin + (taps - 1) * axis.inner > limit:
                high -= LANES
            limit -= (axis.windows - axis.each) * LANES
        edge_windows(axis, x, w, count, origin, limit, y, rows, begin, begin, low)
        by_taps(False, axis, x, w, count, origin, y, rows, begin, low, high)
        edge_windows(axis, x, w, count, origin, limit, y, rows, begin, high, end)
    else:
        whole_windows(axis, x, w, count, origin, limit, y, rows, begin, end)
