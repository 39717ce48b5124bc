"""Files of scans: every kind is read, and a bad one is named with what to do."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from progan_style.scans.volumes import BadScan, make_volume, read_volume, refuse_labels


@pytest.mark.parametrize("suffix", (".nii", ".nii.gz", ".mgz", ".mgh"))
def test_every_kind_of_file(scan_tools, tmp_path, suffix):
    data, affine = scan_tools.head()
    kind = nib.MGHImage if "mg" in suffix else nib.Nifti1Image
    nib.save(kind(data, affine.astype(np.float32)), tmp_path / f"scan{suffix}")
    assert np.array_equal(read_volume(tmp_path / f"scan{suffix}").data, data.astype(np.float32))


def test_voxels_that_are_not_finite_are_noted(scan_tools):
    data, affine = scan_tools.head()
    values = data.astype(np.float32)
    values[0, 0, :5] = np.nan
    volume = make_volume(values, affine, "scan")
    assert np.isfinite(volume.data).all() and "5 voxels are not finite" in volume.notes[0]


def test_thick_slices_are_noted_and_equal_voxels_are_not(scan_tools):
    data, affine = scan_tools.head()
    thick = affine @ np.diag([0.25, 0.25, 1.5, 1])
    assert "thick slices (voxels of 1 x 1 x 6 mm)" in make_volume(data.astype(np.float32), thick, "scan").notes[0]
    assert not make_volume(data.astype(np.float32), affine, "scan").notes


def save(path, data, affine):
    """A NIfTI file with the affine as it is, also an impossible one."""
    image = nib.Nifti1Image(data, None)
    image.header.set_sform(affine, 1)
    nib.save(image, path)
    return path


def broken(kind, folder, scan_tools):
    data, affine = scan_tools.head()
    path = folder / "scan.nii.gz"
    if kind == "truncated":
        save(path, data, affine)
        path.write_bytes(path.read_bytes()[:20000])
    elif kind == "not gzip":
        path.write_bytes(b"nothing of the kind" * 100)
    elif kind == "4-D":
        save(path, np.stack([data] * 3, axis=-1), affine)
    elif kind == "one slice":
        save(path, data[:, :, :1], affine)
    elif kind == "zero affine":
        save(path, data, np.diag([0.0, 0, 0, 1]))
    elif kind == "NaN affine":
        save(path, data, np.diag([4.0, np.nan, 4, 1]))
    elif kind == "singular affine":
        save(path, data, np.array([[4.0, 4, 0, 0], [0, 0, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]]))
    elif kind == "constant":
        save(path, np.full_like(data, 7), affine)
    elif kind == "colour":
        save(path, np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), affine)
    elif kind == "header without image":
        nib.save(nib.Nifti1Pair(data, affine), folder / "scan.img")
        (folder / "scan.hdr").unlink()
        path = folder / "scan.img"
    elif kind == "huge":
        header = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), affine).header
        header.set_data_shape((4096, 4096, 4096))
        with gzip.open(path, "wb") as file:
            file.write(header.binaryblock + b"\0" * 4)
    return path


MESSAGES = {
    "truncated": "it is cut off or damaged; copy it anew",
    "not gzip": "it is cut off or damaged; copy it anew",
    "4-D": r"4-D, 50 x 60 x 60 x 3; expected one 3-D scan",
    "one slice": "a single slice",
    "zero affine": "its affine makes voxels of 0 x 0 x 0 mm",
    "NaN affine": "its affine has values that are not finite",
    "singular affine": "singular|makes voxels",
    "constant": r"a constant image \(every voxel is 7\)",
    "colour": "colour voxels",
    "header without image": "scan.hdr is missing; copy both files of the pair",
    "huge": "4096 x 4096 x 4096 voxels; expected 536,870,912 at most",
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_bad_file_is_named_with_what_to_do(kind, scan_tools, tmp_path):
    with pytest.raises(BadScan, match=MESSAGES[kind]) as raised:
        read_volume(broken(kind, tmp_path, scan_tools))
    assert "scan." in str(raised.value) and "\n" not in str(raised.value)


def test_a_few_whole_numbers_are_labels_and_measured_values_are_none(scan_tools):
    labels = np.arange(20 * 20 * 20, dtype=np.float32).reshape(20, 20, 20) % 31
    with pytest.raises(BadScan, match="31 different values: a label map or a mask, not a scan"):
        refuse_labels(labels)
    refuse_labels(labels / 7)
    refuse_labels(scan_tools.head(8.0)[0].astype(np.float32))
