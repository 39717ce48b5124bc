"""Whether two checkouts compute the same numbers: tiny seeded runs through both command lines, compared bit for bit.

    python -m benchmarks.equal_runs --before DIR --after DIR [--only NAME,...] [--quick] [--work DIR]

Each case is played in both trees at the same time, one thread each, from phantoms that each tree makes for itself.
Compared are all tensors and values of checkpoints, tensors and headers of networks, lines of log.jsonl, the numbers of
metrics.json, and the bytes of pictures and tables. Not compared are times, and what is worded or drawn for people:
config.yaml, pages, plots. One line for each case says what was compared, whether it is equal or where it first
differs, and the seconds of CPU in each tree. Exit 1 if anything differs.

Cases are written in the older tree's spelling; `spelled` translates for a tree that spells an option otherwise, and
RENAMED says what stands under another name in the newer tree's files.
"""

import argparse
import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
import torch
import yaml
from safetensors import safe_open
from torch import Tensor

# ---------------------------------------------------------------- what is played

TINY = {
    "threads": 1,
    "network": {"name": "stylegan1", "z_dim": 8, "w_dim": 8, "mapping_depth": 2, "channel_base": 64, "channel_max": 8},
    "schedule": {
        "resolutions": [8, 16],
        "fade_kimg": {8: 0, 16: 0.064},
        "hold_kimg": {8: 0.096, 16: 0.16},
        "batch_size": {8: 8, 16: 8},
    },
    "loss": {"penalty_interval": 4},
    "training": {
        "log_kimg": 0.016,
        "grid_kimg": 0.04,
        "checkpoint_kimg": 0.024,
        "eval_kimg": None,
        "eval_samples": 32,
        "precision": "fp32",
    },
}


@dataclass(frozen=True)
class Command:
    """A program and its arguments; {work} is the tree's folder, {case} the case's in it.

    stop_at: the command gets SIGTERM once this file is there.
    """

    words: tuple[str, ...]
    stop_at: str = ""


@dataclass(frozen=True)
class Case:
    covers: str
    commands: tuple[Command, ...]
    quick: bool = False


def call(line: str, *words: str) -> Command:
    return Command((*line.split(), *words))


def train(*options: str, run: str = "run", data: bool = True, more: Sequence[str] = (), stop_at: str = "") -> Command:
    """train.py with each of the options KEY=VALUE, on the first case's slices or on the built-in phantoms."""
    words = ["--config", "{work}/tiny.yaml", "--run", f"{{case}}/{run}", "--device", "cpu", *more]
    words += ["--data", "{work}/phantoms/slices"] if data else []
    words += [word for option in options for word in ("--set", option)]
    return Command(("train.py", *words), stop_at)


def generate(*words: str) -> Command:
    return call("generate.py --run {case}/run --to {case}/generated --device cpu --count 6", *words)


def on_two_ranks(command: Command) -> Command:
    return call("torchrun", *command.words)


STYLEGAN2 = (
    "network.name=stylegan2",
    "schedule.resolutions=[16]",
    "schedule.hold_kimg.16=0.32",
    "loss.path_length=2.0",
)
ADA = ("augment.name=ada", "augment.half_time_kimg=0.1", "augment.target=0.01")
FIXED = ("augment.name=fixed", "augment.p=0.6")
AUXILIARY = "conditioning.name=auxiliary"
BALANCED = "data.sampling=balanced"
HEIGHT = "data.conditions={slice_mm: position}"
WILD = ("schedule.lr_g={8: 0.4, 16: 0.001}", "schedule.lr_d={8: 0.4, 16: 0.001}", "schedule.hold_kimg.8=0.4")
LONG = "schedule.hold_kimg.16=0.8"
PARTS = "grid,similarity,fidelity,discriminator,copies,latents"  # without umap, which would compile for a minute

