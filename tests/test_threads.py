"""How many threads a call uses, and calls from threads and from children of a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import bounds
import cases
import numpy as np
import pytest

import upsampling as up
from upsampling import _threads
from upsampling._kernels import cpu

OPERATORS = sorted({case.function for case in cases.CASES})


def python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints, from another folder, within a minute."""
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=here,  # not the folder above: its upsampling/ would hide the installed package
        env=kept | {"PYTHONPATH": os.pathsep.join([str(Path(up.__file__).parent.parent), str(here)])} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_set_num_threads_holds_for_later_calls_and_other_threads():
    up.set_num_threads(3)
    assert up.get_num_threads() == 3
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(up.get_num_threads).result() == 3
    up.set_num_threads(np.int64(2))
    assert up.get_num_threads() == 2


def test_num_threads_holds_inside_the_block_and_the_thread():
    up.set_num_threads(3)
    with up.num_threads(2):
        assert up.get_num_threads() == 2
        with up.num_threads(5):
            assert up.get_num_threads() == 5
        assert up.get_num_threads() == 2
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(up.get_num_threads).result() == 3
    assert up.get_num_threads() == 3


def test_num_threads_ends_when_the_block_raises():
    before = up.get_num_threads()

    def failing() -> None:
        with up.num_threads(before + 1):
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert up.get_num_threads() == before


@pytest.mark.parametrize(
    "value, error",
    [
        (0, ValueError),
        (-1, ValueError),
        (2**31, ValueError),
        (2**200, ValueError),
        (1.0, TypeError),
        (True, TypeError),
        ("2", TypeError),
        (None, TypeError),
    ],
)
def test_wrong_numbers_are_refused_and_change_nothing(value, error):
    before = up.get_num_threads()
    with pytest.raises(error, match="n must be"):
        up.set_num_threads(value)
    with pytest.raises(error, match=r"n must be (an integer|from 1 to 1024)"), up.num_threads(value):
        pass
    assert up.get_num_threads() == before


def test_small_work_takes_one_thread_and_large_work_all(monkeypatch):
    monkeypatch.setattr(_threads, "_initial_openmp", cpu.max_threads())
    with up.num_threads(4):
        assert _threads.threads_for(_threads.SERIAL_WORK - 1) == 1
        assert _threads.threads_for(_threads.SERIAL_WORK) == (4 if cpu.openmp() else 1)


SHOW = "import upsampling as up; print(up.get_num_threads())"


@pytest.mark.parametrize("value, wanted", [("1", 1), ("1,4", 1), (" 1 ", 1)])
def test_omp_num_threads_is_a_limit(value, wanted):
    assert int(python(SHOW, OMP_NUM_THREADS=value)) == wanted


@pytest.mark.skipif(cpu.compiler().startswith("Clang"), reason="LLVM's OpenMP ends the process on some of them")
@pytest.mark.parametrize("value", ["", "0", "-3", "many", "100000"])
def test_other_values_of_omp_num_threads_are_no_limit(value):
    assert python(SHOW, OMP_NUM_THREADS=value) == python(SHOW)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_affinity_is_a_limit():
    assert int(python("import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + SHOW)) == 1


def files(root: Path, **contents: str) -> Path:
    for name, text in contents.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "contents, own, wanted",
    [
        ({}, "", None),
        ({}, "0::/\n", None),
        ({"cpu_dot_max": "max 100000\n"}, "0::/\n", None),
        ({"cpu_dot_max": "200000 100000\n"}, "0::/\n", 2),
        ({"cpu_dot_max": "50000 100000\n"}, "0::/\n", 1),
        ({"cpu_dot_max": "350000 100000\n"}, "0::/\n", 3),
        ({"a__b__cpu_dot_max": "300000 100000\n"}, "0::/a/b\n", 3),
        ({"cpu_dot_max": "200000 100000\n", "a__cpu_dot_max": "600000 100000\n"}, "0::/a\n", 2),
        ({"other__cpu_dot_max": "100000 100000\n"}, "0::/a\n", None),
        ({"cpu__cpu.cfs_quota_us": "-1\n", "cpu__cpu.cfs_period_us": "100000\n"}, "4:cpu,cpuacct:/\n", None),
        ({"cpu__cpu.cfs_quota_us": "400000\n", "cpu__cpu.cfs_period_us": "100000\n"}, "4:cpu,cpuacct:/\n", 4),
        ({"cpu,cpuacct__a__cpu.cfs_quota_us": "150000\n", "cpu,cpuacct__a__cpu.cfs_period_us": "50000\n"},
         "4:cpu,cpuacct:/a\n", 3),
        ({"cpu_dot_max": "nonsense\n"}, "0::/\n", None),
        ({"cpu_dot_max": "100000 0\n"}, "0::/\n", None),
        ({"a__cpu_dot_max": "200000 100000\n", "a__b__cpu_dot_max": "400000 100000\n"}, "0::/a/b\n", 2),
        ({"cpu_dot_max": "200000 100000\n"}, "a line without its three fields\n", 2),
    ],
)  # fmt: skip
def test_cgroup_quota(tmp_path, contents, own, wanted):
    root = files(tmp_path / "cgroup", **contents)
    listing = tmp_path / "own"
    listing.write_text(own)
    assert _threads._quota(root, listing) == wanted


def quota_group(name: str) -> Path | None:
    """A new control group with a quota of one processor and a half, where this process may make one."""
    for folder, quota in (("cpu", "cpu.cfs_quota_us"), ("cpu,cpuacct", "cpu.cfs_quota_us"), (".", "cpu.max")):
        group = Path("/sys/fs/cgroup", folder, name)
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / quota).write_text("150000" if "cfs" in quota else "150000 100000")
        except OSError:
            group.rmdir()
            continue
        return group
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="needs control groups")
def test_a_real_cgroup_quota_is_a_limit():
    group = quota_group(f"upsampling-test-{os.getpid()}")
    if group is None:
        pytest.skip("this process may make no control group with a quota")
    move = f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(__import__('os').getpid()))\n"
    try:
        assert int(python(move + SHOW)) == 1
        (group / "cpu.max" if (group / "cpu.max").exists() else group / "cpu.cfs_quota_us").write_text("250000")
        assert int(python("import os; os.sched_getaffinity = lambda _: set(range(64))\n" + move + SHOW)) == 2
    finally:
        group.rmdir()


