"""conv_transpose, its gradients, and the matrix of a convolution, from their definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _args, _conv_args, _out

__all__ = [
    "conv_matrix",
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
]


def conv_matrix(
    weight: Any, input_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1
) -> np.ndarray:
    """Return the matrix C of a convolution: it is ``C @ x.ravel()``, its input's gradient ``C.T @ g.ravel()``.

    The transposed convolution with the same weight goes the other way: forward ``C.T @ y.ravel()``, backward ``C @ g``.

    Parameters
    ----------
    weight : ndarray, shape (C_out, C_in // groups, *kernel)
        A convolution's weight, which is the transposed convolution's as it stands: the roles of the channels change.
    input_size : sequence of int
        The space sizes of the convolution's input, which is the transposed convolution's output.
    stride, padding, dilation : int or sequence of int
    groups : int

    Returns
    -------
    ndarray, shape (C_out * outputs, C_in * inputs)

    Raises
    ------
    TypeError, ValueError
        For a wrong argument, or an input that is smaller than the kernel.

    Examples
    --------
    >>> import numpy as np
    >>> conv_matrix(np.ones((1, 1, 3, 3)), (4, 4)).shape
    (4, 16)
    """
    w = _args.array("weight", weight, (3, 4, 5))
    _args.dtype_among("weight", w, (*_conv_args.FLOATS, *_conv_args.COMPLEX, *_conv_args.INTEGERS))
    rank = w.ndim - 2
    groups = _args.integer("groups", groups, minimum=1)
    if w.shape[0] % groups:
        raise ValueError(f"groups must divide the {w.shape[0]} output channels, got {groups}")
    sizes = _args.integers("input_size", input_size, rank, minimum=1)
    s = _args.integers("stride", stride, rank, minimum=1)
    p = _args.integers("padding", padding, rank)
    d = _args.integers("dilation", dilation, rank, minimum=1)
    out = tuple(
        (n + 2 * pp - dd * (k - 1) - 1) // ss + 1 for n, k, ss, pp, dd in zip(sizes, w.shape[2:], s, p, d, strict=True)
    )
    if min(out) < 1:
        raise ValueError(f"input_size must have room for the dilated kernel, got {sizes}, which gives {out} outputs")
    per = w.shape[0] // groups
    matrix = np.zeros((w.shape[0], *out, w.shape[1] * groups, *sizes), w.dtype)
    for m, c, *k in np.ndindex(*w.shape):
        for o in np.ndindex(*out):
            i = tuple(a * ss + b * dd - pp for a, b, ss, dd, pp in zip(o, k, s, d, p, strict=True))
            if all(0 <= a < n for a, n in zip(i, sizes, strict=True)):
                at = (m, *o, m // per * w.shape[1] + c, *i)
                factor = (m, c, *k)
                matrix[at] += w[factor]
    return matrix.reshape(w.shape[0] * int(np.prod(out)), -1)


def _slices(spec: _conv_args.Problem, tap: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """Return the inputs i and outputs o = i * stride + k * dilation - padding of one tap that lie inside, or None."""
    inputs, outputs = [], []
    for n, out, k, s, p, d in zip(
        spec.input.shape[2:], spec.output_shape[2:], tap, spec.stride, spec.padding, spec.dilation, strict=True
    ):
        inside = [i for i in range(n) if 0 <= i * s + k * d - p < out]
        if not inside:
            return None
        inputs.append(slice(inside[0], inside[-1] + 1))
        first = inside[0] * s + k * d - p
        outputs.append(slice(first, first + (len(inside) - 1) * s + 1, s))
    return (slice(None), slice(None), *inputs), (slice(None), slice(None), *outputs)


def _wide(spec: _conv_args.Problem, dtype: Any) -> np.dtype:
    """Choose the dtype of the sums: integers wrap in their own 64 bits, floats are summed in float64."""
    if dtype is not None:
        return np.dtype(dtype)
    kind = spec.input.dtype.kind
    return np.dtype({"c": np.complex128, "i": np.int64, "u": np.uint64}.get(kind, np.float64))


def _groups(spec: _conv_args.Problem) -> list[tuple[slice, slice]]:
    """Return the input and output channels of each group."""
    c, m = spec.weight.shape[0] // spec.groups, spec.weight.shape[1]
    return [(slice(g * c, g * c + c), slice(g * m, g * m + m)) for g in range(spec.groups)]


def _forward(spec: _conv_args.Problem, bias: Any, out: np.ndarray | None, dtype: Any) -> np.ndarray:
    """sums[m, i * stride + k * dilation - padding] += input[c, i] * weight[c, m, k]."""
    wide = _wide(spec, dtype)
    x, w = spec.input.astype(wide), spec.weight.astype(wide)
    checked = _conv_args.bias_of(bias, spec)
    sums = np.zeros(spec.output_shape, wide)
    for tap in np.ndindex(*w.shape[2:]):
        slices = _slices(spec, tap)
        if slices is None:
            continue
        for c, m in _groups(spec):
            here = (c, slice(None), *tap)
            sums[:, m][slices[1]] += np.einsum("nc...,cm->nm...", x[:, c][slices[0]], w[here])
    if checked is not None:
        sums += checked.astype(wide).reshape(-1, *(1,) * len(spec.stride))
    result = sums.astype(spec.input.dtype.newbyteorder("=") if dtype is None else dtype)
    return _out.checked_delivery(result if spec.batched else result[0], out)


def _backward(spec: _conv_args.Problem, grad_output: Any, output_mask: Any, dtype: Any) -> tuple[Any, Any, Any]:
    """Compute the gradients of the forward formula: each factor of a product times the other's conjugate."""
    wide = _wide(spec, dtype)
    wanted = _conv_args.mask_of(output_mask)
    g = _conv_args.gradient_of(grad_output, spec).astype(wide)
    x, w = spec.input.astype(wide).conj(), spec.weight.astype(wide).conj()
    grad_input, grad_weight = np.zeros(x.shape, wide), np.zeros(w.shape, wide)
    for tap in np.ndindex(*w.shape[2:]):
        slices = _slices(spec, tap)
        if slices is None:
            continue
        for c, m in _groups(spec):
            here = (c, slice(None), *tap)
            at, factor = g[:, m][slices[1]], w[here]
            grad_input[:, c][slices[0]] += np.einsum("nm...,cm->nc...", at, factor)
            pixels = x[:, c][slices[0]]
            flat = tuple(part.reshape(*part.shape[:2], math.prod(part.shape[2:])) for part in (pixels, at))
            grad_weight[here] += np.einsum("ncs,nms->cm", *flat)
    grad_bias = g.sum(axis=(0, *range(2, g.ndim)))
    final = spec.input.dtype.newbyteorder("=") if dtype is None else dtype
    results = [grad_input if spec.batched else grad_input[0], grad_weight, grad_bias]
    first, second, third = (r.astype(final) if wish else None for r, wish in zip(results, wanted, strict=True))
    return first, second, third


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
    *,
    output_size: Any = None,
    out: np.ndarray | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """out[m, o] = bias[m] + sum of input[c, i] * weight[c, m, k] over i * stride + k * dilation - padding = o."""
    spec = _conv_args.problem(1, input, weight, stride, padding, output_padding, groups, dilation, output_size)
    return _forward(spec, bias, out, dtype)


def conv_transpose1d_backward(
    grad_output: Any,
    input: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
    *,
    output_mask: Any = (True, True, True),
    dtype: Any = None,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Add up grad_input[c, i] += grad[m, o] * weight[c, m, k] and grad_weight[c, m, k] += grad[m, o] * input[c, i]."""
    spec = _conv_args.problem(1, input, weight, stride, padding, output_padding, groups, dilation)
    return _backward(spec, grad_output, output_mask, dtype)


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
    *,
    output_size: Any = None,
    out: np.ndarray | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """out[m, o] = bias[m] + sum of input[c, i] * weight[c, m, k] over i * stride + k * dilation - padding = o."""
    spec = _conv_args.problem(2, input, weight, stride, padding, output_padding, groups, dilation, output_size)
    return _forward(spec, bias, out, dtype)


def conv_transpose2d_backward(
    grad_output: Any,
    input: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
    *,
    output_mask: Any = (True, True, True),
    dtype: Any = None,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Add up grad_input[c, i] += grad[m, o] * weight[c, m, k] and grad_weight[c, m, k] += grad[m, o] * input[c, i]."""
    spec = _conv_args.problem(2, input, weight, stride, padding, output_padding, groups, dilation)
    return _backward(spec, grad_output, output_mask, dtype)


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
    *,
    output_size: Any = None,
    out: np.ndarray | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """out[m, o] = bias[m] + sum of input[c, i] * weight[c, m, k] over i * stride + k * dilation - padding = o."""
    spec = _conv_args.problem(3, input, weight, stride, padding, output_padding, groups, dilation, output_size)
    return _forward(spec, bias, out, dtype)


def conv_transpose3d_backward(
    grad_output: Any,
    input: Any,
    weight: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
    *,
    output_mask: Any = (True, True, True),
    dtype: Any = None,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Add up grad_input[c, i] += grad[m, o] * weight[c, m, k] and grad_weight[c, m, k] += grad[m, o] * input[c, i]."""
    spec = _conv_args.problem(3, input, weight, stride, padding, output_padding, groups, dilation)
    return _backward(spec, grad_output, output_mask, dtype)
