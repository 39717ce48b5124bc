"""The benchmarks run, tiny; what they compare is comparable. No time is asserted."""

import argparse
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import architectures, augment_leak, one_size, step_cost, train_step
from benchmarks.levers import EXACT, LEVERS
from benchmarks.machine import Clock, conv_flops_per_second, peak_rss_mb
from progan_style.networks.stylegan2 import StyledLayer

CPU = torch.device("cpu")
REPO = Path(__file__).parents[2]
TINY = train_step.Preset(batches={16: 8, 64: 4}, compared=16, rounds=1, widths=(128, 8), latent=8, persons=8)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_reference_has_the_products_layers():
    trainer, plain = train_step.make_trainer(TINY, 16, CPU), train_step.make_reference(TINY, 16)
    assert parameters(trainer.state.G) == parameters(plain.G) and parameters(trainer.state.D) == parameters(plain.D)


def test_the_reference_learns():
    torch.manual_seed(0)
    plain = train_step.make_reference(TINY, 16)
    plain.opt_D.lr = plain.opt_G.lr = 0.004
    images, labels = torch.full((8, 1, 16, 16), 230, dtype=torch.uint8), torch.zeros(8, dtype=torch.int64)
    for _ in range(150):
        losses = plain.step(images, labels, alpha=0.5)
    with torch.no_grad():
        fakes = plain.G(torch.randn(2, 8, 8), labels, 1.0)
    assert all(map(math.isfinite, losses.values())) and abs(fakes.mean() - (230 / 127.5 - 1)) < 0.4


@pytest.mark.parametrize("lever", LEVERS)
def test_a_step_without_a_lever(lever):
    """Runs; and where the lever is exact, has the gradients and the weights of a step with it."""
    changed = []
    for change in ([], [LEVERS[lever]]):
        trainer = train_step.make_trainer(TINY, 16, CPU, *change)
        trainer.recipe = replace(trainer.recipe, amp_dtype=None)
        batch = trainer.data.batch(0, 0, 8, 16)
        terms = trainer.step(*batch)
        assert all(torch.isfinite(v) for v in terms.values())
        changed.append([p.grad for p in trainer.state.G.parameters()] + list(trainer.state.G_ema.parameters()))
    if lever in EXACT:
        for a, b in zip(*changed, strict=True):
            assert (a is None) == (b is None)
            assert a is None or torch.allclose(a, b, rtol=1e-3, atol=1e-5)


def test_flops_of_a_convolution():
    x, weight = torch.randn(2, 3, 8, 8), torch.randn(5, 3, 3, 3, requires_grad=True)
    with train_step.Flops() as counter:
        torch.nn.functional.conv2d(x, weight, padding=1).sum().backward()
    forward = 2 * 2 * 5 * 3 * 9 * 64
    assert counter.total == 2 * forward  # the gradient of the weights alone: x needs none


def test_penalised_and_plain_iterations_are_what_they_say():
    trainer = train_step.make_trainer(TINY, 16, CPU)
    seen = []
    step = trainer.step
    trainer.step = lambda *batch: seen.append(step(*batch))
    for penalised in (True, False, True):
        train_step.step(trainer, penalised)
    assert ["D/penalty" in terms for terms in seen] == [True, False, True]


