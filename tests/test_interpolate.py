"""Resampling: tables, PyTorch's coordinate arithmetic, rounding, and messages."""

from __future__ import annotations

import numpy as np
import pytest
from forgetting import forget_plans

import upsampling as up
from upsampling import _plan_resample, _resample, reference
from upsampling._plan_resample import Axis


def dense(table: _plan_resample.AxisTable) -> np.ndarray:
    matrix = np.zeros((table.size_out, table.size_in))
    for o, (start, count) in enumerate(zip(table.start, table.count, strict=True)):
        assert start >= 0
        assert start + count <= table.size_in
        matrix[o, start : start + count] = table.weights[o, :count]
    return matrix


@pytest.mark.parametrize("kind, antialias", [("linear", 0), ("bicubic", 0), ("lanczos", 0), ("area", 0),
                                             ("linear", 1), ("bicubic", 1), ("lanczos", 1)])  # fmt: skip
def test_windows_are_inside_weights_sum_to_one_and_the_transpose_is_exact(kind, antialias):
    for size_in, size_out in [(1, 5), (5, 1), (2, 9), (7, 12), (12, 7), (100, 3), (3, 100), (31, 32)]:
        table = _plan_resample.table(Axis(kind, size_in, size_out, antialias=bool(antialias)))
        matrix = dense(table)
        np.testing.assert_allclose(matrix.sum(1), 1, rtol=0, atol=1e-13)
        np.testing.assert_array_equal(dense(_plan_resample.transposed(table)), matrix.T)


def test_nearest_indices_are_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    pairs = [(62, 224), (18, 57), (62, 7), (2, 41), (2, 141), *map(tuple, rng.integers(1, 300, (300, 2)).tolist())]
    for mode in ("nearest", "nearest-exact"):
        for dtype in ("float32", "float64"):
            for size_in, size_out in pairs:
                line = np.arange(size_in, dtype=dtype).reshape(1, 1, size_in)
                for x, size in ((line, [size_out]), (line[..., None], [size_out, 1])):
                    wanted = torch.nn.functional.interpolate(torch.from_numpy(x), size, mode=mode).numpy()
                    np.testing.assert_array_equal(up.interpolate(x, size, mode=mode), wanted)


def test_uint8_in_two_dimensions_is_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    for mode, antialias in (("bilinear", 0), ("bicubic", 0), ("bilinear", 1), ("bicubic", 1), ("lanczos", 1)):
        for _ in range(15):
            channels, *sizes = rng.integers(2, 40, 5)
            x = rng.integers(0, 256, (2, channels % 5 + 1, *sizes[:2]), np.uint8)
            options = {"size": [int(size) for size in sizes[2:]], "mode": mode, "antialias": bool(antialias)}
            wanted = torch.nn.functional.interpolate(torch.from_numpy(x), **options).numpy()
            np.testing.assert_array_equal(up.interpolate(x, **options), wanted)
            np.testing.assert_array_equal(reference.interpolate(x, **options), wanted)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_uint8_bands_may_begin_with_a_window_of_few_taps(mode, threads_forced):
    """Where an output is at an input's centre, most weights are 0: its window begins later than the next one's."""
    x = np.random.default_rng(2).integers(0, 256, (1, 5, 21, 43), np.uint8)
    for layout in (x, np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)):
        with up.num_threads(1):
            wanted = up.interpolate(layout, (49, 256), mode=mode, antialias=True)
        for threads in (2, 3, 8):
            with up.num_threads(threads):
                np.testing.assert_array_equal(up.interpolate(layout, (49, 256), mode=mode, antialias=True), wanted)


def test_equal_sizes_with_a_scale_factor():
    x = np.arange(4.0).reshape(1, 1, 4)
    np.testing.assert_array_equal(up.interpolate(x, scale_factor=1.1)[0, 0], [0, 0, 1, 2])
    np.testing.assert_array_equal(up.interpolate(x, scale_factor=1.1, recompute_scale_factor=True), x)
    np.testing.assert_array_equal(up.interpolate(x, scale_factor=1.1, mode="linear"), x)
    assert not np.array_equal(up.interpolate(x, scale_factor=1.1, mode="bicubic"), x)


def test_integers_round_halves_up():
    x = np.array([[[-3, -2, 2, 3, 0, 3, 3, 3, 0, 0, 0, 0]]], np.int8)
    np.testing.assert_array_equal(up.interpolate(x, size=6, mode="area")[0, 0], [-2, 3, 2, 3, 0, 0])
    sums = np.array([[[0, 0, 0, 1, 1, 1]]], np.uint16)
    np.testing.assert_array_equal(up.interpolate(sums, size=1, mode="area")[0, 0], [1])


def test_half_precision_is_converted_right():
    bits = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(1, 1, -1, 1)
    got = up.interpolate(bits, size=(2**16, 2), mode="area")[..., 1:]
    np.testing.assert_array_equal(got, bits)


