"""pixel_shuffle and pixel_unshuffle, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _args, sizes

__all__ = ["pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: Any, upscale_factor: Any, *, dtype: Any = None) -> np.ndarray:
    """out[..., c, h, w] = input[..., c * r^2 + (h mod r) * r + w mod r, h // r, w // r]."""
    x = _args.image("input", input)
    shape = sizes.pixel_shuffle_output_size(x.shape, upscale_factor)
    r = int(upscale_factor)
    out = np.empty(shape, x.dtype.newbyteorder("="))
    for c, h, w in np.ndindex(*shape[-3:]):
        out[..., c, h, w] = x[..., c * r * r + (h % r) * r + w % r, h // r, w // r]
    return out if dtype is None else out.astype(dtype)


def pixel_unshuffle(input: Any, downscale_factor: Any, *, dtype: Any = None) -> np.ndarray:
    """out[..., c * r^2 + i * r + j, h, w] = input[..., c, h * r + i, w * r + j]."""
    x = _args.image("input", input)
    shape = sizes.pixel_unshuffle_output_size(x.shape, downscale_factor)
    r = int(downscale_factor)
    out = np.empty(shape, x.dtype.newbyteorder("="))
    for c, h, w in np.ndindex(*x.shape[-3:]):
        out[..., c * r * r + (h % r) * r + w % r, h // r, w // r] = x[..., c, h, w]
    return out if dtype is None else out.astype(dtype)
