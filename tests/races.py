"""Six Python threads that import the package together and share its plans and caches: python tests/races.py [THREADS].

Then the case table, one call after another. Run it on a build with ThreadSanitizer (.ci/run races). Calls have THREADS
threads, one if it is not said: GCC's OpenMP is not built for that tool, which therefore does not see that the calling
thread waits for the others. It sees it of LLVM's, with libarcher.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 1
TOGETHER = threading.Barrier(6)
MADE: dict[str, Any] = {}
WRONG: list[int] = []


def work(number: int) -> None:
    TOGETHER.wait()
    import c_table

    import upsampling as up
    import upsampling.nn
    from upsampling import _repeat, _threads, kernels

    up.set_num_threads(THREADS)
    _threads.SERIAL_WORK = 0
    _repeat.forget(serial_work=0)
    table = c_table.table()
    x, w = np.ones((1, 4, 9, 9), np.float32), np.ones((4, 4, 4, 4), np.float32)
    wanted = up.conv_transpose2d(x, w, stride=2, padding=1)
    sizes = {"in_channels": 4, "out_channels": 4, "input": (9, 9), "kernel": (4, 4), "stride": (2, 2)}
    plan = MADE.setdefault("plan", kernels.plan("conv_transpose", weight=w, padding=(1, 1), **sizes))
    layer = MADE.setdefault("layer", up.nn.ConvTranspose2d(4, 4, 4, 2, 1))
    y = np.empty_like(wanted)
    for i in range(60):
        WRONG.extend([1] * (c_table.execute(plan.address, x, y) != 0 or not np.array_equal(y, wanted)))
        WRONG.extend([2] * (not np.array_equal(up.conv_transpose2d(x, w, stride=2, padding=1), wanted)))
        layer(x)
        n = 5 + (i + number) % 40  # sizes that are in the caches, that are not, and that drive others out
        z = np.ones((1, 2, n, n), np.float32)
        up.interpolate(z, size=(n + 3, n + 5), mode="bicubic")
        up.interpolate(np.ones((1, 70, 3, n % 9 + 1), np.float32), size=(20, 9), mode="bilinear")  # abreast
        up.resize(np.ones((n, n, 3), np.uint8), (n + 4, n + 4))
        up.max_unpool2d(*up.max_pool2d(z, 2, return_indices=True), 2)
        own = kernels.plan("interpolate", channels=2, input=(n, n), output=(n + 1, n + 1))
        c_table.execute(own.address, z, np.ones(own.shapes[1], np.float32))
        table.execute(None, None, 0, None, 0, None)
        table.last_error()


def one_after_another() -> None:
    import cases

    import upsampling as up

    for case in cases.CASES[:: 1 if THREADS > 1 else 10]:
        getattr(up, case.function)(**cases.arguments(case))


if __name__ == "__main__":
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not WRONG, WRONG
    one_after_another()
    print("six threads, no wrong result")
