import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from progan_style import Condition, GrowthSchedule, Trainer, load_config, load_data
from progan_style.checkpoint import load_state, save_state
from progan_style.networks import ARCHITECTURES
from progan_style.sampling import to_float
from progan_style.training.losses import LOSSES
from progan_style.training.step import Critic, make_styles
from progan_style.training.trainer import choose_precision

REPO = Path(__file__).parents[3]


def same(a, b, where="state"):
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for k in a:
            same(a[k], b[k], f"{where}.{k}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}.{i}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


def log_of(run_dir):
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]


# Batches of 8, stages of 48 + (32 + 48) images, a penalty every 4th step of a stage.
CUTS = {
    "in the first stage": 24,
    "one step before growth": 40,
    "at growth": 48,
    "one step after growth": 56,
    "in a fade": 64,
    "at the end of a fade": 80,
    "before a penalised step": 48 + 8 * 8,
    "one step before the end": 120,
}


# What a run of each architecture needs beside its name, and what only it can do.
OF_ARCHITECTURE = {
    name: ([] if architecture.GROWS else ["schedule.resolutions=[16]", "schedule.hold_kimg.16=0.128"])
    + (["loss.path_length=2.0"] if architecture.TWICE_DIFFERENTIABLE else [])
    for name, architecture in ARCHITECTURES.items()
}
ADA = ("augment.name=ada", "augment.half_time_kimg=0.1", "augment.target=0.01")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_architecture_resumes_bit_for_bit_with_every_loss_and_ada(make, architecture, loss):
    """Cut two steps after p moved; where the network grows, in a fade."""
    options = [*OF_ARCHITECTURE[architecture], f"network.name={architecture}", f"loss.name={loss}", *ADA]
    trainer, whole_dir = make("whole", *options)
    assert trainer.run(whole_dir)
    first, cut_dir = make("cut", *options)
    assert not first.run(cut_dir, stop=lambda: first.state.nimg >= 80)
    second, _ = make("cut", *options)
    assert second.run(cut_dir)
    whole, cut = load_state(whole_dir / "checkpoint.pt"), load_state(cut_dir / "checkpoint.pt")
    same(whole, cut)
    assert log_of(whole_dir) == log_of(cut_dir)
    strengths = [line["augment_p"] for line in log_of(whole_dir)]
    assert 0 < first.state.augment.p < 1 and first.state.augment.steps == 2 and len(set(strengths)) >= 3, strengths


@pytest.mark.parametrize("cut", CUTS)
def test_a_run_that_was_cut_equals_one_that_was_not(make, cut):
    trainer, whole_dir = make("whole")
    assert trainer.run(whole_dir)
    first, cut_dir = make("cut")
    assert not first.run(cut_dir, stop=lambda: first.state.nimg >= CUTS[cut])
    assert first.state.nimg == CUTS[cut]
    second, _ = make("cut")
    assert second.run(cut_dir)
    same(load_state(whole_dir / "checkpoint.pt"), load_state(cut_dir / "checkpoint.pt"))
    assert log_of(whole_dir) == log_of(cut_dir)
    for name in ("generator", "discriminator"):
        files = [(d / "stage-016" / f"{name}.safetensors").read_bytes() for d in (whole_dir, cut_dir)]
        assert files[0] == files[1]


def test_every_state_has_its_penalised_step_and_its_fade(make):
    """The cuts above cover what they name."""
    trainer, _ = make()
    at = GrowthSchedule(**trainer.config.schedule.model_dump()).at
    assert at(47).resolution == 8 and at(48).resolution == 16 and at(48).alpha == 0
    assert 0 < at(64).alpha < 1 and at(80).alpha == 1
    assert (112 - 48) // 8 % trainer.config.loss.penalty_interval == 0


def test_log_lines_after_the_checkpoint_are_cut_back(make):
    trainer, run_dir = make("cut")
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 64)
    before = log_of(run_dir)
    with open(run_dir / "log.jsonl", "a") as file:
        file.write(json.dumps({"nimg": 72, "loss_d": 0.0}) + '\n{"nimg": 80, "lo')
    again, _ = make("cut")
    again.run(run_dir, stop=lambda: True)
    assert log_of(run_dir) == before


