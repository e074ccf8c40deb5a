"""The data sets inside the package: their files, their splits, and small versions of them."""

from __future__ import annotations

import hashlib
import json
import runpy
import sys
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from tests.data.contract import DatasetContract, identities

from dmrnet.data.registry import data_class
from dmrnet.data.sets.embedded.base import Embedded
from dmrnet.data.sets.embedded.cancer import Cancer
from dmrnet.data.sets.embedded.ionosphere import Ionosphere
from dmrnet.data.sets.embedded.libras import Libras
from dmrnet.data.sets.embedded.mfeat import Mfeat
from dmrnet.data.sets.embedded.quadrants import Quadrants

TOOLS = Path(__file__).parents[4] / "tools"
SETS = {
    "cancer": (569, 2, {"mean": (10,), "error": (10,), "worst": (10,)}),
    "ionosphere": (350, 2, {"in_phase": (1, 17), "quadrature": (1, 17)}),
    "landsat": (6435, 6, dict.fromkeys(("green", "red", "nir1", "nir2"), (1, 3, 3))),
    "libras": (330, 15, {"horizontal": (1, 45), "vertical": (1, 45)}),
    "pendigits": (10992, 10, {"horizontal": (1, 8), "vertical": (1, 8)}),
    "quadrants": (1797, 10, dict.fromkeys(("nw", "ne", "sw", "se"), (1, 4, 4))),
    "segment": (2086, 7, {"place": (2,), "edges": (6,), "colour": (10,)}),
    "spambase": (4203, 2, {"words": (48,), "characters": (6,), "capitals": (3,)}),
}
"""Rows, classes, and the shape of each modality."""


@pytest.fixture(scope="module")
def sources():
    """What the tool that makes the files has recorded of each."""
    sys.path.insert(0, str(TOOLS))
    try:
        return runpy.run_path(str(TOOLS / "make_sets.py"))["SOURCES"]
    finally:
        sys.path.remove(str(TOOLS))


def content_digest(path: str) -> str:
    digest = hashlib.sha256()
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            array = archive[name]
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("name", SETS)
def test_the_packaged_file_holds_what_was_published(name: str, sources) -> None:
    path = str(files("dmrnet.data.sets.embedded") / "files" / f"{name}.npz")
    assert content_digest(path) == sources[name].content
    licence = (TOOLS.parent / "LICENSES" / "uci.txt").read_text()
    assert sources[name].content in licence
    assert sources[name].digest in licence


@pytest.mark.parametrize("name", SETS)
def test_it_has_the_rows_and_modalities_described(name: str) -> None:
    rows, classes, shapes = SETS[name]
    whole = data_class(name)().published()
    assert {m.name: m.shape for m in whole.task.inputs} == shapes
    assert len(whole.task.classes) == classes
    assert sorted(set(whole.target.tolist())) == list(range(classes))
    flat = torch.cat([whole.arrays[name].flatten(1) for name in shapes], 1).numpy()
    assert flat.shape[0] == rows
    # None is there twice, so that none is in two splits.
    assert len(np.unique(flat, axis=0)) == rows


@pytest.mark.parametrize("name", SETS)
def test_the_split_is_half_a_fifth_and_three_tenths_of_every_class(name: str) -> None:
    settings = data_class(name)()
    assert isinstance(settings, Embedded)
    splits, size = settings.raw(0), settings.published().target.bincount()
    for role, share in {"train": 0.5, "val": 0.2, "test": 0.3}.items():
        part = splits.parts()[role]
        counts = part.target.bincount(minlength=len(size))
        assert ((counts - share * size).abs() <= 2).all()
    rows = [int(sample) for part in splits.parts().values() for sample in part.samples]
    assert sorted(rows) == list(range(int(size.sum())))


@pytest.mark.parametrize("name", SETS)
def test_settings_are_plain(name: str) -> None:
    settings = data_class(name)()
    assert json.loads(json.dumps(asdict(settings))) == asdict(settings)


class TestQuadrants(DatasetContract):
    def splits(self, seed: int):
        return Quadrants().load(seed)


class TestQuadrantsAsVectorsWithGaps(DatasetContract):
    def splits(self, seed: int):
        return Quadrants(form="vectors", train_missing=0.4, rows=100).load(seed)


class TestCancer(DatasetContract):
    def splits(self, seed: int):
        return Cancer().load(seed)


class TestLibras(DatasetContract):
    def splits(self, seed: int):
        return Libras().load(seed)


class TestIonosphere(DatasetContract):
    def splits(self, seed: int):
        return Ionosphere(modalities=["quadrature", "in_phase"]).load(seed)


def test_quadrants_put_together_are_the_digits() -> None:
    part, published = Quadrants().raw(0).test, load_digits()
    rows = [int(sample) for sample in part.samples]
    nw, ne, sw, se = (part.arrays[name] for name in part.task.modalities)
    whole = torch.cat([torch.cat([nw, ne], 3), torch.cat([sw, se], 3)], 2)
    assert np.array_equal(whole[:, 0].numpy(), published.images[rows])
    assert part.target.tolist() == published.target[rows].tolist()


