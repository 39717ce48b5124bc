"""One step: what D and G are shown, and what must be equal however a step is made."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from run_tools import ADA, OF_ARCHITECTURE, same
from torch.utils._python_dispatch import TorchDispatchMode

from progan_style import Condition, Dataset, Trainer, load_config
from progan_style.networks import ARCHITECTURES, convolution
from progan_style.training.losses import LOSSES
from progan_style.training.step import Batch, Critic, CutOff, Inputs, backward_D, make_critic, make_fakes, parts_of


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
    slices = {resolution: np.zeros((2, 1, resolution, resolution), np.uint8)}
    trainer = Trainer(load_config(overrides=overrides), Dataset(slices, np.arange(2), np.full(2, ""), ("CN", "AD")))
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


def test_a_pixel_learns_up_to_black_and_white_and_comes_back_from_far_beyond():
    images = torch.tensor([-1.2, -1.05, -1.0, 0.5, 1.0, 1.05, 1.2], requires_grad=True)
    for g, slopes in ((1.0, [0, 0, 1, 1, 1, 0, 1]), (-1.0, [-1, 0, -1, -1, -1, 0, 0])):
        (slope,) = torch.autograd.grad(CutOff.apply(images), images, torch.full_like(images, g))
        assert slope.tolist() == slopes


def test_a_listening_class_head_sends_nothing_into_the_trunk(make, monkeypatch):
    """Without what it hears, everything of D is updated to the same bit."""
    heard, _ = make()
    batch = heard.data.batch(0, 0, 8, 8)
    heard.step(*batch)
    without, _ = make()
    monkeypatch.setattr(without.state.D, "track", lambda *given: None)
    without.step(*batch)
    same(dict(heard.state.D.named_parameters()), dict(without.state.D.named_parameters()))
    weights = (trainer.state.D.class_head.weight for trainer in (heard, without))
    assert [bool(weight.any()) for weight in weights] == [True, False]


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


@pytest.mark.parametrize("loss", LOSSES)
def test_real_pred_of_a_discriminator_that_says_1_to_all(make, loss):
    """In a penalised step, whose batch goes through in two parts, and in a plain one."""
    trainer, _ = make("run", f"loss.name={loss}")
    with torch.no_grad():
        for values in trainer.state.D.parameters():
            values.zero_()
        trainer.state.D.logit.bias.fill_(1.0)
    for nimg in (0, 8):
        trainer.state.nimg = nimg
        trainer.state.meter.clear()
        for group in trainer.state.opt_D.param_groups:
            group["params"] = []  # it stays as it is
        trainer.step(*trainer.data.batch(0, nimg, 8, 8))
        means = trainer.state.meter.means()
        assert means["real_pred"] == pytest.approx(1 / (1 + math.exp(-1)) if LOSSES[loss].has_zero else 0.5)
        assert means["margin"] == 0.0 and 0.0 <= means["real_class_acc"] <= 1.0


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


def test_a_lazy_penalty_is_multiplied_by_its_interval(make):
    penalties = []
    for interval in (1, 4):
        trainer, _ = make(f"run-{interval}", f"loss.penalty_interval={interval}")
        penalties.append(float(trainer.step(*trainer.batch())["D/penalty"]))
    assert penalties[1] == pytest.approx(4 * penalties[0], rel=1e-5)
    assert penalties[0] > 0


def test_D_sees_fakes_as_a_file_would_hold_them(make):
    """From black to white. Just beyond, G may leave a value where it is; far beyond it is pulled back, never out."""
    trainer, _ = make("run")
    state, phase = trainer.state, trainer.schedule.at(0)
    state.enter(phase)
    wide = torch.linspace(-3, 3, 64).reshape(1, 1, 8, 8).expand(8, 1, 8, 8).clone().requires_grad_()
    state.synthesis = lambda ws, noise: wide * 1.0
    fakes = make_fakes(state, trainer.recipe, torch.arange(8), trainer.batch()[1])
    assert fakes.min() == -1 and fakes.max() == 1
    for sign in (1.0, -1.0):  # of the gradient; a step goes against it
        wide.grad = None
        (sign * make_fakes(state, trainer.recipe, torch.arange(8), trainer.batch()[1])).sum().backward()
        pulled_back = (wide.abs() > 1.1) & (sign * wide > 0)
        assert torch.equal(wide.grad, sign * ((wide.abs() <= 1) | pulled_back))


def test_a_run_that_began_with_weights_keeps_their_average(make, tiny_run):
    trainer, _ = make("run", f"init={tiny_run.run_dir / 'checkpoint.pt'}", "training.ema_half_life_kimg=10")
    assert trainer.recipe.ema_keep(0, 5_000) == pytest.approx(0.5**0.5) == trainer.recipe.ema_keep(1_000_000, 5_000)
    trainer.state.start_from(tiny_run.run_dir / "checkpoint.pt")
    before = trainer.state.G_ema.const.clone()
    trainer.step(*trainer.batch())
    kept, new = trainer.state.G_ema.const, trainer.state.G.const
    assert (kept - before).abs().max() < 0.01 * (new - before).abs().max()


@pytest.mark.parametrize("weight", (0.0, 0.25, 1.0))
def test_the_class_head_believes_a_fakes_label_as_far_as_G_was_told_it(make, weight):
    """Its gradient from fakes: times the label's weight, so none before the label counts."""
    trainer, _ = make("run", "conditioning.name=auxiliary", "schedule.r1_gamma.8=0")
    state, phase = trainer.state, replace(trainer.schedule.at(0), label_weight=weight)
    state.enter(phase)
    labels, index = torch.arange(8) % 2, torch.arange(8)

    def gradient(fakes):
        batch = Batch(torch.zeros(8, 1, 8, 8), fakes, Condition.of_labels(labels, 2), index)
        state.opt_D.zero_grad()
        critic = make_critic(state, trainer.recipe, batch)
        backward_D(state, trainer.recipe, critic, batch, 0.0, 1.0)
        return state.D.class_head.weight.grad.clone(), critic

    (g, critic), (other, _) = (gradient(torch.rand(8, 1, 8, 8)) for _ in range(2))
    features = [f.detach() for f, _ in critic.seen]
    state.opt_D.zero_grad()
    of_both = [F.cross_entropy(state.D.class_logits(f), labels) for f in features]
    (of_both[0] + weight * of_both[1]).backward()
    assert torch.allclose(g, state.D.class_head.weight.grad, atol=1e-6)
    assert torch.equal(g, other) == (weight == 0)


