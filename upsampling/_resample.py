"""From arrays and tables to the resampling kernels: layouts, order of passes, tasks.

`src` and `dst` are (N, C, *space) arrays of one dtype, both in C order or both in channels-last order. All choices
made here depend on sizes alone, so that the result's bits do too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import _arrays, _kernels, _plan_resample
from ._plan_resample import AxisTable
from ._repeat import Step
from ._threads import threads_for

# dtype: its kind in pyx/storage.h. Integers are computed in float64, so that each is the exact result rounded.
KINDS = {"float16": 2, "bfloat16": 3, "uint8": 4, "int8": 5, "uint16": 6, "int16": 7}
# Elements that a task writes at least, tasks for each thread at least where there is as much, and elements of a row
# that a task works on at a time (they stay in cache: docs/design.md has the measurement).
TASK = 2**15
TASKS = 8
TILE = 3 * 2**9
# Taps of the height axis up to which its rows are kept in a ring; beyond, the scratch would grow with the taps.
RING = 16
# Bytes of a result from which on it is stored past the caches, which would not hold it; of a copy, bytes of source and
# result together. But not to new pages, which the system has just cleared in the caches, and not where a core waits
# longer for such stores than for plain ones.
STREAMED = 2**24
STREAMED_COPY = 7 * 2**22
STREAMS = _kernels.cpu.streams()
# Bytes of a row of a copy up to which the rows of a plane are taken for one, bytes of a plane up to which that is done,
# and planes from which on: a list is made for a whole plane.
SHORT_ROW = 128
SMALL_PLANE = 2**13
MANY_PLANES = 32
# Vectors up to which rows are short, and bytes up to which LANES planes and their results are small: such planes are
# resampled abreast.
SHORT_ROWS = 5
ABREAST = 2**19
# What one tap along a row costs, in taps across rows.
ALONG = 3


class Volume(NamedTuple):
    """An array as (planes, D, H, W, inner) elements; `sizes` are (in, out) pairs of D, H, W, `steps` their tables."""

    planes: int
    sizes: tuple[tuple[int, int], ...]
    steps: tuple[Any, ...]
    inner: int


def volume(src: np.ndarray, dst: np.ndarray, steps: Sequence[Any]) -> Volume:
    """Merge the axes that keep their sizes (whose step is None) into their neighbours."""
    last = _arrays.is_channels_last(src)
    batch, channels = src.shape[:2]
    planes, inner = (batch, channels) if last else (batch * channels, 1)
    pad = 5 - src.ndim
    sizes = [(1, 1)] * pad + list(zip(src.shape[2:], dst.shape[2:], strict=True))
    steps = [None] * pad + list(steps)
    if steps[0] is None:
        planes, sizes[0] = planes * sizes[0][0], (1, 1)
    elif steps[1] is None and steps[2] is None:
        rest = prod(size for size, _ in sizes[1:])
        sizes, steps = [(1, 1), sizes[0], (rest, rest)], [None, steps[0], None]
    if steps[0] is None and steps[1] is None:
        rows = planes * sizes[1][0]
        planes, sizes[1] = 1, (rows, rows)
    return Volume(planes, tuple(sizes), tuple(steps), inner)


def memory(array: np.ndarray, channels_last: bool) -> np.ndarray:
    """View an array's elements, as they lie in memory, as bytes."""
    ordered = np.moveaxis(array, 1, -1) if channels_last else array
    assert ordered.flags.c_contiguous
    return ordered.reshape(-1).view(np.uint8)


def precision_of(dtype: np.dtype) -> type:
    """Return the dtype in which arrays of `dtype` are computed."""
    return np.float64 if dtype.name == "float64" or dtype.kind in "iu" else np.float32


def resample(
    src: np.ndarray,
    dst: np.ndarray,
    tables: Sequence[AxisTable | None],
    precision: type | None = None,
    *,
    used: bool = False,
) -> list[Step]:
    """Write to `dst` the array `src` resampled by one table for each space axis (None: the axis keeps its size).

    `precision` is float32 or float64, the dtype of the arithmetic; by default, `precision_of` the arrays' dtype. `used`
    says that the result's pages are there.
    Return the kernel's call, if there was one, for `_repeat.remember`.
    """
    if dst.size == 0:
        return []
    if all(table is None for table in tables):
        dst[...] = src
        return []
    real = np.dtype(precision or precision_of(src.dtype))
    kind = 0 if src.dtype == real else 1 if src.dtype == np.float32 else KINDS[src.dtype.name]
    planes, sizes, steps, inner = volume(src, dst, tables)
    taps = [1 if table is None else table.weights.shape[1] for table in steps]
    last = _arrays.is_channels_last(src)
    work = dst.size * (1 + sum(taps))
    threads = threads_for(work)
    kernel = _kernels.load("resample", f"f{8 * real.itemsize}")
    lanes, longest = kernel.lanes()
    if abreast := inner == 1 and _are_small(planes, sizes, lanes, real.itemsize):
        inner = lanes
    row = sizes[2][1] * inner
    arguments = (
        memory(src, last),
        memory(dst, last),
        kind,
        src.itemsize,
        planes,
        sizes,
        inner,
        tuple((None,) * 3 if t is None else (t.start, t.count, t.weights.astype(real, copy=False)) for t in steps),
        _spread(steps[2], inner, real, lanes, longest),
        _height_first(sizes, taps, steps[2] is None),
        sizes[1][1] if abreast else _band(planes * sizes[0][1], sizes[1][1], taps[1], row, threads),
        TILE,
        used and STREAMS and dst.nbytes >= STREAMED and not abreast,
        abreast,
        threads,
    )
    kernel.resample(*arguments)
    return [] if STREAMS and dst.nbytes >= STREAMED else [(kernel.resample, arguments, work)]


