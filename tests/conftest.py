"""What every test shares: one thread, no window, and the same random numbers each time."""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import os
import random
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Read by torch and numpy when they are imported, and inherited by the processes that tests start.
# One thread each: two test processes share two cores, and sums come out in the same order.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
# Threads that wait sleep: where two test processes share two cores, spinning ones take turns.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Figures are drawn without a screen.
os.environ["MPLBACKEND"] = "Agg"

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

if TYPE_CHECKING:
    from tests.report.chromium import Chromium

# Bytecode is kept: every test process, and those that tests start, import the same files again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No test ends the machine, and waiting for the disk is a third of a small training.
os.fsync = lambda _: None

# What is imported and collected stays; garbage collection would go through it again and again.
gc.disable()

# No deadline: the first example pays for imports. Derandomised: a build fails for what changed,
# not for the examples it happened to draw; HYPOTHESIS_PROFILE=explore searches afresh.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(profile := os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
if profile == "repeatable":
    # Hypothesis would read every module for constants to draw: a second or more, and other examples
    # whenever a number stands in the source that did not.
    providers._get_local_constants = lambda: providers._local_constants


def pytest_collection_finish() -> None:
    """Collect garbage from now on, but only what tests make; seed only the CPU if that is all."""
    gc.freeze()
    gc.enable()
    # Whole collections go through all that tests import late: a fourth as many will do.
    gc.set_threshold(3_000, 10, 10)
    torch = sys.modules.get("torch")
    if torch is not None and not torch.cuda.is_available():
        # It would also note, with the whole stack, to seed three kinds of devices later.
        torch.manual_seed = torch.default_generator.manual_seed
    trainer = "lightning.pytorch.trainer.connectors.callback_connector"
    if (connector := sys.modules.get(trainer)) is not None:
        # Each trainer would read about every installed package, whether it offers callbacks.
        connector._load_external_callbacks = lambda _: []


TESTS = Path(__file__).parent


class FromTheEnd:
    """Collects the files of tests from the last to the first, and returns them in the usual order.

    The package comes after them as ever: where pytest itself is the first to import a module, there
    can be two of it.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if isinstance(collector, pytest.Directory) and collector.path.is_relative_to(TESTS):
            report.result.reverse()
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        tests = [item for item in items if item.path.is_relative_to(TESTS)]
        files = itertools.groupby(tests, lambda item: item.getparent(pytest.File))
        usual = reversed([list(of_file) for _, of_file in files])
        items[: len(tests)] = itertools.chain.from_iterable(usual)


def pytest_configure(config: pytest.Config) -> None:
    """Let the second process start elsewhere than the first.

    In a fresh environment a file is compiled when it is first imported; two processes in step would
    compile every file of the tests, and of the packages that they import, twice.
    """
    everything = config.args == config.getini("testpaths")
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1" and everything:
        config.pluginmanager.register(FromTheEnd())
        for name in (
            "scipy.stats",
            "sklearn.model_selection",
            "pandas",
            "sympy",
            "matplotlib.pyplot",
        ):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


SHARED = {
    "forked": ("tests.forked", "from tests import forked"),
    "prepared": ("tests.data.made.prepared",),
    "exported": ("files: Files",),
    "sources": ("from tests.sources",),
}
"""What takes seconds to make once a process, by words in the modules that share it."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Give modules that share something to one process, of two that share the tests."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    root, groups = Path(__file__).parent, {}
    for path in root.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for group, words in SHARED.items():
            if any(one in text for one in words):
                groups[path.relative_to(root.parent).as_posix()] = group

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return groups.get(nodeid.partition("::")[0]) or super()._split_scope(nodeid)

    return Together(config, log)


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Seed the global generators, so that a test's result does not depend on those before it."""
    random.seed(0)
    # Not imported here: a test of files alone need not wait for torch.
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.manual_seed(0)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(0)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let figures of reports be empty, where a test looks at neither: drawing takes longest."""
    monkeypatch.setattr("dmrnet.report.figures.drawing.figure.to_svg", lambda *_: "<svg></svg>")
    monkeypatch.setattr("dmrnet.report.figures.drawing.figure.to_png", lambda *_: b"")


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """Return headless Chromium, which stays open; tests that ask for it are skipped without."""
    from tests.report.chromium import Chromium, find

    if (binary := find()) is None:
        pytest.skip("no Chromium on this machine")
    one = Chromium(binary)
    yield one
    assert not one.process.poll()
    one.close()
