import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from progan_style import (
    Condition,
    generate,
    generator_features,
    load_generator,
    stage_dir,
    to_float,
    to_uint8,
    truncated,
    untrained_like,
)
from progan_style.checkpoint import build
from progan_style.networks import ARCHITECTURES
from progan_style.sampling import CENTRE, grid_picture


@pytest.fixture(params=ARCHITECTURES)
def G(tiny_run, request):
    """A generator out of a file, or one of another architecture in the same way."""
    trained = load_generator(stage_dir(tiny_run.run_dir, 16) / "generator.safetensors")
    header = trained.header
    return trained if request.param == header["architecture"] else build(header | {"architecture": request.param})


def test_eight_bits_there_and_back():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(values)), values)
    assert to_uint8(torch.tensor([-5.0, 5.0])).tolist() == [0, 255]


def test_an_image_is_a_function_of_class_seed_and_psi_alone(G):
    labels, seeds = torch.tensor([0, 1] * 20), torch.arange(40)
    together = generate(G, labels, seeds, psi=0.7)
    order = torch.randperm(40)
    assert torch.equal(generate(G, labels[order], seeds[order], psi=0.7), together[order])
    for i in (0, 17, 39):
        assert torch.equal(generate(G, labels[i : i + 1], seeds[i : i + 1], psi=0.7)[0], together[i])


def test_label_seed_and_psi_change_the_image(G):
    one, seeds = torch.ones(4, dtype=torch.long), torch.arange(4)
    base = generate(G, one, seeds)
    assert base.shape == (4, 1, 16, 16) and base.dtype == torch.uint8
    assert not torch.equal(base, generate(G, 1 - one, seeds))
    assert not torch.equal(base, generate(G, one, seeds + 4))
    assert not torch.equal(base, generate(G, one, seeds, psi=0.3))


def test_psi_0_is_the_mean_style_of_the_class_and_psi_half_lies_half_way(G):
    labels = torch.tensor([0, 1, 0])
    condition = Condition.of(labels, G.class_names)
    z = torch.randn(3, G.mapping.z_dim)
    centres, plain = truncated(G, z, condition, 0.0)[:, 0], truncated(G, z, condition, 1.0)[:, 0]
    assert torch.equal(plain, G.mapping(z, condition)[:, 0])
    assert torch.allclose(truncated(G, z, condition, 0.5)[:, 0], (centres + plain) / 2, atol=1e-6)
    assert torch.equal(centres[0], centres[2]) and not torch.allclose(centres[0], centres[1])
    of_class = G.mapping(torch.randn(20_000, G.mapping.z_dim), Condition.of(torch.ones(20_000).long(), G.class_names))
    of_class = of_class[:, 0]
    apart, spread = (centres[1] - of_class.mean(dim=0)).norm(), (of_class - of_class.mean(dim=0)).square().sum(1).mean()
    assert apart < 2 * (spread / CENTRE).sqrt()


def test_heights_have_centres_of_their_own():
    """psi 0 at one height is not psi 0 at another, nor a plain mean over heights."""
    G = ARCHITECTURES["stylegan1"].Generator(
        num_classes=2,
        max_resolution=8,
        z_dim=8,
        w_dim=8,
        mapping_depth=2,
        mapping_lr_mul=0.01,
        channel_base=64,
        channel_max=8,
        positions=True,
    )
    G.class_names = ("CN", "AD")
    made = [
        generate(G, Condition.of(torch.zeros(2).long(), G.class_names, torch.full([2], at)), torch.arange(2), psi=0.0)
        for at in (-0.5, 0.5)
    ]
    assert not torch.equal(made[0], made[1])


