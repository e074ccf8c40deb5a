"""Parts of the benchmark, with their networks and sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from benchmarks.agreement import check_evaluation, check_steps, exact
from benchmarks.clock import Row, Setting
from benchmarks.subjects import Case, Pair, sgd
from dmrnet.engine.training.memory import keep_freed
from dmrnet.methods import METHODS, build_method
from dmrnet.methods.folded import folded
from dmrnet.modalities import rows_of
from dmrnet.nn.layers.memory_format import arrange
from dmrnet.nn.networks.network import Network

FACES = (3, 112, 112)
SOUND_AND_CLIP = ((1, 257, 188), (3, 1, 224, 224))
RGBD = ((3, 256, 320), (1, 256, 320))


def cases(setting: Setting) -> list[Case]:
    """Return the chosen networks of the paper, in sizes that a CPU can run."""
    if setting.quick:
        every = [
            Case("surf", ((3, 32, 32),) * 3, 4, stem=4),
            Case("ogm", ((1, 33, 40), (3, 2, 32, 32)), 4, stem=4),
            Case("esanet", ((3, 64, 64), (1, 64, 64)), 2, stem=4, layout="r18"),
        ]
    else:
        every = [
            Case("surf", (FACES,) * 3, 64),
            Case("ogm", SOUND_AND_CLIP, 9),
            Case("esanet", RGBD, 3),
        ]
    return [case for case in every if case.family in setting.networks]


def steps(setting: Setting) -> Iterator[Row]:
    """Time training steps: forward, backward, optimizer."""
    for case in cases(setting):
        yield from _step(setting, case, "step")


def _step(setting: Setting, case: Case, part: str) -> list[Row]:
    found = check_steps(exact(case, setting.device))
    pair = Pair(case, device=setting.device)
    work = {
        "released": pair.released_step(),
        "dmrnet, mask": pair.step("mask"),
        "dmrnet, present": pair.step("present"),
    }
    if setting.bf16:
        work |= {
            "released, bf16": pair.released_step(bf16=True),
            "dmrnet, mask, bf16": pair.step("mask", bf16=True),
            "dmrnet, present, bf16": pair.step("present", bf16=True),
        }
    rows = setting.time(part, case.name, work, case.batch)
    for row in rows:
        row.difference = found.get(row.subject.removeprefix("dmrnet, "))
    return rows


def evaluations(setting: Setting) -> Iterator[Row]:
    """Time the evaluation of all combinations of a batch."""
    for case in cases(setting):
        yield from _evaluation(setting, case, "evaluation")
        if case.family == "surf":
            six = replace(case, inputs=case.inputs[:1] * 6, batch=2 if setting.quick else 8)
            yield from _evaluation(setting, six, "evaluation")


def _evaluation(setting: Setting, case: Case, part: str) -> list[Row]:
    pair = Pair(case, device=setting.device)
    found = check_evaluation(pair, setting.bf16)
    work: dict[str, Callable[[], object]] = {
        "released": pair.released_evaluation(),
        "dmrnet": pair.evaluation(),
    }
    if setting.bf16:
        work |= {
            "released, bf16": pair.released_evaluation(bf16=True),
            "dmrnet, bf16": pair.evaluation(bf16=True),
        }
    rows = setting.time(part, case.name, work, case.batch)
    for row in rows:
        if row.subject.startswith("dmrnet"):
            row.difference = found["bf16" if row.subject.endswith("bf16") else "fp32"]
    return rows


def samples(setting: Setting) -> Iterator[Row]:
    """Time the prediction of one sample, with all its modalities and with one of them."""
    for whole in cases(setting):
        case = replace(whole, batch=1)
        pair = Pair(case, device=setting.device)
        check_evaluation(pair, setting.bf16)
        pair.method.eval()
        pair.released.training = False
        for shown in (len(case.inputs), 1):
            yield from _sample(setting, pair, shown)


def _sample(setting: Setting, pair: Pair, shown: int) -> list[Row]:
    """Time the prediction of one sample with its first `shown` modalities."""
    names = pair.task.modalities
    mask = torch.zeros(1, len(names), dtype=torch.bool)
    mask[:, :shown] = True
    here = replace(pair.batch, mask=mask, where=rows_of(mask, names)).to(pair.device)
    assert here.mask is not None
    assert here.where is not None
    seen, where = here.mask, here.where
    form = folded(pair.method, "+".join(names[:shown]))
    inputs = {name: here.inputs[name] for name in form.modalities}

    @torch.inference_mode()
    def theirs() -> object:
        return pair.released.logits(here.inputs, seen)

    @torch.inference_mode()
    def dense() -> object:
        return pair.method(here.inputs, seen)

    @torch.inference_mode()
    def ours() -> object:
        return pair.method.logits(pair.method.encode(here.inputs, where), seen)

    @torch.inference_mode()
    def small() -> object:
        return form(inputs)

    work: dict[str, Callable[[], object]] = {
        "released": theirs,
        "dmrnet, dense": dense,
        "dmrnet": ours,
        "dmrnet, folded": small,
    }
    if setting.bf16:
        kind = pair.device.type
        work |= {f"{name}, bf16": in_bf16(one, kind) for name, one in work.items()}
    repeats = setting.repeats * (1 if setting.quick else 4)
    case = f"{pair.case.name}, {shown} shown"
    return setting.time("one sample", case, work, 1, repeats=repeats)


def in_bf16(work: Callable[[], object], device: str) -> Callable[[], object]:
    """Return the same work in mixed precision."""

    def run() -> object:
        with torch.autocast(device, torch.bfloat16):
            return work()

    return run


def growth(setting: Setting) -> Iterator[Row]:
    """Time steps and evaluations with more modalities, samples and pixels."""
    few = replace(setting, bf16=False)
    side, stem, batch = (32, 4, 8) if setting.quick else (56, 32, 16)
    base = Case("surf", ((3, side, side),) * 3, batch, stem)
    modalities = (2, 3) if setting.quick else (2, 3, 4, 6, 8, 10)
    for v in modalities:
        case = replace(base, inputs=((3, side, side),) * v, batch=batch // 2)
        yield from _step(few, case, "step by modalities")
        if v <= 6:
            yield from _evaluation(few, case, "evaluation by modalities")
        else:
            # The released code would need 255 or more passes, so there is no comparison.
            work = {"dmrnet": Pair(case, device=setting.device).evaluation()}
            yield from few.time("evaluation by modalities", case.name, work, case.batch)
    for samples_ in (1, 4) if setting.quick else (1, 4, 16, 64):
        yield from _evaluation(few, replace(base, batch=samples_), "evaluation by samples")
        if samples_ > 1:
            yield from _step(few, replace(base, batch=samples_), "step by samples")
    for pixels in (32, 48) if setting.quick else (56, 112, 224):
        case = replace(base, inputs=((3, pixels, pixels),) * 3, batch=batch // 2)
        yield from _step(few, case, "step by pixels")
        yield from _evaluation(few, case, "evaluation by pixels")


def modalities(setting: Setting) -> Iterator[Row]:
    """Time all combinations of 2 to 10 modalities; the rows are of one combination."""
    side, stem, batch = (32, 4, 4) if setting.quick else (56, 32, 8)
    for v in (2, 4) if setting.quick else (2, 3, 4, 6, 8, 10):
        case = Case("surf", ((3, side, side),) * v, batch, stem)
        work = {"dmrnet": Pair(case, device=setting.device).evaluation()}
        (row,) = setting.time("a combination of all", case.name, work, batch)
        combinations = 2**v - 1
        row.subject = f"dmrnet, one of {combinations}"
        row.seconds = [seconds / combinations for seconds in row.seconds]
        row.speed = batch / row.median
        yield row


def methods(setting: Setting, names: Sequence[str] | None = None) -> Iterator[Row]:
    """Time a training step of methods on SURF, next to sf-md in the same precision.

    Args:
        setting: Settings of the benchmark.
        names: Methods to time with the batch of the steps and three times the repeats; by default
            all, with half the batch.
    """
    # As in the engine. Next to the released code only `--keep-freed` does this, for both sides.
    keep_freed()
    base = cases(replace(setting, networks=("surf",)))[0]
    case = base if setting.quick or names else replace(base, batch=32)
    every = ("sf-md", *(name for name in names or METHODS if name != "sf-md"))
    repeats = 3 * setting.repeats if names else None
    for of in ("", ", bf16") if setting.bf16 else ("",):
        work = {f"{name}{of}": _method_step(case, name, setting.device, bool(of)) for name in every}
        for row in setting.time("methods", case.name + of, work, case.batch, repeats=repeats):
            if row.subject != f"sf-md{of}":
                row.note = f"{row.over_first} over sf-md{of}"
            yield row


def _method_step(case: Case, name: str, device: str, bf16: bool) -> Callable[[], None]:
    torch.manual_seed(0)
    pair_batch = Pair(replace(case, stem=4)).batch
    method = build_method(name, case.task, "best", network=Network(family="surf", stem=case.stem))
    if method.needs.prerequisite is not None:
        teacher = build_method(
            method.needs.prerequisite,
            case.task,
            "best",
            network=Network(family="surf", stem=case.stem),
        )
        method.set_teacher(teacher)
    arrange(method.to(device), device)
    assert pair_batch.mask is not None
    encode = pair_batch.mask if method.encodes == "mask" else pair_batch.present
    batch = pair_batch.masked(pair_batch.mask, encode, case.task.modalities).to(device)
    optimizer = sgd(method.parameters(), fused=True)
    method.train()

    def run() -> None:
        # An epoch after any warm-up. Terms that wait for mining are zeros and cost the same.
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16):
            loss = method.training_loss(batch, 20).total
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run
