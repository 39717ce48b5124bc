"""What tests of runs share: states compared, log lines read, options that go together."""

import json

import torch

from progan_style.networks import ARCHITECTURES


def same(a, b, where="state"):
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for k in a:
            same(a[k], b[k], f"{where}.{k}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}.{i}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


OF_THE_MACHINE = ("images_per_second", "seconds", "memory_mb", "gpu_memory_mb")


def log_of(run_dir):
    """The log's lines without what depends on the machine and on how often the command was called."""
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in OF_THE_MACHINE} for line in lines if "command" not in line]


# Each architecture with all that it can do: growing or, with the path length every fourth step, in one stage.
OF_ARCHITECTURE = {
    name: ["schedule.resolutions=[16]", "schedule.hold_kimg.16=0.128", "loss.path_length=2.0"]
    if architecture.TWICE_DIFFERENTIABLE
    else []
    for name, architecture in ARCHITECTURES.items()
}


ADA = ("augment.name=ada", "augment.half_time_kimg=0.1", "augment.target=0.01")
