"""The command `upsampling resize`: which files are read, where each result goes, and what is reported."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from . import _images, num_threads, resize


class ArgumentsError(Exception):
    """The arguments contradict each other or the files that are there."""


def _pairs(inputs: Iterable[Path], output: Path, as_folder: bool) -> list[tuple[Path, Path]]:
    """Each file to read, with the file to write."""
    known = _images.formats()
    sources: list[Path] = []
    inputs = list(inputs)
    for path in inputs:
        if path.is_dir():
            files = (child for child in path.iterdir() if child.suffix.lower() in known)
            # A link to nothing is no file, but one that cannot be read.
            sources += sorted(file for file in files if file.is_file() or (file.is_symlink() and not file.exists()))
        else:
            sources.append(path)
    if not sources:
        raise ArgumentsError(f"no image files in {', '.join(str(path) for path in inputs)}")
    if not (as_folder or len(inputs) > 1 or inputs[0].is_dir() or output.is_dir()):
        return [(sources[0], output)]
    if output.exists() and not output.is_dir():
        raise ArgumentsError(f"-o must be a folder for several inputs, but {output} is a file")
    owners: dict[Path, Path] = {}
    for source in sources:
        target = output / source.name
        if target in owners:
            raise ArgumentsError(f"{owners[target]} and {source} would both be written to {target}")
        owners[target] = source
    return [(source, target) for target, source in owners.items()]


def _resize_one(source: Path, target: Path, arguments: dict[str, Any], overwrite: bool) -> list[str]:
    """Resize one file; what the user should know of it is returned."""
    if not overwrite and target.exists():
        raise FileExistsError(f"{target} exists; --force overwrites it")
    picture = _images.read(source, nearest=arguments["mode"] == "nearest")
    picture = _images.resized(picture, arguments)
    _images.write(picture, target, overwrite)
    return picture.notes


def _reason(error: Exception) -> str:
    """Return an error in one line, without the number and the path that Python puts around it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image, or of an unknown format"
    return " ".join(str(error).split()) or type(error).__name__


def run(arguments: argparse.Namespace) -> int:
    """Resize the files that the arguments name; the exit code."""
    try:
        if not arguments.output:  # which Path takes for the current folder
            raise ArgumentsError("-o must name a file or a folder, got ''")
        # A mode that knows no antialias=False is refused before any file is looked at.
        resize(np.zeros((1, 1), np.uint8), (1, 1), mode=arguments.mode, antialias=arguments.antialias)
        pairs = _pairs(arguments.inputs, Path(arguments.output), as_folder=arguments.output.endswith(("/", os.sep)))
    except (ArgumentsError, OSError, ValueError) as error:
        print(f"upsampling resize: error: {error}", file=sys.stderr)
        return 2
    extent = {"size": arguments.size} if arguments.size else {"scale": arguments.scale}
    options = {**extent, "mode": arguments.mode, "antialias": arguments.antialias}
    failed = False
    with (
        num_threads(arguments.threads) if arguments.threads else nullcontext(),
        tqdm(pairs, unit="file", disable=arguments.quiet or len(pairs) == 1) as bar,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # Pillow's, on oddities of a file that it reads nonetheless
        for source, target in bar:
            try:
                notes = [f"note: {note}" for note in _resize_one(source, target, options, arguments.force)]
            except (OSError, ValueError, TypeError, SyntaxError, MemoryError, EOFError) as error:
                failed = True
                notes = [f"error: {_reason(error)}"]
            except Exception as error:  # a damaged file may raise anything in its decoder
                failed = True
                notes = [f"error: {type(error).__name__}: {_reason(error)}"]
            for note in notes:
                bar.write(f"upsampling resize: {source}: {note}", file=sys.stderr)
    return 1 if failed else 0
