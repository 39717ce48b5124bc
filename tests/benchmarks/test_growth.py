"""The growth check: its numbers on made-up losses, and that its control is what it says."""

import json

import pytest
import torch

from benchmarks import growth
from progan_style.training import step as step_module
from progan_style.training.schedule import Stage

BEFORE, GROWN = Stage(8, 0, 0, 1000), Stage(16, 1000, 500, 2000)


def made_up(jump, late=0.0):
    """A step each 5 images: 1.0 to 1.4 before the growth step, then higher by jump, by late from 4 % of the fade on."""
    loss = {n: 1.0 + 0.1 * (n // 5 % 5) for n in range(0, 1000, 5)}
    return loss | {n: 1.2 + (jump if n < 1020 else late) for n in range(1000, 1500, 5)}


@pytest.mark.parametrize("jump, late", ((0.0, 0.0), (0.8, 0.0), (-0.2, 0.8)))
def test_a_jump_is_measured_in_iqr_of_the_hold_before(jump, late):
    found = growth.jumps(made_up(jump, late), BEFORE, GROWN)
    assert found["hold"] == pytest.approx(1.2) and found["iqr"] == pytest.approx(0.2) and found["steps"] == 2
    assert found["first"] == pytest.approx(jump / 0.2)
    assert found["farthest"] == pytest.approx(max(jump, late, key=abs) / 0.2)


def test_the_control_sees_sharp_reals_and_keeps_its_moments(tiny_run, monkeypatch):
    torch.set_num_threads(1)
    seen, update = {}, step_module.update_D
    for name, make in growth.ARMS.items():
        trainer = make(tiny_run.config, tiny_run.data.train)
        reals = []

        def keep(state, recipe, batch, *rest, reals=reals):
            reals.append(batch.reals)
            return update(state, recipe, batch, *rest)

        monkeypatch.setattr(step_module, "update_D", keep)
        for nimg in (40, 48):  # the last step at 8 px, the first at 16 px: alpha is 0
            trainer.state.nimg = nimg
            images, labels = trainer.data.batch(0, nimg, 8, trainer.schedule.at(nimg).resolution)
            trainer.step(images, labels)
        sharp = images.float() / 127.5 - 1
        seen[name] = (
            torch.allclose(reals[-1], sharp, atol=1e-6),
            max(s["step"] for s in trainer.state.opt_D.state.values()),
        )
    assert seen == {"as it is": (False, 1), "control": (True, 2)}


def test_the_whole_check_runs(tiny_overlay, toy_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(growth, "CONFIG", tiny_overlay)
    rows = ["schedule.resolutions=[8,16]", f"data.root={toy_root}", "schedule.hold_kimg={8: 0.4, 16: 0}"]
    rows += ["schedule.fade_kimg={8: 0, 16: 0.4}", "schedule.lr_d.8=0.002"]
    settings = [argument for row in rows for argument in ("--set", row)]
    assert growth.main(["3", *settings, "--json", str(tmp_path / "rows.json")]) == 0
    found = json.loads((tmp_path / "rows.json").read_text())
    assert [(row["seed"], row["to"], row["arm"]) for row in found] == [(3, 16, "as it is"), (3, 16, "control")]
    assert found[0]["hold"] == found[1]["hold"] and "the check: " in capsys.readouterr().out
