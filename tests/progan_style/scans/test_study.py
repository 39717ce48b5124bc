"""One scan on its way: what becomes of it, and of one that cannot be used."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from progan_style import Cut, PrepareSettings, prepare_study
from progan_style.scans.finding import Scan
from progan_style.scans.study import Task, cut_scan

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


@pytest.fixture
def placed(monkeypatch):
    """In the place of seconds of work: every scan is found turned by 10 degrees, the brightest is missed."""
    from progan_style.scans import cutting
    from progan_style.scans.registration import Registration, rotation

    T = np.eye(4)
    T[:3, :3] = 0.9 * rotation(10.0, 0.0, 0.0)

    def register(volume, mask=None):
        return Registration(T, 0.61, "a similarity of 0.12; expected 0.35" if volume.data.max() > 1100 else "")

    monkeypatch.setattr(cutting, "register", register)
    return T


def test_the_manifest_tells_of_the_registration_and_a_miss_is_listed(scans, scan_tools, placed, tmp_path):
    """The missed one is cut about its vertex, is no failure, and makes the class a mixture; --strict stops at it."""
    data, affine = scan_tools.head(8.0)
    scan_tools.write_nifti(scans / "sub-02_T1w.nii.gz", (data * 1.2).astype(np.int16), affine)
    said, cut = [], Cut(slices=3, spacing=10.0, size=32, middle="template")
    done = prepare_study(scans, tmp_path / "out", cut=cut, workers=1, progress=False, say=said.append)
    assert not done.failed
    rows = {
        row["guessed_subject"]: row for row in csv.DictReader((done.folder / "manifest.csv").read_text().splitlines())
    }
    assert {name: row["middle"] for name, row in rows.items()} == {"00": "template", "01": "template", "02": "vertex"}
    found = [row for row in done.rows if row["guessed_subject"] == "00"]
    assert {(row["similarity"], row["pitch"]) for row in found} == {("0.610", "10.0")}
    numbers = np.array(found[0]["to_scan"].split(), float).reshape(3, 4)
    assert np.allclose(numbers, placed[:3], atol=1e-5)
    heights = [float(row["template_mm"]) for row in found]
    assert np.allclose(heights, 14 + np.array([-10, 0, 10]) / 0.9, atol=0.01)  # the head's mm are kept
    assert not rows["02"]["similarity"] and not rows["02"]["template_mm"]
    at = next(i for i, line in enumerate(said) if line.startswith("MISSED    1 scans do not register to the template"))
    assert said[at + 1] == "          sub-02_T1w.nii.gz: a similarity of 0.12; expected 0.35; cut about: vertex"
    listed = {r["source"]: r for r in csv.DictReader((done.folder / "scans.csv").read_text().splitlines())}
    assert listed["sub-02_T1w.nii.gz"]["remark"].startswith("no registration to the template: a similarity of 0.12")
    card = (done.folder / "DATASET.md").read_text()
    assert "- 2 about the template and 1 about the vertex: their levels do not match" in card
    assert "| head_size | kept |" in card and "percentiles 1 and 98 inside the template's brain" in card
    strict = PrepareSettings(strict=True)
    with pytest.raises(
        ValueError, match=r"sub-02_T1w.nii.gz: no registration to the template: .* \(--strict: nothing was written\)"
    ):
        prepare_study(scans, tmp_path / "strict", strict, cut=cut, workers=1, progress=False)
    assert not (tmp_path / "strict").exists()


def test_a_tool_strips_each_scan_and_its_fault_is_one_scans(scans, tmp_path):
    """It finds the brain of one scan and fails at the other; the card names the program, not where it lies."""
    tool = tmp_path / "tool.py"
    tool.write_text(
        "import sys, nibabel as nib\nimage = nib.load(sys.argv[1])\ndata = image.get_fdata()\n"
        "if abs(data[0, 0, 0] - float(sys.argv[3])) < 0.5: sys.exit('no brain')\n"
        "nib.save(nib.Nifti1Image((data > 500).astype('uint8'), image.affine), sys.argv[2])\n"
    )
    import nibabel as nib

    corner = nib.load(scans / "sub-01_T1w.nii.gz").get_fdata()[0, 0, 0]
    if nib.load(scans / "sub-00_T1w.nii.gz").get_fdata()[0, 0, 0] == corner:
        pytest.fail("the two scans are to differ in their corner")
    strip = PrepareSettings(strip=f"{sys.executable} {tool} {{scan}} {{mask}} {corner}")
    done = prepare_study(scans, tmp_path / "out", strip, cut=CUT, workers=1, progress=False)
    assert {row["middle"] for row in done.rows} == {"mask"} and len(done.rows) == 3
    assert list(done.failed.values()) == [f"--strip: {Path(sys.executable).name} ended with exit code 1: no brain"]
    assert f"| strip | {Path(sys.executable).name} |" in (done.folder / "DATASET.md").read_text()


def test_age_and_sex_come_into_the_manifest_and_what_is_missing_is_told(scans, tmp_path):
    (scans / "participants.tsv").write_text("participant_id\tage\tsex\nsub-00\t89+\tFemale\nsub-01\tn/a\t3\n")
    told = []
    cut = Cut(slices=1, spacing=10.0, size=32, middle="volume")
    done = prepare_study(scans, tmp_path / "out", cut=cut, workers=1, progress=False, say=told.append)
    assert [(row["subject"], row["age"], row["sex"]) for row in done.rows] == [("00", "89", "F"), ("01", "", "")]
    lines = (
        "age is known of 1 of 2 scans, 89 to 89 years; of 1 unknown",
        "sex: 1 scans F, 0 M, 1 unknown",
    )
    card = (done.folder / "DATASET.md").read_text()
    assert all(f"people    {line}" in told and f"- {line}" in card for line in lines)
    assert "- age: a bound: the person is of this age or older (1 row)" in card
    assert "note      sex: neither F nor M, so unknown (1 row): 3 (line 3)" in told
