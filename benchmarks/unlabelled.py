"""What slices without a diagnosis are worth: a tenth of the persons labelled, with and without the others' slices.

    python -m benchmarks.unlabelled [--to DIR] [--seeds S ...] [--only train|judge]
    python -m benchmarks.unlabelled --table [--to DIR]

Three arms on the built-in phantoms, by configs/demo.yaml, wider and at other lengths: `labelled` has 10 % of the
training persons and nobody else, `unlabelled` has them and the slices of the other 90 % without a diagnosis, `all` has
everybody's diagnosis. All see the same number of images. They are judged alike, on 250 persons whom no training saw,
by the reference classifier that knows all labels. Then classifiers of the labelled 10 % are trained with and without
slices of each generator, as the report's section utility does. What is done is kept in DIR (rows.jsonl): the same
command goes on. docs/experiments/unlabelled.md holds the table.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.recipes import WIDER_DEMO
from progan_style import Config, Data, load_config, load_data

TOP = Path(__file__).parents[1]
ARMS = ("labelled", "unlabelled", "all")  # the folders hold train slices of: 10 %; 10 % and the others; everybody
SHARE, SIZE = 0.1, 32
PERSONS, SLICES = 250, 1000  # fresh persons; generated slices of each class
LENGTHS = ("schedule.fade_kimg={8: 0, 16: 4, 32: 6}", "schedule.hold_kimg={8: 8, 16: 8, 32: 24}")
COPIED = ("phantoms.json", "NOTICE.txt")


def whole(to: Path, *more: str) -> Config:
    """The configuration of the arm `all`, on the phantoms as they are drawn."""
    settings = (*WIDER_DEMO, f"data.cache={to / 'cache'}", "data.phantom.persons=500", "threads=1", *LENGTHS, *more)
    return load_config(overlay=TOP / "configs" / "demo.yaml", overrides=list(settings))


def folder_of(arm: str, to: Path, everybody: Data) -> Path:
    """The data folder of an arm, made once."""
    from progan_style import persons_of_share
    from progan_style.data.manifest import read_manifest, write_manifest
    from progan_style.files import new_folder

    folder, train = to / f"data-{arm}", everybody.train
    if folder.is_dir():
        return folder
    chosen = persons_of_share(train.subjects, train.labels, SHARE)
    others = {path for path, mine in zip(train.paths, chosen, strict=True) if not mine}
    rows = []
    with new_folder(folder) as making:
        for _, row in read_manifest(everybody.root)[1]:
            source = Path(everybody.root, row["path"])
            if row["path"] in others and arm == "labelled":
                continue
            if row["path"] in others and arm == "unlabelled":
                row = row | {"path": f"train/unlabelled/{source.name}", "label": ""}
            (making / row["path"]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, making / row["path"])
            rows.append(row)
        for name in COPIED:
            shutil.copyfile(Path(everybody.root, name), making / name)
        write_manifest(making, rows)
    return folder


def configured(arm: str, seed: int, to: Path, everybody: Data) -> Config:
    unlabelled = "data.unlabelled=true" if arm == "unlabelled" else "data.unlabelled=false"
    return whole(to, f"seed={seed}", f"data.root={folder_of(arm, to, everybody)}", unlabelled)


def train(arm: str, seed: int, to: Path, everybody: Data) -> None:
    """Train an arm, or go on with it."""
    from progan_style import Trainer, finished_stages, save_config

    run_dir = to / f"{arm}-s{seed}"
    if SIZE in finished_stages(run_dir):
        return
    run_dir.mkdir(parents=True, exist_ok=True)
    config = configured(arm, seed, to, everybody)
    data = load_data(config, SIZE)
    print(data.summary(), flush=True)
    save_config(config, run_dir / "config.yaml")
    start = time.process_time()
    Trainer(config, data.learnt).run(run_dir)
    print(f"{run_dir}: {time.process_time() - start:.0f} CPU seconds", flush=True)


# ---------------------------------------------------------------- what they are worth


def measure(arm: str, seed: int, to: Path, everybody: Data) -> dict[str, Any]:
    """A finished arm beside fresh persons: means over the classes."""
    from analysis import Options, make_report, run_context

    options = Options(samples_per_label=SLICES, cache_dir=to / "cache", held_out_are="fresh phantoms")
    numbers = make_report(run_context(to / f"{arm}-s{seed}", fresh(to, everybody), SIZE, options), PARTS)
    if numbers["failed"]:
        raise ValueError("; ".join(numbers["failed"]))
    mean = {
        f"{key}{end}": statistics.fmean(numbers[f"{key}.{name}{end}"] for name in everybody.class_names)
        for key in ("kid", "coverage", "recall")
        for end in ("", ".baseline")
    }
    return mean | {key: numbers[key] for key in ALONE} | {"nimg": numbers["nimg"]}


def fresh(to: Path, everybody: Data) -> Data:
    """The same training part, tested on persons of another seed."""
    from analysis import with_unseen_phantoms

    return with_unseen_phantoms(everybody, SIZE, PERSONS, to / "cache", workers=1)


def gain(arm: str, seed: int, to: Path, everybody: Data) -> dict[str, Any]:
    """What slices of an arm's generator add to a classifier of the labelled 10 %.

    That of `all` was told of persons beyond them: a control, which proves nothing.
    """
    from analysis.utility import ComparisonPlan, compare, source_of
    from progan_style import load_generator

    data = load_data(configured(arm, seed, to, everybody), SIZE)
    source = source_of(load_generator(to / f"{arm}-s{seed}"), data)
    plan = ComparisonPlan(shares=(SHARE,), synthetic=SLICES)
    (row,) = compare([source], fresh(to, everybody), SIZE, plan=plan, log=lambda line: print(line, flush=True))
    return {"title": row.title, "real": row.real, "both": row.both, "of_persons": row.of_persons}


# ---------------------------------------------------------------- rows and their table

PARTS = ("similarity", "fidelity", "copies")
ALONE = ("fidelity.auc", "fidelity.real", "tstr.auc", "copies.relative.share", "copies.relative.false_alarms")
COLUMNS = {  # title -> key of a row
    "KID": "kid",
    "real samples": "kid.baseline",
    "coverage": "coverage",
    "floor": "coverage.baseline",
    "recall": "recall",
    "fidelity": "fidelity.auc",
    "real people": "fidelity.real",
    "TSTR": "tstr.auc",
    "nearer to one person": "copies.relative.share",
    "false alarms": "copies.relative.false_alarms",
}


def read_rows(to: Path) -> list[dict[str, Any]]:
    file = to / "rows.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def keep(to: Path, row: dict[str, Any]) -> None:
    with open(to / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def judge(arm: str, seed: int, to: Path, everybody: Data) -> None:
    """Two rows of a finished arm, where they are not there."""
    done = {(row["what"], row["arm"], row["seed"]) for row in read_rows(to)}
    for what, work in (("measured", measure), ("gain", gain)):
        if (what, arm, seed) not in done:
            keep(to, {"what": what, "arm": arm, "seed": seed} | work(arm, seed, to, everybody))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: the arms beside each other, each seed by itself; then the gains with both intervals."""
    from analysis.utility import interval_over_seeds

    out = [f"| arm | seed | {' | '.join(COLUMNS)} |", "|" + "---|" * (2 + len(COLUMNS))]
    for row in sorted((r for r in rows if r["what"] == "measured"), key=lambda r: (ARMS.index(r["arm"]), r["seed"])):
        out.append(f"| {row['arm']} | {row['seed']} | {' | '.join(f'{row[key]:.3f}' for key in COLUMNS.values())} |")
    out += ["", "| generator | seed | real alone | real and generated | gain | over seeds | over people | |"]
    out += ["|" + "---|" * 8]
    for row in sorted((r for r in rows if r["what"] == "gain"), key=lambda r: (ARMS.index(r["arm"]), r["seed"])):
        pairs = [both - real for real, both in zip(row["real"], row["both"], strict=True)]
        gain, *over_seeds = interval_over_seeds(pairs)
        intervals = [f"{low:+.3f} to {high:+.3f}" for low, high in (over_seeds, row["of_persons"])]
        means = " | ".join(f"{statistics.fmean(row[key]):.3f}" for key in ("real", "both"))
        out.append(
            f"| {row['arm']} | {row['seed']} | {means} | {gain:+.3f} | {' | '.join(intervals)} | {row['title']} |"
        )
    return "\n".join(out)


def main(argv: Sequence[str] | None = None) -> int:
    import torch

    p = argparse.ArgumentParser(prog="python -m benchmarks.unlabelled", description=(__doc__ or "").splitlines()[0])
    p.add_argument("--to", metavar="DIR", type=Path, default=Path("saved_output/unlabelled"))
    p.add_argument("--seeds", metavar="S", type=int, nargs="+", default=[0, 1])
    p.add_argument("--only", choices=("train", "judge"), help="judge: those that are trained")
    p.add_argument("--table", action="store_true", help="print what there is, and run nothing")
    args = p.parse_args(argv)
    if not args.table:
        from progan_style import finished_stages

        torch.set_num_threads(1)
        everybody = load_data(whole(args.to), SIZE)
        for seed in args.seeds:
            for arm in ARMS:
                if args.only != "judge":
                    train(arm, seed, args.to, everybody)
                if args.only != "train" and SIZE in finished_stages(args.to / f"{arm}-s{seed}"):
                    judge(arm, seed, args.to, everybody)
    print(table(read_rows(args.to)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
