"""The report as one self-contained HTML page, and the same as Markdown."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from dmrnet.report.figures.figures import Figure
from dmrnet.report.pages.analysis_blocks import Block
from dmrnet.report.pages.tables import (
    MEASURED,
    SEEN,
    UNSEEN,
    Table,
    combination_table,
    cost_table,
    difference_table,
    escape_markdown,
    hardness_table,
    main_table,
    markdown,
    rank_table,
)
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.bootstrap import FEW_SOURCES, Resampled
from dmrnet.report.summary.notes import notes_on
from dmrnet.report.summary.ranks import Ranking
from dmrnet.report.summary.summary import DataSummary


@dataclass(frozen=True, slots=True)
class Group:
    """Combinations of one size.

    Attributes:
        title: Such as ``2 modalities seen``.
        names: The combinations.
        table: Their scores.
    """

    title: str
    names: tuple[str, ...]
    table: Table


@dataclass(frozen=True, slots=True)
class Section:
    """Everything that the page says of one data set and score.

    Attributes:
        anchor: Its place in the page.
        title: Name of the data set, with the score where there are several.
        lead: The result in a sentence or two.
        facts: What was run, as ``(name, text)`` pairs.
        notes: What a reader must know before believing the numbers.
        main: The main table.
        differences: Differences to the baseline and to the baseline at equal cost; None without.
        compared: How to read the differences.
        groups: Every combination, by size.
        hardness: What was mined; None without mining.
        mined: What the analysis of hard sets says; None without. It stands with `hardness`, where
            there is that.
        chance: Agreement in percent that a random hard set would have.
        cost: What it took; None where unknown.
        figures: The figures.
        commands: How to repeat it, one command a line.
        summary: The numbers themselves.
        analyses: What the runs were analysed for.
    """

    anchor: str
    title: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    main: Table
    differences: Table | None
    compared: str
    groups: tuple[Group, ...]
    hardness: Table | None
    chance: str
    cost: Table | None
    figures: tuple[Figure, ...]
    commands: tuple[str, ...]
    summary: DataSummary
    analyses: tuple[Block, ...] = ()
    mined: Block | None = None

    @property
    def drawn(self) -> tuple[Figure, ...]:
        """Every figure, those of analyses last."""
        return self.figures + tuple(figure for block in self.analyses for figure in block.figures)

    def analysed(self, blocks: Sequence[Block]) -> Section:
        """Return the section with analyses: that of hard sets with what was mined, if it was."""
        mined = next((b for b in blocks if b.kind == "hard-set"), None) if self.hardness else None
        others = tuple(block for block in blocks if block is not mined)
        hardness = hardness_table(self.summary, measured=False) if mined else self.hardness
        return replace(self, analyses=others, mined=mined, hardness=hardness)


def make_section(
    summary: DataSummary,
    figures: Sequence[Figure],
    anchor: str,
    resampled: Resampled | None,
    *,
    with_score: bool,
) -> Section:
    """Gather what the page says of a summary."""
    hardness, cost = hardness_table(summary), cost_table(summary)
    differences = difference_table(summary, resampled)
    score = f", {summary.score.label}" if with_score else ""
    return Section(
        anchor=anchor,
        title=summary.dataset + score,
        lead=_lead(summary),
        facts=tuple(_facts(summary)),
        notes=tuple(notes_on(summary)),
        main=main_table(summary),
        differences=differences if differences.rows else None,
        compared=COMPARED + _lengths(summary) + (f" {_drawn(resampled)}" if resampled else ""),
        groups=tuple(_groups(summary)),
        hardness=hardness if hardness.rows else None,
        chance=fmt.percent(len(summary.modalities) / max(1, len(summary.combinations)), 0),
        cost=cost if cost.rows else None,
        figures=tuple(figures),
        commands=tuple(_commands(summary)),
        summary=summary,
    )


def render_html(sections: Sequence[Section], ranking: Ranking | None) -> str:
    """Write the page: one script of our own, no outside request, every name escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["breakable"] = _breakable
    environment.filters["interval"] = _interval
    folder = files("dmrnet.report.pages")
    template = environment.from_string(folder.joinpath("page.html.j2").read_text("utf-8"))
    # Our own style sheet, script and figures are the only text that is not escaped.
    style = Markup(folder.joinpath("page.css").read_text("utf-8"))
    script = folder.joinpath("page.js").read_text("utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    drawn = {figure.name: Markup(figure.svg) for section in sections for figure in section.drawn}
    return template.render(
        sections=sections,
        ranks=rank_table(ranking) if ranking else None,
        ranked=RANKED,
        left_out=fmt.listed([*ranking.left_out]) if ranking else "",
        style=style,
        script=Markup(script),
        # The browser runs this script and no other, whatever a name may hold.
        script_hash=Markup(base64.b64encode(digest).decode()),
        labels=list(
            dict.fromkeys(item.label for section in sections for item in section.summary.systems)
        ),
        datasets=list(dict.fromkeys(section.summary.dataset for section in sections)),
        scores=list(dict.fromkeys(section.summary.score.label for section in sections)),
        drawn=drawn,
        seen=SEEN,
        unseen=UNSEEN,
    )


def render_markdown(
    sections: Sequence[Section], figure_folder: str, ranking: Ranking | None
) -> str:
    """Write the same as Markdown, with every combination and links to the figures' files."""
    parts = ["# Missing-modality report\n"]
    if ranking:
        parts += ["## Over all data sets\n", markdown(rank_table(ranking)), f"{RANKED}\n"]
    for section in sections:
        parts += [f"## {escape_markdown(section.title)}\n", f"{escape_markdown(section.lead)}\n"]
        parts.append("\n".join(f"- {k}: {escape_markdown(v)}" for k, v in section.facts) + "\n")
        if section.notes:
            parts.append("\n".join(f"> {escape_markdown(note)}\\" for note in section.notes)[:-1])
            parts.append("")
        parts += [markdown(section.main), f"{_READING}\n"]
        if section.differences:
            parts += ["### Differences\n", markdown(section.differences), f"{section.compared}\n"]
        parts += _figures_in_markdown(section.figures, figure_folder)
        if section.hardness:
            parts += ["### Hard combinations\n", markdown(section.hardness)]
        if section.mined:
            parts += [markdown(section.mined.table), f"{escape_markdown(section.mined.reading)}\n"]
        for block in section.analyses:
            parts += [f"### {escape_markdown(block.title)}\n", markdown(block.table)]
            parts += [f"{escape_markdown(block.reading)}\n"]
            parts += _figures_in_markdown(block.figures, figure_folder)
        parts += ["### Every combination\n", f"{SEEN} seen, {UNSEEN} missing.\n"]
        everything = [name for group in section.groups for name in group.names]
        parts.append(markdown(combination_table(section.summary, everything)))
        if section.cost:
            parts += ["### Cost\n", markdown(section.cost)]
        parts += ["### How to repeat\n", "```sh", *section.commands, "```\n"]
    return "\n".join(parts)


def _figures_in_markdown(figures: Sequence[Figure], folder: str) -> list[str]:
    parts = []
    for figure in figures:
        parts.append(f"![{escape_markdown(figure.title)}]({folder}/{figure.name}.svg)\n")
        parts.append(f"*{escape_markdown(figure.caption)}*\n")
    return parts


_READING = (
    "Percent; mean ± standard error over seeds; in brackets the difference to the baseline in "
    "percentage points, paired by seed, and its 95% interval. Bold is the best mean of its column."
)

COMPARED = (
    "Percentage points, paired by seed. The interval is of Student's t over the seeds; p is of the "
    "paired t test of the average, then corrected by Holm's steps for the number of systems. A "
    "second line sets a system against the baseline trained about as long, where one was run."
)


def _lengths(summary: DataSummary) -> str:
    """Say what is compared where a baseline was trained as long as a system."""
    known = dict.fromkeys(MEASURED[i.equal.cost_metric] for i in summary.systems if i.equal)
    return f" How long is by {fmt.listed([*known])}." if known else ""


def _drawn(resampled: Resampled) -> str:
    """Say what was drawn, and how much of it there was."""
    counted = [
        f"{count:,} {'samples' if kind == 'sample' else f'sources of {kind}'}"
        for kind, count in resampled.units.items()
    ]
    fewest = min(resampled.units.values())
    few = (
        f" With {fewest} to draw from it is narrower than it should be."
        if fewest < FEW_SOURCES
        else ""
    )
    left = f" Without kept predictions: {fmt.listed([*resampled.left_out])}."
    return (
        f"The interval over test samples is of {resampled.draws:,} draws of the "
        f"{fmt.listed(counted)}, the seeds kept; samples of one source are drawn together."
        + few
        + (left if resampled.left_out else "")
    )


RANKED = (
    "Place by the average over combinations, 1 the best, of the systems that were run on every "
    "data set; equals share the mean of their places."
)


def _interval(text: str) -> Markup:
    """Let a narrow page put an interval on a line of its own."""
    before, bracket, after = text.partition(" [")
    return escape(before) + (Markup(" <span>[{}</span>").format(after) if bracket else "")


def _breakable(text: str) -> Markup:
    """Let a long label break after an equals sign; Markup's join escapes what it joins."""
    return Markup("=<wbr>").join(text.split("="))


def _lead(summary: DataSummary) -> str:
    averaged = [item for item in summary.systems if "average" in item.headlines]
    # What others printed leads only where nothing was run.
    ranked = [item for item in averaged if not item.system.source] or averaged
    if not ranked:
        return "No combination has a value in every run, so there is nothing to average."
    best = min(ranked, key=lambda item: summary.score.error(item.headlines["average"].mean))
    value = fmt.estimate(best.headlines["average"])
    over = f" over {len(summary.compared)} combinations" if summary.compared else ""
    which = "Lowest" if summary.score.lower_is_better else "Highest"
    if len(ranked) == 1:
        sentence = f"{best.label} averages {value}%{over}"
    else:
        sentence = f"{which} average{over}: {best.label}, {value}%"
    gain = best.differences.get("average")
    if gain:
        seeds = "one seed" if len(gain.seeds) == 1 else f"{len(gain.seeds)} seeds"
        sentence += (
            f", {fmt.difference(gain)} points against {summary.baseline} (paired over {seeds})"
        )
    elif best.label == summary.baseline:
        sentence += ", the baseline"
    if best.worst:
        worst = fmt.percent(best.scores[best.worst].mean)
        alone = " alone" if len(members(best.worst)) == 1 else ""
        sentence += f". Its worst combination is {best.worst}{alone}, {worst}%"
    return sentence + "."


def _facts(summary: DataSummary) -> list[tuple[str, str]]:
    seeds = sorted({seed for item in summary.systems for seed in item.seeds})
    commits = list(dict.fromkeys(run.commit[:12] for run in summary.runs if run.commit))
    recipes = dict.fromkeys(i.system.recipe for i in summary.systems if i.system.recipe)
    split = "test" if summary.split == "test" else "validation, not test"
    facts = [
        ("Data", f"{summary.dataset}, {_samples(summary)} ({split}){_grain(summary)}"),
        ("Modalities", ", ".join(summary.modalities)),
        (
            "Combinations",
            f"{len(summary.combinations)} of {2 ** len(summary.modalities) - 1}",
        ),
        ("Score", summary.score.explained),
        ("Seeds", ", ".join(map(str, seeds)) or "none: as printed"),
    ]
    if recipes:
        facts.append(("Recipe", ", ".join(recipes)))
    if summary.shared:
        facts.append(("Settings of all systems", ", ".join(summary.shared)))
    if summary.ignored:
        facts.append(("Also in the rows, not shown", ", ".join(summary.ignored)))
    if commits:
        facts.append(("Commit of the code", ", ".join(commits)))
    return facts


def _samples(summary: DataSummary) -> str:
    if not summary.samples:
        return "samples not told"
    if summary.fewest == summary.samples:
        return f"{summary.samples:,} {'sample' if summary.samples == 1 else 'samples'}"
    return (
        f"{summary.fewest:,} to {summary.samples:,} samples a combination, those that have all its "
        "modalities"
    )


def _grain(summary: DataSummary) -> str:
    if summary.score.name != "accuracy" or not summary.fewest:
        return ""
    if summary.fewest != summary.samples:
        least, most = fmt.percent(1 / summary.samples), fmt.percent(1 / summary.fewest)
        return f"; one sample is {least} to {most} points"
    return f"; one sample is {fmt.percent(1 / summary.samples)} points"


def _groups(summary: DataSummary) -> list[Group]:
    by_size: dict[int, list[str]] = {}
    for name in summary.combinations:
        by_size.setdefault(len(members(name)), []).append(name)
    return [
        Group(
            f"{size} {'modality' if size == 1 else 'modalities'} seen"
            f" ({len(names)} {'combination' if len(names) == 1 else 'combinations'})",
            tuple(names),
            combination_table(summary, names),
        )
        for size, names in by_size.items()
    ]


def _commands(summary: DataSummary) -> list[str]:
    folders = list(dict.fromkeys(str(run.path) for run in summary.runs))
    lines = []
    for run in summary.runs:
        if run.repeatable:
            config = shlex.quote(str(run.path / "config.yaml"))
            again = shlex.quote(f"{run.path}-again")
            lines.append(f"dmrnet fit --config {config} --out {again}")
            if summary.split == "test":
                lines.append(f"dmrnet evaluate {again}")
    return [*lines, f"dmrnet report {' '.join(map(shlex.quote, folders))} --out report"]