CASES = {
    "phantoms": Case(
        "the phantoms that the other cases read, and their audit",
        (
            call("phantoms --to {case}/slices --persons 30 --slices 4 --size 16 --workers 1"),
            call("prepare.py --audit {case}/slices --to {case}/audit"),
        ),
        quick=True,
    ),
    "plain": Case(
        "stylegan1, relativistic; generated slices, psi; --init with a class that is new",
        (
            train(),
            generate("--psi", "0.7", "--seed", "3"),
            train(
                *("data.classes=[MCI, AD]", "data.aliases={CN: MCI}"),
                run="begun",
                more=("--init", "{case}/run/checkpoint.pt", "--until", "8"),
            ),
        ),
        quick=True,
    ),
    "stylegan1-logistic": Case(
        "stylegan1, logistic; auxiliary, label_kimg",
        (train("loss.name=logistic", AUXILIARY, "schedule.label_kimg=[0.05, 0.2]"),),
        quick=True,
    ),
    "stylegan1-wgan-gp": Case("stylegan1, wgan-gp; balanced", (train("loss.name=wgan-gp", BALANCED),)),
    "stylegan1-hinge": Case("stylegan1, hinge; ada", (train("loss.name=hinge", *ADA),), quick=True),
    "stylegan2-relativistic": Case(
        "stylegan2, relativistic, path length; ada", (train(*STYLEGAN2, "loss.name=relativistic", *ADA),)
    ),
    "stylegan2-logistic": Case(
        "stylegan2, logistic, path length; auxiliary, positions, balanced; a height's slices",
        (train(*STYLEGAN2, "loss.name=logistic", AUXILIARY, HEIGHT, BALANCED), generate("--position", "20")),
    ),
    "stylegan2-wgan-gp": Case(
        "stylegan2, wgan-gp, path length; fixed augmentation",
        (train(*STYLEGAN2, "loss.name=wgan-gp", *FIXED),),
        quick=True,
    ),
    "stylegan2-hinge": Case(
        "stylegan2, hinge, path length; bf16",
        (train(*STYLEGAN2, "loss.name=hinge", "training.precision=bf16"),),
    ),
    "positions": Case(
        "stylegan1, relativistic; positions; one class's slices at a height",
        (train(HEIGHT), generate("--position", "20", "--label", "AD")),
        quick=True,
    ),
    "one-class": Case(
        "unconditional; fixed augmentation; --stage after --stage",
        (train("data.classes=[AD]", *FIXED, more=("--stage",)), call("train.py --run {case}/run --device cpu --stage")),
    ),
    "bf16": Case("stylegan1, relativistic; bf16", (train("training.precision=bf16"),)),
    "two-ranks": Case(
        "stylegan1, wgan-gp; ada; two processes", (on_two_ranks(train("loss.name=wgan-gp", *ADA)),), quick=True
    ),
    "rollback": Case(
        "stylegan1; diverges and goes back", (train(*WILD, "training.on_divergence=rollback"),), quick=True
    ),
    "stopped": Case(
        "stylegan1; SIGTERM in the second stage, the same command again",
        (train(LONG, stop_at="{case}/run/stage-008/generator.safetensors"), train(LONG)),
    ),
    "report": Case(
        "the built-in phantoms; KID while training; the report without umap",
        (
            train("training.eval_kimg=0.16", "data.phantom.persons=20", "data.phantom.slices=2", data=False),
            call("predict.py --run {case}/run --device cpu --samples-per-label 32 --unseen-phantoms 20 --parts", PARTS),
        ),
    ),
    "prepare": Case(
        "scans and a sheet to a data folder, its audit",
        (
            call(
                "prepare.py {work}/scans --labels {work}/scans.csv --to {case}/slices --workers 1",
                *("--slices", "3", "--spacing", "10", "--size", "32"),
            ),
            call("prepare.py --audit {case}/slices --to {case}/audit"),
        ),
    ),
}


