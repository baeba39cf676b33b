"""The sub-pixel rearrangements as layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _args
from ..functional import pixel_shuffle, pixel_unshuffle
from ._layer import Layer

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Layer):
    """Makes one picture r times as large of r² channels: (*, C r², H, W) becomes (*, C, H r, W r).

    Notes
    -----
    PyTorch's ``torch.nn.PixelShuffle``; Shi et al. 2016, "Real-time single image and video super-resolution using an
    efficient sub-pixel convolutional neural network".

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.PixelShuffle(2)
    >>> layer
    PixelShuffle(upscale_factor=2)
    >>> layer(np.arange(4).reshape(4, 1, 1))
    array([[[0, 1],
            [2, 3]]])
    """

    def __init__(self, upscale_factor: int) -> None:
        """Check the argument and keep it.

        Parameters
        ----------
        upscale_factor : int
            The factor r.

        Raises
        ------
        ValueError
            If it is below 1.
        TypeError
            If it is not an integer.
        """
        super().__init__()
        self.upscale_factor = _args.integer("upscale_factor", upscale_factor, 1)

    def forward(self, input: np.ndarray) -> np.ndarray:
        """Rearrange `input`.

        Parameters
        ----------
        input : ndarray
            Shape (*, C r², H, W), of any dtype.

        Returns
        -------
        ndarray
            Shape (*, C, H r, W r).

        Raises
        ------
        ValueError
            If the number of channels is not divisible by r².
        """
        output = pixel_shuffle(input, self.upscale_factor)
        self._keep(output)
        return output

    def _backward(self, grad_output: np.ndarray, kept: tuple[Any, ...]) -> np.ndarray:
        return pixel_unshuffle(grad_output, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return the argument as `repr` shows it: PyTorch's text."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Layer):
    """The inverse of `PixelShuffle`: (*, C, H r, W r) becomes (*, C r², H, W).

    Notes
    -----
    PyTorch's ``torch.nn.PixelUnshuffle``.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.PixelUnshuffle(2)
    >>> layer
    PixelUnshuffle(downscale_factor=2)
    >>> layer(np.arange(4).reshape(1, 2, 2)).ravel()
    array([0, 1, 2, 3])
    """

    def __init__(self, downscale_factor: int) -> None:
        """Check the argument and keep it.

        Parameters
        ----------
        downscale_factor : int
            The factor r.

        Raises
        ------
        ValueError
            If it is below 1.
        TypeError
            If it is not an integer.
        """
        super().__init__()
        self.downscale_factor = _args.integer("downscale_factor", downscale_factor, 1)

    def forward(self, input: np.ndarray) -> np.ndarray:
        """Rearrange `input`.

        Parameters
        ----------
        input : ndarray
            Shape (*, C, H r, W r), of any dtype.

        Returns
        -------
        ndarray
            Shape (*, C r², H, W).

        Raises
        ------
        ValueError
            If height or width is not divisible by r.
        """
        output = pixel_unshuffle(input, self.downscale_factor)
        self._keep(output)
        return output

    def _backward(self, grad_output: np.ndarray, kept: tuple[Any, ...]) -> np.ndarray:
        return pixel_shuffle(grad_output, self.downscale_factor)

    def extra_repr(self) -> str:
        """Return the argument as `repr` shows it: PyTorch's text."""
        return f"downscale_factor={self.downscale_factor}"
