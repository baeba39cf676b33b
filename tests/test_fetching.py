"""The gradient of unpooling where windows tile their planes, where some index leaves its window, and where two meet."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from bounds import same_bits

import upsampling as up
from upsampling import reference

# Batch, channels, windows and windows' sizes on each axis: runs of many rows, of one, of less; of more channels than
# a run has items; more rows than are looked at; planes that are not filled by their windows.
SHAPES = [
    (2, 3, (7, 5), (2, 2)),
    (1, 2, (3, 300), (2, 3)),
    (1, 300, (2, 3), (3, 2)),
    (3, 5, (1, 1), (4, 4)),
    (1, 4, (40,), (3,)),
    (1, 1, (700,), (2,)),
    (1, 20, (5, 3, 4), (2, 3, 2)),
    (2, 2, (3, 4, 5), (5, 4, 2)),
    (1, 1, (64, 64), (1, 1)),
    (2, 3, (40, 1, 1), (2, 3, 2)),
    (2, 2, (20, 5, 1), (2, 2, 3)),
    (1, 3, (20, 2, 2), (1, 2, 2)),
    (2, 1, (3, 3), (17, 16)),
]
DTYPES = ("float32", "float64", "float16", "uint8", "complex128")


def indices_in_windows(rng: np.random.Generator, n: int, c: int, count: tuple, size: tuple, more: int) -> tuple:
    """Return an index in each of the windows, and the planes' sizes, `more` than windows take."""
    plane = tuple(a * b + more for a, b in zip(count, size, strict=True))
    at = np.zeros((n, c, *count), np.int64)
    for axis, (windows, width) in enumerate(zip(count, size, strict=True)):
        begin = np.arange(windows).reshape([-1 if i == axis else 1 for i in range(len(count))]) * width
        at = at * plane[axis] + begin + rng.integers(0, width, at.shape)
    return at, plane


def check(at: np.ndarray, plane: tuple, dtype: str, last: bool, rng: np.random.Generator) -> None:
    rank = len(plane)
    grad = rng.integers(1, 100, (*at.shape[:2], *plane)).astype(dtype)
    if last:
        grad, at = (np.moveaxis(np.moveaxis(array, 1, -1).copy(), -1, 1) for array in (grad, at))
    name = f"max_unpool{rank}d_backward"
    same_bits(getattr(up, name)(grad, at), getattr(reference, name)(grad, at))


@pytest.mark.parametrize("last", [False, True], ids=["planar", "channels-last"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_indices_in_their_windows(threads_forced, shape, last):
    rng = np.random.default_rng(3)
    for dtype, more in itertools.product(DTYPES, (0, 1)):
        at, plane = indices_in_windows(rng, *shape, more)
        for threads in (1, 2):
            up.set_num_threads(threads)
            check(at, plane, dtype, last, rng)


@pytest.mark.parametrize("last", [False, True], ids=["planar", "channels-last"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_index_in_the_window_of_another(threads_forced, shape, last):
    """First, last or somewhere: what is fetched before it is found is not what is returned."""
    rng = np.random.default_rng(4)
    at, plane = indices_in_windows(rng, *shape, 0)
    for i in {0, at.size - 1, *rng.integers(0, at.size, 6).tolist()}:
        for wanted in (0, int(np.prod(plane)) - 1, int(rng.integers(0, np.prod(plane)))):
            wrong = at.copy()
            wrong.reshape(-1)[i] = wanted
            for threads in (1, 2):
                up.set_num_threads(threads)
                check(wrong, plane, "float32", last, rng)


@pytest.mark.parametrize("last", [False, True], ids=["planar", "channels-last"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_index_outside(threads_forced, shape, last):
    rng = np.random.default_rng(5)
    at, plane = indices_in_windows(rng, *shape, 0)
    grad = np.ones((*at.shape[:2], *plane), np.float32)
    if last:
        grad, at = (np.moveaxis(np.moveaxis(array, 1, -1).copy(), -1, 1) for array in (grad, at))
    for i, wanted in itertools.product((0, at.size - 1), (-1, int(np.prod(plane)), 2**62, -(2**63))):
        place = np.unravel_index(i, at.shape)
        right, at[place] = at[place], wanted
        for threads in (1, 2):
            up.set_num_threads(threads)
            with pytest.raises(ValueError, match=rf"indices must be from 0 to \d+, got {wanted}"):
                getattr(up, f"max_unpool{len(plane)}d_backward")(grad, at)
        at[place] = right


@pytest.mark.parametrize("size", [(300, 300, 4), (2100, 1100, 2)], ids=str)
def test_planes_beyond_the_caches(size):
    """Items are asked for a run before."""
    rng = np.random.default_rng(6)
    at, plane = indices_in_windows(rng, 1, size[2], (size[0] // 2, size[1] // 2), (2, 2), 0)
    for last, swapped in itertools.product((False, True), (False, True)):
        grad = rng.standard_normal((1, size[2], *plane), dtype=np.float32)
        given = at.copy()
        if swapped:
            given[..., 0, :2] = given[..., 0, 1::-1]
        wanted = np.take_along_axis(grad.reshape(1, size[2], -1), given.reshape(1, size[2], -1), 2).reshape(at.shape)
        if last:
            grad, given = (np.moveaxis(np.moveaxis(array, 1, -1).copy(), -1, 1) for array in (grad, given))
        same_bits(up.max_unpool2d_backward(grad, given), wanted)


def test_a_permutation_of_a_plane():
    """No index is in its window, and none stands twice."""
    rng = np.random.default_rng(9)
    for dtype, last in itertools.product(DTYPES, (False, True)):
        at = np.stack([rng.permutation(64 * 65) for _ in range(3)]).reshape(1, 3, 64, 65)
        check(at, (64, 65), dtype, last, rng)
