# Nearest copies: each output pixel is one input pixel.
#
# src, dst: bytes of (planes, D, H, W) arrays in C order of items of `size` bytes (a channels-last pixel is one item).
# An axis has source indices, or keeps its size (None). A task owns one (plane, depth) and a band of rows of dst.
# Of a band's rows that have the same source two are stored together, where there is a list (see below), and the others
# are copied. Or rows are made in scratch, and stored past the caches.
#
# Where the vectors of a row are each made of bytes of one or two vectors of the source, these are permuted: a list says
# for each vector where its window begins, and for each of its units (bytes, or 4 bytes) the place in the window. The
# last vector of a row may overlap the one before. Elsewhere items are copied one by one.

from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from upsampling._kernels.calls cimport Call, call_scratch, keep, perform, stopped

cdef extern from "pick.h" nogil:
    void pick_bytes(const char* source, int vectors, const char* places, char* to, Py_ssize_t twin)
    void pick_units(const char* source, int vectors, const char* places, char* to, Py_ssize_t twin)
    void ask_for(const void* p)
    void ask_to_write(const void* p, Py_ssize_t bytes)
    void copy_item(char* to, const char* source, Py_ssize_t size)
    enum:
        PICKS_BYTES
        VECTOR_BYTES

cdef extern from "copy.h" nogil:
    void copy_run(char* to, const char* source, Py_ssize_t size)

cdef extern from "stream.h" nogil:
    void stream_row(char* to, const char* source, Py_ssize_t size)
    void stream_end()

cdef enum:
    # Rows from which on a list is made for them: making it takes as long as some rows.
    MANY_ROWS = 16
    # Bytes of a result from which on the lines of the next rows are asked for: 1x256x64x64 doubled (16 MiB) 0.5 to
    # 0.6 ms without, 0.32 with it; but 1510x1510 (9 MB) 0.12 and 0.155, 3x896x896 (9 MB) 0.12 and 0.17.
    FAR_RESULT = 10 << 20
    # Bytes of a source from which on items of the next row are asked for, where those of a row do not lie together: of
    # bytes 1080x1920x3 to 224x398 0.155 to 0.174 ms without that, 0.111 with it; 2160x3840x3 to 540x960 0.70 and 0.44.
    FAR_SOURCE = 1 << 20

# Steps of a row, by windows.
cdef struct Steps:
    int unit  # bytes of what is permuted: 4, 1, or 0 where items are copied one by one
    int windows  # vectors of a window
    Py_ssize_t bytes  # of a vector
    Py_ssize_t count
    Py_ssize_t last  # where in a row the last step ends up: it may overlap the one before
    Py_ssize_t* begin  # where the window of each step begins
    char* places  # a vector for each step

# A call; its arrays are src and dst.
cdef struct Job:
    Call call
    Py_ssize_t planes
    Py_ssize_t size_in[3]
    Py_ssize_t size_out[3]
    const int64_t* index[3]
    Py_ssize_t size
    Py_ssize_t band
    bint streamed  # rows are made in scratch and stored past the caches
    bint asks  # for rows of the result before they are stored
    bint scattered  # the source comes from far, and what is read of it does not lie together
    Steps steps


cdef inline void items(
    char* to, const char* src, const int64_t* index, Py_ssize_t n, Py_ssize_t size, Py_ssize_t ahead
) noexcept nogil:
    """Copy n items, and ask for those `ahead` bytes after them, unless that is 0."""
    cdef Py_ssize_t i
    for i in range(n):
        if ahead:
            ask_for(src + index[i] * size + ahead)
        memcpy(to + i * size, src + index[i] * size, size)


cdef inline void threes(
    char* to, const char* src, const int64_t* index, Py_ssize_t n, Py_ssize_t size_in, Py_ssize_t ahead
) noexcept nogil:
    """Copy items of three bytes by moves of four, but for those at the ends of the rows: indices must be in order."""
    cdef Py_ssize_t whole = n - 1, i
    while whole > 0 and index[whole - 1] >= size_in - 1:
        whole -= 1
    for i in range(whole):
        if ahead:
            ask_for(src + index[i] * 3 + ahead)
        memcpy(to + i * 3, src + index[i] * 3, 4)
    items(to + whole * 3, src, index + whole, n - whole, 3, 0)


