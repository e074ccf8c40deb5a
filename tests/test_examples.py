"""Loops of one's own train, and job templates are read by bash and have dmrnet's flags."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests import forked
from torch import Tensor, nn

from dmrnet.cli import main
from dmrnet.cli.arguments import pop_flag
from dmrnet.methods import METHODS
from dmrnet.settings.config import parse_run
from dmrnet.studies import Board, Job

JOB = Path(__file__).parents[1] / "examples" / "slurm.sh"
STUDY = JOB.with_name("slurm-study.sh")


class _Tokens(SimpleNamespace):
    """A tokenizer with the interface of Hugging Face: a number a word."""

    pad_token_id = 0

    def __call__(self, texts: Sequence[str], max_length: int, **_: object) -> dict[str, object]:
        words = [[1 + len(word) for word in text.split()] for text in texts]
        return {"input_ids": [(one + [0] * max_length)[:max_length] for one in words]}


class _Model(nn.Module):
    """A model with the interface of Hugging Face."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.table(input_ids))


def test_text_is_read_by_an_encoder_of_hugging_face() -> None:
    example = runpy.run_path(str(JOB.with_name("text_encoder.py")))
    assert np.isnan(example["token_numbers"]([None, "a b"], _Tokens(), 3)[0]).all()
    run = example["main"](_Model(), _Tokens(), lr=1e-2, epochs=4)
    assert run.evaluate()["report"] > 0.9


