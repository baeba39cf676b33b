"""Call one function with every hostile value for every argument; run by test_hostile.py in a process of its own.

usage: hostile_calls.py FUNCTION, one of the case table's or of OTHERS. Prints a line for each call that ended wrongly,
then the number of calls.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import bounds
import cases
import numpy as np

import upsampling as up
from upsampling import nn, reference, sizes

try:
    import resource
except ImportError:  # not a Unix
    resource = None  # type: ignore[assignment]

ADDRESS_SPACE = 4 * 2**30  # bytes; a call that wants more must end in MemoryError
SECONDS = 10  # for one call
REFUSED = (ValueError, TypeError, MemoryError)
BIG = (2**31 - 1, 2**31, 2**32 + 1, 2**62, 2**63 - 1, 2**63, 2**64, 2**200)
NUMBERS: tuple[Any, ...] = (-1, 0, 1, 2, 7, *BIG, *(-value for value in BIG))
STRANGE: tuple[Any, ...] = (
    None, True, False, 1.0, 2.5, 1e-300, 1e300, float("nan"), float("inf"), -float("inf"), 1j, "", "2",
    "bilinear", b"2",
    (), [], (1,), [2, 2], (1, 1, 1), (1, 2, 3, 4), (2**62, 2**62), (2**31, 2**31), (2**63, 1), (-1, 1), (1, None),
    ("a", "b"),
    (True, False), (1.5, 2), (float("nan"), 1), np.int8(2), np.uint64(2**64 - 1), np.float32(2), np.bool_(True),
    np.array(2), np.array([2, 2]), np.array([]), np.array([None, 1], object), {}, {"a": 1}, object(), slice(2),
    Ellipsis, print,
)  # fmt: skip


def hostile_arrays(good: np.ndarray) -> Iterator[Any]:
    """Arrays of wrong rank, extent, dtype and memory in the place of a good one."""
    yield from (good[None], good[None, None, None], good[..., :-1], good[..., :0], good[:0], good.ravel(), good.T)
    yield from (np.empty((0,) * good.ndim, good.dtype), np.array(3, good.dtype), good.tolist())
    for dtype in (
        "bool",
        "int8",
        "uint64",
        "float16",
        "float64",
        "longdouble",
        "complex64",
        "U3",
        "S2",
        "M8[s]",
        "i4,f4",
    ):
        yield np.zeros(good.shape, dtype)
    yield np.full(good.shape, None, object)
    with np.errstate(all="ignore"):
        yield np.full(good.shape, np.nan).astype(good.dtype)
    yield np.broadcast_to(good.ravel()[:1].reshape((1,) * good.ndim), (2 ** (40 // good.ndim),) * good.ndim)
    yield np.ma.masked_array(good, good > 0)


def hostile_indices(good: np.ndarray, plane: int) -> Iterator[np.ndarray]:
    """Positions outside of the plane, one among many or all, in every integer type."""
    for wrong in (plane, plane + 1, -1, -plane, 2**31, 2**32, 2**32 + 1, 2**63 - 1, -(2**63)):
        for place in (0, -1):
            changed = good.copy()
            changed.ravel()[place] = wrong
            yield changed
        yield np.full_like(good, wrong)
    for dtype in (np.uint64, np.int32, np.uint8, np.int8):
        yield good.astype(dtype)
    changed = good.astype(np.uint64)
    changed.ravel()[0] = 2**64 - 1
    yield changed


def calls(case: cases.Case) -> Iterator[dict[str, Any]]:
    """The case's arguments with one of them replaced, for each argument of the function and each hostile value."""
    good = cases.arguments(case)
    plane = int(np.prod(case.plane)) if case.plane else 0
    for name in inspect.signature(getattr(up, case.function)).parameters:
        values: list[Any] = [*NUMBERS, *STRANGE, *((value,) * case.rank for value in NUMBERS)]
        if name in case.shapes:
            values += hostile_arrays(good[name])
        if name == "indices":
            values += hostile_indices(good[name], plane)
        for value in values:
            yield good | {name: value}


def shown(given: dict[str, Any]) -> str:
    parts = []
    for name, value in given.items():
        array = isinstance(value, np.ndarray)
        parts.append(f"{name}={value.dtype}{value.shape}" if array else f"{name}={value!r:.60}")
    return ", ".join(parts)


def small(given: dict[str, Any]) -> bool:
    """Whether the plain Python reference can do the call in reasonable time."""
    return all(value.size < 10**5 for value in given.values() if isinstance(value, np.ndarray))


