"""The command: image files of every kind, what is written, what is refused, and the exit codes."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import upsampling as up
from upsampling import _cli

Image = pytest.importorskip("PIL.Image")
ImageCms = pytest.importorskip("PIL.ImageCms")
pytest.importorskip("tqdm")

from upsampling import _images, _png16  # noqa: E402

HEIGHT, WIDTH = 15, 22
EIGHT_BITS = {"L": (HEIGHT, WIDTH), "LA": (HEIGHT, WIDTH, 2), "RGB": (HEIGHT, WIDTH, 3), "RGBA": (HEIGHT, WIDTH, 4)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: object) -> int:
    try:
        return _cli.main([str(word) for word in words])
    except SystemExit as end:
        return int(end.code or 0)


def values(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def image(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(values(EIGHT_BITS[mode]))


def opened(name: str) -> Image.Image:
    with Image.open(name) as file:
        file.load()
        return file


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("mode", _cli.MODES)
def test_modes(mode: str, antialias: bool) -> None:
    image().save("in.png")
    words = ["resize", "in.png", "-o", "out.png", "--size", "9x31", "--mode", mode]
    code = run(*words, *([] if antialias else ["--no-antialias"]))
    try:
        expected = up.resize(values((HEIGHT, WIDTH, 3)), (9, 31), mode=mode, antialias=antialias)
    except ValueError:
        assert code == 2
        assert not Path("out.png").exists()
        return
    assert code == 0
    np.testing.assert_array_equal(np.asarray(opened("out.png")), expected)


@pytest.mark.parametrize("mode", list(EIGHT_BITS))
@pytest.mark.parametrize("scale", [2, 0.5])
@pytest.mark.parametrize("filter", ["bicubic", "nearest"])
def test_eight_bits_are_pillows(mode: str, scale: float, filter: str) -> None:
    image(mode).save("in.png")
    assert run("resize", "in.png", "-o", "out.png", "--scale", scale, "--mode", filter) == 0
    result = opened("out.png")
    assert result.mode == mode
    expected = image(mode).resize(result.size, getattr(Image.Resampling, filter.upper()))
    np.testing.assert_array_equal(np.asarray(result), np.asarray(expected))


def test_invisible_colours_do_not_bleed() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (0, 0, 255, 255)
    pixels[:, 4:] = (255, 0, 0, 0)
    Image.fromarray(pixels).save("in.png")
    assert run("resize", "in.png", "-o", "out.png", "--scale", 2) == 0
    result = np.asarray(opened("out.png"))
    assert (result[..., 0][result[..., 3] > 0] == 0).all()


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_deep_grey(name: str) -> None:
    pixels = values((HEIGHT, WIDTH), np.uint16)
    Image.fromarray(pixels).save(name)
    assert run("resize", name, "-o", f"out-{name}", "--scale", 2) == 0
    np.testing.assert_array_equal(np.asarray(opened(f"out-{name}")), up.resize(pixels, scale=2))


def test_deep_grey_where_the_format_holds_eight_bits(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.full((4, 4), 0x8080, np.uint16)).save("deep.png")
    assert run("resize", "deep.png", "-o", "out.bmp", "--scale", 2) == 0
    assert "deep.png: note: 16-bit grey is written as 8-bit to BMP" in capsys.readouterr().err
    assert (np.asarray(opened("out.bmp")) == 0x80).all()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_deep_colour(channels: int, mode: str) -> None:
    pixels = values((HEIGHT, WIDTH, channels), np.uint16)
    Path("deep.png").write_bytes(_png16.encode(pixels, dpi=(100, 100)))
    np.testing.assert_array_equal(_images.read(Path("deep.png"), False).pixels, pixels)
    assert run("resize", "deep.png", "-o", "out.png", "--scale", 2, "--mode", mode) == 0
    result = _images.read(Path("out.png"), False)
    assert result.pixels.dtype == np.uint16
    assert result.kept["dpi"] == pytest.approx((100, 100), abs=0.1)
    expected = up.resize(pixels, scale=2, mode=mode)
    compared = np.s_[..., 3] if channels == 4 and mode != "nearest" else np.s_[...]
    np.testing.assert_allclose(result.pixels[compared].astype(int), expected[compared].astype(int), atol=1)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("grey", [True, False])
def test_a_transparent_deep_colour_becomes_alpha(grey: bool, mode: str) -> None:
    pixels = values((HEIGHT, WIDTH) if grey else (HEIGHT, WIDTH, 3), np.uint16)
    key = (int(pixels[1, 2]),) if grey else tuple(int(value) for value in pixels[1, 2])
    path = Path("deep.png")
    if grey:
        Image.fromarray(pixels).save(path, transparency=key[0])
    else:  # Pillow does not write such files: the chunk goes before the pixels
        encoded = _png16.encode(pixels)
        body = b"tRNS" + struct.pack(">3H", *key)
        at = encoded.index(b"IDAT") - 4
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        path.write_bytes(encoded[:at] + chunk + encoded[at:])
    read = _images.read(path, mode == "nearest").pixels
    assert read.shape == (HEIGHT, WIDTH, 4)
    np.testing.assert_array_equal(read[..., :3], np.dstack([pixels] * 3) if grey else pixels)
    np.testing.assert_array_equal(read[..., 3] == 0, (read[..., :3] == key).all(axis=2))
    assert run("resize", path, "-o", "out.png", "--scale", 2, "--mode", mode) == 0
    assert _images.read(Path("out.png"), False).pixels.shape == (2 * HEIGHT, 2 * WIDTH, 4)


def test_deep_colour_keeps_opaque_colours() -> None:
    pixels = values((HEIGHT, WIDTH, 4), np.uint16) // 2 + 16000  # no sum is cut at 0 or 65535
    pixels[..., 3] = 65535
    Path("deep.png").write_bytes(_png16.encode(pixels))
    assert run("resize", "deep.png", "-o", "out.png", "--scale", 2) == 0
    result = _images.read(Path("out.png"), False).pixels.astype(int)
    np.testing.assert_allclose(result, up.resize(pixels, scale=2).astype(int), atol=1)


def test_deep_colour_where_the_format_holds_eight_bits(capsys: pytest.CaptureFixture[str]) -> None:
    Path("deep.png").write_bytes(_png16.encode(values((4, 4, 3), np.uint16)))
    assert run("resize", "deep.png", "-o", "out.webp", "--scale", 2) == 0
    assert "16-bit colour is written as 8-bit to WEBP" in capsys.readouterr().err


def test_palette_and_bilevel() -> None:
    image().convert("P", palette=Image.Palette.ADAPTIVE, colors=16).save("palette.png")
    image("L").convert("1").save("bilevel.png")
    assert run("resize", "palette.png", "bilevel.png", "-o", "smooth", "--scale", 2) == 0
    assert opened("smooth/palette.png").mode == "RGB"
    assert opened("smooth/bilevel.png").mode == "L"
    assert run("resize", "palette.png", "bilevel.png", "-o", "nearest", "--scale", 2, "--mode", "nearest") == 0
    for name in ("palette.png", "bilevel.png"):
        result = opened(f"nearest/{name}")
        assert result.mode == opened(name).mode
        doubled = np.asarray(opened(name).convert("RGB")).repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(np.asarray(result.convert("RGB")), doubled)


def test_transparent_palette() -> None:
    image().convert("P").save("in.png", transparency=3)
    assert run("resize", "in.png", "-o", "out.png", "--scale", 2) == 0
    assert opened("out.png").mode == "RGBA"
    assert run("resize", "in.png", "-o", "near.png", "--scale", 2, "--mode", "nearest") == 0
    expected = np.asarray(opened("in.png").convert("RGBA")).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(np.asarray(opened("near.png").convert("RGBA")), expected)


@pytest.mark.parametrize("name", ["out.png", "out.gif", "out.tif"])
@pytest.mark.parametrize("mode", ["P", "1"])
def test_nearest_keeps_transparency(mode: str, name: str) -> None:
    picture = image("L").quantize(4) if mode == "P" else image("L").convert("1")
    picture.save("in.png", transparency=1)
    given = np.asarray(opened("in.png").convert("RGBA"))
    assert 0 < (given[..., 3] == 0).sum() < given[..., 3].size
    assert run("resize", "in.png", "-o", name, "--scale", 2, "--mode", "nearest") == 0
    expected = given.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(np.asarray(opened(name).convert("RGBA")), expected)


def test_palette_where_the_format_holds_none() -> None:
    image().quantize(4).save("in.png")
    expected = np.asarray(opened("in.png").convert("RGB")).repeat(2, 0).repeat(2, 1)
    for name in ("out.ppm", "out.bmp", "out.jpg"):
        assert run("resize", "in.png", "-o", name, "--scale", 2, "--mode", "nearest") == 0
        if name != "out.jpg":
            np.testing.assert_array_equal(np.asarray(opened(name).convert("RGB")), expected)


def test_floats_and_long_integers() -> None:
    Image.fromarray(np.full((4, 4), 0.3, np.float32)).save("float.tif")
    Image.fromarray(np.full((4, 4), 100000, np.int32)).save("long.tif")
    assert run("resize", "float.tif", "long.tif", "-o", "out", "--scale", 2) == 0
    np.testing.assert_allclose(np.asarray(opened("out/float.tif")), 0.3, rtol=1e-6)
    assert (np.asarray(opened("out/long.tif")) == 100000).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    for name, deep in (("in.png", False), ("deep.png", True)):
        pixels = values((HEIGHT, WIDTH, 3))
        if deep:
            Path(name).write_bytes(_png16.encode(pixels.astype(np.uint16) * 257, exif=exif.tobytes()))
        else:
            Image.fromarray(pixels).save(name, exif=exif)
        assert run("resize", name, "-o", f"out-{name}", "--scale", 1, "--mode", "nearest") == 0
        result = opened(f"out-{name}")
        assert result.getexif().get(0x0112, 1) == 1
        assert result.getexif()[0x010F] == "maker"
        transposed = Image.fromarray(pixels)
        transposed.getexif()[0x0112] = orientation
        from PIL import ImageOps

        np.testing.assert_array_equal(np.asarray(result), np.asarray(ImageOps.exif_transpose(transposed)))


def test_profile_and_resolution_are_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA002] = WIDTH
    image().save("in.jpg", icc_profile=profile, dpi=(200, 200), exif=exif)
    assert run("resize", "in.jpg", "-o", "out.jpg", "--scale", 2) == 0
    result = opened("out.jpg")
    assert result.info["icc_profile"] == profile
    assert result.info["dpi"] == (200, 200)
    assert result.getexif().get_ifd(0x8769)[0xA002] == 2 * WIDTH


def test_folder_with_files_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    for number in range(3):
        image().save(f"in/{number}.png")
    Path("in/1.png").write_bytes(b"no image")
    whole = Path("in/2.png").read_bytes()
    Path("in/cut.png").write_bytes(whole[: len(whole) // 2])
    Path("in/notes.txt").write_text("not looked at")
    Path("in/gone.png").symlink_to("nowhere")
    assert run("resize", "in", "missing.png", "-o", "new/out", "--scale", 2) == 1
    error = capsys.readouterr().err
    assert f"{Path('in/1.png')}: error: not an image" in error
    assert f"{Path('in/cut.png')}: error: " in error
    assert "missing.png: error: no such file or directory" in error
    assert f"{Path('in/gone.png')}: error: no such file or directory" in error
    assert "6/6" in error
    assert "notes.txt" not in error
    assert sorted(path.name for path in Path("new/out").iterdir()) == ["0.png", "2.png"]
    assert run("resize", "in/0.png", "in/2.png", "-o", "quiet", "--scale", 2, "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_nothing_is_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    image().save("in.png")
    before = Path("in.png").read_bytes()
    assert run("resize", "in.png", "-o", "in.png", "--scale", 2) == 1
    assert "in.png exists; --force overwrites it" in capsys.readouterr().err
    assert Path("in.png").read_bytes() == before
    assert run("resize", "in.png", "-o", "in.png", "--scale", 2, "--force") == 0
    assert opened("in.png").size == (2 * WIDTH, 2 * HEIGHT)
    assert [path.name for path in Path().iterdir()] == ["in.png"]


def test_a_failing_write_leaves_what_was_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image().save("in.png")
    before = Path("in.png").read_bytes()

    def save(self: Image.Image, file: object, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", save)
    assert run("resize", "in.png", "-o", "in.png", "--scale", 2, "--force") == 1
    assert "in.png: error: no space left on device" in capsys.readouterr().err
    assert Path("in.png").read_bytes() == before
    assert [path.name for path in Path().iterdir()] == ["in.png"]


@pytest.mark.parametrize(
    "mode, name, message",
    [
        ("RGBA", "out.jpg", "JPEG holds no transparency; choose PNG, WebP or TIFF"),
        ("RGB", "out.xyz", "no image format that can be written has the extension '.xyz'"),
        ("RGB", "out", "no image format that can be written has the extension ''"),
        ("RGB", "out.ico", "no image format that can be written has the extension '.ico'"),
    ],
)
def test_formats_that_do_not_fit(mode: str, name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    image(mode).save("in.png")
    assert run("resize", "in.png", "-o", name, "--scale", 2) == 1
    assert capsys.readouterr().err == f"upsampling resize: in.png: error: {message}\n"
    assert [path.name for path in Path().iterdir()] == ["in.png"]


def test_cmyk() -> None:
    image().convert("CMYK").save("in.jpg")
    assert run("resize", "in.jpg", "-o", "out.jpg", "--scale", 2) == 0
    assert opened("out.jpg").mode == "CMYK"
    assert run("resize", "in.jpg", "-o", "out.png", "--scale", 2) == 0
    assert opened("out.png").mode == "RGB"


def test_the_first_of_several_frames(capsys: pytest.CaptureFixture[str]) -> None:
    image().save("in.gif", save_all=True, append_images=[image("L").convert("RGB")])
    assert run("resize", "in.gif", "-o", "out.png", "--scale", 2) == 0
    assert "in.gif: note: only the first of 2 images is used" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "the following arguments are required: COMMAND"),
        (["shrink"], "invalid choice: 'shrink'"),
        (["resize"], "the following arguments are required"),
        (["resize", "in.png", "-o", "o.png"], "one of the arguments --scale --size is required"),
        (["resize", "in.png", "-o", "o.png", "--scale", "2", "--size", "3x3"], "not allowed with argument"),
        (["resize", "in.png", "-o", "o.png", "--scale", "0"], "--scale: must be a number above 0"),
        (["resize", "in.png", "-o", "o.png", "--scale", "nan"], "--scale: must be a number above 0"),
        (["resize", "in.png", "-o", "o.png", "--scale", "two"], "--scale: must be a number above 0"),
        (["resize", "in.png", "-o", "o.png", "--size", "40"], "--size: must be HEIGHTxWIDTH"),
        (["resize", "in.png", "-o", "o.png", "--size", "0x4"], "--size: must be HEIGHTxWIDTH"),
        (["resize", "in.png", "-o", "o.png", "--scale", "2", "--mode", "cubic"], "--mode: invalid choice: 'cubic'"),
        (["resize", "in.png", "-o", "o.png", "--scale", "2", "--threads", "0"], "--threads: must be an integer from 1"),
        (["resize", "in.png", "in.png", "-o", "o", "--scale", "2"], "would both be written to"),
        (["resize", "in.png", "other.png", "-o", "in.png", "--scale", "2"], "-o must be a folder for several inputs"),
        (["resize", "empty", "-o", "o", "--scale", "2"], "no image files in empty"),
        (["resize", "in.png", "-o", "", "--scale", "2"], "-o must name a file or a folder, got ''"),
        (["demo", "--steps", "x"], "--steps: must be an integer from 1"),
        (["info", "more"], "unrecognized arguments: more"),
    ],
)
def test_wrong_arguments(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    image().save("in.png")
    Path("empty").mkdir()
    assert run(*words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert message in output.err
    assert output.err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "in.png"]


def test_a_folder_named_by_its_slash() -> None:
    image().save("in.png")
    assert run("resize", "in.png", "-o", "out/", "--scale", 2, "--threads", 1) == 0
    assert Path("out/in.png").is_file()


@pytest.mark.parametrize("command", [[], ["resize"], ["demo"], ["bench"], ["info"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command, "--help") == 0
    assert capsys.readouterr().out.startswith("usage: upsampling")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"upsampling {up.__version__}\n"
    assert up.__version__ == up.show_config()["version"]


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info") == 0
    output = capsys.readouterr().out
    for value in (up.show_config()["isa"], up.show_config()["compiler"], "threads", "OpenMP", np.__version__):
        assert value in output


def test_bench_without_the_source_tree(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cli, "find_spec", lambda name: None)
    assert run("bench", "--quick") == 2
    error = capsys.readouterr().err
    assert "the benchmarks are in the source tree" in error
    assert error.count("\n") == 1


def test_bench_passes_its_arguments_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("benchmarks", "pyx"):
        (folder / name).mkdir()
    (folder / "benchmarks" / "__init__.py").touch()
    (folder / "benchmarks" / "__main__.py").write_text("import sys; print('raced', sys.argv[1:])")
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "argv", ["upsampling", "bench", "--quick", "row"])
    assert _cli.main() == 0
    assert "raced ['--quick', 'row']" in capsys.readouterr().out
    sys.modules.pop("benchmarks", None)


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Python where it imports the package that is tested."""
    folder = Path(up.__file__).parents[1]
    return subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True, cwd=folder)


