"""Transposed convolution as a layer."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from .. import _args
from .._conv_packed import SMALL, PackedWeights
from .._conv_transpose import _conv_transpose
from .._out import new
from ..functional import (
    conv_transpose1d_backward,
    conv_transpose2d_backward,
    conv_transpose3d_backward,
)
from ._layer import Layer, kept_sizes

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")


def _references() -> int | None:
    """Return what sys.getrefcount gives for a layer's array inside its method, if nobody else refers to it.

    None where it does not count: without the lock of the interpreter, or in another interpreter.
    """
    if not hasattr(sys, "getrefcount") or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    holder = [np.empty(1)]
    array = holder[0]
    return sys.getrefcount(array)


ALONE = _references()


class _ConvTransposeNd(Layer):
    _rank: ClassVar[int]
    _function_backward: ClassVar[Callable[..., Any]]
    _parameter_names = ("weight", "bias")

    transposed = True
    bias: np.ndarray | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        """Check the arguments and initialise the parameters.

        Parameters
        ----------
        in_channels, out_channels : int
            Channels of the input and of the output, both divisible by `groups`.
        kernel_size, stride, padding, output_padding, dilation : int or sequence of int
            As in the function; one number for all axes or one for each.
        groups : int
            Number of groups of channels that do not mix.
        bias : bool
            Whether a number is added to each output channel.
        padding_mode : str
            'zeros'; it stands here because PyTorch has it.
        device : None or 'cpu'
            It stands here because PyTorch has it.
        dtype : NumPy dtype, optional
            dtype of weight and bias, and so of the input: float16, bfloat16, float32 (the default), float64,
            complex64 or complex128.
        rng : int or numpy.random.Generator, optional
            Makes the initialisation repeatable: a seed, or the generator to draw from. For one seed the values are
            the same in every dtype, rounded to it.

        Raises
        ------
        ValueError
            If a number is out of its range or a number of channels is not divisible by `groups`.
        TypeError
            If an argument has a wrong type, or `dtype` is none of those.
        """
        super().__init__()
        self._packed: PackedWeights | None = None
        rank = self._rank
        self.groups = _args.integer("groups", groups, 1)
        self.in_channels = _channels("in_channels", in_channels, self.groups)
        self.out_channels = _channels("out_channels", out_channels, self.groups)
        self.kernel_size = _args.integers("kernel_size", kernel_size, rank, 1)
        self.stride = kept_sizes("stride", stride, rank, 1)
        self.padding = kept_sizes("padding", padding, rank, 0)
        self.output_padding = kept_sizes("output_padding", output_padding, rank, 0)
        self.dilation = kept_sizes("dilation", dilation, rank, 1)
        self.padding_mode = _args.choice("padding_mode", padding_mode, ("zeros",))
        if device is not None and str(device) != "cpu":
            raise ValueError(f"device must be None or 'cpu', got {_args.shown(device)}")
        has_bias = _args.flag("bias", bias)
        kept_dtype = _parameter_dtype(dtype)
        generator = _generator(rng)
        shape = (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        # They own their memory, which tells that nobody else can write there.
        self.weight = new(shape, kept_dtype)
        self.bias = new((self.out_channels,), kept_dtype) if has_bias else None
        self.grad = {name: np.zeros_like(parameter) for name, parameter in self.named_parameters()}
        self.reset_parameters(generator)

    @property
    def weight(self) -> np.ndarray:
        """The weight; what is written into it changes the layer."""
        self._handed = object()
        return self._weight

    @weight.setter
    def weight(self, value: np.ndarray) -> None:
        self._handed = object()
        self._weight = value

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_packed": None}

    def _packed_weights(self) -> PackedWeights | None:
        """Return the weight packed, with the numbers that it has now; None where packing takes no time to speak of.

        Nobody can have written into an array that was not handed out since its numbers were looked at, and that nobody
        else referred to then and now. Any other is compared with a copy.
        """
        handed, weight = self._handed, self._weight
        if weight.size <= SMALL or weight.dtype.kind == "c":
            return None
        packed = self._packed
        alone = weight.base is None and ALONE is not None and sys.getrefcount(weight) == ALONE
        if packed is not None and alone and packed.handed is handed:
            return packed
        if packed is None or not packed.holds(weight):
            packed = PackedWeights(weight)
        packed.handed = handed if alone else None
        self._packed = packed
        return packed

    def reset_parameters(self, rng: int | np.random.Generator | None = None) -> None:
        """Draw new values for weight and bias, as PyTorch does: uniform in ±1/sqrt(fan_in).

        This is He's uniform initialisation (He et al. 2015, "Delving deep into rectifiers") with a = sqrt(5), for
        which its bound sqrt(6 / ((1 + a²) fan_in)) is 1/sqrt(fan_in). PyTorch counts fan_in, for a transposed
        convolution too, along the weight's second axis: out_channels / groups times the kernel's size.

        Parameters
        ----------
        rng : int or numpy.random.Generator, optional
            A seed, or the generator to draw from.
        """
        generator = _generator(rng)
        fan_in = math.prod(self.weight.shape[1:])
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        for parameter in self.parameters():
            drawn = generator.uniform(-bound, bound, parameter.shape)
            if parameter.dtype.kind == "c":
                parameter[...] = drawn + 1j * generator.uniform(-bound, bound, parameter.shape)
            else:
                parameter[...] = drawn

    def forward(self, input: np.ndarray, output_size: Sequence[int] | None = None) -> np.ndarray:
        """Compute the transposed convolution of `input`.

        Parameters
        ----------
        input : ndarray
            Shape (N, in_channels, *space) or (in_channels, *space), of the weight's dtype.
        output_size : sequence of int, optional
            Which of the possible output sizes to give, as the output's spatial sizes or its whole shape; then
            `output_padding` is not used.

        Returns
        -------
        ndarray
            Shape (N, out_channels, *space) or (out_channels, *space).

        Raises
        ------
        ValueError
            If a shape does not fit, or `output_size` is out of the range that the message names.
        TypeError
            If the dtype is not the weight's.
        """
        input = _args.array("input", input)
        packed = self._packed_weights()
        output = _conv_transpose(
            self._rank,
            input,
            self._weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding if output_size is None else 0,
            self.groups,
            self.dilation,
            output_size,
            None,
            packed,
        )
        self._keep(output, input)
        return output

    def _backward(self, grad_output: np.ndarray, kept: tuple[Any, ...]) -> np.ndarray:
        (input,) = kept
        grad_input, grad_weight, grad_bias = self._function_backward(
            grad_output,
            input,
            self._weight,
            self.stride,
            self.padding,
            self._output_padding_to(grad_output.shape, input.shape),
            self.groups,
            self.dilation,
            output_mask=(True, True, self.bias is not None),
        )
        self._accumulate("weight", grad_weight)
        if self.bias is not None:
            self._accumulate("bias", grad_bias)
        return grad_input

    def _output_padding_to(self, output_shape: tuple[int, ...], input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the output padding that gave this output, which `output_size` may have chosen."""
        stride, padding, dilation = (
            _args.integers(name, getattr(self, name), self._rank) for name in ("stride", "padding", "dilation")
        )
        return tuple(
            output_shape[axis - self._rank]
            - (input_shape[axis - self._rank] - 1) * stride[axis]
            + 2 * padding[axis]
            - dilation[axis] * (self.kernel_size[axis] - 1)
            - 1
            for axis in range(self._rank)
        )

    def extra_repr(self) -> str:
        """Return the arguments as `repr` shows them: PyTorch's text."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            value = getattr(self, name)
            if any(item != usual for item in value):
                text += f", {name}={value}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text


def _channels(name: str, value: Any, groups: int) -> int:
    channels = _args.integer(name, value, 0)
    if channels % groups:
        raise ValueError(f"{name} must be divisible by groups, {groups}; got {channels}")
    return channels


def _parameter_dtype(dtype: Any) -> np.dtype:
    try:
        result = np.dtype(np.float32 if dtype is None else dtype).newbyteorder("=")
    except TypeError:
        raise TypeError(f"dtype must be a NumPy dtype, got {_args.shown(dtype)}") from None
    if _args.dtype_name(result) not in DTYPES:
        raise TypeError(f"dtype must be {', '.join(DTYPES)}; got {result}")
    return result


def _generator(rng: int | np.random.Generator | None) -> np.random.Generator:
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.default_rng(None if rng is None else _args.integer("rng", rng))


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over signals, (N, C, L) or (C, L).

    The output's length is (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1.

    Attributes
    ----------
    weight : ndarray
        Shape (in_channels, out_channels / groups, kernel_size).
    bias : ndarray or None
        Shape (out_channels,).
    grad : dict of str to ndarray
        The sums of the gradients of "weight" and "bias".

    Notes
    -----
    PyTorch's ``torch.nn.ConvTranspose1d``: its arguments, initialisation, `repr` and `state_dict`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.ConvTranspose1d(1, 1, kernel_size=2, stride=2, bias=False)
    >>> layer
    ConvTranspose1d(1, 1, kernel_size=(2,), stride=(2,), bias=False)
    >>> _ = layer.load_state_dict({"weight": np.array([[[1, 10]]])})
    >>> layer(np.array([[1, 2, 3]], np.float32))
    array([[ 1., 10.,  2., 20.,  3., 30.]], dtype=float32)
    """

    _rank = 1
    _function_backward = staticmethod(conv_transpose1d_backward)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution over pictures, (N, C, H, W) or (C, H, W).

    The output's height is (H - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1, and its width
    likewise.

    Attributes
    ----------
    weight : ndarray
        Shape (in_channels, out_channels / groups, *kernel_size).
    bias : ndarray or None
        Shape (out_channels,).
    grad : dict of str to ndarray
        The sums of the gradients of "weight" and "bias".

    Notes
    -----
    PyTorch's ``torch.nn.ConvTranspose2d``: its arguments, initialisation, `repr` and `state_dict`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.ConvTranspose2d(16, 8, kernel_size=4, stride=2, padding=1, rng=0)
    >>> layer
    ConvTranspose2d(16, 8, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))
    >>> x = np.ones((1, 16, 5, 6), np.float32)
    >>> y = layer(x)
    >>> y.shape
    (1, 8, 10, 12)
    >>> layer.backward(np.ones_like(y)).shape
    (1, 16, 5, 6)
    >>> layer.grad["bias"]
    array([120., 120., 120., 120., 120., 120., 120., 120.], dtype=float32)
    >>> layer(x, output_size=(11, 12)).shape
    (1, 8, 11, 12)
    """

    _rank = 2
    _function_backward = staticmethod(conv_transpose2d_backward)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over volumes, (N, C, D, H, W) or (C, D, H, W).

    The output's depth is (D - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1, and its height
    and width likewise.

    Attributes
    ----------
    weight : ndarray
        Shape (in_channels, out_channels / groups, *kernel_size).
    bias : ndarray or None
        Shape (out_channels,).
    grad : dict of str to ndarray
        The sums of the gradients of "weight" and "bias".

    Notes
    -----
    PyTorch's ``torch.nn.ConvTranspose3d``: its arguments, initialisation, `repr` and `state_dict`.

    Examples
    --------
    >>> import numpy as np
    >>> from upsampling import nn
    >>> layer = nn.ConvTranspose3d(4, 4, kernel_size=(1, 2, 2), stride=(1, 2, 2), groups=4, rng=0)
    >>> layer
    ConvTranspose3d(4, 4, kernel_size=(1, 2, 2), stride=(1, 2, 2), groups=4)
    >>> layer(np.ones((2, 4, 3, 5, 6), np.float32)).shape
    (2, 4, 3, 10, 12)
    """

    _rank = 3
    _function_backward = staticmethod(conv_transpose3d_backward)
