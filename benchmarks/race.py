"""Timing: contestants take turns within a round, rounds are repeated, the order rotates."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import numpy as np

from .peers import Contestant
from .yardsticks import NAMES as YARDSTICKS

PAUSE = 0.04  # seconds: thread pools spin some milliseconds after a call
WARM = 0.01  # seconds of calls after a pause: a virtual machine may wake two threads on one core, for two ticks or so
BATCH = 0.03  # seconds that a timed batch lasts at least
BUDGET = 12.0  # seconds for the rounds of one row, where that leaves some rounds at all
SLOW = 0.3  # seconds of one call from which its first timing is believed
BLOCK = 2**16  # elements compared at once, in cache
FAR = 4.0  # a peer this many times slower than the fastest one is not timed again


def disagreement(ours: object, theirs: object, tolerance: float, absolute: bool, outliers: float = 0.0) -> str | None:
    """Say how two results differ by more than the tolerance; None where they agree."""
    pairs = list(zip(ours, theirs, strict=True)) if isinstance(ours, tuple) else [(ours, theirs)]
    for a, b in pairs:
        if a is None or b is None:
            continue
        if a.shape != b.shape:
            return f"shape {b.shape} for our {a.shape}"
        a, b = a.reshape(-1), b.reshape(-1)
        greatest = max(float(a.max(initial=0)), -float(a.min(initial=0)))
        limit = tolerance if absolute else tolerance * max(greatest, 1e-30)
        worst, far = 0.0, 0
        for start in range(0, a.size, BLOCK):
            part = slice(start, start + BLOCK)
            distance = np.abs(a[part].astype(np.float64) - b[part].astype(np.float64))
            worst = float(np.maximum(worst, distance.max()))
            far += int(np.count_nonzero(~(distance <= limit)))  # a NaN is never close
        if far > outliers * a.size:
            return f"differs by {worst:.3g} (allowed {limit:.3g})"
    return None


def _timed(call: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        call()
    return (clock() - start) / count


def _warm(contestant: Contestant, clock: Callable[[], float]) -> None:
    start = clock()
    contestant.call()
    while clock() - start < WARM:
        contestant.call()


def _trial(contestant: Contestant, clock: Callable[[], float]) -> float:
    """Estimate the seconds of a call: one disturbed call would make all batches of a contestant too short."""
    if contestant.first >= SLOW:
        return contestant.first
    contestant.enter()
    first = _timed(contestant.call, 1, clock)
    if first >= SLOW:
        return first
    return min(_timed(contestant.call, 1, clock) for _ in range(3))


def race(
    contestants: dict[str, Contestant],
    rounds: int,
    *,
    stay: Collection[str] = ("ours", "torch"),
    batch: float = BATCH,
    budget: float = BUDGET,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, list[float]]:
    """Give for each contestant its seconds for one call in every round.

    A peer that is far from the fastest gets one entry, of its trial, unless it is among those that stay. Rounds become
    fewer, but not fewer than two, where calls are long.
    """
    trials = {name: _trial(contestant, clock) for name, contestant in contestants.items()}
    fastest = min((seconds for name, seconds in trials.items() if name not in ("ours", *YARDSTICKS)), default=0.0)
    racing = [name for name in contestants if name in stay or trials[name] <= FAR * fastest]
    counts = {name: max(1, min(100_000, int(np.ceil(batch / max(trials[name], 1e-7))))) for name in racing}
    round_seconds = sum((1 + counts[name]) * trials[name] for name in racing)
    rounds = max(min(2, rounds), min(rounds, int(budget / max(round_seconds, 1e-9))))
    times: dict[str, list[float]] = {name: [] if name in racing else [trials[name]] for name in contestants}
    for turn in range(rounds):
        first = turn % len(racing)
        for name in racing[first:] + racing[:first]:
            contestant = contestants[name]
            sleep(PAUSE)
            contestant.enter()
            _warm(contestant, clock)
            times[name].append(_timed(contestant.call, counts[name], clock))
    return times
