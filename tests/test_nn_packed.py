"""Layers of transposed convolution keep their weights packed: what they compute must follow every change of them."""

from __future__ import annotations

import gc
import pickle
import weakref

import numpy as np
import pytest

import upsampling as up
from upsampling import nn


def expected(layer: nn.ConvTranspose2d, x: np.ndarray) -> np.ndarray:
    """What the layer's weight gives now, by the function, which packs it anew."""
    return up.conv_transpose2d(x, layer.weight.copy(), layer.bias, layer.stride, layer.padding)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("stride, size", [(2, 4), (1, 20), (2, 40)])
def test_packed_weights_follow_every_change(dtype, stride, size):
    """Written in place, through views, by another that holds the array, by another library, or exchanged."""
    layer = nn.ConvTranspose2d(40, 36, 4, stride=stride, padding=1, dtype=dtype, rng=0)
    x = np.random.default_rng(0).standard_normal((2, 40, size, size)).astype(dtype)

    def check() -> None:
        for _ in range(3):
            np.testing.assert_array_equal(layer(x), layer(x))
        held = layer._packed
        assert held is not None
        np.testing.assert_array_equal(layer(x), expected(layer, x))

    check()
    layer.weight[3, 5, 1, 2] += 1
    check()
    view = layer.weight[2:3].reshape(-1)
    check()
    view[7] = -2
    check()
    view[7] = -0.0
    check()
    view[8] = 3
    del view
    check()
    buffer = memoryview(layer.weight)
    layer(x)
    np.asarray(buffer)[0, 0, 0, 0] = 9
    check()
    del buffer
    for parameter in layer.parameters():
        parameter *= 2
        layer(x)
    check()
    layer.load_state_dict({"weight": np.ones_like(layer.weight), "bias": layer.bias})
    check()
    layer.reset_parameters(5)
    check()
    layer.weight = np.asfortranarray(layer.weight * 2)
    check()
    whole = np.zeros((2, *layer.weight.shape), dtype)
    layer.weight = whole[1]
    check()
    whole[1, 4] = 3
    check()
    layer.weight[0, 0, 0, 0] = np.nan
    np.testing.assert_array_equal(np.isnan(layer(x)), np.isnan(expected(layer, x)))
    layer.weight[0, 0, 0, 0] = 0
    check()


@pytest.mark.parametrize("outputs", [36, 1000], ids=["small", "beyond 2 MiB, where results lie in kept memory"])
def test_packed_weights_are_made_once(outputs):
    """As long as nobody refers to the weight, it is not even looked at."""
    layer = nn.ConvTranspose2d(40, outputs, 4, rng=0)
    x = np.ones((1, 40, 5, 5), np.float32)
    layer(x)
    held = layer._packed
    held.holds = None  # would raise
    layer(x)
    for size in (6, 7, 8, 9, 10, 30):
        layer(np.ones((1, 40, size, size), np.float32))
    assert layer._packed is held
    again = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(again(x), layer(x))


def test_calls_are_remembered_with_the_weights() -> None:
    """For as long as these are, and a few of them: what they need lies with the packed weights."""
    layer = nn.ConvTranspose2d(40, 36, 4, rng=0)
    images = [np.random.default_rng(size).standard_normal((1, 40, size, 3), np.float32) for size in range(2, 42)]
    for x in images:
        for _ in range(2):
            np.testing.assert_array_equal(layer(x), expected(layer, x))
        assert 1 <= len(layer._packed.calls) <= 16
    first = weakref.ref(layer._packed)
    layer.weight[...] = 1
    np.testing.assert_array_equal(layer(images[-1]), expected(layer, images[-1]))
    assert len(layer._packed.calls) == 1
    gc.collect()
    assert first() is None
