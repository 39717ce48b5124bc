"""Train: grow a class-conditional generator from 8x8 up, unattended; the same command goes on where it was stopped."""

import argparse
import json
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from progan_style import Config

NEXT = -1  # --stage without a size


def parse(argv: list[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="train.py", description=__doc__)
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
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return p.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    from progan_style import shell

    args = parse(argv)
    return shell.run("train.py", train, args, interrupted="stopped before the first step; nothing is lost")


def train(args: argparse.Namespace) -> int:
    from progan_style import finished_stages, load_config, run_config, with_unlabelled

    run_dir = Path(args.run)
    known = run_dir / "config.yaml"
    if args.data == "":
        raise ValueError("--data: expected a folder, got an empty name")
    overrides = args.set + ([f"data.root={json.dumps(args.data)}"] if args.data else [])
    overrides += [f"init={json.dumps(args.init)}"] if args.init else []
    # A run goes on with its own configuration, to which --set and --data are changes; --config starts from the file.
    base = known if known.is_file() and not args.config else None
    config = with_unlabelled(load_config(base, args.config, overrides))

    stages = config.schedule.resolutions
    done = finished_stages(run_dir)
    size = args.stage if args.stage not in (None, NEXT) else args.until
    if size is not None and size not in stages:
        raise ValueError(f"stage {size} is not in schedule.resolutions ({', '.join(map(str, stages))})")
    until = stages[-1] if size is None else size
    if args.stage is not None:
        if args.stage == NEXT:
            until = next((r for r in stages if r not in done), stages[-1])
        before = stages[: stages.index(until)]
        if missing := [r for r in before if r not in done]:
            raise ValueError(
                f"stage {until} grows from the finished stage {before[-1]}; "
                f"run python train.py --run {run_dir} --stage {missing[0]} first"
            )

    import torch

    from progan_style import choose_device, distributed, images_seen, refuse_changes

    nimg = images_seen(run_dir)
    if nimg is not None:
        if not known.is_file():
            raise ValueError(
                f"{run_dir} holds a checkpoint but no config.yaml; put it back, or start a new run with --run"
            )
        refuse_changes(run_config(run_dir), config, run_dir, nimg)
    elif config.init and not Path(config.init).is_file():
        raise FileNotFoundError(f"{config.init}: no such file; expected the checkpoint.pt of a run: see --init")
    if until in done:
        distributed.say(f"{run_dir}: the stages up to {until} are finished")
        return 0
    device = choose_device(args.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # what is said to run in fp32 does; the bulk runs in bf16 anyway

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    # Until the first step, SIGTERM ends like Ctrl-C: what prepares the data then clears up behind itself.
    handlers = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    well = False
    try:
        distributed.start()
        code = grow(config, run_dir, until, device)
        well = True
        return code
    finally:
        distributed.stop(together=well)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def grow(config: "Config", run_dir: Path, until: int, device: "torch.device") -> int:
    """Data, trainer, the run itself; returns the exit code."""
    from progan_style import Trainer, distributed, load_data

    if config.data.root is None:
        distributed.say("no data configured (data.root, --data): training on the built-in phantoms")
    data = distributed.one_first(lambda: load_data(config, until, progress=distributed.rank() == 0))
    distributed.say(data.summary())
    trainer = Trainer(config, data.train, device)
    evaluate = None
    if config.training.eval_kimg:
        from analysis.report import evaluator

        evaluate = evaluator(
            data, samples_per_label=config.training.eval_samples, cache_dir=config.data.cache, device=device
        )
        if evaluate is None:
            distributed.say("no validate part: training.eval_kimg measures nothing")

    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        if distributed.world() == 1:  # torchrun sends on what the terminal sent already
            signal.signal(number, signal.SIG_DFL)  # a second signal ends at once

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    if trainer.run(run_dir, until, evaluate, stop=lambda: bool(asked)):
        distributed.say(
            f"{run_dir}: stage {until} is finished at {trainer.state.nimg} images; look at {run_dir}/stage-{until:03d}"
        )
        return 0
    start = ["python"] if distributed.world() == 1 else ["torchrun", f"--nproc-per-node={distributed.world()}", "--"]
    again = shlex.join([*start, "train.py", *sys.argv[1:]])
    distributed.say(f"stopped at {trainer.state.nimg} images, checkpoint written; go on with: {again}")
    return 128 + (asked[0] if asked else signal.SIGTERM)  # another rank was asked


if __name__ == "__main__":
    sys.exit(main())
