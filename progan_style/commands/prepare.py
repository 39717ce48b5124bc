"""Prepare: scans (NIfTI, DICOM, ...) or slices -> a data folder split by person, or an audit of one that exists."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from progan_style import shell

FOR_SCANS = ("plane", "slices", "spacing", "size", "middle", "below", "head_size")


def parse(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog=prog, description=__doc__)
    p.add_argument("source", metavar="SOURCE", nargs="?", help="folder of scans (or one scan), or of slices")
    p.add_argument("--to", metavar="DIR", help="folder to write; with --audit default DIR/audit")
    p.add_argument("--labels", metavar="FILE", help="CSV or TSV with subject, group and further columns")
    p.add_argument(
        "--names",
        metavar="PATTERN",
        default="",
        help="where names tell their person: '{subject}_{session}_*', '{subject}/*/*'; * is any text",
    )
    p.add_argument(
        "--include", metavar="PATTERN", action="append", default=[], help="cut these scans alone; * is any text"
    )
    p.add_argument("--exclude", metavar="PATTERN", action="append", default=[], help="do not cut these scans")
    p.add_argument(
        "--orientation",
        metavar="LAS",
        default="",
        help="towards which ends the stored axes run, where headers do not say (Analyze); RAS: right, front, up",
    )
    p.add_argument(
        "--nearest-visit", metavar="DAYS", type=int, help="a scan without a row of its own takes the nearest visit's"
    )
    p.add_argument("--alias", metavar="NAME=CLASS", action="append", default=[], help="a group's class; - leaves out")
    p.add_argument(
        "--split", metavar="A/B/C", default="80/10/10", help="train/validate/test in %% (default: %(default)s)"
    )
    p.add_argument("--seed", metavar="S", type=int, default=999, help="of the split (default: %(default)s)")
    p.add_argument("--terms", metavar="FILE", help="text of the scans' licence, for DATASET.md")
    p.add_argument("--strict", action="store_true", help="stop at the first scan that cannot be used")
    p.add_argument("--workers", metavar="N", type=int, help="processes (default: all cores, 4 at most)")
    p.add_argument("--audit", metavar="DIR", help="look for persons and copies on both sides of a split")
    how = p.add_argument_group("how scans are cut")
    how.add_argument("--plane", choices=("axial", "coronal", "sagittal"), help="default: axial")
    how.add_argument("--slices", metavar="N", type=int, help="per scan (default: 20)")
    how.add_argument("--spacing", metavar="MM", type=float, help="from slice to slice (default: 2.0)")
    how.add_argument("--size", metavar="PIXELS", type=int, help="per side; a picture shows 256 mm (default: 256)")
    how.add_argument(
        "--middle",
        choices=("auto", "vertex", "brain", "volume", "template"),
        help="the slices lie evenly about: --below mm under the vertex, the brain's centre, the volume's middle, a "
        "point of the template, with its tilt; auto: the brain where a mask is beside the scan or the skull was "
        "removed, else the vertex (default)",
    )
    how.add_argument("--below", metavar="MM", type=float, help="middle slice under the vertex (default: 75)")
    how.add_argument(
        "--head-size", choices=("kept", "template"), help="with --middle template: whose mm count (default: kept)"
    )
    how.add_argument(
        "--strip",
        metavar="COMMAND",
        default="",
        help="your tool that finds the brain where no mask is beside the scan, as 'mri_synthstrip -i {scan} -m {mask}'",
    )
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None, prog: str = "prepare.py") -> int:
    args = parse(argv, prog)
    left = "nothing is written" if args.audit else f"nothing is left in {args.to}"
    return shell.run(prog, audit if args.audit is not None else prepare, args, interrupted=f"stopped; {left}")


def prepare(args: argparse.Namespace) -> int:
    if not args.source:
        raise ValueError("SOURCE: expected a folder of scans or of slices (or --audit DIR)")
    if not args.to:
        raise ValueError("--to: expected the folder to write")
    if not Path(args.source).exists():
        raise FileNotFoundError(f"{args.source}: no such folder; expected scans (NIfTI, DICOM, ...) or slices")
    if args.nearest_visit is not None and args.nearest_visit < 0:
        raise ValueError(f"--nearest-visit: expected days, 0 or more, got {args.nearest_visit}")
    if not 0 <= args.seed < 2**32:
        raise ValueError(f"--seed: expected 0 to 2^32 - 1, got {args.seed}")

    from progan_style.scans.cutting import Cut
    from progan_style.scans.finding import holds_scans
    from progan_style.scans.orientation import parse_orientation
    from progan_style.scans.settings import PrepareSettings
    from progan_style.scans.slices import prepare_slices
    from progan_style.scans.split import parse_shares
    from progan_style.scans.study import prepare_study

    terms = Path(args.terms).read_text(encoding="utf-8") if args.terms else ""
    settings = PrepareSettings(
        labels=args.labels,
        aliases=tuple(args.alias),
        names=args.names,
        include=tuple(args.include),
        exclude=tuple(args.exclude),
        orientation=parse_orientation(args.orientation),
        nearest_visit=args.nearest_visit,
        split=args.split,
        seed=args.seed,
        terms=terms,
        strip=args.strip,
        strict=args.strict,
    )
    given = {name: getattr(args, name) for name in FOR_SCANS if getattr(args, name) is not None}
    if holds_scans(args.source):
        done = prepare_study(args.source, args.to, settings, cut=Cut(**given), workers=args.workers, say=print)
        rows, failed, doubtful = done.rows, done.failed, done.doubtful
    else:
        given |= {name: True for name in ("include", "exclude", "orientation", "strip") if getattr(args, name)}
        if given:
            option = next(iter(given)).replace("_", "-")
            raise ValueError(f"--{option}: for scans; {args.source} holds no scans, and slices are not cut")
        _, rows, failed = prepare_slices(args.source, args.to, settings, say=print)
        doubtful = {}
    return report(args.to, rows, failed, doubtful, sum(share > 0 for share in parse_shares(args.split).values()))


def report(
    to: str, rows: list[dict[str, str]], failed: dict[str, str], doubtful: dict[str, str], splits: int = 3
) -> int:
    """What was written, then what could not be; the exit code. splits: how many were asked for."""
    from progan_style.data.persons import STATED
    from progan_style.scans.writing import WHICH_WAY_UP, count_table, persons_are

    people = "persons" if persons_are(rows) == STATED else "guessed"
    print(f"{'split':10}{'class':14}{people:>8}{'scans':>8}{'slices':>8}")
    for split, label, persons, scans, slices in count_table(rows):
        print(f"{split:10}{label:14}{persons:8}{scans:8}{slices:8}")
    if splits > 1 and {row["split"] for row in rows} == {"train"}:
        number = "three" if splits == 3 else "two"
        print(f"note      too few persons of a class for {number} splits: all are in train")
    print(f"{to}: {len(rows)} slices; look at {to}/sheets, then: python prepare.py --audit {to}")
    for name, why in failed.items():
        print(f"FAILED    {name}: {why}", file=sys.stderr)
    for name, why in doubtful.items():
        print(f"WHICH WAY UP  {name}: {why} in {to}/{WHICH_WAY_UP}", file=sys.stderr)
    return 1 if failed or doubtful else 0


def audit(args: argparse.Namespace) -> int:
    if args.source:
        raise ValueError(f"--audit takes its folder itself; got {args.source} besides")

    from progan_style.audit.audit import audit_folder

    to = Path(args.to) if args.to else Path(args.audit) / "audit"
    try:
        found = audit_folder(args.audit, to, aliases=args.alias, names=args.names, say=print)
    except OSError as error:
        if error.filename is None or not str(error.filename).startswith(str(to)):
            raise
        # What was found is printed by now
        raise OSError(f"{shell.in_words(error)}: the page is not written; name another folder with --to") from None
    print(f"look at {to / 'audit.html'}")
    return 1 if found.crosses or found.unreadable else 0
