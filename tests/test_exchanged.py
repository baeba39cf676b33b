"""Vectors along the rows of packed weights: the same bits as along pixels, wherever it is forced."""

from __future__ import annotations

import numpy as np
import pytest
from forgetting import forget_plans

import upsampling as up
from upsampling import _plan_conv, nn

SHAPES = [
    # input, outputs, options
    ((1, 40, 4, 4), 20, {"kernel_size": 4, "stride": 2, "padding": 1}),
    ((3, 40, 4, 4), 50, {"kernel_size": 4, "stride": 2, "padding": 1}),
    ((1, 33, 7, 7), 97, {"kernel_size": 3, "padding": 1}),
    ((2, 17, 13, 14), 24, {"kernel_size": 2, "stride": 2}),
    ((1, 32, 8, 9), 40, {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}),
    ((2, 48, 3, 2), 33, {"kernel_size": 5, "stride": 3, "groups": 3}),
    ((5, 100, 1, 1), 37, {"kernel_size": 4}),
    ((2, 100, 1, 1), 37, {"kernel_size": 4, "stride": 2, "output_padding": 1}),
    ((1, 20, 11, 40), 16, {"kernel_size": 3, "dilation": 2}),
]


@pytest.fixture
def forced(monkeypatch):
    """Estimate that vectors along rows cost nothing."""
    for name, value in (("EXCHANGED", 1e9), ("WEIGHTS", 0.0), ("TURNING", -1e6)):
        monkeypatch.setattr(_plan_conv, name, value)
    monkeypatch.setattr(_plan_conv, "worth_folding", lambda *_: False)
    forget_plans()
    yield
    forget_plans()


def along_pixels(monkeypatch, x, weight, bias, options):
    """Return the result with vectors along pixels, which alone a call has without `_in_order`."""
    with monkeypatch.context() as changed:
        changed.setattr(_plan_conv, "_in_order", lambda problem, parts: False)
        return up.conv_transpose2d(x, weight, bias, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape, outputs, options", SHAPES)
def test_the_same_bits_as_along_pixels(forced, monkeypatch, shape, outputs, options, threads, last, dtype):
    rng = np.random.default_rng(5)
    layer = nn.ConvTranspose2d(shape[1], outputs * options.get("groups", 1), **options, dtype=dtype)
    x = rng.standard_normal(shape).astype(dtype)
    if last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    given = {key: value for key, value in options.items() if key != "kernel_size"}
    up.set_minimal_filtering(False)
    before = up.get_num_threads()
    up.set_num_threads(threads)
    try:
        want = along_pixels(monkeypatch, x, layer.weight.copy(), layer.bias, given)
        forget_plans()
        found = layer(x)
    finally:
        up.set_minimal_filtering(True)
        up.set_num_threads(before)
    np.testing.assert_array_equal(found, want)
