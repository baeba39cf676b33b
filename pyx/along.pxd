"""Rows resampled along their own axis, several at a time.

A row has size_in pixels of `inner` numbers and becomes size_out pixels: output o is the chain w[0] * x[start],
madd(w[1], x[start + 1], .), ... of count[o] terms. There are three ways to the same bits:

  windows   a vector of outputs at a time: what it reads lies in 1, 2, 4 or 8 vectors of the row, loaded once, and each
            tap is a permutation of them. These vectors may be sums over several rows, formed in registers. Needs
            the table by elements of the row: `first`, `counts` and `least` (the least `first` from there on), and
            weights by taps. Taps that an output lacks have weight -0 and read 0, for adding -0 changes nothing.
  columns   a vector of rows at a time: columns of the source are transposed into scratch, summed, and transposed back.
  pixels    each pixel is a short row of many channels.
"""

from libc.stdint cimport int64_t
from libc.string cimport memset

cdef extern from "permute.h" nogil:
    """
    /* Inlined, so that loops over rows unroll and the sums stay in registers. */
    struct axis;
    static inline __attribute__((always_inline)) void window_vectors(
        int, int, int, const struct axis *, const real **, ptrdiff_t, ptrdiff_t, real **, ptrdiff_t, ptrdiff_t,
        ptrdiff_t);
    static inline __attribute__((always_inline)) void far_vectors(
        int, int, int, const struct axis *, const real **, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real *,
        ptrdiff_t, ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void some_vectors(
        int, int, int, const struct axis *, const real **, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real **,
        ptrdiff_t, ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void windows_of(
        int, int, const struct axis *, const real **, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real **,
        ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void rows_by_windows(
        int, const struct axis *, const real **, ptrdiff_t, ptrdiff_t, real **, int, ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void some_pixels(
        int, const real **, ptrdiff_t, ptrdiff_t, const real *, ptrdiff_t, const real *, ptrdiff_t, real *);
    static inline __attribute__((always_inline)) void some_columns(
        int, const struct axis *, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real *);
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
    void ask_for(const real* p)
    vec pick_far(const vec* v, int vectors, lanes at)
    enum:
        LANES
        LONGEST  # vectors of a window
        PERMUTES  # whether numbers are picked in registers

cdef extern from "transpose.h" nogil:
    void interleave_vectors(vec* v, int n)
    void copy_few(const real* source, Py_ssize_t n, real* to)

cdef enum:
    # Rows that share the loads of weights and places; their sums and windows take half of 32 registers.
    ROWS = 4
    # Vectors of a pixel's channels that share the loads of weights.
    PIXEL_VECTORS = 4
    # Columns of the source that are transposed at a time: with the sums they fill half of the first cache.
    COLUMNS = 256

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
    # How far beyond the rows that are summed lie those that are asked for meanwhile; 0: none.
    Py_ssize_t ahead


cdef inline void window_vectors "window_vectors"(
    int rows, int windows, bint some, const Axis* axis, const real** x, Py_ssize_t origin, Py_ssize_t limit, real** y,
    Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
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
    cdef Py_ssize_t e = begin, base, taps = axis.taps
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
            at = at + lanes_of(<lane>axis.inner)
            weights += axis.pitch
            weight = vload(weights)
            for r in range(rows):
                value = pick(w[r], windows, at)
                total[r] = vmadd(weight, where_more(counts, t, value) if some else value, total[r])
        for r in range(rows):
            vstore(result[r] + e, total[r])
        e += LANES


cdef inline void far_vectors "far_vectors"(
    int windows, bint summed, bint some, const Axis* axis, const real** x, const real* w, Py_ssize_t count,
    Py_ssize_t origin, Py_ssize_t limit, real* y, Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """The same for one row by windows of any length; `summed`, the row is the sum of w[j] * x[j] for j < count."""
    cdef vec v[LONGEST]
    cdef vec weight, value, total
    cdef lanes at, counts = lanes_of(0)
    cdef Py_ssize_t e = begin, base, j, taps = axis.taps
    cdef const real* weights
    cdef real* result = y - target
    cdef int k, t
    while e < end:
        base = min(axis.least[e] - origin, limit)
        at = lanes_at(axis.first + e) - lanes_of(<lane>(base + origin))
        for k in range(windows):
            v[k] = vload(x[0] + base + k * LANES)
        if summed:
            weight = vset(w[0])
            for k in range(windows):
                v[k] = weight * v[k]
            for j in range(1, count):
                weight = vset(w[j])
                for k in range(windows):
                    v[k] = vmadd(weight, vload(x[j] + base + k * LANES), v[k])
            if axis.ahead:
                for j in range(count):
                    for k in range(windows):
                        ask_for(x[j] + axis.ahead + base + k * LANES)
        weights = axis.spread + e
        if some:
            counts = lanes_at(axis.counts + e)
        value = pick_far(v, windows, at)
        total = vload(weights) * (where_more(counts, 0, value) if some else value)
        for t in range(1, taps):
            at = at + lanes_of(<lane>axis.inner)
            weights += axis.pitch
            value = pick_far(v, windows, at)
            total = vmadd(vload(weights), where_more(counts, t, value) if some else value, total)
        vstore(result + e, total)
        e += LANES


cdef inline void some_vectors "some_vectors"(
    int rows, int windows, bint some, const Axis* axis, const real** x, const real* w, Py_ssize_t count,
    Py_ssize_t origin, Py_ssize_t limit, real** y, Py_ssize_t target, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Sum elements begin .. end - 1 (whole vectors) of `rows` rows; of no rows, those of the sum of w[j] * x[j]."""
    if rows == 0:
        far_vectors(windows, True, some, axis, x, w, count, origin, limit, y[0], target, begin, end)
    elif windows > 2:
        far_vectors(windows, False, some, axis, x, w, count, origin, limit, y[0], target, begin, end)
    else:
        window_vectors(rows, windows, some, axis, x, origin, limit, y, target, begin, end)


