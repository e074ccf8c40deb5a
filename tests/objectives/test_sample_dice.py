"""The Dice loss of each sample: its definition, its place in the task loss, and MONAI's."""

from __future__ import annotations

import pytest
import torch

from dmrnet.nn.predictor import Output
from dmrnet.objectives.task import VOID, output_loss, pixel_cross_entropy, sample_dice


def made(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 4, 4, generator=draw)
    target = torch.randint(3, (2, 4, 4, 4), generator=draw)
    target[1][target[1] == 2] = 0
    target[:, 0, 0] = VOID
    return logits, target


def test_it_is_one_minus_the_mean_overlap_of_the_classes_there() -> None:
    """By loops over samples, classes and labelled voxels."""
    logits, target = made()
    p = logits.softmax(1)
    for row, loss in enumerate(sample_dice(logits, target)):
        labelled = target[row] != VOID
        overlaps = []
        for c in range(3):
            t = (target[row] == c)[labelled].float()
            if t.any():
                q = p[row, c][labelled]
                overlaps.append(2 * (q * t).sum() / (q.sum() + t.sum()))
        assert len(overlaps) == 3 - row
        torch.testing.assert_close(loss, 1 - torch.stack(overlaps).mean())


def test_it_weighs_as_the_mean_cross_entropy_of_a_sample() -> None:
    """Cross-entropy and Dice of a sample add up, and unlabelled samples count nowhere."""
    logits, target = made()
    target[0] = VOID
    plain, both = (pixel_cross_entropy(logits, target, dice=dice) for dice in (0.0, 2.0))
    assert both.per_sample[0] == 0
    torch.testing.assert_close(both.mean - plain.mean, 2 * sample_dice(logits, target)[1])
    total = output_loss(Output(logits), target, dice=2.0)
    torch.testing.assert_close(total.mean, both.mean)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_monai_agrees() -> None:
    """Where all classes are there and labelled it is MONAI's loss without smoothing."""
    losses = pytest.importorskip("monai.losses", reason="MONAI is not installed")
    logits, target = torch.randn(2, 3, 4, 4, 4), torch.randint(3, (2, 4, 4, 4))
    theirs = losses.DiceLoss(
        softmax=True, to_onehot_y=True, smooth_nr=0, smooth_dr=0, reduction="mean"
    )(logits, target[:, None])
    torch.testing.assert_close(sample_dice(logits, target).mean(), theirs)
