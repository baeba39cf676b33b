"""Transposed convolution beyond the case table: its matrix, non-finite operands, huge parameters, accuracy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from forgetting import forget_plans

import upsampling as up
from upsampling import _conv_packed, _conv_transpose, _plan_conv, reference
from upsampling._plan_tables import IN_PLACE, PACKED, PIECEWISE, TURNED

NAN, INF = np.nan, np.inf


def test_the_matrix_of_a_small_convolution():
    """A 4x4 input as 16 numbers and a 2x2 output as 4: C·x forward, Cᵀ·y transposed."""
    kernel = np.arange(1.0, 10).reshape(1, 1, 3, 3)
    matrix = reference.conv_matrix(kernel, (4, 4))
    assert matrix.shape == (4, 16)
    picture = np.random.default_rng(0).standard_normal((4, 4))
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3))
    np.testing.assert_allclose(
        matrix @ picture.ravel(), np.sum(windows * kernel[0, 0], axis=(2, 3)).ravel(), rtol=1e-12
    )
    y = np.arange(4.0).reshape(1, 1, 2, 2)
    np.testing.assert_allclose(matrix.T @ y.ravel(), up.conv_transpose2d(y, kernel).ravel(), rtol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_matrix_gives_forward_and_both_gradients(rank):
    rng = np.random.default_rng(rank)
    for groups, (stride, padding, dilation) in itertools.product((1, 2), ((1, 0, 1), (2, 1, 1), (3, 1, 2))):
        weight = rng.standard_normal((2 * groups, 3, *(3, 2, 2)[:rank]))
        size = (7, 6, 5)[:rank]
        matrix = reference.conv_matrix(weight, size, stride, padding, dilation, groups)
        space = [
            (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1
            for n, k in zip(size, weight.shape[2:], strict=True)
        ]
        y = rng.standard_normal((1, 2 * groups, *space))
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        extra = [
            n - ((o - 1) * stride - 2 * padding + dilation * (k - 1) + 1)
            for n, o, k in zip(size, space, weight.shape[2:], strict=True)
        ]
        result = getattr(up, f"conv_transpose{rank}d")(y, weight, output_padding=extra, **options)
        np.testing.assert_allclose(result.ravel(), matrix.T @ y.ravel(), rtol=1e-11, atol=1e-12)
        g = rng.standard_normal(result.shape)
        backward = getattr(up, f"conv_transpose{rank}d_backward")
        grad_input, _, _ = backward(g, y, weight, output_padding=extra, **options)
        np.testing.assert_allclose(grad_input.ravel(), matrix @ g.ravel(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64"])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_non_finite_weight_meets_no_padding(dtype, value):
    """The value reaches the outputs whose sum holds it, and no other."""
    x = np.ones((1, 1, 3), dtype)
    for at, (stride, padding) in itertools.product(range(3), ((1, 0), (2, 0), (1, 1), (4, 1))):
        weight = np.ones((1, 1, 3), dtype)
        weight[0, 0, at] = value
        result = up.conv_transpose1d(x, weight, stride=stride, padding=padding)[0, 0]
        reached = {i * stride + at - padding for i in range(3)}
        assert [o for o in range(len(result)) if not np.isfinite(result[o])] == sorted(
            reached & set(range(len(result)))
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_non_finite_operands_of_the_gradients(dtype):
    rng = np.random.default_rng(0)
    for name, value in itertools.product(("grad_output", "input", "weight"), (NAN, INF)):
        given = {
            "input": rng.standard_normal((1, 2, 4, 3)).astype(dtype),
            "weight": rng.standard_normal((2, 3, 3, 3)).astype(dtype),
        }
        given["grad_output"] = rng.standard_normal((1, 3, 7, 5)).astype(dtype)
        given[name][0, 0, 0, 1] = value
        options = {"stride": 2, "padding": 1}
        got = up.conv_transpose2d_backward(**given, **options)
        for found, wanted in zip(got, reference.conv_transpose2d_backward(**given, **options), strict=True):
            np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))
            finite = np.isfinite(wanted)
            np.testing.assert_allclose(found[finite], wanted[finite], rtol=1e-4, atol=1e-5)


def test_huge_strides_with_small_results():
    """No work and no memory is spent on phases that own no output."""
    x, weight = np.ones((1, 1, 1, 1)), np.arange(1.0, 5).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(up.conv_transpose2d(x, weight, stride=2**40), weight)
    for stride in (2**31, 2**40, 2**62):
        y = up.conv_transpose1d(np.ones((1, 1, 1)), np.ones((1, 1, 3)), stride=stride, output_padding=2)
        np.testing.assert_array_equal(y, [[[1, 1, 1, 0, 0]]])
        backward = up.conv_transpose1d_backward(
            y, np.ones((1, 1, 1)), np.ones((1, 1, 3)), stride=stride, output_padding=2
        )
        np.testing.assert_array_equal(backward[0], [[[3]]])


def test_huge_padding_crops_huge_dilation():
    y = up.conv_transpose1d(np.ones((1, 1, 3)), np.ones((1, 1, 3)), dilation=2**40, padding=2**40)
    np.testing.assert_array_equal(y, [[[1, 1, 1]]])


def test_sizes_beyond_what_can_be_had():
    x, weight = np.ones((1, 1, 4)), np.ones((1, 1, 3))
    with pytest.raises(ValueError, match=r"stride.* on axis 0"):
        up.conv_transpose1d(x, weight, stride=2**62)
    with pytest.raises(MemoryError):
        up.conv_transpose1d(x, weight, stride=2**60)
    with pytest.raises(ValueError, match="stride"):
        up.conv_transpose1d(x, weight, stride=2**63)


def test_output_size_names_the_valid_sizes():
    x, weight = np.ones((1, 2, 4, 4)), np.ones((2, 3, 3, 3))
    options = {"stride": 2, "padding": 1}
    for size in ((7, 8), (1, 3, 7, 8)):
        assert up.conv_transpose2d(x, weight, output_size=size, **options).shape == (1, 3, 7, 8)
    assert up.conv_transpose2d(x[0], weight, output_size=(3, 7, 8), **options).shape == (3, 7, 8)
    with pytest.raises(ValueError, match=r"output_size.* from 7 to 8"):
        up.conv_transpose2d(x, weight, output_size=(7, 9), **options)
    with pytest.raises(ValueError, match=r"output_size.* from 8 to 8"):
        up.conv_transpose2d(x, weight, output_size=(9, 8), padding=1, dilation=3)
    with pytest.raises(ValueError, match="output_size"):
        up.conv_transpose2d(x, weight, output_size=(3, 7, 8), **options)
    assert up.conv_transpose2d(x, weight, output_size=(7, 7), output_padding=1, **options).shape == (1, 3, 7, 7)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_integers_wrap(dtype):
    rng = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    x, weight = (rng.integers(limits.min, limits.max, shape, dtype, endpoint=True) for shape in ((2, 3, 5), (3, 2, 4)))
    wide = up.conv_transpose1d(x.astype(object).astype(np.uint64) if dtype == "uint64" else x.astype("int64"),
                               weight.astype("uint64" if dtype == "uint64" else "int64"), stride=2)  # fmt: skip
    np.testing.assert_array_equal(up.conv_transpose1d(x, weight, stride=2), wide.astype(dtype))
    with pytest.raises(TypeError, match="float32"):
        up.conv_transpose1d_backward(np.ones((2, 2, 12), dtype), x, weight, stride=2)


def test_bool_is_refused():
    with pytest.raises(TypeError, match="bool"):
        up.conv_transpose1d(np.ones((1, 1, 2), bool), np.ones((1, 1, 2), bool))


@pytest.mark.parametrize("channels", [64, 1024])
@pytest.mark.parametrize("kernel, stride", [(3, 1), (4, 2)])
def test_accuracy_with_many_channels(channels, kernel, stride):
    """Blocked sums: the error stays near one rounding, where one long chain would be several times off."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, channels, 5, 5)).astype(np.float32)
    weight = rng.standard_normal((channels, 4, kernel, kernel)).astype(np.float32)
    exact = reference.conv_transpose2d(x, weight, stride=stride, dtype=np.float64)
    error = up.conv_transpose2d(x, weight, stride=stride) - exact
    assert np.sqrt(np.mean(error**2) / np.mean(exact**2)) < 4e-7


