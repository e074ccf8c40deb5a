"""What every method lets its user set, and how recipes fill it in.

Settings load no torch, so that the command line reads them at once: what builds a method is
imported where it is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from dmrnet.hints import nearest
from dmrnet.nn.networks.network import Network

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task


@dataclass(frozen=True)
class MethodSettings:
    """Settings that all methods share; a method adds its own.

    Attributes:
        network: Encoders, fusion and trunk.
        encodes: What encoders run on in training: mask (what is shown) or present (all there is).
        smoothing: Of the labels in the task loss.
    """

    name: ClassVar[str]
    """As the list of methods has it."""

    summary: ClassVar[str]
    """One line for help and tables."""

    recipes: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Named settings; each recipe says what differs from the defaults of the fields."""

    network: Network = field(default_factory=Network)
    encodes: Literal["mask", "present"] = "mask"
    smoothing: float = 0.0

    def build(self, task: Task) -> Method:
        """Return the method for a task, freshly initialised from torch's global generator."""
        raise TypeError(f"{type(self).__name__} does not say how its method is built")

    @classmethod
    def recipe(cls, recipe: str, **changes: Any) -> Self:  # noqa: ANN401
        """Return the settings of a recipe, with some of them changed.

        Args:
            recipe: Name of a recipe.
            changes: Fields to set away from the recipe's.

        Raises:
            ValueError: If the recipe or a field is unknown.
        """
        if recipe not in cls.recipes:
            raise ValueError(
                f"method {cls.name} has no recipe {recipe!r}; {nearest(recipe, cls.recipes)}"
            )
        known = [f.name for f in fields(cls)]
        for name in changes:
            if name not in known:
                raise ValueError(
                    f"method {cls.name} has no setting {name!r}; {nearest(name, known)}"
                )
        return cls(**{**cls.recipes[recipe], **changes})
