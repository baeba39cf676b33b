"""The inner loop of transposed convolution and of its gradients: rows of one operand times vectors of the other.

y[m, v] += the sum over i and e of a[i * a_step + a_at[e] + m * a_row] * b[i * b_step + b_at[e] + v]: one chain of
additions from zero, i outside of e, held in registers for up to ROWS rows and a few vectors at a time. Where `before`
is not NULL the chain goes on from there; where `after` is not NULL it is put there, to go on later, and not in y. A
chain that is `fresh` is the first in y. Where `last` is not NULL, last[m] is added to row m of y after the chain.
"""

cdef extern from "simd.h" nogil:
    """
    /* Registers: ROWS sums of a few vectors, as many of b and one of a. Fewer rows go with more vectors. Integers'
     * products are slow however many there are at once: small blocks have less code. Where vectors run along rows
     * (exchanged.pxd), BLOCK_PIXELS by GROUP vectors: with those of 32 bytes rows of 4 and 7 pixels fill 4 by 3. */
    #if (defined(__AVX512F__) || defined(__aarch64__)) && !defined(PRECISION_I64)
    #define ROWS 8
    #define BLOCK_PIXELS 8
    #define GROUP 3
    #define VECTORS_BESIDE(rows) ((rows) > 6 ? 3 : (rows) > 4 ? 4 : 6)
    #elif defined(__FMA__) && !defined(PRECISION_I64)
    #define ROWS 6
    #define BLOCK_PIXELS 4
    #define GROUP 3
    #define VECTORS_BESIDE(rows) ((rows) > 4 ? 2 : (rows) > 3 ? 3 : (rows) > 1 ? 4 : 6)
    #else
    #define ROWS 4
    #define BLOCK_PIXELS 4
    #define GROUP 2
    #define VECTORS_BESIDE(rows) ((rows) > 2 ? 2 : (rows) > 1 ? 4 : 6)
    #endif
    /* Three rows of a in registers leave room for four vectors of sums each, of two or one there are more than enough:
     * results of 3 channels, 8x64x32x32 k4 s2, take 0.90 of the time that they take with three. */
    #if VECTOR_BYTES == 32
    #define ROWS_FIRST(rows) ((rows) == 3)
    #else
    #define ROWS_FIRST(rows) 0
    #endif
    /* Integers' products are slow wherever rows lie: one copy of the loops does for them. */
    #if defined(PRECISION_I64)
    #define NEAR 0
    #else
    #define NEAR 1
    #endif
    /* Inlined, so that loops over rows and vectors unroll and the sums stay in registers. */
    struct sums;
    static inline __attribute__((always_inline)) void block_products(
        int, int, int, int, const struct sums *, ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void row_products(int, int, const struct sums *, ptrdiff_t, ptrdiff_t);
    static inline __attribute__((always_inline)) void rows_products(int, int, const struct sums *, ptrdiff_t,
        ptrdiff_t);
    static inline __attribute__((always_inline)) void step_products(
        int, int, int, ptrdiff_t, const real *, const real *, const ptrdiff_t *, vec *);
    """
    ctypedef float real
    ctypedef float vec
    vec vload(const real* p)
    void vstore(real* p, vec v)
    vec vset(real x)
    int VECTORS_BESIDE(int rows)
    int ROWS_FIRST(int rows)
    void ask_for(const void* p)
    enum:
        BLOCK_PIXELS
        GROUP
        LANES
        NEAR
        ROWS

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
    const Py_ssize_t* vector_at  # of add_row_vectors: where vectors of b begin
    real* y
    Py_ssize_t y_row
    const real* before  # with y's rows, as `after`
    real* after
    bint fresh
    const real* last


cdef enum:
    WIDEST = 6  # most vectors at once

cdef enum Place:  # of rows of a
    APART  # a_row numbers
    BESIDE  # one number after the other: reached without an addition each
    IN_TURN  # so, and those of a step begin ROWS numbers after those of the step before: these are not looked up


cdef inline void add_step "step_products"(
    int rows, int vectors, bint anywhere, Py_ssize_t row, const real* a, const real* b, const Py_ssize_t* at, vec* total
) noexcept nogil:
    """Add the products of one channel and tap; total is [row][WIDEST]. Vectors of b follow each other, or lie `at`."""
    cdef vec part[WIDEST]
    cdef vec one
    cdef int m, v
    if ROWS_FIRST(rows):
        for m in range(rows):
            part[m] = vset(a[m * row])
        for v in range(vectors):
            one = vload(b + (at[v] if anywhere else v * LANES))
            for m in range(rows):
                total[m * WIDEST + v] = total[m * WIDEST + v] + part[m] * one
        return
    for v in range(vectors):
        part[v] = vload(b + (at[v] if anywhere else v * LANES))
    for m in range(rows):
        for v in range(vectors):
            total[m * WIDEST + v] = total[m * WIDEST + v] + a[m * row] * part[v]