def test_kill_during_the_writing_of_a_checkpoint_leaves_the_old_one(tmp_path):
    """A process that is killed again and again while it writes: what is read is always whole."""
    path = tmp_path / "checkpoint.pt"
    script = (
        "import torch, sys; from pathlib import Path; from progan_style.checkpoint import save_state\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; save_state(Path(sys.argv[1]), {'n': n, 'big': torch.full([500_000], float(n))})\n"
        "    print(n, flush=True)"
    )
    for wait in (0.0, 0.003, 0.011):
        process = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, cwd=REPO, text=True)
        assert process.stdout is not None
        while int(process.stdout.readline()) < 3:
            pass
        time.sleep(wait)
        process.kill()
        process.wait()
        state = load_state(path)
        assert (state["big"] == state["n"]).all()
        assert (load_state(tmp_path / "checkpoint-previous.pt")["big"]).numel() == 500_000


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


def test_sigterm_ends_with_a_checkpoint_and_says_how_to_go_on(tiny_overlay, toy_root, tmp_path):
    run_dir = tmp_path / "run"
    command = [sys.executable, "train.py", "--config", tiny_overlay, "--data", toy_root, "--run", run_dir]
    command += ["--set", "schedule.hold_kimg.16=1000"]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (run_dir / "stage-008" / "generator.safetensors").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in err
    assert "checkpoint written; go on with: python train.py" in out.splitlines()[-1]
    assert load_state(run_dir / "checkpoint.pt")["nimg"] >= 48


# ---------------------------------------------------------------- one step


@pytest.mark.parametrize("resolution", (128, 256))
@pytest.mark.parametrize("alpha", (0.0, 0.5, 1.0))
@pytest.mark.parametrize("precision", ("fp32", "bf16"))
def test_a_plain_and_a_penalised_step_at_full_size(resolution, alpha, precision):
    torch.set_num_threads(1)
    rows = (resolution // 2, resolution)
    overrides = [
        f"schedule.resolutions=[{rows[0]},{rows[1]}]",
        "network.channel_base=512",
        "network.channel_max=8",
        "network.z_dim=8",
        "network.w_dim=8",
        "network.mapping_depth=2",
        "loss.penalty_interval=2",
        f"training.precision={precision}",
        f"schedule.batch_size.{rows[0]}=4",
        f"schedule.batch_size.{rows[1]}=4",
    ]
    trainer = Trainer(load_config(overrides=overrides), None)
    stage = trainer.schedule.stages[1]
    penalised = []
    trainer.state.nimg = stage.start + int(alpha * stage.fade) // 8 * 8  # an even step of the stage
    for _ in range(2):
        images = torch.randint(0, 256, [4, 1, resolution, resolution], dtype=torch.uint8)
        terms = trainer.step(images, torch.tensor([0, 1, 0, 1]))
        assert all(torch.isfinite(v) for v in terms.values())
        penalised.append("D/penalty" in terms)
    assert sorted(penalised) == [False, True]
    assert all(torch.isfinite(p).all() for p in trainer.state.G.parameters())


def test_moments_are_dropped_at_growth(make):
    trainer, run_dir = make()
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 48)
    assert max(s["step"].item() for s in trainer.state.opt_G.state.values()) == 6
    trainer.step(*trainer.data.batch(0, trainer.state.nimg, 8, 16))
    assert {s["step"].item() for s in trainer.state.opt_G.state.values()} == {1}


def test_ema_follows_with_its_half_life(make):
    trainer, _ = make("run", "training.ema_half_life_kimg=0.008", "training.ema_rampup=1000000")
    trainer.state.nimg = 8
    for p in trainer.state.G_ema.parameters():
        p.zero_()
    trainer.state.average.update(trainer.recipe.ema_keep(8, 8))
    weight, kept = trainer.state.G.const, trainer.state.G_ema.const
    assert torch.allclose(kept, weight / 2)