@pytest.mark.parametrize("place", ("drawn", "asked"))
def test_a_file_that_was_written_when_a_position_was_the_only_condition_has_its_images(reference, tmp_path, place):
    """Its header by hand, without a word of conditions; its images by the reference, in float64."""
    torch.manual_seed(0)
    sizes = {"num_classes": 2, "max_resolution": 8, "channel_base": 64, "channel_max": 8, "z_dim": 8, "w_dim": 6}
    sizes |= {"mapping_depth": 2, "mapping_lr_mul": 0.5, "positions": True}
    shapes = {
        "mapping.embed.weight": [2, 6],
        "mapping.position.dense.weight": [6, 8],
        "mapping.position.dense.bias": [6],
    }
    shapes |= {"mapping.label_weight": [], "mapping.layers.0.weight": [6, 20], "mapping.layers.0.bias": [6]}
    shapes |= {"mapping.layers.1.weight": [6, 6], "mapping.layers.1.bias": [6]}
    G = ARCHITECTURES["stylegan2"].Generator(**sizes)
    tensors = {name: 0.5 * torch.randn(shapes.get(name, t.shape)) for name, t in G.state_dict().items()}
    tensors["mapping.label_weight"] = torch.tensor(1.0)
    assert shapes.keys() == {name for name in tensors if name.startswith("mapping.")}
    quantiles = [-20.0, -4.0, 0.0, 6.0, 20.0]
    header = {"kind": "generator", "architecture": "stylegan2", "arguments": sizes, "class_names": ["CN", "AD"]}
    header |= {"resolution": 8, "nimg": 7, "seed": 0, "positions": {"column": "slice_mm", "quantiles": quantiles}}
    save_file(tensors, tmp_path / "old.safetensors", metadata={"progan_style": json.dumps(header)})

    seeds = np.arange(5)
    given = {"slice_mm": 6.0} if place == "asked" else {}
    made = generate(load_generator(tmp_path / "old.safetensors"), "AD", seeds, given=given)
    u = reference.chance.uniform(0, "position", seeds, 1)[:, 0]
    position = torch.full([5], 0.5).double() if given else (2.0 * u - 1.0).float().double()
    plain = {name: t.double() for name, t in tensors.items()}
    z, y = reference.chance.normal(0, "latent", seeds, 8), torch.ones(5).long()
    w = reference.networks.mapped(plain, z, y, position, {}, 1.0, 0.5)
    noise = reference.chance.normal(0, "noise", seeds, 2 * (16 + 64))
    images = reference.networks.synthesised(plain, "stylegan2", w[:, None].expand(-1, 4, -1), noise, 8, 1.0)
    expected = (images * 127.5 + 128).floor().clamp(0, 255)
    apart = (made.double() - expected).abs()
    assert apart.max() <= 1 and (apart > 0).double().mean() < 0.02 and len(made.unique(dim=0)) == 5


def test_a_whole_weight_is_the_class_and_half_of_each_lies_between(G):
    seeds = torch.arange(6)
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    weights = torch.nn.functional.one_hot(labels, 2).float()
    for psi in (1.0, 0.5):
        assert torch.equal(generate(G, weights, seeds, psi=psi), generate(G, labels, seeds, psi=psi))
    half = generate(G, torch.full([6, 2], 0.5), seeds)
    assert not torch.equal(half, generate(G, labels, seeds)) and not torch.equal(half, generate(G, 1 - labels, seeds))
    mixed = torch.cat([torch.full([6, 2], 0.5), weights])
    assert torch.equal(generate(G, mixed, seeds.repeat(2))[:6], half)


def test_classes_and_seeds_may_be_given_in_any_usual_form(G):
    """Each against labels and seeds as tensors."""
    ad, both = torch.ones(3).long(), torch.tensor([0, 1, 0])
    plain = generate(G, ad, torch.arange(3), psi=0.7)
    for label in ("AD", "ad", 1, np.int64(1), torch.tensor(1), ["AD"] * 3, [1, 1, 1], np.array([1, 1, 1], np.uint8)):
        assert torch.equal(generate(G, label, range(3), psi=0.7), plain), label
    for seeds in ([0, 1, 2], (0, 1, 2), np.arange(3), torch.arange(3).int()):
        assert torch.equal(generate(G, "AD", seeds, psi=0.7), plain), seeds
    one = generate(G, both, torch.full([3], 7))
    assert torch.equal(generate(G, ["CN", "AD", "CN"], 7), one)
    assert torch.equal(generate(G, np.array(["CN", "AD", "CN"]), np.int64(7)), one)
    assert torch.equal(generate(G, Condition.of(both, G.class_names), seeds=7), one)
    assert torch.equal(generate(G, [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], 7), one)
    assert torch.equal(generate(G, "CN", 7), one[:1]) and len(generate(G, "CN", [])) == 0


