"""Predict: look at a finished stage and measure it; writes figures and metrics.json into the run's folder."""

import argparse
import sys
from pathlib import Path
from typing import Any


def parse(argv: list[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="predict.py", description=__doc__)
    p.add_argument("--run", metavar="DIR", default="saved_output/run", help="folder of the run (default: %(default)s)")
    p.add_argument("--size", metavar="SIZE", type=int, help="a finished stage (default: the last)")
    p.add_argument(
        "--samples-per-label", metavar="N", type=int, default=1000, help="generated slices (default: %(default)s)"
    )
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return p.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    from progan_style import shell

    args = parse(argv)
    return shell.run("predict.py", predict, args, interrupted="stopped; what was written so far is not complete")


def predict(args: argparse.Namespace) -> int:
    from progan_style import finished_stage, run_config

    run_dir = Path(args.run)
    config = run_config(run_dir)
    size = finished_stage(run_dir, args.size)
    if args.samples_per_label < 2:
        raise ValueError(f"--samples-per-label: 2 or more expected, got {args.samples_per_label}")

    import torch

    from analysis import predict_report
    from progan_style import choose_device, finished_stages, load_data

    device = choose_device(args.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    # At the largest trained size, as in training: the slices then come from the cache.
    data = load_data(config, finished_stages(run_dir)[-1])
    numbers = predict_report(
        run_dir,
        data,
        size,
        samples_per_label=args.samples_per_label,
        cache_dir=config.data.cache,
        device=device,
        say=lambda line: print(f"  {line}", flush=True),
        progress=True,
    )
    folder = run_dir / f"analysis-{size:03d}"
    print("\n".join(table(numbers)))
    print(f"pictures: {', '.join(str(folder / name) for name in numbers['pictures'])}")
    print(f"numbers:  {folder / 'metrics.json'}")
    return 0


def table(numbers: dict[str, Any]) -> list[str]:
    """The numbers of a report, each beside what it has to be read against."""

    def line(name: str, value: str, *beside: str) -> str:
        return f"{name:22}{numbers[value]:>8.3f}   " + ", ".join(
            f"{text} {numbers[key]:.3f}" for text, key in (pair.split("=") for pair in beside) if key in numbers
        )

    persons = numbers["unseen.persons"]
    people = "persons unknown" if persons is None else f"{persons} {numbers['persons.are']}"
    out = [
        "",
        f"{numbers['resolution']}x{numbers['resolution']} after {numbers['nimg']:,} images, psi 1; "
        f"{numbers['samples_per_label']} generated per label; "
        f"unseen: {numbers['unseen.part'] or 'none'} ({numbers['unseen.slices']} slices, {people})",
    ]
    for name in numbers["class_names"]:
        if f"kid.{name}.untrained" in numbers:
            out.append(
                line(
                    f"KID {name}", f"kid.{name}", f"real-real floor=kid.{name}.floor", f"untrained=kid.{name}.untrained"
                )
            )
        if f"coverage.{name}.untrained" in numbers:
            out.append(
                line(
                    f"coverage {name}",
                    f"coverage.{name}",
                    f"real-real=coverage.{name}.floor",
                    f"untrained=coverage.{name}.untrained",
                )
            )
    if "fidelity.auc" in numbers:
        out.append(
            line(
                "label fidelity, AUC",
                "fidelity.auc",
                "ceiling (unseen reals)=fidelity.ceiling",
                "shuffled labels=fidelity.shuffled",
            )
        )
        if "fidelity.ceiling.low" in numbers:
            low, high = numbers["fidelity.ceiling.low"], numbers["fidelity.ceiling.high"]
            out.append(" " * 33 + f"the ceiling's 95 % interval over persons: {low:.3f} to {high:.3f}")
        if numbers["fidelity.over_typical"]:
            out.append(" " * 33 + "above the ceiling: over-typical, not a success")
        out.append(line("  its accuracy", "fidelity.accuracy", "unseen reals=fidelity.ceiling.accuracy"))
    if "tstr.auc" in numbers:
        out.append(line("TSTR, AUC", "tstr.auc", "trained on reals=trtr.auc", "shuffled labels=tstr.shuffled"))
    if "discriminator.auc" in numbers:
        out.append(
            line(
                "D's class head, AUC",
                "discriminator.auc",
                "accuracy=discriminator.accuracy",
                "largest class=discriminator.majority",
                "shuffled labels=discriminator.shuffled",
            )
        )
    if "atrophy.ratio" in numbers:
        out.append(
            line(
                "ventricles AD-CN/real",
                "atrophy.ratio",
                "shuffled labels=atrophy.shuffled",
                "the ruler's Spearman with truth=ruler.spearman",
            )
        )
    if "extractor.name" in numbers:
        out.append(f"features: {numbers['extractor.name']}, {numbers['extractor.hash']}")
    return out + [f"note: {note}" for note in numbers["notes"]]


if __name__ == "__main__":
    sys.exit(main())
