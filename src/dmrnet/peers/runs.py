"""Run folders of the classifiers, which reports read like those of any method."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dmrnet.data import Splits
from dmrnet.engine.evaluate import sources_of
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.scores.rows import result_rows
from dmrnet.modalities import name_of
from dmrnet.peers import IMML, PEERS
from dmrnet.peers.classifiers import fit, too_many
from dmrnet.peers.table import CombinationScore, scores, table_of
from dmrnet.settings.config import RunSettings
from dmrnet.storage import npz_bytes


def make_peers(
    settings: RunSettings,
    out: Path,
    names: Sequence[str] | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Fit classifiers on the splits of a run; those that are finished are not fitted again.

    Args:
        settings: Settings of the run; its data set and seed count.
        out: Folder for the run folders.
        names: Names of classifiers; all by default.
        say: Called with a line for each.

    Returns:
        Folders of the classifiers, without those that would take many minutes.

    Raises:
        ValueError: If the data set has no test split, or its samples no single class.
    """
    splits = settings.data.load(settings.seed)
    task = splits.train.task
    if splits.test is None or task.dense or task.target != "classes":
        what = f"a class for every {task.element}" if task.dense else task.target
        raise ValueError(
            f"{settings.data_label}: what one would use instead predicts one class per sample, on "
            f"a test split; got {'no test split' if splits.test is None else what}"
        )
    label, folders = settings.data_label, []
    key = "" if label == settings.dataset else hashlib.sha256(label.encode()).hexdigest()[:8]
    content = splits.fingerprints()
    for name in PEERS if names is None else names:
        stem = "-".join(filter(None, (settings.dataset, name, f"seed{settings.seed}", key)))
        folder = RunFolder(out / stem)
        if folder.trained and folder.read_facts().get("content") == content:
            folders.append(folder.path)
            continue
        if too_many(name, table_of(splits.train)):
            line = f"{label} {name}: left out, it would take many minutes"
        elif name in IMML and not has_imml():
            line = f"{label} {name}: left out, iMML is not installed (pip install 'dmrnet[imml]')"
        else:
            started = time.perf_counter()
            write_run(name, settings, splits, folder)
            folders.append(folder.path)
            line = f"{label} {name} seed {settings.seed}: {time.perf_counter() - started:.1f} s"
        if say is not None:
            say(line)
    return folders


def has_imml() -> bool:
    """Whether iMML is installed, with what its classifiers need."""
    return all(find_spec(name) for name in ("imml", "torch_geometric", "transformers"))


def library_of(name: str) -> str:
    """Return the library that a classifier is of, in words."""
    return "iMML" if name in IMML else "scikit-learn"


def write_run(name: str, settings: RunSettings, splits: Splits, folder: RunFolder) -> None:
    """Fit and score a classifier, and write its run folder."""
    if splits.test is None:
        raise ValueError("expected a test split, got none")
    tables = {role: table_of(part) for role, part in splits.parts().items()}
    names = splits.train.task.modalities
    started, cpu_started = time.perf_counter(), time.process_time()
    predict = fit(name, tables["train"], tables["val"], settings.seed)
    cost = {
        "train_seconds": time.perf_counter() - started,
        "train_cpu_seconds": time.process_time() - cpu_started,
    }

    def rows(split: str, scored: list[CombinationScore]) -> list[dict[str, Any]]:
        # As `dmrnet fit` does: cost is of the training, and stands with the rows of validation.
        costs = cost.items() if split == "val" else ()
        lines = [("", metric, value, len(tables[split].target)) for metric, value in costs]
        for score in scored:
            of, n = name_of(score.mask.tolist(), names), int(score.scored.sum())
            lines += [(of, "accuracy", score.accuracy, n), (of, "log_loss", score.log_loss, n)]
        own = {"method": name, "recipe": library_of(name), "settings": {}}
        return [row | own for row in result_rows(folder.name, settings, split, lines)]

    tested = [*scores(predict, tables["test"])]
    folder.check_own()
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write_facts(
        first=True,
        dataset=settings.dataset,
        modalities=list(names),
        classes=list(splits.train.task.classes),
        score="accuracy",
        samples={role: len(part) for role, part in splits.parts().items()},
        content=splits.fingerprints(),
        notes=[*splits.notes, f"a baseline of {library_of(name)}, not trained by this package"],
    )
    folder.put_rows("val", rows("val", [*scores(predict, tables["val"])]))
    arrays = {
        "index": np.arange(len(tables["test"].target)),
        "combination": np.array([name_of(score.mask.tolist(), names) for score in tested]),
        "target": tables["test"].target,
        "scored": np.stack([score.scored for score in tested]),
        "predicted": np.stack([score.log.argmax(1) for score in tested]).astype(np.int16),
        **sources_of(settings.data, splits.test, torch.arange(len(splits.test))),
    }
    files = {folder.predictions: npz_bytes(arrays)}
    folder.put_test(rows("test", tested), files, test_samples=len(splits.test), finished=True)
