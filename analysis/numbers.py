"""The numbers of metrics.json, each declared once: its key, its words, what it is read beside, and its meaning.

From the declarations come the page's table, the printed summary, the tables of docs/analysis.md, and the check that a
report made what was declared and nothing else. A word in angle brackets stands for what differs: "kid.<CLASS>".
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Numbers = dict[str, Any]
Made = dict[str, str]  # what stands in the places of a key: {"CLASS": "AD"}

# What may stand in the place of a word in angle brackets; of <CLASS> every class is expected, of the others some.
PLACES = {
    "SECTION": r"\w+",
    "STYLES": r"\d+",
    "PSI": r"\d\.\d",
    "SOURCE": r"[a-z][a-z0-9_-]*",
    "NUMBER": r"[^.]+",  # names of columns
    "CATEGORY": r"[^.]+",
    "CONDITION": r"[^.]+",
    "ROW": r"\d+(?:\.own|\.unproven)?",
}

# Why a number may not be there; each goes on from "left out ..."
FEW = "with fewer than 20 people on a side"
FEW_OF_CLASS = "with fewer than 6 people of a class"
NO_GENERATOR = "with two folders, which have no generator"
UNKNOWN = "where the people are unknown"

AS_GOOD = (".low", ".baseline", ".baseline.high")  # what as_good_up_to takes, after a distance
INTERVAL = {".low": FEW, ".high": FEW}
BASELINE = {".baseline": "", ".baseline.low": FEW, ".baseline.high": FEW}


class DeclarationError(Exception):
    """A number is undeclared, declared twice, or declared and not made: a fault of the program, not of the data."""


@dataclass(frozen=True)
class Number:
    """One number, or a number of each class.

    words: its name in summary and page; a number without words stands in the folded tables and metrics.json only.
    beside: what it is read beside, with keys in braces; one that begins with a point goes on from this number's own.
    also: endings of the key with the same meaning (an interval, a baseline) -> why that one may be left out, or "".
    unless: why the number itself may be left out. within: the keys of the ends of its range; outside it is marked.
    distance: less is better, and it is marked above what is as good as the distance of two real samples.
    """

    key: str
    words: str = ""
    meaning: str = ""
    beside: Sequence[str] = ()
    also: Mapping[str, str] = field(default_factory=dict)
    unless: str = ""
    within: tuple[str, str] | None = None
    distance: bool = False

    def reasons(self) -> dict[str, str]:
        """Every key that is declared here -> why it may be left out."""
        return {self.key: self.unless} | {self.key + ending: why for ending, why in self.also.items()}

    def references(self) -> set[str]:
        """The keys that it is read beside."""
        return {self.full(key) for text in self.beside for key in _braced(text)} | set(self.range())

    def range(self) -> tuple[str, ...]:
        """The keys that say what range it should lie in: the ends, by default the baseline's; of a distance AS_GOOD."""
        if self.within is not None:
            return self.within
        ends = AS_GOOD if self.distance else (".baseline.low", ".baseline.high")
        return tuple(self.key + end for end in ends) if set(ends) <= self.also.keys() else ()

    def full(self, key: str) -> str:
        return self.key + key if key.startswith(".") else key


@dataclass(frozen=True)
class Line:
    """A number as it is shown: "KID AD", its value, what it is read beside. mark: how it leaves its range, or none."""

    words: str
    value: str
    beside: tuple[str, ...]
    mark: str = ""

    def column(self, name: str) -> str:
        """What of it stands in a column of the page: interval, reference or control."""
        texts = [text for text in self.beside if column_of(text) == name]
        return "; ".join(text.removeprefix("95 % ") if name == "interval" else text for text in texts)


# A text that speaks of one of these is a control: of broken slices, of chance, of a constant answer
CONTROLS = ("shuffled", "untrained", "false alarms", "another latent", "largest class", "the start", "generated slices")


def column_of(text: str) -> str:
    """The column of what a number is read beside."""
    if text.startswith("95 % "):
        return "interval"
    return "control" if any(word in text for word in CONTROLS) else "reference"


# ------------------------------------------------------------------ checked


def check_declarations(declared: Mapping[str, Sequence[Number]]) -> None:
    """Raises DeclarationError for a key or words declared twice, and for a key read beside an undeclared one. By
    section."""
    owner: dict[str, str] = {}
    named: dict[str, str] = {}
    for number in (number for numbers in declared.values() for number in numbers if number.words):
        if number.words in named:  # reports side by side have a row for each of the words
            raise DeclarationError(f"{number.key} and {named[number.words]} are both called '{number.words.strip()}'")
        named[number.words] = number.key
    for section, numbers in declared.items():
        for key in [key for number in numbers for key in number.reasons()]:
            if key in owner:
                raise DeclarationError(f"{key} is declared twice: in {owner[key]} and in {section}")
            owner[key] = section
    for section, numbers in declared.items():
        for number in numbers:
            for key in sorted(number.references() - owner.keys()):
                raise DeclarationError(
                    f"{section}: {number.key} is read beside {key}, which is declared nowhere{_near(key, owner)}"
                )


