"""The layers: PyTorch's text, parameters and gradients, and what is only ours."""

from __future__ import annotations

import contextlib
import copy
import doctest
import importlib
import inspect
import io
import pickle
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import upsampling as up
from upsampling import nn

# PyTorch 2.13's text of a layer with these arguments.
TEXTS = [
    ("ConvTranspose1d", (4, 6, 3), {}, "ConvTranspose1d(4, 6, kernel_size=(3,), stride=(1,))"),
    (
        "ConvTranspose1d",
        (4, 6, 3, 2, 1, 1, 2, False, 2, "zeros"),
        {},
        "ConvTranspose1d(4, 6, kernel_size=(3,), stride=(2,), padding=(1,), dilation=(2,), output_padding=(1,), "
        "groups=2, bias=False)",
    ),
    ("ConvTranspose2d", (4, 6, 3), {}, "ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(1, 1))"),
    (
        "ConvTranspose2d",
        (4, 6, [3, 2]),
        {"stride": [1, 2]},
        "ConvTranspose2d(4, 6, kernel_size=(3, 2), stride=(1, 2))",
    ),
    ("ConvTranspose2d", (4, 6, 3), {"stride": (2,)}, "ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2,))"),
    (
        "ConvTranspose2d",
        (4, 6, 3),
        {"stride": 2, "output_padding": 1, "dilation": 3, "padding": (1, 0)},
        "ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 0), dilation=(3, 3), "
        "output_padding=(1, 1))",
    ),
    (
        "ConvTranspose3d",
        (4, 8, (1, 2, 3)),
        {"groups": 4, "bias": False},
        "ConvTranspose3d(4, 8, kernel_size=(1, 2, 3), stride=(1, 1, 1), groups=4, bias=False)",
    ),
    ("MaxPool1d", (3, 2), {}, "MaxPool1d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    ("MaxPool2d", (2,), {}, "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    (
        "MaxPool2d",
        ([2, 3], (1, 2)),
        {"dilation": (2, 1)},
        "MaxPool2d(kernel_size=[2, 3], stride=(1, 2), padding=0, dilation=(2, 1), ceil_mode=False)",
    ),
    (
        "MaxPool3d",
        (2,),
        {"stride": None, "padding": (1, 1, 1), "ceil_mode": True, "return_indices": True},
        "MaxPool3d(kernel_size=2, stride=2, padding=(1, 1, 1), dilation=1, ceil_mode=True)",
    ),
    ("MaxUnpool1d", ([2], 3, (1,)), {}, "MaxUnpool1d(kernel_size=(2,), stride=(3,), padding=(1,))"),
    ("MaxUnpool2d", ([2, 3],), {}, "MaxUnpool2d(kernel_size=(2, 3), stride=(2, 3), padding=(0, 0))"),
    ("MaxUnpool2d", ((2,), 3, 1), {}, "MaxUnpool2d(kernel_size=(2,), stride=(3, 3), padding=(1, 1))"),
    ("MaxUnpool3d", (2,), {}, "MaxUnpool3d(kernel_size=(2, 2, 2), stride=(2, 2, 2), padding=(0, 0, 0))"),
    ("Upsample", (2,), {}, "Upsample(size=2, mode='nearest')"),
    ("Upsample", ((2, 3),), {"mode": "bilinear"}, "Upsample(size=(2, 3), mode='bilinear')"),
    ("Upsample", (), {"scale_factor": 2}, "Upsample(scale_factor=2.0, mode='nearest')"),
    ("Upsample", (), {"scale_factor": (2, 3.5)}, "Upsample(scale_factor=(2.0, 3.5), mode='nearest')"),
    (
        "Upsample",
        ([2, 3],),
        {"mode": "bicubic", "align_corners": True},
        "Upsample(size=[2, 3], mode='bicubic')",
    ),
    ("Upsample", (), {}, "Upsample(size=None, mode='nearest')"),
    ("UpsamplingNearest2d", (2,), {}, "UpsamplingNearest2d(size=2, mode='nearest')"),
    ("UpsamplingBilinear2d", (), {"scale_factor": 2}, "UpsamplingBilinear2d(scale_factor=2.0, mode='bilinear')"),
    ("PixelShuffle", (3,), {}, "PixelShuffle(upscale_factor=3)"),
    ("PixelUnshuffle", (2,), {}, "PixelUnshuffle(downscale_factor=2)"),
]

# Layers with an input's shape and what the call takes beside it.
RUNS = [
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}, (2, 4, 5), {}),
    ("ConvTranspose1d", (4, 6, 5), {"dilation": 2, "groups": 2}, (4, 7), {}),
    ("ConvTranspose2d", (3, 3, 3), {}, (1, 3, 2, 2), {}),
    ("ConvTranspose2d", (4, 6, (4, 3)), {"stride": (2, 1), "padding": (1, 0), "groups": 2}, (2, 4, 5, 6), {}),
    ("ConvTranspose2d", (4, 6, 3), {"stride": (2,), "padding": [1]}, (2, 4, 5, 6), {}),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1}, (2, 4, 5, 6), {"output_size": (10, 11)}),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 3, "output_padding": 1}, (4, 5, 6), {"output_size": [6, 17, 18]}),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "bias": False}, (2, 4, 5, 6), {"output_size": (2, 6, 12, 13)}),
    ("ConvTranspose3d", (4, 4, (1, 2, 3)), {"stride": (1, 2, 2), "groups": 4}, (2, 4, 3, 4, 5), {}),
    ("MaxPool1d", (3, 2), {"padding": 1}, (2, 3, 11), {}),
    ("MaxPool2d", (2,), {}, (2, 3, 8, 9), {}),
    ("MaxPool2d", ([3, 2], (1, 2)), {"dilation": (2, 1), "ceil_mode": True}, (3, 8, 9), {}),
    ("MaxPool3d", (2,), {"padding": (1, 0, 1), "stride": 1}, (2, 3, 4, 5, 6), {}),
    ("Upsample", (7,), {}, (2, 3, 5), {}),
    ("Upsample", (), {"scale_factor": (2, 1.5), "mode": "bilinear"}, (2, 3, 5, 6), {}),
    ("Upsample", ((9, 4),), {"mode": "bicubic", "align_corners": True}, (2, 3, 5, 6), {}),
    (
        "Upsample",
        (),
        {"scale_factor": 1.7, "mode": "trilinear", "recompute_scale_factor": True},
        (2, 3, 4, 5, 6),
        {},
    ),
    ("UpsamplingNearest2d", (), {"scale_factor": 2.5}, (2, 3, 5, 6), {}),
    ("UpsamplingBilinear2d", ((9, 13),), {}, (2, 3, 5, 6), {}),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 4), {}),
    ("PixelUnshuffle", (3,), {}, (2, 2, 6, 9), {}),
]

