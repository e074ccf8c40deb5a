"""``dmrnet export`` through the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dmrnet
from dmrnet.cli import main
from dmrnet.deploy.runners import read_torch

from .conftest import RUNS

RUN = str(RUNS / "arrays-dmrnet")


def test_a_combination_is_exported_and_refused_a_second_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", RUN, "--to", str(tmp_path / "out"), "--combination", "sound"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith(f"{tmp_path / 'out' / 'model.pt2'}, ")
    assert "predicts from sound; equals the run on 1 combination up to " in said.out
    sound = np.load(RUNS / "data" / "test.npz")["sound"].astype(np.float32)
    sound = sound[~np.isnan(sound).any((1, 2))][:2]
    content = (tmp_path / "out" / "model.pt2").read_bytes()
    expected = dmrnet.open_run(RUN).predict_proba({"sound": sound}, combination="sound")
    np.testing.assert_allclose(
        read_torch(content)[0]({"sound": sound}, None)[1], expected, atol=1e-5
    )
    assert main(words) == 2
    assert "model.pt2 exists; remove it" in capsys.readouterr().err


def test_weights_are_written_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", RUN, "--to", str(tmp_path), "--format", "safetensors"]) == 0
    assert "model.safetensors" in capsys.readouterr().out
    again = dmrnet.from_pretrained(tmp_path)
    test = RUNS / "data" / "test.npz"
    expected = dmrnet.open_run(RUN).predict_proba(test)
    np.testing.assert_array_equal(again.predict_proba(test), expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "tflite"], "invalid choice: 'tflite'"),
        (["--size", "480"], "expected HEIGHTxWIDTH"),
        (["--size", "8x8"], "every pixel has a class"),
        (["--combination", "sonar"], "unknown modality 'sonar'"),
        (["--quantise", "int8"], "int8 is for the format onnx"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", RUN, "--to", str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
