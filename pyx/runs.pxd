"""Copies of runs of a row into scratch, with a number of its own for what lies outside of the row."""

from libc.string cimport memcpy

cdef extern from "simd.h" nogil:
    ctypedef float real
    ctypedef float vec
    vec vload(const real* p)
    void vstore(real* p, vec v)
    vec vset(real x)
    enum:
        LANES


cdef inline void fill(real value, Py_ssize_t count, real* to) noexcept nogil:
    cdef Py_ssize_t t
    for t in range(count):
        to[t] = value


cdef inline void copy(const char* x, Py_ssize_t step, Py_ssize_t count, real* to) noexcept nogil:
    """Numbers that lie `step` bytes apart."""
    cdef Py_ssize_t t
    if step == sizeof(real):
        if count < 2 * LANES:
            for t in range(count):
                to[t] = (<const real*>x)[t]
        else:
            memcpy(to, x, count * sizeof(real))
    elif step == 2 * sizeof(real):
        for t in range(count):
            to[t] = (<const real*>x)[2 * t]
    else:
        for t in range(count):
            to[t] = (<const real*>(x + t * step))[0]


cdef inline void copy_run(
    const char* row, Py_ssize_t stride, Py_ssize_t size, Py_ssize_t first, Py_ssize_t step, Py_ssize_t count,
    real outside, real* to,
) noexcept nogil:
    """The numbers first, first + step, ... of a row of `size` that lie `stride` bytes apart."""
    cdef Py_ssize_t t0 = 0, t1 = count
    if first < 0:
        t0 = min(count, (-first - 1) // step + 1)
    if first + (count - 1) * step >= size:
        t1 = max(t0, (size - first - 1) // step + 1 if first < size else 0)
    fill(outside, t0, to)
    fill(outside, count - t1, to + t1)
    if t0 < t1:
        copy(row + (first + t0 * step) * stride, step * stride if t1 - t0 > 1 else 0, t1 - t0, to + t0)


cdef inline bint all_finite(const real* p, Py_ssize_t count) noexcept nogil:
    """Whether none of `count` numbers is infinite or NaN."""
    cdef vec zeros = vset(0)
    cdef real lanes[LANES]
    cdef real zero = 0
    cdef Py_ssize_t i
    for i in range(count // LANES):
        zeros = zeros + (vload(p + i * LANES) - vload(p + i * LANES))
    vstore(lanes, zeros)
    for i in range(LANES):
        zero = zero + lanes[i]
    for i in range(count // LANES * LANES, count):
        zero = zero + (p[i] - p[i])
    return zero == 0
