"""The contract of networks/contract.py, over every architecture."""

import pytest
import torch
from network_tools import MAX, build, of, sample

from progan_style.networks import ARCHITECTURES
from progan_style.networks.conditions import Condition
from progan_style.networks.resampling import downsample2, upsample2

SIZES = (8, 16, 32)

TWICE = [name for name, architecture in ARCHITECTURES.items() if architecture.TWICE_DIFFERENTIABLE]


# ---------------------------------------------------------------- seamless growth


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("r", SIZES)
def test_generator_at_twice_the_size_and_alpha_0_is_the_upsampled_output(name, r):
    G, _ = build(name)
    G.grow(2 * r, 0.0)
    ws, noise, _ = sample(G)
    grown = G.synthesis(ws, noise)
    G.grow(r)
    assert torch.equal(grown, upsample2(G.synthesis(ws, noise[:, : G.noise_size])))


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("r", SIZES)
def test_discriminator_at_twice_the_size_and_alpha_0_sees_the_downsampled_image(name, r):
    _, D = build(name)
    images, labels = torch.randn(4, 1, 2 * r, 2 * r), of(0, 1, 2, 0)
    D.grow(2 * r, 0.0)
    grown = D(images, labels)
    D.grow(r)
    assert torch.equal(grown, D(downsample2(images), labels))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_alpha_counts(name):
    G, D = build(name)
    G.grow(32, 0.5)
    D.grow(32, 0.5)
    ws, noise, labels = sample(G)
    half = G.synthesis(ws, noise)
    logits = D(half, labels)
    G.grow(32, 1.0)
    D.grow(32, 1.0)
    assert not torch.allclose(half, G.synthesis(ws, noise))
    assert not torch.allclose(logits, D(half, labels))


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("r", (*SIZES, MAX))
def test_shapes(name, r):
    G, D = build(name, r)
    ws, noise, labels = sample(G)
    images = G.synthesis(ws, noise)
    assert G.active_layers == len(G.active) * 2 and G.noise_size == sum(2 * k * k for k in G.active)
    assert ws.shape == (4, G.mapping.num_layers, 10) and images.shape == (4, 1, r, r)
    assert G.features(ws, noise).shape[0] == 4 and G.features(ws, noise).shape[2:] == (r, r)
    features = D.features(images)
    assert features.shape == (4, D.num_features)
    assert D(images, labels).shape == (4,) and D.classify(images).shape == (4, 3)
    assert D.logits(features, labels).shape == (4,) and D.class_logits(features).shape == (4, 3)


# ---------------------------------------------------------------- conditioning


def test_the_label_changes_image_and_logit(nets):
    G, D = nets
    z, noise = torch.randn(4, 12).repeat(2, 1)[:4], torch.randn(4, G.noise_size)
    zero, one = (G.synthesis(G.mapping(z, of(k, k, k, k)), noise) for k in (0, 1))
    assert (zero - one).abs().mean() > 1e-3
    assert not torch.allclose(D(zero, of(0, 0, 0, 0)), D(zero, of(1, 1, 1, 1)))


def test_the_embedding_gets_a_gradient(nets):
    G, D = nets
    ws, noise, labels = sample(G)
    D(G.synthesis(ws, noise), labels).sum().backward()
    assert G.mapping.embed.weight.grad.abs().sum() > 0 and D.embed.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_one_class_means_no_embedding(name):
    shared = {"num_classes": 1, "max_resolution": 8, "channel_base": 64, "channel_max": 8}
    G = ARCHITECTURES[name].Generator(**shared, z_dim=8, w_dim=8, mapping_depth=2, mapping_lr_mul=0.01)
    D = ARCHITECTURES[name].Discriminator(**shared)
    assert G.mapping.embed is None and D.embed is None
    labels = Condition.of_labels(torch.zeros(4, dtype=torch.long), 1)
    assert D(G.synthesis(G.mapping(torch.randn(4, 8), labels)), labels).shape == (4,)


# ---------------------------------------------------------------- derivatives


@pytest.mark.parametrize("name", TWICE)
def test_a_generator_that_says_so_is_twice_differentiable(name):
    """By the styles, as path length regularisation asks; against finite differences."""
    G, _ = build(name, 8, channels=2)
    G = G.double()
    noise = torch.randn(1, G.noise_size, dtype=torch.float64)
    ws = torch.randn(1, G.mapping.num_layers, 10, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda ws: G.synthesis(ws, noise), ws)
    direction = torch.randn(10, dtype=torch.float64)

    def along(t):  # one number in: the second derivative by 40 numbers would take half a minute
        return G.synthesis(ws.detach() + t * direction, noise)

    assert torch.autograd.gradgradcheck(along, torch.zeros((), dtype=torch.float64, requires_grad=True))


# ---------------------------------------------------------------- no image depends on its neighbours


def test_eval_features_do_not_depend_on_the_batch(nets):
    _, D = nets
    D.train()
    D.features(torch.randn(8, 1, 16, 16))
    D.head.minibatch_std.settle()
    assert D.head.minibatch_std.running > 0
    D.eval()
    images = torch.randn(8, 1, 16, 16)
    assert torch.allclose(D.features(images)[:3], D.features(images[:3]), atol=1e-5)


# ---------------------------------------------------------------- layers


@torch.no_grad()
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_symmetric_networks_keep_what_is_symmetric(name):
    """With every kernel and the constant their own mirror images, no block moves anything by half a pixel."""
    G, D = build(name)
    for p in (*G.parameters(), *D.parameters()):
        if p.dim() == 4:
            p.copy_((p + p.flip(3)) / 2)
    ws, _, _ = sample(G)
    images = G.synthesis(ws)
    assert torch.allclose(images, images.flip(3), atol=1e-4 * float(images.abs().max()))
    seen = []
    D.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.randn(4, 1, MAX, MAX)
    D.features(x)
    D.features(x.flip(3))
    assert torch.allclose(seen[0].flip(3), seen[1], atol=1e-4 * float(seen[0].abs().max()))
