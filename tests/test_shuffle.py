"""Pixel shuffling beyond the case table: round trips, order in memory, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import upsampling as up
from upsampling import reference

LAYERS = pytest.mark.parametrize("layer", [up, reference], ids=["fast", "reference"])


@LAYERS
def test_by_hand(layer):
    x = np.arange(8).reshape(4, 1, 2)
    wanted = [[[0, 2, 1, 3], [4, 6, 5, 7]]]
    assert layer.pixel_shuffle(x, 2).tolist() == wanted
    assert layer.pixel_unshuffle(np.array(wanted), 2).tolist() == x.tolist()


@pytest.mark.parametrize("shape", [(9, 2, 3), (2, 18, 1, 4), (2, 3, 9, 2, 2), (1, 2, 1, 2, 9, 1, 2)])
@pytest.mark.parametrize("dtype", ["bool", "float16", "complex64", "datetime64[s]", "i2,u1"])
def test_there_and_back(shape, dtype):
    x = np.zeros(shape, dtype)
    x.view(np.uint8)[...] = np.random.default_rng(0).integers(0, 2, x.view(np.uint8).shape)
    there = up.pixel_shuffle(x, 3)
    assert there.tobytes() == reference.pixel_shuffle(x, 3).tobytes()
    assert up.pixel_unshuffle(there, 3).tobytes() == x.tobytes()


def test_the_result_is_a_copy_in_the_order_of_the_input():
    x = np.moveaxis(np.arange(2.0 * 3 * 5 * 8).reshape(2, 3, 5, 8), -1, 1)
    there = up.pixel_shuffle(x, 2)
    back = up.pixel_unshuffle(there, 2)
    for result in (there, back):
        assert np.moveaxis(result, 1, -1).flags.c_contiguous
    np.testing.assert_array_equal(back, x)
    same = up.pixel_shuffle(x, 1)
    assert not np.may_share_memory(same, x)


@LAYERS
@pytest.mark.parametrize("factor, error", [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError),
                                           ((2, 2), TypeError), (2**62, ValueError)])  # fmt: skip
def test_wrong_factors(layer, factor, error):
    x = np.zeros((1, 4, 2, 2))
    with pytest.raises(error, match="upscale_factor"):
        layer.pixel_shuffle(x, factor)
    with pytest.raises(error, match="downscale_factor"):
        layer.pixel_unshuffle(x, factor)


@LAYERS
def test_wrong_shapes(layer):
    with pytest.raises(ValueError, match="multiple of upscale_factor"):
        layer.pixel_shuffle(np.zeros((1, 5, 2, 2)), 2)
    with pytest.raises(ValueError, match="divides, got 3, 2"):
        layer.pixel_unshuffle(np.zeros((1, 5, 3, 2)), 2)
    for call in (layer.pixel_shuffle, layer.pixel_unshuffle):
        with pytest.raises(ValueError, match="input"):
            call(np.zeros((4, 4)), 2)


def test_unbatched_channels_last_and_byte_order():
    x = np.moveaxis(np.arange(3.0 * 5 * 8).reshape(3, 5, 8), -1, 0)
    there = up.pixel_shuffle(x, 2)
    assert np.moveaxis(there, 0, -1).flags.c_contiguous
    assert there.tobytes() == reference.pixel_shuffle(x, 2).tobytes()
    swapped = up.pixel_shuffle(x.astype(x.dtype.newbyteorder()), 2)
    assert swapped.dtype.isnative
    assert swapped.tobytes() == there.tobytes()


def test_empty_arrays_and_huge_factors():
    assert up.pixel_shuffle(np.zeros((1, 0, 2, 3)), 2**20).shape == (1, 0, 2**21, 3 * 2**20)
    assert up.pixel_unshuffle(np.zeros((0, 3, 4, 4)), 2).shape == (0, 12, 2, 2)
    for call, shape in ((up.pixel_shuffle, (1, 0, 2, 2)), (up.pixel_unshuffle, (1, 3, 0, 0))):
        with pytest.raises(MemoryError, match="does not fit"):
            call(np.zeros(shape), 2**62)
