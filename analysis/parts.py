"""The parts of a report: a Context -> flat numbers and pictures.

Every number stands beside its floor, ceiling or control. A part that cannot be had raises ValueError: its line is kept,
the other parts go on. Letters: M images, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import classification, distances, memorisation, page, persons, pixels, plots
from analysis.context import Context, NotHereError
from analysis.inception import load_inception
from analysis.judge import train_judge
from analysis.memorisation import Nearest
from analysis.persons import count_persons, of_many_persons
from analysis.plots import ReportFigure
from analysis.slices import SliceSet
from analysis.sources import SOURCES, FeatureTable, in_batches

GRID_COLUMNS = 10
PLANTED_SLICES = 100
FEWEST_IN_HALF = 10  # persons in half of a set; below, an interval would be noise
Numbers = dict[str, Any]
Result = tuple[Numbers, list[ReportFigure]]


def grid(context: Context) -> Result:
    """Real slices beside generated ones."""
    reals, fakes = context.held_out if len(context.held_out) else context.train, context.fakes
    part = context.held_out_split or "train"
    rows, names = [], []
    for label, name in enumerate(context.class_names):
        pool = np.flatnonzero(reals.labels == label)
        chosen = pool[of_many_persons(reals.subjects[pool], 2 * GRID_COLUMNS, seed=1)]
        made = np.flatnonzero(fakes.labels == label)[: 2 * GRID_COLUMNS]
        for title, images in ((f"{name} real", reals.images[chosen]), (f"{name} generated", fakes.images[made])):
            for start in range(0, len(images), GRID_COLUMNS):
                rows.append(images[start : start + GRID_COLUMNS])
                names.append(title if start == 0 else "")
    figure = plots.new_figure(GRID_COLUMNS + 1.2, len(rows) + 0.9)
    title = f"real ({part}, drawn at random) and generated (first seeds)"
    plots.image_rows(figure.add_subplot(), rows, names, title)
    both = ReportFigure(
        "real_vs_fake",
        figure,
        "Real and generated slices",
        "Nothing is picked by hand: reals are drawn at random, generated slices are the first seeds; a column has "
        "the same seed in every class.",
        "the real rows",
        private=True,
    )
    return {}, [both, _generated_picture(context)]


def _generated_picture(context: Context) -> ReportFigure:
    """Without reals, for a page that leaves the lab: all that a reader there can see."""
    fakes = context.fakes
    made = [fakes.images[fakes.labels == label][:GRID_COLUMNS] for label in range(len(context.class_names))]
    figure = plots.new_figure(GRID_COLUMNS + 1.2, len(made) + 0.9)
    plots.image_rows(figure.add_subplot(), made, context.class_names, "generated (first seeds)")
    return ReportFigure(
        "generated",
        figure,
        "Generated slices",
        "The first seeds of each class; a column has the same seed in every class.",
        "copies.share: whether slices are somebody's is counted below, not seen here",
        private=False,
    )


PRDC = ("precision", "recall", "density", "coverage")


def similarity(context: Context) -> Result:
    """Fidelity and diversity per class: FID, KID, precision, recall, density, coverage, MS-SSIM, pixels."""
    context.need_held_out()
    numbers: Numbers = {"extractor.name": context.judge.name, "extractor.hash": context.judge.hash}
    curves: dict[str, dict[str, SliceSet]] = {}
    for label, name in enumerate(context.class_names):
        unseen = context.held_out.take(context.held_out.labels == label)
        sets = _same_size(context, label)
        numbers |= _distances(context, name, unseen, sets)
        numbers |= _pixels(name, unseen, sets)
        curves[name] = {"unseen reals": unseen, "training reals": sets[".floor"], "generated": sets[""]}
    return numbers, [_similarity_picture(context, numbers), _pixel_picture(curves)]


def _same_size(context: Context, label: int) -> dict[str, SliceSet]:
    """Generated, training and untrained slices of a class: as many of each, and as many persons if fakes have any."""
    fakes, train = context.fakes, context.train
    made, real = np.flatnonzero(fakes.labels == label), np.flatnonzero(train.labels == label)
    people = count_persons(fakes.subjects[made])
    if people is not None:
        some = np.random.default_rng(0).permutation(np.unique(train.subjects[real]))[:people]
        real = real[np.isin(train.subjects[real], some)]
    real = real[of_many_persons(train.subjects[real], len(made), seed=0)]
    sets = {"": fakes.take(made[: len(real)]), ".floor": train.take(real)}
    if context.untrained is not None:
        rows = np.flatnonzero(context.untrained.labels == label)[: len(real)]
        sets[".untrained"] = context.untrained.take(rows)
    return sets


def _distances(context: Context, name: str, unseen: SliceSet, sets: dict[str, SliceSet]) -> Numbers:
    """Numbers in the judge's features: of generated slices and of the floor with intervals, of untrained noise."""
    x = SOURCES["judge"](context.judge, unseen)
    tables = {suffix: SOURCES["judge"](context.judge, slices) for suffix, slices in sets.items()}
    count = min(persons.independent(table.subjects) for table in (x, *tables.values()))
    numbers: Numbers = {
        f"n.{name}": len(sets[""]),
        f"n.{name}.unseen": len(unseen),
        f"n.{name}.unseen.persons": count_persons(unseen.subjects),
        f"n.{name}.neighbours": count,
        f"coverage.{name}.expected": distances.coverage_expected(count, count),
        f"density.{name}.expected": 1.0,
    }
    for suffix, y in tables.items():
        values = {
            "fid": distances.fid(x.features, y.features),
            "kid": distances.kid(x.features, y.features, x.subjects, y.subjects),
            **distances.prdc_of_persons(x.features, y.features, x.subjects, y.subjects, count),
        }
        numbers |= {f"{key}.{name}{suffix}": value for key, value in values.items()}
        if suffix != ".untrained":
            for key, (low, high) in _intervals(x, y, values).items():
                numbers |= {f"{key}.{name}{suffix}.low": low, f"{key}.{name}{suffix}.high": high}
    return numbers


