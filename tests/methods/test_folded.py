"""The folded form predicts what the method predicts, from fewer layers."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dmrnet.methods import METHODS, build_method
from dmrnet.methods.base import Method
from dmrnet.methods.folded import folded
from dmrnet.modalities import Modality, Task, all_combinations
from dmrnet.nn.networks.network import Network

IMAGES = Task(
    tuple(Modality(name, "image", (3, 32, 32)) for name in ("rgb", "ir", "depth")), ("a", "b")
)
AUDIO = Task(
    (Modality("sound", "image", (1, 33, 40)), Modality("clip", "volume", (3, 2, 32, 32))),
    ("a", "b"),
)
MIXED = Task(
    (
        Modality("image", "image", (1, 12, 12)),
        Modality("wave", "sequence", (2, 20)),
        Modality("vector", "vector", (5,)),
    ),
    ("a", "b", "c"),
)
RGBD = Task(
    (Modality("rgb", "image", (3, 64, 64)), Modality("depth", "image", (1, 64, 64))),
    ("a", "b"),
    dense=True,
)
NETWORKS = {
    "surf": (IMAGES, Network(family="surf", stem=4)),
    "images": (IMAGES, Network(width=16)),
    "mixed": (MIXED, Network(width=16)),
    "ogm": (AUDIO, Network(family="ogm", stem=4)),
    "ogm-vector": (AUDIO, Network(family="ogm", form="vector", stem=4)),
    "esanet": (RGBD, Network(family="esanet", layout="r18", stem=4)),
    "pixels": (RGBD, Network(width=16)),
}


def settled(method: Method) -> Method:
    """Give batch norms statistics and weights that matter; biases and weights of all parts too."""
    for part in method.modules():
        if isinstance(part, _BatchNorm) and part.running_mean is not None:
            nn.init.normal_(part.running_mean, 0, 0.3)
            nn.init.uniform_(part.running_var, 0.5, 2)
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, 0, 0.3)
    return method.eval()


def made(name: str, network: str, **changes: str) -> Method:
    torch.manual_seed(0)
    task, shape = NETWORKS[network]
    return settled(build_method(name, task, network=shape, **changes))


def inputs_of(task: Task, rows: int) -> dict[str, torch.Tensor]:
    return {m.name: torch.randn(rows, *m.shape) for m in task.inputs}


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, _BatchNorm) for part in module.modules())


LIKE_OTHERS = ("head-only", "pe", "full", "mmpareto-md", "mutual")
"""Methods of which dmrnet, pcme or sf-md have every part that predicts."""

CASES = [
    *(("dmrnet", network) for network in NETWORKS if network != "esanet"),
    *(
        (name, "mixed")
        for name in METHODS
        if name not in ("dmrnet", "esanet-md", "mmanet", "ogm-md") and name not in LIKE_OTHERS
    ),
    ("ogm-md", "ogm"),
    ("unimodal", "pixels"),
]
MORE = [
    *((name, "mixed") for name in LIKE_OTHERS),
    *(("sf-md", network) for network in NETWORKS if network != "mixed"),
    *((name, "surf") for name in ("hemis", "lcr", "shaspec")),
    ("dmrnet", "esanet"),
    ("mmformer", "images"),
    ("unimodal", "esanet"),
]
CASES = [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in MORE)]


LEFT_OUT = (1, 4)
"""The second modality alone, and of three the first and the last: each is once left out."""


@pytest.mark.parametrize(("name", "network"), CASES)
def test_it_predicts_the_same(name: str, network: str) -> None:
    method = made(name, network)
    before = copy.deepcopy(method.state_dict())
    names, task = method.modalities, method.task
    masks = all_combinations(len(names))
    alone = range(len(masks)) if name == "dmrnet" else [k for k in LEFT_OUT if k < len(masks)]
    inputs = inputs_of(task, len(masks))
    with torch.no_grad():
        wanted = method(inputs, masks)
        torch.testing.assert_close(folded(method)(inputs, masks), wanted, rtol=1e-5, atol=1e-5)
        for k in alone:
            shown = [n for n, seen in zip(names, masks[k], strict=True) if seen]
            form = folded(method, "+".join(shown))
            assert form.modalities == tuple(shown)
            got = form({n: inputs[n][k : k + 1] for n in shown})
            torch.testing.assert_close(got, wanted[k : k + 1], rtol=1e-5, atol=1e-5)
    # The method itself is as it was.
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


def test_layers_for_training_alone_are_removed() -> None:
    method = made("dmrnet", "surf")
    form = folded(method)
    assert norms(method) > 0
    assert norms(form) == 0
    names = [name for name, _ in form.named_parameters()]
    assert not any("log_var" in name or "objective" in name for name in names)
    assert not any(p.requires_grad for p in form.parameters())
    one = folded(method, "ir")
    size = sum(p.numel() for p in one.parameters())
    encoder = sum(p.numel() for p in form.method.encoders[0].parameters())
    assert size < sum(p.numel() for p in form.parameters()) - 2 * encoder
    first = form.method.fusion.trunk.first(), one.method.fusion.trunk.first()
    assert [r.weight.shape[1] for r in first[0]] == [24, 24]
    assert [r.weight.shape[1] for r in first[1]] == [8, 8]


@pytest.mark.parametrize("name", ["experts", "dgl", "unimodal", "simmlm"])
def test_networks_of_other_modalities_are_left_out(name: str) -> None:
    method = made(name, "mixed")
    whole, one = folded(method), folded(method, "wave")
    kept, *rest = (sum(p.numel() for p in whole.method.encoders[v].parameters()) for v in (1, 0, 2))
    sizes = [sum(p.numel() for p in encoder.parameters()) for encoder in one.method.encoders]
    assert all(rest)
    assert sizes == [0, kept, 0]


@pytest.mark.parametrize("changes", [{}, {"fuses": "residual"}, {"fuses": "none"}])
def test_weights_of_other_experts_are_left_out(changes: dict[str, str]) -> None:
    """Those that were fitted on validation stay with their modality and number."""
    method = made("experts", "mixed", **changes)
    for number in range(1, 4):
        method.fusion.pool.set_weights(number, torch.rand(4, dtype=torch.float64))
    inputs, masks = inputs_of(MIXED, 7), all_combinations(3)
    wanted, whole = method(inputs, masks), folded(method)
    for k, mask in enumerate(masks):
        shown = [n for n, seen in zip(method.modalities, mask, strict=True) if seen]
        form = folded(method, "+".join(shown))
        got = form({name: inputs[name][k : k + 1] for name in shown})
        torch.testing.assert_close(got, wanted[k : k + 1], rtol=1e-5, atol=1e-5)
        if len(shown) < 3:
            assert form.method.fusion.pool.expert_weights.shape == (len(shown), len(shown))
        if changes.get("fuses") != "none":
            fused = [one.method.fusion.fusion.trunk.first() for one in (form, whole)]
            sizes = [sum(layer.in_channels for layer in some) for some in fused]
            assert sizes[0] * 3 == sizes[1] * len(shown)


@pytest.mark.parametrize("combination", [pytest.param(None, marks=pytest.mark.slow), "rgb+depth"])
@pytest.mark.parametrize("network", [pytest.param("surf", marks=pytest.mark.slow), "images"])
def test_it_exports_with_any_batch_size(combination: str | None, network: str) -> None:
    form = folded(made("dmrnet", network), combination)
    inputs = {name: x for name, x in inputs_of(IMAGES, 3).items() if name in form.modalities}
    size = torch.export.Dim("batch", min=1, max=1024)
    arguments = (inputs,) if combination else (inputs, all_combinations(3)[-3:])
    shapes = ({name: {0: size} for name in inputs}, *([] if combination else [{0: size}]))
    program = torch.export.export(form, arguments, dynamic_shapes=shapes)
    exported = program.module()
    for rows in (1, 5):
        other = {n: x for n, x in inputs_of(IMAGES, rows).items() if n in form.modalities}
        more = () if combination else (all_combinations(3)[-rows:],)
        torch.testing.assert_close(exported(other, *more), form(other, *more))


def test_it_stays_in_evaluation() -> None:
    form = folded(made("dmrnet", "surf"))
    inputs, masks = inputs_of(IMAGES, 7), all_combinations(3)
    wanted = form(inputs, masks)
    assert not form.training
    form.train()
    assert not any(part.training for part in form.modules())
    torch.testing.assert_close(form(inputs, masks), wanted, rtol=0, atol=0)


def test_the_method_keeps_the_mode_of_each_part() -> None:
    method = made("dmrnet", "surf").train()
    method.encoders[0].eval()
    before = [part.training for part in method.modules()]
    with torch.autocast("cpu", torch.bfloat16):
        folded(method)
    assert [part.training for part in method.modules()] == before


def test_images_of_another_size_without_a_modality() -> None:
    method = made("dmrnet", "pixels")
    inputs = {"rgb": torch.randn(2, 3, 96, 128), "depth": torch.zeros(2, 1, 96, 128)}
    wanted = method(inputs, torch.tensor([[True, False]] * 2))
    got = folded(method, "rgb")({"rgb": inputs["rgb"]})
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_a_trunk_whose_start_has_a_bias_is_not_split() -> None:
    """A bias would be added once for each modality."""
    form = folded(made("dmrnet", "surf"))
    where = dict.fromkeys(form.modalities)
    with pytest.raises(ValueError, match="have a bias"):
        form.method.cached(inputs_of(IMAGES, 2), where)


def test_what_cannot_be_folded_is_refused() -> None:
    method = made("dmrnet", "surf")
    with pytest.raises(ValueError, match="expected no mask"):
        folded(method, "ir")({"ir": torch.zeros(1, 3, 32, 32)}, torch.ones(1, 3).bool())
    with pytest.raises(ValueError, match="sonar"):
        folded(method, "sonar")
    with pytest.raises(ValueError, match="expected an input for depth, got rgb, ir"):
        folded(method)({name: torch.zeros(1, 3, 32, 32) for name in ("rgb", "ir")})

    class Odd(nn.Module):
        """Reads a convolution's result besides the batch norm after it."""

        def __init__(self, encoder: nn.Module) -> None:
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
            self.encoder = encoder

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.convolution(x)
            out: torch.Tensor = self.encoder(y + self.norm(y))
            return out

    method.encoders[0] = Odd(method.encoders[0])
    with pytest.raises(ValueError, match="would be predicted differently"):
        folded(settled(method))
