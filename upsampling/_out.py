"""Where results go, without kernels: a new array, or the caller's `out`, which is checked first.

Shared with the reference layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._args import shown


def no_room(shape: Sequence[int], dtype: np.dtype) -> str:
    """Return the message for an array that cannot be had."""
    return f"the arguments need an array of shape {shown(tuple(shape))} and dtype {dtype}, which does not fit in memory"


def new(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Return an uninitialised array of NumPy's own; MemoryError where it cannot be had."""
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):  # as NumPy says of more bytes than it can count
        raise MemoryError(no_room(shape, dtype)) from None


def check_out(out: Any, shape: Sequence[int], dtype: Any) -> None:
    """Refuse an `out` that a result of `shape` and `dtype` cannot be written to."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an ndarray, got {shown(out)} of type {type(out).__name__}")
    if out.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise TypeError(f"out must have dtype {dtype}, got {out.dtype}")
    if out.shape != tuple(shape):
        raise ValueError(f"out must have shape {tuple(shape)}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    if _overlaps_itself(out):
        raise ValueError("out must not overlap itself, got an array in which elements share memory")


def _overlaps_itself(array: np.ndarray) -> bool:
    """Whether two elements of an array share memory."""
    if array.size < 2:
        return False
    axes = sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1)
    reach = array.itemsize
    for stride, extent in axes:
        if stride < reach:
            break
        reach += stride * (extent - 1)
    else:
        return False  # each axis steps over all that the axes of smaller strides cover
    if axes[0][0] == 0:
        return True
    # Elements may lie between each other and yet apart: look at all their addresses.
    addresses = np.zeros((), np.int64)
    for stride, extent in axes:
        addresses = (addresses[..., None] + stride * np.arange(extent, dtype=np.int64)).ravel()
    addresses.sort()
    return bool((np.diff(addresses) < array.itemsize).any())


def deliver(result: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """Copy `result` into a checked `out` where it was computed elsewhere; return what the caller gets."""
    if out is None:
        return result
    if not np.may_share_memory(result, out):
        out.view(np.ndarray)[...] = result if result.ndim == out.ndim else result[0]
    return out


def checked_delivery(result: np.ndarray, out: Any) -> np.ndarray:
    """Copy a new `result` into an `out` that was not checked before; return what the caller gets."""
    if out is not None:
        check_out(out, result.shape, result.dtype)
    return deliver(result, out)
