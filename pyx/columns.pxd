"""Rows resampled along their own axis where windows are too long or channels many; along.pxd says what is computed.

  columns   a vector of rows at a time: columns of the source are transposed into scratch, summed, and transposed back.
  pixels    each pixel is a short row of many channels.
"""

from libc.string cimport memset

from along cimport LANES, ROWS, Axis, madd, real, sum_vectors, vec, vload, vmadd, vset, vstore

cdef extern from "transpose.h" nogil:
    """
    /* Inlined, so that loops over vectors and outputs unroll. */
    struct axis;
    static inline __attribute__((always_inline)) void some_pixels(
        int, const real **, ptrdiff_t, ptrdiff_t, const real *, ptrdiff_t, const real *, ptrdiff_t, real *);
    static inline __attribute__((always_inline)) void some_columns(
        int, const struct axis *, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, real *);
    """
    void interleave_vectors(vec* v, int n)
    void copy_few(const real* source, Py_ssize_t n, real* to)

cdef enum:
    # Vectors of a pixel's channels that share the loads of weights.
    PIXEL_VECTORS = 4
    # Columns of the source that are transposed at a time: with the sums they fill half of the first cache.
    COLUMNS = 256


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
    cdef Py_ssize_t t
    cdef int k
    for k in range(vectors):
        total[k] = vset(0)
    for t in range(taps):
        if count:
            sum_vectors(vectors, x, at, w, count, value)
        else:
            for k in range(vectors):
                value[k] = vload(x[0] + at + k * LANES)
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
            if count == 2 and axis.count[o] == 2:  # compiled for half of height and width
                some_pixels(PIXEL_VECTORS, x, first + c, inner, w, 2, weights, 2, y + c)
            else:
                some_pixels(PIXEL_VECTORS, x, first + c, inner, w, count, weights, axis.count[o], y + c)
            c += PIXEL_VECTORS * LANES
        while c < inner:
            # The last vector overlaps the one before it.
            k = min(c, inner - LANES)
            some_pixels(1, x, first + k, inner, w, count, weights, axis.count[o], y + k)
            c += LANES
        y += inner
