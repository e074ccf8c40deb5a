"""Overview of a report of several data sets: ranks, and gains at equal cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dmrnet.report.figures.drawing.figure import Figure
from dmrnet.report.figures.gain_diagram import TITLES, gain_diagram
from dmrnet.report.figures.rank_diagram import rank_diagram
from dmrnet.report.pages.tables.scores import HEADLINE_TITLES, rank_table
from dmrnet.report.pages.tables.table import EMPTY, Cell, Table
from dmrnet.report.records.systems import System
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.inference import interval
from dmrnet.report.summary.equal_cost import SLACK
from dmrnet.report.summary.over_data.gains import Gain, GainOnData, gains_over_data
from dmrnet.report.summary.over_data.ranks import Ranking, rank_over_data
from dmrnet.report.summary.summary import DataSummary

HEADLINES = tuple(TITLES)

HOW_GAINED = (
    "Difference in percentage points to the shortest training of the baseline that costs at least "
    f"{SLACK:.0%} as much, or else the longest; positive is better. Mean over data sets "
    "by a random-effects model, with its 95% interval (DerSimonian and Laird; Knapp "
    "and Hartung) and p after Holm's correction over the methods. Sets: on how many it gains, "
    "and on how many a gain (+) or a loss (\N{MINUS SIGN}) is beyond chance after Holm's "
    "correction on that set (paired t test over seeds)."
)


@dataclass(frozen=True, slots=True)
class Overview:
    """Results over several data sets.

    Attributes:
        ranks: Average ranks.
        how_ranked: How to read the ranks.
        gains: Gains at equal cost; no rows without a baseline or known costs.
        figures: Figures of both.
    """

    ranks: Table
    how_ranked: str
    gains: Table
    figures: tuple[Figure, ...]


def make_overview(
    summaries: Sequence[DataSummary], names: Mapping[System, str] | None = None
) -> Overview | None:
    """Return what holds over data sets; None unless two systems were run on two of them."""
    ranking = rank_over_data(summaries, names)
    if ranking is None:
        return None
    gains = {name: gains_over_data(summaries, name, names) for name in HEADLINES}
    figures = [rank_diagram(ranking, "over-data-ranks")]
    if gains["average"]:
        baseline = next(one.baseline for one in summaries if one.baseline) or ""
        figures.insert(0, gain_diagram(gains, baseline, "over-data-gains"))
    return Overview(rank_table(ranking), how_ranked(ranking), gain_table(gains), tuple(figures))


def how_ranked(ranking: Ranking) -> str:
    """Return how to read the table of ranks, and the tests of them."""
    text = (
        "Rank by the average over combinations, 1 is the best, among the systems that were run on "
        "every data set, each with all of its seeds; "
        "ties share their mean rank. Friedman's test that all rank alike: p "
        f"{fmt.probability(ranking.friedman_p)}. Two average ranks differ beyond chance if they "
        f"are more than {ranking.critical_difference:.2f} apart (Nemenyi's test at .05)."
    )
    if ranking.left_out:
        text += f" Left out: {fmt.listed([*ranking.left_out])}."
    return text


def gain_table(gains: Mapping[str, Sequence[Gain]]) -> Table:
    """One row per method: mean gain over data sets, p, and the sets with a gain, by headline."""
    by_label = {key: {gain.label: gain for gain in of} for key, of in gains.items()}
    shown = [key for key, of in by_label.items() if of]
    header = ["System"]
    for key in shown:
        header += [HEADLINE_TITLES[key], f"p, {TITLES[key]}", f"sets, {TITLES[key]}"]
    labels = [gain.label for gain in gains[shown[0]]] if shown else []
    rows = [
        (Cell(label), *(cell for key in shown for cell in _cells(by_label[key].get(label))))
        for label in labels
    ]
    return Table(tuple(header), tuple(rows))


def _cells(gain: Gain | None) -> tuple[Cell, ...]:
    if gain is None:
        return (EMPTY, EMPTY, EMPTY)
    return (pooled_cell(gain), Cell(fmt.probability(gain.holm)), _sets(gain))


def pooled_cell(gain: Gain) -> Cell:
    """Return the mean over data sets with its interval; bold if it is a gain beyond chance."""
    if gain.pooled is None:
        (only,) = gain.by_data.values()
        return gain_cell(only)
    pooled = gain.pooled
    sure = gain.beyond_chance and pooled.mean > 0
    hint = ", ".join(f"{k}: {fmt.points(one.gain.mean)}" for k, one in gain.by_data.items())
    return Cell(fmt.points(pooled.mean), fmt.ends((pooled.low, pooled.high)), sure, hint)


def gain_cell(one: GainOnData | None) -> Cell:
    """Return the gain on one data set with its interval; bold if it is beyond chance."""
    if one is None:
        return EMPTY
    cost = f"to {one.against} at {one.ratio:.2f} times the cost"
    sure = one.beyond_chance and one.gain.mean > 0
    return Cell(fmt.points(one.gain.mean), fmt.ends(interval(one.gain)), sure, cost)


def _sets(gain: Gain) -> Cell:
    beyond = [f"+{len(gain.better_on)}"] if gain.better_on else []
    beyond += [f"{fmt.MINUS}{len(gain.worse_on)}"] if gain.worse_on else []
    hint = f"sign test p {fmt.probability(gain.sign_p)}"
    text = f"{gain.wins} of {len(gain.by_data)}"
    return Cell(text, ", ".join(beyond), hint=hint, value=gain.wins)
