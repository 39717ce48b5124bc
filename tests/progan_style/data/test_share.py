"""A share of the persons: nested, reproducible, and a data folder that holds nobody else for training."""

from dataclasses import replace

import numpy as np
import pytest

from progan_style import load_folder, persons_of_share, write_share

SUBJECTS = np.repeat([f"p{i:02d}" for i in range(20)], 3)
LABELS = np.repeat([0, 1], 30)


def chosen(share, subjects=SUBJECTS, labels=LABELS):
    return set(subjects[persons_of_share(subjects, labels, share)])


def test_shares_are_of_persons_of_each_class_whole_and_nested():
    for share, count in ((0.1, 2), (0.5, 10), (1.0, 20)):
        mask = persons_of_share(SUBJECTS, LABELS, share)
        assert len(set(SUBJECTS[mask])) == count and mask.sum() == 3 * count
        assert len(set(SUBJECTS[mask & (LABELS == 0)])) == count // 2
    assert chosen(0.1) < chosen(0.25) < chosen(0.5) < chosen(1.0)
    assert len(chosen(0.001)) == 2  # one person of each class


def test_a_share_does_not_depend_on_the_order_of_slices():
    order = np.random.default_rng(0).permutation(60)
    assert chosen(0.3, SUBJECTS[order], LABELS[order]) == chosen(0.3)


def test_the_folder_holds_the_share_for_training_and_everyone_else(tiny_run, tmp_path):
    data = tiny_run.data
    assert write_share(data, 0.5, tmp_path / "half") == (12, 24)
    half = load_folder(tmp_path / "half", resolution=16, cache_dir=tmp_path / "cache", progress=False)
    mask = persons_of_share(data.train.subjects, data.train.labels, 0.5)
    assert set(half.train.subjects) == set(data.train.subjects[mask])
    assert (half.train.at(16) == data.train.subset(mask).at(16)).all()
    for part in ("validate", "test"):
        mine, theirs = half.splits[part], data.splits[part]
        assert (mine.at(16) == theirs.at(16)).all() and (mine.labels == theirs.labels).all()


def test_faulty_requests_are_refused(tiny_run, tmp_path):
    with pytest.raises(ValueError, match=r"more than 0 and at most 1, got 1\.5"):
        persons_of_share(SUBJECTS, LABELS, 1.5)
    unknown = replace(tiny_run.data.train, subjects=np.full(len(tiny_run.data.train), "", dtype=object))
    with pytest.raises(ValueError, match="needs to know who is who"):
        write_share(replace(tiny_run.data, train=unknown), 0.5, tmp_path / "unknown")
