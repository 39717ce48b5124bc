"""The verdict: what is known gets the word that it deserves, by the rule that is written beside it."""

import pytest

from analysis.verdict import ASPECTS, BAD, GOOD, UNCLEAR, UNKNOWN, caveats, verdict

REAL = {  # as two samples of real people have it
    "class_names": ["CN", "AD"],
    "kid.untrained": 4.0,
    "corners": 0.1,
    "corners.real": 0.0,
    "fidelity.auc": 0.91,
    "fidelity.low": 0.88,
    "fidelity.high": 0.94,
    "fidelity.real": 0.92,
    "fidelity.real.low": 0.89,
    "fidelity.real.high": 0.945,
    "fidelity.shuffled.high": 0.53,
    "tstr.auc": 0.9,
    "tstr.high": 0.93,
    "tstr.shuffled.high": 0.54,
    "atrophy.ratio": 0.97,
    "atrophy.ratio.low": 0.85,
    "atrophy.ratio.high": 1.1,
    "copies.share": 0.02,
    "copies.false_alarms": 0.012,
    "copies.found": 1.0,
    "copies.relative.share": 0.01,
    "copies.relative.false_alarms": 0.011,
}
for name in REAL["class_names"]:
    for which, power in (("weakest", 0.95), ("strongest", 1.05)):
        key = f"spectrum.{name}.{which}"
        REAL |= {key: power, f"{key}.from": 16, f"{key}.to": 22}
    REAL |= {f"kid.{name}": 0.01, f"kid.{name}.untrained": 4.0}
    for key, (value, low, high) in {"kid": (0.0, -0.08, 0.15), "coverage": (0.97, 0.95, 0.99)}.items():
        REAL |= {f"{key}.{name}.baseline{end}": v for end, v in (("", value), (".low", low), (".high", high))}
    REAL |= {f"recall.{name}.baseline{end}": v for end, v in (("", 0.94), (".low", 0.91), (".high", 0.97))}
    REAL |= {f"kid.{name}.low": -0.05, f"kid.{name}.high": 0.1}
    for key in ("coverage", "recall"):
        REAL |= {f"{key}.{name}": 0.95, f"{key}.{name}.low": 0.92, f"{key}.{name}.high": 0.98}


def grades(**changed):
    return {judgement.aspect: judgement.grade for judgement in verdict(REAL | changed)}


def test_real_people_are_good_in_all():
    assert set(grades().values()) == {GOOD} and not any(judgement.advice for judgement in verdict(REAL))
    assert list(grades()) == ["realism", "variety", "class", "disease size", "copies"]


@pytest.mark.parametrize(
    ("aspect", "grade", "changed"),
    [
        ("realism", BAD, {"kid.AD": 5.0, "kid.AD.low": 4.5, "kid.AD.high": 5.5}),  # noise
        ("realism", UNCLEAR, {"kid.AD": 0.2, "kid.AD.low": 0.1, "kid.AD.high": 0.3}),
        ("realism", BAD, {"spectrum.CN.weakest": 0.3}),  # blurred
        ("realism", BAD, {"spectrum.CN.strongest": 3.0}),  # a checkerboard
        (
            "realism",
            BAD,
            {"spectrum.AD.weakest": 0.55, "spectrum.AD.weakest.from": 64, "spectrum.AD.weakest.to": 90},
        ),  # a hole in the middle
        ("realism", UNCLEAR, {"corners": 2.5}),
        ("realism", BAD, {"corners": 5.5}),
        ("variety", BAD, {"recall.CN": 0.63, "recall.CN.low": 0.6, "recall.CN.high": 0.7}),
        ("variety", UNCLEAR, {"coverage.AD": 0.94, "coverage.AD.low": 0.9, "coverage.AD.high": 0.96}),
        ("class", BAD, {"fidelity.auc": 0.51, "fidelity.low": 0.45, "fidelity.high": 0.57}),  # one class for both
        ("class", BAD, {"fidelity.auc": 0.7, "fidelity.low": 0.66, "fidelity.high": 0.74}),
        ("class", UNCLEAR, {"fidelity.auc": 0.96, "fidelity.low": 0.93, "fidelity.high": 0.98}),
        ("class", UNCLEAR, {"tstr.auc": 0.85, "tstr.high": 0.9}),
        ("class", BAD, {"tstr.auc": 0.49, "tstr.high": 0.55}),
        ("class", BAD, {"tstr.auc": 0.53, "tstr.high": 0.6}),  # what the luckiest of shuffled labels reach
        ("disease size", BAD, {"atrophy.ratio": 0.37, "atrophy.ratio.low": 0.3, "atrophy.ratio.high": 0.45}),
        ("disease size", UNCLEAR, {"atrophy.ratio": 0.8, "atrophy.ratio.low": 0.7, "atrophy.ratio.high": 0.95}),
        ("copies", BAD, {"copies.share": 1.0, "copies.relative.share": 0.9}),
        ("copies", BAD, {"copies.share": 0.9}),
        ("copies", UNCLEAR, {"copies.relative.share": 0.04}),
        ("copies", UNCLEAR, {"copies.found": 0.4}),
    ],
)
def test_what_is_known_to_be_broken_is_told(aspect, grade, changed):
    told = grades(**changed)
    assert told.pop(aspect) == grade and set(told.values()) == {GOOD}
    judgement = next(j for j in verdict(REAL | changed) if j.aspect == aspect)
    assert judgement.advice and judgement.because and judgement.rule


