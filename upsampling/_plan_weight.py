"""Plans of the gradient with respect to the weight with vectors along pixels: its tiles, from sizes alone.

On one axis, with stride s, padding p and dilation d, w[k] is the sum of x[i] * g[i * s + k * d - p]: tap k reads g as
it does in the gradient with respect to the input, so that the tables are the same; see _plan_conv.py. The kernel is
pyx/correlate.pxd.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from . import _plan_weight_minimal as minimal
from ._plan_conv import backward_phases
from ._plan_tables import (
    Phases,
    Problem,
    Tile,
    axis_tables,
    box_of,
    ceil,
    cut,
    ints,
    lanes_of,
    layouts_of,
    outer,
    places,
)

X_COPIES = 3 * 2**17  # bytes of a task's copies of x,
G_COPIES = 2**18  # and of those of g
MOST_UNITS = 64  # of a tile, as in correlate.pxd
RANGES = 8  # of tiles, summed apart
APART = 2**20  # most sums of all ranges


class Costs(NamedTuple):
    """Cycles of one core: first with vectors along pixels."""

    product: float  # for a vector of products,
    unit: float  # of a unit,
    total: float  # for a sum of a tile,
    x_row: float  # for a row of x that is copied,
    x: float  # for a vector of it,
    g_row: float  # and for a row of g
    g: float  # and a vector,
    channels: float  # and with vectors along channels for a vector of products,
    waiting: float  # or by as much as their sums wait for each other,
    copy: float  # and for a pixel of g that is copied


# By whether vectors have 64 bytes: of 64 layers in float32 and float64 each on AVX-512 (Zen 5), most times within a
# seventh; else of 33 before, and of Zen 3.
COSTS = {
    True: Costs(0.54, 0.34, 3.5, 6, 7.8, 13.1, 2.4, 0.67, 8.7, 0.57),
    False: Costs(0.56, 0.35, 2, 8, 2, 8, 1, 0.56, 4, 1),
}


class Shape(NamedTuple):
    """How a tile's lanes are cut into units."""

    tile: Tile
    joined: int  # inner axes of a unit
    vectors: int
    units: int


class Tables(NamedTuple):
    """The tables of correlate.pxd."""

    tile: np.ndarray  # images, share, chunk, segment size and pitch of g's copies
    axes: np.ndarray
    segments: tuple[np.ndarray, ...]
    phases: tuple[np.ndarray, ...]
    numbers: tuple[int, ...]  # joined, vectors, units, channel share, output share, chunk, tiles, range, ranges
    taps: np.ndarray  # [tap]: its number in the kernel, its offset


def _shapes(problem: Problem, axes: Sequence[Phases]) -> Iterator[Shape]:
    domain = [problem.batch, *(int(phases.counts.max()) for phases in axes)]
    for layouts in itertools.product(*map(layouts_of, axes)):
        for box in sorted({box_of(problem, domain, layouts, n * problem.lanes) for n in (8, 16, 32, 64)}):
            tile = Tile(box[0], box[1:], layouts, 0, 0)
            for joined in range(1, 5):
                inner = [1] * (4 - joined) + list(box[4 - joined :])
                vectors = ceil(lanes_of(inner, layouts), problem.lanes)
                units = prod(box[: 4 - joined])
                if units <= MOST_UNITS:
                    yield Shape(tile, joined, vectors, units)


def _pitch(shape: Shape, problem: Problem) -> int:
    return (shape.units * shape.vectors + 1) * problem.lanes


