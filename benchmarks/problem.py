"""One named problem: what is computed on which arrays, and the amount of work in it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One problem: what is computed, on which shape, in which dtype and layout."""

    name: str
    set: str
    op: str  # conv_transpose, interpolate, resize, max_pool, max_unpool
    shape: tuple[int, ...]
    params: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    channels_last: bool = False
    backward: bool = False
    mask: tuple[bool, bool, bool] = (True, True, True)
    packed: bool = False  # peers that hold packed weights, against our layer
    given_out: bool = False  # the result is written to memory that was touched before
    lengths: str = ""  # two calls, of the last axis's length on average: "new" at every call, or the "same"
    base: dict[str, Any] | None = None  # our own time with these fields changed is a yardstick of the row
    long: bool = False  # raced only by --long

    @property
    def rank(self) -> int:
        return len(self.shape) - 2

    def axes(self, name: str, default: int) -> tuple[int, ...]:
        """Give a parameter with one number for each axis."""
        value = self.params.get(name, default)
        return (value,) * self.rank if isinstance(value, int) else tuple(value)

    @property
    def integer(self) -> bool:
        return self.dtype.startswith("uint")

    @property
    def tolerance(self) -> float:
        """The largest difference allowed, relative to the largest value (integers: absolute levels)."""
        fixed = {"float64": 1e-9, "float16": 8e-3, "bfloat16": 4e-2, "uint8": 2.0, "uint16": 40.0}
        return fixed.get(self.dtype, 2e-3)

    @property
    def outliers(self) -> float:
        """The share of elements that may differ by more."""
        mode = self.params.get("mode", "")
        if mode.startswith("nearest"):  # a rounded coordinate may choose the neighbour
            return 0.02
        return 0.12 if self.integer and mode in ("bicubic", "lanczos") else 0.0  # saturated between passes, or not


def changed(row: Row, prefix: str, **changes: Any) -> Row:
    """Give the row with other fields, in another set, which names it."""
    return replace(row, name=f"{prefix}/{row.name.split('/')[-1]}", set=prefix, **changes)


def numpy_dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def inputs(row: Row) -> dict[str, np.ndarray]:
    """Make the arrays of a row, the same for every run."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    dtype = numpy_dtype(row.dtype)

    def values(shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
        if row.integer:
            return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)
        return (rng.standard_normal(shape, np.float32) * np.float32(scale)).astype(dtype, copy=False)

    def layout(array: np.ndarray) -> np.ndarray:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1) if row.channels_last else array

    shape = output_shape(row)
    arrays = {"input": values(row.shape) if row.op == "resize" else layout(values(row.shape))}
    if row.given_out:
        arrays["out"] = np.zeros(shape, dtype) if row.op == "resize" else layout(np.zeros(shape, dtype))
    if row.op == "conv_transpose":
        kernel = row.axes("kernel", 1)
        channels, groups = row.params["out"], row.params.get("groups", 1)
        taps = row.shape[1] // groups * int(np.prod(kernel))
        arrays["weight"] = values((row.shape[1], channels // groups, *kernel), taps**-0.5)
        arrays["bias"] = values((channels,))
    if row.op == "max_unpool" or (row.op == "max_pool" and row.backward):
        arrays["indices"] = _indices(row, rng)
    if row.backward:
        arrays["grad"] = layout(values(shape))
    return arrays


def _indices(row: Row, rng: np.random.Generator) -> np.ndarray:
    """Flat positions as a pooling gives them: anywhere in each window."""
    pooled, plane = output_shape(row), row.shape[2:]
    if row.op == "max_unpool":
        pooled, plane = row.shape, pooled[2:]
    kernel = row.axes("kernel", 2)
    stride, padding = (
        (row.axes("stride", 2), row.axes("padding", 0)) if row.op == "max_pool" else (kernel, (0,) * row.rank)
    )
    position = []
    for a in range(row.rank):
        starts = np.arange(pooled[2 + a]).reshape(-1, *(1,) * (row.rank - 1 - a)) * stride[a] - padding[a]
        position.append(np.clip(starts + rng.integers(0, kernel[a], pooled), 0, plane[a] - 1))
    return np.ravel_multi_index(tuple(position), plane).astype(np.int64)


def output_shape(row: Row) -> tuple[int, ...]:
    """The shape of the forward result."""
    space = row.shape[2:]
    if row.op == "resize":
        return (*row.params["size"], *row.shape[2:])
    if row.op == "interpolate":
        if "size" in row.params:
            return (*row.shape[:2], *row.params["size"])
        return (*row.shape[:2], *(int(n * row.params["scale_factor"]) for n in space))
    kernel = row.axes("kernel", 2)
    if row.op == "max_unpool":
        return (*row.shape[:2], *(n * k for n, k in zip(space, kernel, strict=True)))
    stride, padding = row.axes("stride", 1), row.axes("padding", 0)
    if row.op == "max_pool":
        sizes = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(space, kernel, stride, padding, strict=True))
        return (*row.shape[:2], *sizes)
    extra, dilation = row.axes("output_padding", 0), row.axes("dilation", 1)
    sizes = (
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1
        for n, k, s, p, o, d in zip(space, kernel, stride, padding, extra, dilation, strict=True)
    )
    return (row.shape[0], row.params["out"], *sizes)


def useful_products(row: Row) -> int:
    """Multiply-adds of a transposed convolution that reach the result; those that padding crops are not counted."""
    total = row.shape[0] * row.shape[1] * row.params["out"] // row.params.get("groups", 1)
    geometry = (row.axes(*pair) for pair in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)))
    for n, size, k, s, pad, d in zip(row.shape[2:], output_shape(row)[2:], *geometry, strict=True):
        reached = np.arange(n)[:, None] * s + np.arange(k) * d - pad
        total *= int(np.count_nonzero((reached >= 0) & (reached < size)))
    return total


def moved_bytes(row: Row, arrays: dict[str, np.ndarray]) -> int:
    """Bytes that a call must read and write: its arrays, its result, and a pooling's indices."""
    total = sum(array.nbytes for name, array in arrays.items() if name != "out")
    size = int(np.prod(row.shape if row.backward else output_shape(row)))
    if row.backward and row.op == "max_pool":
        total -= arrays["input"].nbytes  # only its shape is read
    item = arrays["input"].itemsize + (8 if row.op == "max_pool" and not row.backward else 0)
    return total + size * item


LENGTHS = 299  # twice as many lengths as this are seen before one returns: more than any cache of plans holds


def length_pairs(row: Row) -> Any:
    """Yield pairs of lengths whose mean is the row's; each contestant sees the same ones."""
    middle, n = row.shape[-1], 0
    while True:
        step = 1 + n * 113 % LENGTHS if row.lengths == "new" else 0
        yield middle - step, middle + step
        n += 1


def lengthwise(row: Row, array: np.ndarray) -> Any:
    """Give a function that yields the next pair of inputs: views of one array, so that nothing is copied."""
    flat = np.resize(array.reshape(-1), array.size // row.shape[-1] * (row.shape[-1] + LENGTHS))
    lead, pairs = row.shape[:-1], length_pairs(row)
    count = int(np.prod(lead))
    return lambda: [flat[: count * length].reshape(*lead, length) for length in next(pairs)]
