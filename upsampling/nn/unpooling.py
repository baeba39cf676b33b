"""Max-unpooling as a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from .. import _args
from ..functional import (
    max_unpool1d,
    max_unpool1d_backward,
    max_unpool2d,
    max_unpool2d_backward,
    max_unpool3d,
    max_unpool3d_backward,
)
from ._layer import Layer, kept_sizes

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]


class _MaxUnpoolNd(Layer):
    _rank: ClassVar[int]
    _function: ClassVar[Callable[..., np.ndarray]]
    _function_backward: ClassVar[Callable[..., np.ndarray]]

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
    ) -> None:
        """Check the arguments and keep them.

        Parameters
        ----------
        kernel_size, stride, padding : int or sequence of int
            Those of the pooling that is to be undone; one number for all axes or one for each. The stride is the
            kernel's size where it is not given.

        Raises
        ------
        ValueError
            If a number is out of its range.
        TypeError
            If an argument has a wrong type.
        """
        super().__init__()
        self.kernel_size = kept_sizes("kernel_size", kernel_size, self._rank, 1)
        self.stride = self.kernel_size if stride is None else kept_sizes("stride", stride, self._rank, 1)
        self.padding = kept_sizes("padding", padding, self._rank, 0)

    def forward(self, input: np.ndarray, indices: np.ndarray, output_size: Sequence[int] | None = None) -> np.ndarray:
        """Put each value of `input` where its index says, among zeros.

        Parameters
        ----------
        input : ndarray
            Shape (N, C, *space) or (C, *space).
        indices : ndarray of int64
            The input's shape; flat positions in the output's plane.
        output_size : sequence of int, optional
            Which of the possible output sizes to give, as the output's spatial sizes or its whole shape.

        Returns
        -------
        ndarray
            Shape (N, C, *space) or (C, *space).

        Raises
        ------
        ValueError
            If a shape does not fit, an index is outside its plane, or `output_size` is out of range.
        TypeError
            If a dtype is none that the function takes.
        """
        input = _args.array("input", input)
        indices = _args.array("indices", indices)
        output = self._function(input, indices, self.kernel_size, self.stride, self.padding, output_size)
        self._keep(output, indices)
        return output

    def _backward(self, grad_output: np.ndarray, kept: tuple[Any, ...]) -> np.ndarray:
        (indices,) = kept
        return self._function_backward(grad_output, indices)

    def extra_repr(self) -> str:
        """Return the arguments as `repr` shows them: PyTorch's text."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """The partial inverse of `MaxPool1d`: zeros, with each maximum back in its place.

    Notes
    -----
    PyTorch's ``torch.nn.MaxUnpool1d``: its arguments and `repr`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> pool, unpool = nn.MaxPool1d(2, return_indices=True), nn.MaxUnpool1d(2)
    >>> unpool
    MaxUnpool1d(kernel_size=(2,), stride=(2,), padding=(0,))
    >>> output, indices = pool(np.array([[1.0, 2.0, 4.0, 3.0, 9.0]]))
    >>> unpool(output, indices)
    array([[0., 2., 4., 0.]])
    >>> unpool(output, indices, output_size=(5,))
    array([[0., 2., 4., 0., 0.]])
    """

    _rank = 1
    _function = staticmethod(max_unpool1d)
    _function_backward = staticmethod(max_unpool1d_backward)


class MaxUnpool2d(_MaxUnpoolNd):
    """The partial inverse of `MaxPool2d`: zeros, with each maximum back in its place.

    Notes
    -----
    PyTorch's ``torch.nn.MaxUnpool2d``: its arguments and `repr`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    >>> output, indices = pool(np.arange(16.0).reshape(1, 4, 4))
    >>> unpool(output, indices)
    array([[[ 0.,  0.,  0.,  0.],
            [ 0.,  5.,  0.,  7.],
            [ 0.,  0.,  0.,  0.],
            [ 0., 13.,  0., 15.]]])
    """

    _rank = 2
    _function = staticmethod(max_unpool2d)
    _function_backward = staticmethod(max_unpool2d_backward)


class MaxUnpool3d(_MaxUnpoolNd):
    """The partial inverse of `MaxPool3d`: zeros, with each maximum back in its place.

    Notes
    -----
    PyTorch's ``torch.nn.MaxUnpool3d``: its arguments and `repr`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> pool, unpool = nn.MaxPool3d(2, return_indices=True), nn.MaxUnpool3d(2)
    >>> output, indices = pool(np.zeros((2, 3, 4, 4, 4), np.float32))
    >>> unpool(output, indices).shape
    (2, 3, 4, 4, 4)
    """

    _rank = 3
    _function = staticmethod(max_unpool3d)
    _function_backward = staticmethod(max_unpool3d_backward)
