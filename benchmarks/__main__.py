"""The command line: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import machine, memory, peers, plot, race, report, run
from .problem import Row
from .rows import ROWS

RESULTS = Path(__file__).resolve().parent / "results"
EPILOG = "How the numbers are made and how to install the other libraries: benchmarks/README.md."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="Race the package against other libraries.", epilog=EPILOG
    )
    what = parser.add_argument_group("what is raced")
    what.add_argument("--rows", nargs="+", default=["*"], metavar="PATTERN", help="rows by name, e.g. 'conv/*k4s2*'")
    what.add_argument("--long", action="store_true", help="also the rows of some gigabytes")
    what.add_argument("--peers", default=",".join(peers.NAMES), help="comma-separated (default: all)")
    what.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    what.add_argument("--list", action="store_true", help="name the rows and stop")
    how = parser.add_argument_group("how it is measured")
    how.add_argument("--rounds", type=int, help="rounds of all processes together (default: 9; quick: 3)")
    how.add_argument("--processes", type=int, help="fresh processes that share the rounds (default: 3; quick: 1)")
    how.add_argument("--quick", action="store_true", help="few rounds of short batches")
    out = parser.add_argument_group("what comes out")
    out.add_argument("--json", type=Path, default=RESULTS / "results.json", help="where the results are written")
    out.add_argument(
        "--plot", type=Path, metavar="PNG", help="where the picture is drawn (default: beside the results)"
    )
    out.add_argument(
        "--from", dest="given", type=Path, nargs="+", metavar="JSON", help="race nothing: use the results of these runs"
    )
    out.add_argument("--markdown", action="store_true", help="print a compact table for a README")
    out.add_argument("--table", action="store_true", help="print a table of all rows")
    other = parser.add_argument_group("instead of a race")
    other.add_argument(
        "--compare", type=Path, nargs=2, metavar="JSON", help="whether two runs agree within their spread"
    )
    other.add_argument("--memory", action="store_true", help="peak memory of one call beside PyTorch's")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--skip", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--pass", dest="turn", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def _selected(options: argparse.Namespace) -> list[Row]:
    return [row for row in ROWS if (options.long or not row.long)
            and any(fnmatch.fnmatch(row.name, pattern) for pattern in options.rows)]  # fmt: skip


def _plan(options: argparse.Namespace) -> run.Plan:
    """Say how much is measured; the rounds are those of one process."""
    rounds = options.rounds or (3 if options.quick else 9)
    processes = min(rounds, options.processes or (1 if options.quick else 3))
    names = tuple(name for name in options.peers.split(",") if name)
    batch, budget = (0.005, 3.0) if options.quick else (race.BATCH, race.BUDGET)
    return run.Plan(names, -(-rounds // processes), processes, batch, budget)


def _race(options: argparse.Namespace, rows: list[Row]) -> dict[str, Any]:
    """Race in fresh processes, and write the results."""
    plan, arguments = _plan(options), sys.argv[1:]
    options.json.parent.mkdir(parents=True, exist_ok=True)
    part = options.json.with_suffix(".part")
    described, results, limits = machine.describe(), [], {}
    for threads in options.threads.split(","):

        def command(turn: int, skip: int, threads: str = threads) -> list[str]:
            return [*arguments, "--worker", str(part), "--threads", threads, "--skip", str(skip), "--pass", str(turn)]

        results += run.supervise(rows, int(threads), part, command, plan.processes)
        limits[threads] = machine.speeds(int(threads))
        found = {"machine": {**described, "limits": limits}, "results": results}
        options.json.write_text(json.dumps(found, indent=1))  # what there is, should the rest be interrupted
    return found


def _together(paths: Sequence[Path]) -> dict[str, Any]:
    """Read the results of several runs as one; the machine is told as the last one found it."""
    runs = [json.loads(path.read_text()) for path in paths]
    return {"machine": runs[-1]["machine"], "results": [result for one in runs for result in one["results"]]}


def _print(found: dict[str, Any], options: argparse.Namespace) -> None:
    results: Sequence[report.Result] = found["results"]
    if options.markdown or options.table:
        print(report.markdown(results) if options.markdown else report.table(results))
        print(f"\n{machine.sentence(found['machine'])}")
        return
    for lines in (report.sets(results), report.measures(results), machine.text(found["machine"]["limits"]),
                  report.disturbed(results)):  # fmt: skip
        if lines:
            print("\n".join(["", *lines]))
    if failed := report.failures(results):
        print("\n".join(["", "not measured:", *failed]))


def _compare(paths: Sequence[Path]) -> int:
    count, lines = report.compare(*(json.loads(path.read_text())["results"] for path in paths))
    print("\n".join([*lines, f"{count - len(lines)} of {count} rows agree within their spread"]))
    return bool(lines)


def main() -> int:
    options = _parser().parse_args()
    if options.compare:
        return _compare(options.compare)
    rows = _selected(options)
    if not rows:
        print(f"no row is called {' or '.join(options.rows)}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(row.name for row in rows))
    elif options.memory:
        memory.table(rows)
    elif options.worker:
        exact = options.threads == "1" and options.turn == 0
        run.work(rows[options.skip :], _plan(options), int(options.threads), options.worker, exact=exact)
    else:
        found = _together(options.given) if options.given else _race(options, rows)
        _print(found, options)
        picture = options.plot or (None if options.given else options.json.with_suffix(".png"))
        if picture:
            try:
                plot.draw(found["results"], picture, machine.sentence(found["machine"]))
                print(f"\n{picture}")
            except ImportError:
                print("\nno picture: matplotlib is not installed")
        if not options.given:
            print(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
