"""A folder of slices, packed: which bytes, and when the cache is found again."""

import errno
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from data_tools import one_line, save, write
from PIL import Image

from progan_style.data import packing
from progan_style.data.packing import Allow

OASIS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "oasis-mri"


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


def test_a_damaged_cache_is_said_and_made_anew(root, load, tmp_path, capsys):
    whole = load(write(root)).train.at(8).copy()  # not the file's own memory
    (level,) = (tmp_path / "cache").glob("data-*/level-008.npy")
    level.write_bytes(level.read_bytes()[:-10])
    assert (load().train.at(8) == whole).all()
    assert "is damaged; the slices are packed anew" in capsys.readouterr().out


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


def test_a_level_is_the_same_whatever_size_was_packed_of_slices_made_larger_too(root, load):
    """A run that grows is packed anew for each size, and is told by its lowest level."""
    rng = np.random.default_rng(0)
    for i, side in enumerate((12, 16, 20, 31, 40)):
        for name in ("CN", "AD"):
            path = root / "train" / name / f"sub-{i:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (side, side - 3), np.uint8)).save(path)
    packed = {size: load(resolution=size, allow=Allow(upsampling=True)).train for size in (8, 16, 32, 64)}
    assert len({json.dumps(data.digest()) for data in packed.values()}) == 1
    for size, data in packed.items():
        for level in (level for level in (8, 16, 32, 64) if level <= size):
            assert np.array_equal(data.at(level), packed[64].at(level)), (size, level)
    strict = load(resolution=8).train  # so that the key may come with a larger size
    assert strict.digest() == packed[64].digest()
