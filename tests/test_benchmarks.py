"""The benchmark runs, at tiny sizes; both sides agree, or it stops."""

from __future__ import annotations

import json
import sys
from itertools import islice, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def command():
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(ROOT))
        from benchmarks.__main__ import main

        yield main
    torch.set_num_threads(threads)
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


class Measured(NamedTuple):
    """Rows of a measurement, its folder, and what was seen meanwhile."""

    rows: list[Any]
    out: Path
    inference: list[bool]
    kept: list[bool]


@pytest.fixture(scope="module")
def measured(command, tmp_path_factory) -> Measured:
    """Every part but `methods` and those that train, in single precision."""
    from benchmarks import __main__ as module
    from benchmarks import parts, released

    modes: list[bool] = []
    kept: list[bool] = []
    evaluating: list[bool] = []

    def watched(of):
        def run(*given: object, **by: object) -> object:
            if evaluating:
                modes.append(torch.is_inference_mode_enabled())
            return of(*given, **by)

        return run

    def noted(part):
        def run(setting):
            evaluating.append(True)
            yield from part(setting)
            evaluating.clear()

        return run

    timed = ["step", "evaluation", "sample", "modalities", "growth"]
    out = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "has_bf16", lambda *_: False)
        patched.setattr(parts, "keep_freed", lambda: kept.append(True))
        patched.setattr("dmrnet.engine.fit.keep_freed", lambda: kept.append(True))
        for part in ("evaluations", "samples"):
            patched.setattr(parts, part, noted(getattr(parts, part)))
        for name in ("ReleasedSURF", "ReleasedOGM", "ReleasedESANet"):
            kind = getattr(released, name)
            patched.setattr(kind, "logits", watched(kind.logits))
        rows = command(["--quick", "--repeats", "1", "--out", str(out), "--only", *timed])
    return Measured(rows, out, modes, kept)


