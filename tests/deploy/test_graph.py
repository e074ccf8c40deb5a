"""The graph predicts as the run does; the check that says so finds what differs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dmrnet.confidence import Confidence
from dmrnet.data.inputs.cells import Imputer
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.deploy import formats, runners
from dmrnet.deploy.check import check_graph
from dmrnet.deploy.graph import Graph, graph_of
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.methods import METHODS
from dmrnet.modalities import Modality, Task, all_combinations
from dmrnet.modalities.task import TargetName
from dmrnet.nn.networks.network import Network

from .graphs import CLIPS, IMAGES, MIXED, RGBD, eager, run_of

SURF, OGM, ESANET = (
    Network(family="surf", stem=4),
    Network(family="ogm", stem=4),
    Network(family="esanet", layout="r18", stem=4),
)
TASKS = {"mmanet": (IMAGES, SURF), "esanet-md": (RGBD, ESANET), "ogm-md": (CLIPS, OGM)}
"""Methods that need other data or networks than three mixed modalities."""


def task_of(method: str) -> tuple[Task, Network]:
    return TASKS.get(method, (MIXED, Network(width=16)))


@pytest.mark.parametrize("method", METHODS)
def test_it_predicts_every_combination_as_the_run_does(method: str) -> None:
    task, network = task_of(method)
    run = run_of(method, task, network)
    graph = graph_of(run.method, run.standardiser)
    check = check_graph(run, graph, eager(graph))
    assert check.combinations == 2 ** len(task.modalities) - 1
    assert check.difference < 1e-5
    one = graph_of(run.method, run.standardiser, task.modalities[1])
    assert [m.name for m in one.inputs] == [task.modalities[1]]
    assert check_graph(run, one, eager(one)).combinations == 1


def test_a_pruned_graph_lacks_the_other_encoders() -> None:
    run = run_of("dmrnet", MIXED)
    whole, one = (graph_of(run.method, run.standardiser, c) for c in (None, "clock"))
    sizes = [sum(p.numel() for p in graph.parameters()) for graph in (whole, one)]
    others = sum(p.numel() for encoder in run.method.encoders[:2] for p in encoder.parameters())
    assert sizes[1] < sizes[0] - others / 2


@pytest.mark.parametrize("size", [None, (50, 70)])
def test_images_with_a_class_for_every_pixel_are_padded_as_in_evaluation(
    size: tuple[int, int] | None,
) -> None:
    run = run_of("dmrnet", RGBD, Network(width=16))
    graph = graph_of(run.method, run.standardiser, holes=("depth",), size=size)
    assert check_graph(run, graph, eager(graph)).combinations == 3
    x = {m.name: torch.zeros(2, *m.shape) for m in graph.inputs}
    logits, _ = graph(x, torch.ones(2, 2).bool())
    assert tuple(logits.shape) == (2, 2, *(size or (64, 64)))


def test_numbers_that_were_not_standardised_stay_as_they_are() -> None:
    run = run_of("sf-md", MIXED, scale=False)
    graph = graph_of(run.method, None)
    assert not graph.standardises
    assert check_graph(run, graph, eager(graph)).difference < 1e-5


def test_what_cannot_be_predicted_is_nan() -> None:
    run = run_of("sf-md", MIXED)
    graph = graph_of(run.method, run.standardiser)
    x = {m.name: torch.full((4, *m.shape), 31.0) for m in graph.inputs}
    x["clock"] = x["clock"].double() + 1.7e9
    present = torch.ones(4, 3).bool()
    x["wave"][0, 0, 3], x["wave"][1, 0, 3] = torch.nan, torch.inf
    present[1, 0] = False
    present[2] = False
    # Finite, but beyond float32 once it is standardised.
    x["clock"][3, 0] = 1e300
    _, probabilities = graph(x, present)
    assert probabilities.isnan().all(1).tolist() == [True, False, True, True]
    assert probabilities[1].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("fault", "message"),
    [("one", r"an image\.1\+clock would be predicted differently"), ("nan", "NaN that is said")],
)
def test_a_graph_that_differs_is_refused(fault: str, message: str) -> None:
    run = run_of("sf-md", MIXED)
    graph = graph_of(run.method, run.standardiser)
    right = eager(graph)

    def wrong(inputs: dict[str, np.ndarray], present: np.ndarray) -> tuple[np.ndarray, ...]:
        logits, probabilities = right(inputs, present)
        if fault == "one":
            probabilities[(present == [False, True, True]).all(1)] += 2e-4
        elif fault == "nan" and present.all():
            return np.zeros_like(logits), probabilities
        return logits, probabilities

    with pytest.raises(ValueError, match=message):
        check_graph(run, graph, wrong)


def test_hidden_numbers_are_selected_away_not_multiplied() -> None:
    """With a product, NaN where a modality is absent would reach the result."""
    run = run_of("sf-md", MIXED)
    graph = graph_of(run.method, run.standardiser)

    class Product(Graph):
        def forward(
            self, inputs: dict[str, torch.Tensor], present: torch.Tensor | None = None
        ) -> tuple[torch.Tensor, torch.Tensor]:
            assert present is not None
            seen = {
                name: x * present[:, v].view(-1, *[1] * (x.dim() - 1))
                for v, (name, x) in enumerate(inputs.items())
            }
            logits, _ = super().forward(seen, torch.ones_like(present))
            return logits, logits.softmax(1)

    wrong = Product(graph.model, graph.inputs, run.standardiser)
    with pytest.raises(ValueError, match="differently, by nan"):
        check_graph(run, wrong, eager(wrong))


@pytest.mark.parametrize("scored", [7, 3])
@pytest.mark.parametrize("combination", [None, "clock"])
def test_probabilities_are_calibrated_as_those_of_predict(
    scored: int, combination: str | None
) -> None:
    """Also of combinations that were not scored, which have a temperature by their size."""
    run = run_of("sf-md", MIXED)
    draw = torch.Generator().manual_seed(0)
    combinations = all_combinations(3)[-scored:]
    probabilities = torch.randn(scored, 240, 3, generator=draw).mul(3).softmax(-1)
    target = torch.arange(240) % 3
    there = torch.ones(scored, 240).bool()
    confidence = Confidence.fit(probabilities, target, there, combinations)
    assert float((confidence.temperature - 1).abs().min()) > 0.1
    graph = graph_of(run.method, run.standardiser, combination, confidence=confidence)
    assert check_graph(run, graph, eager(graph), confidence).difference < 1e-5
    # Of the combinations that were scored, none has one modality.
    if (scored, combination) != (3, "clock"):
        with pytest.raises(ValueError, match="predicted differently"):
            check_graph(run, graph, eager(graph))


def gappy() -> FinishedRun:
    """A run whose vectors miss cells, with indicators, and whose sequences differ in length."""
    raw = (Modality("wave", "sequence", (2, 9), ragged=True), Modality("table", "vector", (4,)))
    task = Task(raw, ("a", "b"))
    fill = {"wave": torch.tensor([1.0, 2.0]), "table": torch.arange(4.0)}
    flagged = {"wave": torch.tensor([1]), "table": torch.tensor([0, 3])}
    scale = Standardiser(
        {name: x.double() + 5 for name, x in fill.items()},
        {name: torch.full_like(x, 2.0).double() for name, x in fill.items()},
        imputer=Imputer({name: x.double() for name, x in fill.items()}, flagged),
        ragged=["wave"],
    )
    return replace(run_of("dmrnet", scale.with_flags(task), scale=False), standardiser=scale)


def test_missing_cells_are_filled_and_sequences_end_as_in_training() -> None:
    run = gappy()
    graph = graph_of(run.method, run.standardiser)
    assert [m.shape for m in graph.inputs] == [(2, 9), (4,)]
    assert check_graph(run, graph, eager(graph)).difference < 1e-5
    x = {"wave": torch.full((3, 2, 9), torch.nan), "table": torch.ones(3, 4)}
    x["table"][1] = torch.nan
    x["table"][2, 1] = torch.inf
    present = torch.tensor([[False, True], [False, True], [False, True]])
    assert graph(x, present)[1].isnan().any(1).tolist() == [False, True, True]
    assert graph(x, torch.ones(3, 2).bool())[1].isnan().all()


@pytest.mark.parametrize("target", ["ordinal", "multi-label", "regression"])
def test_other_targets_than_classes_are_predicted_as_by_the_run(target: TargetName) -> None:
    scale = ((100.0, 20.0),) * 3 if target == "regression" else None
    task = replace(MIXED, target=target, scale=scale)
    run = run_of("sf-md", task)
    graph = graph_of(run.method, run.standardiser)
    assert check_graph(run, graph, eager(graph)).difference < 1e-5
    assert graph.outputs[1] == ("numbers" if target == "regression" else "probabilities")
    x = {m.name: torch.full((1, *m.shape), 31.0) for m in graph.inputs}
    x["clock"] = x["clock"].double() + 1.7e9
    result = graph(x, torch.ones(1, 3).bool())[1]
    if target == "regression":
        assert result.dtype == torch.float64
        assert (result > 40).all()
    else:
        assert (result.sum() == pytest.approx(1)) == (target == "ordinal")


@pytest.mark.slow
def test_gaps_survive_the_files() -> None:
    run = gappy()
    graph = graph_of(run.method, run.standardiser)
    program = formats.trace(graph)
    for runner in (
        runners.read_torch(formats.torch_bytes(program, {}))[0],
        runners.read_onnx(formats.onnx_bytes(program, graph, {}))[0],
    ):
        assert check_graph(run, graph, runner).difference < 1e-5
