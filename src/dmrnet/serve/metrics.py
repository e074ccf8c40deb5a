"""Counters of a service, in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from dmrnet.data.files.arrays.numbers import Array

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """Counters of one service.

    Args:
        modalities: Names of the modalities.
        waiting: Returns the number of samples that wait.
    """

    def __init__(self, modalities: tuple[str, ...], waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.modalities = modalities
        self.requests = Counter(
            "dmrnet_requests", "Requests to /predict by status.", ["status"], registry=self.registry
        )
        self.seconds = Histogram(
            "dmrnet_request_seconds",
            "Time from the head of a request to its answer.",
            registry=self.registry,
            buckets=SECONDS,
        )
        self.rows = Histogram(
            "dmrnet_batch_rows",
            "Samples predicted together.",
            registry=self.registry,
            buckets=ROWS,
        )
        self.samples = Counter("dmrnet_samples", "Samples predicted.", registry=self.registry)
        self.present = Counter(
            "dmrnet_present",
            "Samples predicted that had a modality.",
            ["modality"],
            registry=self.registry,
        )
        for name in modalities:
            self.present.labels(name)
        queue = Gauge("dmrnet_waiting_samples", "Samples that wait.", registry=self.registry)
        queue.set_function(waiting)

    def predicted(self, present: Array) -> None:
        """Count samples, from bool ``(b, V)``."""
        self.samples.inc(len(present))
        for name, number in zip(self.modalities, present.sum(0).tolist(), strict=True):
            self.present.labels(name).inc(number)

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self.registry)