def test_minimal_filtering_wants_a_flag():
    up.set_minimal_filtering(False)
    up.set_minimal_filtering(True)
    with pytest.raises(TypeError, match="on must be True or False"):
        up.set_minimal_filtering(1)


# Shapes that cut tiles, blocks of channels and blocks of rows in odd places: input, weight, options.
CUT = [
    ((3, 21, 5, 7), (21, 5, 4, 4), {"stride": 2, "padding": 1}),
    ((2, 33, 9, 4), (33, 9, 3, 3), {"stride": 1, "dilation": 3}),
    ((5, 18, 3, 3), (18, 3, 5, 2), {"stride": (3, 2), "padding": (0, 1), "output_padding": (2, 0)}),
    ((1, 40, 2, 30), (40, 4, 6, 2), {"stride": (2, 5), "groups": 2}),
    ((2, 17, 1, 6), (17, 6, 3, 4), {"stride": 4}),
    ((2, 19, 6, 11), (19, 1, 9, 5), {"stride": 2, "padding": 3, "output_padding": 1}),
    ((1, 6, 7, 8), (6, 2, 3, 9), {"stride": (2, 4), "groups": 3}),
    ((2, 1, 8, 7), (1, 20, 3, 5), {"stride": (4, 2), "padding": (2, 3), "dilation": 3}),
]