PROGRAM = """
from upsampling import nn
import upsampling as up, numpy as np
upsample = nn.ConvTranspose2d(in_channels=3, out_channels=3, kernel_size=3, stride=1, padding=0, output_padding=0, groups=1, bias=True)
print(upsample(np.random.randn(1, 3, 2, 2).astype(np.float32)).shape)
maxpool = nn.MaxPool2d((2, 2), stride=(2, 2), return_indices=True)
maxunpool = nn.MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=0)
x, indices = maxpool(np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8))
print(maxunpool(x, indices)); print(up.interpolate(x, scale_factor=2, mode="bilinear"))
"""  # noqa: E501


def identify(case) -> str | None:
    return case if isinstance(case, str) else None


def build(module, name, args, kwargs, dtype=None):
    """A layer of either package; those with parameters get the dtype."""
    if dtype is not None and name.startswith("ConvTranspose"):
        kwargs = {**kwargs, "dtype": dtype}
    return getattr(module, name)(*args, **kwargs)


@pytest.fixture(scope="module")
def torch():
    module = pytest.importorskip("torch")
    module.set_num_threads(1)
    return module


def test_the_issues_program():
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(PROGRAM, {})
    unpooled = np.zeros((1, 1, 8, 8), np.float32)
    unpooled[..., 1::2, 1::2] = np.arange(64).reshape(8, 8)[1::2, 1::2]
    columns = np.array([9, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15], np.float32)
    rows = np.array([0, 4, 12, 20, 28, 36, 44, 48], np.float32)
    interpolated = (columns + rows[:, None])[None, None]
    assert printed.getvalue() == f"(1, 3, 4, 4)\n{unpooled}\n{interpolated}\n"


