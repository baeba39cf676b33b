"""A table of wrong calls: the type of each error, its message, and that `out` and the inputs are untouched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import upsampling as up
from upsampling import reference, sizes

X1, X2, X3 = (np.ones((2, 4, *(6,) * rank), np.float32) for rank in (1, 2, 3))
W2 = np.ones((4, 3, 3, 3), np.float32)
I2 = np.arange(36).reshape(1, 1, 6, 6) + np.zeros((2, 4, 1, 1), np.int64)
G2 = np.ones((2, 3, 8, 8), np.float32)
OBJECTS = np.array([None, 1], object)


class Unreadable:
    """What cannot become an array, for a reason of its own."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise RuntimeError("gone")


CONV, POOL, UNPOOL = "conv_transpose2d", "max_pool2d", "max_unpool2d"
WRONG: list[tuple[str, dict[str, Any], type, str]] = [
    (CONV, {"input": X1[0, 0], "weight": W2}, ValueError, "input.*dimensions"),
    (CONV, {"input": X2, "weight": W2[0]}, ValueError, "weight"),
    (CONV, {"input": X2[:, :3], "weight": W2}, ValueError,
     r"weight must have input's 3 channels on its first axis, got shape \(4, 3, 3, 3\)"),
    (CONV, {"input": X2, "weight": W2, "bias": np.ones(4, np.float32)}, ValueError, "bias"),
    (CONV, {"input": X2, "weight": W2.astype(np.float64)}, TypeError, "weight.*dtype"),
    (CONV, {"input": X2, "weight": W2, "bias": np.ones(3)}, TypeError, "bias.*dtype"),
    (CONV, {"input": X2.astype(bool), "weight": W2.astype(bool)}, TypeError, "bool"),
    (CONV, {"input": OBJECTS, "weight": W2}, TypeError, "input"),
    (CONV, {"input": X2, "weight": W2, "stride": 0}, ValueError, "stride"),
    (CONV, {"input": X2, "weight": W2, "stride": (1, 2, 3)}, ValueError, "stride"),
    (CONV, {"input": X2, "weight": W2, "stride": 1.0}, TypeError, "stride"),
    (CONV, {"input": X2, "weight": W2, "stride": True}, TypeError, "stride"),
    (CONV, {"input": X2, "weight": W2, "padding": -1}, ValueError, "padding"),
    (CONV, {"input": X2, "weight": W2, "padding": "same"}, TypeError, "padding"),
    (CONV, {"input": X2, "weight": W2, "padding": 9}, ValueError, r"padding\[0\] must leave .* got 9"),
    (CONV, {"input": Unreadable(), "weight": W2}, TypeError, "input must be an array, got Unreadable: gone"),
    (CONV, {"input": X2[0], "weight": W2, "output_size": (2, 3, 8, 8)}, ValueError, "output_size"),
    (CONV, {"input": X2[..., :1], "weight": W2, "stride": 2, "padding": 2, "output_size": (9, 0)}, ValueError,
     r"padding\[1\] must leave an output of at least 1, got 2"),
    (CONV, {"input": X2, "weight": W2, "dilation": 0}, ValueError, "dilation"),
    (CONV, {"input": X2, "weight": W2, "output_padding": 1}, ValueError, "output_padding"),
    (CONV, {"input": X2, "weight": W2, "groups": 3}, ValueError, "groups"),
    (CONV, {"input": X2, "weight": W2, "groups": 0}, ValueError, "groups"),
    (CONV, {"input": X2, "weight": W2, "stride": 2, "output_size": (99, 99)}, ValueError, "output_size.*13.*14"),
    (f"{CONV}_backward", {"grad_output": G2[..., :7], "input": X2, "weight": W2}, ValueError, "grad_output"),
    (f"{CONV}_backward", {"grad_output": G2, "input": X2, "weight": W2, "output_mask": (1, 0, 1)}, TypeError,
     "output_mask"),
    (f"{CONV}_backward", {"grad_output": G2, "input": X2, "weight": W2, "output_mask": (True,)}, ValueError,
     "output_mask"),
    (f"{CONV}_backward", {"grad_output": G2, "input": X2, "weight": W2, "output_mask": True}, TypeError,
     "output_mask"),
    (POOL, {"input": X2, "kernel_size": 2, "padding": 2}, ValueError, "padding"),
    (POOL, {"input": X2, "kernel_size": 10**5000}, ValueError, "kernel_size must be from 1 to .*, got a value of"),
    (POOL, {"input": X2, "kernel_size": 0}, ValueError, "kernel_size"),
    (POOL, {"input": X2, "kernel_size": 2.5}, TypeError, "kernel_size"),
    (POOL, {"input": X2, "kernel_size": 9}, ValueError,
     r"kernel_size\[0\] must span at most the padded input's 6, got 9"),
    (POOL, {"input": X2, "kernel_size": 2, "stride": 0}, ValueError, "stride"),
    (POOL, {"input": X2, "kernel_size": 2, "ceil_mode": 1}, TypeError, "ceil_mode"),
    (POOL, {"input": X2, "kernel_size": 2, "return_indices": "yes"}, TypeError, "return_indices"),
    (POOL, {"input": X2.astype(complex), "kernel_size": 2}, TypeError, "complex"),
    (f"{POOL}_backward", {"grad_output": X2, "indices": I2 + 36, "input_size": X2.shape}, ValueError, "indices"),
    (f"{POOL}_backward", {"grad_output": X2, "indices": I2[:1], "input_size": X2.shape}, ValueError, "indices"),
    (f"{POOL}_backward", {"grad_output": X2, "indices": I2, "input_size": (2, 3, 6, 6)}, ValueError, "input_size"),
    (f"{POOL}_backward", {"grad_output": X2, "indices": I2, "input_size": None}, TypeError, "input_size"),
    (UNPOOL, {"input": X2, "indices": I2 + 109, "kernel_size": 2}, ValueError, "indices"),
    (UNPOOL, {"input": X2, "indices": I2 - 1, "kernel_size": 2}, ValueError, "indices"),
    (UNPOOL, {"input": X2, "indices": I2 + 2**32, "kernel_size": 2}, ValueError, "indices"),
    (UNPOOL, {"input": X2, "indices": I2.astype(np.float64), "kernel_size": 2}, TypeError, "indices"),
    (UNPOOL, {"input": X2, "indices": I2[:, :2], "kernel_size": 2}, ValueError, "indices"),
    (UNPOOL, {"input": X2, "indices": I2, "kernel_size": 2, "output_size": (99, 99)}, ValueError, "output_size"),
    (UNPOOL, {"input": X2, "indices": I2, "kernel_size": 2, "output_size": (1, 2, 3)}, ValueError, "output_size"),
    (UNPOOL, {"input": X2[..., :1, :1], "indices": I2[..., :1, :1], "kernel_size": 2, "output_size": 0}, ValueError,
     "output_size.*from 1 to 3, got 0"),
    (UNPOOL, {"input": X2, "indices": [[0], [1, 2]], "kernel_size": 2}, ValueError, "indices"),
    (f"{UNPOOL}_backward", {"grad_output": X2, "indices": I2 + 1}, ValueError, "indices"),
    (f"{UNPOOL}_backward", {"grad_output": X2, "indices": [[0], [1, 2]]}, ValueError, "indices"),
    ("interpolate", {"input": X2}, ValueError, "exactly one of size and scale_factor must be given, got neither"),
    ("interpolate", {"input": X2, "size": 3, "scale_factor": 2}, ValueError,
     "exactly one of size and scale_factor must be given, got both"),
    ("interpolate", {"input": X2, "size": 0}, ValueError, "size"),
    ("interpolate", {"input": X2, "size": (1, 2, 3)}, ValueError, "size"),
    ("interpolate", {"input": X2, "size": 2.0}, TypeError, "size"),
    ("interpolate", {"input": X2, "scale_factor": 0.01}, ValueError,
     "scale_factor must give sizes of at least 1, got 0.01"),
    ("interpolate", {"input": X2, "scale_factor": float("nan")}, ValueError, "scale_factor"),
    ("interpolate", {"input": X2, "scale_factor": "2"}, TypeError, "scale_factor"),
    ("interpolate", {"input": X2, "scale_factor": 10**5000}, ValueError, "scale_factor must be finite"),
    ("interpolate", {"input": X2, "scale_factor": np.array("2")}, TypeError, "scale_factor"),
    ("interpolate", {"input": X2, "scale_factor": bytearray(b"2")}, TypeError, "scale_factor"),
    ("interpolate", {"input": X2, "scale_factor": np.array(True)}, TypeError, "scale_factor"),
    ("interpolate", {"input": X2, "scale_factor": np.complex64(2)}, TypeError, "scale_factor"),
    ("interpolate", {"input": X2, "scale_factor": (2, np.timedelta64(2, "s"))}, TypeError, r"scale_factor\[1\]"),
    ("interpolate", {"input": X2, "size": 3, "mode": "cubic"}, ValueError, "mode.*bicubic"),
    ("interpolate", {"input": X2, "size": 3, "mode": 1}, TypeError, "mode"),
    ("interpolate", {"input": X2, "size": 3, "mode": "linear"}, ValueError, "linear"),
    ("interpolate", {"input": X3, "size": 3, "mode": "bilinear"}, ValueError, "bilinear"),
    ("interpolate", {"input": X2, "size": 3, "align_corners": True}, ValueError, "align_corners"),
    ("interpolate", {"input": X2, "size": 3, "antialias": True}, ValueError, "antialias"),
    ("interpolate", {"input": X2, "size": 3, "recompute_scale_factor": True}, ValueError, "recompute_scale_factor"),
    ("interpolate", {"input": X2[0, 0], "size": 3}, ValueError, "input"),
    ("interpolate", {"input": X2.astype(complex), "size": 3, "mode": "bilinear"}, TypeError, "complex"),
    ("interpolate_backward", {"grad_output": X2, "input_size": X2.shape, "size": 3}, ValueError, "grad_output"),
    ("interpolate_backward", {"grad_output": X2, "input_size": (2, 3, 6, 6), "size": 6}, ValueError,
     "input_size must begin with"),
    ("interpolate", {"input": X2[:, :0], "size": 3}, ValueError, r"sizes above 0 on every axis but the first"),
    ("interpolate_backward", {"grad_output": X2, "input_size": (1, 4, 3, 3), "size": 6}, ValueError,
     r"input_size must begin with grad_output's batch and channels \(2, 4\), got \(1, 4, 3, 3\)"),
    ("interpolate_backward", {"grad_output": X2, "input_size": (4, 3, 3), "size": 6}, ValueError,
     r"input_size must have 4 numbers, or 2 for the space alone, got \(4, 3, 3\)"),
    ("max_pool2d_backward", {"grad_output": X2, "indices": I2, "input_size": (1, 4, 12, 12)}, ValueError,
     r"input_size must begin with \(2, 4\) as grad_output does, got \(1, 4, 12, 12\)"),
    ("max_pool2d_backward", {"grad_output": X2, "indices": I2, "input_size": (0, 7)}, ValueError,
     "indices must be empty, for the plane has no positions, got 0 at"),
    ("pixel_shuffle", {"input": X2[0, 0], "upscale_factor": 3}, ValueError,
     r"input must have at least 3 dimensions, got shape \(6, 6\)"),
    ("pixel_shuffle", {"input": X2, "upscale_factor": 3}, ValueError,
     r"a multiple of upscale_factor\*\*2 = 9 channels, got 4"),
    ("pixel_shuffle", {"input": X2, "upscale_factor": 0}, ValueError, "upscale_factor"),
    ("pixel_shuffle", {"input": X2[0, 0], "upscale_factor": 1}, ValueError, "input"),
    ("pixel_unshuffle", {"input": X2, "downscale_factor": 4}, ValueError, "downscale_factor"),
    ("pixel_unshuffle", {"input": X2, "downscale_factor": 2.0}, TypeError, "downscale_factor"),
    ("resize", {"image": X2[0, 0]}, ValueError, "exactly one of size and scale must be given, got neither"),
    ("resize", {"image": X2, "size": (3, 3)}, ValueError, "image"),
    ("resize", {"image": X2[0, 0], "size": (3, 0)}, ValueError, "size"),
    ("resize", {"image": X2[0, 0], "size": (3, 3), "mode": "area51"}, ValueError, "mode"),
    ("resize", {"image": X2[0, 0], "size": (3, 3), "antialias": None}, TypeError, "antialias"),
]  # fmt: skip


