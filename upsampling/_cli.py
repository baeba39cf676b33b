"""The command line: what its arguments mean, and which part of the package does the work.

Pillow, tqdm and scikit-image are imported only by the subcommands that need them. Exit codes: 0, all done;
1, something could not be done (reported on stderr); 2, a wrong argument or a missing extra.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

MODES = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
# What the modules that may be missing are called by those who install them.
EXTRAS = {"PIL": "Pillow", "tqdm": "tqdm", "skimage": "scikit-image"}

RESIZE_TEXT = """\
Resize image files. A folder stands for the image files directly in it. Results keep the name and, unless OUT names
another, the format of their input.

Nothing is overwritten without --force, and a result appears under its name only when it is complete. A file that
cannot be read or written is reported, the others go on, and the exit code is 1.

Grey, colour and transparent images of 8 bits are resized as Pillow would, to the same bits: with colours weighted by
their alpha, so that invisible colours do not bleed into visible ones. Grey images of 16 bits stay so in PNG, TIFF and
PGM. Colour of 16 bits is read from PNG and TIFF and written to PNG; other formats, and grey with alpha, get 8 bits,
with a note; a transparent colour of 16 bits becomes alpha. Palette images become RGB or RGBA and bilevel ones grey,
because new colours arise between the old; with --mode nearest both stay what they are. An EXIF orientation is applied
to the pixels; the ICC profile, the resolution and (in JPEG, PNG and WebP) the EXIF data are kept. Of an animation or a
file of several pages, the first is taken, with a note.
"""

DEMO_TEXT = """\
Halve photographs that scikit-image brings along, bring them back with every method of the package, and compare with
the originals. One of the methods is a small network of two transposed convolutions that is trained here, by this
package alone, on other photographs than those it is judged on. Prints a table and writes one picture.
"""

BENCH_TEXT = """\
Race the package against the libraries that are installed. The benchmarks are part of the source tree, not of the
installed package; all arguments are passed on to them.
"""


class _Parser(argparse.ArgumentParser):
    """A parser that reports a wrong argument in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    """Print the version, which is looked up only then, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from . import __version__

        print(f"upsampling {__version__}")
        parser.exit()


def _size(text: str) -> tuple[int, int]:
    """Return a height and a width from `480x640`."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"must be HEIGHTxWIDTH in pixels, as in 480x640, got {text!r}")
    return int(parts[0]), int(parts[1])


def _scale(text: str) -> float:
    """Return a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a number above 0, as in 2 or 0.5, got {text!r}")
    return value


def _between(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of integers from `low` to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"must be an integer from {low} to {high}, got {text!r}")
        return int(text)

    return parse


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", metavar="N", type=_between(1, 1024), help="threads to use (default: all that the process may use)"
    )


def _add_resize(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "resize",
        help="resize image files",
        description=RESIZE_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", metavar="IN", nargs="+", type=Path, help="an image file, or a folder of them")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="a file for one input; a folder (created where it is missing) for several or for a folder",
    )
    extent = parser.add_mutually_exclusive_group(required=True)
    extent.add_argument("--scale", metavar="S", type=_scale, help="factor for height and width, as in 2 or 0.5")
    extent.add_argument("--size", metavar="HxW", type=_size, help="height and width in pixels, as in 480x640")
    parser.add_argument(
        "--mode", metavar="M", choices=MODES, default="bicubic", help=f"{', '.join(MODES)} (default: %(default)s)"
    )
    parser.add_argument(
        "--no-antialias",
        dest="antialias",
        action="store_false",
        help="do not widen the filter when shrinking (bilinear, bicubic and lanczos)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    _add_threads(parser)
    parser.set_defaults(run=_run_resize)


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("demo", help="compare every method on photographs", description=DEMO_TEXT)
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("upsampling-demo.png"),
        help="the picture, PNG; replaced where it exists (default: %(default)s)",
    )
    parser.add_argument(
        "--steps", metavar="N", type=_between(1, 10**6), default=1500, help="training steps (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=_between(0, 2**32 - 1),
        default=0,
        help="seed of the training (default: %(default)s)",
    )
    parser.add_argument(
        "--no-peers", dest="peers", action="store_false", help="do not time PyTorch, OpenCV and Pillow beside us"
    )
    _add_threads(parser)
    parser.set_defaults(run=_run_demo)


def _parser() -> _Parser:
    parser = _Parser(prog="upsampling", description="Upsampling operators and image resizing on the CPU.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_resize(commands)
    _add_demo(commands)
    bench = commands.add_parser(
        "bench", help="race against other libraries (in the source tree)", description=BENCH_TEXT
    )
    bench.set_defaults(run=lambda _: _run_bench([]))
    info = commands.add_parser(
        "info",
        help="tell what this installation runs on",
        description="Print version, instruction set, threads and compiler.",
    )
    info.set_defaults(run=_run_info)
    return parser


def _missing(error: ModuleNotFoundError, extra: str) -> int:
    """Report a missing extra in one line."""
    package = EXTRAS[_top(error)]
    print(f"upsampling: error: {package} is not installed; pip install upsampling[{extra}]", file=sys.stderr)
    return 2


def _top(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]


def _run_resize(arguments: argparse.Namespace) -> int:
    try:
        from . import _resize_files
    except ModuleNotFoundError as error:
        if _top(error) not in EXTRAS:
            raise
        return _missing(error, "images")
    return _resize_files.run(arguments)


def _run_demo(arguments: argparse.Namespace) -> int:
    try:
        from . import _demo
    except ModuleNotFoundError as error:
        if _top(error) not in EXTRAS:
            raise
        return _missing(error, "demo")
    return _demo.run(arguments)


def _run_bench(arguments: Sequence[str]) -> int:
    """Run the benchmarks of the source tree, where Python finds them."""
    spec = find_spec("benchmarks")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    if not any((folder / "__main__.py").is_file() and (folder.parent / "pyx").is_dir() for folder in folders):
        print(
            "upsampling: error: the benchmarks are in the source tree, not in the installed package: "
            "run `make bench` or `python -m upsampling bench` in a clone of the repository",
            file=sys.stderr,
        )
        return 2
    sys.argv[1:] = list(arguments)
    runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
    return 0


def _run_info(_: argparse.Namespace) -> int:
    import numpy as np

    from . import show_config

    labels = {
        "version": "upsampling",
        "isa": "instruction set",
        "isas": "available",
        "openmp": "OpenMP",
        "num_threads": "threads",
        "compiler": "compiler",
        "flags": "flags",
    }
    for key, value in show_config().items():
        if isinstance(value, (tuple, list)):
            value = ", ".join(str(item) for item in value)
        elif value is False:
            value = "no: every call uses one thread" if key == "openmp" else "no"
        print(f"{labels.get(key, key):<16}{value}")
    print(f"{'NumPy':<16}{np.__version__}")
    print(f"{'Python':<16}{sys.version.split()[0]}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the command's name; by default those that the process was started with.

    Returns
    -------
    int
        The exit code: 0, all done; 1, something could not be done; 2, a wrong argument or a missing extra.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["bench"] and words[1:] not in (["-h"], ["--help"]):
        return _run_bench(words[1:])
    try:
        try:
            parsed = _parser().parse_args(words)
            result: int = parsed.run(parsed)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("upsampling: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has gone, as `head` does
        _discard_output()
        return 1
    except OSError as error:
        _discard_output()
        print(f"upsampling: error: {error.strerror or error}", file=sys.stderr)
        return 1
    return result


def _discard_output() -> None:
    """Let the interpreter's own flush at its end succeed."""
    with contextlib.suppress(OSError, ValueError):  # where the output is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
