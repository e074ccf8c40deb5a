"""What a stranger meets first: the wheel, the commands that the pages name, the public names."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import dmrnet
from dmrnet.data.registry import DATASETS
from dmrnet.engine.scores.own_metrics import METRICS
from dmrnet.methods import METHODS
from dmrnet.nn.encoders.own import ENCODERS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "dmrnet"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LARGEST_FILE = 100 * 1024
# Packages whose public names are imported on first use.
LAZY = ["dmrnet", *(f"dmrnet.{name}" for name in ("data", "engine", "evaluation", "report"))]
LARGE_FILES = {f"src/dmrnet/data/sets/embedded/files/{name}.npz" for name in ("mfeat", "pendigits")}
# README first; the built pages under docs/_build are not sources.
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]


def by_path(page: Path) -> str:
    return str(page.relative_to(ROOT))


def shell_lines(text: str) -> list[str]:
    """The commands of every ```console or ```bash block, continued lines joined."""
    blocks = re.findall(r"```(?:console|bash|sh)\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ").strip() for line in lines]


# ---- the wheel -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    sources = {
        f"dmrnet/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    packed = {name for name in wheel.namelist() if name.startswith("dmrnet/")}
    assert packed == sources


@pytest.mark.parametrize("kind", ["py.typed", "data/sets/embedded/files/mfeat.npz", ".html.j2"])
def test_the_wheel_holds_what_is_not_python(wheel: zipfile.ZipFile, kind: str) -> None:
    assert [name for name in wheel.namelist() if name.endswith(kind)]


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (place,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(place).decode())
    assert metadata["Name"] == "dmrnet"
    assert metadata["Version"] == dmrnet.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Apache-2.0" in metadata["License-Expression"]
    assert set(metadata.get_all("Provides-Extra")) >= {"all", "hdf5", "ray", "sweep"}
    entry_points = wheel.read(place.replace("METADATA", "entry_points.txt")).decode()
    assert "dmrnet = dmrnet.cli:program" in entry_points


def test_the_wheel_carries_its_licences(wheel: zipfile.ZipFile) -> None:
    licences = [name for name in wheel.namelist() if ".dist-info/licenses/" in name]
    ours = ["LICENSE", *(by_path(path) for path in (ROOT / "LICENSES").glob("*"))]
    assert len(ours) > 1, "the embedded data has a licence of its own"
    assert {name.split("/licenses/")[1] for name in licences} == set(ours)


# ---- pyproject and its neighbours ----------------------------------------------------------


@pytest.mark.parametrize("extra", ["dev", "docs"])
def test_the_tools_are_pinned(extra: str) -> None:
    # scikit-learn and pandas are what the tests compare with, not tools; the package's own
    # extras decode what the tests make.
    loose = {"scikit-learn", "pandas", "dmrnet"}
    for requirement in PROJECT["optional-dependencies"][extra]:
        name = re.split(r"[=<>~!\[ ]", requirement)[0]
        assert name in loose or "==" in requirement, requirement


def test_the_extra_all_is_all() -> None:
    extras = PROJECT["optional-dependencies"]
    (everything,) = extras["all"]
    named = set(re.search(r"\[(.*)\]", everything).group(1).split(","))
    assert named == set(extras) - {"all", "dev", "docs", "imml"}


def test_lightning_releases_with_malware_are_shut_out() -> None:
    (lightning,) = (line for line in PROJECT["dependencies"] if line.startswith("lightning"))
    assert lightning == "lightning>=2.6.6,<3"


def test_the_citation_names_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^version: {re.escape(dmrnet.__version__)}$", citation, re.MULTILINE)


def test_no_tracked_file_is_large() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: a source archive has no list of tracked files")
    paths = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert paths
    large = {name for name in paths if (ROOT / name).stat().st_size > LARGEST_FILE}
    # Rows of some twenty systems and several seeds, each with every combination; their page and
    # its figure, which has a dot for each system and data set.
    kept = (
        "results/winner/",
        "results/peers/rows/",
        "docs/results/winner.md",
        "docs/images/winner",
    )
    rows = {name for name in large if name.startswith(kept)}
    assert all((ROOT / name).stat().st_size < 40 * LARGEST_FILE for name in rows)
    assert large - rows <= LARGE_FILES


# ---- the pages -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=by_path)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=by_path)
def test_make_verbs_on_the_pages_exist(page: Path) -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    text = page.read_text(encoding="utf-8")
    used = {line.split()[1] for line in shell_lines(text) if line.startswith("make ")}
    used |= set(re.findall(r"`make ([a-z-]+)", text))
    assert used <= targets


@pytest.mark.parametrize("verb", ["quickstart", "test"])
def test_the_readme_names_the_two_commands(verb: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"make {verb}" in shell_lines(readme)


LONG = ("deploy.md", "explore.md")
"""Pages whose Python takes seconds."""


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=by_path(page), marks=[pytest.mark.slow] * (page.name in LONG))
        for page in PAGES
    ],
)
def test_python_on_the_pages_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # What a page registers is forgotten after it.
    for registry in (METHODS, DATASETS, ENCODERS, METRICS):
        monkeypatch.setattr(registry, "_paths", dict(registry._paths))
        monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, by_path(page), "exec"), {})


def test_commands_on_the_pages_exist() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dmrnet", "--help"], capture_output=True, text=True, check=True
    )
    lines = [line for page in PAGES for line in shell_lines(page.read_text(encoding="utf-8"))]
    used = {line.split()[1] for line in lines if line.startswith("dmrnet ")}
    assert used >= {"fit", "evaluate", "predict", "report"}
    assert used <= set(re.findall(r"[a-z]+", done.stdout))


def packages() -> set[str]:
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"cli", "api"}


def test_every_package_has_its_reference() -> None:
    folder = ROOT / "docs" / "reference"
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (folder / "python").iterdir()}
    assert set(pages) == packages() | {"dmrnet", "sklearn"}
    for name in packages():
        assert f".. automodule:: dmrnet.{name}\n   :members:\n" in pages[name]
    index = (folder / "python.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^python/(\w+)$", index, re.MULTILINE)) == set(pages)


def test_what_is_public_is_on_its_page() -> None:
    page = (ROOT / "docs" / "public-api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(dmrnet.__all__)
    (exported,) = re.findall(r"\*\*Names that a package exports\*\*(.*?)\n\n", page, re.DOTALL)
    assert set(re.findall(r"`dmrnet\.(\w+)`", exported)) == packages() | {"sklearn"}
    for name in packages():
        assert importlib.import_module(f"dmrnet.{name}").__all__
    (groups,) = re.findall(r"\*\*Entry points\*\*.*", page)
    registries = (METHODS, DATASETS, ENCODERS, METRICS)
    assert re.findall(r"`([\w.]+)`", groups) == [registry.group for registry in registries]


# ---- the public names ----------------------------------------------------------------------


@pytest.mark.parametrize("name", LAZY)
def test_every_public_name_is_found_and_seen_by_type_checkers(name: str) -> None:
    package = importlib.import_module(name)
    assert set(package._HOME) <= set(package.__all__) <= set(dir(package))
    for public in package.__all__:
        assert getattr(package, public) is not None
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: line.module
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    assert seen == package._HOME


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Bacth'; it has Batch"):
        _ = dmrnet.Bacth
