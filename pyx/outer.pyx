"""The gradient of a transposed convolution with respect to its weight: products of rows, summed over pixels.

x is (N, G * C, D, H, W), g (N, G * M, OD, OH, OW), both through their strides; y is (G * C, M, taps), contiguous. On each axis
tap k pairs the source indices begin[k] .. end[k] - 1 with the outputs i * stride + shift[k].

A task is one (channel, output channel) pair: every element of y has one writer. Order of additions: chunks of a row, each in
LANES partial sums that are added in order, then chunks, rows and images in order.
"""

from cython.parallel cimport prange

cdef extern from "simd.h" nogil:
    ctypedef float real

cdef enum:
    PARTS = 16
    CHUNK = 256


cdef real product(const char* x, Py_ssize_t xs, const char* g, Py_ssize_t gs, Py_ssize_t count) noexcept nogil:
    """The sum of x[t] * g[t], in PARTS interleaved chains."""
    cdef real part[PARTS]
    cdef real total = 0
    cdef Py_ssize_t t, i
    for i in range(PARTS):
        part[i] = 0
    t = 0
    while t + PARTS <= count:
        for i in range(PARTS):
            part[i] = part[i] + (<const real*>(x + (t + i) * xs))[0] * (<const real*>(g + (t + i) * gs))[0]
        t += PARTS
    for i in range(count - t):
        part[i] = part[i] + (<const real*>(x + (t + i) * xs))[0] * (<const real*>(g + (t + i) * gs))[0]
    for i in range(PARTS):
        total += part[i]
    return total


cdef real plane(
    const char* x, const Py_ssize_t* xs, const char* g, const Py_ssize_t* gs, const Py_ssize_t* stride,
    const Py_ssize_t* d, const Py_ssize_t* h, const Py_ssize_t* w,
) noexcept nogil:
    """The sum over one image's pixels for one tap; d, h and w hold begin, end and shift."""
    cdef Py_ssize_t i, j, t
    cdef real total = 0, line
    for i in range(d[0], d[1]):
        for j in range(h[0], h[1]):
            line = 0
            t = w[0]
            while t < w[1]:
                line += product(
                    x + i * xs[2] + j * xs[3] + t * xs[4], xs[4],
                    g + (i * stride[0] + d[2]) * gs[2] + (j * stride[1] + h[2]) * gs[3] + (t * stride[2] + w[2]) * gs[4],
                    gs[4] * stride[2], min(<Py_ssize_t>CHUNK, w[1] - t),
                )
                t += CHUNK
            total += line
    return total


def weight_gradient(
    const real[:, :, :, :, :] x, const real[:, :, :, :, :] g, real[:, :, ::1] y, Py_ssize_t groups,
    const Py_ssize_t[::1] stride, const Py_ssize_t[:, ::1] d, const Py_ssize_t[:, ::1] h, const Py_ssize_t[:, ::1] w,
    int num_threads,
):
    """Write y; d, h and w hold a row (begin, end, shift) for each tap of their axis."""
    cdef Py_ssize_t M = y.shape[1], C = x.shape[1] // groups, task, c, m, n, k, KH = h.shape[0], KW = w.shape[0], i
    cdef Py_ssize_t xs[5]
    cdef Py_ssize_t gs[5]
    cdef real total
    for i in range(5):
        xs[i] = x.strides[i]
        gs[i] = g.strides[i]
    for task in prange(y.shape[0] * M, nogil=True, num_threads=num_threads, schedule="static"):
        c = task // M
        m = c // C * M + task % M
        for k in range(y.shape[2]):
            total = 0
            for n in range(x.shape[0]):
                total = total + plane(
                    <const char*>&x[n, c, 0, 0, 0], xs, <const char*>&g[n, m, 0, 0, 0], gs, &stride[0],
                    &d[k // (KH * KW), 0], &h[k // KW % KH, 0], &w[k % KW, 0],
                )
            y[c, task % M, k] = total
