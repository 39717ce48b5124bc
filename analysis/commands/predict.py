"""Predict: look at a finished stage and measure it; writes report.html, metrics.json and pictures beside the run.

--compare puts the reports of several runs side by side instead, and measures nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

# Options of a report that is made, which say nothing of reports that are there
OF_A_REPORT = (
    "run",
    "data",
    "samples_per_label",
    "parts",
    "public",
    "inception",
    "unseen_phantoms",
    "own",
    "device",
)


def parse(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    from progan_style import add_plugin_option

    p = argparse.ArgumentParser(prog=prog, description=__doc__)
    p.add_argument("--run", metavar="DIR", default="saved_output/run", help="folder of the run (default: %(default)s)")
    p.add_argument("--size", metavar="SIZE", type=int, help="a finished stage (default: the last)")
    p.add_argument(
        "--compare",
        metavar="RUN",
        nargs="+",
        type=Path,
        help="side by side, from their reports: runs, or folders of reports (RUN/analysis-064-best)",
    )
    p.add_argument(
        "--to",
        metavar="DIR",
        type=Path,
        help="for --compare: folder of its page (default: comparison in the first RUN)",
    )
    p.add_argument("--data", metavar="DIR", help="where the run's slices lie now, if they have moved")
    p.add_argument(
        "--weights", choices=("last", "best"), default="last", help="of the end of the stage, or of its lowest KID"
    )
    p.add_argument(
        "--samples-per-label", metavar="N", type=int, default=1000, help="generated slices (default: %(default)s)"
    )
    p.add_argument("--parts", metavar="A,B", help="sections of the report, by name (default: all that take minutes)")
    p.add_argument(
        "--public",
        action="store_true",
        help="leave out every real picture (generated slices stay: read copies.*)",
    )
    p.add_argument("--inception", metavar="FILE", type=Path, help="weights of InceptionV3 for FID and KID on it")
    p.add_argument(
        "--unseen-phantoms",
        metavar="N",
        type=int,
        default=250,
        help="fresh people that phantom runs are measured on (default: %(default)s)",
    )
    p.add_argument(
        "--own", metavar="DIR", action="append", default=[], help="for --parts utility: a run on a share of the people"
    )
    p.add_argument(
        "--figures",
        choices=("svg", "pdf", "png"),
        default="png",
        help="files of the figures beside the page: PNG of 300 dpi, and SVG or PDF if asked for (default: png)",
    )
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add_plugin_option(p)
    args = p.parse_args(argv)
    args.asked = [name for name in OF_A_REPORT if vars(args)[name] != p.get_default(name)]
    return args


def main(argv: Sequence[str] | None = None, prog: str = "predict.py") -> int:
    from progan_style import shell

    args = parse(argv, prog)
    if args.compare is not None:
        return shell.run(prog, compare, args, interrupted="stopped; nothing was measured")
    return shell.run(prog, predict, args, interrupted="stopped; the finished sections are kept")


def compare(args: argparse.Namespace) -> int:
    """One table, one figure, one page of the reports of several runs."""
    from analysis.comparison import check_alike, find_report, printed, read_report, told_apart, write_comparison

    if args.asked:
        option = args.asked[0].replace("_", "-")
        raise ValueError(f"--{option}: is for a report that is made; --compare takes those that are there")
    reports = told_apart([read_report(find_report(path, args.size, args.weights)) for path in args.compare])
    check_alike(reports)
    first = reports[0].folder
    to = args.to or (first.parent if "nimg" in reports[0].numbers else first) / "comparison"
    print("\n".join(printed(reports)))
    print(f"page: {write_comparison(reports, to, args.figures)}")
    return 0


def predict(args: argparse.Namespace) -> int:
    from progan_style import finished_stage, free_bytes, keep_freed, load_plugins, run_config, size_in_words

    if args.to is not None:
        raise ValueError("--to: is for --compare; a report is written into its run's folder")
    keep_freed()
    load_plugins(args.plugin)
    run_dir = Path(args.run)
    config = run_config(run_dir, args.data)
    size = finished_stage(run_dir, args.size)
    for option, value in (("--samples-per-label", args.samples_per_label), ("--unseen-phantoms", args.unseen_phantoms)):
        if value < 2:
            raise ValueError(f"{option}: 2 or more expected, got {value}")
    need = 4 * len(config.data.classes) * args.samples_per_label * size**2  # as floats, once
    if (free := free_bytes()) is not None and need > free:
        raise ValueError(
            f"--samples-per-label: {args.samples_per_label} slices of {size}x{size} per class take "
            f"{size_in_words(need)} or more, and {size_in_words(free)} of memory are free; ask for fewer"
        )

    import torch

    from analysis import Options, check_sections, print_report, run_context, with_unseen_phantoms
    from progan_style import choose_device, finished_stages, load_data, refuse_slices_of_others

    chosen = check_sections(args.parts.split(",")) if args.parts else None
    device = choose_device(args.device)
    if config.threads:
        torch.set_num_threads(config.threads)

    def show_line(line: str) -> None:
        tqdm.write(f"  {line}")  # above the bars

    # At the largest trained size, as in training: the slices then come from the cache.
    data = load_data(config, finished_stages(run_dir)[-1])
    refuse_slices_of_others(run_dir, data.learnt)
    judged = with_unseen_phantoms(
        data, size, args.unseen_phantoms, config.data.cache, config.threads, show_line, progress=True
    )
    options = Options(
        samples_per_label=args.samples_per_label,
        cache_dir=config.data.cache,
        device=device,
        inception=args.inception,
        held_out_are=None if judged is data else "fresh phantoms",
        weights=args.weights,
        figures=args.figures,
        own=tuple(Path(folder) for folder in args.own),
        log=show_line,
        progress=True,
    )
    print_report(run_context(run_dir, judged, size, options), chosen, args.public)
    return 0
