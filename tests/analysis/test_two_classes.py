"""The two classes that are compared, and the slices of them that sections share."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import two_classes
from analysis.context import NotHereError
from progan_style import generate


def test_cn_and_ad_are_compared_or_the_first_and_the_last(context_of, tiny_run):
    context = context_of(tiny_run)
    assert two_classes.two_classes(context).names == ("CN", "AD")
    context.generator.class_names = ("AD", "other")
    assert two_classes.two_classes(context).names == ("AD", "other")
    context.generator.class_names = ("CN",)
    with pytest.raises(NotHereError, match="needs two classes or more, the generator has one"):
        two_classes.two_classes(context)
    with pytest.raises(NotHereError, match="two folders have none"):
        two_classes.two_classes(replace(context, generator=None))


def test_pairs_and_walks_are_made_once(context_of, tiny_run, few_latents):
    context = context_of(tiny_run)
    assert two_classes.pairs(context).shape == (2, 16, 1, 16, 16) and two_classes.moved(context).shape[0] == 16
    assert two_classes.pairs(context) is two_classes.pairs(context)
    walks = two_classes.walks(context)
    assert set(walks) == {"path", "direction"} and walks["path"].shape[:2] == (3, 4)
    assert np.array_equal(walks["path"][0], two_classes.pairs(context)[0][:4])


def test_truth_is_a_column_of_phantoms(context_of, tiny_run, monkeypatch):
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 16)
    assert two_classes.truth(context_of(tiny_run)) is None
    part = tiny_run.data.test
    column = {"ventricle_ratio": np.full(len(part), "0.25")}
    context = context_of(tiny_run, replace(tiny_run.data, test=replace(part, columns=column)))
    assert (two_classes.truth(context) == 0.25).all()


def test_one_brain_in_two_classes_has_one_age_and_one_sex(context_of, aged_run, few_latents):
    """Groups are as they are: each class has its own ages."""
    context = context_of(aged_run)
    G = context.generator
    held = {one.column: getattr(one, "middle", None) for one in G.described.others}
    assert {"age", "sex"} <= set(held) and two_classes.held(G) == held
    for label in (0, 1):
        same = generate(G, label, range(16), given=held).numpy()
        own = generate(G, label, range(16)).numpy()
        assert np.array_equal(two_classes.pairs(context)[label], same) and not np.array_equal(same, own)
        assert np.array_equal(two_classes.groups(context)[label], own)
    walks = two_classes.walks(context)
    assert np.array_equal(walks["path"][-1], two_classes.pairs(context)[1][:4])
    off = walks["direction"][0].astype(int) - two_classes.pairs(context)[0][:4]
    assert np.abs(off).max() <= 1  # the same images in other blocks


def test_without_conditions_the_groups_are_the_pairs(context_of, tiny_run, few_latents):
    context = context_of(tiny_run)
    assert two_classes.groups(context) is two_classes.pairs(context)
