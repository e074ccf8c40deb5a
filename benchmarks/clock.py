"""Timing on a shared machine: interleaved, repeated, median and spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

Work = Callable[[], object]


@dataclass
class Row:
    """Measurements of one subject in one case.

    Attributes:
        part: Part of the benchmark: step, evaluation, ...
        case: Network, batch and sizes.
        subject: Implementation that is measured; the others of a case are compared with the first.
        seconds: Seconds of each repeat.
        ratio: First subject's seconds over these: median over repeats, lowest and highest.
        flops: Counted floating-point operations of matrix products and convolutions.
        rate: Operations per second, as a share of the measured matrix rate of that precision.
        speed: Samples per second, from the median.
        memory: Rise of the peak memory, in MiB.
        difference: Relative difference to the first subject's results.
        note: Further text for the table.
    """

    part: str
    case: str
    subject: str
    seconds: list[float] = field(default_factory=list)
    ratio: tuple[float, float, float] | None = None
    flops: int | None = None
    rate: float | None = None
    speed: float | None = None
    memory: float | None = None
    difference: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """Median seconds; NaN where nothing was timed."""
        return statistics.median(self.seconds) if self.seconds else float("nan")

    @property
    def over_first(self) -> str:
        """Cost over the first subject: median over repeats, lowest and highest.

        >>> Row("", "", "", ratio=(0.98, 0.8, 1.0)).over_first
        '+2.0% (+0.0% to +25.0%)'
        """
        assert self.ratio is not None
        middle, lowest, highest = (1 / value - 1 for value in self.ratio)
        return f"{middle:+.1%} ({highest:+.1%} to {lowest:+.1%})"


@dataclass(frozen=True)
class Setting:
    """Settings of the benchmark.

    Attributes:
        repeats: Number of repeats of every subject, interleaved.
        threads: Number of torch's threads. With one, CPU seconds of this process are measured,
            which other processes hardly lengthen; with more, elapsed seconds.
        quick: Whether to use tiny sizes, for the test that everything runs.
        bf16: Whether to run in mixed precision too.
        device: Device of all subjects; not tried on a GPU.
        networks: Families of networks to run.
        rates: Measured matrix rates in operations a second, by precision.
    """

    repeats: int = 5
    threads: int = 1
    quick: bool = False
    bf16: bool = False
    device: str = "cpu"
    networks: tuple[str, ...] = ("surf", "ogm", "esanet")
    rates: dict[str, float] = field(default_factory=dict)

    def now(self) -> float:
        """Wait for the device, then read the clock."""
        if self.device != "cpu":
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time() if self.threads == 1 else time.perf_counter()

    def time(
        self,
        part: str,
        case: str,
        subjects: Mapping[str, Work],
        samples: int,
        repeats: int | None = None,
    ) -> list[Row]:
        """Time subjects in turn, after one run of each that is not counted.

        Args:
            part: Part of the benchmark.
            case: Network, batch and sizes.
            subjects: Functions to time, by name; the others are compared with the first.
            samples: Number of samples in one run.
            repeats: Number of repeats; by default the setting's.
        """
        rows = {name: Row(part, case, name) for name in subjects}
        for repeat in range((repeats or self.repeats) + 1):
            for name, work in subjects.items():
                before = self.now()
                work()
                seconds = self.now() - before
                if repeat:
                    rows[name].seconds.append(seconds)
        first = next(iter(rows.values()))
        for name, row in rows.items():
            row.ratio = ratio(first.seconds, row.seconds)
            row.speed = samples / row.median
            row.flops = operations(subjects[name])
            precision = "bf16" if name.endswith("bf16") else "fp32"
            if row.flops and precision in self.rates:
                row.rate = row.flops / row.median / self.rates[precision]
        return list(rows.values())


def ratio(first: list[float], other: list[float]) -> tuple[float, float, float]:
    """Return the median, lowest and highest ratio of repeats that ran next to each other.

    >>> ratio([4.0, 4.0, 6.0], [2.0, 1.0, 2.0])
    (3.0, 2.0, 4.0)
    """
    ratios = [a / b for a, b in zip(first, other, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def operations(work: Work) -> int:
    """Count the operations of products and convolutions in one run."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def matrix_rates(setting: Setting) -> dict[str, float]:
    """Measure the operations per second that this machine reaches, by precision.

    The better one of a large square product and a convolution as in the middle of a ResNet counts:
    on some processors the library for one is twice as fast as that for the other.
    """
    rates = {}
    kinds = {"fp32": torch.float32, **({"bf16": torch.bfloat16} if setting.bf16 else {})}
    size, channels, side, batch = (256, 16, 14, 8) if setting.quick else (2048, 128, 14, 64)
    for name, dtype in kinds.items():
        a = torch.randn(size, size).to(setting.device, dtype)
        kernel = torch.randn(channels, channels, 3, 3).to(setting.device, dtype)
        x = torch.randn(batch, channels, side, side).to(setting.device, dtype)
        last = torch.channels_last
        x, kernel = x.contiguous(memory_format=last), kernel.contiguous(memory_format=last)
        by = {
            2 * size**3: partial(torch.mm, a, a),
            2 * batch * side**2 * channels**2 * 9: partial(F.conv2d, x, kernel, padding=1),
        }
        reached = []
        for flops, work in by.items():
            for _ in range(4 if setting.quick else 12):
                before = setting.now()
                work()
                reached.append(flops / (setting.now() - before))
        rates[name] = max(reached)
    return rates


def has_bf16(device: str = "cpu") -> bool:
    """Return whether the device has instructions for bfloat16; CPUs are checked on Linux only."""
    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:  # noqa: PTH123
            flags = info.read()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags
