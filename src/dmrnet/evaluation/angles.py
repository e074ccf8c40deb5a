"""Whether combinations of one class point the same way, by their inference embeddings (Sec. 3.1).

The paper's claim is that a point embedding forces all combinations of a class into one direction
and that decoupling lets them differ. It prints no measure of it; this one is ours.

With u_i^a the embedding g(mu) of sample i under combination a, scaled to unit length, and all
angles in degrees, for one class:

* ``same``: between u_i^a and u_i^b, one sample under two combinations;
* ``between``: between u_i^a and u_j^b, two samples (i != j) under two combinations;
* ``within``: between u_i^a and u_j^a, two samples under one combination: the spread that a class
  has anyway. Combinations differ in direction in so far as ``between`` exceeds ``within``;
* ``directions``: between the mean directions of two combinations, which spread does not widen;
* ``classes``: between the mean directions of two classes under one combination: the scale on which
  the other numbers are small or large;
* ``class_vector``: between u_i^a and W_y, the class's column of the linear classifier.

An angle depends on what counts as zero. Behind a ReLU all embeddings lie in one corner and angles
are small whatever they mean; behind a batch norm they are not. `centred` moves the origin to the
mean embedding, where methods can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.evaluation.finite import check_finite


@dataclass(frozen=True)
class Angles:
    """Mean angles in degrees, float64; NaN where there is nothing to average.

    Attributes:
        same: ``(M, K, K)``: one sample, two combinations; 0 on the diagonal.
        between: ``(M, K, K)``: two samples; on the diagonal ``within``.
        directions: ``(M, K, K)``: mean directions of two combinations; 0 on the diagonal.
        classes: ``(K, M, M)``: mean directions of two classes; 0 on the diagonal.
        counts: int64 ``(M, K)``: embeddings.
        undefined: Embeddings that are zero, so that they point nowhere; left out.
    """

    same: Tensor
    between: Tensor
    directions: Tensor
    classes: Tensor
    counts: Tensor
    undefined: int

    @property
    def within(self) -> Tensor:
        """The spread of each class under each combination, ``(M, K)``."""
        return self.between.diagonal(dim1=1, dim2=2)


def centred(embeddings: Tensor, scored: Tensor) -> Tensor:
    """Move the origin to the mean over combinations of each combination's mean embedding.

    Args:
        embeddings: ``(K, n, C)``.
        scored: bool ``(K, n)``.
    """
    weight = scored.double() / scored.sum(1, keepdim=True).clamp(min=1)
    means = torch.einsum("kn,knc->kc", weight, torch.where(scored[..., None], embeddings, 0.0))
    return embeddings - means[scored.any(1)].mean(0)


def embedding_angles(embeddings: Tensor, scored: Tensor, target: Tensor, classes: int) -> Angles:
    """Return the mean angles between embeddings.

    Args:
        embeddings: float64 ``(K, n, C)``: each sample under each combination.
        scored: bool ``(K, n)``: the sample has all modalities of the combination.
        target: int64 ``(n,)``.
        classes: M.

    Raises:
        ValueError: If shapes do not agree, or an embedding that is scored is NaN or infinite.

    >>> right, up = [1.0, 0.0], [0.0, 1.0]
    >>> two = torch.tensor([[right, right], [up, up]], dtype=torch.float64)
    >>> found = embedding_angles(two, torch.ones(2, 2, dtype=torch.bool), torch.zeros(2).long(), 1)
    >>> round(found.between[0, 0, 1].item()), round(found.within[0, 0].item())
    (90, 0)
    """
    if embeddings.dim() != 3 or scored.shape != embeddings.shape[:2]:
        raise ValueError(
            f"expected embeddings (K, n, C) with scored (K, n), got {tuple(embeddings.shape)} and "
            f"{tuple(scored.shape)}"
        )
    if target.shape != scored.shape[1:]:
        raise ValueError(f"expected {scored.shape[1]} classes of samples, got {len(target)}")
    check_finite(embeddings[scored], "embeddings")
    length = embeddings.norm(dim=2)
    points = scored & (length > 0)
    units = torch.where(points[..., None], embeddings / length[..., None], 0.0)
    k = len(units)
    same = units.new_full((classes, k, k), torch.nan)
    between, directions = same.clone(), same.clone()
    means = units.new_zeros((classes, k, units.shape[2]))
    counts = torch.zeros(classes, k, dtype=torch.int64)
    for c in target.unique().tolist():
        here = target == c
        u, known = units[:, here], points[:, here]
        counts[c] = known.sum(1)
        means[c] = u.sum(1)
        same[c], between[c] = _of_class(u, known)
        directions[c] = _between_means(means[c])
    return Angles(
        same,
        between,
        directions,
        torch.stack([_between_means(means[:, a]) for a in range(k)]),
        counts,
        int((scored & ~points).sum()),
    )


def class_vector_angles(
    embeddings: Tensor, scored: Tensor, target: Tensor, vectors: Tensor
) -> Tensor:
    """Return the mean angle of each class's embeddings to its column of W.

    Sec. 3.1 says that training on a point turns g(z_i) of every combination towards W_y.

    Args:
        embeddings: float64 ``(K, n, C)``.
        scored: bool ``(K, n)``.
        target: int64 ``(n,)``.
        vectors: float64 ``(M, C)``.

    Returns:
        Degrees, ``(M, K)``; NaN where there is no embedding, or one of the two is zero.

    Raises:
        ValueError: If an embedding that is scored, or a vector, is NaN or infinite.
    """
    check_finite(embeddings[scored], "embeddings")
    check_finite(vectors, "vectors of classes")
    unit = embeddings / embeddings.norm(dim=2, keepdim=True)
    own = (vectors / vectors.norm(dim=1, keepdim=True))[target]
    angle = torch.where(scored, _degrees((unit * own).sum(2)), torch.nan)
    return torch.stack([angle[:, target == c].nanmean(1) for c in range(len(vectors))])


def _of_class(u: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean angles of one sample, and of two, under each pair of combinations."""
    k, n, _ = u.shape
    flat = u.flatten(0, 1)
    angle = _degrees(flat @ flat.T).reshape(k, n, k, n)
    pairs = (known[:, :, None, None] & known[None, None]).double()
    angle, on = angle * pairs, pairs
    one = torch.einsum("aibi->ab", angle), torch.einsum("aibi->ab", on)
    two = angle.sum((1, 3)) - one[0], on.sum((1, 3)) - one[1]
    same = one[0] / one[1]
    # An embedding has no angle to itself; rounding would give it one.
    same.fill_diagonal_(0.0)
    same[:, one[1].diagonal() == 0] = torch.nan
    # Each unit vector's angle to itself was subtracted with the rest of the diagonal.
    return same, two[0] / two[1]


def _between_means(means: Tensor) -> Tensor:
    """Return the angles between vectors ``(K, C)``; NaN where one is zero."""
    length = means.norm(dim=1, keepdim=True)
    unit = torch.where(length > 0, means / length, torch.nan)
    angle = _degrees(unit @ unit.T)
    there = length.squeeze(1) > 0
    angle[there, there] = 0.0
    return angle


def _degrees(cosine: Tensor) -> Tensor:
    return cosine.clamp(-1, 1).arccos().rad2deg()
