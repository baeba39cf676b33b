"""pixel_shuffle and pixel_unshuffle: channels become pixels, and pixels channels."""

from __future__ import annotations

import numpy as np

from . import _args, _arrays, sizes
from ._types import Input, Int

__all__ = ["pixel_shuffle", "pixel_unshuffle"]


def _filled(view: np.ndarray, shape: tuple[int, ...], channels_last: bool) -> np.ndarray:
    """Copy `view`, whose elements in row-major order are those of a result of `shape`."""
    if not channels_last:
        return np.array(view.reshape(shape), order="C", copy=True)
    result = _arrays.allocate(shape, view.dtype, True)
    result[...] = view.reshape(shape)
    return result


def pixel_shuffle(input: Input, upscale_factor: Int) -> np.ndarray:
    """Rearrange (..., C * r^2, H, W) into (..., C, H * r, W * r), as ``torch.nn.functional.pixel_shuffle`` does.

    Parameters
    ----------
    input : ndarray, shape (..., C * r^2, H, W)
        Of any dtype.
    upscale_factor : int
        r, at least 1.

    Returns
    -------
    ndarray, shape (..., C, H * r, W * r)

    Raises
    ------
    TypeError, ValueError
        For a wrong argument.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> up.pixel_shuffle(np.arange(4).reshape(1, 4, 1, 1), 2)
    array([[[[0, 1],
             [2, 3]]]])
    """
    array = _args.image("input", input)
    shape = sizes.pixel_shuffle_output_size(array.shape, upscale_factor)
    r = int(upscale_factor)
    *lead, channels, height, width = shape
    view = array.reshape(*lead, channels, r, r, height // r, width // r)
    n = len(lead)
    view = view.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return _filled(view, shape, _arrays.is_channels_last(array) and array.ndim == 4)


def pixel_unshuffle(input: Input, downscale_factor: Int) -> np.ndarray:
    """Rearrange (..., C, H * r, W * r) into (..., C * r^2, H, W), as ``torch.nn.functional.pixel_unshuffle`` does.

    Parameters
    ----------
    input : ndarray, shape (..., C, H * r, W * r)
        Of any dtype.
    downscale_factor : int
        r, at least 1.

    Returns
    -------
    ndarray, shape (..., C * r^2, H, W)

    Raises
    ------
    TypeError, ValueError
        For a wrong argument.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> up.pixel_unshuffle(np.arange(4).reshape(1, 1, 2, 2), 2).ravel()
    array([0, 1, 2, 3])
    """
    array = _args.image("input", input)
    shape = sizes.pixel_unshuffle_output_size(array.shape, downscale_factor)
    r = int(downscale_factor)
    *lead, channels, height, width = array.shape
    view = array.reshape(*lead, channels, height // r, r, width // r, r)
    n = len(lead)
    view = view.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return _filled(view, shape, _arrays.is_channels_last(array) and array.ndim == 4)
