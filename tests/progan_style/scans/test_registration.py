"""Heads in known poses are found where they are; what is no head is a miss, with its reason."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.whole_heads import Pose, draw_pose, read_atlas, whole_head
from progan_style.phantoms.persons import draw_person
from progan_style.phantoms.space import rotation as turn_of
from progan_style.scans.grids import Grid, Receiver, moved_by
from progan_style.scans.registration import (
    Registration,
    brain_values,
    deviations,
    gauss_newton,
    polar,
    register,
    rotation,
)
from progan_style.scans.template import MIDDLE, load_template
from progan_style.scans.volumes import Volume, read_volume

SHARED = Path(__file__).parents[4] / "shared" / "data" / "volumes"


def affine_of(degrees, scales=(1.0, 1.0, 1.0), shift=(0.0, 0.0, 0.0)):
    T = np.eye(4)
    T[:3, :3] = turn_of(np.radians(degrees)) @ np.diag(scales)
    T[:3, 3] = MIDDLE + np.array(shift) - T[:3, :3] @ MIDDLE
    return T


def seen_in(T, voxel=4.0, side=64):
    """The template itself as a scan in which it lies by T."""
    level = load_template()[2]
    grid = np.diag([voxel, voxel, voxel, 1.0])
    grid[:3, 3] = -voxel * (side - 1) / 2 + np.array([0, -15, 0])
    back = np.linalg.inv(T @ moved_by(level.origin, level.step)) @ grid
    picture = ndimage.gaussian_filter(level.values, voxel / 8)
    data = ndimage.affine_transform(picture, back[:3, :3], back[:3, 3], (side,) * 3, order=1)
    return Volume(np.asarray(data * 900 + 20, np.float32), grid)


@pytest.fixture(scope="module")
def heads():
    """Two whole heads and one without skull, each of its own anatomy: the known pose, the head, what is found."""
    atlas = read_atlas(atrophy=False)
    made = []
    for index, pose in ((0, Pose((15.0, 0.0, 0.0), (10, 20, -15), 0.9)), (1, draw_pose(1, 3)), (7, draw_pose(7, 3))):
        head = whole_head(draw_person(index, "test", 3, "clear"), pose, atlas, 3, voxel=4.0)
        made.append((pose, head, register(Volume(head.data, head.affine))))
    assert [pose.scalp for pose, _, _ in made] == [True, True, False]
    return made


def test_a_known_affine_of_the_template_is_recovered():
    """To a tenth of a voxel, where the prior pulls least: turned, moved, of the usual size and stretched."""
    T = affine_of((12.0, -6.0, 5.0), (0.90, 0.93, 0.96), (12.0, -8.0, 15.0))
    found = register(seen_in(T))
    corners = np.array([[*(np.array(MIDDLE) + d), 1.0] for d in 60 * np.vstack([np.eye(3), -np.eye(3)])])
    assert not found.fault and np.linalg.norm((corners @ (found.to_scan - T).T)[:, :3], axis=1).max() < 0.8
    assert np.linalg.norm((found.to_scan - T) @ [*MIDDLE, 1.0]) < 0.4 and found.similarity > 0.8


def test_the_step_is_newtons_of_the_cost():
    """Its slope is that of the cost by finite differences, in random directions; a step makes the cost less."""
    level, rng = load_template()[8], np.random.default_rng(0)
    scan = seen_in(affine_of((5.0, 3.0, -4.0), (0.95, 0.9, 0.92), (4.0, -3.0, 2.0)))
    grid = Grid(np.clip(ndimage.gaussian_filter(scan.data, 1.5) / 900, 0, 1), scan.affine)
    T, pivot = affine_of((0.0, 0.0, 0.0), (0.93,) * 3), moved_by(np.array(MIDDLE))

    def cost_at(M):
        return gauss_newton(T @ pivot @ (np.eye(4) + M) @ np.linalg.inv(pivot), grid, level, Receiver())[0]

    cost, step = gauss_newton(T, grid, level, Receiver())
    assert cost_at(np.zeros((4, 4))) == cost and cost_at(step) < cost - 0.02
    far = (cost_at(0.02 * step) - cost_at(-0.02 * step)) / 0.04  # along the step
    for _ in range(4):
        M = np.zeros((4, 4))
        M[:3] = rng.standard_normal((3, 4)) * (0.02, 0.02, 0.02, 1.0)
        across = (cost_at(0.02 * M) - cost_at(-0.02 * M)) / 0.04
        assert far < 0 and far < across * 0.5 * np.sign(across)  # no such direction of that size falls as steeply


def test_fat_about_the_brain_counts_at_the_coarse_steps_and_not_at_the_last():
    """Bright points outside the template's brain: the cost at 2 mm is that of the scan in which they are holes."""
    for step in (8, 2):
        level = load_template()[step]
        outside = level.region & ~ndimage.binary_dilation(level.brain)
        fat, hole = (np.where(outside, value, level.values).astype(np.float32) for value in (1.0, -1.0))
        where = moved_by(level.origin, level.step)
        with_fat, with_hole = (gauss_newton(np.eye(4), Grid(x, where), level, Receiver())[0] for x in (fat, hole))
        assert (with_fat == pytest.approx(with_hole, abs=1e-6)) == (step == 2)


