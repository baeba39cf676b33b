"""Interpolation as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _args, _interpolate_args
from ..functional import interpolate, interpolate_backward
from ._layer import Layer

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Layer):
    """Resamples signals, pictures or volumes: (N, C, L), (N, C, H, W) or (N, C, D, H, W).

    Notes
    -----
    PyTorch's ``torch.nn.Upsample``: its arguments and `repr`. What depends on the input's dimensions is checked when
    the layer is called, by the function `interpolate`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.Upsample(scale_factor=2, mode="bilinear")
    >>> layer
    Upsample(scale_factor=2.0, mode='bilinear')
    >>> layer(np.array([[[[0.0, 4.0]]]]))
    array([[[[0., 1., 3., 4.],
             [0., 1., 3., 4.]]]])
    >>> layer.backward(np.ones((1, 1, 2, 4)))
    array([[[[4., 4.]]]])
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        """Keep the arguments.

        Parameters
        ----------
        size : int or sequence of int, optional
            The output's spatial sizes; this or `scale_factor`.
        scale_factor : float or sequence of float, optional
            The output's size as a multiple of the input's.
        mode : str
            Any mode of `interpolate`.
        align_corners, recompute_scale_factor : bool, optional
            As in `interpolate`.

        Raises
        ------
        ValueError
            If a number is out of its range, or `mode` is none of the modes.
        TypeError
            If an argument has a wrong type.
        """
        super().__init__()
        self.name = type(self).__name__
        self.size = None if size is None else _checked_size(size)
        self.scale_factor = None if scale_factor is None else _scales(scale_factor)
        self.mode = _args.choice("mode", mode, _interpolate_args.MODES)
        self.align_corners = None if align_corners is None else _args.flag("align_corners", align_corners)
        self.recompute_scale_factor = (
            None if recompute_scale_factor is None else _args.flag("recompute_scale_factor", recompute_scale_factor)
        )

    def forward(self, input: np.ndarray) -> np.ndarray:
        """Resample `input`.

        Parameters
        ----------
        input : ndarray
            Shape (N, C, *space), with the dimensions that the mode takes.

        Returns
        -------
        ndarray
            Shape (N, C, *space).

        Raises
        ------
        ValueError
            If the layer's arguments do not fit the input or each other.
        TypeError
            If the dtype is none that the mode takes.
        """
        input = _args.array("input", input)
        output = interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )
        self._keep(output, input.shape)
        return output

    def _backward(self, grad_output: np.ndarray, kept: tuple[Any, ...]) -> np.ndarray:
        (input_size,) = kept
        return interpolate_backward(
            grad_output,
            input_size,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        """Return the arguments as `repr` shows them: PyTorch's text."""
        scale = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{scale}, mode={self.mode!r}"


def _checked_size(size: Any) -> int | Sequence[int]:
    _args.integers("size", size, len(size) if _args.is_sequence(size) else 1, 1)
    return size


def _scales(scale_factor: Any) -> float | tuple[float, ...]:
    """PyTorch's form: a float, or a tuple of floats."""
    if _args.is_sequence(scale_factor):
        return _args.numbers("scale_factor", scale_factor, len(scale_factor))
    return _args.number("scale_factor", scale_factor)


class UpsamplingNearest2d(Upsample):
    """`Upsample` with mode 'nearest', for pictures, (N, C, H, W).

    Notes
    -----
    PyTorch's ``torch.nn.UpsamplingNearest2d``: its arguments and `repr`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.UpsamplingNearest2d(scale_factor=2)
    >>> layer
    UpsamplingNearest2d(scale_factor=2.0, mode='nearest')
    >>> layer(np.array([[[[1.0, 2.0]]]]))
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        """Keep the arguments.

        Parameters
        ----------
        size : int or sequence of int, optional
            The output's height and width; this or `scale_factor`.
        scale_factor : float or sequence of float, optional
            The output's size as a multiple of the input's.
        """
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` with mode 'bilinear' and aligned corners, for pictures, (N, C, H, W).

    Notes
    -----
    PyTorch's ``torch.nn.UpsamplingBilinear2d``: its arguments and `repr`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.UpsamplingBilinear2d(size=(1, 5))
    >>> layer
    UpsamplingBilinear2d(size=(1, 5), mode='bilinear')
    >>> layer(np.array([[[[0.0, 4.0]]]]))
    array([[[[0., 1., 2., 3., 4.]]]])
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        """Keep the arguments.

        Parameters
        ----------
        size : int or sequence of int, optional
            The output's height and width; this or `scale_factor`.
        scale_factor : float or sequence of float, optional
            The output's size as a multiple of the input's.
        """
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
