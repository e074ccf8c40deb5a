"""The method that is trained where none is named. This file alone decides which.

Over the data sets of ``dmrnet study winner``, which have one class per sample, `experts` is ahead
of `sf-md` trained as long: beyond chance in the average over combinations, less surely in the worst
one (``docs/results/winner.md``). Nothing was compared like this for other tasks: they get the
paper's system. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from dmrnet.methods import METHODS, method
from dmrnet.methods.settings import MethodSettings, default_of
from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task

AUTO = "auto"
"""Name of a method that the task decides: that of a run which names none."""

AHEAD, PAPERS, PLAIN = "experts", "dmrnet", "sf-md"
"""The method that won the comparison, the paper's, and one that supports every task."""


class Default(NamedTuple):
    """A method that was chosen, and why."""

    method: str
    reason: str

    def __str__(self) -> str:
        """Return one line: the method, the reason, and how to choose another."""
        return (
            f"{self.method} (no method named: {self.reason}); set method (--method) to take another"
        )


def default_method(task: Task, own_fusion: bool = False) -> Default:
    """Return the method that is trained on a task if none is named.

    Args:
        task: Modalities, and what is predicted.
        own_fusion: Whether the network's fusion is the user's.

    >>> from dmrnet.modalities import Modality, Task
    >>> task = Task((Modality("a", "vector", (4,)),), ("no", "yes"))
    >>> default_method(task).method
    'experts'
    """
    from dmrnet.modalities.combinations import MAX_TABLE

    one_class = task.target == "classes" and not task.dense
    if one_class and not own_fusion:
        return Default(AHEAD, "ahead at equal cost where each sample has one class")
    if (modalities := len(task.modalities)) > MAX_TABLE:
        return Default(PLAIN, f"{PAPERS} is for up to {MAX_TABLE} modalities, got {modalities}")
    if own_fusion:
        return Default(PAPERS, f"{AHEAD} has a fusion of its own, and you gave one")
    return Default(PAPERS, "the paper's; methods were compared for one class per sample only")


def for_recipe(name: str, recipe: str) -> str:
    """Return a method's name; with another recipe than best, `AUTO` is the paper's system.

    >>> [for_recipe(*of) for of in (("auto", "best"), ("auto", "paper"), ("dmr", "paper"))]
    ['auto', 'dmrnet', 'dmr']
    """
    return PAPERS if name == AUTO and recipe != "best" else name


def owners(setting: str) -> list[str]:
    """Return the methods of this package that have a setting of this name.

    >>> owners("beta")
    ['dmrnet']
    """
    own = filter(METHODS.is_builtin, METHODS)
    return [name for name in own if setting in {field.name for field in fields(method(name))}]


@dataclass(frozen=True)
class DefaultSettings(SFMDSettings):
    """Settings of a run that names no method: those that every possible default has.

    Attributes:
        encodes: Modalities that encoders run on in training: mask (the visible ones) or present
            (all that a sample has); by default as the method has it.
    """

    name: ClassVar[str] = AUTO
    summary: ClassVar[str] = f"{AHEAD} where each sample has one class, otherwise {PAPERS}"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}}

    encodes: Literal["mask", "present"] | None = None  # type: ignore[assignment]

    def for_task(self, task: Task) -> tuple[MethodSettings, Default]:
        """Return the settings of the method for a task, and why it is this one."""
        chosen = default_method(task, self.network.fusion != "auto")
        return self.of(chosen.method), chosen

    def of(self, name: str) -> MethodSettings:
        """Return the settings of a method, with those that were set here."""
        changed = {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) != default_of(field)
        }
        return method(name).recipe("best", **changed)

    def build(self, task: Task) -> Method:
        """Return the method for a task."""
        return self.for_task(task)[0].build(task)