@pytest.mark.parametrize("module", ["conv_transpose", "pooling", "unpooling", "upsample", "shuffle"])
def test_docstring_examples(module):
    tried = doctest.testmod(importlib.import_module(f"upsampling.nn.{module}"))
    assert tried.attempted > 0
    assert tried.failed == 0


def test_every_layer_is_in_the_tables():
    assert {case[0] for case in TEXTS} == set(nn.__all__)
    unpool = {"MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"}
    assert {case[0] for case in RUNS} == set(nn.__all__) - unpool


# ---- text and arguments


@pytest.mark.parametrize("name, args, kwargs, text", TEXTS, ids=identify)
def test_repr_is_pytorchs(name, args, kwargs, text):
    assert repr(getattr(nn, name)(*args, **kwargs)) == text


@pytest.mark.torch
@pytest.mark.parametrize("name, args, kwargs, text", TEXTS, ids=identify)
def test_repr_and_attributes_match_live_pytorch(torch, name, args, kwargs, text):
    theirs, ours = getattr(torch.nn, name)(*args, **kwargs), getattr(nn, name)(*args, **kwargs)
    assert repr(theirs) == text
    public = {key: value for key, value in vars(theirs).items() if not key.startswith("_") and key != "training"}
    assert {key: getattr(ours, key) for key in public} == public


@pytest.mark.torch
def test_repr_matches_live_pytorch_on_random_arguments(torch):
    rng = np.random.default_rng(0)

    def sizes(rank, low):
        several = rng.integers(low, 4, rank).tolist()
        return [several[0], tuple(several), several][rng.integers(3)]

    for _ in range(300):
        rank, groups = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        arguments = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1}
        kwargs = {key: sizes(rank, low) for key, low in arguments.items() if rng.integers(2)}
        kwargs |= {"groups": groups} if rng.integers(2) else {}
        kwargs |= {"bias": bool(rng.integers(2))} if rng.integers(2) else {}
        args = (6, 12, sizes(rank, 1))
        pool = {key: value for key, value in kwargs.items() if key in ("stride", "padding", "dilation")}
        unpool = {key: value for key, value in kwargs.items() if key in ("stride", "padding")}
        for name, positional, named in (
            (f"ConvTranspose{rank}d", args, kwargs),
            (f"MaxPool{rank}d", args[2:], pool),
            (f"MaxUnpool{rank}d", args[2:], unpool),
        ):
            assert repr(getattr(nn, name)(*positional, **named)) == repr(getattr(torch.nn, name)(*positional, **named))


@pytest.mark.torch
@pytest.mark.parametrize("name", nn.__all__)
def test_constructors_take_pytorchs_arguments(torch, name):
    theirs = inspect.signature(getattr(torch.nn, name)).parameters.values()
    ours = inspect.signature(getattr(nn, name)).parameters.values()
    positional = [(item.name, item.default) for item in ours if item.kind is item.POSITIONAL_OR_KEYWORD]
    assert positional == [(item.name, item.default) for item in theirs]
    assert [item.name for item in ours if item.kind is item.KEYWORD_ONLY] == (
        ["rng"] if name.startswith("ConvTranspose") else []
    )
    forward = list(inspect.signature(getattr(nn, name).forward).parameters)
    assert forward == list(inspect.signature(getattr(torch.nn, name).forward).parameters)


