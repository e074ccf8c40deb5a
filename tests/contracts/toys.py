"""Small methods in the shapes that are hardest for the stages: ESANet, ShaSpec, a taught student.

Not the systems of those names, only their build: what is encoded, what is fused with it, what the
terms look at.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.methods.base import Features, Method
from dmrnet.methods.hooks import Needs
from dmrnet.methods.modules.mining import MiningMethod
from dmrnet.modalities import Inputs, Task, Where
from dmrnet.nn import (
    DMR,
    BatchNorm,
    Frozen,
    Fused,
    Fusion,
    Network,
    Output,
    Point,
    PooledLinear,
    encode_rows,
    masked,
    output_shape,
)
from dmrnet.objectives import Distribution, HardCombinations, Miner, Step, Term

WIDTH = 8


def stage(channels: int) -> nn.Module:
    """Return a block that halves a map."""
    return nn.Sequential(
        nn.Conv2d(channels, WIDTH, 3, stride=2, padding=1), BatchNorm(WIDTH), nn.ReLU()
    )


# --- ESANet: one stream continues from fused maps, the predictor is a decoder with skips ----------


class InterleavedFusion(Fusion):
    """RGB stages that each continue from the sum of both streams under the mask."""

    def __init__(self, first: str, second: str, stages: int) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.stages = nn.ModuleList(stage(WIDTH) for _ in range(stages))

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        rgb, depth = mask.unbind(1)
        fused = masked(feats[self.first], rgb) + masked(feats[self.second], depth)
        skips = []
        for k, block in enumerate(self.stages, start=1):
            skips.append(fused)
            fused = masked(block(fused), rgb) + masked(feats[f"{self.second}.{k}"], depth)
        return Fused(fused, tuple(skips))


class Decoder(nn.Module):
    """Goes back up over the skips; a side output before each step up."""

    def __init__(self, size: tuple[int, int], classes: int, skips: int) -> None:
        super().__init__()
        self.size = size
        self.side = nn.ModuleList(nn.Conv2d(WIDTH, classes, 1) for _ in range(skips))
        self.head = nn.Conv2d(WIDTH, classes, 1)

    def forward(self, value: Tensor, skips: tuple[Tensor, ...] = ()) -> Output:
        side = []
        for head, skip in zip(self.side, reversed(skips), strict=True):
            side.append(head(value))
            value = F.interpolate(value, skip.shape[2:], mode="nearest") + skip
        return Output(self.head(F.interpolate(value, self.size, mode="nearest")), tuple(side))


class ESANetShaped(MiningMethod):
    """Encodes the RGB stem and the whole depth stream; everything else runs on cached features."""

    def __init__(self, task: Task, stages: int = 2) -> None:
        rgb, depth = task.inputs
        encoders = {m.name: stage(m.shape[0]) for m in task.inputs}
        super().__init__(
            task,
            encoders=encoders,
            fusion=InterleavedFusion(rgb.name, depth.name, stages),
            representation=DMR(WIDTH),
            predictor=Decoder((rgb.shape[1], rgb.shape[2]), len(task.classes), stages),
            terms=(Distribution(1e-3), HardCombinations(0.5, Miner(2), start_epoch=0)),
        )
        self.stream = nn.ModuleList(stage(WIDTH) for _ in range(stages))
        shapes = [self.shapes[depth.name]]
        for block in self.stream:
            shapes.append(output_shape(block, shapes[-1]))
        self.stream_shapes = shapes[1:]

    def encode(self, inputs: Inputs, where: Where) -> Features:
        feats = super().encode(inputs, where)
        depth = self.modalities[1]
        last = feats[depth]
        for k, (block, shape) in enumerate(
            zip(self.stream, self.stream_shapes, strict=True), start=1
        ):
            last = encode_rows(block, last, where[depth], shape)
            feats[f"{depth}.{k}"] = last
        return feats


# --- ShaSpec: two encoders a modality, imputation, terms that read what is masked -----------------


class SharedSpecificFusion(Fusion):
    """Shared features of what is hidden are the mean of what is seen; specific ones are zero."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names
        self.project = nn.Conv2d(2 * WIDTH, WIDTH, 1)
        self.trunk = nn.Sequential(nn.Conv2d(len(names) * WIDTH, WIDTH, 1), nn.ReLU())

    def forward(self, feats: Inputs, mask: Tensor) -> Fused:
        columns = mask.unbind(1)
        shared = [masked(feats[f"{n}.shared"], c) for n, c in zip(self.names, columns, strict=True)]
        mean = torch.stack(shared).sum(0) / mask.sum(1).clamp(min=1)[:, None, None, None]
        parts = []
        for name, column, mine in zip(self.names, columns, shared, strict=True):
            filled = torch.where(column[:, None, None, None], mine, mean)
            both = torch.cat([filled, masked(feats[name], column)], 1)
            parts.append(filled + self.project(both))
        return Fused(self.trunk(torch.cat(parts, 1)))


