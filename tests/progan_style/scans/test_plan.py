"""Whose scans there are, before any is opened."""

import os

import pytest

from progan_style.data.persons import Person
from progan_style.scans.finding import Scan
from progan_style.scans.matching import Match
from progan_style.scans.plan import WITHHELD, make_plan, name_scans, patients_in
from progan_style.scans.settings import PrepareSettings


def named_by(scans, matches, root):
    return name_scans(scans, matches, root, patients_in(scans, root)[0])


def study(tmp_path, *names, sheet=None):
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    if sheet is None:
        return make_plan(tmp_path / "in")
    (tmp_path / "labels.csv").write_text(sheet)
    return make_plan(tmp_path / "in", PrepareSettings(labels=tmp_path / "labels.csv"))


def test_without_a_sheet_all_scans_have_one_class_and_are_of_those_whom_their_paths_name(tmp_path):
    plan = study(tmp_path, "sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz")
    assert plan.classes == ["unlabelled"] * 2
    assert [who.person.subject for who in plan.matches] == ["01", "02"]


def test_rows_without_scans_and_scans_without_rows_are_told(tmp_path):
    sheet = "participant,diagnosis\nsub-01,AD\nsub-03,CN\nsub-04,\n"
    plan = study(tmp_path, "sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz", "sub-04_T1w.nii.gz", sheet=sheet)
    assert plan.classes == ["AD", "", ""]
    told = "\n".join(plan.lines)
    assert "NO ROW    1 scans have no row in" in told and "sub-02_T1w.nii.gz" in told
    assert "LEFT OUT  1 scans whose row has no group in use: sub-04_T1w.nii.gz" in told
    assert "NO SCAN   1 rows of" in told and "03 (line 3)" in told


def test_a_scan_that_names_nobody_is_a_person_of_its_own(tmp_path):
    plan = study(tmp_path, "a.nii.gz", "b.nii.gz")
    assert [who.person.subject for who in plan.matches] == ["p0001", "p0002"]
    assert any(line.startswith("PERSONS   2 scans name no person") for line in plan.lines)


def test_a_running_number_is_nobodys_name(monkeypatch, tmp_path):
    names = ("a.nii.gz", "p0001.nii.gz", "sub-P0002_T1w.nii.gz", "z.nii.gz")
    plan = study(tmp_path, *names, sheet="subject,age\np0001,71\n")
    assert [who.person.subject for who in plan.matches] == ["p0003", "p0001", "P0002", "p0004"]
    monkeypatch.setattr("progan_style.scans.plan.dicom.patient_name", lambda path: "Doe^Jane")
    scans = [Scan("doe/t1", series=True), Scan("p0001.nii.gz")]
    named, *_ = named_by(scans, [Match(Person("doe"), None), Match(Person("p0001"), None)], tmp_path)
    assert [who.person.subject for who in named] == ["p0002", "p0001"]


def test_a_patients_name_in_a_path_is_neither_the_persons_nor_written(monkeypatch, tmp_path):
    monkeypatch.setattr("progan_style.scans.plan.dicom.patient_name", lambda path: "Doe^Jane")
    who = Match(Person("doe_jane", "jane"), None)
    named, paths, patients, unknown = named_by([Scan("doe_jane/t1", series=True)], [who], tmp_path)
    assert named[0].person.subject == "p0001" and named[0].person.session == ""
    assert paths == [WITHHELD] and patients == ["Doe^Jane"] and unknown == 0


def test_two_scans_of_one_patient_whose_name_is_withheld_stay_one_person(monkeypatch, tmp_path):
    monkeypatch.setattr("progan_style.scans.plan.dicom.patient_name", lambda path: "Doe^Jane")
    scans = [Scan(f"{k}/t1", series=True) for k in "ab"]
    named, *_ = named_by(scans, [Match(Person("Jane Doe"), None, stated=True)] * 2, tmp_path)
    assert [who.person.subject for who in named] == ["p0001", "p0001"] and all(who.stated for who in named)


def test_a_folder_without_scans_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no scans; expected volumes \(.nii, .nii.gz, .* or folders of DICOM"):
        make_plan(tmp_path / "in")


def test_a_withheld_name_is_withheld_of_all_scans_of_that_person(monkeypatch, tmp_path):
    """Also of those whose header does not tell it, which would be another person beside."""
    monkeypatch.setattr("progan_style.scans.plan.dicom.patient_name", lambda path: "Doe^Jane")
    scans = [Scan("DOE_1.nii.gz"), Scan("DOE/t1", series=True), Scan("ROE.nii.gz")]
    whose = [
        Match(Person("doe"), None, why_not="of subject doe"),
        Match(Person("DOE"), None),
        Match(Person("ROE"), None),
    ]
    named, paths, patients, _ = named_by(scans, whose, tmp_path)
    assert [who.person.subject for who in named] == ["p0001", "p0001", "ROE"] and not named[0].why_not
    assert paths == [WITHHELD, WITHHELD, "ROE.nii.gz"] and patients == ["Doe^Jane", "Doe^Jane", ""]


def test_no_path_that_is_written_holds_a_patients_name(scan_tools, tmp_path):
    """Also where the header is another file's: of a volume left out, of a label map, of a scan that names nobody."""
    data, affine = scan_tools.head(12.0)
    scan_tools.write_dicom(tmp_path / "in" / "DOE_JANE" / "a" / "T1", data, affine)
    write = scan_tools.write_nifti
    write(tmp_path / "in" / "DOE_JANE" / "a" / "T1_brain.nii.gz", data, affine)
    write(tmp_path / "in" / "DOE_JANE" / "a" / "T1_tissue.nii.gz", (data > 30).astype("int16") + (data > 600), affine)
    write(tmp_path / "in" / "DOE_JANE" / "visit2.nii.gz", data, affine)
    write(tmp_path / "in" / "janedoe.nii.gz", data, affine)
    write(tmp_path / "in" / "doerner.nii.gz", data, affine)
    plan = make_plan(tmp_path / "in", PrepareSettings(exclude=("*janedoe*",)))
    assert plan.left == [
        (WITHHELD, "made from another"),
        (WITHHELD, "--exclude"),
        (WITHHELD, "a label map, by its values"),
    ]
    assert plan.paths == [WITHHELD, WITHHELD, "doerner.nii.gz"]  # a part of a word is no name


def test_why_a_volume_is_left_out_names_no_patient(scan_tools, tmp_path):
    for name in ("T1", "T1_ND"):
        scan_tools.write_dicom(tmp_path / "in" / "DOE_JANE" / name, *scan_tools.head(12.0))
    plan = make_plan(tmp_path / "in")
    assert plan.left == [(WITHHELD, "made from another")]


def test_a_folder_that_cannot_be_read_is_named_on_the_screen_alone(scan_tools, tmp_path, monkeypatch):
    """What stands in DATASET.md is passed on, and a folder's name may be a patient's."""
    for name in "ab":
        scan_tools.write_dicom(tmp_path / "in" / "DOE_JANE" / name / "T1", *scan_tools.head(12.0))
    walk = os.scandir

    def scandir(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", path)
        return walk(path)

    monkeypatch.setattr(os, "scandir", scandir)
    plan = make_plan(tmp_path / "in")
    assert "NOT READ  1 folders: DOE_JANE/b: Permission denied" in plan.lines
    assert plan.remarks[0] == "1 folders cannot be read" and "DOE" not in " ".join(plan.remarks)