@pytest.mark.parametrize(
    "name, args, kwargs, error, message",
    [
        ("ConvTranspose2d", (4, 6, 0), {}, ValueError, "kernel_size must be from 1"),
        ("ConvTranspose2d", (4, 6, (3, 3, 3)), {}, ValueError, r"kernel_size must be an integer or 2 of them"),
        ("ConvTranspose2d", (4, 6, 2.0), {}, TypeError, "kernel_size must be an integer, got 2.0 of type float"),
        ("ConvTranspose2d", (-1, 6, 3), {}, ValueError, "in_channels must be from 0"),
        ("ConvTranspose2d", (4, 6, 3), {"groups": 0}, ValueError, "groups must be from 1"),
        ("ConvTranspose2d", (4, 6, 3), {"groups": 3}, ValueError, "in_channels must be divisible by groups, 3; got 4"),
        ("ConvTranspose2d", (4, 6, 3), {"groups": 4}, ValueError, "out_channels must be divisible by groups, 4; got 6"),
        ("ConvTranspose2d", (4, 6, 3), {"stride": 0}, ValueError, "stride must be from 1"),
        ("ConvTranspose2d", (4, 6, 3), {"stride": (1, True)}, TypeError, r"stride\[1\] must be an integer"),
        ("ConvTranspose2d", (4, 6, 3), {"padding": -1}, ValueError, "padding must be from 0"),
        ("ConvTranspose2d", (4, 6, 3), {"padding": "same"}, TypeError, "padding must be an integer, got 'same'"),
        ("ConvTranspose2d", (4, 6, 3), {"output_padding": -1}, ValueError, "output_padding must be from 0"),
        ("ConvTranspose2d", (4, 6, 3), {"dilation": 0}, ValueError, "dilation must be from 1"),
        ("ConvTranspose2d", (4, 6, 3), {"bias": 1}, TypeError, "bias must be True or False, got 1"),
        ("ConvTranspose2d", (4, 6, 3), {"padding_mode": "reflect"}, ValueError, "padding_mode must be one of zeros"),
        ("ConvTranspose2d", (4, 6, 3), {"device": "cuda"}, ValueError, "device must be None or 'cpu', got 'cuda'"),
        ("ConvTranspose2d", (4, 6, 3), {"dtype": np.int32}, TypeError, "dtype must be float16, .*; got int32"),
        ("ConvTranspose2d", (4, 6, 3), {"dtype": "strange"}, TypeError, "dtype must be a NumPy dtype, got 'strange'"),
        ("ConvTranspose2d", (4, 6, 3), {"rng": -1}, ValueError, "rng must be from 0"),
        ("ConvTranspose2d", (4, 6, 3), {"rng": 0.5}, TypeError, "rng must be an integer, got 0.5"),
        ("ConvTranspose3d", (2**40, 2**40, 3), {}, MemoryError, "does not fit in memory"),
        ("MaxPool2d", (0,), {}, ValueError, "kernel_size must be from 1"),
        ("MaxPool2d", (2, 0), {}, ValueError, "stride must be from 1"),
        ("MaxPool2d", (2,), {"padding": -1}, ValueError, "padding must be from 0"),
        ("MaxPool2d", (2,), {"dilation": 0}, ValueError, "dilation must be from 1"),
        ("MaxPool2d", (2,), {"ceil_mode": 1}, TypeError, "ceil_mode must be True or False"),
        ("MaxPool2d", (2,), {"return_indices": None}, TypeError, "return_indices must be True or False"),
        ("MaxUnpool2d", (0,), {}, ValueError, "kernel_size must be from 1"),
        ("MaxUnpool2d", (2, (1, 2, 3)), {}, ValueError, "stride must be an integer or 2 of them"),
        ("Upsample", (2.5,), {}, TypeError, "size must be an integer, got 2.5"),
        ("Upsample", (), {"scale_factor": 0}, ValueError, "scale_factor must be finite and above 0"),
        ("Upsample", (2,), {"align_corners": 1}, TypeError, "align_corners must be True or False"),
        ("Upsample", (2, None, "cubic"), {}, ValueError, "mode must be one of nearest, .*, got 'cubic'"),
        ("PixelShuffle", (0,), {}, ValueError, "upscale_factor must be from 1"),
        ("PixelUnshuffle", (2.0,), {}, TypeError, "downscale_factor must be an integer"),
    ],
    ids=identify,
)
def test_wrong_arguments_are_named(name, args, kwargs, error, message):
    with pytest.raises(error, match=message):
        getattr(nn, name)(*args, **kwargs)


