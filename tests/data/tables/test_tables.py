"""Tables of samples: how columns become modalities, what is missing, and a run from end to end."""

from __future__ import annotations

import csv
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dmrnet
from dmrnet.cli import main
from dmrnet.data.registry import data_class
from dmrnet.data.tables import Encoding, TableSource, fit_source
from dmrnet.data.tables.columns import read_columns

ROLES = {"y": "ill", "samples": "samples", "groups": "groups"}


def write(path: Path, rows: list[dict[str, object]], delimiter: str = ",") -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def sound(path: Path, seconds: float, pitch: float, rate: int = 8000) -> None:
    time = np.arange(int(seconds * rate)) / rate
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((8000 * np.sin(6.28 * pitch * time)).astype("<i2").tobytes())


def make(folder: Path, name: str = "train.csv", n: int = 40, seed: int = 0) -> Path:
    """Numbers, a category, images of two modes and sounds; some cells and files are missing."""
    rng = np.random.default_rng(seed)
    (folder / "photos").mkdir(exist_ok=True)
    rows: list[dict[str, object]] = []
    for row in range(n):
        ill = row % 2
        photo, clip = f"photos/{name}-{row}.png", f"photos/{name}-{row}.wav"
        pixels = rng.integers(0, 60, (9, 7)) + 120 * ill
        Image.fromarray(pixels.astype(np.uint8)).save(folder / photo)
        if row % 5:
            sound(folder / clip, 0.1 + 0.01 * (row % 3), 300 + 600 * ill)
        rows.append(
            {
                "samples": f"patient {row}",
                "age": "" if row % 7 == 0 else 40 + row,
                "sex": "" if row % 7 == 0 else ("f", "m")[row % 3 == 0],
                "photo": "" if row % 6 == 1 else photo,
                "clip": clip,
                "ill": ("no", "yes")[ill],
            }
        )
    return write(folder / name, rows)


COLUMNS = {"vitals": "age+sex", "photo": "photo", "clip": "clip"}


def test_columns_become_modalities(tmp_path: Path) -> None:
    source = fit_source(str(make(tmp_path)), COLUMNS, ROLES, (4, 6), 1600)
    assert source.names == ("vitals", "photo", "clip")
    vitals = source.read("vitals")
    assert vitals.shape == (40, 3)
    assert np.isnan(vitals[0]).all()
    # age, then one feature for each category in alphabetical order.
    np.testing.assert_array_equal(vitals[1:4], [[41, 1, 0], [42, 1, 0], [43, 0, 1]])
    photo = source.read("photo")
    assert photo.shape == (40, 1, 4, 6)
    assert np.isnan(photo[1]).all()
    assert np.isfinite(photo[0]).all()
    clip = source.read("clip")
    assert clip.shape[:2] == (40, 1)
    assert np.isnan(clip[[0, 5]]).all()
    assert source.missing_files == {"photo": 0, "clip": 8}
    assert source.read("y")[:2].tolist() == ["no", "yes"]
    again = Encoding.from_dict(source.encoding.as_dict())
    assert again.as_dict() == source.encoding.as_dict()


