"""The package's gradients of a case, for a seeded gradient of its result."""

from __future__ import annotations

from typing import Any

import numpy as np
from bounds import outputs
from cases import Case, values


def gradient_for(case: Case, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A seeded gradient of a result."""
    return values(np.random.default_rng([len(case.id), *shape]), shape, dtype)


def our_gradients(package: Any, case: Case, given: dict[str, Any], grad: np.ndarray, results: list) -> list[np.ndarray]:
    """The package's gradients of the same call, in the same order."""
    name, options = f"{case.function}_backward", dict(case.options)
    backward = getattr(package, name, None)
    if case.function.startswith("conv_transpose"):
        options.pop("output_size", None)
        mask = (True, True, "bias" in given)
        return outputs(backward(grad, given["input"], given["weight"], **options, output_mask=mask))
    if case.function.startswith("max_pool"):
        return [backward(grad, results[1], given["input"].shape)]
    if case.function.startswith("max_unpool"):
        return [backward(grad, given["indices"])]
    if case.function == "interpolate":
        return [backward(grad, given["input"].shape, **options)]
    opposite = {"pixel_shuffle": "pixel_unshuffle", "pixel_unshuffle": "pixel_shuffle"}[case.function]
    return [getattr(package, opposite)(grad, next(iter(options.values())))]


def backward_case(case: Case, grad: np.ndarray) -> Case:
    """The gradient's call as a case, for its number of terms."""
    name, options = f"{case.function}_backward", dict(case.options)
    if case.function.startswith("conv_transpose"):
        mask = (True, True, "bias" in case.shapes)
        shapes = {"grad_output": grad.shape, "input": case.shapes["input"], "weight": case.shapes["weight"]}
        return Case(name, shapes, options | {"output_mask": mask})
    if case.function.startswith("max_pool"):
        shapes = {"grad_output": grad.shape, "indices": grad.shape}
        return Case(name, shapes, {"input_size": case.shapes["input"]})
    return Case(name, {"grad_output": grad.shape}, options | {"input_size": case.shapes["input"]})
