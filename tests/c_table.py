"""The C table by ctypes: its structures, as upsampling.h of ABI 1 lays them out, and calls of plans on NumPy arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from upsampling import kernels

SIZE, POINTER = ctypes.c_ssize_t, ctypes.c_void_p
THREE = SIZE * 3
MOVE = ctypes.CFUNCTYPE(ctypes.c_int, POINTER, POINTER, POINTER, SIZE, SIZE, SIZE, SIZE, ctypes.c_int)
MAKE = ctypes.CFUNCTYPE(ctypes.c_int, POINTER, ctypes.c_int, ctypes.POINTER(POINTER))
TEXT = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_int)


class Array(ctypes.Structure):
    _fields_ = [("data", POINTER), ("shape", ctypes.POINTER(SIZE)), ("strides", ctypes.POINTER(SIZE))]


COMMON = [("size", ctypes.c_size_t), *((name, ctypes.c_int) for name in ("rank", "dtype", "channels_last", "threads"))]


class ConvTranspose(ctypes.Structure):
    _fields_ = [
        *COMMON,
        *((name, SIZE) for name in ("batch", "in_channels", "out_channels", "groups")),
        *((name, THREE) for name in ("input", "kernel", "stride", "padding", "output_padding", "dilation")),
        ("weight", POINTER),
        ("bias", POINTER),
    ]


class MaxPool(ctypes.Structure):
    _fields_ = [
        *COMMON,
        ("batch", SIZE),
        ("channels", SIZE),
        *((name, THREE) for name in ("input", "kernel", "stride", "padding", "dilation")),
        ("ceil_mode", ctypes.c_int),
        ("indices", ctypes.c_int),
    ]


class MaxUnpool(ctypes.Structure):
    _fields_ = [*COMMON, ("batch", SIZE), ("channels", SIZE), ("input", THREE), ("output", THREE)]


class Interpolate(ctypes.Structure):
    _fields_ = [
        *COMMON,
        ("batch", SIZE),
        ("channels", SIZE),
        ("input", THREE),
        ("output", THREE),
        ("scale", ctypes.c_double * 3),
        *((name, ctypes.c_int) for name in ("mode", "align_corners", "antialias")),
    ]


class Resize(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("dtype", ctypes.c_int),
        ("threads", ctypes.c_int),
        *((name, SIZE) for name in ("height", "width", "channels", "out_height", "out_width")),
        ("mode", ctypes.c_int),
        ("antialias", ctypes.c_int),
    ]


class PixelShuffle(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        *((name, ctypes.c_int) for name in ("dtype", "channels_last", "threads")),
        *((name, SIZE) for name in ("batch", "channels", "height", "width", "factor")),
    ]


class Table(ctypes.Structure):
    """upsampling_api of ABI 1: a field may be appended, none may change."""

    _fields_ = [
        ("abi", ctypes.c_int),
        ("size", ctypes.c_size_t),
        ("status_message", TEXT),
        ("max_unpool", MOVE),
        ("max_unpool_backward", MOVE),
        ("last_error", ctypes.CFUNCTYPE(ctypes.c_char_p)),
        ("plan_conv_transpose", MAKE),
        ("plan_max_pool", MAKE),
        ("plan_max_unpool", MAKE),
        ("plan_interpolate", MAKE),
        ("plan_resize", MAKE),
        ("plan_pixel_shuffle", MAKE),
        ("free_plan", ctypes.CFUNCTYPE(None, POINTER)),
        ("plan_shape", ctypes.CFUNCTYPE(ctypes.c_int, POINTER, ctypes.c_int, ctypes.POINTER(SIZE))),
        (
            "scratch_size",
            ctypes.CFUNCTYPE(
                ctypes.c_int, POINTER, ctypes.POINTER(Array), ctypes.c_int, ctypes.POINTER(ctypes.c_size_t)
            ),
        ),
        (
            "execute",
            ctypes.CFUNCTYPE(
                ctypes.c_int, POINTER, ctypes.POINTER(Array), ctypes.c_int, POINTER, ctypes.c_size_t,
                ctypes.POINTER(ctypes.c_int),
            ),
        ),
        (
            "execute_plain",
            ctypes.CFUNCTYPE(
                ctypes.c_int, POINTER, POINTER, POINTER, POINTER, POINTER, POINTER, ctypes.c_size_t
            ),
        ),
    ]  # fmt: skip


STRUCTURES = {
    "conv_transpose": ConvTranspose,
    "max_pool": MaxPool,
    "max_unpool": MaxUnpool,
    "interpolate": Interpolate,
    "resize": Resize,
    "pixel_shuffle": PixelShuffle,
}


def table() -> Table:
    """The table in the capsule."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = POINTER, (ctypes.py_object, ctypes.c_char_p)
    return Table.from_address(get(kernels._C_API, b"upsampling.kernels._C_API"))


def arrays(given: Sequence[np.ndarray | None]) -> ctypes.Array:
    """NumPy arrays as the table takes them; None is one without data."""
    made = (Array * len(given))()
    for to, array in zip(made, given, strict=True):
        if array is not None:
            to.data = array.ctypes.data
            to.shape = ctypes.cast(array.ctypes.shape, ctypes.POINTER(SIZE))
            to.strides = ctypes.cast(array.ctypes.strides, ctypes.POINTER(SIZE))
    return made


def execute(address: int, *given: np.ndarray | None, scratch: np.ndarray | None = None) -> int:
    """Execute a plan on NumPy arrays of any strides."""
    room = (None, 0) if scratch is None else (scratch.ctypes.data, scratch.nbytes)
    return table().execute(address, arrays(given), len(given), *room, None)
