"""One scan on its way: what becomes of it, and of one that cannot be used."""

import csv

import numpy as np
import pytest
from PIL import Image

from progan_style import Cut, PrepareSettings, prepare_study
from progan_style.scans.finding import Scan
from progan_style.scans.plan import make_plan
from progan_style.scans.study import Task, cut_scan, told

CUT = Cut(slices=3, spacing=10.0, size=32)


@pytest.fixture
def scans(scan_tools, tmp_path):
    for person in range(2):
        scan_tools.write_nifti(tmp_path / "in" / f"sub-0{person}_T1w.nii.gz", *scan_tools.head(8.0, seed=person))
    return tmp_path / "in"


def test_a_scan_becomes_its_slices_and_a_fault_of_it_is_told_without_its_path(scans, tmp_path):
    done = cut_scan(Task(Scan("sub-00_T1w.nii.gz"), str(scans), CUT, str(tmp_path / "made")))
    assert not done.error and len(done.offsets) == 3 and done.low < done.high
    pictures = sorted((tmp_path / "made").glob("*.png"))
    assert [p.name for p in pictures] == ["000.png", "001.png", "002.png"]
    assert np.asarray(Image.open(pictures[1])).shape == (32, 32)
    (scans / "bad.nii.gz").write_bytes(b"none")
    bad = cut_scan(Task(Scan("bad.nii.gz"), str(scans), CUT, str(tmp_path / "none")))
    assert bad.error and str(scans) not in bad.error and not (tmp_path / "none").exists()


def test_a_fault_of_a_mask_is_told_without_the_place_either(scans, tmp_path):
    (scans / "sub-00_mask.nii.gz").write_bytes(b"none")
    masked = Scan("sub-00_T1w.nii.gz", masks=("sub-00_mask.nii.gz",))
    told = cut_scan(Task(masked, str(scans), CUT, str(tmp_path / "made"))).error
    assert told.startswith("sub-00_mask.nii.gz: cannot be read") and str(scans) not in told


def test_a_label_map_is_told_by_its_values(scans, scan_tools, tmp_path):
    data, affine = scan_tools.head(8.0)
    scan_tools.write_nifti(scans / "tissue.nii.gz", (data > 30).astype(np.int16) + (data > 600), affine)
    told = cut_scan(Task(Scan("tissue.nii.gz"), str(scans), CUT, str(tmp_path / "made"))).error
    assert told == "3 different values: a label map or a mask, not a scan; leave it out with --exclude"


def test_a_head_that_lies_on_its_side_is_written_and_told_with_its_own_sheet(scans, scan_tools, tmp_path):
    data, _ = scan_tools.head(8.0)
    on_its_side = np.swapaxes(data, 1, 2)  # what is up is called the front
    scan_tools.write_nifti(scans / "sub-05_T1w.nii.gz", on_its_side, np.diag([8.0, 8, 8, 1]))
    middle = Cut(slices=2, spacing=10.0, size=32, middle="volume")
    done = prepare_study(scans, tmp_path / "out", cut=middle, workers=1, progress=False)
    why = "by its shape the top of the head lies at the end that is called the front; look which way up it is"
    assert done.doubtful == {"sub-05_T1w.nii.gz": why} and not done.failed
    assert [path.name for path in done.sheets] == ["unlabelled.png", "which way up.png"]
    rows = {r["source"]: r for r in csv.DictReader((done.folder / "scans.csv").read_text().splitlines())}
    assert rows["sub-05_T1w.nii.gz"]["state"] == "used" and rows["sub-05_T1w.nii.gz"]["remark"] == why
    assert not rows["sub-00_T1w.nii.gz"]["remark"]
    assert "1 scans may not be the way up that their headers say" in (done.folder / "DATASET.md").read_text()
    with pytest.raises(ValueError, match=r"sub-05_T1w.nii.gz: by its shape .* \(--strict: nothing was written\)"):
        strict = PrepareSettings(strict=True)
        prepare_study(scans, tmp_path / "strict", strict, cut=middle, workers=1, progress=False)


def test_two_masks_beside_a_scan_are_a_fault_of_it(scans, tmp_path):
    two = Scan("sub-00_T1w.nii.gz", masks=("a_mask.nii", "b_mask.nii"))
    assert "2 masks beside it" in cut_scan(Task(two, str(scans), CUT, str(tmp_path / "made"))).error


def test_one_bad_scan_is_listed_and_the_others_are_written(scans, tmp_path):
    (scans / "sub-09_T1w.nii.gz").write_bytes(b"none")
    done = prepare_study(scans, tmp_path / "out", cut=CUT, workers=1, progress=False)
    assert list(done.failed) == ["sub-09_T1w.nii.gz"] and {row["guessed_subject"] for row in done.rows} == {"00", "01"}
    states = {r["source"]: r["state"] for r in csv.DictReader((done.folder / "scans.csv").read_text().splitlines())}
    assert states == {f"sub-0{k}_T1w.nii.gz": "failed" if k == 9 else "used" for k in (0, 1, 9)}
    with pytest.raises(ValueError, match=r"sub-09_T1w.nii.gz: .* \(--strict: nothing was written\)"):
        strict = PrepareSettings(strict=True)
        prepare_study(scans, tmp_path / "strict", strict, cut=CUT, workers=1, progress=False)
    assert not (tmp_path / "strict").exists()


def test_scans_cut_about_two_kinds_of_centre_are_told(scans, scan_tools, tmp_path):
    data, affine, _ = scan_tools.bare_brain(8.0)
    scan_tools.write_nifti(scans / "sub-07_T1w.nii.gz", data, affine)
    said = []
    done = prepare_study(scans, tmp_path / "out", cut=CUT, workers=1, say=said.append, progress=False)
    told = "1 about the brain and 2 about the vertex: their levels do not match; choose one with --middle"
    assert f"LEVELS    {told}" in said and f"- {told}" in (done.folder / "DATASET.md").read_text()


def test_slices_outside_of_a_volume_are_counted_for_each_scan(scans):
    from progan_style.scans.study import Outcome

    lines = told(make_plan(scans), {0: Outcome(outside=(90.0, 100.0)), 1: Outcome(notes=("no unit",))}, CUT)
    assert lines == [
        "note      sub-01_T1w.nii.gz: no unit",
        "OUTSIDE   2 slices lie outside their volume and were not made:",
        "          sub-00_T1w.nii.gz: 2 of 3 (90, 100 mm)",
    ]
