"""The state of a run: its rates, moments and average, and the weights that it may begin with."""

from copy import deepcopy

import pytest
import torch
from network_tools import people
from run_tools import ADA, OF_ARCHITECTURE, same

from progan_style import Condition, Conditions, Trainer, load_config
from progan_style.checkpoint import load_state
from progan_style.networks import ARCHITECTURES
from progan_style.training.state import Average, network_arguments

POSITIONS = "data.conditions={slice_mm: position}"
PEOPLE = "data.conditions={slice_mm: position, age: number, sex: category}"


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
    trainer.state.average.update(torch.tensor(trainer.recipe.ema_keep(8, 8)))
    weight, kept = trainer.state.G.const, trainer.state.G_ema.const
    assert torch.allclose(kept, weight / 2)


def test_each_optimiser_has_its_own_rate(make):
    trainer, _ = make("run", "schedule.lr_g.8=0.001", "schedule.lr_d.8=0.002")
    trainer.step(*trainer.batch())
    assert {group["lr"] for group in trainer.state.opt_G.param_groups} == {0.001}
    assert {group["lr"] for group in trainer.state.opt_D.param_groups} == {0.002}


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
    assert "the networks begin with" in capsys.readouterr().out
    trainer, _ = make("run", f"init={path}")  # the same command again: the run's own checkpoint counts
    assert trainer.run(run_dir, until=8)
    assert trainer.state.nimg == 48


@pytest.mark.parametrize("new", (("data.classes=[AD, CN]",), ("data.classes=[CN]", POSITIONS), (POSITIONS,), (PEOPLE,)))
def test_conditions_that_are_new_leave_the_images_as_they_are(make, people_root, new, capsys):
    """From one class to two, to positions, to people: at the first image both networks are the old ones."""
    one, run_dir = make("one", "data.classes=[CN]", "schedule.hold_kimg.8=0.2", root=people_root)
    while one.state.nimg < 80:
        one.step(*one.batch())
    one.run(run_dir, stop=lambda: True)
    capsys.readouterr()
    two, _ = make("two", *new, root=people_root)
    two.state.start_from(run_dir / "checkpoint.pt")
    z, images = torch.randn(6, two.state.G.mapping.z_dim), torch.rand(6, 1, 8, 8)
    n, labels = len(two.config.data.classes), torch.zeros(6).long()
    position = torch.linspace(-1, 1, 6) if two.state.described.position else None
    values = torch.tensor([[0.0, 1.0], [1.5, 0.0], [float("nan")] * 2] * 2) if new == (PEOPLE,) else None
    here, there = Condition.of_labels(labels, n, position, values), Condition.of_labels(labels, 1)
    for ours, theirs in ((two.state.G, one.state.G), (two.state.G_ema, one.state.G_ema)):
        ours.grow(8), theirs.grow(8)
        made = (G.synthesis(G.mapping(z, given)) for G, given in ((ours, here), (theirs, there)))
        assert torch.allclose(*made, atol=1e-5)
    two.state.D.grow(8), one.state.D.grow(8)
    assert torch.allclose(two.state.D.eval()(images, here), one.state.D.eval()(images, there), atol=1e-6)
    said = capsys.readouterr().out
    assert (
        ("new here: " in said) and ("class AD" in said) == (n == 2) and ("positions" in said) == (position is not None)
    )
    assert ("condition age, condition sex" in said) == (values is not None)
    assert "weight" not in said and "begin anew" not in said


def test_a_category_goes_by_its_name_into_another_run(make, people_root):
    """From F and M to F, M and X, where a slice more is known of: rows by name, the unknown is the unknown."""
    theirs, run_dir = make("theirs", PEOPLE, root=people_root)
    theirs.run(run_dir, stop=lambda: theirs.state.nimg >= 8)
    config, data = theirs.config, theirs.data
    sexes = data.columns["sex"].astype(object)
    sexes[0] = "A"
    data.columns["sex"] = sexes
    mine = Trainer(config, data)
    assert mine.state.described.others[1].names == ["A", "F", "M"]
    fresh = weights_of(mine.state.D)
    mine.state.start_from(run_dir / "checkpoint.pt")
    for network, name in (("D", "conditions.of_sex.table"), ("G", "mapping.conditions.of_sex.table")):
        ours, old = (getattr(t.state, network).state_dict()[name] for t in (mine, theirs))
        assert torch.equal(ours[1:], old)
    assert torch.equal(mine.state.D.state_dict()["conditions.of_sex.table"][0], fresh["conditions.of_sex.table"][0])


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


