"""The gradients of a transposed convolution with respect to its weight and bias.

The weight's: pixels times what their taps meet.

x is (N, G * C, P) with P = D * H * W pixels, g (N, G * M, OD, OH, OW), both through their strides; y is
(G * C, M, taps), contiguous. Pixel i and tap k of an axis meet at the output i * stride + k * dilation - padding, and
y[c, m, k] is the sum of x[c, i] * g[m, that] over the pixels for which it lies inside.

Pixels are taken in blocks, in the order of memory, over all images. Lanes are channels c: a block of x is copied
with the channels of a pixel beside each other, in panels of PANEL channels. Rows are output channels or taps of
the inner axis, whichever fill registers better: their numbers are broadcast from copies of rows of g, with zeros for
what lies outside. A task is a range of blocks, a group, some channels, and some output channels and taps. Order of
additions: chains of `chain` pixels, the fewer the fewer there are in all, are added in order, block after block; where
tasks would be few, ranges of blocks are summed apart and then added in order. Chains depend on the sizes alone,
ranges also on the instruction set, and every sum has one writer. In a block with pixels that are not finite, products
with what lies outside are left out.

Where channels are few, or pixels many, vectors along pixels are faster: see correlate.pxd. Where both are many, minimal
filtering is: see filtered.pxd.
"""

from cython.parallel cimport prange
from libc.string cimport memcmp, memcpy, memset

from upsampling._kernels.calls cimport Call, call_scratch, call_shares, call_takes, keep, perform, stopped
from correlate cimport Correlated, correlated_room, correlated_tasks, do_correlated
from filtered cimport Filtered, FilteredAxis, do_filtered, filtered_room, filtered_tasks
from pixels cimport PANEL, PIXELS, Part, Problem, Work, copy_pixels, copy_region, find_pieces, lay_out
from products cimport LANES, ROWS, VECTORS_BESIDE, Sums, add_products, add_products_apart, real
from ranges cimport add_ranges
from runs cimport all_finite, count_of, fill, pointer, take, transpose
from summed cimport BiasJob, run_bias, sums_of
from tiles cimport set_axis

cdef extern from "simd.h" nogil:
    """
    /* Inlined, its loops would share registers with those around them. */
    static __attribute__((noinline)) void pixel_products(int, const struct sums *, ptrdiff_t);
    """

cdef enum:
    CHANNELS = 256  # most channels of a task
    SUMS = 1 << 16  # most sums of a task, where they are more than LINES rows
    LINES = 192
    TASKS = 16  # blocks are cut into ranges until there are so many tasks
    RANGE = 512  # fewest pixels of a range
    APART = 1 << 20  # most sums of all ranges


cdef void add_pixels "pixel_products"(int rows, const Sums* sums, Py_ssize_t lanes) noexcept nogil:
    if sums.a_row == 1:
        add_products(rows, sums, 0, lanes)
    else:
        add_products_apart(rows, sums, 0, lanes)


cdef void add_without_outside(const Sums* sums, Py_ssize_t rows, Py_ssize_t lanes, const real* outside) noexcept nogil:
    """As add_products_apart, without the products with what lies outside: there `outside` holds another number."""
    cdef real chain[PANEL]
    cdef real a
    cdef const real* b
    cdef Py_ssize_t m, v, t, at
    for m in range(rows):
        fill(0, lanes, chain)
        for t in range(sums.inner):
            at = sums.a_at[t] + m * sums.a_row
            a = sums.a[at]
            b = sums.b + sums.b_at[t]
            if memcmp(sums.a + at, outside + at, sizeof(real)) == 0:
                for v in range(lanes):
                    chain[v] = chain[v] + a * b[v]
        for v in range(lanes):
            sums.y[m * sums.y_row + v] += chain[v]


cdef Py_ssize_t pixels_of_chain(double pixels) noexcept nogil:
    """The longest chain, of up to PIXELS, with which the estimated variance of rounding errors, pixels * (chain +
    chains) / 2, is at most 1.4 times the least; of very many pixels PIXELS. Few pixels in one chain had 2.1 times
    PyTorch's error, with 1.75 times the least 1.6 times."""
    cdef Py_ssize_t chain = PIXELS
    while chain > 16 and chain * chain > pixels and (chain + pixels / chain) ** 2 > (2 * 1.4) ** 2 * pixels:
        chain //= 2
    return chain