# ---- initialisation


@pytest.mark.parametrize("kwargs", [{}, {"groups": 4}, {"dtype": np.float64}, {"dtype": np.float16}])
def test_initialisation_has_pytorchs_distribution(kwargs):
    layer = nn.ConvTranspose2d(32, 64, (5, 3), rng=3, **kwargs)
    bound = 1 / np.sqrt(64 / layer.groups * 15)
    assert layer.weight.shape == (32, 64 // layer.groups, 5, 3)
    assert layer.bias.shape == (64,)
    for parameter in layer.parameters():
        assert parameter.dtype == kwargs.get("dtype", np.float32)
        values = parameter.astype(np.float64).ravel()
        assert np.abs(values).max() <= parameter.dtype.type(bound)
        assert np.abs(values).max() > bound * (1 - 10 / values.size)
        spread = bound / np.sqrt(3)
        assert abs(values.mean()) < 4 * spread / np.sqrt(values.size)
        assert abs(values.std() / spread - 1) < 4 / np.sqrt(values.size)


@pytest.mark.torch
def test_initialisation_matches_live_pytorch(torch):
    torch.manual_seed(0)
    ours = nn.ConvTranspose3d(16, 32, (2, 3, 4), groups=2, rng=0)
    theirs = torch.nn.ConvTranspose3d(16, 32, (2, 3, 4), groups=2)
    for name, parameter in ours.named_parameters():
        other = theirs.state_dict()[name].numpy()
        assert parameter.shape == other.shape
        assert np.abs(parameter).max() == pytest.approx(np.abs(other).max(), rel=0.1 if name == "bias" else 1e-3)
        assert parameter.std() == pytest.approx(other.std(), rel=0.4 if name == "bias" else 0.03)


def test_a_seed_makes_initialisation_repeatable():
    def weights(rng, dtype=None):
        return list(nn.ConvTranspose2d(3, 4, 3, dtype=dtype, rng=rng).parameters())

    for first, second in zip(weights(7), weights(np.int64(7)), strict=True):
        np.testing.assert_array_equal(first, second)
    for first, second in zip(weights(7), weights(np.random.default_rng(7)), strict=True):
        np.testing.assert_array_equal(first, second)
    for single, double in zip(weights(7), weights(7, np.float64), strict=True):
        np.testing.assert_array_equal(single, double.astype(np.float32))
    assert not np.array_equal(weights(7)[0], weights(8)[0])
    assert not np.array_equal(weights(None)[0], weights(None)[0])
    one_generator = np.random.default_rng(7)
    assert not np.array_equal(weights(one_generator)[0], weights(one_generator)[0])


def test_reset_parameters_draws_again_in_place():
    layer = nn.ConvTranspose2d(3, 4, 3, rng=1)
    weight, before = layer.weight, layer.weight.copy()
    layer.reset_parameters(rng=2)
    assert layer.weight is weight
    assert not np.array_equal(weight, before)
    layer.reset_parameters(rng=1)
    np.testing.assert_array_equal(weight, before)


def test_complex_parameters_are_complex():
    layer = nn.ConvTranspose1d(3, 4, 3, dtype=np.complex64, rng=0)
    assert layer.weight.dtype == np.complex64
    assert (layer.weight.imag != 0).all()


# ---- forward and backward


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, args, kwargs, shape, call", RUNS, ids=identify)
def test_forward_and_backward_match_live_pytorch(torch, name, args, kwargs, shape, call, dtype):
    rng = np.random.default_rng(0)
    theirs = build(torch.nn, name, args, kwargs, getattr(torch, dtype))
    ours = build(nn, name, args, kwargs, dtype)
    assert repr(ours.load_state_dict(theirs.state_dict())) == "Keys(missing_keys=[], unexpected_keys=[])"
    x = rng.standard_normal(shape).astype(dtype)
    tensor = torch.from_numpy(x).requires_grad_()
    expected = theirs(tensor, **call)
    gradient = rng.standard_normal(expected.shape).astype(dtype)
    expected.backward(torch.from_numpy(gradient))
    close = {"rtol": 1e-5, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-11}
    found = ours(x, **call)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected.detach().numpy(), **close)
    np.testing.assert_allclose(ours.backward(gradient), tensor.grad.numpy(), **close)
    assert set(ours.grad) == set(ours.state_dict())
    for key, parameter in theirs.named_parameters():
        np.testing.assert_allclose(ours.grad[key], parameter.grad.numpy(), err_msg=key, **close)


