"""Flex-MoE's bank, layer, gate and losses, against the released network's own numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.parity import fixtures
from tests.parity.fixtures import TOLERANCE, classes, difference, normal, numbers, parameter
from torch import Tensor, nn

from dmrnet.modalities import all_combinations
from dmrnet.nn.systems.tokens.flex_moe import FlexMoEMixer, FlexMoEOptions
from dmrnet.objectives.systems.expert_gate import ExpertBalance, ExpertTarget

V, TOKENS, D, EXPERTS, CLASSES = 3, 2, 8, 8, 4
LAYER = "network.0."
GATE = f"{LAYER}mlp.all_gates.0."
PREDICTOR = "network.1.network.0."


def parameters(mixer: FlexMoEMixer, predictor: nn.Linear) -> dict[str, tuple[Tensor, ...]]:
    """Our parameters, or slices of them, by the released name that they are stacked under."""
    (block,) = mixer.blocks
    experts = block.experts.experts
    q, kv = block.attention.qkv.weight.split([D, 2 * D])
    found: dict[str, tuple[Tensor, ...]] = {
        "pos_embed": (mixer.position,),
        f"{LAYER}attn.q.weight": (q,),
        f"{LAYER}attn.kv.weight": (kv,),
        f"{GATE}w_gate": (block.experts.gate.score.weight.T,),
        f"{GATE}w_noise": (block.experts.gate.noise.weight.T,),
    }
    for released, ours in (
        (f"{LAYER}norm1.", [block.norm1]),
        (f"{LAYER}norm2.", [block.norm2]),
        (f"{LAYER}attn.proj.", [block.attention.out]),
        (f"{LAYER}mlp.experts.htoh4.", [expert[0] for expert in experts]),
        (f"{LAYER}mlp.experts.h4toh.", [expert[2] for expert in experts]),
        (PREDICTOR, [predictor]),
    ):
        for name in ("weight", "bias"):
            found[released + name] = tuple(getattr(layer, name) for layer in ours)
    return found


@pytest.fixture
def ours() -> tuple[dict[str, Any], FlexMoEMixer, nn.Linear]:
    """Return the fixture and our layers with its values."""
    released = fixtures.read("flex-moe")
    options = FlexMoEOptions(1, 2, 2, 0.0, EXPERTS, 3, noise=True, doubled=True)
    mixer = FlexMoEMixer([TOKENS] * V, D, options).double()
    predictor = nn.Linear(V * D, CLASSES).double()
    pairs = parameters(mixer, predictor)
    assert set(pairs) == {name for name in released["shapes"] if ".mlp.gate." not in name}
    with torch.no_grad():
        for name, parts in pairs.items():
            value = parameter(name, released["shapes"][name]).reshape(-1, *parts[0].shape)
            for part, own in zip(parts, value, strict=True):
                part.copy_(own)
        mixer.bank.table.copy_(numbers("bank", (2**V, V, TOKENS, D)).flatten(1, 2))
    return released, mixer, predictor


def noise(x: Tensor) -> Tensor:
    """Return the noise of a gate that is called for one modality at a time, by the same rule."""
    one = normal("noise", (7 * TOKENS, EXPERTS)).view(7, 1, TOKENS, EXPERTS)
    return one.expand(-1, V, -1, -1).reshape(x.shape)


def test_logits_and_a_step_are_the_released_ones(ours, monkeypatch: pytest.MonkeyPatch) -> None:
    released, mixer, predictor = ours
    masks = all_combinations(V)
    tokens = torch.cat([numbers(f"tokens {v}", (7, TOKENS, D)) for v in range(V)], 1)
    with torch.no_grad():
        logits = predictor(mixer.eval()(tokens, masks)[0])
    assert difference(logits, released["logits"]) < TOLERANCE

    monkeypatch.setattr(torch, "randn_like", noise)
    mixed, extras = mixer.train()(tokens, masks)
    trained, step = predictor(mixed), released["step"]
    assert difference(trained, step["logits"]) < TOLERANCE
    pass_ = SimpleNamespace(
        mask=masks,
        fused=SimpleNamespace(extras=extras),
        task=SimpleNamespace(per_sample=trained[:, 0]),
    )
    # Released: by the number of samples that lack a modality, six of seven here.
    gate = ExpertTarget(1.0)(pass_) * 7 / 6 + ExpertBalance(1.0)(pass_)
    assert difference(gate, step["gate_loss"]) < TOLERANCE
    loss = nn.functional.cross_entropy(trained, classes("target", (7,), CLASSES)) + 0.01 * gate
    loss.backward()
    assert difference(loss, step["loss"]) < TOLERANCE
    assert difference(mixer.bank.table.grad.norm(), step["bank"]) < TOLERANCE
    theirs = {
        name.replace(".mlp.gate.", ".mlp.all_gates.0."): norm
        for name, norm in step["gradients"].items()
    }
    (block,) = mixer.blocks
    q, kv = block.attention.qkv.weight.grad.split([D, 2 * D])
    own = {f"{LAYER}attn.q.weight": q.norm(), f"{LAYER}attn.kv.weight": kv.norm()}
    gate_grads = {"w_gate": block.experts.gate.score, "w_noise": block.experts.gate.noise}
    own |= {GATE + name: layer.weight.grad.norm() for name, layer in gate_grads.items()}
    for name, parts in parameters(mixer, predictor).items():
        if name not in own:
            own[name] = torch.stack([part.grad.norm() for part in parts]).norm()
    assert own.keys() == theirs.keys()
    for name, norm in own.items():
        assert difference(norm, theirs[name]) < TOLERANCE, name
