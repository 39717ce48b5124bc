"""Which styles make what, truncation, and a walk through the latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import latents, plots, style
from analysis.context import Context
from analysis.numbers import Number, Numbers
from analysis.persons import some_one_each
from analysis.plots import ReportFigure
from analysis.two_classes import TwoClasses, two_classes
from progan_style import generate

QUESTION = "Which styles make what, and how much variety does truncation cost?"
SHOWN = 8
PSIS = (0.0, 0.3, 0.5, 0.7, 1.0)
TRUNCATED = 48  # images per class and psi
MIXED = 6  # rows and columns of the style-mixing grid
FROM_ROW = 4  # the styles of 4x4 and 8x8, in the grid that is shown
FILMED, BETWEEN = 4, 16  # seeds and frames from one to the next
OF_NETWORKS = True

NO_TWO = "without two held-out people of a class"
NUMBERS = (
    Number(
        "mixing.<STYLES>.rows",
        meaning="share of the pixels' variance explained by the seed that gives the first styles (their number)",
    ),
    Number("mixing.<STYLES>.columns", meaning="the same by the seed that gives the rest"),
    Number(
        "truncation.<CLASS>.<PSI>.diversity",
        meaning="root mean square distance of two generated slices at this psi, gray levels",
    ),
    Number("truncation.<CLASS>.real.diversity", meaning="the same of real slices, one per person", unless=NO_TWO),
    Number("film.frames", meaning="frames of the walk"),
    Number("film.step", meaning="largest mean change between two frames, gray levels"),
    Number("film.seeds", meaning="mean change between neighbouring seeds, gray levels"),
)
Made = dict[str, Any]  # the mixing grid, its shares, the truncated slices by class, the frames


def measure(context: Context) -> tuple[Numbers, Made]:
    two = two_classes(context)
    numbers: Numbers = {}
    made: Made = {"shares": [], "truncated": {}}
    rows, columns = torch.arange(MIXED), torch.arange(MIXED, 2 * MIXED)
    for crossover in _crossovers(two):
        grid = latents.style_mixing(two.G, rows, columns, two.low, crossover)
        by_row, by_column = latents.explained(grid)
        numbers |= {f"mixing.{crossover}.rows": by_row, f"mixing.{crossover}.columns": by_column}
        made["shares"].append((by_row, by_column))
        if crossover == FROM_ROW:
            made["grid"] = grid
    seeds = torch.arange(TRUNCATED)
    for label, name in enumerate(context.class_names):
        sets = [generate(two.G, torch.full_like(seeds, label), seeds, psi=psi).numpy() for psi in PSIS]
        made["truncated"][name] = sets
        for psi, images in zip(PSIS, sets, strict=True):
            numbers[f"truncation.{name}.{psi:.1f}.diversity"] = latents.diversity(images)
    numbers |= _real_diversity(context)
    weights = latents.class_weights(two.low, two.high, len(context.class_names), (0.0, 0.5, 1.0))
    frames = latents.interpolation(two.G, torch.arange(FILMED), weights, BETWEEN)
    steps = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(axis=(1, 2, 3, 4))
    far = np.abs(frames[::BETWEEN].astype(np.float32) - np.roll(frames[::BETWEEN], 1, axis=0)).mean()
    numbers |= {"film.frames": len(frames), "film.step": float(steps.max()), "film.seeds": float(far)}
    return numbers, made | {"frames": frames}


def _crossovers(two: TwoClasses) -> list[int]:
    return list(range(0, two.G.active_layers + 1, 2))


def _real_diversity(context: Context) -> Numbers:
    numbers: Numbers = {}
    held_out, rng = context.held_out, np.random.default_rng(context.options.seed)
    for label, name in enumerate(context.class_names):
        rows = some_one_each(held_out.subjects, np.flatnonzero(held_out.labels == label), TRUNCATED, rng)
        if len(rows) > 1:
            numbers[f"truncation.{name}.real.diversity"] = latents.diversity(held_out.images[rows])
    return numbers


def answer(numbers: Numbers) -> str:
    key = f"mixing.{FROM_ROW}"
    return (
        f"The styles of 4x4 and 8x8 pixels explain {numbers[f'{key}.rows']:.0%} of the pixels' variance, the finer "
        f"ones {numbers[f'{key}.columns']:.0%}."
    )


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    two = two_classes(context)
    return [
        _mixing_picture(context, two, numbers, findings),
        _truncation_picture(context, numbers, findings["truncated"]),
        _film(two, numbers, findings["frames"]),
    ]


def _mixing_picture(context: Context, two: TwoClasses, numbers: Numbers, made: Made) -> ReportFigure:
    grid, shares = made["grid"], made["shares"]
    crossovers = _crossovers(two)
    figure = plots.new_figure(11, 5.8)
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    title = "columns: seeds " + ", ".join(map(str, range(MIXED, 2 * MIXED)))
    plots.image_rows(left, list(grid), [f"seed {i}" for i in range(MIXED)], title, context.geometry)
    left.set_ylabel("coarse styles and noise from")
    left.set_xlabel("fine styles from the column's seed")
    names = [str(c) if not c else f"{c}\n({2 ** (c // 2 + 1)} px)" for c in crossovers]
    labels = ("row (coarse)", "column (fine)")
    looks = ((style.NEUTRAL[0], "o-"), (style.NEUTRAL[1], "^--"))
    for share, label, (colour, line) in zip(np.transpose(shares), labels, looks, strict=True):
        right.plot(crossovers, share, line, color=colour, label=f"explained by the {label}")
    right.set_xticks(crossovers, names, fontsize=8)
    right.set(xlabel="styles taken from the row (up to this size)", ylabel="share of the pixels' variance", ylim=(0, 1))
    right.axvline(FROM_ROW, color="0.7", lw=0.8)
    right.legend(fontsize=8)
    return ReportFigure(
        name="style_mixing",
        content=figure,
        title="Which styles make what",
        reading=f"Left are {two.names[0]} slices with the styles of 4x4 and 8x8 pixels from the row's seed and the "
        "others from the column's. What a row shares is coarse, what a column shares is fine. There, rows explain "
        f"{numbers[f'mixing.{FROM_ROW}.rows']:.0%} of the pixels' variance and columns "
        f"{numbers[f'mixing.{FROM_ROW}.columns']:.0%}. The rest is their interplay.",
        control="With no styles from the row only the noise is the row's, and it explains "
        f"{shares[0][0]:.1%}. With all of them the columns explain {shares[-1][1]:.1%}.",
        private=False,
        alt="Left, a grid of slices that share coarse styles along rows and fine ones along columns. Right, two curves "
        "that cross: the variance that rows and columns explain, the more styles are the row's.",
        shown=f"{MIXED * MIXED} generated slices of {two.names[0]}.",
    )


def _truncation_picture(context: Context, numbers: Numbers, truncated: dict[str, Any]) -> ReportFigure:
    """Every class from its own centre (psi 0) to no truncation (psi 1), with the diversity that is left."""
    names = context.class_names
    shown = min(SHOWN, 12 // len(names))
    figure = plots.new_figure(shown * len(names) + 1.4, len(PSIS) + 0.9)
    axes = np.atleast_1d(figure.subplots(1, len(names)))
    for name, ax in zip(names, axes, strict=True):
        titles = [f"{psi:g}\n{numbers[f'truncation.{name}.{psi:.1f}.diversity']:.0f}" for psi in PSIS]
        plots.image_rows(ax, [images[:shown] for images in truncated[name]], titles, name, context.geometry)
    axes[0].set_ylabel("psi, and diversity in gray levels")
    found = [f"{n} {numbers[k]:.0f}" for n in names if (k := f"truncation.{n}.real.diversity") in numbers]
    control = "There are no held-out slices, so no diversity of real ones."
    if found:
        split = context.held_out_split
        control = f"The same of real slices ({split}), one per person, is {', '.join(found)} gray levels."
    return ReportFigure(
        name="truncation",
        content=figure,
        title="Truncation",
        reading="The same seeds are shown at every psi, pulled towards the centre of their own class. Psi 0 is the "
        "centre, where only noise differs. Psi 1 is no truncation. The number is the root mean square distance of two "
        f"of {TRUNCATED} slices. Smaller psi means more typical slices and fewer kinds of them. All numbers of this "
        "report are at psi 1.",
        control=control,
        private=False,
        alt=f"A block for each of {', '.join(names)}: rows of the same slices from psi 0, where all look alike, to psi "
        "1, where each is its own.",
        shown=f"{shown} latents of each class at {len(PSIS)} psis. The diversity is of {TRUNCATED}.",
    )


def _film(two: TwoClasses, numbers: Numbers, frames: NDArray[np.uint8]) -> ReportFigure:
    """A closed walk through the latents, as both classes and half-way between them."""
    low, high = two.names
    return ReportFigure(
        name="interpolation",
        content=latents.film(frames),
        suffix=".gif",
        title="A walk through the latents",
        reading=f"From left to right stand {low}, half-way and {high}, with the same latent in each frame. The walk "
        f"leads over {FILMED} seeds and back. It should glide. The largest step between frames is "
        f"{numbers['film.step']:.1f} gray levels per pixel. Jumps would mean that the generator holds separate "
        "pictures instead of one space.",
        control=f"Two neighbouring seeds, {BETWEEN} frames apart, differ by {numbers['film.seeds']:.1f} gray levels.",
        private=False,
        alt=f"A film of three brains side by side, as {low}, half-way and as {high}, that glide from shape to shape.",
        shown=f"{len(frames)} frames over {FILMED} seeds.",
    )
