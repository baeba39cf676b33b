"""Pillow's resize, always in one thread: uint8 pictures, and float32 planes one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from . import Contestant, UnsupportedError

MODES = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    p, x = row.params, arrays["input"]
    picture = row.op == "resize"
    if row.backward or not (picture or (row.op == "interpolate" and row.rank == 2)) or p["mode"] not in MODES:
        raise UnsupportedError("no such operator here")
    if row.dtype not in ("uint8", "float32") or (not picture and "size" not in p):
        raise UnsupportedError("uint8 and float32, a given size only")
    if p["mode"] != "nearest" and not p.get("antialias"):
        raise UnsupportedError("it always antialiases")
    if p["mode"] == "nearest" and not picture:
        raise UnsupportedError("its nearest has other coordinates")
    mode, size = Image.Resampling(MODES[p["mode"]]), p["size"][::-1]
    if picture and row.dtype == "uint8":
        if x.ndim == 3 and x.shape[2] == 4:
            raise UnsupportedError("it multiplies by alpha")
        image = Image.fromarray(x.squeeze())
        return Contestant(
            lambda: image.resize(size, mode), to_numpy=lambda r: np.asarray(r).reshape(*size[::-1], *x.shape[2:])
        )
    planes = x.transpose(2, 0, 1) if picture else x.reshape(-1, *x.shape[2:])
    images = [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes]

    def to_numpy(result: Any) -> np.ndarray:
        stack = np.stack([np.asarray(image) for image in result])
        return stack.transpose(1, 2, 0) if picture else stack.reshape(*x.shape[:2], *size[::-1])

    return Contestant(lambda: [image.resize(size, mode) for image in images], to_numpy=to_numpy)
