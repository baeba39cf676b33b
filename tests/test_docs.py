"""The public interface: docstrings, examples, names and signatures."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import upsampling as up
from upsampling import reference

RANKS = (1, 2, 3)
INTERPOLATION = (
    "size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, antialias=False"
)
CONVOLUTION = "stride=1, padding=0, output_padding=0, groups=1, dilation=1"
SIGNATURES = {
    **{
        name.format(n=rank): arguments
        for rank in RANKS
        for name, arguments in {
            "conv_transpose{n}d": f"input, weight, bias=None, {CONVOLUTION}, *, output_size=None, out=None",
            "conv_transpose{n}d_backward": f"grad_output, input, weight, {CONVOLUTION}, *, "
            "output_mask=(True, True, True)",
            "max_pool{n}d": "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, "
            "return_indices=False",
            "max_pool{n}d_backward": "grad_output, indices, input_size",
            "max_unpool{n}d": "input, indices, kernel_size, stride=None, padding=0, output_size=None, *, out=None",
            "max_unpool{n}d_backward": "grad_output, indices",
        }.items()
    },
    "interpolate": f"input, {INTERPOLATION}, *, out=None",
    "interpolate_backward": f"grad_output, input_size, {INTERPOLATION}",
    "pixel_shuffle": "input, upscale_factor",
    "pixel_unshuffle": "input, downscale_factor",
    "resize": "image, size=None, *, scale=None, mode='bicubic', antialias=True, out=None",
}
OTHERS = {
    "set_num_threads": "n",
    "get_num_threads": "",
    "num_threads": "n",
    "show_config": "",
    "get_include": "",
    "set_minimal_filtering": "on",
}
SIZES = (
    "conv_transpose_output_size",
    "max_pool_output_size",
    "max_unpool_output_size",
    "interpolate_output_size",
    "resize_output_size",
    "pixel_shuffle_output_size",
    "pixel_unshuffle_output_size",
)


def bare(function: object) -> str:
    """The signature without annotations."""
    signature = inspect.signature(function)
    parameters = [value.replace(annotation=inspect.Parameter.empty) for value in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))[1:-1]


def modules() -> list[str]:
    """Every module of the package that its dependencies of this environment let us import."""
    found = ["upsampling"]
    for module in pkgutil.walk_packages(up.__path__, "upsampling."):
        if "_kernels." not in module.name and not module.name.endswith("__main__"):
            found.append(module.name)
    return found


def imported(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("upsampling"):
            raise
        pytest.skip(f"needs {error.name}")


def test_all_is_the_documented_interface():
    assert set(up.__all__) - {"__version__"} >= SIGNATURES.keys() | OTHERS.keys()
    functions = {name for name in up.__all__ if inspect.isfunction(getattr(up, name))}
    assert functions == SIGNATURES.keys() | OTHERS.keys()
    assert len(up.__all__) == len(set(up.__all__))


def test_the_reference_has_the_same_functions():
    assert set(reference.__all__) == SIGNATURES.keys() | {"conv_matrix"}


@pytest.mark.parametrize("name, arguments", (SIGNATURES | OTHERS).items())
def test_signature(name, arguments):
    assert bare(getattr(up, name)) == arguments


@pytest.mark.parametrize("name, arguments", SIGNATURES.items())
def test_the_reference_takes_the_same_arguments_and_a_dtype(name, arguments):
    got = bare(getattr(reference, name))
    wanted, found = ([part for part in text.split(", ") if part != "*"] for text in (arguments, got))
    assert found == [*wanted, "dtype=None"]


def sections(text: str) -> list[str]:
    lines = text.splitlines()
    return [
        line.strip()
        for line, under in pairwise(lines)
        if set(under.strip()) == {"-"} and len(under.strip()) == len(line.strip())
    ]


@pytest.mark.parametrize("layer", [up, reference], ids=["fast", "reference"])
@pytest.mark.parametrize("name", SIGNATURES)
def test_docstring_of_an_operator(layer, name):
    function = getattr(layer, name)
    text = inspect.getdoc(function)
    assert text, "no docstring"
    assert text.splitlines()[0].endswith(".")
    assert len(text.splitlines()[0]) <= 120
    if layer is reference:  # it states the formula; the arguments are those of the compiled function
        return
    found = sections(text)
    assert found[:2] == ["Parameters", "Returns"]
    assert {"Raises", "Examples"} <= set(found)
    described = text.split("Parameters\n")[1].split("Returns\n")[0]
    for parameter in inspect.signature(function).parameters:
        assert parameter in described, f"{parameter} is not described"


@pytest.mark.parametrize("name", OTHERS)
def test_docstring_of_a_setting(name):
    assert "Examples" in sections(inspect.getdoc(getattr(up, name)) or "")


@pytest.mark.parametrize("name", SIZES)
def test_output_size_functions_are_public_and_documented(name):
    from upsampling import sizes

    assert {"Parameters", "Returns"} <= set(sections(inspect.getdoc(getattr(sizes, name)) or ""))


@pytest.mark.parametrize("name", modules())
def test_public_objects_have_docstrings(name):
    module = imported(name)
    assert module.__doc__, f"{name} has no docstring"
    for public in getattr(module, "__all__", ()):
        found = getattr(module, public)  # AttributeError: __all__ names what is not there
        if inspect.isfunction(found) or inspect.isclass(found):
            assert inspect.getdoc(found), f"{name}.{public} has no docstring"


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    module = imported(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, verbose=False)
    report: list[str] = []
    with np.printoptions(), warnings.catch_warnings():
        for example in finder.find(module, name):
            if example.examples:
                runner.run(example, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_modules_are_imported_where_they_are_asked_for():
    code = """
import sys
import upsampling as up
assert "upsampling.nn" not in sys.modules
print(up.nn.Upsample, up.reference, up.sizes, up.kernels._C_API, hasattr(up, "no_such_name"))
"""
    environment = os.environ | {"PYTHONPATH": str(Path(up.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment,
                          cwd=Path(__file__).parent)  # fmt: skip
    assert done.stdout.strip().endswith("False")
