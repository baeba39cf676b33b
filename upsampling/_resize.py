"""Resizing of pictures as people hold them: (H, W) and (H, W, C) arrays of any of the accepted dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _arrays, _interpolate_args, _kernels, _out, _plan_resize, _repeat, _resample, _resize_args
from ._plan_resample import AxisTable
from ._repeat import Step
from ._resize_args import Resize
from ._threads import threads_for
from ._types import Input, Ints, Numbers

__all__ = ["resize"]


def resize(
    image: Input,
    size: Ints | None = None,
    *,
    scale: Numbers | None = None,
    mode: str = "bicubic",
    antialias: bool = True,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Resize a picture.

    With ``antialias=True``, the default, the filters are Pillow's, stretched by the factor of shrinking, and uint8
    results are those of Pillow's ``Image.resize`` bit for bit. Every channel is resized by itself, as Pillow does
    for RGB or CMYK; an alpha channel is a channel like the others, so weight the colours by it before, as
    ``Image.resize`` does for RGBA, if transparent pixels should not bleed into their neighbours.

    Parameters
    ----------
    image : array, (H, W) or (H, W, C)
        Any number of channels, any strides; uint8, int8, uint16, int16, float16, bfloat16, float32 or float64,
        and any dtype at all with mode "nearest".
    size : pair of int
        The output's height and width; one number stands for both.
    scale : float or pair of float
        Instead of `size`: each output extent is the extent times its scale, rounded to the nearest integer (a half
        to the even one), and at least 1. It decides the output's size alone; pixels are placed by the two sizes.
    mode : str
        "nearest" (without weights; at half-pixel centres, as in Pillow), "box", "bilinear", "hamming", "bicubic"
        (a = -0.5), "lanczos" (of support 3), or "area": the mean over all pixels that an output pixel touches, as
        in `interpolate`.
    antialias : bool
        False: plain interpolation at half-pixel centres, however much the picture shrinks, as `interpolate` does it:
        "bilinear", "bicubic" (a = -0.75) and "lanczos" of its filter's own support, with the border's pixels repeated
        outside; "hamming" likewise, "box" is the pixel under the centre. "nearest" and "area" do not change. Integers
        are rounded after each axis here too, where `interpolate` rounds those of other dtypes than uint8 once.
    out : array, optional
        Where to write the result: of its shape and of the image's dtype, with any strides. It may share memory with
        the image.

    Returns
    -------
    array, (H', W') or (H', W', C)
        Of the image's dtype. Floats are computed in float64 for float64 and in float32 for the others. Integers are
        computed in integers, along the rows first and then across them (across them first where the height loses
        pixels, and more than twice as many as the width, as Pillow does), with weights in units of 2**-22, and after
        each of the two steps rounded to nearest (halves up) and saturated. An axis that keeps its extent is copied.

    Raises
    ------
    TypeError, ValueError
        For an argument of a wrong type, dtype, shape or value; both or neither of `size` and `scale`; an image without
        pixels.
    MemoryError
        For a result that does not fit in memory.

    Notes
    -----
    The filters and their fixed-point arithmetic are those of Pillow 13, ``Image.Resampling``.

    Examples
    --------
    >>> import numpy as np, upsampling as up
    >>> up.resize(np.array([[0, 100]], np.uint8), (1, 4), mode="bilinear")
    array([[  0,  25,  75, 100]], dtype=uint8)
    >>> up.resize(np.zeros((300, 451, 3)), scale=0.5).shape
    (150, 226, 3)
    """
    key = ("resize", image, size, scale, mode, antialias)
    if out is None and (found := _repeat.again(key)) is not None:
        return found
    call = _resize_args.check(image, size, scale, mode, antialias)
    if call.mode != "nearest" and call.image.dtype.name in _resize_args.INTEGERS:
        result, steps = _integers(call, out)
    else:
        result, steps = _floats(call, out) if call.mode != "nearest" else _nearest(call, out)
    if steps and out is None:
        _repeat.remember(key, [result], steps)
    return _out.deliver(result, out)


def _work(call: Resize, taps: int) -> int:
    """Values written, with the operations that each takes."""
    height, width = call.size
    return height * width * taps * (call.image.shape[2] if call.image.ndim == 3 else 1)


