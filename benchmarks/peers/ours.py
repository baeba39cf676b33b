"""This package: the plain functions, or the layers where the peers hold packed weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import upsampling as up

from . import Contestant, UnsupportedError


def _call(row: Any, arrays: dict[str, np.ndarray]) -> Any:
    p, x = row.params, arrays["input"]
    geometry = {key: p[key] for key in ("stride", "padding", "output_padding", "groups", "dilation") if key in p}
    name = row.op if row.op in ("interpolate", "resize") else f"{row.op}{row.rank}d"
    if row.packed:
        from upsampling import nn

        layer = getattr(nn, f"ConvTranspose{row.rank}d")(row.shape[1], p["out"], p["kernel"], **geometry)
        layer.load_state_dict({key: arrays[key] for key in ("weight", "bias")})
        return partial(layer, x)
    function = getattr(up, name + ("_backward" if row.backward else ""), None)
    if function is None:
        raise UnsupportedError(f"upsampling has no {name}")
    if row.op == "conv_transpose":
        if row.backward:
            return partial(function, arrays["grad"], x, arrays["weight"], **geometry, output_mask=row.mask)
        return partial(function, x, arrays["weight"], arrays["bias"], **geometry)
    if row.op == "interpolate":
        return partial(function, arrays["grad"], row.shape, **p) if row.backward else partial(function, x, **p)
    if row.op == "resize":
        return partial(function, x, **p)
    if row.op == "max_pool":
        if row.backward:
            return partial(function, arrays["grad"], arrays["indices"], row.shape)
        return partial(function, x, p["kernel"], p["stride"], p["padding"], return_indices=True)
    if row.backward:
        return partial(function, arrays["grad"], arrays["indices"])
    return partial(function, x, arrays["indices"], p["kernel"])


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    return Contestant(_call(row, arrays), partial(up.set_num_threads, threads))
