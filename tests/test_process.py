"""The library in a real process: beside other OpenMP libraries, in forks and parallel regions, interrupted."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import bounds
import c_table
import cases
import numpy as np
import pytest
from test_threads import python

import upsampling as up
from upsampling import kernels
from upsampling._kernels import calls, cpu

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
SANITIZED = os.environ.get("UPSAMPLING_SANITIZED") == "1"

WORK = """
import os, sys, warnings
import multiprocessing
import numpy as np
import upsampling as up
warnings.simplefilter("ignore")
up.set_num_threads(2)
x = np.random.default_rng(0).standard_normal((4, 32, 24, 24), dtype=np.float32)
w = np.random.default_rng(1).standard_normal((32, 16, 4, 4), dtype=np.float32)
def ours(_=None):
    y = up.conv_transpose2d(x, w, stride=2, padding=1)
    return up.interpolate(y, scale_factor=2, mode="bicubic").tobytes()
def forked():
    child = os.fork()
    if child == 0:
        os._exit(0 if ours() == wanted else 3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
OTHERS = {
    "nobody": "theirs = lambda: None\n",
    "torch": """
import torch
torch.set_num_threads(2)
theirs = lambda: torch.nn.functional.conv2d(torch.ones(4, 16, 64, 64), torch.ones(16, 16, 3, 3)).sum().item()
""",
    "sklearn": """
from sklearn.cluster import KMeans
theirs = lambda: KMeans(4, n_init=1).fit(np.random.default_rng(0).standard_normal((4000, 8)))
""",
}


@FORKS
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("first", ["ours", "theirs", "neither"])
def test_fork_beside_other_libraries(other, first):
    if other != "nobody":
        pytest.importorskip(other)
    before = {"ours": "wanted = ours(); theirs()", "theirs": "theirs(); wanted = ours()", "neither": "wanted = None"}
    code = WORK + OTHERS[other] + before[first]
    if first == "neither":  # the child works first, and the parent after it
        code += "\nwanted = multiprocessing.get_context('fork').Pool(1).apply(ours)\ntheirs()"
    code += """
codes = [forked(), forked()]
with multiprocessing.get_context("fork").Pool(2) as pool:
    codes += [done == wanted for done in pool.map(ours, range(4))]
print(codes, ours() == wanted)
"""
    assert python(code) == "[0, 0, True, True, True, True] True"


@FORKS
def test_a_child_s_child():
    code = WORK + "wanted = ours()\nchild = os.fork()\nif child == 0: os._exit(forked())\n"
    assert python(code + "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), forked())") == "0 0"


@pytest.mark.long
def test_eight_threads_and_ten_thousand_mixed_calls(threads_forced):
    """Small calls of every operator, each with a number of threads of its own, give what serial calls give."""
    chosen = [case for case in cases.CASES if max(np.prod(shape) for shape in case.shapes.values()) < 2000]
    prepared = [(getattr(up, case.function), cases.arguments(case)) for case in chosen]
    with up.num_threads(1):
        wanted = [[a.tobytes() for a in bounds.outputs(call(**given))] for call, given in prepared]

    def work(number: int) -> int:
        rng = np.random.default_rng(number)
        wrong = 0
        for i in rng.integers(len(prepared), size=1250 if not SANITIZED else 100):
            call, given = prepared[i]
            with up.num_threads(1 + number % 3):
                wrong += [a.tobytes() for a in bounds.outputs(call(**given))] != wanted[i]
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 0
    assert calls.beside() == 0


def test_calls_together_have_no_more_threads_than_one(threads_forced):
    """Four callers with three threads each: never more than two threads beside them."""
    x, w = np.ones((8, 16, 32, 32), np.float32), np.ones((16, 16, 4, 4), np.float32)
    seen, done = [], threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(calls.beside())

    def work(_: int) -> None:
        with up.num_threads(3):
            for _ in range(20):
                up.conv_transpose2d(x, w, stride=2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    done.set()
    watcher.join()
    assert max(seen) <= (2 if cpu.openmp() else 0)  # eight, if each had its own
    assert calls.beside() == 0


REGION = """
#include <stddef.h>
typedef int (*execute)(const void *, void *, void *, void *, void *, void *, size_t);
int region(execute run, const void *plan, char *x, char *y, long in, long out, int count) {
    int wrong = 0;
    #pragma omp parallel for num_threads(3) reduction(+ : wrong)
    for (int i = 0; i < count; i++) wrong += run(plan, x + i * in, y + i * out, NULL, NULL, NULL, 0) != 0;
    return wrong;
}
"""


def test_executions_inside_of_a_parallel_region(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None or SANITIZED:
        pytest.skip("needs a compiler, and no sanitizers")
    (tmp_path / "region.c").write_text(REGION)
    command = [compiler, "-O1", "-fopenmp", "-shared", "-fPIC", "region.c", "-o", "region.so"]
    if subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode:
        pytest.skip("the compiler has no OpenMP")
    region = ctypes.CDLL(str(tmp_path / "region.so")).region
    x = np.random.default_rng(0).standard_normal((12, 1, 8, 60, 60), dtype=np.float32)
    plan = kernels.plan("interpolate", channels=8, input=(60, 60), output=(90, 100), mode="bicubic", threads=4)
    y = np.empty((12, *plan.shapes[1]), np.float32)
    given = [
        ctypes.c_void_p(n) for n in (kernels.addresses["execute_plain"], plan.address, x.ctypes.data, y.ctypes.data)
    ]
    assert region(*given, ctypes.c_long(x[0].nbytes), ctypes.c_long(y[0].nbytes), 12) == 0
    for got, picture in zip(y, x, strict=True):
        bounds.same_bits(got, up.interpolate(picture, size=(90, 100), mode="bicubic"))
    w = np.random.default_rng(1).standard_normal((8, 32, 4, 4), dtype=np.float32)
    sizes = {"in_channels": 8, "out_channels": 32, "input": (60, 60), "kernel": (4, 4), "stride": (2, 2)}
    plan = kernels.plan("conv_transpose", weight=w, threads=2, **sizes)
    y = np.empty((12, *plan.shapes[1]), np.float32)
    given[1], given[3] = ctypes.c_void_p(plan.address), ctypes.c_void_p(y.ctypes.data)
    assert region(*given, ctypes.c_long(x[0].nbytes), ctypes.c_long(y[0].nbytes), 12) == 0
    for got, picture in zip(y, x, strict=True):
        bounds.same_bits(got, up.conv_transpose2d(picture, w, stride=2))


def test_workers_of_joblib_share_the_processors():
    """Two of its processes, and two of its threads, have no more threads together than one caller."""
    pytest.importorskip("joblib")
    code = """
import os
from joblib import Parallel, delayed
import upsampling as up
for backend in ("loky", "threading"):
    counts = Parallel(n_jobs=2, backend=backend)(delayed(up.get_num_threads)() for _ in range(4))
    print(max(counts) <= (max(1, os.cpu_count() // 2) if backend == "loky" else up.get_num_threads()))
"""
    assert python(code).splitlines() == ["True", "True"]


# Calls that take long, each made again and again: not all can take many seconds in the memory that there is.
# Arrays, which NumPy makes before anything is interrupted, and the call.
LONG_CALLS = {
    "conv_transpose": ("ones(64, 256, 96, 96), ones(256, 256, 3, 3)", "up.conv_transpose2d(*arrays)"),
    "float64": (
        "ones(16, 128, 96, 96).astype('d'), ones(128, 256, 5, 5).astype('d')",
        "up.conv_transpose2d(*arrays, stride=2)",
    ),
    "weights to pack": (
        "ones(1, 4096, 48, 48), ones(4096, 768, 4, 4)",
        "up.conv_transpose2d(*arrays, stride=2, padding=1)",
    ),
    "weight gradient": (
        "ones(64, 128, 98, 98), ones(64, 256, 96, 96), ones(256, 128, 3, 3)",
        "up.conv_transpose2d_backward(*arrays, output_mask=(False, True, False))",
    ),
    "interpolate": (
        "ones(1, 4, 1000, 1000),",
        "up.interpolate(*arrays, size=(8000, 8000), mode='lanczos', antialias=True)",
    ),
    "small planes": (
        "ones(1, 40000, 8, 28),",
        "[up.interpolate(*arrays, size=(60, 56), mode='bicubic') for _ in '0123']",
    ),
    "resize": ("ones(3000, 3000, 3).astype(np.uint16),", "up.resize(*arrays, (12000, 9000), mode='lanczos')"),
    "max_pool": ("ones(1, 64, 1500, 1500),", "up.max_pool2d(*arrays, 15, 1, return_indices=True)"),
    "nearest": ("ones(1, 4, 1000, 1000),", "up.interpolate(*arrays, size=(8000, 8000))"),
}
INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
import upsampling as up
from upsampling._kernels import calls
ones = lambda *shape: np.ones(shape, np.float32)
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in a shell's background
up.set_num_threads(THREADS)
arrays = (ARRAYS)
def press():
    global sent
    time.sleep(0.7)
    sent = time.process_time()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press).start()
try:
    for _ in range(1000):
        STATEMENT
except KeyboardInterrupt:
    after = time.process_time() - sent
x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
assert np.array_equal(up.conv_transpose2d(x, ones(1, 1, 1, 1)), x)
assert np.array_equal(up.max_pool2d(np.tile(x, (40, 40)), 1), np.tile(x, (40, 40)))
assert calls.beside() == 0
print(after)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32" or SANITIZED, reason="needs signals, and speed")
@pytest.mark.parametrize("name", LONG_CALLS)
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_call_within_a_second(name, threads):
    arrays, call = LONG_CALLS[name]
    after = python(INTERRUPTED.replace("THREADS", str(threads)).replace("ARRAYS", arrays).replace("STATEMENT", call))
    assert float(after) < threads  # seconds of processors' time, which other processes do not lengthen


def test_a_handler_s_exception_comes_out_of_a_call():
    """Any exception that a signal's handler raises ends the call; a handler that returns lets it go on."""
    if not hasattr(signal, "setitimer") or SANITIZED:
        pytest.skip("needs timers, and speed")
    x, w = np.ones((4, 64, 64, 64), np.float32), np.ones((64, 64, 4, 4), np.float32)
    wanted = up.conv_transpose2d(x, w, stride=2)
    count = []
    before = signal.signal(signal.SIGALRM, lambda *_: count.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        for _ in range(5):
            bounds.same_bits(up.conv_transpose2d(x, w, stride=2), wanted)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert count


def test_subinterpreters_are_refused_in_words():
    code = """
import upsampling
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    try:
        import _interpreters as interpreters
    except ImportError:
        print("none")
        raise SystemExit
name = interpreters.create()
text = "try:\\n import upsampling._kernels.calls\\nexcept ImportError as e:\\n print('refused', bool(str(e)))\\n"
print(interpreters.run_string(name, text) or "")
"""
    assert python(code).splitlines()[0] in ("none", "refused True")


def test_importing_again():
    code = """
import sys
import numpy as np
import upsampling as up
x = np.ones((1, 2, 3, 3), np.float32)
wanted = up.interpolate(x, scale_factor=2, mode="bicubic")
for name in [name for name in sys.modules if name.startswith("upsampling")]:
    del sys.modules[name]
try:
    import upsampling as again
    print(np.array_equal(again.interpolate(x, scale_factor=2, mode="bicubic"), wanted))
except ImportError as error:
    print(bool(str(error)))
print(np.array_equal(up.interpolate(x, scale_factor=2, mode="bicubic"), wanted))
"""
    assert python(code).splitlines() == ["True", "True"]


def test_a_plan_outlives_nothing_that_it_needs():
    plan = kernels.plan("interpolate", channels=2, input=(50, 50), output=(70, 60), mode="bicubic")
    from upsampling import _plan_resample

    _plan_resample._cached.cache_clear()
    junk = [np.full(5000, 7.0) for _ in range(50)]
    x = np.random.default_rng(0).standard_normal((1, 2, 50, 50), dtype=np.float32)
    y = np.empty((1, 2, 70, 60), np.float32)
    assert c_table.execute(plan.address, x, y) == 0
    bounds.same_bits(y, up.interpolate(x, size=(70, 60), mode="bicubic"))
    assert len(junk) == 50