cdef inline void windows_of "windows_of"(
    int rows, int windows, const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin,
    Py_ssize_t limit, real** y, Py_ssize_t target, Py_ssize_t end
) noexcept nogil:
    """Sum elements target .. end - 1, the last vector may overlap the one before it; fewer are summed in scratch."""
    cdef Py_ssize_t last = end - LANES, stop = target + (end - target) // LANES * LANES
    cdef Py_ssize_t low = target + max(axis.low - target + LANES - 1, 0) // LANES * LANES
    cdef Py_ssize_t high = target + max(axis.high - target, 0) // LANES * LANES
    low = min(low, stop)
    high = max(low, min(high, stop))
    some_vectors(rows, windows, True, axis, x, w, count, origin, limit, y, target, target, low)
    some_vectors(rows, windows, False, axis, x, w, count, origin, limit, y, target, low, high)
    some_vectors(rows, windows, True, axis, x, w, count, origin, limit, y, target, high, stop)
    if stop < end:
        some_vectors(rows, windows, True, axis, x, w, count, origin, limit, y, target, last, end)


cdef inline void rows_by_windows "rows_by_windows"(
    int windows, const Axis* axis, const real** x, Py_ssize_t origin, Py_ssize_t limit, real** y, int rows,
    Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Sum elements begin .. end - 1, at least a vector; of near windows ROWS rows at a time, then two, then one."""
    cdef int r = 0
    while r + ROWS <= rows and windows <= 2:
        windows_of(ROWS, windows, axis, x + r, NULL, 0, origin, limit, y + r, begin, end)
        r += ROWS
    while r + 2 <= rows and windows <= 2:
        windows_of(2, windows, axis, x + r, NULL, 0, origin, limit, y + r, begin, end)
        r += 2
    while r < rows:
        windows_of(1, windows, axis, x + r, NULL, 0, origin, limit, y + r, begin, end)
        r += 1


cdef inline void along_windows(
    const Axis* axis, const real** x, Py_ssize_t origin, Py_ssize_t limit, real** y, int rows, Py_ssize_t begin,
    Py_ssize_t end
) noexcept nogil:
    """Sum elements begin .. end - 1 of some rows by windows."""
    cdef real room[LANES]
    cdef real* to = room
    cdef int r
    if end - begin < LANES:
        # Fewer elements than a vector has, in rows that are no longer.
        for r in range(rows):
            along_windows(axis, x + r, origin, limit, &to, 1, begin, begin + LANES)
            copy_few(room, end - begin, y[r])
    elif axis.windows == 1:
        rows_by_windows(1, axis, x, origin, limit, y, rows, begin, end)
    elif axis.windows == 2:
        rows_by_windows(2, axis, x, origin, limit, y, rows, begin, end)
    elif axis.windows == 4:
        rows_by_windows(4, axis, x, origin, limit, y, rows, begin, end)
    else:
        rows_by_windows(8, axis, x, origin, limit, y, rows, begin, end)


cdef inline void sum_by_windows(
    const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin, Py_ssize_t limit, real* y,
    Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Sum elements begin .. end - 1 of one row that is itself the sum of w[j] * x[j] for j < count."""
    cdef real room[LANES]
    if end - begin < LANES:
        sum_by_windows(axis, x, w, count, origin, limit, room, begin, begin + LANES)
        copy_few(room, end - begin, y)
    elif axis.windows == 1:
        windows_of(0, 1, axis, x, w, count, origin, limit, &y, begin, end)
    elif axis.windows == 2:
        windows_of(0, 2, axis, x, w, count, origin, limit, &y, begin, end)
    elif axis.windows == 4:
        windows_of(0, 4, axis, x, w, count, origin, limit, &y, begin, end)
    else:
        windows_of(0, 8, axis, x, w, count, origin, limit, &y, begin, end)


cdef inline void load_columns(
    const real** x, Py_ssize_t first, Py_ssize_t n, real* room
) noexcept nogil:
    """Transpose elements first .. first + n - 1 of LANES rows: room[j * LANES + r] = x[r][first + j]."""
    cdef vec v[LANES]
    cdef Py_ssize_t j = 0, k
    cdef int r
    while j < n:
        # The last square overlaps the one before it, so that nothing beyond the rows is read.
        k = min(j, max(n - LANES, 0))
        for r in range(LANES):
            if n >= LANES:
                v[r] = vload(x[r] + first + k)
            else:
                v[r] = vset(0)
                copy_few(x[r] + first, n, <real*>&v[r])
        interleave_vectors(v, LANES)
        for r in range(LANES):
            vstore(room + (k + r) * LANES, v[r])
        j += LANES


cdef inline void store_columns(const real* room, Py_ssize_t n, real** y, int rows) noexcept nogil:
    """Transpose back: y[r][j] = room[j * LANES + r] for j < n."""
    cdef vec v[LANES]
    cdef Py_ssize_t j = 0, k
    cdef int r
    while j < n:
        k = min(j, max(n - LANES, 0))
        for r in range(LANES):
            v[r] = vload(room + min(k + r, n - 1) * LANES)
        interleave_vectors(v, LANES)
        for r in range(rows):
            if n >= LANES:
                vstore(y[r] + k, v[r])
            else:
                copy_few(<const real*>&v[r], n, y[r])
        j += LANES


cdef inline void some_columns "some_columns"(
    int outputs, const Axis* axis, const real* room, Py_ssize_t origin, Py_ssize_t o, Py_ssize_t c, real* sums
) noexcept nogil:
    """Sum channel c of outputs o .. o + outputs - 1, each of which has a source, from transposed columns."""
    cdef vec total[ROWS]
    cdef const real* x[ROWS]
    cdef const real* w[ROWS]
    cdef Py_ssize_t step = axis.inner * LANES, common = axis.count[o], t
    cdef int k
    for k in range(outputs):
        x[k] = room + ((axis.start[o + k]) * axis.inner + c - origin) * LANES
        w[k] = axis.weights + (o + k) * axis.taps
        common = min(common, axis.count[o + k])
        total[k] = w[k][0] * vload(x[k])
    for t in range(1, common):
        for k in range(outputs):
            total[k] = vmadd(vset(w[k][t]), vload(x[k] + t * step), total[k])
    for k in range(outputs):
        for t in range(common, axis.count[o + k]):
            total[k] = vmadd(vset(w[k][t]), vload(x[k] + t * step), total[k])
        vstore(sums + k * axis.inner * LANES, total[k])


cdef inline void sum_columns(
    const Axis* axis, const real* room, Py_ssize_t origin, Py_ssize_t begin, Py_ssize_t end, real* sums
) noexcept nogil:
    """Sum outputs begin .. end - 1 from transposed columns; sums holds them as columns."""
    cdef Py_ssize_t o = begin, c, k
    cdef bint whole
    while o < end:
        whole = o + ROWS <= end
        for k in range(ROWS):
            whole = whole and axis.count[o + k] > 0
        for c in range(axis.inner):
            if whole:
                some_columns(ROWS, axis, room, origin, o, c, sums + ((o - begin) * axis.inner + c) * LANES)
            elif axis.count[o] > 0:
                some_columns(1, axis, room, origin, o, c, sums + ((o - begin) * axis.inner + c) * LANES)
            else:
                vstore(sums + ((o - begin) * axis.inner + c) * LANES, vset(0))
        o += ROWS if whole else 1


cdef inline void far_windows(
    const Axis* axis, const real** x, Py_ssize_t origin, real** y, int rows, Py_ssize_t o, Py_ssize_t at
) noexcept nogil:
    """Sum one output whose window is longer than the scratch, without it; four rows' chains at a time."""
    cdef real total[ROWS]
    cdef const real* w = axis.weights + o * axis.taps
    cdef Py_ssize_t first, c, t
    cdef int r, k
    for c in range(axis.inner):
        first = axis.start[o] * axis.inner + c - origin
        r = 0
        while r < rows:
            for k in range(ROWS):
                total[k] = w[0] * x[min(r + k, rows - 1)][first]
            for t in range(1, axis.count[o]):
                for k in range(ROWS):
                    total[k] = madd(w[t], x[min(r + k, rows - 1)][first + t * axis.inner], total[k])
            for k in range(ROWS):
                y[min(r + k, rows - 1)][at + c] = total[k]
            r += ROWS


cdef inline void along_columns(
    const Axis* axis, const real** x, Py_ssize_t origin, real** y, int rows, Py_ssize_t begin, Py_ssize_t end,
    real* room
) noexcept nogil:
    """Sum pixels begin .. end - 1 of up to LANES rows, as many at a time as scratch holds the columns of."""
    cdef const real* source[LANES]
    cdef real* result[LANES]
    cdef real* sums = room + COLUMNS * LANES
    cdef Py_ssize_t o = begin, next, first, last, inner = axis.inner, outputs = max(COLUMNS // inner, 1)
    cdef int r
    for r in range(LANES):
        source[r] = x[min(r, rows - 1)]
    while o < end:
        first = axis.start[o] * inner
        last = first
        next = o
        while next < end and next - o < outputs:
            if (axis.start[next] + axis.count[next]) * inner - first > COLUMNS or axis.start[next] * inner < first:
                break
            last = max(last, (axis.start[next] + axis.count[next]) * inner)
            next += 1
        if next == o:
            far_windows(axis, x, origin, y, rows, o, (o - begin) * inner)
            o += 1
            continue
        if last > first:
            load_columns(source, first - origin, last - first, room)
        sum_columns(axis, room, first, o, next, sums)
        for r in range(rows):
            result[r] = y[r] + (o - begin) * inner
        store_columns(sums, (next - o) * inner, result, rows)
        o = next


cdef inline void some_pixels "some_pixels"(
    int vectors, const real** x, Py_ssize_t at, Py_ssize_t inner, const real* w, Py_ssize_t count,
    const real* weights, Py_ssize_t taps, real* y
) noexcept nogil:
    """Sum a few vectors of a pixel's channels, which share the loads of weights; see sum_by_pixels."""
    cdef vec total[PIXEL_VECTORS]
    cdef vec value[PIXEL_VECTORS]
    cdef vec weight
    cdef Py_ssize_t t, j
    cdef int k
    for k in range(vectors):
        total[k] = vset(0)
    for t in range(taps):
        for k in range(vectors):
            value[k] = vload(x[0] + at + k * LANES)
        if count:
            weight = vset(w[0])
            for k in range(vectors):
                value[k] = weight * value[k]
            for j in range(1, count):
                weight = vset(w[j])
                for k in range(vectors):
                    value[k] = vmadd(weight, vload(x[j] + at + k * LANES), value[k])
        weight = vset(weights[t])
        for k in range(vectors):
            total[k] = vmadd(weight, value[k], total[k]) if t else weight * value[k]
        at += inner
    for k in range(vectors):
        vstore(y + k * LANES, total[k])


cdef inline void sum_by_pixels(
    const Axis* axis, const real** x, const real* w, Py_ssize_t count, Py_ssize_t origin, real* y, Py_ssize_t begin,
    Py_ssize_t end
) noexcept nogil:
    """Sum pixels of at least LANES channels of x[0] or, unless count is 0, of the sum of w[j] * x[j] for j < count."""
    cdef Py_ssize_t o, c, k, first, inner = axis.inner
    cdef const real* weights
    for o in range(begin, end):
        weights = axis.weights + o * axis.taps
        first = axis.start[o] * inner - origin
        c = 0
        if axis.count[o] == 0:
            memset(y, 0, inner * sizeof(real))
            c = inner
        while c + PIXEL_VECTORS * LANES <= inner:
            some_pixels(PIXEL_VECTORS, x, first + c, inner, w, count, weights, axis.count[o], y + c)
            c += PIXEL_VECTORS * LANES
        while c < inner:
            # The last vector overlaps the one before it.
            k = min(c, inner - LANES)
            some_pixels(1, x, first + k, inner, w, count, weights, axis.count[o], y + k)
            c += LANES
        y += inner
