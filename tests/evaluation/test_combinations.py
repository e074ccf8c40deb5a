"""Encode once and fuse often, against the whole model for every sample and combination."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dmrnet.evaluation import accuracy, evaluate, predict_masks
from dmrnet.evaluation import combinations as module
from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import (
    Batch,
    CachedFeatures,
    Modality,
    Task,
    all_combinations,
    from_index,
    rows_of,
)

CLASSES = 4


def a_task(modalities: int) -> Task:
    kinds = [("vector", (3,)), ("image", (1, 6, 5)), ("sequence", (2, 9))]
    inputs = [
        Modality(f"m{k}", *kinds[k % 3])  # type: ignore[arg-type]
        for k in range(modalities)
    ]
    return Task(tuple(inputs), tuple(f"c{k}" for k in range(CLASSES)))


def a_method(task: Task, name: str = "dmrnet") -> Method:
    torch.manual_seed(1)
    method = build_method(name, task).eval()
    for part in method.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return method


def samples_of(task: Task, present: Tensor, seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    n = len(present)
    inputs = {}
    for column, modality in enumerate(task.inputs):
        x = torch.randn(n, *modality.shape, generator=draw)
        # Absent modalities are NaN, so that reading them shows.
        x[~present[:, column]] = torch.nan
        inputs[modality.name] = x
    target = torch.randint(CLASSES, (n,), generator=draw)
    return Batch(inputs, present, target, torch.arange(n), where=rows_of(present, task.modalities))


def cut(batch: Batch, sizes: list[int], names: tuple[str, ...]) -> Iterator[Batch]:
    for rows in torch.arange(len(batch)).split(sizes):
        present = batch.present[rows]
        yield Batch(
            {name: x[rows] for name, x in batch.inputs.items()},
            present,
            batch.target[rows],
            batch.index[rows],
            where=rows_of(present, names),
        )


def slowly(model: Method, batch: Batch, combinations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Run the whole model sample by sample and combination by combination."""
    confusion = torch.zeros(len(combinations), CLASSES, CLASSES, dtype=torch.int64)
    complete = torch.zeros_like(confusion)
    log_loss = torch.zeros(len(combinations), dtype=torch.float64)
    for i in range(len(batch)):
        inputs = {name: x[i : i + 1] for name, x in batch.inputs.items()}
        truth = int(batch.target[i])
        for k, combination in enumerate(combinations):
            if any(
                bool(c) and not bool(p) for c, p in zip(combination, batch.present[i], strict=True)
            ):
                continue
            with torch.no_grad():
                p = model(inputs, combination[None]).softmax(1)[0]
            confusion[k, truth, int(p.argmax())] += 1
            log_loss[k] -= float(np.log(float(p[truth])))
            if bool(batch.present[i].all()):
                complete[k, truth, int(p.argmax())] += 1
    return confusion, complete, log_loss


PRESENT = torch.tensor(
    [[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]],
    dtype=torch.bool,
)


@pytest.mark.parametrize("name", ["sf-md", "dmrnet"])
def test_every_combination_is_scored_as_by_the_whole_model(name: str) -> None:
    task = a_task(3)
    model, batch, combinations = (
        a_method(task, name),
        samples_of(task, PRESENT),
        all_combinations(3),
    )
    confusion, complete, log_loss = slowly(model, batch, combinations)
    found = evaluate(model, cut(batch, [3, 1, 4], task.modalities), combinations, CLASSES)
    assert torch.equal(found.confusion, confusion)
    assert torch.equal(found.complete, complete)
    torch.testing.assert_close(found.log_loss, log_loss, rtol=1e-5, atol=1e-5)
    assert found.predictions is None
    assert torch.equal(found.combinations, combinations)
    # Scored on exactly the samples that have all modalities of the combination.
    assert found.confusion.sum((1, 2)).tolist() == [5, 6, 4, 6, 4, 4, 3]
    assert found.complete.sum((1, 2)).tolist() == [3] * 7


def test_a_combination_that_no_sample_has_is_undefined() -> None:
    task = a_task(2)
    present = torch.tensor([[True, False], [False, True], [True, False]])
    found = evaluate(a_method(task), [samples_of(task, present)], all_combinations(2), CLASSES)
    assert accuracy(found.confusion).isnan().tolist() == [False, False, True]
    assert accuracy(found.complete).isnan().all()
    assert found.log_loss[2] == 0


@settings(max_examples=15)
@given(st.integers(1, 40), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 3))
def test_neither_chunks_nor_batches_change_anything(rows: int, cuts: list[int], v: int) -> None:
    task = a_task(v)
    present = torch.rand(8, v, generator=torch.Generator().manual_seed(rows)) < 0.7
    present[~present.any(1), 0] = True
    model, batch, combinations = a_method(task), samples_of(task, present), all_combinations(v)
    once = evaluate(model, [batch], combinations, CLASSES, keep=True, rows=1000)
    sizes = [n for n in cuts if n] + [8]
    sizes = [min(n, 8 - sum(sizes[:k])) for k, n in enumerate(sizes) if sum(sizes[:k]) < 8]
    parts = cut(batch, sizes, task.modalities)
    again = evaluate(model, parts, combinations, CLASSES, keep=True, rows=rows)
    assert torch.equal(once.confusion, again.confusion)
    assert torch.equal(once.complete, again.complete)
    torch.testing.assert_close(once.log_loss, again.log_loss)
    assert torch.equal(once.predictions.index, again.predictions.index)
    assert torch.equal(once.predictions.scored, again.predictions.scored)
    torch.testing.assert_close(
        once.predictions.probabilities, again.predictions.probabilities, rtol=1e-4, atol=1e-6
    )


