"""Calls that are repeated take a shorter way: it must not be seen but in the time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import upsampling as up
from upsampling import _conv_transpose, _repeat

RNG = np.random.default_rng(7)


def _random(*shape: int, dtype: str = "f4") -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def _positions(*shape: int, plane: int) -> np.ndarray:
    return RNG.integers(0, plane, shape)


CALLS: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Any, ...]], dict[str, Any]]] = {
    "conv_transpose1d": (up.conv_transpose1d, lambda: (_random(2, 3, 4), _random(3, 2, 3), _random(2)), {"stride": 2}),
    "conv_transpose2d": (up.conv_transpose2d, lambda: (_random(1, 3, 2, 2), _random(3, 2, 3, 3)), {}),
    "conv_transpose2d-unbatched": (up.conv_transpose2d, lambda: (_random(3, 2, 2), _random(3, 2, 3, 3)), {}),
    "conv_transpose3d": (
        up.conv_transpose3d,
        lambda: (_random(1, 2, 2, 2, 2, dtype="f8"), _random(2, 1, 2, 2, 2, dtype="f8")),
        {"stride": (2, 1, 2), "groups": 2},
    ),
    "backward": (
        up.conv_transpose2d_backward,
        lambda: (_random(1, 2, 4, 4), _random(1, 3, 2, 2), _random(3, 2, 3, 3)),
        {},
    ),
    "backward-weight": (
        up.conv_transpose2d_backward,
        lambda: (_random(1, 2, 66, 66), _random(1, 3, 64, 64), _random(3, 2, 3, 3)),
        {"output_mask": (False, True, False)},
    ),
    "nearest": (up.interpolate, lambda: (_random(1, 1, 4, 4),), {"scale_factor": 2}),
    "nearest-large": (up.interpolate, lambda: (_random(1, 1, 400, 400),), {"scale_factor": 2}),
    "bilinear": (up.interpolate, lambda: (_random(1, 2, 4, 4),), {"size": (8, 7), "mode": "bilinear"}),
    "uint8": (
        up.interpolate,
        lambda: (_positions(1, 2, 9, 9, plane=256).astype("u1"),),
        {"size": 5, "mode": "bicubic"},
    ),
    "float16": (up.interpolate, lambda: (_random(1, 2, 9, dtype="f2"),), {"scale_factor": 1.5, "mode": "linear"}),
    "resize": (up.resize, lambda: (_positions(9, 8, 3, plane=256).astype("u1"), (4, 11)), {}),
    "resize-nearest": (up.resize, lambda: (_random(9, 8), 5), {"mode": "nearest"}),
    "resize-float": (up.resize, lambda: (_random(9, 8, 2), (20, 5)), {"mode": "lanczos"}),
    "resize-signed": (up.resize, lambda: (_positions(9, 8, plane=99).astype("i1"), (4, 11)), {}),
    "max_unpool2d": (up.max_unpool2d, lambda: (_random(1, 2, 2, 2), _positions(1, 2, 2, 2, plane=16), 2), {}),
    "max_unpool1d": (up.max_unpool1d, lambda: (_random(2, 2), _positions(2, 2, plane=4), 2), {"output_size": (4,)}),
    "max_unpool2d_backward": (
        up.max_unpool2d_backward,
        lambda: (_random(1, 2, 4, 4), _positions(1, 2, 2, 2, plane=16)),
        {},
    ),
    "max_pool2d": (up.max_pool2d, lambda: (_random(1, 2, 5, 5), 2), {"return_indices": True}),
    "max_pool2d-maxima": (up.max_pool2d, lambda: (_random(2, 5, 5), 3, 1, 1), {}),
    "max_pool1d-integers": (up.max_pool1d, lambda: (_positions(2, 3, 9, plane=50), 3), {"dilation": 2, "padding": 1}),
    "max_pool2d_backward": (
        up.max_pool2d_backward,
        lambda: (_random(1, 2, 2, 2), _positions(1, 2, 2, 2, plane=16), (4, 4)),
        {},
    ),
    "interpolate_backward": (
        up.interpolate_backward,
        lambda: (_random(1, 2, 8, 8), (4, 4)),
        {"size": 8, "mode": "bilinear"},
    ),
    "bilinear-channels-last": (
        up.interpolate,
        lambda: (np.moveaxis(_random(1, 4, 4, 3), -1, 1),),
        {"scale_factor": 2, "mode": "bilinear"},
    ),
    "max_pool2d-channels-last": (
        up.max_pool2d, lambda: (np.moveaxis(_random(1, 4, 4, 3), -1, 1), 2), {"return_indices": True}
    ),
    "max_unpool2d-channels-last": (
        up.max_unpool2d,
        lambda: (np.moveaxis(_random(1, 2, 2, 3), -1, 1), np.moveaxis(_positions(1, 2, 2, 3, plane=16), -1, 1), 2),
        {},
    ),
    "conv_transpose2d-channels-last": (
        up.conv_transpose2d, lambda: (np.moveaxis(_random(1, 4, 4, 3), -1, 1), _random(3, 2, 3, 3)), {}
    ),
    "max_pool2d-as-if-channels-last": (up.max_pool2d, lambda: (np.moveaxis(_random(3, 5, 4), -1, 1), 2), {}),
}  # fmt: skip


def _slowly(function: Callable[..., Any], arrays: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Make the call in a way that is not remembered: its arrays are of a subclass."""

    class Other(np.ndarray):
        pass

    return function(*(a.view(Other) if isinstance(a, np.ndarray) else a for a in arrays), **options)