def test_the_probe_sends_nothing_into_the_trunk(make, monkeypatch):
    """With the class head's loss left out, everything of D but the head is updated to the same bit."""
    with_probe, _ = make()
    batch = with_probe.data.batch(0, 0, 8, 8)
    with_probe.step(*batch)
    without, _ = make()
    monkeypatch.setattr("progan_style.training.step.F.cross_entropy", lambda logits, labels: 0.0 * logits.sum())
    without.step(*batch)
    for (name, a), (_, b) in zip(
        with_probe.state.D.named_parameters(), without.state.D.named_parameters(), strict=True
    ):
        assert torch.equal(a, b) != name.startswith("probe"), name


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


def test_overfits_a_tiny_set(tiny_overlay, toy_root):
    """Two fixed images, one per class: after a few hundred steps each label gives its own image."""
    torch.set_num_threads(1)
    overrides = [
        "schedule.resolutions=[8]",
        "schedule.lr_g.8=0.003",
        "schedule.lr_d.8=0.003",
        "network.channel_base=128",
    ]
    config = load_config(overlay=tiny_overlay, overrides=[*overrides, f"data.root={toy_root}"])
    trainer = Trainer(config, load_data(config, 8, progress=False).train)
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    images[0, :, 2:6, 2:6] = 220
    images[1, :, :, 3:5] = 220
    labels = torch.arange(8) % 2
    for _ in range(500):
        trainer.step(images[labels], labels)
    from progan_style import generate

    made = generate(trainer.state.G_ema, labels, torch.arange(8)).float()
    error = [(made[labels == k] - images[j].float()).abs().mean().item() for k in (0, 1) for j in (0, 1)]
    assert error[0] < error[1] / 2 and error[3] < error[2] / 2, error
    with torch.no_grad():
        assert trainer.state.D.eval().classify(to_float(images)).argmax(dim=1).tolist() == [0, 1]


def test_memory_that_ran_out_is_told_with_the_batch_to_lower(make, monkeypatch):
    trainer, run_dir = make()

    def too_much(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer, "step", too_much)
    with pytest.raises(
        MemoryError, match=r"out of memory at 8 px with batches of 8 .* lower schedule.batch_size.8 .*batch_size.8=4"
    ):
        trainer.run(run_dir)


# ---------------------------------------------------------------- divergence

WILD = (
    "schedule.hold_kimg.8=0.4",
    "schedule.lr_g={8: 0.4, 16: 0.001}",  # 400 times StyleGAN's
    "schedule.lr_d={8: 0.4, 16: 0.001}",
)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_diverges_stops_with_advice(make, loss):
    trainer, run_dir = make("run", f"loss.name={loss}", *WILD)
    with pytest.raises(
        ValueError, match=r"diverged at \d+ images \(8 px\): .*; (checkpoint|no checkpoint).* Lower schedule.lr_g.8"
    ):
        trainer.run(run_dir)
    assert trainer.state.nimg < 400


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_diverges_goes_back_and_reaches_its_end(make, loss, capsys):
    wild = (f"loss.name={loss}", "training.on_divergence=rollback", *WILD)
    trainer, run_dir = make("run", *wild)
    assert trainer.run(run_dir)
    rollbacks = trainer.state.watchdog.rollbacks
    lines = log_of(run_dir)
    events = [line for line in lines if "rollback" in line]
    assert 1 <= rollbacks <= 2 and [line["rollback"] for line in events] == list(range(1, rollbacks + 1))
    assert all(line["from"] > line["nimg"] and "margin" in line["why"] for line in events)
    assert capsys.readouterr().out.count("with the learning rates times") == rollbacks
    # Each image count once, in order; the rate of the second stage is halved like the first's.
    counts = [line["nimg"] for line in lines if "loss_d" in line]
    assert counts == sorted(set(counts)) and lines[-1]["lr_g"] == 0.001 * 0.5**rollbacks
    assert {g["lr"] for g in trainer.state.opt_G.param_groups + trainer.state.opt_D.param_groups} == {
        0.001 * 0.5**rollbacks
    }


