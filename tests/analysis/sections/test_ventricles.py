"""The ruler measures where truth is known, and says so where it is not."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import two_classes
from analysis.context import NotHereError
from analysis.sections import projection, ventricles


@pytest.fixture
def bright(tiny_run, monkeypatch):
    """A ruler of brightness, and data whose held-out slices' truth is their brightness."""
    size = tiny_run.data.test.at(16).mean(axis=(1, 2, 3))
    values = np.where(tiny_run.data.test.labels == 1, size + 100.0, size)
    for module in (ventricles, projection):
        monkeypatch.setattr(
            module, "ventricle_ratio", lambda x: values if len(x) == len(values) else x.mean(axis=(1, 2, 3))
        )
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 16)
    test = replace(tiny_run.data.test, columns={"ventricle_ratio": values.astype(str)})
    return replace(tiny_run.data, test=test)


def test_the_ruler_measures_where_truth_is_known(context_of, made, tiny_run, bright, few_latents):
    context = context_of(tiny_run, bright)
    numbers, pictures = made(ventricles, context)
    assert numbers["ruler.spearman"] == pytest.approx(1) and pictures[0].name == "ventricles"
    assert {"atrophy.ratio", "atrophy.shuffled", "atrophy.path.spearman", "atrophy.direction.ratio"} <= set(numbers)
    assert numbers["ruler.AD.real"] - numbers["ruler.CN.real"] > 50
    assert "projection.ventricles" in made(projection, context)[0]


def test_without_truth_or_pixels_it_says_so(context_of, tiny_run, bright, few_latents, monkeypatch):
    with pytest.raises(NotHereError, match="no known ventricle ratio"):
        ventricles.measure(context_of(tiny_run))
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 32)
    with pytest.raises(NotHereError, match="too small to measure at 16x16"):
        ventricles.measure(context_of(tiny_run, bright))


def test_a_ruler_that_does_not_follow_truth_measures_nothing(context_of, tiny_run, bright, few_latents, monkeypatch):
    monkeypatch.setattr(ventricles, "ventricle_ratio", lambda x: np.arange(len(x)) % 3)
    with pytest.raises(NotHereError, match="rank correlation with truth"):
        ventricles.measure(context_of(tiny_run, bright))
