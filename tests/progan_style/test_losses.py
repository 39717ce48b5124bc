import math

import pytest
import torch
import torch.nn.functional as F

from progan_style.losses import LOSSES, Logistic, squared_slope


def linear_critic(weight):
    return lambda images: (images * weight).sum(dim=(1, 2, 3))


def test_r1_of_a_linear_critic_is_half_gamma_times_its_squared_norm():
    weight = torch.randn(1, 4, 4)
    reals = torch.randn(6, 1, 4, 4, requires_grad=True)
    terms = Logistic().discriminator(linear_critic(weight), reals, torch.randn(6, 1, 4, 4), gamma=3.0)
    assert terms["penalty"].item() == pytest.approx(1.5 * weight.square().sum().item(), rel=1e-5)


def test_a_critic_that_cannot_tell_costs_log_4():
    images = torch.randn(4, 1, 4, 4)
    terms = Logistic().discriminator(lambda x: torch.zeros(len(x)), images, images)
    assert sum(terms.values()).item() == pytest.approx(math.log(4))
    assert Logistic().generator(lambda x: torch.zeros(len(x)), images, images)["fooling"].item() == pytest.approx(
        math.log(2)
    )


@pytest.mark.parametrize("name", LOSSES)
def test_no_penalty_without_gamma(name):
    terms = LOSSES[name]().discriminator(
        linear_critic(torch.ones(1, 4, 4)), torch.randn(4, 1, 4, 4), torch.randn(4, 1, 4, 4)
    )
    assert "penalty" not in terms


def test_gradient_of_the_penalty_against_finite_differences():
    torch.manual_seed(0)
    images = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    weight = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)

    def penalty(w):
        x = images.clone().requires_grad_()
        return squared_slope(F.softplus(F.conv2d(x, w)).sum(dim=(1, 2, 3)), x)

    assert torch.autograd.gradcheck(penalty, [weight])


@pytest.mark.parametrize("name", LOSSES)
def test_descending_the_losses_moves_the_logits_the_right_way(name):
    loss, reals, fakes = LOSSES[name](), torch.ones(4, 1, 4, 4), -torch.ones(4, 1, 4, 4)
    scale = torch.zeros(1, requires_grad=True)
    sum(loss.discriminator(lambda x: scale * x.mean(dim=(1, 2, 3)), reals, fakes).values()).backward()
    assert scale.grad < 0  # a larger scale tells reals from fakes
    shift = torch.zeros(1, requires_grad=True)
    sum(loss.generator(lambda x: x.mean(dim=(1, 2, 3)), reals, fakes + shift).values()).backward()
    assert shift.grad < 0  # fakes move towards what the critic calls real
