"""Some test samples: what each modality showed, the truth, what was predicted."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from dmrnet.report.figures.drawing.axes import HIGHLIGHT
from dmrnet.report.figures.drawing.figure import Figure, make_figure
from dmrnet.report.figures.drawing.systems import COLOURS
from dmrnet.report.mistakes.shown import ShownSamples
from dmrnet.report.statistics.formatting import shortened

MOST_COLUMNS = 6
"""Number of modalities that are drawn."""

LARGEST = 150_000
"""Most characters of the figure on a page; images are shrunk to fit."""

CELL, GAP, LETTER = 0.85, 0.08, 0.078
"""Side of a picture, space between two, and width of a letter next to them, in inches."""

WIDTH = 7.4
"""Width that samples are put side by side in, in inches."""


def sample_figure(label: str, shown: ShownSamples, order: tuple[str, ...], name: str) -> Figure:
    """Draw samples in rows and their modalities in columns; numbers alone are not drawn.

    Args:
        label: The system.
        shown: Its samples.
        order: Modalities in the order of the report.
        name: Name of the figure.
    """
    names = [one for one in order if one in shown.inputs][:MOST_COLUMNS]
    figure = _figure(label, shown, names, name, 1)
    step = 2
    while len(figure.svg) > LARGEST and step <= 8:
        figure, step = _figure(label, shown, names, name, step), 2 * step
    return figure


def _figure(label: str, shown: ShownSamples, names: list[str], name: str, step: int) -> Figure:
    count = len(shown.index)
    whole, worst = shown.combinations[0], shown.combinations[-1]
    columns = whole.split("+")
    lines = [_lines(shown, row) for row in range(count)]
    words = 0.15 + LETTER * max(len(text) for of in lines for text, _ in of)
    block = words + (CELL + GAP) * len(names) + 0.25
    across = max(1, min(3, count, int(WIDTH / block)))

    def draw(ink: str) -> Canvas:
        width, height = block * across, 0.3 + (CELL + GAP) * -(-count // across)
        figure = Canvas(figsize=(width, height))
        for row in range(count):
            start = block * (row % across)
            top = height - 0.3 - (CELL + GAP) * (row // across)
            for place, (text, wrong) in enumerate(lines[row]):
                where = ((start + 0.02) / width, (top - 0.16 - 0.22 * place) / height)
                colour = HIGHLIGHT if wrong else ink
                figure.text(*where, text, color=colour, fontsize=9, va="center")
            for column, modality in enumerate(names):
                left, bottom = start + words + (CELL + GAP) * column, top - CELL
                box = (left / width, bottom / height, CELL / width, CELL / height)
                axes = figure.add_axes(box)
                if row < across:
                    axes.set_title(shortened(modality, 12), fontsize=9, color=ink, pad=3)
                seen = bool(shown.present[row, columns.index(modality)])
                _cell(axes, shown.inputs[modality][row] if seen else None, ink, step)
        return figure

    rule = (
        "samples that only the worst combination gets wrong, that are wrong with all modalities, "
        "and that are right with both, evenly spread"
    )
    if shown.predicted.dtype.kind == "f":
        rule = (
            "the samples whose error grows most with the worst combination, those with the largest "
            "error with all modalities, and those with the smallest errors"
        )
    caption = (
        f"Test samples, and what {label} (the run with the lowest seed) predicts from all "
        "modalities"
        + (f" and from its worst combination, {worst}" if worst != whole else "")
        + f". Chosen by a rule: {rule}. Inputs are shrunk, each scaled from its least to its "
        "largest value."
    )
    return make_figure(name, "Samples", caption, draw, wide=block * across > 5.6, system=label)


def _lines(shown: ShownSamples, row: int) -> list[tuple[str, bool]]:
    """Return the lines next to a sample, and whether each is a wrong prediction."""
    truth = _text(shown, shown.target[row])
    lines = [(f"true: {truth}", False)]
    for place, combination in enumerate(shown.combinations):
        predicted = _text(shown, shown.predicted[place, row])
        which = "all" if place == 0 else shortened(combination, 14)
        exact = shown.predicted.dtype.kind != "f"
        wrong = exact and predicted != truth
        mark = "" if not exact else " ✗" if wrong else " ✓"
        lines.append((f"{which}: {predicted}{mark}", wrong))
    return lines


def _text(shown: ShownSamples, value: NDArray[np.generic]) -> str:
    """Return a class, labels or numbers in words."""
    if shown.predicted.dtype.kind == "f":
        text = ", ".join(f"{number:.4g}" for number in np.atleast_1d(value).tolist())
    elif np.ndim(value):
        has = [shown.classes[k] for k in np.flatnonzero(np.asarray(value) > 0).tolist()]
        text = ", ".join(has) or "none"
    else:
        text = shown.classes[int(value)]
    return shortened(text, 26)


def _cell(axes: Axes, values: NDArray[np.uint8] | None, ink: str, step: int) -> None:
    """Draw an image ``(C, H, W)`` or curves ``(C, T)``; a word where there is none."""
    axes.set_axis_off()
    if values is None:
        axes.text(0.5, 0.5, "missing", color=ink, ha="center", va="center", fontsize=9, alpha=0.7)
    elif values.ndim == 3:
        values = values[:, step // 2 :: step, step // 2 :: step]
        picture = values.transpose(1, 2, 0) if len(values) == 3 else values[0]
        axes.imshow(picture, interpolation="none", cmap="gray", vmin=0, vmax=255)
    else:
        for channel, curve in enumerate(values):
            axes.plot(curve[::step], color=COLOURS[(1 + channel) % len(COLOURS)], linewidth=0.8)
        axes.set_ylim(-8, 263)
