"""Checks of arguments, shared by the compiled functions and the reference layer.

Every check names the argument, what it was and what it may be: ValueError for a value or a shape,
TypeError for a type or dtype. Nothing here computes or allocates results.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

LARGEST = 2**63 - 1
# What `float` takes all the same: bools, the real part of NumPy's complex numbers, text.
NOT_REAL = (bool, np.bool_, complex, np.complexfloating, str, bytes, np.character, np.timedelta64)


def shown(value: Any) -> str:
    """`value` for an error message, cut where it is long."""
    try:
        text = repr(value)
    except Exception:  # an integer of thousands of digits, or an object whose own repr raises
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def integer(name: str, value: Any, minimum: int = 0, maximum: int = LARGEST) -> int:
    """A Python or NumPy integer from `minimum` to `maximum`, 64 bits by default; bools and floats are refused."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, got the bool {value!r}")
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {shown(value)} of type {type(value).__name__}") from None
    if not minimum <= result <= maximum:
        last = "2**63 - 1" if maximum == LARGEST else maximum
        raise ValueError(f"{name} must be from {minimum} to {last}, got {shown(result)}")
    return result


def is_sequence(value: Any) -> bool:
    """Whether `value` stands for several numbers: a tuple, a list, or a one-dimensional array."""
    return isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)


def integers(name: str, value: Any, count: int, minimum: int = 0) -> tuple[int, ...]:
    """One integer for each of `count` axes, from an integer or from a sequence of `count` (or one) of them."""
    if not is_sequence(value):
        return (integer(name, value, minimum),) * count
    if len(value) not in (1, count):
        raise ValueError(f"{name} must be an integer or {count} of them, got {shown(value)}")
    result = tuple(integer(f"{name}[{axis}]", item, minimum) for axis, item in enumerate(value))
    return result if len(result) == count else result * count


def space_of(name: str, value: Any, rank: int, lead: int) -> Any:
    """Return the last `rank` sizes of a whole shape, which has `lead` more, or what may stand for them as it is."""
    if not is_sequence(value) or len(value) in (1, rank):
        return value
    if len(value) != lead + rank:
        raise ValueError(
            f"{name} must be an integer, {rank} of them, or a whole shape of {lead + rank}, got {shown(value)}"
        )
    return value[lead:]


def strides(stride: Any, kernel_size: tuple[int, ...]) -> tuple[int, ...]:
    """Return pooling's `stride`, one number an axis; None and an empty sequence are the kernel's size."""
    unset = stride is None or (is_sequence(stride) and len(stride) == 0)
    return kernel_size if unset else integers("stride", stride, len(kernel_size), minimum=1)


def number(name: str, value: Any) -> float:
    """A finite real number above zero; bools, and text that `float` would read, are refused."""
    # A zero-dimensional array is the number that it holds.
    item = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    real = not isinstance(item, NOT_REAL) and (hasattr(item, "__float__") or hasattr(item, "__index__"))
    try:
        result = float(item) if real else None
    except OverflowError:
        raise ValueError(f"{name} must be finite, got {shown(value)}") from None
    except (TypeError, ValueError):
        result = None
    if result is None:
        raise TypeError(f"{name} must be a number, got {shown(value)} of type {type(value).__name__}")
    if not (math.isfinite(result) and result > 0):
        raise ValueError(f"{name} must be finite and above 0, got {shown(value)}")
    return result


def numbers(name: str, value: Any, count: int) -> tuple[float, ...]:
    """One positive number for each of `count` axes, from a number or a sequence of `count` (or one) of them."""
    if not is_sequence(value):
        return (number(name, value),) * count
    if len(value) not in (1, count):
        raise ValueError(f"{name} must be a number or {count} of them, got {shown(value)}")
    result = tuple(number(f"{name}[{axis}]", item) for axis, item in enumerate(value))
    return result if len(result) == count else result * count


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {shown(value)} of type {type(value).__name__}")
    return bool(value)


def choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """One of the `allowed` strings."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {shown(value)} of type {type(value).__name__}")
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {shown(value)}")
    return value


def array(name: str, value: Any, ranks: Iterable[int] | None = None) -> np.ndarray:
    """`value` as an ndarray of one of the accepted `ranks`; what holds Python objects is refused."""
    if type(value) is not np.ndarray:
        try:
            value = np.asarray(value)
        except MemoryError:
            raise
        except Exception as error:  # whatever the object's own conversion raises
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"{name} must be an array, got {type(value).__name__}: {error}") from None
    if value.dtype.hasobject:
        raise TypeError(
            f"{name} must be an array of numbers, or of another dtype without Python objects, got dtype {value.dtype}"
        )
    if ranks is not None and value.ndim not in ranks:
        wanted = " or ".join(str(rank) for rank in ranks)
        raise ValueError(f"{name} must have {wanted} dimensions, got shape {value.shape}")
    return value


def image(name: str, value: Any) -> np.ndarray:
    """`value` as an array (..., C, H, W) of any dtype."""
    result = array(name, value)
    if result.ndim < 3:
        raise ValueError(f"{name} must have at least 3 dimensions, got shape {result.shape}")
    return result


def is_bfloat16(dtype: np.dtype) -> bool:
    """Whether `dtype` is ml_dtypes' bfloat16 (asked without importing ml_dtypes)."""
    return dtype.name == "bfloat16"


def dtype_name(dtype: np.dtype) -> str:
    """The name that the lists of accepted dtypes use, whatever the byte order."""
    return dtype.name


def dtype_among(name: str, array: np.ndarray, accepted: Sequence[str]) -> None:
    """Refuse an array whose dtype's name is not among `accepted`."""
    if array.dtype.name not in accepted:
        raise TypeError(f"{name} must be of dtype {', '.join(accepted)}; got {array.dtype}")


def same_dtype(name: str, array: np.ndarray, other_name: str, other: np.ndarray) -> None:
    """Refuse two arrays of different dtypes (byte order aside)."""
    if array.dtype.newbyteorder("=") != other.dtype.newbyteorder("="):
        raise TypeError(f"{name} must have the dtype of {other_name}, {other.dtype}; got {array.dtype}")


def same_shape(name: str, array: np.ndarray, shape: Sequence[int]) -> None:
    """Refuse an array of another shape than `shape`."""
    if array.shape != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {array.shape}")
