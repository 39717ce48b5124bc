"""How the run came here: its losses, what it measured of itself, and the pictures that it kept on the way."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from analysis import plots, style
from analysis.context import Context, NotHereError
from analysis.numbers import Number, Numbers
from analysis.plots import ReportFigure
from progan_style import read_log

QUESTION = "How did the training go?"
OF_NETWORKS = True
PICTURES = 8  # of those that the run kept
LINES = (("loss_d", "Loss_D"), ("loss_g", "Loss_G"))
# What shows a growth step: docs/experiments/growth.md. Key, title, a line to compare with
GROWTH = (
    ("margin", "D's margin", None),
    ("kid", f"KID, {style.LOWER}", 0.0),
    ("finest_octave", f"finest detail, {style.MIDDLE}", 1.0),
)

NUMBERS = (
    Number("training.lines", meaning="lines of log.jsonl up to the images that this generator has seen"),
    Number("training.loss_d", meaning="Loss_D, the mean of the last tenth of these lines"),
    Number("training.loss_g", meaning="Loss_G, the same"),
    Number(
        "training.real_class_acc",
        meaning="share of real slices whose class D's class head names, the mean of the last tenth",
    ),
    Number(
        "training.margin",
        meaning="how much higher D's logits are of real slices than of generated ones, the mean of the last tenth",
        unless="with a log that has none",
    ),
    Number("training.largest_class", meaning="share of the largest class in the training slices: a constant answer"),
)
Log = list[dict[str, Any]]
Kept = list[tuple[int, Path]]  # images seen, a picture


def measure(context: Context) -> tuple[Numbers, tuple[Log, Kept]]:
    if context.run_dir is None or context.generator is None:
        raise NotHereError("two folders have no training")
    seen = context.generator.nimg
    lines = [line for line in read_log(context.run_dir) if line["nimg"] <= seen]
    log = of(lines, "loss_d")
    if not log:
        raise NotHereError("log.jsonl has no line of this training")
    last = log[-max(1, len(log) // 10) :]
    numbers: Numbers = {
        "training.lines": len(log),
        "training.largest_class": float(np.bincount(context.train.labels).max() / len(context.train)),
    }
    for name in ("loss_d", "loss_g", "real_class_acc", "margin"):
        if some := of(last, name):
            numbers[f"training.{name}"] = float(np.mean([line[name] for line in some]))
    return numbers, (lines, kept(context.run_dir / "samples", seen))


def of(lines: Log, key: str) -> Log:
    """The lines that have this number: of each step's means and of evaluations, by whatever version of the program."""
    return [line for line in lines if type(line.get(key)) in (int, float)]


def kept(folder: Path, seen: int) -> Kept:
    """At most PICTURES of the pictures in a run's samples/, evenly, up to so many images seen."""
    found = sorted((int(path.stem), path) for path in folder.glob("*.png") if path.stem.isdecimal())
    found = [(nimg, path) for nimg, path in found if nimg <= seen]
    if not found:
        return []
    rows = np.unique(np.linspace(0, len(found) - 1, PICTURES).round().astype(int))
    return [found[row] for row in rows]


def answer(numbers: Numbers) -> str:
    return (
        f"In the last tenth of the log Loss_D is {numbers['training.loss_d']:.2f} and Loss_G "
        f"{numbers['training.loss_g']:.2f}. Neither says how good the slices are. D's class head is right on "
        f"{numbers['training.real_class_acc']:.0%} of real slices, a constant answer on "
        f"{numbers['training.largest_class']:.0%}."
    )


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    lines, pictures = findings
    log = of(lines, "loss_d")
    growth = [_growth(lines, log)] if any(of(lines, key) for key, _, _ in GROWTH) else []
    return [_curves(log), *growth, *([_history(pictures)] if pictures else [])]