# The results of the three below are still to be delivered; with each come the kernel's calls, for `_repeat.remember`.
Made = tuple[np.ndarray, list[Step]]


def _integers(call: Resize, out: np.ndarray | None) -> Made:
    """8 and 16 bits, in integers. Signed values are moved by half their range, which moves the result as much."""
    image = call.image
    if not (image.dtype.isnative and image.flags.aligned and image[0].flags.c_contiguous):
        image = _arrays.native_copy(image)
    result = _arrays.target(out, call.shape, image.dtype, False, [image])
    if not result.size:
        return result, []
    pillow = call.antialias and call.mode != "area" and image.dtype == np.uint8
    tables = [
        _plan_resize.fixed_table(size_in, size_out, call.mode, call.antialias, pillow)
        for size_in, size_out in zip(image.shape, call.size, strict=False)
    ]
    source, target = image, result
    if image.dtype.kind == "i":
        unsigned = np.dtype(f"u{image.itemsize}")
        middle = unsigned.type(1 << (8 * image.itemsize - 1))
        source, target = image.view(unsigned) ^ middle, result.view(unsigned)
        _fixed(source, target, tables, call)
        np.bitwise_xor(target, middle, out=target)
        return result, []
    return result, _fixed(source, target, tables, call)


def _fixed(source: np.ndarray, target: np.ndarray, tables: list[AxisTable | None], call: Resize) -> list[Step]:
    """Run the integer kernel."""
    if source.ndim == 2:
        source, target = source[..., None], target[..., None]
    down, along = tables
    if down is None and along is None:
        np.copyto(target, source)
        return []
    down = down or _plan_resize.identity(source.shape[0])
    kept = along is None
    along = along or down
    work = _work(call, down.weights.shape[1] + (0 if kept else along.weights.shape[1]))
    kernel = _kernels.load("fixed", f"u{8 * source.itemsize}").resize
    arguments = (
        source[None], target[None], along.start, along.count, along.weights, down.start, down.count, down.weights,
        not kept, _resize_args.columns_first(source.shape, call.size), threads_for(work),
    )  # fmt: skip
    kernel(*arguments)
    return [(kernel, arguments, work)]


def _floats(call: Resize, out: np.ndarray | None) -> Made:
    """Floats, by the kernel that `interpolate` uses too."""
    coordinates = _interpolate_args.coordinate_dtype(call.image.dtype)
    real = _resample.precision_of(call.image.dtype)

    def table(size_in: int, size_out: int) -> AxisTable | None:
        return _plan_resize.table(size_in, size_out, call.mode, call.antialias, coordinates, real)

    return _by_axes(call, out, _resample.resample, table)


def _nearest(call: Resize, out: np.ndarray | None) -> Made:
    """Any dtype, by copies."""

    def indices(size_in: int, size_out: int) -> np.ndarray | None:
        return None if size_in == size_out else _plan_resize.nearest_indices(size_in, size_out)

    return _by_axes(call, out, _resample.gather, indices)


def _by_axes(
    call: Resize, out: np.ndarray | None, kernel: Callable[..., list[Step]], step: Callable[[int, int], Any]
) -> Made:
    """Call a kernel on the image as a (1, C, H, W) array, with what `step` makes of each axis' two sizes."""
    image = call.image
    if not (image.dtype.isnative and image.flags.aligned and image.flags.c_contiguous):
        image = _arrays.native_copy(image)
    result = _arrays.target(out, call.shape, image.dtype, False, [image])
    if result.size and image.shape[:2] == (1, 1):
        result[...] = image  # one pixel: every weighted mean of it, and whichever order its channels have
    elif result.size:
        steps = [step(size_in, size_out) for size_in, size_out in zip(image.shape, call.size, strict=False)]
        return result, kernel(_channels_first(image), _channels_first(result), steps)
    return result, []


def _channels_first(image: np.ndarray) -> np.ndarray:
    """Return an image as the (1, C, H, W) array that the kernels of `interpolate` take."""
    return image[None, None] if image.ndim == 2 else image.transpose(2, 0, 1)[None]
