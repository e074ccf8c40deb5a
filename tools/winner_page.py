"""The page of ``dmrnet study winner``, from the rows that ``tools/winner.py`` keeps.

It begins with one figure and the sentences that answer which method to take, and when none pays.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import winner_answers as answers
from winner_regimes import Regime, best_in, gain_by_data_table, regime_of, regimes_by_kind

from dmrnet.report.figures.drawing.figure import Figure
from dmrnet.report.figures.gain_diagram import gain_caption, gain_diagram
from dmrnet.report.figures.rank_diagram import rank_diagram
from dmrnet.report.pages.markdown import escape_markdown, markdown_table
from dmrnet.report.pages.overview import (
    HEADLINES,
    HOW_GAINED,
    gain_table,
    how_ranked,
)
from dmrnet.report.pages.tables.scores import HEADLINE_TITLES, cost_table, main_table, rank_table
from dmrnet.report.pages.tables.table import EMPTY, Cell, Table, best_of, score_cell
from dmrnet.report.records.runs import RunRecord, read_runs, without_settings
from dmrnet.report.records.systems import System, system
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.over_data import Pooled, pool
from dmrnet.report.summary.over_data.gains import Gain, gains_over_data, standard_error
from dmrnet.report.summary.over_data.ranks import Ranking, rank_over_data
from dmrnet.report.summary.row_index import system_of
from dmrnet.report.summary.summary import DataSummary, summarise
from dmrnet.report.summary.system_summary import SystemSummary

NAME = "winner"
CHEAP = "scikit-learn"
"""Recipe in the rows of cheap baselines."""

SHOWN = ("average", "worst", "full")
"""Headlines of tables that name methods."""

GAINS_SHOWN = "Gains of every method at equal training cost: average, worst, all modalities"
RANKS_SHOWN = "Average ranks of every system, with the critical difference"

LATE = "unimodal"
"""Late fusion of networks."""

FEWEST = 3
"""Fewest seeds with which a system is reported on a data set."""

FIRST_PLAN = dict.fromkeys(("spambase", "quadrants", "mfeat", "quadrants-300", "mfeat-300"), 5)
FIRST_PLAN |= dict.fromkeys(("landsat", "pendigits", "digits", "watch"), 3)
"""Seeds of the first plan, where it had fewer than the study has now."""


# ---- what the rows say ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Results:
    """Everything that the page says, from the folder of rows."""

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """The study as `keep` recorded it."""
        record: dict[str, Any] = json.loads((self.folder / f"{NAME}.json").read_text())
        return record

    @cached_property
    def summaries(self) -> dict[str, DataSummary]:
        """Every data set with all lengths of the baseline, by its name in the study."""
        lengths = Counter(
            one["data"] for one in self.record["systems"] if one["method"] == self.baseline
        )
        every = {key: self._summary(key) for key in self.record["data"]}
        return {
            key: of
            for key, of in every.items()
            if of and sum(i.system.method == self.baseline for i in of.systems) == lengths[key]
        }

    @cached_property
    def runs(self) -> dict[str, list[RunRecord]]:
        """The rows of every set of which there are any."""
        found = {}
        for key in self.record["data"]:
            paths = [self.folder / "rows" / f"{key}{end}.jsonl" for end in ("", "-cheap")]
            if paths[0].is_file():
                runs = read_runs([path for path in paths if path.is_file()], "test")
                found[key] = without_settings(runs, self.dropped)
        return found

    def _summary(self, key: str, seeds: int | None = None) -> DataSummary | None:
        """Return the summary of the systems of a set that have enough seeds; None without any.

        Args:
            key: Name of the set in the study.
            seeds: Number of seeds that count, from 0; None for all.
        """
        runs = [_reported(run, key, seeds) for run in self.runs.get(key, [])]
        runs = [run for run in runs if run.rows]
        return summarise(runs, "test", self.baseline, self.names)[0] if runs else None

    @cached_property
    def dropped(self) -> list[str]:
        """Settings that do not distinguish systems: chosen ones, and those of the whole study."""
        shared = [name.replace("-", "_") for name in self.record["shared"]]
        return [*self.record["chosen"], *shared]

    @cached_property
    def names(self) -> dict[System, str]:
        """Names of the cheap baselines, and of systems that have one in the study."""
        names = {System(name, CHEAP, ()): name for name in self.cheap}
        for one in self.record["names"]:
            own = {k: v for k, v in one["settings"].items() if k not in self.dropped}
            names[system(one["method"], one["recipe"], own)] = one["name"]
        return names

    @cached_property
    def cheap(self) -> list[str]:
        """Names of the cheap baselines."""
        found: dict[str, None] = {}
        for path in sorted((self.folder / "rows").glob("*-cheap.jsonl")):
            found |= {json.loads(line)["method"]: None for line in path.read_text().splitlines()}
        return list(found)

    @property
    def baseline(self) -> str:
        """Label of the baseline."""
        return str(self.record["baseline"])

    @cached_property
    def main(self) -> list[DataSummary]:
        """One version of each data set: the first in the study."""
        return [self.summaries[key] for key in self._first_versions]

    @property
    def _first_versions(self) -> list[str]:
        first: dict[str, str] = {}
        for key in self.summaries:
            first.setdefault(self.record["data"][key]["set"], key)
        return list(first.values())

    def gains(
        self, summaries: Iterable[DataSummary], headline: str, *, cheap: bool = False
    ) -> tuple[Gain, ...]:
        """Return the gains at equal cost of every method, or of the cheap baselines."""

        def included(label: str) -> bool:
            return (label in self.cheap) == cheap

        return gains_over_data([*summaries], headline, self.names, included)

    @cached_property
    def ranking(self) -> Ranking | None:
        """Ranks over one version of each data set, with the cheap baselines."""
        return rank_over_data(self.main, self.names)

    @cached_property
    def over_main(self) -> dict[str, tuple[Gain, ...]]:
        """Gains by headline over one version of each data set."""
        return {key: self.gains(self.main, key) for key in HEADLINES}

    @cached_property
    def over_all(self) -> dict[str, tuple[Gain, ...]]:
        """Gains by headline on every set."""
        return {key: self.gains(self.summaries.values(), key) for key in HEADLINES}

    @cached_property
    def choice(self) -> answers.Choice | None:
        """The method to take."""
        return answers.choose(self.over_main)

    @cached_property
    def choice_of_first_plan(self) -> answers.Choice | None:
        """The method to take by the seeds of the first plan alone."""
        fewer = (self._summary(key, FIRST_PLAN.get(key)) for key in self._first_versions)
        summaries = [one for one in fewer if one is not None]
        return answers.choose({key: self.gains(summaries, key) for key in ("average", "worst")})

    @cached_property
    def regimes(self) -> list[Regime]:
        """The measured regime of every set."""
        return [regime_of(key, of, LATE) for key, of in self.summaries.items()]

    def longer(self) -> tuple[str, dict[str, Pooled]] | None:
        """Return the longest training of the baseline, and its gains over the default length."""
        lengths = {i.label for of in self.main for i in of.systems if i.system.method == "sf-md"}
        label = max(lengths - {self.baseline}, key=lambda name: float(name.split("=")[-1]))
        pooled = {}
        for headline in ("average", "worst"):
            known = [
                (gain.mean, error)
                for of in self.main
                for item in of.systems
                if item.label == label and (gain := item.differences.get(headline)) is not None
                if (error := standard_error(gain, of.samples)) is not None
            ]
            one = pool([mean for mean, _ in known], [error for _, error in known])
            if one is not None:
                pooled[headline] = one
        return (label, pooled) if "average" in pooled else None


def _reported(run: RunRecord, dataset: str, most: int | None) -> RunRecord:
    """Return the rows of systems with enough seeds, under another name of the data set."""
    counted = [row for row in run.rows if most is None or row.seed < most]
    seeds: dict[System, set[int]] = {}
    for row in counted:
        seeds.setdefault(system_of(row), set()).add(row.seed)
    known = {one for one, of in seeds.items() if len(of) >= FEWEST}
    rows = (replace(row, dataset=dataset) for row in counted if system_of(row) in known)
    return replace(run, rows=tuple(rows))


# ---- the page ------------------------------------------------------------------------------------


def page(folder: Path) -> str:
    """Return the page of a folder of rows."""
    results = Results(folder)
    parts = ["# What wins: every method against a baseline of equal cost", *_answers(results)]
    parts += [*_regimes(results), *_over_data(results), *_how(results), *_folded(results)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _answers(results: Results) -> Iterator[str]:
    """Yield the figure and the sentences that answer which method to take, and when."""
    choice = results.choice
    if choice is None:
        yield "Fewer than two data sets have enough runs, so there is no answer yet."
        return
    made, planned = (
        sum(o["finished"] for o in results.record["data"].values()),
        results.record["planned"],
    )
    interim = f"Interim, {made:,} of {planned:,} planned runs: " if made < planned else ""
    behind = answers.behind(results.over_main["average"], results.baseline)
    yield interim + answers.which(choice, results.baseline) + behind
    yield f"![{GAINS_SHOWN}](../images/winner-gains.svg)"
    cheap = {
        key: one
        for key, of in results.summaries.items()
        if (one := answers.cheap_next_to(of, choice.label, results.cheap)) is not None
    }
    on_all = {k: g for k, of in results.over_all.items() for g in of if g.label == choice.label}
    sentences = [answers.where(on_all)]
    if "full" in on_all:
        full = choice.gains["full"], on_all["full"]
        sentences.append(answers.with_all(*full, results.baseline))
    sentences.append(answers.when_not(choice.label, cheap))
    longer = results.longer()
    if longer is not None:
        sentences.append(answers.instead(*longer, results.baseline))
    yield "\n".join(f"- {text}" for text in sentences)
    caption = gain_caption(results.over_main["average"], results.baseline)
    yield (
        f"The figure: {caption} Below the line, cheap baselines, next to the baseline of default "
        f"length, which costs more. It counts one version of each data set, {len(results.main)} in "
        "all. The sentences are made from the rows by `tools/winner_page.py`; chance is ruled out "
        "at .05."
    )


def _regimes(results: Results) -> Iterator[str]:
    """Yield the tables by measured regime, and of each set."""
    if not results.summaries:
        return
    yield "## Which one, by regime"
    yield (
        "Methods with the largest mean gain over the sets of a regime (with versions of a set), in "
        f"points over `{results.baseline}` trained as long. Means over few sets: read them with "
        "the tables below. Modalities interact where fusion of all of them gains over late "
        f"fusion (`{LATE}`) at equal cost by more than its interval."
    )
    rows = []
    for kind, datasets in regimes_by_kind(results.regimes).items():
        cells = [Cell(kind), Cell(str(len(datasets)))]
        cells += [_best(results.over_all[key], datasets) for key in SHOWN]
        rows.append(tuple(cells))
    header = ("Regime", "Sets", *(HEADLINE_TITLES[key] for key in SHOWN))
    yield markdown_table(Table(header, tuple(rows)))
    yield "### Set by set"
    yield (
        "All over best: the baseline's score with all modalities minus that of its best single "
        "one. Fused over late: see above. Points, ± one standard error over seeds. Then the "
        "methods with the largest gains, bold where beyond chance after Holm's correction on the "
        "set."
    )
    yield markdown_table(set_table(results))
    if results.cheap and results.choice is not None:
        yield "### Next to cheap baselines"
        yield (
            "Average over combinations in percent; in brackets the worst combination and the CPU "
            f"time of a training; `{results.baseline}` at its default length. Bold: ahead of every "
            "other in the row by more than chance (95% intervals, paired by seed). Cheap baselines "
            "that would take many minutes are left out."
        )
        yield markdown_table(cheap_table(results, results.choice.label))


def _best(gains: Iterable[Gain], datasets: list[str]) -> Cell:
    """Return the two methods with the largest mean gain on some data sets."""
    ranked = best_in([*gains], datasets)[:2]
    if not ranked or ranked[0][1] <= 0:
        return Cell("the baseline")
    first, *second = [f"{label} {fmt.points(gain)}" for label, gain in ranked]
    return Cell(first, f"then {second[0]}" if second else "")


def _best_on(gains: Iterable[Gain], dataset: str) -> Cell:
    """Return the method with the largest gain on a set, bold if it is beyond chance."""
    known = [(g.by_data[dataset], g.label) for g in gains if dataset in g.by_data]
    if not known:
        return EMPTY
    one, label = max(known, key=lambda pair: pair[0].gain.mean)
    if one.gain.mean <= 0:
        return Cell("the baseline")
    return Cell(f"{label} {fmt.points(one.gain.mean)}", best=one.beyond_chance)


def set_table(results: Results) -> Table:
    """Return a row for each set: its regime, and the best methods."""
    rows = []
    for regime in results.regimes:
        summary = results.summaries[regime.dataset]
        counts = {len(i.seeds) for i in summary.systems if i.system.recipe != CHEAP}
        few, most = min(counts), max(counts)
        rows.append(
            (
                Cell(regime.dataset),
                Cell(str(regime.modalities)),
                EMPTY if regime.rows is None else Cell(f"{regime.rows:,}"),
                Cell(str(few) if few == most else f"{few} to {most}"),
                _points(regime.over_single),
                _points(regime.over_late),
                *(_best_on(results.over_all[k], regime.dataset) for k in SHOWN),
            )
        )
    header = ("Set", "Modalities", "Training rows", "Seeds", "All over best", "Fused over late")
    return Table((*header, *(HEADLINE_TITLES[key] for key in SHOWN)), tuple(rows))


def _points(value: Estimate | None) -> Cell:
    if value is None:
        return EMPTY
    error = "" if value.se is None else f" ± {100 * value.se:.1f}"
    return Cell(fmt.points(value.mean, 1) + error)


def cheap_table(results: Results, label: str) -> Table:
    """Return a row for each set: the baseline, a method and the cheap baselines."""
    labels = [results.baseline, label, *results.cheap]
    rows = []
    for key, summary in results.summaries.items():
        items = {item.label: item for item in summary.systems if item.label in labels}
        scores = [
            items[name].headlines.get("average") if name in items else None for name in labels
        ]
        best = best_of(summary, scores)
        cells = [_scored(items.get(name), best) for name in labels]
        rows.append((Cell(key), *cells))
    return Table(("Set", *labels), tuple(rows))


def _scored(item: SystemSummary | None, best: Estimate | None) -> Cell:
    """Return the average of a system, with its worst combination and cost."""
    if item is None:
        return EMPTY
    cell = score_cell(item.headlines.get("average"), best, digits=1)
    worst, cost = item.headlines.get("worst"), item.run_metrics.get("train_cpu_seconds")
    more = [fmt.percent(worst.mean, 1)] if worst else []
    more += [fmt.duration(cost.mean)] if cost else []
    return replace(cell, below=", ".join(more))


def _over_data(results: Results) -> Iterator[str]:
    """Yield gains and ranks over data sets."""
    ranking = results.ranking
    if ranking is None:
        return
    yield "## Over data sets"
    yield f"One version of each data set. {HOW_GAINED}"
    yield markdown_table(gain_table({key: results.over_main[key] for key in SHOWN}))
    yield f"![{RANKS_SHOWN}](../images/winner-ranks.svg)"
    yield escape_markdown(how_ranked(ranking))


def _how(results: Results) -> Iterator[str]:
    """Yield what was run."""
    record = results.record
    yield "## What was run"
    yield f"`{record['command']}`"
    sets = {key: (of["finished"], of["runs"]) for key, of in record["data"].items()}
    unfinished = [f"{key} {done} of {of} runs" for key, (done, of) in sets.items() if done < of]
    lines = [
        "The plan was committed before its first test row; `dmrnet study winner --help` describes "
        "it. Later three forms of `experts` were named before any run of them. Of these the "
        "default, `share` 1, was chosen on the validation rows of the first four sets: their test "
        "rows are of a method chosen next to them.",
        "For their cost, that plan had fewer seeds than ten on some sets, of five sets cut before "
        f"any run: {_seeds_of(5)} five, {_seeds_of(3)} three. After these were seen, sf-md, "
        "experts, unimodal, dmrnet, dmr and dgl were given ten everywhere."
        f"{_by_first_plan(results.choice_of_first_plan)}",
        "Learning rates were chosen on validation with seed "
        f"{', '.join(map(str, record['search']['seeds']))}, three for every system and set alike, "
        "also for every length of the baseline.",
        "Each method is compared with the shortest training of the baseline that cost at least .95 "
        "of its CPU time, measured in the same study; where none did, with the longest.",
        "These six were run in turn: sf-md, experts, unimodal, dmrnet, dmr and dgl. Only the "
        "first five seeds of cancer, libras, segment and quadrants-vectors had the machine to "
        "themselves; all else, the cheap baselines and the seeds added last too, ran next to "
        "other work: CPU times compare only within a set. The other methods were run later and "
        "next to more work (but mutual, separate, simmlm, transformer and head-only in turn with "
        "the first six for three seeds of cancer, ionosphere, libras, segment and "
        "quadrants-vectors): that makes their times longer, and the baseline that they are "
        "compared with, if anything, too long.",
        "Splits are drawn by seed, so the test rows of seeds overlap, and those of validation with "
        "seed 1000 too: intervals over seeds say nothing about other data, only the numbers over "
        "data sets do.",
        "Versions of a set (smaller, or in another form) share its samples, so they do not count "
        "in numbers over data sets.",
    ]
    if unfinished:
        lines.append(f"Not finished: {fmt.listed(unfinished)}.")
        lines.append(f"Systems are left out of sets on which they have fewer than {FEWEST} seeds.")
    yield "\n".join(f"- {line}" for line in lines)


def _seeds_of(number: int) -> str:
    return fmt.listed([key for key, seeds in FIRST_PLAN.items() if seeds == number])


def _by_first_plan(choice: answers.Choice | None) -> str:
    if choice is None:
        return ""
    return f" By the first seeds alone, `{choice.label}` gains {answers.gains_of(choice)}."


def _folded(results: Results) -> Iterator[str]:
    """Yield the tables behind it all, folded."""
    yield "## Tables"
    for key, gains in results.over_all.items():
        if gains:
            title = f"{HEADLINE_TITLES[key]}: gain at equal cost on every set, points"
            yield _fold(title, markdown_table(gain_by_data_table(gains)))
    if results.ranking is not None:
        yield _fold("Ranks on every set", markdown_table(rank_table(results.ranking)))
    for key, summary in results.summaries.items():
        title = f"{key}: scores on {summary.samples} test samples, percent, and cost"
        yield _fold(title, markdown_table(main_table(summary)), markdown_table(cost_table(summary)))
    yield _fold("Learning rates chosen on validation", markdown_table(rate_table(results.record)))


def rate_table(record: Mapping[str, Any]) -> Table:
    """Return a row for each system and a column for each set: the chosen learning rate."""
    best: dict[str, tuple[float, str]] = {}
    for trial in record["search"]["trials"]:
        score = -1.0 if trial["score"] is None else trial["score"]
        if score > best.get(trial["label"], (-1.0, ""))[0]:
            best[trial["label"]] = score, " ".join(trial["settings"].values())
    # A label starts with the set, and ends with the recipe and values.
    chosen: dict[str, dict[str, str]] = {}
    for label, (_, rate) in best.items():
        data, _, system = label.partition(" ")
        chosen.setdefault(system.replace(" (best)", ""), {})[data] = rate
    sets = [*record["data"]]
    rows = [
        (Cell(system), *(Cell(rates[key]) if key in rates else EMPTY for key in sets))
        for system, rates in chosen.items()
    ]
    return Table(("System", *sets), tuple(rows))


def _fold(title: str, *parts: str) -> str:
    """Return parts of a page that open on a click."""
    inside = "\n\n".join(part.strip() for part in parts)
    return f"<details><summary>{escape(title)}</summary>\n\n{inside}\n\n</details>"


def figures(folder: Path) -> list[Figure]:
    """Return the figures of the page of a folder of rows; none if it has no answer yet."""
    results = Results(folder)
    if results.choice is None or results.ranking is None:
        return []
    cheap = {key: results.gains(results.main, key, cheap=True) for key in HEADLINES}
    return [
        gain_diagram(results.over_main, results.baseline, f"{NAME}-gains", cheap),
        rank_diagram(results.ranking, f"{NAME}-ranks"),
    ]
