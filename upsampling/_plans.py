"""Plans for compiled code: each operator's way from sizes to kernels, gone once while a program records it.

A builder makes arrays of the planned shapes and orders, which stand for those of later executions and are neither read
nor written here, and calls the functions that the operator itself calls. What NumPy does between kernels, for some
dtypes, is a step of the program too. See pyx/program.pyx.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from ctypes import string_at
from functools import partial
from math import prod
from typing import Any

import numpy as np

from . import (
    _args,
    _arrays,
    _conv_args,
    _conv_gradients,
    _conv_transpose,
    _interpolate,
    _interpolate_args,
    _kernels,
    _plan_resample,
    _plan_resize,
    _pool_args,
    _resample,
    _resize,
    _resize_args,
    _threads,
    sizes,
)
from ._kernels.calls import record

# How assign.h converts between the dtype of an array and the one that kernels compute in.
WIDEN = {"float16": 1, "bfloat16": 2, "int8": 5, "uint8": 6, "int16": 7, "uint16": 8, "int32": 9, "uint32": 10}
NARROW = {"float16": 3, "bfloat16": 4, "int8": 11, "uint8": 11, "int16": 12, "uint16": 12, "int32": 13, "uint32": 13}
FLIP = {1: 14, 2: 15, 8: 16}
LIMITED = {1: 17, 2: 18, 4: 19}
NEGATED, ADDED, TAKEN = {4: 20, 8: 21}, {4: 22, 8: 23}, {4: 24, 8: 25}

COMMON: dict[str, Any] = {"rank": 2, "dtype": "float32", "channels_last": False, "threads": 0, "batch": 1}
CONV_TRANSPOSE = {"in_channels": 1, "out_channels": 1, "groups": 1, "input": 1, "kernel": 1, "stride": 1, "padding": 0}
DEFAULTS: dict[str, dict[str, Any]] = {
    "conv_transpose": COMMON | CONV_TRANSPOSE | {"output_padding": 0, "dilation": 1, "weight": None, "bias": None},
    "max_pool": COMMON
    | {"channels": 1, "input": 1, "kernel": 1, "stride": 0, "padding": 0, "dilation": 1}
    | {"ceil_mode": False, "indices": True},
    "max_unpool": COMMON | {"channels": 1, "input": 1, "output": 1},
    "interpolate": COMMON
    | {"channels": 1, "input": 1, "output": 0, "scale": 0.0}
    | {"mode": "linear", "align_corners": False, "antialias": False},
    "resize": {"dtype": "uint8", "threads": 0, "height": 1, "width": 1, "channels": 3, "out_height": 1, "out_width": 1}
    | {"mode": "bicubic", "antialias": True},
    "pixel_shuffle": {"dtype": "float32", "channels_last": False, "threads": 0, "batch": 1, "channels": 4}
    | {"height": 1, "width": 1, "factor": 2},
}
PER_AXIS = ("input", "output", "kernel", "stride", "padding", "output_padding", "dilation", "scale")


class Problem:
    """The fields of a problem, with its defaults, as attributes."""

    def __init__(self, operator: str, given: dict[str, Any]) -> None:
        defaults = DEFAULTS[operator]
        if unknown := sorted(set(given) - set(defaults)):
            raise TypeError(f"{operator} has no field {unknown[0]!r}; it has {', '.join(defaults)}")
        fields = defaults | given
        rank = fields.get("rank", 2)
        if rank not in (1, 2, 3):
            raise ValueError(f"rank must be 1, 2 or 3, got {rank}")
        for name in PER_AXIS:
            if name in fields and not isinstance(fields[name], Sequence):
                fields[name] = (fields[name],) * rank
        fields["dtype"] = _dtype(fields["dtype"])
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def new(self, *shape: int, dtype: Any = None) -> np.ndarray:
        """Return an array of the problem's dtype and order."""
        last = bool(self.__dict__.get("channels_last")) and len(shape) > 2
        return _new(shape, self.dtype if dtype is None else dtype, last)


