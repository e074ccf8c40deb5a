"""MMANet: distillation from a teacher that sees all modalities (Wei et al., CVPR 2023).

SF-MD's network is the student of a frozen `full`, which is trained first on the same data and
selected by its score with all present modalities:

``L = CE + 30 MAD + .5 MAR``, the last two from epoch 5 on.

MAD, margin-aware distillation, makes the student's similarities between the samples of a batch like
the teacher's; samples that the teacher is unsure of weigh more. MAR, modality-aware regularisation,
finds the combination of all modalities but one whose predictions differ most from those of all, and
classifies samples of it and its subsets a second time, with a trunk that is not used at inference.

Departures: any V (the source ranks three modalities). The teacher sees what is present, so that
samples need not be complete. Training predictions rank combinations, so that only training data
decide; the source ranks by validation predictions (``paper`` and ``released``). MAD is finite where
a probability underflows; the released code gives NaN. MAR only acts on weak samples, as intended
(`broadcast` in ``released`` is what the released code computes). The released code skips the steps
of its first epoch, so that its epochs 2 to 4 are 1 to 3 in ``released``. The audio-visual code of
the comparison adds DMRNet's head to the student; that is not this method. With one modality nothing
is weak and only MAD acts.

In dense tasks positions of the fused maps take the place of samples in MAD, and MAR has a fusion
and a decoder of its own; ``released-seg`` has the weights and epochs of the released segmentation
code. That code also compares two finer maps, weighs by entropies of a decoder's features instead of
logits, updates the teacher's batch norms, and of two modalities calls only the one with the worse
mIoU weak; none of this is done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.methods.modules.mmanet import MMANet
    from dmrnet.modalities import Task


@dataclass(frozen=True)
class MMANetSettings(SFMDSettings):
    """Settings of ``mmanet``.

    Attributes:
        margin_weight: Weight of margin-aware distillation.
        weak_weight: Weight of the second classification of weak combinations.
        start: First epoch, counted from 0, with both terms.
        rank_on: Predictions that rank combinations: of the training steps (train) or of the
            validation set (val).
        rank_by: Divergence of predictions: between class frequencies (frequencies) or between
            their softmax (softmax), as released.
        rank_from: First epoch, counted from 0, whose predictions rank combinations.
        rank_last: Last epoch whose predictions rank combinations; by default the one before
            `start`.
        broadcast: Whether the term of weak combinations weighs the whole batch, as in the released
            code.
        teacher: Folder of a finished run of full on the same data; by default one is trained
            first, with the same seed and training, and shared by all students next to the runs.
    """

    name: ClassVar[str] = "mmanet"
    summary: ClassVar[str] = "distilled from a teacher that sees everything (Wei et al. 2023)"
    needs_classes: ClassVar[bool] = True
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"rank_on": "val"},
        "released": {
            "rank_on": "val",
            "rank_by": "softmax",
            "rank_from": 1,
            "rank_last": 3,
            "broadcast": True,
        },
        "released-seg": {
            "margin_weight": 4.0,
            "weak_weight": 0.2,
            "start": 11,
            "rank_on": "val",
            "rank_from": 6,
            "rank_last": 9,
        },
    }

    encodes: Literal["mask", "present"] = "present"
    margin_weight: float = 30.0
    weak_weight: float = 0.5
    start: int = 5
    rank_on: Literal["train", "val"] = "train"
    rank_by: Literal["frequencies", "softmax"] = "frequencies"
    rank_from: int = 2
    rank_last: int | None = None
    broadcast: bool = False
    teacher: str | None = None

    @property
    def method_class(self) -> type[MMANet]:
        """Class of the method."""
        from dmrnet.methods.modules.mmanet import MMANet

        return MMANet

    def prerequisite_run(self) -> str | None:
        """Return the folder of the teacher, if it is set."""
        return self.teacher

    def build(self, task: Task) -> Method:
        """Return the method for a task, without its teacher (see `TrainingHooks.set_teacher`)."""
        from dmrnet.objectives.systems.margin_aware import MarginAware
        from dmrnet.objectives.systems.modality_aware import ModalityAware
        from dmrnet.objectives.systems.weak_combinations import WeakCombinations
        from dmrnet.objectives.task import dice_weight

        parts, second = self.network.build(task), self.network.build(task)
        weak = WeakCombinations(
            len(task.modalities),
            len(task.classes),
            first_epoch=self.rank_from,
            last_epoch=self.start - 1 if self.rank_last is None else self.rank_last,
            on=self.rank_on,
            by=self.rank_by,
        )
        modality_aware = ModalityAware(
            self.weak_weight,
            weak,
            second.fusion,
            second.predictor,
            self.start,
            self.broadcast,
            task.class_weights,
            dice_weight(task, self.dice),
        )
        margin_aware = MarginAware(self.margin_weight, self.start)
        return self.assemble(task, parts, (margin_aware, modality_aware, *self.mutual_terms(task)))
