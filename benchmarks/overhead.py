"""What a whole execution of a tiny plan takes when C calls it: `python -m benchmarks.overhead`. Needs a C compiler."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from upsampling import kernels

TIMED = """
#include <stddef.h>
#include <time.h>
typedef int (*execute)(const void *, void *, void *, void *, void *, void *, size_t);
/* Seconds that an execution takes: the best of some rounds. */
double best(execute run, const void *plan, void **array, void *scratch, size_t bytes) {
    double least = 1;
    for (int round = 0; round < 30; round++) {
        struct timespec a, b;
        double taken;
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (int i = 0; i < 10000; i++) {
            if (run(plan, array[0], array[1], array[2], array[3], scratch, bytes)) return 1;
        }
        clock_gettime(CLOCK_MONOTONIC, &b);
        taken = (b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) * 1e-9) / 10000;
        least = taken < least ? taken : least;
    }
    return least;
}
"""
TINY = {
    "interpolate": {"channels": 1, "input": (2, 2), "output": (4, 4), "mode": "nearest"},
    "pixel_shuffle": {"channels": 4, "height": 1, "width": 1, "factor": 2},
    "max_pool": {"channels": 1, "input": (2, 2), "kernel": (2, 2), "stride": (2, 2)},
    "conv_transpose": {"in_channels": 2, "out_channels": 2, "input": (2, 2), "kernel": (2, 2), "stride": (2, 2)},
}


def main() -> None:
    """Print the microseconds of each operator."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "timed.c").write_text(TIMED)
        command = ["cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "timed.c", "-o", "timed.so"]
        subprocess.run(command, cwd=folder, check=True)
        best = ctypes.CDLL(str(Path(folder) / "timed.so")).best
    best.restype = ctypes.c_double
    for operator, problem in TINY.items():
        plan = kernels.plan(operator, threads=1, **problem)
        arrays = [np.ones(shape, np.float32) for shape in plan.shapes]
        pointers = (ctypes.c_void_p * 4)(*(array.ctypes.data for array in arrays))
        scratch = np.empty(plan.scratch_size, np.uint8)
        taken = best(
            ctypes.c_void_p(kernels.addresses["execute_plain"]),
            ctypes.c_void_p(plan.address),
            pointers,
            ctypes.c_void_p(scratch.ctypes.data if scratch.size else None),
            ctypes.c_size_t(scratch.size),
        )
        print(f"{operator:<16}{1e6 * taken:.3f}")


if __name__ == "__main__":
    main()
