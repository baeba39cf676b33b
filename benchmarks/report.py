"""Numbers of measured results, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import accuracy
from .yardsticks import NAMES as YARDSTICKS

Result = dict[str, Any]
DISTURBED = 0.1  # cores that other processes take while a row is raced
SCALED = 0.002  # seconds in one thread from which the gain of a second one is counted


def _spread(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """Ratio of times, round by round: median, and the range of all rounds but the tenth at either end."""
    low, middle, high = np.percentile(np.divide(theirs, ours), (10, 50, 90))
    return {"ratio": float(middle), "low": float(low), "high": float(high)}


def summary(times: dict[str, list[float]]) -> Result:
    """Give the median times, the ratio (fastest peer over ours) with its spread, and the one to PyTorch alone."""
    medians = {name: float(np.median(values)) for name, values in times.items()}
    result: Result = {"seconds": medians}
    if "ours" not in times:
        return result
    count = len(times["ours"])
    # Peers with fewer rounds were far behind in the trial, and are not the fastest.
    peers = {name: value for name, value in medians.items()
             if name not in ("ours", *YARDSTICKS) and len(times[name]) == count}  # fmt: skip
    if peers:
        fastest = min(peers, key=peers.__getitem__)
        result |= {"fastest": fastest, **_spread(times[fastest], times["ours"])}
    if "torch" in peers:
        result["torch"] = _spread(times["torch"], times["ours"])["ratio"]
    for name in ("base", "copy"):
        if name in times:
            result[name] = _spread(times[name], times["ours"])["ratio"]
    return result


def summarised(result: Result) -> Result:
    """Add to a raced row what follows from its times."""
    if "rounds" not in result:
        return result
    result = {**result, **summary(result["rounds"])}
    if "peak" in result["seconds"]:
        peak = result["peak_multiply_adds"] / min(result["rounds"]["peak"])  # a peak is the best that was seen
        result["peak"] = result["multiply_adds"] / result["seconds"]["ours"] / peak
    if (worse := accuracy.ratio(result.get("errors", {}))) is not None:
        result["error_ratio"] = worse
    return result


def line(result: Result) -> str:
    """One row as text, times in milliseconds."""
    start = f"{result['row']:<56} {result['threads']}t "
    if "error" in result:
        return start + result["error"]
    ratio = ""
    if "ratio" in result:
        ratio = f"{result['ratio']:6.2f} [{result['low']:.2f}, {result['high']:.2f}]"
    times = "  ".join(f"{name} {1e3 * value:.4g}" for name, value in result.get("seconds", {}).items())
    notes = [f"{name} {100 * result[name]:.0f}%" for name in ("copy", "peak") if name in result]
    if "error_ratio" in result:
        notes.append(f"error {result['error_ratio']:.2f} of torch's")
    if result.get("others", 0.0) > DISTURBED:
        notes.append(f"disturbed by {result['others']:.1f} cores")
    return f"{start}{ratio:<22} {times}" + (f"  ({', '.join(notes)})" if notes else "")


def mean(values: Sequence[float]) -> float:
    """The geometric mean."""
    return float(np.exp(np.mean(np.log(values))))


def scaling(results: Sequence[Result]) -> dict[str, float]:
    """For each row that takes a while: our time in one thread over that in two."""
    times: dict[tuple[str, int], float] = {
        (r["row"], r["threads"]): r["seconds"]["ours"] for r in results if "seconds" in r
    }
    return {row: seconds / times[row, 2] for (row, threads), seconds in times.items()
            if threads == 1 and seconds >= SCALED and (row, 2) in times}  # fmt: skip


def sets(results: Sequence[Result]) -> list[str]:
    """Lowest row and geometric mean of each set and number of threads."""
    lines = []
    for key in dict.fromkeys((r["set"], r["threads"]) for r in results):
        raced = [r for r in results if (r["set"], r["threads"]) == key and "ratio" in r]
        if raced:
            worst = min(raced, key=lambda r: r["ratio"])
            value = mean([r["ratio"] for r in raced])
            below = sum(r["ratio"] < 1 for r in raced)
            lines.append(f"{key[0]:<26} {key[1]}t  rows {len(raced):3} ({below:2} below 1)  geometric mean "
                         f"{value:6.2f}  lowest {worst['ratio']:6.2f} ({worst['row']})")  # fmt: skip
    return lines


def measures(results: Sequence[Result]) -> list[str]:
    """What is not a race: second thread, rounding errors, share of the machine's limits, our plainer calls."""
    lines = []
    gains = scaling(results)
    if gains:
        low = min(gains, key=gains.__getitem__)
        lines.append(f"two threads over one, rows of {1e3 * SCALED:.0f} ms and more: {len(gains)} rows, geometric mean "
                     f"{mean(list(gains.values())):.2f}, lowest {gains[low]:.2f} ({low})")  # fmt: skip
    titles = {"error_ratio": "rms error over PyTorch's", "peak": "share of the multiply-add peak",
              "copy": "share of a copy's speed, results in given memory"}  # fmt: skip
    for key, title in titles.items():
        for threads in sorted({r["threads"] for r in results if key in r}):
            some = sorted((r[key], r["row"]) for r in results if r["threads"] == threads and key in r)
            lines.append(f"{title}, {threads}t: {len(some)} rows, from {some[0][0]:.2f} ({some[0][1]}) "
                         f"to {some[-1][0]:.2f} ({some[-1][1]})")  # fmt: skip
    for threads in sorted({r["threads"] for r in results if "fresh" in r.get("seconds", {})}):
        some = [r["seconds"] for r in results if r["threads"] == threads and "fresh" in r.get("seconds", {})]
        ours, numpy = (1e3 * float(np.sum([s[a] - s[b] for s in some])) / len(some)
                       for a, b in (("base", "ours"), ("fresh", "fill")))  # fmt: skip
        lines.append(f"a new result instead of given memory, {threads}t: on average {ours:.2f} ms more, "
                     f"when NumPy fills it in one thread {numpy:.2f} ms more")  # fmt: skip
    for key in dict.fromkeys((r["set"], r["threads"]) for r in results if "base" in r):
        some = [(r["base"], r["row"]) for r in results if (r["set"], r["threads"]) == key and "base" in r]
        value, row = min(some)
        lines.append(f"our plainer call's time over the row's, {key[0]}, {key[1]}t: geometric mean "
                     f"{mean([ratio for ratio, _ in some]):.2f}, lowest {value:.2f} ({row})")  # fmt: skip
    return lines


