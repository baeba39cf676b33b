"""A small decoder made of layers, trained to draw discs from random codes: python examples/decoder.py."""

from __future__ import annotations

import numpy as np

from upsampling import nn


class ReLU:
    """The positive part: all that NumPy itself needs to be a layer."""

    def __call__(self, input: np.ndarray) -> np.ndarray:
        """Return the positive part of `input`."""
        self.positive = input > 0
        return input * self.positive

    def backward(self, grad_output: np.ndarray) -> np.ndarray:
        """Return the gradient where the input was positive."""
        return grad_output * self.positive

    def __repr__(self) -> str:
        return "ReLU()"


class Decoder:
    """Codes (N, 16, 2, 2) in, pictures (N, 1, 16, 16) out."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.layers = [
            nn.ConvTranspose2d(16, 32, kernel_size=4, stride=2, padding=1, rng=rng),
            ReLU(),
            nn.ConvTranspose2d(32, 16, kernel_size=4, stride=2, padding=1, rng=rng),
            ReLU(),
            nn.ConvTranspose2d(16, 4, kernel_size=3, padding=1, rng=rng),
            nn.PixelShuffle(2),
        ]
        self.trained = [layer for layer in self.layers if isinstance(layer, nn.ConvTranspose2d)]

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Draw a picture for each code."""
        for layer in self.layers:
            codes = layer(codes)
        return codes

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        """Return the codes' gradient; each layer adds to its own."""
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient

    def step(self, rate: float) -> None:
        """Go down the gradients, and clear them."""
        for layer in self.trained:
            for name, parameter in layer.named_parameters():
                parameter -= rate * layer.grad[name]
            layer.zero_grad()


def discs(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures of soft discs at random places, (count, 1, size, size), from 0 to 1."""
    rows, columns = np.mgrid[:size, :size]
    middle = rng.uniform(size / 4, 3 * size / 4, (2, count, 1, 1))
    distance = np.hypot(rows - middle[0], columns - middle[1])
    return (1 / (1 + np.exp(distance - size / 4)))[:, None].astype(np.float32)


def main(steps: int = 150) -> tuple[float, float]:
    """Train, and return the mean squared error before and after."""
    rng = np.random.default_rng(0)
    decoder = Decoder(rng)
    codes = rng.standard_normal((16, 16, 2, 2)).astype(np.float32)
    pictures = discs(16, 16, rng)
    print(*decoder.layers, sep="\n")
    losses = []
    for step in range(steps):
        difference = decoder(codes) - pictures
        losses.append(float(np.mean(difference**2)))
        decoder.backward(difference * np.float32(2 / difference.size))
        decoder.step(rate=1.0)
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step:3}: mean squared error {losses[-1]:.4f}")
    return losses[0], losses[-1]


if __name__ == "__main__":
    main()
