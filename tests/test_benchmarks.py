"""The benchmark runs, at tiny sizes; both sides agree, or it stops."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture
def command(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    threads = torch.get_num_threads()
    from benchmarks.__main__ import main

    yield main
    torch.set_num_threads(threads)
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_every_part_but_memory_runs_and_is_written(command, tmp_path) -> None:
    timed = ["step", "evaluation", "sample", "methods", "modalities", "growth"]
    rows = command(["--quick", "--repeats", "1", "--out", str(tmp_path), "--only", *timed])
    assert {row.case.split()[0] for row in rows} == {"surf", "ogm", "esanet"}
    assert all(len(row.seconds) >= 1 and min(row.seconds) > 0 for row in rows)
    # The first of each case is what the others are compared with.
    assert all(row.ratio == (1, 1, 1) for row in rows if row.subject == "released")
    compared = [row for row in rows if row.subject.startswith("dmrnet") and row.difference]
    assert len(compared) > 20
    written = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert len(written["rows"]) == len(rows)
    assert "| released |" in (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    drawn = (tmp_path / "benchmarks.svg").read_text(encoding="utf-8")
    assert "ms a combination" in drawn
    assert "· dmrnet, mask" in drawn
    assert "· released<" not in drawn


def test_an_epoch_and_a_peak_are_measured(command) -> None:
    rows = command(["--quick", "--repeats", "1", "--only", "epoch"])
    assert [row.subject for row in rows] == ["bare loop", "dmrnet's engine", "dmrnet's engine"]
    assert all(row.median > 0 for row in rows)


def test_sides_that_differ_are_not_timed(command, monkeypatch) -> None:
    from benchmarks import agreement, parts, subjects
    from benchmarks.clock import Setting

    case = parts.cases(Setting(quick=True))[0]
    pair = agreement.exact(case)
    assert max(agreement.check_steps(pair).values()) < agreement.TOLERANCE
    with torch.no_grad():
        pair.released.weights["predictor.linear.weight"][0, 0] += 1e-6
    with pytest.raises(ValueError, match="differs from the plain statement"):
        agreement.check_steps(pair)
    pair = subjects.Pair(case)
    with torch.no_grad():
        pair.released.weights["predictor.linear.weight"][0, 0] += 1
    with pytest.raises(ValueError, match="differs from the plain statement"):
        agreement.check_evaluation(pair, bf16=False)
