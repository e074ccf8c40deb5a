"""Label maps under every combination next to the truth, for data with a class per pixel."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from numpy.typing import NDArray

from dmrnet.report.figures.drawing.figure import Figure, make_figure
from dmrnet.report.records.combinations import members
from dmrnet.report.records.predictions import NO_CLASS, PICTURES, SavedLabelMaps, read_label_maps
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.summary import DataSummary

MOST_IMAGES, MOST_SYSTEMS, MOST_COLUMNS = 2, 6, 7
MOST_CLASSES = 12
"""Number of classes in the legend."""

GAP = 0.16
"""Width of the gap for the labels of systems, as a share of that of a map."""

SIDE = 240
"""Largest side, in pixels, of a drawn map; larger maps are subsampled without blending."""

EIGHT = ("#b07d4b", "#009e73", "#d55e00", "#56b4e9", "#f0e442", "#0072b2", "#cc79a7", "#999999")
"""Colours that are distinct for colour-blind readers; more classes get a wheel of hues."""

VOID = "#ffffff"


def map_figures(summary: DataSummary, prefix: str) -> list[Figure]:
    """Draw the label maps of test images that runs kept: those of each system's first seed."""
    if summary.split != "test":
        return []
    by_system: dict[str, SavedLabelMaps] = {}
    for line in sorted(summary.runs, key=lambda line: line.seed):
        path = line.path / PICTURES
        if line.label not in by_system and len(by_system) < MOST_SYSTEMS and path.is_file():
            by_system[line.label] = read_label_maps(path)
    if not by_system:
        return []
    first = next(iter(by_system.values()))
    figures: list[Figure] = []
    for image in first.index[:MOST_IMAGES]:
        same = {label: maps for label, maps in by_system.items() if _has_image(maps, first, image)}
        figures.append(_image_figure(summary, same, image, f"{prefix}-maps-{len(figures) + 1}"))
    return figures


def _has_image(maps: SavedLabelMaps, first: SavedLabelMaps, image: int) -> bool:
    """Whether a run was tested on the same image of this number as the first run."""
    if image not in maps.index or maps.classes != first.classes:
        return False
    one, other = (of.truth[of.index.index(image)] for of in (maps, first))
    return np.array_equal(one, other)


def _columns(names: Sequence[str], modalities: Sequence[str]) -> list[str]:
    """Return the combinations to draw: all, or single modalities and all modalities."""
    if len(names) <= MOST_COLUMNS:
        return list(names)
    sizes = {1, len(modalities)}
    return [name for name in names if len(members(name)) in sizes][: MOST_COLUMNS - 1]


def _image_figure(
    summary: DataSummary, by_system: dict[str, SavedLabelMaps], image: int, name: str
) -> Figure:
    first = next(iter(by_system.values()))
    columns = _columns(first.combinations, summary.modalities)
    index = first.index.index(image)
    truth = subsampled(first.truth[index])
    inputs = [(text, subsampled(values[index])) for text, values in first.inputs.items()]
    rows = {
        label: {
            text: subsampled(maps.predicted[maps.combinations.index(text), maps.index.index(image)])
            for text in columns
            if text in maps.combinations
        }
        for label, maps in by_system.items()
    }
    every = [truth, *(values for row in rows.values() for values in row.values())]
    used = np.unique(np.concatenate([values.ravel() for values in every]))
    colours = palette(len(first.classes))
    across = len(inputs) + 1 + len(columns)
    # Labels of systems stand in a gap before their maps.
    widths = [*(len(inputs) + 1) * [1.0], GAP, *len(columns) * [1.0]]
    width = min(1.7, 7.2 / sum(widths))
    height = width * truth.shape[0] / truth.shape[1]

    def draw(ink: str) -> Canvas:
        total = height * len(rows) + 0.65
        figure = Canvas(figsize=(width * sum(widths) + 0.1, total))
        ratios = {"width_ratios": widths}
        grid = figure.subplots(len(rows), len(widths), squeeze=False, gridspec_kw=ratios)
        figure.subplots_adjust(0.01, 0.4 / total, 0.99, 1 - 0.22 / total, 0.06, 0.06)
        for r, (label, maps) in enumerate(rows.items()):
            for axes in grid[r]:
                axes.set_axis_off()
            if r == 0:
                for axes, (text, values) in zip(grid[r], inputs, strict=False):
                    picture = values.transpose(1, 2, 0) if len(values) == 3 else values[0]
                    _show(axes, picture, text, ink)
                _show(grid[r][len(inputs)], _coloured(truth, colours), "truth", ink)
            for axes, text in zip(grid[r][len(inputs) + 2 :], columns, strict=True):
                if text in maps:
                    _show(axes, _coloured(maps[text], colours), "" if r else text, ink)
            left = grid[r][len(inputs) + 1]
            title = left.text(0.6, 0.5, fmt.shortened(label, 18), fontsize=9, color=ink)
            title.set(transform=left.transAxes, rotation=90, ha="center", va="center")
        _legend(figure, first.classes, colours, used, ink)
        return figure

    caption = (
        "Predicted class of every pixel under each combination, next to the truth; of each system "
        f"the run with the lowest seed. Maps are {truth.shape[1]} × {truth.shape[0]} pixels; "
        "larger ones are subsampled, not blended."
    )
    return make_figure(name, f"Label maps of {first.title(image)}", caption, draw, wide=across > 4)


def subsampled(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep every k-th pixel of maps ``(..., H, W)``, so that no side is longer than `SIDE`."""
    step = max(1, -(-max(values.shape[-2:]) // SIDE))
    return values[..., step // 2 :: step, step // 2 :: step]


def palette(classes: int) -> NDArray[np.float64]:
    """Return the RGB colour of each class, then of pixels without one: ``(classes + 1, 3)``."""
    wheel = mpl.colormaps["hsv"](np.linspace(0, 1, classes, endpoint=False)) * [0.85, 0.85, 0.85, 1]
    chosen = EIGHT[:classes] if classes <= len(EIGHT) else wheel.tolist()
    return np.array([mpl.colors.to_rgb(colour) for colour in (*chosen, VOID)])


def _coloured(labels: NDArray[np.uint8], colours: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a label map as a picture, uint8 ``(H, W, 3)``."""
    indices = np.where(labels == NO_CLASS, len(colours) - 1, labels).astype(int)
    picture: NDArray[np.uint8] = (colours[indices] * 255).round().astype(np.uint8)
    return picture


def _show(axes: Axes, picture: NDArray[np.uint8], text: str, ink: str) -> None:
    """Show a picture ``(H, W, 3)`` in colours, or ``(H, W)`` in grey."""
    axes.imshow(picture, interpolation="none", cmap="gray", vmin=0, vmax=255)
    axes.set_title(text, fontsize=9, color=ink, pad=2)


def _legend(
    figure: Canvas,
    classes: Sequence[str],
    colours: NDArray[np.float64],
    used: NDArray[np.uint8],
    ink: str,
) -> None:
    """Name the classes that occur, below the maps."""
    labels = [label for label in used.tolist() if label != NO_CLASS]
    patches = [Patch(color=tuple(colours[c]), label=classes[c]) for c in labels[:MOST_CLASSES]]
    if NO_CLASS in used:
        patches.append(Patch(facecolor=VOID, edgecolor=ink, label="no label"))
    key = figure.legend(
        handles=patches, loc="lower center", ncols=min(7, len(patches)), frameon=False, fontsize=9
    )
    for text in key.get_texts():
        text.set_color(ink)
