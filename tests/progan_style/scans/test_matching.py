"""Rows of a sheet find their scans, and none finds another person's."""

import pytest

from progan_style.data.classes import alias_table
from progan_style.data.persons import Names
from progan_style.scans.matching import match, one_name
from progan_style.scans.participants import read_sheet


def sheet(tmp_path, text):
    (tmp_path / "labels.csv").write_text(text)
    return read_sheet(tmp_path / "labels.csv", alias_table(()))


def test_rows_find_their_scans(tmp_path):
    found = sheet(
        tmp_path, "subject,session,group\n002_S_0295,,CN\nOAS1_0001,MR1,CN\nOAS1_0001,MR2,AD\np01,,AD\nzz,,AD\n"
    )
    paths = [
        "sub-ADNI002S0295/anat/sub-ADNI002S0295_T1w.nii.gz",
        "OAS1_0001_MR1/a.img",
        "OAS1_0001_MR2/a.img",
        "P01_T1.nii.gz",
        "p012/a.nii",
    ]
    rows = [who.row and who.row.line for who in match(paths, found)]
    assert rows == [2, 3, 4, 5, None]
    assert match(paths, found)[0].person.subject == "002_S_0295"


def test_rows_find_their_scans_by_image_and_path(tmp_path):
    found = sheet(tmp_path, "subject,image,group\na,7001,CN\na,7002,AD\n")
    paths = ["ADNI_002_S_0295_I7002.nii", "ADNI_002_S_0295_I7001.nii"]
    assert [who.row.label for who in match(paths, found)] == ["AD", "CN"]
    found = sheet(tmp_path, "path,subject,group\nx/one.nii,a,CN\n../../two.nii,b,AD\n")
    assert [bool(who.row) for who in match(["x/one.nii", "two.nii"], found)] == [True, False]


def numbered(tmp_path, subjects=range(1, 13)):
    return sheet(tmp_path, "\n".join(["subject,group", *(f"{k},{('CN', 'AD')[k % 2]}" for k in subjects)]))


SAID = {
    "10/1/T1.nii.gz": r"subject 10 \(line 11\) and subject 1 \(line 2\) of \S+labels.csv; expected one: .* by --names "
    r"'\{subject\}/\*/\*' for 10 or --names '\{subject\}/\*' for 1 or a column path",
    "1_1.nii.gz": r"subject 1 \(line 2\) and subject 11 \(line 12\) .* '\{subject\}_\*' for 1 or --names",
}


@pytest.mark.parametrize("path", SAID)
def test_a_path_that_fits_two_subjects_is_an_error_that_says_how_to_choose(path, tmp_path):
    with pytest.raises(ValueError, match=f"^{path}: fits {SAID[path]}") as raised:
        match([path], numbered(tmp_path))
    assert "\n" not in str(raised.value)


def test_the_pattern_that_the_error_names_chooses(tmp_path):
    found = numbered(tmp_path)
    paths = [f"{subject}/{session}/T1.nii.gz" for subject in range(1, 13) for session in (1, 2)]
    chosen = match(paths, found, Names("{subject}/*/*"))
    assert [who.person.subject for who in chosen] == [str(k) for k in range(1, 13) for _ in range(2)]
    assert all(who.stated and who.row for who in chosen)
    assert match(["1_1.nii.gz"], found, Names("{subject}_*"))[0].person.subject == "1"


def test_two_ids_of_bids_in_a_path_are_an_error_only_if_the_sheet_has_both(tmp_path):
    found = sheet(tmp_path, "subject,group\nsub-01,AD\nsub-02,CN\n")
    with pytest.raises(ValueError, match=r"fits subject 02 .* and subject 01"):
        match(["sub-01/sub-02_T1w.nii.gz"], found)
    assert match(["sub-01/sub-09/sub-01_T1w.nii.gz"], found)[0].person.subject == "01"


def test_what_the_sheet_does_not_state_is_a_guess(tmp_path):
    found = sheet(tmp_path, "path,subject,group\na/sub-01_T1w.nii,7,CN\na/sub-02_T1w.nii,8,AD\n")
    stated = match(["a/sub-01_T1w.nii", "a/sub-03_T1w.nii"], found)
    assert [(who.person.subject, who.stated) for who in stated] == [("7", True), ("03", False)]
    found = sheet(tmp_path, "path,group\na/sub-01_T1w.nii,CN\n")
    assert [who.stated for who in match(["a/sub-01_T1w.nii"], found)] == [False]
    assert [who.stated for who in match(["sub-01_T1w.nii"], None)] == [False]


