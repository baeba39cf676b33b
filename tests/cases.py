"""The case table: every public operator with the shapes, parameters and dtypes that are easily forgotten.

A case names a function, the shapes of its array arguments, and its other arguments. `arguments(case, dtype)`
builds seeded arrays for it. The generic tests run over CASES; test_table.py checks that no operator is missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("uint8", "int8", "uint16", "int16", "int32", "int64", "uint32", "uint64")
PICTURES = ("uint8", "int8", "uint16", "int16")
COMPLEX = ("complex64", "complex128")
MOVED = ("bool", *INTEGERS, *COMPLEX, "datetime64[s]", "i2,u1")
BOTH = ("float32", "float64")
RANKS = (1, 2, 3)
# The positional names that hold arrays, and those whose values are positions in a plane.
INDICES = "indices"


def shown(value: Any) -> str:
    """The value as NumPy 2 shows it, whatever NumPy is there: stored results are found by it."""
    if isinstance(value, list):
        return (
            "["
            + ", ".join(f"np.{type(x).__name__}({x})" if isinstance(x, np.integer) else repr(x) for x in value)
            + "]"
        )
    return str(value)


@dataclass(frozen=True)
class Case:
    """One call: `shapes` of the array arguments, `options` as keywords, and the dtypes to try it with."""

    function: str
    shapes: Mapping[str, tuple[int, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = BOTH
    plane: tuple[int, ...] = ()
    fill: str = "normal"
    repeated: bool = False

    @property
    def id(self) -> str:
        shapes = "+".join("x".join(map(str, shape)) for shape in self.shapes.values())
        options = ",".join(f"{name}={shown(value)}".replace(" ", "") for name, value in self.options.items())
        fill = "" if self.fill == "normal" else f"-{self.fill}"
        return f"{self.function}-{shapes}-{options}{fill}{'-repeated' if self.repeated else ''}"

    @property
    def rank(self) -> int:
        """The number of space axes."""
        if self.function[-1] == "d" and self.function[-2].isdigit():
            return int(self.function[-2])
        if "d_backward" in self.function:
            return int(self.function[-len("d_backward") - 1])
        if self.function in ("resize", "pixel_shuffle", "pixel_unshuffle"):
            return 2
        return len(next(iter(self.shapes.values()))) - 2


def dtype_of(name: str) -> np.dtype:
    """The dtype of a name; bfloat16 needs ml_dtypes (ImportError without it)."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype, fill: str = "normal") -> np.ndarray:
    """Seeded values: `normal`, `ties` (few small integers), `special` (NaN and infinities among them), `low` (-inf)."""
    if dtype.names:
        result = np.zeros(shape, dtype)
        for name in dtype.names:
            result[name] = rng.integers(0, 100, shape)
        return result
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "M":
        return rng.integers(0, 10**9, shape).astype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        high = 4 if fill == "ties" else limits.max
        return rng.integers(0 if fill == "ties" else limits.min, high, shape, dtype=dtype, endpoint=True)
    if fill == "ties":
        return rng.integers(-2, 3, shape).astype(dtype)
    result = rng.standard_normal(shape)
    if dtype.kind == "c":
        return (result + 1j * rng.standard_normal(shape)).astype(dtype)
    if fill == "special":
        result[rng.random(shape) < 0.1] = np.nan
        result[rng.random(shape) < 0.1] = -np.inf
        result[rng.random(shape) < 0.1] = np.inf
    if fill == "low":
        result[...] = -np.inf
    return result.astype(dtype)


def positions(rng: np.random.Generator, shape: tuple[int, ...], plane: tuple[int, ...], repeated: bool) -> np.ndarray:
    """Indices into a plane for an array of `shape`, different in each plane unless `repeated`."""
    rank = len(plane)
    count, size = prod(shape[len(shape) - rank :]), prod(plane)
    planes = prod(shape[: len(shape) - rank])
    rows = [rng.choice(size, count, replace=repeated) if count else np.zeros(0) for _ in range(planes)]
    return np.array(rows, np.int64).reshape(shape)


