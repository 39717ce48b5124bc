"""How far a reader has to go: measures of the house, counted from the source and from one traced step of training.

    python -m benchmarks.house [--top DIR]

Hops are the calls from main to the function in which the optimiser steps. The files of a step are those whose code runs
in it, without networks/, which a step uses as they are. tests/test_house.py holds the limits.
"""

import argparse
import ast
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
PACKAGES = ("progan_style", "analysis", "explorer")
Measured = tuple[int, str]  # how much, of what

# Runs the training of a checkout up to its second step, a plain one, and tells of it: the functions on the stack where
# D's optimiser steps, and the files whose code runs between the step's beginning and its end.
TRACE = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
here, stack, files, begun = sys.argv[1] + "/", [], set(), 0

def is_ours(frame):
    return frame.f_code.co_filename.startswith(here) and "site-packages" not in frame.f_code.co_filename

def profile(frame, event, _):
    global begun
    if not is_ours(frame):
        return
    name = frame.f_code.co_filename[len(here):]
    whole = name.endswith("trainer.py") and frame.f_code.co_name == "step"
    whole = whole and frame.f_back.f_code.co_filename == frame.f_code.co_filename  # of the run, not of the forecast
    if event == "call" and whole:
        begun += 1
    if event == "call" and begun == 2:
        files.add(name)
    if event == "return" and whole and begun == 2:
        sys.setprofile(None)
        print("FRAMES", *stack)
        print("FILES", *sorted(files))
        sys.exit(0)

plain = torch.optim.Adam.step
def step(self, *rest):
    frame = sys._getframe(1)
    if begun == 2 and not stack:
        while frame:
            if is_ours(frame):
                stack.insert(0, frame.f_code.co_name)
            frame = frame.f_back
    return plain(self, *rest)

torch.optim.Adam.step = step
import train
sys.setprofile(profile)
train.main(sys.argv[2:])
"""
TINY = ("network.channel_base=64", "network.channel_max=8", "data.phantom.persons=20", "data.phantom.slices=1",
        "training.precision=fp32", "threads=1", "schedule.batch_size.8=8")  # fmt: skip


def traced_step(top: Path, data: Path | None = None) -> tuple[list[str], list[str]]:
    """The functions from main to the one whose call steps D's optimiser, and the files of a plain step.

    data: slices to train on, instead of phantoms.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--run", f"{folder}/run", "--until", "8", "--set", f"data.cache={folder}/cache"]
        arguments += ["--data", str(data)] if data else []
        arguments += [word for change in TINY for word in ("--set", change)]
        command = [sys.executable, "-c", TRACE, str(top), *arguments]
        done = subprocess.run(command, cwd=top, capture_output=True, text=True)
    found = dict(re.findall(r"^(FRAMES|FILES) (.*)$", done.stdout, re.MULTILINE))
    assert found, done.stderr
    return found["FRAMES"].split(), [name for name in found["FILES"].split() if "/networks/" not in name]


def sources(top: Path, packages: tuple[str, ...] = PACKAGES) -> list[Path]:
    return sorted([*top.glob("*.py"), *(path for name in packages for path in (top / name).rglob("*.py"))])


def longest_file(top: Path, packages: tuple[str, ...] = PACKAGES) -> Measured:
    """Lines."""
    return max((len(path.read_text().splitlines()), str(path.relative_to(top))) for path in sources(top, packages))


def functions(top: Path, packages: tuple[str, ...]) -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{path.relative_to(top)}: {node.name}", node)
        for path in sources(top, packages)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def longest_function(top: Path, packages: tuple[str, ...] = PACKAGES) -> Measured:
    """Lines, from def to the last."""
    return max(((node.end_lineno or 0) - node.lineno + 1, name) for name, node in functions(top, packages))


def most_arguments(top: Path, packages: tuple[str, ...] = PACKAGES) -> Measured:
    """Of one function, keywords too, self and cls apart."""

    def count(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        return len([name for name in names if name not in ("self", "cls")])

    return max((count(node), name) for name, node in functions(top, packages))


def ignored_types(top: Path) -> list[str]:
    """Lines with `type: ignore` in the two packages."""
    return [
        f"{path.relative_to(top)}: {line.strip()}"
        for path in sources(top)
        for line in path.read_text().splitlines()
        if "type: ignore" in line
    ]


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__.splitlines()[0])
    p.add_argument("--top", metavar="DIR", type=Path, default=TOP, help="a checkout (default: this one)")
    top = p.parse_args(argv).top.resolve()
    frames, files = traced_step(top)
    print(f"hops from main to the optimiser's step: {len(frames) - 1}: {' > '.join(frames)}")
    print(f"files of a step: {len(files)}: {', '.join(files)}")
    for package in PACKAGES:
        only = (package,)
        print(f"{package}: longest file {longest_file(top, only)}, longest function {longest_function(top, only)}, "
              f"most arguments {most_arguments(top, only)}")  # fmt: skip
    print("type: ignore:", *ignored_types(top), sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
