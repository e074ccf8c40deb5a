"""What goes wrong where every pixel has a class, through the command: one line that says what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.data.made import cwfid as fields

from dmrnet.cli import main

if TYPE_CHECKING:
    from .conftest import Cli

SMALL = ["--data.tile", "32", "--data.tiles", "4", "--method.network.width", "16"]
QUICK = ["--method", "sf-md", "--threads", "1", "--max-epochs", "1"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return made files in the published layout, what is prepared of them, and a finished run."""
    folder = tmp_path_factory.mktemp("pixels")
    found = {"published": fields.make(folder / "published"), "root": folder / "root"}
    source = ["--source", str(found["published"]), "--root", str(found["root"])]
    assert main(["data", "prepare", "cwfid", *source]) == 0
    found["run"] = folder / "run"
    data = ["--data", "cwfid", "--data.root", str(found["root"])]
    assert main(["fit", *data, *SMALL, *QUICK, "--out", str(found["run"])]) == 0
    return found


def picture(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], object]:
    """Return what changes a picture of the published folder."""

    def harm(folder: Path) -> None:
        with Image.open(folder / name) as opened:
            values = np.asarray(opened).copy()
        Image.fromarray(change(values)).save(folder / name)

    return harm


def put(place: Any, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values[place] = value
        return values

    return change


PHOTOGRAPH, ANNOTATION = "images/002_image.png", "annotations/002_annotation.png"
LIST = "train_test_split.yaml"

# What is done to the published folder, and what `dmrnet data prepare cwfid` says of it.
BAD_PICTURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no list of the splits": (
        lambda folder: (folder / LIST).unlink(),
        "found no train_test_split.yaml (looked for train_test_split.yaml) in",
    ),
    "a list without test images": (
        lambda folder: (folder / LIST).write_text("train: [2, 3]\n"),
        "expected lists of numbers under train and test, found none under test",
    ),
    "a photograph missing": (
        lambda folder: (folder / PHOTOGRAPH).unlink(),
        "so nothing was made: 1 images: 002_image.png (is missing). Mend them, or go on without "
        "them with bad='skip' (--bad)",
    ),
    "a photograph cut off": (
        lambda folder: (folder / PHOTOGRAPH).write_bytes((folder / PHOTOGRAPH).read_bytes()[:300]),
        "002_image.png (is not a readable picture",
    ),
    "a photograph of another size": (
        picture(PHOTOGRAPH, lambda values: values[:-1]),
        "002_image.png (is 69 x 90, where most are 70 x 90)",
    ),
    "channels that are not red, infrared, red": (
        picture(PHOTOGRAPH, put((3, 4, 2), 7)),
        "002_image.png (expected red in the first and third channel",
    ),
    "a colour of no class": (
        picture(ANNOTATION, put((0, slice(2)), (0, 0, 255))),
        "002_annotation.png (expected black, green and red alone, got 2 pixels of other colours, "
        "(0, 0, 255) among them)",
    ),
}


