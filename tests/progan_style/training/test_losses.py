import math

import pytest
import torch
import torch.nn.functional as F

from progan_style.training.losses import DRIFT, LOSSES, slopes

HALF = torch.full((6,), 0.5)


def linear_critic(weight):
    return lambda images: (images * weight).sum(dim=(1, 2, 3))


def nothing(images):
    return torch.zeros(len(images))


def discriminator(name, critic, reals, fakes, gamma=0.0):
    return LOSSES[name]().discriminator(critic, reals, fakes, gamma, HALF[: len(reals)])


@pytest.mark.parametrize(("name", "penalised"), (("logistic", 1), ("hinge", 1), ("relativistic", 2)))
def test_the_slope_of_a_linear_critic_is_its_norm(name, penalised):
    """Half of gamma times the squared norm, for reals, and for fakes where R2 is in the loss."""
    weight = torch.randn(1, 4, 4)
    terms = discriminator(name, linear_critic(weight), torch.randn(6, 1, 4, 4), torch.randn(6, 1, 4, 4), gamma=3.0)
    assert terms["penalty"].item() == pytest.approx(penalised * 1.5 * weight.square().sum().item(), rel=1e-5)


@pytest.mark.parametrize(("slope", "penalty"), ((1.0, 0.0), (3.0, 10 * 4.0)))
def test_wgan_gp_wants_slope_one(slope, penalty):
    weight = torch.full((1, 4, 4), slope / 4)
    terms = discriminator("wgan-gp", linear_critic(weight), torch.randn(6, 1, 4, 4), torch.randn(6, 1, 4, 4), gamma=10)
    assert terms["penalty"].item() == pytest.approx(penalty, abs=1e-4)


def test_wgan_gp_looks_between_its_images_by_u():
    seen = []

    def critic(images):
        seen.append(images)
        return images.square().sum(dim=(1, 2, 3))

    u = torch.tensor([0.0, 0.25, 1.0])
    LOSSES["wgan-gp"]().discriminator(critic, torch.ones(3, 1, 2, 2), -torch.ones(3, 1, 2, 2), 1.0, u)
    assert torch.equal(seen[2][:, 0, 0, 0], torch.tensor([-1.0, -0.5, 1.0]))


def test_values_of_a_critic_that_cannot_tell():
    images = torch.randn(4, 1, 4, 4)
    expected = {
        "logistic": (math.log(4), math.log(2)),
        "relativistic": (math.log(2), math.log(2)),
        "wgan-gp": (0.0, 0.0),
        "hinge": (2.0, 0.0),
    }
    assert expected.keys() == LOSSES.keys()
    for name, (of_d, of_g) in expected.items():
        assert sum(discriminator(name, nothing, images, images).values()).item() == pytest.approx(of_d)
        assert LOSSES[name]().generator(nothing, images, images)["fooling"].item() == pytest.approx(of_g)


def test_each_fake_is_paired_with_the_real_beside_it():
    reals, fakes = (torch.tensor(x).view(3, 1, 1, 1) for x in ([2.0, 0.0, -1.0], [-0.5, 1.0, 3.0]))

    def critic(images):
        return images.mean(dim=(1, 2, 3))

    gains = [-2.5, 1.0, 4.0]  # of each fake over its real
    pairing = discriminator("relativistic", critic, reals, fakes)["pairing"].item()
    assert pairing == pytest.approx(sum(math.log1p(math.exp(x)) for x in gains) / 3)
    fooling = LOSSES["relativistic"]().generator(critic, reals, fakes)["fooling"].item()
    assert fooling == pytest.approx(sum(math.log1p(math.exp(-x)) for x in gains) / 3)


def test_values_by_hand():
    """Logits 2 for reals, -0.5 for fakes."""
    reals, fakes = torch.full((2, 1, 2, 2), 2.0), torch.full((2, 1, 2, 2), -0.5)

    def critic(images):
        return images.mean(dim=(1, 2, 3))

    def both(name):
        of_d = {k: v.item() for k, v in discriminator(name, critic, reals, fakes).items()}
        return of_d, LOSSES[name]().generator(critic, reals, fakes)["fooling"].item()

    assert both("hinge") == ({"real": 0.0, "fake": 0.5}, 0.5)
    assert both("wgan-gp") == ({"real": -2.0, "fake": -0.5, "drift": pytest.approx(4 * DRIFT)}, 0.5)
    assert both("relativistic") == (
        {"pairing": pytest.approx(math.log1p(math.exp(-2.5)))},
        pytest.approx(math.log1p(math.exp(2.5))),
    )


@pytest.mark.parametrize("name", LOSSES)
def test_no_penalty_without_gamma(name):
    terms = discriminator(name, linear_critic(torch.ones(1, 4, 4)), torch.randn(4, 1, 4, 4), torch.randn(4, 1, 4, 4))
    assert "penalty" not in terms


@pytest.mark.parametrize("name", LOSSES)
def test_reals_are_what_the_critic_sees_first(name):
    reals, seen = torch.randn(4, 1, 4, 4), []

    def critic(images):
        seen.append(images)
        return images.square().sum(dim=(1, 2, 3))

    discriminator(name, critic, reals, torch.randn(4, 1, 4, 4), gamma=1.0)
    assert torch.equal(seen[0], reals)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_the_whole_loss_against_finite_differences(name):
    """By the weights of a critic that bends, penalty included."""
    torch.manual_seed(0)
    reals, fakes = torch.randn(2, 3, 1, 4, 4, dtype=torch.float64)
    weight = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)

    def total(w):
        def critic(images):
            return F.softplus(F.conv2d(images, w)).sum(dim=(1, 2, 3)) - 2.5

        u = torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64)
        return sum(LOSSES[name]().discriminator(critic, reals, fakes, 2.0, u).values())

    assert torch.autograd.gradcheck(total, [weight])


def test_slopes_are_per_image():
    images = torch.tensor([1.0, 2.0, 3.0])[:, None, None, None].expand(3, 1, 2, 2).clone().requires_grad_()
    assert torch.allclose(slopes(images.square().sum(dim=(1, 2, 3)), images), 16 * torch.tensor([1.0, 4.0, 9.0]))


@pytest.mark.parametrize("name", LOSSES)
def test_descending_the_losses_moves_the_logits_the_right_way(name):
    loss, reals, fakes = LOSSES[name](), torch.ones(4, 1, 4, 4), -torch.ones(4, 1, 4, 4)
    scale = torch.zeros(1, requires_grad=True)
    sum(discriminator(name, lambda x: scale * x.mean(dim=(1, 2, 3)), reals, fakes).values()).backward()
    assert scale.grad < 0  # a larger scale tells reals from fakes
    shift = torch.zeros(1, requires_grad=True)
    sum(loss.generator(lambda x: x.mean(dim=(1, 2, 3)), reals, fakes + shift).values()).backward()
    assert shift.grad < 0  # fakes move towards what the critic calls real
