"""Sums of products over channels and taps: transposed convolution and its gradient with respect to the input.

x is (N, G * C, D, H, W), y (N, G * M, OD, OH, OW), both through their strides. On each axis the outputs of a phase are
start + out_step * t for t < count, and its taps read x at source + step * t. Phases that read the same inputs form a
part, in which output channels and phases together are the rows of a matrix product. See upsampling/_plan_conv.py,
which makes the tables.

A task is a tile: some images, and a box of t on each axis, for all phases and some output channels of a group, or of
some groups in turn where their channels share cache lines. What the taps of a tile read is copied into scratch, channel
by channel, with zeros for what lies outside: for each axis some segments, one for each source residue or one for each
source. A tap is then an offset, and pixel (n, d, h, w) of the tile the lane ((n * ld + d) * lh + h) * lw + w, where ld,
lh, lw are the lengths of segments; lanes between the tile's rows are computed and not stored. Where a tile is whole
vectors wide, each vector may be of one row instead, with a place of its own in the segments: ld, lh, lw are then the
tile's sizes, and nothing lies between rows.

Order of additions: blocks of channels, each one chain from zero (channel, then tap), the blocks' sums added in order,
then the bias. It is the same for any tile, so tiles may depend on the number of threads. Every output has one
writer. Where a weight is not finite, products with what lies outside are left out. Minimal filtering and folded sums
have copies and orders of their own: see minimal.pxd and folded.pxd.
"""

from cython.parallel cimport prange
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset

from upsampling._kernels.calls cimport (
    Call, call_scratch, call_shares, call_takes, enter, keep, leave, perform, stopped,
)
from exchanged cimport (
    contract_exchanged, cut_by_rows, listed_in_blocks, most_blocks, place_vectors, vectors_of,
)
from exchanged_points cimport contract_by_points, numbers_of_piece, vectors_of_piece
from expand cimport RUN, height_of, numbers_taken, pack_points, slice_of
from folded cimport FOLDS, add_folded, room_of_columns
from minimal cimport ALONG_ROWS, DEPTH, FILTERS, add_by_points, mark_images, outs_of, rows_of
from packing cimport Column, Weights, are_finite, kernel_of, pack_blocks, pack_vectors, unit_of, weights_of
from products cimport BLOCK_PIXELS, GROUP, LANES, ROWS, Sums, add_in_turn, add_row_vectors, real
from rows cimport add_channels, place_blocks
from runs cimport all_finite, count_of, fill, pointer, take
from tiles cimport (
    FAR, MOST_PHASES, PACKED, PIECEWISE, TURNED, Axis, Part, Problem, Tile, first_of, listed_of, set_axis, store,
    width_of,
)

cdef extern from "simd.h" nogil:
    void* scratch(size_t bytes)
    void free_scratch(void* start)


