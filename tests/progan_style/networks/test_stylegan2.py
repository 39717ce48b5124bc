"""StyleGAN2's own: modulated and demodulated convolutions."""

import pytest
import torch

from progan_style.networks.stylegan2 import StyledLayer


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
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
            taps = (torch.outer(taps, taps) / 16).expand(5, 1, 4, 4)
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
