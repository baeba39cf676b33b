"""Plans of transposed convolution: which taps each output reads, from sizes and parameters alone.

On one axis, with stride s, padding p and dilation d, out[o] takes w[k] * in[i] for all (i, k) with
i * s + k * d = o + p. The residue of o + p modulo s is the output's phase, and fixes its taps.
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
    """Phase r owns outputs start[r] + step * t for t < counts[r]; its taps are (tap, source) rows first[r] and on.

    A tap reads the source at source + xstep * t where that lies inside.
    """

    first: np.ndarray
    taps: np.ndarray
    start: np.ndarray
    counts: np.ndarray
    step: int
    xstep: int


def _integers(values: list) -> np.ndarray:
    return np.array(values, np.intp)


def _rows(values: list) -> np.ndarray:
    """Return rows of two, never of no length, so that a kernel may take the address of the first."""
    return _integers(values or [(0, 0)]).reshape(-1, 2)


def _pairs(owners: int, owner: np.ndarray, tap: np.ndarray, source: np.ndarray) -> Pairs:
    """Sort what each owner reads, by tap."""
    order = np.lexsort((tap, owner))
    first = np.searchsorted(owner[order], np.arange(owners + 1))
    pairs = np.stack((tap, source), axis=1)[order]
    # Never of no length, so that a kernel may take the address of the first.
    return Pairs(first.astype(np.intp), np.ascontiguousarray(pairs if len(pairs) else np.zeros((1, 2)), np.intp))


def _meetings(
    size: int, out: int, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every (tap, input, output) with output = input * stride + tap * dilation - padding."""
    taps, inputs, outputs = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    for k, (begin, end, shift) in enumerate(_inside(size, out, kernel, stride, padding, dilation)):
        if end > begin:
            run = np.arange(end - begin, dtype=np.intp)
            taps.append(np.full(end - begin, k, np.intp))
            inputs.append(begin + run)
            outputs.append(begin * stride + shift + run * (stride if end - begin > 1 else 0))
    return np.concatenate(taps), np.concatenate(inputs), np.concatenate(outputs)


@lru_cache(maxsize=512)
def forward_pairs(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Pairs:
    """Return the pairs of a transposed convolution's outputs on an outer axis."""
    taps, inputs, outputs = _meetings(size, out, kernel, stride, padding, dilation)
    return _pairs(out, outputs, taps, inputs)


@lru_cache(maxsize=512)
def backward_pairs(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Pairs:
    """Return the pairs of the input's gradient: input i reads the output gradient where its taps fall."""
    taps, inputs, outputs = _meetings(size, out, kernel, stride, padding, dilation)
    return _pairs(size, inputs, taps, outputs)


@lru_cache(maxsize=512)
def forward_phases(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Phases:
    """Return the phases of a transposed convolution's outputs on the inner axis; only those that own an output."""
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
    """Return the one phase of the input's gradient on the inner axis."""
    taps = [(k, k * dilation - padding) for k in range(kernel) if k * dilation - padding < out]
    return Phases(_integers([0, len(taps)]), _rows(taps), _integers([0]), _integers([size]), 1, stride)


def _inside(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> list[tuple[int, int, int]]:
    """Return for each tap the inputs (begin, end) whose output i * stride + shift lies inside, and the shift."""
    rows = []
    for k in range(kernel):
        shift = k * dilation - padding
        begin = min(max(0, -(shift // stride)), size)
        rows.append((begin, min(size, max(begin, (out - 1 - shift) // stride + 1)), shift))
    return rows


@lru_cache(maxsize=512)
def tap_ranges(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> np.ndarray:
    """Return (begin, end, shift) for each tap: the inputs whose output i * stride + shift lies inside."""
    return _integers(_inside(size, out, kernel, stride, padding, dilation)).reshape(-1, 3)
