"""`out=`: any strides, the right shape and dtype, and memory that is shared with an input or with itself."""

from __future__ import annotations

import contextlib

import bounds
import cases
import numpy as np
import pytest
from layouts import LAYOUTS, plain

import upsampling as up
from upsampling import reference

TAKES_OUT = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "max_unpool1d", "max_unpool2d", "max_unpool3d")
TAKES_OUT = (*TAKES_OUT, "interpolate", "resize")
TABLE = [case for case in cases.CASES if case.function in TAKES_OUT]
WRITEABLE = ("C", "channels_last", "fortran", "negative", "swapped", "unaligned", "sliced", "batch_reversed")


def first_case(function: str) -> cases.Case:
    return next(case for case in TABLE if case.function == function and 0 not in next(iter(case.shapes.values())))


each_function = pytest.mark.parametrize("function", TAKES_OUT)


@pytest.mark.parametrize("case", TABLE, ids=cases.label)
def test_any_strides(case):
    given = cases.arguments(case)
    call = getattr(up, case.function)
    wanted = call(**given)
    for layout in WRITEABLE:
        out = LAYOUTS[layout](np.full_like(plain(wanted), 77))
        assert call(**given, out=out) is out
        bounds.same_bits(out, wanted, layout)


@each_function
@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_other_dtypes(function, dtype):
    case = next(case for case in TABLE if case.function == function and dtype in case.dtypes)
    given = cases.arguments(case, dtype)
    call = getattr(up, function)
    wanted = call(**given)
    for layout in ("C", "channels_last", "negative"):
        out = LAYOUTS[layout](np.zeros_like(plain(wanted)))
        call(**given, out=out)
        bounds.same_bits(out, wanted, layout)


@each_function
def test_only_the_view_is_written(function):
    given = cases.arguments(first_case(function))
    call = getattr(up, function)
    wanted = call(**given)
    larger = np.full(tuple(n + 2 for n in wanted.shape), 5, wanted.dtype)
    inside = (slice(1, -1),) * wanted.ndim
    call(**given, out=larger[inside])
    bounds.same_bits(larger[inside], wanted)
    larger[inside] = 5
    assert (larger == 5).all()


@each_function
@pytest.mark.parametrize("change", ["longer", "shorter", "rank"])
def test_wrong_shape(function, change):
    given = cases.arguments(first_case(function))
    call = getattr(up, function)
    shape = call(**given).shape
    shape = {"longer": (*shape[:-1], shape[-1] + 1), "shorter": (*shape[:-1], shape[-1] - 1), "rank": (1, *shape)}[
        change
    ]
    out = np.full(shape, 3, np.float32)
    with pytest.raises(ValueError, match="out must have shape"):
        call(**given, out=out)
    assert (out == 3).all()


@each_function
@pytest.mark.parametrize("wrong", ["float64", "int32", "list", "read_only", "zero_stride", "overlapping"])
def test_what_cannot_be_written(function, wrong):
    given = cases.arguments(first_case(function))
    call = getattr(up, function)
    result = call(**given)
    size = result.size
    memory = np.full(size, 3, np.float32)
    if wrong == "list":
        out, error, match = memory.reshape(result.shape).tolist(), TypeError, "out must be an ndarray"
    elif wrong == "read_only":
        out, error, match = memory.reshape(result.shape), ValueError, "writeable"
        out.flags.writeable = False
    elif wrong == "zero_stride":
        out = np.lib.stride_tricks.as_strided(memory, result.shape, (0,) * (result.ndim - 1) + (4,))
        error, match = ValueError, "overlap"
    elif wrong == "overlapping":
        out = np.lib.stride_tricks.as_strided(memory, result.shape, (4,) * result.ndim)
        error, match = ValueError, "overlap"
    else:
        out, error, match = memory.reshape(result.shape).astype(wrong), TypeError, "out must have dtype"
    with pytest.raises(error, match=match):
        call(**given, out=out)
    assert (memory == 3).all()
    if isinstance(out, np.ndarray):
        assert (out == 3).all()


@each_function
@pytest.mark.parametrize("offset", [0, 1, 7])
@pytest.mark.parametrize("argument", ["input", "weight", "bias", "image"])
def test_memory_shared_with_an_input(function, argument, offset):
    """The result is that of separate memory, or the call is refused and has written nothing."""
    case = first_case(function)
    if argument not in case.shapes:
        pytest.skip("the function has no such argument")
    given = cases.arguments(case)
    call = getattr(up, function)
    wanted = call(**given)
    value = given[argument]
    memory = np.zeros(offset + max(wanted.size, value.size) + 8, np.float32)
    given[argument] = memory[offset : offset + value.size].reshape(value.shape)
    given[argument][...] = value
    before = memory.copy()
    out = memory[: wanted.size].reshape(wanted.shape)
    try:
        call(**given, out=out)
    except ValueError:
        bounds.same_bits(memory, before)
    else:
        bounds.same_bits(out, wanted)


