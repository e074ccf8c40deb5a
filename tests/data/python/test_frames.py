"""Tables of pandas, as pandas makes them, and tables for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dmrnet
from dmrnet import MultimodalDataset, Scores

ROWS = 12
FRAME = pd.DataFrame(
    {
        "wbc": np.arange(ROWS, dtype=float),
        "crp": np.arange(ROWS) % 5,
        "age": pd.array([40] * ROWS, dtype="Int64"),
        "dx": ["ill", "well"] * (ROWS // 2),
    },
    index=[f"p{i}" for i in range(ROWS)],
)
FRAME.loc[["p2", "p5"], ["wbc", "crp"]] = np.nan
FRAME.loc["p3", "age"] = pd.NA
COLUMNS: dict[str, Any] = {"blood": ["wbc", "crp"], "age": "age"}


@pytest.mark.parametrize("dtype", [None, "category", "string", object])
def test_a_frame_is_read(dtype: Any) -> None:
    frame = FRAME if dtype is None else FRAME.astype({"dx": dtype})
    data = MultimodalDataset.from_frame(frame, COLUMNS, "dx")
    assert data.modalities == ("blood", "age")
    absent = {(row, column) for row, column in np.argwhere(~data.present).tolist()}
    assert absent == {(2, 0), (5, 0), (3, 1)}
    assert data.read("blood")[7].tolist() == [7, 2]
    assert data.y is not None
    assert data.y.tolist() == ["ill", "well"] * (ROWS // 2)
    assert data.read("samples").tolist() == FRAME.index.tolist()


def test_columns_of_pandas_are_arrays() -> None:
    data = MultimodalDataset({"a": FRAME["wbc"], "b": FRAME[["wbc", "crp"]]}, FRAME["dx"])
    assert data.present.sum(0).tolist() == [10, 10]
    assert data.read("b").shape == (ROWS, 2)


@pytest.mark.parametrize(
    ("columns", "y", "message"),
    [
        ({"a": ["wcb"]}, "dx", "'wcb', which it lacks; did you mean 'wbc'"),
        ({"a": ["wbc"]}, "xd", "'xd', which it lacks"),
        ({"a": ["dx"]}, "dx", "modality a: expected columns of numbers, got dx"),
        (
            {"a": ["crp"]},
            FRAME["dx"].astype("string").where(FRAME["wbc"] != 4),
            "row 4 has no label",
        ),
    ],
)
def test_a_wrong_column_is_named(columns: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultimodalDataset.from_frame(FRAME, columns, y)


def test_scores_are_a_frame() -> None:
    scores = Scores(
        ("a", "b"),
        "test",
        "accuracy",
        {
            "accuracy": {"a": (0.6, 10), "b": (0.5, 40), "a+b": (0.9, 10)},
            "log_loss": {"a": (0.7, 10), "b": (0.8, 40), "a+b": (0.4, 10)},
        },
    )
    table = scores.to_pandas()
    assert isinstance(table, pd.DataFrame)
    assert table.index.name == "combination"
    assert table.loc["a+b", "accuracy"] == 0.9
    assert table["n"].to_dict() == {"a": 10, "b": 40, "a+b": 10}
    assert table["log_loss"].idxmin() == "a+b"


def numbers(rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    y = np.arange(rows) % 2
    table = np.random.default_rng(seed).normal(size=(rows, 3)) + y[:, None]
    return pd.DataFrame(table, columns=["wbc", "crp", "age"]), pd.Series(y)


def test_a_run_refuses_columns_in_another_order(tmp_path: Path) -> None:
    frame, y = numbers(30, 0)
    new, _ = numbers(4, 1)
    turned = new[["age", "wbc", "crp"]]
    train = MultimodalDataset({"blood": frame}, y)
    run = dmrnet.fit(train, method="sf-md", max_epochs=1, out=tmp_path / "run")
    again = dmrnet.open_run(tmp_path / "run")
    for opened in (run, again):
        expected = opened.predict_proba({"blood": new.to_numpy()})
        np.testing.assert_array_equal(opened.predict_proba({"blood": new}), expected)
        for inputs in (
            {"blood": turned},
            MultimodalDataset({"blood": turned}).subset([0, 1]),
            MultimodalDataset.from_frame(turned, {"blood": ["age", "wbc", "crp"]}),
        ):
            with pytest.raises(ValueError, match=r"blood: expected the columns wbc, crp, age in"):
                opened.predict(inputs)
        with pytest.raises(ValueError, match="got age, wbc, crp"):
            opened.evaluate(MultimodalDataset({"blood": turned}, [0, 1, 0, 1]))
    with pytest.raises(ValueError, match="expected the columns wbc, crp, age"):
        dmrnet.fit(train, test=MultimodalDataset({"blood": turned}, [0, 1, 0, 1]), max_epochs=1)


def test_columns_without_names_are_taken_in_order() -> None:
    frame = pd.DataFrame(np.ones((4, 2)))
    assert MultimodalDataset({"a": frame}).features == {}
    assert MultimodalDataset({"a": FRAME[["wbc", "crp"]]}).features == {"a": ("wbc", "crp")}


def test_the_same_rows_in_different_orders_are_refused() -> None:
    frame, y = numbers(6, 0)
    mixed = y.sample(frac=1, random_state=1)
    with pytest.raises(ValueError, match="y and a have the same index in different orders"):
        MultimodalDataset({"a": frame}, mixed)
    with pytest.raises(ValueError, match="y and frame have the same index"):
        MultimodalDataset.from_frame(frame, {"a": ["wbc"]}, mixed)
    with pytest.raises(ValueError, match="b and a have the same index"):
        MultimodalDataset({"a": frame, "b": frame[::-1]})
    # Another index says nothing about order.
    for other in (y.set_axis(range(6, 12)), y.set_axis([0] * 6), mixed.to_numpy()):
        MultimodalDataset({"a": frame}, other)
    data = MultimodalDataset({"a": frame.loc[mixed.index]}, mixed)
    assert data.y is not None
    assert data.y.tolist() == mixed.tolist()


@pytest.mark.parametrize(
    "names", [[False, True], ["False", "True"], [0.5, 1.0], [-1, 10], ["0.5", "1"]]
)
def test_labels_are_predicted_as_they_were_given(names: list[Any], tmp_path: Path) -> None:
    frame, y = numbers(30, 0)
    labels = np.array(names)[y]
    data = MultimodalDataset({"blood": 5 * frame}, labels, target="classes")
    run = dmrnet.fit(data, method="sf-md", max_epochs=2, out=tmp_path / "run")
    for opened in (run, dmrnet.open_run(tmp_path / "run")):
        predicted = opened.predict({"blood": 5 * frame})
        assert predicted.dtype.kind == labels.dtype.kind
        assert (predicted == labels).mean() == pytest.approx(opened.evaluate(data).full)


def test_no_rows_are_nothing_to_predict_from() -> None:
    data = MultimodalDataset({"a": np.zeros((0, 5))})
    assert data.present.shape == (0, 1)
