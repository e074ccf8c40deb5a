"""Numbers that released code gave, and the rule by which both sides get the same weights.

A fixture is a JSON file under ``data``, written by a script under ``make`` that ran released code.
It holds the names and shapes of the released network's parameters, the shapes of inputs, and what
came out. Weights, inputs and noise are not stored: `numbers` makes them from their names. Both
sides compute in float64, so that only a different formula makes a difference above 1e-5.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

DATA = Path(__file__).parent / "data"
TOLERANCE = 1e-5
"""Largest difference, as a share of the largest number that is compared (or of 1)."""

COUNTS = "num_batches_tracked"

LARGEST: dict[str, float] = {}
"""Largest difference that each test saw; printed at the end, see ``conftest.py``."""


def numbers(name: str, shape: Sequence[int]) -> Tensor:
    """Numbers from -1 to 1 that depend on nothing but name and position (splitmix64)."""
    count = math.prod(shape)
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(zlib.crc32(name.encode()))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return torch.from_numpy(z.astype(np.float64) / 2.0**63 - 1).reshape(tuple(shape))


def normal(name: str, shape: Sequence[int]) -> Tensor:
    """Noise of mean 0 and variance 1, by the same rule (a uniform distribution)."""
    return math.sqrt(3) * numbers(name, shape)


def classes(name: str, shape: Sequence[int], number: int) -> Tensor:
    """Int64 classes from 0 to `number` - 1, by the same rule."""
    return ((numbers(name, shape) + 1) / 2 * number).long()


def parameter(name: str, shape: Sequence[int]) -> Tensor:
    """Value of a parameter or buffer of the released network, by its name there."""
    if name.endswith(COUNTS):
        return torch.zeros((), dtype=torch.int64)
    drawn = numbers(name, shape)
    if name.endswith("running_var"):
        return 1 + drawn / 2
    if len(shape) > 1:
        return drawn * math.sqrt(6 / math.prod(shape[1:]))
    return 1 + 0.3 * drawn if name.endswith("weight") else 0.2 * drawn


def fill(model: nn.Module) -> dict[str, list[int]]:
    """Give a released network its values; return the shapes by name."""
    state = {name: parameter(name, value.shape) for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    return {
        name: list(value.shape) for name, value in state.items() if value.dtype.is_floating_point
    }


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """Norm of each parameter's gradient; 0 for one that has none."""
    return {
        name: 0.0 if p.grad is None else float(p.grad.detach().norm())
        for name, p in model.named_parameters()
    }


def rounded(value: Any) -> Any:
    """Tensors and floats as JSON has them, to ten digits."""
    if isinstance(value, Tensor):
        return rounded(value.detach().tolist())
    if isinstance(value, Mapping):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(one) for one in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def write(name: str, source: str, **content: Any) -> None:
    """Write a fixture; `source` is the released repository with its commit."""
    text = json.dumps({"source": source, **rounded(content)}, indent=0, separators=(",", ":"))
    # One line for each innermost list.
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + m[1].replace("\n", "") + "]", text)
    (DATA / f"{name}.json").write_text(text + "\n")


def read(name: str) -> dict[str, Any]:
    """Read a fixture."""
    content: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return content


Rules = Sequence[tuple[str, str]]
"""Regular expressions from our names of parameters to the released ones, tried in order."""


def released_name(name: str, rules: Rules) -> str | None:
    """Name of one of our parameters in the released network; None for what is ours alone."""
    for pattern, replacement in rules:
        if re.search(pattern, name):
            return re.sub(pattern, replacement, name) if replacement else None
    return name


def load(
    model: nn.Module, shapes: Mapping[str, Sequence[int]], rules: Rules, unused: Iterable[str] = ()
) -> nn.Module:
    """Give our network the released values; every one on either side must have its partner.

    Args:
        model: Our network; it becomes float64.
        shapes: Shapes of the released parameters by name.
        rules: Names of ours in terms of the released ones; "" as replacement for ours alone.
        unused: Regular expressions of released names that are never used there.
    """
    model.double()
    state, used = model.state_dict(), set()
    for name, value in state.items():
        theirs = released_name(name, rules)
        if theirs is None or name.endswith(COUNTS):
            continue
        assert theirs in shapes, f"{name}: the released network has no {theirs}"
        shape = shapes[theirs]
        assert math.prod(shape) == value.numel(), f"{name} {tuple(value.shape)}: {theirs} {shape}"
        state[name] = parameter(theirs, shape).reshape(value.shape)
        used.add(theirs)
    model.load_state_dict(state)
    left = [
        n for n in shapes if n not in used and not any(re.search(u, n) for u in (COUNTS, *unused))
    ]
    assert not left, f"no partner for {left}"
    return model


def difference(ours: Any, theirs: Any) -> float:
    """Largest difference of two equally nested lists of numbers, in shares of the largest one."""
    mine = ours.detach() if isinstance(ours, Tensor) else torch.tensor(ours, dtype=torch.float64)
    other = torch.as_tensor(theirs, dtype=torch.float64)
    assert mine.shape == other.shape, f"{tuple(mine.shape)} {tuple(other.shape)}"
    return _noted(float((mine - other).abs().max() / other.abs().max().clamp(min=1)))


def _noted(value: float) -> float:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").split("/")[-1].split(" ")[0]
    LARGEST[test] = max(LARGEST.get(test, 0.0), value)
    return value


def gradients_differ(
    model: nn.Module, theirs: Mapping[str, float], rules: Rules
) -> dict[str, tuple[float, float]]:
    """Norms of gradients, ours and theirs, where they differ by more than the tolerance."""
    wrong = {}
    largest = max(theirs.values())
    for name, norm in gradient_norms(model).items():
        released = released_name(name, rules)
        if released is None:
            continue
        # A gradient that is zero but for rounding is compared with the largest one.
        if _noted(abs(norm - theirs[released]) / max(norm, 1e-6 * largest)) > TOLERANCE:
            wrong[name] = (norm, theirs[released])
    return wrong
