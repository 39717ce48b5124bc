"""The contract of networks/contract.py, over every architecture."""

import pytest
import torch

from progan_style.networks import ARCHITECTURES
from progan_style.networks.conditions import Condition
from progan_style.networks.layers import Conv, Linear, MinibatchStd, channels_last, widths
from progan_style.networks.mapping import mix_styles
from progan_style.networks.resampling import Blur, downsample2, fade_reals, upsample2
from progan_style.networks.stylegan1 import AdaIN
from progan_style.networks.stylegan2 import StyledLayer

MAX = 64
SIZES = (8, 16, 32)


GROWING = [name for name, architecture in ARCHITECTURES.items() if architecture.GROWS]
TWICE = [name for name, architecture in ARCHITECTURES.items() if architecture.TWICE_DIFFERENTIABLE]


def build(name, resolution=MAX, channels=16):
    """Both networks at a resolution, grown there where they grow."""
    architecture = ARCHITECTURES[name]
    torch.manual_seed(0)
    largest = MAX if architecture.GROWS else resolution
    shared = {"num_classes": 3, "max_resolution": largest, "channel_base": 256, "channel_max": channels}
    G = architecture.Generator(**shared, z_dim=12, w_dim=10, mapping_depth=2, mapping_lr_mul=0.01)
    D = architecture.Discriminator(**shared)
    for key, p in G.named_parameters():
        if key.endswith("strength"):  # starts at 0; noise must count in these tests
            torch.nn.init.normal_(p)
    G.grow(resolution)
    D.grow(resolution)
    return G.eval(), D.eval()


@pytest.fixture(params=ARCHITECTURES)
def nets(request):
    return build(request.param, 16)


def of(*labels):
    """Labels of three classes -> Condition."""
    return Condition.of_labels(torch.tensor(labels), 3)


def sample(G, n=4):
    labels = of(*(k % 3 for k in range(n)))
    return G.mapping(torch.randn(n, G.mapping.z_dim), labels), torch.randn(n, G.noise_size), labels


# ---------------------------------------------------------------- seamless growth


@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("r", SIZES)
def test_generator_at_twice_the_size_and_alpha_0_is_the_upsampled_output(name, r):
    G, _ = build(name)
    G.grow(2 * r, 0.0)
    ws, noise, _ = sample(G)
    grown = G.synthesis(ws, noise)
    G.grow(r)
    assert torch.equal(grown, upsample2(G.synthesis(ws, noise[:, : G.noise_size])))


@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("r", SIZES)
def test_discriminator_at_twice_the_size_and_alpha_0_sees_the_downsampled_image(name, r):
    _, D = build(name)
    images, labels = torch.randn(4, 1, 2 * r, 2 * r), of(0, 1, 2, 0)
    D.grow(2 * r, 0.0)
    grown = D(images, labels)
    D.grow(r)
    assert torch.equal(grown, D(downsample2(images), labels))


def test_reals_fade_like_the_networks():
    images = torch.randn(4, 1, 16, 16)
    assert torch.equal(fade_reals(images, 0.0), upsample2(downsample2(images)))
    assert torch.equal(fade_reals(images, 1.0), images)
    assert torch.allclose(downsample2(fade_reals(images, 0.3)), downsample2(images), atol=1e-6)


def test_up_then_down_is_the_identity():
    images = torch.randn(2, 3, 8, 8)
    assert torch.allclose(downsample2(upsample2(images)), images)


@pytest.mark.parametrize("name", GROWING)
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


@pytest.mark.parametrize("name", sorted(ARCHITECTURES.keys() - GROWING))
def test_what_does_not_grow_accepts_its_own_size_only(name):
    for network in build(name, 16):
        network.grow(16, 1.0)
        for asked in ((8, 1.0), (32, 1.0), (16, 0.5)):
            with pytest.raises(AssertionError):
                network.grow(*asked)


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


def test_widths():
    assert widths(8192, 256, 256) == {4: 256, 8: 256, 16: 256, 32: 256, 64: 128, 128: 64, 256: 32}


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


def test_minibatch_std_by_hand():
    layer = MinibatchStd(group=4).train()
    x = torch.randn(8, 3, 4, 4)
    out = layer(x)
    first = (x[:4].var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
    assert out.shape == (8, 4, 4, 4) and torch.allclose(out[:4, 3], first.expand(4, 4, 4))
    assert torch.equal(out[:, :3], x)
    layer.settle()
    second = (x[4:].var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
    assert torch.allclose(layer.running, layer.momentum * (first + second) / 2)
    layer.eval()
    assert torch.equal(layer(x)[:, 3], layer.running.expand(8, 4, 4))


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


def plain_adain(x, y_s, y_b):
    mean, var = x.mean(dim=(2, 3), keepdim=True), x.var(dim=(2, 3), keepdim=True, unbiased=False)
    return y_s[:, :, None, None] * (x - mean) / (var + 1e-8).sqrt() + y_b[:, :, None, None]


def test_means_have_both_derivatives():
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(downsample2(x), torch.nn.functional.avg_pool2d(x, 2))
    assert torch.autograd.gradcheck(downsample2, x)
    assert torch.autograd.gradgradcheck(lambda x: downsample2(x).square(), x)


def test_a_batch_of_one_channel_makes_maps_in_channels_last_memory():
    images = torch.randn(4, 1, 16, 16)
    made = Conv(1, 8, 1)(channels_last(images))
    assert torch.equal(channels_last(images), images)
    assert made.is_contiguous(memory_format=torch.channels_last) and upsample2(made).stride()[1] == 1


@pytest.mark.parametrize("padding", (1, 2))
def test_blur_is_a_depthwise_convolution_with_both_derivatives(padding):
    torch.manual_seed(0)
    taps = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)] * 2)[None, None]
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    plain = torch.nn.functional.conv2d(x, taps.expand(3, 1, 4, 4), padding=padding, groups=3)
    assert torch.equal(Blur.apply(x, taps, padding), plain)
    assert torch.autograd.gradcheck(lambda x: Blur.apply(x, taps, padding), x)
    assert torch.autograd.gradgradcheck(lambda x: Blur.apply(x, taps, padding).square(), x)