cdef void row_of_items(
    char* to, const char* src, const int64_t* index, Py_ssize_t n, const Job* job, Py_ssize_t ahead
) noexcept nogil:
    """Copy n items; the sizes of one pixel in common types have loops of their own."""
    cdef Py_ssize_t i, size = job.size
    if index == NULL:
        copy_run(to, src, n * size)
    elif size == 1:
        items(to, src, index, n, 1, ahead)
    elif size == 2:
        items(to, src, index, n, 2, ahead)
    elif size == 3:
        threes(to, src, index, n, job.size_in[2], ahead)
    elif size == 4:
        items(to, src, index, n, 4, ahead)
    elif size == 6:
        items(to, src, index, n, 6, ahead)
    elif size == 8:
        items(to, src, index, n, 8, ahead)
    elif size == 12:
        items(to, src, index, n, 12, ahead)
    elif size == 16:
        items(to, src, index, n, 16, ahead)
    else:
        for i in range(n):
            copy_item(to + i * size, src + index[i] * size, size)


cdef inline void row_by_steps(
    char* to, Py_ssize_t twin, const char* src, const Steps* steps, int unit, int windows
) noexcept nogil:
    """Make a row of steps.count vectors, and the same `twin` bytes after it; 0: that alone."""
    cdef Py_ssize_t v, last = steps.count - 1
    for v in range(last):
        step(to + v * (VECTOR_BYTES if unit == 4 else 16), twin, src, steps, v, unit, windows)
    step(to + steps.last, twin, src, steps, last, unit, windows)


cdef inline void step(
    char* to, Py_ssize_t twin, const char* src, const Steps* steps, Py_ssize_t v, int unit, int windows
) noexcept nogil:
    if unit == 4:
        pick_units(src + steps.begin[v], windows, steps.places + v * VECTOR_BYTES, to, twin)
    else:
        pick_bytes(src + steps.begin[v], windows, steps.places + v * 16, to, twin)


