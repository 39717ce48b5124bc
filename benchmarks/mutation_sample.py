"""How many faults the tests notice: a random sample of small faults, made by rule, each against its module's own tests.

    python -m benchmarks.mutation_sample [--count 200] [--seed 0] [--to FILE] [--living FILE]

Every place of the modules in TESTS where a rule fits is a fault that could be: a comparison with its edge moved or
turned round, another operator, a number plus one, True for False, and for or, an `if` turned round, `return None`, a
call, an addition in place, a raise, a continue or a break left out. Of all places a sample is drawn. Left out are
docstrings, texts, annotations, decorators, asserts and what stands inside of a raised message. Prints for each fault
the test that notices it, or LIVES; at the end the share, with Wilson's 95 % interval. benchmarks/mutants.py plants
faults by hand.
"""

import argparse
import ast
import importlib
import json
import math
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.mutants import REPO, copy_tree

MODEL = "tests/progan_style"
WHOLE_STEP = f"{MODEL}/training/test_whole_step.py"
AUDIT = tuple(f"{MODEL}/audit/test_{name}.py" for name in ("findings", "confounds", "likeness", "audit"))
NETWORKS = (f"{MODEL}/networks/test_contract.py", WHOLE_STEP)
# Module -> its tests, the quickest first
TESTS: dict[str, tuple[str, ...]] = {
    **{
        f"progan_style/networks/{name}.py": (f"{MODEL}/networks/test_{name}.py", *NETWORKS)
        for name in (
            *("conditions", "layers", "convolution", "passes", "resampling", "fir", "mapping", "generating"),
            *("discriminator", "stylegan1", "stylegan2"),
        )
    },
    "progan_style/training/losses.py": (f"{MODEL}/training/test_losses.py", WHOLE_STEP),
    "progan_style/training/step.py": (WHOLE_STEP, f"{MODEL}/training/test_step.py"),
    "progan_style/training/augment.py": (f"{MODEL}/training/test_augment.py", WHOLE_STEP),
    "progan_style/training/schedule.py": (f"{MODEL}/training/test_schedule.py",),
    "progan_style/scans/split.py": (f"{MODEL}/scans/test_split.py",),
    **{
        f"analysis/{name}.py": (f"tests/analysis/test_{name}.py",)
        for name in ("distances", "classification", "persons")
    },
    **{f"progan_style/audit/{name}.py": AUDIT for name in ("findings", "confounds", "likeness", "audit")},
}
# Loaded once, before the first fault: each run of the tests is a fork
LIBRARIES = ("torch", "numpy", "scipy.stats", "scipy.ndimage", "sklearn.linear_model", "sklearn.neighbors", "PIL.Image",
             "yaml", "pydantic", "safetensors.torch", "nibabel", "matplotlib.figure", "tqdm", "pytest", "xdist",
             "pytest_timeout")  # fmt: skip

# ------------------------------------------------------------------------------------------------------- the rules

COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift,
}  # fmt: skip
JOINED = {ast.And: ast.Or, ast.Or: ast.And}
LEFT_OUT = (ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)


@dataclass(frozen=True)
class Fault:
    """The rule's words for it, and the place of it among those of its file."""

    file: str
    number: int
    line: int
    words: str

    def planted(self, source: str) -> str:
        tree = ast.parse(source)
        sites = list(places(tree))
        sites[self.number][2]()
        return ast.unparse(ast.fix_missing_locations(tree))


def places(tree: ast.AST) -> Iterator[tuple[int, str, Callable[[], None]]]:
    """(line, words, what plants it in the tree) of each place of a file."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        children = value if isinstance(value, list) else [value]
        for index, node in enumerate(children):
            if not isinstance(node, ast.AST) or isinstance(node, LEFT_OUT):
                continue
            for words, new in others(node):
                shown = ast.unparse(node).partition("\n")[0]
                text = f"{shown}  ->  {words or ast.unparse(new).partition(chr(10))[0]}"
                yield getattr(node, "lineno", 0), text, putting(tree, name, index, value, new)
            if not isinstance(node, ast.Raise):
                yield from places(node)


def putting(parent: ast.AST, name: str, index: int, value: object, new: ast.AST) -> Callable[[], None]:
    def put() -> None:
        if isinstance(value, list):
            value[index] = new
        else:
            setattr(parent, name, new)

    return put


def others(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What a rule puts in a node's place, "" or words for it."""
    match node:
        case ast.Compare(left, [operator], values):
            yield "", ast.Compare(left, [COMPARED[type(operator)]()], values)
        case ast.BinOp(left, operator, right) if type(operator) in COMPUTED and not _is_text(left):
            yield "", ast.BinOp(left, COMPUTED[type(operator)](), right)
        case ast.BoolOp(operator, values):
            yield "", ast.BoolOp(JOINED[type(operator)](), values)
        case ast.UnaryOp(ast.USub() | ast.Not(), value):
            yield "", value
        case ast.Constant(bool() as value):
            yield "", ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield "", ast.Constant(value + 1)
        case ast.If(test, body, orelse) if ast.unparse(test) != "TYPE_CHECKING":
            yield "turned round", ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test, body, orelse):
            yield "", ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Return(value) if value is not None and ast.unparse(value) != "None":
            yield "", ast.Return(ast.Constant(None))
        case ast.Expr(ast.Call()) | ast.Raise() | ast.AugAssign() | ast.Continue() | ast.Break():
            yield "left out", ast.Pass()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def faults_of(root: Path, files: Sequence[str]) -> list[Fault]:
    """Every fault that could be, in the order of the files and of their lines."""
    found = []
    for file in files:
        tree = ast.parse((root / file).read_text(encoding="utf-8"))
        found += [Fault(file, k, line, words) for k, (line, words, _) in enumerate(places(tree))]
    return found


