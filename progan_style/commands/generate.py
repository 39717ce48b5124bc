"""Generate: a synthetic data set, images and labels, that train.py reads like any other folder of slices."""

import argparse
import io
import itertools
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from progan_style import plugins, shell

if TYPE_CHECKING:
    from progan_style.commands.given import Asked, Picture
    from progan_style.described import Conditions
    from progan_style.networks.contract import Generator

CHUNK = 256  # images held in memory at a time


def parse(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog=prog, description=__doc__)
    p.add_argument("--run", metavar="DIR", default="saved_output/run", help="folder of the run (default: %(default)s)")
    p.add_argument("--size", metavar="SIZE", type=int, help="pixels per side (default: the last finished stage)")
    p.add_argument(
        "--weights", choices=("last", "best"), default="last", help="of the end of the stage, or of its lowest KID"
    )
    p.add_argument("--label", metavar="CLASS", default="all", help="a class name, or all (default)")
    p.add_argument("--count", metavar="N", type=int, default=100, help="images per class (default: %(default)s)")
    p.add_argument("--seed", metavar="S", type=int, default=0, help="first seed; image i has seed S + i (default: 0)")
    p.add_argument(
        "--psi", type=float, default=1.0, help="truncation towards the class centre, 0..1 (default: 1, none)"
    )
    p.add_argument(
        "--position",
        type=float,
        help="height of the slices, in the unit of its column, where the run was trained with one",
    )
    p.add_argument(
        "--given",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a condition that the run was trained with, such as age=72 or sex=F; age=60:85:5: a series of the same "
        "seeds; age=: unknown; repeatable (default: drawn as in the training slices)",
    )
    p.add_argument(
        "--stack",
        action="store_true",
        help="whole persons: --count of each class, each with --slices slices from the lowest to the highest of the "
        "training slices' heights (or --given slice_mm=LOW:HIGH:STEP), as PNG and as one NIfTI volume",
    )
    p.add_argument("--slices", metavar="N", type=int, help="for --stack: its heights (default: 20)")
    p.add_argument(
        "--as",
        dest="form",
        choices=("png", "nifti"),
        default="png",
        help="nifti: .nii.gz in RAS mm, where the run's manifest says them (train.py reads png alone)",
    )
    p.add_argument("--to", metavar="DIR", required=True, help="folder to write: DIR/CLASS/*.png and DIR/manifest.csv")
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    plugins.add_plugin_option(p)
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None, prog: str = "generate.py") -> int:
    args = parse(argv, prog)
    return shell.run(prog, generate_folder, args, interrupted=f"stopped; nothing is left in {args.to}")


def choose_labels(name: str, class_names: Sequence[str]) -> list[int]:
    """The labels of a class, or of all. Raises ValueError if there is none of that name."""
    from progan_style.asking import label_of

    if name.casefold() == "all" and "all" not in map(str.casefold, class_names):
        return list(range(len(class_names)))
    return [label_of(name, class_names)]


ROW = 500  # bytes of memory that an image's line of the manifest takes until it is written


