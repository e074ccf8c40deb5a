"""Analyses that put samples through a method, encoded once for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.analysis.angles import EmbeddingAngles
from dmrnet.engine.analysis.base import AnalysisResult, Encoded, Refuse
from dmrnet.engine.analysis.channel_distance import ChannelDistance
from dmrnet.engine.analysis.names import Analysis, AnalysisName
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.scoring import image_batches, samples_at_once
from dmrnet.evaluation.dense.tiles import padded
from dmrnet.methods.probes import modality_maps

SAMPLES = 1000
"""Most samples of a split that are analysed; of more, this many are drawn by seed 0."""

KINDS: dict[AnalysisName, type[ChannelDistance | EmbeddingAngles]] = {
    "channel-distance": ChannelDistance,
    "angles": EmbeddingAngles,
}


@torch.inference_mode()
def analyse_samples(
    run: FinishedRun,
    dataset: Dataset,
    wanted: Sequence[Analysis],
    batch_size: int | None,
    refuse: Refuse,
) -> dict[str, AnalysisResult]:
    """Return the results of analyses of samples, by name.

    Args:
        run: Run to analyse.
        dataset: The samples.
        wanted: Analyses to make.
        batch_size: Samples encoded together; None to go by their size.
        refuse: Called with an analysis that cannot be made, and why; it is left out.
    """
    if run.task.axes == 3:
        for analysis in wanted:
            refuse(analysis.text, ValueError("analyses of features are not for volumes"))
        return {}
    analyses = []
    for analysis in wanted:
        try:
            analyses.append(KINDS[analysis.name](run, analysis))
        except ValueError as error:
            refuse(analysis.text, error)
    if not analyses:
        return {}
    rows = torch.arange(len(dataset))
    if len(rows) > SAMPLES:
        draw = torch.Generator().manual_seed(0)
        rows = torch.randperm(len(rows), generator=draw)[:SAMPLES].sort().values
    size = batch_size or samples_at_once(run.task)
    method = run.method
    if run.task.dense:
        # Whole images, which may be larger than those of training.
        size, _ = image_batches(dataset, size, None, int(rows[0]))
    for some in evaluation_batches(dataset, size, rows=rows):
        batch = some.to(run.device)
        assert batch.where is not None
        inputs = padded(batch.inputs, method.stride)
        feats = method.encode(inputs, batch.where)
        maps = modality_maps(method, inputs, batch.where, feats)
        encoded = Encoded(maps, method.fusion.prepare(feats), batch.present, batch.target)
        for one in tuple(analyses):
            try:
                one.add(encoded)
            except ValueError as error:
                refuse(one.analysis.text, error)
                analyses.remove(one)
    return {one.analysis.text: one.result() for one in analyses}
