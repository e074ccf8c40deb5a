"""Hidden characters are refused in names and shown as escapes; cells of a CSV run no formula."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dmrnet import MultimodalDataset
from dmrnet.cli import main
from dmrnet.cli.failures import plain_streams
from dmrnet.cli.screen import Screen, plain_table
from dmrnet.data.files.archive import Archive
from dmrnet.data.sets.arrays import Arrays
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.scores.own_metrics import METRICS
from dmrnet.modalities import Modality, Task, check_names
from dmrnet.report.records.rows import text as text_of
from dmrnet.studies.form import study_of
from dmrnet.text import csv_text, escaped, guarded_cell, is_plain

HIDDEN = ["a\nb", "a\x1b[31mb", "a\u202eb", "a\u2028b", "a\x00b", "a\udcffb", "a\u2066b", "\x9bb"]
SHOWN = ["a b", "été", "漢字", "a\xa0b", "a\u200cb", "👩\u200d🔬", "<b>", "$x$"]


@pytest.mark.parametrize("name", HIDDEN)
def test_names_with_hidden_characters_are_refused_at_the_start(name, tmp_path):
    said = "line break, or a control, direction or invisible character"
    with pytest.raises(ValueError, match=said) as refused:
        check_names(["x", name])
    assert is_plain(str(refused.value))
    with pytest.raises(ValueError, match=f"class name .*{said}"):
        Task((Modality("x", "vector", (1,)),), ("fine", name))
    with pytest.raises(ValueError, match=said):
        MultimodalDataset({name: np.ones((2, 1))})
    with pytest.raises(ValueError, match="name of the metric"):
        METRICS.register(name)
    with pytest.raises(ValueError, match=f"label: .*{said}"):
        study_of({"methods": [{"method": "dmr", "label": name}], "data": "mfeat"})


@pytest.mark.parametrize("name", SHOWN)
def test_other_names_are_names(name):
    assert check_names(["x", name]) == ("x", name)
    assert escaped(name) == name
    # What a training accepts, its report accepts.
    assert text_of({"combination": name}, "combination", "file:1") == name


def test_files_with_such_names_are_refused(tmp_path):
    names = {"a\nb": np.ones((4, 2)), "y": np.arange(4) % 2}
    np.savez(tmp_path / "modality.npz", **names)
    with pytest.raises(ValueError, match="modality name"):
        Archive(str(tmp_path / "modality.npz"))
    labels = np.array(["c", "d\x1b[0m"] * 10)
    np.savez(tmp_path / "label.npz", a=np.random.default_rng(0).normal(size=(20, 2)), y=labels)
    with pytest.raises(ValueError, match=r"label\.npz: class name 'd\\x1b\[0m'"):
        Arrays(str(tmp_path / "label.npz")).load(0)


def test_names_of_folders_are_escaped_in_rows(tmp_path):
    assert RunFolder(tmp_path / "a\nb\udcff").name == r"a\nb\xff"
    assert is_plain(Arrays("x/\u202e\udcff.npz").train) is False


@given(st.text())
def test_escaped_text_is_plain_and_can_be_written(text):
    assert is_plain(escaped(text))
    escaped(text).encode()


@given(st.lists(st.lists(st.text(alphabet=st.characters(codec="utf-8")), min_size=1), max_size=4))
def test_a_csv_holds_its_cells(rows):
    read = list(csv.reader(io.StringIO(csv_text(rows), newline="")))
    assert read == [[guarded_cell(cell) for cell in row] for row in rows]
    assert all(guarded_cell(cell).lstrip("'") == cell.lstrip("'") for row in rows for cell in row)


@pytest.mark.parametrize("cell", ["=1+1", "+a", "-b", "@SUM(A1)", "\t=1", "-1+2", "--1", "=-1"])
def test_formulas_become_text(cell):
    assert guarded_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-1", "+2.5", "-1e-05", "-.5", "a=b", "", "1", "'=x"])
def test_numbers_and_other_cells_stay(cell):
    assert guarded_cell(cell) == cell


def test_a_terminal_gets_no_control_of_a_name():
    stream = io.StringIO()
    console = Screen(file=stream, force_terminal=True, width=80, highlight=False, markup=False)
    table = plain_table(["class\x1b]0;x\x07"])
    table.add_row("b\x1b[2Jc\u202e")
    console.print(table)
    console.print("d\x1b[31me", style="bold", soft_wrap=True)
    said = stream.getvalue()
    assert r"b\x1b[2Jc\u202e" in said
    assert "\x1b[1md\\x1b[31me" in said  # rich's own bold stays
    assert isinstance(console, Console)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_stream_without_a_character_shows_another(encoding, monkeypatch):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    with plain_streams():
        stream.write("● 1 ± 2 é \udcff\n")
        stream.flush()
    said = raw.getvalue().decode(encoding)
    assert said.startswith("●" if encoding == "utf-8" else "x")
    assert ("1 +/- 2" if encoding == "ascii" else "1 ± 2") in said
    assert (r"\xe9" if encoding == "ascii" else "é") in said
    assert said.endswith("\\xff\n")
    assert stream.errors == "strict"


def test_errors_are_escaped(capsys):
    assert main(["fit\x1b[31m"]) == 2
    assert "\x1b" not in capsys.readouterr().err
    assert json.dumps(escaped("\udc80")) == r'"\\x80"'
