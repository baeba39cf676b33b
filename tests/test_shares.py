"""Shares of output channels begin with a block of rows in every part of a transposed convolution's phases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import upsampling as up
from upsampling import _plan_conv, nn, reference
from upsampling._plan_tables import PACKED, Problem


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([4, 6, 8]),
    st.sampled_from([1, 3, 4, 7, 16]),
    st.integers(1, 70),
    st.tuples(*[st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(1, 40))] * 2),
    st.booleans(),
)
def test_shares_are_whole_blocks_of_rows(rows, threads, outputs, axes, minimal):
    """Whatever instruction set the rows are those of: kernels and strides give parts of different numbers of phases."""
    sizes = ((size, (size - 1) * stride + kernel, kernel, stride, 0, 1) for kernel, stride, size in axes)
    every = ((1, 1, 1, 1, 0, 1), *sizes)
    problem = Problem(every, True, 1, 1, 40, outputs, threads, 8, rows, 4, True, minimal, 0, True)
    for one in _plan_conv.plan(problem).passes:
        share = int(one.tile[1])
        if one.weights != PACKED or share == outputs:
            continue
        for part in one.parts:
            assert share * int(part[1]) // int(one.outs.prod()) % rows == 0


@pytest.mark.parametrize("threads", [3, 4, 8])
@pytest.mark.parametrize("minimal", [False, True])
@pytest.mark.parametrize(
    "shape, outputs, kernel, stride",
    [((16, 20000), 42, (8,), (5,)), ((64, 24, 24), 64, (8, 3), (5, 1)), ((16, 16, 24), 42, (8, 8), (5, 5))],
)
def test_parts_of_different_numbers_of_phases(shape, outputs, kernel, stride, minimal, threads):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, *shape)).astype("f4")
    layer = getattr(nn, f"ConvTranspose{len(kernel)}d")(shape[0], outputs, kernel, stride=stride)
    w, b = (np.asarray(layer.state_dict()[name]) for name in ("weight", "bias"))
    function, plain = (getattr(module, f"conv_transpose{len(kernel)}d") for module in (up, reference))
    up.set_minimal_filtering(minimal)
    try:
        with up.num_threads(1):
            wanted = function(x, w, b, stride=stride)
        with up.num_threads(threads):
            assert np.array_equal(function(x, w, b, stride=stride), wanted)
            assert np.array_equal(layer(x), wanted)
    finally:
        up.set_minimal_filtering(True)
    some = tuple(slice(0, n) for n in (12, 5)[: len(kernel)])
    crop = (Ellipsis, *some)
    exact = plain(x[crop], w, b, stride=stride, dtype=np.float64)
    inside = (Ellipsis, *(slice(0, n.stop * s - k) for n, s, k in zip(some, stride, kernel, strict=True)))
    np.testing.assert_allclose(wanted[inside], exact[inside], rtol=1e-4, atol=1e-4)