@pytest.mark.parametrize(("harm", "said"), BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_bad_pictures(cli: Cli, tmp_path: Path, harm: Callable[[Path], object], said: str) -> None:
    source = fields.make(tmp_path / "published")
    harm(source)
    result = cli("data", "prepare", "cwfid", "--source", source, "--root", tmp_path / "root")
    refused(result, said)
    # The list of what is damaged, and nothing that could be trained on.
    listed = ["cwfid.rejected.txt"] if "missing or damaged" in result.err else []
    assert [path.name for path in tmp_path.glob("root/cwfid*")] == listed


# Shapes of the arrays of a file, and what `dmrnet predict RUN --input` says of it.
BAD_IMAGES: dict[str, tuple[dict[str, tuple[int, ...]], str]] = {
    "images of two sizes": (
        {"red": (2, 40, 50), "nir": (2, 50, 40)},
        "expected images of one size for all modalities, got red 40 x 50, nir 50 x 40",
    ),
    "other channels": (
        {"red": (2, 3, 40, 50)},
        "modality red: expected images (n, 1, H, W) or (n, H, W, 1), or (n, H, W), got "
        "(n, 3, 40, 50)",
    ),
    "no images": ({"red": (2, 40)}, "modality red: expected images (n, 1, H, W)"),
    "a modality that training never had": (
        {"blue": (2, 40, 50)},
        "training had no modality 'blue', so nothing is known of it",
    ),
    "images that do not agree in number": (
        {"red": (2, 40, 50), "nir": (3, 40, 50)},
        "nir has 3 rows but red has 2",
    ),
}


@pytest.mark.parametrize(("shapes", "said"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_bad_images(
    cli: Cli,
    places: dict[str, Path],
    tmp_path: Path,
    shapes: dict[str, tuple[int, ...]],
    said: str,
) -> None:
    np.savez(tmp_path / "bad.npz", **{name: np.ones(shape) for name, shape in shapes.items()})
    words = ["--input", tmp_path / "bad.npz", "--out", tmp_path / "maps"]
    result = cli("predict", places["run"], *words)
    refused(result, said)
    assert "bad.npz" in result.err
    assert not (tmp_path / "maps").exists()


# Arguments of `dmrnet`; {published}, {root} and {run} are folders.
BAD_PIXEL_COMMANDS: dict[str, tuple[str, str]] = {
    "not prepared": (
        "fit --data cwfid --data.root nowhere",
        "nowhere/cwfid.npz is not there); prepare it with: dmrnet data prepare cwfid --source DIR",
    ),
    "not where the published files are": (
        "data prepare cwfid --source {published}/images --root out",
        "found no train_test_split.yaml",
    ),
    "a tile larger than the images": (
        "fit --data cwfid --data.root {root} --data.tile 80",
        "expected a tile of at most 70, the shorter side of images of 70 x 90, got 80",
    ),
    "a tile that cannot be halved four times": (
        "fit --data cwfid --data.root {root} --data.tile 50",
        "expected images (or tiles) with a height and width divisible by 16, got 50 x 50",
    ),
    "a method that predicts no pixels": (
        "fit --data cwfid --data.root {root} --data.tile 32 --method ogm-md",
        "the ogm-md network predicts one class per sample, but the task has every pixel",
    ),
    "one map of an encoder": (
        "fit --data cwfid --data.root {root} --data.tile 32 --encoder timm:convnext_atto@1",
        "got timm:convnext_atto@1; dense prediction reads the maps of every level",
    ),
    "an encoder for images of one size": (
        "fit --data cwfid --data.root {root} --data.tile 32 --encoder timm:coat_tiny",
        "timm model coat_tiny cannot read images of 1x48x64",
    ),
    "a method that shares its encoder": (
        "fit --data cwfid --data.root {root} --data.tile 32 --method shaspec "
        "--encoder timm:test_resnet",
        "got a timm backbone; leave encoder at auto",
    ),
    "tiles that the overlaps fill": (
        "evaluate {run} --tile 32",
        "expected tiles of more than 256 pixels a side",
    ),
    "a test file": (
        "evaluate {run} --test x.npz",
        "gives every pixel a class, but files of arrays hold one class per sample",
    ),
    "nothing to predict": (
        "predict {run} --out maps",
        "either --input FILE or --split val or test",
    ),
    "two things to predict": (
        "predict {run} --input x.npz --split test --out maps",
        "either --input FILE or --split val or test",
    ),
    "label maps on the terminal": ("predict {run} --split test", "label maps need --out DIR"),
    "label maps as a table": (
        "predict {run} --split test --out maps.csv",
        "expected a folder for PNGs of label maps, or a name that ends in .npz",
    ),
    "no such combination of images": (
        "predict {run} --split test --out maps --combination rde",
        "unknown modality 'rde'; did you mean 'red'?",
    ),
    "an export": (
        "data export cwfid --data.root {root} --data.tile 32 --out out",
        "cwfid has a class for every pixel, but files of arrays hold one class per sample",
    ),
    "angles between pixels": (
        "evaluate {run} --analyse angles",
        "every pixel has a class of its own",
    ),
}


@pytest.mark.parametrize(("words", "said"), BAD_PIXEL_COMMANDS.values(), ids=BAD_PIXEL_COMMANDS)
def test_bad_commands(
    cli: Cli,
    places: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(cli(*(word.format(**places) for word in words.split())), said.format(**places))


def refused(result: Any, said: str) -> None:
    assert result.code == 2
    *before, line = result.err.splitlines()
    # Progress of preparing is printed before.
    assert not any(text.startswith("dmrnet: error") for text in before)
    assert line.startswith("dmrnet: error: ")
    assert said in line
