"""Plans of transposed convolution: which taps each output reads, from sizes and parameters alone.

On one axis, with stride s, padding p and dilation d, out[o] takes w[k] * in[i] for all (i, k) with i * s + k * d = o + p.
The residue of o + p modulo s is the output's phase, and fixes its taps.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Pairs(NamedTuple):
    """For each output, a run of (tap, source index) pairs: output o owns pairs[first[o]:first[o + 1]]."""

    first: np.ndarray
    pairs: np.ndarray


class Phases(NamedTuple):
    """Phase r owns outputs start[r] + step * t for t < count[r]; its taps are (tap, source) rows first[r] and on.

    A tap reads the source at source + xstep * t where that lies inside.
    """

    first: np.ndarray
    taps: np.ndarray
    start: np.ndarray
    count: np.ndarray
    step: int
    xstep: int


def _integers(values: list) -> np.ndarray:
    return np.array(values, np.intp)


def _rows(values: list) -> np.ndarray:
    """Rows of two; never of no length, so that a kernel may take the address of the first."""
    return _integers(values or [(0, 0)]).reshape(-1, 2)


@lru_cache(maxsize=512)
def forward_pairs(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Pairs:
    """The pairs of a transposed convolution's outputs on an outer axis."""
    first, pairs = [0], []
    for o in range(out):
        for k in range(kernel):
            reach = o + padding - k * dilation
            if reach % stride == 0 and 0 <= reach // stride < size:
                pairs.append((k, reach // stride))
        first.append(len(pairs))
    return Pairs(_integers(first), _rows(pairs))


@lru_cache(maxsize=512)
def backward_pairs(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Pairs:
    """The pairs of the input's gradient: input i reads the output gradient at i * stride + k * dilation - padding."""
    first, pairs = [0], []
    for i in range(size):
        for k in range(kernel):
            o = i * stride + k * dilation - padding
            if 0 <= o < out:
                pairs.append((k, o))
        first.append(len(pairs))
    return Pairs(_integers(first), _rows(pairs))


@lru_cache(maxsize=512)
def forward_phases(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Phases:
    """The phases of a transposed convolution's outputs on the inner axis; only those that own an output."""
    first, taps, start, count = [0], [], [], []
    for o in range(min(stride, out)):
        start.append(o)
        count.append((out - o + stride - 1) // stride)
        for k in range(kernel):
            reach = o + padding - k * dilation
            if reach % stride == 0 and reach // stride < size and reach // stride + count[-1] > 0:
                taps.append((k, reach // stride))
        first.append(len(taps))
    return Phases(_integers(first), _rows(taps), _integers(start), _integers(count), stride, 1)


@lru_cache(maxsize=512)
def backward_phases(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Phases:
    """The one phase of the input's gradient on the inner axis."""
    taps = [(k, k * dilation - padding) for k in range(kernel) if k * dilation - padding < out]
    return Phases(_integers([0, len(taps)]), _rows(taps), _integers([0]), _integers([size]), 1, stride)


@lru_cache(maxsize=512)
def tap_ranges(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> np.ndarray:
    """For each tap the inputs (begin, end) whose output i * stride + shift lies inside, and the shift."""
    rows = []
    for k in range(kernel):
        shift = k * dilation - padding
        begin = min(max(0, -(shift // stride)), size)
        end = min(size, max(begin, (out - 1 - shift) // stride + 1))
        rows.append((begin, end, shift))
    return _integers(rows).reshape(-1, 3)
