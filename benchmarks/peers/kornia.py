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
    return Contestant(lambda: resize(x, size, mode, antialias=smooth), to_numpy=np.asarray)
