"""Non-finite logits are refused, and the error names samples and modalities."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from dmrnet.evaluation import (
    NoClassError,
    Pairs,
    Tiling,
    channel_distance,
    class_vector_angles,
    embedding_angles,
    evaluate,
    evaluate_pairs,
    evaluate_pixels,
    predict_pixels,
    score_pairs,
)
from dmrnet.modalities import Batch, CachedFeatures, all_combinations, from_index, rows_of

NAMES = ("red", "nir", "sound")
CLASSES = 3


class Sum:
    """Adds visible modalities; a broken sample is broken wherever its modality is visible."""

    modalities = NAMES

    def cached(self, inputs: Mapping[str, Tensor], where: object) -> CachedFeatures:
        return CachedFeatures(inputs)

    def logits(self, feats: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        shown = [
            torch.where(mask[:, v].reshape(-1, *[1] * (x.ndim - 1)), x, 0.0)
            for v, x in enumerate(feats.values())
        ]
        return torch.stack(shown).sum(0)


def a_batch(broken: float = torch.nan, shape: tuple[int, ...] = (), where: int = -1) -> Batch:
    """Return samples 10 to 14, of which nir breaks one logit of sample 12."""
    draw = torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(5, CLASSES, *shape, generator=draw) for name in NAMES}
    inputs["nir"][2, 1].view(-1)[where] = broken
    present = torch.ones(5, len(NAMES), dtype=torch.bool)
    target = torch.randint(CLASSES, (5, *shape), generator=draw)
    rows = rows_of(present, NAMES)
    return Batch(inputs, present, target, torch.arange(5) + 10, mask=present, where=rows)


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
@pytest.mark.parametrize("where", [0, -1])
@pytest.mark.parametrize("way", WAYS)
def test_non_finite_logits_are_refused_by_sample_and_modality(
    way: str, where: int, value: float
) -> None:
    shape, run = WAYS[way]
    run(a_batch(0.5, shape))
    # Pairs show each sample under few masks, which do not identify the modality.
    message = "sample 12; look" if "pairs" in way else "sample 12, only with nir shown; look"
    with pytest.raises(ValueError, match=message):
        run(a_batch(value, shape, where))


def test_label_maps_are_refused_too() -> None:
    # All three modalities were always visible: none of them is named.
    with pytest.raises(NoClassError, match="for sample 12; look"):
        predict_pixels(Sum(), a_batch(torch.nan, (4, 4)))


@pytest.mark.parametrize("way", WAYS)
def test_a_class_with_minus_infinity_is_valid(way: str) -> None:
    shape, run = WAYS[way]
    run(a_batch(-torch.inf, shape))


def test_unscored_predictions_may_be_anything() -> None:
    batch = a_batch()
    batch.present[2, 1] = False
    counts = evaluate(Sum(), [batch], EVERY, CLASSES).confusion.sum((1, 2))
    assert counts.tolist() == [5 - int(from_index(j, 3)[1]) for j in torch.arange(1, 8)]


def test_unscored_images_and_pixels_may_be_anything() -> None:
    batch = a_batch(torch.nan, (4, 4))
    batch.target[2, -1, -1] = -1
    assert int(evaluate_pixels(Sum(), [batch], EVERY).confusion[0].sum()) == 5 * 16 - 1
    batch = a_batch(torch.nan, (4, 4))
    batch.present[2, 1] = False
    counts = evaluate_pixels(Sum(), [batch], EVERY).confusion.sum((1, 2))
    assert counts.tolist() == [16 * (5 - int(from_index(j, 3)[1])) for j in torch.arange(1, 8)]


def test_a_modality_that_breaks_only_with_others_is_named_alone() -> None:
    """A modality that breaks with any other, but not alone, is in all broken predictions."""

    class Beside(Sum):
        def logits(self, feats: Mapping[str, Tensor], mask: Tensor) -> Tensor:
            broken = mask[:, 1] & (mask.sum(1) > 1)
            return torch.where(broken[:, None], torch.nan, super().logits(feats, mask))

    with pytest.raises(NoClassError, match="10, 11, 12, 13, 14, only with nir shown"):
        evaluate(Beside(), [a_batch(0.5)], EVERY, CLASSES)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_analyses_refuse_non_finite_features(value: float) -> None:
    maps = torch.rand(2, 3, 4, 4)
    channel_distance(maps)
    broken = maps.clone()
    broken[1, 2, 0, 0] = value
    for pair in ((broken,), (maps, broken)):
        with pytest.raises(ValueError, match="expected finite maps, got NaN or infinite"):
            channel_distance(*pair)
    embeddings = torch.rand(2, 3, 4, dtype=torch.float64)
    embeddings[1, 2, 0] = value
    scored = torch.ones(2, 3, dtype=torch.bool)
    target, vectors = torch.zeros(3, dtype=torch.int64), torch.ones(1, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="expected finite embeddings"):
        embedding_angles(embeddings, scored, target, 1)
    with pytest.raises(ValueError, match="expected finite embeddings"):
        class_vector_angles(embeddings, scored, target, vectors)
    scored[1, 2] = False
    assert embedding_angles(embeddings, scored, target, 1).undefined == 0
    assert class_vector_angles(embeddings, scored, target, vectors).isfinite().all()
    with pytest.raises(ValueError, match="expected finite vectors of classes"):
        class_vector_angles(embeddings, scored, target, vectors * value)


def test_an_error_has_names_and_a_place_if_they_are_known() -> None:
    with pytest.raises(NoClassError) as caught:
        evaluate(Sum(), [a_batch()], EVERY, CLASSES)
    names = [f"field {i}" for i in range(15)]
    message = str(caught.value.located("on validation", names))
    assert message.startswith("on validation: expected finite logits")
    assert "for sample field 12, only with nir shown" in message
    # The error survives pickling for another process.
    again = pickle.loads(pickle.dumps(caught.value.located("on validation", names)))
    assert str(again) == message
    assert type(again) is NoClassError


def test_many_samples_are_counted_and_no_modality_is_named_for_all() -> None:
    batch = a_batch()
    batch.inputs["red"][4] = torch.nan
    with pytest.raises(ValueError, match="infinite ones for samples 12, 14; look"):
        evaluate(Sum(), [batch], EVERY, CLASSES)
    for name in NAMES:
        batch.inputs[name] = torch.full((30, CLASSES), torch.nan)
    present = torch.ones(30, 3, dtype=torch.bool)
    where = rows_of(present, NAMES)
    many = Batch(batch.inputs, present, torch.zeros(30).long(), torch.arange(30), where=where)
    with pytest.raises(ValueError, match=r"samples 0, 1, 2, 3, 4, 5, 6, 7 and 22 more"):
        evaluate(Sum(), [many], EVERY, CLASSES)
