"""One finished stage -> figures and metrics.json in the run's folder; and the numbers that a training logs.

Every number stands beside its floor, ceiling or control. Letters: M images, F features, K classes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import metrics, plots
from analysis.embedding import MIN_DIST, MOST_POINTS, NEIGHBOURS, umap_embed
from analysis.features import (
    SOURCES,
    FeatureTable,
    Judge,
    Slices,
    generated_slices,
    in_batches,
    join,
    real_slices,
    train_judge,
)
from progan_style import (
    Data,
    Dataset,
    Growing,
    Phase,
    generate,
    load_discriminator,
    load_generator,
    stage_dir,
    untrained_like,
)

FIRST_EVALUATION_SEED = 2**31  # other latents than the report's, which choose no checkpoint
GRID_COLUMNS = 10
SMALLEST_RULED = 32  # pixels; below, the ventricles are a pixel wide
Say = Callable[[str], None]


def _quiet(line: str) -> None:
    pass


# ------------------------------------------------------------------ slices


def _real(dataset: Dataset, resolution: int, subjects_known: bool) -> Slices:
    subjects = dataset.subjects if subjects_known else np.full(len(dataset), "", dtype=object)
    return real_slices(np.asarray(dataset.at(resolution)), dataset.labels, subjects, dataset.class_names)


def _generated(G: Growing, samples_per_label: int, first_seed: int, psi: float = 1.0) -> Slices:
    """The same seeds for each class."""
    class_names: tuple[str, ...] = tuple(G.class_names)
    labels = np.repeat(np.arange(len(class_names)), samples_per_label)
    seeds = np.tile(np.arange(first_seed, first_seed + samples_per_label), len(class_names))
    images = generate(G, torch.from_numpy(labels), torch.from_numpy(seeds), psi=psi)
    return generated_slices(images.cpu().numpy(), labels, seeds, class_names, psi)


def _persons(slices: Slices) -> int | None:
    """None if unknown."""
    return None if (slices.subjects == "").any() else len(set(slices.subjects))


def _spread(subjects: NDArray[Any], count: int, seed: int) -> NDArray[np.int64]:
    """Rows of at most `count` slices, of as many persons as possible."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(subjects))
    turn: dict[Any, int] = {}
    key = []
    for row in rows:
        turn[subjects[row]] = turn.get(subjects[row], -1) + 1
        key.append(turn[subjects[row]])
    return rows[np.argsort(key, kind="stable")][:count]


# ------------------------------------------------------------------ during training


