"""What the shells share: how a command ends."""

import argparse
import sys
from collections.abc import Callable


def run(name: str, work: Callable[[argparse.Namespace], int], args: argparse.Namespace, interrupted: str) -> int:
    """work(args) -> exit code. What a user can mend is one line on stderr and exit 2, Ctrl-C a line and exit 130."""
    try:
        return work(args)
    except (ValueError, OSError, MemoryError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        print(f"{name}: out of memory; ask for less at a time, or use --device cpu", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: {interrupted}", file=sys.stderr)
        return 130


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU or the host ran out of memory; torch reports it in several ways."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(sign in str(error) for sign in ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED"))
