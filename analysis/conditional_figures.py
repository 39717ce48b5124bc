"""The figures of the section conditions: asked and read, the shares at equal age, maps, and one brain on its ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis import latents, plots, style, two_classes
from analysis.conditional import Told
from analysis.context import Context
from analysis.equal_age import Real, adjusted_map
from analysis.numbers import Numbers
from analysis.plots import ReportFigure
from progan_style import Category, Generator, generate

Values = tuple[NDArray[np.float64], NDArray[np.float64]]  # asked for or own, and read
SHOWN = (60.0, 85.0)  # years, the ends of one brain's way where the training slices reach so far
STEPS, BRAINS = 6, 2
MOST = 1000  # points of a scatter
BINS, FEWEST_IN_BIN = 8, 5  # of real people: about as many, and persons of each that is drawn
WORDS = {
    "disease": "the disease\nat equal age",
    "ten_years": "ten years\nof age",
    "raw": "raw difference\nof the groups",
}


def asked_and_read(
    numbers: Numbers, read: Sequence[tuple[Told, dict[str, Values]]], persons: NDArray[Any]
) -> ReportFigure:
    """What the reference model reads, over what was asked for or is known, of each number. persons: of real slices."""
    figure = plots.new_figure(4.2 * len(read), 4)
    said, control = [], []
    for ax, (one, pairs) in zip(figure.subplots(1, len(read), squeeze=False)[0], read, strict=True):
        unit = f" ({one.unit})" if one.unit else ""
        _points_and_bins(ax, pairs, persons)
        ax.set(xlabel=f"{one.column} asked for, or known{unit}", ylabel=f"read{unit}", title=one.column)
        ax.legend(fontsize=8)
        key, error = f"conditions.{one.column}.rank", f"conditions.{one.column}.error"
        said.append(
            f"{one.column}: rank correlation {numbers[key]:.2f}, mean error {numbers[error]:.3g}{unit}; of held-out "
            f"real people {numbers[f'{key}.real']:.2f} and {numbers[f'{error}.real']:.3g}."
        )
        control.append(f"{one.column}: {numbers[f'{key}.shuffled']:.2f} with shuffled values.")
    return ReportFigure(
        "asked_and_read",
        figure,
        "What slices were asked for, and what is read from them",
        "A reference model was trained on real training slices to tell these numbers. It reads generated slices, "
        "against what they were asked for, and slices of held-out people, against their own. "
        f"{' '.join(said)} What it misses in real people is its own ceiling.",
        " ".join(control),
        private=False,
        alt="For each number, points of generated slices, and medians of real ones with bars over the middle half: "
        "what was asked for or is known to the right, what is read upwards. A dotted line is equality.",
        shown=f"At most {MOST:,} generated slices. Real people in bins of {FEWEST_IN_BIN} or more, so that no point is "
        "one person's.",
    )


def _points_and_bins(ax: Axes, pairs: dict[str, Values], persons: NDArray[Any]) -> None:
    """Generated slices as points, real ones as quartiles of bins, and the line of equality between what is drawn."""
    values, of = pairs["generated"]
    some = np.random.default_rng(0).permutation(np.flatnonzero(np.isfinite(values)))[:MOST]
    drawn = style.look(False)
    label = f"generated ({len(some)})"
    ax.scatter(values[some], of[some], c=drawn.colour, marker=drawn.marker, s=8, lw=0, alpha=0.6, label=label)
    middles, (low, median, high) = by_bins(*pairs["real"], persons)
    drawn, bars = style.look(True), (median - low, high - median)
    ax.errorbar(middles, median, bars, color=drawn.colour, fmt=drawn.marker, ms=5, lw=1.2, label="real, quartiles")
    ends = ax.get_xlim()
    ax.plot(ends, ends, color=style.LIMIT, ls=":", lw=1, scalex=False)


def by_bins(
    values: NDArray[np.float64], read: NDArray[np.float64], persons: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The middles [B] of bins of the values and the quartiles [3, B] of what is read there.

    The figure may leave the lab. So edges are round, and a bin of fewer than FEWEST_IN_BIN known persons is left out.
    """
    values, read, persons = (column[np.isfinite(values)] for column in (values, read, np.asarray(persons)))
    edges = MaxNLocator(BINS, steps=[1, 2, 5, 10]).tick_values(values.min(), values.max())
    bins = np.minimum(np.digitize(values, edges), len(edges) - 1)  # the last one has both of its edges
    full = [k for k in np.unique(bins) if len(set(persons[bins == k]) - {""}) >= FEWEST_IN_BIN]
    quartiles = [np.quantile(read[bins == k], (0.25, 0.5, 0.75)) for k in full]
    return np.array([(edges[k - 1] + edges[k]) / 2 for k in full]), np.array(quartiles).reshape(-1, 3).T