def test_visits_meet_by_name_by_date_or_nearest(tmp_path):
    text = "PTID,VISCODE,EXAMDATE,DX\n011_S_0002,bl,2005-09-08,CN\n011_S_0002,m06,2006-03-07,MCI\n011_S_0002,m12,,AD\n"
    found = sheet(tmp_path, text)

    def label(path, nearest=None):
        who = match([path], found, None, nearest)[0]
        return who.row and who.row.label

    assert label("sub-ADNI011S0002/ses-M006/sub-ADNI011S0002_ses-M006_T1w.nii.gz") == "MCI"
    assert label("ADNI/011_S_0002/MPRAGE/2006-03-07_10_30_00.0/I7/a.nii") == "MCI"
    path = "ADNI/011_S_0002/MPRAGE/2005-08-26_10_30_00.0/I7/a.nii"
    assert label(path) is None and label(path, 12) is None and label(path, 13) == "CN"
    assert match([path], found, None, 13)[0].row.columns["visit_days"] == "13"
    assert label("ADNI/011_S_0002/MPRAGE/2005-12-07_10_30_00.0/I7/a.nii", 90) is None  # between two: 90 days to both
    why = match([path], found)[0].why_not
    assert why.startswith("of subject 011_S_0002 looked for 2005-08-26 in column VISCODE and EXAMDATE, which has bl, ")
    assert "the nearest is 13 days away, and --nearest-visit is not given" in why


def test_a_scan_without_a_row_says_what_was_looked_for(tmp_path):
    found = sheet(tmp_path, "PTID,DX\n011_S_0002,CN\n011_S_0003,AD\n")
    why = [who.why_not for who in match(["sub-9_T1w.nii", "scan.nii"], found)]
    assert why[0] == "looked for subject 9 in column PTID, which has 011_S_0002, 011_S_0003"
    assert why[1].startswith("looked for a subject that begins a part of the path in column PTID")


def test_a_person_goes_by_the_name_in_the_sheet_at_every_visit(tmp_path):
    """Also at one that has no row, else the split takes one person for two."""
    found = sheet(tmp_path, "PTID,VISCODE,DX\n002_S_0295,bl,CN\n")
    paths = [f"sub-ADNI002S0295/ses-{m}/anat/sub-ADNI002S0295_ses-{m}_T1w.nii.gz" for m in ("M000", "M006")]
    first, second = match(paths, found)
    assert first.row and not second.row and second.person.session == "M006"
    assert first.person.subject == second.person.subject == "002_S_0295" and not second.stated


def test_a_persons_only_row_is_of_its_own_day(tmp_path):
    """Ten years after the scan it says nothing of it. Without a day in path or sheet it is the one."""
    found = sheet(tmp_path, "PTID,DX,Acq Date\n002_S_0295,AD,2016-04-18\n")
    path = "002_S_0295/MPRAGE/2006-04-18_08_20_30.0/I13722/a.nii"
    who = match([path], found, None, 90)[0]
    assert who.row is None and who.person.subject == "002_S_0295"
    assert "the nearest is 3653 days away, and --nearest-visit is 90" in who.why_not
    near = match([path], found, None, 4000)[0]
    assert near.row.label == "AD" and near.row.columns["visit_days"] == "3653"
    assert match([path.replace("2006", "2016")], found)[0].row and match(["002_S_0295/a.nii"], found)[0].row
    dateless = sheet(tmp_path, "PTID,DX\n002_S_0295,AD\n")
    assert match([path], dateless)[0].row.label == "AD"


def test_a_person_goes_by_the_name_that_the_sheet_gives_one_of_the_scans(tmp_path):
    """A row of a path names one visit; the other is of the same person all the same."""
    visits = [f"sub-ADNI002S0413/ses-{visit}/T1.nii.gz" for visit in ("M000", "M006")]
    for name, subject in (("002_S_0413", "002_S_0413"), ("seven", "seven")):
        found = match(visits, sheet(tmp_path, f"path,subject,age\n{visits[0]},{name},71\n"))
        assert [(who.person.subject, who.stated, bool(who.row)) for who in found] == [
            (subject, True, True),
            (subject, False, False),
        ]
    bids = "path,subject,{}\nsub-07/one.nii,07,{}\nsub-08/one.nii,08,{}\n"
    found = sheet(tmp_path, bids.format("age", 71, 72))
    (two,) = match(["sub-07/two.nii"], found)
    assert two.person.subject == "07" and not two.row
    assert two.why_not == "the rows of subject 07 name other scans, in column path"
    with pytest.raises(ValueError, match="fits subject 08"):  # it would be cut as a person of its own
        match(["sub-07/sub-08_two.nii"], found)
    grouped = sheet(tmp_path, bids.format("group", "AD", "CN"))
    assert not match(["sub-07/sub-08_two.nii"], grouped)[0].row  # and is left out


