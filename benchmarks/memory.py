"""Peak memory of one call beyond what the process held before it, in a fresh process each (Linux)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from . import peers
from .problem import Row, inputs
from .rows import ROWS


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def peak(name: str, peer: str) -> int:
    """Bytes that the first call of a contestant adds at its height, its result included."""
    row = next(row for row in ROWS if row.name == name)
    contestant, reason = peers.build(peer, row, inputs(row), 1)
    if contestant is None:
        raise SystemExit(reason)
    contestant.enter()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _status("VmRSS")
    result = contestant.call()
    after = _status("VmHWM")
    del result
    return max(0, after - before)


def table(rows: list[Row]) -> None:
    """Print both peaks of each row, in MiB."""
    if not Path("/proc/self/clear_refs").exists():
        print("peak memory can be measured on Linux only")
        return
    print(f"{'row':<52} {'ours, MiB':>10} {'torch, MiB':>10}")
    for row in rows:
        cells = []
        for peer in ("ours", "torch"):
            command = [sys.executable, "-m", "benchmarks.memory", row.name, peer]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            cells.append(f"{int(done.stdout) / 2**20:.2f}" if done.returncode == 0 else "-")
        print(f"{row.name:<52} {cells[0]:>10} {cells[1]:>10}", flush=True)


if __name__ == "__main__":
    print(peak(*sys.argv[1:3]))
