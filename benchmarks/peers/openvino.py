"""OpenVINO's CPU plugin, in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino

from ..problem import lengthwise
from . import Contestant
from ._onnx import model


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
    core = openvino.Core()
    request = core.compile_model(core.read_model(model(row, arrays), b""), "CPU", settings).create_infer_request()
    if row.lengths:
        pair = lengthwise(row, arrays["input"])
        return Contestant(lambda: [request.infer([x], share_inputs=True)[0] for x in pair()][-1])
    x = arrays["input"]
    return Contestant(lambda: request.infer([x], share_inputs=True)[0])
