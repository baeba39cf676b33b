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
    MOST_PIXELS,
    PACKED,
    PIECEWISE,
    TILES,
    TURNING,
    WEIGHTS,
    Layout,
    Pass,
    Phases,
    Pieces,
    Problem,
    Tile,
    axis_tables,
    blocks_of,
    box_of,
    ceil,
    cut,
    even_pieces,
    families,
    ints,
    lanes_of,
    layouts_of,
    of_row_vectors,
    places,
)

CHAIN = 32  # channels in a chain of additions, as in minimal.pxd,
DEPTH = 64  # channels transformed at once
MOST_PHASES = 64  # of a pass: with more, tiles have few lanes (k5 s3, 81 phases, 7.2 ms, 36 6.1)
MOST_PARTS = 64  # and most parts, or rows of weights of an output channel: as in expand.pxd
MOST_APART = 3  # steps from tap to tap
MOST_POINTS = 256  # of all parts that add to the same sums
FEW_CHANNELS = 32  # on three axes errors of fewer were up to 1.9 times PyTorch's (k4 s2 of 16), directly they are 1.0
FEW_OF_THREE_TAPS = 64  # on two and three where PyTorch is most exact: see _exact
FEW_OF_TWO_TAPS = 512
FEW_OF_A_GROUP = 128  # of several, whose parts are joined: k3 s2 and k4 s2 of 36 to 100 were up to 1.9, of 130 1.2
SMALL_IMAGE = 20480  # numbers of an image that PyTorch computes by products of matrices
ALONE = 1.3  # times as long takes a product where rows fill one vector, whose sums wait for one another
SCRATCH = 7 * 2**18  # bytes of a task's products, sums and copies together
WHOLE, F22, F23, F32, S22, S23, S32 = range(7)  # as in minimal.pxd
KINDS = {(2, 2): F22, (2, 3): F23, (3, 2): F32}  # by outputs of a group and taps
SHORT = {(2, 1): S22, (2, 2): S23, (3, 1): S32}  # of filters that add to the products of those with a tap more


class Costs(NamedTuple):
    """Cycles of one core."""

    direct: float  # for a vector of products of the direct way,
    product: float  # of those between transforms,
    chain: float  # and of a chain of these,
    point: float  # for a vector of points of a channel that is transformed,
    sums: float  # of sums,
    output: float  # and of outputs on its way out,
    weight: float  # for a point of a weight: less than it takes, for layers do it once,
    anew: float  # and for the gradient of the input, of which no layer keeps transformed weights
    worth: float  # of the direct way's cycles, and less
    joined_sums: float  # the same where parts all add to the same sums, on several axes: for a chain and each point,
    joined_point: float  # as `point`
    joined_weight: float  # and `anew`


# By whether vectors have 64 bytes: of 50 layers on AVX-512 (Zen 5), and of 27 on AVX2 (Zen 3), times within a fifth;
# those that are joined of 32 layers on Zen 5 (less for weights than single images take: gradients are mostly of
# batches). Those of AVX2 stand for shorter vectors as well: with SSE2 minimal filtering gains more (of 19 layers none
# was slower by it). Functions count as layers, which give the same bits.
COSTS = {
    True: Costs(0.54, 0.5, 6.2, 6.4, 0, 13.4, 0.6, 1.8, 1, 0.45, 16, 1),
    False: Costs(0.72, 0.84, 0, 5.5, 5.5, 14, 0.8, 2.4, 0.95, 0.4, 7, 1),
}


class CostsAlongRows(NamedTuple):
    """The same with vectors along the rows of the weights: see pyx/exchanged_points.pxd."""

    product: float
    chain: float
    point: float
    sums: float  # for a vector of sums that DEPTH channels are added to
    output: float  # as often as along lanes: sums are turned
    weight: float


# Of 560 layers on AVX-512 (Zen 5), times within an eighth. With a smaller weight functions of many channels would take
# it where it is slower, with a larger one layers would not where it is faster: with 0.2 neither is in the mean more
# than a fiftieth above the best choice for each.
COSTS_ALONG_ROWS = CostsAlongRows(0.53, 2.5, 10, 7, 2.2, 0.2)


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


