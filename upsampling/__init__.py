"""Transposed convolution, max-unpooling and resampling on the CPU, forward and backward, for NumPy arrays.

The functions have the names, arguments and results of ``torch.nn.functional``; ``resize`` is Pillow's. The layers
are in `upsampling.nn`, the formulas in plain Python in `upsampling.reference`, output sizes in
`upsampling.sizes`, kernels for compiled code in `upsampling.kernels`.
"""

from . import functional as _functional
from .functional import *  # noqa: F403

__all__ = _functional.__all__