def _curves(log: Log) -> ReportFigure:
    figure = plots.new_figure(11, 4.2)
    losses, classes = figure.subplots(1, 2)
    kimg = np.array([line["nimg"] for line in log]) / 1000
    for (key, name), drawn in zip(LINES, (style.look(True), style.look(False)), strict=True):
        losses.plot(kimg, [line[key] for line in log], color=drawn.colour, ls=drawn.line, lw=1.2, label=name)
    for key, name, drawn in (
        ("real_pred", "Real Pred", style.look(False)),
        ("real_class_acc", "Real Class Acc", style.look(True)),
    ):
        classes.plot(kimg, [line[key] for line in log], color=drawn.colour, ls=drawn.line, lw=1.2, label=name)
    classes.axhline(0.5, color=style.LIMIT, ls=":", lw=1, label="0.5: D is guessing real or generated")
    _mark_sizes(losses, log, "losses")
    _mark_sizes(classes, log, "what D says of real slices")
    losses.set_ylabel("loss")
    losses.legend(fontsize=8)
    classes.set(ylabel="share", ylim=(0, 1.02))
    classes.legend(fontsize=8, loc="lower right")
    return ReportFigure(
        "training",
        figure,
        "The training's curves",
        "Losses of two networks that work against each other do not fall as others do. What matters is that they stay "
        "finite and level. Real Pred is how sure D is that a real slice is real; at 0.5 it is guessing.",
        "the metrics of the other sections, which the losses do not stand for",
        private=False,
        alt="Two panels over the images seen: Loss_D and Loss_G, and how often D knows a real slice and its class. "
        "Vertical lines mark the beginning of each size.",
        shown=f"{len(log)} lines of log.jsonl.",
    )


def _growth(lines: Log, log: Log) -> ReportFigure:
    panels = [(key, title, level, some) for key, title, level in GROWTH if (some := of(lines, key))]
    figure = plots.new_figure(11, 3.6)
    drawn = style.look(False)
    for ax, (key, title, level, some) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        marker = "" if key == "margin" else drawn.marker  # evaluations are few
        ax.plot([x["nimg"] / 1000 for x in some], [x[key] for x in some], color=drawn.colour, marker=marker, lw=1.2)
        if level is not None:
            ax.axhline(level, color=style.LIMIT, ls=":", lw=1)
        _mark_sizes(ax, log, title)
    return ReportFigure(
        "growth",
        figure,
        "The growth steps",
        "Gray bands are the images in which a size fades in. A step disturbs all that is drawn here, and it has to be "
        "back before the next one. D's margin is how much higher its logits are of real slices than of generated ones. "
        "Where it stays near 0, D no longer tells them apart. KID and finest detail are of the validate part. Finest "
        "detail is the power of the last octave over that of real slices: below 1 the slices are blurred, above 1 they "
        "have grain.",
        "the same measures at the end of the size before",
        private=False,
        alt=f"Curves over the images seen: {', '.join(title for _, title, _, _ in panels)}. Gray bands mark where a "
        "size fades in.",
        shown=f"{len(log)} lines of log.jsonl, {len(of(lines, 'kid'))} evaluations on the validate part.",
    )


def _mark_sizes(ax: Axes, log: Log, title: str) -> None:
    """A line at the beginning of each size, a gray band while it fades in; the axis is of images."""
    kimg = np.array([line["nimg"] for line in log]) / 1000
    sizes = np.array([line["resolution"] for line in log])
    starts = [0, *(np.flatnonzero(np.diff(sizes)) + 1)]
    for first, end in itertools.pairwise([*starts, len(log)]):
        before = kimg[first - 1] if first else 0.0  # a line is of the images up to it
        ax.axvline(before, color="0.85", lw=1, zorder=-1)
        place = ax.get_xaxis_transform()
        ax.text(before, 1.0, f"{sizes[first]}px", transform=place, va="bottom", fontsize=7, color="0.35")
        faded = [x for x, line in zip(kimg[first:end], log[first:end], strict=True) if line["alpha"] < 1]
        if faded:
            ax.axvspan(before, faded[-1], color="0.93", zorder=-2)
    ax.set_xlabel("thousand images seen")
    ax.set_title(title, pad=14)


def _history(pictures: Kept) -> ReportFigure:
    columns = min(4, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = plots.new_figure(11, 1.6 * rows + 0.2)
    figure.set_layout_engine("compressed")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (nimg, path) in zip(axes, pictures, strict=False):
        with Image.open(path) as picture:
            ax.imshow(np.asarray(picture.convert("L")), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set_title(f"{nimg / 1000:,.0f} thousand images", fontsize=8)
    return ReportFigure(
        "history",
        figure,
        "What the generator drew on the way",
        "These are the pictures that the training kept, all of the same seeds. Look for where slices stop changing, "
        "and for a size at which a fault begins.",
        "the real slices on top of this page",
        private=False,
        alt="Grids of generated slices from the first images of the training to the last, coarse at first.",
        shown=f"{len(pictures)} of the pictures in the run's samples folder.",
    )
