"""fit, evaluate, predict and report, through the command, on made arrays."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import dmrnet

from .conftest import QUICK, SMALL

if TYPE_CHECKING:
    from .conftest import Cli

COMBINATIONS = 7


def rows_of(run: Path, split: str, metric: str = "accuracy") -> dict[str, float]:
    lines = (run / "results.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return {
        row["combination"]: row["value"]
        for row in rows
        if row["split"] == split and row["metric"] == metric
    }


def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


# ---- fit -------------------------------------------------------------------------------------


def test_fit_shows_the_data_and_the_next_command(
    cli: Cli, tmp_path: Path, data_flags: Sequence[str]
) -> None:
    said = cli("fit", *data_flags, *SMALL, "--out", tmp_path / "run")
    assert said.code == 0
    assert "radar     vector    5" in said.out
    assert "camera    image     1x8x8" in said.out
    assert "sound     sequence  2x16" in said.out
    assert "85.0 %" in said.out  # of radar, a seventh of the rows is absent
    assert "60 train, 30 val, 30 test; 3 classes" in said.out
    assert "method   experts, recipe best, seed 0" in said.out
    assert "default  experts (no method named: ahead at equal cost where each sample" in said.out
    assert "vector with expert, " in said.out
    assert f"average of {COMBINATIONS} combinations" in said.out
    assert said.last == f"next: dmrnet evaluate {tmp_path / 'run'}"
    assert "epoch 2/2" in said.err
    assert len(rows_of(tmp_path / "run", "val")) == COMBINATIONS
    presence = json.loads((tmp_path / "run" / "run.json").read_text())["presence"]
    assert presence == {"radar+camera+sound": [17, 17, 17], "camera+sound": [3, 3, 3]}


def test_fit_does_nothing_where_the_run_is_finished(
    cli: Cli, finished: Path, data_flags: Sequence[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    # Without a method, as a default of an earlier version was.
    said = cli("fit", *data_flags, *SMALL, "--out", finished)
    assert said.code == 0
    assert f"method: dmrnet (no method named: as the run in {finished})" in said.out
    assert "finished; nothing to do" in said.out
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_fit_refuses_a_folder_of_another_run(
    cli: Cli, finished: Path, data_flags: Sequence[str]
) -> None:
    said = cli("fit", *data_flags, *QUICK, "--out", finished, "--seed", "5")
    assert said.code == 2
    assert "other settings: seed (there 0, now 5)" in said.err


def test_fit_without_a_test_file_asks_for_one_later(
    cli: Cli, tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--data", "arrays", "--data.train", made / "train.npz", "--method", "sf-md"]
    said = cli("fit", *flags, *SMALL)
    assert said.code == 0
    run = "runs/arrays-sf-md-best-seed0"
    assert said.last == f"next: dmrnet evaluate {run} --test FILE"
    assert "20 % of train held out" in said.out
    refused = cli("evaluate", run)
    assert refused.code == 2
    assert "give some as test (--test FILE)" in refused.err
    assert cli("evaluate", run, "--test", made / "test.npz").code == 0


def test_a_config_repeats_the_run_bit_for_bit(cli: Cli, tmp_path: Path, finished: Path) -> None:
    again = tmp_path / "again"
    assert cli("fit", "--config", finished / "config.yaml", "--out", again).code == 0
    assert rows_of(again, "val") == rows_of(finished, "val")
    weights = Path("checkpoints") / "best.safetensors"
    assert (again / weights).read_bytes() == (finished / weights).read_bytes()
    assert (again / "config.yaml").read_text() == (finished / "config.yaml").read_text()


def test_ctrl_c_says_how_to_go_on(
    cli: Cli, tmp_path: Path, data_flags: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import dmrnet.engine.fit

    def interrupted(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(dmrnet.engine.fit, "fit_run", interrupted)
    said = cli("fit", *data_flags, *QUICK, "--out", tmp_path / "run")
    assert said.code == 130
    assert said.err.startswith("dmrnet: stopped; the same command goes on")


def test_a_stopped_run_goes_on_and_ends_the_same(
    cli: Cli,
    tmp_path: Path,
    finished: Path,
    data_flags: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dmrnet.cli.fit.progress import FitProgress

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "run"
    # Two epochs: the first is stopped as it is reported, before or after its checkpoint.
    with monkeypatch.context() as patch:
        patch.setattr(FitProgress, "__call__", stop)
        said = cli("fit", *data_flags, *QUICK, "--out", run)
    assert said.code == 130
    assert f"the same command goes on from the last checkpoint in {run}" in said.err
    assert cli("fit", *data_flags, *QUICK, "--out", run).code == 0
    assert rows_of(run, "val") == rows_of(finished, "val")


# ---- evaluate --------------------------------------------------------------------------------


def test_evaluate_shows_every_combination_and_writes_rows(
    cli: Cli, finished: Path, tmp_path: Path
) -> None:
    run = copied(finished, tmp_path)
    said = cli("evaluate", run)
    assert said.code == 0
    scores = rows_of(run, "test")
    assert len(scores) == COMBINATIONS
    for name, value in scores.items():
        marks = "".join("●" if m in name else "○" for m in ("radar", "camera", "sound"))
        lines = said.out.splitlines()
        (row,) = (line for line in lines if "".join(c for c in line if c in "●○") == marks)
        assert f"{100 * value:.1f} %" in row
    average = sum(scores.values()) / len(scores)
    assert f"{100 * average:.1f} %" in said.out
    assert (run / "predictions.npz").is_file()


def test_evaluate_takes_several_runs_and_another_file(
    cli: Cli, finished: Path, tmp_path: Path, made: Path
) -> None:
    run = copied(finished, tmp_path)
    again = Path(shutil.copytree(run, tmp_path / "again"))
    said = cli("evaluate", run, again, "--test", made / "val.npz")
    assert said.code == 0
    assert said.out.count("average of 7 combinations") == 2
    assert rows_of(run, "test") == rows_of(run, "val") == rows_of(again, "test")


def test_evaluate_tells_what_to_expect_where_modalities_fail(
    cli: Cli, finished: Path, tmp_path: Path
) -> None:
    run = copied(finished, tmp_path)
    said = cli("evaluate", run, "--rates", "camera=.5")
    assert said.code == 0
    value = rows_of(run, "test")
    expected = (value["radar+camera+sound"] + value["radar+sound"]) / 2
    (line,) = [line for line in said.out.splitlines() if line.startswith("accuracy to expect  ")]
    assert line.split()[-2:] == [f"{100 * expected:.1f}", "%"]
    words = [line.split() for line in said.out.splitlines()]
    points = [float(w[1]) for w in words if len(w) == 2 and w[0] in ("radar", "camera", "sound")]
    assert points == sorted(points, reverse=True)
    assert sum(points) == pytest.approx(100 * value["radar+camera+sound"], abs=0.2)
    best = max(value["radar+sound"], value["camera+sound"]) - value["sound"]
    added = [w[2] for w in words if len(w) == 3 and w[0] == "sound" and w[2] != "%"]
    assert added == [f"{100 * best:+.1f}"]
    fails = cli("evaluate", run, "--fail-rates", "camera=.5,sound=0")
    assert line in fails.out
    assert "none is there" not in fails.out
    assert "12.5 %" in cli("evaluate", run, "--rates", "camera=.5,radar=.5,sound=.5").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rates", "camra=.5"], "did you mean 'camera'"),
        (["--rates", "camera=1.5"], "camera: expected a probability from 0 to 1, got '1.5'"),
        (["--rates", "camera=nan"], "from 0 to 1, got 'nan'"),
        (["--rates", "camera"], "expected NAME=NUMBER"),
        (["--rates", "camera=.1,camera=.2"], "stands twice"),
        (["--rates", "camera=.5", "--fail-rates", "radar=.5"], "not allowed with"),
        (["--fail-rates", "camera=1,radar=1,sound=1"], "at least one modality"),
        (["--rates", "camera=.5", "--analyse", "angles"], "leave --analyse out"),
    ],
)
def test_evaluate_refuses_bad_rates(
    cli: Cli, finished: Path, words: list[str], message: str
) -> None:
    said = cli("evaluate", finished, *words)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert message in said.err


def test_evaluate_analyses_on_validation_and_writes_rows(
    cli: Cli, finished: Path, tmp_path: Path
) -> None:
    run = copied(finished, tmp_path)
    said = cli("evaluate", run, "--analyse", "channel-distance@camera+sound", "variance")
    assert said.code == 0
    assert "channel-distance@camera+sound on val: mean channel distance" in said.out
    assert "camera+sound" in said.out
    assert "variance on val: mean sigma^2" in said.out
    assert said.last.startswith("next: dmrnet report")
    rows = [json.loads(line) for line in (run / "analyses.jsonl").read_text().splitlines()]
    assert {row["analysis"] for row in rows} == {"channel-distance@camera+sound", "variance"}
    assert {row["split"] for row in rows} == {"val"}
    assert not rows_of(run, "test")


def test_evaluate_analyses_test_samples_where_a_test_file_is_named(
    cli: Cli, finished: Path, made: Path, tmp_path: Path
) -> None:
    run = copied(finished, tmp_path)
    said = cli("evaluate", run, "--analyse", "angles", "--test", made / "test.npz")
    assert said.code == 0
    assert "angles on test" in said.out
    assert "between_centred" in said.out
    assert cli("evaluate", run, "--analyse", "angles", "--split", "test").code == 0


# ---- predict ---------------------------------------------------------------------------------


def test_predict_writes_the_same_to_a_file_and_the_terminal(
    cli: Cli, finished: Path, tmp_path: Path, made: Path
) -> None:
    shown = cli("predict", finished, "--input", made / "test.npz")
    assert shown.code == 0
    table = list(csv.DictReader(shown.out.splitlines()))
    assert len(table) == 30
    assert table[0]["seen"] == "camera+sound"  # row 0 lacks radar
    assert table[1]["seen"] == "radar+camera+sound"
    for row in table:
        rates = {name[2:-1]: float(value) for name, value in row.items() if name[:2] == "p("}
        assert set(rates) == {"0", "1", "2"}
        assert sum(rates.values()) == pytest.approx(1, abs=1e-4)
        assert rates[row["predicted"]] == max(rates.values())
    for name in ("p.csv", "p.npz"):
        said = cli("predict", finished, "--input", made / "test.npz", "--out", tmp_path / name)
        assert said.last == f"30 samples predicted: {tmp_path / name}"
    # What exists is replaced if asked, and what is read never.
    words = ["predict", finished, "--input", made / "test.npz", "--out"]
    again = cli(*words, tmp_path / "p.csv")
    assert (again.code, "p.csv exists; name another" in again.err) == (2, True)
    assert cli(*words, tmp_path / "p.csv", "--overwrite").code == 0
    itself = cli(*words, made / "test.npz", "--overwrite")
    assert (itself.code, "is the file that is read" in itself.err) == (2, True)
    assert (tmp_path / "p.csv").read_text() == shown.out
    with np.load(tmp_path / "p.npz") as arrays:
        assert arrays["predicted"].tolist() == [row["predicted"] for row in table]
        assert arrays["modalities"].tolist() == ["radar", "camera", "sound"]
        assert arrays["seen"][0].tolist() == [False, True, True]
        assert arrays["probabilities"].shape == (30, 3)


def test_predict_can_look_at_one_combination(
    cli: Cli, finished: Path, tmp_path: Path, made: Path
) -> None:
    with np.load(made / "test.npz") as arrays:
        np.savez(tmp_path / "sound.npz", sound=arrays["sound"])
    of_all = cli("predict", finished, "--input", made / "test.npz", "--combination", "sound")
    alone = cli("predict", finished, "--input", tmp_path / "sound.npz")
    assert of_all.code == alone.code == 0
    assert of_all.out == alone.out


def test_predict_leaves_out_rows_that_have_nothing_of_a_combination(
    cli: Cli, finished: Path, made: Path
) -> None:
    with np.load(made / "test.npz") as arrays:
        here = np.flatnonzero(~np.isnan(arrays["radar"]).any(1))
    said = cli("predict", finished, "--input", made / "test.npz", "--combination", "radar")
    assert said.code == 0
    assert said.err == f"warning: {30 - len(here)} of 30 rows have none of radar: left out\n"
    table = list(csv.DictReader(said.out.splitlines()))
    assert [int(row["sample"]) for row in table] == here.tolist()
    assert {row["seen"] for row in table} == {"radar"}


def test_bad_rows_are_refused_or_named(
    cli: Cli, finished: Path, tmp_path: Path, made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with np.load(made / "test.npz") as arrays:
        whole = dict(arrays)
    path, clean = tmp_path / "bad.npz", tmp_path / "clean.npz"
    np.savez(clean, **whole)
    whole["camera"][4, 0, 0, 0] = np.nan
    np.savez(path, **whole)
    words = ("predict", finished, "--input", path)
    refused = cli(*words)
    assert refused.code == 2
    assert "modality camera, row 4: it holds NaN in part" in refused.err
    said = cli(*words, "--bad-rows", "skip")
    assert said.code == 0
    assert "row 4: skipped: camera: it holds NaN in part of its 64 numbers" in said.err
    lines = said.out.splitlines()
    assert len(lines) == 31
    assert lines[5] == "4,,,,,"
    good = cli("predict", finished, "--input", clean).out.splitlines()
    for mine, other in zip([*lines[1:5], *lines[6:]], [*good[1:5], *good[6:]], strict=True):
        assert mine.split(",")[:3] == other.split(",")[:3]
        pair = ([float(word) for word in line.split(",")[3:]] for line in (mine, other))
        np.testing.assert_allclose(*pair, atol=1e-5)
    cli(*words, "--bad-rows", "skip", "--out", tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as found:
        assert found["skipped"].tolist() == ["4"]
        assert found["skipped_reason"][0].startswith("camera: it holds NaN")
        assert len(found["predicted"]) == 29
    run = copied(finished, tmp_path)
    assert cli("evaluate", run, "--test", path, "--bad-rows", "skip").code == 0
    facts = json.loads((run / "run.json").read_text())
    assert (facts["test_samples"], facts["test_skipped"][0]["row"]) == (29, 4)
    opened = dmrnet.open_run(finished)
    probabilities = opened.predict_proba(path, bad_rows="skip")
    assert np.isnan(probabilities).any(1).nonzero()[0].tolist() == [4]
    inputs = {name: array for name, array in whole.items() if name != "y"}
    again = opened.predict_proba(inputs, bad_rows="skip")
    np.testing.assert_array_equal(again, probabilities)
    with pytest.raises(ValueError, match="NaN in part"):
        opened.predict_proba(inputs)


def test_absent_blocks_and_other_units_are_told(
    cli: Cli, finished: Path, tmp_path: Path, made: Path
) -> None:
    with np.load(made / "test.npz") as arrays:
        whole = dict(arrays)
    off = {**whole, "camera": whole["camera"] * 0, "sound": whole["sound"] * 1000, "y": [99] * 30}
    np.savez(tmp_path / "off.npz", **off)
    words = ("predict", finished, "--input", tmp_path / "off.npz")
    said = cli(*words)
    assert said.code == 0
    assert "camera is 0 throughout in every row, in training it was not" in said.err
    assert "if so, absent camera=0 (--data.absent) says it" in said.err
    assert "sound: expected values as in training" in said.err
    output = cli(*words, "--data.absent", "camera=0")
    assert "camera" not in output.err
    assert all(
        line.split(",")[1] in ("sound", "radar+sound") for line in output.out.splitlines()[1:]
    )
    without = {name: array for name, array in off.items() if name != "camera"}
    np.savez(tmp_path / "without.npz", **without)
    assert output.out == cli("predict", finished, "--input", tmp_path / "without.npz").out
    wrong = cli(*words, "--data.absent", "camra=0")
    assert "absent: no modality 'camra'; did you mean 'camera'" in wrong.err


def test_predict_agrees_with_evaluate(cli: Cli, finished: Path, tmp_path: Path, made: Path) -> None:
    run = copied(finished, tmp_path)
    cli("evaluate", run)
    said = cli("predict", run, "--input", made / "test.npz", "--combination", "camera+sound")
    predicted = [row["predicted"] for row in csv.DictReader(said.out.splitlines())]
    right = np.mean([int(label) == n % 3 for n, label in enumerate(predicted)])
    assert right == pytest.approx(rows_of(run, "test")["camera+sound"])


def test_predict_takes_the_runs_own_samples(
    cli: Cli, finished: Path, tmp_path: Path, made: Path
) -> None:
    for split in ("val", "test"):
        own = cli("predict", finished, "--split", split)
        assert own.code == 0, own.err
        assert own.out == cli("predict", finished, "--input", made / f"{split}.npz").out
    # A path at which other data lie now: the run's own are found next to it.
    run = copied(finished, tmp_path)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("val.npz", "unseen.npz"))
    said = cli("predict", run, "--split", "val")
    assert said.out == cli("predict", finished, "--split", "val").out
    for words in ([], ["--split", "test", "--input", made / "test.npz"]):
        said = cli("predict", finished, *words)
        assert said.code == 2
        assert "either --input FILE or --split val or test" in said.err


# ---- report ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_pictures")
def test_report_ends_with_the_page(cli: Cli, finished: Path, tmp_path: Path) -> None:
    copied(finished, tmp_path)
    said = cli("report", tmp_path, "--out", tmp_path / "out", "--split", "val")
    assert said.code == 0
    assert said.last == f"page: {tmp_path / 'out' / 'report.html'}"
    assert (tmp_path / "out" / "report.html").is_file()
    assert (tmp_path / "out" / "report.md").is_file()
    assert "dmrnet" in said.out
