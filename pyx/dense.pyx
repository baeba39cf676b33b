"""Sums of products over channels and taps: transposed convolution and its gradient with respect to the input.

x is (N, G * C, D, H, W), y (N, G * M, OD, OH, OW), both through their strides; w is a flat array in which the factor
of input channel c, output channel m and tap k of group g lies at g * ws[0] + c * ws[1] + m * ws[2] + k.

Tables say which taps an output reads. On the axes D and H, entry o of `first` points into (tap, source index) pairs.
On the axis W outputs are split into phases: phase r owns the outputs start + step * t, and its tap reads x at source
+ xstep * t.

Order of additions: blocks of 16 channels, each one chain from zero (channel, then tap), the blocks' sums added in
order to the bias. Two ways of doing it give the same bits. `tile` copies what the taps of a piece of an output row
read into scratch, with zeros for the padding, and forms ROWS output channels by VECTORS vectors of outputs in
registers; the weights are packed as [group][block of ROWS output channels][channel][tap][ROWS]. `row` forms no
product with padding, which a non-finite weight needs. A task is a piece of an output row (tile) or one row of one
channel: every output has one writer.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

cdef extern from "simd.h" nogil:
    """
    #if defined(__AVX512F__)
    #define ROWS 8
    #define VECTORS 3
    #else
    #define ROWS 4
    #define VECTORS 2
    #endif
    /* Inlined, so that its loops over rows and vectors unroll and the sums stay in registers. */
    static inline __attribute__((always_inline)) void dense_products(
        int, int, const real *, Py_ssize_t, Py_ssize_t, Py_ssize_t, const real *, const Py_ssize_t *, Py_ssize_t,
        real *);
    """
    ctypedef float real
    ctypedef float vec
    vec vload(const real* p)
    void vstore(real* p, vec v)
    void* scratch(size_t bytes)
    enum:
        LANES
        ROWS
        VECTORS

cdef enum:
    BLOCK = 16
    TILE = 192  # outputs of a row in a task; a multiple of every LANES * VECTORS, as is its quarter
    SCRATCH = 1 << 20  # bytes that a task may use, where its tile can still be made smaller
    MOST = 1 << 24  # bytes beyond which the rows are summed without a copy

cdef struct Rows:
    Py_ssize_t channels
    Py_ssize_t channel_taps
    Py_ssize_t kernel_h
    Py_ssize_t kernel_w
    Py_ssize_t size_w
    Py_ssize_t phases
    Py_ssize_t step
    Py_ssize_t xstep
    const Py_ssize_t* xs
    const Py_ssize_t* ws
    const Py_ssize_t* first_w
    const Py_ssize_t* tap_w
    const Py_ssize_t* start
    const Py_ssize_t* count


cdef inline void add_products(
    real* sums, real w, const char* x, Py_ssize_t stride, Py_ssize_t count
) noexcept nogil:
    """sums[t] += w * x[t], along one row."""
    cdef Py_ssize_t t
    cdef const real* p = <const real*>x
    if stride == sizeof(real):
        for t in range(count):
            sums[t] = sums[t] + w * p[t]
    else:
        for t in range(count):
            sums[t] = sums[t] + w * (<const real*>(x + t * stride))[0]


cdef void add_channel(
    const Rows* rows, const char* x, const real* w, Py_ssize_t phase,
    const Py_ssize_t* taps_d, Py_ssize_t count_d, const Py_ssize_t* taps_h, Py_ssize_t count_h, real* sums,
) noexcept nogil:
    """Add the products of one channel with all taps of a phase to its row of sums."""
    cdef Py_ssize_t a, b, e, t0, t1, k, source, step = rows.xstep
    for a in range(count_d):
        for b in range(count_h):
            for e in range(rows.first_w[phase], rows.first_w[phase + 1]):
                source = rows.tap_w[2 * e + 1]
                t0 = 0 if source >= 0 else (-source + step - 1) // step
                t1 = (rows.size_w - source + step - 1) // step if source < rows.size_w else 0
                t1 = min(t1, rows.count[phase])
                k = (taps_d[2 * a] * rows.kernel_h + taps_h[2 * b]) * rows.kernel_w + rows.tap_w[2 * e]
                if t1 > t0:
                    add_products(
                        sums + t0, w[k],
                        x + taps_d[2 * a + 1] * rows.xs[2] + taps_h[2 * b + 1] * rows.xs[3]
                        + (source + t0 * step) * rows.xs[4],
                        step * rows.xs[4], t1 - t0,
                    )


cdef int row(
    const Rows* rows, const char* x, const real* w, real bias, const Py_ssize_t* taps_d, Py_ssize_t count_d,
    const Py_ssize_t* taps_h, Py_ssize_t count_h, char* y, Py_ssize_t ys,
) noexcept nogil:
    """One output row, phase by phase; 1 where there is no memory."""
    cdef Py_ssize_t longest = 1, phase, c, t
    cdef real* sums
    cdef real* block
    for phase in range(rows.phases):
        longest = max(longest, rows.count[phase])
    sums = <real*>scratch(2 * longest * sizeof(real))
    if sums == NULL:
        return 1
    block = sums + longest
    for phase in range(rows.phases):
        for t in range(rows.count[phase]):
            sums[t] = bias
        for c in range(rows.channels):
            if c % BLOCK == 0:
                memset(block, 0, rows.count[phase] * sizeof(real))
            add_channel(
                rows, x + c * rows.xs[1], w + c * rows.ws[1], phase, taps_d, count_d, taps_h, count_h, block
            )
            if c % BLOCK == BLOCK - 1 or c == rows.channels - 1:
                for t in range(rows.count[phase]):
                    sums[t] = sums[t] + block[t]
        for t in range(rows.count[phase]):
            (<real*>(y + (rows.start[phase] + rows.step * t) * ys))[0] = sums[t]
    free(sums)
    return 0


cdef inline void products "dense_products"(
    int rows, int vectors, const real* x, Py_ssize_t pitch, Py_ssize_t channels, Py_ssize_t taps,
    const real* w, const Py_ssize_t* at, Py_ssize_t channel_step, real* y,
) noexcept nogil:
    """y[m, v] += the sum over channels and taps of w[m] * x[v]: one chain in registers."""
    cdef vec sums[ROWS][VECTORS]
    cdef vec b[VECTORS]
    cdef Py_ssize_t _c, e
    cdef int m, v
    cdef const real* q
    memset(sums, 0, sizeof(sums))
    for _c in range(channels):
        for e in range(taps):
            q = w + at[e]
            for v in range(vectors):
                b[v] = vload(x + v * LANES)
            for m in range(rows):
                for v in range(vectors):
                    sums[m][v] = sums[m][v] + q[m] * b[v]
            x = x + pitch
        w = w + channel_step
    for m in range(rows):
        for v in range(vectors):
            vstore(y + m * pitch + v * LANES, vload(y + m * pitch + v * LANES) + sums[m][v])


cdef void copy_row(
    const Rows* rows, const char* x, Py_ssize_t source, Py_ssize_t count, Py_ssize_t pitch, real* to
) noexcept nogil:
    """What one tap reads, with zeros outside of the row and up to the pitch."""
    cdef Py_ssize_t step = rows.xstep, t0, t1, t
    t0 = 0 if source >= 0 else (-source + step - 1) // step
    t1 = (rows.size_w - source + step - 1) // step if source < rows.size_w else 0
    t1 = min(t1, count)
    t0 = min(t0, max(t1, 0))
    t1 = max(t1, t0)
    for t in range(t0):
        to[t] = 0
    if t1 > t0:
        x = x + (source + t0 * step) * rows.xs[4]
        if step * rows.xs[4] == sizeof(real):
            memcpy(to + t0, x, (t1 - t0) * sizeof(real))
        else:
            for t in range(t1 - t0):
                to[t0 + t] = (<const real*>(x + t * step * rows.xs[4]))[0]
    for t in range(t1, pitch):
        to[t] = 0


cdef void add_block(
    const real* x, Py_ssize_t pitch, Py_ssize_t count, Py_ssize_t channels, Py_ssize_t taps, const real* w,
    const Py_ssize_t* at, Py_ssize_t channel_step, int width, real* y,
) noexcept nogil:
    """One block of channels, for `width` output channels and all outputs of the tile."""
    cdef Py_ssize_t v = 0
    while v < count:
        if count - v > LANES * (VECTORS - 1):
            if width == ROWS:
                products(ROWS, VECTORS, x + v, pitch, channels, taps, w, at, channel_step, y + v)
            else:
                products(1, VECTORS, x + v, pitch, channels, taps, w, at, channel_step, y + v)
            v += LANES * VECTORS
        else:
            if width == ROWS:
                products(ROWS, 1, x + v, pitch, channels, taps, w, at, channel_step, y + v)
            else:
                products(1, 1, x + v, pitch, channels, taps, w, at, channel_step, y + v)
            v += LANES


cdef int tile(
    const Rows* rows, const char* x, const real* w, const real* bias, Py_ssize_t outputs, int width,
    const Py_ssize_t* taps_d, Py_ssize_t count_d, const Py_ssize_t* taps_h, Py_ssize_t count_h,
    Py_ssize_t first, Py_ssize_t pitch, Py_ssize_t most_taps, char* y, Py_ssize_t ychannel, Py_ssize_t ys,
) noexcept nogil:
    """Outputs first .. first + pitch - 1 of each phase of a row, for all output channels of a group; 1: no memory."""
    cdef Py_ssize_t blocks = (outputs + width - 1) // width, K = rows.channel_taps, n, a, b, e, c, c0, m, t, taps
    cdef Py_ssize_t phase, k
    cdef Py_ssize_t* at = <Py_ssize_t*>scratch(most_taps * sizeof(Py_ssize_t))
    cdef real* sums = <real*>scratch((blocks * width + BLOCK * most_taps) * pitch * sizeof(real))
    cdef real* copied = sums + blocks * width * pitch
    cdef real* to
    cdef const char* plane
    cdef char* line
    if at == NULL or sums == NULL:
        free(at)
        free(sums)
        return 1
    for phase in range(rows.phases):
        n = min(pitch, rows.count[phase] - first)
        if n <= 0:
            continue
        for m in range(outputs):
            for t in range(pitch):
                sums[m * pitch + t] = bias[m]
        for m in range(outputs * pitch, blocks * width * pitch):
            sums[m] = 0
        taps = 0
        for a in range(count_d):
            for b in range(count_h):
                for e in range(rows.first_w[phase], rows.first_w[phase + 1]):
                    k = (taps_d[2 * a] * rows.kernel_h + taps_h[2 * b]) * rows.kernel_w + rows.tap_w[2 * e]
                    at[taps] = width * k
                    taps += 1
        c0 = 0 if taps else rows.channels
        while c0 < rows.channels:
            to = copied
            for c in range(c0, min(c0 + BLOCK, rows.channels)):
                for a in range(count_d):
                    for b in range(count_h):
                        plane = x + c * rows.xs[1] + taps_d[2 * a + 1] * rows.xs[2] + taps_h[2 * b + 1] * rows.xs[3]
                        for e in range(rows.first_w[phase], rows.first_w[phase + 1]):
                            copy_row(rows, plane, rows.tap_w[2 * e + 1] + first * rows.xstep, n, pitch, to)
                            to += pitch
            for m in range(blocks):
                add_block(
                    copied, pitch, n, min(BLOCK, rows.channels - c0), taps,
                    w + (m * rows.channels + c0) * K * width, at, K * width, width, sums + m * width * pitch,
                )
            c0 += BLOCK
        for m in range(outputs):
            line = y + m * ychannel + (rows.start[phase] + rows.step * first) * ys
            for t in range(n):
                (<real*>(line + t * rows.step * ys))[0] = sums[m * pitch + t]
    free(at)
    free(sums)
    return 0


cdef void pack_block(
    const real* w, const Py_ssize_t* ws, Py_ssize_t channels, Py_ssize_t taps, Py_ssize_t outputs, int width, real* to
) noexcept nogil:
    """[channel][tap][width] from w, with zeros for output channels that are not there."""
    cdef Py_ssize_t c, k, m
    for c in range(channels):
        for k in range(taps):
            for m in range(width):
                to[(c * taps + k) * width + m] = w[c * ws[1] + m * ws[2] + k] if m < outputs else <real>0


cdef int tiles(
    const real[:, :, :, :, :] x, const real* w, const real* bias, real[:, :, :, :, :] y, Py_ssize_t groups,
    const Rows* rows, const Py_ssize_t[::1] first_d, const Py_ssize_t[:, ::1] taps_d,
    const Py_ssize_t[::1] first_h, const Py_ssize_t[:, ::1] taps_h, int num_threads,
):
    """All tiles; 1 where there is no memory, 2 where a tile's scratch would be too large."""
    cdef Py_ssize_t M = y.shape[1] // groups, D = y.shape[2], H = y.shape[3], task, n, d, h, g, j, K = rows.channel_taps
    cdef Py_ssize_t pitch = TILE, longest = 0, most = 0, most_h = 0, most_w = 0, pieces, blocks, size
    cdef int width = ROWS if 2 * M >= ROWS else 1, failed = 0
    cdef real* packed
    for j in range(D):
        most = max(most, first_d[j + 1] - first_d[j])
    for j in range(H):
        most_h = max(most_h, first_h[j + 1] - first_h[j])
    for j in range(rows.phases):
        most_w = max(most_w, rows.first_w[j + 1] - rows.first_w[j])
        longest = max(longest, rows.count[j])
    most = most * most_h * most_w
    blocks = (M + width - 1) // width
    size = (blocks * width + BLOCK * most) * sizeof(real)
    while pitch > TILE // 4 and (size * pitch > SCRATCH or longest <= pitch // 2):
        pitch = pitch // 2
    if size > MOST // pitch:
        return 2
    pieces = (longest + pitch - 1) // pitch
    packed = <real*>scratch(groups * blocks * rows.channels * K * width * sizeof(real))
    if packed == NULL:
        return 1
    for task in prange(groups * blocks, nogil=True, num_threads=num_threads, schedule="static"):
        pack_block(
            w + task // blocks * rows.ws[0] + task % blocks * width * rows.ws[2], rows.ws, rows.channels, K,
            M - task % blocks * width, width, packed + task * rows.channels * K * width,
        )
    for task in prange(y.shape[0] * groups * D * H * pieces, nogil=True, num_threads=num_threads, schedule="dynamic"):
        j = task % pieces
        h = task // pieces % H
        d = task // (pieces * H) % D
        g = task // (pieces * H * D) % groups
        n = task // (pieces * H * D * groups)
        failed |= tile(
            rows, <const char*>&x[n, g * rows.channels, 0, 0, 0], packed + g * blocks * rows.channels * K * width,
            bias + g * M, M, width, &taps_d[first_d[d], 0], first_d[d + 1] - first_d[d],
            &taps_h[first_h[h], 0], first_h[h + 1] - first_h[h], j * pitch, pitch, most + 1,
            <char*>&y[n, g * M, d, h, 0], y.strides[1], y.strides[4],
        )
    free(packed)
    return failed