def test_the_whole_measurement(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(train_step, "memory", lambda *_: 100.0)  # a process of its own each
    monkeypatch.setitem(train_step.PRESETS, "cpu", TINY)
    assert train_step.main(["--ablate", "--json", str(tmp_path / "out.json")]) == 0
    result = json.loads((tmp_path / "out.json").read_text())
    assert {
        "fast_over_reference_fp32",
        "fast_over_reference_bf16",
        "packed_over_folder_64",
        "penalised_over_plain",
        "calibration_share_64",
        "peak_rss_over_reference",
    } <= result["ratios"].keys()
    assert result["ablation"].keys() == LEVERS.keys()
    numbers = {key: v for key, v in (result["ratios"] | result["ablation"]).items() if v is not None}
    # What a penalty adds is the difference of two times: at this size a busy machine may make it negative.
    assert -math.inf < numbers.pop("penalty_share_of_interval_bf16") < math.inf
    assert all(0 < v < math.inf for v in numbers.values())
    assert "time without the lever / with it" in capsys.readouterr().out


def test_the_gpu_preset_wants_a_gpu(capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit) as stop:
        train_step.main(["--preset", "gpu"])
    assert stop.value.code == 2 and "no CUDA device here; use --preset cpu" in capsys.readouterr().err


def test_grouped_weights_are_the_demodulated_layer():
    torch.manual_seed(0)
    layer = StyledLayer(3, 5, 4)
    layer.strength.data.fill_(0.5)
    inputs = torch.randn(2, 3, 8, 8), torch.randn(2, 4), torch.randn(2, 1, 8, 8)
    assert torch.allclose(layer(*inputs), architectures.grouped(layer, *inputs), atol=1e-5)


def test_the_architectures_are_compared(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(architectures, "SIZES", (8,))
    small = ["--widths", "64", "8", "--resolution", "8", "--batch", "4", "--rounds", "1"]
    assert architectures.main([*small, "--json", str(tmp_path / "out.json")]) == 0
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["step, images per CPU second"]["stylegan2, path length over stylegan1"] > 0
    assert result["grouped weights over scaled activations, bf16"].keys() == {"8 px"}
    assert "over stylegan1" in capsys.readouterr().out


def test_the_machine_is_described():
    assert conv_flops_per_second(4, 8, 2, torch.float32, CPU) > 0 and peak_rss_mb() > 10
    clock = Clock(CPU)
    clock.time("a", lambda: None, warm=True)
    clock.time("a", lambda: None)
    assert clock.rows()["a"]["calls"] == 1


def test_what_each_costs_is_told(capsys):
    assert step_cost.main(["--rounds", "1", "--widths", "128", "8", "--resolutions", "8"]) == 0
    said = capsys.readouterr().out
    assert all(f"s with {name}, ratio" in said for name in ("ada", "conditions", "unlabelled"))


def test_readings_of_the_leak_are_those_of_the_ellipses():
    """The reals themselves have the spread they were drawn with, and on the data the pipe widens it."""
    seen = augment_leak.readings(augment_leak.ellipses(2000, seed=3))
    expected = {"x": (3.5, 0.15), "y": (3.5, 0.15), "angle": (0.5, 0.06)}
    for name, (mean, spread) in expected.items():
        assert seen[name].mean() == pytest.approx(mean, abs=0.03), name
        assert seen[name].std() == pytest.approx(spread, rel=0.15), name


def test_the_generator_does_not_learn_the_augmentation():
    """A short training; benchmarks/augment_leak.py has the long one. On the data alone it is learnt: the control.

    The angle is left out: after so few steps it is 2.2 to 2.6 times as wide as the reals' without augmentation too.
    """
    before = augment_leak.leak("before D", p=0.6, steps=500, seed=0)
    control = augment_leak.leak("on the data", p=0.6, steps=500, seed=0)
    for name in ("x", "y", "brightness"):
        assert before[f"spread of {name}"] < 2 < control[f"spread of {name}"], name
        assert before[f"offset of {name}"] < 2, name


TINY_STEP = ["--resolution", "8", "--widths", "64", "8", "--batch", "4", "--rounds", "1"]


def test_one_size_beside_another_tree(capsys):
    assert train_step.main([*TINY_STEP, "--beside", str(REPO)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"this +[\d.]+ +[\d.]+ +[\d.]+ +\d+\nbeside", out) and "time beside / time here: " in out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--resolution", "100"], "invalid choice: 100"),
        ([*TINY_STEP, "--batch", "6"], "--batch: expected a multiple of 4 .*, got 6"),
        ([*TINY_STEP, "--beside", "/nowhere"], "--beside: expected a work tree of this project, got /nowhere"),
        ([*TINY_STEP, "--loss", "none"], "--loss: expected .*relativistic.*, got none"),
    ],
)
def test_one_size_refuses_in_one_line(asked, said, capsys):
    with pytest.raises(SystemExit) as left:
        train_step.main(asked)
    assert left.value.code == 2 and re.search(said, capsys.readouterr().err.splitlines()[-1])


def test_a_batch_that_does_not_fit_is_told_with_the_one_that_does(monkeypatch, capsys):
    monkeypatch.setattr(one_size.memory, "free_bytes", lambda: 2 * 2**30)
    with pytest.raises(SystemExit):
        train_step.main(["--resolution", "256", "--batch", "64"])
    fits = int(re.search(r"expected at most (\d+)$", capsys.readouterr().err.strip()).group(1))
    args = argparse.Namespace(batch=fits, beside=None, widths=(2048, 64), resolution=256, loss="hinge")
    assert fits % 4 == 0 and one_size.why_not(args) == ""
    args.batch += 4
    assert one_size.why_not(args)
    args.widths = (2**20, 2**12)
    assert "not even 4 fit" in one_size.why_not(args)
