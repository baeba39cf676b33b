"""Results without elements: where PyTorch (2.13) gives an empty array, and where it refuses."""

import itertools

import numpy as np
import pytest

import upsampling as up
from upsampling import reference, sizes

LAYERS = pytest.mark.parametrize("layer", [up, reference])


def ones(*shape):
    return np.ones(shape, np.float32)


@LAYERS
@pytest.mark.parametrize(
    "shape, options, wanted",
    [
        ((0, 2, 1, 4), {}, (0, 3, 2, 5)),
        ((0, 2, 1, 4), {"padding": (1, 0)}, (0, 3, 0, 5)),
        ((0, 2, 0, 4), {}, (0, 3, 1, 5)),
        ((0, 2, 1, 4), {"output_padding": 3}, (0, 3, 5, 8)),
        ((0, 2, 1, 4), {"padding": (1, 0), "output_size": (0, 5)}, (0, 3, 0, 5)),
    ],
)
def test_conv_transpose_of_an_empty_batch(layer, shape, options, wanted):
    y = layer.conv_transpose2d(ones(*shape), ones(2, 3, 2, 2), ones(3), **options)
    assert y.shape == wanted
    if "output_size" in options:
        return
    grads = layer.conv_transpose2d_backward(y, ones(*shape), ones(2, 3, 2, 2), **options)
    assert [g.shape for g in grads] == [shape, (2, 3, 2, 2), (3,)]
    assert not any(g.any() for g in grads)


@LAYERS
@pytest.mark.parametrize(
    "shape, weight, options, match",
    [
        ((1, 2, 1, 4), (2, 3, 2, 2), {"padding": (1, 0)}, r"padding\[0\] must leave an output of at least 1"),
        ((0, 2, 1, 4), (2, 3, 1, 2), {"padding": (1, 0)}, r"padding\[0\] must leave an output of at least 0"),
        ((1, 2, 0, 4), (2, 3, 2, 2), {}, "no empty axis"),
        ((0, 2, 3, 4), (2, 0, 2, 2), {}, "no empty axis"),
        ((0, 2, 3, 4), (2, 3, 0, 2), {}, "no empty axis"),
        ((0, 0, 3, 4), (0, 3, 2, 2), {}, "no empty axis"),
        ((1, 2, 1, 4), (2, 3, 2, 2), {"output_padding": 3}, "output_padding"),
    ],
)
def test_conv_transpose_that_is_refused(layer, shape, weight, options, match):
    with pytest.raises(ValueError, match=match):
        layer.conv_transpose2d(ones(*shape), ones(*weight), **options)


@LAYERS
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpooling_into_nothing(layer, rank):
    """There is no position that an index could name; they are not looked at, as in PyTorch."""
    unpool, back = (getattr(layer, f"max_unpool{rank}d{end}") for end in ("", "_backward"))
    shape = (1, 2, *(1,) * rank)
    for at in (0, 7):
        assert unpool(ones(*shape), np.full(shape, at), 2, 2, 1).shape == (1, 2, *(0,) * rank)
    assert unpool(ones(*shape), np.zeros(shape, int), 1, 2, 0, (0,) * rank).shape == (1, 2, *(0,) * rank)
    with pytest.raises(ValueError, match=r"output_size\[0\] must be from 1 to 1, got 0"):
        unpool(ones(*shape), np.zeros(shape, int), 1, 1, 0, (0,) * rank)
    with pytest.raises(ValueError, match=r"padding\[0\] must leave an output of at least 0"):
        unpool(ones(*shape), np.zeros(shape, int), 1, 1, 1)
    with pytest.raises(ValueError, match="indices"):
        back(ones(1, 2, *(0,) * rank), np.zeros(shape, int))


@LAYERS
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_areas_into_nothing(layer, rank, dtype):
    space = (4,) * rank
    x = np.ones((1, 2, *space), dtype)
    for options in ({"size": 0}, {"size": (0, 3, 3)[:rank]}, {"scale_factor": 0.2}):
        y = layer.interpolate(x, mode="area", **options)
        assert 0 in y.shape
        assert y.dtype == x.dtype
        if dtype != "uint8":
            back = layer.interpolate_backward(y, x.shape, mode="area", **options)
            assert back.shape == x.shape
            assert not back.any()


@LAYERS
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "lanczos"])
def test_other_modes_into_nothing(layer, mode):
    for options in ({"size": (0, 3)}, {"scale_factor": 0.2}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}.* must"):
            layer.interpolate(ones(1, 2, 4, 4), mode=mode, **options)


def test_channels_last_areas_into_nothing():
    x = np.moveaxis(ones(1, 4, 5, 2), -1, 1)
    assert up.interpolate(x, size=(0, 3), mode="area").shape == (1, 2, 0, 3)
    back = up.interpolate_backward(np.moveaxis(ones(1, 0, 3, 2), -1, 1), x.shape, size=(0, 3), mode="area")
    assert back.shape == x.shape
    assert not back.any()


def test_an_empty_stride_is_the_kernels_size():
    assert sizes.max_pool_output_size((4, 6), 2, ()) == (2, 3)
    assert sizes.max_unpool_output_size((2, 3), 2, []) == (4, 6)


def test_shapes_are_pytorchs():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional

    def shape_of(function, *arrays, **options):
        try:
            return tuple(function(*arrays, **options).shape)
        except (RuntimeError, ValueError, IndexError):
            return None

    for batch, height, padding, extra in itertools.product((0, 1), (0, 1, 3), (0, 1, 2), (0, 2)):
        options = {"padding": (padding, 0), "output_padding": extra}
        x, w = ones(batch, 2, height, 4), ones(2, 3, 2, 2)
        wanted = shape_of(theirs.conv_transpose2d, torch.tensor(x), torch.tensor(w), **options)
        assert shape_of(up.conv_transpose2d, x, w, **options) == wanted
    for batch, height, size, mode in itertools.product((0, 1), (0, 3), (0, 2), ("area", "nearest", "bilinear")):
        x, options = ones(batch, 2, height, 4), {"size": (size, 3), "mode": mode}
        assert shape_of(up.interpolate, x, **options) == shape_of(theirs.interpolate, torch.tensor(x), **options)
    for kernel, stride, padding, size in itertools.product((1, 2), (1, 2, 3), (0, 1), (None, 0, 1, 2)):
        x, at = ones(1, 2, 1, 1), np.zeros((1, 2, 1, 1), int)
        options = {"padding": padding, "output_size": None if size is None else (size, size)}
        wanted = shape_of(theirs.max_unpool2d, torch.tensor(x), torch.tensor(at), kernel, stride, **options)
        assert shape_of(up.max_unpool2d, x, at, kernel, stride, **options) == wanted
