"""No number stands for a class: what is not finite is refused, and says of which sample it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from dmrnet.evaluation import (
    Pairs,
    Tiling,
    evaluate,
    evaluate_pairs,
    evaluate_pixels,
    predict_pixels,
    score_pairs,
)
from dmrnet.modalities import Batch, all_combinations, from_index, rows_of

NAMES = ("red", "nir", "sound")
CLASSES = 3


class Sum:
    """Adds what is shown: `broken` breaks a sample wherever its modality is shown."""

    modalities = NAMES

    def cached(self, inputs: Mapping[str, Tensor], where: object) -> dict[str, Tensor]:
        return dict(inputs)

    def logits(self, feats: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        shown = [
            torch.where(mask[:, v].reshape(-1, *[1] * (x.ndim - 1)), x, 0.0)
            for v, x in enumerate(feats.values())
        ]
        return torch.stack(shown).sum(0)


def a_batch(broken: Tensor | float = torch.nan, shape: tuple[int, ...] = ()) -> Batch:
    """Return samples 10 to 14; the logits that nir gives of sample 12 are broken in one place."""
    draw = torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(5, CLASSES, *shape, generator=draw) for name in NAMES}
    inputs["nir"][2, 1].view(-1)[-1] = broken
    present = torch.ones(5, len(NAMES), dtype=torch.bool)
    target = torch.randint(CLASSES, (5, *shape), generator=draw)
    where = rows_of(present, NAMES)
    return Batch(inputs, present, target, torch.arange(5) + 10, mask=present, where=where)


def all_pairs() -> Pairs:
    samples, j = torch.arange(5) + 10, torch.arange(1, 8)
    return Pairs(samples.repeat(7), j.repeat_interleave(5), 3)


EVERY = all_combinations(3)
WAYS: dict[str, tuple[tuple[int, ...], Callable[[Batch], object]]] = {
    "evaluate": ((), lambda batch: evaluate(Sum(), [batch], EVERY, CLASSES)),
    "evaluate in chunks": ((), lambda batch: evaluate(Sum(), [batch], EVERY, CLASSES, rows=1)),
    "evaluate_pairs": ((), lambda batch: evaluate_pairs(Sum(), [batch], all_pairs())),
    "score_pairs": ((), lambda batch: score_pairs(Sum(), [batch], all_pairs(), rows=4)),
    "evaluate_pixels": ((4, 4), lambda batch: evaluate_pixels(Sum(), [batch], EVERY)),
    "in windows": (
        (8, 8),
        lambda batch: evaluate_pixels(Sum(), [batch], EVERY, tiling=Tiling(4, 0)),
    ),
}


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("way", WAYS)
def test_what_has_no_class_is_refused_by_sample_and_modality(way: str, value: float) -> None:
    shape, run = WAYS[way]
    run(a_batch(0.5, shape))
    told = "infinite ones or no numbers for sample 12, whenever nir is shown"
    with pytest.raises(ValueError, match=told):
        run(a_batch(value, shape))


def test_label_maps_are_refused_too() -> None:
    with pytest.raises(ValueError, match="for sample 12, whenever red and nir and sound are shown"):
        predict_pixels(Sum(), a_batch(torch.nan, (4, 4)))


@pytest.mark.parametrize("way", WAYS)
def test_a_class_that_is_ruled_out_is_no_fault(way: str) -> None:
    shape, run = WAYS[way]
    run(a_batch(-torch.inf, shape))


def test_what_is_not_scored_may_be_anything() -> None:
    batch = a_batch()
    batch.present[2, 1] = False
    counts = evaluate(Sum(), [batch], EVERY, CLASSES).confusion.sum((1, 2))
    assert counts.tolist() == [5 - int(from_index(j, 3)[1]) for j in torch.arange(1, 8)]


def test_many_samples_are_counted_and_no_modality_is_blamed_for_all() -> None:
    batch = a_batch()
    batch.inputs["red"][4] = torch.nan
    with pytest.raises(ValueError, match="no numbers for samples 12, 14; look"):
        evaluate(Sum(), [batch], EVERY, CLASSES)
    for name in NAMES:
        batch.inputs[name] = torch.full((30, CLASSES), torch.nan)
    present = torch.ones(30, 3, dtype=torch.bool)
    where = rows_of(present, NAMES)
    many = Batch(batch.inputs, present, torch.zeros(30).long(), torch.arange(30), where=where)
    with pytest.raises(ValueError, match=r"samples 0, 1, 2, 3, 4, 5, 6, 7 and 22 more"):
        evaluate(Sum(), [many], EVERY, CLASSES)
