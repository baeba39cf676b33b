"""resize: Pillow's bits, the reference's bits in integers, layouts, `out`, and what is refused."""

from __future__ import annotations

from importlib import import_module

import bounds
import numpy as np
import pytest
from layouts import LAYOUTS, plain

import upsampling as up
from upsampling import _kernels, _resize_args, reference, sizes

FILTERS = ("box", "bilinear", "hamming", "bicubic", "lanczos")
MODES = ("nearest", *FILTERS)
INTEGERS = ("uint8", "int8", "uint16", "int16")


def integers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    """Noise over the whole range, or only its two ends, which makes the filters overshoot."""
    limits = np.iinfo(dtype)
    if rng.random() < 0.3:
        return rng.choice(np.array([limits.min, limits.max], dtype), shape)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def extent(rng: np.random.Generator) -> int:
    return int(rng.integers(1, rng.choice([6, 60, 301])))


# ---------------------------------------------------------------- Pillow


@pytest.fixture
def pillow():
    image = pytest.importorskip("PIL.Image")
    from PIL import __version__

    image.rows_first_always = int(__version__.split(".")[0]) < 13
    return image


def by_pillow(pillow, pixels: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:
    """Pillow's result: RGB and CMYK as such, other numbers of channels one by one."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 0
    filter_ = pillow.Resampling[mode.upper()]
    if channels in (0, 3, 4):
        kind = {0: "L", 3: "RGB", 4: "CMYK"}[channels]
        image = pillow.frombytes(kind, pixels.shape[1::-1], pixels.tobytes())
        return np.asarray(image.resize(size[::-1], filter_))
    return np.stack([by_pillow(pillow, plain(pixels[..., c]), size, mode) for c in range(channels)], -1)


@pytest.mark.parametrize("mode", MODES)
def test_uint8_has_pillows_bits(pillow, mode, threads_forced):
    """Sixty random sizes for each filter, with one to five channels and several threads."""
    rng = np.random.default_rng([13, MODES.index(mode)])
    for case in range(60):
        shape, size = (extent(rng), extent(rng)), (extent(rng), extent(rng))
        if case % 10 == 0:
            size = (shape[0], size[1])
        if case % 10 == 1:
            size = (size[0], shape[1])
        if pillow.rows_first_always and mode != "nearest" and _resize_args.columns_first(shape, size):
            continue
        channels = (0, 3, 1, 4, 2, 5)[case % 6]
        pixels = integers(rng, (*shape, channels) if channels else shape)
        wanted = by_pillow(pillow, pixels, size, mode)
        with up.num_threads((1, 2, 3, 8)[case % 4]):
            got = up.resize(pixels, size, mode=mode)
        bounds.same_bits(got, wanted, f"{pixels.shape} to {size}")


EXTREMES = [
    ((400, 500), (7, 11)),
    ((2000, 50), (10, 40)),
    ((50, 4000), (40, 10)),
    ((1, 5000), (1, 3)),
    ((5000, 1), (3, 1)),
    ((1, 1), (30, 40)),
    ((300, 200), (1, 1)),
    ((1, 7), (50, 3)),
    ((33, 1), (1, 70)),
    ((3, 30000), (5, 2)),
    ((30000, 3), (2, 3)),
    ((5, 3), (1000, 2)),
    ((64, 64), (64, 64)),
]


@pytest.mark.parametrize("shape, size", EXTREMES)
def test_extreme_sizes_have_pillows_bits(pillow, shape, size, threads_forced):
    pixels = integers(np.random.default_rng(3), (*shape, 3))
    for mode in MODES:
        if pillow.rows_first_always and mode != "nearest" and _resize_args.columns_first(shape, size):
            continue
        wanted = by_pillow(pillow, pixels, size, mode)
        for threads in (1, 3):
            with up.num_threads(threads):
                bounds.same_bits(up.resize(pixels, size, mode=mode), wanted, mode)


def test_transparent_pictures_are_resized_channel_by_channel(pillow):
    """Pillow weights RGBA's colours by alpha; the same by hand gives the same."""
    pixels = integers(np.random.default_rng(4), (20, 30, 4))
    image = pillow.frombytes("RGBA", (30, 20), pixels.tobytes())
    bands = [by_pillow(pillow, plain(pixels[..., c]), (40, 13), "bicubic") for c in range(4)]
    bounds.same_bits(up.resize(pixels, (40, 13)), np.stack(bands, -1))
    weighted = up.resize(np.asarray(image.convert("RGBa")), (40, 13))
    weighted = pillow.frombytes("RGBa", (13, 40), weighted.tobytes()).convert("RGBA")
    bounds.same_bits(np.asarray(weighted), np.asarray(image.resize((13, 40), pillow.Resampling.BICUBIC)))


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("shape, size", [((40, 50), (77, 23)), ((300, 200), (30, 30))])
def test_floats_and_16_bits_are_near_pillows(pillow, mode, shape, size):
    pixels = np.random.default_rng(5).integers(20000, 40000, shape).astype(np.uint16)
    filter_ = pillow.Resampling[mode.upper()]
    deep = np.asarray(pillow.fromarray(pixels).resize(size[::-1], filter_)).astype(np.int64)
    assert np.abs(up.resize(pixels, size, mode=mode) - deep).max() <= 1
    floats = pixels.astype(np.float32)
    wanted = np.asarray(pillow.fromarray(floats).resize(size[::-1], filter_))
    np.testing.assert_allclose(up.resize(floats, size, mode=mode), wanted, rtol=2e-6)


def test_frozen_results_of_pillow_13_0_0():
    """The picture p[y, x] = (37 y + 91 x + 11 x y) mod 256 of 6 x 5 pixels, by Image.resize of Pillow 13.0.0."""
    y, x = np.mgrid[:6, :5]
    picture = ((37 * y + 91 * x + 11 * x * y) % 256).astype(np.uint8)
    for (mode, size), rows in FROZEN.items():
        bounds.same_bits(up.resize(picture, size, mode=mode), np.array(rows, np.uint8), mode)
        bounds.same_bits(reference.resize(picture, size, mode=mode), np.array(rows, np.uint8), mode)


FROZEN = {
    ("nearest", (4, 7)): [[0, 91, 91, 182, 17, 17, 108], [74, 187, 187, 44, 157, 157, 14],
     [111, 235, 235, 103, 227, 227, 95],
     [185, 75, 75, 221, 111, 111, 1]],
    ("box", (4, 3)): [[67, 212, 101], [131, 44, 86], [131, 133, 135], [130, 221, 56]],
    ("box", (3, 7)): [[19, 115, 115, 212, 52, 52, 149], [93, 211, 211, 74, 192, 192, 55],
     [167, 51, 51, 192, 76, 76, 89]],
    ("bilinear", (4, 3)): [[55, 147, 98], [113, 135, 107], [137, 135, 132], [122, 142, 74]],
    ("bilinear", (3, 7)): [[26, 83, 143, 188, 102, 94, 129], [93, 142, 158, 106, 145, 129, 87],
     [159, 112, 106, 179, 121, 94, 89]],
    ("hamming", (4, 3)): [[45, 161, 95], [106, 116, 92], [142, 135, 138], [132, 168, 65]],
    ("hamming", (3, 7)): [[21, 85, 127, 205, 72, 85, 143], [93, 164, 188, 83, 171, 142, 64],
     [164, 94, 72, 188, 94, 84, 89]],
    ("bicubic", (4, 3)): [[52, 152, 97], [114, 141, 104], [139, 135, 136], [121, 141, 72]],
    ("bicubic", (3, 7)): [[14, 71, 150, 196, 88, 82, 138], [87, 154, 172, 93, 157, 138, 78],
     [171, 102, 91, 186, 117, 85, 91]],
    ("lanczos", (4, 3)): [[52, 153, 96], [117, 153, 102], [138, 132, 135], [119, 137, 75]],
    ("lanczos", (3, 7)): [[12, 60, 165, 197, 86, 74, 139], [82, 160, 175, 91, 158, 146, 79],
     [178, 97, 88, 187, 125, 78, 93]],
}  # fmt: skip


# ---------------------------------------------------------------- the reference


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_have_the_references_bits(dtype, antialias, threads_forced):
    rng = np.random.default_rng([7, INTEGERS.index(dtype), antialias])
    for case in range(40):
        shape, size = (extent(rng) // 2 + 1, extent(rng) // 4 + 1), (extent(rng) // 4 + 1, extent(rng) // 2 + 1)
        mode = (*MODES, "area")[case % 7]
        pixels = integers(rng, (*shape, case % 5) if case % 5 else shape, dtype)
        with up.num_threads((1, 2, 3, 8)[case % 4]):
            got = up.resize(pixels, size, mode=mode, antialias=antialias)
        wanted = reference.resize(pixels, size, mode=mode, antialias=antialias)
        bounds.same_bits(got, wanted, f"{mode}, {pixels.shape} to {size}")


def use(isa, monkeypatch):
    """Let kernels of an instruction set run."""
    monkeypatch.setattr(_kernels, "load", lambda name, kind: import_module(f"upsampling._kernels.{name}_{kind}_{isa}"))


BYTEWISE = ["bytewise"] if "avx512" in _kernels.available() and _kernels.cpu.bytewise() else []


@pytest.mark.parametrize("isa", [*_kernels.available(), *BYTEWISE])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_instruction_set_and_thread_count_gives_the_same_bits(dtype, isa, monkeypatch, threads_forced):
    rng = np.random.default_rng(8)
    examples = [
        ((70, 90, 3), (155, 61)), ((120, 31), (33, 200)), ((64, 257, 4), (17, 64)), ((9, 2000, 2), (30, 5)),
        ((90, 8, 5), (20, 8)), ((2, 300), (7, 299)), ((31, 40, 130), (16, 50)), ((30, 700, 3), (40, 150)),
        ((61, 200, 3), (122, 400)), ((40, 33), (80, 1000)), ((50, 260, 4), (100, 250)), ((20, 600, 3), (9, 37)),
    ]  # fmt: skip
    pictures = [(integers(rng, shape, dtype), size) for shape, size in examples]
    wanted = [reference.resize(pixels, size) for pixels, size in pictures]
    use(isa, monkeypatch)
    for threads in (1, 2, 3, 8):
        with up.num_threads(threads):
            for (pixels, size), exact in zip(pictures, wanted, strict=True):
                bounds.same_bits(up.resize(pixels, size), exact, f"{pixels.shape} to {size}")


@pytest.mark.parametrize("isa", [*_kernels.available(), *BYTEWISE])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_largest_sums_do_not_overflow(dtype, isa, monkeypatch):
    """Pixels of the two extreme values only, alike for long and by chance, with hundreds of taps on each axis."""
    rng = np.random.default_rng(13)
    use(isa, monkeypatch)
    for shape, size in [((1300, 40), (2, 30)), ((40, 1300), (30, 2)), ((3, 4000), (2, 3)), ((3, 900, 3), (2, 4))]:
        for pattern in (rng.random(shape) < 0.5, np.ones(shape, bool), np.zeros(shape, bool)):
            pattern[: shape[0] // 2, shape[1] // 2 :] = True
            pixels = (pattern * np.iinfo(dtype).max).astype(dtype)
            bounds.same_bits(up.resize(pixels, size, mode="lanczos"), reference.resize(pixels, size, mode="lanczos"))


@pytest.mark.parametrize("isa", [*_kernels.available(), *BYTEWISE])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_grey_pixels_far_apart(mode, antialias, isa, monkeypatch):
    """Rows of one channel shrunk by so much that what neighbours are made of does not lie in one window."""
    use(isa, monkeypatch)
    for dtype in ("uint8", "uint16", "int8"):
        for shape, size in [((23, 400), (11, 33)), ((5, 401), (4, 7)), ((9, 131), (12, 61)), ((30, 19, 1), (7, 2))]:
            pixels = integers(np.random.default_rng(14), shape, dtype)
            wanted = reference.resize(pixels, size, mode=mode, antialias=antialias)
            bounds.same_bits(up.resize(pixels, size, mode=mode, antialias=antialias), wanted, f"{shape} to {size}")


@pytest.mark.parametrize("shape", [(6000, 2000), (6000, 2000, 3)])
def test_columns_first_and_far_apart(shape):
    """Of a row that was made across, no more than what outputs are made of is there to be read."""
    for dtype in ("uint8", "uint16"):
        pixels = integers(np.random.default_rng(15), shape, dtype)
        wanted = reference.resize(pixels, (9, 3), mode="bilinear", antialias=False)
        bounds.same_bits(up.resize(pixels, (9, 3), mode="bilinear", antialias=False), wanted)


@pytest.mark.long
@pytest.mark.parametrize("width", [2**30 - 1, 2**30, 2**30 + 1])
def test_rows_of_more_bytes_than_32_bits_count(width):
    """Two pixels of a row decide each of these outputs; the rest of 2 GiB is not even touched."""
    pixels = np.zeros((1, width), np.uint16)
    pixels[0, width * 15 // 16 - 5 : width * 15 // 16 + 5] = 40000
    assert up.resize(pixels, (1, 8), mode="bilinear", antialias=False).tolist() == [[0] * 7 + [40000]]


def test_a_pixels_reach_beyond_any_tile():
    """One output of 130 channels from 5000 pixels, and one row alone, are computed without a tile."""
    pixels = integers(np.random.default_rng(9), (4, 5000, 130))
    bounds.same_bits(up.resize(pixels, (5, 1)), reference.resize(pixels, (5, 1)))
    bounds.same_bits(up.resize(pixels[:1], (1, 3)), reference.resize(pixels[:1], (1, 3)))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int16"])
@pytest.mark.parametrize("mode", [*FILTERS, "area"])
def test_one_value_stays_what_it_is(dtype, mode):
    """Weights add up to 1 exactly, however many there are."""
    for value in (np.iinfo(dtype).max, np.iinfo(dtype).min, 77):
        picture = np.full((3, 12345), value, dtype)
        for size in ((2, 1), (7, 13), (5, 12346)):
            assert (up.resize(picture, size, mode=mode) == value).all()


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos", "area"])
def test_without_antialias_it_is_interpolate(mode):
    rng = np.random.default_rng(10)
    for shape, size in (((9, 13, 3), (31, 6)), ((40, 30, 3), (7, 11))):
        floats = rng.standard_normal(shape).astype(np.float32)
        # Far enough from the ends of the range that nothing is saturated between the two steps.
        whole = [rng.integers(60, 190, shape).astype(np.uint8), rng.integers(-9000, 9000, shape).astype(np.int16)]
        for pixels in (floats, floats.astype(np.float64), *whole):
            wanted = up.interpolate(np.moveaxis(pixels, -1, 0)[None], size, mode=mode)[0]
            got = np.moveaxis(up.resize(pixels, size, mode=mode, antialias=False), -1, 0)
            if pixels.dtype.kind == "f":
                bounds.same_bits(got, wanted, mode)
            else:
                assert np.abs(got.astype(int) - wanted).max() <= 1


def test_box_without_antialias_is_the_pixel_under_the_centre():
    picture = np.arange(12, dtype=np.uint8)[None]
    assert up.resize(picture, (1, 4), mode="box", antialias=False).tolist() == [[1, 4, 7, 10]]
    assert up.resize(picture / 1.0, (1, 4), mode="box", antialias=False).tolist() == [[1, 4, 7, 10]]
    assert up.resize(picture, (1, 4), mode="box").tolist() == [[1, 4, 7, 10]]


@pytest.mark.parametrize("mode", MODES)
def test_one_float_pixel_of_several_channels(mode):
    picture = np.array([[[1.5, -2.0, np.nan]]], np.float32)
    for antialias in (True, False):
        result = up.resize(picture, (3, 2), mode=mode, antialias=antialias)
        bounds.same_bits(result, np.broadcast_to(picture, (3, 2, 3)).copy())
        assert result.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "uint64", "complex64", "datetime64[s]", "i2,u1", ">i4"])
def test_nearest_moves_any_dtype(dtype):
    codes = np.random.default_rng(11).integers(0, 2, (9, 7, 3))
    picture = codes.astype(dtype)
    got = up.resize(picture, (21, 4), mode="nearest")
    bounds.same_bits(got, up.resize(codes, (21, 4), mode="nearest").astype(got.dtype))
    assert got.dtype.isnative


# ---------------------------------------------------------------- layouts and out


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "float32", "float16", "float64"])
@pytest.mark.parametrize("mode", ["bicubic", "nearest"])
def test_layouts_and_crops(dtype, mode):
    rng = np.random.default_rng(12)
    for shape in ((17, 23), (17, 23, 3)):
        large = (rng.random((40, 50, *shape[2:])) * 100).astype(dtype)
        views = [large[5:22, 20:43], large[22:5:-1, 20:43], large[5:22, 43:20:-1], large[:34:2, :46:2]]
        views += [layout(plain(views[0])) for layout in LAYOUTS.values()]
        views.append(np.swapaxes(plain(np.swapaxes(views[0], 0, 1)), 0, 1))
        for view in views:
            before = plain(view)
            result = up.resize(view, (30, 11), mode=mode)
            bounds.same_bits(result, up.resize(plain(view), (30, 11), mode=mode))
            bounds.same_bits(plain(view), before)
            assert result.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("mode", ["lanczos", "nearest"])
