"""What this installation is: version, instruction set, threads, compiler, and where its C header lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import _kernels, _threads


def _version() -> str:
    # Imported here because it takes longer than the rest of the package together.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("upsampling")
    except PackageNotFoundError:  # a source folder that was built in place and not installed
        return "unknown"


def show_config() -> dict[str, Any]:
    """Tell what the kernels run on.

    Returns
    -------
    dict
        ``version``; ``isa``, the instruction set in use; ``isas``, those that this build has and this processor can
        run; ``openmp``, the date of the OpenMP specification as ``yyyymm``, or False in a build without OpenMP, where
        every call uses one thread; ``num_threads``; ``compiler``; ``flags``, the optimisation flags of all kernels.

    Examples
    --------
    >>> import upsampling as up
    >>> config = up.show_config()
    >>> config["isa"] in config["isas"]
    True
    >>> "-ffast-math" in config["flags"]
    False
    """
    cpu = _kernels.cpu
    return {
        "version": _version(),
        "isa": _kernels.ISA,
        "isas": _kernels.available(),
        "openmp": cpu.openmp() or False,
        "num_threads": _threads.get_num_threads() if cpu.openmp() else 1,
        "compiler": cpu.compiler(),
        "flags": cpu.flags(),
    }


def get_include() -> str:
    """Return the folder that holds the C header ``upsampling.h``.

    Returns
    -------
    str
        For a compiler's ``-I``. The ``.pxd`` files lie in the package itself, where Cython finds them.

    Examples
    --------
    >>> import os, upsampling as up
    >>> os.path.isfile(os.path.join(up.get_include(), "upsampling.h"))
    True
    """
    return str(Path(__file__).parent / "include")
