"""Persons -> train, validate, test; all slices and sessions of a person stay together."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from progan_style.data.folder import SPLITS

MOST_FOLDS = 100
AGE_BAND = 10  # years


@dataclass(frozen=True)
class Member:
    """A person to be assigned. group decides balance first; sex and age ("" unknown) within it."""

    subject: str
    group: str
    sex: str = ""
    age: str = ""


def parse_shares(text: str) -> dict[str, int]:
    """80/10/10 -> shares of train, validate, test. Raises ValueError for anything else."""
    parts = text.split("/")
    if len(parts) != len(SPLITS) or not all(part.strip().isdigit() for part in parts):
        raise ValueError(f"--split: expected train/validate/test in percent, such as 80/10/10, got {text}")
    shares = [int(part) for part in parts]
    if sum(shares) != 100 or not shares[0]:
        raise ValueError(f"--split: expected three shares of 100 in all, train more than 0, got {text}")
    return dict(zip(SPLITS, shares, strict=True))


def assign(members: Sequence[Member], shares: Mapping[str, int], seed: int) -> dict[str, str]:
    """Each person's split, the same for the same members and seed whatever their order.

    Within each group scikit-learn's StratifiedKFold deals the persons into folds, balanced by sex and age band as far
    as their numbers allow; folds become splits. If a group has fewer persons than splits, all are train: a split that
    lacks a class is of no use.
    """
    assert len({member.subject for member in members}) == len(members), "a person is assigned once"
    wanted = [name for name, share in shares.items() if share]
    groups: dict[str, list[Member]] = {}
    for member in sorted(members, key=lambda m: m.subject):
        groups.setdefault(member.group, []).append(member)
    if any(len(group) < len(wanted) for group in groups.values()):
        return {member.subject: "train" for member in members}
    split_of: dict[str, str] = {}
    for _, group in sorted(groups.items()):
        split_of |= _assign_group(group, {name: shares[name] for name in wanted}, seed)
    return split_of


def _assign_group(group: Sequence[Member], shares: Mapping[str, int], seed: int) -> dict[str, str]:
    folds = min(sum(shares.values()) // math.gcd(*shares.values()), len(group), MOST_FOLDS)
    if folds < 2:
        return {member.subject: "train" for member in group}
    fold_of = deal(group, folds, seed)
    sizes = np.bincount(fold_of, minlength=folds)
    large = [fold for fold in range(folds) if sizes[fold] > sizes.min()]  # by one person
    small = [fold for fold in range(folds) if sizes[fold] == sizes.min()]
    split_of_fold: dict[int, str] = {}
    held_out = list(shares)[:0:-1]  # test, then validate; train gets the rest
    for after, name in zip(range(len(held_out), 0, -1), held_out, strict=True):  # splits that still need a fold
        wanted, most = shares[name] * len(group) / 100, len(large) + len(small) - after
        choices = [(i, j) for i in range(len(large) + 1) for j in range(len(small) + 1) if 1 <= i + j <= most]
        i, j = min(choices, key=lambda c: (abs(c[0] * (sizes.min() + 1) + c[1] * sizes.min() - wanted), sum(c)))
        split_of_fold |= dict.fromkeys(large[:i] + small[:j], name)
        large, small = large[i:], small[j:]
    return {member.subject: split_of_fold.get(fold, "train") for member, fold in zip(group, fold_of, strict=True)}


def deal(group: Sequence[Member], folds: int, seed: int) -> list[int]:
    """The fold of each person, folds equally large up to one person, sexes and age bands spread over them."""
    from sklearn.model_selection import StratifiedKFold

    for strata in (
        [f"{member.sex} {age_band(member.age)}" for member in group],
        [member.sex for member in group],
        [""] * len(group),
    ):
        _, codes, counts = np.unique(strata, return_inverse=True, return_counts=True)
        if counts.max() >= folds:  # what StratifiedKFold asks for
            break
    fold_of = [0] * len(group)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # strata smaller than the folds are expected
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        for fold, (_, members) in enumerate(splitter.split(np.zeros(len(group)), codes)):
            for member in members:
                fold_of[member] = fold
    return fold_of


def age_band(age: str) -> str:
    """63.5 -> 60; "" for anything that is no number."""
    try:
        years = float(age)
    except ValueError:
        return ""
    return str(int(years // AGE_BAND * AGE_BAND)) if math.isfinite(years) else ""
