"""Memory: none leaks, and every allocation may fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import upsampling as up

SANITIZED = os.environ.get("UPSAMPLING_SANITIZED") == "1"
LINUX = pytest.mark.skipif(sys.platform != "linux" or SANITIZED, reason="needs Linux, and no sanitizers")


def python(code: str, **environment: str) -> str:
    here = Path(__file__).parent
    paths = os.pathsep.join([str(Path(up.__file__).parent.parent), str(here)])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, env=os.environ | {"PYTHONPATH": paths} | environment,
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


CALLS = """
import gc, warnings
import numpy as np
import bounds, cases
import upsampling as up
warnings.simplefilter("ignore")
chosen = [case for case in cases.CASES if max(np.prod(shape) for shape in case.shapes.values()) < 3000]
prepared = [(getattr(up, case.function), cases.arguments(case)) for case in chosen]
"""

LEAK = (
    CALLS
    + """
from upsampling import kernels
x = np.ones((1, 2, 5, 5), np.float32)
wrong = [
    lambda: up.conv_transpose2d(x, x), lambda: up.max_unpool2d(x, np.full(x.shape, 1000), 2),
    lambda: up.interpolate(x, size=2**40), lambda: up.resize(x, (0, 1)), lambda: up.max_pool2d(x, 0),
    lambda: up.pixel_shuffle(x, 2), lambda: kernels.plan("resize", mode="wrong"),
]
def some(count):
    for i in range(count):
        call, given = prepared[i % len(prepared)]
        call(**given)
        if i % 10 == 0:
            try:
                wrong[i // 10 % len(wrong)]()
            except (TypeError, ValueError, MemoryError):
                pass
            else:
                raise AssertionError(i)
            kernels.plan("interpolate", channels=1, input=(4, 4), output=(9, 9))
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4
some(4000)
first = some(4000)
last = some(20000)
print(last - first)
"""
)


@pytest.mark.long
@LINUX
def test_no_call_leaks():
    """After 8,000 calls, 20,000 more, with failing ones and plans among them, take no more memory (in KiB)."""
    assert int(python(LEAK)) < 2048


# Allocations of the thread that armed it are counted: the package's own, and others of 512 bytes or more, libgomp's
# aside (it ends the process). The one with the given number fails.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
static __thread long left = -1;
static __thread int inside = 0;
long allocations_left(void) { return left; }
void fail_at(long number) { left = number; }
static int fails(void *caller, size_t n) {
    Dl_info info;
    if (left < 0 || inside) return 0;
    inside = 1;
    int known = dladdr(caller, &info) && info.dli_fname;
    int counted = known && strstr(info.dli_fname, "/upsampling/");
    if (!counted) counted = n >= 512 && !(known && strstr(info.dli_fname, "gomp"));
    inside = 0;
    if (!counted) return 0;
    if (left-- > 0) return 0;
    left = -1;
    errno = ENOMEM;
    return 1;
}
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
void *malloc(size_t n) { return fails(__builtin_return_address(0), n) ? NULL : __libc_malloc(n); }
void *calloc(size_t m, size_t n) { return fails(__builtin_return_address(0), m * n) ? NULL : __libc_calloc(m, n); }
void *realloc(void *p, size_t n) { return fails(__builtin_return_address(0), n) ? NULL : __libc_realloc(p, n); }
void *aligned_alloc(size_t a, size_t n) { return fails(__builtin_return_address(0), n) ? NULL : __libc_memalign(a, n); }
"""

FAILING = (
    CALLS
    + """
import ctypes, traceback
from forgetting import forget_plans
shim = ctypes.CDLL(None)
shim.fail_at.argtypes, shim.allocations_left.restype = [ctypes.c_long], ctypes.c_long

def failing(number, call):
    "What a call gives, None for MemoryError, if its allocation of that number fails; and whether it has so many."
    shim.fail_at(number)
    try:
        result = call()
    except MemoryError:
        result = None
    except SystemError as error:  # some of NumPy's functions do not say that their memory was not there
        where = traceback.extract_tb(error.__traceback__)[-1].filename
        assert "without" in str(error) and "exception" in str(error), error
        assert where.endswith(".py"), where  # not in a compiled module of ours
        result = None
    fired = shim.allocations_left() < 0
    shim.fail_at(-1)
    return result, fired

def bits(arrays):
    return [array.tobytes() for array in arrays]

def antialiased(case):
    "Whether a table is antialiased, in the middle of which NumPy's own iterators crash where they have no memory."
    return case.options.get("antialias", case.function == "resize")
"""
)

FAIL = (
    FAILING
    + """
failed = tried = 0
for i, (case, (call, given)) in enumerate(list(zip(chosen, prepared))[::STEP]):
    wanted = bits(bounds.outputs(call(**given)))
    # As a call that is remembered, and some as if they were the first of their kind.
    anew = i % 5 == 0 and STEP > 1 and not antialiased(case)
    for forget in (lambda: None, forget_plans)[: 1 + anew]:
        number, fired = 0, True
        while fired:
            forget()
            result, fired = failing(number, lambda: call(**given))
            number += 1
            tried += 1
            failed += result is None
            # An allocation that failed without an error was one that its caller can do without.
            assert result is None or bits(bounds.outputs(result)) == wanted, case.id
            assert bits(bounds.outputs(call(**given))) == wanted, case.id
print(failed > 0, tried > len(chosen) // STEP)
import sys
print(failed, tried, file=sys.stderr)
"""
)

PLANS = (
    FAILING
    + """
import c_table
from test_plans import plan_calls, planned, strange, viewed

refused = unplanned = 0
for case in chosen[::STEP]:
    for call in map(viewed, plan_calls.calls(case, cases.arguments(case))):
        plan, number, fired = planned(call), 0, not antialiased(case)  # what is imported at first use is imported now
        while fired:
            forget_plans()
            plan, fired = failing(number, lambda: planned(call))
            number += 1
            unplanned += plan is None
        read = [None if array is None else strange(array) for array in call.read]
        number, fired = 0, True
        while fired:
            written = [strange(np.ones_like(array)) for array in call.wanted]
            before = bits(written)
            status, fired = failing(number, lambda: c_table.execute(plan.address, *read, *written))
            number += 1
            assert status in (None, 0, 2), status
            refused += status == 2
            assert bits(written) == (bits(call.wanted) if status == 0 else before), case.id
print(unplanned > 0, refused > 0)
"""
)


def shim(folder: Path) -> str:
    """Build the allocator to be preloaded."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no compiler")
    (folder / "shim.c").write_text(SHIM)
    command = [compiler, "-O1", "-shared", "-fPIC", "shim.c", "-o", "shim.so", "-ldl"]
    subprocess.run(command, cwd=folder, check=True)
    return str(folder / "shim.so")


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("threads", ["1", "2"])
@LINUX
def test_every_allocation_may_fail(tmp_path, step, threads):
    """MemoryError, or the right result where it can be had without; the next call is right in any case."""
    force = f"from upsampling import _threads\n_threads.SERIAL_WORK = 0\nup.set_num_threads({threads})\n"
    code = FAIL.replace("failed = tried", force + "failed = tried").replace("STEP", str(step))
    assert python(code, LD_PRELOAD=shim(tmp_path)) == "True True"


@pytest.mark.parametrize("step", [31, pytest.param(7, marks=pytest.mark.long)])
@LINUX
def test_every_allocation_of_a_plan_and_its_execution_may_fail(tmp_path, step):
    """MemoryError, or UPSAMPLING_NO_MEMORY and nothing written; the next plan and execution are right in any case."""
    assert python(PLANS.replace("STEP", str(step)), LD_PRELOAD=shim(tmp_path)) == "True True"
