"""Minimal filtering with vectors along the rows of weights: the same bits as with vectors along lanes."""

from __future__ import annotations

import numpy as np
import pytest
from forgetting import forget_plans

import upsampling as up
from upsampling import _kernels, _plan_conv, _plan_minimal, nn
from upsampling._plan_tables import PACKED, PIECEWISE

SHAPES = [
    # input, outputs of a group, options: rows that fill vectors, that do not, and fewer than one vector has
    ((1, 40, 7, 7), 48, {"kernel_size": 4, "stride": 2, "padding": 1}),
    ((3, 70, 5, 6), 33, {"kernel_size": 3, "padding": 1}),
    ((1, 130, 9, 4), 117, {"kernel_size": 3, "padding": 1}),
    ((2, 20, 13, 13), 5, {"kernel_size": 6, "stride": 2, "padding": 2}),
    ((1, 33, 8, 9), 40, {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}),
    ((5, 48, 3, 2), 11, {"kernel_size": 5, "stride": 3, "groups": 3}),
    ((1, 24, 8, 12), 20, {"kernel_size": 3, "dilation": 2}),
    ((2, 24, 7, 5), 20, {"kernel_size": 3, "dilation": 4, "stride": 2, "output_padding": 1}),
    ((1, 20, 11, 40), 16, {"kernel_size": (2, 3), "stride": (1, 3)}),
    ((2, 35, 19), 50, {"kernel_size": 4, "stride": 2}),
    ((1, 100, 40), 97, {"kernel_size": 3, "padding": 1}),
    ((1, 36, 3, 4, 5), 34, {"kernel_size": 4, "stride": 2, "padding": 1}),
    ((2, 17, 4, 3, 6), 18, {"kernel_size": 3, "padding": 1}),
]
COSTS = ["single", "shares"]


@pytest.fixture(params=COSTS)
def forced(monkeypatch, request):
    """Minimal filtering wherever it is possible; a task has all pieces of the output channels, or one."""
    if _kernels.ISA != "avx512":
        pytest.skip("lanes fill shorter vectors as well")
    monkeypatch.setattr(_plan_conv, "worth_folding", lambda *_: False)
    monkeypatch.setattr(_plan_minimal, "worth", lambda *_: True)
    along_rows = _plan_minimal._along_rows

    def chosen(*given):
        tiles = list(along_rows(*given))
        return sorted(tiles, key=lambda tile: tile[2].share)[-1 if request.param == "single" else 0 :][:1]

    monkeypatch.setattr(_plan_minimal, "_along_rows", chosen)
    forget_plans()
    yield
    forget_plans()


def both(monkeypatch, call):
    """Return what a call gives with vectors along rows, and along lanes."""
    results, made = [], []
    tile = _plan_minimal._tile
    for other in ("_along_lanes", "_along_rows"):
        with monkeypatch.context() as changed:
            changed.setattr(_plan_minimal, other, lambda *_: iter(()))
            changed.setattr(_plan_minimal, "_tile", lambda *given: made.append(tile(*given)) or made[-1])
            forget_plans()
            results.append(call())
    assert [one.pieces is not None for one in made] == [True, False]
    return results


def arguments(shape, outputs, options, dtype, last):
    rng = np.random.default_rng(3)
    kernel = options["kernel_size"] if isinstance(options["kernel_size"], tuple) else (options["kernel_size"],)
    kernel = kernel * (len(shape) - 2) if len(kernel) == 1 else kernel
    x = rng.standard_normal(shape).astype(dtype)
    if last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    weight = rng.standard_normal((shape[1], outputs, *kernel)).astype(dtype)
    bias = rng.standard_normal(outputs * options.get("groups", 1)).astype(dtype)
    return x, weight, bias, {key: value for key, value in options.items() if key != "kernel_size"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", [False, True], ids=["planar", "channels-last"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape, outputs, options", SHAPES)
def test_the_same_bits(forced, threads_forced, monkeypatch, shape, outputs, options, threads, last, dtype):
    x, weight, bias, given = arguments(shape, outputs, options, dtype, last)
    up.set_num_threads(threads)
    forward = getattr(up, f"conv_transpose{len(shape) - 2}d")
    np.testing.assert_array_equal(*both(monkeypatch, lambda: forward(x, weight, bias, **given)))