cdef void products_in_turn "products_in_turn"(const Sums* s, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """add_in_turn, of which there is to be one copy, apart from other loops."""
    add_in_turn(s, first, end)


cdef void products_of_row_vectors "products_of_row_vectors"(
    const Sums* s, Py_ssize_t first, Py_ssize_t end
) noexcept nogil:
    add_row_vectors(s, first, end)


cdef Py_ssize_t room_of(const Problem* of) noexcept nogil:
    """Bytes for a tile and its scratch, whatever the weights are."""
    return lay_out(of, not (of.minimal or of.folded), NULL)


cdef Py_ssize_t lay_out(const Problem* of, bint careful, char* memory) noexcept nogil:
    """Put a tile and its scratch at `memory`, unless that is NULL; how many bytes they take."""
    cdef Py_ssize_t copied = (of.chunk * of.pitch + 2 * LANES) // LANES * LANES, width, sums, i
    cdef Py_ssize_t outside = copied if careful else 0, chains = 0, spread = 0, products = 0, turned = 0, lists = 0
    cdef Py_ssize_t packed = 0, blocks = 0, vectors = 0
    cdef Py_ssize_t outputs = min(of.piece, of.outputs), rows
    cdef Py_ssize_t head = sizeof(Tile) // 64 * 64 + 64
    cdef Tile* tile = <Tile*>memory
    width = width_of(of, of.images, of.axis[0].tile, of.axis[1].tile, of.axis[2].tile)
    width = (width + LANES - 1) // LANES * LANES + (LANES if of.folded else 0)
    vectors = width // LANES if of.row_vectors or of.minimal else 0
    sums = outputs * of.phases * width
    if of.minimal:
        for i in range(of.parts):
            rows = GROUP * LANES if of.exchanged else outputs * rows_of(of, &of.part[i])
            spread = max(spread, of.part[i].taps * (min(<Py_ssize_t>DEPTH, of.channels) * width + LANES))
            products = max(products, of.part[i].taps * (rows * width + LANES))
        if of.exchanged:
            turned = of.share * vectors_of_piece(of, outputs) * LANES * outs_of(of) * width
            blocks = most_blocks(of)
            lists = DEPTH
    elif of.folded:
        products = room_of_columns(of)
    elif of.exchanged:
        for i in range(of.parts):
            turned += vectors_of(outputs * of.part[i].phases) * LANES * width
        blocks = most_blocks(of)
        lists = blocks * of.taps * listed_in_blocks(of)
    else:
        lists = of.taps * listed_of(of, of.taps)
        if of.chunk % of.block and of.chunk < of.channels:
            chains = sums
    packed = packed_at_once(of)
    i = copied + outside + sums + chains + spread + products + turned + packed + LANES  # whole vectors are read
    if memory != NULL:
        tile.copied = <real*>(memory + head)
        tile.outside = tile.copied + copied
        tile.sums = tile.outside + outside
        tile.chains = tile.sums + sums
        tile.spread = tile.chains + chains
        tile.products = tile.spread + spread
        tile.turned = tile.products + products
        tile.packed = tile.turned + turned
        tile.offset = <Py_ssize_t*>(tile.copied + i)
        tile.weight_at = tile.offset + lists
        tile.reached = tile.weight_at + lists
        tile.list = tile.reached + of.parts * max(1, blocks)
        tile.lane = tile.list + of.parts * blocks
        tile.sum_at = tile.lane + blocks
        tile.vector_at = tile.sum_at + blocks
        # Where whole vectors of copies are read, between rows or beyond.
        if not of.folded and not (of.exchanged and not of.minimal):
            memset(tile.copied, 0, (copied + outside) * sizeof(real))
    lists = 2 * lists + 2 * blocks + of.parts * (max(1, blocks) + blocks) + vectors
    return head + i * sizeof(real) + lists * sizeof(Py_ssize_t)


cdef Py_ssize_t packed_at_once(const Problem* of) noexcept nogil:
    """The numbers that a task packs at once: a unit in a chunk of channels."""
    cdef Py_ssize_t i, size = 0, depth = min(<Py_ssize_t>DEPTH, of.channels), outputs = of.share * of.piece
    if of.minimal:
        if of.weights == PIECEWISE:
            size = numbers_of_piece(of, depth) + numbers_taken(of, outputs, depth) + LANES
        return size
    if of.weights == TURNED:
        return kernel_of(of) * of.chunk * ROWS
    if of.weights == PIECEWISE:
        for i in range(of.parts):
            size += weights_of(&of.part[i], min(<Py_ssize_t>ROWS, of.outputs), min(of.chunk, of.channels), ROWS)
    return size


cdef void do_task(
    const Problem* of, Py_ssize_t task, Py_ssize_t shares, Py_ssize_t images, const char* x, const real* w,
    const real* w_end, Py_ssize_t group_weights, const real* bias, char* y, unsigned char* marks, Tile* tile,
) noexcept nogil:
    """Task number `task`: a tile, a share of the output channels, a group and some images."""
    cdef Py_ssize_t i, n, group
    cdef const Axis* axis
    for i in range(2, -1, -1):
        axis = &of.axis[i]
        tile.first[i] = task % axis.tiles * axis.tile
        tile.count[i] = min(axis.tile, axis.domain - tile.first[i])
        task = task // axis.tiles
    n = task % images * of.images
    task = task // images
    tile.images = min(of.images, of.batch - n)
    if of.exchanged:
        tile.first_piece = task % shares * of.share
        tile.end_piece = min(of.pieces, tile.first_piece + of.share)
        tile.first_output = first_of(of, tile.first_piece)
    else:
        tile.first_output = task % shares * of.share
        tile.outputs = min(of.share, of.outputs - tile.first_output)
    group = task // shares
    tile.x = x + n * of.xs[0] + group * of.channels * of.xs[1]
    tile.w = w + group * group_weights
    tile.w_end = w_end
    tile.bias = bias + group * of.outputs + tile.first_output
    tile.y = y + n * of.ys[0] + (group * of.outputs + tile.first_output) * of.ys[1]
    tile.lanes = width_of(of, tile.images, tile.count[0], tile.count[1], tile.count[2])
    tile.width = (tile.lanes + LANES - 1) // LANES * LANES + (LANES if of.folded else 0)
    if ALONG_ROWS and of.minimal and of.exchanged:
        contract_by_points(of, tile, marks + n)
        return
    if FILTERS and of.minimal:
        add_by_points(of, tile)
        mark_images(of, tile, marks + n)
    elif of.exchanged:
        contract_exchanged(of, tile)
        return
    elif FOLDS and of.folded:
        add_folded(of, tile)
    else:
        add_channels(of, tile)
    store(of, tile)


# The tables of some phases, which one run over the tasks writes, and how its weights lie.
cdef struct Pass:
    Problem of
    Py_ssize_t groups
    Py_ssize_t group_weights  # numbers from group to group
    bint merged  # some weights are zeros that are not there

# A call; its arrays are x, w, the bias or NULL, and y. x and y fill a piece of memory each, in whatever order.
cdef struct Job:
    Call call
    const Pass* passes
    Py_ssize_t count
    bint whole  # the passes write all of y
    unsigned char* marks  # of images in which something that is not finite met others: they must be made apart
    real** packed  # weights of the passes that are packed already, or NULL
    unsigned char* finite  # of each whether all of its weights are
    const Pass* apart  # by these, or NULL
    Py_ssize_t apart_count
    bint apart_whole
    Py_ssize_t x_size
    Py_ssize_t w_size
    Py_ssize_t y_shape[5]
    Py_ssize_t xs[5]
    Py_ssize_t ys[5]


cdef Py_ssize_t groups_in_turn(const Job* job, const Pass* part) noexcept nogil:
    """How many groups of a tile one thread takes in turn: where channels are neighbours, those of a cache line."""
    if job.xs[1] != sizeof(real) or job.xs[4] == sizeof(real):
        return 1
    return max(1, min(part.groups, 64 // (part.of.channels * <Py_ssize_t>sizeof(real))))


cdef void do_tasks(
    Job* job, const Pass* part, const Problem* of, Py_ssize_t together, const real* w, const real* bias, Py_ssize_t own
) noexcept nogil:
    """Tasks of a pass, those of run `own` first, `together` groups of each in turn."""
    cdef Call* call = &job.call
    cdef char* worker = call_scratch(call)
    cdef const real* w_end = w + job.w_size if of.weights != PACKED else NULL
    cdef Py_ssize_t tasks = tasks_of_group(of), shares = shares_of(of), images = count_of(of.batch, of.images)
    cdef Py_ssize_t task, group
    lay_out(of, of.careful, worker)
    task = call_takes(call, own)
    while task >= 0:
        for group in range(task // tasks * together, min(part.groups, (task // tasks + 1) * together)):
            if not stopped(call):
                do_task(
                    of, task % tasks + group * tasks, shares, images, <const char*>call.array[0], w, w_end,
                    part.group_weights, bias, <char*>call.array[3], job.marks, <Tile*>worker,
                )
        task = call_takes(call, own)


cdef Py_ssize_t shares_of(const Problem* of) noexcept nogil:
    return count_of(of.pieces if of.exchanged else of.outputs, of.share)


cdef Py_ssize_t tasks_of_group(const Problem* of) noexcept nogil:
    cdef Py_ssize_t tiles = of.axis[0].tiles * of.axis[1].tiles * of.axis[2].tiles
    return shares_of(of) * count_of(of.batch, of.images) * tiles


cdef Py_ssize_t numbers_of(const Job* job) noexcept nogil:
    """Of y."""
    cdef Py_ssize_t i, numbers = 1
    for i in range(5):
        numbers *= job.y_shape[i]
    return numbers


cdef void contract(Job* job, const Pass* part, const real* w, const real* bias, bint careful) noexcept nogil:
    """Write the outputs of a pass; `careful` says that some weight is not finite."""
    cdef Problem of = part.of
    cdef Py_ssize_t i, together = groups_in_turn(job, part)
    cdef int threads = job.call.threads
    of.careful = careful
    of.batch = job.y_shape[0]
    of.asks = numbers_of(job) * <Py_ssize_t>sizeof(real) > FAR
    for i in range(5):
        of.xs[i] = job.xs[i]
        of.ys[i] = job.ys[i]
    if count_of(part.groups, together) * tasks_of_group(&of) < 4 * threads:
        together = 1
    call_shares(&job.call, count_of(part.groups, together) * tasks_of_group(&of))
    for i in prange(threads, num_threads=threads, schedule="static"):
        do_tasks(job, part, &of, together, w, bias, i)


cdef void fill_with_bias(Job* job, const real* bias) noexcept nogil:
    """Write the outputs that no tap reaches, and all others with them."""
    cdef Py_ssize_t task, C = job.y_shape[1]
    for task in prange(job.y_shape[0] * C, num_threads=job.call.threads, schedule="static"):
        fill_plane(job, <char*>job.call.array[3] + task // C * job.ys[0] + task % C * job.ys[1], bias[task % C])


cdef void fill_plane(const Job* job, char* y, real value) noexcept nogil:
    cdef Py_ssize_t d, h, w
    cdef char* row
    for d in range(job.y_shape[2]):
        for h in range(job.y_shape[3]):
            row = y + d * job.ys[2] + h * job.ys[3]
            if job.ys[4] == sizeof(real):
                fill(value, job.y_shape[4], <real*>row)
                continue
            for w in range(job.y_shape[4]):
                (<real*>(row + w * job.ys[4]))[0] = value


cdef bint pack(Call* call, const Pass* part, const real* w, Py_ssize_t size, real* packed) noexcept nogil:
    """Put the weights of a pass in the order in which `contract` reads them; whether all of them are finite."""
    cdef const Problem* of = &part.of
    cdef Py_ssize_t chunk = of.channels if of.exchanged else of.chunk
    cdef Py_ssize_t height = LANES if of.exchanged else ROWS, pieces = of.pieces, task, group, c, piece, unit
    cdef Py_ssize_t units = count_of(of.piece if of.exchanged else of.outputs, height)
    cdef Py_ssize_t tasks = part.groups * count_of(of.channels, chunk) * pieces * units
    cdef int bad = 0
    if FILTERS and of.minimal:
        return pack_by_points(call, part, w, size, packed)
    for task in prange(tasks, num_threads=call.threads, schedule="static"):
        unit = task % units
        piece = task // units % pieces
        c = task // (units * pieces) % count_of(of.channels, chunk) * chunk
        group = task // (units * pieces) // count_of(of.channels, chunk)
        if first_of(of, piece) + unit * height < first_of(of, piece + 1) and not stopped(call):  # some are smaller
            bad |= pack_task(
                of, w + group * of.ws[0], w + size, packed + group * part.group_weights, piece, unit, c,
                min(chunk, of.channels - c),
            )
    return not bad


cdef bint pack_task(
    const Problem* of, const real* w, const real* w_end, real* packed, Py_ssize_t piece, Py_ssize_t unit, Py_ssize_t c,
    Py_ssize_t channels,
) noexcept nogil:
    """Pack a unit of a piece of the output channels; whether something is not finite."""
    cdef Column column[MOST_PHASES]
    cdef Weights weights
    cdef Py_ssize_t height = LANES if of.exchanged else ROWS
    cdef Py_ssize_t first = first_of(of, piece), end = first_of(of, piece + 1)
    cdef Py_ssize_t count = min(height, end - first - unit * height)
    weights = unit_of(of, w, w_end, first + unit * height, count, c, channels)
    if of.exchanged:
        place_vectors(of, first, end, unit, count, packed, column)
        pack_vectors(&weights, of.parts, of.part, of.tap, column)
    else:
        place_blocks(of, of.outputs, unit, of.channels, c, channels, count, packed, column)
        pack_blocks(&weights, of.parts, of.part, of.tap, column)
    return not are_finite(&weights)


cdef bint pack_by_points(Call* call, const Pass* part, const real* w, Py_ssize_t size, real* packed) noexcept nogil:
    """As `pack`, for minimal filtering: see expand.pxd."""
    cdef const Problem* of = &part.of
    cdef Py_ssize_t units = count_of(of.outputs, height_of(of)), runs = count_of(units, RUN), channels = slice_of(of)
    cdef Py_ssize_t slices = count_of(of.channels, channels), task, c, unit, group
    cdef int bad = 0
    for task in prange(part.groups * slices * runs, num_threads=call.threads, schedule="static"):
        c = task // runs % slices * channels
        group = task // runs // slices
        for unit in range(task % runs * RUN, min(units, (task % runs + 1) * RUN)):
            if not stopped(call):
                bad |= not pack_points(
                    of, w + group * of.ws[0], w + size, unit, c, min(channels, of.channels - c),
                    packed + group * part.group_weights,
                )
    return not bad


cdef bint run_pass(Job* job, Py_ssize_t number, const Pass* part, const real* bias, real* packed) noexcept nogil:
    """Write the outputs of a pass; whether they are right but for images with marks.

    Those of a merged pass and of minimal filtering are not, where infinities and NaN met others.
    """
    cdef const real* x = <const real*>job.call.array[0]
    cdef const real* w = <const real*>job.call.array[1]
    cdef const real* y = <const real*>job.call.array[3]
    cdef Py_ssize_t y_size = numbers_of(job)
    cdef bint finite = True, later
    # The weight may be longer than the result, in which a number that is not finite shows as well.
    later = part.of.weights != PACKED and job.w_size > y_size and job.packed == NULL
    later = later and not part.of.folded and not part.of.minimal
    if job.packed != NULL:
        finite = job.finite[number] or part.of.folded
        w = w if part.of.weights != PACKED else job.packed[number]
    elif part.of.folded or (part.of.minimal and part.of.weights != PACKED):
        finite = True  # or not: nothing meets what lies outside, or tasks look at the weights that they take
    elif part.of.weights != PACKED:
        finite = later or all_finite(w, job.w_size)
    else:
        finite = pack(&job.call, part, w, job.w_size, packed)
        w = packed
    if (part.merged or part.of.minimal or part.of.exchanged) and not finite:
        return False
    contract(job, part, w, bias, not finite)
    if later and not all_finite(y, y_size) and not all_finite(w, job.w_size):
        if part.merged or part.of.exchanged:
            return False
        contract(job, part, w, bias, True)
    return not part.merged or all_finite(y, y_size) or all_finite(x, job.x_size)


cdef bint run_passes(Job* job, const Pass* passes, Py_ssize_t count, bint whole) noexcept nogil:
    """Write y; whether it is right but for images with marks."""
    cdef const real* bias = <const real*>job.call.array[2]
    cdef char* shared = job.call.scratch + rounded(job.y_shape[0])
    cdef Py_ssize_t i
    job.marks = <unsigned char*>job.call.scratch
    memset(job.marks, 0, job.y_shape[0])
    if bias == NULL:
        bias = <const real*>shared
        memset(shared, 0, job.y_shape[1] * sizeof(real))
        shared += rounded(job.y_shape[1] * sizeof(real))
    if not whole:
        fill_with_bias(job, bias)
    for i in range(count):
        if not run_pass(job, i, &passes[i], bias, <real*>shared):
            return False
        if job.call.stop:
            break
    return True


cdef void run_apart(Job* job, Py_ssize_t n) noexcept nogil:
    """Write image n as it would be written alone, with nothing merged."""
    cdef Job one = job[0]
    one.call.array[0] = <char*>job.call.array[0] + n * job.xs[0]
    one.call.array[3] = <char*>job.call.array[3] + n * job.ys[0]
    one.call.scratch += rounded(job.y_shape[0])  # beyond the marks
    one.call.shared -= rounded(job.y_shape[0])
    one.y_shape[0] = 1
    one.packed = NULL
    one.x_size = job.x_size // job.y_shape[0]
    run_passes(&one, job.apart, job.apart_count, job.apart_whole)
    job.call.stop |= one.call.stop


cdef void run(Call* call) noexcept nogil:
    """The whole call."""
    cdef Job* job = <Job*>call
    cdef Py_ssize_t n
    cdef bint right = run_passes(job, job.passes, job.count, job.whole), marked = False
    for n in range(job.y_shape[0]):
        marked |= job.marks[n]
    job.call.again = (marked or not right) and job.apart == NULL
    if job.apart == NULL or job.call.stop:
        return
    job.packed = NULL
    if not right:
        run_passes(job, job.apart, job.apart_count, job.apart_whole)
    elif marked:
        for n in range(job.y_shape[0]):
            if job.marks[n] and not job.call.stop:
                run_apart(job, n)


cdef Py_ssize_t rounded(Py_ssize_t bytes) noexcept nogil:
    return (bytes + 63) // 64 * 64


cdef class Passes:
    """The tables of a plan as `transposed` reads them; see upsampling/_plan_conv.py."""

    cdef Pass* passes
    cdef Py_ssize_t count
    cdef Py_ssize_t shared  # bytes of packed weights, and of a thread's scratch
    cdef Py_ssize_t each
    cdef bint whole
    cdef object tables
    cdef readonly bytes signature  # on which the order of packed weights depends

    def __cinit__(self, passes, bint whole, problem, steps):
        cdef Py_ssize_t i
        self.tables = passes
        self.whole = whole
        self.count = len(passes)
        self.passes = <Pass*>calloc(max(1, self.count), sizeof(Pass))
        if self.passes == NULL:
            raise MemoryError("no memory for the tables of a transposed convolution")
        for i in range(self.count):
            self.set_pass(&self.passes[i], passes[i], problem, steps)
            self.each = max(self.each, rounded(room_of(&self.passes[i].of)))
            if self.passes[i].of.weights == PACKED:
                self.shared = max(
                    self.shared, rounded(self.passes[i].groups * self.passes[i].group_weights * sizeof(real))
                )
        self.signature = b"".join([part.signature() for part in passes])

    def __dealloc__(self):
        free(self.passes)

    cdef int set_pass(self, Pass* to, tables, problem, steps) except -1:
        cdef Problem* of = &to.of
        cdef Py_ssize_t i
        cdef Py_ssize_t n[8]
        take(tables.tile.tolist(), n, 8)
        of.images, of.share, of.chunk, of.segment_size, of.pitch = n[0], n[1], n[2], n[3], n[4]
        of.piece, of.pieces, of.unit = n[5], n[6], n[7]
        of.block = tables.block
        for i in range(3):
            set_axis(&of.axis[i], tables.axes[i], tables.segments[i])
            of.axis[i].phases = len(tables.phases[i])
            of.axis[i].phase = pointer(tables.phases[i])
        of.batch, to.groups, of.channels, of.outputs = problem.batch, problem.groups, problem.channels, problem.outputs
        of.parts = len(tables.parts)
        of.part = <const Part*>pointer(tables.parts)
        of.taps = len(tables.offset)
        of.phases = len(tables.where)
        of.source = pointer(tables.source)
        of.offset = pointer(tables.offset)
        of.weight_at = pointer(tables.weight_at)
        of.where = pointer(tables.where)
        of.minimal, of.exchanged, of.folded = tables.minimal, tables.exchanged, tables.folded
        of.row_vectors = tables.row_vectors
        if of.row_vectors or (of.exchanged and not of.minimal and cut_by_rows(of)):
            for i in range(3):
                of.axis[i].gap = 0
        take(tables.outs, of.outs, 3)
        of.tap = pointer(tables.tap)
        of.ws = steps
        of.weights = tables.weights
        to.group_weights, to.merged = tables.group_weights, tables.merged
        return 0


cdef class Packed:
    """The weights of a plan in the order in which `transposed` reads them, for many calls."""

    cdef real** weights
    cdef unsigned char* finite
    cdef Py_ssize_t count

    def __cinit__(self, Passes passes, const real[::1] w, int num_threads=1):
        cdef Call call
        cdef Pass* part
        cdef Py_ssize_t i
        call.cancel, call.ask, call.stop = NULL, NULL, 0
        self.count = passes.count
        self.weights = <real**>calloc(max(1, self.count), sizeof(real*))
        self.finite = <unsigned char*>calloc(max(1, self.count), 1)
        if self.weights == NULL or self.finite == NULL:
            raise MemoryError("no memory for packed weights")
        for i in range(self.count):
            part = &passes.passes[i]
            if part.of.weights != PACKED:
                self.finite[i] = all_finite(&w[0], w.shape[0])
                continue
            self.weights[i] = <real*>scratch(part.groups * part.group_weights * sizeof(real))
            if self.weights[i] == NULL:
                raise MemoryError("no memory for packed weights")
            call.threads = enter(num_threads)
            self.finite[i] = pack(&call, part, &w[0], w.shape[0], self.weights[i])
            leave(call.threads)

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.weights != NULL:
            for i in range(self.count):
                free_scratch(self.weights[i])
        free(self.weights)
        free(self.finite)


def same_bits(const unsigned char[::1] a, const unsigned char[::1] b):
    """Whether two arrays are equal, byte by byte."""
    return a.shape[0] == b.shape[0] and (a.shape[0] == 0 or memcmp(&a[0], &b[0], a.shape[0]) == 0)


def transposed(
    Passes passes, Passes apart, const real[:, :, :, :, :] x, const real[::1] w, const real[::1] bias,
    real[:, :, :, :, :] y, int num_threads, Packed packed=None,
):
    """Write y; True where that must be done again with `apart`, passes of a plan that lets no numbers meet that do not
    belong together, which may be None else.

    x and y each fill a piece of memory, in C order or channels-last; the bias may be None. So may `packed`, w as it
    was packed for these passes. MemoryError where scratch cannot be had.
    """
    cdef Job job
    cdef int i
    job.call.array[0] = <void*>&x[0, 0, 0, 0, 0]
    job.call.array[1] = <void*>&w[0]
    job.call.array[2] = <void*>&bias[0] if bias is not None else NULL
    job.call.array[3] = <void*>&y[0, 0, 0, 0, 0]
    job.call.read = 3
    job.call.written = 1
    job.call.threads = num_threads
    job.call.shared = passes.shared if packed is None else 0
    job.call.each = passes.each
    job.passes, job.count, job.whole = passes.passes, passes.count, passes.whole
    job.packed = packed.weights if packed is not None else NULL
    job.finite = packed.finite if packed is not None else NULL
    job.apart = NULL
    if apart is not None:
        job.call.shared = max(job.call.shared, apart.shared)
        job.call.each = max(passes.each, apart.each)
        job.apart, job.apart_count, job.apart_whole = apart.passes, apart.count, apart.whole
    job.call.shared += 2 * rounded(x.shape[0])
    if bias is None:
        job.call.shared += rounded(y.shape[1] * sizeof(real))
    job.x_size = x.shape[0] * x.shape[1] * x.shape[2] * x.shape[3] * x.shape[4]
    job.w_size = w.shape[0]
    for i in range(5):
        job.y_shape[i] = y.shape[i]
        job.xs[i] = x.strides[i]
        job.ys[i] = y.strides[i]
    if perform(&job.call, sizeof(job), run):
        keep((passes, apart, packed))
        return False
    return job.call.again


def shape():
    """Lanes of a vector and rows of a block; where vectors run along rows, those of a group and pixels of a block."""
    return LANES, ROWS, GROUP, BLOCK_PIXELS
