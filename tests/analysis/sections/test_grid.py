"""Real slices stand beside generated ones, and a figure without real ones for a public page."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import pixels
from analysis.sections import grid


def test_reals_are_private_and_generated_slices_alone_are_not(context_of, made, tiny_run):
    numbers, pictures = made(grid, context_of(tiny_run))
    keys = ("corners", "corners.faint", "brightness")
    of_people = {"brightness.train", "brightness.real.low", "brightness.real.high"}
    assert set(numbers) == {key + ending for key in keys for ending in ("", ".real")} | of_people
    assert [(p.name, p.private) for p in pictures] == [("real_vs_fake", True), ("generated", False)]
    shown = pictures[0].content.axes[0].get_images()[0].get_array()
    assert shown.shape == (8 * 16, grid.COLUMNS * 16)  # two rows of reals and two of generated slices of each class


def test_brightness_of_people_has_an_interval_and_stands_beside_the_training(context_of, tiny_run):
    """24 people of two slices each: 1.96 standard errors of their means to each side."""
    context = context_of(tiny_run)
    rng = np.random.default_rng(0)
    levels = np.repeat(rng.integers(60, 200, 24), 2)
    images = np.broadcast_to(levels[:, None, None, None], (48, 1, 16, 16)).astype(np.uint8)
    subjects = np.repeat([f"p{i}" for i in range(24)], 2).astype(object)
    people = replace(
        context.held_out,
        images=images,
        labels=np.zeros(48, dtype=np.int64),
        subjects=subjects,
        is_real=np.ones(48, dtype=bool),
        seeds=np.full(48, -1),
    )
    numbers, _ = grid.measure(replace(context, held_out=people))
    error = levels[::2].std(ddof=1) / np.sqrt(24)
    found = (numbers["brightness.real.low"], numbers["brightness.real.high"])
    assert found == pytest.approx(levels.mean() + np.array([-1.96, 1.96]) * error, abs=0.15 * error)
    assert numbers["brightness.train"] == pytest.approx(pixels.brightness(context.train.images).mean())


def test_the_training_is_all_that_the_generator_learnt_from(context_of, tiny_run, with_some_unlabelled):
    context = context_of(tiny_run, with_some_unlabelled(tiny_run.data))
    numbers, _ = grid.measure(context)
    whole = pixels.brightness(np.asarray(tiny_run.data.train.at(16))).mean()
    assert numbers["brightness.train"] == pytest.approx(whole) and len(context.train) < len(tiny_run.data.train)
