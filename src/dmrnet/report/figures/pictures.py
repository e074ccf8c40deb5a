"""Label maps beside the truth, under every combination, where every pixel has a class."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from numpy.typing import NDArray

from dmrnet.report.figures.figures import Figure
from dmrnet.report.figures.svg import to_png, to_svg
from dmrnet.report.records.combinations import members
from dmrnet.report.records.rows import RowError
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.summary import DataSummary

PICTURES = "pictures.npz"
MOST_IMAGES, MOST_SYSTEMS, MOST_COLUMNS = 2, 6, 7
MOST_KEYS = 12
SIDE = 240
"""Maps are thinned out to at most so many pixels a side, without blending."""

NO_CLASS = 255
EIGHT = ("#b07d4b", "#009e73", "#d55e00", "#56b4e9", "#f0e442", "#0072b2", "#cc79a7", "#999999")
"""Told apart by those who see colours otherwise, too; more classes get a wheel of hues."""

VOID = "#ffffff"


@dataclass(frozen=True, slots=True)
class Maps:
    """What a run kept of some test images.

    Attributes:
        index: Their numbers in the data set.
        combinations: Names.
        classes: Names.
        truth: uint8 ``(p, H, W)``.
        predicted: uint8 ``(K, p, H, W)``.
        inputs: By modality, uint8 ``(p, C, H, W)``, where the data may be shown.
    """

    index: tuple[int, ...]
    combinations: tuple[str, ...]
    classes: tuple[str, ...]
    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    inputs: dict[str, NDArray[np.uint8]]


def read_maps(path: Path) -> Maps:
    """Read ``pictures.npz``.

    Raises:
        RowError: If it is damaged.
    """
    try:
        # Opened here: given a path, numpy leaves a file open whose end is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found = {name: kept[name] for name in kept.files}
        maps = Maps(
            tuple(found["index"].tolist()),
            tuple(found["combination"].tolist()),
            tuple(found["classes"].tolist()),
            found["truth"],
            found["predicted"],
            {k.removeprefix("input/"): v for k, v in found.items() if k.startswith("input/")},
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RowError(f"{path}: expected label maps as dmrnet writes them ({error}).") from error
    shape = (len(maps.combinations), len(maps.index), *maps.truth.shape[1:])
    if maps.truth.ndim != 3 or maps.predicted.shape != shape:
        raise RowError(
            f"{path}: expected predicted maps {shape}, came {maps.predicted.shape} beside a truth "
            f"of {maps.truth.shape}."
        )
    return maps


def label_maps(summary: DataSummary, prefix: str) -> list[Figure]:
    """Draw the label maps that a summary's runs kept: of each system its first seed.

    Args:
        summary: The summary; pictures are of test images alone.
        prefix: Begins the figures' names.
    """
    if summary.split != "test":
        return []
    kept = dict(_kept(summary))
    if not kept:
        return []
    first = next(iter(kept.values()))
    drawn: list[Figure] = []
    for image in first.index:
        having = {label: maps for label, maps in kept.items() if _same(maps, first, image)}
        drawn.append(_of_image(summary, having, image, f"{prefix}-maps-{len(drawn) + 1}"))
        if len(drawn) == MOST_IMAGES:
            break
    return drawn


def _kept(summary: DataSummary) -> Iterator[tuple[str, Maps]]:
    """Give label and maps of each system that kept some, the lowest seed of each."""
    seen: set[str] = set()
    for line in sorted(summary.runs, key=lambda line: line.seed):
        path = line.path / PICTURES
        if line.label not in seen and len(seen) < MOST_SYSTEMS and path.is_file():
            seen.add(line.label)
            yield line.label, read_maps(path)


def _same(one: Maps, other: Maps, image: int) -> bool:
    """Whether two runs were tested on an image of this number that is the same one."""
    if image not in one.index or one.classes != other.classes:
        return False
    mine, theirs = (maps.truth[maps.index.index(image)] for maps in (one, other))
    return np.array_equal(mine, theirs)


def _columns(names: Sequence[str], modalities: Sequence[str]) -> list[str]:
    """Return the combinations that are drawn: all, or single modalities and everything."""
    if len(names) <= MOST_COLUMNS:
        return list(names)
    sizes = {1, len(modalities)}
    return [name for name in names if len(members(name)) in sizes][: MOST_COLUMNS - 1]


def _of_image(summary: DataSummary, kept: dict[str, Maps], image: int, name: str) -> Figure:
    first = next(iter(kept.values()))
    columns = _columns(first.combinations, summary.modalities)
    place = first.index.index(image)
    truth = thinned(first.truth[place])
    shown = [(text, thinned(values[place])) for text, values in first.inputs.items()]
    rows = {
        label: {
            text: thinned(maps.predicted[maps.combinations.index(text), maps.index.index(image)])
            for text in columns
            if text in maps.combinations
        }
        for label, maps in kept.items()
    }
    every = [truth, *(values for of_row in rows.values() for values in of_row.values())]
    used = np.unique(np.concatenate([values.ravel() for values in every]))
    colours = palette(len(first.classes))
    wide = len(shown) + 1 + len(columns)
    cell = min(1.7, 7.2 / wide)
    high = cell * truth.shape[0] / truth.shape[1]

    def draw(ink: str) -> Canvas:
        tall = high * len(rows) + 0.65
        figure = Canvas(figsize=(cell * wide + 0.1, tall))
        grid = figure.subplots(len(rows), wide, squeeze=False)
        figure.subplots_adjust(0.01, 0.4 / tall, 0.99, 1 - 0.22 / tall, 0.1, 0.06)
        for r, (label, maps) in enumerate(rows.items()):
            for axes in grid[r]:
                axes.set_axis_off()
            if r == 0:
                for axes, (text, values) in zip(grid[r], shown, strict=False):
                    _show_input(axes, values, text, ink)
                _show(grid[r][len(shown)], truth, colours, "truth", ink)
            for axes, text in zip(grid[r][len(shown) + 1 :], columns, strict=True):
                if text in maps:
                    _show(axes, maps[text], colours, "" if r else text, ink)
            _name(grid[r][len(shown) + 1], fmt.shortened(label, 18), ink)
        _legend(figure, first.classes, colours, used, ink)
        return figure

    title = f"Label maps of test image {image}"
    caption = (
        "Every pixel's class under each combination, beside the truth; of each system the run of "
        f"the lowest seed. Thinned out to {truth.shape[1]} x {truth.shape[0]} pixels, not blended."
    )
    svg = to_svg(draw, name, f"{title}. {caption}")
    return Figure(name, title, caption, wide > 4, svg, to_png(draw))


def thinned(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep every k-th pixel of maps ``(..., H, W)``, so that no side is longer than `SIDE`."""
    step = max(1, -(-max(values.shape[-2:]) // SIDE))
    return values[..., step // 2 :: step, step // 2 :: step]


def palette(classes: int) -> NDArray[np.float64]:
    """Return a colour for each class, and the one of pixels without a class behind them."""
    wheel = mpl.colormaps["hsv"](np.linspace(0, 1, classes, endpoint=False)) * [0.85, 0.85, 0.85, 1]
    chosen = EIGHT[:classes] if classes <= len(EIGHT) else wheel.tolist()
    return np.array([mpl.colors.to_rgb(colour) for colour in (*chosen, VOID)])


def _show(
    axes: Axes, labels: NDArray[np.uint8], colours: NDArray[np.float64], text: str, ink: str
) -> None:
    places = np.where(labels == NO_CLASS, len(colours) - 1, labels).astype(int)
    axes.imshow((colours[places] * 255).round().astype(np.uint8), interpolation="none")
    axes.set_title(text, fontsize=6.5, color=ink, pad=2)


def _name(axes: Axes, text: str, ink: str) -> None:
    """Write the name of a row on its left."""
    name = axes.text(-0.02, 0.5, text, rotation=90, fontsize=6.5, color=ink)
    name.set(transform=axes.transAxes, ha="right", va="center")


def _show_input(axes: Axes, values: NDArray[np.uint8], text: str, ink: str) -> None:
    shown = values.transpose(1, 2, 0) if len(values) == 3 else values[0]
    axes.imshow(shown, interpolation="none", cmap="gray", vmin=0, vmax=255)
    axes.set_title(text, fontsize=6.5, color=ink, pad=2)


def _legend(
    figure: Canvas,
    classes: Sequence[str],
    colours: NDArray[np.float64],
    used: NDArray[np.uint8],
    ink: str,
) -> None:
    labels = [label for label in used.tolist() if label != NO_CLASS]
    patches = [Patch(color=tuple(colours[c]), label=classes[c]) for c in labels[:MOST_KEYS]]
    if NO_CLASS in used:
        patches.append(Patch(facecolor=VOID, edgecolor=ink, label="no label"))
    key = figure.legend(
        handles=patches, loc="lower center", ncols=min(7, len(patches)), frameon=False, fontsize=6.5
    )
    for text in key.get_texts():
        text.set_color(ink)
