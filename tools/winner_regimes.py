"""Measured regimes of data sets (size, modalities, whether they interact), and gains on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dmrnet.report.pages.overview import gain_cell
from dmrnet.report.pages.tables.table import Cell, Table
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.inference import interval
from dmrnet.report.summary.over_data.gains import Gain
from dmrnet.report.summary.summary import DataSummary

MANY = 4
"""Number of modalities from which a data set has many."""

SMALL = 500
"""Number of training samples up to which a data set is small."""


@dataclass(frozen=True, slots=True)
class Regime:
    """Measured properties of a data set.

    Attributes:
        dataset: Name of the data set.
        modalities: Number of modalities.
        rows: Number of training samples; None if unknown.
        over_single: Score of the baseline with all modalities, minus its best single one; positive
            is better.
        over_late: Gain of fusion over late fusion with all modalities: of the baseline over
            separate networks whose predictions are averaged, at equal cost; None without them.
    """

    dataset: str
    modalities: int
    rows: int | None
    over_single: Estimate | None
    over_late: Estimate | None

    @property
    def many(self) -> bool:
        """Whether there are many modalities."""
        return self.modalities >= MANY

    @property
    def small(self) -> bool | None:
        """Whether there are few training samples."""
        return None if self.rows is None else self.rows <= SMALL

    @property
    def interacting(self) -> bool | None:
        """Whether fusion gains over late fusion: the lower end of the interval is above 0."""
        ends = interval(self.over_late) if self.over_late else None
        return None if ends is None else ends[0] > 0


def regime_of(dataset: str, summary: DataSummary, late: str) -> Regime:
    """Return the regime of a data set.

    Args:
        dataset: Name to show.
        summary: Its summary, with a baseline.
        late: Label of the system that is late fusion.
    """
    sign = -1 if summary.score.lower_is_better else 1
    baseline = next((i for i in summary.systems if i.label == summary.baseline), None)
    fused_late = next((i for i in summary.systems if i.label == late), None)
    over_single = rows = None
    if baseline is not None:
        singles = [e for name, e in baseline.scores.items() if len(members(name)) == 1]
        full = baseline.scores.get(summary.full)
        if full is not None and singles:
            # The best single modality by its mean, not of each seed.
            best = max(singles, key=lambda item: sign * item.mean).by_seed
            over_single = Estimate.of({s: sign * (v - best[s]) for s, v in full.by_seed.items()})
        samples, epochs = (baseline.run_metrics.get(k) for k in ("train_samples", "epochs"))
        if samples is not None and epochs is not None and epochs.mean:
            rows = round(samples.mean / epochs.mean)
    over_late = None
    if fused_late is not None and fused_late.equal and "full" in fused_late.equal.differences:
        gain = fused_late.equal.differences["full"]
        over_late = Estimate(gain.seeds, tuple(-sign * value for value in gain.values))
    return Regime(dataset, len(summary.modalities), rows, over_single, over_late)


def regimes_by_kind(regimes: Sequence[Regime]) -> dict[str, list[str]]:
    """Return the data sets of each kind of regime, without kinds that have none."""
    kinds: dict[str, list[str]] = {
        f"{MANY} modalities or more": [r.dataset for r in regimes if r.many],
        f"fewer than {MANY} modalities": [r.dataset for r in regimes if not r.many],
        "modalities interact": [r.dataset for r in regimes if r.interacting],
        "modalities do not interact": [r.dataset for r in regimes if r.interacting is False],
        f"up to {SMALL} training samples": [r.dataset for r in regimes if r.small],
        f"more than {SMALL} training samples": [r.dataset for r in regimes if r.small is False],
    }
    return {kind: datasets for kind, datasets in kinds.items() if datasets}


def best_in(gains: Sequence[Gain], datasets: Sequence[str]) -> list[tuple[str, float]]:
    """Return the methods that were run on all of some data sets, with their mean gain, best first.

    Example:
        >>> best_in([], ["mfeat"])
        []
    """
    means: Mapping[str, float] = {
        gain.label: sum(gain.by_data[name].gain.mean for name in datasets) / len(datasets)
        for gain in gains
        if all(name in gain.by_data for name in datasets)
    }
    return sorted(means.items(), key=lambda pair: -pair[1])


def gain_by_data_table(gains: Sequence[Gain]) -> Table:
    """One row per method, one column per data set: gain at equal cost, its interval over seeds."""
    datasets = list(dict.fromkeys(name for gain in gains for name in gain.by_data))
    rows = [
        (Cell(gain.label), *(gain_cell(gain.by_data.get(name)) for name in datasets))
        for gain in gains
    ]
    return Table(("System", *datasets), tuple(rows))