@pytest.mark.torch
@pytest.mark.parametrize("rank, output", [(1, (9,)), (2, (9, 8)), (3, (9, 8, 9)), (2, (2, 3, 9, 9))])
def test_pool_and_unpool_match_live_pytorch(torch, rank, output):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *(9,) * rank)).astype(np.float32)
    tensor = torch.from_numpy(x).requires_grad_()
    results = []
    for module, value in ((torch.nn, tensor), (nn, x)):
        pool = getattr(module, f"MaxPool{rank}d")(2, return_indices=True)
        unpool = getattr(module, f"MaxUnpool{rank}d")(2)
        pooled, indices = pool(value)
        results.append((pool, unpool, pooled, indices, unpool(pooled, indices, output_size=output)))
    theirs, ours = results
    for mine, other in zip(ours[2:], theirs[2:], strict=True):
        np.testing.assert_array_equal(mine, other.detach().numpy())
    gradient = rng.standard_normal(ours[4].shape).astype(np.float32)
    theirs[4].backward(torch.from_numpy(gradient))
    np.testing.assert_array_equal(ours[0].backward(ours[1].backward(gradient)), tensor.grad.numpy())


@pytest.mark.parametrize("return_indices", [False, True])
def test_max_pool_backward_gives_the_gradient_to_the_maxima(return_indices):
    layer = nn.MaxPool2d(2, return_indices=return_indices)
    layer(np.arange(16.0).reshape(1, 4, 4))
    expected = np.zeros((1, 4, 4))
    expected[0, 1::2, 1::2] = [[1, 2], [3, 4]]
    np.testing.assert_array_equal(layer.backward(np.array([[[1.0, 2], [3, 4]]])), expected)


@pytest.mark.parametrize("name, args, kwargs, shape, call", RUNS, ids=identify)
def test_layers_call_their_functions(name, args, kwargs, shape, call):
    layer = build(nn, name, args, kwargs)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    before = x.copy()
    found = layer(x, **call)
    np.testing.assert_array_equal(found, layer.forward(x, **call))
    gradient = layer.backward(np.ones_like(found))
    assert gradient.shape == x.shape
    assert gradient.dtype == x.dtype
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name, args, kwargs, shape, call", RUNS, ids=identify)
def test_backward_checks_its_call(name, args, kwargs, shape, call):
    layer = build(nn, name, args, kwargs)
    with pytest.raises(RuntimeError, match=rf"{name}\.backward needs a forward before it"):
        layer.backward(np.zeros((1, 1, 1, 1), np.float32))
    output = layer(np.ones(shape, np.float32), **call)
    with pytest.raises(ValueError, match=rf"grad_output must have shape \({', '.join(map(str, output.shape))}\)"):
        layer.backward(np.zeros((1, *output.shape), np.float32))
    assert layer.backward(np.zeros_like(output)).shape == shape


