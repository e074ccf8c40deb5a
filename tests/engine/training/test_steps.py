"""Training stops at values that are not finite, and names step, term and samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.engine.runs import metrics_of, settings_in
from torch import Tensor

from dmrnet.data.loader import TrainLoader
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.training import validation
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.selection import select_on
from dmrnet.engine.training.steps import NotFiniteError, Steps, any_not_finite
from dmrnet.methods.base import Method
from dmrnet.modalities import Uniform, Warmup
from dmrnet.objectives import Distribution, Step


@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_value_of_any_tensor_counts(bad: float, dtype: torch.dtype) -> None:
    tensors = [torch.randn(3, 2).to(dtype), torch.randn(5).to(dtype), torch.zeros(0, dtype=dtype)]
    before = [tensor.clone() for tensor in tensors]
    assert any_not_finite(tensors) == 0
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))
    tensors[1][4] = bad
    assert any_not_finite(tensors) > 0
    assert any_not_finite([]) == 0


def steps_of(values: list[dict[str, float]], gradients: list[float], every: int) -> Steps:
    steps = Steps(2, every=every)
    for k, (of_step, gradient) in enumerate(zip(values, gradients, strict=True)):
        steps.add(
            torch.tensor([2 * k, 2 * k + 1]), {n: torch.tensor(v) for n, v in of_step.items()}
        )
        steps.add_gradients([torch.ones(2), torch.tensor([gradient])])
        steps.check()
    return steps


def test_sums_are_those_of_the_values() -> None:
    values = [{"loss": k + 0.5, "task": k / 3} for k in range(7)]
    steps = steps_of(values, [0.0] * 7, every=3)
    steps.check(now=True)
    steps.check(now=True)
    assert len(steps) == 7
    assert steps.samples == 14
    sums = {name: float(value) for name, value in steps.sums().items()}
    assert sums == pytest.approx({n: sum(v[n] for v in values) for n in ("loss", "task")})


@pytest.mark.parametrize("every", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("place", "change", "gradient", "cause"),
    [
        (0, {"task": torch.nan, "loss": torch.nan}, torch.nan, "the term task of the loss is not"),
        (3, {"kl": torch.inf, "loss": torch.inf}, torch.nan, "the term kl of the loss is not"),
        (
            4,
            {"task": torch.nan, "kl": -torch.inf},
            0.0,
            "the term task and the term kl of the loss",
        ),
        (2, {"loss": torch.inf}, 0.0, "terms of the loss are finite, but their sum is not"),
        (1, {}, torch.inf, "loss is finite, but its gradients are not"),
    ],
)
def test_the_first_break_is_named(
    every: int, place: int, change: dict[str, float], gradient: float, cause: str
) -> None:
    values = [{"loss": 1.0, "task": 1.0, "kl": 2.0} for _ in range(6)]
    values[place] |= change
    # Later values are broken as well.
    values[place + 1 :] = [dict.fromkeys(v, torch.nan) for v in values[place + 1 :]]
    gradients = [0.0] * place + [gradient] + [torch.nan] * (5 - place)
    with pytest.raises(NotFiniteError) as caught:
        steps_of(values, gradients, every).check(now=True)
    message = str(caught.value)
    assert cause in message
    assert f"in epoch 3, step {place + 1}:" in message
    assert f"on training samples {2 * place}, {2 * place + 1}; the last checkpoint" in message
    assert "\n" not in message


def test_samples_are_named_up_to_a_limit() -> None:
    steps = Steps(0, names=[f"s{k}" for k in range(200)])
    steps.add(torch.arange(100, 200), {"loss": torch.tensor(torch.nan)})
    steps.add_gradients([torch.zeros(1)])
    with pytest.raises(NotFiniteError, match=r"samples s100, s101, .*, s163 and 36 more;"):
        steps.check(now=True)


def batch_of(settings, epoch: int, step: int) -> str:
    loader = TrainLoader(settings.data.load(0).train, 13, 0, Warmup(Uniform(), 0), "mask")
    loader.set_epoch(epoch)
    return ", ".join(map(str, list(loader)[step].index.tolist()))


def test_a_term_that_breaks_stops_the_run_and_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoints, "every", 0.0)
    forward = Distribution.forward
    calls = []

    def broken(self: Distribution, step: Step) -> Tensor:
        calls.append(1)
        # Four steps an epoch: the third of the third epoch.
        return forward(self, step) * (torch.nan if len(calls) == 11 else 1)

    settings = settings_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Distribution, "forward", broken)
        with pytest.raises(NotFiniteError) as caught:
            fit_run(settings, tmp_path / "run")
    message = str(caught.value)
    assert "in epoch 3, step 3: the term distribution of the loss is not finite" in message
    assert f"on training samples {batch_of(settings, 2, 2)};" in message
    folder = RunFolder(tmp_path / "run")
    assert [p.name for p in sorted(folder.checkpoints.glob("*.ckpt"))] == [
        "epoch-00000.ckpt",
        "epoch-00001.ckpt",
    ]
    assert {epoch for epoch, _, _ in metrics_of(folder.metrics)} == {0, 1}
    # The kept weights are finite, and the run goes on from there.
    assert fit_run(settings, tmp_path / "run")


def test_validation_without_a_class_stops_the_run_and_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoints, "every", 0.0)
    calls = []

    def broken(model: Method, *args: object) -> float:
        calls.append(1)
        if len(calls) == 2:
            next(model.predictor.parameters()).data.fill_(torch.nan)
        return select_on(model, *args)

    settings = settings_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(validation, "select_on", broken)
        with pytest.raises(NotFiniteError) as caught:
            fit_run(settings, tmp_path / "run")
    message = str(caught.value)
    # Of five epochs the second, the fourth and the fifth select.
    assert "stopped at the end of epoch 4: on validation: expected finite logits" in message
    assert "for samples 0, 1, 2, 3, 4, 5, 6, 7 and" in message
    assert message.endswith("or at the weights, or try a lower lr or clip (--lr, --clip)")
    folder = RunFolder(tmp_path / "run")
    assert [p.name for p in sorted(folder.checkpoints.glob("*.ckpt"))] == [
        "epoch-00001.ckpt",
        "epoch-00002.ckpt",
    ]
    assert fit_run(settings, tmp_path / "run")


@pytest.mark.parametrize("clip", [1.0, 0.0])
def test_gradients_that_break_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: float
) -> None:
    def broken(self: Method, step: Step) -> None:
        if step.epoch == 1 and 7 in step.batch.index:
            next(self.parameters()).grad.fill_(torch.inf)

    settings = settings_in(tmp_path)
    settings = replace(settings, training=replace(settings.training, clip=clip))
    monkeypatch.setattr(Method, "on_gradients", broken)
    with pytest.raises(NotFiniteError) as caught:
        fit_run(settings, tmp_path / "run")
    message = str(caught.value)
    assert "in epoch 2, step" in message
    assert "the loss is finite, but its gradients are not, on training samples" in message
    assert " 7," in message
