"""Runs made up in the real schema, with numbers that behave like those of real runs."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

MFEAT = ("fou", "fac", "kar", "pix", "zer", "mor")


def every_combination(modalities):
    return [
        "+".join(chosen)
        for size in range(1, len(modalities) + 1)
        for chosen in combinations(modalities, size)
    ]


def row(**changes):
    """One good row; ``changes`` make it another."""
    return {
        "run": "run",
        "method": "dmrnet",
        "recipe": "best",
        "settings": {},
        "dataset": "mfeat",
        "split": "test",
        "seed": 0,
        "combination": "fou",
        "metric": "accuracy",
        "value": 0.9,
        "n": 400,
    } | changes


def write_lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def write_run(
    root: Path,
    method="dmrnet",
    seed=0,
    *,
    name=None,
    dataset="mfeat",
    recipe="best",
    settings=None,
    modalities=MFEAT,
    gain=0.0,
    without=(),
    undefined=(),
    mined="variance",
    splits=("val", "test"),
    n=400,
    metric="accuracy",
    rise=None,
    seconds=None,
    notes=(),
    warnings=(),
):
    """Write a run folder; each modality is worth something, and more of them is better."""
    name = name or f"{dataset}-{method}-{recipe}-{seed}"
    shared = np.random.default_rng(seed)
    own = np.random.default_rng(abs(hash_of(name)))
    worth = np.linspace(1.2, 0.1, len(modalities)) + shared.normal(0, 0.03, len(modalities))
    facts = {
        "run": name,
        "method": method,
        "recipe": recipe,
        "settings": settings or {},
        "dataset": dataset,
        "seed": seed,
    }
    names = every_combination(modalities)
    accuracy = {}
    for combination in names:
        strength = sum(worth[modalities.index(part)] for part in combination.split("+"))
        logit = 0.4 + 1.1 * strength + gain / (0.3 + strength) + own.normal(0, 0.06)
        accuracy[combination] = round(n / (1 + np.exp(-logit))) / n
    lines = []
    for split in splits:
        for combination in names:
            if combination in without:
                continue
            value = accuracy[combination]
            if metric == "acer":
                value = 1 - value
            lines.append(
                facts
                | {
                    "split": split,
                    "combination": combination,
                    "metric": metric,
                    "value": None if combination in undefined else value,
                    "n": 0 if combination in undefined else n,
                }
            )
    book = {
        "parameters": 184_320 + 4_096 * len(method),
        "train_seconds": seconds or 14.0 + own.uniform(0, 3),
        "train_samples": 48_000,
        "epochs": 40,
    }
    if mined:
        book["hard_agreement"] = 0.0 if mined == "variance" else 5 / 6
    if rise:
        book["loss_rise"] = rise
    for key, value in book.items():
        lines.append(
            facts | {"split": "val", "combination": "", "metric": key, "value": value, "n": 0}
        )
    folder = root / name
    write_lines(folder / "results.jsonl", lines)
    if mined:
        order = sorted(names, key=lambda c: accuracy[c], reverse=mined == "variance")
        hard = set(order[: len(modalities)])
        write_lines(
            folder / "variance.jsonl",
            [
                {
                    "epoch": epoch,
                    "combination": c,
                    "mean_variance": float(0.4 + 0.8 * accuracy[c] ** 2 + own.normal(0, 0.01))
                    if epoch
                    else 9.0,
                    "mean_loss": float(1.4 * (1 - accuracy[c]) + 0.02),
                    "n": 90,
                    "hard": bool(epoch) and c in hard,
                }
                for epoch in (0, 1)
                for c in names
            ],
        )
    (folder / "config.yaml").write_text("seed: 0\n")
    (folder / "run.json").write_text(
        json.dumps(
            {
                "modalities": list(modalities),
                "git_commit": "0123456789abcdef",
                "versions": {"dmrnet": "0.1.0"},
                "classes": 10,
                "notes": list(notes),
                "warnings": list(warnings),
            }
        )
    )
    return folder


def hash_of(text):
    """A hash that is the same in every process."""
    return int.from_bytes(text.encode(), "big") % (2**31)


@pytest.fixture(scope="session")
def four_systems(tmp_path_factory):
    """Four methods, three seeds, the 63 combinations of six modalities; not to be changed."""
    root = tmp_path_factory.mktemp("four")
    gains = {"sf-md": 0.0, "head-only": 0.03, "dmr": 0.1, "dmrnet": 0.18}
    return [
        write_run(
            root / "runs",
            method,
            seed,
            gain=gain,
            mined={"dmr": "variance", "dmrnet": "loss"}.get(method),
        )
        for method, gain in gains.items()
        for seed in range(3)
    ]


@pytest.fixture
def good_row():
    """The maker of one good row."""
    return row


@pytest.fixture
def lines():
    """The writer of a file of JSON lines."""
    return write_lines


@pytest.fixture(scope="session")
def write():
    """The writer of a run folder, for fixtures that live longer than a test."""
    return write_run


@pytest.fixture
def make_run(tmp_path):
    """The writer of a run folder under ``runs``."""

    def make(*args, **kwargs):
        return write_run(tmp_path / "runs", *args, **kwargs)

    return make


@pytest.fixture(scope="module")
def no_png():
    """Let figures have no PNG, where a module looks at pages alone; it takes as long as the SVG."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dmrnet.report.figures.drawing.figure.to_png", lambda *_: b"")
        yield
