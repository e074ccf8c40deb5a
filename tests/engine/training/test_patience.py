"""Training stops when selection waits too long for a better score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmrnet
from dmrnet.settings.training import Training

RNG = np.random.default_rng(0)
NOISE = {"a": RNG.normal(size=(60, 3)), "b": RNG.normal(size=(60, 2))}
MANY: dict[str, Any] = {"max_epochs": 40, "select_times": 40, "threads": 1}


def test_it_stops_after_so_many_selections_without_a_best(tmp_path: Path) -> None:
    data = dmrnet.MultimodalDataset(NOISE, np.arange(60) % 2)
    whole = dmrnet.fit(data, method="sf-md", out=tmp_path / "whole", **MANY)
    short = dmrnet.fit(data, method="sf-md", patience=3, out=tmp_path / "short", **MANY)
    scores = [epoch["val_average"] for epoch in whole.history]
    best, since = 0, 0
    for epoch, score in enumerate(scores):
        best, since = (epoch, 0) if epoch == 0 or score > scores[best] else (best, since + 1)
        if since == 3:
            break
    assert since == 3
    assert len(short.history) == epoch + 1 < 40
    assert short.best_epoch == best
    assert [e["val_average"] for e in short.history] == scores[: epoch + 1]
    rows = (tmp_path / "short" / "results.jsonl").read_text()
    assert f'"metric": "epochs", "value": {epoch + 1}' in rows


def test_patience_needs_a_score_to_wait_for() -> None:
    with pytest.raises(ValueError, match="select must be best or complete"):
        Training(patience=2, select="last")
