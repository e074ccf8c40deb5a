"""What `Method` does beyond the contract of all methods."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import (
    Batch,
    Everything,
    Modality,
    Task,
    Uniform,
    all_combinations,
    rows_of,
)
from dmrnet.nn import ConcatFusion, Network, Point, PooledLinear, feature_shapes

TASK = Task((Modality("a", "vector", (3,)), Modality("b", "vector", (2,))), ("no", "yes"))


def batch_of(task: Task, mask: torch.Tensor) -> Batch:
    rows = len(mask)
    inputs = {m.name: torch.randn(rows, *m.shape) for m in task.inputs}
    batch = Batch(inputs, mask, torch.arange(rows) % 2, torch.arange(rows))
    return batch.masked(mask, mask, task.modalities)


def assembled(encoders: dict[str, nn.Module], shapes: dict[str, tuple[int, int, int]]) -> Method:
    fusion = ConcatFusion(shapes, nn.Identity())
    width = sum(shape[0] for shape in shapes.values())
    return Method(
        TASK,
        encoders=encoders,
        fusion=fusion,
        representation=Point(width),
        predictor=PooledLinear(width, 2),
    )


def test_users_own_encoders_may_have_any_batch_norm() -> None:
    """Torch's refuses a single value a channel; a modality that one sample shows makes that."""

    def own(size: int) -> nn.Module:
        return nn.Sequential(nn.Linear(size, 4), nn.BatchNorm1d(4), nn.Unflatten(1, (4, 1, 1)))

    encoders = {"a": own(3), "b": own(2)}
    method = assembled(encoders, {"a": (4, 1, 1), "b": (4, 1, 1)})
    mask = torch.tensor([[1, 1], [1, 0], [1, 0]]).bool()
    assert method.training_loss(batch_of(TASK, mask)).total.isfinite()


def test_encoders_are_by_name_and_not_by_order() -> None:
    encoders = dict(reversed(Network(width=4).build_encoders(TASK).items()))
    method = assembled(encoders, feature_shapes(TASK, encoders)).eval()
    batch = batch_of(TASK, torch.ones(3, 2).bool())
    feats = method.encode(batch.inputs, batch.where)
    for name in TASK.modalities:
        assert torch.equal(feats[name], encoders[name](batch.inputs[name]))
    with pytest.raises(ValueError, match="one encoder for each of a, b, got a"):
        assembled({"a": encoders["a"]}, {"a": (4, 1, 1)})


def test_dots_in_names_are_no_trouble() -> None:
    task = Task((Modality("a.b", "vector", (3,)), Modality("0", "vector", (2,))), ("no", "yes"))
    method = build_method("dmrnet", task, network=Network(width=4))
    assert method.training_loss(batch_of(task, torch.ones(3, 2).bool())).total.isfinite()


def test_mining_reaches_the_next_epochs_loss() -> None:
    """Eq. 10 to 13 in one: an epoch is counted, mined, and the hard set weighs in the next."""
    network = Network(width=4)
    method = build_method("dmrnet", TASK, network=network, hard_start=1, hard_size=1, beta=0.5)
    mask = all_combinations(2).repeat(10, 1)
    batch = batch_of(TASK, mask)
    first = method.training_loss(batch, 0)
    assert "hard_combinations" not in first.parts
    statistics = method.end_epoch()
    hardest = int(statistics.loss.means[1:].argmax()) + 1
    assert method.hard_set().nonzero().flatten().tolist() == [hardest]
    assert method.miner.by == "loss"
    second = method.training_loss(batch, 1)
    j = mask[:, 0].long() + 2 * mask[:, 1].long()
    rows = j == hardest
    expected = second.step.task.per_sample[rows].sum() / len(mask)
    torch.testing.assert_close(second.parts["hard_combinations"], expected.detach())


def test_mining_by_variance_reads_the_variance() -> None:
    method = build_method("dmrnet", TASK, network=Network(width=4), mine_by="variance", hard_size=1)
    method.training_loss(batch_of(TASK, all_combinations(2).repeat(10, 1)))
    statistics = method.end_epoch()
    hardest = int(statistics.variance.means[1:].argmax()) + 1
    assert method.hard_set().nonzero().flatten().tolist() == [hardest]


def test_more_modalities_than_a_table_holds_train_without_statistics() -> None:
    task = Task(tuple(Modality(f"m{k}", "vector", (1,)) for k in range(21)), ("no", "yes"))
    method = build_method("sf-md", task, network=Network(width=4))
    assert method.training_loss(batch_of(task, torch.ones(3, 21).bool())).total.isfinite()
    assert method.end_epoch() is None
    with pytest.raises(ValueError, match=r"at most 20 modalities .* got 21"):
        build_method("dmrnet", task)


def test_smoothing_reaches_the_task_loss() -> None:
    network = Network(width=4)
    method = build_method("sf-md", TASK, network=network, smoothing=0.2).eval()
    batch = batch_of(TASK, torch.ones(4, 2).bool())
    step = method.step(batch)
    log_p = step.out.logits.log_softmax(1)
    hit = log_p.gather(1, batch.target[:, None])[:, 0]
    torch.testing.assert_close(step.task.per_sample, -0.8 * hit - 0.2 * log_p.mean(1))


def test_too_many_modalities_for_a_table_have_no_hard_set() -> None:
    task = Task(tuple(Modality(f"m{k}", "vector", (2,)) for k in range(21)), ("no", "yes"))
    method = build_method("sf-md", task)
    assert method.hard_set() is None


@pytest.mark.parametrize("encodes", ["mask", "present"])
def test_drawn_masks_come_with_the_rows_that_are_encoded(encodes: str) -> None:
    method = build_method("sf-md", TASK, network=Network(width=4), encodes=encodes)
    inputs = {"a": torch.randn(64, 3), "b": torch.randn(64, 2)}
    inputs["b"][::2] = torch.nan
    plain = Batch.of(TASK, inputs, torch.arange(64) % 2)
    batch = method.draw_masks(plain, torch.Generator().manual_seed(0))
    assert torch.equal(batch.mask, Uniform()(plain.present, torch.Generator().manual_seed(0)))
    encoded = batch.mask if encodes == "mask" else plain.present
    for name, rows in rows_of(encoded, TASK.modalities).items():
        assert rows is None or rows.tolist() == batch.where[name].tolist()
        assert (rows is None) == (batch.where[name] is None)
    assert batch.exact == (encodes == "mask")
    assert method.training_loss(batch).total.isfinite()
    whole = method.draw_masks(plain, sampler=Everything())
    assert torch.equal(whole.mask, plain.present)
