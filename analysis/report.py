"""Context -> figures, metrics.json and one page.

Each section is run by itself, timed, and kept with a key of all that it depends on. A second call reads it back.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from analysis import made, sections
from analysis.card import card, card_file
from analysis.context import Context, NotHereError
from analysis.numbers import Number, Numbers, check_declarations, check_made
from analysis.page import html_page
from analysis.persons import count_persons
from analysis.plots import ReportFigure, page_bytes, picture_bytes
from analysis.sections import GROUPS, ReportSection
from analysis.summary import summary
from analysis.verdict import verdict
from analysis.waiting import ticking
from progan_style import refuse_used

STORE = "sections"  # folder of finished sections, in the report's own
EARLIER_STORE = "parts"  # what it was called in reports of earlier versions
ALWAYS = "report"  # whose numbers HEAD are
OUR_FAULTS = (LookupError, TypeError, AttributeError, AssertionError)  # cost a section, as too few data do
FORMAT = 3  # of metrics.json: raise it when a number gets another meaning

RUNS = "with two folders, which have no training"
NOT_ASKED = "for sections that were not asked for"
HEAD = (
    Number("format", meaning="of this file. Reports of another format are not compared"),
    Number("date", meaning="the day of the call that wrote this file"),
    Number("title", meaning="the run or the folder"),
    Number("resolution", meaning="pixels per side"),
    Number("nimg", meaning="images seen in training", unless=RUNS),
    Number("network", meaning="the name of its networks (network.name)", unless=RUNS),
    Number("weights", meaning="of the end of the stage (last) or of its lowest KID (best)", unless=RUNS),
    Number("psi", meaning="truncation of the generated slices, null if a folder does not say it or holds several"),
    Number("data", meaning="name of the folder of the real slices"),
    Number("plane", meaning="axial, coronal or sagittal, null where the data do not say"),
    Number("mm_per_pixel", meaning="at this size, null where the data do not say"),
    Number("generated.<CLASS>", meaning="generated slices in all"),
    Number("seed", meaning="the seed of every draw here"),
    Number("class_names", meaning="classes in the order of the labels"),
    Number("held_out.split", meaning="the split of the data that the held-out reals are of"),
    Number("held_out.slices", meaning="held-out real slices"),
    Number("held_out.persons", meaning="their people, null if unknown"),
    Number("train.slices", meaning="real training slices"),
    Number("train.persons", meaning="their people, null if unknown"),
    Number("persons.are", meaning="how people are known"),
    Number(
        "seconds.<SECTION>",
        meaning="seconds that a section took, and what sections share. From the cache they are those of the first call",
        unless=NOT_ASKED,
    ),
    Number("verdict", meaning="realism, variety, class, disease size, copies: good, unclear, bad or not measured"),
    Number("versions", meaning="of Python and of the packages that the numbers depend on"),
    Number("device", meaning="what the networks ran on"),
    Number("page", meaning="the page's file"),
    Number("pictures", meaning="the pictures' files"),
    Number("notes", meaning="what was left out, and why"),
    Number("failed", meaning="what should have been had and could not be. The command then ends with exit 2"),
)


def declared() -> dict[str, tuple[Number, ...]]:
    """All numbers of a metrics.json, by section."""
    return {ALWAYS: HEAD} | {name: tuple(section.numbers) for name, section in sections.load().items()}


def make_report(context: Context, chosen: Iterable[str] | None = None, public: bool = False) -> Numbers:
    """Run the chosen sections (default: all that are not long); write the page, the pictures and metrics.json.

    A section whose key is found in the folder is read back. Sections that were not asked for but stand there with this
    key are shown too; others are named in `notes`. public: the page is report-public.html and shows no real slice; the
    pictures stay in the folder. Returns the numbers; `failed` holds a line for each section that should have been had
    and could not be. Raises ValueError for a section of no known name, DeclarationError for a number that is not
    declared as it is made.
    """
    check_declarations(declared())
    owed = None if chosen is None else sections.check_sections(chosen)
    wanted = sections.usual(context) if owed is None else [n for name in owed for n in GROUPS.get(name, (name,))]
    (context.folder / STORE).mkdir(parents=True, exist_ok=True)
    shown, notes, failed = _sections(context, wanted, owed or [])
    numbers = _head(context)
    for done in shown:
        numbers |= done["numbers"]
    file = "report-public.html" if public else "report.html"
    numbers |= {"page": file, "pictures": [picture["file"] for done in shown for picture in done["pictures"]]}
    grades = {judgement.aspect: judgement.grade for judgement in verdict(numbers)}
    numbers |= {"verdict": grades, "notes": notes, "failed": failed + _empty_groups(owed or (), shown)}
    own = [name for name in numbers if not any(name in done["numbers"] for done in shown)]
    check_made(ALWAYS, HEAD, [*own, *(n for n in numbers if n.startswith("seconds."))], context.class_names)
    text = json.dumps({name: _rounded(value) for name, value in numbers.items()}, indent=2, allow_nan=False)
    (context.folder / "metrics.json").write_text(text + "\n", encoding="utf-8")
    (context.folder / card_file(numbers)).write_text(card(numbers), encoding="utf-8", errors="backslashreplace")
    how = {"settings": context.settings, "configuration": made.configuration(context)}
    page = html_page(numbers, shown, context.folder, public, how)
    (context.folder / file).write_text(page, encoding="utf-8", errors="backslashreplace")  # a name may be no text
    return numbers


Done = dict[str, Any]  # what is kept of a section


def _sections(context: Context, wanted: list[str], owed: list[str]) -> tuple[list[Done], list[str], list[str]]:
    """What the page shows: the sections that are wanted, made or read back, and others that are kept; notes; faults."""
    code = _code_hash()
    shown: list[Done] = []
    notes, failed = _earlier(context.folder), []
    hidden = None if context.options.progress else True
    bar = tqdm(total=len(wanted), desc="report", unit="section", leave=False, disable=hidden)
    for name, section in sections.load().items():
        besides = sections.made_of(name) + context.keys.get(name, "")
        key = hashlib.sha256(f"{code} {context.key} {name}{besides}".encode()).hexdigest()
        done = _read(context.folder, name, key)
        if isinstance(done, str):
            notes += [done] if name not in wanted else []
            done = None
        if name in wanted and done is not None and not drawn_as(done, context.options.figures):
            done = None
        if done is None and name in wanted:
            bar.set_postfix_str(name)
            with ticking(bar, name, context.options.log):
                done = _run(context, section, key, name in owed)
            failed += done.get("failed", [])
        bar.update(name in wanted)
        if done is not None:
            notes += done["notes"]
            shown.append({"name": name, **done})
    bar.close()
    return shown, notes, failed


def check_report_folder(folder: Path) -> None:
    """Raises ValueError unless a folder is new, empty or holds a report, which is then gone on with."""
    if not (folder / STORE).is_dir():
        refuse_used(folder, own=("cache",), owner="a report", mend="name another folder with --to")


def print_report(context: Context, chosen: Iterable[str] | None, public: bool) -> None:
    """make_report and its summary, as a command ends. Raises ValueError for what could not be had."""
    numbers = make_report(context, chosen, public)
    print("\n".join(summary(numbers)))
    print(f"pictures and numbers: {context.folder}")
    print(f"page: {context.folder / numbers['page']}")
    if numbers["failed"]:
        raise ValueError(f"left out: {'; '.join(numbers['failed'])}")


# ------------------------------------------------------------------ one section


def _head(context: Context) -> Numbers:
    """What was compared with what."""
    numbers: Numbers = {
        "format": FORMAT,
        "date": datetime.date.today().isoformat(),
        "title": context.title,
        "resolution": context.resolution,
        "psi": context.psi,
        "data": context.data_name,
        "plane": context.geometry.plane or None,
        "mm_per_pixel": context.geometry.mm,
        "versions": made.versions(),
        "device": made.device(context.options.device),
        "seed": context.options.seed,
        "class_names": list(context.class_names),
        "held_out.split": context.held_out_split,
        "persons.are": context.persons_are,
    }
    if context.generator is not None:
        network = context.generator.header["architecture"]
        numbers |= {"nimg": int(context.generator.nimg), "network": network, "weights": context.options.weights}
    numbers |= {f"generated.{name}": n for name, n in zip(context.class_names, context.counts, strict=True)}
    for name, slices in (("train", context.train), ("held_out", context.held_out)):
        numbers[f"{name}.slices"] = len(slices)
        numbers[f"{name}.persons"] = count_persons(slices.subjects)
    return numbers


def _run(context: Context, section: ReportSection, key: str, owed: bool) -> dict[str, Any]:
    """One section: announced, timed, stored; only its line, and not stored, where it could not be had.

    A fault of this program costs its section alone as well. It is called one, and its traceback goes to the log.
    """
    context.options.log(f"{section.name}: {section.what}")
    context.notes.clear()
    context.seconds.clear()
    start = time.monotonic()
    try:
        numbers, findings = section.measure(context)
        if broken := [key for key, value in numbers.items() if isinstance(value, float) and not math.isfinite(value)]:
            raise ValueError(f"{', '.join(broken)} came out as no number: are its slices all black, or all alike?")
        pictures = [_write(context, picture) for picture in section.show(context, numbers, findings)]
    except (ValueError, ArithmeticError, *OUR_FAULTS) as error:
        words = str(error)
        if isinstance(error, OUR_FAULTS):
            # Not its own words, which may be a person's name
            words = f"a fault of this program ({type(error).__name__}), whose traceback was printed"
            context.options.log(traceback.format_exc())
        context.note(f"{section.name} left out: {words}")
        fault = owed or not isinstance(error, NotHereError)
        failed = [f"{section.name}: {context.without_places(words)}"] if fault else []
        return {"numbers": {}, "pictures": [], "notes": list(context.notes), "failed": failed}
    for line in check_made(section.name, section.numbers, numbers, context.class_names):
        context.note(line)
    shared = {f"seconds.{what}": round(seconds, 1) for what, seconds in context.seconds.items()}
    own = time.monotonic() - start - sum(context.seconds.values())
    done = {
        "key": key,
        "numbers": numbers | shared | {f"seconds.{section.name}": round(own, 1)},
        "pictures": pictures,
        "notes": list(context.notes),
    }
    (context.folder / STORE / f"{section.name}.json").write_text(json.dumps(done, allow_nan=False), encoding="utf-8")
    return done


def _empty_groups(owed: Iterable[str], shown: list[dict[str, Any]]) -> list[str]:
    """A line for each group of sections that was asked for by name and of which nothing could be had."""
    made = {done["name"] for done in shown if done["numbers"] or done["pictures"]}
    empty = [name for name in owed if name in GROUPS and not made & set(GROUPS[name])]
    reasons = {done["name"]: done["notes"][-1].partition("left out: ")[2] for done in shown if done["name"] not in made}
    return [f"{name}: {reasons[GROUPS[name][0]]}" for name in empty]


WORDS = ("title", "reading", "control", "private", "alt", "shown", "frames", "ends")


def _write(context: Context, picture: ReportFigure) -> dict[str, Any]:
    """A picture into its files; returns what the page says of it. `page` is the file that the page shows."""
    words = {name: getattr(picture, name) for name in WORDS}
    file = f"{picture.name}{picture.suffix}"
    if isinstance(picture.content, bytes):
        (context.folder / file).write_bytes(picture.content)
        return words | {"file": file, "files": [file], "page": file}
    page, kinds = f"{STORE}/{picture.name}.png", dict.fromkeys((".png", f".{context.options.figures}"))
    (context.folder / page).write_bytes(page_bytes(picture))
    for kind in kinds:
        (context.folder / f"{picture.name}{kind}").write_bytes(picture_bytes(picture, context.settings, kind))
    return words | {"file": file, "files": [f"{picture.name}{kind}" for kind in kinds], "page": page}


def drawn_as(done: dict[str, Any], kind: str) -> bool:
    """Whether the figures of a kept section lie there as files of this kind too."""
    figures = [picture["files"] for picture in done["pictures"] if picture["page"] != picture["file"]]
    return all(any(file.endswith(f".{kind}") for file in files) for files in figures)


# ------------------------------------------------------------------ kept sections


def _read(folder: Path, name: str, key: str) -> dict[str, Any] | str | None:
    """A kept section, if it has this key and its pictures stand beside it; a line if it is of something else."""
    path = folder / STORE / f"{name}.json"
    if not path.is_file():
        return None
    try:
        done = json.loads(path.read_text(encoding="utf-8"))
        files = [file for picture in done["pictures"] for file in (picture["page"], *picture["files"])]
        whole = all((folder / file).is_file() for file in files)
        if done["key"] == key and whole and isinstance(done["numbers"], dict) and isinstance(done["notes"], list):
            return dict(done)
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{name} is not shown: {STORE}/{name}.json is damaged. Run it again (--parts {name})"
    return f"{name} is not shown: {STORE}/{name}.json is of other code or data. Run it again (--parts {name})"


def _earlier(folder: Path) -> list[str]:
    """A line where an earlier version of this program, whose numbers have other names, left its sections."""
    names = sorted(path.stem for path in (folder / EARLIER_STORE).glob("*.json"))
    if not names:
        return []
    return [f"{EARLIER_STORE}/ is of an earlier version and is not read ({', '.join(names)}); run these again"]


def _code_hash() -> str:
    """Of this package's own sources: a kept section of other code is not this code's."""
    digest = hashlib.sha256()
    top = Path(__file__).parent
    for path in sorted(top.rglob("*.py")):
        digest.update(str(path.relative_to(top)).encode() + path.read_bytes())
    return digest.hexdigest()


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value