def test_a_row_that_names_a_path_names_nobody_by_a_part_of_another(tmp_path):
    """2 of 1/2 is a visit as likely as a person."""
    found = sheet(tmp_path, "path,subject,age\n1/1/T1.nii.gz,1,70\n2/1/T1.nii.gz,2,71\n")
    paths = ["1/1/T1.nii.gz", "2/1/T1.nii.gz", "1/2/T1.nii.gz", "11/1/T1.nii.gz", "2/x_1.nii"]
    assert [who.person.subject for who in match(paths, found)] == ["1", "2", "", "", ""]
    stated = match(paths[:4], found, Names("{subject}/*/*"))  # 11 is nobody of the sheet
    assert [who.person.subject for who in stated] == ["1", "2", "1", "11"]


def test_a_bids_name_allows_no_separators_and_contradicts_none(tmp_path):
    found = sheet(tmp_path, "participant_id,age\nsub-2019001,70\nsub-OAS10001,71\n")
    paths = [
        "sub-2019001/anat/sub-2019001_T1w.nii.gz",
        "sourcedata/2019-001/T1",
        "sub-OAS10001/anat/sub-OAS10001_T1w.nii.gz",
        "sourcedata/OAS1_0001_MR1/T1",
    ]
    for order in (paths, paths[::-1]):
        assert [who.person.subject for who in match(order, found)] == [
            "OAS10001" if "OAS" in path else "2019001" for path in order
        ]
    with pytest.raises(ValueError, match=r"2019-001 and 20-19001 differ .* --exclude 'sourcedata/\*' leaves"):
        match([*paths, "sourcedata/20-19001/T1"], found)  # one of which it is not


def test_two_names_in_the_sheet_for_one_who_is_stated_to_be_one_are_an_error(tmp_path):
    found = sheet(tmp_path, "path,subject,age\na_1.nii,x,71\na_2.nii,y,72\n")
    with pytest.raises(
        ValueError, match=r"labels.csv: a_1.nii is of x and a_2.nii of y, but both are stated to be of a"
    ):
        match(["a_1.nii", "a_2.nii"], found, Names("{subject}_*"))
    assert [who.person.subject for who in match(["a_1.nii", "a_2.nii"], found)] == ["x", "y"]
    called = one_name(["1", "2", "3", "4"], ["a", "a", "a", "A"], ["x", "y", "", ""], [False, True, True, True], found)
    assert called == ["x", "y", "y", "y"]  # a guess contradicts nobody
    guessed = sheet(tmp_path, "path,age\nsub-1/sub-2_1.nii,71\n")  # its subject is a guess, the pattern's is not
    (who,) = match(["sub-1/sub-2_1.nii"], guessed, Names("sub-{subject}/*"))
    assert who.row and who.person.subject == "1" and who.stated


@pytest.mark.parametrize("names", (Names("{subject}_T1*"), None))
def test_names_that_differ_in_their_separators_alone_are_not_taken_for_one(names, tmp_path):
    found = sheet(tmp_path, "subject,group\n11,AD\n")
    with pytest.raises(ValueError, match=r"^1_1_T1.nii and 11_T1.nii: subjects 1_1 and 11 differ in their separators"):
        match(["1_1_T1.nii", "11_T1.nii"], found, names)
    dashed = sheet(tmp_path, "subject,group\n2019-001,AD\n")  # BIDS allows no separators
    assert match(["sub-2019001_T1w.nii"], dashed)[0].row.label == "AD"
    assert [who.person.subject for who in match(["1_1_T1.nii", "11_T1.nii"], dashed, Names("{subject}_T1*"))] == [
        "1_1",
        "11",
    ]


def test_without_groups_the_nearest_visit_is_taken_too_and_reasons_contradict_nothing(tmp_path):
    found = sheet(tmp_path, "PTID,Acq Date,age\n002_S_0295,2006-04-20,70\n")
    path = "002_S_0295/MPRAGE/2006-04-18_08_20_30.0/I13722/a.nii"
    assert match([path], found, None, 90)[0].row.columns == {"age": "70", "visit_days": "2"}
    assert "the nearest is 2 days away, and --nearest-visit is 1" in match([path], found, None, 1)[0].why_not
    assert "the nearest is 2 days away, and --nearest-visit is 0" in match([path], found, None, 0)[0].why_not
    found = sheet(tmp_path, "PTID,Acq Date,DX\n002_S_0295,2006-04-20,\n002_S_0295,2006-05-20,AD\n")
    assert "the nearest with a group is 32 days away, and --n" in match([path], found, None, 31)[0].why_not
    found = sheet(tmp_path, "PTID,Acq Date,DX\n002_S_0295,2006-04-20,CN\n002_S_0295,2006-04-16,AD\n")
    assert match([path], found, None, 90)[0].why_not.endswith("; 2 visits are 2 days away, and differ in group")
