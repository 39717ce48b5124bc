"""The parts of a report: a Context -> flat numbers and pictures.

Every number stands beside its floor, ceiling or control. A part that cannot be had raises ValueError: its line is kept,
the other parts go on. Letters: M images, F features, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from analysis import metrics, plots
from analysis.context import Context, generated, spread
from analysis.embedding import MIN_DIST, MOST_POINTS, NEIGHBOURS, umap_embed
from analysis.features import SOURCES, Slices, in_batches, train_judge
from analysis.plots import Picture
from progan_style import untrained_like

GRID_COLUMNS = 10
SMALLEST_RULED = 32  # pixels; below, the ventricles are a pixel wide
Numbers = dict[str, Any]
Result = tuple[Numbers, list[Picture]]


def grid(context: Context) -> Result:
    """Real slices beside generated ones."""
    reals, fakes = context.unseen if len(context.unseen) else context.train, context.fakes
    part = context.unseen_part or "train"
    rows, names = [], []
    for label, name in enumerate(context.class_names):
        pool = np.flatnonzero(reals.labels == label)
        chosen = pool[spread(reals.subjects[pool], 2 * GRID_COLUMNS, seed=1)]
        made = np.flatnonzero(fakes.labels == label)[: 2 * GRID_COLUMNS]
        for title, images in ((f"{name} real", reals.images[chosen]), (f"{name} generated", fakes.images[made])):
            for start in range(0, len(images), GRID_COLUMNS):
                rows.append(images[start : start + GRID_COLUMNS])
                names.append(title if start == 0 else "")
    figure = plots.new_figure(GRID_COLUMNS + 1.2, len(rows) + 0.9)
    plots.image_rows(
        figure.add_subplot(), rows, names, f"real ({part} part, drawn at random) and generated (first seeds)"
    )
    return {}, [
        Picture(
            "real_vs_fake",
            figure,
            "Real and generated slices",
            "Nothing is picked by hand: reals are drawn at random, generated slices are the first seeds; a column has "
            "the same seed in every class.",
            "the real rows",
            private=True,
        )
    ]


def similarity(context: Context) -> Result:
    """KID and coverage of unseen reals by generated slices, beside training reals (floor) and untrained noise."""
    context.need_unseen()
    numbers: Numbers = {"extractor.name": context.judge.name, "extractor.hash": context.judge.hash}
    reals = context.table("judge", "unseen")
    for label, name in enumerate(context.class_names):
        x = reals.take(reals.labels == label)
        for suffix, slices in _same_size(context, label).items():
            y = SOURCES["judge"](context.judge, slices)
            count = min(metrics.independent(x.subjects), metrics.independent(y.subjects))
            numbers[f"n.{name}"] = len(slices)
            numbers[f"n.{name}.coverage"] = count
            numbers[f"n.{name}.unseen"] = len(x)
            numbers[f"kid.{name}{suffix}"] = metrics.kid(x.features, y.features, x.subjects, y.subjects)
            numbers[f"coverage.{name}{suffix}"] = metrics.coverage_of_persons(
                x.features, y.features, x.subjects, y.subjects, count
            )
    return numbers, []


def _same_size(context: Context, label: int) -> dict[str, Slices]:
    """Generated, training and untrained slices of a class, as many of each."""
    fakes, train = context.fakes, context.train
    made, real = np.flatnonzero(fakes.labels == label), np.flatnonzero(train.labels == label)
    real = real[spread(train.subjects[real], len(made), seed=0)]
    sets = {"": fakes.take(made[: len(real)]), ".floor": train.take(real)}
    if context.generator is not None:
        untrained = generated(untrained_like(context.generator), len(real), 0)
        sets[".untrained"] = untrained.take(untrained.labels == label)
    return sets


def fidelity(context: Context) -> Result:
    """Are generated slices of the class they were asked for, and is what they show enough to learn from (TSTR)?"""
    context.need_unseen()
    if len(context.class_names) < 2:
        raise ValueError("one class: there is nothing to tell apart")
    unseen, fakes, judge, seed = context.unseen, context.fakes, context.judge, context.seed
    real, made = judge.probabilities(unseen.images), judge.probabilities(fakes.images)
    shuffled, luckiest = metrics.shuffled_auc(fakes.labels, made, seed)
    ceiling, value = metrics.auc(unseen.labels, real), metrics.auc(fakes.labels, made)
    numbers: Numbers = {
        "fidelity.ceiling": ceiling,
        "fidelity.ceiling.accuracy": metrics.accuracy(unseen.labels, real),
        "fidelity.auc": value,
        "fidelity.accuracy": metrics.accuracy(fakes.labels, made),
        "fidelity.shuffled": shuffled,
        "fidelity.shuffled.high": luckiest,
        # Clearer cases than real persons are: the generator draws types, not the group.
        "fidelity.over_typical": value > ceiling,
    }
    if not (unseen.subjects == "").any():
        low, high = metrics.auc_interval(unseen.labels, real, unseen.subjects, seed)
        numbers |= {"fidelity.ceiling.low": low, "fidelity.ceiling.high": high}
    student = train_judge(
        fakes.images, fakes.labels, context.class_names, seed=seed, device=context.device, progress=context.progress
    )
    answers = student.probabilities(unseen.images)
    numbers |= {
        "tstr.auc": metrics.auc(unseen.labels, answers),
        "tstr.accuracy": metrics.accuracy(unseen.labels, answers),
        "tstr.shuffled": metrics.shuffled_auc(unseen.labels, answers, seed)[0],
        "tstr.slices": len(fakes),
        "trtr.auc": ceiling,
        "trtr.slices": len(context.train),
    }
    return numbers, []


def discriminator(context: Context) -> Result:
    """D's class head, trained on real training slices, on unseen ones."""
    context.need_unseen()
    D, unseen = context.discriminator, context.unseen
    if D is None or len(context.class_names) < 2:
        raise ValueError("a discriminator and two classes or more are needed")
    probabilities = torch.from_numpy(in_batches(D, D.classify, unseen.images)).softmax(dim=1).numpy()
    counts = metrics.confusion(unseen.labels, probabilities)
    numbers: Numbers = {
        "discriminator.accuracy": metrics.accuracy(unseen.labels, probabilities),
        "discriminator.auc": metrics.auc(unseen.labels, probabilities),
        "discriminator.shuffled": metrics.shuffled_auc(unseen.labels, probabilities)[0],
        "discriminator.majority": float(np.bincount(unseen.labels).max() / len(unseen)),
        "discriminator.confusion": counts.tolist(),
    }
    figure = plots.new_figure(5.2, 5)
    plots.confusion_matrix(
        figure.add_subplot(),
        counts,
        unseen.class_names,
        f"D's class head, real {context.unseen_part} slices\naccuracy {numbers['discriminator.accuracy']:.3f}, "
        f"AUC {numbers['discriminator.auc']:.3f}, largest class {numbers['discriminator.majority']:.3f}",
    )
    return numbers, [
        Picture(
            "confusion",
            figure,
            "The discriminator as a classifier",
            "A linear head on D's features, trained on real training slices only.",
            f"the largest class alone, {numbers['discriminator.majority']:.3f}; shuffled labels, AUC "
            f"{numbers['discriminator.shuffled']:.3f}",
            private=False,
        )
    ]