def test_weights_that_do_not_fit_are_refused(make, tiny_run):
    trainer, _ = make("run", "network.channel_base=80", "network.channel_max=5", "network.w_dim=6", "network.z_dim=6")
    with pytest.raises(
        ValueError, match=r"do not fit \(network.z_dim: here 6, there 8; network.w_dim: here 6, there 8; "
    ):
        trainer.state.start_from(tiny_run.run_dir / "checkpoint.pt")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_all_that_a_step_changes_is_kept(make, name):
    """One state after two steps, another built anew and given its checkpoint: the next step is the same one."""
    options = (f"network.name={name}", *OF_ARCHITECTURE[name], *ADA)
    first, _ = make("run", *options)
    for _ in range(2):
        first.step(*first.batch())
    second, _ = make("run", *options, "seed=7")  # other weights, which the checkpoint replaces
    second.recipe, second.data = first.recipe, first.data
    assert not torch.equal(second.state.G.state_dict()["const"], first.state.G.state_dict()["const"])
    second.state.load_state_dict(deepcopy(first.state.state_dict()))
    same(first.state.state_dict(), second.state.state_dict())
    batch = first.batch()
    for trainer in (first, second):
        trainer.step(*batch)
    same(first.state.state_dict(), second.state.state_dict())


def test_the_average_keeps_its_share_and_takes_buffers_as_they_are(make):
    trainer, _ = make()
    G, kept = trainer.state.G, trainer.state.G_ema
    with torch.no_grad():
        for p in kept.parameters():
            p.zero_()
        for b in G.buffers():
            b.fill_(3)
    Average(kept, G).update(torch.tensor(0.9))
    for name, p in kept.named_parameters():
        assert torch.allclose(p, 0.1 * dict(G.named_parameters())[name], atol=1e-7), name
    assert all((b == 3).all() for b in kept.buffers() if b.dtype.is_floating_point)


def test_the_networks_have_the_sizes_of_the_configuration():
    config = load_config(overrides=["network.w_dim=6", "schedule.resolutions=[8,16]", "data.classes=[A, B, C]"])
    arguments = network_arguments(config, people().described)
    for kind in ("generator", "discriminator"):
        assert arguments[kind] | {"num_classes": 3, "max_resolution": 16, "positions": True} == arguments[kind]
        assert arguments[kind]["conditions"] == {"age": 0, "sex": 2}
        assert arguments[kind]["channel_max"] == config.network.channel_max
    assert arguments["generator"]["w_dim"] == 6 and "w_dim" not in arguments["discriminator"]
    assert "in_logit" not in arguments["generator"] and arguments["discriminator"]["in_logit"] is True
    auxiliary = load_config(overrides=["conditioning.name=auxiliary"])
    assert network_arguments(auxiliary, Conditions())["discriminator"]["in_logit"] is False


def test_a_class_head_of_another_kind_begins_anew(make, tiny_run, capsys):
    """A linear discriminant on raw features and a layer on standardised ones have tensors of the same names."""
    path = tiny_run.run_dir / "checkpoint.pt"
    fresh, _ = make("fresh", "conditioning.name=auxiliary")
    trainer, run_dir = make("run", f"init={path}", "conditioning.name=auxiliary")
    assert not trainer.run(run_dir, stop=lambda: True)
    mine, theirs = weights_of(trainer.state.D), weights_of(fresh.state.D)
    for name in (name for name in mine if name.startswith("class_head.")):
        assert torch.equal(mine[name], theirs[name]), name
    before = load_state(path)["D"]
    kept = [name for name in before if name in mine and not name.startswith("class_head.")]
    assert len(kept) > 5 and all(torch.equal(mine[name], before[name]) for name in kept)
    assert "of D begin anew: class_head.weight" in capsys.readouterr().out
