"""Writing splits as files that `arrays` reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmrnet.data.dataset import ArrayDataset, Splits
from dmrnet.data.files.export import export
from dmrnet.data.sets.arrays import Arrays
from dmrnet.data.sets.embedded.mfeat import Mfeat
from dmrnet.modalities import Modality, Task

SOME = ["fou", "pix", "mor"]


@pytest.mark.parametrize("exact", [True, False])
def test_mfeat_comes_back_from_its_files(tmp_path, exact: bool) -> None:
    settings = Mfeat(train=0.2, val=0.1, train_missing=0.3, modalities=SOME)
    raw, loaded = settings.raw(0), settings.load(0)
    paths = export(raw if exact else loaded, tmp_path / "out")
    assert list(paths) == ["train", "val", "test"]
    back = Arrays(*(str(path) for path in paths.values()))
    for role, part in back.raw(5).parts().items():
        original = raw.parts()[role]
        assert part.task == original.task
        assert part.samples == original.samples
        assert torch.equal(part.present, original.present)
        assert torch.equal(part.target, original.target)
        for name in SOME:
            if exact:
                assert torch.equal(part.arrays[name], original.arrays[name])
            else:
                scale = original.arrays[name].abs().max()
                assert torch.allclose(
                    part.arrays[name], original.arrays[name], rtol=1e-5, atol=float(scale) * 1e-6
                )
    for role, part in back.load(5).parts().items():
        for name in SOME:
            assert torch.allclose(
                part.arrays[name], loaded.parts()[role].arrays[name], atol=1e-3 * (not exact)
            )


def small(classes=("no", "yes"), name="file", target=(0, 1, 1)) -> Splits:
    task = Task((Modality(name, "vector", (2,)),), classes)
    part = ArrayDataset(
        task, {name: torch.ones(3, 2)}, torch.ones(3, 1, dtype=torch.bool), torch.tensor(target)
    )
    return Splits("small", part, part, None)


def test_a_file_of_the_user_stays(tmp_path) -> None:
    (tmp_path / "val.npz").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"val\.npz exists"):
        export(small(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["val.npz"]
    assert export(small(), str(tmp_path), overwrite=True)["val"].stat().st_size > 100


@pytest.mark.parametrize(
    ("classes", "kind"), [(("no", "yes"), "U"), (("-1", "7"), "i"), (("01", "2"), "U")]
)
def test_labels_keep_their_names(tmp_path, classes, kind) -> None:
    """Also a modality called "file", which numpy.savez cannot write."""
    paths = export(small(classes), tmp_path)
    assert set(paths) == {"train", "val"}
    with np.load(paths["train"]) as archive:
        assert archive["y"].dtype.kind == kind
        assert archive["file"].tolist() == [[1, 1]] * 3
    found = Arrays(str(paths["train"]), str(paths["val"])).raw(0)
    assert found.train.task.classes == classes
    assert found.train.target.tolist() == [0, 1, 1]


def test_splits_that_cannot_be_written_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="under the name 'present'"):
        export(small(name="present"), tmp_path)
    with pytest.raises(ValueError, match="no label"):
        export(small(target=(0, 1, -1)), tmp_path)
