"""Max-pooling as a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from .. import _args
from ..functional import (
    max_pool1d,
    max_pool1d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool3d,
    max_pool3d_backward,
)
from ._layer import Layer

__all__ = ["MaxPool1d", "MaxPool2d", "MaxPool3d"]


class _MaxPoolNd(Layer):
    _rank: ClassVar[int]
    _function: ClassVar[Callable[..., Any]]
    _function_backward: ClassVar[Callable[..., np.ndarray]]

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        """Check the arguments and keep them.

        Parameters
        ----------
        kernel_size, stride, padding, dilation : int or sequence of int
            As in the function; one number for all axes or one for each. The stride is the kernel's size where it is
            not given.
        return_indices : bool
            Whether the layer gives the maxima's positions too, as the pair (output, indices).
        ceil_mode : bool
            Whether a last window that is partly outside counts.

        Raises
        ------
        ValueError
            If a number is out of its range.
        TypeError
            If an argument has a wrong type.
        """
        super().__init__()
        rank = self._rank
        _args.integers("kernel_size", kernel_size, rank, 1)
        _args.integers("padding", padding, rank, 0)
        _args.integers("dilation", dilation, rank, 1)
        if stride is not None:
            _args.integers("stride", stride, rank, 1)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = _args.flag("return_indices", return_indices)
        self.ceil_mode = _args.flag("ceil_mode", ceil_mode)

    def forward(self, input: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Compute the maxima of the windows of `input`.

        Parameters
        ----------
        input : ndarray
            Shape (N, C, *space) or (C, *space).

        Returns
        -------
        ndarray, or the pair (output, indices)
            With `return_indices` also the int64 flat positions of the maxima in their planes, as `MaxUnpool` takes
            them.

        Raises
        ------
        ValueError
            If the shape does not fit.
        TypeError
            If the dtype is none that the function takes.
        """
        input = _args.array("input", input)
        result = self._pool(input, self.return_indices)
        if self.return_indices:
            output, indices = result
            self._keep(output, input, indices)
        else:
            self._keep(result, input, None)
        return result

    def _backward(self, grad_output: np.ndarray, kept: tuple[Any, ...]) -> np.ndarray:
        input, indices = kept
        if indices is None:  # Only training needs them: a forward without them is faster.
            _, indices = self._pool(input, True)
        return self._function_backward(grad_output, indices, input.shape)

    def _pool(self, input: np.ndarray, return_indices: bool) -> Any:
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, return_indices
        )

    def extra_repr(self) -> str:
        """Return the arguments as `repr` shows them: PyTorch's text."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The maximum of each window of a signal, (N, C, L) or (C, L).

    `backward` takes the gradient of the output alone, and with `return_indices` too.

    Notes
    -----
    PyTorch's ``torch.nn.MaxPool1d``: its arguments and `repr`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.MaxPool1d(2)
    >>> layer
    MaxPool1d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    >>> layer(np.array([[1.0, 2.0, 4.0, 3.0]]))
    array([[2., 4.]])
    >>> layer.backward(np.array([[10.0, 20.0]]))
    array([[ 0., 10., 20.,  0.]])
    """

    _rank = 1
    _function = staticmethod(max_pool1d)
    _function_backward = staticmethod(max_pool1d_backward)


class MaxPool2d(_MaxPoolNd):
    """The maximum of each window of a picture, (N, C, H, W) or (C, H, W).

    `backward` takes the gradient of the output alone, and with `return_indices` too.

    Notes
    -----
    PyTorch's ``torch.nn.MaxPool2d``: its arguments and `repr`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.MaxPool2d(2, return_indices=True)
    >>> output, indices = layer(np.arange(16.0).reshape(1, 4, 4))
    >>> output
    array([[[ 5.,  7.],
            [13., 15.]]])
    >>> indices
    array([[[ 5,  7],
            [13, 15]]])
    """

    _rank = 2
    _function = staticmethod(max_pool2d)
    _function_backward = staticmethod(max_pool2d_backward)


class MaxPool3d(_MaxPoolNd):
    """The maximum of each window of a volume, (N, C, D, H, W) or (C, D, H, W).

    `backward` takes the gradient of the output alone, and with `return_indices` too.

    Notes
    -----
    PyTorch's ``torch.nn.MaxPool3d``: its arguments and `repr`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.MaxPool3d((1, 2, 2), ceil_mode=True)
    >>> layer
    MaxPool3d(kernel_size=(1, 2, 2), stride=(1, 2, 2), padding=0, dilation=1, ceil_mode=True)
    >>> layer(np.zeros((2, 3, 4, 5, 5), np.float32)).shape
    (2, 3, 4, 3, 3)
    """

    _rank = 3
    _function = staticmethod(max_pool3d)
    _function_backward = staticmethod(max_pool3d_backward)
