"""One run on several processes: who I am, what is added over all, who may write.

`torchrun --nproc-per-node=N train.py ...` starts the processes and sets RANK, LOCAL_RANK and WORLD_SIZE; without them
every function here is the identity, so that one process and many run the same lines. Tensors on a GPU travel over
NCCL, those of the host over gloo.
"""

import atexit
import datetime
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

Result = TypeVar("Result")
# Rank 0 evaluates, plots and packs while the others wait.
PATIENCE = datetime.timedelta(hours=2)

joined = False  # whether this process has ever joined others


def rank() -> int:
    """0 without others to join, whatever RANK says: a second rank writes nothing."""
    return _number("RANK", 0) if world() > 1 else 0


def local_rank() -> int:
    """The rank among the processes of this machine: which of its GPUs is mine."""
    return _number("LOCAL_RANK", 0) if world() > 1 else 0


def world() -> int:
    """The number of processes."""
    return _number("WORLD_SIZE", 1)


def _number(name: str, usual: int) -> int:
    text = os.environ.get(name) or str(usual)
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name}={text} in the environment: expected a number, as torchrun sets it; unset {name}")
    return int(text)


def start() -> None:
    """Join the others, where torchrun started more than one."""
    global joined
    if world() == 1 and (left := os.environ.get("RANK", "0")) != "0":
        say(
            f"note: RANK={left} in the environment is ignored: there are no others to join (WORLD_SIZE is 1 or not set)"
        )
    if world() > 1 and not dist.is_initialized():
        # The first optimiser imports this. Its functions have the group as it then is for a default argument, which
        # would keep the group and its threads beyond stop(); and a thread that frees a tensor while the interpreter
        # ends aborts the process.
        import torch.distributed.nn.functional

        joined = True
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
        atexit.register(stop, together=False)  # also of a process that ends without a word


def stop(together: bool) -> None:
    """Leave: together with the others, where all went well.

    After an error at once: the others then fail in their next exchange, instead of waiting.
    """
    if dist.is_initialized():
        if together:
            any_rank(False)
        dist.destroy_process_group()


def _exchange(call: Callable[[], Any]) -> None:
    try:
        call()
        return
    except RuntimeError as error:
        why = str(error).splitlines()[0][:120]
    # Outside of the handler: the first error's frames hold the group, which stop() is to free.
    raise ConnectionError(
        f"rank {rank()}: stopped, since another rank did; its own message says why, and the last checkpoint is kept "
        f"({why})"
    )


def say(text: str, write: Callable[[str], object] = print) -> None:
    """A line on the screen, once, whatever the number of processes."""
    if rank() == 0:
        write(text)
        sys.stdout.flush()


def add(tensors: Iterable[Tensor], divide: bool = False) -> None:
    """Each tensor becomes its sum over the ranks (divide: its mean), in place, in one exchange."""
    group = list(tensors)
    if world() == 1 or not group:
        return
    flat = torch.cat([t.detach().reshape(-1) for t in group])
    _exchange(lambda: dist.all_reduce(flat))
    if divide:
        flat /= world()
    parts = flat.split([t.numel() for t in group])
    with torch.no_grad():
        torch._foreach_copy_(group, [part.view(t.shape) for part, t in zip(parts, group, strict=True)])


def copy_from_first(tensors: Iterable[Tensor]) -> None:
    """Each tensor becomes that of rank 0, in place."""
    if world() > 1:
        for t in tensors:
            _exchange(partial(dist.broadcast, t.detach(), src=0))


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on any rank; a host exchange that waits for no GPU."""
    if world() == 1:
        return flag
    flags = torch.tensor([int(flag)])
    _exchange(lambda: dist.all_reduce(flags, op=dist.ReduceOp.MAX))
    return bool(flags)


def all_say(value: str) -> list[str]:
    """The value of every rank, in order."""
    values = [value] * world()
    if world() > 1:
        _exchange(lambda: dist.all_gather_object(values, value))
    return values


def refuse_differences(value: Any, what: str) -> None:
    """Raises ValueError with `what`, on every rank, if the ranks do not hold the same value, which JSON can write."""
    mine = hashlib.sha256(json.dumps(value).encode()).hexdigest()
    if len(set(all_say(mine))) > 1:
        raise ValueError(f"rank {rank()}: {what}")


def one_first(call: Callable[[], Result]) -> Result:
    """The call's result on every rank; one process of each machine makes it first, the others find what it left."""
    if world() == 1:
        return call()
    if local_rank() == 0:
        result = call()
        any_rank(False)
        return result
    any_rank(False)
    return call()
