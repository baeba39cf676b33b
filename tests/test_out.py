"""`out=`: any strides, the right shape and dtype, and memory that is shared with an input or with itself."""

from __future__ import annotations

import contextlib

import bounds
import cases
import numpy as np
import pytest
from layouts import LAYOUTS, plain

import upsampling as up

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
