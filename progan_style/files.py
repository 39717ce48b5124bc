"""Files that are whole or not there, and folders that are free; tables, and pictures inside a page."""

import base64
import csv
import io
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

NEW_FOLDER = "name a new folder with --to, so that no two data sets are mixed"


def write_whole(path: Path, content: bytes, before: Path | None = None) -> None:
    """Write a file so that a reader finds the old one or the new one, never a part, whatever stops the writing.

    before: where the old one is kept. Raises OSError, in one line, if the new one could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        part.unlink(missing_ok=True)
        kept = "; the one before it is kept" if path.exists() else ""
        raise OSError(f"{path}: could not be written ({error.strerror}){kept}") from None
    if before is not None and path.exists():
        copy = before.with_name(before.name + ".part")
        copy.unlink(missing_ok=True)
        try:
            os.link(path, copy)
        except OSError:  # a file system without links
            shutil.copyfile(path, copy)
        os.replace(copy, before)
    os.replace(part, path)


LONGEST_PART = 80  # characters


def check_part(name: str, what: str) -> str:
    """The name, if it can be one part of a path on every system: of a folder, a file, or in the name of one.

    Names of classes come out of files (manifest.csv, spreadsheets, YAML, networks), and folders are made of them: this
    is their door. what: the name is, and where it came from. Raises ValueError for any other name.
    """
    # isprintable: no line break, no other control character, no byte that is not text
    if (
        not isinstance(name, str)
        or not name.isprintable()
        or not 0 < len(name) <= LONGEST_PART
        or set(name) & set('/\\:*?"<>|')
        or name != name.strip(" .")
    ):
        raise ValueError(
            f"{what} {name!r}: expected a name that a folder can have: 1 to {LONGEST_PART} characters, none of "
            '/ \\ : * ? " < > |, no line break, no space or dot at its ends'
        )
    return name


def refuse_used(to: Path, own: Collection[str] = (), owner: str = "", mend: str = NEW_FOLDER) -> None:
    """Raise ValueError unless a folder is free to write into: not there, or empty but for files of its `owner`.

    own: their names. owner: what the folder may hold, in words. mend: what to do otherwise.
    """
    if to.exists() and not to.is_dir():
        raise ValueError(f"{to}: is a file, no folder; {mend}")
    if to.exists() and not {entry.name for entry in to.iterdir()} <= set(own):
        raise ValueError(f"{to}: {f'holds something else than {owner}' if owner else 'not empty'}; {mend}")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], first: Sequence[str] = (), line_end: str = "\n") -> None:
    """Rows -> CSV in UTF-8; columns in order of appearance, `first` before the others, "" where a row lacks one."""
    found = dict.fromkeys(name for row in rows for name in row)
    header = [name for name in first if name in found] + [name for name in found if name not in first]
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """A file's bytes as an address that holds them, so that a page needs no file beside it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def png_uri(picture: "Image.Image") -> str:
    """A picture as the address of a PNG."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    return data_uri(content.getvalue())
