"""From latents and labels to styles."""

import torch
from network_tools import of

from progan_style.networks.conditions import Condition
from progan_style.networks.mapping import mix_styles


def test_truncation_pulls_to_the_images_own_class(nets):
    G, _ = nets
    G.mapping.centers.copy_(torch.arange(3.0)[:, None].expand(3, 10))
    z, labels = torch.randn(3, 12), of(0, 1, 2)
    assert torch.equal(G.mapping(z, labels, psi=0.0)[:, 0], G.mapping.centers)
    plain, half = G.mapping(z, labels), G.mapping(z, labels, psi=0.5)
    assert torch.allclose(half[:, 0], (plain[:, 0] + G.mapping.centers) / 2, atol=1e-6)


def test_class_weights_mix_the_embeddings(nets):
    G, _ = nets
    z, labels = torch.randn(3, 12), of(0, 1, 2)
    assert torch.equal(G.mapping(z, Condition(torch.eye(3))), G.mapping(z, labels))
    half = G.mapping(z[:1], Condition(torch.tensor([[0.5, 0.5, 0.0]])))
    with torch.no_grad():
        G.mapping.embed.weight[2] = G.mapping.embed.weight[:2].mean(dim=0)
    assert torch.allclose(half, G.mapping(z[:1], labels[2:]))


def test_class_centres_follow_their_own_class_only(nets):
    G, _ = nets
    ws = torch.ones(4, G.mapping.num_layers, 10)
    G.mapping.momentum = 0.5
    G.mapping.track(ws[:3], of(1, 1, 1))
    assert not G.mapping.centers.any()  # a step gathers first
    G.mapping.track(3 * ws[:1], of(1))
    G.mapping.settle()
    assert torch.equal(G.mapping.centers[:, 0], torch.tensor([0.0, 0.75, 0.0]))  # half way to the mean of 1, 1, 1, 3
    G.mapping.track(ws, of(0, 0, 0, 0))
    G.mapping.settle()
    assert torch.equal(G.mapping.centers[:, 0], torch.tensor([0.5, 0.75, 0.0]))


def test_style_mixing_keeps_the_head_and_takes_the_tail():
    ws, other = torch.zeros(500, 10, 2), torch.ones(500, 10, 2)
    u = torch.rand(500, 2)
    mixed = mix_styles(ws, other, u, active_layers=6, probability=0.9)[:, :, 0]
    crossover = (mixed == 0).sum(dim=1)
    assert (mixed.diff(dim=1) >= 0).all()
    assert set(crossover[u[:, 0] < 0.9].tolist()) == {1, 2, 3, 4, 5}
    assert set(crossover[u[:, 0] >= 0.9].tolist()) == {6}
