"""The tables of docs/analysis.md, made from the declarations of the numbers.

python -m analysis.documentation          write them between their markers
python -m analysis.documentation --check  exit 1 if they are not what the declarations say
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.numbers import Number
from analysis.verdict import ASPECTS

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "analysis.md"
BEGIN, END = "<!-- numbers of {} -->", "<!-- end -->"


def number_table(numbers: Sequence[Number]) -> str:
    """A table in Markdown: the keys of each number, and what they are."""
    lines = ["| number | what it is |", "|---|---|"]
    for number in numbers:
        keys = number.reasons()
        whys = list(dict.fromkeys(why for why in keys.values() if why))
        sometimes = {why: [key for key, reason in keys.items() if reason == why] for why in whys}
        words = number.meaning + "."
        for why, some in sometimes.items():
            which = (
                ""
                if len(some) == len(keys)
                else " ".join(f"`{key.removeprefix(number.key) or key}`" for key in some) + " "
            )
            words += f" Left out {why}: {which.strip()}." if which else f" Left out {why}."
        lines.append(f"| {' '.join(f'`{key}`' for key in keys)} | {words} |")
    return "\n".join(lines)


def verdict_table() -> str:
    """A table in Markdown: what the verdict speaks of, and by which rule."""
    lines = ["| line | rule |", "|---|---|"]
    return "\n".join([*lines, *(f"| {aspect.name} | {aspect.rule}. Otherwise: unclear. |" for aspect in ASPECTS)])


def written_into(text: str) -> str:
    """The document with every table between its markers as it is declared; a section without any comes at the end.

    Raises ValueError for markers of no section, or of one twice.
    """
    from analysis import sections
    from analysis.report import declared

    tables = {name: number_table(numbers) for name, numbers in declared().items() if numbers}
    tables["verdict"] = verdict_table()
    marked = re.findall(BEGIN.format(r"(\w+)"), text)
    if wrong := [name for name in marked if name not in tables or marked.count(name) > 1]:
        raise ValueError(f"{DOCUMENT.name}: markers of sections with numbers expected, each once, got {wrong[0]}")
    for name, table in tables.items():
        begin = BEGIN.format(name)
        if name not in marked:
            text = f"{text.rstrip()}\n\n## {name}\n\n{sections.load()[name].what}\n\n{begin}\n{END}\n"
        start = text.index(begin) + len(begin)
        text = f"{text[:start]}\n\n{table}\n\n{text[text.index(END, start) :]}"
    return text


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m analysis.documentation", description=(__doc__ or "").splitlines()[0])
    p.add_argument("--check", action="store_true", help="write nothing; exit 1 if the document would change")
    check = p.parse_args(argv).check
    before = DOCUMENT.read_text(encoding="utf-8")
    after = written_into(before)
    if check:
        return int(before != after)
    DOCUMENT.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