def test_the_prior_counts_size_and_stretch_and_no_turn():
    turned = turn_of(np.radians((20.0, 10.0, -30.0)))
    assert np.allclose(deviations(0.93 * turned), 0, atol=1e-9)
    assert deviations(0.93 * np.exp(0.2) * turned)[0] == pytest.approx(2.0)
    stretched = turned @ np.diag(0.93 * np.exp([0.06, -0.06, 0.0]))
    assert np.linalg.norm(deviations(stretched)) == pytest.approx(np.sqrt(2.0))
    R, S = polar(turned @ np.diag([0.8, 0.9, 1.1]))
    assert np.allclose(R, turned) and np.allclose(S, np.diag([0.8, 0.9, 1.1]))


@pytest.mark.parametrize("which, words", enumerate(("nose up", "right ear up", "nose to the left")))
def test_angles_have_their_signs(which, words):
    angles = [0.0, 0.0, 0.0]
    angles[which] = 10.0
    T = np.eye(4)
    T[:3, :3] = rotation(*angles)
    assert np.allclose(Registration(T, 1.0).angles, angles)
    right, front, _ = T[:3, :3].T
    assert {"nose up": front[2], "right ear up": right[2], "nose to the left": -front[0]}[words] > 0.17


def test_whole_heads_in_known_poses(heads):
    """Voxels of 4 mm: the level to 2 mm, the turn to 3 degrees, the size to 5 %."""
    for pose, _, found in heads:
        assert not found.fault and 0.35 < found.similarity < 0.9  # not the template itself
        off = found.turn.T @ ((pose.to_scan - found.to_scan) @ [*MIDDLE, 1.0])[:3]
        assert abs(off[2]) < 2.0 and np.linalg.norm(off) < 3.0
        true = pose.to_scan[:3, :3] / pose.scale
        assert np.degrees(np.arccos(np.clip((np.trace(found.turn.T @ true) - 1) / 2, -1, 1))) < 3.0
        assert np.cbrt(np.linalg.det(found.stretch)) == pytest.approx(pose.scale, rel=0.05)


def test_gray_values_come_from_the_brain(heads):
    _, head, found = heads[0]
    values = brain_values(Volume(head.data, head.affine), found)
    low, high = np.percentile(values, (1, 98))
    white = np.median(head.data[head.white > 0.9])
    assert low < 0.5 * white and high == pytest.approx(white, rel=0.15) and head.data.max() > 1.15 * high  # fat


