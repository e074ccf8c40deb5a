"""Opening what is explored: a run with its samples, a run whose data are gone, a file."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from tests.deploy.conftest import RUNS

from dmrnet.cli import main
from dmrnet.data.dataset import ArrayDataset
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.explore import run as opening
from dmrnet.explore.run import _samples, open_explored
from dmrnet.explore.samples import SCALED, Samples
from dmrnet.serve import ServedModel

from .conftest import EVIL, TASK


def failing(run: FinishedRun, dataset: ArrayDataset, *splits: str) -> Any:
    """A run whose samples of some splits are gone."""

    def samples(split: str, test: str | None = None) -> ArrayDataset:
        if split in splits:
            raise {"test": FileNotFoundError, "val": ModuleNotFoundError}[split](f"no\n{split}")
        return dataset

    return SimpleNamespace(samples=samples, task=run.task, standardiser=run.standardiser)


def test_validation_samples_stand_in_for_test_samples(
    run: FinishedRun, dataset: ArrayDataset
) -> None:
    found = [_samples(failing(run, dataset, *gone), None) for gone in ((), ("test",))]
    assert [one.split for one, _ in found if one is not None] == ["test", "val"]
    assert _samples(failing(run, dataset, "test", "val"), None) == (None, "no test")
    # A file that the user names is not replaced by another.
    with pytest.raises(FileNotFoundError, match="no\ntest"):
        _samples(failing(run, dataset, "test"), "mine.npz")


def test_a_run_is_opened_with_its_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ServedModel
) -> None:
    # The graph does not matter here.
    monkeypatch.setattr(opening, "model_of", lambda run, threads: model)
    shutil.copytree(RUNS / "arrays-dmrnet", tmp_path / "run")
    alone = open_explored(tmp_path / "run")
    assert alone.samples is None
    assert alone.without
    explored = open_explored(RUNS / "arrays-dmrnet", test=str(RUNS / "data" / "test.npz"))
    assert explored.samples is not None
    with np.load(RUNS / "data" / "test.npz") as arrays:
        inputs, present = explored.samples.take(np.arange(len(arrays["y"])))
        for column, name in enumerate(("sound", "image")):
            there = ~np.isnan(arrays[name]).reshape(len(arrays["y"]), -1).any(1)
            np.testing.assert_array_equal(present[:, column], there)
            np.testing.assert_allclose(
                inputs[name][there], arrays[name][there], rtol=1e-4, atol=1e-4
            )
        assert [explored.samples.truth(k) for k in range(5)] == [*map(str, arrays["y"][:5])]


def test_without_a_standardiser_deviations_are_those_of_samples(run: FinishedRun) -> None:
    draw = np.random.default_rng(0)
    arrays = {
        "wave": 5 + 3 * draw.normal(size=(70, 2, 6)),
        EVIL: draw.normal(size=(70, 1, 8, 8)),
        "clock": 1e5 + 500 * draw.normal(size=(70, 3)),
    }
    arrays["wave"][3, 1, 2:] = np.nan
    present = torch.rand(70, 3, generator=torch.Generator().manual_seed(0)) < 0.7
    present[:, 1] = False
    present[:, 0] |= ~present.any(1)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    dataset = ArrayDataset(TASK, tensors, present, torch.arange(70) % 3)
    samples = Samples(replace(run, standardiser=None), dataset, "test")
    for column, name in enumerate(("wave", EVIL, "clock")):
        mean, deviation = samples.scale(name)
        there = arrays[name][present[:, column].numpy()]
        if not len(there):
            assert (mean.tolist(), deviation.tolist()) == ([0], [1])
            continue
        assert len(there) <= SCALED
        across = (0, 2) if there.ndim == 3 else 0
        np.testing.assert_allclose(mean, np.nanmean(there, across), rtol=1e-5)
        np.testing.assert_allclose(deviation, np.nanstd(there, across), rtol=1e-4)


def test_a_file_has_no_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "load_file", lambda path, threads: "graph")
    (tmp_path / "model.onnx").write_bytes(b"")
    found = open_explored(tmp_path)
    assert (found.samples, found.without) == (None, "an exported file has no samples")
    with pytest.raises(ValueError, match="read by a run"):
        open_explored(tmp_path / "model.onnx", test="test.npz")


def test_the_command_serves_the_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: ServedModel
) -> None:
    asked: list[Any] = []

    def run_server(app: Any, listener: Any, limits: Any) -> None:
        port = listener.getsockname()[1]
        # What is printed may be asked at once.
        with socket.create_connection(("127.0.0.1", port)):
            pass
        with TestClient(app, base_url=f"http://127.0.0.1:{port}") as client:
            asked.extend([port, limits.batch, client.get("/explore").json()["samples"]])
            other = client.get("/explore", headers={"host": "evil.example"})
            asked.append(other.status_code)

    monkeypatch.setattr(opening, "model_of", lambda run, threads: model)
    monkeypatch.setattr("dmrnet.serve.server.run_server", run_server)
    monkeypatch.delenv("DMRNET_TOKEN", raising=False)
    test = str(RUNS / "data" / "test.npz")
    words = ["explore", str(RUNS / "arrays-dmrnet"), "--test", test, "--port", "0", "--batch", "4"]
    assert main(words) == 0
    port, batch, samples, status = asked
    said = capsys.readouterr().out
    assert f"open http://127.0.0.1:{port}/ in a browser" in said
    assert f"{samples['number']} test samples" in said
    assert (batch, status) == (4, 421)