def test_a_hole_that_training_reals_have_too_is_no_fault_of_the_generator():
    changed = {"spectrum.CN.weakest": 0.5, "spectrum.CN.weakest.baseline": 0.6}
    assert grades(**changed)["realism"] == UNCLEAR
    assert grades(**changed | {"spectrum.CN.weakest.baseline": 0.9})["realism"] == BAD
    because = verdict(REAL | {"spectrum.CN.weakest": 0.5})[0].because
    assert because == "CN power at 16 to 22 cycles per image 0.50 of the reals'"


def test_with_too_few_people_nothing_is_good_and_noise_is_bad():
    few = {k: v for k, v in REAL.items() if not (k.startswith(("kid", "cov", "rec")) and k.endswith(("low", "high")))}
    assert [j.grade for j in verdict(few)][:2] == [UNCLEAR, UNCLEAR]
    broken = few | {"kid.CN": 3.0, "coverage.AD": 0.2}
    assert [j.grade for j in verdict(broken)][:2] == [BAD, BAD]
    assert "too few people" in verdict(few)[0].because


def test_what_was_not_measured_is_said_to_be_so():
    told = verdict({"class_names": ["CN"]})
    assert [j.grade for j in told] == [UNKNOWN] * len(ASPECTS) and all(j.because for j in told)


def test_where_people_are_unknown_the_verdict_says_what_it_cannot_say():
    assert caveats({"held_out.persons": 12}) == [] and caveats({}) == []
    assert "People are unknown" in caveats({"held_out.persons": None})[0]


def test_dark_corners_alone_are_not_called_realistic():
    corners = {"class_names": ["CN"], "corners": 0.1, "corners.real": 0.0}
    assert verdict(corners)[0].grade == UNKNOWN and verdict(corners | {"corners": 9.0})[0].grade == BAD


def test_a_class_that_was_not_measured_is_not_good():
    """Five people of AD: no neighbours' metrics. One: no KID either."""
    five = {key: value for key, value in REAL.items() if not key.startswith(("coverage.AD", "recall.AD"))}
    told = {j.aspect: j for j in verdict(five)}
    assert told["variety"].grade == UNCLEAR and told["realism"].grade == GOOD
    assert told["variety"].because == (
        "coverage AD not measured, too few people, recall AD not measured, too few people"
    )
    one = {key: value for key, value in five.items() if not key.startswith("kid.AD")}
    assert [j.grade for j in verdict(one)][:2] == [UNCLEAR, UNCLEAR]
    assert verdict(one)[0].because == "KID AD not measured, too few people"


def without(*ends):
    """REAL without these numbers, which too few people or unknown ones do not have."""
    return {key: value for key, value in REAL.items() if not key.endswith(ends)}