def test_a_run_that_went_back_and_was_cut_equals_one_that_was_not(make):
    wild = ("training.on_divergence=rollback", *WILD)
    trainer, whole_dir = make("whole", *wild)
    assert trainer.run(whole_dir)
    asked = []
    first, cut_dir = make("cut", *wild)
    first.run(cut_dir, stop=lambda: first.state.watchdog.rollbacks == 1 and (asked.append(1) or len(asked) > 1))
    second, _ = make("cut", *wild)
    assert second.run(cut_dir)
    same(load_state(whole_dir / "checkpoint.pt"), load_state(cut_dir / "checkpoint.pt"))
    assert log_of(whole_dir) == log_of(cut_dir)


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


# ---------------------------------------------------------------- configuration and data


def test_a_checkpoint_of_another_configuration_is_refused(make):
    trainer, run_dir = make()
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 8)
    other, _ = make("run", "network.w_dim=6")
    with pytest.raises(ValueError, match=r"checkpoint.pt holds .* \(different: network.w_dim\)"):
        other.run(run_dir)


def test_loss_d_in_the_log_is_the_mean_of_its_terms(make):
    """The penalty too: it counts once, in the steps that have it."""
    trainer, run_dir = make("run", "training.log_kimg=0.032")
    step, terms = trainer.step, []
    trainer.step = lambda *batch: terms.append(step(*batch)) or terms[-1]
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 32)
    total = sum(float(v) for t in terms for k, v in t.items() if k.startswith("D/"))
    assert any("D/penalty" in t for t in terms) and log_of(run_dir)[0]["loss_d"] == pytest.approx(total / 4, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_real_pred_is_measured_from_the_fakes_where_logits_have_no_zero(make, loss):
    """A constant added to all logits then changes nothing."""
    seen = []
    for added in (0.0, 3.0):
        trainer, _ = make("run", f"loss.name={loss}")
        with torch.no_grad():
            trainer.state.D.logit.bias.add_(added)
        trainer.step(*trainer.data.batch(0, 0, 8, 8))
        seen.append(trainer.state.meter.means()["real_pred"])
    assert (seen[0] == pytest.approx(seen[1], abs=1e-4)) != LOSSES[loss].has_zero


def test_alpha_in_the_log_is_the_last_steps(make):
    trainer, run_dir = make()
    trainer.run(run_dir)
    alphas = {line["nimg"]: line["alpha"] for line in log_of(run_dir)}
    assert alphas[64] == trainer.schedule.at(56).alpha == 0.25


def test_other_training_slices_are_noticed(make, capsys):
    trainer, run_dir = make()
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 8)
    again, _ = make()
    again.data = again.data.subset(range(40))
    again.run(run_dir, stop=lambda: True)
    assert "the training slices are not those of the checkpoint (now 40)" in capsys.readouterr().out


def test_an_evaluation_that_fails_does_not_end_the_run(make, capsys):
    trainer, run_dir = make("run", "training.eval_kimg=0.008")

    def evaluate(G, phase):
        raise ValueError("one person per class")

    assert trainer.run(run_dir, 8, evaluate)
    assert "not evaluated: one person per class" in capsys.readouterr().out


def test_precision_is_chosen_by_name():
    cpu = torch.device("cpu")
    assert choose_precision("fp32", cpu) is None and choose_precision("bf16", cpu) is torch.bfloat16
    assert choose_precision("auto", cpu) in (None, torch.bfloat16)


