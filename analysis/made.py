"""How a report was made: versions, device, the run's configuration. Nothing that says whose machine it was."""

from __future__ import annotations

import importlib.metadata
import platform
import re

import torch
import yaml

from analysis.context import Context

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "umap-learn", "matplotlib", "pillow", "torchmetrics")


def versions() -> dict[str, str]:
    """Of Python and of the packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("progan-style", *PACKAGES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
            continue
    return found


def device(name: str | torch.device) -> str:
    """In words: "CPU (x86_64), 2 threads", or the name of the graphics card."""
    there = torch.device(name)
    if there.type == "cuda":
        return torch.cuda.get_device_name(there)
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"


def configuration(context: Context) -> str:
    """The run's config.yaml, of paths their last part alone; "" where there is no run."""
    file = context.run_dir / "config.yaml" if context.run_dir is not None else None
    if file is None or not file.is_file():
        return ""
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    for section, key in ((tree, "init"), (tree["data"], "root"), (tree["data"], "cache")):
        if section.get(key):
            section[key] = last_part(section[key])
    return str(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))


def last_part(place: str) -> str:
    """Of a path of any system: no other rule knows where one ends, with blanks and quotes in its folders."""
    return re.split(r"[/\\]", place.rstrip("/\\"))[-1]
