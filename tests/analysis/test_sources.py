"""Feature tables: one row per slice, whatever stands beside it, and nothing of the label in features of images."""

import numpy as np
import pytest
import torch
from network_tools import build

from analysis.inception import Inception
from analysis.judge import train_judge
from analysis.slices import SliceTable, generated_slices, real_slices
from analysis.sources import SOURCES, FeatureTable, join
from progan_style import Condition, generate, load_discriminator, load_generator, stage_dir


class Means(torch.nn.Module):
    """In Inception's place: RGB in, a tuple with features out."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, images):
        assert images.dtype == torch.uint8 and images.shape[1] == 3
        return (images.float().flatten(2).mean(dim=2) * self.scale,)


@pytest.fixture(scope="module")
def models(tiny_run, discs):
    folder = stage_dir(tiny_run.run_dir, 16)
    images, labels = discs(40)
    return {
        "generator": load_generator(folder / "generator.safetensors"),
        "discriminator": load_discriminator(folder / "discriminator.safetensors"),
        "judge": train_judge(images, labels, ("CN", "AD"), images_seen=128),
        "inception": Inception(Means(), "means", "0"),
    }


@pytest.fixture(scope="module")
def made(models) -> SliceTable:
    labels, seeds = np.array([0, 1] * 10), np.arange(20)
    images = generate(models["generator"], torch.from_numpy(labels), torch.from_numpy(seeds))
    return generated_slices(images.numpy(), labels, seeds, ("CN", "AD"))


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_gives_one_row_per_slice_whatever_stands_beside_it(source, models, made):
    table = SOURCES[source](models[source], made)
    assert table.features.dtype == np.float32 and table.features.ndim == 2
    assert np.array_equal(table.labels, made.labels) and not table.is_real.any()
    some = np.array([13, 2, 7])
    few = SOURCES[source](models[source], made.take(some))
    assert few.features == pytest.approx(table.take(some).features, abs=1e-4)
    assert np.array_equal(few.labels, made.labels[some])


@pytest.mark.parametrize("source", ["discriminator", "judge", "inception"])
def test_features_of_images_do_not_know_the_label(source, models, made):
    other = generated_slices(made.images, 1 - made.labels, made.seeds, made.class_names)
    assert np.array_equal(
        SOURCES[source](models[source], other).features, SOURCES[source](models[source], made).features
    )


def test_the_generator_has_no_features_of_real_slices(models, discs):
    images, labels = discs(4)
    with pytest.raises(ValueError, match="generated slices only"):
        SOURCES["generator"](models["generator"], real_slices(images, labels, np.array(["a"] * 4), ("CN", "AD")))


def test_tables_refuse_what_cannot_be_meant(models, made):
    table = SOURCES["judge"](models["judge"], made)
    assert len(join(table, table)) == 2 * len(table)
    with pytest.raises(ValueError, match="one extractor"):
        join(table, SOURCES["discriminator"](models["discriminator"], made))
    with pytest.raises(ValueError, match="one row per image"):
        FeatureTable(table.features[:3], table.labels, table.is_real, table.subjects, ("CN", "AD"), "x")
    broken = table.features.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="infinity in 1 images"):
        FeatureTable(broken, table.labels, table.is_real, table.subjects, ("CN", "AD"), "x")


def test_the_generators_features_keep_a_grid_because_their_means_are_the_style():
    """After AdaIN a channel's mean over space is the style's bias: pooled to one number it shows w, not the image."""
    G, _ = build("stylegan1", 16)
    G.class_names = ("CN", "MCI", "AD")
    z, labels = torch.randn(3, G.mapping.z_dim), torch.tensor([0, 1, 0])
    ws = G.mapping(z, Condition.of(labels, G.class_names))
    last = G.blocks[str(G.resolution)].second
    bias = last.affine(ws[:, 2 * len(G.active) - 1]).chunk(2, dim=1)[1]
    assert torch.allclose(G.features(ws).mean(dim=(2, 3)), bias, atol=1e-4)
    # On the 8x8 grid the same maps still differ from pixel to pixel.
    table = SOURCES["generator"](G, generated_slices(np.zeros((1, 1, 16, 16)), [0], [3], G.class_names))
    assert table.features.reshape(-1, 64).std(axis=1).min() > 0
