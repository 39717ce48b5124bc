"""Whose scans there are, before any is opened."""

import os

import pytest

from progan_style.data.persons import Person
from progan_style.scans.finding import Scan
from progan_style.scans.matching import Match
from progan_style.scans.participants import Row
from progan_style.scans.patients import WITHHELD, patients_in
from progan_style.scans.plan import make_plan, name_scans
from progan_style.scans.settings import PrepareSettings


def named_by(scans, matches, root):
    return name_scans(scans, matches, root, patients_in(scans))


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


def test_a_running_number_is_nobodys_name(tmp_path):
    names = ("a.nii.gz", "p0001.nii.gz", "sub-P0002_T1w.nii.gz", "z.nii.gz")
    plan = study(tmp_path, *names, sheet="subject,age\np0001,71\n")
    assert [who.person.subject for who in plan.matches] == ["p0003", "p0001", "P0002", "p0004"]
    scans = [Scan("doe/t1", series=True, patients=("Doe^Jane",)), Scan("p0001.nii.gz")]
    named, *_ = named_by(scans, [Match(Person("doe"), None), Match(Person("p0001"), None)], tmp_path)
    assert [who.person.subject for who in named] == ["p0002", "p0001"]


def test_a_patients_name_in_a_path_is_neither_the_persons_nor_written(tmp_path):
    who = Match(Person("doe_jane", "jane"), None)
    named, paths, patients, unknown = named_by(
        [Scan("doe_jane/t1", series=True, patients=("Doe^Jane",))], [who], tmp_path
    )
    assert named[0].person.subject == "p0001" and named[0].person.session == ""
    assert paths == [WITHHELD] and patients == [{"doe", "jane"}] and unknown == 0


def test_two_scans_of_one_patient_whose_name_is_withheld_stay_one_person(tmp_path):
    scans = [Scan(f"{k}/t1", series=True, patients=("Doe^Jane",)) for k in "ab"]
    named, *_ = named_by(scans, [Match(Person("Jane Doe"), None, stated=True)] * 2, tmp_path)
    assert [who.person.subject for who in named] == ["p0001", "p0001"] and all(who.stated for who in named)


