"""A checkpoint held in memory keeps the weights of its epoch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.training.checkpoints import OURS, PREFIX, Checkpoints, WholeFiles
from dmrnet.engine.training.optim import build_optimizer
from dmrnet.methods import build_method
from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network
from dmrnet.settings.training import Training


@pytest.mark.parametrize("hold", [True, False])
def test_the_weights_of_the_epoch_are_written(tmp_path: Path, hold: bool) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model[0].weight.data = model[0].weight.data.t().contiguous().t()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)

    def step() -> None:
        model(torch.randn(4, 2)).square().sum().backward()
        optimizer.step()

    step()
    numbers = {"best": [1], "seen": (1, {"n": 2})}
    checkpoint = {
        "dmrnet": numbers,
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    wanted = tmp_path / "wanted"
    torch.save(checkpoint, wanted)
    files = WholeFiles()
    files.hold = hold
    files.save_checkpoint(checkpoint, tmp_path / "kept")
    assert (tmp_path / "kept").exists() != hold
    step()
    numbers["best"].append(2)
    numbers["seen"][1]["n"] = 3
    files.write_held()
    kept, before = files.load_checkpoint(tmp_path / "kept"), torch.load(wanted, weights_only=True)
    assert kept["dmrnet"] == before["dmrnet"] == {"best": [1], "seen": (1, {"n": 2})}
    assert kept["state_dict"]._metadata == before["state_dict"]._metadata
    for name, value in before["state_dict"].items():
        assert torch.equal(kept["state_dict"][name], value)
        assert kept["state_dict"][name].stride() == value.stride()
    momenta = zip(
        kept["optimizer"]["state"].values(), before["optimizer"]["state"].values(), strict=True
    )
    assert all(torch.equal(a["momentum_buffer"], b["momentum_buffer"]) for a, b in momenta)
    assert kept["optimizer"]["param_groups"] == before["optimizer"]["param_groups"]


def test_a_run_whose_other_parameters_were_decayed_does_not_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Earlier versions decayed biases of two dimensions."""
    task = Task((Modality("a", "vector", (3,)), Modality("b", "vector", (3,))), ("x", "y"))
    method = build_method("rfnet", task, network=Network(width=8))
    optimizer = build_optimizer(method, Training().sized(100)).state_dict()
    checkpoints = Checkpoints(RunFolder(tmp_path))
    file = checkpoints.folder.checkpoints / "epoch-00001.ckpt"
    file.parent.mkdir(parents=True)
    content = {
        OURS: {},
        "state_dict": {PREFIX + name: value for name, value in method.state_dict().items()},
        "optimizer_states": [optimizer],
    }
    torch.save(content, file)
    assert checkpoints.newest(method) is not None
    decayed, others = (group["params"] for group in optimizer["param_groups"])
    decayed.append(others.pop())
    torch.save(content, file)
    assert checkpoints.newest(method) is None
    assert "another version decayed other parameters" in caplog.text
