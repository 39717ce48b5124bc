"""Which files are scans, and which mask belongs to which; files are empty, for names alone decide."""

import errno
import os
from pathlib import Path

import pytest

from progan_style import Cut, PrepareSettings, prepare_study
from progan_style.scans.choosing import Wanted, leave_out
from progan_style.scans.finding import Scan, about_masks, apart, find_scans, holds_scans, stem
from progan_style.scans.plan import make_plan


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def paths(root):
    return [scan.path for scan in find_scans(root).scans]


def used(root, **settings):
    """The scans that are cut, each under one name."""
    return [scan.path for scan in make_plan(root, PrepareSettings(**settings)).scans]


@pytest.mark.parametrize("name", ("a.nii", "a.nii.gz", "a.NII.GZ", "a.mgz", "a.img"))
def test_a_stem_has_no_suffix(name):
    assert stem(name) == "a"


def test_volumes_are_found_by_suffix_in_order_and_hidden_files_are_not(tmp_path):
    make(tmp_path, "b/2.nii.gz", "a.mgz", "c.txt", ".hidden.nii", ".git/x.nii", "d.hdr", "d.img")
    assert paths(tmp_path) == ["a.mgz", "b/2.nii.gz", "d.img"]  # d.hdr is the header of d.img
    assert holds_scans(tmp_path) and not holds_scans(make(tmp_path / "none", "x.png"))


def test_a_header_without_its_image_is_kept_for_its_fault_to_be_told(tmp_path):
    assert paths(make(tmp_path, "d.hdr")) == ["d.hdr"]


def test_a_mask_is_no_scan_and_belongs_to_its_own(tmp_path):
    make(tmp_path, "p1.nii.gz", "p1_mask.nii.gz", "p2.nii.gz", "p11_mask.nii.gz")
    found = find_scans(tmp_path)
    assert {scan.path: scan.masks for scan in found.scans} == {"p1.nii.gz": ("p1_mask.nii.gz",), "p2.nii.gz": ()}
    assert about_masks(found.masks, found.scans) == ["2 masks (*_mask) beside the scans, 1 of them for a scan"]


def test_of_a_bids_folder_the_t1_is_used_with_its_masks(tmp_path):
    names = ("sub-01_T1w.nii.gz", "sub-01_desc-brain_mask.nii.gz", "sub-01_bold.nii.gz", "sub-02_desc-x_mask.nii.gz")
    found = find_scans(make(tmp_path / "anat", *names).parent)
    assert [scan.path for scan in found.scans] == ["anat/sub-01_T1w.nii.gz", "anat/sub-01_bold.nii.gz"]
    assert found.scans[0].masks == ("anat/sub-01_desc-brain_mask.nii.gz",)
    assert about_masks(found.masks, found.scans) == ["2 masks (*_mask) beside the scans, 1 of them for a scan"]


def test_a_folder_of_dicom_files_is_one_scan(scan_tools, tmp_path):
    scan_tools.write_dicom(tmp_path / "p1" / "t1", *scan_tools.head(12.0))
    make(tmp_path, "p1/t1_mask.nii.gz", "p1/note.txt")
    (scan,) = find_scans(tmp_path).scans
    assert scan.series and scan.path == "p1/t1" and scan.masks == ("p1/t1_mask.nii.gz",)


def test_a_single_file_is_a_scan(tmp_path):
    make(tmp_path, "p1.nii", "p1_mask.nii", "p2.nii")
    (scan,) = find_scans(tmp_path / "p1.nii").scans
    assert scan.path == "p1.nii" and scan.masks == ("p1_mask.nii",)


def test_series_in_one_flat_folder_are_scans_apart(scan_tools, tmp_path):
    """A localizer, a T1 of two patients, and files that are no series, in one folder."""
    series = (("1.1", "localizer", "Doe"), ("1.2", "T1 MPRAGE", "Doe"), ("1.3", "T1 MPRAGE", "Roe"))
    for uid, text, patient in series:
        header = dict(SeriesInstanceUID=uid, SeriesDescription=text, PatientName=patient)
        made = scan_tools.write_dicom(tmp_path / "made", *scan_tools.head(12.0), **header)
        for path in made.iterdir():
            path.rename(tmp_path / "made" / f"{uid[-1]}-{path.name}") if path.name[1] != "-" else None
    (tmp_path / "made").rename(tmp_path / "in")
    make(tmp_path / "in", "readme.txt")
    found = apart(find_scans(tmp_path / "in").scans, tmp_path / "in")
    assert [(scan.path[:2], len(scan.files)) for scan in found] == [("1-", 20), ("2-", 20), ("3-", 20)]
    plan = make_plan(tmp_path / "in")
    assert [why for _, why in plan.left] == ["a localizer"]
    assert [who.person.subject for who in plan.matches] == ["p0001", "p0002"]
    done = prepare_study(tmp_path / "in", tmp_path / "out", cut=Cut(slices=2, size=32), workers=1, progress=False)
    assert not done.failed and len(done.rows) == 4


