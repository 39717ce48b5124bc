"""Numbers -> the lines that a command prints."""

from __future__ import annotations

from analysis import sections
from analysis.numbers import Line, Numbers, lines
from analysis.sections.fidelity import in_words
from analysis.verdict import caveats, verdict


def shown_lines(numbers: Numbers) -> list[Line]:
    """The numbers that have words, in the order of the sections, each with what it is read beside."""
    return [line for section in sections.load().values() for line in lines(section.numbers, numbers)]


def heading(numbers: Numbers) -> str:
    """What was compared with what, in one line."""
    size, people = numbers["resolution"], numbers["held_out.persons"]
    who = "people unknown" if people is None else f"{people} {numbers['persons.are']}"
    trained = f" after {numbers['nimg']:,} images" if "nimg" in numbers else ""
    trained += f", {truncation(numbers)}"
    split = numbers["held_out.split"] or "none"
    count = numbers["held_out.slices"]
    return f"{numbers['title']} at {size}x{size}{trained}; held-out real slices: {split} ({count} slices, {who})"


def truncation(numbers: Numbers) -> str:
    """The psi of the generated slices, as far as it is known."""
    return "psi not stated" if numbers["psi"] is None else f"psi {numbers['psi']:g}"


def summary(numbers: Numbers) -> list[str]:
    """The numbers of a report as lines of text, and what they say."""
    out = ["", heading(numbers)]
    for line in shown_lines(numbers):
        out.append(f"{line.words:26}{line.value:>8}   {', '.join(line.beside)}".rstrip())
    if "fidelity.auc" in numbers:
        out.append(in_words(numbers))
    if "extractor.name" in numbers:
        out.append(f"features: {numbers['extractor.name']}, {numbers['extractor.hash']}")
    out += [f"note: {note}" for note in numbers["notes"]]
    out += ["", "verdict", *(line for judgement in verdict(numbers) for line in judgement.lines())]
    return [*out, *(f"note: {line}" for line in caveats(numbers))]
