"""interpolate and its gradient, in 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _args, _arrays, _interpolate_args, _kernels
from . import _plan_resample as plan
from ._interpolate_args import Request
from ._threads import threads_for

__all__ = ["interpolate", "interpolate_backward"]


def _axes(asked: Request) -> list[plan.Axis]:
    return [
        plan.Axis(asked.kind, n, m, scale, asked.align_corners, asked.antialias)
        for n, m, scale in zip(asked.space, asked.out_space, asked.scales, strict=True)
    ]


def _computing(dtype: np.dtype) -> tuple[str, type]:
    """The kernels' precision for a dtype: float64 for integers too, which are to be rounded right."""
    return ("f32", np.float32) if dtype.name in ("float16", "bfloat16", "float32") else ("f64", np.float64)


def _passes(array: np.ndarray, tables: list[plan.AxisTable | None], last: bool, dtype: np.dtype) -> np.ndarray:
    """Resample an (N, C, *space) array, the inner axis first; the result has its order."""
    precision, real = _computing(dtype)
    now = np.ascontiguousarray(np.moveaxis(array, 1, -1) if last else array, real)
    first = 1 if last else 2
    for axis in range(len(tables) - 1, -1, -1):
        table = tables[axis]
        if table is None:
            continue
        at = first + axis
        shape = (*now.shape[:at], table.size_out, *now.shape[at + 1 :])
        result = np.zeros(shape, real) if not table.count.all() else _arrays.allocate(shape, real)
        outer, inner = math.prod(shape[:at]), math.prod(shape[at + 1 :])
        _kernels.load("resample", precision).resample(
            now.reshape(outer, table.size_in, inner), result.reshape(outer, table.size_out, inner),
            table.start.astype(np.intp, copy=False), table.count.astype(np.intp, copy=False), table.weights,
            threads_for(result.size * table.weights.shape[1]),
        )
        now = result
    return np.moveaxis(now, -1, 1) if last else now


def _stored(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round computed values to the result's dtype; integers to nearest, halves up, saturated."""
    if dtype.kind not in "iu":
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    rounded = np.floor(values + (0.5 + _interpolate_args.tie_margin(dtype)))
    return np.clip(rounded, limits.min, limits.max).astype(dtype)


def _nearest(array: np.ndarray, asked: Request, last: bool) -> np.ndarray:
    """Copy the elements that the index tables name, along one axis after the other."""
    now = np.moveaxis(array, 1, -1) if last else array
    for axis, made in enumerate(_axes(asked)):
        indices = plan.nearest_indices(made, _interpolate_args.nearest_arithmetic(array.dtype, asked))
        if indices is not None:
            now = np.take(now, indices, axis=axis + (1 if last else 2))
    now = np.ascontiguousarray(now)
    return np.moveaxis(now, -1, 1) if last else now


def _checked(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim not in (3, 4, 5):
        raise ValueError(f"{name} must have 3, 4 or 5 dimensions (N, C, *space), got shape {array.shape}")
    return array


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: Any = "nearest",
    align_corners: Any = None,
    recompute_scale_factor: Any = None,
    antialias: Any = False,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Resample an array to another size, as ``torch.nn.functional.interpolate`` does.

    Parameters
    ----------
    input : ndarray, shape (N, C, L), (N, C, H, W) or (N, C, D, H, W)
        A float dtype, uint8, int8, uint16 or int16; with the nearest modes any dtype.
    size, scale_factor : number or sequence of numbers
        The output's size, or what multiplies the input's; exactly one of them.
    mode : str
        nearest, nearest-exact, linear, bilinear, bicubic, trilinear, area or lanczos.
    align_corners : bool, optional
        Whether the corner pixels' centres, not their outer edges, are aligned.
    recompute_scale_factor : bool, optional
        Whether coordinates follow the two sizes and not `scale_factor`.
    antialias : bool
        Stretch the filter when shrinking.
    out : ndarray, optional
        Where to write.

    Returns
    -------
    ndarray
        Of the input's dtype; integers are rounded to nearest and saturated.

    Raises
    ------
    TypeError, ValueError, MemoryError
        For a wrong argument, or a result that does not fit.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> up.interpolate(np.array([[[0.0, 4.0]]]), size=4, mode="linear")
    array([[[0., 1., 3., 4.]]])
    """
    array = _checked("input", _args.array("input", input))
    asked = _interpolate_args.request(
        array.shape, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
    )
    _interpolate_args.check_dtype("input", array, asked)
    shape = (*array.shape[:2], *asked.out_space)
    read = _arrays.readable(array)
    last = _arrays.is_channels_last(read)
    result = _arrays.target(out, shape, read.dtype, last, [array])
    if result.size:
        if asked.is_nearest:
            result[...] = _nearest(read, asked, last)
        else:
            _, real = _computing(read.dtype)
            coordinates = _interpolate_args.coordinate_dtype(read.dtype)
            tables = [plan.table(axis, coordinates, real) for axis in _axes(asked)]
            result[...] = _stored(_passes(read, tables, last, read.dtype), read.dtype)
    return _arrays.deliver(result, out)


def interpolate_backward(
    grad_output: Any,
    input_size: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: Any = "nearest",
    align_corners: Any = None,
    recompute_scale_factor: Any = None,
    antialias: Any = False,
) -> np.ndarray:
    """Return the gradient of ``interpolate`` with respect to its input: the exact adjoint.

    Parameters
    ----------
    grad_output : ndarray
        Of the forward result's shape and a float dtype.
    input_size : sequence of int
        The input's shape, or its space sizes alone.
    size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
        The forward call's.

    Returns
    -------
    ndarray, of the input's shape

    Raises
    ------
    TypeError, ValueError
        For a wrong argument.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> up.interpolate_backward(np.ones((1, 1, 4)), (1, 1, 2), scale_factor=2)
    array([[[2., 2.]]])
    """
    grad = _checked("grad_output", _args.array("grad_output", grad_output))
    shape = _interpolate_args.input_shape(input_size, grad)
    asked = _interpolate_args.request(
        shape, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias, "input_size"
    )
    _interpolate_args.check_dtype("grad_output", grad, asked, gradient=True)
    _interpolate_args.check_gradient(grad, shape, asked)
    read = _arrays.readable(grad)
    last = _arrays.is_channels_last(read)
    result = _arrays.allocate(shape, read.dtype, last)
    if not result.size:
        return result
    _, real = _computing(read.dtype)
    tables: list[plan.AxisTable | None] = []
    for axis in _axes(asked):
        if asked.is_nearest:
            indices = plan.nearest_indices(axis, _interpolate_args.nearest_arithmetic(read.dtype, asked))
            made = None if indices is None else plan.transposed(plan.index_table(indices, axis.size_in, real))
        else:
            made = plan.transposed_table(axis, _interpolate_args.coordinate_dtype(read.dtype), real)
        tables.append(made)
    result[...] = _passes(read, tables, last, read.dtype)
    return result
