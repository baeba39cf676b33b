"""The ways back from a halved photograph, each by calls of this package.

A method's `step` prepares the arguments and returns the call alone, which is what is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import conv_transpose2d, interpolate, max_pool2d, max_unpool2d, resize
from .photographs import Photograph, pixels
from .training import CROP_SECOND, Network, padded

Call = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Method:
    """A name, the call for a photograph, and the way from its result to (H, W, 3) of dtype uint8."""

    name: str
    step: Callable[[Photograph], Call]
    picture: Callable[[np.ndarray], np.ndarray]


def all_methods(network: Network) -> list[Method]:
    """Every method, the trained network as the last."""
    return [
        Method("nearest", _resized("nearest"), np.asarray),
        Method("area", _area, pixels),
        Method("bilinear", _resized("bilinear"), np.asarray),
        Method("bicubic", _resized("bicubic"), np.asarray),
        Method("lanczos", _resized("lanczos"), np.asarray),
        Method("max-unpool", _unpooled, pixels),
        Method("transposed, bilinear", _transposed, pixels),
        Method("transposed, trained", lambda photograph: lambda: network.upsample(photograph.half_planes), pixels),
    ]


def _resized(mode: str) -> Callable[[Photograph], Call]:
    def step(photograph: Photograph) -> Call:
        return lambda: resize(photograph.half, size=photograph.size, mode=mode)

    return step


def _area(photograph: Photograph) -> Call:
    return lambda: interpolate(photograph.half_planes, size=photograph.size, mode="area")


def pooled(photograph: Photograph) -> tuple[np.ndarray, np.ndarray]:
    """Return the maxima of 2x2 windows of the original, and where they were."""
    maxima, indices = max_pool2d(photograph.original_planes, 2, return_indices=True)
    return maxima, indices


def _unpooled(photograph: Photograph) -> Call:
    maxima, indices = pooled(photograph)
    return lambda: max_unpool2d(maxima, indices, 2)


def bilinear_weight(channels: int) -> np.ndarray:
    """Return the weight (channels, 1, 4, 4) of a transposed convolution of stride 2 that is bilinear interpolation."""
    row = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
    return np.tile(np.outer(row, row), (channels, 1, 1, 1))


def _transposed(photograph: Photograph) -> Call:
    weight = bilinear_weight(3)
    x = padded(photograph.half_planes, 1)
    return lambda: conv_transpose2d(x, weight, stride=2, padding=CROP_SECOND, groups=3)
