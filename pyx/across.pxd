"""Resampling across rows, over heights or depths: a row is a weighted sum of a few rows; see resample.pyx."""

from along cimport CHUNK, LANES, madd, real, vec, vload, vmadd, vset, vstore

cdef extern from "simd.h" nogil:
    """
    /* Inlined, so that loops over a known number of rows unroll. */
    static inline __attribute__((always_inline)) void sum_rows(
        int, const real **, const real *, real *, ptrdiff_t, int);
    """


cdef inline void sum_rows "sum_rows"(
    int count, const real** rows, const real* w, real* out, Py_ssize_t n, bint adding
) noexcept nogil:
    """Compute out = sum of w[t] * rows[t], or out + that, for a known count."""
    cdef vec weight[CHUNK]
    cdef const real* row[CHUNK]
    cdef vec a, b
    cdef real total
    cdef Py_ssize_t i = 0
    cdef int t
    for t in range(count):
        weight[t] = vset(w[t])
        row[t] = rows[t]
    while i + 2 * LANES <= n:
        if adding:
            a = vmadd(weight[0], vload(row[0] + i), vload(out + i))
            b = vmadd(weight[0], vload(row[0] + i + LANES), vload(out + i + LANES))
        else:
            a = weight[0] * vload(row[0] + i)
            b = weight[0] * vload(row[0] + i + LANES)
        for t in range(1, count):
            a = vmadd(weight[t], vload(row[t] + i), a)
            b = vmadd(weight[t], vload(row[t] + i + LANES), b)
        vstore(out + i, a)
        vstore(out + i + LANES, b)
        i += 2 * LANES
    while i < n:
        if not adding and n >= LANES:
            # The last vector overlaps the one before it.
            i = min(i, n - LANES)
            a = weight[0] * vload(row[0] + i)
            for t in range(1, count):
                a = vmadd(weight[t], vload(row[t] + i), a)
            vstore(out + i, a)
            i += LANES
        else:
            total = madd(w[0], row[0][i], out[i]) if adding else w[0] * row[0][i]
            for t in range(1, count):
                total = madd(w[t], row[t][i], total)
            out[i] = total
            i += 1


cdef inline void across(
    const real** rows, const real* w, Py_ssize_t count, real* out, Py_ssize_t n, bint adding
) noexcept nogil:
    """Compute out = sum of w[t] * rows[t] for 1 to CHUNK rows, or out + that."""
    if count == 1:
        sum_rows(1, rows, w, out, n, adding)
    elif count == 2:
        sum_rows(2, rows, w, out, n, adding)
    elif count == 3:
        sum_rows(3, rows, w, out, n, adding)
    elif count == 4:
        sum_rows(4, rows, w, out, n, adding)
    elif count == 5:
        sum_rows(5, rows, w, out, n, adding)
    elif count == 6:
        sum_rows(6, rows, w, out, n, adding)
    elif count == 7:
        sum_rows(7, rows, w, out, n, adding)
    else:
        sum_rows(8, rows, w, out, n, adding)