def arguments(case: Case, dtype: str | None = None, seed: int = 0) -> dict[str, Any]:
    """The keyword arguments of a case, arrays first; the same for the same case, dtype and seed."""
    kind = dtype_of(dtype or case.dtypes[0])
    rng = np.random.default_rng([zlib.crc32(case.id.encode()), seed])
    built: dict[str, Any] = {}
    for name, shape in case.shapes.items():
        if name == INDICES:
            built[name] = positions(rng, shape, case.plane, case.repeated)
        else:
            built[name] = values(rng, shape, kind, case.fill)
    return built | dict(case.options)


def conv(rank: int, input: tuple, weight: tuple, bias: bool = False, dtypes: tuple = BOTH, **options: Any) -> Case:
    shapes = {"input": input, "weight": weight}
    if bias:
        shapes["bias"] = (weight[1] * options.get("groups", 1),)
    return Case(f"conv_transpose{rank}d", shapes, options, dtypes)


def _conv_cases() -> list[Case]:
    cases = [
        conv(1, (2, 3, 7), (3, 4, 3), True, (*FLOATS, *COMPLEX, *INTEGERS), stride=2, padding=1),
        conv(2, (2, 3, 4, 5), (3, 4, 3, 2), True, (*FLOATS, *COMPLEX, *INTEGERS), stride=(2, 3), padding=(1, 0)),
        conv(3, (1, 2, 3, 2, 4), (2, 3, 2, 3, 2), True, (*FLOATS, *COMPLEX, "uint8", "int64"), stride=2,
             padding=(0, 1, 0)),
        # unbatched
        conv(1, (3, 7), (3, 2, 4), True, stride=3),
        conv(2, (3, 4, 5), (3, 2, 3, 3)),
        conv(3, (2, 3, 3, 3), (2, 2, 2, 2, 2), True),
        # everything different on each axis
        conv(2, (1, 4, 5, 6), (4, 3, 4, 3), True, stride=(3, 2), padding=(2, 1), output_padding=(2, 0),
             dilation=(1, 2)),
        conv(3, (2, 2, 3, 4, 2), (2, 2, 3, 2, 4), False, stride=(2, 1, 3), padding=(1, 0, 2), output_padding=(1, 0, 2),
             dilation=(2, 3, 1)),
        # output_padding below the dilation; dilation with gaps at the stride's phases
        conv(1, (1, 2, 5), (2, 2, 3), False, stride=1, dilation=3, output_padding=2),
        conv(2, (1, 2, 4, 4), (2, 2, 3, 3), False, stride=2, dilation=2),
        conv(2, (1, 2, 4, 4), (2, 2, 3, 3), False, stride=4, dilation=3),
        # stride beyond the kernel: positions that only the bias reaches
        conv(2, (1, 2, 3, 3), (2, 2, 1, 2), True, stride=(3, 4), output_padding=(2, 1)),
        # padding that crops whole kernels
        conv(1, (1, 2, 9), (2, 3, 2), True, padding=3),
        conv(2, (1, 2, 6, 6), (2, 3, 3, 3), True, stride=2, padding=4),
        # groups, depthwise, channel multipliers
        conv(1, (2, 6, 5), (6, 2, 3), True, groups=3),
        conv(2, (1, 6, 5, 4), (6, 1, 4, 4), True, groups=6, stride=2, padding=1),
        conv(2, (1, 4, 3, 3), (4, 3, 3, 3), True, groups=4, stride=2),
        conv(2, (2, 4, 3, 3), (4, 5, 2, 2), True, groups=2, stride=2),
        conv(3, (1, 4, 2, 3, 2), (4, 2, 2, 2, 2), False, groups=2),
        # kernel 1, kernel equal to stride, one output channel, one input channel, one pixel
        conv(2, (2, 5, 4, 4), (5, 3, 1, 1), True),
        conv(2, (2, 8, 4, 5), (8, 5, 2, 2), True, stride=2),
        conv(3, (1, 4, 2, 3, 2), (4, 3, 2, 2, 2), True, stride=2),
        conv(2, (1, 9, 6, 7), (9, 1, 4, 4), True, stride=2, padding=1),
        conv(2, (1, 1, 6, 7), (1, 17, 3, 3), True),
        conv(2, (3, 5, 1, 1), (5, 7, 4, 4), True),
        conv(1, (1, 3, 2), (3, 1, 64), False, stride=16),
        # long rows and tails around a vector's width
        conv(1, (1, 2, 33), (2, 2, 3), True, stride=2, padding=1, output_padding=1),
        conv(2, (1, 3, 2, 17), (3, 33, 3, 3), True, stride=2, padding=1),
        # enough channels for blocks of them, and for minimal filtering
        conv(2, (1, 40, 4, 4), (40, 34, 3, 3), True, stride=2, padding=1, output_padding=1),
        conv(2, (1, 36, 4, 6), (36, 32, 4, 4), True, stride=2, padding=1),
        conv(2, (2, 33, 5, 5), (33, 32, 3, 3), False),
        conv(1, (1, 70, 9), (70, 20, 5), True, stride=2),
        # empty batch and empty channels
        conv(2, (0, 3, 4, 4), (3, 2, 2, 2), True),
        conv(1, (0, 3, 4), (3, 2, 2), False),
        # numbers as sequences and NumPy integers, output_size
        conv(2, (1, 2, 4, 4), (2, 2, 3, 3), False, stride=[2], padding=(1,), dilation=np.int64(1)),
        conv(1, (1, 2, 5), (2, 3, 3), True, stride=2, padding=1, output_size=(10,)),
        conv(2, (2, 2, 5, 4), (2, 3, 3, 4), True, stride=3, output_size=[17, 14]),
        conv(3, (1, 2, 2, 2, 2), (2, 1, 3, 3, 3), False, stride=2, output_size=(6, 5, 6)),
    ]  # fmt: skip
    backward = []
    for case in cases:
        options = {name: value for name, value in case.options.items() if name != "output_size"}
        if len(options) != len(case.options):
            continue
        backward.append(Case(
            f"{case.function}_backward",
            {"grad_output": transposed_shape(case), "input": case.shapes["input"], "weight": case.shapes["weight"]},
            options,
            tuple(dtype for dtype in case.dtypes if dtype in FLOATS),
        ))  # fmt: skip
    for mask in ((True, False, False), (False, True, False), (False, False, True), (False, False, False)):
        shapes = {"grad_output": (1, 3, 5, 5), "input": (1, 2, 4, 4), "weight": (2, 3, 2, 2)}
        backward.append(Case("conv_transpose2d_backward", shapes, {"output_mask": mask}))
    return cases + backward


