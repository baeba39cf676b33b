"""Tables for `resize`: Pillow's filters, in float64 or in the fixed-point weights of the integer kernel.

Pillow's arithmetic is followed operation by operation, because its 8-bit results are to be had bit for bit:
weights in float64, added up one after another, divided by their sum, and rounded to multiples of 2**-22.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from . import _plan_resample
from ._plan_resample import AxisTable

BITS = 22  # of a fixed-point weight; 2**22 is 1
# Weights are made for so many outputs at once that some MiB of temporary arrays suffice.
BLOCK = 2**18
CACHED_EXTENT = 2**14
HAMMING = float(np.float32(0.54)), float(np.float32(0.46))  # Pillow's constants are single-precision


def box(x: np.ndarray) -> np.ndarray:
    """1 where -1/2 < x <= 1/2."""
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def triangle(x: np.ndarray) -> np.ndarray:
    """1 - |x|."""
    return np.maximum(1.0 - np.abs(x), 0.0)


def hamming(x: np.ndarray) -> np.ndarray:
    """Return the sinc function under a Hamming window of support 1."""
    x = np.abs(x)
    angle = x * math.pi
    with np.errstate(invalid="ignore"):
        inside = np.sin(angle) / angle * (HAMMING[0] + HAMMING[1] * np.cos(angle))
    return np.where(x == 0, 1.0, np.where(x < 1, inside, 0.0))


def cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic with a = -1/2."""
    a = -0.5
    x = np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def sinc(x: np.ndarray) -> np.ndarray:
    """sin(pi x) / (pi x)."""
    angle = x * math.pi
    with np.errstate(invalid="ignore"):
        return np.where(x == 0, 1.0, np.sin(angle) / angle)


def lanczos(x: np.ndarray) -> np.ndarray:
    """Return the sinc function windowed by one three times as wide."""
    return np.where((x >= -3.0) & (x < 3.0), sinc(x) * sinc(x / 3), 0.0)


# mode: (filter, its support)
FILTERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "box": (box, 0.5),
    "bilinear": (triangle, 1.0),
    "hamming": (hamming, 1.0),
    "bicubic": (cubic, 2.0),
    "lanczos": (lanczos, 3.0),
}
PLAIN_KINDS = {"bilinear": "linear", "bicubic": "bicubic", "lanczos": "lanczos"}


def table(
    size_in: int, size_out: int, mode: str, antialias: bool, coordinates: Any = np.float64, real: Any = np.float64
) -> AxisTable | None:
    """Return the weights of an axis, in `real`; None where nothing changes.

    `coordinates` is the dtype in which plain interpolation places its outputs, as `interpolate` does.
    """
    if size_in == size_out:
        return None
    made: AxisTable = _kept(_table, size_in, size_out, mode, antialias, coordinates, real)
    return made


def fixed_table(size_in: int, size_out: int, mode: str, antialias: bool, pillow: bool) -> AxisTable | None:
    """Return the weights of an axis as int32 multiples of 2**-22; None where nothing changes.

    As Pillow rounds them, each to nearest, if `pillow`; else their running sums are rounded, so that they
    add up to 1 exactly and a plane of one value keeps it, whatever the value and the number of taps.
    """
    if size_in == size_out:
        return None
    made: AxisTable = _kept(_fixed_table, size_in, size_out, mode, antialias, pillow)
    return made


def identity(size: int) -> AxisTable:
    """Return the fixed-point table that keeps an axis as it is."""
    return AxisTable(
        size, size, np.arange(size, dtype=np.int64), np.ones(size, np.int64), np.full((size, 1), 1 << BITS, np.int32)
    )


def nearest_indices(size_in: int, size_out: int) -> np.ndarray:
    """Pillow's nearest source index of each output: the floor of a running sum in float64, from half a step."""
    made: np.ndarray = _kept(_nearest_indices, size_in, size_out)
    return made


def _nearest_indices(size_in: int, size_out: int) -> np.ndarray:
    _plan_resample.afford(size_out, 16)
    step = size_in / size_out
    positions = np.full(size_out, step)
    positions[0] = step * 0.5
    indices = np.minimum(np.cumsum(positions, out=positions).astype(np.int64), size_in - 1)
    indices.flags.writeable = False
    return indices


