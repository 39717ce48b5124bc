"""The moments of Adam in a checkpoint: of each weight by its name, in its own layout of memory."""

import pytest
import torch
from torch import nn

from progan_style.networks.layers import weights_channels_last
from progan_style.training.moments import Moments, make_adam


class Two(nn.Module):
    """The same two layers, listed in one order or the other."""

    def __init__(self, order):
        super().__init__()
        layers = {"a": nn.Conv2d(4, 6, 3), "b": nn.Conv2d(6, 2, 1), "idle": nn.Conv2d(1, 1, 1)}
        for name in order:
            self.add_module(name, layers[name])

    def forward(self, x):
        return self.b(self.a(x))


def stepped(network, optimizer, times, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(times):
        optimizer.zero_grad()
        network(torch.randn(5, 4, 4, 4, generator=generator)).square().mean().backward()
        optimizer.step()


def build(order):
    network = Two(order)
    weights_channels_last(network)
    optimizer = make_adam(network, (0.5, 0.99))
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    return network, optimizer


def test_moments_follow_their_weights_into_a_network_that_lists_them_in_another_order():
    torch.manual_seed(0)
    network, optimizer = build(("a", "b", "idle"))
    stepped(network, optimizer, 3)
    saved = Moments(optimizer, network).state_dict()
    assert set(saved) == {"a.weight", "a.bias", "b.weight", "b.bias"}  # none of a weight without a gradient
    other, theirs = build(("b", "idle", "a"))
    other.load_state_dict(network.state_dict())
    # As a file may hold them: contiguous
    loose = {name: {key: value.clone().contiguous() for key, value in kept.items()} for name, kept in saved.items()}
    Moments(theirs, other).load_state_dict(loose)
    stepped(network, optimizer, 2, seed=1)
    stepped(other, theirs, 2, seed=1)
    for name, weight in network.named_parameters():
        assert torch.equal(weight, other.get_parameter(name)), name


def test_taken_moments_are_copies():
    network, optimizer = build(("a", "b", "idle"))
    stepped(network, optimizer, 1)
    saved = Moments(optimizer, network).state_dict()
    other, theirs = build(("a", "b", "idle"))
    Moments(theirs, other).load_state_dict(saved)
    before = saved["a.weight"]["exp_avg"].clone()
    stepped(other, theirs, 1, seed=1)
    assert torch.equal(saved["a.weight"]["exp_avg"], before) and saved["a.weight"]["step"] == 1


@pytest.mark.parametrize(
    ("change", "told"),
    (
        (lambda s: s.update(c=s.pop("a.bias")), "moments of c, which the network does not have"),
        (lambda s: s.update({"a.weight": s["b.weight"]}), r"moments of a.weight: expected \[6, 4, 3, 3\], got"),
        (lambda s: s["a.bias"].update(step=torch.zeros(6)), r"moments of a.bias: expected one count of steps"),
        (lambda s: s["a.bias"].pop("step"), "moments of a.bias: expected step, exp_avg, exp_avg_sq"),
        (lambda s: s.update({"a.bias": 3}), "moments of a.bias: expected step"),
    ),
)
def test_moments_of_something_else_are_refused_and_nothing_is_changed(change, told):
    network, optimizer = build(("a", "b", "idle"))
    stepped(network, optimizer, 2)
    moments = Moments(optimizer, network)
    saved = {name: dict(kept) for name, kept in moments.state_dict().items()}
    change(saved)
    with pytest.raises(ValueError, match=told):
        moments.load_state_dict(saved)
    assert {kept["step"].item() for kept in optimizer.state.values()} == {2} and len(optimizer.state) == 4
