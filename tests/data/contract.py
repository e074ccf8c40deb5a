"""What every data set promises, as a test class that each one's tests inherit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import pytest
import torch

from dmrnet.data.loader import evaluation_batches

if TYPE_CHECKING:
    from torch import Tensor

    from dmrnet.data.dataset import Dataset, Splits
    from dmrnet.modalities import Batch, Modality

ROLES = ("train", "val", "test")


def content(part: Dataset, most: int | None = None) -> dict[str, Tensor]:
    """Return everything in a split, or its first rows, by plain taking of one after the other."""
    rows = [part.take(torch.tensor([row])) for row in range(len(part))[:most]]
    return {name: torch.cat([row.inputs[name] for row in rows]) for name in part.task.modalities}


def as_bytes(inputs: Mapping[str, Tensor]) -> list[bytes]:
    """Return the content of each row as bytes, to be compared."""
    return [row.tobytes() for row in torch.cat([x.flatten(1) for x in inputs.values()], 1).numpy()]


def identities(part: Dataset, most: int | None = None) -> list[bytes]:
    """Return each sample's content, or that of the first, as bytes."""
    return as_bytes(content(part, most))


@cache
def first(tests: type[DatasetContract]) -> Splits:
    """Return the splits of seed 0, loaded once for all tests of a class."""
    return tests().splits(0)


@lru_cache(maxsize=3)
def plain(tests: type[DatasetContract], role: str) -> dict[str, Tensor]:
    """Return the content of a split of seed 0, taken row by row once for all tests of a class."""
    return content(first(tests).parts()[role])


@lru_cache(maxsize=3)
def together(tests: type[DatasetContract], role: str) -> Batch:
    """Return the batch of all rows of a split of seed 0, taken once for all tests of a class."""
    part = first(tests).parts()[role]
    return part.take(torch.arange(len(part)))


