"""The compiled kernels: the instruction set is chosen here, once, at import.

Each kernel source is built for several instruction sets and precisions, as modules named
kernel_precision_isa. `load` gives the module of the chosen instruction set. Some kernels have a second build for
avx512, "bytewise", for processors that also multiply and permute bytes (VNNI and VBMI).
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

if find_spec(f"{__name__}.cpu") is None:
    raise ImportError(
        f"{os.path.dirname(__path__[0])} is upsampling's source, which is not built: leave its folder to import the "
        "installed package, or build it in place with `pip install -e .`"
    )
from . import cpu as cpu

NAMES = ("baseline", "avx2", "avx512")


def available() -> tuple[str, ...]:
    """The instruction sets that this build has and this processor can run, the best one last."""
    return tuple(isa for isa in cpu.supported() if find_spec(f"{__name__}.move_bytes_{isa}"))


def _choose() -> str:
    forced = os.environ.get("UPSAMPLING_ISA")
    if not forced:
        return available()[-1]
    if forced not in NAMES:
        raise ImportError(f"UPSAMPLING_ISA must be one of {', '.join(NAMES)}, got {forced!r}")
    if forced not in available():
        raise ImportError(f"UPSAMPLING_ISA is {forced!r}, but this machine and build have {', '.join(available())}")
    return forced


ISA = _choose()


@cache
def load(kernel: str, precision: str) -> ModuleType:
    """The module of a kernel in a precision, for the chosen instruction set."""
    module = f"{__name__}.{kernel}_{precision}_"
    bytewise = ISA == "avx512" and cpu.bytewise() and find_spec(module + "bytewise")
    return import_module(module + ("bytewise" if bytewise else ISA))
