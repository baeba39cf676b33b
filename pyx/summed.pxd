"""The gradient with respect to the bias: sums of g, (N, M, P), over images and pixels.

A task adds up to SUMMED numbers of a channel, a block of pixels in one or more images, or of LANES channels where these
are neighbours in memory. Order of additions: pixel p of a block belongs to chain p % CHAINS, and those behind the last
whole vector to chains of their own; chains go on from image to image and are then added by halves, as are the tasks'
sums. So the bits depend on sizes alone, and errors grow as the logarithm of their number.
"""

from cython.parallel cimport prange

from upsampling._kernels.calls cimport Call, stopped
from runs cimport LANES, copy_few, count_of, real, vec, vload, vset, vstore

cdef extern from "transpose.h" nogil:
    """
    #define SUMMING 4 /* vectors: enough that additions do not wait for each other */
    #define CHAINS (SUMMING * LANES)
    #define SUMMED (32 * CHAINS) /* chains as short with all vectors */
    """
    enum:
        SUMMING
        CHAINS
        SUMMED

# A call; its arrays are g and y, its scratch the sums of tasks, [images][block][channel].
cdef struct BiasJob:
    Call call
    Py_ssize_t shape[3]
    Py_ssize_t gs[3]
    Py_ssize_t images  # of a task
    Py_ssize_t blocks  # of pixels


cdef inline Py_ssize_t sums_of(BiasJob* job) noexcept nogil:
    """Cut g into tasks; how many sums of a channel these give."""
    job.images = max(1, SUMMED // job.shape[2])
    job.blocks = count_of(job.shape[2], SUMMED)
    return count_of(job.shape[0], job.images) * job.blocks


cdef inline void sum_row(const char* g, Py_ssize_t gs, Py_ssize_t images, Py_ssize_t pixels, real* to) noexcept nogil:
    """The sum of a channel whose pixels are neighbours."""
    cdef vec chain[SUMMING]
    cdef vec rest = vset(0)
    cdef real tail[LANES]
    cdef real lanes[LANES]
    cdef const real* row
    cdef Py_ssize_t n, p, half, whole = pixels // CHAINS * CHAINS, left = pixels % LANES
    cdef int i
    vstore(tail, rest)
    for i in range(SUMMING):
        chain[i] = rest
    for n in range(images):
        row = <const real*>(g + n * gs)
        for p in range(pixels // CHAINS):
            for i in range(SUMMING):
                chain[i] = chain[i] + vload(row + p * CHAINS + i * LANES)
        for i in range(SUMMING - 1):
            if whole + (i + 1) * LANES <= pixels:
                chain[i] = chain[i] + vload(row + whole + i * LANES)
        if left:
            copy_few(row + pixels - left, left, tail)
            rest = rest + vload(tail)
    chain[0] = chain[0] + rest
    vstore(lanes, (chain[0] + chain[2]) + (chain[1] + chain[3]))
    half = LANES // 2
    while half:
        for i in range(half):
            lanes[i] += lanes[half + i]
        half = half // 2
    to[0] = lanes[0]


cdef inline void sum_channels(
    const char* g, const Py_ssize_t* gs, Py_ssize_t images, Py_ssize_t pixels, Py_ssize_t channels, real* to
) noexcept nogil:
    """The sums of up to LANES channels, wherever they lie: a lane for each."""
    cdef vec chain[CHAINS + LANES]
    cdef real lanes[LANES]
    cdef const char* at
    cdef Py_ssize_t n, p, c, half, left = pixels - pixels % LANES
    cdef bint beside = channels == LANES and gs[1] == sizeof(real)
    for p in range(CHAINS + LANES):
        chain[p] = vset(0)
    vstore(lanes, chain[0])
    for n in range(images):
        at = g + n * gs[0]
        for p in range(pixels):
            half = p % CHAINS if p < left else CHAINS + p % LANES
            if beside:
                chain[half] = chain[half] + vload(<const real*>at)
            else:
                for c in range(channels):
                    lanes[c] = (<const real*>(at + c * gs[1]))[0]
                chain[half] = chain[half] + vload(lanes)
            at += gs[2]
    for p in range(LANES):
        chain[p] = chain[p] + chain[CHAINS + p]
    half = CHAINS // 2
    while half:
        for p in range(half):
            chain[p] = chain[p] + chain[half + p]
        half = half // 2
    vstore(lanes, chain[0])
    for c in range(channels):
        to[c] = lanes[c]


cdef inline void add_halves(real* sums, Py_ssize_t count, Py_ssize_t channels, real* y) noexcept nogil:
    """Add `count` rows of sums, the second half to the first until one is left."""
    cdef Py_ssize_t half, i
    while count > 1:
        half = (count + 1) // 2
        for i in range((count - half) * channels):
            sums[i] += sums[half * channels + i]
        count = half
    for i in range(channels):
        y[i] = sums[i]


cdef inline void run_bias(Call* call) noexcept nogil:
    """Sums of tasks, added by halves."""
    cdef BiasJob* job = <BiasJob*>call
    cdef Py_ssize_t M = job.shape[1], P = job.shape[2], blocks = job.blocks, count = sums_of(job), task, n, c, b, images
    cdef Py_ssize_t pixels
    cdef bint rows = job.gs[2] == sizeof(real) and P > 1
    cdef Py_ssize_t together = LANES if job.gs[1] == sizeof(real) and not rows else 1
    cdef Py_ssize_t pieces = count_of(M, together)
    cdef real* sums = <real*>call.scratch
    cdef real* to
    cdef const char* g
    for task in prange(count * pieces, num_threads=call.threads, schedule="static"):
        # In the order of memory: the blocks of a channel, or the channels of a block where they are neighbours.
        n = task // (pieces * blocks)
        c = (task // blocks % pieces if rows else task % pieces) * together
        b = task % blocks if rows else task // pieces % blocks
        images = min(job.images, job.shape[0] - n * job.images)
        pixels = min(SUMMED, P - b * SUMMED)
        g = <const char*>call.array[0] + n * job.images * job.gs[0] + c * job.gs[1] + b * SUMMED * job.gs[2]
        to = sums + (n * blocks + b) * M + c
        if stopped(call):
            pass
        elif rows:
            sum_row(g, job.gs[0], images, pixels, to)
        else:
            sum_channels(g, job.gs, images, pixels, min(together, M - c), to)
    add_halves(sums, count, M, <real*>call.array[1])