class NoReading(TorchDispatchMode):
    """Refuses what makes the host wait for the device: a tensor's value read in Python."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func not in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default), func
        return func(*args, **(kwargs or {}))


OF_PAIRS = (*ADA, "augment.operations.flip=0.5", "loss.name=relativistic")


@pytest.mark.parametrize("options", ((), OF_PAIRS), ids=("plain", "ada"))
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_host_reads_nothing_back_in_a_step(make, architecture, options):
    trainer, _ = make("run", f"network.name={architecture}", *OF_ARCHITECTURE[architecture], *options)
    for nimg in (0, 8, 48, 56):  # penalised and plain, held and fading
        trainer.state.nimg = nimg
        phase = trainer.schedule.at(nimg)
        batch = trainer.data.batch(0, nimg, 8, phase.resolution)
        trainer.state.enter(phase)  # sets alpha and the rates: writes, and reads nothing either
        with NoReading():
            trainer.step(*batch)


def test_the_path_length_is_penalised_every_fourth_step_and_its_mean_is_kept(make):
    trainer, run_dir = make("run", "network.name=stylegan2", *OF_ARCHITECTURE["stylegan2"])
    step, terms = trainer.step, []
    trainer.step = lambda *batch: terms.append(step(*batch)) or terms[-1]
    trainer.run(run_dir)
    assert [i for i, t in enumerate(terms) if "G/path_length" in t] == [0, 4, 8, 12]
    assert 0 < load_state(run_dir / "checkpoint.pt")["path_length"] < 1


@pytest.mark.parametrize("options", ((), ("augment.name=fixed", "augment.p=0.9")))
def test_a_batch_in_parts_has_the_gradient_of_the_whole(make, monkeypatch, options):
    gradients = []
    for parts in (1, 2):
        trainer, _ = make("run", *options)
        monkeypatch.setattr("progan_style.training.step.parts_of", lambda n, parts=parts: parts)
        trainer.state.opt_D.step = lambda: None
        terms = trainer.step(*trainer.data.batch(0, 0, 8, 8))
        assert "D/penalty" in terms
        gradients.append(
            [p.grad for p in trainer.state.D.parameters() if p.grad is not None] + list(terms.values())[:3]
        )
    for whole, sum_of_parts in zip(*gradients, strict=True):
        assert torch.allclose(whole, sum_of_parts, rtol=1e-4, atol=1e-6)


def test_the_penaltys_gradient_of_a_bf16_run_is_that_of_fp32(make):
    """Same weights, same reals: within 1e-3, over all of D's gradient."""
    gradients = []
    for precision in ("fp32", "bf16"):
        trainer, _ = make("run", f"training.precision={precision}")
        images, labels = trainer.data.batch(0, 0, 8, 8)
        trainer.state.enter(trainer.schedule.at(0))
        reals = images.float() / 127.5 - 1
        critic = Critic(
            trainer.state.D, Condition.of_labels(labels, 2), partial(trainer.recipe.amp, torch.device("cpu"))
        )
        penalty = trainer.recipe.loss.discriminator(critic, reals, reals.detach(), 1.0, torch.rand(8))["penalty"]
        kept = [p for p in trainer.state.D.parameters() if p.requires_grad]
        grads = torch.autograd.grad(penalty, kept, allow_unused=True)
        gradients.append(torch.cat([g.flatten() for g in grads if g is not None]))
    assert (gradients[0] - gradients[1]).norm() <= 1e-3 * gradients[0].norm()


def test_a_batch_that_does_not_divide_over_the_ranks_is_refused(make, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match=r"batch_size.8: expected a multiple of 16 \(4 processes, .*got 8"):
        make()


def test_a_compiled_run_steps_like_a_plain_one_and_a_fade_is_one_program(make, monkeypatch):
    compiler = torch.compile
    # The graphs and guards of torch.compile, without the minute in the C++ compiler
    monkeypatch.setattr(torch, "compile", lambda f: compiler(f, backend="aot_eager"))
    plain, _ = make()
    compiled, _ = make("run", "training.compile=true")
    graphs = []
    for _ in range(11):  # 6 steps at 8 px, then 4 of a fade, one held
        for trainer in (plain, compiled):
            phase = trainer.schedule.at(trainer.state.nimg)
            trainer.step(*trainer.data.batch(0, trainer.state.nimg, 8, phase.resolution))
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
        for a, b in zip(plain.state.G.parameters(), compiled.state.G.parameters(), strict=True):
            assert torch.allclose(a, b, rtol=1e-3, atol=1e-4)
    assert graphs[8] == graphs[9]  # alpha moved, no new program
    torch.compiler.reset()


# ---------------------------------------------------------------- augmentation


