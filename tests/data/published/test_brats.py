"""Preparing brats: every layout, what is missing or damaged, and what the arrays hold."""

from __future__ import annotations

import gzip
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.data.made import brats as made

from dmrnet.data.brats.layout import Case, find_cases
from dmrnet.data.files.cache import read_cache
from dmrnet.data.published import brats as module
from dmrnet.data.published.preparation import prepare

NEW = {2018: False, 2020: False, 2023: True}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory):
    """Return the made files of a year; not to be changed."""
    folder = tmp_path_factory.mktemp("brats")

    @cache
    def of(year: int) -> Path:
        return made.make(folder / str(year), year)

    return of


@pytest.fixture
def copy(published, tmp_path: Path) -> Path:
    """The files of 2020, to be damaged."""
    shutil.copytree(published(2020), tmp_path / "source")
    return tmp_path / "source"


def read(root: Path) -> dict[str, np.ndarray]:
    return read_cache("brats", str(root), 1)[0]


def case_of(arrays: dict[str, np.ndarray], row: int, role: str) -> np.ndarray:
    """Return a modality or the classes of one case, its axes in the order of the file."""
    flat = arrays[role][arrays["first"][row] : arrays["first"][row + 1]]
    return flat.reshape(arrays["shape"][row]).transpose(2, 1, 0)


def standardised(case: int, name: str) -> np.ndarray:
    """What a modality of a made case is to become, computed slice by slice."""
    values = made.intensities(case, name).astype(np.float64)
    brain = values[made.brain(case)]
    return (brain - brain.mean()) / brain.std()


@pytest.mark.parametrize("year", made.CASES)
def test_each_layout_gives_what_its_files_hold(published, tmp_path: Path, year: int) -> None:
    lines: list[str] = []
    prepare("brats", [published(year)], tmp_path, log=lines.append)
    arrays = read(tmp_path)
    order = sorted(range(6), key=lambda case: made.CASES[year][case].split("/")[-1].lower())
    assert arrays["name"].tolist() == [made.CASES[year][case].split("/")[-1] for case in order]
    assert arrays["year"] == year
    assert arrays["present"].all()
    assert arrays["labelled"].all()
    for row, case in enumerate(order):
        box = made.brain(case)
        for name in made.MODALITIES:
            found = case_of(arrays, row, name)
            np.testing.assert_allclose(found, standardised(case, name), atol=2e-3)
        truth = made.labels(case)
        assert np.array_equal(case_of(arrays, row, "labels"), truth[box])
        assert arrays["voxels"][row].tolist() == np.bincount(truth[box].ravel()).tolist()
        assert arrays["start"][row].tolist() == [side.start for side in reversed(box)]
        assert arrays["whole"][row].tolist() == list(reversed(made.SHAPE))
        assert np.array_equal(arrays["affine"][row], made.AFFINE)
    numbers = "0, 1, 2, 3" if NEW[year] else "0, 1, 2, 4"
    people = 5 if NEW[year] else 6
    assert f"layout of BraTS {year}, labels {numbers}: 6 cases of {people} patients" in lines
    assert ("BraTS20_Training_355: W39_1998.09.19_Segm.nii.gz is read as its labels" in lines) == (
        year == 2020
    )
    assert arrays["grade"].tolist() == (
        ["LGG", *["HGG"] * 3, *["LGG"] * 2] if year == 2018 else [""] * 6
    )


def test_neither_case_nor_compression_nor_a_flat_folder_matters(tmp_path: Path) -> None:
    """Names in capitals, files that are not compressed, all cases in one folder."""
    numbers = np.array((0, 1, 2, 4), dtype=np.float32)
    for case, name in enumerate(("BraTS2021_00000", "BraTS2021_00002")):
        for role in made.MODALITIES:
            path = tmp_path / "flat" / f"{name}_{role.upper()}.NII"
            made.write(path, made.intensities(case, role).astype(np.float32))
        made.write(tmp_path / "flat" / f"{name}_Seg.nii", numbers[made.labels(case)])
    (tmp_path / "flat" / "._BraTS2021_00000_flair.nii").write_bytes(b"of a Mac")
    prepare("brats", [tmp_path / "flat"], tmp_path / "root")
    arrays = read(tmp_path / "root")
    assert arrays["name"].tolist() == ["BraTS2021_00000", "BraTS2021_00002"]
    for case in range(2):
        np.testing.assert_allclose(case_of(arrays, case, "t2"), standardised(case, "t2"), atol=2e-3)
        assert arrays["voxels"][case, 3] == (made.labels(case) == 3).sum()


