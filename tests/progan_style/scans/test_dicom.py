"""DICOM series become the same volumes as NIfTI files do."""

import gzip
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import get_decoder

from progan_style.scans import dicom
from progan_style.scans.cutting import Cut, cut_slices
from progan_style.scans.dicom import is_dicom, read_folder, read_frames, read_series, series_description
from progan_style.scans.volumes import BadScan, read_volume

CUT = Cut(slices=5, spacing=8.0, size=64)


@pytest.fixture
def scan(scan_tools):
    """An oblique scan of 2 x 4 x 4 mm, stored sagittally."""
    data, affine = scan_tools.head()
    affine = scan_tools.turned(affine, 7.0, 0)
    return scan_tools.stored_as(data, affine, scan_tools.ALL_ORDERS[29])


@pytest.fixture
def series(scan, scan_tools, tmp_path):
    return scan_tools.write_dicom(tmp_path / "series", *scan)


def test_a_series_is_the_volume_that_it_was_made_from(scan, series, scan_tools, tmp_path):
    """Sorted by position, spacing from positions, LPS to RAS; within one gray level of the NIfTI file's slices."""
    volume = read_series(series)
    nifti = read_volume(scan_tools.write_nifti(tmp_path / "scan.nii.gz", *scan))
    assert np.array_equal(volume.data, nifti.data) and np.allclose(volume.affine, nifti.affine, atol=1e-3)
    ours, theirs = (cut_slices(v, CUT).pictures.astype(int) for v in (volume, nifti))
    assert np.abs(ours - theirs).max() <= 1


def test_inverted_and_multiframe_files_are_read(scan, scan_tools, tmp_path):
    data, affine = scan
    expected = cut_slices(read_series(scan_tools.write_dicom(tmp_path / "plain", data, affine)), CUT).pictures
    inverted = scan_tools.write_dicom(tmp_path / "inverted", data, affine, inverted=True)
    scan_tools.write_multiframe(tmp_path / "multi" / "all", data, affine)
    for folder in (inverted, tmp_path / "multi"):
        found = cut_slices(read_series(folder), CUT).pictures.astype(int)
        assert np.abs(found - expected).max() <= 1


def test_rescaled_values_are_those_of_the_scale(scan, scan_tools, tmp_path):
    data, affine = scan
    folder = scan_tools.write_dicom(tmp_path / "series", data, affine, RescaleSlope="2", RescaleIntercept="-100")
    assert np.array_equal(np.sort(read_series(folder).data.ravel()), np.sort(data.ravel().astype(np.float32) * 2 - 100))


def test_what_is_a_dicom_file(series, tmp_path):
    files = sorted(series.iterdir())
    bare = files[0].rename(series / "IM_without_suffix")
    (tmp_path / "note").write_text("no picture")
    (tmp_path / "DICOMDIR").write_bytes(files[1].read_bytes())
    assert is_dicom(bare) and is_dicom(files[1]) and not is_dicom(tmp_path / "note")
    assert not is_dicom(tmp_path / "DICOMDIR")  # a table of contents
    found = read_folder(series)
    assert found.patients(found.files) == ("Doe^Jane",) and len(found.series) == 1


def test_a_series_is_described_by_its_first_picture(series, scan_tools):
    """A report may come before it."""
    for path in series.iterdir():
        change(path, SeriesDescription="T1 MPRAGE")
    scan_tools.write_report(series / "A.dcm", SeriesDescription="phoenix report")
    assert series_description(series) == "T1 MPRAGE"
    assert read_folder(series).files[0] == "A.dcm" and len(read_folder(series).series[0]) == 60


def test_a_flat_folder_is_looked_through_once_for_all_its_series(series, scan_tools):
    other = scan_tools.write_dicom(series.parent / "made", *scan_tools.head(12.0), SeriesInstanceUID="1.9")
    for path in other.iterdir():
        path.rename(series / f"x{path.name}")
    first, second = read_folder(series).series
    before = dicom._dead_links.cache_info().misses
    for names in (first, second):
        assert read_series(series, names).data.shape[2] == len(names)
    assert dicom._dead_links.cache_info().misses == before + 1
    (series / "gone.dcm").symlink_to("nowhere")  # and anew once it was changed
    with pytest.raises(BadScan, match=r"gone.dcm: a link to a file that is not there"):
        read_series(series, first)


