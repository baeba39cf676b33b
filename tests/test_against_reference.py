"""The compiled functions against the reference layer: every case, dtype and memory layout."""

from __future__ import annotations

import bounds
import cases
import numpy as np
import pytest
from layouts import LAYOUTS, plain

import upsampling as up


def dtype_or_skip(name: str) -> np.dtype:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return cases.dtype_of(name)


def compare(case: cases.Case, arguments: dict, results: list[np.ndarray]) -> None:
    """Assert that `results` are the reference's: its bits where nothing is rounded, else within the bound."""
    from upsampling import reference

    first = next(iter(arguments.values())).dtype
    call = getattr(reference, case.function)
    if cases.exact(case) or (first.kind in "iubMV" and first.name != "bfloat16"):
        wanted = bounds.outputs(call(**arguments))
        assert len(results) == len(wanted)
        for got, exact in zip(results, wanted, strict=True):
            bounds.same_bits(got, exact, case.id)
        return
    wanted = bounds.outputs(call(**arguments, dtype=bounds.wide(first)))
    allowed = bounds.tolerances(case, arguments, wanted, reference)
    assert len(results) == len(wanted)
    for got, exact, bound in zip(results, wanted, allowed, strict=True):
        assert got.dtype == first.newbyteorder("=")
        bounds.check(got, exact, bound, case.id)


@pytest.mark.parametrize("case, dtype", cases.with_dtypes(), ids=cases.label)
def test_fast_is_reference(case, dtype):
    dtype_or_skip(dtype)
    arguments = cases.arguments(case, dtype)
    kept = {name: plain(value) for name, value in arguments.items() if isinstance(value, np.ndarray)}
    results = bounds.outputs(getattr(up, case.function)(**arguments))
    for name, value in kept.items():
        bounds.same_bits(arguments[name], value, f"{name} was changed")
    compare(case, arguments, results)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "C"])
@pytest.mark.parametrize("case", cases.CASES, ids=cases.label)
def test_layouts_give_the_same_bits(case, layout):
    """Views with any strides give what a plain copy of them gives, and are left as they were."""
    arguments = {
        name: LAYOUTS[layout](value) if isinstance(value, np.ndarray) and name != "indices" else value
        for name, value in cases.arguments(case).items()
    }
    copies = {name: plain(value) if isinstance(value, np.ndarray) else value for name, value in arguments.items()}
    call = getattr(up, case.function)
    results, wanted = bounds.outputs(call(**arguments)), bounds.outputs(call(**copies))
    for got, expected in zip(results, wanted, strict=True):
        bounds.same_bits(got, expected, layout)
    for name in case.shapes:
        bounds.same_bits(arguments[name], copies[name], f"{name} was changed")


LAYOUT_DTYPES = ("float16", "bfloat16", "uint8", "int16", "complex64", "bool", "i2,u1")


@pytest.mark.parametrize(
    "case, dtype",
    [(case, dtype) for case, dtype in cases.with_dtypes() if dtype in LAYOUT_DTYPES],
    ids=cases.label,
)
def test_layouts_of_other_dtypes_give_the_same_bits(case, dtype):
    dtype_or_skip(dtype)
    arguments = cases.arguments(case, dtype)
    call = getattr(up, case.function)
    for layout in ("channels_last", "negative", "swapped", "unaligned"):
        views = {
            name: LAYOUTS[layout](value) if isinstance(value, np.ndarray) else value
            for name, value in arguments.items()
        }
        for got, wanted in zip(bounds.outputs(call(**views)), bounds.outputs(call(**arguments)), strict=True):
            bounds.same_bits(got, wanted, layout)


@pytest.mark.parametrize("name", ["conv_transpose2d", "max_unpool2d", "interpolate", "max_pool2d"])
def test_channels_last_input_gives_channels_last_output(name):
    case = next(
        case
        for case in cases.CASES
        if case.function == name and len(case.shapes["input"]) == 4 and 0 not in case.shapes["input"]
    )
    arguments = cases.arguments(case)
    arguments["input"] = LAYOUTS["channels_last"](arguments["input"])
    result = bounds.outputs(getattr(up, name)(**arguments))[0]
    assert np.moveaxis(result, 1, -1).flags.c_contiguous
    assert min(result.shape[1:]) > 1, "the case does not tell the two orders apart"


@pytest.mark.parametrize("shape", [(2, 1, 5, 4), (2, 3, 1, 1), (1, 1, 1, 3)])
def test_strides_tell_the_order_of_one_channel_and_of_one_position(shape):
    """An (N, H, W, C) buffer that is in C order as well: as PyTorch, we go by the strides, in repeated calls too."""
    batch, channels, *space = shape
    plain = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    last = np.moveaxis(np.empty((batch, *space, channels), np.float32), -1, 1)
    last[...] = plain
    weight, indices = np.ones((channels, 5, 2, 2), np.float32), np.zeros(shape, np.int64)
    calls = (
        lambda x: up.conv_transpose2d(x, weight, stride=2),
        lambda x: up.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: up.max_unpool2d(x, indices, 2),
    )
    for call in calls:
        for x in (plain, last, plain, last):
            result = call(x)
            in_order = np.empty(result.shape, np.float32)
            if x is last:
                in_order = np.moveaxis(np.empty((*result.shape[:1], *result.shape[2:], result.shape[1])), -1, 1)
            strides = np.array(in_order.strides) // in_order.itemsize
            assert (np.array(result.strides) // 4).tolist() == strides.tolist()