@pytest.mark.parametrize("options, error, message", [
    ({}, ValueError, "exactly one of size and scale_factor"),
    ({"size": 2, "scale_factor": 2}, ValueError, "exactly one of size and scale_factor"),
    ({"size": 0}, ValueError, "size"),
    ({"size": True}, TypeError, "size"),
    ({"size": 2.0}, TypeError, "size"),
    ({"size": (2,)}, ValueError, "size must be a number or 2"),
    ({"scale_factor": float("nan")}, ValueError, "scale_factor"),
    ({"scale_factor": -1.0}, ValueError, "scale_factor"),
    ({"scale_factor": 1e30}, ValueError, "scale_factor must give sizes below"),
    ({"scale_factor": 0.1}, ValueError, "scale_factor must give sizes of at least 1"),
    ({"size": 3, "mode": "linear"}, ValueError, "3 dimensions"),
    ({"size": 3, "align_corners": False}, ValueError, "align_corners must be None"),
    ({"size": 3, "mode": "lanczos", "align_corners": True}, ValueError, "align_corners"),
    ({"size": 3, "mode": "area", "antialias": True}, ValueError, "antialias must be False"),
    ({"size": 3, "recompute_scale_factor": True}, ValueError, "recompute_scale_factor"),
    ({"size": 3, "mode": "cubic"}, ValueError, "mode must be one of"),
    ({"size": 2**40}, MemoryError, None),
])  # fmt: skip
def test_messages(options, error, message):
    with pytest.raises(error, match=message):
        up.interpolate(np.zeros((1, 1, 4, 4)), **options)


def test_a_dtype_that_cannot_be_averaged():
    with pytest.raises(TypeError, match=r"float16.*int32"):
        up.interpolate(np.zeros((1, 1, 4), np.int32), size=3, mode="linear")
    with pytest.raises(TypeError, match=r"float16.*uint8"):
        up.interpolate_backward(np.zeros((1, 1, 4), np.uint8), (1, 1, 2), size=4)
    with pytest.raises(ValueError, match="grad_output must have shape"):
        up.interpolate_backward(np.zeros((1, 1, 4)), (2,), size=5)


@pytest.mark.parametrize("kind", ["linear", "bicubic", "lanczos", "area", "nearest", "nearest-exact"])
@pytest.mark.parametrize("sizes", [(9, 50), (50, 9), (31, 30)])
def test_tables_of_long_axes_are_made_in_blocks(kind, sizes, monkeypatch):
    def made() -> list[np.ndarray]:
        if kind.startswith("nearest"):
            return [_plan_resample._indices(Axis(kind, *sizes), arithmetic) for arithmetic in ("small", "double")]
        flags = [False, True] if kind != "area" else [False]
        tables = [_plan_resample._build(Axis(kind, *sizes, antialias=a), np.float32, np.float64) for a in flags]
        tables += [_plan_resample.transposed(table) for table in tables]
        return [array for table in tables for array in (table.start, table.count, table.weights)]

    whole = made()
    monkeypatch.setattr(_plan_resample, "BLOCK", 100)
    for one, other in zip(whole, made(), strict=True):
        assert (one.dtype, len(one)) == (other.dtype, len(other))
        if one.ndim == 2:  # taps that no output has may follow
            assert not other[:, one.shape[1] :].any()
            other = other[:, : one.shape[1]]
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("layer", [up, reference], ids=["fast", "reference"])
@pytest.mark.parametrize(
    "size, options, wanted",
    [
        ((1, 6), {"mode": "bilinear"}, [1, 1.25, 1.75, np.inf, np.inf, np.inf]),
        ((2, 3), {"mode": "bilinear"}, [1, 2, np.inf] * 2),
        ((3, 3), {"mode": "bicubic"}, [1, 2, np.inf] * 3),
        ((1, 9), {"mode": "bilinear", "antialias": True}, [1, 1, 4 / 3, 5 / 3, 2, np.inf, np.inf, np.inf, np.inf]),
    ],
)
def test_an_infinite_input_spoils_what_it_is_part_of_alone(layer, size, options, wanted):
    """Weights of one input are added up before they meet it, and the zeros at a filter's ends are left out."""
    result = layer.interpolate(np.array([[[[1.0, 2.0, np.inf]]]]), size=size, **options)
    np.testing.assert_allclose(result.ravel(), wanted)


