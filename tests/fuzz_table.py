"""Random arguments for every entry of the C table: python tests/fuzz_table.py SECONDS [SEED].

Problems are small ones of which any field may be wrong. A plan that is made is executed on arrays of exactly the size
that plan_shape says, with any strides, with scratch of exactly the size that scratch_size says; now and then something
about them is wrong too. Nothing may crash, hang, or write to an array where a refused call should have written nothing.
Run it with the sanitizers: an access outside of an array ends the process.
"""

from __future__ import annotations

import ctypes
import sys
import time
from math import prod

import c_table
import numpy as np

TABLE = c_table.table()
SIZES = {1: 4, 2: 8, 3: 2, 4: 2, 5: 1, 6: 1, 7: 2, 8: 2, 9: 4, 10: 4, 11: 8, 12: 8, 13: 8, 14: 16}
WRONG = [-1, 0, 2**31, 2**40, 2**62, -(2**63)]


class Fuzz:
    """A stream of random calls."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.made = self.executed = self.tried = 0
        self.verbose = self.older = False

    def number(self, high: int, low: int = 1) -> int:
        """A number from `low` to `high`, and sometimes another."""
        return int(self.rng.integers(low, high + 1))

    def fill(self, problem: ctypes.Structure) -> None:
        """Give every field a value that may be right."""
        names = [field[0] for field in problem._fields_]
        high = {"rank": 3, "batch": 2, "groups": 2, "factor": 3, "threads": 3, "mode": 7, "dtype": 14}
        for name in names:
            if name in ("input", "output", "kernel", "stride", "padding", "output_padding", "dilation"):
                low = 0 if "padding" in name or name in ("stride", "output") else 1
                most = 9 if name in ("input", "output") else 3 if name == "kernel" else 2
                getattr(problem, name)[:] = [self.number(most, low) for _ in range(3)]
            elif name == "scale":
                problem.scale[:] = [float(self.rng.choice([0, 0.5, 1, 1.7, 3])) for _ in range(3)]
                if problem.scale[0]:
                    problem.output[:] = (0, 0, 0)
            elif name in ("channels_last", "ceil_mode", "indices", "align_corners", "antialias"):
                setattr(problem, name, self.number(1, 0))
            elif name not in ("size", "weight", "bias"):
                setattr(problem, name, self.number(high.get(name, 8), 0 if name == "threads" else 1))
        if self.rng.random() < 0.5:
            problem.dtype = self.number(2)
        if isinstance(problem, c_table.ConvTranspose) and self.rng.random() < 0.8:
            problem.in_channels, problem.out_channels = (problem.groups * self.number(5) for _ in range(2))
        if isinstance(problem, c_table.PixelShuffle) and self.rng.random() < 0.8:
            problem.channels = problem.factor**2 * self.number(3)
        problem.size = ctypes.sizeof(problem)
        if self.rng.random() < 0.15:
            self.spoil(problem)

    def spoil(self, problem: ctypes.Structure) -> None:
        """Make one field wrong."""
        name, kind = problem._fields_[self.rng.integers(len(problem._fields_))][:2]
        value = int(self.rng.choice(WRONG))
        if name == "size":
            problem.size = self.number(problem.size, 0)  # as of an older header: what it lacks has defaults
            self.older = True
        elif isinstance(getattr(problem, name), ctypes.Array):
            getattr(problem, name)[self.rng.integers(3)] = float(value) if name == "scale" else value
        elif name not in ("weight", "bias"):
            setattr(problem, name, value % 2**31 if kind is ctypes.c_int else value)

    def array(self, shape: tuple[int, ...], item: int) -> tuple[np.ndarray, np.ndarray]:
        """An array of items in memory of its own, of any strides, and that memory."""
        steps = [self.number(2) if self.rng.random() < 0.3 else 1 for _ in shape]
        order = self.rng.permutation(len(shape)) if self.rng.random() < 0.5 else np.arange(len(shape))
        room = np.frombuffer(self.rng.bytes(prod(n * s for n, s in zip(shape, steps, strict=True)) * item), f"V{item}")
        room = room.copy().reshape([shape[axis] * steps[axis] for axis in order])
        view = room.transpose(np.argsort(order))[tuple(slice(None, None, step) for step in steps)]
        if self.rng.random() < 0.2:
            view = view[tuple(slice(None, None, -1) for _ in shape)]
        return view, room

    def shapes(self, plan: ctypes.c_void_p) -> list[tuple[int, ...]]:
        """The shapes of the plan's arrays."""
        shape, found = (ctypes.c_ssize_t * 5)(), []
        while (axes := TABLE.plan_shape(plan, len(found), shape)) >= 0:
            found.append(tuple(shape[:axes]))
        return found

    def execute(self, operator: str, operation: int, problem: ctypes.Structure, plan: ctypes.c_void_p) -> None:
        """Execute a plan on arrays that are right, or nearly."""
        shapes = self.shapes(plan)
        items = [SIZES.get(problem.dtype, max(1, -problem.dtype))] * len(shapes)
        if operator in ("max_unpool", "max_pool"):
            at = 2 if operator == "max_pool" and operation == 0 else 1
            if at < len(items):
                items[at] = 8
        made = [self.array(shape, item) for shape, item in zip(shapes, items, strict=True)]
        arrays = [view for view, _ in made]
        if operator in ("max_unpool", "max_pool") and (operator == "max_unpool" or operation == 1):
            plane = prod((problem.output if operator == "max_unpool" else problem.input)[: problem.rank])
            high = plane + (1 if self.rng.random() < 0.1 else 0)
            arrays[1].view(np.int64)[...] = self.rng.integers(0, max(high, 1), arrays[1].shape)
        given: list[np.ndarray | None] = list(arrays)
        if self.rng.random() < 0.1:
            given[self.rng.integers(len(given))] = None
        if self.rng.random() < 0.05:
            given = given[:-1]
        structures, size = c_table.arrays(given), ctypes.c_size_t()
        before = [room.tobytes() for _, room in made]
        status = TABLE.scratch_size(plan, structures, len(given), ctypes.byref(size))
        scratch = np.empty(size.value, np.uint8)
        short = int(self.rng.random() < 0.1 and size.value > 0)
        if status == 0:
            room = scratch.ctypes.data if self.rng.random() < 0.7 else None
            status = TABLE.execute(plan, structures, len(given), room, size.value - short, None)
        if status == 0:
            self.executed += 1
        else:
            assert before == [room.tobytes() for _, room in made], (operator, operation, status)

    def step(self) -> None:
        """Make a plan, and execute it."""
        self.tried += 1
        operator = str(self.rng.choice(list(c_table.STRUCTURES)))
        problem, plan = c_table.STRUCTURES[operator](), ctypes.c_void_p()
        self.older = False
        self.fill(problem)
        operation = self.number(3 if operator == "conv_transpose" else 1, 0)
        if self.rng.random() < 0.02:
            operation = int(self.rng.choice([-1, 4, 2**30]))
        status = getattr(TABLE, f"plan_{operator}")(ctypes.byref(problem), operation, ctypes.byref(plan))
        if status:
            assert status in (2, 3), status
            return
        self.made += 1
        if self.verbose:
            fields = {field[0]: getattr(problem, field[0]) for field in problem._fields_}
            print(operator, operation, {n: list(v) if isinstance(v, ctypes.Array) else v for n, v in fields.items()})
        if not self.older and all(prod(shape) < 2**20 for shape in self.shapes(plan)):
            self.execute(operator, operation, problem, plan)
        TABLE.free_plan(plan)


def run(seconds: float, seed: int) -> Fuzz:
    """Fuzz for some seconds."""
    fuzz, end = Fuzz(seed), time.monotonic() + seconds
    fuzz.verbose = "--verbose" in sys.argv
    while time.monotonic() < end:
        fuzz.step()
    return fuzz


if __name__ == "__main__":
    done = run(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(f"{done.tried} problems, {done.made} plans, {done.executed} executions")
