"""Encoders run on the selected rows only."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dmrnet.nn.encoders.rows import encode_rows, output_shape


class Counting(nn.Module):
    """Doubles a vector and records the number of rows of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((3,), 2.0))
        self.calls: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(x))
        return (x * self.weight)[..., None, None]


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.randoms())
def test_selected_rows_are_encoded_and_the_others_are_zero(seen: list[bool], order: object) -> None:
    encoder = Counting()
    x = torch.randn(len(seen), 3)
    rows = [i for i, selected in enumerate(seen) if selected]
    order.shuffle(rows)  # type: ignore[attr-defined]
    poisoned = x.clone()
    poisoned[[i for i, selected in enumerate(seen) if not selected]] = float("nan")
    out = encode_rows(encoder, poisoned, torch.tensor(rows, dtype=torch.int64), (3, 1, 1))
    for i, selected in enumerate(seen):
        assert torch.equal(out[i, :, 0, 0], x[i] * 2 if selected else torch.zeros(3))
    assert encoder.calls == ([len(rows)] if rows else [])
    out.sum().backward()
    assert encoder.weight.grad is not None
    torch.testing.assert_close(encoder.weight.grad, x[rows].sum(0))


def test_none_encodes_every_row() -> None:
    encoder = Counting()
    x = torch.randn(4, 3)
    every = encode_rows(encoder, x, torch.arange(4), (3, 1, 1))
    assert torch.equal(encode_rows(encoder, x, None, (3, 1, 1)), every)


def test_no_row_gives_zeros_of_the_encoders_dtype_and_no_graph_at_inference() -> None:
    encoder = Counting().double()
    nothing = torch.zeros(0, dtype=torch.int64)
    with torch.no_grad():
        out = encode_rows(encoder, torch.zeros(2, 3, dtype=torch.int64), nothing, (3, 1, 1))
    assert out.dtype == torch.float64
    assert not out.requires_grad
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = encode_rows(encoder, torch.zeros(2, 3), nothing, (3, 1, 1))
    assert out.dtype == torch.bfloat16
    assert out.requires_grad


def test_an_encoder_keeps_its_output_shape() -> None:
    encoder = nn.Conv2d(1, 2, 3)
    assert output_shape(encoder, (1, 6, 5)) == (2, 4, 3)
    with pytest.raises(ValueError, match=r"\(2, 5, 3\) for an input of \(1, 7, 5\)"):
        encode_rows(encoder, torch.zeros(1, 1, 7, 5), None, (2, 4, 3))


def test_output_shape_keeps_mode_statistics_and_random_state() -> None:
    encoder = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Dropout()).double()
    before = torch.get_rng_state()
    output_shape(encoder, (1, 2, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert encoder.training
    assert int(encoder[1].num_batches_tracked) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("encoder", "said"),
    [(nn.Linear(4, 2), r"got \(1, 2\)"), (nn.LSTM(4, 2, batch_first=True), "got tuple")],
)
def test_an_encoder_that_returns_no_map_is_refused(encoder: nn.Module, said: str) -> None:
    shape = (4,) if isinstance(encoder, nn.Linear) else (3, 4)
    with pytest.raises(ValueError, match=said):
        output_shape(encoder, shape)
