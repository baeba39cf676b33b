"""Make torch-VERSION.npz: results and gradients of PyTorch for a part of the case table and some random calls.

Run it in an environment with PyTorch: python tests/frozen/make.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

import gradients
import torch
import torch_side
from cases import CASES, Case, arguments
from configurations import FAMILIES, configuration

LIMIT = 1000  # numbers of one result, so that the file stays small


def frozen_cases() -> list[tuple[str, Case]]:
    """The names under which results are stored, and their cases."""
    found = [(case.id, case) for case in CASES if "float32" in case.dtypes]
    for family in FAMILIES:
        found += [(f"{family} {seed}", configuration(family, seed)) for seed in range(25)]
    return found


def main() -> None:
    stored: dict[str, np.ndarray] = {}
    for name, case in frozen_cases():
        if (
            not hasattr(torch.nn.functional, case.function)
            or case.repeated
            or "output_size" in case.options
            or case.options.get("return_indices") is False
        ):
            continue
        given = arguments(case, "float32")
        try:
            results, _ = torch_side.forward_and_gradients(case, given, None)
            grad = gradients.gradient_for(case, results[0].shape, given["input"].dtype)
            results, found = torch_side.forward_and_gradients(case, given, grad)
        except (RuntimeError, NotImplementedError, ValueError, TypeError):
            continue  # not in PyTorch
        if sum(array.size for array in results + found) > LIMIT:
            continue
        for kind, arrays in (("result", results), ("gradient", found)):
            for place, array in enumerate(arrays):
                narrow = array.astype(np.int32) if array.dtype.kind == "i" else array
                stored[f"{name}|{kind}|{place}"] = narrow
    # One array of numbers and one of positions, since a file of many small arrays is mostly headers.
    names, lists = list(stored), list(stored.values())
    shapes = np.array([",".join(map(str, array.shape)) for array in lists])
    floats = np.concatenate([array.ravel() for array in lists if array.dtype.kind == "f"])
    integers = np.concatenate([array.ravel() for array in lists if array.dtype.kind == "i"])
    kinds = np.array([array.dtype.kind for array in lists])
    path = Path(__file__).parent / f"torch-{torch.__version__.split('+')[0]}.npz"
    np.savez_compressed(path, names=np.array(names), shapes=shapes, kinds=kinds, floats=floats, integers=integers)
    print(path, path.stat().st_size, "bytes,", len(names), "results")


if __name__ == "__main__":
    main()