def test_a_brain_is_found_whatever_is_around_it(heads):
    """Noise about it, a cut that leaves no border, z-scores: the same place to 1 mm."""
    _, head, first = heads[2]
    data, inside, rng = head.data, head.data > 0, np.random.default_rng(0)
    at = np.argwhere(inside)
    box = [slice(a, b + 1) for a, b in zip(at.min(axis=0), at.max(axis=0), strict=True)]
    cropped = head.affine.copy()
    cropped[:3, 3] = head.affine[:3, :3] @ [s.start for s in box] + head.affine[:3, 3]
    scores = np.where(inside, (data - data[inside].mean()) / data[inside].std(), 0).astype(np.float32)
    noise = rng.normal(0, 0.001 * data.max(), data.shape).astype(np.float32)
    for volume in (Volume(data + noise, head.affine), Volume(data[tuple(box)], cropped), Volume(scores, head.affine)):
        found = register(volume)
        assert not found.fault and np.linalg.norm((found.to_scan - first.to_scan) @ [*MIDDLE, 1.0]) < 1.0


def not_heads(head, scan_tools):
    """what it is -> a volume that no registration may be believed of."""
    data, affine = head.data, head.affine
    x, y, _ = np.indices((44, 44, 60)) * 4.0 - 86
    leg = np.where(np.hypot(x, y) < 10, 200, np.where(np.hypot(x, y) < 16, 10, np.where(np.hypot(x, y) < 70, 90, 2)))
    leg = leg + np.random.default_rng(0).normal(0, 4, leg.shape)
    ellipsoids, its_affine = scan_tools.head(4.0)
    return {
        "a slab": Volume(np.ascontiguousarray(data[:, :, 30:36]), affine),
        "half a head": Volume(np.ascontiguousarray(data[32:]), affine),
        "upside down": Volume(np.ascontiguousarray(data[:, :, ::-1]), affine),
        "another contrast": Volume(np.where(data > 60, data.max() - data, 0).astype(np.float32), affine),
        "a leg": Volume(leg.astype(np.float32), np.diag([4.0, 4.0, 4.0, 1.0])),
        "no brain": Volume(ellipsoids.astype(np.float32), its_affine),
    }


def test_what_is_no_upright_t1_head_is_a_miss(heads, scan_tools):
    for what, volume in not_heads(heads[1][1], scan_tools).items():
        assert "; expected" in register(volume).fault, what


def test_a_head_cut_off_at_the_top_or_at_the_neck_is_found_all_the_same(heads):
    """24 mm of it from its top, which has no vertex then, and all under 75 mm below the point of the slices."""
    _, head, first = heads[1]
    at = first.to_scan @ [*MIDDLE, 1.0]
    heights = head.affine[2, 3] + 4.0 * np.arange(head.data.shape[2])
    top = heights[(head.data > 0.2 * np.percentile(head.data, 98)).sum(axis=(0, 1)) > 30].max()
    for kept in (heights < top - 24, heights > at[2] - 75):
        affine = head.affine.copy()
        affine[2, 3] = heights[kept][0]
        found = register(Volume(np.ascontiguousarray(head.data[:, :, kept]), affine))
        assert not found.fault and np.linalg.norm((found.to_scan - first.to_scan) @ [*MIDDLE, 1.0]) < 3.0


def test_a_scan_in_the_templates_space_stays_where_it_is():
    found = register(seen_in(np.eye(4)))
    assert found.at_home and not found.fault and np.array_equal(found.to_scan, np.eye(4))
    assert not register(seen_in(affine_of((0.0, 0.0, 0.0), (1, 1, 1), (0, 0, 4.0)))).at_home


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real volumes beside the repository")
def test_a_real_head_is_found_in_any_pose():
    """No phantom: the same scan with its affine moved; the template's middle stays at one point of the head."""
    volume = read_volume(SHARED / "chris_t1.nii.gz")
    thin = Volume(np.ascontiguousarray(volume.data[::2, ::2, ::2]), volume.affine @ np.diag([2, 2, 2, 1]))
    points = []
    for degrees, shift in (((0, 0, 0), (0, 0, 0)), ((15, 4, -6), (20, -10, 20)), ((-12, -8, 5), (-5, 20, -15))):
        moved = affine_of(degrees, shift=shift)
        found = register(Volume(thin.data, moved @ thin.affine))
        assert not found.fault
        points.append((np.linalg.inv(moved) @ found.to_scan @ [*MIDDLE, 1.0])[:3])
    assert np.ptp(points, axis=0).max() < 0.5
