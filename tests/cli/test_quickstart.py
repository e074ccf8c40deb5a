"""quickstart, small; its runs are made in this process, those of a study by real workers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from tests.studies.here import run_here

from dmrnet.cli.study.progress import live_view
from dmrnet.studies import Board, Epoch, Event, Failed, Job, Ready, Started
from dmrnet.studies.workers.events import Message

if TYPE_CHECKING:
    from .conftest import Cli

SMALL = ["--max-epochs", "1", "--method.network.width", "8"]


@pytest.mark.usefixtures("no_pictures")
def test_it_makes_each_run_once_and_ends_with_the_page(
    cli: Cli,
    tmp_path: Path,
    data_flags: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "quick"
    monkeypatch.setattr("dmrnet.studies.run_jobs", run_here)
    command = ["quickstart", *data_flags, *SMALL, "--out", out, "--seeds"]
    first = cli(*command, "1", "--workers", "1")
    assert first.code == 0, first.err
    assert first.last == f"page: {out / 'report' / 'report.html'}"
    assert (out / "report" / "report.html").is_file()
    assert "5/5" in first.err
    assert "train 0:0" in first.out
    made = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/run.json")}
    assert len(made) == 5

    # One more seed, and a run that is damaged: what is there is not made again, the damage is
    # told, and the others are reported all the same.
    broken = min(made)
    broken.write_text("{")
    second = cli(*command, "2", "--workers", "1")
    assert second.code == 1
    assert second.err.count("was finished") == 4
    assert second.err.count("failed: ") == 1
    assert second.last == first.last
    runs = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/run.json")}
    assert len(runs) == 10
    assert all(runs[path] == time for path, time in made.items() if path != broken)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--data", "mfeet"], "did you mean 'mfeat'?"),
        (["--data", "arrays"], "--data.train is missing"),
        (["--data.trian", "0.5"], "did you mean '--data.train'?"),
        (["--data.train"], "expected a value after --data.train"),
        (["--max-epochs", "0"], "above 0"),
        (["--max-epoch", "3"], "unknown setting --max-epoch; did you mean '--max-epochs'?"),
        (["--method", "dmr"], "quickstart itself sets --method"),
        (["--seed", "1"], "--seeds says how many"),
        (["more"], "unexpected word 'more'"),
    ],
)
def test_mistakes_are_told_before_any_process_starts(
    cli: Cli, tmp_path: Path, argv: list[str], said: str
) -> None:
    result = cli("quickstart", "--out", tmp_path / "quick", *argv)
    assert result.code == 2
    assert said in result.err
    assert not (tmp_path / "quick").exists()


def pretend(monkeypatch: pytest.MonkeyPatch, *messages: Message | BaseException) -> None:
    """Let a study give these messages about its first job, and raise what is to be raised."""

    def run_jobs(*_: object, **__: object) -> Generator[Event, None, None]:
        for message in messages:
            if isinstance(message, BaseException):
                raise message
            yield Event(0, 0, message)

    monkeypatch.setattr("dmrnet.studies.run_jobs", run_jobs)


def test_settings_that_no_run_can_have_stop_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, Ready(1.0), Failed("unknown setting --method.beat", settings=True))
    said = cli("quickstart", "--out", tmp_path)
    assert said.code == 2
    assert said.err == "dmrnet: error: unknown setting --method.beat\n"


def test_ctrl_c_says_how_to_go_on(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, Started("runs/a"), KeyboardInterrupt())
    said = cli("quickstart", "--out", tmp_path)
    assert said.code == 130
    assert "the same command" in said.err


def test_without_one_finished_run_there_is_no_page(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, Started("runs/a"), Failed("the disk is full"))
    said = cli("quickstart", "--out", tmp_path)
    assert said.code == 1
    assert "full seed 0" in said.err
    assert "failed: the disk is full" in said.err
    assert "page:" not in said.out


def test_the_live_view_has_a_line_for_the_study_and_for_each_worker() -> None:
    board = Board([Job("dmr seed 0", ()), Job("dmr seed 1", ()), Job("dmr seed 2", ())], 2)
    for message in (Ready(1.0), Started("a"), Epoch(1, 4, 0.5, None), Epoch(2, 4, 0.25, 0.9)):
        board.update(Event(0, 0, message), 10.0 if isinstance(message, Epoch) else 0.0)
    console = Console(width=120)
    with console.capture() as shown:
        console.print(live_view(board, 20.0, 20.0))
    first, second, third = shown.get().splitlines()
    assert "0/3 runs, 0:20 so far, about 0:50 left" in first
    assert " ".join(second.split()) == "dmr seed 0 epoch 2/4 loss 0.250 val 90.0 %"
    assert third.strip() == "starting"
