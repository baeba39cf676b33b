"""The tables that the kernel of transposed convolution reads, and what plans make of an axis; see _plan_conv.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import gcd, prod
from typing import NamedTuple

import numpy as np

Size = tuple[int, int, int, int, int, int]  # size, out, kernel, stride, padding, dilation of an axis

Heads = tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]
COPIES = 2**19  # bytes of a task's copies of x
MOST_PHASES = 1024  # of all axes in one pass of the kernel, as in pyx/tiles.pxd
CALL = 6000  # cycles that a call takes besides, where ways are compared that have other orders of additions
UNEQUAL = 0.1  # of a task that threads wait for the last: other processes slow one more than another
# Products up to which the formula itself is computed (pyx/plain.pyx): some 7 us, where finding a plan and packing take
# 25 (8 channels to 8, 4x4, k3). From 2**15 on a plan is the faster way.
PRODUCTS = 2**13
MOST_PIXELS = 256  # of a tile in which vectors run along rows of the weights,
WEIGHTS = 3.0  # cycles for a vector of weights that is read then,
TURNING = 20.0  # and for a vector of sums of a pixel that is turned
TILES = 1  # most tiles of a group that pack the weights themselves
PACKED, PIECEWISE, TURNED, IN_PLACE = range(4)  # where tasks find weights: see pyx/tiles.pxd


# By how much the variance of rounding errors may exceed the least that chains of equal length can have and, of results,
# that of sums over all channels first, then over the taps. The second is what PyTorch mostly does with strides, the
# first what it comes near to where groups or planes are small. With stride 1 it is more exact, most where channels are
# many; for an input's gradient it has one chain for all channels and taps.
LEAST = 2.2
LEAST_OF_STRIDE_1 = 1.75
LEAST_OF_MANY = 1.1
MANY = 64  # channels on one axis,
MANY_PRODUCTS = 4096  # or products of an output on several
VARIANCE = 1.05
FEW_PRODUCTS = 64  # of an input's gradient that are one chain, as PyTorch's are for
MANY_TAPS = 9  # taps and more: for fewer it has chains of 16 or less on AVX-512
TOGETHER = 128  # channels that a product of matrices may sum apart from others


def _taps_of(axis: Size, forward: bool) -> dict[int, int]:
    """Return how many phases of an axis have how many taps: {taps: phases}."""
    size, _, kernel, stride, _, dilation = axis
    if size == 1 or not forward:
        return {1 if forward else kernel: 1}
    phases = stride // gcd(stride, dilation)  # that some tap of an endless kernel reaches
    fewer, more = divmod(kernel, phases)
    return {taps: count for taps, count in ((fewer, phases - more), (fewer + 1, more)) if taps * count}


def _roundings(chain: float, chains: int) -> float:
    """Return the variance of a sum of equal chains of products, each rounded at the size that the sum has then."""
    return chains * chain * (chain + 1) / 2 + _later(chain, chains)


def _later(size: float, sums: float) -> float:
    """Return the variance that comes from adding sums of so many products each, of which the first meets none."""
    return size * (sums * (sums + 1) / 2 - 1)


def _least(channels: int, axes: tuple[Size, ...], forward: bool) -> float:
    """Return by how much the variance may exceed the least."""
    longer = [axis for axis in axes if axis[0] > 1 and axis[2] > 1]
    if not forward or not longer or any(axis[5] % axis[3] for axis in longer):  # a stride divides its dilation: as if 1
        return LEAST
    many = channels > MANY if len(longer) == 1 else channels * prod(axis[2] for axis in longer) > MANY_PRODUCTS
    return LEAST_OF_MANY if many else LEAST_OF_STRIDE_1


@lru_cache(maxsize=512)
def block_of(channels: int, axes: tuple[Size, ...], forward: bool, folded: bool = False) -> int:
    """Return how many channels one chain of additions takes: fewer, the more taps an output has.

    A short chain is more exact, a long one waits less often for sums to be put in memory and read again. Where sums are
    `folded` a chain is of one tap.
    """
    phases = [
        (prod(taps), prod(counts))
        for taps, counts in (zip(*each, strict=True) for each in product(*(_taps_of(a, forward).items() for a in axes)))
    ]
    block = best = 64 if folded or max(phases)[0] <= 3 else 32
    if not forward and channels * max(phases)[0] <= FEW_PRODUCTS and max(phases)[0] >= MANY_TAPS:
        return block
    limit = _least(channels, axes, forward) * sum(count * (channels * taps) ** 1.5 for taps, count in phases)
    if forward:
        pieces = ceil(channels, TOGETHER)
        first = sum(count * _roundings(channels / pieces, taps * pieces) for taps, count in phases)
        limit = min(limit, VARIANCE * first)
    least = float("inf")
    while block:
        chains = ceil(channels, block)  # as if all were as long as the mean
        if folded:
            of_tap = _roundings(channels / chains, chains)
            variance = sum(count * (taps * of_tap + _later(channels, taps)) for taps, count in phases)
        else:
            variance = sum(count * _roundings(channels * taps / chains, chains) for taps, count in phases)
        if variance <= limit:
            return block
        if variance < least:
            best, least = block, variance
        block //= 2
    return best


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
    minimal: bool  # minimal filtering may be taken
    vectors: int = 0  # of a group of rows, where vectors may run along rows
    packed: bool = False  # weights are packed once for many calls
    pixels: int = 0  # of a block, where vectors run along rows
    folds: bool = False  # sums for each tap may be folded

    def block(self) -> int:
        """Return the channels of a chain of additions."""
        return block_of(self.channels, self.axes, self.forward)

    def wide(self) -> bool:
        """Return whether vectors have 64 bytes, by which constants of cost models differ."""
        return self.lanes * self.itemsize == 64

    def rounds(self, tasks: int) -> float:
        """Return how many tasks one takes after another until all of so many are done."""
        return ceil(tasks, self.threads) + (UNEQUAL if self.threads > 1 else 0)

    def weight_steps(self) -> tuple[int, int, int]:
        """Return the distances of groups, channels and outputs in the weight."""
        taps = prod(axis[2] for axis in self.axes)
        inner = (self.outputs if self.forward else self.channels) * taps
        return (self.channels * self.outputs * taps, *((inner, taps) if self.forward else (taps, inner)))


def ceil(size: int, piece: int) -> int:
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


class Family(NamedTuple):
    """Phases of an axis that are computed together."""

    number: np.ndarray  # of each phase
    source: np.ndarray  # what their taps read
    tap: np.ndarray  # [phase, source]: -1 where a phase has no tap that reads the source


@lru_cache(maxsize=512)
def families(phases: Phases) -> tuple[Family, ...]:
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


class Part(NamedTuple):
    """Phases of all axes that are computed together, and their taps."""

    families: tuple[Family, ...]
    phases: int
    taps: int
    tap: np.ndarray  # [phase, tap]: its number in the kernel, or -1


def part_of(families: tuple[Family, ...], kernel: Sequence[int]) -> Part:
    """Combine families of three axes."""
    d, h, w = (family.tap for family in families)
    d, h, w = d[:, None, None, :, None, None], h[None, :, None, None, :, None], w[None, None, :, None, None, :]
    tap = np.where((d < 0) | (h < 0) | (w < 0), -1, (d * kernel[1] + h) * kernel[2] + w)
    phases, taps = prod(tap.shape[:3]), prod(tap.shape[3:])
    return Part(families, phases, taps, tap.reshape(phases, taps))


def sources_of(parts: Sequence[Part]) -> np.ndarray:
    """Return what the taps of all parts read, on each axis."""
    sources = [np.stack(np.meshgrid(*(f.source for f in part.families), indexing="ij"), axis=-1) for part in parts]
    return ints(np.concatenate([source.reshape(-1, 3) for source in sources]))


def places_of_phases(axes: Sequence[Phases], parts: Sequence[Part]) -> np.ndarray:
    """Return for each phase of all axes its part and its number there."""
    where = np.empty([*(len(axis.start) for axis in axes), 2], np.intp)
    for i, part in enumerate(parts):
        where[np.ix_(*(family.number for family in part.families))] = np.stack(
            (np.full(part.phases, i), np.arange(part.phases)), axis=1
        ).reshape(*(len(family.number) for family in part.families), 2)
    return ints(where.reshape(-1, 2))


class Layout(NamedTuple):
    """The segments in which the sources of an axis are copied: source k of the axis lies at `at[k]` of `segment[k]`."""

    first: np.ndarray  # the first source of each segment
    reach: int
    source: np.ndarray
    segment: np.ndarray
    at: np.ndarray


@lru_cache(maxsize=512)
def layouts_of(phases: Phases) -> tuple[Layout, ...]:
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


class Pieces(NamedTuple):
    """How output channels are cut into about equal pieces, of which the sums are in scratch at once."""

    size: int  # output channels of the largest,
    number: int
    unit: int  # and of those of which the rows fill vectors, which are not cut


def even_pieces(outputs: int, unit: int, count: int) -> Pieces:
    """Cut output channels into `count` pieces of whole units, or one more: threads are mostly even as well."""
    units = ceil(outputs, unit)
    count = min(units, count + (count % 2 if count > 1 else 0))
    return Pieces(min(outputs, ceil(units, count) * unit), count, unit)


class Tile(NamedTuple):
    """How the outputs of a pass are cut into tasks."""

    images: int
    size: tuple[int, ...]
    layouts: tuple[Layout, ...]
    share: int  # output channels of a task, or pieces of these
    chunk: int  # channels copied at once
    weights: int = PACKED  # where tasks find them
    pieces: Pieces | None = None  # where vectors run along rows, not along pixels
    row_vectors: bool = False  # each vector of pixels is of one row

    def segment(self) -> int:
        """Return the size of a segment of all axes."""
        return self.images * prod(size + layout.reach for size, layout in zip(self.size, self.layouts, strict=True))


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
    block: int  # channels of a chain
    group_weights: int  # numbers from group to group, packed or as they are given
    weights: int = PACKED  # where tasks find weights
    merged: bool = False  # some weights are zeros that are not there: all numbers must be finite
    exchanged: bool = False  # vectors run along rows of the weights
    outs: np.ndarray = np.ones(3, np.intp)  # outputs of a lane on each axis
    minimal: bool = False  # by minimal filtering
    folded: bool = False  # by sums for each tap
    row_vectors: bool = False  # each vector of pixels is of one row of a tile: none of what lies between rows

    def signature(self) -> bytes:
        """Return what the order of packed weights depends on, besides their shape."""
        cut = self.tile[5:] if self.exchanged else self.tile[2:3]
        tables = b"".join(table.tobytes() for table in (self.parts, self.tap, self.outs, cut))
        return tables + bytes([self.exchanged, self.weights])


def cut(size: int, most: int, unit: int = 1) -> int:
    """Return the size of equal pieces of at most `most`, rounded up to a unit."""
    return ceil(ceil(size, ceil(size, most)), unit) * unit


def box_of(problem: Problem, domain: Sequence[int], layouts: Sequence[Layout], lanes: int) -> tuple[int, ...]:
    """Return the sizes on (images, D, H, W) of a tile of about so many lanes."""
    reach = [0, *(layout.reach for layout in layouts)]
    sizes = [1, 1, 1, 1]
    used = 1  # lanes from the start of one row (plane, image) to the start of the next
    total = 1
    for axis in (3, 2, 1, 0):
        extent = domain[axis]
        fitting = max(1, (lanes - total) // used + 1)
        sizes[axis] = extent if fitting >= extent else cut(extent, fitting, problem.lanes if axis == 3 else 1)
        sizes[axis] = min(sizes[axis], extent)
        total += (sizes[axis] - 1) * used
        used *= sizes[axis] + reach[axis]
        if sizes[axis] < extent:
            break
    return tuple(sizes)


def lanes_of(box: Sequence[int], layouts: Sequence[Layout]) -> int:
    """Return the lanes of a tile of these sizes."""
    lanes = 0
    for size, reach in zip(box, (0, *(layout.reach for layout in layouts)), strict=True):
        lanes = lanes * (size + reach) + size - 1
    return lanes + 1


def of_row_vectors(problem: Problem, box: Sequence[int]) -> bool:
    """Return whether each vector of a tile's lanes may be of one row."""
    return box[3] % problem.lanes == 0


