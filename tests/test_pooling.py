"""Rules of pooling and unpooling that the case table does not show: winners, last windows, bad and repeated indices."""

from __future__ import annotations

import numpy as np
import pytest

import upsampling as up
from upsampling import _kernels, reference

LAYERS = pytest.mark.parametrize("layer", [up, reference], ids=["fast", "reference"])
INF, NAN = np.inf, np.nan


def line(*values: float, dtype: str = "float32") -> np.ndarray:
    return np.array(values, dtype).reshape(1, 1, -1)


@LAYERS
def test_first_maximum_wins_and_the_last_nan(layer):
    values, at = layer.max_pool1d(line(1, 2, 2, 0), 4, return_indices=True)
    assert (values.item(), at.item()) == (2, 1)
    values, at = layer.max_pool1d(line(1, NAN, 3, NAN), 4, return_indices=True)
    assert np.isnan(values.item())
    assert at.item() == 3
    values, at = layer.max_pool1d(line(-0.0, 0.0), 2, return_indices=True)
    assert np.signbit(values.item())
    assert at.item() == 0


@LAYERS
def test_windows_of_minus_infinity_point_to_their_first_element(layer):
    values, at = layer.max_pool1d(line(*[-INF] * 9), 3, 1, padding=1, dilation=2, return_indices=True)
    assert (values == -INF).all()
    assert at.ravel().tolist() == [1, 0, 1, 2, 3, 4, 5]


@LAYERS
@pytest.mark.parametrize("dtype, lowest", [("float32", -INF), ("int32", -(2**31)), ("int8", -128), ("uint64", 0)])
def test_a_window_in_the_padding_alone_has_an_index_inside(layer, dtype, lowest):
    values, at = layer.max_pool1d(line(*range(5), dtype=dtype), 2, 20, 1, 20, True, True)
    assert values.item() == lowest
    assert values.dtype == dtype
    assert at.item() == 4