def test_a_missing_modality_is_absent_where_asked(copy: Path, tmp_path: Path) -> None:
    made.file_of(copy, 2020, 1, "t1ce").unlink()
    made.file_of(copy, 2020, 3, "flair").write_bytes(b"no volume at all")
    root = tmp_path / "root"
    with pytest.raises(ValueError, match="2 of the source are missing or damaged") as error:
        prepare("brats", [copy], root)
    said = "BraTS20_Training_002: BraTS20_Training_002_t1ce.nii.gz (is missing)"
    assert said in str(error.value)
    assert "BraTS20_Training_004: BraTS20_Training_004_flair.nii.gz (is not a" in str(error.value)
    prepare("brats", [copy], root, bad="skip")
    arrays = read(root)
    assert arrays["name"].tolist() == [f"BraTS20_Training_{n:03}" for n in (1, 3, 5, 355)]
    assert arrays["left_out"].tolist() == ["BraTS20_Training_002", "BraTS20_Training_004"]
    for row, case in enumerate((0, 2, 4, 5)):
        np.testing.assert_allclose(case_of(arrays, row, "t1"), standardised(case, "t1"), atol=2e-3)
    prepare("brats", [copy], root, bad="absent")
    arrays = read(root)
    assert len(arrays["name"]) == 6
    lost = [[1, 1], [3, 0]]
    assert np.argwhere(~arrays["present"]).tolist() == lost
    assert not case_of(arrays, 1, "t1ce").any()
    # What is absent changes nothing of the rest.
    np.testing.assert_allclose(case_of(arrays, 3, "t1ce"), standardised(3, "t1ce"), atol=2e-3)
    assert arrays["labelled"].all()


def test_lost_labels_leave_a_case_to_predict_where_asked(copy: Path, tmp_path: Path) -> None:
    made.file_of(copy, 2020, 1, "labels").unlink()
    root = tmp_path / "root"
    with pytest.raises(
        ValueError, match=r"1 labels: BraTS20_Training_002: .*_seg.nii.gz \(is missing"
    ):
        prepare("brats", [copy], root)
    prepare("brats", [copy], root, bad="skip")
    assert "BraTS20_Training_002" not in read(root)["name"].tolist()
    lines: list[str] = []
    prepare("brats", [copy], root, bad="absent", log=lines.append)
    arrays = read(root)
    assert np.flatnonzero(~arrays["labelled"]).tolist() == [1]
    assert arrays["voxels"][1].tolist() == [0, 0, 0, 0]
    assert "brats: 6 usable of 6 cases, 1 without labels, to predict only" in lines


def test_a_release_without_labels_is_no_fault(copy: Path, tmp_path: Path) -> None:
    place = copy / "MICCAI_BraTS2020_ValidationData" / "BraTS20_Validation_001"
    for name in made.MODALITIES:
        made.write(place / f"{place.name}_{name}.nii.gz", made.intensities(7, name))
    prepare("brats", [copy], tmp_path / "root")
    arrays = read(tmp_path / "root")
    assert arrays["name"][-1] == "BraTS20_Validation_001"
    assert arrays["labelled"].tolist() == [True] * 6 + [False]


def shape_differs(copy: Path) -> None:
    made.write(made.file_of(copy, 2020, 0, "t1ce"), made.intensities(0, "t1ce")[:-1])


def affine_differs(copy: Path) -> None:
    moved = made.AFFINE.copy()
    moved[1, 3] -= 2
    made.write(made.file_of(copy, 2020, 0, "labels"), made.labels(0) * 0, moved)


def label_of_2023(copy: Path) -> None:
    made.write(made.file_of(copy, 2020, 0, "labels"), made.labels(0))