def _kept(build: Callable[..., Any], size_in: int, size_out: int, *options: object) -> Any:
    if size_in + size_out > CACHED_EXTENT:
        return build(size_in, size_out, *options)
    return _cached(build, size_in, size_out, *options)


@lru_cache(maxsize=128)
def _cached(build: Callable[..., Any], *arguments: object) -> Any:
    return build(*arguments)


def _table(
    size_in: int, size_out: int, mode: str, antialias: bool, coordinates: Any = np.float64, real: Any = np.float64
) -> AxisTable:
    kind = "area" if mode == "area" else PLAIN_KINDS.get(mode)
    if antialias and mode != "area":
        return _widened(size_in, size_out, mode, real, lambda weights: weights)
    _plan_resample.afford(size_out, 128)
    if kind is None:
        return _plain(size_in, size_out, mode, real)
    made = _plan_resample.table(_plan_resample.Axis(kind, size_in, size_out), coordinates, real)
    assert made is not None
    return made


def _fixed_table(size_in: int, size_out: int, mode: str, antialias: bool, pillow: bool) -> AxisTable:
    rounding = _each_rounded if pillow else _sum_kept
    if antialias and mode != "area":
        return _widened(size_in, size_out, mode, np.int32, rounding)
    made = _table(size_in, size_out, mode, antialias)
    return replace(made, weights=rounding(made.weights))


def _each_rounded(weights: np.ndarray) -> np.ndarray:
    """Multiples of 2**-22, each the nearest, halves away from zero."""
    scaled = weights * (1 << BITS)
    return np.trunc(scaled + np.where(weights < 0, -0.5, 0.5)).astype(np.int32)


def _sum_kept(weights: np.ndarray) -> np.ndarray:
    """Multiples of 2**-22 whose running sums are the nearest to those of `weights`."""
    sums = np.rint(np.cumsum(weights, axis=1) * (1 << BITS)).astype(np.int32)
    return np.diff(sums, axis=1, prepend=np.int32(0))


def _widened(
    size_in: int, size_out: int, mode: str, dtype: Any, rounding: Callable[[np.ndarray], np.ndarray]
) -> AxisTable:
    """Pillow's table: the filter stretched by in / out where that is above 1, cut at the borders, its sum made 1."""
    function, reach = FILTERS[mode]
    scale = size_in / size_out
    stretch = max(scale, 1.0)
    support = reach * stretch
    taps = min(math.ceil(support) * 2 + 1, size_in)
    _plan_resample.afford(size_out, 16 + taps * np.dtype(dtype).itemsize)
    start = np.empty(size_out, np.int64)
    count = np.empty(size_out, np.int64)
    weights = np.empty((size_out, taps), dtype)
    step = max(1, BLOCK // taps)
    for first in range(0, size_out, step):
        part = slice(first, min(first + step, size_out))
        center = (np.arange(part.start, part.stop) + 0.5) * scale
        start[part] = np.maximum((center - support + 0.5).astype(np.int64), 0)
        count[part] = np.minimum((center + support + 0.5).astype(np.int64), size_in) - start[part]
        source = np.arange(taps) + start[part, None]
        values = function((source - center[:, None] + 0.5) * (1.0 / stretch))
        values[np.arange(taps) >= count[part, None]] = 0.0
        sums = np.cumsum(values, axis=1)[:, -1:]  # a running sum: the order of additions is Pillow's
        weights[part] = rounding(np.divide(values, sums, out=values, where=sums != 0))
    return AxisTable(size_in, size_out, start, count, weights)


def _plain(size_in: int, size_out: int, mode: str, real: Any) -> AxisTable:
    """Place the filter as it is at half-pixel centres; taps outside are the border's pixels."""
    function, _ = FILTERS[mode]
    position = (np.arange(size_out) + 0.5) * (size_in / size_out) - 0.5
    left = np.floor(position)
    source = left[:, None] + np.arange(2)
    values = function(source - position[:, None])
    values /= values.sum(1, keepdims=True)
    return _plan_resample._clamped(size_in, source.astype(np.int64), values, real)
