"""The reference classifier: it tells slices apart, repeats for a seed, and answers from its cache for equal slices."""

import numpy as np
import pytest
import torch

from analysis.classification import auc
from analysis.distances import coverage
from analysis.judge import distort, fit, train_judge

CHECKS = 8  # how often `fit` asks what validates it


@pytest.fixture(scope="module")
def judge(discs):
    images, labels = discs(200)
    return train_judge(images, labels, ("CN", "AD"), images_seen=3200)


def test_the_judge_tells_unseen_slices_apart(judge, discs):
    images, labels = discs(100, seed=1)
    assert auc(labels, judge.probabilities(images)) > 0.95
    assert judge.probabilities(images).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_judges_features_tell_blur_from_nothing(judge, discs):
    images, _ = discs(100, seed=1)
    same, _ = discs(100, seed=2)
    blurred = torch.nn.functional.avg_pool2d(torch.from_numpy(same).float(), 3, 1, 1).byte().numpy()
    real = judge.features(images)
    assert coverage(real, judge.features(same)) > 0.8
    assert coverage(real, judge.features(blurred)) < 0.5


def test_the_judge_is_the_same_for_the_same_seed_and_leaves_the_global_random_state_alone(discs):
    images, labels = discs(40)
    before = torch.random.get_rng_state()
    hashes = [train_judge(images, labels, ("CN", "AD"), seed=seed, images_seen=256).hash for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert torch.equal(before, torch.random.get_rng_state())


def test_an_image_is_judged_alone(judge, discs):
    images, _ = discs(70, seed=3)
    assert judge.features(images)[5:6] == pytest.approx(judge.features(images[5:6]), abs=1e-4)


def test_the_cache_answers_for_equal_slices_only(tmp_path, discs):
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


def test_one_class_still_has_a_judge_of_features(discs):
    images, _ = discs(40)
    judge = train_judge(images, np.zeros(40, dtype=np.int64), ("AD",), images_seen=256)
    assert judge.features(images).shape == (40, 128)


@pytest.mark.parametrize("size", [8, 32])
def test_the_judge_takes_every_size_and_read_only_arrays(size, discs):
    images, labels = discs(20, size)
    images.setflags(write=False)
    judge = train_judge(images, labels, ("CN", "AD"), images_seen=128)
    assert judge.features(images).shape == (20, 128)
    with pytest.raises(ValueError, match=rf"takes uint8 \[M, 1, {size}, {size}\]"):
        judge.features(np.zeros((2, 1, 16, 16), dtype=np.uint8))


def test_the_judge_says_what_it_needs(discs):
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


def test_the_best_moment_on_validate_is_kept():
    pools = [(torch.randint(0, 255, (16, 1, 8, 8), dtype=torch.uint8), torch.arange(16) % 2)]
    seen = []

    def judge(network):
        seen.append(network.classes.weight.clone())
        return [0.1, 0.9, 0.9, 0.2, 0.3, 0.1, 0.1, 0.1][len(seen) - 1]

    network = fit(pools, 2, seed=0, steps=8, validate=judge)
    assert len(seen) == CHECKS and torch.equal(network.classes.weight, seen[1])
    assert not torch.equal(seen[1], seen[7]) and not network.training


def test_a_telling_pool_is_learned_and_a_seed_repeats():
    """Bright is class 1."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(128) % 2
    images = (labels * 120 + 60)[:, None, None, None] + torch.randint(-20, 20, (128, 1, 8, 8), generator=draw)
    images = images.to(torch.uint8)
    pools = [(images[:32], labels[:32]), (images[32:64], labels[32:64])]
    first, again = (fit(pools, 2, seed=3, steps=40, validate=lambda network: 0.0) for _ in range(2))
    assert torch.equal(first.classes.weight, again.classes.weight)
    checks = iter(range(CHECKS))
    last = fit(pools, 2, seed=3, steps=40, validate=lambda network: next(checks))  # better every time: the last is kept
    with torch.no_grad():
        answers = last(images[64:].float() / 127.5 - 1.0)[0].argmax(dim=1)
    assert (answers == labels[64:]).float().mean() > 0.95
