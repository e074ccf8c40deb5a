"""Data given in Python, which settings name by a key while this process holds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from weakref import WeakSet

from dmrnet.data.files.arrays.labels import Choice
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.volumes.options import OwnVolumes

_GIVEN: dict[str, WeakSet[GivenData]] = {}


class GivenData(Source, ABC):
    """Data given in Python, which settings name by a key while this process holds them.

    Attributes:
        path: Name of the data.
        kinds: Layout of modalities whose shape is ambiguous.
        absent: Number that stands for an absent block, by modality.
        target: What labels are.
        labels: Names of the columns of labels, or ordered classes.
        volumes: How volumes with a class for every voxel are cut and scored.
    """

    kinds: dict[str, str]
    absent: Mapping[str, float] = MappingProxyType({})
    target: Choice = "auto"
    labels: list[str] | None = None
    volumes: OwnVolumes = OwnVolumes()

    @property
    def stated(self) -> tuple[object, ...]:
        """Settings of the labels that differ from the defaults, for fingerprints."""
        own = () if self.volumes == OwnVolumes() else (self.volumes,)
        auto = self.target == "auto" and self.labels is None
        return own if auto else (self.target, self.labels, *own)

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hexadecimal digits that depend on the content of the data."""

    @property
    def key(self) -> str:
        """Name and fingerprint: a run goes on only with equal data."""
        key = f"{self.path}-{self.fingerprint}"
        _GIVEN.setdefault(key, WeakSet()).add(self)
        return key


def given(key: str) -> GivenData:
    """Return the data of a `GivenData.key`.

    Raises:
        FileNotFoundError: If this process does not hold it.
    """
    data = next(iter(_GIVEN.get(key, ())), None)
    if data is None:
        raise FileNotFoundError(
            f"the data {key} were given in Python and are not here; give them again, e.g. "
            "run.evaluate(data)"
        )
    return data
