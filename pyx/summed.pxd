"""Sums of the pixels of a block, for the gradient with respect to the bias."""

from runs cimport LANES, fill, real

cdef enum:
    SUMMED = 1024  # pixels in a block
    CHAINS = 32


cdef inline void sum_block(
    const char* g, Py_ssize_t gs, Py_ssize_t step, Py_ssize_t pixels, Py_ssize_t channels, real* to
) noexcept nogil:
    """The sums of some channels over a block of pixels: CHAINS of them, pixel by pixel in turn, added by halves."""
    cdef real chain[CHAINS * LANES]
    cdef Py_ssize_t p, c, i, half
    fill(0, CHAINS * LANES, chain)
    if channels == 1 and step == sizeof(real):
        for p in range(pixels // CHAINS):
            for i in range(CHAINS):
                chain[i] += (<const real*>g)[p * CHAINS + i]
        for p in range(pixels // CHAINS * CHAINS, pixels):
            chain[p % CHAINS] += (<const real*>g)[p]
    else:
        for p in range(pixels):
            for c in range(channels):
                chain[c * CHAINS + p % CHAINS] += (<const real*>(g + p * step + c * gs))[0]
    for c in range(channels):
        half = CHAINS // 2
        while half:
            for i in range(half):
                chain[c * CHAINS + i] += chain[c * CHAINS + half + i]
            half = half // 2
        to[c] = chain[c * CHAINS]
