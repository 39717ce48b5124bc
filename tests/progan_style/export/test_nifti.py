"""A generated slice lies where the slices lay that the generator learnt from."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from shell_tools import refused

from progan_style.export.nifti import field_of_folder, nifti_bytes
from progan_style.field import Field


def prepared(root, **cells):
    """A folder as prepare.py writes it, of two slices."""
    (root / "train" / "CN").mkdir(parents=True)
    rows = []
    for k in range(2):
        Image.new("L", (128, 128), k).save(root / "train" / "CN" / f"{k}.png")
        rows.append({"path": f"train/CN/{k}.png", "plane": "axial", "mm_per_pixel": "2", **cells})
    with open(root / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return root


def field_of(root):
    return field_of_folder(root and str(root), ("CN", "AD"), {"NC": "CN"})


# plane -> which way the picture's right and its bottom are, as nibabel's codes: neurological, nose or vertex up
RIGHT_AND_DOWN = {"axial": ("R", "P"), "coronal": ("R", "I"), "sagittal": ("P", "I")}


@pytest.mark.parametrize("plane", RIGHT_AND_DOWN)
def test_a_pixel_is_where_the_planes_say(plane, tmp_path):
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    (tmp_path / "a.nii.gz").write_bytes(nifti_bytes(image, Field(256.0, plane), (1.0, 2.0, 3.0), height=12.0))
    volume = nib.load(tmp_path / "a.nii.gz")
    assert volume.shape == (8, 8, 1) and volume.header.get_zooms()[:2] == (32.0, 32.0)
    assert nib.aff2axcodes(volume.affine)[:2] == RIGHT_AND_DOWN[plane]
    assert np.array_equal(np.asarray(volume.dataobj)[:, :, 0].T, image)
    middle = volume.affine @ [3.5, 3.5, 0, 1]
    axis = {"axial": 2, "coronal": 1, "sagittal": 0}[plane]
    assert middle[:3] == pytest.approx(np.eye(3)[axis] * 12.0 + [1.0, 2.0, 3.0])
    assert volume.header["sform_code"] == volume.header["qform_code"] == 2
    assert nifti_bytes(image, Field(256.0, plane), (1.0, 2.0, 3.0), 12.0) == (tmp_path / "a.nii.gz").read_bytes()


def test_the_field_is_the_manifest_s_or_the_phantoms(tmp_path):
    root = prepared(tmp_path / "a")
    assert field_of(root) == (Field(256.0, "axial"), (0.0, 0.0, 0.0))
    phantoms = (Field(pytest.approx(225.28), "axial"), (0.0, -17.0, 0.0))
    assert field_of(None) == phantoms
    (root / "phantoms.json").write_text(json.dumps({}))
    assert field_of(root) == phantoms


@pytest.mark.parametrize(
    ("cells", "told"),
    (
        ({"mm_per_pixel": ""}, "has none in its column mm_per_pixel"),
        ({"mm_per_pixel": "wide"}, "mm_per_pixel: expected a number of mm, got wide"),
        ({"mm_per_pixel": "-1"}, "mm_per_pixel: expected a number of mm, got -1"),
        ({"plane": "oblique"}, "plane: expected axial, coronal, sagittal, got oblique"),
    ),
)
def test_millimetres_that_are_not_known_are_told(cells, told, tmp_path):
    with pytest.raises(ValueError, match=told):
        field_of(prepared(tmp_path / "a", **cells))


def test_only_pictures_that_the_run_could_learn_from_say_their_size(tmp_path):
    root = prepared(tmp_path / "a")
    others = [
        r"train\CN\2.png,CN",
        "train/CN/3.png,n/a",
        "train/MCI/4.png,",
        "train/images/5.png,MCI",
        "train/images/6.png,",
    ]
    for name in ("MCI/4", "images/5", "images/6"):
        (root / "train" / name).parent.mkdir(exist_ok=True)
        Image.new("L", (64, 64)).save(root / "train" / f"{name}.png")
    Image.new("L", (128, 128)).save(root / "train" / "CN" / "2.png")
    (root / "train" / "CN" / "3.png").write_bytes(b"no picture")
    lines = (root / "manifest.csv").read_text().splitlines()
    rows = [f"{path},{label},axial,2" for path, label in (line.split(",") for line in others)]
    old = [line.replace(",", ",,", 1) for line in lines[1:]]
    (root / "manifest.csv").write_text("\n".join(["path,label,plane,mm_per_pixel", *old, *rows]) + "\n")
    assert field_of(root) == (Field(256.0, "axial"), (0.0, 0.0, 0.0))
    for picture in (root / "train" / "CN").iterdir():
        picture.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"none of its pictures of CN, AD can be opened"):
        field_of(root)
    (root / "manifest.csv").write_text("path,label\ntrain/MCI/4.png,MCI\n")
    with pytest.raises(ValueError, match=r"has no picture of CN, AD; expected the folder that the run learnt from"):
        field_of(root)


def test_pictures_of_two_sizes_have_no_millimetres_in_common(tmp_path):
    root = prepared(tmp_path / "a")
    last = sorted(root.rglob("*.png"))[-1]
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(last)
    with pytest.raises(ValueError, match=r"has pictures of 64x64 and 128x128; expected one size"):
        field_of(root)


def test_generate_writes_them_where_they_are_known(call_shell, tiny_run, tmp_path):
    ask = ("generate.py", "--run", tiny_run.run_dir, "--as", "nifti", "--count", 2, "--to", tmp_path / "made")
    refused(call_shell(*ask), "--as nifti: the millimetres of the slices are not known")
    assert not (tmp_path / "made").exists()


def test_the_shipped_run_writes_phantoms_in_mm(call_shell, tmp_path):
    from progan_style import EXAMPLE

    ask = ("generate.py", "--run", EXAMPLE, "--as", "nifti", "--count", 1, "--label", "AD", "--to", tmp_path / "made")
    done = call_shell(*ask)
    assert done.returncode == 0, done.stderr
    volume = nib.load(tmp_path / "made" / "AD" / "AD_000000.nii.gz")
    assert volume.shape == (64, 64, 1) and volume.header.get_zooms()[:2] == pytest.approx((3.52, 3.52))
