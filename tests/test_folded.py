"""Transposed convolution by sums for each tap, folded into outputs: forced wherever it can compute the result."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from forgetting import forget_plans

import upsampling as up
from upsampling import _conv_plain, _plan_conv, _plan_folded, reference
from upsampling._plan_tables import Problem

OPTIONS = [
    # kernel, options
    (2, {}),
    (3, {"padding": 1}),
    (3, {"stride": 2, "padding": 1, "output_padding": 1}),
    (4, {"stride": 2, "padding": 1}),
    (4, {}),
    (3, {"dilation": 2, "padding": 1}),
    (3, {"stride": 2, "dilation": 3}),
    (5, {"stride": 3, "groups": 2}),
    (3, {"padding": 1, "groups": 4}),
    (6, {"stride": 4}),
]
# channels, output channels, input: chains and rows of a block, vectors and rows of a plane that are cut in odd places
SHAPES = [(8, 4, (3, 4, 9)), (148, 12, (2, 5, 17)), (20, 36, (1, 3, 2)), (12, 4, (5, 40, 70))]


@pytest.fixture
def forced(monkeypatch):
    """Sums for each tap wherever they can be folded; gives the plans that were made."""
    monkeypatch.setattr(_plan_conv, "worth_folding", lambda *_: True)
    for module in (_conv_plain, _plan_folded):
        monkeypatch.setattr(module, "PRODUCTS", 0)
    made = []
    tables = _plan_folded.tables
    monkeypatch.setattr(_plan_folded, "tables", lambda *given: made.append(given) or tables(*given))
    forget_plans()
    yield made
    forget_plans()


def arrays(rank: int, kernel: int, options: dict, shape: tuple, dtype: Any, batch: int = 2) -> tuple:
    rng = np.random.default_rng(3)
    channels, outputs, size = shape
    groups = options.get("groups", 1)
    x = rng.standard_normal((batch, channels, *size[-rank:])).astype(dtype)
    w = rng.standard_normal((channels, outputs // groups, *(kernel,) * rank)).astype(dtype)
    return x, w, rng.standard_normal(outputs).astype(dtype)


def close(got: np.ndarray, wanted: np.ndarray) -> None:
    assert np.abs(got - wanted).max() < 30 * np.finfo(got.dtype).eps * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kernel, options", OPTIONS)
def test_against_the_reference(forced, rank, kernel, options):
    name = f"conv_transpose{rank}d"
    for shape, dtype in itertools.product(SHAPES[: 3 if rank == 3 else 4], (np.float32, np.float64)):
        x, w, bias = arrays(rank, kernel, options, shape, dtype)
        wanted = getattr(reference, name)(x, w, bias, **options, dtype=np.float64)
        forced.clear()
        close(getattr(up, name)(x, w, bias, **options), wanted)
        assert forced
        if options.get("stride", 1) == 1:
            g = np.random.default_rng(1).standard_normal(wanted.shape).astype(dtype)
            given = {**options, "output_mask": (True, False, False)}
            forced.clear()
            got = getattr(up, f"{name}_backward")(g, x, w, **given)[0]
            close(got, getattr(reference, f"{name}_backward")(g, x, w, **given, dtype=np.float64)[0])
            assert forced


def boxes(monkeypatch, size: tuple[int, ...], images: int, scratch: int) -> None:
    """Cut outputs into tiles of a size, with so much memory for each."""
    monkeypatch.setattr(
        _plan_folded,
        "_boxes",
        lambda problem, domain: [tuple(map(min, (images, *size), domain))],
    )
    monkeypatch.setattr(_plan_folded, "SCRATCH", scratch)
    monkeypatch.setattr(_plan_folded, "COPIES", 1)
    forget_plans()


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "rank, kernel, options", [(1, *OPTIONS[3]), (2, *OPTIONS[2]), (2, *OPTIONS[5]), (3, *OPTIONS[7])]
)
def test_the_same_bits_however_it_is_cut(forced, monkeypatch, rank, kernel, options, last):
    """By tiles, images, output channels, chunks of channels and threads; in both layouts."""
    name, before = f"conv_transpose{rank}d", up.get_num_threads()
    for shape in SHAPES[:2]:
        x, w, bias = arrays(rank, kernel, options, shape, np.float32, batch=5)
        forced.clear()
        wanted = getattr(up, name)(x, w, bias, **options)
        assert forced
        if last:
            x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        alone = getattr(up, name)(x[2:3], w, bias, **options)
        np.testing.assert_array_equal(alone, wanted[2:3])
        for size, images, scratch, threads in (
            ((1, 1, 1), 1, 1, 1),
            ((2, 2, 5), 1, 2**30, 3),
            ((9, 3, 16), 1, 2**14, 2),
            ((9, 99, 99), 2, 2**30, 1),
        ):
            with monkeypatch.context() as changed:
                boxes(changed, size, images, scratch)
                up.set_num_threads(threads)
                try:
                    got = getattr(up, name)(x, w, bias, **options)
                finally:
                    up.set_num_threads(before)
            assert len(forced) > 1
            np.testing.assert_array_equal(got, wanted)
        forget_plans()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kernel, options", [OPTIONS[1], OPTIONS[3], OPTIONS[5]])
def test_what_is_not_finite_stays_where_it_belongs(forced, kernel, options, value):
    """In the input, in the weight and in the bias: products with what lies outside are none."""
    for place in range(3):
        given = arrays(2, kernel, options, SHAPES[0], np.float32)
        given[place].reshape(-1)[given[place].size // 2] = value
        got = up.conv_transpose2d(*given, **options)
        wanted = reference.conv_transpose2d(*given, **options, dtype=np.float64)
        assert forced
        assert not np.isfinite(wanted).all()
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(wanted))
        np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
        close(got[np.isfinite(got)], wanted[np.isfinite(got)])


def test_a_layer_has_the_bits_of_the_function(forced):
    layer = up.nn.ConvTranspose2d(40, 3, 4, stride=2, padding=1)
    x = np.random.default_rng(0).standard_normal((3, 40, 9, 11)).astype(np.float32)
    wanted = up.conv_transpose2d(x, layer.weight.copy(), layer.bias, stride=2, padding=1)
    assert forced
    np.testing.assert_array_equal(layer(x), wanted)
    np.testing.assert_array_equal(layer(x), wanted)


def test_a_layer_that_folds_some_sizes_alone(monkeypatch):
    """What is packed for others is not taken for them."""
    monkeypatch.setattr(_plan_conv, "worth_folding", lambda problem, *_: problem.axes[2][0] < 10)
    forget_plans()
    layer = up.nn.ConvTranspose2d(40, 36, 4, rng=0)
    for size in (5, 30, 5, 30):
        x = np.ones((1, 40, size, size), np.float32)
        np.testing.assert_array_equal(layer(x), up.conv_transpose2d(x, layer.weight.copy(), layer.bias))
    forget_plans()


@pytest.fixture
def taken(monkeypatch):
    """The problems that are folded, as they are chosen."""
    found = []
    tables = _plan_folded.tables
    monkeypatch.setattr(_plan_folded, "tables", lambda problem, axes: found.append(problem) or tables(problem, axes))
    forget_plans()
    yield found
    forget_plans()


@pytest.mark.parametrize("shape, weight_shape, stride", [
    ((1, 4, 40), (4, 1, 40000), 20000),
    ((1, 64, 3, 60), (64, 2, 96, 99), (48, 33)),
    ((1, 64, 8, 2), (64, 1, 96, 144), (48, 48)),
    ((1, 8, 1, 4, 3), (8, 1, 400, 8, 4), (1, 2, 2)),
])  # fmt: skip
def test_more_phases_than_a_pass_has(shape, weight_shape, stride):
    x, w = (np.random.default_rng(0).standard_normal(s).astype(np.float32) for s in (shape, weight_shape))
    name = f"conv_transpose{len(shape) - 2}d"
    close(getattr(up, name)(x, w, stride=stride), getattr(reference, name)(x, w, stride=stride, dtype=np.float64))


@pytest.mark.parametrize("shape, weight_shape, stride", [
    ((2, 32, 48), (32, 2, 5), 2), ((2, 64, 5), (64, 3, 9), 2), ((2, 256, 8), (256, 3, 9), 2),
    ((2, 256, 16, 8), (256, 8, 6, 9), 4), ((2, 128, 20, 20), (128, 1, 4, 4), 2),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_images_keep_their_bits(shape, weight_shape, stride, dtype):
    """Beside one with NaN, whatever way is taken; a layer with NaN in its weight has the bits of the function."""
    x, w = (np.random.default_rng(0).standard_normal(s).astype(dtype) for s in (shape, weight_shape))
    rank = len(shape) - 2
    forward = getattr(up, f"conv_transpose{rank}d")
    alone = forward(x[:1], w, stride=stride)
    x[1, 3] = np.nan
    np.testing.assert_array_equal(forward(x, w, stride=stride)[:1], alone)
    layer = getattr(up.nn, f"ConvTranspose{rank}d")(
        *weight_shape[:2], weight_shape[2:], stride, bias=False, dtype=dtype
    )
    w.reshape(-1)[5] = np.nan
    layer.weight = w
    np.testing.assert_array_equal(layer(x[:1]), forward(x[:1], w.copy(), stride=stride))


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("batch", [1, 2, 9])
@pytest.mark.parametrize("itemsize", [4, 8])
def test_a_task_has_little_scratch(itemsize, batch, threads):
    """Whatever the sizes are, where folding is chosen: at most 2 MiB with all that the kernel adds."""
    folded = 0
    for channels, outputs, *sizes in (
        (106, 1, (280719, 202, 1)),
        (32, 1, (64, 5, 1), (64, 5, 1), (64, 5, 1)),
        (8, 1, (32, 5, 1), (128, 5, 1), (128, 5, 1)),
        (64, 1, (224, 11, 1), (224, 11, 1)),
        (64, 1, (9, 7, 1), (111, 7, 2), (26, 7, 8)),
        (64, 40, (7, 22, 8), (45, 30, 3)),
        (4000, 3000, (5, 4, 1), (5, 4, 1)),
        (64, 1, (200, 4, 2), (200, 4, 2)),
    ):
        axes = [(size, (size - 1) * stride + kernel, kernel, stride, 0, 1) for size, kernel, stride in sizes]
        every = (*[(1, 1, 1, 1, 0, 1)] * (3 - len(axes)), *axes)
        lanes = 64 // itemsize
        problem = Problem(
            every, True, batch, 1, channels, outputs, threads, lanes, 8, itemsize, True, True, 3, True, 8, True
        )
        for one in _plan_conv.plan(problem).passes:
            if one.folded:
                folded += 1
                made = _plan_folded._tile(problem, phases := [_plan_conv.forward_phases(*axis) for axis in every],
                                          _plan_folded._parts(problem, phases))  # fmt: skip
                assert made.room <= _plan_folded.SCRATCH
    assert folded


def test_where_it_is_taken(taken):
    """For few output channels, and where a kernel reaches far beyond a small plane; not for many, on a large one."""
    for channels, outputs, size, options, wanted in (
        (128, 1, 60, {}, True),
        (128, 128, 60, {}, False),
        (512, 6, 4, {}, True),
        (128, 1, 60, {"stride": 4}, False),  # a tap for each output: there is nothing to fold
    ):
        x = np.ones((1, channels, size, size), np.float32)
        up.conv_transpose2d(x, np.ones((channels, outputs, 4, 4), np.float32), **options)
        assert bool(taken) == wanted, (channels, outputs, size, options)
        taken.clear()
