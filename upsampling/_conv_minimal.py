"""Whether transposed convolution may use minimal filtering: _plan_minimal.py says how."""

from __future__ import annotations

import os

from . import _args

_allowed = os.environ.get("UPSAMPLING_MINIMAL_FILTERING", "1") != "0"


def allowed() -> bool:
    """Return what was said last."""
    return _allowed


def name_of(call: str) -> str:
    """Return the name under which a call is remembered: another one where it takes other steps."""
    return call if _allowed else DIRECT_NAMES[call]


DIRECT_NAMES = {"conv_transpose": "conv_transpose, directly", "backward": "backward, directly"}


def set_minimal_filtering(on: bool) -> None:
    """Say whether transposed convolution may use minimal filtering where it is faster.

    It computes a result in float32 or float64 from fewer products than it has terms. Errors are as large as without it
    on average, but relative to the largest numbers near by: a small number beside a very large one loses digits.
    The default is True, or what the environment variable UPSAMPLING_MINIMAL_FILTERING says, 0 or 1, at import.

    Parameters
    ----------
    on : bool
        For all calls from now on, in the whole process.

    Raises
    ------
    TypeError
        If `on` is not a bool.

    Notes
    -----
    Winograd 1980, "Arithmetic complexity of computations"; Lavin and Gray 2016, "Fast algorithms for convolutional
    neural networks". Whether it is taken depends on channels, kernel, stride and plane alone, so that results do not
    depend on the batch or on the number of threads.

    Examples
    --------
    >>> import upsampling as up
    >>> up.set_minimal_filtering(False)
    >>> up.set_minimal_filtering(True)
    """
    global _allowed
    _allowed = _args.flag("on", on)
