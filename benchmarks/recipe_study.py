"""Which recipe? The same CPU time for every arm, two seeds, one judge; rows are kept, so that it may take days.

    python -m benchmarks.recipe_study                       run what has no row yet, two arms side by side
    python -m benchmarks.recipe_study --question "gamma of logistic"
    python -m benchmarks.recipe_study --arm NAME --seed S   one row, in this process, on one thread
    python -m benchmarks.recipe_study --table               the rows so far, and what they decide

Every arm trains on the built-in phantoms with the widths of configs/cpu.yaml. Its lengths are scaled so that its kind's
speed, timed over some steps of each stage, fills the budget. It is judged on 250 persons whom no training saw and who
are not those that the final reports are made on. A stopped arm goes on from its checkpoint. Runs that fail are rows
too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import recipes
from benchmarks.recipes import Arm, Question

TOP = Path(__file__).parents[1]
ROWS = TOP / "docs" / "recipe_study.jsonl"
PERSONS, SLICES, POOL = 250, 1000, 1  # held-out persons, generated slices per class, which fresh persons
SHARE_OF_400 = 0.125  # of the 400 training persons, 8 slices each
MINUTES = {32: 20.0, 64: 60.0}  # CPU time of an arm, by its size
TIMED, ROUNDS = 32, 3  # steps timed in each stage (two penalties, eight path lengths), and how often: the median counts


Rows = dict[tuple[str, int], dict[str, Any]]  # by arm and seed


# ---------------------------------------------------------------- one row


def train_and_measure(arm: Arm, seed: int, to: Path, rows: Rows) -> dict[str, Any]:
    """Time, train (or go on), judge: a row. Runs on one thread, in this process."""
    import torch

    from benchmarks.machine import peak_rss_mb
    from progan_style import Trainer, finished_stages, load_config, load_data, save_config
    from progan_style.training.call import of_checkout
    from progan_style.training.trainer import choose_precision
    from progan_style_cli import make_evaluate

    torch.set_num_threads(1)
    folder = to / f"{arm.run_of or arm.name}-s{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "config.yaml"
    row: dict[str, Any] = {"arm": arm.name, "seed": seed, "size": arm.size}
    if known.is_file():
        config = load_config(known)
    else:
        config = configured(arm, seed, budget_factor(arm, configured(arm, seed, 1.0), to, rows))
        save_config(config, known)
    data = load_data(config, arm.size)
    spent = folder / "spent.json"
    before: dict[str, Any] = {"cpu_seconds": 0.0, "peak_mb": 0.0}
    before |= json.loads(spent.read_text()) if spent.is_file() else {}
    device = torch.device("cpu")
    precision = "bf16" if choose_precision(config.training.precision, device) else "fp32"
    if arm.size not in finished_stages(folder):
        start = time.process_time()
        asked: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, frame: asked.append(received))
        try:
            trainer, evaluate = Trainer(config, chosen(arm, data.train)), make_evaluate(config, data, device)
            if not trainer.run(folder, evaluate=evaluate, stop=lambda: bool(asked)):
                raise SystemExit(f"{folder}: stopped; the same command goes on")
        except ValueError as error:  # a training that broke is a result
            row["failed"] = str(error).replace(str(folder), "the run")
        finally:
            before["cpu_seconds"] += time.process_time() - start
            before["peak_mb"] = max(before["peak_mb"], peak_rss_mb())
            now = {
                "commit": of_checkout(TOP) or "no repository",
                "cpu": torch.backends.cpu.get_cpu_capability(),
                "precision": precision,
            }
            before |= {key: joined(before.get(key, ""), value) for key, value in now.items()}
            spent.write_text(json.dumps(before))
    row |= {key: round(value, 1) if isinstance(value, float) else value for key, value in before.items()}
    return row if "failed" in row else row | measure(arm, config, data, folder)


def joined(before: str, now: str) -> str:
    """What the pieces of a run were made with, each once: "a", "a, b"."""
    return ", ".join(dict.fromkeys([*filter(None, before.split(", ")), now]))


def lengths(arm: Arm, factor: float) -> list[str]:
    """The stages' lengths, scaled, as settings; an arm that does not grow has one stage."""
    if not arm.pace:
        return []
    tables = recipes.KIMG[arm.size]
    if not arm.grows:
        tables = {"hold_kimg": {arm.size: sum(sum(table.values()) for table in tables.values())}}
        rows = (f"schedule.resolutions=[{arm.size}]",)
    else:
        rows = (f"schedule.resolutions=[{', '.join(str(r) for r in tables['hold_kimg'])}]",)
    return [*rows] + [
        f"schedule.{t}.{r}={kimg * factor:.1f}" for t, table in tables.items() for r, kimg in table.items()
    ]


