"""The same brain as both classes: controls beside it, real groups only where there are any."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from analysis import two_classes
from analysis.sections import same_brain
from progan_style import generate


def test_its_numbers_and_what_is_private(context_of, made, tiny_run, few_latents):
    numbers, pictures = made(same_brain, context_of(tiny_run))
    assert [p.name for p in pictures] == ["same_brain", "difference_map", "slider", "cn_to_ad", "difference_real"]
    assert [p.private for p in pictures] == [False, False, False, False, True]
    assert numbers["difference.shuffled.rms"] >= 0 and -1 <= numbers["difference.correlation"] <= 1
    json.dumps(numbers, allow_nan=False)


def test_without_held_out_slices_nothing_real_is_shown(context_of, made, tiny_run, nobody, few_latents):
    numbers, pictures = made(same_brain, context_of(tiny_run, nobody))
    assert "difference.correlation" not in numbers and not [p for p in pictures if p.private]


def test_unknown_people_have_no_control(context_of, made, tiny_run, few_latents):
    context = context_of(tiny_run, replace(tiny_run.data, subjects_known=False))
    numbers, pictures = made(same_brain, context)
    assert "difference.correlation" in numbers and "difference.correlation.halves" not in numbers
    assert "no control over people" in pictures[-1].control


@pytest.mark.parametrize(("counts", "has"), [((8, 5), False), ((8, 6), True), ((8, 6, 3), True)])
def test_six_people_of_each_class_that_is_compared_have_two_halves(counts, has):
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.random.default_rng(0).integers(0, 255, (len(labels), 1, 8, 8)).astype(np.uint8)
    held_out = SimpleNamespace(images=images, labels=labels, subjects=np.arange(len(labels)).astype(str))
    context = SimpleNamespace(held_out=held_out, options=SimpleNamespace(seed=0))
    two = two_classes.TwoClasses(None, 0, 1)
    maps = {"mean": np.ones((8, 8), np.float32), "real": images[0, 0].astype(np.float32)}
    numbers = same_brain._agreement(context, two, maps)
    assert "difference.correlation.shuffled.high" in numbers and ("difference.correlation.halves" in numbers) == has


def test_the_sliders_strip_leads_from_one_class_to_the_other(context_of, tiny_run):
    context = context_of(tiny_run)
    two = two_classes.two_classes(context)
    slider = same_brain._slider(context, two)
    with Image.open(io.BytesIO(slider.content)) as picture:
        strip = np.asarray(picture)
    assert strip.shape == (same_brain.FRAMES * 16, 4 * 16) and slider.ends == ("CN", "AD")
    for label, rows in ((two.low, strip[:16]), (two.high, strip[-16:])):  # the ends are the classes' own slices
        own = generate(two.G, torch.full([4], label), torch.arange(4)).numpy()
        assert np.array_equal(rows, np.concatenate(list(own[:, 0]), axis=1))
