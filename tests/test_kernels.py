"""The C-level door: the capsule's table, its checks, and the header as C and as C++."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sysconfig

import numpy as np
import pytest

import upsampling as up
from upsampling import kernels

SIZE = ctypes.c_ssize_t
MOVE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, SIZE, SIZE, SIZE, SIZE, ctypes.c_int
)


class Table(ctypes.Structure):
    """upsampling_api of ABI 1: a field may be appended, none may change."""

    _fields_ = [
        ("abi", ctypes.c_int),
        ("size", ctypes.c_size_t),
        ("status_message", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_int)),
        ("max_unpool", MOVE),
        ("max_unpool_backward", MOVE),
    ]


@pytest.fixture
def table() -> Table:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return Table.from_address(get(kernels._C_API, b"upsampling.kernels._C_API"))


def call(function, source, indices, target, plane, threads=1, item=None):
    planes, count = indices.shape
    return function(
        source.ctypes.data, indices.ctypes.data, target.ctypes.data, planes, count, plane,
        source.itemsize if item is None else item, threads,
    )  # fmt: skip


def test_table_names_its_abi_and_size(table):
    assert table.abi == 1
    assert table.size >= ctypes.sizeof(Table)
    messages = {table.status_message(status) for status in range(4)}
    assert len(messages) == 4
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


@pytest.mark.parametrize("language", ["c", "c++"])
def test_header_compiles_without_warnings(language, tmp_path):
    compiler = shutil.which("cc" if language == "c" else "c++")
    if compiler is None:
        pytest.skip("there is no compiler for it")
    source = tmp_path / "client.c"
    source.write_text('#include "upsampling.h"\nconst upsampling_api *table(void) { return upsampling_import(); }\n')
    standard = "-std=c99" if language == "c" else "-std=c++17"
    command = [compiler, "-x", language, standard, "-Wall", "-Wextra", "-pedantic", "-Werror", "-c", str(source)]
    folders = [f"-I{up.get_include()}", "-isystem", sysconfig.get_paths()["include"]]
    subprocess.run([*command, *folders, "-o", str(tmp_path / "client.o")], check=True)
