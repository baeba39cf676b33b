"""The operators as layers, with PyTorch's names, arguments, initialisation, `repr` and state dictionaries.

A layer is called on an array, and `backward` takes the gradient of what the latest call returned, adds the gradients
of the parameters to `layer.grad` and returns the input's. Nothing is computed here: each layer calls its function.

For `backward` a layer refers to the arrays of its latest call and copies nothing: do not change these arrays between
the two. Threads may call one layer at once and get right results, but `backward` belongs to the latest call of any
thread and changes `layer.grad`: threads that train need a layer each.
"""

from __future__ import annotations

from .conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .pooling import MaxPool1d, MaxPool2d, MaxPool3d
from .shuffle import PixelShuffle, PixelUnshuffle
from .unpooling import MaxUnpool1d, MaxUnpool2d, MaxUnpool3d
from .upsample import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d

__all__ = [
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "PixelShuffle",
    "PixelUnshuffle",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]
