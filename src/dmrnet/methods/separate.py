"""separate: one network for each combination of modalities, each trained by itself (the ceiling).

``2^V - 1`` networks of one family. Network S has its own encoders, trunk and predictor, is trained
on every sample that has all modalities of S, always sees all of them, and predicts for the mask S
alone. They share nothing, nothing is dropped, and the loss is the sum of their losses,

``L = 1/N sum_i sum_S [S is present in i] CE(f_S(x_i), y_i)``;

in dense tasks a sample's loss covers its pixels and scales. With complete data each is what
training on that combination alone gives, except that the same epoch is kept for all; gradients are
clipped network by network. What one model for all combinations can at best be expected to reach
without learning from other combinations; ``unimodal`` is its part of single modalities.

A modality is encoded once for each of its ``2^(V-1)`` networks, so V is at most 4: 15 networks with
32 encoders. On incomplete data a GPU is synchronised once for each network and step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.full import check_undropped
from dmrnet.methods.settings import MethodSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task

MOST = 4
"""Largest number of modalities; 15 networks."""


@dataclass(frozen=True)
class SeparateSettings(MethodSettings):
    """Settings of ``separate``: none of its own."""

    name: ClassVar[str] = "separate"
    summary: ClassVar[str] = "one network per combination, each trained by itself; V of 4 at most"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}}

    encodes: Literal["mask", "present"] = "present"

    @property
    def method_class(self) -> type[Method]:
        """Class of the method."""
        from dmrnet.methods.modules.separate import Separate

        return Separate

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            ValueError: If there are more than four modalities, or the network's main modality is
                not one of them.
        """
        from dmrnet.modalities import all_combinations
        from dmrnet.nn.networks.custom_fusion import sub_network
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.experts.separate import CombinationNetwork, OwnNetwork
        from dmrnet.nn.systems.experts.unimodal import AsLogits, build_experts
        from dmrnet.targets import outputs_of

        check_undropped(self.name, self.encodes)
        names, outputs = task.modalities, outputs_of(task)
        if len(names) > MOST:
            raise ValueError(
                f"separate trains 2^V - 1 networks: expected up to {MOST} modalities, got "
                f"{len(names)} ({2 ** len(names) - 1} networks); choose some of them, or use "
                "unimodal, which trains V networks"
            )
        experts, stride = build_experts(self.network, task)
        networks = []
        for row in all_combinations(len(names)).tolist():
            members = [name for name, seen in zip(names, row, strict=True) if seen]
            if len(members) > 1:
                parts = sub_network(self.network, task, members)
                networks.append(CombinationNetwork(members, parts, outputs, task.dense))
        fusion = OwnNetwork(names, networks, stride)
        parts = NetworkParts(experts, fusion, outputs, AsLogits(task.dense))
        return self.assemble(task, parts)