def _parted(phases: Phases) -> Phases:
    """Part the phases of a dilated kernel, whose taps lie some steps apart, so that those of each part are neighbours.

    Where they lie more than MOST_APART apart too few groups of outputs are left (dilation 4 of 60 pixels: 1.15 times
    the direct way's time; 2 and 3: 0.73 and 0.78).
    """
    inner = np.setdiff1d(np.arange(1, len(phases.source)), phases.first)
    apart = int(np.gcd.reduce(phases.source[inner] - phases.source[inner - 1])) // phases.step
    if not 1 < apart <= MOST_APART:
        return phases
    part = np.arange(apart)
    start = (phases.start[:, None] + phases.out_step * part).reshape(-1)
    counts = (phases.counts[:, None] - part + apart - 1) // apart
    kept = counts.reshape(-1) > 0
    taps = [np.arange(a, b) for a, b in itertools.pairwise(phases.first) for _ in part]
    sources = [phases.source[tap] + phases.step * (i % apart) for i, tap in enumerate(taps)]
    taps, sources = ([one for one, keep in zip(each, kept, strict=True) if keep] for each in (taps, sources))
    return replace(
        phases,
        start=start[kept],
        counts=counts.reshape(-1)[kept],
        first=np.cumsum([0, *map(len, taps)]),
        tap=phases.tap[np.concatenate(taps)],
        source=np.concatenate(sources),
        step=phases.step * apart,
        out_step=phases.out_step * apart,
    )


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


def _apart(problem: Problem) -> bool:
    """Return whether parts have outputs of their own: of the input's gradient with strides all add to one phase."""
    return problem.forward or all(axis[3] == 1 for axis in problem.axes)


def _ways(phases: Phases, apart: bool) -> list[Axis]:
    """Return the ways of cutting an axis into groups of outputs; none where it has other taps than a few neighbours.

    Where all parts add to one phase it is not parted.
    """
    phases = _parted(phases) if apart else phases
    filters = _filters(phases)
    if filters is None:
        return []
    filters = tuple(sorted(filters, key=lambda f: -f.taps.shape[1]))
    most = filters[0].taps.shape[1]
    return [_axis(phases, outs, filters) for outs in {1: (1,), 2: (3, 2), 3: (2,)}[most]]


def _points(axes: tuple[Axis, ...]) -> int:
    """Return the points of all phases."""
    return prod(sum(len(f.number) * f.points(axis.outs) for f in axis.filters) for axis in axes)


def _transformed(axes: tuple[Axis, ...]) -> int:
    """Return the points at which x is transformed: phases of a filter share them."""
    return prod(sum(f.points(axis.outs) for f in axis.filters) for axis in axes)


def _weights(axes: tuple[Axis, ...]) -> int:
    """Return the points of weights that are packed: those of filters with the same taps once."""
    return prod(
        sum({f.taps.tobytes(): len(f.number) * f.points(axis.outs) for f in axis.filters}.values()) for axis in axes
    )


def _groups(axes: tuple[Axis, ...]) -> int:
    """Return the groups of outputs of a phase in an image."""
    return prod(int(axis.phases.counts.max()) for axis in axes)


def choose(problem: Problem, phases: list[Phases]) -> tuple[Axis, ...] | None:
    """Return how minimal filtering cuts the axes where it is estimated to be faster than the direct way; else None.

    It depends on channels, kernel, stride and plane alone, so that an image's result does not depend on the batch.
    """
    if prod(len(one.start) for one in phases) > MOST_PHASES:
        return None
    ways = itertools.product(*(_ways(one, _apart(problem)) for one in phases))
    possible = [axes for axes in ways if _possible(problem, axes)]
    if not possible:
        return None
    best = min(possible, key=lambda axes: cycles(problem, phases, axes))
    return best if worth(problem, phases, best) else None


