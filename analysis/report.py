"""Context -> figures, metrics.json and one page.

Each section is run by itself, timed, and kept with a key of all that it depends on. A second call reads it back.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from analysis import sections
from analysis.card import model_card
from analysis.context import Context, NotHereError
from analysis.numbers import Number, Numbers, check_declarations, check_made
from analysis.page import html_page
from analysis.persons import count_persons
from analysis.plots import ReportFigure, picture_bytes
from analysis.sections import GROUPS, ReportSection
from analysis.summary import summary
from analysis.verdict import verdict
from progan_style import refuse_used

STORE = "sections"  # folder of finished sections, in the report's own
EARLIER_STORE = "parts"  # what it was called in reports of earlier versions
ALWAYS = "report"  # whose numbers HEAD are

RUNS = "with two folders, which have no training"
NOT_ASKED = "for sections that were not asked for"
HEAD = (
    Number("title", meaning="the run or the folder"),
    Number("resolution", meaning="pixels per side"),
    Number("nimg", meaning="images seen in training", unless=RUNS),
    Number("psi", meaning="truncation, always 1"),
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
    code = _code_hash()
    numbers, shown, notes, failed = _head(context), [], _earlier(context.folder), []
    hidden = None if context.options.progress else True
    bar = tqdm(total=len(wanted), desc="report", unit="section", leave=False, disable=hidden)
    for name, section in sections.load().items():
        key = hashlib.sha256(f"{code} {context.key} {name}".encode()).hexdigest()
        done = _read(context.folder, name, key)
        if isinstance(done, str):
            notes += [done] if name not in wanted else []
            done = None
        if done is None and name in wanted:
            bar.set_postfix_str(name)
            done = _run(context, section, key, owed is not None and name in owed)
            failed += done.get("failed", [])
        bar.update(name in wanted)
        if done is not None:
            numbers |= done["numbers"]
            notes += done["notes"]
            shown.append({"name": name, "what": section.what, **done})
    bar.close()
    failed += _empty_groups(owed or (), shown)
    file = "report-public.html" if public else "report.html"
    numbers |= {"page": file, "pictures": [picture["file"] for done in shown for picture in done["pictures"]]}
    grades = {judgement.aspect: judgement.grade for judgement in verdict(numbers)}
    numbers |= {"verdict": grades, "notes": notes, "failed": failed}
    made = [name for name in numbers if not any(name in done["numbers"] for done in shown)]
    check_made(ALWAYS, HEAD, [*made, *(n for n in numbers if n.startswith("seconds."))], context.class_names)
    text = json.dumps({name: _rounded(value) for name, value in numbers.items()}, indent=2, allow_nan=False)
    (context.folder / "metrics.json").write_text(text + "\n", encoding="utf-8")
    (context.folder / "model_card.md").write_text(model_card(numbers), encoding="utf-8", errors="backslashreplace")
    page = html_page(numbers, shown, context.folder, public)
    (context.folder / file).write_text(page, encoding="utf-8", errors="backslashreplace")
    return numbers


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
        "title": context.title,
        "resolution": context.resolution,
        "psi": 1.0,
        "seed": context.options.seed,
        "class_names": list(context.class_names),
        "held_out.split": context.held_out_split,
        "persons.are": context.persons_are,
    }
    if context.generator is not None:
        numbers["nimg"] = int(context.generator.nimg)
    for name, slices in (("train", context.train), ("held_out", context.held_out)):
        numbers[f"{name}.slices"] = len(slices)
        numbers[f"{name}.persons"] = count_persons(slices.subjects)
    return numbers


def _run(context: Context, section: ReportSection, key: str, owed: bool) -> dict[str, Any]:
    """One section: announced, timed, stored; only its line, and not stored, where it could not be had."""
    context.options.log(f"{section.name}: {section.what}")
    context.notes.clear()
    context.seconds.clear()
    start = time.monotonic()
    try:
        numbers, findings = section.measure(context)
        pictures = section.show(context, numbers, findings)
    except ValueError as error:
        context.note(f"{section.name} left out: {error}")
        fault = owed or not isinstance(error, NotHereError)
        failed = [f"{section.name}: {context.without_places(str(error))}"] if fault else []
        return {"numbers": {}, "pictures": [], "notes": list(context.notes), "failed": failed}
    for line in check_made(section.name, section.numbers, numbers, context.class_names):
        context.note(line)
    shared = {f"seconds.{what}": round(seconds, 1) for what, seconds in context.seconds.items()}
    own = time.monotonic() - start - sum(context.seconds.values())
    done = {
        "key": key,
        "numbers": numbers | shared | {f"seconds.{section.name}": round(own, 1)},
        "pictures": [_write(context, picture) for picture in pictures],
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


def _write(context: Context, picture: ReportFigure) -> dict[str, Any]:
    """A picture into its file; returns what the page says of it."""
    file = f"{picture.name}{picture.suffix}"
    (context.folder / file).write_bytes(picture_bytes(picture, context.settings))
    words = {name: getattr(picture, name) for name in ("title", "reading", "control", "private")}
    return words | {"file": file, "settings": context.settings}


# ------------------------------------------------------------------ kept sections


def _read(folder: Path, name: str, key: str) -> dict[str, Any] | str | None:
    """A kept section, if it has this key and its pictures stand beside it; a line if it is of something else."""
    path = folder / STORE / f"{name}.json"
    if not path.is_file():
        return None
    try:
        done = json.loads(path.read_text(encoding="utf-8"))
        whole = all((folder / picture["file"]).is_file() for picture in done["pictures"])
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
