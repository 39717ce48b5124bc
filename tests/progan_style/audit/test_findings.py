"""What an audit says of what it found."""

from progan_style.audit.findings import Audit, Confound, Near


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


def test_every_finding_has_its_line():
    near = Near("test/a.png", "train/b.png", 0.912, "copy")
    lines = make(
        pairs_found={"identical": 1, "copy": 2, "person": 3},
        slices_found=4,
        pairs=[near],
        alarm=True,
        threshold=0.85,
        strangers=900,
        strangers_above=7,
        most_alike_strangers=0.95,
        identical_within=5,
        unreadable={"c.png": "why"},
        blank=["d.png", "e.png"],
        cropped=["f.png"],
        unused=["notes.txt"],
    ).lines()
    assert lines[:2] == ["audit     folder: 12 slices (train 12)", "persons   persons"]
    assert [line for line in lines if "pairs of slices across" in line] == [
        "CROSSING  1 pairs of slices across splits are identical, by their pixels",
        "CROSSING  2 pairs of slices across splits are copies, altered or not, by their pixels",
        "CROSSING  3 pairs of slices across splits are of one person, by their pixels",
    ]
    for told in (
        "          4 slices outside train have such a pair",
        "          the most alike: test/a.png and train/b.png (0.91)",
        "note      5 slices stand twice within their split, pixel by pixel",
        "unreadable 1 slices: c.png",
        "blank     2 slices: d.png, e.png",
        "cropped   1 slices: f.png",
        "not used  notes.txt",
    ):
        assert told in lines, (told, lines)
    assert any(line.startswith("ALARM     more than 1 in 1,000 pairs") for line in lines)
    calibrated = "pixels    threshold 0.850; 7 of 900 pairs of slices said to be of different persons lie above, "
    assert f"{calibrated}the most alike below 0.950" in lines
    assert lines[-1].endswith("; 1 files could not be read, and were not looked at")
    assert "pixels    threshold 0.820" in make().lines() and len(make().lines()) == 4
