"""Random calls of each operator that PyTorch accepts, as cases: the same seed gives the same case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cases import Case, conv, pool, resample, shuffled, transposed_shape

Choose = np.random.Generator


def several(rng: Choose, low: int, high: int, count: int) -> tuple[int, ...]:
    return tuple(int(value) for value in rng.integers(low, high, count, endpoint=True))


def one_or_each(rng: Choose, values: tuple) -> Any:
    """The tuple, or where all are the same sometimes the number."""
    return values[0] if len(set(values)) == 1 and rng.random() < 0.7 else values


def lead(rng: Choose, channels: int) -> tuple[int, ...]:
    """A batch axis of 1 to 3, or sometimes none, and the channels."""
    return (channels,) if rng.random() < 0.15 else (int(rng.integers(1, 3, endpoint=True)), channels)


def real_dtype(rng: Choose) -> tuple[str]:
    return (str(rng.choice(["float32", "float64"])),)


def random_conv(rank: int) -> Callable[[Choose], Case]:
    def draw(rng: Choose) -> Case:
        while True:
            groups = int(rng.choice([1, 1, 1, 2, 3]))
            inputs, outputs = several(rng, 1, 5, 2)
            if rank < 3 and rng.random() < 0.1:
                groups, inputs, outputs = 1, *several(rng, 30, 40, 2)
            depthwise = rng.random() < 0.15
            channels = groups * (1 if depthwise else inputs)
            alike = rng.random() < 0.5
            drawn = [several(rng, 1, high, rank) for high in ((4, 4, 2) if rank == 3 else (5, 4, 3))]
            kernel, stride, dilation = ((values[0],) * rank if alike else values for values in drawn)
            padding = tuple(int(rng.integers(0, k, endpoint=True)) for k in kernel)
            extra = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
            case = conv(
                rank,
                (*lead(rng, channels), *several(rng, 1, 4 if rank == 3 else 9, rank)),
                (channels, outputs, *kernel),
                bool(rng.random() < 0.5),
                real_dtype(rng),
                stride=one_or_each(rng, stride),
                padding=one_or_each(rng, padding),
                output_padding=one_or_each(rng, extra),
                groups=groups,
                dilation=one_or_each(rng, dilation),
            )
            if min(transposed_shape(case)) > 0:
                return case

    return draw


def touches(n: int, k: int, s: int, p: int, d: int) -> bool:
    """Whether every window of an axis holds an input element.

    With dilation a window may lie in the padding alone; there PyTorch's index points outside of the plane, and its
    own gradient then writes there.
    """
    count = (n + 2 * p - d * (k - 1) - 1 + s - 1) // s + 1
    starts = (o * s - p for o in range(count) if o * s < n + p)
    return all(any(0 <= start + i * d < n for i in range(k)) for start in starts)


def random_pool(rank: int) -> Callable[[Choose], Case]:
    def draw(rng: Choose) -> Case:
        while True:
            kernel, dilation, stride = several(rng, 1, 4, rank), several(rng, 1, 2, rank), several(rng, 1, 4, rank)
            stride = kernel if rng.random() < 0.2 else stride
            padding = tuple(int(rng.integers(0, k // 2, endpoint=True)) for k in kernel)
            space = several(rng, 1, 8 if rank == 3 else 20, rank)
            reach = [n + 2 * p - d * (k - 1) for n, p, d, k in zip(space, padding, dilation, kernel, strict=True)]
            axes = zip(space, kernel, stride, padding, dilation, strict=True)
            if min(reach) > 0 and all(touches(*axis) for axis in axes):
                break
        return pool(
            rank,
            (*lead(rng, int(rng.integers(1, 4, endpoint=True))), *space),
            one_or_each(rng, kernel),
            str(rng.choice(["normal", "ties", "special"], p=[0.5, 0.3, 0.2])),
            real_dtype(rng),
            stride=None if stride == kernel else one_or_each(rng, stride),
            padding=one_or_each(rng, padding),
            dilation=one_or_each(rng, dilation),
            ceil_mode=bool(rng.random() < 0.4),
        )

    return draw


def random_unpool(rank: int) -> Callable[[Choose], Case]:
    def draw(rng: Choose) -> Case:
        kernel = several(rng, 2, 4, rank)
        stride = kernel if rng.random() < 0.4 else several(rng, 2, 4, rank)
        padding = tuple(int(rng.integers(0, k // 2, endpoint=True)) for k in kernel)
        while True:
            space = several(rng, 1, 4 if rank == 3 else 7, rank)
            plane = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(space, stride, padding, kernel, strict=True)]
            if min(plane) > 0 and np.prod(plane) >= np.prod(space):
                break
        options: dict[str, Any] = {"kernel_size": one_or_each(rng, kernel), "padding": one_or_each(rng, padding)}
        options["stride"] = one_or_each(rng, stride)
        if rng.random() < 0.4:  # PyTorch takes sizes that are less than a stride away
            plane = [max(n + int(rng.integers(1 - s, s)), 1) for n, s in zip(plane, stride, strict=True)]
            if np.prod(plane) < np.prod(space):
                plane = [n + s - 1 for n, s in zip(space, stride, strict=True)]
                options |= {"padding": 0}
                plane = [(n - 1) * s + k for n, s, k in zip(space, stride, kernel, strict=True)]
            options["output_size"] = tuple(plane)
        shape = (*lead(rng, int(rng.integers(1, 4, endpoint=True))), *space)
        shapes = {"input": shape, "indices": shape}
        return Case(f"max_unpool{rank}d", shapes, options, real_dtype(rng), tuple(plane))

    return draw


LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def random_interpolate(rng: Choose) -> Case:
    rank = int(rng.choice([1, 2, 2, 2, 3]))
    modes = ["nearest", "nearest-exact", LINEAR[rank], LINEAR[rank], "area"]
    mode = str(rng.choice([*modes, "bicubic", "bicubic", "antialias", "antialias"] if rank == 2 else modes))
    options: dict[str, Any] = {}
    if mode == "antialias":
        mode, options["antialias"] = str(rng.choice(["bilinear", "bicubic", "lanczos"])), True
    if mode in (*LINEAR.values(), "bicubic"):
        options["align_corners"] = (None, False, True)[int(rng.integers(3))]
    space = several(rng, 1, 6 if rank == 3 else 16, rank)
    shape = (*several(rng, 1, 4, 2), *space)
    if rng.random() < 0.5:
        options["size"] = one_or_each(rng, several(rng, 1, 9 if rank == 3 else 30, rank))
    else:
        drawn = rng.uniform(0.3, 3.5, rank) if rng.random() < 0.7 else rng.integers(1, 4, rank)
        scales = tuple(max(float(scale), 1.0 / extent + 1e-3) for scale, extent in zip(drawn, space, strict=True))
        options["scale_factor"] = scales if rank > 1 or rng.random() < 0.5 else scales[0]
        options["recompute_scale_factor"] = (None, False, True)[int(rng.integers(3))]
    if options.get("antialias"):
        # PyTorch's antialiased result of width 1 mixes up the axes (it takes the tensor for channels-last).
        size = options.get("size")
        width = np.ravel(size)[-1] if size is not None else int(space[-1] * np.ravel(options["scale_factor"])[-1])
        if width < 2:
            options = {name: value for name, value in options.items() if "scale_factor" not in name} | {"size": (5, 4)}
    dtypes = ("uint8",) if mode.startswith("nearest") and rng.random() < 0.1 else real_dtype(rng)
    return resample(shape, dtypes, mode=mode, **options)


def random_shuffle(rng: Choose) -> Case:
    factor = int(rng.integers(1, 4, endpoint=True))
    first, second = several(rng, 1, 5, 2)
    batch = several(rng, 1, 3, int(rng.integers(0, 2, endpoint=True)))
    channels = int(rng.integers(1, 4))
    if rng.random() < 0.5:
        return shuffled("pixel_shuffle", (*batch, channels * factor**2, first, second), factor, real_dtype(rng))
    return shuffled("pixel_unshuffle", (*batch, channels, first * factor, second * factor), factor, real_dtype(rng))


# How many configurations of each are compared with PyTorch: 3,300 in all.
FAMILIES: dict[str, tuple[Callable[[Choose], Case], int]] = {
    "conv_transpose1d": (random_conv(1), 300),
    "conv_transpose2d": (random_conv(2), 500),
    "conv_transpose3d": (random_conv(3), 300),
    "max_pool1d": (random_pool(1), 200),
    "max_pool2d": (random_pool(2), 300),
    "max_pool3d": (random_pool(3), 200),
    "max_unpool1d": (random_unpool(1), 150),
    "max_unpool2d": (random_unpool(2), 250),
    "max_unpool3d": (random_unpool(3), 150),
    "interpolate": (random_interpolate, 800),
    "pixel_shuffle": (random_shuffle, 150),
}


def configuration(family: str, seed: int) -> Case:
    """The case of a family that a seed stands for."""
    draw, _ = FAMILIES[family]
    return draw(np.random.default_rng([seed, *family.encode()]))
