"""Flex-MoE's released network and gate, with the gate that it inherits from FastMoE.

``PYTHONPATH=. python tests/parity/make/flex_moe.py CLONE FASTMOE`` with clones of the repositories
in `SOURCE` writes ``flex-moe.json``. FastMoE's kernels run on GPUs only: a loop over experts stands
for them.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from tests.parity.fixtures import classes, fill, gradient_norms, numbers, write
from tests.parity.make.common import on_the_cpu, without
from torch import Tensor, nn

SOURCE = "UNITES-Lab/flex-moe@2168807, laekov/fastmoe@ee3c561"
MODALITIES, TOKENS, CHANNELS, EXPERTS, ACTIVE, CLASSES = 3, 2, 8, 8, 3, 4
COMBINATIONS = torch.arange(1, 8)
"""Every combination of three modalities, by the index of Eq. 10."""


class Layers(nn.Module):
    """Stands for FastMoE's linear layer of all experts."""

    def __init__(self, experts: int, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, after, before))
        self.bias = nn.Parameter(torch.empty(experts, after))


class Expert(nn.Module):
    """Stands for FastMoE's two layers of all experts, on tokens sorted by expert."""

    def __init__(self, experts: int, before: int, inner: int, activation: nn.Module, rank: int):
        super().__init__()
        self.htoh4, self.h4toh = Layers(experts, before, inner), Layers(experts, inner, before)
        self.activation = activation

    def forward(self, tokens: Tensor, counts: Tensor) -> Tensor:
        """Run each expert on its tokens."""
        found = []
        for e, part in enumerate(tokens.split(counts.tolist())):
            hidden = self.activation(part @ self.htoh4.weight[e].T + self.htoh4.bias[e])
            found.append(hidden @ self.h4toh.weight[e].T + self.h4toh.bias[e])
        return torch.cat(found)


def dispatched(
    tokens: Tensor,
    chosen: Tensor,
    run: Callable[[Tensor, Tensor], Tensor],
    number: int,
    *_: Any,
    **__: Any,
) -> Tensor:
    """Stands for FastMoE's kernels: each token's experts in turn, ``(N K, D)``."""
    order = chosen.flatten().argsort(stable=True)
    counts = chosen.flatten().bincount(minlength=number)
    out = run(tokens[order // chosen.shape[1]], counts)
    return torch.zeros_like(out).index_copy(0, order, out)


def stand_in(fastmoe: Path) -> None:
    """Make FastMoE's own gates importable without its kernels."""
    without("fmoe.functions", "tree")
    sys.modules["tree"].map_structure = lambda function, tensor: function(tensor)  # type: ignore[attr-defined]
    sys.modules["tree"].flatten = lambda structure: [structure]  # type: ignore[attr-defined]
    for name, path in {"fmoe": "fmoe", "fmoe.gates": "fmoe/gates"}.items():
        package = types.ModuleType(name)
        package.__path__ = [str(fastmoe / path)]
        sys.modules[name] = package
    from fmoe.gates.noisy_gate import NoisyGate

    parts = {
        "fmoe.gates": {"NoisyGate": NoisyGate, "NaiveGate": MagicMock()},
        "fmoe.transformer": {"_Expert": Expert},
        "fmoe.layers": {
            "FMoE": nn.Module,
            "_fmoe_general_global_forward": dispatched,
            "mark_module_parallel_comm": MagicMock(),
        },
    }
    for name, content in parts.items():
        module = sys.modules.setdefault(name, types.ModuleType(name))
        vars(module).update(content)


def main(folder: Path, fastmoe: Path) -> None:
    """Write the fixture."""
    on_the_cpu()
    stand_in(fastmoe)
    sys.path.insert(0, str(folder))
    from models import FlexMoE

    model = FlexMoE(
        MODALITIES, 0, TOKENS, CHANNELS, CLASSES, 1, 1, EXPERTS, 1, ACTIVE, num_heads=2, dropout=0.0
    )
    shapes = fill(model)
    bank = nn.Parameter(numbers("bank", (2**MODALITIES, MODALITIES, TOKENS, CHANNELS)))
    # Numbers of combinations are the released code's own affair, but for the full one's, 0.
    index = COMBINATIONS % 7
    target = classes("target", (7,), CLASSES)

    def inputs() -> list[Tensor]:
        found = []
        for v in range(MODALITIES):
            own = numbers(f"tokens {v}", (7, TOKENS, CHANNELS))
            shown = (COMBINATIONS >> v & 1).bool()
            found.append(torch.where(shown[:, None, None], own, bank[COMBINATIONS, v]))
        return found

    with torch.no_grad():
        logits = model.eval()(*inputs(), expert_indices=index)
    model.gate_loss()
    trained = model.train()(*inputs(), expert_indices=index)
    gate_loss = model.gate_loss()
    loss = nn.functional.cross_entropy(trained, target) + 0.01 * gate_loss
    loss.backward()
    step = {
        "logits": trained,
        "gate_loss": gate_loss,
        "loss": loss,
        "gradients": gradient_norms(model),
        "bank": bank.grad.norm(),  # type: ignore[union-attr]
    }
    write("flex-moe", SOURCE, shapes=shapes, logits=logits, step=step)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
