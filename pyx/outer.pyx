"""The gradient of a transposed convolution with respect to its weight: pixels times what their taps meet.

x is (N, G * C, P) with P = D * H * W pixels, g (N, G * M, OD, OH, OW), both through their strides; y is
(G * C, M * taps), contiguous. On each axis tap k pairs the source indices begin[k] .. end[k] - 1 with the outputs
i * stride + shift[k]. So y[c] += x[c, i] * row[i], where row[i], M * taps long, is the gradient where the taps of
pixel i fall, and zero where they fall outside.

Pixels are taken in blocks of PIXELS, in the order of memory, over all images. A task is a range of blocks, a group,
some channels and some panels of columns: it copies the pixels of a block and one panel of their rows at a time into
scratch and multiplies them. Order of additions: a block is one chain, blocks are added in order; where tasks would be
few, ranges of blocks are summed apart and then added in order. The ranges depend on the sizes alone, and every sum
has one writer. In a block with pixels that are not finite, products with what lies outside are left out.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset

from products cimport LANES, ROWS, Sums, add_products, real, vec, vload, vset, vstore

cdef extern from "simd.h" nogil:
    """
    #define PANEL (LANES * VECTORS)
    """
    void* scratch(size_t bytes)
    enum:
        PANEL

cdef enum:
    PIXELS = 64
    CHANNELS = 256  # most channels in a task
    PANELS = 4  # most panels in a task
    TASKS = 16  # blocks are cut into ranges until there are so many tasks
    APART = 1 << 20  # most sums of all ranges

cdef struct Problem:
    Py_ssize_t channels  # of a group
    Py_ssize_t columns  # M * taps
    Py_ssize_t pixels  # of an image
    Py_ssize_t all_pixels
    Py_ssize_t size[3]
    Py_ssize_t taps[3]
    Py_ssize_t all_taps
    Py_ssize_t stride[3]
    const Py_ssize_t* inside[3]  # begin, end and shift of each tap of an axis
    Py_ssize_t xs[3]
    Py_ssize_t gs[5]

cdef struct Work:
    Py_ssize_t channels
    Py_ssize_t columns
    Py_ssize_t width  # of a row of sums: whole panels
    Py_ssize_t x_row
    real* x  # [channel][PIXELS], or [pixel][channels] where channels are contiguous in memory
    real* panel  # [pixel][PANEL]
    real* outside  # the panel with one instead of zero for what lies outside
    real* sums  # [channel][whole panels]
    Py_ssize_t x_at[PIXELS]
    Py_ssize_t panel_at[PIXELS]


cdef bint copy_pixels(const Problem* of, const char* x, Py_ssize_t p0, Py_ssize_t p1, Work* work) noexcept nogil:
    """Copy pixels p0 .. p1 - 1; whether all of them are finite."""
    cdef Py_ssize_t p = p0, count, c, t, channels = work.channels
    cdef bint last = of.xs[1] == sizeof(real) and of.xs[2] != sizeof(real)
    cdef real* to
    cdef const char* q
    cdef vec rest = vset(0)
    cdef real lanes[LANES]
    while p < p1:
        count = min(p1 - p, of.pixels - p % of.pixels)
        q = x + p // of.pixels * of.xs[0] + p % of.pixels * of.xs[2]
        if last:
            for t in range(count):
                memcpy(work.x + (p - p0 + t) * channels, q + t * of.xs[2], channels * sizeof(real))
        else:
            for c in range(channels):
                to = work.x + c * PIXELS + p - p0
                for t in range(count):
                    to[t] = (<const real*>(q + c * of.xs[1] + t * of.xs[2]))[0]
        p += count
    for t in range(channels * PIXELS // LANES):
        rest = rest + (vload(work.x + t * LANES) - vload(work.x + t * LANES))
    vstore(lanes, rest)
    for t in range(LANES):
        if lanes[t] != 0:
            return False
    return True


cdef void copy_tap(
    const Problem* of, const char* g, Py_ssize_t k, Py_ssize_t w0, Py_ssize_t w1, real outside, real* to
) noexcept nogil:
    """One column of the panel: what tap k of the inner axis meets in a row of g, for the row's pixels w0 .. w1 - 1."""
    cdef const Py_ssize_t* inside = of.inside[2] + 3 * k
    cdef Py_ssize_t t, t0 = min(max(w0, inside[0]), w1), t1 = max(min(w1, inside[1]), t0), step
    for t in range(t0 - w0):
        to[t * PANEL] = outside
    for t in range(t1 - w0, w1 - w0):
        to[t * PANEL] = outside
    if t0 < t1:
        step = of.stride[2] * of.gs[4] if t1 - t0 > 1 else 0
        g += (t0 * of.stride[2] + inside[2]) * of.gs[4]
        to += (t0 - w0) * PANEL
        for t in range(t1 - t0):
            to[t * PANEL] = (<const real*>(g + t * step))[0]


