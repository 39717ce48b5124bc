"""What a step depends on, and what it does not: one thing is changed, and the same step is made again.

Gradients are those at the optimisers' steps, compared bit for bit. D may be held: then its update is left out, and what
reaches G's gradient reaches it by G's own loss.
"""

from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest
import torch

from progan_style import Condition, Dataset, Trainer, load_config, rng, to_float
from progan_style.networks import ARCHITECTURES
from progan_style.networks.discriminator import ListeningHead, TaughtHead
from progan_style.training.conditioning import CONDITIONINGS
from progan_style.training.losses import LOSSES

N = 8
SIZES = [
    *("schedule.resolutions=[8]", "schedule.hold_kimg={8: 0.048, 16: 0.048}", "schedule.fade_kimg.16=0.032"),
    *("schedule.batch_size={8: 8, 16: 8}", "network.channel_base=64", "network.channel_max=8"),
    *("network.z_dim=8", "network.w_dim=8", "network.mapping_depth=2"),
    *("loss.penalty_interval=4", "training.precision=fp32"),
]
SILENT = "schedule.label_kimg=[0.008, 0.04]"  # at the first step the label counts for nothing
CHANGED = ["augment.name=fixed", "augment.p=1.0"]
HEIGHT = "data.conditions={slice_mm: position}"
PEOPLE = "data.conditions={slice_mm: position, age: number, sex: category}"
HEAD = {"class_head.weight", "class_head.bias"}

of_architectures = pytest.mark.parametrize("architecture", ARCHITECTURES)
of_losses = pytest.mark.parametrize("loss", LOSSES)
of_conditionings = pytest.mark.parametrize("conditioning", CONDITIONINGS)


@dataclass
class Seen:
    """Gradients by name as the optimisers got them, the step's terms, and the trainer after it.

    A class head that only listens has no gradient: its weights stand there, as the step left them.
    """

    D: dict[str, torch.Tensor]
    G: dict[str, torch.Tensor]
    terms: dict[str, torch.Tensor]
    trainer: Trainer


def step(*overrides, nimg=0, images=None, labels=None, before=None, hold_D=False, steps=1):
    """The last of so many steps of a new trainer, always with the same weights.

    images, labels: what is fed instead of the batch; before: done to the trainer first.
    """
    torch.set_num_threads(1)
    trainer = Trainer(load_config(overrides=[*SIZES, *overrides]), slices())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for network in (trainer.state.G, trainer.state.D):  # a weight of 0 hides what it multiplies
            for p in network.parameters():
                p.add_(0.3 * torch.randn(p.shape, generator=generator))
        trainer.state.G_ema.load_state_dict(trainer.state.G.state_dict())
        if before:
            before(trainer)
    trainer.state.nimg = nimg
    gradients = {"D": {}, "G": {}}
    listen(trainer.state.opt_D, trainer.state.D, gradients["D"], hold_D)
    listen(trainer.state.opt_G, trainer.state.G, gradients["G"])
    for _ in range(steps):
        batch = trainer.batch()
        terms = trainer.step(batch[0] if images is None else images, batch[1] if labels is None else labels)
    assert gradients["D"] and gradients["G"]
    if isinstance(trainer.state.D.class_head, ListeningHead):
        gradients["D"] |= {name: trainer.state.D.state_dict()[name].clone() for name in HEAD}
    return Seen(**gradients, terms=terms, trainer=trainer)


def listen(optimizer, network, gradients, hold=False):
    """Copies the gradients whenever the optimiser steps."""
    update = optimizer.step

    def heard():
        gradients.update({name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None})
        if not hold:
            update()

    optimizer.step = heard


