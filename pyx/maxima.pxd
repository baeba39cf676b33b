"""Maxima of rows of windows with their positions: any windows, vectors of windows, and vectors of channels.

Windows are read in row-major order: the first of equal maxima wins, and a NaN wins over all before it, as in PyTorch.
A vector may reach beyond its row, never beyond the array; what it makes of that is not stored.
"""

from plane cimport position

cdef extern from "pool.h" nogil:
    ctypedef float item
    ctypedef int offset
    ctypedef struct items:
        pass
    ctypedef struct offsets:
        pass
    const Py_ssize_t LANES
    const item LOWEST
    bint IS_NAN(item)
    items items_set(item x)
    void items_store(item* p, items v)
    offsets offsets_set(offset x)
    offsets offsets_load(const offset* p)
    void offsets_store(offset* p, offsets v)
    void positions_store(position* to, offsets at, position origin, position step)
    void best_of(items* most, offsets* at, items v, offset where)
    void best_of_one(item* most, offset* at, item v, offset where)
    items items_load(const item* p)
    items items_even(const item* p)
    items items_odd(const item* p)
    items items_every(const item* p, Py_ssize_t step)

cdef enum:
    # Windows, or channels, whose maxima and offsets a task holds at a time, in 2 to 4 KiB of its stack.
    WINDOWS = 256
    # The most lanes of a vector: what is held has room for one vector more.
    MOST_LANES = 16

# The input's sizes and strides, where it ends, and the windows.
cdef struct Pooling:
    Py_ssize_t size[3]
    Py_ssize_t stride[3]
    const char* end
    const Py_ssize_t* kernel
    const Py_ssize_t* step
    const Py_ssize_t* pad
    const Py_ssize_t* dilation
    Py_ssize_t count
    # Windows low .. high - 1 are inside of the input's width.
    Py_ssize_t low
    Py_ssize_t high

# A row of windows: where its first row begins, what part of depth and height its windows have inside of the input,
# and the distance to its results' neighbours.
cdef struct Row:
    const char* x
    Py_ssize_t d
    Py_ssize_t h
    Py_ssize_t a0
    Py_ssize_t a1
    Py_ssize_t b0
    Py_ssize_t b1


cdef inline Py_ssize_t first_inside(Py_ssize_t start, Py_ssize_t dilation) noexcept nogil:
    """The first tap of a window that is not in the padding on the left."""
    return 0 if start >= 0 else (-start - 1) // dilation + 1


