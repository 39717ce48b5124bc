import csv
import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from progan_style.data import packing
from progan_style.data.dataset import Dataset
from progan_style.data.loading import load_folder
from progan_style.data.packing import Allow

OASIS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "oasis-mri"


def save(path, value=100, shape=(16, 16), dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, dtype)).save(path)


def write(root, names=("train/CN", "train/AD"), persons=10, slices=2, shape=(16, 16)):
    """CN slices are 50 + person, AD slices 150 + person; file names <class><person>x_<slice>.png."""
    for name in names:
        base = 150 if name.lower().endswith("ad") else 50
        for p in range(persons):
            for s in range(slices):
                save(root / name / f"{name[0]}{name[-2:]}{p:02}x_{s}.png", base + p, shape)
    return root


def manifest(root, rows, header=("path", "label", "subject", "split")):
    with open(root / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def load(tmp_path):
    def load(root=tmp_path / "data", resolution=16, **keys):
        return load_folder(root, resolution=resolution, cache_dir=tmp_path / "cache", progress=False, **keys)

    return load


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


# ------------------------------------------------------------------------------------------------------ layouts


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


# ------------------------------------------------------------------------------------------------------ pixels


def test_padded_not_squashed_and_reduced_by_area(root, load):
    tall = np.zeros((64, 60), np.uint8)
    tall[:, 30:] = 200
    for name in ("AD", "CN"):
        (root / name).mkdir(parents=True)
        Image.fromarray(tall).save(root / name / "a_0.png")
    data = load(resolution=32)
    image = data.train.at(32)[0, 0]
    assert (image[:, 0] == 0).all() and (image[:, 16:31] == 200).all() and (image[:, 31] == 0).all()
    assert (data.train.at(16)[0, 0, :, 15] == 100).all()
    assert data.source_sizes == {"60x64": 2} and "60x64 (2)" in data.summary()


def test_sixteen_bit_images_share_one_range(root, load):
    for name, value in (("AD", 3000), ("CN", 1000)):
        for p in range(2):
            save(root / name / f"{p}_0.png", value + 1000 * p, dtype=np.uint16)
    data = load()
    assert data.bits == 16 and data.intensity_range == (1000, 4000)
    assert data.train.at(16)[:, 0, 0, 0].tolist() == [170, 255, 0, 85]  # AD 3000, 4000, CN 1000, 2000
    assert "16-bit, 1000..4000" in data.summary()
    save(root / "CN" / "2_0.png", 7)
    with pytest.raises(ValueError, match=r"CN/2_0\.png: 8-bit, but images before it are 16-bit"):
        load()


def test_small_images_are_an_error_unless_upsampling_is_allowed(root, load):
    write(root)
    save(root / "train/AD/sub-014.png", shape=(10, 12))
    with pytest.raises(ValueError) as error:
        load()
    assert one_line(error) == (
        f"{root}/train/AD/sub-014.png: 12 x 10 pixels; the last stage is 16: "
        "train --until 8, or set data.allow_upsampling"
    )
    data = load(allow=Allow(upsampling=True))
    assert data.upsampled == 1 and "UPSAMPLED: 1 images" in data.summary()
    assert len(data.train) == 41


def test_mean_intensity_is_per_split_and_class(root, load):
    data = load(write(root, ("train/CN", "train/AD", "test/CN", "test/AD")))
    assert data.mean_intensity["test", "AD"] == pytest.approx(154.5)
    assert data.mean_intensity["train", "CN"] == pytest.approx(54.5)


# ------------------------------------------------------------------------------------------------------ cache


def test_the_cache_is_reused_and_a_change_is_noticed(root, load, tmp_path, monkeypatch):
    first = load(write(root))
    assert isinstance(first.train.at(16), np.memmap)

    def never(*_):
        raise AssertionError("packed again")

    with monkeypatch.context() as patch:
        patch.setattr("progan_style.data.loading.pack", never)
        again = load()
        assert again.key == first.key and (again.train.at(16) == first.train.at(16)).all()
        assert again.summary() == first.summary()
        for keys in (
            {"resolution": 8},
            {"allow": Allow(unreadable=True)},
            {"allow": Allow(upsampling=True)},
            {"classes": ("AD", "CN")},
        ):
            with pytest.raises(AssertionError, match="packed again"):
                load(**keys)
    path = root / "train/AD" / next(iter(sorted(os.listdir(root / "train/AD"))))
    os.utime(path, ns=(1, 1))
    touched = load()
    assert touched.key != first.key
    path.unlink()
    assert load().key not in (first.key, touched.key) and len(load().train) == 39
    assert not [name for name in os.listdir(tmp_path / "cache") if name.startswith(".")]


def test_a_failed_packing_leaves_nothing(root, load, tmp_path, monkeypatch):
    write(root)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(packing, "_header", full)
        with pytest.raises(OSError, match="the disk is full; packing needs") as error:
            load()
        one_line(error)
    (root / "train/AD/zz_0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"train/AD/zz_0\.png: cannot be read \(not a PNG.*data\.skip_unreadable"):
        load()
    assert os.listdir(tmp_path / "cache") == []


def test_a_damaged_cache_is_said(root, load, tmp_path):
    load(write(root))
    (level,) = (tmp_path / "cache").glob("data-*/level-008.npy")
    level.write_bytes(level.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"cache is damaged.*delete the folder") as error:
        load()
    one_line(error)


def test_unreadable_images_are_skipped_only_when_asked(root, load):
    write(root)
    for name in ("train/AD/aa_0.png", "train/CN/zz_0.png"):
        (root / name).write_bytes(b"no picture")
    data = load(allow=Allow(unreadable=True))
    assert data.skipped == ("train/AD/aa_0.png", "train/CN/zz_0.png")
    assert "SKIPPED   2 unreadable images" in data.summary()
    assert len(data.train) == 40 and data.train.at(8).shape == (40, 1, 8, 8)
    assert ((data.train.at(8)[:, 0, 0, 0] > 100) == (data.train.labels == 1)).all()
    assert load(allow=Allow(unreadable=True)).summary() == data.summary()


def test_many_chunks_keep_their_order(root, load, monkeypatch):
    monkeypatch.setattr(packing, "CHUNK", 3)
    data = load(write(root))
    expected = [int(path[-8:-7]) + (150 if path.startswith("train/AD") else 50) for path in data.train.paths]
    assert data.train.at(16)[:, 0, 0, 0].tolist() == expected


# ------------------------------------------------------------------------------------------------------ persons


def test_groups_of_the_file_names(root, load):
    data = load(write(root))
    assert data.subjects_known and data.subjects_are == "groups of the file names"
    assert data.train.subjects[0] == "tAD00x" and len(set(data.train.subjects)) == 20
    assert "scans" in data.summary()


def test_fewer_than_ten_groups_are_no_persons(root, load):
    data = load(write(root, persons=9))
    assert not data.subjects_known and data.subjects_are == "unknown" and not data.train.subjects.astype(bool).any()
    assert "PERSONS UNKNOWN: class CN has 9 groups" in data.summary()


@pytest.mark.parametrize("word", ["mild", "Very_Mild", "non", "nc", "elderly"])
def test_groups_that_are_class_words_are_no_persons(root, load, word):
    write(root)
    save(root / "train/AD" / f"{word}_10.png")
    data = load(aliases={"NC": "CN", "elderly": "AD"})
    assert not data.subjects_known and f"({word})" in data.summary()


def test_file_names_without_an_id_are_no_persons(root, load):
    write(root)
    save(root / "train/AD/014.png")
    assert "1 of 41 file names have no id" in load().why_subjects


def test_a_person_on_both_sides_is_said_loudly(root, load):
    write(root, ("train/CN", "train/AD", "test/CN", "test/AD"))
    for p in range(3):
        save(root / f"test/AD/tAD{p:02}x_9.png")
    shared = load().shared_subjects()
    assert set(shared) == {("train", "test")}
    assert "WARNING   20 groups stand in both train and test" in load().summary()  # both folders begin with t
    assert len(shared["train", "test"]) == 20


# ------------------------------------------------------------------------------------------------------ manifest


def all_rows(root, split="train", subject=lambda p: p.stem.split("x_")[0]):
    paths = sorted(root.glob("*/*/*.png")) + sorted(root.glob("*/*.png"))
    return [(p.relative_to(root).as_posix(), p.parent.name, subject(p), split) for p in paths]


def test_the_manifest_gives_persons_and_columns(root, load):
    write(root, persons=2)
    rows = [(*row, i) for i, row in enumerate(all_rows(root))]
    manifest(root, rows, ("path", "label", "subject", "split", "severity"))
    data = load()
    assert data.subjects_are == "persons" and sorted(set(data.train.subjects)) == ["tAD00", "tAD01", "tCN00", "tCN01"]
    assert data.train.columns["severity"].tolist() == [str(i) for i in range(8)]
    assert "4 persons: column subject of manifest.csv" in data.summary()
    assert load(subject_column="severity").train.subjects.tolist() == [str(i) for i in range(8)]
    assert "subject" in load(subject_column="severity").train.columns
    manifest(
        root, [(*row, i + 1) for i, row in enumerate(all_rows(root))], ("path", "label", "subject", "split", "severity")
    )
    assert load().train.columns["severity"][0] == "1"  # a changed manifest is noticed too


def test_a_manifest_may_split_and_label_flat_folders(root, load):
    write(root, ("pictures",), persons=6)
    paths = sorted(p.relative_to(root).as_posix() for p in root.glob("*/*.png"))
    rows = [
        (p.replace("/", "\\"), ("nc", "AD", "MCI")[i % 3], i, ("Training", "validation")[i // 6])
        for i, p in enumerate(paths)
    ]
    manifest(root, rows[:-1], ("path", "label", "subject", "split"))
    data = load()
    assert len(data.train) == 4 and len(data.validate) == 4 and data.unseen == ("validate", data.validate)
    assert data.train.labels.tolist() == [0, 1, 0, 1]
    assert "3 images with label 'MCI' in manifest.csv" in data.unused and "1 images in" not in data.summary()


def test_an_empty_subject_means_unknown(root, load):
    write(root, ("AD", "CN"))
    manifest(root, all_rows(root, subject=lambda p: ""))
    data = load()
    assert data.subjects_are == "unknown" and "PERSONS UNKNOWN" in data.summary() and len(data.train) == 40


def test_a_manifest_without_subjects_leaves_the_file_names(root, load):
    write(root)
    manifest(root, [row[:2] for row in all_rows(root)], ("path", "label"))
    assert load().subjects_are == "groups of the file names"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[1].__setitem__(1, "CN"), r"manifest\.csv line 3: label CN, but train/AD/\S+ lies in AD"),
        (lambda rows: rows[1].__setitem__(1, "MCI"), r"manifest\.csv line 3: label MCI, but train/AD/\S+ lies in AD"),
        (lambda rows: rows[0].__setitem__(3, "test"), r"manifest\.csv line 2: split test, but \S+ lies in train"),
        (
            lambda rows: rows[0].__setitem__(3, "tst"),
            r"manifest\.csv line 2: split 'tst'; expected train, validate, test",
        ),
        (lambda rows: rows[0].__setitem__(0, "AD/no.png"), r"manifest\.csv line 2: AD/no\.png is not in"),
        (lambda rows: rows[0].__setitem__(0, "../x.png"), r"manifest\.csv line 2: path '\.\./x\.png'; expected a path"),
        (lambda rows: rows.append(rows[0]), r"manifest\.csv line 42: \S+ stands on line 2 already"),
        (lambda rows: rows.pop(), r"manifest\.csv does not list 1 of 40 images \(train/CN/tCN09x_1\.png\)"),
        (lambda rows: rows[0].append("x"), r"manifest\.csv line 2: more cells than the header"),
    ],
)
def test_faults_of_a_manifest_name_the_line(root, load, change, message):
    write(root)
    rows = [list(row) for row in all_rows(root)]
    change(rows)
    manifest(root, rows)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        load()
    one_line(error)


def test_faults_of_a_manifest_header(root, load):
    write(root)
    with pytest.raises(ValueError, match=r"data\.subject_column: rid is not in manifest\.csv; .* has no manifest"):
        load(subject_column="rid")
    manifest(root, all_rows(root))
    with pytest.raises(ValueError, match=r"rid is not in manifest\.csv; its columns are path, label, subject, split"):
        load(subject_column="rid")
    (root / "manifest.csv").write_text("path;label\na;b\n")
    with pytest.raises(ValueError, match=r"expected different columns path.*found path;label"):
        load()
    (root / "manifest.csv").write_bytes(b"path,label\n\xff\xfe,\x00\n")
    with pytest.raises(ValueError, match="not a CSV file in UTF-8") as error:
        load()
    one_line(error)


# ------------------------------------------------------------------------------------------------------ bad folders


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
        (folder_of("AD_NC/train", "AD_NC/test"), r"no class folders; .*; did you mean \S*data/AD_NC\?"),
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


def test_a_class_of_unreadable_images_only(root, load):
    write(root, ("AD",))
    (root / "CN").mkdir()
    (root / "CN/a_0.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"data/CN: no images of class CN \(1 unreadable ones skipped\)"):
        load(allow=Allow(unreadable=True))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"resolution": 48}, "resolution 48: expected a power of two"),
        ({"resolution": 4}, "resolution 4: expected a power of two, 8 or more"),
        ({"classes": ()}, r"data\.classes: expected different names"),
        ({"classes": ("AD", "ad")}, r"data\.classes: expected different names"),
        ({"classes": ("CN", "NC")}, r"data\.aliases: NC: CN, but NC is another class"),
    ],
)
def test_impossible_settings(root, load, keys, message):
    write(root)
    with pytest.raises(ValueError, match=message):
        load(**keys)


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


def test_importing_and_loading_need_no_torch(root, tmp_path):
    import subprocess

    write(root)
    code = (
        "import sys; from progan_style.data.loading import load_folder\n"
        f"load_folder({str(root)!r}, resolution=8, cache_dir={str(tmp_path / 'c')!r}, progress=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not OASIS.is_dir(), reason="the OASIS slices are not beside the repository")
def test_oasis(load):
    data = load(OASIS, resolution=8)
    assert (len(data.train), len(data.validate), len(data.test)) == (4736, 768, 0)
    assert data.train.labels.tolist() == [int("/AD/" in path) for path in data.train.paths]
    people = set(data.train.subjects) | set(data.validate.subjects)
    assert data.subjects_are == "persons" and len(people) == 172 and not data.shared_subjects()
    assert data.source_sizes == {"128x128": 5504} and data.unseen[0] == "validate"
