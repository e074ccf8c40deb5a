"""Tiny runs through the engine, and the results that must repeat bit for bit."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmrnet.engine.run.folder import RunFolder
from dmrnet.settings.config import RunSettings, parse_run

NAMES = ("wave", "face", "age")
COMBINATIONS = ["wave", "face", "wave+face", "age", "wave+age", "face+age", "wave+face+age"]
TRAIN, VAL, TEST = 50, 21, 18


def write_arrays(folder: Path) -> None:
    """Write files of a sequence, an image and a vector for three splits; some rows lack some."""
    for part, rows in enumerate((TRAIN, VAL, TEST)):
        rng = np.random.default_rng(part)
        y = np.arange(rows) % 3
        arrays = {
            "wave": rng.normal(size=(rows, 2, 12)) + y[:, None, None] * 0.7,
            "face": rng.normal(size=(rows, 1, 6, 6)) - y[:, None, None, None] * 0.7,
            "age": rng.normal(size=(rows, 3)) + (y == 1)[:, None],
        }
        for k, name in enumerate(NAMES):
            arrays[name][k :: 5 + k] = np.nan
        arrays["wave"][0] = 1.0
        np.savez(folder / f"{('train', 'val', 'test')[part]}.npz", y=y, **arrays)


def settings_in(folder: Path, *flags: str, method: str = "dmrnet", epochs: int = 5) -> RunSettings:
    """Return settings of a small run on the arrays in a folder."""
    if not (folder / "train.npz").is_file():
        write_arrays(folder)
    files = [f"--data.{part}={folder / part}.npz" for part in ("train", "val", "test")]
    return parse_run(
        [
            *("--data", "arrays", "--method", method, *files),
            *("--max-epochs", str(epochs), "--batch-size", "13", "--accelerator", "cpu"),
            *("--method.network.width", "8", "--lr", "0.05", "--select-times", "3"),
            *flags,
        ]
    )


def rows_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def metrics_of(path: Path) -> list[tuple[int, str, float]]:
    """Return the figures of every epoch, without seconds."""
    with path.open(newline="") as stream:
        head, *lines = csv.reader(stream)
    assert head == ["epoch", "metric", "value"]
    return [(int(e), name, float(v)) for e, name, v in lines if name != "seconds"]


def result_of(
    path: Path, without: Sequence[str] = ("train_seconds", "train_cpu_seconds")
) -> dict[str, object]:
    """Return the results of a run that interruptions must not change."""
    folder = RunFolder(path)
    rows = [{**row, "run": ""} for row in folder.rows() if row["metric"] not in without]
    return {
        "rows": rows,
        "metrics": metrics_of(folder.metrics),
        "variance": folder.variance.read_text(),
        "weights": folder.weights.read_bytes(),
        "left": sorted(p.name for p in path.rglob("*") if p.name.startswith(".")),
    }
