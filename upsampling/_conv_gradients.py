"""The gradients of transposed convolution with respect to weight and bias: from arrays to kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _arrays, _conv_minimal, _kernels, _plan_weight
from ._plan_tables import Problem, Size
from ._repeat import Step
from ._threads import threads_for


def of_weight(
    precision: str,
    axes: Sequence[Size],
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
    threads = threads_for(work)
    kernel = _kernels.load("outer", precision)
    arguments = (
        x.reshape(*x.shape[:2], -1),
        _arrays.five_axes(g),
        y.reshape(*y.shape[:2], -1),
        groups,
        *(np.array([axis[i] for axis in axes], np.intp) for i in (0, 2, 3, 4, 5)),
        *_plan_weight.tables(_problem(kernel, axes, groups, x, y, threads)),
        threads,
    )
    kernel.weight_gradient(*arguments)
    return [(kernel.weight_gradient, arguments, work)]


def _problem(kernel: Any, axes: Sequence[Size], groups: int, x: np.ndarray, y: np.ndarray, threads: int) -> Problem:
    """Return what the plan depends on."""
    lanes, rows = kernel.shape()
    channels = x.shape[1] // groups
    minimal = _conv_minimal.allowed()
    return Problem(
        tuple(axes), False, len(x), groups, channels, y.shape[1], threads, lanes, rows, y.itemsize, False, minimal
    )


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
