"""Numbers are declared once: checked against what is made, filled in for what is shown."""

import re

import pytest

from analysis import report, sections
from analysis.numbers import DeclarationError, Number, as_good_up_to, check_declarations, check_made, lines
from analysis.sections import similarity

# Keys of metrics.json in earlier versions -> now. The glossary's words replaced private ones. No other key changed.
RENAMED = {
    "unseen.part": "held_out.split",
    "unseen.slices": "held_out.slices",
    "unseen.persons": "held_out.persons",
    "n.<CLASS>.unseen": "n.<CLASS>.held_out",
    "n.<CLASS>.unseen.persons": "n.<CLASS>.held_out.persons",
    **{
        f"{key}.<CLASS>.floor{end}": f"{key}.<CLASS>.baseline{end}"
        for key in ("kid", "frechet", "precision", "recall", "density", "coverage")
        for end in ("", ".low", ".high")
    },
    "ms_ssim.<CLASS>.floor": "ms_ssim.<CLASS>.baseline",
    "histogram.<CLASS>.floor": "histogram.<CLASS>.baseline",
    "spectrum.<CLASS>.floor": "spectrum.<CLASS>.baseline",
    "spectrum.<CLASS>.finest.floor": "spectrum.<CLASS>.finest.baseline",
    "inception.fid.<CLASS>.floor": "inception.fid.<CLASS>.baseline",
    "inception.kid.<CLASS>.floor": "inception.kid.<CLASS>.baseline",
    **{
        f"{key}.ceiling{end}": f"{key}.real{end}"
        for key in ("fidelity", "discriminator.fidelity")
        for end in ("", ".low", ".high", ".accuracy", ".calibration")
    },
    "fidelity.over_typical": "fidelity.more_typical_than_real",
    **{
        f"copies{space}{kind}.floor": f"copies{space}{kind}.false_alarms"
        for space in ("", ".features")
        for kind in ("", ".relative")
    },
    "copies.median.unseen": "copies.median.held_out",
    "copies.features.median.unseen": "copies.features.median.held_out",
    "copies.most_per_person.unseen": "copies.most_per_person.held_out",
    "umap.unseen": "umap.held_out",
    "umap.realness.floor": "umap.realness.baseline",
    "umap.realness.expected.floor": "umap.realness.expected.baseline",
    "seconds.judge": "seconds.reference_classifier",
}


def declared():
    return {key for numbers in report.declared().values() for number in numbers for key in number.reasons()}


def test_renamed_keys_are_declared_and_their_old_names_are_not():
    known = declared() | {"seconds.reference_classifier"}  # declared as seconds.<SECTION>
    assert not set(RENAMED) & known and set(RENAMED.values()) <= known
    assert len(set(RENAMED.values())) == len(RENAMED)


def test_no_key_carries_a_private_word():
    private = re.compile(r"floor|ceiling|unseen|judge|typical(?!_than)|(?<![a-z])part(?![a-z])")
    assert not [key for key in declared() if private.search(key)]


def test_the_declarations_of_this_program_hold():
    check_declarations(report.declared())
    assert list(report.declared()) == ["report", *sections.NAMES]


KID = Number(
    "kid.<CLASS>", "KID <CLASS>", "a distance", ["baseline {.baseline}"], {".baseline": "", ".low": "with few"}
)


def test_a_key_is_declared_once_and_is_read_beside_declared_ones():
    check_declarations({"a": [KID], "b": [Number("b", beside=["it {kid.<CLASS>.low}"])]})
    with pytest.raises(DeclarationError, match=r"kid.<CLASS>.low is declared twice: in a and in b"):
        check_declarations({"a": [KID], "b": [Number("kid.<CLASS>.low")]})
    with pytest.raises(
        DeclarationError, match=r"b: b is read beside kid.<CLASS>.lw, which is declared nowhere; did you"
    ):
        check_declarations({"a": [KID], "b": [Number("b", beside=["it {kid.<CLASS>.lw}"])]})


