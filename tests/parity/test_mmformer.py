"""mmFormer against its adaptation for CASIA-SURF, and its transformers against its own code."""

from __future__ import annotations

import torch
from tests.parity import fixtures
from tests.parity.faces import COMBINATIONS, ENCODERS, NETWORK, OURS_ALONE, batch, images, task
from tests.parity.fixtures import TOLERANCE, Rules, difference, gradients_differ, load, normal
from tests.parity.products import digests
from torch import nn

from dmrnet.methods import build_method
from dmrnet.nn.systems.mmformer import InterFusion, IntraTransformer, TransformerOptions


def block_rules(ours: str, theirs: str) -> Rules:
    """Return rules for one transformer layer."""
    first, second = f"{theirs}.cross_attention_list.0.fn", f"{theirs}.cross_ffn_list.0.fn"
    return [
        (rf"^{ours}\.norm1\.", f"{first}.norm."),
        (rf"^{ours}\.attention\.qkv\.", f"{first}.fn.qkv."),
        (rf"^{ours}\.attention\.out\.", f"{first}.fn.proj."),
        (rf"^{ours}\.norm2\.", f"{second}.norm."),
        (rf"^{ours}\.mlp\.", f"{second}.fn.net."),
    ]


RULES: Rules = [
    *ENCODERS,
    *(
        rule
        for v in range(3)
        for rule in (
            (rf"^fusion\.intra\.{v}\.position", f"position_encoding.{v}.position_embeddings"),
            (rf"^fusion\.intra\.{v}\.embed\.0\.", f"bn_list.{v}."),
            (rf"^fusion\.intra\.{v}\.embed\.2\.", f"conv_x_list.{v}."),
            *block_rules(rf"fusion\.intra\.{v}\.block", f"intra_transformer.{v}"),
        )
    ),
    (r"^fusion\.position", "inter_position_encoding.position_embeddings"),
    *block_rules(r"fusion\.block", "inter_transformer"),
    (r"^fusion\.gather\.", "fusion."),
    (r"^predictor\.linear\.", "fc."),
    (r"^objective\.terms\.1\.classifier\.", "auxi_bone.2."),
    *OURS_ALONE,
]


def test_the_adaptation_for_every_combination_and_a_training_step() -> None:
    released = fixtures.read("mmformer")
    changes = {"embed": 32, "attention_dropout": 0.0, "position_dropout": 0.0}
    model = build_method("mmformer", task(), "released", network=NETWORK, **changes)
    load(model, released["shapes"], RULES)
    model.eval()
    with torch.no_grad():
        logits = torch.stack([model(images(), row.expand(7, 3)) for row in COMBINATIONS])
    assert difference(logits, released["logits"]) < TOLERANCE
    loss = model.train().training_loss(batch())
    assert difference(loss.parts["each_shown"], released["step"]["each"]) < TOLERANCE
    assert difference(loss.total, released["step"]["loss"]) < TOLERANCE
    loss.total.backward()
    assert not gradients_differ(model, released["step"]["gradients"], RULES)


class Transformers(nn.Module):
    """Both transformers as in the recipe `released-seg`, on volumes of 2 x 2 x 2 positions.

    They are maps of 2 x 4 here. The positions of the second are those of the first ones, and what
    restores the maps has as many channels as all modalities together, as in the source.
    """

    def __init__(self) -> None:
        super().__init__()
        options = TransformerOptions(8, 4, 0.0, restore="packed", embedding="conv")
        self.intra = nn.ModuleList(IntraTransformer(16, 16, (2, 4), options) for _ in range(4))
        self.inter = InterFusion("abcd", 16, (2, 4), options)
        self.inter.gather = nn.Linear(64, 64)
        del self.inter.position

    def forward(self, maps: list[torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
        self.inter.position = torch.cat([intra.position for intra in self.intra], 1)
        pairs = zip("abcd", self.intra, maps, strict=True)
        return self.inter({n: intra(x) for n, intra, x in pairs}, mask).map


def test_both_transformers_of_the_segmentation_code() -> None:
    released = fixtures.read("mmformer-seg")
    rules: Rules = [
        *(
            rule
            for v, name in enumerate(("flair", "t1ce", "t1", "t2"))
            for rule in (
                (rf"^intra\.{v}\.position", f"{name}_pos"),
                (rf"^intra\.{v}\.embed\.0\.", f"{name}_encode_conv."),
                *block_rules(rf"intra\.{v}\.block", f"{name}_transformer"),
            )
        ),
        *block_rules(r"inter\.block", "multimodal_transformer"),
        (r"^inter\.gather\.", "multimodal_decode_conv."),
    ]
    model = Transformers()
    load(model, released["shapes"], rules, unused=[r"^(flair|t1ce|t1|t2)_decode_conv"])
    maps = [normal(f"deepest {v}", (2, 16, 2, 2, 2)).flatten(3) for v in range(4)]
    masks = torch.tensor(released["masks"]).bool()
    fused = [model(maps, mask.expand(2, 4)) for mask in masks]
    assert difference(digests(fused), released["fused"]) < TOLERANCE
    fused[-2].square().mean().backward()
    assert not gradients_differ(model, released["gradients"], rules)
