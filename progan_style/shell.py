"""What the shells share: how a command ends."""

import argparse
import contextlib
import errno
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Any


def run(name: str, work: Callable[[argparse.Namespace], int], args: argparse.Namespace, interrupted: str) -> int:
    """work(args) -> exit code. What a user can mend is one line on stderr and exit 2, Ctrl-C a line and exit 130.

    Of several processes, the first tells what all of them find, each what happens to it after they have joined.
    """
    for standard in ("stdout", "stderr"):
        if isinstance(stream := getattr(sys, standard), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that is no UTF-8 ends no command by being printed
            setattr(sys, standard, Unread(stream))
    os.environ["MPLBACKEND"] = "agg"  # a notebook's own, inherited, may not be there; nothing is shown in a window
    try:
        return work(args)
    except OSError as error:
        _tell(f"{name}: {in_words(error)}")
        return 2
    except (ValueError, MemoryError) as error:
        _tell(f"{name}: {error}")
        return 2
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        _tell(f"{name}: out of memory; ask for less at a time, or use --device cpu")
        return 2
    except KeyboardInterrupt:
        _tell(f"{name}: {interrupted}")
        return 130


class Unread:
    """A stream whose reader may go (`predict.py | head`, a terminal): the work goes on without words."""

    def __init__(self, stream: io.TextIOWrapper):
        self._stream = stream
        # A terminal that is gone is a reader that went; of a file the same error is a disk that fails
        self._gone = (errno.EPIPE, errno.EIO) if stream.isatty() else (errno.EPIPE,)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._quiet():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._quiet():
            self._stream.flush()

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in self._gone:
                raise
            nobody = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nobody, self._stream.fileno())
            os.close(nobody)


def in_words(error: OSError) -> str:
    """What the system refused: the file and the reason. An error of our own keeps its words."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        source, *_, why = error.args[0][0]  # of several files that could not be copied
        return f"{source}: not copied: {why}"
    if error.errno is None or error.strerror != os.strerror(error.errno):
        return str(error.strerror or error) if error.filename is None else str(error)
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    reason = "the disk is full; free space, and run the same command again" if full else error.strerror
    return f"{os.fsdecode(error.filename)}: {reason}" if error.filename is not None else reason


def _tell(text: str) -> None:
    line = " ".join(text.splitlines())  # a cell or a name in it may hold a line break
    distributed = sys.modules.get("progan_style.distributed")  # not imported here: it loads torch
    one_of_many = os.environ.get("WORLD_SIZE", "1") not in ("", "0", "1") and os.environ.get("RANK", "0").isdigit()
    if not one_of_many or os.environ.get("RANK", "0") == "0" or (distributed and distributed.joined):
        print(line, file=sys.stderr)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU or the host ran out of memory; torch reports it in several ways."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # oneDNN's word for a limit of addresses (ulimit -v, a batch system's h_vmem), and for other faults without one
    limited = ("could not create a primitive",) if memory_is_limited() else ()
    signs = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED", *limited)
    return any(sign in str(error) for sign in signs)


def memory_is_limited() -> bool:
    """Whether this process may have a part of the machine's addresses only."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
