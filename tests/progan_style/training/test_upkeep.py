"""What a run writes between two steps, and when it stops or goes back."""

import json
import os
from dataclasses import replace

import pytest
import torch
from run_tools import log_of

from progan_style import GrowthSchedule, load_config
from progan_style.checkpoint import images_of, load_state, save_state
from progan_style.networks import fir
from progan_style.training.upkeep import Due


def test_log_lines_after_the_checkpoint_are_cut_back(make):
    trainer, run_dir = make("cut")
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 64)
    before = log_of(run_dir)
    with open(run_dir / "log.jsonl", "a") as file:
        file.write(json.dumps({"nimg": 72, "loss_d": 0.0}) + '\n{"nimg": 80, "lo')
    again, _ = make("cut")
    again.run(run_dir, stop=lambda: True)
    assert log_of(run_dir) == before


def test_a_full_disk_keeps_the_old_checkpoint(make, monkeypatch):
    trainer, run_dir = make()
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 24)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    again, _ = make()
    with pytest.raises(
        OSError, match=r"checkpoint.pt: could not be written \(No space left on device\); the one before"
    ):
        again.run(run_dir, stop=lambda: again.state.nimg >= 32)
    monkeypatch.undo()
    assert load_state(run_dir / "checkpoint.pt")["nimg"] == 24
    assert not list(run_dir.glob("*.part"))


def test_another_thread_count_warns(make, capsys):
    trainer, run_dir = make()
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 8)
    torch.set_num_threads(2)
    try:
        again, _ = make()
        torch.set_num_threads(2)
        again.run(run_dir, stop=lambda: True)
    finally:
        torch.set_num_threads(1)
    assert "made with 1 CPU threads, this is 2" in capsys.readouterr().out


def test_another_precision_or_device_warns(make, capsys):
    trainer, run_dir = make("run", "training.precision=fp32")
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 8)
    again, _ = make("run", "training.precision=bf16")
    again.run(run_dir, stop=lambda: True)
    said = capsys.readouterr().out
    assert "the checkpoint was made in fp32, this is bf16: it goes on, but not bit for bit" in said
    assert "(--set training.precision=fp32)" in said and "cuda" not in said
    state = load_state(run_dir / "checkpoint.pt")
    assert (state["precision"], state["device"]) == ("fp32", "cpu")
    save_state(run_dir / "checkpoint.pt", state | {"device": "cuda"})
    once_more, _ = make("run", "training.precision=fp32")
    once_more.run(run_dir, stop=lambda: True)
    assert "the checkpoint was made in cuda, this is cpu" in capsys.readouterr().out


def test_the_best_generator_by_kid_is_kept(make):
    trainer, run_dir = make("run", "training.eval_kimg=0.008")
    kids = iter([0.5, 0.2, 0.9, 0.7, 0.1, 0.3] + [1.0] * 20)
    seen = []

    def evaluate(G, phase):
        seen.append((phase.resolution, G.resolution, G.class_names))
        return {"kid": next(kids)}

    trainer.run(run_dir, 8, evaluate)
    assert seen[0] == (8, 8, ("CN", "AD")) and trainer.state.best == {8: 0.1}
    assert (run_dir / "stage-008" / "generator-best.safetensors").is_file()
    assert [line["kid"] for line in log_of(run_dir) if "kid" in line][:3] == [0.5, 0.2, 0.9]


def test_what_was_kept_stays_when_a_run_goes_on_from_an_older_checkpoint(make):
    """The same images come again, so that files of later counts are of this run: a kill, a damaged checkpoint."""
    trainer, run_dir = make("run", "training.eval_kimg=0.008")
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 40)
    older = (run_dir / "checkpoint.pt").read_bytes()
    again, _ = make("run", "training.eval_kimg=0.008")
    kids = iter([0.5, *[0.1] * 99])
    assert again.run(run_dir, evaluate=lambda *_: {"kid": next(kids)})
    made = {path: path.read_bytes() for path in run_dir.rglob("generator*.safetensors")}
    assert len(made) == 4
    (run_dir / "checkpoint.pt").write_bytes(older)
    cut, _ = make("run", "training.eval_kimg=null")
    cut.run(run_dir, stop=lambda: True)
    assert {path: path.read_bytes() for path in run_dir.rglob("generator*.safetensors")} == made


def test_what_other_rates_will_not_make_again_goes(make):
    trainer, run_dir = make("run", "training.eval_kimg=0.008")
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 24)
    older = (run_dir / "checkpoint.pt").read_bytes()
    again, _ = make("run", "training.eval_kimg=0.008")
    kids = iter([0.5, 0.1])  # at 32, 40
    again.run(run_dir, 8, lambda *_: {"kid": next(kids)}, lambda: again.state.nimg >= 40)
    best = run_dir / "stage-008" / "generator-best.safetensors"
    assert images_of(best) == 40
    (run_dir / "checkpoint.pt").write_bytes(older)
    longer, _ = make("run", "schedule.hold_kimg.8=0.096")
    longer.run(run_dir, stop=lambda: True)
    assert best.is_file()
    slower, _ = make("run", "schedule.lr_g.8=0.0001", "schedule.hold_kimg.8=0.096")
    slower.run(run_dir, stop=lambda: True)
    assert not best.exists()


