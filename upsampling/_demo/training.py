"""A network of two transposed convolutions that learns what bicubic interpolation misses.

    half -> transposed convolution, 5x5, stride 1 (that is a convolution) -> ReLU
         -> transposed convolution, 4x4, stride 2 -> added to the bicubic enlargement

Each colour plane goes through it by itself. Forward and backward are this package's functions; the gradient
of a ReLU and Adam (Kingma and Ba, 2015) are a few lines of NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from .. import conv_transpose2d, conv_transpose2d_backward, interpolate
from .photographs import Photograph

FEATURES = 32
KERNEL = 5
# The pixels that the network needs around each pixel of the half: two for the first layer, one for the second.
MARGIN = KERNEL // 2 + 1
# With this padding each layer gives only outputs whose inputs are all there. For the second it crops two more
# pixels than the padding of 1 that makes a kernel of 4 and a stride of 2 double the size exactly.
CROP_FIRST = KERNEL - 1
CROP_SECOND = 3

BATCH = 16
PATCH = 32
RATE = np.float32(4e-3)
MEAN = np.float32(0.5)

Weights = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def padded(x: np.ndarray, margin: int) -> np.ndarray:
    """Planes with their outermost pixels repeated around them."""
    return np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="edge")


@dataclass
class Network:
    """Weight and bias of the first and of the second layer."""

    weights: Weights

    @classmethod
    def initialised(cls, rng: np.random.Generator) -> Network:
        """Random weights, such that the outputs are near 0 at first."""
        first = rng.standard_normal((1, FEATURES, KERNEL, KERNEL), np.float32) * np.float32(np.sqrt(2) / KERNEL)
        second = rng.standard_normal((FEATURES, 1, 4, 4), np.float32) * np.float32(0.05 / np.sqrt(FEATURES))
        return cls((first, np.zeros(FEATURES, np.float32), second, np.zeros(1, np.float32)))

    @property
    def size(self) -> int:
        """The number of weights."""
        return sum(array.size for array in self.weights)

    def hidden(self, x: np.ndarray) -> np.ndarray:
        """Return the features that the first layer sees in planes (N, 1, H, W)."""
        return np.maximum(conv_transpose2d(x - MEAN, self.weights[0], self.weights[1], padding=CROP_FIRST), 0)

    def details(self, hidden: np.ndarray) -> np.ndarray:
        """Return what is added to the bicubic enlargement."""
        return conv_transpose2d(hidden, self.weights[2], self.weights[3], stride=2, padding=CROP_SECOND)

    def upsample(self, half: np.ndarray) -> np.ndarray:
        """Planes (1, C, H, W) at twice their height and width."""
        x = half.swapaxes(0, 1)
        result = interpolate(x, scale_factor=2, mode="bicubic") + self.details(self.hidden(padded(x, MARGIN)))
        return result.swapaxes(0, 1)

    def gradients(self, x: np.ndarray, wanted: np.ndarray) -> Weights:
        """Return the gradients of 50 times the mean squared difference between the details and those wanted."""
        hidden = self.hidden(x)
        error = (self.details(hidden) - wanted) * np.float32(100 / wanted.size)
        error, weight2, bias2 = conv_transpose2d_backward(error, hidden, self.weights[2], stride=2, padding=CROP_SECOND)
        assert error is not None  # output_mask asks for it
        error = error * (hidden > 0)
        _, weight1, bias1 = conv_transpose2d_backward(
            error, x - MEAN, self.weights[0], padding=CROP_FIRST, output_mask=(False, True, True)
        )
        return cast("Weights", (weight1, bias1, weight2, bias2))


class Adam:
    """Steps against the gradients, scaled by their running mean squares."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.means = [np.zeros_like(weight) for weight in weights]
        self.squares = [np.zeros_like(weight) for weight in weights]
        self.steps = 0

    def step(self, gradients: Weights, rate: np.float32) -> None:
        """Change the weights in place."""
        self.steps += 1
        grown1, grown2 = np.float32(1 - 0.9**self.steps), np.float32(1 - 0.999**self.steps)
        for weight, gradient, mean, square in zip(self.weights, gradients, self.means, self.squares, strict=True):
            mean += np.float32(0.1) * (gradient - mean)
            square += np.float32(0.001) * (gradient * gradient - square)
            weight -= rate * (mean / grown1) / (np.sqrt(square / grown2) + np.float32(1e-8))


class Patches:
    """Random squares of photographs, turned and mirrored at random, with the details that bicubic misses there."""

    def __init__(self, photographs: Sequence[Photograph], rng: np.random.Generator) -> None:
        self.rng = rng
        self.halves = [photograph.half_planes[0] for photograph in photographs]
        self.details = [
            (photograph.original_planes - interpolate(photograph.half_planes, scale_factor=2, mode="bicubic"))[0]
            for photograph in photographs
        ]
        areas = np.array([half.size for half in self.halves])
        self.shares = areas / areas.sum()

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Squares of halves with their margin, (BATCH, 1, h, h), and the details wanted, (BATCH, 1, H, H)."""
        side = PATCH + 2 * MARGIN
        x = np.empty((BATCH, 1, side, side), np.float32)
        wanted = np.empty((BATCH, 1, 2 * PATCH, 2 * PATCH), np.float32)
        for item, index in enumerate(self.rng.choice(len(self.halves), BATCH, p=self.shares)):
            half, details = self.halves[index], self.details[index]
            plane, top, left, turns, mirrored = (
                int(self.rng.integers(limit))
                for limit in (half.shape[0], half.shape[1] - side + 1, half.shape[2] - side + 1, 4, 2)
            )
            inner = np.s_[2 * (top + MARGIN) :, 2 * (left + MARGIN) :]
            pair = half[plane, top : top + side, left : left + side], details[plane][inner][: 2 * PATCH, : 2 * PATCH]
            x[item, 0], wanted[item, 0] = (np.rot90(p.T if mirrored else p, turns) for p in pair)
        return x, wanted


def train(photographs: Sequence[Photograph], steps: int, seed: int, progress: Callable[[], object]) -> Network:
    """Train a network; the same seed gives the same weights.

    Parameters
    ----------
    photographs : sequence of Photograph
        What it learns from.
    steps : int
        The number of batches.
    seed : int
        Decides the first weights and the patches.
    progress : callable
        Called after each step.

    Returns
    -------
    Network
    """
    rng = np.random.default_rng(seed)
    network = Network.initialised(rng)
    patches = Patches(photographs, rng)
    adam = Adam(network.weights)
    for step in range(steps):
        rate = RATE * np.float32(0.5 + 0.5 * np.cos(np.pi * step / steps))
        adam.step(network.gradients(*patches.batch()), rate)
        progress()
    return network
