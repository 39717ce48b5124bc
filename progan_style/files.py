"""Files that are whole or not there, and folders that are free; tables, and pictures inside a page."""

import base64
import csv
import errno
import io
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    if path.is_dir():
        raise OSError(f"{path}: is a folder; expected the name of a file")
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
WINDOWS = os.name == "nt"
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{i}" for port in ("COM", "LPT") for i in range(1, 10))}


def check_part(name: str, what: str) -> str:
    """The name, if it can be one part of a path: of a folder, a file, or in the name of one.

    On every system, but for the names of devices, which Windows alone refuses: CON is a name of controls.

    Names of classes come out of files (manifest.csv, spreadsheets, YAML, networks), and folders are made of them: this
    is their door. what: the name is, and where it came from. Raises ValueError for any other name.
    """
    # isprintable: no line break, no other control character, no byte that is not text
    if WINDOWS and isinstance(name, str) and name.partition(".")[0].rstrip().upper() in DEVICES:
        raise ValueError(f"{what} {name!r}: no file or folder of Windows can be called so; expected another name")
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


def printable(text: str) -> str:
    """A name as it can be printed and written: bytes of a file's name that are not UTF-8 are shown as \\udcXX."""
    return text.encode("utf-8", "backslashreplace").decode()


def refuse_used(to: Path, own: Collection[str] = (), owner: str = "", mend: str = NEW_FOLDER) -> None:
    """Raise ValueError unless a folder is free to write into: not there, or empty but for files of its `owner`.

    own: their names. owner: what the folder may hold, in words. mend: what to do otherwise.
    """
    if to.exists() and not to.is_dir():
        raise ValueError(f"{to}: is a file, no folder; {mend}")
    if to.exists() and not {entry.name for entry in to.iterdir()} <= set(own):
        raise ValueError(f"{to}: {f'holds something else than {owner}' if owner else 'not empty'}; {mend}")


def refuse_inside(path: str | os.PathLike[str], data: str | os.PathLike[str] | None, option: str) -> None:
    """Raise ValueError if `path` lies in a data folder: what is written there would be taken for data."""
    if data is not None:
        here, root = Path(path).resolve(), Path(data).resolve()
        if root in (here, *here.parents):
            raise ValueError(f"{option}: {path} lies in the data folder {data}; name a folder outside of it")


def refuse_unwritable(folder: str | os.PathLike[str], option: str) -> None:
    """Raise ValueError if a folder could not be made or written into, before the work that would fill it."""
    there = next(path for path in (Path(folder), *Path(folder).absolute().parents) if path.exists())
    if not there.is_dir():
        raise ValueError(f"{option}: {there} is a file, no folder; name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(
            f"{option}: {there} cannot be written to (its rights, or a read-only disk); name another folder"
        )


UNFINISHED = ".unfinished"  # a folder in the making, which no reader of data looks into


@contextmanager
def new_folder(to: Path) -> Iterator[Path]:
    """A place inside `to`, whose entries come into `to` when all are made. If anything goes wrong nothing is left.

    Killed on the way it leaves a folder that no training takes for data. Raises ValueError if `to` is not free.
    """
    killed = "it was left by a run that was killed: delete it; " if (to / UNFINISHED).exists() else ""
    refuse_used(to, mend=killed + NEW_FOLDER)
    made = [parent for parent in (to, *to.parents) if not parent.exists()]
    making = to / UNFINISHED
    try:
        making.mkdir(parents=True)
        yield making
        for entry in sorted(making.iterdir(), key=Path.is_file):  # folders first, then what speaks of them
            os.replace(entry, to / entry.name)
        making.rmdir()
    except BaseException as error:
        for entry in list(to.iterdir()) if to.is_dir() else []:
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
        with suppress(OSError):  # a folder above that somebody else has filled meanwhile stays, and all above it
            for folder in made:
                folder.rmdir()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(f"{to}: the disk is full; free space, or name another folder with --to") from None
        raise


FORGOTTEN = 24 * 3600  # seconds without a write, after which nobody is at work on it


def sweep(folder: Path, beginning: str) -> None:
    """Delete the folders of that beginning in a cache, which a process that was killed has left behind."""
    for path in folder.glob(f"{beginning}*"):
        if path.is_dir():
            written = max(entry.stat().st_mtime for entry in (path, *path.rglob("*")))
            if time.time() - written > FORGOTTEN:
                shutil.rmtree(path, ignore_errors=True)


def size_in_words(count: float) -> str:
    """Bytes -> "0 kB", "12 MB", "3.4 GB"."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


SHORT = "under a minute"


def time_in_words(seconds: float) -> str:
    """ "under a minute", "12 minutes", "3.4 hours"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return SHORT
    if minutes < 100:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{seconds / 3600:.1f} hours"


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], first: Sequence[str] = (), line_end: str = "\n") -> None:
    """Rows -> CSV in UTF-8; columns in order of appearance, `first` before the others, "" where a row lacks one."""
    found = dict.fromkeys(name for row in rows for name in row)
    header = [name for name in first if name in found] + [name for name in found if name not in first]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(map(as_text, header))
    writer.writerows([as_text(row.get(name, "")) for name in header] for row in rows)
    write_whole(path, printable(text.getvalue()).encode())


FORMULA = re.compile(r"'*[=+\-@\t\r].", re.DOTALL)  # how a cell begins that a spreadsheet would run


def as_text(cell: Any) -> Any:
    """A cell as it is written: what a spreadsheet would take for a formula gets a ' before it; numbers stay.

    Cells come from others' sheets, and whoever opens our table has not seen theirs. from_text takes the ' away.
    """
    if not isinstance(cell, str) or not FORMULA.match(cell):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def from_text(cell: str) -> str:
    """A cell as it was before as_text."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """A file's bytes as an address that holds them, so that a page needs no file beside it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def png_uri(picture: "Image.Image") -> str:
    """A picture as the address of a PNG."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    return data_uri(content.getvalue())