def shares(context: Context, numbers: Numbers) -> ReportFigure:
    """What each cause opens in generated, in real slices and in truth, as bars beside each other."""
    causes = [cause for cause in WORDS if f"equal_age.{cause}.generated" in numbers]
    looks = (("generated", style.look(False)), ("real", style.look(True)), ("true", style.BASELINE_LOOK))
    figure = plots.new_figure(2.2 * len(causes) + 2, 3.8)
    ax = figure.add_subplot()
    for k, (whose, drawn) in enumerate(looks):
        name = {"raw": "disease"} if whose == "true" else {}
        places = [i for i, cause in enumerate(causes) if f"equal_age.{name.get(cause, cause)}.{whose}" in numbers]
        heights = [numbers[f"equal_age.{name.get(causes[i], causes[i])}.{whose}"] for i in places]
        look: dict[str, Any] = dict(facecolor="white", hatch="///") if whose == "true" else {"facecolor": drawn.colour}
        ax.bar([i + 0.26 * (k - 1) for i in places], heights, 0.24, edgecolor=style.NEUTRAL[0], label=whose, **look)
    ax.set_xticks(range(len(causes)), [WORDS[cause] for cause in causes])
    ax.axhline(0, color=style.LIMIT, lw=0.8)
    ax.set(ylabel="added to ventricles / brain (area)", title="by the ruler")
    ax.legend(fontsize=8)
    said = []
    for cause in causes:
        for whose, of in (("true", "the truth"), ("real", "held-out slices")):
            key = f"equal_age.{cause}.of_{whose}"
            if key in numbers:
                ends = (
                    f" ({numbers[f'{key}.low']:.2f} to {numbers[f'{key}.high']:.2f})" if f"{key}.low" in numbers else ""
                )
                said.append(f"{WORDS[cause].replace(chr(10), ' ')} over {of}: {numbers[key]:.2f}{ends}.")
    truth = (
        "The truth is what the same held-out phantoms would show at both ages."
        if "equal_age.disease.true" in numbers
        else "Nobody knows the truth of these slices; the real effects are least squares on class, age and the rest."
    )
    return ReportFigure(
        "equal_age",
        figure,
        "The disease at equal age",
        "Patients are older than controls, and age opens the ventricles too, so the groups' raw difference is both. "
        f"The last bars of the raw difference stand beside the disease alone. {truth} {' '.join(said)}",
        f"held-out slices and, where it is known, the truth. The intervals are over halves of the people and of the "
        f"seeds. Slices: {context.held_out_split}.",
        private=False,
        alt="Groups of bars: the disease at equal age, ten years of age, the raw difference of the groups. In each, "
        "what generated slices show, real ones, and the truth where it is known.",
        shown=f"{len(context.fakes)} generated slices of which the class alone was asked, as many of each class at "
        f"each of both ages, {len(context.held_out)} real ones.",
    )


