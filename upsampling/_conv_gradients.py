"""The gradients of transposed convolution with respect to weight and bias: from arrays to kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import _arrays, _kernels
from ._repeat import Step
from ._threads import threads_for


def of_weight(
    precision: str,
    axes: Sequence[tuple[int, int, int, int, int, int]],
    groups: int,
    x: np.ndarray,
    g: np.ndarray,
    y: np.ndarray,
) -> list[Step]:
    """Write y, the gradient for the weight, from input and output gradient; return the step that did it, if any."""
    if x.size == 0 or g.size == 0:
        y[...] = 0
        return []
    work = y.size * x.size // x.shape[1]
    arguments = (
        x.reshape(*x.shape[:2], -1),
        _arrays.five_axes(g),
        y.reshape(*y.shape[:2], -1),
        groups,
        *(np.array([axis[i] for axis in axes], np.intp) for i in (0, 2, 3, 4, 5)),
        threads_for(work),
    )
    function = _kernels.load("outer", precision).weight_gradient
    function(*arguments)
    return [(function, arguments, work)]


def of_bias(precision: str, g: np.ndarray, y: np.ndarray) -> list[Step]:
    """Write y, the gradient for the bias, from the output's; return the step that did it, if any."""
    if g.size == 0:
        y[...] = 0
        return []
    work = g.size // 4
    arguments = (g.reshape(*g.shape[:2], -1), y, threads_for(work))
    function = _kernels.load("outer", precision).bias_gradient
    function(*arguments)
    return [(function, arguments, work)]