cdef void list_steps(Job* job) noexcept nogil:
    """Make the list of steps, if their windows are short enough."""
    cdef Steps* steps = &job.steps
    cdef const int64_t* index = job.index[2]
    cdef Py_ssize_t row_in = job.size_in[2] * job.size, size = job.size, per = steps.bytes // steps.unit
    cdef Py_ssize_t v, i, o, unit, at, end, longest = 0
    for v in range(steps.count):
        at = v * steps.bytes if v + 1 < steps.count else steps.last
        steps.begin[v] = end = index[at // size]
        for o in range(at // size + 1, (at + steps.bytes - 1) // size + 1):  # not in order where a row is a plane
            steps.begin[v] = min(steps.begin[v], index[o])
            end = max(end, index[o])
        steps.begin[v] *= size
        longest = max(longest, (end + 1) * size - steps.begin[v])
    steps.windows = 1 if longest <= steps.bytes else 2
    if longest > 2 * steps.bytes or row_in < steps.windows * steps.bytes:
        steps.unit = 0
        return
    for v in range(steps.count):
        at = v * steps.bytes if v + 1 < steps.count else steps.last
        steps.begin[v] = min(steps.begin[v], row_in - steps.windows * steps.bytes)
        o = at // size
        unit = at % size // steps.unit
        for i in range(v * per, (v + 1) * per):
            # Unit `unit` of pixel o.
            at = (index[o] * size - steps.begin[v]) // steps.unit + unit
            if steps.unit == 4:
                (<int32_t*>steps.places)[i] = <int32_t>at
            else:
                steps.places[i] = <char>at
            unit += 1
            if unit * steps.unit == size:
                unit = 0
                o += 1


cdef inline void row(char* to, Py_ssize_t twin, const char* src, const Job* job, Py_ssize_t ahead) noexcept nogil:
    """Make a row of dst, and the same `twin` bytes after it, unless that is 0; the source's next is `ahead` of this."""
    cdef const Steps* steps = &job.steps
    if steps.unit:
        if steps.unit == 4 and steps.windows == 1:
            row_by_steps(to, twin, src, steps, 4, 1)
        elif steps.unit == 4:
            row_by_steps(to, twin, src, steps, 4, 2)
        elif steps.windows == 1:
            row_by_steps(to, twin, src, steps, 1, 1)
        else:
            row_by_steps(to, twin, src, steps, 1, 2)
    else:
        row_of_items(to, src, job.index[2], job.size_out[2], job, ahead)


cdef inline Py_ssize_t at(const int64_t* index, Py_ssize_t o) noexcept nogil:
    return o if index == NULL else index[o]


cdef void rows(
    const char* src, char* dst, const Job* job, Py_ssize_t first, Py_ssize_t end, char* room
) noexcept nogil:
    """Copy rows first .. end - 1 of a plane; streamed ones are made in `room`."""
    cdef const int64_t* height = job.index[1]
    cdef const char* made
    cdef Py_ssize_t o = first, next, k, ahead = 0, length = job.size_out[2] * job.size
    cdef bint twins
    while o < end:
        next = o + 1
        while next < end and at(height, next) == at(height, o):
            next += 1
        made = src + at(height, o) * job.size_in[2] * job.size
        if job.scattered:
            ahead = (at(height, next) - at(height, o)) * job.size_in[2] * job.size if next < end else 0
        if job.streamed:
            if job.index[2] != NULL:
                row(room, 0, made, job, ahead)
                made = room
            for k in range(o, next):
                stream_row(dst + k * length, made, length)
        else:
            if job.asks:
                ask_to_write(dst + o * length + 4096, (next - o) * length)
            twins = job.steps.unit and next > o + 1
            row(dst + o * length, length if twins else 0, made, job, ahead)
            for k in range(o + 1 + twins, next):
                copy_run(dst + k * length, dst + o * length, length)
        o = next


cdef void do_task(Job* job, Py_ssize_t bands, Py_ssize_t task) noexcept nogil:
    """Copy a band of rows of one depth of a plane."""
    cdef Py_ssize_t height = job.size_out[1], first = task % bands * job.band
    cdef Py_ssize_t plane = task // bands // job.size_out[0], d = at(job.index[0], task // bands % job.size_out[0])
    if not stopped(&job.call):
        rows(
            <const char*>job.call.array[0]
            + (plane * job.size_in[0] + d) * job.size_in[1] * job.size_in[2] * job.size,
            <char*>job.call.array[1] + task // bands * height * job.size_out[2] * job.size,
            job, first, min(first + job.band, height), call_scratch(&job.call),
        )
        if job.streamed:
            stream_end()


cdef void run(Call* call) noexcept nogil:
    cdef Job* job = <Job*>call
    cdef Py_ssize_t bands = (job.size_out[1] + job.band - 1) // job.band, task
    cdef Py_ssize_t tasks = job.planes * job.size_out[0] * bands
    if job.steps.unit:
        job.steps.places = call.scratch
        job.steps.begin = <Py_ssize_t*>(call.scratch + job.steps.count * VECTOR_BYTES)
        list_steps(job)
    if call.threads == 1:  # past OpenMP, which takes 0.25 us to run one thread: as long as a tiny call
        for task in range(tasks):
            do_task(job, bands, task)
        return
    for task in prange(tasks, num_threads=call.threads, schedule="static"):
        do_task(job, bands, task)


cdef void plan_steps(Job* job) noexcept nogil:
    """Choose units, and say how much memory the list of steps takes."""
    cdef Steps* steps = &job.steps
    cdef Py_ssize_t length = job.size_out[2] * job.size
    steps.unit = 0
    steps.count = 0
    if job.index[2] == NULL or job.planes * job.size_out[0] * job.size_out[1] < MANY_ROWS:
        return
    # The items of a vector lie in two vectors of the source at most, if none is longer than that.
    if job.size % 4 == 0 and job.size <= 2 * VECTOR_BYTES:
        steps.unit = 4
        steps.bytes = VECTOR_BYTES
    elif PICKS_BYTES and job.size <= 32:
        steps.unit = 1
        steps.bytes = 16
    else:
        return
    if length < steps.bytes:
        steps.unit = 0
        return
    steps.count = (length + steps.bytes - 1) // steps.bytes
    steps.last = length - steps.bytes
    job.call.shared = (steps.count * (VECTOR_BYTES + <Py_ssize_t>sizeof(Py_ssize_t)) + 63) // 64 * 64


def vector():
    """How many bytes a vector has."""
    return VECTOR_BYTES


def gather(
    const unsigned char[::1] src, unsigned char[::1] dst, Py_ssize_t planes, tuple sizes, Py_ssize_t size,
    const int64_t[::1] depth, const int64_t[::1] height, const int64_t[::1] width, Py_ssize_t band, bint streamed,
    int num_threads
):
    """Copy items by index; `sizes` are three pairs (size in, size out), `band` the number of rows of a task.

    A result that is `streamed` is stored past the caches.
    """
    cdef Job job
    cdef int i
    job.call.array[0] = <void*>&src[0]
    job.call.array[1] = <void*>&dst[0]
    job.call.read = job.call.written = 1
    job.call.threads = num_threads
    job.call.shared = job.call.each = 0
    job.planes = planes
    for i in range(3):
        job.size_in[i], job.size_out[i] = sizes[i]
    job.index[0] = &depth[0] if depth is not None else NULL
    job.index[1] = &height[0] if height is not None else NULL
    job.index[2] = &width[0] if width is not None else NULL
    job.size = size
    job.band = band
    job.scattered = src.shape[0] >= FAR_SOURCE and job.size_in[2] >= 2 * job.size_out[2]
    job.streamed = streamed
    job.asks = dst.shape[0] >= FAR_RESULT
    if streamed:
        job.call.each = (job.size_out[2] * size + 127) // 64 * 64
    plan_steps(&job)
    if perform(&job.call, sizeof(job), run):
        keep((depth, height, width))
