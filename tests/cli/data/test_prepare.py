"""data prepare: on the made file of watch, which is quick, and on each of the paper's data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console
from tests.data.made import watch as made
from tests.data.made.prepared import MADE, MORE

from dmrnet.cli.data.prepare import _Bars

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.make(tmp_path_factory.mktemp("source"))


def test_prepared_data_are_read_by_the_other_commands(
    cli: Cli, source: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    said = cli("data", "show", "watch", "--data.root", root)
    assert said.code != 0
    command = f"dmrnet data prepare watch --source DIR --root {root} --allow-pickle"
    assert command in said.err
    words = command.replace("DIR", str(source)).split()[1:]
    said = cli(*words)
    assert said.code == 0, said.err
    assert "recording: 140 usable (140 are published), 10 subjects, 7 exercises" in said.out
    assert said.last == f"next: dmrnet fit --data watch --data.root {root}"
    assert cli("data", "show", "watch", "--data.root", root).code == 0
    assert "nothing to do" in cli(*words).out


ARRAYS = {
    "brats": ["flair", "labels", "t1", "t1ce", "t2"],
    "casia-surf": [
        f"{split}.{sense}" for split in ("train", "val", "test") for sense in ("rgb", "depth", "ir")
    ],
    "crema-d": ["audio", "visual"],
    "kinetics-sounds": ["audio", "visual"],
    "nyuv2": ["rgb", "depth", "depth_raw", "labels"],
}
"""What is too large for memory, in a file each."""

SUMMARIES = {
    "brats": "brats: 6 usable of 6 cases",
    "casia-surf": "test: 10 usable of 10 lines (57710 are published), 4 with label 1",
    "crema-d": "test: 10 usable of 10 lines (744 are published)",
    "kinetics-sounds": "the list of 31 classes is complete",
    "nyuv2": "test: 4 usable of 4 images (654 are published)",
}
"""The last that is said of what was found."""


@pytest.mark.parametrize(
    "name",
    # Made like those of CREMA-D, from longer videos.
    [pytest.param(n, marks=[pytest.mark.slow] * (n == "kinetics-sounds")) for n in MADE],
)
def test_the_papers_data_are_prepared_and_shown(name: str, cli: Cli, tmp_path: Path) -> None:
    if name in ("crema-d", "kinetics-sounds"):
        pytest.importorskip("av", reason="video files need the extra audio-video")
    source, root = MADE[name](tmp_path / "source"), tmp_path / "root"
    words = ["data", "prepare", name, "--source", source, "--root", root]
    said = cli(*words)
    assert said.code == 0, said.err
    summary, written, last = said.out.splitlines()[-3:]
    assert summary == SUMMARIES[name]
    assert written.startswith(f"written: {root / name}.npz (")
    assert last == f"next: dmrnet fit --data {name} --data.root {root}"
    endings = ["json", "npz", *(f"{key}.npy" for key in ARRAYS[name])]
    stamps = {path.name: path.stat().st_mtime_ns for path in root.iterdir()}
    assert sorted(stamps) == sorted(f"{name}.{ending}" for ending in endings)
    said = cli(*words)
    assert said.code == 0
    again = f"{root / name}.npz is already made of these files; nothing to do"
    assert said.out.splitlines() == [again, last]
    assert {path.name: path.stat().st_mtime_ns for path in root.iterdir()} == stamps
    # The first two words say how much is validation.
    shown = cli("data", "show", name, "--data.root", root, *MORE.get(name, [])[:2])
    assert shown.code == 0, shown.err


@pytest.mark.parametrize("name", MADE)
def test_a_folder_without_the_papers_data_is_told(name: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    words = ["--source", tmp_path / "source", "--root", tmp_path / "root"]
    said = cli("data", "prepare", name, *words)
    assert said.code == 2
    assert f"in {tmp_path / 'source'}; " in said.err
    assert "found no " in said.err
    assert not (tmp_path / "root").exists()


def test_a_pickle_needs_leave(cli: Cli, source: Path, tmp_path: Path) -> None:
    said = cli("data", "prepare", "watch", "--source", source, "--root", tmp_path / "root")
    assert said.code == 2
    assert "say allow_pickle=True (--allow-pickle)" in said.err


def test_bad_files_are_skipped_where_asked(cli: Cli, tmp_path: Path) -> None:
    content = made.content()
    content["X"][3][17, 4] = np.nan
    made.write(tmp_path / "watch_dataset.npy", content)
    words = ["data", "prepare", "watch", "--source", tmp_path, "--root", tmp_path / "root"]
    said = cli(*words, "--allow-pickle")
    assert said.code == 2
    assert "recording 3 (step 17 is not finite)" in said.err
    said = cli(*words, "--allow-pickle", "--bad", "skip")
    assert said.code == 0
    assert "skipped 1 recording: recording 3 (step 17 is not finite)" in said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["watch", "--root", "x"], "--source"),
        (["watch", "--source", "x"], "--root"),
        (["watsch", "--source", ".", "--root", "x"], "did you mean 'watch'"),
        (["mfeat", "--source", ".", "--root", "x"], "mfeat needs no preparing"),
        (["watch", "--source", ".", "--root", "x", "--bad", "ask"], "--bad"),
    ],
)
def test_wrong_words_are_told(cli: Cli, words: list[str], message: str) -> None:
    said = cli("data", "prepare", *words)
    assert said.code == 2
    assert message in said.err


def test_it_explains_itself(cli: Cli) -> None:
    assert "prepare NAME PATH --root DIR" in cli("data", "--help").out


def test_progress_is_a_line_now_and_then_where_none_can_be_written_over() -> None:
    console = Console(record=True, force_terminal=False, width=80, quiet=False)
    with console.capture() as captured, _Bars(console) as bars:
        for done in range(0, 1001, 7):
            bars("sound", done, 1000)
        bars("image", 0, 1)
        bars("image", 1, 1)
    lines = captured.get().splitlines()
    assert len(lines) == 9
    assert lines[0] == "sound 105/1000"
    assert not any("image" in line for line in lines)


def test_progress_is_a_bar_in_a_terminal() -> None:
    console = Console(force_terminal=True, width=80)
    with console.capture() as captured, _Bars(console) as bars:
        bars("sound", 0, 1000)
        bars("sound", 1000, 1000)
        bars.refresh()
    assert "1000/1000" in captured.get()