def maps(
    context: Context,
    numbers: Numbers,
    cells: dict[tuple[int, int], NDArray[np.uint8]],
    real: Real,
    ages: tuple[float, float],
) -> ReportFigure:
    """Difference maps: of the disease at equal age, generated and real, of the groups, and of ten years of age.

    Without the real one at equal age where that could not be measured: there is no map of it either.
    """
    low, high = two_classes.two_classes(context).names
    mean = {key: images[:, 0].astype(np.float32).mean(axis=0) for key, images in cells.items()}
    disease = (mean[1, 0] - mean[0, 0] + mean[1, 1] - mean[0, 1]) / 2
    older = (mean[0, 1] - mean[0, 0] + mean[1, 1] - mean[1, 0]) / 2
    pixels = context.held_out.images[:, 0].astype(np.float32)
    groups = pixels[real.is_high == 1].mean(axis=0) - pixels[real.is_high == 0].mean(axis=0)
    at_equal_age = f"{high} - {low}\nat equal age"
    shown, said, how = [(f"generated, {at_equal_age}", disease)], "", ""
    if "equal_age.disease.real" in numbers:
        adjusted = adjusted_map(context.held_out.images, real)
        shown.append((f"real, {at_equal_age}", adjusted))
        how = "The real map at equal age is least squares in each pixel on class, age and the other conditions. "
        alike = latents.correlation(disease, adjusted)
        said = f" The maps correlate by {alike:.2f} (generated and real, at equal age)."
    figure = plots.new_figure(10, 2.9)
    figure.set_layout_engine("compressed")
    shown += [(f"real, {high} - {low}\nof the groups", groups), (f"generated,\n{ages[1]:g} - {ages[0]:g} years", older)]
    limit = float(max(np.abs(one).max() for _, one in shown))
    for i, (ax, (title, one)) in enumerate(zip(figure.subplots(1, len(shown)), shown, strict=True)):
        plots.signed_rows(ax, [one[None]], [""], limit, title, bar=i == len(shown) - 1)
    return ReportFigure(
        "equal_age_maps",
        figure,
        f"{high} - {low} at equal age, as maps",
        f"Means over generated slices of the same seeds, at both ages and with both sexes. {how}Beside it stands the "
        f"raw difference of the groups, which is age too, and what ten years change in generated slices.{said}",
        "the raw difference of the groups, and the map of age",
        private=True,
        alt="Maps in the same colours: the disease at equal age in generated and, where it is known, in real slices, "
        "the difference of the groups, and ten years of age.",
        shown=f"{sum(map(len, cells.values()))} generated and {len(pixels)} real slices.",
    )


def one_brain(context: Context) -> ReportFigure:
    """The same seeds from one age to another in both classes, and from one class to the other at one age."""
    two = two_classes.two_classes(context)
    (low, high), G = two.names, two.G
    of_age = G.described.named("age")
    assert not isinstance(of_age, Category)
    first, last = of_age.ends
    ages: NDArray[np.float64] = np.linspace(max(SHOWN[0], np.ceil(first)), min(SHOWN[1], np.floor(last)), STEPS).round(
        1
    )
    middle, sexes = float(ages[STEPS // 2]), fixed(G)
    rows, names = [], []
    for seed in range(BRAINS):
        for label, name in ((two.low, low), (two.high, high)):
            rows.append(series(G, label, seed, ages, sexes))
            names.append(f"seed {seed}, {name}")
        weights = latents.class_weights(two.low, two.high, len(G.class_names), np.linspace(0, 1, STEPS).tolist())
        rows.append(generate(G, weights, [seed] * STEPS, given=sexes | {"age": middle}).numpy())
        names.append(f"seed {seed}\n{low} to {high}")
    figure = plots.new_figure(STEPS + 2, len(rows) + 1)
    ax = figure.add_subplot()
    plots.image_rows(ax, rows, names, "", context.geometry)
    size = rows[0].shape[-1]
    places = [f"{age:g}\n{share:.1f}" for age, share in zip(ages, np.linspace(0, 1, STEPS), strict=True)]
    ax.set_xticks([(i + 0.5) * size - 0.5 for i in range(STEPS)], places)
    ax.set_xlabel(f"age in years; below, the weight of {high} at {middle:g} years")
    said = ", ".join(f"{name} {value}" for name, value in sexes.items())
    return ReportFigure(
        "one_brain",
        figure,
        f"One brain from {ages[0]:g} to {ages[-1]:g} years, and from {low} to {high}",
        f"Each row is one latent and one noise. In the first two rows of a seed the age that is asked for goes from "
        f"{ages[0]:g} to {ages[-1]:g} years, as {low} and as {high}. In the third the class goes from {low} to {high} "
        f"at {middle:g} years. {f'All else is held: {said}. ' if said else ''}It is the generator's idea of age and of "
        "the disease in groups, not what would happen to a person.",
        "Identity has to stay: outline, tilt and folds of a row should not wander.",
        private=False,
        alt="Rows of one brain each. From left to right it gets older, or goes from one class to the other.",
        shown=f"{BRAINS} latents, {len(rows) * STEPS} generated slices.",
    )


def fixed(G: Generator) -> dict[str, Any]:
    """The first name of each category, and the middle of each number but age: what one brain keeps."""
    kept: dict[str, Any] = {}
    for one in G.described.all:
        if one.column != "age":
            kept[one.column] = one.names[0] if isinstance(one, Category) else one.middle
    return kept


def series(G: Generator, label: int, seed: int, ages: NDArray[np.float64], kept: dict[str, Any]) -> NDArray[np.uint8]:
    """One seed at several ages: [T, 1, R, R]"""
    return torch.cat([generate(G, label, seed, given=kept | {"age": float(age)}) for age in ages]).numpy()
