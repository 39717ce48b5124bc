"""The benchmark's report says what its rows hold: spreads, misses, heads that are off and not listed."""

import numpy as np

from benchmarks import registration
from benchmarks.whole_heads import draw_pose


def rows(levels, missed=()):
    made = []
    for k, level in enumerate(levels):
        row = {"pose": level, "thalamus": level, "gray": 150.0 + k, "ratio": 0.05 + 0.01 * (k % 2), "brain": 1000.0}
        row |= {"ventricle": 50.0, "missed": k in missed, "similarity": 0.5, "turn": 1.0, "seconds": 1.0}
        still = row | {"pose": 0.0, "missed": False}
        made.append({"auto": row, "template": row, "template, its size": row, "known pose": still, "known mask": row})
    return made, [(k % 2, k % 3 > 0) for k in range(len(levels))]


def test_the_report_counts_misses_apart_from_what_is_off(capsys):
    made, whose = rows([0.0, 1.0, -1.0, 9.0, 0.5, 30.0], missed=(5,))
    registration.report(made, whose)
    said = capsys.readouterr().out.splitlines()
    assert "misses    1 of 6 listed; 1 not listed and more than 5 mm off" in said
    line = next(line for line in said if line.split()[:1] == ["pose"])
    known = np.array([0.0, 1.0, -1.0, 9.0, 0.5])
    assert line.split()[1:4] == [f"{known.std(ddof=1):.2f}", "/", "10.00"]


def test_poses_are_those_that_are_promised():
    poses = [draw_pose(k, 0) for k in range(40)]
    tilts, shifts = ([np.linalg.norm(getattr(p, name)) for p in poses] for name in ("degrees", "shift_mm"))
    assert 12 < max(tilts) <= 15 and 25 < max(shifts) <= 30 and min(tilts) < 2
    assert all(0.9 <= p.scale <= 1.1 for p in poses) and sum(p.scalp for p in poses) == 30
    assert registration.spread([1.0, float("nan"), 3.0]).split() == [f"{np.sqrt(2):.2f}", "/", "2.00"]
    assert draw_pose(3, 0) == draw_pose(3, 0) != draw_pose(3, 1)
