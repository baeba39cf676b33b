"""Properties that hold for every shape and parameter, which Hypothesis draws.

The profile `ci` (HYPOTHESIS_PROFILE=ci) tries more examples.
"""

from __future__ import annotations

from typing import Any

import bounds
import cases
import numpy as np
import pytest

import upsampling as up
from upsampling import reference

pytest.importorskip("hypothesis")
from configurations import FAMILIES, configuration
from hypothesis import given
from hypothesis import strategies as st

seeds = st.integers(0, 2**32 - 1)
extents = st.integers(1, 12)


def array(seed: int, *shape: int, dtype: Any = np.float64) -> np.ndarray:
    return cases.values(np.random.default_rng(seed), shape, np.dtype(dtype))


@given(st.sampled_from(sorted(FAMILIES)), seeds)
def test_any_call_is_the_references(family, seed):
    case = configuration(family, seed)
    arguments = cases.arguments(case, case.dtypes[0])
    results = bounds.outputs(getattr(up, case.function)(**arguments))
    call = getattr(reference, case.function)
    first = next(iter(arguments.values())).dtype
    if cases.exact(case) or first.kind in "iu":
        for got, wanted in zip(results, bounds.outputs(call(**arguments)), strict=True):
            bounds.same_bits(got, wanted)
        return
    wanted = bounds.outputs(call(**arguments, dtype=np.float64))
    for got, one, bound in zip(results, wanted, bounds.tolerances(case, arguments, wanted, reference), strict=True):
        bounds.check(got, one, bound)


@given(st.sampled_from(["bilinear", "bicubic", "area", "nearest"]), st.lists(extents, min_size=4, max_size=4))
def test_a_constant_stays_constant(mode, sizes):
    height, width, *size = sizes
    result = up.interpolate(np.full((1, 1, height, width), 3.0), size=tuple(size), mode=mode)
    assert result.shape == (1, 1, *size)
    np.testing.assert_allclose(result, 3.0, rtol=64 * np.finfo(np.float64).eps)


@given(st.sampled_from(["nearest", "nearest-exact", "bilinear", "bicubic", "area"]), extents, extents, seeds)
def test_the_same_size_changes_nothing(mode, height, width, seed):
    x = array(seed, 1, 2, height, width)
    bounds.same_bits(up.interpolate(x, size=(height, width), mode=mode), x)


@given(st.sampled_from(["uint8", "int8", "uint16", "int16"]), st.lists(extents, min_size=4, max_size=4), seeds)
def test_linear_pictures_stay_in_the_range_of_their_input(dtype, sizes, seed):
    height, width, *size = sizes
    image = array(seed, height, width, dtype=dtype)
    result = up.resize(image, size=tuple(size), mode="bilinear")
    assert image.min() <= result.min()
    assert result.max() <= image.max()


@given(st.integers(1, 4), extents, extents, seeds)
def test_shuffle_and_unshuffle_are_inverse(factor, height, width, seed):
    x = array(seed, 2, 3 * factor**2, height, width)
    bounds.same_bits(up.pixel_unshuffle(up.pixel_shuffle(x, factor), factor), x)


@given(st.integers(1, 4), extents, extents, seeds)
def test_pooling_what_was_unpooled_gives_it_back(kernel, height, width, seed):
    x = np.abs(array(seed, 1, 2, height * kernel, width * kernel)) + 1
    values, indices = up.max_pool2d(x, kernel, return_indices=True)
    again, places = up.max_pool2d(up.max_unpool2d(values, indices, kernel), kernel, return_indices=True)
    bounds.same_bits(again, values)
    bounds.same_bits(places, indices)


@given(st.integers(1, 4), st.integers(1, 4), extents, seeds)
def test_a_transposed_convolution_is_linear_in_its_input(kernel, stride, extent, seed):
    x, weight = array(seed, 1, 2, extent), array(seed + 1, 2, 3, kernel)
    bounds.same_bits(
        up.conv_transpose1d(2 * x, weight, stride=stride), 2 * up.conv_transpose1d(x, weight, stride=stride)
    )


@given(st.sampled_from(sorted(FAMILIES)), seeds)
def test_result_shapes(family, seed):
    """The sizes of a result are those of the definition."""
    case = configuration(family, seed)
    arguments = cases.arguments(case, case.dtypes[0])
    shape = bounds.outputs(getattr(up, case.function)(**arguments))[0].shape
    if case.function.startswith("conv_transpose"):
        assert shape == cases.transposed_shape(case)
    elif case.function == "interpolate":
        assert shape == (*case.shapes["input"][:2], *cases.resampled_space(case))
    elif case.function.startswith("max_unpool"):
        assert shape == (*case.shapes["input"][: -case.rank], *case.plane)
