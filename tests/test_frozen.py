"""The package against stored results and gradients of PyTorch, where PyTorch is not installed.

frozen/make.py makes the files; their names hold PyTorch's version.
"""

from __future__ import annotations

from functools import cache
from math import prod
from pathlib import Path

import bounds
import cases
import gradients
import numpy as np
import pytest
from configurations import configuration

import upsampling as up

FOLDER = Path(__file__).parent / "frozen"
BY_ID = {case.id: case for case in cases.CASES}


@cache
def stored() -> dict[str, dict[str, list[np.ndarray]]]:
    """For each stored case its results and its gradients."""
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    (path,) = FOLDER.glob("torch-*.npz")
    with np.load(path) as file:
        rest = {"f": file["floats"], "i": file["integers"]}
        for name, shape, kind in zip(file["names"], file["shapes"], file["kinds"], strict=True):
            sizes = tuple(int(extent) for extent in str(shape).split(",") if extent)
            array, rest[str(kind)] = np.split(rest[str(kind)], [prod(sizes)])
            case, what, _ = str(name).rsplit("|", 2)
            parts = found.setdefault(case, {"result": [], "gradient": []})
            parts[what].append(array.reshape(sizes))
    return found


def case_of(name: str) -> cases.Case:
    if name in BY_ID:
        return BY_ID[name]
    family, seed = name.split()
    return configuration(family, int(seed))


def test_the_files_are_small_and_name_a_version():
    files = list(FOLDER.glob("*.npz"))
    assert files
    assert sum(path.stat().st_size for path in files) < 300_000
    assert all(path.stem.split("-")[1].count(".") == 2 for path in files)


@pytest.mark.parametrize("name", stored())
def test_frozen(name):
    from upsampling import reference

    case, frozen = case_of(name), stored()[name]
    given = cases.arguments(case, "float32")
    results = bounds.outputs(getattr(up, case.function)(**given))
    assert len(results) == len(frozen["result"])
    grad = gradients.gradient_for(case, results[0].shape, given["input"].dtype)
    back = gradients.backward_case(case, grad)
    if cases.exact(case):
        for got, wanted in zip(results, frozen["result"], strict=True):
            bounds.same_bits(got, wanted.astype(np.int64) if wanted.dtype.kind == "i" else wanted, name)
    else:  # either result is within the bound of the exact one
        wanted = [array.astype(np.float64) for array in frozen["result"]]
        allowed = bounds.tolerances(case, given, wanted, reference)
        for got, one, bound in zip(results, wanted, allowed, strict=True):
            bounds.check(got, one, 2 * bound, name)
    ours = gradients.our_gradients(up, case, given, grad, results)
    wanted = [array.astype(np.float64) for array in frozen["gradient"]]
    assert len(ours) == len(wanted)
    if case.function.startswith(("max_unpool", "pixel_")):
        for got, one in zip(ours, frozen["gradient"], strict=True):
            bounds.same_bits(got, one, name)
        return
    arrays = {"grad_output": grad} | {key: given[key] for key in back.shapes if key in given}
    if case.function.startswith("max_pool"):
        arrays["indices"] = results[1]
    for got, one, bound in zip(
        ours, wanted, bounds.tolerances(back, arrays | dict(back.options), wanted, reference), strict=True
    ):
        bounds.check(got, one, 2 * bound, name)
