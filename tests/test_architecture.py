"""The shape of the package: which layer may import which, and what an import may cost.

The arrows are read from the source, so an import inside a function or behind ``TYPE_CHECKING``
counts as much as one at the top of a file.
"""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.sources import imports

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "src" / "dmrnet"
LONGEST_MODULE = 450
LARGEST_ROOM = 15
ONE_A_SYSTEM = {"methods"}
"""Rooms with a file for each system, however many there are."""

# Lowest of all, without torch, so that the command line may import them too.
FOR_ALL = {"extras", "hints", "lazy", "locking", "registry", "storage", "text", "untrusted"}
_METHODS = {"methods", "objectives", "nn", "modalities", "targets"}
_ENGINE = _METHODS | {"data", "evaluation", "confidence", "settings"}
# Layer -> the layers it may import, besides itself. A new layer needs a line here.
MAY_IMPORT: dict[str, set[str]] = {
    "extras": set(),
    "hints": set(),
    "lazy": set(),
    "locking": set(),
    "registry": {"hints", "text"},
    "storage": set(),
    "text": set(),
    "untrusted": set(),
    "modalities": set(),
    # What a task predicts: outputs, loss, predictions.
    "targets": {"modalities"},
    "data": {"modalities", "targets"},
    "evaluation": {"modalities", "targets"},
    "confidence": {"modalities", "targets"},
    "nn": {"modalities", "targets"},
    # A term reads what the parts return (Fused, Representation, Output); no part knows a term.
    "objectives": {"nn", "modalities", "targets"},
    "methods": _METHODS - {"methods"},
    "settings": {"data", "methods", "modalities"},
    # Run folders are read as files: a report knows nothing of what made them.
    "report": set(),
    "engine": _ENGINE,
    "peers": _ENGINE | {"engine"},
    "studies": _ENGINE | {"engine", "report", "peers"},
    "deploy": _ENGINE | {"engine", "report"},
    "serve": {"data", "deploy", "engine"},
    "explore": {
        "data",
        "deploy",
        "engine",
        "confidence",
        "modalities",
        "targets",
        "report",
        "serve",
    },
    "api": _ENGINE | {"engine", "report", "studies", "deploy"},
    "sklearn": {"api", "data"},
    # The tests of methods, for packages that offer one.
    "testing": _METHODS,
}
MAY_IMPORT["cli"] = set(MAY_IMPORT)
MAY_IMPORT["__main__"] = {"cli"}

LIGHTNING = {"lightning", "lightning_fabric", "pytorch_lightning"}
# What must not be loaded before a command knows that it needs it.
HEAVY = ("torch", "torchvision", "lightning", "timm", "torchmetrics", "matplotlib", "pytest")


class Import(NamedTuple):
    """One import of one dotted name, at one line."""

    module: str
    line: int


