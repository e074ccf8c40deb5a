"""Memory that a step frees is kept for the next one."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path

import pytest
import torch
from tests.engine.runs import settings_in
from tests.forked import start

from dmrnet.engine import fit as module
from dmrnet.engine.training.memory import CHOSEN, hand_back, keep_freed


def unsettle() -> None:
    """Remove the user's settings of this process."""
    for name in CHOSEN:
        os.environ.pop(name, None)


def count_faults(what: str) -> None:
    """Print the pages that the last of twenty tensors of 48 MiB gets from the system."""
    unsettle()

    def faults() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    if what == "keep" and not keep_freed():
        sys.exit("refused")
    before = 0
    for _ in range(20):
        before = faults()
        torch.ones(12, 1 << 20)
    sys.stdout.write(str(faults() - before))


def printed(tmp_path: Path, function: str, *words: str) -> int:
    """Return the number that a function prints in a process where no memory is kept yet."""
    streams = tmp_path / "-".join([function, *words])
    process = start(f"tests.engine.training.test_memory:{function}", *words, streams=streams)
    process.join(timeout=180)
    errors = Path(f"{streams}.err").read_text()
    if errors.strip() == "refused":
        pytest.skip("this glibc (before 2.35) takes no such threshold")
    assert process.exitcode == 0, errors
    return int(Path(f"{streams}.out").read_text())


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own setting")
def test_memory_comes_from_the_system_once(tmp_path: Path) -> None:
    kept, left = (printed(tmp_path, "count_faults", what) for what in ("keep", "leave"))
    # 12288 of 4 KiB, or 24 of 2 MiB.
    assert kept < 12 < left


def test_training_on_a_cpu_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(module, "keep_freed", lambda: asked.append(True))
    module.fit_run(settings_in(tmp_path, epochs=1), tmp_path / "run")
    assert asked == [True]


def test_settings_of_the_user_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert not keep_freed()


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed()


class Cycle:
    itself: Cycle
    much: list[torch.Tensor]


def count_handed_back() -> None:
    """Print the MiB that are handed back after a cycle of 192 MiB is dropped."""
    unsettle()

    def resident() -> int:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) >> 8

    if not keep_freed():
        sys.exit("refused")
    first = Cycle()
    first.itself, first.much = first, [torch.ones(12, 1 << 20) for _ in range(4)]
    del first
    before = resident()
    hand_back()
    sys.stdout.write(str(before - resident()))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own setting")
def test_between_two_runs_it_is_handed_back(tmp_path: Path) -> None:
    assert printed(tmp_path, "count_handed_back") > 150
