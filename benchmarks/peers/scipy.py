"""SciPy's zoom with linear splines, one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import zoom

from ..problem import output_shape
from . import Contestant, UnsupportedError


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    p, x = row.params, arrays["input"]
    if row.op != "interpolate" or row.backward or p.get("antialias"):
        raise UnsupportedError("no such operator here")
    if p["mode"] not in ("linear", "bilinear", "trilinear") or row.dtype not in ("float32", "float64") or row.given_out:
        raise UnsupportedError("linear modes only")
    factors = [b / a for a, b in zip(row.shape, output_shape(row), strict=True)]
    return Contestant(lambda: zoom(x, factors, order=1, mode="nearest", grid_mode=True))
