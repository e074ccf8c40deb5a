"""Terms and fusions of the user's own, as arguments of `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dmrnet
from dmrnet.nn import Fused, Fusion
from dmrnet.objectives import Step, Term
from dmrnet.objectives.own import own_terms

Y = np.arange(60) % 2
RNG = np.random.default_rng(0)
DATA = dmrnet.MultimodalDataset(
    {"a": RNG.normal(size=(60, 3)) + Y[:, None], "b": RNG.normal(size=(60, 2, 8))}, Y
)
SHORT: dict[str, Any] = {"method": "sf-md", "max_epochs": 2, "threads": 1}


@pytest.fixture(scope="module")
def run() -> dmrnet.Run:
    return dmrnet.fit(DATA, **SHORT)


def small_logits(step: Step) -> Tensor:
    return 0.1 * step.out.logits.square().mean()


class Late(Term):
    def forward(self, step: Step) -> Tensor:
        return step.fused.map.abs().mean()


class Mean(nn.Module):
    """Mean of the visible modalities."""

    def __init__(self, shapes: Mapping[str, tuple[int, int, int]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(c, 6) for c, _, _ in shapes.values())

    def forward(self, feats: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        both = [layer(x.mean((2, 3))) for layer, x in zip(self.layers, feats.values(), strict=True)]
        seen = mask[:, :, None].float()
        out: Tensor = (torch.stack(both, 1) * seen).sum(1) / seen.sum(1)
        return out


class Leaky(Fusion):
    def forward(self, feats: Any, mask: Tensor) -> Fused:
        return Fused(torch.cat([x.mean((2, 3), keepdim=True) for x in feats.values()], 1))


def test_own_terms_are_added_and_logged_by_name(run: dmrnet.Run, tmp_path: Path) -> None:
    alone = run
    terms = [small_logits, Late("late", weight=0.5, start_epoch=1)]
    run = dmrnet.fit(DATA, terms=terms, out=tmp_path / "run", **SHORT)
    first, second = run.history
    assert first["loss"] == pytest.approx(first["task"] + first["small_logits"], rel=1e-5)
    assert "late" not in first
    total = second["task"] + second["small_logits"] + 0.5 * second["late"]
    assert second["loss"] == pytest.approx(total, rel=1e-5)
    assert alone.history[0]["task"] != first["task"], "it trains"
    # The kept weights are those of the method: they open without the terms.
    again = dmrnet.open_run(tmp_path / "run")
    assert again.validation.values == run.validation.values
    dmrnet.fit(DATA, terms=terms, out=tmp_path / "run", **SHORT)
    with pytest.raises(ValueError, match="own terms small_logits, late, now they are none"):
        dmrnet.fit(DATA, out=tmp_path / "run", **SHORT)


class Learnt(Term):
    def __init__(self) -> None:
        super().__init__("learnt")
        self.scale = nn.Parameter(torch.ones(()))


@pytest.mark.parametrize(
    ("term", "kind", "message"),
    [
        (lambda step: step.out.logits, TypeError, r"term: expected a scalar .* \(24, 2\)"),
        (lambda step: 0.5, TypeError, "expected a scalar tensor of a floating type.* got float"),
        (lambda step: step.mask.sum(), TypeError, r"got torch.int64 of shape \(\)"),
        ("mse", TypeError, "as a function from a Step to a scalar, or a Term, got str"),
        (Learnt(), ValueError, "learnt has parameters or buffers"),
        (Late("task"), ValueError, "terms of different names"),
    ],
)
def test_a_wrong_term_is_refused(term: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        dmrnet.fit(DATA, terms=[term], **{**SHORT, "batch_size": 32})


def test_functions_of_one_name_are_numbered() -> None:
    def term(step: Step) -> Tensor:
        return step.out.logits.mean()

    terms = own_terms([lambda _: torch.zeros(()), term, partial(term), Late("late")])
    assert [one.name for one in terms] == ["term", "term-2", "term-3", "late"]


def test_a_term_without_a_gradient_is_warned_of_once() -> None:
    def constant(step: Step) -> Tensor:
        return step.out.logits.detach().mean()

    with pytest.warns(UserWarning, match="the term constant has no gradient") as caught:
        dmrnet.fit(DATA, terms=[constant], **SHORT)
    assert len(caught) == 1


def test_an_own_fusion_is_used_and_opened_again(tmp_path: Path) -> None:
    run = dmrnet.fit(DATA, test=DATA, fusion=Mean, out=tmp_path / "run", **SHORT)
    fusion = run.method.fusion
    assert isinstance(fusion.get_submodule("module"), Mean)
    scores = run.evaluate()
    again = dmrnet.open_run(tmp_path / "run", fusion=Mean)
    assert again.evaluate(DATA).values == scores.values
    # Absent is absent, in evaluation as in single predictions.
    assert np.allclose(
        run.predict_proba(DATA, combination="a"), run.predict_proba({"a": DATA.read("a")})
    )
    dmrnet.fit(DATA, method="dmrnet", fusion=Mean, max_epochs=1, threads=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fusion": Leaky}, "Leaky: its output changes with features that the mask hides"),
        ({"fusion": lambda shapes: nn.Linear(1, 1)}, "Linear cannot fuse a"),
        ({"fusion": Mean, "method": "hemis"}, "hemis has a fusion of its own"),
    ],
)
def test_a_wrong_fusion_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dmrnet.fit(DATA, **{**SHORT, **change})


class Words(nn.Module):
    """Mean of the embeddings of words, of which 0 is none."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(12, 8, padding_idx=0)

    def forward(self, x: Tensor) -> Tensor:
        words = self.table(x.long())
        return words.sum(1) / (x > 0).sum(1, keepdim=True).clamp(min=1)