def test_out(dtype, mode):
    picture = (np.random.default_rng(13).random((20, 30, 3)) * 100).astype(dtype)
    wanted = up.resize(picture, (7, 9), mode=mode)
    memory = np.zeros((14, 20, 4), dtype)
    for out in (memory[:7, :9, :3], memory[::-2, 17::-2, 2::-1], np.zeros((3, 9, 7), dtype).transpose(2, 1, 0)):
        assert up.resize(picture, (7, 9), mode=mode, out=out) is out
        bounds.same_bits(plain(out), wanted)
    swapped = wanted.astype(wanted.dtype.newbyteorder("S"))
    swapped[...] = 0
    bounds.same_bits(plain(up.resize(picture, (7, 9), mode=mode, out=swapped)), wanted)
    inside = picture.copy()
    bounds.same_bits(plain(up.resize(inside, (7, 9), mode=mode, out=inside[3:10, 4:13])), wanted)
    same = picture.copy()
    bounds.same_bits(up.resize(same, (20, 30), mode=mode, out=same), picture)


def test_an_equal_size_is_a_copy():
    for dtype in ("uint8", "int16", "float32"):
        picture = np.arange(12, dtype=dtype).reshape(3, 4)
        result = up.resize(picture, (3, 4))
        bounds.same_bits(result, picture)
        assert not np.shares_memory(result, picture)


