"""Vectors that are of one row of a tile each: the same bits as where they go on from row to row, in every layout."""

from __future__ import annotations

import numpy as np
import pytest
from forgetting import forget_plans

import upsampling as up
from upsampling import _plan_conv, _plan_minimal, nn

SHAPES = [
    # input, of which the width is of whole vectors, outputs, of which rows fill blocks on any processor, options
    ((1, 24, 16, 16), 24, {"kernel_size": 3, "padding": 1}),
    ((3, 24, 7, 32), 24, {"kernel_size": 4, "stride": 2, "padding": 1}),
    ((2, 48, 33, 16), 24, {"kernel_size": 5, "padding": 2}),
    ((1, 48, 5, 48), 48, {"kernel_size": 3, "dilation": 2, "padding": 2, "groups": 2}),
    ((1, 24, 2, 64), 48, {"kernel_size": (2, 3), "stride": (1, 2), "padding": (0, 1), "output_padding": (0, 1)}),
    ((2, 24, 3, 4, 16), 24, {"kernel_size": 3, "padding": 1}),
    ((1, 24, 5, 6, 16), 24, {"kernel_size": 4, "stride": 2, "padding": 1}),
    ((2, 24, 19, 48), 24, {"kernel_size": 3, "padding": 1}),
    ((1, 24, 5, 7, 48), 24, {"kernel_size": 3, "padding": 1}),
]


@pytest.fixture(params=[False, True], ids=["direct", "minimal"])
def way(monkeypatch, request):
    """Directly or by minimal filtering, whatever is faster."""
    monkeypatch.setattr(_plan_conv, "worth_folding", lambda *_: False)
    monkeypatch.setattr(_plan_minimal, "worth", lambda *_: True)
    up.set_minimal_filtering(request.param)
    forget_plans()
    yield
    up.set_minimal_filtering(True)
    forget_plans()


def set_rule(monkeypatch, rule):
    for module in (_plan_conv, _plan_minimal):
        monkeypatch.setattr(module, "of_row_vectors", rule)


def both(monkeypatch, call):
    """Return what a call gives with row vectors, and without."""
    forget_plans()
    with_them = call()
    with monkeypatch.context() as changed:
        set_rule(changed, lambda *_: False)
        forget_plans()
        return with_them, call()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("last", [False, True], ids=["planar", "channels-last"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape, outputs, options", SHAPES)
def test_the_same_bits(way, threads_forced, monkeypatch, shape, outputs, options, threads, last, dtype):
    rng = np.random.default_rng(7)
    rank = len(shape) - 2
    given = {key: value for key, value in options.items() if key != "kernel_size"}
    kernel = options["kernel_size"] if isinstance(options["kernel_size"], tuple) else (options["kernel_size"],) * rank
    x = (rng.standard_normal(shape) * 9).astype(dtype)
    weight = (rng.standard_normal((shape[1], outputs // options.get("groups", 1), *kernel)) * 9).astype(dtype)
    if last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    up.set_num_threads(threads)
    forward, backward = (getattr(up, f"conv_transpose{rank}d{end}") for end in ("", "_backward"))
    results = both(monkeypatch, lambda: forward(x, weight, **given))
    np.testing.assert_array_equal(*results)
    if dtype != "int64":
        weight[0, 0, 0, 0] = np.inf  # where a weight is not finite, what lies outside is left out
        np.testing.assert_array_equal(*both(monkeypatch, lambda: forward(x, weight, **given)))
        weight[0, 0, 0, 0] = 1
        grad = results[0]
        mask = (True, False, False)
        back = both(monkeypatch, lambda: backward(grad, x, weight, **given, output_mask=mask)[0])
        np.testing.assert_array_equal(*back)


def test_plans_have_them(way, monkeypatch):
    """At least for some of the shapes: not where rows are many, or a part of the tile's width would do as well."""
    chosen = []

    def noted(original):
        def tables(*given):
            made = original(*given)
            chosen.append(made.row_vectors)
            return made

        return tables

    monkeypatch.setattr(_plan_conv, "_pass", noted(_plan_conv._pass))
    monkeypatch.setattr(_plan_minimal, "tables", noted(_plan_minimal.tables))
    for shape, outputs, options in SHAPES:
        rank = len(shape) - 2
        given = {key: value for key, value in options.items() if key != "kernel_size"}
        size = options["kernel_size"]
        weight = np.ones((shape[1], outputs // options.get("groups", 1), *np.broadcast_to(size, rank)), np.float32)
        getattr(up, f"conv_transpose{rank}d")(np.ones(shape, np.float32), weight, **given)
    assert sum(chosen) > 1, chosen


def test_packed_weights_serve_both(way, monkeypatch):
    """The order of packed weights does not depend on where vectors lie."""
    rng = np.random.default_rng(8)
    layer = nn.ConvTranspose2d(24, 48, 3, padding=1)
    x = rng.standard_normal((2, 24, 20, 32), dtype=np.float32)
    np.testing.assert_array_equal(*both(monkeypatch, lambda: layer(x)))
