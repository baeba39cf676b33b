"""The command line: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import memory, peers, race, report
from .rows import ROWS, Row, inputs

RESULTS = Path(__file__).resolve().parent / "results"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Race the package against other libraries.")
    parser.add_argument("--rows", default="*", metavar="PATTERN", help="rows by name, e.g. 'conv/*k4s2*'")
    parser.add_argument("--peers", default=",".join(peers.NAMES), help="comma-separated (default: all)")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="3 rounds of short batches")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    parser.add_argument("--json", type=Path, default=RESULTS / "results.json")
    parser.add_argument("--plot", type=Path, default=RESULTS / "results.png")
    parser.add_argument("--markdown", type=Path, metavar="JSON", help="print a table of earlier results and stop")
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar="JSON", help="whether two runs agree within their spread"
    )
    parser.add_argument(
        "--memory", action="store_true", help="peak memory of one call beside PyTorch's, instead of a race"
    )
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return parser


def run_row(row: Row, names: list[str], threads: int, rounds: int, batch: float) -> dict[str, Any]:
    """Check and race one row."""
    result: dict[str, Any] = {"row": row.name, "set": row.set, "threads": threads, "left_out": {}}
    arrays = inputs(row)
    contestants = {}
    expected = None
    for name in ["ours", *names]:
        contestant, reason = peers.build(name, row, arrays, threads)
        if contestant is not None:
            try:
                contestant.enter()
                value = contestant.to_numpy(contestant.call())
            except Exception as error:  # one library's failure must not end the run
                reason, contestant = f"{type(error).__name__}: {error}", None
        if contestant is None:
            result["left_out"][name] = reason
            if name == "ours":
                return result
            continue
        if name == "ours":
            expected = value
        elif difference := race.disagreement(expected, value, row.tolerance, row.dtype == "uint8", row.outliers):
            result["left_out"][name] = f"disagrees: {difference}"
            continue
        contestants[name] = contestant
    times = race.race(contestants, rounds, batch=batch)
    return result | report.summary(times) | {"rounds": times}


def _worker(options: argparse.Namespace, rows: list[Row]) -> None:
    """Race in this process, whose pools were started with one number of threads."""
    threads, names = int(options.threads), options.peers.split(",")
    rounds, batch = (3, 0.005) if options.quick else (options.rounds, race.BATCH)
    results = []
    for row in rows:
        result = run_row(row, names, threads, rounds, batch)
        print(report.line(result), flush=True)
        for name, reason in result["left_out"].items():
            if name == "ours" or reason.startswith("disagrees") or "Error" in reason:
                print(f"    {name}: {reason}", flush=True)
        results.append(result)
    options.worker.write_text(json.dumps(results))


def _run(options: argparse.Namespace) -> int:
    results: list[dict[str, Any]] = []
    for path in (options.json, options.plot):
        path.parent.mkdir(parents=True, exist_ok=True)
    part = options.json.with_suffix(".part")
    for threads in options.threads.split(","):
        # Some pools read their size once, from the environment: a fresh process for each number of threads.
        environment = os.environ | dict.fromkeys(
            ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads
        )
        command = [sys.executable, "-m", "benchmarks", "--worker", str(part), "--threads", threads,
                   "--rows", options.rows,
                   "--peers", options.peers, "--rounds", str(options.rounds)]  # fmt: skip
        if status := subprocess.run(command + ["--quick"] * options.quick, env=environment, check=False).returncode:
            return status
        results += json.loads(part.read_text())
        part.unlink()
    bandwidth = {threads: report.copy_bandwidth(int(threads)) for threads in options.threads.split(",")}
    described = {**report.machine(), "copy_bandwidth": bandwidth}
    options.json.write_text(json.dumps({"machine": described, "results": results}, indent=1))
    report.plot(results, options.plot)
    print("\n".join(["", *report.sets(results)]))
    for threads, speed in bandwidth.items():
        print(f"copy bandwidth, {threads}t: {speed / 1e9:.1f} GB/s read and written")
    print(f"\n{options.json}\n{options.plot}")
    return 0


def main() -> int:
    options = _parser().parse_args()
    if options.markdown:
        print(report.markdown(json.loads(options.markdown.read_text())["results"]))
        return 0
    if options.compare:
        lines = report.compare(*(json.loads(path.read_text())["results"] for path in options.compare))
        print("\n".join(lines) or "the two runs agree within their spread")
        return bool(lines)
    rows = [row for row in ROWS if fnmatch.fnmatch(row.name, options.rows)]
    if not rows:
        print(f"no row is called {options.rows}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(row.name for row in rows))
        return 0
    if options.memory:
        memory.table(rows)
        return 0
    if options.worker:
        _worker(options, rows)
        return 0
    return _run(options)


if __name__ == "__main__":
    sys.exit(main())
