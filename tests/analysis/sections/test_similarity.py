"""Similarity: an interval holds what it should, and the baseline is nearer than an untrained generator."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.numbers import check_made
from analysis.persons import half_sample_intervals
from analysis.sections import similarity
from analysis.slices import SliceTable
from analysis.sources import FeatureTable


def test_a_baseline_has_an_interval_and_a_sample_of_the_same_lies_in_it(monkeypatch):
    """Three samples of one distribution: 60 persons, 2 images each, and 120 images of nobody."""
    rng = np.random.default_rng(0)

    def sample(people):
        subjects = np.repeat([f"p{i}" for i in range(60)], 2) if people else np.full(120, "")
        columns = (np.zeros(120, np.int64), np.full(120, people), subjects)
        return FeatureTable(rng.normal(size=(120, 4)).astype(np.float32), *columns, ("CN",), "test")

    monkeypatch.setitem(similarity.SOURCES, "judge", lambda judge, table: table)
    sets = {"": sample(False), ".baseline": sample(True), ".untrained": sample(False)}
    numbers = similarity._distances(SimpleNamespace(judge=None), "CN", sample(True), sets)
    distances = [n for n in similarity.NUMBERS if n.key.split(".")[0] in ("n", "frechet", "kid", *similarity.PRDC)]
    assert not check_made("similarity", distances, numbers, ("CN",))
    for key in ("kid", "frechet", "precision", "recall", "density", "coverage"):
        low, high = numbers[f"{key}.CN.baseline.low"], numbers[f"{key}.CN.baseline.high"]
        assert low < numbers[f"{key}.CN.baseline"] < high
        assert f"{key}.CN.untrained.low" not in numbers
    picture = similarity._similarity_picture(
        SimpleNamespace(class_names=("CN",), judge=SimpleNamespace(name="", hash="")), numbers
    )
    assert len(picture.content.axes) == 6 and all(ax.collections for ax in picture.content.axes)


def test_its_pictures_and_numbers(context_of, made, tiny_run, quick):
    numbers, pictures = made(similarity, context_of(tiny_run))
    assert [p.name for p in pictures] == ["similarity", "pixels"]
    for name in ("CN", "AD"):
        assert numbers[f"kid.{name}.baseline"] < numbers[f"kid.{name}"]
        assert numbers[f"spectrum.{name}.baseline"] < numbers[f"spectrum.{name}"]


def test_few_people_of_one_class_cost_its_own_numbers_alone(context_of, made, tiny_run, quick):
    """One unseen slice of AD, then four persons: what needs more is left out with a note, CN keeps all."""
    test = tiny_run.data.test
    for people, has in ((1, set()), (4, {"frechet", "kid", "ms_ssim"})):
        kept = sorted(set(test.subjects[test.labels == 1]))[:people]
        rows = (test.labels == 0) | np.isin(test.subjects, kept)
        rows &= (test.labels == 0) | np.array([path.endswith("_0.png") for path in test.paths])
        data = replace(tiny_run.data, test=test.subset(rows))
        context = context_of(tiny_run, data)
        numbers, pictures = made(similarity, context)
        counted = {"frechet", "kid", "precision", "coverage", "ms_ssim"}
        assert {key for key in counted if f"{key}.AD{'.real' if key == 'ms_ssim' else ''}" in numbers} == has
        assert {key for key in counted if f"{key}.CN" in numbers} == counted and "histogram.AD" in numbers
        assert len(pictures) == 2 and any("coverage of AD left out: " in note for note in context.notes)


def test_the_answer_is_of_classes_that_have_a_number_of_their_own():
    numbers = {"class_names": ["CN", "AD"], "kid.CN": 0.1, "kid.CN.baseline": 0.0, "kid.AD.baseline": 0.0}
    assert similarity.answer(numbers) == "KID: CN 0.100, of two real samples 0.000."


def test_five_training_people_cost_the_baselines_neighbours_alone(monkeypatch):
    """25 held-out people, 40 generated slices, a baseline of 5 people, who have no 5th neighbour."""
    rng = np.random.default_rng(0)

    def sample(slices, people):
        subjects = np.array([f"{people}-{i % people}" if people else "" for i in range(slices)])
        columns = (np.zeros(slices, np.int64), np.full(slices, True), subjects)
        return FeatureTable(rng.normal(size=(slices, 4)).astype(np.float32), *columns, ("CN",), "test")

    monkeypatch.setitem(similarity.SOURCES, "judge", lambda judge, table: table)
    notes = []
    sets = {"": sample(40, 0), ".baseline": sample(40, 5)}
    context = SimpleNamespace(judge=None, note=notes.append)
    numbers = similarity._distances(context, "CN", sample(25, 25), sets)
    assert {"kid.CN", "kid.CN.low", "kid.CN.baseline"} <= set(numbers) and "recall.CN" not in numbers
    assert "kid.CN.baseline.low" not in numbers and any("precision" in note for note in notes)


def test_the_intervals_of_distances_alone_are_narrowed(monkeypatch):
    rng = np.random.default_rng(0)

    def sample():
        columns = (np.zeros(40, np.int64), np.full(40, True), np.arange(40).astype(str))
        return FeatureTable(rng.normal(size=(40, 4)).astype(np.float32), *columns, ("CN",), "test")

    x, y, widths = sample(), sample(), {}
    whole = dict.fromkeys(("frechet", "kid", *similarity.PRDC), 0.5)
    for narrowed in (True, False):
        monkeypatch.setattr(
            similarity,
            "half_sample_intervals",
            lambda *given, of_pairs=(), narrowed=narrowed: half_sample_intervals(
                *given, of_pairs if narrowed else (), draws=20
            ),
        )
        widths[narrowed] = {key: high - low for key, (low, high) in similarity._intervals(x, y, whole).items()}
    assert set(widths[True]) == set(whole)
    assert {key for key in whole if widths[True][key] < widths[False][key]} == {"frechet", "kid"}


def folder(slices, people, label=0):
    """So many slices of so many people each, in file order, as a folder of generated slices may have them."""
    subjects = np.array([f"{people}-{p}" if people else "" for p in np.repeat(np.arange(max(people, 1)), slices)])
    return table_of(np.zeros((len(subjects), 1, 8, 8), np.uint8), subjects)


def table_of(images, subjects):
    n = len(images)
    labels, seeds = np.zeros(n, np.int64), np.full(n, -1)
    return SliceTable(images, labels, np.full(n, True), subjects, seeds, ("CN",), np.full(n, ""))


@pytest.mark.parametrize(
    ("train", "fakes", "slices", "people"),
    [
        ((1, 100), (10, 40), 40, 40),
        ((4, 40), (10, 40), 160, 40),
        ((20, 10), (5, 40), 50, 10),
        ((4, 40), (100, 0), 100, 40),
    ],
)
def test_both_sides_have_as_many_slices_and_as_many_people(train, fakes, slices, people):
    context = SimpleNamespace(fakes=folder(*fakes), train=folder(*train), untrained=None)
    sets = similarity.same_size(context, 0)
    assert len(sets[""]) == len(sets[".baseline"]) == slices
    assert len(set(sets[".baseline"].subjects)) == people
    assert len(set(sets[""].subjects)) == (people if fakes[1] else 1)


def test_the_baseline_of_a_band_is_of_the_same_band():
    """Training reals are weak where the generated are not, which excuses nothing."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 40, (20, 1, 32, 32))

    def table(scale):
        spectrum = np.fft.rfft2(noise)
        rings = np.hypot(*np.meshgrid(np.fft.fftfreq(32) * 32, np.fft.rfftfreq(32) * 32, indexing="ij"))
        images = np.fft.irfft2(spectrum * scale(rings)) + 128
        return table_of(images.clip(0, 255).astype(np.uint8), np.full(20, ""))

    held_out = table(lambda r: np.ones_like(r))
    sets = {"": table(lambda r: np.where(r > 11, 0.3, 1)), ".baseline": table(lambda r: np.where(r < 3, 0.5, 1))}
    numbers = similarity._pixels(SimpleNamespace(note=print), "CN", held_out, sets)
    assert numbers["spectrum.CN.weakest"] < 0.2 and numbers["spectrum.CN.weakest.from"] >= 11
    assert numbers["spectrum.CN.weakest.baseline"] > 0.9