def budget_factor(arm: Arm, config: Any, to: Path, rows: Rows) -> float:
    """By how much this recipe's lengths are stretched to fill its budget.

    As much as in a row of its pace, whichever machine made it. A pace without one is timed in turn with one that has,
    and gets the images that fit into the CPU time of that one's row; kept in `to`. The first of all fills MINUTES.
    """
    if not arm.pace:
        return 1.0
    total = sum(sum(table.values()) for table in recipes.KIMG[arm.size].values())
    arms = recipes.all_arms()
    factors = {
        other.pace: row["kimg"] / total
        for (name, _), row in rows.items()
        if (other := arms.get(name)) and other.size == arm.size and "kimg" in row
    }
    if arm.pace in factors:
        return factors[arm.pace]
    kept = to / f"{arm.pace}.factor"
    if not kept.is_file():
        other = next((known for known in arms.values() if known.size == arm.size and known.pace in factors), None)
        timed = [(arm, config)] if other is None else [(arm, config), (other, configured(other, 0, 1.0))]
        rounds = [[cpu_seconds(*each) for each in timed] for _ in range(ROUNDS)]
        mine, *reference = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
        factor = MINUTES[arm.size] * 60 / mine if other is None else factors[other.pace] * reference[0] / mine
        with contextlib.suppress(FileExistsError), open(kept, "x", encoding="utf-8") as file:  # or another was first
            file.write(f"{factor:.4f}")
    return float(kept.read_text())


def configured(arm: Arm, seed: int, factor: float) -> Any:
    from progan_style import load_config

    # With few slices a generator may pass its best: its KID is followed.
    overrides = [f"seed={seed}", "threads=1", f"training.eval_kimg={20 if arm.few else 'null'}"]
    overrides += [*arm.settings, *lengths(arm, factor)]
    return load_config(overlay=TOP / "configs" / f"{arm.config}.yaml", overrides=overrides)


def cpu_seconds(arm: Arm, config: Any) -> float:
    """Of a run with these lengths, from some steps of each of its stages."""
    from progan_style import Trainer, load_data

    trainer = Trainer(config, load_data(config, arm.size).train)
    seconds = 0.0
    for stage in trainer.schedule.stages:
        held = stage.start + stage.fade
        phase = trainer.schedule.at(held)
        for step in range(4 + TIMED):  # the first four warm up
            if step == 4:
                start = time.process_time()
            trainer.state.nimg = held + step * phase.batch_size % (stage.end - held)
            trainer.step(*trainer.batch())
        per_image = (time.process_time() - start) / (TIMED * phase.batch_size)
        seconds += per_image * (stage.end - stage.start)
    return seconds


def chosen(arm: Arm, train: Any) -> Any:
    """The training slices of an arm: all, or those of 50 persons."""
    from progan_style import persons_of_share

    return train.subset(persons_of_share(train.subjects, train.labels, SHARE_OF_400)) if arm.few else train


def measure(arm: Arm, config: Any, data: Any, folder: Path) -> dict[str, Any]:
    """The numbers of a finished arm. The judge learnt from the whole training part, also where the arm did not."""
    from analysis import Options, make_report, run_context, with_unseen_phantoms

    judged = with_unseen_phantoms(data, arm.size, PERSONS, config.data.cache, workers=1, which=POOL)
    options = Options(
        samples_per_label=SLICES, cache_dir=config.data.cache, held_out_are="fresh phantoms", weights=arm.weights
    )
    context = run_context(folder, judged, arm.size, options)
    numbers = make_report(context, ["grid", "similarity", "fidelity"])
    if numbers["failed"]:
        raise ValueError("; ".join(numbers["failed"]))
    wanted = ("kid", "coverage", "recall", "fidelity", "tstr", "corners", "brightness")
    kept = {k: round(v, 4) for k, v in numbers.items() if k.split(".")[0] in wanted and isinstance(v, float)}
    classes = [name for name in config.data.classes]
    mean = {f"{key}{s}": statistics.fmean(numbers[f"{key}.{c}{s}"] for c in classes) for key, s in PER_CLASS}
    kimg = {"kimg": round(context.generator.nimg / 1000, 1)}  # type: ignore[union-attr]
    return kimg | {k: round(v, 4) for k, v in mean.items()} | of_D(arm, folder) | kept


