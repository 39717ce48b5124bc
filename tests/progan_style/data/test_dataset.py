import numpy as np
import pytest
import torch

from progan_style.data.dataset import Dataset

# ------------------------------------------------------------------------------------------------------ layouts


# ------------------------------------------------------------------------------------------------------ pixels


# ------------------------------------------------------------------------------------------------------ cache


# ------------------------------------------------------------------------------------------------------ persons


# ------------------------------------------------------------------------------------------------------ manifest


# ------------------------------------------------------------------------------------------------------ bad folders


# ------------------------------------------------------------------------------------------------------ batches


@pytest.fixture
def dataset():
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8), np.uint8)
    subjects = np.array([f"s{i}" for i in range(10)])
    return Dataset({8: images}, np.arange(10) % 2, subjects, ("CN", "AD"), tuple("abcdefghij"), {"k": subjects})


def test_order_is_a_permutation_per_epoch_and_pure(dataset):
    order = dataset.indices(1, 0, 40)
    epochs = order.reshape(4, 10)
    assert (np.sort(epochs, axis=1) == np.arange(10)).all()
    assert len({tuple(e) for e in epochs.tolist()}) == 4
    pieces = [dataset.indices(1, nimg, 7) for nimg in (14, 0, 28, 21, 7)]  # any batch, in any order
    assert np.concatenate([pieces[i] for i in (1, 4, 0, 3, 2)]).tolist() == order[:35].tolist()
    assert dataset.indices(2, 0, 10).tolist() != order[:10].tolist()


def test_batch_holds_what_indices_say(dataset):
    images, labels = dataset.batch(1, 8, 5, 8)
    rows = dataset.indices(1, 8, 5)
    assert images.dtype == torch.uint8 and images.shape == (5, 1, 8, 8) and labels.dtype == torch.int64
    assert images[:, 0, 0, 0].tolist() == rows.tolist() and labels.tolist() == (rows % 2).tolist()
    with pytest.raises(ValueError, match="resolution 16 was not packed; this data set has 8"):
        dataset.batch(1, 0, 1, 16)


def test_one_level_at_a_time_stays_on_the_device(dataset):
    dataset.levels[16] = dataset.levels[8].repeat(2, axis=2).repeat(2, axis=3)
    held = []
    for nimg, resolution in ((0, 8), (8, 8), (16, 16)):  # "meta" goes the way of a GPU, without values
        images, labels = dataset.batch(1, nimg, 5, resolution, "meta")
        assert images.shape == (5, 1, resolution, resolution) and images.is_meta and labels.is_meta
        held.append(dataset._resident[1])
    assert held[0] is held[1] and held[2].shape == (10, 1, 16, 16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batch_on_a_gpu_equals_the_cpu(dataset):
    for nimg in (0, 8):
        images, labels = dataset.batch(1, nimg, 5, 8, "cuda")
        assert images.is_cuda and images.cpu().equal(dataset.batch(1, nimg, 5, 8)[0])
        assert labels.is_cuda and labels.cpu().equal(dataset.batch(1, nimg, 5, 8)[1])


def test_subset(dataset):
    for rows in ([3, 1], np.arange(10) < 4, range(2, 5), []):
        part = dataset.subset(rows)
        index = np.arange(10)[rows if len(rows) else []]
        assert part.at(8)[:, 0, 0, 0].tolist() == index.tolist() and len(part) == len(index)
        assert (
            part.paths == tuple("abcdefghij"[i] for i in index) and part.columns["k"].tolist() == part.subjects.tolist()
        )
    with pytest.raises(ValueError, match="no images"):
        dataset.subset([]).batch(0, 0, 1, 8)
