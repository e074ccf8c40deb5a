"""Commands and files of settings that are refused: one line that says what, code 2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.calls import in_a_process, refused

if TYPE_CHECKING:
    from .conftest import Cli

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
        "bad.yaml: optimizer: expected adamw, amsgrad or sgd, got 'adam'; did you mean 'adamw'?",
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
    "of one method, without its name": (
        "fit --method.beta 3",
        "a setting of dmrnet, but no method is named; add method dmrnet (--method)",
    ),
    "no such method": ("fit --method dmr-net", "did you mean 'dmrnet'?"),
    "no such recipe": ("fit --recipe papr", "did you mean 'paper'?"),
    "no such data": ("fit --data mfaet", "did you mean 'mfeat'?"),
    "wrong type": ("fit --lr fast", "--lr: expected a number, got 'fast'"),
    "wrong word": ("fit --schedule cosin", "got 'cosin'; did you mean 'cosine'?"),
    "out of range": ("fit --lr -1", "expected lr above 0, got -1"),
    "no value": ("fit --lr", "expected a value after --lr"),
    "files without data arrays": ("fit --data.train a.npz", "add data arrays (--data arrays)"),
    "no training file": ("fit --data arrays", "--data.train is missing"),
    "a file that is not there": (
        "fit --data arrays --data.train {made}/trian.npz",
        "there is no file {made}/trian.npz; did you mean 'train.npz'?",
    ),
    "a teacher that is none": (
        "fit --method mmanet --method.teacher {run}",
        "but mmanet needs one of full; train one as method full (--method)",
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
    "missing cells of published data": (
        "fit --data mfeat --data.cells mean",
        "unknown setting --data.cells of data mfeat; published data have no missing cells",
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
        "unknown setting --gpus; accelerator gpu (--accelerator) trains on a GPU",
    ),
    "resuming as other tools do": (
        "fit --resume x.ckpt",
        "unknown setting --resume; the same settings go on with a run that was stopped",
    ),
    "selection as other tools name it": (
        "fit --metric f1",
        "unknown setting --metric; select_by (--select-by) selects weights by another score",
    ),
    "another name for a device": (
        "evaluate {run} --device gpu",
        "unknown device 'gpu'; did you mean 'cuda'?",
    ),
    "a setting that the data set lacks": (
        "fit --data mfeat --data.kinds.a image",
        "unknown setting --data.kinds.a of data mfeat; data has rows, missing, train, val",
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


# The same rows once more, each in a process of its own, as a shell starts it.


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_a_bad_command_in_a_process(
    made: Path, finished: Path, tmp_path: Path, words: str, said: str
) -> None:
    places = {"made": made, "run": finished}
    result = in_a_process(tmp_path, *(word.format(**places) for word in words.split()))
    refused(result, said.format(**places))


@pytest.mark.slow
@pytest.mark.parametrize(("text", "said"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_bad_config_in_a_process(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    refused(in_a_process(tmp_path, "fit", "--config", "bad.yaml", "--out", "out"), said)
