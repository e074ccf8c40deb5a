"""The stages carry the methods to come: the toys keep every promise, and a few of their own."""

from __future__ import annotations

import copy
from typing import ClassVar

import pytest
import torch
from tests.contracts.toys import ESANetShaped, ShaSpecShaped, Taught

from dmrnet.methods import build_method
from dmrnet.objectives import pixel_cross_entropy
from dmrnet.testing import MethodTests
from dmrnet.testing.batches import SMALL, TASKS, every_combination, random_batch, task_of
from dmrnet.testing.steps import loss_of, rows_encoded

DENSE = task_of(("image", (3, 8, 12)), ("image", (1, 8, 12)), dense=True)
ALIKE = task_of(*[("vector", (4,))] * 3)


class TestESANetShaped(MethodTests):
    tasks: ClassVar = {"dense": DENSE}
    main = "dense"
    test_it_exports_with_any_batch_size = None

    @pytest.fixture
    def build(self):
        return ESANetShaped

    def test_logits_are_pixels_and_side_outputs_are_added(self, build) -> None:
        method = self.new(build)
        loss = loss_of(method, self.batch(method, every_combination(DENSE)))
        assert loss.step.out.logits.shape == (3, 3, 8, 12)
        assert [tuple(s.shape[2:]) for s in loss.step.out.side] == [(1, 2), (2, 3)]
        outputs = (loss.step.out.logits, *loss.step.out.side)
        target = loss.step.batch.target
        expected = sum(pixel_cross_entropy(o, target).mean.item() for o in outputs)
        assert loss.parts["task"].item() == pytest.approx(expected, rel=1e-5)

    def test_hard_samples_keep_the_normaliser_of_pixels_and_scales(self, build) -> None:
        method = self.new(build)
        method.miner.hard[2] = True
        loss = loss_of(method, self.batch(method, every_combination(DENSE)))
        outputs = (loss.step.out.logits, *loss.step.out.side)
        target = loss.step.batch.target
        # The only sample of combination 2 is the second; all pixels have labels.
        expected = sum(pixel_cross_entropy(o[1:2], target[1:2]).mean.item() / 3 for o in outputs)
        assert loss.parts["hard_combinations"].item() == pytest.approx(expected, rel=1e-5)

    def test_the_depth_stream_is_encoded_and_the_rgb_stages_are_not(self, build) -> None:
        method = self.new(build).eval()
        batch = random_batch(DENSE, every_combination(DENSE))
        feats = method.encode(batch.inputs, batch.where)
        assert {n: tuple(f.shape[1:]) for n, f in feats.items()} == {
            "m0": (8, 4, 6),
            "m1": (8, 4, 6),
            "m1.1": (8, 2, 3),
            "m1.2": (8, 1, 2),
        }
        assert len(method.fuse(feats, batch.mask).skips) == 2
        calls: list[int] = []
        method.stream[1].register_forward_pre_hook(lambda *_: calls.append(1))
        method.logits(feats, batch.mask)
        assert not calls

    def test_an_image_without_a_label_is_not_counted(self, build) -> None:
        method = self.new(build)
        batch = self.batch(method, every_combination(DENSE))
        batch.target[0] = -1
        assert loss_of(method, batch).total.isfinite()
        statistics = method.end_epoch()
        assert statistics.loss.counts.tolist() == [0, 0, 1, 1]
        assert statistics.loss.means[2:].isfinite().all()


class TestShaSpecShaped(MethodTests):
    tasks: ClassVar = {"alike": ALIKE}
    main = "alike"
    test_it_exports_with_any_batch_size = None  # as shaspec itself

    @pytest.fixture
    def build(self):
        return ShaSpecShaped

    def test_masked_features_are_encoded_and_read(self, build) -> None:
        method = self.new(build)
        masks = every_combination(ALIKE)
        loss = loss_of(method, self.batch(method, masks))
        assert set(loss.parts) == {"task", "align", "tell_modality"}
        pairs = [
            (loss.step.feats[f"{a}.shared"] - loss.step.feats[f"{b}.shared"]).abs().mean()
            for a, b in (("m2", "m0"), ("m0", "m1"), ("m1", "m2"))
        ]
        assert loss.parts["align"].item() == pytest.approx(float(sum(pairs).detach()), rel=1e-5)
        encoders = [method.encoders[0], method.shared]
        assert all(p.grad.any() for e in encoders for p in e.parameters())

    def test_masked_features_without_an_encoding_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"the term align reads .* set encodes to present"):
            ShaSpecShaped(ALIKE, encodes="mask")

    def test_a_terms_own_parameters_are_trained_saved_and_wait_with_zero_gradients(
        self, build
    ) -> None:
        method = self.new(build)
        batch = self.batch(method, every_combination(ALIKE))
        classifier = method.objective.terms[2].classifier
        assert "objective.terms.2.classifier.weight" in method.state_dict()
        loss_of(method, batch, epoch=0)
        assert not classifier.weight.grad.any()
        loss_of(method, batch, epoch=1)
        assert classifier.weight.grad.any()

    def test_hidden_shared_features_are_the_mean_of_the_seen(self, build) -> None:
        method = self.new(build).eval()
        batch = random_batch(ALIKE, torch.tensor([[True, True, False]]))
        feats = method.encode(batch.inputs, batch.where)
        mean = (feats["m0.shared"] + feats["m1.shared"]) / 2
        given = {**feats, "m2.shared": mean, "m2": torch.zeros_like(mean)}
        torch.testing.assert_close(
            method.logits(feats, batch.mask), method.logits(given, torch.ones(1, 3).bool())
        )


class TestTaught(MethodTests):
    tasks: ClassVar = {"maps": TASKS["maps"]}
    test_it_exports_with_any_batch_size = None

    @pytest.fixture
    def build(self):
        return Taught

    def test_the_teacher_sees_everything_and_is_left_alone(self, build) -> None:
        method = self.new(build)
        teacher = method.objective.terms[1].teacher.module
        before = copy.deepcopy(teacher.state_dict())
        batch = self.batch(method, every_combination(method.task))
        optimizer = torch.optim.SGD(method.parameters(), lr=0.1)
        with rows_encoded(teacher) as calls:
            loss = loss_of(method, batch)
        assert all(rows == [len(batch)] for rows in calls.values())
        optimizer.step()
        for name, value in teacher.state_dict().items():
            assert torch.equal(value, before[name])
        taught = teacher(batch.inputs, batch.present).softmax(1)
        student = loss.step.out.logits.detach().softmax(1)
        kl = (taught * (taught / student).log()).sum(1).mean()
        assert loss.parts["distil"].item() == pytest.approx(kl.item(), rel=1e-3, abs=1e-6)
        assert not any(name.startswith("objective") for name in method.state_dict())

    def test_without_a_teacher_training_says_so_and_inference_does_not_care(self, build) -> None:
        task = self.tasks[self.main]
        method = build(task)
        batch = random_batch(task, every_combination(task))
        with pytest.raises(ValueError, match="no teacher; set one"):
            method.training_loss(batch)
        assert method.eval()(batch.inputs, batch.mask).isfinite().all()

    def test_a_method_without_needs_takes_no_teacher(self) -> None:
        task = self.tasks[self.main]
        method = build_method("sf-md", task, network=SMALL)
        with pytest.raises(TypeError, match="Method needs no other method to be trained first"):
            method.set_teacher(method)
