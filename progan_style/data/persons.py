"""Whose a scan or a slice is: read from its name, stated by a pattern of names, or by a manifest.

A person is stated (by a manifest or a sheet, or by a pattern of names) or guessed from file names. A guess keeps that
name wherever it is written, until somebody states it: in a manifest it stands in a column of its own.

Names that are known: BIDS entities (sub-01, ses-M00), ADNI (123_S_4567, image I12345), OASIS (OAS1_0001_MR1,
OAS2_0001_MR2, OAS30001_MR_d0129).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from progan_style.data.folder import UNLABELLED, Slice, plain, some
from progan_style.data.manifest import MANIFEST
from progan_style.described import is_missing

STATED, GUESSED, UNKNOWN = "persons", "persons guessed from file names", "unknown"
IN_PART = "persons, as named or guessed (others are unknown),"  # see named_in_part
GUESSED_SUBJECT = "guessed_subject"  # column of a manifest; "subject" is for what was stated
FEWEST_GROUPS = 10  # per class; fewer groups of file names are numbering, not persons
# What a file name may begin with that names patients as a kind, not one of them: mild_10.jpg, non_12.jpg
# fmt: off
CLASS_WORDS = frozenset([
    "ad", "cn", "nc", "hc", "mci", "emci", "lmci", "smci", "pmci", "mild", "moderate", "severe", "very", "verymild",
    "non", "none", "demented", "nondemented", "verymilddemented", "milddemented", "moderatedemented", "dementia",
    "normal", "cognitivelynormal", "control", "healthy", "patient", "alzheimer", "alzheimers", "train", "training",
    "validate", "validation", "val", "test", "image", "img", "slice", "scan", "mri", "brain",
])
# fmt: on


@dataclass(frozen=True)
class Person:
    """What is known about one scan's person and visit; "" is not known."""

    subject: str = ""
    session: str = ""
    image: str = ""
    date: str = ""  # of the scan or the visit, YYYY-MM-DD


def persons_in(path: str) -> list[Person]:
    """Everybody whom a path names by BIDS, ADNI or OASIS, the last word on each first."""
    session = _last(r"(?:^|[/_])ses-([A-Za-z0-9]+)", path)
    found = [Person(name, session) for name in re.findall(r"(?:^|[/_])sub-([A-Za-z0-9]+)", path)]
    if not found:
        image = _last(r"(?<![A-Za-z0-9])(I\d{3,9})(?!\d)", path)
        adni = re.findall(r"(?<!\d)(\d{3})[_-]([Ss])[_-](\d{4,5})(?!\d)", path)
        found = [Person("_".join(parts).upper(), "", image) for parts in adni]
    if not found:
        session = _last(r"(?i:OAS[12]_\d{4}_(MR\d+))", path).upper()
        found = [Person(name.upper(), session) for name in re.findall(r"(?i:OAS[12]_\d{4})", path)]
    if not found:
        session = _last(r"(?i:OAS3\d{4}[^/]*?_(d\d{4}))", path)
        found = [Person(name.upper(), session) for name in re.findall(r"(?i:OAS3\d{4})", path)]
    return list(dict.fromkeys(reversed(found)))


def _last(pattern: str, path: str) -> str:
    found = re.findall(pattern, path)
    return str(found[-1]) if found else ""