@pytest.mark.parametrize("layer", [up, reference], ids=["fast", "reference"])
@pytest.mark.parametrize("function, given, error, match", WRONG)
def test_wrong_call(layer, function, given, error, match):
    kept = {name: value.copy() for name, value in given.items() if isinstance(value, np.ndarray)}
    with pytest.raises(error, match=match):
        getattr(layer, function)(**given)
    for name, value in kept.items():
        np.testing.assert_array_equal(given[name], value)


@pytest.mark.parametrize(
    "function, given, error, match", [row for row in WRONG if row[0] in (CONV, UNPOOL, "interpolate", "resize")]
)
def test_out_is_untouched(function, given, error, match):
    for shape in ((2, 4, 12, 12), (2, 3, 8, 8), (3, 3)):
        out = np.full(shape, 7, np.float32)
        with pytest.raises((TypeError, ValueError)):
            getattr(up, function)(**given, out=out)
        assert (out == 7).all()


def test_one_wrong_index_among_many_leaves_out_untouched():
    """Also where several threads write: the indices are looked at before anything is written."""
    source = np.ones((8, 16, 32, 32), np.float32)
    indices = np.arange(32 * 32).reshape(1, 1, 32, 32) + np.zeros((8, 16, 1, 1), np.int64)
    out = np.full((8, 16, 64, 64), 7, np.float32)
    for wrong in (64 * 64, -1, 2**32, 2**63 - 1, -(2**63)):
        indices[7, 15, 31, 31] = wrong
        with up.num_threads(4), pytest.raises(ValueError, match="indices"):
            up.max_unpool2d(source, indices, 2, out=out)
        assert (out == 7).all()