def change(path, **values):
    dataset = pydicom.dcmread(path)
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(path)


def test_files_packed_by_gzip_are_the_same_series(series, tmp_path):
    (tmp_path / "packed").mkdir()
    for path in series.iterdir():
        (tmp_path / "packed" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert np.array_equal(read_series(tmp_path / "packed").data, read_series(series).data)
    assert set(read_folder(tmp_path / "packed").named.values()) == {"Doe^Jane"}
    cut_off = next((tmp_path / "packed").iterdir())
    cut_off.write_bytes(cut_off.read_bytes()[:200])
    with pytest.raises(BadScan, match=r"dcm.gz: cannot be read as DICOM"):
        read_series(tmp_path / "packed")


@pytest.mark.parametrize("name", ("MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm", "MR_small_RLE.dcm"))
def test_compressed_pixels_are_those_that_were_compressed(name):
    """Files of pydicom, compressed by others from one picture."""
    pytest.importorskip("pylibjpeg")
    found = [read_frames(Path(file), pydicom.dcmread(get_testdata_file(file))) for file in (name, "MR_small.dcm")]
    (ours,), (expected,) = found
    assert np.array_equal(ours.pixels, expected.pixels)
    assert get_decoder(pydicom.uid.JPEGLosslessSV1).is_available


def spoil(kind, series, scan_tools):
    files = sorted(series.iterdir())
    by_height = sorted(files, key=lambda p: tuple(pydicom.dcmread(p).ImagePositionPatient))
    if kind == "missing":
        by_height[10].unlink()
        by_height[20].unlink()
    elif kind == "two series":
        for path in files[:5]:
            change(path, SeriesInstanceUID="1.2.4")
    elif kind == "twice":
        change(by_height[3], ImagePositionPatient=pydicom.dcmread(by_height[4]).ImagePositionPatient)
    elif kind == "single":
        for path in files[1:]:
            path.unlink()
    elif kind == "localizer":
        change(files[0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    elif kind == "no place":
        dataset = pydicom.dcmread(files[0])
        del dataset.ImagePositionPatient
        dataset.save_as(files[0])
    elif kind == "compressed":
        dataset = pydicom.dcmread(files[0])
        dataset.PixelData = pydicom.encaps.encapsulate([b"\0" * 64])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        dataset.save_as(files[0])
    elif kind == "dead link":
        files[3].unlink()
        files[3].symlink_to("nowhere")
    elif kind == "bad tag":
        raw = files[0].read_bytes()
        change(files[0], NumberOfFrames=17)
        raw = files[0].read_bytes()
        files[0].write_bytes(raw.replace(b"IS\x02\x0017", b"IS\x02\x001A"))
    elif kind == "truncated":
        files[0].write_bytes(files[0].read_bytes()[:1500])
    elif kind == "colour":
        change(files[0], PhotometricInterpretation="RGB")
    elif kind == "sizes":
        smaller = scan_tools.one_file(np.zeros((8, 8)), False)
        smaller.save_as(files[0], enforce_file_format=True)
    elif kind == "garbage":
        files[0].write_bytes(b"nothing of the kind" * 20)


MESSAGES = {
    "missing": r"2 of 60 slices are missing",
    "two series": "2 series .*; expected one: put each in a folder of its own",
    "twice": "1 slices lie where another lies",
    "single": "a single slice",
    "localizer": "slices in different directions",
    "no place": "no place in space",
    "compressed": r"compressed \(JPEG 2000 .*no decoder for it is installed: pip install pylibjpeg",
    "dead link": r"IM0003.dcm: a link to a file that is not there; .* datalad get.* \(1 such files\)",
    "bad tag": "a tag of its headers cannot be right",
    "truncated": "cannot be read",
    "colour": "RGB pixels; expected MONOCHROME1 or MONOCHROME2",
    "sizes": "pictures of different sizes",
    "garbage": "cannot be read as DICOM",
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_bad_series_is_named_with_what_to_do(kind, series, scan_tools, monkeypatch):
    spoil(kind, series, scan_tools)
    if kind == "compressed":
        monkeypatch.setattr("progan_style.scans.dicom._has_decoder", lambda syntax: False)
    with pytest.raises(BadScan, match=MESSAGES[kind]) as raised:
        read_series(series)
    assert "series" in str(raised.value) and "\n" not in str(raised.value)
