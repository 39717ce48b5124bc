"""manifest.csv: what a data folder says of its slices in words; one line each, with path and whatever else is known."""

import csv
import json
import os
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from progan_style.files import from_text, write_table, write_whole

MANIFEST, METADATA = "manifest.csv", "metadata.jsonl"


def read_manifest(root: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """manifest.csv -> its header ([] if there is none) and its lines, each with its number."""
    path = os.path.join(root, MANIFEST)
    if not os.path.isfile(path):
        return [], []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            header = [from_text(name.strip()) for name in reader.fieldnames or []]
            reader.fieldnames = header
            if "path" not in header or len(set(header)) < len(header):
                found = ", ".join(header) or "nothing"
                raise ValueError(f"{path}: expected different columns path, label, subject, split; found {found}")
            lines = []
            for row in reader:
                if None in row:
                    raise ValueError(f"{path} line {reader.line_num}: more cells than the header has columns")
                lines.append((reader.line_num, {name: from_text(cell.strip()) for name, cell in row.items()}))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    return header, lines


def path_of(row: Mapping[str, str]) -> str:
    """The path of a manifest's line, with / on every system."""
    return posixpath.normpath(row["path"].replace("\\", "/"))


def write_manifest(
    folder: Path, rows: Sequence[Mapping[str, Any]], first: Sequence[str] = (), line_end: str = "\n"
) -> None:
    """Rows -> manifest.csv, whole or not there; columns in order of appearance, `first` before the others.

    The same stands in metadata.jsonl, once in the folder of each split, with file_name in the place of path: there
    Hugging Face's imagefolder looks for it. Its metadata.csv would make the number 1 of the person 01, and refuse a
    column that holds whole numbers in one split alone; here every cell is text. This program reads manifest.csv alone.
    """
    write_table(folder / MANIFEST, rows, first, line_end)
    others = dict.fromkeys(name for row in rows for name in row if name != "path")
    of_folder: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        top, _, rest = str(row["path"]).partition("/")
        top, rest = (top, rest) if "/" in rest else ("", str(row["path"]))  # SPLIT/CLASS/FILE, or CLASS/FILE
        cells = {_column(name): str(row.get(name, "")) for name in others}
        of_folder.setdefault(top, []).append({"file_name": rest} | cells)
    for top, mine in of_folder.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in mine)
        write_whole(folder / top / METADATA, text.encode(errors="surrogateescape"))


def _column(name: str) -> str:
    """A column's name in metadata.jsonl, whose file_name is the place of the picture."""
    return "named_file_name" if name == "file_name" else name