def _same(found: Any, expected: Any) -> None:
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            _same(a, b)
    elif expected is None:
        assert found is None
    else:
        assert type(found) is np.ndarray
        assert (found.dtype, found.shape, found.strides) == (expected.dtype, expected.shape, expected.strides)
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", CALLS)
def test_new_numbers_at_every_call(name: str) -> None:
    function, make, options = CALLS[name]
    kept = []
    for _ in range(4):
        arrays = make()
        expected = _slowly(function, arrays, options)
        _same(function(*arrays, **options), expected)
        kept.append((function(*arrays, **options), expected))
    for found, expected in kept:  # later calls have not written to results of earlier ones
        _same(found, expected)


@pytest.mark.parametrize("name", CALLS)
def test_layouts_that_are_not_read_in_place(name: str) -> None:
    function, make, options = CALLS[name]
    for _ in range(3):
        arrays = make()
        expected = function(*arrays, **options)
        for change in (
            lambda a: np.repeat(a, 2, -1)[..., ::2],
            lambda a: a.astype(a.dtype.newbyteorder()),
            np.asfortranarray,
            lambda a: np.frombuffer(b"\0" + a.tobytes(), "u1")[1:].view(a.dtype).reshape(a.shape),
        ):
            changed = tuple(change(a) if isinstance(a, np.ndarray) else a for a in arrays)
            found = function(*changed, **options)
            for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True):
                assert (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize("name", CALLS)
def test_several_callers(name: str) -> None:
    function, make, options = CALLS[name]
    sets = [make() for _ in range(8)]
    expected = [_slowly(function, arrays, options) for arrays in sets]

    def work(n: int) -> None:
        for _ in range(30):
            _same(function(*sets[n], **options), expected[n])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_true_is_not_one() -> None:
    x, w = _random(1, 1, 2, 2), _random(1, 1, 2, 2)
    for _ in range(3):
        up.conv_transpose2d(x, w, None, 1, 0, 0, 1, 1)
        up.conv_transpose2d(x, w, None, (1, 1), 0, 0, 1, 1)
    for wrong in (True, 1.0, (1, True), (1.0, 1), "1", np.True_):
        with pytest.raises((TypeError, ValueError)):
            up.conv_transpose2d(x, w, None, wrong)
        with pytest.raises((TypeError, ValueError)):
            up.conv_transpose2d(x, w, None, 1, 0, 0, wrong)
    for _ in range(3):
        assert up.interpolate(x, size=2).shape == (1, 1, 2, 2)
        assert up.interpolate(x, scale_factor=2).shape == up.interpolate(x, scale_factor=2.0).shape == (1, 1, 4, 4)
    with pytest.raises(TypeError):
        up.interpolate(x, size=2.0)
    with pytest.raises(TypeError):
        up.interpolate(x, size=True)
    for _ in range(2):
        assert up.interpolate(x, size=3, antialias=False).shape == (1, 1, 3, 3)
    with pytest.raises(TypeError):
        up.interpolate(x, size=3, antialias=0)


def test_numpy_integers_and_other_objects() -> None:
    x, w = _random(1, 1, 2, 2), _random(1, 1, 2, 2)
    expected = up.conv_transpose2d(x, w, stride=2)
    for _ in range(2):
        assert np.array_equal(up.conv_transpose2d(x, w, stride=np.int8(2)), expected)
        assert np.array_equal(up.conv_transpose2d(x, w, stride=np.array([2, 2])), expected)
        assert np.array_equal(up.conv_transpose2d(x.tolist(), w.astype("f8"), stride=[2, 2]).astype("f4"), expected)


def test_a_mode_of_the_same_letters() -> None:
    x = _random(1, 1, 4, 4)
    expected = up.interpolate(x, size=9, mode="bilinear")
    for _ in range(100):
        assert np.array_equal(up.interpolate(x, size=9, mode="".join(["bi", "linear"])), expected)
        with pytest.raises(ValueError, match="mode"):
            up.interpolate(x, size=9, mode="".join(["bi", "linea"]))


def test_indices_are_checked_every_time() -> None:
    x, good = _random(1, 1, 2, 2), np.array([[[[0, 3], [9, 15]]]])
    for _ in range(3):
        up.max_unpool2d(x, good, 2)
        up.max_unpool2d_backward(_random(1, 1, 4, 4), good)
        up.max_pool2d_backward(x, good, (4, 4))
    for wrong in (-1, 16, 2**62, -(2**63)):
        bad = good.copy()
        bad[0, 0, 1, 0] = wrong
        with pytest.raises(ValueError, match=r"indices must be from 0 to 15, got .* at \(0, 0, 1, 0\)"):
            up.max_unpool2d(x, bad, 2)
        with pytest.raises(ValueError, match=r"indices must be from 0 to 15, got .* at \(0, 0, 1, 0\)"):
            up.max_unpool2d_backward(_random(1, 1, 4, 4), bad)
        with pytest.raises(ValueError, match=r"indices must be from 0 to 15, got .* at \(0, 0, 1, 0\)"):
            up.max_pool2d_backward(x, bad, (4, 4))
    huge = good.astype("u8")
    huge[0, 0, 0, 0] = 2**64 - 1
    with pytest.raises(ValueError, match="indices must be from 0 to 15"):
        up.max_unpool2d(x, huge, 2)


def test_one_array_twice() -> None:
    for _ in range(3):
        x = _random(2, 2, 2, 2)
        _same(up.conv_transpose2d(x, x), _slowly(up.conv_transpose2d, (x, x.copy()), {}))
        y = _random(2, 2, 2, 2)
        _same(up.conv_transpose2d(x, y), _slowly(up.conv_transpose2d, (x, y), {}))


def test_dtypes_of_equal_sizes_are_told_apart() -> None:
    for _ in range(2):
        for dtype in ("f4", "i4", "u4", "f8", "i8", "q", "l", "M8[s]", "m8[us]", "c8", "u1,u1,u2"):
            x = np.arange(16, dtype="i8").astype("u1").repeat(np.dtype(dtype).itemsize).view(dtype)
            result = up.interpolate(x.reshape(1, 1, 4, 4), size=8)
            assert result.dtype == np.dtype(dtype)
            assert result[0, 0, ::2, ::2].tobytes() == x.tobytes()


def test_more_calls_than_are_remembered() -> None:
    weight = _random(1, 1, 3)
    for _ in range(2):
        for size in range(1, 700):
            assert up.conv_transpose1d(np.ones((1, 1, size), "f4"), weight).shape == (1, 1, size + 2)


def test_threads_are_asked_for_again() -> None:
    x = _random(1, 1, 300, 300)
    expected = up.interpolate(x, scale_factor=2)
    for n in (1, 2, 3, 1):
        with up.num_threads(n):
            assert np.array_equal(up.interpolate(x, scale_factor=2), expected)


@pytest.mark.usefixtures("threads_forced")
def test_plans_are_for_the_threads_of_the_call() -> None:
    """A call that is remembered has the tiles of its number of threads: with another number it is planned anew."""
    x, weight = _random(1, 64, 30, 30), _random(64, 8, 4, 4)
    expected = up.conv_transpose2d(x, weight, stride=2)
    plans = []
    for n in (1, 1, 3, 3, 1):
        with up.num_threads(n):
            assert np.array_equal(up.conv_transpose2d(x, weight, stride=2), expected)
        known = _conv_transpose._passes.cache_info()
        plans.append(known.hits + known.misses)
    assert plans[0] == plans[1] < plans[2] == plans[3] == plans[4]


@pytest.mark.usefixtures("threads_forced")
@pytest.mark.parametrize(
    "function, shape, options",
    [
        (up.interpolate, (1, 1, 20, 20), {"scale_factor": 2, "mode": "bilinear"}),
        (up.interpolate, (1, 1, 20, 20), {"scale_factor": 2}),
        (up.resize, (20, 20), {"scale": 2}),
        (up.max_pool2d, (1, 1, 20, 20), {"kernel_size": 2}),
    ],
)
def test_calls_of_more_threads_than_tasks_are_remembered(monkeypatch, function, shape, options) -> None:
    x = _random(*shape)
    seen = []
    remember = _repeat.remember
    monkeypatch.setattr(_repeat, "remember", lambda *call, **others: seen.append(remember(*call, **others)))
    for n in (32, 32, 8, 32, 8):
        with up.num_threads(n):
            function(x, **options)
    assert len(seen) == 2


def test_small_problems_have_the_bits_of_large_ones() -> None:
    """The formula and a plan add in one order."""
    for n in range(60):
        channels, outputs = (int(RNG.integers(1, 40)) for _ in range(2))
        rank = int(RNG.integers(1, 4))
        kernel, size = ([int(k) for k in RNG.integers(1, 4, rank)] for _ in range(2))
        options = {"stride": int(RNG.integers(1, 4)), "dilation": int(RNG.integers(1, 3))}
        dtype = "f4" if n % 2 else "f8"
        x, w = _random(64, channels, *size, dtype=dtype), _random(channels, outputs, *kernel, dtype=dtype)
        b = _random(outputs, dtype=dtype)
        forward, backward = (getattr(up, f"conv_transpose{rank}d{what}") for what in ("", "_backward"))
        y = forward(x, w, b, **options)
        g = _random(*y.shape, dtype=dtype)
        mask = (True, False, False)
        dx = backward(g, x, w, **options, output_mask=mask)[0]
        for i in (0, 63):
            _same(forward(x[i : i + 1], w, b, **options), y[i : i + 1])
            _same(backward(g[i : i + 1], x[i : i + 1], w, **options, output_mask=mask)[0], dx[i : i + 1])
