"""Weights of a method as safetensors, which cannot contain code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dmrnet.methods.base import Method, rename_weights
from dmrnet.storage import write_bytes


def save_weights(method: Method, path: Path) -> None:
    """Write a method's weights and buffers, whole or not at all."""
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in method.state_dict().items()
    }
    write_bytes(path, save(state))


def load_weights(method: Method, path: Path) -> None:
    """Read weights into a method of the same settings.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no safetensors file, or is of another method or task.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there are no weights at {path}; restore them, or train again into another "
            "folder (out, --out)"
        )
    try:
        state = load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is corrupt or no safetensors file: {error}") from error
    rename_weights(method, state)
    expected = method.state_dict()
    if wrong := misfit(expected, state):
        # Methods that fuse by level once ignored the setting, and trained small encoders.
        small = any(".backbone." in n for n in expected) and not any(
            ".backbone." in n for n in state
        )
        hint = "; if they are of small encoders, remove encoder from the run's config.yaml"
        raise ValueError(f"{path} does not fit the run's method: {wrong}{hint if small else ''}")
    method.load_state_dict(state)


def misfit(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    """Return in a few words how weights differ from those of a method; empty if they fit.

    >>> import torch
    >>> misfit({"a": torch.ones(2), "b": torch.ones(1)}, {"a": torch.ones(3), "c": torch.ones(1)})
    'it lacks b; it has c, which the method does not; a is (3,), not (2,)'
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    missing = [name for name in expected if name not in weights]
    unknown = [name for name in weights if name not in expected]
    other = [n for n, tensor in weights.items() if n in shapes and tuple(tensor.shape) != shapes[n]]

    def first(names: Sequence[str]) -> str:
        return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")

    parts = []
    if missing:
        parts.append(f"it lacks {first(missing)}")
    if unknown:
        parts.append(f"it has {first(unknown)}, which the method does not")
    if other:
        name = other[0]
        parts.append(f"{name} is {tuple(weights[name].shape)}, not {shapes[name]}")
    return "; ".join(parts)
