"""Weights in the order in which dense.pyx and exchanged.pxd read them."""

from products cimport real
from tiles cimport Part

cdef extern from "simd.h" nogil:
    """
    /* Inlined, so that the height is a constant. */
    struct part;
    static inline __attribute__((always_inline)) void pack_rows_of(
        int, const real *, ptrdiff_t, ptrdiff_t, ptrdiff_t, const ptrdiff_t *, const struct part *, const ptrdiff_t *,
        real *);
    /* Of float64 a group may be lower than a block. */
    #define HIGHEST (VECTORS * LANES > ROWS ? VECTORS * LANES : ROWS)
    """
    enum:
        HIGHEST


cdef inline void pack_block "pack_rows_of"(
    int height, const real* w, Py_ssize_t row, Py_ssize_t outputs, Py_ssize_t channels, const Py_ssize_t* ws,
    const Part* part, const Py_ssize_t* tap, real* to,
) noexcept nogil:
    """[channel][tap][height] from w, `height` rows (ROWS, or a group) from `row` on, zeros for what is not there."""
    cdef Py_ssize_t _c, e, k
    cdef Py_ssize_t at[HIGHEST]
    cdef const Py_ssize_t* taps[HIGHEST]
    cdef Py_ssize_t r, rows = min(<Py_ssize_t>height, outputs * part.phases - row)
    for r in range(rows):
        at[r] = (row + r) // part.phases * ws[2]
        taps[r] = tap + (row + r) % part.phases * part.taps
    for _c in range(channels):
        for e in range(part.taps):
            for r in range(rows):
                k = taps[r][e]
                to[r] = w[at[r] + k] if k >= 0 else <real>0
            for r in range(rows, height):
                to[r] = 0
            to += height
        w += ws[1]