@pytest.mark.parametrize(("delimiter", "header"), [(";", "a.x;a.y;y"), ("\t", "a.x\ta.y\ty")])
def test_modalities_by_the_names_of_columns(tmp_path: Path, delimiter: str, header: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\ufeff" + header + "\n" + f"1{delimiter}x{delimiter}0\n" * 3, encoding="utf-8")
    source = fit_source(str(path), None, {"y": "y"}, None, None)
    assert source.names == ("a",)
    assert source.read("a").tolist() == [[1, 1]] * 3
    assert source.read("y").tolist() == [0, 0, 0]


def test_what_training_never_had_is_named(tmp_path: Path) -> None:
    train = fit_source(str(make(tmp_path)), COLUMNS, ROLES, (4, 6), 1600)
    rows = [{"age": 3, "sex": "x", "ill": "no"}]
    new = write(tmp_path / "new.csv", rows)
    source = TableSource(str(new), read_columns(new), train.encoding, ROLES)
    assert source.names == ("vitals",)
    with pytest.raises(ValueError, match="row 0, column 'sex': training never had 'x'"):
        source.read("vitals")
    rows[0]["age"] = "old"
    new = write(tmp_path / "new.csv", rows)
    source = TableSource(str(new), read_columns(new), train.encoding, ROLES)
    with pytest.raises(ValueError, match="column 'age': expected a number, got 'old'"):
        source.read("vitals")
    new = write(tmp_path / "new.csv", [{"age": 3}])
    with pytest.raises(ValueError, match="has the column 'age' but not 'sex'"):
        TableSource(str(new), read_columns(new), train.encoding, ROLES)


def read_first(path: Path) -> None:
    source = fit_source(str(path), None, {"y": "y"}, None, None)
    source.read(source.names[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty file"),
        ("a.x,y\n", "got none"),
        ("a.x,a.x\n1,2\n", "a name of its own"),
        ("a.x,y\n1\n", "row 0 has 1 cells, but the header has 2"),
        ("x,y\n1,2\n", "'x' belongs to no modality"),
        ("a.x\n1\n", "expected the label in a column 'y'"),
        ("a.x,a.f,y\n1,b.png,0\n", "make each column of files a modality"),
        ("a.x,y\n" + "".join(f"t{i},{i % 2}\n" for i in range(60)), "too many for categories"),
        ("a,y\nnone.png,0\n../b.png,1\n", "leads out of"),
        ("a,y\nnone.png,0\n", "none of the files in column 'a' exists"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_first(path)


def test_sizes_that_differ_need_a_setting(tmp_path: Path) -> None:
    for row, side in enumerate((4, 5)):
        Image.new("L", (side, side)).save(tmp_path / f"{row}.png")
    path = write(tmp_path / "t.csv", [{"a": f"{row}.png", "y": row} for row in range(2)])
    source = fit_source(str(path), None, {"y": "y"}, None, None)
    with pytest.raises(ValueError, match=r"row 0 has shape \(1, 4, 4\) and row 1 .*--data.size"):
        source.read("a")
    assert fit_source(str(path), None, {"y": "y"}, (3, 3), None).read("a").shape == (2, 1, 3, 3)


def test_sixteen_bits_keep_their_range(tmp_path: Path) -> None:
    pixels = np.array([[0, 40_000], [65_535, 256]], dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "0.png")
    np.save(tmp_path / "0.npy", np.arange(3))
    path = write(tmp_path / "t.csv", [{"a": "0.png", "b": "0.npy", "y": 0}])
    source = fit_source(str(path), None, {"y": "y"}, None, None)
    np.testing.assert_array_equal(source.read("a")[0, 0], pixels)
    np.testing.assert_array_equal(source.read("b"), [[0, 1, 2]])


def test_files_of_folders_are_found_by_the_name_of_the_sample(tmp_path: Path) -> None:
    for folder in ("camera", "depth"):
        (tmp_path / folder).mkdir()
    for row in range(3):
        Image.new("RGB", (4, 4), (row, 0, 0)).save(tmp_path / "camera" / f"s{row}.png")
    np.save(tmp_path / "depth" / "s1.npy", np.ones((1, 4, 4)))
    path = write(tmp_path / "t.csv", [{"samples": f"s{row}", "y": row % 2} for row in range(3)])
    roles = {"y": "y", "samples": "samples"}
    source = fit_source(str(path), None, roles, None, None, ["camera", "depth"])
    assert source.names == ("camera", "depth")
    assert source.read("camera")[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert np.isnan(source.read("depth")[:, 0, 0, 0]).tolist() == [True, False, True]
    (tmp_path / "camera" / "s1.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="two files of one name"):
        fit_source(str(path), None, roles, None, None, ["camera"])
    with pytest.raises(ValueError, match="is no folder"):
        fit_source(str(path), None, roles, None, None, ["lidar"])


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"a.x": [1.5, None], "a.s": ["u", None], "y": [0, 1]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    source = fit_source(str(tmp_path / "t.parquet"), None, {"y": "y"}, None, None)
    np.testing.assert_array_equal(source.read("a"), [[1.5, 1], [np.nan, np.nan]])
    assert source.read("y").tolist() == [0, 1]


def test_lists_in_parquet_are_vectors_of_one_length(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def written(name: str, lists: list[list[float] | None]) -> str:
        table = {"text": lists, "age": range(len(lists)), "y": range(len(lists))}
        parquet.write_table(pyarrow.table(table), tmp_path / name)
        return str(tmp_path / name)

    train = written("t.parquet", [[0.5, 1.0], None, [2.0, 3.0]])
    source = fit_source(train, {"words": "text", "age": "age"}, {"y": "y"}, None, None)
    assert source.names == ("words", "age")
    np.testing.assert_array_equal(source.read("words"), [[0.5, 1], [np.nan, np.nan], [2, 3]])
    with pytest.raises(ValueError, match="lists of one length, got 2 and 1 in row 1"):
        read_columns(Path(written("uneven.parquet", [[1.0, 2.0], [1.0]])))
    # A part of the items may be chosen.
    part = fit_source(train, {"words": "text[0]"}, {"y": "y"}, None, None)
    assert TableSource(train, read_columns(Path(train)), part.encoding, {}).read("words").shape[1]
    longer = written("longer.parquet", [[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="expected lists of 2 numbers, as in training"):
        TableSource(longer, read_columns(Path(longer)), source.encoding, {})


def test_a_run_trains_evaluates_and_predicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = make(tmp_path), make(tmp_path, "test.csv", 30, seed=1)
    flags = ["--data", "table", "--data.train", str(train), "--data.test", str(test)]
    flags += ["--data.columns", ",".join(f"{k}={v}" for k, v in COLUMNS.items())]
    flags += ["--data.target", "ill", "--data.size", "8x8", "--data.seconds", "0.1"]
    run = tmp_path / "run"
    small = ["--max-epochs", "2", "--method.network.width", "8"]
    assert main(["fit", *flags, *small, "--out", str(run)]) == 0
    assert "files of clip are missing" in capsys.readouterr().out
    assert main(["evaluate", str(run)]) == 0
    new = write(tmp_path / "new.csv", [{"samples": "n", "age": 50, "sex": "f"}])
    capsys.readouterr()
    assert main(["predict", str(run), "--input", str(new)]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("n,vitals,")
    again = dmrnet.open_run(run).predict_proba(new)
    assert again.shape == (1, 2)
    check_bad_rows(tmp_path, run)


def check_bad_rows(folder: Path, run: Path) -> None:
    """Rows that the run cannot read are named and skipped; the others keep their numbers."""
    rows: list[dict[str, object]] = [
        {"samples": f"n{number}", "age": 50 + number, "sex": "f", "photo": photo, "ill": "no"}
        for number, photo in enumerate([*["photos/test.csv-0.png"] * 5, "photos/broken.png"])
    ]
    (folder / "photos" / "broken.png").write_bytes(b"no picture")
    good = write(folder / "good.csv", rows[:1])
    rows[1]["sex"] = "x"
    bad = write(folder / "bad.csv", rows)
    opened = dmrnet.open_run(run)
    with pytest.raises(
        ValueError, match="row 1, column 'sex': training never had 'x'; known: f, m"
    ):
        opened.predict_proba(bad)
    rows[2]["age"] = "old"
    bad = write(folder / "bad.csv", rows)
    found = opened.predict_proba(bad, bad_rows="skip")
    np.testing.assert_allclose(found[0], opened.predict_proba(good)[0], rtol=1e-6)
    assert np.isnan(found).all(1).tolist() == [False, True, True, False, False, True]
    rows[3]["ill"] = ""
    scored = opened.evaluate(write(folder / "bad.csv", rows), bad_rows="skip")
    assert scored.values["accuracy"]["vitals"][1] == 2
    with pytest.raises(ValueError, match=r"every row is bad; row 0: .*old"):
        opened.predict_proba(write(folder / "worst.csv", rows[2:3]), bad_rows="skip")


def test_its_settings_say_what_they_expect() -> None:
    table = data_class("table")
    with pytest.raises(ValueError, match="such as 64x64"):
        table(train="t.csv", size="big").load(0)


def table(path: Path, header: str, cell: str, n: int = 30) -> str:
    """Write a table whose cells are parted by the header's sign; ``{}`` is the number of a row."""
    lines = [header, *(cell.format(row % 3, row) for row in range(n))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    """As spreadsheets of many countries write them; they were read as a category each."""
    path = table(tmp_path / "a.csv", "v.age;v.dose;y", "7{0},5;1e{0};{0}")
    found = fit_source(path, None, {"y": "y"}, None, None)
    assert found.read("v")[:3].tolist() == [[70.5, 1.0], [71.5, 10.0], [72.5, 100.0]]
    assert found.notes == ("v.age: commas are read as decimal points, 70,5 as 70.5",)
    splits = data_class("table")(path).load(0)
    assert "train: v.age: commas are read as decimal points, 70,5 as 70.5" in splits.notes
    # Targets, too.
    target = table(tmp_path / "b.csv", "v.age\tw.dose\ty", "{1}\t2\t{0},25")
    assert fit_source(target, None, {"y": "y"}, None, None).read("y")[:2].tolist() == [0.25, 1.25]
    # 1,125 alone might be 1125; a zero before the comma says that it is not.
    share = table(tmp_path / "d.csv", "v.share;y", "{0},125;{0}")
    read = fit_source(share, None, {"y": "y"}, None, None).read("v")
    assert read[:3, 0].tolist() == [0.125, 1.125, 2.125]
    # In quotes between commas they may be codes, and stay text.
    codes = table(tmp_path / "c.csv", "v.codes,y", '"1,{0}",{0}')
    assert fit_source(codes, None, {"y": "y"}, None, None).read("v").shape == (30, 3)


@pytest.mark.parametrize("cell", ['"{0},234",{0}', '"1,{0}00.5",{0}'])
def test_commas_that_may_part_thousands_are_asked_about(tmp_path: Path, cell: str) -> None:
    path = table(tmp_path / "a.csv", "v.price,y", cell)
    with pytest.raises(ValueError, match=r"column 'v.price': .* write numbers without commas"):
        fit_source(path, None, {"y": "y"}, None, None)


def test_labels_are_predicted_as_they_are_written(tmp_path: Path) -> None:
    """01 is no 1, and 010 no 10: such labels are text."""
    path = table(tmp_path / "a.csv", "v.a,w.b,y", "{1},{1},0{0}")
    assert data_class("table")(path).load(0).train.task.classes == ("00", "01", "02")
    path = table(tmp_path / "b.csv", "v.a,w.b,y", "{1},{1},{0}")
    splits = data_class("table")(path).load(0)
    assert (splits.train.task.classes, splits.whole_labels) == (("0", "1", "2"), True)
    path = table(tmp_path / "c.csv", "v.a,w.b,y", "{1},{1},9{0}00000000000000000000")
    assert data_class("table")(path).load(0).train.task.classes[0] == "9" + "0" * 21


@pytest.mark.parametrize("odd", ["inf", "12a", "1.2.3", "-"])
def test_a_few_odd_cells_do_not_make_numbers_categories(tmp_path: Path, odd: str) -> None:
    """One typing error made a category of every number."""
    path = table(tmp_path / "a.csv", "v.age,y", "{1},{0}")
    text = Path(path).read_text().replace("\n17,", f"\n{odd},")
    Path(path).write_text(text)
    said = rf"row 17, column 'v.age': '{odd}' is no number, as the other cells are \(1 such cells\)"
    with pytest.raises(ValueError, match=said):
        fit_source(path, None, {"y": "y"}, None, None)
    # Codes of which some are numbers are categories.
    codes = table(tmp_path / "b.csv", "v.grade,y", "{0},{0}")
    Path(codes).write_text(Path(codes).read_text().replace("\n2,", "\nx,"))
    found = fit_source(codes, None, {"y": "y"}, None, None)
    assert found.notes == ("v.grade read as 3 categories (0, 1, x)",)


def test_pictures_of_eight_and_sixteen_bits_together_are_said(tmp_path: Path) -> None:
    """Each keeps its range; they are hardly in one unit."""
    for row in range(6):
        numbers = np.full((4, 4), 40 * row, dtype=np.uint8)
        Image.fromarray(numbers.astype(np.uint16) * 200 if row < 2 else numbers).save(
            tmp_path / f"{row}.png"
        )
    path = table(tmp_path / "a.csv", "v.x,depth,y", "{1},{1}.png,{0}", 6)
    splits = data_class("table")(path).load(0)
    said = "train: depth: 1 of 6 images hold numbers above 255, as those of 16 bits do"
    assert any(note.startswith(said) for note in splits.notes)


def test_rows_of_a_table_are_split_one_by_one_where_settings_say_so(tmp_path: Path) -> None:
    rows = [f"{row},s{row // 4},g{row // 4},{row % 2}" for row in range(40)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["v.x,samples,groups,y", *rows]))
    of = data_class("table")
    together = of(str(path)).load(0)
    assert set(together.train.groups).isdisjoint(together.val.groups)
    apart = of(str(path), groups="none").load(0)
    assert apart.train.groups is None
    assert set(apart.train.samples) & set(apart.val.samples)
    assert apart.train.task.modalities == ("v",)
