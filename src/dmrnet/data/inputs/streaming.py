"""The standardiser of samples that are seen one at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from dmrnet.data.filling import Cells
from dmrnet.data.inputs.cells import Imputer, check_observed, split_choice
from dmrnet.data.inputs.standardise import Standardiser


def fit_streamed(
    samples: Iterable[Mapping[str, Tensor]],
    modalities: Sequence[str],
    cells: Cells = "refuse",
    ragged: Collection[str] = (),
) -> Standardiser:
    """Return the mean and deviation of each feature or channel, and what fills missing cells.

    Args:
        samples: Tensors ``(C, ...)`` of the modalities that each sample has.
        modalities: Names of the modalities.
        cells: What stands for missing cells, which are NaN; see `Standardiser.fit`.
        ragged: Modalities whose sequences differ in length; each sample ends where its tensor does.

    Raises:
        ValueError: If a modality or a feature has no value in any sample, or `cells` is the median,
            which needs all samples at once.

    >>> rows = [{"a": torch.tensor([1.0])}, {"a": torch.tensor([3.0])}]
    >>> fit_streamed(rows, ["a"]).mean["a"].tolist()
    [2.0]
    """
    if cells != "refuse" and split_choice(cells)[0] == "median":
        raise ValueError(
            f"cells {cells}: the median needs all samples at once; expected mean or zero for a "
            "LazyDataset, or a MultimodalDataset"
        )
    sums: dict[str, Tensor] = {}
    first: dict[str, Tensor] = {}
    numbers: dict[str, int] = {}
    for sample in samples:
        for name, tensor in sample.items():
            x = tensor.double().reshape(len(tensor), -1)
            gaps = x.isnan()
            # Shifted by the first sample, so that large means do not cancel.
            shift = first.setdefault(name, x.nanmean(1).nan_to_num() if gaps.any() else x.mean(1))
            x = (x - shift[:, None]).masked_fill_(gaps, 0.0)
            added = torch.stack([x.sum(1), x.square().sum(1), (~gaps).sum(1).double()])
            sums[name] = sums.get(name, torch.zeros(1)) + added
            numbers[name] = numbers.get(name, 0) + x.shape[1]
    mean, std = {}, {}
    for name, (total, squares, count) in sums.items():
        check_observed(name, count)
        offset = total / count
        spread = (squares / count - offset.square()).clamp(min=0).sqrt()
        mean[name] = first[name] + offset
        std[name] = torch.where(spread <= 1e-9 * mean[name].abs(), 1.0, spread)
    never = [name for name in modalities if name not in mean]
    if never:
        raise ValueError(f"modality {never[0]} is present in no training sample; leave it out")
    if cells == "refuse":
        return Standardiser(mean, std, ragged=ragged)
    fill, indicator = split_choice(cells)
    flagged = {
        name: (summed[2] < (numbers[name] if indicator else 0)).nonzero().flatten()
        for name, summed in sums.items()
    }
    values = mean if fill == "mean" else {name: torch.zeros_like(one) for name, one in mean.items()}
    return Standardiser(mean, std, imputer=Imputer(values, flagged), ragged=ragged)
