"""What a step and an evaluation compute, in operations, against numbers derived by hand.

The network is SURF's with a stem of 4 channels on images of 16 x 16, in products a sample:

* encoder: stem 3x3 to 8x8, 4 of 3 channels; pooled to 4x4; layer1: four 3x3, 4 of 4; layer2 at
  2x2: 3x3, 8 of 4, its shortcut 1x1, three 3x3, 8 of 8; squeeze and excite: 8 to 1 to 8.
* start of the trunk at 1x1, of each modality: 3x3, 16 of 8, and its shortcut 1x1.
* after it: three 3x3, 16 of 16; 3x3, 32 of 16, its shortcut; three 3x3, 32 of 32.
* head: 32 of 32, once for mu and once for sigma; classifier: 2 of 32.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from dmrnet.engine.training.optim import build_optimizer
from dmrnet.evaluation import evaluate
from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import (
    Batch,
    CachedFeatures,
    Inputs,
    Modality,
    Task,
    Where,
    all_combinations,
    rows_of,
)
from dmrnet.nn import concat_fusion
from dmrnet.nn.networks.network import Network
from dmrnet.settings.training import Training

SIDE, STEM = 16, 4
FIRST = 64 * 4 * 3 * 9
ENCODER = FIRST + 4 * 16 * 4 * 4 * 9 + 4 * (8 * 4 * 9 + 8 * 4 + 3 * 8 * 8 * 9) + 2 * 8
START = 16 * 8 * 9 + 16 * 8
BEHIND = 3 * 16 * 16 * 9 + 32 * 16 * 9 + 32 * 16 + 3 * 32 * 32 * 9
HEAD, CLASSIFIER = 32 * 32, 2 * 32

WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "unique_dim"}
"""Operations whose result the host has to wait for on a GPU."""


def task_of(modalities: int, side: int = SIDE) -> Task:
    return Task(
        tuple(Modality(f"m{v}", "image", (3, side, side)) for v in range(modalities)), ("a", "b")
    )


def method_of(modalities: int, name: str = "dmrnet", recipe: str = "best") -> Method:
    torch.manual_seed(0)
    network = Network(family="surf", stem=STEM)
    return build_method(name, task_of(modalities), recipe, network=network)


def batch_of(present: Tensor) -> Batch:
    names = task_of(present.shape[1]).modalities
    return Batch(
        {name: torch.randn(len(present), 3, SIDE, SIDE) for name in names},
        present,
        torch.zeros(len(present), dtype=torch.int64),
        torch.arange(len(present)),
        where=rows_of(present, names),
    )


MASK = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]]).bool()


class Watched:
    """Counts calls and rows of a method's encoders, and the largest batch after the sum."""

    def __init__(self, method: Method) -> None:
        self.calls, self.rows, self.most = Counter[int](), Counter[int](), 0
        for v, encoder in enumerate(method.encoders):
            encoder.register_forward_pre_hook(lambda _, args, v=v: self.encoded(v, args[0]))
        last: Any = method.fusion.trunk
        last[1].register_forward_pre_hook(lambda _, args: self.went_on(args[0]))

    def encoded(self, v: int, x: Tensor) -> None:
        self.calls[v] += 1
        self.rows[v] += len(x)

    def went_on(self, x: Tensor) -> None:
        self.most = max(self.most, len(x))


@pytest.mark.parametrize("parted", [True, False])
@pytest.mark.parametrize("encode", ["mask", "present"])
def test_a_training_step_computes_visible_modalities_and_one_trunk(
    parted: bool, encode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concat_fusion, "WORTH_SPLITTING", 0 if parted else 1 << 60)
    method = method_of(3).train()
    seen = Watched(method)
    mask, present = MASK, torch.ones_like(MASK)
    batch = batch_of(present).masked(mask, mask if encode == "mask" else present, method.modalities)
    with FlopCounterMode(display=False) as counter:
        method.training_loss(batch).total.backward()
    shown, rows = int(mask.sum()), len(mask)
    encoded = shown if encode == "mask" else 3 * rows
    started = shown if parted and encode == "mask" else 3 * rows
    forward = encoded * ENCODER + started * START + rows * (BEHIND + 2 * HEAD + CLASSIFIER)
    # Backward computes two products for each, but no gradient of the images.
    assert counter.get_total_flops() == 2 * (3 * forward - encoded * FIRST)
    assert seen.calls == {0: 1, 1: 1, 2: 1}
    assert sum(seen.rows.values()) == encoded
    assert seen.most == rows


