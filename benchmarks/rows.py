"""The table of named problems, and their seeded inputs."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One problem: what is computed, on which shape, in which dtype and layout."""

    name: str
    set: str
    op: str  # conv_transpose, interpolate, resize, max_pool, max_unpool
    shape: tuple[int, ...]
    params: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    channels_last: bool = False
    backward: bool = False
    mask: tuple[bool, bool, bool] = (True, True, True)
    packed: bool = False  # peers that hold packed weights, against our layer

    @property
    def rank(self) -> int:
        return len(self.shape) - 2

    def axes(self, name: str, default: int) -> tuple[int, ...]:
        """Give a parameter with one number for each axis."""
        value = self.params.get(name, default)
        return (value,) * self.rank if isinstance(value, int) else tuple(value)

    @property
    def tolerance(self) -> float:
        """The largest difference allowed, relative to the largest value (uint8: absolute levels)."""
        return {"float64": 1e-9, "float16": 8e-3, "bfloat16": 4e-2, "uint8": 2.0}.get(self.dtype, 2e-3)

    @property
    def outliers(self) -> float:
        """The share of elements that may differ: a rounded coordinate may choose the neighbour in nearest modes."""
        return 0.02 if self.params.get("mode", "").startswith("nearest") else 0.0


def numpy_dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def inputs(row: Row) -> dict[str, np.ndarray]:
    """Make the arrays of a row, the same for every run."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    dtype = numpy_dtype(row.dtype)

    def values(shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
        if dtype == np.uint8:
            return rng.integers(0, 256, shape, np.uint8)
        return (rng.standard_normal(shape, np.float32) * scale).astype(dtype)

    def layout(array: np.ndarray) -> np.ndarray:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1) if row.channels_last else array

    x = values(row.shape)
    if row.op == "resize":
        return {"input": x}
    arrays = {"input": layout(x)}
    shape = output_shape(row)
    if row.op == "conv_transpose":
        kernel = row.axes("kernel", 1)
        channels, groups = row.params["out"], row.params.get("groups", 1)
        taps = row.shape[1] // groups * int(np.prod(kernel))
        arrays["weight"] = values((row.shape[1], channels // groups, *kernel), taps**-0.5)
        arrays["bias"] = values((channels,))
    if row.op == "max_unpool" or (row.op == "max_pool" and row.backward):
        arrays["indices"] = _indices(row, rng)
    if row.backward:
        arrays["grad"] = layout(values(shape))
    return arrays


def _indices(row: Row, rng: np.random.Generator) -> np.ndarray:
    """Flat positions as a pooling gives them: anywhere in each window."""
    pooled, plane = output_shape(row), row.shape[2:]
    if row.op == "max_unpool":
        pooled, plane = row.shape, pooled[2:]
    kernel = row.axes("kernel", 2)
    stride, padding = (
        (row.axes("stride", 2), row.axes("padding", 0)) if row.op == "max_pool" else (kernel, (0,) * row.rank)
    )
    position = []
    for a in range(row.rank):
        starts = np.arange(pooled[2 + a]).reshape(-1, *(1,) * (row.rank - 1 - a)) * stride[a] - padding[a]
        position.append(np.clip(starts + rng.integers(0, kernel[a], pooled), 0, plane[a] - 1))
    return np.ravel_multi_index(tuple(position), plane).astype(np.int64)


def output_shape(row: Row) -> tuple[int, ...]:
    """The shape of the forward result."""
    space = row.shape[2:]
    if row.op == "resize":
        return (*row.params["size"], *row.shape[2:])
    if row.op == "interpolate":
        if "size" in row.params:
            return (*row.shape[:2], *row.params["size"])
        return (*row.shape[:2], *(int(n * row.params["scale_factor"]) for n in space))
    kernel = row.axes("kernel", 2)
    if row.op == "max_unpool":
        return (*row.shape[:2], *(n * k for n, k in zip(space, kernel, strict=True)))
    stride, padding = row.axes("stride", 1), row.axes("padding", 0)
    if row.op == "max_pool":
        sizes = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(space, kernel, stride, padding, strict=True))
        return (*row.shape[:2], *sizes)
    extra, dilation = row.axes("output_padding", 0), row.axes("dilation", 1)
    sizes = (
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1
        for n, k, s, p, o, d in zip(space, kernel, stride, padding, extra, dilation, strict=True)
    )
    return (row.shape[0], row.params["out"], *sizes)


def _conv(
    text: str, shape: tuple[int, ...], out: int, kernel: int, stride: int = 1, padding: int = 0, **more: Any
) -> Row:
    params = {"out": out, "kernel": kernel, "stride": stride, "padding": padding, **more}
    return Row(text, "conv", "conv_transpose", shape, params)


CONV = [
    _conv("8x512x4x4-256-k4s2", (8, 512, 4, 4), 256, 4, 2, 1),
    _conv("1x512x4x4-256-k4s2", (1, 512, 4, 4), 256, 4, 2, 1),
    _conv("1x64x32x32-3-k4s2", (1, 64, 32, 32), 3, 4, 2, 1),
    _conv("8x128x16x16-64-k4s2", (8, 128, 16, 16), 64, 4, 2, 1),
    _conv("8x64x32x32-3-k4s2", (8, 64, 32, 32), 3, 4, 2, 1),
    _conv("1x128x64x64-64-k2s2", (1, 128, 64, 64), 64, 2, 2),
    _conv("1x1024x28x28-512-k2s2", (1, 1024, 28, 28), 512, 2, 2),
    _conv("1x21x70x70-21-k16s8", (1, 21, 70, 70), 21, 16, 8),
    _conv("1x21x128x128-depthwise-k4s2", (1, 21, 128, 128), 21, 4, 2, 1, groups=21),
    _conv("1x56x180x320-1-k9s2", (1, 56, 180, 320), 1, 9, 2, 4),
    _conv("4x32x100x100-32-k3", (4, 32, 100, 100), 32, 3),
    _conv("1x128x100x100-128-k3", (1, 128, 100, 100), 128, 3),
    _conv("1x256x64x64-128-k3s2", (1, 256, 64, 64), 128, 3, 2, 1, output_padding=1),
    _conv("1d-1x1026x500-1-k1024s256", (1, 1026, 500), 1, 1024, 256),
    _conv("3d-1x32x16x32x32-16-k2s2", (1, 32, 16, 32, 32), 16, 2, 2),
    _conv("16x100x1x1-512-k4", (16, 100, 1, 1), 512, 4),
    _conv("1x512x7x7-512-k4s2", (1, 512, 7, 7), 512, 4, 2, 1),
    _conv("1x24x160x160-24-k2s2", (1, 24, 160, 160), 24, 2, 2),
    _conv("1x512x14x14-256-k4s2", (1, 512, 14, 14), 256, 4, 2, 1),
    _conv("1x64x128x128-64-k3s2", (1, 64, 128, 128), 64, 3, 2, 1, output_padding=1),
    _conv("1x64x64x64-64-k4s2-groups4", (1, 64, 64, 64), 64, 4, 2, 1, groups=4),
    _conv("1x64x64x64-64-k4s2-groups8", (1, 64, 64, 64), 64, 4, 2, 1, groups=8),
    _conv("1x32x64x64-64-depthwise2-k4s2", (1, 32, 64, 64), 64, 4, 2, 1, groups=32),
    _conv("1x64x64x64-64-k3-dilation2", (1, 64, 64, 64), 64, 3, 1, 2, dilation=2),
    _conv("1x64x48x48-64-k5s3", (1, 64, 48, 48), 64, 5, 3, 1),
    _conv("1x64x48x48-32-k7s4", (1, 64, 48, 48), 32, 7, 4, 2),
    _conv("1x3x224x224-64-k3", (1, 3, 224, 224), 64, 3, 1, 1),
    _conv("1x64x64x64-64-k1s2", (1, 64, 64, 64), 64, 1, 2),
    _conv("1d-1x512x1000-256-k16s8", (1, 512, 1000), 256, 16, 8, 4),
    _conv("1d-1x128x40000-64-k4s2", (1, 128, 40000), 64, 4, 2, 1),
    _conv("3d-1x32x16x16x16-32-k4s2", (1, 32, 16, 16, 16), 32, 4, 2, 1),
    _conv("3d-1x32x16x16x16-32-k3s2", (1, 32, 16, 16, 16), 32, 3, 2, 1),
    _conv("32x64x16x16-64-k4s2", (32, 64, 16, 16), 64, 4, 2, 1),
    _conv("tiny-1x3x2x2-3-k3", (1, 3, 2, 2), 3, 3),
]


def _changed(row: Row, prefix: str, **changes: Any) -> Row:
    values = {key: getattr(row, key) for key in Row.__dataclass_fields__}
    return Row(**{**values, "name": f"{prefix}/{row.name}", "set": prefix, **changes})


def _conv_rows() -> list[Row]:
    rows = []
    for row in CONV:
        rows.append(_changed(row, "conv"))
        if not row.name.startswith("tiny"):
            rows.append(_changed(row, "conv-packed", packed=True))
            rows.append(_changed(row, "conv-backward", backward=True))
    some = [CONV[n] for n in (0, 3, 4, 5, 8, 10, 14, 19)]
    for row in some:
        rows += [_changed(row, f"conv-{dtype}", dtype=dtype) for dtype in ("float64", "float16", "bfloat16")]
        rows.append(_changed(row, "conv-float64-backward", dtype="float64", backward=True))
        if row.rank == 2:
            rows.append(_changed(row, "conv-channels-last", channels_last=True))
        for n, what in enumerate(("input", "weight", "bias")):
            rows.append(_changed(row, f"conv-backward-{what}", backward=True, mask=(n == 0, n == 1, n == 2)))
    return rows


def _sample(shape: tuple[int, ...], mode: str, target: float | tuple[int, ...], **more: Any) -> Row:
    """One interpolation; the name is made of the shape, the mode and the target."""
    antialias = more.pop("antialias", False)
    params: dict[str, Any] = {"mode": mode}
    params["size" if isinstance(target, tuple) else "scale_factor"] = target
    if antialias:
        params["antialias"] = True
    what = "x".join(map(str, target)) if isinstance(target, tuple) else f"x{target}"
    row = Row("x".join(map(str, shape)) + f"-{mode}-{what}", "interpolate", "interpolate", shape, params, **more)
    return _changed(row, "antialias" if antialias else "interpolate")


def _interpolate_rows() -> list[Row]:
    rows = []
    modes = ("nearest", "nearest-exact", "bilinear", "bicubic")
    # By 1.43 and 5.9 the size is given: with a factor PyTorch alone computes coordinates from the factor itself.
    targets = {2: (1, 3, 512, 512), 4: (1, 3, 224, 224),
               (1544, 2745): (1, 3, 1080, 1920), (1510, 1510): (1, 1, 256, 256),
               8: (8, 64, 64, 64), 0.5: (1, 3, 1080, 1920), 0.25: (1, 256, 64, 64)}  # fmt: skip
    for mode in modes:
        rows += [_sample(shape, mode, target) for target, shape in targets.items()]
        rows.append(_sample((1, 21, 65, 65), mode, (513, 513)))
    rows += [_sample((1, 3, 512, 512), "area", scale) for scale in (2, 0.5, 0.25)]
    rows.append(_sample((1, 3, 1080, 1920), "area", (720, 1280)))
    for channels in (1, 2, 3, 4, 21, 64):
        for mode in modes:
            row = _sample((1, channels, 256, 256), mode, 2, channels_last=True)
            rows.append(_changed(row, "channels-last"))
    rows += [_changed(_sample((1, 3, 512, 512), mode, 2, dtype=dtype), dtype)
             for mode in modes for dtype in ("float64", "float16", "bfloat16")]  # fmt: skip
    for size, target in (((2160, 3840), (540, 960)), ((1080, 1920), (224, 398)), ((512, 512), (1024, 1024))):
        rows += [_sample((1, 3, *size), mode, target, antialias=True) for mode in ("bilinear", "bicubic")]
    volume = [
        _sample((1, 64, 4096), "linear", 2), _sample((1, 16, 32, 128, 128), "trilinear", 2),
        _sample((1, 1, 96, 128, 128), "trilinear", 1.7), _sample((1, 4, 64, 64, 64), "nearest", 2),
    ]  # fmt: skip
    rows += [_changed(row, "volume") for row in volume]
    gradients = [_sample((1, 3, 512, 512), mode, 2, backward=True) for mode in (*modes, "area")]
    gradients += [_sample((1, 64, 4096), "linear", 2, backward=True)]
    gradients += [_sample((1, 4, 32, 64, 64), "trilinear", 2, backward=True)]
    gradients += [
        _sample((1, 3, 512, 512), mode, 0.5, backward=True, antialias=True) for mode in ("bilinear", "bicubic")
    ]
    rows += [_changed(row, "interpolate-backward") for row in gradients]
    rows.append(_changed(_sample((1, 1, 4, 4), "bilinear", 2), "tiny"))
    return rows


def _resize_rows() -> list[Row]:
    rows = []
    for mode in ("bilinear", "bicubic", "lanczos", "nearest"):
        for (height, width), size in (((512, 512), (1024, 1024)), ((2160, 3840), (540, 960)),
                                      ((1080, 1920), (224, 398)), ((4000, 6000), (256, 384))):  # fmt: skip
            for antialias in (True, False):
                if (mode == "nearest" and antialias) or (mode == "lanczos" and not antialias):
                    continue
                params = {"size": size, "mode": mode, "antialias": antialias}
                kind = "resize-antialias" if antialias else "resize"
                name = f"{kind}/{height}x{width}x3-{mode}-{size[0]}x{size[1]}"
                rows.append(Row(name, kind, "resize", (height, width, 3), params, dtype="uint8"))
    for shape in ((512, 512), (512, 512, 1), (512, 512, 4)):
        for mode in ("bilinear", "nearest"):
            params = {"size": (1024, 1024), "mode": mode, "antialias": False}
            name = f"resize/{'x'.join(map(str, shape))}-{mode}-1024x1024"
            rows.append(Row(name, "resize", "resize", shape, params, dtype="uint8"))
    for mode in ("bilinear", "bicubic", "lanczos"):
        params = {"size": (540, 960), "mode": mode, "antialias": True}
        name = f"resize-float32/2160x3840-{mode}-540x960"
        rows.append(Row(name, "resize-float32", "resize", (2160, 3840), params))
    return rows


def _pool_rows() -> list[Row]:
    rows = []
    for text, shape, kernel, stride, padding in (
        ("8x64x128x128-k2", (8, 64, 128, 128), 2, 2, 0), ("8x64x112x112-k3s2", (8, 64, 112, 112), 3, 2, 1),
        ("1d-8x64x16384-k2", (8, 64, 16384), 2, 2, 0), ("3d-1x32x32x64x64-k2", (1, 32, 32, 64, 64), 2, 2, 0),
    ):  # fmt: skip
        params = {"kernel": kernel, "stride": stride, "padding": padding}
        for backward in (False, True):
            kind = "max-pool-backward" if backward else "max-pool"
            rows.append(Row(f"{kind}/{text}", kind, "max_pool", shape, params, backward=backward))
    for text, shape in (("8x64x64x64-k2", (8, 64, 64, 64)), ("3d-1x32x16x32x32-k2", (1, 32, 16, 32, 32)),
                        ("tiny-1x1x4x4-k2", (1, 1, 4, 4))):  # fmt: skip
        for backward in (False, True):
            kind = "max-unpool-backward" if backward else "max-unpool"
            rows.append(Row(f"{kind}/{text}", kind, "max_unpool", shape, {"kernel": 2}, backward=backward))
    return rows


ROWS = [*_conv_rows(), *_interpolate_rows(), *_resize_rows(), *_pool_rows()]
