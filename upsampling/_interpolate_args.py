"""What the arguments of `interpolate` mean, for the compiled functions and for the reference alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _args
from ._args import LARGEST, shown

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("uint8", "int8", "uint16", "int16")
NEAREST = ("nearest", "nearest-exact")
MODES = (*NEAREST, "linear", "bilinear", "bicubic", "trilinear", "area", "lanczos")
# The space axes that a mode takes; the others take 1, 2 or 3.
RANKS = {"linear": (1,), "bilinear": (2,), "trilinear": (3,)}
ALIGNABLE = ("linear", "bilinear", "bicubic", "trilinear")
ANTIALIASABLE = (*ALIGNABLE, "lanczos")
# An integer result that falls less than this short of a half is rounded up: weights such as 1/6 are rounded, so that a
# sum that is exactly a half may come out a little below it. The margin is above that error.
TIE_MARGIN = 2.0**-26
# Two-dimensional results of at most this many rows and columns together go through PyTorch's simpler nearest loop.
SMALL = 128


class Request(NamedTuple):
    """A checked call: the mode asked for, what it does on every axis, sizes, and the scales that decide coordinates.

    A scale is None where the sizes decide.
    """

    mode: str
    kind: str
    space: tuple[int, ...]
    out_space: tuple[int, ...]
    scales: tuple[float | None, ...]
    align_corners: bool
    antialias: bool

    @property
    def is_nearest(self) -> bool:
        return self.kind in NEAREST


def request(
    shape: Sequence[int],
    size: Any,
    scale_factor: Any,
    mode: Any,
    align_corners: Any,
    recompute_scale_factor: Any,
    antialias: Any,
    name: str = "input",
) -> Request:
    """Check everything but dtypes, for an input of `shape` (N, C, *space)."""
    mode = _args.choice("mode", mode, MODES)
    rank = len(shape) - 2
    allowed = RANKS.get(mode, (1, 2, 3))
    if rank not in allowed:
        wanted = " or ".join(str(number + 2) for number in allowed)
        raise ValueError(
            f"{name} must have {wanted} dimensions (N, C, *space) for mode {mode!r}, got shape {tuple(shape)}"
        )
    aligned = _aligned(align_corners, mode)
    antialias = _args.flag("antialias", antialias)
    if antialias and mode not in ANTIALIASABLE:
        raise ValueError(f"antialias must be False for mode {mode!r}; it is for {', '.join(ANTIALIASABLE)}")
    recompute = recompute_scale_factor is not None and _args.flag("recompute_scale_factor", recompute_scale_factor)
    space = tuple(shape[2:])
    # Areas may be taken into no cells at all, as PyTorch's adaptive pooling does it.
    out_space, scales = output_space(space, size, scale_factor, recompute, least=0 if mode == "area" else 1)
    if mode == "area" or recompute:
        scales = (None,) * rank
    empty = shape[1] == 0 and not (mode == "area" and rank < 3)
    if empty or 0 in space:
        raise ValueError(f"{name} must have sizes above 0 on every axis but the first, got shape {tuple(shape)}")
    kind = "linear" if mode in RANKS else mode
    return Request(mode, kind, space, out_space, scales, aligned, antialias)


def _aligned(align_corners: Any, mode: str) -> bool:
    if align_corners is None:
        return False
    aligned = _args.flag("align_corners", align_corners)
    if mode in (*NEAREST, "area"):
        raise ValueError(
            f"align_corners must be None for mode {mode!r}, got {aligned}; it is for {', '.join(ALIGNABLE)}"
        )
    if aligned and mode not in ALIGNABLE:
        raise ValueError(f"align_corners must be None or False for mode {mode!r}, got True")
    return aligned


def output_space(
    space: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool = False, least: int = 1
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    rank = len(space)
    if (size is None) == (scale_factor is None):
        given = "neither" if size is None else "both"
        raise ValueError(f"exactly one of size and scale_factor must be given, got {given}")
    value, name = (size, "size") if scale_factor is None else (scale_factor, "scale_factor")
    if _args.is_sequence(value) and len(value) != rank:
        raise ValueError(f"{name} must be a number or {rank} of them, one for each space axis, got {shown(value)}")
    if scale_factor is None:
        if recompute:
            raise ValueError("recompute_scale_factor must be None or False where size is given, got True")
        return _args.integers("size", size, rank, least), (None,) * rank
    scales = _args.numbers("scale_factor", scale_factor, rank)
    return tuple(scaled_size(extent, scale, least) for extent, scale in zip(space, scales, strict=True)), scales


def scaled_size(extent: int, scale: float, least: int) -> int:
    """floor(extent * scale) in float64, as PyTorch computes it; at least `least` and below 2**63."""
    if extent == 0:
        return 1
    product = extent * scale
    if product >= LARGEST:
        raise ValueError(f"scale_factor must give sizes below 2**63, got {scale} for an axis of {extent}")
    if product < least:
        raise ValueError(f"scale_factor must give sizes of at least {least}, got {scale} for an axis of {extent}")
    return math.floor(product)


def check_dtype(name: str, array: np.ndarray, asked: Request, gradient: bool = False) -> None:
    """Refuse a dtype that the mode does not take: nearest takes any, the others compute."""
    if gradient:
        _args.dtype_among(name, array, FLOATS)
    elif not asked.is_nearest:
        _args.dtype_among(f"{name} for mode {asked.mode!r}", array, (*FLOATS, *INTEGERS))


def input_shape(input_size: Any, grad_output: np.ndarray) -> tuple[int, ...]:
    """Return the whole shape of the input that a gradient is wanted for, from that shape or from its space alone."""
    if not _args.is_sequence(input_size):
        raise TypeError(
            f"input_size must be the input's shape, got {shown(input_size)} of type {type(input_size).__name__}"
        )
    sizes = tuple(_args.integer(f"input_size[{axis}]", extent) for axis, extent in enumerate(input_size))
    if len(sizes) == grad_output.ndim:
        if sizes[:2] != grad_output.shape[:2]:
            raise ValueError(
                f"input_size must begin with grad_output's batch and channels {grad_output.shape[:2]}, got {sizes}"
            )
        return sizes
    if len(sizes) == grad_output.ndim - 2:
        return (*grad_output.shape[:2], *sizes)
    raise ValueError(
        f"input_size must have {grad_output.ndim} numbers, or {grad_output.ndim - 2} for the space alone, got {sizes}"
    )


def check_gradient(grad_output: np.ndarray, shape: Sequence[int], asked: Request) -> None:
    """Refuse a gradient of another shape than the forward result's."""
    _args.same_shape("grad_output", grad_output, (*shape[:2], *asked.out_space))


def coordinate_dtype(dtype: np.dtype) -> type:
    """Return the dtype of the coordinates, PyTorch's for arrays of `dtype`: float64 for integers, to round right."""
    return np.float32 if dtype.name in ("float16", "bfloat16", "float32") else np.float64


def nearest_arithmetic(dtype: np.dtype, asked: Request) -> str:
    """Name which of PyTorch's loops gives the nearest indices; see `_plan_resample.nearest_indices`.

    PyTorch chooses by layout too; this is its choice for C order.
    """
    if len(asked.space) == 2 and sum(asked.out_space) <= SMALL:
        return "small"
    return "double" if dtype.name == "float64" else "single"


def in_fixed_point(dtype: np.dtype, asked: Request) -> bool:
    """Tell whether PyTorch's arithmetic for 8-bit pictures is followed, bit for bit.

    Weights are multiples of a power of two, axes of equal sizes are copied, and each axis's result is rounded and
    limited to 0..255, the last axis first.
    """
    return dtype.name == "uint8" and len(asked.space) == 2 and asked.kind in ("linear", "bicubic", "lanczos")
