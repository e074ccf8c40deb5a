"""The promises of every method as a test class, for methods inside and outside this package.

A package that offers a method proves it with one class in a test file of its own (needs pytest)::

    from dmrnet.testing import MethodTests


    class TestGated(MethodTests):
        name = "gated"

The method is then built for tasks of one to ten modalities, vectors, sequences, images and volumes.
Its outputs are finite under every combination; what is absent, NaN included, changes neither them
nor a gradient; nothing is random at inference; each modality is encoded once, on the rows that have
it; it is saved, loaded, copied and exported; training lowers its loss. A method that is for some
tasks only names them in `MethodCase.tasks`; a promise that a method is not to keep is set to None.
"""

from __future__ import annotations

import pytest

# Before they are imported: a failed assertion then shows the values that it compared.
pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("absence", "modules", "outputs", "steps", "training"))
)

from dmrnet.testing.absence import AbsenceTests  # noqa: E402
from dmrnet.testing.batches import SMALL, TASKS, random_batch, task_of  # noqa: E402
from dmrnet.testing.case import MethodCase  # noqa: E402
from dmrnet.testing.modules import ModuleTests  # noqa: E402
from dmrnet.testing.outputs import OutputTests  # noqa: E402
from dmrnet.testing.training import TrainingTests  # noqa: E402

__all__ = ["SMALL", "TASKS", "MethodCase", "MethodTests", "random_batch", "task_of"]


class MethodTests(OutputTests, AbsenceTests, ModuleTests, TrainingTests):
    """Every promise of a method; a subclass names it, and `tasks` where it is not for all."""