def evaluator(
    data: Data,
    *,
    samples_per_label: int = 256,
    cache_dir: Path | str | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Callable[[Growing, Phase], dict[str, float]] | None:
    """A callable for Trainer.run: generator and phase -> numbers on the validate part; None if there is no such part.

    kid.<CLASS> and their mean `kid`; fidelity.auc and fidelity.accuracy for two classes and more. The judge of a
    size is trained when it is first asked for. Nothing here touches the test part or the global random state.
    """
    if not len(data.validate):
        return None
    judges: dict[int, Judge] = {}

    def evaluate(G: Growing, phase: Phase) -> dict[str, float]:
        resolution = phase.resolution
        if resolution not in judges:
            judges.clear()  # a training never returns to a smaller size
            judges[resolution] = _judge(data, resolution, seed, device, cache_dir, progress=False)
        judge = judges[resolution]
        made = _generated(G, samples_per_label, FIRST_EVALUATION_SEED)
        reals = SOURCES["judge"](judge, _real(data.validate, resolution, data.subjects_known))
        fakes = SOURCES["judge"](judge, made)
        numbers = {f"kid.{name}": _kid(reals, fakes, label) for label, name in enumerate(data.class_names)}
        numbers["kid"] = float(np.mean(list(numbers.values())))
        if len(data.class_names) > 1:
            probabilities = judge.probabilities(made.images)
            numbers["fidelity.auc"] = metrics.auc(made.labels, probabilities)
            numbers["fidelity.accuracy"] = metrics.accuracy(made.labels, probabilities)
        return numbers

    return evaluate


def _judge(
    data: Data, resolution: int, seed: int, device: str | torch.device, cache: Path | str | None, progress: bool
) -> Judge:
    return train_judge(
        np.asarray(data.train.at(resolution)),
        data.train.labels,
        data.class_names,
        seed=seed,
        device=device,
        cache=cache,
        progress=progress,
    )


def _kid(reals: FeatureTable, fakes: FeatureTable, label: int) -> float:
    x, y = reals.take(reals.labels == label), fakes.take(fakes.labels == label)
    return metrics.kid(x.features, y.features, x.subjects, y.subjects)


# ------------------------------------------------------------------ after training


@dataclass
class _Page:
    """What a report has gathered: numbers by flat name, pictures, and a line for each thing that was left out."""

    folder: Path
    settings: str
    say: Say
    numbers: dict[str, Any] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def part(self, name: str, what: str) -> Iterator[None]:
        """One part: announced, timed, and left out with a line where the data do not suffice for it."""
        self.say(what)
        start = time.monotonic()
        try:
            yield
        except ValueError as error:
            self.note(f"{name} left out: {error}")
        self.numbers[f"seconds.{name}"] = round(time.monotonic() - start, 1)

    def note(self, line: str) -> None:
        self.notes.append(line)
        self.say(line)

    def picture(self, name: str, figure: Any, caption: str = "") -> None:
        plots.write_settings(figure, self.settings, caption)
        figure.savefig(self.folder / name, dpi=130, metadata={"Description": f"{caption} {self.settings}".strip()})
        self.pictures.append(name)


def predict_report(
    run_dir: Path | str,
    data: Data,
    resolution: int,
    *,
    samples_per_label: int = 1000,
    cache_dir: Path | str | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
    say: Say = _quiet,
    progress: bool = False,
) -> dict[str, Any]:
    """Look at a finished stage, measure it, write run_dir/analysis-064/ (figures, metrics.json); returns the numbers.

    EMA weights, psi 1, images after the 8-bit round trip. Final numbers come from the test part, else the validate
    part, and say so; without either they are left out with a line. say is called with a line for each part.
    Raises ValueError if the classes of checkpoint and data differ or a label has fewer than two samples.
    """
    run_dir = Path(run_dir)
    G = load_generator(stage_dir(run_dir, resolution) / "generator.safetensors").to(device)
    D = load_discriminator(stage_dir(run_dir, resolution) / "discriminator.safetensors").to(device)
    class_names = tuple(data.class_names)
    if tuple(G.class_names) != class_names:
        raise ValueError(
            f"{run_dir}: the checkpoint was trained on classes {', '.join(G.class_names)}, "
            f"the data have {', '.join(class_names)}; see data.classes"
        )
    if samples_per_label < 2:
        raise ValueError(f"--samples-per-label: 2 or more expected, got {samples_per_label}")

    unseen_name, unseen_data = data.unseen
    folder = run_dir / f"analysis-{resolution:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    settings = (
        f"run {run_dir.name}, {resolution}x{resolution}, {G.nimg:,} images seen, EMA, psi 1, "
        f"{samples_per_label} generated per label (seeds 0..{samples_per_label - 1}), "
        f"reals: {unseen_name or 'train'} part"
    )
    page = _Page(folder, settings, say)
    page.numbers |= {
        "resolution": resolution,
        "nimg": int(G.nimg),
        "psi": 1.0,
        "samples_per_label": samples_per_label,
        "seed": seed,
        "class_names": list(class_names),
        "unseen.part": unseen_name,
        "persons.are": data.subjects_are,
    }

    say(f"generating {samples_per_label} slices per label")
    start = time.monotonic()
    fakes = _generated(G, samples_per_label, first_seed=0)
    page.numbers["seconds.generate"] = round(time.monotonic() - start, 1)
    train = _real(data.train, resolution, data.subjects_known)
    unseen = _real(unseen_data, resolution, data.subjects_known)
    for name, slices in (("train", train), ("unseen", unseen)):
        page.numbers[f"{name}.slices"] = len(slices)
        page.numbers[f"{name}.persons"] = _persons(slices)

    say("training the judge on the real training slices, or taking it from the cache")
    start = time.monotonic()
    judge = _judge(data, resolution, seed, device, cache_dir, progress)
    page.numbers["seconds.judge"] = round(time.monotonic() - start, 1)
    page.numbers |= {"extractor.name": judge.name, "extractor.hash": judge.hash}
    if len(unseen):
        with page.part("similarity", "KID and coverage"):
            _similarity(page, judge, train, unseen, fakes, _generated(untrained_like(G), samples_per_label, 0))
        if len(class_names) > 1:
            with page.part("fidelity", "label fidelity; a judge trained on generated slices only (TSTR)"):
                _fidelity(page, judge, unseen, fakes, seed, device, progress)
            with page.part("discriminator", "the discriminator as a classifier"):
                _discriminator(page, D, unseen)
        else:
            page.note("one class: no label fidelity, TSTR or confusion matrix")
        if "ventricle_ratio" in unseen_data.columns and {"AD", "CN"} <= set(class_names):
            with page.part("ruler", "ventricles, measured"):
                _ruler(page, unseen, fakes, unseen_data.columns["ventricle_ratio"].astype(float), seed)
    else:
        page.note("no test or validate part: numbers on unseen persons are left out")

    with page.part("grid", "real beside generated"):
        _grid(page, unseen if len(unseen) else train, fakes, unseen_name or "train")
    say("UMAP (its first import in an environment compiles for about a minute)")
    with page.part("umap_generator", "UMAP of the generator's last feature map"):
        _umap_generator(page, G, judge, fakes, seed)
    with page.part("umap_discriminator", "UMAP of the discriminator's final layer"):
        _umap_discriminator(page, D, unseen if len(unseen) else train, unseen_name or "train", fakes, seed)

    page.numbers |= {"pictures": page.pictures, "notes": page.notes}
    text = json.dumps({name: _rounded(value) for name, value in page.numbers.items()}, indent=2, allow_nan=False)
    (folder / "metrics.json").write_text(text + "\n", encoding="utf-8")
    return page.numbers


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def _similarity(page: _Page, judge: Judge, train: Slices, unseen: Slices, fakes: Slices, untrained: Slices) -> None:
    """KID and coverage of the unseen reals by generated slices, by training reals (floor), by untrained noise."""
    source = SOURCES["judge"]
    reals = source(judge, unseen)
    for label, name in enumerate(judge.class_names):
        x = reals.take(reals.labels == label)
        rows = np.flatnonzero(train.labels == label)
        rows = rows[_spread(train.subjects[rows], int((fakes.labels == label).sum()), seed=0)]
        # At the same n: both shrink where there are fewer training slices than samples.
        sets: dict[str, Slices] = {
            "": fakes.take(np.flatnonzero(fakes.labels == label)[: len(rows)]),
            ".floor": train.take(rows),
            ".untrained": untrained.take(np.flatnonzero(untrained.labels == label)[: len(rows)]),
        }
        count = min([metrics.independent(x.subjects), *(metrics.independent(y.subjects) for y in sets.values())])
        page.numbers[f"n.{name}"] = len(rows)
        page.numbers[f"n.{name}.coverage"] = count
        page.numbers[f"n.{name}.unseen"] = len(x)
        for suffix, slices in sets.items():
            y = source(judge, slices)
            page.numbers[f"kid.{name}{suffix}"] = metrics.kid(x.features, y.features, x.subjects, y.subjects)
            page.numbers[f"coverage.{name}{suffix}"] = metrics.coverage_of_persons(
                x.features, y.features, x.subjects, y.subjects, count
            )


