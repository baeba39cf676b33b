"""Plans of transposed convolution by minimal filtering: see pyx/minimal.pxd.

Phase by phase, a convolution of stride 1 with two or three neighbouring taps is computed from fewer products than it
has terms. A group of `outs` neighbouring outputs of a phase is one output of the tables, so that the phases that the
kernel sees are those of the stride outs * stride: output i of group j of phase r is output j of phase (r, i).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import gcd, lcm, prod
from typing import NamedTuple

import numpy as np

from ._plan_tables import (
    Layout,
    Pass,
    Phases,
    Problem,
    Tile,
    axis_tables,
    box_of,
    ceil,
    cut,
    families,
    ints,
    lanes_of,
    layouts_of,
    places,
)

CHAIN = 32  # channels in a chain of additions, as in minimal.pxd,
DEPTH = 64  # channels transformed at once
MOST_PHASES = 100  # of a pass: with more, tiles of so few lanes are left that it was twice as slow (3d, k4 s2: 216)
MOST_POINTS = 128  # of the gradient with respect to the input
SCRATCH = 7 * 2**18  # bytes of a task's products, sums and copies together
WHOLE, F22, F23, F32 = range(4)  # as in minimal.pxd
KINDS = {(2, 2): F22, (2, 3): F23, (3, 2): F32}  # by outputs of a group and taps


class Filter(NamedTuple):
    """Neighbouring taps of some phases of an axis: tap e of phase i is taps[i, e] and reads source + step * e."""

    number: np.ndarray  # of each phase
    source: int
    taps: np.ndarray

    def points(self, outs: int) -> int:
        """Return how many numbers `outs` outputs read, and so how many products they take."""
        return outs + self.taps.shape[1] - 1

    def reads(self, axis: Axis) -> np.ndarray:
        """Return the numbers that a group of outputs reads."""
        return self.source + axis.phases.step // axis.outs * np.arange(self.points(axis.outs))


class Axis(NamedTuple):
    """An axis cut into groups of outputs."""

    outs: int
    filters: tuple[Filter, ...]
    phases: Phases  # (phase, output of the group), by where they start
    number: np.ndarray  # [phase, output of the group]: its place among these


def _filters(phases: Phases) -> tuple[Filter, ...] | None:
    """Part an axis into filters of one to three neighbouring taps; None where it has others."""
    found = []
    for family in families(phases):
        for residue in np.unique(family.source % phases.step):
            at = np.flatnonzero(family.source % phases.step == residue)
            at = at[np.argsort(family.source[at])]
            source = family.source[at]
            if len(at) > 3 or (np.diff(source) != phases.step).any():
                return None
            found.append(Filter(family.number, int(source[0]), family.tap[:, at]))
    return tuple(found)


def _axis(phases: Phases, outs: int, filters: tuple[Filter, ...]) -> Axis:
    start = (phases.start[:, None] + phases.out_step * np.arange(outs)).reshape(-1)
    counts = ((phases.counts[:, None] - np.arange(outs) + outs - 1) // outs).reshape(-1)
    order = np.argsort(start)
    number = np.empty(len(start), np.intp)
    number[order] = np.arange(len(start))
    source = np.unique([f.source + phases.step * e for f in filters for e in range(f.points(outs))])
    grouped = replace(
        phases,
        start=start[order],
        counts=counts[order],
        source=source,
        step=phases.step * outs,
        out_step=phases.out_step * outs,
    )
    return Axis(outs, filters, grouped, number.reshape(-1, outs))


def _ways(phases: Phases) -> list[Axis]:
    """Return the ways of cutting an axis into groups of outputs; none where it has other taps than a few neighbours."""
    filters = _filters(phases)
    if filters is None:
        return []
    most = max(f.taps.shape[1] for f in filters)
    return [_axis(phases, outs, filters) for outs in {1: (1,), 2: (3, 2), 3: (2,)}[most]]


def _points(axes: tuple[Axis, ...]) -> int:
    """Return the points of all phases."""
    return prod(sum(len(f.number) * f.points(axis.outs) for f in axis.filters) for axis in axes)


def _groups(axes: tuple[Axis, ...]) -> int:
    """Return the groups of outputs of a phase in an image."""
    return prod(int(axis.phases.counts.max()) for axis in axes)


def choose(problem: Problem, phases: list[Phases]) -> tuple[Axis, ...] | None:
    """Return how minimal filtering cuts the axes where it is estimated to be faster than the direct way; else None.

    It depends on channels, kernel, stride and plane alone, so that an image's result does not depend on the batch.
    """
    if prod(len(one.start) for one in phases) > MOST_PHASES:
        return None
    ways = list(itertools.product(*map(_ways, phases)))
    if not ways:
        return None
    best = min(ways, key=lambda axes: _points(axes) * _groups(axes))
    phases_of_all = prod(len(axis.phases.start) for axis in best)
    if phases_of_all > MOST_PHASES or all(axis.outs == 1 for axis in best):
        return None
    return best if worth(problem, phases, best) else None


def _costly(axes: tuple[Axis, ...]) -> bool:
    """Whether, for the one phase of the gradient with respect to the input, tiles or sums would be too many.

    Filters of different lengths are summed apart (0.74 to 0.85 times the direct way's speed for k3 s2, 0.93 for k5 s3),
    and for many points tiles are of a few lanes (0.55 for k4 s2 in three dimensions, 512 points).
    """
    mixed = any(len({f.taps.shape[1] for f in axis.filters}) > 1 for axis in axes)
    return mixed or _points(axes) > MOST_POINTS


def worth(problem: Problem, phases: list[Phases], axes: tuple[Axis, ...]) -> bool:
    """Estimate whether minimal filtering of an image is faster, in cycles for which a vector has 16 numbers.

    The constants fit times of 21 layers on AVX-512 (of 16 to 512 channels, 1 to 3 axes) to within a fifth: a product of
    the direct way takes 1/1.8 cycles, one between transforms 1/1.6, the transforms some 3 for each point and channel,
    the way out 28 for each output. Packing takes 4 for each weight, and counts as 3, for layers do it once.
    """
    if not problem.forward and _costly(axes):
        return False
    channels, outputs = problem.channels, problem.outputs
    out = outputs * 28 * prod(int(one.counts.sum()) for one in phases)
    direct = channels * outputs / 1.8 * prod(int((np.diff(one.first) * one.counts).sum()) for one in phases) + out
    points = _points(axes)
    vectors = points * _groups(axes) * (1 + 1 / int(axes[2].phases.counts.max()))
    minimal = vectors * (channels * outputs / 1.6 + 3 * channels + 3 * outputs) + out
    minimal += 16 * channels * outputs * points * 3
    return minimal < 0.93 * direct


def tables(problem: Problem, axes: tuple[Axis, ...]) -> Pass:
    """Make the tables of minimal filtering."""
    outs = [axis.outs for axis in axes]
    phases = [axis.phases for axis in axes]
    parts = list(itertools.product(*(axis.filters for axis in axes)))
    tile = _tile(problem, axes, parts)
    where = np.empty([*(len(one.start) for one in phases), 2], np.intp)
    rows, offset, first_taps, taps = [], [], [], []
    first = first_phase = weights = count = 0
    for i, part in enumerate(parts):
        points = prod(f.points(n) for f, n in zip(part, outs, strict=True))
        own = _rows(part)
        # With respect to the input there is one phase: all parts add to the same outputs, and those alike also before.
        complete = problem.forward or i + 1 == len(parts) or _kinds(parts[i + 1], outs) != _kinds(part, outs)
        rows.append((points, own * prod(outs), first, first_phase, weights, *_kinds(part, outs), complete))
        if problem.forward or i == 0:
            at = np.ix_(*(axis.number[f.number].reshape(-1) for f, axis in zip(part, axes, strict=True)))
            where[at] = np.stack((np.full(own * prod(outs), i), _numbers(part, outs)), axis=1).reshape(where[at].shape)
        offset.append(places([f.reads(axis) for f, axis in zip(part, axes, strict=True)], tile))
        first_taps.append(count)
        taps.append(_taps(part, [axis[2] for axis in problem.axes]))
        count += len(taps[-1])
        first += points
        first_phase += own * prod(outs) if problem.forward else 0
        weights += problem.channels * points * problem.rows * ceil(problem.outputs * own, problem.rows)
    return Pass(
        *axis_tables(problem, phases, tile),
        ints(rows),
        np.zeros((first, 3), np.intp),
        ints(np.concatenate(offset)),
        np.zeros(first, np.intp),
        ints(where.reshape(-1, 2)),
        ints(np.concatenate(taps)),
        problem.block(),
        weights,
        outs=ints(outs),
        first=ints(first_taps),
    )


def _rows(part: Sequence[Filter]) -> int:
    """Return the rows of products for an output channel."""
    return prod(len(f.number) for f in part)


def _kinds(part: tuple[Filter, ...], outs: list[int]) -> list[int]:
    return [KINDS.get((n, f.taps.shape[1]), WHOLE) for f, n in zip(part, outs, strict=True)]


def _numbers(part: tuple[Filter, ...], outs: list[int]) -> np.ndarray:
    """Return the number in a part of (phase, output) of all axes: phases of all axes first, then outputs of all."""
    sizes = [len(f.number) for f in part]
    shape = [size for pair in zip(sizes, outs, strict=True) for size in pair]
    numbers = np.arange(prod(shape)).reshape(*sizes, *outs)  # [pd, ph, pw, id, ih, iw]
    return numbers.transpose(0, 3, 1, 4, 2, 5).reshape(-1)


def _taps(part: tuple[Filter, ...], kernel: list[int]) -> np.ndarray:
    """Return the taps' numbers in the kernel: [phases of all axes][taps of all axes]."""
    d, h, w = (f.taps for f in part)
    d, h, w = d[:, None, None, :, None, None], h[None, :, None, None, :, None], w[None, None, :, None, None, :]
    return ((d * kernel[1] + h) * kernel[2] + w).reshape(-1)


def _tile(problem: Problem, axes: tuple[Axis, ...], parts: list[tuple[Filter, ...]]) -> Tile:
    """Choose the cheapest of some tiles."""
    domain = [problem.batch, *(int(axis.phases.counts.max()) for axis in axes)]
    points = [prod(f.points(axis.outs) for f, axis in zip(part, axes, strict=True)) for part in parts]
    products = [p * _rows(part) for p, part in zip(points, parts, strict=True)]
    outs = [axis.outs for axis in axes]
    chains = [ceil(problem.channels, _chain(problem.channels, _kinds(part, outs))) for part in parts]
    chained = sum(p * count for p, count in zip(products, chains, strict=True))
    sums = prod(len(axis.phases.start) for axis in axes)
    # Shares begin with a block of rows in every part.
    unit = lcm(*(problem.rows // gcd(problem.rows, _rows(part)) for part in parts))
    best, chosen = (2, 0.0), None
    for layouts, box in _candidates(problem, axes, domain):
        vectors = ceil(lanes_of(box, layouts), problem.lanes)
        tile = Tile(box[0], box[1:], layouts, 0, 0)
        segments = prod(len(layout.first) for layout in layouts)
        chunk = min(DEPTH, problem.channels)
        copied = chunk * tile.segment() * segments * problem.itemsize
        row = box[3] + layouts[2].reach
        copies = problem.channels * segments * tile.segment() / row * (10 + row)
        shared = copies + problem.channels * sum(points) * vectors * 3 + 500
        tiles = problem.groups * prod(map(ceil, domain, box))
        for share in _shares(problem, tiles, unit):
            kept = share * (sums + max(products)) + chunk * max(points)
            large = kept * vectors * problem.lanes * problem.itemsize + copied > SCRATCH
            work = share * sum(products) * problem.channels * (vectors / 2 + 0.25)
            work += share * vectors * (2 * chained + sum(products) * 3 + sums * 6)
            cost = ceil(tiles * ceil(problem.outputs, share), problem.threads) * (work + shared)
            if (large, cost) < best:
                best, chosen = (large, cost), tile._replace(share=share, chunk=chunk)
    assert chosen is not None
    return chosen


def _chain(channels: int, kinds: list[int]) -> int:
    """Return the channels of a chain, as channels_of_chain in minimal.pxd does."""
    if kinds == [F23] * 3:
        return CHAIN // 2 if channels >= DEPTH else CHAIN // 4
    return CHAIN


def _shares(problem: Problem, tiles: int, unit: int) -> set[int]:
    """Return some sizes of the shares of output channels, multiples of `unit`."""
    counts = {1, 2, 4, 8, 16, ceil(problem.threads, tiles)}
    return {min(problem.outputs, cut(problem.outputs, ceil(problem.outputs, count), unit)) for count in counts}


def _candidates(
    problem: Problem, axes: tuple[Axis, ...], domain: list[int]
) -> Iterator[tuple[tuple[Layout, ...], tuple[int, ...]]]:
    for layouts in itertools.product(*(layouts_of(axis.phases) for axis in axes)):
        for box in sorted({box_of(problem, domain, layouts, n * problem.lanes) for n in (1, 2, 3, 6, 9, 12)}):
            yield layouts, box
