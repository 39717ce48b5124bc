"""The command line of both packages: the one place that knows the model and its analysis.

`python train.py ...` and `progan-style train ...` are the same function here; the other commands stand in
progan_style/commands/, analysis/commands/ and explorer/command.py.
"""

import argparse
import contextlib
import importlib
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from progan_style import Config, Generator, Phase, Trainer
    from progan_style.data.dataset import Data

    Evaluate = Callable[[Generator, Phase], dict[str, float]]

NEXT = -1  # --stage without a size

# Command of `progan-style` -> where its main stands, what it is for
COMMANDS = {
    "prepare": ("progan_style.commands.prepare", "scans or slices -> a data folder split by person; its audit"),
    "phantoms": ("progan_style.phantoms.__main__", "the built-in data set as a folder of slices"),
    "train": ("progan_style_cli", "grow a class-conditional generator"),
    "predict": ("analysis.commands.predict", "measure a finished stage: report, numbers, pictures"),
    "generate": ("progan_style.commands.generate", "a synthetic data set: images and labels"),
    "explore": ("explorer.command", "a page on this machine: a run's brains from one class to the other"),
    "compare": ("analysis.commands.compare", "the report on any two folders of slices"),
    "export": ("progan_style.commands.export", "a generator as a file that runs with torch alone"),
    "example": ("progan_style.commands.example", "the shipped run, a generator of phantoms, to try the others on"),
    "schema": ("progan_style.commands.schema", "what a configuration may hold, for an editor"),
    "share": ("progan_style.commands.share", "a data folder with a share of a run's training persons"),
}


