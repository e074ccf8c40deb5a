"""Figures are small, repeatable, readable on light and dark pages, and name what they omit."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from tests.report.conftest import write_lines

from dmrnet.report.figures.by_variance import variance_figures
from dmrnet.report.figures.drawing.axes import MOST_COLUMNS
from dmrnet.report.figures.drawing.figure import INK, standalone
from dmrnet.report.figures.drawing.systems import COLOURS, MOST_SYSTEMS, legend_entries, marks
from dmrnet.report.figures.scores import score_figures
from dmrnet.report.pages.tables.scores import hardness_table
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"


def drawn(summary):
    return score_figures(summary, "made") + variance_figures(summary, "made-variance")


def figures_of(runs, baseline="sf-md"):
    (summary,) = summarise(read_runs(runs, "test"), "test", baseline)
    return drawn(summary)


@pytest.fixture
def without_png(monkeypatch):
    monkeypatch.setattr("dmrnet.report.figures.drawing.figure.to_png", lambda *_: b"")


@pytest.fixture(scope="module")
def four_drawn(four_systems):
    return figures_of(four_systems)


def words(figure):
    tree = ElementTree.fromstring(figure.svg)
    return ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]


def test_what_is_drawn_for_six_modalities(four_drawn):
    figures = four_drawn
    assert [figure.name for figure in figures] == [
        "made-number", "made-combinations", "made-variance-1", "made-variance-2",
    ]  # fmt: skip
    assert all(len(figure.svg) < 250_000 for figure in figures)
    assert all(figure.png.startswith(b"\x89PNG") for figure in figures)
    for name in ("sf-md", "dmrnet", "fou", "mor", "3 seen"):
        assert name in words(figures[1])
    assert "high variance went with easy combinations" in figures[2].caption


@pytest.mark.slow
def test_figures_are_repeatable(make_run):
    runs = [
        make_run("sf-md", modalities=("a", "b", "c")),
        make_run("dmr", modalities=("a", "b", "c")),
    ]
    first, second = figures_of(runs), figures_of(runs)
    assert first == second
    assert not re.search(r"20\d\d-\d\d-\d\d", first[0].svg)


def test_colours_are_those_of_the_page(four_drawn):
    prefixes = set()
    for figure in four_drawn:
        assert INK not in figure.svg
        assert "currentColor" in figure.svg
        assert "#000000" not in figure.svg
        assert "#ffffff" not in figure.svg
        # Style elements and ids would affect the whole page.
        tree = ElementTree.fromstring(figure.svg)
        assert not list(tree.iter(f"{SVG}style"))
        ids = [e.get("id") for e in tree.iter() if e.get("id")]
        assert len(ids) == len(set(ids))
        # Several figures share a page.
        (prefix,) = {name.partition("-")[0] for name in ids}
        assert prefix not in prefixes
        prefixes.add(prefix)
        links = {e.get(LINK) for e in tree.iter() if e.get(LINK)}
        assert links <= {f"#{name}" for name in ids}
        clips = set(re.findall(r"url\(#([^)]+)\)", figure.svg))
        assert clips <= set(ids)


def test_a_file_has_a_colour_of_its_own(four_drawn):
    text = standalone(four_drawn[0].svg)
    tree = ElementTree.fromstring(text.encode())
    assert "prefers-color-scheme" in next(tree.iter(f"{SVG}style")).text


def test_two_modalities_have_no_figure_by_number(make_run, without_png):
    figures = figures_of([make_run(modalities=("a", "b"), mined=None)])
    assert [figure.name for figure in figures] == ["made-combinations"]
    assert not figures[0].wide


@pytest.mark.slow
def test_ten_modalities_are_drawn_in_part(make_run):
    names = tuple("abcdefghij")
    figures = figures_of([make_run("dmr", s, modalities=names) for s in range(2)])
    number, combinations, variance = figures
    assert re.search(r"Shown are \d+ of 1023 combinations", combinations.caption)
    drawn = int(re.search(r"Shown are (\d+)", combinations.caption)[1])
    assert drawn <= MOST_COLUMNS
    assert re.search(r"Shown are \d+ of 1023 combinations", variance.caption)
    assert all(len(figure.svg) < 300_000 for figure in figures)
    assert "10" in words(number)


@pytest.mark.slow
def test_many_systems_are_drawn_in_part(make_run, without_png):
    # method-0 is the baseline; the last ones have the best scores.
    runs = [make_run(f"method-{i}", gain=i / 4, modalities=("a", "b", "c")) for i in range(12)]
    figures = figures_of(runs, "method-0")
    sentence = (
        f"Shown are method-0 and the {MOST_SYSTEMS - 1} systems with the best average; 4 more"
    )
    assert sentence in figures[1].caption
    drawn = {word for word in words(figures[1]) if word.startswith("method-")}
    assert drawn == {"method-0", *(f"method-{i}" for i in range(5, 12))}
    (summary,) = summarise(read_runs(runs, "test"), "test", "none")
    _, combinations, *_ = score_figures(summary, "made")
    drawn = {word for word in words(combinations) if word.startswith("method-")}
    assert drawn == {f"method-{i}" for i in range(4, 12)}
    assert len(figures) == 2 + 4
    assert "8 more systems are in the table above" in figures[-1].caption


def test_names_are_shown_as_they_are(make_run, without_png):
    names = ["<script>alert(1)</script>", "$x^2$ & _y", 'a" onload="b', "_a", "漢字", INK]
    runs = [
        make_run(name, name=f"r{i}", modalities=("a", "_$b$"), dataset="d")
        for i, name in enumerate(names)
    ]
    (figure, *_) = figures_of(runs)
    assert {*names, "_$b$"} <= set(words(figure))


def test_nothing_to_draw(make_run):
    run = make_run(modalities=("a", "b", "c"))
    text = (run / "results.jsonl").read_text()
    (run / "results.jsonl").write_text(re.sub(r'"value": [\d.]+', '"value": null', text))
    (summary,) = summarise(read_runs([run], "test"), "test", "sf-md")
    assert drawn(summary) == []


@pytest.mark.parametrize("shared", [0, 2])
def test_combinations_that_training_never_saw(make_run, shared):
    # Of many modalities a random part is scored, and training sees another.
    unscored = ("a+c", "b+c", "a+b+c")
    run = make_run("dmrnet", modalities=("a", "b", "c"), without=unscored)
    lines = [json.loads(line) for line in (run / "variance.jsonl").read_text().splitlines()]
    seen = [*unscored, "a", "b"][: 3 + shared]
    lines = [one | {"hard": True} for one in lines if one["combination"] in seen]
    write_lines(run / "variance.jsonl", lines)
    (summary,) = summarise(read_runs([run], "test"), "test", "sf-md")
    drawn = variance_figures(summary, "made")
    assert len(drawn) == (1 if shared else 0)
    assert all("Training saw 2 of the 4 combinations scored" in one.caption for one in drawn)
    overlap = hardness_table(summary).rows[0][3]
    if shared:
        # Random 2 of 4 share 2 * 3 / 4 with the worst 3.
        assert overlap.below.startswith("chance 1.5;")
        assert overlap.below.endswith("; 3 mined were not scored")
    else:
        assert (overlap.text, overlap.below) == ("-", "none of 3 mined was scored")


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("page", ["#ffffff", "#14181c"])
def test_colours_stand_out_on_light_and_dark(colour, page):
    # WCAG 1.4.11: 3 to 1 for what is needed to understand a figure.
    light, dark = sorted([luminance(colour), luminance(page)], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_marks_differ_without_colour():
    shown = marks([str(i) for i in range(MOST_SYSTEMS)], with_baseline=True)
    assert len({mark.shape for mark in shown}) == len({mark.colour for mark in shown}) == 8
    assert shown[0].colour == COLOURS[0]
    assert marks(["dmr"], with_baseline=False)[0].colour != COLOURS[0]


def test_a_long_legend_has_several_lines():
    shown = marks(["a" * 30, "b" * 30, "c" * 30], with_baseline=True)
    assert [(line, x > 0) for _, x, line in legend_entries(shown, 400)] == [
        (1, False),
        (1, True),
        (0, False),
    ]
