"""Copies of runs of a row into scratch, with a number of its own for what lies outside of the row."""

from libc.string cimport memcpy

cdef extern from "transpose.h" nogil:
    ctypedef float real
    ctypedef float vec
    vec vload(const real* p)
    void vstore(real* p, vec v)
    vec vset(real x)
    void ask_for(const void* p)
    void not_one_call()
    void copy_every(const real* source, Py_ssize_t step, Py_ssize_t count, real* to)
    void copy_few(const real* source, Py_ssize_t count, real* to)
    void interleave(const real** rows, Py_ssize_t phases, Py_ssize_t count, real* to)
    void transpose(
        const real* source, Py_ssize_t source_row, Py_ssize_t rows, Py_ssize_t columns, real* to, Py_ssize_t to_row)
    enum:
        LANES

cdef enum:
    FURTHEST = 1024  # numbers to what is asked for: rows and planes that are longer follow each other


cdef inline Py_ssize_t count_of(Py_ssize_t size, Py_ssize_t piece) noexcept nogil:
    return (size + piece - 1) // piece


cdef inline void fill(real value, Py_ssize_t count, real* to) noexcept nogil:
    cdef Py_ssize_t t = 0
    while t + LANES <= count:
        vstore(to + t, vset(value))
        t += LANES
    while t < count:
        to[t] = value
        t += 1
        not_one_call()


cdef inline void copy_near(const real* x, Py_ssize_t count, real* to) noexcept nogil:
    """Neighbours. Of a row the next is asked for meanwhile: the next copied is often another channel's, far from it.

    The weight's gradient of 1x3x224x224 to 64 channels k3 took 4.87 ms without that, 4.15 with it, of 1x24x160x160 k2
    s2 3.35 and 2.99.
    """
    cdef Py_ssize_t t = 0
    if count < 64:
        copy_few(x, count, to)
        return
    while count <= FURTHEST and t < count:
        ask_for(x + count + t)
        t += 64 // <Py_ssize_t>sizeof(real)
    memcpy(to, x, count * sizeof(real))