def slices(resolutions=(8, 16), n=24):
    """Noise of two classes, unequal in number, each slice at a height and an age of its own."""
    random = np.random.default_rng(0)
    return Dataset(
        levels={r: random.integers(0, 256, [n, 1, r, r]).astype(np.uint8) for r in resolutions},
        labels=(np.arange(n) % 3 == 0).astype(np.int64),
        subjects=np.array([""] * n),
        class_names=("CN", "AD"),
        columns={
            "slice_mm": np.array([str(i) for i in range(n)]),
            "age": np.array([str(2 * i) for i in range(n)]),
            "sex": np.array(["FM"[i // 2 % 2] for i in range(n)]),
        },
    )


def reals(seed=0, resolution=8):
    return torch.randint(0, 256, [N, 1, resolution, resolution], generator=torch.Generator().manual_seed(seed)).byte()


def other_numbers(*streams):
    """Within it these streams have other random numbers."""
    states = rng.image_states
    return mock.patch.object(
        rng, "image_states", lambda seed, stream, index: states(seed + 9 * (stream in streams), stream, index)
    )


def differ(a, b):
    """The names of the tensors that differ."""
    assert a.keys() == b.keys()
    return {name for name in a if not torch.equal(a[name], b[name])}


def weights(network):
    return dict(network.named_parameters())


def architecture_of(name, *overrides):
    return [f"network.name={name}", *overrides]


# ---------------------------------------------------------------- random numbers

# Stream, options, whose gradients have to change.
STREAMS = [
    ("latent", [], "DG"),
    ("noise", [], "DG"),
    ("mixing", ["training.style_mixing=1"], "DG"),  # all are mixed: the crossover moves
    ("mixing", ["training.style_mixing=0"], ""),
    ("augment", [], ""),
    ("augment", CHANGED, "DG"),
    ("augment", ["augment.name=ada"], ""),  # p begins at 0
    ("path", [], ""),
    ("position", [], ""),
    ("given", [PEOPLE], ""),
    ("unknown", [], ""),
    ("unknown", [PEOPLE], "DG"),
    *(("penalty", [f"loss.name={loss}"], "D" if loss == "wgan-gp" else "") for loss in LOSSES),
]


@of_architectures
@pytest.mark.parametrize(
    ("stream", "options", "hear"), STREAMS, ids=lambda x: x if isinstance(x, str) else " ".join(x) or "plain"
)
def test_other_random_numbers_change_what_they_are_for(architecture, stream, options, hear):
    options = architecture_of(architecture, *options)
    plain = step(*options, hold_D=True)
    with other_numbers(stream):
        other = step(*options, hold_D=True)
    for name in "DG":
        assert bool(differ(getattr(plain, name), getattr(other, name))) == (name in hear), name


def test_the_path_length_has_a_stream_of_its_own():
    options = architecture_of("stylegan2", "loss.path_length=2.0")
    plain = step(*options, hold_D=True)
    with other_numbers("path"):
        other = step(*options, hold_D=True)
    assert differ(plain.G, other.G) and not differ(plain.D, other.D)
    assert differ(plain.terms, other.terms) == {"G/path_length"}
    assert not differ(plain.D, step(*architecture_of("stylegan2"), hold_D=True).D)


@of_losses
def test_no_image_of_a_step_is_augmented_by_numbers_of_another_call(loss):
    """Of D's calls, of its parts, of G's, and of the next step; each call has a number of its own for the noise."""
    seen, states = [], rng.image_states

    def listening(seed, stream, index):
        if stream == "augment":
            seen.append(index.clone())
        return states(seed, stream, index)

    with mock.patch.object(rng, "image_states", listening):
        step(*CHANGED, f"loss.name={loss}", steps=2)
    of_D, of_G = 2, 2 if loss == "relativistic" else 1
    calls = 2 * (of_D + of_G) + (loss == "wgan-gp")  # the first step has the penalty, on images in between
    numbers = torch.cat(seen)
    assert len(numbers) == 2 * N * calls and len(numbers.unique()) == len(numbers)


@of_architectures
@pytest.mark.parametrize("part", ("latent", "label"))
def test_the_lengths_of_latents_and_embeddings_count_for_nothing(architecture, part):
    normal = rng.normal

    def longer(seed, stream, index, count):
        return normal(seed, stream, index, count) * (8.0 if stream == "latent" and part == "latent" else 1.0)

    def embed(trainer):
        trainer.state.G.mapping.embed.weight.mul_(8.0 if part == "label" else 1.0)

    options = architecture_of(architecture)
    plain = step(*options)
    with mock.patch.object(rng, "normal", longer):
        other = step(*options, before=embed)
    for name, gradient in plain.D.items():
        assert torch.allclose(gradient, other.D[name], rtol=1e-3, atol=1e-4 * gradient.abs().max().item()), name


# ---------------------------------------------------------------- labels


@of_architectures
@of_conditionings
def test_other_labels_change_the_class_head_and_the_embeddings(architecture, conditioning):
    options = architecture_of(architecture, f"conditioning.name={conditioning}")
    plain, other = step(*options, labels=torch.zeros(N).long()), step(*options, labels=torch.arange(N) % 2)
    embeddings = {"embed.weight"} if conditioning == "projection" else set()
    assert HEAD | embeddings <= differ(plain.D, other.D)
    assert "mapping.embed.weight" in differ(plain.G, other.G)


@of_architectures
@of_losses
@pytest.mark.parametrize("options", (["conditioning.class_weight=0.5"], ["conditioning.name=auxiliary"]))
def test_at_label_weight_0_labels_change_the_class_head_alone(architecture, loss, options):
    """But for the embeddings' own gradients, which are 0."""
    options = architecture_of(architecture, f"loss.name={loss}", *options)
    for silent in (True, False):
        now = [*options, SILENT] if silent else options
        plain, other = step(*now, labels=torch.zeros(N).long()), step(*now, labels=torch.arange(N) % 2)
        assert (differ(plain.D, other.D) == HEAD) == silent
        assert (differ(plain.G, other.G) == set()) == silent


@pytest.mark.parametrize(
    ("options", "trunk", "generator"),
    (
        (["conditioning.name=projection"], False, False),
        (["conditioning.name=projection", "conditioning.class_weight=0.5"], True, False),
        (["conditioning.name=auxiliary"], True, True),
        (["conditioning.name=auxiliary", "conditioning.class_weight=0"], False, True),
        (["conditioning.name=auxiliary", "conditioning.generator_weight=0"], True, False),
        (["conditioning.name=auxiliary", SILENT], False, False),
    ),
)
@of_architectures
def test_who_hears_the_class_head(architecture, options, trunk, generator):
    """Another class head changes D's trunk and G where the conditioning says so."""

    def another(trainer):
        weight = trainer.state.D.class_head.weight
        weight.mul_(-2.0).add_(torch.arange(2.0)[:, None])  # a listening one begins at 0

    options = architecture_of(architecture, *options)
    plain, other = step(*options, hold_D=True), step(*options, hold_D=True, before=another)
    changed = differ(plain.D, other.D)
    assert ("head.conv.weight" in changed) == trunk == bool(changed - HEAD)
    assert bool(changed & HEAD) == isinstance(plain.trainer.state.D.class_head, TaughtHead)  # the other is worked out
    assert bool(differ(plain.G, other.G)) == generator


@of_architectures
@of_losses
@of_conditionings
def test_the_class_head_hears_fakes_by_auxiliary_alone(architecture, loss, conditioning):
    options = architecture_of(architecture, f"loss.name={loss}", f"conditioning.name={conditioning}")
    plain = step(*options)
    with other_numbers("latent"):
        other = step(*options)
    assert (differ(plain.D, other.D) & HEAD == HEAD) == CONDITIONINGS[conditioning].fakes_too
    assert bool(differ(plain.D, other.D) & HEAD) == CONDITIONINGS[conditioning].fakes_too


def test_the_path_length_is_of_every_second_image_with_its_own_label():
    options = architecture_of("stylegan2", "loss.path_length=2.0")
    labels = torch.tensor([0, 1, 1, 0, 0, 0, 1, 1])
    plain = step(*options, labels=labels).terms["G/path_length"]
    for i in range(N):
        changed = labels.clone()
        changed[i] = 1 - changed[i]
        assert torch.equal(step(*options, labels=changed).terms["G/path_length"], plain) == (i % 2 == 1), i


# ---------------------------------------------------------------- positions


@of_architectures
@of_conditionings
@pytest.mark.parametrize("deaf", ("", "D", "G", "DG"))
def test_the_position_is_heard_by_each_network(architecture, conditioning, deaf):
    """Where the embedding of positions is 0 in one, the other still hears them; in both, nothing else does."""

    def deafen(trainer):
        for name, part in (("D", trainer.state.D), ("G", trainer.state.G.mapping)):
            for p in part.position.parameters():
                p.mul_(0.0 if name in deaf else 1.0)

    options = architecture_of(architecture, f"conditioning.name={conditioning}", HEIGHT)
    low, high = (Condition.of_labels(torch.arange(N) % 2, 2, torch.full([N], x)) for x in (-0.5, 0.5))
    plain, other = (step(*options, labels=labels, before=deafen, hold_D=True) for labels in (low, high))
    for name, changed in (("D", differ(plain.D, other.D)), ("G", differ(plain.G, other.G))):
        assert bool({x for x in changed if "position" not in x}) == (deaf != "DG"), name


@of_architectures
@pytest.mark.parametrize("column", (0, 1), ids=("age", "sex"))
@pytest.mark.parametrize("deaf", ("", "D", "G", "DG"))
def test_each_number_and_category_is_heard_by_each_network(architecture, column, deaf):
    def deafen(trainer):
        for name, part in (("D", trainer.state.D), ("G", trainer.state.G.mapping)):
            for p in list(part.conditions.values())[column].parameters():
                p.mul_(0.0 if name in deaf else 1.0)

    values = torch.stack([torch.linspace(-1, 1, N), (torch.arange(N) // 2 % 2).float()], dim=1)
    other = values.clone()
    other[:, column] = torch.tensor([0.7, 0.0])[column]
    labels = [Condition.of_labels(torch.arange(N) % 2, 2, torch.zeros(N), given) for given in (values, other)]
    options = architecture_of(architecture, PEOPLE)
    plain, changed = (step(*options, labels=given, before=deafen, hold_D=True) for given in labels)
    own = ("age", "sex")[column]
    for name, differing in (("D", differ(plain.D, changed.D)), ("G", differ(plain.G, changed.G))):
        assert bool({x for x in differing if f"conditions.of_{own}" not in x}) == (deaf != "DG"), name


@pytest.mark.parametrize("sampling", ("natural", "balanced"))
def test_a_slice_comes_with_its_own_label_and_conditions(sampling):
    """Each slice of this set is as bright as its row. A tenth of ages and sexes is unknown."""
    data, known = slices(), 0
    data.levels[8][:] = np.arange(len(data))[:, None, None, None]
    options = [PEOPLE, f"data.sampling={sampling}"]
    trainer = Trainer(load_config(overrides=[*SIZES, *options]), data)
    for trainer.state.nimg in (0, 8, 16, 24):
        images, condition = trainer.batch()
        rows = images[:, 0, 0, 0].long()
        assert torch.allclose(condition.position, 2.0 * (rows + 0.5) / len(data) - 1.0)
        age = (rows - (len(data) - 1) / 2) / (np.arange(len(data)).std())
        for said, own in zip(condition.values.unbind(dim=1), (age, rows // 2 % 2), strict=True):
            assert torch.allclose(said[~said.isnan()], own[~said.isnan()].float(), atol=1e-6)
            known += int((~said.isnan()).sum())
        assert condition.labels.tolist() == data.labels[rows].tolist()
        assert sampling == "natural" or condition.labels.sum() == N / 2
    assert 40 < known < 64


# ---------------------------------------------------------------- reals, and the order of things


@of_architectures
@of_losses
def test_reals_reach_G_by_the_pairing_alone(architecture, loss):
    options = architecture_of(architecture, f"loss.name={loss}")
    plain, other = (step(*options, images=reals(seed), hold_D=True) for seed in (0, 1))
    assert differ(plain.D, other.D) and bool(differ(plain.G, other.G)) == (loss == "relativistic")
    moved = [step(*options, images=reals(seed)) for seed in (0, 1)]
    assert differ(moved[0].G, moved[1].G)  # through D's update


@of_architectures
def test_each_rate_is_of_its_own_network(architecture):
    options = architecture_of(architecture)
    plain, of_G, of_D = (step(*options, *rate) for rate in ([], ["schedule.lr_g.8=0.01"], ["schedule.lr_d.8=0.01"]))
    assert not differ(plain.D, of_G.D) and not differ(plain.D, of_D.D)
    assert not differ(plain.G, of_G.G) and differ(plain.G, of_D.G)  # G's gradient is taken through D after its update
    assert not differ(weights(plain.trainer.state.D), weights(of_G.trainer.state.D))
    assert differ(weights(plain.trainer.state.D), weights(of_D.trainer.state.D))
    assert differ(weights(plain.trainer.state.G), weights(of_G.trainer.state.G))
    held = [step(*options, *rate, hold_D=True) for rate in ([], ["schedule.lr_d.8=0.01"])]
    assert not differ(*(weights(seen.trainer.state.G) for seen in held))


@of_architectures
def test_gradients_of_before_count_for_nothing(architecture):
    def dirty(trainer):
        for network in (trainer.state.G, trainer.state.D):
            for p in network.parameters():
                p.grad = torch.ones_like(p)

    options = architecture_of(architecture)
    clean, seen = step(*options), step(*options, before=dirty)
    for name in "DG":
        before, after = getattr(clean, name), getattr(seen, name)
        assert not differ(before, {key: after[key] for key in before})


@of_architectures
def test_the_average_hears_G_after_its_update_and_nobody_hears_the_average(architecture):
    def another(trainer):
        for p in trainer.state.G_ema.parameters():
            p.add_(1.0)

    options = architecture_of(architecture, "training.ema_rampup=1")
    plain, other = step(*options), step(*options, before=another)
    assert not differ(plain.D, other.D) and not differ(plain.G, other.G)
    for name in "DG":
        assert not differ(weights(getattr(plain.trainer.state, name)), weights(getattr(other.trainer.state, name)))
    faster = step(*options, "schedule.lr_g.8=0.01")
    moved = differ(weights(plain.trainer.state.G_ema), weights(faster.trainer.state.G_ema))
    assert moved == differ(weights(plain.trainer.state.G), weights(faster.trainer.state.G)) != set()


@pytest.mark.parametrize(("nimg", "kept"), ((8, 0.5), (32, 0.5**0.5)))
def test_the_average_forgets_faster_at_the_start(nimg, kept):
    """Half-lives of 8 images, as many as were seen, and of 16, as configured."""

    def away(trainer):
        for p in trainer.state.G_ema.parameters():
            p.add_(100.0)

    options = ["training.ema_rampup=1", "training.ema_half_life_kimg=0.016"]
    trainer = step(*options, nimg=nimg, before=away).trainer
    far = (trainer.state.G_ema.const - trainer.state.G.const) / 100.0
    assert torch.allclose(far, torch.full_like(far, kept), atol=1e-3)


@of_losses
def test_a_penalty_counts_times_its_interval(loss):
    """On average over the steps it is then what it is without laziness."""
    every, fourth = (step(f"loss.name={loss}", f"loss.penalty_interval={k}").terms for k in (1, 4))
    assert torch.allclose(4 * every["D/penalty"], fourth["D/penalty"]) and every["D/penalty"] > 0
    assert "D/penalty" not in step(f"loss.name={loss}", nimg=8).terms


@of_architectures
@of_losses
def test_a_penalty_hears_the_images_that_it_is_on(architecture, loss):
    """R1 the reals, with R2 the fakes too, and between them both."""
    options = architecture_of(architecture, f"loss.name={loss}")
    plain, other = (step(*options, images=reals(seed)).terms["D/penalty"] for seed in (0, 1))
    with other_numbers("latent"):
        faked = step(*options, images=reals(0)).terms["D/penalty"]
    assert not torch.equal(plain, other)
    assert torch.equal(plain, faked) == (loss in ("logistic", "hinge"))


def test_the_path_length_counts_times_its_interval():
    options = architecture_of("stylegan2", "loss.path_length=2.0")
    every, fourth = (step(*options, f"loss.path_length_interval={k}").terms["G/path_length"] for k in (1, 4))
    assert torch.allclose(4 * every, fourth) and every > 0


@of_architectures
@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "relativistic"])
def test_groups_of_four_images_hear_nothing_of_each_other(architecture, loss):
    """The mean over the batch is then a sum over its groups of what each is alone."""
    options = architecture_of(architecture, f"loss.name={loss}", "schedule.r1_gamma.8=0")
    a, b = reals(0), reals(1) // 4

    def real(first, second):
        seen = step(*options, images=torch.cat([first[:4], second[4:]]), labels=torch.zeros(N).long())
        return seen.terms["D/real"].double()

    whole, crossed = real(a, a) + real(b, b), real(a, b) + real(b, a)
    assert torch.allclose(whole, crossed, rtol=1e-5) and not torch.allclose(real(a, a), real(b, b), rtol=1e-2)


@of_losses
def test_p_follows_the_reals(loss):
    """Black reals lie as far above 0 as white fakes below it: r_t is 1, and p rises."""
    black, labels = torch.zeros(N, 1, 8, 8).byte(), torch.zeros(N).long()

    def tell(trainer):
        last, D = trainer.state.G.blocks["8"].to_image, trainer.state.D
        last.weight.zero_()
        last.bias.fill_(1.0)
        real, fake = (
            D(images, Condition.of_labels(labels, 2)).mean() for images in (to_float(black), torch.ones(N, 1, 8, 8))
        )
        D.logit.bias.sub_((real + fake) / 2)
        for p in (D.logit.weight, D.logit.bias, D.embed.weight):
            p.mul_(100 * (real - fake).sign())

    options = ["augment.name=ada", "augment.half_time_kimg=0.1", *("schedule.lr_d.8=1e-9", "schedule.lr_g.8=1e-9")]
    seen = step(f"loss.name={loss}", *options, images=black, labels=labels, before=tell, steps=4)
    assert seen.trainer.state.augment.p.item() == pytest.approx(4 * N / 200)


# ---------------------------------------------------------------- growth

GROWTH = {48: 0.0, 56: 0.25, 80: 1.0}  # images seen, alpha


def black_or_white(turned):
    """Slices whose 2x2 blocks all keep their mean when their rows change places; their means are exact."""
    images = 255 * (reals(3, 16) > 127).byte()
    return images.reshape(N, 1, 8, 2, 16).flip(3).reshape(N, 1, 16, 16) if turned else images


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("augment", ([], CHANGED), ids=("plain", "augmented"))
@pytest.mark.parametrize("nimg", GROWTH)
def test_what_is_finer_than_the_networks_is_not_in_the_reals(architecture, augment, nimg):
    """At alpha 0; augmented slices tell it best, whose pixels lie in other blocks."""
    options = architecture_of(architecture, "schedule.resolutions=[8,16]", *augment)
    plain, other = (step(*options, nimg=nimg, images=black_or_white(turned)) for turned in (False, True))
    assert plain.trainer.state.G.resolution == 16
    assert (not differ(plain.D, other.D)) == (GROWTH[nimg] == 0.0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("nimg", GROWTH)
def test_the_newest_blocks_learn_nothing_at_alpha_0(architecture, nimg):
    seen = step(*architecture_of(architecture, "schedule.resolutions=[8,16]"), nimg=nimg)
    for gradients in (seen.D, seen.G):
        newest = [gradient for name, gradient in gradients.items() if name.startswith("blocks.16.")]
        assert newest and any(gradient.any() for gradient in newest) == (GROWTH[nimg] > 0)