def test_what_is_made_is_declared_and_what_is_missing_has_a_reason():
    whole = {"kid.CN": 1.0, "kid.CN.baseline": 1.0, "kid.CN.low": 1.0}
    assert check_made("s", [KID], whole, ["CN"]) == []
    assert check_made("s", [KID], ["kid.CN", "kid.CN.baseline"], ["CN"]) == ["s: .low of kid.<CLASS> left out with few"]
    both = [*whole, "kid.AD", "kid.AD.baseline"]
    assert check_made("s", [KID], both, ["CN", "AD"]) == ["s: kid.AD.low left out with few"]
    with pytest.raises(DeclarationError, match=r"s: kid.AD is declared and was not made"):
        check_made("s", [KID], whole, ["CN", "AD"])
    with pytest.raises(DeclarationError, match=r"the number kid.CN.lwo is not declared; did you mean kid.<CLASS>.low"):
        check_made("s", [KID], [*whole, "kid.CN.lwo"], ["CN"])
    with pytest.raises(DeclarationError, match=r"the number kid.MCI is not declared"):
        check_made("s", [KID], [*whole, "kid.MCI"], ["CN"])
    with pytest.raises(DeclarationError, match=r"kid.CN is declared twice, as kid.<CLASS> and as kid.<EITHER>"):
        check_made("s", [KID, Number("kid.<EITHER>")], whole, ["CN"])


def test_endings_of_a_number_that_is_not_there_are_left_out_for_its_own_reason():
    kid = Number("kid.<CLASS>", also={".low": "with few"}, unless="with none")
    age = Number("age", also={".low": "with few"}, unless="without ages")
    assert check_made("s", [kid, age], [], ["CN"]) == [
        "s: kid.<CLASS>, kid.<CLASS>.low left out with none",
        "s: age, age.low left out without ages",
    ]
    assert check_made("s", [kid, age], ["kid.CN", "age"], ["CN", "AD"]) == [
        "s: kid.AD left out with none",
        "s: .low of kid.<CLASS>, age left out with few",
    ]
    assert check_made("s", [kid], ["kid.CN", "kid.CN.low"], ["CN", "AD"]) == [
        "s: kid.AD, kid.AD.low left out with none"
    ]


def test_lines_are_of_each_class_and_leave_out_what_is_not_there():
    row = Number("utility.<ROW>.gain", "at <ROW> %", "x", ["{utility.<ROW>.title}"])
    made = {
        "class_names": ["CN", "AD"],
        "kid.AD": 0.5,
        "kid.CN": 1.5,
        "kid.AD.baseline": 0.25,
        "utility.25.own.gain": 2,
    }
    made["utility.25.own.title"] = "saw all"
    found = [(line.words, line.value, line.beside) for line in lines([KID, row], made)]
    assert found == [
        ("KID CN", "1.500", ()),
        ("KID AD", "0.500", ("baseline 0.250",)),
        ("at 25.own %", "2", ("saw all",)),
    ]


def test_a_distance_is_marked_above_what_chance_makes_of_both_intervals_and_never_below():
    """Real samples 0 with 0.15 above; 0.1 below the number's own: 0.18 together, by Pythagoras."""
    kid = next(number for number in similarity.NUMBERS if number.key == "kid.<CLASS>")
    ends = {"kid.CN.baseline": 0.0, "kid.CN.baseline.low": -0.08, "kid.CN.baseline.high": 0.15}

    def mark(value, **changed):
        own = {"kid.CN": value, "kid.CN.low": value - 0.1, "kid.CN.high": value + 0.1}
        return lines([kid], {"class_names": ["CN"]} | ends | own | changed)[0].mark

    assert mark(0.18) == "" and mark(0.19) == "above 0.180" and mark(-0.5) == ""
    assert as_good_up_to(0.18, 0.08, 0.0, 0.15) == pytest.approx(0.18, abs=0.001)
    assert mark(5.0, **{"kid.CN.low": None}) == ""
    recall = next(number for number in similarity.NUMBERS if number.key == "recall.<CLASS>")
    made = {"class_names": ["CN"], "recall.CN": 0.8, "recall.CN.baseline.low": 0.9, "recall.CN.baseline.high": 0.95}
    assert lines([recall], made)[0].mark == "below 0.900"


def test_two_numbers_are_not_called_the_same():
    """Side by side one would stand in the other's row."""
    twins = (Number("a.of_real", "  over real slices'"), Number("b.of_real", "  over real slices'"))
    with pytest.raises(DeclarationError, match=r"b\.of_real and a\.of_real are both called 'over real slices''"):
        check_declarations({"x": twins[:1], "y": twins[1:]})