def test_a_folder_without_scans_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no scans; expected volumes \(.nii, .nii.gz, .* or folders of DICOM"):
        make_plan(tmp_path / "in")


def test_a_withheld_name_is_withheld_of_all_scans_of_that_person(tmp_path):
    """Also of those whose header does not tell it, which would be another person beside."""
    scans = [Scan("DOE_1.nii.gz"), Scan("DOE/t1", series=True, patients=("Doe^Jane",)), Scan("ROE.nii.gz")]
    whose = [
        Match(Person("doe"), None, why_not="of subject doe"),
        Match(Person("DOE"), None),
        Match(Person("ROE"), None),
    ]
    named, paths, patients, _ = named_by(scans, whose, tmp_path)
    assert [who.person.subject for who in named] == ["p0001", "p0001", "ROE"] and not named[0].why_not
    assert paths == [WITHHELD, WITHHELD, "ROE.nii.gz"] and patients == [{"doe", "jane"}, {"doe", "jane"}, set()]


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


def test_a_running_number_is_no_subject_of_the_sheet(tmp_path):
    """Also of one that has no scan: the number would give its row's person another's scan."""
    plan = study(tmp_path, "aa.nii.gz", "bb.nii.gz", sheet="subject,age\np0001,71\np0002,72\n")
    assert [who.person.subject for who in plan.matches] == ["p0003", "p0004"]


def smiths(first, second):
    return [Scan(f"Smith_{name}/ses-x", series=True, patients=(f"Smith^{name}",)) for name in (first, second)]


def test_cells_sessions_and_subjects_are_held_against_their_own_patient_alone(tmp_path):
    scans = smiths("John", "Eli")
    whose = [Match(Person(f"Smith_{name}", "baseline"), None, stated=True) for name in ("John", "Eli")]
    named, paths, *_ = named_by(scans, whose, tmp_path)
    assert named[0].person.session == "baseline" and paths == [WITHHELD] * 2
    cells = {"site": "Mayo Clinic", "note": "visit in May", "of": "john is well"}
    whose = [Match(Person(name), Row(2, Person(name), "", "", "", cells), stated=True) for name in ("7", "mayor")]
    named, *_ = named_by(smiths("John", "May"), whose, tmp_path)
    assert named[0].row.columns == {name: cells[name] for name in ("site", "note")}
    assert named[0].person.subject == "7" and named[1].row.columns == {"of": cells["of"]}
    other = named_by(
        [*smiths("John", "May"), Scan("x.nii")], [*whose, Match(Person("may"), None, stated=True)], tmp_path
    )
    assert other[0][2].person.subject == "may"  # as the sheet has it


def test_a_guess_from_a_path_is_held_against_all_patients(tmp_path):
    """It is a part of a path that may not be written."""
    scans = [*smiths("John", "May"), Scan("sub-MaySmith_T1w.nii.gz")]
    whose = [Match(Person(name), None) for name in ("7", "8", "MaySmith")]
    named, paths, *_ = named_by(scans, whose, tmp_path)
    assert named[2].person.subject == "p0001" and paths[2] == WITHHELD


def test_one_phantom_withholds_no_path(scan_tools, tmp_path):
    data, affine = scan_tools.head(12.0)
    scan_tools.write_dicom(tmp_path / "in" / "7" / "mri", data, affine, PatientName="MRI^Volunteer")
    scan_tools.write_nifti(tmp_path / "in" / "mri" / "test_8.nii.gz", data, affine)
    plan = make_plan(tmp_path / "in", PrepareSettings(include=("*",)))
    assert plan.paths == ["7/mri", "mri/test_8.nii.gz"] and not any("WITHHELD" in line for line in plan.lines)


def test_how_many_paths_are_withheld_is_told(scan_tools, tmp_path):
    data, affine = scan_tools.head(12.0)
    scan_tools.write_dicom(tmp_path / "DOE_JANE" / "T1", data, affine)
    scan_tools.write_nifti(tmp_path / "DOE_JANE" / "FLAIR.nii.gz", data, affine)
    assert "WITHHELD  2 paths hold a patient's name, and are not written" in make_plan(tmp_path).lines


@pytest.mark.parametrize("flat", (False, True))
def test_a_name_that_a_report_alone_carries_is_no_less_withheld(flat, scan_tools, tmp_path):
    """flat: the pictures are of two series, so that the report's is none of them."""
    folder = tmp_path / "Doe_Jane"
    for uid in "12"[: 1 + flat]:
        made = scan_tools.write_dicom(tmp_path / uid, *scan_tools.head(24.0), PatientName="", SeriesInstanceUID=uid)
        folder.mkdir(exist_ok=True)
        for path in made.iterdir():
            path.rename(folder / f"{uid}-{path.name}")
        made.rmdir()
    scan_tools.write_report(folder / "SR.dcm")
    plan = make_plan(tmp_path, PrepareSettings(include=("*",)))
    assert plan.paths == [WITHHELD] * (1 + flat)


def test_a_pattern_that_holds_a_patients_name_is_withheld_alone(scan_tools, tmp_path):
    """Of a volume whose own path and header name nobody."""
    data, affine = scan_tools.head(24.0)
    scan_tools.write_dicom(tmp_path / "1" / "T1", data, affine)
    scan_tools.write_nifti(tmp_path / "2" / "x-dane.nii.gz", data, affine)
    plan = make_plan(tmp_path, PrepareSettings(exclude=("*[doe]ane*", "*x")))
    assert plan.left == [("2/x-dane.nii.gz", "--exclude")]


def test_the_source_is_called_by_its_name_unless_that_is_a_patients(scan_tools, tmp_path):
    for name in ("Doe_Jane", "xdoex", "doeling"):
        scan_tools.write_dicom(tmp_path / name / "1", *scan_tools.head(24.0))
    assert [make_plan(tmp_path / name).name for name in ("Doe_Jane", "xdoex")] == ["scans"] * 2
    scan_tools.write_dicom(tmp_path / "Roe" / "1" / "T1", *scan_tools.head(24.0), PatientName="")
    scan_tools.write_report(tmp_path / "Roe" / "2" / "SR.dcm", "Roe^Ann")  # a name of no scan that is cut
    assert make_plan(tmp_path / "Roe").name == "scans"


def test_persons_whose_names_differ_in_separators_are_two(tmp_path):
    """Neither has the other's header, nor the other's number."""
    scans = [Scan("a/t", series=True, patients=("Doe^Jane",)), Scan("b/t")]
    row = Row(2, Person("11"), "", "", "", {"of": "jane"})
    named, *_ = named_by(scans, [Match(Person("1_1"), None), Match(Person("11"), row)], tmp_path)
    assert named[1].row.columns == {"of": "jane"}
    scans = [Scan(f"{k}/t", series=True, patients=("Doe^Jane",)) for k in "ab"]
    named, *_ = named_by(scans, [Match(Person("Doe 1_1"), None), Match(Person("Doe 11"), None)], tmp_path)
    assert [who.person.subject for who in named] == ["p0001", "p0002"]
    stated = [Match(Person("doe 1_1"), None), Match(Person("doe 11"), None, stated=True)]
    named, *_ = named_by([Scan("x"), Scan("y"), scans[0]], [*stated, Match(Person("7"), None)], tmp_path)
    assert [who.person.subject for who in named] == ["p0001", "doe 11", "7"]
