"""Transposed convolution beyond the case table: its matrix, non-finite operands, huge parameters, accuracy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import upsampling as up
from upsampling import reference

NAN, INF = np.nan, np.inf


def test_the_matrix_of_a_small_convolution():
    """A 4x4 input as 16 numbers and a 2x2 output as 4: C·x forward, Cᵀ·y transposed."""
    kernel = np.arange(1.0, 10).reshape(1, 1, 3, 3)
    matrix = reference.conv_matrix(kernel, (4, 4))
    assert matrix.shape == (4, 16)
    picture = np.random.default_rng(0).standard_normal((4, 4))
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3))
    np.testing.assert_allclose(
        matrix @ picture.ravel(), np.sum(windows * kernel[0, 0], axis=(2, 3)).ravel(), rtol=1e-12
    )
    y = np.arange(4.0).reshape(1, 1, 2, 2)
    np.testing.assert_allclose(matrix.T @ y.ravel(), up.conv_transpose2d(y, kernel).ravel(), rtol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_matrix_gives_forward_and_both_gradients(rank):
    rng = np.random.default_rng(rank)
    for groups, (stride, padding, dilation) in itertools.product((1, 2), ((1, 0, 1), (2, 1, 1), (3, 1, 2))):
        weight = rng.standard_normal((2 * groups, 3, *(3, 2, 2)[:rank]))
        size = (7, 6, 5)[:rank]
        matrix = reference.conv_matrix(weight, size, stride, padding, dilation, groups)
        space = [
            (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1
            for n, k in zip(size, weight.shape[2:], strict=True)
        ]
        y = rng.standard_normal((1, 2 * groups, *space))
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        extra = [
            n - ((o - 1) * stride - 2 * padding + dilation * (k - 1) + 1)
            for n, o, k in zip(size, space, weight.shape[2:], strict=True)
        ]
        result = getattr(up, f"conv_transpose{rank}d")(y, weight, output_padding=extra, **options)
        np.testing.assert_allclose(result.ravel(), matrix.T @ y.ravel(), rtol=1e-11, atol=1e-12)
        g = rng.standard_normal(result.shape)
        backward = getattr(up, f"conv_transpose{rank}d_backward")
        grad_input, _, _ = backward(g, y, weight, output_padding=extra, **options)
        np.testing.assert_allclose(grad_input.ravel(), matrix @ g.ravel(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64"])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_non_finite_weight_meets_no_padding(dtype, value):
    """The value reaches the outputs whose sum holds it, and no other."""
    x = np.ones((1, 1, 3), dtype)
    for at, (stride, padding) in itertools.product(range(3), ((1, 0), (2, 0), (1, 1), (4, 1))):
        weight = np.ones((1, 1, 3), dtype)
        weight[0, 0, at] = value
        result = up.conv_transpose1d(x, weight, stride=stride, padding=padding)[0, 0]
        reached = {i * stride + at - padding for i in range(3)}
        assert [o for o in range(len(result)) if not np.isfinite(result[o])] == sorted(
            reached & set(range(len(result)))
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_non_finite_operands_of_the_gradients(dtype):
    rng = np.random.default_rng(0)
    for name, value in itertools.product(("grad_output", "input", "weight"), (NAN, INF)):
        given = {
            "input": rng.standard_normal((1, 2, 4, 3)).astype(dtype),
            "weight": rng.standard_normal((2, 3, 3, 3)).astype(dtype),
        }
        given["grad_output"] = rng.standard_normal((1, 3, 7, 5)).astype(dtype)
        given[name][0, 0, 0, 1] = value
        options = {"stride": 2, "padding": 1}
        got = up.conv_transpose2d_backward(**given, **options)
        for found, wanted in zip(got, reference.conv_transpose2d_backward(**given, **options), strict=True):
            np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
            finite = np.isfinite(wanted)
            np.testing.assert_allclose(found[finite], wanted[finite], rtol=1e-4, atol=1e-5)


def test_huge_strides_with_small_results():
    """No work and no memory is spent on phases that own no output."""
    x, weight = np.ones((1, 1, 1, 1)), np.arange(1.0, 5).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(up.conv_transpose2d(x, weight, stride=2**40), weight)
    for stride in (2**31, 2**40, 2**62):
        y = up.conv_transpose1d(np.ones((1, 1, 1)), np.ones((1, 1, 3)), stride=stride, output_padding=2)
        np.testing.assert_array_equal(y, [[[1, 1, 1, 0, 0]]])
        backward = up.conv_transpose1d_backward(
            y, np.ones((1, 1, 1)), np.ones((1, 1, 3)), stride=stride, output_padding=2
        )
        np.testing.assert_array_equal(backward[0], [[[3]]])


def test_huge_padding_crops_huge_dilation():
    y = up.conv_transpose1d(np.ones((1, 1, 3)), np.ones((1, 1, 3)), dilation=2**40, padding=2**40)
    np.testing.assert_array_equal(y, [[[1, 1, 1]]])


def test_sizes_beyond_what_can_be_had():
    x, weight = np.ones((1, 1, 4)), np.ones((1, 1, 3))
    with pytest.raises(ValueError, match=r"stride.* on axis 0"):
        up.conv_transpose1d(x, weight, stride=2**62)
    with pytest.raises(MemoryError):
        up.conv_transpose1d(x, weight, stride=2**60)
    with pytest.raises(ValueError, match="stride"):
        up.conv_transpose1d(x, weight, stride=2**63)


def test_output_size_names_the_valid_sizes():
    x, weight = np.ones((1, 2, 4, 4)), np.ones((2, 3, 3, 3))
    options = {"stride": 2, "padding": 1}
    for size in ((7, 8), (1, 3, 7, 8)):
        assert up.conv_transpose2d(x, weight, output_size=size, **options).shape == (1, 3, 7, 8)
    assert up.conv_transpose2d(x[0], weight, output_size=(3, 7, 8), **options).shape == (3, 7, 8)
    with pytest.raises(ValueError, match=r"output_size.* from 7 to 8"):
        up.conv_transpose2d(x, weight, output_size=(7, 9), **options)
    with pytest.raises(ValueError, match=r"output_size.* from 8 to 8"):
        up.conv_transpose2d(x, weight, output_size=(9, 8), padding=1, dilation=3)
    with pytest.raises(ValueError, match="output_size"):
        up.conv_transpose2d(x, weight, output_size=(3, 7, 8), **options)
    assert up.conv_transpose2d(x, weight, output_size=(7, 7), output_padding=1, **options).shape == (1, 3, 7, 7)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_integers_wrap(dtype):
    rng = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    x, weight = (rng.integers(limits.min, limits.max, shape, dtype, endpoint=True) for shape in ((2, 3, 5), (3, 2, 4)))
    wide = up.conv_transpose1d(x.astype(object).astype(np.uint64) if dtype == "uint64" else x.astype("int64"),
                               weight.astype("uint64" if dtype == "uint64" else "int64"), stride=2)  # fmt: skip
    np.testing.assert_array_equal(up.conv_transpose1d(x, weight, stride=2), wide.astype(dtype))
    with pytest.raises(TypeError, match="float32"):
        up.conv_transpose1d_backward(np.ones((2, 2, 12), dtype), x, weight, stride=2)


def test_bool_is_refused():
    with pytest.raises(TypeError, match="bool"):
        up.conv_transpose1d(np.ones((1, 1, 2), bool), np.ones((1, 1, 2), bool))


@pytest.mark.parametrize("channels", [64, 1024])
@pytest.mark.parametrize("kernel, stride", [(3, 1), (4, 2)])
def test_accuracy_with_many_channels(channels, kernel, stride):
    """Blocked sums: the error stays near one rounding, where one long chain would be several times off."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, channels, 5, 5)).astype(np.float32)
    weight = rng.standard_normal((channels, 4, kernel, kernel)).astype(np.float32)
    exact = reference.conv_transpose2d(x, weight, stride=stride, dtype=np.float64)
    error = up.conv_transpose2d(x, weight, stride=stride) - exact
    assert np.sqrt(np.mean(error**2) / np.mean(exact**2)) < 4e-7


def test_minimal_filtering_wants_a_flag():
    up.set_minimal_filtering(False)
    up.set_minimal_filtering(True)
    with pytest.raises(TypeError, match="on must be True or False"):
        up.set_minimal_filtering(1)
