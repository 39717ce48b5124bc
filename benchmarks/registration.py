"""What `--middle template` gives: python -m benchmarks.registration [--heads 40 --seed 0 --voxel 2] [--scan FILE ...]

Whole phantom heads in a known pose (benchmarks/whole_heads.py): tilt 0 to 15 degrees, shift 0 to 30 mm, scale 0.9 to
1.1, three of four with scalp, the fourth without skull, with noise and a bias field. Cut about the vertex (`auto`:
without skull about the brain's centre), about the template's point, and where the pose is known:

    level       height of a structure against the slices' middle, SD and range over the heads; `pose` is the point that
                the slices lie about, moved with the head and nothing else; the others move with the person's anatomy
    misses      heads that are listed, and heads that are 5 mm off and not listed
    ratio       ventricle area / brain area of the same labels in those slices; brain area against the known pose's
    white       mean gray value of white matter, SD over the heads
    cost        CPU seconds of a registration with its cut

`--scan`: a scan whose affine is moved in twelve known ways; how far the registrations agree. It needs no phantom.
`--large DIR`: seconds and memory of a volume of 256^3, kept in DIR.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.whole_heads import PIVOT, Pose, WholeHead, draw_head, read_atlas
from progan_style.phantoms.space import rotation
from progan_style.scans.cutting import Cut, Place, Slices, cut_slices
from progan_style.scans.registration import register
from progan_style.scans.template import MIDDLE, load_template
from progan_style.scans.volumes import BadScan, Volume, read_volume

WAYS = {way: Cut(slices=5, spacing=4.0, size=128, middle=way) for way in ("auto", "template")}
MEASURED = ("pose", "gray", "ratio", "brain", "ventricle", "missed", "similarity", "turn", "seconds")
OFF_MM = 5.0
assert np.allclose(PIVOT, MIDDLE)


def areas(head: WholeHead, place: Place, pixel: float = 2.0) -> tuple[float, float, list[NDArray[np.float32]]]:
    """Ventricle and brain area in mm2 of the slices, and the white matter's share in them, [128, 128] each."""
    at = (np.arange(128) - 63.5) * pixel
    to_voxel = np.linalg.inv(head.affine)
    ventricle = brain = 0.0
    whites = []
    for offset in WAYS["auto"].offsets:
        grid = np.stack(np.broadcast_arrays(at[None, :], -at[:, None], offset)).reshape(3, -1)
        voxel = to_voxel[:3, :3] @ (place.axes @ grid + place.centre[:, None]) + to_voxel[:3, 3][:, None]
        share = [
            ndimage.map_coordinates(part.astype(np.float32), voxel, order=1)
            for part in (head.ventricles, head.brain, head.white)
        ]
        area = pixel**2 * abs(np.linalg.det(place.axes)) ** (2 / 3)
        ventricle, brain = ventricle + area * share[0].sum(), brain + area * share[1].sum()
        whites.append(share[2].reshape(128, 128))
    return ventricle, brain, whites


def one_head(head: WholeHead, pose: Pose) -> dict[str, dict[str, float]]:
    """way -> what is measured."""
    volume = Volume(head.data, head.affine)
    true = Place("template", (pose.to_scan @ [*MIDDLE, 1])[:3], rotation(np.radians(pose.degrees)))
    places: dict[str, tuple[Place, Slices | None]] = {"known pose": (true, None)}
    seconds = {}
    for way, cut in WAYS.items():
        began = time.process_time()
        try:
            slices = cut_slices(volume, cut)
        except BadScan:  # the vertex is not in the volume
            continue
        seconds[way] = time.process_time() - began
        places[way] = (slices.place, slices)
    sized = places["template"][0] if "template" in places else true
    if sized.registration is not None:
        sized = replace(sized, axes=sized.registration.to_scan[:3, :3])
    places["template, its size"] = (sized, None)
    places["known mask"] = (true, cut_slices(volume, WAYS["auto"], head.brain))
    found = {way: dict.fromkeys((*head.levels, *MEASURED), float("nan")) for way in WAYS}
    for way, (place, shown) in places.items():
        up = place.axes[:, 2] / np.linalg.norm(place.axes[:, 2])
        levels = {name: float(up @ (at - place.centre)) for name, at in head.levels.items()}
        ventricle, brain, whites = areas(head, place)
        gray = float("nan")
        if shown is not None and len(shown.pictures) == len(whites):
            if shown.place is not place:
                whites = areas(head, shown.place)[2]
            gray = float(np.concatenate([p[w > 0.9] for p, w in zip(shown.pictures, whites, strict=True)]).mean())
        found[way] = {"pose": float(up @ (true.centre - place.centre)), **levels, "gray": gray}
        alike = place.registration.similarity if place.registration is not None else float("nan")
        turn = place.axes / np.cbrt(np.linalg.det(place.axes))
        off = np.degrees(np.arccos(np.clip((np.trace(turn.T @ true.axes) - 1) / 2, -1, 1)))
        found[way] |= {"ratio": ventricle / brain, "brain": brain, "ventricle": ventricle, "missed": bool(place.missed)}
        found[way] |= {"similarity": alike, "turn": float(off), "seconds": seconds.get(way, float("nan"))}
    return found


