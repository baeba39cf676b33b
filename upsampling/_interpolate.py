"""`interpolate` and `interpolate_backward`: arguments to tables, tables to kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np

from . import _args, _arrays, _interpolate_args, _out, _plan_resample, _repeat, _resample
from ._interpolate_args import Request
from ._plan_resample import Axis, AxisTable
from ._types import Input, Ints, Numbers

__all__ = ["interpolate", "interpolate_backward"]


def interpolate(
    input: Input,
    size: Ints | None = None,
    scale_factor: Numbers | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Resample an array along its space axes, to a size or by a scale factor.

    PyTorch's ``torch.nn.functional.interpolate``. Output sizes and both nearest modes are PyTorch's bit for bit (for
    its C-order arrays). Beyond PyTorch: bicubic and lanczos in 1 and 3 dimensions, lanczos without antialias,
    antialias for linear and trilinear, integers in every mode, any dtype in the nearest modes.

    Parameters
    ----------
    input : ndarray
        Shape (N, C, *space) with 1, 2 or 3 space axes. Any dtype for nearest and nearest-exact; float16, bfloat16,
        float32, float64, uint8, int8, uint16 or int16 for the other modes.
    size : int or sequence of int, optional
        The result's space, one number for all axes or one for each; at least 1, or 0 for area, as in PyTorch.
    scale_factor : float or sequence of float, optional
        How much larger the result's space is, rounded down to whole sizes. Exactly one of `size` and `scale_factor` is
        given.
    mode : str
        nearest, nearest-exact, area, bicubic or lanczos for any rank; linear for one space axis, bilinear for two,
        trilinear for three.
    align_corners : bool, optional
        Lay the corner pixels' centres on each other instead of the pixels' outer borders; for linear, bilinear,
        trilinear and bicubic. None is False.
    recompute_scale_factor : bool, optional
        True takes the coordinates' scale from the sizes; else a given `scale_factor` is used as it is.
    antialias : bool
        Widen the filter where the result is smaller, for linear, bilinear, trilinear, bicubic and lanczos.
    out : ndarray, optional
        Where to write the result: of its shape and dtype, with any strides.

    Returns
    -------
    ndarray
        Shape (N, C, *out_space), of the input's dtype, channels-last if the input is. Integers are rounded to nearest,
        halves up, and limited to their range; uint8 in two dimensions is PyTorch's bit for bit. An input of weight 0
        has no part in a result, also where it is infinite or NaN (PyTorch's 0 * inf is NaN there).

    Raises
    ------
    ValueError
        For values and shapes that do not fit each other; the message names the argument and what it may be.
    TypeError
        For a dtype that the mode does not take, and for arguments of other types.
    MemoryError
        Where the result does not fit in memory.

    Examples
    --------
    >>> import numpy as np
    >>> import upsampling as up
    >>> up.interpolate(np.array([[[0.0, 4.0]]]), scale_factor=2, mode="linear")
    array([[[0., 1., 3., 4.]]])
    >>> up.interpolate(np.array([[[True, False]]]), size=3)
    array([[[ True,  True, False]]])
    """
    call = ("interpolate", input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    if out is None and (found := _repeat.again(call)) is not None:
        return found
    input = _args.array("input", input)
    asked = _interpolate_args.request(input.shape, *call[2:])
    _interpolate_args.check_dtype("input", input, asked)
    channels_last = _arrays.is_channels_last(input)
    dtype = input.dtype.newbyteorder("=")
    # The result is allocated first, so that a size beyond memory is noticed before tables of that size are made.
    result = _arrays.target(out, (*input.shape[:2], *asked.out_space), dtype, channels_last, [input])
    steps = []
    if result.size:
        source = _arrays.readable(input)
        used = out is not None or _arrays.is_used(result)
        if asked.is_nearest:
            steps = _resample.gather(source, result, _indices(asked, dtype), used=used)
        elif _interpolate_args.in_fixed_point(dtype, asked):
            fixed = [_plan_resample.fixed_point_table(axis) for axis in _axes(asked)]
            steps = _resample.resample_in_passes(source, result, fixed)
        else:
            tables = _tables(asked, dtype, _resample.precision_of(dtype))
            steps = _resample.resample(source, result, tables, used=used)
    if steps and out is None:
        _repeat.remember(call, [result], steps)
    return _out.deliver(result, out)


def interpolate_backward(
    grad_output: Input,
    input_size: Sequence[SupportsIndex],
    size: Ints | None = None,
    scale_factor: Numbers | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> np.ndarray:
    """Give the gradient for `interpolate`'s input: the exact adjoint of the call with the same arguments.

    Where PyTorch's backward is not the adjoint of its own forward (equal sizes with a scale factor other than 1;
    nearest modes in float64), this is the forward's adjoint all the same.

    Parameters
    ----------
    grad_output : ndarray
        The gradient for `interpolate`'s result, of its shape; float16, bfloat16, float32 or float64.
    input_size : sequence of int
        The input's shape (N, C, *space), or its space alone.
    size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
        As in the call of `interpolate`.

    Returns
    -------
    ndarray
        Shape (N, C, *space), of grad_output's dtype, channels-last if grad_output is; float16 and bfloat16 are
        accumulated in float32.

    Raises
    ------
    ValueError
        For arguments that `interpolate` refuses, or a gradient of another shape than its result's.
    TypeError
        For another dtype.
    MemoryError
        Where the result does not fit in memory.

    Examples
    --------
    >>> import numpy as np
    >>> import upsampling as up
    >>> up.interpolate_backward(np.ones((1, 1, 4)), (1, 1, 2), size=4, mode="linear")
    array([[[2., 2.]]])
    """
    call = (
        "interpolate_backward", grad_output, input_size, size, scale_factor, mode, align_corners,
        recompute_scale_factor, antialias,
    )  # fmt: skip
    if (found := _repeat.again(call)) is not None:
        return found
    grad_output = _args.array("grad_output", grad_output, (3, 4, 5))
    shape = _interpolate_args.input_shape(input_size, grad_output)
    asked = _interpolate_args.request(
        shape, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias, "input_size"
    )
    _interpolate_args.check_dtype("grad_output", grad_output, asked, gradient=True)
    _interpolate_args.check_gradient(grad_output, shape, asked)
    channels_last = _arrays.is_channels_last(grad_output)
    dtype = grad_output.dtype.newbyteorder("=")
    result = _arrays.allocate(shape, dtype, channels_last)
    if grad_output.size == 0:
        result[...] = 0
    elif result.size:
        # The weights 1/k of area, rounded to float32, would all err in the same direction.
        precision = np.float64 if asked.kind == "area" else _resample.precision_of(dtype)
        tables = _tables(asked, dtype, precision, transposed=True)
        grad_output, used = _arrays.readable(grad_output), _arrays.is_used(result)
        if steps := _resample.resample(grad_output, result, tables, precision, used=used):
            _repeat.remember(call, [result], steps)
    return result


def _axes(asked: Request) -> list[Axis]:
    return [
        Axis(asked.kind, *sizes, asked.align_corners, asked.antialias)
        for sizes in zip(asked.space, asked.out_space, asked.scales, strict=True)
    ]


def _indices(asked: Request, dtype: np.dtype) -> list[np.ndarray | None]:
    arithmetic = _interpolate_args.nearest_arithmetic(dtype, asked)
    return [_plan_resample.nearest_indices(axis, arithmetic) for axis in _axes(asked)]


def _tables(asked: Request, dtype: np.dtype, precision: type, transposed: bool = False) -> list[AxisTable | None]:
    if asked.is_nearest:
        arithmetic = _interpolate_args.nearest_arithmetic(dtype, asked)
        return [_plan_resample.transposed_indices(axis, arithmetic, precision) for axis in _axes(asked)]
    coordinates = _interpolate_args.coordinate_dtype(dtype)
    build = _plan_resample.transposed_table if transposed else _plan_resample.table
    return [build(axis, coordinates, precision) for axis in _axes(asked)]