def from_path(path: str) -> Person:
    """Subject, session and image id that a path names by BIDS, ADNI or OASIS, and its date; "" where it does not."""
    return replace(next(iter(persons_in(path)), Person()), date=_last(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)", path))


class Names:
    """A pattern that states where paths name their person: '{subject}_{session}_*', '{subject}/*/*'.

    * is any text within one part of a path. The pattern is held against the end of the path.
    """

    def __init__(self, text: str) -> None:
        words = re.split(r"(\{subject\}|\{session\}|\*)", text)
        if words.count("{subject}") != 1 or words.count("{session}") > 1 or re.search(r"[{}]", "".join(words[::2])):
            raise ValueError(f"--names: expected a pattern such as '{{subject}}_*' or '{{subject}}/*/*', got '{text}'")
        known = {"{subject}": r"(?P<subject>[^/]+?)", "{session}": r"(?P<session>[^/]+?)", "*": "[^/]*"}
        self.text = text
        self.pattern = re.compile("(?:.*/)?" + "".join(known.get(word) or re.escape(word) for word in words))

    def __call__(self, path: str) -> Person:
        found = self.pattern.fullmatch(path)
        if not found:
            raise ValueError(f"--names '{self.text}': {path} is not of this form; change the pattern, or the name")
        read = from_path(path)
        return replace(read, subject=found["subject"], session=found.groupdict().get("session") or read.session)


def crossing(ids: np.ndarray, splits: Mapping[str, np.ndarray]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Who has slices on both sides of a split: ids [M], split -> its rows -> ("train", "test") -> ids. "" is nobody."""
    sets = {name: set(ids[rows].tolist()) - {""} for name, rows in splits.items()}
    both = {(a, b): tuple(sorted(sets[a] & sets[b])) for a, b in combinations(sets, 2)}
    return {where: who for where, who in both.items() if who}


def named_in_part(slices: Sequence[Slice]) -> np.ndarray:
    """Ids [M] by the manifest's columns, else by BIDS, ADNI or OASIS in a path; "" where neither names anybody.

    subjects_of has none where a single one is missing. Whoever crosses a split is told all the same.
    """
    ids = (item.subject or _guess(item) or from_path(item.path).subject for item in slices)
    return np.array(list(ids), dtype=np.str_)


def _guess(item: Slice) -> str:
    """Whose the manifest guesses a slice to be, "" where it says nothing."""
    cell = item.extra.get(GUESSED_SUBJECT, "")
    return "" if is_missing(cell) else cell


def subjects_of(
    slices: Sequence[Slice],
    has_subjects: bool,
    subject_column: str,
    class_names: Sequence[str],
    words: Iterable[str],
) -> tuple[np.ndarray, str, str]:
    """Persons of the slices -> ids [M], all "" when unknown; STATED, GUESSED or UNKNOWN; why.

    A manifest states persons, so it is believed however few they are; its column guessed_subject, and file names, only
    suggest them. `words`: names and aliases of classes, which name no person.
    """
    mixed = subject_column == "subject"  # a column of the user's own may call the same person otherwise
    guesses = [_guess(item) if mixed else "" for item in slices]
    if not has_subjects and not any(guesses):
        return _from_names(slices, class_names, words)
    ids = [item.subject or guess for item, guess in zip(slices, guesses, strict=True)]
    guessed = sum(not item.subject for item in slices)
    if without := ids.count(""):
        why = f"column {subject_column} of {MANIFEST} is empty for {without} of {len(ids)} images"
        return _nobody(len(ids), why)
    if not guessed:
        return np.array(ids), STATED, f"column {subject_column} of {MANIFEST}"
    part = f" for {guessed} of {len(ids)} images" if guessed < len(ids) else ""
    return np.array(ids), GUESSED, f"column {GUESSED_SUBJECT} of {MANIFEST}{part}"


def _nobody(count: int, why: str) -> tuple[np.ndarray, str, str]:
    return np.full(count, "", dtype=np.str_), UNKNOWN, why


def _from_names(
    slices: Sequence[Slice], class_names: Sequence[str], words: Iterable[str]
) -> tuple[np.ndarray, str, str]:
    """Ids that are known, else what stands before the last _: fewer than ten such groups in a class, or groups that
    are words for a class, are no persons."""
    ids = [from_path(item.path).subject for item in slices]
    if all(ids):
        return np.array(ids), GUESSED, "the ids that BIDS, ADNI or OASIS write into file names"
    names = [item.path.rpartition("/")[2].rpartition(".")[0] for item in slices]
    ids = [known or name.rpartition("_")[0] for known, name in zip(ids, names, strict=True)]
    class_words = CLASS_WORDS | {plain(word).replace(" ", "") for word in words}
    if found := sorted({name for name in set(ids) if plain(name).replace(" ", "") in class_words}):
        return _nobody(len(ids), f"the file names begin with words for a class ({some(found)}), not with persons")
    if without := ids.count(""):
        return _nobody(len(ids), f"{without} of {len(ids)} file names have no id before a last _")
    of_class: dict[int, set[str]] = {label: set() for label in range(len(class_names))}
    for item, name in zip(slices, ids, strict=True):
        of_class.setdefault(item.label, set()).add(name)
    fewest, label = min((len(groups), label) for label, groups in of_class.items())
    if fewest < FEWEST_GROUPS:
        whose = f"class {class_names[label]}" if label >= 0 else UNLABELLED
        why = f"{whose} has {fewest} groups of file names (id before the last _), fewer than 10"
        return _nobody(len(ids), why)
    why = "what stands before their last _; that is a scan, if a person was scanned more than once"
    return np.array(ids), GUESSED, why
