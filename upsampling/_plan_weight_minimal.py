"""Plans of the gradient with respect to the weight by minimal filtering, from sizes alone: see pyx/filtered.pxd.

Taps k and k + step of an axis, with step * dilation == stride, meet neighbouring outputs of one phase from the same
pixels. They are cut into runs of two or three, of which the last may be longer than what is left.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from ._plan_minimal import F23, F32, WHOLE
from ._plan_tables import Problem, Size, ceil, cut, ints

PIECE = 16  # as in filtered.pxd
MOST_BLOCK = 64  # tiles of a chain of additions, as in filtered.pxd
BLOCK_POINTS = 512  # and their points
SUMS = 2**20  # bytes of a task's sums,
COPIED = 2**18  # and of its copies
CHANNELS = 128  # most of a task
TASKS = 16  # tiles are cut into ranges until there are so many tasks,
RANGE = 256  # but not into more than one for so many tiles
APART = 2**20  # most sums of all ranges
# Products of a weight in all images, or in one, below which the transforms' rounding errors show beside PyTorch's. That
# is more exact where kernels have three axes or are dilated, for there it sums images apart, and in groups.
FEW = 165
FEW_OF_AXIS = 4
FEW_OF_IMAGE_GROUPED = 1024
FEW_OF_IMAGE_DILATED = 300
FEW_OF_VOLUME = 560


class Costs(NamedTuple):
    """Cycles of one core."""

    product: float  # for a vector of products,
    alone: float  # by so much more if channels fill one vector,
    block: float  # for one of a chain of additions,
    total: float  # and of a sum on its way back to the taps
    x: float  # for a vector of points of x,
    g: float  # and of g,
    on_one_axis: float  # by so much more where one axis alone is filtered
    worth: float  # of another way's cycles, and less


# By whether vectors have 64 bytes: of 44 layers in float32 and float64 each on AVX-512 (Zen 5), most times within a
# seventh; else of 37 on AVX-512 before, and of 22 on Zen 3, where without `on_one_axis` it was taken where it was
# slower by up to a third (64 channels, k3), with it by 0.06 at most (512 to 256, k16 s8: 57 and 45 ms).
COSTS = {True: Costs(0.52, 1.8, 4.4, 22, 5, 8.7, 2.8, 0.93), False: Costs(0.48, 1, 4, 14, 4, 6, 2.5, 0.9)}


class Axis(NamedTuple):
    """An axis cut into tiles of pixels and runs of taps."""

    kind: int
    taps: int
    pixels: int
    step: int
    tiles: int
    first: np.ndarray  # tap of each run

    def points(self) -> int:
        """Return how many products the pixels of a tile take for each run."""
        return self.taps + self.pixels - 1


class Tables(NamedTuple):
    """The tables of filtered.pxd."""

    axes: list[tuple[int, ...]]  # kind, taps and pixels, step, tiles
    first: list[np.ndarray]
    numbers: tuple[int, ...]  # tiles, channel share, output share, block, range, ranges


class Shares(NamedTuple):
    """How the sums are shared."""

    channels: int
    outputs: int


def _axis(size: Size, kind: int) -> Axis:
    pixels, _, kernel, stride, _, dilation = size
    if kind == WHOLE:
        return Axis(WHOLE, 1, 1, 1, pixels, np.arange(kernel))
    taps, of_tile = (2, 3) if kind == F23 else (3, 2)
    step = stride // dilation
    first = [k for residue in range(min(step, kernel)) for k in range(residue, kernel, taps * step)]
    return Axis(kind, taps, of_tile, step, ceil(pixels, of_tile), np.array(first))


def _ways(size: Size) -> Iterator[Axis]:
    yield _axis(size, WHOLE)
    if size[3] % size[5] == 0 and size[2] > size[3] // size[5]:
        yield _axis(size, F23)
        yield _axis(size, F32)


def _copied(problem: Problem, axes: tuple[Axis, ...]) -> int:
    """Return the bytes of the copies of g for a piece of a row of tiles."""
    length = 1
    for axis, size, tiles in zip(axes, problem.axes, (1, 1, PIECE), strict=True):
        length *= (tiles * axis.pixels + axis.taps - 2) * size[3] + int(axis.first.max()) * size[5] + 1
    return length * problem.lanes * problem.itemsize


def _block(axes: tuple[Axis, ...]) -> int:
    """Return the tiles of a chain of additions: fewer where their points take more room."""
    return min(MOST_BLOCK, BLOCK_POINTS // prod(axis.points() for axis in axes))


def _shares(problem: Problem, axes: tuple[Axis, ...]) -> Shares:
    """Return most channels and output channels of a task: as many as there is room for."""
    lanes = problem.lanes
    each = prod(len(axis.first) * axis.points() for axis in axes) * problem.itemsize
    most = CHANNELS
    while most > lanes and each * lanes * (most + lanes) > SUMS:
        most //= 2
    channels = ceil(cut(problem.channels, most), lanes) * lanes
    most = max(1, SUMS // (each * lanes * (channels + lanes))) * lanes
    return Shares(channels, min(problem.outputs, cut(problem.outputs, most, lanes)))


def _cost(problem: Problem, axes: tuple[Axis, ...], shares: Shares) -> float:
    """Estimate the cycles."""
    cost = COSTS[problem.wide()]
    vectors, groups = ceil(problem.channels, problem.lanes), ceil(problem.outputs, problem.lanes)
    runs, points = prod(len(axis.first) for axis in axes), prod(axis.points() for axis in axes)
    tiles = problem.batch * prod(axis.tiles for axis in axes)
    product = cost.product * (cost.alone if vectors == 1 else 1)
    sums = product * tiles + cost.block * ceil(tiles, _block(axes)) + cost.total
    sums *= problem.outputs * runs * points * vectors
    x = cost.x * tiles * vectors * ceil(problem.outputs, shares.outputs) * points
    g = cost.g * tiles * groups * ceil(problem.channels, shares.channels) * points * runs
    one = sum(axis.kind != WHOLE for axis in axes) == 1
    return (sums + (x + g) * (cost.on_one_axis if one else 1)) * problem.groups


def _met(axis: Size) -> float:
    """Return how many pixels of an axis a tap meets, on average."""
    size, out, kernel, stride, padding, dilation = axis
    at = np.arange(kernel) * dilation - padding
    first = np.maximum(0, -(at // stride))
    return float(np.maximum(0, np.minimum(size - 1, (out - 1 - at) // stride) - first + 1).mean())


def _exact(problem: Problem) -> bool:
    """Return whether weights have so many products that errors should be no larger than PyTorch's by half."""
    met = [_met(axis) for axis in problem.axes]
    image = prod(met)
    if any(axis[2] > 1 and count < FEW_OF_AXIS for axis, count in zip(problem.axes, met, strict=True)):
        return False
    if problem.groups > 1 and image < FEW_OF_IMAGE_GROUPED:
        return False
    if problem.axes[0][0] > 1 or problem.axes[0][2] > 1:
        return image >= FEW_OF_VOLUME
    if any(axis[5] > 1 and axis[2] > 1 for axis in problem.axes):
        return image >= FEW_OF_IMAGE_DILATED
    return problem.batch * image >= FEW


