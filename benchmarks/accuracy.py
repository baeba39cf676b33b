"""Rounding errors of transposed convolution: ours and PyTorch's, against a result computed in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from . import peers
from .problem import Row

Result = Any  # an array, or a tuple of arrays and None


def _parts(result: Result) -> tuple[np.ndarray | None, ...]:
    return result if isinstance(result, tuple) else (result,)


def _exact(row: Row, arrays: dict[str, np.ndarray]) -> Result:
    """Compute in float64 from the row's own, already rounded inputs: by PyTorch where it is installed."""
    wide = {key: array.astype(np.float64) for key, array in arrays.items()}
    wide_row = replace(row, dtype="float64", packed=False, base=None)
    for name in ("torch", "ours"):
        contestant, _ = peers.build(name, wide_row, wide, 1)
        if contestant is not None:
            return contestant.to_numpy(contestant.call())
    return None


def errors(row: Row, arrays: dict[str, np.ndarray], results: dict[str, Result]) -> dict[str, list[float]]:
    """Give for each result the rms error of its parts, relative to the rms value."""
    if row.op != "conv_transpose" or row.dtype == "float64" or row.packed or row.lengths:
        return {}
    exact = _exact(row, arrays)
    if exact is None:
        return {}
    found = {}
    if row.backward:  # PyTorch may give more gradients than it was asked for
        results = {
            name: tuple(part if wanted else None for part, wanted in zip(result, row.mask, strict=True))
            for name, result in results.items()
        }
    for name, result in results.items():
        found[name] = [
            float(np.sqrt(np.mean(np.square(part.astype(np.float64) - true)) / max(np.mean(np.square(true)), 1e-300)))
            for part, true in zip(_parts(result), _parts(exact), strict=True)
            if part is not None
        ]
    return found


def ratio(errors_of: dict[str, list[float]]) -> float | None:
    """Our error over PyTorch's, in the part where that is largest."""
    if not {"ours", "torch"} <= errors_of.keys():
        return None
    # A part of exact sums in both has no ratio.
    pairs = [(a, b) for a, b in zip(errors_of["ours"], errors_of["torch"], strict=True) if a > 0 or b > 0]
    return max((a / max(b, 1e-300) for a, b in pairs), default=None)
