"""Device of a finished run."""

from __future__ import annotations

import torch

from dmrnet.hints import nearest

CHOICES = ("auto", "cpu", "cuda")


def device_of(name: str) -> str:
    """Return the available device of a name in `CHOICES`, or for example ``cuda:1``."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in CHOICES[1:] or (number and not number.isdecimal()):
        hint = "did you mean 'cuda'?" if kind == "gpu" else nearest(name, CHOICES)
        raise ValueError(f"unknown device {name!r}; {hint}")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name}: torch can use {torch.cuda.device_count()} CUDA devices here; use "
            "device cpu (--device)"
        )
    return name
