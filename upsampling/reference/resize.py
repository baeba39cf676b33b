"""Resizing of pictures, from the defining formula.

Along each axis, output i is the weighted mean of the pixels j around its centre

    c = (i + 1/2) * scale,   scale = size_in / size_out,   y[i] = sum_j w[i, j] x[j],
    w[i, j] = f((j + 1/2 - c) / stretch) / (their sum over j),

for the pixels within f's support times `stretch` of the centre. Antialiasing stretches the filter by the scale
where that is above 1. 8-bit and 16-bit results are computed in integers, as Pillow defines them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from .. import _out, _resize_args

__all__ = ["resize"]

ONE = 1 << 22  # the fixed-point weight that stands for 1
HAMMING = float(np.float32(0.54)), float(np.float32(0.46))  # Pillow's constants are single-precision


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


def _box(x: float) -> float:
    return 1.0 if -0.5 < x <= 0.5 else 0.0


def _triangle(x: float) -> float:
    return max(1.0 - abs(x), 0.0)


def _hamming(x: float) -> float:
    if x == 0:
        return 1.0
    return _sinc(x) * (HAMMING[0] + HAMMING[1] * math.cos(math.pi * x)) if abs(x) < 1 else 0.0


def _cubic(x: float, a: float = -0.5) -> float:
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3 <= x < 3 else 0.0


# mode: (filter, its support)
FILTERS: dict[str, tuple[Callable[[float], float], float]] = {
    "box": (_box, 0.5),
    "bilinear": (_triangle, 1.0),
    "hamming": (_hamming, 1.0),
    "bicubic": (_cubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}

# For each output: the first pixel that it is made of, and the weights of that pixel and of those that follow.
Weights = list[tuple[int, list[float]]]


def _antialiased(size_in: int, size_out: int, mode: str) -> Weights:
    """Stretch the filter; leave out the pixels outside the picture."""
    function, support = FILTERS[mode]
    scale = size_in / size_out
    stretch = max(scale, 1.0)
    result = []
    for i in range(size_out):
        centre = (i + 0.5) * scale
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), size_in)
        weights = [function((j - centre + 0.5) * (1.0 / stretch)) for j in range(first, last)]
        total = 0.0
        for weight in weights:
            total += weight
        result.append((first, [weight / total for weight in weights]))
    return result


def _plain(size_in: int, size_out: int, mode: str) -> Weights:
    """Keep the filter as it is; a pixel outside the picture is the border's."""
    function, support = FILTERS[mode]
    if mode == "bicubic":
        function = lambda x: _cubic(x, -0.75)  # noqa: E731
    result = []
    for i in range(size_out):
        centre = (i + 0.5) * (size_in / size_out)
        nearby = range(math.floor(centre - support + 0.5), math.floor(centre + support + 0.5))
        weights = [function(j + 0.5 - centre) for j in nearby]
        inside = [min(max(j, 0), size_in - 1) for j in nearby]
        first = inside[0]
        merged = [0.0] * (inside[-1] - first + 1)
        for j, weight in zip(inside, weights, strict=True):
            merged[j - first] += weight / math.fsum(weights)
        result.append((first, merged))
    return result


def _area(size_in: int, size_out: int) -> Weights:
    """Take the mean over all pixels that touch the interval of length `scale` that an output pixel covers."""
    result = []
    for i in range(size_out):
        first, last = i * size_in // size_out, -(-(i + 1) * size_in // size_out)
        result.append((first, [1.0 / (last - first)] * (last - first)))
    return result


def _weights(size_in: int, size_out: int, mode: str, antialias: bool) -> Weights:
    if mode == "area":
        return _area(size_in, size_out)
    return _antialiased(size_in, size_out, mode) if antialias else _plain(size_in, size_out, mode)