def failures(results: Sequence[Result]) -> list[str]:
    """Rows without a measurement."""
    return [f"{r['row']} {r['threads']}t: {r['error']}" for r in results if "error" in r]


def disturbed(results: Sequence[Result]) -> list[str]:
    """Say how many rows were raced while other processes had work."""
    count = sum(r.get("others", 0.0) > DISTURBED for r in results)
    text = f"{count} of {len(results)} measurements were disturbed: other processes took more than {DISTURBED:g} cores"
    return [text] if count else []


def _cells(raced: Sequence[Result], key: str) -> list[str]:
    values = [r[key] for r in raced if key in r]
    return [f"{mean(values):.2f}", f"{min(values):.2f}"] if values else ["", ""]


def markdown(results: Sequence[Result]) -> str:
    """A table of sets for a README."""
    threads = sorted({r["threads"] for r in results})
    gains = scaling(results)
    heads = ["rows of", "number", "fastest peers"]
    for count in threads:
        heads += [f"{count} thread{'s' * (count > 1)}: mean", "lowest"]
    heads += [f"PyTorch alone, {count}t: mean" for count in threads]
    heads += ["2 threads over 1"] if gains else []
    lines = ["| " + " | ".join(heads) + " |", "|---|--:|---" + "|--:" * (len(heads) - 3) + "|"]
    for name in dict.fromkeys(r["set"] for r in results if "ratio" in r):
        raced = [r for r in results if r["set"] == name and "ratio" in r]
        wins = [r["fastest"] for r in raced]
        order = sorted(set(wins), key=lambda peer: -wins.count(peer))
        cells = [name, str(len({r["row"] for r in raced})), ", ".join(order)]
        for count in threads:
            cells += _cells([r for r in raced if r["threads"] == count], "ratio")
        for count in threads:
            cells += _cells([r for r in raced if r["threads"] == count], "torch")[:1]
        if gains:
            some = [gains[row] for row in {r["row"] for r in raced} if row in gains]
            cells.append(f"{mean(some):.2f}" if some else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(results: Sequence[Result]) -> str:
    """A table of all rows."""
    threads = sorted({r["threads"] for r in results})
    by_row: dict[str, dict[int, Result]] = {}
    for r in results:
        if "seconds" in r:
            by_row.setdefault(r["row"], {})[r["threads"]] = r
    gains = scaling(results)
    heads = ["row"]
    for count in threads:
        heads += [f"ours, ms, {count}t", "fastest peer", "its ms", "ratio", "to PyTorch"]
    heads += ["2t over 1t", "error over PyTorch's", "of copy, %", "of peak, %"]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:|---|--:|--:|--:" * len(threads) + "|--:" * 4 + "|"]
    for row, runs in by_row.items():
        cells = [row]
        for count in threads:
            r = runs.get(count, {})
            seconds, fastest = r.get("seconds", {}), r.get("fastest", "")
            cells += [_number(1e3 * seconds["ours"] if seconds else None), fastest]
            cells += [_number(1e3 * seconds[fastest] if fastest else None), _number(r.get("ratio"), 2)]
            cells.append(_number(r.get("torch"), 2))
        first = runs[min(runs)]
        cells += [_number(gains.get(row), 2), _number(first.get("error_ratio"), 2)]
        cells += [_number(100 * first[key] if key in first else None, 0) for key in ("copy", "peak")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float | None, digits: int | None = None) -> str:
    """Give a number with some digits after the point, or with four that count."""
    if value is None:
        return ""
    return f"{value:.4g}" if digits is None else f"{value:.{digits}f}"


def compare(first: Sequence[Result], second: Sequence[Result]) -> tuple[int, list[str]]:
    """Count the common rows of two runs, and name those whose ratios' stated spreads have nothing in common."""
    before = {(r["row"], r["threads"]): r for r in first if "ratio" in r}
    lines, count = [], 0
    for r in second:
        old = before.get((r["row"], r["threads"]))
        if "ratio" not in r or old is None:
            continue
        count += 1
        if r["low"] > old["high"] or r["high"] < old["low"]:
            busy = max(r.get("others", 0.0), old.get("others", 0.0))
            note = f"; disturbed by {busy:.1f} cores" if busy > DISTURBED else ""
            lines.append(f"{r['row']} {r['threads']}t: {old['ratio']:.2f} [{old['low']:.2f}, {old['high']:.2f}], then "
                         f"{r['ratio']:.2f} [{r['low']:.2f}, {r['high']:.2f}]{note}")  # fmt: skip
    return count, lines