ASKED = {
    "class 5 of 2": ((5, range(2)), "expected labels from 0 to 1 for CN, AD, got 5 to 5"),
    "an unknown class": (("MCI", range(2)), "class 'MCI' is not in this checkpoint; it was trained on CN, AD"),
    "one of them unknown": ((["CN", "MCI"], range(2)), "class 'MCI' is not in this checkpoint"),
    "psi 7": (("AD", range(2), 7), "psi: expected 0 (the centre of the class) to 1 (no truncation), got 7"),
    "psi NaN": (("AD", range(2), float("nan")), "psi: expected 0"),
    "psi a text": (("AD", range(2), "0.7"), "psi: expected 0"),
    "seeds that are no whole numbers": (("AD", [0.5, 1.5]), "seeds: expected one whole number or a row of them, got"),
    "a seed as a text": (("AD", "3"), "seeds: expected one whole number or a row of them, got '3'"),
    "seeds in a square": (
        ("AD", [[1, 2], [3, 4]]),
        "seeds: expected one whole number or a row of them, got int64 [2, 2]",
    ),
    "seeds in rows of several lengths": (("AD", [[1, 2], [3]]), "seeds: expected one whole number"),
    "seeds as truths": (("AD", [True, False]), "seeds: expected one whole number"),
    "names and numbers": ((["CN", 1], range(2)), "labels: expected one whole number or a row of them"),
    "no label": ((None, range(2)), "labels: expected one whole number or a row of them, got None"),
    "a seed beyond int64": (("AD", 2**63), "seeds: expected one whole number or a row of them"),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_cannot_be_meant_is_one_line(G, what):
    arguments, message = ASKED[what]
    with pytest.raises(ValueError) as error:
        generate(G, *arguments)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_features_belong_to_the_images(G):
    labels, seeds = torch.tensor([0, 1, 0]), torch.tensor([5, 6, 40])
    features = generator_features(G, labels, seeds)
    assert features.shape[0] == 3 and features.shape[1] % 64 == 0
    assert torch.equal(generator_features(G, labels[1:], seeds[1:]), features[1:])


def test_fresh_weights_are_another_generator(G):
    fresh = untrained_like(G)
    assert fresh.class_names == G.class_names and fresh.resolution == G.resolution
    labels, seeds = torch.zeros(2, dtype=torch.long), torch.arange(2)
    assert not torch.equal(generate(fresh, labels, seeds), generate(G, labels, seeds))


def test_faulty_requests_are_refused(G):
    with pytest.raises(ValueError, match="a seed for each label, got 2 labels and 1 seeds"):
        generate(G, torch.zeros(2, dtype=torch.long), torch.zeros(1, dtype=torch.long))
    with pytest.raises(ValueError, match="seeds from 0 on, got -1"):
        generate(G, torch.zeros(1, dtype=torch.long), torch.tensor([-1]))
    with pytest.raises(ValueError, match=r"float weights \[N, 2\] for CN, AD, got torch.float32 \[1, 3\]"):
        generate(G, torch.ones(1, 3) / 3, torch.zeros(1, dtype=torch.long))
    with pytest.raises(ValueError, match="sum to 1 in every row"):
        generate(G, torch.tensor([[0.5, 1.0]]), torch.zeros(1, dtype=torch.long))


def test_a_grid_shows_its_rows():
    rows = [torch.full([3, 1, 16, 16], value, dtype=torch.uint8) for value in (50, 200)]
    pixels = np.asarray(grid_picture(rows, ["CN", "AD"], side=32))
    assert {50, 200} <= set(np.unique(pixels).tolist()) and pixels.shape[0] == 2 * 34 + 2
