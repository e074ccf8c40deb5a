"""Training from settings into a folder: files, repetition, refusals."""

from __future__ import annotations

import math
import signal
from pathlib import Path

import pytest
import torch
from tests.engine.runs import (
    COMBINATIONS,
    NAMES,
    TRAIN,
    VAL,
    metrics_of,
    result_of,
    rows_of,
    settings_in,
)
from torch import Tensor, nn

from dmrnet.data.loader import TrainLoader, evaluation_batches
from dmrnet.engine import fit as module
from dmrnet.engine.final_scores import hard_agreement
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.run.weights import load_weights
from dmrnet.engine.training import trainee
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.trainee import Progress, Trainee
from dmrnet.evaluation import accuracy, evaluate
from dmrnet.methods.base import Method
from dmrnet.modalities import Uniform, Warmup, all_combinations, index_of
from dmrnet.modalities.rows import channels_last
from dmrnet.report.records.metrics import CLASS_METRICS, RECALL

KEYS = [
    *("run", "method", "recipe", "settings", "dataset", "split", "seed", "combination"),
    *("metric", "value", "n"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data and a finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    fit_run(settings_in(folder), folder / "run")
    return folder


@pytest.mark.parametrize("method", ["sf-md", "dmrnet"])
def test_the_files_of_a_run(tmp_path: Path, method: str) -> None:
    seen: list[Progress] = []
    settings = settings_in(tmp_path, "--seed", "3", method=method)
    assert fit_run(settings, tmp_path / "run", seen.append)
    folder = RunFolder(tmp_path / "run")
    assert {p.name for p in folder.path.iterdir()} == {
        *("config.yaml", "run.json", "results.jsonl", "metrics.csv", "variance.jsonl"),
        *("standardiser.safetensors", "checkpoints"),
    }
    # Checkpoints are removed.
    assert [p.name for p in folder.checkpoints.iterdir()] == ["best.safetensors"]

    rows = folder.rows()
    assert all(list(row) == KEYS for row in rows)
    fixed = {"run": "run", "method": method, "recipe": "best", "split": "val"}
    assert all(row | fixed | {"seed": 3, "dataset": settings.data_label} == row for row in rows)
    by_metric: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        by_metric.setdefault(row["metric"], []).append(row)
    beside = [*CLASS_METRICS, "majority", "predicted_classes"]
    beside += [metric for metric in by_metric if metric.startswith(RECALL)]
    assert len(beside) == 7 + 3
    for metric in ("accuracy", "accuracy_complete", "log_loss", *beside):
        assert [row["combination"] for row in by_metric.pop(metric)] == COMBINATIONS
    once = {metric: row["value"] for metric, [row] in by_metric.items()}
    assert all(row["combination"] == "" and row["n"] == VAL for [row] in by_metric.values())
    assert once.pop("epochs") == 5
    assert once.pop("train_samples") == 5 * TRAIN
    assert once.pop("parameters") == once.pop("inference_parameters") > 100
    assert once.pop("inference_flops") > 100
    assert once.pop("train_seconds") > 0
    assert once.pop("train_cpu_seconds") > 0
    assert once.pop("best_epoch") in (2, 4, 5)
    assert set(once) == ({"hard_agreement"} if method == "dmrnet" else set())

    terms = {"loss", "task"} | ({"distribution"} if method == "dmrnet" else set())
    metrics = metrics_of(folder.metrics)
    for epoch in range(5):
        names = terms | ({"val_average"} if epoch in (1, 3, 4) else set())
        assert {name for e, name, _ in metrics if e == epoch} == names
    assert [p.epoch for p in seen] == [1, 2, 3, 4, 5]
    assert all(p.epochs == 5 for p in seen)
    assert [p.loss for p in seen] == [v for _, name, v in metrics if name == "loss"]
    averages = [v for _, name, v in metrics if name == "val_average"]
    assert [p.selection for p in seen] == [None, *(averages[i] for i in (0, 0, 1, 2))]
    assert seen[-1].best == max(averages)

    for row in rows_of(folder.variance):
        assert list(row) == ["epoch", "combination", "mean_variance", "mean_loss", "n", "hard"]
        assert (row["mean_variance"] is None) == (method == "sf-md")
        assert math.isfinite(row["mean_loss"])
    for epoch in range(5):
        of_epoch = [row for row in rows_of(folder.variance) if row["epoch"] == epoch]
        assert sum(row["n"] for row in of_epoch) == TRAIN
        assert sum(row["hard"] for row in of_epoch) <= (3 if method == "dmrnet" else 0)

    facts = folder.read_facts()
    assert facts["finished"] is True
    assert facts["modalities"] == list(NAMES)
    assert facts["samples"] == {"train": TRAIN, "val": VAL, "test": 18}
    assert set(facts["versions"]) >= {"python", "torch", "lightning", "dmrnet"}


@pytest.mark.parametrize(
    "flags", [(), pytest.param(("--ema", "0", "--optimizer", "adamw"), marks=pytest.mark.slow)]
)
def test_the_same_settings_give_the_same_bits(tmp_path: Path, flags: tuple[str, ...]) -> None:
    for run in ("one", "two"):
        torch.rand(3)  # what was drawn before a run does not matter
        fit_run(settings_in(tmp_path, *flags, epochs=2), tmp_path / run)
    assert result_of(tmp_path / "one") == result_of(tmp_path / "two")
    fit_run(settings_in(tmp_path, *flags, "--seed", "1", epochs=2), tmp_path / "other")
    assert result_of(tmp_path / "one")["weights"] != result_of(tmp_path / "other")["weights"]


def test_the_rows_are_those_of_the_kept_weights(whole: Path) -> None:
    settings = settings_in(whole)
    folder = RunFolder(whole / "run")
    splits = settings.data.load(0)
    method = settings.method.build(splits.train.task)
    load_weights(method, folder.weights)
    combinations = all_combinations(3)
    found = evaluate(method.eval(), evaluation_batches(splits.val, 4), combinations, 3)
    scores = [row["value"] for row in folder.rows() if row["metric"] == "accuracy"]
    assert scores == accuracy(found.confusion).tolist()
    # The best epoch is the first with the highest measured average.
    averages = [(e, v) for e, name, v in metrics_of(folder.metrics) if name == "val_average"]
    best = max(averages, key=lambda pair: (pair[1], -pair[0]))
    assert folder.read_facts()["best_epoch"] == best[0]
    assert math.isclose(sum(scores) / 7, best[1])
    # Agreement of the hard set with the same number of worst combinations.
    hard = {j for j in range(8) if method.hard_set()[j]}
    worst = sorted(range(1, 8), key=lambda j: (scores[j - 1], j))[: len(hard)]
    [share] = [row["value"] for row in folder.rows() if row["metric"] == "hard_agreement"]
    assert hard
    assert share == len(hard & set(worst)) / len(hard)


def test_the_last_weights_may_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Checkpoints, "clear", lambda _, **__: None)
    fit_run(settings_in(tmp_path, "--select", "last", "--ema", "0", epochs=2), tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    assert folder.read_facts()["best_epoch"] == 1
    state = torch.load(folder.checkpoints / "epoch-00001.ckpt", weights_only=True)["state_dict"]
    settings = settings_in(tmp_path)
    method = settings.method.build(settings.data.load(0).train.task)
    load_weights(method, folder.weights)
    for name, value in method.state_dict().items():
        assert torch.equal(value, state[f"method.{name}"]), name


class Counted(nn.Module):
    """An encoder that counts the rows of each call."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.rows: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.rows.append(len(x))
        return self.encoder(x)


@pytest.mark.parametrize("encodes", ["mask", "present"])
def test_encoders_run_once_per_step_on_the_rows_they_need(tmp_path: Path, encodes: str) -> None:
    settings = settings_in(tmp_path, "--method.encodes", encodes, "--ema", "0", epochs=2)
    methods: list[Method] = []

    def count(splits: object, method: Method, training: object) -> None:
        method.encoders = nn.ModuleList(Counted(encoder) for encoder in method.encoders)
        methods.append(method)

    # The weights that are kept have the counters in their names, so the run ends with its epochs.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "write_final_scores", lambda *_: None)
        fit_run(settings, tmp_path / "run", started=count)
    data = settings.data.load(0).train
    loader = TrainLoader(data, 13, 0, Warmup(Uniform(), 0), "mask")
    expected: list[list[int]] = [[], [], []]
    for epoch in range(2):
        loader.set_epoch(epoch)
        for batch in loader:
            table = batch.mask if encodes == "mask" else batch.present
            for k in range(3):
                expected[k].append(int(table[:, k].sum()))
    assert len(expected[0]) == 8
    assert [encoder.rows for encoder in methods[0].encoders] == expected


def test_a_finished_run_is_left_alone(whole: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (whole / "run").rglob("*")}
    called: list[object] = []
    same = settings_in(whole, "--threads", "1")
    assert not fit_run(same, whole / "run", called.append, lambda *_: called.append(_))
    assert {p: p.stat().st_mtime_ns for p in (whole / "run").rglob("*")} == before
    assert called == []


def test_other_settings_in_the_same_folder_are_refused(whole: Path) -> None:
    before = result_of(whole / "run")
    for flags, changed in [
        (("--lr", "0.01"), r"lr \(there 0.05, now 0.01\)"),
        (("--seed", "1"), r"seed \(there 0, now 1\)"),
        (("--method.beta", "2"), r"method.beta \(there 0.5, now 2.0\)"),
    ]:
        with pytest.raises(ValueError, match=f"other settings: {changed}; choose another folder"):
            fit_run(settings_in(whole, *flags), whole / "run")
    with pytest.raises(ValueError, match=r"method\.name"):
        fit_run(settings_in(whole, method="sf-md"), whole / "run")
    assert result_of(whole / "run") == before


def test_many_pairs_are_selected_by_a_fixed_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit_run(settings_in(tmp_path, "--select-budget", "40", epochs=2), tmp_path / "one")
    fit_run(settings_in(tmp_path, "--select-budget", "40", epochs=2), tmp_path / "two")
    fit_run(settings_in(tmp_path, epochs=2), tmp_path / "all")
    one, two, of_all = (result_of(tmp_path / run) for run in ("one", "two", "all"))
    assert one == two

    def averages(result: dict[str, object]) -> list[float]:
        return [value for _, name, value in result["metrics"] if name == "val_average"]

    assert averages(one) != averages(of_all)
    losses = [[v for _, n, v in r["metrics"] if n == "loss"] for r in (one, of_all)]
    assert losses[0] == losses[1], "selection changed the training"


def test_half_precision_runs_and_stays_near_full(tmp_path: Path) -> None:
    # Clipped at the default of 1; with the other optimizer it is below.
    for run, flags in {"full": (), "half": ("--precision", "bf16")}.items():
        fit_run(settings_in(tmp_path, *flags, epochs=2), tmp_path / run)

    def losses(run: str) -> list[float]:
        return [v for _, n, v in metrics_of(tmp_path / run / "metrics.csv") if n == "loss"]

    assert losses("half") != losses("full")
    assert losses("half") == pytest.approx(losses("full"), rel=0.05)
    weights = RunFolder(tmp_path / "half").weights
    settings = settings_in(tmp_path)
    method = settings.method.build(settings.data.load(0).train.task)
    load_weights(method, weights)
    assert {p.dtype for p in method.parameters()} == {torch.float32}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_fused_with_clipping_in_bf16_computes_what_unfused_does(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"sgd": "0.05", "adamw": "0.003"}
    flags = ("--precision", "bf16", "--optimizer", optimizer, "--lr", rates[optimizer])
    seen: list[tuple[bool, float]] = []
    cut: list[bool] = []
    clip, build = Trainee.configure_gradient_clipping, trainee.build_optimizer

    def looked(self: Trainee, optimizer: torch.optim.Optimizer, *of: float, **by: float) -> None:
        def norm() -> float:
            squares = [p.grad.square().sum() for p in self.trained if p.grad is not None]
            return float(torch.stack(squares).sum().sqrt())

        before = norm()
        clip(self, optimizer, *of, **by)
        cut.append(before > 1.01)
        seen.append((all(g["fused"] for g in optimizer.param_groups), norm()))

    def plain(*of: object) -> torch.optim.Optimizer:
        built = build(*of)
        for group in built.param_groups:
            group["fused"] = False
        return built

    monkeypatch.setattr(Trainee, "configure_gradient_clipping", looked)
    fit_run(settings_in(tmp_path, *flags, epochs=2), tmp_path / "fused")
    monkeypatch.setattr(trainee, "build_optimizer", plain)
    fit_run(settings_in(tmp_path, *flags, epochs=2), tmp_path / "unfused")
    half = len(seen) // 2
    assert [fused for fused, _ in seen] == [True] * half + [False] * half
    # The default bound of 1 was reached and kept.
    assert any(cut[:half])
    assert max(norm for _, norm in seen) <= 1.001
    losses = [
        [v for _, name, v in metrics_of(tmp_path / run / "metrics.csv") if name == "loss"]
        for run in ("fused", "unfused")
    ]
    assert len(losses[0]) == 2
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_kernels_are_channels_last_while_a_run_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels of one channel have both layouts at once, so they are left out."""
    stood: list[bool] = []
    end = Trainee.on_train_batch_end

    def look(self: Trainee, *of: object) -> None:
        end(self, *of)
        kernels = [
            layer.weight
            for layer in self.method.modules()
            if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1)
        ]
        telling = [weight for weight in kernels if weight.shape[1] > 1]
        assert telling
        stood.extend(channels_last(weight) for weight in telling)

    monkeypatch.setattr(Trainee, "on_train_batch_end", look)
    fit_run(settings_in(tmp_path, epochs=1), tmp_path / "run")
    assert stood
    assert all(stood)


def test_ctrl_c_is_raised_and_the_run_can_go_on(whole: Path, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.epoch == 3:
            raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit_run(settings_in(whole), tmp_path / "stopped", stop)
    assert signal.getsignal(signal.SIGINT) is handler
    assert not RunFolder(tmp_path / "stopped").read_facts()["finished"]
    fit_run(settings_in(whole), tmp_path / "stopped")
    assert result_of(tmp_path / "stopped") == result_of(whole / "run")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot train on accelerator gpu with devices 1"):
        fit_run(settings_in(tmp_path, "--accelerator", "gpu"), tmp_path / "run")


def test_agreement_needs_every_combination() -> None:
    class Mined:
        def hard_set(self) -> Tensor:
            return torch.tensor([False, True, False, True, False, False, False, False])

    combinations = all_combinations(3)
    values = torch.tensor([0.1, 0.9, 0.8, 0.2, 0.9, 0.9, math.nan], dtype=torch.float64)
    assert hard_agreement(Mined(), combinations, values) == 0.5
    assert hard_agreement(Mined(), combinations[1:], values[1:]) is None
    # In another order the accuracies go with their combinations.
    turned = combinations.flip(0)
    assert index_of(turned).tolist() == list(range(7, 0, -1))
    assert hard_agreement(Mined(), turned, values.flip(0)) == 0.5


def test_rates_are_counted_before_training(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, "--sampler", "bernoulli", "--rates", "[0.5, 0.5]")
    with pytest.raises(ValueError, match="a rate for each of wave, face, age, got 2"):
        fit_run(settings, tmp_path / "run")


@pytest.mark.parametrize(
    ("method", "clip"), [("sf-md", "0.5"), ("unimodal", "0.5"), ("sf-md", "0")]
)
def test_gradients_are_clipped_together_or_by_group(
    method: str, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[list[float]] = []

    def large(self: Method, step: object) -> None:
        for parameter in self.parameters():
            assert parameter.grad is not None
            parameter.grad.fill_(3.0)

    end = Trainee.on_train_batch_end

    def look(self: Trainee, *of: object) -> None:
        end(self, *of)
        parts = self.method.clip_groups() or [self.method]
        squares = [[p.grad.square().sum() for p in part.parameters()] for part in parts]
        norms.append([float(torch.stack(some).sum().sqrt()) for some in squares])

    monkeypatch.setattr(Method, "on_gradients", large)
    monkeypatch.setattr(Trainee, "on_train_batch_end", look)
    flags = ("--clip", clip, "--ema", "0", "--lr", "0.001")
    fit_run(settings_in(tmp_path, *flags, method=method, epochs=1), tmp_path / "run")
    assert {len(of) for of in norms} == {3 if method == "unimodal" else 1}
    for norm in (norm for of in norms for norm in of):
        if clip == "0.5":
            assert norm == pytest.approx(0.5, rel=1e-4)
        else:
            assert norm > 10


def test_naming_a_hook_does_not_search_for_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning names the hook before and after each call, about fifty times a step."""
    named: list[str] = []
    slow, hook = nn.Module.__setattr__, Trainee.training_step

    def counted(self: nn.Module, name: str, value: object) -> None:
        named.append(name)
        slow(self, name, value)

    def step(self: Trainee, batch: object, batch_idx: int) -> Tensor:
        assert self._current_fx_name == "training_step"
        return hook(self, batch, batch_idx)

    monkeypatch.setattr(nn.Module, "__setattr__", counted)
    monkeypatch.setattr(Trainee, "training_step", step)
    fit_run(settings_in(tmp_path, epochs=2), tmp_path / "run")
    assert "last_step" in named
    assert "_current_fx_name" not in named