def _fidelity(
    page: _Page, judge: Judge, unseen: Slices, fakes: Slices, seed: int, device: str | torch.device, progress: bool
) -> None:
    """Are generated slices of the class they were asked for, and is what they show enough to learn from?"""
    real, made = judge.probabilities(unseen.images), judge.probabilities(fakes.images)
    shuffled, luckiest = metrics.shuffled_auc(fakes.labels, made, seed)
    ceiling, fidelity = metrics.auc(unseen.labels, real), metrics.auc(fakes.labels, made)
    page.numbers |= {
        "fidelity.ceiling": ceiling,
        "fidelity.ceiling.accuracy": metrics.accuracy(unseen.labels, real),
        "fidelity.auc": fidelity,
        "fidelity.accuracy": metrics.accuracy(fakes.labels, made),
        "fidelity.shuffled": shuffled,
        "fidelity.shuffled.high": luckiest,
        # Clearer cases than real persons are: the generator draws types, not the group.
        "fidelity.over_typical": fidelity > ceiling,
    }
    if not (unseen.subjects == "").any():
        low, high = metrics.auc_interval(unseen.labels, real, unseen.subjects, seed)
        page.numbers |= {"fidelity.ceiling.low": low, "fidelity.ceiling.high": high}
    student = train_judge(fakes.images, fakes.labels, judge.class_names, seed=seed, device=device, progress=progress)
    answers = student.probabilities(unseen.images)
    page.numbers |= {
        "tstr.auc": metrics.auc(unseen.labels, answers),
        "tstr.accuracy": metrics.accuracy(unseen.labels, answers),
        "tstr.shuffled": metrics.shuffled_auc(unseen.labels, answers, seed)[0],
        "tstr.slices": len(fakes),
        "trtr.auc": ceiling,
        "trtr.slices": page.numbers["train.slices"],
    }


