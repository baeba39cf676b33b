"""Weights in the order in which dense.pyx and exchanged.pxd read them."""

from exchanged cimport GROUP
from products cimport ROWS, real
from tiles cimport Part


cdef inline void pack_block(
    const real* w, Py_ssize_t row, Py_ssize_t outputs, Py_ssize_t channels, const Py_ssize_t* ws, const Part* part,
    const Py_ssize_t* tap, real* to,
) noexcept nogil:
    """[channel][tap][ROWS] from w, with zeros for what is not there."""
    cdef Py_ssize_t _c, e, k
    cdef Py_ssize_t at[ROWS]
    cdef const Py_ssize_t* taps[ROWS]
    cdef int r, rows = min(ROWS, outputs * part.phases - row)
    for r in range(rows):
        at[r] = (row + r) // part.phases * ws[2]
        taps[r] = tap + (row + r) % part.phases * part.taps
    for _c in range(channels):
        for e in range(part.taps):
            for r in range(rows):
                k = taps[r][e]
                to[r] = w[at[r] + k] if k >= 0 else <real>0
            for r in range(rows, ROWS):
                to[r] = 0
            to += ROWS
        w += ws[1]


cdef inline void pack_group(
    const real* w, Py_ssize_t row, Py_ssize_t outputs, Py_ssize_t channels, const Py_ssize_t* ws, const Part* part,
    const Py_ssize_t* tap, real* to,
) noexcept nogil:
    """[channel][tap][GROUP] from w, with zeros for rows that are not there."""
    cdef Py_ssize_t _c, e, r, rows = min(<Py_ssize_t>GROUP, outputs * part.phases - row)
    cdef Py_ssize_t at[GROUP]
    cdef const Py_ssize_t* taps[GROUP]
    for r in range(rows):
        at[r] = (row + r) // part.phases * ws[2]
        taps[r] = tap + (row + r) % part.phases * part.taps
    for _c in range(channels):
        for e in range(part.taps):
            for r in range(rows):
                to[r] = w[at[r] + taps[r][e]]
            for r in range(rows, GROUP):
                to[r] = 0
            to += GROUP
        w += ws[1]
