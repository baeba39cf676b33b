"""The same call on PyTorch: values, and gradients for a seeded gradient of the result."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from bounds import computing, contract, coordinate_error, storage, terms
from cases import Case, axis_values, exact


def tensor(array: np.ndarray) -> torch.Tensor:
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(np.array(array))


def array(found: torch.Tensor) -> np.ndarray:
    if found.dtype == torch.bfloat16:
        import ml_dtypes

        return found.detach().contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return found.detach().numpy()


def plain_numbers(value: Any) -> Any:
    """NumPy scalars as Python's, as PyTorch wants them."""
    if isinstance(value, (tuple, list)):
        return type(value)(plain_numbers(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value


def call(function: str, given: dict[str, Any], dtype: torch.dtype | None = None) -> tuple[dict, Any]:
    """PyTorch's result of a call, and its tensors by name."""
    tensors, options = {}, {}
    for name, value in given.items():
        if isinstance(value, np.ndarray):
            tensors[name] = tensor(value)
            if dtype is not None and name != "indices":
                tensors[name] = tensors[name].to(dtype)
            if tensors[name].dtype.is_floating_point or tensors[name].dtype.is_complex:
                tensors[name].requires_grad_()
        else:
            options[name] = plain_numbers(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tensors, getattr(torch.nn.functional, function)(**tensors, **options)


def forward_and_gradients(case: Case, given: dict[str, Any], grad: np.ndarray | None, dtype: Any = None) -> Any:
    """(results, gradients in the order of the arrays): those of the first result against `grad`."""
    tensors, result = call(case.function, given, dtype)
    results = list(result) if isinstance(result, tuple) else [result]
    gradients = []
    if grad is not None and results[0].requires_grad:
        results[0].backward(tensor(grad).to(results[0].dtype))
        gradients = [array(found.grad) for found in tensors.values() if found.grad is not None]
    return [array(found) for found in results], gradients


def axis_weights(case: Case) -> list[np.ndarray]:
    """PyTorch's absolute weights of an interpolation in float64: for each axis an (output, input) matrix."""
    options = dict(case.options)
    rank = case.rank
    sizes = axis_values(options.pop("size", None), rank)
    scales = axis_values(options.pop("scale_factor", None), rank)
    mode = options.pop("mode", "nearest")
    found = []
    for extent, size, scale in zip(case.shapes["input"][2:], sizes, scales, strict=True):
        unit = np.eye(extent).reshape(extent, 1, extent, 1)
        two = {"linear": "bilinear", "trilinear": "bilinear"}.get(mode, mode)
        chosen = options | {"mode": two, "input": unit}
        chosen |= {"size": (size, 1)} if size is not None else {"scale_factor": (scale, 1.0)}
        _, result = call("interpolate", chosen)
        found.append(np.abs(array(result)[:, 0, :, 0].T))
    return found


def allowed(case: Case, given: dict[str, Any], grad: np.ndarray, backward: Case) -> tuple[list, list]:
    """How far two correct results of the case may be apart: forward, and for each gradient.

    Twice the bound of one of them from the exact result, as either is that far from it.
    """
    first = given["input"]
    unit = float(np.finfo(computing(first.dtype)).eps) / 2
    if exact(case) and not case.function.startswith("max_pool") and case.function != "interpolate":
        return [0.0], [0.0]
    magnitudes = {name: np.abs(value) if name in case.shapes and name != "indices" else value
                  for name, value in given.items()}  # fmt: skip
    if case.function == "interpolate":
        weights = axis_weights(case)
        forward = [contract(weights, np.abs(first.astype(np.float64)), 2)]
        back = [contract([matrix.T for matrix in weights], np.abs(grad.astype(np.float64)), 2)]
    else:
        forward, back = forward_and_gradients(case, magnitudes, np.abs(grad), torch.float64)
    if case.function.startswith("max_pool"):  # the forward is exact; a gradient adds up overlapping windows
        forward, counts = [0.0, 0.0], [1, 1]
    else:
        counts = terms(case, given)
    pairs = []
    for totals, numbers, errors in (
        (forward, counts, coordinate_error(case, given, unit)),
        (back, terms(backward, given), coordinate_error(backward, {"grad_output": grad}, unit)),
    ):
        bounds = [2 * n * unit / (1 - n * unit) * total + 2 * errors for total, n in zip(totals, numbers, strict=True)]
        pairs.append([bound + 2 * storage(first.dtype, np.asarray(bound + np.abs(total)))
                      for bound, total in zip(bounds, totals, strict=True)])  # fmt: skip
    return pairs[0], pairs[1]