# ------------------------------------------------------------------------------------------------------ the trials


class First:
    """A plugin of pytest that remembers the first test that failed."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid

    pytest_collectreport = pytest_runtest_logreport


def trial(tree: Path, tests: Sequence[str], answer) -> None:
    """In a process of its own: the tests of a tree up to the first that fails."""
    import pytest

    os.setsid()
    os.chdir(tree)
    null = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(null, number)
    for name in [name for name in sys.modules if name.split(".")[0] in ("progan_style", "analysis", "benchmarks")]:
        del sys.modules[name]
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    importlib.invalidate_caches()
    first = First()
    code = pytest.main(["-x", "-q", "-n", "0", "--tb=no", "-p", "no:cacheprovider", *tests], plugins=[first])
    answer.send((int(code), first.name.removeprefix("tests/")))


def noticed(tree: Path, tests: Sequence[str], limit: float) -> str:
    """The first test that fails, what else happened, or "" if all pass. limit: seconds."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=trial, args=(tree, tests, theirs))
    process.start()
    theirs.close()
    try:
        code, name = ours.recv() if ours.poll(limit) else (None, f"no end within {limit:.0f} s")
    except EOFError:
        code, name = None, "the tests' process ended"
    try:
        os.killpg(process.pid or 0, signal.SIGKILL)  # with the workers it may have started
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.join()
    return "" if code == 0 else name or f"pytest ended with {code}"


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, JASA 22, 1927)."""
    z, p = 1.959964, hits / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.mutation_sample", description=__doc__.splitlines()[0])
    p.add_argument("--count", type=int, default=200, metavar="N", help="faults (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, metavar="S", help="of the sample (default: %(default)s)")
    p.add_argument(
        "--to", type=Path, metavar="FILE", help="a line of JSON for each fault; those in it are not repeated"
    )
    p.add_argument("--living", type=Path, metavar="FILE", help="only those that lived in that file of --to")
    args = p.parse_args(argv)
    for name in LIBRARIES:
        importlib.import_module(name)

    everything = faults_of(REPO, tuple(TESTS))
    chosen = random.Random(args.seed).sample(everything, min(args.count, len(everything)))
    if args.living:
        rows = [json.loads(line) for line in args.living.read_text(encoding="utf-8").splitlines()]
        lived = {(row["file"], row["number"]) for row in rows if not row["noticed"]}
        chosen = [fault for fault in chosen if (fault.file, fault.number) in lived]
    done: dict[tuple[str, int], str] = {}
    if args.to and args.to.exists():
        rows = [json.loads(line) for line in args.to.read_text(encoding="utf-8").splitlines()]
        done = {(row["file"], row["number"]): row["noticed"] for row in rows}
    print(f"{len(chosen)} of {len(everything)} faults, seed {args.seed}", flush=True)

    seconds: dict[str, float] = {}  # what a file of tests takes without a fault
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copy_tree(tree)
        for fault in chosen:
            tests = tuple(test for test in TESTS[fault.file] if (REPO / test).is_file())
            if (fault.file, fault.number) in done:
                continue
            for test in [test for test in tests if test not in seconds]:
                began = time.monotonic()
                if failed := noticed(tree, [test], 600):
                    print(f"without a fault {failed} fails; mend that first", file=sys.stderr)
                    return 2
                seconds[test] = time.monotonic() - began
            limit = 30 + 3 * sum(seconds[test] for test in tests)
            path, began = tree / fault.file, time.monotonic()
            source = path.read_text(encoding="utf-8")
            path.write_text(fault.planted(source), encoding="utf-8")
            by = done[fault.file, fault.number] = noticed(tree, tests, limit)
            path.write_text(source, encoding="utf-8")
            took = time.monotonic() - began
            print(f"{took:4.0f} s  {fault.file}:{fault.line}  {fault.words}  |  {by or 'LIVES'}", flush=True)
            if args.to:
                with open(args.to, "a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(fault) | {"noticed": by}) + "\n")
    seen = sum(bool(done[fault.file, fault.number]) for fault in chosen)
    low, high = wilson(seen, len(chosen)) if chosen else (0.0, 1.0)
    print(f"{seen} of {len(chosen)} noticed: {seen / max(1, len(chosen)):.3f} (95 % {low:.3f} to {high:.3f})")
    return 0 if seen == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