def axis_values(value: Any, rank: int) -> tuple:
    """One value for each axis."""
    value = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return value * rank if len(value) == 1 else value


def transposed_shape(case: Case) -> tuple[int, ...]:
    """The shape of a transposed convolution's result, from its definition."""
    rank, options = case.rank, case.options
    shape, weight = case.shapes["input"], case.shapes["weight"]
    if options.get("output_size"):
        space = tuple(options["output_size"])
    else:
        stride, padding, extra, dilation = (
            axis_values(options.get(name, default), rank)
            for name, default in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))
        )
        space = tuple(
            int((n - 1) * s - 2 * p + d * (k - 1) + e + 1)
            for n, k, s, p, e, d in zip(shape[-rank:], weight[2:], stride, padding, extra, dilation, strict=True)
        )
    return (*shape[: -rank - 1], weight[1] * options.get("groups", 1), *space)


def pool(rank: int, input: tuple, kernel_size: Any, fill: str = "normal", dtypes: tuple = BOTH, **options: Any) -> Case:
    options = {"kernel_size": kernel_size, "return_indices": True} | options
    return Case(f"max_pool{rank}d", {"input": input}, options, dtypes, fill=fill)


def unpool(rank: int, shape: tuple, plane: tuple, dtypes: tuple = BOTH, repeated: bool = False, **options: Any) -> Case:
    shapes = {"input": shape, "indices": shape}
    return Case(f"max_unpool{rank}d", shapes, options, dtypes, plane, repeated=repeated)


