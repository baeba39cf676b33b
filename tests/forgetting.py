"""What the package keeps from call to call, for tests that change how plans are made."""

from __future__ import annotations

import sys

from upsampling import _kernels, _repeat


def forget_plans() -> None:
    """Let the next calls find their plans and tables anew."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "upsampling":
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and value is not _kernels.load:
                    value.cache_clear()
    _repeat.forget()
