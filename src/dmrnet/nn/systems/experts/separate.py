"""One network for each combination of modalities; a prediction takes the mask's own network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from dmrnet.modalities import Inputs, Where, index_of
from dmrnet.modalities.names import SEPARATOR
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder, feature_name
from dmrnet.nn.fusion import Fused, Fusion, over_maps
from dmrnet.nn.networks.parts import NetworkParts
from dmrnet.nn.predictor import Output, predict_rows


class CombinationNetwork(nn.Module):
    """Encoders, fusion and predictor of one combination, which always sees all of it.

    Args:
        modalities: Names of the combination's modalities, in order.
        parts: Network of these modalities.
        classes: Number of classes.
        dense: Whether every pixel has a class.
    """

    def __init__(
        self, modalities: Sequence[str], parts: NetworkParts, classes: int, dense: bool
    ) -> None:
        super().__init__()
        self.modalities, self.classes, self.dense = tuple(modalities), classes, dense
        self.encoders = nn.ModuleList(parts.encoders[name] for name in modalities)
        self.fusion = parts.fusion
        self.predictor = parts.predictor

    def forward(self, inputs: Inputs) -> Output:
        """Predict from tensors ``(b, ...)``, one for each modality of the combination."""
        feats: dict[str, Tensor] = {}
        for name, encoder in zip(self.modalities, self.encoders, strict=True):
            if isinstance(encoder, MultiLevelEncoder):
                feats |= encoder.encode(name, inputs[name])
            else:
                feats[name] = encoder(inputs[name])
        first = inputs[self.modalities[0]]
        shape = first.shape[0], len(self.modalities)
        shown = torch.ones(shape, dtype=torch.bool, device=first.device)
        fused: Fused = self.fusion(feats, shown)
        out: Output = self.predictor(fused.map, fused.skips)
        return out

    def encode(self, inputs: Inputs, where: Where) -> dict[str, Tensor]:
        """Return logits of the rows that have the whole combination; the others are zeros.

        Args:
            inputs: Tensors of shape ``(B, ...)``, one for each modality.
            where: Int64 rows in which each modality may be read; None for every row.

        Returns:
            Logits ``(B, M, 1, 1)`` by the combination's name; in dense tasks ``(B, M, H, W)`` as
            level 0 and side logits as further levels (`feature_name`).
        """
        name, tensors = SEPARATOR.join(self.modalities), [inputs[n] for n in self.modalities]
        rows = common_rows([where[n] for n in self.modalities], tensors[0].shape[0])
        outputs = predict_rows(
            self,
            lambda shown: self(dict(zip(self.modalities, shown, strict=True))),
            tensors,
            rows,
            (self.classes, *(tensors[0].shape[2:] if self.dense else ())),
        )
        if not self.dense:
            return {name: outputs[0][..., None, None]}
        return {feature_name(name, level): logits for level, logits in enumerate(outputs)}


def common_rows(lists: Sequence[Tensor | None], size: int) -> Tensor | None:
    """Return the row numbers that are in every list, int64 ``(b,)``, or None for every row.

    With two or more lists a GPU is synchronised, since the number of common rows is not known.

    Args:
        lists: Distinct int64 row numbers, or None for every row.
        size: Number of rows, B.

    >>> common_rows([None, torch.tensor([0, 2]), torch.tensor([1, 2])], 3).tolist()
    [2]
    """
    known = [rows for rows in lists if rows is not None]
    if len(known) < 2:
        return known[0] if known else None
    times = torch.bincount(torch.cat(known), minlength=size)
    return (times == len(known)).nonzero().squeeze(1)


class OwnNetwork(Fusion):
    """Selects the logits of the network of each sample's mask.

    Args:
        modalities: Names in the order of mask columns.
        networks: Networks of the combinations of two or more modalities.
        stride: Stride of the networks in a dense task; None for classification.
    """

    def __init__(
        self,
        modalities: Sequence[str],
        networks: Sequence[CombinationNetwork],
        stride: int | None = None,
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.networks = nn.ModuleList(networks)
        self.dense = stride is not None
        self.stride = stride or 1

    def combinations(self) -> Iterator[tuple[int, str]]:
        """Return the index of Eq. 10 and the name of every combination."""
        for j in range(1, 2 ** len(self.modalities)):
            yield j, SEPARATOR.join(m for v, m in enumerate(self.modalities) if j >> v & 1)

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        """Select logits ``(B, M, 1, 1)`` or ``(B, M, H, W)`` under bool ``(B, V)``."""
        index = index_of(mask)
        logits: Tensor | None = None
        for j, name in self.combinations():
            own = feats.get(feature_name(name, 0) if self.dense else name)
            if own is not None:  # networks may be left out for deployment
                rest = own.new_zeros(()) if logits is None else logits
                logits = torch.where(over_maps(index == j, own), own, rest)
        assert logits is not None
        return Fused(logits)

    def restrict(self, modalities: Sequence[str]) -> bool:
        """Drop the networks of all other combinations; masks stay those of all modalities."""
        kept = [net for net in self.networks if net.modalities == tuple(modalities)]
        self.networks = nn.ModuleList(kept)
        return False
