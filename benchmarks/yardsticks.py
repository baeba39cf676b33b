"""What a row's time is measured by besides other libraries: a copy, the multiply-add peak, our own plainer call.

Yardsticks take turns with the contestants, so that a change of the machine's speed meets all of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

import upsampling as up

from . import peak, peers
from .peers import Contestant, UnsupportedError
from .problem import Row, inputs, moved_bytes

# base: our own call with some fields changed; copy: the same bytes, into touched memory; peak: multiply-adds alone.
# fill, fresh: NumPy fills the result's memory, touched before or new.
NAMES = ("base", "copy", "fill", "fresh", "peak")
PEAK_ROUNDS = 2_000_000  # some 3 ms: starting two threads takes a hundredth of that


def _base(row: Row, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    if row.base is None:
        raise UnsupportedError("no plainer call")
    plain = replace(row, base=None, **row.base)
    if set(row.base) & {"dtype", "channels_last"}:
        arrays = inputs(plain)
    contestant, reason = peers.build("ours", plain, arrays, threads)
    if contestant is None:
        raise UnsupportedError(reason)
    return contestant


def _copy(row: Row, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    """Copy half as many bytes as the row moves: reading and writing them moves as many."""
    if not row.given_out:
        raise UnsupportedError("for results in given memory only")
    size = moved_bytes(row, arrays) // 2 // 8
    source, target = np.ones(size), np.zeros(size)
    try:
        import torch
    except ImportError:
        pool = ThreadPoolExecutor(threads)
        parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
        return Contestant(lambda: list(pool.map(lambda pair: np.copyto(*pair), parts)))
    to, of = torch.from_numpy(target), torch.from_numpy(source)
    return Contestant(lambda: to.copy_(of), lambda: torch.set_num_threads(threads))


def _fill(row: Row, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    if not row.given_out:
        raise UnsupportedError("for results in given memory only")
    return Contestant(lambda: arrays["out"].fill(1))


def _fresh(row: Row, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    if not row.given_out:
        raise UnsupportedError("for results in given memory only")
    out = arrays["out"]
    return Contestant(lambda: np.full(out.shape, 1, out.dtype))


def _peak(row: Row, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    if row.op != "conv_transpose" or row.backward or row.lengths or row.dtype not in ("float32", "float64"):
        raise UnsupportedError("for transposed convolution only")
    call = peak.loop(up.show_config()["isa"], row.dtype, PEAK_ROUNDS)
    work = threads * call()
    if threads == 1:
        return Contestant(call, work=work)
    pool = ThreadPoolExecutor(threads)
    return Contestant(lambda: list(pool.map(lambda _: call(), range(threads))), work=work)


BUILDERS = {"base": _base, "copy": _copy, "fill": _fill, "fresh": _fresh, "peak": _peak}


def build(name: str, row: Row, arrays: dict[str, np.ndarray], threads: int) -> Contestant | None:
    """Give a yardstick, or None where the row has none of this name."""
    try:
        return BUILDERS[name](row, arrays, threads)
    except UnsupportedError:
        return None