@pytest.mark.parametrize("shape, outputs, options", [one for one in SHAPES if one[2].get("stride", 1) == 1])
def test_the_gradient_of_the_input(forced, monkeypatch, shape, outputs, options):
    x, weight, bias, given = arguments(shape, outputs, options, "float32", False)
    forward, backward = (getattr(up, f"conv_transpose{len(shape) - 2}d{end}") for end in ("", "_backward"))
    g = np.random.default_rng(4).standard_normal(forward(x, weight, bias, **given).shape).astype(np.float32)
    mask = (True, False, False)
    results = both(monkeypatch, lambda: backward(g, x, weight, **given, output_mask=mask)[0])
    np.testing.assert_array_equal(*results)


def test_a_layer_packs_again_where_weights_lie_otherwise(forced, monkeypatch):
    """For one image and for many, with vectors along rows and along lanes."""
    layer = nn.ConvTranspose2d(40, 50, 4, 2, 1)
    x = np.random.default_rng(5).standard_normal((9, 40, 6, 6)).astype(np.float32)
    want = up.conv_transpose2d(x, layer.weight.copy(), layer.bias, stride=2, padding=1)
    for other in ("_along_lanes", "_along_rows", "_along_lanes"):
        with monkeypatch.context() as changed:
            changed.setattr(_plan_minimal, other, lambda *_: iter(()))
            for n in (1, 9, 1):
                forget_plans()
                np.testing.assert_array_equal(layer(x[:n]), want[:n])


def test_one_tile_makes_its_weights(forced, threads_forced, monkeypatch):
    """Where several tiles, or several calls, have the same weights these are transformed before."""
    up.set_num_threads(1)
    made = []
    tile = _plan_minimal._tile
    monkeypatch.setattr(_plan_minimal, "_tile", lambda *given: made.append(tile(*given)) or made[-1])
    monkeypatch.setattr(_plan_minimal, "_along_lanes", lambda *_: iter(()))
    layer = nn.ConvTranspose2d(70, 60, 3)
    x = np.random.default_rng(6).standard_normal((40, 70, 13, 13)).astype(np.float32)
    found = [up.conv_transpose2d(x[:n], layer.weight, layer.bias)[0] for n in (1, 40)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(layer(x[:1])[0], found[0])
    assert [one.weights for one in made] == [PIECEWISE, PACKED, PACKED]


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_what_is_not_finite_stays_with_its_image(forced, monkeypatch, value):
    """An image is computed directly then, alone, with a weight that is not finite all are."""
    x, weight, bias, given = arguments((3, 40, 6, 6), 20, {"stride": 2, "kernel_size": 4}, "float32", False)
    clean = up.conv_transpose2d(x, weight, bias, **given)
    x[1, 7, 2, 3] = value
    up.set_minimal_filtering(False)
    direct = up.conv_transpose2d(x, weight, bias, **given)
    bad = weight.copy()
    bad[3, 4, 1, 2] = value
    directly = up.conv_transpose2d(x, bad, bias, **given)
    up.set_minimal_filtering(True)
    for found in both(monkeypatch, lambda: up.conv_transpose2d(x, weight, bias, **given)):
        np.testing.assert_array_equal(found[[0, 2]], clean[[0, 2]])
        np.testing.assert_array_equal(found[1], direct[1])
    if not np.isfinite(value):
        for found in both(monkeypatch, lambda: up.conv_transpose2d(x, bad, bias, **given)):
            np.testing.assert_array_equal(found, directly)


def test_a_bias_of_minus_zero(forced, monkeypatch):
    x, weight = np.zeros((1, 40, 5, 5), np.float32), np.full((40, 20, 3, 3), -1, np.float32)
    bias = np.full(20, -0.0, np.float32)
    found, want = both(monkeypatch, lambda: up.conv_transpose2d(x, weight, bias, padding=1))
    np.testing.assert_array_equal(found.view(np.uint32), want.view(np.uint32))
