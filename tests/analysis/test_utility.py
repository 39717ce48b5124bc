"""Utility: fair arms, the stopping point from validate alone, titles that say what a row can prove."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from analysis import utility
from analysis.utility import (
    ALL_PERSONS,
    ARM_AND_UNLABELLED,
    ARM_ONLY,
    ArmResult,
    ComparisonPlan,
    Source,
    compare,
    interval_over_persons,
    interval_over_seeds,
    saw,
)
from progan_style import Dataset, persons_of_share


@pytest.fixture
def whole(tiny_run, G):
    return Source(G, frozenset(tiny_run.data.train.subjects.tolist()))


def half(data, G):
    mask = persons_of_share(data.train.subjects, data.train.labels, 0.5)
    return Source(G, frozenset(data.train.subjects[mask].tolist()), own=True)


def test_an_interval_over_seeds_by_hand():
    mean, low, high = interval_over_seeds([0.1, 0.3])
    assert mean == pytest.approx(0.2)
    # standard error 0.1, t of one degree of freedom 12.706
    assert (low, high) == (pytest.approx(0.2 - 1.2706, abs=1e-4), pytest.approx(0.2 + 1.2706, abs=1e-4))
    with pytest.raises(ValueError, match="two seeds or more, got 1"):
        interval_over_seeds([0.1])


def test_an_arm_proves_something_only_if_the_generator_saw_nobody_else():
    assert saw(Source(None, frozenset("ab")), {"a", "b", "c"}) == ARM_ONLY
    assert saw(Source(None, frozenset("abcd")), {"a", "b", "c"}) == ALL_PERSONS
    arm = ArmResult(0.25, 10, 80, ALL_PERSONS, False, (0.7,), (0.8,), (0.0, 0.2))
    assert not arm.proves and arm.name == "utility.25.unproven" and arm.gains == [pytest.approx(0.1)]


def test_unlabelled_persons_may_have_been_seen_and_it_is_said(tiny_run, G, with_some_unlabelled):
    data = with_some_unlabelled(tiny_run.data)
    source = utility.source_of(G, data)
    assert source.persons == set(data.train.subjects) and source.unlabelled == set(data.unlabelled.subjects)
    few = ComparisonPlan(shares=(0.5, 1.0), seeds=2, steps=8, synthetic=16)
    half, whole = compare([source], data, 16, plan=few)
    assert (half.title, whole.title) == (ALL_PERSONS, ARM_AND_UNLABELLED) and whole.proves and not half.proves
    assert whole.persons == len(set(data.train.subjects)) and whole.slices == len(data.train)


def test_an_interval_over_test_persons_is_about_the_mean_gain(tiny_run):
    """Answers that are right and answers that are drawn: the gain is about a half, in every half of the persons."""
    part = tiny_run.data.test
    drawn = [np.random.default_rng(seed).dirichlet([1, 1], len(part)) for seed in range(4)]
    right = [np.eye(2)[part.labels]] * 4
    low, high = interval_over_persons(part, drawn, right, seed=0)
    gain = 1 - np.mean([roc_auc_score(part.labels, answers[:, 1]) for answers in drawn])
    assert 0 < low < gain < high < 1
    assert interval_over_persons(part, right, right, seed=0) == (0.0, 0.0)


def test_an_interval_over_an_odd_number_of_test_persons_is_of_both_halves():
    """Seven persons of each class, answers that are drawn against equal ones: all halves of three and of four."""
    labels, scores = np.repeat([0, 1], 7), np.random.default_rng(2).uniform(size=14)
    part = Dataset.from_arrays(
        np.zeros((14, 8, 8), np.uint8), labels, subjects=np.arange(14).astype(str), class_names=("CN", "AD")
    )
    equal, drawn = np.full((14, 2), 0.5), np.stack([1 - scores, scores], axis=1)
    low, high = interval_over_persons(part, [equal], [drawn], seed=0, draws=1000)
    above = scores[7:, None] > scores[None, :7]
    gains = [
        above[np.ix_(b, a)].mean() - 0.5
        for count in (3, 4)
        for a, b in itertools.product(itertools.combinations(range(7), count), repeat=2)
    ]
    assert high - low == pytest.approx(np.diff(np.quantile(gains, [0.025, 0.975]))[0], rel=0.07)


def test_arms_have_their_own_persons_and_titles(tiny_run, whole, G):
    lines, sources = [], [whole, half(tiny_run.data, G)]
    few = ComparisonPlan(shares=(0.5, 1.0), seeds=2, steps=8, synthetic=16)
    rows = compare(sources, tiny_run.data, 16, plan=few, log=lines.append)
    assert [(r.name, r.title, r.persons, r.slices) for r in rows] == [
        ("utility.50.unproven", ALL_PERSONS, 12, 24),
        ("utility.100", ARM_ONLY, 24, 48),
        ("utility.50.own", ARM_ONLY, 12, 24),
    ]
    assert rows[0].real == rows[2].real  # the same persons, slices and seeds: one training
    assert all(len(r.real) == len(r.both) == 2 for r in rows) and len(lines) == 3


def test_every_arm_takes_the_same_steps_and_the_test_part_is_asked_once(tiny_run, whole, monkeypatch):
    steps, asked = [], []
    monkeypatch.setattr(utility, "fit", lambda pools, classes, **how: steps.append((len(pools), how["steps"])))
    answers = np.random.default_rng(0).dirichlet([1, 1], len(tiny_run.data.test))
    monkeypatch.setattr(utility, "_answers", lambda network, part, resolution: asked.append(part) or answers)
    compare([whole], tiny_run.data, 16, plan=ComparisonPlan(shares=(0.25, 1.0), seeds=2, steps=9, synthetic=16))
    assert sorted(steps) == [(1, 9)] * 4 + [(2, 9)] * 4
    assert len(asked) == 8 and all(part is tiny_run.data.test for part in asked)


def test_what_cannot_be_compared_is_refused(tiny_run, whole, G):
    data = tiny_run.data
    nobody = data.test.subset(np.zeros(len(data.test), dtype=bool))
    for broken, words in (
        (replace(data, subjects_known=False), "needs to know who is who"),
        (replace(data, validate=nobody), "has no validate part"),
        (replace(data, test=nobody), "has no test part"),
        (replace(data, class_names=("AD", "CN")), "a generator of classes CN, AD for data of AD, CN"),
        (replace(data, class_names=("CN",)), "needs two classes or more"),
        (replace(data, test=few_people(data.test)), "6 test people of each class or more, AD has 5"),
        (replace(data, test=few_people(data.test, 0)), "6 test people of each class or more, AD has 0"),
        (replace(data, validate=few_people(data.validate, 0)), "1 validate people of each class or more, AD has 0"),
    ):
        with pytest.raises(ValueError, match=words):
            compare([whole], broken, 16)
    with pytest.raises(ValueError, match="a generator of 16 pixels for slices of 32"):
        compare([whole], data, 32)
    quarters = [Source(G, frozenset(sorted(whole.persons)[k : k + 4]), own=True) for k in (0, 4)]
    with pytest.raises(ValueError, match=r"several --own runs of one share \(.*\); give one of each share"):
        compare([whole, *quarters], data, 16)
    with pytest.raises(ValueError, match="trained on 1 persons who are not in the train part") as error:
        compare([whole, Source(G, frozenset({"somebody"}), own=True)], data, 16)
    assert "somebody" not in str(error.value)  # a public page prints it


def test_a_runs_own_persons_are_read_from_its_data(tiny_run):
    source = utility.own_source(tiny_run.run_dir, 16)
    assert source.own and source.persons == frozenset(tiny_run.data.train.subjects.tolist())
    with pytest.raises(ValueError, match="size 64 is not trained yet"):
        utility.own_source(tiny_run.run_dir, 64)


def few_people(part, count=5):
    """All of CN, and so many people of AD."""
    sick = sorted(set(part.subjects[part.labels == 1]))[:count]
    return part.subset((part.labels == 0) | np.isin(part.subjects, sick))