def test_a_rollback_takes_away_the_best_of_the_way_it_leaves(make):
    trainer, run_dir = make("run", "training.on_divergence=rollback", "training.eval_kimg=0.008")
    diverge_at(trainer, 48, 64)
    kids = iter([0.5, 0.4, 0.3, 0.2, 0.1, *[0.9] * 99])  # at 8, 16 .. 40, 48 ..; back to 24, at 32 again
    back = trainer.state.watchdog
    trainer.run(run_dir, None, lambda *_: {"kid": next(kids)}, lambda: back.rollbacks == 1 and trainer.state.nimg == 32)
    best = run_dir / "stage-008" / "generator-best.safetensors"
    assert trainer.state.best == {8: 0.9} and images_of(best) == 32


def diverge_at(trainer, *counts):
    """Lines of the log at these counts show a margin that no healthy run has."""
    meter = trainer.state.meter
    means = meter.means
    meter.means = lambda: means() | ({"margin": 1e6} if trainer.state.nimg in counts else {})


def test_what_was_saved_in_the_bad_window_is_passed_over(make, capsys):
    """Lines at 16, 32 (bad), 48 (bad); saved at 0, 24 and, in doubt, at 40 by a stop and at 48 by a stage's end."""
    trainer, run_dir = make("run", "training.on_divergence=rollback")
    diverge_at(trainer, 32, 48)
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 40)
    counts = [load_state(run_dir / name)["nimg"] for name in ("checkpoint.pt", "checkpoint-previous.pt")]
    assert counts == [40, 0]  # 24 lies behind the last healthy line, at 16
    again, _ = make("run", "training.on_divergence=rollback")
    diverge_at(again, 32, 48)
    again.run(run_dir, stop=lambda: again.state.watchdog.rollbacks == 1)
    assert "diverged at 48 images (8 px): D's margin" in capsys.readouterr().out
    state = load_state(run_dir / "checkpoint.pt")
    assert state["nimg"] == 0 and state["watchdog"]["rollbacks"] == 1


def test_a_stage_that_ended_in_the_bad_window_is_not_finished(make):
    trainer, run_dir = make("run", "training.on_divergence=rollback")
    diverge_at(trainer, 48, 64)
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 56)
    assert (run_dir / "stage-008" / "generator.safetensors").is_file()
    again, _ = make("run", "training.on_divergence=rollback")
    diverge_at(again, 48, 64)
    again.run(run_dir, stop=lambda: again.state.watchdog.rollbacks == 1)
    assert again.state.nimg == 24 and not (run_dir / "stage-008" / "generator.safetensors").exists()


def test_a_run_that_diverges_a_third_time_stops(make):
    trainer, run_dir = make("run", "training.on_divergence=rollback")
    diverge_at(trainer, 16, 32)
    with pytest.raises(
        ValueError, match=r"diverged at 32 images .* row, after 2 rollbacks; checkpoint-previous.pt of 0"
    ):
        trainer.run(run_dir)


def test_losses_that_are_not_finite_stop_the_run_with_advice(make, monkeypatch):
    trainer, run_dir = make()
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 24)
    with torch.no_grad():
        trainer.state.D.logit.bias.fill_(float("nan"))
    monkeypatch.setattr(trainer.state, "load_state_dict", lambda state: None)
    with pytest.raises(ValueError, match=r"diverged at 32 images .*: not finite: .*loss_d.* Lower schedule.lr_g.8"):
        trainer.run(run_dir)
    assert load_state(run_dir / "checkpoint.pt")["nimg"] == 24


def test_a_checkpoint_of_another_configuration_is_refused(make):
    trainer, run_dir = make()
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 8)
    other, _ = make("run", "network.w_dim=6")
    with pytest.raises(ValueError, match=r"checkpoint.pt holds .* \(different: network.w_dim\)"):
        other.run(run_dir)


def test_alpha_in_the_log_is_the_last_steps(make):
    trainer, run_dir = make()
    trainer.run(run_dir)
    alphas = {line["nimg"]: line["alpha"] for line in log_of(run_dir)}
    assert alphas[64] == trainer.schedule.at(56).alpha == 0.25


@pytest.mark.parametrize("differ", ("names, labels, pixels", "names", "labels", "pixels"))
def test_other_training_slices_are_refused_with_what_differs(differ, make):
    trainer, run_dir = make()
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 8)
    again, _ = make()
    data = again.data
    if differ == "names":
        data = replace(data, paths=data.paths[::-1])
    elif differ == "labels":
        data = replace(data, labels=1 - data.labels)
    elif differ == "pixels":
        data = replace(data, levels={r: 255 - level for r, level in data.levels.items()})
    else:
        data = data.subset(range(40))
    again.data = data
    told = rf"checkpoint.pt: the training slices are others than those of this run \({differ} differ, now {len(data)} "
    with pytest.raises(ValueError, match=told):
        again.run(run_dir, stop=lambda: True)


