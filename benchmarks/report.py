"""Tables, JSON and plot of measured results."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("numpy", "torch", "onnxruntime", "openvino", "ncnn", "opencv-python-headless", "opencv-python", "pillow",
            "kornia-rs", "scikit-image", "scipy")  # fmt: skip


def copy_bandwidth(threads: int, size: int = 2**26, rounds: int = 5) -> float:
    """Bytes a second, read and written, of the best of some parallel NumPy copies into memory already touched.

    The peak of multiply-adds is not measured: a register-only loop needs compiled code, which this folder has not.
    """
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(rounds):
            start = time.perf_counter()
            list(pool.map(lambda pair: np.copyto(*pair), parts))
            best = min(best, time.perf_counter() - start)
    return 2 * size / best


def machine() -> dict[str, Any]:
    """Describe the machine, the versions and the date."""
    import os

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
        "upsampling": {key: str(value) for key, value in (up.show_config() or {}).items()},
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def summary(times: dict[str, list[float]]) -> dict[str, Any]:
    """Give the median times, and the ratio (fastest peer over ours) with its quartiles over the rounds."""
    medians = {name: float(np.median(values)) for name, values in times.items()}
    peers = {name: value for name, value in medians.items() if name != "ours"}
    result: dict[str, Any] = {"seconds": medians}
    if peers and "ours" in times:
        fastest = min(peers, key=peers.__getitem__)
        low, middle, high = np.percentile(np.divide(times[fastest], times["ours"]), (25, 50, 75))
        result |= {"fastest": fastest, "ratio": float(middle), "low": float(low), "high": float(high)}
    return result


def line(result: dict[str, Any]) -> str:
    """One row as text, times in milliseconds."""
    ratio = ""
    if "ratio" in result:
        ratio = f"{result['ratio']:6.2f} [{result['low']:.2f}, {result['high']:.2f}]"
    times = "  ".join(f"{name} {1e3 * value:.4g}" for name, value in result.get("seconds", {}).items())
    return f"{result['row']:<52} {result['threads']}t {ratio:<22} {times}"


def sets(results: list[dict[str, Any]]) -> list[str]:
    """Lowest row and geometric mean of each set and number of threads."""
    lines = []
    for key in dict.fromkeys((r["set"], r["threads"]) for r in results):
        raced = [r for r in results if (r["set"], r["threads"]) == key and "ratio" in r]
        if raced:
            worst = min(raced, key=lambda r: r["ratio"])
            mean = float(np.exp(np.mean(np.log([r["ratio"] for r in raced]))))
            lines.append(f"{key[0]:<28} {key[1]}t  rows {len(raced):3}  geometric mean {mean:6.2f}  "
                         f"lowest {worst['ratio']:6.2f} ({worst['row']})")  # fmt: skip
    return lines


def markdown(results: list[dict[str, Any]]) -> str:
    """A table for a README."""
    lines = ["| row | threads | ours, ms | fastest peer | its ms | ratio |", "|---|---|---|---|---|---|"]
    for r in results:
        if "ratio" in r:
            ours, theirs = (1e3 * r["seconds"][name] for name in ("ours", r["fastest"]))
            lines.append(
                f"| {r['row']} | {r['threads']} | {ours:.4g} | {r['fastest']} | {theirs:.4g} | {r['ratio']:.2f} |"
            )
    return "\n".join(lines)


def compare(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[str]:
    """Name the rows whose ratios differ between two runs by more than the two stated spreads together."""
    before = {(r["row"], r["threads"]): r for r in first if "ratio" in r}
    lines = []
    for r in second:
        old = before.get((r["row"], r["threads"]))
        if "ratio" in r and old and (r["low"] > old["high"] or r["high"] < old["low"]):
            lines.append(f"{r['row']} {r['threads']}t: {old['ratio']:.2f} [{old['low']:.2f}, {old['high']:.2f}], then "
                         f"{r['ratio']:.2f} [{r['low']:.2f}, {r['high']:.2f}]")  # fmt: skip
    return lines


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Draw the ratio of every row on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    raced = [r for r in results if "ratio" in r]
    if not raced:
        return
    rows = list(dict.fromkeys(r["row"] for r in raced))
    figure, axes = pyplot.subplots(figsize=(10, 1.5 + 0.2 * len(rows)), layout="constrained")
    for threads in sorted({r["threads"] for r in raced}):
        some = [r for r in raced if r["threads"] == threads]
        ratio = np.array([r["ratio"] for r in some])
        spread = np.array([[r["ratio"] - r["low"] for r in some], [r["high"] - r["ratio"] for r in some]])
        axes.errorbar(ratio, [rows.index(r["row"]) for r in some], xerr=np.maximum(spread, 0), fmt="o", markersize=4,
                      label=f"{threads} thread{'s' * (threads > 1)}")  # fmt: skip
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("fastest peer's time / ours (right of the line: ours is faster)")
    axes.legend()
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
