"""A picture of measured results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .report import Result, mean

COLOURS = {1: "#1f77b4", 2: "#e0672b"}
TITLES = {"ratio": "against the fastest peer of each row", "torch": "against PyTorch alone"}
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def _colour(threads: int) -> str:
    return COLOURS.get(threads, "#2ca02c")


def _label(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def _panel(axes: Any, raced: Sequence[Result], names: Sequence[str], key: str) -> None:
    """Draw one dot a row, and a mark at each set's geometric mean."""
    threads = sorted({r["threads"] for r in raced})
    for lane, count in enumerate(threads):
        offset = 0.36 * (lane - (len(threads) - 1) / 2)
        for n, name in enumerate(names):
            values = [r[key] for r in raced if r["set"] == name and r["threads"] == count and key in r]
            if not values:
                continue
            axes.scatter(values, np.full(len(values), n + offset), s=11, color=_colour(count), alpha=0.45, linewidths=0)
            axes.scatter(mean(values), n + offset, s=70, marker="|", color=_colour(count), linewidths=2.4)
    axes.axvspan(1e-4, 1, color="#b00020", alpha=0.06, linewidth=0)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_title(TITLES[key], fontsize=11)
    axes.set_xlabel("their time / ours (1 and more: ours is faster)", fontsize=9)
    axes.grid(axis="x", alpha=0.25)
    for n in range(1, len(names)):
        axes.axhline(n - 0.5, color="black", alpha=0.08, linewidth=0.8)


def _scale(axes: Any, values: Sequence[float]) -> None:
    low, high = min(0.5, min(values) / 1.2), max(2.0, max(values) * 1.2)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def draw(results: Sequence[Result], path: Path, caption: str = "") -> None:
    """Draw the ratios of all rows by set, on a logarithmic axis: to the fastest peer, and to PyTorch alone."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    raced = [r for r in results if "ratio" in r]
    if not raced:
        return
    names = list(dict.fromkeys(r["set"] for r in raced))
    height = 1.7 + 0.36 * len(names)
    figure, both = pyplot.subplots(1, 2, sharex=True, sharey=True, figsize=(11, height), layout="constrained")
    for axes, key in zip(both, TITLES, strict=True):
        _panel(axes, raced, names, key)
    _scale(both[0], [r[key] for r in raced for key in TITLES if key in r])
    counts = [len({r["row"] for r in raced if r["set"] == name}) for name in names]
    labels = [f"{name} ({count})" for name, count in zip(names, counts, strict=True)]
    both[0].set_yticks(range(len(names)), labels, fontsize=9)
    both[0].set_ylim(len(names) - 0.5, -0.5)
    both[1].tick_params(axis="y", length=0)
    handles = [Line2D([], [], marker="o", linestyle="", color=_colour(count), label=_label(count))
               for count in sorted({r["threads"] for r in raced})]  # fmt: skip
    handles.append(Line2D([], [], marker="|", linestyle="", color="black", markersize=9, markeredgewidth=2,
                          label="geometric mean of a set"))  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    if caption:
        figure.text(0.005, -0.01, caption, fontsize=7, color="#555555", ha="left", va="top", wrap=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
