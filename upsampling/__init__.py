"""Transposed convolution, max-unpooling and resampling on the CPU, forward and backward, for NumPy arrays.

The functions have the names, arguments and results of ``torch.nn.functional``; ``resize`` is Pillow's. The layers
are in `upsampling.nn`, the formulas in plain Python in `upsampling.reference`, output sizes in
`upsampling.sizes`, kernels for compiled code in `upsampling.kernels`.
"""

from typing import TYPE_CHECKING

from . import functional as _functional
from . import sizes as sizes
from .functional import *  # noqa: F403

__all__ = _functional.__all__

if TYPE_CHECKING:
    from . import nn as nn
    from . import reference as reference

    __version__: str
else:

    def __getattr__(name: str) -> object:
        """Give the other modules and the version where they are first asked for: `import upsampling` stays short."""
        if name in ("nn", "reference", "kernels"):
            from importlib import import_module

            return import_module(f"{__name__}.{name}")
        if name == "__version__":
            return _functional.show_config()["version"]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
