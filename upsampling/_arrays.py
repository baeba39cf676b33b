"""Memory layout: what a kernel may read in place, and where a result is written.

A kernel reads arrays in C order or in channels-last order (an (N, *space, C) buffer seen as
(N, C, *space)); everything else costs one copy here. A result has the input's order.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._args import LARGEST
from ._kernels.calls import recording
from ._kernels.memory import Memory, let_go, piece_of, set_kept
from ._out import check_out, new, no_room

# Bytes from which on a result has memory that was kept from earlier ones (pyx/kept.pyx), and how many are kept at
# most: docs/design.md has the measurements. UPSAMPLING_KEPT_MIB=0 keeps nothing.
LARGE = 2**21


def _kept() -> int:
    text = os.environ.get("UPSAMPLING_KEPT_MIB", "128").strip()
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**40:
        raise ValueError(f"UPSAMPLING_KEPT_MIB must be a number of MiB, 0 or more, got {text!r}")
    return 2**20 * int(text)


KEPT = _kept()
set_kept(KEPT)


def is_channels_last(array: np.ndarray) -> bool:
    """Whether an (N, C, *space) array is an (N, *space, C) buffer.

    With one channel or one position it is in C order as well; then the strides of the axes tell, as in PyTorch.
    """
    if array.ndim < 3:
        return False
    if array.flags.c_contiguous:
        channels, item = array.shape[1], array.itemsize
        if array.strides[1] != item or array.strides[-1] != channels * item or math.prod(array.shape[1:]) <= 1:
            return False
    return array.transpose(0, *range(2, array.ndim), 1).flags.c_contiguous


def readable(array: np.ndarray) -> np.ndarray:
    """The array itself where a kernel can read it in place; else a copy, native, aligned, in C order."""
    native = array.dtype.isnative and array.flags.aligned
    if native and (array.flags.c_contiguous or is_channels_last(array)):
        return array
    if is_channels_last(array):
        return np.moveaxis(native_copy(np.moveaxis(array, 1, -1)), -1, 1)
    return native_copy(array)


def native_copy(array: np.ndarray) -> np.ndarray:
    """Return a copy, native, aligned, in C order."""
    try:
        return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True, subok=False)
    except MemoryError:
        raise MemoryError(no_room(array.shape, array.dtype)) from None


def allocate(shape: Sequence[int], dtype: Any, channels_last: bool = False) -> np.ndarray:
    """An uninitialised array of `shape`, in C order or in channels-last order; MemoryError where it cannot be had."""
    dtype = np.dtype(dtype)
    shape = tuple(shape)
    if math.prod(extent for extent in shape if extent) * max(dtype.itemsize, 1) > LARGEST:
        raise MemoryError(no_room(shape, dtype))
    if channels_last:
        return np.moveaxis(_new((shape[0], *shape[2:], shape[1]), dtype), -1, 1)
    return _new(shape, dtype)


def empty(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Return an uninitialised array in C order."""
    size = math.prod(shape) * dtype.itemsize
    if KEPT and size >= LARGE and not dtype.hasobject and (memory := piece_of(size)) is not None:
        return np.ndarray(shape, dtype, memory)
    return np.empty(shape, dtype)


def is_used(array: np.ndarray) -> bool:
    """Whether an array of ours has memory that an earlier one had."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, Memory) and base.used


def _new(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    try:
        array = empty(shape, dtype)
    except MemoryError:
        let_go()  # what is kept may be what is missing
        array = new(shape, dtype)
    if (program := recording()) is not None:  # a plan is made: every execution will have such an array of its own
        program.temporary(array)
    return array


def target(
    out: np.ndarray | None,
    shape: Sequence[int],
    dtype: Any,
    channels_last: bool,
    inputs: Sequence[np.ndarray] = (),
    batched: bool = True,
) -> np.ndarray:
    """Where a kernel writes: `out` itself if it is in the wanted order and shares no memory with `inputs`, else new.

    `out` is checked first, so that a call that raises has written nothing. Unless `batched`, it lacks the first axis
    of `shape`.
    """
    shape = tuple(shape)
    dtype = np.dtype(dtype)
    if out is None:
        return allocate(shape, dtype, channels_last)
    check_out(out, shape if batched else shape[1:], dtype)
    plain = out.view(np.ndarray)  # a matrix, for one, does not index and reshape as kernels need it
    plain = plain if batched else plain[None]
    ordered = is_channels_last(plain) if channels_last else plain.flags.c_contiguous
    if ordered and out.dtype.isnative and out.flags.aligned and not any(np.may_share_memory(out, x) for x in inputs):
        return plain
    return allocate(shape, dtype, channels_last)


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