def _fixed(weights: Weights, pillow: bool) -> list[tuple[int, list[int]]]:
    """Round weights to units of 2**-22: each, as Pillow does, or their running sums, so that they add up to 1."""
    result = []
    for first, row in weights:
        if pillow:
            rounded = [int(math.copysign(math.floor(abs(w) * ONE + 0.5), w)) for w in row]
        else:
            sums, running = [0], 0.0
            for w in row:
                running += w
                sums.append(round(running * ONE))
            rounded = [after - before for before, after in pairwise(sums)]
        result.append((first, rounded))
    return result


def _resample(pixels: np.ndarray, axis: int, weights: Any, top: int | None) -> np.ndarray:
    """Weighted sums along an axis; with `top` in integers, rounded to nearest and limited to 0 ... top."""
    pixels = np.moveaxis(pixels, axis, 0)
    rows = []
    for first, row in weights:
        total = np.zeros(pixels.shape[1:], pixels.dtype)
        for tap, weight in enumerate(row):
            total += weight * pixels[first + tap]
        rows.append(total if top is None else np.clip((total + ONE // 2) // ONE, 0, top))
    return np.moveaxis(np.array(rows), 0, axis)


def _nearest(size_in: int, size_out: int) -> list[int]:
    """Pillow's: the pixels that the centres lie in, the centres being a running sum."""
    step = size_in / size_out
    position, result = step * 0.5, []
    for _ in range(size_out):
        result.append(min(int(position), size_in - 1))
        position += step
    return result


def resize(
    image: Any,
    size: Any = None,
    *,
    scale: Any = None,
    mode: str = "bicubic",
    antialias: bool = True,
    out: np.ndarray | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """Resize a picture of shape (H, W) or (H, W, C).

    Rows are resampled first, then columns; an axis that keeps its extent is left alone. Integers: each step gives

        p = floor(sum_j W[i, j] x[j] / 2**22 + 1/2)

    limited to the dtype's range, with W the weights in units of 2**-22, and the columns are resampled first where the
    height loses more than twice as many pixels as the width. Signed integers are moved by half their range before
    and after.

    Parameters
    ----------
    image, size, scale, mode, antialias, out
        As in `upsampling.resize`.
    dtype : dtype, optional
        Compute without fixed-point weights and return this dtype, e.g. ``np.float64``.

    Returns
    -------
    array

    Examples
    --------
    >>> from upsampling import reference
    >>> reference.resize([[0.0, 100.0]], (1, 4), mode="bilinear")
    array([[  0.,  25.,  75., 100.]])
    """
    call = _resize_args.check(image, size, scale, mode, antialias)
    wanted = call.image.dtype.newbyteorder("=") if dtype is None else np.dtype(dtype)
    if out is not None:
        _out.check_out(out, call.shape, wanted)
    result = _out.new(call.shape, wanted)
    if result.size:
        result[...] = _resized(call, exact=dtype is not None)
    return _out.deliver(result, out)


def _resized(call: _resize_args.Resize, exact: bool) -> np.ndarray:
    image, axes = call.image, [(axis, call.image.shape[axis], call.size[axis]) for axis in (1, 0)]
    if call.mode == "nearest":
        for axis, size_in, size_out in axes:
            if size_in != size_out:
                image = np.take(image, _nearest(size_in, size_out), axis)
        return image
    low = np.iinfo(image.dtype).min if image.dtype.kind == "i" else 0
    integers = image.dtype.kind in "iu" and not exact
    top = np.iinfo(image.dtype).max - low if integers else None
    pixels = image.astype(np.int64) - low if integers else image.astype(np.float64)
    pillow = call.antialias and call.mode != "area" and image.dtype == np.uint8
    if integers and _resize_args.columns_first(image.shape, call.size):
        axes.reverse()
    for axis, size_in, size_out in axes:
        if size_in != size_out:
            weights: Any = _weights(size_in, size_out, call.mode, call.antialias)
            pixels = _resample(pixels, axis, _fixed(weights, pillow) if integers else weights, top)
    return pixels + low if integers else pixels
