"""Analyses that put samples through a method: its maps and its embeddings, encoded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.analysis.names import Analysis
from dmrnet.engine.analysis.rows import Found, of_angles, of_distances
from dmrnet.engine.finished import FinishedRun
from dmrnet.engine.scoring import NUMBERS_AT_ONCE, samples_at_once
from dmrnet.evaluation import Distances, channel_distance
from dmrnet.evaluation.channel_distance import FORMS, DistanceForm
from dmrnet.evaluation.combinations import rows_at_once
from dmrnet.evaluation.tiles import padded
from dmrnet.methods.probes import class_vectors, embedding, modality_maps
from dmrnet.modalities import CachedFeatures, Task, name_of, some_combinations
from dmrnet.nn.grid import common_grid, to_grid

Refuse = Callable[[str, ValueError], None]
"""Takes note of an analysis that cannot be made."""

SAMPLES = 1000
"""So many samples of a split are looked at, drawn by seed 0 where there are more."""

MOST_COMBINATIONS = 63
"""Of more combinations than these, so many are drawn for angles, which compares them in pairs."""

EMBEDDINGS_OF_A_CLASS = 4096
"""Bounds the table of angles between all embeddings of a class."""


def analyse_samples(
    run: FinishedRun,
    dataset: Dataset,
    todo: Sequence[Analysis],
    batch_size: int | None,
    refuse: Refuse | None = None,
) -> dict[str, Found]:
    """Make analyses of samples, the encoders running once for all of them.

    Args:
        run: What is looked at.
        dataset: The samples.
        todo: The analyses.
        batch_size: Samples encoded together; None to go by their size.
        refuse: Called with an analysis that cannot be made, and why; None: that is an error.
    """
    lookers: list[ChannelDistance | EmbeddingAngles] = []
    for analysis in todo:
        try:
            lookers.append(
                ChannelDistance(run, analysis)
                if analysis.name == "channel-distance"
                else EmbeddingAngles(run, analysis)
            )
        except ValueError as error:
            if refuse is None:
                raise
            refuse(analysis.text, error)
    seen = look(run, dataset, lookers, batch_size, refuse)
    return {looker.analysis.text: looker.found() for looker in seen}


@torch.inference_mode()
def look(
    run: FinishedRun,
    dataset: Dataset,
    lookers: Sequence[ChannelDistance | EmbeddingAngles],
    batch_size: int | None = None,
    refuse: Refuse | None = None,
) -> list[ChannelDistance | EmbeddingAngles]:
    """Put samples through the encoders, once, and show what comes out to every looker.

    Returns:
        Those that could take it.
    """
    left = list(lookers)
    rows = torch.arange(len(dataset))
    if len(rows) > SAMPLES:
        draw = torch.Generator().manual_seed(0)
        rows = torch.randperm(len(rows), generator=draw)[:SAMPLES].sort().values
    size = batch_size or samples_at_once(run.task)
    method = run.method
    if run.task.dense:
        # Whole images, which may be larger than what was trained on.
        first = dataset.take(rows[:1]).inputs
        size = max(1, min(size, NUMBERS_AT_ONCE // sum(x.numel() for x in first.values())))
    for batch in evaluation_batches(dataset, size, rows=rows) if left else ():
        here = batch.to(run.device)
        assert here.where is not None
        inputs = padded(here.inputs, method.stride)
        feats = method.encode(inputs, here.where)
        maps = modality_maps(method, inputs, here.where, feats)
        cached = method.fusion.prepare(feats)
        for looker in tuple(left):
            try:
                if isinstance(looker, ChannelDistance):
                    looker.add(maps, here.present)
                else:
                    looker.add(cached, here.present, here.target)
            except ValueError as error:
                if refuse is None:
                    raise
                refuse(looker.analysis.text, error)
                left.remove(looker)
    return left


class ChannelDistance:
    """Eq. 14-15 within each modality of a combination and between each two of them.

    The maps are those of the encoders, which see one modality each, so that no mask changes them:
    the combination says which modalities are compared, on the samples that have all of them.

    Args:
        run: What is looked at.
        analysis: With the combination.

    Raises:
        ValueError: If a modality gives a vector.
    """

    def __init__(self, run: FinishedRun, analysis: Analysis) -> None:
        self.analysis = analysis
        self.at = analysis.at.to(run.device)
        names = run.task.modalities
        self.names = [name for name, here in zip(names, analysis.at.tolist(), strict=True) if here]
        self.pairs = [(m, n) for k, m in enumerate(self.names) for n in self.names[k:]]
        self.seen: dict[tuple[DistanceForm, str, str], Distances] = {
            (form, *pair): Distances() for form in FORMS for pair in self.pairs
        }

    def add(self, maps: Mapping[str, Tensor], present: Tensor) -> None:
        """Take in maps ``(B, C, H, W)``, and bool ``(B, V)``."""
        rows = (present | ~self.at).all(1).nonzero().squeeze(1)
        mine = {name: maps[name].index_select(0, rows) for name in self.names}
        for name, feature in mine.items():
            if feature.shape[2:].numel() == 1:
                raise ValueError(
                    f"modality {name} gives one position ({feature.shape[1]} x 1 x 1), and the "
                    "channels of a vector have no distance; name the combination of those that "
                    "give maps, as in channel-distance@A+B"
                )
        for m, n in self.pairs:
            first, second = mine[m], mine[n]
            if m != n:
                shapes = [_shape(first), _shape(second)]
                grid = common_grid(shapes)
                first, second = to_grid(first, grid), to_grid(second, grid)
            for form in FORMS:
                self._add(form, m, n, first, second)

    def _add(self, form: DistanceForm, m: str, n: str, first: Tensor, second: Tensor) -> None:
        # A channel's cosine distance to itself is 0, whatever the channel; as printed it is not.
        itself = m == n and form == "cosine"
        at_once = rows_at_once(first.shape[1] * second.shape[1])
        for some, others in zip(first.split(at_once), second.split(at_once), strict=True):
            self.seen[form, m, n].add(channel_distance(some, others, form), itself)

    def found(self) -> Found:
        """Return rows and histograms."""
        return of_distances(self.seen)


def _shape(feature: Tensor) -> tuple[int, int, int]:
    _, channels, height, width = feature.shape
    return channels, height, width


class EmbeddingAngles:
    """Angles between inference embeddings of the combinations within a combination.

    Args:
        run: What is looked at.
        analysis: With the combination; all of them by default.

    Raises:
        ValueError: If every pixel has a class, so that a sample has none.
    """

    def __init__(self, run: FinishedRun, analysis: Analysis) -> None:
        if run.task.dense:
            raise ValueError(
                "angles compares combinations of one class, but every pixel has a class of its own"
            )
        self.analysis = analysis
        self.method = run.method
        self.task: Task = run.task
        inside = int(analysis.at.sum())
        some = some_combinations(inside, MOST_COMBINATIONS, torch.Generator().manual_seed(0))
        self.combinations = torch.zeros(len(some), len(analysis.at), dtype=torch.bool)
        self.combinations[:, analysis.at] = some
        self.at_hand = self.combinations.to(run.device)
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, cached: CachedFeatures, present: Tensor, target: Tensor) -> None:
        """Take in cached features ``(B, ...)``, bool ``(B, V)`` and classes ``(B,)``."""
        # A sample without a label is of no class.
        scored = (present | ~self.at_hand[:, None, :]).all(-1) & (target >= 0)
        every = torch.arange(len(target), device=target.device)
        embedded = []
        for combination in self.at_hand:
            parts = []
            for rows in every.split(rows_at_once(cached.row_size)):
                mask = combination.expand(len(rows), -1)
                parts.append(embedding(self.method, cached.select(rows, mask), mask))
            embedded.append(torch.cat(parts).double().cpu())
        self.parts.append((torch.stack(embedded), scored.cpu(), target.cpu()))

    def found(self) -> Found:
        """Return rows and tables."""
        embeddings = torch.cat([part[0] for part in self.parts], 1)
        scored = torch.cat([part[1] for part in self.parts], 1)
        target = torch.cat([part[2] for part in self.parts])
        each = max(2, EMBEDDINGS_OF_A_CLASS // len(self.combinations))
        kept = torch.cat(
            [(target == c).nonzero().squeeze(1)[:each] for c in range(len(self.task.classes))]
        )
        names = [name_of(mask, self.task.modalities) for mask in self.combinations]
        vectors = class_vectors(self.method)
        return of_angles(
            embeddings[:, kept],
            scored[:, kept],
            target[kept],
            self.task.classes,
            names,
            None if vectors is None else vectors.double().cpu(),
        )
