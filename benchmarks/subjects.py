"""The two sides: a method of dmrnet, and plain released code with its weights, on one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benchmarks.released import Released, ReleasedESANet, ReleasedOGM, ReleasedSURF
from dmrnet.evaluation.combinations import predict_masks
from dmrnet.methods import build_method
from dmrnet.methods.base import Encodes, Method
from dmrnet.modalities import Batch, Modality, Task, all_combinations, rows_of
from dmrnet.nn.encoders.resnet_layouts import LayoutName
from dmrnet.nn.layers.memory_format import arrange
from dmrnet.nn.networks.network import Network


@dataclass(frozen=True)
class Case:
    """A network and the sizes of its batch.

    Attributes:
        family: surf, ogm or esanet.
        inputs: ``(C, H, W)`` or ``(C, T, H, W)`` of each modality.
        batch: Number of samples.
        stem: Number of channels of the network's stem.
        layout: Layout of ESANet's ResNets.
    """

    family: str
    inputs: tuple[tuple[int, ...], ...]
    batch: int
    stem: int = 64
    layout: LayoutName = "r34-nbt1d"

    @property
    def dense(self) -> bool:
        """Whether every pixel has a class."""
        return self.family == "esanet"

    @property
    def name(self) -> str:
        """Name in tables."""
        shapes = list(dict.fromkeys("×".join(map(str, shape)) for shape in self.inputs))
        width = "" if self.stem == 64 else f", stem {self.stem}"
        return (
            f"{self.family} V={len(self.inputs)}, {self.batch} samples of {' + '.join(shapes)}"
            f"{width}"
        )

    @property
    def task(self) -> Task:
        """Modalities and classes."""
        kinds = {1: "vector", 3: "image", 4: "volume"}
        names = [f"m{v}" for v in range(len(self.inputs))]
        inputs = tuple(
            Modality(name, kinds[len(shape)], shape)  # type: ignore[arg-type]
            for name, shape in zip(names, self.inputs, strict=True)
        )
        classes = {"surf": 2, "ogm": 6, "esanet": 40}[self.family]
        return Task(inputs, tuple(f"c{c}" for c in range(classes)), dense=self.dense)


class Pair:
    """Both sides of a case, with the same weights.

    Args:
        case: Network and sizes.
        dtype: float32, or float64 to compare the sides.
        device: Device of both sides.
    """

    def __init__(self, case: Case, dtype: torch.dtype = torch.float32, device: str = "cpu") -> None:
        self.case, self.task = case, case.task
        self.device = torch.device(device)
        torch.manual_seed(0)
        form = "vector" if case.family == "ogm" else "map"
        layout = case.layout if case.dense else None
        network = Network(family=case.family, form=form, layout=layout, stem=case.stem)  # type: ignore[arg-type]
        recipe = "released-av" if case.family == "ogm" else "released"
        method = build_method("dmrnet", self.task, recipe, network=network)
        # As in the engine.
        self.method: Method = method.to(self.device, dtype)
        arrange(self.method, self.device.type)
        self.generator = torch.Generator(self.device)
        args = (method.state_dict(), self.task.modalities, self.generator)
        self.released: Released
        if case.family == "esanet":
            self.released = ReleasedESANet(*args, layout=case.layout)
        else:
            self.released = (ReleasedSURF if case.family == "surf" else ReleasedOGM)(*args)
        self.batch = made_batch(case, dtype)
        self.combinations = all_combinations(len(case.inputs)).to(self.device)
        self.here = self.batch.to(self.device)
        self.ours = sgd(self.method.parameters(), fused=True)
        self.theirs = sgd(self.released.parameters())

    def encoding(self, what: Encodes) -> Batch:
        """Return the batch with index lists of the mask, or of everything present."""
        assert self.batch.mask is not None
        encode = self.batch.mask if what == "mask" else self.batch.present
        masked = self.batch.masked(self.batch.mask, encode, self.task.modalities)
        return masked.to(self.device)

    def our_loss(self, batch: Batch, what: Encodes) -> Tensor:
        """Return dmrnet's loss of a batch, with this value of `encodes`."""
        self.method.encodes = what
        self.generator.manual_seed(0)
        return self.method.training_loss(batch, 0, self.generator).total

    def their_loss(self) -> Tensor:
        """Return the loss of the batch as the released code computes it."""
        assert self.batch.mask is not None
        self.generator.manual_seed(0)
        here = self.here
        assert here.mask is not None
        return self.released.loss(here.inputs, here.mask, here.target)

    def step(self, what: Encodes, bf16: bool = False) -> Callable[[], None]:
        """Return a training step of dmrnet that encodes the mask, or what is present."""
        batch = self.encoding(what)

        def run() -> None:
            self.method.train()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                loss = self.our_loss(batch, what)
            loss.backward()
            self.ours.step()
            self.ours.zero_grad()

        return run

    def released_step(self, bf16: bool = False) -> Callable[[], None]:
        """Return a training step of the released code."""

        def run() -> None:
            self.released.training = True
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                loss = self.their_loss()
            self.theirs.zero_grad()
            loss.backward()
            self.theirs.step()

        return run

    def evaluation(self, bf16: bool = False) -> Callable[[], Tensor]:
        """Return dmrnet's logits ``(K, B, ...)`` of all combinations."""
        present = rows_of(self.batch.present, self.task.modalities)
        here = replace(self.batch, where=present).to(self.device)
        masks = self.combinations[:, None, :].expand(-1, self.case.batch, -1)

        @torch.inference_mode()
        def run() -> Tensor:
            self.method.eval()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                assert here.where is not None
                feats = self.method.cached(here.inputs, here.where)
                return predict_masks(self.method, feats, masks)

        return run

    def released_evaluation(self, bf16: bool = False) -> Callable[[], Tensor]:
        """Return the released code's logits of all combinations, a pass for each."""

        def run() -> Tensor:
            self.released.training = False
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                return self.released.evaluate(self.here.inputs, self.combinations)

        return run


