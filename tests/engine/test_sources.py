"""Common sources of samples are kept in the order of the predictions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from dmrnet.data.sets.published.digits import Digits
from dmrnet.data.sets.published.watch import Watch
from dmrnet.engine.evaluate import sources_of

INDEX = torch.tensor([2, 0, 1])


def named(*samples):
    return SimpleNamespace(samples=samples)


def test_files_of_a_triple() -> None:
    triples = [f"image:{i} sound:{i}_bo_{i}.wav sign:s/{i}.JPG" for i in range(3)]
    found = sources_of(Digits("root"), named(*triples), INDEX)["source"]
    assert found.tolist() == [[str(i), f"{i}_bo_{i}.wav", f"s/{i}.JPG"] for i in (2, 0, 1)]


def test_people() -> None:
    windows = [f"subject:{i} recording:7 start:0" for i in (4, 5, 4)]
    found = sources_of(Watch("root"), named(*windows), INDEX)["source"]
    assert found.tolist() == ["subject:4", "subject:4", "subject:5"]


def test_names_of_their_own_and_none() -> None:
    found = sources_of(None, named("x", "y", "z"), INDEX)["source"]
    assert found.tolist() == ["z", "x", "y"]
    assert found.dtype.kind == "U"
    assert sources_of(Digits("root"), SimpleNamespace(samples=None), INDEX) == {}
    assert sources_of(None, named(*"xyz"), torch.arange(0)).keys() == {"source"}
    assert isinstance(found, np.ndarray)
