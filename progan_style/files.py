"""Files that are whole or not there."""

import os
import shutil
from pathlib import Path


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
