"""How many threads a call uses.

The number is the innermost `num_threads(n)`, else `set_num_threads(n)`, else the least of
OMP_NUM_THREADS, the processors that the process may run on, and the cgroup's quota. Small problems
run on one thread. A child of os.fork runs on one thread, because libgomp's threads do not survive a fork.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import Any

from . import _args
from ._kernels import cpu
from ._types import Int

# Below this much work (elements written, weighted by the operations that each takes) one thread is faster:
# waking a second one costs some 5 microseconds, in which a core moves about 2**15 floats.
SERIAL_WORK = 2**15

_initial_openmp = cpu.max_threads()
_chosen: int | None = None
_local: ContextVar[int | None] = ContextVar("upsampling_num_threads", default=None)
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """The cgroup's processor quota in whole processors, at least 1; None without one (versions 1 and 2)."""
    try:
        groups = [PurePosixPath(line.split(":", 2)[-1].lstrip("/")) for line in own.read_text().splitlines()]
    except OSError:
        groups = []
    limits = []
    # A group is held to the quotas of all groups that it lies in.
    for path in {PurePosixPath(), *groups, *(parent for group in groups for parent in group.parents)}:
        for folder in (root / path, root / "cpu" / path, root / "cpu,cpuacct" / path):
            try:
                if (folder / "cpu.max").is_file():
                    quota, period = (folder / "cpu.max").read_text().split()
                elif (folder / "cpu.cfs_quota_us").is_file():
                    quota = (folder / "cpu.cfs_quota_us").read_text().strip()
                    period = (folder / "cpu.cfs_period_us").read_text().strip()
                else:
                    continue
                if quota not in ("max", "-1"):
                    limits.append(max(1, int(quota) // int(period)))
            except (OSError, ValueError, ZeroDivisionError):
                continue
    return min(limits, default=None)


def _default() -> int:
    counts = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        counts.append(int(wanted))
    if quota := _quota():
        counts.append(quota)
    return min(counts)


_default_threads = _default()


def set_num_threads(n: Int) -> None:
    """Set the number of threads that calls use from now on, in the whole process.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an integer from 1 to 1024.

    Examples
    --------
    >>> import upsampling as up
    >>> before = up.get_num_threads()
    >>> up.set_num_threads(2)
    >>> up.get_num_threads()
    2
    >>> up.set_num_threads(before)
    """
    global _chosen
    _chosen = _checked(n)


def _checked(n: Any) -> int:
    return _args.integer("n", n, minimum=1, maximum=1024)


def get_num_threads() -> int:
    """Return the number of threads that a large enough call uses.

    Returns
    -------
    int

    Examples
    --------
    >>> import upsampling as up
    >>> up.get_num_threads() >= 1
    True
    """
    return _local.get() or _chosen or _default_threads


def num_threads(n: Int) -> AbstractContextManager[None]:
    """Set the number of threads inside a `with` block, for the current thread or task alone.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Examples
    --------
    >>> import upsampling as up
    >>> with up.num_threads(1):
    ...     up.get_num_threads()
    1
    """
    return _threads_set(_checked(n))


@contextmanager
def _threads_set(n: int) -> Iterator[None]:
    token = _local.set(n)
    try:
        yield
    finally:
        _local.reset(token)


def threads_for(work: int) -> int:
    """The number of threads for a call: `work` counts elements written times operations for each."""
    if work < SERIAL_WORK or _forked or not cpu.openmp():
        return 1
    limit = cpu.max_threads()
    count = get_num_threads()
    # A pool limited from outside (threadpoolctl, omp_set_num_threads) is respected.
    return min(count, limit) if limit != _initial_openmp else count
