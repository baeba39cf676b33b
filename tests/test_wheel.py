"""The installed package as a stranger gets it: its files, its size and what it imports.

It is looked at in a subprocess, isolated from the source folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import upsampling

PROBE = """
import json, sys
import numpy
before = set(sys.modules)
import upsampling
print(json.dumps({
    "folder": upsampling.__path__[0],
    "include": upsampling.get_include(),
    "imported": sorted({name.split(".")[0] for name in set(sys.modules) - before}),
}))
"""


def probe(folder: Path) -> dict:
    done = subprocess.run([sys.executable, "-I", "-c", PROBE], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and "No module named 'upsampling'" in done.stderr:
        pytest.skip("the package is not installed: it runs from a source folder that was built in place")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict:
    return probe(tmp_path_factory.mktemp("elsewhere"))


def test_files_for_type_checkers_and_other_compilers_are_installed(installed):
    folder = Path(installed["folder"])
    for name in (
        "py.typed", "__init__.pxd", "kernels.pxd", "include/upsampling.h", "cmake/upsampling-config.cmake",
        "pkgconfig/upsampling.pc",
    ):  # fmt: skip
        assert (folder / name).is_file(), name
    assert Path(installed["include"], "upsampling.h").is_file()


def test_no_sources_tests_or_benchmarks_are_installed(installed):
    folder = Path(installed["folder"])
    assert not list(folder.rglob("*.pyx"))
    assert not list(folder.rglob("*.c"))
    assert not list(folder.rglob("test_*"))


def test_import_needs_numpy_and_the_standard_library_alone(installed):
    # cython_runtime is a name that Cython's modules make, not an import.
    outside = set(installed["imported"]) - set(sys.stdlib_module_names) - {"upsampling", "numpy", "cython_runtime"}
    assert {name for name in outside if not name.startswith("_")} == set()


IMPORT = """
import time
import numpy
before = time.process_time()
import upsampling
print(time.process_time() - before)
"""


def test_import_takes_less_than_60_ms_beyond_numpy(installed, tmp_path):
    """Of processor's time, which other processes do not lengthen."""
    taken = []
    for _ in range(7):
        done = subprocess.run([sys.executable, "-I", "-c", IMPORT], cwd=tmp_path, capture_output=True, check=True)
        taken.append(float(done.stdout))
    if os.environ.get("UPSAMPLING_SANITIZED") != "1":
        assert min(taken) < 0.06, taken


def test_installed_size_is_below_8_mb(installed):
    files = [path for path in Path(installed["folder"]).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 8e6


def test_wheel_is_below_3_mb():
    wheel = os.environ.get("UPSAMPLING_WHEEL")
    if not wheel:
        pytest.skip("UPSAMPLING_WHEEL does not name a wheel (make test sets it)")
    assert Path(wheel).stat().st_size < 3e6


def test_a_source_folder_that_is_not_built_says_what_to_do(tmp_path):
    source = Path(upsampling.__file__).parent
    shutil.copytree(source, tmp_path / "upsampling", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", "import upsampling"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"ImportError: {tmp_path / 'upsampling'} is upsampling's source, which is not built" in done.stderr
