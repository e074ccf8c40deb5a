"""Angles between embeddings of combinations, samples and classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dmrnet.engine.analysis.base import AnalysisResult, Encoded
from dmrnet.engine.analysis.names import Analysis
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.evaluation import Angles, centred, class_vector_angles, embedding_angles
from dmrnet.evaluation.combinations import rows_at_once
from dmrnet.methods.probes import class_vectors, embedding
from dmrnet.modalities import name_of, some_combinations

MOST_COMBINATIONS = 63
"""Above this number, a random subset of this size is compared, since pairs are."""

EMBEDDINGS_OF_A_CLASS = 4096
"""Most embeddings of a class, which bounds the table of angles between all of them."""


class EmbeddingAngles:
    """Angles between inference embeddings of the combinations within a combination.

    Raises:
        ValueError: If every pixel has a class, so that a sample has none.
    """

    def __init__(self, run: FinishedRun, analysis: Analysis) -> None:
        if run.task.target != "classes":
            raise ValueError(
                f"angles compares combinations of one class, but the task is {run.task.target}"
            )
        if run.task.dense:
            raise ValueError(
                "angles compares combinations of one class, but every pixel has a class of its own"
            )
        self.analysis = analysis
        self.method, self.task = run.method, run.task
        inside = int(analysis.at.sum())
        some = some_combinations(inside, MOST_COMBINATIONS, torch.Generator().manual_seed(0))
        self.combinations = torch.zeros(len(some), len(analysis.at), dtype=torch.bool)
        self.combinations[:, analysis.at] = some
        self.masks = self.combinations.to(run.device)
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, batch: Encoded) -> None:
        """Add the embeddings of a batch under every combination."""
        # A sample without a label belongs to no class.
        scored = (batch.present | ~self.masks[:, None, :]).all(-1) & (batch.target >= 0)
        every = torch.arange(len(batch.target), device=batch.target.device)
        embedded = []
        for combination in self.masks:
            parts = []
            for rows in every.split(rows_at_once(batch.cached.row_size)):
                mask = combination.expand(len(rows), -1)
                parts.append(embedding(self.method, batch.cached.select(rows, mask), mask))
            embedded.append(torch.cat(parts).double().cpu())
        self.parts.append((torch.stack(embedded), scored.cpu(), batch.target.cpu()))

    def result(self) -> AnalysisResult:
        """Return mean angles, over everything, by combination and by class, and tables of pairs."""
        classes = self.task.classes
        names = [name_of(mask, self.task.modalities) for mask in self.combinations]
        embeddings = torch.cat([part[0] for part in self.parts], 1)
        scored = torch.cat([part[1] for part in self.parts], 1)
        target = torch.cat([part[2] for part in self.parts])
        most = max(2, EMBEDDINGS_OF_A_CLASS // len(self.combinations))
        rows = torch.cat([(target == c).nonzero().squeeze(1)[:most] for c in range(len(classes))])
        embeddings, scored, target = embeddings[:, rows], scored[:, rows], target[rows]
        vectors = class_vectors(self.method)
        result = AnalysisResult(
            arrays={"combinations": np.array(names), "classes": np.array(list(classes))}
        )
        for suffix, points in (("", embeddings), ("_centred", centred(embeddings, scored))):
            angles = embedding_angles(points, scored, target, len(classes))
            _add_lines(result, angles, scored, target, classes, names, suffix)
            for name in ("same", "between", "directions", "classes"):
                key = f"{name}{suffix}" if name != "classes" else f"between_classes{suffix}"
                result.arrays[key] = getattr(angles, name).numpy()
            if vectors is not None:
                own = vectors.double().cpu()
                # A vector that all classes share changes no prediction.
                own = own - own.mean(0) if suffix else own
                table = class_vector_angles(points, scored, target, own)
                result.arrays[f"class_vector{suffix}"] = table.numpy()
                line = ("", f"class_vector{suffix}", float(table.nanmean()), len(target))
                result.lines.append(line)
        return result


def _add_lines(
    result: AnalysisResult,
    angles: Angles,
    scored: Tensor,
    target: Tensor,
    classes: Sequence[str],
    combinations: Sequence[str],
    suffix: str,
) -> None:
    def add(metric: str, value: Tensor, combination: str = "", count: int = len(target)) -> None:
        result.lines.append((combination, f"{metric}{suffix}", float(value), count))

    other = ~torch.eye(len(combinations), dtype=torch.bool)
    other_class = ~torch.eye(len(classes), dtype=torch.bool)
    between, within = angles.between[:, other], angles.within
    directions = angles.directions[:, other]
    of_classes = angles.classes[:, other_class].nanmean()
    add("same", angles.same[:, other].nanmean())
    add("between", between.nanmean())
    add("within", within.nanmean())
    add("excess", between.nanmean() - within.nanmean())
    add("directions", directions.nanmean())
    add("classes", of_classes)
    add("directions_by_classes", directions.nanmean() / of_classes)
    add("zero", torch.tensor(angles.undefined / max(1, int(scored.sum()))))
    for k, name in enumerate(combinations):
        others, count = other[k], int(scored[k].sum())
        add("between", angles.between[:, k, others].nanmean(), name, count)
        add("within", within[:, k].nanmean(), name, count)
        add("directions", angles.directions[:, k, others].nanmean(), name, count)
    for c, label in enumerate(classes):
        count = int((target == c).sum())
        add(f"between/{label}", between[c].nanmean(), "", count)
        add(f"within/{label}", within[c].nanmean(), "", count)
        add(f"directions/{label}", directions[c].nanmean(), "", count)
