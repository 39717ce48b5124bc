"""The means of a line of the log."""

from copy import deepcopy

import pytest
import torch
from run_tools import ADA, log_of

from progan_style.training.meter import Meter


def test_loss_d_in_the_log_is_the_mean_of_its_terms(make):
    """The penalty too: it counts once, in the steps that have it."""
    trainer, run_dir = make("run", "training.log_kimg=0.032")
    step, terms = trainer.step, []
    trainer.step = lambda *batch: terms.append(step(*batch)) or terms[-1]
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 32)
    total = sum(float(v) for t in terms for k, v in t.items() if k.startswith("D/"))
    assert any("D/penalty" in t for t in terms) and log_of(run_dir)[0]["loss_d"] == pytest.approx(total / 4, rel=1e-5)


def test_p_and_r_t_are_in_the_log(make):
    trainer, run_dir = make("run", *ADA)
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 48)
    lines = log_of(run_dir)
    assert [line["augment_p"] for line in lines][:2] == [0.0, 0.0]  # p is that of the step; it moved after 32 images
    assert all(-1 <= line["r_t"] <= 1 for line in lines)
    plain, plain_dir = make("plain")
    plain.run(plain_dir, stop=lambda: plain.state.nimg >= 16)
    assert "r_t" not in log_of(plain_dir)[0] and "augment_p" not in log_of(plain_dir)[0]


def test_means_are_per_step_and_a_line_begins_the_count_anew():
    meter = Meter(torch.device("cpu"))
    for loss, margin in ((1.0, torch.tensor(4.0)), (2.0, torch.tensor(6.0))):
        meter.count(loss=loss, margin=margin)
        meter.steps += 1
    meter.count(penalty=3.0)  # of one step in two: a lazy penalty counts as what it adds per step
    assert meter.means() == {"loss": 1.5, "margin": 5.0, "penalty": 1.5}
    meter.clear()
    assert meter.means() == {"loss": 0.0, "margin": 0.0, "penalty": 0.0} and meter.steps == 0


def test_sums_keep_no_graph_and_go_on_after_a_checkpoint():
    meter, again = Meter(torch.device("cpu")), Meter(torch.device("cpu"))
    weight = torch.ones((), requires_grad=True)
    meter.count(loss=2 * weight)
    meter.steps += 1
    assert not meter.sums["loss"].requires_grad
    again.load_state_dict(deepcopy(meter.state_dict()))
    for each in (meter, again):
        each.count(loss=4.0)
        each.steps += 1
    assert again.means() == meter.means() == {"loss": 3.0}


def test_over_ranks_the_mean_is_taken_of_each_sum(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "progan_style.training.meter.distributed.add", lambda sums, divide: seen.append((*sums, divide))
    )
    meter = Meter(torch.device("cpu"))
    meter.count(loss=2.0)
    meter.share()
    assert seen == [(2.0, True)]
