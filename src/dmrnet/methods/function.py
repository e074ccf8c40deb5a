"""Methods that a function builds: settings for a function from a task to a `Method`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from dmrnet.methods.settings import MethodSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task

Build = Callable[["Task"], "Method"]
"""Function that builds a method for a task, with weights drawn from torch's global generator."""


@dataclass(frozen=True)
class FunctionSettings(MethodSettings):
    """Settings of a method that a function builds, which reads none of them."""

    build_with: ClassVar[Callable[..., Any]]

    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}}

    def build(self, task: Task) -> Method:
        """Return the method for a task.

        Raises:
            TypeError: If the function returns something else.
            ValueError: If a setting is changed, since the function would not see it.
        """
        from dmrnet.methods.base import Method

        if self != type(self)():
            raise ValueError(
                f"method {self.name} is built by a function, which reads no settings and no "
                "encoders; set them there, or register a subclass of MethodSettings"
            )
        built = type(self).build_with(task)
        if not isinstance(built, Method):
            raise TypeError(
                f"expected the function of method {self.name} to return a Method, got "
                f"{type(built).__name__}"
            )
        return built


@cache
def settings_of_function(name: str, build: Build) -> type[MethodSettings]:
    """Return the settings class of a method that a function builds."""
    summary = (build.__doc__ or "built by a function").partition("\n")[0].rstrip(".")
    content = {"name": name, "summary": summary, "build_with": staticmethod(build)}
    kind = type(FunctionSettings.__name__, (FunctionSettings,), content)
    kind.__doc__, kind.__module__ = MethodSettings.__doc__, FunctionSettings.__module__
    return dataclass(frozen=True)(kind)
