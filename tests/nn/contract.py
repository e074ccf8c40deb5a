"""Promises of every network, as a base class of their tests."""

from __future__ import annotations

import copy
import math
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.fusion import masked

if TYPE_CHECKING:
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts


class Assembled(nn.Module):
    """A network without representation, on the dense path used for export."""

    def __init__(self, task: Task, parts: NetworkParts) -> None:
        super().__init__()
        self.names = task.modalities
        self.encoders = nn.ModuleDict(parts.encoders)
        self.fusion = parts.fusion
        self.predictor = parts.predictor

    def encode(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        feats: dict[str, Tensor] = {}
        for name in self.names:
            encoder = self.encoders[name]
            if isinstance(encoder, MultiLevelEncoder):
                feats |= encoder.encode(name, inputs[name])
            else:
                feats[name] = encoder(inputs[name])
        return feats

    def output(self, inputs: dict[str, Tensor], mask: Tensor):
        seen = zip(self.names, mask.unbind(1), strict=True)
        feats = self.encode({name: masked(inputs[name], column) for name, column in seen})
        fused = self.fusion(feats, mask)
        return self.predictor(fused.map, fused.skips)

    def forward(self, inputs: dict[str, Tensor], mask: Tensor) -> Tensor:
        return self.output(inputs, mask).logits


def parameters(parts: NetworkParts) -> int:
    """Return the number of trainable parameters."""
    modules = (*parts.encoders.values(), parts.fusion, parts.predictor)
    return sum(p.numel() for module in modules for p in module.parameters())


def of_modality(key: str, name: str) -> bool:
    """Return whether a feature belongs to a modality, by its name or its name and a level."""
    return key == name or key.startswith(f"{name}.")


@lru_cache(maxsize=1)
def made(case: type[NetworkContract]) -> tuple[Task, Assembled]:
    """Return the network of a test class; its tests get copies, since building is slow."""
    task, parts = case().network()
    return task, Assembled(task, parts).eval()


class NetworkContract:
    """A subclass defines a small network of at least two modalities."""

    def network(self) -> tuple[Task, NetworkParts]:
        raise NotImplementedError

    @pytest.fixture
    def task(self) -> Task:
        return made(type(self))[0]

    @pytest.fixture
    def net(self) -> Assembled:
        return copy.deepcopy(made(type(self))[1])

    def inputs(self, task: Task, batch: int) -> dict[str, Tensor]:
        return {m.name: torch.randn(batch, *m.shape) for m in task.inputs}

    def mask(self, task: Task, batch: int) -> Tensor:
        """All combinations of the first two, in turn, and everything else."""
        mask = torch.ones(batch, len(task.modalities), dtype=torch.bool)
        mask[1::3, 0] = False
        mask[2::3, 1] = False
        return mask

    @pytest.mark.parametrize("training", [False, True])
    def test_a_hidden_feature_changes_nothing_and_gets_no_gradient(
        self, task, net, training
    ) -> None:
        """Neither NaN nor infinity, of which each modality has both."""
        mask = self.mask(task, 6)
        feats = {k: v.detach() for k, v in net.encode(self.inputs(task, 6)).items()}
        spoiled = {k: v.clone() for k, v in feats.items()}
        for name, column in zip(task.modalities, mask.unbind(1), strict=True):
            for key in spoiled:
                if of_modality(key, name):
                    spoiled[key][~column] = math.nan
                    spoiled[key][3:][~column[3:]] = math.inf
                    spoiled[key].requires_grad_()
        net.fusion.train(training)
        clean, dirty = net.fusion(feats, mask), net.fusion(spoiled, mask)
        for a, b in zip((clean.map, *clean.skips), (dirty.map, *dirty.skips), strict=True):
            assert torch.isfinite(b).all()
            torch.testing.assert_close(a, b, rtol=0, atol=0)
        sum(part.square().sum() for part in (dirty.map, *dirty.skips)).backward()
        for name, column in zip(task.modalities, mask.unbind(1), strict=True):
            for key, value in spoiled.items():
                if of_modality(key, name):
                    assert value.grad is not None
                    assert (value.grad[~column] == 0).all(), key
                    assert (value.grad[column] != 0).any(), key

    def test_a_hidden_input_changes_nothing(self, task, net) -> None:
        mask = self.mask(task, 6)
        inputs = self.inputs(task, 6)
        spoiled = {name: value.clone() for name, value in inputs.items()}
        for name, column in zip(task.modalities, mask.unbind(1), strict=True):
            spoiled[name][~column] = math.nan
        torch.testing.assert_close(net(inputs, mask), net(spoiled, mask), rtol=0, atol=0)

    @pytest.mark.parametrize("hidden", [0, 1])
    def test_encoders_hidden_in_all_samples_get_zero_gradients(self, task, net, hidden) -> None:
        mask = torch.ones(3, len(task.modalities), dtype=torch.bool)
        mask[:, hidden] = False
        out = net.train().output(self.inputs(task, 3), mask)
        sum(part.square().sum() for part in (out.logits, *out.side)).backward()
        for v, name in enumerate(task.modalities):
            grads = [p.grad for p in net.encoders[name].parameters()]
            assert any(g is not None and (g != 0).any() for g in grads) == (v != hidden), name

    def test_every_parameter_has_a_gradient_if_everything_is_visible(self, task, net) -> None:
        out = net.train().output(
            self.inputs(task, 4), torch.ones(4, len(task.modalities), dtype=torch.bool)
        )
        sum(part.square().sum() for part in (out.logits, *out.side)).backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name

    def test_samples_do_not_mix_at_inference(self, task, net) -> None:
        inputs, mask = self.inputs(task, 3), self.mask(task, 3)
        together = net(inputs, mask)
        for i in range(3):
            alone = net({n: x[i : i + 1] for n, x in inputs.items()}, mask[i : i + 1])
            torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-5)

    def test_one_sample_can_be_trained_on(self, task, net) -> None:
        out = net.train().output(self.inputs(task, 1), self.mask(task, 1))
        assert all(torch.isfinite(part).all() for part in (out.logits, *out.side))

    def test_half_precision_is_close(self, task, net) -> None:
        inputs, mask = self.inputs(task, 3), self.mask(task, 3)
        full = net(inputs, mask)
        with torch.autocast("cpu", torch.bfloat16):
            half = net(inputs, mask)
            out = net.train().output(inputs, mask)
        assert half.dtype == torch.bfloat16
        assert (half.float() - full).abs().max() <= 0.05 * full.abs().max()
        sum(part.float().square().sum() for part in (out.logits, *out.side)).backward()
        assert all(torch.isfinite(p.grad).all() for p in net.parameters())

    @pytest.mark.slow
    def test_inference_is_exported_for_any_batch(self, task, net) -> None:
        inputs, mask = self.inputs(task, 2), self.mask(task, 2)
        batch = torch.export.Dim("batch", min=1, max=64)
        program = torch.export.export(
            net,
            (inputs, mask),
            dynamic_shapes=({name: {0: batch} for name in inputs}, {0: batch}),
        )
        exported = program.module()
        for size in (1, 5):
            inputs, mask = self.inputs(task, size), self.mask(task, size)
            torch.testing.assert_close(
                exported(inputs, mask), net(inputs, mask), rtol=1e-4, atol=1e-5
            )
