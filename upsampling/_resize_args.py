"""Checks of the arguments of `resize`, shared by the compiled function and the reference layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _args, sizes

MODES = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos", "area")
INTEGERS = ("uint8", "int8", "uint16", "int16")
DTYPES = (*INTEGERS, "float16", "bfloat16", "float32", "float64")


class Resize(NamedTuple):
    """The checked arguments: an (H, W) or (H, W, C) array, and the output's height and width."""

    image: np.ndarray
    size: tuple[int, int]
    mode: str
    antialias: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The output's shape."""
        return (*self.size, *self.image.shape[2:])


def check(image: Any, size: Any, scale: Any, mode: Any, antialias: Any) -> Resize:
    """Every argument but `out`."""
    image = _args.array("image", image, (2, 3))
    mode = _args.choice("mode", mode, MODES)
    antialias = _args.flag("antialias", antialias)
    if mode != "nearest":
        _args.dtype_among("image", image, DTYPES)
    if 0 in image.shape[:2]:
        raise ValueError(f"image must have a height and a width of at least 1, got shape {image.shape}")
    return Resize(image, sizes.resize_output_size(image.shape[:2], size, scale), mode, antialias)


def columns_first(shape: Sequence[int], size: Sequence[int]) -> bool:
    """Whether integers are resampled across the rows before along them.

    Pillow's rule since version 13 (python-pillow/Pillow#9549): where the height loses pixels, and more than
    twice as many as the width.
    """
    rows, columns = shape[0] - size[0], shape[1] - size[1]
    return rows > max(0, 2 * columns)
