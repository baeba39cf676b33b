"""No argument, however wrong, ends the process, hangs it, takes gigabytes or gives a wrong answer.

Each function runs in a process of its own, with a limited address space and a time limit for each call.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cases
import hostile_calls
import pytest

import upsampling as up

HERE = Path(__file__).parent
FUNCTIONS = sorted({case.function for case in cases.CASES} | hostile_calls.OTHERS.keys())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_argument(function):
    path = os.pathsep.join([str(Path(up.__file__).parent.parent), str(HERE)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "hostile_calls.py"), function],
        env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[:1000]}...{done.stderr[-1000:]}"
    *problems, last = done.stdout.splitlines()
    assert not problems, "\n".join(problems[:20]) + f"\n{len(problems)} in all"
    assert int(last.split()[0]) > 80
