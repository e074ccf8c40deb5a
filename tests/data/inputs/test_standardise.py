"""Mean and deviation against numpy in float64, and rows that are absent."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.data.inputs import cells
from dmrnet.data.inputs.standardise import Standardiser

SHAPES = [(5,), (3, 7), (2, 4, 3), (2, 3, 2, 2)]


def reference(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One feature or channel after the other."""
    mean, std = [], []
    for channel in range(array.shape[1]):
        numbers = array[:, channel].astype(np.float64).ravel()
        mean.append(numbers.mean())
        std.append(numbers.std() if (numbers != numbers[0]).any() else 1.0)
    return np.array(mean), np.array(std)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("at_once", [1, 50, 2**20])
def test_it_is_numpy_over_the_present_rows(monkeypatch, shape, at_once) -> None:
    monkeypatch.setattr(cells, "BLOCK", at_once)
    rng = np.random.default_rng(0)
    array = (rng.normal(size=(40, *shape)) * 3 + 100).astype(np.float32)
    array[:, 1] = 7.1  # constant
    present = rng.random(40) < 0.6
    array[~present] = 0
    tensor, here = torch.from_numpy(array), torch.from_numpy(present)
    fitted = Standardiser.fit({"m": tensor}, here[:, None], ("m",))
    mean, std = reference(array[present])
    np.testing.assert_allclose(fitted.mean["m"], mean, rtol=1e-12)
    np.testing.assert_allclose(fitted.std["m"], std, rtol=1e-9)
    done = fitted.apply("m", tensor, here)
    assert done.dtype == torch.float32
    broad = (1, -1, *[1] * (len(shape) - 1))
    expected = (array - mean.reshape(broad)) / std.reshape(broad)
    np.testing.assert_allclose(done[here], expected[present], rtol=1e-6, atol=1e-6)
    assert not done[~here].any()
    assert not done[here][:, 1].any()
    np.testing.assert_allclose(fitted.invert("m", done, here), array, rtol=1e-6, atol=1e-6)
    assert torch.equal(fitted.apply("m", tensor, here, out=tensor), done)
    assert tensor.data_ptr() == fitted.apply("m", tensor, here, out=tensor).data_ptr()


def test_what_stays_unscaled_keeps_its_numbers_and_its_moments() -> None:
    arrays = {"a": torch.tensor([[1.0], [3.0]]), "words": torch.tensor([[7.0, 0.0], [9.0, 4.0]])}
    fitted = Standardiser.fit(arrays, torch.ones(2, 2, dtype=torch.bool), ("a", "words"))
    stored = Standardiser.from_state(fitted.leave(["words"]).state())
    assert stored.apply("a", arrays["a"]).flatten().tolist() == [-1, 1]
    torch.testing.assert_close(stored.apply("words", arrays["words"]), arrays["words"])
    everywhere = torch.ones(2, dtype=torch.bool)
    torch.testing.assert_close(stored.invert("words", arrays["words"], everywhere), arrays["words"])
    assert stored.mean["words"].tolist() == [8, 2]
    with pytest.raises(ValueError, match="no modality 'word'; did you mean 'words'"):
        fitted.leave(["word"])


def test_large_offsets_do_not_swallow_the_deviation() -> None:
    """Sums in float32 would: the squares of 1e6 leave no digit for 0.5."""
    tensor = 1e6 + torch.arange(8.0).reshape(-1, 1) / 2
    fitted = Standardiser.fit({"m": tensor}, torch.ones(8, 1, dtype=torch.bool), ("m",))
    done = fitted.apply("m", tensor).flatten()
    np.testing.assert_allclose(done, (np.arange(8) - 3.5) / np.arange(8).std(), rtol=1e-6)


def test_columns_follow_the_names_not_the_dict() -> None:
    arrays = {"b": torch.tensor([[1.0], [0.0]]), "a": torch.tensor([[0.0], [5.0]])}
    present = torch.tensor([[False, True], [True, False]])
    fitted = Standardiser.fit(arrays, present, ("a", "b"))
    assert fitted.mean["a"].tolist() == [5.0]
    assert fitted.mean["b"].tolist() == [1.0]


@given(
    st.lists(
        st.text("ab. /µ", min_size=1, max_size=4).map(str.strip).filter(bool),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_the_state_is_flat_and_comes_back(names: list[str]) -> None:
    draw = torch.Generator().manual_seed(0)
    arrays = {name: torch.randn(6, 2, generator=draw) for name in names}
    present = torch.ones(6, len(names), dtype=torch.bool)
    fitted = Standardiser.fit(arrays, present, names)
    state = fitted.state()
    assert all(isinstance(values, torch.Tensor) and values.dim() == 1 for values in state.values())
    back = Standardiser.from_state(dict(sorted(state.items())))
    for name in names:
        assert torch.equal(back.apply(name, arrays[name]), fitted.apply(name, arrays[name]))


def test_a_modality_that_no_row_has_is_refused() -> None:
    with pytest.raises(ValueError, match="modality b is present in no training row"):
        Standardiser.fit(
            {"a": torch.ones(2, 1), "b": torch.ones(2, 1)},
            torch.tensor([[True, False], [True, False]]),
            ("a", "b"),
        )


def test_a_number_beyond_float32_names_its_row() -> None:
    tiny = torch.tensor([[0.0], [1e-38]])
    fitted = Standardiser.fit({"m": tiny}, torch.ones(2, 1, dtype=torch.bool), ("m",))
    with pytest.raises(ValueError, match=r"modality m, row 1: .*units"):
        fitted.apply("m", torch.tensor([[0.0], [1e10]]))