@pytest.mark.parametrize("modalities", [2, 3, 5])
def test_evaluation_computes_each_encoder_once(modalities: int) -> None:
    method = method_of(modalities).eval()
    seen = Watched(method)
    present = torch.ones(4, modalities, dtype=torch.bool)
    present[0, 1] = False
    combinations = all_combinations(modalities)
    with FlopCounterMode(display=False) as counter:
        evaluate(method, [batch_of(present)], combinations, 2)
    # What is absent is not encoded; zeros in its place are read. Sigma is not computed.
    once = int(present.sum()) * ENCODER + present.numel() * START
    each = len(combinations) * 4 * (BEHIND + HEAD + CLASSIFIER)
    assert counter.get_total_flops() == 2 * (once + each)
    assert seen.calls == dict.fromkeys(range(modalities), 1)


def test_a_combination_of_ten_modalities_costs_no_more_and_needs_no_more_memory() -> None:
    samples, costs, most = 3, [], []
    for modalities in (2, 6, 10):
        method = method_of(modalities).eval()
        seen = Watched(method)
        present = torch.ones(samples, modalities, dtype=torch.bool)
        combinations = all_combinations(modalities)
        with FlopCounterMode(display=False) as counter:
            evaluate(method, [batch_of(present)], combinations, 2)
        costs.append(counter.get_total_flops() / len(combinations))
        assert seen.calls == dict.fromkeys(range(modalities), 1)
        most.append(seen.most)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 1.01 * 2 * samples * (BEHIND + HEAD + CLASSIFIER)
    # All rows together, until they are 2048: 682 combinations of three samples.
    assert most == [9, 189, 2046]


@pytest.mark.parametrize("modalities", [2, 8])
def test_the_bound_on_memory_does_not_shrink_with_modalities(
    modalities: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dmrnet.evaluation import combinations as module

    # A row is what two readers made, 16 channels each at one position, whatever V is.
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 6 * 32)
    method = method_of(modalities).eval()
    seen = Watched(method)
    present = torch.ones(2, modalities, dtype=torch.bool)
    evaluate(method, [batch_of(present)], all_combinations(modalities), 2)
    assert seen.most == 6


class Large:
    """A model whose features are so large that their numbers bound the rows, and not 2048."""

    modalities = tuple(f"m{v}" for v in range(11))

    def __init__(self, numbers: int) -> None:
        self.numbers, self.rows = numbers, list[int]()

    def cached(self, inputs: Inputs, where: Where) -> CachedFeatures:
        return CachedFeatures({"all": torch.zeros(len(next(iter(inputs.values()))), self.numbers)})

    def logits(self, feats: Inputs, mask: Tensor) -> Tensor:
        assert feats["all"].shape == (len(mask), self.numbers)
        self.rows.append(len(mask))
        return torch.zeros(len(mask), 2)


@pytest.mark.parametrize(
    ("numbers", "modalities", "expected"), [(1 << 12, 11, 1024), (1 << 16, 9, 64), (1 << 23, 2, 1)]
)
def test_features_that_are_fused_together_take_sixteen_mebibytes_at_the_most(
    numbers: int, modalities: int, expected: int
) -> None:
    model = Large(numbers)
    combinations = all_combinations(modalities)
    evaluate(model, [batch_of(torch.ones(1, modalities).bool())], combinations, 2)
    assert sum(model.rows) == len(combinations) > expected
    # Or a single row, where that alone takes more.
    assert max(model.rows) == expected
    assert expected == max(1, (16 << 20) // (4 * numbers))


class Waits(TorchDispatchMode):
    """Counts the operations that a host would wait for, in training.

    In inference mode torch hands it neither ``.item()`` nor ``bool()``: there it would see none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put_") and any(
            i is not None and i.dtype == torch.bool for i in args[1]
        )
        if name in WAITS or by_mask:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "name",
    ["sf-md", "dmrnet", "hemis", "shaspec", "mmformer", "lcr", "separate", "simmlm", "mmpareto-md"],
)
def test_a_training_step_makes_no_host_wait(name: str) -> None:
    method = method_of(3, name).train()
    optimizer = build_optimizer(method, Training().sized(100))
    mask = MASK if method.encodes == "mask" else torch.ones_like(MASK)
    batch = batch_of(torch.ones_like(MASK)).masked(MASK, mask, method.modalities)
    with Waits() as waits:
        loss = method.training_loss(batch, 20, torch.Generator().manual_seed(0)).total
        loss.backward()
        method.on_gradients(None)  # type: ignore[arg-type]
        nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimizer.step()
    assert not waits.found


def test_the_watch_for_waits_sees_them() -> None:
    x = torch.randn(3)
    with Waits() as waits:
        bool((x > 0).any())
        x[x > 0]
    assert waits.found == {"_local_scalar_dense": 1, "index": 1}