cdef inline void copy_runs(
    const real* g, Py_ssize_t step, Py_ssize_t pixels, Py_ssize_t count, real* to
) noexcept nogil:
    """Some pixels of `count` columns: each pixel's are contiguous in g."""
    cdef Py_ssize_t t, k
    for t in range(pixels):
        for k in range(count):
            to[t * PANEL + k] = g[t * step + k]


cdef void copy_row(
    const Problem* of, const char* g, Py_ssize_t k0, Py_ssize_t k1, Py_ssize_t w0, Py_ssize_t w1, real outside, real* to
) noexcept nogil:
    """What taps k0 .. k1 - 1 of the inner axis meet in a row of g: pixels that meet all of them in short runs."""
    cdef Py_ssize_t k, count = k1 - k0
    cdef const Py_ssize_t* first = of.inside[2] + 3 * k0
    cdef const Py_ssize_t* last = of.inside[2] + 3 * (k1 - 1)
    cdef Py_ssize_t t0 = min(max(w0, first[0]), w1), t1 = max(min(w1, last[1]), t0)
    cdef const real* q
    if count == 1 or of.gs[4] != sizeof(real) or last[2] - first[2] != count - 1 or t1 - t0 < 2:
        t1 = t0
    for k in range(k0, k1):
        copy_tap(of, g, k, w0, t0, outside, to + k - k0)
        copy_tap(of, g, k, t1, w1, outside, to + (t1 - w0) * PANEL + k - k0)
    if t0 == t1:
        return
    q = <const real*>(g + (t0 * of.stride[2] + first[2]) * of.gs[4])
    to += (t0 - w0) * PANEL
    if count == 2:
        copy_runs(q, of.stride[2], t1 - t0, 2, to)
    elif count == 3:
        copy_runs(q, of.stride[2], t1 - t0, 3, to)
    elif count == 4:
        copy_runs(q, of.stride[2], t1 - t0, 4, to)
    elif count == 8:
        copy_runs(q, of.stride[2], t1 - t0, 8, to)
    elif count == 16:
        copy_runs(q, of.stride[2], t1 - t0, 16, to)
    else:
        copy_runs(q, of.stride[2], t1 - t0, count, to)


cdef const char* row_of(const Problem* of, const char* g, Py_ssize_t p, Py_ssize_t column) noexcept nogil:
    """The row of g that a column's taps of the outer axes meet from pixel p, or NULL where it lies outside."""
    cdef Py_ssize_t index[2]
    cdef Py_ssize_t axis
    cdef const Py_ssize_t* inside
    index[0] = p // (of.size[1] * of.size[2]) % of.size[0]
    index[1] = p // of.size[2] % of.size[1]
    column = column // of.taps[2]
    for axis in range(1, -1, -1):
        inside = of.inside[axis] + 3 * (column % of.taps[axis])
        if not inside[0] <= index[axis] < inside[1]:
            return NULL
        g += (index[axis] * of.stride[axis] + inside[2]) * of.gs[2 + axis]
        column = column // of.taps[axis]
    return g + column * of.gs[1] + p // of.pixels * of.gs[0]


