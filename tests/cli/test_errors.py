"""What goes wrong, through the command: one line that says what, no traceback, an exit code."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from dmrnet.cli import main
from dmrnet.cli.failures import guarded, one_line

if TYPE_CHECKING:
    from .conftest import Cli

FIT = ["fit", "--data", "arrays", "--max-epochs", "1", "--threads", "1", "--out", "out"]
Make = Callable[[dict[str, Any]], dict[str, Any]]


def without(name: str) -> Make:
    return lambda arrays: {key: array for key, array in arrays.items() if key != name}


def put(name: str, change: Callable[[Any], Any]) -> Make:
    return lambda arrays: {**arrays, name: change(arrays[name].copy())}


def at(place: Any, value: float) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[place] = value
        return array

    return change


# What is done to the training file, and what is said of it.
BAD_FILES: dict[str, tuple[Make, str]] = {
    "no labels": (without("y"), "expected the labels as an array named 'y'"),
    "one class": (put("y", lambda y: y * 0), "every label is '0'; expected at least two"),
    "a label missing": (
        put("y", lambda y: at(5, np.nan)(y.astype(float))),
        "row 5 has no label (1 such rows); leave such rows out",
    ),
    "a label without text": (
        put("y", lambda y: np.where(np.arange(60) == 7, "", y.astype(str))),
        "row 7 has no label",
    ),
    "present as numbers": (
        lambda arrays: {**arrays, "present": np.ones((60, 3), int)},
        "expected present as bool, got int64",
    ),
    "names of other rows": (
        lambda arrays: {**arrays, "samples": np.arange(59)},
        "expected samples of shape (60,), got (59,)",
    ),
    "a number too large": (
        put("radar", at((4, 2), 1e300)),
        "modality radar, row 4: a number is too large for float32",
    ),
    "labels as float": (
        put("y", lambda y: y.astype(float)),
        "y holds whole numbers stored as float, which may be classes or regression",
    ),
    "one-hot labels": (
        put("y", lambda y: np.eye(3)[y]),
        "exactly one 1, which may be classes or multi-label",
    ),
    "a class for every pixel": (
        put("y", lambda y: y[:, None, None].repeat(8, 1).repeat(8, 2)),
        "a class for every pixel is read by --data images",
    ),
    "NaN in part of a row": (
        put("radar", at((4, 2), np.nan)),
        "modality radar, row 4: it holds NaN in part",
    ),
    "infinity": (put("sound", at((9, 0, 0), np.inf)), "modality sound, row 9: it holds infinity"),
    "rows that do not agree": (put("camera", lambda a: a[:-1]), "camera has 59 rows but y has 60"),
    "nothing present": (
        lambda arrays: {
            name: at(3, np.nan)(array.copy()) if name != "y" else array
            for name, array in arrays.items()
        },
        "row 3 has none of radar, camera, sound",
    ),
    "a modality never there": (
        put("radar", lambda a: a * np.nan),
        "modality radar is absent in every row",
    ),
    "a name with a plus": (
        lambda arrays: {**arrays, "a+b": arrays["radar"]},
        "holds '+', which joins",
    ),
    "text for numbers": (put("radar", lambda a: a.astype(str)), "modality radar: expected numbers"),
    "Python objects": (
        put("radar", lambda a: np.array([Path()] * len(a))),
        "no other Python objects: save numbers",
    ),
    "too many axes": (
        put("camera", lambda a: a.reshape(60, 1, 2, 4, 2, 4)),
        "modality camera: a sample of shape",
    ),
    "no rows": (lambda arrays: {n: a[:0] for n, a in arrays.items()}, "at least one row"),
}


@pytest.mark.parametrize(("make", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file(
    cli: Cli,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Make,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with np.load(made / "train.npz") as arrays:
        np.savez("bad.npz", **make(dict(arrays)))
    result = cli(*FIT, "--data.train", "bad.npz", "--data.val", made / "val.npz")
    refused(result, said)
    assert "bad.npz" in result.err
    assert not Path("out").exists()


def twice(file: bytes) -> bytes:
    """Return an archive in which one array stands twice."""
    stream = io.BytesIO(file)
    told = pytest.warns(UserWarning, match="Duplicate name")
    with zipfile.ZipFile(stream, "a") as archive, told:
        archive.writestr("radar.npy", archive.read("radar.npy"))
    return stream.getvalue()


# What is done to the bytes of the training file, and what is said of it.
BAD_ARCHIVES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no .npz file": (lambda _: b"radar,y", "expected an .npz file as numpy.savez writes it"),
    "an empty file": (lambda _: b"", "expected an .npz file as numpy.savez writes it"),
    "a file cut short": (
        lambda file: file[: len(file) // 2],
        "expected an .npz file as numpy.savez writes it",
    ),
    "an array twice": (twice, "expected one array 'radar', got 2; save it once"),
}


@pytest.mark.parametrize(("damage", "said"), BAD_ARCHIVES.values(), ids=BAD_ARCHIVES)
@pytest.mark.parametrize("role", ["train", "val"])
def test_a_bad_archive(
    cli: Cli,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
    damage: Callable[[bytes], bytes],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.npz").write_bytes(damage((made / "train.npz").read_bytes()))
    files = {"train": made / "train.npz", "val": made / "val.npz"} | {role: Path("bad.npz")}
    result = cli(*FIT, "--data.train", files["train"], "--data.val", files["val"])
    refused(result, said)
    assert "bad.npz" in result.err
    assert not Path("out").exists()


# What stands in a file that is given as --config, and what is said of it.
BAD_CONFIGS: dict[str, tuple[str, str]] = {
    "a key misspelt": ("max_epoch: 3", "unknown setting max_epoch; did you mean 'max_epochs'?"),
    "a key of a method misspelt": (
        "method: {name: dmrnet, alhpa: 1}",
        "unknown setting method.alhpa of method dmrnet; did you mean 'method.alpha'?",
    ),
    "a key of the data misspelt": (
        "data: {name: mfeat, trian: 0.5}",
        "unknown setting data.trian of data mfeat; did you mean 'data.train'?",
    ),
    "text for a number": ("lr: fast", "bad.yaml: lr: expected a number, got 'fast'"),
    "a fraction for a whole number": (
        "seed: 0.5",
        "bad.yaml: seed: expected a whole number, got 0.5",
    ),
    "a list for a number": ("lr: [1, 2]", "bad.yaml: lr: expected a number, got [1, 2]"),
    "a word that is none of the choices": (
        "optimizer: adam",
        "bad.yaml: optimizer: expected adamw or sgd, got 'adam'; did you mean 'adamw'?",
    ),
    "a method misspelt": ("method: dmrnt", "unknown method 'dmrnt'; did you mean 'dmrnet'?"),
    "a value where settings stand": (
        "method: {network: 3}",
        "expected settings under method.network, got 3",
    ),
    "a list of settings": ("- lr", "expected a mapping of settings, got list"),
    "nothing for what has a value": (
        "precision:",
        "bad.yaml: precision: expected 32 or bf16, got None",
    ),
    "no YAML": ("lr: [1", "expected YAML, one `name: value` a line"),
}


@pytest.mark.parametrize(("text", "said"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_bad_config(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text(text)
    refused(cli("fit", "--config", "bad.yaml", "--out", "out"), said)
    assert not Path("out").exists()


# What is done to a test file, and what `dmrnet evaluate RUN --test` says of it.
BAD_TESTS: dict[str, tuple[Make, str]] = {
    "a modality that training never had": (
        lambda arrays: {**arrays, "lidar": arrays["radar"]},
        "training had no modality 'lidar'",
    ),
    "a label that training never had": (
        put("y", lambda y: y + 9),
        "row 0 has the label '9', which training never had; known: 0, 1, 2",
    ),
    "another size than in training": (
        put("radar", lambda a: a[:, :4]),
        "modality radar: expected samples of shape (5,) as in training (vector), got (4,)",
    ),
    "no labels to test with": (without("y"), "expected the labels as an array named 'y'"),
    "present with too few columns": (
        lambda arrays: {**arrays, "present": np.ones((30, 2), bool)},
        "expected present of shape (30, 3), a column for each of radar, camera, sound",
    ),
    "present against a row of NaN": (
        lambda arrays: {**arrays, "present": np.ones((30, 3), bool)},
        "present says it is there, but it is all NaN; correct one of them",
    ),
}


@pytest.mark.parametrize(("make", "said"), BAD_TESTS.values(), ids=BAD_TESTS)
def test_a_bad_test_file(
    cli: Cli, made: Path, finished: Path, tmp_path: Path, make: Make, said: str
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    before = (run / "results.jsonl").read_bytes()
    with np.load(made / "test.npz") as arrays:
        np.savez(tmp_path / "bad.npz", **make(dict(arrays)))
    refused(cli("evaluate", run, "--test", tmp_path / "bad.npz"), said)
    assert (run / "results.jsonl").read_bytes() == before


def test_what_a_test_file_lacks_is_absent(
    cli: Cli, made: Path, finished: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    with np.load(made / "test.npz") as arrays:
        np.savez(tmp_path / "less.npz", **without("sound")(dict(arrays)))
    assert cli("evaluate", run, "--test", tmp_path / "less.npz").code == 0


def test_fewer_rows_than_a_batch_is_no_mistake(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "few.npz", a=rng.normal(size=(8, 3)), y=np.arange(8) % 2)
    flags = ["--data.train", tmp_path / "few.npz", "--batch-size", "64"]
    assert cli(*FIT[:-1], tmp_path / "out", *flags).code == 0


# Arguments of `dmrnet`; {made} and {run} are folders.
BAD_COMMANDS: dict[str, tuple[str, str]] = {
    "no such command": ("fti", "unknown command 'fti'; did you mean 'fit'?"),
    "no such option": ("report {run} --outt x", "did you mean '--out'?"),
    "no run named": ("evaluate", "the following arguments are required: RUN"),
    "not a number": ("quickstart --seeds x", "expected a whole number above 0, got 'x'"),
    "no such setting": ("fit --max-epoch 3", "did you mean '--max-epochs'?"),
    "another name for a setting": ("fit --learning-rate 3", "did you mean '--lr'?"),
    "that name, misspelt": ("fit --lerning-rate 3", "did you mean '--lr'?"),
    "without its group": ("fit --beta 3", "did you mean '--method.beta'?"),
    "no such method": ("fit --method dmr-net", "did you mean 'dmrnet'?"),
    "no such recipe": ("fit --recipe papr", "did you mean 'paper'?"),
    "no such data": ("fit --data mfaet", "did you mean 'mfeat'?"),
    "wrong type": ("fit --lr fast", "--lr: expected a number, got 'fast'"),
    "wrong word": ("fit --schedule cosin", "got 'cosin'; did you mean 'cosine'?"),
    "out of range": ("fit --lr -1", "expected lr above 0, got -1"),
    "no value": ("fit --lr", "expected a value after --lr"),
    "files without data arrays": ("fit --data.train a.npz", "add --data arrays"),
    "no training file": ("fit --data arrays", "--data.train is missing"),
    "a file that is not there": (
        "fit --data arrays --data.train {made}/trian.npz",
        "there is no file {made}/trian.npz; did you mean 'train.npz'?",
    ),
    "a teacher that is none": (
        "fit --method mmanet --method.teacher {run}",
        "but mmanet needs one of full; train it with --method full",
    ),
    "a teacher that is not there": (
        "fit --method mmanet --method.teacher nowhere",
        "nowhere holds no run",
    ),
    "attention that does not part": (
        "fit --method mmformer --method.heads 7",
        "expected heads that divide the 128 channels of a token, got 7",
    ),
    "a timm model that is not there": (
        "fit --data arrays --data.train {made}/train.npz --method.network.encoders.camera "
        "timm:convnext_ato",
        "unknown timm model 'convnext_ato'; did you mean 'convnext_atto'?",
    ),
    "images too small for a timm model": (
        "fit --data arrays --data.train {made}/train.npz --method.network.encoders.camera "
        "timm:convnext_atto",
        "timm model convnext_atto cannot read images of 1x8x8",
    ),
    "a timm model for what is no image": (
        "fit --encoder timm:convnext_atto",
        "expected encoder auto, or timm:NAME for an image or a volume",
    ),
    "an encoder for a network that has its own": (
        "fit --data arrays --data.train {made}/train.npz --method.network.family surf "
        "--encoder timm:convnext_atto",
        "the surf network has encoders of its own",
    ),
    "published weights of small encoders": (
        "fit --method.network.pretrained true",
        "expected a network with published weights",
    ),
    "a config that is not there": ("fit --config no.yaml", "there is no config file no.yaml"),
    "no run": ("evaluate {made}", "{made} holds no run"),
    "a run that is not there": ("predict nowhere --input x.npz", "nowhere holds no run"),
    "no such file to predict": ("predict {run} --input x.npz", "there is no file x.npz"),
    "an unknown end": ("predict {run} --input x.npz --out p.txt", "ends in .csv or .npz"),
    "no such combination": (
        "predict {run} --input {made}/test.npz --combination radr",
        "unknown modality 'radr'; did you mean 'radar'?",
    ),
    "an option misspelt that is needed": (
        "predict {run} --inptu {made}/test.npz",
        "dmrnet predict has no option --inptu; did you mean '--input'?",
    ),
    "an option of data misspelt": (
        "data export mfeat --outt x",
        "dmrnet data export has no option --outt; did you mean '--out'?",
    ),
    "another option of data misspelt": (
        "data show mfeat --sed 3",
        "dmrnet data show has no option --sed; did you mean '--seed'?",
    ),
    "an option of preparation misspelt": (
        "data prepare digits --sorce x",
        "dmrnet data prepare has no option --sorce; did you mean '--source'?",
    ),
    "an option of quickstart misspelt": (
        "quickstart --otu x",
        "unknown setting --otu; did you mean '--out'?",
    ),
    "an option before the command misspelt": (
        "--hlep",
        "dmrnet has no option --hlep; did you mean '--help'?",
    ),
    "a short flag misspelt": (
        "fit --methd dmr",
        "unknown setting --methd; did you mean '--method'?",
    ),
    "a setting of one method misspelt in quickstart": (
        "quickstart --method.alhpa 3",
        "unknown setting --method.alhpa of method full",
    ),
    "a setting of files misspelt": (
        "data check --data.modalites a",
        "unknown setting --data.modalites of data arrays; did you mean '--data.modalities'?",
    ),
    "another name for a kind of machine": (
        "fit --accelerator cuda",
        "--accelerator: expected auto, cpu or gpu, got 'cuda'; did you mean 'gpu'?",
    ),
    "another name for a precision": (
        "fit --precision 16-mixed",
        "--precision: expected 32 or bf16, got '16-mixed'; did you mean 'bf16'?",
    ),
    "GPUs as other tools ask for them": (
        "fit --gpus 2",
        "unknown setting --gpus; --accelerator gpu trains on a GPU, and --devices N on several",
    ),
    "resuming as other tools do": (
        "fit --resume x.ckpt",
        "unknown setting --resume; the same command goes on with a run that was stopped; --out",
    ),
    "selection as other tools name it": (
        "fit --metric f1",
        "unknown setting --metric; --select-by selects weights by another score than that of the",
    ),
    "another name for a device": (
        "evaluate {run} --device gpu",
        "unknown device 'gpu'; did you mean 'cuda'?",
    ),
    "a setting that the data set lacks": (
        "fit --data mfeat --data.kinds.a image",
        "unknown setting --data.kinds.a of data mfeat; data has rows, train, val, split-seed",
    ),
    "a modality named twice": (
        "fit --data arrays --data.train {made}/train.npz --data.modalities radar,radar",
        "expected distinct modality names, got radar twice",
    ),
    "a modality that the file lacks": (
        "fit --data arrays --data.train {made}/train.npz --data.modalities radar,cam",
        "has no array 'cam'; did you mean 'camera'?",
    ),
    "a kind that there is not": (
        "fit --data arrays --data.train {made}/train.npz --data.kinds.radar imag",
        "kinds: radar: unknown kind 'imag'; did you mean 'image'?",
    ),
    "a share that is none": (
        "fit --data arrays --data.train {made}/train.npz --data.val-share 2",
        "expected val_share between 0 and 1, got 2",
    ),
    "a combination that every row lacks": (
        "predict {run} --input {made}/unseen.npz --combination radar",
        "expected rows that have any of radar, got none among 30",
    ),
    "a GPU where there is none": (
        "fit --data arrays --data.train {made}/train.npz --accelerator gpu",
        "cannot train on accelerator gpu",
    ),
    "more processes than cores": ("fit --devices 9999", "asks for a process each"),
    "rates for other modalities": (
        "fit --sampler bernoulli --rates .5,.5,.5",
        "expected a rate for each of fou, fac, kar, pix, zer, mor, got 3",
    ),
    "a folder below a file": (
        "fit --max-epochs 1 --out {made}/train.npz/run",
        "{made}/train.npz",
    ),
    "rates without their sampler": ("fit --rates .5,.5", "read by the bernoulli sampler only"),
    "a sampler without its rates": (
        "fit --sampler bernoulli",
        "expected rates for the bernoulli sampler",
    ),
    "no such device": ("evaluate {run} --device cdua", "did you mean 'cuda'?"),
    "no such analysis": (
        "evaluate {run} --analyse angels",
        "unknown analysis 'angels'; did you mean 'angles'?",
    ),
    "channels of a vector": (
        "evaluate {run} --analyse channel-distance",
        "modality radar gives one position",
    ),
    "an analysis of a combination that is not there": (
        "evaluate {run} --analyse angles@rador",
        "unknown modality 'rador'; did you mean 'radar'?",
    ),
    "a split without an analysis": ("evaluate {run} --split val", "--split needs --analyse"),
    "a split that cannot be analysed": (
        "evaluate {run} --analyse angles --split train",
        "expected the split val or test, got 'train'",
    ),
    "a device too many": ("evaluate {run} --device cuda:99", "CUDA devices"),
    "nothing to report": ("report --out x", "expected a run, a file of rows, or --printed TABLE"),
    "no such table": ("report --printed tabel1", "did you mean 'table1'?"),
    "no such split": ("report {run} --split tset", "'test' or 'val'"),
    "not evaluated": ("report {run}", "dmrnet evaluate"),
}


@pytest.mark.parametrize(("words", "said"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_a_bad_command(
    cli: Cli,
    made: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"made": made, "run": finished}
    result = cli(*(word.format(**places) for word in words.split()))
    refused(result, said.format(**places))


def refused(result: Any, said: str) -> None:
    assert result.code == 2
    assert result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("dmrnet: error: ")
    assert said in line


def foreign(path: Path) -> None:
    path.write_bytes(save({"encoder.weight": torch.zeros(2)}))


def pickled(path: Path) -> None:
    torch.save({"weights": Bomb()}, path)


class Bomb:
    """Would leave a trace if it were unpickled."""

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return _explode, ()


def _explode() -> None:
    raise AssertionError("pickled code was run")


# What is done to the weights of a finished run, and what `dmrnet evaluate RUN` says of it.
BAD_WEIGHTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights cut short": (
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        "corrupt or no safetensors",
    ),
    "weights without a byte": (lambda path: path.write_bytes(b""), "corrupt or no safetensors"),
    "no weights": (lambda path: path.unlink(), "there are no weights at"),
    "weights of something else": (foreign, "does not fit"),
    "weights that hold pickled code": (pickled, "corrupt or no safetensors"),
}


@pytest.mark.parametrize(("damage", "said"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_damaged_weights(
    cli: Cli, finished: Path, tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    damage(run / "checkpoints" / "best.safetensors")
    refused(cli("evaluate", run), said)


def test_a_full_disk_leaves_what_was_there(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "from dmrnet.cli import main\n"
        "sys.exit(main(['evaluate', sys.argv[1]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(run)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1  # it failed while it ran
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"dmrnet: error: {run}")
    assert "File too large" in line
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_file_where_the_run_should_go(cli: Cli, made: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    flags = [f"--data.train={made / 'train.npz'}", "--out", str(blocked / "run")]
    result = cli(*FIT[:-2], *flags)
    assert result.code == 2
    assert str(blocked) in result.err.splitlines()[-1]


def test_debug_shows_where(cli: Cli) -> None:
    result = cli("fit", "--lr", "fast", "--debug")
    assert result.code == 2
    assert result.err.startswith("Traceback")
    assert result.err.splitlines()[-1].startswith("dmrnet: error: --lr")


def test_what_is_no_mistake_of_the_user_has_another_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken() -> int:
        raise RuntimeError("a\n  b")

    assert guarded(broken) == 1
    said = capsys.readouterr().err
    assert said == "dmrnet: error: RuntimeError: a b (--debug shows where)\n"


def test_a_broken_pipe_that_is_not_stdouts_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise BrokenPipeError(32, "Broken pipe")

    assert guarded(broken) == 1
    assert capsys.readouterr().err == "dmrnet: error: Broken pipe (--debug shows where)\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.npz"), "a.npz: No such file"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ValueError("one\n two"), "one two"),
        (KeyError("x"), "KeyError: 'x'"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_error_in_one_line(error: Exception, line: str) -> None:
    assert one_line(error).startswith(line)
    assert "\n" not in one_line(error)


def test_nothing_at_all_is_answered_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: dmrnet COMMAND" in capsys.readouterr().err


# The same rows once more, each in a process of its own, as a shell starts it.


def in_a_process(place: Path, *words: object) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "dmrnet", *map(str, words)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_a_bad_command_in_a_process(
    made: Path, finished: Path, tmp_path: Path, words: str, said: str
) -> None:
    places = {"made": made, "run": finished}
    result = in_a_process(tmp_path, *(word.format(**places) for word in words.split()))
    refused(result, said.format(**places))


@pytest.mark.slow
@pytest.mark.parametrize(("make", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_in_a_process(made: Path, tmp_path: Path, make: Make, said: str) -> None:
    with np.load(made / "train.npz") as arrays:
        np.savez(tmp_path / "bad.npz", **make(dict(arrays)))
    refused(in_a_process(tmp_path, *FIT, "--data.train", "bad.npz"), said)


@pytest.mark.slow
@pytest.mark.parametrize(("text", "said"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_bad_config_in_a_process(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    refused(in_a_process(tmp_path, "fit", "--config", "bad.yaml", "--out", "out"), said)


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "said"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights_in_a_process(
    finished: Path, tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    damage(run / "checkpoints" / "best.safetensors")
    refused(in_a_process(tmp_path, "evaluate", run), said)
