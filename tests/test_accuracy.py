"""How exact float32 results are: distance from the float64 reference in ulp of the sum of the absolute products.

`pytest -s tests/test_accuracy.py` prints the table that the documentation states, ours beside PyTorch's.
"""

from __future__ import annotations

from typing import Any

import bounds
import numpy as np
import pytest
from cases import Case, conv, resample, values

import upsampling as up
from upsampling import reference

pytest.importorskip("torch")
import torch_side

pytestmark = pytest.mark.torch

ROWS: dict[str, Case] = {
    "conv_transpose1d k16 s4": conv(1, (1, 24, 30), (24, 6, 16), stride=4),
    "conv_transpose1d k16 s2, few channels": conv(1, (1, 8, 100), (8, 5, 16), stride=2, padding=1),
    "conv_transpose2d k3, few channels": conv(2, (1, 4, 16, 16), (4, 2, 3, 3), padding=1),
    "conv_transpose1d k15 s3, 32 channels": conv(1, (1, 32, 60), (32, 2, 15), stride=3),
    "conv_transpose2d k3, 64 channels in 2 groups": conv(2, (1, 64, 12, 12), (64, 2, 3, 3), groups=2),
    "conv_transpose2d k4, 4 groups": conv(2, (1, 64, 16, 16), (64, 33, 4, 4), padding=1, groups=4),
    "conv_transpose3d k4, 2 groups": conv(3, (1, 32, 5, 6, 6), (32, 9, 4, 4, 4), padding=2, groups=2),
    "conv_transpose2d k3": conv(2, (1, 32, 5, 5), (32, 8, 3, 3)),
    "conv_transpose2d k4 s2": conv(2, (1, 64, 4, 4), (64, 8, 4, 4), stride=2, padding=1),
    "conv_transpose2d k2 s2": conv(2, (1, 64, 6, 6), (64, 8, 2, 2), stride=2),
    "conv_transpose3d k2 s2": conv(3, (1, 32, 3, 3, 3), (32, 4, 2, 2, 2), stride=2),
    "linear": resample((2, 2, 50), size=120, mode="linear"),
    "bilinear": resample((1, 2, 20, 21), size=(37, 50), mode="bilinear"),
    "bilinear align_corners": resample((1, 2, 20, 21), size=(37, 50), mode="bilinear", align_corners=True),
    "bicubic": resample((1, 2, 20, 21), size=(37, 50), mode="bicubic"),
    "trilinear": resample((1, 1, 8, 9, 10), size=(13, 15, 12), mode="trilinear"),
    "area": resample((1, 2, 40, 41), size=(7, 6), mode="area"),
    "bilinear antialias": resample((1, 2, 40, 41), size=(17, 13), mode="bilinear", antialias=True),
    "bicubic antialias": resample((1, 2, 40, 41), size=(17, 13), mode="bicubic", antialias=True),
}


SEEDS = 24  # of three, small layers gave ratios that were 5 % away from those of forty
EQUAL = 1.005  # resampling's errors are those of the same coordinates in both, and differ in the fourth digit


