"""Is a data folder fit for honest numbers? Persons and copies on both sides of a split, confounds, broken slices.

Two kinds of evidence, kept apart: what the manifest (or the file names) say, and what the pixels show. Pixels find
copies, also altered ones, and neighbouring slices of a person; slices of one person that lie far apart look like two
persons', so pixels alone never prove a folder clean.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from progan_style.audit import likeness
from progan_style.audit.confounds import confounds
from progan_style.audit.findings import Audit, Near
from progan_style.audit.page import page
from progan_style.data.gray import read_gray
from progan_style.data.persons import Names, crossing, named_in_part
from progan_style.files import printable, refuse_used, write_whole
from progan_style.pool import cores
from progan_style.scans.slices import SliceSet, in_splits, open_slices, unreadable

OWN = ("audit.json", "audit.html")  # what is written
LISTED = 2000  # pairs in audit.json; all are counted
BLANK = 0.02  # share of bright pixels below which a slice is blank
FLAT = 0.45  # share of the head's width (or height) that a straight edge needs, for a slice that was cropped off


def audit_folder(
    folder: str | os.PathLike[str],
    to: str | os.PathLike[str] | None = None,
    *,
    aliases: Sequence[str] = (),
    names: str = "",
    workers: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Audit:
    """A data folder -> Audit; audit.json and audit.html in `to`, if it is named. say: takes what was found, before.

    Raises FileNotFoundError or ValueError, one line, if it is no data folder or if `to` holds something else.
    """
    to = Path(to) if to is not None else None
    if to is not None:
        refuse_used(to, OWN, "an audit", "name another folder with --to")
    found = open_slices(folder, aliases, Names(names) if names else None)
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
        found.stated,
        persons_crossing=crossing_persons(found),
        unreadable=bad,
        unused=list(found.unused),
    )
    _look_at_pixels(result, found, workers)
    sizes = _sizes(result)
    result.imbalance = max(sizes) / min(sizes)
    for line in result.lines():
        say(line)
    if to is not None:
        passed_on = replace(result, folder=os.path.basename(os.path.realpath(folder)))  # without places of this machine
        found_all = asdict(passed_on) | {"crosses": result.crosses}
        write_whole(to / OWN[0], (json.dumps(found_all, indent=1) + "\n").encode())
        write_whole(to / OWN[1], printable(page(passed_on, found.root)).encode())
    return result


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
    """ "train/test" -> persons, stated or guessed, that stand in both; of those who are known, if not all."""
    ids = found.subjects if found.known else named_in_part(found.slices)
    return {"/".join(where): list(who) for where, who in crossing(ids, in_splits(found)).items()}


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
        persons = (found.subjects[fewer], found.subjects[more]) if found.stated else None
        pairs = likeness.find_pairs(smalls[fewer], smalls[more], persons, workers)
        result.threshold = max(result.threshold, pairs.threshold)
        result.alarm |= pairs.alarm
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
