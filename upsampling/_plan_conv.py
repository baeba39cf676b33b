"""Plans of transposed convolution: which taps each output reads, and in which tiles, from sizes alone.

On one axis, with stride s, padding p and dilation d, out[o] takes w[k] * in[i] for all (i, k) with
i * s + k * d = o + p. Write o = s * t + r. The residue r (the phase) fixes which taps take part, and tap k reads
in[t + (r + p - k * d) / s]: phase by phase, a convolution of stride 1. The gradient with respect to the input has one
phase, in which tap k of output i reads grad[i * s + k * d - p].
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd, prod
from typing import NamedTuple

import numpy as np

Size = tuple[int, int, int, int, int, int]  # size, out, kernel, stride, padding, dilation of an axis

BLOCK = 16  # channels in a chain of additions, as in dense.pyx
MOST_PHASES = 1024  # of all axes in one pass of the kernel
SUMS = 2**19  # bytes of sums in a task's scratch
COPIES = 2**19  # bytes of a task's copies of x
NEAR = 24 * 2**10  # bytes of copies that stay in a processor's first cache
DIRECT = 4  # most tiles for which weights are read where they lie: packing pays when they are read more often


class Problem(NamedTuple):
    """What a plan depends on. Channels are summed over, outputs written, both of one group."""

    axes: tuple[Size, ...]
    forward: bool
    batch: int
    groups: int
    channels: int
    outputs: int
    threads: int
    lanes: int
    rows: int  # that the kernel multiplies at once
    itemsize: int
    merged: bool  # phases may share taps that not all of them have, with zeros for the weights that are not there

    def weight_steps(self) -> tuple[int, int, int]:
        """Return the distances of groups, channels and outputs in the weight."""
        taps = prod(axis[2] for axis in self.axes)
        inner = (self.outputs if self.forward else self.channels) * taps
        return (self.channels * self.outputs * taps, *((inner, taps) if self.forward else (taps, inner)))


def _ceil(size: int, piece: int) -> int:
    return (size + piece - 1) // piece


@dataclass(frozen=True, eq=False)
class Phases:
    """The phases of an axis that some tap reaches: phase r owns outputs start[r] + out_step * t for t < counts[r].

    Its taps are tap[first[r]:first[r + 1]] and read the source at source + step * t where that lies inside.
    """

    start: np.ndarray
    counts: np.ndarray
    first: np.ndarray
    tap: np.ndarray
    source: np.ndarray
    step: int
    out_step: int
    whole: bool  # every output is in one of the phases


def _phases(
    start: np.ndarray, count: np.ndarray, tap: np.ndarray, source: np.ndarray, step: int, out_step: int, outputs: int
) -> Phases:
    """Sort taps, each with its phase's start and count, by phase."""
    order = np.lexsort((tap, start))
    start, count, tap, source = start[order], count[order], tap[order], source[order]
    starts, first = np.unique(start, return_index=True)
    counts = count[first]
    return Phases(starts, counts, np.append(first, len(tap)), tap, source, step, out_step, int(counts.sum()) == outputs)


