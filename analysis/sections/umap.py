"""Maps of features (UMAP, PCA) to look at, and what is counted in feature space: do classes part, and real from made?

A picture of neighbours is never a measurement. Letters: M images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import neighbours, plots, style
from analysis.context import Context
from analysis.embedding import MIN_DIST, NEIGHBOURS, pca_map, umap_embed, umap_map
from analysis.hover import interactive_map
from analysis.numbers import Number, Numbers
from analysis.persons import of_many_persons
from analysis.plots import ReportFigure
from analysis.sources import FeatureTable, join

QUESTION = "Where do generated slices lie among real ones, and do the classes part?"
FITTED = 2000  # training slices that the map is fitted on; 4,000 is UMAP's own limit
SHOWN = 1000  # held-out and generated slices on it, of each kind
PEOPLE = len(style.PERSONS)  # coloured persons: as many as there are colours to tell apart

ONE_CLASS = "with one class"
NO_NETWORK = "with two folders, which have no generator"
PURITY = ("held-out reals {.real}", "its p {.real.p}", "shuffled labels {.shuffled}")
KINDS = {ending: ONE_CLASS for ending in (".shuffled", ".p", ".real", ".real.shuffled", ".real.p")}
NUMBERS = (
    Number("umap.fitted", meaning="training slices that the maps are fitted on"),
    Number("umap.held_out", meaning="held-out slices placed on them"),
    Number("umap.generated", meaning="generated slices placed on them"),
    Number(
        "umap.knn_purity",
        "kNN purity",
        "share of a generated slice's 15 closest generated ones that have its class, with permuted labels, and the p "
        "of 199 permutations. Those with real are of held-out reals, with people permuted",
        beside=PURITY,
        also=KINDS,
        unless=ONE_CLASS,
    ),
    Number(
        "umap.silhouette",
        "silhouette",
        "1 where classes lie apart, 0 where they are mixed, of generated and of held-out slices",
        beside=("held-out reals {.real}",),
        also={".real": ONE_CLASS},
        unless=ONE_CLASS,
    ),
    Number(
        "umap.realness",
        "real from generated",
        "share of neighbours of the own side, held-out and generated slices together. The baseline has training reals "
        "in the generated slices' place",
        beside=("real-vs-real baseline {.baseline}", "equal sets {umap.realness.expected}"),
        also={".baseline": ""},
    ),
    Number("umap.realness.expected", meaning="what equal sets of this size have", also={".baseline": ""}),
    Number(
        "umap.generator.knn_purity",
        meaning="purity of the generator's own features, which are made from the label. It is high for any generator "
        "that listens to its label",
        unless=NO_NETWORK,
    ),
)


@dataclass(frozen=True)
class Mapped:
    """The rows of held-out and of generated slices that are shown, their features, and what the maps are fitted on."""

    rows: NDArray[np.int64]
    made: NDArray[np.int64]
    held_out: FeatureTable
    fakes: FeatureTable
    fitted: FeatureTable


def measure(context: Context) -> tuple[Numbers, Mapped]:
    context.need_held_out()
    rows, made = _balanced(context)
    train = context.table("judge", "train")
    fitted = train.take(of_many_persons(train.subjects, FITTED, context.options.seed))
    held_out, fakes = context.table("judge", "held_out").take(rows), context.table("judge", "fakes").take(made)
    numbers = _numbers(context, held_out, fakes, fitted)
    if context.generator is not None:
        numbers["umap.generator.knn_purity"] = _purity(context.table("generator", "fakes").take(made))
    return numbers, Mapped(rows, made, held_out, fakes, fitted)


def show(context: Context, numbers: Numbers, findings: Mapped) -> list[ReportFigure]:
    """Held-out and generated slices are placed alike on maps that are fitted on training reals."""
    chosen = findings
    context.options.log("UMAP starts (its first import in an environment compiles for about a minute)")
    both = join(chosen.held_out, chosen.fakes)
    positions = np.concatenate([context.positions[chosen.rows], np.full(len(chosen.made), np.nan)])
    the_map, _ = umap_map(chosen.fitted.features, context.options.seed)
    points = np.concatenate([the_map(table.features) for table in (chosen.held_out, chosen.fakes)])
    plane = pca_map(chosen.fitted.features)
    flat = np.concatenate([plane(table.features) for table in (chosen.held_out, chosen.fakes)])
    pictures = [
        _judge_picture(context, numbers, "umap", points, both, positions),
        _judge_picture(context, numbers, "pca", flat, both, positions),
        _joint_picture(context, both),
        interactive_map(context, points, both, np.concatenate([chosen.rows, chosen.made])),
    ]
    if context.generator is not None:
        pictures.append(_generator_picture(context, numbers, chosen.made, points[len(chosen.rows) :]))
    if context.discriminator is not None:
        both_rows = (("held_out", chosen.rows), ("fakes", chosen.made))
        tables = [context.table("discriminator", which).take(some) for which, some in both_rows]
        pictures.append(_discriminator_picture(context, join(*tables)))
    return pictures


def answer(numbers: Numbers) -> str:
    said = f"{numbers['umap.realness']:.2f} of the neighbours are of the own side (real, generated); in two real sets "
    return (
        f"{said}{numbers['umap.realness.baseline']:.2f}, and {numbers['umap.realness.expected']:.2f} if sets are equal."
    )


def _balanced(context: Context) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of held-out and of generated slices: as many of each in every class, of as many persons as possible."""
    rows, made = [], []
    for label in range(len(context.class_names)):
        here, there = (np.flatnonzero(slices.labels == label) for slices in (context.held_out, context.fakes))
        count = min(len(here), len(there), SHOWN // len(context.class_names))
        rows.append(here[of_many_persons(context.held_out.subjects[here], count, context.options.seed)])
        made.append(there[of_many_persons(context.fakes.subjects[there], count, context.options.seed)])
    return np.concatenate(rows), np.concatenate(made)


# ------------------------------------------------------------------ counted


def _purity(table: FeatureTable) -> float:
    return neighbours.purity(table.labels, neighbours.neighbours(table.features, table.subjects))


def _numbers(context: Context, held_out: FeatureTable, fakes: FeatureTable, train: FeatureTable) -> Numbers:
    """Do classes part, and do real and generated? A person's own slices are left out."""
    numbers: Numbers = {"umap.fitted": len(train), "umap.held_out": len(held_out), "umap.generated": len(fakes)}
    if len(context.class_names) > 1:
        for suffix, table in (("", fakes), (".real", held_out)):
            nearest = neighbours.neighbours(table.features, table.subjects)
            shuffled, p = neighbours.purity_test(table.labels, table.subjects, nearest, context.options.seed)
            numbers |= {
                f"umap.knn_purity{suffix}": neighbours.purity(table.labels, nearest),
                f"umap.knn_purity{suffix}.shuffled": shuffled,
                f"umap.knn_purity{suffix}.p": p,
                f"umap.silhouette{suffix}": neighbours.silhouette(table.features, table.labels, table.subjects),
            }
    # As many training reals, of the same classes, in the generated slices' place: what real-vs-real baseline differ by.
    same = [
        np.flatnonzero(train.labels == label)[: int((held_out.labels == label).sum())] for label in set(held_out.labels)
    ]
    for suffix, other in (("", fakes), (".baseline", train.take(np.concatenate(same)))):
        count = min(len(held_out), len(other))
        pair = [
            np.random.default_rng(context.options.seed).permutation(len(table))[:count] for table in (held_out, other)
        ]
        features = np.concatenate([held_out.features[pair[0]], other.features[pair[1]]])
        subjects = np.concatenate([held_out.subjects[pair[0]], other.subjects[pair[1]]])
        sides = np.repeat([0, 1], count)
        numbers[f"umap.realness{suffix}"] = neighbours.purity(sides, neighbours.neighbours(features, subjects))
        numbers[f"umap.realness.expected{suffix}"] = neighbours.purity_expected(sides, subjects)
    return numbers


# ------------------------------------------------------------------ shown


def settings(seed: int) -> str:
    """How every UMAP here is made."""
    return f"UMAP of the first 50 principal components, {NEIGHBOURS} neighbours, min_dist {MIN_DIST}, seed {seed}."


Looks = list[tuple[str, style.Look]]


def _sides(context: Context, table: FeatureTable) -> tuple[NDArray[np.int64], Looks]:
    words = ((f"real, {context.held_out_split}", style.look(True)), ("generated", style.look(False)))
    return (~table.is_real).astype(np.int64), list(words)


def _kinds(table: FeatureTable) -> tuple[NDArray[np.int64], Looks]:
    """By class, and real or generated."""
    looks = [
        (f"{name}, {'real' if real else 'generated'}", style.look(real, label))
        for real in (True, False)
        for label, name in enumerate(table.class_names)
    ]
    return np.array(table.labels) + len(table.class_names) * ~table.is_real, looks


def _shown(table: FeatureTable) -> str:
    real, made = int(table.is_real.sum()), int((~table.is_real).sum())
    return f"{real} real and {made} generated slices." if real else f"{made} generated slices."


def _judge_picture(
    context: Context,
    numbers: Numbers,
    kind: str,
    points: NDArray[np.float32],
    both: FeatureTable,
    positions: NDArray[np.float64],
) -> ReportFigure:
    figure = plots.new_figure(11, 10)
    title = kind.upper()
    sides, words = _sides(context, both)
    plots.scatter(figure.add_subplot(2, 2, 1), points, *_kinds(both), f"{title}: class", title)
    plots.scatter(figure.add_subplot(2, 2, 2), points, sides, words, f"{title}: real or generated", title)
    real = both.is_real
    _person_panel(figure.add_subplot(2, 2, 3), points[real], both.subjects[real], f"{title}: people (real)")
    ax = figure.add_subplot(2, 2, 4)
    known = real & np.isfinite(positions)
    if known.any():
        plots.scatter_values(
            ax, points[known], positions[known], f"{title}: slice position (real)", context.positions_are
        )
    else:
        ax.set(xticks=[], yticks=[], title="slice position unknown")
    how = settings(context.options.seed) if kind == "umap" else "Two principal components."
    return ReportFigure(
        f"{kind}_reference",
        figure,
        f"{title} of the reference classifier's features, fitted on training reals",
        f"{how} It is fitted on {numbers['umap.fitted']} training reals, which are not shown. Held-out reals and "
        "generated slices were placed on it alike. Generated points where no real ones are would be inventions, real "
        "ones alone a gap. Distances on such a map are not measurements.",
        _beside(numbers),
        private=False,
        alt=f"Four panels of the same {title} points: by class, by real or generated, by person, by slice position.",
        shown=_shown(both),
    )


def _beside(numbers: Numbers) -> str:
    """What was counted in feature space."""
    realness = (
        f"neighbours of the own side (real, generated). They are {numbers['umap.realness']:.2f}, in the real-vs-real "
        f"baseline {numbers['umap.realness.baseline']:.2f} and for equal sets {numbers['umap.realness.expected']:.2f}"
    )
    if "umap.knn_purity" not in numbers:
        return realness
    return (
        f"neighbours of the own class. They are {numbers['umap.knn_purity']:.2f} of generated slices, "
        f"{numbers['umap.knn_purity.real']:.2f} of held-out reals (p {numbers['umap.knn_purity.real.p']:.3f} over "
        f"permuted people), and {numbers['umap.knn_purity.shuffled']:.2f} with shuffled labels. Then read {realness}"
    )


def _person_panel(ax: Any, points: NDArray[np.float32], subjects: NDArray[Any], title: str) -> None:
    """The persons with most slices coloured, the others gray; nobody is named."""
    names, counts = np.unique(subjects.astype(str), return_counts=True)
    if "" in names:
        ax.set(xticks=[], yticks=[], title="people unknown")
        return
    chosen = names[np.argsort(-counts, kind="stable")][:PEOPLE]
    ax.scatter(points[:, 0], points[:, 1], c="0.85", s=5, linewidths=0)
    for index, name in enumerate(chosen):
        mine = subjects.astype(str) == name
        ax.scatter(points[mine, 0], points[mine, 1], s=16, color=style.PERSONS[index], label=f"person {index + 1}")
    ax.legend(fontsize=8, loc="best")
    ax.set(xticks=[], yticks=[], title=title)


def _joint_picture(context: Context, both: FeatureTable) -> ReportFigure:
    points = umap_embed(both.features, context.options.seed)
    figure = plots.new_figure(11, 5.4)
    sides, words = _sides(context, both)
    plots.scatter(figure.add_subplot(1, 2, 1), points, *_kinds(both), "joint UMAP: class")
    plots.scatter(figure.add_subplot(1, 2, 2), points, sides, words, "joint UMAP: real or generated")
    return ReportFigure(
        "umap_joint",
        figure,
        "The same slices, fitted jointly",
        f"{settings(context.options.seed)} It is fitted on held-out and generated slices together. So it may spend "
        "its axes on what parts the two, which the fit on training reals cannot.",
        "the map fitted on training reals",
        private=False,
        alt="Two panels of the same points, by class and by real or generated.",
        shown=_shown(both),
    )


def _generator_picture(
    context: Context, numbers: Numbers, made: NDArray[np.int64], judged: NDArray[np.float32]
) -> ReportFigure:
    table = context.table("generator", "fakes").take(made)
    figure = plots.new_figure(11, 5.6)
    points = umap_embed(table.features, context.options.seed)
    panels = (
        (points, "UMAP: generator's last feature map (8x8 grid, PCA 50)"),
        (judged, "the same slices on the reference classifier's map"),
    )
    for place, (where, title) in enumerate(panels, start=1):
        looks = [(name, style.look(False, label)) for label, name in enumerate(table.class_names)]
        plots.scatter(figure.add_subplot(1, 2, place), where, np.array(table.labels), looks, title)
    return ReportFigure(
        "umap_generator",
        figure,
        "The generator's own features",
        "On the left, features are made from the label. Classes apart there cannot prove that the images show them: "
        f"{numbers['umap.generator.knn_purity']:.0%} of a slice's neighbours are of its class. On the right, they are "
        f"computed from the image alone. {settings(context.options.seed)}",
        "fidelity.auc, fidelity.shuffled and the map on the right",
        private=False,
        alt="Two panels of the generated slices by class: by the generator's features and by the image's.",
        shown=_shown(table),
    )


def _discriminator_picture(context: Context, both: FeatureTable) -> ReportFigure:
    points = umap_embed(both.features, context.options.seed)
    figure = plots.new_figure(11, 5.6)
    sides, words = _sides(context, both)
    plots.scatter(figure.add_subplot(1, 2, 1), points, sides, words, "UMAP: D's final layer, real or generated")
    plots.scatter(figure.add_subplot(1, 2, 2), points, *_kinds(both), "the same points by class")
    return ReportFigure(
        "umap_discriminator",
        figure,
        "The discriminator's features",
        f"D takes no label. It was trained to part real and generated. {settings(context.options.seed)}",
        "discriminator.auc, which a linear head reads from these features",
        private=False,
        alt="Two panels of the same points, by real or generated and by class.",
        shown=_shown(both),
    )
