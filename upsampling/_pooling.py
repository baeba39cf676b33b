"""max_pool and its gradient, in 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _args, _arrays, _kernels, _pool_args, _repeat, _unpooling
from ._repeat import Step
from ._threads import threads_for
from ._types import Array, Input, Ints, typed_max_pool

__all__ = [
    "max_pool1d",
    "max_pool1d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool3d",
    "max_pool3d_backward",
]

SIGN = np.uint64(2**63)


def _passed(array: np.ndarray) -> np.ndarray:
    """Return the array as a kernel takes it: Cython knows the compiled type of an integer build by a float's name."""
    return array.view(np.float64) if array.dtype.kind in "iu" else array


def _computed(array: np.ndarray) -> np.ndarray:
    """Return an array in the dtype in which its elements are compared, exactly."""
    if array.dtype.kind in "iu":
        return array ^ SIGN if array.dtype == np.uint64 else array.astype(np.int64, copy=False)
    return array if array.dtype == np.float64 else array.astype(np.float32, copy=False)


def _precision(computed: np.ndarray) -> str:
    """Return which build of the kernel takes an array."""
    return "i64" if computed.dtype.kind in "iu" else f"f{8 * computed.itemsize}"


def _max_pool(
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    return_indices: Any,
) -> Any:
    call = ("max_pool", rank, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    if (found := _repeat.again(call)) is not None:
        return found
    spec = _pool_args.windows(rank, kernel_size, stride, padding, dilation)
    ceil_mode, wanted = _args.flag("ceil_mode", ceil_mode), _args.flag("return_indices", return_indices)
    array = _pool_args.image("input", input, rank)
    _args.dtype_among("input", array, (*_pool_args.FLOATS, *_pool_args.INTEGERS))
    shape = _pool_args.pooled_shape(_arrays.batched(array, rank), rank, spec, ceil_mode)
    x = _arrays.readable(_arrays.batched(array, rank))
    last = _arrays.is_channels_last(x)
    read = _computed(x)
    y = _arrays.allocate(shape, read.dtype, last)
    at = _arrays.allocate(shape if wanted else (1,) * len(shape), np.int64, last and wanted)
    # A window in the padding alone has an integer dtype's least value.
    limited = x.dtype.kind == "i" and max(spec.dilation) > 1
    steps = _pool(read, y, at, spec, wanted) if y.size else []
    if limited:
        np.maximum(y, np.iinfo(x.dtype).min, out=y)
    values = (y.view(np.uint64) ^ SIGN) if x.dtype == np.uint64 else y.astype(x.dtype, copy=False)
    if array.ndim == rank + 1:
        values, at = values[0], at[0]
    if steps and not limited:
        _repeat.remember(call, [values, at] if wanted else [values], steps, several=wanted)
    return (values, at) if wanted else values


def _pool(read: np.ndarray, y: np.ndarray, at: np.ndarray, spec: _pool_args.Windows, wanted: bool) -> list[Step]:
    """Run the kernel; return its call for `_repeat.remember`."""
    rank = read.ndim - 2
    ones, zeros = (1,) * (3 - rank), (0,) * (3 - rank)
    taps = _pool_args.taps_in_reach(spec, read.shape[2:])
    numbers = (*ones, *taps.kernel_size, *ones, *taps.stride, *zeros, *taps.padding, *ones, *taps.dilation)
    work = y.size * math.prod(taps.kernel_size)
    arguments = (
        _passed(_arrays.five_axes(read)), np.array(numbers, np.intp), _passed(_arrays.five_axes(y)),
        _arrays.five_axes(at), wanted, threads_for(work),
    )  # fmt: skip
    kernel = _kernels.load("pool", _precision(read)).pool
    kernel(*arguments)
    return [(kernel, arguments, work)]


def _max_pool_backward(rank: int, grad_output: Any, indices: Any, input_size: Any) -> np.ndarray:
    call = ("max_pool_backward", rank, grad_output, indices, input_size)
    if (found := _repeat.again(call)) is not None:
        return found
    grad = _args.array("grad_output", grad_output, (rank + 1, rank + 2))
    _args.dtype_among("grad_output", grad, _pool_args.FLOATS)
    shape = _pool_args.input_shape(grad, rank, input_size)
    plane = math.prod(shape[-rank:])
    given = _pool_args.positions("indices", indices, "grad_output", grad)
    g = _arrays.readable(_arrays.batched(grad, rank))
    read = _computed(g)
    result = _arrays.allocate(shape if len(shape) == rank + 2 else (1, *shape), read.dtype, _arrays.is_channels_last(g))
    steps = []
    if g.size:
        at, work = _unpooling.planes_of(given, rank, plane), g.size + result.size
        arguments = (_arrays.flat_planes(read), at, _arrays.flat_planes(result), threads_for(work))
        kernel = _kernels.load("pool", _precision(read)).add
        if kernel(*arguments):
            _pool_args.check_inside("indices", given, plane)
        steps = [(kernel, arguments, work)]
    else:
        _pool_args.check_inside("indices", given, plane)
        result[...] = 0
    result = result.astype(g.dtype, copy=False)
    result = result[0] if grad.ndim == rank + 1 else result
    if steps:
        _repeat.remember(call, [result], steps)
    return result


@typed_max_pool
def max_pool1d(
    input: Input,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """Return the maxima of sliding windows, as ``torch.nn.functional.max_pool1d`` does.

    Parameters
    ----------
    input : ndarray, shape (N, C, L) or (C, L)
        A float or integer dtype.
    kernel_size, stride, padding, dilation : int or sequence of int
        `stride` None is `kernel_size`; `padding`, at most half a window, never wins.
    ceil_mode : bool
        Round the output's size up.
    return_indices : bool
        Return the positions too.

    Returns
    -------
    ndarray, or (ndarray, ndarray of int64)
        The maxima, and their flat positions in the input's plane. The first maximum wins; a NaN wins over all.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument; a result that does not fit in memory.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> x = np.array([[[1.0, 3.0, 2.0, 0.0]]])
    >>> up.max_pool1d(x, 2)
    array([[[3., 2.]]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_backward(grad_output: Input, indices: Input, input_size: Ints) -> np.ndarray:
    """Return the gradient of ``max_pool1d`` with respect to its input.

    Parameters
    ----------
    grad_output : ndarray, shape (N, C, *pooled) or (C, *pooled)
        Of a float dtype.
    indices : ndarray of int64, of the same shape
        As ``max_pool1d`` gave them.
    input_size : sequence of int
        The input's shape, or its last 1 sizes.

    Returns
    -------
    ndarray, shape `input_size`
        Gradients of overlapping windows are added in row-major order.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument; an index outside the plane is named; a result that does not fit in memory.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 2)
    >>> up.max_pool1d_backward(np.array([5.0, 6.0]).reshape(1, 1, 2), indices, (4,)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_pool_backward(1, grad_output, indices, input_size)


@typed_max_pool
def max_pool2d(
    input: Input,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """Return the maxima of sliding windows, as ``torch.nn.functional.max_pool2d`` does.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        A float or integer dtype.
    kernel_size, stride, padding, dilation : int or sequence of int
        `stride` None is `kernel_size`; `padding`, at most half a window, never wins.
    ceil_mode : bool
        Round the output's size up.
    return_indices : bool
        Return the positions too.

    Returns
    -------
    ndarray, or (ndarray, ndarray of int64)
        The maxima, and their flat positions in the input's plane. The first maximum wins; a NaN wins over all.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument; a result that does not fit in memory.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> up.max_pool2d(x, 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d_backward(grad_output: Input, indices: Input, input_size: Ints) -> np.ndarray:
    """Return the gradient of ``max_pool2d`` with respect to its input.

    Parameters
    ----------
    grad_output : ndarray, shape (N, C, *pooled) or (C, *pooled)
        Of a float dtype.
    indices : ndarray of int64, of the same shape
        As ``max_pool2d`` gave them.
    input_size : sequence of int
        The input's shape, or its last 2 sizes.

    Returns
    -------
    ndarray, shape `input_size`
        Gradients of overlapping windows are added in row-major order.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument; an index outside the plane is named; a result that does not fit in memory.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 2)
    >>> up.max_pool2d_backward(np.array([5.0, 6.0]).reshape(1, 1, 1, 2), indices, (1, 4)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_pool_backward(2, grad_output, indices, input_size)


@typed_max_pool
def max_pool3d(
    input: Input,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """Return the maxima of sliding windows, as ``torch.nn.functional.max_pool3d`` does.

    Parameters
    ----------
    input : ndarray, shape (N, C, D, H, W) or (C, D, H, W)
        A float or integer dtype.
    kernel_size, stride, padding, dilation : int or sequence of int
        `stride` None is `kernel_size`; `padding`, at most half a window, never wins.
    ceil_mode : bool
        Round the output's size up.
    return_indices : bool
        Return the positions too.

    Returns
    -------
    ndarray, or (ndarray, ndarray of int64)
        The maxima, and their flat positions in the input's plane. The first maximum wins; a NaN wins over all.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument; a result that does not fit in memory.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> up.max_pool3d(x, 2)
    array([[[[[7.]]]]])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d_backward(grad_output: Input, indices: Input, input_size: Ints) -> np.ndarray:
    """Return the gradient of ``max_pool3d`` with respect to its input.

    Parameters
    ----------
    grad_output : ndarray, shape (N, C, *pooled) or (C, *pooled)
        Of a float dtype.
    indices : ndarray of int64, of the same shape
        As ``max_pool3d`` gave them.
    input_size : sequence of int
        The input's shape, or its last 3 sizes.

    Returns
    -------
    ndarray, shape `input_size`
        Gradients of overlapping windows are added in row-major order.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument; an index outside the plane is named; a result that does not fit in memory.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 1, 2)
    >>> up.max_pool3d_backward(np.array([5.0, 6.0]).reshape(1, 1, 1, 1, 2), indices, (1, 1, 4)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_pool_backward(3, grad_output, indices, input_size)