class Seen(Critic):
    """Keeps what D is shown."""

    shown: list

    def __init__(self, D, condition, amp, features=None, augment=None):
        def keep(images, call, **numbers):
            Seen.shown.append((images, augment(images, call=call)))
            return Seen.shown[-1][1]

        super().__init__(D, condition, amp, features, keep)


@pytest.mark.parametrize("loss", LOSSES)
def test_d_sees_reals_and_fakes_changed_alike_and_differently_in_each_call(make, monkeypatch, loss):
    Seen.shown = []
    monkeypatch.setattr("progan_style.training.step.Critic", Seen)
    trainer, _ = make("run", f"loss.name={loss}", "augment.name=fixed", "augment.p=1.0", "augment.operations.noise=0")
    trainer.step(*trainer.data.batch(0, 0, 8, 8))  # penalised, in two parts
    in_D, in_G = {"wgan-gp": (3, 1), "relativistic": (2, 2)}.get(loss, (2, 1))
    assert len(Seen.shown) == 2 * in_D + in_G
    for before, after in Seen.shown:
        assert (before != after).flatten(1).any(dim=1).all()  # reals, fakes, what is between them
    # The same gray image in each call: its tone says which numbers it had.
    calls = [trainer.state.augment(torch.zeros(8, 1, 8, 8), k, torch.arange(8), 0) for k in range(8)]
    levels = torch.stack([c[:, 0, 4, 4] for c in calls])
    assert len(levels.flatten().unique()) == levels.numel()


def test_the_generators_images_are_never_augmented(make, monkeypatch):
    """G's own output and what D is given before the pipe are those of a run without augmentation."""
    made = []
    for options in ((), ("augment.name=fixed", "augment.p=1.0")):
        trainer, _ = make("run", *options)
        synthesis = trainer.state.synthesis
        trainer.state.synthesis = lambda *a, synthesis=synthesis: made.append(synthesis(*a)) or made[-1]
        trainer.step(*trainer.data.batch(0, 0, 8, 8))
    assert torch.equal(*made)


def test_at_p_0_a_step_is_that_of_a_run_without_augmentation(make):
    """To the last bit."""
    states = []
    for options in ((), ("augment.name=fixed", "augment.p=0"), ("augment.name=ada",)):
        trainer, _ = make("run", *options)
        for _ in range(2):
            trainer.step(*trainer.data.batch(0, trainer.state.nimg, 8, 8))
        states.append((trainer.state.G.state_dict(), trainer.state.D.state_dict()))
    same(states[0], states[1])
    same(states[0], states[2])


def test_p_and_r_t_are_in_the_log(make):
    trainer, run_dir = make("run", *ADA)
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 48)
    lines = log_of(run_dir)
    assert [line["augment_p"] for line in lines][:2] == [0.0, 0.0]  # p is that of the step; it moved after 32 images
    assert all(-1 <= line["r_t"] <= 1 for line in lines)
    plain, plain_dir = make("plain")
    plain.run(plain_dir, stop=lambda: plain.state.nimg >= 16)
    assert "r_t" not in log_of(plain_dir)[0] and "augment_p" not in log_of(plain_dir)[0]


# ---------------------------------------------------------------- transfer


def weights_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_a_run_begins_with_the_weights_of_another(make, tiny_run, capsys):
    path = tiny_run.run_dir / "checkpoint.pt"
    theirs = load_state(path)
    trainer, run_dir = make("run", f"init={path}")
    assert not trainer.run(run_dir, stop=lambda: True)
    for name in ("G", "D", "G_ema"):
        same(weights_of(getattr(trainer.state, name)), theirs[name])
    assert trainer.state.nimg == 0 and not trainer.state.opt_G.state
    assert "G begins with" in capsys.readouterr().out
    trainer, _ = make("run", f"init={path}")  # the same command again: the run's own checkpoint counts
    assert trainer.run(run_dir, until=8)
    assert trainer.state.nimg == 48