def test_adain_and_its_gradient_against_finite_differences():
    torch.manual_seed(0)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 3, 4, 4), (2, 3), (2, 3))]
    assert torch.allclose(AdaIN.apply(*inputs), plain_adain(*inputs))
    assert torch.autograd.gradcheck(AdaIN.apply, inputs)


def test_adain_in_bf16_keeps_fp32_statistics_and_styles():
    torch.manual_seed(0)
    x, y_s, y_b, g = torch.randn(4, 8, 32, 32) + 2, torch.rand(4, 8), torch.randn(4, 8), torch.randn(4, 8, 32, 32)
    bf16 = [t.requires_grad_() for t in (x.bfloat16(), y_s.clone(), y_b.clone())]
    exact = [t.detach().double().requires_grad_() for t in bf16]
    ours = torch.autograd.grad(AdaIN.apply(*bf16), bf16, g.bfloat16())
    true = torch.autograd.grad(plain_adain(*exact), exact, g.bfloat16().double())
    for a, b, most in zip(ours, true, (4e-3, 4e-3, 1e-6), strict=True):
        assert (a.double() - b).norm() <= most * b.norm()


@pytest.mark.parametrize("up", (False, True))
def test_a_demodulated_layer_is_a_convolution_with_weights_of_its_own_for_each_image(up):
    """StyleGAN2, equations 1 and 3, written out: scaled and normalised weights, one group per image."""
    torch.manual_seed(0)
    layer = StyledLayer(3, 5, 4, up=up).double()
    layer.strength.data.fill_(0.7)
    layer.bias.data = torch.randn(5).double()
    x, w = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 3, 6, 6), (2, 4)))
    side = 12 if up else 6
    noise = torch.randn(2, 1, side, side, dtype=torch.float64)

    def by_groups(x, w):
        s = w @ (layer.affine.weight * layer.affine.scale).T + layer.affine.bias
        weight = layer.conv.weight * layer.conv.scale * s[:, None, :, None, None]  # [N, C_out, C_in, 3, 3]
        weight = weight / (weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
        one = x.reshape(1, 6, 6, 6)
        if up:
            weight = weight.transpose(1, 2).reshape(6, 5, 3, 3)
            out = torch.nn.functional.conv_transpose2d(one, weight, stride=2, groups=2).reshape(2, 5, 13, 13)
            taps = layer.conv.blur.expand(5, 1, 4, 4)
            out = torch.nn.functional.conv2d(out, taps, padding=1, groups=5)
        else:
            out = torch.nn.functional.conv2d(one, weight.reshape(10, 3, 3, 3), padding=1, groups=2).reshape(2, 5, 6, 6)
        out = 2**0.5 * out + layer.strength * noise + layer.bias[:, None, None]
        return torch.nn.functional.leaky_relu(out, 0.2)

    slope = torch.randn(2, 5, side, side, dtype=torch.float64)
    inputs = [x, w, *layer.parameters()]
    ours, theirs = layer(x, w, noise), by_groups(x, w)
    assert torch.allclose(ours, theirs, atol=1e-7)
    for a, b in zip(
        torch.autograd.grad(ours, inputs, slope),
        torch.autograd.grad(theirs, inputs, slope),
        strict=True,
    ):
        assert torch.allclose(a, b, atol=1e-6)


def test_equalised_layers_start_at_unit_variance():
    torch.manual_seed(0)
    assert Linear(512, 512)(torch.randn(256, 512)).std().item() == pytest.approx(1.0, rel=0.05)
    assert Conv(64, 64, 3, gain=1.0)(torch.randn(8, 64, 16, 16)).std().item() == pytest.approx(1.0, rel=0.1)


def test_lr_mul_leaves_the_output_and_scales_the_parameters():
    torch.manual_seed(0)
    layer = Linear(64, 64, lr_mul=0.01)
    assert layer.weight.std().item() == pytest.approx(100, rel=0.05)
    assert layer(torch.randn(512, 64)).std().item() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("kind", ("up", "down"))
def test_resampling_keeps_a_constant(kind):
    conv = Conv(1, 1, 3, **{kind: True}, gain=1.0)
    conv.weight.data.fill_(1.0 / 3.0)  # times the scale of 1 / 3: an averaging kernel
    out = conv(torch.full((1, 1, 16, 16), 2.0))
    assert out.shape[-1] == {"up": 32, "down": 8}[kind]
    assert torch.allclose(out[:, :, 3:-3, 3:-3], torch.tensor(2.0), atol=1e-5)


@pytest.mark.parametrize("kind", ("up", "down"))
def test_resampling_does_not_move_the_image(kind):
    """With a symmetric kernel, flipping commutes with the layer: its output is centred as the skips' filters are."""
    conv = Conv(1, 1, 3, **{kind: True})
    conv.weight.data = (conv.weight + conv.weight.flip(2)) / 2
    conv.weight.data = (conv.weight + conv.weight.flip(3)) / 2
    x = torch.randn(1, 1, 16, 16)
    for axis in (2, 3):
        assert torch.allclose(conv(x.flip(axis)), conv(x).flip(axis), atol=1e-5)
