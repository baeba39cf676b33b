"""What the numbers were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from . import peak, peers

PACKAGES = ("numpy", "torch", "onnxruntime", "openvino", "ncnn", "opencv-python-headless", "opencv-python", "pillow",
            "kornia-rs", "scikit-image", "scipy")  # fmt: skip


def _best(call: Any, threads: int, rounds: int) -> float:
    """Seconds of the best of some rounds, each with a call in every thread."""
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(rounds):
            start = time.perf_counter()
            list(pool.map(call, range(threads)))
            best = min(best, time.perf_counter() - start)
    return best


def copy_bandwidth(threads: int, size: int = 2**26) -> float:
    """Bytes a second, read and written, of parallel NumPy copies into memory already touched."""
    source, target = (np.array_split(np.full(size, value, np.uint8), threads) for value in (1, 0))
    return 2 * size / _best(lambda n: np.copyto(target[n], source[n]), threads, 5)


def multiply_adds(threads: int, isa: str, dtype: str = "float32") -> float | None:
    """Multiply-adds a second of a loop that stays in registers; None where there is no compiler."""
    try:
        call = peak.loop(isa, dtype, 2_000_000)
    except peers.UnsupportedError:
        return None
    return threads * call() / _best(lambda _: call(), threads, 9)


class Others:
    """How many cores other processes, and other guests of the host, take from now on (Linux; elsewhere: not known)."""

    def __init__(self) -> None:
        self._start = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float] | None:
        stat = Path("/proc/stat")
        if not stat.is_file():
            return None
        user, nice, system, _, _, irq, soft, steal = (
            int(word) for word in stat.read_text().split("\n", 1)[0].split()[1:9]
        )
        busy = (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy, time.process_time()

    def cores(self) -> float | None:
        now = self._now()
        if now is None or self._start is None:
            return None
        wall, busy, own = (end - start for end, start in zip(now, self._start, strict=True))
        return max(0.0, (busy - own) / wall)


def describe() -> dict[str, Any]:
    """The machine, the versions and the date."""
    import upsampling as up

    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "upsampling": {key: str(value) for key, value in (up.show_config() or {}).items()},
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def speeds(threads: int) -> dict[str, Any]:
    """The machine's own limits with a number of threads."""
    import upsampling as up

    isa = up.show_config()["isa"]
    done = multiply_adds(threads, isa)
    return {"isa": isa, "copy_bytes": copy_bandwidth(threads), "gflops": done and 2e-9 * done}


def text(limits: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each number of threads."""
    lines = []
    for threads, speed in limits.items():
        parts = [f"a copy reads and writes {speed['copy_bytes'] / 1e9:.1f} GB/s"]
        if speed["gflops"]:
            parts.append(f"{speed['isa']} multiply-adds in registers do {speed['gflops']:.0f} GFLOP/s in float32")
        lines.append(f"{threads} thread{'s' * (threads != '1')}: " + ", ".join(parts))
    return lines


def sentence(described: dict[str, Any]) -> str:
    """Processor, versions and date in one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in described["versions"].items())
    return (f"{described['processor']}, {described['cores']} cores, {described['upsampling']['isa']}; "
            f"{described['upsampling']['compiler']}; {versions}; {described['date'][:10]}.")  # fmt: skip