def refuse_what_does_not_fit(to: Path, images: int, size: int) -> None:
    """Raises ValueError if so many pictures would not fit. A PNG has at least a third of a byte a pixel."""
    from progan_style.files import size_in_words
    from progan_style.memory import free_bytes

    there = next(folder for folder in (to, *to.absolute().parents) if folder.exists())
    disk, memory = shutil.disk_usage(there).free, free_bytes() or sys.maxsize
    for need, free, where in (
        (images * max(size * size // 3, 512), disk, f"are free in {there}"),
        (images * ROW, memory, "of memory are free for their lines of manifest.csv"),
    ):
        if need > free:
            raise ValueError(
                f"--count: {images} images of {size}x{size} take {size_in_words(need)} or more, and "
                f"{size_in_words(free)} {where}; ask for fewer"
            )


def forecast(folder: Path, made: int, seconds: float, left: int) -> str:
    """What the images that are left will take, by those that are made. Raises ValueError if the disk is too small."""
    from progan_style.files import size_in_words, time_in_words

    stats = [path.stat() for path in folder.rglob("*.*") if path.is_file()]
    need = left * sum(max(s.st_size, 512 * getattr(s, "st_blocks", 0)) for s in stats) / made  # blocks: POSIX's
    told = f"{left} more images take about {size_in_words(need)} and {time_in_words(left * seconds / made)}"
    if need > (free := shutil.disk_usage(folder).free):
        raise ValueError(f"--count: {told}; {size_in_words(free)} are free in {folder.parent}: ask for fewer")
    return f"forecast  {told}"


def make_encoder(
    args: argparse.Namespace, described: "Conditions"
) -> "tuple[Callable[[Any, float | None], bytes], str]":
    """A slice [R, R] and its height -> the bytes of its file, and the file's suffix.

    Raises ValueError where mm are not known.
    """
    from PIL import Image

    if args.form == "png":

        def png(image: Any, height: float | None) -> bytes:
            content = io.BytesIO()
            Image.fromarray(image).save(content, "PNG")
            return content.getvalue()

        return png, ".png"

    from progan_style.export.nifti import HEIGHT, field_of_folder, nifti_bytes
    from progan_style.run import run_config

    data = run_config(args.run).data
    field, middle = field_of_folder(data.root, data.classes, data.aliases)
    in_mm = described.position is not None and described.position.column == HEIGHT

    def nifti(image: Any, height: float | None) -> bytes:
        return nifti_bytes(image, field=field, middle=middle, height=height if in_mm and height is not None else 0.0)

    return nifti, ".nii.gz"


def check_numbers(args: argparse.Namespace) -> None:
    """Raises ValueError for numbers that make no sense, before anything is loaded."""
    if args.count < 1:
        raise ValueError(f"--count: expected 1 or more, got {args.count}")
    if args.seed < 0:
        raise ValueError(f"--seed: expected 0 or more, got {args.seed}")
    if args.seed + args.count >= 2**62:
        raise ValueError(f"--seed: expected less than 2^62, got {args.seed}")
    if not 0 <= args.psi <= 1:
        raise ValueError(f"--psi: expected 0 to 1, got {args.psi}")
    if args.slices is not None and not args.stack:
        raise ValueError("--slices: is for --stack; how many images there are of a class is --count")


def generate_folder(args: argparse.Namespace) -> int:
    check_numbers(args)
    plugins.load_plugins(args.plugin)

    from tqdm import tqdm

    from progan_style.commands.given import read_given
    from progan_style.commands.stacks import Stacks, split_heights
    from progan_style.data.manifest import write_manifest
    from progan_style.files import new_folder, refuse_inside
    from progan_style.memory import keep_freed
    from progan_style.run import finished_stage, load_generator, run_config
    from progan_style.sampling import choose_device

    keep_freed()
    size = finished_stage(args.run, args.size)
    G = load_generator(args.run, size, args.weights).to(choose_device(args.device))
    wanted = choose_labels(args.label, G.class_names)
    heights, given = (
        split_heights(G.described, args.given, 20 if args.slices is None else args.slices, args.position)
        if args.stack
        else ([], args.given)
    )
    series = read_given(G, given, args.position)

    to, rows = Path(args.to), []
    if (Path(args.run) / "config.yaml").is_file():  # a stage may be passed on without it
        refuse_inside(to, run_config(args.run).data.root, "--to")
    encode, suffix = make_encoder(args, G.described)
    total, began = args.count * len(wanted) * len(series) * (len(heights) or 1), time.monotonic()
    refuse_what_does_not_fit(to, total, size)
    psi_in_name = "" if args.psi == 1.0 else f"_psi{args.psi:g}"
    with new_folder(to) as making, tqdm(total=total, unit="img", disable=None) as bar:
        stacks = Stacks(making, args.run, G.described, heights) if args.stack else None
        for label, one in itertools.product(wanted, series):
            name = G.class_names[label]
            (making / name).mkdir(parents=True, exist_ok=True)
            for first in range(args.seed, args.seed + args.count, 1 if stacks else CHUNK):
                seeds = range(first, min(first + (1 if stacks else CHUNK), args.seed + args.count))
                made = (
                    stacks.make(G, label, seeds[0], one, args.psi) if stacks else flat(G, label, seeds, one, args.psi)
                )
                for picture in made:
                    path = f"{name}/{name}{psi_in_name}{picture.in_name}_{picture.seed:06d}{suffix}"
                    (making / path).write_bytes(encode(picture.image, picture.height))
                    rows.append(dict(path=path, label=name, split="train") | picture.line(args.psi))
                bar.update(len(made))
                if len(rows) == len(made) < total - CHUNK:
                    print(forecast(making, len(rows), time.monotonic() - began, total - len(rows)), flush=True)
        write_manifest(making, rows, line_end="\r\n")
        if stacks:
            stacks.finish()
    print(
        f"{len(rows)} images of {size}x{size} in {to} (psi {args.psi:g}, seeds from {args.seed}; weights: "
        f"{args.weights}, after {G.nimg} images)"
    )
    return 0


def flat(G: "Generator", label: int, seeds: range, one: "Asked", psi: float) -> "list[Picture]":
    """A slice of each seed."""
    from progan_style.asking import asked, conditions_in_words, draw_conditions
    from progan_style.commands.given import Picture
    from progan_style.sampling import generate

    condition, index = asked(G, label, seeds, one.given)
    images = generate(G, condition, index, psi)[:, 0].numpy()
    words = conditions_in_words(G, draw_conditions(G, condition, index))
    position, made = G.described.position, []
    for row, (seed, image) in enumerate(zip(seeds, images, strict=True)):
        said = {column: cells[row] for column, cells in words.items()} | one.numbers
        made.append(Picture(seed, image, one.in_name, said[position.column] if position else None, said))
    return made
