"""The command `upsampling demo`: photographs halved, and brought back by every method of the package."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext

from tqdm import tqdm

from .. import num_threads
from . import methods, peers, photographs, picture, table, training


def run(arguments: argparse.Namespace) -> int:
    """Train, compare, print the table and write the picture; the exit code."""
    try:
        held_out = [photographs.load(name) for name in photographs.HELD_OUT]
        trained_on = [photographs.load(name) for name in photographs.TRAINED_ON]
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"upsampling demo: error: {error}", file=sys.stderr)
        return 2
    with num_threads(arguments.threads) if arguments.threads else nullcontext():
        with tqdm(total=arguments.steps, desc="training", unit="step") as bar:
            network = training.train(trained_on, arguments.steps, arguments.seed, bar.update)
        rows = _compare(methods.all_methods(network), held_out, network if arguments.peers else None)
        report = table.text(rows, held_out, trained_on, network)
    print(report)
    sheet = picture.contact_sheet(rows, held_out)
    unfinished = arguments.output.with_name(f".{arguments.output.name}.part")
    try:
        sheet.save(unfinished, format="PNG", optimize=True)
        unfinished.replace(arguments.output)
    except OSError as error:
        print(f"upsampling demo: error: {arguments.output}: {error.strerror or error}", file=sys.stderr)
        return 1
    finally:
        unfinished.unlink(missing_ok=True)
    print(f"\n{arguments.output}: the picture")
    return 0


def _compare(
    every: list[methods.Method], held_out: list[photographs.Photograph], network: training.Network | None
) -> list[table.Row]:
    """Apply each method to each photograph, and time it (and its peers, given a network) on the first."""
    rows = []
    for method in tqdm(every, desc="comparing", unit="method"):
        results = [method.picture(method.step(photograph)()) for photograph in held_out]
        contestants = {"upsampling": method.step(held_out[0])}
        if network is not None:
            contestants |= peers.steps(method.name, held_out[0], network)
        rows.append(table.Row(method, results, table.milliseconds(contestants)))
    return rows
