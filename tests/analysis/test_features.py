import hashlib

import numpy as np
import pytest
import torch

from analysis import features
from analysis.features import (
    SOURCES,
    FeatureTable,
    Inception,
    Slices,
    distort,
    generated_slices,
    join,
    load_inception,
    real_slices,
    train_judge,
)
from analysis.metrics import auc, coverage
from progan_style import Condition, generate, load_discriminator, load_generator, stage_dir


def discs(count, size=16, seed=0):
    """Bright discs, wide for class 0 and narrow for class 1, uint8 [M, 1, R, R] and labels [M]."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    y, x = np.mgrid[:size, :size] / size - 0.5
    radius = np.where(labels, 0.22, 0.34) + rng.normal(0, 0.03, count)
    images = 200 / (1 + np.exp((np.hypot(x, y) - radius[:, None, None]) * 40))
    images += rng.normal(0, 6, images.shape)
    return np.clip(images, 0, 255).astype(np.uint8)[:, None], labels


@pytest.fixture(scope="module")
def judge():
    images, labels = discs(200)
    return train_judge(images, labels, ("CN", "AD"), images_seen=3200)


def test_the_judge_tells_unseen_slices_apart(judge):
    images, labels = discs(100, seed=1)
    assert auc(labels, judge.probabilities(images)) > 0.95
    assert judge.probabilities(images).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_judges_features_tell_blur_from_nothing(judge):
    images, _ = discs(100, seed=1)
    same, _ = discs(100, seed=2)
    blurred = torch.nn.functional.avg_pool2d(torch.from_numpy(same).float(), 3, 1, 1).byte().numpy()
    real = judge.features(images)
    assert coverage(real, judge.features(same)) > 0.8
    assert coverage(real, judge.features(blurred)) < 0.5


def test_the_judge_is_the_same_for_the_same_seed_and_leaves_the_global_random_state_alone():
    images, labels = discs(40)
    before = torch.random.get_rng_state()
    hashes = [train_judge(images, labels, ("CN", "AD"), seed=seed, images_seen=256).hash for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert torch.equal(before, torch.random.get_rng_state())


def test_an_image_is_judged_alone(judge):
    images, _ = discs(70, seed=3)
    assert judge.features(images)[5:6] == pytest.approx(judge.features(images[5:6]), abs=1e-4)


def test_the_cache_answers_for_equal_slices_only(tmp_path):
    images, labels = discs(40)
    first = train_judge(images, labels, ("CN", "AD"), images_seen=256, cache=tmp_path)
    (file,) = tmp_path.glob("judge-*.safetensors")
    written = file.stat().st_mtime_ns
    again = train_judge(images, labels, ("CN", "AD"), images_seen=256, cache=tmp_path)
    assert again.hash == first.hash and file.stat().st_mtime_ns == written
    assert np.array_equal(again.features(images), first.features(images))
    changed = images.copy()
    changed[0, 0, 0, 0] ^= 1
    assert train_judge(changed, labels, ("CN", "AD"), images_seen=256, cache=tmp_path).hash != first.hash
    assert len(list(tmp_path.iterdir())) == 2


def test_one_class_still_has_a_judge_of_features():
    images, _ = discs(40)
    judge = train_judge(images, np.zeros(40, dtype=np.int64), ("AD",), images_seen=256)
    assert judge.features(images).shape == (40, 128)


@pytest.mark.parametrize("size", [8, 32])
def test_the_judge_takes_every_size_and_read_only_arrays(size):
    images, labels = discs(20, size)
    images.setflags(write=False)
    judge = train_judge(images, labels, ("CN", "AD"), images_seen=128)
    assert judge.features(images).shape == (20, 128)
    with pytest.raises(ValueError, match=rf"judges uint8 \[M, 1, {size}, {size}\]"):
        judge.features(np.zeros((2, 1, 16, 16), dtype=np.uint8))


def test_the_judge_says_what_it_needs():
    images, labels = discs(20)
    with pytest.raises(ValueError, match="none of MCI"):
        train_judge(images, labels, ("CN", "AD", "MCI"))
    with pytest.raises(ValueError, match="power of two"):
        train_judge(images[..., :12, :12], labels, ("CN", "AD"))
    with pytest.raises(ValueError, match="float32"):
        train_judge(images.astype(np.float32), labels, ("CN", "AD"))


def test_distortions_are_drawn_per_image_and_keep_the_range():
    images = torch.zeros(32, 1, 64, 64)
    images[:, :, 16:48, 16:48] = 0.5
    out, amounts = distort(images, torch.Generator().manual_seed(0))
    assert out.shape == images.shape and amounts.shape == (32, 4)
    assert amounts.min() >= 0 and amounts.max() <= 1
    assert len({float(image.mean()) for image in out}) == 32
    # The fourth amount is the noise: in a flat corner it is the spread.
    grain = out[:, 0, :10, :10].flatten(1).std(dim=1)
    assert torch.corrcoef(torch.stack([grain, amounts[:, 3]]))[0, 1] > 0.99


# ------------------------------------------------------------------ tables and sources


class Means(torch.nn.Module):
    """In Inception's place: RGB in, a tuple with features out."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, images):
        assert images.dtype == torch.uint8 and images.shape[1] == 3
        return (images.float().flatten(2).mean(dim=2) * self.scale,)


@pytest.fixture(scope="module")
def models(tiny_run):
    folder = stage_dir(tiny_run.run_dir, 16)
    images, labels = discs(40)
    return {
        "generator": load_generator(folder / "generator.safetensors"),
        "discriminator": load_discriminator(folder / "discriminator.safetensors"),
        "judge": train_judge(images, labels, ("CN", "AD"), images_seen=128),
        "inception": Inception(Means(), "means", "0"),
    }


@pytest.fixture(scope="module")
def made(models) -> Slices:
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


def test_the_generator_has_no_features_of_real_slices(models):
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


def test_the_generators_features_keep_a_grid_because_their_means_are_the_style(models):
    """After AdaIN a channel's mean over space is the style's bias: pooled to one number it shows w, not the image."""
    G = models["generator"]
    z, labels = torch.randn(3, G.mapping.z_dim), torch.tensor([0, 1, 0])
    ws = G.mapping(z, Condition.of(labels, G.class_names), psi=1.0)
    last = G.blocks[str(G.resolution)].second
    bias = last.affine(ws[:, 2 * len(G.active) - 1]).chunk(2, dim=1)[1]
    assert torch.allclose(G.features(ws).mean(dim=(2, 3)), bias, atol=1e-4)
    # On the 8x8 grid the same maps still differ from pixel to pixel.
    table = SOURCES["generator"](G, generated_slices(np.zeros((1, 1, 16, 16)), [0], [3], G.class_names))
    assert table.features.reshape(-1, 64).std(axis=1).min() > 0


def test_inception_is_loaded_from_the_known_file_only(tmp_path, monkeypatch):
    pytest.importorskip("torch_fidelity", reason="the optional extra 'inception'")
    file = tmp_path / "weights.pth"
    file.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="expected 6726825d0af5"):
        load_inception(file)
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_inception(tmp_path / "nowhere")
    monkeypatch.setattr(features, "INCEPTION_SHA256", hashlib.sha256(b"no weights").hexdigest())
    monkeypatch.setattr(torch, "load", lambda *_, **__: {})
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda self, state: None)
    images, _ = discs(2)
    assert load_inception(file).features(images).shape == (2, 2048)