def ruler(context: Context) -> Result:
    """Do generated AD slices have larger ventricles by as much as real ones? The ruler is validated first."""
    data, unseen, fakes = context.data, context.unseen, context.fakes
    if data is None or "ventricle_ratio" not in data.unseen[1].columns or not {"AD", "CN"} <= set(context.class_names):
        raise ValueError("the ruler needs phantoms of CN and AD, whose ventricles are known")
    if context.resolution < SMALLEST_RULED:
        raise ValueError(f"the ventricles are too small to measure at {context.resolution}x{context.resolution}")
    from scipy.stats import spearmanr

    from analysis.ruler import ventricle_ratio

    low, high = context.class_names.index("CN"), context.class_names.index("AD")
    real, made = ventricle_ratio(unseen.images), ventricle_ratio(fakes.images)
    difference = metrics.median_difference(real, unseen.labels, low, high)
    rng = np.random.default_rng(context.seed)
    shuffled = [metrics.median_difference(made, rng.permutation(fakes.labels), low, high) for _ in range(100)]
    truth = data.unseen[1].columns["ventricle_ratio"].astype(float)
    numbers: Numbers = {"ruler.spearman": float(spearmanr(real, truth).statistic)}
    for name, label in (("CN", low), ("AD", high)):
        numbers[f"ruler.{name}"] = float(np.median(made[fakes.labels == label]))
        numbers[f"ruler.{name}.real"] = float(np.median(real[unseen.labels == label]))
    numbers["atrophy.ratio"] = metrics.median_difference(made, fakes.labels, low, high) / difference
    numbers["atrophy.shuffled"] = float(np.mean(shuffled) / difference)
    return numbers, []


def umap(context: Context) -> Result:
    """UMAPs of generated and real slices."""
    pictures = []
    if context.generator is not None:
        pictures.append(_umap_generator(context))
    return {}, pictures


def _umap_generator(context: Context) -> Picture:
    """Features that were made from the label, beside the judge's of the same slices."""
    fakes = context.fakes
    per_label = MOST_POINTS // len(fakes.class_names)
    rows = np.concatenate([np.flatnonzero(fakes.labels == k)[:per_label] for k in set(fakes.labels)])
    figure = plots.new_figure(11, 5.8)
    panels = (
        ("generator", "generator's last feature map (8x8 grid, PCA 50)"),
        ("judge", "the independent judge's features of the same slices"),
    )
    for place, (source, title) in enumerate(panels, start=1):
        table = context.table(source, "fakes").take(rows)
        points = umap_embed(table.features, context.seed)
        plots.scatter(figure.add_subplot(1, 2, place), points, table.labels, table.class_names, f"UMAP: {title}")
    return Picture(
        "umap_generator",
        figure,
        "The generator's own features",
        "Left: these features are made from the label, so classes apart here cannot prove class fidelity. Right: "
        f"computed from the image alone. {_umap_settings(context.seed)}",
        "fidelity.auc and fidelity.shuffled",
        private=False,
    )


def _umap_settings(seed: int) -> str:
    return f"UMAP of the first 50 principal components, {NEIGHBOURS} neighbours, min_dist {MIN_DIST}, seed {seed}"
