"""Intervals over test samples, by the bootstrap: how far would other samples move the numbers?

The standard error over seeds does not show this: seeds may share the test samples, and a test set
of a few hundred samples is itself random. Here sources of samples are drawn again with replacement
and all numbers are computed from each draw. Samples of one source, such as the windows of one
person, are drawn together. If a sample combines a file of each modality, the files of each modality
are drawn, and the weight of a sample is the product of the counts of the files that the combination
sees (pigeonhole bootstrap; Owen, 2007). All runs share each draw, so differences are paired and
runs on the same samples vary together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.predictions import Predictions, read_predictions
from dmrnet.report.records.runs import RunRecord
from dmrnet.report.summary.rescore import factors_of, headlines_of
from dmrnet.report.summary.row_index import system_of
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.weighted import KNOWN, OF_VALUES, SLOW, Floats

FEW_SOURCES = 30
"""Smallest number of sources for which intervals are not too narrow."""

_LEAST_DRAWS = 200
_MOST_COUNTS = 200_000_000
_FEW_DRAWS = 300
"""Draws of a score that is slow to compute."""


@dataclass(frozen=True, slots=True)
class Resampled:
    """Intervals that hold 95% of the draws of test samples.

    Attributes:
        levels: ``{label of a system: {headline: interval}}``.
        differences: ``{(label, label of what it is compared to): {headline: interval}}``.
        units: Number of sources; one number for each modality if samples combine files.
        draws: Number of draws.
        left_out: Labels of systems without predictions of every seed.
    """

    levels: Mapping[str, Mapping[str, tuple[float, float]]]
    differences: Mapping[tuple[str, str], Mapping[str, tuple[float, float]]]
    units: Mapping[str, int]
    draws: int
    left_out: tuple[str, ...]


def resample(
    summary: DataSummary, runs: Sequence[RunRecord], draws: int = 1000, seed: int = 0
) -> Resampled | None:
    """Draw the test samples of a data set repeatedly; runs without predictions are left out.

    Returns:
        The intervals; None if no run keeps predictions from which the score can be computed.

    Raises:
        RowError: If predictions are damaged.
    """
    if summary.score.name not in KNOWN or summary.split != "test":
        return None
    if summary.score.name == SLOW:
        draws = min(draws, _FEW_DRAWS)
    predictions = _predictions(summary, runs)
    seeds = {
        item.label: item.seeds
        for item in summary.systems
        if item.seeds and all((item.label, one) in predictions for one in item.seeds)
    }
    if not seeds:
        return None
    predictions = {(label, one): predictions[label, one] for label in seeds for one in seeds[label]}
    codes, counts = _draw([*predictions.values()], draws, seed)
    if not counts:
        return None
    headlines = {
        key: headlines_of(summary, of_run, codes, counts) for key, of_run in predictions.items()
    }
    pairs = {
        (item.label, other)
        for item in summary.systems
        for other in (summary.baseline, item.equal.label if item.equal else None)
        if other is not None and other != item.label and {item.label, other} <= seeds.keys()
    }
    return Resampled(
        levels={
            label: _intervals([headlines[label, one] for one in of]) for label, of in seeds.items()
        },
        differences={
            (ours, theirs): _intervals(
                [
                    {k: v - other[k] for k, v in headlines[ours, one].items() if k in other}
                    for one in seeds[ours]
                    if (other := headlines.get((theirs, one))) is not None
                ]
            )
            for ours, theirs in sorted(pairs)
        },
        units={factor: len(known) for factor, known in codes.items()},
        draws=len(next(iter(counts.values()))),
        left_out=tuple(item.label for item in summary.own if item.label not in seeds),
    )


def why_not_resampled(summary: DataSummary) -> str:
    """Return why there are no intervals over test samples; empty where there may be."""
    if summary.split != "test" or summary.score.name in KNOWN:
        return ""
    return (
        f"There are no intervals over test samples: {summary.score.label} is not computed anew "
        "from predictions of single samples."
    )


def _predictions(
    summary: DataSummary, runs: Sequence[RunRecord]
) -> dict[tuple[str, int], Predictions]:
    """Return the first predictions of each system and seed that have all compared combinations."""
    labels = {item.system: item.label for item in summary.systems}
    dense, dice = summary.score.name in ("miou", "dice"), summary.score.name == "dice"
    predictions: dict[tuple[str, int], Predictions] = {}
    for run in runs:
        if not run.is_folder or run.rows[0].dataset != summary.dataset:
            continue
        label, seed = labels.get(system_of(run.rows[0])), run.rows[0].seed
        if label is None or (label, seed) in predictions:
            continue
        of_run = read_predictions(
            run, summary.modalities, probabilities=summary.score.name == "map"
        )
        if (
            of_run is not None
            and set(summary.compared) <= set(of_run.combinations)
            and dense == (of_run.confusion is not None)
            and dice == (of_run.scores is not None)
            and (summary.score.name in OF_VALUES) == (of_run.values is not None)
        ):
            predictions[label, seed] = of_run
    return predictions


def _draw(
    every: Sequence[Predictions], draws: int, seed: int
) -> tuple[dict[str, dict[str, int]], dict[str, NDArray[np.uint8]]]:
    """Draw the sources of each factor: a modality, or ``sample``.

    Returns:
        For each factor, the column of each source, and the counts of the sources in each draw,
        uint8 ``(draws, sources)``; without counts if they would not fit into memory.
    """
    codes: dict[str, dict[str, int]] = {}
    for of_run in every:
        for factor, sources in factors_of(of_run).items():
            known = codes.setdefault(factor, {})
            for name in np.unique(sources).tolist():
                known.setdefault(name, len(known))
    draws = min(draws, _MOST_COUNTS // sum(map(len, codes.values())))
    if draws < _LEAST_DRAWS:
        return codes, {}
    counts = {}
    for index, (factor, known) in enumerate(sorted(codes.items())):
        generator, size = np.random.default_rng((seed, index)), len(known)
        drawn = (generator.integers(0, size, size) for _ in range(draws))
        # A count above 255 has a probability below 10^-500.
        counts[factor] = np.stack(
            [np.bincount(sources, minlength=size).astype(np.uint8) for sources in drawn]
        )
    return codes, counts


def _intervals(by_seed: Sequence[Mapping[str, Floats]]) -> dict[str, tuple[float, float]]:
    """Average over the seeds within each draw, and return the ends of the central 95%."""
    intervals = {}
    for name in by_seed[0] if by_seed else ():
        mean = np.mean([values[name] for values in by_seed], axis=0)
        known = mean[np.isfinite(mean)]
        if len(known) >= _LEAST_DRAWS:
            low, high = np.quantile(known, (0.025, 0.975)).tolist()
            intervals[name] = (low, high)
    return intervals
