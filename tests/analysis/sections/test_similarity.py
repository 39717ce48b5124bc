"""Similarity: an interval holds what it should, and the baseline is nearer than an untrained generator."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from analysis.numbers import check_made
from analysis.sections import similarity
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
    assert numbers["kid.CN.baseline.low"] < numbers["kid.CN"] < numbers["kid.CN.baseline.high"]
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
