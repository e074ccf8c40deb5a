"""Promises about outputs: finite under every combination, of the mask, not random at inference."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from dmrnet.methods.function import Build
from dmrnet.methods.probes import class_vectors, embedding, modality_maps
from dmrnet.modalities import Task
from dmrnet.testing.batches import combinations_of, every_combination, random_batch
from dmrnet.testing.case import MethodCase
from dmrnet.testing.steps import all_finite, gradients, loss_of, rows_encoded


class OutputTests(MethodCase):
    """Outputs: finite, of the mask, not random at inference."""

    def test_maps_are_of_one_modality_each_and_embeddings_predict(self, build: Build) -> None:
        """Maps that analyses read are of one modality; embeddings give the logits."""
        method = self.new(build).eval()
        names = method.modalities
        masks = combinations_of(method.task)
        batch = random_batch(method.task, torch.ones_like(masks))
        with torch.no_grad():
            maps = modality_maps(method, batch.inputs, dict.fromkeys(names))
            assert list(maps) == list(names)
            for name in names:
                assert maps[name].dim() == 2 + (method.task.axes or 2)
                assert len(maps[name]) == len(masks)
                others = {n: x if n == name else x + 1 for n, x in batch.inputs.items()}
                again = modality_maps(method, others, dict.fromkeys(names))
                torch.testing.assert_close(again[name], maps[name])
            weights = class_vectors(method)
            if weights is None:
                return
            cached = method.cached(batch.inputs, dict.fromkeys(names))
            feats = cached.select(torch.arange(len(masks)), masks)
            embedded = embedding(method, feats, masks)
            logits = method.logits(feats, masks)
        bias = logits - embedded @ weights.T
        torch.testing.assert_close(bias, bias[:1].expand_as(bias), rtol=1e-4, atol=1e-4)

    def test_every_combination_is_finite(self, build: Build, task: Task) -> None:
        """Loss, gradients and logits are finite; combinations share one encoding."""
        method = self.new(build, task)
        masks = combinations_of(task)
        batch = self.batch(method, masks)
        loss = loss_of(method, batch)
        assert loss.total.isfinite()
        assert all_finite(gradients(method))
        method.eval()
        logits = method(batch.inputs, masks)
        assert logits.isfinite().all()
        assert logits.shape[:2] == (len(masks), len(task.classes))
        # Every combination of one and the same sample, from one encoding.
        one = random_batch(task, torch.ones_like(masks[:1]))
        assert one.where is not None
        feats = method.encode(one.inputs, one.where)
        with rows_encoded(method) as calls:
            many = method.logits(
                {n: f.expand(len(masks), *f.shape[1:]) for n, f in feats.items()}, masks
            )
        assert not any(calls.values())
        alike = {n: x.expand(len(masks), *x.shape[1:]) for n, x in one.inputs.items()}
        torch.testing.assert_close(many, method(alike, masks), atol=1e-4, rtol=1e-4)
        alone = method(one.inputs, masks[-1:])
        torch.testing.assert_close(many[-1:], alone, atol=1e-4, rtol=1e-4)

    def test_the_mask_matters(self, build: Build) -> None:
        """Each combination of one sample has logits of its own."""
        method = self.new(build).eval()
        masks = every_combination(method.task)
        inputs = random_batch(method.task, masks[:1]).inputs
        logits = method({n: x.expand(len(masks), *x.shape[1:]) for n, x in inputs.items()}, masks)
        distances = torch.cdist(logits.flatten(1), logits.flatten(1)) + torch.eye(len(masks))
        assert distances.min().item() > 1e-5

    def test_inference_is_not_random(self, build: Build) -> None:
        """Neither generator is drawn from, the global one nor one that is given."""
        method = self.new(build).eval()
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        before = torch.get_rng_state()
        generator = torch.Generator().manual_seed(0)
        untouched = generator.get_state()
        assert torch.equal(method(batch.inputs, masks), method(batch.inputs, masks))
        losses = [method.training_loss(batch, 50, generator).total for _ in range(2)]
        assert torch.equal(*losses)
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(generator.get_state(), untouched)

    def test_mean_at_inference_and_sample_in_training(self, build: Build) -> None:
        """The representation's value is mu at inference, whatever `infer` saves."""
        method = self.new(build)
        batch = self.batch(method, every_combination(method.task))
        rep = method.step(batch).rep
        assert (rep.value is rep.mu) == (rep.log_var is None)
        step = method.eval().step(batch)
        assert step.rep.value is step.rep.mu
        # Inference may leave out the variance, but predicts from the same value.
        assert batch.where is not None
        logits = method.logits(method.encode(batch.inputs, batch.where), step.mask)
        torch.testing.assert_close(logits, step.out.logits)

    def test_the_same_seed_gives_the_same_loss(self, build: Build) -> None:
        """Noise is the generator's; only dropout draws from the global one."""
        method = self.new(build)
        batch = self.batch(method, every_combination(method.task))
        first = loss_of(method, batch)
        after = torch.get_rng_state()
        assert torch.equal(first.total, loss_of(method, batch).total)
        torch.manual_seed(7)
        drops = any(isinstance(part, nn.Dropout) and part.p > 0 for part in method.modules())
        if not drops:
            assert torch.equal(after, torch.get_rng_state())  # noise is the generator's
        other = loss_of(method, batch, seed=8)
        noise = drops or first.step.rep.log_var is not None
        assert torch.equal(first.total, other.total) != noise

    def test_misuse_raises(self, build: Build) -> None:
        """No mask, a mask of another type or shape, and a missing input are named."""
        method = self.new(build).eval()
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        with pytest.raises(ValueError, match=r"with a mask; set one with batch\.masked"):
            method.step(replace(batch, mask=None))
        with pytest.raises(ValueError, match="expected a bool mask"):
            method(batch.inputs, masks.float())
        with pytest.raises(ValueError, match="expected a bool mask"):
            method(batch.inputs, masks[:, :-1])
        first = method.modalities[0]
        rest = {n: x for n, x in batch.inputs.items() if n != first}
        with pytest.raises(ValueError, match=f"expected an input for {first}"):
            method(rest, masks)
