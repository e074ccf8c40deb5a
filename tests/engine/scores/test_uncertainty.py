"""Uncertainty of predictions, against a plain loop over samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import dmrnet
from dmrnet.engine import open_run
from dmrnet.engine.predict import Predictable
from dmrnet.engine.scores.uncertainty import uncertainty_rows
from dmrnet.nn.representation import sample

OLD_RUNS = Path(__file__).parents[1] / "old_runs"


def test_it_is_that_of_a_loop_over_samples() -> None:
    run = open_run(OLD_RUNS / "arrays-dmrnet")
    dataset = run.read(str(OLD_RUNS / "data" / "test.npz"))
    names = run.task.modalities
    rows = dataset.present.all(1).nonzero().flatten()[:3]
    visible = torch.ones(len(names), dtype=torch.bool)
    visible[0] = False
    found = uncertainty_rows(Predictable(run, dataset, rows, visible), draws=400)
    assert set(found) == {"softmax", "entropy", "variance", "spread"}
    generator = torch.Generator().manual_seed(1)
    for place, row in enumerate(rows.tolist()):
        batch = dataset.take(torch.tensor([row]))
        mask = visible[None]
        with torch.inference_mode():
            p = run.method(batch.inputs, mask).softmax(-1)[0]
            feats = run.method.encode(batch.inputs, dict.fromkeys(names, torch.arange(1)))
            fused = run.method.fuse(feats, mask)
            rep = run.method.represent(fused.map)
            drawn = torch.stack(
                [
                    run.method.predict(sample(rep.mu, rep.log_var, generator), fused).logits[0]
                    for _ in range(400)
                ]
            ).softmax(-1)
        assert found["softmax"][place].item() == pytest.approx(1 - p.max().item(), abs=1e-5)
        assert found["entropy"][place].item() == pytest.approx(
            -(p * p.log()).sum().item(), abs=1e-5
        )
        assert found["variance"][place].item() == pytest.approx(rep.log_var.exp().mean().item())
        expected = drawn.var(0, unbiased=False).sum().item()
        assert found["spread"][place].item() == pytest.approx(expected, rel=0.35)


def test_a_method_without_a_gaussian_has_only_its_probabilities() -> None:
    run = open_run(OLD_RUNS / "arrays-dmrnet")
    from dmrnet.nn.representation import Point

    run.method.representation = Point(1)
    dataset = run.read(str(OLD_RUNS / "data" / "test.npz"))
    visible = torch.ones(len(run.task.modalities), dtype=torch.bool)
    found = uncertainty_rows(Predictable(run, dataset, torch.tensor([0, 1]), visible))
    assert set(found) == {"softmax", "entropy"}


def test_numbers_have_no_probabilities() -> None:
    run = open_run(OLD_RUNS / "arrays-dmrnet")
    dataset = run.read(str(OLD_RUNS / "data" / "test.npz"))
    other = replace(run, task=replace(run.task, target="ordinal"))
    visible = torch.ones(len(run.task.modalities), dtype=torch.bool)
    with pytest.raises(ValueError, match="got a run of ordinal"):
        uncertainty_rows(Predictable(other, dataset, torch.tensor([0]), visible))


def test_classes_of_pixels_are_refused_before_anything_is_read() -> None:
    """Their network would refuse images of most sizes, in words about sizes."""
    run = dmrnet.open_run(OLD_RUNS / "arrays-dmrnet")
    task = replace(run._finished.task, dense=True)
    run._finished = replace(run._finished, task=task)
    with pytest.raises(ValueError, match="got a run of a class for every pixel"):
        run.uncertainty("no such file.npz")


def test_python_returns_it_for_every_sample() -> None:
    run = dmrnet.open_run(OLD_RUNS / "arrays-dmrnet")
    found = run.uncertainty(str(OLD_RUNS / "data" / "test.npz"))
    p = run.predict_proba(str(OLD_RUNS / "data" / "test.npz"))
    torch.testing.assert_close(torch.tensor(found["softmax"]), torch.tensor(1 - p.max(1)))
    assert found["spread"].shape == (len(p),)
