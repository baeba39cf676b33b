"""PyTorch's functions, and its backward operators called directly."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..problem import lengthwise, output_shape
from . import Contestant, UnsupportedError

# The operators beneath interpolate, which can write to given memory.
OPERATORS = {mode: f"upsample_{mode}" for mode in ("nearest", "linear", "bilinear", "bicubic", "trilinear")}
OPERATORS["nearest-exact"] = "_upsample_nearest_exact"


def _tensor(array: np.ndarray) -> torch.Tensor:
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def _numpy(result: Any) -> Any:
    if isinstance(result, (tuple, list)):
        return tuple(None if part is None else _numpy(part) for part in result)
    return (result.float() if result.dtype == torch.bfloat16 else result).numpy()


def _by_autograd(forward: Any, x: torch.Tensor, grad: torch.Tensor) -> Any:
    """Time the backward alone: the graph is made once and kept."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        result = forward(x)
    result = result[0] if isinstance(result, tuple) else result
    return lambda: torch.autograd.grad(result, x, grad, retain_graph=True)[0]


def _conv(row: Any, t: dict[str, torch.Tensor], arrays: dict[str, np.ndarray]) -> Any:
    if row.packed or row.given_out:
        raise UnsupportedError("PyTorch races the plain function, and has no given result here")
    p, x = row.params, t["input"]
    stride, padding, extra, dilation = (
        row.axes(*pair) for pair in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))
    )
    groups = p.get("groups", 1)
    if row.backward:
        return partial(torch.ops.aten.convolution_backward, t["grad"], x, t["weight"], [p["out"]], stride,
                       padding, dilation, True, extra, groups, row.mask)  # fmt: skip
    function = getattr(functional, f"conv_transpose{row.rank}d")
    rest = (t["weight"], t["bias"], stride, padding, extra, groups, dilation)
    if row.lengths:
        pair = lengthwise(row, arrays["input"])
        return lambda: [function(torch.from_numpy(x), *rest) for x in pair()][-1]
    return partial(function, x, *rest)


def _antialiased(row: Any, x: torch.Tensor) -> Any:
    """Antialiased linear and trilinear modes, which PyTorch has not, by its antialiased bilinear mode."""
    size, smooth = output_shape(row)[2:], partial(functional.interpolate, mode="bilinear", antialias=True)
    if row.rank == 1:
        return lambda: smooth(x[:, :, None], (1, *size))[:, :, 0]
    n, c, depth, height, width = row.shape

    def call() -> torch.Tensor:
        planes = smooth(x.reshape(n, c * depth, height, width), size[1:])
        return smooth(planes.reshape(n, c, depth, -1), (size[0], size[1] * size[2])).reshape(n, c, *size)

    return call


def _interpolate(row: Any, t: dict[str, torch.Tensor]) -> Any:
    p, x = row.params, t["input"]
    if row.given_out:
        if p.get("antialias") or p["mode"] not in OPERATORS:
            raise UnsupportedError("PyTorch has no given result here")
        operator = getattr(torch.ops.aten, f"{OPERATORS[p['mode']]}{row.rank}d").out
        corners = () if p["mode"].startswith("nearest") else (False,)
        return partial(operator, x, output_shape(row)[2:], *corners, out=t["out"])
    if p.get("antialias") and p["mode"] in ("linear", "trilinear"):
        forward = _antialiased(row, x)
        if row.backward:
            raise UnsupportedError("PyTorch has no such mode")
        return forward
    forward = partial(functional.interpolate, **p)
    return _by_autograd(forward, x, t["grad"]) if row.backward else partial(forward, x)


def _resize(row: Any, x: torch.Tensor) -> Any:
    p = row.params
    if row.given_out:
        raise UnsupportedError("PyTorch has no given result here")
    # Pillow's nearest pixel is the one nearest to the centre.
    mode = "nearest-exact" if p["mode"] == "nearest" else p["mode"]
    x = x if x.ndim == 3 else x[:, :, None]
    return partial(functional.interpolate, x.permute(2, 0, 1)[None], p["size"], mode=mode, antialias=p["antialias"])


def _max_pool(row: Any, t: dict[str, torch.Tensor]) -> Any:
    p, x = row.params, t["input"]
    if not row.backward:
        function = getattr(functional, f"max_pool{row.rank}d")
        return partial(function, x, p["kernel"], p["stride"], p["padding"], return_indices=True)
    axes = [row.axes(*pair) for pair in (("kernel", 2), ("stride", 2), ("padding", 0), ("dilation", 1))]
    grad, indices = t["grad"], t["indices"]
    if row.rank == 1:  # PyTorch computes it as two dimensions, too
        grad, x, indices = (tensor[:, :, None] for tensor in (grad, x, indices))
        axes = [(one, *axis) for one, axis in zip((1, 1, 0, 1), axes, strict=True)]
    backward = getattr(torch.ops.aten, f"max_pool{max(2, row.rank)}d_with_indices_backward")
    call = partial(backward, grad, x, *axes, False, indices)
    return call if row.rank > 1 else lambda: call()[:, :, 0]


def _max_unpool(row: Any, t: dict[str, torch.Tensor]) -> Any:
    x = t["input"]
    if row.given_out:
        if row.rank != 2:
            raise UnsupportedError("not raced here")
        return partial(torch.ops.aten.max_unpool2d.out, x, t["indices"], output_shape(row)[2:], out=t["out"])
    function = getattr(functional, f"max_unpool{row.rank}d")
    forward = partial(function, indices=t["indices"], kernel_size=row.params["kernel"])
    return _by_autograd(forward, x, t["grad"]) if row.backward else partial(forward, x)


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    if row.dtype == "uint16":
        raise UnsupportedError("PyTorch computes nothing in uint16")
    t = {key: _tensor(array) for key, array in arrays.items()}
    if row.op == "conv_transpose":
        call = _conv(row, t, arrays)
    elif row.op == "interpolate":
        call = _interpolate(row, t)
    elif row.op == "resize":
        call = _resize(row, t["input"])
    else:
        call = _max_pool(row, t) if row.op == "max_pool" else _max_unpool(row, t)

    def to_numpy(result: Any) -> Any:
        result = _numpy(result)
        return result[0].transpose(1, 2, 0).reshape(output_shape(row)) if row.op == "resize" else result

    def without_gradients() -> Any:
        with torch.inference_mode():
            return call()

    return Contestant(call if row.backward else without_gradients, partial(torch.set_num_threads, threads), to_numpy)
