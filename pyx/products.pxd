"""The inner loop of transposed convolution and of its gradients: rows of one operand times vectors of the other.

y[m, v] += the sum over i and e of a[i * a_step + a_at[e] + m * a_row] * b[i * b_step + b_at[e] + v]: one chain of
additions from zero, i outside of e, held in registers for up to ROWS rows and a few vectors at a time. Where `before`
is not NULL the chain goes on from there; where `after` is not NULL it is put there, to go on later, and not in y. A
chain that is `fresh` is the first in y. Where `last` is not NULL, last[m] is added to row m of y after the chain.
"""

cdef extern from "simd.h" nogil:
    """
    /* Registers: ROWS * VECTORS sums, VECTORS of b and one of a. Fewer rows go with more vectors. */
    #if defined(__AVX512F__) || defined(__aarch64__)
    #define ROWS 8
    #define VECTORS 3
    #define VECTORS_BESIDE(rows) ((rows) > 6 ? 3 : (rows) > 4 ? 4 : 6)
    #elif defined(__FMA__)
    #define ROWS 4
    #define VECTORS 3
    #define VECTORS_BESIDE(rows) ((rows) > 2 ? 3 : (rows) > 1 ? 4 : 6)
    #else
    #define ROWS 4
    #define VECTORS 2
    #define VECTORS_BESIDE(rows) ((rows) > 2 ? 2 : (rows) > 1 ? 4 : 6)
    #endif
    /* With few vectors, packed weights are read faster than they come from far unless asked for, here 2 KiB ahead. */
    static inline void ask_for(const real *p) { __builtin_prefetch((const char *)p + 2048); }
    /* Inlined, so that loops over rows and vectors unroll and the sums stay in registers. */
    struct sums;
    static inline __attribute__((always_inline)) void block_products(int, int, const struct sums *, ptrdiff_t);
    static inline __attribute__((always_inline)) void row_products(int, const struct sums *, ptrdiff_t);
    """
    ctypedef float real
    ctypedef float vec
    vec vload(const real* p)
    void vstore(real* p, vec v)
    vec vset(real x)
    int VECTORS_BESIDE(int rows)
    void ask_for(const real* p)
    enum:
        LANES
        ROWS
        VECTORS

cdef struct Sums "sums":
    Py_ssize_t outer
    Py_ssize_t inner
    const real* a
    Py_ssize_t a_row
    Py_ssize_t a_step
    const Py_ssize_t* a_at
    const real* b
    Py_ssize_t b_step
    const Py_ssize_t* b_at
    real* y
    Py_ssize_t y_row
    const real* before  # with y's rows, as `after`
    real* after
    bint fresh
    const real* last


cdef inline void products "block_products"(int rows, int vectors, const Sums* s, Py_ssize_t first) noexcept nogil:
    """All of the sum for `vectors` vectors of each of `rows` rows, from lane `first` on."""
    cdef vec total[8][6]
    cdef vec part[6]
    cdef Py_ssize_t _i, e, row = s.a_row
    cdef int m, v
    cdef const real* a = s.a
    cdef const real* b = s.b + first
    cdef const real* ae
    cdef const real* be
    cdef real* y
    if s.before == NULL:
        for m in range(rows):
            for v in range(vectors):
                total[m][v] = vset(0)
    else:
        for m in range(rows):
            for v in range(vectors):
                total[m][v] = vload(s.before + first + m * s.y_row + v * LANES)
    for _i in range(s.outer):
        for e in range(s.inner):
            ae = a + s.a_at[e]
            be = b + s.b_at[e]
            if vectors < 3:
                ask_for(ae)
            for v in range(vectors):
                part[v] = vload(be + v * LANES)
            for m in range(rows):
                for v in range(vectors):
                    total[m][v] = total[m][v] + ae[m * row] * part[v]
        a += s.a_step
        b += s.b_step
    y = (s.y if s.after == NULL else s.after) + first
    if s.after == NULL and not s.fresh:
        for m in range(rows):
            for v in range(vectors):
                total[m][v] = vload(y + m * s.y_row + v * LANES) + total[m][v]
    if s.last != NULL:
        for m in range(rows):
            for v in range(vectors):
                total[m][v] = total[m][v] + vset(s.last[m])
    for m in range(rows):
        for v in range(vectors):
            vstore(y + m * s.y_row + v * LANES, total[m][v])


cdef inline void along "row_products"(int rows, const Sums* s, Py_ssize_t lanes) noexcept nogil:
    """All of the sum for `rows` rows and `lanes` lanes, rounded up to whole vectors."""
    cdef Py_ssize_t v = 0, wide = VECTORS_BESIDE(rows) * LANES
    while lanes - v > wide - LANES:
        products(rows, VECTORS_BESIDE(rows), s, v)
        v += wide
    while lanes - v > LANES:
        products(rows, 2, s, v)
        v += 2 * LANES
    if lanes > v:
        products(rows, 1, s, v)


cdef inline void add_products(int rows, const Sums* s, Py_ssize_t lanes) noexcept nogil:
    """The sum for 1 to ROWS rows and any number of lanes, rounded up to whole vectors."""
    if ROWS == 8 and rows == 8:
        along(8, s, lanes)
    elif ROWS == 8 and rows == 7:
        along(7, s, lanes)
    elif ROWS == 8 and rows == 6:
        along(6, s, lanes)
    elif ROWS == 8 and rows == 5:
        along(5, s, lanes)
    elif rows == 4:
        along(4, s, lanes)
    elif rows == 3:
        along(3, s, lanes)
    elif rows == 2:
        along(2, s, lanes)
    else:
        along(1, s, lanes)


cdef inline void add_without_outside(
    const Sums* s, Py_ssize_t rows, Py_ssize_t lanes, Py_ssize_t outside
) noexcept nogil:
    """As add_products, but for products with what lies outside: there b differs by one from b[outside]."""
    cdef real chain[64]
    cdef real a
    cdef const real* b
    cdef Py_ssize_t m, i, e, v, v0, count, at
    for m in range(rows):
        v0 = 0
        while v0 < lanes:
            count = min(64, lanes - v0)
            at = m * s.y_row + v0
            for v in range(count):
                chain[v] = 0 if s.before == NULL else s.before[at + v]
            for i in range(s.outer):
                for e in range(s.inner):
                    a = s.a[i * s.a_step + s.a_at[e] + m * s.a_row]
                    b = s.b + i * s.b_step + s.b_at[e] + v0
                    for v in range(count):
                        chain[v] = chain[v] if b[outside + v] - b[v] == 1 else chain[v] + a * b[v]
            for v in range(count):
                if s.after != NULL:
                    s.after[at + v] = chain[v]
                    continue
                if not s.fresh:
                    chain[v] = s.y[at + v] + chain[v]
                s.y[at + v] = chain[v] if s.last == NULL else chain[v] + s.last[m]
            v0 += count