cdef void add_line(
    const Problem* of, const Part* part, Work* work, Py_ssize_t m, Py_ssize_t line, bint finite
) noexcept nogil:
    """Add the products of a block with one line of taps and `rows` output channels."""
    cdef Sums sums
    cdef Py_ssize_t c = 0, k, t, rows, count = min(part.rows, part.outputs - m), taps = part.lines * part.taps
    cdef real* outside = work.g + part.rows * work.region
    copy_region(of, part, work, m, count, part.first_line + line, 0, work.g)
    if not finite:
        copy_region(of, part, work, m, count, part.first_line + line, 1, outside)
    sums.outer = 1
    sums.a_step = sums.b_step = 0
    sums.before = sums.after = sums.last = NULL
    sums.fresh = False
    sums.a_row = work.region if part.rows > 1 else work.tap_step
    sums.y_row = (taps if part.rows > 1 else 1) * work.width
    while c < part.channels:
        sums.b = work.panels + c * of.block
        k = 0
        while k < part.taps:
            rows = count if part.rows > 1 else min(ROWS, part.taps - k)
            sums.a = work.g + k * work.tap_step
            sums.y = work.sums + (m * taps + line * part.taps + k) * work.width + c
            t = 0
            while t < work.pixels:
                sums.inner = min(of.chain, work.pixels - t)
                sums.a_at = work.g_at + t
                sums.b_at = work.x_at + t
                if finite:
                    add_pixels(rows, &sums, min(PANEL, part.channels - c))
                else:
                    add_without_outside(&sums, rows, min(PANEL, part.channels - c), outside + k * work.tap_step)
                t += of.chain
            k += 1 if part.rows > 1 else ROWS
        c += PANEL


cdef void deliver(const Problem* of, const Part* part, const Work* work) noexcept nogil:
    """Write the sums of a task to y, channels first."""
    cdef Py_ssize_t taps = part.lines * part.taps, run, runs, i, j, c, at
    run = taps if taps < of.taps else taps * part.outputs
    runs = part.outputs if taps < of.taps else 1
    at = part.first_line * of.kernel[2] + part.first_tap
    for i in range(runs):
        c = 0
        while c < part.channels:
            j = 0
            while j < run:
                transpose(
                    work.sums + (i * run + j) * work.width + c, work.width, min(LANES, run - j),
                    min(LANES, part.channels - c),
                    part.y + c * of.outputs * of.taps + i * of.taps + at + j, of.outputs * of.taps,
                )
                j += LANES
            c += LANES


cdef Py_ssize_t panels_of(Py_ssize_t width, Py_ssize_t block) noexcept nogil:
    """The numbers in the panels."""
    cdef Py_ssize_t pitch = min(width, PANEL)
    return (width + pitch - 1) // pitch * pitch * block


cdef Py_ssize_t room_of(const Part* part, Py_ssize_t block) noexcept nogil:
    """The bytes that a task takes; no region is longer than twice as many pixels as a block has for each tap."""
    cdef Py_ssize_t width = count_of(part.channels, LANES) * LANES, sums = part.outputs * part.lines * part.taps * width
    return ((2 * panels_of(width, block) + sums + 4 * part.rows * part.taps * block) * sizeof(real) + 63) // 64 * 64


cdef void do_part(const Problem* of, Part* part, Call* call) noexcept nogil:
    """Compute and write the sums of a task."""
    cdef Work work
    cdef Py_ssize_t t, m, line, last = part.p1
    cdef bint finite
    lay_out(of, part, &work)
    work.width = count_of(part.channels, LANES) * LANES
    work.pitch = min(work.width, PANEL)
    work.rows = <real*>call_scratch(call)
    work.panels = work.rows + panels_of(work.width, of.block)
    work.sums = work.panels + panels_of(work.width, of.block)
    work.g = work.sums + part.outputs * part.lines * part.taps * work.width
    memset(work.rows, 0, (work.g - work.rows) * sizeof(real))
    for t in range(of.block):
        work.x_at[t] = t * work.pitch
    while part.p0 < last and not stopped(call):
        part.p1 = min(part.p0 + of.block, last)
        find_pieces(of, part.p0, part.p1, part, &work)
        copy_pixels(of, part, &work)
        finite = all_finite(work.panels, work.sums - work.panels)
        m = 0
        while m < part.outputs:
            for line in range(part.lines):
                add_line(of, part, &work, m, line, finite)
            m += part.rows
        part.p0 = part.p1
    deliver(of, part, &work)