def coarse(copy: Path) -> None:
    made.write(
        made.file_of(copy, 2020, 0, "t2"),
        made.intensities(0, "t2"),
        made.AFFINE @ np.diag([1, 1, 2, 1]),
    )


def not_finite(copy: Path) -> None:
    values = made.intensities(0, "t1").astype(np.float32)
    values[9, 9, 9] = np.nan
    made.write(made.file_of(copy, 2020, 0, "t1"), values)


def zeros(copy: Path) -> None:
    made.write(made.file_of(copy, 2020, 0, "t1"), made.intensities(0, "t1") * 0)


def constant(copy: Path) -> None:
    made.write(made.file_of(copy, 2020, 0, "t1"), (made.intensities(0, "t1") > 0).astype(np.int16))


def four_axes(copy: Path) -> None:
    made.write(made.file_of(copy, 2020, 0, "t1"), np.ones((4, 4, 4, 2), dtype=np.int16))


def cut_short(copy: Path) -> None:
    path = made.file_of(copy, 2020, 0, "t1")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))


def torn(copy: Path) -> None:
    path = made.file_of(copy, 2020, 0, "t1")
    path.write_bytes(path.read_bytes()[:-20])


def states_too_much(copy: Path) -> None:
    path = made.file_of(copy, 2020, 0, "t1")
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[42:48] = np.array([32767] * 3, dtype="<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(raw)))


def leads_out(copy: Path) -> None:
    path = made.file_of(copy, 2020, 0, "t1")
    outside = copy.parent / "elsewhere.nii.gz"
    path.rename(outside)
    path.symlink_to(outside)


def empty(copy: Path) -> None:
    made.file_of(copy, 2020, 0, "t1").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shape_differs, "t1ce: BraTS20_Training_001: BraTS20_Training_001_t1ce.nii.gz "
                        "(is 19 x 22 x 18, where flair is 20 x 22 x 18)"),
        (affine_differs, "labels: BraTS20_Training_001: BraTS20_Training_001_seg.nii.gz "
                         "(has another affine matrix than flair: they are not aligned)"),
        (label_of_2023, "(expected the labels 0, 1, 2, 4, got 3 in 104 voxels)"),
        (coarse, "(has voxels of 1 x 1 x 2 mm; BraTS has 1 x 1 x 1: resample it)"),
        (not_finite, "t1.nii.gz (holds NaN or infinity)"),
        (zeros, "t1.nii.gz (holds nothing but zeros (20 x 22 x 18))"),
        (constant, "t1.nii.gz (holds one value within the brain, 1)"),
        (four_axes, "t1.nii.gz (expected a volume of three axes, got 4 x 4 x 4 x 2)"),
        (cut_short, "t1.nii.gz (is cut short: 20 x 22 x 18 needs 15840 bytes, it holds 15740)"),
        (torn, "t1.nii.gz (Compressed file ended"),
        (states_too_much, "t1.nii.gz (states a size of 32767 x 32767 x 32767"),
        (leads_out, "t1.nii.gz (leads out of"),
        (empty, "t1.nii.gz (is empty)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_a_fault_is_named_by_case_and_modality(
    damage, said: str, published, tmp_path: Path
) -> None:
    """The first of two cases is damaged, and the other one is kept."""
    source = tmp_path / "source"
    for case in made.CASES[2020][:2]:
        shutil.copytree(published(2020) / case, source / case)
    damage(source)
    with pytest.raises(ValueError, match="1 of the source are missing or damaged") as error:
        prepare("brats", [source], tmp_path / "root")
    assert said in str(error.value)
    prepare("brats", [source], tmp_path / "root", bad="skip")
    assert read(tmp_path / "root")["name"].tolist() == ["BraTS20_Training_002"]


def test_the_label_of_2020_is_none_of_2023(published, tmp_path: Path) -> None:
    shutil.copytree(published(2023), tmp_path / "source")
    numbers = np.array((0, 1, 2, 4), dtype=np.uint8)
    path = made.file_of(tmp_path / "source", 2023, 2, "labels")
    made.write(path, numbers[made.labels(2)])
    with pytest.raises(ValueError, match="expected the labels 0, 1, 2, 3, got 4 in 104 voxels"):
        prepare("brats", [tmp_path / "source"], tmp_path / "root")


