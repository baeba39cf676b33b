"""conv_transpose and its gradients, in 1, 2 and 3 dimensions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from . import _arrays, _conv_args, _conv_gradients, _conv_minimal, _conv_plain, _halves, _kernels, _out, _repeat
from . import _plan_conv as plan
from ._conv_minimal import name_of, set_minimal_filtering
from ._conv_packed import PackedWeights
from ._kernels.calls import recording
from ._plan_tables import Problem, Size
from ._repeat import Step
from ._threads import threads_for
from ._types import Input, Int, Ints

__all__ = [
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
    "set_minimal_filtering",
]


def _axes(spec: _conv_args.Problem) -> list[Size]:
    """(size, out, kernel, stride, padding, dilation) for each of three axes."""
    rank = len(spec.stride)
    rows: Any = zip(
        spec.input.shape[2:],
        spec.output_shape[2:],
        spec.weight.shape[2:],
        spec.stride,
        spec.padding,
        spec.dilation,
        strict=True,
    )
    return [(1, 1, 1, 1, 0, 1)] * (3 - rank) + list(rows)


def _precision(dtype: np.dtype) -> tuple[str, Any]:
    """Return the kernels' precision for a dtype, and the dtype that they read and write."""
    if dtype.kind in "iu":
        return "i64", np.uint64
    return ("f64", np.float64) if dtype == np.float64 else ("f32", np.float32)


@lru_cache(maxsize=256)
def _passes(kernel: Any, problem: Problem) -> Any:
    """Return a plan's tables as the kernel reads them."""
    found = plan.plan(problem)
    return kernel.Passes(found.passes, found.whole, problem, problem.weight_steps())


def _run_plan(
    kernel: Any,
    problem: Problem,
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    kept: PackedWeights | None,
) -> list[Step]:
    x, y = _arrays.five_axes(x), _arrays.five_axes(y)
    passes, given = _passes(kernel, problem), (x, w, bias, y, problem.threads)
    # Where something that is not finite met numbers that it does not belong to, they are computed apart.
    apart = _apart(kernel, problem) if recording() else None
    packed = None if kept is None else kept.packed_for(kernel, passes, w, problem.threads)
    if problem.packed and kept is None:
        packed = kernel.Packed(passes, w)
    if kernel.transposed(passes, apart, *given, packed):
        apart = _apart(kernel, problem)  # also when the call is repeated: the next one is often like it
        kernel.transposed(passes, apart, *given, packed)
    work = x.size * problem.outputs * math.prod(axis[2] for axis in problem.axes)
    return [(kernel.transposed, (passes, apart, *given, packed), work)]


def _apart(kernel: Any, problem: Problem) -> Any:
    return _passes(kernel, problem._replace(merged=False, minimal=False, folds=False, vectors=0, packed=False))


def _contract(
    spec: _conv_args.Problem,
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    forward: bool,
    kept: PackedWeights | None = None,
) -> list[Step]:
    """Sum over channels and taps: the transposed convolution, or its gradient with respect to the input.

    Return the step that did it.
    """
    outputs = y.shape[1] // spec.groups
    bias = None if bias is None else _arrays.readable(bias).astype(y.dtype, copy=False)
    axes = _axes(spec)
    if steps := _conv_plain.steps(_precision(y.dtype)[0], axes, spec.groups, x, w, bias, y, forward):
        return steps
    kernel = _kernels.load("dense", _precision(y.dtype)[0])
    lanes, rows, vectors, pixels = kernel.shape()
    problem = Problem(
        tuple(axes),
        forward,
        x.shape[0],
        spec.groups,
        x.shape[1] // spec.groups,
        outputs,
        threads_for(x.size * outputs * w[0, 0].size),
        lanes,
        rows,
        y.itemsize,
        True,
        _conv_minimal.allowed() and y.dtype.kind == "f",
        vectors,
        kept is not None or bool(recording() and recording().constant(w)),
        pixels,
        y.dtype.kind == "f",
    )
    if y.dtype == np.uint64:
        # The compiled type of an integer build has a float's name in Cython: it is given the same bits as float64.
        x, w, y = (array.view(np.float64) for array in (x, w, y))
        bias = None if bias is None else bias.view(np.float64)
    return _run_plan(kernel, problem, x, np.ascontiguousarray(w).reshape(-1), bias, y, kept)


def _computed(array: np.ndarray) -> np.ndarray:
    """Return an array that a kernel can read, in the dtype in which it is computed."""
    array = _arrays.readable(array)
    if _halves.are_halves(array):
        return _halves.widened(array)
    return array.astype(_precision(array.dtype)[1], copy=False)


