"""Transposed convolution by minimal filtering: forced on every case that it can compute."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from math import gcd
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from forgetting import forget_plans

import upsampling as up
from upsampling import _plan_conv, _plan_minimal, reference

# kernel, stride, padding, output_padding: one, two or three taps for each phase
KERNELS = [
    (3, 1, 0, 0), (3, 1, 1, 0), (2, 1, 0, 0), (4, 2, 1, 0), (3, 2, 1, 1), (5, 2, 2, 0), (6, 2, 1, 1), (6, 3, 1, 2),
    (5, 3, 1, 0), (9, 3, 4, 1), (4, 2, 5, 1), (7, 3, 2, 0), (7, 4, 2, 1),
]  # fmt: skip
DILATED = [(3, 1, 2, 0, 2), (2, 1, 0, 0, 3), (3, 2, 0, 1, 4), (3, 2, 3, 0, 3), (4, 3, 1, 0, 2)]
# channels, outputs, input: blocks and tiles that are cut in odd places
SHAPES = [(5, 3, (7, 6, 5)), (70, 33, (4, 11, 19)), (3, 20, (2, 1, 3))]


@pytest.fixture
def forced(monkeypatch):
    """Minimal filtering wherever it can compute the result; gives the plans that were made."""
    monkeypatch.setattr(_plan_minimal, "worth", lambda *_: True)
    monkeypatch.setattr(_plan_conv, "worth_folding", lambda *_: False)
    made = []
    tables = _plan_minimal.tables
    monkeypatch.setattr(_plan_minimal, "tables", lambda *given: made.append(given) or tables(*given))
    forget_plans()
    yield made
    forget_plans()


def arrays(rank: int, channels: int, outputs: int, size: tuple[int, ...], kernel: int, batch: int, dtype: Any) -> list:
    rng = np.random.default_rng(0)
    shapes = ((batch, channels, *size[-rank:]), (channels, outputs, *(kernel,) * rank), (outputs,))
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("outs", [2, 3])
@pytest.mark.parametrize("kernel, stride, padding, extra, dilation", [*((*one, 1) for one in KERNELS), *DILATED])
def test_both_directions_against_the_reference(
    forced, monkeypatch, rank, outs, kernel, stride, padding, extra, dilation
):
    """By groups of two outputs, or of three, where there are such."""
    possible = _plan_minimal._possible
    monkeypatch.setattr(
        _plan_minimal,
        "_possible",
        lambda problem, axes: possible(problem, axes) and outs in {axis.outs for axis in axes},
    )
    options = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation}
    name = f"conv_transpose{rank}d"
    for (channels, outputs, size), dtype in itertools.product(SHAPES, (np.float32, np.float64)):
        x, weight, bias = arrays(rank, channels, outputs, size, kernel, 2, dtype)
        try:
            wanted = getattr(reference, name)(x, weight, bias, **options, dtype=np.float64)
        except ValueError:  # so much padding that nothing is left
            continue
        y = getattr(up, name)(x, weight, bias, **options)
        g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
        mask = {"output_mask": (True, False, False)}
        got = getattr(up, f"{name}_backward")(g, x, weight, **options, **mask)[0]
        exact = getattr(reference, f"{name}_backward")(g, x, weight, **options, **mask, dtype=np.float64)[0]
        for one, other in ((y, wanted), (got, exact)):
            assert np.abs(one - other).max() < 30 * np.finfo(dtype).eps * max(1, np.abs(other).max())
    apart = dilation // gcd(stride, dilation)  # steps between the taps of a phase, each of which is a phase of its own
    phases = stride // gcd(stride, dilation)
    rows = (phases * apart * outs) ** rank
    inexact = rank == 3 and dilation % stride == 0 and (kernel == 2 or dilation > stride)
    assert forced or inexact or rows > _plan_minimal.MOST_PHASES or (outs == 3 and kernel > 2 * phases)


def test_the_case_table(forced):
    """Every case of transposed convolution, most of which it leaves to the direct way."""
    for case in cases.CASES:
        if not case.function.startswith("conv_transpose"):
            continue
        for dtype in {"float32", "float64"} & set(case.dtypes):
            given = cases.arguments(case, dtype)
            got = getattr(up, case.function)(**given)
            wanted = getattr(reference, case.function)(**given)
            for one, other in zip(*((r if isinstance(r, tuple) else (r,)) for r in (got, wanted)), strict=True):
                if one is not None and np.isfinite(other).all():
                    scale = max(1, np.abs(other).max(initial=0))
                    np.testing.assert_allclose(one, other, rtol=0, atol=2e3 * np.finfo(dtype).eps * scale)


@pytest.mark.parametrize("kernel, stride, dilation", [(3, 1, 1), (4, 2, 1), (3, 2, 1), (5, 2, 1), (3, 1, 2), (3, 2, 3)])
def test_the_same_bits_however_it_is_cut(forced, monkeypatch, kernel, stride, dilation):
    x, weight, bias = arrays(2, 70, 33, (0, 17, 21), kernel, 3, np.float32)
    options = {"stride": stride, "dilation": dilation}
    wanted = up.conv_transpose2d(x, weight, bias, **options)
    for n in range(3):
        np.testing.assert_array_equal(up.conv_transpose2d(x[n : n + 1], weight, bias, **options)[0], wanted[n])
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    np.testing.assert_array_equal(up.conv_transpose2d(last, weight, bias, **options), wanted)
    ways = _plan_minimal.layouts_of
    for change in (
        ("SCRATCH", 2**14),
        ("layouts_of", lambda phases: ways(phases)[:1]),
        ("layouts_of", lambda phases: ways(phases)[-1:]),
    ):
        monkeypatch.setattr(_plan_minimal, *change)
        for threads in (1, 8):
            forget_plans()
            with up.num_threads(threads):
                np.testing.assert_array_equal(up.conv_transpose2d(x, weight, bias, **options), wanted)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kernel, stride", [(3, 1), (4, 2), (5, 2)])
def test_what_is_not_finite_stays_where_it_belongs(forced, value, kernel, stride):
    """An image with such a number gets the direct way's bits, the others the bits that they have alone."""
    x, weight, bias = arrays(2, 6, 5, (0, 9, 8), kernel, 3, np.float32)
    clean = up.conv_transpose2d(x, weight, bias, stride=stride)
    x[1, 2, 4, 3] = value
    y = up.conv_transpose2d(x, weight, bias, stride=stride)
    np.testing.assert_array_equal(y[[0, 2]], clean[[0, 2]])
    up.set_minimal_filtering(False)
    try:
        direct = up.conv_transpose2d(x, weight, bias, stride=stride)
        assert 0 < np.isfinite(direct[1]).sum() < direct[1].size
        np.testing.assert_array_equal(y[1], direct[1])
        weight[1, 1, 0, 1] = value
        direct = up.conv_transpose2d(x, weight, bias, stride=stride)
    finally:
        up.set_minimal_filtering(True)
    np.testing.assert_array_equal(up.conv_transpose2d(x, weight, bias, stride=stride), direct)


