"""Maxima of windows with their positions, and the sums that carry gradients back.

x is (N, C, D, H, W) and y (N, C, OD, OH, OW), both through their strides; spec holds kernel, stride, padding
and dilation, three numbers each. A task is one output row; every output element has one writer. Windows are
read in row-major order: the first of equal maxima wins, and a NaN wins over all before it, as in PyTorch.
"""

from cython.parallel cimport prange
from upsampling._kernels.calls cimport Call, perform, stopped
from plane cimport inside

cdef extern from * nogil:
    """
    #include <stdint.h>
    #if defined(PRECISION_F64)
    typedef double item;
    typedef int64_t offset;
    #define LOWEST (-__builtin_inf())
    #define is_nan(x) ((x) != (x))
    #elif defined(PRECISION_I64)
    typedef int64_t item;
    typedef int64_t offset;
    #define LOWEST INT64_MIN
    #define is_nan(x) 0
    #else
    typedef float item;
    typedef int32_t offset;
    #define LOWEST (-__builtin_inff())
    #define is_nan(x) ((x) != (x))
    #endif
    """
    ctypedef float item
    ctypedef int offset
    const item LOWEST
    bint is_nan(item)

ctypedef long long position


cdef inline Py_ssize_t first_inside(Py_ssize_t start, Py_ssize_t dilation) noexcept nogil:
    """The first tap of a window that is not in the padding on the left."""
    return 0 if start >= 0 else (-start - 1) // dilation + 1


