"""Files: they hold what they need, run without this package, and are refused otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from dmrnet import Run, __version__
from dmrnet.deploy import formats, runners
from dmrnet.deploy.check import check_graph
from dmrnet.deploy.export import Exported
from dmrnet.deploy.graph import graph_of
from dmrnet.methods import METHODS
from dmrnet.modalities import Modality, Task

from .conftest import RUNS, Files
from .graphs import MIXED, run_of
from .test_graph import task_of

NAMES = ("sound", "image")
ALONE = """
import json, sys
for name in {blocked}:
    sys.modules[name] = None
import numpy as np
arrays = np.load({arrays!r})
inputs = {{name: arrays[name].astype(np.float32) for name in ("sound", "image")}}
present = np.stack([~np.isnan(x.reshape(len(x), -1)).all(1) for x in inputs.values()], 1)
{run}
print(json.dumps([list(classes), probabilities.tolist()]))
"""
TORCH = """
import torch
extra = {{"metadata.json": ""}}
program = torch.export.load({path!r}, extra_files=extra)
classes = json.loads(extra["metadata.json"])["classes"]
given = {{name: torch.from_numpy(x) for name, x in inputs.items()}}
probabilities = program.module()(given, torch.from_numpy(present))[1]
"""
ONNX = """
import onnxruntime
session = onnxruntime.InferenceSession({path!r})
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
probabilities = session.run(["probabilities"], {{**inputs, "present": present}})[0]
"""


HIDDEN = {"torch": ("dmrnet", "lightning", "onnxruntime"), "onnx": ("dmrnet", "torch", "onnx")}


def script_of(files: Files, kind: str, blocked: tuple[str, ...] = ()) -> str:
    code = {"torch": TORCH, "onnx": ONNX}[kind].format(path=str(getattr(files, kind).path))
    return ALONE.format(blocked=blocked, arrays=str(RUNS / "data" / "test.npz"), run=code)


def assert_same(printed: str, run: Run) -> None:
    classes, probabilities = json.loads(printed)
    assert tuple(classes) == run.classes
    expected = run.predict_proba(RUNS / "data" / "test.npz")
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_a_file_runs_where_this_package_cannot_be_imported(
    files: Files, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = script_of(files, kind)
    # What is imported already would be found, so that it is hidden, too.
    for name in {*sys.modules, *HIDDEN[kind]}:
        if name.partition(".")[0] in HIDDEN[kind]:
            monkeypatch.setitem(sys.modules, name, None)
    exec(compile(script, kind, "exec"), {})
    monkeypatch.undo()
    assert_same(capsys.readouterr().out, files.run)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_a_file_runs_in_a_process_of_its_own(files: Files, kind: str) -> None:
    script = [sys.executable, "-I", "-c", script_of(files, kind, HIDDEN[kind])]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_same(done.stdout, files.run)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("combination", ["sound", "image", "sound+image"])
def test_any_number_of_rows_and_any_combination(files: Files, combination: str, rows: int) -> None:
    with np.load(RUNS / "data" / "test.npz") as arrays:
        whole = ~np.isnan(arrays["sound"]).any((1, 2)) & ~np.isnan(arrays["image"]).any((1, 2, 3))
        inputs = {name: arrays[name][whole][:rows].astype(np.float32) for name in NAMES}
    seen = combination.split("+")
    given = {name: x if name in seen else np.zeros_like(x) for name, x in inputs.items()}
    present = np.tile([name in seen for name in NAMES], (rows, 1))
    expected = files.run.predict_proba({name: inputs[name] for name in seen})
    for runner in files.runners:
        np.testing.assert_allclose(runner(given, present)[1], expected, atol=1e-4)


def metadata_in(path: Path) -> dict[str, Any]:
    if path.suffix == ".pt2":
        extra = {runners.METADATA: ""}
        torch.export.load(path, extra_files=extra)
        found: dict[str, Any] = json.loads(extra[runners.METADATA])
        return found
    return {p.key: json.loads(p.value) for p in onnx.load(path).metadata_props}


def test_a_file_says_what_it_is(files: Files) -> None:
    with np.load(RUNS / "data" / "train.npz") as arrays:
        # Validation has a file of its own, so every training row counts.
        mean = np.nanmean(arrays["sound"], (0, 2))
    assert files.onnx.quantised is not None
    for path in (files.torch.path, files.onnx.path, files.onnx.quantised):
        said = metadata_in(path)
        assert said["modalities"] == list(NAMES)
        assert said["classes"] == ["0", "1", "2"]
        assert said["dmrnet"] == __version__
        assert [one["shape"] for one in said["inputs"]] == [[2, 8], [1, 6, 6]]
        np.testing.assert_allclose(said["inputs"][0]["mean"], mean, rtol=1e-5)
        assert said["scores"]["split"] == "test"
        assert said["scores"]["combinations"].keys() == {*NAMES, "sound+image"}
        assert "present = False" in said["use"]


def test_the_cost_of_8_bits_is_measured_on_the_test_samples(files: Files) -> None:
    rows = {
        row["combination"]: (row["value"], row["n"])
        for row in files.run._finished.folder.rows()
        if (row["split"], row["metric"]) == ("test", "accuracy")
    }
    costs = {cost.combination: (cost.float32, cost.n) for cost in files.onnx.costs}
    assert costs == {name: (pytest.approx(value), n) for name, (value, n) in rows.items()}
    table = (files.onnx.path.parent / "combinations.csv").read_text().splitlines()
    assert table[0] == "combination,n,float32,int8,changed"
    assert len(table) == 4
    assert files.onnx.quantised is not None
    operators = {node.op_type for node in onnx.load(files.onnx.quantised).graph.node}
    assert operators & {"MatMulInteger", "ConvInteger", "DynamicQuantizeLinear"}


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"format": "tflite"}, ValueError, "torch-export, onnx, safetensors"),
        ({"quantise": "int8"}, ValueError, "int8 is for the format onnx"),
        ({"format": "onnx", "quantise": "int4"}, ValueError, "quantise as int8"),
        ({"format": "safetensors", "combination": "image"}, ValueError, "leave the combination"),
        ({"size": (8, 8)}, ValueError, "every pixel has a class"),
        ({"combination": "sonar"}, ValueError, "unknown modality 'sonar'"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    run: Run, tmp_path: Path, arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        run.export(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_no_file_is_overwritten(files: Files) -> None:
    before = files.torch.path.read_bytes()
    with pytest.raises(FileExistsError, match=r"model\.pt2 exists"):
        files.run.export(files.torch.path.parent)
    assert files.torch.path.read_bytes() == before


def test_onnx_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"dmrnet\[onnx\]"):
        formats.need_onnx()


def test_a_modality_named_as_an_output_is_refused() -> None:
    inputs = (Modality("logits", "vector", (3,)), *MIXED.inputs[1:])
    run = run_of("sf-md", Task(inputs, MIXED.classes))
    graph = graph_of(run.method, run.standardiser)
    with pytest.raises(ValueError, match="modality logits: ONNX files need this name"):
        formats.onnx_bytes(None, graph, {})  # type: ignore[arg-type]


def test_steps_with_the_name_of_a_modality_are_renamed() -> None:
    class Value:
        def __init__(self, name: str) -> None:
            self.name = name

    inputs, step, logits = ([Value(name)] for name in ("mean", "mean", "logits"))
    inputs.append(Value("mean_"))
    nodes = [SimpleNamespace(outputs=step), SimpleNamespace(outputs=logits)]

    class Graph(list):
        def __init__(self) -> None:
            super().__init__(nodes)
            self.inputs, self.outputs = inputs, logits

    formats._rename_inner(Graph())
    assert [one.name for one in (*inputs, *step, *logits)] == ["mean", "mean_", "mean__", "logits"]


@pytest.mark.slow
def test_a_modality_may_be_named_as_a_step_of_the_graph() -> None:
    """The exporter names what a node computes by its operation."""
    names = ("mean", "linear")
    task = Task(tuple(Modality(name, "vector", (3,)) for name in names), MIXED.classes)
    run = run_of("sf-md", task)
    graph = graph_of(run.method, run.standardiser)
    runner = runners.read_onnx(formats.onnx_bytes(formats.trace(graph), graph, {}))[0]
    assert check_graph(run, graph, runner).difference < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_becomes_a_file(method: str) -> None:
    task, network = task_of(method)
    run = run_of(method, task, network)
    for combination in (None, task.modalities[1]):
        graph = graph_of(run.method, run.standardiser, combination)
        program = formats.trace(graph)
        saved = runners.read_torch(formats.torch_bytes(program, {}))[0]
        assert check_graph(run, graph, saved).difference < 1e-5
        exported = runners.read_onnx(formats.onnx_bytes(program, graph, {}))[0]
        assert check_graph(run, graph, exported).difference < 1e-4


def test_an_export_says_how_near_it_is(files: Files) -> None:
    for exported in (files.torch, files.onnx):
        assert isinstance(exported, Exported)
        assert exported.combinations == 3
        assert exported.difference < 1e-5
