"""Sums of products over channels and taps: transposed convolution and its gradient with respect to the input.

x is (N, G * C, D, H, W), y (N, G * M, OD, OH, OW), both through their strides; w is a flat array in which the factor of input
channel c, output channel m and tap k of group g lies at g * ws[0] + c * ws[1] + m * ws[2] + k.

Tables say which taps an output reads. On the axes D and H, entry o of `first` points into (tap, source index) pairs. On the
axis W outputs are split into phases: phase r owns the outputs start + step * t, and its tap reads x at source + xstep * t.

A task is one output row: every output has one writer. Order of additions: blocks of 16 channels, each one chain from zero
(channel, then tap), the blocks' sums added in order to the bias. No product with padding is formed.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free
from libc.string cimport memset

cdef extern from "simd.h" nogil:
    ctypedef float real
    void* scratch(size_t bytes)

cdef enum:
    BLOCK = 16

cdef struct Rows:
    Py_ssize_t channels
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


def contract(
    const real[:, :, :, :, :] x, const real[::1] w, const real[::1] bias, real[:, :, :, :, :] y, Py_ssize_t groups,
    const Py_ssize_t[::1] ws, const Py_ssize_t[::1] kernel, const Py_ssize_t[::1] steps,
    const Py_ssize_t[::1] first_d, const Py_ssize_t[:, ::1] taps_d,
    const Py_ssize_t[::1] first_h, const Py_ssize_t[:, ::1] taps_h,
    const Py_ssize_t[::1] first_w, const Py_ssize_t[:, ::1] taps_w,
    const Py_ssize_t[::1] start, const Py_ssize_t[::1] count, int num_threads,
):
    """Write y; MemoryError where a row's scratch cannot be had."""
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
