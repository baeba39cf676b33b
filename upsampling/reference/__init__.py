"""The public functions in plain Python, from their defining formulas: slow, and easy to check by reading.

Every function has the name and the arguments of the compiled one, and one keyword more: ``dtype``, in which it
computes and returns (None: it computes in float64, or in integers, and rounds once to the input's dtype). Nothing
compiled is used.
"""

from __future__ import annotations

from .conv_transpose import (
    conv_matrix,
    conv_transpose1d,
    conv_transpose1d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose3d,
    conv_transpose3d_backward,
)
from .interpolate import (
    interpolate,
    interpolate_backward,
)
from .pooling import (
    max_pool1d,
    max_pool1d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool3d,
    max_pool3d_backward,
    max_unpool1d,
    max_unpool1d_backward,
    max_unpool2d,
    max_unpool2d_backward,
    max_unpool3d,
    max_unpool3d_backward,
)
from .resize import (
    resize,
)
from .shuffle import (
    pixel_shuffle,
    pixel_unshuffle,
)

__all__ = [
    "conv_matrix",
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
    "interpolate",
    "interpolate_backward",
    "max_pool1d",
    "max_pool1d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool3d",
    "max_pool3d_backward",
    "max_unpool1d",
    "max_unpool1d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "max_unpool3d",
    "max_unpool3d_backward",
    "pixel_shuffle",
    "pixel_unshuffle",
    "resize",
]
