"""mmFormer: masks, recipes and regulariser."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from dmrnet.methods import build_method, method
from dmrnet.methods.probes import modality_maps
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network

TASK = Task(tuple(Modality(n, "image", (1, 8, 8)) for n in "abc"), ("x", "y", "z"))


def built(**changes):
    torch.manual_seed(0)
    return build_method("mmformer", TASK, network=Network(width=8), **changes)


def batch_of(mask: torch.Tensor) -> Batch:
    draw = torch.Generator().manual_seed(0)
    rows = len(mask)
    inputs = {m.name: torch.randn(rows, *m.shape, generator=draw) for m in TASK.inputs}
    batch = Batch(inputs, torch.ones_like(mask), torch.arange(rows) % 3, torch.arange(rows))
    return batch.masked(mask, mask, TASK.modalities)


def test_hidden_maps_as_released_reach_the_norm_and_the_tokens() -> None:
    """A hidden modality's tokens are what norm, convolution, position and layer make of zeros."""
    model = built(hides="maps", embed=16)
    fusion = model.fusion
    with torch.no_grad():
        for intra in fusion.intra:
            intra.position.normal_()
    mask = all_combinations(3)
    feats = {n: torch.randn(7, 8, *fusion.grid) for n in "abc"}
    before = {k: b.clone() for k, b in fusion.intra[1].named_buffers()}
    tokens = fusion.tokens(feats, mask)
    zeroed = torch.where(mask[:, 1, None, None, None], feats["b"], 0.0)
    norm = fusion.intra[1].embed[0]
    mean, var = zeroed.mean((0, 2, 3)), zeroed.var((0, 2, 3), unbiased=True)
    torch.testing.assert_close(norm.running_mean, 0.9 * before["embed.0.running_mean"] + 0.1 * mean)
    torch.testing.assert_close(norm.running_var, 0.9 * before["embed.0.running_var"] + 0.1 * var)
    model.eval()
    tokens = fusion.tokens(feats, mask)
    positions = fusion.grid[0] * fusion.grid[1]
    intra = fusion.intra[1]
    plain = (zeroed - norm.running_mean[:, None, None]) / (
        norm.running_var[:, None, None] + norm.eps
    ).sqrt()
    plain = nn.functional.leaky_relu(plain, 0.01)
    plain = nn.functional.conv2d(plain, intra.embed[2].weight, intra.embed[2].bias, padding=1)
    plain = intra.block(plain.flatten(2).transpose(1, 2) + intra.position)
    torch.testing.assert_close(tokens[:, positions : 2 * positions], plain, atol=1e-5, rtol=1e-4)
    assert tokens[~mask[:, 1], positions : 2 * positions].abs().amax((1, 2)).min() > 0.1
    # The regulariser still reads the encoders' maps of what is shown.
    assert model.train().training_loss(batch_of(mask)).parts["each_shown"] > 0


def test_recipes_are_what_they_say() -> None:
    assert built().fusion.restore == "sequence"
    chosen = {}
    for recipe in ("best", "paper", "released", "released-seg"):
        settings = method("mmformer").recipe(recipe)
        where = (settings.restore, settings.hides, settings.each_over)
        chosen[recipe] = (*where, settings.position_dropout, settings.embedding, settings.gelu)
    assert chosen == {
        "best": (None, "tokens", "visible", 0.0, "block", "exact"),
        "paper": ("position", "tokens", "present", 0.0, "conv", "exact"),
        "released": (None, "maps", "present", 0.1, "block", "tanh"),
        "released-seg": ("packed", "tokens", "present", 0.0, "conv", "exact"),
    }
    assert built(position_dropout=0.3).fusion.dropout.p == 0.3
    assert built().fusion.restore == "sequence"


def test_modalities_attend_to_each_other() -> None:
    """With the attention between modalities switched off the prediction differs."""
    model = built().eval()
    inputs = {n: torch.randn(2, 1, 8, 8) for n in "abc"}
    mask = torch.ones(2, 3, dtype=torch.bool)
    before = model(inputs, mask)
    with torch.no_grad():
        model.fusion.block.attention.out.weight.zero_()
    assert not torch.isclose(model(inputs, mask), before).all(1).any()


@pytest.mark.parametrize("over", ["visible", "present"])
def test_the_regulariser_covers_visible_or_present_modalities(over: str) -> None:
    model = built(embed=16, each_over=over, encodes="present")
    mask = all_combinations(3)
    present = mask | torch.tensor([True, False, True])
    plain = batch_of(mask)
    loss = model.training_loss(replace(plain, present=present).masked(mask, present, "abc"))
    counted = mask if over == "visible" else present
    term = next(t for t in model.objective.terms if t.name == "each_shown")
    total = 0.0
    for v, n in enumerate("abc"):
        own = loss.step.feats[n][:, 16:]
        assert own.shape[1] == 8
        logits = term.classifier(own.mean((2, 3))).tolist()
        for i, row in enumerate(logits):
            if counted[i, v]:
                y = int(loss.step.batch.target[i])
                total += math.log(sum(math.exp(x) for x in row)) - row[y]
    assert loss.parts["each_shown"].item() == pytest.approx(total / len(mask), rel=1e-5)
    torch.testing.assert_close(loss.total, loss.step.task.mean + loss.parts["each_shown"])


def test_evaluation_keeps_tokens_only() -> None:
    model = built(embed=16).eval()
    batch = batch_of(torch.ones(4, 3, dtype=torch.bool))
    feats = model.cached(batch.inputs, batch.where).feats
    assert all(f.shape[1] == 16 for f in feats.values())
    torch.testing.assert_close(model.logits(feats, batch.mask), model(batch.inputs, batch.mask))


def test_surf_has_the_size_of_the_adaptation() -> None:
    """25.5 million parameters on CASIA-SURF, as counted from its code."""
    task = Task(tuple(Modality(n, "image", (3, 112, 112)) for n in "rdi"), ("a", "b"))
    model = build_method("mmformer", task, "released", network=Network(family="surf"))
    assert model.fusion.grid == (14, 14)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 25.5


def test_mistakes_raise() -> None:
    with pytest.raises(ValueError, match="heads that divide the 8 channels of a token, got 3"):
        built(heads=3)
    with pytest.raises(ValueError, match="hides as tokens or maps, got 'inputs'"):
        built(hides="inputs")
    for setting, of in (("each_over", "visible or present"), ("embedding", "block or conv"),
                        ("gelu", "exact or tanh")):  # fmt: skip
        with pytest.raises(ValueError, match=f"{setting} as {of}, got 'all'"):
            built(**{setting: "all"})
    with pytest.raises(ValueError, match=r"the term each_shown reads .* set encodes to present"):
        built(each_over="present")
    with pytest.raises(ValueError, match="restore as sequence, position or packed, got 'row'"):
        built(restore="row")
    with pytest.raises(ValueError, match="embed and ratio of 1 or more, got 0 and 8"):
        built(embed=0)


@pytest.mark.parametrize("recipe", ["best", "released"])
def test_what_analyses_look_at_are_the_encoders_maps(recipe: str) -> None:
    torch.manual_seed(0)
    model = build_method("mmformer", TASK, recipe, network=Network(width=8), embed=16).eval()
    batch = batch_of(all_combinations(3))
    everywhere = dict.fromkeys("abc")
    maps = modality_maps(model, batch.inputs, everywhere)
    for v, name in enumerate("abc"):
        encoder = model.encoders[v]
        plain = encoder if recipe == "released" else encoder.encoder
        torch.testing.assert_close(maps[name], plain(batch.inputs[name]))
