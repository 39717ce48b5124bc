"""Which files are scans, and which mask belongs to which; files are empty, for names alone decide."""

import pytest

from progan_style import Cut, prepare_study
from progan_style.scans.finding import apart, find_scans, holds_scans, stem
from progan_style.scans.plan import make_plan


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def paths(root):
    return [scan.path for scan in find_scans(root)[0]]


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
    scans, remarks = find_scans(tmp_path)
    assert {scan.path: scan.masks for scan in scans} == {"p1.nii.gz": ("p1_mask.nii.gz",), "p2.nii.gz": ()}
    assert remarks == ["2 brain masks (*_mask) beside the scans, 1 of them for a scan"]


def test_of_a_bids_folder_the_t1_is_used_with_its_masks(tmp_path):
    names = ("sub-01_T1w.nii.gz", "sub-01_desc-brain_mask.nii.gz", "sub-01_bold.nii.gz", "sub-02_desc-x_mask.nii.gz")
    scans, remarks = find_scans(make(tmp_path / "anat", *names).parent)
    assert [scan.path for scan in scans] == ["anat/sub-01_T1w.nii.gz", "anat/sub-01_bold.nii.gz"]
    assert scans[0].masks == ("anat/sub-01_desc-brain_mask.nii.gz",)
    assert remarks == ["2 brain masks (*_mask) beside the scans, 1 of them for a scan"]


def test_a_folder_of_dicom_files_is_one_scan(scan_tools, tmp_path):
    scan_tools.write_dicom(tmp_path / "p1" / "t1", *scan_tools.head(12.0))
    make(tmp_path, "p1/t1_mask.nii.gz", "p1/note.txt")
    (scan,), _ = find_scans(tmp_path)
    assert scan.series and scan.path == "p1/t1" and scan.masks == ("p1/t1_mask.nii.gz",)


def test_a_single_file_is_a_scan(tmp_path):
    make(tmp_path, "p1.nii", "p1_mask.nii", "p2.nii")
    (scan,), _ = find_scans(tmp_path / "p1.nii")
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
    found = apart(find_scans(tmp_path / "in")[0], tmp_path / "in")
    assert [(scan.path[:2], len(scan.files)) for scan in found] == [("1-", 20), ("2-", 20), ("3-", 20)]
    plan = make_plan(tmp_path / "in")
    assert [why for _, why in plan.left] == ["a localizer"]
    assert [who.person.subject for who in plan.matches] == ["p0001", "p0002"]
    done = prepare_study(tmp_path / "in", tmp_path / "out", cut=Cut(slices=2, size=32), workers=1, progress=False)
    assert not done.failed and len(done.rows) == 4


def test_packed_dicom_files_are_a_scan_and_other_formats_are_told(scan_tools, tmp_path):
    make(tmp_path, "p1/a.dcm.gz", "p2/x.mnc", "p3/x.NRRD", "p4/x.PAR", "p4/x.REC", "p5/x.mha", "p6/x.brik", "p7/x.gz")
    assert paths(tmp_path) == ["p1", "p2/x.mnc", "p3/x.NRRD", "p4/x.PAR", "p5/x.mha"]
    unread, archives = find_scans(tmp_path)[1]
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
    assert find_scans(tmp_path / "in")[1] == ["2 archives (.zip, .tar, ...) are not unpacked"]
    done = call_shell("prepare.py", tmp_path / "in" / "more.zip", "--to", tmp_path / "out")
    assert done.returncode == 2 and "more.zip: an archive; unpack it, and name the folder" in done.stderr