@pytest.mark.parametrize(
    "module, words, message",
    [
        (
            "PIL",
            ["resize", "in.png", "-o", "o.png", "--scale", "2"],
            "Pillow is not installed; pip install upsampling[images]",
        ),
        (
            "tqdm",
            ["resize", "in.png", "-o", "o.png", "--scale", "2"],
            "tqdm is not installed; pip install upsampling[images]",
        ),
        ("skimage", ["demo"], "scikit-image is not installed; pip install upsampling[demo]"),
    ],
)
def test_missing_extra(module: str, words: list[str], message: str) -> None:
    program = f"import sys; sys.modules[{module!r}] = None; from upsampling._cli import main; sys.exit(main({words!r}))"
    done = python("-c", program)
    assert done.stderr == f"upsampling: error: {message}\n"
    assert done.returncode == 2


@pytest.mark.parametrize("words", [["info"], ["--version"]])
def test_output_that_nobody_reads(words: list[str]) -> None:
    command = [sys.executable, "-m", "upsampling", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 1
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_output_that_finds_no_room() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "upsampling", "info"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "upsampling: error: No space left on device\n"


def test_run_as_a_module() -> None:
    done = python("-m", "upsampling", "info")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("upsampling")


def test_import_needs_none_of_it() -> None:
    program = "import sys, upsampling; print([n for n in ('argparse', 'PIL', 'tqdm', 'skimage') if n in sys.modules])"
    done = python("-c", program)
    assert "PIL" not in done.stdout
    assert "tqdm" not in done.stdout
    assert "skimage" not in done.stdout
