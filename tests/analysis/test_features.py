import numpy as np
import pytest
import torch

from analysis.features import (
    SOURCES,
    FeatureTable,
    Slices,
    distort,
    generated_slices,
    join,
    real_slices,
    train_judge,
)
from analysis.metrics import auc, coverage
from progan_style import generate, load_discriminator, load_generator, stage_dir


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


@pytest.fixture(scope="module")
def models(tiny_run):
    folder = stage_dir(tiny_run.run_dir, 16)
    images, labels = discs(40)
    return {
        "generator": load_generator(folder / "generator.safetensors"),
        "discriminator": load_discriminator(folder / "discriminator.safetensors"),
        "judge": train_judge(images, labels, ("CN", "AD"), images_seen=128),
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


@pytest.mark.parametrize("source", ["discriminator", "judge"])
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
