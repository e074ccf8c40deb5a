"""Runs that name no method: the same as those that name it, whatever the data are like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dmrnet
from dmrnet.data.sets.arrays import Arrays
from dmrnet.engine.default import with_method
from dmrnet.engine.fit import fit_run
from dmrnet.settings.config import parse_run, read_config

from .runs import result_of, settings_in
from .test_old_runs import OLD_RUNS

RNG = np.random.default_rng(0)
Y = np.arange(36) % 3
TINY: dict[str, Any] = {"max_epochs": 1, "threads": 1}


def vector(width: int = 3) -> np.ndarray:
    return RNG.normal(size=(36, width)) + Y[:, None]


def test_it_is_the_run_that_names_it_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, load = [], Arrays.load
    monkeypatch.setattr(Arrays, "load", lambda self, seed: loads.append(seed) or load(self, seed))
    unnamed = settings_in(tmp_path, method="auto", epochs=1)
    fit_run(unnamed, tmp_path / "unnamed")
    assert loads == [0]
    fit_run(settings_in(tmp_path, method="experts", epochs=1), tmp_path / "named")
    results = [result_of(tmp_path / name) for name in ("unnamed", "named")]
    assert results[0] == results[1]
    texts = [(tmp_path / name / "config.yaml").read_text() for name in ("unnamed", "named")]
    assert texts[0] == texts[1]
    assert read_config(tmp_path / "unnamed" / "config.yaml").method.name == "experts"
    given = [str(tmp_path / f"{part}.npz") for part in ("train", "val", "test")]
    training = {"max_epochs": 1, "batch_size": 13, "lr": 0.05, "select_times": 3}
    how = dmrnet.method("auto").recipe("best", network=unnamed.method.network)
    dmrnet.fit(*given, method=how, out=tmp_path / "python", accelerator="cpu", **training)
    assert result_of(tmp_path / "python") == results[0]


def test_a_run_of_an_earlier_default_goes_on_with_its_own() -> None:
    """Without reading the data, which may be gone."""
    folder = OLD_RUNS / "arrays-dmrnet"
    settings = parse_run(["--data", "arrays", "--data.train", "gone.npz"])
    found = with_method(settings, folder)
    assert found.settings.method.name == "dmrnet"
    assert found.splits is None
    assert f"as the run in {folder}" in str(found.default)


def test_a_run_of_another_method_is_not_taken_for_the_default(tmp_path: Path) -> None:
    fit_run(settings_in(tmp_path, method="sf-md", epochs=1), tmp_path / "run")
    with pytest.raises(ValueError, match=r"method\.name \(there sf-md, now experts\)"):
        fit_run(settings_in(tmp_path, method="auto", epochs=1), tmp_path / "run")


def awkward() -> dmrnet.MultimodalDataset:
    """Rows without a modality, missing cells, sequences of several lengths, weights, one image."""
    table = vector()
    table[::4], table[1, 0] = np.nan, np.nan
    steps = [None if i % 5 == 0 else RNG.normal(size=(2, 4 + i % 3)) for i in range(36)]
    image = RNG.normal(size=(36, 1, 8, 8))
    inputs = {"table": table, "steps": steps, "image": image}
    return dmrnet.MultimodalDataset(inputs, Y, weights=Y != 1)


def one_by_one() -> dmrnet.LazyDataset:
    rows = [({"a": a, "b": None if i % 3 else a[:2]}, i % 2) for i, a in enumerate(vector())]
    return dmrnet.LazyDataset(rows)


class Words(torch.nn.Module):
    """Encodes texts as numbers of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.EmbeddingBag(9, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.table(x.round().long())


class Mean(torch.nn.Module):
    def forward(self, feats: dict[str, torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
        return sum(feats.values()) / mask.sum(1)[:, None, None, None]


def many(number: int, y: np.ndarray = Y) -> dmrnet.MultimodalDataset:
    return dmrnet.MultimodalDataset({f"m{i}": vector(2) for i in range(number)}, y)


@pytest.mark.parametrize(
    ("data", "how", "expected"),
    [
        (awkward, {"cells": "mean+indicator"}, "experts"),
        (one_by_one, {}, "experts"),
        pytest.param(lambda: many(20), {}, "experts", marks=pytest.mark.slow),
        (lambda: many(1, RNG.normal(size=36)), {}, "dmrnet"),
        (lambda: many(2), {"fusion": Mean}, "dmrnet"),
        (lambda: many(2), {"recipe": "paper"}, "dmrnet"),
        (
            lambda: dmrnet.MultimodalDataset({"a": vector(), "w": RNG.integers(0, 9, (36, 5))}, Y),
            {"encoders": {"w": Words}, "unscaled": ["w"], "class_weights": "balanced"},
            "experts",
        ),
    ],
    ids=["awkward", "lazy", "20", "numbers", "fusion", "recipe", "words"],
)
def test_it_works_on_all_that_the_default_may_meet(data: Any, how: Any, expected: str) -> None:
    run = dmrnet.fit(data(), **TINY, **how)
    assert read_config(Path(run.path) / "config.yaml").method.name == expected


def test_more_modalities_than_any_method_can_have_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 to 62 modalities, got 64"):
        dmrnet.fit(many(64), **TINY)
