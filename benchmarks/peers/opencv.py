"""OpenCV's resize: interleaved pictures in one call, planar ones plane by plane."""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np

from ..problem import output_shape
from . import Contestant, UnsupportedError

MODES = {
    "nearest": cv2.INTER_NEAREST,
    "nearest-exact": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    p, x = row.params, arrays["input"]
    if row.op not in ("interpolate", "resize") or row.backward or p["mode"] not in MODES:
        raise UnsupportedError("no such operator here")
    if (row.op == "interpolate" and row.rank != 2) or row.dtype not in (
        "uint8", "uint16", "float32", "float64"
    ):  # fmt: skip
        raise UnsupportedError("pictures of uint8, uint16, float32, float64 only")
    if p.get("antialias"):
        raise UnsupportedError("it does not antialias")
    if p["mode"] == "nearest" and row.op == "resize":  # the pixel nearest to the centre, as in Pillow
        p = {**p, "mode": "nearest-exact"}
    mode, shape, enter = MODES[p["mode"]], output_shape(row), partial(cv2.setNumThreads, threads)
    if row.op == "resize":
        size, out = p["size"][::-1], arrays.get("out")
        return Contestant(lambda: cv2.resize(x, size, out, interpolation=mode), enter, lambda r: r.reshape(shape))
    size = (shape[3], shape[2])
    if row.channels_last:
        if shape[0] != 1:
            raise UnsupportedError("one picture at a time")
        picture = x[0].transpose(1, 2, 0)
        out = arrays["out"][0].transpose(1, 2, 0) if row.given_out else None
        return Contestant(lambda: cv2.resize(picture, size, out, interpolation=mode), enter,
                          lambda r: r.reshape(*size[::-1], -1).transpose(2, 0, 1)[None])  # fmt: skip
    planes = list(x.reshape(-1, *x.shape[2:]))

    def planar() -> np.ndarray:
        result = arrays["out"] if row.given_out else np.empty(shape, x.dtype)
        for source, target in zip(planes, result.reshape(-1, *shape[2:]), strict=True):
            cv2.resize(source, size, target, interpolation=mode)
        return result

    return Contestant(planar, enter)
