"""The reference layer needs nothing that is compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import upsampling

# A package of the same name and place, without what its own __init__ imports.
ALONE = """
import importlib, sys, types
package = types.ModuleType("upsampling")
package.__path__ = [sys.argv[1]]
sys.modules["upsampling"] = package
reference = importlib.import_module("upsampling.reference")
import numpy as np
x, w = np.ones((1, 2, 3, 3)), np.ones((2, 1, 2, 2))
assert reference.conv_transpose2d(x, w, stride=2, out=np.empty((1, 1, 6, 6))).sum() == 72
pooled, indices = reference.max_pool2d(x, 2, return_indices=True)
reference.max_unpool2d(pooled, indices, 2)
reference.interpolate(x, scale_factor=2, mode="bicubic")
reference.resize(x[0, 0], (6, 6), out=np.empty((6, 6)))
ours = [module for name, module in sys.modules.items() if name.split(".")[0] == "upsampling"]
print([module.__name__ for module in ours if not getattr(module, "__file__", "x.py").endswith(".py")])
"""


def test_it_imports_nothing_compiled():
    command = [sys.executable, "-c", ALONE, str(Path(upsampling.__file__).parent)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert ended.stdout == "[]\n"
