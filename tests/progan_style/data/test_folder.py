"""What a folder of slices may look like."""

import numpy as np
import pytest
from data_tools import one_line, save, write


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (("train/AD", "train/NC", "test/AD", "test/NC"), (40, 0, 40)),
        (("Training Set/AD", "Training Set/CN", "Validate Set/AD", "Validate Set/CN"), (40, 40, 0)),
        (("TRAIN/ad", "train_set/Nc", "VAL/Ad", "val/nC", "Testing-Set/AD", "Testing-Set/CN"), (40, 40, 40)),
        (("AD", "CN"), (40, 0, 0)),
    ],
)
def test_layouts_of_both_seeds(root, load, names, sizes):
    data = load(write(root, names))
    assert tuple(len(s) for s in (data.train, data.validate, data.test)) == sizes
    assert data.class_names == ("CN", "AD")
    for split in (data.train, data.validate, data.test):  # by name: CN = 0 although AD sorts first
        assert ((split.at(8).mean(axis=(1, 2, 3)) > 100) == (split.labels == 1)).all()
        assert split.levels[16].dtype == np.uint8 and split.levels[8].shape == (len(split), 1, 8, 8)
        assert sorted(split.levels) == [8, 16] and split.labels.dtype == np.int64
    assert "CN = 0" in data.summary() and "AD = 1" in data.summary()


def test_classes_are_numbered_as_configured(root, load):
    write(root, ("AD", "NC", "mci"))
    assert load(classes=["AD", "CN"]).train.labels.sum() == 20
    data = load(classes=["MCI", "AD", "control"], aliases={"nc": "Control"})
    assert [int((data.train.labels == i).sum()) for i in range(3)] == [20, 20, 20]
    assert data.class_folders == {"MCI": ("mci",), "AD": ("AD",), "control": ("NC",)}
    assert data.train.paths[0].startswith("AD/") and data.train.labels[0] == 1


def test_one_class_is_unconditional(root, load):
    data = load(write(root, ("brain",)), classes=["brain"])
    assert len(data.train) == 20 and not data.train.labels.any()
    assert "unconditional" in data.summary()


def test_what_belongs_to_no_class_is_said(root, load):
    write(root, ("train/AD", "train/CN", "train/MCI", "notes"))
    save(root / "train" / "loose.png")
    (root / "train/AD/sub-001").mkdir()
    for name in ("LICENSE", ".hidden.png", "DATASET.md", "train/AD/.DS_Store", "train/AD/readme.txt"):
        (root / name).write_text("no picture")
    data = load()
    assert len(data.train) == 40
    assert set(data.unused) >= {"train/MCI/", "notes/", "train/AD/sub-001/", "1 images in train/"}
    assert "train/MCI/" in data.summary()


def test_a_person_on_both_sides_is_said_loudly(root, load):
    write(root, ("train/CN", "train/AD", "test/CN", "test/AD"))
    for p in range(3):
        save(root / f"test/AD/tAD{p:02}x_9.png")
    shared = load().shared_subjects()
    assert set(shared) == {("train", "test")}
    assert (
        "WARNING   20 persons guessed from file names stand in both train and test" in load().summary()
    )  # both folders begin with t
    assert len(shared["train", "test"]) == 20


def folder_of(*empty):
    def make(root):
        for name in empty:
            (root / name).mkdir(parents=True)

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (folder_of(), r"data: no such folder; expected a folder of slices"),
        (folder_of("."), r"data: no class folders; expected CN/ and AD/, alone or in train/"),
        (folder_of("scans", "notes"), r"no class folders; .*\(not used: notes/, scans/\)"),
        (lambda root: write(root, ("X/train/AD", "X/test/AD")), r"no class folders; .*; did you mean \S*data/X\?"),
        (folder_of("train"), r"data: no images of class CN for train; expected train/CN/: add it, or change data\.cl"),
        (lambda root: write(root, ("train/AD", "train/HC")), r"class CN .*train/CN/.*\(not used: train/HC/\)"),
        (lambda root: write(root, ("AD",)), r"data: no images of class CN for train; expected CN/: add it"),
        (lambda root: write(root, ("test/AD", "test/CN")), r"data: nothing to train on; expected train/ beside test"),
        (lambda root: (write(root), folder_of("test/CN")(root)), r"data/test/CN: no images of class CN \(png, jpg"),
        (lambda root: (write(root, ("AD",)), folder_of("NC")(root)), r"data/NC: no images of class CN \(png, jpg"),
        (lambda root: write(root, ("AD", "CN", "train/AD")), r"has both split folders \(train\) and class folders"),
    ],
)
def test_bad_folders_in_one_line(root, load, make, message):
    make(root)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        load()
    one_line(error)