cdef void copy_panel(
    const Problem* of, const char* g, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t j0, Py_ssize_t j1, real outside, real* to
) noexcept nogil:
    """Columns j0 .. j1 - 1 of the rows of pixels p0 .. p1 - 1, row of pixels by row of pixels."""
    cdef Py_ssize_t p = p0, w, count, j, k, taps, t, i
    cdef const char* row
    cdef real* at
    while p < p1:
        w = p % of.size[2]
        count = min(p1 - p, of.size[2] - w)
        j = j0
        while j < j1:
            k = j % of.taps[2]
            taps = min(j1 - j, of.taps[2] - k)
            row = row_of(of, g, p, j)
            at = to + (p - p0) * PANEL + j - j0
            if row != NULL:
                copy_row(of, row, k, k + taps, w, w + count, outside, at)
            else:
                for t in range(count):
                    for i in range(taps):
                        at[t * PANEL + i] = outside
            j += taps
        p += count


cdef void add_one_by_one(Work* work, const Sums* sums, Py_ssize_t pixels, Py_ssize_t columns) noexcept nogil:
    """The same sums without the products with what lies outside: there the two panels differ."""
    cdef Py_ssize_t c, j, t
    cdef real total
    for c in range(work.channels):
        for j in range(columns):
            total = 0
            for t in range(pixels):
                if memcmp(work.panel + t * PANEL + j, work.outside + t * PANEL + j, sizeof(real)) == 0:
                    total = total + sums.a[sums.a_at[t] + c * sums.a_row] * work.panel[t * PANEL + j]
            sums.y[c * sums.y_row + j] += total


cdef void add_block(
    const Problem* of, const char* x, const char* g, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t j0, Work* work
) noexcept nogil:
    """Add the products of a block's pixels with all columns of the task."""
    cdef Sums sums
    cdef Py_ssize_t j = 0, width, c
    cdef bint finite = copy_pixels(of, x, p0, p1, work)
    sums.outer = 1
    sums.inner = p1 - p0
    sums.a_step = sums.b_step = 0
    sums.a_row = work.x_row
    sums.a_at = work.x_at
    sums.b_at = work.panel_at
    sums.b = work.panel
    sums.y_row = work.width
    while j < work.columns:
        width = min(work.columns - j, <Py_ssize_t>PANEL)
        copy_panel(of, g, p0, p1, j0 + j, j0 + j + width, 0, work.panel)
        sums.a = work.x
        sums.y = work.sums + j
        if finite:
            c = 0
            while c < work.channels:
                add_products(min(ROWS, work.channels - c), &sums, width)
                sums.a += ROWS * sums.a_row
                sums.y += ROWS * sums.y_row
                c += ROWS
        else:
            copy_panel(of, g, p0, p1, j0 + j, j0 + j + width, 1, work.outside)
            add_one_by_one(work, &sums, p1 - p0, width)
        j += PANEL


cdef int task(
    const Problem* of, const char* x, const char* g, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t channels,
    Py_ssize_t j0, Py_ssize_t columns, real* y,
) noexcept nogil:
    """Write to y the sums over pixels p0 .. p1 - 1 for some channels and columns; 1 where there is no memory."""
    cdef Work work
    cdef Py_ssize_t width = (columns + PANEL - 1) // PANEL * PANEL, t, c
    cdef bint last = of.xs[1] == sizeof(real) and of.xs[2] != sizeof(real)
    cdef size_t bytes = (channels * (PIXELS + width) + 2 * PIXELS * PANEL) * sizeof(real)
    work.x = <real*>scratch(bytes)
    if work.x == NULL:
        return 1
    memset(work.x, 0, bytes)
    work.panel = work.x + channels * PIXELS
    work.outside = work.panel + PIXELS * PANEL
    work.sums = work.outside + PIXELS * PANEL
    work.channels = channels
    work.columns = columns
    work.width = width
    work.x_row = 1 if last else PIXELS
    for t in range(PIXELS):
        work.x_at[t] = t * channels if last else t
        work.panel_at[t] = t * PANEL
    while p0 < p1:
        add_block(of, x, g, p0, min(p0 + PIXELS, p1), j0, &work)
        p0 += PIXELS
    for c in range(channels):
        memcpy(y + c * of.columns + j0, work.sums + c * width, columns * sizeof(real))
    free(work.x)
    return 0