def test_an_encoder_reads_numbers_that_are_not_standardised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = RNG.integers(1, 6, (120, 5)) + 6 * (np.arange(120) % 2)[:, None]
    words[:, 4] = 0
    data = dmrnet.MultimodalDataset(
        {"words": words, "noise": RNG.normal(size=(120, 2))}, np.arange(120) % 2
    )
    encoders = {"words": Words}
    how: dict[str, Any] = {"method": "sf-md", "max_epochs": 6, "threads": 1, "encoders": encoders}
    run = dmrnet.fit(data, unscaled=["words"], out=tmp_path / "r", **how)
    assert run.evaluate(data)["words"] > 0.9
    np.savez(tmp_path / "new.npz", words=words[:4], noise=np.zeros((4, 2)))
    again = dmrnet.open_run(tmp_path / "r", encoders=encoders)
    np.testing.assert_allclose(
        again.predict_proba(tmp_path / "new.npz"),
        run.predict_proba({"words": words[:4], "noise": np.zeros((4, 2))}),
    )
    assert not any("other units" in record.message for record in caplog.records)
    with pytest.raises(ValueError, match="no modality 'text'"):
        dmrnet.fit(data, unscaled=["text"], **how)


def test_predictions_from_what_people_bring(run: dmrnet.Run) -> None:
    a, b = DATA.read("a")[:3], DATA.read("b")[:3]
    expected = run.predict_proba({"a": a, "b": b})
    rows = [{"a": a[i].tolist(), "b": torch.tensor(b[i])} for i in range(3)]
    for inputs in (rows, {"a": a.tolist(), "b": list(b)}, {"a": torch.tensor(a), "b": b.tolist()}):
        assert np.allclose(run.predict_proba(inputs), expected, atol=1e-6)
    alone = run.predict_proba({"a": a})
    assert np.array_equal(run.predict_proba({"a": a, "b": None}), alone)
    assert np.allclose(run.predict_proba([{"a": row} for row in a]), alone, atol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "kind", "message"),
    [
        (np.zeros((3, 3)), TypeError, "as a mapping from a, b to arrays.* got ndarray"),
        ({"a": np.zeros(3)}, ValueError, r"a: got one sample of shape \(3,\).*x\[None\]"),
        ({"a": None, "b": None}, ValueError, "no sample has any modality"),
    ],
)
def test_what_cannot_be_predicted_from_is_refused(
    run: dmrnet.Run, inputs: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        run.predict(inputs)


def test_scoring_needs_labels(run: dmrnet.Run) -> None:
    with pytest.raises(
        TypeError, match=r"with labels: a MultimodalDataset\(inputs, y\).* got dict"
    ):
        run.evaluate({"a": DATA.read("a")})  # type: ignore[arg-type]


def test_a_modality_that_no_test_sample_has_is_absent(run: dmrnet.Run) -> None:
    a = DATA.read("a")
    scores = [
        run.evaluate(dmrnet.MultimodalDataset(inputs, Y)).values["accuracy"]
        for inputs in ({"a": a}, {"b": None, "a": a}, {"a": a, "b": [None] * 60})
    ]
    assert scores[0]["a"][1] == 60
    for values in scores:
        assert values["a"] == scores[0]["a"]
        assert values["b"][1] == values["a+b"][1] == 0
    alone = run.predict_proba({"a": a})
    assert np.array_equal(run.predict_proba({"b": [None] * 60, "a": a}), alone)
    assert np.array_equal(run.predict_proba([{"a": row, "b": None} for row in a]), alone)
    with pytest.raises(ValueError, match="modality b is None in every row, so nothing can be"):
        dmrnet.fit(dmrnet.MultimodalDataset({"a": a, "b": [None] * 60}, Y), **SHORT)


@pytest.mark.parametrize(
    ("metrics", "kind", "message"),
    [
        ([len], TypeError, "as a mapping from names to functions, .* got list"),
        ({"q": 0.5}, TypeError, "functions of probabilities and classes, got 'q': float"),
        ({"q": lambda p, y: "x"}, ValueError, "metric q: expected a single number .* got str"),
        ({"q": lambda p, y: p}, ValueError, r"got Tensor of shape \(\d+, 2\)"),
    ],
)
def test_a_wrong_metric_is_refused(
    run: dmrnet.Run, metrics: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        run.evaluate(DATA, metrics=metrics)


def test_parts_are_registered_by_a_name() -> None:
    with pytest.raises(TypeError, match=r'as in @register_metric\("name"\), got function'):

        @dmrnet.register_metric  # type: ignore[arg-type]
        def brier(probabilities: Tensor, target: Tensor) -> float:
            return 0.0
