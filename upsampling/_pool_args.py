"""Checks of the arguments of pooling and unpooling, shared by the compiled functions and the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _args, sizes

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")


class Windows(NamedTuple):
    """The parameters of pooling or unpooling, one number an axis."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


def windows(rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1) -> Windows:
    """Check the windows' parameters."""
    kernel = _args.integers("kernel_size", kernel_size, rank, minimum=1)
    steps = _args.strides(stride, kernel)
    pads = _args.integers("padding", padding, rank)
    return Windows(kernel, steps, pads, _args.integers("dilation", dilation, rank, minimum=1))


def taps_in_reach(spec: Windows, space: Sequence[int]) -> Windows:
    """Return the same windows with no tap that is outside of every input: numbers whose products fit in 64 bits."""
    reach = [n + p for n, p in zip(space, spec.padding, strict=True)]
    dilation = tuple(min(d, far) for d, far in zip(spec.dilation, reach, strict=True))
    kernel = tuple(min(k, (far - 1) // d + 1) for k, far, d in zip(spec.kernel_size, reach, dilation, strict=True))
    return spec._replace(kernel_size=kernel, dilation=dilation)


def image(name: str, value: Any, rank: int, first_may_be_empty: bool = False) -> np.ndarray:
    """Check an array (C, *space) or (N, C, *space), of which only the batch may be empty, or any first axis."""
    array = _args.array(name, value, (rank + 1, rank + 2))
    if 0 in array.shape[1 if first_may_be_empty else array.ndim - rank - 1 :]:
        which = "first" if first_may_be_empty else "batch"
        raise ValueError(f"{name} must have no empty axis but the {which}, got shape {array.shape}")
    return array


def pooled_shape(array: np.ndarray, rank: int, spec: Windows, ceil_mode: bool) -> tuple[int, ...]:
    """Return the shape of max_pool's result."""
    space = sizes.max_pool_output_size(
        array.shape[-rank:], spec.kernel_size, spec.stride, spec.padding, spec.dilation, ceil_mode
    )
    return (*array.shape[:-rank], *space)


def input_shape(grad: np.ndarray, rank: int, input_size: Any) -> tuple[int, ...]:
    """Return the shape of max_pool's input: `input_size` in full, or the sizes of the space axes alone."""
    if not _args.is_sequence(input_size):
        raise TypeError(
            f"input_size must be {grad.ndim} or {rank} integers, got {_args.shown(input_size)} of type "
            f"{type(input_size).__name__}"
        )
    if len(input_size) not in (rank, grad.ndim):
        raise ValueError(f"input_size must be {grad.ndim} or {rank} integers, got {_args.shown(input_size)}")
    shape = tuple(_args.integer(f"input_size[{axis}]", n, minimum=0) for axis, n in enumerate(input_size))
    lead = grad.shape[:-rank]
    if len(shape) != rank and shape[:-rank] != lead:
        raise ValueError(f"input_size must begin with {lead} as grad_output does, got {shape}")
    return (*lead, *shape[-rank:])


def positions(name: str, value: Any, like_name: str, like: np.ndarray) -> np.ndarray:
    """Flat positions of any integer dtype, of which the values are not checked; see `check_inside`."""
    indices = _args.array(name, value)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name} must be of an integer dtype, got {indices.dtype}")
    if indices.shape != like.shape:
        raise ValueError(f"{name} must have the shape of {like_name}, {like.shape}, got {indices.shape}")
    return indices


def check_inside(name: str, indices: np.ndarray, plane: int) -> None:
    """Refuse flat positions outside of planes of `plane` elements."""
    if indices.size and (indices.min() < 0 or indices.max() >= plane):
        wrong = (indices < 0) | (indices >= plane)
        first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        at = tuple(int(n) for n in first)
        if not plane:
            raise ValueError(f"{name} must be empty, for the plane has no positions, got {int(indices[first])} at {at}")
        raise ValueError(f"{name} must be from 0 to {plane - 1}, got {int(indices[first])} at {at}")


def checked_positions(name: str, value: Any, like_name: str, like: np.ndarray, plane: int) -> np.ndarray:
    """Flat positions, int64, in planes of `plane` elements; every one is checked before any is used."""
    indices = positions(name, value, like_name, like)
    check_inside(name, indices, plane)
    return indices.astype(np.int64, copy=False)


def unpooled_shape(array: np.ndarray, rank: int, spec: Windows, output_size: Any) -> tuple[int, ...]:
    """Return the shape of max_unpool's result."""
    space: Sequence[int] = array.shape[-rank:]
    output_size = _args.space_of("output_size", output_size, rank, 2)
    return (
        *array.shape[:-rank],
        *sizes.max_unpool_output_size(space, spec.kernel_size, spec.stride, spec.padding, output_size),
    )


def volumes(*planes: Sequence[int]) -> np.ndarray:
    """Return the sizes of some planes, each on three axes, one after the other."""
    return np.array([(*(1,) * (3 - len(plane)), *plane) for plane in planes], np.intp).reshape(-1)
