"""Memory layouts: the same values, held in every way that NumPy can hold them.

Each function takes an array and returns an array of the same values (`broadcast` alone changes them: it
repeats the first item along an axis with stride zero). Compare a result with that of `plain(view)`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def plain(array: np.ndarray) -> np.ndarray:
    """The values in C order, native, aligned, writeable."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)


def channels_last(array: np.ndarray) -> np.ndarray:
    if array.ndim < 3:
        return array
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def negative(array: np.ndarray) -> np.ndarray:
    every = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[every])[every]


def broadcast(array: np.ndarray) -> np.ndarray:
    if array.ndim < 2 or array.shape[1] == 0:
        return array
    return np.broadcast_to(array[:, :1], array.shape)


def read_only(array: np.ndarray) -> np.ndarray:
    array = plain(array)
    array.flags.writeable = False
    return array


def swapped(array: np.ndarray) -> np.ndarray:
    if array.dtype.name == "bfloat16":  # ml_dtypes has the native byte order alone
        return array
    return array.astype(array.dtype.newbyteorder("S"))


def unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + array.itemsize + 1, np.uint8)
    view = memory[1 : 1 + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def sliced(array: np.ndarray) -> np.ndarray:
    larger = np.zeros(tuple(2 * extent + 3 for extent in array.shape), array.dtype)
    view = larger[tuple(slice(2, 2 + 2 * extent, 2) for extent in array.shape)]
    view[...] = array
    return view


def batch_reversed(array: np.ndarray) -> np.ndarray:
    """Channels-last pixels, and the first axis backwards."""
    return channels_last(np.ascontiguousarray(array[::-1]))[::-1]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": plain,
    "channels_last": channels_last,
    "fortran": np.asfortranarray,
    "negative": negative,
    "broadcast": broadcast,
    "read_only": read_only,
    "swapped": swapped,
    "unaligned": unaligned,
    "sliced": sliced,
    "batch_reversed": batch_reversed,
}
