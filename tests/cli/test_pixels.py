"""Data whose every pixel has a class, through the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.data.made import cwfid as made

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli


@pytest.fixture
def data(tmp_path: Path, cli: Cli) -> list[str]:
    """Prepare made images; return the flags that name them."""
    source = made.make(tmp_path / "source")
    said = cli("data", "prepare", "cwfid", "--source", source, "--root", tmp_path / "root")
    assert said.code == 0
    assert "image 8 published for both training and testing" in said.out
    return ["--data.root", str(tmp_path / "root")]


def test_classes_are_counted_in_pixels(data: list[str], cli: Cli) -> None:
    said = cli("data", "show", "cwfid", *data, "--data.tile", "32")
    assert said.code == 0
    lines = {line.split()[0]: line.split() for line in said.out.splitlines() if line.strip()}
    assert "pixels of class" in said.out
    tested = made.labels()[[number - 1 for number in made.TEST]]
    assert lines["crop"][-1] == str((tested == 1).sum())
    said = cli("data", "export", "cwfid", *data, "--data.tile", "32", "--out", "out")
    assert said.code == 2
    assert "cwfid has a class for every pixel" in said.err


def test_a_run_from_fit_to_report(data: list[str], cli: Cli, tmp_path: Path) -> None:
    small = ["--data.tile", "32", "--data.tiles", "4", "--method.network.width", "16"]
    fit = ["fit", "--data", "cwfid", *data, *small, "--method", "sf-md", "--threads", "1"]
    said = cli(*fit, "--max-epochs", "1", "--out", tmp_path / "run")
    assert said.code == 0
    assert "mIoU on val" in said.out
    said = cli("evaluate", tmp_path / "run", "--tile", "288")
    assert said.code == 0
    assert "mIoU" in said.out
    said = cli("evaluate", tmp_path / "run", "--tile", "32")
    assert said.code == 2
    assert "expected tiles of more than 256 pixels a side" in said.err
    said = cli("predict", tmp_path / "run", "--input", "x.npz")
    assert said.code == 2
    assert "gives every pixel a class" in said.err
    said = cli("report", tmp_path / "run", "--out", tmp_path / "report")
    assert said.code == 0
    assert "Label maps of test image 0" in (tmp_path / "report" / "report.html").read_text()
