"""How near each method comes to the original, how long it takes, and the table of both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from .. import get_num_threads
from .methods import Method
from .photographs import Photograph
from .training import Network

ROUNDS = 3
SECONDS = 0.03
PAUSE = 0.02
LIBRARIES = ("upsampling", "PyTorch", "OpenCV", "Pillow")


@dataclass
class Row:
    """A method, its results for the photographs held out, and the milliseconds of each library."""

    method: Method
    results: list[np.ndarray]
    times: dict[str, float]


@dataclass
class Score:
    """How near a result is to the original."""

    result: np.ndarray
    photograph: Photograph

    @cached_property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in decibels."""
        return float(peak_signal_noise_ratio(self.photograph.original, self.result, data_range=255))

    @cached_property
    def ssim(self) -> float:
        """Mean structural similarity, 1 for equal pictures."""
        return float(structural_similarity(self.photograph.original, self.result, channel_axis=2, data_range=255))


def milliseconds(contestants: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median time of each call, measured in turns.

    The threads of one library keep a core busy for a while after a call: each turn begins with a pause and
    with calls that are not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, call in contestants.items():
            time.sleep(PAUSE)
            call()
            call()
            end = time.perf_counter() + SECONDS
            turn: list[float] = []
            while len(turn) < 2 or time.perf_counter() < end:
                start = time.perf_counter()
                call()
                turn.append(time.perf_counter() - start)
            times[name] += turn
    return {name: 1000 * statistics.median(measured) for name, measured in times.items()}


def text(
    rows: Sequence[Row], held_out: Sequence[Photograph], trained_on: Sequence[Photograph], network: Network
) -> str:
    """Return the table, with what its columns mean."""
    libraries = [name for name in LIBRARIES if any(name in row.times for row in rows)]
    width = max(len(row.method.name) for row in rows) + 2
    titles = "".join(f"{f'{p.name} (held out)':>23}" for p in held_out)
    lines = [
        "",
        f"{'':{width}}{titles}  {'milliseconds':>11}".rstrip(),
        f"{'method':{width}}"
        + f"{'PSNR, dB':>14}{'SSIM':>9}" * len(held_out)
        + "  "
        + "".join(f"{name:>11}" for name in libraries),
    ]
    for row in rows:
        scores = [Score(result, photograph) for result, photograph in zip(row.results, held_out, strict=True)]
        cells = "".join(f"{score.psnr:14.2f}{score.ssim:9.4f}" for score in scores)
        times = "".join(f"{row.times[name]:11.3f}" if name in row.times else f"{'-':>11}" for name in libraries)
        lines.append(f"{row.method.name:{width}}{cells}  {times}")
    height, width = held_out[0].size
    lines += [
        "",
        f"Held out: the network ({network.size} weights) has seen nothing of {_listed(held_out)};",
        f"it was trained on {_listed(trained_on)}.",
        "Max-unpool puts the maximum of each 2x2 window of the original back where it was, between zeros.",
        "Doubling by area is the same as nearest; the transposed convolution starts as bilinear interpolation.",
        f"Times: median of calls that make {height}x{width}x3, on {get_num_threads()} thread(s): 8 bits for nearest,",
        "bilinear, bicubic and lanczos, else float32. OpenCV's lanczos has 8 taps, the others have 6.",
    ]
    return "\n".join(lines)


def _listed(photographs: Sequence[Photograph]) -> str:
    names = [photograph.name for photograph in photographs]
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