def _discriminator(page: _Page, D: Any, unseen: Slices) -> None:
    """D's class head, trained on real training slices, on unseen ones."""
    logits = torch.from_numpy(in_batches(D, D.classify, unseen.images))
    probabilities = logits.softmax(dim=1).numpy()
    counts = metrics.confusion(unseen.labels, probabilities)
    page.numbers |= {
        "discriminator.accuracy": metrics.accuracy(unseen.labels, probabilities),
        "discriminator.auc": metrics.auc(unseen.labels, probabilities),
        "discriminator.shuffled": metrics.shuffled_auc(unseen.labels, probabilities)[0],
        "discriminator.majority": float(np.bincount(unseen.labels).max() / len(unseen)),
        "discriminator.confusion": counts.tolist(),
    }
    figure = plots.new_figure(5.2, 5)
    accuracy, auc = page.numbers["discriminator.accuracy"], page.numbers["discriminator.auc"]
    part = page.numbers["unseen.part"]
    plots.confusion_matrix(
        figure.add_subplot(),
        counts,
        unseen.class_names,
        f"D's class head, real {part} slices\naccuracy {accuracy:.3f}, AUC {auc:.3f}, "
        f"largest class {page.numbers['discriminator.majority']:.3f}",
    )
    page.picture("confusion.png", figure)


def _ruler(page: _Page, unseen: Slices, fakes: Slices, truth: NDArray[np.float64], seed: int) -> None:
    """Do generated AD slices have larger ventricles by as much as real ones? The ruler is validated first."""
    resolution = unseen.images.shape[-1]
    if resolution < SMALLEST_RULED:
        raise ValueError(f"the ventricles are too small to measure at {resolution}x{resolution}")
    from scipy.stats import spearmanr

    from analysis.ruler import ventricle_ratio

    low, high = unseen.class_names.index("CN"), unseen.class_names.index("AD")
    real, made = ventricle_ratio(unseen.images), ventricle_ratio(fakes.images)
    difference = metrics.median_difference(real, unseen.labels, low, high)
    rng = np.random.default_rng(seed)
    shuffled = [metrics.median_difference(made, rng.permutation(fakes.labels), low, high) for _ in range(100)]
    page.numbers["ruler.spearman"] = float(spearmanr(real, truth).statistic)
    for name, label in (("CN", low), ("AD", high)):
        page.numbers[f"ruler.{name}"] = float(np.median(made[fakes.labels == label]))
        page.numbers[f"ruler.{name}.real"] = float(np.median(real[unseen.labels == label]))
    page.numbers["atrophy.ratio"] = metrics.median_difference(made, fakes.labels, low, high) / difference
    page.numbers["atrophy.shuffled"] = float(np.mean(shuffled) / difference)