cdef inline Py_ssize_t last_inside(
    Py_ssize_t start, Py_ssize_t dilation, Py_ssize_t kernel, Py_ssize_t size
) noexcept nogil:
    """One past the last tap of a window that is inside the input."""
    if size - start >= kernel and dilation == 1:
        return kernel  # without a division, for most
    return min(kernel, (size - start - 1) // dilation + 1 if size > start else 0)


cdef inline Row row_of(const Pooling* pool, const char* x, Py_ssize_t od, Py_ssize_t oh) noexcept nogil:
    cdef Row row
    row.x = x
    row.d = od * pool.step[0] - pool.pad[0]
    row.h = oh * pool.step[1] - pool.pad[1]
    row.a0 = first_inside(row.d, pool.dilation[0])
    row.a1 = last_inside(row.d, pool.dilation[0], pool.kernel[0], pool.size[0])
    row.b0 = first_inside(row.h, pool.dilation[1])
    row.b1 = last_inside(row.h, pool.dilation[1], pool.kernel[1], pool.size[1])
    return row


cdef inline void any_row(
    const Pooling* pool, const Row* row, char* y, Py_ssize_t ys, char* at, Py_ssize_t ats
) noexcept nogil:
    """A row of any windows of any array."""
    cdef Py_ssize_t w0, o, a, b, c, c0, c1, d, h, w
    cdef item most, value
    cdef position where
    for o in range(pool.count):
        w0 = o * pool.step[2] - pool.pad[2]
        c0 = first_inside(w0, pool.dilation[2])
        c1 = last_inside(w0, pool.dilation[2], pool.kernel[2], pool.size[2])
        most = LOWEST
        # The window's first element; of a window that lies in the padding alone, the nearest element of the input.
        d = min(row.d + row.a0 * pool.dilation[0], pool.size[0] - 1)
        h = min(row.h + row.b0 * pool.dilation[1], pool.size[1] - 1)
        w = min(w0 + c0 * pool.dilation[2], pool.size[2] - 1)
        where = (d * pool.size[1] + h) * pool.size[2] + w
        for a in range(row.a0, row.a1):
            d = row.d + a * pool.dilation[0]
            for b in range(row.b0, row.b1):
                h = row.h + b * pool.dilation[1]
                for c in range(c0, c1):
                    w = w0 + c * pool.dilation[2]
                    value = (<const item*>(row.x + d * pool.stride[0] + h * pool.stride[1] + w * pool.stride[2]))[0]
                    if value > most or IS_NAN(value):
                        most = value
                        where = (d * pool.size[1] + h) * pool.size[2] + w
        (<item*>(y + o * ys))[0] = most
        if at != NULL:
            (<position*>(at + o * ats))[0] = where


# From here on windows have no dilation, and an offset counts from a window's start, be it in the padding or not.

cdef inline offset offset_of(const Pooling* pool, Py_ssize_t a, Py_ssize_t b, Py_ssize_t c) noexcept nogil:
    return <offset>((a * pool.size[1] + b) * pool.size[2] + c)


cdef inline position origin_of(const Pooling* pool, const Row* row, Py_ssize_t w0) noexcept nogil:
    return (<position>row.d * pool.size[1] + row.h) * pool.size[2] + w0


cdef inline const char* element(
    const Pooling* pool, const Row* row, Py_ssize_t a, Py_ssize_t b, Py_ssize_t w
) noexcept nogil:
    return row.x + (row.d + a) * pool.stride[0] + (row.h + b) * pool.stride[1] + w * pool.stride[2]


cdef inline void one_window(
    const Pooling* pool, const Row* row, Py_ssize_t w0, Py_ssize_t shift, item* most, offset* at
) noexcept nogil:
    """The window that begins at w0, for the channel `shift` after the row's first."""
    cdef Py_ssize_t c0 = first_inside(w0, 1), c1 = last_inside(w0, 1, pool.kernel[2], pool.size[2]), a, b, c
    most[0] = LOWEST
    at[0] = offset_of(pool, row.a0, row.b0, c0)
    for a in range(row.a0, row.a1):
        for b in range(row.b0, row.b1):
            for c in range(c0, c1):
                best_of_one(
                    most, at, (<const item*>element(pool, row, a, b, w0 + c))[shift], offset_of(pool, a, b, c)
                )


cdef inline void row_taps(
    const item* x, Py_ssize_t step, Py_ssize_t taps, offset tap, Py_ssize_t vectors, item* most, offset* at
) noexcept nogil:
    """What one row of the input adds to vectors of windows, the first of which begins at x."""
    cdef Py_ssize_t v, c
    cdef items best
    cdef offsets where
    for v in range(vectors):
        best = items_load(most + v * LANES)
        where = offsets_load(at + v * LANES)
        c = 0
        if step == 2 and taps > 1:
            while c + 2 <= taps:
                best_of(&best, &where, items_even(x + c), tap + <offset>c)
                best_of(&best, &where, items_odd(x + c), tap + <offset>(c + 1))
                c += 2
            if c < taps:  # so that no more is read than the windows have
                best_of(&best, &where, items_odd(x + c - 1), tap + <offset>c)
                c += 1
        while c < taps:
            best_of(&best, &where, items_load(x + c) if step == 1 else items_every(x + c, step), tap + <offset>c)
            c += 1
        items_store(most + v * LANES, best)
        offsets_store(at + v * LANES, where)
        x += LANES * step


cdef inline void windows(
    const Pooling* pool, const Row* row, Py_ssize_t w0, Py_ssize_t vectors, item* most, offset* at
) noexcept nogil:
    """Vectors of windows, the first at w0, all of them inside of the input's width.

    Row by row, in the order of memory.
    """
    cdef Py_ssize_t step = pool.step[2], taps = pool.kernel[2], a, b, v
    cdef offset tap = offset_of(pool, row.a0, row.b0, 0)
    cdef const item* x
    for v in range(vectors):
        items_store(most + v * LANES, items_set(LOWEST))
        offsets_store(at + v * LANES, offsets_set(tap))
    for a in range(row.a0, row.a1):
        for b in range(row.b0, row.b1):
            x = <const item*>element(pool, row, a, b, w0)
            tap = offset_of(pool, a, b, 0)
            # Constants, where windows are common ones.
            if step == 1 and taps == 3:
                row_taps(x, 1, 3, tap, vectors, most, at)
            elif step == 2 and taps == 2:
                row_taps(x, 2, 2, tap, vectors, most, at)
            elif step == 2 and taps == 3:
                row_taps(x, 2, 3, tap, vectors, most, at)
            elif step == 1:
                row_taps(x, 1, taps, tap, vectors, most, at)
            elif step == 2:
                row_taps(x, 2, taps, tap, vectors, most, at)
            else:
                row_taps(x, step, taps, tap, vectors, most, at)


cdef inline void store(
    const item* most, const offset* where, position origin, Py_ssize_t step, Py_ssize_t count, item* y, position* at,
) noexcept nogil:
    """Write maxima and, if asked, their positions: `where` counts from windows that begin `step` apart."""
    cdef Py_ssize_t o = 0
    while o + LANES <= count:
        items_store(y + o, items_load(most + o))
        if at != NULL:
            positions_store(at + o, offsets_load(where + o), origin + o * step, step)
        o += LANES
    while o < count:
        y[o] = most[o]
        if at != NULL:
            at[o] = origin + o * step + where[o]
        o += 1


cdef inline void dense_row(const Pooling* pool, const Row* row, item* y, position* at) noexcept nogil:
    """A row of windows of contiguous rows, by vectors of windows."""
    cdef Py_ssize_t step = pool.step[2], pad = pool.pad[2], begin = -WINDOWS, n, i, first, end, room, vectors
    cdef offset where[WINDOWS + 2 * MOST_LANES]
    cdef item most[WINDOWS + 2 * MOST_LANES]
    while begin + WINDOWS < pool.count:
        begin += WINDOWS
        n = min(pool.count - begin, <Py_ssize_t>WINDOWS)
        # Windows first .. end - 1 of these n are inside of the input's width; vectors of them end before the array.
        first = min(n, max(0, pool.low - begin))
        end = max(first, min(n, pool.high - begin))
        vectors = (end - first + LANES - 1) // LANES
        room = pool.end - element(pool, row, row.a1 - 1, row.b1 - 1, (begin + first) * step - pad)
        while vectors > 0 and ((vectors * LANES - 1) * step + pool.kernel[2]) * <Py_ssize_t>sizeof(item) > room:
            vectors -= 1
        windows(pool, row, (begin + first) * step - pad, vectors, most + first, where + first)
        end = min(end, first + vectors * LANES)
        for i in range(first):
            one_window(pool, row, (begin + i) * step - pad, 0, most + i, where + i)
        for i in range(end, n):
            one_window(pool, row, (begin + i) * step - pad, 0, most + i, where + i)
        store(
            most, where, origin_of(pool, row, begin * step - pad), step, n, y + begin,
            NULL if at == NULL else at + begin,
        )


cdef inline void pixel_taps(
    const char* x, Py_ssize_t stride, Py_ssize_t taps, offset tap, Py_ssize_t vectors, item* most, offset* at
) noexcept nogil:
    """What neighbouring pixels, `stride` bytes apart, add to a window of vectors of channels."""
    cdef Py_ssize_t v, c
    cdef items best
    cdef offsets where
    for v in range(vectors):
        best = items_load(most + v * LANES)
        where = offsets_load(at + v * LANES)
        for c in range(taps):
            best_of(&best, &where, items_load(<const item*>(x + c * stride) + v * LANES), tap + <offset>c)
        items_store(most + v * LANES, best)
        offsets_store(at + v * LANES, where)


cdef inline void pixel_row(
    const Pooling* pool, const Row* row, Py_ssize_t channels, char* y, Py_ssize_t ys, char* at, Py_ssize_t ats
) noexcept nogil:
    """A row of windows for neighbouring channels, at most WINDOWS, by vectors of channels."""
    cdef Py_ssize_t w0, o, a, b, c0, c1, i, v, vectors
    cdef offset where[WINDOWS + MOST_LANES]
    cdef item most[WINDOWS + MOST_LANES]
    cdef const char* x
    cdef offset tap
    for o in range(pool.count):
        w0 = o * pool.step[2] - pool.pad[2]
        c0 = first_inside(w0, 1)
        c1 = last_inside(w0, 1, pool.kernel[2], pool.size[2])
        # Vectors of channels end before the array.
        vectors = (channels + LANES - 1) // LANES
        x = element(pool, row, row.a1 - 1, row.b1 - 1, w0 + c1 - 1)
        if x + vectors * LANES * <Py_ssize_t>sizeof(item) > pool.end:
            vectors = channels // LANES
        tap = offset_of(pool, row.a0, row.b0, c0)
        for v in range(vectors):
            items_store(most + v * LANES, items_set(LOWEST))
            offsets_store(where + v * LANES, offsets_set(tap))
        for a in range(row.a0, row.a1):
            for b in range(row.b0, row.b1):
                x = element(pool, row, a, b, w0 + c0)
                tap = offset_of(pool, a, b, c0)
                if c1 - c0 == 2:
                    pixel_taps(x, pool.stride[2], 2, tap, vectors, most, where)
                elif c1 - c0 == 3:
                    pixel_taps(x, pool.stride[2], 3, tap, vectors, most, where)
                else:
                    pixel_taps(x, pool.stride[2], c1 - c0, tap, vectors, most, where)
        for i in range(vectors * LANES, channels):
            one_window(pool, row, w0, i, most + i, where + i)
        store(
            most, where, origin_of(pool, row, w0), 0, channels, <item*>(y + o * ys),
            NULL if at == NULL else <position*>(at + o * ats),
        )


cdef inline bint small_offsets(const Pooling* pool) noexcept nogil:
    """Whether windows are without dilation, and each has an element in the input at an offset that fits in `offset`."""
    cdef Py_ssize_t axis
    for axis in range(3):
        if pool.dilation[axis] != 1 or pool.pad[axis] > pool.size[axis] or pool.step[axis] > 0x7fffffff:
            return False
    # Offsets in a window, of at most twice the input on each axis, fit in 32 bits.
    return pool.size[0] * pool.size[1] * pool.size[2] < 1 << 28
