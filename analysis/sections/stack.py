"""One seed at several heights, beside the slices of one real person: does it make one brain?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import plots, stacks, style
from analysis.context import Context, NotHereError
from analysis.numbers import Number, Numbers
from analysis.plots import ReportFigure
from analysis.slices import HEIGHT, stated
from analysis.stacks import Stack
from progan_style import Generator, generate, generate_stack

QUESTION = "Do slices of one seed at several heights make one brain?"
MOST = 60  # persons of each class
LEAST = 4  # persons of each class
HALVES = 200
BESIDE_MM = 10  # of the midline, where the ventricles are
FIRST_SEED = 2**29  # no other section has seen these
OF_NETWORKS = True

INTERVAL = {".low": "", ".high": ""}
FAR_APART = "where no two slices of a person are known to lie about 10 mm apart"
BESIDE = ("95 % {.low} to {.high}", "one real person {.real}", "another latent {.others}")
NUMBERS = (
    Number(
        "stack.near",
        "likeness of neighbours",
        "how alike neighbouring slices of one seed are (the audit's measure, -1 to 1), at the heights of real people, "
        "in the mean. Beside it: neighbouring slices of one real person, and slices of two seeds at these heights. "
        "The interval is over random halves of the seeds",
        beside=BESIDE,
        also={".real": "", ".others": "", **INTERVAL},
    ),
    Number(
        "stack.far",
        "  10 mm apart",
        "the same of slices about 10 mm apart",
        beside=BESIDE,
        also={key: FAR_APART for key in (".real", ".others", ".low", ".high")},
        unless=FAR_APART,
    ),
    Number(
        "stack.profile",
        "  area off its profile",
        "how far the area of the head lies from what the height makes of it in real training slices (root mean square, "
        "a share of the stack's mean area). Another latent: each slice of a stack from another seed",
        beside=BESIDE,
        also={".real": "", ".others": "", **INTERVAL},
    ),
    Number("stack.persons", meaning="real people whose heights were asked for, one seed each"),
)
Made = dict[str, Any]


def measure(context: Context) -> tuple[Numbers, Made]:
    G = context.generator
    assert G is not None
    position, data, held_out = G.described.position, context.data, context.held_out
    if position is None or data is None:
        raise NotHereError("the generator knows no heights (data.conditions: {slice_mm: position})")
    heights = stated(data.unseen[1], position.column)
    if not np.isfinite(heights).any():
        raise NotHereError(f"the held-out slices have no heights in a column {position.column}")
    found = stacks.stacks_of(held_out.images, held_out.labels, held_out.subjects, heights)
    real = chosen(found, position.ends, len(context.class_names))
    made = [like(G, stack, FIRST_SEED + i) for i, stack in enumerate(real)]
    others = strangers_of(G, real)
    usual = stacks.usual_profile(training(context, position.column) or real)
    numbers: Numbers = {"stack.persons": len(real)}
    for name, pairs_of in (("near", stacks.near_pairs), ("far", stacks.far_pairs)):
        if name == "far" and not in_mm(position):
            continue
        with_pairs = [i for i, stack in enumerate(real) if pairs_of(stack.heights)]
        if not with_pairs:
            continue
        each: dict[str, list[float]] = {
            what: [stacks.likeness(some[i], some[i], pairs_of(some[i].heights)) for i in with_pairs]
            for what, some in (("", made), (".real", real), (".others", others))
        }
        numbers |= summed(f"stack.{name}", each)
    off = {
        what: [stacks.off_profile(stack, usual) for stack in some]
        for what, some in (("", made), (".real", real), (".others", others))
    }
    some = {"real": real, "made": made, "others": others, "usual": usual, "position": position}
    return numbers | summed("stack.profile", off), some


def in_mm(position: Any) -> bool:
    """Whether heights are known to be in mm; generators of earlier versions say no unit."""
    return bool(position.unit == "mm" or position.column == HEIGHT)


def chosen(found: Sequence[Stack], ends: tuple[float, float], classes: int) -> list[Stack]:
    """Real stacks within the range that the generator knows, of each class MOST at most. Raises NotHereError for too
    few of one."""
    inside = [stack for stack in found if ends[0] <= stack.heights[0] and stack.heights[-1] <= ends[1]]
    of_class = [[stack for stack in inside if stack.label == label][:MOST] for label in range(classes)]
    if (fewest := min(map(len, of_class))) < LEAST:
        raise NotHereError(
            f"{stacks.FEWEST} held-out slices or more, at known heights, are needed of each of {LEAST} people of a "
            f"class; there are {fewest}"
        )
    return [stack for some in of_class for stack in some]


def like(G: Generator, stack: Stack, seed: int) -> Stack:
    """A synthetic person of the same class at the same heights."""
    images = generate_stack(G, stack.label, seed, stack.heights.tolist()).numpy()
    return Stack(images, stack.heights, stack.label)


def strangers_of(G: Generator, real: Sequence[Stack]) -> list[Stack]:
    """At the heights of each real person slices that have nothing to do with each other: every one of another seed."""
    assert G.described.position is not None
    heights = np.concatenate([stack.heights for stack in real])
    labels = np.repeat([stack.label for stack in real], [len(stack.heights) for stack in real])
    first = FIRST_SEED + len(real)
    given = {G.described.position.column: heights.tolist()}
    images = generate(G, labels, range(first, first + len(heights)), given=given).numpy()  # at once, in whole blocks
    ends = np.cumsum([len(stack.heights) for stack in real])
    parts = np.split(images, ends[:-1])
    return [Stack(part, stack.heights, stack.label) for part, stack in zip(parts, real, strict=True)]


def training(context: Context, column: str) -> list[Stack]:
    """The training people's stacks; none where their heights are not known."""
    assert context.data is not None
    train = context.train
    return stacks.stacks_of(train.images, train.labels, train.subjects, stated(context.data.train, column))


