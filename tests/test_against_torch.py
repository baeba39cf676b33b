"""More than 3,000 random calls and their gradients against the installed PyTorch.

A failure names its family and seed: `configuration(family, seed)` is the call.
"""

from __future__ import annotations

import bounds
import cases
import gradients
import numpy as np
import pytest
from configurations import FAMILIES, configuration

import upsampling as up

pytest.importorskip("torch")
import torch_side

pytestmark = pytest.mark.torch
CHUNK = 25
CHUNKS = [(family, start) for family, (_, count) in FAMILIES.items() for start in range(0, count, CHUNK)]


def test_there_are_3000_configurations():
    assert sum(count for _, count in FAMILIES.values()) >= 3000


def transposed(source: np.ndarray, results: list, grad: np.ndarray, gradients: list) -> bool:
    """Whether PyTorch's gradient is the transpose of its own result.

    In float64 its nearest modes find the neighbours of some sizes (18 to 57, 62 to 7) differently in the two
    directions, and with antialias its gradient takes another scale where a scale factor was given; the package's
    gradient is the transpose of the result.
    """
    if not gradients:
        return True
    one, other = float((results[0] * grad).sum()), float((source * gradients[0]).sum())
    return abs(one - other) <= 1e-4 * float(np.abs(results[0] * grad).sum())


def compare(case: cases.Case, dtype: str) -> None:
    """One call: result, indices and gradients are PyTorch's, in its dtype, to the bit or within the bound."""
    given = cases.arguments(case, dtype)
    result = getattr(up, case.function)(**given)
    results = list(result) if isinstance(result, tuple) else [result]
    grad = gradients.gradient_for(case, results[0].shape, given["input"].dtype)
    theirs, wanted_gradients = torch_side.forward_and_gradients(case, given, grad)
    if cases.exact(case):
        for got, wanted in zip(results, theirs, strict=True):
            bounds.same_bits(got, wanted, "result")
    if not wanted_gradients:  # of integers there are none
        assert given["input"].dtype.kind in "iu"
        return
    quirky = case.function == "interpolate" and (cases.exact(case) or case.options.get("antialias"))
    if quirky and not transposed(given["input"], theirs, grad, wanted_gradients):
        return
    forward, back = torch_side.allowed(case, given, grad, gradients.backward_case(case, grad))
    if not cases.exact(case):
        for got, wanted, allowed in zip(results, theirs, forward, strict=True):
            assert got.dtype == wanted.dtype
            bounds.check(got, wanted.astype(bounds.wide(wanted.dtype)), allowed, "result")
    ours = gradients.our_gradients(up, case, given, grad, results)
    for got, wanted, allowed in zip(ours, wanted_gradients, back, strict=True):
        assert got.dtype == wanted.dtype
        bounds.check(got, wanted.astype(bounds.wide(wanted.dtype)), allowed, "gradient")


@pytest.mark.parametrize("family, start", CHUNKS)
def test_random_calls(family, start):
    for seed in range(start, start + CHUNK):
        case = configuration(family, seed)
        try:
            compare(case, case.dtypes[0])
        except Exception as error:
            raise AssertionError(f"configuration({family!r}, {seed}): {case.id} {case.dtypes[0]}: {error}") from error


def torch_accepts(case: cases.Case, dtype: str) -> bool:
    """Whether PyTorch has the table's case at all."""
    if case.function.endswith("_backward") or case.function == "resize" or case.repeated:
        return False
    if "output_size" in case.options and case.function.startswith("conv"):
        return False
    if dtype not in ("float32", "float64") or case.options.get("return_indices") is False:
        return False
    if case.function.startswith("pixel_") and 0 in case.shapes["input"]:
        return False  # its own gradient fails there
    try:
        torch_side.call(case.function, cases.arguments(case, dtype))
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return False
    return True


@pytest.mark.parametrize(
    "case, dtype", [(case, dtype) for case, dtype in cases.with_dtypes() if torch_accepts(case, dtype)], ids=cases.label
)
def test_table(case, dtype):
    compare(case, dtype)
