"""Resampling tables: every mode, as one table for each axis, made from sizes alone.

Row o of a table says which source elements output o is made of, and with what weights. This is the only
place of the compiled layer where a mode is known; the kernels see tables.

PyTorch's coordinate arithmetic is followed operation by operation where it decides a result: nearest
indices (float32, with one fused multiply-add in its general loops) and the source coordinates of the
plain linear and cubic modes. Weights are computed from the coordinate in float64 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

# Tables for axes of at most this many elements are kept, so that the cache holds some tens of MiB at most.
CACHED_EXTENT = 2**14
CACHED_TABLES = 256
# A few tables of longer axes are kept too: 16 MiB each at most, and making one takes as long as resampling some rows.
LONG_EXTENT = 2**18
LONG_TABLES = 4
# Weights that are made at once, so that the temporary arrays of a long axis take some MiB.
BLOCK = 2**18
# Taps times vectors of a window up to which windows of several vectors are faster than transposed columns.
FAR = 72
BY_PIXELS = 16  # as in pyx/along.pxd


@dataclass(frozen=True)
class AxisTable:
    """Output o is the sum over t < count[o] of weights[o, t] * source[start[o] + t]."""

    size_in: int
    size_out: int
    start: np.ndarray
    count: np.ndarray
    weights: np.ndarray
    spreads: dict[tuple[int, str, int, int], Spread | None] = field(default_factory=dict, compare=False)

    def spread(self, inner: int, dtype: np.dtype, lanes: int, longest: int) -> Spread | None:
        """Return the table by elements of rows of `inner` numbers a pixel, kept with the table once it is made."""
        key = inner, dtype.char, lanes, longest
        if key not in self.spreads:
            self.spreads[key] = _spread(self, inner, dtype, lanes, longest)
        return self.spreads[key]


class Spread(NamedTuple):
    """A table by elements: element e is the sum over t < counts[e] of weights[t, e] * source[first[e] + t * inner].

    What a vector of elements reads lies in `windows` vectors of the source, which begin at `least` of its first
    element. Elements low ... high - 1 have all taps; the others' missing taps have weight -0, which changes no sum.
    For those with all taps `each` may be how many vectors one tap of a vector reads; with BY_PIXELS pixels are loaded
    one by one for all elements, and `windows` is 1 whatever they read.
    """

    windows: int
    first: np.ndarray
    counts: np.ndarray
    least: np.ndarray
    weights: np.ndarray
    low: int
    high: int
    each: int


class Axis(NamedTuple):
    """What a table is made from; `scale` is the scale factor where it decides the coordinates, else None."""

    kind: str
    size_in: int
    size_out: int
    scale: float | None = None
    align_corners: bool = False
    antialias: bool = False


def keeps(axis: Axis) -> bool:
    """Whether resampling along this axis is the identity, so that it needs no table.

    Where the sizes are equal, PyTorch's linear and antialiased modes copy whatever the scale factor is; the
    others use it.
    """
    if axis.size_in != axis.size_out:
        return False
    copies = axis.kind in ("linear", "area") or axis.antialias or axis.align_corners
    return copies or axis.scale is None or axis.scale == 1.0


def table(axis: Axis, coordinates: Any = np.float64, weights: Any = np.float64) -> AxisTable | None:
    """Return the table of an axis, None if it is the identity.

    `coordinates` is the dtype of PyTorch's coordinate arithmetic, `weights` that of the weights.
    """
    if keeps(axis):
        return None
    made: AxisTable = _kept(_build, axis, np.dtype(coordinates).type, np.dtype(weights).type)
    return made


def _kept(build: Callable[..., Any], axis: Axis, *arguments: Any) -> Any:
    """Return build(axis, *arguments), cached unless the axis is too long."""
    extent = axis.size_in + axis.size_out
    if extent > LONG_EXTENT:
        return build(axis, *arguments)
    return (_cached if extent <= CACHED_EXTENT else _cached_long)(build, axis, *arguments)


@lru_cache(maxsize=CACHED_TABLES)
def _cached(build: Callable[..., Any], *arguments: Any) -> Any:
    return build(*arguments)


@lru_cache(maxsize=LONG_TABLES)
def _cached_long(build: Callable[..., Any], *arguments: Any) -> Any:
    return build(*arguments)


def afford(size_out: int, each: int) -> None:
    """Raise MemoryError now, not half-way, where a table of `each` bytes for an output cannot be had."""
    np.empty(size_out * each, np.uint8)


def _build(axis: Axis, coordinates: type, weights: type) -> AxisTable:
    afford(axis.size_out, 24 * (1 + _most_taps(axis)))
    blocks = _blocks(axis)
    outputs = next(blocks)
    if len(outputs) == axis.size_out:
        return _part(axis, coordinates, weights, outputs)
    start, count = np.empty(axis.size_out, np.int64), np.empty(axis.size_out, np.int64)
    values: np.ndarray = np.zeros((axis.size_out, _most_taps(axis)), weights)
    for outputs in _blocks(axis):
        part = _part(axis, coordinates, weights, outputs)
        here = slice(outputs[0], outputs[-1] + 1)
        start[here], count[here] = part.start, part.count
        values[here, : part.weights.shape[1]] = part.weights
    return _frozen(axis.size_in, start, count, values)


def _part(axis: Axis, coordinates: type, weights: type, outputs: np.ndarray) -> AxisTable:
    """Return the table of some `outputs`."""
    if axis.kind == "area":
        return _area(axis, weights, outputs)
    if axis.antialias:
        return _antialiased(axis, weights, outputs)
    return _plain(axis, coordinates, weights, outputs)


def _most_taps(axis: Axis) -> int:
    """Return how many weights an output has at most."""
    if axis.kind == "area":
        most = axis.size_in // axis.size_out + 2
    else:
        stretch = max(float(step(axis, np.float64)), 1.0) if axis.antialias else 1.0
        most = 2 * math.ceil(FILTERS[axis.kind][1] * stretch) + (1 if axis.antialias else 0)
    return min(most, axis.size_in)


def _blocks(axis: Axis) -> Iterator[np.ndarray]:
    """Cut an axis' outputs into ranges that have no more than about `BLOCK` weights each."""
    rows = max(1, BLOCK // (8 * max(1, axis.size_in // axis.size_out)))
    for first in range(0, axis.size_out, rows):
        yield np.arange(first, min(first + rows, axis.size_out), dtype=np.int64)


def step(axis: Axis, dtype: type) -> Any:
    """Return how far the source coordinate moves from one output to the next, in PyTorch's arithmetic of `dtype`."""
    if axis.align_corners:
        return dtype(axis.size_in - 1) / dtype(axis.size_out - 1) if axis.size_out > 1 else dtype(0)
    if axis.scale is not None:
        return dtype(1.0 / axis.scale)
    return dtype(axis.size_in) / dtype(axis.size_out)


def _fused(a: np.ndarray, b: Any, c: float) -> np.ndarray:
    """Compute a * b + c, for float32 rounded once (the product of two float32 is exact in float64)."""
    if a.dtype == np.float32:
        return (a.astype(np.float64) * np.float64(b) + c).astype(np.float32)
    return a * b + c


def source(axis: Axis, dtype: type, outputs: np.ndarray) -> np.ndarray:
    """Return the outputs' source coordinates, in PyTorch's arithmetic of `dtype` (fusing the half-pixel shift)."""
    outputs = outputs.astype(dtype)
    moved = step(axis, dtype)
    return outputs * moved if axis.align_corners else _fused(outputs + dtype(0.5), moved, -0.5)


def nearest_indices(axis: Axis, arithmetic: str) -> np.ndarray | None:
    """Return the source index of each output for the modes nearest and nearest-exact; None if it is the identity.

    `arithmetic` names which of PyTorch's loops is followed: "small" (two-dimensional results of at most 128 rows and
    columns together; float32; nearest copies equal sizes and doubles double ones whatever the scale factor is),
    "single" and "double" (its general loops, for float32 and narrower and for float64). All round the coordinate to
    float32 before its floor.
    """
    if keeps(axis) or (axis.size_in == axis.size_out and axis.kind == "nearest" and arithmetic == "small"):
        return None
    made: np.ndarray = _kept(_indices, axis, arithmetic)
    return made


def _indices(axis: Axis, arithmetic: str) -> np.ndarray:
    indices = np.empty(axis.size_out, np.int64)
    for outputs in _blocks(axis._replace(size_in=1)):
        indices[outputs[0] : outputs[-1] + 1] = _nearest(axis, arithmetic, outputs)
    indices.flags.writeable = False
    return indices


def _nearest(axis: Axis, arithmetic: str, outputs: np.ndarray) -> np.ndarray:
    dtype = np.float64 if arithmetic == "double" else np.float32
    numbers = outputs.astype(dtype)
    if axis.kind == "nearest" and arithmetic == "small" and axis.size_out == 2 * axis.size_in:
        position = numbers * dtype(0.5)  # whatever the scale factor is
    elif axis.kind == "nearest":
        position = numbers * step(axis, dtype)
    elif arithmetic == "small":
        position = (numbers + dtype(0.5)) * step(axis, dtype)
    else:
        position = np.maximum(source(axis, dtype, outputs), dtype(0)) + dtype(0.5)
    return np.minimum(np.floor(position.astype(np.float32)).astype(np.int64), axis.size_in - 1)


FIXED_ONE = 1 << 22


def fixed_point_table(axis: Axis) -> AxisTable | None:
    """Return the table of PyTorch's arithmetic for 8-bit pictures: weights rounded to multiples of a power of two.

    They are int32 numbers of units of 2**-22, which are multiples of a larger unit where a weight is large.
    """
    if axis.size_in == axis.size_out:
        return None
    made: AxisTable = _kept(_fixed, axis)
    return made


def _fixed(axis: Axis) -> AxisTable:
    made = _build(axis, np.float64, np.float64)
    # The largest power of two, up to 2**22, at which the largest weight stays below 2**15.
    unit = 1 << next((bits for bits in range(22) if int(made.weights.max() * 2 ** (bits + 1) + 0.5) >= 2**15), 22)
    scaled = made.weights * unit
    rounded = np.trunc(scaled + np.copysign(0.5, scaled)) * (FIXED_ONE // unit)
    return _in_order(_frozen(made.size_in, made.start, made.count, rounded.astype(np.int32)))


def _in_order(table: AxisTable) -> AxisTable:
    """Widen windows by taps of weight 0 where the next one begins, or the one before ends, beyond them."""
    start = np.minimum.accumulate(table.start[::-1])[::-1]
    count = np.maximum.accumulate(table.start + table.count) - start
    if (count == table.count).all():
        return table
    values = np.zeros((table.size_out, int(count.max())), table.weights.dtype)
    outputs, taps = np.nonzero(np.arange(table.weights.shape[1]) < table.count[:, None])
    values[outputs, (table.start - start)[outputs] + taps] = table.weights[outputs, taps]
    return _frozen(table.size_in, start, count, values)


def fixed_identity(size: int) -> AxisTable:
    """Return the table in units of 2**-22 that keeps an axis as it is."""
    ones = np.ones(size, np.int64)
    return _frozen(size, np.arange(size, dtype=np.int64), ones, np.full((size, 1), FIXED_ONE, np.int32))


def index_table(indices: np.ndarray, size_in: int, weights: Any = np.float64) -> AxisTable:
    """Turn indices into a table: one tap of weight 1 for each output."""
    ones = np.ones(len(indices), np.int64)
    return _frozen(size_in, indices, ones, ones.astype(weights)[:, None])


def _frozen(size_in: int, start: np.ndarray, count: np.ndarray, weights: np.ndarray) -> AxisTable:
    """Make a table of read-only arrays in C order, because it may be shared by a cache."""
    arrays = np.ascontiguousarray(start), np.ascontiguousarray(count), np.ascontiguousarray(weights)
    for array in arrays:
        array.flags.writeable = False
    return AxisTable(size_in, len(start), *arrays)


def _each(windows: int, own: int, pixel: int, vector: int) -> int:
    """Return of how many vectors each tap is picked alone, or BY_PIXELS; 0: of one window for all taps, of `windows`.

    `own` is how many vectors a tap's window has, `pixel` and `vector` are sizes in bytes. To pick from two vectors
    takes one instruction with vectors of 64 bytes, three with those of 32; with those of 16 it is left as it is. A
    vector of 64 bytes takes 7 instructions to be made of pixels, so that up to 4 vectors are picked from.
    """
    most, most_of_pixels = {32: (1, 1), 64: (2, 4)}.get(vector, (windows, windows))
    if windows <= most:
        return 0
    if pixel == 16 and windows > most_of_pixels:
        return BY_PIXELS
    return own if own <= 2 and own < windows else 0


def far_windows_pay(windows: int, taps: int, inner: int, lanes: int) -> bool:
    """Decide between windows of more than two vectors and the other ways along rows, by permutations."""
    return inner < lanes and taps * windows <= FAR


def _spread(table: AxisTable, inner: int, dtype: np.dtype, lanes: int, longest: int) -> Spread | None:
    """Return a table by elements, None where windows are too short for it or another way is faster."""
    integers = np.dtype(f"i{dtype.itemsize}")
    taps = table.weights.shape[1]
    if table.size_in * inner > np.iinfo(integers).max or (taps - 1) * inner >= longest * lanes:
        return None
    first = (table.start[:, None] * inner + np.arange(inner)).ravel()
    counts = np.repeat(table.count, inner)
    missing = max(lanes - len(first), 0)
    first, counts = np.pad(first, (0, missing), "edge"), np.pad(counts, (0, missing))
    least = np.minimum.accumulate(first[::-1])[::-1]
    ends = np.maximum.accumulate(first + np.maximum(counts - 1, 0) * inner)
    reach = int((ends[lanes - 1 :] - least[: len(least) - lanes + 1]).max()) + 1
    windows = 1 << (-(-reach // lanes) - 1).bit_length()
    span = int((np.maximum.accumulate(first)[lanes - 1 :] - least[: len(least) - lanes + 1]).max()) + 1
    each = _each(windows, -(-span // lanes), inner * dtype.itemsize, lanes * dtype.itemsize)
    if each == BY_PIXELS:
        windows = 1
    if windows > 2 and (windows > longest or not far_windows_pay(windows, taps, inner, lanes)):
        return None
    weights = np.pad(np.repeat(table.weights.T.astype(dtype), inner, axis=1), ((0, 0), (0, missing)))
    tap = np.arange(taps)[:, None]
    weights[(tap >= counts) & (tap > 0)] = -0.0
    whole = np.flatnonzero(counts < taps)
    edges = np.concatenate(([-1], whole, [len(first)]))
    longest = int(np.diff(edges).argmax())
    first, counts, least = (np.ascontiguousarray(array, integers) for array in (first, counts, least))
    low, high = int(edges[longest]) + 1, int(edges[longest + 1])
    return Spread(windows, first, counts, least, weights, low, high, each)


def _area(axis: Axis, weights: type, outputs: np.ndarray) -> AxisTable:
    """Average over floor(o * in / out) ... ceil((o + 1) * in / out) - 1: adaptive average pooling."""
    start = outputs * axis.size_in // axis.size_out
    count = -(-(outputs + 1) * axis.size_in // axis.size_out) - start
    inside = np.arange(count.max()) < count[:, None]
    return _frozen(axis.size_in, start, count, np.where(inside, 1.0 / count[:, None], 0.0).astype(weights))


def triangle(x: np.ndarray) -> np.ndarray:
    """Evaluate the linear filter, of support 1."""
    return np.maximum(1.0 - np.abs(x), 0.0)


def keys(x: np.ndarray, a: float) -> np.ndarray:
    """Evaluate Keys' cubic filter, of support 2."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def lanczos(x: np.ndarray) -> np.ndarray:
    """Evaluate the sinc function windowed by one three times as wide, of support 3."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


# name: (filter when antialiased, its support)
FILTERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "linear": (triangle, 1),
    "bicubic": (lambda x: keys(x, -0.5), 2),
    "lanczos": (lanczos, 3),
}


def _antialiased(axis: Axis, weights: type, outputs: np.ndarray) -> AxisTable:
    """Stretch the filter to the step where that is above 1, cut it at the borders, divide it by its sum."""
    function, reach = FILTERS[axis.kind]
    moved = float(step(axis, np.float64))
    stretch = max(moved, 1.0)
    support, size_in = reach * stretch, axis.size_in
    center = (outputs + 0.5) * moved
    start = np.minimum(np.maximum((center - support + 0.5).astype(np.int64), 0), size_in - 1)
    end = np.minimum((center + support + 0.5).astype(np.int64), size_in)
    count = np.maximum(end - start, 1)
    taps = np.arange(count.max())
    values = function((taps + (start + 0.5 - center)[:, None]) / stretch)
    values[taps >= count[:, None]] = 0.0
    total = values.sum(1, keepdims=True)
    return _trimmed(size_in, start, count, values / np.where(total == 0, 1, total), weights)


def _trimmed(size_in: int, start: np.ndarray, count: np.ndarray, values: np.ndarray, weights: Any) -> AxisTable:
    """Leave out the taps of weight 0 at either end of the windows."""
    present = values != 0
    first = np.where(present.any(1), present.argmax(1), 0)
    last = np.where(present.any(1), values.shape[1] - present[:, ::-1].argmax(1), 1)
    count = last - first
    taps = np.arange(count.max())
    # By flat places: NumPy ends the process where indexing by arrays has no memory.
    at = np.minimum(first[:, None] + taps, values.shape[1] - 1) + np.arange(0, values.size, values.shape[1])[:, None]
    shifted = values.take(at)
    return _frozen(size_in, start + first, count, np.where(taps < count[:, None], shifted, 0.0).astype(weights))


def _plain(axis: Axis, coordinates: type, weights: type, outputs: np.ndarray) -> AxisTable:
    """Interpolate between the neighbours of the source coordinate; outside the source, they are its border's pixels."""
    position = source(axis, coordinates, outputs)
    if axis.kind == "linear":
        position = np.maximum(position, coordinates(0))
    left = np.floor(position)
    fraction = (position - left).astype(np.float64)[:, None]
    left = left.astype(np.int64)[:, None]
    if axis.kind == "linear":
        taps, values = np.arange(0, 2), np.concatenate([1.0 - fraction, fraction], 1)
    elif axis.kind == "bicubic":
        taps = np.arange(-1, 3)
        values = keys(fraction - taps, -0.75)
    else:
        taps = np.arange(-2, 4)
        values = lanczos(fraction - taps)
        values /= values.sum(1, keepdims=True)
    return _clamped(axis.size_in, left + taps, values, weights)


def _clamped(size_in: int, indices: np.ndarray, values: np.ndarray, weights: Any) -> AxisTable:
    """Move taps outside the source to its border, where their weights are added up."""
    indices = np.clip(indices, 0, size_in - 1)
    start = indices[:, 0]
    count = indices[:, -1] - start + 1
    merged = np.zeros((len(indices), count.max()))
    rows = np.arange(len(indices))
    for tap in range(indices.shape[1]):
        merged[rows, indices[:, tap] - start] += values[:, tap]
    return _frozen(size_in, start, count, merged.astype(weights))


def transposed(table: AxisTable) -> AxisTable:
    """Return the table of the adjoint: each input gathers from the outputs that it went to, in ascending order."""
    start, end = table.start, table.start + table.count
    # Windows move forward; where rounding made one step back, it is widened with weight 0.
    low = np.minimum.accumulate(start[::-1])[::-1]
    high = np.maximum.accumulate(end)
    inputs = np.arange(table.size_in)
    first = np.searchsorted(high, inputs, "right")
    count = np.maximum(np.searchsorted(low, inputs, "right") - first, 0)
    first = np.minimum(first, max(table.size_out - 1, 0))
    taps = np.arange(max(int(count.max(initial=0)), 1))
    values = np.zeros((table.size_in, len(taps)), table.weights.dtype)
    rows = max(1, BLOCK // len(taps))
    for top in range(0, table.size_in, rows):
        part = slice(top, top + rows)
        outputs = np.minimum(first[part, None] + taps, table.size_out - 1)
        offset = inputs[part, None] - start[outputs]
        used = (taps < count[part, None]) & (offset >= 0) & (offset < table.count[outputs])
        values[part] = np.where(used, table.weights[outputs, np.where(used, offset, 0)], 0)
    return _frozen(table.size_out, first, count, values)


def _transposed(axis: Axis, coordinates: Any, weights: type) -> AxisTable | None:
    """Return the adjoint's table; for nearest modes `coordinates` is the name of an arithmetic."""
    if isinstance(coordinates, str):
        indices = nearest_indices(axis, coordinates)
        return None if indices is None else transposed(index_table(indices, axis.size_in, weights))
    made = table(axis, coordinates, weights)
    return None if made is None else transposed(made)


def transposed_table(axis: Axis, coordinates: Any = np.float64, weights: Any = np.float64) -> AxisTable | None:
    """Return `transposed(table(...))`, cached like the table."""
    made: AxisTable | None = _kept(_transposed, axis, np.dtype(coordinates).type, np.dtype(weights).type)
    return made


def transposed_indices(axis: Axis, arithmetic: str, weights: Any = np.float64) -> AxisTable | None:
    """Return the table of the adjoint of a nearest copy, cached like the indices."""
    made: AxisTable | None = _kept(_transposed, axis, arithmetic, np.dtype(weights).type)
    return made
