"""The same steps by PyTorch, OpenCV and Pillow, for their times.

Each library gets the photograph in its own form, prepared before: 8-bit pixels for the methods that resize
pictures, float32 planes for the others. A library that is not installed or has no such step is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from .. import get_num_threads
from .methods import bilinear_weight, pooled
from .photographs import Photograph
from .training import CROP_FIRST, CROP_SECOND, MARGIN, MEAN, Network, padded

Steps = dict[str, Callable[[], Any]]


def steps(name: str, photograph: Photograph, network: Network) -> Steps:
    """Return the calls of the other libraries for the method called `name`."""
    return _pillow(name, photograph) | _opencv(name, photograph) | _pytorch(name, photograph, network)


def _pillow(name: str, photograph: Photograph) -> Steps:
    resampling = getattr(Image.Resampling, name.upper(), None)
    if resampling is None:
        return {}
    image = Image.fromarray(photograph.half)
    size = photograph.size[::-1]
    return {"Pillow": lambda: image.resize(size, resampling)}


def _opencv(name: str, photograph: Photograph) -> Steps:
    try:
        import cv2
    except ImportError:
        return {}
    # OpenCV's Lanczos has 8 taps where the others have 6; its area enlarges by another rule.
    flags = {
        "nearest": cv2.INTER_NEAREST,
        "bilinear": cv2.INTER_LINEAR,
        "bicubic": cv2.INTER_CUBIC,
        "lanczos": cv2.INTER_LANCZOS4,
    }
    if name not in flags:
        return {}
    cv2.setNumThreads(get_num_threads())
    size = photograph.size[::-1]
    return {"OpenCV": lambda: cv2.resize(photograph.half, size, interpolation=flags[name])}


def _pytorch(name: str, photograph: Photograph, network: Network) -> Steps:
    try:
        import torch
        from torch.nn import functional
    except ImportError:
        return {}
    torch.set_num_threads(get_num_threads())
    pixels = torch.from_numpy(photograph.half.copy()).permute(2, 0, 1)[None]
    planes = torch.from_numpy(photograph.half_planes)
    size = photograph.size
    if name in ("bilinear", "bicubic", "lanczos"):
        call = lambda: functional.interpolate(pixels, size, mode=name, antialias=True)  # noqa: E731
    elif name == "nearest":
        call = lambda: functional.interpolate(pixels, size, mode=name)  # noqa: E731
    elif name == "area":
        call = lambda: functional.interpolate(planes, size, mode=name)  # noqa: E731
    elif name == "max-unpool":
        maxima, indices = (torch.from_numpy(array) for array in pooled(photograph))
        call = lambda: functional.max_unpool2d(maxima, indices, (2, 2))  # noqa: E731
    elif name == "transposed, bilinear":
        x, weight = torch.from_numpy(padded(photograph.half_planes, 1)), torch.from_numpy(bilinear_weight(3))
        call = lambda: functional.conv_transpose2d(x, weight, stride=2, padding=CROP_SECOND, groups=3)  # noqa: E731
    else:
        call = _pytorch_network(planes, network)
    try:
        call()
    except (RuntimeError, NotImplementedError, ValueError):
        return {}  # a mode or dtype that this version does not have
    return {"PyTorch": call}


def _pytorch_network(planes: Any, network: Network) -> Callable[[], Any]:
    import torch
    from torch.nn import functional

    first, bias1, second, bias2 = (torch.from_numpy(array) for array in network.weights)

    def call() -> Any:
        x = planes.swapaxes(0, 1)
        with torch.inference_mode():
            wide = functional.pad(x, (MARGIN,) * 4, mode="replicate") - float(MEAN)
            hidden = functional.conv_transpose2d(wide, first, bias1, padding=CROP_FIRST).relu_()
            details = functional.conv_transpose2d(hidden, second, bias2, stride=2, padding=CROP_SECOND)
            return functional.interpolate(x, scale_factor=2, mode="bicubic") + details

    return call