cdef Py_ssize_t piece_of(Py_ssize_t size, Py_ssize_t most, Py_ssize_t unit) noexcept nogil:
    """The size of equal pieces, multiples of `unit`; none larger than `most` if that is a multiple."""
    cdef Py_ssize_t pieces = (size + most - 1) // most
    return ((size + pieces - 1) // pieces + unit - 1) // unit * unit


cdef double cycles_of(int rows, Py_ssize_t vectors) noexcept nogil:
    """Estimate the cycles of a pixel for `rows` rows and so many vectors of channels, cut as add_products cuts them."""
    cdef Py_ssize_t count
    cdef double cycles = 0
    while vectors > 0:
        count = VECTORS_BESIDE(rows) if vectors >= VECTORS_BESIDE(rows) else min(<Py_ssize_t>2, vectors)
        cycles += max(rows * count / 2.0, 4.5)  # fewer additions wait for each other
        vectors -= count
    return cycles


cdef Py_ssize_t rows_at_once(Py_ssize_t outputs, Py_ssize_t channels) noexcept nogil:
    """Output channels whose products are added up at once: for 24 of 24 channels 4, by three vectors of 32 bytes."""
    cdef Py_ssize_t vectors = count_of(min(channels, <Py_ssize_t>PANEL), LANES), rows = ROWS, best = 0
    cdef double cycles, least = 0
    while rows >= ROWS // 2:
        cycles = count_of(outputs, rows) * cycles_of(<int>rows, vectors)
        if best == 0 or cycles < 0.95 * least:
            best = rows
            least = cycles
        rows -= 1
    return piece_of(outputs, best, 1)


cdef struct Split:
    Part step  # how much a task computes
    Py_ssize_t groups
    Py_ssize_t channels  # how many pieces of each there are
    Py_ssize_t outputs
    Py_ssize_t lines
    Py_ssize_t taps
    Py_ssize_t tasks  # of a range
    Py_ssize_t ranges
    Py_ssize_t size  # of y


cdef void split_up(const Problem* of, Py_ssize_t groups, Split* split) noexcept nogil:
    """Choose the tasks."""
    cdef Py_ssize_t lines = of.kernel[0] * of.kernel[1], blocks = count_of(of.all_pixels, of.block)
    cdef bint taps_are_rows = of.outputs < ROWS and of.outputs < of.kernel[2]
    cdef Part* step = &split.step
    cdef Py_ssize_t most
    step.channels = piece_of(of.channels, CHANNELS, LANES)
    most = max(LINES, SUMS // step.channels)
    step.rows = 1 if taps_are_rows else rows_at_once(of.outputs, step.channels)
    step.outputs = step.rows
    step.lines = 1
    step.taps = min(of.kernel[2], piece_of(of.kernel[2], most // step.rows, ROWS if taps_are_rows else 1))
    if step.taps == of.kernel[2]:
        step.lines = piece_of(lines, max(1, most // (step.rows * step.taps)), 1)
        if step.lines == lines:
            step.outputs = piece_of(of.outputs, max(1, most // (step.rows * of.taps)) * step.rows, step.rows)
    split.groups = groups
    split.channels = count_of(of.channels, step.channels)
    split.outputs = count_of(of.outputs, step.outputs)
    split.lines = count_of(lines, step.lines)
    split.taps = count_of(of.kernel[2], step.taps)
    split.tasks = groups * split.channels * split.outputs * split.lines * split.taps
    split.size = groups * of.channels * of.outputs * of.taps
    split.ranges = min(min(count_of(of.all_pixels, RANGE), count_of(TASKS, split.tasks)), max(APART // split.size, 1))
    step.p1 = count_of(blocks, split.ranges) * of.block
    split.ranges = count_of(of.all_pixels, step.p1)


cdef void do_task(const Problem* of, const Split* split, Py_ssize_t i, Call* call, real* y) noexcept nogil:
    """Task i, into y or into its range's copy of it."""
    cdef Part part = split.step
    cdef Py_ssize_t c, m, group, taps = part.taps
    part.first_tap = i % split.taps * taps
    part.taps = min(taps, of.kernel[2] - part.first_tap)
    i = i // split.taps
    part.first_line = i % split.lines * part.lines
    part.lines = min(part.lines, of.kernel[0] * of.kernel[1] - part.first_line)
    i = i // split.lines
    m = i % split.outputs * part.outputs
    part.outputs = min(part.outputs, of.outputs - m)
    i = i // split.outputs
    c = i % split.channels * part.channels
    part.channels = min(part.channels, of.channels - c)
    i = i // split.channels
    group = i % split.groups
    i = i // split.groups
    part.p0 = i * split.step.p1
    part.p1 = min(part.p0 + split.step.p1, of.all_pixels)
    part.x = <const char*>call.array[0] + (group * of.channels + c) * of.xs[1]
    part.g = <const char*>call.array[1] + (group * of.outputs + m) * of.gs[1]
    part.y = y + i * split.size + ((group * of.channels + c) * of.outputs + m) * of.taps
    do_part(of, &part, call)


# A call; its arrays are x, g and y.
cdef struct Job:
    Call call
    Problem of
    Split split
    bint along_pixels  # vectors are, where that gives a result that is finite
    Correlated correlated
    bint filtering  # by minimal filtering, where that gives a result that is finite
    Filtered filtered


cdef enum Way:
    FILTERED
    ALONG_PIXELS
    ALONG_CHANNELS


cdef void do_tasks(Job* job, Way way, Py_ssize_t tasks, Py_ssize_t ranges, Py_ssize_t size) noexcept nogil:
    """All tasks, and the sums of the ranges, of so many numbers each."""
    cdef Call* call = &job.call
    cdef Py_ssize_t i, task
    cdef real* sums = <real*>call.scratch if ranges > 1 else <real*>call.array[2]
    call_shares(call, tasks)
    for i in prange(call.threads, num_threads=call.threads, schedule="static"):
        task = call_takes(call, i)
        while task >= 0:
            if way == FILTERED:
                do_filtered(&job.filtered, task, call, sums)
            elif way == ALONG_PIXELS:
                do_correlated(&job.correlated, task, call, sums)
            else:
                do_task(&job.of, &job.split, task, call, sums)
            task = call_takes(call, i)
    add_ranges(call, ranges, size)


cdef void run(Call* call) noexcept nogil:
    """The quickest way whose result is right: what is not finite takes the last."""
    cdef Job* job = <Job*>call
    cdef Split* split = &job.split
    cdef real* y = <real*>call.array[2]
    if job.filtering:
        do_tasks(job, FILTERED, filtered_tasks(&job.filtered), job.filtered.ranges, split.size)
        if call.stop or all_finite(y, split.size):
            return
    if job.along_pixels:
        do_tasks(job, ALONG_PIXELS, correlated_tasks(&job.correlated), job.correlated.ranges, split.size)
        if call.stop or all_finite(y, split.size):
            return
    do_tasks(job, ALONG_CHANNELS, split.ranges * split.tasks, split.ranges, split.size)


cdef void set_strides(Py_ssize_t* xs, const Problem* of) noexcept:
    """The strides of x on five axes."""
    xs[0], xs[1], xs[4] = of.xs[0], of.xs[1], of.xs[2]
    xs[3] = of.xs[2] * of.size[2]
    xs[2] = xs[3] * of.size[1]


cdef int set_correlated(Correlated* to, const Job* job, Py_ssize_t groups, Py_ssize_t images, tables) except -1:
    """Take over the tables of upsampling/_plan_weight.py."""
    cdef const Problem* of = &job.of
    cdef Py_ssize_t n[9]
    cdef int i
    take(tables.tile.tolist(), n, 5)
    to.g.images, to.g.share, to.g.chunk, to.g.segment_size, to.g.pitch = n[0], n[1], n[2], n[3], n[4]
    for i in range(3):
        set_axis(&to.g.axis[i], tables.axes[i], tables.segments[i])
    take(tables.numbers, n, 9)
    to.joined, to.vectors, to.units, to.channel_share, to.output_share = n[0], n[1], n[2], n[3], n[4]
    to.chunk, to.tiles, to.range, to.ranges = n[5], n[6], n[7], n[8]
    to.taps = len(tables.taps)
    to.tap = pointer(tables.taps)
    to.g.batch, to.g.outputs, to.groups, to.channels = images, of.outputs, groups, of.channels
    to.all_taps, to.size = of.taps, job.split.size
    set_strides(to.xs, of)
    memcpy(to.g.xs, of.gs, sizeof(of.gs))
    return 0


cdef int set_filtered(Filtered* to, const Job* job, Py_ssize_t groups, tables) except -1:
    """Take over the tables of upsampling/_plan_weight_minimal.py."""
    cdef const Problem* of = &job.of
    cdef FilteredAxis* axis
    cdef Py_ssize_t n[6]
    cdef int i
    for i in range(3):
        axis = &to.axis[i]
        take(tables.axes[i], n, 5)
        axis.size, axis.out, axis.kernel = of.size[i], of.out[i], of.kernel[i]
        axis.stride, axis.padding, axis.dilation = of.stride[i], of.padding[i], of.dilation[i]
        axis.kind, axis.taps, axis.pixels, axis.step, axis.tiles = n[0], n[1], n[2], n[3], n[4]
        axis.runs = len(tables.first[i])
        axis.first = pointer(tables.first[i])
    take(tables.numbers, n, 6)
    to.tiles, to.channel_share, to.output_share, to.block, to.range, to.ranges = n[0], n[1], n[2], n[3], n[4], n[5]
    to.groups, to.channels, to.outputs, to.size = groups, of.channels, of.outputs, job.split.size
    memcpy(to.gs, of.gs, sizeof(of.gs))
    set_strides(to.xs, of)
    return 0


def weight_gradient(
    const real[:, :, :] x, const real[:, :, :, :, :] g, real[:, :, ::1] y, Py_ssize_t groups,
    const Py_ssize_t[::1] size, const Py_ssize_t[::1] kernel, const Py_ssize_t[::1] stride,
    const Py_ssize_t[::1] padding, const Py_ssize_t[::1] dilation, tables, filtering, int num_threads,
):
    """Write y; the rest are three numbers each, for D, H and W. MemoryError where scratch cannot be had.

    `tables` are those of vectors along pixels, `filtering` those of minimal filtering, or None.
    """
    cdef Job job
    cdef Problem* of = &job.of
    cdef Py_ssize_t ranges
    cdef int i
    job.call.array[0] = <void*>&x[0, 0, 0]
    job.call.array[1] = <void*>&g[0, 0, 0, 0, 0]
    job.call.array[2] = <void*>&y[0, 0, 0]
    job.call.read = 2
    job.call.written = 1
    job.call.threads = num_threads
    of.channels = x.shape[1] // groups
    of.outputs = y.shape[1]
    of.pixels = x.shape[2]
    of.all_pixels = x.shape[0] * x.shape[2]
    of.block = min(<Py_ssize_t>PIXELS, count_of(of.all_pixels, 16) * 16)  # what is not filled is copied all the same
    of.chain = pixels_of_chain(of.all_pixels)
    of.taps = y.shape[2]
    of.last = x.strides[1] == sizeof(real) and x.strides[2] != sizeof(real)
    for i in range(3):
        of.size[i] = size[i]
        of.out[i] = g.shape[2 + i]
        of.kernel[i] = kernel[i]
        of.stride[i] = stride[i]
        of.padding[i] = padding[i]
        of.dilation[i] = dilation[i]
        of.xs[i] = x.strides[i]
    for i in range(5):
        of.gs[i] = g.strides[i]
    split_up(of, groups, &job.split)
    ranges = job.split.ranges
    job.call.each = room_of(&job.split.step, of.block)
    job.along_pixels = tables is not None
    if job.along_pixels:
        set_correlated(&job.correlated, &job, groups, x.shape[0], tables)
        ranges = max(ranges, job.correlated.ranges)
        job.call.each = max(job.call.each, correlated_room(&job.correlated))
    job.filtering = filtering is not None
    if job.filtering:
        set_filtered(&job.filtered, &job, groups, filtering)
        ranges = max(ranges, job.filtered.ranges)
        job.call.each = max(job.call.each, filtered_room(&job.filtered))
    job.call.shared = 0
    if ranges > 1:
        job.call.shared = (ranges * job.split.size * sizeof(real) + 63) // 64 * 64
    if perform(&job.call, sizeof(job), run):
        keep((tables, filtering))


def bias_gradient(const real[:, :, :] g, real[::1] y, int num_threads):
    """Write the sums of g, (N, M, P), over images and pixels."""
    cdef BiasJob job
    cdef int i
    job.call.array[0] = <void*>&g[0, 0, 0]
    job.call.array[1] = <void*>&y[0]
    job.call.read = job.call.written = 1
    job.call.threads = num_threads
    for i in range(3):
        job.shape[i] = g.shape[i]
        job.gs[i] = g.strides[i]
    job.call.shared = (sums_of(&job) * job.shape[1] * sizeof(real) + 63) // 64 * 64
    job.call.each = 0
    perform(&job.call, sizeof(job), run_bias)


def shape():
    """Lanes of a vector and rows of a block, which the plan must know."""
    return LANES, ROWS
