"""Weights of a method as safetensors: no code can hide in them."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from dmrnet.engine.folder import write_bytes
from dmrnet.methods.base import Method


def save_weights(method: Method, path: Path) -> None:
    """Write a method's weights and buffers, whole or not at all."""
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in method.state_dict().items()
    }
    data = save(state)
    write_bytes(path, data)


def load_weights(method: Method, path: Path) -> None:
    """Read weights into a method of the same settings.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no safetensors file, or is of another method or task.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}; the run has not finished")
    try:
        state = load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is corrupt or no safetensors file: {error}") from error
    try:
        method.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).strip().splitlines()
        raise ValueError(
            f"{path} does not fit the run's method: {' '.join(part.strip() for part in first[1:3])}"
        ) from error