def test_steps_are_measured_and_written(command, tmp_path) -> None:
    flags = ["--quick", "--repeats", "1", "--only", "step", "--networks", "surf"]
    rows = command([*flags, "--out", str(tmp_path)])
    assert rows[0].subject == "released"
    assert rows[0].ratio == (1, 1, 1)
    assert any(row.subject.startswith("dmrnet") and row.difference for row in rows)
    assert all(min(row.seconds) > 0 for row in rows)
    written = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert len(written["rows"]) == len(rows)
    assert "| released |" in (tmp_path / "benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_part_is_measured_and_written(command, measured: Measured, tmp_path) -> None:
    rows = measured.rows
    assert {row.case.split()[0] for row in rows} == {"surf", "ogm", "esanet"}
    assert all(len(row.seconds) >= 1 and min(row.seconds) > 0 for row in rows)
    # The first of each case is what the others are compared with.
    assert all(row.ratio == (1, 1, 1) for row in rows if row.subject == "released")
    compared = [row for row in rows if row.subject.startswith("dmrnet") and row.difference]
    assert len(compared) > 20
    written = json.loads((measured.out / "benchmarks.json").read_text(encoding="utf-8"))
    assert len(written["rows"]) == len(rows)
    assert "| released |" in (measured.out / "benchmarks.md").read_text(encoding="utf-8")
    drawn = (measured.out / "benchmarks.svg").read_text(encoding="utf-8")
    assert "ms per combination" in drawn
    assert "· dmrnet, mask" in drawn
    assert "· released<" not in drawn
    # From what was written the same is drawn, and nothing is measured.
    file = str(measured.out / "benchmarks.json")
    assert command(["--draw", file, "--out", str(tmp_path / "drawn")]) == rows
    again = (tmp_path / "drawn" / "performance.svg").read_text(encoding="utf-8")
    assert again == drawn


@pytest.mark.slow
def test_both_sides_are_evaluated_in_one_mode(measured: Measured) -> None:
    assert {row.subject for row in measured.rows} >= {"released"}
    assert measured.inference
    assert all(measured.inference)


@pytest.mark.slow
def test_no_part_but_methods_keeps_memory(command, measured: Measured, monkeypatch) -> None:
    from benchmarks import parts

    assert not measured.kept
    kept: list[bool] = []
    monkeypatch.setattr(parts, "keep_freed", lambda: kept.append(True))
    monkeypatch.setattr(parts, "METHODS", ("sf-md", "dmrnet", "mmanet"))
    rows = command(["--quick", "--repeats", "1", "--only", "methods"])
    assert {row.subject.split(",")[0] for row in rows} == {"sf-md", "dmrnet", "mmanet"}
    assert kept


def test_parts_that_keep_memory_run_last(command, monkeypatch, tmp_path) -> None:
    from benchmarks import __main__ as module
    from benchmarks import parts
    from benchmarks.clock import Row

    ran: list[str] = []
    kept: list[int] = []

    def instead(name: str):
        def run(*_: object) -> list[Row]:
            ran.append(name)
            if name in module.KEEPING:
                kept.append(len(ran))
            return [Row(name, "a case", "a subject", seconds=[1.0])]

        return run

    of_parts = {"step": "steps", "evaluation": "evaluations", "sample": "samples"}
    of_parts |= {name: name for name in ("methods", "modalities", "growth")}
    for part, name in of_parts.items():
        monkeypatch.setattr(parts, name, instead(part))
    monkeypatch.setattr(module, "epochs", instead("epoch"))
    monkeypatch.setattr(module, "memories", instead("memory"))
    monkeypatch.setattr(module, "loaders", instead("data"))
    monkeypatch.setattr(module, "shares", instead("shares"))
    command(["--quick", "--only", *reversed(module.PARTS), "--out", str(tmp_path)])
    assert len(ran) == len(module.PARTS)
    # No other part follows the first that keeps memory.
    assert kept == list(range(min(kept), len(ran) + 1))
    written = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "freed memory: as the system has it, but kept in methods, data, epoch, shares" in written


@pytest.mark.slow
def test_the_loader_is_timed_next_to_the_step(command) -> None:
    rows = command(["--quick", "--repeats", "2", "--only", "data"])
    assert [row.subject for row in rows] == ["step", "loader, 0 workers", "loader, 1 worker"] * 2
    assert [row.case.split(",")[0] for row in rows] == ["mfeat"] * 3 + ["faces in files"] * 3
    for first in (0, 3):
        step, *of = rows[first : first + 3]
        assert step.ratio == (1, 1, 1)
        for row in of:
            assert len(row.seconds) == 2
            shares = [a / b for a, b in zip(row.seconds, step.seconds, strict=True)]
            middle = sum(shares) / 2
            assert row.note.startswith(f"loader over step {middle:.1%}")


def test_faces_are_read_from_files(command, tmp_path) -> None:
    from benchmarks.data import write_faces

    from dmrnet.data.mapped import MappedDataset
    from dmrnet.data.sets.published.casia_surf import CasiaSurf

    write_faces(tmp_path, 8)
    train = CasiaSurf(root=str(tmp_path)).load(0).train
    assert isinstance(train, MappedDataset)
    assert all(array.path is not None for array in train.arrays.values())
    taken = train.take(torch.arange(3))
    assert {x.shape for x in taken.inputs.values()} == {(3, 3, 112, 112)}
    assert len(train) == 8


@pytest.mark.slow
def test_methods_are_compared_in_each_precision(command) -> None:
    from benchmarks.clock import Setting
    from benchmarks.parts import evaluations, methods, samples, steps

    setting = Setting(quick=True, repeats=1, bf16=True, networks=("surf",))
    rows = list(methods(setting, ["dmrnet"]))
    assert [row.subject for row in rows] == ["sf-md", "dmrnet", "sf-md, bf16", "dmrnet, bf16"]
    assert [row.ratio == (1, 1, 1) for row in rows] == [True, False] * 2
    over = [row.note.split(" over ")[1:] for row in rows]
    assert over == [[], ["sf-md"], [], ["sf-md, bf16"]]
    one = [row.subject for row in samples(setting)]
    assert one[4:8] == [f"{name}, bf16" for name in one[:4]]
    for part, subjects in ((steps, 3), (evaluations, 2)):
        found = [row.subject for row in islice(part(setting), 2 * subjects)]
        assert found[subjects:] == [f"{name}, bf16" for name in found[:subjects]]


@pytest.mark.slow
def test_an_epoch_and_a_peak_are_measured(command) -> None:
    rows = command(["--quick", "--repeats", "1", "--only", "epoch"])
    assert [row.subject for row in rows] == ["bare loop", "dmrnet's engine", "dmrnet's engine"]
    assert all(row.median > 0 for row in rows)


@pytest.mark.slow
def test_shares_are_of_a_step_and_its_arithmetic_is_replayed(command) -> None:
    whole, *parts, arithmetic = command(["--quick", "--only", "shares"])
    assert (whole.subject, arithmetic.subject) == ("whole step", "arithmetic")
    steps = [sum(times) for times in zip(*(part.seconds for part in parts), strict=True)]
    assert whole.seconds == pytest.approx(steps)
    assert min(arithmetic.seconds) > 0


def test_empty_columns_are_left_out(command) -> None:
    from benchmarks.clock import Row
    from benchmarks.report import markdown

    timed = [Row("step", "a", "released", [1.0]), Row("step", "a", "dmrnet", [0.5], note="n")]
    peak = [Row("memory", "a", "dmrnet", memory=7.0)]
    text = markdown(timed + peak, {})
    assert "| subject | median | spread | note |\n| --- | ---: | ---: | ---: |" in text
    assert "| released | 1.00 s | 1.00 s–1.00 s |  |" in text
    assert "| subject | MiB |\n| --- | ---: |\n| dmrnet | 7 |" in text


def test_sides_that_differ_are_not_timed(command, monkeypatch) -> None:
    from benchmarks import agreement, parts, subjects
    from benchmarks.clock import Setting

    case = parts.cases(Setting(quick=True))[0]
    pair = agreement.exact(case)
    assert max(agreement.check_steps(pair).values()) < agreement.TOLERANCE
    with torch.no_grad():
        pair.released.weights["predictor.linear.weight"][0, 0] += 1e-6
    with pytest.raises(ValueError, match="differs from the plain statement"):
        agreement.check_steps(pair)
    pair = subjects.Pair(case)
    with torch.no_grad():
        pair.released.weights["predictor.linear.weight"][0, 0] += 1
    with pytest.raises(ValueError, match="differs from the plain statement"):
        agreement.check_evaluation(pair, bf16=False)


def test_masks_show_every_modality_as_often_as_uniform_ones(command) -> None:
    from benchmarks.subjects import balanced_masks

    for modalities, batch in product(range(1, 11), (1, 2, 3, 4, 5, 7, 8, 9, 16, 32, 64)):
        masks = balanced_masks(batch, modalities)
        combinations = 2**modalities - 1
        expected = 2 ** (modalities - 1) / combinations
        assert masks.shape == (batch, modalities)
        assert masks.any(1).all()
        counts = masks.sum(0)
        # Whole numbers beside what uniform combinations show on average, for each modality.
        assert (counts - batch * expected).abs().max() < 1
        assert counts.max() - counts.min() <= 1
        assert float(masks.float().mean()) == pytest.approx(expected, abs=0.5 / batch)
        assert batch < 2 or counts.min() >= 1
        assert len(masks.unique(dim=0)) == min(batch, combinations)
        assert masks.equal(balanced_masks(batch, modalities))


def test_the_reported_batch_of_three_modalities_is_balanced(command) -> None:
    from benchmarks.subjects import balanced_masks

    # On average 64 * 4 / 7 = 36.6 each.
    assert sorted(balanced_masks(64, 3).sum(0).tolist()) == [36, 37, 37]


@pytest.mark.slow
def test_every_encoder_is_compared_for_any_number_of_modalities(command) -> None:
    from benchmarks import agreement
    from benchmarks.subjects import Case

    pair = agreement.exact(Case("surf", ((3, 32, 32),) * 6, 8, stem=4))
    assert max(agreement.check_steps(pair).values()) < agreement.TOLERANCE
    for v in range(6):
        name = f"encoders.{v}.resnet.stem.0.weight"
        weight = pair.released.weights[name]
        with torch.no_grad():
            weight[0, 0] += 1e-5
        with pytest.raises(ValueError, match="differs from the plain statement"):
            agreement.check_steps(pair)
        with torch.no_grad():
            weight[0, 0] -= 1e-5
    pair.batch.mask[:, 5] = False
    with pytest.raises(ValueError, match="never shown"):
        agreement.check_steps(pair)


@pytest.mark.parametrize(
    "family", ["surf", *(pytest.param(x, marks=pytest.mark.slow) for x in ("ogm", "esanet"))]
)
def test_a_step_saves_the_operations_of_hidden_encoders(command, family: str) -> None:
    from benchmarks.clock import Setting, operations
    from benchmarks.parts import cases
    from benchmarks.subjects import Pair

    (case,) = cases(Setting(quick=True, networks=(family,)))
    pair = Pair(case)
    whole = operations(pair.released_step())
    assert operations(pair.step("present")) == whole
    spared = 0
    hidden = (~pair.batch.mask).sum(0).tolist()
    assert min(hidden) > 0
    for name, encoder, rows in zip(pair.task.modalities, pair.method.encoders, hidden, strict=True):
        x = pair.batch.inputs[name][:1]
        spared += rows * operations(lambda encoder=encoder, x=x: encoder(x).sum().backward())
    assert operations(pair.step("mask")) == whole - spared