def test_the_log_has_the_penalty_apart_from_the_pairing(make):
    trainer, _ = make("run")
    terms = trainer.step(*trainer.batch())
    means = trainer.state.meter.means()
    assert means["loss_d.penalty"] == pytest.approx(float(terms["D/penalty"])) and means["loss_d.penalty"] > 0
    assert means["loss_d"] == pytest.approx(means["loss_d.pairing"] + means["loss_d.penalty"], rel=1e-5)


def test_a_batch_for_D_has_all_images_in_order_and_no_graph_of_G():
    n = 8
    fakes = torch.arange(n, dtype=torch.float32, requires_grad=True).reshape(n, 1, 1, 1) * 1.0
    condition = Condition.of_labels(torch.arange(n) % 2, 2)
    batch = Batch(-torch.arange(n, dtype=torch.float32).reshape(n, 1, 1, 1), fakes, condition, torch.arange(n))
    for parts in (1, 2):
        made = batch.for_D(parts)
        assert [len(part.index) for part in made] == [n // parts] * parts
        assert torch.equal(torch.cat([part.index for part in made]), batch.index)
        for part in made:
            assert not part.fakes.requires_grad and torch.equal(part.fakes, -part.reals)
            assert torch.equal(part.fakes.flatten().long(), part.index)
            assert torch.equal(part.condition.labels, part.index % 2)
    assert fakes.requires_grad  # G's update still has it


def test_parts_have_whole_groups_of_the_minibatch_deviation():
    assert [parts_of(n) for n in (4, 8, 12, 16, 32)] == [1, 2, 1, 2, 2]


def test_the_average_keeps_half_after_a_half_life_which_is_short_at_the_start(make):
    trainer, _ = make("run", "training.ema_half_life_kimg=10", "training.ema_rampup=0.05")
    keep = trainer.recipe.ema_keep
    assert keep(1_000_000, 10_000) == pytest.approx(0.5) and keep(1_000_000, 5_000) == pytest.approx(0.5**0.5)
    assert keep(20_000, 1_000) == pytest.approx(0.5)  # 5 % of 20,000 images
    assert keep(0, 8) < 1e-6


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ((), [True, False]),
        (("network.name=stylegan2", *OF_ARCHITECTURE["stylegan2"], "schedule.r1_gamma.16=0"), [True, False]),
        (("network.name=stylegan2", "schedule.resolutions=[16]", "schedule.r1_gamma.16=0"), [False, False]),
    ],
    ids=("images' slopes", "path length", "neither"),
)
def test_what_is_differentiated_twice_has_convolutions_for_it_and_nothing_else_has(make, monkeypatch, options, passes):
    monkeypatch.setattr(convolution, "DEVICES", {"cpu"})
    made, gradient = [], convolution.Form.weight_gradient
    monkeypatch.setattr(convolution.Form, "weight_gradient", lambda *given: made.append(1) or gradient(*given))
    trainer, _ = make("run", *options)
    seen = []
    for _ in passes:
        trainer.step(*trainer.batch())
        seen.append(bool(made))
        made.clear()
    assert seen == passes


def test_inputs_that_are_kept_take_others_values_in_their_own_memory():
    """As a recorded step does: it reads the memory that it was recorded with."""

    def inputs(value: int) -> Inputs:
        condition = Condition.of(torch.tensor([value, 0]), ("CN", "AD"), torch.tensor([value / 2, 0.0]))
        images = torch.full((2, 1, 4, 4), value, dtype=torch.uint8)
        return Inputs(images, condition, torch.tensor([value, 7]), torch.tensor(value / 4))

    given, other = inputs(0), inputs(1)
    kept = given.clone()
    places = [tensor.data_ptr() for tensor in kept._tensors()]
    assert not set(places) & {tensor.data_ptr() for tensor in given._tensors()}
    kept.copy_(other)
    assert [tensor.data_ptr() for tensor in kept._tensors()] == places
    for mine, theirs, before in zip(kept._tensors(), other._tensors(), given._tensors(), strict=True):
        assert torch.equal(mine, theirs) and not torch.equal(mine, before)