# Where tasks find weights: what forces each way, and its number.
WEIGHTS: dict[str, dict[str, object]] = {
    "packed": {"DIRECT": 0, "TILES": 0},
    "piecewise": {"DIRECT": 2**62, "TILES": 2**62, "ALL_TAPS": 0, "UNPACKED": 2**62},
    "turned": {"DIRECT": 2**62, "TILES": 2**62, "UNPACKED": 2**62},
}
NUMBERS = {"packed": PACKED, "piecewise": PIECEWISE, "turned": TURNED}


@pytest.fixture
def fresh_plans():
    forget_plans()
    yield
    forget_plans()


def both_directions(shape: tuple, weight_shape: tuple, options: dict) -> list[np.ndarray]:
    """Return the forward result and the gradients of a seeded call in float32."""
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(s).astype(np.float32) for s in (shape, weight_shape))
    bias = rng.standard_normal(weight.shape[1] * options.get("groups", 1)).astype(np.float32)
    y = up.conv_transpose2d(x, weight, bias, **options)
    return [y, *up.conv_transpose2d_backward(y, x, weight, **options)]


@pytest.mark.parametrize("shape, weight_shape, options", CUT)
@pytest.mark.parametrize(
    "change",
    ["small sums", "small copies", "few phases", "packed", "piecewise", "turned", "first", "last", "merged", "parted"],
)
def test_every_tiling_gives_the_same_bits(monkeypatch, fresh_plans, change, shape, weight_shape, options):
    """The kernel's tables may be cut in any way: the order of additions stays."""
    monkeypatch.setattr(_plan_conv, "worth_folding", lambda *_: False)
    wanted = both_directions(shape, weight_shape, options)
    forget_plans()
    ways = _plan_conv.layouts_of
    changes = {
        "small sums": {"SUMS": 2**10},
        "small copies": {"COPIES": 2**10},
        "few phases": {"MOST_PHASES": 2},
        **WEIGHTS,
        "first": {"layouts_of": lambda phases: ways(phases)[:1]},
        "last": {"layouts_of": lambda phases: ways(phases)[-1:]},
        "merged": {"_rate": lambda problem, parts: len(parts)},
        "parted": {"_rate": lambda problem, parts: 1.0},
    }
    for name, value in changes[change].items():
        monkeypatch.setattr(_plan_conv, name, value)
    for got, one in zip(both_directions(shape, weight_shape, options), wanted, strict=True):
        np.testing.assert_array_equal(got, one)
    forget_plans()
    with up.num_threads(8):
        for got, one in zip(both_directions(shape, weight_shape, options), wanted, strict=True):
            np.testing.assert_array_equal(got, one)


@pytest.mark.parametrize("shape, weight_shape, options", CUT)
def test_cut_shapes_against_the_reference(shape, weight_shape, options):
    rng = np.random.default_rng(1)
    x, weight = (rng.standard_normal(s) for s in (shape, weight_shape))
    y = up.conv_transpose2d(x, weight, **options)
    np.testing.assert_allclose(y, reference.conv_transpose2d(x, weight, **options), rtol=1e-12, atol=1e-11)
    wanted = reference.conv_transpose2d_backward(y, x, weight, **options)
    for got, one in zip(up.conv_transpose2d_backward(y, x, weight, **options), wanted, strict=True):
        np.testing.assert_allclose(got, one, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("value", [NAN, INF])
def test_phases_computed_together_keep_what_is_not_finite_apart(monkeypatch, fresh_plans, value):
    """A phase without a tap has a zero in its place, which must not meet infinities."""
    monkeypatch.setattr(_plan_conv, "worth_folding", lambda *_: False)
    rng = np.random.default_rng(0)
    for operand in range(2):
        x, weight = rng.standard_normal((2, 5, 4, 6)), rng.standard_normal((5, 1, 9, 9))
        (x, weight)[operand][0, 0, 2, 1] = value
        y = up.conv_transpose2d(x, weight, stride=2, padding=4)
        wanted = reference.conv_transpose2d(x, weight, stride=2, padding=4)
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(wanted))
        finite = np.isfinite(wanted)
        assert 0 < finite.sum() < finite.size
        np.testing.assert_allclose(y[finite], wanted[finite], rtol=1e-12, atol=1e-12)


