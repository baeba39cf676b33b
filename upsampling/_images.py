"""Image files: reading them into arrays, resizing what they hold, and writing them, through Pillow.

A `Picture` holds the pixels in the form in which resizing them is right (see `read`), and what goes with
them into the new file.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from . import _png16, resize

# Modes that are resized as they are, channel by channel. Pillow's RGBa and La are RGBA and LA with the colours
# multiplied by alpha; nearest copies whole pixels and needs no such thing.
PLAIN = ("L", "RGB", "CMYK", "YCbCr", "LAB", "F")
PREMULTIPLIED = {"LA": "La", "RGBA": "RGBa"}
DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N")
DEEP_FORMATS = ("PNG", "TIFF", "PPM", "JPEG2000")
PALETTE_FORMATS = {"RGB": ("PNG", "GIF", "TIFF", "BMP", "DIB", "PCX", "TGA"), "RGBA": ("PNG",)}
EXIF_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF")
FALLBACKS = {"LA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "1": "L"}
EXIF_IFD, EXIF_WIDTH, EXIF_HEIGHT = 0x8769, 0xA002, 0xA003


@dataclass
class Picture:
    """Pixels, the Pillow mode that they are in (None: 16-bit colour), and what is kept beside them."""

    pixels: np.ndarray
    mode: str | None
    palette: Any = None
    kept: dict[str, Any] = field(default_factory=dict)
    exif: Any = None
    notes: list[str] = field(default_factory=list)


def formats() -> dict[str, str]:
    """Return the file name extensions of the formats that Pillow reads and writes, with the formats' names.

    Icon files are left out: Pillow gives them sizes of its own choice.
    """
    return {
        extension: name
        for extension, name in Image.registered_extensions().items()
        if name in Image.OPEN and name in Image.SAVE and name not in ("ICO", "ICNS")
    }


def read(path: Path, nearest: bool) -> Picture:
    """Read the first image of a file, turned as its EXIF orientation says."""
    with Image.open(path) as image:
        notes = []
        if getattr(image, "n_frames", 1) > 1:
            notes.append(f"only the first of {image.n_frames} images is used")
        kept = {key: image.info[key] for key in ("icc_profile", "dpi") if image.info.get(key)}
        if kept.get("dpi") == (1, 1):  # what Pillow gives for a TIFF file that states none
            del kept["dpi"]
        deep = _deep_colour(path, image)
        if deep is None and _is_deep(image):
            notes.append("16-bit colour of this kind is read as 8-bit")
        has_exif = bool(image.info.get("exif"))
        orientation = image.getexif().get(0x0112, 1)
        image.load()
        upright = ImageOps.exif_transpose(image)
        exif = upright.getexif() if has_exif else None
        if deep is not None and isinstance(key := image.info.get("transparency"), tuple):
            deep = _with_alpha(deep, key)
        picture = Picture(_turned(deep, orientation), None) if deep is not None else _take(upright, nearest)
    picture.kept, picture.exif, picture.notes = kept, exif, notes
    return picture


def _take(image: Image.Image, nearest: bool) -> Picture:
    """Return the pixels of a loaded image in the form in which they are resized."""
    transparent = "transparency" in image.info
    if nearest and image.mode == "P":
        if transparent:
            image.apply_transparency()  # into the palette
        order = "RGBA" if transparent else "RGB"
        return Picture(np.asarray(image).astype(np.uint8), "P", palette=(image.getpalette(order), order))
    if nearest and image.mode == "1" and not transparent:
        return Picture(np.asarray(image).astype(np.uint8), "1")
    if image.mode in DEEP_GREY:
        pixels = np.asarray(image).astype(np.uint16)
        if transparent:
            return Picture(_with_alpha(pixels, image.info["transparency"]), None)
        return Picture(pixels, "I;16")
    if image.mode == "I":
        pixels = np.asarray(image)
        deep = pixels.size == 0 or (pixels.min() >= 0 and pixels.max() <= 65535)
        return Picture(pixels.astype(np.uint16), "I;16") if deep else Picture(pixels, "I")
    image = _direct(image)
    if image.mode in PREMULTIPLIED and not nearest:
        image = image.convert(PREMULTIPLIED[image.mode])
    return Picture(np.asarray(image), image.mode)


def _with_alpha(pixels: np.ndarray, key: Any) -> np.ndarray:
    """Return 16-bit grey or RGB as RGBA in which one colour is transparent."""
    colours = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    alpha = np.where((colours == np.asarray(key)).all(axis=2), 0, 65535)
    return np.dstack((colours, alpha)).astype(np.uint16)


def _direct(image: Image.Image) -> Image.Image:
    """Return the image in a mode whose channels are values, not indices or a colour that stands for transparency."""
    transparent = "transparency" in image.info
    if image.mode == "1":
        return image.convert("LA" if transparent else "L")
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if transparent or image.mode == "PA" else "RGB")
    if image.mode in ("L", "RGB") and transparent:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode in PLAIN or image.mode in PREMULTIPLIED:
        return image
    return image.convert("RGB")


def _raw_modes(image: Image.Image) -> list[str]:
    modes = []
    for tile in getattr(image, "tile", []):
        arguments = tile[3]
        first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
        modes.append(first if isinstance(first, str) else "")
    return modes


def _is_deep(image: Image.Image) -> bool:
    """Whether an opened file holds 16 bits in each of several channels, of which Pillow keeps 8."""
    return any(re.match(r"(RGB|RGBA|RGBX|LA|CMYK);16", mode) for mode in _raw_modes(image))


def _deep_colour(path: Path, image: Image.Image) -> np.ndarray | None:
    """All 16 bits of a colour image; None where the file holds something else or cannot be read so.

    Pillow decodes such files, but keeps the high byte of each value. Told that the bytes stand in the
    other order, it keeps the low byte; two readings give both.
    """
    modes = set(_raw_modes(image))
    if len(modes) != 1 or not (match := re.fullmatch(r"(RGB|RGBA);16([LBN])", modes.pop())):
        return None
    order = {"L": "B", "B": "L"}.get(match[2]) or ("B" if sys.byteorder == "little" else "L")
    try:
        with Image.open(path) as high, Image.open(path) as low:
            low.tile = [_reordered(tile, f"{match[1]};16{order}") for tile in low.tile]
            return np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    except (OSError, ValueError, TypeError):
        return None


def _reordered(tile: Any, mode: str) -> Any:
    """Return a tile of a Pillow image, to be decoded with another raw mode."""
    arguments = (mode, *tile[3][1:]) if isinstance(tile[3], tuple) else mode
    return tile._replace(args=arguments) if hasattr(tile, "_replace") else (*tile[:3], arguments)


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return an array turned and mirrored as an EXIF orientation says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def resized(picture: Picture, arguments: dict[str, Any]) -> Picture:
    """Return the picture with its pixels resized; `arguments` are those of `upsampling.resize`."""
    pixels = picture.pixels
    nearest = arguments["mode"] == "nearest"
    if picture.mode == "I":  # 32 bits: float64 holds them all
        result = resize(pixels.astype(np.float64), **arguments)
        pixels = np.clip(np.rint(result), -(2**31), 2**31 - 1).astype(np.int32)
    elif picture.mode is None and pixels.shape[2] == 4 and not nearest:
        pixels = _resized_deep_alpha(pixels, arguments)
    else:
        pixels = resize(pixels, **arguments)
    return Picture(pixels, picture.mode, picture.palette, picture.kept, picture.exif, picture.notes)


def _resized_deep_alpha(pixels: np.ndarray, arguments: dict[str, Any]) -> np.ndarray:
    """Resize 16-bit RGBA with the colours weighted by alpha."""
    values = pixels.astype(np.float64)
    values[..., :3] *= values[..., 3:] / 65535
    values = resize(values, **arguments)
    alpha = np.clip(np.rint(values[..., 3:]), 0, 65535)
    colours = np.divide(values[..., :3] * 65535, alpha, out=np.zeros_like(values[..., :3]), where=alpha > 0)
    return np.concatenate([np.clip(np.rint(colours), 0, 65535), alpha], axis=2).astype(np.uint16)


def write(picture: Picture, path: Path, overwrite: bool) -> None:
    """Write a picture in the format of the file name, complete or not at all; notes are added to the picture."""
    name = formats().get(path.suffix.lower())
    if name is None:
        raise ValueError(f"no image format that can be written has the extension {path.suffix!r}")
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(unfinished, "xb") as file:
            if picture.mode is None and name == "PNG":
                file.write(_png16.encode(picture.pixels, **_parameters(picture, name)))
            else:
                image = _image(picture, name)
                image.save(file, format=name, **_parameters(picture, name))
        if not overwrite and path.exists():
            raise FileExistsError(f"{path} exists; --force overwrites it")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _image(picture: Picture, name: str) -> Image.Image:
    """Return the picture as a Pillow image that the format can hold."""
    pixels, mode = picture.pixels, picture.mode
    if mode is None or (mode == "I;16" and name not in DEEP_FORMATS):
        picture.notes.append(f"16-bit {'colour' if mode is None else 'grey'} is written as 8-bit to {name}")
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
        mode = (mode and "L") or ("RGBA" if pixels.shape[2] == 4 else "RGB")
    height, width = pixels.shape[:2]
    if mode == "1":
        return Image.fromarray(pixels * np.uint8(255)).convert("1", dither=Image.Dither.NONE)
    image = Image.frombytes(mode, (width, height), np.ascontiguousarray(pixels).tobytes())
    if mode == "P":
        palette, order = picture.palette
        image = _with_palette(image, palette, order, name)
    opaque = {"La": "LA", "RGBa": "RGBA"}.get(mode)
    if opaque:
        image = image.convert(opaque)
    if image.mode in ("LA", "RGBA") and name in ("JPEG", "MPO", "BMP", "DIB", "PPM", "PCX"):
        raise ValueError(f"{name} holds no transparency; choose PNG, WebP or TIFF")
    holds_grey_alpha = name in ("PNG", "TIFF", "WEBP", "JPEG2000")
    holds_cmyk = name in ("JPEG", "TIFF")
    if (image.mode == "LA" and not holds_grey_alpha) or (image.mode in ("CMYK", "YCbCr") and not holds_cmyk):
        if image.mode == "CMYK" and picture.kept.pop("icc_profile", None):
            picture.notes.append(f"CMYK is written as RGB to {name}, without its ICC profile")
        image = image.convert(FALLBACKS[image.mode])
    return image


def _with_palette(image: Image.Image, palette: list[int], order: str, name: str) -> Image.Image:
    """Give an image its palette; where the format does not hold it, make it one of colours."""
    image.putpalette(palette, order)
    if order == "RGBA" and name == "GIF":
        # One entry can be transparent. Pillow takes it from here.
        image.info["transparency"] = palette[3::4].index(min(palette[3::4]))
        return image
    return image if name in PALETTE_FORMATS[order] else image.convert(order)


def _parameters(picture: Picture, name: str) -> dict[str, Any]:
    """Return what Pillow's `save` is given beside the image."""
    parameters = dict(picture.kept)
    if picture.exif is not None and name in EXIF_FORMATS:
        details = picture.exif.get_ifd(EXIF_IFD) if EXIF_IFD in picture.exif else {}
        for tag, extent in ((EXIF_WIDTH, picture.pixels.shape[1]), (EXIF_HEIGHT, picture.pixels.shape[0])):
            if tag in details:
                details[tag] = extent
        parameters["exif"] = picture.exif.tobytes()
    if name in ("JPEG", "MPO", "WEBP", "AVIF"):
        parameters["quality"] = 95
    return parameters
