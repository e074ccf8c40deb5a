"""mmFormer's attention, token order and regulariser, against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dmrnet.methods import build_method, method
from dmrnet.methods.probes import modality_maps
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.nn.layers.transformer import Attention, TransformerBlock
from dmrnet.nn.systems.mmformer import InterFusion, TransformerOptions

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


def times(weight: list[list[float]], x: list[float]) -> list[float]:
    return [sum(w * a for w, a in zip(row, x, strict=True)) for row in weight]


def slow_attention(module: Attention, tokens: list[list[float]], shown: list[bool]) -> list:
    d = len(tokens[0])
    size = d // module.heads
    qkv = [times(module.qkv.weight.tolist(), token) for token in tokens]
    out = []
    for t in range(len(tokens)):
        mixed: list[float] = []
        for head in range(module.heads):
            part = slice(head * size, (head + 1) * size)
            q = qkv[t][:d][part]
            keys = [u for u in range(len(tokens)) if shown[u]]
            score = {
                u: math.exp(
                    sum(a * b for a, b in zip(q, qkv[u][d : 2 * d][part], strict=True))
                    / math.sqrt(size)
                )
                for u in keys
            }
            total = sum(score.values())
            values = [qkv[u][2 * d :][part] for u in keys]
            mixed += [
                sum(score[u] / total * v[c] for u, v in zip(keys, values, strict=True))
                for c in range(size)
            ]
        bias = module.out.bias.tolist()
        out.append(
            [a + b for a, b in zip(times(module.out.weight.tolist(), mixed), bias, strict=True)]
        )
    return out


@pytest.mark.parametrize("hidden", [False, True])
def test_attention_is_its_equation_with_and_without_a_mask(hidden: bool) -> None:
    torch.manual_seed(0)
    module = Attention(6, 2, 0.5).double().eval()
    tokens = torch.randn(2, 5, 6, dtype=torch.float64)
    shown = torch.tensor([[1, 1, 0, 0, 1], [0, 1, 1, 1, 1]]).bool()
    got = module(tokens, shown if hidden else None)
    for n in range(2):
        seen = shown[n].tolist() if hidden else [True] * 5
        expected = slow_attention(module, tokens[n].tolist(), seen)
        torch.testing.assert_close(got[n], torch.tensor(expected, dtype=torch.float64))


def test_a_layer_is_norm_attention_norm_network_each_added() -> None:
    block = TransformerBlock(8, 2, 3, 0.3).eval()
    x = torch.randn(2, 4, 8)
    y = x + block.attention(nn.functional.layer_norm(x, (8,)))
    hidden = nn.functional.layer_norm(y, (8,)) @ block.mlp[0].weight.T + block.mlp[0].bias
    inner = math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)
    expected = (
        y + (hidden / 2 * (1 + torch.tanh(inner))) @ block.mlp[3].weight.T + block.mlp[3].bias
    )
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)
    assert block.mlp[0].out_features == 24


def test_tokens_stand_by_modality_then_row_then_column() -> None:
    fusion = InterFusion("ab", 4, (2, 3), TransformerOptions(2, 2, 0.0))
    maps = {n: torch.randn(1, 7, 2, 3) for n in "ab"}  # three channels behind the tokens'
    tokens = fusion.tokens(maps, torch.tensor([[True, True]]))
    for v, name in enumerate("ab"):
        for y in range(2):
            for x in range(3):
                token = tokens[0, v * 6 + y * 3 + x]
                assert torch.equal(token, maps[name][0, :4, y, x])
    hidden = fusion.tokens(maps, torch.tensor([[True, False]]))
    assert torch.equal(hidden[:, :6], tokens[:, :6])
    assert not hidden[:, 6:].any()
    fusion.block = nn.Identity()  # what stands between order in and order out
    fusion.block.forward = lambda tokens, shown: tokens  # type: ignore[method-assign]
    with torch.no_grad():
        fusion.gather.weight.zero_()
        fusion.gather.bias.zero_()
        fusion.gather.weight[4, 6 + 5] = 1.0  # position (1, 1) from position (1, 2) of b
    fused = fusion(maps, torch.tensor([[True, True]])).map
    assert torch.equal(fused[0, :, 1, 1], maps["b"][0, :4, 1, 2])
    assert fused[0].count_nonzero() == 4


@pytest.mark.parametrize("restore", ["position", "packed"])
def test_tokens_become_a_map_by_position_or_as_the_released_code_packs_them(restore: str) -> None:
    """One position of all modalities, or V tokens that follow one another, whatever they are of."""
    v, height, width, d = 3, 2, 3, 4
    fusion = InterFusion(
        "abc",
        d,
        (height, width),
        TransformerOptions(2, 2, 0.0, restore=restore),  # type: ignore[arg-type]
    )
    tokens = torch.randn(2, v * height * width, d)
    got = fusion.regroup(tokens)
    weight, bias = fusion.gather.weight.tolist(), fusion.gather.bias.tolist()
    for n in range(2):
        for q in range(height * width):
            if restore == "position":
                places = [u * height * width + q for u in range(v)]
            else:
                places = [q * v + u for u in range(v)]
            packed = [x for place in places for x in tokens[n, place].tolist()]
            expected = [a + b for a, b in zip(times(weight, packed), bias, strict=True)]
            assert got[n, :, q].tolist() == pytest.approx(expected, abs=1e-5)


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
    plain = nn.functional.leaky_relu(plain, 0.2)
    plain = nn.functional.conv2d(plain, intra.embed[2].weight, intra.embed[2].bias, padding=1)
    plain = intra.block(plain.flatten(2).transpose(1, 2) + intra.position)
    torch.testing.assert_close(tokens[:, positions : 2 * positions], plain, atol=1e-5, rtol=1e-4)
    assert tokens[~mask[:, 1], positions : 2 * positions].abs().amax((1, 2)).min() > 0.1
    # The regulariser still reads the encoders' maps of what is shown.
    assert model.train().training_loss(batch_of(mask)).parts["each_shown"] > 0


def test_recipes_are_what_they_say() -> None:
    chosen = {}
    for recipe in ("best", "paper", "released", "released-seg"):
        settings = method("mmformer").recipe(recipe)
        chosen[recipe] = (settings.restore, settings.hides, settings.position_dropout)
    assert chosen == {
        "best": (None, "tokens", 0.0),
        "paper": ("position", "tokens", 0.1),
        "released": (None, "maps", 0.1),
        "released-seg": ("packed", "tokens", 0.1),
    }
    assert built(position_dropout=0.3).fusion.dropout.p == 0.3
    assert built().fusion.restore == "sequence"


def test_hidden_tokens_take_part_unless_they_are_masked_as_keys() -> None:
    for key_mask in (False, True):
        fusion = InterFusion(
            "ab", 4, (1, 2), TransformerOptions(2, 2, 0.0, key_mask=key_mask)
        ).eval()
        with torch.no_grad():
            fusion.position[:, 2:] = torch.randn(1, 2, 4)
        maps = {n: torch.randn(1, 4, 1, 2) for n in "ab"}
        seen: list[torch.Tensor] = []
        fusion.block.register_forward_hook(lambda *a, seen=seen: seen.append(a[2]))
        mask = torch.tensor([[True, False]])
        fusion(maps, mask)
        with torch.no_grad():
            fusion.position[:, 2:] += torch.randn(1, 2, 4)
        fusion(maps, mask)
        assert torch.allclose(seen[0][:, :2], seen[1][:, :2]) == key_mask


def test_modalities_attend_to_each_other() -> None:
    """With the attention between modalities switched off the prediction differs."""
    model = built().eval()
    inputs = {n: torch.randn(2, 1, 8, 8) for n in "abc"}
    mask = torch.ones(2, 3, dtype=torch.bool)
    before = model(inputs, mask)
    with torch.no_grad():
        model.fusion.block.attention.out.weight.zero_()
    assert not torch.isclose(model(inputs, mask), before).all(1).any()


def test_the_regulariser_is_over_what_is_shown() -> None:
    model = built(embed=16)
    mask = all_combinations(3)
    loss = model.training_loss(batch_of(mask))
    term = next(t for t in model.objective.terms if t.name == "each_shown")
    total = 0.0
    for v, n in enumerate("abc"):
        own = loss.step.feats[n][:, 16:]
        assert own.shape[1] == 8
        logits = term.classifier(own.mean((2, 3))).tolist()
        for i, row in enumerate(logits):
            if mask[i, v]:
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


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match="heads that divide the 8 channels of a token, got 3"):
        built(heads=3)
    with pytest.raises(ValueError, match="hides as tokens or maps, got 'inputs'"):
        built(hides="inputs")
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