def _possible(problem: Problem, axes: tuple[Axis, ...]) -> bool:
    """Whether a way filters at all, all axes alike, with few enough phases.

    Where axes had groups of two and of three outputs it was 0.8 to 1.0 times as fast as the better of the two.
    Where parts add to the same sums on three axes, tiles are of a few lanes for so many points: of six layers of k4 s2
    two were faster (1.1 and 1.3 times), four slower (down to 0.8), and the costs do not tell which.
    """
    if prod(len(axis.phases.start) for axis in axes) > MOST_PHASES or len({axis.outs for axis in axes} - {1}) != 1:
        return False
    if all(axis.outs > 1 for axis in axes) and _inexact(problem):
        return False
    if _apart(problem):
        return True
    few = prod(len(axis.filters) for axis in axes) <= MOST_PARTS and _points(axes) <= MOST_POINTS
    return few and any(axis.outs == 1 for axis in axes)


def _inexact(problem: Problem) -> bool:
    """Whether on three axes errors would be too large: with stride 1, where PyTorch is most exact.

    Errors over PyTorch's were up to 2.1 for kernels of two taps, 1.7 for dilated ones of three. A stride that divides
    its dilation is as stride 1.
    """
    return any(
        kernel == 2 or dilation > stride for _, _, kernel, stride, _, dilation in problem.axes if dilation % stride == 0
    )


def _exact(problem: Problem, axes: tuple[Axis, ...]) -> bool:
    """Whether there are enough channels: with fewer, errors would be more than one and a half times PyTorch's.

    With stride 1, or dilation, PyTorch is as exact as the direct way for small images, groups and dilation (AVX-512:
    errors of k3 with 24 to 32 channels would be up to 1.8 times as large, of k2 with 64 up to 1.8, with 128 up to
    1.6), and less exact for large images (32 channels of 40x40 1.0).
    """
    filtered = [(axis, size) for axis, size in zip(axes, problem.axes, strict=True) if axis.outs > 1]
    if len(filtered) < 2:
        return True
    if len(filtered) == 3 and problem.channels < FEW_CHANNELS:
        return False
    if not _apart(problem) and problem.groups > 1 and problem.channels < FEW_OF_A_GROUP:
        return False
    dilated = any(size[5] > 1 for _, size in filtered)
    if not dilated and all(size[3] > 1 for _, size in filtered):
        return True
    if all(f.taps.shape[1] < 3 for axis, _ in filtered for f in axis.filters):
        return problem.channels >= FEW_OF_TWO_TAPS
    image = problem.channels * prod(axis[0 if problem.forward else 1] for axis in problem.axes)
    large = image > SMALL_IMAGE and problem.groups == 1 and not dilated
    return problem.channels >= (FEW_CHANNELS if large else FEW_OF_THREE_TAPS)


def worth(problem: Problem, phases: list[Phases], axes: tuple[Axis, ...]) -> bool:
    """Estimate whether minimal filtering of an image is faster; not where it would be too inexact."""
    if not _exact(problem, axes):
        return False
    return cycles(problem, phases, axes) < COSTS[problem.wide()].worth * cycles(problem, phases, None)


def cycles(problem: Problem, phases: list[Phases], axes: tuple[Axis, ...] | None) -> float:
    """Estimate cycles for an image and a group, by minimal filtering, or the direct way."""
    cost = COSTS[problem.wide()]
    channels, outputs, lanes = problem.channels, problem.outputs, problem.lanes
    out = cost.output * outputs * prod(int(one.counts.sum()) for one in phases) / lanes
    if axes is None:
        terms = prod(int((np.diff(one.first) * one.counts).sum()) for one in phases)
        return cost.direct * channels * outputs * terms / lanes + out
    points = _points(axes)
    kinds = [KINDS.get((axis.outs, axis.filters[0].taps.shape[1]), WHOLE) for axis in axes]
    chains = ceil(channels, _chain(channels, kinds, _alike(problem, axes)))
    vectors = ceil(_groups(axes), lanes)
    if _apart(problem) or sum(axis.outs > 1 for axis in axes) < 2:
        sums, point = cost.chain * chains + cost.sums, cost.point
        weight = cost.weight if problem.forward else cost.anew
    else:
        sums = cost.joined_sums * prod(axis.filters[0].points(axis.outs) for axis in axes) * chains
        point, weight = cost.joined_point, cost.joined_weight
    of_point = outputs * (cost.product * channels + sums)
    weights = channels * outputs * _weights(axes)
    along = vectors * (points * of_point + point * channels * _transformed(axes)) + weight * weights + out
    if not _may_exchange(problem):
        return along
    return min(along, _cycles_along_rows(problem, axes, chains, out, weights))


