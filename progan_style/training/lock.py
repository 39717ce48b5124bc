"""One process writes in a run's folder at a time.

Two would write the same checkpoint and the same log: lines come twice, or the one ahead dies of a file that the other
has moved. The system holds the lock and frees it when its owner ends, however that happens.
"""

import contextlib
import datetime
import json
import os
import platform
from pathlib import Path
from typing import IO

NAME = "training.lock"


class Lock:
    """Of one folder. The file says whose it is: host, process and since when."""

    def __init__(self, folder: Path):
        self.path = folder / NAME
        self.file: IO[str] | None = None
        self.folder: os.stat_result | None = None  # which one it was when the lock was taken

    def take(self) -> str:
        """Returns a line to say if its last owner ended without a word, else "".

        Raises ValueError, naming the owner, if it is held. Where the system or the disk knows no locks there is none.
        """
        try:
            import fcntl
        except ImportError:  # Windows
            return ""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while self.file is None:
            file = open(self.path, "a+", encoding="utf-8")  # noqa: SIM115  (held until release)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with file:
                    raise busy(self.path.parent, file) from None
            except OSError:  # a disk without locks
                file.close()
                return ""
            if self._is_at_its_place(file):
                self.file, self.folder = file, self.path.parent.stat()
            else:  # its owner has taken it away in between
                file.close()
        before = words(self.file)
        self.file.truncate(0)
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        json.dump({"host": platform.node(), "process": os.getpid(), "since": now}, self.file)
        self.file.flush()
        return f"note: the last training here ended without a word ({before})" if before else ""

    def refuse_another_folder(self) -> None:
        """Raises OSError if the folder was moved or deleted since: what is written now would make another one."""
        if self.folder is not None:
            there = self.path.parent
            if not there.is_dir() or not os.path.samestat(self.folder, there.stat()):
                raise OSError(f"{there}: the folder of this training was moved or deleted")

    def _is_at_its_place(self, file: IO[str]) -> bool:
        return self.path.exists() and os.path.samestat(os.fstat(file.fileno()), self.path.stat())

    def release(self) -> None:
        if self.file is not None:
            if self._is_at_its_place(self.file):
                self.path.unlink(missing_ok=True)
            self.file.close()
            self.file = None


def refuse_busy(folder: Path) -> None:
    """Raises ValueError if another training writes in a folder; nothing is taken or changed."""
    with contextlib.suppress(ImportError, FileNotFoundError), open(folder / NAME, encoding="utf-8") as file:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy(folder, file) from None
        except OSError:  # a disk without locks
            return


def busy(folder: Path, file: IO[str]) -> ValueError:
    return ValueError(
        f"{folder}: another training writes here ({words(file)}); wait for it or stop it, or name another folder with "
        f"--run"
    )


def words(file: IO[str]) -> str:
    """Whose lock it is; "" for a new one."""
    file.seek(0)
    text = file.read()
    try:
        owner = json.loads(text)
        return f"process {owner['process']} on {owner['host']}, since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "an unknown process" if text else ""