@LAYERS
@pytest.mark.parametrize(
    "length, options, wanted",
    [
        (5, {"kernel_size": 2, "ceil_mode": True}, [1, 3, 4]),
        (5, {"kernel_size": 2}, [1, 3]),
        (4, {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, [1, 3, 3]),
        # a window that would begin behind the input and its left padding is left out
        (3, {"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True}, [0, 2]),
        (5, {"kernel_size": 1, "stride": 4, "ceil_mode": True}, [0, 4]),
    ],
)
def test_the_last_window(layer, length, options, wanted):
    assert layer.max_pool1d(line(*range(length)), **options).ravel().tolist() == wanted


@LAYERS
def test_padding_is_at_most_half_of_the_kernel_whatever_the_dilation(layer):
    with pytest.raises(ValueError, match=r"padding\[0\] must be at most half of the kernel's size 3, got 2"):
        layer.max_pool1d(line(*range(12)), 3, 1, padding=2, dilation=3)
    assert layer.max_pool1d(line(*range(12)), 5, 1, padding=2, dilation=2).shape == (1, 1, 8)


def test_huge_parameters():
    x = line(1, 2, 3)
    assert up.max_pool1d(x, 2**40 + 1, 2**39, padding=2**39).ravel().tolist() == [3]
    assert up.max_pool1d(x, 1, 2**62, dilation=2**62).ravel().tolist() == [1]
    assert up.max_pool1d(x, 2, 2**63 - 1, padding=1).ravel().tolist() == [1]
    with pytest.raises(ValueError, match="kernel_size"):
        up.max_pool1d(x, 2, 1, dilation=2**62)


@pytest.mark.parametrize("low, high", [(-(2**63), 2**63 - 1), (0, 2**64 - 1)])
def test_64_bit_integers_are_exact(low, high):
    dtype = "uint64" if high >= 2**63 else "int64"
    x = np.array([low, high - 1, high, low], dtype).reshape(1, 1, 4)
    values, at = up.max_pool1d(x, 2, 1, return_indices=True)
    assert [int(value) for value in values.ravel()] == [high - 1, high, high]
    assert at.ravel().tolist() == [1, 2, 2]


BAD = [(-1, "int64"), (8, "int64"), (2**32, "int64"), (2**32 + 1, "uint64"), (2**63, "uint64"), (-(2**63), "int64"),
       (200, "uint8"), (-5, "int8")]  # fmt: skip


@LAYERS
@pytest.mark.parametrize("index, dtype", BAD)
def test_a_bad_index_is_named_with_its_position(layer, index, dtype):
    at = np.zeros((2, 1, 4), dtype)
    at[1, 0, 2] = index
    x, grad = np.ones((2, 1, 4)), np.ones((2, 1, 8))
    for call in (
        lambda: layer.max_unpool1d(x, at, 2),
        lambda: layer.max_unpool1d_backward(grad, at),
        lambda: layer.max_pool1d_backward(x, at, (8,)),
    ):
        with pytest.raises(ValueError, match=rf"indices must be from 0 to 7, got {index} at \(1, 0, 2\)"):
            call()


def test_out_is_untouched_by_a_bad_index_and_right_where_it_overlaps():
    x, at = line(5, 6), np.array([[[0, 3]]])
    out = np.full((1, 1, 4), 9, np.float32)
    with pytest.raises(ValueError, match="indices"):
        up.max_unpool1d(x, at + 1, 2, out=out)
    assert (out == 9).all()
    buffer = np.arange(8, dtype=np.float32).reshape(1, 1, 8)
    assert up.max_unpool1d(buffer[..., 1:3], at, 2, out=buffer[..., 1:5]).ravel().tolist() == [1, 0, 0, 2]
    whole = np.array([[[3, 1, 7, 7]]])
    assert up.max_unpool1d(np.array([[[8, 9]]]), whole[..., :2], 2, out=whole).ravel().tolist() == [0, 9, 0, 8]


@LAYERS
def test_the_last_of_equal_indices_wins_and_has_the_gradient(layer):
    at = np.array([[[2, 0, 2, 2, 5]]])
    assert layer.max_unpool1d(line(1, 2, 3, 4, 5), at, 2).ravel().tolist() == [2, 0, 4, 0, 0, 5, 0, 0, 0, 0]
    grad = np.arange(1.0, 11).reshape(1, 1, 10)
    assert layer.max_unpool1d_backward(grad, at).ravel().tolist() == [0, 1, 0, 3, 6]


@LAYERS
def test_overlapping_windows_add_their_gradients(layer):
    at = np.array([[[1, 1, 3]]])
    assert layer.max_pool1d_backward(line(1, 2, 4), at, (1, 1, 4)).ravel().tolist() == [0, 3, 0, 4]
    half = np.full((1, 1, 3), 1, np.float16)
    half[..., 0] = 2048  # 2048 + 1 + 1 in float16 steps would stay 2048
    assert layer.max_pool1d_backward(half, np.zeros((1, 1, 3), int), (2,)).ravel().tolist() == [2050, 0]


@LAYERS
def test_output_size_names_what_it_may_be(layer):
    x, at = np.ones((1, 2, 3, 3)), np.zeros((1, 2, 3, 3), int)
    for good in (5, 6, 7):
        assert layer.max_unpool2d(x, at, 2, output_size=(1, 2, good, 6)).shape == (1, 2, good, 6)
    for bad in (4, 8):
        with pytest.raises(ValueError, match=rf"output_size\[0\] must be from 5 to 7, got {bad}"):
            layer.max_unpool2d(x, at, 2, output_size=(bad, 6))


@pytest.mark.parametrize("dtype", ["bool", "complex128", "datetime64[s]", "i2,u1", "S5", "float32"])
@pytest.mark.parametrize("planes", [1, 5])
def test_threads_and_order_change_nothing(threads_forced, dtype, planes):
    rng = np.random.default_rng(planes)
    x = np.frombuffer(rng.integers(0, 2, np.dtype(dtype).itemsize * planes * 40, np.uint8).tobytes(), dtype)
    x = x.reshape(planes, 5, 8).transpose(0, 2, 1)  # channels-last
    at = rng.integers(0, 10, x.shape)
    wanted = reference.max_unpool1d(x, at, 2)
    back = reference.max_unpool1d_backward(wanted, at)
    for count in (1, 2, 3, 8):
        with up.num_threads(count):
            for order in (x, np.ascontiguousarray(x)):
                assert up.max_unpool1d(order, at, 2).tobytes() == wanted.tobytes()
            assert up.max_unpool1d_backward(wanted, at).tobytes() == back.tobytes()


@LAYERS
def test_unpooling_of_no_channels(layer):
    """Without a batch axis, PyTorch lets the channels be none; with one, it does not."""
    nothing = np.zeros((0, 2, 3))
    assert layer.max_unpool2d(nothing, nothing.astype(int), 2).shape == (0, 4, 6)
    with pytest.raises(ValueError, match="input must have no empty axis"):
        layer.max_unpool2d(nothing[None], nothing[None].astype(int), 2)


@pytest.mark.parametrize("wrong", [4, -1, 2**40, -(2**63)])
def test_kernels_pass_over_an_index_that_changed_after_it_was_checked(wrong):
    """Another thread may write to the indices while they are used."""
    at = np.array([[[1, wrong, 2]]])
    x, plane = np.array([[[5.0, 6.0, 7.0]]]), np.full((1, 1, 4), 9.0)
    items, planes = x[..., None].view(np.uint8), plane[..., None].view(np.uint8)
    _kernels.load("move", "bytes").put(items, at, planes, 1)
    np.testing.assert_array_equal(plane, [[[0, 5, 7, 0]]])
    sizes = np.array([1, 1, 3, 1, 1, 4])
    _kernels.load("move", "bytes").fetch(planes, at, items, sizes, 1)
    np.testing.assert_array_equal(x, [[[5, 0, 7]]])
    sums = np.zeros((1, 1, 4))
    _kernels.load("pool", "f64").add(np.array([[[5.0, 6.0, 7.0]]]), at, sums, 1)
    np.testing.assert_array_equal(sums, [[[0, 5, 7, 0]]])
