from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the pretended worker's module, where a worker process finds it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "workers"))
    return "pretend_worker"