def contract(
    const real[:, :, :, :, :] x, const real[::1] w, const real[::1] bias, real[:, :, :, :, :] y, Py_ssize_t groups,
    const Py_ssize_t[::1] ws, const Py_ssize_t[::1] kernel, const Py_ssize_t[::1] steps,
    const Py_ssize_t[::1] first_d, const Py_ssize_t[:, ::1] taps_d,
    const Py_ssize_t[::1] first_h, const Py_ssize_t[:, ::1] taps_h,
    const Py_ssize_t[::1] first_w, const Py_ssize_t[:, ::1] taps_w,
    const Py_ssize_t[::1] start, const Py_ssize_t[::1] count, bint finite, int num_threads,
):
    """Write y; `finite` says that no weight is NaN or infinite. MemoryError where scratch cannot be had."""
    cdef Py_ssize_t M = y.shape[1], D = y.shape[2], H = y.shape[3], task, n, m, d, h, g, i
    cdef Py_ssize_t xs[5]
    cdef Rows rows
    cdef int failed = 0
    for i in range(5):
        xs[i] = x.strides[i]
    rows.channels = x.shape[1] // groups
    rows.kernel_h = kernel[1]
    rows.kernel_w = kernel[2]
    rows.size_w = x.shape[4]
    rows.phases = start.shape[0]
    rows.step = steps[0]
    rows.xstep = steps[1]
    rows.xs = xs
    rows.ws = &ws[0]
    rows.first_w = &first_w[0]
    rows.tap_w = &taps_w[0, 0]
    rows.start = &start[0]
    rows.count = &count[0]
    rows.channel_taps = kernel[0] * kernel[1] * kernel[2]
    if finite and rows.channels:
        failed = tiles(x, &w[0], &bias[0], y, groups, &rows, first_d, taps_d, first_h, taps_h, num_threads)
        if failed == 0:
            return
        if failed == 1:
            raise MemoryError("no memory for the sums and packed weights")
        failed = 0
    for task in prange(y.shape[0] * M * D * H, nogil=True, num_threads=num_threads, schedule="static"):
        h = task % H
        d = task // H % D
        m = task // (H * D) % M
        n = task // (H * D * M)
        g = m // (M // groups)
        failed |= row(
            &rows, <const char*>&x[n, g * rows.channels, 0, 0, 0], &w[0] + g * ws[0] + (m - g * (M // groups)) * ws[2],
            bias[m], &taps_d[first_d[d], 0], first_d[d + 1] - first_d[d],
            &taps_h[first_h[h], 0], first_h[h + 1] - first_h[h], <char*>&y[n, m, d, h, 0], y.strides[4],
        )
    if failed:
        raise MemoryError("no memory for a row of sums")
