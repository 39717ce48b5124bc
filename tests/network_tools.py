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


def people():
    """A generator of two classes that knows ages, sexes and heights: healthy women of 55 to 60, diseased of both."""
    from progan_style.described import Category, Cell, Conditions, Number, Position

    described = Conditions(
        position=Position(column="slice_mm", quantiles=[-30.0, 0.0, 30.0]),
        others=[
            Number(column="age", unit="years", mean=70.0, sd=5.0, low=50.0, high=90.0),
            Category(column="sex", names=["F", "M"]),
        ],
        cells=[
            [Cell(slices=10, given=[[55.0, 60.0], [10, 0, 0]])],
            [Cell(slices=10, given=[[60.0, 70.0], [10, 0, 0]]), Cell(slices=20, given=[[70.0, 80.0], [0, 20, 0]])],
        ],
    )
    torch.manual_seed(0)
    shared = {"num_classes": 2, "max_resolution": 8, "channel_base": 64, "channel_max": 8}
    shared |= {"positions": True, "conditions": described.sizes}
    G = ARCHITECTURES["stylegan2"].Generator(**shared, z_dim=12, w_dim=10, mapping_depth=2, mapping_lr_mul=1.0)
    G.class_names, G.described = ("CN", "AD"), described
    return G.eval()
