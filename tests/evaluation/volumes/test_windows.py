"""Sliding windows: weights, positions and averages, alone and against MONAI."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dmrnet.evaluation.volumes import evaluate as module
from dmrnet.evaluation.volumes.evaluate import evaluate_volumes, predict_windows
from dmrnet.evaluation.volumes.regions import region_dice
from dmrnet.evaluation.volumes.windows import Sliding
from dmrnet.methods import build_method
from dmrnet.modalities import Batch, all_combinations, rows_of
from dmrnet.nn import Network
from dmrnet.testing.batches import random_batch, task_of

TASK = task_of(("volume", (1, 8, 8, 8)), ("volume", (2, 8, 8, 8)), dense=True)


@pytest.fixture(scope="module")
def method() -> Any:
    torch.manual_seed(0)
    return build_method("sf-md", TASK, network=Network(width=8)).eval()


def volumes(size: tuple[int, int, int], rows: int = 2, seed: int = 0) -> Batch:
    """Return volumes of another size than patches, the second without its first modality."""
    task = task_of(("volume", (1, *size)), ("volume", (2, *size)), dense=True)
    present = torch.ones(rows, 2, dtype=torch.bool)
    present[1:, 0] = False
    return random_batch(task, present, present, present, seed)


@pytest.mark.parametrize("size", [(8, 8, 8), (9, 16, 13), (5, 8, 20)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.7])
def test_windows_cover_every_voxel(size: tuple[int, int, int], overlap: float) -> None:
    """Weights are positive everywhere, and windows stay within the padded volume."""
    sliding = Sliding((8, 8, 8), overlap)
    whole = [max(8, side) for side in size]
    total = torch.zeros(whole)
    for start in sliding.starts(whole):
        at = tuple(slice(s, s + 8) for s in start)
        assert total[at].shape == (8, 8, 8)
        total[at] += sliding.weights()
    assert bool((total > 0).all())
    assert sum(sliding.padding(size)) == sum(w - s for w, s in zip(whole, size, strict=True))


@pytest.mark.parametrize("size", [(8, 8, 8), (9, 8, 13), (5, 8, 20)])
def test_every_combination_is_the_average_of_its_windows(
    method: Any, size: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoding once for all combinations, also in parts, is predicting each by itself."""
    batch, sliding = volumes(size, 1), Sliding((8, 8, 8), 0.5)
    masks = all_combinations(2)
    calls = 0
    encode = method.encode

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return encode(*arguments)

    monkeypatch.setattr(method, "encode", counted)
    with torch.inference_mode():
        (_, p, finite) = next(predict_windows(method, batch, masks[:, None], sliding))
    whole = [max(8, side) for side in size]
    assert calls == len(sliding.starts(whole))
    assert bool(finite.all())
    assert p.shape == (3, 1, 3, *size)
    torch.testing.assert_close(p.sum(2), torch.ones(3, 1, *size))
    ends = sliding.padding(size)
    inputs = {n: torch.nn.functional.pad(x, ends) for n, x in batch.inputs.items()}
    for k, mask in enumerate(masks):
        total, share = torch.zeros(3, *whole), torch.zeros(whole)
        for start in sliding.starts(whole):
            at = tuple(slice(s, s + 8) for s in start)
            own = {n: x[(..., *at)] for n, x in inputs.items()}
            with torch.inference_mode():
                logits = method(own, mask[None])[0]
            total[(slice(None), *at)] += logits.softmax(0) * sliding.weights()
            share[at] += sliding.weights()
        kept = tuple(
            slice(first, first + side) for first, side in zip(ends[-2::-2], size, strict=True)
        )
        torch.testing.assert_close(p[k, 0], (total / share)[(slice(None), *kept)])
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 1)
    with torch.inference_mode():
        parts = list(predict_windows(method, batch, masks[:, None], sliding))
    assert len(parts) == 3
    torch.testing.assert_close(torch.cat([p for _, p, _ in parts]), p)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_monai_agrees(method: Any) -> None:
    """MONAI's sliding windows with Gaussian weights average to the same probabilities."""
    inferers = pytest.importorskip("monai.inferers", reason="MONAI is not installed")
    batch, mask = volumes((9, 16, 13), 1), torch.tensor([[True, True]])

    def predict(x: Tensor) -> Tensor:
        logits: Tensor = method({"m0": x[:, :1], "m1": x[:, 1:]}, mask.expand(len(x), -1))
        return logits.softmax(1)

    together = torch.cat([batch.inputs["m0"], batch.inputs["m1"]], 1)
    with torch.inference_mode():
        theirs = inferers.sliding_window_inference(
            together, (8, 8, 8), 1, predict, overlap=0.5, mode="gaussian"
        )
        (_, p, _) = next(predict_windows(method, batch, mask[None], Sliding((8, 8, 8), 0.5)))
    torch.testing.assert_close(p[0], theirs)


def test_an_evaluation_counts_cases_of_any_size(method: Any) -> None:
    """Counts, Dice and distances are those of the predicted labels; absent cases are not scored."""
    batches = [volumes((8, 9, 8), 1, 1), volumes((10, 8, 8), 2, 2)]
    batches[1] = Batch(
        {n: x[1:] for n, x in batches[1].inputs.items()},
        batches[1].present[1:],
        batches[1].target[1:],
        torch.tensor([5]),
        where=rows_of(batches[1].present[1:], ("m0", "m1")),
    )
    batches[0].target[0, 0, 0] = -1
    sliding, regions = Sliding((8, 8, 8)), (("all", (1, 2)),)
    found = evaluate_volumes(
        method,
        batches,
        all_combinations(2),
        sliding,
        regions=regions,
        extent=lambda number: ((1.0, 2.0, 1.0), 99.0),
        show=[5],
    )
    assert found.index is not None
    assert found.index.tolist() == [0, 5]
    assert found.scored is not None
    assert found.scored.tolist() == [[True, False], [True, True], [True, False]]
    assert found.counts is not None
    assert found.counts.sum((2, 3)).tolist() == [[8 * 9 * 8 - 8, 0], [568, 640], [568, 0]]
    assert found.distances is not None
    assert found.distances.isnan().tolist() == [
        [[False], [True]],
        [[False], [False]],
        [[False], [True]],
    ]
    assert region_dice(found.counts, (1, 2)).shape == (3, 2)
    assert found.maps is not None
    assert found.maps.truth.shape == (1, 8, 8)
    assert found.maps.predicted.shape == (3, 1, 8, 8)


def test_windows_are_averaged_in_full_precision(method: Any) -> None:
    """Under autocast logits may have eight bits; sums of windows would lose the rest."""
    batch, sliding = volumes((9, 16, 13), 1), Sliding((8, 8, 8), 0.5)
    mask = batch.present[None]
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        ((_, p, _),) = predict_windows(method, batch, mask, sliding)
    assert p.dtype == torch.float32
    torch.testing.assert_close(p.sum(2), torch.ones_like(p[:, :, 0]), atol=1e-5, rtol=0)
