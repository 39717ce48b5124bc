"""Small networks of every architecture, for their tests."""

import torch

from progan_style.networks import ARCHITECTURES
from progan_style.networks.conditions import Condition

MAX = 64


def build(name, resolution=MAX, channels=16):
    """Both networks, grown to a resolution."""
    architecture = ARCHITECTURES[name]
    torch.manual_seed(0)
    shared = {"num_classes": 3, "max_resolution": MAX, "channel_base": 256, "channel_max": channels}
    G = architecture.Generator(**shared, z_dim=12, w_dim=10, mapping_depth=2, mapping_lr_mul=0.01)
    D = architecture.Discriminator(**shared)
    for key, p in G.named_parameters():
        if key.endswith("strength"):  # starts at 0; noise must count in these tests
            torch.nn.init.normal_(p)
    G.grow(resolution)
    D.grow(resolution)
    return G.eval(), D.eval()


def of(*labels):
    """Labels of three classes -> Condition."""
    return Condition.of_labels(torch.tensor(labels), 3)


def sample(G, n=4):
    labels = of(*(k % 3 for k in range(n)))
    return G.mapping(torch.randn(n, G.mapping.z_dim), labels), torch.randn(n, G.noise_size), labels
