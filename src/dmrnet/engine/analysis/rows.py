"""What analyses leave: lines for rows, and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmrnet.engine.folder import RunFolder
from dmrnet.engine.rows import Line
from dmrnet.evaluation import (
    Angles,
    Distances,
    centred,
    class_vector_angles,
    embedding_angles,
    hard_set_agreement,
    measure_of,
)
from dmrnet.evaluation.channel_distance import BINS, DistanceForm
from dmrnet.evaluation.hard_sets import rank_correlation, top
from dmrnet.evaluation.measures import goodness
from dmrnet.modalities import Task
from dmrnet.modalities.names import SEPARATOR
from dmrnet.settings.config import RunSettings


@dataclass
class Found:
    """What one analysis found.

    Attributes:
        lines: For rows.
        arrays: For ``analyses.npz``.
    """

    lines: list[Line] = field(default_factory=list)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


def of_distances(seen: Mapping[tuple[DistanceForm, str, str], Distances]) -> Found:
    """Return mean and deviation of every form and pair, and their histograms.

    A line's combination is the modality, or the two of them; its metrics are the form, and the form
    with ``_deviation`` and ``_undefined`` (the share of entries that have no value).
    """
    found = Found(arrays={"edges": np.linspace(0, 2, BINS + 1)})
    for (form, m, n), one in seen.items():
        name = m if m == n else f"{m}{SEPARATOR}{n}"
        entries = one.number + one.undefined
        share = one.undefined / entries if entries else float("nan")
        found.lines += [
            (name, form, one.mean, one.samples),
            (name, f"{form}_deviation", one.deviation, one.samples),
            (name, f"{form}_undefined", share, one.samples),
        ]
        found.arrays[f"{form}/{name}"] = one.counts.numpy()
    return found


def of_angles(
    embeddings: Tensor,
    scored: Tensor,
    target: Tensor,
    classes: Sequence[str],
    combinations: Sequence[str],
    vectors: Tensor | None = None,
) -> Found:
    """Return mean angles: over everything, by combination, by class; and the tables of pairs.

    Args:
        embeddings: float64 ``(K, n, C)``.
        scored: bool ``(K, n)``.
        target: int64 ``(n,)``.
        classes: M names.
        combinations: K names.
        vectors: float64 ``(M, C)`` of the linear classifier; None where there is none.
    """
    found = Found(
        arrays={"combinations": np.array(combinations), "classes": np.array(list(classes))}
    )
    for suffix, points in (("", embeddings), ("_centred", centred(embeddings, scored))):
        angles = embedding_angles(points, scored, target, len(classes))
        _angle_lines(found, angles, scored, target, classes, combinations, suffix)
        for name in ("same", "between", "directions", "classes"):
            key = f"{name}{suffix}" if name != "classes" else f"between_classes{suffix}"
            found.arrays[key] = getattr(angles, name).numpy()
        if vectors is not None:
            # What all classes have in common moves no prediction.
            own = vectors - vectors.mean(0) if suffix else vectors
            table = class_vector_angles(points, scored, target, own)
            found.arrays[f"class_vector{suffix}"] = table.numpy()
            found.lines.append(("", f"class_vector{suffix}", float(table.nanmean()), len(target)))
    return found


def _angle_lines(
    found: Found,
    angles: Angles,
    scored: Tensor,
    target: Tensor,
    classes: Sequence[str],
    combinations: Sequence[str],
    suffix: str,
) -> None:
    apart = ~torch.eye(len(combinations), dtype=torch.bool)
    n = len(target)

    def add(metric: str, value: Tensor, combination: str = "", count: int = n) -> None:
        found.lines.append((combination, f"{metric}{suffix}", float(value), count))

    between, within = angles.between[:, apart], angles.within
    directions = angles.directions[:, apart]
    two = ~torch.eye(len(classes), dtype=torch.bool)
    of_classes = angles.classes[:, two].nanmean()
    add("same", angles.same[:, apart].nanmean())
    add("between", between.nanmean())
    add("within", within.nanmean())
    add("excess", between.nanmean() - within.nanmean())
    add("directions", directions.nanmean())
    add("classes", of_classes)
    add("directions_by_classes", directions.nanmean() / of_classes)
    add("zero", torch.tensor(angles.undefined / max(1, int(scored.sum()))))
    for k, name in enumerate(combinations):
        others, count = apart[k], int(scored[k].sum())
        add("between", angles.between[:, k, others].nanmean(), name, count)
        add("within", within[:, k].nanmean(), name, count)
        add("directions", angles.directions[:, k, others].nanmean(), name, count)
    for c, label in enumerate(classes):
        count = int((target == c).sum())
        add(f"between/{label}", between[c].nanmean(), "", count)
        add(f"within/{label}", within[c].nanmean(), "", count)
        add(f"directions/{label}", directions[c].nanmean(), "", count)


def kept_statistics(folder: RunFolder) -> list[dict[str, Any]]:
    """Return what the epoch whose weights were kept saw of each combination.

    Raises:
        ValueError: If nothing was recorded of it.
    """
    rows = folder.statistics()
    epochs = {row["epoch"] for row in rows}
    best = folder.read_facts().get("best_epoch")
    if not rows or best not in epochs:
        raise ValueError(
            f"{folder.path} recorded no statistics of combinations in the epoch that it kept "
            "(variance.jsonl); with more than 20 modalities there are none"
        )
    return [row for row in rows if row["epoch"] == best]


def variance_rows(folder: RunFolder) -> Found:
    """Return the sigma^2 row of Table 6: the mean over combinations at the kept epoch, and each.

    Raises:
        ValueError: If the method has no distribution, or nothing was recorded.
    """
    rows = [row for row in kept_statistics(folder) if row["mean_variance"] is not None]
    if not rows:
        raise ValueError(
            f"the method of {folder.path} has no distribution, so no variance; analyse a run of "
            "dmr or dmrnet"
        )
    found = Found()
    mean = sum(row["mean_variance"] for row in rows) / len(rows)
    found.lines.append(("", "variance", mean, sum(row["n"] for row in rows)))
    found.lines += [
        (row["combination"], "variance", row["mean_variance"], row["n"]) for row in rows
    ]
    return found


def hard_set_rows(folder: RunFolder, settings: RunSettings, task: Task, split: str) -> Found:
    """Return how well what mining calls hard meets the combinations that score worst on a split.

    Of the kept epoch: the mined set (`mined`), the V of the highest variance (`by_variance`), the V
    of the highest loss (`by_loss`). For each the share that is truly worst, what chance would give
    (`_chance`), and how often chance would give as much (`_chance_of_more`); and the rank
    correlation of variance and loss with the error.

    Raises:
        ValueError: If the split was not evaluated, or nothing was recorded.
    """
    measure = measure_of(settings.data)
    scores = {
        row["combination"]: row["value"]
        for row in folder.rows()
        if row["split"] == split and row["metric"] == measure.name
    }
    if not scores:
        raise ValueError(f"{folder.path} has no scores on {split}; run dmrnet evaluate first")
    statistics = {row["combination"]: row for row in kept_statistics(folder)}
    names = [name for name in scores if name in statistics]
    good = goodness(measure, _column([scores[name] for name in names]))
    variance = _column([statistics[name]["mean_variance"] for name in names])
    loss = _column([statistics[name]["mean_loss"] for name in names])
    size = len(task.modalities)
    sets = {
        "mined": torch.tensor([statistics[name]["hard"] for name in names]),
        "by_variance": top(variance, size),
        "by_loss": top(loss, size),
    }
    n = sum(statistics[name]["n"] for name in names)
    found = Found()
    for name, hard in sets.items():
        one = hard_set_agreement(hard, good)
        if one is not None:
            found.lines += [
                ("", name, one.share, n),
                ("", f"{name}_chance", one.chance, n),
                ("", f"{name}_chance_of_more", one.chance_of_more, n),
            ]
    found.lines += [
        ("", "variance_rank", rank_correlation(variance, -good), n),
        ("", "loss_rank", rank_correlation(loss, -good), n),
    ]
    return found


def _column(values: Sequence[float | None]) -> Tensor:
    return torch.tensor(
        [float("nan") if value is None else value for value in values], dtype=torch.float64
    )
