"""A timm backbone for dense prediction: maps of every level, rows, sizes and errors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from tests.nn.contract import NetworkContract
from torch import nn

from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.scores.scoring import score_images
from dmrnet.evaluation import MeanIoU
from dmrnet.methods import build_method
from dmrnet.modalities import Modality, Task, all_combinations
from dmrnet.nn import Network, TimmStream
from dmrnet.nn.encoders.pixel_stream import PixelStream
from dmrnet.settings.config import parse_run

IMAGE = Modality("rgb", "image", (2, 32, 48))


def task(height: int = 32, width: int = 48) -> Task:
    images = (("rgb", 3), ("depth", 1))
    return Task(
        tuple(Modality(n, "image", (c, height, width)) for n, c in images), ("a", "b"), dense=True
    )


class TestResNet(NetworkContract):
    def network(self):
        return task(), Network(width=16, encoder="timm:test_resnet").build(task())


class TestConvNeXtBesideSmall(NetworkContract):
    def network(self):
        network = Network(width=16, encoders={"depth": "timm:test_convnext"})
        return task(), network.build(task())


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("convnext_atto", [False, True, True, True]),
        ("resnet10t", [True, True, True, True]),
        ("test_mambaout", [False, True, True, True]),  # channels last inside
        ("test_vit", [False, False, False, True]),
    ],
)
def test_levels_are_those_of_the_small_encoder(name: str, given: list[bool]) -> None:
    stream, small = TimmStream(IMAGE, name, 64).eval(), PixelStream(2, 64).eval()
    assert stream.from_backbone == given
    # Other sizes than it was built for.
    for size in ((32, 48), (80, 16), (64, 112)):
        x = torch.randn(2, 2, *size)
        found, wanted = stream.encode("rgb", x), small.encode("rgb", x)
        assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in wanted.items()}


def test_its_maps_are_timms_through_a_block() -> None:
    stream = TimmStream(IMAGE, "test_convnext", 64).eval()
    whole = timm.create_model("test_convnext", features_only=True, in_chans=2).eval()
    whole.load_state_dict(stream.backbone.state_dict(), strict=False)
    x = torch.randn(2, 2, 32, 48)
    made = list(stream.encode("rgb", x).values())
    torch.testing.assert_close(made[0], stream.levels[0](x))
    for level, of_timm in zip((1, 2, 3), whole(x), strict=False):
        torch.testing.assert_close(made[level], stream.levels[level](of_timm))
    torch.testing.assert_close(stream(x), made[3])
    # The stage below 1/16 is removed.
    behind = {n for n, _ in whole.named_parameters()} - set(stream.backbone.state_dict())
    assert behind
    assert all(n.startswith("stages_3") for n in behind)


@pytest.mark.parametrize(
    "name", ["test_efficientnet", "mobilenetv3_small_050", "test_resnet", "test_vit"]
)
def test_layers_that_reach_no_map_are_removed(name: str) -> None:
    """Maps are timm's, nothing below 1/16 runs, and every parameter has a gradient."""
    stream = TimmStream(IMAGE, name, 16).eval()
    whole = timm.create_model(name, features_only=True, in_chans=2).eval()
    whole.load_state_dict(stream.backbone.state_dict(), strict=False)
    x = torch.randn(1, 2, 32, 48)
    with torch.no_grad():
        for made in stream.backbone(x):
            wanted = [w for w in whole(x) if w.shape == made.shape]
            torch.testing.assert_close(made, wanted[-1])
    sum(made.sum() for made in stream.encode("rgb", x).values()).backward()
    assert [n for n, p in stream.named_parameters() if p.grad is None] == []


@pytest.mark.slow
def test_a_backbone_with_untrained_weights_is_refused() -> None:
    # Only the shortcut of its last block remains.
    with pytest.raises(ValueError, match=r"xception41 .* reach none of its maps .*shortcut.* 9 in"):
        TimmStream(IMAGE, "xception41", 16)


def test_the_trial_run_leaves_no_trace() -> None:
    stream = TimmStream(IMAGE, "test_resnet", 16)
    assert stream.training
    assert all(module.training for module in stream.modules())
    assert all(p.grad is None for p in stream.parameters())
    assert all((b == 0).all() for n, b in stream.named_buffers() if n.endswith("running_mean"))
    with torch.no_grad():
        TimmStream(IMAGE, "test_resnet", 16)


def test_the_deepest_of_several_maps_of_one_size_is_used() -> None:
    stream = TimmStream(IMAGE, "test_vit", 16)
    whole = timm.create_model("test_vit", features_only=True)
    assert stream.backbone.feature_info.out_indices == whole.feature_info.out_indices[-1:]


