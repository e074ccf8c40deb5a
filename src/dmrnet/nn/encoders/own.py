"""Encoders of the user's own: registered by name, or modules given in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from hashlib import blake2b
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from dmrnet.modalities import Modality, mark_steps
from dmrnet.registry import Registry

Factory = Callable[[Modality], nn.Module] | Callable[[], nn.Module]
"""Class or function that returns the encoder of a modality; it may take the modality."""

ENCODERS: Registry[Factory] = Registry("encoder", "dmrnet.encoders", {})
"""Classes and functions that return the encoder of a modality, by name."""

GIVEN = "given:"
"""Start of the name of an encoder that is a module of this process."""

_GIVEN: dict[str, Factory] = {}


class AsMap(nn.Module):
    """An encoder whose vectors ``(b, C)`` or sequences ``(b, C, T)`` become maps."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(b, *shape)`` to ``(b, C, 1, 1)`` or ``(b, C, 1, T)``."""
        out: Tensor = self.encoder(x)
        return out[..., None, None] if out.dim() == 2 else out[:, :, None]


def named_encoders(encoders: Mapping[str, nn.Module | Factory | str]) -> dict[str, str]:
    """Keep encoders by modality for this process; return their names in settings.

    Names of registered ones stay. Several functions of one name, such as lambdas, get that of
    their modality, too.

    Raises:
        TypeError: If they are no mapping.
    """
    if not isinstance(encoders, Mapping):
        raise TypeError(
            "expected encoders as a mapping from modalities to modules, got "
            f"{type(encoders).__name__}"
        )
    named: dict[str, str] = {}
    owners: dict[str, object] = {}
    for modality, encoder in encoders.items():
        if isinstance(encoder, str):
            named[modality] = encoder
            continue
        name = name_of(encoder)
        same = owners.setdefault(name, encoder) is encoder
        named[modality] = give_encoder(encoder, "" if same else f"#{modality}")
    return named


def name_of(encoder: nn.Module | Factory) -> str:
    """Return the name of a module, or of what makes one, in settings."""
    kind = encoder if callable(encoder) and not isinstance(encoder, nn.Module) else type(encoder)
    name = f"{GIVEN}{kind.__module__}.{getattr(kind, '__qualname__', type(kind).__name__)}"
    if not isinstance(encoder, nn.Module):
        return name
    digest = blake2b(digest_size=4)
    for key, tensor in encoder.state_dict().items():
        if is_lazy(tensor):
            raise ValueError(
                f"the encoder {type(encoder).__name__} has lazy layers without weights: call it "
                "once with a batch, or give a function that returns it"
            )
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return f"{name}@{digest.hexdigest()}"


def give_encoder(encoder: nn.Module | Factory, mark: str = "") -> str:
    """Keep an encoder, or a fusion, for this process; return its name in settings.

    Args:
        encoder: A class or function, called for every method with the run's seed; or a module, of
            which every method gets a copy, with the weights that it has now. The name of a module
            depends on them.
        mark: Added to its name.
    """
    name = name_of(encoder) + mark
    if isinstance(encoder, nn.Module):
        _GIVEN[name] = partial(deepcopy, deepcopy(encoder))
    else:
        _GIVEN[name] = encoder
    return name


def given_part(name: str, argument: str) -> Factory:
    """Return what was given under a name.

    Args:
        name: Name that `give_encoder` returned.
        argument: Argument of `open_run` that gives it again, for the message.

    Raises:
        ValueError: If the process has not been given it.
    """
    if name not in _GIVEN:
        raise ValueError(
            f"{name.removeprefix(GIVEN)} was given in Python; give it again: "
            f"open_run(..., {argument})"
        )
    return _GIVEN[name]


def built(factory: Callable[..., Any], argument: object) -> Any:  # noqa: ANN401
    """Return what a class or function returns; it gets the argument if it needs one."""
    parameters = signature(factory).parameters.values()
    takes = any(one.default is Parameter.empty and one.kind <= 1 for one in parameters)
    return factory(argument) if takes else factory()


def own_encoder(modality: Modality, name: str) -> nn.Module | None:
    """Return an encoder of the user's own; None if the name is of another kind.

    Raises:
        ValueError: If the module is not of this process, or does not return a vector, a sequence or
            a map.
    """
    if name.startswith(GIVEN):
        factory = given_part(name, f"encoders={{{modality.name!r}: ...}}")
    elif name in ENCODERS:
        factory = ENCODERS.load(name)
    else:
        return None
    try:
        encoder: nn.Module = built(factory, modality)
    except TypeError as error:
        raise TypeError(
            f"modality {modality.name}: the encoder cannot be built: {error}; give a class or "
            "function that needs no argument or the Modality alone, or a module"
        ) from error
    return as_map(modality, encoder)


def as_map(modality: Modality, encoder: nn.Module) -> nn.Module:
    """Return an encoder of a modality that returns maps, after a dry run on two blank samples.

    Raises:
        TypeError: If it is no module.
        ValueError: If it fails, or returns something else.
    """
    where = f"modality {modality.name}: the encoder {type(encoder).__name__}"
    if not isinstance(encoder, nn.Module):
        raise TypeError(f"{where}: expected a torch module")
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            out = deepcopy(encoder).eval()(torch.zeros(2, *modality.shape, device=device))
    except Exception as error:
        raise ValueError(
            f"{where} cannot read a batch of shape (2, {', '.join(map(str, modality.shape))}): "
            f"{error}"
        ) from error
    got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
    if not isinstance(out, Tensor) or out.dim() not in (2, 3, 4) or len(out) != 2:
        raise ValueError(
            f"{where}: expected a vector (b, C), a sequence (b, C, T) or a map (b, C, H, W) of a "
            f"batch of 2, got {got}"
        )
    if modality.ragged:
        _check_padding(where, encoder, modality, out.shape[1:])
    return encoder if out.dim() == 4 else AsMap(encoder)


def _check_padding(
    where: str, encoder: nn.Module, modality: Modality, shape: tuple[int, ...]
) -> None:
    """Raise `ValueError` if what an encoder returns depends on padded steps."""
    draw, (channels, steps) = torch.Generator().manual_seed(0), modality.shape
    x = torch.randn(2, channels - 1, steps, generator=draw)
    x = mark_steps(x, torch.tensor([steps, -(-steps // 2)]))
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    module, mend = deepcopy(encoder).eval(), "average over the steps where the last channel is 1"
    padded = nn.functional.pad(x, (0, 8))
    with torch.no_grad():
        out = module(x.to(device))
        try:
            more = module(padded.to(device))
        except Exception as error:
            raise ValueError(
                f"{where} cannot read sequences of another length ({error}); {mend}"
            ) from error
    if more.shape[1:] != shape or not torch.allclose(out, more, rtol=1e-3, atol=1e-4):
        raise ValueError(f"{where} returns something else where a sequence is padded; {mend}")