def test_huge_strides_with_large_results():
    """Phases that no tap reaches are not listed one by one."""
    x, weight = np.ones((1, 1, 4), np.float32), np.ones((1, 1, 3), np.float32)
    y = up.conv_transpose1d(x, weight, np.full(1, 7, np.float32), stride=2**20)
    assert y.shape == (1, 1, 3 * 2**20 + 3)
    assert y.sum(dtype=np.float64) == 7 * y.size + 12
    grad_input, grad_weight, _ = up.conv_transpose1d_backward(y, x, weight, stride=2**20)
    np.testing.assert_array_equal(grad_input, np.full((1, 1, 4), 24))
    np.testing.assert_array_equal(grad_weight, np.full((1, 1, 3), 32))


def test_large_kernels_on_small_inputs():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((1, 2, 2, 3)), rng.standard_normal((2, 2, 70, 40))
    for stride in (1, 3, 50):
        y = up.conv_transpose2d(x, weight, stride=stride)
        np.testing.assert_allclose(y, reference.conv_transpose2d(x, weight, stride=stride), rtol=1e-12, atol=1e-12)
        got = up.conv_transpose2d_backward(y, x, weight, stride=stride)
        wanted = reference.conv_transpose2d_backward(y, x, weight, stride=stride)
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-9)


@pytest.fixture
def plans(monkeypatch):
    """The plans that are made from now on."""
    made, plan = [], _plan_conv.plan

    def kept(problem):
        made.append(plan(problem))
        return made[-1]

    kept.cache_clear = plan.cache_clear  # for forget_plans
    monkeypatch.setattr(_plan_conv, "plan", kept)
    return made


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("way", WEIGHTS)
def test_non_finite_weights_however_they_are_found(fresh_plans, monkeypatch, plans, way, threads, value):
    """That some number is not finite is seen in the result alone, where that is smaller."""
    monkeypatch.setattr(_plan_conv, "worth_folding", lambda *_: False)
    for name, constant in WEIGHTS[way].items():
        monkeypatch.setattr(_plan_conv, name, constant)
    for outputs, kernel, padding in ((16, 4, 1), (2, 5, 2)):  # the phases of the second are computed together
        x, weight = np.ones((1, 64, 2, 2), np.float32), np.ones((64, outputs, kernel, kernel), np.float32)
        weight[3, 1, 0, 0] = value
        with up.num_threads(threads):
            y = up.conv_transpose2d(x, weight, stride=2, padding=padding)
            grad, _, _ = up.conv_transpose2d_backward(y, x, weight, stride=2, padding=padding)
        np.testing.assert_array_equal(y, reference.conv_transpose2d(x, weight, stride=2, padding=padding))
        assert (~np.isfinite(y)).sum() == 1
        wanted, _, _ = reference.conv_transpose2d_backward(y, x, weight, stride=2, padding=padding)
        np.testing.assert_array_equal(np.isfinite(grad), np.isfinite(wanted))
    assert NUMBERS[way] in {one.weights for plan in plans for one in plan.passes}
    assert way == "packed" or IN_PLACE in {one.weights for plan in plans for one in plan.passes}


@pytest.mark.parametrize("value", [1.0, NAN, INF])
def test_rows_of_weights_that_are_read_in_place(fresh_plans, monkeypatch, plans, value):
    """Single pixels, with vectors along (output channel, tap): the bits of vectors along pixels."""
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((17, 40, 1, 1)), rng.standard_normal((40, 48, 4, 4))
    weight[7, 5, 3, 2] = value
    in_order = _plan_conv._in_order
    monkeypatch.setattr(_plan_conv, "_in_order", lambda problem, parts: False)
    wanted = up.conv_transpose2d(x, weight)
    np.testing.assert_allclose(wanted, reference.conv_transpose2d(x, weight), rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(_plan_conv, "_in_order", in_order)
    monkeypatch.setattr(_plan_conv, "EXCHANGED", 1e9)
    forget_plans()
    plans.clear()
    np.testing.assert_array_equal(up.conv_transpose2d(x, weight), wanted)
    assert plans[0].passes[0].exchanged


def test_non_finite_pixels_meet_no_padding_in_the_weights_gradient():
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 20, 3, 3)), rng.standard_normal((2, 9, 8, 8))
    weight = np.zeros((20, 9, 4, 4))
    x[1, 4, 0, 0] = INF
    got = up.conv_transpose2d_backward(g, x, weight, stride=2)[1]
    wanted = reference.conv_transpose2d_backward(g, x, weight, stride=2)[1]
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(wanted))
    np.testing.assert_allclose(got[np.isfinite(wanted)], wanted[np.isfinite(wanted)], rtol=1e-11, atol=1e-12)
    assert not np.isfinite(got[4]).all()
    assert np.isfinite(got[5]).all()


