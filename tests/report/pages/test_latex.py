"""LaTeX tables: complete rows, every number once, names as they are."""

from __future__ import annotations

import re

import pytest

from dmrnet.report.pages.latex import escape, fitting, latex
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise

NAMES = ("rgb", "depth", "ir")


@pytest.fixture
def tables(make_run):
    def of(*runs, baseline="sf-md"):
        made = [make_run(*args, **{"modalities": NAMES, **kwargs}) for args, kwargs in runs]
        summaries = summarise(read_runs(made, "test"), "test", baseline)
        return summaries[0], latex(summaries)

    return of


def environments(text, name="tabular"):
    """Split every table into its form and its rows of cells."""
    found = []
    for form, body in re.findall(
        rf"\\begin{{{name}}}{{(\w+)}}\n(.*?)\\end{{{name}}}", text, flags=re.DOTALL
    ):
        lines = [line for line in body.splitlines() if line.endswith(r"\\") and "&" in line]
        found.append((form, [re.split(r"(?<!\\) & ", line[:-3]) for line in lines]))
    return found


def well_formed(text):
    """Every row is as long as its form says, and every brace and environment closes."""
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", text) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    for form, rows in environments(text) + environments(text, "longtable"):
        for cells in rows:
            spanned = re.match(r"\\multicolumn{(\d+)}", cells[0])
            assert len(cells) - 1 + int(spanned[1] if spanned else 1) == len(form)


def test_has_the_form_of_the_paper(tables):
    summary, text = tables(*(((m, s), {}) for m in ("sf-md", "dmr") for s in range(3)))
    well_formed(text)
    assert "over 3 seeds" in text
    _, (form, rows) = environments(text)
    assert form == "cccrr"
    assert rows[0] == ["rgb", "depth", "ir", "sf-md", "dmr"]
    marks = {tuple(row[:3]) for row in rows[1:8]}
    assert len(marks) == 7
    assert rows[1][:3] == [r"$\bullet$", r"$\circ$", r"$\circ$"]
    for row, name in zip(rows[1:8], summary.combinations, strict=True):
        for cell, item in zip(row[3:], summary.systems, strict=True):
            value = item.scores[name]
            assert f"{100 * value.mean:.1f}" in cell
            assert cell.endswith(rf"{{\scriptsize$\pm${100 * value.se:.1f}}}")
    assert "Average" in rows[8][0]
    assert "Worst" in rows[9][0]
    best = max(summary.systems, key=lambda item: item.headlines["average"].mean)
    column = 1 + summary.systems.index(best)
    assert f"{100 * best.headlines['average'].mean:.1f}" in rows[8][column]


def test_headlines_and_differences(tables):
    _, text = tables(
        *(((m, s), {"metric": "acer", "gain": g}) for m, g in (("sf-md", 0), ("dmr", 0.5))
          for s in range(3))
    )  # fmt: skip
    (form, rows), _ = environments(text)
    assert form == "lrrrrr"
    assert rows[1][-1] == "--"
    assert rows[2][-1].startswith("$-$")
    assert r"ACER ($\downarrow$) in percent" in text
    # Lower is best.
    assert rows[2][1].startswith(r"\textbf{")


def test_names_are_shown_as_they_are(tables):
    name = r"50%_of \a^{b} & ~ $x$ #1 <z>"
    _, text = tables(((name, 0), {"name": "r0"}), ((r"x|−±", 0), {"name": "r1"}))
    well_formed(text)
    assert escape(name) in text
    shown = escape(name)
    for word, letter in (
        (r"\textbackslash{}", "\\"), (r"\textasciicircum{}", "^"), (r"\textasciitilde{}", "~"),
        (r"\textless{}", "<"), (r"\textgreater{}", ">"),
    ):  # fmt: skip
        shown = shown.replace(word, letter)
    assert re.sub(r"\\([&%$#_{}])", r"\1", shown) == name


def test_many_systems_and_many_combinations(tables):
    names = tuple("abcdef")
    summary, text = tables(
        *(((f"m{i:02d}", 0), {"modalities": names, "mined": None}) for i in range(12))
    )
    well_formed(text)
    assert text.count(r"\begin{longtable}") == 2
    # One seed, so no errors: 345 points hold six modalities and nine systems.
    assert fitting(summary) == 9
    assert "Systems 10 to 12." in text
    several = environments(text, "longtable")
    assert [form for form, _ in several] == ["c" * 6 + "r" * 9, "c" * 6 + "rrr"]
    # Two heads and 63 combinations, the average and the worst.
    assert [len(rows) for _, rows in several] == [2 + 63 + 2] * 2
    labels = re.findall(r"\\label{([^}]*)}", text)
    assert len(labels) == len(set(labels)) == 3


def test_missing_values_are_dashes_and_one_seed_has_no_error(tables):
    _, text = tables((("sf-md", 0), {}), (("dmr", 0), {"undefined": ("rgb",)}))
    well_formed(text)
    _, (_, rows) = environments(text)
    assert rows[1][4] == "--"
    assert r"\pm$" not in "".join(cell for row in rows[1:] for cell in row)


def test_published_rows_have_their_source(tmp_path, lines):
    row = {
        "source": "Some & al., Table 1", "method": "x", "dataset": "d", "split": "test",
        "metric": "accuracy",
    }  # fmt: skip
    path = lines(
        tmp_path / "r.jsonl", [row | {"combination": c, "value": 0.5} for c in ("a", "b", "a+b")]
    )
    text = latex(summarise(read_runs([path], "test"), "test", "sf-md"))
    well_formed(text)
    assert r"[1] Some \& al., Table 1" in text
    assert "As printed elsewhere" in text
    assert "seeds" not in text