@pytest.mark.parametrize("rank", cases.RANKS)
def test_indices_that_share_memory_with_out(rank):
    case = first_case(f"max_unpool{rank}d")
    given = cases.arguments(case, "int64")
    call = getattr(up, case.function)
    wanted = call(**given)
    memory = np.zeros(wanted.size, np.int64)
    indices = memory[: given["indices"].size].reshape(given["indices"].shape)
    indices[...] = given["indices"]
    before = memory.copy()
    out = memory.reshape(wanted.shape)
    try:
        call(**given | {"indices": indices}, out=out)
    except ValueError:
        bounds.same_bits(memory, before)
    else:
        bounds.same_bits(out, wanted)


def test_resampling_in_place_at_the_same_size():
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    wanted = up.resize(image, size=(8, 9))
    with contextlib.suppress(ValueError):
        up.resize(image, size=(8, 9), out=image)
    bounds.same_bits(image, wanted)


def test_elements_between_each_other_are_no_overlap():
    """Rows of three that begin 3 apart, of elements 2 apart: addresses 0 2 4, 3 5 7."""
    wanted = up.resize(np.eye(4), (2, 3))
    memory = np.zeros(8)
    out = np.lib.stride_tricks.as_strided(memory, (2, 3), (24, 16))
    assert up.resize(np.eye(4), (2, 3), out=out) is out
    np.testing.assert_array_equal(memory[[0, 2, 4, 3, 5, 7]], wanted.ravel())
    for strides in ((8, 8), (0, 8), (24, 12)):
        out = np.lib.stride_tricks.as_strided(memory, (2, 3), strides)
        with pytest.raises(ValueError, match="overlap itself"):
            up.resize(np.eye(4), (2, 3), out=out)


@pytest.mark.parametrize("layer", [up, reference], ids=["fast", "reference"])
def test_subclasses_are_written_to(layer):
    x, indices = np.arange(6.0).reshape(2, 3), np.array([[0, 2, 4], [1, 3, 5]])
    calls = [
        lambda **given: layer.max_unpool1d(x, indices, 2, **given),
        lambda **given: layer.conv_transpose1d(x, np.ones((2, 2, 2)), **given),
        lambda **given: layer.resize(x, (4, 3), **given),
    ]
    for call in calls:
        wanted = call()
        for out in (np.zeros(wanted.shape).view(np.matrix), np.ma.masked_array(np.zeros(wanted.shape), wanted > 1)):
            assert call(out=out) is out
            np.testing.assert_array_equal(out.view(np.ndarray), wanted)


@pytest.mark.parametrize("layer", [up, reference], ids=["fast", "reference"])
@pytest.mark.parametrize("function", ["max_unpool2d", "interpolate", "resize", "conv_transpose2d"])
def test_both_layers_check_out(layer, function):
    given = cases.arguments(first_case(function))
    call = getattr(layer, function)
    wanted = call(**given)
    out = np.full_like(wanted, 7)
    assert call(**given, out=out) is out
    bounds.same_bits(out, wanted)
    flat = np.zeros((1, *wanted.shape), wanted.dtype)
    overlapping = np.broadcast_to(wanted[..., :1], wanted.shape).copy()
    overlapping = np.lib.stride_tricks.as_strided(overlapping, wanted.shape, (0,) * wanted.ndim)
    for wrong, error in (([1.0], TypeError), (out.astype(np.int32), TypeError), (flat, ValueError),
                         (overlapping, ValueError)):  # fmt: skip
        with pytest.raises(error, match="out must"):
            call(**given, out=wrong)


def test_unbatched_out_has_no_batch_axis():
    x, indices = np.ones((2, 2, 2)), np.arange(4).reshape(1, 2, 2) + np.zeros((2, 1, 1), int)
    for out in (np.zeros((1, 2, 4, 4)), np.zeros((4, 4)), np.zeros((2, 4, 5))):
        with pytest.raises(ValueError, match=r"out must have shape \(2, 4, 4\), got"):
            up.max_unpool2d(x, indices, 2, out=out)
        with pytest.raises(ValueError, match=r"out must have shape \(2, 4, 4\), got"):
            up.conv_transpose2d(x, np.ones((2, 2, 3, 3)), out=out)
