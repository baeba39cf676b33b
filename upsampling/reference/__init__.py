"""The public functions: what every argument means, and which kernel computes the result."""

from __future__ import annotations

import importlib

__all__: list[str] = []

for _name in ("conv_transpose", "pooling", "shuffle", "interpolate", "resize"):
    try:
        _module = importlib.import_module(f"upsampling.reference.{_name}")
    except ModuleNotFoundError:
        continue
    for _public in _module.__all__:
        globals()[_public] = getattr(_module, _public)
        __all__.append(_public)
