"""Contestants: each module builds a call without arguments for a row, or says why it cannot."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

NAMES = ("torch", "onnxruntime", "openvino", "ncnn", "opencv", "pillow", "kornia", "skimage", "scipy")


class UnsupportedError(Exception):
    """A peer cannot do a row; the message says why."""


def _nothing() -> None:
    pass


def _same(result: Any) -> Any:
    return result


@dataclass
class Contestant:
    """A call, how to set its threads, and its result as NumPy arrays."""

    call: Callable[[], Any]
    enter: Callable[[], None] = _nothing
    to_numpy: Callable[[Any], Any] = _same
    tolerance: float | None = None  # in place of the row's, where the filter is another but the work is the same
    first: float = 0.0  # seconds of the call whose result was checked
    work: float = 0.0  # of a yardstick: what one call moves or computes


def build(peer: str, row: Any, arrays: dict[str, np.ndarray], threads: int) -> tuple[Contestant | None, str]:
    """Give the contestant of a peer, or None and the reason."""
    try:
        return importlib.import_module(f".{peer}", __name__).build(row, arrays, threads), ""
    except UnsupportedError as error:
        return None, str(error)
    except ImportError as error:
        return None, f"not installed ({error})"
    except Exception as error:  # a library that refuses a row must not end the run
        return None, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
