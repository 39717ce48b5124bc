"""Who was scanned: columns of sheets, and what may become part of a file name."""

import pytest

from progan_style.data.classes import alias_table
from progan_style.data.persons import Person
from progan_style.scans.matching import match
from progan_style.scans.participants import (
    date_reader,
    describe,
    read_sheet,
    safe,
    safe_names,
    visit,
)


def sheet(tmp_path, text, name="labels.csv", aliases=()):
    path = tmp_path / name
    path.write_text(text)
    return read_sheet(path, alias_table(aliases))


def test_groups_are_mapped_and_counted(tmp_path):
    found = sheet(
        tmp_path, "subject,group,age,site\na,Dementia,70,1\nb,Normal,71,2\nc,LMCI,72,3\nd,normal,73,\ne,,74,4\n"
    )
    assert [row.label for row in found.rows] == ["AD", "CN", "MCI", "CN", ""]
    assert found.rows[0].columns == {"age": "70", "site": "1"}
    text = "\n".join(describe(found))
    assert "Dementia -> AD (1)" in text and "Normal -> CN (1)" in text and "LMCI -> MCI (1)" in text
    assert "NO GROUP  1 rows: e" in text


def test_the_sheets_of_adni_oasis_and_bids(tmp_path):
    adni = sheet(
        tmp_path, "Image Data ID,Subject,Group,Sex,Age,Visit\nI1,123_S_4567,AD,F,70,bl\nI2,123_S_4567,AD,F,71,m12\n"
    )
    assert [row.person.image for row in adni.rows] == ["I1", "I2"] and adni.rows[0].columns == {"sex": "F", "age": "70"}
    oasis = sheet(tmp_path, "ID,M/F,Age,CDR\nOAS1_0001_MR1,F,74,0\nOAS1_0003_MR1,F,73,0.5\nOAS1_0004_MR1,M,28,\n")
    assert oasis.rows[0].person == Person("OAS1_0001", "MR1")
    assert [row.label for row in oasis.rows] == ["CN", "AD", ""]
    bids = sheet(
        tmp_path, "participant_id\tage\tsex\tdiagnosis\nsub-01\t70\tF\tAD\nsub-02\tn/a\tM\tCN\n", "participants.tsv"
    )
    assert [row.person.subject for row in bids.rows] == ["01", "02"] and bids.rows[1].columns["age"] == ""


def test_one_person_has_one_spelling_and_other_alphabets_are_names(tmp_path):
    found = sheet(tmp_path, "path,subject,group\na,P01,AD\nb,p01,AD\nc,sub-p01,AD\nd,Ö,CN\ne,Ü,CN\n")
    assert [row.person.subject for row in found.rows] == ["P01", "P01", "P01", "Ö", "Ü"]


def test_columns_that_may_name_people_are_dropped(tmp_path):
    found = sheet(tmp_path, "subject,group,Name,Date of Birth,site,path_note,split\na,AD,Jane Doe,1950,3,x,old\n")
    assert found.rows[0].columns == {"site": "3", "path_note": "x", "sheet_split": "old"}
    assert set(found.dropped) == {"Name", "Date of Birth"}


BAD = {
    "subject,group\na,AD\nb,FTD\n": "line 3: group 'FTD' is not known; expected CN, MCI, AD",
    "subject,group\na,AD\nb,1\n": "line 3: group '1' is not known",  # a code, not a rating
    "subject,group\na,AD\nb,CN\na,CN\n": "lines 2 and 4: subject a twice",
    "subject,group\na,AD\n,CN\n": "line 3: no subject",
    "who,group\na,AD\n": "no column subject or path; its columns are who, group",
    "subject,group\na,AD,1\n": "line 2: more cells than the header has columns",
    "subject,subject\na,b\n": "expected a first line of different column names",
    "subject,group\n": "no rows",
    'subject,group\n"a,AD\n': "not CSV",
    "subject,session,group\n1_1,1,AD\n11,2,CN\n": "lines 2 and 3: subjects 1_1 and 11 differ in their separators alone",
}


@pytest.mark.parametrize("text", BAD)
def test_a_sheet_that_cannot_be_right_is_refused(text, tmp_path):
    with pytest.raises(ValueError, match=BAD[text].replace("'", ".")) as raised:
        sheet(tmp_path, text)
    assert "\n" not in str(raised.value)


def test_a_sheet_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file; expected a CSV"):
        read_sheet(tmp_path / "nowhere.csv", {})
    (tmp_path / "latin.csv").write_bytes("subject,group\nJosé,AD\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not a CSV file in UTF-8"):
        read_sheet(tmp_path / "latin.csv", {})


def test_aliases_of_the_user(tmp_path):
    found = sheet(tmp_path, "subject,group\na,FTD\nb,odd\nc,AD\n", aliases=["FTD=FTD", "odd=-"])
    assert [row.label for row in found.rows] == ["FTD", "-", "AD"] and "odd -> left out (1)" in "\n".join(
        describe(found)
    )
    for text in ("FTD", "=AD", "x=../up", "x="):
        with pytest.raises(ValueError, match="--alias: expected NAME=CLASS"):
            alias_table([text])


def test_safe_names_are_harmless_and_different():
    evil = ["../../etc/passwd", "/abs", "a b", "a-b", "A-B", "..", "\\\\host\\x", "nul\0", "é", "x" * 300]
    names = safe_names(evil)
    assert len({name.lower() for name in names.values()}) == len(evil)
    for name in names.values():
        assert (
            name
            and set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
            and len(name) < 80
        )
    assert safe("123_S_4567") == "123_S_4567"


