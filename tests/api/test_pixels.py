"""Images with a class for every pixel, as arrays of Python and in plain files of arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmrnet

RNG = np.random.default_rng(0)
Y = np.zeros((10, 32, 32), dtype=np.int64)
Y[:, 8:20], Y[:, 20:] = 1, 4
NUMBERS = (0, 1, 4)
IMAGES = {
    "rgb": (Y[:, None] + RNG.normal(size=(10, 1, 32, 32)) * 0.3).astype(np.float32),
    "depth": RNG.normal(size=(10, 32, 32)).astype(np.float32),
}
SMALL = dmrnet.method("sf-md").recipe("best", network=dmrnet.nn.Network(width=16))
HOW: dict[str, Any] = {"method": SMALL, "max_epochs": 2, "threads": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dmrnet.Run:
    folder = tmp_path_factory.mktemp("pixels")
    return dmrnet.fit(dmrnet.MultimodalDataset(IMAGES, Y), out=folder / "run", **HOW)


def test_data_of_python_train_and_are_scored_by_miou(run: dmrnet.Run) -> None:
    assert any("0, 1, 4: read as 3 classes, 4 is the third" in note for note in run.notes)
    data = dmrnet.MultimodalDataset(IMAGES, Y)
    scores = run.evaluate(data)
    assert scores.metric == "miou"
    # What is read does not change the user's data.
    assert run.evaluate(data)["rgb"] == scores["rgb"]


def test_labels_are_predicted_as_given(run: dmrnet.Run) -> None:
    maps = run.predict({"rgb": IMAGES["rgb"]})
    found, true = (np.stack([side == number for number in NUMBERS]) for side in (maps, Y))
    overlaps = (found & true).sum((1, 2, 3)) / (found | true).sum((1, 2, 3))
    scores = run.evaluate(dmrnet.MultimodalDataset(IMAGES, Y))
    assert np.mean(overlaps) == pytest.approx(scores["rgb"], abs=1e-6)
    assert np.mean(overlaps) > 0.3


def test_probabilities_of_pixels_decide_the_labels(run: dmrnet.Run) -> None:
    inputs = {"rgb": IMAGES["rgb"][:3], "depth": IMAGES["depth"][:3]}
    found = run.predict_proba(inputs)
    assert found.shape == (3, 3, 32, 32)
    assert found.dtype == np.float32
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    assert np.array_equal(np.array(NUMBERS)[found.argmax(1)], run.predict(inputs))
    alone = run.predict_proba(inputs, combination="rgb")
    assert np.allclose(alone, run.predict_proba({"rgb": inputs["rgb"]}), atol=1e-6)


def test_a_file_of_arrays_trains_the_same(run: dmrnet.Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **IMAGES, y=Y)
    other = dmrnet.fit(tmp_path / "a.npz", **HOW)
    assert other.validation["rgb"] == run.validation["rgb"]
    scores = run.evaluate(dmrnet.MultimodalDataset(IMAGES, Y))
    assert other.evaluate(tmp_path / "a.npz")["rgb"] == scores["rgb"]
    with pytest.raises(ValueError, match="expected refuse, mean, median, zero"):
        dmrnet.fit(tmp_path / "a.npz", cells="mean+indicator", **HOW)


def test_labels_beyond_a_byte_are_predicted_as_given() -> None:
    far = np.where(Y == 4, 1000, Y)
    run = dmrnet.fit(dmrnet.MultimodalDataset(IMAGES, far), **HOW | {"max_epochs": 1})
    assert set(np.unique(run.predict({"rgb": IMAGES["rgb"][:2]}))) <= {0, 1, 1000}
