import signal
import time

import numpy as np
import pytest
import torch
from fork_tools import Forked
from run_tools import ADA, OF_ARCHITECTURE, log_of, same

from progan_style import Dataset, GrowthSchedule, Trainer, load_config, load_data
from progan_style.checkpoint import load_state
from progan_style.networks import ARCHITECTURES
from progan_style.sampling import to_float
from progan_style.training import recovery
from progan_style.training.losses import LOSSES
from progan_style.training.trainer import choose_precision

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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_architecture_resumes_bit_for_bit_with_every_loss_and_ada(make, architecture, loss):
    """Cut two steps after p moved, in a fade or, with the path length, in its one stage."""
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


def test_sigterm_ends_with_a_checkpoint_and_says_how_to_go_on(tiny_overlay, toy_root, tmp_path):
    run_dir = tmp_path / "run"
    command = ["train.py", "--config", tiny_overlay, "--data", toy_root, "--run", run_dir]
    process = Forked(*command, "--set", "schedule.hold_kimg.16=1000")
    while not (run_dir / "stage-008" / "generator.safetensors").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in err
    assert "checkpoint written; go on with: python train.py" in out.splitlines()[-1]
    assert load_state(run_dir / "checkpoint.pt")["nimg"] >= 48


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
    "schedule.lr_g={8: 1.5, 16: 0.001}",  # 1500 times StyleGAN's
    "schedule.lr_d={8: 1.5, 16: 0.001}",
)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_diverges_stops_with_advice(make, loss):
    trainer, run_dir = make("run", f"loss.name={loss}", *WILD)
    with pytest.raises(
        ValueError, match=r"diverged at \d+ images \(8 px\): .*; (checkpoint|no checkpoint).* Lower schedule.lr_g.8"
    ):
        trainer.run(run_dir)
    assert trainer.state.nimg < 400


@pytest.fixture
def tame_after_one(monkeypatch):
    """A rollback leads to rates at which nothing diverges; at half of wild ones it is a matter of luck."""
    monkeypatch.setattr(recovery, "SLOWER", 2.0**-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_diverges_goes_back_and_reaches_its_end(make, loss, capsys, tame_after_one):
    wild = (f"loss.name={loss}", "training.on_divergence=rollback", *WILD)
    trainer, run_dir = make("run", *wild)
    assert trainer.run(run_dir)
    lines = log_of(run_dir)
    (event,) = [line for line in lines if "rollback" in line]
    assert event["rollback"] == 1 and event["from"] > event["nimg"] and "margin" in event["why"]
    assert capsys.readouterr().out.count("with the learning rates times") == 1
    # Each image count once, in order; the rate of the second stage falls like the first's.
    counts = [line["nimg"] for line in lines if "loss_d" in line]
    assert counts == sorted(set(counts)) and lines[-1]["lr_g"] == 0.001 * 2.0**-10
    rates = {g["lr"] for g in trainer.state.opt_G.param_groups + trainer.state.opt_D.param_groups}
    assert rates == {0.001 * 2.0**-10}


def test_a_run_that_went_back_and_was_cut_equals_one_that_was_not(make, tame_after_one):
    wild = ("training.on_divergence=rollback", *WILD, "loss.name=hinge")
    trainer, whole_dir = make("whole", *wild)
    assert trainer.run(whole_dir)
    asked = []
    first, cut_dir = make("cut", *wild)
    first.run(cut_dir, stop=lambda: first.state.watchdog.rollbacks == 1 and (asked.append(1) or len(asked) > 1))
    second, _ = make("cut", *wild)
    assert second.run(cut_dir)
    same(load_state(whole_dir / "checkpoint.pt"), load_state(cut_dir / "checkpoint.pt"))
    assert log_of(whole_dir) == log_of(cut_dir)


def test_precision_is_chosen_by_name():
    cpu = torch.device("cpu")
    assert choose_precision("fp32", cpu) is None and choose_precision("bf16", cpu) is torch.bfloat16
    assert choose_precision("auto", cpu) in (None, torch.bfloat16)


def test_a_card_without_bf16_refuses_it_in_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "an old card")
    card = torch.device("cuda", 0)
    assert choose_precision("auto", card) is None and choose_precision("fp32", card) is None
    with pytest.raises(ValueError, match=r"training.precision: bf16 is not in the hardware of an old card; expected"):
        choose_precision("bf16", card)


def test_a_batch_that_does_not_divide_over_the_ranks_is_refused(make, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match=r"batch_size.8: expected a multiple of 16 \(4 processes, .*got 8"):
        make()


@pytest.mark.parametrize("names", (("AD", "CN"), ("CN", "AD", "MCI"), ("AD",)))
def test_slices_of_other_classes_than_the_configurations_are_refused(names, tiny_overlay):
    images = np.zeros((12, 16, 16), np.uint8)
    data = Dataset.from_arrays(images, ["AD"] * 12, class_names=names)
    told = rf"data.classes: expected those of the training slices, in their order \({', '.join(names)}\), got CN, AD; "
    with pytest.raises(ValueError, match=told):
        Trainer(load_config(overlay=tiny_overlay), data)


def test_slices_that_were_packed_too_small_are_refused_before_the_first_step(tiny_overlay, tmp_path):
    images = np.zeros((12, 8, 8), np.uint8)
    trainer = Trainer(load_config(overlay=tiny_overlay), Dataset.from_arrays(images, ["CN", "AD"] * 6))
    told = r"stage 16: the training slices are packed at 8 px alone; expected 16 too: load_data\(config, 16\), or "
    with pytest.raises(ValueError, match=told):
        trainer.run(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not trainer.run(tmp_path / "run", 8, stop=lambda: True)


def test_a_class_with_fewer_slices_than_a_group_is_refused(tiny_overlay, toy_root, tmp_path):
    config = load_config(overlay=tiny_overlay, overrides=[f"data.root={toy_root}"])
    train = load_data(config, 16, progress=False).train
    of_ad = train.labels == 1
    for kept in (3, 4):
        trainer = Trainer(config, train.subset(~of_ad | (of_ad.cumsum() <= kept)))
        if kept == 4:
            assert not trainer.run(tmp_path / "run", stop=lambda: True)
            continue
        with pytest.raises(ValueError, match=r"^class AD: expected 4 training slices or more, got 3: add"):
            trainer.run(tmp_path / "run")
        assert not (tmp_path / "run").exists()
