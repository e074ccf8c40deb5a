"""Analyses on the page: tables, figures and captions."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats
from tests.report.analysed import NAMES, analyse, summary_of, two_systems

from dmrnet.report import build_report
from dmrnet.report.figures.angles import mean_by_kind
from dmrnet.report.figures.channel_distance import MOST_PAIRS, distance_figure
from dmrnet.report.figures.drawing.figure import INK, standalone
from dmrnet.report.figures.variance_by_epoch import variance_by_epoch
from dmrnet.report.pages.tables.analyses import analysis_blocks
from dmrnet.report.summary.analyses import read_analyses

pytestmark = pytest.mark.usefixtures("no_png")

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def runs(make_run):
    return two_systems(make_run)


@pytest.fixture(scope="module")
def report(no_png, write, tmp_path_factory):
    """Return the report of the two systems; not to be changed."""
    root = tmp_path_factory.mktemp("analysed")
    made = two_systems(lambda *args, **kwargs: write(root / "runs", *args, **kwargs))
    return made, build_report(made, root / "report")


@pytest.fixture(scope="module")
def blocks(report):
    return blocks_of(report[0])


def blocks_of(runs, split="test"):
    return {b.title: b for b in analysis_blocks(summary_of(runs, split), "made")}


def cells(table, *first):
    """Return the cells of the line whose names are these."""
    (row,) = [r for r in table.rows if tuple(c.text for c in r[: len(first)]) == first]
    return row[len(first) :]


def words(figure):
    tree = ElementTree.fromstring(figure.svg)
    return ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]


def test_tables_hold_means_and_what_they_are_compared_to(blocks):
    distances = blocks["Diversity of channels (Fig. 1)"].table
    assert distances.header == ("Channels", "Form", "sf-md", "dmr")
    base, ours = cells(distances, "within a", "cosine")
    assert (base.text, base.below) == ("0.4050 ± 0.0050", "")
    assert (ours.text, ours.below) == ("0.5050 ± 0.0050", f"{0.505 / 0.405:.3f} : 1")
    assert ours.hint == "seed 0: 0.5000, seed 1: 0.5100"
    assert len(distances.rows) == 2 * 6
    angles = blocks["Do combinations of a class point apart?"].table
    base, ours = cells(angles, "Excess", "mean")
    assert (base.text, ours.text, ours.below) == ("11.5 ± 0.5", "12.5 ± 0.5", "+1.0 [in all seeds]")
    variance = blocks["Variance of combinations (Fig. 3, the σ² row of Table 6)"].table
    assert next(c.text for c in cells(variance, "dmr")) == "1.750 ± 0.500"
    hard = blocks["Do mined combinations turn out hard?"].table
    assert [c.text for c in cells(hard, "dmr")] == ["-", "67%", "67%", "-", "0.90"]
    assert cells(hard, "dmr")[1].below == "chance 43%"


def test_figures_have_a_panel_a_pair_and_the_page_s_colour(blocks):
    cosine, printed = blocks["Diversity of channels (Fig. 1)"].figures
    shown = words(cosine)
    for title in ("within a", "within c", "a to b", "b to c", "sf-md", "dmr"):
        assert title in shown
    assert "follows the number of channels" in printed.caption
    assert "follows the number" not in cosine.caption
    angles, pairs = blocks["Do combinations of a class point apart?"].figures
    assert {"one combination", "two combinations, no modality in common"} <= set(words(pairs))
    assert {"one combination", "two combinations", "two classes", "dmr"} <= set(words(angles))
    (course,) = blocks["Variance of combinations (Fig. 3, the σ² row of Table 6)"].figures
    assert {"a", "b", "a+b+c", "epoch"} <= set(words(course))
    assert "averaged over 2 seeds" in course.caption
    for figure in (cosine, printed, angles, pairs, course):
        assert INK not in figure.svg
        assert "currentColor" in figure.svg
        assert len(figure.svg) < 150_000


@pytest.mark.parametrize("suffix", ["", "_centred"])
def test_angles_by_kind_are_those_of_a_slow_count(runs, suffix):
    (angles,) = (a for a in read_analyses(summary_of(runs)) if a.kind == "angles")
    found = mean_by_kind(angles, "dmr", suffix)
    for seed, arrays in angles.arrays["dmr"].items():
        names, table = list(arrays["combinations"]), arrays[f"between{suffix}"]
        seen = {"one": [], "nested": [], "shared": [], "apart": []}
        for c in range(len(table)):
            for i, a in enumerate(names):
                for j, b in enumerate(names[i:], start=i):
                    first, second = set(a.split("+")), set(b.split("+"))
                    if first == second:
                        kind = "one"
                    elif first < second or second < first:
                        kind = "nested"
                    elif first.isdisjoint(second):
                        kind = "apart"
                    else:
                        kind = "shared"
                    if not math.isnan(table[c, i, j]):
                        seen[kind].append(table[c, i, j])
        for kind, values in seen.items():
            assert found[kind].by_seed[seed] == pytest.approx(sum(values) / len(values))


def test_the_table_of_angles_has_a_line_a_kind_with_its_interval(runs, blocks):
    (angles,) = (a for a in read_analyses(summary_of(runs)) if a.kind == "angles")
    table = blocks["Do combinations of a class point apart?"].table
    base, ours = cells(table, "… no modality in common", "mean")
    ends = [mean_by_kind(angles, name, "_centred")["apart"].values for name in ("sf-md", "dmr")]
    assert base.text == f"{np.mean(ends[0]):.1f} ± {stats.sem(ends[0]):.1f}"
    assert ours.below.startswith("+1.0 [")


@pytest.mark.usefixtures("no_pictures")
def test_more_systems_than_colours_are_said(make_run):
    made = [make_run("sf-md", modalities=NAMES)]
    analyse(made[0], "sf-md", 0)
    for k in range(9):
        made.append(make_run("dmr", settings={"lr": k + 1}, name=f"r{k}", modalities=NAMES))
        analyse(made[-1], "dmr", 0)
    found = blocks_of(made)
    for title in ("Diversity of channels (Fig. 1)", "Do combinations of a class point apart?"):
        for figure in found[title].figures:
            assert "2 more are only in the table" in figure.caption


def test_what_was_mined_is_said_once(report):
    _, made = report
    page = made.page.read_text()
    assert "Do mined combinations turn out hard?</h3>" not in page
    start = page.index("<h3>Hard combinations</h3>")
    part = page[start : page.index("<h3>", start + 1)]
    # The names of the sets, then the measured agreement, each once.
    assert part.count(">ρ(variance, error)<") == 1
    assert "Mined as hard" in part
    assert "Agreement (validation)" not in part


def test_the_report_shows_them(report, blocks):
    _, made = report
    page, text = made.page.read_text(), made.markdown.read_text()
    for title in ("Diversity of channels", "point apart", "Fig. 3"):
        assert title in page
        assert title in text
    assert "on up to 30 validation samples" in page
    drawn = [p for p in made.figures if "-analysis-" in p.name and p.suffix == ".svg"]
    assert len(drawn) == 5
    assert all(f"figures/{path.name}" in text for path in drawn)
    # Drawn once more they are the same.
    again = {figure.name: figure.svg for block in blocks.values() for figure in block.figures}
    for path in drawn:
        name = path.stem.replace("mfeat-accuracy", "made")
        # But for ids, which begin with a hash of the name.
        first, second = (
            re.sub("f[0-9a-f]{8}-", "", svg) for svg in (path.read_text(), standalone(again[name]))
        )
        assert first == second


def test_the_combination_it_is_taken_at_is_said(make_run):
    run = make_run("sf-md", modalities=NAMES)
    analyse(run, "sf-md", 0)
    lines = (run / "analyses.jsonl").read_text().splitlines(keepends=True)
    kept = [x.replace('"angles"', '"angles@a+b"') for x in lines if '"angles"' in x]
    (run / "analyses.jsonl").write_text("".join(kept))
    assert list(blocks_of([run])) == ["Do combinations of a class point apart?, at a+b"]


def test_without_histograms_there_is_the_table_alone(make_run):
    run = make_run("sf-md", modalities=NAMES)
    analyse(run, "sf-md", 0)
    (run / "analyses.npz").unlink()
    lines = (run / "analyses.jsonl").read_text().splitlines(keepends=True)
    (run / "analyses.jsonl").write_text("".join(x for x in lines if "channel-distance" in x))
    block = blocks_of([run])["Diversity of channels (Fig. 1)"]
    assert block.table.rows
    assert block.figures == ()


def test_without_analyses_the_page_has_none(make_run):
    assert analysis_blocks(summary_of([make_run(modalities=NAMES)]), "made") == ()


def test_many_pairs_are_drawn_in_part_and_names_are_shown_as_they_are(make_run):
    names = ("a/b", "$x$", "<i>", "d")
    run = make_run("sf-md", modalities=names)
    analyse(run, "sf-md", 0, names=names)
    summary = summary_of([run])
    (distance, *_) = read_analyses(summary)
    figure = distance_figure(summary, distance, "cosine", "made")
    assert f"{4 + 6 - MOST_PAIRS} more pairs are in the table" in figure.caption
    assert {"within a/b", "within $x$", "within <i>", "a/b to $x$"} <= set(words(figure))


def test_six_modalities_name_what_matters_in_the_course(make_run):
    run = make_run("dmr", mined="variance")
    analyse(
        run, "dmr", 0, names=tuple("fkp"), modalities=("fou", "fac", "kar", "pix", "zer", "mor")
    )
    summary = summary_of([run])
    figure = variance_by_epoch(summary, summary.systems[0], "made")
    assert re.search(r"\d+ of 63 combinations are named", figure.caption)
    assert len(words(figure)) < 40