def made_batch(case: Case, dtype: torch.dtype = torch.float32) -> Batch:
    """Return a batch of noise, complete, under `balanced_masks`."""
    generator = torch.Generator().manual_seed(1)
    task = case.task
    inputs = {
        m.name: torch.randn(case.batch, *m.shape, generator=generator).to(dtype)
        for m in task.inputs
    }
    present = torch.ones(case.batch, len(task.modalities), dtype=torch.bool)
    shape = (case.batch, *(task.inputs[0].shape[1:] if case.dense else ()))
    target = torch.randint(0, len(task.classes), shape, generator=generator)
    batch = Batch(inputs, present, target, torch.arange(case.batch))
    return replace(batch, mask=balanced_masks(case.batch, len(task.modalities)))


def balanced_masks(batch: int, modalities: int) -> Tensor:
    """Return masks that show each modality as often as combinations drawn uniformly do on average.

    Every combination is repeated as often as the batch allows. The rest of the batch is pairs of a
    combination and its complement, which together show each modality once. If one mask is left, it
    shows the number of modalities that brings the total nearest to the average. Random masks would
    make measurements of small batches differ, and the first combinations in order would show the
    first modalities only.

    Returns:
        bool ``(batch, V)``, always the same; no mask twice up to ``2^V - 1``.

    >>> balanced_masks(4, 6).int().sum(0).tolist()
    [2, 2, 2, 2, 2, 2]
    """
    combinations = all_combinations(modalities)
    whole, left = divmod(batch, len(combinations))
    chosen = [combinations.repeat(whole, 1)]
    # The half of each pair with the first modality; the full combination has no complement.
    firsts = combinations[combinations[:, 0] & ~combinations.all(1)]
    firsts = firsts[torch.randperm(len(firsts), generator=torch.Generator().manual_seed(0))]
    if left % 2:
        shown = round(modalities * (1 + left / len(combinations)) / 2)
        odd = torch.arange(modalities) < max(1, shown)
        firsts = firsts[(firsts != odd).any(1)]
        chosen.append(odd[None])
    halves = firsts[: left // 2]
    return torch.cat([*chosen, torch.stack([halves, ~halves], 1).flatten(0, 1)])


def sgd(parameters: Iterable[nn.Parameter], fused: bool | None = None) -> torch.optim.SGD:
    """Return the optimizer that the released code trains with."""
    return torch.optim.SGD(
        parameters, lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=fused
    )