def tables(problem: Problem, cost: float) -> Tables | None:
    """Return the tables, or None where another way, of which this is the cost, is estimated to be faster."""
    depth, height, width = problem.axes
    ways = [
        (_axis(depth, WHOLE), *pair)
        for pair in itertools.product(_ways(height), _ways(width))
        if pair[1].kind != WHOLE and pair[0].kind in (WHOLE, pair[1].kind)
    ]
    ways = [axes for axes in ways if _copied(problem, axes) <= COPIED]
    if not ways or not _exact(problem):
        return None
    axes = min(ways, key=lambda axes: _cost(problem, axes, _shares(problem, axes)))
    shares = _shares(problem, axes)
    return _tables(problem, axes, shares) if worth(problem, _cost(problem, axes, shares), cost) else None


def worth(problem: Problem, cost: float, other: float) -> bool:
    """Whether minimal filtering is faster.

    Of the layers above it is not taken where it would be slower by more than a tenth, nor missed where it would be
    faster by more than a seventh: 1.2 to 1.7 times as fast with 32 channels and more, for k4 s2, k3, k5 s3, k7 s4 and
    k16 s8; 0.6 to 0.9 for planes of 4x4 and 7x7, and 0.8 to 1 for k3 s2, whose shorter runs it fills up.
    """
    return cost < COSTS[problem.wide()].worth * other


def _tables(problem: Problem, axes: tuple[Axis, ...], shares: Shares) -> Tables:
    """Make the tables. The ranges, and with them the order of additions, do not depend on threads."""
    tiles, block = problem.batch * prod(axis.tiles for axis in axes), _block(axes)
    tasks = problem.groups * ceil(problem.channels, shares.channels) * ceil(problem.outputs, shares.outputs)
    size = prod(axis[2] for axis in problem.axes) * problem.groups * problem.channels * problem.outputs
    ranges = max(1, min(ceil(TASKS, tasks), ceil(tiles, RANGE), APART // size))
    length = ceil(ceil(tiles, ranges), block) * block
    ranges = ceil(tiles, length)
    if problem.threads > 1:
        most = ceil(shares.outputs, ceil(4 * problem.threads, tasks * ranges))
        shares = shares._replace(outputs=min(problem.outputs, cut(problem.outputs, most, problem.lanes)))
    return Tables(
        [(axis.kind, axis.taps, axis.pixels, axis.step, axis.tiles) for axis in axes],
        [ints(axis.first) for axis in axes],
        (tiles, shares.channels, shares.outputs, block, length, ranges),
    )