def test_predictions_are_kept_with_samples_and_targets() -> None:
    task = a_task(3)
    model, batch, combinations = a_method(task), samples_of(task, PRESENT), all_combinations(3)
    batch = replace(batch, index=batch.index + 100)
    kept = evaluate(
        model, cut(batch, [5, 3], task.modalities), combinations, CLASSES, keep=True
    ).predictions
    assert kept.index.tolist() == list(range(100, 108))
    assert torch.equal(kept.target, batch.target)
    assert kept.probabilities.shape == (7, 8, CLASSES)
    assert kept.probabilities.dtype == torch.float32
    assert torch.equal(kept.scored[2], PRESENT[:, 0] & PRESENT[:, 1])
    for i in range(8):
        inputs = {name: x[i : i + 1] for name, x in batch.inputs.items()}
        for k, combination in enumerate(combinations):
            if kept.scored[k, i]:
                with torch.no_grad():
                    p = model(inputs, combination[None]).softmax(1)[0]
                torch.testing.assert_close(kept.probabilities[k, i], p, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 5, 6, 12, 100, None])
def test_masks_are_predicted_in_any_chunks(rows: int | None) -> None:
    task = a_task(3)
    model, batch = a_method(task), samples_of(task, torch.ones(5, 3, dtype=torch.bool))
    masks = from_index(torch.randint(1, 8, (9, 5)), 3)
    with torch.no_grad():
        feats = model.cached(batch.inputs, batch.where)
        got = predict_masks(model, feats, masks, rows)
        assert got.shape == (9, 5, CLASSES)
        for k in range(9):
            torch.testing.assert_close(got[k], model(batch.inputs, masks[k]), rtol=1e-4, atol=1e-5)


class Counted(nn.Module):
    """An encoder that counts its calls and rows, and rejects absent modalities."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.calls = 0
        self.rows = 0

    def forward(self, x: Tensor) -> Tensor:
        assert not bool(x.isnan().any()), "an absent row was encoded"
        self.calls += 1
        self.rows += len(x)
        return self.encoder(x)


@pytest.mark.parametrize("combinations", [1, 7])
def test_each_sample_is_encoded_once_whatever_the_combinations(combinations: int) -> None:
    task = a_task(3)
    model, batch = a_method(task), samples_of(task, PRESENT)
    model.encoders = nn.ModuleList(Counted(encoder) for encoder in model.encoders)
    evaluate(
        model, cut(batch, [4, 4], task.modalities), all_combinations(3)[-combinations:], CLASSES
    )
    assert [encoder.calls for encoder in model.encoders] == [2, 2, 2]
    assert [encoder.rows for encoder in model.encoders] == PRESENT.sum(0).tolist()


def test_an_encoder_without_samples_never_runs() -> None:
    task = a_task(2)
    model = a_method(task)
    model.encoders = nn.ModuleList(Counted(encoder) for encoder in model.encoders)
    present = torch.tensor([[True, False]] * 3)
    evaluate(model, [samples_of(task, present)], all_combinations(2), CLASSES)
    assert [encoder.calls for encoder in model.encoders] == [1, 0]


class Wide(nn.Module):
    """Ten modalities of a single number; records the most rows that it fused together."""

    modalities = tuple(f"m{k}" for k in range(10))

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.most = 0

    def cached(self, inputs: dict[str, Tensor], where: object) -> CachedFeatures:
        return CachedFeatures(inputs)

    def logits(self, feats: dict[str, Tensor], mask: Tensor) -> Tensor:
        self.most = max(self.most, len(mask))
        shown = torch.stack(list(feats.values()), 1) * mask
        return shown.sum(1, keepdim=True) * torch.arange(self.classes)


def test_a_thousand_combinations_are_fused_in_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 1000)
    names = tuple(f"m{k}" for k in range(10))
    n = 30
    batch = Batch(
        {name: torch.randn(n) for name in names},
        torch.ones(n, 10, dtype=torch.bool),
        torch.randint(3, (n,)),
        torch.arange(n),
        where=dict.fromkeys(names),
    )
    model = Wide(3)
    found = evaluate(model, [batch], all_combinations(10), 3)
    assert found.confusion.shape == (1023, 3, 3)
    assert found.confusion.sum((1, 2)).tolist() == [n] * 1023
    # 1000 values of 10 a row: at most 100 rows, in whole samples of 30.
    assert model.most == 90
    shown = torch.stack(list(batch.inputs.values()), 1)
    j = 700
    top = (shown * from_index(torch.tensor(j), 10)).sum(1) > 0
    expected = torch.where(top, 2, 0)
    assert int(found.confusion[j - 1].diagonal().sum()) == int((expected == batch.target).sum())


def test_batches_that_cannot_be_scored_are_refused() -> None:
    task = a_task(2)
    model, combinations = a_method(task), all_combinations(2)
    batch = samples_of(task, torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(
        ValueError, match=r"batches of 2 modalities with row numbers .* Batch.masked"
    ):
        evaluate(model, [replace(batch, where=None)], combinations, CLASSES)
    with pytest.raises(ValueError, match="batches of 3 modalities"):
        evaluate(model, [batch], all_combinations(3), CLASSES)
    unknown = replace(batch, target=torch.tensor([0, -1, 1]), index=torch.tensor([7, 8, 9]))
    with pytest.raises(ValueError, match="got none for sample 8"):
        evaluate(model, [unknown], combinations, CLASSES)
