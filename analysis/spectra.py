"""Gray levels and spatial frequencies of sets of slices, beside each other in one figure."""

from __future__ import annotations

import numpy as np

from analysis import pixels, plots, style
from analysis.context import Context
from analysis.pixels import POWER
from analysis.plots import ReportFigure
from analysis.slices import SliceTable

Sets = dict[str, SliceTable]


def pixel_picture(context: Context, curves: dict[str, Sets]) -> ReportFigure:
    """curves: of each class held-out reals, training reals and generated slices, in that order, by name.

    Frequencies go by mm where the data say millimetres.
    """
    figure = plots.new_figure(11, 3.8 * len(curves))
    mm = context.geometry.mm
    for row, (name, sets) in enumerate(curves.items()):
        label = context.class_names.index(name)
        looks = (style.look(True, label), style.BASELINE_LOOK, style.look(False, label))
        levels = [
            (f"{which} ({len(some)})", pixels.histogram(some.images), drawn)
            for (which, some), drawn in zip(sets.items(), looks, strict=True)
        ]
        power = [pixels.radial_spectrum(some.images) for some in sets.values()]
        left, right = (figure.add_subplot(len(curves), 2, 2 * row + column) for column in (1, 2))
        plots.curves(left, np.arange(256), levels, f"{name}: gray levels", ("gray level", "share of pixels"))
        left.set_yscale("log")
        ratios = [
            (which, (rings + 1e-12) / (power[0] + 1e-12), drawn)
            for which, rings, drawn in zip(sets, power, looks, strict=True)
        ]
        cycles = np.arange(1, len(power[0]) + 1) / (1.0 if mm is None else mm * context.resolution)
        words = ("cycles per image" if mm is None else "cycles per mm", "power / held-out reals'")
        plots.curves(right, cycles, ratios, f"{name}: power spectrum", words)
        right.axhspan(*POWER, color="0.93", zorder=-2, label=f"{POWER[0]:g} to {POWER[1]:g}: good")
        right.set(yscale="log", yticks=[0.3, 0.5, 0.8, 1, 1.25, 2])
        right.set_ylim(min(0.45, *(r.min() for _, r, _ in ratios)), max(2.0, *(r.max() for _, r, _ in ratios)))
        style.plain_ticks(right, x=False).legend(fontsize=8)
    return ReportFigure(
        "pixels",
        figure,
        "Gray levels and spatial frequencies",
        "Where the generated slices' curve falls below the gray ground, detail of that size is missing. Where it rises "
        "above, there is grain or a checkerboard that real slices do not have. The right end is the finest detail that "
        "the pixels can hold.",
        "the training reals' curve, which shows how far two real samples differ",
        private=False,
        alt="Two panels for each class: how often each gray level is, and the power at each spatial frequency over "
        "that of held-out reals.",
        shown="The legends count the slices.",
    )
