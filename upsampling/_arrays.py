"""Memory layout: what a kernel may read in place, and where a result is written.

A kernel reads arrays in C order or in channels-last order (an (N, *space, C) buffer seen as
(N, C, *space)); everything else costs one copy here. A result has the input's order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._args import LARGEST, shown


def is_channels_last(array: np.ndarray) -> bool:
    """Whether an (N, C, *space) array is an (N, *space, C) buffer (and not in C order as well)."""
    return array.ndim > 2 and not array.flags.c_contiguous and np.moveaxis(array, 1, -1).flags.c_contiguous


def readable(array: np.ndarray) -> np.ndarray:
    """The array itself where a kernel can read it in place; else a copy, native, aligned, in C order."""
    native = array.dtype.isnative and array.flags.aligned
    if native and (array.flags.c_contiguous or is_channels_last(array)):
        return array
    if is_channels_last(array):
        return np.moveaxis(_native_copy(np.moveaxis(array, 1, -1)), -1, 1)
    return _native_copy(array)


def _native_copy(array: np.ndarray) -> np.ndarray:
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True, subok=False)


def allocate(shape: Sequence[int], dtype: Any, channels_last: bool = False) -> np.ndarray:
    """An uninitialised array of `shape`, in C order or in channels-last order; MemoryError where it cannot be had."""
    dtype = np.dtype(dtype)
    shape = tuple(shape)
    if math.prod(extent for extent in shape if extent) * dtype.itemsize > LARGEST:
        raise MemoryError(f"a result of shape {shown(shape)} and dtype {dtype} does not fit in memory")
    if channels_last:
        return np.moveaxis(np.empty((shape[0], *shape[2:], shape[1]), dtype), -1, 1)
    return np.empty(shape, dtype)


def target(
    out: np.ndarray | None, shape: Sequence[int], dtype: Any, channels_last: bool, inputs: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Where a kernel writes: `out` itself if it is in the wanted order and shares no memory with `inputs`, else new.

    `out` is checked first, so that a call that raises has written nothing.
    """
    shape = tuple(shape)
    dtype = np.dtype(dtype)
    if out is None:
        return allocate(shape, dtype, channels_last)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an ndarray, got {shown(out)} of type {type(out).__name__}")
    if out.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise TypeError(f"out must have dtype {dtype}, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    ordered = is_channels_last(out) if channels_last else out.flags.c_contiguous
    if ordered and out.dtype.isnative and out.flags.aligned and not any(np.may_share_memory(out, x) for x in inputs):
        return out
    if out.size > 1 and _overlaps_itself(out):
        raise ValueError("out must not overlap itself, got an array in which elements share memory")
    return allocate(shape, dtype, channels_last)


def _overlaps_itself(array: np.ndarray) -> bool:
    """Whether two elements of an array may share memory, judged by its strides."""
    reach = array.itemsize
    for stride, extent in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if stride < reach:
            return True
        reach += stride * (extent - 1)
    return False


def deliver(result: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """Copy `result` into `out` where it was computed elsewhere; return what the caller gets."""
    if out is None or result is out:
        return result
    out[...] = result
    return out


def batched(array: np.ndarray, rank: int) -> np.ndarray:
    """(N, C, *space) or (C, *space) with `rank` space axes as (N, C, *space), a view."""
    return array if array.ndim == rank + 2 else array[None]


def five_axes(array: np.ndarray) -> np.ndarray:
    """(N, C, *space) as (N, C, D, H, W), a view."""
    index = (slice(None), slice(None)) + (None,) * (5 - array.ndim)
    return array[index]


def flat_planes(array: np.ndarray) -> np.ndarray:
    """(N, C, *space) in C or channels-last order as (N, C, positions), a view."""
    if is_channels_last(array):
        last = np.moveaxis(array, 1, -1)
        return np.moveaxis(last.reshape(last.shape[0], math.prod(last.shape[1:-1]), last.shape[-1]), -1, 1)
    return array.reshape(*array.shape[:2], math.prod(array.shape[2:]))
