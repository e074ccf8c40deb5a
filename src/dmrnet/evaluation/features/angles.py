"""Angles between the inference embeddings of different combinations (Sec. 3.1).

The paper claims that a point embedding forces all combinations of a class into one direction and
that decoupling lets them differ. It defines no measure of this; the following one is ours.

With u_i^a the embedding g(mu) of sample i under combination a, normalised to unit length, mean
angles in degrees within one class:

* ``same``: between u_i^a and u_i^b, one sample under two combinations;
* ``between``: between u_i^a and u_j^b, two samples (i != j) under two combinations;
* ``within``: between u_i^a and u_j^a, two samples under one combination: the spread of the class.
  Combinations differ in direction as far as ``between`` exceeds ``within``;
* ``directions``: between the mean directions of two combinations, which the spread does not widen;
* ``classes``: between the mean directions of two classes under one combination: the scale for the
  other angles;
* ``class_vector``: between u_i^a and W_y, the class's column of the linear classifier.

Angles depend on the origin. After a ReLU all embeddings are non-negative and angles are small
anyway; after a batch norm they are not. `centred` moves the origin to the mean embedding, so that
methods can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.evaluation.finite import check_finite


@dataclass(frozen=True)
class Angles:
    """Mean angles in degrees, float64 tensors; NaN without embeddings to average.

    Attributes:
        same: ``(M, K, K)``: one sample, two combinations; 0 on the diagonal.
        between: ``(M, K, K)``: two samples; ``within`` on the diagonal.
        directions: ``(M, K, K)``: mean directions of two combinations; 0 on the diagonal.
        classes: ``(K, M, M)``: mean directions of two classes; 0 on the diagonal.
        counts: Number of embeddings, int64 ``(M, K)``.
        undefined: Number of embeddings that are zero and so have no direction; they are left out.
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
    """Subtract the mean over combinations of each one's mean embedding; see `embedding_angles`."""
    weight = scored.double() / scored.sum(1, keepdim=True).clamp(min=1)
    means = torch.einsum("kn,knc->kc", weight, torch.where(scored[..., None], embeddings, 0.0))
    return embeddings - means[scored.any(1)].mean(0)


def embedding_angles(embeddings: Tensor, scored: Tensor, target: Tensor, classes: int) -> Angles:
    """Return the mean angles between embeddings.

    Args:
        embeddings: Float64 tensor of shape ``(K, n, C)``: each sample under each combination.
        scored: Bool tensor of shape ``(K, n)``, True where the sample has all modalities of the
            combination.
        target: Int64 tensor of shape ``(n,)``.
        classes: Number of classes, M.

    Raises:
        ValueError: If shapes do not agree, or a scored embedding is NaN or infinite.

    >>> right, up = [1.0, 0.0], [0.0, 1.0]
    >>> two = torch.tensor([[right, right], [up, up]], dtype=torch.float64)
    >>> angles = embedding_angles(two, torch.ones(2, 2, dtype=torch.bool), torch.zeros(2).long(), 1)
    >>> round(angles.between[0, 0, 1].item()), round(angles.within[0, 0].item())
    (90, 0)
    """
    if embeddings.dim() != 3 or scored.shape != embeddings.shape[:2]:
        raise ValueError(
            f"expected embeddings (K, n, C) with scored (K, n), got {tuple(embeddings.shape)} and "
            f"{tuple(scored.shape)}"
        )
    if target.shape != scored.shape[1:]:
        raise ValueError(f"expected {scored.shape[1]} targets, one per sample, got {len(target)}")
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
        of_class = target == c
        u, known = units[:, of_class], points[:, of_class]
        counts[c] = known.sum(1)
        means[c] = u.sum(1)
        same[c], between[c] = _class_angles(u, known)
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

    According to Sec. 3.1, training on a point turns g(z_i) of every combination towards W_y.

    Args:
        embeddings: See `embedding_angles`.
        scored: See `embedding_angles`.
        target: See `embedding_angles`.
        vectors: Columns of W, float64 ``(M, C)``.

    Returns:
        Angles in degrees, ``(M, K)``; NaN without embeddings, or if one of the two is zero.

    Raises:
        ValueError: If a scored embedding, or a vector, is NaN or infinite.
    """
    check_finite(embeddings[scored], "embeddings")
    check_finite(vectors, "vectors of classes")
    unit = embeddings / embeddings.norm(dim=2, keepdim=True)
    own = (vectors / vectors.norm(dim=1, keepdim=True))[target]
    angle = torch.where(scored, _degrees((unit * own).sum(2)), torch.nan)
    return torch.stack([angle[:, target == c].nanmean(1) for c in range(len(vectors))])


def _class_angles(u: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean angles of the same sample, and of two samples, for each pair of combinations."""
    k, n, _ = u.shape
    flat = u.flatten(0, 1)
    angle = _degrees(flat @ flat.T).reshape(k, n, k, n)
    pairs = (known[:, :, None, None] & known[None, None]).double()
    angle = angle * pairs
    same_sum, same_count = torch.einsum("aibi->ab", angle), torch.einsum("aibi->ab", pairs)
    same = same_sum / same_count
    # Rounding would give an embedding an angle to itself.
    same.fill_diagonal_(0.0)
    same[:, same_count.diagonal() == 0] = torch.nan
    return same, (angle.sum((1, 3)) - same_sum) / (pairs.sum((1, 3)) - same_count)


def _between_means(means: Tensor) -> Tensor:
    """Return the angles between vectors ``(K, C)``; NaN if one is zero."""
    length = means.norm(dim=1, keepdim=True)
    unit = torch.where(length > 0, means / length, torch.nan)
    angle = _degrees(unit @ unit.T)
    defined = length.squeeze(1) > 0
    angle[defined, defined] = 0.0
    return angle


def _degrees(cosine: Tensor) -> Tensor:
    return cosine.clamp(-1, 1).arccos().rad2deg()
