"""What the verdict says of slices whose worth is known: real people, noise, untrained generators, copies, one class.

    python -m benchmarks.verdicts [--draws 20] [--size 32] [--only SOURCE...] [--json FILE]

Phantoms stand for people. Each draw of a source takes the place of generated slices in a report's sections. Expected:
real people have no "bad" line, but for one draw in 20; noise and untrained generators are bad in realism, copies of
training slices in copies, one class under both names in class, but for one draw in 20 each. A broken source's draws go
through the sections behind that line alone.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import Context, Options, SliceTable, folder_context, sections, with_unseen_phantoms
from analysis.persons import count_persons
from analysis.slices import generated_slices, joined, real_part
from analysis.verdict import BAD, verdict
from progan_style import Data, generate, load_config, load_folder, make_phantoms
from progan_style.networks import ARCHITECTURES

SECTIONS = ("grid", "similarity", "fidelity", "copies")
OWED = {"noise": "realism", "untrained": "realism", "copies": "copies", "one class": "class"}  # source -> its bad line
BEHIND = {"realism": ("grid", "similarity"), "copies": ("copies",), "class": ("fidelity",)}  # line -> its sections
PEOPLE = "real people"
MOST_WRONG = 1  # of 20 draws
CONFIG = Path(__file__).parents[1] / "configs" / "cpu.yaml"


def drawn(source: str, context: Context, strangers: SliceTable, count: int, seed: int) -> SliceTable:
    """At most `count` slices of each class of a source. strangers: of people whom no other part of the report has."""
    rng, names = np.random.default_rng([seed, len(source)]), context.class_names
    labels = np.repeat(np.arange(len(names)), count)
    if source == "noise":
        shape = (len(labels), 1, context.resolution, context.resolution)
        return generated_slices(rng.integers(0, 256, shape).astype(np.uint8), labels, labels, names)
    if source == "untrained":
        return generated_slices(untrained(context, seed, labels), labels, labels, names)
    of = context.train if source == "copies" else strangers
    if source == "one class":
        rows = rng.permutation(np.flatnonzero(of.labels == 0))[: len(labels)]
        labels = rng.permutation(np.arange(len(rows)) % len(names))
    else:
        rows = np.concatenate([rng.permutation(np.flatnonzero(of.labels == k))[:count] for k in range(len(names))])
        labels = of.labels[rows]
    if source == PEOPLE:
        return replace(of.take(rows), is_real=np.zeros(len(rows), dtype=bool))
    return generated_slices(of.images[rows], labels, labels, names)


def untrained(context: Context, seed: int, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Of a generator of configs/cpu.yaml's widths that has not seen an image."""
    network = load_config(overlay=CONFIG).network.model_dump()
    torch.manual_seed(seed)
    G: Any = ARCHITECTURES[network.pop("name")].Generator
    G = G(num_classes=len(context.class_names), max_resolution=context.resolution, **network)
    G.class_names = context.class_names
    images: NDArray[np.uint8] = generate(G, torch.from_numpy(labels), torch.arange(len(labels))).numpy()
    return images


def graded(context: Context, fakes: SliceTable, behind: Sequence[str] = SECTIONS) -> dict[str, str]:
    """The verdict of one draw: line -> grade, from the sections `behind` it."""
    numbers: dict[str, Any] = {
        "class_names": list(context.class_names),
        "held_out.persons": count_persons(context.held_out.subjects),
    }
    mine = replace(context, make_fakes=lambda: fakes, notes=[], seconds={}, _shared={})
    mine.__dict__["judge"] = context.judge  # the same reference classifier for all
    for name in behind:
        numbers |= sections.load()[name].measure(mine)[0]
    return {judgement.aspect: judgement.grade for judgement in verdict(numbers)}


def right(source: str, grades: dict[str, str]) -> bool:
    return BAD not in grades.values() if source == PEOPLE else grades[OWED[source]] == BAD


def data_of(size: int, persons: int, slices: int, cache: Path) -> tuple[Data, SliceTable]:
    """Phantoms with fresh ones to measure on, and slices of strangers to both."""
    root = make_phantoms(cache / f"phantoms-{persons}-{slices}-{size}", persons=persons, slices=slices, size=size)
    data = load_folder(root, classes=("CN", "AD"), resolution=size, cache_dir=cache, progress=False)
    others = with_unseen_phantoms(data, size, persons, cache, which=1).test
    return with_unseen_phantoms(data, size, persons // 2, cache), real_part(joined([others]), size, True)


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=(__doc__ or "").splitlines()[0])
    p.add_argument("--draws", type=int, default=20)
    p.add_argument("--size", type=int, default=32)
    p.add_argument("--persons", type=int, default=500)
    p.add_argument("--slices", type=int, default=8, help="of each person")
    p.add_argument("--count", type=int, default=500, help="slices of each class in a draw")
    p.add_argument("--only", nargs="+", choices=(PEOPLE, *OWED), help="some sources")
    p.add_argument("--cache", type=Path, help="keeps phantoms and the reference classifier")
    p.add_argument("--json", metavar="FILE", help="write the result there as well")
    args = p.parse_args(argv)
    cache = args.cache or Path(tempfile.mkdtemp())
    data, strangers = data_of(args.size, args.persons, args.slices, cache)
    context = folder_context(data, data, args.size, cache / "report", Options(cache_dir=cache))
    result: dict[str, Any] = {}
    for source in args.only or (PEOPLE, *OWED):
        behind = BEHIND[OWED[source]] if source in OWED else SECTIONS
        draws = []
        for seed in range(args.draws):
            draws.append(graded(context, drawn(source, context, strangers, args.count, seed), behind))
            print(f"{source}, draw {seed}: {draws[-1]}", file=sys.stderr, flush=True)
        told = {line: dict(Counter(draw[line] for draw in draws)) for line in draws[0]}
        wrong = sum(not right(source, draw) for draw in draws)
        result[source] = {"wrong": wrong, "draws": len(draws), "lines": told}
        words = "; ".join(f"{line}: {', '.join(f'{k} {v}' for k, v in each.items())}" for line, each in told.items())
        print(f"{source}: {wrong} of {len(draws)} wrong. {words}", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return int(any(row["wrong"] * 20 > MOST_WRONG * row["draws"] for row in result.values()))


if __name__ == "__main__":
    sys.exit(main())
