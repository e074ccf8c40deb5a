"""Scores of a run on every combination of modalities, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Any

from dmrnet.extras import missing
from dmrnet.hints import nearest
from dmrnet.report.records.metrics import (
    CONSTANTS,
    RECALL,
    counted_combinations,
    is_rate,
    lower_is_better,
    score_label,
)
from dmrnet.report.statistics.failures import (
    COIN,
    Seen,
    expected_score,
    gains_of_next,
    shapley_values,
)

Values = Mapping[str, Mapping[str, tuple[float, int]]]
"""Value and number of samples by metric and combination; an undefined value is NaN."""


def values_of(rows: Iterable[Mapping[str, Any]], split: str) -> Values:
    """Return the values of a split in a run's rows."""
    values: dict[str, dict[str, tuple[float, int]]] = {}
    for row in rows:
        if row["split"] == split and row["combination"]:
            value = math.nan if row["value"] is None else float(row["value"])
            by_combination = values.setdefault(str(row["metric"]), {})
            by_combination[str(row["combination"])] = (value, int(row["n"]))
    return values


@dataclass(frozen=True, repr=False)
class Scores:
    """Scores of a run by combination and metric.

    A combination is scored on the samples that have all its modalities.

    Attributes:
        modalities: Names of the modalities, in the model's order.
        split: ``val`` or ``test``.
        metric: Metric that is shown first, such as accuracy.
        values: Value and number of samples by metric and combination; rates are fractions, and an
            undefined value is NaN.

    >>> scores = Scores(
    ...     ("a", "b"),
    ...     "test",
    ...     "accuracy",
    ...     {"accuracy": {"a": (0.6, 10), "b": (0.5, 10), "a+b": (0.9, 10)}},
    ... )
    >>> round(scores.average, 3), scores.worst, scores["b", "a"]
    (0.667, ('b', 0.5), 0.9)
    """

    modalities: tuple[str, ...]
    split: str
    metric: str
    values: Values

    @classmethod
    def from_rows(
        cls, rows: Iterable[Mapping[str, Any]], modalities: Iterable[str], split: str, metric: str
    ) -> Scores:
        """Return the scores in the result rows of one run.

        Raises:
            ValueError: If the rows have no such scores.
        """
        values = values_of(rows, split)
        if metric not in values:
            raise ValueError(f"the run has no {metric} on {split}; evaluate it first")
        return cls(tuple(modalities), split, metric, values)

    def __getitem__(self, seen: str | Iterable[str]) -> float:
        """Return the score of a combination: one name, names joined by ``+``, or several names."""
        return self._by_seen[self._seen(seen)]

    @property
    def average(self) -> float:
        """Mean over the combinations whose score is defined, without those in `left_out`."""
        scores = list(self._counted.values())
        return sum(scores) / len(scores)

    @property
    def worst(self) -> tuple[str, float]:
        """Combination with the worst score, without those in `left_out`, and its score."""
        lower = lower_is_better(self.metric) or self.metric in ("apcer", "bpcer")
        pick = max if lower else min
        name = pick(self._counted, key=lambda one: self._counted[one])
        return name, self._counted[name]

    @property
    def majority(self) -> float | None:
        """Accuracy of the most frequent class alone, averaged as scores are; None if not known."""
        column = self.values.get("majority", {})
        shares = [column[name][0] for name in self._counted if name in column]
        return sum(shares) / len(shares) if shares else None

    @property
    def recalls(self) -> dict[str, float]:
        """Recall of each class with all modalities, by class; empty if not known."""
        whole = "+".join(self.modalities)
        return {
            metric.removeprefix(RECALL): column[whole][0]
            for metric, column in self.values.items()
            if metric.startswith(RECALL) and whole in column
        }

    def by(self, metric: str) -> Scores:
        """Return the same scores with another metric first, such as ``balanced_accuracy``.

        Raises:
            ValueError: If there is no such metric.
        """
        if metric not in self.values:
            raise ValueError(f"there is no metric {metric!r}; {nearest(metric, self.values)}")
        return replace(self, metric=metric)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Combinations scored on fewer than 20 samples, which average and worst leave out.

        None where all combinations have so few.

        >>> main = {"a": (0.6, 90), "b": (0.5, 80), "a+b": (0.0, 1)}
        >>> scores = Scores(("a", "b"), "test", "accuracy", {"accuracy": main})
        >>> scores.left_out, scores.worst
        (('a+b',), ('b', 0.5))
        """
        defined = (name for name, (value, _) in self._main.items() if value == value)
        return tuple(name for name in defined if name not in self._counted)

    @property
    def full(self) -> float:
        """Score with all modalities."""
        return self[self.modalities]

    def expected_score(
        self, rates: Mapping[str, float] | None = None, fails: Mapping[str, float] | None = None
    ) -> float:
        r"""Return the score to expect when modalities fail independently.

        .. math:: \frac{\sum_{S \neq \emptyset} p(S)\, s(S)}{1 - p(\emptyset)},\quad
            p(S) = \prod_{v \in S} r_v \prod_{v \notin S} (1 - r_v)

        Samples without any modality, a share of :math:`p(\emptyset)`, have no prediction and are
        left out. Exact if failures are independent of each other and of the samples.

        Args:
            rates: Probability that a modality is there, by name; 1 for those not named.
            fails: Probability that a modality fails, by name, instead of `rates`.

        Raises:
            ValueError: If a name is unknown, a probability is outside 0 to 1, or a combination that
                may occur has no score.

        >>> scores = Scores(
        ...     ("a", "b"),
        ...     "test",
        ...     "accuracy",
        ...     {"accuracy": {"a": (0.6, 10), "b": (0.5, 10), "a+b": (0.9, 10)}},
        ... )
        >>> round(scores.expected_score({"b": 0.5}), 3), scores.expected_score(fails={"a": 1})
        (0.75, 0.5)
        """
        if rates is not None and fails is not None:
            raise ValueError("expected rates or fails, got both")
        present = dict.fromkeys(self.modalities, 1.0)
        for name, rate in (rates or fails or {}).items():
            self._check(name)
            if not 0 <= rate <= 1:
                raise ValueError(f"{name}: expected a probability from 0 to 1, got {rate}")
            present[name] = rate if fails is None else 1 - rate
        return expected_score(self._of, present)

    def modality_value(self, nothing: float | None = None) -> dict[str, float]:
        r"""Return the Shapley value of each modality: its mean gain over all orders of adding it.

        .. math:: \phi_v = \sum_{S \not\ni v}
            \frac{|S|!\,(V - |S| - 1)!}{V!}\,\bigl(s(S \cup v) - s(S)\bigr)

        The values sum up to the score of all modalities less that of none. Exact, since every
        combination is scored. For a score of which lower is better, a good modality is negative:
        it takes off error.

        Args:
            nothing: Score without any modality; by default 0, or where lower is better the error
                rate 0.5 of ACER, and of other scores the error of the best constant prediction
                (``constant_mae``) on the samples that have every modality.

        Raises:
            ValueError: If a combination has no score, or that error is needed and not known.

        >>> scores = Scores(
        ...     ("a", "b"),
        ...     "test",
        ...     "accuracy",
        ...     {"accuracy": {"a": (0.6, 10), "b": (0.5, 10), "a+b": (0.9, 10)}},
        ... )
        >>> {name: round(value, 2) for name, value in scores.modality_value().items()}
        {'a': 0.5, 'b': 0.4}
        """
        none = self.nothing if nothing is None else nothing
        return shapley_values(self._of, self.modalities, none)

    @property
    def nothing(self) -> float:
        """Score that counts as that of no modality; see `modality_value`.

        Raises:
            ValueError: If it is not known.
        """
        if not lower_is_better(self.metric):
            return 0.0
        if is_rate(self.metric):
            return COIN
        alone = self.values.get(CONSTANTS.get(self.metric, ""), {})
        if (score := alone.get("+".join(self.modalities))) is None:
            raise ValueError(
                f"expected what {self.metric} is without any modality, as nothing=NUMBER: the rows "
                "lack that of the best constant; evaluate the run again, which writes it"
            )
        return score[0]

    def next_modality(self, seen: str | Iterable[str]) -> dict[str, float]:
        """Return by how much each missing modality changes the score, the best first.

        Args:
            seen: The modalities that are there: one name, names joined by ``+``, or several.

        >>> scores = Scores(
        ...     ("a", "b"),
        ...     "test",
        ...     "accuracy",
        ...     {"accuracy": {"a": (0.6, 10), "b": (0.5, 10), "a+b": (0.9, 10)}},
        ... )
        >>> {name: round(gain, 2) for name, gain in scores.next_modality("a").items()}
        {'b': 0.3}
        """
        lower = lower_is_better(self.metric)
        return gains_of_next(self._of, self.modalities, self._seen(seen), lower)

    def to_pandas(self) -> Any:  # noqa: ANN401
        """Return a pandas DataFrame with a row per combination: its metrics, and the samples ``n``.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise missing(error, "a data frame") from error

        table = pd.DataFrame(
            {
                metric: {name: value for name, (value, _) in column.items()}
                for metric, column in self.values.items()
            }
        )
        table["n"] = [self._main[name][1] for name in table.index]
        return table.rename_axis("combination")

    def __repr__(self) -> str:
        """Return the main score of every combination as a table, the fewest modalities first."""
        rows = [(name, self._text(value), str(n)) for name, value, n in self._lines()]
        sign = ", %" if is_rate(self.metric) else ""
        width = max(len(name) for name, _, _ in rows)
        name, worst = self.worst
        alone = ""
        if self.metric == "accuracy" and (share := self.majority) is not None:
            alone = f", most frequent class alone {100 * share:.1f}"
        few = len(self.left_out)
        less = f"; without {few} combination{'s' * (few > 1)} of few samples" if few else ""
        return "\n".join(
            [
                f"{score_label(self.metric)} on {self.split}{sign}: average "
                f"{self._text(self.average)}, all {self._text(self.full)}, worst "
                f"{self._text(worst)} ({name}){alone}{less}",
                *(f"{name:<{width}}  {value:>5}  n {n}" for name, value, n in rows),
            ]
        )

    def _repr_html_(self) -> str:
        """Return the table with a bar for each score, for notebooks."""
        bar = "<td style='width:12em'><div style='background:#0078b8;height:.7em;width:{:.1f}%'>"
        # A rate is a share of the bar; another number one of the largest.
        defined = [abs(value) for _, value, _ in self._lines() if value == value]
        whole = 1.0 if is_rate(self.metric) else max(defined, default=0.0) or 1.0
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(name)}</td><td>{self._text(value)}</td>"
            f"{bar.format(max(0, 100 * value / whole) if value == value else 0)}</div></td>"
            f"<td>{n}</td></tr>"
            for name, value, n in self._lines()
        )
        head, _, _ = repr(self).partition("\n")
        return (
            f"<p>{escape(head)}</p><table><tr><th style='text-align:left'>combination</th>"
            f"<th>{score_label(self.metric)}</th><th></th><th>n</th></tr>{rows}</table>"
        )

    def _text(self, value: float) -> str:
        """Return a rate in percent, another number with four significant digits."""
        return f"{100 * value:.1f}" if is_rate(self.metric) else f"{value:.4g}"

    @property
    def _main(self) -> Mapping[str, tuple[float, int]]:
        return self.values[self.metric]

    @cached_property
    def _counted(self) -> dict[str, float]:
        """Defined scores of the combinations with enough samples."""
        defined = {name: one for name, one in self._main.items() if one[0] == one[0]}
        enough = counted_combinations({name: n for name, (_, n) in defined.items()})
        return {name: value for name, (value, _) in defined.items() if name in enough}

    def _lines(self) -> list[tuple[str, float, int]]:
        names = sorted(self._main, key=lambda name: name.count("+"))
        return [(name, *self._main[name]) for name in names]

    @cached_property
    def _by_seen(self) -> dict[Seen, float]:
        return {frozenset(name.split("+")): value for name, (value, _) in self._main.items()}

    def _of(self, seen: Seen) -> float:
        value = self._by_seen.get(seen, math.nan)
        if value != value:
            name = "+".join(one for one in self.modalities if one in seen)
            raise ValueError(
                f"{name} has no {self.metric} on {self.split}; score samples that have these "
                "modalities"
            )
        return value

    def _seen(self, names: str | Iterable[str]) -> Seen:
        seen = frozenset(names.split("+") if isinstance(names, str) else names)
        if not seen:
            raise ValueError(f"expected some of {', '.join(self.modalities)}, got none")
        for name in seen:
            self._check(name)
        return seen

    def _check(self, name: str) -> None:
        if name not in self.modalities:
            raise ValueError(f"unknown modality {name!r}; {nearest(name, self.modalities)}")
