"""The method of a run that names none: which, why, and what of its settings it keeps."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from dmrnet.api.register import register_method
from dmrnet.methods import METHODS, build_method, method
from dmrnet.methods.default import AHEAD, AUTO, PAPERS, PLAIN, DefaultSettings, default_method
from dmrnet.modalities import Modality, Task
from dmrnet.report.pages.prose import PREFERRED


def task(number: int = 2, target: str = "classes", dense: bool = False) -> Task:
    image = ("image", (1, 16, 16)) if dense else ("vector", (3,))
    inputs = tuple(Modality(f"m{i}", *image) for i in range(number))
    return Task(inputs, ("a", "b"), dense=dense, target=target)


@pytest.mark.parametrize(
    ("of", "own_fusion", "expected"),
    [
        (task(), False, "experts"),
        (task(1), False, "experts"),
        (task(62), False, "experts"),
        (task(), True, "dmrnet"),
        (task(target="ordinal"), False, "dmrnet"),
        (task(target="multi-label"), False, "dmrnet"),
        (task(target="regression"), False, "dmrnet"),
        (task(dense=True), False, "dmrnet"),
        (task(20, "regression"), False, "dmrnet"),
        (task(21, "regression"), False, "sf-md"),
        (task(21), True, "sf-md"),
    ],
)
def test_the_task_decides(of: Task, own_fusion: bool, expected: str) -> None:
    chosen = default_method(of, own_fusion)
    assert chosen.method == expected
    assert (
        str(chosen)
        == f"{expected} (no method named: {chosen.reason}); set method (--method) to take another"
    )


@pytest.mark.parametrize("target", ["classes", "ordinal", "multi-label", "regression"])
@pytest.mark.parametrize("number", [1, 20, 21])
def test_every_default_can_be_built_and_predicts(number: int, target: str) -> None:
    model = build_method(AUTO, task(number, target)).eval()
    inputs = {name: torch.ones(2, 3) for name in model.modalities}
    assert model(inputs, torch.ones(2, number, dtype=torch.bool)).isfinite().all()


@pytest.mark.parametrize("name", [AHEAD, PAPERS, PLAIN])
def test_every_default_has_the_settings_that_may_be_set_without_a_name(name: str) -> None:
    plain, mine = method(name).recipe("best"), method(AUTO).recipe("best")
    for field in fields(mine):
        if field.name != "encodes":  # which is None, so that each method keeps its own
            assert getattr(plain, field.name) == getattr(mine, field.name)


def test_what_was_set_is_kept() -> None:
    settings = DefaultSettings(encodes="mask", smoothing=0.1)
    chosen, _ = settings.for_task(task())
    assert chosen == method("experts").recipe("best", encodes="mask", smoothing=0.1)
    unset, _ = DefaultSettings().for_task(task())
    assert unset == method("experts").recipe("best")


def test_auto_is_no_method_of_the_list() -> None:
    assert AUTO not in METHODS
    with pytest.raises(ValueError, match="stands for the method of a task"):
        register_method("auto")


def test_reports_compare_with_it() -> None:
    assert PREFERRED == AHEAD
