"""float16 and bfloat16 arrays to float32 and back, faster than NumPy and by all threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _args, _kernels
from ._threads import threads_for


def are_halves(array: np.ndarray) -> bool:
    """Whether an array is of float16 or bfloat16."""
    return array.dtype == np.float16 or _args.is_bfloat16(array.dtype)


def _flat(array: np.ndarray, dtype: Any) -> np.ndarray:
    """Return the numbers of an array that fills a piece of memory, as they lie there: a view."""
    flat = array.ravel(order="K")
    assert np.may_share_memory(flat, array)
    return flat.view(dtype)


def widened(array: np.ndarray) -> np.ndarray:
    """Return a native array in C order or channels-last order in float32, in the same order."""
    wide = np.empty_like(array, np.float32, order="K")
    if array.size:
        kernel = _kernels.load("halves", "f32")
        brain = array.dtype != np.float16
        kernel.widen(_flat(array, np.uint16), _flat(wide, np.float32), brain, threads_for(array.size // 4))
    return wide


def narrow(wide: np.ndarray, to: np.ndarray) -> None:
    """Write float32 numbers to an array of halves; both lie in the same order."""
    kernel = _kernels.load("halves", "f32")
    if to.size:
        kernel.narrow(_flat(wide, np.float32), _flat(to, np.uint16), to.dtype != np.float16, threads_for(to.size // 4))


def cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return an array that fills a piece of memory in `dtype`, in the same order; itself if it has that already."""
    if array.dtype == np.float32 and (dtype == np.float16 or _args.is_bfloat16(dtype)):
        halves = np.empty_like(array, dtype, order="K")
        narrow(array, halves)
        return halves
    return array.astype(dtype, copy=False)