def blocks_of(problem: Problem, box: Sequence[int], lanes: int) -> tuple[int, int]:
    """Return the pixels of a tile that are computed where vectors run along rows of the weights, and their blocks."""
    rows, pixels = (1, lanes) if 2 * box[3] < problem.pixels else (prod(box[:3]), box[3])
    return rows * pixels, rows * ceil(pixels, problem.pixels)


def ints(values: object) -> np.ndarray:
    return np.ascontiguousarray(values, np.intp)


def places(reads: Sequence[np.ndarray], tile: Tile) -> np.ndarray:
    """Return where all combinations of what is read on three axes begin in scratch."""
    number, at, length = [], [], []
    for layout, source, size in zip(tile.layouts, reads, tile.size, strict=True):
        place = np.searchsorted(layout.source, source)
        number.append(layout.segment[place])
        at.append(layout.at[place])
        length.append(size + layout.reach)
    return outer(number, [len(layout.first) for layout in tile.layouts]) * tile.segment() + outer(at, length)


def outer(numbers: list[np.ndarray], sizes: list[int]) -> np.ndarray:
    """Return the places of all combinations of three indices in an array of these sizes, in order."""
    d, h, w = np.ix_(*numbers)
    return ((d * sizes[1] + h) * sizes[2] + w).reshape(-1)


def axis_tables(problem: Problem, axes: Sequence[Phases], tile: Tile) -> Heads:
    """Return the first tables of a pass: of the tile, the axes, their segments and phases."""
    sizes = [
        (axis[0] if problem.forward else axis[1], p.step, p.out_step, int(p.counts.max()), n, layout.reach)
        for axis, p, n, layout in zip(problem.axes, axes, tile.size, tile.layouts, strict=True)
    ]
    segment = tile.segment()
    pitch = prod(len(layout.first) for layout in tile.layouts) * segment
    if not tile.pieces:
        pitch = ceil(pitch, problem.lanes) * problem.lanes  # a tap that reads from the start of a row reads whole lines
    if pitch * problem.itemsize % 512 == 0:
        pitch += problem.lanes  # the same pixels of all channels would lie in a few sets of the first cache
    return (
        ints((tile.images, tile.share, tile.chunk, segment, pitch, *(tile.pieces or (tile.share, 1, 1)))),
        ints(sizes),
        tuple(ints(layout.first) for layout in tile.layouts),
        tuple(ints(np.stack((axis.start, axis.counts), axis=1)) for axis in axes),
    )
