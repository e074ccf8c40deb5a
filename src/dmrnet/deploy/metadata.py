"""Description of an exported file, stored in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dmrnet.deploy.graph import Graph
from dmrnet.deploy.runners import FORMAT
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.confidence import read_confidence
from dmrnet.engine.scores.thresholds import thresholds_of

USE = (
    "one array (batch, *shape) for each modality in the units of training, and present, bool "
    "(batch, modalities) in the order of modalities; where a row lacks a modality, give zeros of "
    "its shape and present = False; the result is NaN where nothing is present, or what is present "
    "holds NaN or infinity (missing_cells: NaN stands for a missing number; ragged: NaN after the "
    "end of a sequence)"
)
FIXED_USE = (
    "one array (batch, *shape) for each modality in the units of training, all of them there; the "
    "result is NaN where one holds NaN or infinity"
)


def metadata_of(run: FinishedRun, graph: Graph) -> dict[str, Any]:
    """Return plain values that describe an exported graph.

    Args:
        run: Run that is exported.
        graph: Its graph.
    """
    from dmrnet import __version__

    facts = run.folder.read_facts()
    standardiser = run.standardiser
    inputs = []
    for modality in graph.inputs:
        entry: dict[str, Any] = {
            "name": modality.name,
            "kind": modality.kind,
            "shape": list(modality.shape),
            "dtype": "float64" if modality.name in graph.fine else "float32",
        }
        if graph.standardises and standardiser is not None:
            entry["mean"], entry["std"] = (
                values.tolist() for values in standardiser.scale(modality.name)
            )
            entry["missing_cells"] = standardiser.imputer is not None
            entry["ragged"] = modality.name in standardiser.ragged
        inputs.append(entry)
    own = thresholds_of(run, read_confidence(run.folder))
    return {
        "format": FORMAT,
        "dmrnet": __version__,
        "method": run.settings.method.name,
        "recipe": run.settings.recipe,
        "dataset": str(facts.get("dataset", run.settings.dataset)),
        "modalities": [modality.name for modality in graph.inputs],
        "inputs": inputs,
        "classes": list(run.task.classes),
        "whole_labels": bool(facts.get("whole_labels", False))
        and all(name.removeprefix("-").isdecimal() for name in run.task.classes),
        "target": run.task.target,
        # The class `accepts` is predicted above the threshold of what is present, else the other.
        **({"thresholds": {"accepts": own.accepts, "values": dict(own.values)}} if own else {}),
        "dense": run.task.dense,
        "outputs": list(graph.outputs),
        "fixed": graph.fixed,
        "standardises": graph.standardises,
        "calibrated": graph.tempering is not None,
        "use": FIXED_USE if graph.fixed else USE,
        "scores": scores_in(run.folder.rows(), str(facts.get("score", "accuracy")), graph),
    }


def scores_in(rows: Iterable[Mapping[str, Any]], metric: str, graph: Graph) -> dict[str, Any]:
    """Return the run's score of each combination that a graph serves: on test, or validation.

    Args:
        rows: Result rows of the run.
        metric: Metric of its data set.
        graph: The graph.
    """
    names = [modality.name for modality in graph.inputs]
    scores: dict[str, dict[str, Any]] = {"test": {}, "val": {}}
    for row in rows:
        if row["metric"] != metric or row["value"] is None or not row["combination"]:
            continue
        seen = row["combination"].split("+")
        served = seen == names if graph.fixed else set(seen) <= set(names)
        if served:
            scores[row["split"]][row["combination"]] = [row["value"], row["n"]]
    split = "test" if scores["test"] else "val"
    return {"metric": metric, "split": split, "combinations": scores[split]}
