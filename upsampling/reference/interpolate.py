"""Interpolation from its defining formulas.

On each axis separately, output o is a weighted sum of inputs: out[o] = sum over t of weight[t] * in[index[t]].
A function below gives the list of (index, weight) pairs of one output, for one mode; `interpolate` applies
them axis after axis, and `interpolate_backward` adds each gradient, times the weight, to the input that it came from.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _args, _interpolate_args, _out
from .._interpolate_args import Request

__all__ = ["interpolate", "interpolate_backward"]

Pairs = list[tuple[int, float]]


def _step(n_in: int, n_out: int, scale: float | None, align_corners: bool, real: type) -> Any:
    """Return how far the source coordinate moves from one output to the next, computed in the type `real`.

    align_corners=True lays the first pixels' centres on each other and the last ones' too; False, the outer borders.
    """
    if align_corners:
        return real(n_in - 1) / real(n_out - 1) if n_out > 1 else real(0)
    return real(1 / scale) if scale is not None else real(n_in) / real(n_out)


def _half_pixel(o: int, step: Any, real: type) -> Any:
    """(o + 1/2) * step - 1/2, rounded once in float32 as by PyTorch's fused multiply-add."""
    return real(float(o + 0.5) * float(step) - 0.5)


def _cubic(x: float, a: float) -> float:
    """Keys' filter: piecewise cubic, 1 at 0, 0 at the other integers, slope a at 1, 0 beyond 2."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return 0.0


def _lanczos(x: float) -> float:
    """sinc(x) * sinc(x / 3) for |x| < 3, where sinc(x) = sin(pi x) / (pi x)."""
    if x == 0:
        return 1.0
    if abs(x) >= 3:
        return 0.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


def _triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def _nearest(o: int, n_in: int, step: Any, exact: bool, arithmetic: str) -> Pairs:
    """floor(o * step), or floor((o + 1/2) * step) for nearest-exact, with PyTorch's roundings.

    PyTorch has two loops. The one for small pictures computes in float32; the general one in the input's precision,
    by way of the half-pixel coordinate. Both round the coordinate to float32 before the floor.
    """
    real = np.float64 if arithmetic == "double" else np.float32
    if not exact:
        position = real(o) * step
    elif arithmetic == "small":
        position = real(o + 0.5) * step
    else:
        position = max(_half_pixel(o, step, real), real(0)) + real(0.5)
    return [(min(int(np.floor(np.float32(position))), n_in - 1), 1.0)]


def _area(o: int, n_in: int, n_out: int) -> Pairs:
    """Average every input that the output's own stretch of the axis touches (adaptive average pooling)."""
    first, end = o * n_in // n_out, -(-(o + 1) * n_in // n_out)
    return [(i, 1 / (end - first)) for i in range(first, end)]


def _neighbours(o: int, n_in: int, kind: str, step: Any, align_corners: bool, real: type) -> Pairs:
    """Weight the inputs around the source coordinate by the filter; beyond the border stands the border's pixel."""
    position = real(o) * step if align_corners else _half_pixel(o, step, real)
    if kind == "linear":
        position = max(position, real(0))
    left = math.floor(float(position))
    fraction = float(position - real(left))
    if kind == "linear":
        pairs = [(left, 1 - fraction), (left + 1, fraction)]
    elif kind == "bicubic":
        pairs = [(left + t, _cubic(fraction - t, -0.75)) for t in range(-1, 3)]
    else:
        pairs = [(left + t, _lanczos(fraction - t)) for t in range(-2, 4)]
        total = math.fsum(weight for _, weight in pairs)
        pairs = [(i, weight / total) for i, weight in pairs]
    return _added_up([(min(max(i, 0), n_in - 1), weight) for i, weight in pairs])


def _added_up(pairs: Pairs) -> Pairs:
    """Add up the weights that one input has, so that weights whose sum is 0 do not make a NaN of an infinity."""
    total: dict[int, float] = {}
    for i, weight in pairs:
        total[i] = total.get(i, 0.0) + weight
    return list(total.items())


