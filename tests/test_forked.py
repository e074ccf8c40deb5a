"""Two processes of a test: where one dies, what it wrote is shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.forked import SECONDS, group


def one_dies(rank: int, world: int) -> None:
    if rank == 1:
        raise ValueError("the cause")
    time.sleep(600)


@pytest.mark.ddp
def test_the_cause_is_shown_if_one_dies(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(AssertionError, match=r"process 1 left with 1:[\s\S]*the cause"):
        group("tests.test_forked:one_dies", meet=tmp_path / "meet")
    assert time.monotonic() - start < SECONDS, "the other is not waited for"
