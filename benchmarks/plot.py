"""A picture of measured results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .report import Result, mean

COLOURS = {1: "#1f77b4", 2: "#e0672b"}
TITLES = {"ratio": "against the fastest peer", "torch": "against PyTorch alone"}


def _panel(axes: Any, raced: Sequence[Result], names: Sequence[str], key: str) -> None:
    """Draw one dot a row, and a mark at each set's geometric mean."""
    threads = sorted({r["threads"] for r in raced})
    for lane, count in enumerate(threads):
        offset = 0.36 * (lane - (len(threads) - 1) / 2)
        label = f"{count} thread{'s' * (count > 1)}"
        colour = COLOURS.get(count, "#2ca02c")
        for n, name in enumerate(names):
            values = [r[key] for r in raced if r["set"] == name and r["threads"] == count and key in r]
            if not values:
                continue
            axes.scatter(values, np.full(len(values), n + offset), s=11, color=colour, alpha=0.45, linewidths=0)
            axes.scatter(mean(values), n + offset, s=70, marker="|", color=colour, linewidths=2.4,
                         label=None if n else label)  # fmt: skip
    axes.axvspan(1e-4, 1, color="#b00020", alpha=0.06, linewidth=0)
    axes.axvline(1, color="black", linewidth=1)
    values = [r[key] for r in raced if key in r]
    if values:
        axes.set_xlim(min(0.5, min(values) / 1.2), max(2.0, max(values) * 1.2))
    axes.set_xscale("log")
    ticks = [
        t
        for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
        if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]
    ]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_title(TITLES[key], fontsize=11)
    axes.set_xlabel("their time / ours", fontsize=9)
    axes.grid(axis="x", alpha=0.25)
    for n in range(1, len(names)):
        axes.axhline(n - 0.5, color="black", alpha=0.08, linewidth=0.8)


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
    figure, both = pyplot.subplots(
        1, 2, sharey=True, figsize=(11, 1.7 + 0.36 * len(names)), layout="constrained", width_ratios=(1.15, 1)
    )
    for axes, key in zip(both, TITLES, strict=True):
        _panel(axes, raced, names, key)
    counts = [len({r["row"] for r in raced if r["set"] == name}) for name in names]
    both[0].set_yticks(range(len(names)), [f"{name} ({count})" for name, count in zip(names, counts, strict=True)],
                       fontsize=9)  # fmt: skip
    both[0].set_ylim(len(names) - 0.5, -0.5)
    threads = sorted({r["threads"] for r in raced})
    handles = [Line2D([], [], marker="o", linestyle="", color=COLOURS.get(count, "#2ca02c"),
                      label=f"{count} thread{'s' * (count > 1)}") for count in threads]  # fmt: skip
    handles.append(Line2D([], [], marker="|", linestyle="", color="black", markersize=9, markeredgewidth=2,
                          label="geometric mean"))  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    if caption:
        figure.text(0.005, -0.01, caption, fontsize=7, color="#555555", ha="left", va="top", wrap=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