class DatasetContract:
    """Inherit, and give `splits(seed)`, with a test split.

    `seeded` is False where the rows of the splits do not depend on the seed.
    """

    seeded = True

    def splits(self, seed: int) -> Splits:
        """Return the splits as training sees them."""
        raise NotImplementedError

    def targets(self, part: Dataset) -> Tensor:
        """Return the target of each sample, as batches have it."""
        return part.target

    def classes(self, part: Dataset) -> set[int]:
        """Return the classes that a split has."""
        return set(part.target.tolist())

    def shape(self, part: Dataset, modality: Modality) -> tuple[int, ...]:
        """Return the shape of a modality of one sample."""
        return modality.shape

    @pytest.fixture
    def loaded(self) -> Splits:
        return first(type(self))

    @pytest.fixture(params=ROLES)
    def role(self, request: pytest.FixtureRequest) -> str:
        role: str = request.param
        return role

    @pytest.fixture
    def part(self, role: str, loaded: Splits) -> Dataset:
        return loaded.parts()[role]

    def test_splits_share_one_task(self, loaded: Splits) -> None:
        assert {part.task for part in loaded.parts().values()} == {loaded.train.task}
        assert tuple(loaded.parts()) == ROLES
        assert all(isinstance(note, str) and note for note in loaded.notes)

    def test_taking_rows_is_indexing(self, role: str, part: Dataset) -> None:
        whole, targets = plain(type(self), role), self.targets(part)
        rows = torch.randperm(len(part), generator=torch.Generator().manual_seed(0))[:17]
        rows = torch.cat([rows, rows[:2]])
        batch = part.take(rows)
        assert tuple(batch.inputs) == part.task.modalities
        assert batch.mask is None
        assert batch.where is None
        for place, row in enumerate(rows.tolist()):
            for name in part.task.modalities:
                assert torch.equal(batch.inputs[name][place], whole[name][row])
            assert torch.equal(batch.present[place], part.present[row])
            assert torch.equal(batch.target[place], targets[row])
            assert batch.index[place] == row

    def test_shapes_and_types_are_those_of_the_task(self, role: str, part: Dataset) -> None:
        batch = together(type(self), role)
        for modality in part.task.inputs:
            assert batch.inputs[modality.name].dtype == torch.float32
            assert batch.inputs[modality.name].shape == (
                len(part),
                *self.shape(part, modality),
            )
            assert batch.inputs[modality.name].isfinite().all()
        assert part.present.dtype == torch.bool
        assert part.present.shape == (len(part), len(part.task.modalities))
        assert part.present.any(1).all()

    def test_what_is_absent_is_zero(self, role: str, part: Dataset) -> None:
        batch = together(type(self), role)
        for column, name in enumerate(part.task.modalities):
            assert not batch.inputs[name][~part.present[:, column]].any()

    def test_targets_are_classes(self, role: str, part: Dataset) -> None:
        assert part.target.dtype == torch.int64
        assert part.target.shape == (len(part),)
        assert set(part.target.tolist()) <= set(range(len(part.task.classes)))

    def test_training_has_every_class_and_modality(self, loaded: Splits) -> None:
        assert self.classes(loaded.train) == set(range(len(loaded.train.task.classes)))
        assert loaded.train.present.any(0).all()

    def test_training_rows_are_standardised(self, loaded: Splits) -> None:
        part, batch = loaded.train, together(type(self), "train")
        for column, name in enumerate(part.task.modalities):
            there = batch.inputs[name][part.present[:, column]].double()
            across = [axis for axis in range(there.dim()) if axis != 1]
            deviation = there.var(across, correction=0).sqrt()
            assert there.mean(across).abs().max() < 1e-5
            assert ((deviation - 1).abs().minimum(deviation) < 1e-4).all()

    def test_no_sample_is_in_two_splits(self, loaded: Splits) -> None:
        found = {role: set(as_bytes(plain(type(self), role))) for role in loaded.parts()}
        assert not found["train"] & found["val"]
        assert not found["train"] & found["test"]
        assert not found["val"] & found["test"]

    def test_the_same_seed_gives_the_same(self, loaded: Splits) -> None:
        again = self.splits(0)
        for role, part in loaded.parts().items():
            assert as_bytes(plain(type(self), role)) == identities(again.parts()[role])
            assert torch.equal(part.present, again.parts()[role].present)
            assert torch.equal(self.targets(part), self.targets(again.parts()[role]))
        assert loaded.notes == again.notes

    def test_another_seed_gives_another_split(self, loaded: Splits) -> None:
        if not self.seeded:
            pytest.skip("its splits are files")
        other = self.splits(1)
        for role, part in (("train", other.train), ("val", other.val)):
            assert as_bytes(plain(type(self), role))[:20] != identities(part, 20)

    def test_evaluation_sees_every_row_once(self, part: Dataset) -> None:
        """By three processes; that it does not depend on their number is the loader's promise."""
        seen = [batch.index for rank in range(3) for batch in evaluation_batches(part, 50, rank, 3)]
        assert torch.equal(torch.cat(seen).sort().values, torch.arange(len(part)))


class DenseContract(DatasetContract):
    """The same, where every pixel has a class or, as -1, none."""

    def targets(self, part: Dataset) -> Tensor:
        return torch.cat([part.take(torch.tensor([row])).target for row in range(len(part))])

    def classes(self, part: Dataset) -> set[int]:
        return set(part.pixels.sum(0).nonzero().flatten().tolist())

    def test_targets_are_classes(self, role: str, part: Dataset) -> None:
        super().test_targets_are_classes(role, part)
        targets = together(type(self), role).target
        height, width = self.shape(part, part.task.inputs[0])[1:]
        assert part.task.dense
        assert targets.dtype == torch.int64
        assert targets.shape == (len(part), height, width)
        assert set(targets.unique().tolist()) <= {-1, *range(len(part.task.classes))}

    def test_pixels_of_each_class_are_counted(self, loaded: Splits) -> None:
        for role in ("val", "test"):
            part, labels = loaded.parts()[role], together(type(self), role).target
            counts = [(labels == label).sum((1, 2)) for label in range(len(part.task.classes))]
            assert torch.equal(part.pixels, torch.stack(counts, 1))
            assert torch.equal(part.target, part.pixels.argmax(1))
