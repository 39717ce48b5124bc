import torch

from progan_style import rng


def test_splitmix64_matches_its_reference_outputs():
    got = [n % 2**64 for n in rng.bits(torch.tensor([1234567]), 5)[0].tolist()]
    assert got == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_a_number_depends_on_its_image_alone():
    whole = rng.normal(999, "noise", torch.arange(100), 33)
    assert torch.equal(rng.normal(999, "noise", torch.arange(40, 44), 33), whole[40:44])


def test_streams_and_seeds_differ():
    index = torch.arange(8)
    base = rng.uniform(1, "latent", index, 4)
    assert not torch.equal(base, rng.uniform(2, "latent", index, 4))
    assert not torch.equal(base, rng.uniform(1, "noise", index, 4))


def test_moments_and_independence():
    x = rng.normal(7, "noise", torch.arange(2000), 500)
    assert abs(x.mean().item()) < 0.005 and abs(x.std().item() - 1) < 0.005
    assert abs(x.pow(4).mean().item() - 3) < 0.05  # kurtosis of the normal distribution
    assert abs((x[1:] * x[:-1]).mean().item()) < 0.005
    assert abs((x[:, :250] * x[:, 250:]).mean().item()) < 0.005  # the cosine and the sine half
    u = rng.uniform(7, "mixing", torch.arange(2000), 500)
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean().item() - 0.5) < 0.002
