"""Rows name data and code, so that different ones are not mixed."""

import subprocess
from pathlib import Path

import pytest

from dmrnet.engine.run import environment
from dmrnet.settings.config import parse_run


@pytest.mark.parametrize(
    ("flags", "label"),
    [
        (["--data", "mfeat"], "mfeat"),
        (["--data", "mfeat", "--data.train-missing", "0.3"], "mfeat (train_missing=0.3)"),
        (["--data", "arrays", "--data.train", "a/mine/t.npz"], "arrays mine/t.npz"),
        (
            ["--data", "arrays", "--data.train", "mine/t.npz", "--data.val-share", "0.1"],
            "arrays mine/t.npz (val_share=0.1)",
        ),
    ],
)
def test_data_are_named_by_what_differs(flags: list[str], label: str) -> None:
    assert parse_run(flags).data_label == label


def test_commit_is_the_packages_and_not_the_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    copy = tmp_path / "environment.py"
    copy.write_text("")
    monkeypatch.setattr(environment, "__file__", str(copy))
    assert environment.package_commit() is None  # there, but not tracked
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "add", "environment.py"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    commit = environment.package_commit()
    assert commit is not None
    assert len(commit) == 40
    copy.write_text("changed")
    assert environment.package_commit() == commit + "+changes"
