"""Inputs as people bring them give the numbers of plain tensors, or one clear error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dmrnet.methods import METHODS, build_method
from dmrnet.methods.base import Method
from dmrnet.methods.folded import folded
from dmrnet.modalities import Batch, Modality, Task
from dmrnet.nn import Network
from dmrnet.testing.batches import ready

TASK = Task((Modality("cam", "image", (3, 6, 6)), Modality("tab", "vector", (4,))), ("x", "y"))
DRAWN = torch.Generator().manual_seed(0)
CAM = torch.randint(0, 255, (5, 3, 6, 6), generator=DRAWN).float()
TAB = torch.randn(5, 4, generator=DRAWN)
Y = torch.tensor([0, 1, 1, 0, 1])
BOTH = torch.ones(5, 2, dtype=torch.bool)
HALF = torch.tensor([[True, True], [False, True], [True, False], [True, True], [True, True]])


@pytest.fixture(scope="module")
def method() -> Method:
    torch.manual_seed(0)
    return build_method("sf-md", TASK, network=Network(width=8)).eval()


FORMS: dict[str, Any] = {
    "numpy": (CAM.numpy(), TAB.numpy(), BOTH.numpy()),
    "lists": (CAM.tolist(), TAB.tolist(), BOTH.tolist()),
    "a list of tensors": (list(CAM), list(TAB), BOTH),
    "float64": (CAM.double(), TAB.double().numpy(), BOTH),
    "uint8": (CAM.byte(), TAB, BOTH),
    "uint8 of numpy": (CAM.byte().numpy(), TAB, BOTH),
    "None": (CAM, None, torch.tensor([[True, False]] * 5)),
    "None rows": ([None, *CAM[1:]], [*TAB[:4].tolist(), None], HALF.flip(0)[[1, 2, 3, 4, 0]]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_method_reads_what_people_bring(method: Method, form: str) -> None:
    cam, tab, mask = FORMS[form]
    mask = torch.as_tensor(mask)
    if form == "None rows":
        mask = BOTH.clone()
        mask[0, 0] = mask[4, 1] = False
    with torch.no_grad():
        expected = method({"cam": CAM, "tab": TAB}, mask)
        found = method({"cam": cam, "tab": tab}, mask if form == "None rows" else FORMS[form][2])
    assert torch.allclose(found, expected, atol=1e-6)


def shown(*hidden: tuple[int, int]) -> Tensor:
    mask = BOTH.clone()
    for row, column in hidden:
        mask[row, column] = False
    return mask


WRONG: dict[str, tuple[Any, Any, Any, type[Exception], str]] = {
    "channels last": (CAM.movedim(1, -1), TAB, BOTH, ValueError, r"cam: .*movedim\(-1, 1\)"),
    "one row for all": (CAM[:1], TAB, BOTH, ValueError, r"cam: expected .*got \(1, 3.* are 5"),
    "one sample": (CAM[0], TAB, BOTH, ValueError, r"cam: .*x\[None\]"),
    "text": (CAM, ["a"] * 5, BOTH, TypeError, "tab: expected a tensor, a numpy array or a list"),
    "bool": (CAM, TAB > 0, BOTH, TypeError, "tab: expected numbers, got torch.bool"),
    "ragged": (
        CAM,
        [[1.0], None, [1.0, 2.0], [1.0], [2.0]],
        BOTH,
        ValueError,
        "tab: expected rows",
    ),
    "None shown": (CAM, None, BOTH, ValueError, "row 0 of the mask shows tab, which is None there"),
    "a None row shown": ([*CAM[:4], None], TAB, BOTH, ValueError, "row 4 of the mask shows cam"),
    "nothing shown": (CAM, TAB, shown((2, 0), (2, 1)), ValueError, "row 2 of the mask shows none"),
    "whole numbers as mask": (CAM, TAB, BOTH.long(), ValueError, "expected a bool mask"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_method_refuses_what_it_cannot_read(method: Method, case: str) -> None:
    cam, tab, mask, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        method({"cam": cam, "tab": tab}, mask)


def test_a_folded_method_reads_them_too(method: Method) -> None:
    form = folded(method, "cam")
    assert torch.equal(form({"cam": CAM.byte().numpy()}), form({"cam": CAM}))
    with pytest.raises(ValueError, match="cam, row 1: expected values, got None"):
        form({"cam": [CAM[0], None]})
    whole = folded(method)
    assert torch.equal(
        whole({"cam": CAM.tolist(), "tab": TAB.double()}), whole({"cam": CAM, "tab": TAB})
    )


def test_a_batch_is_made_of_them() -> None:
    plain = Batch.of(TASK, {"cam": CAM, "tab": TAB}, Y)
    for cam, tab, y in (
        (CAM.byte().numpy(), TAB.numpy().astype(float), Y.numpy()),
        (CAM.tolist(), TAB.tolist(), Y.tolist()),
        (list(CAM), TAB, Y[:, None].int()),
    ):
        batch = Batch.of(TASK, {"cam": cam, "tab": tab}, y)
        assert all(
            torch.allclose(batch.inputs[name], plain.inputs[name]) for name in ("cam", "tab")
        )
        assert batch.inputs["cam"].dtype == torch.float32
        assert torch.equal(batch.target, Y)
        assert bool(batch.present.all())
    gaps = Batch.of(TASK, {"cam": [*CAM[:4], None], "tab": TAB}, Y, present=HALF.tolist())
    assert torch.equal(gaps.present, HALF & shown((4, 0)))
    assert not gaps.inputs["cam"][4].any()


@pytest.mark.parametrize(
    ("inputs", "target", "kind", "message"),
    [
        (
            {"cam": CAM, "tab": TAB.where(torch.arange(4) != 1, torch.nan)},
            Y,
            ValueError,
            "row 0: it",
        ),
        (
            {"cam": CAM, "tab": TAB.where(torch.arange(4) != 1, torch.inf)},
            Y,
            ValueError,
            "infinity",
        ),
        ({"cam": CAM}, Y.float(), TypeError, "classes as integers, got torch.float32"),
        ({"cam": CAM}, torch.eye(5, 2).long(), ValueError, r"expected shape \(B,\), got \(5, 2\)"),
        ({"cam": CAM}, Y + 1, ValueError, "from 0 to 1, got 2 in row 1"),
        ({"cam": CAM}, ["x", "y", "y", "x", "y"], TypeError, "target: expected"),
    ],
)
def test_a_batch_refuses_what_would_train_on_nonsense(
    inputs: dict[str, Any], target: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        Batch.of(TASK, inputs, target)


def test_a_mask_is_a_part_of_what_is_present() -> None:
    batch = Batch.of(TASK, {"tab": TAB}, Y)
    with pytest.raises(ValueError, match="row 0 of the mask shows cam, which the sample lacks"):
        batch.masked(BOTH, BOTH, TASK.modalities)
    with pytest.raises(ValueError, match="row 0 of the mask shows none of cam, tab"):
        batch.masked(~BOTH, ~BOTH, TASK.modalities)
    with pytest.raises(ValueError, match=r"mask of shape \(5, 2\), got \(3, 2\)"):
        batch.masked(BOTH[:3], BOTH, TASK.modalities)


def test_features_that_a_method_reads_are_encoded() -> None:
    """Every method that reads masked modalities refuses a batch that has none of their features."""
    task = Task(tuple(Modality(name, "vector", (4,)) for name in "ab"), ("x", "y"))
    batch = Batch.of(task, {"a": TAB, "b": TAB}, Y)
    wrong, right = batch.masked(HALF, HALF, "ab"), batch.masked(HALF, batch.present, "ab")
    reading = []
    for name in METHODS:
        method = build_method(name, task, network=Network(width=8))
        if method.encodes == "present":
            reading.append(name)
            method = ready(method, task, Network(width=8)).train()
            with pytest.raises(ValueError, match="draw_masks"):
                method.training_loss(wrong)
            assert method.training_loss(right).total.isfinite()
            # All that is present is shown: nothing is missing.
            assert method.training_loss(batch.masked(BOTH, BOTH, "ab")).total.isfinite()
    assert {"shaspec", "rfnet", "mutual"} <= set(reading)


def test_targets_of_other_kinds_are_read() -> None:
    inputs = {"tab": TAB}
    numbers = Task(TASK.inputs, ("height",), target="regression")
    assert torch.equal(
        Batch.of(numbers, inputs, [1, 2, 3, 4, 5]).target,
        torch.arange(1.0, 6.0, dtype=torch.float64)[:, None],
    )
    labels = Task(TASK.inputs, ("x", "y"), target="multi-label")
    assert Batch.of(labels, inputs, np.eye(5, 2, dtype=bool)).target.dtype == torch.int64
    with pytest.raises(ValueError, match=r"expected shape \(B, 2\), got \(5, 3\)"):
        Batch.of(labels, inputs, np.eye(5, 3, dtype=int))
    with pytest.raises(ValueError, match="from 0 to 1, got 2 in row 0"):
        Batch.of(labels, inputs, 2 * np.eye(5, 2, dtype=int))
