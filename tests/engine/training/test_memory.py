"""What a step frees is kept for the next one."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engine.runs import settings_in

from dmrnet.engine import fit as module
from dmrnet.engine.training.memory import CHOSEN, keep_freed

FAULTS = """
import resource, sys
import torch
from dmrnet.engine.training.memory import keep_freed

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep" and not keep_freed():
    sys.exit("refused")
for _ in range(20):
    before = faults()
    torch.ones(12, 1 << 20)
print(faults() - before)
"""
"""Counts the pages that the last of twenty tensors of 48 MiB gets from the system."""


def printed(script: str, *words: str) -> int:
    """Return the number that a script prints where nobody has settled how memory is kept."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        env={name: value for name, value in os.environ.items() if name not in CHOSEN},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stderr.strip() == "refused":
        pytest.skip("this glibc (before 2.35) takes no such threshold")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own setting")
def test_memory_comes_from_the_system_once() -> None:
    # 12288 of 4 KiB, or 24 of 2 MiB.
    assert printed(FAULTS, "keep") < 12 < printed(FAULTS, "leave")


def test_training_on_a_cpu_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(module, "keep_freed", lambda: asked.append(True))
    module.fit_run(settings_in(tmp_path, epochs=1), tmp_path / "run")
    assert asked == [True]


def test_what_the_user_settled_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert not keep_freed()


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed()


BETWEEN = """
import torch
from dmrnet.engine.training.memory import hand_back, keep_freed

def resident():
    pages = open("/proc/self/statm").read().split()[1]
    return int(pages) >> 8

if not keep_freed():
    raise SystemExit("refused")
class Cycle:
    pass
first = Cycle()
first.itself, first.much = first, [torch.ones(12, 1 << 20) for _ in range(4)]
del first
before = resident()
hand_back()
print(before - resident())
"""
"""Counts the MiB that 192 in a cycle leave behind, and that are handed back."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own setting")
def test_between_two_runs_it_is_handed_back() -> None:
    assert printed(BETWEEN) > 150
