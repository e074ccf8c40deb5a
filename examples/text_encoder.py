"""Text next to other modalities: a Hugging Face encoder that is trained with the rest.

``python examples/text_encoder.py sentence-transformers/all-MiniLM-L6-v2`` downloads the encoder and
trains on made descriptions and measurements. Needs ``pip install transformers``.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import dmrnet


def token_numbers(texts: Sequence[str | None], tokenizer: Callable[..., Any], length: int) -> Any:  # noqa: ANN401
    """Return the tokens of texts, float32 ``(n, length)``; NaN where there is no text."""
    found = tokenizer(
        [text or "" for text in texts], padding="max_length", truncation=True, max_length=length
    )
    tokens = np.asarray(found["input_ids"], dtype=np.float32)
    tokens[[not text for text in texts]] = np.nan
    return tokens


class TextEncoder(nn.Module):
    """Mean of a transformer's last states over the tokens of a text.

    Args:
        model: Model of Hugging Face: ``AutoModel.from_pretrained(name)``.
        pad: Number of the padding token.
    """

    def __init__(self, model: nn.Module, pad: int = 0) -> None:
        super().__init__()
        self.model, self.pad = model, pad

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors ``(b, C)`` of token numbers ``(b, length)``."""
        tokens = x.long()
        seen = (tokens != self.pad).long()
        states = self.model(input_ids=tokens, attention_mask=seen).last_hidden_state
        total: Tensor = (states * seen[..., None]).sum(1)
        return total / seen.sum(1, keepdim=True).clamp(min=1)


def main(model: nn.Module, tokenizer: Any, lr: float = 5e-4, epochs: int = 10) -> dmrnet.Run:  # noqa: ANN401
    """Train on reports and vital signs; every fifth patient has no report."""
    rng, y = np.random.default_rng(0), np.arange(160) % 2
    words = (("no finding", "lungs are clear"), ("opacity on the left", "signs of pneumonia"))
    texts = [None if i % 5 == 0 else rng.choice(words[k]) for i, k in enumerate(y)]
    vitals = rng.normal(size=(160, 4)) + y[:, None] / 2
    report = token_numbers(texts, tokenizer, length=16)
    data = dmrnet.MultimodalDataset({"report": report, "vitals": vitals}, y)
    return dmrnet.fit(
        data.subset(range(120)),
        test=data.subset(range(120, 160)),
        method="sf-md",
        encoders={"report": TextEncoder(model, tokenizer.pad_token_id)},
        unscaled=["report"],  # token numbers stay as they are
        optimizer="adamw",
        lr=lr,
        max_epochs=epochs,
    )


if __name__ == "__main__":
    from transformers import AutoModel, AutoTokenizer

    torch.manual_seed(0)
    (name,) = sys.argv[1:]
    run = main(AutoModel.from_pretrained(name), AutoTokenizer.from_pretrained(name))
    sys.stdout.write(f"{run.evaluate()!r}\n")
