"""What an audit says of what it found."""

from progan_style.audit.findings import Audit, Confound


def make(**found):
    counts = {"train": {"CN": 9, "AD": 3}}
    return Audit("folder", counts, counts, "persons", **{"persons_stated": True} | found)


def test_a_person_or_a_copy_on_both_sides_crosses_and_a_likeness_is_told():
    assert not make().crosses and make().lines()[-1] == "result    nothing crosses a split"
    for found in ({"persons_crossing": {"train/test": ["p1"]}}, {"pairs_found": {"copy": 2}}):
        assert make(**found).crosses and make(**found).lines()[-1].endswith("a person or a copy crosses a split")


def test_what_nobody_states_is_not_certified():
    assert make(persons_stated=False).lines()[-1].endswith("that one of them crosses a split is not excluded")
    crossing = make(persons_stated=False, persons_crossing={"train/test": ["p1"]})
    assert "CROSSING  1 persons guessed from file names stand in both of train/test: p1" in crossing.lines()
    assert make(alarm=True, pairs_found={"person": 9}).verdict.startswith("the pixels contradict what is said")


def test_uneven_classes_and_flagged_confounds_stand_in_the_lines():
    age = Confound("age", ("CN", "AD"), (70.0, 80.0), -1.5, 0.001, True)
    lines = make(imbalance=3.0, confounds=[age]).lines()
    assert any("3.0 times the other's" in line for line in lines)
    assert "CONFOUND  age: CN 70.00, AD 80.00; effect -1.50, p = 0.001" in lines
    even = make(imbalance=1.1, confounds=[Confound("age", ("CN", "AD"), (70.0, 70.1), 0.0, None, False)]).lines()
    assert not any("times the other's" in line for line in even)
    assert "balance   age: CN 70.00, AD 70.10; effect +0.00" in even
