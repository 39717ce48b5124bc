"""The part of a report that maps features to points: UMAP and PCA to look at, purity and silhouette to count.

What is counted is counted in feature space; a picture of neighbours is never a measurement. Letters: M images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analysis import neighbours, plots
from analysis.context import Context
from analysis.embedding import MIN_DIST, NEIGHBOURS, Map, pca_map, umap_embed, umap_map
from analysis.persons import of_many_persons
from analysis.plots import ReportFigure
from analysis.slices import SliceSet
from analysis.sources import FeatureTable, join
from progan_style import png_uri

FITTED = 2000  # training slices that the map is fitted on; 4,000 is UMAP's own limit
SHOWN = 1000  # unseen and generated slices on it, of each kind
PEOPLE = 8  # coloured persons: as many as there are colours to tell apart
Numbers = dict[str, Any]


def umap(context: Context) -> tuple[Numbers, list[ReportFigure]]:
    """UMAP and PCA fitted on training reals, unseen and generated slices placed alike; classes counted in features."""
    context.need_held_out()
    context.options.log("UMAP (its first import in an environment compiles for about a minute)")
    rows, made = _balanced(context)
    unseen, fakes = context.table("judge", "held_out").take(rows), context.table("judge", "fakes").take(made)
    train = context.table("judge", "train")
    fitted = train.take(of_many_persons(train.subjects, FITTED, context.options.seed))
    numbers = _numbers(context, unseen, fakes, fitted)
    both = join(unseen, fakes)
    positions = np.concatenate([context.positions[rows], np.full(len(made), np.nan)])
    the_map, _ = umap_map(fitted.features, context.options.seed)
    points = _placed(the_map, unseen, fakes)
    pictures = [
        _judge_picture(context, numbers, "umap", points, both, positions),
        _judge_picture(context, numbers, "pca", _placed(pca_map(fitted.features), unseen, fakes), both, positions),
        _joint_picture(context, both),
        _interactive(context, points, both, np.concatenate([rows, made])),
    ]
    if context.generator is not None:
        numbers["umap.generator.knn_purity"] = _purity(context.table("generator", "fakes").take(made))
        pictures.append(_generator_picture(context, numbers, made, points[len(rows) :]))
    if context.discriminator is not None:
        tables = [
            context.table("discriminator", which).take(some) for which, some in (("held_out", rows), ("fakes", made))
        ]
        pictures.append(_discriminator_picture(context, join(*tables)))
    return numbers, pictures


def _balanced(context: Context) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of unseen and of generated slices: as many of each in every class, of as many persons as possible."""
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


def _numbers(context: Context, unseen: FeatureTable, fakes: FeatureTable, train: FeatureTable) -> Numbers:
    """Do classes part, and do real and generated? In the judge's features, a person's own slices left out."""
    numbers: Numbers = {"umap.fitted": len(train), "umap.unseen": len(unseen), "umap.generated": len(fakes)}
    if len(context.class_names) > 1:
        for suffix, table in (("", fakes), (".real", unseen)):
            nearest = neighbours.neighbours(table.features, table.subjects)
            shuffled, p = neighbours.purity_test(table.labels, table.subjects, nearest, context.options.seed)
            numbers |= {
                f"umap.knn_purity{suffix}": neighbours.purity(table.labels, nearest),
                f"umap.knn_purity{suffix}.shuffled": shuffled,
                f"umap.knn_purity{suffix}.p": p,
                f"umap.silhouette{suffix}": neighbours.silhouette(table.features, table.labels, table.subjects),
            }
    # As many training reals, of the same classes, in the generated slices' place: what two real samples differ by.
    same = [
        np.flatnonzero(train.labels == label)[: int((unseen.labels == label).sum())] for label in set(unseen.labels)
    ]
    for suffix, other in (("", fakes), (".floor", train.take(np.concatenate(same)))):
        count = min(len(unseen), len(other))
        pair = [
            np.random.default_rng(context.options.seed).permutation(len(table))[:count] for table in (unseen, other)
        ]
        features = np.concatenate([unseen.features[pair[0]], other.features[pair[1]]])
        subjects = np.concatenate([unseen.subjects[pair[0]], other.subjects[pair[1]]])
        sides = np.repeat([0, 1], count)
        numbers[f"umap.realness{suffix}"] = neighbours.purity(sides, neighbours.neighbours(features, subjects))
        numbers[f"umap.realness.expected{suffix}"] = (count - 1) / (2 * count - 1)
    return numbers


