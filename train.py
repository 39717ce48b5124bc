"""Train: grow a class-conditional generator from 8x8 up, unattended; the same command goes on where it was stopped."""

import argparse
import json
import signal
import sys
from pathlib import Path


def parse(argv: list[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="train.py", description=__doc__)
    p.add_argument("--config", metavar="FILE", help="overlay on hyperparameters.yaml, such as configs/cpu.yaml")
    p.add_argument("--data", metavar="DIR", help="folder of slices (default: data.root, else the built-in phantoms)")
    p.add_argument("--run", metavar="DIR", default="saved_output/run", help="folder of the run (default: %(default)s)")
    which = p.add_mutually_exclusive_group()
    which.add_argument(
        "--stage", metavar="SIZE", nargs="?", type=int, const=0, help="one stage: the next unfinished, or SIZE"
    )
    which.add_argument("--until", metavar="SIZE", type=int, help="all stages up to SIZE")
    p.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change one value; repeatable")
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return p.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    try:
        return train(args)
    except (ValueError, OSError, MemoryError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before the first step; later ones end with a checkpoint
        print("train.py: stopped before the first step; nothing is lost", file=sys.stderr)
        return 130


def train(args: argparse.Namespace) -> int:
    from progan_style import finished_stages, load_config, load_data, refuse_changes, run_config, save_config

    run_dir = Path(args.run)
    known = (run_dir / "config.yaml").is_file()
    if known and not (args.config or args.set):
        config = run_config(run_dir)
        if args.data:
            config = config.model_copy(update={"data": config.data.model_copy(update={"root": args.data})})
    else:
        overrides = args.set + ([f"data.root={json.dumps(args.data)}"] if args.data else [])
        config = load_config(overlay=args.config, overrides=overrides)
    if (run_dir / "checkpoint.pt").exists():
        if not known:
            raise ValueError(
                f"{run_dir} holds a checkpoint but no config.yaml; put it back, or start a new run with --run"
            )
        refuse_changes(run_config(run_dir), config, run_dir)

    stages = config.schedule.resolutions
    done = finished_stages(run_dir)
    size = args.until or args.stage
    if size and size not in stages:
        raise ValueError(f"stage {size} is not in schedule.resolutions ({', '.join(map(str, stages))})")
    if args.stage is not None:
        todo = [r for r in stages if r not in done]
        until = args.stage or (todo[0] if todo else stages[-1])
        before = stages[: stages.index(until)]
        if missing := [r for r in before if r not in done]:
            raise ValueError(
                f"stage {until} grows from the finished stage {before[-1]}; "
                f"run python train.py --run {run_dir} --stage {missing[0]} first"
            )
    else:
        until = args.until or stages[-1]
    if until in done:
        print(f"{run_dir}: the stages up to {until} are finished")
        return 0

    import torch

    from progan_style import Trainer, choose_device

    device = choose_device(args.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")

    if config.data.root is None:
        print("no data configured (data.root, --data): training on the built-in phantoms")
    data = load_data(config, until)
    print(data.summary())

    # A second signal finds the default handlers again and ends at once.
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)

    handlers = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}

    run_dir.mkdir(parents=True, exist_ok=True)
    save_config(config, run_dir / "config.yaml")
    trainer = Trainer(config, data.train, device)
    evaluate = None
    if config.training.eval_kimg:
        from analysis.report import evaluator

        evaluate = evaluator(
            data, samples_per_label=config.training.eval_samples, cache_dir=config.data.cache, device=device
        )
        if evaluate is None:
            print("no validate part: training.eval_kimg measures nothing")
    try:
        over = trainer.run(run_dir, until, evaluate, stop=lambda: bool(asked))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if over:
        print(f"{run_dir}: stage {until} is finished at {trainer.nimg} images; look at {run_dir}/stage-{until:03d}")
        return 0
    again = " ".join(["python train.py", *sys.argv[1:]])
    print(f"stopped at {trainer.nimg} images, checkpoint written; go on with: {again}")
    return 128 + asked[0]


if __name__ == "__main__":
    sys.exit(main())