def summed(key: str, each: dict[str, list[float]]) -> Numbers:
    """Means, and the 95 % of the generated one over random halves of its seeds."""
    values, rng = np.array(each[""]), np.random.default_rng(0)
    partings = (np.array_split(rng.permutation(values), 2) for _ in range(HALVES // 2))
    halves = [float(half.mean()) for both in partings for half in both]
    low, high = np.quantile(np.array(halves) - np.mean(halves) + values.mean(), [0.025, 0.975])
    numbers: Numbers = {f"{key}{what}": float(np.mean(some)) for what, some in each.items()}
    return numbers | {f"{key}.low": float(low), f"{key}.high": float(high)}


def answer(numbers: Numbers) -> str:
    return (
        f"Neighbouring slices of one seed have a likeness of {numbers['stack.near']:.2f}, of one real person "
        f"{numbers['stack.near.real']:.2f}, of different seeds {numbers['stack.near.others']:.2f}."
    )


def show(context: Context, numbers: Numbers, findings: Made) -> list[ReportFigure]:
    pictures = [in_a_row(context, numbers, findings)]
    mm = context.geometry.mm
    if mm is not None and in_mm(findings["position"]):
        pictures.append(in_three_planes(context, findings, mm))
    return pictures


def in_a_row(context: Context, numbers: Numbers, findings: Made) -> ReportFigure:
    real, made, others = (findings[name][0] for name in ("real", "made", "others"))
    figure = plots.new_figure(11, 7.5)
    above, below = figure.subplots(2, 1, height_ratios=[1.5, 1])
    names = ["one real person", "one seed", "a seed each"]
    rows = [stack.images for stack in (real, made, others)]
    position = findings["position"]
    heights = ", ".join(f"{height:.3g}" for height in real.heights) + (" mm" if in_mm(position) else "")
    plots.image_rows(above, rows, names, f"{context.class_names[real.label]} at {heights}", context.geometry)
    for some, label, look in (
        (findings["real"], "real people", style.look(True)),
        (findings["made"], "one seed each", style.look(False)),
    ):
        for i, stack in enumerate(some[:MOST]):
            below.plot(
                stack.heights,
                stacks.profile(stack),
                color=look.colour,
                ls=look.line,
                lw=0.7,
                label=label if i == 0 else None,
            )
    grid: NDArray[np.float64] = np.linspace(real.heights[0], real.heights[-1], 50)
    below.plot(grid, np.polyval(findings["usual"], grid), color="black", lw=2, label="training people, in the mean")
    below.set(xlabel=f"height ({position.column})", ylabel="area over the stack's mean")
    below.legend(fontsize=8)
    far = (
        f" 10 mm apart it is {numbers['stack.far']:.2f}, beside {numbers['stack.far.real']:.2f}."
        if "stack.far" in numbers
        else ""
    )
    return ReportFigure(
        name="stack",
        content=figure,
        title="One seed at several heights",
        reading="Above, the slices of one real person, of one seed at the same heights, and of a seed each. Below, "
        "how the head's area follows the height. Neighbouring slices of one seed have a likeness of "
        f"{numbers['stack.near']:.2f}, those of one real person {numbers['stack.near.real']:.2f}.{far}",
        control=f"Slices of different seeds at these heights have {numbers['stack.near.others']:.2f}. Their area "
        f"lies {numbers['stack.profile.others']:.1%} off the profile, that of one seed "
        f"{numbers['stack.profile']:.1%} and of real people {numbers['stack.profile.real']:.1%}.",
        private=True,
        alt="Above, three rows of slices from low to high: a real person, one seed, and slices of several seeds. "
        "Below, lines of the head's area over the height, of real people and of seeds.",
        shown=f"{numbers['stack.persons']} real people and as many seeds.",
    )


def in_three_planes(context: Context, findings: Made, mm: float) -> ReportFigure:
    """The first person of the first class: rows are planes, columns a real person, one seed, a seed each."""
    columns = [("one real person", "real"), ("one seed", "made"), ("a seed each", "others")]
    resolution, heights = context.resolution, findings["real"][0].heights
    tall = max((heights[-1] - heights[0]) / (resolution * mm), 0.15) * 1.3  # a cut against a picture, with its margin
    figure = plots.new_figure(9, 3.8 + 6 * tall)
    axes = figure.subplots(3, 3, height_ratios=[1, tall, tall])
    middle, beside = resolution // 2, resolution // 2 + round(BESIDE_MM / mm)
    across = np.arange(resolution + 1) * mm
    for j, (name, key) in enumerate(columns):
        one: Stack = findings[key][0]
        own = len(one.heights) // 2
        plots.image_rows(axes[0, j], [one.images[own : own + 1]], [""], name, context.geometry if j == 0 else None)
        for ax, cut in ((axes[1, j], one.images[:, 0, middle]), (axes[2, j], one.images[:, 0, :, beside])):
            ax.pcolormesh(across, stacks.edges_of(one.heights), cut, cmap="gray", vmin=0, vmax=255, rasterized=True)
            ax.set(aspect="equal", xticks=[], facecolor="black")
            ax.tick_params(labelsize=7)
    for ax, plane in zip(axes[:, 0], (context.geometry.plane, *context.geometry.across), strict=True):
        ax.set_ylabel(plane)
    return ReportFigure(
        name="stack_planes",
        content=figure,
        title="The same stacks in three planes",
        reading=f"{len(heights)} slices from {heights[0]:.3g} to {heights[-1]:.3g} mm. Above, the one in the middle. "
        "Below, what the stack shows across its slices: through the middle of the picture, and "
        f"{BESIDE_MM} mm beside it. Each slice is drawn as thick as it stands for. In one brain, outlines and "
        "ventricles go on from slice to slice.",
        control="The slices of different seeds do not fit together: bands.",
        private=True,
        alt="Three columns: a real person, one seed, and slices of several seeds. Three rows: a slice, and two cuts "
        "across the stack.",
        shown="One real person and seeds at the same heights.",
    )