@lru_cache(maxsize=512)
def forward_phases(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Phases:
    """Return the phases of a transposed convolution's outputs."""
    if size == 1:
        stride = out  # only input 0 is read, so each output may be a phase of its own, with one tap
    tap = np.arange(kernel)
    at = tap * dilation - padding
    start = at % stride
    source = (start - at) // stride
    count = (out - 1 - start) // stride + 1
    reached = (start < out) & (source < size) & (source + count > 0)
    return _phases(start[reached], count[reached], tap[reached], source[reached], 1, stride, out)


@lru_cache(maxsize=512)
def backward_phases(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Phases:
    """Return the one phase of the gradient with respect to the input."""
    tap = np.arange(kernel)
    source = tap * dilation - padding
    before = np.maximum(-(source // stride), 0)  # the first t that reads at 0 or later
    reached = (before < size) & (source < out - before * stride)
    tap, source = tap[reached], source[reached]
    return _phases(np.zeros_like(tap), np.full_like(tap, size), tap, source, stride, 1, size)


class Family(NamedTuple):
    """Phases of an axis that are computed together."""

    number: np.ndarray  # of each phase
    source: np.ndarray  # what their taps read
    tap: np.ndarray  # [phase, source]: -1 where a phase has no tap that reads the source


@lru_cache(maxsize=512)
def _families(phases: Phases) -> tuple[Family, ...]:
    """Part the phases of an axis by the sources that they read.

    These are an arithmetic progression, the same for all phases but for its start and length.
    """
    length = np.diff(phases.first)
    keys = np.stack((phases.source[phases.first[:-1]], length), axis=1)
    _, member = np.unique(keys, axis=0, return_inverse=True)
    member = member.reshape(-1)
    families = []
    for i in range(int(member.max()) + 1):
        number = np.flatnonzero(member == i)
        at = phases.first[number][:, None] + np.arange(length[number[0]])
        families.append(Family(number, phases.source[at[0]], phases.tap[at]))
    return tuple(families)


def _all_in_one(phases: Phases) -> Family:
    """Return all phases of an axis as one family. Taps in order read sources from the last to the first."""
    source = np.unique(phases.source)[::-1]
    number = np.arange(len(phases.start))
    tap = np.full((len(number), len(source)), -1)
    tap[np.repeat(number, np.diff(phases.first)), np.searchsorted(-source, -phases.source)] = phases.tap
    return Family(number, source, tap)


class Part(NamedTuple):
    """Phases of all axes that are computed together, and their taps."""

    families: tuple[Family, ...]
    phases: int
    taps: int
    tap: np.ndarray  # [phase, tap]: its number in the kernel, or -1


def _part(families: tuple[Family, ...], kernel: Sequence[int]) -> Part:
    """Combine families of three axes."""
    d, h, w = (family.tap for family in families)
    d, h, w = d[:, None, None, :, None, None], h[None, :, None, None, :, None], w[None, None, :, None, None, :]
    tap = np.where((d < 0) | (h < 0) | (w < 0), -1, (d * kernel[1] + h) * kernel[2] + w)
    phases, taps = prod(tap.shape[:3]), prod(tap.shape[3:])
    return Part(families, phases, taps, tap.reshape(phases, taps))


def _parts(problem: Problem, axes: list[Phases]) -> list[Part]:
    """Part the phases; together where output channels are so few that products wait for what they read."""
    kernel = [axis[2] for axis in problem.axes]
    parts = [_part(families, kernel) for families in itertools.product(*map(_families, axes))]
    if problem.merged and problem.forward and problem.outputs < 4 and len(parts) > 1:
        merged = _part(tuple(map(_all_in_one, axes)), kernel)
        if _rate(problem, [merged]) < 0.9 * _rate(problem, parts):
            return [merged]
    return parts


def _rate(problem: Problem, parts: list[Part]) -> float:
    """Estimate the cycles of a vector of pixels: two products in one, and a little more for a load from anywhere."""
    cycles = 0.0
    for part in parts:
        rows = problem.outputs * part.phases
        cycles += part.taps * (rows / 2 + 1.2 * _ceil(rows, problem.rows))
    return cycles


def _pieces(phases: Phases, most: int) -> list[Phases]:
    """Cut an axis into at most `most` phases each."""
    count = len(phases.start)
    if count <= most:
        return [phases]
    return [
        replace(
            phases,
            start=phases.start[i : i + most],
            counts=phases.counts[i : i + most],
            first=phases.first[i : i + most + 1] - phases.first[i],
            tap=phases.tap[phases.first[i] : phases.first[min(i + most, count)]],
            source=phases.source[phases.first[i] : phases.first[min(i + most, count)]],
        )
        for i in range(0, count, most)
    ]


def _passes(axes: list[Phases]) -> Iterator[list[Phases]]:
    """Cut the phases into passes of at most MOST_PHASES, from the inner axis outwards."""
    most, pieces = MOST_PHASES, []
    for phases in reversed(axes):
        pieces.append(_pieces(phases, most))
        most = max(1, most // len(pieces[-1][0].start))
    for picked in itertools.product(*reversed(pieces)):
        yield list(picked)


class Layout(NamedTuple):
    """The segments in which the sources of an axis are copied: source k of the axis lies at `at[k]` of `segment[k]`."""

    first: np.ndarray  # the first source of each segment
    reach: int
    source: np.ndarray
    segment: np.ndarray
    at: np.ndarray


@lru_cache(maxsize=512)
def _layouts(phases: Phases) -> tuple[Layout, ...]:
    """Return the ways of copying an axis: a segment for each source, or one for each residue, longer by its reach."""
    source = np.unique(phases.source)
    count = np.arange(len(source))
    apart = Layout(source, 0, source, count, np.zeros_like(source))
    residue, segment = np.unique(source % phases.step, return_inverse=True)
    segment = segment.reshape(-1)
    place = source // phases.step
    first = np.full(len(residue), source.max() // phases.step)
    np.minimum.at(first, segment, place)
    at = place - first[segment]
    reach = int(at.max())
    if reach == 0:
        return (apart,)
    return Layout(first * phases.step + residue, reach, source, segment, at), apart


class Tile(NamedTuple):
    """How the outputs of a pass are cut into tasks."""

    images: int
    size: tuple[int, ...]
    layouts: tuple[Layout, ...]
    share: int  # output channels of a task
    chunk: int  # channels copied at once


class Pass(NamedTuple):
    """The tables of one run of the kernel; see dense.pyx."""

    tile: np.ndarray
    axes: np.ndarray
    segments: tuple[np.ndarray, ...]
    phases: tuple[np.ndarray, ...]
    parts: np.ndarray
    source: np.ndarray
    offset: np.ndarray
    weight_at: np.ndarray
    where: np.ndarray
    tap: np.ndarray  # for each part, phase and tap its number in the kernel, or -1
    group_weights: int  # numbers from group to group in the packed weights, or
    direct: bool  # in the weight as it lies, which is read without packing
    merged: bool  # some weights are zeros that are not there: all numbers must be finite


class Plan(NamedTuple):
    """The passes, and whether they write every output."""

    passes: list[Pass]
    whole: bool


def _cut(size: int, most: int, unit: int = 1) -> int:
    """Return the size of equal pieces of at most `most`, rounded up to a unit."""
    return _ceil(_ceil(size, _ceil(size, most)), unit) * unit


def _box(problem: Problem, domain: list[int], reach: list[int], lanes: int) -> list[int]:
    """Return the sizes on (images, D, H, W) of a tile of about so many lanes."""
    sizes = [1, 1, 1, 1]
    used = 1  # lanes from the start of one row (plane, image) to the start of the next
    total = 1
    for axis in (3, 2, 1, 0):
        extent = domain[axis]
        fitting = max(1, (lanes - total) // used + 1)
        sizes[axis] = extent if fitting >= extent else _cut(extent, fitting, problem.lanes if axis == 3 else 1)
        sizes[axis] = min(sizes[axis], extent)
        total += (sizes[axis] - 1) * used
        used *= sizes[axis] + reach[axis]
        if sizes[axis] < extent:
            break
    return sizes


def _reached(problem: Problem, axes: list[Phases], taps: list[int], box: tuple[int, ...]) -> float:
    """Estimate the part of the taps that reach into x from somewhere in a tile."""
    part = 1.0
    for axis, phases, count, size in zip(problem.axes, axes, taps, box[1:], strict=True):
        extent = _ceil(axis[0] if problem.forward else axis[1], phases.step)
        part *= min(1.0, (extent + size - 1) / count)
    return part


def _cost(
    problem: Problem, products: float, rows: int, layouts: tuple[Layout, ...], box: tuple[int, ...], lanes: int
) -> tuple[float, float]:
    """Estimate the cycles of a tile for an output channel, and those that do not depend on output channels."""
    length = [box[0], *(size + layout.reach for size, layout in zip(box[1:], layouts, strict=True))]
    segments = prod(len(layout.first) for layout in layouts)
    vectors = _ceil(lanes, problem.lanes)
    sums = rows * vectors * (2 * (1 + problem.channels / BLOCK) + 2)
    copies = problem.channels * segments * prod(length[:3]) * (10 + length[3] / 4 * (1 if layouts[2].reach else 2))
    return problem.channels * products * (vectors / 2 + 0.25) + sums, copies


def _shares(problem: Problem, rows: int, lanes: int, tiles: int, unit: int) -> set[int]:
    """Return some sizes of the shares of output channels, multiples of `unit`, of which the sums fit in scratch."""
    bytes_each = rows * _ceil(lanes, problem.lanes) * problem.lanes * problem.itemsize
    fewest = _ceil(problem.outputs, max(1, SUMS // bytes_each))
    counts = {fewest, max(fewest, _ceil(problem.threads, tiles)), max(fewest, _ceil(4 * problem.threads, tiles))}
    most = (max(1, problem.outputs // count) for count in counts)
    return {min(problem.outputs, _cut(problem.outputs, size, unit)) for size in most}


def _choose(problem: Problem, axes: list[Phases], products: int, rows: int, unit: int) -> Tile:
    """Choose the cheapest of some tiles, for so many products of a channel and an output channel."""
    domain = [problem.batch, *(int(phases.counts.max()) for phases in axes)]
    taps = [int(np.diff(phases.first).max()) for phases in axes]
    best, chosen = float("inf"), None
    for layouts in itertools.product(*map(_layouts, axes)):
        reach = [0, *(layout.reach for layout in layouts)]
        boxes = {tuple(_box(problem, domain, reach, vectors * problem.lanes)) for vectors in (96, 48, 24, 12, 6, 3)}
        for box in sorted(boxes):
            length = [size + more for size, more in zip(box, reach, strict=True)]
            lanes = 0
            for size, extent in zip(box, length, strict=True):
                lanes = lanes * extent + size - 1
            lanes += 1
            copied = prod(length) * prod(len(layout.first) for layout in layouts) * problem.itemsize
            reached = products * _reached(problem, axes, taps, box)
            own, shared = _cost(problem, reached, rows, layouts, box, lanes)
            shared *= max(1, copied * BLOCK / COPIES)
            tiles = problem.groups * prod(map(_ceil, domain, box))
            for share in sorted(_shares(problem, rows, lanes, tiles, unit)):
                tasks = tiles * _ceil(problem.outputs, share)
                cost = _ceil(tasks, problem.threads) * (own * share + shared + 500)
                if cost < best:
                    best, chosen = cost, Tile(box[0], box[1:], layouts, share, _chunk(problem, copied))
    assert chosen is not None
    return chosen


def _chunk(problem: Problem, copied: int) -> int:
    """Return how many channels are copied at once: all, some blocks, or a part of a block."""
    if BLOCK * copied <= NEAR:
        return min(problem.channels, NEAR // (BLOCK * copied) * BLOCK)
    chunk = min(BLOCK, problem.channels)
    while chunk > 1 and chunk * copied > COPIES:
        chunk = 2 ** ((chunk - 1).bit_length() - 1)
    return chunk


def _ints(values: object) -> np.ndarray:
    return np.ascontiguousarray(values, np.intp)


def _pass(problem: Problem, axes: list[Phases]) -> Pass:
    """Make the tables of a pass."""
    parts = _parts(problem, axes)
    # Shares begin with a block of rows in every part.
    unit = max(problem.rows // gcd(problem.rows, part.phases) for part in parts)
    tile = _choose(
        problem, axes, sum(part.taps * part.phases for part in parts), sum(part.phases for part in parts), unit
    )
    segments = [len(layout.first) for layout in tile.layouts]
    segment = tile.images * prod(size + layout.reach for size, layout in zip(tile.size, tile.layouts, strict=True))
    where = np.empty([*(len(axis.start) for axis in axes), 2], np.intp)
    for i, part in enumerate(parts):
        where[np.ix_(*(family.number for family in part.families))] = np.stack(
            (np.full(part.phases, i), np.arange(part.phases)), axis=1
        ).reshape(*(len(family.number) for family in part.families), 2)
    sources = [np.stack(np.meshgrid(*(f.source for f in part.families), indexing="ij"), axis=-1) for part in parts]
    rows, weight_at, weights, direct = _weights(problem, axes, tile, parts)
    sizes = [
        (axis[0] if problem.forward else axis[1], p.step, p.out_step, int(p.counts.max()), n, layout.reach)
        for axis, p, n, layout in zip(problem.axes, axes, tile.size, tile.layouts, strict=True)
    ]
    return Pass(
        _ints((tile.images, tile.share, tile.chunk, segment, prod(segments) * segment)),
        _ints(sizes),
        tuple(_ints(layout.first) for layout in tile.layouts),
        tuple(_ints(np.stack((axis.start, axis.counts), axis=1)) for axis in axes),
        _ints(rows),
        _ints(np.concatenate([source.reshape(-1, 3) for source in sources])),
        _ints(np.concatenate([_offsets(part, tile, segments, segment) for part in parts])),
        _ints(np.concatenate(weight_at)),
        _ints(where.reshape(-1, 2)),
        _ints(np.concatenate([part.tap.reshape(-1) for part in parts])),
        weights,
        direct,
        len(parts) == 1 and bool((parts[0].tap < 0).any()),
    )


def _offsets(part: Part, tile: Tile, segments: list[int], segment: int) -> np.ndarray:
    """Return where each tap of a part begins to read in scratch."""
    number, at, length = [], [], []
    for layout, family, size in zip(tile.layouts, part.families, tile.size, strict=True):
        place = np.searchsorted(layout.source, family.source)
        number.append(layout.segment[place])
        at.append(layout.at[place])
        length.append(size + layout.reach)
    return _outer(number, segments) * segment + _outer(at, length)


def _weights(
    problem: Problem, axes: list[Phases], tile: Tile, parts: list[Part]
) -> tuple[list[tuple[int, ...]], list[np.ndarray], int, bool]:
    """Return the parts' rows of the kernel's table, the taps' places, and how many weights a group has; packed or not.

    Packed they are [part][block of rows][channel][tap][row].
    """
    rows: list[tuple[int, ...]] = []
    first = first_phase = weights = 0
    steps = _row_steps(problem, axes, tile, parts)
    for i, part in enumerate(parts):
        if steps:
            rows.append(
                (
                    part.taps,
                    part.phases,
                    first,
                    first_phase,
                    0,
                    problem.rows * steps[i],
                    problem.weight_steps()[1],
                    steps[i],
                )
            )
        else:
            block = problem.channels * part.taps * problem.rows
            rows.append((part.taps, part.phases, first, first_phase, weights, block, part.taps * problem.rows, 1))
            weights += block * _ceil(problem.outputs * part.phases, problem.rows)
        first += part.taps
        first_phase += part.phases
    if steps:
        return rows, [part.tap[0] for part in parts], problem.weight_steps()[0], True
    return rows, [np.arange(part.taps) * problem.rows for part in parts], weights, False


def _row_steps(problem: Problem, axes: list[Phases], tile: Tile, parts: list[Part]) -> list[int]:
    """Return the distances of rows of each part in the weight, or none where they differ or packing pays."""
    domain = [problem.batch, *(int(axis.counts.max()) for axis in axes)]
    if prod(map(_ceil, domain, (tile.images, *tile.size))) > DIRECT:
        return []
    steps = []
    for part in parts:
        # Weights of a part are apart as those of its first tap are, for its families' taps are.
        at = np.arange(min(problem.outputs, 2))[:, None] * problem.weight_steps()[2] + part.tap[:, 0]
        apart = np.diff(at.reshape(-1))
        if (part.tap < 0).any() or (apart != apart[:1]).any():
            return []
        steps.append(int(apart[0]) if len(apart) else 0)
    return steps


def _outer(numbers: list[np.ndarray], sizes: list[int]) -> np.ndarray:
    """Return the places of all combinations of three indices in an array of these sizes, in order."""
    d, h, w = np.ix_(*numbers)
    return ((d * sizes[1] + h) * sizes[2] + w).reshape(-1)


@lru_cache(maxsize=256)
def plan(problem: Problem) -> Plan:
    """Return the plan of a transposed convolution (forward) or of its gradient with respect to the input."""
    axes = [(forward_phases if problem.forward else backward_phases)(*axis) for axis in problem.axes]
    whole = all(axis.whole for axis in axes)
    if not all(len(axis.start) for axis in axes):
        return Plan([], False)
    return Plan([_pass(problem, list(picked)) for picked in _passes(axes)], whole)