def test_a_class_that_is_new_begins_anew_and_others_keep_their_rows(make, tiny_run, toy_root):
    path = tiny_run.run_dir / "checkpoint.pt"
    theirs = load_state(path)
    trainer, _ = make("run", "data.classes=[MCI, AD]", "data.aliases={CN: MCI}")
    fresh = weights_of(trainer.state.D)
    trainer.state.start_from(path)
    ours, old = weights_of(trainer.state.D), theirs["class_names"].index("AD")
    for name in trainer.state.D.per_class:
        assert torch.equal(ours[name][1], theirs["D"][name][old])
        assert torch.equal(ours[name][0], fresh[name][0])
    assert torch.equal(ours["logit.weight"], theirs["D"]["logit.weight"])


def test_a_class_is_known_by_its_name_wherever_it_stands(make, tiny_run):
    path = tiny_run.run_dir / "checkpoint.pt"
    theirs = load_state(path)
    trainer, _ = make("run", "data.classes=[AD, MCI]", "data.aliases={CN: MCI}")
    old = theirs["class_names"].index("AD")
    assert old != 0
    trainer.state.start_from(path)
    for name in trainer.state.D.per_class:
        assert torch.equal(weights_of(trainer.state.D)[name][0], theirs["D"][name][old])


def test_many_new_classes_do_not_make_a_network_unfit(make, tiny_run, monkeypatch):
    path = tiny_run.run_dir / "checkpoint.pt"
    trainer, _ = make("run")
    rows = [f"class row {k}" for k in range(1000)]
    monkeypatch.setattr("progan_style.training.state.transfer", lambda *given: rows)
    trainer.state.start_from(path)


def test_blocks_that_count_from_the_image_do_not_begin_another_size(make):
    settings = ("network.name=stylegan2", "schedule.resolutions=[16]")
    trainer, run_dir = make("run", *settings)
    assert not trainer.run(run_dir, stop=lambda: True)
    state = load_state(run_dir / "checkpoint.pt")
    state["config"]["schedule"]["resolutions"] = [8]
    save_state(run_dir / "other.pt", state)
    with pytest.raises(ValueError, match="a run to 8 px does not begin stylegan2 at 16 px; expected the same last"):
        trainer.state.start_from(run_dir / "other.pt")


def test_weights_that_do_not_fit_are_refused(make, tiny_run):
    trainer, _ = make("run", "network.channel_base=80", "network.channel_max=5", "network.w_dim=6", "network.z_dim=6")
    with pytest.raises(
        ValueError, match=r"do not fit \(network.z_dim: here 6, there 8; network.w_dim: here 6, there 8; "
    ):
        trainer.state.start_from(tiny_run.run_dir / "checkpoint.pt")


def test_each_optimiser_has_its_own_rate(make):
    trainer, _ = make("run", "schedule.lr_g.8=0.001", "schedule.lr_d.8=0.002")
    trainer.step(*trainer.batch())
    assert {group["lr"] for group in trainer.state.opt_G.param_groups} == {0.001}
    assert {group["lr"] for group in trainer.state.opt_D.param_groups} == {0.002}


def test_a_lazy_penalty_is_multiplied_by_its_interval(make):
    penalties = []
    for interval in (1, 4):
        trainer, _ = make(f"run-{interval}", f"loss.penalty_interval={interval}")
        penalties.append(float(trainer.step(*trainer.batch())["D/penalty"]))
    assert penalties[1] == pytest.approx(4 * penalties[0], rel=1e-5)
    assert penalties[0] > 0


def test_style_centres_are_those_of_their_class(make):
    trainer, _ = make("run")
    phase = trainer.schedule.at(0)
    trainer.state.enter(phase)
    images, condition = trainer.batch()
    labels = condition.labels
    with torch.no_grad():
        ws = make_styles(trainer.state, trainer.recipe, torch.arange(8), condition)[:, 0]
    before = trainer.state.G.mapping.centers.clone()
    trainer.step(images, labels)
    for k in labels.unique():
        assert torch.allclose(
            trainer.state.G.mapping.centers[k], before[k].lerp(ws[labels == k].mean(dim=0), 0.005), atol=1e-6
        )