def check_made(section: str, declared: Sequence[Number], made: Iterable[str], class_names: Sequence[str]) -> list[str]:
    """The lines that say which declared numbers are not there, and why.

    Raises DeclarationError for a number that is not declared, or is missing without a declared reason.
    """
    reasons = {key: why for number in declared for key, why in number.reasons().items()}
    patterns = {key: _pattern(key, class_names) for key in reasons}
    found: dict[str, set[str]] = {key: set() for key in reasons}
    for name in made:
        fits = [key for key, pattern in patterns.items() if pattern.fullmatch(name)]
        if not fits:
            raise DeclarationError(f"{section}: the number {name} is not declared{_near(name, reasons)}")
        if len(fits) > 1:
            raise DeclarationError(f"{section}: the number {name} is declared twice, as {' and as '.join(fits)}")
        found[fits[0]].add(name)
    lacking = {key: names for key in reasons if (names := _lacking(key, found[key], class_names))}
    for key, names in lacking.items():
        if not reasons[key]:
            raise DeclarationError(f"{section}: {', '.join(names)} is declared and was not made")
    return [f"{section}: {line}" for line in _left_out(declared, lacking)]


def _lacking(key: str, found: set[str], class_names: Sequence[str]) -> list[str]:
    """The names of this key that were expected and are not there."""
    if _places(key) != ["CLASS"]:
        return [] if found else [key]
    expected = [key.replace("<CLASS>", name) for name in class_names]
    return [key] if not found else [name for name in expected if name not in found]


def _left_out(declared: Sequence[Number], lacking: Mapping[str, list[str]]) -> list[str]:
    """A line for each reason and each set of endings: ".low, .high of kid.<CLASS>, recall.<CLASS> left out ..." """
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for number in declared:
        reasons = {key: _why(number, key, lacking) for key in number.reasons() if key in lacking}
        for why in dict.fromkeys(reasons.values()):
            some = [key for key, reason in reasons.items() if reason == why]
            whole = all(lacking[key] == [key] for key in some) and number.key not in some
            endings = tuple(key.removeprefix(number.key) for key in some) if whole else ()
            alike.setdefault((why, endings), []).extend(
                [number.key] if whole else [n for key in some for n in lacking[key]]
            )
    return [
        f"{', '.join(endings)} of {', '.join(keys)} left out {why}" if endings else f"{', '.join(keys)} left out {why}"
        for (why, endings), keys in alike.items()
    ]


def _why(number: Number, key: str, lacking: Mapping[str, list[str]]) -> str:
    """Why a key is left out. An ending of a number that is not there itself has the number's own reason."""
    of = {name.removesuffix(key.removeprefix(number.key)) for name in lacking[key]}
    return number.unless if of <= set(lacking.get(number.key, ())) else number.reasons()[key]


def _near(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


# ------------------------------------------------------------------ shown


def lines(declared: Iterable[Number], numbers: Numbers) -> list[Line]:
    """The numbers that have words and are there: those of each class together, then the others."""
    shown = [number for number in declared if number.words]
    per_class = [number for number in shown if _places(number.key) == ["CLASS"]]
    out = [
        line
        for name in numbers["class_names"]
        for number in per_class
        if (line := _line(number, {"CLASS": name}, numbers))
    ]
    for number in shown:
        if number not in per_class:
            out += [line for made in _found(number.key, numbers) if (line := _line(number, made, numbers))]
    return out


def _line(number: Number, made: Made, numbers: Numbers) -> Line | None:
    value = numbers.get(_filled(number.key, made))
    if value is None:
        return None
    beside = []
    for text in number.beside:
        values = {key: numbers.get(_filled(number.full(key), made)) for key in _braced(text)}
        if all(value is not None for value in values.values()):
            beside.append(re.sub(r"\{([^}]*)\}", lambda match: written(values[match[1]]), text))  # noqa: B023
    return Line(_filled(number.words, made), written(value), tuple(beside), _mark(number, made, numbers))


def _mark(number: Number, made: Made, numbers: Numbers) -> str:
    ends: list[Any] = [numbers.get(_filled(key, made)) for key in number.range()]
    value = numbers[_filled(number.key, made)]
    if not ends or any(end is None for end in ends):
        return ""
    low, high = (-math.inf, as_good_up_to(value, *ends)) if number.distance else ends
    return f"below {written(low)}" if value < low else f"above {written(high)}" if value > high else ""


def as_good_up_to(distance: float, low: float, baseline: float, top: float) -> float:
    """The distance that is as good as that of two real samples. low: of its own 95 %; top: of the baseline's.

    Both are estimates: of two equal ones the first lies above the second's own 95 % in more than 1 of 40. So the limit
    is what chance makes of their difference, by the two intervals together.
    """
    return baseline + math.hypot(top - baseline, distance - low)


def written(value: Any) -> str:
    """Counts and words as they are, all else with three decimals."""
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


# ------------------------------------------------------------------ keys


def _braced(text: str) -> list[str]:
    return re.findall(r"\{([^}]*)\}", text)


def _places(key: str) -> list[str]:
    return re.findall(r"<(\w+)>", key)


def _filled(text: str, made: Made) -> str:
    return re.sub(r"<(\w+)>", lambda match: made.get(match[1], match[0]), text)


def _pattern(key: str, class_names: Sequence[str]) -> re.Pattern[str]:
    """The names of metrics.json that a declared key stands for."""
    classes = "|".join(re.escape(name) for name in class_names)

    def place(word: str) -> str:
        return f"(?P<{word}>{PLACES.get(word, classes)})"

    pieces = re.split(r"<(\w+)>", key)
    return re.compile("".join(place(piece) if i % 2 else re.escape(piece) for i, piece in enumerate(pieces)))


def _found(key: str, numbers: Numbers) -> list[Made]:
    pattern = _pattern(key, numbers["class_names"])
    return [match.groupdict() for name in numbers if (match := pattern.fullmatch(name))]
