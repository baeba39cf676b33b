"""This package: the plain functions, or the layers where the peers hold packed weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import upsampling as up

from ..problem import lengthwise
from . import Contestant, UnsupportedError


def _conv(row: Any, arrays: dict[str, np.ndarray], x: np.ndarray, function: Any, out: dict[str, np.ndarray]) -> Any:
    p = row.params
    geometry = {key: p[key] for key in ("stride", "padding", "output_padding", "groups", "dilation") if key in p}
    if row.packed:
        from upsampling import nn

        layer = getattr(nn, f"ConvTranspose{row.rank}d")(row.shape[1], p["out"], p["kernel"], **geometry)
        layer.load_state_dict({key: arrays[key] for key in ("weight", "bias")})
        call = layer
    elif row.backward:
        return partial(function, arrays["grad"], x, arrays["weight"], **geometry, output_mask=row.mask)
    else:
        call = partial(function, weight=arrays["weight"], bias=arrays["bias"], **geometry, **out)
    if row.lengths:
        pair = lengthwise(row, x)
        return lambda: [call(x) for x in pair()][-1]
    return partial(call, x)


def _call(row: Any, arrays: dict[str, np.ndarray]) -> Any:
    p, x = row.params, arrays["input"]
    name = row.op if row.op in ("interpolate", "resize") else f"{row.op}{row.rank}d"
    function = getattr(up, name + ("_backward" if row.backward else ""), None)
    if function is None:
        raise UnsupportedError(f"upsampling has no {name}")
    out = {"out": arrays["out"]} if row.given_out else {}
    if row.op == "conv_transpose":
        return _conv(row, arrays, x, function, out)
    if row.op == "interpolate":
        return partial(function, arrays["grad"], row.shape, **p) if row.backward else partial(function, x, **p, **out)
    if row.op == "resize":
        return partial(function, x, **p, **out)
    if row.op == "max_pool":
        if row.backward:
            return partial(function, arrays["grad"], arrays["indices"], row.shape)
        return partial(function, x, p["kernel"], p["stride"], p["padding"], return_indices=True)
    if row.backward:
        return partial(function, arrays["grad"], arrays["indices"])
    return partial(function, x, arrays["indices"], p["kernel"], **out)


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    return Contestant(_call(row, arrays), partial(up.set_num_threads, threads))