@pytest.mark.parametrize(
    "shape, outputs, kernel, options",
    [
        ((2, 64, 40, 40), 4, 4, {"stride": 2, "padding": 1}),
        ((1, 8, 90, 90), 16, 3, {}),
        ((4, 16, 9, 9), 512, 3, {"stride": 2}),
        ((1, 1024, 8, 8), 3, 2, {"stride": 2}),
    ],
)
def test_accuracy_of_the_gradients(shape, outputs, kernel, options):
    """Sums over many pixels or channels stay near one rounding."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    weight = rng.standard_normal((shape[1], outputs, kernel, kernel)).astype(np.float32)
    g = rng.standard_normal(up.conv_transpose2d(x, weight, **options).shape).astype(np.float32)
    exact = reference.conv_transpose2d_backward(g, x, weight, **options, dtype=np.float64)
    sizes = [outputs * kernel**2, x[:, 0].size, g[:, 0].size]  # numbers in a sum, each about one in size
    for got, wanted, size in zip(up.conv_transpose2d_backward(g, x, weight, **options), exact, sizes, strict=True):
        assert np.sqrt(np.mean((got - wanted) ** 2) / size) < 4e-7


def test_numpys_floating_point_errors_do_not_leak():
    """Overflow and NaN give infinities and NaN, as in PyTorch, whatever NumPy is told to do with its own."""
    halves = [np.full((1, 1, n), 3e4, np.float16) for n in (6, 4, 3)]
    numbers = [np.full((1, 1, n), 1e38 + 1e38j, np.complex64) for n in (6, 4, 3)]
    endless = [np.full((1, 1, n), np.inf, np.complex128) for n in (6, 4, 3)]
    with np.errstate(all="raise"):
        for g, x, w in (halves, numbers, endless):
            assert not np.isfinite(up.conv_transpose1d(x, w, w[0, 0, :1])).all()
            for gradient in up.conv_transpose1d_backward(g, x, w):
                assert not np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "complex64"])
def test_channels_last_gradients_give_channels_last_gradients(dtype):
    rng = np.random.default_rng(4)
    g, x = (np.moveaxis(rng.standard_normal(shape).astype(dtype), -1, 1) for shape in ((2, 6, 7, 2), (2, 4, 5, 3)))
    w = rng.standard_normal((3, 2, 3, 3)).astype(dtype)
    grad_input, grad_weight, grad_bias = up.conv_transpose2d_backward(g, x, w)
    assert grad_input.strides == x.strides
    planar = up.conv_transpose2d_backward(np.ascontiguousarray(g), np.ascontiguousarray(x), w)
    for found, expected in zip((grad_input, grad_weight, grad_bias), planar, strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("shape, weight_shape, options", CUT)
@pytest.mark.parametrize("speed", [1e9, 1e-9])
@pytest.mark.parametrize("threads", [1, 8])
def test_packed_weights_give_the_same_bits(monkeypatch, fresh_plans, speed, threads, shape, weight_shape, options):
    """Whether vectors run along output channels or along pixels."""
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(s).astype(np.float32) for s in (shape, weight_shape))
    bias = rng.standard_normal(weight.shape[1] * options.get("groups", 1)).astype(np.float32)
    monkeypatch.setattr(_plan_conv, "EXCHANGED", speed)
    monkeypatch.setattr(_plan_conv, "MOST_PIXELS", 2**62)
    _conv_transpose._passes.cache_clear()
    every = {"padding": 0, "output_padding": 0, "groups": 1, "dilation": 1, **options}
    order = ("stride", "padding", "output_padding", "groups", "dilation")
    packed = _conv_packed.PackedWeights(weight)
    with up.num_threads(threads):
        for image in (x, x[:1]):
            arguments = (image, weight, bias, *(every[name] for name in order), None, None)
            got = _conv_transpose._conv_transpose(2, *arguments, packed)
            np.testing.assert_array_equal(got, up.conv_transpose2d(image, weight, bias, **options))
    _conv_transpose._passes.cache_clear()
