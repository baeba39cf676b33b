"""Pillow's resize, always in one thread: uint8 pictures, and planes of other dtypes one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from . import Contestant, UnsupportedError

MODES = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def _check(row: Any) -> None:
    p, picture = row.params, row.op == "resize"
    if row.backward or not (picture or (row.op == "interpolate" and row.rank == 2)) or p["mode"] not in MODES:
        raise UnsupportedError("no such operator here")
    if row.dtype not in ("uint8", "uint16", "float32") or "size" not in p or row.given_out:
        raise UnsupportedError("uint8, uint16 and float32, a given size, fresh results only")
    if p["mode"] != "nearest" and not p.get("antialias"):
        raise UnsupportedError("it always antialiases")
    if p["mode"] == "nearest" and not picture:
        raise UnsupportedError("its nearest has other coordinates")
    if picture and len(row.shape) == 3 and (row.shape[2] == 4 or row.dtype != "uint8"):
        raise UnsupportedError("it multiplies by alpha, and has 8-bit colours only")


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    _check(row)
    p, x = row.params, arrays["input"]
    mode, size = Image.Resampling(MODES[p["mode"]]), p["size"][::-1]
    if row.op == "resize":
        image = Image.fromarray(x.squeeze())
        return Contestant(
            lambda: image.resize(size, mode), to_numpy=lambda r: np.asarray(r).reshape(*size[::-1], *x.shape[2:])
        )
    images = [Image.fromarray(np.ascontiguousarray(plane)) for plane in x.reshape(-1, *x.shape[2:])]
    return Contestant(
        lambda: [image.resize(size, mode) for image in images],
        to_numpy=lambda r: np.stack([np.asarray(image) for image in r]).reshape(*x.shape[:2], *size[::-1]),
    )