def spread(values: Sequence[float]) -> str:
    known = np.array([v for v in values if np.isfinite(v)])
    return f"{known.std(ddof=1):5.2f} / {np.ptp(known):5.2f}" if len(known) > 1 else "-"


def heads(count: int, seed: int, voxel: float, keep: Path | None) -> int:
    rows, whose = [], []
    if keep is not None and keep.is_file():
        for line in keep.read_text().splitlines():
            row, (label, scalp) = json.loads(line)
            rows.append(row)
            whose.append((label, scalp))
    atlas = read_atlas() if len(rows) < count else None
    load_template()
    for index in range(len(rows), count):
        assert atlas is not None
        person, pose, head = draw_head(index, atlas, seed, voxel)
        rows.append(one_head(head, pose))
        whose.append((person.label, pose.scalp))
        if keep is not None:
            with keep.open("a") as file:
                file.write(json.dumps([rows[-1], whose[-1]], default=float) + "\n")
        mine, auto = rows[-1]["template"], rows[-1]["auto"]
        print(f"{index:3} tilt {np.linalg.norm(pose.degrees):4.1f} shift {np.linalg.norm(pose.shift_mm):4.1f} "
              f"scale {pose.scale:.2f} {'scalp' if pose.scalp else 'bare '} similarity {mine['similarity']:.3f} "
              f"turn off by {mine['turn']:4.2f} level off by {mine['pose']:5.2f} (auto {auto['pose']:6.2f}) "
              f"{mine['seconds']:.2f} s", flush=True)  # fmt: skip
    report(rows, whose)
    took = [row["template"]["seconds"] for row in rows]
    print(f"cost      {np.median(took):.2f} CPU s to register and to cut 5 slices (median; at most {max(took):.2f})")
    return 0


def report(rows: list[dict[str, dict[str, float]]], whose: list[tuple[int, bool]]) -> None:
    listed = [row for row in rows if row["template"]["missed"]]  # nan: refused, which counts
    kept = [(row, who) for row, who in zip(rows, whose, strict=True) if not row["template"]["missed"]]
    off = sum(abs(row["template"]["pose"]) > OFF_MM for row, _ in kept)
    refused = sum(bool(np.isnan(row["auto"]["pose"])) for row in rows)
    print(f"refused   {refused} of {len(rows)} without the template: their vertex is not in the volume")
    print(f"misses    {len(listed)} of {len(rows)} listed; {off} not listed and more than {OFF_MM:g} mm off")
    ways = ("auto", "template", "template, its size", "known pose")
    print(f"level     SD / range in mm of {len(kept)} heads" + "".join(f"{way:>20}" for way in ways))
    for name in ("pose", *(n for n in rows[0]["auto"] if n in ("ventricles", "thalamus", "caudate", "cerebellum"))):
        print(f"          {name:24}" + "".join(f"{spread([row[way][name] for row, _ in kept]):>20}" for way in ways))
    for scalp in (True, False):
        some = [row for row, who in kept if who[1] == scalp]
        print(f"          pose, {'with scalp' if scalp else 'without skull':18}"
              + "".join(f"{spread([row[way]['pose'] for row in some]):>20}" for way in ways))  # fmt: skip
    print(f"ratio     {'ventricle / brain area':24}" + "".join(f"{way:>20}" for way in ways))
    groups = [[row for row, who in kept if who[0] == label] for label in (0, 1)]
    for label, group in zip(("CN", "AD"), groups, strict=True):
        cells = [np.array([row[way]["ratio"] for row in group]) for way in ways]
        print(
            f"          {label:24}"
            + "".join(f"{np.nanmean(cell):12.4f} +-{np.nanstd(cell, ddof=1):.4f}" for cell in cells)
        )
    apart = []
    for way in ways:
        a, b = (np.array([row[way]["ratio"] for row in group]) for group in groups)
        apart.append((np.nanmean(b) - np.nanmean(a)) / np.sqrt((np.nanvar(a, ddof=1) + np.nanvar(b, ddof=1)) / 2))
    print(f"          {'AD - CN in SD':24}" + "".join(f"{d:20.2f}" for d in apart))
    for what in ("ratio", "ventricle", "brain"):
        cells = [np.array([row[way][what] / row["known pose"][what] for row, _ in kept]) for way in ways]
        print(
            f"          {what + ' / known pose':24}"
            + "".join(f"{np.nanmean(c):13.3f} +-{np.nanstd(c, ddof=1):.3f}" for c in cells)
        )
    for scalp in (True, False):
        print(f"white     {'with scalp' if scalp else 'without skull'}", end="")
        for way in ("auto", "template", "known mask"):
            gray = np.array([row[way]["gray"] for row, who in kept if who[1] == scalp])
            print(f"; {way} {np.nanmean(gray):.0f} +- {np.nanstd(gray, ddof=1):.1f} "
                  f"({np.nanstd(gray, ddof=1) / np.nanmean(gray):.1%})", end="")  # fmt: skip
        print()


