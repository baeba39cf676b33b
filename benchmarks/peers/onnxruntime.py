"""ONNX Runtime's CPU provider."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime

from ..problem import lengthwise
from . import Contestant
from ._onnx import model


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model(row, arrays), options, providers=["CPUExecutionProvider"])
    if row.lengths:
        pair = lengthwise(row, arrays["input"])
        return Contestant(lambda: [session.run(None, {"input": x})[0] for x in pair()][-1])
    feed = {"input": arrays["input"]}
    return Contestant(lambda: session.run(None, feed)[0])
