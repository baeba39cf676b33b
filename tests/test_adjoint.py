"""Every backward function is the exact transpose of its forward: <A x, g> = <x, A^T g>, in float64.

Either side is a sum of the same products in another order, so they differ by no more than the bound of such a sum.
"""

from __future__ import annotations

from typing import Any

import bounds
import cases
import numpy as np
import pytest

import upsampling as up
from upsampling import reference

FORWARD = [case for case in cases.CASES if not case.function.endswith("_backward") and "float64" in case.dtypes]


def chosen(prefix: str) -> Any:
    return pytest.mark.parametrize("case", [c for c in FORWARD if c.function.startswith(prefix)], ids=cases.label)


def check(left: tuple, right: tuple, size: tuple, roundings: int) -> None:
    """Assert that two inner products agree; `size` are the factors of the sum of the absolute products."""
    one, other, total = (float(np.sum(a * b)) for a, b in (left, right, size))
    unit = float(np.finfo(np.float64).eps) / 2
    assert abs(one - other) <= 2 * roundings * unit * total
    if total:
        assert one != 0, "the case shows nothing"


def gradient(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape)


@chosen("conv_transpose")
def test_conv_transpose(case):
    given = cases.arguments(case, "float64")
    bias = given.pop("bias", None)
    result = up.__dict__[case.function](**given)
    grad = gradient(result.shape)
    size = bounds.sums(case, given, reference)[0], np.abs(grad)
    roundings = bounds.terms(case, given)[0] + grad.size + given["input"].size + given["weight"].size
    options = {name: value for name, value in case.options.items() if name != "output_size"}
    if "output_size" in case.options:
        least = cases.transposed_shape(cases.Case(case.function, case.shapes, options))
        options["output_padding"] = tuple(n - m for n, m in zip(result.shape, least, strict=True))[-case.rank :]
    backward = up.__dict__[f"{case.function}_backward"]
    to_input, to_weight, to_bias = backward(grad, given["input"], given["weight"], **options)
    check((result, grad), (given["input"], to_input), size, roundings)
    check((result, grad), (given["weight"], to_weight), size, roundings)
    # The bias is a linear map of its own: each of its elements is added to one channel.
    bias = np.ones(to_bias.shape) if bias is None else bias
    spread = bias.reshape(-1, *(1,) * case.rank)
    check((spread, grad), (bias, to_bias), (np.abs(spread), np.abs(grad)), 2 * grad.size + 1)


@chosen("interpolate")
def test_interpolate(case):
    given = cases.arguments(case, "float64")
    result = up.interpolate(**given)
    grad = gradient(result.shape)
    back = up.interpolate_backward(grad, given["input"].shape, **case.options)
    assert back.shape == given["input"].shape
    size = bounds.sums(case, given, reference)[0], np.abs(grad)
    check((result, grad), (given["input"], back), size, bounds.terms(case, given)[0] + grad.size + back.size)


@chosen("max_unpool")
def test_max_unpool(case):
    """Also where an index stands twice: the value that lost has no gradient."""
    given = cases.arguments(case, "float64")
    result = up.__dict__[case.function](**given)
    grad = gradient(result.shape)
    back = up.__dict__[f"{case.function}_backward"](grad, given["indices"])
    assert back.shape == given["input"].shape
    check((result, grad), (given["input"], back), (np.abs(result), np.abs(grad)), grad.size + back.size)


@chosen("max_pool")
def test_max_pool(case):
    """For fixed indices max-pooling is the linear map that gathers; its transpose adds up."""
    if case.fill in ("special", "low"):
        pytest.skip("infinite values have no inner product")
    given = cases.arguments(case, "float64") | {"return_indices": True}
    values, indices = up.__dict__[case.function](**given)
    grad = gradient(values.shape)
    back = up.__dict__[f"{case.function}_backward"](grad, indices, given["input"].shape)
    check((values, grad), (given["input"], back), (np.abs(values), np.abs(grad)), 2 * grad.size + back.size)


@chosen("pixel_")
def test_pixel_shuffle(case):
    given = cases.arguments(case, "float64")
    result = up.__dict__[case.function](**given)
    opposite = {"pixel_shuffle": up.pixel_unshuffle, "pixel_unshuffle": up.pixel_shuffle}[case.function]
    back = opposite(result, next(iter(case.options.values())))
    bounds.same_bits(back, given["input"])
    grad = gradient(result.shape)
    again = opposite(grad, next(iter(case.options.values())))
    check((result, grad), (given["input"], again), (np.abs(result), np.abs(grad)), 2 * grad.size)
