"""A decoder's step in a Numba function: codes are doubled in size in its own loop, without the GIL."""

from __future__ import annotations

import ctypes

import numba
import numpy as np

from upsampling import kernels

POINTER = ctypes.c_void_p
execute = ctypes.CFUNCTYPE(ctypes.c_int, *(POINTER,) * 6, ctypes.c_size_t)(kernels.addresses["execute_plain"])


@numba.njit(nogil=True)
def decode(plan: int, codes: np.ndarray, weight: np.ndarray, bias: np.ndarray, pictures: np.ndarray) -> int:
    """Decode many codes, each by the same plan; all arrays are in C order."""
    scratch = np.empty(0, np.uint8)
    for i in range(len(codes)):
        status = execute(
            plan, codes[i].ctypes.data, weight.ctypes.data, bias.ctypes.data, pictures[i].ctypes.data,
            0, scratch.size,
        )  # fmt: skip
        if status:
            return status
        flat = pictures[i].reshape(-1)
        for j in range(flat.size):
            flat[j] = max(flat[j], np.float32(0))
    return 0


def main(codes: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Decode codes (N, C, H, W) to (N, M, 2 H, 2 W) by a weight (C, M, 4, 4)."""
    count, channels, height, width = codes.shape
    plan = kernels.plan(
        "conv_transpose", in_channels=channels, out_channels=weight.shape[1], input=(height, width),
        kernel=(4, 4), stride=(2, 2), padding=(1, 1),
    )  # fmt: skip
    pictures = np.empty((count, *plan.shapes[-1][1:]), np.float32)
    assert decode(plan.address, codes, weight, bias, pictures) == 0
    return pictures


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    shapes = (8, 16, 4, 4), (16, 3, 4, 4), (3,)
    print(main(*(rng.standard_normal(shape, dtype=np.float32) for shape in shapes)).shape)
