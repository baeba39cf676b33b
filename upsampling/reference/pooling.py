"""max_pool and max_unpool with their gradients, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _args, _out, _pool_args

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


def _window(start: tuple[int, ...], spec: _pool_args.Windows, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """List the positions inside the input that a window reads, in row-major order."""
    taps = (
        tuple(s + k * d for s, k, d in zip(start, tap, spec.dilation, strict=True))
        for tap in np.ndindex(*spec.kernel_size)
    )
    return [at for at in taps if all(0 <= i < n for i, n in zip(at, shape, strict=True))]


def _max_pool(rank: int, input: Any, windows: tuple, ceil_mode: Any, return_indices: Any, dtype: Any) -> Any:
    spec = _pool_args.windows(rank, *windows)
    ceil_mode, return_indices = _args.flag("ceil_mode", ceil_mode), _args.flag("return_indices", return_indices)
    x = _pool_args.image("input", input, rank)
    _args.dtype_among("input", x, (*_pool_args.FLOATS, *_pool_args.INTEGERS))
    shape = _pool_args.pooled_shape(x, rank, spec, ceil_mode)
    planes = x.reshape(math.prod(x.shape[:-rank]), *x.shape[-rank:])
    values = np.empty((len(planes), *shape[-rank:]), x.dtype.newbyteorder("="))
    indices: np.ndarray = np.empty(values.shape, np.int64)
    for output in np.ndindex(*values.shape):
        plane, o = output[:1], output[1:]
        start = tuple(i * s - p for i, s, p in zip(o, spec.stride, spec.padding, strict=True))
        best: tuple[int, ...] | None = None
        for at in _window(start, spec, planes.shape[1:]):
            value = planes[plane + at]
            if best is None or value > planes[plane + best] or value != value:
                best = at
        if best is None:  # a window in the padding alone: the lowest value, at the nearest element
            best = tuple(
                min(s + max(0, -(s // d)) * d, n - 1)
                for s, d, n in zip(start, spec.dilation, planes.shape[1:], strict=True)
            )
            values[output] = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
        else:
            values[output] = planes[plane + best]
        indices[output] = int(np.ravel_multi_index(best, planes.shape[1:]))
    values, indices = values.reshape(shape), indices.reshape(shape)
    values = values if dtype is None else values.astype(dtype)
    return (values, indices) if return_indices else values


def _max_pool_backward(rank: int, grad_output: Any, indices: Any, input_size: Any, dtype: Any) -> np.ndarray:
    grad = _args.array("grad_output", grad_output, (rank + 1, rank + 2))
    _args.dtype_among("grad_output", grad, _pool_args.FLOATS)
    shape = _pool_args.input_shape(grad, rank, input_size)
    plane = int(np.prod(shape[-rank:]))
    at = _pool_args.checked_positions("indices", indices, "grad_output", grad, plane)
    sums = np.zeros((int(np.prod(shape[:-rank])), plane))
    for p, g, where in zip(
        range(len(sums)),
        grad.reshape(len(sums), math.prod(grad.shape[-rank:])),
        at.reshape(len(sums), math.prod(at.shape[-rank:])),
        strict=True,
    ):
        for value, i in zip(g, where, strict=True):
            sums[p, i] += float(value)
    return sums.reshape(shape).astype(grad.dtype.newbyteorder("=") if dtype is None else dtype)


def _max_unpool(
    rank: int, input: Any, indices: Any, windows: tuple, output_size: Any, out: np.ndarray | None, dtype: Any
) -> np.ndarray:
    spec = _pool_args.windows(rank, *windows)
    x = _pool_args.image("input", input, rank, first_may_be_empty=True)
    shape = _pool_args.unpooled_shape(x, rank, spec, output_size)
    plane = int(np.prod(shape[-rank:]))
    at = _pool_args.positions("indices", indices, "input", x)
    if plane:  # nothing is put into empty planes, wherever the indices point
        _pool_args.check_inside("indices", at, plane)
    count = int(np.prod(shape[:-rank]))
    result = np.zeros((count, plane), x.dtype.newbyteorder("=") if dtype is None else dtype)
    for p, values, where in zip(
        range(count),
        x.reshape(count, math.prod(x.shape[-rank:])),
        at.reshape(count, math.prod(at.shape[-rank:])),
        strict=True,
    ):
        for value, i in zip(values, where, strict=True) if plane else ():
            result[p, i] = value
    return _out.checked_delivery(result.reshape(shape), out)


def _max_unpool_backward(rank: int, grad_output: Any, indices: Any, dtype: Any) -> np.ndarray:
    grad = _args.array("grad_output", grad_output, (rank + 1, rank + 2))
    at = _args.array("indices", indices)
    plane = int(np.prod(grad.shape[-rank:]))
    at = _pool_args.checked_positions("indices", at, "indices", at, plane)
    count = int(np.prod(at.shape[:-rank]))
    out = np.zeros((count, int(np.prod(at.shape[-rank:]))), grad.dtype.newbyteorder("=") if dtype is None else dtype)
    for p, g, where in zip(
        range(count),
        grad.reshape(count, math.prod(grad.shape[-rank:])),
        at.reshape(count, math.prod(at.shape[-rank:])),
        strict=True,
    ):
        last = {int(i): j for j, i in enumerate(where)}
        for i, j in last.items():
            out[p, j] = g[i]
    return out.reshape(at.shape)


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: Any = False,
    return_indices: Any = False,
    *,
    dtype: Any = None,
) -> Any:
    """out[o] = max over taps k of input[o * stride - padding + k * dilation]; the first maximum, or a NaN."""
    return _max_pool(1, input, (kernel_size, stride, padding, dilation), ceil_mode, return_indices, dtype)


def max_pool1d_backward(grad_output: Any, indices: Any, input_size: Any, *, dtype: Any = None) -> np.ndarray:
    """grad_input[i] = sum of grad_output[o] over all o with indices[o] = i."""
    return _max_pool_backward(1, grad_output, indices, input_size, dtype)


def max_unpool1d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    *,
    out: np.ndarray | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """Clear out; then out[indices[i]] = input[i] for i in row-major order."""
    return _max_unpool(1, input, indices, (kernel_size, stride, padding), output_size, out, dtype)


def max_unpool1d_backward(grad_output: Any, indices: Any, *, dtype: Any = None) -> np.ndarray:
    """grad_input[i] = grad_output[indices[i]] for the last i of each index, else 0."""
    return _max_unpool_backward(1, grad_output, indices, dtype)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: Any = False,
    return_indices: Any = False,
    *,
    dtype: Any = None,
) -> Any:
    """out[o] = max over taps k of input[o * stride - padding + k * dilation]; the first maximum, or a NaN."""
    return _max_pool(2, input, (kernel_size, stride, padding, dilation), ceil_mode, return_indices, dtype)


def max_pool2d_backward(grad_output: Any, indices: Any, input_size: Any, *, dtype: Any = None) -> np.ndarray:
    """grad_input[i] = sum of grad_output[o] over all o with indices[o] = i."""
    return _max_pool_backward(2, grad_output, indices, input_size, dtype)


def max_unpool2d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    *,
    out: np.ndarray | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """Clear out; then out[indices[i]] = input[i] for i in row-major order."""
    return _max_unpool(2, input, indices, (kernel_size, stride, padding), output_size, out, dtype)


def max_unpool2d_backward(grad_output: Any, indices: Any, *, dtype: Any = None) -> np.ndarray:
    """grad_input[i] = grad_output[indices[i]] for the last i of each index, else 0."""
    return _max_unpool_backward(2, grad_output, indices, dtype)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: Any = False,
    return_indices: Any = False,
    *,
    dtype: Any = None,
) -> Any:
    """out[o] = max over taps k of input[o * stride - padding + k * dilation]; the first maximum, or a NaN."""
    return _max_pool(3, input, (kernel_size, stride, padding, dilation), ceil_mode, return_indices, dtype)


def max_pool3d_backward(grad_output: Any, indices: Any, input_size: Any, *, dtype: Any = None) -> np.ndarray:
    """grad_input[i] = sum of grad_output[o] over all o with indices[o] = i."""
    return _max_pool_backward(3, grad_output, indices, input_size, dtype)


def max_unpool3d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    *,
    out: np.ndarray | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """Clear out; then out[indices[i]] = input[i] for i in row-major order."""
    return _max_unpool(3, input, indices, (kernel_size, stride, padding), output_size, out, dtype)


def max_unpool3d_backward(grad_output: Any, indices: Any, *, dtype: Any = None) -> np.ndarray:
    """grad_input[i] = grad_output[indices[i]] for the last i of each index, else 0."""
    return _max_unpool_backward(3, grad_output, indices, dtype)