@pytest.mark.parametrize(
    "function, given",
    [
        (sizes.max_pool_output_size, {"kernel_size": 1}),
        (sizes.max_unpool_output_size, {"kernel_size": 1}),
        (sizes.conv_transpose_output_size, {"kernel_size": 1}),
        (sizes.interpolate_output_size, {"size": 1}),
        (sizes.pixel_shuffle_output_size, {"upscale_factor": 1}),
        (sizes.pixel_unshuffle_output_size, {"downscale_factor": 1}),
    ],
)
@pytest.mark.parametrize(
    "wrong, error", [((), ValueError), (4, ValueError), ((1, 2, 3, -1), ValueError), ((1, 2, 3.0), TypeError)]
)
def test_sizes_of_wrong_shapes(function, given, wrong, error):
    with pytest.raises(error, match="input_size"):
        function(wrong, **given)


def test_output_padding_is_not_looked_at_beside_output_size():
    for layer in (up, reference):
        y = layer.conv_transpose2d(X2, W2, stride=2, output_padding=9, output_size=(13, 14))
        assert y.shape == (2, 3, 13, 14)


@pytest.mark.parametrize(
    "given, error, match",
    [
        ({"weight": W2[0, 0]}, ValueError, "weight"),
        ({"weight": W2[:, :, 0, 0]}, ValueError, "weight"),
        ({"weight": W2.astype("U3")}, TypeError, "weight"),
        ({"weight": W2, "groups": 0}, ValueError, "groups"),
        ({"weight": W2, "groups": 3}, ValueError, "groups"),
        ({"weight": W2, "input_size": (2, 9)}, ValueError, "input_size"),
        ({"weight": W2, "stride": 0}, ValueError, "stride"),
    ],
)
def test_wrong_matrix(given, error, match):
    with pytest.raises(error, match=match):
        reference.conv_matrix(**{"input_size": (9, 9), **given})