def _grid(page: _Page, reals: Slices, fakes: Slices, part: str) -> None:
    rows, names = [], []
    for label, name in enumerate(fakes.class_names):
        pool = np.flatnonzero(reals.labels == label)
        chosen = pool[_spread(reals.subjects[pool], 2 * GRID_COLUMNS, seed=1)]
        made = np.flatnonzero(fakes.labels == label)[: 2 * GRID_COLUMNS]
        for title, images in ((f"{name} real", reals.images[chosen]), (f"{name} generated", fakes.images[made])):
            for start in range(0, len(images), GRID_COLUMNS):
                rows.append(images[start : start + GRID_COLUMNS])
                names.append(title if start == 0 else "")
    figure = plots.new_figure(GRID_COLUMNS + 1.2, len(rows) + 0.9)
    plots.image_rows(
        figure.add_subplot(), rows, names, f"real ({part} part, drawn at random) and generated (first seeds)"
    )
    page.picture(
        "real_vs_fake.png", figure, "Generated slices of one column and row have the same seed in every class."
    )


def _umap_generator(page: _Page, G: Growing, judge: Judge, fakes: Slices, seed: int) -> None:
    per_label = MOST_POINTS // len(fakes.class_names)
    some = fakes.take(np.concatenate([np.flatnonzero(fakes.labels == k)[:per_label] for k in set(fakes.labels)]))
    figure = plots.new_figure(11, 5.8)
    panels = (
        ("generator", G, "generator's last feature map (8x8 grid, PCA 50)"),
        ("judge", judge, "the independent judge's features of the same slices"),
    )
    for place, (source, model, title) in enumerate(panels, start=1):
        points = umap_embed(SOURCES[source](model, some).features, seed)
        plots.scatter(figure.add_subplot(1, 2, place), points, some.labels, some.class_names, f"UMAP: {title}")
    page.picture(
        "umap_generator.png",
        figure,
        "Left: these features are made from the label, so classes apart here cannot prove class fidelity. "
        "Right: computed from the image alone; read it beside fidelity.auc and fidelity.shuffled.\n"
        + _umap_settings(seed),
    )


def _umap_discriminator(page: _Page, D: Any, reals: Slices, part: str, fakes: Slices, seed: int) -> None:
    """As many generated as real slices, or the larger set decides the picture."""
    rng = np.random.default_rng(seed)
    count = min(len(reals), len(fakes), MOST_POINTS // 2)
    source = SOURCES["discriminator"]
    table = join(
        source(D, reals.take(rng.permutation(len(reals))[:count])),
        source(D, fakes.take(rng.permutation(len(fakes))[:count])),
    )
    points = umap_embed(table.features, seed)
    figure = plots.new_figure(11, 5.8)
    names = (f"real ({part})", "generated")
    plots.scatter(
        figure.add_subplot(1, 2, 1),
        points,
        (~table.is_real).astype(int),
        names,
        "UMAP: D's final layer",
        plots.COLOURS[2:],
    )
    plots.scatter(figure.add_subplot(1, 2, 2), points, table.labels, table.class_names, "the same points by class")
    page.picture(
        "umap_discriminator.png",
        figure,
        "D's features take no label; D was trained to part the two colours on the left.\n" + _umap_settings(seed),
    )


def _umap_settings(seed: int) -> str:
    return f"UMAP of the first 50 principal components, {NEIGHBOURS} neighbours, min_dist {MIN_DIST}, seed {seed}"
