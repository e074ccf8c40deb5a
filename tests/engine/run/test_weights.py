"""Weights as safetensors: whole, free of code, and of the right method."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from dmrnet.engine.run.weights import load_weights, save_weights
from dmrnet.methods import build_method
from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network

TASK = Task((Modality("a", "vector", (3,)), Modality("b", "vector", (2,))), ("no", "yes"))


def test_saved_weights_are_loaded(tmp_path: Path) -> None:
    one, two = build_method("dmrnet", TASK), build_method("dmrnet", TASK)
    one.hard_set().fill_(True)
    save_weights(one, tmp_path / "w.safetensors")
    load_weights(two, tmp_path / "w.safetensors")
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name
    assert bool(two.hard_set().all())
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("other", ["sf-md", "head-only", "dmr"])
def test_weights_of_another_method_are_refused_in_one_line(tmp_path: Path, other: str) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(build_method(other, TASK), path)
    with pytest.raises(ValueError, match=r"w\.safetensors does not fit the run's method") as caught:
        load_weights(build_method("dmrnet", TASK), path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).partition("method: ")[2]) < 120
    assert "it lacks" in str(caught.value)


def test_weights_of_another_task_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(build_method("sf-md", TASK), path)
    wider = Task((Modality("a", "vector", (4,)), TASK.inputs[1]), TASK.classes)
    with pytest.raises(ValueError, match=r"method: encoders\.0.* is \(.*, 3\), not") as caught:
        load_weights(build_method("sf-md", wider), path)
    assert "\n" not in str(caught.value)


def test_weights_of_small_encoders_where_a_timm_one_is_named_come_with_a_remedy(tmp_path) -> None:
    """Dense runs of methods that once ignored the setting have such weights."""
    path = tmp_path / "w.safetensors"
    images = tuple(Modality(name, "image", (1, 16, 16)) for name in "ab")
    task = Task(images, TASK.classes, dense=True)
    timm, small = (Network(width=16, encoder=e) for e in ("timm:test_resnet", "auto"))
    save_weights(build_method("rfnet", task, network=small), path)
    with pytest.raises(ValueError, match=r"remove encoder from the run's config\.yaml") as caught:
        load_weights(build_method("rfnet", task, network=timm), path)
    assert "\n" not in str(caught.value)
    save_weights(build_method("rfnet", task, network=timm), path)
    with pytest.raises(ValueError, match="does not fit") as caught:
        load_weights(build_method("dmrnet", task, network=timm), path)
    assert "config.yaml" not in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    method = build_method("sf-md", TASK)
    path = tmp_path / "w.safetensors"
    with pytest.raises(FileNotFoundError, match="there are no weights at"):
        load_weights(method, path)
    save_weights(method, path)
    whole = path.read_bytes()
    for data in (b"", whole[:40], whole[: len(whole) // 2], pickle.dumps({"a": 1})):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="is corrupt or no safetensors file"):
            load_weights(method, path)
