"""A killed run of every method ends with the same bits as an undisturbed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engine.runs import result_of, settings_in

from dmrnet.engine.fit import fit_run
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.trainee import Progress
from dmrnet.methods import METHODS

FLAGS = {
    "ogm-md": ("--method.modulation", "ogm-ge"),
    "mmanet": ("--method.start", "1", "--method.rank_from", "0"),
    "dmrnet": ("--method.hard_start", "1"),
}
"""Settings that give methods with a state of their own such a state before the kill."""


STATEFUL = ("dmrnet", "experts")
"""Methods that are killed each time: with a hard set, with fitted weights; slow tests kill all."""


class KilledError(Exception):
    """Stands for a kill, without the seconds of a new process."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def killed_at(epoch: int) -> Callable[[Progress], None]:
    """Kill after a number of epochs, counted from the start of the command."""
    seen: list[int] = []

    def report(progress: Progress) -> None:
        seen.append(progress.epoch)
        if len(seen) == epoch:
            raise KilledError

    return report


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in STATEFUL else pytest.mark.slow)
        for name in METHODS
        if name != "esanet-md"
    ],
)
def test_a_killed_run_ends_as_an_undisturbed_one(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoints, "every", 0.0)
    settings = settings_in(data, *FLAGS.get(name, ()), method=name, epochs=3)
    # Two folders, so that mmanet trains its teacher in each.
    fit_run(settings, tmp_path / "one" / "whole")
    # The second kill of mmanet meets the student: its teacher has gone on through epochs 2 and 3.
    for at in (2, 4) if name == "mmanet" else (2,):
        with pytest.raises(KilledError):
            fit_run(settings, tmp_path / "two" / "run", killed_at(at))
    fit_run(settings, tmp_path / "two" / "run")
    assert result_of(tmp_path / "two" / "run") == result_of(tmp_path / "one" / "whole")