cdef inline Py_ssize_t last_inside(
    Py_ssize_t start, Py_ssize_t dilation, Py_ssize_t kernel, Py_ssize_t size
) noexcept nogil:
    """One past the last tap of a window that is inside the input."""
    return min(kernel, (size - start - 1) // dilation + 1 if size > start else 0)


cdef void pool_row(
    const char* x, const Py_ssize_t* xs, const Py_ssize_t* size, const Py_ssize_t* spec, Py_ssize_t od, Py_ssize_t oh,
    char* y, Py_ssize_t ys, char* at, Py_ssize_t ats, Py_ssize_t count,
) noexcept nogil:
    cdef Py_ssize_t d0 = od * spec[3] - spec[6], h0 = oh * spec[4] - spec[7], w0, o, a, b, c, d, h, w
    cdef Py_ssize_t a0 = first_inside(d0, spec[9]), a1 = last_inside(d0, spec[9], spec[0], size[0])
    cdef Py_ssize_t b0 = first_inside(h0, spec[10]), b1 = last_inside(h0, spec[10], spec[1], size[1])
    cdef Py_ssize_t c0, c1
    cdef item best, value
    cdef position where
    for o in range(count):
        w0 = o * spec[5] - spec[8]
        c0 = first_inside(w0, spec[11])
        c1 = last_inside(w0, spec[11], spec[2], size[2])
        best = LOWEST
        # The window's first element; of a window that lies in the padding alone, the nearest element of the input.
        d = min(d0 + a0 * spec[9], size[0] - 1)
        h = min(h0 + b0 * spec[10], size[1] - 1)
        w = min(w0 + c0 * spec[11], size[2] - 1)
        where = (d * size[1] + h) * size[2] + w
        for a in range(a0, a1):
            d = d0 + a * spec[9]
            for b in range(b0, b1):
                h = h0 + b * spec[10]
                for c in range(c0, c1):
                    w = w0 + c * spec[11]
                    value = (<const item*>(x + d * xs[0] + h * xs[1] + w * xs[2]))[0]
                    if value > best or is_nan(value):
                        best = value
                        where = (d * size[1] + h) * size[2] + w
        (<item*>(y + o * ys))[0] = best
        if at != NULL:
            (<position*>(at + o * ats))[0] = where


cdef inline void take(
    item* best, offset* where, const item* x, Py_ssize_t step, offset tap, Py_ssize_t count
) noexcept nogil:
    """One tap of a row of windows, step elements apart; without branches, so that the compiler makes vectors of it."""
    cdef Py_ssize_t o
    cdef item value
    cdef bint wins
    for o in range(count):
        value = x[o * step]
        wins = (value > best[o]) | is_nan(value)
        best[o] = value if wins else best[o]
        where[o] = tap if wins else where[o]


cdef void pool_dense_row(
    const char* x, const Py_ssize_t* xs, const Py_ssize_t* size, const Py_ssize_t* spec, Py_ssize_t od, Py_ssize_t oh,
    item* y, position* at, Py_ssize_t count,
) noexcept nogil:
    """pool_row for contiguous rows and dilation 1: tap after tap over a block of windows, each with its offset from the
    window's start in the plane."""
    cdef Py_ssize_t d0 = od * spec[3] - spec[6], h0 = oh * spec[4] - spec[7], step = spec[5], pad = spec[8]
    cdef Py_ssize_t a0 = first_inside(d0, 1), a1 = last_inside(d0, 1, spec[0], size[0])
    cdef Py_ssize_t b0 = first_inside(h0, 1), b1 = last_inside(h0, 1, spec[1], size[1])
    cdef Py_ssize_t begin, n, o, a, b, c, low, high
    cdef position origin
    cdef offset tap
    cdef offset where[256]
    cdef item* best
    cdef const item* row
    for begin in range(0, count, 256):
        n = min(count - begin, 256)
        best = y + begin
        tap = <offset>((a0 * size[1] + b0) * size[2])
        for o in range(n):
            best[o] = LOWEST
            where[o] = tap + <offset>max(pad - (begin + o) * step, 0)
        for a in range(a0, a1):
            for b in range(b0, b1):
                row = <const item*>(x + (d0 + a) * xs[0] + (h0 + b) * xs[1])
                for c in range(spec[2]):
                    low = max((pad - c + step - 1) // step if pad > c else 0, begin)
                    high = min((size[2] - 1 + pad - c) // step + 1 if size[2] + pad > c else 0, begin + n)
                    if high <= low:
                        continue
                    tap = <offset>((a * size[1] + b) * size[2] + c)
                    if step == 1:
                        take(y + low, where + (low - begin), row + (low - pad + c), 1, tap, high - low)
                    elif step == 2:
                        take(y + low, where + (low - begin), row + (2 * low - pad + c), 2, tap, high - low)
                    else:
                        take(y + low, where + (low - begin), row + (step * low - pad + c), step, tap, high - low)
        if at != NULL:
            origin = (d0 * size[1] + h0) * size[2] - pad + begin * step
            for o in range(n):
                at[begin + o] = origin + o * step + where[o]


# A call; its arrays are x, y and the positions or NULL.
cdef struct Job:
    Call call
    Py_ssize_t size[3]
    Py_ssize_t shape[5]  # of y
    Py_ssize_t xs[5]
    Py_ssize_t ys[5]
    Py_ssize_t ats[5]
    Py_ssize_t spec[12]
    bint dense


cdef inline char* row_of(
    void* array, const Py_ssize_t* strides, Py_ssize_t n, Py_ssize_t c, Py_ssize_t d, Py_ssize_t h
) noexcept nogil:
    return NULL if array == NULL else <char*>array + n * strides[0] + c * strides[1] + d * strides[2] + h * strides[3]


cdef void run_pool(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Py_ssize_t C = job.shape[1], D = job.shape[2], H = job.shape[3], task, n, c, d, h
    cdef const char* x
    cdef char* y
    cdef char* at
    for task in prange(job.shape[0] * C * D * H, num_threads=call.threads, schedule="static"):
        h = task % H
        d = task // H % D
        c = task // (H * D) % C
        n = task // (H * D * C)
        x = row_of(call.array[0], job.xs, n, c, 0, 0)
        y = row_of(call.array[1], job.ys, n, c, d, h)
        at = row_of(call.array[2], job.ats, n, c, d, h)
        if stopped(call):
            pass
        elif job.dense:
            pool_dense_row(x, job.xs + 2, job.size, job.spec, d, h, <item*>y, <position*>at, job.shape[4])
        else:
            pool_row(x, job.xs + 2, job.size, job.spec, d, h, y, job.ys[4], at, job.ats[4], job.shape[4])


def pool(
    const item[:, :, :, :, :] x, const Py_ssize_t[::1] spec, item[:, :, :, :, :] y, position[:, :, :, :, :] at,
    bint with_positions, int num_threads,
):
    """Write the maxima of x's windows to y and, if asked, their flat positions in x's plane to at."""
    cdef Job job
    cdef int i
    job.call.array[0] = <void*>&x[0, 0, 0, 0, 0]
    job.call.array[1] = <void*>&y[0, 0, 0, 0, 0]
    job.call.array[2] = <void*>&at[0, 0, 0, 0, 0] if with_positions else NULL
    job.call.read = 1
    job.call.written = 2
    job.call.threads = num_threads
    job.call.shared = job.call.each = 0
    job.dense = x.strides[4] == sizeof(item) and y.strides[4] == sizeof(item)
    job.dense = job.dense and (not with_positions or at.strides[4] == sizeof(position))
    for i in range(12):
        job.spec[i] = spec[i]
    for i in range(5):
        job.shape[i], job.xs[i], job.ys[i], job.ats[i] = y.shape[i], x.strides[i], y.strides[i], at.strides[i]
    for i in range(3):
        job.size[i] = x.shape[2 + i]
        job.dense = job.dense and spec[9 + i] == 1 and spec[6 + i] <= job.size[i] and spec[3 + i] < 1 << 31
    # Offsets in a window, of at most twice the input on each axis, fit in 32 bits.
    job.dense = job.dense and job.size[0] * job.size[1] * job.size[2] < 1 << 28
    perform(&job.call, sizeof(job), run_pool)


cdef void add_plane(
    const char* g, Py_ssize_t gs, const char* at, Py_ssize_t ats, Py_ssize_t count,
    char* y, Py_ssize_t ys, Py_ssize_t plane,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef position where
    cdef item* p
    for i in range(plane):
        (<item*>(y + i * ys))[0] = 0
    for i in range(count):
        where = (<const position*>(at + i * ats))[0]
        if inside(where, plane):
            p = <item*>(y + where * ys)
            p[0] = p[0] + (<const item*>(g + i * gs))[0]


# A call; its arrays are g, positions and y. Strides are those of images, channels and elements, in bytes.
cdef struct AddJob:
    Call call
    Py_ssize_t images
    Py_ssize_t channels
    Py_ssize_t count
    Py_ssize_t plane
    Py_ssize_t gs[3]
    Py_ssize_t ats[3]
    Py_ssize_t ys[3]


cdef void run_add(Call* call) noexcept nogil:
    cdef AddJob* job = <AddJob*>call
    cdef Py_ssize_t C = job.channels, task
    for task in prange(job.images * C, num_threads=call.threads, schedule="static"):
        if not stopped(call):
            add_plane(
                <char*>call.array[0] + task // C * job.gs[0] + task % C * job.gs[1], job.gs[2],
                <char*>call.array[1] + task // C * job.ats[0] + task % C * job.ats[1], job.ats[2], job.count,
                <char*>call.array[2] + task // C * job.ys[0] + task % C * job.ys[1], job.ys[2], job.plane,
            )


def add(const item[:, :, :] g, const position[:, :, :] at, item[:, :, :] y, int num_threads):
    """Write to y (N, C, P) the sums of g (N, C, L) at checked positions; a task is a plane, in row-major order."""
    cdef AddJob job
    cdef int i
    job.call.array[0] = <void*>&g[0, 0, 0]
    job.call.array[1] = <void*>&at[0, 0, 0]
    job.call.array[2] = <void*>&y[0, 0, 0]
    job.call.read = 2
    job.call.written = 1
    job.call.threads = num_threads
    job.call.shared = job.call.each = 0
    job.images, job.channels, job.count, job.plane = g.shape[0], g.shape[1], g.shape[2], y.shape[2]
    for i in range(3):
        job.gs[i], job.ats[i], job.ys[i] = g.strides[i], at.strides[i], y.strides[i]
    perform(&job.call, sizeof(job), run_add)
