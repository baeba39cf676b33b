"""PyTorch's functions, and its backward operators called directly."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..rows import output_shape
from . import Contestant, UnsupportedError


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


def _call(row: Any, arrays: dict[str, np.ndarray]) -> Any:
    p, t = row.params, {key: _tensor(array) for key, array in arrays.items()}
    x = t["input"]
    if row.op == "conv_transpose":
        if row.packed:
            raise UnsupportedError("PyTorch races the plain function")
        stride, padding, extra, dilation = (
            row.axes(*pair) for pair in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))
        )
        groups = p.get("groups", 1)
        if row.backward:
            return partial(torch.ops.aten.convolution_backward, t["grad"], x, t["weight"], [p["out"]], stride,
                           padding, dilation, True, extra, groups, row.mask)  # fmt: skip
        function = getattr(functional, f"conv_transpose{row.rank}d")
        return partial(function, x, t["weight"], t["bias"], stride, padding, extra, groups, dilation)
    if row.op == "interpolate":
        forward = partial(functional.interpolate, **p)
        return _by_autograd(forward, x, t["grad"]) if row.backward else partial(forward, x)
    if row.op == "resize":
        if p["mode"] == "lanczos":
            raise UnsupportedError("PyTorch has no lanczos")
        x = x if x.ndim == 3 else x[:, :, None]
        return partial(functional.interpolate, x.permute(2, 0, 1)[None], p["size"], mode=p["mode"],
                          antialias=p["antialias"])  # fmt: skip
    if row.op == "max_pool":
        if row.backward:
            if row.rank == 1:
                raise UnsupportedError("no backward operator in one dimension")
            backward = getattr(torch.ops.aten, f"max_pool{row.rank}d_with_indices_backward")
            axes = (row.axes(*pair) for pair in (("kernel", 2), ("stride", 2), ("padding", 0), ("dilation", 1)))
            return partial(backward, t["grad"], x, *axes, False, t["indices"])
        function = getattr(functional, f"max_pool{row.rank}d")
        return partial(function, x, p["kernel"], p["stride"], p["padding"], return_indices=True)
    function = getattr(functional, f"max_unpool{row.rank}d")
    forward = partial(function, indices=t["indices"], kernel_size=p["kernel"])
    return _by_autograd(forward, x, t["grad"]) if row.backward else partial(forward, x)


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    call = _call(row, arrays)

    def to_numpy(result: Any) -> Any:
        result = _numpy(result)
        return result[0].transpose(1, 2, 0).reshape(output_shape(row)) if row.op == "resize" else result

    def without_gradients() -> Any:
        with torch.inference_mode():
            return call()

    return Contestant(call if row.backward else without_gradients, partial(torch.set_num_threads, threads), to_numpy)
