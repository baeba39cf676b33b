"""pixel_shuffle and pixel_unshuffle: channels become pixels, and pixels channels."""

from __future__ import annotations

import numpy as np

from . import _args, _arrays, sizes
from ._types import Input, Int

__all__ = ["pixel_shuffle", "pixel_unshuffle"]


def _moved(array: np.ndarray, parts: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Split the last three axes of `array` into `parts`, reorder these, and return them as a new array of `shape`."""
    native = array.dtype.newbyteorder("=")
    lead = array.ndim - 3
    image = array if lead else array[None]
    last = image.ndim == 4 and _arrays.is_channels_last(image)
    result = _arrays.allocate(shape if lead else (1, *shape), native, last)
    result = result if lead else result[0]
    if result.size:
        # Axes are split without a copy, whatever their strides.
        source = array.reshape(*shape[:lead], *parts).transpose(*range(lead), *(lead + axis for axis in order))
        result.reshape(source.shape)[...] = source
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
    TypeError, ValueError, MemoryError
        For a wrong argument, or a result that does not fit.

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
    channels, height, width = shape[-3:]
    return _moved(array, (channels, r, r, height // r, width // r), (0, 3, 1, 4, 2), shape)


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
    TypeError, ValueError, MemoryError
        For a wrong argument, or a result that does not fit.

    Notes
    -----
    An input without elements gives a result of the shape above too; PyTorch 2.13 leaves it as it is.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> up.pixel_unshuffle(np.arange(4).reshape(1, 1, 2, 2), 2).ravel()
    array([0, 1, 2, 3])
    """
    array = _args.image("input", input)
    shape = sizes.pixel_unshuffle_output_size(array.shape, downscale_factor)
    r = int(downscale_factor)
    channels, height, width = array.shape[-3:]
    return _moved(array, (channels, height // r, r, width // r, r), (0, 2, 4, 1, 3), shape)
