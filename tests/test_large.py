"""Arrays of more than 2**31 elements, where memory allows: what lies far out is read and written like the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import upsampling as up

SIDE = 46400  # its square is above 2**31
# Zeros that are only read take no memory; results are looked at near their last element.
CALLS = {
    "nearest": (3, "x = zeros('u1', 1, 1, SIDE // 2, SIDE); x[..., -1] = 7; y = up.interpolate(x, size=(SIDE, SIDE)); "
                "assert y[0, 0, -1, -1] == 7 and y[0, 0, -1, -2] == 0"),
    "bilinear": (10, "x = zeros('f4', 1, 1, SIDE, 2); x[..., -1] = 7; "
                 "y = up.interpolate(x, size=(SIDE, SIDE), mode='bilinear'); assert y[0, 0, -1, -1] == 7"),
    "interpolate_backward": (10, "g = zeros('f4', 1, 1, SIDE, SIDE); g[0, 0, -1, -1] = 7; "
                             "y = up.interpolate_backward(g, (SIDE, 2), size=(SIDE, SIDE), mode='bilinear'); "
                             "assert y[0, 0, -1, -1] == 7 and y[0, 0, 0, 0] == 0"),
    "resize": (4, "x = zeros('u1', SIDE, 10); x[-1] = 7; y = up.resize(x, (SIDE, SIDE), mode='bilinear'); "
               "assert y[-1, -1] == 7 and y[0, 0] == 0"),
    "max_pool": (2, "x = zeros('f4', 1, 1, SIDE, SIDE); x[0, 0, -1, -1] = 7; "
                 "y, at = up.max_pool2d(x, 800, return_indices=True); "
                 "assert y[0, 0, -1, -1] == 7 and at[0, 0, -1, -1] == SIDE * SIDE - 1"),
    "max_pool_backward": (10, "at = np.array([[[[SIDE * SIDE - 1]]]]); g = np.full((1, 1, 1, 1), 7, 'f4'); "
                          "y = up.max_pool2d_backward(g, at, (SIDE, SIDE)); assert y[0, 0, -1, -1] == 7"),
    "max_unpool": (3, "at = np.array([[[[SIDE * SIDE - 1]]]]); x = np.full((1, 1, 1, 1), 7, 'u1'); "
                   "y = up.max_unpool2d(x, at, SIDE); assert y[0, 0, -1, -1] == 7; "
                   "assert up.max_unpool2d_backward(y, at)[0, 0, 0, 0] == 7"),
    "pixel_shuffle": (5, "x = zeros('u1', 4, SIDE // 2, SIDE // 2); x[3, -1, -1] = 7; y = up.pixel_shuffle(x, 2); "
                      "assert y[0, -1, -1] == 7; assert up.pixel_unshuffle(y, 2)[3, -1, -1] == 7"),
    "conv_transpose": (10, "x = np.full((1, 1, 2, 2), 7, 'f4'); w = np.ones((1, 1, 1, 1), 'f4'); "
                       "y = up.conv_transpose2d(x, w, stride=SIDE - 1); "
                       "assert y[0, 0, -1, -1] == 7 and y[0, 0, -1, -2] == 0"),
    "conv_transpose_backward": (10, "g = zeros('f4', 1, 1, SIDE, SIDE); g[0, 0, -1, -1] = 7; "
                                "x, w = np.ones((1, 1, 2, 2), 'f4'), np.ones((1, 1, 1, 1), 'f4'); "
                                "a, b, c = up.conv_transpose2d_backward(g, x, w, stride=SIDE - 1); "
                                "assert a[0, 0, 1, 1] == 7 and b[0, 0, 0, 0] == 7 and c[0] == 7"),
}  # fmt: skip


def free_gigabytes() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) / 2**20
    return 0


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="needs to know how much memory is free")
@pytest.mark.skipif(os.environ.get("UPSAMPLING_SANITIZED") == "1", reason="sanitizers refuse so much memory")
@pytest.mark.parametrize("name", CALLS)
def test_more_elements_than_31_bits_count(name):
    gigabytes, code = CALLS[name]
    if free_gigabytes() < gigabytes + 4:
        pytest.skip(f"needs {gigabytes + 4} GiB of free memory")
    start = (
        f"import numpy as np\nimport upsampling as up\nSIDE = {SIDE}\ndef zeros(d, *s): return np.zeros(s, d)\n{code}"
    )
    paths = os.pathsep.join([str(Path(up.__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", start], env=os.environ | {"PYTHONPATH": paths}, cwd=Path(__file__).parent,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