@pytest.mark.parametrize("each", [1, 2, _plan_resample.BY_PIXELS])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("size", [(40, 90), (23, 61), (9, 25), (70, 16), (3, 5), (21, 1900)])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "area", "lanczos"])
def test_windows_of_single_taps_have_the_bits_of_windows_of_all(each, dtype, size, mode, monkeypatch):
    taken = []

    def forced(_windows: int, own: int, pixel: int, vector: int) -> int:
        fits = pixel == 16 if each == _plan_resample.BY_PIXELS else own <= each
        taken.append(fits and vector > 16)
        return each if taken[-1] else 0

    def all_layouts() -> list[bytes]:
        forget_plans()
        last = [np.moveaxis(np.moveaxis(x[:, :n], 1, -1).copy(), -1, 1) for n in (1, 2, 3, 4)]
        arrays = [x[:, :1], *last]
        return [up.interpolate(a, size=size, mode=mode, antialias=mode == "lanczos").tobytes() for a in arrays]

    x = np.random.default_rng(0).standard_normal((2, 4, 21, 45)).astype(dtype)
    x[0, 1, 7, 9] = np.inf
    x[1, :, 3:9] = -0.0
    monkeypatch.setattr(_plan_resample, "_each", lambda *_: 0)
    wanted = all_layouts()
    monkeypatch.setattr(_plan_resample, "_each", forced)
    found = all_layouts()
    forget_plans()
    if not any(taken):
        pytest.skip("no axis has windows that this way is for")
    assert found == wanted


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("space, size", [
    ((7, 7), (14, 14)), ((4, 5), (4, 10)), ((4, 5), (9, 5)), ((8, 8), (5, 3)), ((3, 16), (6, 40)),
    ((2, 3, 5), (4, 3, 9)), ((2, 4, 4), (1, 8, 8)), ((40,), (31,)), ((9, 36), (18, 31)), ((18, 18), (36, 36)),
])  # fmt: skip
def test_nearest_of_many_small_planes(monkeypatch, dtype, space, size):
    """Rows of a plane are taken for one where they are short; in threads, and by pixels of several channels."""
    x = (np.random.default_rng(0).standard_normal((45, 4, *space)) * 50).astype(dtype)
    planes = []
    places = _resample._places
    monkeypatch.setattr(_resample, "_places", lambda *given: planes.append(places(*given)) or planes[-1])
    for mode in ("nearest", "nearest-exact"):
        for channels in (1, 2, 3, 4):
            given = np.ascontiguousarray(x[:, :channels])
            wanted = reference.interpolate(given, size, mode=mode)
            last = np.moveaxis(np.ascontiguousarray(np.moveaxis(given, 1, -1)), -1, 1)
            for threads in (1, 3):
                with up.num_threads(threads):
                    for layout in (given, last):
                        result = np.full_like(wanted, 1)
                        up.interpolate(layout, size, mode=mode, out=result)
                        np.testing.assert_array_equal(result, wanted)
                        np.testing.assert_array_equal(up.interpolate(layout, size, mode=mode), wanted)
    if space == (7, 7):
        assert any(one is not None for one in planes)
    if dtype == "float16" and space == (18, 18):  # a vector may hold both ends of a row, further apart than two reach
        assert all(one is None for one in planes)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int16"])
@pytest.mark.parametrize("space, size, mode, more", [
    ((7, 7), (14, 14), "bilinear", {}), ((4, 5), (4, 10), "bilinear", {}), ((4, 5), (9, 5), "bicubic", {}),
    ((8, 8), (5, 3), "area", {}), ((3, 16), (6, 9), "bilinear", {"align_corners": True}),
    ((1, 2), (3, 1), "bicubic", {}), ((2, 3, 5), (4, 3, 9), "trilinear", {}), ((2, 4, 4), (1, 8, 8), "trilinear", {}),
    ((9, 8), (4, 3), "bilinear", {"antialias": True}), ((6, 7), (13, 20), "lanczos", {"antialias": True}),
])  # fmt: skip
def test_many_small_planes(monkeypatch, dtype, space, size, mode, more):
    """Planes that are resampled abreast have the bits that they have one by one, and so have their gradients."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((3, 37, *space)) * 50).astype(dtype)
    floats = x.dtype.kind == "f"
    if floats:
        x[1, 5], x[2, 36] = np.nan, np.inf
    monkeypatch.setattr(_resample, "SHORT_ROWS", 100)
    forget_plans()

    def results() -> list[np.ndarray]:
        y = up.interpolate(x, size, mode=mode, **more)
        g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
        return [y, up.interpolate_backward(g, x.shape, size, mode=mode, **more)] if floats else [y]

    made = results()
    for threads in (1, 2, 5):
        with up.num_threads(threads):
            for one, other in zip(results(), made, strict=True):
                np.testing.assert_array_equal(one, other)
    calls = []
    small = _resample._are_small
    monkeypatch.setattr(_resample, "_are_small", lambda *given: calls.append(small(*given)) or False)
    forget_plans()
    for one, other in zip(results(), made, strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(calls) == {space[:-1] != size[:-1]}
    forget_plans()
    wanted = reference.interpolate(x[:1], size, mode=mode, **more)
    np.testing.assert_allclose(made[0][:1], wanted, rtol=np.finfo(dtype).eps * 50 if floats else 0, atol=0.01)
