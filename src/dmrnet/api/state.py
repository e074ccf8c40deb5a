"""The state of torch in this process, which a training changes and Python gets back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_as_before() -> Iterator[None]:
    """Run in float32 and with gradients, whatever the caller has set, and set that again.

    Restored are the random generators, the number of threads and the default type of numbers;
    modes of the caller without gradients are left for the time.

    >>> before = torch.get_rng_state()
    >>> with torch_as_before():
    ...     _ = torch.rand(3)
    >>> bool((torch.get_rng_state() == before).all())
    True
    """
    threads, numbers = torch.get_num_threads(), torch.get_default_dtype()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with (
        torch.random.fork_rng(devices=devices),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(numbers)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
