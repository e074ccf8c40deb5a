"""Any timm backbone as an encoder: maps, sizes, weights and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network, TimmEncoder, build_encoder, encode_rows, output_shape
from dmrnet.settings.config import parse_run


@pytest.mark.parametrize(
    ("name", "kind", "shape", "expected"),
    [
        ("test_resnet", "image", (2, 64, 64), (96, 2, 2)),
        ("test_resnet@1", "image", (2, 64, 64), (32, 16, 16)),
        ("convnext_atto", "image", (3, 64, 64), (320, 2, 2)),
        ("test_resnet", "volume", (1, 2, 64, 64), (96, 2, 2)),
        ("test_mambaout", "image", (1, 64, 64), (256, 2, 2)),  # channels last inside
        ("test_mambaout@0", "image", (1, 64, 96), (16, 16, 24)),
        ("test_vit", "image", (1, 64, 96), (64, 4, 6)),  # with a fixed size of 160 x 160 by default
        ("test_vit@0", "image", (5, 32, 32), (64, 2, 2)),
        ("mixer_s32_224", "image", (1, 64, 64), (512, 1, 4)),  # tokens without positions
    ],
)
def test_backbones_give_maps_with_channels_first(
    name: str, kind: str, shape: tuple[int, ...], expected: tuple[int, int, int]
) -> None:
    modality = Modality("x", kind, shape)  # type: ignore[arg-type]
    encoder = build_encoder(modality, 8, f"timm:{name}")
    assert output_shape(encoder, shape) == expected
    rows = torch.tensor([1])  # one sample, small maps: batch norm has one value a channel
    assert encode_rows(encoder, torch.randn(3, *shape), rows, expected).isfinite().all()


def test_a_map_is_numbered_as_in_timm() -> None:
    encoder = TimmEncoder("test_resnet@2", (3, 64, 64)).eval()
    whole = timm.create_model("test_resnet", features_only=True).eval()
    whole.load_state_dict(encoder.backbone.state_dict(), strict=False)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(encoder(x), whole(x)[2])
    # Later layers are removed.
    assert sum(1 for _ in encoder.parameters()) < sum(1 for _ in whole.parameters())


@pytest.mark.parametrize(("name", "at"), [("test_efficientnet", 2), ("test_efficientnet", 0)])
def test_nothing_runs_behind_the_map_of_an_efficientnet(name: str, at: int) -> None:
    """Timm itself keeps later layers, without gradients."""
    encoder = TimmEncoder(f"{name}@{at}", (3, 64, 64)).eval()
    whole = timm.create_model(name, features_only=True).eval()
    whole.load_state_dict(encoder.backbone.state_dict(), strict=False)
    x = torch.randn(2, 3, 64, 64)
    made = encoder(x)
    torch.testing.assert_close(made, whole(x)[at])
    made.sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []


def test_tokens_are_arranged_by_their_patches() -> None:
    """Without attention, changing a patch changes the map only at its position."""
    encoder = TimmEncoder("test_vit", (1, 64, 96)).eval()
    encoder.backbone.blocks = nn.Sequential()
    x = torch.zeros(1, 1, 64, 96)
    with torch.no_grad():
        plain = encoder(x)
        for row, column in [(0, 0), (0, 5), (3, 0), (2, 4)]:
            other = x.clone()
            other[..., 16 * row : 16 * (row + 1), 16 * column : 16 * (column + 1)] = 1
            moved = (encoder(other) - plain).abs().sum(1)[0]
            assert moved.nonzero().tolist() == [[row, column]]


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("test_resnt", (1, 64, 64), "unknown timm model 'test_resnt'; did you mean 'test_resnet'"),
        ("convnext_atto", (1, 9, 9), "cannot read images of 1x9x9.*timm:NAME@0"),
        ("test_vit", (1, 40, 40), "cannot read images of 1x40x40: .*divisible by patch size"),
        ("test_resnet@9", (1, 64, 64), "no map 9"),
        ("test_resnet@last", (1, 64, 64), "a number from 0 as MAP, got timm:test_resnet@last"),
        ("coat_tiny", (1, 64, 64), r"no map before pooling.*inner map \(timm:coat_tiny@"),
    ],
)
def test_images_it_cannot_read_are_refused_when_it_is_built(name, shape, said) -> None:
    with pytest.raises(ValueError, match=said):
        TimmEncoder(name, shape)


def test_published_weights_are_loaded_on_request(monkeypatch) -> None:
    asked = []
    create = timm.create_model

    def recorded(model: str, pretrained: bool = False, **options):
        asked.append((model, pretrained))
        made = create(model, **options)
        if pretrained:
            nn.init.constant_(next(made.parameters()), 0.5)
        return made

    monkeypatch.setattr(timm, "create_model", recorded)
    task_input = Modality("x", "image", (1, 32, 32))
    random, loaded = (
        build_encoder(task_input, 8, "timm:test_resnet.r160_in1k", pretrained=pretrained)
        for pretrained in (False, True)
    )
    assert [pretrained for _, pretrained in asked] == [False, False, True]
    assert not (next(random.parameters()) == 0.5).all()
    assert (next(loaded.parameters()) == 0.5).all()


def test_unavailable_weights_are_refused(monkeypatch, tmp_path: Path) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"weights of .*test_byobnet .*fetch"):
        TimmEncoder("test_byobnet", (3, 32, 32), pretrained=True)
    with pytest.raises(FileNotFoundError, match="No pretrained weights exist for coatnet_0_224"):
        TimmEncoder("coatnet_0_224@0", (3, 64, 64), pretrained=True)


def test_published_weights_come_from_the_cache_and_fit_any_channels(
    monkeypatch, tmp_path: Path
) -> None:
    """Read a file as the hub's client stores it, offline."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    published = timm.create_model("test_resnet").eval()
    place = tmp_path / "models--timm--test_resnet.r160_in1k"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(published.state_dict(), place / "snapshots" / ("0" * 40) / "model.safetensors")
    x = torch.randn(2, 1, 64, 64)
    three, one = (TimmEncoder("test_resnet", (c, 64, 64), pretrained=True).eval() for c in (3, 1))
    with torch.no_grad():
        wanted = published.forward_features(x.expand(-1, 3, -1, -1))
        torch.testing.assert_close(three(x.expand(-1, 3, -1, -1)), wanted)
        torch.testing.assert_close(one(x), wanted)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Network(family="surf", encoder="timm:test_resnet"), "surf network has encoders of its"),
        (Network(family="ogm", encoders={"a": "auto"}), "ogm network has encoders of its own"),
        (Network(family="ogm", pretrained=True), "published weights .*got ogm"),
        (Network(pretrained=True), "published weights .*got small encoders"),
    ],
)
def test_a_setting_without_effect_is_refused(network: Network, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        network.build(Task((Modality("a", "image", (1, 32, 32)),), ("no", "yes")))


def test_a_run_on_arrays_by_the_short_flag(monkeypatch, tmp_path: Path) -> None:
    """Two images of different sizes and channels, every combination, opened without a network."""
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    for role in ("train", "val", "test"):
        night = rng.normal(size=(24, 1, 32, 32)) + y[:, None, None, None]
        night[::5] = np.nan
        day = rng.normal(size=(24, 3, 40, 32)) + y[:, None, None, None]
        np.savez(tmp_path / f"{role}.npz", day=day, night=night, y=y)
    create, loads = timm.create_model, []

    def cached(model: str, pretrained: bool = False, **options):
        loads.append(pretrained)
        return create(model, **options)

    monkeypatch.setattr(timm, "create_model", cached)
    files = [f"--data.{role}={tmp_path / role}.npz" for role in ("train", "val", "test")]
    settings = parse_run(
        [
            *("--data", "arrays", *files, "--method", "sf-md", "--encoder", "timm:test_resnet"),
            *("--method.network.pretrained", "true", "--method.network.width", "8"),
            *("--max-epochs", "2", "--accelerator", "cpu", "--threads", "1"),
        ]
    )
    fit_run(settings, tmp_path / "run")
    assert loads.count(True) == 2
    loads.clear()
    run = open_run(tmp_path / "run")
    assert not any(loads)
    evaluate_run(run)
    rows = [
        row
        for row in RunFolder(tmp_path / "run").rows()
        if (row["split"], row["metric"]) == ("test", "accuracy")
    ]
    assert {"day", "night", "day+night"} <= {row["combination"] for row in rows}
    assert all(np.isfinite(row["value"]) for row in rows)
