"""The part of a report that shows what the disease looks like to the generator: pictures and numbers with controls.

The functions behind it are in latents.py and projection.py. Letters: N images, K classes, R resolution (pixels per
side), T steps of a path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis import atrophy, latents, plots, projection
from analysis.context import Context, NotHereError
from analysis.persons import half_of_each_class, permuted, some_one_each
from analysis.plots import ReportFigure
from analysis.ruler import ventricle_ratio
from progan_style import Data, Dataset, Generator, generate

PAIRS = 500  # seeds 0.. that are made as both classes
SHOWN = 8
WALKERS, STEPS = 64, 7  # seeds on the path between the classes, and places on it
SMALLEST_RULED = 32  # pixels; below, the ventricles are a pixel wide
PROJECTED = 4  # real slices of each class, one per person; as many generated ones in all are the control
PSIS = (0.0, 0.3, 0.5, 0.7, 1.0)
TRUNCATED = 48  # images per class and psi
MIXED = 6  # rows and columns of the style-mixing grid
FILMED, BETWEEN = 4, 16  # seeds and frames from one to the next

Say = Callable[[str], None]
Result = tuple[dict[str, Any], list[ReportFigure]]


@dataclass(frozen=True)
class Scene:
    """What every picture here is made from. low and high are the classes that are compared, healthy and diseased."""

    G: Generator
    low: int
    high: int
    unseen: Dataset | None
    part: str
    resolution: int
    seed: int

    @property
    def names(self) -> tuple[str, str]:
        return self.G.class_names[self.low], self.G.class_names[self.high]

    @property
    def reals(self) -> NDArray[np.uint8]:
        assert self.unseen is not None
        return np.asarray(self.unseen.at(self.resolution))


def part(context: Context) -> Result:
    """What the disease looks like to the generator, and whether real persons agree."""
    if context.generator is None:
        raise NotHereError("what the disease looks like needs a generator: two folders have none")
    return look(
        context.generator,
        context.data,
        context.resolution,
        seed=context.options.seed,
        say=context.options.log,
        note=context.note,
        part_name=context.held_out_split,
    )


def look(
    G: Generator,
    data: Data | None,
    resolution: int,
    *,
    seed: int = 0,
    say: Say = print,
    note: Say = print,
    part_name: str | None = None,
) -> Result:
    """What the disease looks like -> flat numbers and pictures. Pictures with real slices in them are private.

    Compares CN with AD where there are these names, else the first class with the last. Without unseen slices there is
    no projection and nothing real to compare with; without their known truth there is no ruler: note is told which.
    part_name: what the unseen slices are called in the captions (default: the data's own name for them).
    Raises NotHereError for a generator of one class.
    """
    names = tuple(G.class_names)
    if len(names) < 2:
        raise NotHereError("what the disease looks like needs two classes or more, the generator has one")
    low, high = (names.index("CN"), names.index("AD")) if {"CN", "AD"} <= set(names) else (0, len(names) - 1)
    own_name, unseen = data.unseen if data is not None else ("", None)
    unseen = unseen if unseen is not None and len(unseen) else None
    scene = Scene(G, low, high, unseen, part_name or own_name, resolution, seed)

    numbers: dict[str, Any] = {"latents.pairs": PAIRS, "latents.low": scene.names[0], "latents.high": scene.names[1]}
    pictures: list[ReportFigure] = []

    def add(found: Result) -> None:
        numbers.update(found[0])
        pictures.extend(found[1])

    say(f"{scene.names[0]} and {scene.names[1]} of the same latents, and the path between them")
    pairs = latents.path(G, torch.arange(PAIRS), low, high)
    moved = latents.path_in_w(G, torch.arange(PAIRS), low, high, [1.0])[0]
    places = np.linspace(0, 1, STEPS).tolist()
    walks = {
        "path": latents.path(G, torch.arange(WALKERS), low, high, places),
        "direction": latents.path_in_w(G, torch.arange(WALKERS), low, high, places),
    }
    add(same_brain(scene, pairs, moved))
    add(path_picture(scene, walks))
    if scene.unseen is None:
        note("no test or validate part: no real difference, ruler or projection")
    else:
        say(f"real persons beside them; projection of {PROJECTED} real slices per class")
        steps: dict[str, Callable[[], Result]] = {
            "real difference": lambda: real_difference(scene, pairs),
            "ruler": lambda: ruled(scene, pairs, moved, walks),
            "projection": lambda: projected(scene),
        }
        for name, step in steps.items():
            try:
                add(step())
            except ValueError as error:
                note(f"{name} left out: {error}")
    say("style mixing, truncation, film")
    add(mixing(scene))
    add(truncation(scene))
    add(filmed(scene))
    return numbers, pictures


# ------------------------------------------------------------------ the same brain


def same_brain(scene: Scene, pairs: NDArray[np.uint8], moved: NDArray[np.uint8]) -> Result:
    """pairs uint8 [2, N, 1, R, R], moved [N, 1, R, R] -> the first with difference maps; the mean map, its control."""
    maps, by_direction = latents.differences(*pairs), latents.differences(pairs[0], moved)
    mean, control = maps.mean(axis=0), latents.swapped_mean(maps, scene.seed)
    numbers = {
        "difference.rms": _rms(maps),
        "difference.direction.rms": _rms(by_direction),
        "difference.others.rms": latents.diversity(pairs[0]),
        "difference.mean.rms": _rms(mean),
        "difference.shuffled.rms": _rms(control),
    }
    return numbers, [
        _pairs_picture(scene, numbers, [*pairs, moved], [maps, by_direction]),
        _mean_picture(scene, numbers, pairs, mean, control),
    ]


def _pairs_picture(
    scene: Scene, numbers: dict[str, float], rows: list[NDArray[np.uint8]], maps: list[NDArray[np.float32]]
) -> ReportFigure:
    low, high = scene.names
    figure = plots.new_figure(SHOWN + 2.2, 5.9)
    figure.set_layout_engine("compressed")
    above, below = figure.subplots(2, 1, height_ratios=[3, 2])
    plots.image_rows(above, [images[:SHOWN] for images in rows], [low, f"{high}, same z", f"{high}, same w"])
    limit = float(np.quantile(np.abs(maps[0][:SHOWN]), 0.999))
    signed_rows(below, [some[:SHOWN] for some in maps], [f"same z\n- {low}", f"same w\n- {low}"], limit)
    return ReportFigure(
        name="same_brain",
        content=figure,
        title=f"The same brain as {low} and as {high}",
        reading=f"Each column is one latent and one noise: as {low}; as {high} from the same z; and the {low} slice "
        f"moved along the one direction in w that leads from {low} to {high} on average. Below, what changes in gray "
        f"levels (red brighter, blue darker in {high}): {numbers['difference.rms']:.1f} with the same z (root mean "
        f"square), {numbers['difference.direction.rms']:.1f} along the direction. The smaller, the more of the person "
        "stays. It is the generator's idea of the disease at group level, not what would happen to a person.",
        control=f"Two {low} slices of different latents differ by {numbers['difference.others.rms']:.1f} gray levels: "
        "a change as large as that would be another person. The next figure has the mean over many pairs beside "
        "shuffled labels.",
        private=False,
    )


def _mean_picture(
    scene: Scene,
    numbers: dict[str, float],
    pairs: NDArray[np.uint8],
    mean: NDArray[np.float32],
    control: NDArray[np.float32],
) -> ReportFigure:
    low, high = scene.names
    figure = plots.new_figure(9, 3.4)
    axes = figure.subplots(1, 4)
    for ax, images, title in zip(axes, pairs, (low, high), strict=False):
        ax.imshow(images[:, 0].mean(axis=0), cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[], title=f"mean {title}")
    limit = float(np.abs(mean).max())
    signed_rows(axes[2], [mean[None]], [""], limit, f"mean {high} - {low}", bar=False)
    signed_rows(axes[3], [control[None]], [""], limit, "control: labels shuffled")
    return ReportFigure(
        name="difference_map",
        content=figure,
        title=f"What the label changes, on average over {pairs.shape[1]} latents",
        reading=f"Mean of {high} - {low} over {pairs.shape[1]} pairs of one latent each, root mean square "
        f"{numbers['difference.mean.rms']:.1f} gray levels; a single pair has {numbers['difference.rms']:.1f}.",
        control=f"The same mean with {low} and {high} swapped in half of the pairs, on the same scale: "
        f"{numbers['difference.shuffled.rms']:.1f} gray levels.",
        private=False,
    )


def real_difference(scene: Scene, pairs: NDArray[np.uint8]) -> Result:
    """Does the generated mean difference lie where the real groups differ? Correlation of the maps, with its bounds."""
    assert scene.unseen is not None
    low, high = scene.names
    reals, labels, persons = scene.reals[:, 0].astype(np.float32), scene.unseen.labels, scene.unseen.subjects
    made = latents.differences(pairs[0], pairs[1]).mean(axis=0)
    real = _apart(reals, labels, scene)
    rng = np.random.default_rng(scene.seed)
    numbers = {"difference.correlation": latents.correlation(made, real)}
    known = not (persons == "").any()
    if known:
        lots = [permuted(labels, persons, rng) for _ in range(50)]
        shuffled = [latents.correlation(made, _apart(reals, lot, scene)) for lot in lots]
        first = half_of_each_class(persons, labels, rng)
        halves = latents.correlation(*(_apart(reals[half], labels[half], scene) for half in (first, ~first)))
        numbers |= {
            "difference.correlation.shuffled": float(np.mean(shuffled)),
            "difference.correlation.shuffled.high": float(np.quantile(shuffled, 0.975)),
            "difference.correlation.halves": halves,
        }
    figure = plots.new_figure(5.6, 3.4)
    left, right = figure.subplots(1, 2)
    limit = float(max(np.abs(made).max(), np.abs(real).max()))
    signed_rows(left, [made[None]], [""], limit, "generated, same latents", bar=False)
    signed_rows(right, [real[None]], [""], limit, f"real, {scene.part}")
    bounds, verdict = "Persons are unknown: no control over persons.", ""
    if known:
        if numbers["difference.correlation"] <= numbers["difference.correlation.shuffled.high"]:
            verdict = ", which shuffled labels reach by chance too: these persons are too few to say that it agrees"
        bounds = (
            f"The real persons' labels permuted: {numbers['difference.correlation.shuffled']:.2f} on average, luckiest "
            f"{numbers['difference.correlation.shuffled.high']:.2f}. Two halves of the real persons against each "
            f"other, which is what the number of persons allows: {halves:.2f}."
        )
    picture = ReportFigure(
        name="difference_real",
        content=figure,
        title=f"{high} - {low}: generated and real",
        reading=f"Left: the mean difference of the generated pairs. Right: mean {high} minus mean {low} of "
        f"{len(reals)} real slices, which are other persons in the two groups, so heads of different shape blur it. "
        f"Correlation over pixels {numbers['difference.correlation']:.2f}{verdict}.",
        control=bounds,
        private=True,
    )
    return numbers, [picture]


def _apart(images: NDArray[np.float32], labels: NDArray[Any], scene: Scene) -> NDArray[np.float32]:
    if not (labels == scene.low).any() or not (labels == scene.high).any():
        raise ValueError(
            f"slices of {scene.names[0]} and {scene.names[1]} expected among the unseen ones ({scene.part}), got one"
        )
    return images[labels == scene.high].mean(axis=0) - images[labels == scene.low].mean(axis=0)


def _rms(maps: NDArray[Any]) -> float:
    return float(np.sqrt((np.asarray(maps, np.float64) ** 2).mean()))


# ------------------------------------------------------------------ the path and the ruler


def path_picture(scene: Scene, walks: dict[str, NDArray[np.uint8]]) -> Result:
    """walks uint8 [T, N, 1, R, R] -> the way of the first latents from one class to the other, along both paths."""
    low, high = scene.names
    walk, straight = walks["path"], walks["direction"]
    size, count = walk.shape[-1], min(6, walk.shape[1])
    figure = plots.new_figure(2 * len(walk) + 1.6, count + 1.2)
    titles = (f"weight of {high} in the class embedding", "way along the direction in w")
    for ax, images, what in zip(figure.subplots(1, 2), (walk, straight), titles, strict=True):
        plots.image_rows(ax, [images[:, i] for i in range(count)], [f"seed {i}" for i in range(count)])
        places = [f"{p:.2f}" for p in np.linspace(0, 1, len(walk))]
        ax.set_xticks([(i + 0.5) * size - 0.5 for i in range(len(walk))], places)
        ax.set_xlabel(what)
    picture = ReportFigure(
        name="cn_to_ad",
        content=figure,
        title=f"From {low} to {high}",
        reading=f"Each row is one latent and one noise. Left: the class embedding goes from {low} to {high}; the ends "
        f"are the classes' own images. Right: the {low} slice moved along the class direction in w. The generator was "
        "trained at the classes only: what lies between is its interpolation, no observed course of a disease.",
        control="Identity has to stay: outline, tilt and folds of a row should not wander; how many gray levels change "
        "stands under the same brain's figure. Whether the sizes lead one way is measured where there is a ruler.",
        private=False,
    )
    return {}, [picture]


def ruled(
    scene: Scene, pairs: NDArray[np.uint8], moved: NDArray[np.uint8], walks: dict[str, NDArray[np.uint8]]
) -> Result:
    """Ventricle-to-brain ratios of generated slices beside real ones, by a ruler that is validated on these first."""
    unseen = scene.unseen
    assert unseen is not None
    if "ventricle_ratio" not in unseen.columns:
        raise ValueError("the slices have no known ventricle ratio (only phantoms do), so the ruler is not validated")
    if scene.resolution < SMALLEST_RULED:
        raise ValueError(f"the ventricles are too small to measure at {scene.resolution}x{scene.resolution}")
    truth = unseen.columns["ventricle_ratio"].astype(float)
    numbers: dict[str, Any] = {"ruler.spearman": atrophy.validated(ventricle_ratio, scene.reals, truth)}
    real = ventricle_ratio(scene.reals)
    made = np.stack([ventricle_ratio(images) for images in pairs])  # [2, N]
    made_labels = np.repeat([scene.low, scene.high], made.shape[1])
    numbers |= atrophy.atrophy(
        made.ravel(), made_labels, real, unseen.labels, unseen.subjects, scene.low, scene.high, scene.names, scene.seed
    )
    groups = [(real[unseen.labels == k], made[i]) for i, k in enumerate((scene.low, scene.high))]
    for name, (theirs, ours) in zip(scene.names, groups, strict=True):
        numbers |= {f"ruler.{name}": float(np.median(ours)), f"ruler.{name}.real": float(np.median(theirs))}
    shift = float(np.median(ventricle_ratio(moved)) - np.median(made[0]))
    low, high = scene.names
    numbers["atrophy.direction.ratio"] = shift / (numbers[f"ruler.{high}.real"] - numbers[f"ruler.{low}.real"])
    along = {name: np.stack([ventricle_ratio(images) for images in walk]) for name, walk in walks.items()}  # [T, N]
    for name, sizes in along.items():
        numbers |= atrophy.rising(sizes, f"atrophy.{name}", scene.seed)
    return numbers, [_ruler_picture(scene, numbers, groups, along)]


def _ruler_picture(
    scene: Scene, numbers: dict[str, Any], groups: list[Any], along: dict[str, NDArray[np.float64]]
) -> ReportFigure:
    low, high = scene.names
    figure = plots.new_figure(11, 4)
    left, *right = figure.subplots(1, 3, sharey=True)
    values = [v for pair in groups for v in pair]
    boxes = left.boxplot(values, showfliers=False, patch_artist=True, widths=0.6, whis=(5, 95))
    for i, box in enumerate(boxes["boxes"]):
        box.set(facecolor=plots.COLOURS[i // 2], alpha=0.3 if i % 2 == 0 else 0.8)
    kinds = zip((low, low, high, high), values, ("real", "generated") * 2, strict=True)
    left.set_xticks(range(1, 5), [f"{name}\n{kind}\n({len(v)})" for name, v, kind in kinds], fontsize=8)
    left.set(ylabel="ventricles / brain (area)", title="quartiles, whiskers 5 to 95 %")
    for ax, sizes, what in zip(
        right, along.values(), (f"weight of {high}, same z", "along the direction in w"), strict=True
    ):
        places = np.linspace(0, 1, len(sizes))
        ax.plot(places, sizes, color="0.8", lw=0.5)
        ax.plot(places, np.median(sizes, axis=1), color=plots.COLOURS[5], lw=2, label="median")
        for name, colour in zip((low, high), plots.COLOURS, strict=False):
            ax.axhline(numbers[f"ruler.{name}.real"], color=colour, ls="--", lw=1, label=f"real {name}, median")
        ax.set(xlabel=what, title=f"{sizes.shape[1]} latents")
        ax.legend(fontsize=7)
    interval = ""
    if "atrophy.ratio.low" in numbers:
        interval = (
            f" (95 % over real persons {numbers['atrophy.ratio.low']:.2f} to {numbers['atrophy.ratio.high']:.2f})"
        )
    return ReportFigure(
        name="ventricles",
        content=figure,
        title="Ventricles, measured",
        reading=f"The difference of the medians of {high} and {low} in generated slices is "
        f"{numbers['atrophy.ratio']:.2f} of the real one{interval}; 1 is right. The quartiles of {high} lie "
        f"{numbers[f'atrophy.spread.{high}']:.2f} times as far apart as real ones do, those of {low} "
        f"{numbers[f'atrophy.spread.{low}']:.2f} times: below 1 the generator draws types. With the same z the median "
        f"rises in {numbers['atrophy.path.median']:.0%} of the steps, place and size within an image have a rank "
        f"correlation of {numbers['atrophy.path.spearman']:.2f}; along the direction in w it is "
        f"{numbers['atrophy.direction.median']:.0%} and {numbers['atrophy.direction.spearman']:.2f}, and its whole way "
        f"is {numbers['atrophy.direction.ratio']:.2f} of the real difference.",
        control=f"The ruler's rank correlation with the truth of {len(values[0]) + len(values[2])} unseen slices: "
        f"{numbers['ruler.spearman']:.3f}. With shuffled labels the ratio is {numbers['atrophy.shuffled']:.2f} "
        f"(luckiest {numbers['atrophy.shuffled.high']:.2f}); with shuffled places the rank correlation is "
        f"{numbers['atrophy.path.shuffled']:.2f} and {numbers['atrophy.direction.shuffled']:.2f}.",
        private=False,
    )


# ------------------------------------------------------------------ real slices, moved


def projected(scene: Scene) -> Result:
    """Unseen slices of both classes into w, moved to the other class and, as a control, anywhere else."""
    assert scene.unseen is not None
    G, rng = scene.G, np.random.default_rng(scene.seed)
    rows = np.concatenate(
        [
            some_one_each(scene.unseen.subjects, np.flatnonzero(scene.unseen.labels == k), PROJECTED, rng)
            for k in (scene.low, scene.high)
        ]
    )
    reals, labels = scene.reals[rows], scene.unseen.labels[rows]
    found = projection.project(G, reals, labels, projection.STEPS, scene.seed)
    towards = torch.from_numpy(np.where(labels == scene.low, 1.0, -1.0)).to(found.w)[:, None]
    direction = latents.class_direction(G, scene.low, scene.high)
    ways = {
        "half": projection.move(G, found, towards * direction, 0.5),
        "whole": projection.move(G, found, towards * direction, 1.0),
        "random": projection.move(G, found, latents.random_direction(direction, len(rows), scene.seed), 1.0),
    }
    own_labels = torch.tensor([scene.low, scene.high]).repeat_interleave(PROJECTED // 2)
    own = generate(G, own_labels, torch.arange(PROJECTED)).numpy()
    floor = projection.project(G, own, own_labels.numpy(), projection.STEPS, scene.seed)
    numbers: dict[str, Any] = {
        "projection.slices": len(rows),
        "projection.steps": projection.STEPS,
        "projection.error": float(found.error.mean()),
        "projection.error.start": float(found.start_error.mean()),
        "projection.error.generated": float(floor.error.mean()),
    }
    if "ventricle_ratio" in scene.unseen.columns and scene.resolution >= SMALLEST_RULED:
        sign = np.where(labels == scene.low, 1.0, -1.0)
        before = ventricle_ratio(found.images)
        for name, way in (("projection.ventricles", "whole"), ("projection.ventricles.random", "random")):
            numbers[name] = float(np.mean(sign * (ventricle_ratio(ways[way]) - before)))
    return numbers, [_projection_picture(scene, numbers, reals, labels, found.images, ways)]


def _projection_picture(
    scene: Scene,
    numbers: dict[str, Any],
    reals: NDArray[np.uint8],
    labels: NDArray[np.int64],
    found: NDArray[np.uint8],
    ways: dict[str, NDArray[np.uint8]],
) -> ReportFigure:
    low, high = scene.names
    figure = plots.new_figure(len(reals) + 2.4, 7.2)
    figure.set_layout_engine("compressed")
    above, below = figure.subplots(2, 1, height_ratios=[5, 1])
    plots.image_rows(
        above,
        [reals, found, ways["half"], ways["whole"], ways["random"]],
        ["real", "its likeness", "moved half", "moved", "control"],
    )
    size = reals.shape[-1]
    targets = [f"{low} to {high}" if label == scene.low else f"{high} to {low}" for label in labels]
    above.set_xticks([(i + 0.5) * size - 0.5 for i in range(len(reals))], targets, fontsize=8)
    above.xaxis.tick_top()
    maps = latents.differences(found, ways["whole"])
    signed_rows(below, [maps], ["change"], float(np.quantile(np.abs(maps), 0.999)))
    measured = ""
    if "projection.ventricles" in numbers:
        measured = (
            f" Ventricles / brain moves by {numbers['projection.ventricles']:+.4f} towards the disease "
            f"(by {numbers['projection.ventricles.random']:+.4f} in the control)."
        )
    return ReportFigure(
        name="projection",
        content=figure,
        title="Real slices, moved to the other class",
        reading=f"Unseen slices ({scene.part}), one per person; the nearest likeness that the generator can make "
        f"({projection.STEPS} steps from the centre of the slice's class, one w for all layers); the likeness moved by "
        "half and by the whole distance of the class centres; what moved changes. The likeness misses the slice by "
        f"{numbers['projection.error']:.1f} gray levels (root mean square): where it does not look like the slice, "
        f"what follows is not about that person.{measured}",
        control=f"The start misses by {numbers['projection.error.start']:.1f}, generated slices projected in the same "
        f"way by {numbers['projection.error.generated']:.1f}. Last gray row: moved as far in a random direction at "
        "right angles to the class direction, which should leave the ventricles alone.",
        private=True,
    )


# ------------------------------------------------------------------ styles, truncation, film


def mixing(scene: Scene) -> Result:
    """Which styles make what: a grid of coarse and fine styles, and the shares they explain at every crossover."""
    G, active = scene.G, scene.G.active_layers
    rows, columns = torch.arange(MIXED), torch.arange(MIXED, 2 * MIXED)
    crossovers = list(range(0, active + 1, 2))
    shown = 4  # the styles of 4x4 and 8x8
    shares, grid = [], None
    for crossover in crossovers:
        made = latents.style_mixing(G, rows, columns, scene.low, crossover)
        shares.append(latents.explained(made))
        grid = made if crossover == shown else grid
    assert grid is not None
    numbers: dict[str, Any] = {}
    for crossover, (by_row, by_column) in zip(crossovers, shares, strict=True):
        numbers |= {f"mixing.{crossover}.rows": by_row, f"mixing.{crossover}.columns": by_column}
    figure = plots.new_figure(11, 5.8)
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    title = "columns: seeds " + ", ".join(map(str, columns.tolist()))
    plots.image_rows(left, list(grid), [f"seed {i}" for i in rows.tolist()], title)
    left.set_ylabel("coarse styles and noise from")
    left.set_xlabel("fine styles from the column's seed")
    names = [str(c) if not c else f"{c}\n({2 ** (c // 2 + 1)} px)" for c in crossovers]
    for share, label, colour in zip(
        np.transpose(shares), ("row (coarse)", "column (fine)"), plots.COLOURS, strict=False
    ):
        right.plot(crossovers, share, "o-", color=colour, label=f"explained by the {label}")
    right.set_xticks(crossovers, names, fontsize=8)
    right.set(xlabel="styles taken from the row (up to this size)", ylabel="share of the pixels' variance", ylim=(0, 1))
    right.axvline(shown, color="0.7", lw=0.8)
    right.legend(fontsize=8)
    picture = ReportFigure(
        name="style_mixing",
        content=figure,
        title="Which styles make what",
        reading=f"Left: {scene.names[0]} slices with the styles of 4x4 and 8x8 pixels from the row's seed and the "
        f"others from the column's. What a row shares is coarse, what a column shares is fine. There, rows explain "
        f"{numbers[f'mixing.{shown}.rows']:.0%} of the pixels' variance and columns "
        f"{numbers[f'mixing.{shown}.columns']:.0%}; the rest is their interplay.",
        control=f"With no styles from the row only the noise is the row's: it explains {shares[0][0]:.1%}. With all of "
        f"them the columns explain {shares[-1][1]:.1%}.",
        private=False,
    )
    return numbers, [picture]


def truncation(scene: Scene) -> Result:
    """Every class from its own centre (psi 0) to no truncation (psi 1), with the diversity that is left."""
    G, names = scene.G, tuple(scene.G.class_names)
    numbers: dict[str, Any] = {}
    shown = min(SHOWN, 12 // len(names))
    figure = plots.new_figure(shown * len(names) + 1.4, len(PSIS) + 0.9)
    axes = np.atleast_1d(figure.subplots(1, len(names)))
    seeds = torch.arange(TRUNCATED)
    for label, (name, ax) in enumerate(zip(names, axes, strict=True)):
        sets = [generate(G, torch.full_like(seeds, label), seeds, psi=psi).numpy() for psi in PSIS]
        for psi, images in zip(PSIS, sets, strict=True):
            numbers[f"truncation.{name}.{psi:.1f}.diversity"] = latents.diversity(images)
        titles = [f"{psi:g}\n{numbers[f'truncation.{name}.{psi:.1f}.diversity']:.0f}" for psi in PSIS]
        plots.image_rows(ax, [images[:shown] for images in sets], titles, name)
    axes[0].set_ylabel("psi, and diversity in gray levels")
    control = "No unseen slices: no diversity of real ones."
    if scene.unseen is not None:
        rng = np.random.default_rng(scene.seed)
        for label, name in enumerate(names):
            rows = some_one_each(scene.unseen.subjects, np.flatnonzero(scene.unseen.labels == label), TRUNCATED, rng)
            if len(rows) > 1:
                numbers[f"truncation.{name}.real.diversity"] = latents.diversity(scene.reals[rows])
        found = [f"{n} {numbers[k]:.0f}" for n in names if (k := f"truncation.{n}.real.diversity") in numbers]
        control = f"The same of real {scene.part} slices, one per person: {', '.join(found)} gray levels."
    picture = ReportFigure(
        name="truncation",
        content=figure,
        title="Truncation",
        reading="The same seeds at every psi, pulled towards the centre of their own class: psi 0 is the centre (what "
        f"differs there is noise), psi 1 no truncation. The number is the root mean square distance of two of "
        f"{TRUNCATED} slices. Smaller psi means more typical slices and fewer kinds of them; all numbers of this "
        "report are at psi 1.",
        control=control,
        private=False,
    )
    return numbers, [picture]


def filmed(scene: Scene) -> Result:
    """A closed walk through the latents, as both classes and half-way between them."""
    low, high = scene.names
    weights = latents.class_weights(scene.low, scene.high, len(scene.G.class_names), (0.0, 0.5, 1.0))
    frames = latents.interpolation(scene.G, torch.arange(FILMED), weights, BETWEEN)
    steps = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(axis=(1, 2, 3, 4))
    far = np.abs(frames[::BETWEEN].astype(np.float32) - np.roll(frames[::BETWEEN], 1, axis=0)).mean()
    numbers = {"film.frames": len(frames), "film.step": float(steps.max()), "film.seeds": float(far)}
    picture = ReportFigure(
        name="interpolation",
        content=latents.film(frames),
        suffix=".gif",
        title="A walk through the latents",
        reading=f"Left to right: {low}, half-way, {high}, the same latent in each frame, walking over {FILMED} seeds "
        f"and back. It should glide: the largest step between frames is {numbers['film.step']:.1f} gray levels per "
        "pixel. Jumps would mean that the generator holds separate pictures instead of one space.",
        control=f"Two neighbouring seeds, {BETWEEN} frames apart, differ by {numbers['film.seeds']:.1f} gray levels.",
        private=False,
    )
    return numbers, [picture]


# ------------------------------------------------------------------ drawing


def signed_rows(
    ax: Axes, rows: Sequence[NDArray[Any]], names: Sequence[str], limit: float, title: str = "", bar: bool = True
) -> Axes:
    """Rows of difference maps [n, R, R] in gray levels, red above 0 and blue below, from -limit to limit."""
    canvas = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    limit = limit or 1.0
    shown = ax.imshow(canvas, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    size = rows[0].shape[-1]
    ax.set_yticks([(i + 0.5) * size - 0.5 for i in range(len(rows))], names)
    ax.tick_params(length=0)
    ax.set(xticks=[], title=title)
    if bar:
        ax.figure.colorbar(shown, ax=ax, fraction=0.04, pad=0.01, label="gray levels")
    return ax
