"""What every generator begins with: which styles and which noise a block is given."""

import torch
from torch import nn

from progan_style.networks.generating import Generating


class Listening(nn.Module):
    """A block that keeps what it is given and doubles the map."""

    def __init__(self, channels):
        super().__init__()
        self.channels, self.given = channels, None

    def forward(self, x, ws, noise):
        self.given = (x.shape, ws, noise)
        side = x.shape[-1] if x.shape[-1] == 4 and self.channels == 8 else 2 * x.shape[-1]
        return torch.zeros(len(x), self.channels, side, side)


class Silent(Generating):
    def synthesis(self, ws, noise=None):
        return self.features(ws, noise)


def make(resolution):
    sizes = {"z_dim": 4, "w_dim": 3, "mapping_depth": 1, "mapping_lr_mul": 1.0, "channel_base": 32, "channel_max": 64}
    G = Silent(num_classes=2, max_resolution=16, **sizes)
    for r, channels in G.channels.items():
        G.blocks[str(r)] = Listening(channels)
    G.grow(resolution)
    return G


def test_a_size_has_two_styles_and_two_noise_maps_for_each_block_up_to_it():
    for resolution, blocks in ((8, [4, 8]), (16, [4, 8, 16])):
        G = make(resolution)
        assert G.active == blocks and G.active_layers == 2 * len(blocks)
        assert G.noise_size == sum(2 * r * r for r in blocks)
    assert G.mapping.num_layers == 6


def test_each_block_is_given_its_own_styles_and_its_own_part_of_the_noise():
    G = make(16)
    ws = torch.arange(6.0)[None, :, None].expand(2, 6, 3)
    noise = torch.arange(2.0 * G.noise_size).reshape(2, -1)
    maps = G.feature_maps(ws, noise)
    assert [tuple(m.shape) for m in maps] == [(2, 8, 4, 4), (2, 4, 8, 8), (2, 2, 16, 16)]
    parts, styles = [], []
    for block in G.blocks.values():
        _, of_block, (first, second) = block.given
        assert first.shape == second.shape == (2, 1, first.shape[-1], first.shape[-1])
        styles += of_block[0, :, 0].tolist()
        parts += [first.flatten(1), second.flatten(1)]
    assert styles == [0, 1, 2, 3, 4, 5]
    assert torch.equal(torch.cat(parts, dim=1), noise)  # whole, in order, each number once
    assert torch.equal(G.features(ws, noise), maps[-1])


def test_without_noise_a_block_is_told_so():
    G = make(8)
    G.feature_maps(torch.zeros(1, 6, 3), None)
    assert G.blocks["8"].given[2] is None and G.blocks["16"].given is None
