"""data list, show, check and export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dmrnet.data.registry import DATASETS

if TYPE_CHECKING:
    from .conftest import Cli


def test_list_has_every_data_set(cli: Cli) -> None:
    said = cli("data", "list")
    assert said.code == 0
    assert set(DATASETS) <= {line.split()[0] for line in said.out.splitlines()}


def test_show_says_what_is_in_it(cli: Cli) -> None:
    said = cli("data", "show", "mfeat", "--data.train-missing", "0.5")
    assert said.code == 0
    assert "mfeat: 1200 train, 400 val, 400 test" in said.out
    assert "pix       image   1x16x15" in said.out
    assert "removed from training at random" in said.out
    assert len([line for line in said.out.splitlines() if "120   40    40" in line]) == 10


def test_check_reads_files_as_fit_would(cli: Cli, made: Path) -> None:
    said = cli("data", "check", *(made / f"{role}.npz" for role in ("train", "val", "test")))
    assert said.code == 0
    assert "arrays: 60 train, 30 val, 30 test" in said.out
    assert "radar     vector    5" in said.out
    assert "85.0 %" in said.out
    assert said.last.startswith("dmrnet fit --data arrays --data.train ")


def test_check_shows_which_combinations_occur(cli: Cli, made: Path, tmp_path: Path) -> None:
    with np.load(made / "train.npz") as arrays:
        camera = arrays["camera"].copy()
        camera[arrays["y"] == 2] = np.nan
        np.savez(tmp_path / "train.npz", **{**arrays, "camera": camera})
    said = cli("data", "check", tmp_path / "train.npz", made / "test.npz")
    assert said.code == 0
    # Numbers are those in train, val and test, and in train by class.
    rows = [line.split()[-6:] for line in said.out.splitlines()]
    counts = np.array([row for row in rows if len(row) == 6 and all(map(str.isdecimal, row))], int)
    assert f"{counts[:, 0].sum()} train, {counts[:, 1].sum()} val, 30 test" in said.out
    assert (counts[:, 3:].sum(1) == counts[:, 0]).all()
    assert "presence of camera predicts the class" in said.out
    assert "in 100.0 % of 1, in 0.0 % of 2" in said.out
    assert "presence of radar" not in said.out


def test_one_file_beside_the_training_file_is_the_test_file(cli: Cli, made: Path) -> None:
    train, test, val = (made / f"{role}.npz" for role in ("train", "test", "val"))
    assert f"--data.test {test}" in cli("data", "check", train, test).last
    assert f"--data.val {val}" in cli("data", "check", train, val).last


def test_check_takes_the_settings_of_fit(cli: Cli, made: Path) -> None:
    said = cli("data", "check", made / "train.npz", "--data.kinds.sound", "vector")
    assert said.code == 0
    assert "sound     vector  32" in said.out
    assert "--data.kinds.sound vector" in said.last


def test_check_names_what_is_wrong(cli: Cli, made: Path, tmp_path: Path) -> None:
    with np.load(made / "test.npz") as arrays:
        np.savez(tmp_path / "bad.npz", **{**arrays, "sound": np.ones((30, 3, 16))})
    said = cli("data", "check", made / "train.npz", made / "val.npz", tmp_path / "bad.npz")
    assert said.code == 2
    assert "modality sound: expected samples of shape (2, 16)" in said.err


def test_more_files_than_fit_takes_are_read_too(cli: Cli, made: Path) -> None:
    files = [made / f"{role}.npz" for role in ("train", "val", "test", "val")]
    said = cli("data", "check", *files)
    assert said.code == 0
    assert f"{made / 'val.npz'}: 30 samples" in said.out


def test_what_is_exported_is_read_back(cli: Cli, tmp_path: Path) -> None:
    said = cli("data", "export", "mfeat", "--out", tmp_path, "--seed", "3")
    assert said.code == 0
    files = [tmp_path / f"{role}.npz" for role in ("train", "val", "test")]
    assert said.out.splitlines() == [f"written: {path}" for path in files]
    checked = cli("data", "check", *files)
    assert "arrays: 1200 train, 400 val, 400 test" in checked.out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["lst"], "did you mean 'list'?"),
        (["show", "mfeet"], "did you mean 'mfeat'?"),
        (["show"], "NAME"),
        (["show", "mfeat", "--data.trian", "0.5"], "did you mean '--data.train'?"),
        (["show", "mfeat", "--seed", "x"], "--seed: expected a whole number"),
        (["show", "mfeat", "--data.train", "2"], "train and val above 0 and together below 1"),
        (["export", "mfeat"], "--out DIR is missing"),
        (["check"], "FILE"),
        (["check", "nowhere.npz"], "there is no file nowhere.npz"),
    ],
)
def test_mistakes(cli: Cli, argv: list[str], said: str) -> None:
    result = cli("data", *argv)
    assert result.code == 2
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_ampute_writes_another_file(cli: Cli, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "less.npz"
    words = ["data", "ampute", made / "train.npz", "--out", out, "--mechanism", "block"]
    said = cli(*words, "--rate", "camera=.5,radar=.2")
    assert said.code == 0
    assert said.last == f"written: {out}; next: dmrnet data check {out}"
    with np.load(out) as after, np.load(made / "train.npz") as before:
        assert set(after.files) == set(before.files)
        assert np.isnan(after["camera"]).all((1, 2, 3)).sum() == 30
        assert (after["sound"] == before["sound"]).all()
        assert (after["y"] == before["y"]).all()
    again = cli(*words, "--rate", ".3")
    assert again.code == 2
    assert "exists" in again.err
    assert cli(*words, "--rate", ".3", "--overwrite").code == 0
    itself = cli("data", "ampute", out, "--rate", ".3", "--out", out, "--overwrite")
    assert itself.code == 2
    assert "is the file that is read" in itself.err


def test_ampute_keeps_everything_else(cli: Cli, tmp_path: Path) -> None:
    more = {"y": np.arange(20) % 2, "samples": np.arange(20), "groups": np.arange(20) // 4}
    arrays = {"a": np.ones((20, 2)), "b": np.ones((20, 3))}
    np.savez(tmp_path / "all.npz", **arrays, **more)
    said = cli("data", "ampute", tmp_path / "all.npz", "--rate", ".3", "--out", tmp_path / "x.npz")
    assert said.code == 0
    with np.load(tmp_path / "x.npz") as after:
        assert set(after.files) == {*arrays, *more}
        for name, array in more.items():
            assert after[name].astype(int).tolist() == array.tolist()
    np.savez(tmp_path / "one.npz", a=np.ones((20, 2)))
    said = cli("data", "ampute", tmp_path / "one.npz", "--rate", ".3", "--out", tmp_path / "y.npz")
    assert "one.npz: expected rates" in said.err
    assert "a can lose 0.000 of its samples" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rate", "1.3"], "expected a probability from 0 to 1, got '1.3'"),
        (["--rate", "camra=.3"], "did you mean 'camera'"),
        (["--rate", ".3", "--mechanism", "marr"], "did you mean 'mar'"),
        ([], "--rate"),
    ],
)
def test_ampute_refuses(
    cli: Cli, made: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    said = cli("data", "ampute", made / "train.npz", "--out", tmp_path / "x.npz", *words)
    assert said.code == 2
    assert message in said.err
    assert not (tmp_path / "x.npz").exists()