def test_forward_names_what_is_wrong():
    layer = nn.ConvTranspose2d(3, 4, 3, stride=2, rng=0)
    with pytest.raises(TypeError, match="float64"):
        layer(np.zeros((1, 3, 5, 5)))
    with pytest.raises(ValueError, match="output_size"):
        layer(np.zeros((1, 3, 5, 5), np.float32), output_size=(13, 13))
    with pytest.raises(ValueError, match="input"):
        layer(np.zeros((1, 2, 5, 5), np.float32))


def test_gradients_add_up_until_zero_grad():
    layer = nn.ConvTranspose2d(3, 4, 3, rng=0)
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5)).astype(np.float32)
    assert all((gradient == 0).all() for gradient in layer.grad.values())
    one = np.ones_like(layer(x))
    layer.backward(one)
    held = layer.grad["weight"]
    once = {name: gradient.copy() for name, gradient in layer.grad.items()}
    assert set(once) == {"weight", "bias"}
    layer.backward(one)
    layer(x)
    layer.backward(one)
    for name, gradient in once.items():
        np.testing.assert_allclose(layer.grad[name], 3 * gradient, rtol=1e-6)
    layer.zero_grad()
    assert layer.grad["weight"] is held
    assert all((gradient == 0).all() for gradient in layer.grad.values())
    assert list(nn.ConvTranspose2d(3, 4, 3, bias=False).grad) == ["weight"]


def test_training_reduces_the_loss():
    rng = np.random.default_rng(0)
    widen, raise_up = nn.ConvTranspose2d(1, 8, 3, padding=1, rng=rng), nn.ConvTranspose2d(8, 1, 4, 2, 1, rng=rng)
    layers = (widen, raise_up)
    x = rng.standard_normal((8, 1, 6, 6)).astype(np.float32)
    target = up.interpolate(x, scale_factor=2, mode="bilinear")
    losses = []
    for _ in range(150):
        difference = raise_up(widen(x)) - target
        losses.append(float((difference**2).mean()))
        for layer in layers:
            layer.zero_grad()
        widen.backward(raise_up.backward(difference * np.float32(2 / difference.size)))
        for layer in layers:
            for name, parameter in layer.named_parameters():
                parameter -= 0.3 * layer.grad[name]
    assert losses[-1] < 0.1 * losses[0]


def test_the_decoder_example_learns():
    example = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "decoder.py"))
    before, after = example["main"](steps=60)
    assert after < 0.2 * before


