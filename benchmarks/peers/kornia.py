"""kornia-rs; its pool has RAYON_NUM_THREADS threads, which the run sets before it starts."""

from __future__ import annotations

from typing import Any

import kornia_rs
import numpy as np

from . import Contestant, UnsupportedError


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    p, x = row.params, arrays["input"]
    if row.op != "resize" or row.dtype != "uint8" or x.ndim != 3:
        raise UnsupportedError("uint8 pictures with channels only")
    resize, size, mode, smooth = kornia_rs.imgproc.resize, p["size"], p["mode"], p["antialias"]
    if x.shape[2] != 3 or row.given_out or (mode == "bilinear" and smooth and size[0] < x.shape[0]):
        raise UnsupportedError("three channels only, no given result, no antialias in its bilinear mode")
    tolerance = 45.0 if mode == "bicubic" and not smooth else None  # it has another cubic coefficient there
    return Contestant(lambda: resize(x, size, mode, antialias=smooth), to_numpy=np.asarray, tolerance=tolerance)