@pytest.mark.parametrize(
    ("cells", "dates"),
    [
        (["2005-08-26", "", "x"], ["2005-08-26", "", ""]),
        (["8/26/2005", "9/1/2005"], ["2005-08-26", "2005-09-01"]),
        (["26.08.2005", "1.9.2005"], ["2005-08-26", "2005-09-01"]),
    ],
)
def test_dates_are_read_as_their_column_writes_them(cells, dates):
    assert list(map(date_reader(cells, "x.csv: column d"), cells)) == dates


@pytest.mark.parametrize("cells", (["3/4/2005"], ["13/4/2005", "4/13/2005"]))
def test_days_that_may_be_months_are_refused(cells):
    with pytest.raises(ValueError, match=r"x.csv: column d: days and months cannot be told apart; expected dates such"):
        date_reader(cells, "x.csv: column d")


def test_visits_by_other_names():
    assert {visit(text) for text in ("MR1", "1", "01", "visit 1", "ses-01")} == {"1"}
    assert {visit(text) for text in ("bl", "M00", "m000", "ses-M000")} == {"m0"} and visit("d0129") == "d129"


# Columns as published, each with two persons or visits, the path of a scan as downloaded, and its class
PUBLISHED = {
    "OASIS-1": (
        "ID,M/F,Hand,Age,Educ,SES,MMSE,CDR,eTIV,nWBV,ASF,Delay\n"
        "OAS1_0001_MR1,F,R,74,2,3,29,0,1344,0.743,1.306,N/A\nOAS1_0003_MR1,F,R,73,4,3,27,0.5,1454,0.708,1.207,N/A\n",
        ("OAS1_0003_MR1/RAW/OAS1_0003_MR1_mpr-1_anon.img", "AD"),
        (),
    ),
    "OASIS-2": (
        "Subject ID,MRI ID,Group,Visit,MR Delay,M/F,Hand,Age,EDUC,SES,MMSE,CDR,eTIV,nWBV,ASF\n"
        "OAS2_0002,OAS2_0002_MR1,Nondemented,1,0,M,R,75,12,,23,0.5,1678,0.736,1.046\n"
        "OAS2_0002,OAS2_0002_MR2,Demented,2,560,M,R,76,12,,28,0.5,1738,0.713,1.010\n",
        ("OAS2_RAW_PART1/OAS2_0002_MR2/RAW/mpr-1.nifti.img", "AD"),
        (),
    ),
    "OASIS-3": (
        "OASISID,OASIS_session_label,days_to_visit,age at visit,MMSE,CDRSUM,CDRTOT,dx1\n"
        "OAS30001,OAS30001_UDSb4_d0000,0,65.19,28,0,0,Cognitively normal\n"
        "OAS30001,OAS30001_UDSb4_d0339,339,66.12,28,4,1,AD Dementia\n",
        ("OAS30001_MR_d0259/anat2/sub-OAS30001_ses-d0259_T1w.nii.gz", "AD"),
        (100,),
    ),
    "ADNIMERGE": (
        "RID,COLPROT,ORIGPROT,PTID,SITE,VISCODE,EXAMDATE,DX_bl,AGE,PTGENDER,DX,Month\n"
        "2,ADNI1,ADNI1,011_S_0002,11,bl,2005-09-08,CN,74.3,Male,CN,0\n"
        "2,ADNI1,ADNI1,011_S_0002,11,m06,2006-03-06,CN,74.3,Male,MCI,6\n",
        ("ADNI/011_S_0002/MP-RAGE/2006-03-02_10_30_00.0/I8801/ADNI_011_S_0002_MR_br_raw_S13_I8801.nii", "MCI"),
        (30,),
    ),
    "ADNI's search": (
        "Image Data ID,Subject,Group,Sex,Age,Visit,Modality,Description,Type,Acq Date,Format,Downloaded\n"
        "I7128,011_S_0002,CN,M,74,sc,MRI,MP-RAGE,Original,8/26/2005,DCM,\n"
        "I8801,011_S_0003,AD,M,81,sc,MRI,MP-RAGE,Original,9/01/2005,DCM,\n",
        ("ADNI/011_S_0003/MP-RAGE/2005-09-01_10_30_00.0/I8801", "AD"),
        (),
    ),
    "BIDS": (
        "participant_id\tage\tsex\tdiagnosis\nsub-01\t70\tF\tAD\nsub-02\t71\tM\tCN\n",
        ("sub-02/ses-M00/anat/sub-02_ses-M00_T1w.nii.gz", "CN"),
        (),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_documented_sheet_finds_its_scans(name, tmp_path):
    text, (path, label), nearest = PUBLISHED[name]
    found = sheet(tmp_path, text)
    (who,) = match([path], found, None, *nearest)
    assert who.row is not None and who.row.label == label and who.stated, who.why_not
    if nearest:  # the visits of these data sets are not those of the scans: that has to be said
        assert match([path], found)[0].row is None


def test_a_sheet_in_another_encoding_is_read_by_its_mark_or_refused(tmp_path):
    text = "subject\tgroup\tsite\nsub-01\tAD\tMünchen\n"
    (tmp_path / "excel.txt").write_bytes(text.encode("utf-16"))
    assert read_sheet(tmp_path / "excel.txt", alias_table(())).rows[0].columns == {"site": "München"}
    (tmp_path / "old.tsv").write_bytes(text.encode("cp1252"))
    with pytest.raises(ValueError, match=r"old.tsv: not a CSV file in UTF-8 .*; save it as CSV UTF-8"):
        read_sheet(tmp_path / "old.tsv", alias_table(()))
