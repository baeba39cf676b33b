"""Transposed convolution and its gradient with respect to the input where problems are small."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from . import _arrays, _kernels
from ._plan_tables import PRODUCTS, block_of
from ._repeat import Step


def steps(
    precision: str,
    axes: Sequence[tuple[int, int, int, int, int, int]],
    groups: int,
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    forward: bool,
) -> list[Step]:
    """Write y and return the step that did it; none, where the problem is not small, and nothing is written."""
    taps = prod(kernel for _, _, kernel, _, _, _ in axes)
    products = x.size * (y.shape[1] // groups) * taps
    if products > PRODUCTS or y.dtype.kind != "f" or not (x.flags.c_contiguous and y.flags.c_contiguous):
        return []
    kernel = _kernels.load("plain", precision)
    most = kernel.most_pairs()
    if taps > most or any(max(size * kernel_size, out) > most for size, out, kernel_size, _, _, _ in axes):
        return []
    arguments = (
        _arrays.five_axes(x),
        np.ascontiguousarray(w).reshape(-1),
        bias,
        _arrays.five_axes(y),
        groups,
        block_of(x.shape[1] // groups, tuple(axes), forward),
        np.array(axes, np.intp),
        forward,
        1,
    )
    kernel.contract(*arguments)
    return [(kernel.contract, arguments, 0)]
