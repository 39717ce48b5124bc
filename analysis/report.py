"""Context -> figures, metrics.json and one page.

Each part is run by itself, timed, and kept with a key of all that it depends on, so that a second call reads it back.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from analysis import disease, maps, page, parts, utility
from analysis.context import Context, NotHereError
from analysis.persons import count_persons
from analysis.plots import ReportFigure, picture_bytes

STORE = "parts"  # folder of finished parts, in the report's own
Part = Callable[[Context], tuple[dict[str, Any], list[ReportFigure]]]


def make_report(context: Context, chosen: Iterable[str] | None = None, public: bool = False) -> dict[str, Any]:
    """Run the chosen parts (default: all that are not APART); write the page, the pictures and metrics.json.

    A part whose key is found in the folder is read back. Parts that were not asked for but stand there with this key
    are shown too. public: the page is report-public.html and shows no real slice; the pictures stay in the folder.
    Returns the numbers; `failed` holds a line for each part that should have been had and could not be.
    Raises ValueError for a part of no known name.
    """
    wanted = default_parts(context) if chosen is None else check_parts(chosen)
    store = context.folder / STORE
    store.mkdir(parents=True, exist_ok=True)
    code = _code_hash()
    numbers, shown, notes, failed = _head(context), [], [], []
    for name, part in PARTS.items():
        key = hashlib.sha256(f"{code} {context.key} {name}".encode()).hexdigest()
        done = _read(store / f"{name}.json", key)
        if done is None and name in wanted:
            done = _run(context, name, part, key, by_name=chosen is not None)
            failed += done.get("failed", [])
        if done is not None:
            numbers |= done["numbers"]
            notes += done["notes"]
            shown.append({"name": name, "what": _what(part), **done})
    file = "report-public.html" if public else "report.html"
    numbers |= {"page": file, "pictures": [picture["file"] for done in shown for picture in done["pictures"]]}
    numbers |= {"notes": notes, "failed": failed}
    text = json.dumps({name: _rounded(value) for name, value in numbers.items()}, indent=2, allow_nan=False)
    (context.folder / "metrics.json").write_text(text + "\n", encoding="utf-8")
    (context.folder / "model_card.md").write_text(page.model_card(numbers), encoding="utf-8")
    (context.folder / file).write_text(page.page(numbers, shown, context.folder, public), encoding="utf-8")
    return numbers


def report_and_say(context: Context, chosen: Iterable[str] | None, public: bool) -> None:
    """make_report and its summary, as a command ends. Raises ValueError for what could not be had."""
    numbers = make_report(context, chosen, public)
    print("\n".join(page.summary(numbers)))
    print(f"pictures and numbers: {context.folder}")
    print(f"page: {context.folder / numbers['page']}")
    if numbers["failed"]:
        raise ValueError(f"left out: {'; '.join(numbers['failed'])}")


def default_parts(context: Context) -> list[str]:
    """What is run without being asked for by name."""
    left_out = APART if context.generator is not None else APART + OF_NETWORKS
    return [name for name in PARTS if name not in left_out]


def check_parts(names: Iterable[str]) -> list[str]:
    """The names, if all are known. Raises ValueError."""
    names = list(names)
    unknown = [name for name in names if name not in PARTS]
    if unknown or not names:
        raise ValueError(f"--parts: expected some of {', '.join(PARTS)}; got {', '.join(unknown) or 'none'}")
    return names


def _head(context: Context) -> dict[str, Any]:
    """What was compared with what."""
    numbers: dict[str, Any] = {
        "title": context.title,
        "resolution": context.resolution,
        "psi": 1.0,
        "seed": context.options.seed,
        "class_names": list(context.class_names),
        "unseen.part": context.held_out_split,
        "persons.are": context.persons_are,
    }
    if context.generator is not None:
        numbers["nimg"] = int(context.generator.nimg)
    for name, slices in (("train", context.train), ("unseen", context.held_out)):
        numbers[f"{name}.slices"] = len(slices)
        numbers[f"{name}.persons"] = count_persons(slices.subjects)
    return numbers


def _run(context: Context, name: str, part: Part, key: str, by_name: bool) -> dict[str, Any]:
    """One part: announced, timed, stored; only its line, and not stored, where it could not be had."""
    context.options.log(f"{name}: {_what(part)}")
    context.notes.clear()
    context.seconds.clear()
    start = time.monotonic()
    try:
        numbers, pictures = part(context)
    except ValueError as error:
        context.note(f"{name} left out: {error}")
        fault = by_name or not isinstance(error, NotHereError)
        failed = [f"{name}: {error}"] if fault else []
        return {"numbers": {}, "pictures": [], "notes": list(context.notes), "failed": failed}
    shared = {f"seconds.{what}": round(seconds, 1) for what, seconds in context.seconds.items()}
    own = time.monotonic() - start - sum(context.seconds.values())
    done = {
        "key": key,
        "numbers": numbers | shared | {f"seconds.{name}": round(own, 1)},
        "pictures": [_write(context, picture) for picture in pictures],
        "notes": list(context.notes),
    }
    (context.folder / STORE / f"{name}.json").write_text(json.dumps(done, allow_nan=False), encoding="utf-8")
    return done


def _what(part: Part) -> str:
    """The first line of a part's docstring."""
    return (part.__doc__ or "").strip().splitlines()[0]


def _write(context: Context, picture: ReportFigure) -> dict[str, Any]:
    """A picture into its file; returns what the page says of it."""
    file = f"{picture.name}{picture.suffix}"
    (context.folder / file).write_bytes(picture_bytes(picture, context.settings))
    words = {name: getattr(picture, name) for name in ("title", "reading", "control", "private")}
    return words | {"file": file, "settings": context.settings}


def _read(path: Path, key: str) -> dict[str, Any] | None:
    """A stored part, if it has this key and its pictures stand beside it."""
    if not path.is_file():
        return None
    done = json.loads(path.read_text(encoding="utf-8"))
    here = path.parent.parent
    whole = all((here / picture["file"]).is_file() for picture in done["pictures"])
    return done if done["key"] == key and whole else None


def _code_hash() -> str:
    """Of this package's own sources: a stored part of other code is not this code's."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


# name -> function(context), in the page's order
PARTS: dict[str, Part] = {
    "grid": parts.grid,
    "similarity": parts.similarity,
    "fidelity": parts.fidelity,
    "discriminator": parts.discriminator,
    "copies": parts.copies,
    "umap": maps.umap,
    "latents": disease.part,
    "inception": parts.inception,
    "utility": utility.part,
}
APART = ("utility",)  # long: only when asked for by name
OF_NETWORKS = ("discriminator", "latents")  # two folders have no networks
