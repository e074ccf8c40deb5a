"""A test class of one method: how it is built, for which tasks, and batches for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from dmrnet.methods import build_method, method
from dmrnet.methods.base import Method
from dmrnet.methods.function import Build, FunctionSettings
from dmrnet.modalities import Batch, Task
from dmrnet.testing.batches import SMALL, TASKS, random_batch
from dmrnet.testing.steps import made


@cache
def builder(name: str, recipe: str) -> Build:
    """Return the function that builds a method by name, with a small network where it has one."""
    changes = {} if issubclass(method(name), FunctionSettings) else {"network": SMALL}
    return lambda task: build_method(name, task, recipe, **changes)


class MethodCase:
    """Base class of the tests of a method: its tasks, methods made for them, and batches."""

    name: ClassVar[str | None] = None
    """Name of the method, registered or of an entry point."""
    recipe: ClassVar[str] = "best"
    """Recipe of the method."""
    tasks: ClassVar[Mapping[str, Task]] = TASKS
    """Tasks of the tests that run for each."""
    main: ClassVar[str] = "maps"
    """The task of the tests that look at one only."""
    small: ClassVar[str | None] = None
    """The task of exporting and of learning, which take long; `main` if None."""

    @pytest.fixture
    def build(self) -> Build:
        """Return a function from a task to a new method, the same one for every test.

        Override it where `name` and `recipe` do not say enough. Methods that it returned are kept
        and copied, so it should not be made anew for each test.
        """
        if self.name is None:
            raise TypeError(
                f"{type(self).__name__} has no method: set name, or override the fixture build"
            )
        return builder(self.name, self.recipe)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run what has an argument ``task`` for each of the tasks."""
        if "task" in metafunc.fixturenames:
            metafunc.parametrize("task", self.tasks.values(), ids=self.tasks)

    def new(self, build: Build, task: Task | None = None, seed: int = 1) -> Method:
        """Return a method with its prerequisite, the same for the same seed."""
        method = made(build, task or self.tasks[self.main], seed)()
        torch.manual_seed(seed)
        return method

    def batch(self, method: Method, mask: Tensor, present: Tensor | None = None) -> Batch:
        """Return a batch, encoded where the method wants it in training."""
        present = torch.ones_like(mask) if present is None else present
        mask = mask & present
        encode = mask if method.encodes == "mask" else present
        return random_batch(method.task, mask, encode, present)
