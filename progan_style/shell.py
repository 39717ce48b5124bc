"""What the shells share: how a command ends."""

import argparse
import os
import sys
from collections.abc import Callable


def run(name: str, work: Callable[[argparse.Namespace], int], args: argparse.Namespace, interrupted: str) -> int:
    """work(args) -> exit code. What a user can mend is one line on stderr and exit 2, Ctrl-C a line and exit 130.

    Of several processes, the first tells what all of them find, each what happens to it after they have joined.
    """
    try:
        return work(args)
    except (ValueError, OSError, MemoryError) as error:
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


def _tell(line: str) -> None:
    distributed = sys.modules.get("progan_style.distributed")  # not imported here: it loads torch
    one_of_many = os.environ.get("WORLD_SIZE", "1") not in ("", "0", "1") and os.environ.get("RANK", "0").isdigit()
    if not one_of_many or os.environ.get("RANK", "0") == "0" or (distributed and distributed.joined):
        print(line, file=sys.stderr)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU or the host ran out of memory; torch reports it in several ways."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(sign in str(error) for sign in ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED"))
