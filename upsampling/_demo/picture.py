"""The contact sheet: for each photograph the whole, a detail of the original, and that detail by every method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .photographs import Photograph
from .table import Row, Score

SIDE = 56
ZOOM = 4
TILE = SIDE * ZOOM
GAP = 14
LABEL = 46
HEADING = 40
COLUMNS = 5
PAPER, INK, FAINT, ACCENT = (250, 250, 248), (24, 24, 27), (110, 110, 116), (200, 60, 20)

# Where each detail begins (top, left), on even pixels so that pairs of pixels keep together.
DETAILS = {"astronaut": (100, 188), "chelsea": (90, 142)}


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _detail(photograph: Photograph, pixels: np.ndarray) -> Image.Image:
    top, left = DETAILS.get(photograph.name, (0, 0))
    cut = Image.fromarray(np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE]))
    return cut.resize((TILE, TILE), Image.Resampling.NEAREST)


def _whole(photograph: Photograph) -> Image.Image:
    """Return the photograph cut to a square and shrunk to a tile, with a frame around the detail."""
    height, width = photograph.size
    side = min(height, width)
    top, left = DETAILS.get(photograph.name, (0, 0))
    x = min(max(left + SIDE // 2 - side // 2, 0), width - side)
    y = min(max(top + SIDE // 2 - side // 2, 0), height - side)
    tile = Image.fromarray(photograph.original).resize(
        (TILE, TILE), Image.Resampling.LANCZOS, box=(x, y, x + side, y + side)
    )
    scale = TILE / side
    corners = [(left - x) * scale, (top - y) * scale, (left - x + SIDE) * scale, (top - y + SIDE) * scale]
    ImageDraw.Draw(tile).rectangle(corners, outline=ACCENT, width=3)
    return tile


def _place(sheet: Image.Image, index: int, top: int, tile: Image.Image, title: str, note: str, best: bool) -> None:
    """Paste a tile and its label at its place below `top`."""
    row, column = divmod(index, COLUMNS)
    x = GAP + column * (TILE + GAP)
    y = top + row * (TILE + LABEL + GAP)
    sheet.paste(tile, (x, y))
    draw = ImageDraw.Draw(sheet)
    if best:
        draw.rectangle((x - 3, y - 3, x + TILE + 2, y + TILE + 2), outline=ACCENT, width=3)
    draw.text((x, y + TILE + 3), title, fill=ACCENT if best else INK, font=_font(19))
    draw.text((x, y + TILE + 25), note, fill=ACCENT if best else FAINT, font=_font(16))


def contact_sheet(rows: Sequence[Row], held_out: Sequence[Photograph]) -> Image.Image:
    """Return the picture of all methods on the photographs held out; the best of each is framed."""
    lines = -(-(len(rows) + 2) // COLUMNS)
    block = HEADING + lines * (TILE + LABEL + GAP)
    sheet = Image.new("RGB", (GAP + COLUMNS * (TILE + GAP), GAP + len(held_out) * block), PAPER)
    for number, photograph in enumerate(held_out):
        top = GAP + number * block
        height, width = photograph.size
        heading = f"{photograph.name}, {height}x{width}, halved and brought back"
        ImageDraw.Draw(sheet).text((GAP, top), heading, fill=INK, font=_font(24))
        top += HEADING
        _place(sheet, 0, top, _whole(photograph), "the photograph", "the detail is framed", False)
        _place(
            sheet, 1, top, _detail(photograph, photograph.original), "original", f"{SIDE}x{SIDE} pixels of it", False
        )
        scores = [Score(row.results[number], photograph) for row in rows]
        best = max(score.psnr for score in scores)
        for index, (row, score) in enumerate(zip(rows, scores, strict=True)):
            note = f"{score.psnr:.2f} dB   SSIM {score.ssim:.3f}"
            tile = _detail(photograph, score.result)
            _place(sheet, index + 2, top, tile, row.method.name, note, score.psnr == best)
    return sheet