def write_inputs(work: Path) -> None:
    """What the cases read: tiny.yaml with a cache of its own, eight scans of ellipsoids and their sheet."""
    work.mkdir(parents=True)
    (work / "tiny.yaml").write_text(yaml.safe_dump(TINY | {"data": {"cache": str(work / "cache")}}))
    corner = np.array([-99.0, -117.0, -117.0])  # mm
    x, y, z = np.indices((34, 40, 40)) * 6.0 + corner[:, None, None, None]
    lines = ["subject,group,age"]
    for person in range(8):
        rng = np.random.default_rng(person)
        ventricles = tuple(rng.uniform((16, 22, 10), (24, 28, 16)))
        heads = {400: (75, 95, 90), 40: (68, 87, 82), 700: (62, 80, 75), 150: ventricles}  # half axes, mm
        scan = rng.normal(10, 2, x.shape).clip(0)
        for gray, (a, b, c) in heads.items():
            scan[(x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1] = gray
        affine = np.diag([6.0, 6.0, 6.0, 1.0])
        affine[:3, 3] = corner
        (work / "scans").mkdir(exist_ok=True)
        image = nib.Nifti1Image(np.rint(scan + rng.normal(0, 10, scan.shape).clip(0)).astype(np.int16), affine)
        nib.save(image, work / "scans" / f"sub-{person:02d}_T1w.nii.gz")
        lines.append(f"sub-{person:02d},{('CN', 'AD')[person % 2]},{60 + person}")
    (work / "scans.csv").write_text("\n".join(lines) + "\n")


# ---------------------------------------------------------------- how a tree spells it

PHANTOMS = ("progan_style.data.phantom", "progan_style.phantoms", "progan_style.commands.phantoms")


def spelled(tree: Path, words: Sequence[str]) -> list[str]:
    """A command's words for the interpreter, in the spelling of this checkout."""
    program, *words = words
    start = [program]
    if program == "torchrun":
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--", words.pop(0)]
    if program == "phantoms":
        files = {m: (f"{m.replace('.', '/')}.py", f"{m.replace('.', '/')}/__main__.py") for m in PHANTOMS}
        start = ["-m", next(m for m in PHANTOMS if any((tree / file).is_file() for file in files[m]))]
    return [*start, *words]


# ---------------------------------------------------------------- playing


class CommandFailed(Exception):
    """A command ended otherwise than it should."""


def play(tree: Path, work: Path, name: str) -> float:
    """The commands of a case in one checkout -> their seconds of CPU. Raises CommandFailed."""
    places = {"work": str(work), "case": str(work / name)}

    def here(word: str) -> str:
        return re.sub(r"\{(work|case)\}", lambda m: places[m[1]], word)

    seconds = 0.0
    for command in CASES[name].commands:
        words = spelled(tree, [here(word) for word in command.words])
        with tempfile.TemporaryFile("w+") as told:
            code, used = run(tree, words, told, Path(here(command.stop_at)) if command.stop_at else None)
            seconds += used
            if code != (128 + signal.SIGTERM if command.stop_at else 0):
                told.seek(0)
                last = [line for line in told.read().splitlines() if line.strip()][-1:]
                raise CommandFailed(f"exit {code} of {' '.join(words[:2])} ...: {''.join(last)}")
    return seconds


def run(tree: Path, words: list[str], told: IO[str], stop_at: Path | None) -> tuple[int, float]:
    """One command in a checkout, stopped by SIGTERM once a file is there -> exit code, seconds of CPU."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_DISABLE_JIT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)  # a checkout's own packages are the ones to run
    process = subprocess.Popen([sys.executable, *words], cwd=tree, env=environment, stdout=told, stderr=told)
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while stop_at and not stop_at.exists() and not os.waitid(os.P_PID, process.pid, ended):
        time.sleep(0.02)
    if stop_at:
        os.kill(process.pid, signal.SIGTERM)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


# ---------------------------------------------------------------- comparing

# Path of a leaf in the older tree's files (a regular expression) -> in the newer one's: what a refactoring renames.
RENAMED: dict[str, str] = {}
SKIPPED = ("config.yaml", "losses.png", "*.html", "tensorboard/*", "*.lock")
OF_REPORTS = ("analysis-*",)  # of these folders only metrics.json: the rest is worded and drawn
NO_NUMBER = re.compile(
    r"(^|\.)(config|date|device|command|revision|threads|images_per_second|seconds[.\w-]*|(gpu_)?memory_mb|"
    r"versions[.\w-]*|page|pictures\b.*|notes\b.*)$"
)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Nested dicts and lists -> {"opt_G.state.0.exp_avg": leaf}, an empty one being a leaf itself."""
    if isinstance(value, dict | list | tuple) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, part in items for k, v in leaves(part, f"{path}.{key}" if path else str(key)).items()}
    return {path: value}


def read(path: Path, work: Path) -> dict[str, Any]:
    """What is compared of a file, by its place in it. The folder of the tree's work is no difference."""
    if path.suffix == ".pt":
        state = torch.load(path, map_location="cpu", weights_only=True)
        return leaves({key: value for key, value in state.items() if key != "config"})
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            header = {key: json.loads(text) for key, text in (file.metadata() or {}).items()}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (safe_open is no dict)
        return tensors | leaves(header, "header")
    try:
        text = path.read_text(encoding="utf-8").replace(str(work), "WORK")
    except UnicodeDecodeError:
        return {"bytes": path.read_bytes()}
    if path.suffix == ".json":
        return {key: value for key, value in leaves(json.loads(text)).items() if not NO_NUMBER.search(key)}
    if path.suffix == ".jsonl":
        lines = leaves({f"line {i}": json.loads(line) for i, line in enumerate(text.splitlines(), 1)})
        return {key: value for key, value in lines.items() if not NO_NUMBER.search(key)}
    return {f"line {i}": line for i, line in enumerate(text.splitlines(), 1)}


def same(a: Any, b: Any) -> bool:
    """Bit for bit: -0.0 is not 0.0, and a NaN is itself."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))
    return type(a) is type(b) and repr(a) == repr(b)


def bits(x: Tensor) -> Tensor:
    """uint8 [number of elements, bytes of one]."""
    dense = x.clone(memory_format=torch.contiguous_format).reshape(-1)
    return dense.view(torch.uint8).reshape(x.numel(), x.element_size())


def both(a: Any, b: Any) -> str:
    """Two leaves that differ, in a few words."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"{a.dtype} {list(a.shape)} against {b.dtype} {list(b.shape)}"
        unlike = (bits(a) != bits(b)).any(dim=1).nonzero()[:, 0]
        i = int(unlike[0])
        values = f"{a.reshape(-1)[i].item()!r} against {b.reshape(-1)[i].item()!r}"
        return f"element {i}: {values} ({len(unlike)} of {a.numel()} differ)"
    if isinstance(a, bytes) and isinstance(b, bytes):
        shorter = min(len(a), len(b))
        at = next((i for i in range(shorter) if a[i] != b[i]), shorter)
        return f"from byte {at} on, of {len(a)} against {len(b)}"
    return f"{str(a)[:120]!r} against {str(b)[:120]!r}" if isinstance(a, str) else f"{a!r} against {b!r}"