def _pool_cases() -> list[Case]:
    wide = (*FLOATS, *INTEGERS)
    return [
        pool(1, (2, 3, 11), 3, dtypes=wide, stride=2, padding=1),
        pool(2, (2, 3, 7, 9), (3, 2), dtypes=wide, stride=(2, 1), padding=(1, 0)),
        pool(3, (1, 2, 5, 4, 6), (2, 3, 2), dtypes=wide, stride=(2, 1, 3), padding=(1, 1, 0)),
        pool(2, (2, 3, 8, 8), 2, return_indices=False),
        pool(1, (3, 8), 2),
        pool(2, (3, 8, 9), 2),
        pool(3, (2, 4, 4, 4), 2),
        # ties, NaN, infinities
        pool(1, (2, 2, 16), 4, "ties", stride=2),
        pool(2, (2, 2, 9, 17), 3, "ties", wide, stride=1, padding=1),
        pool(2, (2, 2, 9, 17), 3, "special", FLOATS, stride=2, padding=1),
        pool(3, (1, 2, 4, 5, 9), 2, "special", stride=1),
        pool(2, (1, 2, 6, 6), 3, "low", stride=2, padding=1),
        pool(1, (1, 2, 6), 2, "low"),
        # the last window in ceil_mode: one that fits in part, and one that would start in the padding
        pool(1, (1, 2, 8), 3, ceil_mode=True),
        pool(1, (1, 1, 5), 2, stride=3, padding=1, ceil_mode=True),
        pool(2, (1, 2, 8, 7), (2, 3), stride=(3, 2), padding=(1, 1), ceil_mode=True),
        pool(2, (1, 2, 6, 7), 2, stride=3, ceil_mode=True),
        pool(3, (1, 1, 5, 5, 5), 2, stride=2, padding=1, ceil_mode=True),
        # dilation, stride beyond the kernel, the whole plane
        pool(1, (1, 2, 20), 3, dilation=4),
        pool(2, (2, 2, 9, 12), (2, 3), stride=1, padding=(1, 1), dilation=(3, 2)),
        pool(3, (1, 2, 7, 6, 5), 2, stride=2, dilation=(3, 1, 2), ceil_mode=True),
        pool(2, (1, 2, 9, 9), 1, stride=4),
        pool(2, (3, 2, 5, 6), (5, 6)),
        pool(2, (1, 1, 33, 35), 3, stride=2, padding=1),
        # small planes, more than a vector has lanes and as many
        pool(2, (1, 19, 7, 5), 3, "special", FLOATS, stride=2, padding=1),
        pool(2, (2, 9, 4, 6), (3, 2), "ties", wide, stride=(1, 2), padding=(1, 0)),
        pool(2, (4, 4, 2, 7), 2, return_indices=False),
        pool(1, (1, 33, 9), 4, dtypes=wide, stride=3, padding=2, ceil_mode=True),
        pool(3, (17, 1, 3, 4, 5), 2, "low", stride=1, padding=1),
        pool(2, (0, 3, 6, 6), 2),
        pool(2, (1, 3, 6, 6), [np.int32(2)], stride=[2, 3]),
        *[Case(f"max_pool{rank}d_backward", {"grad_output": shape, "indices": shape}, {"input_size": size}, FLOATS,
               size[-rank:], repeated=repeated)
          for rank, shape, size in ((1, (2, 3, 4), (2, 3, 9)), (2, (2, 2, 3, 4), (2, 2, 6, 9)),
                                    (2, (2, 3, 4), (2, 6, 7)),
                                    (3, (1, 2, 2, 3, 2), (1, 2, 4, 5, 3)), (2, (0, 2, 3, 4), (0, 2, 6, 9)))
          for repeated in (False, True)],
        unpool(1, (2, 3, 4), (8,), (*FLOATS, *MOVED), kernel_size=2),
        unpool(2, (2, 3, 3, 4), (6, 8), (*FLOATS, *MOVED), kernel_size=2),
        unpool(3, (1, 2, 2, 3, 2), (4, 6, 4), (*FLOATS, *MOVED), kernel_size=2),
        unpool(1, (3, 5), (10,), kernel_size=2),
        unpool(2, (3, 3, 4), (6, 8), kernel_size=(2, 2), stride=(2, 2)),
        unpool(3, (2, 2, 2, 2), (4, 4, 4), kernel_size=2),
        unpool(2, (2, 3, 3, 4), (6, 8), (*BOTH, "int16", "complex128"), True, kernel_size=2),
        unpool(1, (1, 2, 40), (80,), repeated=True, kernel_size=2),
        unpool(3, (2, 2, 2, 3, 3), (4, 6, 6), repeated=True, kernel_size=2),
        unpool(2, (1, 2, 3, 3), (5, 5), kernel_size=3, stride=2, padding=1),
        unpool(2, (1, 2, 3, 3), (7, 5), kernel_size=2, output_size=(7, 5)),
        unpool(2, (1, 2, 3, 3), (5, 7), kernel_size=2, output_size=(1, 2, 5, 7)),
        unpool(1, (1, 2, 3), (7,), kernel_size=2, output_size=[7]),
        unpool(3, (1, 1, 2, 2, 2), (5, 4, 3), kernel_size=2, output_size=(5, 4, 3)),
        unpool(2, (0, 2, 3, 3), (6, 6), kernel_size=2),
        *[Case(f"max_unpool{rank}d_backward", {"grad_output": (*lead, *plane), "indices": (*lead, *space)}, {},
               (*FLOATS, "int32", "complex64"), plane, repeated=repeated)
          for rank, lead, plane, space in ((1, (2, 3), (8,), (4,)), (2, (2, 2), (6, 8), (3, 4)),
                                           (2, (3,), (6, 5), (3, 2)),
                                           (3, (1, 2), (4, 4, 2), (2, 2, 1)))
          for repeated in (False, True)],
    ]  # fmt: skip


