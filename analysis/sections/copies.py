"""Is a generated slice somebody's? The closest training slice of each, beside those of held-out people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import memorisation, plots, style
from analysis.context import Context
from analysis.memorisation import PLANTED, Nearest
from analysis.numbers import UNKNOWN, Number, Numbers
from analysis.persons import known
from analysis.plots import ReportFigure

QUESTION = "Is a generated slice a likeness of one training person?"
PLANTED_SLICES = 100
SHOWN = 10
Found = dict[str, tuple[Nearest, Nearest, float]]  # of generated slices and of held-out ones; the threshold

KINDS = {f".{name}": "" for name in PLANTED}
NUMBERS = (
    Number(
        "copies.share",
        "copies, share",
        "share of generated slices that are called copies, in aligned pixels",
        beside=("false alarms {copies.false_alarms}", "in features {copies.features.share}"),
    ),
    Number("copies.features.share", meaning="the same in the reference classifier's features"),
    Number(
        "copies.false_alarms",
        meaning="false-alarm rate of the copy check. The held-out people are split in two, and one half is tested with "
        "the threshold of the other. With many people it is about 1 %, with few it is more: a few slices of one "
        "person then make the threshold",
    ),
    Number("copies.features.false_alarms", meaning="the same in features"),
    Number("copies.threshold", meaning="the 1st percentile of held-out people's distances. Below it is called a copy"),
    Number("copies.features.threshold", meaning="the same in features"),
    Number(
        "copies.median",
        meaning="median distance to the closest training slice, of generated and of held-out slices",
        also={".held_out": ""},
    ),
    Number("copies.features.median", meaning="the same in features", also={".held_out": ""}),
    Number(
        "copies.relative.share",
        "  nearer than to others",
        "share of generated slices that are much nearer to one person than to others. It compares the likeness of the "
        "10th closest slice of other people with that of the closest",
        beside=("false alarms {copies.relative.false_alarms}",),
    ),
    Number("copies.relative.false_alarms", meaning="its false-alarm rate"),
    Number("copies.features.relative.share", meaning="the relative share in features"),
    Number("copies.features.relative.false_alarms", meaning="its false-alarm rate"),
    Number(
        "copies.found",
        "  planted copies found",
        "the smallest share of planted copies that are found, over their kinds, in aligned pixels. The kinds, of 100 "
        "training slices: as they are, 1 pixel to the side, 2 degrees, 5 % contrast, JPEG of quality 75",
        beside=("false alarms {copies.false_alarms}",),
        also=KINDS,
    ),
    *(
        Number(f"copies.features.found{kind}", meaning="the same in features, which move with shift and turn")
        for kind in KINDS
    ),
    *(Number(f"copies.relative.found{kind}", meaning="found by the relative share, in pixels") for kind in KINDS),
    *(Number(f"copies.features.relative.found{kind}", meaning="and in features") for kind in KINDS),
    Number(
        "copies.most_per_person",
        meaning="share of slices whose closest training slice is of the most frequent training person, of generated "
        "and of held-out slices",
        also={".held_out": UNKNOWN},
        unless=UNKNOWN,
    ),
)


def measure(context: Context) -> tuple[Numbers, Found]:
    context.need_held_out()
    numbers: Numbers = {}
    spaces: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.float32]]] = {
        "": memorisation.aligned_pixels,
        ".features": context.judge.features,
    }
    found: Found = {}
    rows = np.random.default_rng(context.options.seed).permutation(len(context.learnt))[:PLANTED_SLICES]
    owners, people = context.learnt.subjects, context.held_out.subjects
    for suffix, space in spaces.items():
        training = space(context.learnt.images)
        held_out = memorisation.nearest(space(context.held_out.images), training, owners)
        fakes = memorisation.nearest(space(context.fakes.images), training, owners)
        share, threshold = memorisation.share_of_copies(fakes.distances, held_out.distances)
        relative, least = memorisation.share_of_copies(fakes.relative, held_out.relative)
        found[suffix] = (fakes, held_out, threshold)
        numbers |= {
            f"copies{suffix}.share": share,
            f"copies{suffix}.false_alarms": memorisation.false_alarms(held_out.distances, people),
            f"copies{suffix}.threshold": threshold,
            f"copies{suffix}.median": float(np.median(fakes.distances)),
            f"copies{suffix}.median.held_out": float(np.median(held_out.distances)),
            f"copies{suffix}.relative.share": relative,
            f"copies{suffix}.relative.false_alarms": memorisation.false_alarms(held_out.relative, people),
        }
        for name, plant in PLANTED.items():
            planted = memorisation.nearest(space(plant(context.learnt.images[rows])), training, owners)
            numbers[f"copies{suffix}.found.{name}"] = float((planted.distances < threshold).mean())
            numbers[f"copies{suffix}.relative.found.{name}"] = float((planted.relative < least).mean())
    numbers["copies.found"] = min(numbers[f"copies.found.{name}"] for name in PLANTED)
    if known(context.learnt.subjects):
        for suffix, counts in zip(("", ".held_out"), _per_person(context, found), strict=True):
            numbers[f"copies.most_per_person{suffix}"] = float(counts.max() / counts.sum())
    return numbers, found


def _per_person(context: Context, found: Found) -> list[NDArray[np.int64]]:
    """How often a slice of each training person is the closest, most often first: to generated and held-out slices."""
    names, index = np.unique(context.learnt.subjects.astype(str), return_inverse=True)
    return [np.sort(np.bincount(index[one.rows], minlength=len(names)))[::-1] for one in found[""][:2]]


def answer(numbers: Numbers) -> str:
    return (
        f"{numbers['copies.relative.share']:.1%} of the slices are much nearer to one person than to others, of "
        f"held-out people's {numbers['copies.relative.false_alarms']:.1%}. The check finds "
        f"{numbers['copies.found']:.0%} of planted copies."
    )


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    pictures = [_distance_picture(numbers, findings), _closest_picture(context, findings)]
    if known(context.learnt.subjects):
        pictures.append(_persons_picture(_per_person(context, findings)))
    return pictures


def _distance_picture(numbers: Numbers, found: Found) -> ReportFigure:
    figure = plots.new_figure(11, 4.2)
    titles = (("", "aligned pixels"), (".features", "the reference classifier's features"))
    for place, (suffix, title) in enumerate(titles, start=1):
        fakes, held_out, threshold = found[suffix]
        sets = [
            ("held-out people", held_out.distances, style.look(True)),
            ("generated", fakes.distances, style.look(False)),
        ]
        line = ("1st percentile of held-out people", threshold)
        plots.histograms(figure.add_subplot(1, 2, place), sets, title, "distance to the closest training slice", line)
    return ReportFigure(
        "copies",
        figure,
        "Distance to the closest training slice",
        f"Left of the dashed line lie {numbers['copies.share']:.1%} of the generated slices in aligned pixels and "
        f"{numbers['copies.features.share']:.1%} in features. Smooth or typical slices lie near to everybody. So it is "
        "also asked how much nearer one person is than the others. "
        f"{numbers['copies.relative.share']:.1%} are nearer to one than held-out people are (false alarms "
        f"{numbers['copies.relative.false_alarms']:.1%}). A share like "
        "that of the false alarms does not exclude single copies. Look at the closest pairs.",
        f"the false alarms, {numbers['copies.false_alarms']:.1%} of held-out people, and the planted copies: at least "
        f"{numbers['copies.found']:.0%} of each kind are found in aligned pixels",
        private=False,
        alt="Two panels of outlined histograms: how far generated slices and slices of held-out people are from the "
        "closest training slice, with a line at the threshold below which a slice is called a copy.",
        shown="The legends count the slices.",
    )


def _closest_picture(context: Context, found: Found) -> ReportFigure:
    figure = plots.new_figure(SHOWN + 1.2, 8.6)
    figure.set_layout_engine("compressed")
    spaces = (("", "aligned pixels"), (".features", "the reference classifier's features"))
    axes = figure.subplots(4, 1, height_ratios=[2, 1, 2, 1])
    for i, (suffix, title) in enumerate(spaces):
        fakes, _, threshold = found[suffix]
        order = np.argsort(fakes.distances, kind="stable")[:SHOWN]
        pair = [context.fakes.images[order], context.learnt.images[fakes.rows[order]]]
        words = f"closest in {title}, nearest first; a copy is called below {threshold:.3f}"
        above, below = axes[2 * i : 2 * i + 2]
        plots.image_rows(above, pair, ["generated", "training"], words, context.geometry)
        difference = pair[0][:, 0].astype(np.float32) - pair[1][:, 0]
        plots.signed_rows(below, [difference], ["difference"], 255.0, bar=False)
        size = difference.shape[-1]
        places = [(j + 0.5) * size - 0.5 for j in range(len(order))]
        below.set_xticks(places, [f"{distance:.3f}" for distance in fakes.distances[order]], fontsize=8)
        below.set_xlabel("distance")
    return ReportFigure(
        "closest_pairs",
        figure,
        "The closest pairs",
        "Look for the same folds and the same ventricle wall, not for the same outline. The difference is red where "
        "the generated slice is brighter, blue where it is darker, white where they are equal. A shift shows as edges.",
        "the distances above",
        private=True,
        alt="Pairs of slices below each other, a generated one and the training slice that is closest to it, with "
        "their difference and their distance.",
        shown=f"{2 * SHOWN} pairs: {SHOWN} by pixels, {SHOWN} by features.",
    )


def _persons_picture(counts: list[NDArray[np.int64]]) -> ReportFigure:
    figure = plots.new_figure(7, 3.6)
    names = (("generated", style.look(False)), ("held-out people", style.look(True)))
    lines = [(name, count / count.sum(), drawn) for (name, drawn), count in zip(names, counts, strict=True)]
    axes = plots.curves(
        figure.add_subplot(),
        np.arange(1, len(counts[0]) + 1),
        lines,
        "how often each training person is the closest",
        ("training persons, most often first", "share of slices"),
    )
    axes.set_xscale("log")
    style.plain_ticks(axes, y=False)
    return ReportFigure(
        "copies_per_person",
        figure,
        "Training persons that many generated slices resemble",
        "A curve that starts far above the other means that few persons dominate what is generated.",
        "held-out people. Some heads are near to many others by nature",
        private=False,
        alt="Two falling curves: the share of slices whose closest training slice is of the first, second and further "
        "training person, of generated slices and of held-out people's.",
        shown=f"{int(counts[0].sum())} generated and {int(counts[1].sum())} real slices, {len(counts[0])} persons.",
    )
