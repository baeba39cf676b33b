"""Weights that a layer keeps packed, in the order in which kernels read them, for as long as they are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _kernels

SMALL = 2**14  # weights up to which packing takes a few microseconds, less than keeping them packed
MOST = 4  # orders that are kept, with the calls that need them, of the shapes of inputs that came last


class PackedWeights:
    """An array's numbers at some time, and these packed."""

    def __init__(self, weight: np.ndarray) -> None:
        self.copy = np.array(weight, order="C")
        self.handed: object = None  # which handing out of the array was the last before its numbers were looked at
        self._packed: dict[bytes, Any] = {}
        self.calls: dict[bytes, Any] = {}  # with these numbers, that _repeat.py remembers

    def holds(self, weight: np.ndarray) -> bool:
        """Return whether the array still has these numbers, bit for bit."""
        same = weight.shape == self.copy.shape and weight.dtype == self.copy.dtype and weight.flags.c_contiguous
        bits = [array.reshape(-1).view(np.uint8) for array in (self.copy, weight)] if same else []
        return same and _kernels.load("dense", "f32").same_bits(*bits)

    def packed_for(self, kernel: Any, passes: Any, weight: np.ndarray, threads: int) -> Any:
        """Return the numbers packed for a plan; `weight` has them in the kernel's dtype."""
        found = self._packed.get(passes.signature)
        if found is None:
            found = kernel.Packed(passes, weight, threads)
            if len(self._packed) >= MOST:
                self._packed = {}
                self.calls.clear()
            self._packed[passes.signature] = found
        return found
