"""Two processes with one run folder: it is trained once, and its records stay whole."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.engine.runs import result_of, settings_in

from dmrnet.engine.analysis.analyse import analyse_run
from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.locking import BusyError, lock_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    fit_run(settings_in(folder, epochs=1), folder / "run")
    return folder


def test_a_run_that_another_trains_is_refused_and_nothing_is_written(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dmrnet.engine.fit.PATIENCE", 0.0)
    place, end = tmp_path / "run", threading.Event()
    holder = threading.Thread(target=hold, args=(place, end))
    holder.start()
    try:
        with pytest.raises(BusyError, match="run is in use by process"):
            fit_run(settings_in(made, epochs=1), place)
        assert [path.name for path in place.iterdir()] == [".lock"]
    finally:
        end.set()
        holder.join()


def hold(place: Path, until: threading.Event) -> None:
    with lock_folder(place):
        until.wait(60)


def test_a_waiting_process_finds_the_run_finished(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "run"
    before: dict[str, object] = {}

    @contextmanager
    def lock(folder: Path, patience: float) -> Iterator[None]:
        # The other one ends between the first look at the folder and the lock.
        with lock_folder(folder, patience):
            shutil.copytree(made / "run", place, dirs_exist_ok=True)
            before.update(result_of(place))
            yield

    monkeypatch.setattr("dmrnet.engine.fit.lock_folder", lock)
    assert not fit_run(settings_in(made, epochs=1), place)
    # The lock was held at the time of the second look.
    assert before.pop("left") == [".lock"]
    assert result_of(place) == {**before, "left": []}


def test_evaluations_and_analyses_at_once_lose_no_rows(made: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(made / "run", tmp_path / "run"))
    jobs = [
        lambda: evaluate_run(open_run(run)),
        lambda: analyse_run(run, ["angles"]),
        lambda: analyse_run(run, ["variance"]),
        lambda: analyse_run(run, ["angles"], "test"),
    ]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    folder = RunFolder(run)
    known = [(row["analysis"], row["split"]) for row in folder.analysis_rows()]
    assert set(known) == {("angles", "val"), ("variance", "val"), ("angles", "test")}
    assert {row["split"] for row in folder.rows()} == {"val", "test"}
    assert set(folder.read_facts()["analysed"]) == {"val/angles", "val/variance", "test/angles"}
    assert "evaluated" in folder.read_facts()