def _are_small(planes: int, sizes: Sequence[tuple[int, int]], lanes: int, itemsize: int) -> bool:
    """Return whether planes are resampled abreast: they are many, small, and of short rows."""
    pixels = prod(size for size, _ in sizes) + prod(size for _, size in sizes)
    return planes >= lanes and max(sizes[2]) <= SHORT_ROWS * lanes and pixels * lanes * itemsize <= ABREAST


def _spread(table: AxisTable | None, inner: int, real: np.dtype, lanes: int, longest: int) -> tuple[Any, ...] | None:
    spread = None if table is None else table.spread(inner, real, lanes, longest)
    return None if spread is None else tuple(spread)


def resample_in_passes(src: np.ndarray, dst: np.ndarray, tables: Sequence[AxisTable | None]) -> list[Step]:
    """Resample 8-bit pictures in integers, the width first, each of the two results rounded.

    The weights of `tables` count units of 2**-22; see pyx/fixed.pyx. Return the kernel's call as `resample` does.
    """
    down, along = tables
    if down is None and along is None:
        dst[...] = src
        return []
    pixels, results = (_rows_of_pixels(array, _arrays.is_channels_last(src)) for array in (src, dst))
    down = down or _plan_resample.fixed_identity(src.shape[2])
    width = along or down
    work = dst.size * (down.weights.shape[1] + (width.weights.shape[1] if along else 0))
    arguments = (
        pixels, results, width.start, width.count, width.weights, down.start, down.count, down.weights,
        along is not None, False, threads_for(work),
    )  # fmt: skip
    kernel = _kernels.load("fixed", "u8")
    kernel.resize(*arguments)
    return [(kernel.resize, arguments, work)]


def _rows_of_pixels(array: np.ndarray, channels_last: bool) -> np.ndarray:
    """View an (N, C, H, W) array as (pictures, H, W, channels of a pixel)."""
    if channels_last:
        return np.moveaxis(array, 1, -1)
    return array.reshape(-1, *array.shape[2:])[..., None]


def _band(planes: int, height: int, taps: int, row: int, threads: int) -> int:
    """Return the rows of a task: as many as leave enough tasks, for rows at their borders are resampled twice."""
    bands = -(-TASKS * threads // planes)
    return max(-(-height // bands), 16 * taps, -(-TASK // row))


def _height_first(sizes: Sequence[tuple[int, int]], taps: Sequence[int], width_kept: bool) -> bool:
    """Decide whether rows are summed over the height before they are resampled along, whatever the layout."""
    if width_kept or taps[1] > RING:
        return True
    (_, (height_in, height_out), (width_in, width_out)) = sizes
    along = taps[2] * ALONG
    width_first = min(height_in, height_out * taps[1]) * width_out * along + height_out * width_out * taps[1]
    return height_out * width_in * taps[1] + height_out * width_out * along <= width_first


def _places(sizes: Sequence[tuple[int, int]], steps: Sequence[np.ndarray | None], item: int, step: int) -> Any:
    """Return where in a plane its results' items are, for planes whose rows are taken for one; None where they are not.

    Vectors of `step` bytes are each made out of two of the source at most: not so where one holds the end of a long row
    and its beginning again.
    """
    (_, height), (width_in, width) = sizes[1:]
    down, along = steps[1:]
    if along is None or step % item or height * width * item < step:
        return None
    down = np.arange(height, dtype=np.int64) if down is None else down
    places = (down[:, None] * width_in + along).reshape(-1)
    first = np.minimum(np.arange(0, len(places), step // item), len(places) - step // item)
    of_vector = places[first[:, None] + np.arange(step // item)]
    near = bool(((np.ptp(of_vector, axis=1) + 1) * item <= 2 * step).all())
    return places if near or width * item < step else None


def gather(src: np.ndarray, dst: np.ndarray, indices: Sequence[np.ndarray | None], *, used: bool = False) -> list[Step]:
    """Write to `dst` the items of `src` at one index array for each space axis (None: the axis keeps its size).

    `used` says that the result's pages are there.

    Return the kernel's call, if there was one, for `_repeat.remember`.
    """
    if dst.size == 0 or dst.itemsize == 0:
        return []
    if all(index is None for index in indices):
        dst[...] = src
        return []
    planes, sizes, steps, inner = volume(src, dst, indices)
    last = _arrays.is_channels_last(src)
    item = src.itemsize * inner
    module = _kernels.load("gather", "bytes")
    kernel, row = module.gather, sizes[2][1] * item
    if row <= SHORT_ROW and sizes[1][1] * row <= SMALL_PLANE and planes * sizes[0][1] >= MANY_PLANES:
        places = _places(sizes, steps, item, 16 if item % 4 else module.vector())
        if places is not None:
            sizes = (sizes[0], (1, 1), (sizes[1][0] * sizes[2][0], len(places)))
            steps = (steps[0], None, places)
    work = dst.nbytes // 4
    streamed = STREAMS and src.nbytes + dst.nbytes >= STREAMED_COPY
    arguments = (
        memory(src, last),
        memory(dst, last),
        planes,
        sizes,
        item,
        *steps,
        max(4, -(-4 * TASK // (sizes[2][1] * item))),
        used and streamed,
        threads_for(work),
    )
    kernel(*arguments)
    return [] if streamed else [(kernel, arguments, work)]
