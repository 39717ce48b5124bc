"""What the label does, by every conditioning; its weight over time; conditions beside it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from progan_style import Condition, Trainer, conditions_in_words, draw_conditions, generate, load_generator
from progan_style.checkpoint import load_state
from progan_style.data.conditions import SliceConditions
from progan_style.networks import ARCHITECTURES
from progan_style.training.conditioning import CONDITIONINGS, scale_gradient
from progan_style.training.losses import LOSSES

PEOPLE = "data.conditions={slice_mm: position, age: number, sex: category}"


def moved(before, network):
    return {name for name, p in network.named_parameters() if not torch.equal(before[name], p)}


def weights(network):
    return {name: p.detach().clone() for name, p in network.named_parameters()}


# ---------------------------------------------------------------- identities


def test_a_scaled_gradient_leaves_the_value():
    x = torch.randn(3, requires_grad=True)
    for weight in (0.0, 0.25, 1.0):
        y = scale_gradient(x, torch.tensor(weight))
        assert torch.allclose(y, x)
        gradient = torch.autograd.grad(y.sum() + 0 * x.sum(), x)[0]
        assert torch.allclose(gradient, torch.full_like(x, weight))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_at_label_weight_0_the_label_counts_for_nothing(name):
    shared = {"num_classes": 3, "max_resolution": 8, "channel_base": 64, "channel_max": 8}
    G = ARCHITECTURES[name].Generator(**shared, z_dim=8, w_dim=8, mapping_depth=2, mapping_lr_mul=0.01).eval()
    D = ARCHITECTURES[name].Discriminator(**shared).eval()
    z = torch.randn(4, 8)
    zero, one = (Condition.of_labels(torch.full([4], k), 3) for k in (0, 1))
    images = torch.randn(4, 1, 8, 8)
    assert not torch.equal(G.mapping(z, zero), G.mapping(z, one)) and not torch.equal(D(images, zero), D(images, one))
    G.mapping.label_weight.fill_(0.0)
    D.label_weight.fill_(0.0)
    assert torch.equal(G.mapping(z, zero), G.mapping(z, one)) and torch.equal(D(images, zero), D(images, one))


def test_without_the_label_in_the_logit_there_is_no_embedding():
    D = ARCHITECTURES["stylegan1"].Discriminator(
        num_classes=2, max_resolution=8, channel_base=64, channel_max=8, in_logit=False
    )
    assert D.embed is None


# ---------------------------------------------------------------- training


def test_auxiliary_teaches_the_trunk_and_G_the_classes(make):
    trainer, _ = make("run", "conditioning.name=auxiliary")
    assert trainer.state.D.embed is None
    terms = trainer.step(*trainer.data.batch(0, 0, 8, 8))
    assert 0 < terms["G/class"] < 5
    only_class, _ = make("run", "conditioning.name=auxiliary")
    trainer.state.enter(trainer.schedule.at(0))
    before = weights(trainer.state.D)
    images, labels = torch.rand(8, 1, 8, 8), torch.arange(8) % 2
    trainer.state.D.zero_grad()
    features = trainer.state.D.features(images)
    F.cross_entropy(
        trainer.state.D.class_logits(scale_gradient(features, torch.tensor(trainer.recipe.class_weight))), labels
    ).backward()
    reached = {name for name, p in trainer.state.D.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(name.startswith("blocks.8") for name in reached) and "class_head.weight" in reached
    assert not moved(before, trainer.state.D) and only_class.recipe.generator_weight == 1.0


def test_class_weight_sends_the_head_s_gradient_into_the_trunk(make):
    """With class_weight the trunk moves otherwise than without; the terms of the first step are the same."""
    plain, _ = make()
    taught, _ = make("run", "conditioning.class_weight=0.5")
    batch = plain.data.batch(0, 0, 8, 8)
    first, second = plain.step(*batch), taught.step(*batch)
    assert all(torch.equal(first[key], second[key]) for key in first if key.startswith("D/"))
    ours, theirs = plain.state.D.state_dict(), taught.state.D.state_dict()
    different = {name for name in ours.keys() & theirs.keys() if not torch.equal(ours[name], theirs[name])}
    assert any(name.startswith("blocks") for name in different)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_any_loss_takes_any_conditioning_and_a_rising_label(make, conditioning, loss):
    trainer, run_dir = make(
        "run", f"loss.name={loss}", f"conditioning.name={conditioning}", "schedule.label_kimg=[0.016, 0.064]"
    )
    assert trainer.run(run_dir)
    assert trainer.state.G_ema.mapping.label_weight == 1.0
    assert load_generator(run_dir / "stage-008" / "generator.safetensors").mapping.label_weight == pytest.approx(0.5)


def test_until_the_label_rises_neither_network_hears_of_it(make):
    trainer, _ = make("run", "schedule.label_kimg=[0.040, 0.064]")
    before = weights(trainer.state.D) | {f"G.{k}": v for k, v in weights(trainer.state.G).items()}
    for _ in range(5):
        phase = trainer.schedule.at(trainer.state.nimg)
        assert phase.label_weight == 0.0
        trainer.step(*trainer.batch())
    assert torch.equal(before["embed.weight"], trainer.state.D.embed.weight)
    assert torch.equal(before["G.mapping.embed.weight"], trainer.state.G.mapping.embed.weight)
    trainer.state.nimg = 48
    assert trainer.schedule.at(48).label_weight == pytest.approx(1 / 3)


def test_a_conditioned_run_resumes_bit_for_bit(make, placed_root):
    settings = (
        "conditioning.name=auxiliary",
        "schedule.label_kimg=[0.016, 0.1]",
        "data.sampling=balanced",
        "data.conditions={slice_mm: position}",
    )
    whole, whole_dir = make("whole", *settings, root=placed_root)
    assert whole.run(whole_dir)
    first, cut_dir = make("cut", *settings, root=placed_root)
    assert not first.run(cut_dir, stop=lambda: first.state.nimg >= 64)
    second, _ = make("cut", *settings, root=placed_root)
    assert second.run(cut_dir)
    a, b = (load_state(d / "checkpoint.pt") for d in (whole_dir, cut_dir))
    for network in ("G", "D", "G_ema"):
        assert all(torch.equal(a[network][k], b[network][k]) for k in a[network])


# ---------------------------------------------------------------- balanced


def test_balanced_sampling_takes_the_classes_in_turn_and_is_pure(make):
    data = make()[0].data
    few = data.subset(np.concatenate([np.flatnonzero(data.labels == 0), np.flatnonzero(data.labels == 1)[:3]]))
    rows = few.indices(1, 0, 64, balanced=True)
    assert (few.labels[rows].reshape(32, 2).sum(axis=1) == 1).all()  # each round has both classes
    assert few.labels[rows[::2]].sum() == 16  # and so has every second image, which the path length looks at
    assert (few.indices(1, 20, 10, balanced=True) == rows[20:30]).all()
    of_zero = rows[few.labels[rows] == 0]
    count = int((few.labels == 0).sum())
    assert sorted(of_zero[:count]) == list(range(count))  # an epoch of the class is a permutation of it
    assert sorted(rows[few.labels[rows] == 1][:3]) == [count, count + 1, count + 2]


# ---------------------------------------------------------------- position


def test_positions_are_ranks_and_equal_heights_share_theirs(make, placed_root):
    data = make(root=placed_root)[0].data
    read = SliceConditions.read(data, {"slice_mm": "position"})
    assert set(np.round(read.rank, 6)) == {-0.5, 0.5}
    low, high = (np.flatnonzero(data.columns["slice_mm"] == x)[0] for x in ("6", "10"))
    assert read.of(np.array([low, high, low]), 0, torch.arange(3))[0].tolist() == [-0.5, 0.5, -0.5]
    position = read.described.position
    assert [position.encoded(x) for x in (6, 10)] == pytest.approx([-0.5, 0.5], abs=0.05)  # as it was trained


def test_a_generator_that_knows_positions(make, placed_root, tiny_run):
    trainer, run_dir = make("run", "data.conditions={slice_mm: position}", root=placed_root)
    assert trainer.run(run_dir)
    G = load_generator(run_dir / "stage-016" / "generator.safetensors")
    labels, seeds = torch.tensor([0, 1, 1]), torch.tensor([3, 3, 20])
    images = generate(G, labels, seeds)
    assert torch.equal(generate(G, labels[1:2], seeds[1:2]), images[1:2])  # whatever is asked for beside it
    low, high = (Condition.of(labels[:1], G.class_names, torch.tensor([x])) for x in (-1.0, 1.0))
    assert not torch.equal(generate(G, low, seeds[:1]), generate(G, high, seeds[:1]))
    without = load_generator(tiny_run.run_dir / "stage-016" / "generator.safetensors")
    with pytest.raises(ValueError, match="expected no position: this generator was trained without"):
        generate(without, low, seeds[:1])


def test_the_position_changes_the_logit(make, placed_root):
    D = make("run", "data.conditions={slice_mm: position}", root=placed_root)[0].state.D.eval()
    D.grow(8)
    images = torch.randn(1, 1, 8, 8)
    label = torch.tensor([0])
    low, middle, high = (D(images, Condition.of_labels(label, 2, torch.tensor([x]))) for x in (-1.0, 0.0, 1.0))
    assert not torch.equal(low, high)
    assert torch.equal(D(images, Condition.of_labels(label, 2)), middle)


def test_a_trainer_names_a_column_that_is_not_there(make, placed_root):
    with pytest.raises(ValueError, match=r"data.conditions: manifest.csv has no column 'slice'; did you mean slice_mm"):
        make("run", "data.conditions={slice: position}", root=placed_root)


# ---------------------------------------------------------------- numbers and categories


def test_a_run_with_people_in_it_resumes_bit_for_bit_and_tells_of_them_in_its_files(make, people_root, capsys):
    whole, whole_dir = make("whole", PEOPLE, root=people_root)
    assert whole.run(whole_dir)
    first, cut_dir = make("cut", PEOPLE, root=people_root)
    assert not first.run(cut_dir, stop=lambda: first.state.nimg >= 64)
    second, _ = make("cut", PEOPLE, root=people_root)
    assert second.run(cut_dir)
    a, b = (load_state(d / "checkpoint.pt") for d in (whole_dir, cut_dir))
    for network in ("G", "D", "G_ema"):
        assert all(torch.equal(a[network][k], b[network][k]) for k in a[network])
    G = load_generator(cut_dir / "stage-016" / "generator.safetensors")
    assert G.described == second.state.G_ema.described and [one.column for one in G.described.all] == [
        *("age", "sex", "slice_mm"),
    ]
    assert a["conditions"] == G.described.model_dump()
    drawn = draw_conditions(G, Condition.of_labels(torch.zeros(4).long(), 2), torch.arange(4))
    assert len(conditions_in_words(G, drawn)["age"]) == 4
    assert not torch.equal(generate(G, "AD", 0, given={"age": 62}), generate(G, "AD", 0, given={"age": 80}))


def test_a_run_does_not_go_on_with_other_ages(make, people_root, tmp_path):
    trainer, run_dir = make("run", PEOPLE, root=people_root)
    trainer.run(run_dir, stop=lambda: trainer.state.nimg >= 8)
    other, _ = make("run", PEOPLE, root=people_root)
    ages = other.data.columns["age"].copy()
    ages[0] = "61.5"
    other.data.columns["age"] = ages
    with pytest.raises(ValueError, match=r"the training slices are others than those of this run \(conditions differ"):
        Trainer(other.config, other.data).run(run_dir)
