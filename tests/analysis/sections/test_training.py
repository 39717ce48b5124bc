"""The training's curves and the pictures that it kept, up to the images that the generator has seen."""

import json
from dataclasses import replace

import pytest

from analysis.context import NotHereError
from analysis.sections import training
from progan_style import read_log


def test_the_log_and_the_pictures_of_a_run(tiny_run, context_of, run, made):
    for name in ("log.jsonl", "samples"):
        (run.run_dir / name).symlink_to(tiny_run.run_dir / name)
    numbers, pictures = made(training, context_of(run))
    assert [picture.name for picture in pictures] == ["training", "growth", "history"]
    assert numbers["training.lines"] > 1 and numbers["training.largest_class"] == 0.5
    assert 0 <= numbers["training.real_class_acc"] <= 1 and "constant answer" in training.answer(numbers)


def test_a_growth_step_shows_in_the_margin_and_in_what_was_evaluated(tiny_run, context_of, run):
    log = [line for line in read_log(tiny_run.run_dir) if "loss_d" in line]
    marks = [{"nimg": line["nimg"], "kid": 0.5, "finest_octave": 0.9} for line in log[::2]]
    later = {"nimg": 10**9, "kid": 9.0, "finest_octave": 9.0, "loss_d": 9.0, "margin": 9.0}  # of another generator
    lines = [json.dumps(line) for line in (*log, *marks, later)]
    (run.run_dir / "log.jsonl").write_text("\n".join(lines))
    numbers, findings = training.measure(context_of(run))
    last = log[-max(1, len(log) // 10) :]
    assert numbers["training.margin"] == pytest.approx(sum(line["margin"] for line in last) / len(last))
    growth = {picture.name: picture for picture in training.show(context_of(run), numbers, findings)}["growth"]
    panels = growth.content.axes
    assert [ax.get_title().partition(",")[0] for ax in panels] == ["D's margin", "KID", "finest detail"]
    assert [ax.lines[0].get_ydata()[-1] for ax in panels] == [log[-1]["margin"], 0.5, 0.9]
    assert all([patch.get_x() for patch in ax.patches] == [fade_begins(log)] for ax in panels)


def test_a_log_of_an_earlier_version_shows_what_it_has(tiny_run, context_of, run):
    log = [line for line in read_log(tiny_run.run_dir) if "loss_d" in line]
    old = [{key: value for key, value in line.items() if key != "margin"} for line in log]
    new = {**log[-1], "nimg": log[-1]["nimg"]}
    titles = []
    for lines in (old, [*old, {"nimg": 8, "kid": 0.5}], [*old[:-1], {"nimg": 8, "kid": 0.5}, new]):
        (run.run_dir / "log.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
        numbers, findings = training.measure(context_of(run))
        pictures = {picture.name: picture for picture in training.show(context_of(run), numbers, findings)}
        axes = pictures["growth"].content.axes if "growth" in pictures else []
        titles.append([ax.get_title().partition(",")[0] for ax in axes])
        assert ("training.margin" in numbers) == ("margin" in lines[-1])
        assert not axes or f"{len(lines) - len(log)} eval" in pictures["growth"].shown or lines[-1] is new
    assert titles == [[], ["KID"], ["D's margin", "KID"]]


def fade_begins(log):
    """Thousand images: the end of the last line of 8 px."""
    return max(line["nimg"] for line in log if line["resolution"] == 8) / 1000


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
