"""What an audit found, as records; audit.json is Audit, the printed lines are Audit.lines."""

from dataclasses import dataclass, field

from progan_style.audit.likeness import HIGHEST, PERSON
from progan_style.data.folder import some
from progan_style.data.persons import GUESSED, IN_PART, STATED

UNEVEN = 1.5  # one class has this many times the persons of another


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
    persons_stated: bool = False  # by a manifest or --names; else guessed or unknown
    persons_crossing: dict[str, list[str]] = field(default_factory=dict)  # "train/test" -> ids
    pairs_found: dict[str, int] = field(default_factory=dict)  # kind -> pairs across splits
    slices_found: int = 0  # slices of held-out parts with a pair in another split
    pairs: list[Near] = field(default_factory=list)  # the most alike LISTED ones
    identical_within: int = 0  # slices whose pixels another slice of the same split has too
    threshold: float = PERSON
    strangers: int = 0
    strangers_above: int = 0
    alarm: bool = False  # the pixels contradict what is said of persons
    most_alike_strangers: float | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    blank: list[str] = field(default_factory=list)
    cropped: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)  # folders and files that are no slices
    imbalance: float = 1.0  # largest class / smallest, in persons (slices where persons are unknown)
    confounds: list[Confound] = field(default_factory=list)

    @property
    def crosses(self) -> bool:
        """Whether a person or a copy stands on both sides of a split."""
        return bool(self.persons_crossing or self.pairs_found)

    @property
    def verdict(self) -> str:
        """The result in a sentence. What nobody states is not certified."""
        if self.alarm:
            return "the pixels contradict what is said of persons: one crosses a split, or nothing can be told"
        if self.crosses:
            return "a person or a copy crosses a split"
        if self.persons_stated:
            return "nothing crosses a split"
        return "nothing was found, but nobody states the persons: that one of them crosses a split is not excluded"

    def lines(self) -> list[str]:
        """What a person has to know, line by line."""
        total = sum(sum(of.values()) for of in self.slices.values())
        splits = ", ".join(f"{split} {sum(of.values())}" for split, of in self.slices.items())
        lines = [f"audit     {self.folder}: {total} slices ({splits})", f"persons   {self.persons_are}"]
        for where, ids in self.persons_crossing.items():
            people = STATED if self.persons_stated else GUESSED if self.persons else IN_PART
            lines.append(f"CROSSING  {len(ids)} {people} stand in both of {where}: {some(ids)}")
        names = {"identical": "identical", "copy": "copies, altered or not", "person": "of one person"}
        for kind, count in self.pairs_found.items():
            lines.append(f"CROSSING  {count} pairs of slices across splits are {names[kind]}, by their pixels")
        if self.slices_found:
            lines.append(f"          {self.slices_found} slices outside train have such a pair")
        if self.pairs:
            first = self.pairs[0]
            lines.append(f"          the most alike: {first.first} and {first.second} ({first.likeness:.2f})")
        if self.alarm:
            lines.append(
                f"ALARM     more than 1 in 1,000 pairs of slices said to be of different persons are as alike as "
                f"{HIGHEST:g}: the persons are wrong, or these pictures are too smooth to tell; look at the pairs"
            )
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
        if self.unused:
            lines.append(f"not used  {some(self.unused)}")
        if self.imbalance >= UNEVEN:
            lines.append(f"classes   one has {self.imbalance:.1f} times the other's persons or slices")
        for c in self.confounds:
            chance = "" if c.chance is None else f", p = {c.chance:.2g}"
            numbers = (
                f"{c.classes[0]} {c.values[0]:.2f}, {c.classes[1]} {c.values[1]:.2f}; effect {c.effect:+.2f}{chance}"
            )
            lines.append(f"{'CONFOUND' if c.flagged else 'balance':9} {c.what}: {numbers}")
        unread = f"; {len(self.unreadable)} files could not be read, and were not looked at" if self.unreadable else ""
        lines.append(f"result    {self.verdict}{unread}")
        return lines