cdef inline void copy(const char* x, Py_ssize_t step, Py_ssize_t count, real* to) noexcept nogil:
    """Numbers that lie `step` bytes apart."""
    if step == sizeof(real):
        copy_near(<const real*>x, count, to)
    else:
        copy_every(<const real*>x, step // <Py_ssize_t>sizeof(real), count, to)


cdef inline void copy_short(const real* x, Py_ssize_t count, real* to) noexcept nogil:
    """At least a vector, by whole vectors of which the last may overlap the one before it."""
    cdef Py_ssize_t t = 0
    while t < count - LANES:
        vstore(to + t, vload(x + t))
        t += LANES
    vstore(to + count - LANES, vload(x + count - LANES))


cdef inline void copy_rows(
    const char* x, Py_ssize_t x_row, Py_ssize_t count, Py_ssize_t rows, char* to, Py_ssize_t to_row
) noexcept nogil:
    """Rows of `count` numbers each, which begin `x_row` and `to_row` bytes apart."""
    cdef Py_ssize_t r
    # Asked once, not for each row: 8x64x32x32 to 3 channels 0.60 ms, with copy_short in copy_near 0.64.
    if LANES <= count < 64:
        for r in range(rows):
            copy_short(<const real*>(x + r * x_row), count, <real*>(to + r * to_row))
    else:
        for r in range(rows):
            copy_near(<const real*>(x + r * x_row), count, <real*>(to + r * to_row))


cdef inline void copy_channels(
    const char* x, Py_ssize_t xs, Py_ssize_t step, Py_ssize_t count, Py_ssize_t channels, real* to, Py_ssize_t pitch
) noexcept nogil:
    """Runs of some channels, `xs` bytes apart; where these are neighbours in memory, square by square."""
    cdef Py_ssize_t c = 0, t
    if step == sizeof(real):
        copy_rows(x, xs, count, channels, <char*>to, pitch * <Py_ssize_t>sizeof(real))
        return
    if xs != sizeof(real):
        for c in range(channels):
            copy(x + c * xs, step, count, to + c * pitch)
        return
    while c < channels:
        t = 0
        while t < count:
            transpose(
                <const real*>(x + t * step + c * xs), step // <Py_ssize_t>sizeof(real), min(LANES, count - t),
                min(LANES, channels - c), to + c * pitch + t, pitch,
            )
            t += LANES
        c += LANES


# What a run of `count` numbers first, first + step, ... of a row of `size` has of it.
cdef struct Run:
    Py_ssize_t begin  # of the run's numbers, those that lie in the row
    Py_ssize_t end
    Py_ssize_t at  # the first of these in the row


cdef inline Run run_of(Py_ssize_t size, Py_ssize_t first, Py_ssize_t step, Py_ssize_t count) noexcept nogil:
    cdef Run run
    run.begin = 0
    run.end = count
    if first < 0:
        run.begin = min(count, (-first - 1) // step + 1)
    if first + (count - 1) * step >= size:
        run.end = max(run.begin, (size - first - 1) // step + 1 if first < size else 0)
    run.at = first + run.begin * step
    return run


cdef inline void copy_run(
    const char* x, Py_ssize_t xs, Py_ssize_t stride, const Run* run, Py_ssize_t step, Py_ssize_t count,
    Py_ssize_t channels, real outside, bint anew, real* to, Py_ssize_t pitch,
) noexcept nogil:
    """A run of a row, whose numbers lie `stride` bytes apart, in some channels.

    What lies outside of the row is written where it is copied anew, `outside` each.
    """
    cdef Py_ssize_t c
    if anew and run.end - run.begin < count:
        for c in range(channels):
            fill(outside, run.begin, to + c * pitch)
            fill(outside, count - run.end, to + c * pitch + run.end)
    if run.begin < run.end:
        copy_channels(
            x + run.at * stride, xs, step * stride if run.end - run.begin > 1 else 0, run.end - run.begin, channels,
            to + run.begin, pitch,
        )


cdef inline void copy_runs(
    const char* x, Py_ssize_t xs, Py_ssize_t stride, Py_ssize_t size, Py_ssize_t first, Py_ssize_t step,
    Py_ssize_t count, Py_ssize_t channels, real outside, bint anew, real* to, Py_ssize_t pitch,
) noexcept nogil:
    """copy_run for a run that is met once."""
    cdef Run run = run_of(size, first, step, count)
    copy_run(x, xs, stride, &run, step, count, channels, outside, anew, to, pitch)


cdef inline bint all_finite(const real* p, Py_ssize_t count) noexcept nogil:
    """Whether none of `count` numbers is infinite or NaN."""
    cdef vec zeros[4]
    cdef real lanes[LANES]
    cdef real zero = 0
    cdef Py_ssize_t i = 0
    cdef int k
    for k in range(4):
        zeros[k] = vset(0)
    while i + 4 * LANES <= count:
        for k in range(4):
            zeros[k] = zeros[k] + (vload(p + i + k * LANES) - vload(p + i + k * LANES))
        i += 4 * LANES
    while i + LANES <= count:
        zeros[0] = zeros[0] + (vload(p + i) - vload(p + i))
        i += LANES
    vstore(lanes, (zeros[0] + zeros[1]) + (zeros[2] + zeros[3]))
    for i in range(LANES):
        zero = zero + lanes[i]
    for i in range(count // LANES * LANES, count):
        zero = zero + (p[i] - p[i])
    return zero == 0


cdef inline const Py_ssize_t* pointer(object table):
    """Where a table of sizes begins, which its owner keeps alive."""
    cdef inline const Py_ssize_t[::1] flat = table.reshape(-1)
    return &flat[0]


cdef inline int take(object numbers, Py_ssize_t* to, Py_ssize_t count) except -1:
    """Take over the `count` numbers of a tuple or list. To assign them by name takes four times the code."""
    cdef Py_ssize_t i
    if len(numbers) != count:
        raise ValueError(f"a table must have {count} numbers, got {len(numbers)}")
    for i in range(count):
        to[i] = numbers[i]
    return 0
