"""The case table is complete and sound."""

from __future__ import annotations

import cases
import numpy as np
import pytest

import upsampling as up


def test_every_public_function_has_a_row():
    public = {name for name in up.__all__ if callable(getattr(up, name))} - cases.NOT_OPERATORS
    assert public == {case.function for case in cases.CASES}


def test_ids_are_different():
    ids = [case.id for case in cases.CASES]
    assert sorted(set(ids)) == sorted(ids)


def test_every_documented_dtype_has_a_row_for_each_kind_of_operator():
    tried: dict[str, set[str]] = {}
    for case, dtype in cases.with_dtypes():
        tried.setdefault(case.function, set()).add(dtype)
    for function, dtypes in tried.items():
        assert dtypes >= set(cases.FLOATS), function
    assert tried["conv_transpose2d"] >= {*cases.COMPLEX, *cases.INTEGERS}
    assert tried["max_pool2d"] >= set(cases.INTEGERS)
    assert tried["interpolate"] >= set(cases.MOVED)
    assert tried["resize"] >= set(cases.PICTURES)


@pytest.mark.parametrize("case", cases.CASES[::25], ids=cases.label)
def test_arguments_are_repeatable_and_seeded(case):
    first, again, other = (cases.arguments(case, seed=seed) for seed in (0, 0, 1))
    for name, shape in case.shapes.items():
        assert first[name].shape == shape
        np.testing.assert_array_equal(first[name], again[name])
        if first[name].size > 20:
            assert not np.array_equal(first[name], other[name])
