"""The public functions: what every argument means, and which kernel computes the result."""

from __future__ import annotations

from ._config import (
    get_include,
    show_config,
)
from ._conv_transpose import (
    conv_transpose1d,
    conv_transpose1d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose3d,
    conv_transpose3d_backward,
    set_minimal_filtering,
)
from ._interpolate import (
    interpolate,
    interpolate_backward,
)
from ._pooling import (
    max_pool1d,
    max_pool1d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool3d,
    max_pool3d_backward,
)
from ._resize import (
    resize,
)
from ._shuffle import (
    pixel_shuffle,
    pixel_unshuffle,
)
from ._threads import (
    get_num_threads,
    num_threads,
    set_num_threads,
)
from ._unpooling import (
    max_unpool1d,
    max_unpool1d_backward,
    max_unpool2d,
    max_unpool2d_backward,
    max_unpool3d,
    max_unpool3d_backward,
)

__all__ = [
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
    "get_include",
    "get_num_threads",
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
    "num_threads",
    "pixel_shuffle",
    "pixel_unshuffle",
    "resize",
    "set_minimal_filtering",
    "set_num_threads",
    "show_config",
]
