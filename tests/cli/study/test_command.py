"""study, small; two runs are made by a real worker process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.studies.here import run_here

if TYPE_CHECKING:
    from .conftest import Cli

SMALL = ["--max-epochs", "1", "--method.network.width", "8"]
TWO = """
title: Two of them
methods: [sf-md, {method: dmr, grid: {method.alpha: [1e-3, 1e-2]}}]
seeds: 1
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(TWO)
    return path


def made_in(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("runs/*/run.json")}


@pytest.mark.usefixtures("no_pictures")
def test_it_makes_each_run_once_and_goes_on_where_it_stopped(
    cli: Cli,
    tmp_path: Path,
    two: Path,
    data_flags: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    command = ["study", two, *data_flags, *SMALL, "--out", out]
    plan = cli(*command, "--dry-run")
    assert plan.code == 0, plan.err
    assert "Two of them: 3 systems x 1 seed on arrays; 3 runs, 0 of them finished" in plan.out
    assert not out.exists()

    # A share makes its own and leaves the report to later.
    with monkeypatch.context() as patched:
        patched.setattr("dmrnet.studies.run_jobs", run_here)
        share = cli(*command, "--share", "2/3", "--workers", "1")
    assert share.code == 0, share.err
    assert "share 2/3: 1 of 1 runs are finished" in share.out
    (first,) = made_in(out).items()

    rest = cli(*command, "--workers", "1")
    assert rest.code == 0, rest.err
    assert rest.last == f"page: {out / 'report' / 'report.html'}"
    assert "3 runs, 1 of them finished" in rest.out
    assert "2/2" in rest.err
    made = made_in(out)
    assert len(made) == 3
    assert made[first[0]] == first[1]
    for label in ("sf-md", "dmr", "dmr alpha=0.01"):
        assert label in rest.out

    # From here on in this process.
    monkeypatch.setattr("dmrnet.studies.run_jobs", run_here)
    # A damaged record is reported; no finished run is lost or made again.
    broken = out / "runs" / next(name for name in made if "-sf-md-" in name)
    rows = (broken / "results.jsonl").read_text()
    # Amid a row; half of the file can end between two.
    (broken / "results.jsonl").write_text(rows[: rows.index("\n", len(rows) // 2) - 5])
    output = cli(*command, "--workers", "1", "--retry", "1")
    assert output.code == 1
    assert "1 of 1 runs failed" in output.out
    assert f"{broken / 'results.jsonl'}" in output.out
    assert output.last == rest.last
    assert made_in(out) == made

    (broken / "results.jsonl").write_text(rows)
    # An impossible row is reported with its path and line; so are the other runs.
    (broken / "results.jsonl").write_text(rows.replace('"seed": 0', '"seed": "zero"', 1))
    output = cli(*command)
    assert output.code == 1
    assert "1 of the finished runs are not reported" in output.out
    assert f"{broken / 'results.jsonl'}:1: expected 'seed' to be an integer" in output.out
    assert output.last == rest.last
    assert "dmr alpha=0.01" in output.out
    assert made_in(out) == made

    (broken / "results.jsonl").write_text(rows)
    again = cli(*command)
    assert again.code == 0
    assert "3 runs, 3 of them finished" in again.out
    assert made_in(out) == made

    # A record cut between two rows, without any of the test: tested again, not trained again.
    lines = rows.splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["split"] != "test"]
    (broken / "results.jsonl").write_text("".join(kept))
    weights = (broken / "checkpoints" / "best.safetensors").stat().st_mtime_ns
    again = cli(*command, "--workers", "1")
    assert again.code == 0, again.err
    assert "3 runs, 2 of them finished" in again.out
    assert "was finished" in again.err
    assert (broken / "results.jsonl").read_text() == rows
    assert (broken / "checkpoints" / "best.safetensors").stat().st_mtime_ns == weights


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["table33"], "there is no study 'table33'"),
        (["--data", "mfeat"], "expected the name or file of a study first"),
        (["methods", "--data", "mfeet"], "did you mean 'mfeat'?"),
        (["methods", "--data", "digits"], "--data.root is missing"),
        (["methods", "--data", "mfeat", "digits", "--data.trian", "1"], "has a setting"),
        (["methods", "--data.trian", "1"], "did you mean '--data.train'?"),
        (["methods", "--max-epoch", "3"], "did you mean '--max-epochs'?"),
        (["methods", "--share", "4/3"], "expected I/N"),
        (["methods", "--worker", "3"], "did you mean '--workers'?"),
        (["methods", "--seed", "3"], "--seeds says how many"),
    ],
)
def test_mistakes_are_told_before_any_process_starts(
    cli: Cli, tmp_path: Path, argv: list[str], said: str
) -> None:
    result = cli("study", *argv, "--out", tmp_path / "out")
    assert result.code == 2
    assert said in result.err
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder_for_a_study(cli: Cli, two: Path) -> None:
    result = cli("study", two, "--data", "mfeat", "--out", two)
    assert result.code == 2
    assert f"{two} is no folder" in result.err


def test_roots_are_said_once_or_by_data_set(cli: Cli, tmp_path: Path) -> None:
    from dmrnet.cli.study.data import with_data
    from dmrnet.studies.spec import Entry, Study

    (tmp_path / "watch").mkdir()
    study, rest = with_data(
        Study("", (Entry("sf-md"),)),
        ["mfeat", "digits", "watch", "casia-surf=there"],
        str(tmp_path),
        ["--data.val-share", "0.2", "--lr", "1"],
    )
    assert rest == ["--lr", "1"]
    assert study.data == {
        "mfeat": {},
        "digits": {"data.root": str(tmp_path), "data.val-share": "0.2"},
        "watch": {"data.root": str(tmp_path / "watch")},
        "casia-surf": {"data.root": "there"},
    }


def test_seeds_of_the_command_line_replace_those_of_methods_and_data_sets(cli: Cli) -> None:
    said = cli("study", "winner", "--data", "mfeat", "--seeds", "2", "--dry-run").out
    assert "2 other seeds" in said


def test_a_study_of_nothing_says_what_is_left_out(cli: Cli) -> None:
    none = cli("study", "winner", "--data", "mfeat", "--methods", "esanet-md", "--dry-run")
    assert none.code == 0, none.err
    assert "left out: esanet-md on mfeat: only on cwfid, nyuv2" in none.out


def test_help_of_a_study_says_what_it_runs(cli: Cli) -> None:
    said = cli("study", "methods", "--help")
    assert said.code == 0
    assert "sf-md longer (sf-md) stretch=1.5,3,6" in said.out