# ---------------------------------------------------------------- sizes and errors


def test_scale_rounds_to_the_nearest_extent():
    assert up.resize(np.zeros((5, 7), np.uint8), scale=0.5).shape == (2, 4)
    assert up.resize(np.zeros((5, 7), np.uint8), scale=(0.01, 2)).shape == (1, 14)
    assert sizes.resize_output_size((300, 451), scale=0.5) == (150, 226)
    assert sizes.resize_output_size([np.int64(3), 4], size=9) == (9, 9)


PICTURE = np.zeros((4, 5), np.uint8)
WRONG = [
    ({}, ValueError, "exactly one of size and scale must be given, got neither"),
    ({"size": (2, 2), "scale": 2}, ValueError, "exactly one of size and scale must be given, got both"),
    ({"size": True}, TypeError, "size must be an integer, got the bool True"),
    ({"size": (2.0, 2)}, TypeError, r"size\[0\] must be an integer, got 2.0"),
    ({"size": (2, 0)}, ValueError, r"size\[1\] must be from 1 to 2\*\*63 - 1, got 0"),
    ({"size": (-1, 2)}, ValueError, r"size\[0\] must be from 1"),
    ({"size": (1, 2, 3)}, ValueError, r"size must be an integer or 2 of them, got \(1, 2, 3\)"),
    ({"size": "ab"}, TypeError, "size must be an integer, got 'ab'"),
    ({"size": (2**63, 1)}, ValueError, r"size\[0\] must be from 1"),
    ({"size": (2**62, 2**62)}, MemoryError, "does not fit in memory"),
    ({"size": (2**45, 1)}, MemoryError, "does not fit in memory"),
    ({"size": (1, 2**45), "mode": "nearest"}, MemoryError, "does not fit in memory"),
    ({"image": PICTURE / 1.0, "size": (2**45, 1)}, MemoryError, "does not fit in memory"),
    ({"scale": float("nan")}, ValueError, "scale must be finite and above 0, got nan"),
    ({"scale": 0}, ValueError, "scale must be finite and above 0, got 0"),
    ({"scale": 1e300}, ValueError, r"scale must give an extent below 2\*\*63, got 1e\+300 for 4 pixels"),
    ({"scale": True}, TypeError, "scale must be a number, got True"),
    ({"scale": (1, 2, 3)}, ValueError, "scale must be a number or 2 of them"),
    ({"size": 2, "mode": "cubic"}, ValueError, "mode must be one of nearest, box, .*, got 'cubic'"),
    ({"size": 2, "mode": 3}, TypeError, "mode must be a string"),
    ({"size": 2, "antialias": 1}, TypeError, "antialias must be True or False, got 1"),
    ({"image": PICTURE[0], "size": 2}, ValueError, r"image must have 2 or 3 dimensions, got shape \(5,\)"),
    ({"image": PICTURE[:0], "size": 2}, ValueError, r"image must have a height and a width of at least 1"),
    ({"image": PICTURE + 0j, "size": 2}, TypeError, "image must be of dtype uint8, .*; got complex128"),
    ({"image": PICTURE > 0, "size": 2}, TypeError, "image must be of dtype uint8, .*; got bool"),
    ({"image": None, "size": 2}, TypeError, "image must be an array of numbers"),
    ({"size": 2, "out": np.ones((2, 3), np.uint8)}, ValueError, r"out must have shape \(2, 2\), got \(2, 3\)"),
    ({"size": 2, "out": np.ones((2, 2))}, TypeError, "out must have dtype uint8, got float64"),
    ({"size": 2, "out": [[1, 1], [1, 1]]}, TypeError, "out must be an ndarray"),
    ({"size": 2, "out": np.broadcast_to(np.ones(2, np.uint8), (2, 2))}, ValueError, "out must be writeable"),
]


@pytest.mark.parametrize("layer", [up, reference], ids=["fast", "reference"])
@pytest.mark.parametrize("arguments, error, message", WRONG)
def test_wrong_arguments_are_named(arguments, error, message, layer):
    with pytest.raises(error, match=message):
        layer.resize(**({"image": PICTURE} | arguments))
    if isinstance(out := arguments.get("out"), np.ndarray):
        assert (out == 1).all()


def test_pictures_without_channels_stay_empty():
    for dtype in ("uint8", "float32"):
        for mode in ("bicubic", "nearest"):
            assert up.resize(np.zeros((4, 5, 0), dtype), (2, 3), mode=mode).shape == (2, 3, 0)
