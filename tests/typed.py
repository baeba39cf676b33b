"""What a type checker knows of results: mypy reads this file (`make lint`), and nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import upsampling as up

if TYPE_CHECKING:
    from typing_extensions import assert_type


def of_pooling(x: np.ndarray, wanted: bool) -> None:
    for pool in (up.max_pool1d, up.max_pool2d, up.max_pool3d):
        assert_type(pool(x, 2), np.ndarray)
        assert_type(pool(x, 2, return_indices=False), np.ndarray)
        assert_type(pool(x, (2, 2), return_indices=True), tuple[np.ndarray, np.ndarray])
        assert_type(pool(x, 2, None, 0, 1, False, True), tuple[np.ndarray, np.ndarray])
        assert_type(pool(x, 2, return_indices=wanted), np.ndarray | tuple[np.ndarray, np.ndarray])
        pool(x, 2, return_indices="yes")  # type: ignore[call-overload]


def of_the_rest(x: np.ndarray, at: np.ndarray) -> None:
    assert_type(up.conv_transpose2d(x, x), np.ndarray)
    assert_type(up.max_unpool2d(*up.max_pool2d(x, 2, return_indices=True), 2), np.ndarray)
    assert_type(up.max_pool2d_backward(x, at, (4, 4)), np.ndarray)
    assert_type(up.interpolate(x, scale_factor=2), np.ndarray)
    assert_type(up.interpolate_backward(x, (4, 4), scale_factor=2), np.ndarray)
    assert_type(up.pixel_unshuffle(up.pixel_shuffle(x, 2), 2), np.ndarray)
    assert_type(up.resize(x, (8, 8)), np.ndarray)
