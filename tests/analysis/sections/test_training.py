"""The training's curves and the pictures that it kept, up to the images that the generator has seen."""

from dataclasses import replace

import pytest

from analysis.context import NotHereError
from analysis.sections import training


def test_the_log_and_the_pictures_of_a_run(tiny_run, context_of, run, made):
    for name in ("log.jsonl", "samples"):
        (run.run_dir / name).symlink_to(tiny_run.run_dir / name)
    numbers, pictures = made(training, context_of(run))
    assert [picture.name for picture in pictures] == ["training", "history"]
    assert numbers["training.lines"] > 1 and numbers["training.largest_class"] == 0.5
    assert 0 <= numbers["training.real_class_acc"] <= 1 and "constant answer" in training.answer(numbers)


def test_only_what_came_before_is_shown(tmp_path):
    for nimg in range(0, 200, 10):
        (tmp_path / f"{nimg:09d}.png").touch()
    (tmp_path / "mine.png").touch()
    found = training.kept(tmp_path, 100)
    assert len(found) == training.PICTURES and found[0][0] == 0 and found[-1][0] == 100
    assert training.kept(tmp_path / "none", 100) == []


def test_a_stage_without_its_log_and_two_folders_have_none(context_of, run):
    with pytest.raises(NotHereError, match=r"log.jsonl has no line"):
        training.measure(context_of(run))
    with pytest.raises(NotHereError, match="two folders have no training"):
        training.measure(replace(context_of(run), run_dir=None))