def wrong(case: cases.Case, given: dict[str, Any]) -> str:
    """What is wrong about how a call ends; nothing where it is refused or its result is the reference's."""
    try:
        results = bounds.outputs(getattr(up, case.function)(**given))
    except REFUSED as error:
        return "" if str(error) else f"{type(error).__name__} without a message"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if not small(given) or any(array.size > 10**5 for array in results):
        return ""
    given = {name: value for name, value in given.items() if name != "out"}
    try:
        wanted = bounds.outputs(getattr(reference, case.function)(**given))
    except Exception as error:
        return f"gave a result, where the reference raises {type(error).__name__}: {error}"
    for got, one in zip(results, wanted, strict=True):
        if got.shape != one.shape or got.dtype != one.dtype:
            return f"gave {got.dtype}{got.shape}, the reference {one.dtype}{one.shape}"
        if got.dtype.kind in "fc":
            limit = 1e-3 if got.dtype.itemsize // (1 + (got.dtype.kind == "c")) < 4 else 1e-4
            scale = np.nanmax(np.abs(one.astype(np.complex128)), initial=1)
            if not np.allclose(got, one, rtol=limit, atol=limit * scale, equal_nan=True):
                return "gave another result than the reference"
        elif got.tobytes() != one.tobytes():
            return "gave another result than the reference"
    return ""


# What takes no arrays, or few: a right call of each.
OTHERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "set_num_threads": (up.set_num_threads, {"n": 2}),
    "num_threads": (up.num_threads, {"n": 2}),
    "set_minimal_filtering": (up.set_minimal_filtering, {"on": True}),
    "conv_matrix": (reference.conv_matrix, {"weight": np.ones((1, 1, 2, 2)), "input_size": (3, 3)}),
    "conv_transpose_output_size": (sizes.conv_transpose_output_size, {"input_size": (3, 4), "kernel_size": 2}),
    "max_pool_output_size": (sizes.max_pool_output_size, {"input_size": (3, 4), "kernel_size": 2}),
    "max_unpool_output_size": (sizes.max_unpool_output_size, {"input_size": (3, 4), "kernel_size": 2}),
    "pixel_shuffle_output_size": (sizes.pixel_shuffle_output_size, {"input_size": (4, 3, 4), "upscale_factor": 2}),
    "pixel_unshuffle_output_size": (
        sizes.pixel_unshuffle_output_size, {"input_size": (1, 4, 4), "downscale_factor": 2},
    ),
    "interpolate_output_size": (sizes.interpolate_output_size, {"input_size": (3, 4), "size": 5}),
    "resize_output_size": (sizes.resize_output_size, {"image_size": (3, 4), "size": (5, 6)}),
    "ConvTranspose2d": (nn.ConvTranspose2d, {"in_channels": 2, "out_channels": 2, "kernel_size": 2}),
    "MaxPool2d": (nn.MaxPool2d, {"kernel_size": 2}),
    "MaxUnpool2d": (nn.MaxUnpool2d, {"kernel_size": 2}),
    "Upsample": (nn.Upsample, {"scale_factor": 2}),
    "PixelShuffle": (nn.PixelShuffle, {"upscale_factor": 2}),
}  # fmt: skip


def other_calls(name: str) -> tuple[list[str], int]:
    """Call what takes no arrays with every hostile value for every argument; what ended wrongly, and how many."""
    function, good = OTHERS[name]
    problems, count = [], 0
    function(**good)
    for argument in inspect.signature(function).parameters:
        for value in (*NUMBERS, *STRANGE, *((value, value) for value in NUMBERS)):
            count += 1
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                function(**good | {argument: value})
            except REFUSED as error:
                if not str(error):
                    problems.append(f"{name}({argument}={value!r:.60}): {type(error).__name__} without a message")
            except Exception as error:
                problems.append(f"{name}({argument}={value!r:.60}): {type(error).__name__}: {error}")
            faulthandler.cancel_dump_traceback_later()
    return problems, count


def main(function: str) -> None:
    # AddressSanitizer takes terabytes of address space for itself; it limits each allocation instead (.ci/run).
    if resource is not None and os.environ.get("UPSAMPLING_SANITIZED") != "1":
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    np.seterr(all="ignore")
    up.set_num_threads(2)
    if function in OTHERS:
        problems, count = other_calls(function)
        print(*problems, f"{count} calls", sep="\n")
        return
    count = 0
    chosen = [case for case in cases.CASES if case.function == function and 0 not in next(iter(case.shapes.values()))]
    for case in (chosen[0], chosen[-1]):
        for given in calls(case):
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            problem = wrong(case, given)
            faulthandler.cancel_dump_traceback_later()
            count += 1
            if problem:
                print(f"{function}({shown(given)}): {problem}")
    print(count, "calls")


if __name__ == "__main__":
    main(sys.argv[1])
