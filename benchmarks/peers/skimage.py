"""scikit-image's resize, one thread, float pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from skimage.transform import resize

from ..problem import output_shape
from . import Contestant, UnsupportedError


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    p, x = row.params, arrays["input"]
    if row.op not in ("interpolate", "resize") or row.backward or p.get("antialias"):
        raise UnsupportedError("no such operator here")
    if p["mode"] not in ("bilinear", "trilinear") or row.dtype not in ("float32", "float64", "uint8") or row.given_out:
        raise UnsupportedError("linear modes only")
    shape = output_shape(row)
    return Contestant(lambda: resize(x, shape, 1, mode="edge", anti_aliasing=False, preserve_range=True))