def _dtype(value: Any) -> np.dtype:
    if isinstance(value, int):
        return np.dtype(f"V{value}")
    if value == "bfloat16":
        from ml_dtypes import bfloat16

        return np.dtype(bfloat16)
    return np.dtype(value)


def _new(shape: Sequence[int], dtype: Any, channels_last: bool = False) -> np.ndarray:
    """Return an array that stands for one of the plan's."""
    if min(shape) < 0:
        raise ValueError(f"sizes must not be negative, got {tuple(shape)}")
    if channels_last:
        return np.moveaxis(_new((shape[0], *shape[2:], shape[1]), dtype), -1, 1)
    if prod(shape) * np.dtype(dtype).itemsize > _args.LARGEST:
        raise MemoryError(f"an array of shape {tuple(shape)} and dtype {np.dtype(dtype)} does not fit in memory")
    # Zeros, for kernels look at positions, which are to be inside of planes.
    return np.zeros(shape, dtype) if dtype is np.int64 else np.empty(shape, dtype)


@contextmanager
def _recorded(plan: Any) -> Iterator[None]:
    record(plan)
    try:
        yield
    finally:
        record(None)


def build(program: Callable[[], Any], operator: str, operation: str, given: dict[str, Any]) -> Any:
    """Return a plan; see `upsampling.kernels.plan`."""
    if operator not in BUILDERS:
        raise ValueError(f"operator must be one of {', '.join(BUILDERS)}, got {operator!r}")
    builders = BUILDERS[operator]
    if operation not in builders:
        raise ValueError(f"operation of {operator} must be one of {', '.join(builders)}, got {operation!r}")
    problem = Problem(operator, given)
    plan = program()
    with _threads.num_threads(problem.threads) if problem.threads else nullcontext(), _recorded(plan):
        builders[operation](plan, problem)
    return plan.finished()


def _assign(plan: Any, target: np.ndarray, source: np.ndarray, how: int = 0) -> None:
    plan.assign(target, source, how, _threads.threads_for(source.size))


def _temporary(like: np.ndarray, dtype: Any) -> np.ndarray:
    return _arrays.allocate(like.shape, dtype, _arrays.is_channels_last(like))  # which the program is told of


def _wide(plan: Any, array: np.ndarray, filled: bool = True) -> np.ndarray:
    """Return what kernels compute with: the array itself, or a temporary one that holds its numbers if `filled`."""
    if array.dtype.kind in "iu" and array.itemsize == 8:
        return array.view(np.uint64)
    if array.dtype.name not in WIDEN:
        return array
    made = _temporary(array, np.uint64 if array.dtype.kind in "iu" else np.float32)
    if filled:
        _assign(plan, made, array, WIDEN[array.dtype.name])
    return made


def _narrow(plan: Any, target: np.ndarray, wide: np.ndarray) -> None:
    """Put the numbers of a temporary array that `_wide` made for `target` there."""
    if target.dtype.name in NARROW:
        _assign(plan, target, wide, NARROW[target.dtype.name])


def _clear(plan: Any, target: np.ndarray) -> None:
    zero = np.zeros((), target.dtype)
    plan.keep(zero)
    plan.assign(target, np.broadcast_to(zero, target.shape))


def _real(array: np.ndarray) -> str:
    """Name the precision of kernels that compute with such arrays."""
    return "i64" if array.dtype.kind in "iu" else f"f{8 * array.itemsize}"