class Align(Term):
    """Draws together the shared features of every two modalities that a sample has."""

    reads_hidden = True

    def __init__(self, weight: float, names: tuple[str, ...]) -> None:
        super().__init__("align", weight)
        self.names = names

    def forward(self, step: Step) -> Tensor:
        total = step.task.per_sample.new_zeros(())
        for k in range(len(self.names)):
            one, two = (step.feats[f"{self.names[i]}.shared"] for i in (k - 1, k))
            both = step.batch.present[:, k - 1] & step.batch.present[:, k]
            total = total + ((one - two).abs().flatten(1).mean(1) * both).sum()
        return total / len(step.mask)


class TellModality(Term):
    """Classifies the modality from its specific features; has parameters, and starts late."""

    reads_hidden = True

    def __init__(self, weight: float, names: tuple[str, ...], start_epoch: int = 1) -> None:
        super().__init__("tell_modality", weight)
        self.names = names
        self.start_epoch = start_epoch
        self.classifier = nn.Linear(WIDTH, len(names))

    def weight(self, epoch: int) -> float:
        return self.full_weight if epoch >= self.start_epoch else 0.0

    def forward(self, step: Step) -> Tensor:
        logits = torch.stack([self.classifier(step.feats[n].mean((2, 3))) for n in self.names], 1)
        target = torch.arange(len(self.names), device=logits.device).expand(logits.shape[:2])
        losses = F.cross_entropy(logits.float().mT, target, reduction="none")
        return (losses * step.batch.present).sum() / len(step.mask)


class ShaSpecShaped(Method):
    """A specific encoder for each modality and one that all share, in features by flat names."""

    def __init__(self, task: Task, encodes: str = "present") -> None:
        names = task.modalities
        encoders = Network(width=WIDTH, depth=1).build_encoders(task)
        super().__init__(
            task,
            encoders=encoders,
            fusion=SharedSpecificFusion(names),
            representation=Point(WIDTH),
            predictor=PooledLinear(WIDTH, len(task.classes)),
            terms=(Align(0.1, names), TellModality(0.02, names)),
            encodes=encodes,  # type: ignore[arg-type]
        )
        (self.shared,) = (
            Network(width=WIDTH).build_encoders(Task(task.inputs[:1], task.classes)).values()
        )

    def encode(self, inputs: Inputs, where: Where) -> Features:
        feats = super().encode(inputs, where)
        for name in self.modalities:
            feats[f"{name}.shared"] = encode_rows(
                self.shared, inputs[name], where[name], self.shapes[name]
            )
        return feats


# --- a taught student: needs complete data, and another method that was trained before ------------


class Distil(Term):
    """Divergence of the student's prediction from a frozen teacher's, which sees everything."""

    def __init__(self, weight: float) -> None:
        super().__init__("distil", weight)
        self.teacher: Frozen | None = None

    def forward(self, step: Step) -> Tensor:
        if self.teacher is None:
            raise ValueError("the student has no teacher; set one with set_teacher(...)")
        taught = self.teacher(step.batch.inputs, step.batch.present)
        student = step.out.logits.float().log_softmax(1)
        return F.kl_div(
            student, taught.float().log_softmax(1), log_target=True, reduction="batchmean"
        )


class Taught(Method):
    """A student with a teacher that was trained on complete samples."""

    needs = Needs(complete=True, prerequisite="sf-md")

    def __init__(self, task: Task) -> None:
        network = Network(width=WIDTH, depth=1, trunk_depth=1)
        parts = network.build(task)
        super().__init__(
            task,
            encoders=parts.encoders,
            fusion=parts.fusion,
            representation=Point(WIDTH),
            predictor=parts.predictor,
            terms=(Distil(1.0),),
        )

    def set_teacher(self, teacher: nn.Module) -> None:
        (term,) = (t for t in self.objective.terms if isinstance(t, Distil))
        term.teacher = Frozen(teacher)
