"""Plans of every operator: executed by the C table, they give the bits of the Python call."""

from __future__ import annotations

import ctypes
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bounds
import c_table
import cases
import fuzz_table
import numpy as np
import plan_calls
import pytest

import upsampling as up
from upsampling import kernels

TABLE = c_table.table()


def planned(call: plan_calls.Call, **fields: Any) -> Any:
    return kernels.plan(call.operator, call.operation, **(call.fields | fields))


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


def conv(**fields: Any) -> Any:
    given = {
        "in_channels": 4,
        "out_channels": 3,
        "input": (5, 6),
        "kernel": (3, 3),
        "stride": (2, 2),
        "padding": (1, 1),
    }
    return kernels.plan("conv_transpose", fields.pop("operation", "forward"), **(given | fields))


def conv_arrays(dtype: str = "float32") -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in ((1, 4, 5, 6), (4, 3, 3, 3), (3,)))
    return x, w, b, up.conv_transpose2d(x, w, b, stride=2, padding=1)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("last", [False, True])
def test_complex_gradients_are_pythons(dtype, last):
    rng = np.random.default_rng(0)
    x, w, g = (
        (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
        for shape in ((2, 4, 5, 6), (4, 3, 3, 3), (2, 3, 9, 11))
    )
    wanted = up.conv_transpose2d_backward(g, x, w, stride=2, padding=1)
    for operation, arrays, made in zip(
        ("backward", "backward_weight", "backward_bias"), ((g, w), (g, x), (g,)), wanted, strict=True
    ):
        plan, y = conv(operation=operation, batch=2, dtype=dtype, channels_last=last), np.zeros_like(made)
        assert c_table.execute(plan.address, *arrays, y) == 0, TABLE.last_error()
        bounds.same_bits(y, made)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_a_window_in_the_padding_alone_has_an_integer_s_least_value(dtype):
    x = np.arange(-18, 18).astype(dtype).reshape(1, 1, 6, 6)
    wanted = up.max_pool2d(x, 2, 1, 1, (7, 3), return_indices=True)
    plan = kernels.plan(
        "max_pool", input=(6, 6), kernel=(2, 2), stride=(1, 1), padding=(1, 1), dilation=(7, 3),
        dtype=dtype,
    )  # fmt: skip
    made = [np.zeros_like(array) for array in wanted]
    assert c_table.execute(plan.address, x, *made) == 0, TABLE.last_error()
    for got, array in zip(made, wanted, strict=True):
        bounds.same_bits(got, array)


def refused(plan: Any, *arrays: np.ndarray | None, **options: Any) -> str:
    assert c_table.execute(plan.address, *arrays, **options) == 3
    return TABLE.last_error().decode()


def test_wrong_arrays_are_refused_and_nothing_is_written():
    plan = conv(input=(25, 30))
    x, w, b, y = (np.full(shape, 7, np.float32) for shape in plan.shapes)
    assert "4 arrays, but 3" in refused(plan, x, w, y)
    assert "array 1 of 4 is NULL" in refused(plan, x, None, b, y)
    assert "array 0" in refused(plan, x[:, :, :4], w, b, y)
    inside = y.reshape(-1)[-3000:].reshape(x.shape)
    assert "array 3, which is written, shares memory with array 0" in refused(plan, inside, w, b, y)
    assert "scratch_size" in refused(plan, x, w, b, y, scratch=np.empty(16, np.uint8))
    assert TABLE.execute(None, None, 0, None, 0, None) == 3
    assert (y == 7).all()


def test_wrong_problems_are_refused_in_words():
    problem, plan = c_table.ConvTranspose(), ctypes.c_void_p()
    assert TABLE.plan_conv_transpose(None, 0, ctypes.byref(plan)) == 3
    problem.size, problem.rank, problem.dtype = ctypes.sizeof(problem), 2, 1
    assert TABLE.plan_conv_transpose(ctypes.byref(problem), 0, ctypes.byref(plan)) == 3
    assert b"groups must divide" in TABLE.last_error()
    problem.groups, problem.dtype = 1, 99
    assert TABLE.plan_conv_transpose(ctypes.byref(problem), 0, ctypes.byref(plan)) == 3
    assert b"dtype must be one of" in TABLE.last_error()
    assert TABLE.plan_conv_transpose(ctypes.byref(problem), 9, ctypes.byref(plan)) == 3
    assert b"operation must be one of" in TABLE.last_error()
    with pytest.raises(TypeError, match="no field 'colour'"):
        kernels.plan("resize", colour=1)
    with pytest.raises(ValueError, match="operator must be one of"):
        kernels.plan("sharpen")
    with pytest.raises(ValueError, match="operation of resize must be one of"):
        kernels.plan("resize", "backward")


def test_structures_make_the_plans_that_python_makes():
    x, w, b, wanted = conv_arrays("float64")
    problem, plan = c_table.ConvTranspose(), ctypes.c_void_p()
    problem.size, problem.rank, problem.dtype, problem.batch, problem.groups = ctypes.sizeof(problem), 2, 2, 1, 1
    problem.in_channels, problem.out_channels = 4, 3
    problem.input[:2], problem.kernel[:2] = (5, 6), (3, 3)
    problem.stride[:2], problem.padding[:2], problem.dilation[:2] = (2, 2), (1, 1), (1, 1)
    problem.weight, problem.bias = w.ctypes.data, b.ctypes.data
    assert TABLE.plan_conv_transpose(ctypes.byref(problem), 0, ctypes.byref(plan)) == 0, TABLE.last_error()
    shape = (ctypes.c_ssize_t * 5)()
    assert TABLE.plan_shape(plan, 1, shape) == 4
    assert tuple(shape[:4]) == wanted.shape
    assert TABLE.plan_shape(plan, 2, shape) == -1
    y, size = np.empty_like(wanted), ctypes.c_size_t()
    assert TABLE.scratch_size(plan, None, 0, ctypes.byref(size)) == 0
    scratch = np.empty(size.value, np.uint8)
    assert TABLE.execute_plain(plan, x.ctypes.data, y.ctypes.data, None, None, scratch.ctypes.data, size) == 0
    bounds.same_bits(y, wanted)
    TABLE.free_plan(plan)
    TABLE.free_plan(None)


def test_an_older_structure_has_defaults_for_what_it_lacks():
    problem, plan = c_table.Interpolate(), ctypes.c_void_p()
    problem.size = c_table.Interpolate.mode.offset  # compiled before mode was there
    problem.rank, problem.dtype, problem.batch, problem.channels = 2, 1, 1, 1
    problem.input[:2], problem.output[:2] = (2, 2), (4, 4)
    problem.mode = 99
    assert TABLE.plan_interpolate(ctypes.byref(problem), 0, ctypes.byref(plan)) == 0, TABLE.last_error()
    x, y = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2), np.empty((1, 1, 4, 4), np.float32)
    assert c_table.execute(plan, x, y) == 0
    bounds.same_bits(y, up.interpolate(x, size=4, mode="bilinear"))
    TABLE.free_plan(plan)


