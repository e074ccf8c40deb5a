"""Promises about absent and masked modalities, and about the rows that encoders run on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from dmrnet.methods.function import Build
from dmrnet.modalities import Task
from dmrnet.testing.batches import (
    POISONS,
    combinations_of,
    every_combination,
    poisoned,
    random_batch,
)
from dmrnet.testing.case import MethodCase
from dmrnet.testing.steps import all_finite, gradients, loss_of, rows_encoded


class AbsenceTests(MethodCase):
    """Absent or masked inputs change nothing, and only named rows are encoded."""

    def test_hidden_inputs_cannot_change_inference(self, build: Build, task: Task) -> None:
        """NaN, infinity or huge values in hidden inputs change no logit."""
        method = self.new(build, task).eval()
        masks = combinations_of(task).repeat(3, 1)
        batch = random_batch(task, masks)
        inputs = poisoned(batch.inputs, masks)
        expected = method(batch.inputs, masks)
        assert torch.equal(method(inputs, masks), expected)
        # Rows of visible modalities, and rows of all present ones.
        everything = random_batch(task, masks, torch.ones_like(masks)).where
        for where in (batch.where, everything):
            assert where is not None
            logits = method.logits(method.encode(inputs, where), masks)
            torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)

    def test_absent_inputs_cannot_change_training(self, build: Build) -> None:
        """They change no loss, no gradient and no running statistic."""
        method = self.new(build)
        if method.needs.complete:
            pytest.skip("trains on complete samples only")
        present = every_combination(method.task, 3)
        batch = self.batch(method, present, present)
        if method.encodes == "mask":  # then what is masked is as good as absent
            batch = self.batch(method, present)
        assert batch.mask is not None
        again = self.new(build)
        loss = loss_of(method, batch)
        other = loss_of(again, replace(batch, inputs=poisoned(batch.inputs, batch.mask)))
        assert torch.equal(loss.total, other.total)
        for mine, theirs in zip(gradients(method), gradients(again), strict=True):
            assert torch.equal(mine, theirs)
        for mine, theirs in zip(method.buffers(), again.buffers(), strict=True):
            assert torch.equal(mine, theirs)  # running statistics

    def test_hidden_inputs_get_no_gradient(self, build: Build) -> None:
        """Gradients reach the inputs that are seen, and only those."""
        method = self.new(build)
        masks = every_combination(method.task, 2)
        batch = self.batch(method, masks, None if method.needs.complete else masks)
        inputs = {n: x.clone().requires_grad_() for n, x in batch.inputs.items()}
        method.eval()
        method(inputs, masks).square().sum().backward()
        for v, x in enumerate(inputs.values()):
            reached = x.grad.flatten(1).abs().amax(1) > 0  # type: ignore[union-attr]
            assert torch.equal(reached, masks[:, v])
        # A zero gradient through what NaN became would be NaN.
        method.zero_grad()
        method(poisoned(batch.inputs, masks, POISONS[:1]), masks).square().sum().backward()
        assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)
        if method.needs.complete:
            return
        for x in inputs.values():
            x.grad = None
        loss_of(method.train(), replace(batch, inputs=inputs))
        for v, x in enumerate(inputs.values()):
            reached = x.grad.flatten(1).abs().amax(1) > 0  # type: ignore[union-attr]
            assert not (reached & ~masks[:, v]).any()

    def test_masked_inputs_are_read_only_by_terms_that_declare_it(self, build: Build) -> None:
        """Batch norms aside, which see what is encoded, a prediction knows nothing of it."""
        method = self.new(build)
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        if method.needs.complete or not torch.equal(method.training_mask(batch), masks):
            pytest.skip("reads all that is present")
        for part in method.modules():
            if isinstance(part, _BatchNorm):
                part.eval()
        columns = zip(batch.inputs.items(), masks.unbind(1), strict=True)
        moved = {
            name: torch.where(column.view(-1, *[1] * (x.dim() - 1)), x, 3 * x + 1)
            for (name, x), column in columns
        }
        one = loss_of(method, batch)
        other = loss_of(method, replace(batch, inputs=moved))
        torch.testing.assert_close(one.step.out.logits, other.step.out.logits)
        reads = {t.name for t in method.objective.terms if t.reads_hidden}
        for name in one.parts.keys() - reads - ({"task"} if one.step.second else set()):
            torch.testing.assert_close(one.parts[name], other.parts[name])

    def test_an_encoder_that_nobody_needs_gets_zero_gradients(
        self, build: Build, task: Task
    ) -> None:
        """Not None, so that processes wait for the same parameters."""
        method = self.new(build, task)
        if method.needs.complete or len(task.inputs) == 1:
            pytest.skip("nothing can be absent")
        masks = combinations_of(task)
        masks = masks[~masks[:, 0]].repeat(2, 1)
        loss = loss_of(method, self.batch(method, masks, masks))
        assert loss.total.isfinite()
        assert all_finite(gradients(method))
        assert not any(g.any() for g in gradients(method.encoders[0]))
        assert any(g.any() for g in gradients(method.encoders[1]))

    def test_encoders_run_once_on_the_rows_that_are_named(self, build: Build) -> None:
        """Each encoder is called once, with the rows to encode and no others."""
        method = self.new(build)
        masks = every_combination(method.task)[1:]
        present = torch.ones_like(masks)
        for encode in (masks, present):
            batch = random_batch(method.task, masks, encode)
            assert batch.where is not None
            with rows_encoded(method) as calls:
                method.encode(batch.inputs, batch.where)
            counts = encode.sum(0).tolist()
            assert list(calls.values()) == [[n] if n else [] for n in counts]
        with rows_encoded(method) as calls:
            loss_of(method, self.batch(method, masks))
        trained = masks if method.encodes == "mask" else present
        assert [sum(rows) for rows in calls.values()] == trained.sum(0).tolist()

    def test_one_sample(self, build: Build, task: Task) -> None:
        """A batch of one, one sample of a modality in a batch, and a modality nobody has."""
        method = self.new(build, task)
        full = torch.ones(1, len(task.inputs), dtype=torch.bool)
        for mask in combinations_of(task, len(task.inputs) + 2):
            present = full if method.needs.complete else mask[None]
            assert loss_of(method, self.batch(method, mask[None], present)).total.isfinite()
            assert all_finite(gradients(method))
        if len(task.inputs) == 1 or method.needs.complete:
            return
        masks = torch.zeros(4, len(task.inputs), dtype=torch.bool)
        masks[:, 0] = True
        masks[0, 1] = True
        assert loss_of(method, self.batch(method, masks, masks)).total.isfinite()
        assert all_finite(gradients(method))

    def test_rows_do_not_know_each_other_at_inference(self, build: Build) -> None:
        """Neither the order of a batch nor its size changes a logit."""
        method = self.new(build).eval()
        masks = every_combination(method.task, 2)
        batch = random_batch(method.task, masks)
        logits = method(batch.inputs, masks)
        order = torch.randperm(len(masks))
        permuted = method({n: x[order] for n, x in batch.inputs.items()}, masks[order])
        torch.testing.assert_close(permuted, logits[order], atol=1e-4, rtol=1e-4)
        alone = method({n: x[:1] for n, x in batch.inputs.items()}, masks[:1])
        torch.testing.assert_close(alone, logits[:1], atol=1e-4, rtol=1e-4)
