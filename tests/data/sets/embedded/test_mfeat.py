"""mfeat: the packaged file, its split, and samples that lack something."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib.resources import files

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from tests.data.contract import DatasetContract, identities

from dmrnet.data.sets.embedded.mfeat import MODALITIES, TWINS, Mfeat, views

# sha256 over names, types, shapes and values; LICENSES/mfeat.txt and tools/make_mfeat.py have it.
CONTENT = "84e8288d7541c0f28e2b42bfdc20a87876a5c2824b6c828276681fc911b57cb1"


class TestMfeat(DatasetContract):
    def splits(self, seed: int):
        return Mfeat().load(seed)


class TestMfeatWithGaps(DatasetContract):
    def splits(self, seed: int):
        return Mfeat(train=0.3, val=0.1, train_missing=0.5).load(seed)


class TestSomeViews(DatasetContract):
    def splits(self, seed: int):
        return Mfeat(modalities=["mor", "pix"], train_missing=0.3).load(seed)


def test_views_are_chosen_in_an_order_and_the_split_is_the_same() -> None:
    whole, some = Mfeat().raw(1).train, Mfeat(modalities=["mor", "pix"]).raw(1).train
    assert some.task.modalities == ("mor", "pix")
    assert torch.equal(whole.target, some.target)
    rows = torch.arange(len(whole))
    for name in some.task.modalities:
        assert torch.equal(whole.take(rows).inputs[name], some.take(rows).inputs[name])
    with pytest.raises(ValueError, match="there is no 'mro'; did you mean 'mor'"):
        Mfeat(modalities=["mro"]).raw(0)


def test_the_packaged_file_holds_what_was_published() -> None:
    digest = hashlib.sha256()
    with np.load(
        str(files("dmrnet.data.sets.embedded") / "files" / "mfeat.npz"), allow_pickle=False
    ) as archive:
        assert archive.files == [*MODALITIES, "y"]
        for name in archive.files:
            array = archive[name]
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
    assert digest.hexdigest() == CONTENT


def test_the_views_are_the_ones_described() -> None:
    task, arrays, target = views()
    assert [(m.name, m.kind, m.shape) for m in task.inputs] == [
        ("fou", "vector", (76,)),
        ("fac", "vector", (216,)),
        ("kar", "vector", (64,)),
        ("pix", "image", (1, 16, 15)),
        ("zer", "vector", (47,)),
        ("mor", "vector", (6,)),
    ]
    assert task.classes == tuple("0123456789")
    assert target.tolist() == [digit for digit in range(10) for _ in range(200)]
    # The first numbers of the published files.
    assert arrays["fou"][0, :3].tolist() == pytest.approx([0.065882, 0.19731, 0.10383])
    assert arrays["fac"][0, :3].tolist() == [98, 236, 531]
    assert arrays["mor"][0].tolist() == pytest.approx([1, 0, 0, 133.15, 1.3117, 1620.2])
    # A zero is a ring: dark at the rim, light in the middle. Read row by row, that is what it is.
    zero = arrays["pix"][:200, 0].mean(0)
    assert zero[6:10, 6:9].mean() < 1 < 3 < zero[1, 5:10].mean()
    assert zero[6:10, 1:3].mean() > 1 > zero[0, 0]


def test_the_digits_that_stand_twice_are_all_known() -> None:
    _, arrays, target = views()
    flat = torch.cat([arrays[name].flatten(1) for name in MODALITIES], 1).numpy()
    rows: dict[bytes, list[int]] = {}
    for number, row in enumerate(flat):
        rows.setdefault(row.tobytes(), []).append(number)
    twice = sorted(tuple(numbers) for numbers in rows.values() if len(numbers) > 1)
    assert tuple(twice) == TWINS
    assert all(target[one] == target[other] for one, other in TWINS)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_split_is_exact_in_every_class(seed: int) -> None:
    splits = Mfeat().load(seed)
    assert splits.train.target.bincount().tolist() == [120] * 10
    assert splits.val.target.bincount().tolist() == [40] * 10
    assert splits.test.target.bincount().tolist() == [40] * 10
    rows = [int(sample) for part in splits.parts().values() for sample in part.samples]
    assert sorted(rows) == list(range(2000))
    assert {str(row) for pair in TWINS for row in pair} <= set(splits.train.samples)


def test_samples_are_the_published_rows() -> None:
    _, arrays, target = views()
    test = Mfeat().raw(3).test
    rows = torch.tensor([int(sample) for sample in test.samples])
    for name in MODALITIES:
        assert torch.equal(test.arrays[name], arrays[name][rows])
    assert torch.equal(test.target, target[rows])


def test_a_split_seed_holds_the_split_still() -> None:
    one, other = (Mfeat(split_seed=5, train_missing=0.2).load(seed) for seed in (0, 1))
    assert one.train.samples == other.train.samples
    assert identities(one.train, 100) == identities(other.train, 100)
    assert identities(one.train, 100) != identities(Mfeat(train_missing=0.2).load(0).train, 100)


@pytest.mark.parametrize("missing", [0.1, 0.5, 0.8])
def test_the_share_asked_for_is_removed_from_training_only(missing: float) -> None:
    splits = Mfeat(train_missing=missing).load(0)
    gone = 1 - splits.train.present.double().mean(0)
    # 1200 rows: the standard error is 0.014 at the most.
    assert (gone - missing).abs().max() < 0.06
    assert abs(float(gone.mean()) - missing) < 0.025
    assert splits.train.present.any(1).all()
    assert splits.val.present.all()
    assert splits.test.present.all()
    assert any("removed from training" in note for note in splits.notes)


def test_gaps_are_the_distribution_of_drawing_again() -> None:
    """How many modalities a row keeps, against numpy: each kept at rate r, empty rows redrawn."""
    present = torch.cat([Mfeat(train_missing=0.6).load(seed).train.present for seed in range(4)])
    rng = np.random.default_rng(0)
    # r / (1 - (1 - r)^6) = 0.4 at r = 0.38043, found by trying.
    rate = min(np.linspace(0, 1, 200_001)[1:], key=lambda r: abs(r / (1 - (1 - r) ** 6) - 0.4))
    table = rng.random((200_000, 6)) < rate
    expected = np.bincount(table[table.any(1)].sum(1), minlength=7) / table.any(1).sum()
    found = present.sum(1).bincount(minlength=7).numpy() / len(present)
    assert np.abs(found - expected).max() < 0.03


def test_standardiser_is_that_of_the_present_training_rows() -> None:
    raw, done = Mfeat(train_missing=0.4).raw(0), Mfeat(train_missing=0.4).load(0)
    for column, name in enumerate(MODALITIES):
        there = raw.train.arrays[name][raw.train.present[:, column]].numpy().astype(np.float64)
        axes = tuple(axis for axis in range(there.ndim) if axis != 1)
        mean, std = there.mean(axes), there.std(axes)
        std = np.where(std < 1e-12, 1, std)
        shape = (1, -1, *[1] * (there.ndim - 2))
        expected = (raw.test.arrays[name].numpy() - mean.reshape(shape)) / std.reshape(shape)
        np.testing.assert_allclose(done.test.arrays[name].numpy(), expected, atol=1e-5)


def test_it_can_be_learnt() -> None:
    splits = Mfeat().load(0)
    train, test = (
        torch.cat([part.arrays[name].flatten(1) for name in MODALITIES], 1).numpy()
        for part in (splits.train, splits.test)
    )
    model = LogisticRegression(max_iter=200, C=0.1).fit(train, splits.train.target)
    assert model.score(test, splits.test.target) > 0.96


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Mfeat(train=0.8, val=0.2), "together below 1"),
        (Mfeat(train=0.0), "above 0"),
        (Mfeat(val=-0.1), "above 0"),
        (Mfeat(train_missing=0.9), "below 0.833"),
        (Mfeat(train_missing=-0.1), "from 0"),
    ],
)
def test_wrong_settings_are_refused(settings: Mfeat, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings.load(0)


def test_settings_are_plain() -> None:
    assert json.loads(json.dumps(asdict(Mfeat()))) == asdict(Mfeat())


def test_settings_are_read_without_torch() -> None:
    modules = "dmrnet.data, dmrnet.data.sets.embedded.mfeat, dmrnet.data.sets.arrays"
    script = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=paths)