def test_vectors_are_the_images_row_by_row() -> None:
    images, vectors = Quadrants().raw(0).val, Quadrants(form="vectors").raw(0).val
    for name in images.task.modalities:
        assert torch.equal(images.arrays[name].flatten(1), vectors.arrays[name])
    assert [m.kind for m in vectors.task.inputs] == ["vector"] * 4


def test_cancer_is_three_groups_of_the_published_table() -> None:
    part, published = Cancer().raw(0).train, load_breast_cancer()
    rows = [int(sample) for sample in part.samples]
    for group, name in enumerate(("mean", "error", "worst")):
        table = published.data[rows, 10 * group : 10 * group + 10]
        np.testing.assert_allclose(part.arrays[name].numpy(), table, rtol=1e-6)
        assert published.feature_names[10 * group].startswith(name) or group == 1
    names = published.target_names[published.target[rows]].tolist()
    assert [part.task.classes[label] for label in part.target.tolist()] == names


# The beginning of the first row of the files, as printed there, and where each number belongs.
FIRST = {
    # Four bands of one pixel after the other, three pixels a line.
    "landsat": {
        "green": [92, 84, 84, 101, 92, 84, 102, 88, 84],
        "nir2": [94, 79, 83, 103, 85, 81, 104, 100, 87],
    },
    # The third number, of pixels, is left out.
    "segment": {"place": [218, 178], "edges": [0.11111111, 0, 0.8333327, 0.54772234]},
    "pendigits": {
        "horizontal": [47, 27, 57, 26, 0, 56, 100, 40],
        "vertical": [100, 81, 37, 0, 23, 53, 90, 98],
    },
    "libras": {"horizontal": [0.79691, 0.79691, 0.79884], "vertical": [0.38194, 0.37731]},
    "ionosphere": {"in_phase": [1, 0.995, 0.852], "quadrature": [0, -0.059, 0.023]},
    "spambase": {"words": [0, 0.64, 0.64], "capitals": [3.756, 61, 278]},
}


@pytest.mark.parametrize("name", FIRST)
def test_numbers_are_in_their_modality_and_in_order(name: str) -> None:
    arrays = data_class(name)().published().arrays
    for modality, numbers in FIRST[name].items():
        found = arrays[modality][0].flatten()[: len(numbers)].tolist()
        assert found == pytest.approx(numbers)


def test_classes_are_those_of_the_published_numbers() -> None:
    """What each class must look like: skies are bright and high up, grass is low and green."""
    whole = data_class("segment")().published()
    mean = {
        name: torch.cat([whole.arrays["place"], whole.arrays["colour"]], 1)[
            whole.target == label
        ].mean(0)
        for label, name in enumerate(whole.task.classes)
    }
    lines, brightness = ({n: float(m[k]) for n, m in mean.items()} for k in (1, 2))
    assert max(brightness, key=brightness.get) == "sky"
    assert min(lines, key=lines.get) == "sky"
    assert max(lines, key=lines.get) == "grass"
    # More than there is on average: of red, blue and green, in this order.
    assert mean["grass"][6:9].argmax() == 2


# ---- small versions ------------------------------------------------------------------------


class TestFewRows(DatasetContract):
    def splits(self, seed: int):
        return Mfeat(rows=300, modalities=["mor", "pix"]).load(seed)


def test_fewer_rows_are_some_of_the_training_and_validation_rows() -> None:
    whole, few = Mfeat().raw(2), Mfeat(rows=300).raw(2)
    assert few.train.target.bincount().tolist() == [30] * 10
    assert few.val.target.bincount().tolist() == [10] * 10
    assert few.test.fingerprint() == whole.test.fingerprint()
    for role in ("train", "val"):
        mine, all_of_them = few.parts()[role], whole.parts()[role]
        assert set(mine.samples) < set(all_of_them.samples)
        rows = [all_of_them.samples.index(sample) for sample in mine.samples]
        assert rows == sorted(rows)
        for name in mine.task.modalities:
            assert torch.equal(mine.arrays[name], all_of_them.arrays[name][rows])
    assert "limited to 300 of 1200 training rows and 100 of 400 validation rows" in few.notes[-1]
    assert whole.notes == few.notes[:-1]


def test_fewer_rows_are_standardised_by_themselves() -> None:
    few = Quadrants(form="vectors", rows=60).load(0).train
    mean = few.arrays["nw"].double().mean(0)
    assert mean.abs().max() < 1e-6


def test_all_rows_are_no_limit() -> None:
    whole = Cancer().load(0)
    same = Cancer(rows=len(whole.train)).load(0)
    assert identities(whole.train) == identities(same.train)
    assert whole.notes == same.notes


@pytest.mark.parametrize("rows", [0, 9, 1201])
def test_wrong_numbers_of_rows_are_refused(rows: int) -> None:
    with pytest.raises(ValueError, match=f"expected 10, one per class, to 1200, .* got {rows}"):
        Mfeat(rows=rows).load(0)
