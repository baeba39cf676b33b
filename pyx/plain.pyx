"""Transposed convolution and its gradient with respect to the input as their formulas say, for small problems.

A plan and a packed weight cost more than a few thousand products. x is (N, G * C, D, H, W), y (N, G * M, OD, OH, OW),
in C order; C channels are summed over, M are written. Order of additions as in dense.pyx: a chain of products for each
block of channels, channel by channel and tap by tap, then the bias. Only products that are in the formula are made,
so numbers that are not finite need no care. One thread.
"""

from upsampling._kernels.calls cimport Call, perform

cdef extern from "simd.h" nogil:
    """
    /* Keeps the compiler from making products by vectors and adding them one by one, not fused, as dense.pyx's are. */
    static inline void one_by_one(void) { __asm__ volatile(""); }
    """
    ctypedef float real
    void one_by_one()

cdef enum:
    PAIRS = 256  # most of an axis, and most taps of a pixel

# Output o of an axis takes tap[e] times source[e] for e from first[o] to first[o + 1] - 1.
cdef struct Axis:
    Py_ssize_t first[PAIRS + 1]
    Py_ssize_t tap[PAIRS]
    Py_ssize_t source[PAIRS]

# What a pixel of y takes, channels aside.
cdef struct Taps:
    Py_ssize_t count
    Py_ssize_t x[PAIRS]
    Py_ssize_t w[PAIRS]


cdef void pair(const Py_ssize_t* sizes, bint forward, Axis* axis) noexcept nogil:
    """Sort the pairs of a tap and an input by the output that they belong to, or by the input."""
    cdef Py_ssize_t size = sizes[0], out = sizes[1], k, i, o, at, count = out if forward else size
    for at in range(count + 1):
        axis.first[at] = 0
    for k in range(sizes[2]):
        for i in range(size):
            o = i * sizes[3] + k * sizes[5] - sizes[4]
            if 0 <= o < out:
                axis.first[(o if forward else i) + 1] += 1
    for at in range(count):
        axis.first[at + 1] += axis.first[at]
    # Each first is raised to the end of its pairs, which is the next one's beginning.
    for k in range(sizes[2]):
        for i in range(size):
            o = i * sizes[3] + k * sizes[5] - sizes[4]
            if 0 <= o < out:
                at = o if forward else i
                axis.tap[axis.first[at]] = k
                axis.source[axis.first[at]] = i if forward else o
                axis.first[at] += 1
    for at in range(count, 0, -1):
        axis.first[at] = axis.first[at - 1]
    axis.first[0] = 0


cdef void find_taps(
    const Axis* axis, const Py_ssize_t* kernel, const Py_ssize_t* size, Py_ssize_t d, Py_ssize_t h, Py_ssize_t w,
    Taps* taps,
) noexcept nogil:
    """What pixel (d, h, w) of y takes."""
    cdef Py_ssize_t i, j, k, count = 0, x, tap
    for i in range(axis[0].first[d], axis[0].first[d + 1]):
        for j in range(axis[1].first[h], axis[1].first[h + 1]):
            x = (axis[0].source[i] * size[0] + axis[1].source[j]) * size[1]
            tap = (axis[0].tap[i] * kernel[0] + axis[1].tap[j]) * kernel[1]
            for k in range(axis[2].first[w], axis[2].first[w + 1]):
                taps.x[count] = x + axis[2].source[k]
                taps.w[count] = tap + axis[2].tap[k]
                count += 1
    taps.count = count


cdef real value(
    const Taps* taps, const real* x, Py_ssize_t plane, const real* w, Py_ssize_t ws, Py_ssize_t channels,
    Py_ssize_t block, real bias,
) noexcept nogil:
    """An element of y; channels of x are `plane` numbers apart, those of w `ws`."""
    cdef Py_ssize_t c = 0, end, e
    cdef real chain, total = 0
    while c < channels:
        end = min(channels, c + block)
        chain = 0
        while c < end:
            for e in range(taps.count):
                chain = chain + w[taps.w[e]] * x[taps.x[e]]
                one_by_one()
            x += plane
            w += ws
            c += 1
        total = chain if end <= block else total + chain
    return total + bias


