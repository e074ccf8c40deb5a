"""Flex-MoE: learned tokens for what is missing, and sparse experts (Yun et al., NeurIPS 2024).

Each modality's map becomes tokens ``P_v f_v`` (`tokens` at most), with learned positions; a missing
modality's are learned vectors B[S, v], one for each visible combination S. Attention over all of
them is followed by a sparse mixture of experts in place of the feed-forward network: a gate sends
each token to `active` of the `experts`. The tokens of each modality are averaged, and a linear
layer classifies the V averages side by side.

Two terms act on the gate: samples that lack a modality are sent to the expert e(S) of their
combination (`gate_weight`), and the load is spread over the experts (`balance_weight`).

Departures: the released code has B and experts for its four modalities; here beyond eight
modalities B is a sum over the visible ones, since a table would have 2^V rows, and beyond 16
experts several combinations share one. Masks are random instead of given, so nothing is sorted by
the number of modalities in the first epochs; that is ``--drop-after``. Its attention's output
stands for the residual, too (`residual attention`, in ``released``). The paper's text was not
read, so there is no recipe ``paper``. The dense form is ours: as for `transformer`, at each
position of the deepest maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.transformer import TransformerSettings

if TYPE_CHECKING:
    from dmrnet.modalities import Task
    from dmrnet.nn.systems.tokens.tokens import TokenMixer
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class FlexMoESettings(TransformerSettings):
    """Settings of ``flex-moe``.

    Attributes:
        experts: Number of experts; by default one for each combination, up to 16.
        active: Number of experts that a token is sent to; all if there are fewer.
        noise: Whether the gate's logits have noise in training.
        residual: What attention is added to: input (the tokens before it) or attention (its own
            output, as released).
        gate_weight: Weight of sending samples that lack a modality to their combination's expert.
        balance_weight: Weight of an even load of the experts.
    """

    name: ClassVar[str] = "flex-moe"
    summary: ClassVar[str] = (
        "learned tokens for missing modalities, sparse experts (Yun et al. 2024)"
    )
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "released": {
            "encodes": "present",
            "tokens": 16,
            "embed": 128,
            "experts": 16,
            "attention_dropout": 0.5,
            "residual": "attention",
        },
    }

    experts: int | None = None
    active: int = 4
    noise: bool = True
    residual: Literal["input", "attention"] = "input"
    gate_weight: float = 0.01
    balance_weight: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("experts", "active"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"expected {name} of 1 or more, got {value}")
        if self.residual not in ("input", "attention"):
            raise ValueError(f"expected residual as input or attention, got {self.residual!r}")

    def mixer(self, counts: Sequence[int], embed: int) -> TokenMixer:
        """Return the network that reads the tokens."""
        from dmrnet.nn.systems.tokens.flex_moe import FlexMoEMixer, FlexMoEOptions

        options = FlexMoEOptions(
            self.layers,
            self.heads,
            self.ratio,
            self.attention_dropout,
            self.experts,
            self.active,
            self.noise,
            self.residual == "attention",
        )
        return FlexMoEMixer(counts, embed, options)

    def terms(self, task: Task) -> Sequence[Term]:
        """Return the terms on the gates."""
        from dmrnet.objectives.systems.expert_gate import ExpertBalance, ExpertTarget

        return ExpertTarget(self.gate_weight), ExpertBalance(self.balance_weight)