cdef Py_ssize_t piece(Py_ssize_t size, Py_ssize_t most, Py_ssize_t unit) noexcept nogil:
    """The size of equal pieces, multiples of `unit`, none larger than `most`."""
    cdef Py_ssize_t pieces = (size + most - 1) // most
    return ((size + pieces - 1) // pieces + unit - 1) // unit * unit


cdef int run(const Problem* of, const char* x, const char* g, real* y, Py_ssize_t groups, int num_threads) noexcept nogil:
    """All tasks, and the sums of the ranges; 1 where there is no memory."""
    cdef Py_ssize_t C = of.channels, J = of.columns, group_y = C * J, size = groups * group_y
    cdef Py_ssize_t c_step = piece(C, CHANNELS, ROWS), j_step = piece(J, PANELS * PANEL, PANEL)
    cdef Py_ssize_t c_tasks = (C + c_step - 1) // c_step, j_tasks = (J + j_step - 1) // j_step
    cdef Py_ssize_t blocks = (of.all_pixels + PIXELS - 1) // PIXELS, tasks = groups * c_tasks * j_tasks
    cdef Py_ssize_t ranges = min(min(blocks, (TASKS + tasks - 1) // tasks), max(<Py_ssize_t>APART // size, 1)), per, i, r
    cdef Py_ssize_t c, j, group
    cdef int failed = 0
    cdef real* parts = y
    per = (blocks + ranges - 1) // ranges * PIXELS
    ranges = (of.all_pixels + per - 1) // per
    if ranges > 1:
        parts = <real*>scratch(ranges * size * sizeof(real))
        if parts == NULL:
            return 1
    for i in prange(ranges * tasks, num_threads=num_threads, schedule="dynamic"):
        r = i // tasks
        group = i % tasks // (c_tasks * j_tasks)
        c = i // j_tasks % c_tasks * c_step
        j = i % j_tasks * j_step
        failed |= task(
            of, x + (group * C + c) * of.xs[1], g + group * (J // of.all_taps) * of.gs[1],
            r * per, min((r + 1) * per, of.all_pixels), min(c_step, C - c), j, min(j_step, J - j),
            parts + r * size + group * group_y + c * J,
        )
    if ranges > 1:
        for i in prange(size, num_threads=num_threads, schedule="static"):
            y[i] = parts[i]
            for r in range(1, ranges):
                y[i] += parts[r * size + i]
        free(parts)
    return failed


def weight_gradient(
    const real[:, :, :] x, const real[:, :, :, :, :] g, real[:, ::1] y, Py_ssize_t groups, const Py_ssize_t[::1] size,
    const Py_ssize_t[::1] stride, const Py_ssize_t[:, ::1] d, const Py_ssize_t[:, ::1] h, const Py_ssize_t[:, ::1] w,
    int num_threads,
):
    """Write y; d, h and w hold a row (begin, end, shift) for each tap of their axis; `size` is D, H, W."""
    cdef Problem of
    cdef int i, failed
    of.channels = x.shape[1] // groups
    of.columns = y.shape[1]
    of.pixels = x.shape[2]
    of.all_pixels = x.shape[0] * x.shape[2]
    of.inside[0] = &d[0, 0]
    of.inside[1] = &h[0, 0]
    of.inside[2] = &w[0, 0]
    of.taps[0] = d.shape[0]
    of.taps[1] = h.shape[0]
    of.taps[2] = w.shape[0]
    of.all_taps = d.shape[0] * h.shape[0] * w.shape[0]
    for i in range(3):
        of.size[i] = size[i]
        of.stride[i] = stride[i]
        of.xs[i] = x.strides[i]
    for i in range(5):
        of.gs[i] = g.strides[i]
    with nogil:
        failed = run(
            &of, <const char*>&x[0, 0, 0], <const char*>&g[0, 0, 0, 0, 0], &y[0, 0], groups, num_threads
        )
    if failed:
        raise MemoryError("no memory for the sums of the weight's gradient")