def test_packed_dicom_files_are_a_scan_and_other_formats_are_told(scan_tools, tmp_path):
    make(tmp_path, "p1/a.dcm.gz", "p2/x.mnc", "p3/x.NRRD", "p4/x.PAR", "p4/x.REC", "p5/x.mha", "p6/x.brik", "p7/x.gz")
    assert paths(tmp_path) == ["p1", "p2/x.mnc", "p3/x.NRRD", "p4/x.PAR", "p5/x.mha"]
    unread, archives = find_scans(tmp_path).remarks
    assert unread.startswith("1 files are of formats that are not read (.brik") and archives.startswith("1 archives")


def test_a_link_that_leads_nowhere_is_one_listed_scan(scan_tools, tmp_path):
    """As of a data set of DataLad whose files were not fetched."""
    scan_tools.write_nifti(tmp_path / "in" / "sub-01_T1w.nii.gz", *scan_tools.head(8.0))
    (tmp_path / "in" / "sub-02_T1w.nii.gz").symlink_to("../.git/annex/objects/none")
    done = prepare_study(tmp_path / "in", tmp_path / "out", cut=Cut(slices=2, size=32), workers=1, progress=False)
    assert list(done.failed) == ["sub-02_T1w.nii.gz"] and "datalad get" in done.failed["sub-02_T1w.nii.gz"]
    assert len(done.rows) == 2


def test_archives_are_told_and_not_taken_for_damaged_scans(call_shell, tmp_path):
    make(tmp_path / "in", "p1.nii.gz", "more.zip", "most.tar.gz")
    assert find_scans(tmp_path / "in").remarks == ["2 archives (.zip, .tar, ...) are not unpacked"]
    done = call_shell("prepare.py", tmp_path / "in" / "more.zip", "--to", tmp_path / "out")
    assert done.returncode == 2 and "more.zip: an archive; unpack it, and name the folder" in done.stderr


def test_a_mask_of_something_else_than_the_brain_is_none(tmp_path):
    """A lesion's, as ATLAS has them, and a ribbon's; beside them the brain's is not one of two."""
    kinds = ("T1w", "label-L_desc-T1lesion_mask", "desc-ribbon_mask", "label-GM_mask")
    found = find_scans(make(tmp_path, *(f"sub-01_space-MNI_{kind}.nii.gz" for kind in kinds)))
    assert [scan.masks for scan in found.scans] == [()]
    assert about_masks(found.masks, found.scans) == ["3 masks (*_mask) beside the scans, 0 of them for a scan"]
    brain = make(tmp_path, "sub-01_space-MNI_desc-brain_mask.nii.gz") / "sub-01_space-MNI_desc-brain_mask.nii.gz"
    assert find_scans(tmp_path).scans[0].masks == (brain.name,)
    brain.rename(tmp_path / "sub-01_space-MNI_label-brain_mask.nii.gz")
    assert find_scans(tmp_path).scans[0].masks == ("sub-01_space-MNI_label-brain_mask.nii.gz",)


def test_folders_behind_links_are_read_once_and_those_that_cannot_be_are_told(tmp_path, monkeypatch):
    make(tmp_path, "store/sub-02/sub-02_T1w.nii.gz", "in/sub-01/sub-01_T1w.nii.gz", "in/sub-03/sub-03_T1w.nii.gz")
    (tmp_path / "in" / "sub-02").symlink_to(tmp_path / "store" / "sub-02")
    (tmp_path / "in" / "sub-01" / "again").symlink_to(tmp_path / "in")  # would never end
    (tmp_path / "in" / "same").symlink_to(tmp_path / "in" / "sub-03")
    walk = os.scandir

    def scandir(path):
        if str(path).endswith("sub-03"):
            raise PermissionError(13, "Permission denied", path)
        return walk(path)

    make(tmp_path, "in/T1.nii.gz")
    assert used(tmp_path / "in") == ["T1.nii.gz", *(f"sub-0{k}/sub-0{k}_T1w.nii.gz" for k in (1, 2, 3))]
    monkeypatch.setattr(os, "scandir", scandir)
    found = find_scans(tmp_path / "in")
    assert [scan.path[:6] for scan in found.scans] == ["T1.nii", "sub-01", "sub-02"]
    assert found.remarks == ["1 folders cannot be read"] and found.closed == ["sub-03: Permission denied"]