def _antialiased(o: int, n_in: int, kind: str, step: Any) -> Pairs:
    """Weight the inputs under the filter, which is stretched to the step where that is more than one input pixel.

    Inputs beyond the border do not exist: the weights of those that do are divided by their sum.
    """
    reach = {"linear": 1, "bicubic": 2, "lanczos": 3}[kind]
    stretch = max(float(step), 1.0)
    center = (o + 0.5) * float(step)
    first = max(int(center - reach * stretch + 0.5), 0)
    end = min(int(center + reach * stretch + 0.5), n_in)
    pairs = []
    for i in range(first, end):
        x = (i + 0.5 - center) / stretch
        weight = _triangle(x) if kind == "linear" else _cubic(x, -0.5) if kind == "bicubic" else _lanczos(x)
        pairs.append((i, weight))
    while len(pairs) > 1 and pairs[0][1] == 0:  # the inputs under the filter's ends have no part in the output
        pairs.pop(0)
    while len(pairs) > 1 and pairs[-1][1] == 0:
        pairs.pop()
    total = math.fsum(weight for _, weight in pairs)
    return [(i, weight / total) for i, weight in pairs]


def _axis(asked: Request, axis: int, real: type, arithmetic: str) -> list[Pairs] | None:
    """List the pairs of every output of an axis; None where the axis is copied."""
    n_in, n_out, scale = asked.space[axis], asked.out_space[axis], asked.scales[axis]
    if n_in == n_out:
        # PyTorch's linear, antialiased and small nearest loops copy axes of equal sizes, whatever the scale factor is.
        small = asked.kind == "nearest" and arithmetic == "small"
        if asked.kind in ("linear", "area") or asked.antialias or small or scale is None or scale == 1:
            return None
    if asked.kind == "area":
        return [_area(o, n_in, n_out) for o in range(n_out)]
    if asked.is_nearest:
        real = np.float64 if arithmetic == "double" else np.float32
    step = _step(n_in, n_out, scale, asked.align_corners, np.float64 if asked.antialias else real)
    if asked.kind == "nearest" and arithmetic == "small" and n_out == 2 * n_in:
        step = real(0.5)  # so does the small nearest loop where the size is doubled
    if asked.is_nearest:
        return [_nearest(o, n_in, step, asked.kind == "nearest-exact", arithmetic) for o in range(n_out)]
    if asked.antialias:
        return [_antialiased(o, n_in, asked.kind, step) for o in range(n_out)]
    return [_neighbours(o, n_in, asked.kind, step, asked.align_corners, real) for o in range(n_out)]


def _axes(asked: Request, given: np.dtype, dtype: Any) -> list[list[Pairs] | None]:
    """List every axis's pairs: coordinates in PyTorch's precision for `given`, or in float64 if `dtype` asks for it."""
    exact = dtype is not None and np.dtype(dtype) == np.float64
    real = np.float64 if exact else _interpolate_args.coordinate_dtype(given)
    arithmetic = _interpolate_args.nearest_arithmetic(given, asked)
    return [_axis(asked, axis, real, arithmetic) for axis in range(len(asked.space))]


def _in_fixed_point(rows: list[Pairs]) -> list[Pairs]:
    """Round the weights to the largest power of two, up to 2**22, at which the largest is below 2**15."""
    largest = max(weight for row in rows for _, weight in row)
    unit = 2
    while unit < 2**23 and int(largest * unit + 0.5) < 2**15:
        unit *= 2
    unit //= 2
    return [[(i, math.trunc(w * unit + math.copysign(0.5, w)) / unit) for i, w in row] for row in rows]


