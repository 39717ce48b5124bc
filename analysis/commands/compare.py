"""Compare a folder of real slices with a folder of any other slices, whatever made them: numbers, pictures, a page.

    progan-style compare --real DIR --fake DIR --size 64 --to OUT

The real folder has train and validate or test parts (README.md, If you have slices already). The fake one has class
folders, with or without such parts; all of it is compared. Both go through the same resize.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm


def parse(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    from progan_style import add_plugin_option

    p = argparse.ArgumentParser(prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--real", metavar="DIR", type=Path, required=True, help="real slices: train, and validate or test")
    p.add_argument("--fake", metavar="DIR", type=Path, required=True, help="the slices to measure")
    p.add_argument("--to", metavar="OUT", type=Path, required=True, help="folder for the report")
    p.add_argument("--size", metavar="SIZE", type=int, help="pixels per side (default: the folders' own, if it is one)")
    p.add_argument("--classes", metavar="A,B", default="CN,AD", help="class folders, in order (default: %(default)s)")
    p.add_argument("--parts", metavar="A,B", help="sections of the report, by name")
    p.add_argument(
        "--public",
        action="store_true",
        help="leave out every real picture (generated slices stay: read copies.*)",
    )
    p.add_argument("--inception", metavar="FILE", type=Path, help="weights of InceptionV3 for FID and KID on it")
    p.add_argument(
        "--figures",
        choices=("svg", "pdf", "png"),
        default="png",
        help="files of the figures beside the page: PNG of 300 dpi, and SVG or PDF if asked for (default: png)",
    )
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add_plugin_option(p)
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None, prog: str = "python -m analysis") -> int:
    from progan_style import shell

    return shell.run(prog, compare, parse(argv, prog), interrupted="stopped; the finished sections are kept")


def compare(args: argparse.Namespace) -> int:
    from analysis import Options, check_report_folder, check_sections, folder_context, print_report
    from progan_style import choose_device, keep_freed, load_plugins, refuse_inside

    keep_freed()
    load_plugins(args.plugin)
    chosen = check_sections(args.parts.split(",")) if args.parts else None
    for option, folder in (("--real", args.real), ("--fake", args.fake)):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder; expected slices: see {option}")
        refuse_inside(args.to, folder, "--to")
    check_report_folder(args.to)
    device = choose_device(args.device)
    cache = args.to / "cache"
    classes = tuple(name.strip() for name in args.classes.split(","))
    real, fake, size = load_both(args.real, args.fake, args.size, classes, cache)

    def show_line(line: str) -> None:
        tqdm.write(f"  {line}")  # above the bars

    print(f"real: {args.real}\nfake: {args.fake}")
    options = Options(
        cache_dir=cache,
        device=device,
        seed=args.seed,
        inception=args.inception,
        figures=args.figures,
        log=show_line,
        progress=True,
    )
    context = folder_context(real, fake, size, args.to, options)
    print_report(context, chosen, args.public)
    return 0


def load_both(real: Path, fake: Path, size: int | None, classes: tuple[str, ...], cache: Path) -> tuple[Any, Any, int]:
    """Both folders at one size. Raises FileNotFoundError or ValueError, one line."""
    from progan_style import load_folder

    def load(root: Path, resolution: int) -> Any:
        return load_folder(root, classes=classes, resolution=resolution, cache_dir=cache, progress=False)

    if size is not None:
        return load(real, size), load(fake, size), size
    smallest = 8  # every slice is at least so large: the folders are asked how large theirs are
    sizes = {root: sorted(load(root, smallest).source_sizes) for root in (real, fake)}
    both = set(sizes[real]) | set(sizes[fake])
    if len(both) > 1:
        raise ValueError(
            f"{real} has slices of {', '.join(sizes[real])} pixels, {fake} of {', '.join(sizes[fake])}: "
            f"give --size, to which both are brought by the same resize"
        )
    width, height = (int(side) for side in both.pop().split("x"))
    if width != height or width & (width - 1):
        raise ValueError(
            f"{real}: slices of {width}x{height} pixels: give --size, a power of two, to which both are brought"
        )
    return load(real, width), load(fake, width), width
