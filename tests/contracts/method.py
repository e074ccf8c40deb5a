"""What every method promises, as a test class that each one's tests inherit.

A subclass says how a method is built, and for which tasks where not for all.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

import pytest
import safetensors.torch
import torch
from tests.contracts.batches import (
    POISONS,
    TASKS,
    a_batch,
    combinations_of,
    every_combination,
    poisoned,
    ready,
    slow_index,
)
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.modules.batchnorm import _BatchNorm

from dmrnet.methods.base import Method, StepLoss
from dmrnet.methods.probes import class_vectors, embedding, modality_maps
from dmrnet.modalities import Batch, Task
from dmrnet.nn import Frozen, TimmStream
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.objectives import CombinationSums


@lru_cache(maxsize=6)
def made(build: Callable[[Task], Method], task: Task, seed: int) -> Method:
    """Return a method with its prerequisite; it is copied for each test, since building is slow."""
    torch.manual_seed(seed)
    return used(ready(build(task), task))


def reader(encoder: nn.Module) -> nn.Module:
    """Return the part of an encoder that reads the input; an encoder of one map is all of it."""
    if isinstance(encoder, TimmStream):
        return encoder.backbone
    return encoder.parts[0] if isinstance(encoder, MultiLevelEncoder) else encoder


@contextmanager
def rows_encoded(method: Method) -> Iterator[dict[str, list[int]]]:
    """Count, while inside, the rows of each call of each encoder."""
    calls: dict[str, list[int]] = {name: [] for name in method.modalities}
    handles = [
        reader(encoder).register_forward_pre_hook(
            lambda _, args, seen=calls[name]: seen.append(len(args[0]))
        )
        for name, encoder in zip(method.modalities, method.encoders, strict=True)
    ]
    yield calls
    for handle in handles:
        handle.remove()


def used(method: Method) -> Method:
    """Give statistics and biases random values, as training would, so that they hide no error."""
    generator = torch.Generator().manual_seed(11)
    for part in method.modules():
        if isinstance(part, _BatchNorm):
            part.running_mean.normal_(generator=generator)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2.0, generator=generator)  # type: ignore[union-attr]
            with torch.no_grad():
                part.bias.normal_(generator=generator)
    return method


def loss_of(method: Method, batch: Batch, epoch: int = 50, seed: int = 7) -> StepLoss:
    """Return the training loss of a batch, with fresh gradients, for one seed of all noise."""
    torch.manual_seed(seed)  # layer dropout takes the global generator
    method.zero_grad()
    loss = method.training_loss(batch, epoch, torch.Generator().manual_seed(seed))
    loss.total.backward()
    return loss


def gradients(module: nn.Module) -> list[Tensor]:
    """Return every gradient; a parameter without one fails."""
    missing = [n for n, p in module.named_parameters() if p.requires_grad and p.grad is None]
    assert not missing, f"no gradient: {missing}"
    return [p.grad.clone() for p in module.parameters() if p.grad is not None]


def like(tensor: Tensor) -> Tensor:
    """Return a tensor of the same kind on another device; inside a fake mode it has no values."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")


def on_device(module: nn.Module) -> None:
    """Do to a module what ``module.to("cuda")`` would do; fake parameters cannot be swapped."""
    for part in module.modules():
        for name, value in part.named_parameters(recurse=False):
            setattr(part, name, nn.Parameter(like(value), value.requires_grad))
        for name, value in part.named_buffers(recurse=False):
            part._buffers[name] = like(value)
        if isinstance(part, CombinationSums):
            part.sums, part.counts = like(part.sums), like(part.counts)
        if isinstance(part, Frozen):
            on_device(part.module)


