"""Every format gives the volume that was written into it; a reader that is missing, and a file that is, are named."""

import importlib.util
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.testing import data_path
from scipy.io import netcdf_file

from progan_style.scans.formats import load_image, why_not_there
from progan_style.scans.volumes import BadScan, read_volume


def write_minc(path, data, voxel, hdf):
    """MINC 1 (netCDF) or MINC 2 (HDF5), by their standard: axes z, y, x with start and step; data on RAS axes."""
    dims, shape = ("zspace", "yspace", "xspace"), data.shape[::-1]
    if not hdf:
        with netcdf_file(path, "w") as file:
            for name, length in zip(dims, shape, strict=True):
                file.createDimension(name, length)
                axis = file.createVariable(name, "i4", ())
                axis.start, axis.step, axis.spacing = -100.0, voxel, b"regular__"
            image = file.createVariable("image", "i2", dims)
            image[:], image.valid_range, image.signtype = data.T, np.array([-32768.0, 32767.0]), b"signed__"
            for name, value in (("image-max", 32767.0), ("image-min", -32768.0)):
                file.createVariable(name, "f8", ())[...] = value
        return
    import h5py

    with h5py.File(path, "w") as file:
        for name, length in zip(dims, shape, strict=True):
            axis = file.create_dataset(f"minc-2.0/dimensions/{name}", data=0)
            axis.attrs.update(start=-100.0, step=voxel, length=length, spacing=np.bytes_("regular__"))
        image = file.create_dataset("minc-2.0/image/0/image", data=data.T.astype("<i2"))
        image.attrs.update(dimorder=np.bytes_(",".join(dims)), valid_range=[-32768.0, 32767.0])
        file.create_dataset("minc-2.0/image/0/image-max", data=32767.0)
        file.create_dataset("minc-2.0/image/0/image-min", data=-32768.0)


def write_with_itk(path, data, affine):
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(data.T)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing)
    image.SetOrigin(lps[:3, 3])
    image.SetDirection((lps[:3, :3] / spacing).ravel())
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("suffix", (".mnc", ".h5.mnc", ".mgz", ".nrrd", ".nhdr", ".mha", ".mhd"))
def test_every_format_gives_the_same_volume(suffix, scan_tools, tmp_path):
    data, affine = scan_tools.head(8.0)
    path = tmp_path / f"scan{suffix}"
    if suffix == ".mgz":
        nib.save(nib.MGHImage(data, affine.astype(np.float32)), path)
    elif suffix.endswith(".mnc"):
        pytest.importorskip("h5py")
        write_minc(path, data, 8.0, suffix == ".h5.mnc")
    else:
        order = scan_tools.ALL_ORDERS[29]
        write_with_itk(path, *scan_tools.stored_as(data, affine, order))
    volume = read_volume(path)
    assert np.allclose(volume.data, data, atol=0.51) and np.allclose(volume.affine[:3, :3], 8 * np.eye(3))


def test_a_nrrd_without_a_space_states_no_orientation(tmp_path):
    pytest.importorskip("SimpleITK")
    text = "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nspacings: 1 1 1\nencoding: raw\nendian: little\n\n"
    (tmp_path / "bare.nrrd").write_bytes(text.encode() + np.arange(64, dtype="<i2").tobytes())
    with pytest.raises(BadScan, match=r"bare.nrrd: its header states no orientation"):
        read_volume(tmp_path / "bare.nrrd")
    assert np.array_equal(read_volume(tmp_path / "bare.nrrd", "RAS").data.ravel("F"), np.arange(64))


def test_par_and_rec_of_philips_are_read(tmp_path):
    """nibabel's own sample, three dynamics; the first alone is a scan."""
    source = Path(data_path) / "phantom_EPI_asc_CLEAR_2_1.PAR"
    for suffix in (".PAR", ".REC"):
        (tmp_path / f"all{suffix}").write_bytes(source.with_suffix(suffix).read_bytes())
    with pytest.raises(BadScan, match=r"all.PAR: 4-D, 64 x 64 x 9 x 3; expected one 3-D scan"):
        read_volume(tmp_path / "all.PAR")
    lines = source.read_text().splitlines()
    kept = [n for n in lines if len(n.split()) < 40 or n.split()[2] == "1" or not n.split()[0].isdigit()]
    text = re.sub(r"(number of dynamics *: *)3", r"\g<1>1", "\n".join(kept)) + "\n"
    (tmp_path / "one.PAR").write_text(text)
    (tmp_path / "one.REC").write_bytes(source.with_suffix(".REC").read_bytes()[: 64 * 64 * 9 * 2])
    assert read_volume(tmp_path / "one.PAR").data.shape == (64, 64, 9)
    (tmp_path / "one.REC").unlink()
    with pytest.raises(BadScan, match=r"one.PAR: one.REC is missing; copy both files of the pair"):
        read_volume(tmp_path / "one.PAR")


def test_a_reader_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "scan.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(
        BadScan, match=r"scan.nrrd: NRRD and MetaImage files need SimpleITK, which is not installed: pip"
    ):
        read_volume(tmp_path / "scan.nrrd")
    (tmp_path / "scan.mnc").write_bytes(b"\x89HDF\r\n\x1a\n" + b"0" * 100)
    with pytest.raises(ImportError, match=r"MINC 2 files need h5py"):
        load_image(tmp_path / "scan.mnc")


def test_a_file_whose_content_is_elsewhere_says_so(tmp_path):
    os.symlink(tmp_path / ".git" / "annex" / "none", tmp_path / "dead.nii.gz")
    (tmp_path / "annex.nii.gz").write_text("/annex/objects/MD5E-s1--x.nii.gz\n")
    (tmp_path / "lfs.nii.gz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert why_not_there(tmp_path / "dead.nii.gz").startswith("a link to a file that is not there; fetch it")
    for name in ("annex", "lfs"):
        with pytest.raises(BadScan, match=f"{name}.nii.gz: a pointer to a file that is elsewhere; fetch it"):
            read_volume(tmp_path / f"{name}.nii.gz")