def test_a_transformer_of_hugging_face_is_an_encoder() -> None:
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(vocab_size=20, intermediate_size=8, **small)
    encoder = runpy.run_path(str(JOB.with_name("text_encoder.py")))["TextEncoder"]
    model = encoder(transformers.BertModel(config)).eval()
    short, padded = torch.tensor([[3.0, 5.0]]), torch.tensor([[3.0, 5.0, 0.0, 0.0]])
    torch.testing.assert_close(model(short), model(padded), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_made_volumes_are_segmented(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--method sf-md --volumes 4 --side 8 --width 8 --epochs 1"
    monkeypatch.setattr(sys, "argv", ["volumes.py", *words.split()])
    runpy.run_path(str(JOB.with_name("volumes.py")))["main"]()
    said = capsys.readouterr().out
    assert "Dice on test" in said
    assert "edge+fluid+dye+plain" in said


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("job", [JOB, STUDY], ids=lambda job: job.stem)
def test_bash_reads_the_job(job: Path) -> None:
    done = subprocess.run(["bash", "-n", str(job)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_array_of_a_study_shares_out_every_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = STUDY.read_text(encoding="utf-8")
    assert re.search(r"^#SBATCH --array=1-\d+$", text, re.M)
    # A worker is a training by itself, whatever SLURM says of the job.
    assert "#SBATCH --ntasks=1\n" in text
    (line,) = (x for x in text.replace("\\\n", " ").splitlines() if x.startswith("dmrnet study"))
    words = {"STUDY": "table1", "DATA": "casia-surf", "ROOT": "r", "OUT": str(tmp_path / "out")}
    words |= {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "2"}
    for name, value in words.items():
        line = line.replace(f"${name}", value)
    made: list[str] = []

    def make(args: Namespace, todo: Sequence[Job], out: Path) -> Board:
        made.extend(job.label for job in todo)
        return Board(todo, 1)

    monkeypatch.setattr("dmrnet.cli.study.command.make", make)
    for share in ("1/2", "2/2"):
        argv = shlex.split(line.replace("2/2", share))
        assert main(argv[1:]) == 0
    assert main([*argv[1:], "--dry-run"]) == 0
    runs = re.search(r"(\d+) runs", capsys.readouterr().out.splitlines()[-1])
    assert runs is not None
    assert len(made) == len(set(made)) == int(runs.group(1))


def test_its_command_is_one_of_dmrnet() -> None:
    text = JOB.read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = (line for line in text.splitlines() if line.startswith("srun "))
    words = shlex.split(line)
    fit = words.index("fit")
    assert words[fit - 1] == "dmrnet"
    out, flags = pop_flag(words[fit + 1 :], "--out")
    assert out == "$OUT"
    training = parse_run(flags).training
    assert training.sync_batch_norm
    # They follow from SLURM.
    assert training.devices is training.nodes is None


def test_it_has_one_task_for_each_gpu() -> None:
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)", JOB.read_text(encoding="utf-8"), re.M))
    assert asked["ntasks-per-node"] == asked["gpus-per-node"]


# ---- loops of one's own ----------------------------------------------------------------------

LONGEST_LOOP = 25
SCORED = {"camera", "radar", "camera+radar"}


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the examples import each other, as they do when they are run."""
    monkeypatch.syspath_prepend(str(JOB.parent))


@pytest.mark.usefixtures("on_path")
def test_a_plain_loop_trains() -> None:
    import plain_torch

    scores = plain_torch.main(epochs=2, rows=256)
    assert scores.keys() == SCORED
    assert min(scores.values()) > 0.8
    source = Path(plain_torch.__file__).read_text(encoding="utf-8")
    (loop,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "train"
    )
    assert loop.end_lineno is not None
    assert loop.end_lineno - loop.lineno < LONGEST_LOOP


@pytest.mark.usefixtures("on_path")
def test_a_lightning_module_trains(tmp_path: Path) -> None:
    import lightning_module

    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    scores = lightning_module.main(
        2, 256, **quiet, enable_model_summary=False, default_root_dir=tmp_path, accelerator="cpu"
    )
    assert scores.keys() == SCORED
    assert min(scores.values()) > 0.8


def code_lines(nodes: Sequence[ast.stmt]) -> int:
    return sum(node.end_lineno - node.lineno + 1 for node in nodes if node.end_lineno)


@pytest.mark.usefixtures("no_pictures")
def test_an_own_encoder_takes_twelve_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = JOB.with_name("own_encoder.py")
    _, *code = ast.parse(source.read_text(encoding="utf-8")).body
    code = [node for node in code if not isinstance(node, ast.Import | ast.ImportFrom)]
    assert code_lines(code) <= 12
    left = runpy.run_path(str(source))
    assert [run.method.modalities for run in left["runs"]] == 2 * [("camera", "radar")]
    assert type(left["runs"][0].method.encoders[1].encoder).__name__ == "RadarNet"
    assert left["report"].page.is_file()
    assert capsys.readouterr().out.count("camera+radar") == 2


@pytest.mark.usefixtures("on_path", "no_pictures")
def test_an_own_method_takes_forty_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "_paths", dict(METHODS._paths))
    monkeypatch.setattr(METHODS, "_registered", dict(METHODS._registered))
    import own_method

    body = ast.parse(Path(own_method.__file__).read_text(encoding="utf-8")).body
    parts = [
        n for n in body if isinstance(n, ast.ClassDef) or getattr(n, "name", "") == "mean_fusion"
    ]
    assert len(parts) == 3
    assert code_lines(parts) <= 40
    runs = own_method.main(str(tmp_path / "report"), epochs=1)
    assert "certain" in runs[0].history[0]
    assert "mean-fusion" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")


def train_distributed(folder: str, out: str) -> None:
    """Run the example, as torchrun runs it on each of its processes."""
    sys.path.insert(0, folder)
    import distributed

    Path(out).write_text(json.dumps(distributed.main(epochs=2, rows=256)), encoding="utf-8")


@pytest.mark.ddp
def test_two_processes_train_one_method(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        forked.start(
            "tests.test_examples:train_distributed",
            *(str(JOB.parent), str(tmp_path / f"{rank}.json")),
            streams=tmp_path / str(rank),
            environment={**group, "RANK": str(rank), "GLOO_SOCKET_IFNAME": "lo"},
        )
        for rank in range(2)
    ]
    for rank, process in enumerate(processes):
        process.join(forked.SECONDS)
        assert process.exitcode == 0, (tmp_path / f"{rank}.err").read_text()
    scores = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert scores[0].keys() == SCORED
    assert scores[0] == scores[1]
    assert min(scores[0].values()) > 0.8
