"""ncnn's deconvolution layers, on batch 1."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ncnn
import numpy as np

from . import Contestant, UnsupportedError


def _parameters(row: Any) -> str:
    """The layer's numbered parameters: width first, then height and depth."""
    p = row.params
    weights = int(row.shape[1] * p["out"] // p.get("groups", 1) * np.prod(row.axes("kernel", 1)))
    text = f"0={p['out']} 5=1 6={weights}"
    for first, key, default in ((1, "kernel", 1), (2, "dilation", 1), (3, "stride", 1), (4, "padding", 0)):
        text += "".join(f" {first + 10 * n}={value}" for n, value in enumerate(reversed(row.axes(key, default))))
    text += "".join(f" {18 + n}={value}" for n, value in enumerate(reversed(row.axes("output_padding", 0))))
    return text + (f" 7={p['groups']}" if p.get("groups", 1) > 1 else "")


def build(row: Any, arrays: dict[str, np.ndarray], threads: int) -> Contestant:
    if row.op != "conv_transpose" or not row.packed or row.dtype != "float32" or row.channels_last or row.backward:
        raise UnsupportedError("float32 transposed convolution only")
    if row.shape[0] != 1 or row.lengths:
        raise UnsupportedError("batch 1 only, one length")
    groups = row.params.get("groups", 1)
    kind = ("DeconvolutionDepthWise" if groups > 1 else "Deconvolution") + {1: "1D", 2: "", 3: "3D"}[row.rank]
    weight = arrays["weight"].reshape(groups, row.shape[1] // groups, row.params["out"] // groups, -1).swapaxes(1, 2)
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    # The same precision for everybody.
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    with tempfile.TemporaryDirectory() as folder:
        param, weights = Path(folder, "net.param"), Path(folder, "net.bin")
        param.write_text(f"7767517\n2 2\nInput in 0 1 in\n{kind} up 1 1 in out {_parameters(row)}\n")
        weights.write_bytes(bytes(4) + np.ascontiguousarray(weight).tobytes() + arrays["bias"].tobytes())
        if net.load_param(str(param)) or net.load_model(str(weights)):
            raise UnsupportedError("ncnn does not load the layer")
    x = ncnn.Mat(np.ascontiguousarray(arrays["input"][0])).clone()

    def call() -> Any:
        extractor = net.create_extractor()
        extractor.input("in", x)
        return extractor.extract("out")[1]

    return Contestant(call, to_numpy=lambda mat: np.array(mat)[None])