def _intervals(x: FeatureTable, y: FeatureTable, whole: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Of all numbers at once, over half-samples of persons."""

    def statistic(rows: NDArray[np.int64], others: NDArray[np.int64]) -> dict[str, float]:
        a, b = x.take(rows), y.take(others)
        count = min(persons.independent(a.subjects), persons.independent(b.subjects))
        return {
            "fid": distances.fid(a.features, b.features),
            "kid": distances.kid(a.features, b.features, a.subjects, b.subjects),
            **distances.prdc_of_persons(a.features, b.features, a.subjects, b.subjects, count, draws=3),
        }

    half = min(persons.independent(x.subjects), persons.independent(y.subjects)) // 2
    if half < FEWEST_IN_HALF:
        return {}
    found = persons.half_sample_intervals(statistic, x.subjects, y.subjects, whole)
    tops = {"fid": np.inf, "precision": 1.0, "recall": 1.0, "coverage": 1.0}  # and not below 0
    bounded = {key: (max(0.0, found[key][0]), min(top, found[key][1])) for key, top in tops.items()}
    return found | bounded


def _pixels(name: str, unseen: SliceSet, sets: dict[str, SliceSet]) -> Numbers:
    """Variety, intensities and frequencies, from the pixels."""
    numbers: Numbers = {f"ms_ssim.{name}.real": pixels.ms_ssim(unseen.images, unseen.subjects)}
    levels, power = pixels.histogram(unseen.images), pixels.radial_spectrum(unseen.images)
    for suffix in ("", ".floor"):
        slices = sets[suffix]
        rings = pixels.radial_spectrum(slices.images)
        numbers |= {
            f"ms_ssim.{name}{suffix}": pixels.ms_ssim(slices.images, slices.subjects),
            f"histogram.{name}{suffix}": pixels.histogram_distance(levels, pixels.histogram(slices.images)),
            f"spectrum.{name}{suffix}": pixels.spectrum_distance(power, rings),
            f"spectrum.{name}.finest{suffix}": float(rings[-1] / power[-1]),
        }
    return numbers


def _with_interval(numbers: Numbers, key: str) -> tuple[float, ...]:
    """The number; behind it the ends of its interval, where it has one."""
    return tuple(numbers[k] for k in (key, f"{key}.low", f"{key}.high") if k in numbers)


def _similarity_picture(context: Context, numbers: Numbers) -> ReportFigure:
    figure = plots.new_figure(11, 6.4)
    names = context.class_names
    for place, (key, title) in enumerate((("fid", "FID"), ("kid", "KID"), *((key, key) for key in PRDC)), start=1):
        ax = plots.beside_floor(
            figure.add_subplot(2, 3, place),
            names,
            [_with_interval(numbers, f"{key}.{name}") for name in names],
            [_with_interval(numbers, f"{key}.{name}.floor") for name in names],
            title,
            numbers.get(f"{key}.{names[0]}.expected"),
        )
        if place == 1:
            ax.legend(fontsize=8)
    return ReportFigure(
        "similarity",
        figure,
        "How near generated slices are to unseen persons, class by class",
        "FID and KID are distances: low is near. Precision: generated slices that could be real; recall: real ones "
        "that could be generated; density and coverage: the same, less moved by outliers. Whiskers: the middle 95 % "
        "over half-samples of persons. In the features of " + f"{context.judge.name} ({context.judge.hash}).",
        "the gray bars: training reals in the generated slices' place, at the same n, with their own 95 %",
        private=False,
    )


def _pixel_picture(curves: dict[str, dict[str, SliceSet]]) -> ReportFigure:
    figure = plots.new_figure(11, 3.6 * len(curves))
    for row, (name, sets) in enumerate(curves.items()):
        levels = [(which, pixels.histogram(slices.images)) for which, slices in sets.items()]
        power = [(which, pixels.radial_spectrum(slices.images)) for which, slices in sets.items()]
        left, right = (figure.add_subplot(len(curves), 2, 2 * row + column) for column in (1, 2))
        plots.curves(left, np.arange(256), levels, f"{name}: intensities", ("gray level", "share of pixels"))
        left.set_yscale("log")
        unseen = power[0][1]
        ratios = [(which, (rings + 1e-12) / (unseen + 1e-12)) for which, rings in power]
        words = ("cycles per image", "power over the unseen reals'")
        plots.curves(right, np.arange(1, len(unseen) + 1), ratios, f"{name}: power spectrum", words)
        right.set_yscale("log")
    return ReportFigure(
        "pixels",
        figure,
        "Intensities and spatial frequencies",
        "A curve of generated slices that falls below at the right misses fine detail; one that rises at the right end "
        "has a checkerboard or grain that real slices do not have.",
        "the training reals' curve: how far two real samples differ",
        private=False,
    )


def inception(context: Context) -> Result:
    """FID and KID on InceptionV3, from a local file of weights."""
    if context.options.inception is None:
        raise NotHereError(
            "InceptionV3 has no weights here (--inception FILE); FID and KID are on the judge's features only"
        )
    context.need_held_out()
    model = load_inception(context.options.inception, context.options.device)
    numbers: Numbers = {"inception.name": model.name, "inception.hash": model.hash}
    for label, name in enumerate(context.class_names):
        x = SOURCES["inception"](model, context.held_out.take(context.held_out.labels == label))
        for suffix, slices in _same_size(context, label).items():
            if suffix != ".untrained":
                y = SOURCES["inception"](model, slices)
                numbers[f"inception.fid.{name}{suffix}"] = distances.fid(x.features, y.features)
                numbers[f"inception.kid.{name}{suffix}"] = distances.kid(x.features, y.features, x.subjects, y.subjects)
    return numbers, []


def fidelity(context: Context) -> Result:
    """Are generated slices of the class they were asked for, and is what they show enough to learn from (TSTR)?"""
    context.need_held_out()
    if len(context.class_names) < 2:
        raise NotHereError("one class: there is nothing to tell apart")
    unseen, fakes, judge, seed = context.held_out, context.fakes, context.judge, context.options.seed
    real, made = judge.probabilities(unseen.images), judge.probabilities(fakes.images)
    numbers = _as_classifier("fidelity", unseen, real, fakes, made, seed)
    # Clearer cases than real persons are: the generator draws types, not the group.
    numbers["fidelity.over_typical"] = numbers["fidelity.auc"] > numbers["fidelity.ceiling"]
    student = train_judge(
        fakes.images,
        fakes.labels,
        context.class_names,
        seed=seed,
        device=context.options.device,
        progress=context.options.progress,
    )
    answers = student.probabilities(unseen.images)
    low, high = classification.auc_interval(unseen.labels, answers, unseen.subjects, seed)
    numbers |= {
        "tstr.auc": classification.auc(unseen.labels, answers),
        "tstr.low": low,
        "tstr.high": high,
        "tstr.accuracy": classification.accuracy(unseen.labels, answers),
        "tstr.shuffled": classification.shuffled_auc(unseen.labels, answers, seed)[0],
        "tstr.slices": len(fakes),
        "trtr.auc": numbers["fidelity.ceiling"],
        "trtr.slices": len(context.train),
    }
    return numbers, [_classifier_picture(context, numbers, unseen, real, fakes, made)]


def _as_classifier(
    key: str, unseen: SliceSet, real: NDArray[Any], fakes: SliceSet, made: NDArray[Any], seed: int
) -> Numbers:
    """A classifier's answers on unseen reals (the ceiling) and on generated slices, with shuffled labels."""
    shuffled, luckiest = classification.shuffled_auc(fakes.labels, made, seed)
    low, high = classification.auc_interval(unseen.labels, real, unseen.subjects, seed)
    lowest, highest = classification.auc_interval(fakes.labels, made, fakes.subjects, seed)
    return {
        f"{key}.ceiling": classification.auc(unseen.labels, real),
        f"{key}.ceiling.low": low,
        f"{key}.ceiling.high": high,
        f"{key}.ceiling.accuracy": classification.accuracy(unseen.labels, real),
        f"{key}.ceiling.calibration": classification.calibration_error(unseen.labels, real),
        f"{key}.auc": classification.auc(fakes.labels, made),
        f"{key}.low": lowest,
        f"{key}.high": highest,
        f"{key}.accuracy": classification.accuracy(fakes.labels, made),
        f"{key}.calibration": classification.calibration_error(fakes.labels, made),
        f"{key}.shuffled": shuffled,
        f"{key}.shuffled.high": luckiest,
    }


def _classifier_picture(
    context: Context, numbers: Numbers, unseen: SliceSet, real: NDArray[Any], fakes: SliceSet, made: NDArray[Any]
) -> ReportFigure:
    figure = plots.new_figure(11, 4.4)
    last = context.class_names[-1]
    groups = [
        (f"{name} {which}", answers[slices.labels == label, -1])
        for label, name in enumerate(context.class_names)
        for which, slices, answers in (("unseen", unseen, real), ("generated", fakes, made))
    ]
    plots.histograms(figure.add_subplot(1, 2, 1), groups, "the judge's answers", f"probability of {last}")
    sets = [
        (which, answers.max(axis=1), answers.argmax(axis=1) == slices.labels)
        for which, slices, answers in (("unseen reals", unseen, real), ("generated", fakes, made))
    ]
    plots.reliability(figure.add_subplot(1, 2, 2), sets, "is a confident judge right?")
    verdict = page.verdict(numbers)
    return ReportFigure(
        "fidelity",
        figure,
        "Does a slice show the class it was asked for?",
        f"{verdict} The judge was trained on real training slices only, at this size. Generated slices are right in "
        f"{numbers['fidelity.accuracy']:.0%}, AUC {numbers['fidelity.auc']:.3f}. A judge trained on generated slices "
        f"alone reaches {numbers['tstr.auc']:.3f} on unseen reals (TSTR).",
        f"the ceiling on unseen reals, AUC {numbers['fidelity.ceiling']:.3f} "
        f"({numbers['fidelity.ceiling.low']:.3f} to {numbers['fidelity.ceiling.high']:.3f} over persons); shuffled "
        f"labels {numbers['fidelity.shuffled']:.3f}",
        private=False,
    )


def discriminator(context: Context) -> Result:
    """D's class head, trained on real training slices, on unseen ones and on generated ones."""
    context.need_held_out()
    D, unseen, fakes = context.discriminator, context.held_out, context.fakes
    if D is None or len(context.class_names) < 2:
        raise NotHereError("a discriminator and two classes or more are needed")

    def answers(slices: SliceSet) -> NDArray[np.float32]:
        return torch.from_numpy(in_batches(D, D.classify, slices.images)).softmax(dim=1).numpy()

    probabilities, made = answers(unseen), answers(fakes)
    counts = classification.confusion(unseen.labels, probabilities)
    numbers: Numbers = {
        "discriminator.accuracy": classification.accuracy(unseen.labels, probabilities),
        "discriminator.auc": classification.auc(unseen.labels, probabilities),
        "discriminator.shuffled": classification.shuffled_auc(unseen.labels, probabilities)[0],
        "discriminator.majority": float(np.bincount(unseen.labels).max() / len(unseen)),
        "discriminator.confusion": counts.tolist(),
        **_as_classifier("discriminator.fidelity", unseen, probabilities, fakes, made, context.options.seed),
    }
    figure = plots.new_figure(5.2, 5)
    plots.confusion_matrix(
        figure.add_subplot(),
        counts,
        unseen.class_names,
        f"D's class head, unseen reals ({context.held_out_split})\naccuracy {numbers['discriminator.accuracy']:.3f}, "
        f"AUC {numbers['discriminator.auc']:.3f}, largest class {numbers['discriminator.majority']:.3f}",
    )
    return numbers, [
        ReportFigure(
            "confusion",
            figure,
            "The discriminator as a classifier",
            "A linear head on D's features, trained on real training slices only.",
            f"the largest class alone, {numbers['discriminator.majority']:.3f}; shuffled labels, AUC "
            f"{numbers['discriminator.shuffled']:.3f}",
            private=False,
        )
    ]


def copies(context: Context) -> Result:
    """Memorisation: is a generated slice nearer to a training slice than unseen persons are?"""
    context.need_held_out()
    numbers: Numbers = {}
    spaces: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.float32]]] = {
        "": memorisation.aligned_pixels,
        ".features": context.judge.features,
    }
    found: dict[str, tuple[Nearest, Nearest, float]] = {}
    rows = np.random.default_rng(context.options.seed).permutation(len(context.train))[:PLANTED_SLICES]
    owners, people = context.train.subjects, context.held_out.subjects
    for suffix, space in spaces.items():
        training = space(context.train.images)
        unseen = memorisation.nearest(space(context.held_out.images), training, owners)
        fakes = memorisation.nearest(space(context.fakes.images), training, owners)
        share, threshold = memorisation.share_of_copies(fakes.distances, unseen.distances)
        relative, least = memorisation.share_of_copies(fakes.relative, unseen.relative)
        found[suffix] = (fakes, unseen, threshold)
        numbers |= {
            f"copies{suffix}.share": share,
            f"copies{suffix}.floor": memorisation.measured_floor(unseen.distances, people),
            f"copies{suffix}.threshold": threshold,
            f"copies{suffix}.median": float(np.median(fakes.distances)),
            f"copies{suffix}.median.unseen": float(np.median(unseen.distances)),
            f"copies{suffix}.relative.share": relative,
            f"copies{suffix}.relative.floor": memorisation.measured_floor(unseen.relative, people),
        }
        for name, plant in memorisation.PLANTED.items():
            planted = memorisation.nearest(space(plant(context.train.images[rows])), training, owners)
            numbers[f"copies{suffix}.found.{name}"] = float((planted.distances < threshold).mean())
            numbers[f"copies{suffix}.relative.found.{name}"] = float((planted.relative < least).mean())
    numbers["copies.found"] = min(numbers[f"copies.found.{name}"] for name in memorisation.PLANTED)
    pictures = [_distance_picture(numbers, found), _closest_picture(context, found)]
    if not (context.train.subjects == "").any():
        fakes, unseen, _ = found[""]
        counts = [_per_person(context.train.subjects, one.rows) for one in (fakes, unseen)]
        numbers["copies.most_per_person"], numbers["copies.most_per_person.unseen"] = (
            float(count.max() / count.sum()) for count in counts
        )
        pictures.append(_persons_picture(counts))
    return numbers, pictures