# ------------------------------------------------------------------ shown


def _placed(the_map: Map, unseen: FeatureTable, fakes: FeatureTable) -> NDArray[np.float32]:
    return np.concatenate([the_map(unseen.features), the_map(fakes.features)])


def settings(seed: int) -> str:
    """How every UMAP here is made."""
    return f"UMAP of the first 50 principal components, {NEIGHBOURS} neighbours, min_dist {MIN_DIST}, seed {seed}."


def _sides(context: Context, table: FeatureTable) -> tuple[NDArray[np.int64], tuple[str, str]]:
    return (~table.is_real).astype(np.int64), (f"real ({context.held_out_split})", "generated")


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
    kinds = np.array(both.labels) + len(both.class_names) * sides
    names = [f"{name} {side}" for side in ("real", "generated") for name in both.class_names]
    plots.scatter(figure.add_subplot(2, 2, 1), points, kinds, names, f"{title}: class")
    plots.scatter(figure.add_subplot(2, 2, 2), points, sides, words, f"{title}: realness", plots.COLOURS[2:])
    real = both.is_real
    _person_panel(figure.add_subplot(2, 2, 3), points[real], both.subjects[real], f"{title}: persons (real)")
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
        f"{kind}_judge",
        figure,
        f"{title} of the judge's features, fitted on training reals",
        f"{how} Fitted on {numbers['umap.fitted']} training reals, which are not shown; unseen reals and generated "
        "slices were placed on it alike. Generated points where no real ones are would be inventions, real ones alone "
        "a gap. Distances on such a map are not measurements.",
        _beside(numbers),
        private=False,
    )


def _beside(numbers: Numbers) -> str:
    """What was counted in feature space."""
    realness = (
        f"neighbours of the own side (real, generated): {numbers['umap.realness']:.2f}, two real samples "
        f"{numbers['umap.realness.floor']:.2f}, equal sets {numbers['umap.realness.expected']:.2f}"
    )
    if "umap.knn_purity" not in numbers:
        return realness
    return (
        f"neighbours of the own class: generated {numbers['umap.knn_purity']:.2f}, unseen reals "
        f"{numbers['umap.knn_purity.real']:.2f} (p {numbers['umap.knn_purity.real.p']:.3f} over permuted persons), "
        f"shuffled labels {numbers['umap.knn_purity.shuffled']:.2f}; {realness}"
    )


def _person_panel(ax: Any, points: NDArray[np.float32], subjects: NDArray[Any], title: str) -> None:
    """The persons with most slices coloured, the others gray; nobody is named."""
    names, counts = np.unique(subjects.astype(str), return_counts=True)
    if "" in names:
        ax.set(xticks=[], yticks=[], title="persons unknown")
        return
    chosen = names[np.argsort(-counts, kind="stable")][:PEOPLE]
    ax.scatter(points[:, 0], points[:, 1], c="0.85", s=5, linewidths=0)
    for index, name in enumerate(chosen):
        mine = subjects.astype(str) == name
        ax.scatter(points[mine, 0], points[mine, 1], s=16, color=plots.COLOURS[index], label=f"person {index + 1}")
    ax.legend(fontsize=8, loc="best")
    ax.set(xticks=[], yticks=[], title=title)


def _joint_picture(context: Context, both: FeatureTable) -> ReportFigure:
    points = umap_embed(both.features, context.options.seed)
    figure = plots.new_figure(11, 5.4)
    sides, words = _sides(context, both)
    plots.scatter(figure.add_subplot(1, 2, 1), points, both.labels, both.class_names, "joint UMAP: class")
    plots.scatter(figure.add_subplot(1, 2, 2), points, sides, words, "joint UMAP: realness", plots.COLOURS[2:])
    return ReportFigure(
        "umap_joint",
        figure,
        "The same slices, fitted jointly",
        f"{settings(context.options.seed)} Fitted on unseen and generated slices together: it may spend its axes on "
        "what parts the two, which the fit on training reals cannot.",
        "the map fitted on training reals",
        private=False,
    )