def shuffled(function: str, shape: tuple, factor: Any, dtypes: tuple = BOTH) -> Case:
    name = "upscale_factor" if function == "pixel_shuffle" else "downscale_factor"
    return Case(function, {"input": shape}, {name: factor}, dtypes)


def _shuffle_cases() -> list[Case]:
    every = (*FLOATS, *MOVED)
    return [
        shuffled("pixel_shuffle", (2, 12, 3, 5), 2, every),
        shuffled("pixel_shuffle", (9, 4, 1), 3),
        shuffled("pixel_shuffle", (2, 3, 4, 2, 2), np.int64(2)),
        shuffled("pixel_shuffle", (1, 3, 4, 5), 1),
        shuffled("pixel_shuffle", (0, 4, 3, 3), 2),
        shuffled("pixel_shuffle", (1, 4, 0, 3), 2),
        shuffled("pixel_unshuffle", (2, 3, 6, 10), 2, every),
        shuffled("pixel_unshuffle", (1, 12, 3), 3),
        shuffled("pixel_unshuffle", (2, 3, 1, 4, 4), 4),
        shuffled("pixel_unshuffle", (1, 3, 4, 5), 1),
        shuffled("pixel_unshuffle", (0, 4, 6, 6), 2),
    ]


def resample(shape: tuple, dtypes: tuple = BOTH, **options: Any) -> Case:
    return Case("interpolate", {"input": shape}, options, dtypes)


