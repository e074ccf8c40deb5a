"""Class weights in the loss, from the frequency of the classes."""

from __future__ import annotations

from typing import Literal

from torch import Tensor


def class_weights(pixels: Tensor, by: Literal["none", "root", "median"]) -> tuple[float, ...]:
    """Return the weight of each class.

    Args:
        pixels: int64 tensor ``(n, M)``, the number of pixels of each class in each image.
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
    """Return the weight of each class: the median frequency over the frequency of the class.

    The frequency of a class is its share of the labelled pixels of the images that have it
    (ESANet). A class without pixels has weight 0.

    Args:
        pixels: int64 tensor ``(n, M)``, the number of pixels of each class in each image.

    Returns:
        float32 tensor ``(M,)``.

    Raises:
        ValueError: If no pixel has a class.

    >>> import torch
    >>> median_frequency(torch.tensor([[30, 10, 0], [10, 0, 30]])).tolist()
    [1.0, 2.0, 0.6666666865348816]
    """
    in_images = ((pixels > 0).long() * pixels.sum(1, keepdim=True)).sum(0).double()
    frequency = pixels.sum(0).double() / in_images
    known = frequency[~frequency.isnan()].sort().values
    if not len(known):
        raise ValueError(
            f"expected labelled pixels to weigh classes by, got none in {len(pixels)} training "
            "images"
        )
    # torch.median would take the lower of two middle values.
    median = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
    weight: Tensor = (median / frequency).nan_to_num(0.0).float()
    return weight