def _rounded(result: np.ndarray, given: np.dtype, dtype: Any) -> np.ndarray:
    """Round the float64 result to the dtype that is returned: integers to nearest, halves up, kept in their range."""
    if dtype is None and given.kind in "iu":
        limits = np.iinfo(given)
        whole = np.floor(result + (0.5 + _interpolate_args.TIE_MARGIN))
        return np.clip(whole, limits.min, limits.max).astype(given)
    with np.errstate(over="ignore"):
        return result.astype(given if dtype is None else dtype)


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    out: np.ndarray | None = None,
    dtype: Any = None,
) -> np.ndarray:
    """Resample an array along its space axes: see `upsampling.interpolate`, whose arguments these are.

    On each axis, with step = in / out (1 / scale_factor where that is given, (in - 1) / (out - 1) for align_corners),
    the source coordinate of output o is x = (o + 1/2) * step - 1/2 (o * step for align_corners), and

    * nearest: in[floor(o * step)]; nearest-exact: in[floor((o + 1/2) * step)]
    * linear: (1 - f) * in[i] + f * in[i + 1] where i = floor(x), f = x - i
    * bicubic: the sum of k(x - j) * in[j] over the four neighbours j, k Keys' filter with a = -0.75
    * lanczos: the same over six neighbours, k(t) = sinc(t) * sinc(t / 3), weights divided by their sum
    * area: the mean of in[floor(o * in / out)] ... in[ceil((o + 1) * in / out) - 1]
    * antialias: the sum of k((x - j) / max(step, 1)) * in[j] over all j, weights divided by their sum; a = -0.5

    Integers are rounded once, at the end. But uint8 in two dimensions and the modes bilinear, bicubic and lanczos is
    PyTorch's: weights are rounded to fixed point, and each axis's result is rounded and limited, the last axis first.

    Parameters
    ----------
    input : ndarray
        Shape (N, C, *space).
    size, scale_factor, mode, align_corners, recompute_scale_factor, antialias, out
        As in `upsampling.interpolate`.
    dtype : dtype, optional
        Compute and return in this dtype; float64 also makes the coordinates of linear and cubic modes exact.

    Returns
    -------
    ndarray
        Shape (N, C, *out_space).

    Raises
    ------
    ValueError, TypeError
        As `upsampling.interpolate`.

    Examples
    --------
    >>> import numpy as np
    >>> interpolate(np.array([[[0.0, 4.0]]]), size=4, mode="linear")
    array([[[0., 1., 3., 4.]]])
    """
    input = _args.array("input", input)
    asked = _interpolate_args.request(
        input.shape, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
    )
    _interpolate_args.check_dtype("input", input, asked)
    result = input if asked.is_nearest else input.astype(np.float64)
    fixed = dtype is None and _interpolate_args.in_fixed_point(input.dtype, asked)
    axes = _axes(asked, input.dtype, dtype)
    for axis in range(input.ndim - 1, 1, -1):
        pairs = axes[axis - 2]
        if pairs is None or (fixed and input.shape[axis] == len(pairs)):
            continue
        if fixed:
            pairs = _in_fixed_point(pairs)
        if asked.is_nearest:
            result = np.take(result, [row[0][0] for row in pairs], axis)
            continue
        source = np.moveaxis(result, axis, 0)
        moved = np.zeros((len(pairs), *source.shape[1:]))
        for o, row in enumerate(pairs):
            for i, weight in row:
                moved[o] += weight * source[i]
        result = np.moveaxis(moved, 0, axis)
        if fixed:
            result = _rounded(result, input.dtype, None).astype(np.float64)
    if asked.is_nearest:
        result = result.astype(input.dtype.newbyteorder("=") if dtype is None else dtype)
    else:
        result = _rounded(result, input.dtype.newbyteorder("="), dtype)
    return _out.checked_delivery(np.ascontiguousarray(result), out)


def interpolate_backward(
    grad_output: Any,
    input_size: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    dtype: Any = None,
) -> np.ndarray:
    """Give the gradient for `interpolate`'s input: see `upsampling.interpolate_backward`.

    On each axis grad_input[i] = sum over all (o, t) with index[o][t] = i of weight[o][t] * grad_output[o].

    Parameters
    ----------
    grad_output : ndarray
        Shape (N, C, *out_space).
    input_size : sequence of int
        The input's shape, or its space alone.
    size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
        As in the forward call.
    dtype : dtype, optional
        Compute and return in this dtype.

    Returns
    -------
    ndarray
        Shape (N, C, *space).

    Raises
    ------
    ValueError, TypeError
        As `upsampling.interpolate_backward`.

    Examples
    --------
    >>> import numpy as np
    >>> interpolate_backward(np.ones((1, 1, 4)), (1, 1, 2), size=4, mode="linear")
    array([[[2., 2.]]])
    """
    grad_output = _args.array("grad_output", grad_output, (3, 4, 5))
    shape = _interpolate_args.input_shape(input_size, grad_output)
    asked = _interpolate_args.request(
        shape, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias, "input_size"
    )
    _interpolate_args.check_dtype("grad_output", grad_output, asked, gradient=True)
    _interpolate_args.check_gradient(grad_output, shape, asked)
    result = grad_output.astype(np.float64)
    for axis, pairs in enumerate(_axes(asked, grad_output.dtype, dtype), 2):
        if pairs is None:
            continue
        gradient = np.moveaxis(result, axis, 0)
        gathered = np.zeros((asked.space[axis - 2], *gradient.shape[1:]))
        for o, row in enumerate(pairs):
            for i, weight in row:
                gathered[i] += weight * gradient[o]
        result = np.moveaxis(gathered, 0, axis)
    return np.ascontiguousarray(_rounded(result, grad_output.dtype.newbyteorder("="), dtype))