def _may_exchange(problem: Problem) -> bool:
    """Return whether vectors may run along the rows of the weights: long ones, where parts have outputs of their own.

    Lanes fill shorter vectors as well: of 100 layers on AVX2 it was 1.01 times as fast in the mean.
    """
    return problem.wide() and problem.vectors > 0 and _apart(problem)


def _cycles_along_rows(problem: Problem, axes: tuple[Axis, ...], chains: int, out: float, weights: int) -> float:
    """Estimate cycles as `cycles` does, with vectors along the rows of the weights."""
    cost, channels, groups = COSTS_ALONG_ROWS, problem.channels, _groups(axes)
    vectors = ceil(problem.outputs, problem.lanes)
    product = cost.product * (ALONE if vectors == 1 else 1)
    products = channels * (groups * product + WEIGHTS) + groups * cost.chain * chains
    return (
        vectors * _points(axes) * (products + groups * cost.sums * ceil(channels, DEPTH))
        + cost.point * channels * _transformed(axes) * ceil(groups, problem.lanes)
        + (cost.weight if problem.forward else COSTS[True].anew) * weights
        + cost.output * out
    )


def tables(problem: Problem, axes: tuple[Axis, ...]) -> Pass:
    """Make the tables of minimal filtering."""
    outs = [axis.outs for axis in axes]
    phases = [axis.phases for axis in axes]
    parts = list(itertools.product(*(axis.filters for axis in axes)))
    assert max(len(parts), sum(map(_rows, parts))) <= MOST_PARTS
    tile, apart = _tile(problem, axes, parts), _apart(problem)
    height = problem.lanes if tile.pieces else problem.rows
    where = np.empty([*(len(one.start) for one in phases), 2], np.intp)
    rows, offset, taps = [], [], []
    first = first_phase = weights = 0
    known: dict[tuple[bytes | int, ...], int] = {}  # where the weights of parts with the same taps begin
    for i, part in enumerate(parts):
        points = prod(f.points(n) for f, n in zip(part, outs, strict=True))
        own = _rows(part)
        complete = apart or i + 1 == len(parts)
        taps.append(_taps(part, [axis[2] for axis in problem.axes]))
        kinds = _kinds(part, axes, apart)
        begin = known.setdefault((taps[-1].tobytes(), *kinds), weights)
        rows.append((points, own * prod(outs), first, first_phase, begin, *kinds, complete))
        if apart or i == 0:
            at = np.ix_(*(axis.number[f.number].reshape(-1) for f, axis in zip(part, axes, strict=True)))
            where[at] = np.stack((np.full(own * prod(outs), i), _numbers(part, outs)), axis=1).reshape(where[at].shape)
        offset.append(places([f.reads(axis) for f, axis in zip(part, axes, strict=True)], tile))
        first += points
        first_phase += own * prod(outs) if apart else 0
        if begin == weights:
            weights += problem.channels * points * height * ceil(problem.outputs * own, height)
    return Pass(
        *axis_tables(problem, phases, tile),
        ints(rows),
        np.zeros((first, 3), np.intp),
        ints(np.concatenate(offset)),
        np.zeros(first, np.intp),
        ints(where.reshape(-1, 2)),
        ints(np.concatenate(taps)),
        problem.block(),
        weights if tile.weights == PACKED else problem.weight_steps()[0],
        tile.weights,
        exchanged=tile.pieces is not None,
        outs=ints(outs),
        minimal=True,
        row_vectors=tile.row_vectors,
    )