def _per_person(subjects: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often a slice of each training person is the nearest, most often first."""
    names, index = np.unique(subjects.astype(str), return_inverse=True)
    return np.sort(np.bincount(index[rows], minlength=len(names)))[::-1]


def _distance_picture(numbers: Numbers, found: dict[str, tuple[Nearest, Nearest, float]]) -> ReportFigure:
    figure = plots.new_figure(11, 4.2)
    for place, (suffix, title) in enumerate((("", "aligned pixels"), (".features", "the judge's features")), start=1):
        fakes, unseen, threshold = found[suffix]
        sets = [("generated", fakes.distances), ("unseen persons", unseen.distances)]
        line = ("1st percentile of unseen", threshold)
        plots.histograms(figure.add_subplot(1, 2, place), sets, title, "distance to the nearest training slice", line)
    return ReportFigure(
        "copies",
        figure,
        "Distance to the nearest training slice",
        f"Left of the dashed line lie {numbers['copies.share']:.1%} of the generated slices in aligned pixels and "
        f"{numbers['copies.features.share']:.1%} in the judge's features. Smooth or typical slices lie near to "
        "everybody: asked how much nearer one person is than the others, "
        f"{numbers['copies.relative.share']:.1%} are nearer to one than unseen persons are (floor "
        f"{numbers['copies.relative.floor']:.1%}). A share at the floor does not exclude single copies: look at the "
        "closest pairs.",
        f"the floor, {numbers['copies.floor']:.1%} of unseen persons; planted copies found: at least "
        f"{numbers['copies.found']:.0%} of each kind in aligned pixels",
        private=False,
    )


def _closest_picture(context: Context, found: dict[str, tuple[Nearest, Nearest, float]]) -> ReportFigure:
    figure = plots.new_figure(GRID_COLUMNS + 1.2, 5.4)
    rows, names = [], []
    for suffix, title in (("", "pixels"), (".features", "features")):
        fakes = found[suffix][0]
        order = np.argsort(fakes.distances, kind="stable")[:GRID_COLUMNS]
        rows += [context.fakes.images[order], context.train.images[fakes.rows[order]]]
        names += [f"generated\n({title})", "its nearest\ntraining slice"]
    plots.image_rows(figure.add_subplot(), rows, names, "the closest pairs, nearest first")
    return ReportFigure(
        "closest_pairs",
        figure,
        "The closest pairs",
        "Look for the same folds and the same ventricle wall, not for the same outline.",
        "the distances above",
        private=True,
    )


def _persons_picture(counts: list[NDArray[np.int64]]) -> ReportFigure:
    figure = plots.new_figure(7, 3.6)
    lines = [(name, count / count.sum()) for name, count in zip(("generated", "unseen persons"), counts, strict=True)]
    axes = plots.curves(
        figure.add_subplot(),
        np.arange(1, len(counts[0]) + 1),
        lines,
        "how often each training person is the nearest",
        ("training persons, most often first", "share of slices"),
    )
    axes.set_xscale("log")
    return ReportFigure(
        "copies_per_person",
        figure,
        "Training persons that many generated slices resemble",
        "A curve that starts far above the other means that few persons dominate what is generated.",
        "unseen persons: some heads are near to many others by nature",
        private=False,
    )
