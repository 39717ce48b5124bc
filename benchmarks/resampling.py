"""Cubic against trilinear resampling: python -m benchmarks.resampling [--voxel 1] [--heads 2] [--scan FILE ...]

Phantom heads in a tilted pose, noise and textures left out, so that the truth is known: a scan holds the mean over each
voxel, a true slice the mean over each pixel of 1 mm^3, drawn at the slice's own points. In percent of white matter:

    structure   RMSE against the truth without noise, in the brain, and within 3 mm of the brain's and the scalp's edges
    ringing     how far samples lie under the truth there at most (1 in 1,000), and the share of air that is not black
    noise       its SD in the slice, and how uneven it is: 95th against 5th percentile of a pixel's SD
    both        RMSE in the brain of scans with 2 and 4 % of noise

`--scan`: of a real scan, the detail that both keep (noise included) and seconds.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.whole_heads import PIVOT, Atlas, Pose, read_atlas, signal_of
from progan_style.phantoms.persons import Person, draw_person
from progan_style.phantoms.space import rotation
from progan_style.scans.cutting import Cut, find_place
from progan_style.scans.head import find_head
from progan_style.scans.volumes import read_volume

POSE = Pose((8.0, -3.0, 2.0), (0.3, 0.4, 0.2), 1.0)
OFFSETS = (-8.0, 0.0, 8.0)
LOW, HIGH = np.array([-88.0, -122.0, -26.0]), np.array([88.0, 90.0, 26.0])  # of the scan, mm about the pivot
ORDERS = {1: "trilinear", 3: "cubic"}


def drawn(at: NDArray[np.float32], step: float, axes: NDArray[np.float64], person: Person, atlas: Atlas) -> list:
    """Signal, brain and distance to the brain at RAS mm [3, N]: means over cubes of a step along the axes."""
    back, result = np.linalg.inv(POSE.to_scan), []
    for corner in np.indices((2, 2, 2)).reshape(3, -1).T:
        moved = at + (axes @ ((corner - 0.5) * step / 2)).astype(np.float32)[:, None]
        q = back[:3, :3].astype(np.float32) @ moved + back[:3, 3].astype(np.float32)[:, None]
        flat = [np.zeros(q.shape[1], np.float32)] * 2
        drawn_at = signal_of(q, q, flat, person, atlas, True, np.random.default_rng(person.index))
        result.append(drawn_at[0])
        inside = drawn_at[3]
    return [np.mean(result, axis=0), inside]


def one_head(index: int, voxel: float, atlas: Atlas) -> dict[tuple[str, int], float]:
    person = draw_person(index, "test", 11, "clear")
    shape = np.round((HIGH - LOW) / voxel).astype(int)
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = PIVOT + LOW + voxel / 2
    scan = np.empty(tuple(shape), np.float32)
    for z in range(shape[2]):  # a plane at a time
        plane = np.stack(np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), [z], indexing="ij")).reshape(3, -1)
        at = (affine[:3, :3] @ plane + affine[:3, 3][:, None]).astype(np.float32)
        scan[:, :, z] = drawn(at, voxel, np.eye(3), person, atlas)[0].reshape(shape[:2])
    turn = rotation(np.radians(POSE.degrees))
    centre = PIVOT + POSE.shift_mm
    side = np.arange(-79.5, 80)
    grid = np.stack(np.broadcast_arrays(side[:, None, None], 1.1 * side[None, :, None], np.array(OFFSETS)[None, None]))
    at = (turn @ grid.reshape(3, -1) + centre[:, None]).astype(np.float32)
    truth, brain = (part.reshape(grid.shape[1:]) for part in drawn(at, 1.0, turn, person, atlas))
    voxels = np.linalg.inv(affine)[:3] @ np.vstack([at, np.ones((1, at.shape[1]))])
    rng, found = np.random.default_rng(index), {}
    noises = rng.standard_normal((12, *scan.shape), np.float32)
    sharp = np.max([np.abs(np.gradient(truth, axis=axis)) for axis in (0, 1)], axis=0) > 0.1
    edges = ndimage.binary_dilation(sharp, np.ones((7, 7, 1)))
    air = (truth < 1e-3) & ~ndimage.binary_erosion(truth < 1e-3, np.ones((13, 13, 1)))
    core = ndimage.binary_erosion(brain, np.ones((5, 5, 1)))
    for order in ORDERS:

        def sliced(values: NDArray[np.float32], order: int = order) -> NDArray[np.float32]:
            ready = ndimage.spline_filter(values, order, np.float32) if order > 1 else values
            taken = ndimage.map_coordinates(ready, voxels, np.float32, order=order, prefilter=False, mode="nearest")
            return np.asarray(taken.reshape(truth.shape))

        clean = sliced(scan)
        off = 100 * (clean - truth)
        noise = np.stack([sliced(one) for one in noises])
        found["structure, brain", order] = float(np.sqrt((off[core] ** 2).mean()))
        found["structure, edges", order] = float(np.sqrt((off[edges] ** 2).mean()))
        found["under the truth", order] = float(-np.percentile(off[edges], 0.1))
        found["air not black %", order] = float(100 * np.mean(np.abs(clean[air]) > 0.01))
        found["noise's SD", order] = float(np.sqrt((noise[:, core] ** 2).mean()))
        local = np.sqrt(ndimage.uniform_filter(noise.var(axis=0), (3, 3, 0)))[core]
        found["noise, uneven", order] = float(np.divide(*np.percentile(local, (95, 5))))
        for amount in (0.02, 0.04):
            errors = [100 * (clean + amount * one - truth)[core] for one in noise]
            found[f"both, noise {amount:.0%}", order] = float(np.sqrt(np.mean(np.square(errors))))
        for block in (2, 4):  # pictures of 128 and 64
            small = off.reshape(160 // block, block, 160 // block, block, -1).mean(axis=(1, 3))
            whole = core.reshape(160 // block, block, 160 // block, block, -1).all(axis=(1, 3))
            found[f"structure at {256 // block}", order] = float(np.sqrt((small[whole] ** 2).mean()))
    return found


def phantoms(count: int, voxel: float) -> None:
    atlas = read_atlas(atrophy=False)
    rows = [one_head(index, voxel, atlas) for index in range(count)]
    print(f"{count} heads, voxels of {voxel:g} mm" + "".join(f"{name:>12}" for name in ORDERS.values()))
    for name in dict.fromkeys(name for name, _ in rows[0]):
        print(f"{name:28}" + "".join(f"{np.mean([row[name, order] for row in rows]):12.2f}" for order in ORDERS))


def scan(path: str) -> None:
    """Slices about the template's point, sampled trilinearly and by cubic splines: detail and seconds.

    Detail is the SD of a picture less itself blurred by 1 pixel, in the middle of the brain.
    """
    volume = read_volume(path)
    cut = Cut(middle="template")
    place = find_place(volume, None, "", find_head(volume), cut)
    to_voxel = np.linalg.inv(volume.affine)
    fine = {}
    for order in (1, 3):
        began = time.process_time()
        values = ndimage.spline_filter(volume.data, order, np.float32) if order > 1 else volume.data
        at = np.arange(256) - 127.5
        pictures = []
        for offset in cut.offsets:
            grid = np.stack(np.broadcast_arrays(at[None, :], -at[:, None], offset)).reshape(3, -1)
            voxel = to_voxel[:3, :3] @ (place.axes @ grid + place.centre[:, None]) + to_voxel[:3, 3][:, None]
            picture = ndimage.map_coordinates(values, voxel, np.float32, order=order, prefilter=False)
            pictures.append(picture.reshape(256, 256))
        seconds = time.process_time() - began
        for side in (256, 128, 64):
            small = np.stack(pictures).reshape(len(pictures), side, 256 // side, side, -1).mean(axis=(2, 4))
            middle = slice(side // 2 - side // 8, side // 2 + side // 8)
            detail = small - ndimage.gaussian_filter(small, (0, 1, 1))
            fine[order, side] = float(detail[:, middle, middle].std())
        print(f"{Path(path).name}: order {order}, {len(pictures)} slices of 256: {seconds:.2f} CPU s", flush=True)
    for side in (256, 128, 64):
        print(f"          {side}: cubic keeps {fine[3, side] / fine[1, side] - 1:+.1%} of detail against trilinear")


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--heads", type=int, default=2)
    p.add_argument("--voxel", type=float, default=1.0, help="mm")
    p.add_argument("--scan", action="append", default=[], metavar="FILE")
    args = p.parse_args(argv)
    for path in args.scan:
        scan(path)
    if not args.scan:
        phantoms(args.heads, args.voxel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
