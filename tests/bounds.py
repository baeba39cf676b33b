"""How far a correct result may be from the exact one, derived from the additions that it takes.

A sum of n products, computed in any order with unit roundoff u, differs from the exact sum by at most
n * u / (1 - n * u) times the sum of the absolute products (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1). `sums(case, arguments)` is that sum for each element of each result, and
`terms(case)` is n. A result stored in a narrower type is off by half a unit of its last place more.
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import numpy as np
from cases import Case, axis_values, exact

# Rounding of one weight of a resampling, in units of roundoff: a coordinate, a polynomial or a sine, and a
# normalisation by the sum of the weights.
WEIGHT_ROUNDINGS = 24
# Support of the filters (half their width at scale 1), and the most that one of them grows along its support.
SUPPORT = {"area": 1, "box": 1, "linear": 1, "hamming": 1, "bicubic": 2, "lanczos": 3}
SLOPE = 2.0


def outputs(result: Any) -> list[np.ndarray]:
    """The arrays that a call gives: one, or the present ones of a tuple."""
    return [array for array in (result if isinstance(result, tuple) else (result,)) if array is not None]


def wide(dtype: np.dtype) -> np.dtype:
    """The dtype in which results of `dtype` are exact enough to be compared with."""
    return np.dtype(np.complex128 if dtype.kind == "c" else np.float64)


def computing(dtype: np.dtype) -> np.dtype:
    """The real dtype in which results of `dtype` are accumulated: its own precision, at least float32."""
    return np.dtype(np.float64 if dtype.name in ("float64", "complex128") else np.float32)


def magnitudes(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with every array of numbers replaced by its absolute values, in float64."""
    return {
        name: np.abs(value.astype(wide(value.dtype))) if isinstance(value, np.ndarray) and name != "indices" else value
        for name, value in arguments.items()
    }


def mode_family(case: Case) -> str:
    mode = case.options.get("mode", "nearest" if "interpolate" in case.function else "bicubic")
    return "linear" if mode.endswith("linear") else mode


def axis_matrices(case: Case, layer: Any) -> list[np.ndarray]:
    """The weights of a resampling: for each axis its (output, input) matrix, by `layer`, in float64."""
    shape = next(iter(case.shapes.values())) if "backward" not in case.function else case.options["input_size"]
    space = shape[:2] if case.function == "resize" else shape[2:]
    rank, options = len(space), dict(case.options)
    options.pop("input_size", None)
    names = {"linear": "linear", "bilinear": "linear", "trilinear": "linear"}
    sizes = axis_values(options.pop("size", None), rank)
    scales = axis_values(options.pop("scale" if case.function == "resize" else "scale_factor", None), rank)
    found = []
    for extent, size, scale in zip(space, sizes, scales, strict=True):
        if case.function == "resize":
            unit = np.eye(extent).reshape(extent, 1, extent)
            size = size if size is not None else max(1, round(extent * scale))
            found.append(layer.resize(unit, size=(int(size), 1), **options)[:, 0, :])
            continue
        mode = options.get("mode", "nearest")
        chosen = options | {"mode": names.get(mode, mode), "size": size, "scale_factor": scale}
        unit = np.eye(extent).reshape(extent, 1, extent)
        found.append(layer.interpolate(unit, **chosen)[:, 0, :].T)
    return found


def contract(matrices: list[np.ndarray], array: np.ndarray, first: int) -> np.ndarray:
    """Apply one matrix to each axis from `first` on."""
    for axis, matrix in enumerate(matrices, first):
        array = np.moveaxis(np.tensordot(matrix, array, (1, axis)), 0, axis)
    return array


def sums(case: Case, arguments: dict[str, Any], layer: Any) -> list[np.ndarray]:
    """The sum of the absolute products behind each element of each result, in float64."""
    if "interpolate" in case.function or case.function == "resize":
        matrices = [np.abs(matrix) for matrix in axis_matrices(case, layer)]
        if "backward" in case.function:
            matrices = [matrix.T for matrix in matrices]
        array = np.abs(next(iter(arguments.values())).astype(np.float64))
        return [contract(matrices, array, 0 if case.function == "resize" else 2)]
    return outputs(getattr(layer, case.function)(**magnitudes(arguments)))


