"""Weights of classes in the loss, by how often they are met."""

from __future__ import annotations

from typing import Literal

from torch import Tensor


def class_weights(pixels: Tensor, by: Literal["none", "root", "median"]) -> tuple[float, ...]:
    """Return the weight of each class.

    Args:
        pixels: int64 ``(n, M)``: pixels of each class in each image.
        by: ``none`` (all 1), ``median`` (`median_frequency`), or ``root`` (its square root).

    >>> import torch
    >>> [round(w, 4) for w in class_weights(torch.tensor([[81, 9]]), "root")]
    [0.7454, 2.2361]
    """
    if by == "none":
        return (1.0,) * pixels.shape[1]
    weight = median_frequency(pixels)
    return tuple((weight.sqrt() if by == "root" else weight).tolist())


def median_frequency(pixels: Tensor) -> Tensor:
    """Return the weight of each class: the median frequency over its own.

    The frequency of a class is its pixels over all labelled pixels of the images that hold it
    (ESANet). A class of no pixel has weight 0.

    Args:
        pixels: int64 ``(n, M)``: pixels of each class in each image.

    Returns:
        float32 ``(M,)``.

    >>> import torch
    >>> median_frequency(torch.tensor([[30, 10, 0], [10, 0, 30]])).tolist()
    [1.0, 2.0, 0.6666666865348816]
    """
    held = (pixels > 0).long()
    of_images = (held * pixels.sum(1, keepdim=True)).sum(0).double()
    frequency = pixels.sum(0).double() / of_images
    seen = frequency[~frequency.isnan()].sort().values
    if not len(seen):
        raise ValueError(
            f"expected labelled pixels to weigh classes by, got none in all of {len(pixels)} "
            "training images"
        )
    middle = (seen[(len(seen) - 1) // 2] + seen[len(seen) // 2]) / 2
    weight: Tensor = (middle / frequency).nan_to_num(0.0).float()
    return weight
