"""max_pool and max_unpool with their gradients, in 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _args, _arrays, _kernels, _pool_args
from ._threads import threads_for

__all__ = [
    "max_pool1d",
    "max_pool1d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool3d",
    "max_pool3d_backward",
    "max_unpool1d",
    "max_unpool1d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "max_unpool3d",
    "max_unpool3d_backward",
]

SIGN = np.uint64(2**63)


def _batched(array: np.ndarray, rank: int) -> np.ndarray:
    return array if array.ndim == rank + 2 else array[None]


def _five(array: np.ndarray) -> np.ndarray:
    """(N, C, *space) as (N, C, D, H, W), a view."""
    index = (slice(None), slice(None)) + (None,) * (5 - array.ndim)
    return array[index]


def _flat(array: np.ndarray) -> np.ndarray:
    """(N, C, *space) in C or channels-last order as (N, C, positions), a view."""
    if _arrays.is_channels_last(array):
        last = np.moveaxis(array, 1, -1)
        return np.moveaxis(last.reshape(last.shape[0], math.prod(last.shape[1:-1]), last.shape[-1]), -1, 1)
    return array.reshape(*array.shape[:2], math.prod(array.shape[2:]))


def _bytes(array: np.ndarray) -> np.ndarray:
    """(N, C, positions) with a last axis that holds the bytes of an item, a view."""
    return array[..., None].view(np.uint8)


def _passed(array: np.ndarray) -> np.ndarray:
    """Return the array as a kernel takes it: Cython knows the compiled type of an integer build by a float's name."""
    return array.view(np.float64) if array.dtype.kind in "iu" else array


