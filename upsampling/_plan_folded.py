"""Plans of transposed convolution by sums for each tap, which are folded into outputs: see pyx/folded.pxd.

Where a tap's sum meets few output channels, or the kernel reaches far beyond small planes, the other ways wait for what
they read, or multiply what lies outside. Here all taps of all output channels are rows of one product, with the pixels
of x alone; the sums are then read once for each tap.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from ._plan_tables import (
    CALL,
    COPIES,
    IN_PLACE,
    MOST_PHASES,
    PRODUCTS,
    Part,
    Pass,
    Phases,
    Problem,
    block_of,
    ceil,
    cut,
    families,
    ints,
    part_of,
    places_of_phases,
    sources_of,
)

MOST_TAPS = 256  # of a phase: as in pyx/folded.pxd
SCRATCH = 5 * 2**18  # most bytes of a task's copies, columns and sums,
NEAR = 3 * 2**18  # and those that a processor's second cache holds


class Tile(NamedTuple):
    """How the outputs of each phase are cut into tasks."""

    cycles: float  # until all is done; infinite where it does not fit into scratch,
    room: int  # of which it takes so many bytes
    images: int
    size: tuple[int, ...]
    share: int  # output channels
    pitch: int  # of a row of pixels
    chunk: int  # channels copied at once


def _parts(problem: Problem, axes: list[Phases]) -> list[Part]:
    kernel = [axis[2] for axis in problem.axes]
    return [part_of(families_of_axes, kernel) for families_of_axes in itertools.product(*map(families, axes))]


def possible(problem: Problem, axes: list[Phases]) -> bool:
    """Whether every output reads pixels one step from those of its neighbour, by several taps, but not by too many.

    Images of few products may be computed by the formula, with which plans have the order of additions in common.
    """
    if not problem.folds or any(phases.step != 1 for phases in axes):
        return False
    if prod(len(phases.start) for phases in axes) > MOST_PHASES:
        return False
    taps = prod(int(np.diff(phases.first).max()) for phases in axes)
    kernel = prod(axis[2] for axis in problem.axes)
    products = problem.groups * problem.channels * problem.outputs * prod(_sizes(problem)) * kernel
    return 1 < taps <= MOST_TAPS and products > PRODUCTS


def around(problem: Problem, axes: list[Phases]) -> float:
    """Return how many times the pixels of x the other ways read, what lies around these included."""
    read = prod(int(phases.counts.max() + phases.source.max() - phases.source.min()) for phases in axes)
    return read / prod(_sizes(problem))


def cycles(problem: Problem, axes: list[Phases]) -> float:
    """Estimate the cycles until all is done; infinite where no tile fits into its scratch.

    What is offered for one image and thread is for more as well, so that where one fits it does for all.
    """
    return _tile(problem, axes, _parts(problem, axes)).cycles


def _block(problem: Problem) -> int:
    """Return the channels of a chain."""
    return block_of(problem.channels, problem.axes, problem.forward, True)


def _pixels(problem: Problem, axes: list[Phases], images: int, size: Sequence[int]) -> int:
    """Return how many pixels of x a tile reads at most, as rows of so many are long: pitch_of in pyx/folded.pxd."""
    pixels = images * prod(
        min(whole, n + int(phases.source.max() - phases.source.min()))
        for phases, n, whole in zip(axes, size, _sizes(problem), strict=True)
    )
    pixels = ceil(pixels, problem.lanes) * problem.lanes
    return pixels + problem.lanes if pixels * problem.itemsize % 512 == 0 else pixels


def _sizes(problem: Problem) -> list[int]:
    """Return those of what is read."""
    return [axis[0 if problem.forward else 1] for axis in problem.axes]


def _boxes(problem: Problem, domain: list[int]) -> Iterator[tuple[int, ...]]:
    """Give the sizes on (images, D, H, W) of some tiles: of whole rows and of parts, of few pixels and of many.

    Those of one image are among them.
    """
    seen = set()
    for batch, most, pixels in itertools.product({1, domain[0]}, (2**62, 512, 128), (256, 512, 1024, 2048, 4096)):
        width = cut(domain[3], most, problem.lanes) if domain[3] > most else domain[3]
        left, whole, size = max(1, pixels // width), width == domain[3], [width]
        for extent in (domain[2], domain[1], batch):
            first = len(size) == 1
            size.insert(0, cut(extent, left) if whole or first else 1)
            left = max(1, left // size[0])
            whole = whole and size[0] == extent
        if tuple(size) not in seen:
            seen.add(tuple(size))
            yield tuple(size)


def _products(problem: Problem, rows: int, vectors: float) -> float:
    """Estimate the cycles of so many rows and vectors of pixels, with copies of these."""
    of_channel = vectors * (0.5 * rows + 0.9 * ceil(rows, problem.rows) + 3.6)
    of_channel += rows * (0.5 if problem.forward else 4)
    return problem.channels * of_channel + 1.5 * rows * vectors * ceil(problem.channels, _block(problem))


def _folding(problem: Problem, parts: list[Part], share: int, size: Sequence[int]) -> float:
    """Estimate the cycles of so many output channels and outputs of each phase."""
    of_line = ceil(size[-1], problem.lanes)
    taps = sum(part.taps for part in parts)
    vectors = sum(3.5 * part.tap.size + 10 * part.phases for part in parts)
    return prod(size[:-1]) * (2 * taps + share * of_line * vectors)


def _tile(problem: Problem, axes: list[Phases], parts: list[Part]) -> Tile:
    """Return the cheapest of some tiles."""
    domain = [problem.batch, *(int(phases.counts.max()) for phases in axes)]
    kernel, block = prod(axis[2] for axis in problem.axes), _block(problem)
    phases = sum(part.phases for part in parts)
    best = None
    for images, *size in _boxes(problem, domain):
        pixels = _pixels(problem, axes, images, size)
        tiles = problem.groups * prod(map(ceil, domain, (images, *size)))
        numbers = pixels * kernel + phases * (images * prod(size) + 2 * problem.lanes)
        fitting = max(1, (SCRATCH // problem.itemsize - block * pixels) // numbers)
        for share in {min(fitting, ceil(problem.outputs, n)) for n in (1, problem.threads, 4 * problem.threads)}:
            share = ceil(problem.outputs, ceil(problem.outputs, share))
            left = min(COPIES, NEAR - share * numbers * problem.itemsize) // (pixels * problem.itemsize)
            chunk = min(problem.channels, max(block, left // block * block))
            task = _products(problem, share * kernel, pixels / problem.lanes)
            task += _folding(problem, parts, share, (images, *size)) + 10 * problem.channels * images * prod(size[:2])
            room = (chunk * pixels + share * numbers) * problem.itemsize
            if room > NEAR:
                task *= 1.25
            cost = problem.rounds(tiles * ceil(problem.outputs, share)) * (task + 500) + CALL
            tile = Tile(cost if room <= SCRATCH else float("inf"), room, images, tuple(size), share, pixels, chunk)
            best = min(best or tile, tile)
    assert best is not None
    return best


def tables(problem: Problem, axes: list[Phases]) -> Pass:
    """Make the tables."""
    parts = _parts(problem, axes)
    tile = _tile(problem, axes, parts)
    rows, first, first_phase = [], 0, 0
    for part in parts:
        rows.append((part.taps, part.phases, first, first_phase, 0, 0, 0, 0, 1))
        first += part.taps
        first_phase += part.phases
    sizes = [
        (whole, 1, phases.out_step, int(phases.counts.max()), n, 0)
        for phases, n, whole in zip(axes, tile.size, _sizes(problem), strict=True)
    ]
    return Pass(
        ints((tile.images, tile.share, tile.chunk, 0, tile.pitch, tile.share, 1, 1)),
        ints(sizes),
        tuple(ints((phases.source.min(), phases.source.max())) for phases in axes),
        tuple(ints(np.stack((phases.start, phases.counts), axis=1)) for phases in axes),
        ints(rows),
        sources_of(parts),
        np.zeros(first, np.intp),
        np.zeros(first, np.intp),
        places_of_phases(axes, parts),
        ints(np.concatenate([part.tap.reshape(-1) for part in parts])),
        _block(problem),
        problem.weight_steps()[0],
        IN_PLACE,
        folded=True,
    )
