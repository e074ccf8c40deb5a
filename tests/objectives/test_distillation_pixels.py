"""MAD, MAR and the ranking where every pixel has a class, against loops."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.methods import build_method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.objectives import distillation
from dmrnet.objectives.distillation import PredictedClasses

WEIGHTS = (0.5, 2.0)
ROOMS = Task(
    (Modality("rgb", "image", (3, 32, 16)), Modality("depth", "image", (1, 32, 16))),
    ("wall", "floor"),
    dense=True,
    class_weights=WEIGHTS,
)
NETWORK = Network(width=8)


def built(**changes):
    torch.manual_seed(0)
    # A finished run does not say how its loss weighed classes.
    plain = Task(ROOMS.inputs, ROOMS.classes, dense=True)
    teacher = build_method("full", plain, network=NETWORK)
    model = build_method("mmanet", ROOMS, network=NETWORK, **changes)
    model.set_teacher(teacher)
    return model, teacher


def batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    mask = all_combinations(2)
    inputs = {m.name: torch.randn(3, *m.shape, generator=draw) for m in ROOMS.inputs}
    target = torch.randint(-1, 2, (3, 32, 16), generator=draw)
    made = Batch(inputs, torch.ones_like(mask), target, torch.arange(3))
    return made.masked(mask, torch.ones_like(mask), ROOMS.modalities)


def unit_rows(flat: list[list[float]]) -> list[list[float]]:
    gram = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in flat] for x in flat]
    return [[g / math.sqrt(sum(h * h for h in row)) for g in row] for row in gram]


@pytest.mark.parametrize("images", [3, 2])
def test_positions_are_the_samples_of_margin_aware_distillation(
    images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, "MOST_ROWS", 2 * images)  # a map has two positions
    model, teacher = built()
    some = batch()
    loss = model.training_loss(some, 5)
    teacher.eval()
    with torch.no_grad():
        theirs = teacher.fuse(teacher.encode(some.inputs, some.where), some.present).map
        logits = teacher(some.inputs, some.present)
    mine = loss.step.fused.map.detach()
    assert mine.shape[2:] == (2, 1)

    def rows(maps: torch.Tensor, group: range) -> list[list[float]]:
        return [maps[n, :, y, 0].double().tolist() for n in group for y in range(2)]

    total = 0.0
    for group in (range(3),) if images == 3 else (range(2), range(2, 3)):
        entropies = []
        for n in group:
            for y in range(2):
                pixels = logits[n, :, 16 * y : 16 * y + 16].flatten(1).T.tolist()
                of = []
                for row in pixels:
                    norm = math.log(sum(math.exp(x) for x in row))
                    of.append(-sum(math.exp(x - norm) * (x - norm) for x in row))
                entropies.append(sum(of) / len(of))
        s, t = unit_rows(rows(mine, group)), unit_rows(rows(theirs, group))
        term = sum(
            entropies[j] / sum(entropies) * (s[i][j] - t[i][j]) ** 2
            for i in range(len(s))
            for j in range(len(s))
        )
        total += term * len(group)
    assert loss.parts["margin_aware"].item() == pytest.approx(total / 3, rel=1e-3)
    assert loss.parts["margin_aware"] > 0


def test_weak_combinations_are_predicted_once_more() -> None:
    model, _ = built(margin_weight=0.0)
    some = batch()
    loss = model.training_loss(some, 5)
    term = next(t for t in model.objective.terms if t.name == "modality_aware")
    fused = term.fusion(loss.step.feats, some.mask)
    logits = term.predictor(fused.map, fused.skips).logits
    total = whole = 0.0
    for n in range(3):
        for y in range(32):
            for x in range(16):
                label = int(some.target[n, y, x])
                if label < 0:
                    continue
                whole += WEIGHTS[label]
                if bool(some.mask[n].all()):  # of two modalities both alone are weak
                    continue
                row = logits[n, :, y, x].tolist()
                norm = math.log(sum(math.exp(v) for v in row))
                total += WEIGHTS[label] * (norm - row[label])
    assert loss.parts["modality_aware"].item() == pytest.approx(total / whole, rel=1e-4)
    torch.testing.assert_close(loss.total, loss.step.task.mean + 0.5 * loss.parts["modality_aware"])
    loss.total.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_predicted_pixels_are_counted() -> None:
    seen = PredictedClasses(3, 4)
    mask = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]).bool()
    classes = torch.randint(4, (4, 2, 3))
    logits = torch.nn.functional.one_hot(classes, 4).movedim(3, 1).float()
    for _ in range(2):
        seen.update(mask, logits)
    for row, sample in ((3, 0), (0, 1), (2, 2), (1, None)):
        of = [] if sample is None else classes[sample].flatten().tolist()
        assert seen.sums[row].tolist() == [2 * of.count(k) for k in range(4)]
