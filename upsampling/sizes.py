"""Output-size formulas: the shape that each operator gives, from sizes and parameters alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _args, _interpolate_args
from ._args import shown
from ._types import Int, Ints, Numbers


def _extents(input_size: Any, least: int = 1) -> tuple[int, ...]:
    """Return the sizes of a shape, checked: at least `least` of them."""
    if not _args.is_sequence(input_size) or len(input_size) < least:
        raise ValueError(f"input_size must be a sequence of at least {least} integers, got {shown(input_size)}")
    return tuple(_args.integer(f"input_size[{axis}]", extent) for axis, extent in enumerate(input_size))


def max_pool_output_size(
    input_size: Sequence[int],
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> tuple[int, ...]:
    """Return the space sizes of ``max_pool``'s result.

    On each axis ``(L + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1``, rounded down, or up with
    `ceil_mode`; a last window that would begin beyond the input and its left padding is left out.

    Parameters
    ----------
    input_size : sequence of int
        Sizes of the space axes.
    kernel_size, stride, padding, dilation : int or sequence of int
        `stride` None or empty is `kernel_size`; `padding` is at most half of `kernel_size`.
    ceil_mode : bool

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError, TypeError
        For parameters that leave no output.

    Examples
    --------
    >>> max_pool_output_size((5, 5), 2), max_pool_output_size((5, 5), 2, ceil_mode=True)
    ((2, 2), (3, 3))
    """
    input_size = _extents(input_size)
    rank = len(input_size)
    kernels = _args.integers("kernel_size", kernel_size, rank, minimum=1)
    strides = _args.strides(stride, kernels)
    pads = _args.integers("padding", padding, rank)
    dilations = _args.integers("dilation", dilation, rank, minimum=1)
    up = _args.flag("ceil_mode", ceil_mode)
    result = []
    for axis, (length, k, s, p, d) in enumerate(zip(input_size, kernels, strides, pads, dilations, strict=True)):
        reach = d * (k - 1) + 1
        if p > k // 2:
            raise ValueError(f"padding[{axis}] must be at most half of the kernel's size {k}, got {p}")
        room = length + 2 * p - reach
        count = (room + s - 1) // s + 1 if up else room // s + 1
        if up and (count - 1) * s >= length + p:
            count -= 1
        if count < 1:
            raise ValueError(
                f"kernel_size[{axis}] must span at most the padded input's {length + 2 * p}, "
                f"got {k}, which with dilation {d} spans {reach}"
            )
        result.append(count)
    return tuple(result)


def max_unpool_output_size(
    input_size: Sequence[int],
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Ints | None = None,
) -> tuple[int, ...]:
    """Return the space sizes of ``max_unpool``'s result.

    On each axis ``(L - 1) * stride - 2 * padding + kernel_size``, or the wanted `output_size`, which must lie less
    than `stride` away from it. An axis may come out empty.

    Parameters
    ----------
    input_size : sequence of int
        Sizes of the space axes.
    kernel_size, stride, padding : int or sequence of int
        `stride` None or empty is `kernel_size`.
    output_size : sequence of int, optional

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError, TypeError
        For an `output_size` out of range; the message names the valid sizes.

    Examples
    --------
    >>> max_unpool_output_size((2, 2), 2), max_unpool_output_size((2, 2), 2, output_size=(5, 4))
    ((4, 4), (5, 4))
    """
    input_size = _extents(input_size)
    rank = len(input_size)
    kernels = _args.integers("kernel_size", kernel_size, rank, minimum=1)
    strides = _args.strides(stride, kernels)
    pads = _args.integers("padding", padding, rank)
    default = tuple((n - 1) * s - 2 * p + k for n, k, s, p in zip(input_size, kernels, strides, pads, strict=True))
    wanted = default if output_size is None else _args.integers("output_size", output_size, rank)
    for axis, (got, size, s) in enumerate(zip(wanted, default, strides, strict=True)):
        most = size if output_size is None else size + s - 1
        _check_extent(axis, most, pads[axis], "stride and kernel_size", least=0)
        if output_size is not None and not max(size - s + 1, 0) <= got <= most:
            raise ValueError(f"output_size[{axis}] must be from {max(size - s + 1, 0)} to {most}, got {got}")
    return wanted


def _check_extent(axis: int, most: int, padding: int, factors: str, least: int) -> None:
    """Refuse parameters that leave too little, however much `output_size` would add, or an axis beyond 64 bits."""
    if most < least:
        raise ValueError(
            f"padding[{axis}] must leave an output of at least {least}, got {padding}, which leaves {most}"
        )
    if most > _args.LARGEST:
        raise ValueError(f"{factors} must give outputs below 2**63, got {shown(most)} on axis {axis}")


def pixel_shuffle_output_size(input_size: Sequence[int], upscale_factor: Int) -> tuple[int, ...]:
    """Return the shape of ``pixel_shuffle``'s result: (..., C / r^2, H * r, W * r).

    Parameters
    ----------
    input_size : sequence of int
        The input's whole shape, at least three sizes.
    upscale_factor : int
        r, at least 1.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError, TypeError
        For a channel count that is no multiple of r^2, or a factor below 1.

    Examples
    --------
    >>> pixel_shuffle_output_size((1, 12, 2, 3), 2)
    (1, 3, 4, 6)
    """
    r = _args.integer("upscale_factor", upscale_factor, minimum=1)
    *lead, channels, height, width = _extents(input_size, least=3)
    if channels % (r * r):
        raise ValueError(f"input must have a multiple of upscale_factor**2 = {r * r} channels, got {channels}")
    return (*lead, channels // (r * r), height * r, width * r)


def pixel_unshuffle_output_size(input_size: Sequence[int], downscale_factor: Int) -> tuple[int, ...]:
    """Return the shape of ``pixel_unshuffle``'s result: (..., C * r^2, H / r, W / r).

    Parameters
    ----------
    input_size : sequence of int
        The input's whole shape, at least three sizes.
    downscale_factor : int
        r, at least 1.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError, TypeError
        For a height or width that is no multiple of r, or a factor below 1.

    Examples
    --------
    >>> pixel_unshuffle_output_size((1, 3, 4, 6), 2)
    (1, 12, 2, 3)
    """
    r = _args.integer("downscale_factor", downscale_factor, minimum=1)
    *lead, channels, height, width = _extents(input_size, least=3)
    if height % r or width % r:
        sides = f"{height}, {width}"
        raise ValueError(f"input must have a height and a width that downscale_factor {r} divides, got {sides}")
    return (*lead, channels * r * r, height // r, width // r)


def conv_transpose_output_size(
    input_size: Sequence[int],
    kernel_size: Ints,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    output_size: Ints | None = None,
) -> tuple[int, ...]:
    """Return the space sizes of ``conv_transpose``'s result.

    On each axis ``(L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1``, or the wanted
    `output_size`, which may exceed the size with ``output_padding=0`` by less than `stride`.

    Parameters
    ----------
    input_size : sequence of int
        Sizes of the space axes.
    kernel_size, stride, padding, output_padding, dilation : int or sequence of int
    output_size : sequence of int, optional
        Where it is given, `output_padding` is not looked at.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError, TypeError
        For parameters that leave no output, or an `output_size` out of range; the message names the valid sizes.

    Examples
    --------
    >>> conv_transpose_output_size((4, 4), 3, stride=2, padding=1, output_padding=1)
    (8, 8)
    """
    return conv_transpose_space(
        input_size, kernel_size, stride, padding, output_padding, dilation, output_size, empty=False
    )


def conv_transpose_space(
    input_size: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    output_size: Any,
    empty: bool,
) -> tuple[int, ...]:
    """Return what `conv_transpose_output_size` does; an `empty` batch's results may have empty axes, as PyTorch's.

    Nor does PyTorch limit `output_padding` there.
    """
    input_size, smallest = _extents(input_size), 0 if empty else 1
    rank = len(input_size)
    kernels = _args.integers("kernel_size", kernel_size, rank, minimum=1)
    strides = _args.integers("stride", stride, rank, minimum=1)
    pads = _args.integers("padding", padding, rank)
    extra = _args.integers("output_padding", output_padding, rank)
    dilations = _args.integers("dilation", dilation, rank, minimum=1)
    wanted = None if output_size is None else _args.integers("output_size", output_size, rank)
    result = []
    for axis, (n, k, s, p, d) in enumerate(zip(input_size, kernels, strides, pads, dilations, strict=True)):
        least = (n - 1) * s - 2 * p + d * (k - 1) + 1
        if wanted is None and not empty and extra[axis] >= max(s, d):
            raise ValueError(f"output_padding[{axis}] must be below stride {s} or dilation {d}, got {extra[axis]}")
        most = least + (extra[axis] if wanted is None else s - 1)
        _check_extent(axis, most, p, "stride, dilation and kernel_size", smallest)
        if wanted is not None and not max(least, smallest) <= wanted[axis] <= most:
            raise ValueError(f"output_size[{axis}] must be from {max(least, smallest)} to {most}, got {wanted[axis]}")
        result.append(most if wanted is None else wanted[axis])
    return tuple(result)


def interpolate_output_size(
    input_size: Sequence[int], size: Ints | None = None, scale_factor: Numbers | None = None
) -> tuple[int, ...]:
    """Return the space sizes of ``interpolate``'s result.

    On each axis the wanted `size`, or ``floor(L * scale_factor)`` computed in float64 (so 88 * (120 / 88) gives 119).

    Parameters
    ----------
    input_size : sequence of int
        Sizes of the space axes.
    size : int or sequence of int, optional
    scale_factor : float or sequence of float, optional
        Exactly one of `size` and `scale_factor` must be given.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError, TypeError
        For sizes below 1 or of 2**63 and more, and scales that are not finite and above 0.

    Examples
    --------
    >>> interpolate_output_size((4, 5), scale_factor=2.5), interpolate_output_size((4, 5), size=(8, 3))
    ((10, 12), (8, 3))
    """
    return _interpolate_args.output_space(_extents(input_size), size, scale_factor)[0]


def resize_output_size(
    image_size: Sequence[int], size: Ints | None = None, scale: Numbers | None = None
) -> tuple[int, int]:
    """Return the height and width of ``resize``'s result.

    Parameters
    ----------
    image_size : pair of int
        The image's height and width.
    size : int or pair of int, optional
        The output's height and width, or one number for both.
    scale : float or pair of float, optional
        Instead of `size`: each output extent is the extent times its scale, rounded to the nearest
        integer (a half to the even one, as Python's ``round``), and at least 1.

    Returns
    -------
    pair of int

    Raises
    ------
    TypeError, ValueError
        Unless exactly one of `size` and `scale` is given, and every extent is at least 1.

    Examples
    --------
    >>> resize_output_size((300, 451), scale=0.5)
    (150, 226)
    """
    height, width = _args.integers("image_size", image_size, 2, minimum=1)
    if (size is None) == (scale is None):
        given = "neither" if size is None else "both"
        raise ValueError(f"exactly one of size and scale must be given, got {given}")
    if size is not None:
        rows, columns = _args.integers("size", size, 2, minimum=1)
        return rows, columns
    result = []
    for extent, factor in zip((height, width), _args.numbers("scale", scale, 2), strict=True):
        if extent * factor >= _args.LARGEST:
            raise ValueError(f"scale must give an extent below 2**63, got {factor} for {extent} pixels")
        result.append(max(1, round(extent * factor)))
    return result[0], result[1]