def _conv_spec(p: Problem) -> tuple[_conv_args.Problem, np.ndarray, np.ndarray, np.ndarray]:
    """Return the checked problem with its input, weight and output."""
    if p.groups < 1 or p.out_channels % p.groups:
        raise ValueError(f"groups must divide the {p.out_channels} output channels, got {p.groups}")
    x = p.new(p.batch, p.in_channels, *p.input)
    w = _new((p.in_channels, p.out_channels // p.groups, *p.kernel), p.dtype)
    spec = _conv_args.problem(p.rank, x, w, p.stride, p.padding, p.output_padding, p.groups, p.dilation)
    return spec, x, w, p.new(*spec.output_shape)


def _constant(plan: Any, value: Any, like: np.ndarray) -> np.ndarray:
    """Return a copy of an array that is given as such or by its address."""
    if isinstance(value, int):
        value = np.frombuffer(string_at(value, like.nbytes), like.dtype).reshape(like.shape)
    made = np.array(value, like.dtype, order="C")
    if made.shape != like.shape:
        raise ValueError(f"weight and bias must have shapes {like.shape}, got {made.shape}")
    if made.dtype.name in WIDEN:
        made = made.astype(np.uint64 if made.dtype.kind in "iu" else np.float32)
    plan.keep(made)
    return made


def _complex_parts(plan: Any, array: np.ndarray, conjugated: bool = False) -> list[np.ndarray]:
    """Return the real and the imaginary part, each in an array of its own."""
    if plan.constant(array):
        plan.keep(made := [array.real.copy(), (-array.imag if conjugated else array.imag).copy()])
        return made
    made = [_temporary(array, array.real.dtype) for _ in range(2)]
    _assign(plan, made[0], array.real)
    _assign(plan, made[1], array.imag, NEGATED[made[1].itemsize] if conjugated else 0)
    return made


def _complex_sums(
    plan: Any, run: Callable[..., Any], a: Sequence[np.ndarray], b: Sequence[np.ndarray], target: np.ndarray
) -> None:
    """Put a bilinear operation of complex operands, given by their parts, together from `run` of real ones."""
    (ar, ai), (br, bi) = a, b
    for part, first, second, how in (
        (target.real, (ar, br), (ai, bi), TAKEN),
        (target.imag, (ar, bi), (ai, br), ADDED),
    ):
        for operands, step in ((first, 0), (second, how[part.itemsize])):
            run(*operands, made := _temporary(target, part.dtype))
            _assign(plan, part, made, step)


def _conv_forward(plan: Any, p: Problem) -> None:
    spec, x, w, y = _conv_spec(p)
    plan.array(x)
    bias = np.empty(p.out_channels, p.dtype)
    if p.weight is None or (isinstance(p.weight, int) and p.weight == 0):
        plan.array(w)
        plan.array(bias, optional=True)
    else:
        w = _constant(plan, p.weight, w)
        given = p.bias is not None and not (isinstance(p.bias, int) and p.bias == 0)
        bias = _constant(plan, p.bias, bias) if given else _constant(plan, np.zeros_like(bias), bias)
    plan.array(y, written=True)
    if not y.size:
        return
    if p.dtype.kind == "c":
        run = partial(_conv_run, spec, True)
        _complex_sums(plan, run, _complex_parts(plan, x), _complex_parts(plan, w), y)
        column = bias.reshape(-1, *(1,) * p.rank)
        for part, more in ((y.real, column.real), (y.imag, column.imag)):
            _assign(plan, part, np.broadcast_to(more, y.shape), ADDED[part.itemsize])
        return
    wide = _wide(plan, y, filled=False)
    _conv_transpose._contract(spec, _wide(plan, x), _wide(plan, w), _wide(plan, bias), wide, forward=True)
    _narrow(plan, y, wide)


def _conv_run(spec: _conv_args.Problem, forward: bool, x: np.ndarray, w: np.ndarray, y: np.ndarray) -> None:
    _conv_transpose._contract(spec, x, w, None, y, forward)


def _conv_backward(plan: Any, p: Problem) -> None:
    spec, x, w, g = _conv_spec(p)
    _args.dtype_among("dtype", g, (*_conv_args.FLOATS, *_conv_args.COMPLEX))
    for array in (g, w):
        plan.array(array)
    plan.array(x, written=True)
    if x.size and p.dtype.kind == "c":
        run = partial(_conv_run, spec, False)
        _complex_sums(plan, run, _complex_parts(plan, g), _complex_parts(plan, w, conjugated=True), x)
    elif x.size:
        wide = _wide(plan, x, filled=False)
        _conv_transpose._contract(spec, _wide(plan, g), _wide(plan, w), None, wide, forward=False)
        _narrow(plan, x, wide)


def _conv_backward_weight(plan: Any, p: Problem) -> None:
    spec, x, w, g = _conv_spec(p)
    _args.dtype_among("dtype", g, (*_conv_args.FLOATS, *_conv_args.COMPLEX))
    for array in (g, x):
        plan.array(array)
    plan.array(w, written=True)
    if not g.size:
        _clear(plan, w)
        return
    axes = _conv_transpose._axes(spec)
    if p.dtype.kind == "c":
        run = partial(_conv_gradients.of_weight, _real(w.real), axes, spec.groups)
        _complex_sums(plan, run, _complex_parts(plan, x, conjugated=True), _complex_parts(plan, g), w)
        return
    wide, wide_x = _wide(plan, w, filled=False), _wide(plan, x)
    _conv_gradients.of_weight(_real(wide), axes, spec.groups, wide_x, _wide(plan, g), wide)
    _narrow(plan, w, wide)


def _conv_backward_bias(plan: Any, p: Problem) -> None:
    _, _, _, g = _conv_spec(p)
    _args.dtype_among("dtype", g, (*_conv_args.FLOATS, *_conv_args.COMPLEX))
    plan.array(g)
    bias = plan.array(np.empty(g.shape[1], p.dtype), written=True)
    if not g.size:
        _clear(plan, bias)
        return
    if p.dtype.kind == "c":
        for part, into in zip(_complex_parts(plan, g), (bias.real, bias.imag), strict=True):
            made = _temporary(bias, part.dtype)
            _conv_gradients.of_bias(_real(part), part, made)
            _assign(plan, into, made)
        return
    wide = _wide(plan, bias, filled=False)
    _conv_gradients.of_bias(_real(wide), _wide(plan, g), wide)
    _narrow(plan, bias, wide)


def _ordered(plan: Any, array: np.ndarray, filled: bool = True) -> np.ndarray:
    """Return an array's numbers in the order in which signed ones stand: uint64 with its highest bit turned over."""
    wide = _wide(plan, array, filled)
    if array.dtype.kind in "iu":
        if array.dtype == np.uint64:
            made = _temporary(array, np.int64)
            if filled:
                _assign(plan, made, array, FLIP[8])
            return made
        return wide.view(np.int64)
    return wide


def _pool_spec(p: Problem) -> tuple[_pool_args.Windows, tuple[int, ...], np.ndarray]:
    """Return the windows, the result's shape and the input."""
    stride = None if not any(p.stride) else p.stride
    spec = _pool_args.windows(p.rank, p.kernel, stride, p.padding, p.dilation)
    x = p.new(p.batch, p.channels, *p.input)
    x = _pool_args.image("input", x, p.rank)
    return spec, _pool_args.pooled_shape(x, p.rank, spec, p.ceil_mode), x


def _pool_forward(plan: Any, p: Problem) -> None:
    spec, shape, x = _pool_spec(p)
    _args.dtype_among("dtype", x, (*_pool_args.FLOATS, *_pool_args.INTEGERS))
    plan.array(x)
    y = plan.array(p.new(*shape), written=True)
    at = p.new(*(shape if p.indices else (1,) * len(shape)), dtype=np.int64)
    if p.indices:
        plan.array(at, written=True)
    if y.size:
        ordered = _ordered(plan, y, filled=False)
        ones, zeros = (1,) * (3 - p.rank), (0,) * (3 - p.rank)
        taps = _pool_args.taps_in_reach(spec, x.shape[2:])
        numbers = (*ones, *taps.kernel_size, *ones, *taps.stride, *zeros, *taps.padding, *ones, *taps.dilation)
        # Cython knows the compiled type of an integer build by a float's name.
        passed = (
            array.view(np.float64) if array.dtype.kind == "i" else array for array in (_ordered(plan, x), ordered)
        )
        x5, y5 = map(_arrays.five_axes, passed)
        work = y.size * prod(taps.kernel_size)
        _kernels.load("pool", _real(ordered)).pool(
            x5, np.array(numbers, np.intp), y5, _arrays.five_axes(at), bool(p.indices), _threads.threads_for(work)
        )
        if p.dtype == np.uint64:
            _assign(plan, y, ordered, FLIP[8])
        elif p.dtype.kind == "i" and p.dtype.itemsize < 8:
            # A window in the padding alone, which dilation makes, has a dtype's least value.
            _assign(plan, y, ordered, LIMITED[p.dtype.itemsize])
        else:
            _narrow(plan, y, ordered)


def _pool_backward(plan: Any, p: Problem) -> None:
    _, shape, x = _pool_spec(p)
    _args.dtype_among("dtype", x, _pool_args.FLOATS)
    g = plan.array(p.new(*shape))
    at = plan.array(p.new(*shape, dtype=np.int64), plane=prod(p.input))
    plan.array(x, written=True)
    if x.size:
        wide = _wide(plan, x, filled=False)
        planes = (_arrays.flat_planes(array) for array in (_wide(plan, g), at, wide))
        _kernels.load("pool", _real(wide)).add(*planes, _threads.threads_for(g.size + x.size))
        _narrow(plan, x, wide)


def _unpool(plan: Any, p: Problem, forward: bool) -> None:
    small = p.new(p.batch, p.channels, *p.input)
    large = p.new(p.batch, p.channels, *p.output)
    at = p.new(*small.shape, dtype=np.int64)
    if small.size and not large.size and not forward:
        raise ValueError(f"output must have no empty axis where input has none, got {p.output}")
    source, target = (small, large) if forward else (large, small)
    plan.array(source)
    plan.array(at, plane=prod(p.output))
    plan.array(target, written=True)
    if target.size:
        moved, positions, result = map(_arrays.flat_planes, (source, at, target))
        moved, result = (array[..., None].view(np.uint8) for array in (moved, result))
        threads = _threads.threads_for(large.size + (0 if forward else small.size))
        kernel = _kernels.load("move", "bytes")
        if forward:
            kernel.put(moved, positions, result, threads)
        else:
            kernel.fetch(moved, positions, result, _pool_args.volumes(p.input, p.output), threads)


def _unpool_forward(plan: Any, p: Problem) -> None:
    _unpool(plan, p, forward=True)


def _unpool_backward(plan: Any, p: Problem) -> None:
    _unpool(plan, p, forward=False)


def _sampled(
    plan: Any, kernel: Callable[..., Any], source: np.ndarray, target: np.ndarray, tables: Sequence[Any], *options: Any
) -> None:
    """Record a kernel's call, or a copy where every axis is kept."""
    last = _arrays.is_channels_last(source)
    if all(table is None for table in tables):
        _assign(plan, target, source)
    elif last or target.flags.c_contiguous:
        kernel(source, target, tables, *options)
    else:  # pictures of one pixel are in both orders: kernels take them for C order
        made = _arrays.allocate(target.shape, target.dtype)
        kernel(source, made, tables, *options)
        _assign(plan, target, made)


def _request(p: Problem) -> tuple[_interpolate_args.Request, tuple[int, ...]]:
    mode = ("linear", "bilinear", "trilinear")[p.rank - 1] if p.mode == "linear" else p.mode
    shape = (p.batch, p.channels, *p.input)
    size = p.output if any(p.output) else None
    scale = p.scale if any(p.scale) else None
    aligned = True if p.align_corners else None
    return _interpolate_args.request(shape, size, scale, mode, aligned, None, bool(p.antialias)), shape


def _interpolate_forward(plan: Any, p: Problem) -> None:
    asked, shape = _request(p)
    x, y = p.new(*shape), p.new(*shape[:2], *asked.out_space)
    _interpolate_args.check_dtype("input", x, asked)
    plan.array(x)
    plan.array(y, written=True)
    if not y.size:
        return
    if asked.is_nearest:
        _sampled(plan, _resample.gather, x, y, _interpolate._indices(asked, p.dtype))
    elif _interpolate_args.in_fixed_point(p.dtype, asked):
        tables = [_plan_resample.fixed_point_table(axis) for axis in _interpolate._axes(asked)]
        _sampled(plan, _resample.resample_in_passes, x, y, tables)
    else:
        tables = _interpolate._tables(asked, p.dtype, _resample.precision_of(p.dtype))
        _sampled(plan, _resample.resample, x, y, tables)


def _interpolate_backward(plan: Any, p: Problem) -> None:
    asked, shape = _request(p)
    x, g = p.new(*shape), p.new(*shape[:2], *asked.out_space)
    _interpolate_args.check_dtype("grad_output", g, asked, gradient=True)
    plan.array(g)
    plan.array(x, written=True)
    if not g.size:
        _clear(plan, x)
    elif x.size:
        precision = np.float64 if asked.kind == "area" else _resample.precision_of(p.dtype)
        tables = _interpolate._tables(asked, p.dtype, precision, transposed=True)
        _sampled(plan, _resample.resample, g, x, tables, precision)


def _resize_forward(plan: Any, p: Problem) -> None:
    mode = "bilinear" if p.mode == "linear" else p.mode
    image = plan.array(p.new(p.height, p.width, p.channels))
    call = _resize_args.check(image, (p.out_height, p.out_width), None, mode, bool(p.antialias))
    result = plan.array(p.new(*call.shape), written=True)
    if not result.size:
        return
    if image.shape[:2] == (1, 1) or image.shape == result.shape:
        _assign(plan, result, np.broadcast_to(image, result.shape))
    elif mode == "nearest":
        _resize._nearest(call, result)
    elif p.dtype.name not in _resize_args.INTEGERS:
        _resize._floats(call, result)
    else:
        _resize_integers(plan, p, call, image, result)


def _resize_integers(plan: Any, p: Problem, call: _resize_args.Resize, image: np.ndarray, result: np.ndarray) -> None:
    unsigned = np.dtype(f"u{image.itemsize}")
    pillow = call.antialias and call.mode != "area" and p.dtype == np.uint8
    tables = [
        _plan_resize.fixed_table(size_in, size_out, call.mode, call.antialias, pillow)
        for size_in, size_out in zip(image.shape, call.size, strict=False)
    ]
    source, target = image.view(unsigned), result.view(unsigned)
    if p.dtype.kind == "i":
        source = _temporary(image, unsigned)
        _assign(plan, source, image.view(unsigned), FLIP[image.itemsize])
    _resize._fixed(source, target, tables, call)
    if p.dtype.kind == "i":
        _assign(plan, target, target, FLIP[image.itemsize])


def _shuffle_either(plan: Any, p: Problem, forward: bool) -> None:
    x = p.new(p.batch, p.channels, p.height, p.width)
    y = p.new(*sizes.pixel_shuffle_output_size(x.shape, p.factor))
    source, target = (x, y) if forward else (y, x)
    plan.array(source)
    plan.array(target, written=True)
    if target.size:
        # Axes of both are (N, C, row in a square, column in it, H, W): splitting axes makes no copy.
        r = p.factor
        fine = x.reshape(p.batch, y.shape[1], r, r, p.height, p.width)
        wide = y.reshape(p.batch, y.shape[1], p.height, r, p.width, r).transpose(0, 1, 3, 5, 2, 4)
        _assign(plan, wide if forward else fine, fine if forward else wide)


def _shuffle_forward(plan: Any, p: Problem) -> None:
    _shuffle_either(plan, p, forward=True)


def _shuffle_backward(plan: Any, p: Problem) -> None:
    _shuffle_either(plan, p, forward=False)


BUILDERS: dict[str, dict[str, Callable[[Any, Problem], None]]] = {
    "conv_transpose": {
        "forward": _conv_forward,
        "backward": _conv_backward,
        "backward_weight": _conv_backward_weight,
        "backward_bias": _conv_backward_bias,
    },
    "max_pool": {"forward": _pool_forward, "backward": _pool_backward},
    "max_unpool": {"forward": _unpool_forward, "backward": _unpool_backward},
    "interpolate": {"forward": _interpolate_forward, "backward": _interpolate_backward},
    "resize": {"forward": _resize_forward},
    "pixel_shuffle": {"forward": _shuffle_forward, "backward": _shuffle_backward},
}
