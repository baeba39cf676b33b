"""The table of named problems."""

from __future__ import annotations

from typing import Any

from .problem import Row, changed


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


def _conv_rows() -> list[Row]:
    rows = []
    for row in CONV:
        rows.append(changed(row, "conv"))
        if row.name.startswith("tiny"):
            continue
        rows.append(changed(row, "conv-packed", packed=True))
        rows.append(changed(row, "conv-backward", backward=True))
        rows.append(changed(row, "conv-float64", dtype="float64"))
    some = [CONV[n] for n in (0, 3, 4, 5, 8, 10, 14, 19)]
    for row in some:
        rows += [changed(row, f"conv-{dtype}", dtype=dtype, base={"dtype": "float32"})
                 for dtype in ("float16", "bfloat16")]  # fmt: skip
        rows.append(changed(row, "conv-float64-backward", dtype="float64", backward=True))
        if row.rank == 2:
            rows.append(changed(row, "conv-channels-last", channels_last=True, base={"channels_last": False}))
        for n, what in enumerate(("input", "weight", "bias")):
            rows.append(changed(row, f"conv-backward-{what}", backward=True, mask=(n == 0, n == 1, n == 2)))
    long_kernel = next(row for row in CONV if row.name.startswith("1d-1x1026"))
    rows += [changed(long_kernel, name, packed=packed, lengths="new", base={"lengths": "same"})
             for name, packed in (("conv-new-lengths", False), ("conv-new-lengths-packed", True))]  # fmt: skip
    return rows


def _sample(shape: tuple[int, ...], mode: str, target: float | tuple[int, ...], **more: Any) -> Row:
    """One interpolation; the name is made of the shape, the mode and the target."""
    antialias = more.pop("antialias", False)
    params: dict[str, Any] = {"mode": mode}
    params["size" if isinstance(target, tuple) else "scale_factor"] = target
    if antialias:
        params["antialias"] = True
    what = "x".join(map(str, target)) if isinstance(target, tuple) else f"x{target}"
    name = "x".join(map(str, shape)) + f"-{mode}" + "-antialias" * antialias + f"-{what}"
    return Row(name, "interpolate", "interpolate", shape, params, **more)


MODES = ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
# By 1.43, 5.9 and 1/1.5 the size is given: with a factor PyTorch alone computes coordinates from the factor itself.
TARGETS: list[tuple[float | tuple[int, ...], tuple[int, ...]]] = [
    (2, (1, 3, 512, 512)), (2, (1, 3, 1080, 1920)), (2, (8, 64, 64, 64)), (2, (1, 256, 64, 64)), (2, (1, 1, 256, 256)),
    (4, (1, 3, 224, 224)), ((1544, 2745), (1, 3, 1080, 1920)), ((1510, 1510), (1, 1, 256, 256)),
    (8, (8, 64, 64, 64)), (0.5, (1, 3, 1080, 1920)), (0.25, (1, 256, 64, 64)), ((720, 1280), (1, 3, 1080, 1920)),
    ((149, 149), (1, 3, 224, 224)), ((513, 513), (1, 21, 65, 65)),
]  # fmt: skip
SHRINKING = (((2160, 3840), (540, 960)), ((1080, 1920), (224, 398)), ((4000, 6000), (256, 384)))
DOUBLING = ((512, 512), (1024, 1024))


def _interpolate_rows() -> list[Row]:
    rows = [changed(_sample(shape, mode, target), "interpolate") for mode in MODES for target, shape in TARGETS]
    for mode in MODES:
        last = [_sample((1, channels, 256, 256), mode, 2) for channels in (1, 2, 3, 4, 21, 64)]
        last += [_sample((1, 3, 1080, 1920), mode, (720, 1280)), _sample((1, 64, 128, 128), mode, 0.5),
                 _sample((1, 4, 512, 512), mode, 0.25), _sample((1, 21, 65, 65), mode, (513, 513))]  # fmt: skip
        rows += [changed(row, "channels-last", channels_last=True) for row in last]
        if mode == "area":
            continue
        for dtype in ("float64", "float16", "bfloat16"):
            base = None if dtype == "float64" else {"dtype": "float32"}
            rows += [changed(_sample((1, 3, *size), mode, target), f"interpolate-{dtype}", dtype=dtype, base=base)
                     for size, target in (((512, 512), 2), ((1080, 1920), (720, 1280)))]  # fmt: skip
    rows += [changed(_sample((1, 3, 512, 512), mode, 2), "interpolate-uint8", dtype="uint8") for mode in MODES[:4]]
    rows.append(changed(_sample((1, 1, 4, 4), "bilinear", 2), "interpolate-tiny"))
    return rows


def _antialias_rows() -> list[Row]:
    rows = []
    for size, target in (*SHRINKING, DOUBLING):
        for mode in ("bilinear", "bicubic", "lanczos"):
            row = _sample((1, 3, *size), mode, target, antialias=True)
            rows += [changed(row, "antialias"), changed(row, "antialias-uint8", dtype="uint8")]
            if size[0] != 4000:
                rows.append(changed(row, "antialias-channels-last", channels_last=True))
    return rows