def _generator_picture(
    context: Context, numbers: Numbers, made: NDArray[np.int64], judged: NDArray[np.float32]
) -> ReportFigure:
    table = context.table("generator", "fakes").take(made)
    figure = plots.new_figure(11, 5.6)
    points = umap_embed(table.features, context.options.seed)
    panels = (
        (points, "UMAP: generator's last feature map (8x8 grid, PCA 50)"),
        (judged, "the same slices on the judge's map"),
    )
    for place, (where, title) in enumerate(panels, start=1):
        plots.scatter(figure.add_subplot(1, 2, place), where, table.labels, table.class_names, title)
    return ReportFigure(
        "umap_generator",
        figure,
        "The generator's own features",
        "Left: these features are made from the label, so classes apart here cannot prove that the images show them; "
        f"{numbers['umap.generator.knn_purity']:.0%} of a slice's neighbours there are of its class. Right: computed "
        f"from the image alone. {settings(context.options.seed)}",
        "fidelity.auc and fidelity.shuffled; the judge's map on the right",
        private=False,
    )


def _discriminator_picture(context: Context, both: FeatureTable) -> ReportFigure:
    points = umap_embed(both.features, context.options.seed)
    figure = plots.new_figure(11, 5.6)
    sides, words = _sides(context, both)
    plots.scatter(
        figure.add_subplot(1, 2, 1), points, sides, words, "UMAP: D's final layer, realness", plots.COLOURS[2:]
    )
    plots.scatter(figure.add_subplot(1, 2, 2), points, both.labels, both.class_names, "the same points by class")
    return ReportFigure(
        "umap_discriminator",
        figure,
        "The discriminator's features",
        f"D takes no label; it was trained to part the two colours on the left. {settings(context.options.seed)}",
        "discriminator.auc: what a linear head reads from these features",
        private=False,
    )


# ------------------------------------------------------------------ interactive


def _interactive(
    context: Context, points: NDArray[np.float32], both: FeatureTable, rows: NDArray[np.int64]
) -> ReportFigure:
    """A page of its own: hovering over a point shows its slice. Nothing in it asks the network for anything."""
    from bokeh.embed import file_html
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    plot = figure(
        width=900,
        height=760,
        title="UMAP of the judge's features, fitted on training reals",
        tools="pan,wheel_zoom,reset",
    )
    for label, name in enumerate(both.class_names):
        for real, side in ((True, "real"), (False, "generated")):
            here = np.flatnonzero((both.labels == label) & (both.is_real == real))
            slices: SliceSet = context.held_out if real else context.fakes
            source = ColumnDataSource(
                {
                    "x": points[here, 0].tolist(),
                    "y": points[here, 1].tolist(),
                    "slice": [_thumbnail(slices.images[row]) for row in rows[here]],
                    "words": [f"{name}, {side}{_whose(slices, row)}" for row in rows[here]],
                }
            )
            colour = plots.COLOURS[label + len(both.class_names) * (not real)]
            plot.scatter("x", "y", source=source, size=6, alpha=0.7, color=colour, legend_label=f"{name} {side}")
    plot.add_tools(HoverTool(tooltips='<img src="@slice" width="128" style="image-rendering: pixelated"><br>@words'))
    plot.legend.click_policy = "hide"
    plot.axis.visible = False
    return ReportFigure(
        "umap_interactive",
        file_html(plot, INLINE, "UMAP").encode(),
        "The same map, interactive",
        "Hover over a point to see its slice; click a legend entry to hide it.",
        "the printed map above",
        private=True,
        suffix=".html",
    )


def _whose(slices: SliceSet, row: int) -> str:
    if slices.seeds[row] >= 0:
        return f", seed {slices.seeds[row]}"
    return f", {slices.subjects[row]}" if slices.subjects[row] else ""


def _thumbnail(image: NDArray[np.uint8]) -> str:
    return png_uri(Image.fromarray(image[0]))