def _channel_share(problem: Problem, shape: Shape) -> int:
    """Return the channels of a task: as many as fit."""
    most = max(1, X_COPIES // (_pitch(shape, problem) * problem.itemsize))
    return min(problem.channels, cut(problem.channels, most, problem.rows))


def _cost(problem: Problem, axes: Sequence[Phases], shape: Shape) -> float:
    """Estimate the cycles."""
    cost, tile, lanes = COSTS[problem.wide()], shape.tile, problem.lanes
    domain = [problem.batch, *(int(phases.counts.max()) for phases in axes)]
    box = (tile.images, *tile.size)
    length = [n + layout.reach for n, layout in zip(tile.size, tile.layouts, strict=True)]
    segments = prod(len(layout.first) for layout in tile.layouts)
    columns = problem.outputs * prod(len(phases.tap) for phases in axes)
    sums = problem.channels * columns * (shape.units * (cost.product * shape.vectors + cost.unit) + cost.total)
    x = problem.channels * prod(box[:3]) * (cost.x_row + cost.x * box[3] / lanes)
    rows = problem.outputs * segments * box[0] * prod(length[:2])
    at_once = lanes / 2 if axes[2].step == 1 else lanes / 4 if axes[2].step < 4 else 0.7
    g = rows * (cost.g_row + cost.g * length[2] / at_once)
    g *= ceil(problem.channels, _channel_share(problem, shape))
    return (sums + x + g) * problem.groups * prod(map(ceil, domain, box))


def _cost_by_channels(problem: Problem, axes: Sequence[Phases]) -> float:
    """Estimate the cycles of the other way, in which what taps meet is copied for each line of taps."""
    cost = COSTS[problem.wide()]
    taps = [len(phases.tap) for phases in axes]
    pixels = problem.batch * prod(int(phases.counts.max()) for phases in axes)
    vectors = ceil(problem.channels, problem.lanes)
    rows = min(problem.rows, max(problem.outputs, taps[2] if problem.outputs < problem.rows else 1))
    # With few sums at a time additions wait for each other.
    sums = problem.outputs * prod(taps) * vectors * pixels * max(cost.channels, cost.waiting / (rows * min(vectors, 3)))
    copy = 0.5 + 15 / min(64, int(axes[2].counts.max())) + axes[2].step / 8  # of a pixel, in pieces of rows
    g = problem.outputs * taps[0] * taps[1] * pixels * copy * cost.copy
    return (sums + g * ceil(problem.channels, 256)) * problem.groups


@lru_cache(maxsize=256)
def tables(problem: Problem) -> tuple[Tables | None, minimal.Tables | None]:
    """Return the tables of vectors along pixels and of minimal filtering, each None where it is not taken."""
    axes = [backward_phases(*axis) for axis in problem.axes]
    if not all(len(axis.tap) for axis in axes):
        return None, None
    shape = min(_shapes(problem, axes), key=lambda shape: _cost(problem, axes, shape))
    along_pixels = worth(problem, axes, shape)
    cost = _cost(problem, axes, shape) if along_pixels else _cost_by_channels(problem, axes)
    if problem.minimal and (found := minimal.tables(problem, cost)):
        return None, found
    return _tables(problem, axes, shape) if along_pixels else None, None


def worth(problem: Problem, axes: Sequence[Phases], shape: Shape) -> bool:
    """Whether vectors along pixels are faster.

    Of 33 layers (AVX-512, one thread) the slower way is taken only where it is slower by a tenth or less. Along pixels
    a depthwise k4 s2 takes 0.41 ms and not 2.2, 3 channels to 64 with k3 1.4 and not 7.6, 8 groups of 8 to 8 channels
    0.66 and not 1.17; but 8 images of 512 to 256 channels, 4x4, 5.0 and not 3.6.
    """
    return _cost(problem, axes, shape) < _cost_by_channels(problem, axes)


def _tables(problem: Problem, axes: Sequence[Phases], shape: Shape) -> Tables:
    tile = shape.tile
    share = _channel_share(problem, shape)
    pitch = prod(len(layout.first) for layout in tile.layouts) * tile.segment()
    tiles = prod(map(ceil, (problem.batch, *(int(phases.counts.max()) for phases in axes)), (tile.images, *tile.size)))
    size = prod(axis[2] for axis in problem.axes) * problem.groups * problem.channels * problem.outputs
    range_ = ceil(tiles, max(1, min(RANGES, tiles, APART // size)))
    ranges = ceil(tiles, range_)
    # Shares, unlike ranges, leave the order of additions as it is.
    tasks = problem.groups * ceil(problem.channels, share) * ranges
    output_share = ceil(problem.outputs, ceil(4 * problem.threads, tasks) if problem.threads > 1 else 1)
    chunk = cut(output_share, max(1, G_COPIES // (pitch * problem.itemsize)))
    tile = tile._replace(share=output_share, chunk=chunk)
    number = outer([phases.tap for phases in axes], [axis[2] for axis in problem.axes])
    taps = np.stack((number, places([phases.source for phases in axes], tile)), axis=1)
    numbers = (shape.joined, shape.vectors, shape.units, share, output_share, chunk, tiles, range_, ranges)
    sizes, *_ = heads = axis_tables(problem, axes, tile)
    return Tables(sizes[:5], *heads[1:], numbers, ints(taps))  # without the piece, of which its kernel knows nothing