def distances(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Our errors and PyTorch's by seed, in ulp (float32's eps) of the sum of the absolute products."""
    ours, theirs = [], []
    for seed in range(SEEDS):
        given: dict[str, Any] = {
            name: values(np.random.default_rng([seed, len(name)]), shape, np.dtype(np.float32))
            for name, shape in case.shapes.items()
        } | dict(case.options)
        exact = getattr(reference, case.function)(**given, dtype=np.float64)
        unit = bounds.sums(case, given, reference)[0] * np.finfo(np.float32).eps
        unit[unit == 0] = 1
        ours.append(np.abs(getattr(up, case.function)(**given) - exact) / unit)
        theirs.append(np.abs(torch_side.forward_and_gradients(case, given, None)[0][0] - exact) / unit)
    return np.array(ours), np.array(theirs)


# Layers whose chains had the largest errors beside PyTorch's: few pixels, small groups, planes of one or two axes,
# many channels on one axis, minimal filtering on three, and on two of few channels.
GRADIENTS: dict[str, Case] = {
    "1d k3, 96 channels in each of 8 groups": conv(1, (1, 768, 52), (768, 8, 3), groups=8),
    "1d k3 s2, 8 channels in each of 4 groups": conv(1, (1, 32, 40), (32, 4, 3), stride=2, groups=4),
    "1d k12, 200 channels": conv(1, (1, 200, 213), (200, 2, 12)),
    "1d k12, 512 channels": conv(1, (1, 512, 60), (512, 4, 12)),
    "1d k3, 256 channels": conv(1, (1, 256, 120), (256, 4, 3)),
    "1d k1, 64 pixels": conv(1, (1, 16, 64), (16, 2, 1)),
    "1d k1, 32 outputs in 4 groups": conv(1, (1, 32, 40), (32, 32, 1), groups=4),
    "2d k2 s2, 63 pixels": conv(2, (1, 64, 7, 9), (64, 4, 2, 2), stride=2, groups=8),
    "2d k4 s2, 16 pixels": conv(2, (1, 64, 4, 4), (64, 16, 4, 4), stride=2, padding=1),
    "3d k2 s2": conv(3, (1, 16, 4, 4, 4), (16, 8, 2, 2, 2), stride=2),
    "3d k3, 50 channels": conv(3, (1, 50, 6, 6, 6), (50, 33, 3, 3, 3)),
    "3d k3, 64 channels": conv(3, (1, 64, 6, 6, 6), (64, 33, 3, 3, 3)),
    "3d k4 s2, 64 channels": conv(3, (1, 64, 6, 6, 6), (64, 33, 4, 4, 4), stride=2, padding=1),
    "3d k2 s2 with dilation 2, 64 channels": conv(3, (1, 64, 12, 12, 12), (64, 33, 2, 2, 2), stride=2, dilation=2),
    "2d k3, 32 channels of 16x16": conv(2, (1, 32, 16, 16), (32, 64, 3, 3), padding=1),
    "2d k2, 64 channels": conv(2, (2, 64, 13, 16), (64, 33, 2, 2)),
    "2d k4 s4 with dilation 2, 32 channels": conv(2, (2, 32, 14, 18), (32, 32, 4, 4), stride=4, dilation=2),
    "2d k1 s2, 64 outputs": conv(2, (1, 16, 21, 23), (16, 64, 1, 1), stride=2),
    "2d k4 s2, 12 channels in each of 4 groups": conv(2, (2, 48, 21, 34), (48, 16, 4, 4), stride=2, groups=4),
    "2d k7 s4, 4 channels in each of 4 groups": conv(2, (4, 16, 16, 9), (16, 8, 7, 7), stride=4, padding=3, groups=4),
    "2d k4 s2, 60 outputs in each of 2 groups": conv(2, (1, 400, 20, 24), (400, 60, 4, 4), stride=2, groups=2),
    "2d k3 with dilation 2, 50 channels": conv(2, (1, 50, 24, 29), (50, 33, 3, 3), padding=2, dilation=2),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_result_and_gradients_within_the_promised_bound(name):
    """1.5 times PyTorch's root mean square, for the result and its gradients for input and weight."""
    case = GRADIENTS[name]
    names = ("result", "input", "weight")
    squares = {"ours": np.zeros(3), "torch": np.zeros(3)}
    for seed in range(SEEDS):
        given: dict[str, Any] = {
            key: values(np.random.default_rng([seed, len(key)]), shape, np.dtype(np.float32))
            for key, shape in case.shapes.items()
        } | dict(case.options)
        wide = {key: v.astype(np.float64) if isinstance(v, np.ndarray) else v for key, v in given.items()}
        result = getattr(up, case.function)(**given)
        grad = values(np.random.default_rng([seed, 99]), result.shape, np.dtype(np.float32))
        ours = (result, *getattr(up, case.function + "_backward")(grad, **given)[:2])
        exact = _result_and_gradients(case, wide, grad.astype(np.float64))
        theirs = _result_and_gradients(case, given, grad)
        squares["ours"] += [np.mean((a - b) ** 2) for a, b in zip(ours, exact, strict=True)]
        squares["torch"] += [np.mean((a - b) ** 2) for a, b in zip(theirs, exact, strict=True)]
    ratios = np.sqrt(squares["ours"] / squares["torch"])
    print(f"\n{name}: " + ", ".join(f"{part} {ratio:.2f}" for part, ratio in zip(names, ratios, strict=True)))
    assert (ratios <= 1.5).all()


def _result_and_gradients(case: Case, given: dict[str, Any], grad: np.ndarray) -> list[np.ndarray]:
    results, gradients = torch_side.forward_and_gradients(case, given, grad)
    return [results[0], *gradients]


def mean_squares(distances: np.ndarray) -> np.ndarray:
    """The mean square of each seed."""
    return np.mean(distances**2, axis=tuple(range(1, distances.ndim)))


@pytest.mark.parametrize("name", ROWS)
def test_no_less_exact_than_pytorch(name):
    """Our root mean square is no larger than PyTorch's, as far as so many seeds can tell: two standard errors."""
    ours, theirs = distances(ROWS[name])
    a, b = mean_squares(ours), mean_squares(theirs)
    print(f"\n| {name} | {np.mean(a) ** 0.5:.4g} | {np.mean(b) ** 0.5:.4g} | {ours.max():.3g} | {theirs.max():.3g} |")
    unsure = 2 * np.std(a - b, ddof=1) / SEEDS**0.5
    assert np.mean(a) - unsure <= EQUAL**2 * np.mean(b)
