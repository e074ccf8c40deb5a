"""The model card of a run: its modalities, its score on every combination, how to use it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dmrnet.report.pages.markdown import escape_markdown
from dmrnet.report.records.metrics import is_rate, lower_is_better, score_label

_BODY = """
# {title}

Predicts {what} from {number}, any of which may be missing. Trained with
[dmrnet](https://pypi.org/project/dmrnet/) {version}, method `{method}` (recipe `{recipe}`), on
`{dataset}`.

## Use

```python
import dmrnet

run = dmrnet.from_pretrained("FOLDER OR REPOSITORY")
run.{predict}({{{example}}})  # leave out what is missing
```

## Modalities

Numbers are in the units of training; the model standardises them itself.

{inputs}
## {heading}

{names}

## Scores

{scored}
{picture}{table}"""


def card_of(metadata: Mapping[str, Any], picture: str | None, licence: str | None = None) -> str:
    """Return the text of ``README.md``, with YAML front matter.

    Args:
        metadata: What `dmrnet.deploy.metadata` says of the run.
        picture: Name of the file of the picture, if there is one.
        licence: Licence of the weights, if it is known.
    """
    import yaml

    scores = metadata["scores"]
    label, values = score_label(scores["metric"]), scores["combinations"]
    title = f"{metadata['method']} on {metadata['dataset']}"
    front: dict[str, Any] = {
        "library_name": "dmrnet",
        "tags": ["dmrnet", "multimodal", "missing-modalities"],
        **({"license": licence} if licence else {}),
        **({"model-index": [_index(title, metadata)]} if values else {}),
    }
    inputs = _table(
        ("modality", "kind", "shape"),
        [(m["name"], m["kind"], " x ".join(map(str, m["shape"]))) for m in metadata["inputs"]],
    )
    sign = 1 if lower_is_better(scores["metric"]) else -1
    rows = sorted(values.items(), key=lambda item: (item[0].count("+"), sign * item[1][0]))
    rate = is_rate(scores["metric"])
    split = {"test": "test samples", "val": "validation samples"}[scores["split"]]
    scored = "Not scored yet.\n"
    if values:
        # Not MAP for mAP.
        heading = label.capitalize() if label.islower() else label
        scored = (
            f"{heading} on {split}, in {'percent' if rate else 'its unit'}. A combination is "
            "scored on the samples that have all its modalities (n).\n"
        )
    count = len(metadata["modalities"])
    body = _BODY.format(
        title=escape_markdown(title),
        what=_predicted(metadata),
        predict="predict" if metadata["target"] == "regression" else "predict_proba",
        heading={"multi-label": "Labels", "regression": "Numbers"}.get(
            metadata["target"], "Classes"
        ),
        number="1 modality" if count == 1 else f"{count} modalities",
        version=metadata["dmrnet"],
        method=metadata["method"],
        recipe=metadata["recipe"],
        dataset=metadata["dataset"],
        example=", ".join(f'"{name}": ...' for name in metadata["modalities"]),
        inputs=inputs,
        names=", ".join(map(escape_markdown, metadata["classes"])),
        scored=scored,
        picture=f"![Score of every combination]({picture})\n\n" if picture else "",
        table=_table(
            ("combination", label, "n"),
            [
                (name, f"{100 * value:.1f}" if rate else f"{value:.4g}", str(n))
                for name, (value, n) in rows
            ],
        )
        if values
        else "",
    )
    return f"---\n{yaml.safe_dump(front, allow_unicode=True, sort_keys=False)}---\n{body}"


def _predicted(metadata: Mapping[str, Any]) -> str:
    """Return what is predicted, as the object of a sentence."""
    number = len(metadata["classes"])
    if metadata["target"] == "regression":
        return "a number" if number == 1 else f"{number} numbers"
    if metadata["target"] == "multi-label":
        return "whether a sample has a label" if number == 1 else f"which of {number} labels it has"
    ordered = "ordered " if metadata["target"] == "ordinal" else ""
    return f"one of {number} {ordered}classes{' for every pixel' if metadata['dense'] else ''}"


def _index(title: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores in the form that the Hub reads: average, worst and full combination."""
    scores = metadata["scores"]
    label = score_label(scores["metric"])
    values = {name: value for name, (value, _) in scores["combinations"].items()}
    worst = max if lower_is_better(scores["metric"]) else min
    lines = {
        f"{label}, average over combinations": math.fsum(values.values()) / len(values),
        f"{label}, worst combination": worst(values.values()),
    }
    if (full := "+".join(metadata["modalities"])) in values:
        lines[f"{label}, all modalities"] = values[full]
    return {
        "name": title,
        "results": [
            {
                "task": {"type": "other", "name": "prediction with missing modalities"},
                "dataset": {"type": metadata["dataset"], "name": metadata["dataset"]},
                "metrics": [
                    {"type": scores["metric"], "name": name, "value": round(value, 6)}
                    for name, value in lines.items()
                ],
            }
        ],
    }


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(map(escape_markdown, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def picture_of(run: Path, split: str) -> bytes:
    """Return the figure of every combination as PNG.

    Args:
        run: Folder of a run that has scores.
        split: ``test`` or ``val``.
    """
    from dmrnet.report.figures.scores import by_combination
    from dmrnet.report.records.runs import read_runs
    from dmrnet.report.summary.summary import summarise

    summary, *_ = summarise(read_runs([run], split), split, "")
    return by_combination(summary, "combinations").png
