"""dmrnet predict says how sure it is; Python and the command line say the same."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import dmrnet

if TYPE_CHECKING:
    from .conftest import Cli


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_predictions_are_calibrated_and_say_how_sure_they_are(
    cli: Cli, finished: Path, made: Path
) -> None:
    test = str(made / "test.npz")
    flags = ["--abstain-below", "0.6", "--conformal", "0.8", "--advise", "--combination", "radar"]
    said = cli("predict", finished, "--input", test, *flags)
    assert said.code == 0, said.err
    rows = table(said.out)
    raw = table(cli("predict", finished, "--input", test, "--uncalibrated", *flags[-2:]).out)
    run = dmrnet.open_run(finished)
    p = run.predict_proba(test, combination="radar")
    sets = run.predict_sets(test, combination="radar", level=0.8)
    advice = run.advise(test, combination="radar")
    known = np.flatnonzero(~np.isnan(p).any(1))
    assert len(rows) == len(raw) == len(known) < 30
    assert bool(sets[np.isnan(p).any(1)].all())
    confidence = np.load(finished / "confidence.npz")
    for line, plain, row in zip(rows, raw, known, strict=True):
        shown = [float(line[f"p({name})"]) for name in run.classes]
        assert shown == pytest.approx(p[row].tolist(), abs=1e-5)
        # One temperature: the order of classes stays.
        logs = [np.log(float(plain[f"p({name})"])) for name in run.classes]
        at = np.flatnonzero((confidence["combinations"] == [True, False, False]).all(1))
        scaled = np.exp(np.array(logs) / confidence["temperature"][at])
        assert shown == pytest.approx((scaled / scaled.sum()).tolist(), rel=1e-3)
        assert line["predicted"] == ("" if max(shown) < 0.6 else plain["predicted"])
        assert line["set"].split("|") == np.array(run.classes)[sets[row]].tolist()
        assert line["next"] == (advice[row]["modality"] or "")
    assert f"{sum(not line['predicted'] for line in rows)} of {len(rows)} samples" in said.err


def test_evaluation_has_the_calibration_error(cli: Cli, finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    assert cli("evaluate", run).code == 0
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    for metric in ("ece", "ece_uncalibrated"):
        assert len([r for r in rows if r["metric"] == metric and r["split"] == "test"]) == 7


def test_a_run_without_it_is_fitted_when_asked_and_damage_is_named(
    cli: Cli, finished: Path, made: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    kept = cli("predict", run, "--input", made / "test.npz", "--conformal", "0.9")
    (run / "confidence.npz").unlink()
    again = cli("predict", run, "--input", made / "test.npz", "--conformal", "0.9")
    assert [r["set"] for r in table(kept.out)] == [r["set"] for r in table(again.out)]
    (run / "confidence.npz").write_bytes(b"PK damaged")
    said = cli("predict", run, "--input", made / "test.npz")
    assert said.code == 2
    assert "confidence.npz: expected" in said.err


@pytest.mark.parametrize("flag", ["--abstain-below", "--conformal"])
def test_a_rate_is_between_0_and_1(cli: Cli, finished: Path, flag: str) -> None:
    said = cli("predict", finished, "--split", "test", flag, "90")
    assert said.code == 2
    assert "between 0 and 1" in said.err
