"""Scores of a run in each draw of test samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.combinations import members
from dmrnet.report.records.predictions import Predictions
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.weighted import Floats, weighted_score

_CHUNK = 4_000_000
"""Largest number of weights, draws times samples, in memory."""


def factors_of(of_run: Predictions) -> dict[str, NDArray[np.str_]]:
    """Return the source of each sample by factor: by modality, or ``sample`` for whole samples."""
    if of_run.sources.ndim == 1:
        return {"sample": of_run.sources}
    return {name: of_run.sources[:, index] for index, name in enumerate(of_run.modalities)}


def headlines_of(
    summary: DataSummary,
    of_run: Predictions,
    codes: Mapping[str, Mapping[str, int]],
    counts: Mapping[str, NDArray[np.uint8]],
) -> dict[str, Floats]:
    """Compute the headlines of a run in each draw.

    Args:
        summary: Summary of the data set.
        of_run: Predictions of the run.
        codes: Column of each source, for each factor.
        counts: Counts of the sources in each draw, for each factor: uint8 ``(draws, sources)``.

    Returns:
        ``{headline: float64 (draws,)}``; NaN in draws without samples to score.
    """
    columns = {
        factor: np.array([codes[factor][name] for name in sources.tolist()])
        for factor, sources in factors_of(of_run).items()
    }
    # Combinations that see the same factors weigh samples alike and are scored together.
    groups: dict[tuple[str, ...], list[str]] = {}
    for combination in summary.combinations:
        if combination in of_run.combinations:
            seen = tuple(f for f in columns if f == "sample" or f in members(combination))
            groups.setdefault(seen, []).append(combination)
    scores: dict[str, Floats] = {}
    for seen, group in groups.items():
        rows = [of_run.combinations.index(name) for name in group]
        drawn = [(counts[factor], columns[factor]) for factor in seen]
        drawn_scores = summary.factor * _scores(summary.score.name, of_run, rows, drawn)
        scores |= zip(group, drawn_scores, strict=True)
    headlines: dict[str, Floats] = {}
    if summary.compared:
        table = np.stack([scores[name] for name in summary.compared])
        headlines["average"] = table.mean(0)
        headlines["worst"] = table.max(0) if summary.score.lower_is_better else table.min(0)
    singles = [scores[name] for name in summary.compared if len(members(name)) == 1]
    if singles:
        headlines["single"] = np.stack(singles).mean(0)
    if summary.full in scores:
        headlines["full"] = scores[summary.full]
    return headlines


def _scores(
    score: str,
    of_run: Predictions,
    rows: Sequence[int],
    drawn: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]],
) -> Floats:
    """Score the combinations of ``k`` rows in each draw: float64 ``(k, draws)``, NaN if undefined.

    Drawn are, for each factor, the counts of its sources in each draw and the column of each
    sample's source; the weight of a sample is the product of its counts.
    """
    draws, samples = len(drawn[0][0]), of_run.right.shape[1]
    step = max(1, _CHUNK // max(1, samples))
    of_weights = weighted_score(score, of_run, rows)
    parts: list[Floats] = []
    for start in range(0, draws, step):
        weight = np.ones(())
        for counts, columns in drawn:
            weight = weight * counts[start : start + step][:, columns]
        parts.append(of_weights(weight))
    scores: Floats = np.concatenate(parts).T
    return scores