def _rows(part: Sequence[Filter]) -> int:
    """Return the rows of products for an output channel."""
    return prod(len(f.number) for f in part)


def _kinds(part: tuple[Filter, ...], axes: tuple[Axis, ...], apart: bool) -> list[int]:
    """Return the transforms of a part; where parts add to the same products, the first has the longest filters."""
    kinds = []
    for one, axis in zip(part, axes, strict=True):
        taps, longest = one.taps.shape[1], axis.filters[0].taps.shape[1]
        kinds.append((KINDS if apart or taps == longest else SHORT).get((axis.outs, taps), WHOLE))
    return kinds


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
    """Choose the cheapest of some tiles, and whether vectors run along lanes or along rows of the weights."""
    domain = [problem.batch, *(int(axis.phases.counts.max()) for axis in axes)]
    work = _work(problem, axes, parts)
    best, chosen = (2, 0.0), None
    for layouts, box in _candidates(problem, axes, domain):
        tiles = problem.groups * prod(map(ceil, domain, box))
        ways = [_along_lanes(problem, work, layouts, box, tiles)]
        if _may_exchange(problem):
            ways.append(_along_rows(problem, work, layouts, box, tiles))
        for large, cost, tile in itertools.chain(*ways):
            if (large, cost) < best:
                best, chosen = (large, cost), tile
    assert chosen is not None
    return chosen


class Work(NamedTuple):
    """What a tile's cost depends on: of each part, and of all together."""

    rows: list[int]  # of products, for an output channel
    points: list[int]
    chains: list[int]  # of a product
    taps: int  # of an output channel and a channel, of all parts together
    sums: int  # of a lane and an output channel
    unit: int  # output channels with which blocks of rows begin in every part

    def products(self) -> int:
        """Return the products of a lane, an output channel and a channel."""
        return sum(rows * points for rows, points in zip(self.rows, self.points, strict=True))


