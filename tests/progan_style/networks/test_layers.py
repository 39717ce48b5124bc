"""The layers that every architecture shares."""

import pytest
import torch

from progan_style.networks.layers import Conv, Linear, MinibatchStd, channels_last, widths
from progan_style.networks.resampling import upsample2


def test_widths():
    assert widths(8192, 256, 256) == {4: 256, 8: 256, 16: 256, 32: 256, 64: 128, 128: 64, 256: 32}


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


def test_a_batch_of_one_channel_makes_maps_in_channels_last_memory():
    images = torch.randn(4, 1, 16, 16)
    made = Conv(1, 8, 1)(channels_last(images))
    assert torch.equal(channels_last(images), images)
    assert made.is_contiguous(memory_format=torch.channels_last) and upsample2(made).stride()[1] == 1


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