def test_cgroup_without_its_list():
    assert _threads._quota(Path("/nowhere"), Path("/nowhere/either")) is None


@pytest.mark.parametrize("function", OPERATORS)
def test_calls_from_eight_threads_at_once(threads_forced, function):
    """Eight threads call the same operator together, each with threads of its own, on shared inputs."""
    chosen = [case for case in cases.CASES if case.function == function][:3]
    calls = [(getattr(up, case.function), cases.arguments(case)) for case in chosen]
    wanted = [bounds.outputs(call(**given)) for call, given in calls]
    together = Barrier(8)

    def work(number: int) -> list[list[np.ndarray]]:
        together.wait(30)
        with up.num_threads(1 + number % 3):
            return [bounds.outputs(call(**given)) for _ in range(5) for call, given in calls]

    with ThreadPoolExecutor(8) as pool:
        for results in pool.map(work, range(8)):
            for got, expected in zip(results, wanted * 5, strict=True):
                for one, other in zip(got, expected, strict=True):
                    bounds.same_bits(one, other)


FREE = """
import importlib, pkgutil, sys
import upsampling.kernels, upsampling.nn
from upsampling import _kernels
for module in pkgutil.iter_modules(_kernels.__path__):
    if module.name.rpartition("_")[2] not in set(_kernels.NAMES) - set(_kernels.available()):
        importlib.import_module(f"upsampling._kernels.{module.name}")
print(sys._is_gil_enabled())
"""


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_no_module_brings_the_gil_back():
    assert python("import sys, numpy\nprint(sys._is_gil_enabled())") == "False"
    assert python(FREE) == "False"


FORK = """
import os, sys, warnings
import numpy as np
import bounds, cases
import upsampling as up
from upsampling import _threads
warnings.simplefilter("ignore")
_threads.SERIAL_WORK = 0
up.set_num_threads(4)
chosen = [(c, cases.arguments(c)) for c in cases.CASES[::9]]
def all_results():
    return [a.tobytes() for c, given in chosen for a in bounds.outputs(getattr(up, c.function)(**given))]
wanted = all_results()
child = os.fork()
if child == 0:
    os._exit(0 if all_results() == wanted else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), all_results() == wanted)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_fork_after_parallel_work():
    assert python(FORK) == "0 True"


def test_a_pool_that_was_limited_from_outside_is_respected():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    if not cpu.openmp() or cpu.max_threads() < 2:
        pytest.skip("needs OpenMP and two processors")
    with up.num_threads(4), threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert _threads.threads_for(2**40) == 1
    with up.num_threads(4):
        assert _threads.threads_for(2**40) == 4


SCRATCH = """
import resource
import numpy as np
import upsampling as up
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30,) * 2)
picture = np.ones((40, 200000), np.float32)
with up.num_threads(1024):
    print(up.resize(picture, (60, 300000)).shape, up.interpolate(picture[None, None], size=(60, 9), mode="area").shape)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the address space")
@pytest.mark.skipif(os.environ.get("UPSAMPLING_SANITIZED") == "1", reason="sanitizers take terabytes of addresses")
def test_many_threads_take_no_memory_that_has_no_use():
    assert python(SCRATCH) == "(60, 300000) (1, 1, 60, 9)"
