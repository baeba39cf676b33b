"""What the package keeps from call to call, for tests that change how plans are made."""

from __future__ import annotations

from upsampling import _conv_transpose, _plan_conv, _repeat


def forget_plans() -> None:
    """Let the next call of transposed convolution make its plan anew."""
    _repeat.forget()
    _conv_transpose._passes.cache_clear()
    _plan_conv.plan.cache_clear()
