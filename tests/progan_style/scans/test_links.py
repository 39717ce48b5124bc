"""Scans that links give several names: each is cut once, under the name that says whose it is."""

import nibabel as nib
import pytest

from progan_style import Cut, PrepareSettings, prepare_study
from progan_style.scans import finding
from progan_style.scans.finding import find_scans
from progan_style.scans.plan import make_plan


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def link(path, to):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def planned(root, **settings):
    """The plan's scans: path -> person, row's line."""
    plan = make_plan(root, PrepareSettings(**settings))
    rows = (who.row and who.row.line for who in plan.matches)
    persons = (who.person.subject for who in plan.matches)
    return {scan.path: (person, row) for scan, person, row in zip(plan.scans, persons, rows, strict=True)}


@pytest.fixture
def bids(tmp_path):
    """As BIDS tools lay it out: files of sub-01, sub-02 are links into sourcedata/."""
    root = make(tmp_path / "in", *(f"sourcedata/raw00{k}/series5.nii.gz" for k in (1, 2)))
    for k in (1, 2):
        link(root / f"sub-0{k}/anat/sub-0{k}_T1w.nii.gz", f"../../sourcedata/raw00{k}/series5.nii.gz")
    (root / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tAD\nsub-02\tCN\n")
    return root


@pytest.mark.parametrize("settings", ({}, {"exclude": ("sourcedata/*",)}, {"include": ("sub-*",)}))
def test_a_file_goes_by_the_link_that_names_its_person(bids, settings):
    expected = {f"sub-0{k}/anat/sub-0{k}_T1w.nii.gz": (f"0{k}", k + 1) for k in (1, 2)}
    assert planned(bids, **settings) == expected
    assert planned(bids, include=("sourcedata/*",)).keys() == {f"sourcedata/raw00{k}/series5.nii.gz" for k in (1, 2)}


def test_names_that_are_not_used_are_told(bids):
    plan = make_plan(bids)
    assert "2 further names of scans, by links, are not used" in plan.remarks and not plan.left


def test_a_folder_goes_by_the_link_that_names_its_person(tmp_path):
    make(tmp_path, "in/store/1f3a/T1.nii.gz", "in/store/77c0/T1.nii.gz")
    link(tmp_path / "in/by_person/sub-01", "../store/1f3a")
    assert planned(tmp_path / "in") == {
        "by_person/sub-01/T1.nii.gz": ("01", None),
        "store/77c0/T1.nii.gz": ("p0001", None),
    }


@pytest.mark.parametrize("named", ("anna/T1.nii.gz", "store/1f3a.nii.gz"))
def test_a_row_finds_its_scan_under_the_name_that_it_has(named, tmp_path):
    make(tmp_path, "in/store/1f3a.nii.gz")
    link(tmp_path / "in/anna/T1.nii.gz", "../store/1f3a.nii.gz")
    (tmp_path / "l.csv").write_text(f"path,subject,group\n{named},7,AD\n")
    assert planned(tmp_path / "in", labels=tmp_path / "l.csv") == {named: ("7", 2)}


def test_each_scan_is_used_once_under_its_own_person(tmp_path):
    own = [f"sub-0{k}/ses-{s}/T1.nii.gz" for k in range(1, 7) for s in (1, 2)]
    make(tmp_path, *own)
    link(tmp_path / "latest", "sub-01/ses-2")
    link(tmp_path / "sub-01" / "last", "ses-2")
    link(tmp_path / "all" / "sub-99", "../sub-02")  # by its own place it is of another
    assert planned(tmp_path) == {path: (path[4:6], None) for path in own}
    (told,) = [line for line in make_plan(tmp_path).lines if line.startswith("LINKS")]
    assert told == (
        "LINKS     2 scans lie under the names of several persons: "
        "sub-02/ses-1/T1.nii.gz (also all/sub-99/ses-1/T1.nii.gz), "
        "sub-02/ses-2/T1.nii.gz (also all/sub-99/ses-2/T1.nii.gz)"
    )


def test_a_pattern_is_asked_of_the_names_that_it_fits(tmp_path):
    make(tmp_path, "anna/1/T1.nii.gz", "bert/1/T1.nii.gz")
    link(tmp_path / "T1.nii.gz", "anna/1/T1.nii.gz")
    assert planned(tmp_path, names="{subject}/*/*") == {
        "anna/1/T1.nii.gz": ("anna", None),
        "bert/1/T1.nii.gz": ("bert", None),
    }


def test_a_pair_behind_links_is_one_scan(scan_tools, tmp_path):
    data, affine = scan_tools.head(8.0)
    (tmp_path / "in/store").mkdir(parents=True)
    nib.save(nib.Nifti1Pair(data, affine), tmp_path / "in/store/x.img")
    for suffix in ("img", "hdr"):
        link(tmp_path / f"in/sub-01/T1.{suffix}", f"../store/x.{suffix}")
    done = prepare_study(tmp_path / "in", tmp_path / "out", cut=Cut(slices=2, size=32), workers=1, progress=False)
    assert not done.failed and {row["guessed_subject"] for row in done.rows} == {"01"}


def test_a_mask_is_used_beside_whichever_name(tmp_path):
    make(tmp_path, "store/77.nii.gz", "store/mask.nii.gz", "p1/T1_mask.nii.gz")
    link(tmp_path / "p1/T1.nii.gz", "../store/77.nii.gz")
    plan = make_plan(tmp_path, PrepareSettings(exclude=("store/mask*",)))
    assert [scan.masks for scan in plan.scans] == [("p1/T1_mask.nii.gz",)]
    assert plan.remarks[0] == "1 masks (*_mask) beside the scans, 1 of them for a scan"
    link(tmp_path / "again", "p1")  # the same mask under another name
    plan = make_plan(tmp_path, PrepareSettings(exclude=("store/mask*",)))
    assert [len(scan.masks) for scan in plan.scans] == [1]
    assert plan.remarks[0] == "1 masks (*_mask) beside the scans, 1 of them for a scan"


def test_freesurfers_t1_may_be_a_link(tmp_path):
    make(tmp_path, "p1/mri/nu.mgz", "p1/mri/orig.mgz")
    link(tmp_path / "p1/mri/T1.mgz", "nu.mgz")
    plan = make_plan(tmp_path)
    assert [scan.path for scan in plan.scans] == ["p1/mri/T1.mgz"]
    assert plan.left == [("p1/mri/orig.mgz", "of FreeSurfer, beside p1/mri/T1.mgz")]


def test_a_link_is_what_its_file_is(tmp_path):
    """Its own name and what stands beside it may say nothing."""
    make(tmp_path, "sub-01/3_T1.nii.gz", "sub-01/4.nii.gz", "sub-01/5_flair.nii.gz")
    (tmp_path / "sub-01/4.json").write_text('{"SeriesDescription": "Ax FLAIR"}')
    for k, name in enumerate(("3_T1", "4", "5_flair")):
        link(tmp_path / f"new{k}.nii.gz", f"sub-01/{name}.nii.gz")
    plan = make_plan(tmp_path)
    assert [scan.path for scan in plan.scans] == ["sub-01/3_T1.nii.gz"] and len(plan.left) == 2


@pytest.mark.parametrize("report", (False, True))
def test_a_series_of_linked_files_is_one_with_that_of_the_files(report, scan_tools, tmp_path):
    """report: a file that both folders hold, which makes no two series one."""
    for k in (1, 2):
        data, affine = scan_tools.head(24.0, seed=k)
        made = scan_tools.write_dicom(
            tmp_path / f"in/PACS/{k}f", data, affine, PatientName="", SeriesInstanceUID=f"1.{k}"
        )
        for path in made.iterdir():
            link(tmp_path / f"in/sub-0{k}/dicom/{path.name}", f"../../PACS/{k}f/{path.name}")
        if report:
            written = scan_tools.write_report(tmp_path / "report.dcm", "")
            link(made / "SR.dcm", written)
    assert planned(tmp_path / "in") == {f"sub-0{k}/dicom": (f"0{k}", None) for k in (1, 2)}
    done = prepare_study(tmp_path / "in", tmp_path / "out", cut=Cut(slices=2, size=32), workers=1, progress=False)
    assert len(done.rows) == 4 and not done.failed


def test_a_part_of_a_series_behind_links_is_no_scan_of_another_person(scan_tools, tmp_path):
    made = scan_tools.write_dicom(tmp_path / "PACS/1f", *scan_tools.head(24.0), PatientName="")
    for path in sorted(made.iterdir())[3:]:
        link(tmp_path / f"sub-01/dicom/{path.name}", path)
    assert planned(tmp_path) == {"sub-01/dicom": ("01", None)}


def test_links_that_lead_to_each_other_in_all_ways_end(tmp_path):
    names = [f"f{k:02d}" for k in range(12)]
    make(tmp_path, *(f"{name}/sub-{name}.nii.gz" for name in names))
    for one in names:
        for other in set(names) - {one}:
            link(tmp_path / one / f"to-{other}", f"../{other}")
    found = find_scans(tmp_path)
    assert len(found.scans) == finding.MOST_NAMES * len(names)
    assert found.remarks == ["12 folders have more than 32 names by links; they are read under these"]
    assert [*planned(tmp_path)] == [f"{name}/sub-{name}.nii.gz" for name in names]


def test_a_folder_is_not_read_in_itself_by_two_links(tmp_path):
    make(tmp_path, "in/a/1.nii.gz", "out/b/2.nii.gz")
    link(tmp_path / "in/a/x", tmp_path / "out/b")
    link(tmp_path / "out/b/y", tmp_path / "in/a")
    found = find_scans(tmp_path / "in")
    assert [scan.path for scan in found.scans] == ["a/1.nii.gz", "a/x/2.nii.gz"] and not found.remarks


def test_of_links_that_overlap_the_longest_name_tells_most(tmp_path):
    """Where none names a person."""
    make(tmp_path, "big/anna/old/T1.nii.gz", "big/anna/new/T1.nii.gz")
    link(tmp_path / "in/a", tmp_path / "big/anna/new")
    link(tmp_path / "in/b", tmp_path / "big")
    assert [*planned(tmp_path / "in")] == ["b/anna/new/T1.nii.gz", "b/anna/old/T1.nii.gz"]


def test_archives_and_files_that_are_not_read_are_counted_once(tmp_path):
    make(tmp_path, "a/x.nii.gz", "a/y.zip", "a/z.brik")
    link(tmp_path / "b", "a")
    unread, archives = find_scans(tmp_path).remarks
    assert unread.startswith("1 files are") and archives.startswith("1 archives")
    assert len(find_scans(tmp_path).scans) == 2
