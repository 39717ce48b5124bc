"""The growth check: where it measures, that each control is what it says, and the table of its rows."""

import json

import pytest
import torch

from benchmarks import growth
from progan_style import GrowthSchedule, load_config
from progan_style.training import step as step_module


def each(*values):
    return dict(zip((8, 16, 32), values, strict=True))


def test_points_are_whole_batches_at_shares_of_each_fade():
    schedule = GrowthSchedule(
        resolutions=[8, 16, 32],
        fade_kimg=each(0, 0.08, 0.04),
        hold_kimg=each(0.04, 0.04, 0.02),
        batch_size=each(8, 8, 4),
        lr_g=each(1, 1, 1),
        lr_d=each(1, 1, 1),
        r1_gamma=each(1, 1, 1),
    )
    assert growth.points(schedule) == [
        (16, 40, "0"),
        (16, 48, "0.1"),
        (16, 56, "0.25"),  # 60 is no whole batch
        (16, 80, "0.5"),
        (16, 120, "1"),
        (16, 160, "end"),
        (32, 160, "0"),
        (32, 164, "0.1"),
        (32, 168, "0.25"),
        (32, 180, "0.5"),
        (32, 200, "1"),
        (32, 220, "end"),
    ]


def test_the_stages_of_all_arms_end_alike():
    """Fade and hold are rounded to whole batches each, which a stage of one piece is not."""
    config = load_config(overlay=growth.CONFIG, overrides=growth.SHORT)
    stages = [
        GrowthSchedule(**growth.faded(config, share).schedule.model_dump()).stages
        for share in sorted({share for _, share in growth.ARMS.values()})
    ]
    assert [s.end for s in stages[0]] == [s.end for s in stages[1]] == [s.end for s in stages[2]]
    # A tenth in whole batches: 31 of 64, 62 of 32 twice, 125 of 16 twice
    assert [sum(s.fade for s in of) for of in stages] == [0, 9952, 100032]


def test_each_control_takes_one_thing_away(tiny_run, monkeypatch):
    torch.set_num_threads(1)
    seen, update = {}, step_module.update_D
    for name, (make, share) in growth.ARMS.items():
        trainer = make(growth.faded(tiny_run.config, share), tiny_run.data.train)
        reals = []

        def keep(state, recipe, batch, *rest, reals=reals):
            reals.append(batch.reals)
            return update(state, recipe, batch, *rest)

        monkeypatch.setattr(step_module, "update_D", keep)
        for nimg in (40, 48):  # the last step at 8 px, the first at 16 px: alpha is 0
            trainer.state.nimg = nimg
            images, labels = trainer.data.batch(0, nimg, 8, trainer.schedule.at(nimg).resolution)
            trainer.step(images, labels)
        sharp = torch.allclose(reals[-1], images.float() / 127.5 - 1, atol=1e-6)
        moments = max(s["step"] for s in trainer.state.opt_D.state.values())
        seen[name] = (sharp, moments, trainer.schedule.at(48).alpha, trainer.schedule.total)
    total = seen["as-it-is"][3]
    assert seen == {
        "as-it-is": (False, 1, 0.0, total),
        "sharp-reals": (True, 1, 0.0, total),
        "moments-kept": (False, 2, 0.0, total),
        "short-fade": (True, 1, 1.0, total),  # a tenth of four batches is none
        "no-fade": (True, 1, 1.0, total),
    }


@pytest.mark.parametrize("arm", growth.ARMS)
def test_a_run_is_measured_at_its_points(tiny_run, arm):
    torch.set_num_threads(1)
    sizes = []

    def measure(trainer):
        sizes.append((trainer.state.G_ema.resolution, float(trainer.state.G_ema.weight)))
        return {"kid": 1.0, "octave": 2.0}

    rows = list(growth.run(arm, tiny_run.config, tiny_run.data, measure))
    assert [row["at"] for row in rows] == ["0", "0.1", "0.25", "0.5", "1", "end"]
    assert [row["nimg"] for row in rows] == [nimg for _, nimg, _ in growth.points(as_it_is(tiny_run))]
    assert "margin" not in rows[0] and all(row["margin"] != 0 for row in rows[1:] if row["nimg"] > rows[0]["nimg"])
    assert {r for r, _ in sizes} == {16} and sizes[-1] == (16, 1.0)
    assert sizes[0][1] == (1.0 if arm in ("short-fade", "no-fade") else 0.0)


def test_a_run_goes_on_from_the_last_size_that_it_has(tiny_run, tmp_path):
    torch.set_num_threads(1)

    def measure(trainer):
        return {"sum": float(sum(weight.abs().sum() for weight in trainer.state.G_ema.parameters()))}

    config = tiny_run.config
    both = list(growth.run("as-it-is", config, tiny_run.data, measure, tmp_path / "state"))
    kept = growth.load_state(tmp_path / "state")
    assert kept["nimg"] == both[-1]["nimg"]
    trainer = growth.Trainer(config, tiny_run.data.train)
    while trainer.state.nimg < growth.GrowthSchedule(**config.schedule.model_dump()).stages[0].end:
        trainer.step(*trainer.batch())
    growth.save_state(tmp_path / "at-8", trainer.state.state_dict(), keep=False)
    assert list(growth.run("as-it-is", config, tiny_run.data, measure, tmp_path / "at-8")) == both
    assert list(growth.run("as-it-is", config, tiny_run.data, measure, tmp_path / "at-8")) == []

    kept = trainer.state.state_dict()  # as of a run to 8 px, which has no block of 16
    smaller = {name: {k: v for k, v in kept[name].items() if ".16." not in k} for name in growth.NETWORKS}
    assert len(smaller["G"]) < len(kept["G"]) and len(smaller["D"]) < len(kept["D"])
    growth.save_state(tmp_path / "of-8", kept | smaller, keep=False)
    assert list(growth.run("as-it-is", config, tiny_run.data, measure, tmp_path / "of-8")) == both


def as_it_is(tiny_run):
    return growth.Trainer(tiny_run.config, tiny_run.data.train).schedule


def test_the_table_has_a_mean_and_the_seeds(tmp_path, capsys):
    rows = [
        {"arm": arm, "seed": seed, "to": 16, "at": "0.5", "nimg": 8, "kid": kid, "octave": 1.0, "margin": 0.5}
        for arm, seed, kid in (("as-it-is", 0, 1.0), ("as-it-is", 1, 2.0), ("no-fade", 0, 3.0))
    ]
    del rows[2]["margin"]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert growth.main(["--table", "--rows", str(tmp_path / "rows.jsonl")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| to px | at | measure | as-it-is | no-fade |"
    assert lines[2] == "| 16 | 0.5 | kid | 1.500 (1.000, 2.000) | 3.000 |"
    assert lines[4].endswith("0.500 (0.500, 0.500) |  |")
