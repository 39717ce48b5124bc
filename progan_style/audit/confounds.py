"""What differs between the classes besides the disease: age, sex, mean intensity, what the slices are cut about."""

import math
from collections import defaultdict
from itertools import combinations
from typing import Any

import numpy as np

from progan_style.audit.findings import Confound
from progan_style.scans.slices import SliceSet

EFFECT, CHANCE = 0.3, 0.01  # a group difference: standardised, and the probability of it by chance


def confounds(found: SliceSet, intensity: Any) -> list[Confound]:
    """Differences of age, sex, mean intensity and centres (`middle`) between the classes, persons counting once."""
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
        result.append(_difference("mean intensity", names, means[0], means[1], found.stated))
        ages = [[_number(found.slices[mine[0]].extra.get("age", "")) for mine in group] for group in groups]
        known = [np.array([age for age in group if age is not None]) for group in ages]
        if min(map(len, known)) > 1:
            result.append(_difference("age", names, known[0], known[1], found.stated))
        sexes = [[s for mine in group if (s := found.slices[mine[0]].extra.get("sex", ""))] for group in groups]
        if all(sexes) and len(set(sexes[0] + sexes[1])) > 1:
            result.append(_shares("share of sex", names, sexes[0], sexes[1], found.stated))
        centres = [[m for mine in group if (m := found.slices[mine[0]].extra.get("middle", ""))] for group in groups]
        if all(centres) and len(set(centres[0] + centres[1])) > 1:
            result.append(_shares("share cut about the", names, centres[0], centres[1], found.stated))
    return result


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None  # nan is how some tables write an empty cell


def _difference(what: str, names: tuple[str, str], first: Any, second: Any, independent: bool) -> Confound:
    """Cohen's d, and Welch's test where the draws are independent."""
    from scipy import stats

    spread = float(np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2))
    effect = float(first.mean() - second.mean()) / spread if spread else 0.0
    chance = float(stats.ttest_ind(first, second, equal_var=False).pvalue) if independent and spread else None
    flagged = abs(effect) >= EFFECT and (chance is None or chance < CHANCE)
    return Confound(what, names, (float(first.mean()), float(second.mean())), effect, chance, flagged)


def _shares(what: str, names: tuple[str, str], first: list[str], second: list[str], independent: bool) -> Confound:
    """Share of one value in both classes, the one that differs most, and Fisher's test where draws are independent."""
    from scipy import stats

    def share(value: str, group: list[str]) -> float:
        return group.count(value) / len(group)

    one = max(sorted(set(first + second)), key=lambda value: abs(share(value, first) - share(value, second)))
    counts = [[group.count(one), len(group) - group.count(one)] for group in (first, second)]
    shares = (share(one, first), share(one, second))
    chance = float(stats.fisher_exact(counts)[1]) if independent else None
    effect = shares[0] - shares[1]
    flagged = abs(effect) >= EFFECT / 2 and (chance is None or chance < CHANCE)
    return Confound(f"{what} {one}", names, shares, effect, chance, flagged)
