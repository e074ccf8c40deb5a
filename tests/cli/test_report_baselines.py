"""dmrnet report --baselines fits what one would use instead, on the rows of the runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Cli


def test_a_report_has_them_next_to_the_runs(
    cli: Cli, finished: Path, tmp_path: Path, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dmrnet.cli.peers.PEERS", ("logistic-late",))
    run = shutil.copytree(finished, tmp_path / "run")
    assert cli("evaluate", run).code == 0
    out = tmp_path / "report"
    said = cli("report", run, "--baselines", "--out", out)
    assert said.code == 0, said.err
    assert "logistic-late" in said.out
    assert "logistic-late seed 0" in said.err
    assert len([*(out / "baselines").iterdir()]) == len(["logistic-late"])


def test_rows_alone_have_no_data(cli: Cli, finished: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    shutil.copy(finished / "results.jsonl", rows)
    said = cli("report", rows, "--split", "val", "--baselines", "--out", tmp_path / "report")
    assert said.code == 2
    assert "expected run folders" in said.err