def large(path: str, out: "multiprocessing.Queue[tuple[float, float, float]]") -> None:
    """In a process of its own: seconds of a registration of a large volume, memory before and at most, GB."""
    load_template()
    stored = np.load(path)
    volume = Volume(np.ascontiguousarray(stored.repeat(2, 0).repeat(2, 1).repeat(2, 2)), np.diag([1.0, 1, 1, 1]))
    volume.affine[:3, 3] = -128
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    began = time.process_time()
    register(volume)
    out.put((time.process_time() - began, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def cost_of_large(folder: Path) -> None:
    _, _, head = draw_head(0, read_atlas(), 0)
    np.save(folder / "head.npy", head.data)
    context = multiprocessing.get_context("spawn")
    out: multiprocessing.Queue[tuple[float, float, float]] = context.Queue()
    process = context.Process(target=large, args=(str(folder / "head.npy"), out))
    process.start()
    seconds, before, most = out.get()
    process.join()
    print(f"cost      256^3: {seconds:.2f} CPU s; {most:.2f} GB at most, {before:.2f} of them before the registration")


def scan(path: str) -> None:
    """The same scan in twelve known poses: the template's middle, carried back, should be one point."""
    volume = read_volume(path)
    rng = np.random.default_rng(0)
    home = volume.affine[:3, :3] @ (np.array(volume.data.shape) / 2) + volume.affine[:3, 3]
    points, turns, alike = [], [], []
    for k in range(12):
        moved = np.eye(4)
        axis = rng.standard_normal(3)
        moved[:3, :3] = rotation(np.radians(rng.uniform(0, 15) * axis / np.linalg.norm(axis)) * (k > 0))
        moved[:3, 3] = home - moved[:3, :3] @ home + rng.uniform(-17, 17, 3) * (k > 0)
        found = register(Volume(volume.data, moved @ volume.affine))
        back = np.linalg.inv(moved) @ found.to_scan
        points.append((back @ [*MIDDLE, 1])[:3])
        turns.append(np.degrees(np.arcsin(np.clip((moved[:3, :3].T @ found.turn)[2, 1], -1, 1))))
        alike.append(found.similarity)
        if found.fault:
            print(f"          missed: {found.fault}")
    at = np.array(points)
    print(
        f"{Path(path).name}: 12 poses; level SD {at[:, 2].std(ddof=1):.2f} mm, range {np.ptp(at[:, 2]):.2f} mm; pitch "
        f"{np.mean(turns):.1f} +- {np.std(turns, ddof=1):.2f} degrees; similarity {min(alike):.3f} to {max(alike):.3f}"
    )


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--heads", type=int, default=40)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--voxel", type=float, default=2.0, help="mm")
    p.add_argument("--keep", type=Path, metavar="FILE", help="rows of heads that are done; the same command goes on")
    p.add_argument("--large", type=Path, metavar="DIR", help="time a volume of 256^3, kept in DIR")
    p.add_argument("--scan", action="append", default=[], metavar="FILE")
    args = p.parse_args(argv)
    for path in args.scan:
        scan(path)
    if args.large:
        cost_of_large(args.large)
    return heads(args.heads, args.seed, args.voxel, args.keep) if not (args.scan or args.large) else 0


if __name__ == "__main__":
    sys.exit(main())
