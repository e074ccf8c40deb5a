"""Requests of the page: a sample, the modalities that are on, their corruptions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dmrnet.explore.corruptions import CORRUPTIONS
from dmrnet.hints import nearest
from dmrnet.serve.samples import BadSampleError

PART = "+settings"
"""Name of the part of an upload that holds them; no modality can have a plus sign."""


@dataclass(frozen=True)
class CorruptedBy:
    """Corruption of one modality; see `dmrnet.explore.corrupt`.

    Attributes:
        kind: Name of the corruption.
        strength: Its strength.
        seed: Seed of what is drawn.
    """

    kind: str
    strength: float
    seed: int = 0


@dataclass(frozen=True)
class ViewSettings:
    """Settings of one view.

    Attributes:
        sample: Row of a sample of the run; None for an upload.
        on: Modalities that are seen, of those that the sample has; None: all.
        corrupted: How modalities are corrupted, by name.
    """

    sample: int | None = None
    on: frozenset[str] | None = None
    corrupted: Mapping[str, CorruptedBy] = field(default_factory=dict)


def read_settings(content: bytes, modalities: Sequence[str]) -> ViewSettings:
    """Return settings from JSON.

    Raises:
        BadSampleError: If it is no such JSON.
    """
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadSampleError("expected settings as JSON, got something else") from error
    if not isinstance(values, dict) or not values.keys() <= {"sample", "on", "corrupted"}:
        raise BadSampleError("expected an object of sample, on and corrupted")
    sample, on, corrupted = (values.get(key) for key in ("sample", "on", "corrupted"))
    if sample is not None and type(sample) is not int:
        raise BadSampleError("sample: expected the number of a sample")
    if on is not None and not (isinstance(on, list) and all(isinstance(one, str) for one in on)):
        raise BadSampleError("on: expected a list of modalities")
    if not isinstance(corrupted or {}, dict):
        raise BadSampleError("corrupted: expected an object of modalities")
    for name in (*(on or ()), *(corrupted or ())):
        if name not in modalities:
            raise BadSampleError(f"unknown modality {name[:40]!r}; {nearest(name, modalities)}")
    return ViewSettings(
        sample,
        None if on is None else frozenset(on),
        {name: _corruption(name, value) for name, value in (corrupted or {}).items()},
    )


def _corruption(name: str, value: Any) -> CorruptedBy:  # noqa: ANN401
    known = {one.name: one.most for one in CORRUPTIONS}
    if not isinstance(value, dict) or not value.keys() <= {"kind", "strength", "seed"}:
        raise BadSampleError(f"corrupted, {name}: expected an object of kind, strength and seed")
    kind, strength, seed = value.get("kind"), value.get("strength"), value.get("seed", 0)
    if not isinstance(kind, str) or kind not in known:
        raise BadSampleError(f"corrupted, {name}: expected kind as {', '.join(known)}")
    if (
        isinstance(strength, bool)
        or not isinstance(strength, int | float)
        or not 0 <= strength <= known[kind]
    ):
        raise BadSampleError(
            f"corrupted, {name}: expected a strength from 0 to {known[kind]:g} of {kind}"
        )
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise BadSampleError(f"corrupted, {name}: expected a seed from 0 to {2**32 - 1}")
    return CorruptedBy(kind, float(strength), seed)


def settings_schema(modalities: Sequence[str], samples: int) -> dict[str, Any]:
    """Return the schema of settings in OpenAPI."""
    corruption = {
        "oneOf": [
            {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "enum": [one.name]},
                    "strength": {"type": "number", "minimum": 0, "maximum": one.most},
                    "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
                },
                "required": ["kind", "strength"],
                "additionalProperties": False,
            }
            for one in CORRUPTIONS
        ]
    }
    return {
        "type": "object",
        "properties": {
            "sample": {"type": "integer", "minimum": 0, "maximum": max(0, samples - 1)},
            "on": {
                "type": ["array", "null"],
                "items": {"type": "string", "enum": list(modalities)},
            },
            "corrupted": {
                "type": ["object", "null"],
                "properties": dict.fromkeys(modalities, corruption),
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
    }
