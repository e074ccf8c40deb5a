"""Sequences of different length against the plain encoder on what they are without padding."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dmrnet.modalities import Modality, mark_steps
from dmrnet.nn.encoders.basic import SequenceEncoder
from dmrnet.nn.encoders.own import as_map
from dmrnet.nn.encoders.ragged import RaggedEncoder
from dmrnet.nn.layers.norm import BatchNorm

LENGTHS = torch.tensor([50, 20, 7, 1, 33])


def pair() -> tuple[RaggedEncoder, SequenceEncoder, torch.Tensor]:
    torch.manual_seed(0)
    ragged, plain = RaggedEncoder(3, 50, 16), SequenceEncoder(3, 50, 16)
    for norm in ragged.modules():
        if isinstance(norm, BatchNorm):
            norm.running_mean.normal_(0, 0.3)
            norm.running_var.uniform_(0.5, 2)
    plain.load_state_dict(ragged.state_dict())
    return ragged.eval(), plain.eval(), torch.randn(5, 3, 50)


def test_each_sample_is_encoded_as_if_it_ended_where_it_ends() -> None:
    ragged, plain, x = pair()
    out = ragged(mark_steps(x, LENGTHS))
    assert out.shape == (5, 16, 1, 7)
    for row, steps in enumerate(LENGTHS.tolist()):
        own = plain(x[row : row + 1, :, :steps])[0, :, 0]
        torch.testing.assert_close(out[row, :, 0], F.adaptive_avg_pool1d(own, 7))


def test_full_samples_are_those_of_the_plain_encoder_in_training_too() -> None:
    ragged, plain, x = pair()
    whole = mark_steps(x, torch.full((5,), 50))
    torch.testing.assert_close(ragged.train()(whole), plain.train()(x))
    for one, other in zip(ragged.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_padding_changes_nothing_in_training_and_is_never_read() -> None:
    ragged, _, x = pair()
    marked = mark_steps(x, LENGTHS)
    more = F.pad(marked, (0, 30))
    more[:, :-1].masked_fill_(more[:, -1:] == 0, torch.nan)
    more.requires_grad_()
    ragged.train()
    before = {name: value.clone() for name, value in ragged.state_dict().items()}
    first = ragged(marked)
    buffers = [buffer.clone() for buffer in ragged.buffers()]
    ragged.load_state_dict(before)
    second = ragged(more)
    torch.testing.assert_close(first, second)
    for one, other in zip(buffers, ragged.buffers(), strict=True):
        torch.testing.assert_close(one, other)
    second.square().sum().backward()
    assert more.grad is not None
    assert more.grad.isfinite().all()
    assert not more.grad[:, :-1][(more[:, -1:] == 0).expand(-1, 3, -1)].any()


def test_padded_steps_do_not_count_in_batch_norms() -> None:
    torch.manual_seed(0)
    x, there = torch.randn(4, 6, 9) * 3 + 2, torch.rand(4, 1, 9) < 0.6
    ours, theirs = BatchNorm(6), nn.BatchNorm1d(6)
    out = ours(x, there)
    steps = there[:, 0]
    expected = theirs(x.transpose(1, 2)[steps])
    torch.testing.assert_close(out.transpose(1, 2)[steps], expected)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_samples_without_a_step_are_zeros() -> None:
    ragged, _, x = pair()
    for encoder in (ragged, ragged.train()):
        out = encoder(mark_steps(x, torch.zeros(5, dtype=torch.int64)))
        assert not out.any()


class Recurrent(nn.Module):
    """An encoder of the user's own, with a masked mean or a plain one."""

    def __init__(self, masked: bool) -> None:
        super().__init__()
        self.layer, self.masked = nn.GRU(3, 8, batch_first=True), masked

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.layer(x.transpose(1, 2))[0].transpose(1, 2)
        there = x[:, -1:]
        return (out * there).sum(2) / there.sum(2) if self.masked else out.mean(2)


def test_encoders_of_ones_own_must_not_depend_on_padding() -> None:
    torch.manual_seed(0)
    walk = Modality("walk", "sequence", (3, 12), ragged=True)
    assert as_map(walk, Recurrent(masked=True))(torch.zeros(1, 3, 12)).shape == (1, 8, 1, 1)
    with pytest.raises(ValueError, match=r"walk: the encoder Recurrent returns something else"):
        as_map(walk, Recurrent(masked=False))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
    with pytest.raises(ValueError, match="cannot read sequences of another length"):
        as_map(walk, flat)
    with pytest.raises(ValueError, match="walk: expected a sequence, got a image"):
        Modality("walk", "image", (1, 3, 12), ragged=True)
