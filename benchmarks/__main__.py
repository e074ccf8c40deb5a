"""The command: ``python -m benchmarks [--only step evaluation] [--threads 2] [--out FOLDER]``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from rich.console import Console

from benchmarks import parts
from benchmarks.clock import Row, Setting, has_bf16, matrix_rates
from benchmarks.data import loaders
from benchmarks.epochs import epochs
from benchmarks.memory import memories
from benchmarks.report import plot, read, show, write
from benchmarks.shares import shares
from dmrnet.engine.training.memory import keep_freed
from dmrnet.methods import METHODS

NETWORKS = ("surf", "ogm", "esanet")
KEEPING = ("methods", "data", "epoch", "shares")
"""Parts after which this process keeps the memory that steps free, as training does."""

PARTS = ("step", "evaluation", "sample", "modalities", "memory", "growth", *KEEPING)
"""Parts in the order in which they run; those that keep memory come last."""

WIDTH = 140
"""Width of tables that are not printed to a terminal."""


def main(arguments: list[str] | None = None) -> list[Row]:
    """Run the chosen parts, and show and write their rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    parser.add_argument(
        "--repeats", type=int, default=5, help="repeats of every subject (default 5)"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default 1)")
    parser.add_argument("--device", default="cpu", help="cpu (default), or cuda (not tried)")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, help="methods of the part `methods`, next to sf-md"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it all run?")
    parser.add_argument(
        "--keep-freed",
        action="store_true",
        help="keep memory that a step frees, for both sides (as this project's training does)",
    )
    parser.add_argument(
        "--digits", help="folder of prepared digits, for the parts `epoch` and `data`"
    )
    parser.add_argument("--out", type=Path, help="folder for Markdown, JSON and a plot")
    parser.add_argument(
        "--draw",
        nargs="+",
        type=Path,
        metavar="JSON",
        help="plot the rows of these files instead of measuring",
    )
    given = parser.parse_args(arguments)
    if given.draw:
        if given.out is None:
            parser.error("--draw needs --out FOLDER for the plot")
        given.out.mkdir(parents=True, exist_ok=True)
        rows = read(given.draw)
        plot(rows, given.out / "performance.svg")
        return rows
    torch.set_num_threads(given.threads)
    if given.device != "cpu" and {"epoch", "memory", "data", "shares"} & set(given.only):
        parser.error(
            "epoch, memory, data and shares are measured on the CPU alone; name the others by "
            "--only"
        )
    setting = Setting(
        given.repeats,
        given.threads,
        given.quick,
        has_bf16(given.device),
        given.device,
        tuple(given.networks),
    )
    if given.keep_freed and not keep_freed():
        parser.error("memory cannot be kept: no glibc that does it, or one of its variables is set")
    setting.rates.update(matrix_rates(setting))
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    rows = []
    run: dict[str, Callable[[], Iterator[Row]]] = {
        "step": lambda: parts.steps(setting),
        "evaluation": lambda: parts.evaluations(setting),
        "sample": lambda: parts.samples(setting),
        "modalities": lambda: parts.modalities(setting),
        "memory": lambda: memories(setting),
        "growth": lambda: parts.growth(setting),
        "methods": lambda: parts.methods(setting, given.methods),
        "data": lambda: loaders(setting, given.digits),
        "epoch": lambda: epochs(setting, given.digits),
        "shares": lambda: shares(setting),
    }
    for part in sorted(given.only, key=PARTS.index):
        found = sorted(run[part](), key=lambda row: row.part) if part == "growth" else run[part]()
        new = list(found)
        show(new, console)
        rows += new
        if given.out is not None:
            write(rows, facts(setting, given.keep_freed), given.out)
    return rows


def facts(setting: Setting, kept: bool = False) -> dict[str, str]:
    """Return machine, versions, clock and settings of the measurement."""
    on_gpu = setting.device != "cpu"
    graphics = torch.cuda.get_device_name(setting.device) if on_gpu else "no GPU used"
    of_process = setting.threads == 1 and not on_gpu
    clock = "seconds passed"
    if of_process:
        clock = "seconds of this process on the CPU, in `data` seconds passed"
    rates = ", ".join(f"{name} {rate / 1e9:.0f} Gflop/s" for name, rate in setting.rates.items())
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {setting.threads} used; {graphics}",
        "torch": torch.__version__,
        "clock": f"{clock}; interleaved, median of {setting.repeats}, lowest and highest",
        "freed memory": (
            "kept by both sides, but in `memory`"
            if kept
            else f"as the system has it, but kept in {', '.join(KEEPING)} (glibc), the last parts"
        ),
        "matrix rate": f"{rates} (the best of a product and a convolution; shares are of this)",
        "ratio": "seconds of the first subject of a case over a subject's, repeat by repeat",
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return next(
            line.split(":")[1].strip() for line in text.splitlines() if "model name" in line
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
