"""Learning rates against written tables, and against torch's one-cycle schedule."""

import math

import pytest
import torch

from dmrnet.engine.training.optim import build_optimizer, learning_rate
from dmrnet.settings.training import Training


def by_epochs(schedule: str, epochs: int, lr: float) -> list[float]:
    settings = Training(max_epochs=epochs, schedule=schedule, lr=lr)
    rate = learning_rate(settings, 3)
    each = [[lr * rate(3 * epoch + step) for step in range(3)] for epoch in range(epochs)]
    assert all(len(set(steps)) == 1 for steps in each)
    return [steps[0] for steps in each]


def test_casia_as_printed() -> None:
    rates = by_epochs("casia", 100, 1e-3)
    expected = [0.0002, 0.0004, 0.0006, 0.0008, 0.001]
    expected += [0.001] * (33 - 5) + [0.001 / 16] * (50 - 33) + [0.001 / 256] * 50
    assert rates == pytest.approx(expected)


def test_casia_as_it_ran() -> None:
    rates = by_epochs("casia-released", 100, 1e-3)
    expected = [0.0, 0.0, 0.0002, 0.0004, 0.0006, 0.0008]
    expected += [1e-3] * 16 + [1e-4] * 17 + [1e-5] * 17 + [1e-6] * 44
    assert rates == pytest.approx(expected)


def test_audio_visual() -> None:
    assert by_epochs("audio-visual", 100, 1e-3) == pytest.approx([1e-3] * 70 + [1e-4] * 30)


def test_poly_is_torchs_polynomial_stepped_by_epoch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    falling = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=30, power=0.9)
    expected = []
    for _ in range(30):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        falling.step()
    assert by_epochs("poly", 30, 2e-4) == pytest.approx(expected, rel=1e-6)


def test_nyuv2_is_torchs_one_cycle_stepped_by_epoch() -> None:
    epochs = 300
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.01, momentum=0.9)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.01, total_steps=epochs, div_factor=25, pct_start=0.1, final_div_factor=1e4
    )
    expected = []
    for _ in range(epochs):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cycle.step() if len(expected) < epochs else None
    rates = by_epochs("nyuv2", epochs, 0.01)
    assert rates == pytest.approx(expected, rel=1e-6)
    assert (rates[0], rates[29], rates[-1]) == pytest.approx((4e-4, 0.01, 4e-8))


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "constant"])
@pytest.mark.parametrize("epochs", [1, 2, 7])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.9])
def test_by_step_rises_to_one_and_stays_within(schedule: str, epochs: int, warmup: float) -> None:
    rate = learning_rate(Training(max_epochs=epochs, schedule=schedule, warmup=warmup), 5)
    shares = [rate(step) for step in range(5 * epochs)]
    assert all(0 <= share <= 1 for share in shares)
    assert max(shares) == pytest.approx(1.0)
    top = shares.index(max(shares))
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)
    assert top == max(1, round(5 * epochs * warmup)) - 1


def test_cosine_against_its_formula() -> None:
    rate = learning_rate(Training(max_epochs=10, schedule="cosine", warmup=0.2), 1)
    expected = [0.5, 1.0] + [(1 + math.cos(math.pi * k / 8)) / 2 for k in range(1, 9)]
    assert [rate(step) for step in range(10)] == pytest.approx(expected)


@pytest.mark.parametrize(("optimizer", "lr"), [("sgd", 0.2), ("adamw", 3e-3), ("amsgrad", 3e-3)])
def test_default_rate_is_the_optimizers(optimizer: str, lr: float) -> None:
    assert Training(optimizer=optimizer).sized(500).lr == lr
    assert Training(optimizer=optimizer, lr=0.5).sized(500).lr == 0.5


def test_decay_spares_biases_and_norms() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    groups = build_optimizer(model, Training(weight_decay=0.1).sized(100)).param_groups
    assert [(g["weight_decay"], [p.dim() for p in g["params"]]) for g in groups] == [
        (0.1, [2]),
        (0.0, [1, 1, 1]),
    ]


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "amsgrad"])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_every_optimizer_is_fused(precision: str, optimizer: str, clip: float) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    training = Training(precision=precision, optimizer=optimizer, clip=clip).sized(100)
    built = build_optimizer(model, training)
    assert built.defaults["fused"] is True
    assert [group["fused"] for group in built.param_groups] == [True, True]