def test_numbers_too_large_for_the_transforms(forced):
    """Sums that overflow between the transforms alone are computed the direct way."""
    x, weight, _ = arrays(2, 1, 1, (0, 9, 8), 3, 1, np.float32)
    x[...], weight[...] = 1e19, 1e19
    weight[0, 0, 1:], weight[0, 0, :, 1:] = 0, 0
    y = up.conv_transpose2d(x, weight)
    np.testing.assert_allclose(y, reference.conv_transpose2d(x, weight), rtol=1e-6)
    assert np.isfinite(y).all()


def test_where_it_is_taken():
    """By channels, kernel, stride and plane; neither by batch and threads nor by what it is not made for."""

    def taken(shape: tuple[int, ...], outputs: int, kernel: int, dtype: Any = np.float32, **options: Any) -> bool:
        x, weight = np.ones(shape, dtype), np.ones((shape[1], outputs, kernel, kernel), dtype)
        seen = []
        run = _plan_conv.plan
        forget_plans()
        _plan_conv.plan = lambda problem: seen.append(run(problem)) or seen[-1]
        try:
            up.conv_transpose2d(x, weight, **options)
        finally:
            _plan_conv.plan = run
        return any(part.minimal for part in seen[0].passes)

    assert taken((1, 64, 40, 40), 64, 3)
    assert taken((1, 128, 64, 64), 64, 4, stride=2, padding=1)
    for batch, threads in ((1, 4), (3, 1)):
        with up.num_threads(threads):
            assert taken((batch, 64, 40, 40), 64, 3)
    assert not taken((8, 64, 4, 4), 64, 3)
    assert not taken((1, 4, 40, 40), 64, 3)
    assert taken((1, 64, 40, 40), 64, 3, dilation=2)
    assert not taken((1, 64, 40, 40), 64, 3, dilation=4)
    assert not taken((1, 64, 40, 40), 64, 7)
    assert not taken((1, 64, 40, 40), 1, 3, groups=64)
    assert not taken((1, 64, 40, 40), 64, 3, np.int64)
    up.set_minimal_filtering(False)
    try:
        assert not taken((1, 64, 40, 40), 64, 3)
    finally:
        up.set_minimal_filtering(True)


def test_the_environment_variable():
    text = "import upsampling; from upsampling import _conv_minimal; print(_conv_minimal.allowed())"
    for value, wanted in (("0", "False"), ("1", "True")):
        path = str(Path(up.__file__).parent.parent)
        environment = os.environ | {"UPSAMPLING_MINIMAL_FILTERING": value, "PYTHONPATH": path}
        # Not from the folder above: its upsampling/ would hide the installed package.
        done = subprocess.run(
            [sys.executable, "-c", text],
            env=environment,
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == wanted


@pytest.mark.parametrize("kernel, stride, bound", [(3, 1, 2.6e-7), (4, 2, 2.4e-7), (2, 1, 2.4e-7), (6, 2, 2.6e-7)])
@pytest.mark.parametrize("channels", [64, 512])
def test_accuracy(forced, channels, kernel, stride, bound):
    """Root mean square errors of one rounding or two: PyTorch's are 1.5 to 2.4e-7 on the same layers."""
    x, weight, _ = arrays(2, channels, 8, (0, 20, 20), kernel, 1, np.float32)
    exact = reference.conv_transpose2d(x, weight, stride=stride, dtype=np.float64)
    error = up.conv_transpose2d(x, weight, stride=stride) - exact
    assert np.sqrt(np.mean(error**2) / np.mean(exact**2)) < bound