def _computed(array: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the precision in which an array's elements are compared, exactly, and the array in it."""
    if array.dtype.kind in "iu":
        if array.dtype == np.uint64:
            return "i64", array ^ SIGN
        return "i64", array.astype(np.int64, copy=False)
    return ("f64", array) if array.dtype == np.float64 else ("f32", array.astype(np.float32, copy=False))


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
    spec = _pool_args.windows(rank, kernel_size, stride, padding, dilation)
    ceil_mode, wanted = _args.flag("ceil_mode", ceil_mode), _args.flag("return_indices", return_indices)
    array = _pool_args.image("input", input, rank)
    _args.dtype_among("input", array, (*_pool_args.FLOATS, *_pool_args.INTEGERS))
    shape = _pool_args.pooled_shape(_batched(array, rank), rank, spec, ceil_mode)
    x = _arrays.readable(_batched(array, rank))
    last = _arrays.is_channels_last(x)
    precision, read = _computed(x)
    y = _arrays.allocate(shape, read.dtype, last)
    at = _arrays.allocate(shape if wanted else (1,) * len(shape), np.int64, last and wanted)
    if y.size:
        ones, zeros = (1,) * (3 - rank), (0,) * (3 - rank)
        taps = _pool_args.taps_in_reach(spec, array.shape[-rank:])
        numbers = (*ones, *taps.kernel_size, *ones, *taps.stride, *zeros, *taps.padding, *ones, *taps.dilation)
        _kernels.load("pool", precision).pool(
            _passed(_five(read)),
            np.array(numbers, np.intp),
            _passed(_five(y)),
            _five(at),
            wanted,
            threads_for(y.size * math.prod(taps.kernel_size)),
        )
        if x.dtype.kind == "i" and max(spec.dilation) > 1:  # a window in the padding alone has the dtype's least value
            np.maximum(y, np.iinfo(x.dtype).min, out=y)
    values = (y.view(np.uint64) ^ SIGN) if x.dtype == np.uint64 else y.astype(x.dtype, copy=False)
    if array.ndim == rank + 1:
        values, at = values[0], at[0]
    return (values, at) if wanted else values


def _max_pool_backward(rank: int, grad_output: Any, indices: Any, input_size: Any) -> np.ndarray:
    grad = _args.array("grad_output", grad_output, (rank + 1, rank + 2))
    _args.dtype_among("grad_output", grad, _pool_args.FLOATS)
    shape = _pool_args.input_shape(grad, rank, input_size)
    plane = int(np.prod(shape[-rank:], dtype=object))
    at = _arrays.readable(_batched(_pool_args.positions("indices", indices, "grad_output", grad, rank, plane), rank))
    g = _arrays.readable(_batched(grad, rank))
    precision, read = _computed(g)
    result = _arrays.allocate(shape if len(shape) == rank + 2 else (1, *shape), read.dtype, _arrays.is_channels_last(g))
    result[...] = 0
    if g.size:
        _kernels.load("pool", precision).add(_flat(read), _flat(at), _flat(result), threads_for(g.size + result.size))
    result = result.astype(g.dtype, copy=False)
    return result[0] if grad.ndim == rank + 1 else result


def _max_unpool(
    rank: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any, out: Any
) -> np.ndarray:
    spec = _pool_args.windows(rank, kernel_size, stride, padding)
    array = _pool_args.image("input", input, rank)
    shape = _pool_args.unpooled_shape(array, rank, spec, output_size)
    plane = int(np.prod(shape[-rank:], dtype=object))
    at = _pool_args.positions("indices", indices, "input", array, rank, plane)
    x, at = _arrays.readable(_batched(array, rank)), _arrays.readable(_batched(at, rank))
    last = _arrays.is_channels_last(x)
    target = None if out is None else _batched(out, rank) if isinstance(out, np.ndarray) and out.ndim else out
    result = _arrays.target(target, shape if len(shape) == rank + 2 else (1, *shape), x.dtype, last, (x, at))
    if result.size:
        _kernels.load("move", "bytes").put(_bytes(_flat(x)), _flat(at), _bytes(_flat(result)), threads_for(result.size))
    _arrays.deliver(result, target)
    if out is not None:
        return out
    return result[0] if array.ndim == rank + 1 else result


def _max_unpool_backward(rank: int, grad_output: Any, indices: Any) -> np.ndarray:
    grad = _args.array("grad_output", grad_output, (rank + 1, rank + 2))
    shape = np.shape(indices)
    if len(shape) != grad.ndim or shape[:-rank] != grad.shape[:-rank]:
        raise ValueError(f"indices must have a shape that begins with {grad.shape[:-rank]}, got {shape}")
    like = np.broadcast_to(np.zeros((), grad.dtype), shape)
    plane = int(np.prod(grad.shape[-rank:], dtype=object))
    at = _pool_args.positions("indices", indices, "indices", like, rank, plane)
    g, at = _arrays.readable(_batched(grad, rank)), _arrays.readable(_batched(at, rank))
    result = _arrays.allocate(at.shape, g.dtype, _arrays.is_channels_last(g))
    if result.size:
        _kernels.load("move", "bytes").fetch(
            _bytes(_flat(g)), _flat(at), _bytes(_flat(result)), threads_for(result.size + g.size)
        )
    return result[0] if grad.ndim == rank + 1 else result


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: Any = False,
    return_indices: Any = False,
) -> Any:
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
    TypeError, ValueError
        For a wrong argument.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> x = np.array([[[1.0, 3.0, 2.0, 0.0]]])
    >>> up.max_pool1d(x, 2)
    array([[[3., 2.]]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_backward(grad_output: Any, indices: Any, input_size: Any) -> np.ndarray:
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
    TypeError, ValueError
        For a wrong argument; an index outside the plane is named.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 2)
    >>> up.max_pool1d_backward(np.array([5.0, 6.0]).reshape(1, 1, 2), indices, (4,)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_pool_backward(1, grad_output, indices, input_size)


def max_unpool1d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Put values back where ``max_pool1d`` found them, zeros elsewhere, as ``torch.nn.functional.max_unpool1d`` does.

    Parameters
    ----------
    input : ndarray, shape (N, C, L) or (C, L)
        Of any dtype.
    indices : ndarray of integers, of the same shape
        Flat positions in the output's plane. Where one stands twice, the last in row-major order wins.
    kernel_size, stride, padding : int or sequence of int
        The pooling's.
    output_size : sequence of int, optional
        The wanted size, less than `stride` away from the default.
    out : ndarray, optional
        Where to write.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        For a wrong argument; an index outside the plane is named, and nothing is written.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 2)
    >>> up.max_unpool1d(np.array([5.0, 6.0]).reshape(1, 1, 2), indices, 2).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size, out)


