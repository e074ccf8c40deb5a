"""What a caller has set in torch and a training leave each other alone; wrong kinds are refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch import nn
from torch.utils.data import DataLoader

import dmrnet

RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
DATA = dmrnet.MultimodalDataset(
    {"a": RNG.normal(size=(40, 3)) + Y[:, None], "b": RNG.normal(size=(40, 4))}, Y
)
SHORT: dict[str, Any] = {"method": "sf-md", "max_epochs": 1, "threads": 1}


def probabilities(**more: Any) -> np.ndarray:
    found: np.ndarray = dmrnet.fit(DATA, **SHORT, **more).predict_proba(DATA)
    return found


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return probabilities()


@contextmanager
def double() -> Any:
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, double])
def test_modes_of_the_caller_change_nothing(
    expected: np.ndarray, mode: Callable[[], AbstractContextManager[None]]
) -> None:
    with mode():
        assert np.array_equal(probabilities(), expected)


def test_predictions_are_of_float32_whatever_is_set() -> None:
    run = dmrnet.fit(DATA, **{**SHORT, "method": "experts"})
    lazy = dmrnet.LazyDataset(
        [{"a": a, "b": b} for a, b in zip(DATA.read("a"), DATA.read("b"), strict=True)]
    )
    plain = run.predict_proba(DATA)
    with double():
        assert np.array_equal(run.predict_proba(DATA), plain)
        np.testing.assert_allclose(run.predict_proba(lazy), plain, rtol=1e-5)


def test_the_callers_random_numbers_and_threads_stay(expected: np.ndarray) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    wanted = torch.rand(4)
    torch.manual_seed(7)
    assert np.array_equal(probabilities(), expected), "its random numbers are its own"
    assert torch.equal(torch.rand(4), wanted)
    dmrnet.fit(DATA, **{**SHORT, "threads": threads + 1})
    assert torch.get_num_threads() == threads


def test_functions_without_a_name_are_told_apart() -> None:
    def encoder(width: int) -> Callable[[], nn.Module]:
        return lambda: nn.Linear(width, width + 10)

    run = dmrnet.fit(DATA, encoders={"a": encoder(3), "b": encoder(4)}, **SHORT)
    again = dmrnet.open_run(run.path, encoders={"a": encoder(3), "b": encoder(4)})
    assert np.array_equal(again.predict_proba(DATA), run.predict_proba(DATA))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: dmrnet.fit(DATA, encoders=[nn.Flatten()]), TypeError, "mapping .* got list"),
        (lambda: dmrnet.fit(DATA, encoders={"a": nn.LazyLinear(3)}), ValueError, "lazy layers"),
        (lambda: dmrnet.fit([({"a": [1.0]}, 0)]), TypeError, r"LazyDataset\(samples\) one by one"),
        (lambda: dmrnet.MultimodalDataset([{"a": 1}]), TypeError, "from_records"),
        (lambda: dmrnet.MultimodalDataset(pd.DataFrame({"a": [1]})), TypeError, "from_frame"),
        (lambda: dmrnet.fit(DataLoader([])), TypeError, r"LazyDataset\(loader.dataset\)"),
        (lambda: dmrnet.LazyDataset([([1.0], 0)])[0], TypeError, "got tuple of list, int"),
        (lambda: dmrnet.ampute({"a": [1.0]}, 0.1), TypeError, "MultimodalDataset, got dict"),
        (lambda: dmrnet.fit(DATA, fusion=3), TypeError, "expected fusion as a module, .* got int"),
        (lambda: dmrnet.fit(DATA, method=3), TypeError, "expected method as a name, .* got int"),
        (lambda: dmrnet.fit(None), TypeError, "expected training samples.* got None"),
        (
            lambda: dmrnet.MultimodalDataset({"a": sparse.csr_matrix((3, 2))}),
            TypeError,
            r"modality a: .* sparse one \(csr_matrix\); give its numbers: x.toarray\(\)",
        ),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused(
    call: Callable[[], object], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_an_unknown_or_missing_device_is_refused(tmp_path: Any) -> None:
    for device in ("cudda", "cuda:99", "gpu"):
        with pytest.raises(ValueError, match="device"):
            dmrnet.open_run(tmp_path, device=device)


def test_lazy_samples_say_how_many_they_are() -> None:
    assert repr(dmrnet.LazyDataset([({"a": [1.0]}, 0)] * 3)) == "LazyDataset(3 samples of list)"


def test_numbers_of_numpy_and_the_class_of_a_method_are_taken(expected: np.ndarray) -> None:
    kind = dmrnet.method("sf-md")
    numbers = {"max_epochs": np.int64(1), "threads": np.int32(1), "lr": np.float64(0.05)}
    run = dmrnet.fit(DATA, method=kind, seed=np.int64(0), **numbers)
    plain = dmrnet.fit(DATA, method="sf-md", seed=0, max_epochs=1, threads=1, lr=0.05)
    assert np.array_equal(run.predict_proba(DATA), plain.predict_proba(DATA))
    assert kind.name == "sf-md"
    assert repr(run).startswith("Run(sf-md on ")
