"""Results of megabytes: memory kept from earlier ones, rows stored past the caches, windows of several vectors."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import upsampling as up
from upsampling import _arrays, _plan_resample, _repeat, _resample
from upsampling._kernels import memory

needs_kept = pytest.mark.skipif(memory.piece_of(1) is None or not _arrays.KEPT, reason="no memory is kept here")


def numbers(shape, dtype=np.float32, channels_last=False):
    x = np.random.default_rng(1).random(shape).astype(dtype)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if channels_last else x


def python(code, kept):
    """Run code in a process of its own, in a folder that holds no other `upsampling`."""
    here, package = Path(__file__).parent, Path(up.__file__).parent.parent
    environment = os.environ | {"UPSAMPLING_KEPT_MIB": kept, "PYTHONPATH": str(package)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)


def address(array):
    return array.__array_interface__["data"][0]


@pytest.fixture
def nothing_kept():
    memory.set_kept(0)
    memory.set_kept(_arrays.KEPT)
    _repeat.forget()


@needs_kept
@pytest.mark.usefixtures("nothing_kept")
def test_the_memory_of_a_result_is_used_again_and_not_while_an_array_has_it():
    x = numbers((1, 1, 512, 1024))
    y = up.interpolate(x, scale_factor=2)
    first, row = address(y), y[0, 0, 5]
    assert first % 2**21 == 0
    assert not _arrays.is_used(y)
    del y
    z = up.interpolate(x, scale_factor=2)
    assert address(z) != first  # a view of the first is left
    np.testing.assert_array_equal(row, np.repeat(x[0, 0, 2], 2))
    del row
    gc.collect()
    y = up.interpolate(x, scale_factor=2)
    assert address(y) == first
    assert _arrays.is_used(y)
    np.testing.assert_array_equal(y, z)


@needs_kept
@pytest.mark.usefixtures("nothing_kept")
def test_no_more_is_kept_than_allowed():
    try:
        memory.set_kept(2**23)
        pieces = [memory.piece_of(2**22) for _ in range(4)]
        pieces.clear()
        used = [memory.piece_of(2**22) for _ in range(4)]
        assert sum(piece.used for piece in used) == 2
        used.clear()
        large = memory.piece_of(2**24)
        del large
        assert not memory.piece_of(2**24).used
    finally:
        memory.set_kept(_arrays.KEPT)


@needs_kept
@pytest.mark.usefixtures("nothing_kept")
def test_large_scratch_is_kept_where_there_is_room():
    """The weights that a call packs, 32 MiB and more, which C's allocator gives back; results do not go for them."""
    x, weight = numbers((1, 1024, 20, 20)), numbers((1024, 1024, 3, 3))
    wanted = up.conv_transpose2d(x, weight, padding=1)
    kept = memory.kept_bytes()
    assert kept >= 2**25
    np.testing.assert_array_equal(up.conv_transpose2d(x, weight, padding=1), wanted)
    assert memory.kept_bytes() == kept
    memory.let_go()
    assert memory.kept_bytes() == 0
    size = _arrays.KEPT - 2**23
    piece = memory.piece_of(size)
    del piece
    np.testing.assert_array_equal(up.conv_transpose2d(x, weight, padding=1), wanted)
    assert memory.piece_of(size).used


@needs_kept
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limited address space")
def test_what_is_kept_is_given_back_where_scratch_is_missing():
    code = """
import resource
import numpy as np, upsampling as up
from upsampling._kernels import memory
x, weight = np.ones((1, 1024, 20, 20), np.float32), np.ones((1024, 1024, 3, 3), np.float32)
with up.num_threads(1):
    y = up.conv_transpose2d(x, weight, padding=1)
    memory.let_go()
    piece = memory.piece_of(2**27 - 2**21)
    del piece
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, used + 2**24))
    assert (up.conv_transpose2d(x, weight, padding=1) == y).all()
print(memory.kept_bytes() < 2**27 - 2**21)
"""
    done = python(code, "128")
    assert done.stdout == "True\n", done.stderr


@needs_kept
def test_threads_get_memory_of_their_own():
    x = numbers((4, 1, 256, 512))

    def work(n):
        for _ in range(30):
            y = up.interpolate(x[n : n + 1], size=(1024, 1024))
            np.testing.assert_array_equal(y[0, 0, ::4, ::2], x[n, 0])
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_keeping_can_be_turned_off():
    code = "import upsampling._arrays as a, numpy as np; print(a.empty((2**23,), np.dtype('u1')).base is None)"
    done = python(code, "0")
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("offset", [0, 1, 5])
@pytest.mark.parametrize("streams", [False, True])
def test_streamed_results_are_those_of_small_calls(mode, channels_last, offset, streams, monkeypatch):
    monkeypatch.setattr(_resample, "STREAMS", streams)
    x = numbers((1, 3, 300, 301), channels_last=channels_last)
    size = (1703, 1501)
    shape = (1, *size, 3) if channels_last else (1, 3, *size)
    count = int(np.prod(shape))
    assert 4 * count >= max(_resample.STREAMED, _resample.STREAMED_COPY)
    room = np.full(count + 8, -1, np.float32)
    out = room[offset : offset + count].reshape(shape)
    out = np.moveaxis(out, -1, 1) if channels_last else out
    up.interpolate(x, size=size, mode=mode, out=out)
    for channel in range(3):
        alone = up.interpolate(np.ascontiguousarray(x[:, channel : channel + 1]), size=size, mode=mode)
        assert alone.nbytes < _resample.STREAMED
        np.testing.assert_array_equal(out[:, channel : channel + 1], alone)
    assert (room[:offset] == -1).all()
    assert (room[offset + count :] == -1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(40, 97), (33, 64), (21, 50), (9, 40), (50, 7)])
def test_windows_of_several_vectors_have_the_bits_of_columns(dtype, channels, size, monkeypatch):
    x = numbers((1, channels, 120, 391), dtype, channels_last=True)
    x[0, 0, 7, 11] = np.inf
    for mode, antialias in (("bilinear", False), ("bicubic", False), ("area", False), ("bilinear", True)):
        results = []
        for far in (0, 10**9):
            monkeypatch.setattr(_plan_resample, "FAR", far)
            _plan_resample._cached.cache_clear()
            _repeat.forget()
            results.append(up.interpolate(x, size=size, mode=mode, antialias=antialias))
        _plan_resample._cached.cache_clear()
        _repeat.forget()
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("text", ["-1", "2.5", "all", ""])
def test_a_wrong_number_of_bytes_is_refused(text):
    ended = python("import upsampling", text)
    assert ended.returncode == 1
    assert f"UPSAMPLING_KEPT_MIB must be a number of MiB, 0 or more, got {text!r}" in ended.stderr
