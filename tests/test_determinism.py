"""The same bits for any number of threads, any batch position and any run."""

from __future__ import annotations

from typing import Any

import bounds
import cases
import gradients
import numpy as np
import pytest
from configurations import FAMILIES, configuration
from layouts import LAYOUTS

import upsampling as up

THREADS = (2, 3, 8)
DTYPES = ("float32", "float64", "float16", "uint8", "complex64")


def call(case: cases.Case, given: dict[str, Any], threads: int = 1) -> list[np.ndarray]:
    with up.num_threads(threads):
        return bounds.outputs(getattr(up, case.function)(**given))


@pytest.mark.parametrize("case, dtype", [pair for pair in cases.with_dtypes() if pair[1] in DTYPES], ids=cases.label)
def test_threads(threads_forced, case, dtype):
    given = cases.arguments(case, dtype)
    wanted = call(case, given)
    for threads in THREADS:
        for got, one in zip(call(case, given, threads), wanted, strict=True):
            bounds.same_bits(got, one, f"{threads} threads")


def batched(case: cases.Case) -> bool:
    """Whether the first axis of every result is a batch of independent items."""
    ranks = {len(shape) - case.rank for name, shape in case.shapes.items() if name not in ("weight", "bias")}
    fixed = case.function == "resize" or (case.function.startswith("conv") and case.function.endswith("backward"))
    return not fixed and ranks == {2} and next(iter(case.shapes.values()))[0] > 0


def with_batch(given: dict[str, Any], rank: int, picked: list[int]) -> dict[str, Any]:
    """The arguments with the batch items of `picked`."""
    changed = {}
    for name, value in given.items():
        whole = isinstance(value, np.ndarray) and name not in ("weight", "bias")
        changed[name] = value[picked] if whole else value
    for name in ("input_size", "output_size"):
        if name in given and len(given[name]) == rank + 2:
            changed[name] = (len(picked), *given[name][1:])
    return changed


@pytest.mark.parametrize("case", [case for case in cases.CASES if batched(case)], ids=cases.label)
def test_batch_position(threads_forced, case):
    """An item gives the same bits alone and at any place of a batch, in any number of threads."""
    given = cases.arguments(case)
    count = len(next(iter(given.values())))
    alone = call(case, with_batch(given, case.rank, [0]))
    other = count - 1
    for picked in ([0, other], [other, 0, 0], [other] * 6 + [0]):
        results = call(case, with_batch(given, case.rank, picked), 3)
        for got, wanted in zip(results, alone, strict=True):
            for place, item in enumerate(picked):
                if item == 0:
                    bounds.same_bits(got[place], wanted[0], f"place {place} of {len(picked)}")


@pytest.mark.parametrize("case", [case for case in cases.CASES if batched(case)], ids=cases.label)
def test_unbatched_is_a_batch_of_one(case):
    """Where the batch axis may be missing, the result is that of a batch of one."""
    if case.function.startswith("interpolate"):
        pytest.skip("interpolate always has a batch axis")
    given = with_batch(cases.arguments(case), case.rank, [0])
    bare = {
        name: value[0] if isinstance(value, np.ndarray) and name not in ("weight", "bias") else value
        for name, value in given.items()
    }
    if "input_size" in given:
        bare["input_size"] = given["input_size"][1:]
    if len(given.get("output_size", ())) == case.rank + 2:  # PyTorch takes all axes of a batch, else those of space
        bare["output_size"] = given["output_size"][2:]
    for got, wanted in zip(call(case, bare), call(case, given), strict=True):
        bounds.same_bits(got, wanted[0])


@pytest.mark.parametrize("case", cases.CASES[::7], ids=cases.label)
def test_runs(threads_forced, case):
    given = cases.arguments(case)
    for got, wanted in zip(call(case, given, 8), call(case, given, 8), strict=True):
        bounds.same_bits(got, wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_calls(threads_forced, family):
    """Results and gradients of random calls, in a random layout, have the same bits in one thread and in three."""
    for seed in range(1000, 1080):
        case = configuration(family, seed)
        rng = np.random.default_rng(seed)
        given = cases.arguments(case, case.dtypes[0])
        given["input"] = LAYOUTS[str(rng.choice(list(LAYOUTS)))](given["input"])
        found = []
        for threads in (1, 3):
            results = call(case, given, threads)
            if given["input"].dtype.kind == "f":
                grad = gradients.gradient_for(case, results[0].shape, results[0].dtype)
                with up.num_threads(threads):
                    results += gradients.our_gradients(up, case, given, grad, results)
            found.append(results)
        for one, three in zip(*found, strict=True):
            bounds.same_bits(three, one, f"configuration({family!r}, {seed}): {case.id}")
