"""Names in a study's file: known before anything is trained, and those of the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dmrnet.engine.scores.rows import result_rows
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise
from dmrnet.studies.form import read_study
from dmrnet.studies.labels import baseline_of, names_of
from dmrnet.studies.names import check_names
from dmrnet.studies.plan import plan
from dmrnet.studies.resolve import Member, resolve
from dmrnet.studies.shipped import shipped


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("analyses: anglez", "analyses: unknown analysis 'anglez'; did you mean 'angles'"),
        ("analyses: variance@pix", "leave out @pix"),
        ("analyses: angles@", "expected a combination after angles@"),
        ("printed: tabel3", "there are no printed rows 'tabel3'; did you mean 'table3'"),
        ("baseline: sf-mdd", "baseline: the study has no 'sf-mdd'; did you mean 'sf-md'"),
        ("by-data: {mfeat: {baseline: x}}", "by-data: mfeat: baseline: the study has no 'x'"),
        ("by-data: {mfeat: {leave-out: {dmrr: slow}}}", "leave-out: the study has no 'dmrr'"),
        ("grid: {}\nmethods: [{method: dmr, leave-out: {mfet: slow}}]", "no data set 'mfet'"),
    ],
)
def test_a_name_that_is_not_there_is_said_before_anything_is_trained(
    tmp_path: Path, text: str, said: str
) -> None:
    methods = "" if "methods" in text else "methods: [sf-md, {method: dmr, label: big}]\n"
    study = read_study(written(tmp_path, f"{methods}{text}\n"))
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        check_names(study)


def test_what_is_there_is_taken(tmp_path: Path) -> None:
    for path in shipped().values():
        check_names(read_study(path))
    text = "methods: [{method: sf-md, label: mine, grid: {lr: [1, 2]}}]\nbaseline: mine lr=2\n"
    check_names(read_study(written(tmp_path, f"{text}analyses: [angles@pix+fou, hard-set]\n")))


def made(text: str, tmp_path: Path) -> tuple[str, list[str], str | None]:
    """Return a study's baseline, and what a report calls its systems and the baseline."""
    study = read_study(written(tmp_path, text))
    planned = plan(study)
    members = resolve(planned, tmp_path / "runs")
    for member in members:
        write_rows(member)
    name = baseline_of(study, planned, members)
    runs = read_runs([tmp_path / "runs"], "test")
    (summary,) = summarise(runs, "test", name, names_of(planned, members))
    return name, [item.label for item in summary.systems], summary.baseline


def write_rows(member: Member) -> None:
    member.folder.mkdir(parents=True)
    lines = [(name, "accuracy", 0.5, 10) for name in ("pix", "fou", "pix+fou")]
    rows = result_rows(member.folder.name, member.settings, "test", lines)
    (member.folder / "results.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (
            "methods: [dmr, {method: sf-md, label: old, settings: {lr: 0.1}}]\nbaseline: old",
            ["old", "dmr"],
        ),
        # Without one that is named the first line is it, whatever it is called.
        (
            "methods: [{method: dmr, label: A, settings: {lr: 0.1}},"
            " {method: dmr, label: B, settings: {lr: 0.3}}]",
            ["A", "B"],
        ),
        (
            "methods: [{method: dmr, grid: {method.alpha: [0.1, 0.01]}}]",
            ["dmr alpha=0.1", "dmr alpha=0.01"],
        ),
        (
            "methods: [sf-md, {method: sf-md, label: longer, grid: {stretch: [1.5, 2]}}]\n"
            "baseline: longer stretch=2",
            ["longer stretch=2", "longer stretch=1.5", "sf-md"],
        ),
        # Two of one name keep what tells them apart.
        (
            "methods: [{method: dmr, label: X}, {method: sf-md, label: X}]\nbaseline: sf-md",
            ["sf-md", "dmr"],
        ),
    ],
)
def test_the_report_calls_systems_as_the_study_does(
    tmp_path: Path, text: str, labels: list[str]
) -> None:
    _, found, baseline = made(f"{text}\nseeds: 1\n", tmp_path)
    assert sorted(found) == sorted(labels)
    assert baseline == found[0] == labels[0]