def _complex_parts(run: Callable[[np.ndarray, np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute a bilinear operation of complex operands from the real one, in the order of the first."""
    ar, ai, br, bi = (part.copy("K") for part in (a.real, a.imag, b.real, b.imag))
    return _complex_of(run(ar, br) - run(ai, bi), run(ar, bi) + run(ai, br))


def _complex_of(real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    result = np.empty_like(real, np.result_type(real.dtype, np.complex64))
    result.real, result.imag = real, imaginary
    return result


def _forward(
    spec: _conv_args.Problem, bias: np.ndarray | None, result: np.ndarray, kept: PackedWeights | None
) -> list[Step]:
    """Write a transposed convolution of any accepted dtype."""
    shape = result.shape
    if spec.input.dtype.kind == "c":

        def run(x: np.ndarray, w: np.ndarray) -> np.ndarray:
            y = np.empty(shape, x.dtype)
            _contract(spec, x, w, None, y, forward=True)
            return y

        result[...] = _complex_parts(run, _arrays.readable(spec.input), _arrays.readable(spec.weight))
        if bias is not None:
            result += bias.reshape(-1, *(1,) * (len(shape) - 2))
        return []
    x, w = _computed(spec.input), _computed(spec.weight)
    y = result if result.dtype == x.dtype else _arrays.allocate(shape, x.dtype, _arrays.is_channels_last(result))
    steps = _contract(spec, x, w, None if bias is None else bias.astype(x.dtype, copy=False), y, True, kept)
    if y is not result and _halves.are_halves(result):
        _halves.narrow(y, result)
    elif y is not result:
        result[...] = y.astype(result.dtype)
    return steps


def _conv_transpose(
    rank: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: Any,
    dilation: Any, output_size: Any, out: Any, kept: PackedWeights | None = None,
) -> np.ndarray:  # fmt: skip
    call = (
        name_of("conv_transpose"), rank, input, weight, bias, stride, padding, output_padding, groups, dilation,
        output_size,
    )  # fmt: skip
    known = None if kept is None else kept.calls
    if out is None and (result := _repeat.again(call, known)) is not None:
        return result
    spec = _conv_args.problem(rank, *call[2:4], *call[5:])
    bias = _conv_args.bias_of(bias, spec)
    last = _arrays.is_channels_last(_arrays.readable(spec.input[:1]))
    dtype = spec.input.dtype.newbyteorder("=")
    inputs = [array for array in (spec.input, spec.weight, bias) if array is not None]
    result = _arrays.target(out, spec.output_shape, dtype, last, inputs, spec.batched)
    steps = []
    if result.size:
        with np.errstate(all="ignore"):
            steps = _forward(spec, bias, result, kept)
    if out is not None:
        return _out.deliver(result, out)
    result = result if spec.batched else result[0]
    if steps:
        _repeat.remember(call, [result], steps, known=known)
    return result


def _backward(
    rank: int, grad_output: Any, input: Any, weight: Any, stride: Any, padding: Any, output_padding: Any, groups: Any,
    dilation: Any, output_mask: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    call = (
        name_of("backward"), rank, grad_output, input, weight, stride, padding, output_padding, groups, dilation,
        output_mask,
    )  # fmt: skip
    if (found := _repeat.again(call)) is not None:
        return found
    spec = _conv_args.problem(rank, *call[3:10])
    g = _conv_args.gradient_of(grad_output, spec)
    wanted = _conv_args.mask_of(output_mask)
    with np.errstate(all="ignore"):
        gradients, steps = _gradients(spec, g, wanted)
    if gradients[0] is not None and not spec.batched:
        gradients[0] = gradients[0][0]
    if steps:
        unused = [array for array, needed in zip(call[2:5], (True, wanted[1], wanted[0]), strict=True) if not needed]
        _repeat.remember(call, gradients, steps, several=True, unused=unused)
    return gradients[0], gradients[1], gradients[2]


def _gradients(
    spec: _conv_args.Problem, g: np.ndarray, wanted: tuple[bool, bool, bool]
) -> tuple[list[np.ndarray | None], list[Step]]:
    """Compute the gradients that are wanted, and the steps by which the call is repeated (none if it is not)."""
    dtype = spec.input.dtype.newbyteorder("=")
    gradients: list[np.ndarray | None] = [None, None, None]
    steps: list[list[Step]] = []

    def input_gradient(g: np.ndarray, w: np.ndarray) -> np.ndarray:
        y = _arrays.allocate(spec.input.shape, g.dtype, _arrays.is_channels_last(g))
        steps.append(_contract(spec, g, w, None, y, forward=False) if y.size else [])
        return y

    def weight_gradient(x: np.ndarray, g: np.ndarray) -> np.ndarray:
        y = _arrays.allocate(spec.weight.shape, x.dtype)
        steps.append(_conv_gradients.of_weight(_precision(x.dtype)[0], _axes(spec), spec.groups, x, g, y))
        return y

    def bias_gradient(g: np.ndarray) -> np.ndarray:
        y = _arrays.allocate(spec.output_shape[1:2], g.dtype)
        steps.append(_conv_gradients.of_bias(_precision(g.dtype)[0], g, y))
        return y

    if dtype.kind == "c":
        x, w, g = (_arrays.readable(array) for array in (spec.input, spec.weight, g))
        if wanted[0]:
            gradients[0] = _complex_parts(input_gradient, g, w.conj())
        if wanted[1]:
            gradients[1] = _complex_parts(weight_gradient, x.conj(), g)
        if wanted[2]:
            gradients[2] = _complex_of(*(bias_gradient(part.copy("K")) for part in (g.real, g.imag)))
        return gradients, []
    x, w, g = (_computed(array) for array in (spec.input, spec.weight, g))
    if wanted[0]:
        gradients[0] = _halves.cast(input_gradient(g, w), dtype)
    if wanted[1]:
        gradients[1] = _halves.cast(weight_gradient(x, g), dtype)
    if wanted[2]:
        gradients[2] = _halves.cast(bias_gradient(g), dtype)
    repeatable = all(steps) and g.dtype == dtype
    return gradients, list(itertools.chain(*steps)) if repeatable else []


def conv_transpose1d(
    input: Input,
    weight: Input,
    bias: Input | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: Int = 1,
    dilation: Ints = 1,
    *,
    output_size: Ints | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the transposed convolution, as ``torch.nn.functional.conv_transpose1d`` does.

    ``out[m, o]`` is the sum of ``input[c, i] * weight[c, m, k]`` over all ``i * stride + k * dilation - padding == o``.

    Parameters
    ----------
    input : ndarray, shape (N, C_in, L) or (C_in, L)
        float16, bfloat16, float32, float64, a complex or an integer dtype (integers wrap).
    weight : ndarray, shape (C_in, C_out // groups, K)
        Of the same dtype.
    bias : ndarray, shape (C_out,), optional
        Of the same dtype.
    stride, padding, output_padding, dilation : int or sequence of int
        `output_padding`, below stride or dilation, makes the output larger.
    groups : int
        Groups of channels that do not mix.
    output_size : sequence of int, optional
        The wanted size, instead of `output_padding`.
    out : ndarray, optional
        Where to write.

    Returns
    -------
    ndarray, shape (N, C_out, L) or (C_out, L)

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument, or a result that does not fit.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> up.conv_transpose1d(np.ones((1, 2, 3)), np.ones((2, 4, 2)), stride=2).shape
    (1, 4, 6)
    """
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation, output_size, out)


def conv_transpose1d_backward(
    grad_output: Input,
    input: Input,
    weight: Input,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: Int = 1,
    dilation: Ints = 1,
    *,
    output_mask: Sequence[bool] = (True, True, True),
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return the gradients of ``conv_transpose1d`` with respect to input, weight and bias.

    Parameters
    ----------
    grad_output : ndarray
        Of the forward result's shape and dtype, a float or complex one.
    input, weight, stride, padding, output_padding, groups, dilation
        The forward call's.
    output_mask : sequence of three bool
        Which gradients are wanted; the others are None and cost nothing.

    Returns
    -------
    tuple of ndarray or None
        ``(grad_input, grad_weight, grad_bias)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument; a result that does not fit in memory.

    Notes
    -----
    PyTorch's gradients of ``torch.nn.functional.conv_transpose1d``; complex factors are conjugated.

    Examples
    --------
    >>> import numpy as np
    >>> import upsampling as up
    >>> x, weight = np.ones((1, 1, 1)), np.ones((1, 1, 2))
    >>> grad_output = np.ones((1, 1, 2))
    >>> grad_input, grad_weight, grad_bias = up.conv_transpose1d_backward(grad_output, x, weight)
    >>> grad_input.ravel(), grad_bias
    (array([2.]), array([2.]))
    """
    return _backward(1, grad_output, input, weight, stride, padding, output_padding, groups, dilation, output_mask)


def conv_transpose2d(
    input: Input,
    weight: Input,
    bias: Input | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: Int = 1,
    dilation: Ints = 1,
    *,
    output_size: Ints | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the transposed convolution, as ``torch.nn.functional.conv_transpose2d`` does.

    ``out[m, o]`` is the sum of ``input[c, i] * weight[c, m, k]`` over all ``i * stride + k * dilation - padding == o``.

    Parameters
    ----------
    input : ndarray, shape (N, C_in, H, W) or (C_in, H, W)
        float16, bfloat16, float32, float64, a complex or an integer dtype (integers wrap).
    weight : ndarray, shape (C_in, C_out // groups, KH, KW)
        Of the same dtype.
    bias : ndarray, shape (C_out,), optional
        Of the same dtype.
    stride, padding, output_padding, dilation : int or sequence of int
        `output_padding`, below stride or dilation, makes the output larger.
    groups : int
        Groups of channels that do not mix.
    output_size : sequence of int, optional
        The wanted size, instead of `output_padding`.
    out : ndarray, optional
        Where to write.

    Returns
    -------
    ndarray, shape (N, C_out, H, W) or (C_out, H, W)

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument, or a result that does not fit.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> up.conv_transpose2d(np.ones((1, 2, 3, 3)), np.ones((2, 4, 2, 2)), stride=2).shape
    (1, 4, 6, 6)
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation, output_size, out)


def conv_transpose2d_backward(
    grad_output: Input,
    input: Input,
    weight: Input,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: Int = 1,
    dilation: Ints = 1,
    *,
    output_mask: Sequence[bool] = (True, True, True),
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return the gradients of ``conv_transpose2d`` with respect to input, weight and bias.

    Parameters
    ----------
    grad_output : ndarray
        Of the forward result's shape and dtype, a float or complex one.
    input, weight, stride, padding, output_padding, groups, dilation
        The forward call's.
    output_mask : sequence of three bool
        Which gradients are wanted; the others are None and cost nothing.

    Returns
    -------
    tuple of ndarray or None
        ``(grad_input, grad_weight, grad_bias)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument; a result that does not fit in memory.

    Notes
    -----
    PyTorch's gradients of ``torch.nn.functional.conv_transpose2d``; complex factors are conjugated.

    Examples
    --------
    >>> import numpy as np
    >>> import upsampling as up
    >>> x, weight = np.ones((1, 1, 1, 1)), np.ones((1, 1, 2, 2))
    >>> grad_output = np.ones((1, 1, 2, 2))
    >>> grad_input, grad_weight, grad_bias = up.conv_transpose2d_backward(grad_output, x, weight)
    >>> grad_input.ravel(), grad_bias
    (array([4.]), array([4.]))
    """
    return _backward(2, grad_output, input, weight, stride, padding, output_padding, groups, dilation, output_mask)


def conv_transpose3d(
    input: Input,
    weight: Input,
    bias: Input | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: Int = 1,
    dilation: Ints = 1,
    *,
    output_size: Ints | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return the transposed convolution, as ``torch.nn.functional.conv_transpose3d`` does.

    ``out[m, o]`` is the sum of ``input[c, i] * weight[c, m, k]`` over all ``i * stride + k * dilation - padding == o``.

    Parameters
    ----------
    input : ndarray, shape (N, C_in, D, H, W) or (C_in, D, H, W)
        float16, bfloat16, float32, float64, a complex or an integer dtype (integers wrap).
    weight : ndarray, shape (C_in, C_out // groups, KD, KH, KW)
        Of the same dtype.
    bias : ndarray, shape (C_out,), optional
        Of the same dtype.
    stride, padding, output_padding, dilation : int or sequence of int
        `output_padding`, below stride or dilation, makes the output larger.
    groups : int
        Groups of channels that do not mix.
    output_size : sequence of int, optional
        The wanted size, instead of `output_padding`.
    out : ndarray, optional
        Where to write.

    Returns
    -------
    ndarray, shape (N, C_out, D, H, W) or (C_out, D, H, W)

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument, or a result that does not fit.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> up.conv_transpose3d(np.ones((1, 2, 3, 3, 3)), np.ones((2, 4, 2, 2, 2)), stride=2).shape
    (1, 4, 6, 6, 6)
    """
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation, output_size, out)


def conv_transpose3d_backward(
    grad_output: Input,
    input: Input,
    weight: Input,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: Int = 1,
    dilation: Ints = 1,
    *,
    output_mask: Sequence[bool] = (True, True, True),
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Return the gradients of ``conv_transpose3d`` with respect to input, weight and bias.

    Parameters
    ----------
    grad_output : ndarray
        Of the forward result's shape and dtype, a float or complex one.
    input, weight, stride, padding, output_padding, groups, dilation
        The forward call's.
    output_mask : sequence of three bool
        Which gradients are wanted; the others are None and cost nothing.

    Returns
    -------
    tuple of ndarray or None
        ``(grad_input, grad_weight, grad_bias)``.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument; a result that does not fit in memory.

    Notes
    -----
    PyTorch's gradients of ``torch.nn.functional.conv_transpose3d``; complex factors are conjugated.

    Examples
    --------
    >>> import numpy as np
    >>> import upsampling as up
    >>> x, weight = np.ones((1, 1, 1, 1, 1)), np.ones((1, 1, 2, 2, 2))
    >>> grad_output = np.ones((1, 1, 2, 2, 2))
    >>> grad_input, grad_weight, grad_bias = up.conv_transpose3d_backward(grad_output, x, weight)
    >>> grad_input.ravel(), grad_bias
    (array([8.]), array([8.]))
    """
    return _backward(3, grad_output, input, weight, stride, padding, output_padding, groups, dilation, output_mask)
