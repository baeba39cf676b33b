"""Checks of the arguments of transposed convolution, shared by the compiled functions and the reference."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import _args, sizes

FLOATS = ("float32", "float64", "float16", "bfloat16")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")


class Problem(NamedTuple):
    """Checked arrays, batched, and parameters with one number an axis."""

    input: np.ndarray
    weight: np.ndarray
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    output_shape: tuple[int, ...]
    batched: bool


def problem(
    rank: int,
    input: Any,
    weight: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    output_size: Any = None,
) -> Problem:
    """Check everything but bias, out and gradients."""
    x = _args.array("input", input, (rank + 1, rank + 2))
    w = _args.array("weight", weight, (rank + 2,))
    _args.dtype_among("input", x, (*FLOATS, *COMPLEX, *INTEGERS))
    _args.same_dtype("weight", w, "input", x)
    batched = x.ndim == rank + 2
    x = x if batched else x[None]
    count = _args.integer("groups", groups, minimum=1)
    if x.shape[1] != w.shape[0]:
        raise ValueError(f"weight must have input's {x.shape[1]} channels on its first axis, got shape {w.shape}")
    if w.shape[0] % count:
        raise ValueError(f"groups must divide the {w.shape[0]} input channels, got {count}")
    empty = len(x) == 0
    if 0 in w.shape or (0 in x.shape[1:] and not empty):
        raise ValueError(f"input and weight must have no empty axis but the batch, got {x.shape} and {w.shape}")
    lead = 2 if batched else 1
    output_size = _args.space_of("output_size", output_size, rank, lead)
    space = sizes.conv_transpose_space(
        x.shape[2:], w.shape[2:], stride, padding, output_padding, dilation, output_size, empty
    )
    return Problem(
        x,
        w,
        _args.integers("stride", stride, rank, minimum=1),
        _args.integers("padding", padding, rank),
        _args.integers("dilation", dilation, rank, minimum=1),
        count,
        (x.shape[0], w.shape[1] * count, *space),
        batched,
    )


def bias_of(value: Any, spec: Problem) -> np.ndarray | None:
    """Return the bias, checked: one number for each output channel."""
    if value is None:
        return None
    bias = _args.array("bias", value)
    _args.same_dtype("bias", bias, "input", spec.input)
    _args.same_shape("bias", bias, spec.output_shape[1:2])
    return bias


def gradient_of(value: Any, spec: Problem) -> np.ndarray:
    """Return grad_output, checked and batched."""
    grad = _args.array("grad_output", value)
    _args.dtype_among("grad_output", grad, (*FLOATS, *COMPLEX))
    _args.same_dtype("grad_output", grad, "input", spec.input)
    _args.same_shape("grad_output", grad, spec.output_shape if spec.batched else spec.output_shape[1:])
    return grad if spec.batched else grad[None]


def mask_of(value: Any) -> tuple[bool, bool, bool]:
    """Return output_mask, checked: three flags."""
    if not _args.is_sequence(value):
        raise TypeError(f"output_mask must be three flags, got {_args.shown(value)} of type {type(value).__name__}")
    if len(value) != 3:
        raise ValueError(f"output_mask must be three flags, got {_args.shown(value)}")
    first, second, third = (_args.flag(f"output_mask[{i}]", item) for i, item in enumerate(value))
    return first, second, third