def imports_in(source: str, package: str) -> Iterator[Import]:
    """Yield every import in a module that lies in `package`, relative ones made absolute."""
    for node in imports(source):
        match node:
            case ast.Import(names=names):
                yield from (Import(name.name, node.lineno) for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                parents = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*parents, *([module] if module else [])])
                # `from dmrnet import nn` names a layer; `from dmrnet.nn import Head` does not.
                if base == "dmrnet":
                    yield from (Import(f"dmrnet.{name.name}", node.lineno) for name in names)
                else:
                    yield Import(base, node.lineno)
                    if base == "torch":
                        yield from (Import(f"torch.{name.name}", node.lineno) for name in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield Import(module, node.lineno)


def objection(layer: str, module: str) -> str | None:
    """Say why `layer` may not import `module`, or None where it may."""
    root, *rest = module.split(".")
    if root in LIGHTNING and layer != "engine":
        return "only engine may import Lightning"
    if root in LIGHTNING - {"lightning"}:
        return "Lightning has two import names and they do not mix: use lightning.pytorch"
    if root == "pytest" and layer != "testing":
        return "only testing may import pytest"
    if layer == "modalities" and module.startswith("torch.nn"):
        return "modalities has no torch.nn"
    if root != "dmrnet" or rest[:1] == ["__version__"]:
        return None
    if not rest or rest[0] not in MAY_IMPORT:
        return "inside the package a name is imported from where it lives, not from its face"
    if rest[0] not in {layer, *FOR_ALL, *MAY_IMPORT[layer]}:
        allowed = ", ".join(sorted(FOR_ALL | MAY_IMPORT[layer]))
        return f"{layer} may import {allowed}"
    return None


def violations(package: Path) -> list[str]:
    """List every import under `package` that goes against the arrows."""
    found = []
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        layer = place.parts[0].removesuffix(".py")
        if layer == "__init__":
            continue  # the face: it names what lives in any layer, lazily
        if layer not in MAY_IMPORT:
            found.append(f"{place}: the layer {layer!r} has no line in MAY_IMPORT")
            continue
        dotted = ".".join(["dmrnet", *place.parts[:-1]])
        for module, line in imports_in(path.read_text(encoding="utf-8"), dotted):
            if reason := objection(layer, module):
                found.append(f"{place}:{line}: imports {module}; {reason}")
    return found


def test_imports_follow_the_arrows() -> None:
    assert violations(PACKAGE) == []


def test_the_arrows_make_no_circle() -> None:
    order = list(TopologicalSorter(MAY_IMPORT).static_order())
    assert max(map(order.index, (*FOR_ALL, "modalities"))) < min(map(order.index, ("data", "nn")))
    assert order.index("cli") > order.index("studies") > order.index("engine")


@pytest.mark.parametrize(
    ("place", "source", "expected"),
    [
        pytest.param("nn/fusion.py", "from dmrnet.methods import build", "nn may import", id="up"),
        pytest.param(
            "data/mfeat.py", "import dmrnet.engine.fit", "data may import", id="plain-import"
        ),
        pytest.param(
            "evaluation/scores.py",
            "def f():\n    from dmrnet.data import mfeat",
            "scores.py:2",
            id="in-a-function",
        ),
        pytest.param(
            "objectives/kl.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dmrnet.data import Rows",
            "kl.py:3",
            id="for-types-only",
        ),
        pytest.param("nn/deep/head.py", "from ...data import mfeat", "dmrnet.data", id="relative"),
        pytest.param("nn/head.py", "import dmrnet.objectives", "nn may", id="part-to-term"),
        pytest.param("nn/head.py", "from .. import data", "dmrnet.data", id="relative-layer"),
        pytest.param("nn/head.py", "from dmrnet import data", "dmrnet.data", id="layer-by-name"),
        pytest.param("nn/head.py", "from dmrnet import Batch", "its face", id="through-the-face"),
        pytest.param("nn/head.py", "import dmrnet", "its face", id="the-whole-package"),
        pytest.param(
            "nn/head.py",
            "import importlib\nimportlib.import_module('dmrnet.cli')",
            "head.py:2",
            id="by-string",
        ),
        pytest.param(
            "methods/dmr.py", "import lightning.pytorch as pl", "only engine", id="lightning"
        ),
        pytest.param(
            "cli/fit.py", "from lightning import Trainer", "only engine", id="lightning-in-cli"
        ),
        pytest.param(
            "engine/fit.py", "import pytorch_lightning", "do not mix", id="the-other-lightning"
        ),
        pytest.param("engine/fit.py", "import pytest", "only testing", id="pytest"),
        pytest.param("modalities/names.py", "from torch import nn", "torch.nn", id="torch.nn"),
        pytest.param("hints.py", "import dmrnet.modalities", "hints may", id="from-the-bottom"),
        pytest.param("helpers/stuff.py", "", "no line in MAY_IMPORT", id="unknown-layer"),
        pytest.param("helpers.py", "", "no line in MAY_IMPORT", id="unknown-module"),
    ],
)
def test_a_forbidden_import_is_found(
    tmp_path: Path, place: str, source: str, expected: str
) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    found = violations(tmp_path)
    assert len(found) == 1
    assert expected in found[0]


def test_what_the_arrows_allow_is_let_through(tmp_path: Path) -> None:
    allowed = {
        "__init__.py": "from dmrnet.methods import build",
        "__main__.py": "from dmrnet.cli import program",
        "cli/fit.py": "from dmrnet import __version__, engine\nfrom ..report import page",
        "engine/fit.py": "import lightning.pytorch as pl\nfrom dmrnet.methods.dmr import DMR",
        "methods/dmr.py": "from torch import nn\nfrom dmrnet.nn.head import Head\nfrom . import sf",
        "nn/head.py": "import torch.nn\nfrom dmrnet import hints, modalities",
    }
    for place, source in allowed.items():
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(source)
    assert violations(tmp_path) == []


def test_no_module_is_too_long() -> None:
    lines = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert lines
    assert {name: n for name, n in lines.items() if n > LONGEST_MODULE} == {}


def test_no_room_is_too_full() -> None:
    modules = Counter(path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    full = {room: n for room, n in modules.items() if n - 1 > LARGEST_ROOM}
    assert full.keys() <= ONE_A_SYSTEM


def test_no_two_modules_need_each_other() -> None:
    """Of what is imported first; an import inside a function may point back."""
    modules = {
        ".".join(["dmrnet", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): imports(path.read_text(encoding="utf-8"))
        for path in PACKAGE.rglob("*.py")
    }
    needs: dict[str, set[str]] = {}
    for name, nodes in modules.items():
        # What stands in a block or a function does not begin its line.
        first = [node for node in nodes if not node.col_offset]
        at_once = [node for node in first if isinstance(node, ast.ImportFrom)]
        given = {f"{node.module}.{one.name}" for node in at_once for one in node.names}
        needs[name] = {one if one in modules else one.rpartition(".")[0] for one in given} - {name}
    assert len(list(TopologicalSorter(needs).static_order())) >= len(modules)


EVERY_METHOD = "from dmrnet.methods import METHODS, method; [method(name) for name in METHODS]"


@pytest.mark.parametrize(
    "statement",
    [
        "import dmrnet",
        *(f"import dmrnet.{room}" for room in ("cli", "data", "engine", "methods", "report")),
        "import dmrnet.settings, dmrnet.studies",
        EVERY_METHOD,
    ],
)
def test_it_loads_nothing_heavy(statement: str) -> None:
    script = f"import sys; {statement}; print(*sorted(sys.modules.keys() & set({HEAVY!r})))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_help_answers_in_half_a_second() -> None:
    """Of a processor: how long other processes keep it busy is not the command's to say."""
    seconds = []
    # The best of a few; one quick answer is proof enough.
    while len(seconds) < 6 and min(seconds, default=1.0) > 0.5:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "dmrnet", "--help"], capture_output=True, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert "quickstart" in done.stdout
    assert min(seconds) <= 0.5, f"dmrnet --help took {min(seconds):.2f} s at best"
