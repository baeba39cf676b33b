"""Calls of the case table as plans: the problem, the arrays to read, and the results that are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cases
import numpy as np

import upsampling as up


@dataclass
class Call:
    operator: str
    operation: str
    fields: dict[str, Any]
    read: list[np.ndarray | None]
    wanted: list[np.ndarray]


def _batched(array: np.ndarray | None, rank: int) -> np.ndarray | None:
    return array[None] if array is not None and array.ndim == rank + 1 else array


def _axes(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(int(number) for number in cases.axis_values(value, rank))


def _code(dtype: np.dtype) -> Any:
    plain = dtype.kind in "fiuc" or dtype.name == "bfloat16"
    return dtype if plain else int(dtype.itemsize)


def calls(case: cases.Case, given: dict[str, Any]) -> list[Call]:
    """The plans that do what a case does, backward ones too where the case is one."""
    rank, name = case.rank, case.function
    result = getattr(up, name)(**given)
    if name.startswith("conv_transpose"):
        return _conv(rank, given, result, backward=name.endswith("backward"))
    if name.startswith("max_pool"):
        return _pool(rank, given, result, backward=name.endswith("backward"))
    if name.startswith("max_unpool"):
        return _unpool(rank, given, result, backward=name.endswith("backward"))
    if name.startswith("interpolate"):
        return _interpolate(rank, given, result, backward=name.endswith("backward"))
    return _resize(given, result) if name == "resize" else _shuffle(name, given, result)


def _conv(rank: int, given: dict[str, Any], result: Any, backward: bool) -> list[Call]:
    x, w = _batched(given["input"], rank), given["weight"]
    groups = int(given.get("groups", 1))
    names = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1}
    fields: dict[str, Any] = {key: _axes(given.get(key, default), rank) for key, default in names.items()}
    y = _batched(given["grad_output"] if backward else result, rank)
    # The output's size, however it was asked for, decides output_padding.
    fields["output_padding"] = tuple(
        out - ((n - 1) * s - 2 * p + d * (k - 1) + 1)
        for out, n, k, s, p, d in zip(
            y.shape[2:], x.shape[2:], w.shape[2:], fields["stride"], fields["padding"], fields["dilation"], strict=True
        )
    )
    fields |= {"rank": rank, "dtype": _code(x.dtype), "groups": groups, "batch": x.shape[0]}
    fields |= {"in_channels": x.shape[1], "out_channels": y.shape[1], "input": x.shape[2:], "kernel": w.shape[2:]}
    if not backward:
        bias = given.get("bias")
        planned = fields | {"weight": w, "bias": bias}
        return [
            Call("conv_transpose", "forward", fields, [x, w, bias], [y]),
            Call("conv_transpose", "forward", planned, [x], [y]),
        ]
    read = {"backward": [y, w], "backward_weight": [y, x], "backward_bias": [y]}
    return [
        Call("conv_transpose", operation, fields, arrays, [_batched(wanted, rank)])
        for (operation, arrays), wanted in zip(read.items(), result, strict=True)
        if wanted is not None
    ]


def _pool(rank: int, given: dict[str, Any], result: Any, backward: bool) -> list[Call]:
    if backward:
        g, at, x = (_batched(a, rank) for a in (given["grad_output"], given["indices"], result))
        # Any windows that give the gradient's size will do: positions say where it goes.
        kernel = tuple(n - m + 1 for n, m in zip(x.shape[2:], g.shape[2:], strict=True))
        fields = {"rank": rank, "dtype": _code(g.dtype), "batch": x.shape[0], "channels": x.shape[1]}
        fields |= {"input": x.shape[2:], "kernel": kernel, "stride": (1,) * rank}
        return [Call("max_pool", "backward", fields, [g, at], [x])] if min(kernel) > 0 else []
    x = _batched(given["input"], rank)
    wanted = [_batched(a, rank) for a in (result if isinstance(result, tuple) else (result,))]
    kernel = _axes(given["kernel_size"], rank)
    stride = given.get("stride")
    fields = {"rank": rank, "dtype": _code(x.dtype), "batch": x.shape[0], "channels": x.shape[1], "kernel": kernel}
    fields |= {"input": x.shape[2:], "stride": _axes(stride, rank) if stride else (0,) * rank}
    fields |= {key: _axes(given.get(key, default), rank) for key, default in (("padding", 0), ("dilation", 1))}
    fields |= {"ceil_mode": bool(given.get("ceil_mode", False)), "indices": len(wanted) == 2}
    return [Call("max_pool", "forward", fields, [x], wanted)]


def _unpool(rank: int, given: dict[str, Any], result: np.ndarray, backward: bool) -> list[Call]:
    source, at, result = (
        _batched(a, rank) for a in (given["grad_output" if backward else "input"], given["indices"], result)
    )
    small, large = (result, source) if backward else (source, result)
    fields = {"rank": rank, "dtype": _code(source.dtype), "batch": small.shape[0], "channels": small.shape[1]}
    fields |= {"input": small.shape[2:], "output": large.shape[2:]}
    return [Call("max_unpool", "backward" if backward else "forward", fields, [source, at], [result])]


def _interpolate(rank: int, given: dict[str, Any], result: np.ndarray, backward: bool) -> list[Call]:
    source = given["grad_output" if backward else "input"]
    small, large = (result, source) if backward else (source, result)
    fields: dict[str, Any] = {"rank": rank, "dtype": _code(source.dtype), "batch": small.shape[0]}
    fields |= {"channels": small.shape[1], "input": small.shape[2:], "output": large.shape[2:]}
    if given.get("scale_factor") is not None and not given.get("recompute_scale_factor"):
        scales = tuple(float(number) for number in cases.axis_values(given["scale_factor"], rank))
        fields |= {"output": (0,) * rank, "scale": scales}
    mode = given.get("mode", "nearest")
    fields["mode"] = "linear" if mode in ("bilinear", "trilinear") else mode
    fields |= {name: bool(given.get(name, False)) for name in ("align_corners", "antialias")}
    return [Call("interpolate", "backward" if backward else "forward", fields, [source], [result])]


def _resize(given: dict[str, Any], result: np.ndarray) -> list[Call]:
    image, result = (a if a.ndim == 3 else a[..., None] for a in (given["image"], result))
    fields = {"dtype": _code(image.dtype), "height": image.shape[0], "width": image.shape[1]}
    fields |= {"channels": image.shape[2], "out_height": result.shape[0], "out_width": result.shape[1]}
    fields |= {"mode": given.get("mode", "bicubic"), "antialias": given.get("antialias", True)}
    return [Call("resize", "forward", fields, [image], [result])]


def _shuffle(name: str, given: dict[str, Any], result: np.ndarray) -> list[Call]:
    source, result = (a.reshape(-1, *a.shape[-3:]) if a.size else a for a in (given["input"], result))
    if source.ndim != 4:
        return []
    small = source if name == "pixel_shuffle" else result
    factor = given.get("upscale_factor", given.get("downscale_factor"))
    fields = {"dtype": _code(source.dtype), "batch": small.shape[0], "channels": small.shape[1]}
    fields |= {"height": small.shape[2], "width": small.shape[3], "factor": int(factor)}
    operation = "forward" if name == "pixel_shuffle" else "backward"
    return [Call("pixel_shuffle", operation, fields, [source], [result])]
