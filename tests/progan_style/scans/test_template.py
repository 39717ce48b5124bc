"""The template on its grids: one brain at one place, whatever the step."""

import numpy as np
import pytest

from progan_style.scans.template import MIDDLE, STEPS_MM, load_template


def test_the_brain_is_the_same_at_every_step():
    levels = load_template()
    assert tuple(levels) == STEPS_MM == (8, 4, 2)
    for step, level in levels.items():
        at = np.argwhere(level.brain) * level.step + level.origin
        assert len(at) * step**3 / 1e6 == pytest.approx(1.88, abs=0.06)  # litres
        assert np.allclose(at.mean(axis=0), (0, -22, 9.5), atol=1.0)
        assert level.region[level.brain].all() and level.values.min() >= 0 and level.values.max() <= 1
        edge = level.region.copy()
        edge[1:-1, 1:-1, 1:-1] = False
        assert not edge.any()  # the box holds the region, with a voxel about it
        assert level.brain[tuple(np.rint((np.array(MIDDLE) - level.origin) / step).astype(int))]


def test_a_template_that_is_missing_is_one_line(monkeypatch):
    from nilearn import datasets

    def missing(resolution):
        raise FileNotFoundError("No such file:\n mni_icbm152_t1.nii.gz")

    monkeypatch.setattr(datasets, "load_mni152_template", missing)
    load_template.cache_clear()
    with pytest.raises(
        ValueError, match=r"--middle template: expected nilearn's ICBM152 template, got FileNot.* vertex$"
    ):
        load_template()
    monkeypatch.undo()
    assert load_template()