def _work(problem: Problem, axes: tuple[Axis, ...], parts: list[tuple[Filter, ...]]) -> Work:
    apart, alike, channels = _apart(problem), _alike(problem, axes), problem.channels
    rows = [_rows(part) for part in parts]
    return Work(
        rows,
        [prod(f.points(axis.outs) for f, axis in zip(part, axes, strict=True)) for part in parts],
        [ceil(channels, _chain(channels, _kinds(part, axes, apart), alike)) for part in parts],
        sum(prod(f.taps.size for f in part) for part in parts),
        prod(len(axis.phases.start) for axis in axes),
        lcm(*(problem.rows // gcd(problem.rows, own) for own in rows)),
    )


def _along_lanes(
    problem: Problem, work: Work, layouts: tuple[Layout, ...], box: tuple[int, ...], tiles: int
) -> Iterator[tuple[bool, float, Tile]]:
    """Give tiles with vectors along lanes, whether each is too large, and its estimated cost."""
    row_vectors = of_row_vectors(problem, box) and prod(box) < lanes_of(box, layouts)
    vectors = ceil(prod(box) if row_vectors else lanes_of(box, layouts), problem.lanes)
    tile = Tile(box[0], box[1:], layouts, 0, min(DEPTH, problem.channels), row_vectors=row_vectors)
    copied, shared = _copies(problem, work, tile, vectors)
    products = work.products()
    chained = sum(map(prod, zip(work.rows, work.points, work.chains, strict=True)))
    most = max(map(prod, zip(work.rows, work.points, strict=True)))
    for share in _shares(problem, tiles, work.unit):
        kept = share * (work.sums + most) + tile.chunk * max(work.points)
        large = kept * vectors * problem.lanes * problem.itemsize + copied > SCRATCH
        cost = share * products * problem.channels * (vectors / 2 + 0.25)
        cost += share * vectors * (2 * chained + products * 3 + work.sums * 6)
        rounds = problem.rounds(tiles * ceil(problem.outputs, share))
        yield large, rounds * (cost + shared), tile._replace(share=share)


def _copies(problem: Problem, work: Work, tile: Tile, vectors: int) -> tuple[int, float]:
    """Return the bytes of x that a tile copies at once, and estimate the cycles of copies and transforms."""
    segments = prod(len(layout.first) for layout in tile.layouts)
    row = tile.size[2] + tile.layouts[2].reach
    copies = problem.channels * segments * tile.segment() / row * (10 + row)
    spread = problem.channels * sum(work.points) * vectors * 3
    return tile.chunk * tile.segment() * segments * problem.itemsize, copies + spread + 500


def _along_rows(
    problem: Problem, work: Work, layouts: tuple[Layout, ...], box: tuple[int, ...], tiles: int
) -> Iterator[tuple[bool, float, Tile]]:
    """The same with vectors along rows of the weights: see pyx/exchanged_points.pxd."""
    lanes = lanes_of(box, layouts)
    if lanes > MOST_PIXELS:
        return
    pieces = _pieces(problem, max(work.rows))
    weights = PACKED if problem.packed or tiles > problem.groups * TILES else PIECEWISE
    tile = Tile(box[0], box[1:], layouts, 0, min(DEPTH, problem.channels), weights, pieces)
    taken = work.taps * tile.chunk * pieces.size if weights == PIECEWISE else 0
    width = ceil(lanes, problem.lanes) * problem.lanes
    copied, shared = _copies(problem, work, tile, width // problem.lanes)
    pixels, blocks = blocks_of(problem, box, lanes)
    cost = kept = 0.0  # of a piece, whose sums are so many numbers of a lane
    for rows, points, chains in zip(work.rows, work.points, work.chains, strict=True):
        vectors = ceil(pieces.size * rows, problem.lanes)
        outs = work.sums / sum(work.rows)
        cost += vectors * points * problem.channels * (pixels / 2 * (ALONE if vectors == 1 else 1) + WEIGHTS)
        cost += vectors * points * (chains * (pixels + 5 * blocks) + 3 * pixels)
        cost += vectors * outs * (6 * pixels + TURNING * lanes)
        kept += vectors * problem.lanes * outs
    # Some pieces have a vector less than the largest.
    cost *= ceil(problem.outputs, problem.lanes) / (ceil(pieces.size, problem.lanes) * pieces.number)
    for share in {pieces.number, *(ceil(pieces.number, n * problem.threads) for n in (1, 2, 4))}:
        numbers = share * kept + pieces.size * work.sums
        numbers += problem.vectors * problem.lanes * max(work.points) + tile.chunk * max(work.points)
        made = share * taken + (max(work.points) * tile.chunk * pieces.size * max(work.rows) if taken else 0)
        yield (
            (numbers * width + made) * problem.itemsize + copied > SCRATCH,
            problem.rounds(tiles * ceil(pieces.number, share)) * (share * cost + shared),
            tile._replace(share=share),
        )


def _pieces(problem: Problem, rows: int) -> Pieces:
    """Cut the output channels, of which a part has so many rows each, into about equal pieces of a group."""
    vectors = ceil(problem.outputs, problem.lanes)
    return even_pieces(problem.outputs, problem.lanes, ceil(vectors, max(1, problem.vectors // rows)))


def _alike(problem: Problem, axes: tuple[Axis, ...]) -> bool:
    """Whether parts that all have as many taps add to the same sums."""
    several = not _apart(problem) and any(len(axis.filters) > 1 for axis in axes)
    return several and all(len({f.taps.shape[1] for f in axis.filters}) == 1 for axis in axes)


def _chain(channels: int, kinds: list[int], alike: bool) -> int:
    """Return the channels of a chain, as channels_of_chain in minimal.pxd does."""
    if WHOLE in kinds:
        return DEPTH if alike and kinds.count(WHOLE) == 1 else CHAIN
    return CHAIN // 2 if channels >= DEPTH or F23 not in kinds else CHAIN // 4


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