class MethodTests:
    """What tests of a method share: its tasks, methods made for them, and batches."""

    tasks: ClassVar[Mapping[str, Task]] = TASKS
    main: ClassVar[str] = "maps"
    """The task of the tests that look at one only."""
    small: ClassVar[str | None] = None
    """The task of exporting and of learning, which take long; `main` if None."""

    @pytest.fixture
    def build(self):
        """Return a function from a task to a new method."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "task" in metafunc.fixturenames:
            metafunc.parametrize("task", self.tasks.values(), ids=self.tasks)

    def new(self, build, task: Task | None = None, seed: int = 1) -> Method:
        """Return a method with its prerequisite, the same for the same seed."""
        method = copy.deepcopy(made(build, task or self.tasks[self.main], seed))
        torch.manual_seed(seed)
        return method

    def batch(self, method: Method, mask: Tensor, present: Tensor | None = None) -> Batch:
        """Return a batch, encoded where the method wants it in training."""
        present = torch.ones_like(mask) if present is None else present
        mask = mask & present
        encode = mask if method.encodes == "mask" else present
        return a_batch(method.task, mask, encode, present)


class MethodContract(MethodTests):
    """The promises; a subclass overrides `build`, and `tasks` where it is not for all."""

    # --- what analyses look at ------------------------------------------------------------------

    def test_maps_are_of_one_modality_each_and_embeddings_predict(self, build) -> None:
        method = self.new(build).eval()
        names = method.modalities
        masks = combinations_of(method.task)
        batch = a_batch(method.task, torch.ones_like(masks))
        with torch.no_grad():
            maps = modality_maps(method, batch.inputs, dict.fromkeys(names))
            assert list(maps) == list(names)
            for name in names:
                assert maps[name].dim() == 4
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

    # --- outputs --------------------------------------------------------------------------------

    def test_every_combination_is_finite(self, build, task: Task) -> None:
        method = self.new(build, task)
        masks = combinations_of(task)
        batch = self.batch(method, masks)
        loss = loss_of(method, batch)
        assert loss.total.isfinite()
        assert all(g.isfinite().all() for g in gradients(method))
        method.eval()
        logits = method(batch.inputs, masks)
        assert logits.isfinite().all()
        assert logits.shape[:2] == (len(masks), len(task.classes))
        # Every combination of one and the same sample, from one encoding.
        one = a_batch(task, torch.ones_like(masks[:1]))
        feats = method.encode(one.inputs, one.where)
        with rows_encoded(method) as calls:
            many = method.logits(
                {n: f.expand(len(masks), *f.shape[1:]) for n, f in feats.items()}, masks
            )
        assert not any(calls.values())
        for k, mask in enumerate(masks):
            alone = method(one.inputs, mask[None])
            torch.testing.assert_close(many[k : k + 1], alone, atol=1e-4, rtol=1e-4)

    def test_the_mask_matters(self, build) -> None:
        method = self.new(build).eval()
        masks = every_combination(method.task)
        inputs = a_batch(method.task, masks[:1]).inputs
        logits = method({n: x.expand(len(masks), *x.shape[1:]) for n, x in inputs.items()}, masks)
        distances = torch.cdist(logits.flatten(1), logits.flatten(1)) + torch.eye(len(masks))
        assert distances.min().item() > 1e-5

    # --- what is absent -------------------------------------------------------------------------

    def test_hidden_inputs_cannot_change_inference(self, build, task: Task) -> None:
        method = self.new(build, task).eval()
        masks = combinations_of(task).repeat(3, 1)
        batch = a_batch(task, masks)
        inputs = poisoned(batch.inputs, masks)
        expected = method(batch.inputs, masks)
        assert torch.equal(method(inputs, masks), expected)
        # Rows of visible modalities, and rows of all present ones.
        everything = a_batch(task, masks, torch.ones_like(masks)).where
        for where in (batch.where, everything):
            logits = method.logits(method.encode(inputs, where), masks)
            torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)

    def test_absent_inputs_cannot_change_training(self, build) -> None:
        method = self.new(build)
        if method.needs.complete:
            pytest.skip("trains on complete samples only")
        present = every_combination(method.task, 3)
        batch = self.batch(method, present, present)
        if method.encodes == "mask":  # then what is masked is as good as absent
            batch = self.batch(method, present)
        again = copy.deepcopy(method)
        loss = loss_of(method, batch)
        other = loss_of(again, replace(batch, inputs=poisoned(batch.inputs, batch.mask)))
        assert torch.equal(loss.total, other.total)
        for mine, theirs in zip(gradients(method), gradients(again), strict=True):
            assert torch.equal(mine, theirs)
        for mine, theirs in zip(method.buffers(), again.buffers(), strict=True):
            assert torch.equal(mine, theirs)  # running statistics

    def test_hidden_inputs_get_no_gradient(self, build) -> None:
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

    def test_masked_inputs_are_read_only_by_terms_that_declare_it(self, build) -> None:
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

    def test_an_encoder_that_nobody_needs_gets_zero_gradients(self, build, task: Task) -> None:
        method = self.new(build, task)
        if method.needs.complete or len(task.inputs) == 1:
            pytest.skip("nothing can be absent")
        masks = combinations_of(task)
        masks = masks[~masks[:, 0]].repeat(2, 1)
        loss = loss_of(method, self.batch(method, masks, masks))
        assert loss.total.isfinite()
        assert all(g.isfinite().all() for g in gradients(method))
        assert not any(g.any() for g in gradients(method.encoders[0]))
        assert any(g.any() for g in gradients(method.encoders[1]))

    # --- what is encoded ------------------------------------------------------------------------

    def test_encoders_run_once_on_the_rows_that_are_named(self, build) -> None:
        method = self.new(build)
        masks = every_combination(method.task)[1:]
        present = torch.ones_like(masks)
        for encode in (masks, present):
            batch = a_batch(method.task, masks, encode)
            with rows_encoded(method) as calls:
                method.encode(batch.inputs, batch.where)
            counts = encode.sum(0).tolist()
            assert list(calls.values()) == [[n] if n else [] for n in counts]
        with rows_encoded(method) as calls:
            loss_of(method, self.batch(method, masks))
        trained = masks if method.encodes == "mask" else present
        assert [sum(rows) for rows in calls.values()] == trained.sum(0).tolist()

    def test_one_sample(self, build, task: Task) -> None:
        """A batch of one, one sample of a modality in a batch, and a modality nobody has."""
        method = self.new(build, task)
        full = torch.ones(1, len(task.inputs), dtype=torch.bool)
        for mask in combinations_of(task, len(task.inputs) + 2):
            present = full if method.needs.complete else mask[None]
            assert loss_of(method, self.batch(method, mask[None], present)).total.isfinite()
            assert all(g.isfinite().all() for g in gradients(method))
        if len(task.inputs) == 1 or method.needs.complete:
            return
        masks = torch.zeros(4, len(task.inputs), dtype=torch.bool)
        masks[:, 0] = True
        masks[0, 1] = True
        assert loss_of(method, self.batch(method, masks, masks)).total.isfinite()
        assert all(g.isfinite().all() for g in gradients(method))

    def test_rows_do_not_know_each_other_at_inference(self, build) -> None:
        method = self.new(build).eval()
        masks = every_combination(method.task, 2)
        batch = a_batch(method.task, masks)
        logits = method(batch.inputs, masks)
        order = torch.randperm(len(masks))
        permuted = method({n: x[order] for n, x in batch.inputs.items()}, masks[order])
        torch.testing.assert_close(permuted, logits[order], atol=1e-4, rtol=1e-4)
        alone = method({n: x[:1] for n, x in batch.inputs.items()}, masks[:1])
        torch.testing.assert_close(alone, logits[:1], atol=1e-4, rtol=1e-4)

    # --- randomness -----------------------------------------------------------------------------

    def test_inference_is_not_random(self, build) -> None:
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

    def test_mean_at_inference_and_sample_in_training(self, build) -> None:
        method = self.new(build)
        batch = self.batch(method, every_combination(method.task))
        rep = method.step(batch).rep
        assert (rep.value is rep.mu) == (rep.log_var is None)
        step = method.eval().step(batch)
        assert step.rep.value is step.rep.mu
        # Inference may leave out the variance, but predicts from the same value.
        logits = method.logits(method.encode(batch.inputs, batch.where), step.mask)
        torch.testing.assert_close(logits, step.out.logits)

    def test_the_same_seed_gives_the_same_loss(self, build) -> None:
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

    # --- as torch modules -----------------------------------------------------------------------

    def test_state_is_saved_and_loaded_without_pickled_code(self, build) -> None:
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

    def test_a_copy_is_equal_and_independent(self, build) -> None:
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
        assert [int(m.end_epoch().loss.counts.sum()) for m in (method, other)] == counts

    def test_bf16_is_near_float32(self, build) -> None:
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
        assert all(g.isfinite().all() for g in gradients(method))

    def test_float64_works_all_the_way(self, build) -> None:
        method = self.new(build).eval()
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        single = method.training_loss(batch, 50).total
        double = {n: x.double() for n, x in batch.inputs.items()}
        loss = method.double().training_loss(replace(batch, inputs=double), 50).total
        assert loss.dtype == torch.float64
        torch.testing.assert_close(loss.float(), single, atol=1e-4, rtol=1e-4)

    def test_a_step_on_a_device_waits_for_nothing_and_mixes_no_devices(self, build) -> None:
        """On tensors without values: whatever would read one, or size by one, raises."""
        method = self.new(build)
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
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

    def test_it_exports_with_any_batch_size(self, build) -> None:
        method = self.new(build, self.tasks[self.small or self.main]).eval()
        masks = every_combination(method.task)
        inputs = dict(a_batch(method.task, masks).inputs)
        size = torch.export.Dim("batch", min=1, max=1024)
        program = torch.export.export(
            method,
            (inputs, masks),
            dynamic_shapes=({name: {0: size} for name in inputs}, {0: size}),
        )
        exported = program.module()
        for rows in (1, 3):
            other = a_batch(method.task, masks[-rows:], seed=rows)
            got = exported(poisoned(other.inputs, masks[-rows:], POISONS[:1]), masks[-rows:])
            expected = method(other.inputs, masks[-rows:])
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)

    # --- training -------------------------------------------------------------------------------

    def test_every_parameter_has_a_gradient_from_the_first_epoch_on(self, build) -> None:
        """Also of what has no weight yet; processes that train together wait for each of them."""
        method = self.new(build)
        batch = self.batch(method, every_combination(method.task))
        for epoch in (0, 3, 8):
            loss_of(method, batch, epoch)
            assert all(g.isfinite().all() for g in gradients(method))

    def test_training_lowers_the_loss(self, build) -> None:
        method = self.new(build, self.tasks[self.small or self.main])
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        optimizer = torch.optim.Adam(method.parameters(), lr=0.02)
        noise = torch.Generator().manual_seed(0)
        before = method.step(batch).task.mean.item()
        for _ in range(25):
            optimizer.zero_grad()
            method.training_loss(batch, 0, noise).total.backward()
            optimizer.step()
        after = method.step(batch).task.mean.item()
        assert after < 0.6 * before

    def test_an_epoch_is_counted_by_combination(self, build) -> None:
        method = self.new(build)
        masks = every_combination(method.task)[[0, 0, -1]]
        loss = loss_of(method, self.batch(method, masks))
        statistics = method.end_epoch()
        variance, task_loss = statistics.variance, statistics.loss
        for j in range(len(task_loss.counts)):
            rows = [i for i in range(3) if slow_index(loss.step.mask[i].tolist()) == j]
            assert int(task_loss.counts[j]) == len(rows)
            if not rows:
                assert task_loss.means[j].isnan()
                continue
            task = loss.step.task
            expected = (task.per_sample / task.size)[rows].double().mean()
            torch.testing.assert_close(task_loss.means[j], expected.detach())
            if loss.step.rep.log_var is None:
                assert variance.means[j].isnan()
            else:
                mean = loss.step.rep.mean_variance[rows].double().mean()
                torch.testing.assert_close(variance.means[j], mean.detach())
        assert not method.end_epoch().loss.counts.any()
        method.eval()
        method.training_loss(self.batch(method, masks))
        assert not method.end_epoch().loss.counts.any()  # validation is not counted

    # --- errors ---------------------------------------------------------------------------------

    def test_misuse_raises(self, build) -> None:
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