def terms(case: Case, arguments: dict[str, Any]) -> list[int]:
    """The number of roundings in each element of each result: products, additions, and what their factors carry."""
    shapes = case.shapes
    if case.function.startswith("conv_transpose") and not case.function.endswith("_backward"):
        groups = case.options.get("groups", 1)
        return [shapes["weight"][0] // groups * prod(shapes["weight"][2:]) + 2]
    if case.function.startswith("conv_transpose"):
        rank, grad = case.rank, shapes["grad_output"]
        batch = grad[0] if len(grad) == rank + 2 else 1
        counts = (
            shapes["weight"][1] * prod(shapes["weight"][2:]) + 1,
            batch * prod(shapes["input"][-rank:]) + 1,
            batch * prod(grad[-rank:]) + 1,
        )
        mask = case.options.get("output_mask", (True, True, True))
        return [count for count, wanted in zip(counts, mask, strict=True) if wanted]
    if case.function.startswith("max_pool"):
        return [prod(shapes["indices"][-case.rank :]) + 1]
    grad = "backward" in case.function
    shape = case.options["input_size"] if grad else next(iter(shapes.values()))
    space = shape[:2] if case.function == "resize" else shape[2:]
    results = shapes["grad_output"][2:] if grad else output_space(case, space)
    count = 0
    for extent, result in zip(space, results, strict=True):
        support = SUPPORT.get(mode_family(case), 1)
        most = max(extent, result) / max(1, min(extent, result))
        count += ceil(2 * support * most) + 2 + WEIGHT_ROUNDINGS
    return [count]


def output_space(case: Case, space: tuple[int, ...]) -> tuple[int, ...]:
    """The space axes of a resampling's result."""
    size = case.options.get("size")
    if size is not None:
        return tuple(int(extent) for extent in axis_values(size, len(space)))
    scales = axis_values(case.options.get("scale_factor", case.options.get("scale")), len(space))
    return tuple(int(extent * float(scale)) + 1 for extent, scale in zip(space, scales, strict=True))


def coordinate_error(case: Case, arguments: dict[str, Any], unit: float) -> float:
    """What coordinates rounded at `unit` roundoff change in a result, times the largest absolute input.

    A source coordinate is at most the extent, and is a product and two sums: it is off by three roundings of the
    extent. Over its support a filter's weights change by SLOPE times that, each.
    """
    if exact(case) or not ("interpolate" in case.function or case.function == "resize"):
        return 0.0
    array = next(iter(arguments.values()))
    shape = case.options.get("input_size", array.shape)
    space = shape[:2] if case.function == "resize" else shape[2:]
    results = array.shape[2:] if "backward" in case.function else output_space(case, space)
    support = SUPPORT.get(mode_family(case), 1)
    largest = float(np.abs(array.astype(np.float64)).max(initial=0))
    change = sum(3 * unit * extent * 2 * support * SLOPE for extent in space)
    if "backward" in case.function:  # an input's gradient gathers that from every output in its reach
        change *= prod(ceil(2 * support * max(1, n / m)) for n, m in zip(results, space, strict=True) if m)
    return change * largest


def tolerances(case: Case, arguments: dict[str, Any], results: list[np.ndarray], layer: Any) -> list[np.ndarray]:
    """For each result (in float64, before it is rounded for storage) how far a correct one may be from it."""
    first = next(iter(arguments.values())).dtype
    unit = float(np.finfo(computing(first)).eps) / 2
    allowed = []
    for result, total, count in zip(results, sums(case, arguments, layer), terms(case, arguments), strict=True):
        if first.kind == "c":  # each complex product is four real ones
            count *= 4
        bound = count * unit / (1 - count * unit) * total + coordinate_error(case, arguments, unit)
        allowed.append(bound + storage(first, np.abs(result) + bound))
    return allowed


def storage(dtype: np.dtype, size: np.ndarray) -> np.ndarray | float:
    """Half a unit in the last place, for results that are stored narrower than they are computed."""
    if dtype.name == "float16":
        return np.maximum(size * 2.0**-11, 2.0**-25)
    if dtype.name == "bfloat16":
        return np.maximum(size * 2.0**-8, 2.0**-134)
    return 0.0


def check(got: np.ndarray, wanted: np.ndarray, allowed: np.ndarray | float, what: str = "") -> None:
    """Assert that `got` is within `allowed` of `wanted`, NaN and infinities in the same places."""
    got = got.astype(wide(got.dtype))
    assert got.shape == wanted.shape, what
    infinite = ~np.isfinite(wanted)
    np.testing.assert_array_equal(got[infinite], wanted[infinite], err_msg=what)
    with np.errstate(invalid="ignore"):
        off = np.abs(got - wanted) - allowed
    off[infinite] = -1
    assert not np.isnan(off).any(), f"{what}: NaN where there should be a number"
    if off.size and off.max() > 0:
        worst = np.unravel_index(np.argmax(off), off.shape)
        limit = np.broadcast_to(allowed, off.shape)[worst]
        raise AssertionError(f"{what}: at {tuple(map(int, worst))} got {got[worst]}, wanted {wanted[worst]} +- {limit}")


def same_bits(got: np.ndarray, wanted: np.ndarray, what: str = "") -> None:
    """Assert the same shape, dtype and bits (any NaN equals any other)."""
    assert got.shape == wanted.shape, f"{what}: shape {got.shape}, wanted {wanted.shape}"
    assert got.dtype.newbyteorder("=") == wanted.dtype.newbyteorder("="), f"{what}: {got.dtype}, wanted {wanted.dtype}"
    kind = np.dtype(got.dtype.newbyteorder("="))
    got, wanted = np.array(got, kind, order="C"), np.array(wanted, kind, order="C")
    if kind.kind == "f" or kind.name == "bfloat16":
        nan = np.isnan(wanted)
        np.testing.assert_array_equal(np.isnan(got), nan, err_msg=what)
        got[nan], wanted[nan] = 0, 0
    if got.tobytes() != wanted.tobytes():
        apart = np.argwhere(got != wanted)
        raise AssertionError(f"{what}: {len(apart)} of {got.size} elements differ, the first at {apart[:1].tolist()}")
