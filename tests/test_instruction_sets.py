"""Every instruction set of this build that this processor has, each in its own process.

The environment variable UPSAMPLING_ISA chooses it at import; wrong values are refused there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import bounds
import cases
import numpy as np
import pytest

import upsampling as up
from upsampling import _kernels

HERE = Path(__file__).parent
RESULTS = """
import sys
import numpy as np
import bounds, cases
import upsampling as up
assert up.show_config()["isa"] == sys.argv[1]
found = {}
for number, case in enumerate(cases.CASES):
    for dtype in case.dtypes:
        if dtype == "bfloat16" or np.dtype(dtype).kind in "MV":
            continue
        given = cases.arguments(case, dtype)
        for place, array in enumerate(bounds.outputs(getattr(up, case.function)(**given))):
            found[f"{number} {dtype} {place}"] = array
np.savez(sys.argv[2], **found)
"""


def run(isa: str, *command: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(Path(up.__file__).parent.parent), str(HERE)])
    return subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"UPSAMPLING_ISA": isa, "PYTHONPATH": path},
        cwd=HERE,  # not the folder above: its upsampling/ would hide the installed package
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    """The results of the table on each instruction set."""
    folder = tmp_path_factory.mktemp("isa")
    found = {}
    for isa in _kernels.available():
        done = run(isa, "-c", RESULTS, isa, str(folder / f"{isa}.npz"))
        assert done.returncode == 0, done.stderr
        with np.load(folder / f"{isa}.npz") as stored:
            found[isa] = dict(stored)
    return found


def test_the_best_is_chosen_by_itself():
    if not os.environ.get("UPSAMPLING_ISA"):
        assert _kernels.available()[-1] == _kernels.ISA
    assert "baseline" in _kernels.available()


@pytest.mark.parametrize("isa", _kernels.available())
def test_results_agree_within_the_bound(results, isa):
    """Those of one set with those of the chosen one here; equal bits where nothing is rounded."""
    from upsampling import reference

    missing = set(results[isa])
    for number, case in enumerate(cases.CASES):
        for dtype in case.dtypes:
            if dtype == "bfloat16" or np.dtype(dtype).kind in "MV":
                continue
            given = cases.arguments(case, dtype)
            here = bounds.outputs(getattr(up, case.function)(**given))
            there = [results[isa][f"{number} {dtype} {place}"] for place in range(len(here))]
            missing -= {f"{number} {dtype} {place}" for place in range(len(here))}
            first = next(iter(given.values())).dtype
            if cases.exact(case) or first.kind in "iub":
                for got, wanted in zip(there, here, strict=True):
                    bounds.same_bits(got, wanted, f"{case.id} {dtype} {isa}")
                continue
            if isa == _kernels.ISA or all(a.tobytes() == b.tobytes() for a, b in zip(there, here, strict=True)):
                for got, wanted in zip(there, here, strict=True):
                    bounds.same_bits(got, wanted, f"{case.id} {dtype} {isa}")
                continue
            wanted = [array.astype(bounds.wide(array.dtype)) for array in here]
            for got, one, bound in zip(there, wanted, bounds.tolerances(case, given, wanted, reference), strict=True):
                bounds.check(got, one, 2 * bound, f"{case.id} {dtype} {isa}")
    assert not missing


@pytest.mark.long
@pytest.mark.parametrize("isa", [isa for isa in _kernels.available() if isa != _kernels.ISA])
@pytest.mark.parametrize("module", ["test_against_reference.py", "test_frozen.py"])
def test_suite_on_each(isa, module):
    command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not layouts", str(HERE / module)]
    done = run(isa, *command)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.skipif("avx512" not in _kernels.available(), reason="needs AVX-512")
@pytest.mark.parametrize("has", [True, False])
def test_the_second_build_is_taken_where_the_processor_has_its_instructions(has, monkeypatch):
    if has and not _kernels.cpu.bytewise():
        pytest.skip("needs VNNI and VBMI")
    monkeypatch.setattr(_kernels, "ISA", "avx512")
    monkeypatch.setattr(_kernels.cpu, "bytewise", lambda: has)
    assert _kernels.load.__wrapped__("fixed", "u8").__name__.endswith("_bytewise" if has else "_avx512")
    assert _kernels.load.__wrapped__("move", "bytes").__name__.endswith("_avx512")


@pytest.mark.parametrize("value", ["sse9", "AVX2", "baseline,avx2", "0"])
def test_unknown_values_are_refused(value):
    done = run(value, "-c", "import upsampling")
    assert done.returncode == 1
    assert f"ImportError: UPSAMPLING_ISA must be one of baseline, avx2, avx512, got '{value}'" in done.stderr


def test_an_instruction_set_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("UPSAMPLING_ISA", "avx512")
    monkeypatch.setattr(_kernels, "available", lambda: ("baseline", "avx2"))
    with pytest.raises(ImportError, match="UPSAMPLING_ISA is 'avx512', but this machine and build have baseline, avx2"):
        _kernels._choose()


def test_an_empty_value_is_none():
    done = run("", "-c", "import upsampling as up; print(up.show_config()['isa'])")
    assert done.stdout.strip() == _kernels.available()[-1]
