"""The list of data sets, and the public names of the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dmrnet.data
from dmrnet.data.registry import DATASETS, data_class
from dmrnet.data.sets.base import DataSettings


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_can_be_loaded_by_name(name: str) -> None:
    settings = data_class(name)
    assert settings.__name__.lower() == name.replace("-", "")
    assert issubclass(settings, DataSettings)
    assert "Attributes:" in (settings.__doc__ or "")


def test_an_unknown_data_set_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown data set 'mfeats'; did you mean 'mfeat'"):
        data_class("mfeats")


def test_every_public_name_is_found_and_seen_by_type_checkers() -> None:
    eager = {"DATASETS", "DataSettings", "data_class"}
    assert set(dmrnet.data.__all__) == {*dmrnet.data._HOME, *eager}
    for name in dmrnet.data.__all__:
        assert getattr(dmrnet.data, name) is not None
    block = Path(dmrnet.data.__file__).read_text().split("if TYPE_CHECKING:")[1].split("__all__")[0]
    seen: dict[str, str] = {}
    for module, names in re.findall(r"from (\S+) import (.*)", block):
        seen |= dict.fromkeys(names.split(", "), module)
    assert seen == dmrnet.data._HOME
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dmrnet.data.nothing  # noqa: B018
