"""Settings that all methods share, recipes, and how a method is built from its parts.

Settings do not import torch, so that the command line starts fast: the functions that build a
method import what they need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from dmrnet.hints import nearest
from dmrnet.nn.networks.network import Network

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.nn.representation import RepresentationHead
    from dmrnet.objectives.term import Term


def default_of(field: Field[Any]) -> object:
    """Return the default value of a field of settings."""
    return field.default if field.default_factory is MISSING else field.default_factory()


@dataclass(frozen=True)
class MethodSettings:
    """Settings that all methods share; a method adds its own.

    Attributes:
        network: Encoders, fusion and trunk.
        encodes: Modalities that encoders run on in training: mask (the visible ones) or present
            (all that a sample has).
        smoothing: Label smoothing of the task loss.
        dice: Weight of the Dice loss next to the cross-entropy where every pixel or voxel has a
            class; by default 1 for volumes and 0 for images.
    """

    name: ClassVar[str]
    """Name in the list of methods."""

    summary: ClassVar[str]
    """One line for help texts and tables."""

    recipes: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Named settings: what each recipe changes in the defaults of the fields."""

    needs_classes: ClassVar[bool] = False
    """Whether its equations need one class per sample or pixel: no numbers, labels or order."""

    network: Network = field(default_factory=Network)
    encodes: Literal["mask", "present"] = "mask"
    smoothing: float = 0.0
    dice: float | None = field(default=None, kw_only=True)

    @property
    def version(self) -> int:
        """Number that is raised when the same weights begin to predict something else."""
        return 1

    @property
    def method_class(self) -> type[Method]:
        """Class of the method."""
        from dmrnet.methods.base import Method

        return Method

    def representation(self, channels: int) -> RepresentationHead:
        """Return the head between fusion and predictor.

        Args:
            channels: Number of channels of the fused map.
        """
        from dmrnet.nn.representation import Point

        return Point(channels)

    def build(self, task: Task) -> Method:
        """Return the method for a task, freshly initialised from torch's global generator."""
        raise TypeError(f"{type(self).__name__} does not define build")

    def assemble(
        self,
        task: Task,
        parts: NetworkParts,
        terms: Sequence[Term] = (),
        head: RepresentationHead | None = None,
    ) -> Method:
        """Return the method of the given parts.

        Args:
            task: Task of the method.
            parts: Encoders, fusion and predictor.
            terms: Terms of the loss besides the task loss.
            head: Head between fusion and predictor; by default a new one.
        """
        self.check_target(task)
        head = self.representation(parts.channels) if head is None else head
        return self.method_class(
            task,
            encoders=parts.encoders,
            fusion=parts.fusion,
            predictor=parts.predictor,
            representation=head,
            terms=terms,
            encodes=self.encodes,
            smoothing=self.smoothing,
            dice=self.task_dice(task),
        )

    def task_dice(self, task: Task) -> float | None:
        """Return the weight of the Dice loss within the task loss; None for the default."""
        return self.dice if task.dense else None

    def check_target(self, task: Task) -> None:
        """Check that the method supports the target of the task.

        Raises:
            ValueError: If it cannot; the message names methods that can.
        """
        from dmrnet.methods import methods_without_classes

        if task.target == "classes":
            return
        if self.needs_classes:
            raise ValueError(
                f"the equations of {self.name} need classes, but the task is {task.target}; use "
                f"one of {', '.join(methods_without_classes())}"
            )
        if self.smoothing:
            raise ValueError(
                f"expected smoothing 0 for {task.target}, since label smoothing spreads a class "
                f"over others; got {self.smoothing}"
            )

    def prerequisite_run(self) -> str | None:
        """Return the folder of a finished run to use as the prerequisite (a teacher), if set."""
        return None

    @classmethod
    def recipe(cls, recipe: str, **changes: Any) -> Self:  # noqa: ANN401
        """Return the settings of a recipe, with some fields changed.

        Args:
            recipe: Name of a recipe.
            changes: New values of fields, by name.

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
