"""One-operator ONNX models of a row, for ONNX Runtime and OpenVINO."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from . import UnsupportedError


def model(row: Any, arrays: dict[str, np.ndarray]) -> bytes:
    """Serialise the row's operator with its weights inside."""
    from ..problem import output_shape

    if row.backward or row.dtype != "float32" or row.channels_last or row.given_out:
        raise UnsupportedError("float32, planar, forward, fresh results only")
    p = row.params
    if row.op == "conv_transpose":
        if not row.packed:
            raise UnsupportedError("holds packed weights: races our layer")
        extra = [numpy_helper.from_array(arrays[key], key) for key in ("weight", "bias")]
        node = helper.make_node(
            "ConvTranspose", ["input", "weight", "bias"], ["output"], kernel_shape=row.axes("kernel", 1),
            strides=row.axes("stride", 1), pads=row.axes("padding", 0) * 2, dilations=row.axes("dilation", 1),
            output_padding=row.axes("output_padding", 0), group=p.get("groups", 1),
        )  # fmt: skip
    elif row.op == "interpolate" and p["mode"] in ("nearest", "bilinear", "bicubic", "linear", "trilinear"):
        if p.get("antialias"):
            raise UnsupportedError("its antialias is not PyTorch's")
        size = np.array(output_shape(row), np.int64)
        extra = [numpy_helper.from_array(size, "size")]
        mode = {"nearest": "nearest", "bicubic": "cubic"}.get(p["mode"], "linear")
        where = "asymmetric" if mode == "nearest" else "pytorch_half_pixel"
        node = helper.make_node("Resize", ["input", "", "", "size"], ["output"], mode=mode, nearest_mode="floor",
                                coordinate_transformation_mode=where, cubic_coeff_a=-0.75)  # fmt: skip
    else:
        raise UnsupportedError("no such operator here")
    shapes = [row.shape, output_shape(row)]
    if row.lengths:
        shapes = [(*shape[:-1], None) for shape in shapes]
    graph = helper.make_graph(
        [node], "row", [helper.make_tensor_value_info("input", TensorProto.FLOAT, shapes[0])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shapes[1])], extra,
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return made.SerializeToString()
