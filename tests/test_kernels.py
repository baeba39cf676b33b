"""The C-level door: the capsule's table, its checks, and the header as C and as C++."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import c_table
import numpy as np
import pytest

import upsampling as up
from upsampling import kernels

FROZEN = Path(__file__).parent / "frozen" / "abi.json"
SANITIZED = os.environ.get("UPSAMPLING_SANITIZED") == "1"


@pytest.fixture
def table() -> c_table.Table:
    return c_table.table()


def call(function, source, indices, target, plane, threads=1, item=None):
    planes, count = indices.shape
    return function(
        source.ctypes.data, indices.ctypes.data, target.ctypes.data, planes, count, plane,
        source.itemsize if item is None else item, threads,
    )  # fmt: skip


def test_table_names_its_abi_and_size(table):
    assert table.abi == 1
    assert table.size >= ctypes.sizeof(c_table.Table)
    messages = {table.status_message(status) for status in range(5)}
    assert len(messages) == 5
    assert table.status_message(99) == b"unknown status"


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8", "c16", "S3"])
@pytest.mark.parametrize("threads", [1, 3])
def test_unpool_is_pythons(table, dtype, threads):
    rng = np.random.default_rng(0)
    values = rng.integers(1, 100, (6, 5)).astype(dtype)
    indices = rng.integers(0, 9, (6, 5))
    out = np.ones((6, 9)).astype(dtype)
    assert call(table.max_unpool, values, indices, out, 9, threads) == 0
    np.testing.assert_array_equal(out[None], up.max_unpool1d(values[None], indices[None], 2, 2, output_size=(9,)))
    back = np.ones((6, 5)).astype(dtype)
    assert call(table.max_unpool_backward, out, indices, back, 9, threads) == 0
    np.testing.assert_array_equal(back[None], up.max_unpool1d_backward(out[None], indices[None]))


@pytest.mark.parametrize("wrong", [-1, 9, 2**32, -(2**63)])
def test_wrong_index_writes_nothing(table, wrong):
    indices = np.zeros((2, 3), np.int64)
    indices[1, 1] = wrong
    out = np.full((2, 9), 7.0)
    assert call(table.max_unpool, np.zeros((2, 3)), indices, out, 9) == 1
    assert (out == 7).all()


@pytest.mark.parametrize("sizes", [(-1, 3, 9, 8, 1), (2, 3, 2**62, 8, 1), (2, 3, 9, 0, 1), (2, 3, 9, 8, 0)])
def test_wrong_sizes_write_nothing(table, sizes):
    out = np.full((2, 9), 7.0)
    indices, values = np.zeros((2, 3), np.int64), np.zeros((2, 3))
    assert table.max_unpool(values.ctypes.data, indices.ctypes.data, out.ctypes.data, *sizes) == 3
    assert table.max_unpool(None, indices.ctypes.data, out.ctypes.data, 2, 3, 9, 8, 1) == 3
    assert (out == 7).all()


def compiled(language: str, text: str, folder: Path) -> None:
    """Compile a program that includes the header, with all warnings as errors."""
    compiler = shutil.which("cc" if language == "c" else "c++")
    if compiler is None or sys.platform == "win32":
        pytest.skip("there is no compiler for it, or none that Python's headers are for")
    source = folder / "client.c"
    source.write_text('#include "upsampling.h"\n' + text)
    standard = "-std=c99" if language == "c" else "-std=c++17"
    command = [compiler, "-x", language, standard, "-Wall", "-Wextra", "-pedantic", "-Werror", "-c", str(source)]
    folders = [f"-I{up.get_include()}", "-isystem", sysconfig.get_paths()["include"]]
    subprocess.run([*command, *folders, "-o", str(folder / "client.o")], check=True)


DEFAULTS = "".join(
    f"upsampling_{name} default_{name} = UPSAMPLING_{name.upper()}_INIT;\n" for name in c_table.STRUCTURES
)


@pytest.mark.parametrize("language", ["c", "c++"])
def test_header_compiles_without_warnings(language, tmp_path):
    use = (
        "extern const upsampling_api *table(void);\nconst upsampling_api *table(void) { return upsampling_import(); }\n"
    )
    compiled(language, use + DEFAULTS, tmp_path)


def layout(structure: type[ctypes.Structure]) -> dict[str, int]:
    """The structure's size, and where its fields lie."""
    fields = [field[0] for field in structure._fields_]
    return {"": ctypes.sizeof(structure)} | {name: getattr(structure, name).offset for name in fields}


LAYOUTS = {
    "upsampling_api": layout(c_table.Table),
    "upsampling_array": layout(c_table.Array),
    **{f"upsampling_{name}": layout(structure) for name, structure in c_table.STRUCTURES.items()},
}


def test_header_has_the_layouts_of_these_tests(tmp_path):
    checks = [
        f"char check_{i}[{f'offsetof({name}, {field})' if field else f'sizeof({name})'} == {number} ? 1 : -1];\n"
        for i, (name, field, number) in enumerate(
            (name, field, number) for name, fields in LAYOUTS.items() for field, number in fields.items()
        )
    ]
    compiled("c", "".join(checks), tmp_path)


def frozen() -> dict[str, Any]:
    """Everything that a compiled program relies on."""
    functions = {}
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, (ctypes.py_object,)
    for name, capsule in kernels.__pyx_capi__.items():
        functions[name] = name_of(capsule).decode()
    header = Path(up.get_include(), "upsampling.h").read_text()
    numbers = {name: int(number) for name, number in re.findall(r"(UPSAMPLING_\w+) = (\d+)", header)}
    return {
        "abi": kernels_abi(),
        "structures": LAYOUTS,
        "functions": functions,
        "addresses": sorted(kernels.addresses),
        "numbers": numbers,
    }


def kernels_abi() -> int:
    return c_table.table().abi


def test_what_compiled_programs_rely_on_is_as_it_was():
    """Regenerate with: python tests/test_kernels.py, when something was appended, and never for another reason."""
    before = json.loads(FROZEN.read_text())
    now = frozen()
    message = (
        "{} has changed: programs that were compiled with an earlier release would break. Append a new name or field "
        "instead (and run python tests/test_kernels.py), or raise UPSAMPLING_ABI"
    )
    assert now["abi"] == before["abi"], message.format("the ABI number")
    for kind in ("functions", "numbers"):
        for name, value in before[kind].items():
            assert now[kind].get(name) == value, message.format(name)
    for name, fields in before["structures"].items():
        for field, number in fields.items():
            larger = field == "" and now["structures"][name][field] >= number
            assert larger or now["structures"][name].get(field) == number, message.format(f"{name}.{field}")
    assert set(before["addresses"]) <= set(now["addresses"]), message.format("addresses")
    assert now == before, "something was appended: run python tests/test_kernels.py, which freezes it too"


if __name__ == "__main__":
    FROZEN.write_text(json.dumps(frozen(), indent=1) + "\n")
