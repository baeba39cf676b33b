"""The gradient with respect to the weight, in each of three ways, forced on every case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from forgetting import forget_plans

import upsampling as up
from upsampling import _plan_weight, _plan_weight_minimal, reference

# rank, channels, outputs, size, kernel, options
CASES: list[tuple[int, int, int, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    (1, 5, 3, (300,), (16,), {"stride": 8, "padding": 4}),
    (1, 3, 2, (2500,), (4,), {"stride": 2, "padding": 1}),
    (2, 9, 5, (17, 16), (4, 4), {"stride": 2, "padding": 1}),
    (2, 21, 4, (9, 40), (3, 3), {}),
    (2, 6, 6, (8, 33), (4, 3), {"stride": (2, 3), "padding": 1, "groups": 6}),
    (2, 8, 12, (13, 70), (3, 3), {"padding": 2, "dilation": 2, "groups": 2}),
    (2, 3, 2, (5, 5), (1, 1), {"stride": 2}),
    (2, 2, 2, (4, 3), (9, 2), {"stride": 3, "padding": (5, 2)}),
    (3, 10, 3, (5, 6, 16), (3, 2, 4), {"stride": (1, 2, 2), "padding": 1}),
    (2, 140, 20, (6, 7), (3, 3), {"padding": 1}),
    (2, 4, 17, (10, 30), (5, 6), {"stride": 4, "padding": 2, "dilation": 2}),
    (1, 5, 2, (70,), (140,), {"stride": 128, "padding": 30}),
    (2, 3, 3, (2, 20), (2, 70), {"stride": (1, 128), "padding": (0, 5), "dilation": (1, 3)}),
]


def _gradient(rank: int, g: Any, x: Any, w: Any, options: dict[str, Any]) -> np.ndarray:
    backward = getattr(up, f"conv_transpose{rank}d_backward")
    return backward(g, x, w, **options, output_mask=(False, True, False))[1]


@pytest.fixture(params=["along channels", "along pixels", "minimal filtering"])
def forced(request, monkeypatch):
    """One way, where it can be taken."""
    forget_plans()
    monkeypatch.setattr(_plan_weight, "worth", lambda *_: request.param == "along pixels")
    monkeypatch.setattr(_plan_weight_minimal, "worth", lambda *_: request.param == "minimal filtering")
    yield request.param
    forget_plans()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank, channels, outputs, size, kernel, options", CASES)
def test_each_way(forced, rank, channels, outputs, size, kernel, options, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, channels, *size)).astype(dtype)
    w = np.zeros((channels, outputs // options.get("groups", 1), *kernel), dtype)
    g = rng.standard_normal(getattr(up, f"conv_transpose{rank}d")(x, w, **options).shape).astype(dtype)
    found = _gradient(rank, g, x, w, options)
    for threads in (2, 3):
        with up.num_threads(threads):
            assert np.array_equal(_gradient(rank, g, x, w, options), found)
    last = (np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1) for a in (g, x))
    assert np.array_equal(_gradient(rank, *last, w, options), found)
    backward = getattr(reference, f"conv_transpose{rank}d_backward")
    exact = backward(g, x, w, **options, output_mask=(False, True, False), dtype=np.float64)[1]
    assert np.abs(found - exact).max() < 30 * np.finfo(dtype).eps * np.abs(exact).max()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite(forced, value):
    """The value reaches the taps that meet it, and no other."""
    if forced == "minimal filtering" and np.isfinite(value):
        pytest.skip("a small number beside a very large one loses digits")
    rng = np.random.default_rng(0)
    w = np.zeros((3, 2, 3, 3), "f4")
    for which, at in ((0, (0, 1, 0, 0)), (0, (1, 1, 9, 8)), (1, (0, 2, 0, 0)), (1, (1, 2, 4, 5))):
        arrays = [rng.standard_normal((2, 2, 10, 9)).astype("f4"), rng.standard_normal((2, 3, 10, 9)).astype("f4")]
        arrays[which][at] = value
        found = _gradient(2, *arrays, w, {"padding": 1})
        options = {"padding": 1, "output_mask": (False, True, False), "dtype": np.float64}
        wanted = reference.conv_transpose2d_backward(*arrays, w, **options)[1]
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = wanted.astype("f4")
        assert np.array_equal(np.isfinite(found), np.isfinite(wanted))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
