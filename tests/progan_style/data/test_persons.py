"""Whose a slice is, by its name; and what is stated, what is guessed."""

import pytest
from data_tools import all_rows, manifest, save, write

from progan_style.data.persons import GUESSED, STATED, Names, Person, from_path, persons_in

PATHS = {
    "sub-01/ses-M12/anat/sub-01_ses-M12_T1w.nii.gz": Person("01", "M12"),
    "ADNI/123_S_4567/MPRAGE/2010/I98765/x.nii": Person("123_S_4567", "", "I98765"),
    "ADNI_002_S_0295_MR_MPRAGE_br_raw_S1_I40966.nii": Person("002_S_0295", "", "I40966"),
    "disc1/OAS1_0001_MR1/PROCESSED/OAS1_0001_MR1_mpr.img": Person("OAS1_0001", "MR1"),
    "OAS2_0001_MR2/mpr-1.nifti.img": Person("OAS2_0001", "MR2"),
    "OAS30001_MR_d0129/anat2/sub-OAS30001_ses-d0129_T1w.nii.gz": Person("OAS30001", "d0129"),
    "OAS1_0028_MR1_mpr-1_100.jpg": Person("OAS1_0028", "MR1"),
    "train/AD/oas2_0001_mr2_080.png": Person("OAS2_0001", "MR2"),
    "sub-01_ses-M00_T1w_080.png": Person("01", "M00"),
    "002-S-0295_080.png": Person("002_S_0295"),
    "chris_t1.nii.gz": Person(),
    "series/IM0001": Person(),
}


@pytest.mark.parametrize("path", PATHS)
def test_names_in_paths(path):
    assert from_path(path) == PATHS[path]


def test_groups_of_the_file_names(root, load):
    data = load(write(root))
    assert data.subjects_known and data.subjects_are == GUESSED
    assert data.train.subjects[0] == "tAD00x" and len(set(data.train.subjects)) == 20
    assert "20 persons guessed from file names: what stands before their last _; that is a scan" in data.summary()


def test_fewer_than_ten_groups_are_no_persons(root, load):
    data = load(write(root, persons=9))
    assert not data.subjects_known and data.subjects_are == "unknown" and not data.train.subjects.astype(bool).any()
    assert "PERSONS UNKNOWN: class CN has 9 groups" in data.summary()


@pytest.mark.parametrize("word", ["mild", "Very_Mild", "non", "nc", "elderly"])
def test_groups_that_are_class_words_are_no_persons(root, load, word):
    write(root)
    save(root / "train/AD" / f"{word}_10.png")
    data = load(aliases={"NC": "CN", "elderly": "AD"})
    assert not data.subjects_known and f"({word})" in data.summary()


def test_file_names_without_an_id_are_no_persons(root, load):
    write(root)
    save(root / "train/AD/014.png")
    assert "1 of 41 file names have no id" in load().why_subjects


def test_two_persons_in_a_path_are_both_read():
    assert [who.subject for who in persons_in("sub-01/sub-02_T1w.nii.gz")] == ["02", "01"]
    assert len(persons_in("OAS1_0001_MR1/OAS1_0001_MR1_mpr.img")) == 1


@pytest.mark.parametrize(
    ("form", "path", "person"),
    [
        ("{subject}_*", "train/AD/p01_080.png", Person("p01")),
        ("{subject}_{session}.nii.gz", "1_2.nii.gz", Person("1", "2")),
        ("{subject}/{session}/*", "in/10/1/T1.nii.gz", Person("10", "1")),
        ("{subject}_MR*", "OAS1_0001_MR1_mpr-1.png", Person("OAS1_0001", "MR1")),
    ],
)
def test_a_pattern_states_persons(form, path, person):
    assert Names(form)(path) == person


def test_a_pattern_that_cannot_be_right():
    for text in ("p_*", "{subject}{subject}", "{person}_*", "{subject}_{"):
        with pytest.raises(ValueError, match="--names: expected a pattern such as"):
            Names(text)
    with pytest.raises(ValueError, match=r"--names '\{subject\}_\*': x/y.png is not of this form; change"):
        Names("{subject}_*")("x/y.png")


def test_known_names_need_no_ten_persons_and_stay_a_guess(root, load):
    for label in ("CN", "AD"):
        for repeat in (1, 2, 3):
            save(root / label / f"OAS1_{1 + (label == 'AD'):04d}_MR1_mpr-{repeat}_100.png")
    data = load()
    assert data.subjects_are == GUESSED and set(data.train.subjects) == {"OAS1_0001", "OAS1_0002"}
    assert "2 persons guessed from file names: the ids that BIDS, ADNI or OASIS write" in data.summary()


def test_a_guess_in_a_manifest_stays_a_guess(root, load):
    write(root, persons=2)
    paths = sorted(p.relative_to(root).as_posix() for p in root.glob("*/*/*.png"))
    manifest(root, [(path, path[-12:-6]) for path in paths], ("path", "guessed_subject"))
    assert load().subjects_are == GUESSED
    assert "4 persons guessed from file names: column guessed_subject of manifest.csv" in load().summary()
    rows = [(path, path[-12:-6] if i else "", path[-12:-6] if not i else "") for i, path in enumerate(paths)]
    manifest(root, rows, ("path", "subject", "guessed_subject"))
    assert load().subjects_are == GUESSED and "for 1 of 8 images" in load().why_subjects
    manifest(root, [(path, path[-12:-6]) for path in paths], ("path", "subject"))
    assert load().subjects_are == STATED


@pytest.mark.parametrize("cell", ("n/a", "NaN"))
@pytest.mark.parametrize("column", ("subject", "guessed_subject"))
def test_a_cell_that_says_nothing_is_nobody(cell, column, root, load):
    write(root, ("train/CN", "train/AD", "test/CN", "test/AD"), persons=2)
    rows = [(*row[:3], row[0].split("/")[0]) for row in all_rows(root)]
    manifest(root, [(*row[:2], cell, row[3]) for row in rows], ("path", "label", column, "split"))
    data = load()
    assert data.subjects_are == "unknown" and not data.shared_subjects()
    some = [(*row[:2], cell if i == 3 else row[2], row[3]) for i, row in enumerate(rows)]
    manifest(root, some, ("path", "label", column, "split"))
    assert load().subjects_are == "unknown" and "is empty for 1 of 16 images" in load().why_subjects


def test_persons_who_cross_are_told_also_where_the_manifest_leaves_one_out(root, load):
    """One empty cell makes the persons unknown, and hides nobody."""
    write(root, ("train/CN", "train/AD", "test/CN", "test/AD"), persons=2)
    rows = [(*row[:3], row[0].split("/")[0]) for row in all_rows(root)]
    manifest(root, [(*row[:2], "" if i == 3 else row[2], row[3]) for i, row in enumerate(rows)])
    data = load()
    assert data.subjects_are == "unknown" and set(data.shared_subjects()) == {("train", "test")}
    assert (
        "WARNING   4 persons, as named or guessed (others are unknown), stand in both train and test" in data.summary()
    )
    manifest(root, rows)
    assert load().shared_subjects() == data.shared_subjects()


def test_persons_who_cross_are_told_also_where_one_file_name_names_nobody(root, load):
    for folder in ("train/CN", "train/AD", "test/CN", "test/AD"):
        for i in range(2):
            save(root / folder / f"sub-{folder[-2:]}{i}_0.png")
    save(root / "test" / "AD" / "x.png")
    data = load()
    assert data.subjects_are == "unknown"
    assert data.shared_subjects() == {("train", "test"): ("AD0", "AD1", "CN0", "CN1")}
