"""Two processes of a test: if one dies, its error is shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.evaluation.two_processes import SECONDS, two_processes

ONE_DIES = """
if rank == 1:
    raise ValueError("the cause")
import time
time.sleep(600)
"""


@pytest.mark.ddp
def test_the_cause_is_shown_if_one_dies(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(AssertionError, match=r"process 1 left with 1:[\s\S]*the cause"):
        two_processes(ONE_DIES, tmp_path / "meet")
    assert time.monotonic() - start < SECONDS, "the other is not waited for"