def test_a_tumour_outside_of_the_brain_is_kept(copy: Path, tmp_path: Path) -> None:
    labels = made.labels(0)
    labels[0, 0, 0] = 1
    made.write(made.file_of(copy, 2020, 0, "labels"), np.array((0, 1, 2, 4), np.uint8)[labels])
    lines: list[str] = []
    prepare("brats", [copy], tmp_path / "root", log=lines.append)
    arrays = read(tmp_path / "root")
    assert arrays["start"][0].tolist() == [0, 0, 0]
    assert case_of(arrays, 0, "labels")[0, 0, 0] == 1
    assert "BraTS20_Training_001: 1 voxels of its tumour are outside of its brain" in lines


def test_what_is_ambiguous_is_refused(copy: Path, published, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"different years \(BraTS20_Training_001, BraTS-GLI-0000"):
        find_cases([copy, published(2023)])
    with pytest.raises(FileNotFoundError, match="found no cases of BraTS in"):
        find_cases([tmp_path / "nothing"])
    (tmp_path / "again").mkdir()
    shutil.copytree(
        made.file_of(copy, 2020, 0, "t1").parent, tmp_path / "again" / "BraTS20_Training_001"
    )
    with pytest.raises(ValueError, match=r"BraTS20_Training_001 is in .* and in .*; name the one"):
        find_cases([copy, tmp_path / "again"])
    flair = made.file_of(copy, 2020, 2, "flair")
    flair.with_name("BraTS20_Training_003_flair.nii").write_bytes(b"")
    with pytest.raises(ValueError, match=r"are both flair of BraTS20_Training_003; remove one"):
        find_cases([copy])
    flair.with_name("BraTS20_Training_003_flair.nii").unlink()
    made.file_of(copy, 2020, 1, "t1").rename(flair.with_name("BraTS20_Training_002_t1.nii.gz"))
    with pytest.raises(ValueError, match="expected files of BraTS20_Training_003, whose names"):
        find_cases([copy])


def test_an_interrupted_preparation_goes_on(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    decode, root = module.decode_case, tmp_path / "root"

    def counted(files, numbers):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return decode(files, numbers)

    monkeypatch.setattr(module, "decode_case", counted)
    with pytest.raises(KeyboardInterrupt):
        prepare("brats", [copy], root)
    assert not (root / "brats.npz").exists()
    seen: list[tuple[str, int, int]] = []
    prepare("brats", [copy], root, progress=lambda *step: seen.append(step))
    assert len(calls) == 4 + 3
    assert ("cases", 6, 6) in seen
    assert not [path for path in root.iterdir() if path.name.startswith(".")]
    lines: list[str] = []
    prepare("brats", [copy], root, log=lines.append)
    assert "nothing to do" in lines[-1]
    assert len(calls) == 7
    # A file that changed is decoded again, and it alone.
    made.write(made.file_of(copy, 2020, 0, "t1"), made.intensities(9, "t1"))
    prepare("brats", [copy], root)
    arrays = read(root)
    np.testing.assert_allclose(case_of(arrays, 1, "t1"), standardised(1, "t1"), atol=2e-3)
    assert abs(case_of(arrays, 0, "t1").astype(float) - standardised(0, "t1")).max() > 0.5


def test_a_missing_file_has_the_name_that_its_year_gives_it() -> None:
    old = Case("Brats18_2013_2_1", Path("x"), ".nii.gz", {"t2": "t2"})
    new = Case("BraTS-GLI-00000-000", Path("x"), ".nii", {"t2": "t2w"})
    assert old.path("labels").name == "Brats18_2013_2_1_seg.nii.gz"
    assert old.path("t1ce").name == "Brats18_2013_2_1_t1ce.nii.gz"
    assert new.path("t1ce").name == "BraTS-GLI-00000-000-t1c.nii"
    assert new.path("labels").name == "BraTS-GLI-00000-000-seg.nii"
