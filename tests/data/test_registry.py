"""The list of data sets, and the public names of the package."""

from __future__ import annotations

import pytest

from dmrnet.data.registry import DATASETS, data_class
from dmrnet.data.sets.base import DataSettings
from dmrnet.settings.options import options_of


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_can_be_loaded_by_name(name: str) -> None:
    settings = data_class(name)
    assert settings.__module__.rpartition(".")[2] == name.replace("-", "_")
    assert settings.__name__.lower().startswith(name.replace("-", ""))
    assert issubclass(settings, DataSettings)
    assert all(option.help for option in options_of(settings))


def test_an_unknown_data_set_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown data set 'mfeats'; did you mean 'mfeat'"):
        data_class("mfeats")
