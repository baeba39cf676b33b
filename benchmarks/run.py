"""Run rows: check each contestant's results, race them, in worker processes that may die without ending the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import accuracy, machine, peers, race, report, yardsticks
from .problem import Row, inputs, moved_bytes, useful_products

# Some pools read their size once, from the environment.
POOLS = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    peers: tuple[str, ...]
    rounds: int = 9
    processes: int = 3
    batch: float = race.BATCH
    budget: float = race.BUDGET


def _contestants(row: Row, arrays: dict[str, Any], names: Sequence[str], threads: int) -> tuple[dict, dict, dict]:
    """Give those that agree with us, their results, and why the others are left out."""
    contestants: dict[str, peers.Contestant] = {}
    results: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name in ("ours", *names):
        if name != "ours" and "ours" not in results:
            break  # there is nothing to compare with
        contestant, reason = peers.build(name, row, arrays, threads)
        if contestant is None:
            left_out[name] = reason
            continue
        try:
            contestant.enter()
            start = time.perf_counter()
            made = contestant.call()
            contestant.first = time.perf_counter() - start
            value = contestant.to_numpy(made)
            value = value.copy() if row.given_out else value
        except Exception as error:  # one library's failure must not end the run
            left_out[name] = f"{type(error).__name__}: {error}"
            continue
        if name != "ours":
            loose = contestant.tolerance is not None
            tolerance = contestant.tolerance if loose else row.tolerance
            if difference := race.disagreement(results["ours"], value, tolerance, row.integer or loose, row.outliers):
                left_out[name] = f"disagrees: {difference}"
                continue
        contestants[name] = contestant
        if name in ("ours", "torch"):
            results[name] = value
    return contestants, results, left_out


def run_row(row: Row, plan: Plan, threads: int, *, exact: bool = False) -> dict[str, Any]:
    """Check and race one row; `exact` also asks for the rounding errors."""
    result: dict[str, Any] = {"row": row.name, "set": row.set, "threads": threads}
    arrays = inputs(row)
    contestants, values, result["left_out"] = _contestants(row, arrays, plan.peers, threads)
    if "ours" not in contestants:
        return result | {"error": result["left_out"]["ours"]}
    if exact and (errors := accuracy.errors(row, arrays, values)):
        result["errors"] = errors
    del values
    if row.op == "conv_transpose" and not row.backward:
        result["multiply_adds"] = useful_products(row)
    if row.given_out:
        result["bytes"] = moved_bytes(row, arrays)
    measures = {name: yardsticks.build(name, row, arrays, threads) for name in yardsticks.NAMES}
    measures = {name: contestant for name, contestant in measures.items() if contestant is not None}
    if "peak" in measures:
        result["peak_multiply_adds"] = measures["peak"].work
    stay = ("ours", "torch", *measures)
    others = machine.Others()
    result["rounds"] = race.race(
        contestants | measures, plan.rounds, stay=stay, batch=plan.batch, budget=plan.budget / plan.processes
    )
    if (cores := others.cores()) is not None:
        result["others"] = cores
    return result


def work(rows: Sequence[Row], plan: Plan, threads: int, target: Path, *, exact: bool) -> None:
    """Race rows in this process, whose pools were started with one number of threads; a line of JSON for each."""
    with target.open("a") as lines:
        for row in rows:
            try:
                result = run_row(row, plan, threads, exact=exact)
            except Exception as error:  # such as a dtype that is not installed
                result = {
                    "row": row.name,
                    "set": row.set,
                    "threads": threads,
                    "error": f"{type(error).__name__}: {error}",
                }
            print(report.line(report.summarised(result)), flush=True)
            for name, reason in result.get("left_out", {}).items():
                if reason.startswith("disagrees") or "Error" in reason:
                    print(f"    {name}: {reason}", flush=True)
            lines.write(json.dumps(result) + "\n")
            lines.flush()


def supervise(
    rows: Sequence[Row], threads: int, part: Path, command: Callable[[int, int], list[str]], processes: int
) -> list[dict[str, Any]]:
    """Run workers, each over all rows; one that dies is continued after the row that it died of.

    `command` gives a worker's arguments from the number of its pass and the number of rows to skip.
    """
    environment = os.environ | dict.fromkeys(POOLS, str(threads))
    found: dict[str, list[dict[str, Any]]] = {}
    for turn in range(processes):
        if processes > 1:
            print(f"-- {threads} thread{'s' * (threads > 1)}, process {turn + 1} of {processes}", flush=True)
        done = 0
        while done < len(rows):
            part.unlink(missing_ok=True)
            finished = subprocess.run(
                [sys.executable, "-m", "benchmarks", *command(turn, done)], env=environment, check=False
            )
            results = [json.loads(line) for line in part.read_text().splitlines()] if part.exists() else []
            done += len(results)
            if done < len(rows):
                row = rows[done]
                print(f"{row.name}: the process ended with {finished.returncode}; its row is left out", flush=True)
                error = f"the process ended with {finished.returncode}"
                results.append({"row": row.name, "set": row.set, "threads": threads, "error": error})
                done += 1
            for result in results:
                found.setdefault(result["row"], []).append(result)
    part.unlink(missing_ok=True)
    return [report.summarised(merged(found[row.name])) for row in rows if row.name in found]


def merged(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join the rounds that several processes made of one row; one that failed in any process has failed."""
    total = dict(results[0])
    for result in results[1:]:
        if "error" in result or "error" in total:
            total = total if "error" in total else result
            continue
        rounds = total["rounds"]
        total["rounds"] = {name: rounds[name] + result["rounds"][name] for name in rounds if name in result["rounds"]}
        total |= {"others": max(r["others"] for r in (total, result))} if "others" in result else {}
        total["left_out"] = {**total["left_out"], **result["left_out"]}
    return total