def test_threads_may_call_one_layer_at_once():
    layer = nn.ConvTranspose2d(8, 8, 4, stride=2, rng=0)
    inputs = np.random.default_rng(0).standard_normal((16, 1, 8, 9, 9)).astype(np.float32)
    expected = [layer(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(layer, inputs), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


# ---- state


def test_state_round_trip(tmp_path):
    first, second = nn.ConvTranspose2d(3, 4, 3, rng=0), nn.ConvTranspose2d(3, 4, 3, rng=1)
    np.savez(tmp_path / "state.npz", **first.state_dict())
    weight = second.weight
    with np.load(tmp_path / "state.npz") as state:
        assert second.load_state_dict(state) == ([], [])
    assert second.weight is weight
    np.testing.assert_array_equal(second.weight, first.weight)
    np.testing.assert_array_equal(second.bias, first.bias)
    assert list(first.state_dict()) == ["weight", "bias"]
    assert list(nn.ConvTranspose2d(3, 4, 3, bias=False).state_dict()) == ["weight"]
    assert nn.MaxPool2d(2).state_dict() == {}
    assert nn.MaxPool2d(2).load_state_dict({}) == ([], [])


def test_load_converts_to_the_layers_dtype():
    layer = nn.ConvTranspose1d(1, 1, 2, rng=0)
    layer.load_state_dict({"weight": [[[1, 2]]], "bias": np.array([0.1])})
    np.testing.assert_array_equal(layer.weight, [[[1, 2]]])
    assert layer.bias.dtype == np.float32
    assert layer.bias[0] == np.float32(0.1)


def test_load_not_strict_takes_what_fits():
    layer = nn.ConvTranspose1d(1, 1, 2, rng=0)
    bias = layer.bias.copy()
    keys = layer.load_state_dict({"weight": np.ones((1, 1, 2)), "other": 0}, strict=False)
    assert keys.missing_keys == ["bias"]
    assert keys.unexpected_keys == ["other"]
    np.testing.assert_array_equal(layer.weight, 1)
    np.testing.assert_array_equal(layer.bias, bias)
    with pytest.raises(ValueError, match="weight must have shape"):
        layer.load_state_dict({"weight": np.ones(2)}, strict=False)


WRONG_STATES = [
    ({}, ValueError, ["the key 'weight' is missing", "the key 'bias' is missing"]),
    (
        {"weight": np.zeros(3), "bias": np.zeros(7), "x": 1, "y": 2},
        ValueError,
        ["'x' is unexpected", "'y' is unexpected", "weight must have shape (3, 4, 3, 3), got (3,)", "got (7,)"],
    ),
    ({"weight": np.zeros((3, 4, 3, 3)), "bias": np.zeros(5)}, ValueError, ["bias must have shape (4,), got (5,)"]),
    ({"weight": np.zeros((3, 4, 3, 3)), "bias": np.zeros(4, complex)}, ValueError, ["bias must be real"]),
    ({"weight": np.zeros((3, 4, 3, 3)), "bias": np.array(list("abcd"))}, ValueError, ["bias must be an array of num"]),
    ({"weight": np.zeros((3, 4, 3, 3)), "bias": np.array([None] * 4)}, ValueError, ["bias must be an array of num"]),
    ([("weight", 1)], TypeError, ["state_dict must be a mapping"]),
]


@pytest.mark.parametrize("state, error, messages", WRONG_STATES)
def test_a_wrong_state_is_named_and_leaves_the_layer(state, error, messages):
    layer = nn.ConvTranspose2d(3, 4, 3, rng=0)
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(error) as caught:
        layer.load_state_dict(state)
    for message in messages:
        assert message in str(caught.value)
    for name, parameter in layer.named_parameters():
        np.testing.assert_array_equal(parameter, before[name])


@pytest.mark.torch
def test_state_goes_to_live_pytorch_and_back(torch):
    theirs = torch.nn.ConvTranspose2d(4, 6, 3, groups=2)
    ours = nn.ConvTranspose2d(4, 6, 3, groups=2, rng=0)
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in ours.state_dict().items()})
    again = nn.ConvTranspose2d(4, 6, 3, groups=2)
    again.load_state_dict(theirs.state_dict())
    np.testing.assert_array_equal(again.weight, ours.weight)
    np.testing.assert_array_equal(again.bias, ours.bias)
    again.load_state_dict(dict(torch.nn.ConvTranspose2d(4, 6, 3, groups=2).bfloat16().named_parameters()))
    assert again.weight.dtype == np.float32
    assert not np.array_equal(again.weight, ours.weight)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copied_layer_leaves_the_kept_arrays_behind(duplicate):
    layer = nn.ConvTranspose2d(3, 4, 3, rng=0)
    x = np.ones((1, 3, 5, 5), np.float32)
    output = layer(x)
    other = duplicate(layer)
    with pytest.raises(RuntimeError, match="needs a forward"):
        other.backward(output)
    np.testing.assert_array_equal(other(x), output)
    other.weight[...] = 0
    assert layer.weight.any()