def of_D(arm: Arm, folder: Path) -> dict[str, float]:
    """D's margin, the penalty's share of its loss, p and r_t: means over the second half of the last stage."""
    from progan_style.training.runlog import read_log

    lines = [line for line in read_log(folder) if line.get("resolution") == arm.size and "loss_d" in line]
    lines = lines[len(lines) // 2 :]
    mean = {key: statistics.fmean(line.get(key, 0.0) for line in lines) for key in lines[-1] if key != "nimg"}
    found = {"d.margin": mean["margin"], "d.penalty_share": mean.get("loss_d.penalty", 0.0) / mean["loss_d"]}
    found |= {f"d.{key}": mean[key] for key in ("augment_p", "r_t") if key in mean}
    return {key: round(value, 4) for key, value in found.items()}


PER_CLASS = tuple((key, suffix) for key in ("kid", "coverage", "recall") for suffix in ("", ".baseline"))


# ---------------------------------------------------------------- all rows


SAYS = ("arm", "seed", "commit", "cpu", "precision")  # of every row, with how many images it saw: kimg


def read_rows(path: Path) -> Rows:
    """Raises ValueError for a row that does not say what it was made with, or on how many images."""
    rows: Rows = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.is_file() else [], 1):
        row = json.loads(line)
        wanted = SAYS if "failed" in row else (*SAYS, "kimg")
        if lacks := [key for key in wanted if row.get(key) in (None, "")]:
            raise ValueError(f"{path}, line {number}: expected a row with {', '.join(wanted)}; no {', '.join(lacks)}")
        rows[row["arm"], row["seed"]] = row
    return rows


def missing(questions: Sequence[Question], rows: Rows) -> list[tuple[Arm, int]]:
    """What is still to be run, in order: the first seeds of all arms of a question before their second ones.

    What is measured of another arm's run waits for that one's row.
    """
    out: dict[tuple[str, int], tuple[Arm, int]] = {}
    for question in questions:
        for seed in question.seeds:
            for arm in question.arms:
                if (arm.name, seed) not in rows and (not arm.run_of or (arm.run_of, seed) in rows):
                    out.setdefault((arm.name, seed), (arm, seed))
    return list(out.values())


