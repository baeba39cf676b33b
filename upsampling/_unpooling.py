"""max_unpool and its gradient, in 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _args, _arrays, _kernels, _out, _pool_args, _repeat
from ._threads import threads_for
from ._types import Input, Ints

__all__ = [
    "max_unpool1d",
    "max_unpool1d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "max_unpool3d",
    "max_unpool3d_backward",
]


def _bytes(array: np.ndarray) -> np.ndarray:
    """(N, C, positions) with a last axis that holds the bytes of an item, a view."""
    return array[..., None].view(np.uint8)


def _max_unpool(
    rank: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any, out: Any
) -> np.ndarray:
    call = ("max_unpool", rank, input, indices, kernel_size, stride, padding, output_size)
    if out is None and (found := _repeat.again(call)) is not None:
        return found
    spec = _pool_args.windows(rank, kernel_size, stride, padding)
    array = _pool_args.image("input", input, rank, first_may_be_empty=True)
    shape = _pool_args.unpooled_shape(array, rank, spec, output_size)
    given = _pool_args.positions("indices", indices, "input", array)
    x = _arrays.readable(_arrays.batched(array, rank))
    last = _arrays.is_channels_last(x)
    batched = array.ndim == rank + 2
    result = _arrays.target(out, shape if batched else (1, *shape), x.dtype, last, (x, given), batched)
    steps = []
    if result.size:
        steps = _put(x, given, result)
    if out is not None:
        return _out.deliver(result, out)
    result = result if batched else result[0]
    if steps:
        _repeat.remember(call, [result], steps)
    return result


def planes_of(given: np.ndarray, rank: int, plane: int) -> np.ndarray:
    """Return positions as (N, C, L) int64; of those that it may not hold all are checked."""
    if given.dtype.kind == "u":
        _pool_args.check_inside("indices", given, plane)
    return _arrays.flat_planes(_arrays.readable(_arrays.batched(given.astype(np.int64, copy=False), rank)))


def _checked_planes(given: np.ndarray, rank: int, plane: int) -> tuple[np.ndarray, _repeat.Step]:
    """Return positions, none of them outside of planes of so many elements, as (N, C, L) int64; and that check."""
    at = planes_of(given, rank, plane)
    outside = _kernels.load("move", "bytes").outside
    arguments = (at, plane, threads_for(at.size))
    if given.dtype.kind != "u" and outside(*arguments):
        _pool_args.check_inside("indices", given, plane)
    return at, (outside, arguments, at.size)


def _put(x: np.ndarray, given: np.ndarray, result: np.ndarray) -> list[_repeat.Step]:
    """Write x to its positions, of which the values are not checked yet."""
    put = _kernels.load("move", "bytes").put
    at, checked = _checked_planes(given, result.ndim - 2, math.prod(result.shape[2:]))
    values, moved = _bytes(_arrays.flat_planes(x)), _bytes(_arrays.flat_planes(result))
    arguments = (values, at, moved, threads_for(result.size))
    put(*arguments)
    return [checked, (put, arguments, result.size)]


def _max_unpool_backward(rank: int, grad_output: Any, indices: Any) -> np.ndarray:
    call = ("max_unpool_backward", rank, grad_output, indices)
    if (found := _repeat.again(call)) is not None:
        return found
    grad = _args.array("grad_output", grad_output, (rank + 1, rank + 2))
    given = _args.array("indices", indices)
    shape = given.shape
    if len(shape) != grad.ndim or shape[:-rank] != grad.shape[:-rank]:
        raise ValueError(f"indices must have a shape that begins with {grad.shape[:-rank]}, got {shape}")
    given = _pool_args.positions("indices", given, "indices", given)
    g = _arrays.readable(_arrays.batched(grad, rank))
    batched = grad.ndim == rank + 2
    result = _arrays.allocate(shape if batched else (1, *shape), g.dtype, _arrays.is_channels_last(g))
    steps: list[_repeat.Step] = []
    if result.size:
        fetch, work = _kernels.load("move", "bytes").fetch, result.size + g.size
        plane = math.prod(g.shape[2:])
        at = planes_of(given, rank, plane)
        values, fetched = _bytes(_arrays.flat_planes(g)), _bytes(_arrays.flat_planes(result))
        arguments = (values, at, fetched, _pool_args.volumes(shape[-rank:], g.shape[2:]), threads_for(work))
        if fetch(*arguments):
            _pool_args.check_inside("indices", given, plane)
        steps = [(fetch, arguments, work)]
    result = result if batched else result[0]
    if steps:
        _repeat.remember(call, [result], steps)
    return result


def max_unpool1d(
    input: Input,
    indices: Input,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Ints | None = None,
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
    TypeError, ValueError, MemoryError
        For a wrong argument; an index outside the plane is named, and nothing is written; a result that does not fit.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 2)
    >>> up.max_unpool1d(np.array([5.0, 6.0]).reshape(1, 1, 2), indices, 2).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size, out)


def max_unpool1d_backward(grad_output: Input, indices: Input) -> np.ndarray:
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
    TypeError, ValueError, MemoryError
        For a wrong argument; an index outside the plane is named; a result that does not fit in memory.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 2)
    >>> up.max_unpool1d_backward(np.arange(4.0).reshape(1, 1, 4), indices).ravel()
    array([1., 2.])
    """
    return _max_unpool_backward(1, grad_output, indices)


def max_unpool2d(
    input: Input,
    indices: Input,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Ints | None = None,
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
    TypeError, ValueError, MemoryError
        For a wrong argument; an index outside the plane is named, and nothing is written; a result that does not fit.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 2)
    >>> up.max_unpool2d(np.array([5.0, 6.0]).reshape(1, 1, 1, 2), indices, (1, 2)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size, out)


def max_unpool2d_backward(grad_output: Input, indices: Input) -> np.ndarray:
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
    TypeError, ValueError, MemoryError
        For a wrong argument; an index outside the plane is named; a result that does not fit in memory.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 2)
    >>> up.max_unpool2d_backward(np.arange(4.0).reshape(1, 1, 1, 4), indices).ravel()
    array([1., 2.])
    """
    return _max_unpool_backward(2, grad_output, indices)


def max_unpool3d(
    input: Input,
    indices: Input,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Ints | None = None,
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
    TypeError, ValueError, MemoryError
        For a wrong argument; an index outside the plane is named, and nothing is written; a result that does not fit.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 1, 2)
    >>> up.max_unpool3d(np.array([5.0, 6.0]).reshape(1, 1, 1, 1, 2), indices, (1, 1, 2)).ravel()
    array([0., 5., 6., 0.])
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size, out)


def max_unpool3d_backward(grad_output: Input, indices: Input) -> np.ndarray:
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
    TypeError, ValueError, MemoryError
        For a wrong argument; an index outside the plane is named; a result that does not fit in memory.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> indices = np.array([1, 2]).reshape(1, 1, 1, 1, 2)
    >>> up.max_unpool3d_backward(np.arange(4.0).reshape(1, 1, 1, 1, 4), indices).ravel()
    array([1., 2.])
    """
    return _max_unpool_backward(3, grad_output, indices)
