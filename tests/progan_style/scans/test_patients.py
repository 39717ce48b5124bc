"""Names of patients are known where they stand, and other words are none."""

import pytest

from progan_style.scans.patients import Patients, carries, parts_of


def test_a_name_is_known_when_it_is_carried():
    doe = parts_of("Doe^Jane")
    assert carries("scans/DOE_JANE/T1", doe) and carries("janedoe.nii", doe)
    assert not parts_of("123_S_4567")  # a pseudonym has digits
    assert not carries("sub-01", parts_of("")) and not parts_of("Anonymous")


@pytest.mark.parametrize("name", ("MRI^Volunteer", "Test^Phantom", "Brain^Study", "HEAD SCAN"))
def test_words_that_are_no_names_withhold_nothing(name):
    everybody = Patients([name, "Doe^Jane"])
    assert not everybody.words_in("mri/test/volunteer/phantom/brain_head_scan_study.nii.gz")


def test_joined_parts_of_one_name_are_a_name_in_any_order():
    everybody = Patients(["Doe^Jane^Mary", "Roe^Ann"])
    for word in ("DoeJaneMary", "MaryDoe", "janemarydoe", "JANE"):
        assert everybody.words_in(f"x/{word}_FLAIR.nii.gz") == {word.lower()}
    assert not everybody.words_in("JaneRoe/doerner/DoeJaneX.nii.gz")  # of two persons; parts of words
    assert not Patients(["Doe^Al"]).words_in("doeal.nii")  # a part has three letters or more


def test_a_word_that_all_names_share_is_held_against_them_once():
    """As where a study writes its own name into each header."""
    everybody = Patients(f"MIRIAD_{k:04d}" for k in range(2000))
    assert len(everybody.names_with["miriad"]) == 1
    assert all(everybody.words_in(f"MIRIAD/MIRIAD_{k:04d}/ser") == {"miriad"} for k in range(2000))
    assert everybody.known == {"miriad": True, "ser": False}
