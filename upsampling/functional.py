"""The public functions: what every argument means, and which kernel computes the result."""

from __future__ import annotations

import importlib

from ._config import get_include, show_config  # noqa: F401
from ._threads import get_num_threads, num_threads, set_num_threads  # noqa: F401

for _name in ("_conv_transpose", "_pooling", "_shuffle", "_interpolate", "_resize"):
    try:
        _module = importlib.import_module(f"upsampling.{_name}")
    except ModuleNotFoundError:
        continue
    for _public in _module.__all__:
        globals()[_public] = getattr(_module, _public)