def test_a_checkpoint_names_no_place_on_the_machine(tiny_run):
    config = load_state(tiny_run.run_dir / "checkpoint.pt")["config"]
    assert str(tiny_run.root) in (tiny_run.run_dir / "config.yaml").read_text()
    assert not [text for text in json.dumps(config).split('"') if "/" in text]


def test_an_evaluation_that_fails_does_not_end_the_run(make, capsys):
    trainer, run_dir = make("run", "training.eval_kimg=0.008")

    def evaluate(G, phase):
        raise ValueError("one person per class")

    assert trainer.run(run_dir, 8, evaluate)
    assert "not evaluated: one person per class" in capsys.readouterr().out


def test_what_an_image_count_asks_for():
    """Intervals are counted within a stage; a stage's end has a line, its files and a checkpoint."""
    every = ["log_kimg=0.016", "eval_kimg=0.024", "grid_kimg=0.032", "checkpoint_kimg=0.04"]
    stages = ["schedule.resolutions=[8,16]", "schedule.hold_kimg.8=0.048", "schedule.fade_kimg.16=0.032"]
    config = load_config(
        overrides=[f"training.{e}" for e in every]
        + stages
        + ["schedule.hold_kimg.16=0.048", "schedule.batch_size.8=8", "schedule.batch_size.16=8"]
    )
    schedule = GrowthSchedule(**config.schedule.model_dump())

    def at(nimg, last=False, config=config):
        due = Due.at(schedule, nimg, config, last)
        return {key for key, value in vars(due).items() if value}

    assert at(0) == {"picture"} and at(8) == set()
    assert at(16) == {"log"} and at(24) == {"evaluate"} and at(32) == {"log", "picture"} and at(40) == {"save"}
    assert at(8, last=True) == {"save"}
    assert {"log", "stage", "save"} <= at(48)
    assert at(56) == set() and {"log"} <= at(64)
    rolling = load_config(overrides=["training.on_divergence=rollback"])
    assert at(0, config=rolling) == {"picture", "save"}  # something to go back to


def test_a_slower_form_of_the_blur_is_said_once(make, monkeypatch, capsys):
    monkeypatch.setattr(fir, "slower_because", lambda device: "Triton is not there")
    trainer, run_dir = make()
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 24)
    said = "note: blurs take a slower form, with the same numbers: Triton is not there"
    assert capsys.readouterr().out.count(said) == 1
    monkeypatch.undo()
    assert fir.slower_because(torch.device("cpu")) == ""


def test_a_stage_whose_plot_ends_the_process_is_kept_and_finished_by_the_next_call(make, monkeypatch):
    """The checkpoint comes first, so the steps of the stage are not made again; the files are those of a whole run."""
    whole, whole_dir = make("whole")
    whole.run(whole_dir)

    def killed(*_):
        raise KeyboardInterrupt

    trainer, run_dir = make("killed")
    monkeypatch.setattr("progan_style.training.runlog.save_loss_plot", killed)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(run_dir)
    monkeypatch.undo()
    assert load_state(run_dir / "checkpoint.pt")["nimg"] == trainer.schedule.stage_of(8).end
    assert not (run_dir / "stage-008" / "generator.safetensors").exists()
    again, _ = make("killed")
    again.run(run_dir)
    for name in ("generator", "discriminator"):
        for stage in ("stage-008", "stage-016"):
            path = f"{stage}/{name}.safetensors"
            assert (run_dir / path).read_bytes() == (whole_dir / path).read_bytes(), path


def test_a_loss_plot_that_cannot_be_drawn_ends_no_training(make, monkeypatch, capsys):
    def no_plot(*_):
        raise ValueError("Key backend: 'module://inline' is not a valid value")

    monkeypatch.setattr("progan_style.training.runlog.save_loss_plot", no_plot)
    trainer, run_dir = make("plain")
    assert trainer.run(run_dir)
    assert "losses.png is not drawn: Key backend: 'module://inline'" in capsys.readouterr().out
    assert (run_dir / "stage-016" / "generator.safetensors").is_file() and (run_dir / "checkpoint.pt").is_file()


def test_a_finished_generator_outlives_a_rollback_of_the_run_made_longer(make):
    trainer, run_dir = make("run", "schedule.resolutions=[8]")
    assert trainer.run(run_dir)
    finished = (run_dir / "stage-008" / "generator.safetensors").read_bytes()
    longer = ("schedule.resolutions=[8]", "training.on_divergence=rollback", "schedule.hold_kimg.8=0.096")
    again, _ = make("run", *longer)
    diverge_at(again, 64, 80)
    again.run(run_dir, stop=lambda: again.state.watchdog.rollbacks == 1)
    assert again.state.watchdog.rollbacks == 1 and again.state.nimg == 48
    assert (run_dir / "stage-008" / "generator.safetensors").read_bytes() == finished
