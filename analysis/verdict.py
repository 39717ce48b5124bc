"""What the numbers of a report say, in five lines: realism, variety, class, disease size, copies.

Each is good, unclear or bad by a rule of intervals, baselines and controls, which stands beside it with what to do
next. Nothing is judged on a point alone where an interval can be had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from analysis.numbers import Numbers, as_good_up_to
from analysis.persons import FEWEST_OF_CLASS
from analysis.pixels import POWER

GOOD, UNCLEAR, BAD, UNKNOWN = "good", "unclear", "bad", "not measured"
ORDER = (GOOD, UNCLEAR, BAD)  # from the best

CORNERS = (1.0, 3.0)  # gray levels above the reals' corners; from 3 on a frame is seen on a dark screen
SIZE = (0.85, 1.15)  # difference of the classes' ventricles over the real one
COPIED = (0.02, 0.05)  # share of slices nearer to one person than to others, above the false alarms
PEOPLE = 20  # held-out ones, of fewer of which the false alarms are not known
TOO_FEW = "too few people to judge"
FOUND = 0.9  # of planted copies: below, the check sees too little to call anything good


class Finding(NamedTuple):
    grade: str
    words: str


KINDS = {GOOD: "good", UNCLEAR: "unclear", BAD: "bad", UNKNOWN: "open"}  # what a grade is on the page


@dataclass(frozen=True)
class Judgement:
    """One line of the verdict."""

    aspect: str
    grade: str
    because: str  # the numbers that decided
    rule: str
    advice: str  # what to do next; empty where all is good

    def lines(self) -> list[str]:
        """As a terminal shows it: what it is and why; under it what to do next."""
        return [f"{self.aspect:14}{self.grade:14}{self.because}"] + [f"{'':28}{self.advice}"] * bool(self.advice)


@dataclass(frozen=True)
class Aspect:
    """A question, how its numbers are read, its rule in words, and what helps where the answer is not good."""

    name: str
    read: Callable[[Numbers], Iterable[Finding]]
    rule: str
    missing: str
    advice: str

    def judge(self, numbers: Numbers) -> Judgement:
        """The worst finding decides, and is told."""
        findings = list(self.read(numbers))
        if not findings:
            return Judgement(self.name, UNKNOWN, self.missing, self.rule, "")
        grade = max((finding.grade for finding in findings), key=ORDER.index)
        because = ", ".join(finding.words for finding in findings if finding.grade == grade)
        return Judgement(self.name, grade, because, self.rule, self.advice if grade != GOOD else "")


def verdict(numbers: Numbers) -> list[Judgement]:
    """The five lines, in their order. What a report did not measure is said to be so."""
    return [aspect.judge(numbers) for aspect in ASPECTS]


def caveats(numbers: Numbers) -> list[str]:
    """What the verdict cannot say of these data, in sentences."""
    if numbers.get("held_out.persons", 0) is not None:
        return []
    return [
        "People are unknown, so every slice counts as a person. The verdict's intervals are then too narrow, and it "
        "cannot say whether slices are likenesses of few people"
    ]


# ---------------------------------------------------------------- how numbers are read


def _realism(numbers: Numbers) -> Iterable[Finding]:
    """Without a KID nothing is good: dark corners and a level spectrum alone make nothing real."""
    distance = any(_measured(numbers, f"kid.{name}") for name in numbers["class_names"])
    seen = [finding for finding in _seen(numbers) if distance or finding.grade != GOOD]
    return [*seen, *_not_measured(numbers, "kid", "KID")]


def _not_measured(numbers: Numbers, key: str, words: str) -> Iterable[Finding]:
    """The classes that lack a number which others have: what was not measured is not good."""
    lacking = [name for name in numbers["class_names"] if not _measured(numbers, f"{key}.{name}")]
    if 0 < len(lacking) < len(numbers["class_names"]):
        yield Finding(UNCLEAR, f"{words} {' and '.join(lacking)} not measured, too few people")


def _measured(numbers: Numbers, key: str) -> bool:
    """Is there the number, and what two real samples have? With too few people either may be missing."""
    return key in numbers and f"{key}.baseline" in numbers


def _seen(numbers: Numbers) -> Iterable[Finding]:
    for name in numbers["class_names"]:
        key = f"kid.{name}"
        if _measured(numbers, key):
            yield _distance(numbers, key, f"KID {name}")
        for key in (f"spectrum.{name}.weakest", f"spectrum.{name}.strongest"):
            if key in numbers:
                power, cycles = numbers[key], [numbers[f"{key}.{end}"] for end in ("from", "to")]
                grade, real = (_power(value) for value in (power, numbers.get(f"{key}.baseline", 1.0)))
                grade = UNCLEAR if grade == BAD == real else grade  # with few people two real samples differ as much
                at = f"{cycles[0]} to {cycles[1]}" if cycles[0] < cycles[1] else f"{cycles[0]}"
                yield Finding(grade, f"{name} power at {at} cycles per image {power:.2f} of the reals'")
    if "corners" in numbers:
        above = numbers["corners"] - numbers["corners.real"]
        grade = GOOD if above <= CORNERS[0] else UNCLEAR if above <= CORNERS[1] else BAD
        yield Finding(grade, f"corners {above:.1f} gray levels above the reals'")


def _distance(numbers: Numbers, key: str, words: str) -> Finding:
    """A distance beside that of two real samples. With too few people for intervals it is never good."""
    value, baseline = numbers[key], numbers[f"{key}.baseline"]
    top = numbers.get(f"{key}.baseline.high")
    if top is None or f"{key}.low" not in numbers:
        noise = numbers.get(f"{key}.untrained")
        bad = noise is not None and value > (baseline + noise) / 2
        return Finding(BAD if bad else UNCLEAR, f"{words} {value:.3f} beside {baseline:.3f}, {TOO_FEW}")
    low = numbers[f"{key}.low"]
    limit = as_good_up_to(value, low, baseline, top)
    grade = GOOD if value <= limit else BAD if low > top else UNCLEAR
    return Finding(grade, f"{words} {value:.3f}, real samples {baseline:.3f}, as good up to {limit:.3f}")


def _variety(numbers: Numbers) -> Iterable[Finding]:
    for key in ("coverage", "recall"):
        for name in numbers["class_names"]:
            if _measured(numbers, f"{key}.{name}"):
                yield _share(numbers, f"{key}.{name}", f"{key} {name}")
        yield from _not_measured(numbers, key, key)


def _share(numbers: Numbers, key: str, words: str) -> Finding:
    """A share, of which more is better, beside that of two real samples."""
    value, baseline = numbers[key], numbers[f"{key}.baseline"]
    least = numbers.get(f"{key}.baseline.low")
    if least is None or f"{key}.high" not in numbers:
        bad = value < baseline / 2
        return Finding(BAD if bad else UNCLEAR, f"{words} {value:.3f} of {baseline:.3f}, {TOO_FEW}")
    grade = GOOD if value >= least else BAD if numbers[f"{key}.high"] < least else UNCLEAR
    return Finding(grade, f"{words} {value:.3f}, real samples from {least:.3f}")


def _class(numbers: Numbers) -> Iterable[Finding]:
    """With too few people of a class for intervals nothing is good or bad: their true labels are among the permuted."""
    if "fidelity.auc" not in numbers:
        return
    auc, real = numbers["fidelity.auc"], numbers["fidelity.real"]
    words = f"AUC {auc:.3f}, real people {real:.3f}"
    low, high = (numbers.get(f"fidelity.real.{end}") for end in ("low", "high"))
    if "fidelity.high" in numbers and auc <= numbers["fidelity.shuffled.high"]:
        yield Finding(BAD, f"{words}, no more than shuffled labels")
    elif low is None or high is None or "fidelity.high" not in numbers:
        yield Finding(UNCLEAR, f"{words}, {TOO_FEW}")
    elif numbers["fidelity.high"] < low:
        yield Finding(BAD, words)
    elif auc > high:
        yield Finding(UNCLEAR, f"{words}: clearer cases than people are")
    else:
        yield Finding(GOOD if auc >= low else UNCLEAR, words)
    student = f"a classifier trained on them {numbers['tstr.auc']:.3f}, on reals {real:.3f}"
    if "tstr.high" not in numbers:
        yield Finding(UNCLEAR, f"{student}, {TOO_FEW}")
    elif numbers["tstr.auc"] <= numbers["tstr.shuffled.high"]:
        # The same people are asked: where real slices do not teach their classes either, they cannot judge this.
        nor_reals = real <= numbers["tstr.shuffled.high"]
        no_more = "neither of them more than shuffled labels" if nor_reals else "no more than shuffled labels"
        yield Finding(UNCLEAR if nor_reals else BAD, f"{student}: {no_more}")
    else:
        yield Finding(GOOD if numbers["tstr.high"] >= real else UNCLEAR, student)


def _disease(numbers: Numbers) -> Iterable[Finding]:
    if "atrophy.ratio" not in numbers:
        return
    ratio, words = numbers["atrophy.ratio"], f"{numbers['atrophy.ratio']:.2f} of the real difference"
    low, high = (numbers.get(f"atrophy.ratio.{end}") for end in ("low", "high"))
    if low is None or high is None:
        yield Finding(UNCLEAR, f"{words}, people too few or unknown")
    else:
        outside = high < SIZE[0] or low > SIZE[1]
        grade = BAD if outside else GOOD if SIZE[0] <= ratio <= SIZE[1] else UNCLEAR
        yield Finding(grade, f"{words} ({low:.2f} to {high:.2f})")


def _copies(numbers: Numbers) -> Iterable[Finding]:
    if "copies.share" not in numbers:
        return
    above = numbers["copies.relative.share"] - numbers["copies.relative.false_alarms"]
    share, alarms = numbers["copies.share"], numbers["copies.false_alarms"]
    words = f"{numbers['copies.relative.share']:.1%} of the slices nearer to one person than to others"
    people = numbers.get("held_out.persons")
    if people is not None and people < PEOPLE:
        yield Finding(UNCLEAR, f"{people} held-out people, whose false alarms say too little")
    yield Finding(
        GOOD if above <= COPIED[0] else UNCLEAR if above <= COPIED[1] else BAD,
        f"{words}, of held-out people's {numbers['copies.relative.false_alarms']:.1%}",
    )
    if share > 0.5:
        yield Finding(BAD, f"{share:.0%} as near as copies are, of held-out people's {alarms:.1%}")
    if numbers["copies.found"] < FOUND:
        yield Finding(UNCLEAR, f"the check finds {numbers['copies.found']:.0%} of planted copies only")


def _power(value: float) -> str:
    return _within(value, POWER, (POWER[0] ** 2, POWER[1] ** 2))


def _within(value: float, good: tuple[float, float], endurable: tuple[float, float]) -> str:
    if good[0] <= value <= good[1]:
        return GOOD
    return UNCLEAR if endurable[0] <= value <= endurable[1] else BAD


ASPECTS = (
    Aspect(
        "realism",
        _realism,
        "good: KID of each class above that of two real samples by no more than chance (the 95 % of both together), "
        f"power in every half octave of the spectrum {POWER[0]:g} to {POWER[1]:g} of the reals', corners at most "
        f"{CORNERS[0]:g} gray level above theirs. Bad: KID's own 95 % beyond those of real samples, the power beyond "
        f"{POWER[0] ** 2:.2f} to {POWER[1] ** 2:.2f} (unless that of training reals is too, in the same half octave), "
        f"corners more than {CORNERS[1]:g} above",
        "the section similarity was not made, or has too few people",
        "Train longer (schedule.hold_kimg of the last size), and look at the samples of each size: the fault is as old "
        "as the first size that shows it",
    ),
    Aspect(
        "variety",
        _variety,
        "good: coverage and recall of each class at least at the lower end of the 95 % of two real samples. Bad: their "
        "own interval below it",
        "the section similarity was not made",
        "Train longer (schedule.hold_kimg of the last size) while recall rises; with few people try augment.name=ada "
        "or --init",
    ),
    Aspect(
        "class",
        _class,
        "good: label fidelity within the 95 % of held-out real people, and a classifier trained on generated slices "
        "as good as one trained on reals within its interval. Bad: below both intervals or, with "
        f"{FEWEST_OF_CLASS} people or more of a class, not above shuffled labels, where one trained on reals is",
        "there is one class, or the section fidelity was not made",
        "Compare the same z in both classes (section same_brain) before the label is trusted",
    ),
    Aspect(
        "disease size",
        _disease,
        f"good: the classes' difference in ventricles {SIZE[0]:g} to {SIZE[1]:g} of the real one, with an "
        "interval over people. Bad: the interval lies outside",
        "only phantoms have ventricles of known size",
        "Train longer at the last size (schedule.hold_kimg); do not measure a disease's size on these slices",
    ),
    Aspect(
        "copies",
        _copies,
        f"good: at most {COPIED[0]:.0%} more slices than of held-out people lie nearer to one training person than to "
        f"others, planted copies are found ({FOUND:.0%}), and there are {PEOPLE} held-out people. Bad: more than "
        f"{COPIED[1]:.0%}, or half of all slices as near as copies",
        "the section copies was not made",
        "Look at the closest pairs before a slice leaves the lab; more people or augment.name=ada copy less",
    ),
)
