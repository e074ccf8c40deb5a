"""MMANet: a teacher that sees everything, and weak combinations trained twice (Wei, CVPR 2023).

SF-MD's network as the student of `full`, trained before it on the same data, selected with all
that a sample has, frozen:

``L = CE + 30 MAD + .5 MAR``, the last two from epoch 5 on.

MAD, margin-aware distillation, holds the student's similarities between the samples of a batch to
the teacher's, those that the teacher is unsure of the more. MAR, modality-aware regularisation,
finds the combination of all modalities but one whose predictions differ the most from those of all,
and classifies it and all within it once more, through a trunk that is dropped afterwards.

Departures: any V (the source's ranking is written for three); the teacher sees what is present, so
that incomplete data will do; ranking reads training predictions, so that nothing but training data
decides, where the source reads validation (``paper`` and ``released`` do); MAD is safe where a
probability underflows, where the released code gives NaN; MAR is restricted to weak samples, as
meant (`broadcast` in ``released`` is what its code computes). The released code passes over its
first epoch without a step, so that its epochs 2 to 4 are 1 to 3 in ``released``. The audio-visual
code of the comparison adds DMRNet's head to the student; that is not this method. With one modality
nothing is weak, and MAD remains.

For every pixel positions of the fused maps stand for samples in MAD, and MAR has a second fusion
and decoder; ``released-seg`` has the weights and epochs of its segmentation. There the released
code compares two finer maps as well, weighs by entropies of a decoder's features in place of
logits, lets the teacher's batch norms go on, and of two modalities takes the one with the worse
mIoU for weak, and not both: none of it is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.methods.modules.mmanet import MMANet
    from dmrnet.modalities import Task


@dataclass(frozen=True)
class MMANetSettings(SFMDSettings):
    """Settings of ``mmanet``.

    Attributes:
        margin_weight: Of margin-aware distillation.
        weak_weight: Of classifying weak combinations once more.
        start: The first epoch, counted from 0, in which both act.
        rank_on: Whose predictions rank combinations: those of the training steps (train) or of the
            validation set (val).
        rank_by: How far predictions are apart: by frequencies of classes, or by their softmax, as
            released.
        rank_from: The first epoch whose predictions rank combinations.
        rank_last: The last one; by default the one before `start`.
        broadcast: Weak combinations' term weighs the whole batch, as the released code does.
        teacher: Folder of a finished run of full on the same data; by default one is trained first,
            with the same seed and training, and kept beside the runs for every student of it.
    """

    name: ClassVar[str] = "mmanet"
    summary: ClassVar[str] = "distilled from a teacher that sees everything (Wei et al. 2023)"
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

    def build(self, task: Task) -> MMANet:
        """Put the parts together; the teacher comes by `Method.set_teacher`."""
        from dmrnet.methods.modules.mmanet import MMANet
        from dmrnet.objectives.margin_aware import MarginAware
        from dmrnet.objectives.modality_aware import ModalityAware
        from dmrnet.objectives.weak_combinations import WeakCombinations

        parts, second = self.network.build(task), self.network.build(task)
        last = self.start - 1 if self.rank_last is None else self.rank_last
        weak = WeakCombinations(
            len(task.modalities),
            len(task.classes),
            self.rank_from,
            last,
            self.rank_on,
            self.rank_by,
        )
        return MMANet(
            task,
            encoders=parts.encoders,
            fusion=parts.fusion,
            predictor=parts.predictor,
            representation=self.representation(parts.channels),
            terms=(
                MarginAware(self.margin_weight, self.start),
                ModalityAware(
                    self.weak_weight,
                    weak,
                    second.fusion,
                    second.predictor,
                    self.start,
                    self.broadcast,
                    task.class_weights,
                ),
                *self.two_views(),
            ),
            encodes=self.encodes,
            smoothing=self.smoothing,
        )
