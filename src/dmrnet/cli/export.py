"""``dmrnet export``: write a run as one file that predicts without this package."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments

if TYPE_CHECKING:
    from rich.console import Console

    from dmrnet.deploy.export import Exported


def run(argv: Sequence[str]) -> int:
    """Export a run and print what was written."""
    parser = Arguments(
        "dmrnet export",
        "Write a finished run as one file that predicts from any combination of modalities without "
        "this package: standardising, class names and metadata are inside. The file is compared "
        "with the run on every combination before it is kept.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    add = parser.options.add_argument
    add("--to", required=True, metavar="FOLDER", help="folder for the file")
    add(
        "--format",
        default="torch-export",
        choices=("torch-export", "onnx", "safetensors"),
        help="model.pt2 for torch, model.onnx for onnxruntime, or weights for "
        "dmrnet.from_pretrained [torch-export]",
    )
    add(
        "--combination",
        metavar="NAMES",
        help="predict from these modalities alone, e.g. rgb+ir, without the other encoders",
    )
    add(
        "--quantise",
        choices=("int8",),
        help="also write model.int8.onnx, and its accuracy on each combination",
    )
    add(
        "--size",
        type=height_and_width,
        metavar="HxW",
        help="size of images with a class for every pixel [as in training]",
    )
    args = parser.read(argv)

    from dmrnet.cli.screen import loading, screen

    with loading():
        from dmrnet.deploy.export import export_run
        from dmrnet.engine.run.finished import open_run

    opened = open_run(Path(args.run))
    exported = export_run(
        opened, Path(args.to), args.format, args.combination, args.quantise, args.size
    )
    _print(screen(), exported)
    return 0


def height_and_width(text: str) -> tuple[int, int]:
    """Read a size such as 480x640, for argparse.

    >>> height_and_width("480x640")
    (480, 640)
    """
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, e.g. 480x640, got {text!r}")
    return int(height), int(width)


def _print(console: Console, exported: Exported) -> None:
    from dmrnet.cli.screen import counted, percent, plain_table

    names = exported.metadata["modalities"]
    size = f"{exported.path.stat().st_size / 1e6:.1f} MB"
    console.print(f"{exported.path}, {size}", soft_wrap=True)
    if exported.combinations:
        numbers = exported.metadata["target"] == "regression"
        unit = "of the largest number" if numbers else "in a probability"
        what = "+".join(names) if exported.metadata["fixed"] else ", ".join(names)
        console.print(
            f"predicts from {what}; equals the run on "
            f"{counted(exported.combinations, 'combination')} up to "
            f"{max(exported.difference, 1e-12):.0e} {unit}",
            soft_wrap=True,
        )
    if exported.quantised is None:
        return
    size = f"{exported.quantised.stat().st_size / 1e6:.1f} MB"
    console.print(f"{exported.quantised}, {size}; accuracy in both:", soft_wrap=True)
    table = plain_table(["combination"], ["n", "float32", "int8", "other class"])
    for cost in exported.costs:
        table.add_row(
            cost.combination,
            str(cost.n),
            percent(cost.float32),
            percent(cost.int8),
            percent(cost.changed),
        )
    console.print(table)