def _volume_rows() -> list[Row]:
    rows = [
        _sample((1, 64, 4096), "linear", 2), _sample((1, 64, 4096), "linear", (2731,)),
        _sample((1, 16, 32, 128, 128), "trilinear", 2), _sample((1, 1, 96, 128, 128), "trilinear", (163, 217, 217)),
        _sample((1, 4, 64, 64, 64), "nearest", 2), _sample((1, 4, 64, 64, 64), "nearest-exact", 2),
        _sample((1, 4, 64, 64, 64), "area", 0.5),
        _sample((1, 1, 200, 200, 200), "trilinear", 0.5), _sample((1, 1, 100, 100, 100), "trilinear", 2),
        _sample((1, 64, 4096), "linear", (1024,), antialias=True), _sample((1, 64, 4096), "linear", 2, antialias=True),
        _sample((1, 4, 64, 64, 64), "trilinear", (24, 24, 24), antialias=True),
        _sample((1, 1, 100, 100, 100), "trilinear", 2, antialias=True),
    ]  # fmt: skip
    rows = [changed(row, "volume") for row in rows]
    huge = (_sample((1, 1, 800, 800, 800), "trilinear", 0.5), _sample((1, 1, 400, 400, 400), "trilinear", 2))
    return rows + [changed(row, "volume-long", long=True) for row in huge]


def _gradient_rows() -> list[Row]:
    rows = [_sample((1, 3, 512, 512), mode, target) for mode in MODES for target in (2, (341, 341))]
    rows += [_sample((8, 64, 64, 64), mode, 2) for mode in ("nearest", "bilinear")]
    rows += [_sample((1, 64, 4096), "linear", 2), _sample((1, 4, 32, 64, 64), "trilinear", 2),
             _sample((1, 4, 32, 64, 64), "nearest", 2)]  # fmt: skip
    rows += [_sample((1, 3, 512, 512), mode, 0.5, antialias=True) for mode in ("bilinear", "bicubic", "lanczos")]
    return [changed(row, "interpolate-backward", backward=True) for row in rows]


def _picture(kind: str, shape: tuple[int, ...], mode: str, size: tuple[int, int], **more: Any) -> Row:
    params = {"size": size, "mode": mode, "antialias": more.pop("antialias", False)}
    return Row(f"{kind}/{'x'.join(map(str, shape))}-{mode}-{size[0]}x{size[1]}", kind, "resize", shape, params, **more)


def _resize_rows() -> list[Row]:
    rows = []
    for mode in ("bilinear", "bicubic", "lanczos", "nearest"):
        for (height, width), size in (DOUBLING, *SHRINKING):
            shape = (height, width, 3)
            if mode != "nearest":
                rows.append(_picture("resize-antialias", shape, mode, size, dtype="uint8", antialias=True))
            if mode != "lanczos":
                rows.append(_picture("resize", shape, mode, size, dtype="uint8"))
    for mode in ("bilinear", "bicubic", "nearest"):
        for shape in ((512, 512), (512, 512, 1), (512, 512, 4)):
            rows.append(_picture("resize", shape, mode, (1024, 1024), dtype="uint8"))
        wide = {"dtype": "uint16", "base": {"dtype": "uint8"}}
        rows.append(_picture("resize-uint16", (512, 512, 3), mode, (1024, 1024), **wide))
        rows.append(_picture("resize-uint16", (2160, 3840, 3), mode, (540, 960), **wide))
        if mode != "nearest":
            rows.append(_picture("resize-uint16", (2160, 3840), mode, (540, 960), **wide, antialias=True))
    for mode in ("bilinear", "bicubic", "lanczos"):
        for channels in ((), (4,)):
            shape = (2160, 3840, *channels)
            rows.append(_picture("resize-float32", shape, mode, (540, 960), antialias=True))
    return rows


def _pool_rows() -> list[Row]:
    rows = []
    for text, shape, kernel, stride, padding in (
        ("8x64x128x128-k2", (8, 64, 128, 128), 2, 2, 0), ("8x64x112x112-k3s2", (8, 64, 112, 112), 3, 2, 1),
        ("1x64x112x112-k3s1", (1, 64, 112, 112), 3, 1, 1),
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


def _given_rows() -> list[Row]:
    """Results of 8 MB and more in given memory: the memory's own speed is the limit."""
    rows = [_sample((1, 3, 512, 512), mode, 2) for mode in ("nearest", "bilinear", "bicubic")]
    rows += [_sample((8, 64, 64, 64), mode, 2) for mode in ("nearest", "bilinear")]
    rows += [_sample((1, 3, 1080, 1920), mode, (1544, 2745)) for mode in ("nearest", "bilinear")]
    rows += [_sample((1, 4, 64, 64, 64), "nearest", 2), _sample((1, 1, 100, 100, 100), "trilinear", 2)]
    rows += [_sample((1, 21, 65, 65), "bilinear", (513, 513)), _sample((1, 64, 32768), "linear", 2)]
    rows += [_picture("", (1080, 1920, 3), mode, (2160, 3840), dtype="uint8") for mode in ("nearest", "bilinear")]
    rows.append(Row("unpool-8x64x64x64-k2", "", "max_unpool", (8, 64, 64, 64), {"kernel": 2}))
    return [changed(row, "given-out", given_out=True, base={"given_out": False}) for row in rows]


ROWS = [*_conv_rows(), *_interpolate_rows(), *_antialias_rows(), *_volume_rows(), *_gradient_rows(), *_resize_rows(),
        *_pool_rows(), *_given_rows()]  # fmt: skip
