"""How far the numbers would move had other test samples been drawn.

The standard error over seeds says nothing of that: all seeds may share the test samples, and a set
of a few hundred is itself a draw. Here the samples are drawn again, with replacement, and all
numbers are taken anew. What is drawn are sources. Samples of one source, such as the windows of
one person, come and go together. Where a sample is put together from a file of each modality, the
files of each modality are drawn, and a sample counts as often as the product of those that the
combination sees (the pigeonhole bootstrap of Owen, 2007). All runs share each draw, so that
differences are paired, and runs on the same samples move together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.combinations import members
from dmrnet.report.records.predictions import Predictions, read_predictions
from dmrnet.report.records.runs import Run
from dmrnet.report.summary.facts import system_of
from dmrnet.report.summary.summary import DataSummary

DRAWS = 1000
FEW_SOURCES = 30
"""With fewer sources the percentiles of draws are too near to each other."""

_LEAST_DRAWS = 200
_MOST_COUNTS = 200_000_000
_AT_ONCE = 4_000_000
_SCORES = ("accuracy", "acer", "miou")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Resampled:
    """Intervals over draws of test samples, 95% of the draws in each.

    Attributes:
        levels: For each system by its label, the interval of each headline.
        differences: For each system and the one it is set against, by their labels, the interval
            of the difference of each headline.
        units: Number of sources, for each modality where samples are put together from files.
        draws: How often samples were drawn.
        left_out: Systems without predictions of every seed.
    """

    levels: Mapping[str, Mapping[str, tuple[float, float]]]
    differences: Mapping[tuple[str, str], Mapping[str, tuple[float, float]]]
    units: Mapping[str, int]
    draws: int
    left_out: tuple[str, ...]


def resample(
    summary: DataSummary, runs: Sequence[Run], draws: int = DRAWS, seed: int = 0
) -> Resampled | None:
    """Draw the test samples of a data set again and again.

    Args:
        summary: What is summed up.
        runs: The runs behind it; those without predictions are left out.
        draws: How often.
        seed: Of the draws.

    Returns:
        The intervals; None where no run keeps predictions that can be scored so.

    Raises:
        RowError: If predictions are damaged.
    """
    if summary.score.name not in _SCORES or summary.split != "test":
        return None
    found = _predictions(summary, runs)
    whole = {
        item.label: [found[item.label, which] for which in item.seeds]
        for item in summary.systems
        if item.seeds and all((item.label, which) in found for which in item.seeds)
    }
    if not whole:
        return None
    names, counts = _counts([one for several in whole.values() for one in several], draws, seed)
    if not counts:
        return None
    values = {
        (label, which): _headlines(summary, one, names, counts)
        for label, several in whole.items()
        for which, one in zip(_seeds(summary, label), several, strict=True)
    }
    pairs = {
        (item.label, other)
        for item in summary.systems
        for other in (summary.baseline, item.equal.label if item.equal else None)
        if other is not None and other != item.label and {item.label, other} <= whole.keys()
    }
    return Resampled(
        levels={
            label: _ends([values[label, which] for which in _seeds(summary, label)])
            for label in whole
        },
        differences={
            (label, other): _ends(
                [
                    {
                        key: value - values[other, which][key]
                        for key, value in values[label, which].items()
                        if key in values[other, which]
                    }
                    for which in _seeds(summary, label)
                    if (other, which) in values
                ]
            )
            for label, other in sorted(pairs)
        },
        units={factor: len(codes) for factor, codes in names.items()},
        draws=len(next(iter(counts.values()))),
        left_out=tuple(
            item.label
            for item in summary.systems
            if item.label not in whole and not item.system.source
        ),
    )


def _seeds(summary: DataSummary, label: str) -> tuple[int, ...]:
    return next(item.seeds for item in summary.systems if item.label == label)


def _predictions(summary: DataSummary, runs: Sequence[Run]) -> dict[tuple[str, int], Predictions]:
    labels = {item.system: item.label for item in summary.systems}
    found: dict[tuple[str, int], Predictions] = {}
    for run in runs:
        if not run.is_folder or run.rows[0].dataset != summary.dataset:
            continue
        key = labels.get(system_of(run.rows[0])), run.rows[0].seed
        if key[0] is None or (key[0], key[1]) in found:
            continue
        one = read_predictions(run, summary.modalities)
        dense = summary.score.name == "miou"
        if (
            one is not None
            and set(summary.compared) <= set(one.combinations)
            and dense == (one.confusion is not None)
        ):
            found[key[0], key[1]] = one
    return found


def _counts(
    every: Sequence[Predictions], draws: int, seed: int
) -> tuple[dict[str, dict[str, int]], dict[str, NDArray[np.uint8]]]:
    """Draw: how often each source of each kind comes in each draw.

    Returns:
        For each kind (a modality, or ``sample``) the places of the sources by name, and uint8
        ``(draws, sources)``; nothing where that would be too much.
    """
    names: dict[str, dict[str, int]] = {}
    for one in every:
        for factor, sources in _factors(one).items():
            known = names.setdefault(factor, {})
            for name in np.unique(sources).tolist():
                known.setdefault(name, len(known))
    draws = min(draws, _MOST_COUNTS // sum(map(len, names.values())))
    if draws < _LEAST_DRAWS:
        return names, {}
    counts = {}
    for place, (factor, known) in enumerate(sorted(names.items())):
        draw = np.random.default_rng((seed, place))
        size = len(known)
        counts[factor] = np.stack(
            [
                # Above 255 only with a chance of less than one in 10^500.
                np.bincount(draw.integers(0, size, size), minlength=size).astype(np.uint8)
                for _ in range(draws)
            ]
        )
    return names, counts


def _factors(one: Predictions) -> dict[str, NDArray[np.str_]]:
    if one.sources.ndim == 1:
        return {"sample": one.sources}
    return {name: one.sources[:, place] for place, name in enumerate(one.modalities)}


def _headlines(
    summary: DataSummary,
    one: Predictions,
    names: Mapping[str, Mapping[str, int]],
    counts: Mapping[str, NDArray[np.uint8]],
) -> dict[str, Floats]:
    """Take the headlines of a run anew in each draw: float64 ``(draws,)`` each."""
    codes = {
        factor: np.array([names[factor][name] for name in sources.tolist()])
        for factor, sources in _factors(one).items()
    }
    # Combinations whose samples count alike are scored together.
    alike: dict[tuple[str, ...], list[str]] = {}
    for combination in summary.combinations:
        if combination in one.combinations:
            seen = tuple(f for f in codes if f == "sample" or f in members(combination))
            alike.setdefault(seen, []).append(combination)
    scores: dict[str, Floats] = {}
    for seen, group in alike.items():
        rows = [one.combinations.index(name) for name in group]
        drawn = [(counts[factor], codes[factor]) for factor in seen]
        scores |= zip(group, _rescored(summary.score.name, one, rows, drawn), strict=True)
    compared = [scores[name] for name in summary.compared]
    found: dict[str, Floats] = {}
    if compared:
        table = np.stack(compared)
        found["average"] = table.mean(0)
        found["worst"] = table.max(0) if summary.score.lower_is_better else table.min(0)
    singles = [scores[name] for name in summary.compared if len(members(name)) == 1]
    if singles:
        found["single"] = np.stack(singles).mean(0)
    if summary.full in scores:
        found["full"] = scores[summary.full]
    return found


def _rescored(
    score: str,
    one: Predictions,
    rows: Sequence[int],
    drawn: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]],
) -> Floats:
    """Score combinations in each draw, float64 ``(k, draws)``; NaN where nothing is left to score.

    Args:
        score: ``accuracy``; ``acer``, which is the mean of the error rates of both classes; or
            ``miou``, of the counts of all images together.
        one: The predictions.
        rows: The combinations' places, ``k`` of them.
        drawn: For each kind of source how often each comes in each draw, and the place of each
            sample's source. A sample counts as often as their product says.
    """
    draws, samples = len(drawn[0][0]), one.right.shape[1]
    step = max(1, _AT_ONCE // max(1, samples))
    scored = one.scored[rows].T.astype(np.float64)
    right = scored * one.right[rows].T
    classes = [one.target == label for label in np.unique(one.target)]
    groups = classes if score == "acer" else [np.ones(samples, dtype=np.bool_)]
    parts: list[Floats] = []
    for start in range(0, draws, step):
        weight = np.ones(())
        for table, places in drawn:
            weight = weight * table[start : start + step][:, places]
        if one.confusion is not None:
            parts.append(_mean_iou(weight, one.confusion[rows]))
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = [
                (weight[:, group] @ right[group]) / (weight[:, group] @ scored[group])
                for group in groups
            ]
        parts.append(np.mean(rates, axis=0))
    accuracy: Floats = np.concatenate(parts).T
    return 1 - accuracy if score == "acer" else accuracy


def _mean_iou(weight: Floats, confusion: NDArray[np.int64]) -> Floats:
    """Return the mean IoU ``(draws, k)`` of images that count ``weight`` times, ``(draws, n)``."""
    k, images, classes = confusion.shape[:3]
    found = np.empty((len(weight), k))
    for place in range(k):
        flat = confusion[place].reshape(images, classes * classes).astype(np.float64)
        summed = (weight @ flat).reshape(-1, classes, classes)
        both = np.diagonal(summed, axis1=1, axis2=2)
        union = summed.sum(1) + summed.sum(2) - both
        # A class that is in no image drawn is undefined, never perfect.
        known = union > 0
        each = np.divide(both, union, out=np.zeros_like(both), where=known)
        with np.errstate(invalid="ignore"):
            found[:, place] = each.sum(1) / known.sum(1)
    return found


def _ends(by_seed: Sequence[Mapping[str, Floats]]) -> dict[str, tuple[float, float]]:
    """Average over the seeds within each draw, and return where 95% of the draws lie."""
    ends = {}
    for key in by_seed[0] if by_seed else ():
        mean = np.mean([values[key] for values in by_seed], axis=0)
        known = mean[np.isfinite(mean)]
        if len(known) >= _LEAST_DRAWS:
            low, high = np.quantile(known, (0.025, 0.975)).tolist()
            ends[key] = (low, high)
    return ends
