"""Every method on the paper's three networks, chosen by a setting."""

import pytest
import torch

from dmrnet.evaluation import evaluate
from dmrnet.methods import METHODS, build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network

FACES = Task(tuple(Modality(n, "image", (3, 32, 32)) for n in ("rgb", "depth", "ir")), ("a", "b"))
CLIPS = Task(
    (Modality("audio", "image", (1, 65, 80)), Modality("visual", "volume", (3, 2, 64, 64))),
    ("a", "b", "c"),
)
ROOMS = Task(
    (Modality("rgb", "image", (3, 32, 64)), Modality("depth", "image", (1, 32, 64))),
    ("wall", "floor", "bed"),
    dense=True,
)
CASES = {
    "surf": (FACES, Network(family="surf", stem=4)),
    "ogm": (CLIPS, Network(family="ogm", stem=4)),
    "ogm as released": (CLIPS, Network(family="ogm", stem=4, form="vector", layout="r34")),
    "esanet": (ROOMS, Network(family="esanet", stem=4, layout="r18")),
    "generic, every pixel": (ROOMS, Network(width=16)),
}
B = 4


def batch_of(task: Task, encodes: str) -> Batch:
    draw = torch.Generator().manual_seed(0)
    v = len(task.inputs)
    size = task.inputs[0].shape[1:] if task.dense else ()
    batch = Batch(
        {m.name: torch.randn(B, *m.shape, generator=draw) for m in task.inputs},
        torch.ones(B, v, dtype=torch.bool),
        torch.randint(len(task.classes), (B, *size), generator=draw),
        torch.arange(B),
    )
    mask = all_combinations(v)[torch.arange(B) % (2**v - 1)]
    encode = mask if encodes == "mask" else batch.present
    return batch.masked(mask, encode, task.modalities)


def built(case: str, name: str) -> tuple[Method, Batch]:
    torch.manual_seed(0)
    task, network = CASES[case]
    model = build_method(name, task, network=network)
    if model.needs.prerequisite is not None:
        model.set_teacher(build_method(model.needs.prerequisite, task, network=network))
    return model, batch_of(task, model.encodes)


CLASSES_ONLY = {"pe", "pcme", "ogm-md", "lcr"}
"""Methods that do not predict pixels; they say so, which their own tests hold them to."""


REFUSE = {"esanet": CLASSES_ONLY | {"mmpareto-md"}, "generic, every pixel": CLASSES_ONLY}


BY_CONTRACT = ("generic, every pixel", "ogm as released")
"""Networks that the contracts of pixels, and the other form of `ogm`, stand for."""

FUSING = {"sf-md", "hemis", "lcr", "shaspec", "rfnet", "mmformer", "unimodal", "experts"}
"""Methods with a form of their own for each network; the others are tried on one of three."""


def often(case: str, number: int, name: str) -> bool:
    """Return whether a method is trained on a network each time, not only in the slow tests."""
    every = sorted(set(CASES) - {*BY_CONTRACT})
    return case in every and (name in FUSING or every[number % len(every)] == case)


@pytest.mark.parametrize(
    ("case", "name"),
    [
        pytest.param(case, name, marks=() if often(case, k, name) else pytest.mark.slow)
        for case in sorted(CASES)
        for k, name in enumerate(sorted(METHODS))
    ],
)
def test_every_method_trains_on_every_family(case: str, name: str) -> None:
    if name in REFUSE.get(case, ()):
        with pytest.raises(ValueError, match=r"every pixel( has a class)?"):
            built(case, name)
        return
    model, batch = built(case, name)
    loss = model.train().training_loss(batch, 6, torch.Generator().manual_seed(0))
    loss.total.backward()
    assert loss.total.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("case", sorted(CASES))
def test_cached_and_dense_paths_agree(case: str) -> None:
    model, batch = built(case, "dmr")
    model.eval()
    assert batch.mask is not None
    cached = model.cached(batch.inputs, dict.fromkeys(model.modalities))
    feats = cached.select(torch.arange(len(batch)), batch.mask)
    expected = model(batch.inputs, batch.mask)
    torch.testing.assert_close(model.logits(feats, batch.mask), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("case", ["surf", "ogm"])
def test_every_combination_is_evaluated(case: str) -> None:
    model, batch = built(case, "sf-md")
    combinations = all_combinations(len(model.modalities))
    result = evaluate(model.eval(), [batch], combinations, len(model.task.classes))
    assert result.confusion.sum((1, 2)).tolist() == [B] * len(combinations)


def test_released_audio_visual_fuses_vectors_and_paper_maps() -> None:
    shapes = [
        built(case, "dmr")[0].step(batch_of(CLIPS, "mask")).rep.mu.shape
        for case in ("ogm", "ogm as released")
    ]
    assert shapes[0][2:] != (1, 1)
    assert shapes[1][2:] == (1, 1)


SURF = 13_182_554


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("sf-md", 0),
        # mu and log sigma^2: a 1 x 1 convolution with bias and a batch norm each.
        ("dmrnet", 2 * (512 * 512 + 512 + 2 * 512)),
        ("head-only", 512 * 512 + 512 + 2 * 512),
        # A trunk of its own, and a classifier: left out at inference.
        (
            "mmanet",
            384 * 256 * 9
            + 3 * 256 * 256 * 9
            + 384 * 256
            + 2 * 5 * 256
            + 256 * 512 * 9
            + 3 * 512 * 512 * 9
            + 256 * 512
            + 2 * 5 * 512
            + 512 * 2
            + 2,
        ),
    ],
)
def test_faces_have_the_published_sizes(name: str, more: int) -> None:
    """13.18, 13.71 and 24.3 million parameters at V = 3 and two classes; dmr has dmrnet's."""
    task = Task(tuple(Modality(n, "image", (3, 112, 112)) for n in ("r", "d", "i")), ("a", "b"))
    with torch.device("meta"):
        model = build_method(name, task, network=Network(family="surf"))
    assert sum(p.numel() for p in model.parameters()) == SURF + more


def test_the_networks_of_classes_refuse_pixels_and_vectors() -> None:
    for family in ("surf", "ogm"):
        with pytest.raises(ValueError, match="but the task has every pixel"):
            build_method("sf-md", ROOMS, network=Network(family=family))
    vectors = Task((Modality("a", "vector", (3,)),), ("x", "y"))
    for family in ("surf", "ogm"):
        with pytest.raises(ValueError, match="use the generic network"):
            build_method("sf-md", vectors, network=Network(family=family))


def test_a_vector_distribution_cannot_be_dense() -> None:
    network = Network(family="esanet", stem=4)
    with pytest.raises(ValueError, match="expected distribution as map"):
        build_method("dmr", ROOMS, network=network, distribution="vector")
