"""The photographs that scikit-image has in its wheel; nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

from .. import resize

TRAINED_ON = ("coffee.png", "rocket.jpg", "motorcycle_left.png", "camera.png")
HELD_OUT = ("astronaut.png", "chelsea.png")


@dataclass(frozen=True)
class Photograph:
    """A photograph of even height and width, (H, W, 3) of dtype uint8."""

    name: str
    original: np.ndarray

    @cached_property
    def half(self) -> np.ndarray:
        """The photograph at half its height and width, shrunk with antialiasing."""
        return resize(self.original, scale=0.5, mode="bicubic", antialias=True)

    @cached_property
    def original_planes(self) -> np.ndarray:
        """The original as planes from 0 to 1."""
        return planes(self.original)

    @cached_property
    def half_planes(self) -> np.ndarray:
        """The half as planes from 0 to 1."""
        return planes(self.half)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the original."""
        return self.original.shape[0], self.original.shape[1]


def load(name: str) -> Photograph:
    """Read one of scikit-image's photographs; a last odd row or column is left away."""
    path = Path(skimage.__file__).parent / "data" / name
    if not path.is_file():
        raise FileNotFoundError(f"the installed scikit-image does not bring {name} along (looked in {path.parent})")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width = (extent // 2 * 2 for extent in pixels.shape[:2])
    return Photograph(Path(name).stem.removesuffix("_left"), np.ascontiguousarray(pixels[:height, :width]))


def planes(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) of dtype uint8 as (1, 3, H, W) of dtype float32 from 0 to 1."""
    return np.ascontiguousarray(np.moveaxis(pixels, 2, 0)[None]).astype(np.float32) / np.float32(255)


def pixels(planes: np.ndarray) -> np.ndarray:
    """Return the way back from `planes`, rounded and saturated."""
    return np.moveaxis(np.rint(np.clip(planes[0], 0, 1) * 255).astype(np.uint8), 0, 2)