def test_a_dicom_file_that_cannot_be_looked_at_ends_nothing(scan_tools, tmp_path, monkeypatch):
    """A link into a folder that is closed; its scan is listed with its fault."""
    for name in ("sub-01", "sub-02"):
        scan_tools.write_dicom(tmp_path / name, *scan_tools.head(12.0))
    (tmp_path / "sub-01" / "IM9999.dcm").symlink_to("nowhere.dcm")
    stat = os.stat

    def refuse(path, *args, **how):
        if str(path).endswith("IM9999.dcm"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return stat(path, *args, **how)

    monkeypatch.setattr(os, "stat", refuse)
    plan = make_plan(tmp_path)
    assert [scan.path for scan in plan.scans] == ["sub-01", "sub-02"]
    (gone,) = apart([Scan("sub-03", series=True)], tmp_path)  # found a moment ago
    assert leave_out([gone], tmp_path, Wanted()) == [""]


def test_a_few_files_of_another_series_are_a_scan_apart(scan_tools, tmp_path):
    """Three pictures of a localizer among 64 of a T1, at names that are not asked at first."""
    kinds = (("1.1", 64, "T1_{k:03d}.dcm"), ("1.2", 3, "T1_{k:03d}x.dcm"))
    for uid, count, name in kinds:
        data, affine = scan_tools.head(4.0)
        made = scan_tools.write_dicom(tmp_path / uid, data[..., :count], affine, SeriesInstanceUID=uid)
        for k, path in enumerate(sorted(made.iterdir()), 1):
            (tmp_path / "in").mkdir(exist_ok=True)
            path.rename(tmp_path / "in" / name.format(k=k))
    found = apart(find_scans(tmp_path / "in").scans, tmp_path / "in")
    assert sorted(len(scan.files) for scan in found) == [3, len(list((tmp_path / "in").iterdir())) - 3]


def test_a_folder_goes_by_its_own_place_wherever_a_link_to_it_lies(tmp_path):
    """Else its person is named in one place and not in the other, and stands in two splits."""
    for k in (1, 2):
        make(tmp_path, f"in/sub-01/ses-{k}/T1.nii.gz", f"big/sub-02/ses-{k}/T1.nii.gz")
    (tmp_path / "in" / "latest").symlink_to("sub-01/ses-2")
    (tmp_path / "in" / "newest.nii.gz").symlink_to("sub-01/ses-2/T1.nii.gz")
    (tmp_path / "in" / "a").symlink_to(tmp_path / "big" / "sub-02" / "ses-2")
    (tmp_path / "in" / "b").symlink_to(tmp_path / "big")  # links may overlap: the outermost tells most
    own = [f"sub-01/ses-{k}/T1.nii.gz" for k in (1, 2)]
    assert used(tmp_path / "in") == [*(f"b/sub-02/ses-{k}/T1.nii.gz" for k in (1, 2)), *own]


def test_a_link_out_of_source_is_followed_but_not_to_a_folder_that_it_lies_in(tmp_path):
    make(tmp_path, "in/sub-01/T1.nii.gz", "other/sub-99/T1.nii.gz", "big/sub-02/T1.nii.gz", "big/sub-03/T1.nii.gz")
    (tmp_path / "in" / "sub-01" / "up").symlink_to("../..")
    (tmp_path / "in" / "sub-02").symlink_to(tmp_path / "big" / "sub-02")
    (tmp_path / "big" / "sub-02" / "up").symlink_to("..")
    found = find_scans(tmp_path / "in")
    assert [scan.path for scan in found.scans] == ["sub-01/T1.nii.gz", "sub-02/T1.nii.gz"]
    assert found.remarks == ["2 links lead to a folder that they lie in, and are not followed"]


@pytest.mark.parametrize("error", (errno.EACCES, errno.ENOENT, errno.ESTALE))
def test_a_folder_that_cannot_be_entered_ends_nothing(error, tmp_path, monkeypatch):
    """Without the right x, vanished meanwhile, or of a server that is gone."""
    make(tmp_path, "p01/T1.nii.gz", "p01/a/T1.nii.gz", "p02/T1.nii.gz")
    stat = os.stat

    def refuse(path, *args, **how):
        if not isinstance(path, int) and "p01" in Path(path).parts and str(path) != str(tmp_path / "p01"):
            raise OSError(error, os.strerror(error), path)
        return stat(path, *args, **how)

    monkeypatch.setattr(os, "stat", refuse)
    found = find_scans(tmp_path)
    assert [scan.path for scan in found.scans] == ["p02/T1.nii.gz"]
    assert found.remarks == ["1 folders cannot be read"] and found.closed == [f"p01: {os.strerror(error)}"]


def test_a_series_without_pictures_is_no_scan(scan_tools, tmp_path):
    series = scan_tools.write_dicom(tmp_path / "sub-01" / "T1", *scan_tools.head(12.0))
    scan_tools.write_report(series / "SR.dcm")
    scan_tools.write_report(tmp_path / "sub-01" / "report" / "SR.dcm")
    plan = make_plan(tmp_path)
    assert [scan.path for scan in plan.scans] == ["sub-01/T1"]
    assert plan.left == [("sub-01/report", "DICOM files without pictures")]
    (series.parent / "broken").mkdir()
    (series.parent / "broken" / "IM.dcm").write_bytes(b"none")  # its fault is to be told
    assert "sub-01/broken" in [scan.path for scan in make_plan(tmp_path, PrepareSettings(include=("*",))).scans]


@pytest.mark.parametrize("localizers", (3, 0))
def test_the_mask_beside_a_folder_is_of_the_series_that_is_cut(localizers, scan_tools, tmp_path):
    data, affine = scan_tools.head(12.0)
    series = scan_tools.write_dicom(tmp_path / "sub-01" / "T1", data, affine)
    other = {"SeriesInstanceUID": "9.9", "SeriesDescription": "localizer" if localizers else "T1 again"}
    for path in scan_tools.write_dicom(tmp_path / "made", data[..., :3], affine, **other).iterdir():
        path.rename(series / f"x{path.name}")
    scan_tools.write_nifti(tmp_path / "sub-01" / "T1_mask.nii.gz", (data > 500).astype("uint8"), affine)
    (tmp_path / "made").rmdir()
    plan = make_plan(tmp_path, PrepareSettings(include=() if localizers else ("*",)))
    if localizers:
        assert [scan.masks for scan in plan.scans] == [("sub-01/T1_mask.nii.gz",)]
        assert plan.remarks[0] == "1 masks (*_mask) beside the scans, 1 of them for a scan"
    else:  # of which of the two it is, is not known
        assert [scan.masks for scan in plan.scans] == [(), ()]
        assert plan.remarks[0] == "1 masks (*_mask) beside the scans, 0 of them for a scan"


def test_the_mask_beside_two_series_is_of_the_one_whose_row_is_in_use(scan_tools, tmp_path):
    data, affine = scan_tools.head(12.0)
    series = scan_tools.write_dicom(tmp_path / "in" / "T1", data, affine)
    for path in scan_tools.write_dicom(tmp_path / "made", data, affine, SeriesInstanceUID="9.9").iterdir():
        path.rename(series / f"x{path.name}")
    scan_tools.write_nifti(tmp_path / "in" / "T1_mask.nii.gz", (data > 500).astype("uint8"), affine)
    rows = ["path,subject,group", "T1/IM0000.dcm,1,AD", "T1/xIM0000.dcm,1,"]
    masks = {}
    for count in (2, 3):
        (tmp_path / "l.csv").write_text("\n".join(rows[:count]))
        plan = make_plan(tmp_path / "in", PrepareSettings(labels=tmp_path / "l.csv"))
        masks[count] = [scan.masks for scan, label in zip(plan.scans, plan.classes, strict=True) if label]
        assert plan.remarks[0] == "1 masks (*_mask) beside the scans, 1 of them for a scan"
    assert masks == {2: [("T1_mask.nii.gz",)], 3: [("T1_mask.nii.gz",)]}
