"""How long a run will take: counted over the stages that are left, each from steps of its own."""

import pytest
import torch

from progan_style import Trainer, memory
from progan_style.training import forecast as module
from progan_style.training.forecast import (
    forecast,
    in_words,
    machine_line,
    seconds_of_image_by_stage,
    too_large,
)
from progan_style.training.schedule import step_of_stage


@pytest.fixture
def ticking(monkeypatch):
    """A clock by which a step takes as many seconds as its images have pixels per side, the first of each kind more."""
    now = [0.0]

    def step(self, images, labels):
        turn = step_of_stage(self.schedule, self.state.nimg)
        kind = images.shape[-1], turn % self.recipe.penalty_interval == 0
        now[0] += images.shape[-1] + 1000.0 * (kind not in seen)
        seen.add(kind)

    seen: set[tuple[int, bool]] = set()
    monkeypatch.setattr(Trainer, "step", step)
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])


def test_seconds_are_those_of_the_images_that_are_left(make, ticking):
    trainer, _ = make("run")  # 48 images at 8 px, 80 at 16, in batches of 8
    assert seconds_of_image_by_stage(trainer, 0, 16) == ({8: 1.0, 16: 2.0}, "")  # 8 and 16 for a batch of 8
    assert seconds_of_image_by_stage(trainer, 0, 8) == ({8: 1.0}, "")
    assert seconds_of_image_by_stage(trainer, 64, 16) == ({16: 2.0}, "")
    assert seconds_of_image_by_stage(trainer, 128, 16) == ({}, "")


def test_the_forecast_is_of_the_images_that_are_left(make, ticking, monkeypatch):
    told = []
    monkeypatch.setattr(module, "in_words", lambda seconds: told.append(dict(seconds)) or "")
    trainer, _ = make("run")
    assert forecast(lambda: trainer, 0, 16)[0] == {8: 1.0, 16: 2.0} and told[-1] == {8: 48.0, 16: 160.0}
    assert forecast(lambda: trainer, 64, 16)[0] == {16: 2.0} and told[-1] == {16: 128.0}


def test_a_stage_that_does_not_fit_is_told_and_ends_nothing(make, monkeypatch):
    trainer, _ = make("run")
    step = Trainer.step

    def fails(self, images, labels):
        if images.shape[-1] == 16:
            raise torch.OutOfMemoryError("out of memory")
        return step(self, images, labels)

    monkeypatch.setattr(Trainer, "step", fails)
    lines = forecast(lambda: trainer, 0, 16)[1]
    assert lines[0] == "forecast  under a minute of training here"
    assert lines[1].startswith("warning: out of memory at 16 px with batches of 8 images; lower schedule.batch_size.16")


def test_what_a_cpu_cannot_hold_is_reckoned_and_not_tried(make, ticking, monkeypatch):
    trainer, _ = make("run")
    of_16 = 8 * memory.bytes_of_image(trainer.config.network.name, *widths(trainer), 16)
    monkeypatch.setattr(memory, "free_bytes", lambda: of_16)
    assert seconds_of_image_by_stage(trainer, 0, 16) == ({8: 1.0, 16: 2.0}, "")
    monkeypatch.setattr(memory, "free_bytes", lambda: of_16 - 1)
    found, trouble = seconds_of_image_by_stage(trainer, 0, 16)
    assert found.keys() == {8} and trouble.startswith("a step at 16 px with 8 images takes about ")
    assert trouble.endswith("lower schedule.batch_size.16 to 4 or network.channel_base (in a new run)")
    monkeypatch.setattr(memory, "free_bytes", lambda: of_16 // 2)
    assert seconds_of_image_by_stage(trainer, 48, 16)[1] == too_large(trainer.config, 16, of_16 // 2)  # perhaps it fits
    monkeypatch.setattr(memory, "free_bytes", lambda: None)  # a system that does not say
    assert seconds_of_image_by_stage(trainer, 0, 16)[1] == ""


def test_a_first_step_that_cannot_fit_is_refused_and_a_later_one_told(make, ticking, monkeypatch):
    """What is reckoned is more than a step takes, by less than two: twice too much is certain."""
    trainer, _ = make("run")
    of_16 = 8 * memory.bytes_of_image(trainer.config.network.name, *widths(trainer), 16)
    monkeypatch.setattr(memory, "free_bytes", lambda: of_16 // 2 - 1)
    with pytest.raises(MemoryError, match=r"a step at 16 px with 8 images takes about .*; not even 4 images fit"):
        seconds_of_image_by_stage(trainer, 48, 16)
    assert "a step at 16 px with 8 images" in seconds_of_image_by_stage(trainer, 0, 16)[1]
    monkeypatch.setattr(memory, "free_bytes", lambda: 10)
    with pytest.raises(MemoryError, match=r"not even 4 images fit: lower network\.channel_base"):
        seconds_of_image_by_stage(trainer, 0, 16)


def widths(trainer):
    return trainer.config.network.channel_base, trainer.config.network.channel_max


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ({8: 20.0}, "under a minute of training here"),
        ({8: 12.0, 16: 130.0}, "about 2 minutes of training here (8 px: under a minute, 16 px: 2 minutes)"),
        ({64: 3600.0 * 7.52}, "about 7.5 hours of training here"),
    ],
)
def test_words(seconds, words):
    assert in_words(seconds) == words


def test_the_machine_line_says_what_runs_where(make):
    trainer, _ = make("run")
    weights = [sum(p.numel() for p in network.parameters()) / 1e6 for network in (trainer.state.G, trainer.state.D)]
    threads = torch.get_num_threads()
    assert machine_line(trainer, 16) == (
        f"machine   CPU, {threads} thread{'s' * (threads > 1)}, fp32; "
        f"{weights[0]:.2f} million weights in G and {weights[1]:.2f} million "
        f"weights in D; 128 images in all"
    )
    assert machine_line(trainer, 8).endswith("; 48 images in all")


def test_a_long_training_on_a_cpu_names_smaller_configurations(make, ticking, monkeypatch):
    trainer, _ = make("run")
    assert not [line for line in forecast(lambda: trainer, 0, 8)[1] if "graphics card" in line]
    monkeypatch.setattr(module, "LONG", 40.0)  # the stage takes 48 seconds by this clock
    assert "configs/cpu.yaml" in forecast(lambda: trainer, 0, 8)[1][-1]


def test_a_step_with_a_penalty_is_timed_and_counts_as_often_as_it_comes(make, monkeypatch):
    """Plain steps of 1 s, one in 4 with D's penalty of 5, one in 8 with G's too of 9: of 8 steps 6, 1 and 1."""
    now = [0.0]

    def step(self, images, labels):
        turn = step_of_stage(self.schedule, self.state.nimg)
        taken.append(turn)
        now[0] += 9.0 if turn % 8 == 0 else 5.0 if turn % 4 == 0 else 1.0

    taken: list[int] = []
    monkeypatch.setattr(Trainer, "step", step)
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    settings = ("loss.penalty_interval=4", "loss.path_length=2", "loss.path_length_interval=8")
    trainer, _ = make("run", *settings, "schedule.hold_kimg.8=0.8")
    seconds, _ = seconds_of_image_by_stage(trainer, 0, 8)
    assert seconds[8] == pytest.approx((6 * 1 + 5 + 9) / 8 / 8) and len(taken) == 6
