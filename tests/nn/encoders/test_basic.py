"""Small encoders (Eq. 2) for inputs of any shape, down to one value."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dmrnet.modalities import Modality, Task
from dmrnet.nn import Network, TimmEncoder, build_encoder, feature_shapes, output_shape
from dmrnet.nn.encoders.basic import (
    MOST_PIXELS,
    MOST_STEPS,
    ImageEncoder,
    SequenceEncoder,
    VolumeEncoder,
)

sizes = st.integers(1, 40)
shapes = st.one_of(
    st.tuples(st.just("vector"), st.tuples(sizes)),
    st.tuples(st.just("sequence"), st.tuples(st.integers(1, 3), sizes)),
    st.tuples(st.just("image"), st.tuples(st.integers(1, 3), sizes, sizes)),
    st.tuples(st.just("volume"), st.tuples(st.just(1), st.integers(1, 3), sizes, sizes)),
)


@settings(max_examples=40)
@given(shapes, st.sampled_from([1, 3, 8]), st.sampled_from([1, 2]))
def test_any_shape_gives_a_finite_map_in_training_and_evaluation(
    what: tuple[str, tuple[int, ...]], width: int, batch: int
) -> None:
    modality = Modality("x", what[0], what[1])  # type: ignore[arg-type]
    encoder = build_encoder(modality, width)
    shape = output_shape(encoder, modality.shape)
    assert shape[0] == width
    for training in (True, False):
        out = encoder.train(training)(torch.randn(batch, *modality.shape))
        assert out.shape == (batch, *shape)
        assert out.isfinite().all()


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_long_sequences_and_large_images_are_strided_to_the_target(size: int, other: int) -> None:
    """Sizes are halved (rounded up) until they fit, a sequence at least once."""

    def positions(encoder: nn.Module, size: int) -> int:
        for layer in encoder.layers:
            if hasattr(layer, "stride"):
                size = -(-size // layer.stride[0])
        return size

    line = positions(SequenceEncoder(1, size, 1), size)
    assert line <= MOST_STEPS
    assert line == -(-size // 2) or 2 * line > MOST_STEPS
    longer = max(size, other)
    plane = positions(ImageEncoder(1, size, other, 1), longer)
    assert plane <= MOST_PIXELS
    assert plane == longer or 2 * plane > MOST_PIXELS


def test_a_volume_is_the_mean_over_its_frames() -> None:
    frame = ImageEncoder(2, 8, 6, 4).eval()
    x = torch.randn(3, 2, 5, 8, 6)
    expected = torch.stack([frame(x[:, :, t]) for t in range(5)]).mean(0)
    torch.testing.assert_close(VolumeEncoder(frame)(x), expected)


def test_frames_of_volumes_do_not_mix() -> None:
    volume = VolumeEncoder(ImageEncoder(1, 6, 6, 4)).eval()
    x = torch.randn(3, 1, 4, 6, 6)
    torch.testing.assert_close(volume(x)[1:2], volume(x[1:2]))


@pytest.mark.parametrize(
    ("kind", "shape", "encoder", "said"),
    [
        ("image", (1, 8, 8), "resnet", "expected encoder auto, or timm:NAME .* got 'resnet'"),
        ("vector", (8,), "timm:test_resnet", "image or a volume.*--method.network.encoders.NAME"),
        ("image", (1, 8, 8), "timm:test_resnt", "did you mean 'test_resnet'"),
    ],
)
def test_unfit_encoders_are_refused(
    kind: str, shape: tuple[int, ...], encoder: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        build_encoder(Modality("x", kind, shape), 8, encoder)  # type: ignore[arg-type]


TASK = Task((Modality("a.b", "vector", (3,)), Modality("c", "image", (1, 8, 8))), ("no", "yes"))


def test_a_network_builds_encoders_in_order_and_by_name() -> None:
    network = Network(width=8, encoders={"c": "timm:test_resnet"})
    parts = network.build(TASK)
    assert tuple(parts.encoders) == TASK.modalities
    assert isinstance(parts.encoders["c"], TimmEncoder)
    shapes = feature_shapes(TASK, parts.encoders)
    feats = {name: torch.randn(2, *shape) for name, shape in shapes.items()}
    assert parts.fusion(feats, torch.ones(2, 2).bool()).map.shape[1] == 8
    with pytest.raises(ValueError, match=r"got one for 'd'; known: a\.b, c"):
        Network(encoders={"d": "auto"}).build_encoders(TASK)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("width", 0), ("depth", 0), ("trunk_depth", 0), ("trunk_kernel", 2), ("dropout", 1.0)],
)
def test_invalid_networks_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"expected network {setting} .*got {value}"):
        Network(**{setting: value})  # type: ignore[arg-type]
