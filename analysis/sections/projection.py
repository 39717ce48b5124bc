"""Real slices, moved to the other class: the closest likeness that the generator can make, and what changes in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import latents, plots, projection, two_classes
from analysis.context import Context
from analysis.numbers import Number, Numbers
from analysis.persons import some_one_each
from analysis.plots import ReportFigure
from analysis.projection import Projected
from analysis.ruler import ventricle_ratio
from analysis.two_classes import TwoClasses
from progan_style import generate

QUESTION = "Can a real slice be moved to the other class?"
PROJECTED = 4  # real slices of each class, one per person; as many generated ones in all are the control
OF_NETWORKS = True

NO_TRUTH = "without phantoms of 32 pixels or more, whose ventricles are known"
NUMBERS = (
    Number("projection.slices", meaning="real slices projected into w"),
    Number("projection.steps", meaning="steps of descent"),
    Number(
        "projection.error",
        "projection error",
        "root mean square error of the likeness, gray levels",
        beside=("generated slices {projection.error.generated}", "the start {projection.error.start}"),
    ),
    Number("projection.error.start", meaning="the same of the class centre, where the descent starts"),
    Number("projection.error.generated", meaning="the same of generated slices projected alike"),
    Number(
        "projection.ventricles",
        meaning="mean change of the ventricle ratio towards the disease when the likeness is moved by the class "
        "direction",
        unless=NO_TRUTH,
    ),
    Number(
        "projection.ventricles.random",
        meaning="the same by a random direction as long, at right angles",
        unless=NO_TRUTH,
    ),
)


@dataclass(frozen=True)
class Moved:
    """Real slices uint8 [N, 1, R, R] with labels [N], their likeness, and the likeness moved in several ways."""

    reals: NDArray[np.uint8]
    labels: NDArray[np.int64]
    likeness: NDArray[np.uint8]
    ways: dict[str, NDArray[np.uint8]]


def measure(context: Context) -> tuple[Numbers, Moved]:
    two, seed = two_classes.two_classes(context), context.options.seed
    context.need_held_out()
    moved, found = _moved(context, two)
    own_labels = torch.tensor([two.low, two.high]).repeat_interleave(PROJECTED // 2)
    own = generate(two.G, own_labels, torch.arange(PROJECTED)).numpy()
    control = projection.project(two.G, own, own_labels.numpy(), projection.STEPS, seed)
    numbers: Numbers = {
        "projection.slices": len(moved.reals),
        "projection.steps": projection.STEPS,
        "projection.error": float(found.error.mean()),
        "projection.error.start": float(found.start_error.mean()),
        "projection.error.generated": float(control.error.mean()),
    }
    if two_classes.truth(context) is not None:
        sign = np.where(moved.labels == two.low, 1.0, -1.0)
        before = ventricle_ratio(found.images)
        for name, way in (("projection.ventricles", "whole"), ("projection.ventricles.random", "random")):
            numbers[name] = float(np.mean(sign * (ventricle_ratio(moved.ways[way]) - before)))
    return numbers, moved


def _moved(context: Context, two: TwoClasses) -> tuple[Moved, Projected]:
    held_out, G, seed = context.held_out, two.G, context.options.seed
    rng = np.random.default_rng(seed)
    of_class = [np.flatnonzero(held_out.labels == k) for k in (two.low, two.high)]
    rows = np.concatenate([some_one_each(held_out.subjects, some, PROJECTED, rng) for some in of_class])
    reals, labels = held_out.images[rows], held_out.labels[rows]
    found = projection.project(G, reals, labels, projection.STEPS, seed)
    towards = torch.from_numpy(np.where(labels == two.low, 1.0, -1.0)).to(found.w)[:, None]
    direction = latents.class_direction(G, two.low, two.high)
    ways = {
        "half": projection.moved_along(G, found, towards * direction, 0.5),
        "whole": projection.moved_along(G, found, towards * direction, 1.0),
        "random": projection.moved_along(G, found, latents.random_direction(direction, len(rows), seed), 1.0),
    }
    return Moved(reals, labels, found.images, ways), found


def answer(numbers: Numbers) -> str:
    return (
        f"The generator's likeness of a real slice misses it by {numbers['projection.error']:.1f} gray levels, of a "
        f"generated one by {numbers['projection.error.generated']:.1f}."
    )


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    two, moved = two_classes.two_classes(context), findings
    measured = ""
    if "projection.ventricles" in numbers:
        measured = (
            f" Ventricles / brain moves by {numbers['projection.ventricles']:+.4f} towards the disease "
            f"(by {numbers['projection.ventricles.random']:+.4f} in the control)."
        )
    return [
        ReportFigure(
            name="projection",
            content=_figure(context, two, moved),
            title="Real slices, moved to the other class",
            reading=f"Held-out slices ({context.held_out_split}), one per person, stand above the closest likeness "
            f"that the generator can make. It takes {projection.STEPS} steps from the centre of the slice's class, "
            "with one w for all layers. The likeness is then moved by half and by the whole distance of the class "
            "centres. The lower row shows what that changes. The likeness misses the slice by "
            f"{numbers['projection.error']:.1f} gray levels (root mean square). Where it does not look like the slice, "
            f"what follows is not about that person.{measured}",
            control=f"The start misses by {numbers['projection.error.start']:.1f}, generated slices projected in the "
            f"same way by {numbers['projection.error.generated']:.1f}. The last gray row is moved as far in a random "
            "direction at right angles to the class direction, which should leave the ventricles alone.",
            private=True,
            alt="Columns of one real slice each. Below it stand its likeness, the likeness moved by half and the whole "
            "way to the other class, a control, and a map of what changes.",
            shown=f"{len(moved.reals)} real slices of as many people.",
        )
    ]


def _figure(context: Context, two: TwoClasses, moved: Moved) -> Any:
    low, high = two.names
    reals, ways = moved.reals, moved.ways
    figure = plots.new_figure(len(reals) + 2.4, 7.2)
    figure.set_layout_engine("compressed")
    above, below = figure.subplots(2, 1, height_ratios=[5, 1])
    plots.image_rows(
        above,
        [reals, moved.likeness, ways["half"], ways["whole"], ways["random"]],
        ["real", "its likeness", "moved half", "moved", "control"],
        geometry=context.geometry,
    )
    size = reals.shape[-1]
    targets = [f"{low} to {high}" if label == two.low else f"{high} to {low}" for label in moved.labels]
    above.set_xticks([(i + 0.5) * size - 0.5 for i in range(len(reals))], targets, fontsize=8)
    above.xaxis.tick_top()
    maps = latents.difference_maps(moved.likeness, ways["whole"])
    plots.signed_rows(below, [maps], ["change"], float(np.quantile(np.abs(maps), 0.999)))
    return figure
