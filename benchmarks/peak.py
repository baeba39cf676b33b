"""The multiply-add peak: a loop in C that stays in registers, compiled by the machine's compiler on first use."""

from __future__ import annotations

import ctypes
import os
import platform
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from .peers import UnsupportedError

FLAGS = {"avx512": ["-march=native", "-mprefer-vector-width=512"], "avx2": ["-mavx2", "-mfma"], "baseline": []}


@lru_cache
def _library(isa: str) -> ctypes.CDLL:
    """Compile peak.c for an instruction set; elsewhere than on x86-64 for the machine's own."""
    flags = FLAGS[isa] if platform.machine() in ("x86_64", "AMD64") else ["-mcpu=native"]
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "peak.so")
        command = [*compiler, "-O3", "-funroll-loops", "-ffp-contract=fast", *flags, "-shared", "-fPIC",
                   str(Path(__file__).with_name("peak.c")), "-o", str(target)]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True)
            return ctypes.CDLL(str(target))
        except (OSError, subprocess.CalledProcessError) as error:
            raise UnsupportedError(f"no C compiler that makes {isa}") from error


def loop(isa: str, dtype: str, rounds: int) -> Callable[[], float]:
    """Give a call that does the loop in one thread, without the GIL, and returns its number of multiply-adds."""
    function = getattr(_library(isa), f"peak_{dtype}")
    real = {"float32": ctypes.c_float, "float64": ctypes.c_double}[dtype]
    function.restype, function.argtypes = ctypes.c_double, (ctypes.c_long, real, ctypes.POINTER(real))
    return partial(function, rounds, 0.5, real(0))