cdef inline void products "block_products"(
    int rows, int vectors, int place, bint anywhere, const Sums* s, Py_ssize_t first, Py_ssize_t end
) noexcept nogil:
    """All of the sum for each of `rows` rows and lanes `first` to `end`, `vectors` vectors at a time.

    Zeroing and storing lie inside of the loop over lanes: else GCC keeps a second copy of the sums in memory. Weights
    come from far: those of the next chain are asked for meanwhile, or where they are not packed, and lanes are few,
    what follows in each row.
    """
    cdef vec total[8 * WIDEST]
    cdef Py_ssize_t _i, e, row = s.a_row if place == APART else 1, y_row = s.y_row, inner = s.inner
    cdef Py_ssize_t at[WIDEST]
    cdef Py_ssize_t ahead = 32 * LANES if place == APART else s.outer * s.inner * ROWS
    cdef int m, v
    cdef bint adding = s.after == NULL and not s.fresh
    cdef const Py_ssize_t* a_at = s.a_at
    cdef const Py_ssize_t* b_at = s.b_at
    cdef const real* a
    cdef const real* b
    cdef real* y = s.y if s.after == NULL else s.after
    while first < end:
        a = s.a
        b = s.b if anywhere else s.b + first
        for v in range(vectors):
            at[v] = s.vector_at[first // LANES + v] if anywhere else 0
        for m in range(rows):
            for v in range(vectors):
                total[m * WIDEST + v] = vset(0) if s.before == NULL else vload(s.before + first + m * y_row + v * LANES)
        for _i in range(s.outer):
            if place == IN_TURN:
                for e in range(0, inner - 1, 2):
                    ask_for(a + ahead)
                    if 2 * ROWS * sizeof(real) > 64:
                        ask_for(a + ahead + ROWS)
                    add_step(rows, vectors, anywhere, 1, a, b + b_at[e], at, total)
                    add_step(rows, vectors, anywhere, 1, a + ROWS, b + b_at[e + 1], at, total)
                    a += 2 * ROWS
                if inner % 2:
                    ask_for(a + ahead)
                    add_step(rows, vectors, anywhere, 1, a, b + b_at[inner - 1], at, total)
                    a += ROWS
            else:
                for e in range(inner):
                    if place == BESIDE or vectors < 3:
                        ask_for(a + a_at[e] + ahead)
                    add_step(rows, vectors, anywhere, row, a + a_at[e], b + b_at[e], at, total)
                a += s.a_step
            b += s.b_step
        if adding:
            for m in range(rows):
                for v in range(vectors):
                    total[m * WIDEST + v] = vload(y + first + m * y_row + v * LANES) + total[m * WIDEST + v]
        if s.last != NULL:
            for m in range(rows):
                for v in range(vectors):
                    total[m * WIDEST + v] = total[m * WIDEST + v] + vset(s.last[m])
        for m in range(rows):
            for v in range(vectors):
                vstore(y + first + m * y_row + v * LANES, total[m * WIDEST + v])
        first += vectors * LANES


cdef inline void along "row_products"(
    int rows, int place, const Sums* s, Py_ssize_t first, Py_ssize_t lanes
) noexcept nogil:
    """All of the sum for `rows` rows and lanes `first` to `lanes`, rounded up to whole vectors."""
    cdef Py_ssize_t whole = (lanes + LANES - 1) // LANES * LANES
    cdef Py_ssize_t wide = whole - (whole - first) % (VECTORS_BESIDE(rows) * LANES)
    cdef Py_ssize_t pairs = whole - (whole - wide) % (2 * LANES)
    products(rows, VECTORS_BESIDE(rows), place, False, s, first, wide)
    products(rows, 2, place, False, s, wide, pairs)
    products(rows, 1, place, False, s, pairs, whole)


cdef inline void of_rows "rows_products"(
    int rows, int place, const Sums* s, Py_ssize_t first, Py_ssize_t lanes
) noexcept nogil:
    if ROWS >= 8 and rows == 8:
        along(8, place, s, first, lanes)
    elif ROWS >= 7 and rows == 7:
        along(7, place, s, first, lanes)
    elif ROWS >= 6 and rows == 6:
        along(6, place, s, first, lanes)
    elif ROWS >= 5 and rows == 5:
        along(5, place, s, first, lanes)
    elif rows == 4:
        along(4, place, s, first, lanes)
    elif rows == 3:
        along(3, place, s, first, lanes)
    elif rows == 2:
        along(2, place, s, first, lanes)
    else:
        along(1, place, s, first, lanes)


cdef inline void add_products(int rows, const Sums* s, Py_ssize_t first, Py_ssize_t lanes) noexcept nogil:
    """The sum for 1 to ROWS rows, whose numbers in a are neighbours, and lanes `first` to `lanes`, in whole vectors."""
    if NEAR:
        of_rows(rows, BESIDE, s, first, lanes)
    else:
        add_products_apart(rows, s, first, lanes)


cdef inline void add_in_turn(const Sums* s, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """The sum for ROWS rows that lie IN_TURN, and for some lanes, VECTORS_BESIDE(ROWS) vectors at a time."""
    if NEAR:
        products(ROWS, VECTORS_BESIDE(ROWS), IN_TURN, False, s, first, end)


cdef inline void add_row_vectors(const Sums* s, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """As add_in_turn, for lanes of which the vectors lie anywhere in b."""
    if NEAR:
        products(ROWS, VECTORS_BESIDE(ROWS), IN_TURN, True, s, first, end)


cdef inline void add_products_apart(int rows, const Sums* s, Py_ssize_t first, Py_ssize_t lanes) noexcept nogil:
    """As add_products for rows that are a_row apart in a."""
    of_rows(rows, APART, s, first, lanes)


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
