"""The released code's computation: every encoder on every sample, then masked features are zeroed.

Channels first, torch's ordinary layers as functions, one whole pass for every combination. Nothing
of dmrnet is used but the names of its weights, so that both sides compute from the same ones: the
order of operations is that of the released scripts (a mask multiplied into encoded maps; a head of
1x1 convolutions, or linear layers, on what is fused; a sample in training, the mean otherwise).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCKS = {"r18": (2, 2, 2, 2), "r34-nbt1d": (3, 4, 6, 3)}

ALPHA = 1e-3
"""Weight of the summed divergence."""


class Layers:
    """Layers as functions of named weights.

    Args:
        state: Weights and running statistics, by dmrnet's names; copied.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.training = False
        self.weights = {
            name: nn.Parameter(value.detach().clone().contiguous())
            for name, value in state.items()
            if value.is_floating_point()
            and "running" not in name
            and not name.startswith(("objective.", "seen_"))
        }
        self.statistics = {n: v.detach().clone() for n, v in state.items() if "running" in n}

    def parameters(self) -> list[nn.Parameter]:
        """Return the trained parameters."""
        return list(self.weights.values())

    def conv(
        self, name: str, x: Tensor, stride: int = 1, pad: int | tuple[int, int] = 0, groups: int = 1
    ) -> Tensor:
        """Convolve; a stride is for both directions."""
        bias = self.weights.get(f"{name}.bias")
        return F.conv2d(x, self.weights[f"{name}.weight"], bias, stride, pad, 1, groups)

    def norm(self, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        """Batch norm."""
        return F.batch_norm(
            x,
            self.statistics[f"{name}.running_mean"],
            self.statistics[f"{name}.running_var"],
            self.weights[f"{name}.weight"],
            self.weights[f"{name}.bias"],
            self.training,
            0.1,
            eps,
        )

    def linear(self, name: str, x: Tensor) -> Tensor:
        """Linear layer on vectors; 1x1 kernels are read as matrices."""
        weight = self.weights[f"{name}.weight"].flatten(1)
        return F.linear(x, weight, self.weights.get(f"{name}.bias"))

    def excite(self, name: str, x: Tensor) -> Tensor:
        """Squeeze and excite."""
        hidden = F.relu(self.linear(f"{name}.fc1", x.mean((2, 3))))
        return x * torch.sigmoid(self.linear(f"{name}.fc2", hidden))[:, :, None, None]

    def conv_norm_relu(self, name: str, x: Tensor, stride: int = 1, pad: int = 0) -> Tensor:
        """Convolution, batch norm, ReLU."""
        out = self.norm(f"{name}.1", self.conv(f"{name}.0", x, stride, pad))
        return F.relu(out, inplace=True)

    def block(self, name: str, x: Tensor, stride: int) -> Tensor:
        """Residual block of two 3x3 convolutions, or of two pairs of 3x1 and 1x3 ones."""
        if f"{name}.conv1.weight" in self.weights:
            y = self.norm(f"{name}.bn1", self.conv(f"{name}.conv1", x, stride, 1))
            y = self.norm(f"{name}.bn2", self.conv(f"{name}.conv2", F.relu(y, inplace=True), 1, 1))
        else:
            y = self._line(f"{name}.conv3x1_1", x, (stride, 1), (1, 0))
            y = self._line(f"{name}.conv1x3_1", F.relu(y, inplace=True), (1, stride), (0, 1))
            y = F.relu(self.norm(f"{name}.bn1", y, 1e-3), inplace=True)
            y = F.relu(self._line(f"{name}.conv3x1_2", y, (1, 1), (1, 0)), inplace=True)
            y = self.norm(f"{name}.bn2", self._line(f"{name}.conv1x3_2", y, (1, 1), (0, 1)), 1e-3)
        if f"{name}.downsample.0.weight" in self.weights:
            x = self.conv(f"{name}.downsample.0", x, stride)
            x = self.norm(f"{name}.downsample.1", x)
        return F.relu(y + x, inplace=True)

    def _line(self, name: str, x: Tensor, stride: tuple[int, int], pad: tuple[int, int]) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return F.conv2d(x, weight, bias, stride, pad)

    def stage(self, name: str, x: Tensor, number: int, blocks: int) -> Tensor:
        """Stage of a ResNet; the first halves by max pooling, the others by stride."""
        if number == 0:
            x = F.max_pool2d(x, 3, 2, 1)
        for k in range(blocks):
            x = self.block(f"{name}.{k}", x, 2 if k == 0 and number else 1)
        return x


class Released(Layers):
    """One of the released networks with its distribution head.

    Args:
        state: Weights by dmrnet's names.
        modalities: In the order of mask columns.
        generator: Draws the noise in training.
    """

    def __init__(
        self, state: Mapping[str, Tensor], modalities: Sequence[str], generator: torch.Generator
    ) -> None:
        super().__init__(state)
        self.modalities = tuple(modalities)
        self.generator = generator

    def logits(self, inputs: Mapping[str, Tensor], mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return logits (several scales where every pixel has a class) and the divergence."""
        raise NotImplementedError

    def loss(self, inputs: Mapping[str, Tensor], mask: Tensor, target: Tensor) -> Tensor:
        """Return cross-entropy and divergence of a batch."""
        outputs, divergence = self.logits(inputs, mask)
        total = ALPHA * divergence / len(target)
        for out in outputs:
            total = total + F.cross_entropy(full(out), nearest(target, out), ignore_index=-1)
        return total

    @torch.inference_mode()
    def evaluate(self, inputs: Mapping[str, Tensor], combinations: Tensor) -> Tensor:
        """Return the classes predicted under each combination, a whole pass for each of them."""
        rows = len(next(iter(inputs.values())))
        passes = [self.logits(inputs, c.expand(rows, -1))[0][0] for c in combinations]
        return full(torch.stack(passes))

    def head(self, name: str, x: Tensor) -> Tensor:
        """1x1 convolution and batch norm; on vectors a linear layer."""
        out = self.linear(f"{name}.0", x) if x.dim() == 2 else self.conv(f"{name}.0", x)
        return self.norm(f"{name}.1", out)

    def drawn(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Return the classifier's input, and the divergence summed over the batch."""
        mu = full(self.head("representation.mu", fused))
        log_var = full(self.head("representation.log_var", fused))
        divergence = 0.5 * (mu**2 + log_var.exp() - log_var - 1).sum()
        if not self.training:
            return mu, divergence
        eps = torch.randn(mu.shape, generator=self.generator, dtype=mu.dtype, device=mu.device)
        return mu + eps * (0.5 * log_var).exp(), divergence


class ReleasedSURF(Released):
    """The face anti-spoofing network: shallow encoders side by side, a deep trunk."""

    def logits(self, inputs: Mapping[str, Tensor], mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode all, multiply by the mask, run the trunk on the concatenation."""
        maps = []
        for v, name in enumerate(self.modalities):
            x = self.conv_norm_relu(f"encoders.{v}.resnet.stem", inputs[name], 2, 1)
            for stage in (0, 1):
                x = self.stage(f"encoders.{v}.resnet.stages.{stage}", x, stage, 2)
            x = self.excite(f"encoders.{v}.excite", x)
            maps.append(x * mask[:, v].to(x.dtype)[:, None, None, None])
        x = torch.cat(maps, 1)
        for stage in (2, 3):
            x = self.stage(f"fusion.trunk.{stage - 2}", x, stage, 2)
        value, divergence = self.drawn(x)
        return [self.linear("predictor.linear", value.mean((2, 3)))], divergence


class ReleasedOGM(Released):
    """The audio-visual network: a ResNet each, pooled, side by side; frames are averaged."""

    def logits(self, inputs: Mapping[str, Tensor], mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode all frames, multiply by the mask, pool, classify the concatenation."""
        vectors = []
        for v, name in enumerate(self.modalities):
            x = inputs[name]
            volume = x.dim() == 5
            at = f"encoders.{v}.frame" if volume else f"encoders.{v}"
            frames = x.transpose(1, 2).flatten(0, 1) if volume else x
            y = self.conv_norm_relu(f"{at}.stem", frames, 2, 3)
            for stage in range(4):
                y = self.stage(f"{at}.stages.{stage}", y, stage, 2)
            if volume:
                y = y.reshape(x.shape[0], x.shape[2], *y.shape[1:]).mean(1)
            y = y * mask[:, v].to(y.dtype)[:, None, None, None]
            vectors.append(y.mean((2, 3)))
        value, divergence = self.drawn(torch.cat(vectors, 1))
        return [self.linear("predictor.linear", value)], divergence


class ReleasedESANet(Released):
    """The segmentation network: a side stream added into the main one at five places.

    Args:
        state: Weights by dmrnet's names.
        modalities: The first is the main one.
        generator: Draws the noise in training.
        layout: Of both ResNets.
    """

    def __init__(
        self,
        state: Mapping[str, Tensor],
        modalities: Sequence[str],
        generator: torch.Generator,
        layout: str,
    ) -> None:
        super().__init__(state, modalities, generator)
        self.blocks = BLOCKS[layout]

    def logits(self, inputs: Mapping[str, Tensor], mask: Tensor) -> tuple[list[Tensor], Tensor]:
        """Run both streams from image to pixel."""
        streams = [
            self.conv_norm_relu(f"encoders.{v}.stem", inputs[name], 2, 3)
            for v, name in enumerate(self.modalities)
        ]
        skips = []
        for level in range(5):
            if level:
                which = (level - 1, self.blocks[level - 1])
                paths = ["fusion", *(f"encoders.{v}" for v in range(1, len(streams)))]
                streams = [
                    self.stage(f"{path}.stages.{level - 1}", x, *which)
                    for path, x in zip(paths, streams, strict=True)
                ]
            shown = [x * mask[:, v].to(x.dtype)[:, None, None, None] for v, x in enumerate(streams)]
            parts = [self.excite(f"fusion.excite.{level}.{v}", x) for v, x in enumerate(shown)]
            streams[0] = torch.stack(parts).sum(0)
            if level in (1, 2, 3):
                name = f"fusion.skips.{level - 1}"
                wider = f"{name}.0.weight" in self.weights
                skips.append(self.conv_norm_relu(name, streams[0]) if wider else streams[0])
        value, divergence = self.drawn(self.context(streams[0]))
        outputs: list[Tensor] = []
        x = value
        for k, skip in enumerate(reversed(skips)):
            at = f"predictor.stages.{k}"
            x = self.conv_norm_relu(f"{at}.conv", x, 1, 1)
            for block in range(3):
                x = self.block(f"{at}.blocks.{block}", x, 1)
            if self.training:
                outputs.insert(0, self.conv(f"{at}.side", x))
            x = self.upsample(f"{at}.up.conv", x) + skip
        x = self.conv("predictor.logits.0", x, 1, 1)
        for k in (1, 2):
            x = self.upsample(f"predictor.logits.{k}.conv", x)
        return [x, *outputs], divergence

    def context(self, x: Tensor) -> Tensor:
        """Concatenate the map with its averages over 1 and 5 x 5 bins, and mix."""
        parts = [x]
        for k, side in enumerate((1, 5)):
            y = F.adaptive_avg_pool2d(x, side)
            y = self.conv_norm_relu(f"fusion.context.branches.{k}", y)
            parts.append(F.interpolate(y, size=x.shape[2:]))
        return self.conv_norm_relu("fusion.context.mix", torch.cat(parts, 1))

    def upsample(self, name: str, x: Tensor) -> Tensor:
        """Double a map, then a 3x3 convolution of each channel."""
        return self.conv(name, F.interpolate(x, scale_factor=2.0), 1, 1, x.shape[1])


def full(value: Tensor) -> Tensor:
    """Return a tensor in float32 at least."""
    return value.to(torch.promote_types(value.dtype, torch.float32))


def nearest(target: Tensor, out: Tensor) -> Tensor:
    """Bring labels to the size of an output, by the nearest pixel."""
    if target.dim() == 1:
        return target
    size = (out.shape[2], out.shape[3])
    return F.interpolate(target[:, None].double(), size=size)[:, 0].long()
