"""Plans of every operator: executed by the C table, they give the bits of the Python call."""

from __future__ import annotations

from typing import Any

import bounds
import c_table
import cases
import numpy as np
import plan_calls
import pytest

from upsampling import kernels

TABLE = c_table.table()
# What plans refuse, with a message; Python does it.
REFUSED = {"complex": "got a complex one", "dilation": "dilation must be 1 for integers"}


def planned(call: plan_calls.Call, **fields: Any) -> Any:
    try:
        return kernels.plan(call.operator, call.operation, **(call.fields | fields))
    except (TypeError, ValueError) as error:
        if any(text in str(error) for text in REFUSED.values()):
            pytest.skip(str(error))
        raise


def strange(array: np.ndarray) -> np.ndarray:
    """The same values, backwards in memory and apart from each other."""
    room = np.zeros([2 * n for n in array.shape], array.dtype)
    view = room[tuple(slice(None, None, -2) for _ in array.shape)]
    view[...] = array
    return view


def last(array: np.ndarray) -> np.ndarray:
    """The same values in channels-last order."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def check(plan: Any, call: plan_calls.Call, order: Any = np.array, scratch: bool = False) -> None:
    read = [None if array is None else order(array) for array in call.read]
    written = [order(np.zeros_like(array)) for array in call.wanted]
    room = np.empty(plan.scratch_size, np.uint8) if scratch else None
    status = c_table.execute(plan.address, *read, *written, scratch=room)
    assert status == 0, TABLE.last_error()
    for got, wanted in zip(written, call.wanted, strict=True):
        bounds.same_bits(got, wanted)


def viewed(call: plan_calls.Call) -> plan_calls.Call:
    """Items of types that plans do not know, as items of so many bytes."""
    if isinstance(call.fields["dtype"], int):
        kind = np.dtype(f"V{call.fields['dtype']}")
        place = [array.view(kind) if array is not None and array.dtype != np.int64 else array for array in call.read]
        wanted = [array.view(kind) if array.dtype.itemsize == kind.itemsize else array for array in call.wanted]
        return plan_calls.Call(call.operator, call.operation, call.fields, place, wanted)
    return call


@pytest.mark.parametrize("case, dtype", cases.with_dtypes(), ids=cases.label)
def test_plan_gives_the_bits_of_python(case, dtype):
    if dtype in ("bfloat16",):
        pytest.importorskip("ml_dtypes")
    for call in plan_calls.calls(case, cases.arguments(case, dtype)):
        if np.dtype(cases.dtype_of(dtype)).kind == "c" and call.operator == "conv_transpose":
            pytest.skip("plans do not compute with complex numbers")
        call = viewed(call)
        plan = planned(call)
        assert plan.shapes == [*(plan.shapes[i] if a is None else a.shape for i, a in enumerate(call.read)),
                               *(a.shape for a in call.wanted)]  # fmt: skip
        check(plan, call)
        check(plan, call, scratch=True)
        if case.rank == 2 or dtype == case.dtypes[0]:
            check(plan, call, strange)


@pytest.mark.parametrize("case", [case for case in cases.CASES if case.function != "resize"], ids=cases.label)
@pytest.mark.parametrize("threads", [1, 3])
def test_channels_last_and_threads(case, threads, threads_forced):
    for call in plan_calls.calls(case, cases.arguments(case)):
        if case.shapes and min(array.ndim for array in (*call.read, *call.wanted) if array is not None) < 3:
            continue
        call = viewed(call)
        spatial = [i for i, array in enumerate(call.read) if array is not None and array.ndim < 3]
        if spatial or call.operation == "backward_weight":
            continue
        plan = planned(call, channels_last=True, threads=threads)
        # A weight is in C order whatever the order of pictures is: `execute` copies what is not as planned.
        check(plan, call, last)
        check(plan, call)