def test_a_size_that_ends_inside_of_a_pointer_leaves_it_out():
    problem, plan = c_table.ConvTranspose(), ctypes.c_void_p()
    problem.size, problem.rank, problem.dtype = c_table.ConvTranspose.weight.offset, 2, 1
    problem.batch = problem.groups = 1
    problem.in_channels = problem.out_channels = 1
    for name in ("input", "kernel", "stride", "dilation"):
        getattr(problem, name)[:] = (1, 1, 1)
    problem.weight = 0x12345678
    problem.size += 3
    assert TABLE.plan_conv_transpose(ctypes.byref(problem), 0, ctypes.byref(plan)) == 0, TABLE.last_error()
    assert TABLE.plan_shape(plan, 3, (ctypes.c_ssize_t * 5)()) == 4  # the weight is among the arrays
    TABLE.free_plan(plan)
    problem, plan = c_table.Resize(), ctypes.c_void_p()
    problem.size, problem.dtype = ctypes.sizeof(problem), -(2**31)
    assert TABLE.plan_resize(ctypes.byref(problem), 0, ctypes.byref(plan)) in (2, 3)


@pytest.mark.parametrize("operation", ["forward", "backward"])
def test_a_position_outside_is_found_before_anything_is_written(operation):
    plan = kernels.plan("max_unpool", operation, channels=2, input=(2, 2), output=(4, 4))
    arrays = [np.zeros(shape, np.float32) for shape in ((1, 2, 2, 2), (1, 2, 4, 4))]
    source, target = arrays if operation == "forward" else arrays[::-1]
    target[...] = 7
    for wrong in (-1, 16, 2**40):
        at = np.zeros((1, 2, 2, 2), np.int64)
        at[0, 1, 1, 1] = wrong
        assert c_table.execute(plan.address, source, at, target) == 1
        assert c_table.execute(plan.address, source, strange(at), target) == 1
    assert (target == 7).all()


def test_a_flag_ends_an_execution():
    plan = conv(input=(200, 200), threads=2)
    x, w, b, y = (np.zeros(shape, np.float32) for shape in plan.shapes)
    flag = ctypes.c_int(1)
    assert TABLE.execute(plan.address, c_table.arrays([x, w, b, y]), 4, None, 0, ctypes.byref(flag)) == 4
    flag.value = 0
    assert TABLE.execute(plan.address, c_table.arrays([x, w, b, y]), 4, None, 0, ctypes.byref(flag)) == 0


def test_one_plan_in_eight_threads():
    plan = conv(threads=2)
    x, w, b, wanted = conv_arrays()

    def work(number: int) -> bool:
        y = np.empty_like(wanted)
        scratch = np.empty(plan.scratch_size, np.uint8)
        for i in range(300):
            y[...] = 0
            status = c_table.execute(plan.address, x, w, b, y, scratch=scratch if i % 2 else None)
            if status or not np.array_equal(y, wanted):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_plans_are_freed():
    def alive() -> int:
        gc.collect()
        return sum(type(item) is kernels.Program for item in gc.get_objects())  # isinstance would ask proxies

    before = alive()
    kept = [conv(weight=np.ones((4, 3, 3, 3), np.float32)) for _ in range(5)]
    problem, plan = c_table.PixelShuffle(), ctypes.c_void_p()
    problem.size, problem.dtype, problem.batch, problem.channels = ctypes.sizeof(problem), 1, 1, 4
    problem.height, problem.width, problem.factor = 2, 2, 2
    assert TABLE.plan_pixel_shuffle(ctypes.byref(problem), 0, ctypes.byref(plan)) == 0, TABLE.last_error()
    assert alive() == before + 6
    TABLE.free_plan(plan)
    kept.clear()
    assert alive() == before


@pytest.mark.parametrize("seed", range(3))
def test_random_arguments_end_in_a_status(seed):
    done = fuzz_table.run(1.5, seed)
    assert done.executed > 10