def files_of(folder: Path) -> dict[str, Path]:
    """Relative names of what is compared -> paths."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}

    def wanted(name: str) -> bool:
        in_report = any(fnmatch.fnmatch(part, pattern) for part in Path(name).parts for pattern in OF_REPORTS)
        skipped = any(fnmatch.fnmatch(name, p) or fnmatch.fnmatch(name, f"*/{p}") for p in SKIPPED)
        return not skipped and (not in_report or Path(name).name == "metrics.json")

    return {name: path for name, path in found.items() if wanted(name)}


def compare(before: Path, after: Path, case: str) -> tuple[dict[str, int], str | None]:
    """Counts of what was compared, and the first difference of a case's two folders (None: equal)."""
    ours, theirs = (files_of(work / case) for work in (before, after))
    counts = {"files": 0, "tensors": 0, "values": 0, "lines": 0}
    if not ours:
        return counts, "nothing was written"
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            return counts, f"{name}: only {'after' if name in theirs else 'before'}"
        a, b = read(ours[name], before), read(theirs[name], after)
        for pattern, new in RENAMED.items():
            a = {re.sub(pattern, new, key): value for key, value in a.items()}
        counts["files"] += 1
        for key in [*a, *(key for key in b if key not in a)]:
            if key not in a or key not in b:
                return counts, f"{name}: {key}: only {'after' if key in b else 'before'}"
            if not same(a[key], b[key]):
                return counts, f"{name}: {key}: {both(a[key], b[key])}"
        counts["tensors"] += sum(isinstance(value, Tensor) for value in a.values())
        if ours[name].suffix in (".pt", ".safetensors", ".json"):
            counts["values"] += sum(not isinstance(value, Tensor) for value in a.values())
        counts["lines"] += len({key.partition(".")[0] for key in a if key.startswith("line ")})
    return counts, None


# ---------------------------------------------------------------- the command


def one_case(trees: dict[str, Path], work: Path, name: str) -> bool:
    """Play a case in both trees, print its line -> whether they are equal."""
    seconds: dict[str, str] = {}
    fault: str | None = None
    with ThreadPoolExecutor(len(trees)) as pool:
        played = {side: pool.submit(play, tree, work / side, name) for side, tree in trees.items()}
    for side, done in played.items():
        try:
            seconds[side] = f"{done.result():.0f} s"
        except CommandFailed as error:
            seconds[side], fault = "failed", fault or f"{side}: {error}"
    counts: dict[str, int] = {}
    if fault is None:
        counts, fault = compare(work / "before", work / "after", name)
    compared = ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "nothing compared"
    result = "equal" if fault is None else f"DIFFERENT {fault}"
    print(f"{name:23} {compared:48} {' | '.join(seconds.values()):13} {result}   [{CASES[name].covers}]", flush=True)
    return fault is None


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.equal_runs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--before", metavar="DIR", type=Path, required=True, help="the checkout that is right")
    p.add_argument("--after", metavar="DIR", type=Path, required=True, help="the checkout to be tried")
    p.add_argument("--only", metavar="NAME,...", help=f"cases: {', '.join(CASES)}")
    p.add_argument("--quick", action="store_true", help="the cases of a minute")
    p.add_argument("--work", metavar="DIR", type=Path, help="a new folder, kept, for what the cases write")
    args = p.parse_args(argv)
    trees = {"before": args.before.resolve(), "after": args.after.resolve()}
    names = (
        args.only.split(",") if args.only else [name for name, case in CASES.items() if case.quick or not args.quick]
    )
    if unknown := [name for name in names if name not in CASES]:
        p.error(f"--only: expected some of {', '.join(CASES)}; got {', '.join(unknown)}")
    if missing := [str(tree) for tree in trees.values() if not (tree / "train.py").is_file()]:
        p.error(f"{missing[0]}: no checkout, it holds no train.py")
    if args.work and args.work.exists():
        p.error(f"{args.work}: is there already; expected a new folder")
    names = ["phantoms", *(name for name in names if name != "phantoms")]  # the others read them

    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        work = (args.work or Path(scratch)).resolve()
        for side in trees:
            write_inputs(work / side)
        equal = [one_case(trees, work, name) for name in names]
    print(f"{sum(equal)} of {len(equal)} cases equal, {time.monotonic() - start:.0f} s")
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
