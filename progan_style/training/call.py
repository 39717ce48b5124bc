"""What a call of a training was: the command, the versions, the machine. One line of the log for each call."""

import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("torch", "torchvision", "numpy", "pydantic", "safetensors", "progan-style")


def describe_call(device: torch.device, precision: str) -> dict[str, Any]:
    """Texts and numbers for the log; `revision` only where the program runs from a checkout."""
    described: dict[str, Any] = {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": {"python": platform.python_version()} | {name: found for name in PACKAGES if (found := of(name))},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "precision": precision,
        "threads": torch.get_num_threads(),
    }
    revision = of_checkout(CHECKOUT)
    return described | ({"revision": revision} if revision else {})


def of(package: str) -> str:
    """The version that is installed; "" where none is."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def processor() -> str:
    """The CPU's name and the vector instructions that torch uses on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def of_checkout(folder: Path) -> str:
    """The commit of a git work tree, with "-dirty" where files differ from it; "" outside of one, or without git.

    A folder inside somebody's own repository, such as an environment's packages, is not a checkout of this program.
    """
    if not (folder / ".git").exists():
        return ""
    asked = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