def test_other_rows_are_never_read() -> None:
    stream = TimmStream(IMAGE, "test_resnet", 16)
    calls = []
    stream.backbone.register_forward_pre_hook(lambda _, args: calls.append(len(args[0])))
    x = torch.randn(4, 2, 32, 48)
    x[[0, 2]] = math.nan
    maps = stream.encode("rgb", x, torch.tensor([1, 3]))
    assert calls == [2]
    for made in maps.values():
        assert made[[1, 3]].isfinite().all()
        assert (made[[0, 2]] == 0).all()
    none = stream.encode("rgb", x, torch.tensor([], dtype=torch.long))
    assert calls == [2]
    assert {k: v.shape for k, v in none.items()} == {k: v.shape for k, v in maps.items()}
    sum(made.sum() for made in none.values()).backward()
    for name, parameter in stream.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad == 0).all(), name


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Network(encoder="timm:test_resnt"), "unknown timm model 'test_resnt'; did you mean"),
        (Network(encoder="timm:test_resnet@2"), "without a map, got timm:test_resnet@2"),
        (Network(encoder="timm:coat_tiny"), "coat_tiny cannot read images of 3x48x64: Input hei"),
        (Network(encoder="timm:inception_v3"), r"a map of \(16, 24, 32\), got \(16, 2"),
        (Network(encoder="timm:mixer_s32_224"), "no map at 1/2 to 1/16; .* timm:convnext_atto"),
        (Network(encoder="resnet18"), "modality rgb: expected encoder auto or timm:NAME .*'resnet"),
        (Network(encoders={"nir": "timm:test_resnet"}), "got one for 'nir'"),
        (Network(pretrained=True), "got small encoders"),
        (Network(family="esanet", encoder="timm:test_resnet"), "esanet network has encoders of"),
    ],
)
def test_unfit_settings_are_refused(network: Network, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_method("rfnet", task(), network=network)


def test_methods_that_fuse_one_map_refuse_them_as_well() -> None:
    with pytest.raises(ValueError, match="unknown timm model 'test_resnt'; did you mean"):
        build_method("sf-md", task(), network=Network(encoder="timm:test_resnt"))


def test_a_backbone_shared_by_level_is_refused() -> None:
    with pytest.raises(ValueError, match=r"levels modalities can share.*leave encoder at auto"):
        build_method("shaspec", task(), network=Network(encoders={"depth": "timm:test_resnet"}))


def test_published_weights_are_loaded_on_request(monkeypatch) -> None:
    asked, create = [], timm.create_model

    def recorded(model: str, pretrained: bool = False, **options):
        asked.append(pretrained)
        made = create(model, **options)
        if pretrained:
            nn.init.constant_(next(made.parameters()), 0.5)
        return made

    monkeypatch.setattr(timm, "create_model", recorded)
    for pretrained in (False, True):
        asked.clear()
        stream = TimmStream(IMAGE, "test_resnet.r160_in1k", 16, pretrained)
        assert any(asked) == pretrained
        assert bool((next(stream.backbone.parameters()) == 0.5).all()) == pretrained


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("convnext_atto", "resnet10t")),
        "test_resnet",
    ],
)
def test_a_run_on_images_of_any_size(name: str, tmp_path: Path) -> None:
    """Tiles of 32 in training; whole images of 37 x 50 in evaluation, some without depth."""
    draw = np.random.default_rng(0)
    for role, count in (("train", 4), ("val", 2), ("test", 3)):
        y = draw.integers(-1, 2, (count, 37, 50))
        depth = draw.normal(size=(count, 37, 50))
        depth[0] = np.nan
        np.savez(
            tmp_path / f"{role}.npz", rgb=draw.normal(size=(count, 3, 37, 50)), depth=depth, y=y
        )
    files = [f"--data.{role}={tmp_path / role}.npz" for role in ("train", "val", "test")]
    settings = parse_run(
        [
            *("--data", "images", *files, "--data.tile", "32", "--data.tiles", "1"),
            *("--method", "dmrnet", "--method.network.encoder", f"timm:{name}"),
            *("--method.network.width", "16", "--max-epochs", "1", "--batch-size", "2"),
            *("--accelerator", "cpu", "--threads", "1"),
        ]
    )
    assert fit_run(settings, tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert all(isinstance(encoder, TimmStream) for encoder in run.method.encoders)
    # An opened run scores as at the end of training.
    val = score_images(run.method, run.samples("val"), all_combinations(2))
    of_val = MeanIoU().columns(val.confusion)["miou"][0].tolist()
    evaluate_run(run)
    rows = {
        (row["split"], row["combination"]): row
        for row in RunFolder(tmp_path / "run").rows()
        if row["metric"] == "miou"
    }
    assert {c for split, c in rows if split == "test"} >= {"rgb", "depth", "rgb+depth"}
    assert rows["test", "rgb"]["n"] == 3
    assert rows["test", "depth"]["n"] == 2
    assert all(math.isfinite(row["value"]) for row in rows.values())
    assert [rows["val", c]["value"] for c in ("rgb", "depth", "rgb+depth")] == of_val
