"""float16 and bfloat16: every number to float32 and back, as NumPy and ml_dtypes convert them."""

from __future__ import annotations

import numpy as np
import pytest

from upsampling import _halves


@pytest.fixture(params=["float16", "bfloat16"])
def dtype(request) -> np.dtype:
    if request.param == "bfloat16":
        return np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    return np.dtype(request.param)


def test_every_half(dtype):
    halves = np.arange(2**16, dtype=np.uint16).view(dtype).reshape(2, 4, 64, 128)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(halves, 1, -1)), -1, 1)
    for array in (halves, last, halves[:, :1, :1], last[:1, :, :1, :1], halves[:0]):
        array = array.copy("K")
        wide = _halves.widened(array)
        with np.errstate(invalid="ignore"):
            wanted = array.astype(np.float32)
        np.testing.assert_array_equal(wide, wanted)
        back = _halves.cast(wide, dtype)
        assert back.dtype == dtype
        number = ~np.isnan(wanted)
        np.testing.assert_array_equal(back.view(np.uint16)[number], array.view(np.uint16)[number])
        assert np.isnan(back[~number].astype(np.float32)).all()


def test_rounding(dtype):
    rng = np.random.default_rng(0)
    wide = (rng.standard_normal(10**5) * np.exp(8 * rng.standard_normal(10**5))).astype(np.float32)
    with np.errstate(over="ignore"):
        wanted = wide.astype(dtype)
    np.testing.assert_array_equal(_halves.cast(wide, dtype).view(np.uint16), wanted.view(np.uint16))