# A call; its arrays are x, w, the bias or NULL, and y.
cdef struct Job:
    Call call
    Py_ssize_t images
    Py_ssize_t groups
    Py_ssize_t channels  # of a group, as are outputs
    Py_ssize_t outputs
    Py_ssize_t block  # channels of a chain
    Py_ssize_t size[3]  # of x, as it lies in memory
    Py_ssize_t out[3]  # of y
    Py_ssize_t table[3][6]
    bint forward


cdef void run(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Axis axis[3]
    cdef Py_ssize_t d, h, w, i
    cdef Taps taps
    for i in range(3):
        pair(job.table[i], job.forward, &axis[i])
    for d in range(job.out[0]):
        for h in range(job.out[1]):
            for w in range(job.out[2]):
                find_taps(axis, [job.table[1][2], job.table[2][2]], &job.size[1], d, h, w, &taps)
                fill_pixel(job, &taps, (d * job.out[1] + h) * job.out[2] + w)


cdef void fill_pixel(const Job* job, const Taps* taps, Py_ssize_t pixel) noexcept nogil:
    """Write a pixel of y in all images and channels."""
    cdef Py_ssize_t _n, g, m, all_taps = job.table[0][2] * job.table[1][2] * job.table[2][2]
    cdef Py_ssize_t x_plane = job.size[0] * job.size[1] * job.size[2], y_plane = job.out[0] * job.out[1] * job.out[2]
    cdef Py_ssize_t channel_step = job.outputs * all_taps if job.forward else all_taps
    cdef Py_ssize_t output_step = all_taps if job.forward else job.channels * all_taps
    cdef const real* x = <const real*>job.call.array[0]
    cdef const real* w
    cdef const real* bias = <const real*>job.call.array[2]
    cdef real* y = <real*>job.call.array[3] + pixel
    for _n in range(job.images):
        w = <const real*>job.call.array[1]
        for g in range(job.groups):
            for m in range(job.outputs):
                y[0] = value(
                    taps, x, x_plane, w + m * output_step, channel_step, job.channels, job.block,
                    bias[g * job.outputs + m] if bias != NULL else 0,
                )
                y += y_plane
            x += job.channels * x_plane
            w += job.channels * job.outputs * all_taps


def contract(
    const real[:, :, :, :, ::1] x, const real[::1] w, const real[::1] bias, real[:, :, :, :, ::1] y, Py_ssize_t groups,
    Py_ssize_t block, const Py_ssize_t[:, ::1] sizes, bint forward, int num_threads,
):
    """Write y; the bias may be None. Unless `forward`, x and y are gradients of output and input.

    `sizes` are size, out, kernel, stride, padding and dilation of three axes, with at most PAIRS each of outputs and of
    taps times inputs, and no more taps in all.
    """
    cdef Job job
    cdef int i, j
    job.call.array[0] = <void*>&x[0, 0, 0, 0, 0]
    job.call.array[1] = <void*>&w[0]
    job.call.array[2] = <void*>&bias[0] if bias is not None else NULL
    job.call.array[3] = <void*>&y[0, 0, 0, 0, 0]
    job.call.read = 3
    job.call.written = 1
    job.call.threads = 1
    job.call.shared = job.call.each = 0
    job.block = block
    job.images, job.groups, job.forward = x.shape[0], groups, forward
    job.channels, job.outputs = x.shape[1] // groups, y.shape[1] // groups
    for i in range(3):
        job.size[i], job.out[i] = x.shape[2 + i], y.shape[2 + i]
        for j in range(6):
            job.table[i][j] = sizes[i, j]
    perform(&job.call, sizeof(job), run)


def most_pairs():
    """PAIRS, which the caller heeds."""
    return PAIRS
