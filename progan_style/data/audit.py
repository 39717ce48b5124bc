"""Is a data folder fit for honest numbers? Persons and copies on both sides of a split, confounds, broken slices.

Two kinds of evidence, kept apart: what the manifest (or the file names) say, and what the pixels show. Pixels find
copies, also altered ones, and neighbouring slices of a person; slices of one person that lie far apart look like two
persons', so pixels alone never prove a folder clean.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from progan_style.data import likeness
from progan_style.data.folder import some
from progan_style.data.pool import cores
from progan_style.data.slices import SliceSet, in_splits, open_slices, unreadable
from progan_style.files import write_whole

LISTED = 2000  # pairs in audit.json; all are counted
BLANK = 0.02  # share of bright pixels below which a slice is blank
FLAT = 0.45  # share of the head's width (or height) that a straight edge needs, for a slice that was cropped off
UNEVEN = 1.5  # one class has this many times the persons of another
EFFECT, CHANCE = 0.3, 0.01  # a group difference: standardised, and the probability of it by chance


@dataclass(frozen=True)
class Near:
    """Two slices in different splits that show one person."""

    first: str
    second: str
    likeness: float
    kind: str  # "identical", "copy", "person"


@dataclass(frozen=True)
class Confound:
    """What differs between two classes besides the disease."""

    what: str
    classes: tuple[str, str]
    values: tuple[float, float]  # means; for sex the share of the first sex
    effect: float  # difference in standard deviations; for sex the difference of the shares
    chance: float | None  # probability of such a difference by chance; None where slices are no independent draws
    flagged: bool


@dataclass
class Audit:
    """Everything that was found; audit.json is this."""

    folder: str
    slices: dict[str, dict[str, int]]  # split -> class -> number
    persons: dict[str, dict[str, int]]  # likewise; empty if unknown
    persons_are: str
    persons_crossing: dict[str, list[str]] = field(default_factory=dict)  # "train/test" -> ids
    pairs_found: dict[str, int] = field(default_factory=dict)  # kind -> pairs across splits
    slices_found: int = 0  # slices of held-out parts with a pair in another split
    pairs: list[Near] = field(default_factory=list)  # the most alike LISTED ones
    identical_within: int = 0  # slices whose pixels another slice of the same split has too
    threshold: float = likeness.PERSON
    strangers: int = 0
    strangers_above: int = 0
    most_alike_strangers: float | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    blank: list[str] = field(default_factory=list)
    cropped: list[str] = field(default_factory=list)
    imbalance: float = 1.0  # largest class / smallest, in persons (slices where persons are unknown)
    confounds: list[Confound] = field(default_factory=list)

    @property
    def crosses(self) -> bool:
        """Whether a person or a copy stands on both sides of a split."""
        return bool(self.persons_crossing or self.pairs_found)

    def lines(self) -> list[str]:
        """What a person has to know, line by line."""
        total = sum(sum(of.values()) for of in self.slices.values())
        splits = ", ".join(f"{split} {sum(of.values())}" for split, of in self.slices.items())
        lines = [f"audit     {self.folder}: {total} slices ({splits})", f"persons   {self.persons_are}"]
        for where, ids in self.persons_crossing.items():
            lines.append(f"CROSSING  {len(ids)} persons stand in both of {where}: {some(ids)}")
        names = {"identical": "identical", "copy": "copies, altered or not", "person": "of one person"}
        for kind, count in self.pairs_found.items():
            lines.append(f"CROSSING  {count} pairs of slices across splits are {names[kind]}, by their pixels")
        if self.slices_found:
            lines.append(f"          {self.slices_found} slices outside train have such a pair")
        if self.pairs:
            first = self.pairs[0]
            lines.append(f"          the most alike: {first.first} and {first.second} ({first.likeness:.2f})")
        if self.strangers:
            lines.append(
                f"pixels    threshold {self.threshold:.3f}; {self.strangers_above} of {self.strangers} pairs of slices "
                f"said to be of different persons lie above, the most alike below {self.most_alike_strangers:.3f}"
            )
        else:
            lines.append(f"pixels    threshold {self.threshold:.3f}")
        if self.identical_within:
            lines.append(f"note      {self.identical_within} slices stand twice within their split, pixel by pixel")
        for name, files in (("unreadable", list(self.unreadable)), ("blank", self.blank), ("cropped", self.cropped)):
            if files:
                lines.append(f"{name:9} {len(files)} slices: {some(files)}")
        if self.imbalance >= UNEVEN:
            lines.append(f"classes   one has {self.imbalance:.1f} times the other's persons or slices")
        for c in self.confounds:
            chance = "" if c.chance is None else f", p = {c.chance:.2g}"
            numbers = (
                f"{c.classes[0]} {c.values[0]:.2f}, {c.classes[1]} {c.values[1]:.2f}; effect {c.effect:+.2f}{chance}"
            )
            lines.append(f"{'CONFOUND' if c.flagged else 'balance':9} {c.what}: {numbers}")
        lines.append(
            "result    " + ("a person or a copy crosses a split" if self.crosses else "nothing crosses a split")
        )
        return lines


def audit_folder(
    folder: str | os.PathLike[str],
    to: str | os.PathLike[str] | None = None,
    *,
    aliases: Sequence[str] = (),
    workers: int | None = None,
) -> Audit:
    """A data folder -> Audit; audit.json and audit.html in `to`, if it is named.

    Raises FileNotFoundError or ValueError, one line, if it is no data folder or if `to` holds something else.
    """
    to = Path(to) if to is not None else None
    if to is not None and to.exists() and not _own(to):
        raise ValueError(f"{to}: holds something else than an audit; name another folder with --to")
    found = open_slices(folder, aliases)
    workers = workers or cores()
    bad = unreadable(found)
    keep = [i for i, item in enumerate(found.slices) if item.path not in bad]
    if not keep:
        raise ValueError(f"{folder}: none of the {len(found.slices)} slices can be read")
    found.slices, found.subjects = [found.slices[i] for i in keep], found.subjects[keep]
    result = Audit(
        str(folder),
        _count(found, lambda indices: len(indices)),
        _count(found, lambda indices: len(set(found.subjects[indices]))) if found.known else {},
        f"{len(set(found.subjects))} {found.subjects_are}: {found.why}" if found.known else f"unknown: {found.why}",
        persons_crossing=crossing_persons(found),
        unreadable=bad,
    )
    _look_at_pixels(result, found, workers)
    sizes = _sizes(result)
    result.imbalance = max(sizes) / min(sizes)
    if to is not None:
        from progan_style.data.audit_page import page

        write_whole(
            to / "audit.json", (json.dumps(asdict(result) | {"crosses": result.crosses}, indent=1) + "\n").encode()
        )
        write_whole(to / "audit.html", page(result, found.root).encode())
    return result


def _own(to: Path) -> bool:
    """Whether a folder is empty or holds an audit and nothing else."""
    return to.is_dir() and {entry.name for entry in to.iterdir()} <= {"audit.json", "audit.html"}


def _count(found: SliceSet, of: Any) -> dict[str, dict[str, int]]:
    labels = np.array([item.label for item in found.slices])
    return {
        split: {name: of(rows) for k, name in enumerate(found.class_names) if len(rows := here[labels[here] == k])}
        for split, here in in_splits(found).items()
    }


def _sizes(result: Audit) -> list[int]:
    """Persons of each class, slices where they are unknown."""
    sizes: Counter[str] = Counter()
    for of in (result.persons or result.slices).values():
        sizes.update(of)
    return list(sizes.values())


def crossing_persons(found: SliceSet) -> dict[str, list[str]]:
    """ "train/test" -> persons (or groups of file names) that stand in both. Empty if unknown."""
    if not found.known:
        return {}
    sets = {name: set(found.subjects[indices].tolist()) for name, indices in in_splits(found).items()}
    both = {f"{a}/{b}": sorted(sets[a] & sets[b]) for a, b in combinations(sets, 2)}
    return {where: ids for where, ids in both.items() if ids}


def _look_at_pixels(result: Audit, found: SliceSet, workers: int) -> None:
    """Everything that needs the pictures: pairs, broken slices, intensities."""
    smalls = likeness.read_all([found.path(i) for i in range(len(found.slices))], workers)
    digests = [bytes(digest) for digest in _digests(found, workers)]
    result.blank = [s.path for s, small in zip(found.slices, smalls, strict=True) if is_blank(small)]
    blank = set(result.blank)
    result.cropped = [
        s.path for s, small in zip(found.slices, smalls, strict=True) if s.path not in blank and is_cropped(small)
    ]
    here = np.array([item.path not in blank for item in found.slices])
    parts = {name: indices[here[indices]] for name, indices in in_splits(found).items()}
    parts = {name: indices for name, indices in parts.items() if len(indices)}
    for indices in parts.values():
        counts = Counter(digests[i] for i in indices)
        result.identical_within += sum(n for n in counts.values() if n > 1)
    _find_pairs(result, found, smalls, digests, parts, workers)
    result.confounds = confounds(found, smalls.mean(axis=(1, 2)))


def _find_pairs(
    result: Audit, found: SliceSet, smalls: Any, digests: list[bytes], parts: dict[str, np.ndarray], workers: int
) -> None:
    kinds: Counter[str] = Counter()
    every: list[tuple[float, Near]] = []
    held_out: set[int] = set()
    for a, b in combinations(parts, 2):
        fewer, more = sorted((parts[a], parts[b]), key=len)  # the smaller part is turned
        persons = (found.subjects[fewer], found.subjects[more]) if found.known else None
        pairs = likeness.find_pairs(smalls[fewer], smalls[more], persons, workers)
        result.threshold = max(result.threshold, pairs.threshold)
        result.strangers += pairs.strangers
        result.strangers_above += pairs.strangers_above
        if pairs.strangers:
            result.most_alike_strangers = max(result.most_alike_strangers or -1.0, pairs.most_alike_strangers)
        for i, j, value in pairs.pairs:
            first, second = sorted((int(fewer[i]), int(more[j])), key=lambda k: found.slices[k].path)
            kind = "identical" if digests[first] == digests[second] else "copy" if value >= likeness.COPY else "person"
            kinds[kind] += 1
            held_out |= {k for k in (first, second) if found.slices[k].split != "train"}
            every.append((value, Near(found.slices[first].path, found.slices[second].path, round(value, 4), kind)))
    every.sort(key=lambda pair: (pair[1].kind != "identical", -pair[0], pair[1].first, pair[1].second))
    result.pairs = [near for _, near in every[:LISTED]]
    result.pairs_found = {kind: kinds[kind] for kind in ("identical", "copy", "person") if kinds[kind]}
    result.slices_found = len(held_out)


def _digests(found: SliceSet, workers: int) -> list[bytes]:
    """A hash of each picture's pixels and shape."""
    import hashlib
    from concurrent.futures import ThreadPoolExecutor

    from progan_style.data.packing import read_gray

    def digest(index: int) -> bytes:
        values = read_gray(str(found.path(index)))
        return hashlib.sha256(repr((values.shape, values.dtype)).encode() + values.tobytes()).digest()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(digest, range(len(found.slices))))


