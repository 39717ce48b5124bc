"""Ventricles, measured: generated slices beside real ones, by a ruler that is validated on known truth first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import atrophy, plots, style, two_classes
from analysis.context import Context, NotHereError
from analysis.numbers import FEW_OF_CLASS, UNKNOWN, Number, Numbers
from analysis.plots import ReportFigure
from analysis.ruler import ventricle_ratio
from analysis.two_classes import TwoClasses

QUESTION = "Is the disease as large in generated slices as in real ones?"
OF_NETWORKS = True
NUMBERS = (
    Number("ruler.spearman", meaning="rank correlation of the ruler with the truth of held-out phantoms"),
    Number(
        "ruler.<EITHER>",
        meaning="median ventricle-to-brain ratio, measured, of generated and of held-out slices",
        also={".real": ""},
    ),
    Number(
        "atrophy.ratio",
        "ventricles, generated/real",
        "difference of the two classes' medians, generated over real, where 1 is right. Its interval is over random "
        "halves of the real people",
        beside=(
            "95 % {atrophy.ratio.low} to {atrophy.ratio.high}",
            "shuffled labels {atrophy.shuffled}",
            "the ruler's rank correlation with truth {ruler.spearman}",
        ),
        also=dict.fromkeys((".low", ".high"), f"{UNKNOWN}, or {FEW_OF_CLASS}"),
    ),
    Number(
        "atrophy.shuffled",
        meaning="the same with shuffled labels: the mean, and what the luckiest 2.5 % reach",
        also={".high": ""},
    ),
    Number(
        "atrophy.spread.<EITHER>",
        "  spread of <EITHER>/real",
        "distance of the quartiles, generated over real. Below 1 the generator draws types",
    ),
    Number(
        "atrophy.path.spearman",
        "  along the path",
        "from one class to the other by mixing the class embeddings: rank correlation of place and size within an "
        "image",
        beside=("along the direction in w {atrophy.direction.spearman}", "shuffled {atrophy.path.shuffled}"),
    ),
    Number("atrophy.path.median", meaning="share of the steps at which the median rises, along the path"),
    Number("atrophy.path.shuffled", meaning="the rank correlation with shuffled places"),
    Number("atrophy.direction.spearman", meaning="the rank correlation along the class direction in w"),
    Number("atrophy.direction.median", meaning="share of the steps at which the median rises, along the direction"),
    Number("atrophy.direction.shuffled", meaning="the rank correlation with shuffled places"),
    Number("atrophy.direction.ratio", meaning="the direction's whole way over the real difference"),
)
Sizes = tuple[list[tuple[NDArray[Any], NDArray[Any]]], dict[str, NDArray[np.float64]]]


def measure(context: Context) -> tuple[Numbers, Sizes]:
    two, held_out = two_classes.two_classes(context), context.held_out
    context.need_held_out()
    truth = two_classes.truth(context)
    if truth is None and context.resolution < two_classes.SMALLEST_RULED:
        raise NotHereError(f"the ventricles are too small to measure at {context.resolution}x{context.resolution}")
    if truth is None:
        raise NotHereError("the slices have no known ventricle ratio (only phantoms do), so no ruler can be validated")
    groups_made, pairs, moved = (make(context) for make in (two_classes.groups, two_classes.pairs, two_classes.moved))
    real = ventricle_ratio(held_out.images)
    made = np.stack([ventricle_ratio(images) for images in groups_made])  # [2, N]
    labels = np.repeat([two.low, two.high], made.shape[1])
    try:
        numbers: Numbers = {"ruler.spearman": atrophy.validated(ventricle_ratio, held_out.images, truth)}
        numbers |= atrophy.atrophy(
            *(made.ravel(), labels, real, held_out.labels, held_out.subjects, two.low, two.high, two.names),
            context.options.seed,
        )
    except ValueError as error:  # the ruler or the real difference is too weak here
        raise NotHereError(str(error)) from None
    groups = [(real[held_out.labels == k], made[i]) for i, k in enumerate((two.low, two.high))]
    for name, (theirs, ours) in zip(two.names, groups, strict=True):
        numbers |= {f"ruler.{name}": float(np.median(ours)), f"ruler.{name}.real": float(np.median(theirs))}
    still = made[0] if groups_made is pairs else ventricle_ratio(pairs[0])
    shift = float(np.median(ventricle_ratio(moved)) - np.median(still))
    low, high = two.names
    numbers["atrophy.direction.ratio"] = shift / (numbers[f"ruler.{high}.real"] - numbers[f"ruler.{low}.real"])
    along = {
        name: np.stack([ventricle_ratio(images) for images in walk])
        for name, walk in two_classes.walks(context).items()
    }  # [T, N]
    for name, sizes in along.items():
        numbers |= atrophy.rising(sizes, f"atrophy.{name}", context.options.seed)
    return numbers, (groups, along)


def answer(numbers: Numbers) -> str:
    return (
        f"The classes' ventricles differ by {numbers['atrophy.ratio']:.2f} of the real difference, where 1 is right "
        f"(shuffled labels {numbers['atrophy.shuffled']:.2f})."
    )


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    two, (groups, along) = two_classes.two_classes(context), findings
    low, high = two.names
    interval = ""
    if "atrophy.ratio.low" in numbers:
        interval = (
            f". Its 95 % over real people are {numbers['atrophy.ratio.low']:.2f} to {numbers['atrophy.ratio.high']:.2f}"
        )
    picture = ReportFigure(
        name="ventricles",
        content=_figure(two, numbers, groups, along),
        title="Ventricles, measured",
        reading=f"The difference of the medians of {high} and {low} in generated slices is "
        f"{numbers['atrophy.ratio']:.2f} of the real one, where 1 is right{interval}. The quartiles of {high} lie "
        f"{numbers[f'atrophy.spread.{high}']:.2f} times as far apart as real ones do, those of {low} "
        f"{numbers[f'atrophy.spread.{low}']:.2f} times. Below 1 the generator draws types. With the same z the median "
        f"rises in {numbers['atrophy.path.median']:.0%} of the steps. Place and size within an image then have a rank "
        f"correlation of {numbers['atrophy.path.spearman']:.2f}. Along the direction in w these are "
        f"{numbers['atrophy.direction.median']:.0%} and {numbers['atrophy.direction.spearman']:.2f}. Its whole way "
        f"is {numbers['atrophy.direction.ratio']:.2f} of the real difference.",
        control=f"The ruler's rank correlation with the truth of {sum(len(real) for real, _ in groups)} held-out "
        f"slices is {numbers['ruler.spearman']:.3f}. With shuffled labels the ratio is "
        f"{numbers['atrophy.shuffled']:.2f} (luckiest {numbers['atrophy.shuffled.high']:.2f}). With shuffled places "
        f"the rank correlation is {numbers['atrophy.path.shuffled']:.2f} and "
        f"{numbers['atrophy.direction.shuffled']:.2f}.",
        private=False,
        alt="Left, boxes of the ventricle ratio of real and generated slices of both classes. Middle and right, lines "
        "of single latents on the way from one class to the other with their median, beside the real medians.",
        shown="The numbers of slices stand under the boxes, those of latents above the lines.",
    )
    return [picture]


def _figure(two: TwoClasses, numbers: Numbers, groups: list[Any], along: dict[str, NDArray[np.float64]]) -> Any:
    low, high = two.names
    figure = plots.new_figure(11, 4)
    left, *right = figure.subplots(1, 3, sharey=True)
    values = [v for pair in groups for v in pair]
    boxes = left.boxplot(values, showfliers=False, patch_artist=True, widths=0.6, whis=(5, 95))
    for i, box in enumerate(boxes["boxes"]):
        label = (two.low, two.high)[i // 2]
        box.set(facecolor=style.look(i % 2 == 0, label).colour, edgecolor=style.outline(label))
        boxes["medians"][i].set(color="white" if i % 2 == 0 else "black", linewidth=2)
    kinds = zip((low, low, high, high), values, ("real", "generated") * 2, strict=True)
    left.set_xticks(range(1, 5), [f"{name}\n{kind}\n({len(v)})" for name, v, kind in kinds], fontsize=8)
    left.set(ylabel="ventricles / brain (area)", title="quartiles, whiskers 5 to 95 %")
    titles = (f"weight of {high}, same z", "along the direction in w")
    for ax, sizes, what in zip(right, along.values(), titles, strict=True):
        ax.plot(np.linspace(0, 1, len(sizes)), sizes, color="0.8", lw=0.5)
        ax.plot(np.linspace(0, 1, len(sizes)), np.median(sizes, axis=1), color="black", lw=2, ls="--", label="median")
        for name, label in ((low, two.low), (high, two.high)):
            ax.axhline(numbers[f"ruler.{name}.real"], color=style.outline(label), lw=1.5, label=f"real {name}, median")
        ax.set(xlabel=what, title=f"{sizes.shape[1]} latents")
        ax.legend(fontsize=7)
    return figure
