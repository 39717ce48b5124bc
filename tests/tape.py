"""What a CUDA graph does, on a CPU: a list of operations on fixed memory, replayed without the Python that made it."""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from progan_style.networks import convolution, fir

aten = torch.ops.aten
READS = {aten._local_scalar_dense.default, aten.nonzero.default, aten.equal.default}  # the host waits for the device
COPIES = {aten.lift_fresh.default, aten.lift_fresh_copy.default}  # numbers of the host, out of torch.tensor


class Tape(TorchDispatchMode):
    """Keeps each operation with its tensors. What it made new is overwritten by a replay, what it changed is changed.

    As in a CUDA graph, an operation that reads a value in Python or brings one from the host cannot be recorded. Other
    than there a recording runs what it records; `undo` takes that back.
    """

    def __init__(self):
        super().__init__()
        self.operations = []
        self.overwritten = []  # a tensor that existed, and its values before

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in READS | COPIES:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        kwargs = kwargs or {}
        if func._schema.is_mutable:
            given = tree_leaves((args, kwargs))
            self.overwritten += [(x, x.clone()) for x in given if isinstance(x, torch.Tensor)]
        out = func(*args, **kwargs)
        if not is_view(func):  # a view lies in memory that is overwritten anyway
            self.operations.append((func, args, kwargs, out))
        return out

    def replay(self):
        with torch.no_grad():
            for func, args, kwargs, before in self.operations:
                given = {id(leaf) for leaf in tree_leaves((args, kwargs))}
                after = func(*args, **kwargs)
                for old, new in zip(tree_leaves(before), tree_leaves(after), strict=True):
                    if isinstance(old, torch.Tensor) and id(old) not in given and old.numel():
                        old.copy_(new)

    def undo(self):
        with torch.no_grad():
            for x, before in reversed(self.overwritten):
                x.copy_(before)


def is_view(func):
    return any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)


class TapeRecorder:
    """Of graphs.Recorder."""

    def __init__(self):
        self.begun, self.recorded, self.replayed = 0, [], 0

    def begin(self):
        self.begun += 1

    def warm_up(self, call):
        return call()

    def record(self, call):
        tape = Tape()
        try:
            with as_on_a_card(), tape:
                terms = call()
        except RuntimeError:
            tape.undo()
            raise
        self.recorded.append(tape)

        def replay():
            self.replayed += 1
            tape.replay()

        return terms, replay


@contextmanager
def as_on_a_card():
    """Filters and convolutions in the forms that a card takes, which bring no number from the host."""
    before = convolution.DEVICES, fir.on_card, fir.why_no_kernel
    convolution.DEVICES, fir.on_card, fir.why_no_kernel = {"cpu"}, lambda x: True, lambda: "a CPU"
    try:
        yield
    finally:
        convolution.DEVICES, fir.on_card, fir.why_no_kernel = before