def console(argv: Sequence[str] | None = None) -> int:
    """progan-style COMMAND ...: the first word chooses, the rest is the command's own."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or given[0] in ("-h", "--help"):
        print("usage: progan-style COMMAND [options]; progan-style COMMAND --help tells its options\n")
        print("\n".join(f"  {name:10}{purpose}" for name, (_, purpose) in COMMANDS.items()))
        return 0
    if given[0] not in COMMANDS:
        print(f"progan-style: {given[0]}: expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    home, _ = COMMANDS[given[0]]
    main: Callable[..., int] = importlib.import_module(home).main
    return main(given[1:], prog=f"progan-style {given[0]}")


# ---------------------------------------------------------------- train


def parse(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    from progan_style import plugins

    p = argparse.ArgumentParser(
        prog=prog,
        description="Train: grow a class-conditional generator from 8x8 up, unattended; the same command goes on where "
        "it was stopped.",
    )
    p.add_argument("--config", metavar="FILE", help="overlay on hyperparameters.yaml, such as configs/cpu.yaml")
    p.add_argument("--data", metavar="DIR", help="folder of slices (default: data.root, else the built-in phantoms)")
    p.add_argument("--run", metavar="DIR", default="saved_output/run", help="folder of the run (default: %(default)s)")
    which = p.add_mutually_exclusive_group()
    which.add_argument(
        "--stage", metavar="SIZE", nargs="?", type=int, const=NEXT, help="one stage: the next unfinished, or SIZE"
    )
    which.add_argument("--until", metavar="SIZE", type=int, help="all stages up to SIZE")
    p.add_argument("--init", metavar="FILE", help="checkpoint.pt of another run, whose weights to begin with")
    p.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change one value; repeatable")
    p.add_argument("--print-config", action="store_true", help="print the resolved configuration, and train nothing")
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    plugins.add_plugin_option(p)
    args = p.parse_args(argv)
    args.prog = prog
    args.options = shlex.join(sys.argv[1:] if argv is None else argv)
    return args


def main(argv: Sequence[str] | None = None, prog: str = "train.py") -> int:
    from progan_style import shell

    args = parse(argv, prog)
    return shell.run(prog, train, args, interrupted="stopped before the first step; nothing is lost")


def train(args: argparse.Namespace) -> int:
    """Train to the end of the stage that was asked for, or until a signal asks to stop; returns the exit code."""
    from progan_style import config_text, plugins

    run_dir = Path(args.run)
    loaded = plugins.load_plugins(args.plugin)
    config, files = configure(args, run_dir, loaded)
    if args.print_config:
        print(config_text(config), end="")
        return 0
    until = choose_stage(args, config, run_dir)

    from progan_style import GrowthSchedule, choose_device, distributed, is_finished

    for line in plugins.refuse_missing(recorded_plugins(config, run_dir), run_dir):
        distributed.say(line)
    nimg = refuse_another_run(config, run_dir)
    stage = GrowthSchedule(**config.schedule.model_dump()).stage_of(until)  # its end is later, if it is made longer
    if nimg >= stage.end and is_finished(run_dir, stage):
        distributed.say(f"{run_dir}: the stages up to {until} are finished")
        return 0
    distributed.say(f"config    {', '.join(map(str, files))}")
    with Signals() as signals, joined():
        trainer, evaluate = build(config, until, choose_device(args.device))
        seconds_of_image = say_how_long(trainer, run_dir, until)
        signals.polite = True
        over = trainer.run(run_dir, until, evaluate, lambda: bool(signals.asked), seconds_of_image)
    nimg = trainer.state.nimg
    if over and not is_finished(run_dir, stage):
        raise ValueError(
            f"{run_dir}: the run is at {nimg} images, past stage {until}, whose files are gone, or of fewer images, "
            f"and cannot be made again; name a later stage with --until, or begin anew with another --run"
        )
    if over:
        distributed.say(f"{run_dir}: stage {until} is finished at {nimg} images; look at {run_dir}/stage-{until:03d}")
        return 0
    distributed.say(f"stopped at {nimg} images, checkpoint written; go on with: {go_on(args)}")
    return 128 + (signals.asked[0] if signals.asked else signal.SIGTERM)  # else another rank was asked


def configure(args: argparse.Namespace, run_dir: Path, loaded: dict[str, str]) -> "tuple[Config, list[Path]]":
    """The configuration and the files that it was read from. loaded: the plugins, by name.

    A run goes on with its own, to which --set and --data are changes; --config starts from the shipped file.
    """
    from progan_style import DEFAULT_CONFIG, find_overlay, load_config, with_unlabelled

    for option in ("run", "data", "config", "init"):  # an unset variable of a script
        if getattr(args, option) == "":
            what = "folder" if option in ("run", "data") else "file"
            raise ValueError(f"--{option}: expected a {what}, got an empty name")
    overrides = args.set + ([f"data.root={json.dumps(args.data)}"] if args.data else [])
    overrides += [f"init={json.dumps(args.init)}"] if args.init else []
    overrides += [f"plugins={json.dumps(loaded)}"] if loaded else []
    known = run_dir / "config.yaml"
    base = known if known.is_file() and not args.config else DEFAULT_CONFIG
    overlay = find_overlay(args.config) if args.config else None
    return with_unlabelled(load_config(base, overlay, overrides)), [base, *([overlay] if overlay else [])]


def recorded_plugins(config: "Config", run_dir: Path) -> dict[str, str]:
    """The plugins that a run was begun with, or is to be begun with."""
    from progan_style import run_config

    begun = (run_dir / "config.yaml").is_file() and (run_dir / "checkpoint.pt").exists()
    return (run_config(run_dir) if begun else config).plugins


def choose_stage(args: argparse.Namespace, config: "Config", run_dir: Path) -> int:
    """The stage to train up to. Raises ValueError if it is not in the schedule, or not the next of --stage."""
    from progan_style import finished_stages

    stages, done = config.schedule.resolutions, finished_stages(run_dir)
    size = args.stage if args.stage not in (None, NEXT) else args.until
    if size is not None and size not in stages:
        raise ValueError(f"stage {size} is not in schedule.resolutions ({', '.join(map(str, stages))})")
    if args.stage is None:
        return stages[-1] if size is None else size
    until = size or next((r for r in stages if r not in done), stages[-1])
    before = stages[: stages.index(until)]
    if missing := [r for r in before if r not in done]:
        first = f"--stage {missing[0]}"
        options = f"--run {shlex.quote(str(run_dir))} {first}"
        if not (run_dir / "config.yaml").is_file():  # nothing but the options says what would be trained
            options = re.sub(r"--st\w*[ =]\d+", first, args.options)
        raise ValueError(
            f"stage {until} grows from the finished stage {before[-1]}; run {command(args)} {options} first"
        )
    return until


def refuse_another_run(config: "Config", run_dir: Path) -> int:
    """The images that the run has seen. Raises ValueError if this configuration would not go on with it."""
    from progan_style import (
        images_seen,
        load_run,
        refuse_busy,
        refuse_changes,
        refuse_foreign,
        refuse_inside,
        refuse_unwritable,
        refuse_without_checkpoint,
        run_config,
    )

    refuse_inside(run_dir, config.data.root, "--run")
    refuse_unwritable(run_dir, "--run")
    refuse_busy(run_dir)
    refuse_without_checkpoint(run_dir)
    refuse_foreign(run_dir)
    nimg = images_seen(run_dir)
    if nimg is not None:
        if not (run_dir / "config.yaml").is_file():
            raise ValueError(
                f"{run_dir} holds a checkpoint but no config.yaml; put it back, or start a new run with --run"
            )
        refuse_changes(run_config(run_dir), config, run_dir, nimg)
    elif config.init:
        if not Path(config.init).is_file():
            raise FileNotFoundError(f"{config.init}: no such file; expected the checkpoint.pt of a run: see --init")
        load_run(Path(config.init))  # so that a wrong file is told before the slices are packed
    return nimg or 0


def build(config: "Config", until: int, device: "torch.device") -> "tuple[Trainer, Evaluate | None]":
    """The trainer with its data, and what measures its generator, None where nothing is to be measured."""
    import torch

    from progan_style import Trainer, distributed, load_data

    if config.threads:
        torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # what is said to run in fp32 does; the bulk runs in bf16 anyway
    Trainer.check(config, device)
    if config.data.root is None:
        distributed.say(
            "no data configured (data.root, --data): training on the built-in phantoms, which are drawn once (minutes)"
        )
    data = distributed.one_first(lambda: load_data(config, until, progress=distributed.rank() == 0))
    distributed.say(data.summary())
    return Trainer(config, data.learnt, device), make_evaluate(config, data, device)


def say_how_long(trainer: "Trainer", run_dir: Path, until: int) -> dict[int, float]:
    """What the training runs on, and how long it will take here: seconds of an image of each stage that is left.

    Several processes or compiled passes are not tried out for it.
    """
    from progan_style import Trainer, distributed, forecast, images_seen, machine_line

    distributed.say(machine_line(trainer, until))
    if distributed.world() > 1 or trainer.config.training.compile:
        return {}
    make = partial(Trainer, trainer.config, trainer.data, trainer.state.device)
    of_image, lines = forecast(make, images_seen(run_dir) or 0, until)
    for line in lines:
        distributed.say(line)
    return of_image


def make_evaluate(config: "Config", data: "Data", device: "torch.device") -> "Evaluate | None":
    from progan_style import distributed

    if not config.training.eval_kimg:
        return None
    from analysis import evaluator

    count, cache = config.training.eval_samples, config.data.cache
    evaluate = evaluator(data, samples_per_label=count, cache_dir=cache, device=device)
    if evaluate is None:
        distributed.say("no validate part: training.eval_kimg measures nothing")
    return evaluate


class Signals:
    """What ends a process in a polite way: Ctrl-C, kill, a connection that broke, a batch system's time limit.

    Until `polite` it is an interrupt, so that what prepares the data clears up behind itself. Then signals are
    gathered, for the loop to stop at its next step; the same one again ends at once, if somebody sent it.
    """

    NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU", "SIGUSR1")  # Windows has the first two
    REPEATED = ("SIGXCPU", "SIGUSR1")  # by the system, each second from a limit on, or by a batch system

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.polite = False

    def __enter__(self) -> "Signals":
        numbers = [getattr(signal, name) for name in self.NAMES if hasattr(signal, name)]
        heard = [n for n in numbers if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]  # nohup's stays
        self.before = {number: signal.signal(number, self.take) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def take(self, number: int, frame: object) -> None:
        from progan_style import distributed

        if not self.polite:
            raise KeyboardInterrupt
        if number in self.asked and signal.Signals(number).name in self.REPEATED:
            return
        if number in self.asked and distributed.world() == 1:  # torchrun sends on what the terminal sent already
            os.write(2, b"ended at once: what was made since the last checkpoint is lost; the same command goes on\n")
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.asked.append(number)


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Among the other processes, where torchrun started more than one."""
    from progan_style import distributed

    well = False
    distributed.start()
    try:
        yield
        well = True
    finally:
        distributed.stop(together=well)


def command(args: argparse.Namespace) -> str:
    """How this command is called again, without its options."""
    return f"python {args.prog}" if args.prog.endswith(".py") else args.prog


def go_on(args: argparse.Namespace) -> str:
    """The command line that goes on with a run that was stopped."""
    from progan_style import distributed

    if distributed.world() > 1:
        return "the same torchrun command, on every machine that it ran on"
    return f"{command(args)} {args.options}".rstrip()


if __name__ == "__main__":
    sys.exit(console())
