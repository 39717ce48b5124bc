"""What became of a scan, and what is told of all: lines to print, remarks for DATASET.md."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from progan_style.data.folder import some
from progan_style.scans.cutting import Cut
from progan_style.scans.plan import Plan


@dataclass(frozen=True)
class Outcome:
    """What became of a scan."""

    error: str = ""
    offsets: tuple[float, ...] = ()
    outside: tuple[float, ...] = ()
    middle: str = ""
    low: float = 0.0
    high: float = 0.0
    notes: tuple[str, ...] = ()
    doubt: str = ""  # how the head's shape contradicts the header
    missed: str = ""  # why it is not registered to the template, where that was asked for
    placed: Mapping[str, str] = field(default_factory=dict)  # columns of the manifest that tell of the registration
    template_mm: tuple[float, ...] = ()

    def missed_in_words(self) -> str:
        """Why it is not registered, for a line of its own; "" where it is, or was not to be."""
        return f"no registration to the template: {self.missed}" if self.missed else ""


def told(plan: Plan, outcomes: Mapping[int, Outcome], cut: Cut) -> list[str]:
    """What had to be assumed of scans, and which slices were not made, in lines to print."""
    scans_of: dict[str, list[str]] = {}
    for i, outcome in outcomes.items():
        for note in outcome.notes:
            scans_of.setdefault(note, []).append(plan.paths[i])
    lines = [f"note      {some(paths, 1)}: {note}" for note, paths in scans_of.items()]
    if mixed := mixed_middles(list(outcomes.values())):
        lines.append(f"LEVELS    {mixed}")
    if missed := {i: outcome for i, outcome in outcomes.items() if outcome.missed and not outcome.error}:
        lines.append(f"MISSED    {len(missed)} scans do not register to the template and are cut without it:")
        for i, outcome in missed.items():
            lines.append(f"          {plan.paths[i]}: {outcome.missed}; cut about: {outcome.middle}")
    if outside := {i: outcome.outside for i, outcome in outcomes.items() if outcome.outside}:
        total = sum(map(len, outside.values()))
        lines.append(f"OUTSIDE   {total} slices lie outside their volume and were not made:")
        for i, heights in outside.items():
            mm = some([f"{height:g}" for height in heights])
            lines.append(f"          {plan.paths[i]}: {len(heights)} of {cut.slices} ({mm} mm)")
    return lines


def remarks(outcomes: Sequence[Outcome]) -> list[str]:
    """What DATASET.md says about all scans together."""
    notes = Counter(note for outcome in outcomes for note in outcome.notes)
    lines = [f"{n} scans: {note}" for note, n in notes.items()]
    if failed := sum(bool(outcome.error) for outcome in outcomes):
        lines.append(f"{failed} scans could not be used: see scans.csv")
    if mixed := mixed_middles(outcomes):
        lines.append(mixed)
    if doubtful := sum(bool(outcome.doubt) for outcome in outcomes):
        lines.append(f"{doubtful} scans may not be the way up that their headers say: see scans.csv")
    return lines


def mixed_middles(outcomes: Sequence[Outcome]) -> str:
    """What the scans were cut about, in words, if that is not one kind of centre; else ""."""
    kinds: Counter[str] = Counter()
    for outcome in outcomes:
        if outcome.middle:
            kinds["brain" if outcome.middle in ("mask", "brain") else outcome.middle] += 1
    counted = " and ".join(f"{n} about the {kind}" for kind, n in sorted(kinds.items()))
    return f"{counted}: their levels do not match; choose one with --middle" if len(kinds) > 1 else ""
