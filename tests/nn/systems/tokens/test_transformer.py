"""The transformer on visible tokens, against loops over nothing but the visible ones."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from tests.nn.systems.slow_tokens import doubled, norm, plus, slow_block, slow_projected

from dmrnet.modalities import all_combinations
from dmrnet.nn.systems.tokens.tokens import LevelTokens, TokenFusion
from dmrnet.nn.systems.tokens.transformer import ClassTokenTransformer

SHAPES = {"a": (3, 2, 2), "b": (2, 1, 5), "c": (4, 1, 1)}


def mixer(layers: int) -> partial[ClassTokenTransformer]:
    return partial(ClassTokenTransformer, layers=layers, heads=2, ratio=2, dropout=0.3)


def slow_class_token(mixer: ClassTokenTransformer, visible: list[list[float]]) -> torch.Tensor:
    """Return the class token after all layers, which see it and the visible tokens only."""
    tokens = [mixer.first.tolist(), *visible]
    for block in mixer.blocks:
        tokens = slow_block(block, tokens)
    return torch.tensor(norm(mixer.norm, tokens[0]), dtype=torch.float64)


@pytest.mark.parametrize(("most", "layers"), [(1, 1), (5, 2)])
def test_the_class_token_attends_over_the_visible_tokens(most: int, layers: int) -> None:
    fusion = doubled(TokenFusion(SHAPES, 4, most, mixer(layers)))
    masks = all_combinations(3)
    feats = {n: torch.randn(len(masks), *s, dtype=torch.float64) for n, s in SHAPES.items()}
    fused = fusion(feats, masks).map
    assert fused.shape == (7, 4, 1, 1)
    counts = [4, 5, 1] if most == 5 else [1, 1, 1]
    assert fusion.mixer.counts == tuple(counts)
    for i, mask in enumerate(masks.tolist()):
        visible, start = [], 0
        for v, name in enumerate(SHAPES):
            x = feats[name][i]
            if counts[v] == 1:
                x = x.mean((1, 2), keepdim=True)
            own = slow_projected(fusion.project[v], x)
            places = fusion.mixer.position[start : start + counts[v]].tolist()
            start += counts[v]
            if mask[v]:
                visible += [plus(token, e) for token, e in zip(own, places, strict=True)]
        torch.testing.assert_close(fused[i, :, 0, 0], slow_class_token(fusion.mixer, visible))


def test_every_position_of_a_level_has_a_class_token_of_its_own() -> None:
    level = doubled(LevelTokens(2, 3, 4, mixer(2)))
    masks = all_combinations(2)
    maps = torch.randn(3, 2, 3, 2, 3, dtype=torch.float64)
    fused, extras = level(torch.where(masks[:, :, None, None, None], maps, 0.0), masks)
    assert fused.shape == (3, 4, 2, 3)
    assert extras == {}
    for i, mask in enumerate(masks.tolist()):
        for y, x in ((0, 0), (1, 2), (0, 1)):
            visible = []
            for v in range(2):
                if mask[v]:
                    (own,) = slow_projected(level.project[v], maps[i, v, :, y : y + 1, x : x + 1])
                    visible.append(plus(own, level.mixer.position[v].tolist()))
            torch.testing.assert_close(fused[i, :, y, x], slow_class_token(level.mixer, visible))


def test_evaluation_keeps_the_pooled_maps() -> None:
    fusion = doubled(TokenFusion(SHAPES, 4, 2, mixer(1)))
    masks = all_combinations(3)
    feats = {n: torch.randn(7, *s, dtype=torch.float64) for n, s in SHAPES.items()}
    cached = fusion.prepare(feats).feats
    assert [tuple(x.shape[1:]) for x in cached.values()] == [(3, 1, 2), (2, 1, 2), (4, 1, 1)]
    torch.testing.assert_close(fusion(cached, masks).map, fusion(feats, masks).map)