def bright(small: Any) -> Any:
    """Where the head is, [R, R] bool: a tenth of the way to the bright end."""
    return small > max(8.0, 0.1 * float(np.percentile(small, 98)))


def is_blank(small: Any) -> bool:
    """Whether a picture shows next to nothing."""
    return bool(bright(small).mean() < BLANK)


def is_cropped(small: Any) -> bool:
    """Whether the head ends in a straight edge, as at the border of a picture or of a volume; heads are round."""
    inside = bright(small)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    box = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return bool(max(edge.mean() for edge in (box[0], box[-1], box[:, 0], box[:, -1])) > FLAT)


# ------------------------------------------------------------------------------------------------------- confounds


def confounds(found: SliceSet, intensity: Any) -> list[Confound]:
    """Differences of age, sex and mean intensity between the classes, persons counting once where they are known."""
    rows: dict[tuple[int, str], list[int]] = defaultdict(list)
    for i, item in enumerate(found.slices):
        rows[item.label, str(found.subjects[i]) if found.known else str(i)].append(i)
    result = []
    for a, b in combinations(range(len(found.class_names)), 2):
        names = (found.class_names[a], found.class_names[b])
        groups = [[mine for (label, _), mine in rows.items() if label == k] for k in (a, b)]
        if min(map(len, groups)) < 2:
            continue
        means = [np.array([float(np.mean(intensity[mine])) for mine in group]) for group in groups]
        result.append(_difference("mean intensity", names, means[0], means[1], found.known))
        ages = [[_number(found.slices[mine[0]].extra.get("age", "")) for mine in group] for group in groups]
        known = [np.array([age for age in group if age is not None]) for group in ages]
        if min(map(len, known)) > 1:
            result.append(_difference("age", names, known[0], known[1], found.known))
        sexes = [[s for mine in group if (s := found.slices[mine[0]].extra.get("sex", ""))] for group in groups]
        if all(sexes) and len(set(sexes[0] + sexes[1])) > 1:
            result.append(_sexes(names, sexes[0], sexes[1], found.known))
    return result


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _difference(what: str, names: tuple[str, str], first: Any, second: Any, independent: bool) -> Confound:
    """Cohen's d, and Welch's test where the draws are independent."""
    from scipy import stats

    spread = float(np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2))
    effect = float(first.mean() - second.mean()) / spread if spread else 0.0
    chance = float(stats.ttest_ind(first, second, equal_var=False).pvalue) if independent and spread else None
    flagged = abs(effect) >= EFFECT and (chance is None or chance < CHANCE)
    return Confound(what, names, (float(first.mean()), float(second.mean())), effect, chance, flagged)


def _sexes(names: tuple[str, str], first: list[str], second: list[str], independent: bool) -> Confound:
    """Share of one sex in both classes, and Fisher's test where the draws are independent."""
    from scipy import stats

    one = sorted(set(first + second))[0]
    counts = [[group.count(one), len(group) - group.count(one)] for group in (first, second)]
    shares = (counts[0][0] / len(first), counts[1][0] / len(second))
    chance = float(stats.fisher_exact(counts)[1]) if independent else None
    effect = shares[0] - shares[1]
    flagged = abs(effect) >= EFFECT / 2 and (chance is None or chance < CHANCE)
    return Confound(f"share of sex {one}", names, shares, effect, chance, flagged)