def _interpolate_cases() -> list[Case]:
    wide = (*FLOATS, *PICTURES)
    every = (*FLOATS, *MOVED)
    line, plane, volume = (2, 2, 7), (2, 3, 5, 6), (1, 2, 3, 4, 5)
    cases = [
        *[resample(shape, every, size=size, mode=mode)
          for mode in ("nearest", "nearest-exact")
          for shape, size in ((line, 12), (plane, (8, 5)), (volume, (5, 3, 9)))],
        # sizes at which float32 coordinates and exact ones give different neighbours
        *[resample((1, 1, n), ("float32", "float64", "uint8"), size=m, mode=mode)
          for n, m, mode in ((62, 224, "nearest"), (18, 57, "nearest-exact"), (62, 7, "nearest-exact"),
                             (147, 160, "nearest-exact"))],
        *[resample(shape, wide, size=size, mode=mode, align_corners=align)
          for align in (None, False, True)
          for mode, shape, size in (("linear", line, 12), ("bilinear", plane, (8, 5)), ("trilinear", volume, (5, 3, 9)),
                                    ("bicubic", plane, (8, 5)))],
        # bicubic and lanczos in every rank, area in every rank
        *[resample(shape, wide, size=size, mode=mode)
          for mode in ("bicubic", "area")
          for shape, size in ((line, 12), (line, 3), (plane, (3, 9)), (volume, (5, 3, 2)))],
        *[resample(shape, wide, size=size, mode="lanczos", antialias=True)
          for shape, size in ((line, 12), (line, 3), (plane, (3, 9)), (volume, (5, 3, 2)))],
        # antialias, shrinking, enlarging and both
        *[resample(shape, wide, size=size, mode=mode, antialias=True)
          for mode, shape, size in (("linear", (1, 2, 23), 5), ("bilinear", (1, 2, 16, 9), (5, 20)),
                                    ("trilinear", (1, 1, 5, 9, 4), (2, 3, 7)), ("bicubic", (1, 2, 16, 9), (5, 20)),
                                    ("bilinear", plane, (13, 11)))],
        resample((1, 2, 9, 9), mode="bicubic", size=(4, 5), align_corners=True, antialias=True),
        resample((1, 2, 9, 9), mode="bilinear", size=(4, 5), align_corners=True, antialias=True),
        # scale factors: numbers, sequences, with and without recomputation
        *[resample((1, 2, 7, 5), scale_factor=scale, mode=mode, recompute_scale_factor=recompute)
          for scale in (2, 1.7, (0.6, 2.3), [1.3, 1.3])
          for recompute in (None, False, True)
          for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")],
        resample((1, 1, 88), scale_factor=120 / 88, mode="linear"),
        resample((2, 1, 10), scale_factor=np.float32(2.5), mode="linear", align_corners=True),
        resample((1, 2, 3, 4, 3), scale_factor=(1.5, 2, 0.7), mode="trilinear"),
        resample((1, 2, 12, 9), scale_factor=(0.4, 1.6), mode="bicubic", antialias=True),
        # one pixel on either side, the same size, tails around a vector's width, long reductions
        *[resample(shape, size=size, mode=mode)
          for mode in ("nearest", "bilinear", "bicubic", "area")
          for shape, size in (((1, 2, 1, 1), (4, 3)), ((1, 2, 5, 6), (1, 1)), ((2, 2, 4, 5), (4, 5)),
                              ((2, 2, 4, 5), (4, 9)),
                              ((1, 1, 3, 33), (5, 67)), ((1, 5, 17, 2), (34, 3)), ((0, 2, 4, 4), (3, 3)))],
        *[resample((1, 2, 1, 5), size=(1, 7), mode=mode, align_corners=True) for mode in ("bilinear", "bicubic")],
        *[resample((1, 2, 4, 5), size=(1, 1), mode=mode, align_corners=True) for mode in ("bilinear", "bicubic")],
        resample((1, 1, 300), size=4, mode="linear", antialias=True),
        resample((1, 1, 300), size=7, mode="area"),
        resample((1, 3, 40, 4), ("float32", "uint8"), size=(3, 4), mode="bilinear", antialias=True),
        resample((1, 2, 4, 4), ("float32",), size=[np.int64(6), 6], mode="bilinear"),
    ]  # fmt: skip
    backward = []
    for case in cases:
        shape = case.shapes["input"]
        grad = {"grad_output": (*shape[:2], *resampled_space(case))}
        dtypes = tuple(dtype for dtype in case.dtypes if dtype in FLOATS)
        backward.append(Case("interpolate_backward", grad, {"input_size": shape} | dict(case.options), dtypes))
    return cases + backward


def resampled_space(case: Case) -> tuple[int, ...]:
    """The space axes of an interpolation's result: the size, or the floor of extent times scale."""
    rank, options = case.rank, case.options
    if options.get("size") is not None:
        return tuple(int(extent) for extent in axis_values(options["size"], rank))
    scales = axis_values(options["scale_factor"], rank)
    return tuple(int(extent * float(scale)) for extent, scale in zip(case.shapes["input"][2:], scales, strict=True))


def picture(shape: tuple, dtypes: tuple, **options: Any) -> Case:
    return Case("resize", {"image": shape}, options, dtypes)


def _resize_cases() -> list[Case]:
    wide = (*FLOATS, *PICTURES)
    modes = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
    return [
        *[picture(shape, wide, size=size, mode=mode)
          for mode in modes
          for shape, size in (((9, 13), (5, 20)), ((6, 7, 3), (11, 4)))],
        *[picture((9, 13, 2), wide, size=(5, 20), mode=mode, antialias=False)
          for mode in ("nearest", "bilinear", "bicubic")],
        *[picture((7, 6, channels), ("uint8", "float32", "uint16"), size=(10, 9))
          for channels in (1, 2, 4, 5, 17, 130)],
        picture((8, 9), ("uint8", "float32"), scale=2),
        picture((8, 9, 3), ("uint8", "float32"), scale=(0.5, 1.5), mode="lanczos"),
        picture((8, 9, 3), ("uint8", "float32"), size=(8, 9)),
        picture((1, 1), ("uint8", "float32"), size=(4, 3)),
        picture((20, 31, 3), ("uint8", "float32"), size=(1, 1), mode="box"),
        picture((64, 3), ("uint8", "uint16"), size=(5, 3), mode="lanczos"),
    ]  # fmt: skip


CASES: tuple[Case, ...] = (
    *_conv_cases(),
    *_pool_cases(),
    *_shuffle_cases(),
    *_interpolate_cases(),
    *_resize_cases(),
)
# Public names that are no operators; each has a test of its own (test_threads.py, test_docs.py, test_wheel.py).
NOT_OPERATORS = frozenset(
    {"set_num_threads", "get_num_threads", "num_threads", "show_config", "get_include", "set_minimal_filtering"}
)
# Operators that move or select values: their results are equal bit for bit, whatever the dtype.
SELECTING = ("max_pool", "max_unpool", "pixel_")


def exact(case: Case) -> bool:
    """Whether the operator only moves values, so that nothing is rounded."""
    if case.function.startswith(SELECTING):
        return not (case.function.startswith("max_pool") and case.function.endswith("_backward"))
    mode = case.options.get("mode", "nearest" if "interpolate" in case.function else "bicubic")
    return mode.startswith("nearest") and case.function in ("interpolate", "resize")


def with_dtypes(cases: tuple[Case, ...] = CASES) -> list[tuple[Case, str]]:
    """Every case with each of its dtypes."""
    return [(case, dtype) for case in cases for dtype in case.dtypes]


def label(value: Any) -> str:
    """The test id of a case or a dtype."""
    return value.id if isinstance(value, Case) else str(value)
