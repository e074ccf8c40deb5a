"""Promises of training: gradients, a loss that falls, statistics of combinations."""

from __future__ import annotations

import torch

from dmrnet.methods.function import Build
from dmrnet.testing.batches import every_combination, slow_index
from dmrnet.testing.case import MethodCase
from dmrnet.testing.steps import all_finite, close_epoch, gradients, loss_of


class TrainingTests(MethodCase):
    """Training: gradients, a loss that falls, statistics of combinations."""

    def test_every_parameter_has_a_gradient_from_the_first_epoch_on(self, build: Build) -> None:
        """Also of what has no weight yet; processes that train together wait for each of them."""
        method = self.new(build)
        batch = self.batch(method, every_combination(method.task))
        for epoch in (0, 3, 8):
            loss_of(method, batch, epoch)
            assert all_finite(gradients(method))
            method.end_epoch()

    def test_training_lowers_the_loss(self, build: Build) -> None:
        """The loss falls to 60% or less within 25 steps on one batch."""
        method = self.new(build, self.tasks[self.small or self.main])
        masks = every_combination(method.task)
        batch = self.batch(method, masks)
        optimizer = torch.optim.Adam(method.parameters(), lr=0.02)
        noise = torch.Generator().manual_seed(0)
        before = method.step(batch).task.mean.item()
        for _ in range(25):
            optimizer.zero_grad()
            loss = method.training_loss(batch, 0, noise)
            loss.total.backward()
            optimizer.step()
            low = loss.step.task.mean.item() < 0.6 * before
            if low and method.step(batch).task.mean.item() < 0.6 * before:
                return
        after = method.step(batch).task.mean.item()
        assert after < 0.6 * before

    def test_an_epoch_is_counted_by_combination(self, build: Build) -> None:
        """Counts, mean losses and variances are those of a plain loop."""
        method = self.new(build)
        masks = every_combination(method.task)[[0, 0, -1]]
        loss = loss_of(method, self.batch(method, masks))
        statistics = close_epoch(method)
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
                of_samples = loss.step.rep.mean_variance
                assert of_samples is not None
                mean = of_samples[rows].double().mean()
                torch.testing.assert_close(variance.means[j], mean.detach())
        assert not close_epoch(method).loss.counts.any()
        method.eval()
        method.training_loss(self.batch(method, masks))
        assert not close_epoch(method).loss.counts.any()  # validation is not counted