def max_unpool1d_backward(grad_output: Any, indices: Any) -> np.ndarray:
    """Return the gradient of ``max_unpool1d`` with respect to its input.

    Parameters
    ----------
    grad_output : ndarray, shape (N, C, *unpooled) or (C, *unpooled)
        Of any dtype.
    indices : ndarray of integers, shape (N, C, L) or (C, L)

    Returns
    -------
    ndarray, of the shape of `indices`
        Where a position stands twice, the last in row-major order has the gradient and the others have zero.

    Raises
    ------
    TypeError, ValueError
        For a wrong argument; an index outside the plane is named.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 2)
    >>> up.max_unpool1d_backward(np.arange(4.0).reshape(1, 1, 4), indices).ravel()
    array([1., 2.])
    """
    return _max_unpool_backward(1, grad_output, indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: Any = False,
    return_indices: Any = False,
) -> Any:
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
    TypeError, ValueError
        For a wrong argument.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> up.max_pool2d(x, 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d_backward(grad_output: Any, indices: Any, input_size: Any) -> np.ndarray:
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
    TypeError, ValueError
        For a wrong argument; an index outside the plane is named.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 2)
    >>> up.max_pool2d_backward(np.array([5.0, 6.0]).reshape(1, 1, 1, 2), indices, (1, 4)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_pool_backward(2, grad_output, indices, input_size)


def max_unpool2d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Put values back where ``max_pool2d`` found them, zeros elsewhere, as ``torch.nn.functional.max_unpool2d`` does.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        Of any dtype.
    indices : ndarray of integers, of the same shape
        Flat positions in the output's plane. Where one stands twice, the last in row-major order wins.
    kernel_size, stride, padding : int or sequence of int
        The pooling's.
    output_size : sequence of int, optional
        The wanted size, less than `stride` away from the default.
    out : ndarray, optional
        Where to write.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        For a wrong argument; an index outside the plane is named, and nothing is written.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 2)
    >>> up.max_unpool2d(np.array([5.0, 6.0]).reshape(1, 1, 1, 2), indices, (1, 2)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size, out)


def max_unpool2d_backward(grad_output: Any, indices: Any) -> np.ndarray:
    """Return the gradient of ``max_unpool2d`` with respect to its input.

    Parameters
    ----------
    grad_output : ndarray, shape (N, C, *unpooled) or (C, *unpooled)
        Of any dtype.
    indices : ndarray of integers, shape (N, C, H, W) or (C, H, W)

    Returns
    -------
    ndarray, of the shape of `indices`
        Where a position stands twice, the last in row-major order has the gradient and the others have zero.

    Raises
    ------
    TypeError, ValueError
        For a wrong argument; an index outside the plane is named.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 2)
    >>> up.max_unpool2d_backward(np.arange(4.0).reshape(1, 1, 1, 4), indices).ravel()
    array([1., 2.])
    """
    return _max_unpool_backward(2, grad_output, indices)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: Any = False,
    return_indices: Any = False,
) -> Any:
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
    TypeError, ValueError
        For a wrong argument.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> x = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    >>> up.max_pool3d(x, 2)
    array([[[[[7.]]]]])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d_backward(grad_output: Any, indices: Any, input_size: Any) -> np.ndarray:
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
    TypeError, ValueError
        For a wrong argument; an index outside the plane is named.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 1, 2)
    >>> up.max_pool3d_backward(np.array([5.0, 6.0]).reshape(1, 1, 1, 1, 2), indices, (1, 1, 4)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_pool_backward(3, grad_output, indices, input_size)


def max_unpool3d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Put values back where ``max_pool3d`` found them, zeros elsewhere, as ``torch.nn.functional.max_unpool3d`` does.

    Parameters
    ----------
    input : ndarray, shape (N, C, D, H, W) or (C, D, H, W)
        Of any dtype.
    indices : ndarray of integers, of the same shape
        Flat positions in the output's plane. Where one stands twice, the last in row-major order wins.
    kernel_size, stride, padding : int or sequence of int
        The pooling's.
    output_size : sequence of int, optional
        The wanted size, less than `stride` away from the default.
    out : ndarray, optional
        Where to write.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        For a wrong argument; an index outside the plane is named, and nothing is written.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 1, 2)
    >>> up.max_unpool3d(np.array([5.0, 6.0]).reshape(1, 1, 1, 1, 2), indices, (1, 1, 2)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size, out)


def max_unpool3d_backward(grad_output: Any, indices: Any) -> np.ndarray:
    """Return the gradient of ``max_unpool3d`` with respect to its input.

    Parameters
    ----------
    grad_output : ndarray, shape (N, C, *unpooled) or (C, *unpooled)
        Of any dtype.
    indices : ndarray of integers, shape (N, C, D, H, W) or (C, D, H, W)

    Returns
    -------
    ndarray, of the shape of `indices`
        Where a position stands twice, the last in row-major order has the gradient and the others have zero.

    Raises
    ------
    TypeError, ValueError
        For a wrong argument; an index outside the plane is named.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 1, 2)
    >>> up.max_unpool3d_backward(np.arange(4.0).reshape(1, 1, 1, 1, 4), indices).ravel()
    array([1., 2.])
    """
    return _max_unpool_backward(3, grad_output, indices)
