"""experts against its equations in plain loops, for classes and for every pixel."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from tests.methods.test_pixels import WEIGHTS, weighed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.weights import load_weights
from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.methods.modules import experts
from dmrnet.methods.modules.experts import draw_combinations
from dmrnet.methods.probes import embedding
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.settings.config import parse_run

TASK = Task(tuple(Modality(f"m.{k}", "vector", (k + 2,)) for k in range(3)), ("x", "y", "z", "w"))
PRESENT = torch.tensor([[1, 1, 1], [1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 1, 1]]).bool()
MASK = torch.tensor([[1, 1, 1], [0, 1, 0], [1, 0, 1], [0, 1, 0], [1, 0, 1], [0, 1, 1]]).bool()


def built(task: Task = TASK, **changes: Any) -> Method:
    """Return a method whose norms are fixed and whose numbers are none that hide an error."""
    torch.manual_seed(0)
    fuses = changes.get("fuses", "residual")
    changes = {
        "network": Network(width=5),
        "fuses": fuses,
        "pooling": "logits",
        "share": 1.0,
    } | changes
    model = build_method("experts", task, **changes).double()
    for name, parameter in model.named_parameters():
        if "scale" in name or parameter.dim() == 1:
            nn.init.uniform_(parameter, 0.5, 1.5)
    for part in model.modules():
        if isinstance(part, _BatchNorm):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2.0)
            part.eval()
    return model


def batch_of(task: Task, present: Tensor, mask: Tensor, encodes: str = "present") -> Batch:
    draw = torch.Generator().manual_seed(1)
    inputs = {m.name: torch.randn(len(mask), *m.shape, generator=draw) for m in task.inputs}
    for v, m in enumerate(task.inputs):
        inputs[m.name][~present[:, v]] = torch.nan
    size = task.inputs[0].shape[1:] if task.dense else ()
    target = torch.randint(-len(size) // 2, len(task.classes), (len(mask), *size), generator=draw)
    doubles = {name: x.double() for name, x in inputs.items()}
    batch = Batch(doubles, present, target, torch.arange(len(mask)))
    return batch.masked(mask, mask if encodes == "mask" else present, task.modalities)


def block(x: Tensor, linear: nn.Module, norm: nn.Module) -> Tensor:
    """Linear layer without bias, batch norm by its running statistics, ReLU; of one vector."""
    y = linear.weight.flatten(1) @ x
    y = (y - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
    return y.clamp(min=0)


def cross_entropy(logits: Tensor, target: int, smoothing: float) -> Tensor:
    log_p = logits - logits.exp().sum().log()
    total = -(1 - smoothing) * log_p[target]
    for m in range(len(logits)):
        total = total - smoothing / len(logits) * log_p[m]
    return total


def pool(model: Method, settings: dict[str, Any], logits: list[Tensor], shown: list[int]) -> Tensor:
    """a_|S| times the pooled logits of the experts in S, by their equations."""
    n = len(shown)
    pooled = sum(logits) / n
    if settings["pooling"] == "probabilities":
        pooled = (sum(u.exp() / u.exp().sum() for u in logits) / n).log()
    if settings["fuses"] == "network":
        return pooled / 2
    return pooled if n == 1 else model.fusion.pool.scale[n - 1] * pooled


def slow(model: Method, batch: Batch, settings: dict[str, Any]) -> tuple[Any, ...]:
    """Return z_S of every sample, the mean loss of z_S and the mean of the experts' losses.

    In training z_S of a fused network is its own prediction.
    """
    fuses, share = settings["fuses"], settings["share"]
    outputs, fused_loss, expert_loss = [], torch.tensor(0.0), torch.tensor(0.0)
    for i in range(len(batch)):
        maps, logits = {}, {}
        y = int(batch.target[i])
        for v, name in enumerate(model.modalities):
            encoded = batch.mask if settings.get("encodes") == "mask" else batch.present
            if not encoded[i, v]:
                continue
            expert = model.encoders[v]
            maps[v] = block(batch.inputs[name][i], *expert.encoder.layers[:2])
            read = share * maps[v] + (1 - share) * maps[v].detach()
            own = block(read, *expert.head.trunk[:2])
            classify = expert.head.predictor.linear
            logits[v] = classify.weight @ own + classify.bias
            expert_loss = expert_loss + cross_entropy(logits[v], y, model.smoothing)
        shown = [v for v in range(3) if batch.mask[i, v]]
        z = torch.zeros(4, dtype=torch.float64)
        if fuses != "network" or not model.training:
            z = pool(model, settings, [logits[v].detach() for v in shown], shown)
        if fuses == "network" or (len(shown) > 1 and fuses == "residual"):
            hidden = torch.zeros(5, dtype=torch.float64)
            read = maps if fuses == "network" else {v: f.detach() for v, f in maps.items()}
            joined = torch.cat([read[v] if v in shown else hidden for v in range(3)])
            classify = model.predictor.linear
            fused = block(joined, *model.fusion.fusion.trunk[:2])
            half = 0.5 if fuses == "network" and not model.training else 1.0
            z = z + half * (classify.weight @ fused + classify.bias)
        outputs.append(z)
        fused_loss = fused_loss + cross_entropy(z, y, model.smoothing)
    return torch.stack(outputs), fused_loss / len(batch), expert_loss / len(batch)


SETTINGS: list[dict[str, Any]] = [
    {"pooling": "logits", "fuses": "residual", "share": 1.0},
    {"pooling": "probabilities", "fuses": "residual", "share": 1.0},
    {"pooling": "weights", "fuses": "residual", "share": 1.0},
    {"pooling": "logits", "fuses": "none", "share": 1.0},
    {"pooling": "logits", "fuses": "network", "share": 0.0},
    {"pooling": "weights", "fuses": "network", "share": 0.1},
    {"pooling": "weights", "fuses": "network", "share": 0.5, "encodes": "mask"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_outputs_losses_and_gradients_are_those_of_the_equations(settings: dict[str, Any]) -> None:
    model = built(smoothing=0.1, **settings)
    batch = batch_of(TASK, PRESENT, MASK, model.encodes)
    loss = model.training_loss(batch)
    loss.total.backward()
    outputs, fused, own = slow(model, batch, settings)
    torch.testing.assert_close(loss.step.out.logits, outputs)
    assert float(loss.parts["task"]) == pytest.approx(fused.item(), rel=1e-6)
    assert float(loss.parts["experts"]) == pytest.approx(own.item(), rel=1e-6)
    named = dict(model.named_parameters())
    wanted = torch.autograd.grad(fused + own, list(named.values()), allow_unused=True)
    for (name, parameter), gradient in zip(named.items(), wanted, strict=True):
        expected = torch.zeros_like(parameter) if gradient is None else gradient
        assert parameter.grad is not None, name
        torch.testing.assert_close(parameter.grad, expected, msg=name)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_every_combination_is_that_of_the_equation_from_one_encoding(
    settings: dict[str, Any],
) -> None:
    model = built(**settings).eval()
    masks = all_combinations(3)
    batch = batch_of(TASK, torch.ones(7, 3).bool(), masks)
    outputs, *_ = slow(model, batch, settings)
    cached = model.cached(batch.inputs, dict.fromkeys(model.modalities))
    with torch.no_grad():
        found = model.logits(cached.select(torch.arange(7), masks), masks)
    torch.testing.assert_close(found, outputs.detach())


def test_weights_are_fitted_on_validation_for_each_number_of_modalities() -> None:
    model = built(pooling="weights").eval()
    masks = all_combinations(3)
    # Samples without a modality, and pairs of which two are drawn.
    present = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 1, 0], [0, 1, 0]]).bool().repeat(20, 1)
    validation = batch_of(TASK, present, present)
    before = {name: p.clone() for name, p in model.named_parameters()}
    model.fit_on_validation([validation])
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    pool, batch = model.fusion.pool, batch_of(TASK, torch.ones(7, 3).bool(), masks)
    assert pool.fitted.tolist() == [False, True, True]
    assert bool((pool.expert_weights >= 0).all())
    weights = [*pool.expert_weights[1].tolist(), float(pool.fused_weights[1])]
    with torch.no_grad():
        found = model(batch.inputs, masks)
        cached = model.cached(batch.inputs, dict.fromkeys(model.modalities))
        columns = model.columns(cached.select(torch.arange(7), masks), masks)
    for i, mask in enumerate(masks.tolist()):
        if sum(mask) == 1:
            torch.testing.assert_close(found[i], columns[i, mask.index(True)])
        if sum(mask) == 2:
            wanted = sum(w * x for w, x in zip(weights, columns[i], strict=True))
            torch.testing.assert_close(found[i], wanted)
    # The fit is at least as good as equal weights on what it was fitted to.
    three = validation.present.all(1)
    rows = {n: x[three] for n, x in validation.inputs.items()}
    fitted, plain = model(rows, present[three]), None
    pool.fitted[:] = False
    plain = model(rows, present[three])
    losses = [nn.functional.cross_entropy(z, validation.target[three]) for z in (fitted, plain)]
    assert losses[0] < losses[1]


def test_a_run_keeps_the_weights_that_fit_its_validation(tmp_path: Path) -> None:
    data = ["--data", "mfeat", "--data.train", "0.06", "--data.val", "0.03"]
    quick = ["--max-epochs", "1", "--threads", "1", "--accelerator", "cpu"]
    small = ["--data.modalities", "fou,pix,mor", "--method.network.width", "8"]
    assert fit_run(parse_run([*data, *quick, *small, "--method", "experts"]), tmp_path / "run")
    run = open_run(tmp_path / "run")
    pool = run.method.fusion.pool
    assert bool(pool.fitted.all())
    kept = pool.expert_weights.clone()
    validation = run.samples("val")
    order = torch.randperm(len(validation), generator=torch.Generator().manual_seed(0))
    batch = validation.take(order)
    run.method.fit_on_validation([batch.masked(*2 * (batch.present,), run.task.modalities)])
    torch.testing.assert_close(pool.expert_weights, kept, rtol=1e-4, atol=1e-4)


def test_weights_are_fitted_to_no_more_samples_than_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = built(pooling="weights").eval()
    read: list[int] = []
    monkeypatch.setattr(experts, "MOST_NUMBERS", 4 * 4 * 10)
    monkeypatch.setattr(
        experts, "fit_weights", lambda columns, *_, **__: read.append(len(columns)) or torch.ones(4)
    )
    batch = batch_of(TASK, PRESENT, PRESENT)
    model.fit_on_validation(iter([batch] * 50))
    # Of five samples with two modalities three combinations each, of three samples all.
    assert read == [15, 12]


def test_one_number_of_modalities_is_drawn_from_those_present() -> None:
    present = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [0, 1, 0, 1]]).bool().repeat(300, 1)
    rows, mask = draw_combinations(present, 2, torch.Generator().manual_seed(0))
    assert rows.tolist() == [i for i in range(900) if i % 3 != 1]
    assert bool((mask.sum(1) == 2).all())
    assert not bool((mask & ~present[rows]).any())
    counts = mask[rows % 3 == 0].sum(0).tolist()
    assert counts[3] == 0
    assert all(abs(count - 200) < 40 for count in counts[:3])


def test_experts_learn_alike_whatever_the_mask_shows() -> None:
    model = built()
    gradients = []
    for mask in (MASK, PRESENT):
        model.zero_grad()
        model.training_loss(batch_of(TASK, PRESENT, mask)).total.backward()
        gradients.append([p.grad.clone() for p in model.encoders.parameters()])
    assert all(map(torch.equal, *gradients))


@pytest.mark.parametrize("fuses", ["residual", "network"])
def test_every_parameter_is_clipped_once(fuses: str) -> None:
    model = built(distribution="map", mutual=1.0, fuses=fuses)
    groups = model.clip_groups()
    own = model.encoders if fuses == "residual" else (expert.head for expert in model.encoders)
    assert groups[:3] == tuple(own)
    clipped = [id(p) for group in groups for p in group.parameters()]
    assert sorted(clipped) == sorted(id(p) for p in model.parameters())


ROOMS = Task(
    (Modality("rgb", "image", (3, 32, 64)), Modality("depth", "image", (1, 32, 64))),
    ("wall", "floor", "bed"),
    dense=True,
    class_weights=WEIGHTS,
)


@pytest.mark.parametrize("family", ["generic", "esanet"])
def test_pixels_of_experts_and_of_their_sum(family: str) -> None:
    small = {"generic": Network(width=16), "esanet": Network(family="esanet", stem=8, layout="r18")}
    model = built(ROOMS, network=small[family])
    present = torch.tensor([[1, 1], [1, 1], [0, 1]]).bool()
    mask = torch.tensor([[1, 1], [1, 0], [0, 1]]).bool()
    batch = batch_of(ROOMS, present, mask)
    loss = model.training_loss(batch)
    expected, logits = 0.0, {}
    for v, (name, expert) in enumerate(zip(ROOMS.modalities, model.encoders, strict=True)):
        x = batch.inputs[name].nan_to_num()
        maps = list(expert.encoder.encode(name, x).values())
        out = expert.head([maps[level] for level in expert.reads])
        logits[v] = out.logits
        for scale in (out.logits, *out.side):
            sums, total = weighed(scale, batch.target)
            expected += math.fsum(sums[i] for i in range(3) if present[i, v]) / total
    assert float(loss.parts["experts"]) == pytest.approx(expected, rel=1e-5)
    found = loss.step.out
    torch.testing.assert_close(found.logits[1], logits[0][1])
    torch.testing.assert_close(found.logits[2], logits[1][2])
    residual = model.predictor(loss.step.rep.value, loss.step.fused.skips)
    mean = model.fusion.pool.scale[1] * (logits[0][0] + logits[1][0]) / 2
    torch.testing.assert_close(found.logits[0], mean + residual.logits[0])
    assert len(found.side) == (3 if family == "esanet" else 0)
    fused = 0.0
    for scale in (found.logits, *found.side):
        sums, total = weighed(scale, batch.target)
        fused += math.fsum(sums) / total
    assert float(loss.parts["task"]) == pytest.approx(fused, rel=1e-5)
    for side, of_residual in zip(found.side, residual.side, strict=True):
        size = 64 // side.shape[3]
        blocks = found.logits.new_tensor(
            [
                [
                    [float(p[y : y + size, x : x + size].mean()) for x in range(0, 64, size)]
                    for y in range(0, 32, size)
                ]
                for p in mean.detach()
            ]
        )
        torch.testing.assert_close(side[0], blocks + of_residual[0])


def test_weights_with_the_names_of_earlier_versions_are_read(tmp_path: Path) -> None:
    model, other = built(pooling="weights"), built(pooling="weights")
    old = {"fusion.pool.residual_weights": model.fusion.pool.fused_weights}
    old |= {f"fusion.residual.{n}": x for n, x in model.fusion.fusion.state_dict().items()}
    old |= {f"predictor.predictor.{n}": x for n, x in model.predictor.state_dict().items()}
    kept = ("encoders.", "fusion.pool.expert", "fusion.pool.fitted", "fusion.pool.scale")
    rest = ("representation.", "objective.", "statistics.")
    old |= {n: x for n, x in model.state_dict().items() if n.startswith((*kept, *rest))}
    for number, parameter in enumerate(other.parameters()):
        nn.init.constant_(parameter, float(number))
    (tmp_path / "weights").write_bytes(save({n: x.contiguous() for n, x in old.items()}))
    load_weights(other, tmp_path / "weights")
    assert all(map(torch.equal, model.state_dict().values(), other.state_dict().values()))
    # A checkpoint holds the method as a part.
    whole = nn.ModuleDict({"method": built(pooling="weights")})
    whole.load_state_dict({f"method.{n}": x for n, x in old.items()})
    assert all(map(torch.equal, model.state_dict().values(), whole.state_dict().values()))


def test_mistakes_raise() -> None:
    for changes, message in (
        ({"pooling": "votes"}, "pooling as logits, probabilities or weights, got 'votes'"),
        ({"fuses": "x"}, "fuses as residual, network or none, got 'x'"),
        ({"share": 1.5}, "share from 0 to 1, got 1.5"),
        ({"distribution": "x"}, "map, vector, attention, got 'x'"),
        (
            {"distribution": "map", "fuses": "none", "share": 1.0},
            "there is no fused part for a Gaussian",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            build_method("experts", TASK, **changes)
    with pytest.raises(ValueError, match="expected distribution as map, since every pixel"):
        build_method("experts", ROOMS, distribution="vector")
    model = built()
    with pytest.raises(ValueError, match="no embedding of a combination"):
        embedding(model, {}, MASK)
