"""Timing: contestants take turns within a round, rounds are repeated, the order rotates."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from .peers import Contestant

PAUSE = 0.04  # seconds: thread pools spin some milliseconds after a call
BATCH = 0.03  # seconds that a timed batch lasts at least


def disagreement(ours: object, theirs: object, tolerance: float, absolute: bool, outliers: float = 0.0) -> str | None:
    """Say how two results differ by more than the tolerance; None where they agree."""
    pairs = list(zip(ours, theirs, strict=True)) if isinstance(ours, tuple) else [(ours, theirs)]
    for a, b in pairs:
        if a is None or b is None:
            continue
        if a.shape != b.shape:
            return f"shape {b.shape} for our {a.shape}"
        a, b = a.astype(np.float64), b.astype(np.float64)
        limit = tolerance if absolute else tolerance * max(float(np.abs(a).max(initial=0)), 1e-30)
        worst = float(np.abs(a - b).max(initial=0))
        # A NaN is never close.
        if not worst <= limit and not np.mean(~(np.abs(a - b) <= limit)) <= outliers:
            return f"differs by {worst:.3g} (allowed {limit:.3g})"
    return None


def _timed(call: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        call()
    return (clock() - start) / count


def race(
    contestants: dict[str, Contestant],
    rounds: int,
    *,
    batch: float = BATCH,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, list[float]]:
    """Give for each contestant its seconds for one call in every round."""
    names = list(contestants)
    counts = {}
    for name in names:
        contestants[name].enter()
        contestants[name].call()
        # The quickest of some: one disturbed call would make all batches of this contestant too short.
        seconds = min(_timed(contestants[name].call, 1, clock) for _ in range(3))
        counts[name] = max(1, min(100_000, int(np.ceil(batch / max(seconds, 1e-7)))))
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            contestant = contestants[name]
            sleep(PAUSE)
            contestant.enter()
            contestant.call()
            times[name].append(_timed(contestant.call, counts[name], clock))
    return times
