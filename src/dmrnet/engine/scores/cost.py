"""The operations of a prediction: counted, so that they are the same on every machine."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dmrnet.methods.base import Method


def inference_flops(method: Method) -> int:
    """Return the floating-point operations of predicting one sample from all its modalities.

    Matrix products, convolutions and attention count, two operations for each multiplication with
    its addition; elementwise operations do not.

    Args:
        method: Method on any device; it is not changed.
    """
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    task = method.task
    inputs = {m.name: torch.zeros((1, *m.shape), device=device) for m in task.inputs}
    mask = torch.ones((1, len(task.inputs)), dtype=torch.bool, device=device)
    was_training = method.training
    method.eval()
    # The only kind of attention whose operations torch counts on every device.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        method(inputs, mask)
    method.train(was_training)
    return int(counter.get_total_flops())
