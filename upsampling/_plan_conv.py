"""Plans of transposed convolution: which taps each output reads, and in which tiles, from sizes alone.

On one axis, with stride s, padding p and dilation d, out[o] takes w[k] * in[i] for all (i, k) with
i * s + k * d = o + p. Write o = s * t + r. The residue r (the phase) fixes which taps take part, and tap k reads
in[t + (r + p - k * d) / s]: phase by phase, a convolution of stride 1. The gradient with respect to the input has one
phase, in which tap k of output i reads grad[i * s + k * d - p].
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import gcd, lcm, prod
from typing import NamedTuple

import numpy as np

from . import _plan_folded as folded
from . import _plan_minimal as minimal
from ._plan_tables import (
    CALL,
    COPIES,
    IN_PLACE,
    MOST_PHASES,
    MOST_PIXELS,
    PACKED,
    PIECEWISE,
    TILES,
    TURNED,
    TURNING,
    WEIGHTS,
    Family,
    Layout,
    Part,
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
    part_of,
    places,
    places_of_phases,
    sources_of,
)

SUMS = 2**19  # bytes of sums in a task's scratch
NEAR = 24 * 2**10  # bytes of copies that stay in a processor's first cache,
LONG = 16  # segments of a chain from which this matters more than that the sums stay there
PIECE = 192  # rows of which sums are in scratch where vectors run along rows of the weights
EXCHANGED = 2.0  # vectors of products in a cycle then,
DIRECT = 3  # most tiles of a group that read weights in place, where they find them as they read them
THROUGH_MEMORY = 4  # tiles for which packing takes as long as packing them all once, which go through memory
PACKING = 0.6  # cycles for a number that is packed
UNPACKED = 2**18  # bytes of weights that a task packs at once
FOLDED = 0.93  # of the estimate of folded sums must be less than that of the other ways; they are not estimated where
AROUND = 1.2  # times as many pixels as there are are read, or fewer, by whole blocks of rows
ALL_TAPS = 128  # most taps of a kernel of which it packs all, not those of a part: LONGEST in pyx/packing.pxd


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
    tap = np.arange(kernel, dtype=np.intp)
    at = tap * dilation - padding
    start = at % stride
    source = (start - at) // stride
    count = (out - 1 - start) // stride + 1
    reached = (start < out) & (source < size) & (source + count > 0)
    return _phases(start[reached], count[reached], tap[reached], source[reached], 1, stride, out)


@lru_cache(maxsize=512)
def backward_phases(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> Phases:
    """Return the one phase of the gradient with respect to the input."""
    tap = np.arange(kernel, dtype=np.intp)
    source = tap * dilation - padding
    before = np.maximum(-(source // stride), 0)  # the first t that reads at 0 or later
    reached = (before < size) & (source < out - before * stride)
    tap, source = tap[reached], source[reached]
    return _phases(np.zeros_like(tap), np.full_like(tap, size), tap, source, stride, 1, size)


def _all_in_one(phases: Phases) -> Family:
    """Return all phases of an axis as one family. Taps in order read sources from the last to the first."""
    source = np.unique(phases.source)[::-1]
    number = np.arange(len(phases.start))
    tap = np.full((len(number), len(source)), -1)
    tap[np.repeat(number, np.diff(phases.first)), np.searchsorted(-source, -phases.source)] = phases.tap
    return Family(number, source, tap)


def _parts(problem: Problem, axes: list[Phases]) -> list[Part]:
    """Part the phases; together where output channels are so few that products wait for what they read."""
    kernel = [axis[2] for axis in problem.axes]
    parts = [part_of(families, kernel) for families in itertools.product(*map(families, axes))]
    if problem.merged and problem.forward and problem.outputs < 4 and len(parts) > 1:
        merged = part_of(tuple(map(_all_in_one, axes)), kernel)
        if _rate(problem, [merged]) < 0.9 * _rate(problem, parts):
            return [merged]
    return parts


def _rate(problem: Problem, parts: list[Part]) -> float:
    """Estimate the cycles of a vector of pixels: two products in one, and a little more for a load from anywhere."""
    cycles = 0.0
    for part in parts:
        rows = problem.outputs * part.phases
        cycles += part.taps * (rows / 2 + 1.2 * ceil(rows, problem.rows))
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


class Plan(NamedTuple):
    """The passes, and whether they write every output."""

    passes: list[Pass]
    whole: bool


def _reached(problem: Problem, axes: list[Phases], taps: list[int], box: tuple[int, ...]) -> float:
    """Estimate the part of the taps that reach into x from somewhere in a tile."""
    part = 1.0
    for axis, phases, count, size in zip(problem.axes, axes, taps, box[1:], strict=True):
        extent = ceil(axis[0] if problem.forward else axis[1], phases.step)
        part *= min(1.0, (extent + size - 1) / count)
    return part


def _all_reach(problem: Problem, axes: list[Phases], box: tuple[int, ...]) -> bool:
    """Return whether all taps reach into x from somewhere in each of the tiles."""
    for axis, phases, size in zip(problem.axes, axes, box[1:], strict=True):
        domain = int(phases.counts.max())
        last = (ceil(domain, size) - 1) * size
        extent = axis[0] if problem.forward else axis[1]
        if phases.source.max() + phases.step * last >= extent or phases.source.min() + phases.step * (size - 1) < 0:
            return False
    return True


def _cost(
    problem: Problem, products: float, rows: int, layouts: tuple[Layout, ...], box: tuple[int, ...], lanes: int
) -> tuple[float, float]:
    """Estimate the cycles of a tile for an output channel, and those that do not depend on output channels."""
    length = [box[0], *(size + layout.reach for size, layout in zip(box[1:], layouts, strict=True))]
    segments = prod(len(layout.first) for layout in layouts)
    vectors = ceil(lanes, problem.lanes)
    sums = rows * vectors * (2 * (1 + problem.channels / problem.block()) + 2)
    copies = problem.channels * segments * prod(length[:3]) * (10 + length[3] / 4 * (1 if layouts[2].reach else 2))
    # Additions of a vector alone wait for each other, unless rows are many.
    alone = vectors % 2 * max(0.0, 4 / problem.rows - 0.5)
    return problem.channels * products * (vectors / 2 + alone + 0.25) + sums, copies


def _shares(problem: Problem, rows: int, lanes: int, tiles: int, unit: int) -> set[int]:
    """Return some sizes of the shares of output channels, multiples of `unit`, of which the sums fit in scratch."""
    bytes_each = rows * ceil(lanes, problem.lanes) * problem.lanes * problem.itemsize
    fewest = ceil(problem.outputs, max(1, SUMS // bytes_each))
    counts = {fewest, max(fewest, ceil(problem.threads, tiles)), max(fewest, ceil(4 * problem.threads, tiles))}
    most = (max(1, problem.outputs // count) for count in counts)
    return {min(problem.outputs, cut(problem.outputs, size, unit)) for size in most}


class Whole(NamedTuple):
    """What the cost of a tile depends on, of all parts together."""

    products: int  # of a pixel, an output channel and a channel
    rows: int  # of an output channel
    unit: int  # output channels of which rows fill blocks in every part
    few: int  # where tasks find weights: of at most TILES tiles of a group,
    some: int  # and of at most DIRECT
    pieces: Pieces | None  # where vectors run along rows, or None where they may not
    full: bool  # all blocks of rows are


def _whole(problem: Problem, parts: list[Part]) -> Whole:
    absent = any((part.tap < 0).any() for part in parts)
    along = problem.vectors > 0 and not absent and (problem.packed or _in_order(problem, parts))
    return Whole(
        sum(part.taps * part.phases for part in parts),
        sum(part.phases for part in parts),
        lcm(*(problem.rows // gcd(problem.rows, part.phases) for part in parts)),
        *_weights_of(problem, parts, absent),
        _output_pieces(problem, parts) if along else None,
        all(problem.outputs * part.phases % problem.rows == 0 for part in parts),
    )


def _choose(problem: Problem, axes: list[Phases], parts: list[Part]) -> tuple[float, Tile]:
    """Choose the cheapest of some tiles, and whether vectors run along pixels or along rows of the weights.

    Return its estimated cycles as well, of all tasks.
    """
    whole = _whole(problem, parts)
    domain = [problem.batch, *(int(phases.counts.max()) for phases in axes)]
    taps = [int(np.diff(phases.first).max()) for phases in axes]
    best, chosen = float("inf"), None
    for layouts in itertools.product(*map(layouts_of, axes)):
        least = 4 if problem.rows < 8 else 3  # whole groups of the product's vectors
        boxes = {box_of(problem, domain, layouts, n * problem.lanes) for n in (96, 48, 24, 12, 6, least)}
        for box in sorted(boxes):
            reached, tiles = _reached(problem, axes, taps, box), prod(map(ceil, domain, box))
            # Integers, and tiles that some taps do not reach, would take row vectors one by one.
            in_turn = problem.folds and of_row_vectors(problem, box) and _all_reach(problem, axes, box)
            for cost, tile in _tiles(problem, parts, whole, layouts, box, reached, in_turn, tiles):
                cost += _packing(problem, whole, tile.weights, tiles)
                if cost < best:
                    best, chosen = cost, tile
    assert chosen is not None
    return best, chosen


def _packing(problem: Problem, whole: Whole, weights: int, tiles: int) -> float:
    """Estimate the cycles of packing."""
    if problem.packed or weights == IN_PLACE:
        return 0.0
    numbers = problem.groups * problem.channels * problem.outputs * whole.products
    return PACKING * numbers * (THROUGH_MEMORY if weights == PACKED else tiles) / problem.threads


def _time(problem: Problem, tasks: int, task: float) -> float:
    """Estimate the cycles until all threads are done with tasks of a group that take so many each."""
    return problem.rounds(problem.groups * tasks) * (task + 500)


def _tiles(
    problem: Problem,
    parts: list[Part],
    whole: Whole,
    layouts: tuple[Layout, ...],
    box: tuple[int, ...],
    reached: float,
    in_turn: bool,
    tiles: int,
) -> Iterator[tuple[float, Tile]]:
    """Give ways to compute tiles of some sizes, of which a group has so many, with their estimated costs."""
    block, lanes = problem.block(), lanes_of(box, layouts)
    length = [size + more for size, more in zip(box, (0, *(layout.reach for layout in layouts)), strict=True)]
    segments = prod(len(layout.first) for layout in layouts)
    copied = prod(length) * segments * problem.itemsize
    own, shared = _cost(problem, reached * whole.products, whole.rows, layouts, box, lanes)
    shared *= max(1, copied * block / COPIES)
    weights = whole.few if tiles <= TILES else whole.some if tiles <= DIRECT else PACKED
    packed = whole.products * problem.rows * problem.itemsize
    sums = problem.outputs * whole.rows * lanes * problem.itemsize
    chunk = _chunk(problem, copied, packed if weights in (PIECEWISE, TURNED) else 0, segments, sums)
    if chunk * packed > UNPACKED and weights != IN_PLACE:
        weights = PACKED
    row_vectors = weights in (PACKED, PIECEWISE) and prod(box) < lanes and whole.full and in_turn
    if row_vectors:
        own = _cost(problem, reached * whole.products, whole.rows, layouts, box, prod(box))[0]
    for share in sorted(_shares(problem, whole.rows, lanes, problem.groups * tiles, whole.unit)):
        cost = _time(problem, tiles * ceil(problem.outputs, share), own * share + shared)
        if share * whole.rows * lanes * problem.itemsize + copied > 3 * SUMS:  # more than a thread may have
            cost *= 4
        yield cost, Tile(box[0], box[1:], layouts, share, chunk, weights, row_vectors=row_vectors)
    pieces = whole.pieces
    if not pieces or lanes > MOST_PIXELS or not (problem.packed or tiles <= DIRECT):
        return
    chunk = max(block, min(problem.channels, COPIES // copied // block * block))
    if 2 * pieces.size * whole.rows * lanes * problem.itemsize + chunk * copied > 3 * SUMS:
        return
    own, shared = _exchanged_cost(problem, parts, reached, layouts, box, lanes, pieces.size)
    weights = PACKED if problem.packed else IN_PLACE
    for count in (1, problem.threads, 4 * problem.threads):
        share = ceil(pieces.number, count)
        outputs = problem.outputs * share / pieces.number
        tile = Tile(box[0], box[1:], layouts, share, min(problem.channels, chunk), weights, pieces)
        task = own * outputs + shared * (1 if chunk >= problem.channels else share)
        yield _time(problem, tiles * ceil(pieces.number, share), task), tile


def _weights_of(problem: Problem, parts: list[Part], absent: bool) -> tuple[int, int]:
    """Return where tasks find weights, of which some may be `absent`: of a single tile, and of a few."""
    if problem.packed:
        return PACKED, PACKED
    taps = prod(axis[2] for axis in problem.axes)
    alone = not absent and all(part.phases == 1 for part in parts)
    if alone and problem.weight_steps()[1] == taps:  # the channels of an output channel follow each other
        # Rows that are whole KiB apart lie in the same few sets of the first cache.
        return IN_PLACE, PACKED if problem.weight_steps()[2] * problem.itemsize % 1024 == 0 else IN_PLACE
    return TURNED if alone and taps <= ALL_TAPS else PIECEWISE, PACKED


def _in_order(problem: Problem, parts: list[Part]) -> bool:
    """Return whether the rows of a channel follow each other in the weight, in whole vectors."""
    phases = parts[0].phases
    near = len(parts) == 1 and problem.weight_steps()[2] == phases and problem.outputs * phases % problem.lanes == 0
    return near and bool((parts[0].tap == np.arange(phases)[:, None]).all())


def _output_pieces(problem: Problem, parts: list[Part]) -> Pieces:
    """Cut the output channels where vectors run along rows.

    It depends on the weights alone, so that these are packed once.
    """
    unit = lcm(*(problem.lanes // gcd(problem.lanes, part.phases) for part in parts))
    group = unit * problem.vectors
    rows = sum(part.phases for part in parts)
    return even_pieces(problem.outputs, unit, ceil(problem.outputs, group * max(1, PIECE // (group * rows))))


def _exchanged_cost(
    problem: Problem,
    parts: list[Part],
    reached: float,
    layouts: tuple[Layout, ...],
    box: tuple[int, ...],
    lanes: int,
    piece: int,
) -> tuple[float, float]:
    """Estimate as _cost, where vectors run along rows."""
    pixels, blocks = blocks_of(problem, box, lanes)
    chains = ceil(problem.channels, problem.block())
    in_order = len(parts) == 1 and parts[0].phases == prod(axis[1] for axis in problem.axes)
    cycles = 0.0
    for part in parts:
        vectors = ceil(piece * part.phases, problem.lanes)
        products = problem.channels * part.taps * reached * vectors
        cycles += products * (pixels / EXCHANGED + WEIGHTS) + chains * vectors * (pixels + 5 * blocks)
        cycles += vectors * lanes * (1 if in_order else TURNING)
    copies = _cost(problem, 0, 0, layouts, box, lanes)[1]
    return cycles / piece, copies


def _chunk(problem: Problem, copied: int, packed: int, segments: int, sums: int) -> int:
    """Return how many channels are copied, and of so many bytes packed, at once: all, some blocks, or part of one.

    Copies of a few channels stay in the first cache, while the sums of all rows are read from the second for each of
    their chains. Where chains are short, and sums are more than that cache holds, it is the other way round: so many
    channels are copied that a row's sums stay near for all of their chains.
    """
    block = problem.block()
    far = sums > 4 * NEAR and block * segments < LONG
    most = COPIES // 2 if far else NEAR
    if block * (copied + packed) <= most:
        return min(problem.channels, most // (block * (copied + packed)) * block)
    chunk = min(block, problem.channels)
    while chunk > 1 and chunk * copied > COPIES:
        chunk = 2 ** ((chunk - 1).bit_length() - 1)
    return chunk


def _pass(problem: Problem, axes: list[Phases]) -> Pass:
    """Make the tables of a pass."""
    parts = _parts(problem, axes)
    _, tile = _choose(problem, axes, parts)
    rows, weight_at, weights = _weights(problem, tile, parts)
    return Pass(
        *axis_tables(problem, axes, tile),
        ints(rows),
        sources_of(parts),
        ints(np.concatenate([places([f.source for f in part.families], tile) for part in parts])),
        ints(np.concatenate(weight_at)),
        places_of_phases(axes, parts),
        ints(np.concatenate([part.tap.reshape(-1) for part in parts])),
        problem.block(),
        problem.weight_steps()[0] if tile.weights else weights,
        tile.weights,
        len(parts) == 1 and bool((parts[0].tap < 0).any()),
        tile.pieces is not None,
        row_vectors=tile.row_vectors,
    )


def _weights(problem: Problem, tile: Tile, parts: list[Part]) -> tuple[list[tuple[int, ...]], list[np.ndarray], int]:
    """Return the parts' rows of the kernel's table, the taps' places, and how many packed weights a group has.

    They are [part][chunk of channels][block of rows][channel][tap][row], or as in exchanged.pxd.
    """
    rows: list[tuple[int, ...]] = []
    first = first_phase = weights = 0
    height = problem.lanes if tile.pieces else problem.rows
    for part in parts:
        rows.append((part.taps, part.phases, first, first_phase, weights, 0, 0, 0, 1))
        first += part.taps
        first_phase += part.phases
        weights += problem.channels * part.taps * height * ceil(problem.outputs * part.phases, height)
    if tile.weights in (TURNED, IN_PLACE):
        return rows, [part.tap[0] * (height if tile.weights == TURNED else 1) for part in parts], weights
    return rows, [np.arange(part.taps) * (1 if tile.pieces else height) for part in parts], weights


@lru_cache(maxsize=256)
def plan(problem: Problem) -> Plan:
    """Return the plan of a transposed convolution (forward) or of its gradient with respect to the input."""
    axes = [(forward_phases if problem.forward else backward_phases)(*axis) for axis in problem.axes]
    whole = all(axis.whole for axis in axes)
    if not all(len(axis.start) for axis in axes):
        return Plan([], False)
    cut_axes = minimal.choose(problem, axes) if problem.minimal else None
    if folded.possible(problem, axes) and worth_folding(problem, axes, cut_axes):
        return Plan([folded.tables(problem, axes)], whole)
    if cut_axes:
        return Plan([minimal.tables(problem, cut_axes)], whole)
    return Plan([_pass(problem, list(picked)) for picked in _passes(axes)], whole)


def worth_folding(problem: Problem, axes: list[Phases], cut_axes: tuple[minimal.Axis, ...] | None) -> bool:
    """Estimate whether sums for each tap that are folded take less time for an image than the other ways.

    It depends on channels, kernel, stride and plane alone, so that the bits of an image's result do.
    """
    parts = _parts(problem, axes)
    if not cut_axes and folded.around(problem, axes) < AROUND and _least_rows(problem, parts) >= problem.rows:
        return False
    alone = problem._replace(batch=1, threads=1, packed=True)
    return FOLDED * folded.cycles(alone, axes) < _otherwise(alone, axes, parts, cut_axes)


def _least_rows(problem: Problem, parts: list[Part]) -> int:
    return min(problem.outputs * part.phases for part in parts)


def _otherwise(
    problem: Problem, axes: list[Phases], parts: list[Part], cut_axes: tuple[minimal.Axis, ...] | None
) -> float:
    """Estimate the cycles of the other ways."""
    if cut_axes:
        return 1.1 * problem.groups * minimal.cycles(problem, axes, cut_axes) + CALL
    cycles, tile = _choose(problem, axes, parts)
    if tile.pieces is None:
        # Few rows wait for what they read: beside half a cycle for each, a product takes 0.7 for each block.
        rows = sum(part.taps * problem.outputs * part.phases for part in parts)
        blocks = sum(part.taps * ceil(problem.outputs * part.phases, problem.rows) for part in parts)
        cycles *= 1.05 * max(1.0, (rows / 2 + 0.7 * blocks) / (0.65 * rows))
    return cycles + CALL