def test_a_baseline_alone_measures_no_class():
    """Its own number could not be had: generated slices of one person, say."""
    for aspect, key, words in (("realism", "kid", "KID"), ("variety", "recall", "recall")):
        own = {f"{key}.AD{end}" for end in ("", ".low", ".high")}
        told = {j.aspect: j for j in verdict({k: v for k, v in REAL.items() if k not in own})}[aspect]
        assert (told.grade, told.because) == (UNCLEAR, f"{words} AD not measured, too few people")
    both = {f"kid.{name}{end}" for name in ("CN", "AD") for end in ("", ".low", ".high")}
    assert verdict({k: v for k, v in REAL.items() if k not in both})[0].grade == UNKNOWN


def test_a_class_line_of_few_people_is_neither_good_nor_bad_unless_many_generated_slices_are_at_chance():
    held_out = without("fidelity.real.low", "fidelity.real.high", "tstr.high")
    assert grades()["class"] == GOOD and {j.aspect: j.grade for j in verdict(held_out)}["class"] == UNCLEAR
    broken = {j.aspect: j.grade for j in verdict(held_out | {"fidelity.auc": 0.5})}
    assert broken["class"] == BAD


def test_people_whose_classes_reals_do_not_teach_either_cannot_judge():
    """OASIS at 128x128: 24 people, on whom a classifier of reals has 0.632, one of generated slices 0.664."""
    people = {"tstr.auc": 0.664, "tstr.high": 0.826, "tstr.shuffled.high": 0.679, "fidelity.auc": 0.75}
    people |= {"fidelity.real": 0.632, "fidelity.real.low": 0.42, "fidelity.real.high": 0.817}
    told = {j.aspect: j for j in verdict(REAL | people)}["class"]
    assert told.grade == UNCLEAR and "neither of them more than shuffled labels" in told.because
    told = {j.aspect: j for j in verdict(REAL | people | {"fidelity.real": 0.70})}["class"]
    assert told.grade == BAD and "0.700: no more than shuffled labels" in told.because


def test_shuffled_labels_of_few_people_say_nothing_of_a_perfect_classifier():
    """Of one person against one, or three against three, the true labels turn up among the permuted ones."""
    right = {"fidelity.auc": 1.0, "fidelity.real": 1.0, "tstr.auc": 1.0}
    perfect = {"fidelity.shuffled.high": 1.0, "tstr.shuffled.high": 1.0}
    few = without("fidelity.low", "fidelity.high", "fidelity.real.low", "fidelity.real.high", "tstr.high")
    told = {j.aspect: j for j in verdict(few | right | perfect)}["class"]
    assert told.grade == UNCLEAR and told.because.count("too few people to judge") == 2
    # Few held-out people alone: of many generated slices the shuffled labels do say something
    told = {j.aspect: j for j in verdict(without("real.low", "real.high", "tstr.high") | right | perfect)}["class"]
    assert told.grade == BAD and "no more than shuffled labels" in told.because and "trained" not in told.because


@pytest.mark.parametrize("ratio", [0.97, 0.5])
def test_a_size_of_the_disease_without_an_interval_is_not_judged(ratio):
    told = {j.aspect: j for j in verdict(without("ratio.low", "ratio.high") | {"atrophy.ratio": ratio})}["disease size"]
    assert told.grade == UNCLEAR and told.because == f"{ratio:.2f} of the real difference, people too few or unknown"


def test_few_people_cannot_say_that_nothing_is_copied():
    assert (
        grades(**{"held_out.persons": 12})["copies"] == UNCLEAR and grades(**{"held_out.persons": 20})["copies"] == GOOD
    )
    assert grades(**{"held_out.persons": 12, "copies.relative.share": 0.9})["copies"] == BAD


def test_a_kid_is_as_good_as_real_samples_within_the_chance_of_both():
    """Real samples 0 with 0.15 above; 0.1 below the number's own: 0.18 together, by Pythagoras."""
    near = {"kid.AD": 0.18, "kid.AD.low": 0.08, "kid.AD.high": 0.3}
    assert grades(**near)["realism"] == GOOD
    told = verdict(REAL | near | {"kid.AD": 0.19, "kid.AD.low": 0.09})[0]
    assert told.grade == UNCLEAR and told.because == "KID AD 0.190, real samples 0.000, as good up to 0.180"
    assert grades(**near | {"kid.AD": 0.26, "kid.AD.low": 0.16})["realism"] == BAD  # beyond 0.15 with all of its own
