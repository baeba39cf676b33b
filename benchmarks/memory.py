"""Peak memory of one call beyond what the process held before it, in a fresh process each (Linux)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from . import peers
from .problem import Row, inputs
from .rows import ROWS


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def _size(result: Any) -> int:
    parts = result if isinstance(result, (tuple, list)) else (result,)
    return sum(getattr(part, "nbytes", 0) for part in parts)


def peak(name: str, peer: str) -> tuple[int, int]:
    """Bytes that the first call of a contestant adds at its height, its result included; and the result's bytes."""
    row = next(row for row in ROWS if row.name == name)
    contestant, reason = peers.build(peer, row, inputs(row), 1)
    if contestant is None:
        raise SystemExit(reason)
    contestant.enter()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _status("VmRSS")
    result = contestant.call()
    after = _status("VmHWM")
    return max(0, after - before), _size(result)


def table(rows: list[Row]) -> None:
    """Print both peaks of each row, in MiB."""
    if not Path("/proc/self/clear_refs").exists():
        print("peak memory can be measured on Linux only")
        return
    print(f"{'MiB':<56} {'result':>10} {'ours':>10} {'torch':>10}")
    for row in rows:
        cells, size = [], 0.0
        for peer in ("ours", "torch"):
            command = [sys.executable, "-m", "benchmarks.memory", row.name, peer]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            height, *result = (int(word) / 2**20 for word in done.stdout.split()[-2:]) if not done.returncode else (0,)
            cells.append(f"{height:.2f}" if result else "-")
            size = size or sum(result)
        print(f"{row.name:<56} {size:>10.2f} {cells[0]:>10} {cells[1]:>10}", flush=True)


if __name__ == "__main__":
    print(*peak(*sys.argv[1:3]))
