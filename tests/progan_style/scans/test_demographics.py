"""Age in years and sex as F or M: what cells say, and that nothing is guessed."""

import json

import pytest

from progan_style.data.classes import alias_table
from progan_style.scans.demographics import NoAgeError, counted, in_a_year, sex_of, years_of
from progan_style.scans.participants import describe, read_sheet


def sheet(tmp_path, text, about=None):
    path = tmp_path / "participants.tsv"
    path.write_text(text.replace(",", "\t") if "\t" not in text else text)
    if about is not None:
        path.with_suffix(".json").write_text(about if isinstance(about, str) else json.dumps(about))
    return read_sheet(path, alias_table(()))


def ages(found):
    return [row.columns["age"] for row in found.rows]


@pytest.mark.parametrize(
    ("cell", "years"),
    [("72", 72), ("72.5", 72.5), ("26,9", 26.9), ("0", 0), ("120", 120), ("72 years", 72), ("72y", 72),
     ("864 months", 72), ("18 mo", 1.5), ("072Y", 72), ("018M", 1.5), ("", None)],
)  # fmt: skip
def test_a_cell_is_an_age_in_years(cell, years):
    assert years_of(cell) == (years, "")


@pytest.mark.parametrize("cell", ("89+", ">89", ">=89", "≥ 89", "89 +", "89 years+", "89 or older"))
def test_a_bound_is_its_number_with_a_remark(cell):
    years, remark = years_of(cell)
    assert years == 89 and "a bound" in remark


@pytest.mark.parametrize("cell", ("121", "-1", "old", "70-75", "7O", "nan", "inf", "72 M", "999Y", "1e1", "70 80"))
def test_what_is_no_age_is_not_guessed(cell):
    with pytest.raises(NoAgeError, match="no age"):
        years_of(cell)


def test_units_of_time():
    assert [in_a_year(unit) for unit in ("years", "Year", "months", "(Days)", "mmHg", "")] == [
        1,
        1,
        12,
        365.25,
        None,
        None,
    ]
    assert years_of("864", 12.0)[0] == 72 and years_of("72 years", 12.0)[0] == 72


def test_both_spellings_of_a_sex_are_one_and_codes_are_those_of_the_sheet():
    assert [sex_of(cell) for cell in ("F", "female", "M", "Male", " m ", "1", "O", "n", "")] == [
        *"FFMMM",
        *[""] * 4,
    ]
    assert sex_of("1", {"1": "male", "2": "Female"}) == "M" and sex_of("2", {"1": "male", "2": "Female"}) == "F"


def test_the_age_at_a_visit_comes_before_that_at_entry(tmp_path):
    text = "OASISID,ses,visit,age at visit,ageAtEntry,GENDER\nOAS30001,a,1,66.12,65,1\nOAS30001,a,2,,65,1\n"
    found = sheet(tmp_path, text)
    assert ages(found) == ["66.12", "65"] and [row.columns["sex"] for row in found.rows] == ["", ""]
    told = "\n".join(describe(found))
    assert "GENDER: neither F nor M, so unknown (2 rows): 1 (line 2), 1 (line 3)" in told
    assert "ageAtEntry: the age at entry into the study, not at the visit (1 row): 65 (line 3)" in told


def test_to_an_age_at_entry_the_stated_time_since_is_added(tmp_path):
    adnimerge = (
        "PTID,VISCODE,DX_bl,AGE,PTGENDER,DX,Month\n011_S_0002,bl,CN,74.3,Male,CN,0\n011_S_0002,m06,CN,74.3,Male,MCI,6\n"
    )
    found = sheet(tmp_path, adnimerge)
    assert ages(found) == ["74.3", "74.8"] and {row.columns["sex"] for row in found.rows} == {"M"}
    assert not found.demographics.remarks(with_cells=True)
    found = sheet(tmp_path, "OASISID,days_to_visit,AgeatEntry\nOAS30001,0,65\nOAS30001,3653,65\n")
    assert ages(found) == ["65", "75"]
    found = sheet(tmp_path, "PTID,VISCODE,DX_bl,AGE,Month\n011_S_0002,m06,CN,74.3,\n")  # no time: that is said
    assert ages(found) == ["74.3"] and "at entry" in found.demographics.remarks(with_cells=False)[0]


def test_the_units_and_codes_of_the_json_beside_the_sheet_count(tmp_path):
    about = {"age": {"Units": "months"}, "sex": {"Levels": {"1": "male", "2": {"Description": "female"}}}}
    found = sheet(tmp_path, "participant_id,age,sex\nsub-01,840,1\nsub-02,900,2\n", about)
    assert ages(found) == ["70", "75"] and [row.columns["sex"] for row in found.rows] == ["M", "F"]
    found = sheet(tmp_path, "participant_id,age\nsub-01,840\n", {"age": {"Units": "fortnights"}})
    assert ages(found) == [""] and "of a unit that is not known" in found.demographics.remarks(with_cells=False)[0]
    for broken in ("{", "[1]", '{"age": 3}'):
        found = sheet(tmp_path, "participant_id,age\nsub-01,70\n", broken)
        assert ages(found) == ["70"]
    assert sheet(tmp_path, "participant_id,age_months\nsub-01,840\n", {}).rows[0].columns == {"age": "70"}


def test_a_bad_cell_is_one_remark_and_no_end(tmp_path):
    found = sheet(
        tmp_path, "participant_id,age,sex\nsub-01,70,F\nsub-02,Jane Doe,x\nsub-03,n/a,M\nsub-04,89+,M\nsub-05,690,M\n"
    )
    assert ages(found) == ["70", "", "", "89", ""]
    told = "\n".join(describe(found))
    assert "age: no age, so unknown (1 row): Jane Doe (line 3)" in told
    assert "age: no age from 0 to 120 years, so unknown (1 row): 690 (line 6)" in told
    assert "age: a bound: the person is of this age or older (1 row): 89+ (line 5)" in told
    assert "Jane" not in "\n".join(found.demographics.remarks(with_cells=False))  # for DATASET.md


def test_what_is_missing_is_counted():
    scans = [{"age": "70", "sex": "F"}, {"age": "", "sex": "M"}, {"age": "81.5", "sex": ""}, {}]
    assert counted(scans) == [
        "age is known of 2 of 4 scans, 70 to 81.5 years; of 2 unknown",
        "sex: 1 scans F, 1 M, 2 unknown",
    ]
    assert counted([{}, {"site": "1"}]) == []


def test_cells_that_another_wrote_are_counted_as_they_are_read():
    """A manifest's own columns: what is no number is unknown, and ends nothing."""
    scans = [{"age": "unknown", "sex": "female"}, {"age": "nan", "sex": "unknown"}, {"age": "70", "sex": "M"}]
    assert counted(scans) == [
        "age is known of 1 of 3 scans, 70 to 70 years; of 2 unknown",
        "sex: 1 scans F, 1 M, 1 unknown",
    ]


def test_columns_that_would_take_these_names_are_told_apart(tmp_path):
    found = sheet(tmp_path, "participant_id,age at visit,Age,gender,sex\nsub-01,70,60,male,F\n")
    assert found.rows[0].columns == {"age": "70", "sex": "F", "sheet_Age": "60", "gender": "male"}
