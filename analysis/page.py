"""Numbers and pictures -> one HTML page with everything inside, by the template that the audit's page has too."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from analysis import sections
from analysis.card import LIMITS, made_by, slices_in_words
from analysis.glossary import GLOSSARY
from analysis.numbers import Numbers, lines
from analysis.summary import truncation
from analysis.verdict import KINDS, caveats, verdict
from progan_style import Grade, Listing, Page, Picture, Row, Section, Table, Text, data_uri, render_page

Block = Picture | Table | Text | Listing
COLUMNS = ("number", "value", "95 %", "reference", "control")
TOP = {False: "real_vs_fake", True: "generated"}  # of a public page -> the figure of its first screen
READ = (
    "No number stands alone. Beside it stands a reference (two real samples, or held-out real people) or a control "
    "(the same number where the answer is known). What lies outside of the reference's 95 % is marked, a distance "
    "where it is above by more than both intervals allow. Slices of one person are no independent draws, so intervals "
    "are over people. Where people are unknown each slice counts as one, and intervals are too narrow."
)


def html_page(
    numbers: Numbers, shown: list[dict[str, Any]], folder: Path, public: bool, how: Mapping[str, str] | None = None
) -> str:
    """One HTML file with everything inside.

    shown: of each section its name, numbers and pictures, as report keeps them. public: pictures that show a real slice
    stay out, and so do links to other files. how: settings and configuration of what was made.
    """
    pictures = {
        done["name"]: [_picture(record, folder, public) for record in done["pictures"] if _on_page(record, public)]
        for done in shown
    }
    top = [
        picture
        for done in shown
        for record, picture in zip(_kept(done, public), pictures[done["name"]], strict=True)
        if Path(record["file"]).stem == TOP[public]
    ]
    first: list[Block] = [Text("Public page: pictures that show a real slice are left out.", note=True)] * public
    first += [*(Text(f"{line}.", note=True) for line in caveats(numbers)), *top]
    made = [
        _section(done, numbers, [p for p in pictures[done["name"]] if not any(p is one for one in top)])
        for done in shown
        if done["numbers"] or done["pictures"]
    ]
    verdicts = [Grade(j.aspect, j.grade, KINDS[j.grade], j.because, j.rule, j.advice) for j in verdict(numbers)]
    everything = [*made, *_left_out(numbers), _limits(), _how(numbers, how or {})]
    title = f"{numbers['title']} at {numbers['resolution']}x{numbers['resolution']}: what the slices are worth"
    return render_page(Page(title, facts(numbers), verdicts, first, everything, GLOSSARY))


def facts(numbers: Numbers) -> list[tuple[str, str]]:
    """What was compared with what: facts of the data, never constants."""
    trained = f"{numbers['train.slices']:,} training slices, {_people(numbers, 'train')}"
    split = numbers["held_out.split"] or "none"
    held = f"{split}, {numbers['held_out.slices']:,} slices, {_people(numbers, 'held_out')}"
    counts = ", ".join(f"{numbers[f'generated.{name}']:,} {name}" for name in numbers["class_names"])
    seen = f", {numbers['nimg']:,} images seen, {numbers['weights']} EMA weights" if "nimg" in numbers else ""
    return [
        ("date", numbers["date"]),
        ("run" if "nimg" in numbers else "folder", f"{numbers['title']}{seen}"),
        ("data", f"{numbers['data']}: {trained}"),
        ("held-out", held),
        ("generated", f"{counts}, {truncation(numbers)}"),
        ("slices", f"{slices_in_words(numbers)}, {numbers['resolution']}x{numbers['resolution']} pixels"),
    ]


def _people(numbers: Numbers, part: str) -> str:
    people = numbers[f"{part}.persons"]
    return "people unknown" if people is None else f"{people:,} {numbers['persons.are']}"


def _on_page(record: dict[str, Any], public: bool) -> bool:
    """A public page shows no real slice and links to no file; the other has the generated ones beside the reals."""
    if public:
        return not record["private"] and not record["file"].endswith(".html")
    return Path(record["file"]).stem != TOP[True]


def _kept(done: dict[str, Any], public: bool) -> list[dict[str, Any]]:
    return [record for record in done["pictures"] if _on_page(record, public)]


def _picture(record: dict[str, Any], folder: Path, public: bool) -> Picture:
    file = folder / record["page"]
    kind = mimetypes.guess_type(file.name)[0] or ""
    pixels = (1, 1)
    if record["frames"]:
        with Image.open(file) as strip:
            pixels = strip.width, strip.height // record["frames"]
    return Picture(
        title=record["title"],
        source="" if kind == "text/html" else data_uri(file.read_bytes(), kind),
        alt=record["alt"],
        shown=record["shown"],
        words=record["reading"],
        beside=record["control"],
        files=() if public else tuple(record["files"]),
        frames=record["frames"],
        ends=tuple(record["ends"]),
        pixels=pixels,
    )


def table(rows: Mapping[str, Any] | Numbers, section: sections.ReportSection) -> Table:
    """The numbers of a section that have words, in the columns of every table here."""
    made = [
        Row(
            line.words.strip(),
            (line.value, *(line.column(name) for name in ("interval", "reference", "control"))),
            int(line.words.startswith("  ")),
            (line.mark,),
        )
        for line in lines(section.numbers, dict(rows))
    ]
    return Table("", COLUMNS, made)


def _section(done: dict[str, Any], numbers: Numbers, pictures: list[Picture]) -> Section:
    """A section: the question, the answer, its table, its figures, and all its numbers when asked for."""
    section = sections.load()[done["name"]]
    own = done["numbers"]
    shown = table(own | {"class_names": numbers["class_names"]}, section)
    rows = [Row(name, (_text(value),)) for name, value in own.items()]
    blocks: list[Block] = [*([shown] if shown.rows else []), *pictures]
    if rows:
        title = f"all numbers of this section, by their names in metrics.json (--parts {done['name']})"
        blocks.append(Table(title, ("name", "value"), rows, folded=True))
    return Section(section.title, section.question, section.answer(own | _head(numbers)), blocks)


def _head(numbers: Numbers) -> Numbers:
    return {"class_names": numbers["class_names"]}


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _left_out(numbers: Numbers) -> list[Section]:
    notes = [Text(note) for note in numbers["notes"]]
    return [Section("Left out", "What is not in this report, and why?", "", notes)] if notes else []


def _limits() -> Section:
    return Section(
        "Use and limits",
        "What is it for, and what not?",
        "For research on methods; not for diagnosis, and not about any one person.",
        [Text(READ), *(Text(line) for line in LIMITS)],
    )


def _how(numbers: Numbers, how: Mapping[str, str]) -> Section:
    """The settings, once; versions, device and the run's configuration."""
    rows = [Row(name, (version,)) for name, version in numbers["versions"].items()]
    seconds = [Row(n.removeprefix("seconds."), (f"{s:g}",)) for n, s in numbers.items() if n.startswith("seconds.")]
    if "extractor.hash" in numbers:
        rows.append(Row("features", (f"{numbers['extractor.name']}, {numbers['extractor.hash']}",)))
    blocks: list[Block] = [
        Text(
            f"{how.get('settings', '')}. Slices are compared after the 8-bit round trip, reals and generated ones "
            f"through the same resize. {made_by(numbers)}"
        ),
        Table("versions", ("what", "version"), rows),
        *(
            [Listing("the run's configuration (config.yaml)", how["configuration"], True)]
            * bool(how.get("configuration"))
        ),
        *([Table("seconds of each section", ("section", "seconds"), seconds, True)] * bool(seconds)),
    ]
    return Section("How this was made", "With which settings, versions and device?", numbers["device"], blocks)
