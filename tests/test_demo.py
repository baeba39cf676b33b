"""The demo: its parts on small arrays, and the whole with a short training."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import upsampling as up
from upsampling import _cli

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("tqdm")
pytest.importorskip("skimage")

from upsampling._demo import methods, photographs, training  # noqa: E402


@pytest.fixture(scope="module")
def photograph() -> photographs.Photograph:
    return photographs.Photograph("cut", photographs.load("coffee.png").original[100:240, 100:240].copy())


def trained(photograph: photographs.Photograph, steps: int, seed: int = 0) -> training.Network:
    return training.train([photograph], steps, seed, lambda: None)


def test_training_is_repeatable_for_any_threads(photograph: photographs.Photograph) -> None:
    with up.num_threads(1):
        first = trained(photograph, 4)
    with up.num_threads(3):
        second = trained(photograph, 4)
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first.weights[0], trained(photograph, 4, seed=1).weights[0])


def test_gradients(photograph: photographs.Photograph) -> None:
    """Against differences of the loss in float64 along random directions."""
    rng = np.random.default_rng(3)
    network = training.Network.initialised(rng)
    network.weights = tuple(weight.astype(np.float64) for weight in network.weights)  # type: ignore[assignment]
    x, wanted = (array.astype(np.float64) for array in training.Patches([photograph], rng).batch())

    def loss() -> float:
        return float(50 * np.mean((network.details(network.hidden(x)) - wanted) ** 2))

    for weight, gradient in zip(network.weights, network.gradients(x, wanted), strict=True):
        direction = rng.standard_normal(weight.shape)
        direction *= 1e-6 / np.linalg.norm(direction)
        weight += direction
        above = loss()
        weight -= 2 * direction
        difference = above - loss()
        weight += direction
        assert difference / 2 == pytest.approx(float(np.sum(gradient * direction)), rel=1e-4)


def test_patches_belong_together(photograph: photographs.Photograph) -> None:
    x, wanted = training.Patches([photograph], np.random.default_rng(0)).batch()
    assert x.shape == (training.BATCH, 1, training.PATCH + 2 * training.MARGIN, training.PATCH + 2 * training.MARGIN)
    assert wanted.shape == (training.BATCH, 1, 2 * training.PATCH, 2 * training.PATCH)
    inner = np.s_[:, :, training.MARGIN : -training.MARGIN, training.MARGIN : -training.MARGIN]
    doubled = up.interpolate(np.ascontiguousarray(x), scale_factor=2, mode="bicubic")
    inner = np.s_[:, :, 2 * training.MARGIN : -2 * training.MARGIN, 2 * training.MARGIN : -2 * training.MARGIN]
    whole = doubled[inner] + wanted  # a piece of the original, thus of whole levels from 0 to 255
    levels = whole * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=2e-3)


def test_the_transposed_convolution_starts_as_bilinear(photograph: photographs.Photograph) -> None:
    every = {method.name: method for method in methods.all_methods(trained(photograph, 1))}
    expected = up.interpolate(photograph.half_planes, scale_factor=2, mode="bilinear")
    np.testing.assert_allclose(every["transposed, bilinear"].step(photograph)(), expected, atol=1e-6)


def test_every_method_gives_a_photograph(photograph: photographs.Photograph) -> None:
    for method in methods.all_methods(trained(photograph, 1)):
        result = method.picture(method.step(photograph)())
        assert result.shape == photograph.original.shape, method.name
        assert result.dtype == np.uint8, method.name


def scores(output: str) -> dict[str, list[float]]:
    """PSNR and SSIM of both photographs for each method in the table."""
    found = {}
    for line in output.splitlines():
        if match := re.match(r"([a-z\-, ]+?)\s{2,}((?:\d+\.\d+\s+){4})", line):
            found[match[1]] = [float(number) for number in match[2].split()]
    return found


def check(output: str, picture: Path) -> dict[str, list[float]]:
    table = scores(output)
    for first, second in (
        ("max-unpool", "nearest"),
        ("nearest", "bilinear"),
        ("bilinear", "bicubic"),
        ("bicubic", "lanczos"),
    ):
        assert table[first][0] < table[second][0]
        assert table[first][2] < table[second][2]
    assert table["area"] == table["nearest"]
    assert "held out" in output
    with Image.open(picture) as sheet:
        assert sheet.format == "PNG"
        assert min(sheet.size) > 1000
    return table


def test_short_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "sheet.png"
    assert _cli.main(["demo", "--steps", "60", "--no-peers", "--threads", "1", "--output", str(picture)]) == 0
    output = capsys.readouterr()
    table = check(output.out, picture)
    assert table["transposed, trained"][0] > table["bicubic"][0]
    assert "training" in output.err
    assert [path.name for path in picture.parent.iterdir()] == ["sheet.png"]


def test_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert _cli.main(["demo", "--output", str(tmp_path / "file" / "sheet.png")]) == 2
    assert capsys.readouterr().err.startswith("upsampling demo: error: ")


@pytest.mark.long
def test_the_trained_network_beats_every_filter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _cli.main(["demo", "--output", str(tmp_path / "sheet.png")]) == 0
    table = check(capsys.readouterr().out, tmp_path / "sheet.png")
    for column in range(4):
        assert table["transposed, trained"][column] == max(row[column] for row in table.values())
    assert table["transposed, trained"][0] > table["bicubic"][0] + 1
