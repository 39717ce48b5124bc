"""What the disease looks like to the generator: the same brain as both classes, and whether real people agree."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from analysis import latents, plots, two_classes
from analysis.context import Context
from analysis.numbers import FEW_OF_CLASS, Number, Numbers
from analysis.persons import FEWEST_OF_CLASS, fewest_of_class, half_of_each_class, known, permuted
from analysis.plots import ReportFigure
from analysis.two_classes import TwoClasses

QUESTION = "What does the generator take the disease to be?"
SHOWN = 8
FRAMES = 21  # of the slider
STRIP = 1_500_000  # pixels of its strip at most
WALKS_SHOWN = 6
LOTS = 50  # of permuted labels
OF_NETWORKS = True

NO_REALS = "without held-out people of both classes"
NO_PEOPLE = "without held-out people of both classes, or where the people are unknown"
NUMBERS = (
    Number("latents.pairs", meaning="pairs of slices of one latent each"),
    Number("latents.low", meaning="the healthy class of the comparison"),
    Number("latents.high", meaning="the diseased one"),
    Number(
        "difference.rms",
        "same z, other class",
        "root mean square change from one class to the other with the same z, gray levels",
        beside=("same w {difference.direction.rms}", "another latent {difference.others.rms}"),
    ),
    Number("difference.direction.rms", meaning="the same with the same w, moved along the class direction"),
    Number("difference.others.rms", meaning="the same between two different latents of one class"),
    Number("difference.mean.rms", meaning="of the mean difference map"),
    Number("difference.shuffled.rms", meaning="of the mean map with the classes of half of the pairs swapped"),
    Number(
        "difference.correlation",
        meaning="correlation over pixels of the generated mean map with the real groups' difference",
        unless=NO_REALS,
    ),
    Number(
        "difference.correlation.shuffled",
        meaning="the same with people's labels permuted: the mean, and what the luckiest 2.5 % reach",
        also={".high": NO_PEOPLE},
        unless=NO_PEOPLE,
    ),
    Number(
        "difference.correlation.halves",
        meaning="two halves of the real people against each other, which is what their number allows",
        unless=f"{NO_PEOPLE}, or {FEW_OF_CLASS}",
    ),
)
Maps = dict[str, NDArray[np.float32]]


def measure(context: Context) -> tuple[Numbers, Maps]:
    two, seed = two_classes.two_classes(context), context.options.seed
    pairs, moved = two_classes.pairs(context), two_classes.moved(context)
    maps = {"z": latents.difference_maps(*pairs), "w": latents.difference_maps(pairs[0], moved)}
    maps |= {"mean": maps["z"].mean(axis=0), "control": latents.swapped_mean(maps["z"], seed)}
    numbers: Numbers = {
        "latents.pairs": two_classes.PAIRS,
        "latents.low": two.names[0],
        "latents.high": two.names[1],
        "difference.rms": _rms(maps["z"]),
        "difference.direction.rms": _rms(maps["w"]),
        "difference.others.rms": latents.diversity(pairs[0]),
        "difference.mean.rms": _rms(maps["mean"]),
        "difference.shuffled.rms": _rms(maps["control"]),
    }
    labels = context.held_out.labels
    if (labels == two.low).any() and (labels == two.high).any():
        maps["real"] = _apart(context.held_out.images[:, 0].astype(np.float32), labels, two)
        numbers |= _agreement(context, two, maps)
    return numbers, maps


def _rms(maps: NDArray[Any]) -> float:
    return float(np.sqrt((np.asarray(maps, np.float64) ** 2).mean()))


def _apart(images: NDArray[np.float32], labels: NDArray[Any], two: TwoClasses) -> NDArray[np.float32]:
    return images[labels == two.high].mean(axis=0) - images[labels == two.low].mean(axis=0)


def _agreement(context: Context, two: TwoClasses, maps: Maps) -> Numbers:
    """Does the generated mean difference lie where the real groups differ? Correlation of the maps, with its bounds."""
    reals = context.held_out.images[:, 0].astype(np.float32)
    labels, people = context.held_out.labels, context.held_out.subjects
    numbers: Numbers = {"difference.correlation": latents.correlation(maps["mean"], maps["real"])}
    if not known(people):
        return numbers
    rng = np.random.default_rng(context.options.seed)
    lots = [permuted(labels, people, rng) for _ in range(LOTS)]
    shuffled = [latents.correlation(maps["mean"], _apart(reals, lot, two)) for lot in lots]
    numbers |= {
        "difference.correlation.shuffled": float(np.mean(shuffled)),
        "difference.correlation.shuffled.high": float(np.quantile(shuffled, 0.975)),
    }
    if fewest_of_class(people, labels, (two.low, two.high)) >= FEWEST_OF_CLASS:
        first = half_of_each_class(people, labels, rng)
        halves = latents.correlation(*(_apart(reals[half], labels[half], two) for half in (first, ~first)))
        numbers["difference.correlation.halves"] = halves
    return numbers


# ------------------------------------------------------------------ shown


def answer(numbers: Numbers) -> str:
    low, high = numbers["latents.low"], numbers["latents.high"]
    said = (
        f"From {low} to {high} with the same z a slice changes by {numbers['difference.rms']:.1f} gray levels, another "
        f"latent by {numbers['difference.others.rms']:.1f}."
    )
    if "difference.correlation" in numbers:
        said += f" The mean change correlates with that of real groups by {numbers['difference.correlation']:.2f}."
    return said


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    two = two_classes.two_classes(context)
    pictures = [
        _pairs_picture(context, two, numbers, findings),
        _mean_picture(context, two, numbers, findings),
        _slider(context, two),
        _path_picture(context, two),
    ]
    if "real" in findings:
        pictures.append(_real_picture(context, two, numbers, findings))
    return pictures


def _pairs_picture(context: Context, two: TwoClasses, numbers: Numbers, maps: Maps) -> ReportFigure:
    low, high = two.names
    rows = [*two_classes.pairs(context), two_classes.moved(context)]
    figure = plots.new_figure(SHOWN + 2.2, 5.9)
    figure.set_layout_engine("compressed")
    above, below = figure.subplots(2, 1, height_ratios=[3, 2])
    plots.image_rows(
        above, [images[:SHOWN] for images in rows], [low, f"{high}, same z", f"{high}, same w"], "", context.geometry
    )
    limit = float(np.quantile(np.abs(maps["z"][:SHOWN]), 0.999))
    changes = [some[:SHOWN] for some in (maps["z"], maps["w"])]
    plots.signed_rows(below, changes, [f"same z\n- {low}", f"same w\n- {low}"], limit)
    return ReportFigure(
        name="same_brain",
        content=figure,
        title=f"The same brain as {low} and as {high}",
        reading=f"Each column is one latent and one noise. It is shown as {low} and as {high} from the same z. Then "
        f"the {low} slice is moved along the one direction in w that leads from {low} to {high} on average. Below "
        f"stands what changes in gray levels (red is brighter in {high}, blue darker). The root mean square is "
        f"{numbers['difference.rms']:.1f} with the same z and {numbers['difference.direction.rms']:.1f} along the "
        "direction. The smaller it is, the more of the person stays. It is the generator's idea of the disease in a "
        "group, not what would happen to a person.",
        control=f"Two {low} slices of different latents differ by {numbers['difference.others.rms']:.1f} gray levels. "
        "A change as large as that would be another person. The next figure has the mean over many pairs beside "
        "shuffled labels.",
        private=False,
        alt=f"Columns of one brain each: as {low}, as {high} from the same z, as {high} from the same w, and maps of "
        "the two changes, red where it gets brighter and blue where it gets darker.",
        shown=f"{SHOWN} latents, {3 * SHOWN} generated slices.",
    )


def _mean_picture(context: Context, two: TwoClasses, numbers: Numbers, maps: Maps) -> ReportFigure:
    (low, high), pairs = two.names, two_classes.pairs(context)
    mean, control = maps["mean"], maps["control"]
    figure = plots.new_figure(9, 2.6)
    figure.set_layout_engine("compressed")
    axes = figure.subplots(1, 4)
    for ax, images, title in zip(axes, pairs, (low, high), strict=False):
        ax.imshow(images[:, 0].mean(axis=0), cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[], title=f"mean {title}")
        plots.mark(ax, context.geometry, images.shape[-1], inside=False)
    limit = float(np.abs(mean).max())
    plots.signed_rows(axes[2], [mean[None]], [""], limit, f"mean {high} - {low}", bar=False)
    plots.signed_rows(axes[3], [control[None]], [""], limit, "control: labels shuffled")
    return ReportFigure(
        name="difference_map",
        content=figure,
        title=f"What the label changes, on average over {pairs.shape[1]} latents",
        reading=f"This is the mean of {high} - {low} over {pairs.shape[1]} pairs of one latent each. Its root mean "
        f"square is {numbers['difference.mean.rms']:.1f} gray levels. A single pair has "
        f"{numbers['difference.rms']:.1f}.",
        control=f"The same mean with {low} and {high} swapped in half of the pairs, on the same scale: "
        f"{numbers['difference.shuffled.rms']:.1f} gray levels.",
        private=False,
        alt=f"The mean slice of {low}, that of {high}, a map of their difference and the same map for shuffled labels, "
        "which should be empty.",
        shown=f"Means of {pairs.shape[1]} generated slices of each class.",
    )


def _slider(context: Context, two: TwoClasses) -> ReportFigure:
    """Frames on the way from one class to the other, below each other in one strip, for the page to slide along."""
    low, high = two.names
    size = two.G.resolution
    count = int(np.clip(STRIP // (FRAMES * size**2), 1, 4))
    places = np.linspace(0, 1, FRAMES).tolist()
    frames = latents.path(two.G, torch.arange(count), two.low, two.high, places, given=two_classes.held(two.G))
    strip = np.concatenate([np.concatenate(list(images[:, 0]), axis=1) for images in frames])
    buffer, about = io.BytesIO(), PngInfo()
    about.add_text("Description", context.settings)
    Image.fromarray(strip).save(buffer, "PNG", optimize=True, pnginfo=about)
    return ReportFigure(
        name="slider",
        content=buffer.getvalue(),
        title=f"From {low} to {high}, by hand",
        reading=f"Each slice keeps its latent and its noise while the class embedding goes from {low} to {high}. What "
        "moves is what the label changes. It is the generator's interpolation, no course of a disease in a person.",
        control="the outline and the folds, which should stay: what moves there is another person",
        private=False,
        alt=f"{count} generated slices side by side, which change from {low} to {high} as the slider is moved.",
        shown=f"{count} latents (seeds 0 to {count - 1}) at {FRAMES} places.",
        frames=FRAMES,
        ends=(low, high),
    )


def _path_picture(context: Context, two: TwoClasses) -> ReportFigure:
    """The way of the first latents from one class to the other, along both paths."""
    (low, high), walks = two.names, two_classes.walks(context)
    walk, straight = walks["path"], walks["direction"]
    size, count = walk.shape[-1], min(WALKS_SHOWN, walk.shape[1])
    figure = plots.new_figure(2 * len(walk) + 1.6, count + 1.2)
    titles = (f"weight of {high} in the class embedding", "way along the direction in w")
    for ax, images, what in zip(figure.subplots(1, 2), (walk, straight), titles, strict=True):
        names = [f"seed {i}" for i in range(count)]
        plots.image_rows(ax, [images[:, i] for i in range(count)], names, "", context.geometry)
        places = [f"{p:.2f}" for p in np.linspace(0, 1, len(walk))]
        ax.set_xticks([(i + 0.5) * size - 0.5 for i in range(len(walk))], places)
        ax.set_xlabel(what)
    return ReportFigure(
        name="cn_to_ad",
        content=figure,
        title=f"From {low} to {high}",
        reading=f"Each row is one latent and one noise. Left, the class embedding goes from {low} to {high}, and the "
        f"ends are the classes' own images. Right, the {low} slice is moved along the class direction in w. The "
        "generator was trained at the classes only. What lies between is its interpolation, no observed course of a "
        "disease.",
        control="Identity has to stay: outline, tilt and folds of a row should not wander. How many gray levels change "
        "stands under the same brain's figure. Whether the sizes lead one way is measured where there is a ruler.",
        private=False,
        alt=f"Two blocks of rows. In each row one brain changes from {low} at the left to {high} at the right.",
        shown=f"{count} latents at {len(walk)} places, on two ways.",
    )


def _real_picture(context: Context, two: TwoClasses, numbers: Numbers, maps: Maps) -> ReportFigure:
    low, high = two.names
    made, real = maps["mean"], maps["real"]
    figure = plots.new_figure(6.2, 3.1)
    figure.set_layout_engine("compressed")
    left, right = figure.subplots(1, 2)
    limit = float(max(np.abs(made).max(), np.abs(real).max()))
    plots.signed_rows(left, [made[None]], [""], limit, "generated, same latents", bar=False)
    plots.signed_rows(right, [real[None]], [""], limit, f"real, {context.held_out_split}")
    bounds, warning = "People are unknown, so there is no control over people.", ""
    if "difference.correlation.shuffled" in numbers:
        if numbers["difference.correlation"] <= numbers["difference.correlation.shuffled.high"]:
            warning = " Shuffled labels reach that by chance too: these people are too few to say that it agrees."
        bounds = (
            f"With the real people's labels permuted it is {numbers['difference.correlation.shuffled']:.2f} on "
            f"average, luckiest {numbers['difference.correlation.shuffled.high']:.2f}."
        )
    if "difference.correlation.halves" in numbers:
        bounds += (
            f" Two halves of the real people against each other give {numbers['difference.correlation.halves']:.2f}, "
            "which is what their number allows."
        )
    return ReportFigure(
        name="difference_real",
        content=figure,
        title=f"{high} - {low}: generated and real",
        reading="Left is the mean difference of the generated pairs. Right is mean "
        f"{high} minus mean {low} of {len(context.held_out)} real slices. These are other people in the two groups, so "
        "heads of different shape blur it. The correlation over pixels is "
        f"{numbers['difference.correlation']:.2f}.{warning}",
        control=bounds,
        private=True,
        alt=f"Two maps of {high} minus {low}, of generated pairs and of real groups, in the same colours.",
        shown=f"Means over {two_classes.PAIRS} generated pairs and {len(context.held_out)} real slices.",
    )
