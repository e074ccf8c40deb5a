"""Promises of a method as a torch module: saved, copied, exported, in other precisions."""

from __future__ import annotations

import copy
import io
from dataclasses import replace

import safetensors.torch
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from dmrnet.methods.function import Build
from dmrnet.testing.batches import POISONS, every_combination, poisoned, random_batch
from dmrnet.testing.case import MethodCase
from dmrnet.testing.steps import all_finite, close_epoch, gradients, like, loss_of, on_device


class ModuleTests(MethodCase):
    """A method is a torch module: saved, copied, exported, in other precisions."""

    def test_state_is_saved_and_loaded_without_pickled_code(self, build: Build) -> None:
        """State is saved as weights only and as safetensors; a prerequisite is not needed."""
        method, other = self.new(build), self.new(build, seed=2)
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        loss_of(method, batch)
        method.end_epoch()
        expected = method.eval()(batch.inputs, masks)
        file = io.BytesIO()
        torch.save(method.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other.eval()(batch.inputs, masks), expected)
        # For inference no prerequisite is needed.
        bare = build(method.task)
        bare.load_state_dict(safetensors.torch.load(safetensors.torch.save(method.state_dict())))
        assert torch.equal(bare.eval()(batch.inputs, masks), expected)

    def test_a_copy_is_equal_and_independent(self, build: Build) -> None:
        """A deep copy shares neither weights nor statistics."""
        method = self.new(build)
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        loss_of(method, batch)
        other = copy.deepcopy(method).eval()
        expected = method.eval()(batch.inputs, masks)
        with torch.no_grad():
            for parameter in method.parameters():
                parameter.add_(1.0)
        loss_of(method.train(), batch)
        assert torch.equal(other(batch.inputs, masks), expected)
        counts = [len(masks) * times for times in (2, 1)]
        assert [int(close_epoch(m).loss.counts.sum()) for m in (method, other)] == counts

    def test_bf16_is_near_float32(self, build: Build) -> None:
        """Under autocast: logits within 5%, and a loss in float32 with finite gradients."""
        method = self.new(build)
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        full = method.eval()(batch.inputs, masks)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = method(batch.inputs, masks).float()
        scale = full.abs().max().item()
        assert (half - full).abs().max().item() < 0.05 * scale
        method.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = method.training_loss(batch, 50, torch.Generator().manual_seed(0))
        loss.total.backward()
        method.on_gradients(loss.step)
        assert loss.total.dtype == torch.float32
        assert loss.total.isfinite()
        assert all_finite(gradients(method))

    def test_float64_works_all_the_way(self, build: Build) -> None:
        """A method in double precision has a loss of double precision."""
        method = self.new(build).eval()
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        single = method.training_loss(batch, 50).total
        double = {n: x.double() for n, x in batch.inputs.items()}
        loss = method.double().training_loss(replace(batch, inputs=double), 50).total
        assert loss.dtype == torch.float64
        torch.testing.assert_close(loss.float(), single, atol=1e-4, rtol=1e-4)

    def test_a_step_on_a_device_waits_for_nothing_and_mixes_no_devices(self, build: Build) -> None:
        """A step runs on tensors without values: reading one, or sizing by one, would raise."""
        method = self.new(build)
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        assert batch.where is not None
        with FakeTensorMode(allow_non_fake_inputs=False):
            on_device(method)
            fake = replace(
                batch,
                inputs={name: like(x) for name, x in batch.inputs.items()},
                present=like(batch.present),
                target=like(batch.target),
                index=like(batch.index),
                mask=like(masks),
                where={n: None if r is None else like(r) for n, r in batch.where.items()},
            )
            loss = method.training_loss(fake, 50)
            logits = method.eval()(fake.inputs, fake.mask)
        assert loss.total.device.type == logits.device.type == "cuda"

    def test_it_exports_with_any_batch_size(self, build: Build) -> None:
        """`torch.export` works, and the program predicts as the method does."""
        method = self.new(build, self.tasks[self.small or self.main]).eval()
        masks = every_combination(method.task)
        inputs = dict(random_batch(method.task, masks).inputs)
        size = torch.export.Dim("batch", min=1, max=1024)
        program = torch.export.export(
            method,
            (inputs, masks),
            dynamic_shapes=({name: {0: size} for name in inputs}, {0: size}),
        )
        exported = program.module()
        for rows in (1, 3):
            other = random_batch(method.task, masks[-rows:], seed=rows)
            got = exported(poisoned(other.inputs, masks[-rows:], POISONS[:1]), masks[-rows:])
            expected = method(other.inputs, masks[-rows:])
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
