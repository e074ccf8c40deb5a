"""Which device a finished run is put on."""

from __future__ import annotations

import torch

from dmrnet.hints import nearest

CHOICES = ("auto", "cpu", "cuda")


def device(name: str) -> str:
    """Return a device that is there.

    Args:
        name: One of `CHOICES`, or ``cuda:1`` and the like.

    Raises:
        ValueError: If it is unknown or not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in CHOICES[1:] or (number and not number.isdecimal()):
        hint = "did you mean 'cuda'?" if kind == "gpu" else nearest(name, CHOICES)
        raise ValueError(f"unknown device {name!r}; {hint}")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name}: this machine has {torch.cuda.device_count()} CUDA devices that torch "
            "can use; take --device cpu"
        )
    return name