def run_missing(tasks: Sequence[tuple[Arm, int]], options: argparse.Namespace) -> None:
    """Each in a process of its own, `workers` at a time."""

    def run(task: tuple[Arm, int]) -> None:
        arm, seed = task
        command = [sys.executable, "-m", "benchmarks.recipe_study", "--arm", arm.name, "--seed", str(seed)]
        command += ["--to", str(options.to), "--rows", str(options.rows)]
        options.to.mkdir(parents=True, exist_ok=True)
        with open(options.to / f"{arm.name}-s{seed}.log", "a", encoding="utf-8") as log:
            code = subprocess.run(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode
        print(f"{arm.name} seed {seed}: " + ("done" if code == 0 else f"exit {code}, see {log.name}"), flush=True)

    with ThreadPoolExecutor(options.workers) as pool:
        list(pool.map(run, tasks))


# ---------------------------------------------------------------- what they say

COLUMNS = {  # of the table: title -> key of a row, decimals
    "KID": ("kid", 3),
    "baseline": ("kid.baseline", 3),
    "coverage": ("coverage", 3),
    "baseline ": ("coverage.baseline", 3),
    "fidelity": ("fidelity.auc", 3),
    "real people": ("fidelity.real", 3),
    "shuffled": ("fidelity.shuffled", 3),
    "TSTR": ("tstr.auc", 3),
    "recall": ("recall", 3),
    "D's margin": ("d.margin", 2),
    "penalty / Loss_D": ("d.penalty_share", 2),
    "kimg": ("kimg", 0),
    "CPU min": ("cpu_seconds", 1),
    "peak MB": ("peak_mb", 0),
}
BETTER = {"kid": -1, "coverage": 1, "tstr.auc": 1}  # what a choice looks at, and which way is better


def table(questions: Sequence[Question], rows: Rows) -> str:
    """Markdown: for each question its arms, mean and half the spread of the seeds, and what they decide."""
    out = []
    for question in questions:
        found = {
            arm.name: [rows[arm.name, s] for s in question.seeds if (arm.name, s) in rows] for arm in question.arms
        }
        if not any(found.values()):
            out += [f"**{question.title}**: not begun ({', '.join(found)})", ""]
            continue
        out += [f"**{question.title}**", "", f"| arm | seeds | {' | '.join(map(str.strip, COLUMNS))} |"]
        out += ["|" + "---|" * (2 + len(COLUMNS))]
        for name, mine in found.items():
            if not mine:
                out.append(f"| {name} | not run |{' |' * len(COLUMNS)}")
                continue
            whole = [row for row in mine if "failed" not in row]
            cells = [cell(key, digits, whole) for key, digits in COLUMNS.values()]
            seeds = ", ".join(f"{row['seed']}{' failed' if 'failed' in row else ''}" for row in mine)
            out.append(f"| {name} | {seeds} | {' | '.join(cells)} |")
        out += ["", *[f"{key}: {decide(key, sign, found)}." for key, sign in BETTER.items()], ""]
    return "\n".join(out)


def cell(key: str, digits: int, rows: Sequence[dict[str, Any]]) -> str:
    scale = 60 if key == "cpu_seconds" else 1
    values = [row[key] / scale for row in rows if key in row]
    if not values:
        return ""
    spread = f" ± {(max(values) - min(values)) / 2:.{digits}f}" if len(values) > 1 and digits == 3 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def decide(key: str, sign: int, found: dict[str, list[dict[str, Any]]]) -> str:
    """The winner by one number, or a tie, in which the first arm stays.

    A winner is better than the first arm, or the first arm than all others, by more than twice the pooled spread: the
    root of the arms' mean variance.
    """
    values = {n: [row[key] for row in rows if key in row] for n, rows in found.items()}
    values = {name: x for name, x in values.items() if x}
    first = next(iter(found))
    if first not in values or len(values) < 2:
        return "not enough rows"
    order = sorted(values, key=lambda name: sign * statistics.fmean(values[name]), reverse=True)
    best, other = order[0], order[1] if order[0] == first else first
    several = [statistics.variance(x) for x in values.values() if len(x) > 1]
    gain = sign * (statistics.fmean(values[best]) - statistics.fmean(values[other]))
    if min(len(values[other]), len(values[best])) < 2:
        return f"{best} leads {other} by {gain:.3f}, one seed: a pilot"
    spread = math.sqrt(statistics.fmean(several))
    verdict = "wins" if gain > 2 * spread else f"ties, {first} stays"
    return f"{best} leads {other} by {gain:.3f}, pooled spread {spread:.3f}: {verdict}"


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.recipe_study", description=__doc__.splitlines()[0])
    p.add_argument("--question", metavar="TITLE", action="append", help="only this one; repeatable")
    p.add_argument("--arm", metavar="NAME", help="one arm, in this process")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--table", action="store_true", help="print the rows and what they decide")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--to", metavar="DIR", type=Path, default=Path("saved_output/study"))
    p.add_argument("--rows", metavar="FILE", type=Path, default=ROWS)
    options = p.parse_args(argv)
    titles = [question.title for question in recipes.QUESTIONS]
    if unknown := [title for title in options.question or [] if title not in titles]:
        p.error(f"--question: expected one of {', '.join(titles)}; got {', '.join(unknown)}")
    try:
        rows = read_rows(options.rows)
    except ValueError as error:
        p.error(f"--rows: {error}")
    questions = [q for q in recipes.QUESTIONS if not options.question or q.title in options.question]
    if options.table:
        print(table(questions, rows))
        return 0
    if options.arm is None:
        run_missing(missing(questions, rows), options)
        return 0
    arms = recipes.all_arms()
    if options.arm not in arms:
        p.error(f"--arm: expected one of {', '.join(arms)}; got {options.arm}")
    row = train_and_measure(arms[options.arm], options.seed, options.to, rows)
    with open(options.rows, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
