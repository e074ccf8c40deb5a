"""Distances between channels of the modalities' maps (Eq. 14-15)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from dmrnet.engine.analysis.base import AnalysisResult, Encoded
from dmrnet.engine.analysis.names import Analysis
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.evaluation import Distances, channel_distance
from dmrnet.evaluation.combinations import rows_at_once
from dmrnet.evaluation.features.channel_distance import BINS, FORMS, DistanceForm
from dmrnet.modalities.names import SEPARATOR
from dmrnet.nn.grid import common_grid, to_grid


class ChannelDistance:
    """Channel distances within each modality of a combination and between each two of them.

    The maps are those of the encoders, which see one modality each, so that no mask changes them:
    the combination says which modalities are compared, on the samples that have all of them.

    A line's combination is the modality, or the two of them; its metrics are the form, and the form
    with ``_deviation`` and ``_undefined`` (the share of entries without a value).

    """

    def __init__(self, run: FinishedRun, analysis: Analysis) -> None:
        self.analysis = analysis
        self.at = analysis.at.to(run.device)
        chosen = zip(run.task.modalities, analysis.at.tolist(), strict=True)
        self.names = [name for name, is_chosen in chosen if is_chosen]
        self.pairs = [(m, n) for k, m in enumerate(self.names) for n in self.names[k:]]
        self.distances: dict[tuple[DistanceForm, str, str], Distances] = {
            (form, *pair): Distances() for form in FORMS for pair in self.pairs
        }

    def add(self, batch: Encoded) -> None:
        """Add the maps of a batch.

        Raises:
            ValueError: If a modality gives a vector.
        """
        rows = (batch.present | ~self.at).all(1).nonzero().squeeze(1)
        maps = {name: batch.maps[name].index_select(0, rows) for name in self.names}
        for name, feature in maps.items():
            if feature.shape[2:].numel() == 1:
                raise ValueError(
                    f"modality {name} gives one position ({feature.shape[1]} x 1 x 1), and the "
                    "channels of a vector have no distance; name the combination of those that "
                    "give maps, as in channel-distance@A+B"
                )
        for m, n in self.pairs:
            first, second = maps[m], maps[n]
            if m != n:
                grid = common_grid([_shape(first), _shape(second)])
                first, second = to_grid(first, grid), to_grid(second, grid)
            for form in FORMS:
                self._add(form, m, n, first, second)

    def _add(self, form: DistanceForm, m: str, n: str, first: Tensor, second: Tensor) -> None:
        # A channel's cosine distance to itself is 0, whatever the channel; as printed it is not.
        itself = m == n and form == "cosine"
        size = rows_at_once(first.shape[1] * second.shape[1])
        for some, others in zip(first.split(size), second.split(size), strict=True):
            self.distances[form, m, n].add(channel_distance(some, others, form), itself)

    def result(self) -> AnalysisResult:
        """Return mean and deviation of every form and pair, and their histograms."""
        result = AnalysisResult(arrays={"edges": np.linspace(0, 2, BINS + 1)})
        for (form, m, n), one in self.distances.items():
            name = m if m == n else f"{m}{SEPARATOR}{n}"
            entries = one.number + one.undefined
            share = one.undefined / entries if entries else float("nan")
            result.lines += [
                (name, form, one.mean, one.samples),
                (name, f"{form}_deviation", one.deviation, one.samples),
                (name, f"{form}_undefined", share, one.samples),
            ]
            result.arrays[f"{form}/{name}"] = one.counts.numpy()
        return result


def _shape(feature: Tensor) -> tuple[int, int, int]:
    _, channels, height, width = feature.shape
    return channels, height, width
